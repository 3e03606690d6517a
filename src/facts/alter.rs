//! `ALTER TABLE`.

use std::rc::Rc;

use crate::config::Dialect;
use crate::facts::column::{at_constraint, column, constraint, expression, type_of};
use crate::facts::cursor::Cursor;
use crate::facts::table::{at_index, inline_index, option};
use crate::facts::{Action, Alteration, Change, Fact, Ident, Name, Object};
use crate::text::Span;

/// Reads what stands behind ALTER TABLE.
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.any(&["IF EXISTS"]);
    cursor.any(&["ONLY"]);
    if cursor.take("ALL IN TABLESPACE") {
        return Some(Fact::Rewrite { words: "SET TABLESPACE", tables: Vec::new() });
    }
    let table = cursor.name()?;
    cursor.any(&["*"]);
    if cursor.mysql() {
        while cursor.any(&["WAIT", "NOWAIT"]) {
            if !cursor.over() && cursor.shown().bytes().all(|byte| byte.is_ascii_digit()) {
                cursor.skip();
            }
        }
    }
    let mut actions = Vec::new();
    while !cursor.over() {
        let start = cursor.here();
        if cursor.mysql() && several_columns(cursor, &mut actions)? {
            cursor.take(",");
            continue;
        }
        let change = action(cursor, &table)?;
        // What is left of the action says how, and not what.
        let end = cursor.since(start);
        cursor.pass_to_boundary(&[]);
        let span = if matches!(change, Change::Nothing | Change::Guard) { end } else { cursor.since(start) };
        actions.push(Action { change, span, verb: verb(start, cursor.text, span) });
        if !cursor.take(",") {
            break;
        }
    }
    // A file may hold very many of them.
    actions.shrink_to_fit();
    cursor.over().then_some(Fact::AlterTable(Alteration { table, actions }))
}

/// Reads `ADD (a INT, b INT)`, if that comes next.
fn several_columns(cursor: &mut Cursor<'_>, actions: &mut Vec<Action>) -> Option<bool> {
    let start = cursor.here();
    let openings = ["ADD (", "ADD COLUMN (", "ADD COLUMN IF NOT EXISTS (", "ADD IF NOT EXISTS ("];
    if !cursor.any(&openings) {
        return Some(false);
    }
    loop {
        let here = cursor.here();
        let change = if at_constraint(cursor) {
            Change::AddConstraint(Box::new(constraint(cursor)?))
        } else {
            Change::AddColumn(Rc::new(column(cursor)?))
        };
        actions.push(Action { change, span: cursor.since(here), verb: start });
        if !cursor.take(",") {
            return cursor.take(")").then_some(true);
        }
    }
}

/// The first two words of an action.
fn verb(start: Span, text: &str, whole: Span) -> Span {
    let shown = whole.of(text);
    let end = shown.find([' ', '\n', '\t']).unwrap_or(shown.len());
    let rest = shown[end..].trim_start();
    let second = shown.len() - rest.len();
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let longest =
        if word > 0 && rest[..word].chars().all(|c| c.is_ascii_uppercase() || c == '_') { second + word } else { end };
    Span::new(start.start, start.start + longest)
}

fn action(cursor: &mut Cursor<'_>, table: &Name) -> Option<Change> {
    if cursor.take("ADD") {
        return added(cursor, table);
    }
    if cursor.take("DROP") {
        return dropped(cursor);
    }
    if cursor.take("RENAME") {
        return renamed(cursor);
    }
    if cursor.take("ALTER") {
        return altered(cursor);
    }
    if cursor.mysql() { of_mysql(cursor) } else { of_postgres(cursor) }
}

fn added(cursor: &mut Cursor<'_>, table: &Name) -> Option<Change> {
    if cursor.mysql() && cursor.take("PARTITION") {
        return Some(Change::Nothing);
    }
    if cursor.mysql() && at_index(cursor) && !cursor.peek("COLUMN") {
        return Some(Change::AddIndex(inline_index(cursor, table)?));
    }
    if cursor.mysql() && cursor.any(&["PERIOD FOR", "SYSTEM VERSIONING"]) {
        return Some(Change::Rewrite("ADD SYSTEM VERSIONING"));
    }
    if at_constraint(cursor) {
        return Some(Change::AddConstraint(Box::new(constraint(cursor)?)));
    }
    cursor.any(&["COLUMN"]);
    cursor.any(&["IF NOT EXISTS"]);
    Some(Change::AddColumn(Rc::new(column(cursor)?)))
}

