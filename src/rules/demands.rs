//! What a table demands no longer, where that is not said in so many words: a unique index goes, a column is defined anew.

use crate::facts::{Change, Column, Demand, Fact, Ident, Name};
use crate::finding::Finding;
use crate::rules::destructive::{DROP_CONSTRAINT, DROP_NOT_NULL};
use crate::rules::scene::Scene;
use crate::text::Span;

/// Finds that an index is dropped which let no two rows agree, and that none takes its place.
pub(super) fn unique_index(scene: &Scene<'_>, on: Option<&Name>, name: &Name, span: Span) -> Option<Finding> {
    let (table, index, born) = scene.schema.index(name)?;
    let table_name = on.unwrap_or(&index.table);
    let columns: Vec<&str> = index.columns.iter().map(|column| column.name.as_str()).collect();
    let proves =
        |other: &[Ident]| !other.is_empty() && other.iter().all(|column| columns.contains(&column.name.as_str()));
    let again = |change: &Change| match change {
        Change::AddIndex(other) => other.unique && proves(&other.columns),
        Change::AddConstraint(other) => match &other.demand {
            Demand::Unique(other) | Demand::Primary(other) => proves(other),
            _ => false,
        },
        _ => false,
    };
    let others = table.uniques();
    let still = others.iter().filter(|unique| unique.columns.iter().all(|column| columns.contains(column))).count() > 1;
    let acts = std::iter::once(scene.act()).chain(scene.about(&table_name.name).map(|(_, act)| act));
    let replaced = acts.into_iter().any(|act| match &act.fact {
        Fact::AlterTable(other) => other.actions.iter().any(|action| again(&action.change)),
        Fact::CreateIndex(other) => other.unique && proves(&other.columns),
        _ => false,
    });
    if !index.unique || still || replaced || scene.schema.is_new_table(table) || scene.schema.is_new_since(born) {
        return None;
    }
    let message =
        format!("this drops the unique index `{}` of `{}`: rows may agree from now on", name.name, table_name.name);
    Some(scene.finding(&DROP_CONSTRAINT, span, message).help("make sure that nothing relies on what it demanded"))
}

/// Finds that a column is defined anew, and takes null now.
pub(super) fn takes_null(scene: &Scene<'_>, table: &Name, old: &Ident, new: &Column) -> Option<Finding> {
    let before = scene.schema.table(table)?.column(&old.name)?;
    let finding = || {
        let message = format!("from now on `{}.{}` takes null", table.name, new.name.name);
        scene.finding(&DROP_NOT_NULL, new.name.span, message).help("make sure that every reader expects null")
    };
    (before.not_null.is_some() && new.not_null.is_none() && new.null && new.primary.is_none()).then(finding)
}
