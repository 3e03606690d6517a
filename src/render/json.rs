//! Reports for machines. The shape is a promise: fields are added, never changed.
//!
//! Every finding is written, unless somebody asks for fewer; then the number of the others is.

use serde_json::{Value, json};

use crate::finding::{Finding, Place, PlaceKind, Report, Severity};
use crate::render::Look;
use crate::render::located::Locator;

/// Writes a report as one JSON object and a line feed.
pub fn report(report: &Report, look: Look) -> String {
    let fingerprints = report.fingerprints();
    let mut lines = Locator::new(report);
    let findings: Vec<Value> = report
        .findings()
        .iter()
        .zip(&fingerprints)
        .take(look.most)
        .map(|(finding, print)| one(&mut lines, finding, print))
        .collect();
    let suppressed: Vec<Value> = report
        .suppressed()
        .iter()
        .map(|one| {
            json!({
                "rule": one.finding.rule.name,
                "severity": one.finding.severity,
                "message": one.finding.message,
                "reason": one.reason,
                "place": place(&mut lines, &one.finding.place),
            })
        })
        .collect();
    let left_out = report.findings().len() - findings.len();
    let value = json!({
        "program": "schemagate",
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": report.verdict(),
        "migrations": report.migrations,
        "statements": report.statements,
        "not_analysed": report.not_analysed,
        "counts": {
            "error": report.count(Severity::Error),
            "warning": report.count(Severity::Warning),
            "note": report.count(Severity::Note),
        },
        "findings": findings,
        "left_out": left_out,
        "suppressed": suppressed,
    });
    text(&value)
}

/// Writes any value with a line feed.
pub fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}

fn one<'r>(lines: &mut Locator<'r>, finding: &'r Finding, fingerprint: &str) -> Value {
    json!({
        "rule": finding.rule.name,
        "severity": finding.severity,
        "message": finding.message,
        "label": finding.label,
        "help": finding.help,
        "safe": finding.safe,
        "notes": finding.notes,
        "fingerprint": fingerprint,
        "place": place(lines, &finding.place),
        "related": finding.related.iter().map(|related| json!({
            "message": related.message,
            "place": place(lines, &related.place),
        })).collect::<Vec<_>>(),
    })
}

/// A place with lines and columns from 1 (columns in characters) and bytes from 0.
fn place<'r>(lines: &mut Locator<'r>, place: &'r Place) -> Value {
    let kind = match place.kind {
        PlaceKind::Content => "content",
        PlaceKind::Path => "path",
        PlaceKind::Reference => "reference",
    };
    let mut value = json!({ "kind": kind, "name": place.name });
    if let Some(at) = lines.at(place) {
        value["start"] = json!({ "byte": at.span.start, "line": at.start.line, "column": at.start.column });
        value["end"] = json!({ "byte": at.span.end, "line": at.end.line, "column": at.end.column });
    }
    value
}
