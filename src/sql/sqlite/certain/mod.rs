//! Statements of which it is certain that SQLite takes them, without asking it.
//!
//! Everyday definitions and changes on tables that are fully known: reading them takes a fraction of the time in which
//! SQLite would compile them and carry them out. Knows when SQLite surely says yes and what the schema is then; it never
//! says no: what is not certain is left to SQLite.

mod column;
mod expression;
mod reader;

use super::waiting::Waiting;
use column::{Definition, MOST_COLUMNS, names};
use expression::{Columns, Scope, collation, expression, has};
use reader::Reader;
pub(super) use reader::is_keyword;

/// Longer statements are left to SQLite: 32 MiB.
const LONGEST: usize = 32 << 20;

/// Longer names are left to SQLite, in bytes.
pub(super) const LONGEST_NAME: usize = 128;

/// What a statement changes in the schema. Names are in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// A table comes, with columns of which keys and checks speak; `counts` where SQLite makes its `sqlite_sequence` with
    /// it, which stays.
    Table { name: String, columns: Vec<String>, bound: Vec<String>, parents: Vec<String>, counts: bool },
    /// A column comes, which may refer to other tables.
    Column { table: String, column: String, parents: Vec<String> },
    /// A column goes.
    NoColumn { table: String, column: String },
    /// An index comes, on these columns.
    Index { table: String, name: String, columns: Vec<String> },
    /// A table goes.
    NoTable { name: String },
    /// An index goes.
    NoIndex { name: String },
    /// Foreign keys are looked at from here on.
    Keys,
    /// A table that waits gets another name, which is written so.
    Renamed { table: String, name: String, written: String },
}

/// Says what a statement does, if SQLite certainly takes it where these tables are.
pub(super) fn read(text: &str, known: &Waiting) -> Option<Effect> {
    // SQLite does not take a vertical tab for white space everywhere, and ends at a zero byte.
    if text.len() > LONGEST || text.contains(['\0', '\u{b}']) {
        return None;
    }
    let mut reader = Reader::of(text);
    let effect = if reader.word("INSERT") {
        insert(&mut reader, known)?
    } else if reader.word("CREATE") {
        create(&mut reader, known)?
    } else if reader.word("UPDATE") {
        update(&mut reader, known)?
    } else if reader.word("DELETE") {
        delete(&mut reader, known)?
    } else if reader.word("ALTER") {
        alter(&mut reader, known)?
    } else if reader.word("DROP") {
        drop(&mut reader, known)?
    } else {
        keys(&mut reader)?
    };
    reader.end()?;
    Some(effect)
}

/// Takes a name that is free for a table or an index, in lower case.
fn new_name(reader: &mut Reader<'_>, known: &Waiting) -> Option<String> {
    let name = reader.name()?.to_ascii_lowercase();
    (!name.starts_with("sqlite_") && known.is_free(&name)).then_some(name)
}

/// Takes the name of a table that is known, in lower case.
fn old_table(reader: &mut Reader<'_>, known: &Waiting) -> Option<String> {
    let name = reader.name()?.to_ascii_lowercase();
    known.columns(&name).is_some().then_some(name)
}

fn if_not_exists(reader: &mut Reader<'_>) -> Option<()> {
    if reader.word("IF") {
        reader.need_word("NOT")?;
        reader.need_word("EXISTS")?;
    }
    Some(())
}

fn create(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    if reader.word("TABLE") {
        if_not_exists(reader)?;
        let name = new_name(reader, known)?;
        reader.need("(")?;
        let mut definition = Definition::of(&name);
        definition.body(reader)?;
        let Definition { columns, bound, parents, counts, .. } = definition;
        return Some(Effect::Table { name: name.clone(), columns, bound, parents, counts });
    }
    reader.word("UNIQUE");
    reader.need_word("INDEX")?;
    if_not_exists(reader)?;
    let name = new_name(reader, known)?;
    reader.need_word("ON")?;
    let table = old_table(reader, known)?;
    let columns = known.columns(&table)?;
    reader.need("(")?;
    let mut used = Vec::new();
    loop {
        used.push(reader.name()?.to_ascii_lowercase());
        if reader.word("COLLATE") {
            collation(reader)?;
        }
        let _ = reader.word("ASC") || reader.word("DESC");
        if !reader.symbol(",") {
            break;
        }
    }
    reader.need(")")?;
    if reader.word("WHERE") {
        let mut scope = Scope { table: &table, columns: Columns::Noted(used), pure: true };
        expression(reader, &mut scope)?;
        let Columns::Noted(noted) = scope.columns else { return None };
        used = noted;
    }
    used.iter().all(|name| has(columns, name)).then_some(Effect::Index { table, name, columns: used })
}

/// Reads WHERE and what stands behind it, if it is there.
fn condition(reader: &mut Reader<'_>, table: &str, columns: &[String]) -> Option<()> {
    if !reader.word("WHERE") {
        return Some(());
    }
    expression(reader, &mut Scope { table, columns: Columns::Known(columns), pure: false })
}

