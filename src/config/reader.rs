//! Reading TOML so that every mistake is reported, each with its place, and none hides another.
//!
//! A [`Section`] is asked for the keys it may have; keys that nobody asked for are unknown. Knows TOML types, sizes
//! and durations. Refuses to know what a key means.

use std::cell::RefCell;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

pub use super::problems::Problems;
use super::units::{parse_duration, parse_size, whole};
use crate::finding::{Finding, Rule};
use crate::text::{Span, did_you_mean, enumerate, sanitize};

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its bytes.
    pub span: Span,
}

/// Parses a document and hands its top to `read`.
///
/// # Errors
/// Every syntax error of the TOML, or everything that `read` found wrong.
pub fn document<T>(
    file: &str,
    text: &str,
    rule: &'static Rule,
    read: impl FnOnce(&Section<'_>, &Problems) -> Option<T>,
) -> Result<T, Vec<Finding>> {
    let problems = Problems::new(file, rule);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().map_or(Span::default(), Span::from).clamped(text);
        let message = error.message().replace('\n', ", ");
        problems.add(
            span,
            format!("the file is not valid TOML: {}", sanitize(&message)),
            "here",
            "mend the syntax; TOML 1.1 is described at toml.io",
        );
    }
    let mut result = None;
    if errors.is_empty() {
        let section = Section::new("", table.get_ref(), Span::new(0, text.len().min(1)), &problems);
        result = read(&section, &problems);
        section.finish();
    }
    match result {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems.into_findings()),
    }
}

/// A key that the user chose, with the index of the word that it holds.
pub type NamedChoice = (At<String>, At<usize>);
/// A key that the user chose, with the table that it holds.
pub type NamedSection<'d> = (At<String>, Section<'d>);

