//! Carrying out the facts of a statement.

use std::rc::Rc;

use crate::catalogue::table::renamed;
use crate::catalogue::{Catalogue, Known};
use crate::facts::{
    Alteration, Change, Created, Demand, Detail, Dropped, Fact, Index, Name, Object, Table, TypeChange, TypeHow,
};

impl Catalogue {
    /// Carries out what a statement does.
    pub fn follow(&mut self, fact: &Fact) {
        match fact {
            Fact::CreateTable(table) => self.create(table),
            Fact::AlterTable(alteration) => self.alter(alteration),
            Fact::CreateIndex(index) => self.create_index(index),
            Fact::Create(created) => self.create_other(created),
            Fact::Drop(dropped) => self.drop(dropped),
            Fact::Rename(Object::Table, pairs) => {
                for (old, new) in pairs {
                    self.rename_table(old, new);
                }
            }
            Fact::Rename(what, pairs) => {
                for (old, new) in pairs {
                    self.rename_other(*what, old, new);
                }
            }
            Fact::AlterType(change) => self.alter_type(change),
            Fact::Set { name, value, .. } if name == "search_path" => {
                let first = value.split(',').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
                let usual = ["", "public", "pg_catalog", "default", "DEFAULT"].contains(&first) || first.contains('$');
                self.path = (!usual).then(|| first.to_owned());
            }
            _ => {}
        }
    }

    /// Carries out what a routine does for itself when it is called: its own tables, until `end_routine`.
    pub fn follow_within(&mut self, fact: &Fact) {
        match fact {
            Fact::CreateTable(table) if !self.temporary.contains_key(&table.name.name) => {
                self.scratch.push(table.name.name.clone());
                self.temporary.insert(table.name.name.clone(), Known { temporary: true, ..Known::default() });
            }
            _ => {}
        }
    }

    /// Forgets what a routine made for itself.
    pub fn end_routine(&mut self) {
        for name in self.scratch.drain(..) {
            self.temporary.remove(&name);
        }
    }

    /// Carries out what a statement may do, or not: what it touches is no longer known for sure.
    pub fn perhaps_follow(&mut self, fact: &Fact) {
        match fact {
            Fact::CreateTable(table) if self.table(&table.name).is_some() => self.doubt_table(&table.name),
            Fact::AlterTable(alteration) => {
                self.doubt_table(&alteration.table);
                self.perhaps_alter(alteration);
            }
            Fact::Rename(_, pairs) => {
                for (old, new) in pairs {
                    self.perhaps_rename(old, new);
                }
            }
            Fact::Drop(dropped) => dropped.names.iter().for_each(|name| self.doubt_table(name)),
            other => self.follow(other),
        }
    }

    fn doubt_table(&mut self, name: &Name) {
        if let Some(table) = self.table_mut(name) {
            table.whole = false;
        }
    }

    /// What comes may be there from now on, and what goes may be there still.
    fn perhaps_alter(&mut self, alteration: &Alteration) {
        for action in &alteration.actions {
            match &action.change {
                Change::RenameTable(new) => self.perhaps_rename(&alteration.table, new),
                Change::SetSchema(schema) => {
                    let new = Name { schema: Some(schema.name.clone()), ..alteration.table.clone() };
                    self.perhaps_rename(&alteration.table, &new);
                }
                change @ (Change::AddColumn(_) | Change::AddConstraint(_) | Change::AddIndex(_)) => {
                    let file = self.file;
                    if let Some(table) = self.table_mut(&alteration.table) {
                        table.change(change, &alteration.table.name, file);
                    }
                }
                _ => {}
            }
        }
    }

    fn perhaps_rename(&mut self, old: &Name, new: &Name) {
        self.doubt_table(old);
        if let Some(table) = self.table(old).cloned() {
            self.put(&beside(old, new), table);
        }
    }

    fn create(&mut self, table: &Table) {
        if table.if_not_exists && self.table(&table.name).is_some_and(|known| known.temporary == table.temporary) {
            return;
        }
        let mut known = Known {
            columns: table.columns.clone(),
            constraints: table.constraints.clone(),
            born: self.file,
            whole: !table.from_query && !table.foreign,
            temporary: table.temporary,
            partitioned: table.partitioned,
            part: table.is_part,
            ..Known::default()
        };
        let option = |name: &str| table.options.iter().find(|option| option.name == name);
        known.charset = option("CHARSET").map(|option| option.value.clone());
        known.collation = option("COLLATE").map(|option| option.value.clone());
        for index in &table.indexes {
            known.add_index(Rc::new(index.clone()), self.file);
        }
        known.lift_constraints();
        for parent in table.like.iter().chain(&table.parent) {
            let all = table.is_part || table.like_all && !table.like.is_empty();
            match self.table(parent) {
                Some(parent) => known.take_after(parent, all, self.file),
                None => known.whole = false,
            }
        }
        known.demand_keys();
        self.put(&table.name, known);
    }

    /// A table that no migration made gets a place for what is done to it from now on; it is never new.
    fn mention(&mut self, name: &Name) {
        if self.table(name).is_none() && !self.views.contains_key(&name.key()) {
            self.put(name, Known::default());
        }
    }

    fn create_index(&mut self, index: &Rc<Index>) {
        let file = self.file;
        self.mention(&index.table);
        if let Some(table) = self.table_mut(&index.table) {
            let there = |other: &Rc<Index>| other.is_called(index.name.as_ref());
            if !(index.if_not_exists && table.indexes.iter().any(there)) {
                table.add_index(Rc::clone(index), file);
            }
        }
    }

