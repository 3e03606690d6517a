//! The verdict of SQLite: SQLite itself, on a throw-away database in memory.
//!
//! Statements that define structure are carried out there, so that what follows meets the tables that will be there;
//! no row is ever written. What SQLite certainly takes is not put before it until something else needs it. Knows which errors are about form and which about the schema. Refuses files, other
//! databases and extensions, and stops what does not end.

mod certain;
pub mod sandbox;
mod waiting;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::limits::Limit;
use rusqlite::{Batch, Connection, Error};

use crate::config::Dialect;
use crate::sql::facts::{Head, Purpose, head};
use crate::sql::lex::{Lexer, TokenKind, token_at};
use crate::sql::verdict::Verdict;
use crate::text::Span;

use sandbox::Budget;
use waiting::{Known, Waiting};

/// Stubs that are made for one statement before its names are given up.
const MOST_STUBS: usize = 32;

/// Longest value that a statement may compute beyond its own length, in bytes.
const LONGEST_RESULT: i32 = 64 << 10;

/// A database in memory that follows the migrations of one target.
pub struct Replay {
    /// Opened when something must be put before SQLite.
    opened: Option<(Connection, Budget)>,
    waiting: Waiting,
    /// Why the schema is not what the target's will be, once that is so.
    doubt: Option<String>,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

/// What SQLite says against a statement.
struct Complaint {
    message: String,
    byte: Option<usize>,
}

impl Replay {
    /// Starts with an empty database.
    pub fn new() -> Self {
        Self { opened: None, waiting: Waiting::default(), doubt: None }
    }

    /// Starts where a snapshot was taken.
    ///
    /// # Errors
    /// If the bytes are no snapshot.
    pub fn restore(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "the snapshot is cut".to_owned();
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
        let (waiting, database) = rest.split_at_checked(length).ok_or_else(cut)?;
        let waiting = serde_json::from_slice(waiting).map_err(|error| error.to_string())?;
        let opened = match database {
            [] => None,
            _ => Some(sandbox::open(Some(database)).map_err(|error| error.to_string())?),
        };
        Ok(Self { opened, waiting, doubt: None })
    }

    /// Returns what waits and the database as bytes; `None` where it is not known well enough to be kept.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        if self.doubt.is_some() {
            return None;
        }
        let waiting = serde_json::to_vec(&self.waiting).ok()?;
        let mut bytes = u64::try_from(waiting.len()).ok()?.to_le_bytes().to_vec();
        bytes.extend_from_slice(&waiting);
        if let Some((connection, _)) = &self.opened {
            bytes.extend_from_slice(&connection.serialize("main").ok()?);
        }
        Some(bytes)
    }

    /// Starts the next file: a new allowance of work, the settings with which files begin, and nothing temporary.
    pub fn next_file(&mut self) {
        let (settings, temporary) = self.waiting.end_file();
        let Some((connection, budget)) = &self.opened else { return };
        budget.renew();
        let settled = if settings { connection.execute_batch(sandbox::SETTINGS) } else { Ok(()) };
        let cleared = settled.and_then(|()| if temporary { sandbox::clear_temporary(connection) } else { Ok(()) });
        if let Err(error) = cleared {
            self.lose_track(error.to_string());
        }
    }

    /// Compiles a statement behind all that it may need, and carries it out if it changes the schema.
    fn try_out(&mut self, text: &str, changes: bool) -> Result<(), Complaint> {
        let (connection, _) = match &mut self.opened {
            Some(opened) => opened,
            none => none.insert(sandbox::open(None).map_err(|error| complaint(&error))?),
        };
        let before = self.waiting.before(text, changes);
        for statement in &before.waited {
            if let Err(complaint) = prepare(connection, statement, true) {
                self.doubt.get_or_insert(complaint.message);
            }
        }
        prepare(connection, text, changes)?;
        if changes {
            self.waiting.after(&before, |name| sandbox::known(connection, name).unwrap_or(Known::Other));
        }
        Ok(())
    }

    /// From here on the schema is not known: names are not judged any more.
    pub fn lose_track(&mut self, why: impl Into<String>) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// Says why names are not judged any more.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// Carries out a statement that was judged before. What fails makes the schema unknown.
    pub fn follow(&mut self, text: &str) {
        let head = head(text, Dialect::Sqlite);
        if !defines(&head) || self.waiting.takes(text) {
            return;
        }
        if let Err(complaint) = self.try_out(text, true) {
            self.lose_track(complaint.message);
        }
    }

    /// Judges one statement and carries it out, if it defines structure. Spans count in `text`.
    pub fn judge(&mut self, text: &str) -> Verdict {
        if self.waiting.takes(text) {
            return Verdict::Accepted;
        }
        let head = head(text, Dialect::Sqlite);
        let Err(complaint) = self.try_out(text, defines(&head)) else { return Verdict::Accepted };
        if is_about_form(&complaint.message) {
            if defines(&head) {
                self.lose_track("a statement before was not well formed");
            }
            return rejected(text, complaint);
        }
        let hidden = hidden(text);
        let about_names = is_about_names(&complaint.message);
        let known = self.doubt.is_none();
        if defines(&head) {
            self.lose_track(complaint.message.clone());
        }
        match hidden {
            Some(hidden) if is_about_form(&hidden.message) => rejected(text, hidden),
            Some(hidden) => refused(text, &head, hidden),
            None if about_names && !known => Verdict::Accepted,
            None => refused(text, &head, complaint),
        }
    }
}

