//! Output formats. Each is one file and one line in [`FORMATS`].
//!
//! Renderers are given a finished report and never judge. Refuse to write anywhere: text comes out.

pub mod github;
pub mod gitlab;
pub mod human;
pub mod json;
pub mod junit;
mod located;
pub mod rollout;
pub mod sarif;
pub mod short;

use crate::finding::Report;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
}

/// How reports of findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// For people, with the lines around each token
    Human,
    /// For programs
    Json,
    /// file:line:column, a line a finding
    Short,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// A code quality report of GitLab
    Gitlab,
    /// The XML of JUnit
    Junit,
}

impl ReportFormat {
    /// Returns how many findings are shown where nobody says: people are not to be drowned.
    pub fn usual_most(self) -> usize {
        if self == Self::Human { 100 } else { usize::MAX }
    }
}

/// How a report may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether escape sequences for colour may be used.
    pub color: bool,
    /// How many findings are shown; the others are counted.
    pub most: usize,
}

/// A renderer of reports.
type Render = fn(&Report, Look) -> String;

/// All formats of a report.
pub static FORMATS: &[(ReportFormat, Render)] = &[
    (ReportFormat::Human, human::report),
    (ReportFormat::Json, json::report),
    (ReportFormat::Short, short::report),
    (ReportFormat::Sarif, sarif::report),
    (ReportFormat::Github, github::report),
    (ReportFormat::Gitlab, gitlab::report),
    (ReportFormat::Junit, junit::report),
];

/// Writes a report in a format.
pub fn report(format: ReportFormat, report: &Report, look: Look) -> String {
    let render =
        FORMATS.iter().find(|(known, _)| *known == format).map_or(human::report as Render, |(_, render)| *render);
    render(report, look)
}
