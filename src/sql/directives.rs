//! Directives: comments at the head of a script that say how it is to run.
//!
//! `-- schemagate: no-transaction`, `lock-timeout = 5s`, `statement-timeout = 10min`, `isolation = serializable`; and
//! the spellings `-- txn-mode = on|off` and `-- txn-isolation = ...` of another product. Only comments before the first
//! statement count. Refuses to skip what it does not understand: a typo would silently run the script otherwise.

use std::time::Duration;

use crate::config::flavour::Flavour;
use crate::config::units::parse_duration;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::{Span, begins, did_you_mean};

/// What the head of a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// Whether the script runs statement by statement, outside of one transaction.
    pub no_transaction: bool,
    /// How long a statement waits for a lock.
    pub lock_timeout: Option<Duration>,
    /// How long a statement may take.
    pub statement_timeout: Option<Duration>,
    /// The isolation of its transaction, in the words of SQL.
    pub isolation: Option<&'static str>,
}

/// A directive that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its place.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

const NAMES: [&str; 4] = ["no-transaction", "lock-timeout", "statement-timeout", "isolation"];
const LEVELS: [(&str, &str); 4] = [
    ("read-uncommitted", "READ UNCOMMITTED"),
    ("read-committed", "READ COMMITTED"),
    ("repeatable-read", "REPEATABLE READ"),
    ("serializable", "SERIALIZABLE"),
];

/// Reads the directives of a script, and what is wrong with them.
pub fn directives(text: &str, flavour: impl Into<Flavour>) -> (Directives, Vec<Mistake>) {
    let mut directives = Directives::default();
    let mut mistakes = Vec::new();
    let mut begun = false;
    // Behind the first statement only one that stands in the wrong place is looked for.
    let all = text.contains(MARK);
    for comment in Lexer::new(text, flavour) {
        begun |= comment.kind.is_significant();
        if begun && !all {
            break;
        }
        let shown = comment.span.of(text);
        let line = shown.strip_prefix("--").or_else(|| shown.strip_prefix('#'));
        let block = shown.strip_prefix("/*").map(|inner| inner.trim_end_matches("*/"));
        let Some(text) = line.or(block).filter(|_| comment.kind == TokenKind::Comment) else { continue };
        let line = text.trim();
        let known = if let Some(rest) = marked(line) {
            match (begun, block.is_some()) {
                (true, _) => misplaced(rest, "stands behind the first statement", "put it before the first statement"),
                (_, true) => misplaced(rest, "stands in a block comment", "write -- schemagate: and the directive"),
                _ => read(rest, &mut directives),
            }
        } else if block.is_some() || begun {
            continue;
        } else if let Some(rest) = assigned(line, "txn-mode") {
            mode(rest, &mut directives)
        } else if let Some(rest) = assigned(line, "txn-isolation") {
            isolation(rest, &mut directives)
        } else {
            continue;
        };
        if let Err((message, help)) = known {
            let end = comment.span.start + shown.trim_end().len();
            mistakes.push(Mistake { span: Span::new(comment.span.start, end), message, help });
        }
    }
    (directives, mistakes)
}

/// What a directive begins with.
const MARK: &str = "schemagate:";

/// What stands behind the mark, however it is written.
fn marked(line: &str) -> Option<&str> {
    let word = MARK.trim_end_matches(':');
    let rest = begins(line, word).then(|| &line[word.len()..])?;
    rest.trim_start().strip_prefix(':').map(str::trim)
}

/// A directive where none is read.
fn misplaced(directive: &str, how: &str, remedy: &str) -> Known {
    let name = directive.split('=').next().unwrap_or_default().trim();
    if !NAMES.contains(&name) {
        return Ok(());
    }
    Err((format!("`{name}` {how}, where it would do nothing"), format!("a directive is for the whole file: {remedy}")))
}

type Known = Result<(), (String, String)>;

fn assigned<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.strip_prefix(name)?.trim_start().strip_prefix('=').map(str::trim)
}

/// Takes the value of a directive that may stand only once.
fn once(name: &str, place: &mut Option<Duration>, value: Duration) -> Known {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err((format!("`{name}` stands twice"), "leave one of the two".to_owned())),
    }
}

fn read(directive: &str, directives: &mut Directives) -> Known {
    let (name, value) = match directive.split_once('=') {
        Some((name, value)) => (name.trim(), value.trim()),
        None => (directive, ""),
    };
    match name {
        "no-transaction" if value.is_empty() => directives.no_transaction = true,
        "no-transaction" => {
            return Err((
                "`no-transaction` takes no value".to_owned(),
                "leave it out where a transaction is wanted".to_owned(),
            ));
        }
        "lock-timeout" => once(name, &mut directives.lock_timeout, duration(name, value)?)?,
        "statement-timeout" => once(name, &mut directives.statement_timeout, duration(name, value)?)?,
        "isolation" => return isolation(value, directives),
        // For the review, which reads them itself.
        _ if name.starts_with("ignore") => {}
        _ => {
            let help = match did_you_mean(name, NAMES) {
                Some(near) => format!("did you mean `-- schemagate: {near}`?"),
                None => format!("the directives are {}", NAMES.join(", ")),
            };
            return Err((format!("there is no directive `{}`", crate::text::sanitize(name)), help));
        }
    }
    Ok(())
}