/// Returns the release of the linked library.
pub fn library_version() -> &'static str {
    rusqlite::version()
}

/// Judges the form of one statement alone: names may be anything. Spans count in `text`.
pub fn judge(text: &str) -> Verdict {
    let mut replay = Replay::new();
    replay.lose_track("the migrations before are not known");
    replay.judge(text)
}

/// Says whether a statement is carried out: it defines structure, or sets how SQLite does that.
fn defines(head: &Head) -> bool {
    let pragma = |word: &String| matches!(word.as_str(), "LEGACY_ALTER_TABLE" | "FOREIGN_KEYS");
    head.purpose(Dialect::Sqlite) == Purpose::Schema || head.verb == "PRAGMA" && head.words.iter().any(pragma)
}

/// Compiles a statement, and runs it if asked to.
fn prepare(connection: &Connection, text: &str, run: bool) -> Result<(), Complaint> {
    let mut batch = Batch::new(connection, text);
    let Some(mut statement) = batch.next().map_err(|error| complaint(&error))? else { return Ok(()) };
    if !run {
        return Ok(());
    }
    if let Some(empty) = without_rows(connection, text).map_err(|error| complaint(&error))? {
        return connection.execute_batch(&empty).map_err(|error| complaint(&error));
    }
    // Nothing that is computed on the way may be long: a single function call is never interrupted.
    let longest = i32::try_from(text.len()).unwrap_or(i32::MAX).saturating_add(LONGEST_RESULT);
    let usual = connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest).map_err(|error| complaint(&error))?;
    let mut rows = statement.raw_query();
    let ran = loop {
        match rows.next() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(complaint(&error)),
        }
    };
    let _ = connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, usual);
    ran
}

/// A table that is filled by a query gets its columns here, and no row: the query is compiled and never run.
fn without_rows(connection: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    let mut depth = 0_usize;
    let mut words = Lexer::new(text, Dialect::Sqlite).filter(|token| token.kind.is_significant());
    let is = |span: Span, word: &str| span.of(text).eq_ignore_ascii_case(word);
    let create = words.next().is_some_and(|token| is(token.span, "CREATE"));
    let table = words.by_ref().take(2).any(|token| is(token.span, "TABLE"));
    let filled = words.find(|token| {
        match token.span.of(text) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.kind == TokenKind::Word && is(token.span, "AS")
    });
    let Some(filled) = filled.filter(|_| create && table) else { return Ok(None) };
    let query = connection.prepare(&text[filled.span.end..])?;
    let mut columns: Vec<String> = Vec::new();
    for name in query.column_names() {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let twice = columns.iter().any(|other| other.eq_ignore_ascii_case(&quoted));
        columns.push(if twice { format!("\"{}:{}\"", name.replace('"', "\"\""), columns.len()) } else { quoted });
    }
    Ok(Some(format!("{} ({})", &text[..filled.span.start], columns.join(", "))))
}

fn complaint(error: &Error) -> Complaint {
    match error {
        Error::SqlInputError { msg, offset, .. } => {
            Complaint { message: msg.clone(), byte: usize::try_from(*offset).ok() }
        }
        Error::SqliteFailure(failure, message) => {
            let message = message.clone().unwrap_or_else(|| failure.to_string());
            Complaint { message, byte: None }
        }
        Error::NulError(error) => {
            Complaint { message: "unrecognized token: a zero byte".to_owned(), byte: Some(error.nul_position()) }
        }
        other => Complaint { message: other.to_string(), byte: None },
    }
}

