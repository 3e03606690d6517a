//! What SQLite has not been told yet: tables that came by statements which it certainly takes.
//!
//! They wait until a statement names them that SQLite itself must judge; then they are carried out, each table with
//! all that was done to it, in order. Knows tables, their columns and which names SQLite has met. Refuses to know what
//! is certain.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Dialect;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

use super::certain::{self, Effect};

/// The tables that are fully known, and what waits. Names are in lower case.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    tables: BTreeMap<String, Table>,
    /// Indexes, and their tables.
    indexes: BTreeMap<String, String>,
    /// Names of which only SQLite knows what they are.
    met: BTreeSet<String>,
    /// Those of them in views, triggers and what is temporary: what happens to them may matter there.
    watched: BTreeSet<String>,
    /// Names in statements that SQLite carried out: definitions there may speak of them.
    spoken: BTreeSet<String>,
    /// What goes from SQLite before anything else is carried out there.
    going: Vec<String>,
    /// A table that counts was made: `sqlite_sequence` is there from then on, also when that table is gone.
    counted: bool,
    /// Virtual tables were made, with shadow tables whose names are nowhere said: everything goes to SQLite.
    shadows: bool,
    /// Foreign keys are to be looked at, and SQLite has not been told.
    keys: bool,
    /// Settings differ from those at the beginning of a file: everything goes to SQLite until it ends.
    settings: bool,
    /// Something temporary was made, which is gone when the file ends.
    temporary: bool,
}

/// A table that is fully known.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) indexes: Vec<String>,
    /// Columns of which keys, checks and indexes speak.
    bound: BTreeSet<String>,
    /// Tables that it refers to: a change of theirs is written into its definition.
    pub(super) parents: Vec<String>,
    steps: Vec<Step>,
    /// Whether SQLite has it, but for the statements that wait.
    there: bool,
}

/// A statement that waits.
#[derive(Serialize, Deserialize)]
struct Step {
    text: String,
    /// The index that it makes.
    index: Option<String>,
}

/// What SQLite must know before it judges a statement.
pub(super) struct Before {
    /// Statements that it must carry out.
    pub(super) waited: Vec<String>,
    /// Names of which only SQLite knows what they are when the statement was carried out.
    met: Vec<String>,
    /// Whether it is a view, a trigger or something temporary that names them.
    watches: bool,
}

/// What SQLite says that a name is.
pub(super) enum Known {
    Nothing,
    /// A table without anything rare.
    Table(Table),
    Other,
}

