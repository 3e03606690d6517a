//! Rules about what is lost: things and rows that nobody gets back without a backup.

use crate::catalogue::Known;
use crate::config::Dialect;
use crate::facts::{Change, Dropped, Fact, Name, Object, Reach, RowChange, Table};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::demands::{takes_null, unique_index};
use crate::rules::rebuilds::is_rebuilt;
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};
use crate::text::{Span, enumerate};

/// A table goes.
pub static DROP_TABLE: Rule = Rule::new(
    "drop-table",
    Severity::Error,
    "A table is dropped with all its rows.",
    "What reads or writes it fails from that moment on, and only a backup brings the rows back. First release a program \
     that no longer uses the table, then drop it in a migration of its own, when a backup is at hand. Tables that this \
     file makes, that have run nowhere yet, and those whose name another table takes in the same file are not meant.",
);
/// A column goes.
pub static DROP_COLUMN: Rule = Rule::new(
    "drop-column",
    Severity::Error,
    "A column is dropped with all its values.",
    "Programs that still name the column fail, and only a backup brings the values back. Indexes and constraints on it \
     go with it (PostgreSQL, MySQL) or make it fail (SQLite). First release a program that neither reads nor writes it.",
);
/// A schema or database goes.
pub static DROP_SCHEMA_OR_DATABASE: Rule = Rule::new(
    "drop-schema-or-database",
    Severity::Error,
    "A schema or a whole database is dropped.",
    "Everything in it is lost at once. Drop what it holds piece by piece first, so that a review sees what goes.",
);
/// Something else goes.
pub static DROP_OBJECT: Rule = Rule::new(
    "drop-object",
    Severity::Warning,
    "A view, routine, type, trigger or the like is dropped.",
    "No rows are lost, but what uses it fails. Where the same file makes it again, nothing is said.",
);
/// What depends goes too.
pub static DROP_CASCADE: Rule = Rule::new(
    "drop-cascade",
    Severity::Error,
    "CASCADE removes whatever depends, unseen.",
    "What is removed depends on the database in which it runs: views, foreign keys, columns and, with TRUNCATE, the rows of \
     other tables. Name what is to go, and let the statement fail where there is more.",
);
/// Rows go.
pub static TRUNCATE: Rule = Rule::new(
    "truncate",
    Severity::Error,
    "A table is emptied.",
    "TRUNCATE removes every row without running triggers for rows, under an exclusive lock. Only a backup brings them back.",
);
/// Rows go.
pub static DELETE_WITHOUT_WHERE: Rule = Rule::new(
    "delete-without-where",
    Severity::Error,
    "A DELETE removes every row.",
    "It has no WHERE, or one that is always true, and cannot be told from a slip. Say which rows, in steps that end soon.",
);
/// Rows change.
pub static UPDATE_WITHOUT_WHERE: Rule = Rule::new(
    "update-without-where",
    Severity::Warning,
    "An UPDATE changes every row.",
    "It locks all rows until the end, writes each anew, and cannot be told from a slip. Say which rows, in steps that end \
     soon. Columns that the same file added to a table are not meant: there it only fills what is new.",
);
/// A rule of the data goes.
pub static DROP_CONSTRAINT: Rule = Rule::new(
    "drop-constraint",
    Severity::Warning,
    "A constraint is dropped.",
    "From then on rows may come that break what it demanded, and to bring it back all rows must be looked at. Where the \
     same statement adds it again, nothing is said.",
);
/// A primary key goes.
pub static DROP_PRIMARY_KEY: Rule = Rule::new(
    "drop-primary-key",
    Severity::Warning,
    "A primary key is dropped.",
    "Rows can no longer be told apart, and replication that needs keys stops. MySQL and MariaDB copy the table.",
);
/// Null comes.
pub static DROP_NOT_NULL: Rule = Rule::new(
    "drop-not-null",
    Severity::Warning,
    "A column takes null from now on.",
    "Programs that never met null there will. The way back needs all rows to be looked at.",
);

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &DROP_TABLE,
        &DROP_COLUMN,
        &DROP_SCHEMA_OR_DATABASE,
        &DROP_OBJECT,
        &DROP_CASCADE,
        &TRUNCATE,
        &DELETE_WITHOUT_WHERE,
        &UPDATE_WITHOUT_WHERE,
        &DROP_CONSTRAINT,
        &DROP_PRIMARY_KEY,
        &DROP_NOT_NULL,
    ],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    match scene.fact() {
        Fact::Drop(drop) => dropped(scene, drop),
        Fact::AlterTable(alteration) => altered(scene, &alteration.table),
        Fact::Truncate { tables, cascade } => {
            let emptied = tables.iter().filter(|table| !scene.is_new(table)).map(|table| {
                let message = format!("this empties `{}`", table.name);
                scene.finding(&TRUNCATE, table.span, message).label("every row goes").help(
                    "delete the rows that are meant, with a WHERE; or say why all may go in a suppression of `truncate`",
                )
            });
            emptied.chain(cascade.map(|span| cascaded(scene, span, "TRUNCATE"))).collect()
        }
        Fact::Rows(change) => rows(scene, change).into_iter().collect(),
        Fact::CreateTable(made) if made.replaces && !made.temporary => replaced(scene, made).into_iter().collect(),
        Fact::Create(made) if made.what == Object::Database && scene.mysql() && scene.has_word("REPLACE") => {
            let message = "OR REPLACE drops the database of this name and all that it holds first";
            let span = made.name.as_ref().map_or(made.span, |name| name.span);
            vec![scene.finding(&DROP_SCHEMA_OR_DATABASE, span, message).help("write IF NOT EXISTS")]
        }
        _ => Vec::new(),
    }
}

