//! Carrying out what is done to one table.

use std::rc::Rc;

use crate::catalogue::Known;
use crate::facts::{Change, Column, Constraint, Demand, Ident, Index, Mark, Object, Text};
use crate::text::Span;

fn plain(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

/// Says whether a constraint has this name, be it the one that PostgreSQL chose where none was written: `t_pkey`,
/// `t_a_key`, `t_a_fkey`, `t_a_check` (its manual leaves that open; measured on 15).
fn is_called(constraint: &Constraint, columns: &[Rc<Column>], name: &str, table: &str) -> bool {
    let chosen = |ending: &str, columns: &[Ident]| {
        let columns: String = columns.iter().map(|column| format!("_{}", column.name)).collect();
        name == format!("{}{columns}_{ending}", plain(table))
    };
    match (&constraint.name, &constraint.demand) {
        (Some(own), _) => own.name == name,
        (None, Demand::Primary(_)) => chosen("pkey", &[]),
        (None, Demand::Unique(columns)) => chosen("key", columns),
        (None, Demand::Foreign(columns, _)) => chosen("fkey", columns),
        (None, Demand::Check(text)) => {
            let words = words(&text.text);
            let of = |column: &Column| {
                words.contains(&column.name.name.as_str()) && chosen("check", std::slice::from_ref(&column.name))
            };
            chosen("check", &[]) || columns.iter().any(|column| of(column))
        }
        (None, Demand::NotNull(column)) => chosen("not_null", std::slice::from_ref(column)),
        (None, Demand::Exclude) => false,
    }
}

impl Known {
    /// Returns a constraint by its name, be it a chosen one; `table` is the table's own name.
    pub fn constraint_called(&self, name: &str, table: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|constraint| is_called(constraint, &self.columns, name, table))
    }

    pub(super) fn add_index(&mut self, index: Rc<Index>, file: u32) {
        self.indexes.reserve_exact(1);
        self.index_born.reserve_exact(1);
        self.indexes.push(index);
        self.index_born.push(file);
    }

    pub(super) fn drop_index(&mut self, name: &str, table: &str) {
        let same = |index: &Rc<Index>| index.name.as_ref().is_some_and(|own| own.name == name);
        while let Some(place) = self.indexes.iter().position(same) {
            self.indexes.remove(place);
            self.index_born.remove(place);
        }
        // In MySQL the index of a unique constraint goes by its name too.
        self.drop_constraint(name, table);
    }

    pub(super) fn rename_index(&mut self, old: &str, new: &str) {
        for name in self.indexes.iter_mut().map(Rc::make_mut).filter_map(|index| index.name.as_mut()) {
            if name.name == old {
                new.clone_into(&mut name.name);
            }
        }
    }

    /// Drops a constraint by its name, be it a chosen one.
    fn drop_constraint(&mut self, name: &str, table: &str) {
        let columns = std::mem::take(&mut self.columns);
        self.constraints.retain(|constraint| !is_called(constraint, &columns, name, table));
        self.columns = columns;
        if name.strip_suffix("_pkey") == Some(plain(table)) {
            for column in self.columns.iter_mut().filter(|column| column.primary.is_some()) {
                Rc::make_mut(column).primary = None;
            }
        }
    }

    /// Makes the constraints that stand at columns constraints of the table, so that each is found in one place.
    pub(super) fn lift_constraints(&mut self) {
        let mut columns = std::mem::take(&mut self.columns);
        for column in columns.iter_mut().filter(|column| holds_constraints(column)) {
            self.lift(Rc::make_mut(column));
        }
        self.columns = columns;
    }

    fn lift(&mut self, column: &mut Column) {
        let named = |word: &str| column.names.iter().find(|(_, demand)| *demand == word).map(|(name, _)| name.clone());
        let own = || vec![column.name.clone()];
        let mut lifted: Vec<(&str, Demand)> = Vec::new();
        lifted.extend(column.unique.map(|_| ("UNIQUE", Demand::Unique(own()))));
        lifted.extend(column.check.as_ref().map(|text| ("CHECK", Demand::Check((**text).clone()))));
        lifted.extend(column.references.as_ref().map(|to| ("REFERENCES", Demand::Foreign(own(), (**to).clone()))));
        if column.primary.is_some() && named("PRIMARY").is_some() {
            lifted.push(("PRIMARY", Demand::Primary(own())));
        }
        let new = lifted.into_iter().map(|(word, demand)| Constraint {
            name: named(word),
            demand,
            not_valid: false,
            using: None,
            nulls_alike: false,
            storage: Span::default(),
            deferral: Span::default(),
            span: column.span,
        });
        let new: Vec<Constraint> = new.collect();
        if new.iter().any(|constraint| matches!(constraint.demand, Demand::Primary(_))) {
            column.not_null.get_or_insert_default();
            column.primary = None;
        }
        self.constraints.extend(new);
        (column.unique, column.check, column.references) = (None, None, None);
    }

    /// The columns of a primary key take no null.
    pub(super) fn demand_keys(&mut self) {
        let keys = self.constraints.iter().filter_map(|constraint| match &constraint.demand {
            Demand::Primary(columns) => Some(columns.clone()),
            _ => None,
        });
        for key in keys.flatten().collect::<Vec<_>>() {
            if let Some(column) = self.at(&key) {
                column.in_key = true;
            }
        }
    }

    /// Takes columns from another table, and with `all` its keys, conditions, defaults and indexes.
    pub(super) fn take_after(&mut self, parent: &Self, all: bool, file: u32) {
        let mut columns = parent.columns.clone();
        if all {
            let kept = |constraint: &&Constraint| !matches!(constraint.demand, Demand::Foreign(..));
            let taken = parent.constraints.iter().filter(kept).cloned();
            self.constraints.extend(taken.map(|constraint| Constraint { name: None, ..constraint }));
            for index in &parent.indexes {
                self.add_index(Rc::new(Index { name: None, ..(**index).clone() }), file);
            }
        } else {
            for column in columns.iter_mut().filter(|column| column.primary.is_some() || column.default.is_some()) {
                let column = Rc::make_mut(column);
                (column.primary, column.default) = (None, None);
            }
        }
        columns.append(&mut self.columns);
        self.columns = columns;
        self.whole &= parent.whole;
    }

    fn at(&mut self, name: &Ident) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name.name == name.name).map(Rc::make_mut)
    }

    /// Carries out one action of an ALTER TABLE; `table` is the name under which it is known.
    pub(super) fn change(&mut self, change: &Change, table: &str, file: u32) {
        match change {
            Change::AddColumn(column) => {
                if self.column(&column.name.name).is_none() {
                    let mut column = Rc::clone(column);
                    if holds_constraints(&column) {
                        self.lift(Rc::make_mut(&mut column));
                    }
                    // Tables are many, and what is added to each of them is little.
                    self.columns.reserve_exact(1);
                    self.column_born.reserve_exact(1);
                    self.column_born.push((column.name.name.clone(), file));
                    self.columns.push(column);
                }
            }
            Change::DropColumn(name, _) => self.drop_column(&name.name),
            Change::AddConstraint(constraint) => self.add_constraint(constraint),
            Change::AddIndex(index) => self.add_index(Rc::new(index.clone()), file),
            Change::DropConstraint(name, _) | Change::DropForeign(name) => {
                self.drop_constraint(&name.name, table);
            }
            Change::DropIndex(name) => self.drop_index(&name.name, table),
            Change::DropPrimary => {
                self.constraints.retain(|constraint| !matches!(constraint.demand, Demand::Primary(_)));
                for column in self.columns.iter_mut().filter(|column| column.primary.is_some() || column.in_key) {
                    let column = Rc::make_mut(column);
                    (column.primary, column.in_key) = (None, false);
                }
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
                    let (primary, in_key) = (column.primary, column.in_key);
                    let mut new = (**new).clone();
                    new.primary = new.primary.or(primary);
                    new.in_key |= in_key;
                    *column = new.clone();
                    self.lift(&mut new);
                    if let Some(column) = self.at(&new.name) {
                        *column = new.clone();
                    }
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
        self.constraints.reserve_exact(1);
        self.constraints.push(constraint);
        self.demand_keys();
    }

    fn drop_column(&mut self, name: &str) {
        self.columns.retain(|column| column.name.name != name);
        let holds = |columns: &[Ident]| columns.iter().any(|column| column.name == name);
        self.constraints.retain(|constraint| match &constraint.demand {
            Demand::Primary(columns) | Demand::Unique(columns) | Demand::Foreign(columns, _) => !holds(columns),
            Demand::Check(text) => !words(&text.text).contains(&name),
            Demand::NotNull(column) => column.name != name,
            Demand::Exclude => true,
        });
        while let Some(place) = self.indexes.iter().position(|index| holds(&index.columns)) {
            self.indexes.remove(place);
            self.index_born.remove(place);
        }
    }

    fn rename_column(&mut self, old: &str, new: &str) {
        if old == new {
            return;
        }
        if let Some(column) = self.columns.iter_mut().find(|column| column.name.name == old) {
            new.clone_into(&mut Rc::make_mut(column).name.name);
        }
        let in_indexes = self.indexes.iter_mut().map(Rc::make_mut).flat_map(|index| index.columns.iter_mut());
        let in_constraints = self.constraints.iter_mut().flat_map(|constraint| match &mut constraint.demand {
            Demand::Primary(columns) | Demand::Unique(columns) | Demand::Foreign(columns, _) => columns.iter_mut(),
            Demand::NotNull(column) => std::slice::from_mut(column).iter_mut(),
            Demand::Check(text) => {
                rename_in(text, old, new);
                [].iter_mut()
            }
            Demand::Exclude => [].iter_mut(),
        });
        for name in in_indexes.chain(in_constraints).filter(|name| name.name == old) {
            new.clone_into(&mut name.name);
        }
        for (column, _) in self.column_born.iter_mut().filter(|(column, _)| column == old) {
            new.clone_into(column);
        }
    }
}

/// The words of a condition, which was written with one space between its tokens.
fn words(condition: &str) -> Vec<&str> {
    condition.split(' ').map(|word| word.trim_matches(['"', '`', '[', ']'])).collect()
}

/// Gives a column its new name in a condition.
fn rename_in(condition: &mut Text, old: &str, new: &str) {
    let renamed = words(&condition.text).into_iter().map(|word| if word == old { new } else { word });
    condition.text = renamed.collect::<Vec<_>>().join(" ");
}

/// Says whether a column has constraints of its own that belong to the table.
fn holds_constraints(column: &Column) -> bool {
    column.unique.is_some() || column.check.is_some() || column.references.is_some() || !column.names.is_empty()
}
