//! Rules about what SQLite can only do by building a table anew, or does otherwise than people expect.
//!
//! What its parser refuses, and what names make it refuse, its own library says: see `syntax-error` and `schema-error`.

use std::rc::Rc;

use crate::catalogue::Known;
use crate::config::Dialect;
use crate::facts::{Alteration, Change, Column, Demand, Dropped, Fact, Ident, Insertion, Name, Object, Reach, Table};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::expressions::is_literal;
use crate::rules::scene::{Act, Scene};
use crate::rules::{Family, Looks};
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::{Span, enumerate};

/// A column that only an empty table takes.
pub static SQLITE_ADD_COLUMN: Rule = Rule::new(
    "sqlite-add-column",
    Severity::Error,
    "A column is added that SQLite takes only while the table is empty.",
    "A default that is computed (CURRENT_TIMESTAMP, an expression in parentheses) and a stored computed column are refused as \
     soon as there is a row. Add the column with a constant default, or build the table anew.",
);
/// A table is built anew, and something gets lost.
pub static SQLITE_TABLE_REBUILD: Rule = Rule::new(
    "sqlite-table-rebuild",
    Severity::Error,
    "A table is built anew, and rows, columns or references get lost.",
    "The way that SQLite's manual gives: make the new table under another name, copy every row, drop the old one, rename the \
     new one. A column that both have and the copy leaves out loses its values. Renaming the old table first makes views and \
     foreign keys of others follow it to the table that is dropped.",
);
/// Null in a key.
pub static SQLITE_NULLABLE_PRIMARY_KEY: Rule = Rule::new(
    "sqlite-nullable-primary-key",
    Severity::Warning,
    "A primary key of SQLite takes null.",
    "Only INTEGER PRIMARY KEY, WITHOUT ROWID and STRICT tables refuse null in it, for the sake of old files. Write NOT NULL.",
);
/// A name that is taken for a text.
pub static SQLITE_DOUBLE_QUOTED_STRING: Rule = Rule::new(
    "sqlite-double-quoted-string",
    Severity::Warning,
    "A text stands in double quotes (SQLite).",
    "Double quotes are for names. SQLite takes an unknown name for a text, so a slip in a name turns into a text in silence; \
     builds without that leniency refuse it. Write single quotes.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&SQLITE_ADD_COLUMN, &SQLITE_TABLE_REBUILD, &SQLITE_NULLABLE_PRIMARY_KEY, &SQLITE_DOUBLE_QUOTED_STRING],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.is(Dialect::Sqlite) {
        return Vec::new();
    }
    match scene.fact() {
        Fact::CreateTable(table) => created(scene, table),
        Fact::AlterTable(alteration) => altered(scene, alteration),
        Fact::Drop(drop) if drop.what == Object::Table => rebuilt(scene, drop),
        Fact::Insert(insertion) if insertion.from.is_none() => texts_in_values(scene),
        _ => Vec::new(),
    }
}

fn text_in_double_quotes(scene: &Scene<'_>, column: &Column) -> Option<Finding> {
    let default = column.default.as_ref().filter(|default| default.text.starts_with('"'))?;
    let message =
        format!("{} is a name in double quotes, and only taken for a text where no such name is known", default.text);
    let single = default.text.trim_matches('"').replace('\'', "''");
    Some(scene.finding(&SQLITE_DOUBLE_QUOTED_STRING, default.span, message).help(format!("write '{single}'")))
}

/// Texts in double quotes among the values of an INSERT, where no name can stand.
fn texts_in_values(scene: &Scene<'_>) -> Vec<Finding> {
    let text = scene.statement();
    if !text.contains('"') {
        return Vec::new();
    }
    let tokens = Lexer::new(text, scene.flavour()).filter(|token| token.kind.is_significant());
    let values = tokens
        .skip_while(|token| !token.span.of(text).eq_ignore_ascii_case("VALUES"))
        .take_while(|token| !["ON", "RETURNING"].iter().any(|word| token.span.of(text).eq_ignore_ascii_case(word)));
    let quoted = values.filter(|token| token.kind == TokenKind::QuotedName && token.span.of(text).starts_with('"'));
    let finding = |span: Span| {
        let shown = span.of(text);
        let single = shown.trim_matches('"').replace('\'', "''");
        scene
            .finding(
                &SQLITE_DOUBLE_QUOTED_STRING,
                span,
                format!("{shown} is a name in double quotes, taken for a text"),
            )
            .help(format!("write '{single}'"))
    };
    quoted.take(MOST_TEXTS).map(|token| finding(token.span)).collect()
}

