//! `schemagate hook NAME`: what the installed shims run.
//!
//! A foreign hook that was there before runs first, with the same arguments, environment and input. Server hooks fail
//! closed: whatever goes wrong on our side refuses the push and says that it is not the pusher's fault.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::commands::changes::Source;
use crate::commands::check::{released_state, staged_report, tree_source};
use crate::commands::judge::{Case, judge};
use crate::commands::server::{Loaded, Unusable, load};
use crate::commands::{Console, Exit, receive, worker};
use crate::config::server::IDENTITIES;
use crate::finding::Report;
use crate::git::push::{Update, pushed, received};
use crate::git::refs::{merge_base, resolve, tree_of};
use crate::git::repository::Repository;
use crate::git::store::ObjectKind;
use crate::host::{Pusher, pusher};
use crate::{environment, text};

/// Runs a Git hook. Installed shims call this; people do not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate hook pre-commit            judge the index, as the installed hook does
  schemagate hook pre-receive < LINES   judge a push in the Git directory GIT_DIR")]
pub struct Args {
    /// The shim that calls; a hook kept beside it runs first
    #[arg(long, value_name = "FILE")]
    shim: Option<PathBuf>,
    /// Which hook; or the file of the hook, as the system passes it when the program stands in its first line
    #[arg(value_name = "NAME", value_parser = known_hook)]
    name: PathBuf,
    /// The hook's own arguments
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// Accepts the name of a hook, with or without a folder before it.
fn known_hook(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut hooks = super::shims::CLIENT.iter().chain(&super::shims::SERVER);
    if hooks.any(|hook| *hook == name) { Ok(path) } else { Err("not a hook that schemagate serves".to_owned()) }
}

impl Args {
    /// Returns the name of the hook.
    fn hook(&self) -> &str {
        self.name.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Returns the file of the installed hook, if one called.
    fn shim(&self) -> Option<&Path> {
        let direct = self.name.parent().filter(|folder| !folder.as_os_str().is_empty()).map(|_| self.name.as_path());
        self.shim.as_deref().or(direct)
    }

    /// Returns the hook's name, if it is one of the server.
    pub fn on_server(&self) -> Option<&str> {
        Some(self.hook()).filter(|name| super::shims::SERVER.contains(name))
    }
}

/// Input of a hook beyond this size is refused, in bytes.
const LARGEST_INPUT: u64 = 256 << 20;

/// Runs the command.
///
/// # Errors
/// If the world goes wrong; the caller's exit code refuses the push.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    if args.on_server().is_some() {
        without_the_pushers_databases()?;
    }
    let takes_input = matches!(args.hook(), "pre-receive" | "post-receive" | "pre-push");
    let mut input = Vec::new();
    if takes_input {
        std::io::stdin()
            .lock()
            .take(LARGEST_INPUT + 1)
            .read_to_end(&mut input)
            .context("the hook's input cannot be read")?;
        if input.len() as u64 > LARGEST_INPUT {
            bail!("the push has more references than can be judged");
        }
    }
    let earlier = previous(args, &input)?;
    if args.hook() != "post-receive" && earlier != 0 {
        return Ok(Exit::Findings);
    }
    let exit = match args.hook() {
        "pre-commit" | "pre-merge-commit" => commit(console)?,
        "pre-push" => push(console, &input)?,
        "pre-receive" => pre_receive(console, &input)?,
        _ => post_receive(console, &input)?,
    };
    Ok(if earlier == 0 { exit } else { Exit::Findings })
}

/// Starts anew without what libraries of databases read from the environment: only the server file says what is worked
/// with, and how.
///
/// # Errors
/// If the program cannot be started.
fn without_the_pushers_databases() -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    if environment::OF_DATABASES.iter().all(|name| environment::path(name).is_none()) {
        return Ok(());
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    for name in environment::OF_DATABASES {
        command.env_remove(name);
    }
    Err(command.exec()).context("the program could not be started without the pusher's settings")
}

/// Runs the hook that was there before ours, if there is one, and returns its exit code.
fn previous(args: &Args, input: &[u8]) -> Result<i32> {
    let Some(shim) = args.shim() else { return Ok(0) };
    let mut path = shim.as_os_str().to_owned();
    path.push(super::shims::KEPT);
    let path = PathBuf::from(path);
    if !path.exists() {
        return Ok(0);
    }
    let mut child = Command::new(&path)
        .args(&args.arguments)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("the hook {} that was here before cannot be run", path.display()))?;
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(input);
    }
    let status = child.wait()?;
    Ok(status.code().unwrap_or(255))
}

fn commit(console: &mut Console<'_>) -> Result<Exit> {
    let repository = Repository::discover(Path::new("."))?;
    if Source::Index(&repository).manifest()?.is_none() {
        let head = tree_source(&repository, resolve(&repository, "HEAD")?.as_ref())?;
        if head.map(|head| head.manifest()).transpose()?.flatten().is_none() {
            return Ok(Exit::Clean);
        }
    }
    let report = staged_report(&repository)?;
    if report.is_silent() {
        return Ok(Exit::Clean);
    }
    Ok(console.report(&report))
}

