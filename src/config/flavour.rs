//! A database product as a reader of SQL: which one, which release, and the settings that change how text reads.
//!
//! Knows how releases are written and compared. Refuses to know grammar.

use crate::config::Dialect;

/// A release of a product, such as `15`, `10.6` or `8.0.36`. What is not written is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Release {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

impl Release {
    /// Makes a release.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Reads one to three numbers with dots between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0_u16; 3];
        let mut parts = text.trim().split('.');
        for number in &mut numbers {
            let Some(part) = parts.next() else { break };
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *number = part.parse().ok()?;
        }
        (parts.next().is_none() && numbers != [0; 3]).then(|| Self::new(numbers[0], numbers[1], numbers[2]))
    }

    /// Reads what a server says of itself, such as `10.11.6-MariaDB-0+deb12u1`.
    pub fn of_server(said: &str) -> Option<Self> {
        let end = said.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(said.len());
        Self::parse(said[..end].trim_end_matches('.'))
    }

    /// Reads the number of a version comment: 80036 is 8.0.36.
    pub fn of_comment_number(number: u32) -> Self {
        let part = |divisor: u32| u16::try_from(number / divisor % 100).unwrap_or_default();
        Self::new(part(10_000), part(100), part(1))
    }

    /// Returns the number that MySQL and MariaDB write into version comments: 8.0.36 is 80036. Where no third number is
    /// written any may be meant, and the highest counts.
    pub fn comment_number(self) -> u32 {
        let patch = if self.patch == 0 { 99 } else { self.patch };
        u32::from(self.major) * 10_000 + u32::from(self.minor) * 100 + u32::from(patch)
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.major)?;
        if self.minor > 0 || self.patch > 0 {
            write!(formatter, ".{}", self.minor)?;
        }
        if self.patch > 0 {
            write!(formatter, ".{}", self.patch)?;
        }
        Ok(())
    }
}

/// Who reads the SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flavour {
    /// The product.
    pub dialect: Dialect,
    /// Its release; the newest known one where none is declared.
    pub release: Option<Release>,
    /// MySQL and MariaDB: `"` quotes names and not text (`ANSI_QUOTES` in `sql_mode`).
    pub ansi_quotes: bool,
    /// MySQL and MariaDB: a backslash is an ordinary character (`NO_BACKSLASH_ESCAPES` in `sql_mode`).
    pub no_backslash_escapes: bool,
}

/// The words of `sql_mode` that change how text reads.
pub const SQL_MODES: [&str; 2] = ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"];

/// Newest releases that this program knows, by dialect: what an undeclared release counts as.
const NEWEST: [Release; 4] =
    [Release::new(18, 0, 0), Release::new(9, 5, 0), Release::new(12, 1, 0), Release::new(3, 51, 0)];

/// Oldest releases that this program is for, by dialect.
const OLDEST: [Release; 4] =
    [Release::new(12, 0, 0), Release::new(8, 0, 0), Release::new(10, 6, 0), Release::new(3, 0, 0)];

impl Flavour {
    /// Returns the release, or the oldest one that this program is for.
    pub fn release_or_oldest(&self) -> Release {
        self.release.unwrap_or(OLDEST[self.dialect as usize])
    }

    /// Returns the release, or the newest known one.
    pub fn release_or_newest(&self) -> Release {
        self.release.unwrap_or(NEWEST[self.dialect as usize])
    }

    /// Says whether it is MySQL or MariaDB.
    pub fn is_mysql(&self) -> bool {
        matches!(self.dialect, Dialect::Mysql | Dialect::Mariadb)
    }

    /// Says `PostgreSQL 15`, or only the product where no release is declared.
    pub fn title(&self) -> String {
        match self.release {
            Some(release) => format!("{} {release}", self.dialect.title()),
            None => self.dialect.title().to_owned(),
        }
    }
}

impl From<Dialect> for Flavour {
    fn from(dialect: Dialect) -> Self {
        Self { dialect, release: None, ansi_quotes: false, no_backslash_escapes: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_and_compared_by_their_numbers() {
        assert_eq!(Release::parse("10.6"), Some(Release::new(10, 6, 0)));
        assert!(Release::parse("10.11") > Release::parse("10.6.2"));
        for wrong in ["", "x", "8.", "8.0.1.2", "-1", "8.0-log", "70000", "0"] {
            assert_eq!(Release::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Release::new(8, 0, 36).comment_number(), 80_036);
        assert_eq!(Release::of_comment_number(80_036), Release::new(8, 0, 36));
        assert_eq!(Release::of_server("10.11.6-MariaDB-0+deb12u1"), Some(Release::new(10, 11, 6)));
        assert_eq!(Release::of_server("8.4.10"), Some(Release::new(8, 4, 10)));
        assert_eq!(Release::of_server("unknown"), None);
        assert_eq!(Release::of_comment_number(101_100).to_string(), "10.11");
        assert_eq!(Release::new(15, 0, 0).to_string(), "15");
    }
}
