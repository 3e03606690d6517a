//! Rules about columns that are added or changed, and tables that are written anew because of it.

use crate::config::Dialect;
use crate::facts::types::{Cost, cost_in_mysql, cost_in_postgres};
use crate::facts::{Action, Alteration, Change, Column, Fact, Ident, Name, Type};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::expressions::{Volatility, volatility};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::Span;

/// A default is computed for every row.
pub static ADD_COLUMN_REWRITE: Rule = Rule::new(
    "add-column-rewrite",
    Severity::Error,
    "A new column makes the server write every row anew while everyone waits (PostgreSQL).",
    "A constant default, also now(), is only noted in the catalogue (since 11). One that differs from row to row, a counter, \
     a stored computed column and a domain with a condition are written into every row under an ACCESS EXCLUSIVE lock.",
);
/// Rows that are there have no value.
pub static ADD_COLUMN_NOT_NULL: Rule = Rule::new(
    "add-column-not-null",
    Severity::Error,
    "A column is added NOT NULL without a default (PostgreSQL, SQLite).",
    "Where the table has rows, the server refuses it: they would hold null. Add the column without NOT NULL, fill it in \
     steps, then demand NOT NULL; or give it a constant default.",
);
/// A type changes.
pub static CHANGE_COLUMN_TYPE: Rule = Rule::new(
    "change-column-type",
    Severity::Error,
    "A change of type makes the server write every row anew while others wait.",
    "PostgreSQL does so under an ACCESS EXCLUSIVE lock, MySQL and MariaDB copy the table and block writers. Where the stored \
     form stays the same (a longer varchar, varchar to text, a numeric of more digits and the same scale, values at the end \
     of an enum) nothing is said; where the old type is not known, this is a warning.",
);
/// A table is written anew.
pub static TABLE_REWRITE: Rule = Rule::new(
    "table-rewrite",
    Severity::Error,
    "A statement writes a whole table anew.",
    "PostgreSQL does so under an ACCESS EXCLUSIVE lock: nobody reads or writes until it is done. MySQL and MariaDB mostly let \
     others go on, but need the disk space of a copy. pg_repack, pg_squeeze, gh-ost and pt-online-schema-change do the same \
     in small steps.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&ADD_COLUMN_REWRITE, &ADD_COLUMN_NOT_NULL, &CHANGE_COLUMN_TYPE, &TABLE_REWRITE],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    match scene.fact() {
        Fact::AlterTable(alteration) if !scene.is_new(&alteration.table) => {
            alteration.actions.iter().flat_map(|action| of_action(scene, alteration, action)).collect()
        }
        Fact::Rewrite { words, tables } => {
            if tables.iter().any(|table| scene.is_new(table)) {
                return Vec::new();
            }
            let what = tables.first().map_or_else(|| "every table".to_owned(), |table| format!("`{}`", table.name));
            vec![rewritten(scene, scene.first_word(scene.at), words, &what)]
        }
        _ => Vec::new(),
    }
}

fn rewritten(scene: &Scene<'_>, span: Span, words: &str, what: &str) -> Finding {
    if scene.postgres() {
        let message = format!("{words} writes {what} anew; nobody reads or writes it until that is done");
        let finding = scene.finding(&TABLE_REWRITE, span, message).label("ACCESS EXCLUSIVE lock");
        let help = if scene.since(19) && words != "SET TABLESPACE" {
            "REPACK ... (CONCURRENTLY) does it while others go on"
        } else {
            "pg_repack or pg_squeeze do it while others go on; or plan a quiet hour"
        };
        return finding.help(help);
    }
    let message = format!("{words} writes {what} anew: others go on, but it needs time and the disk space of a copy");
    scene.finding(&TABLE_REWRITE, span, message).at_most(Severity::Warning).help("gh-ost or pt-online-schema-change")
}

