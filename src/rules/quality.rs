//! Rules about schemas that work, and will not always.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::catalogue::Known;
use crate::config::Dialect;
use crate::facts::{Change, Constraint, Demand, Fact, Ident, Insertion, Name, Reference, Table, Type};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::redundancy::{REDUNDANT_INDEX, redundant};
use crate::rules::scene::{Act, Scene};
use crate::rules::{Family, Looks};
use crate::text::{Span, enumerate};

/// Rows that cannot be told apart.
pub static REQUIRE_PRIMARY_KEY: Rule = Rule::new(
    "require-primary-key",
    Severity::Warning,
    "A table has no primary key.",
    "Two rows that agree cannot be told apart, logical replication cannot update them, and InnoDB makes a hidden key of its own.",
);
/// Numbers that run out.
pub static NARROW_PRIMARY_KEY: Rule = Rule::new(
    "narrow-primary-key",
    Severity::Warning,
    "A primary key counts with less than 64 bits.",
    "32 bits end at 2,147,483,647. A sequence gets there sooner than a table has rows, and the way out writes every row anew.",
);
/// Rows are searched for one by one.
pub static FOREIGN_KEY_WITHOUT_INDEX: Rule = Rule::new(
    "foreign-key-without-index",
    Severity::Warning,
    "No index begins with the columns of a foreign key (PostgreSQL, SQLite).",
    "Every DELETE or change of a key in the parent reads the whole table. MySQL and MariaDB make such an index themselves.",
);
/// Two types.
pub static FOREIGN_KEY_TYPE_MISMATCH: Rule = Rule::new(
    "foreign-key-type-mismatch",
    Severity::Warning,
    "A column refers to one of another type.",
    "Where the server takes it at all, every comparison converts, and a value may fit one side only.",
);
/// A name that is cut.
pub static IDENTIFIER_TOO_LONG: Rule = Rule::new(
    "identifier-too-long",
    Severity::Warning,
    "A name is longer than the server keeps.",
    "PostgreSQL cuts a name after 63 bytes with no more than a notice, so two names may become one. MySQL and MariaDB refuse \
     more than 64 characters.",
);
/// Columns by position.
pub static INSERT_WITHOUT_COLUMNS: Rule = Rule::new(
    "insert-without-columns",
    Severity::Warning,
    "An INSERT does not name its columns.",
    "It depends on their order and number, which a later migration may change before this one runs on a new database.",
);
/// Nothing is equal to null.
pub static NULL_COMPARISON: Rule = Rule::new(
    "null-comparison",
    Severity::Error,
    "Something is compared with NULL by = or <>.",
    "The answer is never true, whatever stands on the other side. Write IS NULL or IS NOT NULL.",
);
/// A constraint that nobody can name.
pub static UNNAMED_CONSTRAINT: Rule = Rule::new(
    "unnamed-constraint",
    Severity::Off,
    "A constraint has no name.",
    "The server chooses one, which may differ from database to database, and a later migration cannot name it.",
);

/// The family of single statements.
pub const FAMILY: Family = Family {
    rules: &[
        &NARROW_PRIMARY_KEY,
        &FOREIGN_KEY_TYPE_MISMATCH,
        &REDUNDANT_INDEX,
        &IDENTIFIER_TOO_LONG,
        &INSERT_WITHOUT_COLUMNS,
        &NULL_COMPARISON,
        &UNNAMED_CONSTRAINT,
    ],
    looks: Looks::AtStatement(look),
};

/// The family of whole files.
pub const FILES: Family =
    Family { rules: &[&REQUIRE_PRIMARY_KEY, &FOREIGN_KEY_WITHOUT_INDEX], looks: Looks::AtEnd(at_end) };

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match scene.fact() {
        Fact::CreateTable(table) => created(scene, table, &mut findings),
        Fact::AlterTable(alteration) => {
            for action in &alteration.actions {
                changed(scene, &alteration.table, &action.change, &mut findings);
            }
        }
        Fact::CreateIndex(index) => {
            findings.extend(redundant(scene, index, scene.schema.table(&index.table)));
            findings.extend(index.name.as_ref().and_then(|name| too_long(scene, &name.name, name.span)));
        }
        Fact::Insert(insertion) => findings.extend(unnamed_columns(scene, insertion)),
        _ => {}
    }
    let written_out = matches!(scene.fact(), Fact::Insert(insertion) if insertion.from.is_none());
    if matches!(scene.fact(), Fact::Rows(_) | Fact::Create(_) | Fact::Nothing | Fact::Insert(_)) && !written_out {
        findings.extend(compared(scene));
    }
    findings
}