/// How many texts in double quotes are shown of one statement.
const MOST_TEXTS: usize = 3;

fn created(scene: &Scene<'_>, table: &Table) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        table.columns.iter().filter_map(|column| text_in_double_quotes(scene, column)).collect();
    if table.options.iter().any(|option| matches!(option.name.as_str(), "STRICT" | "WITHOUT ROWID")) {
        return findings;
    }
    // Only INTEGER, in so many letters, is the number of the row; and not where it counts down.
    let row = |column: &Column| scene.shown(column.of.span).eq_ignore_ascii_case("integer") && !column.descends;
    let nullable = |column: &&Column| column.not_null.is_none() && !row(column);
    let keys = table.columns.iter().map(Rc::as_ref).filter(|column| column.primary.is_some());
    let own = keys.filter(nullable);
    let mut keys: Vec<(&Column, crate::text::Span)> =
        own.filter_map(|column| Some((column, column.primary?.span))).collect();
    for constraint in &table.constraints {
        if let Demand::Primary(names) = &constraint.demand {
            let single = names.len() == 1;
            let of = names.iter().filter_map(|name| {
                let column = table.columns.iter().map(Rc::as_ref).find(|column| column.name.name == name.name)?;
                let rowid = single && row(column);
                (column.not_null.is_none() && !rowid).then_some((column, name.span))
            });
            keys.extend(of);
        }
    }
    findings.extend(keys.into_iter().map(|(column, span)| {
        let message =
            format!("`{}.{}` takes null although it is in the primary key", table.name.name, column.name.name);
        let finding = scene.finding(&SQLITE_NULLABLE_PRIMARY_KEY, span, message);
        let of = if column.descends { "DESC" } else { scene.shown(column.of.span) };
        let upper = of.to_ascii_uppercase();
        if column.primary.is_some() && (column.descends || upper.contains("INT") || upper.contains("SERIAL")) {
            let words = format!(
                "write `{} INTEGER PRIMARY KEY`: SQLite numbers the rows by itself then, and with {of} it does not",
                column.name.name
            );
            return finding.help(words);
        }
        finding.help("write NOT NULL at the column")
    }));
    findings
}

fn altered(scene: &Scene<'_>, alteration: &Alteration) -> Vec<Finding> {
    let mut findings = Vec::new();
    for action in &alteration.actions {
        match &action.change {
            Change::AddColumn(column) => {
                findings.extend(text_in_double_quotes(scene, column));
                if !scene.is_new(&alteration.table) {
                    findings.extend(added(scene, &alteration.table, column));
                }
            }
            Change::RenameTable(new) => findings.extend(renamed_first(scene, &alteration.table, new)),
            _ => {}
        }
    }
    findings
}

fn added(scene: &Scene<'_>, table: &Name, column: &Column) -> Option<Finding> {
    let moment = |text: &str| {
        let word = text.to_ascii_uppercase();
        matches!(word.as_str(), "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "CURRENT_TIME")
            || word.starts_with('(') && !is_literal(text)
    };
    let computed = column.default.as_ref().filter(|default| moment(&default.text));
    let (span, what) = match (computed, column.generated) {
        (Some(default), _) => (default.span, "a default that is computed"),
        (_, Some(generated)) if generated.stored => (generated.span, "a stored computed column"),
        _ => return None,
    };
    let message = format!("SQLite refuses {what} for `{}` as soon as it has a row", table.name);
    let (shown, name, of) = (scene.named(table), scene.shown(column.name.span), scene.shown(column.of.span));
    Some(
        scene
            .finding(&SQLITE_ADD_COLUMN, span, message)
            .label("fails unless the table is empty")
            .help("add it without, and let the program or a trigger give the value; or build the table anew")
            .safe(format!("ALTER TABLE {shown} ADD COLUMN {name} {of};\n")),
    )
}

/// The table that takes the name of a dropped one later in the file.
fn successor<'s>(mut later: impl Iterator<Item = &'s Act>, old: &Name) -> Option<&'s Name> {
    later.find_map(|act| match &act.fact {
        Fact::AlterTable(alteration) => {
            let takes = |change: &Change| matches!(change, Change::RenameTable(new) if new.name == old.name);
            alteration.actions.iter().any(|action| takes(&action.change)).then_some(&alteration.table)
        }
        _ => None,
    })
}

