//! Data changes as manifests in YAML: which databases of a group take them, and the statement.
//!
//! ```yaml
//! databases:
//!   - name: shop_7
//! statement: |
//!   UPDATE prices SET amount = amount * 1.1;
//! ```
//!
//! What is read as SQL is the file itself, with everything but the statement turned into blanks: so every place in it is
//! a place in the file. Refuses what YAML could hold beside this form; refuses to know SQL.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::migration::{DatabaseName, RepoPath};
use crate::text::{Span, did_you_mean, sanitize};

/// A data change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataChange {
    /// The databases that take it, as written.
    pub databases: Vec<DatabaseName>,
    /// The text of the file in which only the statement is left; as long as the file.
    pub text: String,
    /// How many blanks stand before each of its lines, which are YAML's and not the statement's.
    pub indent: usize,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in the text of the file.
    pub span: Span,
    /// What.
    pub message: String,
    /// The remedy.
    pub help: String,
}

const FORM: &str = "write `databases:` with lines `- name: NAME`, and `statement: |` with the SQL indented below it";
const KEYS: [&str; 2] = ["databases", "statement"];

/// Says whether a path is that of a data change in YAML.
pub fn is_manifest(path: &RepoPath) -> bool {
    path.as_str().is_some_and(|path| plain_path(path).is_some())
}

/// Returns the SQL of a file: of a data change its statement, where it stands; every other file is its own SQL.
///
/// # Errors
/// What is wrong with the data change.
pub fn sql_of<'t>(path: &RepoPath, text: &'t str) -> Result<Cow<'t, str>, Mistake> {
    sql_to_run(path, text).map(|(sql, _)| sql)
}

/// As [`sql_of`], with the indentation of its lines that is not its own: what runs has none.
///
/// # Errors
/// What is wrong with the data change.
pub fn sql_to_run<'t>(path: &RepoPath, text: &'t str) -> Result<(Cow<'t, str>, usize), Mistake> {
    if !is_manifest(path) {
        return Ok((Cow::Borrowed(text), 0));
    }
    read(text).map(|change| (Cow::Owned(change.text), change.indent))
}

/// Takes the indentation of a block from the lines of a part of it; the first one may begin anywhere.
pub fn without_indent(part: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let line =
        |line: &str| line.strip_prefix(blanks.as_str()).unwrap_or_else(|| line.trim_start_matches(' ')).to_owned();
    let mut lines = part.split_inclusive('\n');
    lines.next().map(str::to_owned).into_iter().chain(lines.map(line)).collect()
}

/// Returns the path that a data change in SQL would have; `None` if the path is not that of a manifest.
pub fn plain_path(path: &str) -> Option<String> {
    path.strip_suffix(".yml").or_else(|| path.strip_suffix(".yaml")).map(|stem| format!("{stem}.sql"))
}

/// Reads a manifest.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn read(text: &str) -> Result<DataChange, Mistake> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, mark, events: Parser::new_from_str(&text[mark..]), at: Span::default() };
    reader.document()
}

/// The events of a file, read one behind the other.
struct Reader<'t> {
    text: &'t str,
    /// The length of a byte order mark.
    mark: usize,
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The place of the last event.
    at: Span,
}