fn created(scene: &Scene<'_>, table: &Table, findings: &mut Vec<Finding>) {
    findings.extend(too_long(scene, &table.name.name, table.name.span));
    for column in &table.columns {
        findings.extend(too_long(scene, &column.name.name, column.name.span));
        if let Some(reference) = &column.references {
            findings.extend(other_type(scene, &column.of, &column.name, reference, 0));
        }
    }
    let primary = table.constraints.iter().filter_map(|constraint| match &constraint.demand {
        Demand::Primary(columns) if columns.len() == 1 => Some(columns[0].name.as_str()),
        _ => None,
    });
    let primary: Vec<&str> = primary.collect();
    for column in &table.columns {
        let key = column.primary.is_some() || primary.contains(&column.name.name.as_str());
        let counts = column.counts || column.of.is_serial();
        if key && counts && column.of.is_narrow() && !scene.is(Dialect::Sqlite) {
            findings.push(narrow(scene, &table.name, &column.name, &column.of));
        }
    }
    for constraint in &table.constraints {
        constrained(
            scene,
            &table.columns.iter().map(|c| (c.name.name.as_str(), &c.of)).collect::<Vec<_>>(),
            constraint,
            findings,
        );
    }
    for (at, index) in table.indexes.iter().enumerate() {
        let mut known =
            Known { columns: table.columns.clone(), constraints: table.constraints.clone(), ..Known::default() };
        known.indexes = table.indexes[..at].iter().cloned().map(Rc::new).collect();
        findings.extend(redundant(scene, index, Some(&known)));
    }
}

fn narrow(scene: &Scene<'_>, table: &Name, column: &Ident, of: &Type) -> Finding {
    let wide = if of.is_serial() { "bigserial" } else { "bigint" };
    let message = format!("`{}.{}` counts with {}, which ends too soon", table.name, column.name, of.shown());
    scene.finding(&NARROW_PRIMARY_KEY, of.span, message).help(format!("write {wide}"))
}

fn changed(scene: &Scene<'_>, table: &Name, change: &Change, findings: &mut Vec<Finding>) {
    let known = scene.schema.table(table);
    match change {
        Change::AddColumn(column) => {
            findings.extend(too_long(scene, &column.name.name, column.name.span));
            if let Some(reference) = &column.references {
                findings.extend(other_type(scene, &column.of, &column.name, reference, 0));
            }
            let counts = column.counts || column.of.is_serial();
            if column.primary.is_some() && counts && column.of.is_narrow() && !scene.is(Dialect::Sqlite) {
                findings.push(narrow(scene, table, &column.name, &column.of));
            }
        }
        Change::AddConstraint(constraint) => {
            findings.extend(narrow_key(scene, table, constraint));
            let columns: Vec<(&str, &Type)> = known
                .map(|known| known.columns.iter().map(|column| (column.name.name.as_str(), &column.of)).collect())
                .unwrap_or_default();
            constrained(scene, &columns, constraint, findings);
        }
        Change::AddIndex(index) => findings.extend(redundant(scene, index, known)),
        Change::RenameColumn(_, new) => findings.extend(too_long(scene, &new.name, new.span)),
        Change::RenameTable(new) => findings.extend(too_long(scene, &new.name, new.span)),
        _ => {}
    }
}

/// A column that counts and is too narrow becomes the key of a table.
fn narrow_key(scene: &Scene<'_>, table: &Name, constraint: &Constraint) -> Option<Finding> {
    let Demand::Primary(columns) = &constraint.demand else { return None };
    let [only] = columns.as_slice() else { return None };
    let column = scene.schema.table(table)?.column(&only.name)?;
    let counts = column.counts || column.of.is_serial();
    let found = counts && column.of.is_narrow() && !scene.is(Dialect::Sqlite);
    // The type stands in another statement: the name is shown.
    found.then(|| narrow(scene, table, only, &Type { span: only.span, ..column.of.clone() }))
}