/// The table that was made under the name which a dropped one had before it was renamed in this file.
fn namesake<'s>(scene: &Scene<'s>, old: &Name) -> Option<&'s Name> {
    let was = scene.earlier(&old.name).find_map(|act| match &act.fact {
        Fact::AlterTable(alteration) => {
            let aside = |change: &Change| matches!(change, Change::RenameTable(new) if new.name == old.name);
            alteration.actions.iter().any(|action| aside(&action.change)).then_some(&alteration.table)
        }
        _ => None,
    })?;
    let made = |act: &Act| matches!(&act.fact, Fact::CreateTable(table) if table.name.key() == was.key());
    scene.earlier(&was.name).any(made).then_some(was)
}

fn rebuilt(scene: &Scene<'_>, drop: &Dropped) -> Vec<Finding> {
    let mut findings = Vec::new();
    for old in &drop.names {
        let heir = successor(scene.later(&old.name), old).or_else(|| namesake(scene, old));
        let Some(new) = heir else { continue };
        let (Some(was), Some(is)) = (scene.schema.table(old), scene.schema.table(new)) else { continue };
        if scene.schema.is_new_table(was) || !was.whole || !is.whole {
            continue;
        }
        let copy =
            scene.about(&new.name).rev().filter(|(at, _)| *at < scene.at).find_map(|(at, act)| match &act.fact {
                Fact::Insert(insertion) if insertion.table.key() == new.key() => Some((at, insertion)),
                _ => None,
            });
        let from = |insertion: &Insertion| {
            insertion.from.as_ref().is_some_and(|from| from.iter().any(|name| name.key() == old.key()))
        };
        match copy {
            Some((at, insertion)) if from(insertion) => findings.extend(copied(scene, at, insertion, old, was, is)),
            _ => {
                let message =
                    format!("the rows of `{}` are not copied to `{}` before it is dropped", old.name, new.name);
                let finding = scene.finding(&SQLITE_TABLE_REBUILD, old.span, message).label("every row is lost");
                findings.push(finding.help(format!("INSERT INTO {} SELECT ... FROM {} first", new.name, old.name)));
            }
        }
    }
    findings
}

/// Says whether a column is the number of the row, which SQLite gives where none is written.
fn numbers_rows(table: &Known, column: &Column) -> bool {
    let alone = table.uniques().iter().any(|unique| unique.primary && unique.columns == [column.name.name.as_str()]);
    alone && column.of.name == "integer"
}

