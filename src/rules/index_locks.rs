//! Rules about indexes of PostgreSQL that are built or dropped while others wait.
//!
//! What each statement locks was measured on PostgreSQL 15 and is asked of a live server by `tests/all/locks.rs`.

use crate::facts::{Dropped, Fact, Index, Object};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::running::is_locked;
use crate::rules::scene::{Act, Scene};
use crate::rules::{Family, Looks};

/// An index blocks writers.
pub static REQUIRE_CONCURRENT_INDEX: Rule = Rule::new(
    "require-concurrent-index",
    Severity::Error,
    "An index is built under a lock that blocks every writer (PostgreSQL).",
    "CREATE INDEX takes a SHARE lock: INSERT, UPDATE and DELETE wait until all rows are read. CONCURRENTLY lets them go on, \
     but cannot run in a transaction, so it belongs into a file of its own. Harmless on tables that this file makes.",
);
/// Dropping an index blocks everyone.
pub static REQUIRE_CONCURRENT_DROP_INDEX: Rule = Rule::new(
    "require-concurrent-drop-index",
    Severity::Warning,
    "An index is dropped under a lock that blocks everyone (PostgreSQL).",
    "DROP INDEX takes an ACCESS EXCLUSIVE lock on the table: it waits for every running query, and all later ones wait \
     behind it. CONCURRENTLY waits without blocking; it takes one name, and no CASCADE.",
);
/// Building indexes anew blocks writers.
pub static REQUIRE_CONCURRENT_REINDEX: Rule = Rule::new(
    "require-concurrent-reindex",
    Severity::Warning,
    "Indexes are built anew under a lock that blocks every writer (PostgreSQL).",
    "REINDEX takes a SHARE lock on the table and an exclusive one on each index, so that queries which would use it wait \
     too. CONCURRENTLY (since 12) does neither.",
);
/// No name to clean up by.
pub static UNNAMED_CONCURRENT_INDEX: Rule = Rule::new(
    "unnamed-concurrent-index",
    Severity::Warning,
    "An index that is built concurrently has no name (PostgreSQL).",
    "A build that fails leaves an invalid index. Before the file runs again, the program drops it by its name; without one \
     it would stay, and a second one be built beside it.",
);
/// A view is filled while readers wait.
pub static REFRESH_MATVIEW_BLOCKING: Rule = Rule::new(
    "refresh-matview-blocking",
    Severity::Warning,
    "A materialized view is filled under a lock that blocks every reader (PostgreSQL).",
    "REFRESH takes an ACCESS EXCLUSIVE lock until the query is done. CONCURRENTLY lets readers go on; it needs a unique \
     index on the view.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &REQUIRE_CONCURRENT_INDEX,
        &REQUIRE_CONCURRENT_DROP_INDEX,
        &REQUIRE_CONCURRENT_REINDEX,
        &UNNAMED_CONCURRENT_INDEX,
        &REFRESH_MATVIEW_BLOCKING,
    ],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.postgres() {
        return Vec::new();
    }
    let finding = match scene.fact() {
        Fact::CreateIndex(index) if index.concurrently => unnamed(scene, index),
        Fact::CreateIndex(index) => built(scene, index),
        Fact::Drop(drop) if drop.what == Object::Index && !drop.concurrently => return dropped(scene, drop),
        Fact::Reindex { concurrently: false, system: false } if scene.since(12) => Some(
            scene
                .finding(
                    &REQUIRE_CONCURRENT_REINDEX,
                    scene.first_word(scene.at),
                    "REINDEX blocks every writer of the table until it is done",
                )
                .help("write REINDEX ... CONCURRENTLY, in a file of its own"),
        ),
        Fact::Refresh { name, concurrently: false, filled: true } if !view_is_new(scene, name) => {
            let message = format!("readers of `{}` wait until it is filled", name.name);
            Some(
                scene
                    .finding(&REFRESH_MATVIEW_BLOCKING, name.span, message)
                    .label("ACCESS EXCLUSIVE lock")
                    .help("write CONCURRENTLY; the view needs a unique index for that"),
            )
        }
        _ => None,
    };
    finding.into_iter().collect()
}

