//! Rules about constraints of PostgreSQL that are added, or held against old rows, while others wait.
//!
//! What each statement locks was measured on PostgreSQL 15 and is asked of a live server by `tests/all/locks.rs`.

use crate::facts::{Action, Alteration, Change, Constraint, Demand, Fact, Ident, Name, TypeHow};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::key_locks::{PRIMARY_KEY_LOCK, UNIQUE_CONSTRAINT_LOCK, primary, unique};
use crate::rules::outline::referring;
use crate::rules::running::is_locked;
use crate::rules::same_transaction::{ENUM_ADD_VALUE, VALIDATE_SAME_TRANSACTION, used_value, validated};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};

/// Null is refused after reading all rows.
pub static SET_NOT_NULL: Rule = Rule::new(
    "set-not-null",
    Severity::Error,
    "SET NOT NULL reads the whole table while everyone waits (PostgreSQL).",
    "It takes an ACCESS EXCLUSIVE lock until every row is looked at. A CHECK (column IS NOT NULL) that was added NOT VALID \
     and validated in a later file tells the server (since 12) that there is nothing to look for; then it takes a moment.",
);
/// A foreign key is checked under lock.
pub static FOREIGN_KEY_NOT_VALID: Rule = Rule::new(
    "foreign-key-not-valid",
    Severity::Error,
    "A foreign key is added and checked in one step while writers wait (PostgreSQL).",
    "It locks both tables against writers (SHARE ROW EXCLUSIVE) until every row has been looked up. Added NOT VALID it \
     holds for new rows at once, and VALIDATE CONSTRAINT in a later file looks at the old ones without blocking writers.",
);
/// The other table waits too.
pub static FOREIGN_KEY_LOCKS_PARENT: Rule = Rule::new(
    "foreign-key-locks-parent",
    Severity::Note,
    "A foreign key locks the table that it refers to against writers for a moment (PostgreSQL).",
    "SHARE ROW EXCLUSIVE on the parent waits for every transaction that has written to it, and later writers wait behind. \
     The lock timeout of the environment bounds that wait; the file is tried again.",
);
/// A condition is checked under lock.
pub static CHECK_NOT_VALID: Rule = Rule::new(
    "check-not-valid",
    Severity::Error,
    "A CHECK is added and held against all rows while everyone waits (PostgreSQL).",
    "It takes an ACCESS EXCLUSIVE lock until every row is looked at. Added NOT VALID it holds for new rows at once, and \
     VALIDATE CONSTRAINT in a later file looks at the old ones without blocking. Programs whose writes it refuses fail from \
     the first step on.",
);
/// An index is built under lock, and there is no other way.
pub static EXCLUSION_CONSTRAINT_LOCK: Rule = Rule::new(
    "exclusion-constraint-lock",
    Severity::Warning,
    "An exclusion constraint builds its index while everyone waits (PostgreSQL).",
    "There is no way around that on a table in use: plan a quiet hour.",
);
/// All tables that use it are read.
pub static DOMAIN_CONSTRAINT: Rule = Rule::new(
    "domain-constraint",
    Severity::Warning,
    "A constraint of a domain reads every table that uses the domain (PostgreSQL).",
    "Each is locked against writers meanwhile. Add it NOT VALID, and validate it in a later file.",
);
/// Parts come and go under lock.
pub static PARTITION_LOCK: Rule = Rule::new(
    "partition-lock",
    Severity::Warning,
    "A partition comes or goes while everyone waits for the whole table (PostgreSQL).",
    "DETACH and CREATE TABLE ... PARTITION OF take an ACCESS EXCLUSIVE lock on the parent. DETACH ... CONCURRENTLY (since \
     14) does not; and a table that is made alone and then attached takes a weaker one.",
);
/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &SET_NOT_NULL,
        &FOREIGN_KEY_NOT_VALID,
        &FOREIGN_KEY_LOCKS_PARENT,
        &CHECK_NOT_VALID,
        &VALIDATE_SAME_TRANSACTION,
        &EXCLUSION_CONSTRAINT_LOCK,
        &DOMAIN_CONSTRAINT,
        &PARTITION_LOCK,
        &ENUM_ADD_VALUE,
        &UNIQUE_CONSTRAINT_LOCK,
        &PRIMARY_KEY_LOCK,
    ],
    looks: Looks::AtStatement(look),
};

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.postgres() {
        return Vec::new();
    }
    match scene.fact() {
        Fact::AlterTable(alteration) => {
            let new = scene.is_new(&alteration.table);
            let single = alteration.actions.len() == 1;
            // Only a named constraint that gets NOT VALID stays what it was.
            let named = alteration.actions.iter().all(|action| match &action.change {
                Change::AddConstraint(constraint) => {
                    constraint.name.is_some() && matches!(constraint.demand, Demand::Check(_) | Demand::Foreign(..))
                }
                _ => false,
            });
            let plain = named && !scene.has_word("ONLY") && !scene.has_word("IF");
            let found = alteration.actions.iter().flat_map(|action| of_action(scene, alteration, action, new));
            // What the safe way leaves out of a statement of several actions would be lost.
            found.map(|finding| finding.certain_if(single && plain)).collect()
        }
        Fact::CreateTable(table) if !table.temporary => {
            let own = table.columns.iter().filter_map(|column| column.references.as_deref());
            let others = table.constraints.iter().filter_map(|constraint| match &constraint.demand {
                Demand::Foreign(_, reference) => Some(reference),
                _ => None,
            });
            let parents = own.chain(others).filter(|reference| reference.table.key() != table.name.key());
            let mut findings: Vec<Finding> = parents.filter_map(|reference| parent(scene, &reference.table)).collect();
            if let Some(parent) = table.parent.as_ref().filter(|parent| table.partitioned_from(scene, parent)) {
                let message = format!("making this partition blocks every reader and writer of `{}`", parent.name);
                findings.push(
                    scene
                        .finding(&PARTITION_LOCK, parent.span, message)
                        .label("ACCESS EXCLUSIVE lock")
                        .help("make the table alone (LIKE the parent), then ATTACH PARTITION"),
                );
            }
            findings
        }
        Fact::AlterType(change) => match &change.how {
            TypeHow::AddConstraint(false) => {
                let message = format!("this reads every table that uses the domain `{}`", change.name.name);
                let finding = scene.finding(&DOMAIN_CONSTRAINT, change.span, message);
                vec![finding.help("add it NOT VALID, then ALTER DOMAIN ... VALIDATE CONSTRAINT in the next file")]
            }
            _ => Vec::new(),
        },
        _ => used_value(scene).into_iter().collect(),
    }
}

