//! The history: what a database says has run, as plain values.
//!
//! One row for each migration that was ever started. The columns are a promise to users and have a format version.
//! Refuses to know how a database stores them; `engine::tables` writes them in each product's types.

use std::time::Duration;

use crate::migration::{Checksums, Kind, Migration, Place, ProjectName};

/// The version of the tables' format. A program refuses to write tables of a newer one, and brings older ones up to date.
pub const FORMAT: i64 = 2;
/// The format whose rows have no seal.
pub const UNSEALED: i64 = 1;

/// Where a migration stands in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Recorded before its first statement; the run has not ended, or was cut off.
    Running,
    /// All of it ran.
    Applied,
    /// A statement was refused; `statements_done` of them ran and stayed.
    Failed,
    /// People said that it does not matter here any more: it never runs again, and its file may go.
    Forgotten,
}

impl State {
    /// Returns the word that the table holds.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Forgotten => "forgotten",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Applied, Self::Failed, Self::Forgotten].into_iter().find(|state| state.word() == word)
    }
}

/// How a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In one transaction with its row: all or nothing.
    Transaction,
    /// Statement by statement, its progress recorded behind each.
    Journal,
}

impl Mode {
    /// Returns the word that the table holds.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Journal => "journal",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Transaction, Self::Journal].into_iter().find(|mode| mode.word() == word)
    }
}

/// What is known of an error.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RowError {
    /// The database's words.
    pub message: String,
    /// The database's code, empty if it has none.
    pub code: String,
    /// The statement, from 1.
    pub statement: usize,
    /// Line of the statement in the file, from 1.
    pub line: usize,
    /// Column of the statement in the file, from 1.
    pub column: usize,
}

/// How far a migration came: attempts, statements that ran, the one that was begun, and the state.
pub type Reached = (i64, usize, usize, State);

/// One migration in one database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// Order in which migrations were first started, from 1; a later attempt keeps it.
    pub seq: i64,
    /// The project whose migration it is.
    pub project: ProjectName,
    /// The version as written.
    pub version: String,
    /// The version in its order; with project and kind it is unique.
    pub version_key: String,
    /// Schema or data.
    pub kind: Kind,
    /// The description.
    pub description: String,
    /// The path in the repository.
    pub path: String,
    /// The content that ran.
    pub blob_id: String,
    /// The commit whose tree held it.
    pub commit_id: String,
    /// Checksum of the bytes.
    pub checksum_bytes: String,
    /// Checksum that ignores line endings and the byte order mark.
    pub checksum_text: String,
    /// How it ran.
    pub mode: Mode,
    /// Where it stands.
    pub state: State,
    /// Statements in the file.
    pub statements_total: usize,
    /// Statements that ran and stayed.
    pub statements_done: usize,
    /// The statement that was begun and whose end is not recorded, from 1; 0 for none. Only statements that cannot
    /// share a transaction with their record are begun like that. Where it is not the one behind those that ran, all up to
    /// it may have left a part of their work.
    pub statement_open: usize,
    /// Sixteen hexadecimal digits of SHA-256 for each statement, joined: tells whether an edit touched what ran.
    pub statement_sums: String,
    /// What stopped it.
    pub error: Option<RowError>,
    /// How often it was started.
    pub attempt: i64,
    /// Whether a higher version had run before it.
    pub out_of_order: bool,
    /// Who pushed it.
    pub pusher: String,
    /// Who says so.
    pub pusher_source: String,
    /// The machine that ran it.
    pub host: String,
    /// The process that ran it.
    pub process_id: i64,
    /// The program that ran it.
    pub program_version: String,
    /// Begin, RFC 3339 in UTC with microseconds.
    pub started_at: String,
    /// End, likewise; empty while it runs.
    pub finished_at: String,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// What [`Row::sealed`] gave when the row was written; empty in rows that are older than seals.
    #[serde(skip)]
    pub seal: String,
}

impl Row {
    /// Returns the seal of what decides whether the migration runs: its place, its content, its state. It holds no secret:
    /// it shows a slip of the hand, not a forgery.
    pub fn sealed(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let seq = self.seq.to_string();
        // As long as the columns: a server that is not strict cuts what is longer.
        let parts = [
            (seq.as_str(), 20),
            (self.project.as_str(), 64),
            (&self.version, 128),
            (&self.version_key, 190),
            (self.kind.word(), 16),
            (&self.description, 200),
            (&self.path, 700),
            (&self.blob_id, 64),
            (&self.commit_id, 64),
            (&self.checksum_bytes, 80),
            (&self.checksum_text, 80),
            (self.mode.word(), 16),
            (self.state.word(), 16),
        ];
        let mut sum = Sha256::new();
        for (part, most) in parts {
            // No database holds the character NUL in a text.
            if part.len() <= most && !part.contains('\0') {
                sum.update(part);
            } else {
                sum.update(part.replace('\0', "").chars().take(most).collect::<String>());
            }
            sum.update([0]);
        }
        format!("1:{}", &crate::finding::hex(&sum.finalize())[..16])
    }

