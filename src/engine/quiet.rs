//! Scripts that surely leave their session as it was, as far as their text tells.
//!
//! Read from a short list of what is harmless: statements that define or change rows, and functions of the engines that
//! change no session. Whatever else stands there is doubt. Refuses to know what the database adds, such as its triggers.

use crate::config::Dialect;
use crate::engine::patience::Told;
use crate::engine::words::Words;
use crate::engine::{Script, ScriptStatement};
use crate::sql::facts::head;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::{begins, holds, holds_any};

impl Script {
    /// Says whether the script surely leaves settings, locks and temporary tables of its session as they were, if no
    /// routine of the database changes them.
    pub fn leaves_the_session(&self, dialect: Dialect) -> bool {
        let calls = |statement: &ScriptStatement| calls_unknown(&statement.text, dialect);
        !tells(&self.statements, dialect)
            && (dialect == Dialect::Sqlite || !self.makes_ways(dialect) && !self.statements.iter().any(calls))
    }

    /// Says whether the script may make something that runs by itself when others change rows: then what is known about
    /// the database is out of date, and the script itself may have made use of it.
    pub(super) fn makes_ways(&self, dialect: Dialect) -> bool {
        const KINDS: [&str; 8] =
            ["function", "procedure", "routine", "trigger", "extension", "package", "language", "view"];
        const CALLS: [&str; 7] =
            ["set_config", "advisory", "to_xml", "ts_stat", "last_insert", "_lock", "current_setting"];
        let ways = |text: &str| holds_any(text, &KINDS, true) || holds_any(text, &CALLS, false);
        let rows = |text: &str| ["INSERT", "UPDATE", "DELETE"].contains(&head(text, dialect).verb.as_str());
        self.statements.iter().any(|statement| !rows(&statement.text) && ways(&statement.text))
    }

    /// Says whether the script may leave a lock of its own in a session of PostgreSQL.
    pub(super) fn may_stay(&self) -> bool {
        self.statements.iter().any(|statement| holds(&statement.text, "advisory_lock"))
    }

    /// Says whether the script leaves something in a session of PostgreSQL that nothing takes back, and that nobody can ask
    /// for: a setting of its own (`a.b`) is empty behind `RESET` and is not shown.
    pub(super) fn stays(&self) -> bool {
        let stays = |statement: &ScriptStatement| {
            holds_any(&statement.text, &["set_config", "setseed", "replication_origin"], false)
                || head(&statement.text, Dialect::Postgres).verb == "LOAD"
                || holds_any(&statement.text, &["role", "user", "database"], true) && sets_for_logins(&statement.text)
                || sets_its_own(&statement.text)
        };
        self.statements.iter().any(stays)
    }
}

/// Says whether `ALTER ROLE` or `ALTER DATABASE` stands anywhere in a text, also in the body of a routine: what they set
/// counts for sessions that begin then.
fn sets_for_logins(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    let is = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    words.windows(2).any(|pair| is(pair[0], &["ALTER"]) && is(pair[1], &["ROLE", "USER", "DATABASE"]))
}

/// Says whether `SET a.b` stands anywhere in a text, also in the body of a routine.
fn sets_its_own(text: &str) -> bool {
    let words = |text: &str, word: &str| begins(text, word) && text[word.len()..].starts_with(char::is_whitespace);
    let places = text.char_indices().filter(|(_, character)| matches!(character, 's' | 'S'));
    places.map(|(at, _)| &text[at..]).any(|rest| {
        if !words(rest, "set") {
            return false;
        }
        let mut name = rest[3..].trim_start();
        for scope in ["session", "local"] {
            name = if words(name, scope) { name[scope.len()..].trim_start() } else { name };
        }
        let behind = name.trim_start_matches('"').trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        behind.len() < name.len() && behind.trim_start_matches('"').trim_start().starts_with('.')
    })
}

