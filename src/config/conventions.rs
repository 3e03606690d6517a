//! The conventions of a project: names, columns, types, and what is not wanted.
//!
//! Knows the keys under `conventions` and how a template of a name becomes a pattern. Refuses to look at migrations.

use crate::config::reader::{At, Section};
use crate::text::{Span, did_you_mean, enumerate};

/// What a name is of, in the order of `KINDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the thing that SQL calls so")]
pub enum Named {
    Table,
    Column,
    View,
    Index,
    Unique,
    PrimaryKey,
    ForeignKey,
    Check,
}

/// The keys under `naming`, each with the placeholders that its template may hold.
const KINDS: [(&str, &[&str]); 8] = [
    ("table", &[]),
    ("column", &["table"]),
    ("view", &[]),
    ("index", &["table", "column_list"]),
    ("unique", &["table", "column_list"]),
    ("primary-key", &["table", "column_list"]),
    (
        "foreign-key",
        &["table", "column_list", "referencing_table", "referencing_column", "referenced_table", "referenced_column"],
    ),
    ("check", &["table", "column_list"]),
];

/// The conventions of a project.
#[derive(Debug, Clone, Default)]
pub struct Conventions {
    /// Templates of names, by [`Named`].
    naming: [Option<String>; 8],
    /// Columns that every table has.
    pub required_columns: Vec<String>,
    /// The only types that are wanted; all where it is empty.
    pub allowed_types: Vec<String>,
    /// Types that are not.
    pub denied_types: Vec<String>,
    /// The only character sets that are wanted; all where it is empty.
    pub charsets: Vec<String>,
    /// The only collations that are wanted; all where it is empty.
    pub collations: Vec<String>,
    /// First words of statements that are not wanted, in upper case.
    pub denied_statements: Vec<String>,
    /// Extensions that may be made; all where it is empty.
    pub extensions: Vec<String>,
    /// Most indexes of a table.
    pub most_indexes: Option<usize>,
    /// Most columns of an index.
    pub most_index_columns: Option<usize>,
    /// Longest name, in characters.
    pub longest_name: Option<usize>,
}

impl Conventions {
    /// Returns the pattern that a name must match, its placeholders filled; `None` where any will do.
    pub fn pattern(&self, kind: Named, fill: &dyn Fn(&str) -> String) -> Option<(regex::Regex, String)> {
        let template = self.naming[kind as usize].as_ref()?;
        let (filled, shown) = filled(template, fill);
        regex::Regex::new(&filled).ok().map(|pattern| (pattern, shown))
    }

    /// Says whether names of a kind are held against anything.
    pub fn names(&self, kind: Named) -> bool {
        self.naming[kind as usize].is_some()
    }
}

/// Fills the placeholders of a template: as a pattern, and as people read it.
fn filled(template: &str, fill: &dyn Fn(&str) -> String) -> (String, String) {
    let (mut pattern, mut shown, mut rest) = ("^(?:".to_owned(), String::new(), template);
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((name, after)) = behind.split_once("}}") else { break };
        let value = fill(name.trim());
        pattern.push_str(before);
        pattern.push_str(&regex::escape(&value));
        shown.push_str(before);
        shown.push_str(&value);
        rest = after;
    }
    (pattern + rest + ")$", shown + rest)
}

/// Reads the table `conventions` of a project.
pub(super) fn conventions(section: &Section<'_>) -> Conventions {
    let Some(table) = section.section("conventions") else { return Conventions::default() };
    let mut conventions = Conventions::default();
    if let Some(naming) = table.section("naming") {
        for (at, (key, placeholders)) in KINDS.into_iter().enumerate() {
            conventions.naming[at] =
                naming.string(key).filter(|written| usable(&naming, key, written, placeholders)).map(|text| text.value);
        }
        naming.finish();
    }
    let list = |key| {
        let written: Vec<At<String>> = table.strings(key).unwrap_or_default();
        written.into_iter().map(|text| text.value.to_lowercase()).collect::<Vec<String>>()
    };
    let number = |key| table.whole(key).and_then(|number| usize::try_from(number.value).ok());
    conventions.required_columns = list("required-columns");
    conventions.allowed_types = list("allowed-types");
    conventions.denied_types = list("denied-types");
    conventions.charsets = list("charsets");
    conventions.collations = list("collations");
    conventions.extensions = list("extensions");
    conventions.denied_statements = list("denied-statements").iter().map(|words| words.to_uppercase()).collect();
    conventions.most_indexes = number("most-indexes");
    conventions.most_index_columns = number("most-index-columns");
    conventions.longest_name = number("longest-name");
    table.finish();
    conventions
}

/// Says whether a template can be used; what is wrong with it is reported.
fn usable(section: &Section<'_>, key: &str, written: &At<String>, known: &[&str]) -> bool {
    let mut rest = written.value.as_str();
    while let Some((_, behind)) = rest.split_once("{{") {
        let Some((name, after)) = behind.split_once("}}") else { break };
        let name = name.trim();
        if !known.contains(&name) {
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{{{{{near}}}}}`?"),
                None if known.is_empty() => "there are no placeholders here".to_owned(),
                None => format!("the placeholders here are {}", enumerate(known, 9)),
            };
            let message = format!("`naming.{key}` has no placeholder `{}`", crate::text::sanitize(name));
            section.problems().add(place(written, name), message, "unknown placeholder", help);
            return false;
        }
        rest = after;
    }
    let pattern = filled(&written.value, &|_| "x".to_owned()).0;
    if let Err(error) = regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build() {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        section.problems().add(
            written.span,
            format!("`naming.{key}` is not a regular expression that can be used: {why}"),
            "this pattern",
            "the whole name must match; the syntax is that of the Rust regex crate",
        );
        return false;
    }
    true
}

/// The place of a part of a text, where the text stands as it is.
fn place(written: &At<String>, part: &str) -> Span {
    let exact = written.span.end - written.span.start == written.value.len() + 2;
    match written.value.find(part).filter(|_| exact) {
        Some(at) => Span::new(written.span.start + 1 + at, written.span.start + 1 + at + part.len()),
        None => written.span,
    }
}