/// Finds a table that goes because another takes its name (MariaDB).
fn replaced(scene: &Scene<'_>, made: &Table) -> Option<Finding> {
    let name = &made.name;
    let unknown = !scene.schema.table(name).is_some_and(Known::is_made);
    if scene.is_new(name) || unknown && scene.schema.doubt().is_none() {
        return None;
    }
    let there = if unknown { ", if there is one," } else { "" };
    let message = format!("OR REPLACE drops the table `{}`{there} and every row in it first", name.name);
    Some(scene.finding(&DROP_TABLE, name.span, message).label("cannot be brought back").help("write IF NOT EXISTS"))
}

fn cascaded(scene: &Scene<'_>, span: Span, what: &str) -> Finding {
    let message = format!("CASCADE lets this {what} remove whatever depends on it, and does not say what");
    scene.finding(&DROP_CASCADE, span, message).label("unseen").help("leave CASCADE out and name what is to go")
}

fn dropped(scene: &Scene<'_>, drop: &Dropped) -> Vec<Finding> {
    let temporary =
        drop.temporary || drop.names.iter().all(|name| scene.schema.table(name).is_some_and(|t| t.temporary));
    let mut findings: Vec<Finding> = match drop.what {
        Object::Table if temporary => return Vec::new(),
        Object::Table => drop.names.iter().filter_map(|name| table(scene, name, drop.if_exists)).collect(),
        Object::Schema | Object::Database => {
            let lost = drop.names.iter().filter(|name| !made_before(scene, drop.what, name));
            lost.map(|name| {
                let message =
                    format!("this drops the {} `{}` and all that it holds", drop.what.word().to_lowercase(), name.name);
                scene
                    .finding(&DROP_SCHEMA_OR_DATABASE, name.span, message)
                    .help("drop what it holds piece by piece first")
            })
            .collect()
        }
        Object::Owned => {
            let lost = drop.names.iter().map(|role| {
                let message = format!("this drops all that `{}` owns in this database, whatever that is", role.name);
                scene
                    .finding(&DROP_SCHEMA_OR_DATABASE, role.span, message)
                    .help("REASSIGN OWNED keeps it; or name what is to go")
            });
            lost.collect()
        }
        Object::Index => {
            drop.names.iter().filter_map(|name| unique_index(scene, drop.on.as_ref(), name, name.span)).collect()
        }
        Object::Column | Object::Other => Vec::new(),
        _ => drop.names.iter().filter_map(|name| object(scene, drop, name)).collect(),
    };
    findings.extend(drop.cascade.map(|span| cascaded(scene, span, "DROP")));
    findings
}

fn made_before(scene: &Scene<'_>, what: Object, name: &Name) -> bool {
    scene.earlier(&name.name).any(|act| match &act.fact {
        Fact::Create(made) => made.what == what && made.name.as_ref().is_some_and(|own| own.key() == name.key()),
        _ => false,
    })
}

