//! Carrying out the facts of a statement.

use crate::catalogue::table::renamed;
use crate::catalogue::{Catalogue, Known};
use crate::facts::{
    Alteration, Change, Column, Constraint, Created, Demand, Detail, Dropped, Fact, Ident, Index, Mark, Name, Object,
    Table, TypeChange, TypeHow,
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
            Fact::Rename(_, pairs) => {
                for (old, new) in pairs {
                    self.rename_other(old, new);
                }
            }
            Fact::AlterType(change) => self.alter_type(change),
            _ => {}
        }
    }

    /// Carries out what a statement may do, or not: what it touches is no longer known for sure.
    pub fn perhaps_follow(&mut self, fact: &Fact) {
        let touched: Vec<&Name> = match fact {
            Fact::AlterTable(alteration) => vec![&alteration.table],
            Fact::Rename(_, pairs) => pairs.iter().map(|(old, _)| old).collect(),
            Fact::Drop(dropped) => dropped.names.iter().collect(),
            _ => Vec::new(),
        };
        if !matches!(fact, Fact::Drop(_) | Fact::Rename(..)) {
            self.follow(fact);
        }
        for name in touched {
            if let Some(table) = self.tables.get_mut(&name.key()) {
                table.whole = false;
            }
        }
    }

    fn create(&mut self, table: &Table) {
        let key = table.name.key();
        if table.if_not_exists && self.tables.contains_key(&key) {
            return;
        }
        let mut known = Known {
            columns: table.columns.clone(),
            constraints: table.constraints.clone(),
            born: self.file,
            whole: !table.from_query && !table.foreign,
            temporary: table.temporary,
            partitioned: table.partitioned || table.parent.is_some(),
            ..Known::default()
        };
        known.charset = table.options.iter().find(|option| option.name == "CHARSET").map(|option| option.value.clone());
        for index in &table.indexes {
            known.add_index(index.clone(), self.file);
        }
        for parent in table.like.iter().chain(&table.parent) {
            match self.table(parent) {
                Some(parent) => {
                    let mut columns = parent.columns.clone();
                    columns.append(&mut known.columns);
                    known.columns = columns;
                    known.whole &= parent.whole;
                }
                None => known.whole = false,
            }
        }
        self.tables.insert(key, known);
    }

    fn create_index(&mut self, index: &Index) {
        let file = self.file;
        if let Some(table) = self.tables.get_mut(&index.table.key()) {
            let there = |other: &Index| other.name.is_some() && other.name == index.name;
            if !(index.if_not_exists && table.indexes.iter().any(there)) {
                table.add_index(index.clone(), file);
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
                    self.tables.remove(&name.key());
                }
                Object::View | Object::MaterializedView => {
                    self.views.remove(&name.key());
                }
                Object::Type | Object::Domain => {
                    self.types.remove(&name.key());
                }
                Object::Index => self.drop_index(name, dropped.on.as_ref()),
                Object::Schema => {
                    let prefix = format!("{}.", name.name);
                    self.tables.retain(|key, _| !key.starts_with(&prefix));
                    self.views.retain(|key, _| !key.starts_with(&prefix));
                }
                _ => {}
            }
        }
    }

    fn drop_index(&mut self, name: &Name, on: Option<&Name>) {
        for (key, table) in &mut self.tables {
            if on.is_none_or(|on| on.key() == *key) {
                table.drop_index(&name.name);
            }
        }
    }

    fn rename_table(&mut self, old: &Name, new: &Name) {
        let new = Name { schema: new.schema.clone().or_else(|| old.schema.clone()), ..new.clone() };
        let Some(table) = self.tables.remove(&old.key()) else { return };
        for other in self.tables.values_mut() {
            let own = other.columns.iter_mut().filter_map(|column| column.references.as_deref_mut());
            let others = other.constraints.iter_mut().filter_map(|constraint| match &mut constraint.demand {
                Demand::Foreign(_, reference) => Some(reference),
                _ => None,
            });
            own.chain(others).for_each(|reference| renamed(reference, old, &new));
        }
        for reads in self.views.values_mut() {
            reads.iter_mut().filter(|read| **read == old.key()).for_each(|read| *read = new.key());
        }
        self.tables.insert(new.key(), table);
    }

    fn rename_other(&mut self, old: &Name, new: &Name) {
        if let Some(reads) = self.views.remove(&old.key()) {
            self.views.insert(new.key(), reads);
            return;
        }
        for table in self.tables.values_mut() {
            table.rename_index(&old.name, &new.name);
        }
    }

    fn alter_type(&mut self, change: &TypeChange) {
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
                    if let Some(table) = self.tables.get_mut(&name.key()) {
                        table.change(change, file);
                    }
                }
            }
        }
    }
}

impl Known {
    fn add_index(&mut self, index: Index, file: u32) {
        self.indexes.push(index);
        self.index_born.push(file);
    }

    fn drop_index(&mut self, name: &str) {
        let same = |index: &Index| index.name.as_ref().is_some_and(|own| own.name == name);
        while let Some(place) = self.indexes.iter().position(same) {
            self.indexes.remove(place);
            self.index_born.remove(place);
        }
        // In MySQL the index of a unique constraint goes by its name too.
        self.drop_constraint(name);
    }

