//! Statements that change tables without transactions: they cannot share one with the record of themselves.
//!
//! MyISAM, Aria, MEMORY and their like keep what a statement did when its transaction is taken back (manual of MySQL,
//! "The MyISAM Storage Engine"), so such a statement is marked as begun before it runs. Refuses to know how the
//! database tells which tables these are.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::config::Dialect;
use crate::engine::run::Runner;
use crate::engine::wire::Wire;
use crate::engine::words::Words;
use crate::engine::{Script, Shares, Trouble};
use crate::history::Mode;
use crate::sql::facts::{Purpose, head};

/// What is known about the tables of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tables {
    /// Those without transactions, in lower case.
    pub(super) without: BTreeSet<String>,
    /// Whether a table whose definition names no engine has none.
    pub(super) by_default: bool,
}

/// Sets statements apart that change tables without transactions; a script with such runs as a journal.
fn apart<'s>(script: &'s Script, known: &Tables, dialect: Dialect) -> Cow<'s, Script> {
    let mut tables = known.without.clone();
    let mut numbers = Vec::new();
    for (number, statement) in script.statements.iter().enumerate() {
        let words = Words::of(&statement.text, dialect);
        tables.extend(defines(&words, known.by_default, &tables));
        let names = |(word, _): &(String, bool)| tables.contains(&word.to_lowercase());
        let data =
            statement.shares != Shares::Nothing && head(&statement.text, dialect).purpose(dialect) == Purpose::Data;
        if data && words.list.iter().any(names) {
            numbers.push(number);
        }
    }
    if numbers.is_empty() {
        return Cow::Borrowed(script);
    }
    let mut script = Script { mode: Mode::Journal, ..script.clone() };
    for number in numbers {
        script.statements[number].shares = Shares::Nothing;
    }
    Cow::Owned(script)
}

impl<W: Wire> Runner<W> {
    /// Sets the statements apart that change tables without transactions; of several scripts the first one that has such
    /// is returned instead.
    pub(super) fn apart<'s>(&mut self, scripts: &'s [Script]) -> Result<Result<Cow<'s, [Script]>, usize>, Trouble> {
        let dialect = self.wire.dialect();
        if self.tables.is_none() {
            self.unchain()?;
            self.tables = Some(self.wire.tables().map_err(|fault| self.explain(&fault))?);
        }
        let known = self.tables.clone().unwrap_or_default();
        if known == Tables::default() && !matches!(dialect, Dialect::Mysql | Dialect::Mariadb) {
            return Ok(Ok(Cow::Borrowed(scripts)));
        }
        let set_apart: Vec<Cow<'s, Script>> = scripts.iter().map(|script| apart(script, &known, dialect)).collect();
        if let Some(index) = set_apart.iter().position(|script| script.mode == Mode::Journal && scripts.len() > 1) {
            return Ok(Err(index));
        }
        if set_apart.iter().any(|script| changes_tables(script, &known)) {
            self.tables = None;
        }
        Ok(Ok(match set_apart.iter().any(|script| matches!(script, Cow::Owned(_))) {
            true => Cow::Owned(set_apart.into_iter().map(Cow::into_owned).collect()),
            false => Cow::Borrowed(scripts),
        }))
    }
}

/// Says whether what is known about tables may not be true any more once a script has run.
fn changes_tables(script: &Script, known: &Tables) -> bool {
    script.statements.iter().filter(|statement| statement.shares == Shares::Nothing).any(|statement| {
        let text = statement.text.to_ascii_uppercase();
        // A view, a trigger, a copy or another name may lead to one that is known.
        let known = known.by_default || !known.without.is_empty();
        let tells = ["ENGINE", "LIKE", "RENAME", "TRIGGER", "VIEW", "PROCEDURE", "FUNCTION"]
            .iter()
            .any(|word| text.contains(word));
        known || tells || !text.starts_with(['C', 'A', 'D']) || text.starts_with("CALL")
    })
}

/// The table that a statement gives an engine without transactions.
fn defines(words: &Words, by_default: bool, known: &BTreeSet<String>) -> Option<String> {
    let mut words = words.clone();
    if !words.any(&["CREATE", "ALTER"]) {
        return None;
    }
    words.take(&["OR", "REPLACE"]);
    words.any(&["TEMPORARY"]);
    if !words.take(&["TABLE"]) {
        return None;
    }
    let _ = words.take(&["IF", "NOT", "EXISTS"]) || words.take(&["IF", "EXISTS"]);
    let (_, name) = words.qualified()?;
    // A copy has the engine of what it copies.
    if words.take(&["LIKE"]) || words.take(&["(", "LIKE"]) {
        let (_, copied) = words.qualified()?;
        return known.contains(&copied.to_lowercase()).then(|| name.to_lowercase());
    }
    let engine = words.list.iter().skip(words.at).skip_while(|(word, _)| !word.eq_ignore_ascii_case("ENGINE"));
    let engine = engine.skip(1).find(|(word, _)| word != "=");
    let without = engine.map_or(by_default, |(engine, _)| !engine.eq_ignore_ascii_case("InnoDB"));
    without.then(|| name.to_lowercase())
}