fn constrained(scene: &Scene<'_>, columns: &[(&str, &Type)], constraint: &Constraint, findings: &mut Vec<Finding>) {
    match &constraint.name {
        Some(name) => findings.extend(too_long(scene, &name.name, name.span)),
        None => {
            let message = "this constraint has no name of its own";
            findings.push(
                scene
                    .finding(&UNNAMED_CONSTRAINT, constraint.span, message)
                    .help("write CONSTRAINT and a name before it"),
            );
        }
    }
    if let Demand::Foreign(own, reference) = &constraint.demand {
        for (at, column) in own.iter().enumerate() {
            if let Some((_, of)) = columns.iter().find(|(name, _)| *name == column.name) {
                findings.extend(other_type(scene, of, column, reference, at));
            }
        }
    }
}

fn other_type(scene: &Scene<'_>, of: &Type, column: &Ident, reference: &Reference, at: usize) -> Option<Finding> {
    let parent = scene.schema.table(&reference.table)?;
    let uniques = parent.uniques();
    let target = match reference.columns.get(at) {
        Some(named) => named.name.as_str(),
        None => *uniques.iter().find(|unique| unique.primary)?.columns.get(at)?,
    };
    let other = &parent.column(target)?.of;
    let base = |of: &Type| match of.name.as_str() {
        "serial" if scene.mysql() => "bigint unsigned".to_owned(),
        "serial" => "integer".to_owned(),
        "bigserial" => "bigint".to_owned(),
        "smallserial" => "smallint".to_owned(),
        "character varying" | "text" => "text".to_owned(),
        name => format!("{name} {}", of.attributes.join(" ")).trim().to_owned(),
    };
    // What a domain or a type of an extension is made of is not known.
    if !of.is_own() || !other.is_own() || base(of) == base(other) {
        return None;
    }
    // SQLite compares by affinity.
    if scene.is(Dialect::Sqlite) {
        return None;
    }
    let message =
        format!("`{}` is {}, and `{}.{target}` is {}", column.name, of.shown(), reference.table.name, other.shown());
    let wanted = if other.is_serial() || other.name == "serial" { base(other) } else { other.shown() };
    Some(scene.finding(&FOREIGN_KEY_TYPE_MISMATCH, column.span, message).help(format!("write {wanted}")))
}

fn too_long(scene: &Scene<'_>, name: &str, span: Span) -> Option<Finding> {
    let (long, message) = match scene.flavour().dialect {
        Dialect::Postgres => (name.len() > 63, format!("PostgreSQL cuts this name of {} bytes after 63", name.len())),
        Dialect::Mysql | Dialect::Mariadb => {
            (name.chars().count() > 64, "the server refuses names of more than 64 characters".to_owned())
        }
        Dialect::Sqlite => (false, String::new()),
    };
    long.then(|| scene.finding(&IDENTIFIER_TOO_LONG, span, message).help("choose a shorter name"))
}

fn unnamed_columns(scene: &Scene<'_>, insertion: &Insertion) -> Option<Finding> {
    if insertion.columns.is_some() || scene.schema.table(&insertion.table).is_some_and(|table| table.temporary) {
        return None;
    }
    let message = format!("this depends on the order and number of the columns of `{}`", insertion.table.name);
    let finding = scene.finding(&INSERT_WITHOUT_COLUMNS, insertion.table.span, message);
    Some(match scene.schema.table(&insertion.table).filter(|table| table.whole) {
        Some(table) => {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.name.as_str()).collect();
            finding.help(format!("name them: ({})", names.join(", ")))
        }
        None => finding.help("name the columns behind the table"),
    })
}

fn compared(scene: &Scene<'_>) -> Vec<Finding> {
    let statement = scene.statement();
    let found = crate::sql::parse::null_comparisons(statement, scene.flavour().dialect);
    let finding = |span: Span| {
        let message = "nothing is ever equal or unequal to NULL, so this is never true";
        scene.finding(&NULL_COMPARISON, span, message).help("write IS NULL or IS NOT NULL")
    };
    found.into_iter().map(finding).collect()
}

