//! The words of the field as types: paths, versions, kinds, names, identities of content.
//!
//! Everything here is parsed once at the border and never a raw string afterwards. Refuses to know where values
//! come from and what is judged of them.

use std::fmt;

use crate::finding::hex;
use crate::text::display_bytes;

/// A path inside the repository: bytes as Git stores them, `/` between segments, never absolute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

impl RepoPath {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as text, if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the path as it may be shown: other bytes than UTF-8, and control characters, escaped.
    pub fn display(&self) -> String {
        display_bytes(&self.0)
    }

    /// Returns the path with one more segment.
    pub fn join(&self, name: &[u8]) -> Self {
        let mut bytes = self.0.clone();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self(bytes)
    }

    /// Says whether this path lies under the folder `base`. Every path lies under the empty base.
    pub fn is_under(&self, base: &str) -> bool {
        base.is_empty()
            || (self.0.len() > base.len() && self.0.starts_with(base.as_bytes()) && self.0[base.len()] == b'/')
    }

    /// Says whether this path lies under `base` when upper and lower case are not told apart.
    pub fn is_nearly_under(&self, base: &str) -> bool {
        let folder = self.0.get(..base.len()).unwrap_or_default();
        self.is_under(base) || (folder.eq_ignore_ascii_case(base.as_bytes()) && self.0.get(base.len()) == Some(&b'/'))
    }

    /// Returns the last segment.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Returns everything before the last segment, empty for a file at the top.
    pub fn folder(&self) -> &[u8] {
        let name = self.file_name().len();
        self.0[..self.0.len() - name].strip_suffix(b"/").unwrap_or_default()
    }
}

impl From<&str> for RepoPath {
    fn from(path: &str) -> Self {
        Self(path.as_bytes().to_vec())
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a name that was already validated.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// Returns the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&crate::text::sanitize(&self.0))
            }
        }
    };
}

name_type!(
    /// The name of an environment, compared exactly.
    EnvironmentName
);
name_type!(
    /// The name of a database as paths spell it, compared exactly.
    DatabaseName
);
name_type!(
    /// The name of a project of the manifest.
    ProjectName
);
name_type!(
    /// A version as written in a path. Order is a matter of the project's settings.
    Version
);

/// What a migration holds. Ordered: schema statements run before data statements of the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Schema statements; in paths `ddl` or `migrate`.
    Ddl,
    /// Data statements; in paths `dml` or `data`.
    Dml,
}

impl Kind {
    /// The words of a path, with their meaning.
    pub const WORDS: [(&'static str, Self); 4] =
        [("ddl", Self::Ddl), ("migrate", Self::Ddl), ("dml", Self::Dml), ("data", Self::Dml)];

    /// Reads the word of a path, in exact case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }

    /// Returns the plain word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ddl => "ddl",
            Self::Dml => "dml",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The identity of a Git object: 40 or 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ObjectId(String);

impl ObjectId {
    /// Reads an identity; `None` unless it is 40 or 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (digits && matches!(text.len(), 40 | 64)).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Makes an identity of its raw bytes, 20 or 32.
    pub fn from_raw(raw: &[u8]) -> Self {
        Self(hex(raw))
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    /// Says whether all digits are zero: Git's word for "no such object".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What kind of entry a tree or an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileMode {
    /// A regular file, executable or not.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A submodule.
    Submodule,
    /// A mode that Git itself does not write.
    Unknown(u32),
}

impl FileMode {
    /// Reads Git's mode bits. Folders are not files: they come back as `Unknown`.
    pub fn from_bits(bits: u32) -> Self {
        match bits {
            0o100644 | 0o100755 | 0o100664 => Self::Regular,
            0o120000 => Self::Symlink,
            0o160000 => Self::Submodule,
            other => Self::Unknown(other),
        }
    }
}

/// A file at one tree or index, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where.
    pub path: RepoPath,
    /// What kind.
    pub mode: FileMode,
    /// Which content.
    pub blob: ObjectId,
}

/// What happened to one path between two snapshots. At least one side is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: RepoPath,
    /// The file before, if there was one.
    pub before: Option<(FileMode, ObjectId)>,
    /// The file after, if there is one.
    pub after: Option<(FileMode, ObjectId)>,
}

/// One file that a project's template matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Whose.
    pub project: ProjectName,
    /// Where.
    pub path: RepoPath,
    /// The environment, where the template names one.
    pub environment: Option<EnvironmentName>,
    /// The database; none in a project for a group of databases.
    pub database: Option<DatabaseName>,
    /// The version as written.
    pub version: Version,
    /// Text whose byte order is the project's version order; equal keys are the same version.
    pub version_key: String,
    /// Schema or data.
    pub kind: Kind,
    /// The description as shown; empty where the template has none.
    pub description: String,
    /// The content.
    pub blob: ObjectId,
    /// The databases of the group that take it, where it is a data change that was read and says so; all without it.
    pub only: Option<Vec<DatabaseName>>,
}

/// A migration as histories name it: project, version in its order, kind.
pub type Place = (String, String, Kind);

impl Migration {
    /// Returns what histories name it by.
    pub fn place(&self) -> Place {
        (self.project.as_str().to_owned(), self.version_key.clone(), self.kind)
    }

    /// Returns what decides the order within one database: version first, then schema before data.
    pub fn position(&self) -> (&str, Kind) {
        (&self.version_key, self.kind)
    }
}

/// Checksums of a migration's bytes, as history records them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Checksums {
    /// `1:sha256:HEX` over the bytes as they are.
    pub bytes: String,
    /// `1:sha256:HEX` over its tokens, without white space and comments; see `sql::checksum`.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_compared_by_whole_segments() {
        assert!(RepoPath::from("db/a.sql").is_under("db"));
        assert!(!RepoPath::from("db2/a.sql").is_under("db"));
        assert_eq!(RepoPath::from("a/b/c.sql").folder(), b"a/b");
        assert_eq!(RepoPath::from("c.sql").folder(), b"");
    }

    #[test]
    fn identities_are_digits() {
        assert!(ObjectId::parse(&"0".repeat(40)).is_some_and(|id| id.is_zero()));
        assert!(ObjectId::parse("main").is_none());
    }
}
