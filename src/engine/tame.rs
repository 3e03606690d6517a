//! Scripts that leave their session as it was, and a session for those that come behind others.
//!
//! What a file told its session ends with it. Most files tell nothing, and after them the next one goes on in the same
//! session, even in the transaction that the commit of the one before began. Refuses to trust what it does not know: any
//! doubt costs a message, and no more.

use crate::config::Dialect;
use crate::engine::remains::ask_about_before;
use crate::engine::run::Runner;
use crate::engine::wire::Wire;
use crate::engine::words::Words;
use crate::engine::{Script, ScriptStatement, Session as _, Terms, Trouble};
use crate::sql::facts::head;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::holds;

impl Script {
    /// Says whether the script surely leaves settings, locks and temporary tables of its session as they were.
    pub(super) fn leaves_the_session(&self, dialect: Dialect) -> bool {
        let calls = |statement: &ScriptStatement| {
            let verb = head(&statement.text, dialect).verb;
            let rows = ["INSERT", "UPDATE", "DELETE"].contains(&verb.as_str());
            rows && dialect != Dialect::Sqlite && calls_unknown(&statement.text, dialect)
        };
        !tells(&self.statements, dialect) && !self.statements.iter().any(calls)
    }

    /// Says whether the script may make a routine that tells the session of whoever calls it something.
    fn makes_routines_that_tell(&self) -> bool {
        const KINDS: [&str; 6] = ["function", "procedure", "routine", "trigger", "extension", "package"];
        const HINTS: [&str; 12] = [
            "set",
            "advisory",
            "execute",
            "listen",
            "temp",
            "prepare",
            "discard",
            "load",
            "extension",
            "@",
            "get_lock",
            "last_insert",
        ];
        let has = |text: &str, words: &[&str]| words.iter().any(|word| holds(text, word));
        self.statements.iter().any(|statement| has(&statement.text, &KINDS) && has(&statement.text, &HINTS))
    }

    /// Says whether the script may keep a lock of its own beyond its transaction, which no setting gives back.
    fn takes_locks(&self) -> bool {
        self.statements.iter().any(|statement| holds(&statement.text, "advisory_lock"))
    }
}

