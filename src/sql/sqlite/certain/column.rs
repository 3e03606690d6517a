//! Definitions of columns and constraints that SQLite surely takes.
//!
//! Knows what `CREATE TABLE` and `ALTER TABLE … ADD COLUMN` say of a column
//! (<https://www.sqlite.org/lang_createtable.html>). Generated columns, conflict clauses and everything rare is left to
//! SQLite.

use crate::sql::lex::TokenKind;

use super::expression::{Columns, Scope, collation, expression, has};
use super::reader::Reader;

/// More columns than this are left to SQLite, which allows 2,000.
pub(super) const MOST_COLUMNS: usize = 500;

/// A table while its definition is read.
pub(super) struct Definition<'t> {
    pub(super) name: &'t str,
    /// In lower case.
    pub(super) columns: Vec<String>,
    /// Names in checks, in lower case: they must be columns in the end.
    noted: Vec<String>,
    /// Own columns in keys and checks, in lower case: they cannot go.
    pub(super) bound: Vec<String>,
    primary: bool,
    /// The tables that it refers to, in lower case.
    pub(super) parents: Vec<String>,
    /// Whether a column counts and never gives a number twice (AUTOINCREMENT).
    pub(super) counts: bool,
}

/// What was said of one column.
#[derive(Default)]
pub(super) struct Said {
    /// It is a key of its own, or checks something.
    pub(super) more_than_values: bool,
    pub(super) not_null: bool,
    /// It has a default, and that is a plain value other than NULL.
    pub(super) plain_default: bool,
    /// It has a default that is computed.
    pub(super) computed: bool,
    pub(super) refers: bool,
}

impl<'t> Definition<'t> {
    pub(super) fn of(name: &'t str) -> Self {
        Self {
            name,
            columns: Vec::new(),
            noted: Vec::new(),
            bound: Vec::new(),
            primary: false,
            parents: Vec::new(),
            counts: false,
        }
    }

    /// Reads everything between the parentheses, the closing one too.
    pub(super) fn body(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut constrained = false;
        loop {
            if begins_constraint(reader) {
                constrained = true;
                self.constraint(reader)?;
            } else if constrained || self.columns.len() == MOST_COLUMNS {
                return None;
            } else {
                self.column(reader)?;
            }
            if !reader.symbol(",") {
                break;
            }
        }
        reader.need(")")?;
        self.bound.extend_from_slice(&self.noted);
        let columns = &self.columns;
        (!columns.is_empty() && self.noted.iter().all(|name| has(columns, name))).then_some(())
    }

    /// Reads the definition of one column.
    pub(super) fn column(&mut self, reader: &mut Reader<'_>) -> Option<Said> {
        let name = reader.name()?;
        if has(&self.columns, name) {
            return None;
        }
        self.columns.push(name.to_ascii_lowercase());
        let integer = kind(reader)?;
        let mut said = Said::default();
        while matches!(reader.present(), (Some(TokenKind::Word), _)) {
            if reader.word("CONSTRAINT") {
                reader.name()?;
            }
            self.of_column(reader, integer, &mut said)?;
        }
        if said.more_than_values || said.refers {
            self.bound.push(name.to_ascii_lowercase());
        }
        Some(said)
    }

    fn of_column(&mut self, reader: &mut Reader<'_>, integer: bool, said: &mut Said) -> Option<()> {
        if reader.word("NOT") {
            reader.need_word("NULL")?;
            said.not_null = true;
        } else if reader.word("DEFAULT") {
            default(reader, said)?;
        } else if reader.word("PRIMARY") {
            reader.need_word("KEY")?;
            self.sole_primary()?;
            said.more_than_values = true;
            let descending = reader.word("DESC");
            let _ = descending || reader.word("ASC");
            if reader.word("AUTOINCREMENT") {
                self.counts = true;
                return (integer && !descending).then_some(());
            }
        } else if reader.word("UNIQUE") {
            said.more_than_values = true;
        } else if reader.word("COLLATE") {
            collation(reader)?;
        } else if reader.word("CHECK") {
            said.more_than_values = true;
            self.check(reader)?;
        } else if reader.word("REFERENCES") {
            said.refers = true;
            self.reference(reader, 1)?;
        } else {
            reader.need_word("NULL")?;
        }
        Some(())
    }

