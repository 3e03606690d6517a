//! What a statement leaves in the catalogue, read from its words.
//!
//! A single definition is atomic in MySQL 8 (manual, "Atomic Data Definition Statement Support"), in MariaDB from 10.6
//! (knowledge base, "Atomic DDL") and in PostgreSQL, so one of its effects speaks for all. Refuses to guess: what leaves
//! no trace is said to be undecidable.

use crate::config::Dialect;
use crate::engine::probe::{Effect, Kind};
use crate::sql::lex::{Lexer, TokenKind};

/// The words of a statement, as they are read one behind the other.
struct Words {
    /// Upper case for words; quotes taken off names, which are marked.
    list: Vec<(String, bool)>,
    at: usize,
    folds: bool,
}

impl Words {
    fn of(text: &str, dialect: Dialect) -> Self {
        let list = Lexer::new(text, dialect).filter(|token| token.kind.is_significant()).map(|token| {
            let shown = token.span.of(text);
            if token.kind == TokenKind::QuotedName {
                let quote = shown.chars().next().unwrap_or('"');
                let inner = shown.get(1..shown.len() - 1).unwrap_or_default();
                (inner.replace(&format!("{quote}{quote}"), &quote.to_string()), true)
            } else {
                (shown.to_owned(), false)
            }
        });
        Self { list: list.collect(), at: 0, folds: dialect == Dialect::Postgres }
    }

    fn peek(&self, word: &str) -> bool {
        self.list.get(self.at).is_some_and(|(shown, quoted)| !quoted && shown.eq_ignore_ascii_case(word))
    }

    /// Takes these words if they come next.
    fn take(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for word in words {
            if !self.peek(word) {
                self.at = start;
                return false;
            }
            self.at += 1;
        }
        true
    }

    fn any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(&[word]))
    }

    fn name(&mut self) -> Option<String> {
        let (shown, quoted) = self.list.get(self.at)?.clone();
        let word = quoted || shown.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        self.at += usize::from(word);
        word.then(|| if self.folds && !quoted { shown.to_lowercase() } else { shown })
    }

    /// A name with the schema that may stand before it.
    fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let first = self.name()?;
        if self.take(&["."]) { Some((Some(first), self.name()?)) } else { Some((None, first)) }
    }

    /// Goes behind the next comma outside of parentheses; false at the end.
    fn next_action(&mut self) -> bool {
        let mut depth = 0_usize;
        while let Some((shown, quoted)) = self.list.get(self.at) {
            self.at += 1;
            match (shown.as_str(), quoted) {
                ("(", false) => depth += 1,
                (")", false) => depth = depth.saturating_sub(1),
                (",", false) if depth == 0 => return true,
                _ => {}
            }
        }
        false
    }
}

fn harmless() -> Vec<Effect> {
    vec![Effect { kind: Kind::Harmless, schema: None, table: None, name: String::new(), there: true }]
}

const UNKNOWN: &str = "its effect cannot be looked up";

/// Reads what a statement leaves.
///
/// # Errors
/// Why that cannot be looked up.
pub(super) fn effects(text: &str, dialect: Dialect) -> Result<Vec<Effect>, String> {
    let mut words = Words::of(text, dialect);
    let repeatable = [
        "GRANT",
        "REVOKE",
        "COMMENT",
        "ANALYZE",
        "ANALYSE",
        "OPTIMIZE",
        "CHECK",
        "REPAIR",
        "FLUSH",
        "VACUUM",
        "REINDEX",
        "CLUSTER",
        "SET",
        "RESET",
        "SHOW",
        "PRAGMA",
        "EXPLAIN",
        "DESCRIBE",
        "UNLOCK",
        "DISCARD",
        "CHECKPOINT",
    ];
    if words.any(&repeatable) || words.take(&["ALTER", "SYSTEM"]) {
        return Ok(harmless());
    }
    let effects = if words.take(&["CREATE"]) {
        created(&mut words)
    } else if words.take(&["DROP"]) {
        dropped(&mut words)
    } else if words.take(&["ALTER"]) {
        altered(&mut words)
    } else if words.any(&["RENAME"]) {
        renamed(&mut words)
    } else {
        None
    };
    effects.filter(|effects| !effects.is_empty()).ok_or_else(|| UNKNOWN.to_owned())
}

fn kind(words: &mut Words) -> Option<Kind> {
    let kinds = [
        ("TABLE", Kind::Table),
        ("VIEW", Kind::Table),
        ("SEQUENCE", Kind::Table),
        ("INDEX", Kind::Index),
        ("TRIGGER", Kind::Trigger),
        ("PROCEDURE", Kind::Routine),
        ("FUNCTION", Kind::Routine),
        ("EVENT", Kind::Event),
        ("DATABASE", Kind::Database),
        ("SCHEMA", Kind::Database),
    ];
    kinds.into_iter().find(|(word, _)| words.take(&[word])).map(|(_, kind)| kind)
}

