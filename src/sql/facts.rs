//! What a statement does, as far as its words tell.
//!
//! Knows first words and where the verb of a `WITH` stands. Refuses to parse: the answer never depends on whether a
//! parser understands the statement.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Defines or changes structure: CREATE, ALTER, DROP, GRANT, COMMENT and the like.
    Schema,
    /// Changes rows: INSERT, UPDATE, DELETE, REPLACE, MERGE, COPY, LOAD.
    Data,
    /// Fits in both: SELECT, SET, PRAGMA, VACUUM, TRUNCATE, CALL, DO and the like.
    Neutral,
    /// Begins or ends a transaction.
    Transaction,
    /// Opens another database file or selects another database.
    OtherDatabase,
    /// Nothing that is known as a first word of this dialect.
    Unknown,
}

/// The beginning of a statement.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its first words and symbols, words in upper case.
    pub words: Vec<String>,
    /// The place of the word that decides the purpose.
    pub verb_span: Span,
    /// That word, in upper case.
    pub verb: String,
    /// Whether an INSERT takes its rows from a query and not from VALUES.
    pub queries: bool,
    /// Whether a SET says something about `autocommit`.
    pub commits: bool,
}

fn plain_name(name: &str) -> String {
    name.trim_matches(['"', '`', '[', ']', '\'']).to_owned()
}

const LONGEST_HEAD: usize = 10;

const SCHEMA: [&str; 12] = [
    "CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "RENAME", "REINDEX", "SECURITY", "IMPORT", "REASSIGN",
    "CLUSTER",
];
const DATA: [&str; 8] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY", "LOAD", "UPSERT"];
const NEUTRAL: [&str; 36] = [
    "SELECT",
    "VALUES",
    "TABLE",
    "SET",
    "RESET",
    "SHOW",
    "PRAGMA",
    "VACUUM",
    "ANALYZE",
    "ANALYSE",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "TRUNCATE",
    "CALL",
    "DO",
    "LOCK",
    "UNLOCK",
    "REFRESH",
    "NOTIFY",
    "LISTEN",
    "UNLISTEN",
    "DISCARD",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "OPTIMIZE",
    "CHECK",
    "REPAIR",
    "FLUSH",
    "CHECKPOINT",
    "SIGNAL",
];
const TRANSACTION: [&str; 8] = ["BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT", "RELEASE", "START", "ABORT"];
const OTHER_DATABASE: [&str; 3] = ["ATTACH", "DETACH", "USE"];

/// Every word that may begin a statement.
pub fn first_words() -> impl Iterator<Item = &'static str> {
    SCHEMA.into_iter().chain(DATA).chain(NEUTRAL).chain(TRANSACTION).chain(OTHER_DATABASE).chain(["WITH"])
}

/// Reads the beginning of a statement. Spans count in `text`, the statement's own text.
pub fn head(text: &str, flavour: impl Into<Flavour>) -> Head {
    let flavour = flavour.into();
    let mut tokens = Lexer::new(text, flavour).filter(|token| token.kind.is_significant());
    let (words, verb) = (Vec::new(), String::new());
    let mut head = Head { words, verb_span: Span::default(), verb, queries: false, commits: false };
    for token in tokens.by_ref() {
        let word = token.span.of(text).to_ascii_uppercase();
        if head.words.is_empty() {
            head.verb_span = token.span;
            head.verb.clone_from(&word);
        }
        head.words.push(word);
        if head.words.len() == LONGEST_HEAD {
            break;
        }
    }
    if head.verb == "WITH" {
        main_verb(text, flavour, &mut head);
    }
    if head.verb == "SET" {
        let names_it = |word: &str| {
            word.trim_matches('`')
                .rsplit(['@', '.', '`'])
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("autocommit"))
        };
        let mut words = Lexer::new(text, flavour).filter(|token| token.kind.is_significant());
        head.commits = words.any(|token| names_it(token.span.of(text)));
    }
    if head.verb == "INSERT" {
        head.queries = first_source(text, flavour) == Some("SELECT");
    }
    head
}

/// Returns the word that begins the rows of an INSERT: the first SELECT or VALUES outside of parentheses.
fn first_source(text: &str, flavour: Flavour) -> Option<&'static str> {
    let mut depth = 0_usize;
    for token in Lexer::new(text, flavour) {
        match token.span.of(text) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && word.eq_ignore_ascii_case("SELECT") => return Some("SELECT"),
            word if depth == 0 && word.eq_ignore_ascii_case("VALUES") => return Some("VALUES"),
            _ => {}
        }
    }
    None
}

/// Finds the verb behind the common table expressions: the first one outside of parentheses.
fn main_verb(text: &str, flavour: Flavour, head: &mut Head) {
    let mut depth = 0_usize;
    for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
        match token.span.of(text) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && token.kind == TokenKind::Word => {
                let word = word.to_ascii_uppercase();
                if DATA.contains(&word.as_str()) || ["SELECT", "VALUES", "TABLE"].contains(&word.as_str()) {
                    head.verb = word;
                    head.verb_span = token.span;
                    return;
                }
            }
            _ => {}
        }
    }
}

impl Head {
    /// Says what the statement is for.
    pub fn purpose(&self, dialect: Dialect) -> Purpose {
        let verb = self.verb.as_str();
        let second = self.words.get(1).map_or("", String::as_str);
        let mysql = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
        match verb {
            "BEGIN" if dialect == Dialect::Mariadb && second == "NOT" => Purpose::Neutral,
            "LOAD" if matches!(second, "EXTENSION") => Purpose::Schema,
            // Behind these the record of what ran could not be written, or not be committed.
            "LOCK" | "UNLOCK" if mysql && matches!(second, "TABLES" | "TABLE") => Purpose::Transaction,
            "FLUSH" if mysql && self.words.iter().any(|word| word == "LOCK") => Purpose::Transaction,
            "SET" if mysql && self.commits => Purpose::Transaction,
            "XA" if mysql => Purpose::Transaction,
            // Gives back all that the session holds, the lock of the run among it.
            "DISCARD" if dialect == Dialect::Postgres && second == "ALL" => Purpose::Transaction,
            "PREPARE" if second == "TRANSACTION" => Purpose::Transaction,
            "LOCK" if second == "TABLE" => Purpose::Neutral,
            "(" | "SELECT" => Purpose::Neutral,
            _ if SCHEMA.contains(&verb) => Purpose::Schema,
            _ if DATA.contains(&verb) => Purpose::Data,
            _ if NEUTRAL.contains(&verb) => Purpose::Neutral,
            _ if TRANSACTION.contains(&verb) => Purpose::Transaction,
            _ if OTHER_DATABASE.contains(&verb) => Purpose::OtherDatabase,
            _ => Purpose::Unknown,
        }
    }

    /// Returns the table that the statement creates, its name in upper case without quotes.
    pub fn creates_table(&self) -> Option<String> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let at = words.iter().take(4).position(|word| *word == "TABLE").filter(|_| words[0] == "CREATE")?;
        let rest = words[at + 1..].strip_prefix(&["IF", "NOT", "EXISTS"]).unwrap_or(&words[at + 1..]);
        rest.first().map(|name| plain_name(name))
    }

    /// Returns the table that the statement fills with the rows of a query: `INSERT INTO t ... SELECT`.
    pub fn fills_from_query(&self) -> Option<String> {
        let into = self.words.iter().position(|word| word == "INTO").filter(|_| self.verb == "INSERT")?;
        self.queries.then(|| self.words.get(into + 1).map(|name| plain_name(name))).flatten()
    }
}
