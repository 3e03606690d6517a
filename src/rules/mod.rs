//! The rules: what is looked for, family by family.
//!
//! A family is one file: the static data of its rules and the plain functions that look for them. [`FAMILIES`] is the
//! only list; severities in configuration, `explain RULE` and the documentation derive from it.

pub mod bytes;
pub mod config;
pub mod naming;
pub mod order;
pub mod push;
pub mod released;
pub mod statements;
pub mod syntax;

use crate::config::Dialect;
use crate::finding::{Finding, Rule};
use crate::migration::Kind;
use crate::sql::split::Statement;

/// What a family looks at.
pub enum Looks {
    /// The raw bytes of one file.
    AtBytes(fn(&File<'_>) -> Vec<Finding>),
    /// One file as text, split into statements.
    AtScript(fn(&Script<'_>, &mut Tally) -> Vec<Finding>),
    /// Paths, changes or configuration: called where these are known.
    Elsewhere,
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
    statements::FAMILY,
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
    /// The database product it is for; `None` when the database is unknown.
    pub dialect: Option<Dialect>,
    /// Its statements.
    pub statements: &'f [Statement],
}

/// What was counted on the way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Statements whose grammar was not decided.
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
    looks.flat_map(|look| look(script, tally)).collect()
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
