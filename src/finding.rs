//! Findings: what is wrong in what a user wrote, and the report that gathers them.
//!
//! A finding is a value, never an error: an error means that the world went wrong (disk, Git, database).
//! Knows severities and places. Refuses to know who found it and how it will be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::text::Span;

/// How much a finding weighs. Ordered: the stricter is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not reported at all.
    Off,
    /// Said, without weight.
    Note,
    /// Said; does not refuse.
    Warning,
    /// Refuses the commit or the push.
    Error,
}

impl Severity {
    /// The words that configuration uses, in the order of the variants.
    pub const WORDS: [&'static str; 4] = ["off", "note", "warning", "error"];

    /// Reads a word of configuration.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "note" => Some(Self::Note),
            "warning" => Some(Self::Warning),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// Returns the word that configuration and output use.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A kind of finding: its name and what can be said of it before it is found.
#[derive(Debug)]
pub struct Rule {
    /// Name in kebab case, after the bad pattern, so that "allow NAME" reads well. Part of the promise to users.
    pub name: &'static str,
    /// Severity unless configured.
    pub severity: Severity,
    /// Whether configuration may change the severity. False where a lower one would make the program unsafe.
    pub configurable: bool,
    /// What is wrong, one sentence.
    pub summary: &'static str,
    /// Why it matters and what to do, a few sentences.
    pub explanation: &'static str,
}

impl Rule {
    /// Makes a rule whose weight may be configured.
    pub const fn new(name: &'static str, severity: Severity, summary: &'static str, explanation: &'static str) -> Self {
        Self { name, severity, configurable: true, summary, explanation }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a place lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// The content of a file; the span counts in its bytes.
    Content,
    /// The path of a file itself; the span counts in the path as shown.
    Path,
    /// A Git reference; the span is unused.
    Reference,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file or reference, as it is shown: already safe for a terminal.
    pub name: String,
    /// What the span counts in.
    pub kind: PlaceKind,
    /// The token, where one is to blame.
    pub span: Option<Span>,
}

impl Place {
    /// A token in a file's content.
    pub fn content(name: impl Into<String>, span: Span) -> Self {
        Self { name: name.into(), kind: PlaceKind::Content, span: Some(span) }
    }

    /// A file as a whole.
    pub fn file(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: PlaceKind::Content, span: None }
    }

    /// A part of a path; the span counts in `name`.
    pub fn path(name: impl Into<String>, span: Option<Span>) -> Self {
        Self { name: name.into(), kind: PlaceKind::Path, span }
    }

    /// A reference.
    pub fn reference(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: PlaceKind::Reference, span: None }
    }
}

/// A second place that a finding speaks of: the setting that caused it, the other one of two duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind.
    pub rule: &'static Rule,
    /// Its weight here, after configuration.
    pub severity: Severity,
    /// The most that this case of the rule can weigh, where that is less.
    pub most: Option<Severity>,
    /// Where it is.
    pub place: Place,
    /// What is wrong and what it would break: one or two sentences without a line break.
    pub message: String,
    /// A few words at the token.
    pub label: Option<String>,
    /// The remedy: one command or one edit.
    pub help: Option<String>,
    /// The safe way as SQL that runs: the text of each file that it takes, in order.
    pub safe: Vec<String>,
    /// Whether the first file of the safe way says the same as the statement that is found, and may be written for it.
    pub certain: bool,
    /// Further lines that explain, in their own layout.
    pub notes: Vec<String>,
    /// Other places.
    pub related: Vec<Related>,
}

impl Finding {
    /// Starts a finding with the rule's own severity.
    pub fn new(rule: &'static Rule, place: Place, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            most: None,
            place,
            message: message.into(),
            label: None,
            help: None,
            safe: Vec::new(),
            certain: false,
            notes: Vec::new(),
            related: Vec::new(),
        }
    }

    /// Adds the words at the token.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says whether the first file of the safe way may be written for the statement.
    pub fn certain(mut self, certain: bool) -> Self {
        self.certain = certain;
        self
    }

    /// The same where there is such a way at all.
    pub fn certain_if(self, certain: bool) -> Self {
        let there = !self.safe.is_empty();
        self.certain(certain && there)
    }

    /// Says that this case weighs no more than that: it is not known for sure, or a lesser one.
    pub fn at_most(mut self, severity: Severity) -> Self {
        self.most = Some(severity);
        self.severity = self.severity.min(severity);
        self
    }

    /// Adds a file of the safe way.
    pub fn safe(mut self, sql: impl Into<String>) -> Self {
        self.safe.push(sql.into());
        self
    }

    /// Adds an explaining line.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds another place.
    pub fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related { place, message: message.into() });
        self
    }

    fn order(&self) -> (&Place, &'static str, &str) {
        (&self.place, self.rule.name, &self.message)
    }
}

/// A finding that was suppressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why; empty where nobody said.
    pub reason: String,
}

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
            finding.help = Some(help.to_owned());
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
        self.extend(other.findings);
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

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
