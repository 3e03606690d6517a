//! Reports for machines. The shape is a promise: fields are added, never changed.
//!
//! Refuses to leave anything out: every finding is written, whatever a person would be shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::finding::{Finding, Place, PlaceKind, Report, Severity};
use crate::render::Look;
use crate::text::Lines;

/// Writes a report as one JSON object and a line feed.
pub fn report(report: &Report, _look: Look) -> String {
    let fingerprints = report.fingerprints();
    let mut lines = Known::new();
    let findings: Vec<Value> = report
        .findings()
        .iter()
        .zip(&fingerprints)
        .map(|(finding, print)| one(report, &mut lines, finding, print))
        .collect();
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
    });
    text(&value)
}

/// Writes any value with a line feed.
pub fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}

/// The lines of each source, found once.
type Known<'r> = BTreeMap<(PlaceKind, &'r str), Lines<'r>>;

fn one<'r>(report: &'r Report, lines: &mut Known<'r>, finding: &'r Finding, fingerprint: &str) -> Value {
    json!({
        "rule": finding.rule.name,
        "severity": finding.severity,
        "message": finding.message,
        "label": finding.label,
        "help": finding.help,
        "notes": finding.notes,
        "fingerprint": fingerprint,
        "place": place(report, lines, &finding.place),
        "related": finding.related.iter().map(|related| json!({
            "message": related.message,
            "place": place(report, lines, &related.place),
        })).collect::<Vec<_>>(),
    })
}

/// A place with lines and columns from 1 (columns in characters) and bytes from 0.
fn place<'r>(report: &'r Report, lines: &mut Known<'r>, place: &'r Place) -> Value {
    let kind = match place.kind {
        PlaceKind::Content => "content",
        PlaceKind::Path => "path",
        PlaceKind::Reference => "reference",
    };
    let mut value = json!({ "kind": kind, "name": place.name });
    let text = match place.kind {
        PlaceKind::Content => report.source(&place.name).map(|source| &**source),
        PlaceKind::Path | PlaceKind::Reference => Some(place.name.as_str()),
    };
    if let (Some(span), Some(text)) = (place.span, text) {
        let span = span.clamped(text);
        let lines = lines.entry((place.kind, place.name.as_str())).or_insert_with(|| Lines::of(text));
        let (start, end) = (lines.at(span.start), lines.at(span.end));
        value["start"] = json!({ "byte": span.start, "line": start.line, "column": start.column });
        value["end"] = json!({ "byte": span.end, "line": end.line, "column": end.column });
    }
    value
}
