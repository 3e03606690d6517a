//! `CREATE TABLE` and `CREATE INDEX`.

use std::rc::Rc;

use crate::config::Dialect;
use crate::facts::column::{at_constraint, column, constraint};
use crate::facts::cursor::Cursor;
use crate::facts::{Column, Fact, Index, Name, Setting, Table, Type};
use crate::text::Span;

/// Reads what stands behind CREATE and the words before TABLE.
pub(super) fn create_table(cursor: &mut Cursor<'_>, temporary: bool, foreign: bool) -> Option<Fact> {
    let mut table = Table { temporary, foreign, ..Table::default() };
    table.if_not_exists = cursor.take("IF NOT EXISTS");
    table.name = cursor.name()?;
    if table.name.schema.as_deref().is_some_and(|schema| schema == "temp" || schema == "pg_temp") {
        table.temporary = true;
    }
    if cursor.take("LIKE") {
        table.like.push(cursor.name()?);
        table.like_all = true;
        return Some(Fact::CreateTable(Box::new(table)));
    }
    if cursor.take("PARTITION OF") {
        table.parent = Some(cursor.name()?);
        table.is_part = true;
    }
    if cursor.take("OF") {
        cursor.name()?;
        table.from_query = true;
    }
    if cursor.peek("(") && cursor.peek_behind(1, "LIKE") && cursor.mysql() {
        cursor.take("( LIKE");
        table.like.push(cursor.name()?);
        table.like_all = true;
        return Some(Fact::CreateTable(Box::new(table)));
    }
    if cursor.peek("(") && !cursor.peek_behind(1, "SELECT") && !cursor.peek_behind(1, "WITH") {
        elements(cursor, &mut table)?;
    }
    table.columns.shrink_to_fit();
    options(cursor, &mut table);
    // Columns without types are those of a query.
    if table.from_query && !table.columns.is_empty() && table.columns.iter().all(|column| column.of == untyped(column))
    {
        table.columns.clear();
    }
    Some(Fact::CreateTable(Box::new(table)))
}

fn untyped(column: &Column) -> Type {
    Type { span: column.of.span, ..Type::default() }
}

fn elements(cursor: &mut Cursor<'_>, table: &mut Table) -> Option<()> {
    cursor.take("(");
    while !cursor.peek(")") {
        if cursor.over() {
            return None;
        }
        if cursor.is(Dialect::Postgres) && cursor.take("LIKE") {
            table.like.push(cursor.name()?);
            let start = cursor.here();
            cursor.pass_to_boundary(&[]);
            let said = cursor.said(cursor.since(start)).to_uppercase();
            table.like_all |= said.contains("INCLUDING ALL") || said.contains("INCLUDING INDEXES");
        } else if cursor.mysql() && (at_index(cursor) || cursor.peek("PERIOD") && cursor.peek_behind(1, "FOR")) {
            match inline_index(cursor, &table.name) {
                Some(index) => table.indexes.push(index),
                None => cursor.pass_to_boundary(&[]),
            }
        } else if at_constraint(cursor) {
            table.constraints.push(constraint(cursor)?);
        } else {
            table.columns.push(Rc::new(column(cursor)?));
        }
        if !cursor.take(",") && !cursor.peek(")") {
            // SQLite takes constraints without a comma between them.
            if !at_constraint(cursor) {
                return None;
            }
        }
    }
    cursor.take(")").then_some(())
}

/// Says whether the index of a MySQL table begins here.
pub(super) fn at_index(cursor: &Cursor<'_>) -> bool {
    cursor.peek_any(&["INDEX", "KEY", "FULLTEXT", "SPATIAL"])
}

/// Reads an index inside of a MySQL table.
pub(super) fn inline_index(cursor: &mut Cursor<'_>, table: &Name) -> Option<Index> {
    let start = cursor.here();
    let method = ["fulltext", "spatial"].into_iter().find(|word| cursor.take(&word.to_uppercase()));
    cursor.any(&["INDEX", "KEY"]);
    let mut index = Index { table: table.clone(), method: method.map(str::to_owned), ..Index::default() };
    index.if_not_exists = cursor.take("IF NOT EXISTS");
    if !cursor.peek("(") && !cursor.peek("USING") {
        index.name = Some(cursor.folded()?);
    }
    index.span = cursor.since(start);
    if cursor.take("USING") {
        cursor.skip();
    }
    columns_of(cursor, &mut index)?;
    cursor.pass_to_boundary(&[]);
    Some(index)
}