impl crate::facts::Table {
    /// Says whether the table becomes a partition of one that is in use.
    fn partitioned_from(&self, scene: &Scene<'_>, parent: &Name) -> bool {
        !scene.is_new(parent) && self.is_part
    }
}

fn parent(scene: &Scene<'_>, table: &Name) -> Option<Finding> {
    // Said once, and not where a lock as strong is held.
    let again = scene.transaction && scene.earlier(&referring(&table.name)).next().is_some();
    if scene.is_new(table) || again || is_locked(scene, &table.name) {
        return None;
    }
    let message = format!("this foreign key locks `{}` against writers until the file is done", table.name);
    let finding = scene.finding(&FOREIGN_KEY_LOCKS_PARENT, table.span, message).label("SHARE ROW EXCLUSIVE lock");
    Some(finding.help("keep the file short: nothing that takes long behind this"))
}

fn of_action(scene: &Scene<'_>, alteration: &Alteration, action: &Action, new: bool) -> Vec<Finding> {
    let table = &alteration.table;
    match &action.change {
        Change::SetNotNull(column) if !new => set_not_null(scene, table, column).into_iter().collect(),
        Change::AddConstraint(constraint) => {
            let mut findings = if new { Vec::new() } else { added(scene, table, constraint) };
            if let Demand::Foreign(_, reference) = &constraint.demand {
                findings.extend(parent(scene, &reference.table).filter(|_| reference.table.key() != table.key()));
            }
            findings
        }
        Change::AddColumn(column) => {
            let mut findings = Vec::new();
            if let (Some(mark), false) = (column.unique.or(column.primary), new) {
                let message = format!("the index of this column blocks every reader and writer of `{}`", table.name);
                let finding = scene.finding(&UNIQUE_CONSTRAINT_LOCK, mark.span, message).label("ACCESS EXCLUSIVE lock");
                findings.push(
                    finding.help("add the column without it, and the constraint as it says for existing columns"),
                );
            }
            if let Some(reference) = &column.references {
                let filled = column.default.as_ref().is_some_and(|default| !default.text.eq_ignore_ascii_case("null"));
                if filled && !new {
                    let message =
                        format!("every row of `{}` gets a value that is looked up while writers wait", table.name);
                    findings.push(
                        scene
                            .finding(&FOREIGN_KEY_NOT_VALID, reference.span, message)
                            .help("add the column without REFERENCES, and the key NOT VALID in a statement of its own"),
                    );
                }
                findings.extend(parent(scene, &reference.table));
            }
            if let (Some(check), false) = (&column.check, new) {
                let message = format!("this CHECK is held against every row of `{}` while everyone waits", table.name);
                findings.push(
                    scene
                        .finding(&CHECK_NOT_VALID, check.span, message)
                        .label("ACCESS EXCLUSIVE lock")
                        .help("add the column without it, and the CHECK NOT VALID in a statement of its own"),
                );
            }
            findings
        }
        Change::Validate(name) if (scene.transaction || alteration.actions.len() > 1) && !new => {
            validated(scene, table, name).into_iter().collect()
        }
        Change::DetachPartition(part, false) if !new && scene.since(14) => {
            let message = format!("detaching `{}` blocks every reader and writer of `{}`", part.name, table.name);
            let finding = scene.finding(&PARTITION_LOCK, part.span, message).label("ACCESS EXCLUSIVE lock");
            let safe = format!(
                "-- schemagate: no-transaction\nALTER TABLE {} DETACH PARTITION {} CONCURRENTLY;\n",
                scene.named(table),
                scene.named(part)
            );
            vec![finding.help("detach it concurrently, in a file of its own").safe(safe)]
        }
        _ => Vec::new(),
    }
}

