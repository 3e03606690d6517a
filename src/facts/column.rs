//! The definition of a column, and of a constraint.

use crate::config::Dialect;
use crate::facts::cursor::Cursor;
use crate::facts::types::canonical;
use crate::facts::{Column, Constraint, Demand, Generated, Ident, Mark, Reference, Text, Type};
use crate::text::Span;

/// Words behind which a type or an expression of a column cannot go on.
const OPTIONS: [&str; 38] = [
    "CONSTRAINT",
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "KEY",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "COLLATE",
    "GENERATED",
    "AS",
    "AUTO_INCREMENT",
    "AUTOINCREMENT",
    "COMMENT",
    "CHARSET",
    "ON",
    "FIRST",
    "AFTER",
    "STORAGE",
    "COMPRESSION",
    "COMPRESSED",
    "INVISIBLE",
    "VISIBLE",
    "VIRTUAL",
    "STORED",
    "PERSISTENT",
    "USING",
    "OPTIONS",
    "COLUMN_FORMAT",
    "SRID",
    "DEFERRABLE",
    "INITIALLY",
    "NO",
    "ENFORCED",
    "INVISIBLE",
    "REF_SYSTEM_ID",
    "MATCH",
];

fn at_option(cursor: &Cursor<'_>) -> bool {
    cursor.peek_any(&OPTIONS) || cursor.peek("CHARACTER") && cursor.peek_behind(1, "SET")
}

/// Reads a type; an empty one where none is written.
pub(super) fn type_of(cursor: &mut Cursor<'_>) -> Type {
    let start = cursor.here();
    let mut of = Type { span: start, ..Type::default() };
    let mut words: Vec<String> = Vec::new();
    let attributes = ["unsigned", "signed", "zerofill", "binary", "byte", "ascii", "unicode"];
    while !cursor.over()
        && !cursor.peek(",")
        && !cursor.peek(")")
        && (!at_option(cursor) || cursor.peek("SET") && words.is_empty())
    {
        if cursor.peek("(") {
            let inside = cursor.parentheses().map_or("", |inside| inside.of(cursor.text));
            of.arguments = arguments(inside, cursor);
        } else if cursor.peek("[") {
            of.array = true;
            while !cursor.over() && !cursor.peek("]") {
                cursor.skip();
            }
            cursor.skip();
        } else if cursor.take("ARRAY") {
            of.array = true;
        } else {
            let word = match cursor.ident() {
                Some(word) => word.name,
                None => {
                    let shown = cursor.shown().to_lowercase();
                    cursor.skip();
                    shown
                }
            };
            let attribute = cursor.mysql() && !words.is_empty() && attributes.contains(&word.as_str());
            if attribute { of.attributes.push(word) } else { words.push(word) }
        }
    }
    of.attributes.retain(|word| word != "signed");
    let name = words.join(" ").replace(" . ", ".");
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    of.name = canonical(name, cursor.flavour.dialect);
    of.span = if words.is_empty() { start } else { cursor.since(start) };
    of
}

/// The arguments of a type: numbers as they are, texts with their quotes.
fn arguments(inside: &str, cursor: &Cursor<'_>) -> Vec<String> {
    let mut inner = Cursor::of(inside, cursor.flavour);
    let mut arguments = Vec::new();
    while !inner.over() {
        let start = inner.here();
        inner.pass_to_boundary(&[]);
        arguments.push(inner.said(inner.since(start)));
        inner.skip();
    }
    arguments
}

/// Reads an expression up to the next option of a column; its first token is always part of it.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Text {
    let start = cursor.here();
    if cursor.peek("(") {
        cursor.parentheses();
    } else {
        cursor.skip();
    }
    cursor.pass_to_boundary(&OPTIONS);
    let span = cursor.since(start);
    Text { text: cursor.said(span), span }
}

/// Reads a column: its name, type and options.
pub(super) fn column(cursor: &mut Cursor<'_>) -> Option<Column> {
    let start = cursor.here();
    let name = cursor.ident()?;
    let of = type_of(cursor);
    let mut column = Column { name, of, ..Column::default() };
    while !cursor.over() && !cursor.peek(",") && !cursor.peek(")") {
        option(cursor, &mut column)?;
    }
    column.counts |= column.of.is_serial() && cursor.is(Dialect::Postgres);
    column.span = cursor.since(start);
    Some(column)
}