    /// Says whether somebody wrote into the row beside this program.
    pub fn changed_by_hand(&self) -> bool {
        !self.seal.is_empty() && self.seal != self.sealed()
    }

    /// Returns what names it among all rows.
    pub fn place(&self) -> Place {
        (self.project.as_str().to_owned(), self.version_key.clone(), self.kind)
    }

    /// Returns how far it came: another answer means that somebody was at work.
    pub fn reached(&self) -> Reached {
        (self.attempt, self.statements_done, self.statement_open, self.state)
    }

    /// Returns the checksums of what ran.
    pub fn checksums(&self) -> Checksums {
        Checksums { bytes: self.checksum_bytes.clone(), text: self.checksum_text.clone() }
    }

    /// Returns what decides the order within a database.
    pub fn position(&self) -> (&str, Kind) {
        (&self.version_key, self.kind)
    }
}

/// The longest version, in characters, that a history holds.
pub const LONGEST_VERSION: usize = 128;
/// The longest key of a version, in characters, that a history holds.
pub const LONGEST_KEY: usize = 190;

/// The description of a migration as the history holds it: cut, because it is only shown.
pub fn described(migration: &Migration) -> String {
    migration.description.chars().take(200).collect()
}

/// What a row says about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The path in the repository.
    pub path: String,
    /// The description.
    pub description: String,
    /// The content.
    pub blob_id: String,
    /// The commit whose tree holds it there.
    pub commit_id: String,
    /// Its checksums.
    pub checksums: Checksums,
}

impl Content {
    /// What a row says.
    pub fn of_row(row: &Row) -> Self {
        Self {
            path: row.path.clone(),
            description: row.description.clone(),
            blob_id: row.blob_id.clone(),
            commit_id: row.commit_id.clone(),
            checksums: row.checksums(),
        }
    }

    /// A row with this content.
    pub fn row(&self, row: &Row) -> Row {
        let content = self.clone();
        Row {
            path: content.path,
            description: content.description,
            blob_id: content.blob_id,
            commit_id: content.commit_id,
            checksum_bytes: content.checksums.bytes,
            checksum_text: content.checksums.text,
            ..row.clone()
        }
    }

    /// A migration as a commit has it.
    pub fn of(migration: &Migration, commit: &str, checksums: Checksums) -> Self {
        Self {
            path: migration.path.display(),
            description: described(migration),
            blob_id: migration.blob.as_str().to_owned(),
            commit_id: commit.to_owned(),
            checksums,
        }
    }
}

/// What is said while scripts run.
#[derive(Debug)]
pub enum Said<'s> {
    /// A statement (from 1) of so many has been running for a while.
    Running {
        /// The path of the script.
        path: &'s str,
        /// The statement, from 1.
        statement: usize,
        /// How many statements the script has.
        of: usize,
        /// For how long.
        elapsed: Duration,
    },
    /// The server said something beside its answer.
    Notice {
        /// The path of the script.
        path: &'s str,
        /// The line of the statement.
        line: usize,
        /// Its words.
        text: &'s str,
    },
    /// Somebody else was in the way; it is tried again.
    Retry {
        /// The path of the script.
        path: &'s str,
        /// The statement, from 1.
        statement: usize,
        /// The database's words.
        why: &'s str,
    },
    /// It was found out whether a statement in flight took effect.
    Settled {
        /// The path of the script.
        path: &'s str,
        /// The statement, from 1.
        statement: usize,
        /// Whether it did, and what shows it.
        found: &'s str,
    },
}

/// The characters of the sum of a statement.
pub const SUM: usize = 16;

/// Returns the sum of a statement that [`Row::statement_sums`] holds; the rows behind a COPY count too.
pub fn statement_sum(statement: &str, rows: Option<&str>) -> String {
    use sha2::{Digest as _, Sha256};
    let mut sum = Sha256::new();
    sum.update(statement.replace("\r\n", "\n").as_bytes());
    if let Some(rows) = rows {
        sum.update(b"\n");
        sum.update(rows.as_bytes());
    }
    crate::finding::hex(&sum.finalize())[..SUM].to_owned()
}

/// Says who applied migrations behind a row (by `seq`), for those who were about to and had to wait.
pub fn faster(rows: &[Row], behind: i64) -> Option<String> {
    let new = rows.iter().filter(|row| row.seq > behind && row.state == State::Applied);
    let last = new.clone().next_back()?;
    let what = match new.count() {
        1 => format!("version {} {} was", last.version, last.kind),
        several => format!("{several} migrations up to version {} {} were", last.version, last.kind),
    };
    Some(format!("{what} applied meanwhile by process {} on {} for {}", last.process_id, last.host, last.pusher))
}