fn dropped(cursor: &mut Cursor<'_>) -> Option<Change> {
    let cascade = |cursor: &mut Cursor<'_>| {
        let found = cursor.spot("CASCADE");
        cursor.any(&["RESTRICT"]);
        found
    };
    if cursor.mysql() {
        if cursor.take("PRIMARY KEY") {
            return Some(Change::DropPrimary);
        }
        if cursor.take("FOREIGN KEY") {
            cursor.any(&["IF EXISTS"]);
            return Some(Change::DropForeign(cursor.ident()?));
        }
        if cursor.any(&["INDEX", "KEY"]) {
            cursor.any(&["IF EXISTS"]);
            return Some(Change::DropIndex(cursor.ident()?));
        }
        if cursor.take("PARTITION") {
            cursor.any(&["IF EXISTS"]);
            let part = cursor.ident()?;
            skip_all(cursor);
            return Some(Change::DropPartition(part));
        }
        if cursor.any(&["PERIOD FOR", "SYSTEM VERSIONING"]) {
            return Some(Change::Rewrite("DROP SYSTEM VERSIONING"));
        }
    }
    if cursor.take("CONSTRAINT") || cursor.mysql() && cursor.take("CHECK") {
        cursor.any(&["IF EXISTS"]);
        let name = cursor.ident()?;
        return Some(Change::DropConstraint(name, cascade(cursor)));
    }
    cursor.any(&["COLUMN"]);
    cursor.any(&["IF EXISTS"]);
    let name = cursor.ident()?;
    Some(Change::DropColumn(name, cascade(cursor)))
}

fn renamed(cursor: &mut Cursor<'_>) -> Option<Change> {
    if cursor.take("CONSTRAINT") {
        let old = cursor.ident()?;
        return Some(Change::RenamePart(Object::Other, old, behind_to(cursor)?));
    }
    if cursor.mysql() && cursor.any(&["INDEX IF EXISTS", "INDEX", "KEY"]) {
        let old = cursor.ident()?;
        return Some(Change::RenamePart(Object::Index, old, behind_to(cursor)?));
    }
    if cursor.take("TO") || cursor.mysql() && cursor.any(&["AS", "="]) {
        return Some(Change::RenameTable(cursor.name()?));
    }
    let column = cursor.take("COLUMN");
    cursor.any(&["IF EXISTS"]);
    let ahead = cursor.clone();
    let old = cursor.ident()?;
    if cursor.take("TO") {
        return Some(Change::RenameColumn(old, cursor.ident()?));
    }
    if column || !cursor.mysql() {
        return None;
    }
    // MySQL: the word TO may be left out before the new name of a table.
    *cursor = ahead;
    Some(Change::RenameTable(cursor.name()?))
}

fn behind_to(cursor: &mut Cursor<'_>) -> Option<Ident> {
    if cursor.take("TO") { cursor.ident() } else { None }
}

/// `ALTER [COLUMN] ...`, and what else stands behind a second ALTER.
fn altered(cursor: &mut Cursor<'_>) -> Option<Change> {
    if cursor.any(&["CONSTRAINT", "CHECK"]) || cursor.mysql() && cursor.any(&["INDEX", "KEY"]) {
        cursor.ident()?;
        return Some(Change::Nothing);
    }
    cursor.any(&["COLUMN"]);
    cursor.any(&["IF EXISTS"]);
    let name = cursor.ident()?;
    if cursor.any(&["SET DATA TYPE", "TYPE"]) {
        let of = type_of(cursor);
        if cursor.take("COLLATE") {
            cursor.name()?;
        }
        let using = cursor.peek("USING");
        return Some(Change::SetType(name, of, using));
    }
    if cursor.take("SET DEFAULT") {
        return Some(Change::SetDefault(name, expression(cursor)));
    }
    if cursor.take("DROP DEFAULT") {
        return Some(Change::DropDefault(name));
    }
    if cursor.take("SET NOT NULL") {
        return Some(Change::SetNotNull(name));
    }
    if cursor.take("DROP NOT NULL") {
        return Some(Change::DropNotNull(name));
    }
    if cursor.any(&["SET EXPRESSION"]) {
        return Some(Change::Rewrite("ALTER COLUMN ... SET EXPRESSION"));
    }
    cursor.peek_any(&["SET", "DROP", "ADD", "RESET", "RESTART"]).then_some(Change::Nothing)
}

