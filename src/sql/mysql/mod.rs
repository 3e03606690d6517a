//! The verdict of MySQL and MariaDB: a recogniser of their statements, written from their reference manuals.
//!
//! The grammar is data (`grammar/*.txt`), two dialects in one text; a small engine follows it. It decides form, never
//! names or types. Where it gives up it says so, and does not guess.

mod expression;
mod grammar;
mod matcher;
mod notation;
mod operators;
mod tokens;
mod words;

use std::sync::LazyLock;

use crate::config::Dialect;
use crate::config::flavour::{Flavour, Release};
use crate::sql::verdict::Verdict;
use crate::text::{Span, enumerate, sanitize};

use grammar::Grammar;
use matcher::{Matcher, Outcome};

static MYSQL: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(Dialect::Mysql));
static MARIADB: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(Dialect::Mariadb));

/// Kinds of statements that the grammar does not claim: of MariaDB's Oracle mode,
const ORACLE_MODE: &[&str] = &["PACKAGE"];
/// of MariaDB in that mode or in releases that are newer than the grammar,
const UNCLAIMED_MARIADB: &[&str] = &["PACKAGE", "LIBRARY", "MATERIALIZED", "EXTERNAL", "SYNONYM", "ASSERTION"];
/// and of MySQL 9.
const UNCLAIMED_MYSQL: &[&str] = &["LIBRARY", "MATERIALIZED", "EXTERNAL"];

/// Says whether a statement that stopped at its head is of a kind that is not claimed.
fn unclaimed(text: &str, flavour: Flavour, token: usize) -> bool {
    let before = |release| flavour.release.is_some_and(|declared| declared < release);
    let kinds = match flavour.dialect {
        Dialect::Mysql if before(Release::new(9, 0, 0)) => &[],
        Dialect::Mysql => UNCLAIMED_MYSQL,
        _ if before(Release::new(12, 0, 0)) => ORACLE_MODE,
        _ => UNCLAIMED_MARIADB,
    };
    let words = crate::sql::facts::head(text, flavour).words;
    let heads = ["CREATE", "ALTER", "DROP", "OR", "REPLACE", "PUBLIC"];
    let defines = token > 0 && words.iter().take(token).all(|word| heads.contains(&word.as_str()));
    defines && words.get(token).is_some_and(|word| kinds.contains(&word.as_str()))
}

/// Judges one statement. Spans count in `text`.
pub fn judge(text: &str, flavour: Flavour) -> Verdict {
    let grammar: &Grammar = if flavour.dialect == Dialect::Mysql { &MYSQL } else { &MARIADB };
    let Some(tokens) = tokens::tokens(text, flavour, &grammar.words) else {
        return Verdict::Unknown { span: Span::new(0, 1), why: "it is longer than 4 GiB".to_owned() };
    };
    let span = |token: usize| tokens.get(token).map_or(Span::new(text.len(), text.len()), tokens::Token::span);
    match Matcher::run(grammar, &tokens, flavour) {
        Outcome::Fits => Verdict::Accepted,
        Outcome::Stuck(token, _) if unclaimed(text, flavour, token) => Verdict::Unknown {
            span: span(token),
            why: "statements of this kind are not known to the recogniser".to_owned(),
        },
        Outcome::Stuck(token, expected) => {
            let expected: Vec<String> = expected.into_iter().collect();
            let help = (1..=6).contains(&expected.len()).then(|| format!("expected {}", enumerate(&expected, 6)));
            Verdict::Rejected { span: span(token), message: near(text, span(token)), help }
        }
        Outcome::Gone(token, release) => {
            let help = format!("{} has not taken this since {release}", flavour.dialect.title());
            Verdict::Rejected { span: span(token), message: near(text, span(token)), help: Some(help) }
        }
        Outcome::Newer(token, release) => {
            let title = flavour.dialect.title();
            let message = format!("this needs {title} {release}; this target says {}", flavour.release_or_newest());
            Verdict::Newer { span: span(token), message }
        }
        Outcome::GaveUp => {
            Verdict::TooMuch { span: span(0), message: "this statement nests too deeply to be followed".to_owned() }
        }
    }
}

/// The server's words: it shows the text from the token on.
fn near(text: &str, token: Span) -> String {
    let rest: String = text[token.start..].split(['\n', '\r']).next().unwrap_or_default().chars().take(40).collect();
    if rest.trim().is_empty() {
        return "syntax error at the end of the statement".to_owned();
    }
    format!("syntax error near `{}`", sanitize(rest.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_is_used_is_defined() {
        assert_eq!(MYSQL.undefined(), Vec::<&str>::new());
        assert_eq!(MARIADB.undefined(), Vec::<&str>::new());
    }

    #[test]
    fn the_cases_have_the_verdicts_that_they_name() {
        let mut wrong = Vec::new();
        for case in crate::sql::cases::cases("mysql") {
            for dialect in [Dialect::Mysql, Dialect::Mariadb] {
                if case.since.is_some() && case.only.is_some_and(|only| only != dialect) {
                    continue;
                }
                let expected = case.accept && case.only.is_none_or(|only| only == dialect);
                let tried = (dialect == Dialect::Mariadb).then_some(Release::new(10, 11, 0));
                let release = case.since.filter(|_| case.only == Some(dialect)).or(tried);
                let verdict = judge(&case.text, Flavour { release, ..dialect.into() });
                if matches!(verdict, Verdict::Accepted) != expected {
                    wrong.push(format!("{} {}: {}\n    {verdict:?}", case.place, dialect.word(), case.text));
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn what_a_release_took_away_is_said() {
        let of = |release| Flavour { release: Some(release), ..Dialect::Mysql.into() };
        for text in ["START SLAVE", "SHOW MASTER STATUS", "LOCK TABLES t LOW_PRIORITY WRITE"] {
            assert_eq!(judge(text, of(Release::new(8, 0, 0))), Verdict::Accepted, "{text}");
            assert_eq!(judge(text, Dialect::Mysql.into()), Verdict::Accepted, "{text}");
            let Verdict::Rejected { help, .. } = judge(text, of(Release::new(8, 4, 0))) else { panic!("{text}") };
            assert_eq!(help.as_deref(), Some("MySQL has not taken this since 8.4"), "{text}");
        }
        let wrong = judge("START SLAV", of(Release::new(8, 4, 0)));
        assert!(!format!("{wrong:?}").contains("since"), "{wrong:?}");
    }

    #[test]
    fn kinds_that_are_not_claimed_are_undecided() {
        for text in [
            "CREATE OR REPLACE PACKAGE p AS FUNCTION f RETURN INT; END",
            "DROP PACKAGE p",
            "CREATE LIBRARY l LANGUAGE JAVASCRIPT AS 'x'",
        ] {
            assert!(matches!(judge(text, Dialect::Mariadb.into()), Verdict::Unknown { .. }), "{text}");
        }
        let view = "CREATE MATERIALIZED VIEW v AS SELECT 1";
        let mysql = |release| Flavour { release, ..Dialect::Mysql.into() };
        assert!(matches!(judge(view, mysql(None)), Verdict::Unknown { .. }));
        assert!(matches!(judge(view, mysql(Some(Release::new(8, 4, 0)))), Verdict::Rejected { .. }));
        assert!(matches!(judge("CREATE SYNONYM s FOR t", mysql(None)), Verdict::Rejected { .. }));
        assert!(matches!(judge("CREATE TABEL t (a INT)", Dialect::Mariadb.into()), Verdict::Rejected { .. }));
    }
}