fn option(cursor: &mut Cursor<'_>, column: &mut Column) -> Option<()> {
    let start = cursor.here();
    let mark = |cursor: &Cursor<'_>| Some(Mark { span: cursor.since(start) });
    if cursor.take("CONSTRAINT") {
        let name = cursor.ident()?;
        let demands = ["PRIMARY", "UNIQUE", "REFERENCES", "CHECK"];
        column.names.extend(demands.into_iter().find(|word| cursor.peek(word)).map(|word| (name, word)));
    } else if cursor.take("NOT NULL") {
        column.not_null = mark(cursor);
    } else if cursor.take("PRIMARY KEY") || cursor.mysql() && cursor.take("KEY") {
        column.primary = mark(cursor);
        column.descends = cursor.take("DESC");
        cursor.any(&["ASC"]);
        column.counts |= cursor.any(&["AUTOINCREMENT", "AUTO_INCREMENT"]);
    } else if cursor.take("UNIQUE") {
        column.unique = mark(cursor);
        cursor.any(&["KEY"]);
    } else if cursor.take("DEFAULT") {
        let default = expression(cursor);
        column.null |= default.text.eq_ignore_ascii_case("NULL");
        column.default = Some(Box::new(default));
    } else if cursor.take("NULL") {
        column.null = true;
    } else if cursor.take("CHECK") {
        let inside = cursor.parentheses()?;
        column.check = Some(Box::new(Text { text: cursor.said(inside), span: cursor.since(start) }));
        cursor.any(&["NO INHERIT"]);
    } else if cursor.peek("REFERENCES") {
        column.references = Some(Box::new(reference(cursor)?));
    } else if cursor.any(&["AUTO_INCREMENT", "AUTOINCREMENT"]) {
        column.counts = true;
    } else if cursor.take("COMMENT") {
        column.commented = cursor.string().is_some();
    } else if cursor.take("COLLATE") {
        cursor.take("=");
        let span = cursor.here();
        column.collation = Some(Box::new(Text { text: word(cursor)?, span }));
    } else if cursor.any(&["CHARSET", "CHARACTER SET"]) {
        cursor.take("=");
        let span = cursor.here();
        column.charset = Some(Box::new(Text { text: word(cursor)?, span }));
    } else if cursor.take("ON UPDATE") {
        column.on_update = true;
        expression(cursor);
    } else if cursor.any(&["GENERATED ALWAYS AS", "GENERATED BY DEFAULT ON NULL AS", "GENERATED BY DEFAULT AS", "AS"]) {
        generated(cursor, column, start)?;
    } else if cursor.any(&["STORAGE", "COMPRESSION", "COLUMN_FORMAT", "AFTER", "ON CONFLICT", "SRID"]) {
        cursor.skip();
    } else if cursor.peek("(") {
        cursor.parentheses()?;
    } else {
        // DEFERRABLE, INVISIBLE and what else says nothing here.
        cursor.skip();
    }
    Some(())
}

/// The name of a character set or collation, in quotes or not.
fn word(cursor: &mut Cursor<'_>) -> Option<String> {
    let quoted = cursor.string().map(str::to_lowercase);
    quoted.or_else(|| cursor.name().map(|name| name.name.to_lowercase()))
}

fn generated(cursor: &mut Cursor<'_>, column: &mut Column, start: Span) -> Option<()> {
    if cursor.take("IDENTITY") {
        column.counts = true;
        if cursor.peek("(") {
            cursor.parentheses()?;
        }
        return Some(());
    }
    cursor.any(&["ROW START", "ROW END"]);
    if cursor.peek("(") {
        cursor.parentheses()?;
    }
    let virtual_ = cursor.take("VIRTUAL");
    let stored = !virtual_ && cursor.any(&["STORED", "PERSISTENT"]);
    column.generated = Some(Generated { stored, span: cursor.since(start) });
    Some(())
}

/// Reads REFERENCES with all that belongs to it.
pub(super) fn reference(cursor: &mut Cursor<'_>) -> Option<Reference> {
    let start = cursor.here();
    cursor.take("REFERENCES");
    let table = cursor.name()?;
    let columns = if cursor.peek("(") { cursor.names()? } else { Vec::new() };
    let mut reference = Reference { table, columns, cascade: None, span: cursor.since(start) };
    loop {
        let here = cursor.here();
        if cursor.any(&["ON DELETE", "ON UPDATE"]) {
            if cursor.take("CASCADE") {
                reference.cascade = Some(Mark { span: cursor.since(here) });
            } else if cursor.any(&["SET NULL", "SET DEFAULT"]) {
                if cursor.peek("(") {
                    cursor.parentheses()?;
                }
            } else if !cursor.any(&["NO ACTION", "RESTRICT"]) {
                return None;
            }
        } else if cursor.take("MATCH") {
            cursor.skip();
        } else if !cursor.any(&["NOT DEFERRABLE", "DEFERRABLE", "INITIALLY DEFERRED", "INITIALLY IMMEDIATE"]) {
            break;
        }
    }
    Some(reference)
}