/// A table of the document while it is read.
pub struct Section<'d> {
    name: String,
    table: &'d DeTable<'d>,
    /// The place of the table's head.
    pub span: Span,
    problems: &'d Problems,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    fn new(name: &str, table: &'d DeTable<'d>, span: Span, problems: &'d Problems) -> Self {
        Self { name: name.to_owned(), table, span, problems, known: RefCell::default() }
    }

    fn qualified(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Returns the raw value of a key and remembers that the key is known.
    fn value(&self, key: &'static str) -> Option<(&'d DeValue<'d>, Span)> {
        self.known.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some((value.get_ref(), value.span().into()))
    }

    fn wrong_type(&self, key: &str, span: Span, expected: &str, found: &DeValue<'_>) {
        let message = format!("`{}` must be {expected}", self.qualified(key));
        self.problems.add(span, message, format!("this is {}", article(found.type_str())), format!("write {expected}"));
    }

    /// Reports that a key is missing.
    pub fn missing(&self, key: &str, help: &'static str) {
        let what = if self.name.is_empty() { "the file".to_owned() } else { format!("`[{}]`", self.name) };
        self.problems.add(self.span, format!("{what} lacks `{key}`"), "missing here", help);
    }

    /// Reads text.
    pub fn string(&self, key: &'static str) -> Option<At<String>> {
        let (value, span) = self.value(key)?;
        match value {
            DeValue::String(text) => Some(At { value: text.clone().into_owned(), span }),
            other => {
                self.wrong_type(key, span, "text in quotes", other);
                None
            }
        }
    }

    /// Reads text that must be a name (see [`super::name_complaint`]).
    pub fn name(&self, key: &'static str) -> Option<At<String>> {
        let name = self.string(key)?;
        if let Some(complaint) = super::name_complaint(&name.value) {
            self.problems.add(
                name.span,
                format!("`{}` is not a usable name: {complaint}", self.qualified(key)),
                "this name",
                "use letters, digits, `-` and `_`",
            );
            return None;
        }
        Some(name)
    }

    /// Reads `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let (value, span) = self.value(key)?;
        match value {
            DeValue::Boolean(truth) => Some(*truth),
            other => {
                self.wrong_type(key, span, "true or false", other);
                None
            }
        }
    }

    /// Reads one of some words and returns its index.
    pub fn choice(&self, key: &'static str, words: &[&str]) -> Option<At<usize>> {
        let text = self.string(key)?;
        match words.iter().position(|word| *word == text.value) {
            Some(index) => Some(At { value: index, span: text.span }),
            None => {
                self.not_a_choice(key, &text, words);
                None
            }
        }
    }

    fn not_a_choice(&self, key: &str, text: &At<String>, words: &[&str]) {
        let help = match did_you_mean(&text.value, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"? Possible are {}", enumerate(words, 12)),
            None => format!("possible are {}", enumerate(words, 12)),
        };
        let message = format!("`{}` has no value \"{}\"", self.qualified(key), sanitize(&text.value));
        self.problems.add(text.span, message, "unknown value", help);
    }

    /// Reads a size in bytes: a whole number, or text such as `"16 MiB"`. Zero is refused.
    pub fn size(&self, key: &'static str) -> Option<u64> {
        let (value, span) = self.value(key)?;
        let size = match value {
            DeValue::Integer(number) => whole(number.as_str(), number.radix()),
            DeValue::String(text) => parse_size(text),
            _ => None,
        };
        if let Some(size) = size.filter(|size| *size > 0) {
            return Some(size);
        }
        let message = format!("`{}` must be a size above zero", self.qualified(key));
        self.problems.add(
            span,
            message,
            "not a size",
            "write bytes as a number, or \"512 KiB\", \"16 MiB\", \"1 GiB\"",
        );
        None
    }

    /// Reads a duration: text such as `"500ms"`, `"60s"`, `"5m"`, `"1h"`.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        let (value, span) = self.value(key)?;
        if let DeValue::String(text) = value
            && let Some(duration) = parse_duration(text)
        {
            return Some(duration);
        }
        let message = format!("`{}` must be a duration of at most 24 hours", self.qualified(key));
        self.problems.add(span, message, "not a duration", "write \"500ms\", \"60s\", \"5m\" or \"1h\"");
        None
    }

    /// Reads a whole number that is not negative.
    pub fn whole(&self, key: &'static str) -> Option<At<u64>> {
        let (value, span) = self.value(key)?;
        let number = match value {
            DeValue::Integer(number) => whole(number.as_str(), number.radix()),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(key, span, "a whole number", value);
        }
        number.map(|value| At { value, span })
    }

    /// Reads a list of texts.
    pub fn strings(&self, key: &'static str) -> Option<Vec<At<String>>> {
        let (value, span) = self.value(key)?;
        let DeValue::Array(items) = value else {
            self.wrong_type(key, span, "a list of texts", value);
            return None;
        };
        Some(self.texts(key, items))
    }

    fn texts(&self, key: &str, items: &DeArray<'_>) -> Vec<At<String>> {
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At { value: text.clone().into_owned(), span: item.span().into() }),
                other => self.wrong_type(key, item.span().into(), "a list of texts", other),
            }
        }
        texts
    }

    /// Reads a list of patterns.
    pub fn patterns(&self, key: &'static str) -> Option<Vec<super::Pattern>> {
        let compile = |text: &At<String>| match super::Pattern::new(&text.value) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let message = format!("`{}` holds a pattern that cannot be read: {why}", self.qualified(key));
                self.problems.add(
                    text.span,
                    message,
                    "this pattern",
                    "`*` and `?` stay inside a folder, `**` crosses folders, `[a-z]` is a class",
                );
                None
            }
        };
        Some(self.strings(key)?.iter().filter_map(compile).collect())
    }

    /// Reads a table under a key.
    pub fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let (value, span) = self.value(key)?;
        match value {
            DeValue::Table(table) => {
                Some(Section::new(&self.qualified(key), table, self.head(key, span), self.problems))
            }
            other => {
                self.wrong_type(key, span, "a table", other);
                None
            }
        }
    }

    /// Reads a list of tables, `[[key]]`.
    pub fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some((value, span)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.wrong_type(key, span, &format!("a list of tables, `[[{}]]`", self.qualified(key)), value);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::new(&self.qualified(key), table, item.span().into(), self.problems));
                }
                other => self.wrong_type(key, item.span().into(), "a table", other),
            }
        }
        sections
    }

    /// Says whether a key is there and holds a table. Does not count as reading it.
    pub fn holds_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// Says whether a key is there. Does not count as reading it.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Returns the place of a key's value, if it is there.
    pub fn span_of(&self, key: &str) -> Option<Span> {
        self.table.get(key).map(|value| value.span().into())
    }

    /// Reads a table whose keys are names that the user chose, each holding a table.
    pub fn named_sections(&self) -> Vec<(At<String>, Section<'d>)> {
        let mut sections = Vec::new();
        for (key, value) in self.table.iter() {
            let name = At { value: key.get_ref().to_string(), span: key.span().into() };
            match value.get_ref() {
                DeValue::Table(table) => {
                    let section = Section::new(&self.qualified(&name.value), table, name.span, self.problems);
                    sections.push((name, section));
                }
                other => self.wrong_type(&name.value, value.span().into(), "a table", other),
            }
        }
        sections
    }

    /// Reads a table whose keys are names that the user chose, each holding one of some words (by index).
    pub fn named_choices(&self, words: &[&str]) -> Vec<(At<String>, At<usize>)> {
        let (choices, sections) = self.named_choices_and_sections(words);
        for (name, section) in sections {
            let message = format!("`{}` must be text in quotes", self.qualified(&name.value));
            self.problems.add(section.span, message, "this is a table", "write text in quotes");
        }
        choices
    }

    /// The same where a table may stand instead of the word.
    pub fn named_choices_and_sections(&self, words: &[&str]) -> (Vec<NamedChoice>, Vec<NamedSection<'d>>) {
        let mut choices = Vec::new();
        let mut sections = Vec::new();
        for (key, value) in self.table.iter() {
            let name = At { value: key.get_ref().to_string(), span: key.span().into() };
            let span = value.span().into();
            match value.get_ref() {
                DeValue::Table(table) => {
                    let section = Section::new(&self.qualified(&name.value), table, name.span, self.problems);
                    sections.push((name, section));
                }
                DeValue::String(text) => match words.iter().position(|word| *word == text.as_ref()) {
                    Some(index) => choices.push((name, At { value: index, span })),
                    None => self.not_a_choice(&name.value, &At { value: text.to_string(), span }, words),
                },
                other => self.wrong_type(&name.value, span, "text in quotes", other),
            }
        }
        (choices, sections)
    }

    /// Returns every key of the table, its text and its place; for tables whose keys the user chose.
    pub fn entries(&self) -> impl Iterator<Item = (String, &'d DeValue<'d>, Span)> {
        self.table.iter().map(|(key, value)| (key.get_ref().to_string(), value.get_ref(), value.span().into()))
    }

    /// The place of a table's key, which is shown better than the whole table.
    fn head(&self, key: &str, fallback: Span) -> Span {
        let found = self.table.iter().find(|(candidate, _)| candidate.get_ref() == key);
        found.map_or(fallback, |(key, _): (&Spanned<_>, _)| key.span().into())
    }

    /// Ends the reading: reports every key that was not asked for.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", enumerate(&known, 30)),
            };
            let place = if self.name.is_empty() { "at the top".to_owned() } else { format!("in `[{}]`", self.name) };
            let message = format!("unknown key `{}` {place}", sanitize(name));
            self.problems.add(key.span().into(), message, "unknown key", help);
        }
    }

    /// Returns where problems go.
    pub fn problems(&self) -> &'d Problems {
        self.problems
    }
}

fn article(kind: &str) -> String {
    match kind {
        "string" => "text".to_owned(),
        "integer" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