/// Says whether statements may tell their session something by themselves: settings, variables, locks, temporary tables.
pub(super) fn tells(statements: &[ScriptStatement], dialect: Dialect) -> bool {
    const TAME: [&str; 11] =
        ["CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "COMMENT", "GRANT", "REVOKE", "COPY", "TRUNCATE"];
    const WILD: [&str; 2] = ["set_config", "pg_advisor"];
    statements.iter().any(|statement| {
        let verb = head(&statement.text, dialect).verb;
        let temporary = verb == "CREATE" && holds(&statement.text, "temp");
        // Variables of MySQL are values of the session.
        let mysql = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
        let variables = mysql && holds(&statement.text, "@") && Words::of(&statement.text, dialect).has_variable();
        !TAME.contains(&verb.as_str()) || temporary || variables || WILD.iter().any(|part| holds(&statement.text, part))
    })
}

impl<W: Wire> Runner<W> {
    /// Gets a session for scripts, and finds out whether the next ones may go on in it.
    pub(super) fn session_for(&mut self, scripts: &[Script]) -> Result<(), Trouble> {
        let dialect = self.wire.dialect();
        self.used |=
            !self.ours.is_empty() && scripts.iter().any(|script| ask_about_before(&script.statements, dialect));
        self.fresh_session()?;
        let quiet = scripts.iter().all(|script| script.leaves_the_session(dialect));
        if quiet && self.routines_tell.is_none() {
            self.unchain()?;
            self.routines_tell = Some(self.wire.routines_tell().map_err(|fault| self.explain(&fault))?);
        }
        self.tame = quiet && self.routines_tell == Some(false);
        self.used = !self.tame;
        if self.routines_tell == Some(false) && dialect != Dialect::Sqlite {
            let more = scripts.iter().any(Script::makes_routines_that_tell);
            self.routines_tell = (!more).then_some(false);
        }
        self.locks |= dialect == Dialect::Postgres && scripts.iter().any(Script::takes_locks);
        Ok(())
    }

    /// Where a script may have left something in the session, the next one gets a new session, under the same lock or
    /// one that is taken again: then nobody must have been at work in between.
    pub(super) fn fresh_session(&mut self) -> Result<(), Trouble> {
        if !std::mem::take(&mut self.used) {
            return Ok(());
        }
        self.unchain()?;
        self.settled = None;
        if self.wire.settles_all() && !std::mem::take(&mut self.locks) {
            return self.wire.settle(&Terms::default()).map_err(|fault| self.explain(&fault));
        }
        if self.wire.renew()? {
            return Ok(());
        }
        self.wire.reopen()?;
        if self.wire.keeps_lock() {
            return Ok(());
        }
        let known = std::mem::take(&mut self.seen);
        self.lock(self.wait, &mut |_| {})?;
        let rows = self.history()?;
        let mut theirs = rows.iter().filter(|row| !self.ours.contains(&row.seq));
        if theirs.any(|row| known.get(&row.seq) != Some(&row.reached())) {
            return Err(Trouble::new("somebody else applied migrations to this database", "schemagate sync"));
        }
        Ok(())
    }
}

/// Words before a parenthesis that call nothing, and functions of the engines that change no session.
const KNOWN: [&str; 48] = [
    "VALUES",
    "IN",
    "ON",
    "CONFLICT",
    "SET",
    "EXISTS",
    "ANY",
    "ALL",
    "SOME",
    "AND",
    "OR",
    "NOT",
    "AS",
    "USING",
    "FROM",
    "WHERE",
    "SELECT",
    "JOIN",
    "THEN",
    "ELSE",
    "WHEN",
    "ROW",
    "ARRAY",
    "KEY",
    "OVER",
    "FILTER",
    "RETURNING",
    "NOW",
    "COALESCE",
    "IFNULL",
    "NULLIF",
    "LOWER",
    "UPPER",
    "TRIM",
    "CONCAT",
    "REPEAT",
    "REPLACE",
    "LENGTH",
    "SUBSTRING",
    "MD5",
    "RANDOM",
    "COUNT",
    "SUM",
    "MIN",
    "MAX",
    "NEXTVAL",
    "GENERATE_SERIES",
    "CAST",
];

/// Says whether a change of rows calls a function of which it is not known that it leaves the session as it is.
fn calls_unknown(text: &str, dialect: Dialect) -> bool {
    let (mut last, mut named, mut into) = ("", false, false);
    for token in Lexer::new(text, dialect).filter(|token| token.kind.is_significant()) {
        let shown = token.span.of(text);
        if shown == "(" {
            let known = into || !named || KNOWN.iter().any(|word| last.eq_ignore_ascii_case(word));
            if !known {
                return true;
            }
        }
        let name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
        // The table behind INTO, with its schema, stands before its columns.
        into = last.eq_ignore_ascii_case("INTO") || into && (shown == "." || last == ".");
        (last, named) = (shown, name);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_unknown_functions_are_seen() {
        let calls = ["INSERT INTO s.log (a) SELECT f()", "UPDATE t SET a = s.f(1)", "DELETE FROM t WHERE \"F\"(a)"];
        let plain = [
            "INSERT INTO t (a, b) VALUES (1, 2), (3, (4))",
            "INSERT INTO s.\"T\" (a) VALUES (now())",
            "UPDATE t SET a = coalesce(b, 1) WHERE c IN (1, 2)",
            "INSERT INTO t VALUES ('f(x)')",
        ];
        for text in calls {
            assert!(calls_unknown(text, Dialect::Postgres), "{text}");
        }
        for text in plain {
            assert!(!calls_unknown(text, Dialect::Postgres), "{text}");
        }
    }
}
