//! Rules about what foreign keys do with rows, and where they are read and not made.

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::facts::{Change, Column, Demand, Fact, Name, Reference};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};

/// Rows go with others.
pub static ON_DELETE_CASCADE: Rule = Rule::new(
    "on-delete-cascade",
    Severity::Off,
    "A foreign key deletes or changes rows with those that they refer to.",
    "One DELETE may then remove rows of many tables, and nothing in it says so. Without CASCADE it is refused as long as rows \
     refer to what goes.",
);
/// A key that is read and not made.
pub static MYSQL_INLINE_REFERENCES: Rule = Rule::new(
    "mysql-inline-references",
    Severity::Warning,
    "REFERENCES at a column is read and makes no foreign key (MySQL before 9.0, MariaDB before 10.5).",
    "The server takes the words and forgets them: no row is ever checked. FOREIGN KEY as a constraint of the table is made \
     by every release.",
);

/// The family.
pub const FAMILY: Family =
    Family { rules: &[&ON_DELETE_CASCADE, &MYSQL_INLINE_REFERENCES], looks: Looks::AtStatement(look) };

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut see = |table: &Name, column: Option<&Column>, reference: &Reference| {
        findings.extend(cascade(scene, table, reference));
        findings.extend(column.and_then(|column| forgotten(scene, column, reference)));
    };
    match scene.fact() {
        Fact::CreateTable(table) => {
            for column in &table.columns {
                column.references.iter().for_each(|reference| see(&table.name, Some(column), reference));
            }
            for constraint in &table.constraints {
                if let Demand::Foreign(_, reference) = &constraint.demand {
                    see(&table.name, None, reference);
                }
            }
        }
        Fact::AlterTable(alteration) => {
            for action in &alteration.actions {
                match &action.change {
                    Change::AddColumn(column) => {
                        column.references.iter().for_each(|reference| see(&alteration.table, Some(column), reference));
                    }
                    Change::AddConstraint(constraint) => {
                        if let Demand::Foreign(_, reference) = &constraint.demand {
                            see(&alteration.table, None, reference);
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    findings
}

fn cascade(scene: &Scene<'_>, table: &Name, reference: &Reference) -> Option<Finding> {
    let mark = reference.cascade?;
    let message = format!("rows of `{}` go or change with those of `{}`", table.name, reference.table.name);
    let finding = scene.finding(&ON_DELETE_CASCADE, mark.span, message).label("no statement says so");
    Some(finding.help("leave it out, and let programs name the rows that go"))
}

fn forgotten(scene: &Scene<'_>, column: &Column, reference: &Reference) -> Option<Finding> {
    let flavour = scene.flavour();
    let first = match flavour.dialect {
        Dialect::Mysql => Release::new(9, 0, 0),
        Dialect::Mariadb => Release::new(10, 5, 0),
        _ => return None,
    };
    // Of MySQL most servers are older; MariaDB's that are not are ten years old.
    let older = flavour.release.map_or(flavour.dialect == Dialect::Mysql, |release| release < first);
    let message = format!(
        "{} before {}.{} reads this and makes no foreign key",
        flavour.dialect.title(),
        first.major,
        first.minor
    );
    let finding = scene.finding(&MYSQL_INLINE_REFERENCES, reference.span, message).label("no row is checked");
    let words = scene.shown(reference.span);
    older
        .then(|| finding.help(format!("write FOREIGN KEY ({}) {words} as a constraint of the table", column.name.name)))
}
