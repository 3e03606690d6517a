//! Output formats. Each is one file and one line in [`FORMATS`].
//!
//! Renderers are given a finished report and never judge. Refuse to write anywhere: text comes out.

pub mod human;
pub mod json;
pub mod rollout;

use crate::finding::Report;

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For machines.
    Json,
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
pub static FORMATS: &[(Format, Render)] = &[(Format::Human, human::report), (Format::Json, json::report)];

/// Writes a report in a format.
pub fn report(format: Format, report: &Report, look: Look) -> String {
    let render =
        FORMATS.iter().find(|(known, _)| *known == format).map_or(human::report as Render, |(_, render)| *render);
    render(report, look)
}