/// Says whether statements tell their session something, or what they set off may: a definition sets nothing off.
pub(super) fn told_by(statements: &[ScriptStatement], dialect: Dialect) -> Told {
    let calls = |statement: &ScriptStatement| calls_unknown(&statement.text, dialect);
    let defines = |statement: &ScriptStatement| {
        ["CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME"].contains(&head(&statement.text, dialect).verb.as_str())
    };
    let renames = |statement: &ScriptStatement| head(&statement.text, dialect).verb == "RENAME";
    let quiet = statements.iter().all(|one| renames(one) || !tells(std::slice::from_ref(one), dialect) && !calls(one));
    match quiet {
        false => Told::Yes,
        true if statements.iter().all(defines) => Told::No,
        true => Told::ByRoutines,
    }
}

/// Says whether statements may tell their session something by themselves: settings, variables, locks, temporary tables.
pub(super) fn tells(statements: &[ScriptStatement], dialect: Dialect) -> bool {
    const TAME: [&str; 11] =
        ["CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "COMMENT", "GRANT", "REVOKE", "COPY", "TRUNCATE"];
    const WILD: [&str; 3] = ["set_config", "pg_advisor", "pg_settings"];
    statements.iter().any(|statement| {
        let verb = head(&statement.text, dialect).verb;
        let temporary = verb == "CREATE" && holds(&statement.text, "temp");
        // Variables of MySQL are values of the session.
        let mysql = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
        let variables = mysql && holds(&statement.text, "@") && Words::of(&statement.text, dialect).has_variable();
        !TAME.contains(&verb.as_str()) || temporary || variables || holds_any(&statement.text, &WILD, false)
    })
}

/// Words before a parenthesis that call nothing: of the language, types, and functions of all engines that change no
/// session.
const KNOWN: &str = " VALUES IN ON CONFLICT SET EXISTS ANY ALL SOME AND OR NOT AS USING FROM WHERE SELECT JOIN THEN ELSE \
    WHEN ROW KEY OVER FILTER RETURNING UNIQUE CHECK DEFAULT INCLUDE WITH TO THAN RANGE LIST HASH BTREE \
    INDEX PARTITION COLUMNS UNION EXCEPT INTERSECT BY HAVING LIMIT LIKE BETWEEN CASE END IDENTITY DISTINCT \
    VARCHAR CHAR CHARACTER VARYING NCHAR NVARCHAR NUMERIC DECIMAL DEC FIXED INT INTEGER TINYINT SMALLINT MEDIUMINT BIGINT \
    FLOAT DOUBLE PRECISION REAL BIT BINARY VARBINARY TEXT BLOB DATETIME TIMESTAMP TIME YEAR INTERVAL ENUM VECTOR \
    NOW COALESCE IFNULL NULLIF LOWER UPPER TRIM CONCAT CONCAT_WS REPEAT REPLACE LENGTH CHAR_LENGTH SUBSTR SUBSTRING LEFT \
    RIGHT LPAD RPAD MD5 RAND ABS ROUND FLOOR CEIL GREATEST LEAST COUNT SUM MIN MAX AVG CAST CURRENT_TIMESTAMP CURRENT_TIME \
    LOCALTIMESTAMP UUID EXTRACT ROW_NUMBER JSON_OBJECT JSON_ARRAY ";

/// The same of PostgreSQL alone: elsewhere anybody may make a function of such a name.
const OF_POSTGRES: &str = " ARRAY GIN GIST BRIN TIMESTAMPTZ TIMETZ RANDOM NEXTVAL GENERATE_SERIES GEN_RANDOM_UUID DATE_TRUNC \
    TO_CHAR TO_TIMESTAMP TO_DATE JSONB_BUILD_OBJECT JSON_BUILD_OBJECT STRING_AGG ARRAY_AGG UNNEST ";

/// Words behind which a name comes that is not called, whatever stands behind it.
const NAMES: &str = " INTO TABLE EXISTS REFERENCES INDEX KEY UNIQUE COPY RECURSIVE ONLY CONSTRAINT ";

fn is_known(word: &str, dialect: Dialect) -> bool {
    is_in(KNOWN, word) || dialect == Dialect::Postgres && is_in(OF_POSTGRES, word)
}

fn is_in(list: &str, word: &str) -> bool {
    let mut words = list.split_ascii_whitespace();
    words.any(|known| known.eq_ignore_ascii_case(word))
}

/// Says whether a statement calls a function of which it is not known that it leaves the session as it is.
fn calls_unknown(text: &str, dialect: Dialect) -> bool {
    let definition = ["CREATE", "ALTER"].contains(&head(text, dialect).verb.as_str());
    // `named`: a word that may be called; `introduced`: it is a name that stands behind one of those words.
    let mysql = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
    let (mut last, mut named, mut introduced, mut qualified, mut queries) = ("", false, false, false, false);
    for token in Lexer::new(text, dialect).filter(|token| token.kind.is_significant()) {
        let shown = token.span.of(text);
        if shown == "(" && named && !introduced && (qualified || !is_known(last, dialect)) {
            return true;
        }
        let name = matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
        let dot = shown == ".";
        // The triggers of another database may not be seen.
        if mysql && !definition && dot {
            return true;
        }
        // The table of an index stands behind ON; behind the one of a join there may be a call.
        let before = is_in(NAMES, last) || definition && !queries && last.eq_ignore_ascii_case("ON");
        introduced = name && before || introduced && (dot || last == ".");
        qualified = name && last == ".";
        queries |= shown.eq_ignore_ascii_case("SELECT");
        (last, named) = (shown, name);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_ones_own_are_seen_wherever_they_stand() {
        for text in ["SET app.user_id = 5", "set  local \"App\" . x = 1", "DO $$ BEGIN SET SESSION a.b = 1; END $$"] {
            assert!(sets_its_own(text), "{text}");
        }
        for text in ["UPDATE t SET a = b.c", "SET search_path = a", "SELECT offset.a", "SET \u{e9}"] {
            assert!(!sets_its_own(text), "{text}");
        }
    }

    #[test]
    fn what_counts_for_later_logins_is_seen() {
        assert!(sets_for_logins("alter role app SET search_path = app"));
        assert!(sets_for_logins("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET a = 1', 'x'); END $$"));
        assert!(!sets_for_logins("ALTER TABLE role ADD COLUMN database TEXT"));
    }

    #[test]
    fn calls_of_unknown_functions_are_seen() {
        let calls = [
            "INSERT INTO s.log (a) SELECT f()",
            "UPDATE t SET a = s.f(1)",
            "UPDATE t SET a = s.now()",
            "DELETE FROM t WHERE \"F\"(a)",
            "CREATE TABLE d AS SELECT g()",
            "CREATE TABLE d AS SELECT 1 FROM a JOIN b ON f(a.id)",
            "ALTER TABLE t ADD COLUMN a INT DEFAULT s.f()",
            "ALTER TABLE t ALTER COLUMN a TYPE INT USING f(a)",
            "CREATE INDEX i ON t (f(a))",
            "COPY (SELECT f()) TO STDOUT",
        ];
        let plain = [
            "INSERT INTO t (a, b) VALUES (1, 2), (3, (4))",
            "INSERT INTO s.\"T\" (a) VALUES (now())",
            "UPDATE t SET a = coalesce(b, 1) WHERE c IN (1, 2)",
            "INSERT INTO t VALUES ('f(x)')",
            "CREATE TABLE IF NOT EXISTS s.t (id INTEGER PRIMARY KEY, name VARCHAR(50), n NUMERIC(5, 2) REFERENCES u (id))",
            "CREATE UNIQUE INDEX i ON s.t USING btree (lower(name))",
            "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES s.u (id)",
            "COPY t (a, b) FROM STDIN",
        ];
        for text in calls {
            assert!(calls_unknown(text, Dialect::Postgres), "{text}");
        }
        for text in plain {
            assert!(!calls_unknown(text, Dialect::Postgres), "{text}");
        }
    }
}
