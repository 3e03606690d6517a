//! Rules about keys of PostgreSQL whose index is built while others wait.
//!
//! What each statement locks was measured on PostgreSQL 15 and is asked of a live server by `tests/all/locks.rs`.

use crate::catalogue::Known;
use crate::facts::{Constraint, Ident, Name};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::constraint_locks::{first_word, named};
use crate::rules::scene::Scene;

/// An index is built under lock.
pub static UNIQUE_CONSTRAINT_LOCK: Rule = Rule::new(
    "unique-constraint-lock",
    Severity::Error,
    "A unique constraint builds its index while everyone waits (PostgreSQL).",
    "It takes an ACCESS EXCLUSIVE lock until the index is built. A unique index that was built concurrently can be taken \
     for it in a moment: UNIQUE USING INDEX.",
);
/// An index is built under lock.
pub static PRIMARY_KEY_LOCK: Rule = Rule::new(
    "primary-key-lock",
    Severity::Error,
    "A primary key builds its index while everyone waits (PostgreSQL).",
    "It takes an ACCESS EXCLUSIVE lock until the index is built, and until all rows are searched for null where the columns \
     are not NOT NULL yet. A unique index that was built concurrently can be taken for it: PRIMARY KEY USING INDEX.",
);
fn listed<'s>(scene: &Scene<'s>, columns: &[Ident]) -> String {
    let shown: Vec<&'s str> = columns.iter().map(|column| scene.shown(column.span)).collect();
    shown.join(", ")
}

/// Finds that a unique constraint builds its index.
pub(super) fn unique(scene: &Scene<'_>, table: &Name, constraint: &Constraint, columns: &[Ident]) -> Finding {
    let message = format!("building its index blocks every reader and writer of `{}`", table.name);
    let finding = scene
        .finding(&UNIQUE_CONSTRAINT_LOCK, first_word(scene, constraint), message)
        .label("ACCESS EXCLUSIVE lock until the index is built");
    let name = named(scene, table, constraint, columns, "key");
    taken(scene, finding, (table, constraint, columns), &name, "UNIQUE")
}

/// Says how the index of a key is built first and then taken for it.
fn taken(
    scene: &Scene<'_>,
    finding: Finding,
    (table, constraint, columns): (&Name, &Constraint, &[Ident]),
    name: &str,
    what: &str,
) -> Finding {
    if scene.schema.table(table).is_some_and(|known| known.partitioned) {
        return finding.help(
            "a partitioned table takes no index that was built before: plan a quiet hour, or give each partition the key \
             first (built concurrently), and then the table",
        );
    }
    let shown = scene.named(table);
    let written = |span: crate::text::Span| match scene.shown(span).trim() {
        "" => String::new(),
        words => format!(" {words}"),
    };
    let (storage, deferral) = (written(constraint.storage), written(constraint.deferral));
    let storage = storage.replace(" USING INDEX TABLESPACE", " TABLESPACE");
    // In a definition of an index this stands between what it holds and how it is kept.
    let alike = if constraint.nulls_alike { " NULLS NOT DISTINCT" } else { "" };
    let kept = [" WITH", " TABLESPACE"].iter().filter_map(|word| storage.find(word)).min().unwrap_or(storage.len());
    let (holds, kept) = storage.split_at(kept);
    finding
        .help("build a unique index concurrently, then take it for the key")
        .safe(format!(
            "-- schemagate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {shown} \
             ({}){holds}{alike}{kept};\n",
            listed(scene, columns)
        ))
        .safe(format!("ALTER TABLE {shown} ADD CONSTRAINT {name} {what} USING INDEX {name}{deferral};\n"))
}

/// Finds that a primary key builds its index, or has its columns searched for null.
pub(super) fn primary(
    scene: &Scene<'_>,
    table: &Name,
    constraint: &Constraint,
    columns: &[Ident],
    known: Option<&Known>,
) -> Option<Finding> {
    let not_null = |column: &str| known.is_some_and(|known| known.refuses_null(column));
    let nullable = "the columns must be NOT NULL first, or all rows are searched for null: see `explain set-not-null`";
    if let Some(using) = &constraint.using {
        let index = known.and_then(|known| {
            known.indexes.iter().find(|index| index.name.as_ref().is_some_and(|name| name.name == using.name))
        })?;
        if index.columns.iter().all(|column| not_null(&column.name)) {
            return None;
        }
        let message = format!("`{}` is searched for null while everyone waits", table.name);
        let finding = scene.finding(&PRIMARY_KEY_LOCK, first_word(scene, constraint), message);
        return Some(finding.at_most(Severity::Warning).help(nullable));
    }
    let name = named(scene, table, constraint, &[], "pkey");
    let message = format!("building its index blocks every reader and writer of `{}`", table.name);
    let finding = scene
        .finding(&PRIMARY_KEY_LOCK, first_word(scene, constraint), message)
        .label("ACCESS EXCLUSIVE lock until the index is built");
    if !columns.iter().all(|column| not_null(&column.name)) {
        return Some(finding.help(format!("build a unique index concurrently and take it; {nullable}")));
    }
    Some(taken(scene, finding, (table, constraint, columns), &name, "PRIMARY KEY"))
}
