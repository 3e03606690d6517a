//! What the program can do: one use case a file, each with the arguments that are its help.
//!
//! Joins the neighbours (Git, databases, disk, host, formats) with the pure judgement. Refuses to print by itself:
//! text goes to the [`Console`], and the exit code comes back as a value.

pub mod apply;
pub mod changes;
pub mod check;
pub mod checkers;
pub mod completions;
mod cut_off;
mod execute;
pub mod explain;
pub mod fix;
pub mod history;
pub mod hook;
pub mod init;
pub mod install;
pub mod judge;
pub mod ledger;
pub mod ledgers;
mod mend;
pub mod new;
pub mod plan;
mod preview;
pub mod receive;
pub mod renumber;
pub mod replay;
pub mod resolve;
pub mod rollout;
pub mod rules;
mod same_database;
pub mod scripts;
pub mod server;
pub mod shims;
pub mod single;
pub mod status;
pub mod sync;
pub mod tenants;
pub mod uninstall;
pub mod waves;
pub mod work;
pub mod worker;

use std::path::PathBuf;
use std::time::Duration;

use crate::finding::{Report, Verdict};
use crate::render::{Format, Look, ReportFormat};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing is wrong.
    Clean = 0,
    /// Findings refuse.
    Findings = 1,
    /// The world went wrong: disk, Git, network, database.
    Failure = 2,
    /// The command line is wrong (EX_USAGE of sysexits.h).
    Usage = 64,
}

/// Where a command's text goes, and in which form.
pub struct Console<'c> {
    /// Takes text for standard output.
    pub out: &'c mut dyn FnMut(&str),
    /// The format that was asked for.
    pub format: Format,
    /// That of reports of findings.
    pub reports: ReportFormat,
    /// How many findings are shown, where somebody has said it.
    pub most: Option<usize>,
    /// Where the report goes instead; people are told here all the same.
    pub output: Option<PathBuf>,
    /// Whether colour may be used.
    pub color: bool,
    /// Whether a line can be written over: the text goes to a terminal.
    pub terminal: bool,
    /// What is shown of work that goes on.
    pub progress: Progress,
}

/// What is shown of work that goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether the present line is to be written over.
    shown: bool,
    /// How many times the pause between two plain lines has passed.
    told: u64,
}

/// Seconds between two plain lines about work that goes on.
const PAUSE: u64 = 5;
/// The longest line that is written over: it must not be wrapped.
const LONGEST_LINE: usize = 78;

impl Console<'_> {
    /// Writes text.
    pub fn say(&mut self, text: &str) {
        if std::mem::take(&mut self.progress.shown) {
            (self.out)("\r\x1b[K");
        }
        (self.out)(text);
    }

    /// Shows one line about work that has gone on for so long: on a terminal it is written over, elsewhere a plain line
    /// comes every few seconds.
    pub fn progress(&mut self, line: &str, elapsed: Duration) {
        if self.terminal {
            let line: String = line.trim_end().chars().take(LONGEST_LINE).collect();
            (self.out)(&format!("\r{line}\x1b[K"));
            self.progress.shown = true;
            return;
        }
        let step = elapsed.as_secs() / PAUSE;
        if step > 0 && step != self.progress.told {
            self.say(line);
        }
        self.progress.told = step;
    }

    /// Writes a report and returns what it comes to; a failure where its file cannot be written.
    pub fn report(&mut self, report: &Report) -> Exit {
        let text = |format: ReportFormat, color: bool| {
            let most = self.most.unwrap_or_else(|| format.usual_most());
            crate::render::report(format, report, Look { color, most })
        };
        if let Some(file) = &self.output {
            if let Err(error) = std::fs::write(file, text(self.reports, false)) {
                let message = format!("error: {} cannot be written: {error}\n", file.display());
                self.say(&crate::text::sanitize_block(&message));
                return Exit::Failure;
            }
            let people = text(ReportFormat::Human, self.color);
            self.say(&people);
        } else {
            let text = text(self.reports, self.color);
            self.say(&text);
        }
        match report.verdict() {
            Verdict::Accepted => Exit::Clean,
            Verdict::Refused => Exit::Findings,
        }
    }
}