impl Waiting {
    /// Everything goes to SQLite at once.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self { shadows: true, ..Self::default() }
    }

    /// Returns the columns of a table that is fully known.
    pub(super) fn columns(&self, table: &str) -> Option<&[String]> {
        self.tables.get(table).map(|table| table.columns.as_slice())
    }

    /// Says whether nothing has this name.
    pub(super) fn is_free(&self, name: &str) -> bool {
        !self.tables.contains_key(name) && !self.indexes.contains_key(name) && !self.met.contains(name)
    }

    /// Says whether an index is known.
    pub(super) fn has_index(&self, index: &str) -> bool {
        self.indexes.contains_key(index)
    }

    /// Says whether a column may go: nothing speaks of it, it is not the last one, and there are no views and triggers.
    pub(super) fn may_lose(&self, table: &str, column: &str) -> bool {
        let free = |table: &Table| {
            !table.there
                && table.columns.len() > 1
                && table.columns.iter().any(|other| other == column)
                && !table.bound.contains(column)
        };
        self.watched.is_empty() && self.tables.get(table).is_some_and(free)
    }

    /// Says whether another name for a known table changes nothing else: SQLite has not heard of it, nothing refers to it,
    /// and there are no views and triggers.
    pub(super) fn may_be_renamed(&self, table: &str) -> bool {
        let refers = |other: &Table| other.parents.iter().any(|parent| parent == table);
        self.watched.is_empty()
            && !self.spoken.contains(table)
            && self.tables.get(table).is_some_and(|known| !known.there && known.may_be_renamed(table))
            && !self.tables.values().any(refers)
    }

    /// Takes a statement, if SQLite certainly does.
    pub(super) fn takes(&mut self, text: &str) -> bool {
        if self.shadows || self.settings || self.keys {
            return false;
        }
        let Some(effect) = certain::read(text, self) else { return false };
        self.follow(text, effect);
        true
    }

    fn follow(&mut self, text: &str, effect: Effect) {
        let step = |index: Option<&String>| Step { text: text.to_owned(), index: index.cloned() };
        match effect {
            Effect::None => {}
            Effect::Keys => self.keys = true,
            Effect::Table { name, columns, bound, parents, counts } => {
                self.counted |= counts;
                let (bound, steps) = (bound.into_iter().collect(), vec![step(None)]);
                self.tables.insert(name, Table { columns, bound, parents, steps, ..Table::default() });
            }
            Effect::Column { table, column, parents } => {
                let table = self.tables.entry(table).or_default();
                if !parents.is_empty() {
                    table.bound.insert(column.clone());
                }
                table.columns.push(column);
                table.parents.extend(parents);
                table.steps.push(step(None));
            }
            Effect::NoColumn { table, column } => {
                let table = self.tables.entry(table).or_default();
                table.columns.retain(|other| *other != column);
                table.steps.push(step(None));
            }
            Effect::Index { table, name, columns } => {
                self.indexes.insert(name.clone(), table.clone());
                let table = self.tables.entry(table).or_default();
                table.steps.push(step(Some(&name)));
                table.indexes.push(name);
                table.bound.extend(columns);
            }
            Effect::NoTable { name } => {
                let table = self.tables.remove(&name).unwrap_or_default();
                for index in table.indexes {
                    self.indexes.remove(&index);
                }
                if table.there {
                    self.going.push(format!("DROP TABLE \"{name}\""));
                }
            }
            Effect::NoIndex { name } => {
                let table = self.tables.entry(self.indexes.remove(&name).unwrap_or_default()).or_default();
                table.indexes.retain(|index| *index != name);
                let before = table.steps.len();
                table.steps.retain(|step| step.index.as_ref() != Some(&name));
                if table.steps.len() == before {
                    self.going.push(format!("DROP INDEX \"{name}\""));
                }
            }
            Effect::Renamed { table, name, written } => {
                let mut moved = self.tables.remove(&table).unwrap_or_default();
                moved.rename(&table, &written);
                for index in &moved.indexes {
                    self.indexes.insert(index.clone(), name.clone());
                }
                self.tables.insert(name, moved);
            }
        }
    }

    /// Returns what SQLite must know before it can judge a statement; `changes` says whether it will carry it out.
    pub(super) fn before(&mut self, text: &str, changes: bool) -> Before {
        let beginning = if changes { beginning(text) } else { Vec::new() };
        let is = |at: usize, words: &[&str]| beginning.get(at).is_some_and(|word| words.contains(&word.as_str()));
        self.shadows |= is(1, &["virtual"]);
        let keys = std::mem::take(&mut self.keys);
        self.settings |= keys || is(0, &["pragma"]);
        let mut all = self.shadows || self.settings;
        let mut named = BTreeSet::new();
        let mut met = Vec::new();
        // A table or index that is made leaves the tables that it names as they are.
        let temporary = is(1, &["temp", "temporary"]);
        let makes = is(0, &["create"]) && (is(1, &["table", "index", "unique"]) || temporary && is(2, &["table"]));
        self.temporary |= temporary || beginning.iter().any(|word| word == "temp");
        each_name(text, |name| {
            all |= name.starts_with("sqlite_");
            let owner = self.indexes.get(name).map_or(name, String::as_str);
            if self.tables.contains_key(owner) && !named.contains(owner) {
                named.insert(owner.to_owned());
            }
            if changes {
                if !self.spoken.contains(name) {
                    self.spoken.insert(name.to_owned());
                }
                if !makes {
                    met.push(name.to_owned());
                }
            }
        });
        if is(0, &["alter"]) {
            let changed = |table: &Table| table.parents.iter().any(|parent| beginning.contains(parent));
            named.extend(self.tables.iter().filter(|(_, table)| changed(table)).map(|(name, _)| name.clone()));
        }
        let mut told = std::mem::take(&mut self.going);
        if all {
            named = self.tables.keys().cloned().collect();
            let sequence = ["CREATE TABLE \"(\" (n INTEGER PRIMARY KEY AUTOINCREMENT)", "DROP TABLE \"(\""];
            let made = std::mem::take(&mut self.counted);
            told.extend(sequence.iter().filter(|_| made).map(|text| (*text).to_owned()));
        }
        for name in &named {
            told.extend(self.tables.get_mut(name).map(Table::tell).unwrap_or_default());
        }
        if keys {
            told.push("PRAGMA foreign_keys = ON".to_owned());
        }
        let watches = temporary || is(0, &["create"]) && !makes;
        Before { waited: told, met: if makes { beginning } else { met }, watches }
    }

    /// SQLite carried a statement out: asks it what the names in it are now.
    pub(super) fn after(&mut self, before: &Before, ask: impl Fn(&str) -> Known) {
        for name in before.met.iter().flat_map(|name| self.forget(name)).collect::<Vec<_>>() {
            if before.watches {
                self.watched.insert(name);
                continue;
            }
            if self.shadows || self.settings || self.watched.contains(&name) || certain::is_keyword(&name) {
                continue;
            }
            match ask(&name) {
                Known::Nothing => {
                    self.met.remove(&name);
                }
                Known::Table(table) => {
                    for index in &table.indexes {
                        self.met.remove(index);
                        self.indexes.insert(index.clone(), name.clone());
                    }
                    self.met.remove(&name);
                    self.tables.insert(name, table);
                }
                Known::Other => {}
            }
        }
    }

    /// From here on only SQLite knows what this is. Returns all names of which that is so now.
    fn forget(&mut self, name: &str) -> Vec<String> {
        let table = self.indexes.get(name).map_or(name, String::as_str).to_owned();
        let mut names = self.tables.remove(&table).unwrap_or_default().indexes;
        for index in &names {
            self.indexes.remove(index);
        }
        names.push(table);
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
        self.met.extend(names.iter().cloned());
        names
    }

    /// A file ends; says whether it leaves settings, or something temporary.
    pub(super) fn end_file(&mut self) -> (bool, bool) {
        self.keys = false;
        (std::mem::take(&mut self.settings), std::mem::take(&mut self.temporary))
    }
}