fn of_postgres(cursor: &mut Cursor<'_>) -> Option<Change> {
    if cursor.take("VALIDATE CONSTRAINT") {
        return Some(Change::Validate(cursor.ident()?));
    }
    if cursor.take("ATTACH PARTITION") {
        return Some(Change::AttachPartition(cursor.name()?));
    }
    if cursor.take("DETACH PARTITION") {
        let part = cursor.name()?;
        return Some(Change::DetachPartition(part, cursor.peek("CONCURRENTLY") || cursor.peek("FINALIZE")));
    }
    let rewrites = ["SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD"];
    if let Some(words) = rewrites.into_iter().find(|words| cursor.take(words)) {
        return Some(Change::Rewrite(words));
    }
    if cursor.take("SET SCHEMA") {
        return Some(Change::SetSchema(cursor.ident()?));
    }
    // Takes a lock that lets readers go on.
    let triggers = ["DISABLE TRIGGER", "ENABLE TRIGGER", "ENABLE REPLICA TRIGGER", "ENABLE ALWAYS TRIGGER"];
    if cursor.any(&triggers) {
        return Some(Change::Nothing);
    }
    let guards = ["DISABLE", "ENABLE", "FORCE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY", "REPLICA IDENTITY"];
    if cursor.any(&guards) {
        return Some(Change::Guard);
    }
    let nothing = [
        "CLUSTER ON",
        "SET WITHOUT",
        "SET (",
        "RESET (",
        "INHERIT",
        "NO INHERIT",
        "OF",
        "NOT OF",
        "OWNER TO",
        "OPTIONS",
    ];
    (!cursor.is(Dialect::Sqlite) && nothing.iter().any(|words| starts(cursor, words))).then_some(Change::Nothing)
}

fn starts(cursor: &Cursor<'_>, words: &str) -> bool {
    words.split(' ').enumerate().all(|(distance, word)| cursor.peek_behind(distance, word))
}

fn of_mysql(cursor: &mut Cursor<'_>) -> Option<Change> {
    if cursor.take("MODIFY") {
        cursor.any(&["COLUMN"]);
        cursor.any(&["IF EXISTS"]);
        let new = column(cursor)?;
        return Some(Change::Redefine(new.name.clone(), Box::new(new)));
    }
    if cursor.take("CHANGE") {
        cursor.any(&["COLUMN"]);
        cursor.any(&["IF EXISTS"]);
        let old = cursor.ident()?;
        return Some(Change::Redefine(old, Box::new(column(cursor)?)));
    }
    if cursor.any(&["CONVERT TO CHARACTER SET", "CONVERT TO CHARSET"]) {
        let charset = cursor.shown().trim_matches(['\'', '"', '`']).to_lowercase();
        cursor.skip();
        return Some(Change::Convert(charset));
    }
    for manner in ["ALGORITHM", "LOCK"] {
        if cursor.take(manner) {
            cursor.take("=");
            let word = cursor.shown().to_uppercase();
            cursor.skip();
            return Some(Change::Manner(manner, word));
        }
    }
    if cursor.take("FORCE") {
        return Some(Change::Rewrite("FORCE"));
    }
    let partitions = ["TRUNCATE PARTITION", "DISCARD PARTITION"];
    if cursor.any(&partitions) {
        let part = cursor.ident()?;
        skip_all(cursor);
        return Some(Change::DropPartition(part));
    }
    if cursor.any(&["ENABLE KEYS", "DISABLE KEYS", "ANALYZE PARTITION", "CHECK PARTITION", "WITHOUT VALIDATION"]) {
        skip_all(cursor);
        return Some(Change::Nothing);
    }
    if cursor.any(&["REBUILD PARTITION", "OPTIMIZE PARTITION", "REPAIR PARTITION"]) {
        skip_all(cursor);
        return Some(Change::Rewrite("of its partitions"));
    }
    if cursor.any(&["ORDER BY", "PARTITION BY", "REMOVE PARTITIONING", "REORGANIZE PARTITION", "COALESCE PARTITION"]) {
        skip_all(cursor);
        return Some(Change::Rewrite("of its partitions"));
    }
    let setting = option(cursor)?;
    // Options stand behind each other without commas.
    while !matches!(setting.name.as_str(), "ENGINE" | "ROW_FORMAT") && option(cursor).is_some() {}
    Some(if setting.name == "ENGINE" { Change::Engine(setting) } else { Change::Option(setting) })
}

fn skip_all(cursor: &mut Cursor<'_>) {
    while !cursor.over() {
        cursor.skip();
    }
}
