//! Which statements of a file are about which names, so that no rule goes through the whole file for one of them.

use std::collections::HashMap;

use crate::facts::{Change, Column, Constraint, Demand, Fact, Name, TypeHow};
use crate::rules::scene::Act;

/// The key of statements that add a value to an enum, whichever it is.
pub const ADDED_VALUES: &str = "ADD VALUE";

/// The statements of a file by the names that they are about, without schemas; settings by their own.
#[derive(Debug, Default)]
pub struct Outline {
    by_name: HashMap<String, Vec<usize>>,
}

impl Outline {
    /// Reads the statements of a file.
    pub fn of(acts: &[Act]) -> Self {
        let mut outline = Self::default();
        for (at, act) in acts.iter().enumerate() {
            names(&act.fact, &mut |name| outline.add(name, at));
        }
        outline
    }

    fn add(&mut self, name: &str, at: usize) {
        match self.by_name.get_mut(name) {
            Some(list) if list.last() == Some(&at) => {}
            Some(list) => list.push(at),
            None => {
                self.by_name.insert(name.to_owned(), vec![at]);
            }
        }
    }

    /// Returns the statements about a name, in order.
    pub fn about(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The names that a statement is about, in order; for a setting or an added value only a word.
pub(super) fn names_of<'f>(fact: &'f Fact, say: &mut dyn FnMut(&'f Name)) {
    match fact {
        Fact::CreateTable(table) => say(&table.name),
        Fact::AlterTable(alteration) => {
            say(&alteration.table);
            for action in &alteration.actions {
                if let Change::RenameTable(new) = &action.change {
                    say(new);
                }
            }
        }
        Fact::CreateIndex(index) => say(&index.table),
        Fact::Create(made) => made.name.iter().for_each(say),
        Fact::Drop(drop) => drop.names.iter().for_each(say),
        Fact::Rename(_, pairs) => pairs.iter().flat_map(|(old, new)| [old, new]).for_each(say),
        Fact::AlterType(change) => say(&change.name),
        Fact::Truncate { tables, .. } | Fact::Rewrite { tables, .. } => tables.iter().for_each(say),
        Fact::Rows(change) => say(&change.table),
        Fact::Insert(insertion) => {
            say(&insertion.table);
            insertion.from.iter().flatten().for_each(say);
        }
        Fact::Comment { name, .. } | Fact::Refresh { name, .. } => say(name),
        Fact::Set { .. } | Fact::Reindex { .. } | Fact::Nothing => {}
    }
}

fn names(fact: &Fact, say: &mut dyn FnMut(&str)) {
    names_of(fact, &mut |name| say(&name.name));
    match fact {
        Fact::AlterType(change) => match &change.how {
            TypeHow::Rename(new) => say(new),
            TypeHow::AddValue(_) => say(ADDED_VALUES),
            _ => {}
        },
        Fact::Set { name, .. } => say(name),
        _ => {}
    }
    parents(fact).into_iter().for_each(|parent| say(&referring(parent)));
}

/// The key of statements that make foreign keys to a table.
pub fn referring(parent: &str) -> String {
    format!("REFERENCES {parent}")
}

/// The tables to which a statement makes foreign keys.
fn parents(fact: &Fact) -> Vec<&str> {
    fn of_column(column: &Column) -> Option<&str> {
        column.references.as_ref().map(|reference| reference.table.name.as_str())
    }
    fn of_constraint(constraint: &Constraint) -> Option<&str> {
        match &constraint.demand {
            Demand::Foreign(_, reference) => Some(&reference.table.name),
            _ => None,
        }
    }
    match fact {
        Fact::CreateTable(table) => {
            let columns = table.columns.iter().filter_map(|column| of_column(column));
            columns.chain(table.constraints.iter().filter_map(of_constraint)).collect()
        }
        Fact::AlterTable(alteration) => {
            let added = alteration.actions.iter().filter_map(|action| match &action.change {
                Change::AddConstraint(constraint) => of_constraint(constraint),
                Change::AddColumn(column) => of_column(column),
                _ => None,
            });
            added.collect()
        }
        _ => Vec::new(),
    }
}
