//! SQL as text: tokens, statements, what a statement does, and whether it is well formed.

pub mod facts;
pub mod gaps;
pub mod lex;
pub mod parse;
pub mod split;
pub mod verdict;
