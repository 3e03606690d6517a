//! The history in SQL: the statements that write it, for every engine, and the reading of its rows.
//!
//! Values are written as literals in the form that no setting of a session can change. Refuses to run anything.

use std::fmt::Write as _;
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::config::Dialect;
use crate::engine::tables::{EVENT, META, MIGRATION};
use crate::engine::{Provenance, Script, ScriptStatement};
use crate::finding::hex;
use crate::history::{Content, FORMAT, Mode, Row, RowError, State, UNSEALED, described};
use crate::migration::{Kind, ProjectName};

/// Writes a moment as the history holds it: RFC 3339 in UTC with microseconds.
pub(super) fn timestamp(moment: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    moment.format(format).unwrap_or_default()
}

/// The present moment as the history holds it.
pub(super) fn now() -> String {
    timestamp(OffsetDateTime::now_utc())
}

/// Makes a name for a database that no other one has.
pub(super) fn new_name() -> String {
    use sha2::{Digest as _, Sha256};
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let seed = format!("{}-{}-{random}", now(), std::process::id());
    hex(&Sha256::digest(seed.as_bytes()))[..32].to_owned()
}

/// Writes a text as a literal.
///
/// SQLite knows no escapes but the doubled quote. PostgreSQL reads `E''` alike whatever `standard_conforming_strings`
/// says. MySQL and MariaDB read hexadecimal digits alike whatever `sql_mode` says, and letters and digits as well; nothing
/// between quotes is NULL for MariaDB under `EMPTY_STRING_IS_NULL`.
pub(super) fn text(value: &str, dialect: Dialect) -> String {
    let value = value.replace('\0', "");
    match dialect {
        Dialect::Sqlite => format!("'{}'", value.replace('\'', "''")),
        Dialect::Postgres => format!("E'{}'", escaped(&value)),
        Dialect::Mysql | Dialect::Mariadb if !value.is_empty() && value.bytes().all(is_plain) => format!("'{value}'"),
        Dialect::Mysql | Dialect::Mariadb => format!("_utf8mb4 x'{}'", hex(value.as_bytes())),
    }
}

/// A text as PostgreSQL reads it alike in every `client_encoding`.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match (character, u32::from(character)) {
            ('\\' | '\'', _) => text.extend([character, character]),
            (_, 0..=0x7f) => text.push(character),
            (_, number @ 0x80..=0xffff) => drop(write!(text, "\\u{number:04X}")),
            (_, number) => drop(write!(text, "\\U{number:08X}")),
        }
    }
    text
}

/// Says whether a byte means itself between quotes, whatever is set.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" .,:;_-+/#@=".contains(&byte)
}

/// Writes history statements for one engine.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) dialect: Dialect,
    pub(super) prefix: String,
}

/// A value of a row, before it is written as a literal or bound to a statement.
pub(super) enum Cell<'r> {
    Number(i64),
    Text(&'r str),
    Null,
}

/// The values of a row in the order of [`MIGRATION`].
pub(super) fn cells(row: &Row) -> Vec<Cell<'_>> {
    let size = |number: usize| Cell::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let error = row.error.as_ref();
    let place = |part: fn(&RowError) -> usize| size(error.map_or(0, part));
    vec![
        Cell::Number(row.seq),
        Cell::Text(row.project.as_str()),
        Cell::Text(&row.version),
        Cell::Text(&row.version_key),
        Cell::Text(row.kind.word()),
        Cell::Text(&row.description),
        Cell::Text(&row.path),
        Cell::Text(&row.blob_id),
        Cell::Text(&row.commit_id),
        Cell::Text(&row.checksum_bytes),
        Cell::Text(&row.checksum_text),
        Cell::Text(row.mode.word()),
        Cell::Text(row.state.word()),
        size(row.statements_total),
        size(row.statements_done),
        size(row.statement_open),
        Cell::Text(&row.statement_sums),
        error.map_or(Cell::Null, |error| Cell::Text(&error.message)),
        Cell::Text(error.map_or("", |error| &error.code)),
        place(|error| error.statement),
        place(|error| error.line),
        place(|error| error.column),
        Cell::Number(row.attempt),
        Cell::Number(i64::from(row.out_of_order)),
        Cell::Text(&row.pusher),
        Cell::Text(&row.pusher_source),
        Cell::Text(&row.host),
        Cell::Number(row.process_id),
        Cell::Text(&row.program_version),
        Cell::Text(&row.started_at),
        Cell::Text(&row.finished_at),
        Cell::Number(row.duration_us),
        Cell::Text(&row.seal),
    ]
}

