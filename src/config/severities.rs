//! The weights of rules, which both files may set.
//!
//! Knows the names of rules. Refuses to weigh anything.

use std::collections::BTreeMap;

use crate::config::reader::Section;
use crate::finding::Severity;
use crate::rules;
use crate::text::{did_you_mean, enumerate};

/// Reads a table of rule names with severities.
pub fn severities(table: &Section<'_>) -> BTreeMap<&'static str, Severity> {
    let mut severities = BTreeMap::new();
    for (name, word) in table.named_choices(&Severity::WORDS) {
        let names: Vec<&str> = rules::all().map(|rule| rule.name).collect();
        let Some(rule) = rules::find(&name.value) else {
            let help = match did_you_mean(&name.value, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the rules are {}", enumerate(&names, 60)),
            };
            table.problems().add(
                name.span,
                format!("there is no rule `{}`", crate::text::sanitize(&name.value)),
                "unknown rule",
                help,
            );
            continue;
        };
        let severity = Severity::parse(Severity::WORDS[word.value]).unwrap_or(rule.severity);
        if !rule.configurable && severity < rule.severity {
            table.problems().add(
                word.span,
                format!("`{}` cannot be lowered: without it migrations would be misread", rule.name),
                "too low",
                format!("leave it out; it is \"{}\"", rule.severity),
            );
            continue;
        }
        severities.insert(rule.name, severity);
    }
    severities
}
