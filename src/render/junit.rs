//! A report in the XML of JUnit, as Jenkins and others read it (the schema is `tests/schemas/junit-10.xsd`).
//!
//! Each finding is a case of its file: an error is a failure, a warning or note a case that passes with its text as
//! output. A run without findings is one case that passes.

use std::fmt::Write as _;

use crate::finding::{Finding, Report, Severity};
use crate::render::Look;
use crate::render::human::summary;
use crate::render::located::{Locator, said};
use crate::text::sanitize_block;

/// Writes a report.
pub fn report(report: &Report, look: Look) -> String {
    let mut locator = Locator::new(report);
    let mut cases = String::new();
    let shown = report.findings().iter().take(look.most);
    let (mut tests, mut failures) = (0, 0);
    for finding in shown {
        let at = locator.in_content(finding).map(|at| format!(":{}:{}", at.start.line, at.start.column));
        let place = format!("{}{}", finding.place.name, at.unwrap_or_default());
        tests += 1;
        failures += usize::from(finding.severity == Severity::Error);
        case(&mut cases, finding, &place);
    }
    if tests == 0 {
        tests = 1;
        cases.push_str("    <testcase classname=\"schemagate\" name=\"no findings\"/>\n");
    }
    let left = report.findings().len().saturating_sub(look.most);
    let summary = escaped(summary(report).trim_end());
    let left = if left > 0 { format!("\n{left} more findings left out") } else { String::new() };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"schemagate\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\">\n{cases}    <system-out>{summary}{left}</system-out>\n  </testsuite>\n\
         </testsuites>\n"
    )
}

fn case(cases: &mut String, finding: &Finding, place: &str) {
    let (rule, place) = (finding.rule.name, escaped(place));
    let text = escaped(&format!("{}: {}", finding.severity, said(finding)));
    let _ = writeln!(cases, "    <testcase classname=\"{rule}\" name=\"{place}\">");
    if finding.severity == Severity::Error {
        let message = escaped(&finding.message);
        let _ = writeln!(cases, "      <failure type=\"{rule}\" message=\"{message}\">{text}</failure>");
    } else {
        let _ = writeln!(cases, "      <system-out>{text}</system-out>");
    }
    cases.push_str("    </testcase>\n");
}

fn escaped(text: &str) -> String {
    // XML knows no such characters, not even written as numbers.
    let text = sanitize_block(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
