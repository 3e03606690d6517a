//! What the program can do: one use case a file, each with the arguments that are its help.
//!
//! Joins the neighbours (Git, databases, disk, host, formats) with the pure judgement. Refuses to print by itself:
//! text goes to the [`Console`], and the exit code comes back as a value.

pub mod apply;
pub mod changes;
pub mod check;
pub mod checkers;
pub mod completions;
pub mod explain;
pub mod history;
pub mod hook;
pub mod init;
pub mod install;
pub mod judge;
pub mod ledger;
pub mod new;
pub mod plan;
pub mod receive;
pub mod renumber;
pub mod replay;
pub mod resolve;
pub mod rollout;
pub mod scripts;
pub mod server;
pub mod shims;
pub mod status;
pub mod sync;
pub mod uninstall;
pub mod waves;
pub mod work;
pub mod worker;

use crate::finding::{Report, Verdict};
use crate::render::{Format, Look};

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
    /// Whether colour may be used.
    pub color: bool,
}

/// How many findings a person is shown.
const MOST_FINDINGS: usize = 100;

impl Console<'_> {
    /// Writes text.
    pub fn say(&mut self, text: &str) {
        (self.out)(text);
    }

    /// Writes a report and returns what it comes to.
    pub fn report(&mut self, report: &Report) -> Exit {
        let look = Look { color: self.color, most: MOST_FINDINGS };
        let text = crate::render::report(self.format, report, look);
        self.say(&text);
        match report.verdict() {
            Verdict::Accepted => Exit::Clean,
            Verdict::Refused => Exit::Findings,
        }
    }
}