fn table(scene: &Scene<'_>, name: &Name, if_exists: bool) -> Option<Finding> {
    if scene.is_new(name) || is_rebuilt(scene, name) {
        return None;
    }
    // No migration has made it; the database may hold it all the same, unless one has dropped or renamed it.
    let unmade = if_exists && !scene.schema.table(name).is_some_and(Known::is_made);
    if unmade && scene.schema.is_gone(name) {
        return None;
    }
    let perhaps = if unmade { ", if it is there," } else { "" };
    let finding = scene
        .finding(&DROP_TABLE, name.span, format!("this drops the table `{}`{perhaps} and every row in it", name.name))
        .label("cannot be brought back")
        .help("first release what no longer uses it; then drop it, with a backup at hand, and suppress this with the reason");
    let finding = match unmade && scene.schema.doubt().is_none() {
        true => finding.at_most(Severity::Warning),
        false => finding,
    };
    let views = scene.schema.views_of(&name.name).collect::<Vec<_>>();
    Some(match views.as_slice() {
        [] => finding,
        views => finding.note(format!("views that read it: {}", enumerate(views, 8))),
    })
}

fn object(scene: &Scene<'_>, drop: &Dropped, name: &Name) -> Option<Finding> {
    let again = scene.later(&name.name).any(|act| match &act.fact {
        Fact::Create(made) => {
            let kind = made.what == drop.what || made.what == Object::View && drop.what == Object::MaterializedView;
            kind && made.name.as_ref().is_some_and(|own| own.name == name.name)
        }
        Fact::CreateTable(table) => table.name.key() == name.key(),
        Fact::AlterType(change) => matches!(&change.how, crate::facts::TypeHow::Rename(new) if *new == name.name),
        _ => false,
    });
    if again || made_before(scene, drop.what, name) {
        return None;
    }
    let message = format!("this drops the {} `{}`", drop.what.word().to_lowercase(), name.name);
    Some(
        scene
            .finding(&DROP_OBJECT, name.span, message)
            .label("what uses it fails")
            .help("make sure that no running program uses it any more"),
    )
}

fn altered(scene: &Scene<'_>, table: &Name) -> Vec<Finding> {
    let Fact::AlterTable(alteration) = scene.fact() else { return Vec::new() };
    if scene.is_new(table) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for action in &alteration.actions {
        match &action.change {
            Change::DropColumn(name, cascade) => {
                findings.extend(column(scene, table, name));
                findings.extend(cascade.map(|span| cascaded(scene, span, "DROP COLUMN")));
            }
            Change::DropPartition(name) => {
                let message =
                    format!("this drops or empties the partition `{}` of `{}` with its rows", name.name, table.name);
                findings
                    .push(scene.finding(&DROP_TABLE, name.span, message).help("make sure that a backup is at hand"));
            }
            Change::DropConstraint(name, cascade) => {
                findings.extend(constraint(scene, table, name));
                findings.extend(cascade.map(|span| cascaded(scene, span, "DROP CONSTRAINT")));
            }
            Change::DropForeign(name) => findings.extend(constraint(scene, table, name)),
            Change::DropIndex(name) => {
                let index = Name { schema: None, name: name.name.clone(), span: name.span };
                findings.extend(unique_index(scene, Some(table), &index, name.span));
            }
            Change::Redefine(old, new) => findings.extend(takes_null(scene, table, old, new)),
            Change::DropPrimary => {
                let again = alteration.actions.iter().any(|other| is_primary(&other.change));
                let message = format!("this drops the primary key of `{}`", table.name);
                findings.extend((!again).then(|| {
                    scene.finding(&DROP_PRIMARY_KEY, action.verb, message).help("add the new key in the same statement")
                }));
            }
            // A column that takes null already loses nothing.
            Change::DropNotNull(name)
                if scene
                    .schema
                    .table(table)
                    .is_some_and(|known| known.column(&name.name).is_some() && !known.refuses_null(&name.name)) => {}
            Change::DropNotNull(name) => {
                let message = format!("from now on `{}.{}` takes null", table.name, name.name);
                findings.push(
                    scene.finding(&DROP_NOT_NULL, name.span, message).help("make sure that every reader expects null"),
                );
            }
            _ => {}
        }
    }
    findings
}

