//! Reads the command line, runs one command, prints what it says, ends with its exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use schemagate::cli::{Cli, ColorChoice, Command};
use schemagate::commands::{self, Console, Exit};
use schemagate::render::{Format, ReportFormat};
use schemagate::{environment, output, text};

/// Parsers recurse: this much stack, in bytes, is reserved and only touched where needed.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Clean as u8 });
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    let server_hook = match &cli.command {
        Command::Hook(args) => args.on_server().map(str::to_owned),
        _ => None,
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || run(&cli));
    let result = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            Err(anyhow::anyhow!("this is a mistake in schemagate itself: {}", panic_words(panic.as_ref())))
        }
        Err(error) => Err(anyhow::anyhow!("no thread could be started: {error}")),
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            let words = format!("{error:#}");
            output::complain(&match server_hook {
                Some(hook) => commands::hook::blame(&words, &hook),
                None => format!("error: {}\n", text::sanitize_block(&words)),
            });
            ExitCode::from(Exit::Failure as u8)
        }
    }
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// The format where none is asked for: GitHub's log is made for annotations, and GitLab reads its report from a file.
fn usual_format(cli: &Cli) -> ReportFormat {
    let set = |name: &str| environment::text(name).is_some_and(|value| value == "true");
    match &cli.command {
        Command::Check(args) if args.writes_file() && set(environment::GITLAB_CI) => ReportFormat::Gitlab,
        Command::Check(args) if !args.writes_file() && set(environment::GITHUB_ACTIONS) => ReportFormat::Github,
        _ => ReportFormat::Human,
    }
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let checks = matches!(cli.command, Command::Check(_));
    let reports = cli.format.unwrap_or_else(|| usual_format(cli));
    let format = if reports == ReportFormat::Json { Format::Json } else { Format::Human };
    if !checks && !matches!(reports, ReportFormat::Human | ReportFormat::Json) {
        output::complain("error: this format is only for `schemagate check`; the others write human or json\n");
        return Ok(Exit::Usage);
    }
    let dumb = environment::text(environment::TERM).is_none_or(|term| term == "dumb");
    let terminal = std::io::stdout().is_terminal() && !dumb;
    let color = match cli.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && environment::text(environment::NO_COLOR).is_none(),
    };
    let mut patient = output::Patient::default();
    let mut to_listener = |text: &str| patient.write(text);
    let mut to_anyone = output::plain;
    let in_hook = matches!(cli.command, Command::Hook(_));
    let out: &mut dyn FnMut(&str) = if in_hook { &mut to_listener } else { &mut to_anyone };
    let progress = commands::Progress::default();
    let mut console = Console { out, format, reports, most: None, output: None, color, terminal, progress };
    let console = &mut console;
    match &cli.command {
        Command::Init(args) => commands::init::run(args, console),
        Command::Install(args) => commands::install::run(args, console),
        Command::Uninstall(args) => commands::uninstall::run(args, console),
        Command::New(args) => commands::new::run(args, console),
        Command::Check(args) => commands::check::run(args, console),
        Command::Rules(args) => commands::rules::run(args, console),
        Command::Explain(args) => commands::explain::run(args, console),
        Command::Renumber(args) => commands::renumber::run(args, console),
        Command::Plan(args) => commands::plan::run(args, console),
        Command::Apply(args) => commands::apply::run(args, console),
        Command::Sync(args) => commands::sync::run(args, console),
        Command::Status(args) => commands::status::run(args, console),
        Command::History(args) => commands::history::run(args, console),
        Command::Resolve(args) => commands::resolve::run(args, console),
        Command::Repair(args) => commands::resolve::repair(args, console),
        Command::Hook(args) => commands::hook::run(args, console),
        Command::Worker(args) => commands::worker::run(args, console),
        Command::Completions(args) => commands::completions::run(args, &mut Cli::command(), console),
    }
}
