//! SQL as text: tokens, statements, what a statement does, and whether its engine accepts it.

pub mod alone;
#[cfg(test)]
pub(crate) mod cases;
pub mod checksum;
pub mod copy;
pub mod directives;
pub mod facts;
pub mod foreign_keys;
pub mod lex;
pub mod mysql;
pub mod parse;
pub mod postgres;
pub mod remedies;
pub mod settings;
pub mod split;
#[cfg(test)]
mod split_tests;
pub mod sqlite;
pub mod verdict;
pub mod version_comments;
