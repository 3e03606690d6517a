//! Reports for machines. The shape is a promise: fields are added, never changed.
//!
//! Every finding is written, unless somebody asks for fewer; then the number of the others is.

use std::cell::RefCell;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::finding::{Finding, Place, PlaceKind, Report, Severity, Verdict};
use crate::render::Look;
use crate::render::located::Locator;

/// A report as it is written: fields in the order of their names, findings one behind the other and never all at once.
#[derive(Serialize)]
struct Written<'r> {
    counts: Counts,
    findings: Findings<'r>,
    left_out: usize,
    migrations: usize,
    not_analysed: usize,
    program: &'static str,
    statements: usize,
    suppressed: Suppressions<'r>,
    verdict: Verdict,
    version: &'static str,
}

#[derive(Serialize)]
struct Counts {
    error: usize,
    note: usize,
    warning: usize,
}

#[derive(Serialize)]
struct One<'r, 'f> {
    fingerprint: &'f str,
    help: Option<&'r str>,
    label: Option<&'r str>,
    message: &'r str,
    notes: &'r [String],
    place: Spot<'r>,
    related: Vec<Beside<'r>>,
    rule: &'static str,
    safe: &'r [String],
    severity: Severity,
}

#[derive(Serialize)]
struct Beside<'r> {
    message: &'r str,
    place: Spot<'r>,
}

#[derive(Serialize)]
struct Suppressed<'r> {
    message: &'r str,
    place: Spot<'r>,
    reason: &'r str,
    rule: &'static str,
    severity: Severity,
}

/// A place with lines and columns from 1 (columns in characters) and bytes from 0.
#[derive(Serialize)]
struct Spot<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Point>,
    kind: &'static str,
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Point>,
}

#[derive(Serialize)]
struct Point {
    byte: usize,
    column: usize,
    line: usize,
}

struct Findings<'r> {
    report: &'r Report,
    prints: Vec<String>,
    most: usize,
    lines: &'r RefCell<Locator<'r>>,
}

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let findings = self.report.findings().iter().zip(&self.prints).take(self.most);
        serializer.collect_seq(findings.map(|(finding, print)| one(self.lines, finding, print)))
    }
}

struct Suppressions<'r> {
    report: &'r Report,
    lines: &'r RefCell<Locator<'r>>,
}

impl Serialize for Suppressions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.report.suppressed().iter().map(|one| Suppressed {
            message: &one.finding.message,
            place: spot(self.lines, &one.finding.place),
            reason: &one.reason,
            rule: one.finding.rule.name,
            severity: one.finding.severity,
        }))
    }
}

/// Writes a report as one JSON object and a line feed.
pub fn report(report: &Report, look: Look) -> String {
    let lines = RefCell::new(Locator::new(report));
    let written = Written {
        counts: Counts {
            error: report.count(Severity::Error),
            note: report.count(Severity::Note),
            warning: report.count(Severity::Warning),
        },
        findings: Findings { report, prints: report.fingerprints(), most: look.most, lines: &lines },
        left_out: report.findings().len().saturating_sub(look.most),
        migrations: report.migrations,
        not_analysed: report.not_analysed,
        program: "schemagate",
        statements: report.statements,
        suppressed: Suppressions { report, lines: &lines },
        verdict: report.verdict(),
        version: env!("CARGO_PKG_VERSION"),
    };
    serde_json::to_string_pretty(&written).map_or_else(|_| String::new(), |text| text + "\n")
}

/// Writes any value with a line feed.
pub fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}

fn one<'r, 'f>(lines: &RefCell<Locator<'r>>, finding: &'r Finding, fingerprint: &'f str) -> One<'r, 'f> {
    let beside =
        finding.related.iter().map(|other| Beside { message: &other.message, place: spot(lines, &other.place) });
    One {
        fingerprint,
        help: finding.help.as_deref(),
        label: finding.label.as_deref(),
        message: &finding.message,
        notes: &finding.notes,
        place: spot(lines, &finding.place),
        related: beside.collect(),
        rule: finding.rule.name,
        safe: &finding.safe,
        severity: finding.severity,
    }
}

fn spot<'r>(lines: &RefCell<Locator<'r>>, place: &'r Place) -> Spot<'r> {
    let kind = match place.kind {
        PlaceKind::Content => "content",
        PlaceKind::Path => "path",
        PlaceKind::Reference => "reference",
    };
    let at = lines.borrow_mut().at(place);
    let point = |byte: usize, at: crate::text::LineColumn| Point { byte, column: at.column, line: at.line };
    let start = at.as_ref().map(|at| point(at.span.start, at.start));
    let end = at.as_ref().map(|at| point(at.span.end, at.end));
    Spot { end, kind, name: &place.name, start }
}