fn view_is_new(scene: &Scene<'_>, name: &crate::facts::Name) -> bool {
    scene.earlier(&name.name).any(|act| match &act.fact {
        Fact::Create(made) => made.name.as_ref().is_some_and(|own| own.key() == name.key()),
        _ => false,
    })
}

fn built(scene: &Scene<'_>, index: &Index) -> Option<Finding> {
    let known = scene.schema.table(&index.table);
    if scene.is_new(&index.table) || index.only || view_is_new(scene, &index.table) {
        return None;
    }
    let table = &index.table.name;
    let finding = scene
        .finding(
            &REQUIRE_CONCURRENT_INDEX,
            index.span,
            format!("building this index blocks every writer of `{table}` until all its rows are read"),
        )
        .label("SHARE lock");
    if known.is_some_and(|known| known.partitioned) {
        return Some(finding.help(
            "a partitioned table takes no CONCURRENTLY: create it ON ONLY the parent, build one concurrently on each \
             partition, and ATTACH them",
        ));
    }
    let name = index.name.as_ref().map_or_else(|| suggested(index), |name| scene.named(name).to_owned());
    let unique = if index.unique { "UNIQUE " } else { "" };
    let written = scene.statement();
    let rest = written[index.table.span.start..].trim_end();
    let safe =
        format!("-- schemagate: no-transaction\nCREATE {unique}INDEX CONCURRENTLY IF NOT EXISTS {name} ON {rest};\n");
    Some(finding.help("build it concurrently, in a file of its own").safe(safe).certain(true))
}

/// The name that PostgreSQL would choose.
fn suggested(index: &Index) -> String {
    let columns: Vec<&str> =
        index.columns.iter().map(|column| if column.name.is_empty() { "expr" } else { column.name.as_str() }).collect();
    format!("{}_{}_idx", index.table.name, columns.join("_"))
}

fn unnamed(scene: &Scene<'_>, index: &Index) -> Option<Finding> {
    if index.name.is_some() {
        return None;
    }
    let message = "an index that is built concurrently should have a name, by which a failed build is found again";
    Some(scene.finding(&UNNAMED_CONCURRENT_INDEX, index.span, message).help(format!("call it {}", suggested(index))))
}

fn dropped(scene: &Scene<'_>, drop: &Dropped) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in &drop.names {
        let known = scene.schema.index(name);
        let new =
            known.is_some_and(|(table, _, born)| scene.schema.is_new_table(table) || scene.schema.is_new_since(born));
        // Where its table is locked already, or goes as well, this locks nothing more.
        let on = known.map(|(_, index, _)| index.table.name.as_str());
        let goes = |act: &Act| matches!(&act.fact, Fact::Drop(other) if other.what == Object::Table);
        let held = on.is_some_and(|on| is_locked(scene, on) || scene.later(on).any(goes));
        if new || scene.transaction && held {
            continue;
        }
        let perhaps = if drop.if_exists && known.is_none() { ", if it is there," } else { "" };
        let message =
            format!("dropping the index `{}`{perhaps} blocks every reader and writer of its table", name.name);
        let finding = scene.finding(&REQUIRE_CONCURRENT_DROP_INDEX, name.span, message).label("ACCESS EXCLUSIVE lock");
        let safe = format!("-- schemagate: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS {};\n", scene.named(name));
        let finding = finding.help("drop it concurrently, each in a file of its own");
        let partitioned = known.is_some_and(|(table, ..)| table.partitioned);
        findings.push(if partitioned || drop.cascade.is_some() {
            finding
        } else {
            finding.safe(safe).certain(drop.names.len() == 1)
        });
    }
    findings
}