    fn create_other(&mut self, created: &Created) {
        let Some(name) = &created.name else { return };
        match (&created.detail, created.what) {
            (_, Object::View | Object::MaterializedView) => {
                self.views.insert(name.key(), created.reads.iter().map(Name::key).collect());
            }
            (Detail::Values(values), _) => {
                self.types.insert(name.key(), values.clone());
            }
            (Detail::Checked, _) => {
                self.types.insert(name.key(), Vec::new());
            }
            _ => {}
        }
    }

    fn drop(&mut self, dropped: &Dropped) {
        for name in &dropped.names {
            match dropped.what {
                Object::Table => {
                    self.take(name);
                }
                Object::View | Object::MaterializedView => {
                    self.views.remove(&name.key());
                }
                Object::Type | Object::Domain => {
                    self.types.remove(&name.key());
                }
                Object::Index => self.drop_index(name, dropped.on.as_ref()),
                Object::Owned => self.lose_track("what a role owned was dropped"),
                Object::Schema | Object::Database => {
                    let prefix = format!("{}.", name.name);
                    self.tables.retain(|key, _| !key.starts_with(&prefix));
                    self.views.retain(|key, _| !key.starts_with(&prefix));
                }
                _ => {}
            }
        }
    }

    fn drop_index(&mut self, name: &Name, on: Option<&Name>) {
        let named = |index: &crate::facts::Index| index.is_called(Some(name));
        let has = |(_, table): &(&String, &Known)| table.indexes.iter().any(|index| index.unique && named(index));
        if let Some(key) = self.tables.iter().find(has).map(|(key, _)| key.clone()) {
            self.note_unique(&key);
        }
        if let Some(on) = on {
            if let Some(table) = self.table_mut(on) {
                table.drop_index(&name.name, &on.name);
            }
            return;
        }
        for (key, table) in self.tables.iter_mut().chain(&mut self.temporary) {
            table.drop_index(&name.name, key);
        }
    }

    fn rename_table(&mut self, old: &Name, new: &Name) {
        let new = beside(old, new);
        let was = self.key(old);
        let Some(table) = self.take(old) else { return };
        if table.temporary {
            self.put(&new, table);
            return;
        }
        for other in self.tables.values_mut() {
            let foreign = other.constraints.iter_mut().filter_map(|constraint| match &mut constraint.demand {
                Demand::Foreign(_, reference) => Some(reference),
                _ => None,
            });
            foreign.for_each(|reference| renamed(reference, old, &new));
        }
        for reads in self.views.values_mut() {
            reads.iter_mut().filter(|read| **read == was).for_each(|read| *read = new.key());
        }
        self.put(&new, table);
    }

    fn rename_other(&mut self, what: Object, old: &Name, new: &Name) {
        if what == Object::Schema {
            let (was, is) = (format!("{}.", old.name), format!("{}.", new.name));
            let keys: Vec<String> = self.tables.keys().filter(|key| key.starts_with(&was)).cloned().collect();
            for key in keys {
                let table = self.tables.remove(&key);
                let moved = format!("{is}{}", &key[was.len()..]);
                self.tables.extend(table.map(|table| (moved, table)));
            }
            return;
        }
        if let Some(reads) = self.views.remove(&old.key()) {
            self.views.insert(new.key(), reads);
            return;
        }
        for table in self.tables.values_mut() {
            table.rename_index(&old.name, &new.name);
        }
    }

    fn alter_type(&mut self, change: &TypeChange) {
        if matches!(change.how, TypeHow::AddConstraint(_)) {
            self.types.insert(change.name.key(), Vec::new());
        }
        let Some(values) = self.types.get_mut(&change.name.key()) else { return };
        match &change.how {
            TypeHow::AddValue(value) => values.push(value.clone()),
            TypeHow::RenameValue(old, new) => {
                values.iter_mut().filter(|value| *value == old).for_each(|value| value.clone_from(new));
            }
            TypeHow::Rename(new) => {
                let values = std::mem::take(values);
                self.types.remove(&change.name.key());
                self.types.insert(new.clone(), values);
            }
            TypeHow::AddConstraint(_) | TypeHow::Other => {}
        }
    }

    fn alter(&mut self, alteration: &Alteration) {
        let file = self.file;
        self.mention(&alteration.table);
        let mut name = alteration.table.clone();
        for action in &alteration.actions {
            match &action.change {
                Change::RenameTable(new) => {
                    self.rename_table(&name, new);
                    name = Name { schema: new.schema.clone().or(name.schema), ..new.clone() };
                }
                Change::SetSchema(schema) => {
                    let new = Name { schema: Some(schema.name.clone()), ..name.clone() };
                    self.rename_table(&name, &new);
                    name = new;
                }
                change => {
                    if matches!(change, Change::DropConstraint(..) | Change::DropIndex(_)) {
                        self.note_unique(&self.key(&name));
                    }
                    if let Some(table) = self.table_mut(&name) {
                        table.change(change, &name.name, file);
                    }
                }
            }
        }
    }
}

/// The new name of a thing, which stays in its schema unless another is written.
fn beside(old: &Name, new: &Name) -> Name {
    Name { schema: new.schema.clone().or_else(|| old.schema.clone()), ..new.clone() }
}
