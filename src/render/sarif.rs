//! A report in SARIF 2.1.0 (OASIS), as code scanning services read it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::finding::{Finding, Report, Rule, Severity, Verdict};
use crate::render::Look;
use crate::render::json::text;
use crate::render::located::{Locator, said};

/// Writes a report: one run, with the rules that found something, and what was suppressed.
pub fn report(report: &Report, look: Look) -> String {
    let mut locator = Locator::new(report);
    let mut rules: BTreeMap<&str, &'static Rule> = BTreeMap::new();
    let shown: Vec<&Finding> = report.findings().iter().take(look.most).collect();
    let spared = report.suppressed();
    for finding in shown.iter().copied().chain(spared.iter().map(|one| &one.finding)) {
        rules.insert(finding.rule.name, finding.rule);
    }
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(at, name)| (*name, at)).collect();
    let prints = report.fingerprints();
    let mut results: Vec<Value> = shown
        .iter()
        .zip(&prints)
        .map(|(finding, print)| {
            let mut result = result(&mut locator, finding, index[finding.rule.name]);
            result["partialFingerprints"] = json!({ "schemagate/v1": print });
            result
        })
        .collect();
    results.extend(spared.iter().map(|one| {
        let mut result = result(&mut locator, &one.finding, index[one.finding.rule.name]);
        result["suppressions"] = json!([{ "kind": "inSource", "justification": one.reason }]);
        result
    }));
    let left = report.findings().len() - shown.len();
    text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "schemagate",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": i32::from(report.verdict() == Verdict::Refused),
            }],
            "properties": {
                "migrations": report.migrations,
                "statements": report.statements,
                "notAnalysed": report.not_analysed,
                "leftOut": left,
            },
            "results": results,
        }],
    }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
        Severity::Off => "none",
    }
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": rule.explanation },
        "help": { "text": rule.explanation },
        "defaultConfiguration": { "enabled": rule.severity != Severity::Off, "level": level(rule.severity) },
    })
}

fn result<'r>(locator: &mut Locator<'r>, finding: &'r Finding, index: usize) -> Value {
    let mut location = json!({ "artifactLocation": { "uri": uri(&finding.place.name) } });
    if let Some(at) = locator.in_content(finding) {
        location["region"] = json!({
            "startLine": at.start.line, "startColumn": at.start.column,
            "endLine": at.end.line, "endColumn": at.end.column,
            "byteOffset": at.span.start, "byteLength": at.span.end - at.span.start,
        });
    }
    json!({
        "ruleId": finding.rule.name,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": said(finding) },
        "locations": [{ "physicalLocation": location }],
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