/// Judges what a push brings, before it leaves: each branch against what the remote has of it.
fn push(console: &mut Console<'_>, input: &[u8]) -> Result<Exit> {
    let repository = Repository::discover(Path::new("."))?;
    let mut report = Report::default();
    for update in pushed(input)? {
        if update.new.is_zero() || !update.reference.starts_with("refs/heads/") {
            continue;
        }
        let after = Source::Tree(&repository, tree_of(&repository, &update.new)?);
        if after.manifest()?.is_none() {
            continue;
        }
        let base = released_state(&repository, &after, Some(&update.new))?;
        let branch = update.reference.trim_start_matches("refs/heads/");
        let to_release = base.tracking.as_deref().is_none_or(|tracking| tracking.ends_with(&format!("/{branch}")));
        let known = !update.old.is_zero() && repository.objects.header(&update.old)?.is_some();
        let (before, tip) = if to_release && known {
            (merge_base(&repository, &update.old, &update.new)?, Some(update.old.clone()))
        } else if base.tracking.is_some() {
            (base.commit, base.tip)
        } else {
            (None, None)
        };
        report.merge(judge(&Case {
            before: tree_source(&repository, before.as_ref())?,
            law: None,
            tip: tree_source(&repository, tip.as_ref())?,
            after,
            server: None,
            baseline: base.revision,
            all: false,
            ledgers: None,
        })?);
    }
    report.sort();
    if report.is_silent() { Ok(Exit::Clean) } else { Ok(console.report(&report)) }
}

/// The server file, or what is said to the pusher when there is none that can be used.
fn server_file(repository: &Repository, hook: &str, console: &mut Console<'_>) -> Result<Option<Loaded>> {
    match load(repository, None)? {
        Ok(loaded) => Ok(Some(loaded)),
        Err(Unusable::Absent(_)) => {
            console.say(&blame("there is no server file for this repository, so nothing can be done", hook));
            Ok(None)
        }
        Err(Unusable::Invalid(report)) => {
            let count = report.findings().len();
            console.say(&blame(&format!("the server file has {}", text::count(count, "mistake")), hook));
            Ok(None)
        }
    }
}

/// Says that we failed, whose fault it is not, and what became of the push.
pub fn blame(what: &str, hook: &str) -> String {
    let (deed, result) = match hook {
        "post-receive" => ("apply what this push brought", "the push was accepted; `schemagate sync` applies it later"),
        _ => ("judge this push", "nothing was accepted"),
    };
    let what = text::sanitize(what);
    let lines = [
        format!("error: schemagate could not {deed}: {}", what.trim_end_matches('.')),
        "error: the fault is the server's, not yours; please tell its administrator".to_owned(),
        "  to run `schemagate status` in this repository".to_owned(),
        format!("hint: {result}"),
    ];
    lines.iter().flat_map(|line| text::wrap(line, 72)).map(|line| line + "\n").collect()
}

fn pre_receive(console: &mut Console<'_>, input: &[u8]) -> Result<Exit> {
    let repository = Repository::of_hook()?;
    let updates = received(input)?;
    if updates.is_empty() {
        return Ok(Exit::Clean);
    }
    let Some(loaded) = server_file(&repository, "pre-receive", console)? else { return Ok(Exit::Failure) };
    let signed = IDENTITIES[loaded.server.policy.identity] == PUSH_CERT;
    let pusher = pusher(&loaded.server.policy)
        .and_then(|pusher| check_certificate(&repository, &pusher, &updates).map(|()| pusher));
    match pusher {
        // A push without a good signature is the pusher's to mend.
        Err(error) if signed => {
            console.say(&format!("error: {}\n", text::sanitize(&format!("{error:#}"))));
            return Ok(Exit::Findings);
        }
        other => other?,
    };
    let report = receive::judge_push(&repository, &loaded, &updates)?;
    if report.is_silent() {
        return Ok(Exit::Clean);
    }
    Ok(console.report(&report))
}

/// The source of a name that signed pushes give.
const PUSH_CERT: &str = "push-cert";

/// A push certificate must list exactly the references of this push.
fn check_certificate(repository: &Repository, pusher: &Pusher, updates: &[Update]) -> Result<()> {
    if pusher.source != PUSH_CERT {
        return Ok(());
    }
    let id = environment::text("GIT_PUSH_CERT").and_then(|id| crate::migration::ObjectId::parse(&id));
    let id = id.context("the push certificate is missing")?;
    let Some((ObjectKind::Blob, certificate)) = repository.objects.read(&id)? else {
        bail!("the push certificate is missing")
    };
    let certificate = String::from_utf8_lossy(&certificate);
    let (_, body) = certificate.split_once("\n\n").context("the push certificate has an unknown form")?;
    let mut listed: Vec<String> =
        body.lines().take_while(|line| !line.starts_with("-----")).map(str::to_owned).collect();
    let mut pushed: Vec<String> =
        updates.iter().map(|update| format!("{} {} {}", update.old, update.new, update.reference)).collect();
    listed.sort();
    pushed.sort();
    if listed != pushed {
        bail!("the push certificate does not list exactly the references of this push");
    }
    Ok(())
}

fn post_receive(console: &mut Console<'_>, input: &[u8]) -> Result<Exit> {
    let repository = Repository::of_hook()?;
    let updates = received(input)?;
    let Some(loaded) = server_file(&repository, "post-receive", console)? else { return Ok(Exit::Failure) };
    let mut branches = Vec::new();
    for update in updates.iter().filter(|update| !update.new.is_zero()) {
        let reference = crate::git::refs::resolve_symbolic(&repository, &update.reference)?;
        let Some(branch) = reference.strip_prefix("refs/heads/") else { continue };
        if loaded.server.applies(branch) && !branches.iter().any(|known| known == branch) {
            branches.push(branch.to_owned());
        }
    }
    if branches.is_empty() {
        return Ok(Exit::Clean);
    }
    let who = pusher(&loaded.server.policy)?;
    worker::start(&repository, &branches, &who, loaded.server.detach, console)
}