impl<'t> Reader<'t> {
    /// The byte of a character, counted behind the mark.
    fn byte(&self, character: usize) -> usize {
        let body = &self.text[self.mark..];
        self.mark + body.char_indices().nth(character).map_or(body.len(), |(byte, _)| byte)
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { span: self.at, message: message.into(), help: FORM.to_owned() })
    }

    fn next(&mut self) -> Result<Event<'t>, Mistake> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.at = Span::new(self.byte(span.start.index()), self.byte(span.end.index()));
                match &event {
                    Event::Alias(_) => self.wrong("aliases are not read here"),
                    Event::Scalar(_, _, anchor, tag)
                    | Event::SequenceStart(anchor, tag)
                    | Event::MappingStart(anchor, tag)
                        if *anchor > 0 || tag.is_some() =>
                    {
                        self.wrong("anchors and tags are not read here")
                    }
                    _ => Ok(event),
                }
            }
            Some(Err(error)) => {
                let start = self.byte(error.marker().index());
                self.at = Span::new(start, start);
                self.wrong(format!("this is not YAML: {}", error.info()))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn document(&mut self) -> Result<DataChange, Mistake> {
        while !matches!(self.next()?, Event::DocumentStart(_)) {
            if self.events.peek().is_none() {
                return self.wrong("the manifest is empty");
            }
        }
        if !matches!(self.next()?, Event::MappingStart(..)) {
            return self.wrong("a data change has the keys `databases` and `statement`");
        }
        let (mut databases, mut text) = (None, None);
        loop {
            match self.next()? {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) if key == "databases" && databases.is_none() => databases = Some(self.names()?),
                Event::Scalar(key, ..) if key == "statement" && text.is_none() => text = Some(self.statement()?),
                Event::Scalar(key, ..) if KEYS.contains(&&*key) => return self.wrong(format!("`{key}` is said twice")),
                Event::Scalar(key, ..) => {
                    let near = did_you_mean(&key, KEYS).map(|near| format!("; did you mean `{near}`?"));
                    return self.wrong(format!("unknown key `{}`{}", sanitize(&key), near.unwrap_or_default()));
                }
                _ => return self.wrong("a data change has the keys `databases` and `statement`"),
            }
        }
        let end = self.at;
        if !matches!(self.next()?, Event::DocumentEnd) || !matches!(self.next()?, Event::StreamEnd) {
            return self.wrong("a manifest holds one data change");
        }
        self.at = end;
        match (databases, text) {
            (Some(databases), Some((text, indent))) => Ok(DataChange { databases, text, indent }),
            (None, _) => self.wrong("`databases` is missing"),
            (_, None) => self.wrong("`statement` is missing"),
        }
    }

    fn names(&mut self) -> Result<Vec<DatabaseName>, Mistake> {
        if !matches!(self.next()?, Event::SequenceStart(..)) {
            return self.wrong("`databases` is a list");
        }
        let mut names: Vec<DatabaseName> = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd if names.is_empty() => return self.wrong("no database is named"),
                Event::SequenceEnd => return Ok(names),
                Event::MappingStart(..) => {}
                _ => return self.wrong("a database is written `- name: NAME`"),
            }
            if !matches!(self.next()?, Event::Scalar(key, ..) if key == "name") {
                return self.wrong("a database has the key `name`");
            }
            let Event::Scalar(name, ..) = self.next()? else { return self.wrong("a name is a word") };
            if let Some(complaint) = crate::config::name_complaint(&name) {
                return self.wrong(complaint);
            }
            let name = DatabaseName::new(name.into_owned());
            if names.contains(&name) {
                return self.wrong(format!("`{name}` is named twice"));
            }
            names.push(name);
            if !matches!(self.next()?, Event::MappingEnd) {
                return self.wrong("a database has the key `name` and no other");
            }
        }
    }

    /// Reads the statement; returns the text of the file with everything else blanked, and the indentation.
    fn statement(&mut self) -> Result<(String, usize), Mistake> {
        let key_line = self.text[..self.at.start].matches('\n').count();
        let Event::Scalar(value, ScalarStyle::Literal, ..) = self.next()? else {
            return self
                .wrong("the statement is written as a block, so that its lines stay as they are: `statement: |`");
        };
        let wanted: Vec<&str> = value.trim_end_matches('\n').split('\n').collect();
        let lines: Vec<&str> = self.text.split_inclusive('\n').collect();
        let begins = |first: &usize| same_block(&lines, *first, &wanted);
        let Some(first) = (key_line + 1..=key_line + 3).find(begins) else {
            return self.wrong("the lines of the statement cannot be told apart from what stands around them");
        };
        let block = first..first + wanted.len();
        let of_block = wanted.iter().zip(&lines[first..]).find(|(wanted, _)| !wanted.is_empty());
        let indent = of_block.map_or(0, |(wanted, line)| line.trim_end_matches(['\n', '\r']).len() - wanted.len());
        let shown = lines.iter().enumerate().map(|(number, line)| match block.contains(&number) {
            true => (*line).to_owned(),
            false => blank(line),
        });
        Ok((shown.collect(), indent))
    }
}

