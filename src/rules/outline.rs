//! Which statements of a file are about which names, so that no rule goes through the whole file for one of them.

use std::collections::HashMap;

use crate::facts::{Change, Fact, Name, TypeHow};
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

fn names(fact: &Fact, say: &mut dyn FnMut(&str)) {
    let all = |names: &[Name], say: &mut dyn FnMut(&str)| names.iter().for_each(|name| say(&name.name));
    match fact {
        Fact::CreateTable(table) => say(&table.name.name),
        Fact::AlterTable(alteration) => {
            say(&alteration.table.name);
            for action in &alteration.actions {
                if let Change::RenameTable(new) = &action.change {
                    say(&new.name);
                }
            }
        }
        Fact::CreateIndex(index) => say(&index.table.name),
        Fact::Create(made) => made.name.iter().for_each(|name| say(&name.name)),
        Fact::Drop(drop) => all(&drop.names, say),
        Fact::Rename(_, pairs) => {
            for (old, new) in pairs {
                say(&old.name);
                say(&new.name);
            }
        }
        Fact::AlterType(change) => {
            say(&change.name.name);
            match &change.how {
                TypeHow::Rename(new) => say(new),
                TypeHow::AddValue(_) => say(ADDED_VALUES),
                _ => {}
            }
        }
        Fact::Truncate { tables, .. } => all(tables, say),
        Fact::Rows(change) => say(&change.table.name),
        Fact::Insert(insertion) => {
            say(&insertion.table.name);
            all(insertion.from.as_deref().unwrap_or_default(), say);
        }
        Fact::Set { name, .. } => say(name),
        Fact::Comment { name, .. } => say(&name.name),
        Fact::Rewrite { .. } | Fact::Reindex { .. } | Fact::Refresh { .. } | Fact::Nothing => {}
    }
}
