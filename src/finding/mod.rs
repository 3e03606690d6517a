//! Findings: what is wrong in what a user wrote, and the report that gathers them.
//!
//! A finding is a value, never an error: an error means that the world went wrong (disk, Git, database).
//! Knows severities and places. Refuses to know who found it and how it will be shown.

mod report;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use report::{Report, Verdict};

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
    pub name: Arc<str>,
    /// What the span counts in.
    pub kind: PlaceKind,
    /// The token, where one is to blame.
    pub span: Option<Span>,
}

impl Place {
    /// A token in a file's content.
    pub fn content(name: impl Into<Arc<str>>, span: Span) -> Self {
        Self { name: name.into(), kind: PlaceKind::Content, span: Some(span) }
    }

    /// A file as a whole.
    pub fn file(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), kind: PlaceKind::Content, span: None }
    }

    /// A part of a path; the span counts in `name`.
    pub fn path(name: impl Into<Arc<str>>, span: Option<Span>) -> Self {
        Self { name: name.into(), kind: PlaceKind::Path, span }
    }

    /// A reference.
    pub fn reference(name: impl Into<Arc<str>>) -> Self {
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
    pub label: Option<Cow<'static, str>>,
    /// The remedy: one command or one edit.
    pub help: Option<Cow<'static, str>>,
    /// The safe way as SQL that runs: the text of each file that it takes, in order.
    pub safe: Vec<String>,
    /// Whether the first file of the safe way says the same as the statement that is found, and may be written for it.
    pub certain: bool,
    /// What is certain to be better, as an edit: the place in the file and its new text.
    pub edit: Option<(Span, String)>,
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
            edit: None,
            notes: Vec::new(),
            related: Vec::new(),
        }
    }

    /// Adds the words at the token.
    pub fn label(mut self, label: impl Into<Cow<'static, str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
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

    /// What findings are sorted by.
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

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