/// Makes the row of a script.
pub(super) fn row(script: &Script, provenance: &Provenance, state: State, done: usize) -> Row {
    let migration = &script.migration;
    Row {
        seq: script.earlier.as_ref().map_or(0, |earlier| earlier.seq),
        project: migration.project.clone(),
        version: migration.version.as_str().to_owned(),
        version_key: migration.version_key.clone(),
        kind: migration.kind,
        description: described(migration),
        path: migration.path.display(),
        blob_id: migration.blob.as_str().to_owned(),
        commit_id: provenance.commit.clone(),
        checksum_bytes: script.checksums.bytes.clone(),
        checksum_text: script.checksums.text.clone(),
        mode: script.mode,
        state,
        statements_total: script.statements.len(),
        statements_done: done,
        statement_open: 0,
        statement_sums: script.statements.iter().map(ScriptStatement::sum).collect(),
        error: None,
        attempt: script.earlier.as_ref().map_or(1, |earlier| earlier.attempt + 1),
        out_of_order: script.out_of_order,
        pusher: provenance.pusher.clone(),
        pusher_source: provenance.pusher_source.clone(),
        host: provenance.host.clone(),
        process_id: i64::from(provenance.process),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now(),
        finished_at: if state == State::Running { String::new() } else { now() },
        duration_us: 0,
        seal: String::new(),
    }
}

impl Writer {
    fn text(&self, value: &str) -> String {
        text(value, self.dialect)
    }

    pub(super) fn literal(&self, cell: &Cell<'_>) -> String {
        match cell {
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => self.text(text),
            Cell::Null => "NULL".to_owned(),
        }
    }

    pub(super) fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// ` FROM DUAL` where a condition needs a table to stand behind.
    pub(super) fn dual(&self) -> &'static str {
        if matches!(self.dialect, Dialect::Mysql | Dialect::Mariadb) { " FROM DUAL" } else { "" }
    }

    /// The statements that write a row, `over` that of an earlier attempt which is not applied, if `condition` holds.
    pub(super) fn replace(&self, row: &Row, over: bool, condition: &str) -> String {
        self.replace_with(row, &row.statement_open.to_string(), over, condition)
    }

    /// The same with an expression for the statement that is begun.
    pub(super) fn replace_with(&self, row: &Row, open: &str, over: bool, condition: &str) -> String {
        let columns = MIGRATION.columns.iter().map(|(name, _)| *name);
        let value = |(cell, name): (&Cell<'_>, &str)| {
            if name == "statement_open" { open.to_owned() } else { self.literal(cell) }
        };
        let values: Vec<String> = cells(row).iter().zip(columns).map(value).collect();
        let table = self.table(MIGRATION.name);
        let and = if condition.is_empty() { String::new() } else { format!(" AND {condition}") };
        let mut sql = String::new();
        if over {
            let _ = write!(
                sql,
                "DELETE FROM {table} WHERE project = {} AND version_key = {} AND kind = {} AND state <> 'applied'{and}; ",
                values[1], values[3], values[4]
            );
        }
        let _ = write!(sql, "INSERT INTO {table} ({}) SELECT {}", MIGRATION.names(), values.join(", "));
        if !condition.is_empty() {
            let _ = write!(sql, "{} WHERE {condition}", self.dual());
        }
        sql
    }

    /// The statement that ends a row, if `condition` holds.
    pub(super) fn finish(&self, row: &Row, duration: Duration, condition: &str) -> String {
        let set = format!(
            "statements_done = statements_total, statement_open = 0, finished_at = {}, duration_us = {}",
            self.text(&now()),
            duration.as_micros()
        );
        self.restate(&Row { state: State::Applied, ..row.clone() }, &set, condition)
    }

    /// The statement that gives a row the state and the mode that it has here, and the seal of them, if `condition` holds.
    pub(super) fn restate(&self, row: &Row, set: &str, condition: &str) -> String {
        let (state, mode, seal) = (row.state.word(), row.mode.word(), self.text(&row.sealed()));
        self.update(row.seq, &format!("state = '{state}', mode = '{mode}', seal = {seal}, {set}"), condition)
    }

    /// The statement that records how many statements of a journal ran, and which one is begun: from 1, or 0 for none.
    /// What is begun may be an expression.
    pub(super) fn progress(&self, seq: i64, done: usize, open: &str, condition: &str) -> String {
        self.update(seq, &format!("statements_done = {done}, statement_open = {open}"), condition)
    }

    /// The statement that changes a row, if `condition` holds.
    pub(super) fn update(&self, seq: i64, set: &str, condition: &str) -> String {
        let and = if condition.is_empty() { String::new() } else { format!(" AND {condition}") };
        format!("UPDATE {} SET {set} WHERE seq = {seq}{and}", self.table(MIGRATION.name))
    }

    /// The statement that says what is in the file of a row now, if `condition` holds.
    pub(super) fn accept(&self, row: &Row, content: &Content, condition: &str) -> String {
        let seal = content.row(row).sealed();
        let values = [
            ("path", &content.path),
            ("description", &content.description),
            ("blob_id", &content.blob_id),
            ("commit_id", &content.commit_id),
            ("checksum_bytes", &content.checksums.bytes),
            ("checksum_text", &content.checksums.text),
            ("seal", &seal),
        ];
        let set: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {}", self.text(value))).collect();
        self.update(row.seq, &set.join(", "), condition)
    }

    /// The statement that takes a row out of what counts.
    pub(super) fn remove(&self, seq: i64) -> String {
        format!("DELETE FROM {} WHERE seq = {seq} AND state <> 'applied'", self.table(MIGRATION.name))
    }

    /// The statement that adds an event.
    pub(super) fn event(&self, seq: i64, event: &str, detail: &str) -> String {
        format!(
            "INSERT INTO {t} (id, at, seq, event, detail) SELECT coalesce(max(id), 0) + 1, {}, {seq}, {}, {} FROM {t}",
            self.text(&now()),
            self.text(event),
            self.text(detail),
            t = self.table(EVENT.name),
        )
    }

    /// The statement that fills a new meta table: the name of the database, and where its data are.
    pub(super) fn meta(&self, name: &str, place: &str) -> String {
        format!(
            "INSERT INTO {} (name, value) VALUES ('format', '{FORMAT}'), ('database_uid', {}), ('place', {}), \
             ('created_at', {})",
            self.table(META.name),
            self.text(name),
            self.text(place),
            self.text(&now())
        )
    }

    /// The statements that give a database another name and place.
    pub(super) fn identity(&self, name: &str, place: &str) -> String {
        let table = self.table(META.name);
        format!(
            "DELETE FROM {table} WHERE name IN ('database_uid', 'place'); INSERT INTO {table} (name, value) VALUES \
             ('database_uid', {}), ('place', {})",
            self.text(name),
            self.text(place)
        )
    }

    /// The question for all rows.
    pub(super) fn all(&self, format: i64) -> String {
        // The sums of statements count only until all of them ran.
        let nothing = self.text("");
        let sums = format!("CASE WHEN state = 'applied' THEN {nothing} ELSE statement_sums END");
        let seal = if format <= UNSEALED { &nothing } else { "seal" };
        let names = MIGRATION.names().replace("statement_sums", &sums).replace("seal", seal);
        format!("SELECT {names} FROM {} ORDER BY seq", self.table(MIGRATION.name))
    }

    /// The question for what is known about the database itself.
    pub(super) fn facts(&self) -> String {
        format!("SELECT name, value FROM {}", self.table(META.name))
    }
}