fn alter(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    reader.need_word("TABLE")?;
    let table = old_table(reader, known)?;
    if reader.word("RENAME") {
        reader.need_word("TO")?;
        let written = reader.present().1.trim_matches(['"', '`', '[', ']']).to_owned();
        let name = new_name(reader, known)?;
        return known.may_be_renamed(&table).then_some(Effect::Renamed { table, name, written });
    }
    if reader.word("DROP") {
        reader.word("COLUMN");
        let column = reader.name()?.to_ascii_lowercase();
        return known.may_lose(&table, &column).then_some(Effect::NoColumn { table, column });
    }
    reader.need_word("ADD")?;
    reader.word("COLUMN");
    let mut definition = Definition::of(&table);
    definition.columns = known.columns(&table)?.to_vec();
    let said = definition.column(reader)?;
    // What depends on the rows, or on foreign keys being enforced, is left to SQLite.
    let certain = definition.columns.len() <= MOST_COLUMNS
        && !said.more_than_values
        && !said.computed
        && (!said.not_null || said.plain_default)
        && (!said.refers || !said.plain_default);
    let column = definition.columns.pop()?;
    let parents = definition.parents;
    reader.end_without_comments()?;
    certain.then_some(Effect::Column { table: table.clone(), column, parents })
}

fn drop(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    let table = reader.word("TABLE");
    if !table {
        reader.need_word("INDEX")?;
    }
    let may_lack = reader.word("IF");
    if may_lack {
        reader.need_word("EXISTS")?;
    }
    let name = reader.name()?.to_ascii_lowercase();
    if name.starts_with("sqlite_") {
        None
    } else if may_lack && known.is_free(&name) {
        Some(Effect::None)
    } else if table {
        known.columns(&name).is_some().then_some(Effect::NoTable { name })
    } else {
        known.has_index(&name).then_some(Effect::NoIndex { name })
    }
}

/// Whether foreign keys are looked at; when a file begins, they are not.
fn keys(reader: &mut Reader<'_>) -> Option<Effect> {
    reader.need_word("PRAGMA")?;
    reader.need_word("foreign_keys")?;
    reader.need("=")?;
    let (_, value) = reader.present();
    reader.skip();
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match (is(["OFF", "FALSE", "0"]), is(["ON", "TRUE", "1"])) {
        (true, _) => Some(Effect::None),
        (_, true) => Some(Effect::Keys),
        _ => None,
    }
}

fn insert(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    if reader.word("OR") && !reader.word("IGNORE") {
        reader.need_word("REPLACE")?;
    }
    reader.need_word("INTO")?;
    let table = old_table(reader, known)?;
    let columns = known.columns(&table)?;
    let width = if reader.peek("(") {
        let named = names(reader)?;
        named.iter().all(|name| has(columns, name)).then_some(named.len())?
    } else {
        columns.len()
    };
    if reader.word("SELECT") {
        return query(reader, width, known);
    }
    reader.need_word("VALUES")?;
    loop {
        reader.need("(")?;
        for number in 0..width {
            if number > 0 {
                reader.need(",")?;
            }
            expression(reader, &mut Scope::values())?;
        }
        reader.need(")")?;
        if !reader.symbol(",") {
            break;
        }
    }
    Some(Effect::None)
}

/// What stands behind SELECT: so many columns of one table.
fn query(reader: &mut Reader<'_>, width: usize, known: &Waiting) -> Option<Effect> {
    let mut scope = Scope { table: "", columns: Columns::Noted(Vec::new()), pure: false };
    let everything = reader.symbol("*");
    let mut count = 0;
    loop {
        if everything {
            break;
        }
        expression(reader, &mut scope)?;
        count += 1;
        if reader.word("AS") {
            reader.name()?;
        }
        if !reader.symbol(",") {
            break;
        }
    }
    reader.need_word("FROM")?;
    let table = old_table(reader, known)?;
    let columns = known.columns(&table)?;
    if let Columns::Noted(noted) = scope.columns {
        noted.iter().all(|name| has(columns, name)).then_some(())?;
    }
    condition(reader, &table, columns)?;
    if reader.word("ORDER") {
        reader.need_word("BY")?;
        has(columns, reader.name()?).then_some(())?;
    }
    (width == if everything { columns.len() } else { count }).then_some(Effect::None)
}

fn update(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    let table = old_table(reader, known)?;
    let columns = known.columns(&table)?;
    reader.need_word("SET")?;
    loop {
        has(columns, reader.name()?).then_some(())?;
        reader.need("=")?;
        expression(reader, &mut Scope { table: &table, columns: Columns::Known(columns), pure: false })?;
        if !reader.symbol(",") {
            break;
        }
    }
    condition(reader, &table, columns)?;
    Some(Effect::None)
}

fn delete(reader: &mut Reader<'_>, known: &Waiting) -> Option<Effect> {
    reader.need_word("FROM")?;
    let table = old_table(reader, known)?;
    let columns = known.columns(&table)?;
    condition(reader, &table, columns)?;
    Some(Effect::None)
}
