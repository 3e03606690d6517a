//! History rows of SQLite: the statements that write them and the reading of them.
//!
//! Values are written as literals with quotes doubled, which is complete quoting in SQLite; NUL never occurs, since
//! files with NUL are refused. Refuses to run anything.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::engine::tables::{EVENT, META, MIGRATION};
use crate::engine::{Provenance, Script};
use crate::finding::hex;
use crate::history::{FORMAT, Mode, Row, RowError, State, statement_sum};
use crate::migration::{Kind, ProjectName};

/// Writes a moment as the history holds it: RFC 3339 in UTC with microseconds.
pub(super) fn timestamp(moment: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    moment.format(format).unwrap_or_default()
}

fn now() -> String {
    timestamp(OffsetDateTime::now_utc())
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\0', "").replace('\'', "''"))
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
        description: migration.description.clone(),
        path: migration.path.display(),
        blob_id: migration.blob.as_str().to_owned(),
        commit_id: provenance.commit.clone(),
        checksum_bytes: script.checksums.bytes.clone(),
        checksum_text: script.checksums.text.clone(),
        mode: script.mode,
        state,
        statements_total: script.statements.len(),
        statements_done: done,
        statement_sums: script.statements.iter().map(|statement| statement_sum(&statement.text)).collect(),
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
    }
}

/// The error of a statement (from 0), with its place in the file.
pub(super) fn error(script: &Script, number: usize, message: String, code: String) -> RowError {
    let place = script.statements.get(number);
    RowError {
        message,
        code,
        statement: number + 1,
        line: place.map_or(1, |statement| statement.line),
        column: place.map_or(1, |statement| statement.column),
    }
}

/// The statement that writes a row in the place of an earlier attempt's, or behind all others.
pub(super) fn replace(row: &Row) -> String {
    let unknown = RowError { message: String::new(), code: String::new(), statement: 0, line: 0, column: 0 };
    let error = row.error.as_ref().unwrap_or(&unknown);
    let message = if row.error.is_some() { text(&error.message) } else { "NULL".to_owned() };
    let seq = if row.seq > 0 {
        row.seq.to_string()
    } else {
        format!(
            "coalesce((SELECT seq FROM {t} WHERE project = {p} AND version_key = {k} AND kind = {kind}), (SELECT coalesce(max(seq), 0) + 1 FROM {t}))",
            t = MIGRATION.name,
            p = text(row.project.as_str()),
            k = text(&row.version_key),
            kind = text(row.kind.word()),
        )
    };
    let values = [
        seq,
        text(row.project.as_str()),
        text(&row.version),
        text(&row.version_key),
        text(row.kind.word()),
        text(&row.description),
        text(&row.path),
        text(&row.blob_id),
        text(&row.commit_id),
        text(&row.checksum_bytes),
        text(&row.checksum_text),
        text(row.mode.word()),
        text(row.state.word()),
        row.statements_total.to_string(),
        row.statements_done.to_string(),
        text(&row.statement_sums),
        message,
        text(&error.code),
        error.statement.to_string(),
        error.line.to_string(),
        error.column.to_string(),
        row.attempt.to_string(),
        i64::from(row.out_of_order).to_string(),
        text(&row.pusher),
        text(&row.pusher_source),
        text(&row.host),
        row.process_id.to_string(),
        text(&row.program_version),
        text(&row.started_at),
        text(&row.finished_at),
        row.duration_us.to_string(),
    ];
    format!("INSERT OR REPLACE INTO {} ({}) VALUES ({})", MIGRATION.name, MIGRATION.names(), values.join(", "))
}

/// The question for the state of an earlier row of the same migration.
pub(super) fn state_of(row: &Row) -> String {
    number_of(row).replacen("SELECT seq", "SELECT state", 1)
}

/// The question for the number of a row that was just written.
pub(super) fn number_of(row: &Row) -> String {
    format!(
        "SELECT seq FROM {} WHERE project = {} AND version_key = {} AND kind = {}",
        MIGRATION.name,
        text(row.project.as_str()),
        text(&row.version_key),
        text(row.kind.word())
    )
}

/// The statement that ends a row.
pub(super) fn finish(seq: i64, duration: Duration) -> String {
    format!(
        "UPDATE {} SET state = 'applied', statements_done = statements_total, finished_at = {}, duration_us = {} WHERE seq = {seq}",
        MIGRATION.name,
        text(&now()),
        duration.as_micros()
    )
}

/// The statement that records how many statements of a journal ran.
pub(super) fn progress(seq: i64, done: usize) -> String {
    format!("UPDATE {} SET statements_done = {done} WHERE seq = {seq}", MIGRATION.name)
}

/// The statement that adds an event.
pub(super) fn event(seq: i64, event: &str, detail: &str) -> String {
    format!(
        "INSERT INTO {t} (id, at, seq, event, detail) VALUES ((SELECT coalesce(max(id), 0) + 1 FROM {t}), {}, {seq}, {}, {})",
        text(&now()),
        text(event),
        text(detail),
        t = EVENT.name,
    )
}

/// The statement that fills a new meta table.
pub(super) fn meta() -> String {
    use sha2::{Digest as _, Sha256};
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let seed = format!("{}-{}-{random}", now(), std::process::id());
    let uid = hex(&Sha256::digest(seed.as_bytes()))[..32].to_owned();
    format!(
        "INSERT INTO {} (name, value) VALUES ('format', '{FORMAT}'), ('database_uid', '{uid}'), ('created_at', {})",
        META.name,
        text(&now())
    )
}

/// Reads a row.
///
/// # Errors
/// If a column has another type or an unknown word.
pub(super) fn read(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let string = |name: &str| row.try_get::<String, _>(name);
    let number = |name: &str| row.try_get::<i64, _>(name);
    let size = |name: &str| number(name).map(|value| usize::try_from(value).unwrap_or(0));
    let unknown = |word: &str| {
        let column = row.columns().first().map_or("", |column| column.name());
        sqlx::Error::Decode(format!("unknown word {word:?} in the row of {column}").into())
    };
    let message: Option<String> = row.try_get("error_message")?;
    let error = match message {
        Some(message) => Some(RowError {
            message,
            code: string("error_code")?,
            statement: size("error_statement")?,
            line: size("error_line")?,
            column: size("error_column")?,
        }),
        None => None,
    };
    let (kind, mode, state) = (string("kind")?, string("mode")?, string("state")?);
    Ok(Row {
        seq: number("seq")?,
        project: ProjectName::new(string("project")?),
        version: string("version")?,
        version_key: string("version_key")?,
        kind: Kind::parse(&kind).ok_or_else(|| unknown(&kind))?,
        description: string("description")?,
        path: string("path")?,
        blob_id: string("blob_id")?,
        commit_id: string("commit_id")?,
        checksum_bytes: string("checksum_bytes")?,
        checksum_text: string("checksum_text")?,
        mode: Mode::parse(&mode).ok_or_else(|| unknown(&mode))?,
        state: State::parse(&state).ok_or_else(|| unknown(&state))?,
        statements_total: size("statements_total")?,
        statements_done: size("statements_done")?,
        statement_sums: row.try_get::<Option<String>, _>("statement_sums")?.unwrap_or_default(),
        error,
        attempt: number("attempt")?,
        out_of_order: number("out_of_order")? != 0,
        pusher: string("pusher")?,
        pusher_source: string("pusher_source")?,
        host: string("host")?,
        process_id: number("process_id")?,
        program_version: string("program_version")?,
        started_at: string("started_at")?,
        finished_at: string("finished_at")?,
        duration_us: number("duration_us")?,
    })
}
