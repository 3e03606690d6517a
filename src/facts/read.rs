//! Reading a statement, by its first words.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::facts::alter::alter_table;
use crate::facts::cursor::Cursor;
use crate::facts::data::{delete, insert, update};
use crate::facts::table::{create_index, create_table};
use crate::facts::upkeep::{comment, maintained, setting};
use crate::facts::{Created, Detail, Dropped, Fact, Name, Object, Table, TypeChange, TypeHow};
use crate::sql::facts::first_words;

/// Reads what a statement does; `None` where that is not known. Spans count in `text`.
pub fn read(text: &str, flavour: Flavour) -> Option<Fact> {
    fact(&mut Cursor::of(text, flavour))
}

fn fact(cursor: &mut Cursor<'_>) -> Option<Fact> {
    if let Some(runs) = explained(cursor) {
        return if runs { fact(cursor) } else { Some(Fact::Nothing) };
    }
    if cursor.peek("WITH") || cursor.peek("(") {
        return behind_with(cursor);
    }
    match cursor.shown().to_ascii_uppercase().as_str() {
        "CREATE" => {
            cursor.skip();
            created(cursor)
        }
        "ALTER" => {
            cursor.skip();
            altered(cursor)
        }
        "DROP" => dropped(cursor),
        "RENAME" => renamed(cursor),
        "TRUNCATE" => truncated(cursor),
        "DELETE" => delete(cursor),
        "UPDATE" => update(cursor),
        "INSERT" | "REPLACE" => insert(cursor),
        "SET" | "RESET" | "PRAGMA" => setting(cursor),
        "SELECT" if cursor.is(Dialect::Postgres) => Some(selected(cursor)),
        "VACUUM" | "CLUSTER" | "OPTIMIZE" | "REINDEX" | "REFRESH" => maintained(cursor),
        "COMMENT" => comment(cursor),
        // Of what else is known by its first word no rule asks.
        word => (word == "XA" || first_words().any(|first| first == word)).then_some(Fact::Nothing),
    }
}

/// Goes over what stands before a statement that is explained, or that runs under settings of its own: says whether it
/// runs; `None` where nothing of the kind stands there.
fn explained(cursor: &mut Cursor<'_>) -> Option<bool> {
    let mariadb = cursor.is(Dialect::Mariadb);
    if mariadb && cursor.take("SET STATEMENT") {
        while !cursor.over() && !cursor.take("FOR") {
            cursor.skip();
        }
        return Some(true);
    }
    let verbs = ["SELECT", "UPDATE", "DELETE", "INSERT", "REPLACE", "WITH"];
    let analysed = mariadb
        && cursor.peek("ANALYZE")
        && (verbs.iter().any(|verb| cursor.peek_behind(1, verb)) || cursor.peek_behind(1, "FORMAT"));
    if !analysed && !cursor.peek("EXPLAIN") {
        return None;
    }
    cursor.skip();
    let mut runs = analysed;
    if cursor.peek("(") {
        let options = cursor.parentheses().map(|inside| cursor.said(inside).to_lowercase()).unwrap_or_default();
        let said = options.split(',').map(str::trim).rfind(|option| option.starts_with("analy"));
        runs = said.is_some_and(|said| !["false", "off", "0"].iter().any(|no| said.ends_with(no)));
    }
    loop {
        if cursor.any(&["ANALYZE", "ANALYSE"]) {
            runs = true;
        } else if cursor.take("FORMAT") {
            cursor.take("=");
            cursor.skip();
        } else if !cursor.any(&["VERBOSE", "EXTENDED", "PARTITIONS"]) {
            return Some(runs);
        }
    }
}