fn of_action(scene: &Scene<'_>, alteration: &Alteration, action: &Action) -> Vec<Finding> {
    let table = &alteration.table;
    match &action.change {
        Change::AddColumn(column) => {
            let mut findings = Vec::new();
            if scene.postgres() {
                findings.extend(filled(scene, table, column));
            }
            if !scene.mysql() {
                findings.extend(without_default(scene, table, column));
            }
            findings
        }
        Change::SetType(column, of, using) => in_postgres(scene, table, column, of, *using).into_iter().collect(),
        Change::Redefine(old, new) => in_mysql(scene, alteration, old, new).into_iter().collect(),
        Change::Rewrite(words) => vec![rewritten(scene, action.verb, words, &format!("`{}`", table.name))],
        Change::Engine(setting) => {
            let message = format!("ENGINE = {}", setting.value);
            vec![rewritten(scene, action.verb, &message, &format!("`{}`", table.name))]
        }
        Change::Option(setting) if setting.name == "ROW_FORMAT" => {
            vec![rewritten(scene, action.verb, "ROW_FORMAT", &format!("`{}`", table.name))]
        }
        _ => Vec::new(),
    }
}

/// Why a column of PostgreSQL is written into every row, and where that is said.
fn reason(scene: &Scene<'_>, column: &Column) -> Option<(Span, String, Option<Severity>)> {
    if let Some(generated) = column.generated {
        return generated.stored.then(|| (generated.span, "a stored computed column".to_owned(), None));
    }
    if column.counts {
        let span = if column.of.is_serial() { column.of.span } else { column.name.span };
        return Some((span, "a counter".to_owned(), None));
    }
    if scene.schema.is_checked_domain(&column.of.name) {
        return Some((column.of.span, format!("the domain `{}` has a condition", column.of.name), None));
    }
    let default = column.default.as_ref()?;
    match volatility(&default.text) {
        _ if !scene.since(11) => Some((default.span, "before PostgreSQL 11 every default".to_owned(), None)),
        Volatility::Volatile(name) => Some((default.span, format!("{name}() differs from row to row"), None)),
        Volatility::Unknown(name) => {
            let why = format!("{name}() is not known here: unless it is declared STABLE or IMMUTABLE, it");
            Some((default.span, why, Some(Severity::Warning)))
        }
        Volatility::Constant => None,
    }
}

fn filled(scene: &Scene<'_>, table: &Name, column: &Column) -> Option<Finding> {
    let (span, why, most) = reason(scene, column)?;
    let message = format!("{why} is written into every row of `{}` while everyone waits", table.name);
    let message =
        message.replace("differs from row to row is written", "differs from row to row, so a value is written");
    let mut finding =
        scene.finding(&ADD_COLUMN_REWRITE, span, message).label("ACCESS EXCLUSIVE lock until all is written");
    if let Some(most) = most {
        finding = finding.at_most(most);
    }
    let (shown, name) = (scene.named(table), scene.shown(column.name.span));
    match &column.default {
        Some(default) if column.not_null.is_none() => {
            let of = scene.shown(column.of.span);
            Some(finding.help("add the column, then its default; fill old rows in steps in dml files").safe(format!(
                "ALTER TABLE {shown} ADD COLUMN {name} {of};\nALTER TABLE {shown} ALTER COLUMN {name} SET DEFAULT {};\n",
                scene.shown(default.span)
            )))
        }
        Some(_) => {
            Some(finding.help(
                "add the column without NOT NULL, then its default; fill old rows in steps; then demand NOT NULL",
            ))
        }
        None => Some(finding.help("add a plain column, fill it in steps, and let a default or trigger fill new rows")),
    }
}

fn without_default(scene: &Scene<'_>, table: &Name, column: &Column) -> Option<Finding> {
    let mark = column.not_null.or(column.primary.filter(|_| scene.postgres()))?;
    let null = column.default.as_ref().is_some_and(|default| default.text.eq_ignore_ascii_case("null"));
    if column.default.is_some() && !null || column.generated.is_some() || column.counts {
        return None;
    }
    let message =
        format!("the rows of `{}` would hold null in `{}`, so the server refuses this", table.name, column.name.name);
    let finding = scene.finding(&ADD_COLUMN_NOT_NULL, mark.span, message).label("fails unless the table is empty");
    let (shown, name, of) = (scene.named(table), scene.shown(column.name.span), scene.shown(column.of.span));
    let help = match scene.is(Dialect::Sqlite) {
        true => "give it a constant default; or add it without NOT NULL, and rebuild the table when it is filled",
        false => "add it without NOT NULL, fill old rows in steps, then do what `explain set-not-null` says",
    };
    Some(finding.help(help).safe(format!("ALTER TABLE {shown} ADD COLUMN {name} {of};\n")))
}

