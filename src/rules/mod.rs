//! The rules: what is looked for, family by family.
//!
//! A family is one file: the static data of its rules and the plain functions that look for them. [`FAMILIES`] is the
//! only list; severities in configuration, `explain RULE` and the documentation derive from it.

pub mod analysis;
pub mod bytes;
pub mod columns;
pub mod compatibility;
pub mod config;
pub mod constraint_locks;
pub mod conventions;
pub mod databases;
mod demands;
pub mod destructive;
mod expressions;
pub mod index_locks;
pub mod key_locks;
pub mod mysql;
pub mod mysql_defaults;
pub mod naming;
pub mod order;
pub mod outline;
pub mod preferences;
pub mod push;
pub mod quality;
mod rebuilds;
pub mod redundancy;
pub mod references;
pub mod released;
pub mod running;
pub mod same_transaction;
pub mod scene;
pub mod session;
pub mod sqlite_tables;
pub mod statements;
pub mod suppression;
pub mod syntax;
pub mod version_comments;

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::catalogue::Catalogue;
use crate::config::Dialect;
use crate::config::conventions::Conventions;
use crate::config::flavour::Flavour;
use crate::finding::{Finding, Rule};
use crate::migration::Kind;
use crate::rules::scene::Scene;
use crate::sql::split::Statement;
use crate::sql::verdict::Bench;

/// What a family looks at.
pub enum Looks {
    /// The raw bytes of one file.
    AtBytes(fn(&File<'_>) -> Vec<Finding>),
    /// One file as text, split into statements.
    AtScript(fn(&Script<'_>, &mut Tally) -> Vec<Finding>),
    /// One statement after the other, with what it does and the schema that it meets.
    AtStatement(fn(&Scene<'_>) -> Vec<Finding>),
    /// A file as a whole, with what its statements do and the schema that they leave.
    AtEnd(fn(&Scene<'_>) -> Vec<Finding>),
    /// Paths, changes or configuration: called where these are known.
    Elsewhere,
}

impl Looks {
    /// Says whether it is part of the review: of what statements do.
    pub fn reviews(&self) -> bool {
        matches!(self, Self::AtStatement(_) | Self::AtEnd(_))
    }
}

/// Rules that belong together.
pub struct Family {
    /// Their static data.
    pub rules: &'static [&'static Rule],
    /// The function that looks for them in a file, if they are about files.
    pub looks: Looks,
}

/// All families, in the order in which they look.
pub static FAMILIES: &[Family] = &[
    config::FAMILY,
    push::FAMILY,
    naming::FAMILY,
    released::FAMILY,
    order::FAMILY,
    bytes::FAMILY,
    syntax::FAMILY,
    version_comments::FAMILY,
    session::FAMILY,
    analysis::FAMILY,
    statements::FAMILY,
    destructive::FAMILY,
    index_locks::FAMILY,
    constraint_locks::FAMILY,
    columns::FAMILY,
    mysql::FAMILY,
    mysql::FILES,
    mysql_defaults::FAMILY,
    sqlite_tables::FAMILY,
    compatibility::FAMILY,
    quality::FAMILY,
    quality::FILES,
    running::FAMILY,
    running::FILES,
    databases::FAMILY,
    references::FAMILY,
    preferences::FAMILY,
    conventions::FAMILY,
    conventions::FILES,
    suppression::FAMILY,
];

/// Returns every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.rules.iter().copied())
}

/// Finds a rule by its name.
pub fn find(name: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.name == name)
}

/// A file that is to be judged.
pub struct File<'f> {
    /// Its path as shown; findings carry it.
    pub name: &'f str,
    /// Its bytes.
    pub bytes: &'f [u8],
}

/// A file whose bytes are fit to be read as SQL.
pub struct Script<'f> {
    /// Its path as shown; findings carry it.
    pub name: &'f str,
    /// Its text, with a leading byte order mark still in it.
    pub text: &'f str,
    /// What its path says it holds.
    pub kind: Kind,
    /// The database that its path names.
    pub database: Option<&'f str>,
    /// By whom it is judged; `None` when the database is unknown.
    pub bench: Option<Bench<'f>>,
    /// Its statements.
    pub statements: &'f [Statement],
    /// The schema that the migrations before it make, where they were followed.
    pub known: Option<&'f RefCell<Catalogue>>,
    /// Whether it has run nowhere yet.
    pub pending: bool,
    /// What its project has agreed on.
    pub conventions: &'f Conventions,
    /// Says whether anybody is to hear of a rule: it is not off.
    pub wanted: &'f dyn Fn(&'static Rule) -> bool,
    /// Says whether the time for this file is up.
    pub late: &'f dyn Fn() -> bool,
}

impl Script<'_> {
    /// Returns by whom the file is read; PostgreSQL where that is unknown.
    pub fn flavour(&self) -> Flavour {
        self.bench.map_or_else(|| Dialect::Postgres.into(), |bench| bench.flavour)
    }
}

/// What was counted on the way.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Where the statements begin that are not well formed or were not judged.
    pub refused: BTreeSet<usize>,
    /// Statements that were not decided, or whose meaning is not known to the rules.
    pub not_analysed: usize,
}

/// Looks at a file's bytes with every family that does.
pub fn look_at_bytes(file: &File<'_>) -> Vec<Finding> {
    let looks = FAMILIES.iter().filter_map(|family| match family.looks {
        Looks::AtBytes(look) => Some(look),
        _ => None,
    });
    looks.flat_map(|look| look(file)).collect()
}

/// Looks at a script with every family that does.
pub fn look_at_script(script: &Script<'_>, tally: &mut Tally) -> Vec<Finding> {
    let looks = FAMILIES.iter().filter_map(|family| match family.looks {
        Looks::AtScript(look) => Some(look),
        _ => None,
    });
    let mut findings: Vec<Finding> = looks.flat_map(|look| look(script, tally)).collect();
    findings.extend(scene::review(script, tally));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let mut names: Vec<&str> = all().map(|rule| rule.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for rule in all() {
            assert!(
                rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{}",
                rule.name
            );
            assert!(rule.summary.ends_with('.') && rule.explanation.ends_with('.'), "{}", rule.name);
        }
    }
}