impl Table {
    /// One that SQLite has, with nothing in it so far.
    pub(super) fn of_sqlite() -> Self {
        Self { there: true, ..Self::default() }
    }

    fn tell(&mut self) -> Vec<String> {
        self.there = true;
        self.steps.drain(..).map(|step| step.text).collect()
    }

    /// Says whether each statement names the table once, and nothing else has its name.
    fn may_be_renamed(&self, table: &str) -> bool {
        self.steps.iter().all(|step| places(&step.text, table).len() == 1)
            && !self.columns.iter().chain(&self.indexes).any(|name| name == table)
    }

    /// Writes another name into what waits, in quotes, as SQLite does.
    fn rename(&mut self, table: &str, name: &str) {
        for step in &mut self.steps {
            for span in places(&step.text, table).iter().rev() {
                step.text.replace_range(span.start..span.end, &format!("\"{name}\""));
            }
        }
    }
}

/// Where a statement has this name, in lower case.
fn places(text: &str, name: &str) -> Vec<Span> {
    let names = |kind| matches!(kind, TokenKind::Word | TokenKind::QuotedName);
    let tokens = Lexer::new(text, Dialect::Sqlite).filter(|token| names(token.kind)).map(|token| token.span);
    tokens.filter(|span| plain(span.of(text)).eq_ignore_ascii_case(name)).collect()
}

/// Everything in a statement that may be the name of something known, in lower case.
fn each_name(text: &str, mut see: impl FnMut(&str)) {
    let name = |kind| matches!(kind, TokenKind::Word | TokenKind::QuotedName | TokenKind::Text);
    let mut lower = String::new();
    for token in Lexer::new(text, Dialect::Sqlite) {
        let shown = token.span.of(text);
        if name(token.kind) && shown.len() <= certain::LONGEST_NAME + 2 {
            lower.clear();
            lower.push_str(plain(shown));
            lower.make_ascii_lowercase();
            see(&lower);
        }
    }
}

/// What stands before the parenthesis, ON or AS of a statement, in lower case: what it makes.
fn beginning(text: &str) -> Vec<String> {
    let tokens = Lexer::new(text, Dialect::Sqlite).filter(|token| token.kind.is_significant());
    let words = tokens.map(|token| token.span.of(text).to_ascii_lowercase());
    let words = words.take_while(|word| !["(", "on", "as"].contains(&word.as_str()));
    words.map(|word| plain(&word).to_owned()).collect()
}

fn plain(name: &str) -> &str {
    name.trim_matches(['"', '`', '[', ']', '\''])
}