/// Says whether lines from one on are those of a block, indented.
fn same_block(lines: &[&str], first: usize, wanted: &[&str]) -> bool {
    let mut indent = None;
    wanted.iter().enumerate().all(|(number, wanted)| {
        let Some(line) = lines.get(first + number) else { return false };
        let line = line.trim_end_matches(['\n', '\r']);
        if wanted.is_empty() {
            return line.trim().is_empty();
        }
        let here = line.strip_suffix(wanted).filter(|indent| indent.bytes().all(|byte| byte == b' '));
        here.is_some_and(|here| *indent.get_or_insert(here.len()) == here.len())
    })
}

/// Turns all but the end of a line into as many blanks as it has bytes.
fn blank(line: &str) -> String {
    line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# prices\ndatabases:\n  - name: shop_7\n  - name: \"größe\"\nstatement: |\n  UPDATE a\n    SET b = 1;\n\n  DELETE FROM c;\n";

    #[test]
    fn the_statement_keeps_its_place_in_the_file() {
        let change = read(GOOD).unwrap();
        assert_eq!(change.databases, [DatabaseName::new("shop_7"), DatabaseName::new("größe")]);
        assert_eq!(change.text.len(), GOOD.len());
        assert_eq!(change.text.find("DELETE"), GOOD.find("DELETE"));
        assert_eq!(change.text.split_whitespace().collect::<Vec<_>>().join(" "), "UPDATE a SET b = 1; DELETE FROM c;");
        let windows = GOOD.replace('\n', "\r\n");
        assert_eq!(read(&windows).unwrap().text.find("DELETE"), windows.find("DELETE"));
        let marked = format!("\u{feff}{GOOD}");
        assert_eq!(read(&marked).unwrap().text.find("UPDATE"), marked.find("UPDATE"));
        let other = "statement: |-\n      SELECT 1\ndatabases: [{name: a}]\n";
        assert_eq!(read(other).unwrap().text.trim(), "SELECT 1");
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        let cases = [
            ("", "the manifest is empty", ""),
            ("databases: [", "this is not YAML", ""),
            ("- a\n", "a data change has the keys", ""),
            ("databases:\n  - name: a\n", "`statement` is missing", ""),
            ("statement: |\n  SELECT 1\n", "`databases` is missing", ""),
            ("databases: []\nstatement: |\n  SELECT 1\n", "no database is named", ""),
            ("databases:\n  - shop\n", "a database is written `- name: NAME`", "shop"),
            ("databases:\n  - name: a/b\n", "`/` may not stand in a name", "a/b"),
            ("databases:\n  - name: a\n  - name: a\n", "`a` is named twice", "a"),
            ("databases:\n  - name: a\n    x: 1\n", "a database has the key `name` and no other", "x"),
            ("database:\n  - name: a\n", "unknown key `database`; did you mean `databases`?", "database"),
            ("statement: SELECT 1\n", "the statement is written as a block", "SELECT 1"),
            ("statement: >\n  SELECT 1\n", "the statement is written as a block", ""),
            ("statement: |\n  a\nstatement: |\n  b\n", "`statement` is said twice", "statement"),
            ("databases: &x\n  - name: a\nstatement: |\n  b\n", "anchors and tags are not read here", ""),
            ("databases:\n  - name: a\nstatement: |\n  b\n---\na: b\n", "a manifest holds one data change", ""),
        ];
        for (text, message, place) in cases {
            let mistake = read(text).unwrap_err();
            assert!(mistake.message.starts_with(message), "{text:?}: {}", mistake.message);
            if !place.is_empty() {
                assert_eq!(mistake.span.of(text), place, "{text:?}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for start in 0..GOOD.len() {
            for piece in [": ", "|", "\t", "- ", "\u{0}", "%", "{", "&a ", "ü", "\r"] {
                if GOOD.is_char_boundary(start) {
                    let text = format!("{}{piece}{}", &GOOD[..start], &GOOD[start..]);
                    if let Ok(change) = read(&text) {
                        assert_eq!(change.text.len(), text.len());
                    }
                }
            }
        }
    }
}
