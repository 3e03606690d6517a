//! The machine and the Git server product: who pushed, who we are, where secrets are.
//!
//! Exactly one source says who pushed, chosen by the administrator: over a local path or a shell every variable is the
//! pusher's own to set. Refuses to guess.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::config::server::{IDENTITIES, Policy};
use crate::config::urls::UrlSource;
use crate::environment as env;

/// Who pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pusher {
    /// The name.
    pub name: String,
    /// Who says so: one of [`IDENTITIES`].
    pub source: &'static str,
}

/// Finds out who pushed.
///
/// # Errors
/// If the chosen source says nothing: a push by nobody is not judged.
pub fn pusher(policy: &Policy) -> Result<Pusher> {
    let source = IDENTITIES[policy.identity];
    let variable = |name: &str| {
        env::text(name).with_context(|| format!("policy says that the pusher is in {name}, which is not set"))
    };
    let name = match source {
        "gitolite" => variable("GL_USER")?,
        "gitea" => variable("GITEA_PUSHER_NAME")?,
        "gitlab" => variable("GL_USERNAME")?,
        "github" => variable("GITHUB_USER_LOGIN")?,
        "http" => variable("REMOTE_USER")?,
        "ssh-forced" => variable(&policy.identity_variable)?,
        "ssh-key" => by_ssh_key(policy)?,
        "push-cert" => by_certificate()?,
        _ => user_name(),
    };
    Ok(Pusher { name: crate::text::sanitize(&name).into_owned(), source })
}

/// Returns the name of this process's user, or its number.
pub fn user_name() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

/// Returns the name of this machine.
pub fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The name that the file of allowed signers gives the key of this login (sshd_config(5) ExposeAuthInfo; the file as
/// in ssh-keygen(1), "ALLOWED SIGNERS").
fn by_ssh_key(policy: &Policy) -> Result<String> {
    let info = env::path(env::SSH_USER_AUTH).context("SSH_USER_AUTH is not set; sshd needs `ExposeAuthInfo yes`")?;
    let info = std::fs::read_to_string(&info).context("the file that SSH_USER_AUTH names cannot be read")?;
    let signers = policy.allowed_signers.as_deref().unwrap_or(Path::new(""));
    let signers = std::fs::read_to_string(signers).context("the file of `allowed-signers` cannot be read")?;
    signer_of(&info, &signers).context("the key of this login is not in the file of `allowed-signers`")
}

fn signer_of(info: &str, signers: &str) -> Option<String> {
    let keys: Vec<(&str, &str)> = info
        .lines()
        .filter_map(|line| line.strip_prefix("publickey "))
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(kind, key)| (kind, key.split_whitespace().next().unwrap_or_default()))
        .collect();
    signers.lines().filter(|line| !line.trim_start().starts_with('#')).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = words.windows(2).any(|pair| keys.contains(&(pair[0], pair[1])));
        known.then(|| words.first().map(|name| (*name).to_owned())).flatten()
    })
}

/// The signer of a push certificate. Good is not enough: an unknown key gives G with an empty signer.
fn by_certificate() -> Result<String> {
    let status = env::text("GIT_PUSH_CERT_STATUS").unwrap_or_default();
    let nonce = env::text("GIT_PUSH_CERT_NONCE_STATUS").unwrap_or_default();
    let signer = env::text("GIT_PUSH_CERT_SIGNER").unwrap_or_default();
    if status != "G" || nonce != "OK" || signer.trim().is_empty() {
        bail!("the push is not signed by a known key (git push --signed)");
    }
    Ok(signer)
}

/// Finds the URL of a target. Errors never show it, nor what a program printed.
///
/// # Errors
/// If the place that the server file names does not hold a usable URL.
pub fn url(source: &UrlSource, folder: &Path) -> Result<String> {
    let url = match source {
        UrlSource::Inline(url) => url.clone(),
        UrlSource::Environment(name) => {
            env::text(name).with_context(|| format!("the environment variable {name} is not set"))?
        }
        UrlSource::File(file) => {
            let path = folder.join(file);
            let text = crate::disk::config(&path)?.with_context(|| format!("{} does not exist", path.display()))?;
            if let Some(complaint) = crate::disk::rights_complaint(&path, true)? {
                bail!("{complaint}");
            }
            text
        }
        UrlSource::Command(words) => output_of(words, folder)?,
    };
    let url = url.trim().to_owned();
    crate::config::urls::check_url(&url).map_err(|why| anyhow::anyhow!("the URL cannot be used: {why}"))?;
    Ok(url)
}

/// How long a command that prints a URL may take.
const LONGEST_COMMAND: Duration = Duration::from_secs(30);

fn output_of(words: &[String], folder: &Path) -> Result<String> {
    let (program, arguments) = words.split_first().context("the command is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null());
    for name in env::OF_GIT {
        command.env_remove(name);
    }
    let started = command.stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("the command `{program}` could not be started"))?;
    let mut output = child.stdout.take().context("its output cannot be read")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(size @ 1..) = output.read(&mut piece) {
            if sender.send(piece[..size].to_vec()).is_err() {
                break;
            }
        }
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > LONGEST_COMMAND {
            let _ = child.kill().and_then(|()| child.wait());
            bail!("the command `{program}` took longer than {} s", LONGEST_COMMAND.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        bail!("the command `{program}` failed ({status})");
    }
    // A process that it left behind may hold the pipe: what comes later is not waited for.
    let mut bytes = Vec::new();
    while let Ok(piece) = receiver.recv_timeout(Duration::from_millis(200)) {
        bytes.extend(piece);
    }
    String::from_utf8(bytes).with_context(|| format!("the command `{program}` printed something that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_name_that_the_file_gives_it() {
        let signers = "# team\nalice@example.org namespaces=\"git\" ssh-ed25519 AAAA1\nbob ssh-ed25519 AAAA2 comment\n";
        assert_eq!(signer_of("publickey ssh-ed25519 AAAA2\n", signers).as_deref(), Some("bob"));
        assert_eq!(signer_of("publickey ssh-ed25519 AAAA1\n", signers).as_deref(), Some("alice@example.org"));
        assert_eq!(signer_of("publickey ssh-ed25519 AAAA9\n", signers), None);
        assert_eq!(signer_of("password\n", signers), None);
    }

    #[test]
    fn what_a_program_prints_is_never_shown() {
        let source = UrlSource::Command(vec!["sh".into(), "-c".into(), "echo s3cret; exit 3".into()]);
        let error = format!("{:#}", url(&source, Path::new("/")).unwrap_err());
        assert!(!error.contains("s3cret") && error.contains("failed"));
        let source = UrlSource::Command(vec!["printf".into(), "s3cret".into()]);
        assert!(!format!("{:#}", url(&source, Path::new("/")).unwrap_err()).contains("s3cret"));
    }
}
