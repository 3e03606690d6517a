//! Rules that some teams want and others do not: off until they are asked for.

use crate::facts::{Alteration, Change, Fact, Name, Object};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::running::{locked, locks};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::Span;

/// One change in two statements.
pub static COMBINE_ALTER_TABLE: Rule = Rule::new(
    "combine-alter-table",
    Severity::Off,
    "Two statements that follow each other alter the same table.",
    "Each takes its lock, and each reads or copies the table where its change needs that. One ALTER TABLE with both actions \
     does so once.",
);
/// Two tables at once.
pub static WIDE_LOCK_WINDOW: Rule = Rule::new(
    "wide-lock-window",
    Severity::Off,
    "A second table in use is locked against everyone in the same transaction (PostgreSQL).",
    "The lock on the first one is kept while the second one is waited for, and programs that take them in the other order \
     end in a deadlock. One table a file keeps each lock short.",
);
/// Small things that lock.
pub static TRIGGER_POLICY_LOCK: Rule = Rule::new(
    "trigger-policy-lock",
    Severity::Off,
    "A trigger, policy or rule of a table in use comes, goes or changes (PostgreSQL).",
    "It takes a moment once it has its lock: against writers for CREATE TRIGGER and for switching triggers, against everyone \
     for the rest. Whoever holds the table keeps it waiting, and everyone behind it.",
);
/// Let the server choose.
pub static MYSQL_EXPLICIT_ALGORITHM: Rule = Rule::new(
    "mysql-explicit-algorithm",
    Severity::Off,
    "A change does not say how it may be done (MySQL, MariaDB).",
    "Without ALGORITHM and LOCK the server takes the best way that it has, which may be a copy of the table. With them it \
     refuses what would block.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&COMBINE_ALTER_TABLE, &WIDE_LOCK_WINDOW, &TRIGGER_POLICY_LOCK, &MYSQL_EXPLICIT_ALGORITHM],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = guarded(scene).into_iter().collect();
    if let Fact::AlterTable(alteration) = scene.fact()
        && !scene.is_new(&alteration.table)
    {
        findings.extend(again(scene, alteration));
        findings.extend(second(scene, &alteration.table));
        findings.extend(silent(scene, alteration));
    }
    findings
}

/// Whether all actions may stand beside others in one statement.
fn joins(alteration: &Alteration) -> bool {
    alteration.actions.iter().all(|action| {
        !matches!(
            action.change,
            Change::RenameColumn(..)
                | Change::RenameTable(_)
                | Change::RenamePart(..)
                | Change::SetSchema(_)
                | Change::AttachPartition(_)
                | Change::DetachPartition(..)
                | Change::DropPartition(_)
                | Change::Validate(_)
                | Change::Nothing
        )
    })
}

fn again(scene: &Scene<'_>, alteration: &Alteration) -> Option<Finding> {
    let before = &scene.acts[scene.at.checked_sub(1)?];
    let Fact::AlterTable(other) = &before.fact else { return None };
    let same = other.table.key() == alteration.table.key() && before.body == scene.act().body;
    if !same || !joins(other) || !joins(alteration) || !(scene.postgres() || scene.mysql()) {
        return None;
    }
    let message = format!("the statement before alters `{}` as well", alteration.table.name);
    let finding = scene.finding(&COMBINE_ALTER_TABLE, scene.first_word(scene.at), message);
    Some(
        finding
            .label("locks the table once more")
            .help("write both actions into one ALTER TABLE, with a comma between"),
    )
}

fn second(scene: &Scene<'_>, table: &Name) -> Option<Finding> {
    let first = locked(scene).filter(|first| first.key() != table.key())?;
    if !scene.postgres() || !scene.transaction || !locks(scene) {
        return None;
    }
    let message = format!("`{}` is waited for while `{}` is locked against everyone", table.name, first.name);
    let finding = scene.finding(&WIDE_LOCK_WINDOW, table.span, message);
    Some(finding.label("both stay locked until the end of the file").help("put this into the next file"))
}

fn silent(scene: &Scene<'_>, alteration: &Alteration) -> Option<Finding> {
    let said = |change: &Change| matches!(change, Change::Manner(..));
    let quick = |change: &Change| matches!(change, Change::RenameTable(_) | Change::Nothing | Change::DropPartition(_));
    let actions = || alteration.actions.iter().map(|action| &action.change);
    if !scene.mysql() || actions().any(said) || actions().all(quick) {
        return None;
    }
    let message = format!("the server may copy `{}` for this, and does not ask", alteration.table.name);
    let finding = scene.finding(&MYSQL_EXPLICIT_ALGORITHM, scene.first_word(scene.at), message);
    Some(finding.help("add ALGORITHM=INSTANT, or ALGORITHM=INPLACE, LOCK=NONE: what would block is refused then"))
}

/// Triggers, policies and rules of a table in use.
fn guarded(scene: &Scene<'_>) -> Option<Finding> {
    let guard = |what: Object| matches!(what, Object::Trigger | Object::Policy | Object::Rule);
    let (table, span, mild): (&Name, Span, bool) = match scene.fact() {
        Fact::Create(made) if guard(made.what) => (made.on.as_ref()?, made.span, made.what == Object::Trigger),
        Fact::Drop(drop) if guard(drop.what) => (drop.on.as_ref()?, drop.span, false),
        Fact::AlterTable(alteration) => {
            let switched = scene.has_word("TRIGGER");
            let guards = |change: &Change| matches!(change, Change::Guard) || switched && *change == Change::Nothing;
            let action = alteration.actions.iter().find(|action| guards(&action.change))?;
            (&alteration.table, action.span, switched)
        }
        _ => return None,
    };
    if !scene.postgres() || scene.is_new(table) {
        return None;
    }
    let does = if mild { "writes to" } else { "reads or writes" };
    let message = format!("whoever {does} `{}` waits until this has its lock and the file ends", table.name);
    let finding = scene.finding(&TRIGGER_POLICY_LOCK, span, message);
    Some(finding.help("give it a file of its own, with a short lock timeout"))
}