/// Says whether a constraint of a table begins here, and no column.
pub(super) fn at_constraint(cursor: &Cursor<'_>) -> bool {
    let exclude = cursor.is(Dialect::Postgres)
        && cursor.peek("EXCLUDE")
        && (cursor.peek_behind(1, "USING") || cursor.peek_behind(1, "("));
    cursor.peek("CONSTRAINT")
        || cursor.peek("PRIMARY") && cursor.peek_behind(1, "KEY")
        || cursor.peek("FOREIGN") && cursor.peek_behind(1, "KEY")
        || cursor.peek("UNIQUE")
        || cursor.peek("CHECK")
        || exclude
        || cursor.is(Dialect::Postgres) && cursor.peek("NOT") && cursor.peek_behind(1, "NULL")
}

/// Reads a constraint of a table.
pub(super) fn constraint(cursor: &mut Cursor<'_>) -> Option<Constraint> {
    let start = cursor.here();
    let mut name = None;
    if cursor.take("CONSTRAINT") && !at_constraint(cursor) {
        cursor.any(&["IF NOT EXISTS"]);
        name = Some(cursor.ident()?);
    }
    let (demand, using) = demand(cursor, &mut name)?;
    let nulls_alike = cursor.said(cursor.since(start)).to_uppercase().contains("NULLS NOT DISTINCT");
    let none = Span::default();
    let (storage, deferral, span) = (none, none, cursor.since(start));
    let mut constraint = Constraint { name, demand, not_valid: false, using, nulls_alike, storage, deferral, span };
    let behind = cursor.here();
    while !cursor.over() && !cursor.peek(",") && !cursor.peek(")") {
        let defers =
            cursor.peek_any(&["DEFERRABLE", "INITIALLY"]) || cursor.peek("NOT") && cursor.peek_behind(1, "DEFERRABLE");
        if defers && constraint.deferral == none {
            constraint.deferral = cursor.here();
        }
        if constraint.deferral == none && !cursor.peek_any(&["NOT"]) {
            constraint.storage = Span::new(behind.start, cursor.here().end);
        }
        if cursor.take("NOT VALID") {
            constraint.not_valid = true;
        } else if cursor.peek("(") {
            cursor.parentheses()?;
            if constraint.storage != none && constraint.deferral == none {
                constraint.storage = cursor.since(constraint.storage);
            }
        } else {
            cursor.skip();
        }
    }
    constraint.span = cursor.since(start);
    if constraint.deferral != none {
        constraint.deferral = cursor.since(constraint.deferral);
    }
    Some(constraint)
}

type Demanded = (Demand, Option<Ident>);

fn demand(cursor: &mut Cursor<'_>, name: &mut Option<Ident>) -> Option<Demanded> {
    let start = cursor.here();
    if cursor.take("PRIMARY KEY") {
        return keys(cursor, name, Demand::Primary);
    }
    if cursor.take("UNIQUE") {
        cursor.any(&["KEY", "INDEX", "NULLS NOT DISTINCT", "NULLS DISTINCT"]);
        return keys(cursor, name, Demand::Unique);
    }
    if cursor.take("FOREIGN KEY") {
        cursor.any(&["IF NOT EXISTS"]);
        if !cursor.peek("(") {
            name.get_or_insert(cursor.ident()?);
        }
        let columns = cursor.names()?;
        return Some((Demand::Foreign(columns, reference(cursor)?), None));
    }
    if cursor.take("CHECK") {
        let inside = cursor.parentheses()?;
        let text = cursor.said(inside);
        return Some((Demand::Check(Text { text, span: cursor.since(start) }), None));
    }
    if cursor.take("NOT NULL") {
        return Some((Demand::NotNull(cursor.ident()?), None));
    }
    cursor.take("EXCLUDE").then_some((Demand::Exclude, None))
}

/// The columns of a key, or the index that is taken for them.
fn keys(cursor: &mut Cursor<'_>, name: &mut Option<Ident>, demand: fn(Vec<Ident>) -> Demand) -> Option<Demanded> {
    if cursor.is(Dialect::Postgres) && cursor.take("USING INDEX") {
        return Some((demand(Vec::new()), Some(cursor.ident()?)));
    }
    cursor.any(&["IF NOT EXISTS"]);
    if !cursor.peek("(") && !cursor.peek("USING") {
        name.get_or_insert(cursor.ident()?);
    }
    if cursor.take("USING") {
        cursor.skip();
    }
    Some((demand(cursor.names()?), None))
}