    fn constraint(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        if reader.word("CONSTRAINT") {
            reader.name()?;
        }
        if reader.word("PRIMARY") {
            reader.need_word("KEY")?;
            self.sole_primary()?;
            self.own(reader).map(|_| ())
        } else if reader.word("UNIQUE") {
            self.own(reader).map(|_| ())
        } else if reader.word("CHECK") {
            self.check(reader)
        } else if reader.word("FOREIGN") {
            reader.need_word("KEY")?;
            let count = self.own(reader)?;
            reader.need_word("REFERENCES")?;
            self.reference(reader, count)
        } else {
            None
        }
    }

    fn check(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        reader.need("(")?;
        let mut scope = Scope { table: self.name, columns: Columns::Noted(Vec::new()), pure: true };
        expression(reader, &mut scope)?;
        if let Columns::Noted(noted) = scope.columns {
            self.noted.extend(noted);
        }
        reader.need(")")
    }

    /// What stands behind REFERENCES: a table, so many columns or none named, and what is done on changes.
    fn reference(&mut self, reader: &mut Reader<'_>, count: usize) -> Option<()> {
        self.parents.push(reader.name()?.to_ascii_lowercase());
        if reader.peek("(") && names(reader)?.len() != count {
            return None;
        }
        while reader.word("ON") {
            if !reader.word("DELETE") {
                reader.need_word("UPDATE")?;
            }
            if reader.word("SET") {
                if !reader.word("NULL") {
                    reader.need_word("DEFAULT")?;
                }
            } else if reader.word("NO") {
                reader.need_word("ACTION")?;
            } else if !reader.word("CASCADE") {
                reader.need_word("RESTRICT")?;
            }
        }
        if reader.word("DEFERRABLE") && reader.word("INITIALLY") && !reader.word("DEFERRED") {
            reader.need_word("IMMEDIATE")?;
        }
        Some(())
    }

    /// A second primary key is an error.
    fn sole_primary(&mut self) -> Option<()> {
        (!std::mem::replace(&mut self.primary, true)).then_some(())
    }

    /// Names of own columns in parentheses, each once; returns their number.
    fn own(&mut self, reader: &mut Reader<'_>) -> Option<usize> {
        let names = names(reader)?;
        let (own, count) = (names.iter().all(|name| has(&self.columns, name)), names.len());
        self.bound.extend(names);
        own.then_some(count)
    }
}

fn begins_constraint(reader: &Reader<'_>) -> bool {
    ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| reader.peek_word(word))
}

/// Names in parentheses, each once, in lower case.
pub(super) fn names(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    reader.need("(")?;
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = reader.name()?;
        if has(&names, name) {
            return None;
        }
        names.push(name.to_ascii_lowercase());
        if !reader.symbol(",") {
            break;
        }
    }
    reader.need(")")?;
    Some(names)
}

/// The type of a column, which may be any words, with lengths; says whether it is `INTEGER`.
fn kind(reader: &mut Reader<'_>) -> Option<bool> {
    let mut words = 0;
    let mut integer = false;
    while let Some(word) = reader.plain_word() {
        integer = words == 0 && word.eq_ignore_ascii_case("INTEGER");
        words += 1;
    }
    if words > 0 && reader.symbol("(") {
        integer = false;
        reader.number()?;
        if reader.symbol(",") {
            reader.number()?;
        }
        reader.need(")")?;
    }
    Some(integer)
}

fn default(reader: &mut Reader<'_>, said: &mut Said) -> Option<()> {
    said.plain_default = false;
    if reader.symbol("(") {
        said.computed = true;
        expression(reader, &mut Scope::values())?;
        return reader.need(")");
    }
    if reader.word("NULL") {
        return Some(());
    }
    let clock = ["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"];
    if clock.iter().any(|word| reader.word(word)) {
        said.computed = true;
        return Some(());
    }
    said.plain_default = true;
    if reader.symbol("-") || reader.symbol("+") {
        return reader.number();
    }
    if reader.word("TRUE") || reader.word("FALSE") {
        return Some(());
    }
    reader.number().or_else(|| reader.string())
}