fn set_not_null(scene: &Scene<'_>, table: &Name, column: &Ident) -> Option<Finding> {
    let known = scene.schema.table(table);
    let checked = known.is_some_and(|known| known.is_checked_not_null(&column.name)) && scene.since(12);
    let added_here = known.is_some_and(|known| known.refuses_null(&column.name));
    if checked || added_here {
        return None;
    }
    let message =
        format!("every row of `{}` is searched for null in `{}` while everyone waits", table.name, column.name);
    let finding =
        scene.finding(&SET_NOT_NULL, column.span, message).label("ACCESS EXCLUSIVE lock until all rows are read");
    let (shown, column_shown) = (scene.named(table), scene.shown(column.span));
    let name = format!("{}_{}_not_null", table.name, column.name);
    let name = quoted(&name);
    if scene.flavour().release.is_some_and(|release| release.major >= 18) {
        return Some(
            finding
                .help("add the constraint NOT VALID, and validate it in the next file")
                .safe(format!("ALTER TABLE {shown} ADD CONSTRAINT {name} NOT NULL {column_shown} NOT VALID;\n"))
                .safe(format!("ALTER TABLE {shown} VALIDATE CONSTRAINT {name};\n")),
        );
    }
    Some(
        finding
            .help("let a CHECK prove it first, in files of their own")
            .safe(format!("ALTER TABLE {shown} ADD CONSTRAINT {name} CHECK ({column_shown} IS NOT NULL) NOT VALID;\n"))
            .safe(format!("ALTER TABLE {shown} VALIDATE CONSTRAINT {name};\n"))
            .safe(format!(
                "ALTER TABLE {shown} ALTER COLUMN {column_shown} SET NOT NULL;\nALTER TABLE {shown} DROP CONSTRAINT {name};\n"
            )),
    )
}

/// A name as it must be written.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn added(scene: &Scene<'_>, table: &Name, constraint: &Constraint) -> Vec<Finding> {
    let known = scene.schema.table(table);
    let finding = match &constraint.demand {
        _ if constraint.not_valid => None,
        Demand::Foreign(..) if known.is_some_and(|known| known.partitioned) && !scene.since(18) => None,
        Demand::Foreign(columns, reference) => Some(foreign_key(scene, table, constraint, columns, &reference.table)),
        Demand::Check(text) => Some(check(scene, table, constraint, text.span)),
        Demand::Unique(columns) if constraint.using.is_none() => Some(unique(scene, table, constraint, columns)),
        Demand::Primary(columns) => primary(scene, table, constraint, columns, known),
        Demand::Exclude => {
            let message = format!("the index of this constraint blocks every reader and writer of `{}`", table.name);
            let finding = scene.finding(&EXCLUSION_CONSTRAINT_LOCK, constraint.span, message);
            Some(finding.help("plan a quiet hour: there is no other way"))
        }
        Demand::NotNull(column) => set_not_null(scene, table, column),
        Demand::Unique(_) => None,
    };
    finding.into_iter().collect()
}

