//! A table as it is known.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::facts::{Column, Constraint, Demand, Ident, Index, Name, Reference};

/// A table that migrations made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Its columns, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Rc<Column>>,
    /// Its constraints, those of columns not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Its indexes, those of constraints not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Rc<Index>>,
    /// The files that made these indexes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub index_born: Vec<u32>,
    /// The file that made it; 0 for none that is known.
    pub born: u32,
    /// The files that added columns to it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub column_born: Vec<(String, u32)>,
    /// Whether all of its columns are known.
    #[serde(skip_serializing_if = "crate::facts::is_false")]
    pub whole: bool,
    /// Whether it ends with its session.
    #[serde(skip_serializing_if = "crate::facts::is_false")]
    pub temporary: bool,
    /// Whether it is parted.
    #[serde(skip_serializing_if = "crate::facts::is_false")]
    pub partitioned: bool,
    /// Whether it is a part of another.
    #[serde(skip_serializing_if = "crate::facts::is_false")]
    pub part: bool,
    /// Its character set, in lower case (MySQL and MariaDB).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// Its collation, in lower case (MySQL and MariaDB).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
}

/// Columns of which no two rows hold the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique<'k> {
    /// The columns.
    pub columns: Vec<&'k str>,
    /// Whether they are the primary key.
    pub primary: bool,
}

fn names(idents: &[Ident]) -> Vec<&str> {
    idents.iter().map(|ident| ident.name.as_str()).collect()
}

impl Known {
    /// Says whether a migration made it.
    pub fn is_made(&self) -> bool {
        self.born > 0
    }

    /// Returns a column.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().map(Rc::as_ref).find(|column| column.name.name == name)
    }

    /// Returns the file that added a column, or made the table.
    pub fn column_born(&self, name: &str) -> u32 {
        self.column_born.iter().rev().find(|(column, _)| column == name).map_or(self.born, |(_, born)| *born)
    }

    /// Returns all sets of columns that are unique.
    pub fn uniques(&self) -> Vec<Unique<'_>> {
        let columns = self.columns.iter().filter(|column| column.primary.is_some());
        let mut uniques: Vec<Unique<'_>> =
            columns.map(|column| Unique { columns: vec![column.name.name.as_str()], primary: true }).collect();
        for constraint in &self.constraints {
            match &constraint.demand {
                Demand::Primary(columns) => uniques.push(Unique { columns: names(columns), primary: true }),
                Demand::Unique(columns) => uniques.push(Unique { columns: names(columns), primary: false }),
                _ => {}
            }
        }
        let indexes = self.indexes.iter().filter(|index| index.unique && !index.partial);
        uniques.extend(indexes.map(|index| Unique { columns: names(&index.columns), primary: false }));
        uniques
    }

    /// Says whether it has a primary key.
    pub fn has_primary(&self) -> bool {
        self.uniques().iter().any(|unique| unique.primary)
    }

    /// Says whether an index begins with these columns, in any order.
    pub fn is_indexed(&self, columns: &[&str]) -> bool {
        let begins = |list: &[&str]| {
            list.len() >= columns.len() && columns.iter().all(|column| list[..columns.len()].contains(column))
        };
        self.uniques().iter().any(|unique| begins(&unique.columns))
            || self
                .indexes
                .iter()
                .any(|index| index.method.is_none() && !index.partial && begins(&names(&index.columns)))
    }

    /// Returns the foreign keys: their columns and what they refer to.
    pub fn foreign_keys(&self) -> Vec<(Vec<&str>, &Reference)> {
        let found = self.constraints.iter().filter_map(|constraint| match &constraint.demand {
            Demand::Foreign(columns, reference) => Some((names(columns), reference)),
            _ => None,
        });
        found.collect()
    }

    /// Returns the indexes, constraints and keys that use a column, as people call them.
    pub fn uses_of(&self, column: &str) -> Vec<String> {
        let mut uses = Vec::new();
        let named = |what: &str, name: Option<&str>| match name {
            Some(name) => format!("{what} `{name}`"),
            None => format!("a {what}"),
        };
        for index in self.indexes.iter().filter(|index| names(&index.columns).contains(&column)) {
            uses.push(named("index", index.name.as_ref().map(|name| name.name.as_str())));
        }
        for constraint in &self.constraints {
            let (what, columns) = match &constraint.demand {
                Demand::Primary(columns) => ("primary key", names(columns)),
                Demand::Unique(columns) => ("unique constraint", names(columns)),
                Demand::Foreign(columns, _) => ("foreign key", names(columns)),
                Demand::NotNull(_) | Demand::Exclude | Demand::Check(_) => continue,
            };
            if columns.contains(&column) {
                uses.push(named(what, constraint.name.as_ref().map(|name| name.name.as_str())));
            }
        }
        uses
    }

    /// Says whether a column refuses null by itself: NOT NULL, or as part of the primary key of an engine where that is so.
    pub fn refuses_null(&self, column: &str) -> bool {
        self.column(column).is_some_and(|column| column.not_null.is_some() || column.primary.is_some() || column.in_key)
    }

    /// Says whether a condition that is in force says that a column is not null.
    pub fn is_checked_not_null(&self, column: &str) -> bool {
        self.constraints.iter().filter(|constraint| !constraint.not_valid).any(|constraint| match &constraint.demand {
            Demand::Check(text) => is_not_null_check(&text.text, column),
            Demand::NotNull(name) => name.name == column,
            _ => false,
        })
    }

    /// Says whether a constraint demands no more than a column demands itself: that it is not null.
    pub fn is_proof_of_not_null(&self, constraint: &str) -> bool {
        let Some(Demand::Check(text)) = self.constraint(constraint).map(|constraint| &constraint.demand) else {
            return false;
        };
        if text.text.to_lowercase().contains(" and ") {
            return false;
        }
        let mut demanded = self.columns.iter().filter(|column| column.not_null.is_some());
        demanded.any(|column| is_not_null_check(&text.text, &column.name.name))
    }

    /// Finds a constraint by its name.
    pub fn constraint(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|constraint| constraint.name.as_ref().is_some_and(|own| own.name == name))
    }
}

/// Says whether a condition holds only where a column is not null: it is `column IS NOT NULL`, alone or behind AND.
pub(crate) fn is_not_null_check(condition: &str, column: &str) -> bool {
    let words: Vec<String> = condition
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | '"' | '`'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.iter().any(|word| word == "or" || word == "not" && words.iter().any(|other| other == "between")) {
        return false;
    }
    words.split(|word| word == "and").any(|part| part == [column.to_lowercase().as_str(), "is", "not", "null"])
}

/// The same table by another name in what refers to it.
pub(super) fn renamed(reference: &mut Reference, old: &Name, new: &Name) {
    if reference.table.key() == old.key() {
        reference.table.name.clone_from(&new.name);
    }
}