fn at_end(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, act) in scene.acts.iter().enumerate().filter(|(_, act)| act.body.is_none()) {
        match &act.fact {
            Fact::CreateTable(table) => findings.extend(without_key(scene, at, table)),
            Fact::AlterTable(_) => {}
            _ => continue,
        }
        for (columns, span, table) in foreign_keys(act) {
            let known = scene.schema.table(&table);
            let indexed = known.is_none_or(|known| {
                known.is_indexed(&columns.iter().map(String::as_str).collect::<Vec<_>>())
                    || !columns.iter().all(|column| known.column(column).is_some())
                    || !known.foreign_keys().iter().any(|(own, _)| *own == columns)
            });
            if scene.mysql() || indexed || !seen.insert((table.key(), columns.clone())) {
                continue;
            }
            let message = format!("no index of `{}` begins with {}", table.name, enumerate(&columns, 8));
            let finding = scene.finding_at(at, &FOREIGN_KEY_WITHOUT_INDEX, span, message);
            let finding = finding.label("every DELETE in the parent reads this table");
            let (name, list) = (format!("{}_{}_idx", table.name, columns.join("_")), columns.join(", "));
            findings.push(match scene.postgres() && !scene.is_new(&table) {
                true => finding.help("build one concurrently, in a file of its own").safe(format!(
                    "-- schemagate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {} ({list});\n",
                    table.name
                )),
                false => finding.help(format!("CREATE INDEX {name} ON {} ({list})", table.name)),
            });
        }
    }
    findings
}

/// The foreign keys that a statement adds: columns, place and table.
fn foreign_keys(act: &Act) -> Vec<(Vec<String>, Span, Name)> {
    let of_constraint = |constraint: &Constraint| match &constraint.demand {
        Demand::Foreign(columns, _) => {
            let span = Span::new(columns.first()?.span.start, columns.last()?.span.end);
            Some((columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>(), span))
        }
        _ => None,
    };
    let of_column = |column: &crate::facts::Column| {
        column.references.as_deref().map(|_| (vec![column.name.name.clone()], column.name.span))
    };
    let (found, table): (Vec<_>, &Name) = match &act.fact {
        Fact::CreateTable(table) => {
            let own = table.columns.iter().map(Rc::as_ref).filter_map(of_column);
            (own.chain(table.constraints.iter().filter_map(of_constraint)).collect(), &table.name)
        }
        Fact::AlterTable(alteration) => {
            let added = alteration.actions.iter().filter_map(|action| match &action.change {
                Change::AddColumn(column) => of_column(column),
                Change::AddConstraint(constraint) => of_constraint(constraint),
                _ => None,
            });
            (added.collect(), &alteration.table)
        }
        _ => return Vec::new(),
    };
    found.into_iter().map(|(columns, span)| (columns, span, table.clone())).collect()
}

fn without_key(scene: &Scene<'_>, at: usize, table: &Table) -> Option<Finding> {
    let plain =
        table.parent.is_none() && table.like.is_empty() && !table.from_query && !table.foreign && !table.temporary;
    let known = scene.schema.table(&table.name);
    // Dropped or renamed since: not to be judged under this name.
    let known = known.or_else(|| renamed_later(scene, at, table))?;
    if !plain || known.has_primary() {
        return None;
    }
    let message = format!("`{}` has no primary key", table.name.name);
    Some(
        scene
            .finding_at(at, &REQUIRE_PRIMARY_KEY, table.name.span, message)
            .help("add PRIMARY KEY to the column that tells rows apart"),
    )
}

fn renamed_later<'s>(scene: &Scene<'s>, at: usize, table: &Table) -> Option<&'s Known> {
    let behind = scene.about(&table.name.name).filter(|(other, _)| *other > at);
    behind.map(|(_, act)| act).find_map(|act| match &act.fact {
        Fact::AlterTable(alteration) if alteration.table.key() == table.name.key() => {
            alteration.actions.iter().find_map(|action| match &action.change {
                Change::RenameTable(new) => scene.schema.table(new),
                _ => None,
            })
        }
        _ => None,
    })
}