fn created(words: &mut Words) -> Option<Vec<Effect>> {
    if words.take(&["OR", "REPLACE"]) {
        return Some(harmless());
    }
    if words.any(&["USER", "ROLE", "SERVER", "TABLESPACE", "LOGFILE", "PACKAGE", "SUBSCRIPTION", "RESOURCE"]) {
        return None;
    }
    // DEFINER = user@host, ALGORITHM = ..., SQL SECURITY ..., UNIQUE and the like stand before the kind.
    let kind = (0..12).find_map(|_| {
        let kind = kind(words);
        words.at += usize::from(kind.is_none());
        kind
    })?;
    words.any(&["CONCURRENTLY"]);
    if words.take(&["IF", "NOT", "EXISTS"]) {
        return Some(harmless());
    }
    if kind == Kind::Index && words.peek("ON") {
        return None;
    }
    let (mut schema, name) = words.qualified()?;
    let mut table = None;
    if kind == Kind::Index {
        while !words.peek("ON") {
            words.at += 1;
            words.list.get(words.at)?;
        }
        words.take(&["ON"]);
        words.any(&["ONLY"]);
        let (of, on) = words.qualified()?;
        (schema, table) = (of, Some(on));
    }
    // A table that is filled by its own definition may be there without its rows.
    let fills = words.list[words.at..].iter().any(|(word, quoted)| !quoted && word.eq_ignore_ascii_case("SELECT"));
    if kind == Kind::Table && fills && !words.folds && !is_view(words) {
        return None;
    }
    Some(vec![Effect { kind, schema, table, name, there: true }])
}

fn is_view(words: &Words) -> bool {
    words.list.iter().take(12).any(|(word, quoted)| !quoted && word.eq_ignore_ascii_case("VIEW"))
}

fn dropped(words: &mut Words) -> Option<Vec<Effect>> {
    words.any(&["TEMPORARY"]);
    let kind = kind(words)?;
    words.any(&["CONCURRENTLY"]);
    if words.take(&["IF", "EXISTS"]) {
        return Some(harmless());
    }
    let mut effects = Vec::new();
    loop {
        let (mut schema, name) = words.qualified()?;
        let mut table = None;
        if kind == Kind::Index && words.take(&["ON"]) {
            let (of, on) = words.qualified()?;
            (schema, table) = (of, Some(on));
        }
        effects.push(Effect { kind, schema, table, name, there: false });
        if !words.take(&[","]) {
            return Some(effects);
        }
    }
}

fn renamed(words: &mut Words) -> Option<Vec<Effect>> {
    if !words.any(&["TABLE", "TABLES"]) {
        return None;
    }
    let mut effects = Vec::new();
    loop {
        let (old_schema, old) = words.qualified()?;
        words.take(&["TO"]);
        let (schema, name) = words.qualified()?;
        effects.push(Effect { kind: Kind::Table, schema: old_schema, table: None, name: old, there: false });
        effects.push(Effect { kind: Kind::Table, schema, table: None, name, there: true });
        if !words.take(&[","]) {
            // Names that are swapped say nothing.
            let twice = |name: &String| effects.iter().filter(|effect| effect.name == *name).count() > 1;
            return (!effects.iter().any(|effect| twice(&effect.name))).then_some(effects);
        }
    }
}

fn altered(words: &mut Words) -> Option<Vec<Effect>> {
    words.any(&["ONLINE"]);
    words.any(&["IGNORE"]);
    if !words.take(&["TABLE"]) {
        return None;
    }
    if words.take(&["IF", "EXISTS"]) {
        return None;
    }
    words.any(&["ONLY"]);
    let (schema, table) = words.qualified()?;
    let effect = |kind, name, there| Effect { kind, schema: schema.clone(), table: Some(table.clone()), name, there };
    let mut effects = Vec::new();
    let mut again = true;
    let mut only_repeatable = true;
    while again {
        let repeatable = words.any(&["MODIFY", "ENGINE", "CONVERT", "COMMENT", "DEFAULT", "CHARACTER", "ROW_FORMAT"])
            || words.take(&["ALTER"])
            || words.any(&["ALGORITHM", "LOCK", "COLLATE", "AUTO_INCREMENT", "FORCE"]);
        if !repeatable {
            only_repeatable = false;
            if let Some((kind, name, there)) = action(words) {
                effects.push(effect(kind, name, there));
            }
        }
        again = words.next_action();
    }
    if only_repeatable { Some(harmless()) } else { Some(effects) }
}

