//! One line a finding, as compilers write them and editors read them: `file:line:column: severity[rule]: message`.

use std::fmt::Write as _;

use crate::finding::Report;
use crate::render::Look;
use crate::render::human::summary;
use crate::render::located::Locator;
use crate::text::sanitize;

/// Writes a report.
pub fn report(report: &Report, look: Look) -> String {
    let mut locator = Locator::new(report);
    let mut text = String::new();
    for finding in report.findings().iter().take(look.most) {
        let at = match locator.in_content(finding) {
            Some(at) => format!(":{}:{}", at.start.line, at.start.column),
            None => String::new(),
        };
        let (name, message) = (sanitize(&finding.place.name), sanitize(&finding.message));
        let _ = writeln!(text, "{name}{at}: {}[{}]: {message}", finding.severity, finding.rule.name);
    }
    text + &left_out(report, look) + &summary(report)
}

/// Says how many findings are not shown.
pub(super) fn left_out(report: &Report, look: Look) -> String {
    match report.findings().len().saturating_sub(look.most) {
        0 => String::new(),
        left => format!("... and {} more\n", crate::text::count(left, "finding")),
    }
}
