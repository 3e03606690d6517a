//! The schema that migrations make, known without any database.
//!
//! Facts of statements go in, in the order in which they run; out comes which tables, columns, indexes and constraints
//! are there. What could not be read leaves a doubt: of a table, or of all, and who asks is told that it is not known.
//! Refuses to judge, and never guesses what a database holds that no migration made.

mod follow;
mod table;

pub use table::{Known, Unique};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::facts::{Index, Name};

/// The schema of one database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalogue {
    tables: BTreeMap<String, Known>,
    /// Views, with the tables that each reads.
    views: BTreeMap<String, Vec<String>>,
    /// Enums with their values; domains with a condition have none.
    types: BTreeMap<String, Vec<String>>,
    /// Why not all is known, once that is so.
    doubt: Option<String>,
    /// The number of the present file.
    file: u32,
    /// The files that have run nowhere yet.
    #[serde(skip)]
    pending: BTreeSet<u32>,
}

impl Catalogue {
    /// Starts a file; `pending` says whether it has run nowhere yet.
    pub fn begin(&mut self, pending: bool) {
        self.file += 1;
        if pending {
            self.pending.insert(self.file);
        }
    }

    /// Says that a file that was followed, by its number from 0, has run nowhere yet.
    pub fn has_not_run(&mut self, number: usize) {
        self.pending.extend(u32::try_from(number + 1));
    }

    /// From here on not all is known.
    pub fn lose_track(&mut self, why: impl Into<String>) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// Says why not all is known.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// Returns a table that migrations made.
    pub fn table(&self, name: &Name) -> Option<&Known> {
        self.tables.get(&name.key())
    }

    /// Says whether a table has no rows that anybody could miss or wait for: it is made in this file, or by one that has
    /// run nowhere.
    pub fn is_new(&self, name: &Name) -> bool {
        self.table(name).is_some_and(|table| self.is_new_table(table))
    }

    /// The same of a table that was found.
    pub fn is_new_table(&self, table: &Known) -> bool {
        table.temporary || table.born == self.file || self.pending.contains(&table.born)
    }

    /// Says whether something was made in this file or by one that has run nowhere.
    pub fn is_new_since(&self, born: u32) -> bool {
        born == self.file || self.pending.contains(&born)
    }

    /// Finds an index by its name, with the table that it is on.
    pub fn index(&self, name: &Name) -> Option<(&Known, &Index, u32)> {
        self.tables.values().find_map(|table| {
            let found = table.indexes.iter().zip(&table.index_born);
            let same = |index: &Index| index.name.as_ref().is_some_and(|other| other.name == name.name);
            found.into_iter().find(|(index, _)| same(index)).map(|(index, born)| (table, index, *born))
        })
    }

    /// Returns all tables with their names.
    pub fn tables(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.tables.iter()
    }

    /// Returns the views that read a table.
    pub fn views_of<'c>(&'c self, table: &'c str) -> impl Iterator<Item = &'c str> {
        self.views
            .iter()
            .filter(move |(_, reads)| reads.iter().any(|read| read == table))
            .map(|(name, _)| name.as_str())
    }

    /// Says whether a type is a domain with a condition.
    pub fn is_checked_domain(&self, name: &str) -> bool {
        self.types.get(name).is_some_and(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests;