    fn rename_index(&mut self, old: &str, new: &str) {
        for name in self.indexes.iter_mut().filter_map(|index| index.name.as_mut()) {
            if name.name == old {
                new.clone_into(&mut name.name);
            }
        }
    }

    fn drop_constraint(&mut self, name: &str) {
        self.constraints.retain(|constraint| constraint.name.as_ref().is_none_or(|own| own.name != name));
    }

    fn at(&mut self, name: &Ident) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name.name == name.name)
    }

    fn change(&mut self, change: &Change, file: u32) {
        match change {
            Change::AddColumn(column) => {
                if self.column(&column.name.name).is_none() {
                    self.columns.push((**column).clone());
                    self.column_born.push((column.name.name.clone(), file));
                }
            }
            Change::DropColumn(name, _) => self.drop_column(&name.name),
            Change::AddConstraint(constraint) => self.add_constraint(constraint),
            Change::AddIndex(index) => self.add_index(index.clone(), file),
            Change::DropConstraint(name, _) | Change::DropForeign(name) => self.drop_constraint(&name.name),
            Change::DropIndex(name) => self.drop_index(&name.name),
            Change::DropPrimary => {
                self.constraints.retain(|constraint| !matches!(constraint.demand, Demand::Primary(_)));
                self.columns.iter_mut().for_each(|column| column.primary = None);
            }
            Change::Validate(name) => {
                let same =
                    |constraint: &&mut Constraint| constraint.name.as_ref().is_some_and(|own| own.name == name.name);
                self.constraints.iter_mut().filter(same).for_each(|constraint| constraint.not_valid = false);
            }
            Change::RenameColumn(old, new) => self.rename_column(&old.name, &new.name),
            Change::RenamePart(Object::Index, old, new) => self.rename_index(&old.name, &new.name),
            Change::RenamePart(_, old, new) => {
                let names = self.constraints.iter_mut().filter_map(|constraint| constraint.name.as_mut());
                names.filter(|name| name.name == old.name).for_each(|name| name.name.clone_from(&new.name));
            }
            Change::Convert(charset) => self.charset = Some(charset.clone()),
            other => self.change_column(other),
        }
    }

    fn change_column(&mut self, change: &Change) {
        match change {
            Change::SetType(name, of, _) => {
                if let Some(column) = self.at(name) {
                    column.of = of.clone();
                }
            }
            Change::Redefine(old, new) => {
                self.rename_column(&old.name, &new.name.name);
                if let Some(column) = self.at(&new.name) {
                    let (primary, unique) = (column.primary, column.unique);
                    *column = (**new).clone();
                    column.primary = column.primary.or(primary);
                    column.unique = column.unique.or(unique);
                }
            }
            Change::SetDefault(name, text) => {
                if let Some(column) = self.at(name) {
                    column.default = Some(Box::new(text.clone()));
                }
            }
            Change::DropDefault(name) => {
                if let Some(column) = self.at(name) {
                    column.default = None;
                }
            }
            Change::SetNotNull(name) => {
                if let Some(column) = self.at(name) {
                    column.not_null = Some(Mark::default());
                }
            }
            Change::DropNotNull(name) => {
                if let Some(column) = self.at(name) {
                    column.not_null = None;
                }
            }
            _ => {}
        }
    }

    fn add_constraint(&mut self, constraint: &Constraint) {
        let mut constraint = constraint.clone();
        // The columns of a constraint that takes an index are those of the index.
        if let Some(using) = &constraint.using {
            let found = self.indexes.iter().find(|index| index.name.as_ref().is_some_and(|own| own.name == using.name));
            let columns = found.map(|index| index.columns.clone()).unwrap_or_default();
            match &mut constraint.demand {
                Demand::Primary(list) | Demand::Unique(list) => *list = columns,
                _ => {}
            }
        }
        if let (Demand::Primary(columns), columns_here) = (&constraint.demand, &mut self.columns) {
            let in_key = |column: &&mut Column| columns.iter().any(|name| name.name == column.name.name);
            columns_here.iter_mut().filter(in_key).for_each(|column| {
                column.not_null.get_or_insert_default();
            });
        }
        self.constraints.push(constraint);
    }

    fn drop_column(&mut self, name: &str) {
        self.columns.retain(|column| column.name.name != name);
        let holds = |columns: &[Ident]| columns.iter().any(|column| column.name == name);
        self.constraints.retain(|constraint| match &constraint.demand {
            Demand::Primary(columns) | Demand::Unique(columns) | Demand::Foreign(columns, _) => !holds(columns),
            _ => true,
        });
        while let Some(place) = self.indexes.iter().position(|index| holds(&index.columns)) {
            self.indexes.remove(place);
            self.index_born.remove(place);
        }
    }

    fn rename_column(&mut self, old: &str, new: &str) {
        let own = self.columns.iter_mut().map(|column| &mut column.name);
        let in_indexes = self.indexes.iter_mut().flat_map(|index| index.columns.iter_mut());
        let in_constraints = self.constraints.iter_mut().flat_map(|constraint| match &mut constraint.demand {
            Demand::Primary(columns) | Demand::Unique(columns) | Demand::Foreign(columns, _) => columns.iter_mut(),
            _ => [].iter_mut(),
        });
        for name in own.chain(in_indexes).chain(in_constraints).filter(|name| name.name == old) {
            new.clone_into(&mut name.name);
        }
    }
}
