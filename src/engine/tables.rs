//! The history tables, as data: one list of columns that every engine writes in its own types.
//!
//! Refuses to run anything.

use crate::config::Dialect;
use crate::engine::record::text;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// A whole number of 64 bits.
    Number,
    /// Text of at most so many characters; compared by bytes.
    Text(u16),
    /// Text of any length, or NULL.
    Long,
}

/// A table.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns with their types, in order.
    pub columns: &'static [(&'static str, Column)],
    /// The primary key.
    pub key: &'static str,
    /// Columns that are unique together; empty for none.
    pub unique: &'static str,
}

/// Facts about the database itself: `format`, `database_uid`, `created_at`.
pub const META: Table = Table {
    name: "schemagate_meta",
    columns: &[("name", Column::Text(64)), ("value", Column::Text(190))],
    key: "name",
    unique: "",
};

/// One row for each migration ever started: the present truth.
pub const MIGRATION: Table = Table {
    name: "schemagate_migration",
    columns: &[
        ("seq", Column::Number),
        ("project", Column::Text(64)),
        ("version", Column::Text(128)),
        ("version_key", Column::Text(190)),
        ("kind", Column::Text(16)),
        ("description", Column::Text(200)),
        ("path", Column::Text(700)),
        ("blob_id", Column::Text(64)),
        ("commit_id", Column::Text(64)),
        ("checksum_bytes", Column::Text(80)),
        ("checksum_text", Column::Text(80)),
        ("mode", Column::Text(16)),
        ("state", Column::Text(16)),
        ("statements_total", Column::Number),
        ("statements_done", Column::Number),
        ("statement_open", Column::Number),
        ("statement_sums", Column::Long),
        ("error_message", Column::Long),
        ("error_code", Column::Text(32)),
        ("error_statement", Column::Number),
        ("error_line", Column::Number),
        ("error_column", Column::Number),
        ("attempt", Column::Number),
        ("out_of_order", Column::Number),
        ("pusher", Column::Text(190)),
        ("pusher_source", Column::Text(32)),
        ("host", Column::Text(190)),
        ("process_id", Column::Number),
        ("program_version", Column::Text(32)),
        ("started_at", Column::Text(32)),
        ("finished_at", Column::Text(32)),
        ("duration_us", Column::Number),
        ("seal", Column::Text(32)),
    ],
    key: "seq",
    unique: "project, version_key, kind",
};

/// What happened, only ever added to.
pub const EVENT: Table = Table {
    name: "schemagate_event",
    columns: &[
        ("id", Column::Number),
        ("at", Column::Text(32)),
        ("seq", Column::Number),
        ("event", Column::Text(16)),
        ("detail", Column::Long),
    ],
    key: "id",
    unique: "",
};

/// All tables.
pub const ALL: [&Table; 3] = [&META, &MIGRATION, &EVENT];

impl Table {
    /// Writes the statement that creates the table where it is missing.
    ///
    /// `prefix` stands before its name.
    pub fn create(&self, dialect: Dialect, prefix: &str) -> String {
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .map(|(name, column)| {
                let null = if *column == Column::Long { "" } else { " NOT NULL" };
                format!("{name} {}{null}", column.sql(dialect))
            })
            .collect();
        lines.push(format!("PRIMARY KEY ({})", self.key));
        if !self.unique.is_empty() {
            lines.push(format!("UNIQUE ({})", self.unique));
        }
        let options = match dialect {
            Dialect::Mysql | Dialect::Mariadb => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            Dialect::Postgres | Dialect::Sqlite => "",
        };
        format!("CREATE TABLE IF NOT EXISTS {prefix}{} (\n  {}\n){options}", self.name, lines.join(",\n  "))
    }

    /// Writes the statement that adds the last column to a table of an older format.
    pub fn add_last(&self, dialect: Dialect, prefix: &str) -> String {
        let (name, column) = self.columns[self.columns.len() - 1];
        let nothing = text("", dialect);
        format!(
            "ALTER TABLE {prefix}{} ADD COLUMN {name} {} NOT NULL DEFAULT {nothing}",
            self.name,
            column.sql(dialect)
        )
    }

    /// Returns the names of the columns, joined for a statement.
    pub fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    fn sql(self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Number, Dialect::Sqlite) => "INTEGER".to_owned(),
            (Self::Number, _) => "BIGINT".to_owned(),
            (Self::Text(_) | Self::Long, Dialect::Sqlite) | (Self::Long, Dialect::Postgres) => "TEXT".to_owned(),
            (Self::Long, Dialect::Mysql | Dialect::Mariadb) => "LONGTEXT".to_owned(),
            (Self::Text(length), _) => format!("VARCHAR({length})"),
        }
    }
}