/// The constraint's name as it is written, or one like the server would choose.
pub(super) fn named(
    scene: &Scene<'_>,
    table: &Name,
    constraint: &Constraint,
    columns: &[Ident],
    ending: &str,
) -> String {
    match &constraint.name {
        Some(name) => scene.shown(name.span).to_owned(),
        None => {
            let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let between = if columns.is_empty() { String::new() } else { format!("_{}", columns.join("_")) };
            let known = scene.schema.table(table);
            let like = format!("{}{between}_{ending}", table.name);
            // A constraint without a name may bear just this one.
            let taken = |name: &str| {
                known.is_some_and(|known| {
                    known.constraint(name).is_some()
                        || known
                            .constraints
                            .iter()
                            .any(|other| other.name.is_none() && is_check(other) && ending == "check")
                })
            };
            match (taken(&like), known.map(|known| known.constraints.len())) {
                (true, Some(count)) => quoted(&format!("{like}{}", count + 1)),
                _ => quoted(&like),
            }
        }
    }
}

fn is_check(constraint: &Constraint) -> bool {
    matches!(constraint.demand, Demand::Check(_))
}

/// What a constraint says, without its name.
fn body<'s>(scene: &Scene<'s>, constraint: &Constraint) -> &'s str {
    let whole = scene.shown(constraint.span).trim_end();
    match &constraint.name {
        Some(name) => scene.shown(crate::text::Span::new(name.span.end, constraint.span.end)).trim(),
        None => whole,
    }
}

fn foreign_key(scene: &Scene<'_>, table: &Name, constraint: &Constraint, columns: &[Ident], to: &Name) -> Finding {
    let shown = scene.named(table);
    let name = named(scene, table, constraint, columns, "fkey");
    let message = format!(
        "writers of `{}` and `{}` wait until every row of `{}` has been looked up",
        table.name, to.name, table.name
    );
    scene
        .finding(&FOREIGN_KEY_NOT_VALID, first_word(scene, constraint), message)
        .label("SHARE ROW EXCLUSIVE lock on both tables")
        .help("add it NOT VALID, and validate it in the next file")
        .safe(format!("ALTER TABLE {shown} ADD CONSTRAINT {name} {} NOT VALID;\n", body(scene, constraint)))
        .safe(format!("ALTER TABLE {shown} VALIDATE CONSTRAINT {name};\n"))
}

fn check(scene: &Scene<'_>, table: &Name, constraint: &Constraint, span: crate::text::Span) -> Finding {
    let shown = scene.named(table);
    let name = named(scene, table, constraint, &[], "check");
    let word = crate::text::Span::new(span.start, span.start + "CHECK".len());
    let message = format!("this CHECK is held against every row of `{}` while everyone waits", table.name);
    scene
        .finding(&CHECK_NOT_VALID, word, message)
        .label("ACCESS EXCLUSIVE lock until all rows are read")
        .help("add it NOT VALID, and validate it in the next file")
        .safe(format!("ALTER TABLE {shown} ADD CONSTRAINT {name} {} NOT VALID;\n", body(scene, constraint)))
        .safe(format!("ALTER TABLE {shown} VALIDATE CONSTRAINT {name};\n"))
}

/// The place of the first word of what a constraint demands.
pub(super) fn first_word(scene: &Scene<'_>, constraint: &Constraint) -> crate::text::Span {
    let start = constraint.name.as_ref().map_or(constraint.span.start, |name| name.span.end);
    let rest = scene.shown(crate::text::Span::new(start, constraint.span.end));
    let blank = rest.len() - rest.trim_start().len();
    let word = rest.trim_start().find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    crate::text::Span::new(start + blank, start + blank + word)
}