/// Reads a SELECT of PostgreSQL, which may make a table or set something.
fn selected(cursor: &mut Cursor<'_>) -> Fact {
    let mut ahead = cursor.clone();
    ahead.skip();
    ahead.any(&["pg_catalog ."]);
    if ahead.take("set_config (")
        && let Some(name) = ahead.string()
        && ahead.take(",")
        && let Some(value) = ahead.string()
    {
        let local = ahead.take(",") && ahead.peek_any(&["true", "TRUE"]);
        return Fact::Set { name: name.to_lowercase(), value: value.to_owned(), local };
    }
    while !cursor.over() && !cursor.peek_any(&["INTO", "FROM"]) {
        if !cursor.peek("(") || cursor.parentheses().is_none() {
            cursor.skip();
        }
    }
    if !cursor.take("INTO") {
        return Fact::Nothing;
    }
    let temporary = cursor.any(&["LOCAL TEMPORARY", "LOCAL TEMP", "TEMPORARY", "TEMP"]);
    cursor.any(&["UNLOGGED"]);
    cursor.any(&["TABLE"]);
    let made = cursor.name().map(|name| Table { name, temporary, from_query: true, ..Table::default() });
    made.map_or(Fact::Nothing, |table| Fact::CreateTable(Box::new(table)))
}

/// Finds the verb behind common table expressions.
fn behind_with(cursor: &mut Cursor<'_>) -> Option<Fact> {
    while !cursor.over() {
        if cursor.peek("(") {
            cursor.parentheses()?;
        } else if cursor.peek("DELETE") {
            return delete(cursor);
        } else if cursor.peek("UPDATE") {
            return update(cursor);
        } else if cursor.peek_any(&["INSERT", "REPLACE"]) {
            return insert(cursor);
        } else if cursor.peek_any(&["SELECT", "VALUES", "TABLE", "MERGE"]) {
            return Some(Fact::Nothing);
        } else {
            cursor.skip();
        }
    }
    Some(Fact::Nothing)
}

/// The kinds of things by the words that name them, the longer words first.
const KINDS: [(&str, Object); 30] = [
    ("MATERIALIZED VIEW", Object::MaterializedView),
    ("VIEW", Object::View),
    ("SEQUENCE", Object::Sequence),
    ("TYPE", Object::Type),
    ("DOMAIN", Object::Domain),
    ("FUNCTION", Object::Function),
    ("PROCEDURE", Object::Procedure),
    ("ROUTINE", Object::Function),
    ("AGGREGATE", Object::Function),
    ("CONSTRAINT TRIGGER", Object::Trigger),
    ("EVENT TRIGGER", Object::Trigger),
    ("TRIGGER", Object::Trigger),
    ("EVENT", Object::Event),
    ("SCHEMA", Object::Schema),
    ("DATABASE", Object::Database),
    ("EXTENSION", Object::Extension),
    ("POLICY", Object::Policy),
    ("RULE", Object::Rule),
    ("ROLE", Object::Other),
    ("USER", Object::Other),
    ("GROUP", Object::Other),
    ("SERVER", Object::Other),
    ("COLLATION", Object::Other),
    ("CAST", Object::Other),
    ("OPERATOR", Object::Other),
    ("STATISTICS", Object::Other),
    ("PUBLICATION", Object::Other),
    ("SUBSCRIPTION", Object::Other),
    ("TEXT SEARCH", Object::Other),
    ("TABLESPACE", Object::Other),
];

/// More kinds of which rules know nothing but the words.
const OTHERS: [&str; 12] = [
    "FOREIGN DATA WRAPPER",
    "LANGUAGE",
    "TRUSTED LANGUAGE",
    "PROCEDURAL LANGUAGE",
    "CONVERSION",
    "DEFAULT CONVERSION",
    "TRANSFORM",
    "ACCESS METHOD",
    "PACKAGE",
    "LARGE OBJECT",
    "DEFAULT PRIVILEGES",
    "SYSTEM",
];

fn kind(cursor: &mut Cursor<'_>) -> Option<Object> {
    let known = KINDS.into_iter().find(|(words, _)| cursor.take(words)).map(|(_, kind)| kind);
    known.or_else(|| cursor.any(&OTHERS).then_some(Object::Other))
}

