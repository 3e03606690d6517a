//! Columns that MySQL does not add: their default would differ from row to row.
//!
//! Which functions these are was measured on MySQL 8.0.46, 8.4.10 and 9.7.4 (error 1674, with and without a binary log).
//! Refuses to know what other engines do with them.

use crate::config::Dialect;
use crate::facts::{Change, Column, Fact, Name};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::expressions::calls_one_of;
use crate::rules::scene::Scene;
use crate::rules::{Family, Looks};

/// A default that the server refuses.
pub static MYSQL_UNSAFE_DEFAULT: Rule = Rule::new(
    "mysql-unsafe-default",
    Severity::Error,
    "A column is added with a default that differs from row to row, which MySQL refuses.",
    "With UUID(), RAND(), RANDOM_BYTES(), SYSDATE() or USER() in the default of a new column the server answers with error 1674, \
     even where the table is empty: replicas would fill other values. Add the column without it, set the default, then fill \
     the old rows. In CREATE TABLE such a default is allowed.",
);

/// The family.
pub const FAMILY: Family = Family { rules: &[&MYSQL_UNSAFE_DEFAULT], looks: Looks::AtStatement(look) };

/// Functions that may not fill the rows of a table.
const UNSAFE: [&str; 9] =
    ["uuid", "uuid_short", "rand", "random_bytes", "sysdate", "user", "current_user", "session_user", "system_user"];

/// Says whether MySQL refuses to add a column with this default.
pub(super) fn is_refused(default: &str) -> bool {
    calls_one_of(default, Dialect::Mysql, &UNSAFE)
}

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Fact::AlterTable(alteration) = scene.fact() else { return Vec::new() };
    if !scene.is(Dialect::Mysql) {
        return Vec::new();
    }
    let added = alteration.actions.iter().filter_map(|action| match &action.change {
        Change::AddColumn(column) => refused(scene, &alteration.table, column),
        _ => None,
    });
    added.collect()
}

fn refused(scene: &Scene<'_>, table: &Name, column: &Column) -> Option<Finding> {
    let default = column.default.as_ref().filter(|default| is_refused(&default.text))?;
    let message =
        format!("MySQL does not add `{}` to `{}`: its default differs from row to row", column.name.name, table.name);
    let finding = scene.finding(&MYSQL_UNSAFE_DEFAULT, default.span, message).label("error 1674");
    let (shown, name) = (scene.named(table), scene.shown(column.name.span));
    let of = scene.shown(column.of.span);
    Some(
        finding
            .help("add the column, then its default; fill old rows in steps in dml files, then demand NOT NULL")
            .safe(format!("ALTER TABLE {shown} ADD COLUMN {name} {of};\n"))
            .safe(format!("ALTER TABLE {shown} ALTER COLUMN {name} SET DEFAULT {};\n", scene.shown(default.span))),
    )
}