fn is_primary(change: &Change) -> bool {
    matches!(change, Change::AddConstraint(constraint) if matches!(constraint.demand, crate::facts::Demand::Primary(_)))
}

fn column(scene: &Scene<'_>, table: &Name, name: &crate::facts::Ident) -> Option<Finding> {
    let known = scene.schema.table(table);
    let column = known.and_then(|known| known.column(&name.name));
    let added_here = known.is_some_and(|known| scene.schema.is_new_since(known.column_born(&name.name)));
    let computed = column.and_then(|column| column.generated).is_some_and(|generated| !generated.stored);
    if added_here || computed {
        return None;
    }
    let finding = scene
        .finding(&DROP_COLUMN, name.span, format!("this drops `{}.{}` and every value in it", table.name, name.name))
        .label("cannot be brought back")
        .help("first release what no longer uses it; then drop it, with a backup at hand, and suppress this with the reason");
    let uses = known.map(|known| known.uses_of(&name.name)).unwrap_or_default();
    Some(match (uses.as_slice(), scene.is(Dialect::Sqlite)) {
        ([], _) => finding,
        (uses, true) => finding.note(format!("SQLite refuses this while there is {}", enumerate(uses, 8))),
        (uses, false) => finding.note(format!("with it goes {}", enumerate(uses, 8))),
    })
}

fn constraint(scene: &Scene<'_>, table: &Name, name: &crate::facts::Ident) -> Option<Finding> {
    let known_table = scene.schema.table(table);
    let known = known_table.and_then(|known| known.constraint_called(&name.name, &table.name));
    let same = |change: &Change| match change {
        Change::AddConstraint(constraint) => {
            constraint.name.as_ref().is_some_and(|own| own.name == name.name)
                || known.is_some_and(|known| known.demand.is_like(&constraint.demand))
        }
        _ => false,
    };
    let again = std::iter::once(scene.act()).chain(scene.later(&table.name)).any(|act| match &act.fact {
        Fact::AlterTable(other) => {
            other.table.key() == table.key() && other.actions.iter().any(|action| same(&action.change))
        }
        _ => false,
    });
    if again {
        return None;
    }
    // What a CHECK proved stays demanded by the column itself.
    let proved = known_table.is_some_and(|known| known.is_proof_of_not_null(&name.name));
    if proved {
        return None;
    }
    let exists = scene.word_before(name.span).is_some_and(|word| word.eq_ignore_ascii_case("EXISTS"));
    let may_lack = known.is_none() && exists;
    if may_lack && known_table.is_some_and(|known| known.whole) {
        return None;
    }
    let rule = match known.map(|constraint| &constraint.demand) {
        Some(crate::facts::Demand::Primary(_)) => &DROP_PRIMARY_KEY,
        _ => &DROP_CONSTRAINT,
    };
    let perhaps = if may_lack { ", if it is there" } else { "" };
    let message = format!("this drops the constraint `{}` of `{}`{perhaps}", name.name, table.name);
    Some(scene.finding(rule, name.span, message).help("make sure that nothing relies on what it demanded"))
}

fn rows(scene: &Scene<'_>, change: &RowChange) -> Option<Finding> {
    let (span, why) = match change.reach {
        Reach::Some => return None,
        Reach::Every => (change.verb, "has no WHERE"),
        Reach::AlwaysTrue(span) => (span, "has a condition that is always true"),
    };
    if scene.is_new(&change.table) {
        return None;
    }
    let known = scene.schema.table(&change.table);
    let fills = !change.deletes
        && !change.sets.is_empty()
        && change.sets.iter().all(|column| {
            known.is_some_and(|known| {
                known.column(&column.name).is_some() && scene.schema.is_new_since(known.column_born(&column.name))
            })
        });
    if fills {
        return None;
    }
    let table = &change.table.name;
    let (rule, message) = match change.deletes {
        true => (&DELETE_WITHOUT_WHERE, format!("this DELETE {why}: it empties `{table}`")),
        false => (&UPDATE_WITHOUT_WHERE, format!("this UPDATE {why}: it changes every row of `{table}`")),
    };
    let finding = scene.finding(rule, span, message).label("every row");
    Some(finding.help("say which rows; if all are meant, suppress this with the reason"))
}
