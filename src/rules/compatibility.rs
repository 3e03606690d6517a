//! Rules about programs that run while a migration does, and rows that may be in its way.

use crate::facts::{Change, Created, Demand, Fact, Ident, Name, Object, TypeHow};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::enumerate;

/// A table gets another name.
pub static RENAME_TABLE: Rule = Rule::new(
    "rename-table",
    Severity::Warning,
    "A table gets another name.",
    "Programs that run at that moment know only the old one and fail. A view under the old name, made in the same file, keeps \
     them going.",
);
/// A column gets another name.
pub static RENAME_COLUMN: Rule = Rule::new(
    "rename-column",
    Severity::Warning,
    "A column gets another name.",
    "Programs that run at that moment know only the old one and fail. Add a column, let programs write both, fill it, then let \
     them read the new one, and drop the old one last.",
);
/// Something else gets another name.
pub static RENAME_OBJECT: Rule = Rule::new(
    "rename-object",
    Severity::Warning,
    "A schema, view, routine, type or value of an enum gets another name (PostgreSQL).",
    "Programs that run at that moment know only the old one and fail.",
);
/// Rows may be in the way.
pub static UNIQUE_MAY_FAIL: Rule = Rule::new(
    "unique-may-fail",
    Severity::Note,
    "Columns with rows become unique.",
    "If two rows agree, the server refuses it. Ask each database first; the finding holds the query.",
);
/// A default changes.
pub static CHANGE_DEFAULT: Rule = Rule::new(
    "change-default",
    Severity::Off,
    "A default changes.",
    "Rows that programs add without naming the column get another value from then on; old rows keep theirs.",
);
/// Programs fail that did not before.
pub static NEW_WRITE_RESTRICTION: Rule = Rule::new(
    "new-write-restriction",
    Severity::Off,
    "A constraint is added that running programs may violate.",
    "A CHECK, UNIQUE or NOT NULL holds for new rows from that moment on, also when it is added NOT VALID. Release programs \
     that respect it first.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&RENAME_TABLE, &RENAME_COLUMN, &RENAME_OBJECT, &UNIQUE_MAY_FAIL, &CHANGE_DEFAULT, &NEW_WRITE_RESTRICTION],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    match scene.fact() {
        Fact::AlterTable(alteration) if !scene.is_new(&alteration.table) => {
            let table = &alteration.table;
            alteration.actions.iter().flat_map(|action| of_change(scene, table, &action.change)).collect()
        }
        Fact::Rename(Object::Table, pairs) => {
            pairs.iter().filter_map(|(old, new)| renamed_table(scene, old, new)).collect()
        }
        Fact::Rename(what, pairs) if *what != Object::Index => {
            pairs.iter().filter_map(|(old, new)| renamed_object(scene, *what, old, new)).collect()
        }
        Fact::CreateIndex(index) if index.unique && !scene.is_new(&index.table) => {
            unique(scene, &index.table, &index.columns, index.span).into_iter().collect()
        }
        Fact::AlterType(change) => match &change.how {
            TypeHow::Rename(new) => {
                let message = format!("programs that name the type `{}` fail; it becomes `{new}`", change.name.name);
                vec![scene.finding(&RENAME_OBJECT, change.name.span, message).help("make a second type instead")]
            }
            TypeHow::RenameValue(old, new) => {
                let message = format!("programs that write '{old}' fail; it becomes '{new}'");
                vec![
                    scene
                        .finding(&RENAME_OBJECT, change.span, message)
                        .help("add the new value, and stop using the old one"),
                ]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn renamed_object(scene: &Scene<'_>, what: Object, old: &Name, new: &Name) -> Option<Finding> {
    let made_here = scene.earlier(&old.name).any(|act| match &act.fact {
        Fact::Create(made) => made.what == what && made.name.as_ref().is_some_and(|name| name.name == old.name),
        _ => false,
    });
    let again = scene.later(&old.name).any(|act| match &act.fact {
        Fact::Create(made) => made.name.as_ref().is_some_and(|name| name.name == old.name),
        _ => false,
    });
    let word = what.word().to_lowercase();
    let message = format!("programs that name the {word} `{}` fail; it becomes `{}`", old.name, new.name);
    let finding = scene.finding(&RENAME_OBJECT, new.span, message).label("only the new name is left");
    (!made_here && !again).then(|| finding.help("keep the old name until no running program uses it"))
}

/// Says whether the file makes a view under a name.
fn keeps_view(scene: &Scene<'_>, name: &Name) -> bool {
    scene.later(&name.name).any(|act| match &act.fact {
        Fact::Create(Created { what: Object::View, name: Some(view), .. }) => view.name == name.name,
        _ => false,
    })
}

fn renamed_table(scene: &Scene<'_>, old: &Name, new: &Name) -> Option<Finding> {
    // One that takes the name of a table that was dropped just now replaces it.
    let replaces = scene.earlier(&new.name).any(|act| match &act.fact {
        Fact::Drop(drop) => drop.what == Object::Table && drop.names.iter().any(|name| name.name == new.name),
        _ => false,
    });
    let swapped = scene.later(&old.name).any(|act| match &act.fact {
        Fact::CreateTable(table) => table.name.key() == old.key(),
        _ => false,
    });
    let pairs_back = match scene.fact() {
        Fact::Rename(_, pairs) => pairs.iter().any(|(_, to)| to.name == old.name),
        _ => false,
    };
    // One that goes in the same file is found as that.
    let goes = scene.later(&new.name).any(|act| match &act.fact {
        Fact::Drop(drop) => drop.what == Object::Table && drop.names.iter().any(|name| name.name == new.name),
        _ => false,
    });
    if scene.is_new(old) || replaces || swapped || pairs_back || goes || keeps_view(scene, old) {
        return None;
    }
    let message = format!("programs that know only `{}` fail from that moment on", old.name);
    let finding = scene.finding(&RENAME_TABLE, new.span, message).label("only the new name is left");
    let (was, is) = (scene.named(old), scene.named(new));
    let finding =
        finding.help("keep a view under the old name in the same file, and drop it when no program uses it any more");
    // In MySQL and MariaDB the two are no one step; a view of SQLite takes no rows, and is in the way of later changes.
    if !scene.postgres() {
        return Some(finding);
    }
    Some(finding.safe(format!("ALTER TABLE {was} RENAME TO {is};\nCREATE VIEW {was} AS SELECT * FROM {is};\n")))
}

fn of_change(scene: &Scene<'_>, table: &Name, change: &Change) -> Vec<Finding> {
    match change {
        Change::RenameTable(new) => renamed_table(scene, table, new).into_iter().collect(),
        Change::SetSchema(schema) => {
            let message = format!("programs that know only the old schema of `{}` fail", table.name);
            vec![
                scene
                    .finding(&RENAME_TABLE, schema.span, message)
                    .help("keep a view at the old place in the same file"),
            ]
        }
        Change::RenameColumn(old, new) => renamed_column(scene, table, old, new).into_iter().collect(),
        Change::Redefine(old, new) if old.name != new.name.name => {
            renamed_column(scene, table, old, &new.name).into_iter().collect()
        }
        Change::AddIndex(index) if index.unique => {
            unique(scene, table, &index.columns, index.span).into_iter().collect()
        }
        Change::AddConstraint(constraint) => {
            let mut findings = Vec::new();
            if let Demand::Unique(columns) = &constraint.demand {
                findings.extend(unique(scene, table, columns, constraint.span).filter(|_| !columns.is_empty()));
            }
            if matches!(constraint.demand, Demand::Unique(_) | Demand::Check(_) | Demand::NotNull(_)) {
                let message =
                    format!("programs whose rows of `{}` do not respect this fail from that moment on", table.name);
                findings.push(
                    scene
                        .finding(&NEW_WRITE_RESTRICTION, constraint.span, message)
                        .help("first release programs that respect it"),
                );
            }
            findings
        }
        Change::SetNotNull(column) => {
            let message = format!("programs that leave `{}.{}` out fail from that moment on", table.name, column.name);
            vec![
                scene
                    .finding(&NEW_WRITE_RESTRICTION, column.span, message)
                    .help("first release programs that give it a value"),
            ]
        }
        Change::SetDefault(column, _) | Change::DropDefault(column) => {
            let message = format!("rows that leave `{}.{}` out get another value from now on", table.name, column.name);
            vec![scene.finding(&CHANGE_DEFAULT, column.span, message).help("make sure that every program expects it")]
        }
        _ => Vec::new(),
    }
}

fn renamed_column(scene: &Scene<'_>, table: &Name, old: &Ident, new: &Ident) -> Option<Finding> {
    let known = scene.schema.table(table);
    let added_here = known.is_some_and(|known| scene.schema.is_new_since(known.column_born(&old.name)));
    let view = keeps_view(scene, table);
    if added_here || view || old.name == new.name {
        return None;
    }
    let again = scene.later(&table.name).any(|act| match &act.fact {
        Fact::AlterTable(alteration) => alteration
            .actions
            .iter()
            .any(|action| matches!(&action.change, Change::AddColumn(column) if column.name.name == old.name)),
        _ => false,
    });
    if again {
        let message = format!("`{}.{}` is another column from that moment on", table.name, old.name);
        let finding = scene.finding(&RENAME_COLUMN, old.span, message).label("added again behind this");
        return Some(finding.help("give the new column a name of its own: running programs read it as the old one"));
    }
    let replaces = scene.earlier(&table.name).any(|act| match &act.fact {
        Fact::AlterTable(alteration) => alteration
            .actions
            .iter()
            .any(|action| matches!(&action.change, Change::DropColumn(column, _) if column.name == new.name)),
        _ => false,
    });
    if replaces {
        let message = format!("`{}.{}` is another column from that moment on", table.name, new.name);
        let finding = scene.finding(&RENAME_COLUMN, new.span, message).label("dropped before, under this name");
        return Some(finding.help("keep the name that the column has: running programs read it as the old one"));
    }
    let message = format!("programs that know only `{}.{}` fail from that moment on", table.name, old.name);
    let finding = scene.finding(&RENAME_COLUMN, new.span, message).label("only the new name is left");
    Some(finding.help("add a column, let programs write both, fill it, read the new one, drop the old one last"))
}

fn unique(scene: &Scene<'_>, table: &Name, columns: &[Ident], span: crate::text::Span) -> Option<Finding> {
    let known = scene.schema.table(table);
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let computed = names.iter().any(|name| name.is_empty());
    let fresh = |name: &&str| known.is_some_and(|known| scene.schema.is_new_since(known.column_born(name)));
    let proven = known.is_some_and(|known| {
        known.uniques().iter().any(|unique| unique.columns.iter().all(|column| names.contains(column)))
    });
    // It was unique until this file, which has not touched a row since.
    let touched = || {
        scene.earlier(&table.name).any(|act| matches!(act.fact, Fact::Rows(_) | Fact::Insert(_)) || act.body.is_some())
    };
    let still = scene.schema.was_unique(table, &names) && !touched();
    if computed || names.iter().any(fresh) || proven || still {
        return None;
    }
    let shown: Vec<&str> = columns.iter().map(|column| scene.shown(column.span)).collect();
    let message = format!("fails if two rows of `{}` agree in {}", table.name, enumerate(&names, 8));
    // Rows with null agree with none.
    let nullable = columns.iter().filter(|column| !known.is_some_and(|known| known.refuses_null(&column.name)));
    let filled: Vec<String> = nullable.map(|column| format!("{} IS NOT NULL", scene.shown(column.span))).collect();
    let filled = if filled.is_empty() { String::new() } else { format!(" WHERE {}", filled.join(" AND ")) };
    let query = format!(
        "SELECT {list}, count(*) FROM {}{filled} GROUP BY {list} HAVING count(*) > 1",
        scene.named(table),
        list = shown.join(", ")
    );
    Some(scene.finding(&UNIQUE_MAY_FAIL, span, message).help(format!("ask each database first: {query}")))
}
