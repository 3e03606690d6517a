//! A code quality report of GitLab (its manual, "Code Quality", "Custom tool": a subset of Code Climate's format).

use serde_json::{Value, json};

use crate::finding::{Report, Severity};
use crate::render::Look;
use crate::render::json::text;
use crate::render::located::{Locator, said};

/// Writes a report: a list of findings, nothing else. What is left out of it is counted by the other formats.
pub fn report(report: &Report, look: Look) -> String {
    let mut locator = Locator::new(report);
    let prints = report.fingerprints();
    let findings: Vec<Value> = report
        .findings()
        .iter()
        .zip(&prints)
        .take(look.most)
        .map(|(finding, print)| {
            let lines = locator.in_content(finding).map_or((1, 1), |at| (at.start.line, at.end.line));
            json!({
                "description": said(finding),
                "check_name": finding.rule.name,
                "fingerprint": print,
                "severity": match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "minor",
                    Severity::Note | Severity::Off => "info",
                },
                "location": { "path": finding.place.name, "lines": { "begin": lines.0, "end": lines.1 } },
            })
        })
        .collect();
    text(&Value::Array(findings))
}
