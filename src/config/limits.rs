//! How much of a file is judged before it is refused as too much: the bounds that stand before every parser.
//!
//! Knows the keys under `limits` and their defaults. The lower of two bounds counts.

use std::time::Duration;

use crate::config::reader::Section;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of brackets in a statement.
    pub nesting: usize,
    /// Longest statement, in bytes.
    pub statement: u64,
    /// Most statements of a file.
    pub statements: usize,
    /// Longest time that is spent on one file.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nesting: 1_000, statement: 16 << 20, statements: 100_000, time: Duration::from_secs(30) }
    }
}

impl Limits {
    /// Returns the lower of each bound.
    pub fn lower(self, other: Self) -> Self {
        Self {
            nesting: self.nesting.min(other.nesting),
            statement: self.statement.min(other.statement),
            statements: self.statements.min(other.statements),
            time: self.time.min(other.time),
        }
    }
}

/// Deepest nesting that may be configured: beyond it parsers would need more stack than there is.
const DEEPEST: u64 = 5_000;

/// Reads the table `limits` of a section; what is not set comes from `default`.
pub(super) fn limits(section: &Section<'_>, default: Limits) -> Limits {
    let Some(table) = section.section("limits") else { return default };
    let number = |key: &'static str, most: u64| {
        let written = table.whole(key)?;
        if (1..=most).contains(&written.value) {
            return usize::try_from(written.value).ok();
        }
        table.problems().add(
            written.span,
            format!("`{key}` must be between 1 and {most}"),
            "out of bounds",
            "leave it out for the default",
        );
        None
    };
    let limits = Limits {
        nesting: number("nesting", DEEPEST).unwrap_or(default.nesting),
        statements: number("statements", 10_000_000).unwrap_or(default.statements),
        statement: table.size("statement-size").unwrap_or(default.statement),
        time: table.duration("time").unwrap_or(default.time),
    };
    table.finish();
    limits
}
