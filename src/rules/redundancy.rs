//! The rule about indexes of which one serves all that the other does.

use std::rc::Rc;

use crate::catalogue::Known;
use crate::facts::{Change, Fact, Index};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::scene::Scene;
use crate::text::enumerate;

/// One index too many.
pub static REDUNDANT_INDEX: Rule = Rule::new(
    "redundant-index",
    Severity::Warning,
    "An index begins like another one that is there.",
    "The longer one serves all that the shorter one could; each of them costs every write.",
);
/// Finds an index that another one makes needless.
pub(super) fn redundant(scene: &Scene<'_>, index: &Index, known: Option<&Known>) -> Option<Finding> {
    let known = known?;
    let names: Vec<&str> = index.columns.iter().map(|column| column.name.as_str()).collect();
    if index.partial || index.unique || index.method.is_some() || names.iter().any(|name| name.is_empty()) {
        return None;
    }
    // An order, a collation, a length or a class serves what another does not; and what is there is not made again.
    let there = |other: &Rc<Index>| other.is_called(index.name.as_ref());
    if !index.plain || scene.has_word("INCLUDE") || index.if_not_exists && known.indexes.iter().any(there) {
        return None;
    }
    let begins = |columns: &[&str]| columns.len() >= names.len() && columns[..names.len()] == names[..];
    let key = known.uniques().into_iter().find(|unique| begins(&unique.columns));
    let other = known.indexes.iter().find(|other| {
        let columns: Vec<&str> = other.columns.iter().map(|column| column.name.as_str()).collect();
        !other.partial && other.method.is_none() && other.plain && begins(&columns)
    });
    let what = match (other.and_then(|other| other.name.as_ref()), key) {
        (Some(name), _) => format!("the index `{}`", name.name),
        (None, Some(unique)) if unique.primary => "the primary key".to_owned(),
        (None, Some(unique)) => format!("the unique key on {}", enumerate(&unique.columns, 8)),
        (None, None) => return shorter(scene, index, known, &names),
    };
    let message = format!("{what} begins with {} already", enumerate(&names, 8));
    let span = index.name.as_ref().map_or(index.span, |name| name.span);
    Some(scene.finding(&REDUNDANT_INDEX, span, message).label("costs every write").help("leave it out"))
}

/// Finds an index that is there and is not needed beside a new one, which begins with its columns.
fn shorter(scene: &Scene<'_>, index: &Index, known: &Known, names: &[&str]) -> Option<Finding> {
    let other = known.indexes.iter().find(|other| {
        let columns: Vec<&str> = other.columns.iter().map(|column| column.name.as_str()).collect();
        let plain = other.plain && !other.unique && !other.partial && other.method.is_none();
        plain && columns.len() < names.len() && names.starts_with(&columns)
    })?;
    let name = other.name.as_ref()?;
    // One that the same file drops is no longer there.
    let dropped = scene.acts.iter().any(|act| match &act.fact {
        Fact::Drop(drop) => drop.names.iter().any(|dropped| dropped.name == name.name),
        Fact::AlterTable(other) => other
            .actions
            .iter()
            .any(|action| matches!(&action.change, Change::DropIndex(dropped) if dropped.name == name.name)),
        _ => false,
    });
    let message = format!("this index serves all that `{}` does, which begins it", name.name);
    let span = index.name.as_ref().map_or(index.span, |name| name.span);
    let finding = scene.finding(&REDUNDANT_INDEX, span, message).label("the other one costs every write");
    let help = match scene.schema.is_new_table(known) {
        true => format!("leave `{}` out", name.name),
        false => format!("drop `{}` when this one is there", name.name),
    };
    (!dropped).then(|| finding.help(help))
}
