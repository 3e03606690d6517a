//! The weights of rules, which both files may set.
//!
//! Knows the names of rules. Refuses to weigh anything.

use std::collections::BTreeMap;

use crate::config::reader::{At, Section};
use crate::finding::{Rule, Severity};
use crate::migration::EnvironmentName;
use crate::rules;
use crate::text::did_you_mean;

/// What configuration says of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weight {
    /// Its severity; the rule's own where none is said.
    pub severity: Option<Severity>,
    /// The version from which on files are held against it.
    pub since: Option<String>,
    /// Its severity for files of an environment.
    pub environments: BTreeMap<EnvironmentName, Severity>,
}

/// Weights by rule name.
pub type Weights = BTreeMap<&'static str, Weight>;

impl Weight {
    /// A severity for all files.
    pub fn of(severity: Severity) -> Self {
        Self { severity: Some(severity), ..Self::default() }
    }

    /// Returns the severity in an environment; without one, that of the environment where it is highest.
    pub fn in_environment(&self, rule: &Rule, environment: Option<&EnvironmentName>) -> Severity {
        let usual = self.severity.unwrap_or(rule.severity);
        match environment {
            Some(name) => self.environments.get(name).copied().unwrap_or(usual),
            None => self.environments.values().copied().fold(usual, Severity::max),
        }
    }
}

/// Finds a rule by the name that a configuration gives; an unknown one is a problem.
pub fn known_rule(section: &Section<'_>, name: &At<String>) -> Option<&'static Rule> {
    let found = rules::find(&name.value);
    if found.is_none() {
        let names: Vec<&str> = rules::all().map(|rule| rule.name).collect();
        let help = match did_you_mean(&name.value, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`schemagate rules` lists them".to_owned(),
        };
        let message = format!("there is no rule `{}`", crate::text::sanitize(&name.value));
        section.problems().add(name.span, message, "unknown rule", help);
    }
    found
}

/// Reads a table of rule names, each with a severity or a table of more.
pub fn weights(table: &Section<'_>) -> Weights {
    let mut weights = Weights::new();
    let (choices, sections) = table.named_choices_and_sections(&Severity::WORDS);
    for (name, word) in choices {
        let Some(rule) = known_rule(table, &name) else { continue };
        if let Some(severity) = severity(table, rule, &word) {
            weights.insert(rule.name, Weight::of(severity));
        }
    }
    for (name, section) in sections {
        let Some(rule) = known_rule(table, &name) else { continue };
        weights.insert(rule.name, weight(&section, rule));
        section.finish();
    }
    weights
}

/// Reads a table of severities alone.
pub fn floors(table: &Section<'_>) -> BTreeMap<&'static str, Severity> {
    let mut floors = BTreeMap::new();
    for (name, word) in table.named_choices(&Severity::WORDS) {
        let Some(rule) = known_rule(table, &name) else { continue };
        floors.extend(severity(table, rule, &word).map(|severity| (rule.name, severity)));
    }
    floors
}

/// Reads a list of rule names.
pub fn names(section: &Section<'_>, key: &'static str) -> Vec<&'static str> {
    let written = section.strings(key).unwrap_or_default();
    written.iter().filter_map(|name| known_rule(section, name)).map(|rule| rule.name).collect()
}

fn weight(section: &Section<'_>, rule: &'static Rule) -> Weight {
    let word = section.choice("severity", &Severity::WORDS);
    let since = section.string("since").map(|version| version.value);
    let mut environments = BTreeMap::new();
    if let Some(table) = section.section("environments") {
        for (name, word) in table.named_choices(&Severity::WORDS) {
            environments
                .extend(severity(section, rule, &word).map(|severity| (EnvironmentName::new(name.value), severity)));
        }
    }
    Weight { severity: word.and_then(|word| severity(section, rule, &word)), since, environments }
}

/// A severity that the rule may have.
fn severity(section: &Section<'_>, rule: &'static Rule, word: &At<usize>) -> Option<Severity> {
    let severity = Severity::parse(Severity::WORDS[word.value])?;
    if !rule.configurable && severity < rule.severity {
        section.problems().add(
            word.span,
            format!("`{}` cannot be lowered: without it migrations would be misread", rule.name),
            "too low",
            format!("leave it out; it is \"{}\"", rule.severity),
        );
        return None;
    }
    Some(severity)
}
