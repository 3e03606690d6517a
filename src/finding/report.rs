//! The report that gathers findings, and the only judge of what they come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::finding::{Finding, PlaceKind, Rule, Severity, Suppressed, hex};

/// All that a check found, with the texts that its places point into.
#[derive(Debug, Clone, Default)]
pub struct Report {
    findings: Vec<Finding>,
    suppressed: Vec<Suppressed>,
    sources: BTreeMap<String, Arc<str>>,
    /// How many files were judged as migrations.
    pub migrations: usize,
    /// How many statements were read.
    pub statements: usize,
    /// How many of them only the words could be judged of, not the grammar.
    pub not_analysed: usize,
}

/// What a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing refuses.
    Accepted,
    /// At least one error.
    Refused,
}

impl Report {
    /// Adds a finding, unless its severity is off.
    pub fn push(&mut self, finding: Finding) {
        if finding.severity == Severity::Off {
            return;
        }
        self.findings.push(finding);
    }

    /// Adds many findings.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.push(finding);
        }
    }

    /// Adds findings that were suppressed; those that would not be reported anyway are left out.
    pub fn extend_suppressed(&mut self, suppressed: impl IntoIterator<Item = Suppressed>) {
        self.suppressed.extend(suppressed.into_iter().filter(|one| one.finding.severity > Severity::Off));
    }

    /// Returns the findings that were suppressed.
    pub fn suppressed(&self) -> &[Suppressed] {
        &self.suppressed
    }

    /// Gives the findings of a rule another remedy.
    pub fn help_for(&mut self, rule: &Rule, help: &str) {
        for finding in self.findings.iter_mut().filter(|finding| finding.rule == rule) {
            finding.help = Some(help.to_owned().into());
        }
    }

    /// Keeps the text of a file, so that its findings can be shown in it.
    pub fn keep_source(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) {
        self.sources.insert(name.into(), text.into());
    }

    /// Returns the kept text of a file.
    pub fn source(&self, name: &str) -> Option<&Arc<str>> {
        self.sources.get(name)
    }

    /// Takes over everything of another report.
    pub fn merge(&mut self, other: Self) {
        self.sources.extend(other.sources);
        self.migrations += other.migrations;
        self.statements += other.statements;
        self.not_analysed += other.not_analysed;
        if self.findings.is_empty() {
            self.findings = other.findings;
        } else {
            self.findings.extend(other.findings);
        }
        self.suppressed.extend(other.suppressed);
    }

    /// Sorts by place, then rule, then words, so that two runs print the same, and drops repetitions.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| a.order().cmp(&b.order()).then(b.severity.cmp(&a.severity)));
        self.findings.dedup_by(|later, earlier| later.order() == earlier.order());
        self.suppressed.sort_by(|a, b| a.finding.order().cmp(&b.finding.order()));
        self.suppressed.dedup_by(|later, earlier| later.finding.order() == earlier.finding.order());
    }

    /// Returns the findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Says whether there is nothing to tell: no finding, not even a suppressed one.
    pub fn is_silent(&self) -> bool {
        self.findings.is_empty() && self.suppressed.is_empty()
    }

    /// Counts the findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Returns the verdict. This is the only judge: no renderer and no command decides again.
    pub fn verdict(&self) -> Verdict {
        if self.count(Severity::Error) > 0 { Verdict::Refused } else { Verdict::Accepted }
    }

    /// Returns one stable fingerprint per finding, in their order.
    ///
    /// The first 16 hexadecimal digits of SHA-256 over: rule name, NUL, place name, NUL, the text of the token
    /// with white space folded (empty without a token), NUL, and the number (from 0, decimal) of earlier findings
    /// that agree in all of these. Lines do not count, so that a finding keeps its fingerprint when text moves.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut seen: BTreeMap<(&str, &str, String), usize> = BTreeMap::new();
        let mut fingerprints = Vec::with_capacity(self.findings.len());
        for finding in &self.findings {
            let token = self.token(finding);
            let number = seen.entry((finding.rule.name, &finding.place.name, token.clone())).or_default();
            let identity = format!("{}\0{}\0{token}\0{number}", finding.rule.name, finding.place.name);
            *number += 1;
            fingerprints.push(hex(&Sha256::digest(identity.as_bytes()))[..16].to_owned());
        }
        fingerprints
    }

    fn token(&self, finding: &Finding) -> String {
        let Some(span) = finding.place.span else { return String::new() };
        let text = match finding.place.kind {
            PlaceKind::Content => self.source(&finding.place.name).map_or("", |source| span.of(source)),
            PlaceKind::Path | PlaceKind::Reference => span.of(&finding.place.name),
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Place, Rule};
    use crate::text::Span;

    static SAMPLE: Rule =
        Rule { name: "sample", severity: Severity::Error, configurable: true, summary: "", explanation: "" };

    #[test]
    fn only_errors_refuse() {
        let mut report = Report::default();
        let mut finding = Finding::new(&SAMPLE, Place::file("a.sql"), "x");
        finding.severity = Severity::Warning;
        report.push(finding.clone());
        assert_eq!(report.verdict(), Verdict::Accepted);
        finding.severity = Severity::Error;
        report.push(finding);
        report.sort();
        assert_eq!(report.verdict(), Verdict::Refused);
        assert_eq!(report.findings().len(), 1, "the same finding counts once, with its greater weight");
    }

    #[test]
    fn fingerprints_survive_moved_text_and_tell_twins_apart() {
        let with = |text: &str| {
            let mut report = Report::default();
            report.keep_source("a.sql", text);
            for (start, _) in text.match_indices("BAD") {
                report.push(Finding::new(&SAMPLE, Place::content("a.sql", Span::new(start, start + 3)), "x"));
            }
            report.fingerprints()
        };
        assert_eq!(with("BAD"), with("\n\n  BAD"));
        let twins = with("BAD BAD");
        assert_ne!(twins[0], twins[1]);
    }
}
