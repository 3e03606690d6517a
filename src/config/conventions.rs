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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conventions {
    /// Templates of names, by [`Named`]: a name must match each of them.
    naming: [Vec<String>; 8],
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
    /// Returns the patterns that a name must match, their placeholders filled, each as people read it too.
    pub fn patterns(&self, kind: Named, fill: &dyn Fn(&str) -> String) -> Vec<(regex::Regex, String)> {
        let filled = self.naming[kind as usize].iter().map(|template| filled(template, fill));
        filled.filter_map(|(filled, shown)| regex::Regex::new(&filled).ok().map(|pattern| (pattern, shown))).collect()
    }

    /// Says whether names of a kind are held against anything.
    pub fn names(&self, kind: Named) -> bool {
        !self.naming[kind as usize].is_empty()
    }

    /// Returns what respects these conventions and others as well.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        if self == others {
            return self.clone();
        }
        let mut both = self.clone();
        for (mine, theirs) in both.naming.iter_mut().zip(&others.naming) {
            join(mine, theirs);
        }
        join(&mut both.required_columns, &others.required_columns);
        join(&mut both.denied_types, &others.denied_types);
        join(&mut both.denied_statements, &others.denied_statements);
        both.allowed_types = common(&self.allowed_types, &others.allowed_types);
        both.charsets = common(&self.charsets, &others.charsets);
        both.collations = common(&self.collations, &others.collations);
        both.extensions = common(&self.extensions, &others.extensions);
        let least = |mine: Option<usize>, theirs: Option<usize>| mine.into_iter().chain(theirs).min();
        both.most_indexes = least(self.most_indexes, others.most_indexes);
        both.most_index_columns = least(self.most_index_columns, others.most_index_columns);
        both.longest_name = least(self.longest_name, others.longest_name);
        both
    }
}

/// Adds what a list lacks.
fn join(list: &mut Vec<String>, others: &[String]) {
    for other in others {
        if !list.contains(other) {
            list.push(other.clone());
        }
    }
}

/// What both lists allow; an empty one allows everything.
fn common(list: &[String], others: &[String]) -> Vec<String> {
    if list.is_empty() || others.is_empty() {
        return list.iter().chain(others).cloned().collect();
    }
    let both: Vec<String> = list.iter().filter(|one| others.contains(one)).cloned().collect();
    // Where they have nothing in common, nothing is allowed; what was there before says what.
    if both.is_empty() { others.to_vec() } else { both }
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
            let written = naming.string(key).filter(|written| usable(&naming, key, written, placeholders));
            conventions.naming[at] = written.map(|text| text.value).into_iter().collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_conventions_together_allow_what_both_allow() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let one = Conventions {
            naming: std::array::from_fn(|at| if at == 0 { texts(&["t_.*"]) } else { Vec::new() }),
            required_columns: texts(&["id"]),
            allowed_types: texts(&["int", "text"]),
            most_indexes: Some(4),
            ..Conventions::default()
        };
        let other = Conventions {
            naming: std::array::from_fn(|at| if at == 0 { texts(&[".*_x"]) } else { Vec::new() }),
            required_columns: texts(&["born", "id"]),
            allowed_types: texts(&["text", "uuid"]),
            most_indexes: Some(3),
            longest_name: Some(30),
            ..Conventions::default()
        };
        let both = one.and(&other);
        let patterns = both.patterns(Named::Table, &|_| String::new());
        let matches = |name: &str| patterns.iter().all(|(pattern, _)| pattern.is_match(name));
        assert!(matches("t_a_x") && !matches("t_a") && !matches("a_x"));
        assert_eq!(both.required_columns, texts(&["id", "born"]));
        assert_eq!(both.allowed_types, texts(&["text"]));
        assert_eq!((both.most_indexes, both.longest_name), (Some(3), Some(30)));
        assert_eq!(one.and(&one), one);
    }
}
