//! Commands for the log of GitHub Actions, which shows findings beside the lines of a change.
//!
//! Knows how that log escapes text (GitHub's manual, "Workflow commands for GitHub Actions").

use std::fmt::Write as _;

use crate::finding::{Report, Severity};
use crate::render::Look;
use crate::render::human::summary;
use crate::render::located::{Locator, said};
use crate::render::short::left_out;
use crate::text::sanitize_block;

/// Writes a report.
pub fn report(report: &Report, look: Look) -> String {
    let mut locator = Locator::new(report);
    let mut text = String::new();
    for finding in report.findings().iter().take(look.most) {
        let kind = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note | Severity::Off => "notice",
        };
        let mut place = format!("file={}", property(&finding.place.name));
        if let Some(at) = locator.in_content(finding) {
            let _ = write!(place, ",line={},col={}", at.start.line, at.start.column);
            let _ = write!(place, ",endLine={},endColumn={}", at.end.line, at.end.column);
        }
        let message = data(&sanitize_block(&said(finding)));
        let _ = writeln!(text, "::{kind} {place},title={}::{message}", property(finding.rule.name));
    }
    text + &left_out(report, look) + &summary(report)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