/// The error of a statement (from 0), with its place in the file.
pub(super) fn error(script: &Script, number: usize, byte: Option<usize>, message: String, code: String) -> RowError {
    let place = script.statements.get(number);
    let (line, column) = place.map_or((1, 1), |statement| statement.place(byte));
    RowError { message, code, statement: number + 1, line, column }
}

/// The cells of a row, read one after the other in the order of [`MIGRATION`].
struct Cells {
    row: std::vec::IntoIter<Option<String>>,
    at: usize,
}

impl Cells {
    fn cell(&mut self) -> Result<Option<String>, String> {
        self.at += 1;
        self.row.next().ok_or_else(|| format!("column {} is missing", self.name()))
    }

    fn name(&self) -> &'static str {
        MIGRATION.columns.get(self.at - 1).map_or("", |(name, _)| *name)
    }

    fn text(&mut self) -> Result<String, String> {
        self.cell().map(Option::unwrap_or_default)
    }

    fn number(&mut self) -> Result<i64, String> {
        self.text()?.parse().map_err(|_| format!("column {} is no number", self.name()))
    }

    fn size(&mut self) -> Result<usize, String> {
        self.number().map(|number| usize::try_from(number).unwrap_or(0))
    }

    fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let word = self.text()?;
        parse(&word).ok_or_else(|| format!("unknown word {word:?} in column {}", self.name()))
    }

    fn error(&mut self) -> Result<Option<RowError>, String> {
        let message = self.cell()?;
        let (code, statement, line, column) = (self.text()?, self.size()?, self.size()?, self.size()?);
        Ok(message.map(|message| RowError { message, code, statement, line, column }))
    }
}

/// Reads a row whose columns stand in the order of [`MIGRATION`].
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(row: Vec<Option<String>>) -> Result<Row, String> {
    let mut cells = Cells { row: row.into_iter(), at: 0 };
    // Fields are evaluated in the order in which they are written.
    Ok(Row {
        seq: cells.number()?,
        project: ProjectName::new(cells.text()?),
        version: cells.text()?,
        version_key: cells.text()?,
        kind: cells.word(Kind::parse)?,
        description: cells.text()?,
        path: cells.text()?,
        blob_id: cells.text()?,
        commit_id: cells.text()?,
        checksum_bytes: cells.text()?,
        checksum_text: cells.text()?,
        mode: cells.word(Mode::parse)?,
        state: cells.word(State::parse)?,
        statements_total: cells.size()?,
        statements_done: cells.size()?,
        statement_open: cells.size()?,
        statement_sums: cells.text()?,
        error: cells.error()?,
        attempt: cells.number()?,
        out_of_order: cells.number()? != 0,
        pusher: cells.text()?,
        pusher_source: cells.text()?,
        host: cells.text()?,
        process_id: cells.number()?,
        program_version: cells.text()?,
        started_at: cells.text()?,
        finished_at: cells.text()?,
        duration_us: cells.number()?,
        seal: cells.text()?,
    })
}