/// Reads one action of ALTER TABLE whose effect shows in the catalogue.
fn action(words: &mut Words) -> Option<(Kind, String, bool)> {
    let constraint = |words: &mut Words| words.any(&["CONSTRAINT"]).then(|| words.name()).flatten();
    if words.take(&["ADD"]) {
        if words.peek("CONSTRAINT")
            && words.list.get(words.at + 1).is_some_and(|(word, _)| word.eq_ignore_ascii_case("IF"))
        {
            return None;
        }
        if let Some(name) = constraint(words) {
            return Some((Kind::Constraint, name, true));
        }
        let index = words.any(&["UNIQUE", "FULLTEXT", "SPATIAL"]);
        if words.any(&["INDEX", "KEY"]) || index {
            return if words.peek("IF") { None } else { words.name().map(|name| (Kind::Index, name, true)) };
        }
        let other = ["PRIMARY", "FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM", "(", "IF"];
        if other.iter().any(|word| words.peek(word)) {
            return None;
        }
        words.any(&["COLUMN"]);
        return if words.peek("IF") { None } else { words.name().map(|name| (Kind::Column, name, true)) };
    }
    if words.take(&["DROP"]) {
        if words.take(&["PRIMARY"]) || words.peek("PARTITION") || words.peek("SYSTEM") {
            return None;
        }
        if words.any(&["INDEX", "KEY"]) {
            return words.name().map(|name| (Kind::Index, name, false));
        }
        if words.take(&["FOREIGN", "KEY"]) || words.any(&["CONSTRAINT", "CHECK"]) {
            return words.name().map(|name| (Kind::Constraint, name, false));
        }
        words.any(&["COLUMN"]);
        return if words.peek("IF") { None } else { words.name().map(|name| (Kind::Column, name, false)) };
    }
    if words.take(&["CHANGE"]) {
        words.any(&["COLUMN"]);
        let (old, new) = (words.name()?, words.name()?);
        return (old != new).then_some((Kind::Column, new, true));
    }
    if words.take(&["RENAME"]) {
        if words.take(&["COLUMN"]) {
            let old = words.name()?;
            words.take(&["TO"]);
            return words.name().filter(|new| *new != old).map(|new| (Kind::Column, new, true));
        }
        if words.any(&["INDEX", "KEY"]) {
            words.name()?;
            words.take(&["TO"]);
            return words.name().map(|new| (Kind::Index, new, true));
        }
        words.any(&["TO", "AS"]);
        return words.name().map(|name| (Kind::Table, name, true));
    }
    None
}

/// The name of the index that a `CREATE INDEX CONCURRENTLY` of PostgreSQL makes, with the schema of its table.
pub(super) fn index_made(text: &str) -> Option<(Option<String>, String)> {
    let mut words = Words::of(text, Dialect::Postgres);
    let create =
        words.take(&["CREATE", "INDEX", "CONCURRENTLY"]) || words.take(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"]);
    words.take(&["IF", "NOT", "EXISTS"]);
    if !create || words.peek("ON") {
        return None;
    }
    let name = words.name()?;
    words.take(&["ON"]);
    words.any(&["ONLY"]);
    let (schema, _) = words.qualified()?;
    Some((schema, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match effects(text, Dialect::Mariadb) {
            Ok(effects) => effects
                .iter()
                .map(|effect| {
                    let sign = if effect.there { '+' } else { '-' };
                    let table = effect.table.as_deref().map(|table| format!("{table}.")).unwrap_or_default();
                    format!("{sign}{:?} {table}{}", effect.kind, effect.name)
                })
                .collect::<Vec<_>>()
                .join(", "),
            Err(_) => "?".to_owned(),
        }
    }

    #[test]
    fn the_trace_of_a_definition_is_read_and_what_leaves_none_is_said() {
        let cases = [
            ("CREATE TABLE `a``b` (id INT)", "+Table a`b"),
            ("CREATE TABLE IF NOT EXISTS a (id INT)", "+Harmless "),
            ("CREATE TABLE a AS SELECT 1 AS x", "?"),
            ("CREATE ALGORITHM = MERGE DEFINER = root@localhost VIEW v AS SELECT 1", "+Table v"),
            ("CREATE UNIQUE INDEX i ON s.t (a)", "+Index t.i"),
            ("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", "+Trigger tr"),
            ("DROP TABLE a, b", "-Table a, -Table b"),
            ("DROP INDEX i ON t", "-Index t.i"),
            (
                "ALTER TABLE t ADD COLUMN a INT DEFAULT (1, 2), DROP b, ADD KEY k (a)",
                "+Column t.a, -Column t.b, +Index t.k",
            ),
            ("ALTER TABLE t MODIFY a BIGINT, ALGORITHM = INPLACE", "+Harmless "),
            ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "+Constraint t.c"),
            ("ALTER TABLE t CHANGE a b INT", "+Column t.b"),
            ("ALTER TABLE t ADD UNIQUE u (a)", "+Index t.u"),
            ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "?"),
            ("CREATE USER event@localhost", "?"),
            ("ALTER TABLE t DROP PRIMARY KEY", "?"),
            ("RENAME TABLE a TO b", "-Table a, +Table b"),
            ("RENAME TABLE a TO x, b TO a, x TO b", "?"),
            ("UPDATE t SET a = a + 1", "?"),
            ("CALL p()", "?"),
            ("TRUNCATE t", "?"),
            ("GRANT SELECT ON t TO u", "+Harmless "),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