fn created(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let replaces = cursor.take("OR REPLACE");
    let (mut temporary, mut foreign, mut unique, mut method) = (false, false, false, None);
    loop {
        if cursor.any(&["TEMPORARY", "TEMP"]) {
            temporary = true;
        } else if cursor.peek_behind(1, "TABLE") && cursor.any(&["FOREIGN", "VIRTUAL"]) {
            foreign = true;
        } else if cursor.take("UNIQUE") {
            unique = true;
        } else if let Some(word) = ["FULLTEXT", "SPATIAL"].into_iter().find(|word| cursor.take(word)) {
            method = Some(word.to_lowercase());
        } else if cursor.take("DEFINER") {
            cursor.take("=");
            while !cursor.over() && !at_kind(cursor) {
                cursor.skip();
            }
        } else if cursor.any(&["ALGORITHM", "SQL SECURITY"]) {
            cursor.take("=");
            cursor.skip();
        } else if !cursor.any(&["GLOBAL", "LOCAL", "UNLOGGED", "RECURSIVE", "OR REPLACE"]) {
            break;
        }
    }
    let start = cursor.here();
    if cursor.take("TABLE") {
        let made = create_table(cursor, temporary, foreign);
        return made.map(|fact| match fact {
            Fact::CreateTable(table) => Fact::CreateTable(Box::new(Table { replaces, ..*table })),
            other => other,
        });
    }
    if cursor.take("INDEX") {
        return create_index(cursor, unique, method.as_deref(), start);
    }
    let what = kind(cursor)?;
    let span = cursor.since(start);
    let mut made =
        Created { what, name: None, on: None, replaces, temporary, reads: Vec::new(), detail: Detail::None, span };
    describe(cursor, &mut made);
    Some(Fact::Create(made))
}

/// Takes the name of a thing of a kind.
fn named(cursor: &mut Cursor<'_>, what: Object) -> Option<Name> {
    match what {
        Object::Table | Object::View | Object::Database | Object::Schema => cursor.name(),
        _ => cursor.folded(),
    }
}

