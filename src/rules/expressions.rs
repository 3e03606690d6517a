//! What an expression comes to, as far as its words tell.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::config::Dialect;
use crate::sql::lex::{Lexer, TokenKind};

/// Whether an expression gives every row the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Volatility {
    /// Within one statement it does.
    Constant,
    /// It does not: by this function.
    Volatile(String),
    /// It calls a function that is not known here.
    Unknown(String),
}

/// The functions of PostgreSQL, a name a line, in the order of their bytes; ` v` behind those that differ from call to
/// call.
const FUNCTIONS: &str = include_str!("functions_of_postgres.txt");

/// Says whether a function of PostgreSQL differs from call to call; `None` for what is none of its own.
fn is_volatile(function: &str) -> Option<bool> {
    static NAMES: LazyLock<HashMap<&'static str, bool>> = LazyLock::new(|| {
        let lines = FUNCTIONS.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.strip_suffix(" v").map_or((line, false), |name| (name, true))).collect()
    });
    NAMES.get(function).copied()
}

/// Words that stand before a parenthesis and call nothing: types with a length, and syntax.
const NO_CALLS: [&str; 20] = [
    "cast",
    "exists",
    "numeric",
    "decimal",
    "varchar",
    "char",
    "character",
    "varying",
    "bit",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "precision",
    "in",
    "and",
    "or",
    "not",
    "any",
    "all",
];

/// Says whether an expression of PostgreSQL gives every row the same.
pub(super) fn volatility(expression: &str) -> Volatility {
    let mut unknown = None;
    let tokens: Vec<(TokenKind, &str)> = Lexer::new(expression, Dialect::Postgres)
        .filter(|token| token.kind.is_significant())
        .map(|token| (token.kind, token.span.of(expression)))
        .collect();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [(kind, name), (_, "(")] = *pair else { continue };
        let name = match kind {
            TokenKind::Word => name.to_lowercase(),
            TokenKind::QuotedName => name.trim_matches('"').to_owned(),
            _ => continue,
        };
        let mut before = &tokens[..at];
        while let [rest @ .., _, (_, ".")] = before {
            before = rest;
        }
        // A type with its length.
        let cast =
            before.last().is_some_and(|(_, word)| matches!(*word, ":" | "::") || word.eq_ignore_ascii_case("AS"));
        if cast || NO_CALLS.contains(&name.as_str()) {
            continue;
        }
        // A function of another schema is not the server's own.
        let own = match tokens[..at] {
            [.., (_, schema), (_, ".")] => {
                schema.eq_ignore_ascii_case("pg_catalog") || is_volatile(&name) == Some(true)
            }
            _ => true,
        };
        match is_volatile(&name).filter(|_| own) {
            Some(true) => return Volatility::Volatile(name),
            Some(false) => {}
            None => unknown = unknown.or(Some(name)),
        }
    }
    unknown.map_or(Volatility::Constant, Volatility::Unknown)
}

/// Functions of MariaDB that differ from row to row, so that a default of them copies the table (measured on 10.11;
/// other defaults in parentheses do not).
const VOLATILE_IN_MARIADB: [&str; 8] =
    ["uuid", "uuid_short", "rand", "sysdate", "nextval", "random_bytes", "sys_guid", "lastval"];

/// Says whether a default of MariaDB differs from row to row.
pub(super) fn differs_in_mariadb(default: &str) -> bool {
    let words = significant(default, Dialect::Mariadb);
    let next = |pair: &[&str]| pair[0].eq_ignore_ascii_case("NEXT") && pair[1].eq_ignore_ascii_case("VALUE");
    call_one_of(&words, &VOLATILE_IN_MARIADB) || words.windows(2).any(next)
}

/// Says whether an expression calls one of these functions.
pub(super) fn calls_one_of(expression: &str, dialect: Dialect, functions: &[&str]) -> bool {
    call_one_of(&significant(expression, dialect), functions)
}

fn call_one_of(words: &[&str], functions: &[&str]) -> bool {
    let called = |pair: &[&str]| pair[1] == "(" && functions.iter().any(|name| pair[0].eq_ignore_ascii_case(name));
    words.windows(2).any(called)
}

fn significant(text: &str, dialect: Dialect) -> Vec<&str> {
    let tokens = Lexer::new(text, dialect).filter(|token| token.kind.is_significant());
    tokens.map(|token| token.span.of(text)).collect()
}

/// Says whether a default is a literal, in parentheses or not.
pub(super) fn is_literal(default: &str) -> bool {
    let mut plain = default.trim();
    while let Some(inner) = plain.strip_prefix('(').and_then(|plain| plain.strip_suffix(')')) {
        plain = inner.trim();
    }
    let plain = plain.trim_start_matches(['+', '-', ' ']);
    let tokens: Vec<TokenKind> = Lexer::new(plain, Dialect::Sqlite).map(|token| token.kind).collect();
    let word = ["NULL", "TRUE", "FALSE"].iter().any(|word| plain.eq_ignore_ascii_case(word));
    word || matches!(tokens.as_slice(), [TokenKind::Number | TokenKind::Text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_for_every_row_is_told_from_what_is_not() {
        for constant in [
            "0",
            "'random()'",
            "now()",
            "now() - interval '1 day'",
            "'{}'::jsonb",
            "ARRAY[]::int[]",
            "(1 + 2)",
            "CURRENT_TIMESTAMP(3)",
            "'x'::varchar(10)",
            "timezone('utc', now())",
            "E'it\\'s random()'",
            "$$random()$$",
            "'1'::my.amount(10)",
            "CAST('1' AS amount(10))",
            "txid_current()",
        ] {
            assert_eq!(volatility(constant), Volatility::Constant, "{constant}");
        }
        assert_eq!(volatility("lower(md5(random()::text))"), Volatility::Volatile("random".to_owned()));
        assert_eq!(volatility("public.uuid_generate_v4()"), Volatility::Volatile("uuid_generate_v4".to_owned()));
        assert_eq!(volatility("app.now()"), Volatility::Unknown("now".to_owned()));
        assert_eq!(volatility("public.nextid ()"), Volatility::Unknown("nextid".to_owned()));
    }
}
