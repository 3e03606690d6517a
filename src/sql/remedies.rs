//! One-line remedies for frequent slips: what stands where an engine stumbled, and what to write instead.
//!
//! Knows slips, as data. Refuses to decide: it is asked only about statements that are rejected already.

use crate::config::Dialect::{self, Mariadb, Mysql, Postgres, Sqlite};
use crate::config::flavour::Flavour;
use crate::sql::facts;
use crate::sql::lex::{Lexer, Token, TokenKind};
use crate::text::{Span, did_you_mean};

/// A slip: in these dialects, words at the token that does not fit or one or two before it, and the remedy.
type Slip = (&'static [Dialect], &'static str, &'static str);

const ALL: &[Dialect] = &[Postgres, Mysql, Mariadb, Sqlite];
const NOT_MYSQL: &[Dialect] = &[Postgres, Sqlite];
const NOT_SQLITE: &[Dialect] = &[Postgres, Mysql, Mariadb];

/// Slips by the words around the token, the token itself among them.
const SLIPS: &[Slip] = &[
    (ALL, ", )", "remove the comma before `)`"),
    (ALL, ", FROM", "remove the comma before FROM"),
    (ALL, ", WHERE", "remove the comma before WHERE"),
    (ALL, ", ,", "remove one of the commas"),
    (ALL, "= =", "write one `=`"),
    (&[Postgres], "AUTO_INCREMENT", "PostgreSQL numbers rows with: id bigint GENERATED ALWAYS AS IDENTITY"),
    (&[Postgres], "AUTOINCREMENT", "PostgreSQL numbers rows with: id bigint GENERATED ALWAYS AS IDENTITY"),
    (&[Mysql, Mariadb], "AUTOINCREMENT", "write AUTO_INCREMENT"),
    (&[Sqlite], "AUTO_INCREMENT", "SQLite numbers rows by itself with: id INTEGER PRIMARY KEY"),
    (&[Sqlite], "AUTOINCREMENT", "AUTOINCREMENT stands behind PRIMARY KEY only: id INTEGER PRIMARY KEY AUTOINCREMENT"),
    (&[Sqlite], "SERIAL", "SQLite numbers rows by itself with: id INTEGER PRIMARY KEY"),
    (
        &[Mysql, Mariadb],
        "SERIAL PRIMARY",
        "SERIAL is already UNIQUE; write: BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
    ),
    (NOT_MYSQL, "ENGINE =", "table options such as ENGINE are those of MySQL; remove them"),
    (NOT_MYSQL, ") ENGINE", "table options such as ENGINE are those of MySQL; remove them"),
    (NOT_MYSQL, "UNSIGNED", "UNSIGNED is of MySQL; use a larger type or CHECK (column >= 0)"),
    (&[Postgres], "ON UPDATE CURRENT_TIMESTAMP", "ON UPDATE for columns is of MySQL; use a trigger"),
    (&[Postgres], "DATETIME", "PostgreSQL calls it timestamp"),
    (&[Postgres], "REPLACE INTO", "write INSERT ... ON CONFLICT (key) DO UPDATE SET ..."),
    (&[Postgres], "INSERT IGNORE", "write INSERT ... ON CONFLICT DO NOTHING"),
    (&[Postgres], "INSERT OR", "write INSERT ... ON CONFLICT DO NOTHING, or DO UPDATE SET ..."),
    (&[Postgres], "ON DUPLICATE", "write ON CONFLICT (key) DO UPDATE SET ..."),
    (&[Sqlite], "ON DUPLICATE", "write ON CONFLICT (key) DO UPDATE SET ..."),
    (&[Mysql, Mariadb], "ON CONFLICT", "write ON DUPLICATE KEY UPDATE ..."),
    (&[Mysql, Mariadb], "INSERT OR", "write INSERT IGNORE ..., or ON DUPLICATE KEY UPDATE ..."),
    (&[Sqlite], "INSERT IGNORE", "write INSERT OR IGNORE INTO ..."),
    (&[Mysql], "RETURNING", "MySQL has no RETURNING; ask with a SELECT behind it"),
    (&[Mysql, Mariadb], "ILIKE", "write LIKE: it ignores case with the usual collations"),
    (&[Sqlite], "ILIKE", "write LIKE: it ignores case for ASCII letters"),
    (&[Mysql, Mariadb, Sqlite], ": :", "write CAST(value AS type)"),
    (&[Mysql, Mariadb], "CONCURRENTLY", "remove CONCURRENTLY; write ALGORITHM=INPLACE LOCK=NONE behind the index"),
    (&[Sqlite], "CONCURRENTLY", "remove CONCURRENTLY"),
    (&[Sqlite], "TRUNCATE", "write DELETE FROM table"),
    (&[Sqlite], "MODIFY", "SQLite cannot change a column: make a new table, copy the rows, drop the old one, rename"),
    (
        &[Sqlite],
        "ALTER COLUMN",
        "SQLite cannot change a column: make a new table, copy the rows, drop the old one, rename",
    ),
    (
        &[Sqlite],
        "ADD CONSTRAINT",
        "SQLite cannot add a constraint: make a new table, copy the rows, drop the old one, rename",
    ),
    (&[Postgres], "MODIFY", "write ALTER COLUMN name TYPE type"),
    (&[Postgres], "CHANGE", "write RENAME COLUMN old TO new, or ALTER COLUMN name TYPE type"),
    (&[Mysql, Mariadb], "TYPE", "write MODIFY COLUMN name type"),
    (&[Sqlite], "COMMENT ON", "SQLite keeps no comments; write it as an SQL comment"),
    (&[Sqlite, Mysql, Mariadb], "$ $", "dollar quotes are of PostgreSQL; quote text with '...'"),
    (&[Mysql, Mariadb, Sqlite], "DO $", "DO blocks are of PostgreSQL"),
    (&[Sqlite], "DELIMITER", "DELIMITER is a command of the mysql client; remove the line"),
    (&[Postgres], "DELIMITER", "DELIMITER is a command of the mysql client; remove the line"),
    (NOT_SQLITE, "PRAGMA", "PRAGMA is of SQLite; remove the line"),
    (ALL, "GO", "GO is a command of SQL Server's client; end statements with `;`"),
    (ALL, "ELSEIF", "write ELSIF in PL/pgSQL, ELSEIF in MySQL, and CASE elsewhere"),
];

/// Words that begin statements and seldom stand inside of one.
const BEGINNERS: [&str; 9] = ["CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "GRANT", "COMMENT", "TRUNCATE"];

/// Returns the remedy for a statement that was rejected at a place; `message` is the engine's.
pub fn remedy(text: &str, place: Span, flavour: Flavour, message: &str) -> Option<String> {
    let around = Around::of(text, place, flavour);
    let dialect = flavour.dialect;
    character(text, place, dialect)
        .or_else(|| exists(&around, dialect))
        .or_else(|| drop_index(&around, dialect))
        .or_else(|| slip(&around, dialect))
        .or_else(|| missing_end(&around))
        .or_else(|| bracket(text, flavour, message, &around))
        .or_else(|| misspelt(&around))
}

/// The significant tokens up to the place, the one at it, and the two behind it; words in upper case.
struct Around {
    words: Vec<String>,
    at: usize,
    own_line: bool,
}

impl Around {
    fn of(text: &str, place: Span, flavour: Flavour) -> Self {
        let mut words = Vec::new();
        let mut at = None;
        let mut own_line = false;
        let shown = |token: Token| token.span.of(text).to_ascii_uppercase();
        let near = place.start.saturating_sub(100_000);
        for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
            if token.span.start < near && words.len() >= 8 {
                continue;
            }
            if at.is_none() && token.span.start >= place.start {
                at = Some(words.len());
                let before = text[..token.span.start].trim_end_matches([' ', '\t']);
                own_line = before.is_empty() || before.ends_with('\n');
            }
            let kept = matches!(token.kind, TokenKind::Word | TokenKind::Symbol);
            words.push(if kept { shown(token) } else { String::new() });
            if at.is_some_and(|at| words.len() > at + 2) {
                break;
            }
        }
        let at = at.unwrap_or(words.len());
        Self { words, at, own_line }
    }

    fn word(&self, offset: isize) -> &str {
        let index = self.at.checked_add_signed(offset);
        index.and_then(|index| self.words.get(index)).map_or("", String::as_str)
    }

    /// Says whether the words stand so that one of them is the token, the one before or the one behind it.
    fn holds(&self, words: &[&str]) -> bool {
        let length = isize::try_from(words.len()).unwrap_or(0);
        (-length..=1).any(|start| {
            let fits = |index: isize| {
                words.get(usize::try_from(index).unwrap_or(0)).is_some_and(|word| *word == self.word(start + index))
            };
            (0..length).all(fits)
        })
    }
}

fn character(text: &str, place: Span, dialect: Dialect) -> Option<String> {
    let rest = &text[place.start.min(text.len())..];
    let before = text[..place.start.min(text.len())].trim_end();
    let quotes = ['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
    let mut near = rest.split_whitespace().take(1).chain(before.split_whitespace().next_back());
    if near.any(|word| word.contains(quotes)) {
        return Some("typographic quotes are no quotes of SQL: write ' for text".to_owned());
    }
    if rest.starts_with('\u{feff}') {
        return Some("a byte order mark stands here; remove it (sed -i 's/\\xEF\\xBB\\xBF//' FILE)".to_owned());
    }
    if rest.starts_with('`') && dialect == Postgres {
        return Some("quote names with \" in PostgreSQL, or leave the quotes out".to_owned());
    }
    if rest.starts_with('#') && matches!(dialect, Postgres | Sqlite) {
        return Some("begin comments with `--`".to_owned());
    }
    if rest.starts_with("//") {
        return Some("begin comments with `--`".to_owned());
    }
    if rest.starts_with('[') && matches!(dialect, Mysql | Mariadb) {
        return Some("quote names with ` in MySQL, or leave the quotes out".to_owned());
    }
    let lone = rest.starts_with('/') && rest[1..].trim_start_matches([' ', '\t', '\r']).starts_with('\n');
    if lone || before.ends_with("\n/") || rest == "/" {
        return Some("a lone `/` is a command of Oracle's client; end statements with `;`".to_owned());
    }
    if rest.starts_with('\\') && dialect == Postgres {
        let command: String = rest[1..].chars().take_while(char::is_ascii_alphanumeric).collect();
        return Some(format!("`\\{command}` is a command of psql, not SQL; remove it"));
    }
    None
}

/// `IF NOT EXISTS` and `IF EXISTS` where the dialect has none.
fn exists(around: &Around, dialect: Dialect) -> Option<String> {
    let at = (-2..=0).find(|offset| around.word(*offset) == "IF")?;
    let what = if around.word(at + 1) == "NOT" { "IF NOT EXISTS" } else { "IF EXISTS" };
    let real = around.word(at + 1) == "EXISTS" || around.word(at + 2) == "EXISTS";
    real.then(|| format!("{} has no {what} here; remove it", dialect.title()))
}

/// `DROP INDEX i ON t`, and `DROP INDEX i` where the table must be named.
fn drop_index(around: &Around, dialect: Dialect) -> Option<String> {
    let drops = around.words.starts_with(&["DROP".to_owned(), "INDEX".to_owned()]);
    match dialect {
        Postgres | Sqlite if drops && around.word(0) == "ON" => {
            Some("write DROP INDEX name, without ON table".to_owned())
        }
        Mysql | Mariadb if drops && around.word(0).is_empty() && around.words.len() <= 5 => {
            Some("write DROP INDEX name ON table".to_owned())
        }
        _ => None,
    }
}

fn slip(around: &Around, dialect: Dialect) -> Option<String> {
    let fits = |slip: &&Slip| {
        let words: Vec<&str> = slip.1.split(' ').collect();
        let line = slip.1 != "GO" || around.own_line || around.word(-1) == "GO";
        slip.0.contains(&dialect) && line && around.holds(&words)
    };
    SLIPS.iter().find(fits).map(|slip| slip.2.to_owned())
}

/// A statement that begins inside of another one.
fn missing_end(around: &Around) -> Option<String> {
    let word = around.word(0);
    let begins = BEGINNERS.contains(&word) && around.at > 1
        || around.own_line && facts::first_words().any(|first| first == word) && around.at > 1;
    (begins && around.own_line).then(|| format!("end the statement before {word} with `;`"))
}

/// Brackets that are not balanced, where the engine gave up at the end.
fn bracket(text: &str, flavour: Flavour, message: &str, around: &Around) -> Option<String> {
    let at_end = around.at >= around.words.len() || message.contains("end of");
    let mut open: Vec<Span> = Vec::new();
    for token in Lexer::new(text, flavour).filter(|token| token.kind == TokenKind::Symbol) {
        match token.span.of(text) {
            "(" => open.push(token.span),
            ")" if open.pop().is_none() => {
                return Some("a `)` has no `(`: remove it, or add the missing `(`".to_owned());
            }
            _ => {}
        }
    }
    let lost = open.last().filter(|_| at_end)?;
    let line = text[..lost.start].matches('\n').count() + 1;
    Some(match line {
        1 => "a `(` is never closed: add the missing `)`, or a missing `;`".to_owned(),
        _ => format!("the `(` in line {line} of the statement is never closed: add the missing `)`, or a missing `;`"),
    })
}

/// A first word that is nearly one.
fn misspelt(around: &Around) -> Option<String> {
    const OBJECTS: [&str; 12] = [
        "TABLE",
        "INDEX",
        "VIEW",
        "UNIQUE",
        "TRIGGER",
        "FUNCTION",
        "PROCEDURE",
        "SEQUENCE",
        "SCHEMA",
        "DATABASE",
        "TEMPORARY",
        "COLUMN",
    ];
    let word = around.word(0);
    let wrong = |word: &str| word.len() > 3;
    let near = match around.at {
        0 => did_you_mean(word, facts::first_words()),
        1 | 2 => did_you_mean(word, OBJECTS).or_else(|| did_you_mean(around.word(-1), OBJECTS)),
        _ => did_you_mean(word, WORDS),
    };
    near.filter(|near| wrong(word) && *near != word && *near != around.word(-1))
        .map(|near| format!("did you mean {near}?"))
}

/// Words that are often misspelt inside of statements.
const WORDS: [&str; 27] = [
    "BETWEEN",
    "CASCADE",
    "CONSTRAINT",
    "DEFAULT",
    "DISTINCT",
    "ENGINE",
    "EXISTS",
    "FOREIGN",
    "GENERATED",
    "GROUP",
    "HAVING",
    "INTEGER",
    "LIMIT",
    "NULL",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RENAME",
    "RETURNING",
    "SELECT",
    "TIMESTAMP",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "VALUES",
    "VARCHAR",
    "WHERE",
];