fn in_postgres(scene: &Scene<'_>, table: &Name, column: &Ident, of: &Type, using: bool) -> Option<Finding> {
    let old = scene.schema.table(table).and_then(|known| known.column(&column.name)).map(|column| &column.of);
    let old = old.filter(|old| !old.name.is_empty());
    let cost = match cost_in_postgres(old, of) {
        Cost::Catalogue if using => Cost::Unknown,
        cost => cost,
    };
    // To text without end nothing is written, whatever text it was before.
    let to_text = !of.array && matches!(of.name.as_str(), "text" | "character varying") && of.arguments.is_empty();
    if cost == Cost::Catalogue || old.is_none() && to_text && !using {
        return None;
    }
    let was = old.map_or_else(|| "its old type is not known here".to_owned(), |old| format!("it was {}", old.shown()));
    let unless = if cost == Cost::Unknown { "unless the values are kept as they are, " } else { "" };
    let message = format!(
        "`{}.{}` becomes {} ({was}): {unless}every row is written anew while everyone waits",
        table.name,
        column.name,
        of.shown()
    );
    let finding =
        scene.finding(&CHANGE_COLUMN_TYPE, of.span, message).label("ACCESS EXCLUSIVE lock until all is written");
    let finding = if cost == Cost::Unknown { finding.at_most(Severity::Warning) } else { finding };
    let (shown, new) = (scene.named(table), crate::rules::constraint_locks::quoted(&format!("{}_new", column.name)));
    Some(
        finding
            .help("add a second column, let programs write both, fill old rows in steps, then switch; the first step:")
            .safe(format!("ALTER TABLE {shown} ADD COLUMN {new} {};\n", scene.shown(of.span))),
    )
}

fn in_mysql(scene: &Scene<'_>, alteration: &Alteration, old: &Ident, new: &Column) -> Option<Finding> {
    if online(alteration) {
        return None;
    }
    let table = &alteration.table;
    let known = scene.schema.table(table);
    let before = known.and_then(|known| known.column(&old.name));
    let charset = before.and_then(|column| column.charset.as_ref().map(|text| text.text.as_str()));
    let charset = charset.or(known.and_then(|known| known.charset.as_deref()));
    let bytes = charset.and_then(|charset| match charset {
        "utf8mb4" => Some(4),
        "utf8" | "utf8mb3" => Some(3),
        "latin1" | "ascii" | "binary" => Some(1),
        _ => None,
    });
    let other_letters = before.is_some_and(|before| {
        new.charset.as_ref().map(|text| &text.text) != before.charset.as_ref().map(|text| &text.text)
            && new.charset.is_some()
    });
    // To number the rows the server copies them (measured on MariaDB 10.11).
    let counts_now = new.counts && before.is_some_and(|before| !before.counts);
    let cost = match cost_in_mysql(before.map(|column| &column.of), &new.of, bytes) {
        Cost::Catalogue if other_letters || counts_now => Cost::Rows,
        cost => cost,
    };
    if cost == Cost::Catalogue {
        return None;
    }
    let was = before
        .map_or_else(|| "its old type is not known here".to_owned(), |before| format!("it was {}", before.of.shown()));
    let unless = if cost == Cost::Unknown { "unless the values are kept as they are, " } else { "" };
    let message = format!(
        "`{}.{}` becomes {}{} ({was}): {unless}the table is copied while writers wait",
        table.name,
        new.name.name,
        new.of.shown(),
        if counts_now { " AUTO_INCREMENT" } else { "" }
    );
    let finding = scene.finding(&CHANGE_COLUMN_TYPE, new.of.span, message).label("ALGORITHM=COPY, LOCK=SHARED");
    let finding = if cost == Cost::Unknown { finding.at_most(Severity::Warning) } else { finding };
    Some(finding.help(
        "gh-ost or pt-online-schema-change do it in small steps; ALGORITHM=INPLACE, LOCK=NONE makes the server refuse \
         where it would block",
    ))
}

/// Says whether the statement makes the server refuse rather than copy.
pub(super) fn online(alteration: &Alteration) -> bool {
    alteration.actions.iter().any(|action| match &action.change {
        Change::Manner("ALGORITHM", word) => matches!(word.as_str(), "INSTANT" | "INPLACE" | "NOCOPY"),
        Change::Manner("LOCK", word) => word == "NONE",
        _ => false,
    })
}