fn at_kind(cursor: &Cursor<'_>) -> bool {
    cursor.peek_any(&["VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "SQL", "AGGREGATE", "PACKAGE"])
}

/// Reads what rules ask of something that is made.
fn describe(cursor: &mut Cursor<'_>, made: &mut Created) {
    let _ = cursor.take("CONCURRENTLY");
    made.replaces |= cursor.take("IF NOT EXISTS");
    made.name = named(cursor, made.what);
    match made.what {
        Object::View | Object::MaterializedView => made.reads = cursor.sources(),
        Object::Type if cursor.take("AS ENUM") => {
            let mut values = Vec::new();
            while cursor.take("(") || cursor.take(",") {
                values.extend(cursor.string().map(str::to_owned));
            }
            made.detail = Detail::Values(values);
        }
        Object::Domain if cursor.later("CHECK") || cursor.find("NOT").is_some() => made.detail = Detail::Checked,
        Object::Function | Object::Procedure => {
            let owner = cursor.find("DEFINER").is_some() && cursor.is(Dialect::Postgres);
            if owner {
                made.detail = Detail::OwnersRights(cursor.later("search_path"));
            }
        }
        Object::Trigger | Object::Policy | Object::Rule => {
            while !cursor.over() && !cursor.take("ON") {
                cursor.skip();
            }
            made.on = cursor.name();
        }
        _ => {}
    }
}

fn altered(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.any(&["ONLINE"]);
    cursor.any(&["IGNORE"]);
    if cursor.any(&["TABLE", "FOREIGN TABLE"]) {
        return alter_table(cursor);
    }
    if cursor.peek_any(&["TYPE", "DOMAIN"]) {
        cursor.skip();
        return altered_type(cursor);
    }
    let what = if cursor.take("INDEX") { Object::Index } else { kind(cursor)? };
    if what == Object::Other { Some(Fact::Nothing) } else { renamed_other(cursor, what) }
}

/// An ALTER of which only another name matters.
fn renamed_other(cursor: &mut Cursor<'_>, what: Object) -> Option<Fact> {
    if cursor.take("ALL") {
        return Some(Fact::Nothing);
    }
    cursor.any(&["IF EXISTS"]);
    let old = named(cursor, what)?;
    // The arguments of a function.
    if cursor.peek("(") {
        cursor.parentheses()?;
    }
    if cursor.take("RENAME TO") {
        let new = named(cursor, what)?;
        return Some(Fact::Rename(what, vec![(old, Name { schema: None, ..new })]));
    }
    if cursor.take("SET TABLESPACE") {
        return Some(Fact::Rewrite { words: "SET TABLESPACE", tables: vec![old] });
    }
    Some(Fact::Nothing)
}

fn altered_type(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.any(&["IF EXISTS"]);
    let name = cursor.name()?;
    let start = cursor.here();
    let how = if cursor.take("ADD VALUE") {
        cursor.any(&["IF NOT EXISTS"]);
        TypeHow::AddValue(cursor.string()?.to_owned())
    } else if cursor.take("RENAME VALUE") {
        let old = cursor.string()?.to_owned();
        cursor.take("TO");
        TypeHow::RenameValue(old, cursor.string()?.to_owned())
    } else if cursor.take("RENAME TO") {
        TypeHow::Rename(cursor.ident()?.name)
    } else if cursor.peek("ADD") && (cursor.later("CHECK") || cursor.later("NULL")) {
        TypeHow::AddConstraint(cursor.later("VALID"))
    } else if cursor.take("SET NOT NULL") {
        TypeHow::AddConstraint(false)
    } else {
        TypeHow::Other
    };
    let end = cursor.since(start);
    let span = if end.end > start.end { end } else { start };
    Some(Fact::AlterType(TypeChange { name, how, span }))
}

fn dropped(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let span = cursor.spot("DROP")?;
    let temporary = cursor.take("TEMPORARY");
    let what = if cursor.any(&["TABLE", "TABLES", "FOREIGN TABLE"]) {
        Object::Table
    } else if cursor.take("INDEX") {
        Object::Index
    } else {
        if cursor.take("OWNED BY") { Object::Owned } else { kind(cursor)? }
    };
    let concurrently = cursor.take("CONCURRENTLY");
    let if_exists = cursor.take("IF EXISTS");
    let mut drop =
        Dropped { what, names: Vec::new(), on: None, concurrently, if_exists, temporary, cascade: None, span };
    if what == Object::Other {
        drop.cascade = cursor.find("CASCADE");
        return Some(Fact::Drop(drop));
    }
    loop {
        drop.names.push(named(cursor, what)?);
        // The arguments of a function.
        if cursor.peek("(") {
            cursor.parentheses()?;
        }
        if !cursor.take(",") {
            break;
        }
    }
    if cursor.take("ON") {
        drop.on = cursor.name();
    }
    drop.cascade = cursor.find("CASCADE");
    Some(Fact::Drop(drop))
}

fn renamed(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.take("RENAME");
    if !cursor.any(&["TABLE", "TABLES"]) {
        return cursor.any(&["USER"]).then_some(Fact::Nothing);
    }
    cursor.any(&["IF EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let old = cursor.name()?;
        cursor.take("TO").then_some(())?;
        pairs.push((old, cursor.name()?));
        if !cursor.take(",") {
            return Some(Fact::Rename(Object::Table, pairs));
        }
    }
}

fn truncated(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.take("TRUNCATE");
    cursor.any(&["TABLE"]);
    let mut tables = Vec::new();
    loop {
        cursor.any(&["ONLY"]);
        tables.push(cursor.name()?);
        cursor.any(&["*"]);
        if !cursor.take(",") {
            break;
        }
    }
    Some(Fact::Truncate { tables, cascade: cursor.find("CASCADE") })
}