/// Finds what an error about names hides: the missing tables are made up, and the statement tried again.
fn hidden(text: &str) -> Option<Complaint> {
    let (scratch, _budget) = sandbox::open(None).ok()?;
    for _ in 0..MOST_STUBS {
        let complaint = prepare(&scratch, text, false).err()?;
        let Some(table) = complaint.message.strip_prefix("no such table: ") else {
            return Some(complaint).filter(|complaint| !is_about_names(&complaint.message));
        };
        let name = table.strip_prefix("main.").or_else(|| table.strip_prefix("temp.")).unwrap_or(table);
        let stub = format!("CREATE TABLE \"{}\"(schemagate_stub)", name.replace('"', "\"\""));
        scratch.execute_batch(&stub).ok()?;
    }
    None
}

/// Errors that no schema can change.
fn is_about_form(message: &str) -> bool {
    message.ends_with(": syntax error")
        || message.starts_with("unknown table option")
        || message.starts_with("unrecognized token")
        || message.starts_with("incomplete input")
        || message.starts_with("parser stack overflow")
        || message.starts_with("Recursion limit")
        || message.starts_with("qualified table names are not allowed")
        || message.starts_with("the INDEXED BY clause is not allowed")
        || message.starts_with("the NOT INDEXED clause is not allowed")
        || message.starts_with("unknown join type")
}

/// Errors that another schema would not bring.
fn is_about_names(message: &str) -> bool {
    const WORDS: [&str; 16] = [
        "no such table",
        "no such column",
        "no such index",
        "no such trigger",
        "no such view",
        "already",
        "has no column",
        "duplicate column",
        "ambiguous column",
        "unknown column",
        "values were supplied",
        "cannot ",
        "may not be",
        "foreign key",
        "error in ",
        "interrupted",
    ];
    WORDS.iter().any(|word| message.contains(word))
}

fn rejected(text: &str, complaint: Complaint) -> Verdict {
    let at = complaint.byte.unwrap_or(text.len());
    let named = complaint.message.strip_prefix("unknown table option: ");
    let option = named.and_then(|named| name_in(text, named, ""));
    Verdict::Rejected {
        span: option.unwrap_or_else(|| token_at(text, at, Dialect::Sqlite)),
        message: complaint.message,
        help: None,
    }
}

/// What SQLite would refuse because of the schema.
fn refused(text: &str, head: &Head, complaint: Complaint) -> Verdict {
    // `writable_schema` allows it; what it makes of the schema is not followed here.
    if complaint.message.starts_with("table sqlite_") && complaint.message.ends_with("may not be modified") {
        let why = "it writes the schema itself, which `PRAGMA writable_schema` has to allow".to_owned();
        return Verdict::Unknown { span: head.verb_span, why };
    }
    let named = complaint.message.rsplit(": ").next().unwrap_or_default();
    let named = named.rsplit(" has no column named ").next().unwrap_or(named);
    let named = named.rsplit('.').next().unwrap_or_default();
    let span = match complaint.byte {
        Some(byte) => token_at(text, byte, Dialect::Sqlite),
        None => name_in(text, named, &complaint.message).unwrap_or(head.verb_span),
    };
    Verdict::Refused { span, message: complaint.message }
}

/// The first token of the statement that is the name, or that the message speaks of.
fn name_in(text: &str, name: &str, message: &str) -> Option<Span> {
    let plain = |span: Span| span.of(text).trim_matches(['"', '`', '[', ']', '\'']).to_ascii_lowercase();
    let names = || {
        let name = |kind| matches!(kind, TokenKind::Word | TokenKind::QuotedName | TokenKind::Text);
        Lexer::new(text, Dialect::Sqlite).filter(move |token| name(token.kind)).map(|token| token.span)
    };
    let wanted = name.to_ascii_lowercase();
    let message = message.to_ascii_lowercase();
    let spoken = |span: &Span| {
        let word = plain(*span);
        message.split([' ', ':', '"', '\'']).any(|part| part == word) && word.len() > 1
    };
    names().find(|span| plain(*span) == wanted).or_else(|| names().skip(2).find(spoken))
}

#[cfg(test)]
mod tests;