/// Holds the columns of a copy against those of both tables.
fn copied(scene: &Scene<'_>, at: usize, insertion: &Insertion, old: &Name, was: &Known, is: &Known) -> Vec<Finding> {
    let Some(columns) = &insertion.columns else { return Vec::new() };
    let named = |name: &str| columns.iter().any(|column| column.name == name);
    let both = was
        .columns
        .iter()
        .filter(|column| is.column(&column.name.name).is_some_and(|column| column.generated.is_none()));
    let (numbers, values): (Vec<_>, Vec<_>) =
        both.filter(|column| !named(&column.name.name)).partition(|column| numbers_rows(was, column));
    let names = |columns: Vec<&Rc<Column>>| columns.iter().map(|column| column.name.name.clone()).collect::<Vec<_>>();
    let (numbers, missed) = (names(numbers), names(values));
    let mut findings = Vec::new();
    for name in numbers {
        let message = format!("the copy leaves out {name}, so every row of `{}` gets a new number", old.name);
        findings.push(
            scene
                .finding_at(at, &SQLITE_TABLE_REBUILD, insertion.table.span, message)
                .at_most(Severity::Warning)
                .label("what refers to the old numbers points elsewhere")
                .help("name it in the INSERT and in its SELECT"),
        );
    }
    if !missed.is_empty() {
        let message = format!("the copy leaves out {}, which both tables have", enumerate(&missed, 8));
        findings.push(
            scene
                .finding_at(at, &SQLITE_TABLE_REBUILD, insertion.table.span, message)
                .label("these values are lost")
                .help("name them in the INSERT and in its SELECT"),
        );
    }
    if let Some(filter) = insertion.filter {
        let message = format!("only rows of `{}` that match are copied, and the others are dropped with it", old.name);
        findings.push(
            scene
                .finding_at(at, &SQLITE_TABLE_REBUILD, filter, message)
                .at_most(Severity::Warning)
                .help("copy every row, and delete what is not wanted in a statement that says so"),
        );
    }
    let Some(selected) = &insertion.selected else { return findings };
    findings.extend(mixed_up(scene, at, columns, selected, was));
    // What the file has filled before holds no null any more.
    let filled = |name: &str| {
        scene.earlier(&old.name).any(|act| match &act.fact {
            Fact::Rows(change) => {
                !change.deletes && change.reach != Reach::Some && change.sets.iter().any(|column| column.name == name)
            }
            _ => false,
        })
    };
    for (column, source) in columns.iter().zip(selected).filter(|(_, source)| !source.name.is_empty()) {
        let nullable = was.column(&source.name).is_some_and(|own| own.not_null.is_none() && own.primary.is_none());
        let demanded = is.column(&column.name).is_some_and(|own| own.not_null.is_some());
        if nullable && demanded && !filled(&source.name) {
            let message = format!(
                "`{}` took null, and `{}` does not: the copy fails where there is one",
                source.name, column.name
            );
            findings.push(
                scene
                    .finding_at(at, &SQLITE_TABLE_REBUILD, source.span, message)
                    .at_most(Severity::Warning)
                    .help(format!("write coalesce({}, ...), or fill the column first", source.name)),
            );
        }
    }
    findings
}

/// Finds columns that get the values of another one, or none, although the old table has them.
fn mixed_up(scene: &Scene<'_>, at: usize, columns: &[Ident], selected: &[Ident], was: &Known) -> Vec<Finding> {
    let wrong = |(column, source): (&Ident, &Ident)| {
        was.column(&column.name)?;
        let text = source.span.shifted(scene.acts[at].span.start).of(scene.script.text);
        let message = if text.eq_ignore_ascii_case("NULL") {
            format!("`{}` gets NULL in every row, although the old table has its values", column.name)
        } else if source.name != column.name && columns.iter().any(|other| other.name == source.name) {
            format!("`{}` gets the values of `{}`, which is copied too", column.name, source.name)
        } else {
            return None;
        };
        let finding = scene.finding_at(at, &SQLITE_TABLE_REBUILD, source.span, message);
        Some(finding.label("its own values are lost").help("put both lists into the same order"))
    };
    columns.iter().zip(selected).filter_map(wrong).collect()
}

/// Finds that the old table is renamed before the new one is made.
fn renamed_first(scene: &Scene<'_>, old: &Name, aside: &Name) -> Option<Finding> {
    let made = scene
        .later(&old.name)
        .any(|act| matches!(&act.fact, Fact::CreateTable(table) if table.name.key() == old.key()));
    let dropped = scene.later(&aside.name).any(|act| match &act.fact {
        Fact::Drop(drop) => drop.names.iter().any(|name| name.key() == aside.key()),
        _ => false,
    });
    if !made || !dropped || scene.is_new(old) {
        return None;
    }
    let made_again = |name: &str| {
        let bare = name.rsplit('.').next().unwrap_or(name);
        scene.later(bare).any(|act| matches!(&act.fact, Fact::CreateTable(table) if table.name.key() == name))
    };
    let referring = scene.schema.tables().filter(|(name, table)| {
        **name != old.key()
            && !made_again(name)
            && table.foreign_keys().iter().any(|(_, reference)| reference.table.key() == old.key())
    });
    let mut followers: Vec<String> = referring.map(|(name, _)| name.clone()).collect();
    let key = old.key();
    followers.extend(scene.schema.views_of(&key).map(str::to_owned));
    if followers.is_empty() {
        return None;
    }
    let message = format!(
        "{} refer to `{}` and follow it to `{}`, which is dropped",
        enumerate(&followers, 8),
        old.name,
        aside.name
    );
    Some(
        scene
            .finding(&SQLITE_TABLE_REBUILD, aside.span, message)
            .label("references are broken by this order")
            .help("make the new table under another name, copy, drop the old one, and rename the new one last"),
    )
}