fn duration(name: &str, value: &str) -> Result<Duration, (String, String)> {
    let help = || format!("write -- schemagate: {name} = 5s (or 500ms, 10m, 1h)");
    parse_duration(value).ok_or_else(|| (format!("`{}` is not a duration", crate::text::sanitize(value)), help()))
}

fn mode(value: &str, directives: &mut Directives) -> Known {
    match value {
        "on" => {}
        "off" => directives.no_transaction = true,
        _ => {
            let help = "write -- txn-mode = on, or -- txn-mode = off".to_owned();
            return Err((format!("`{}` is neither on nor off", crate::text::sanitize(value)), help));
        }
    }
    Ok(())
}

fn isolation(value: &str, directives: &mut Directives) -> Known {
    let wanted = value.trim_matches('"').to_ascii_lowercase().replace([' ', '_'], "-");
    let level = LEVELS.iter().find(|(name, _)| *name == wanted).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        (
            format!("`{}` is no isolation level", crate::text::sanitize(value)),
            format!("write one of {}", names.join(", ")),
        )
    })?;
    directives.isolation = Some(level.1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    #[test]
    fn the_head_of_a_script_says_how_it_runs() {
        let text = "-- a comment\n-- schemagate: no-transaction\n--schemagate: lock-timeout = 5s\n-- txn-isolation = REPEATABLE READ\nSELECT 1;\n-- schemagate: statement-timeout = 1s\n";
        let (directives, mistakes) = directives(text, Dialect::Postgres);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(
            directives,
            Directives {
                no_transaction: true,
                lock_timeout: Some(Duration::from_secs(5)),
                statement_timeout: None,
                isolation: Some("REPEATABLE READ"),
            }
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let cases = [
            ("-- schemagate: no-transactions", "did you mean `-- schemagate: no-transaction`?"),
            ("-- schemagate: lock-timeout = soon", "write -- schemagate: lock-timeout = 5s (or 500ms, 10m, 1h)"),
            ("-- schemagate: no-transaction = off", "leave it out where a transaction is wanted"),
            ("-- txn-mode = maybe", "write -- txn-mode = on, or -- txn-mode = off"),
            (
                "-- schemagate: isolation = strict",
                "write one of read-uncommitted, read-committed, repeatable-read, serializable",
            ),
        ];
        for (text, help) in cases {
            let (found, mistakes) = directives(text, Dialect::Mysql);
            assert_eq!((found, mistakes[0].help.as_str()), (Directives::default(), help), "{text}");
        }
        let twice = "-- schemagate: lock-timeout = 1s\n-- schemagate: lock-timeout = 2s\nSELECT 1;\n";
        assert_eq!(directives(twice, Dialect::Mysql).1[0].message, "`lock-timeout` stands twice");
        assert_eq!(directives("-- schemagate: ignore drop-table -- why", Dialect::Sqlite).1, []);
        assert_eq!(directives("SELECT '-- schemagate: nonsense'", Dialect::Sqlite).1, []);
    }

    #[test]
    fn one_behind_the_first_statement_is_a_mistake() {
        let text = "-- x\nSELECT 1;\n-- schemagate: no-transaction\nSELECT 2; -- schemagate: ignore drop-table -- it\n";
        let (read, mistakes) = directives(text, Dialect::Postgres);
        assert!(!read.no_transaction);
        let messages: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
        assert_eq!(messages, ["`no-transaction` stands behind the first statement, where it would do nothing"]);
        assert_eq!(mistakes[0].span.of(text), "-- schemagate: no-transaction");
        assert!(directives("SELECT 'x -- schemagate: no-transaction'", Dialect::Postgres).1.is_empty());
        for text in ["-- SchemaGate : no-transaction\nSELECT 1", "--schemagate:no-transaction\nSELECT 1"] {
            assert!(directives(text, Dialect::Postgres).0.no_transaction, "{text}");
        }
        let block = directives("/* schemagate: lock-timeout = 5s */ SELECT 1", Dialect::Postgres).1;
        assert_eq!(block[0].message, "`lock-timeout` stands in a block comment, where it would do nothing");
        assert!(directives("/* schemagate: ignore drop-table -- c */ SELECT 1", Dialect::Postgres).1.is_empty());
    }
}