/// Reads the columns of an index.
fn columns_of(cursor: &mut Cursor<'_>, index: &mut Index) -> Option<()> {
    let start = cursor.here();
    index.columns = cursor.names()?;
    let said = cursor.said(cursor.since(start));
    // A name and a comma, or a parenthesis, for each.
    index.plain = said.split(' ').count() == index.columns.len() * 2 + 1;
    Some(())
}

fn options(cursor: &mut Cursor<'_>, table: &mut Table) {
    while !cursor.over() {
        if cursor.take("PARTITION BY") {
            table.partitioned = true;
            if cursor.mysql() {
                // All that follows says how it is parted, but for a query.
                table.from_query |= cursor.find("SELECT").is_some();
                return;
            }
            cursor.skip();
        } else if cursor.take("INHERITS") {
            let parents = cursor.names().unwrap_or_default();
            table.parent =
                parents.into_iter().next().map(|name| Name { schema: None, name: name.name, span: name.span });
        } else if cursor.peek("AS") || cursor.peek("SELECT") || cursor.peek("WITH") && cursor.mysql() {
            table.from_query = true;
            return;
        } else if let Some(name) = sqlite_option(cursor) {
            table.options.push(Setting { name: name.to_owned(), value: String::new(), span: Span::default() });
        } else if let Some(setting) = option(cursor) {
            table.options.push(setting);
        } else if cursor.peek("(") {
            // A query in parentheses, or a list that says nothing here.
            table.from_query |= cursor.peek_behind(1, "SELECT");
            if cursor.parentheses().is_none() {
                return;
            }
        } else {
            cursor.skip();
        }
    }
}

/// Reads an option of a SQLite table.
fn sqlite_option(cursor: &mut Cursor<'_>) -> Option<&'static str> {
    let names = ["STRICT", "WITHOUT ROWID"];
    names.into_iter().find(|name| cursor.is(Dialect::Sqlite) && cursor.take(name))
}

/// Reads an option of a MySQL table.
pub(super) fn option(cursor: &mut Cursor<'_>) -> Option<Setting> {
    if !cursor.mysql() {
        return None;
    }
    let words: [(&str, &str); 13] = [
        ("DEFAULT CHARACTER SET", "CHARSET"),
        ("CHARACTER SET", "CHARSET"),
        ("DEFAULT CHARSET", "CHARSET"),
        ("CHARSET", "CHARSET"),
        ("DEFAULT COLLATE", "COLLATE"),
        ("COLLATE", "COLLATE"),
        ("ENGINE", "ENGINE"),
        ("ROW_FORMAT", "ROW_FORMAT"),
        ("KEY_BLOCK_SIZE", "KEY_BLOCK_SIZE"),
        ("AUTO_INCREMENT", "AUTO_INCREMENT"),
        ("TABLESPACE", "TABLESPACE"),
        ("COMMENT", "COMMENT"),
        ("PAGE_COMPRESSED", "PAGE_COMPRESSED"),
    ];
    let (_, name) = words.into_iter().find(|(words, _)| cursor.take(words))?;
    cursor.take("=");
    let span = cursor.here();
    let value = cursor.shown().trim_matches(['\'', '"', '`']).to_lowercase();
    cursor.skip();
    Some(Setting { name: name.to_owned(), value, span })
}

/// Reads what stands behind `CREATE [UNIQUE] INDEX`; `start` is the place of the word INDEX.
pub(super) fn create_index(cursor: &mut Cursor<'_>, unique: bool, method: Option<&str>, start: Span) -> Option<Fact> {
    let mut index = Index { unique, span: start, method: method.map(str::to_owned), ..Index::default() };
    index.concurrently = cursor.is(Dialect::Postgres) && cursor.take("CONCURRENTLY");
    index.if_not_exists = cursor.take("IF NOT EXISTS");
    if !cursor.peek("ON") {
        index.name = Some(cursor.folded()?);
    }
    if cursor.take("USING") {
        cursor.skip();
    }
    if !cursor.take("ON") {
        return None;
    }
    index.only = cursor.is(Dialect::Postgres) && cursor.take("ONLY");
    index.table = cursor.name()?;
    if cursor.take("USING") {
        let method = cursor.ident()?.name;
        index.method = (method != "btree").then_some(method);
    }
    columns_of(cursor, &mut index)?;
    while cursor.mysql() && !cursor.over() {
        let here = cursor.here();
        match ["ALGORITHM", "LOCK"].into_iter().find(|word| cursor.take(word)) {
            Some(what) => {
                cursor.take("=");
                let word = cursor.shown().to_uppercase();
                cursor.skip();
                index.manner.push((what, word, cursor.since(here)));
            }
            None => cursor.skip(),
        }
    }
    index.partial = !cursor.mysql() && cursor.find("WHERE").is_some();
    Some(Fact::CreateIndex(Rc::new(index)))
}
