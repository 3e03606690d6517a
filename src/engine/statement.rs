//! A statement of a script: its text, where it stands in its file, and with what it shares a transaction.
//!
//! Pure values. Refuses to know how it runs.

use crate::history::statement_sum;

/// With what a statement of a script shares a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shares {
    /// With other statements, and with the record of them.
    #[default]
    All,
    /// With the record of itself, and with no other statement.
    Record,
    /// With nothing: it is marked as begun before it runs.
    Nothing,
}

/// A statement of a script.
#[derive(Debug, Clone, Default)]
pub struct ScriptStatement {
    /// Its text.
    pub text: String,
    /// Line of its first token, from 1.
    pub line: usize,
    /// Column of its first token, from 1.
    pub column: usize,
    /// With what it shares a transaction.
    pub shares: Shares,
    /// The rows behind a `COPY ... FROM STDIN`.
    pub rows: Option<String>,
    /// Line of the first of them, from 1.
    pub rows_line: usize,
    /// How many blanks of the file were taken from each of its lines but the first.
    pub indent: usize,
}

impl ScriptStatement {
    /// Returns its sum, as the history holds it.
    pub fn sum(&self) -> String {
        statement_sum(&self.text, self.rows.as_deref())
    }

    /// Returns what stands for a row (from 1) of its rows where bytes of the statement count: they come behind its text.
    pub(super) fn byte_of_row(&self, row: usize) -> Option<usize> {
        let mut ends = self.rows.as_ref()?.match_indices('\n').map(|(at, _)| at + 1);
        let start = if row == 1 { 0 } else { ends.nth(row.checked_sub(2)?)? };
        Some(self.text.len() + 1 + start)
    }

    /// Returns line and column in the file of a byte of the statement or of its rows; of its beginning without one.
    pub fn place(&self, byte: Option<usize>) -> (usize, usize) {
        let row = byte.and_then(|byte| byte.checked_sub(self.text.len() + 1));
        if let Some(before) = row.and_then(|byte| self.rows.as_ref()?.get(..byte)) {
            return (self.rows_line + before.matches('\n').count(), 1);
        }
        let before = byte.and_then(|byte| self.text.get(..byte)).unwrap_or_default();
        match before.rsplit_once('\n') {
            None => (self.line, self.column + before.chars().count()),
            Some((lines, last)) => {
                (self.line + lines.matches('\n').count() + 1, last.chars().count() + 1 + self.indent)
            }
        }
    }

    /// Returns the text of a line of the file, if the statement has it; for one of its rows that of its first line.
    pub(super) fn text_of_line(&self, line: usize) -> Option<&str> {
        let row = self.rows.is_some() && line >= self.rows_line;
        self.text.lines().nth(if row { 0 } else { line.checked_sub(self.line)? })
    }
}
