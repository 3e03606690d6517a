//! `PRAGMA foreign_keys` of SQLite, which does nothing inside of a transaction (its documentation, "PRAGMA foreign_keys").
//!
//! At the head of a file it is made before the transaction of the file begins. Refuses to know other pragmas.

use crate::config::Dialect;
use crate::sql::lex::Lexer;
use crate::text::{begins, holds};

/// What a file says of foreign keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForeignKeys {
    /// Whether they are enforced in it, if pragmas at its head say so.
    pub enforced: Option<bool>,
    /// The statement (from 0) that would change that for those behind it, and cannot.
    pub in_vain: Option<usize>,
}

/// Reads the statements of a file.
pub fn foreign_keys<'t>(statements: impl Iterator<Item = &'t str>) -> ForeignKeys {
    let mut found = ForeignKeys::default();
    let (mut head, mut changed) = (true, None);
    for (number, text) in statements.enumerate() {
        let pragma = begins(text, "pragma");
        head &= pragma;
        match value(text) {
            Some(on) if head => found.enforced = Some(on),
            // Without a word they are not enforced, as in the shell.
            Some(on) => changed = (on != found.enforced.unwrap_or(false)).then_some(number),
            None if !pragma && changed.is_some() => {
                found.in_vain = changed;
                return found;
            }
            None => {}
        }
    }
    found
}

/// The value that a statement gives the pragma, if it does.
fn value(text: &str) -> Option<bool> {
    if !begins(text, "pragma") || !holds(text, "foreign_keys") {
        return None;
    }
    let tokens: Vec<&str> = Lexer::new(text, Dialect::Sqlite)
        .filter(|token| token.kind.is_significant())
        .map(|token| token.span.of(text).trim_matches(['"', '\'', '`', '[', ']']))
        .collect();
    let rest = match tokens.as_slice() {
        [_, _, ".", rest @ ..] | [_, rest @ ..] => rest,
        [] => return None,
    };
    let [name, "=" | "(", value, ..] = rest else { return None };
    let on = ["on", "yes", "true", "1"].iter().any(|word| value.eq_ignore_ascii_case(word));
    name.eq_ignore_ascii_case("foreign_keys").then_some(on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_file_says_whether_references_are_enforced() {
        let read = |text: &str| foreign_keys(text.split("; "));
        let says = |enforced, in_vain| ForeignKeys { enforced, in_vain };
        assert_eq!(read("PRAGMA foreign_keys = ON; DELETE FROM p"), says(Some(true), None));
        assert_eq!(read("pragma main.\"foreign_keys\"(yes); DELETE FROM p"), says(Some(true), None));
        assert_eq!(read("PRAGMA foreign_keys=OFF; DROP TABLE p; PRAGMA foreign_keys=ON"), says(Some(false), None));
        assert_eq!(read("CREATE TABLE p; PRAGMA foreign_keys=OFF; DROP TABLE p"), says(None, None));
        assert_eq!(read("CREATE TABLE p; PRAGMA foreign_keys=ON; DROP TABLE p"), says(None, Some(1)));
        assert_eq!(
            read("PRAGMA foreign_keys=1; DROP TABLE p; PRAGMA foreign_keys=0; DROP TABLE c"),
            says(Some(true), Some(2))
        );
        assert_eq!(
            read("PRAGMA foreign_keys; PRAGMA foreign_key_check; SELECT 'PRAGMA foreign_keys = 1'"),
            says(None, None)
        );
    }
}
