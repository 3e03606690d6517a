//! The two files: the manifest in the repository and the server file beside the hooks.
//!
//! Text comes in, settings that are valid by construction come out, or findings that point into the text.
//! Refuses to know where the files are and how they are read.

pub mod conventions;
pub mod databases;
pub mod flavour;
pub mod limits;
pub mod manifest;
mod problems;
pub mod reader;
pub mod server;
mod targets;
pub mod units;
pub mod urls;
pub mod weights;

#[cfg(test)]
mod tests;

use globset::{GlobBuilder, GlobMatcher};

/// The name of the manifest at the top of a repository.
pub const MANIFEST: &str = "schemagate.toml";

/// The name of the server file in the Git directory, beside the `hooks` folder.
pub const SERVER_FILE: &str = "schemagate-server.toml";

/// Largest migration unless configured, in bytes: 16 MiB.
pub const LARGEST_FILE: u64 = 16 << 20;

/// A database product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mysql, Self::Mariadb, Self::Sqlite];
    /// Their words in configuration, in the same order.
    pub const WORDS: [&'static str; 4] = ["postgres", "mysql", "mariadb", "sqlite"];

    /// Returns the word of configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Returns the product's own spelling.
    pub fn title(self) -> &'static str {
        ["PostgreSQL", "MySQL", "MariaDB", "SQLite"][self as usize]
    }
}

/// A shell-style pattern in which `*` and `?` stay inside one `/` segment and `**` crosses segments.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// None where the text stands for itself: most branch filters do, and compiling costs every hook.
    matcher: Option<GlobMatcher>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            return Ok(Self { text: text.to_owned(), matcher: None });
        }
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| error.kind().to_string())?;
        Ok(Self { text: text.to_owned(), matcher: Some(glob.compile_matcher()) })
    }

    /// Says whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.as_ref().map_or(self.text == text, |matcher| matcher.is_match(text))
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Names that may be used for projects, environments and databases in configuration.
pub fn name_complaint(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name may not be empty".to_owned());
    }
    let usable = |c: char| crate::layout::template::is_value_character(c) && !crate::text::is_unsafe(c);
    name.chars()
        .find(|c| !usable(*c))
        .map(|wrong| format!("`{}` may not stand in a name", crate::text::sanitize(&wrong.to_string())))
}
