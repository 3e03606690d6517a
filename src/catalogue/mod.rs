//! The schema that migrations make, known without any database.
//!
//! Facts of statements go in, in the order in which they run; out comes which tables, columns, indexes and constraints
//! are there. What could not be read leaves a doubt: of a table, or of all, and who asks is told that it is not known.
//! Refuses to judge, and never guesses what a database holds that no migration made.

mod change;
mod follow;
mod table;

pub use table::{Known, Unique};

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::facts::{Index, Name};

/// The schema of one database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalogue {
    tables: BTreeMap<String, Known>,
    /// Tables that end with the session of the present file: they hide those of the same name.
    #[serde(skip)]
    temporary: BTreeMap<String, Known>,
    /// Those of them that a routine makes for itself.
    #[serde(skip)]
    scratch: Vec<String>,
    /// The name of the database where names may begin with it (MySQL and MariaDB).
    #[serde(skip)]
    own: Option<String>,
    /// The schema in which the present file looks first.
    #[serde(skip)]
    path: Option<String>,
    /// What was unique when the present file took an index or constraint away: tables by key, and columns.
    #[serde(skip)]
    was_unique: Vec<(String, Vec<String>)>,
    /// Tables that were there and are no more.
    gone: BTreeSet<String>,
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
        self.temporary.clear();
        self.scratch.clear();
        self.was_unique.clear();
        self.path = None;
        if pending {
            self.pending.insert(self.file);
        }
    }

    /// Says by which name the database may be called in its own files.
    pub fn belongs_to(&mut self, database: Option<&str>) {
        self.own = database.map(str::to_owned);
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
        self.temporary(name).or_else(|| self.tables.get(&self.key(name)))
    }

    fn temporary(&self, name: &Name) -> Option<&Known> {
        let plain = name.schema.as_deref().is_none_or(|schema| is_temporary(schema) || self.is_own(schema));
        self.temporary.get(&name.name).filter(|_| plain)
    }

    /// The key of a lasting table, in the schema in which the file looks first.
    fn key(&self, name: &Name) -> String {
        if name.schema.as_deref().is_some_and(|schema| self.is_own(schema)) {
            return name.name.clone();
        }
        let sought = self.path.as_ref().filter(|_| name.schema.is_none());
        let there = sought.map(|schema| format!("{schema}.{}", name.name));
        there.filter(|key| self.tables.contains_key(key)).unwrap_or_else(|| name.key())
    }

    fn is_own(&self, schema: &str) -> bool {
        self.own.as_deref() == Some(schema)
    }

    fn table_mut(&mut self, name: &Name) -> Option<&mut Known> {
        if self.temporary(name).is_some() {
            return self.temporary.get_mut(&name.name);
        }
        let key = self.key(name);
        self.tables.get_mut(&key)
    }

    /// Takes a table out.
    fn take(&mut self, name: &Name) -> Option<Known> {
        if self.temporary(name).is_some() {
            return self.temporary.remove(&name.name);
        }
        let key = self.key(name);
        let table = self.tables.remove(&key)?;
        self.gone.insert(key);
        Some(table)
    }

    /// Says whether a migration has dropped or renamed a table of that name, and none has made it again.
    pub fn is_gone(&self, name: &Name) -> bool {
        self.gone.contains(&self.key(name)) && self.table(name).is_none()
    }

    /// Puts a table in, where its name says.
    fn put(&mut self, name: &Name, table: Known) {
        if table.temporary {
            self.temporary.insert(name.name.clone(), table);
            return;
        }
        let key = match (&self.path, &name.schema) {
            (Some(schema), None) => format!("{schema}.{}", name.name),
            (_, Some(schema)) if self.is_own(schema) => name.name.clone(),
            _ => name.key(),
        };
        self.gone.remove(&key);
        self.tables.insert(key, table);
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

    /// Says whether some of these columns were unique until the present file took away what demanded it.
    pub fn was_unique(&self, table: &Name, columns: &[&str]) -> bool {
        let key = self.key(table);
        self.was_unique.iter().any(|(of, list)| *of == key && list.iter().all(|one| columns.contains(&one.as_str())))
    }

    /// Notes what is unique in a table, before something of it goes.
    fn note_unique(&mut self, key: &str) {
        let Some(table) = self.tables.get(key) else { return };
        let lists = table.uniques().into_iter();
        let owned = lists.map(|unique| unique.columns.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let noted: Vec<_> = owned.map(|columns| (key.to_owned(), columns)).collect();
        self.was_unique.extend(noted);
    }

    /// Finds an index by its name, with the table that it is on.
    pub fn index(&self, name: &Name) -> Option<(&Known, &Index, u32)> {
        self.temporary.values().chain(self.tables.values()).find_map(|table| {
            let found = table.indexes.iter().zip(&table.index_born);
            let same = |index: &Rc<Index>| index.name.as_ref().is_some_and(|other| other.name == name.name);
            found.into_iter().find(|(index, _)| same(index)).map(|(index, born)| (table, index.as_ref(), *born))
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

/// Says whether a schema is that of tables that end with their session.
fn is_temporary(schema: &str) -> bool {
    schema == "pg_temp" || schema == "temp"
}

#[cfg(test)]
mod tests;
