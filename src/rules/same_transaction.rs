//! Rules about what PostgreSQL does only once the transaction before is done.

use crate::facts::{Action, Change, Fact, Ident, Name, TypeHow};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::outline::ADDED_VALUES;
use crate::rules::scene::{Act, Scene};
use crate::text::Span;

/// Nothing is won.
pub static VALIDATE_SAME_TRANSACTION: Rule = Rule::new(
    "validate-same-transaction",
    Severity::Error,
    "A constraint is validated in the transaction that added it NOT VALID (PostgreSQL).",
    "The strong lock of the first step is held until the end of the transaction, so everyone waits for the validation all \
     the same. Put VALIDATE CONSTRAINT into the next file.",
);
/// A value that cannot be used yet.
pub static ENUM_ADD_VALUE: Rule = Rule::new(
    "enum-add-value",
    Severity::Warning,
    "A new value of an enum is used in the transaction that adds it (PostgreSQL).",
    "The server refuses that use: \"unsafe use of new value\". Use it in the next file.",
);

/// Finds that a constraint is validated where it was added.
pub(super) fn validated(scene: &Scene<'_>, table: &Name, name: &Ident) -> Option<Finding> {
    let adds = |action: &Action| {
        matches!(&action.change, Change::AddConstraint(constraint)
            if constraint.name.as_ref().is_some_and(|own| own.name == name.name))
    };
    let adding = |act: &&Act| match &act.fact {
        Fact::AlterTable(other) => other.table.key() == table.key() && other.actions.iter().any(adds),
        _ => false,
    };
    let Some(here) = scene.earlier(&table.name).find(adding) else {
        adding(&scene.act()).then_some(())?;
        let message = format!("`{}` is added by this very statement, so all rows are read under its lock", name.name);
        let finding = scene.finding(&VALIDATE_SAME_TRANSACTION, name.span, message);
        return Some(finding.label("everyone waits for the validation").help("put VALIDATE into the next file"));
    };
    let message = format!(
        "`{}` was added in this very transaction, which still holds the strong lock on `{}`",
        name.name, table.name
    );
    Some(
        scene
            .finding(&VALIDATE_SAME_TRANSACTION, name.span, message)
            .label("everyone waits for the validation")
            .help("put it into the next file")
            .safe(format!("{};\n", here.span.of(scene.script.text)))
            .safe(format!("ALTER TABLE {} VALIDATE CONSTRAINT {};\n", scene.named(table), scene.shown(name.span))),
    )
}

/// Finds the use of an enum's value that this transaction has added.
pub(super) fn used_value(scene: &Scene<'_>) -> Option<Finding> {
    if !scene.transaction || !matches!(scene.fact(), Fact::Insert(_) | Fact::Rows(_)) {
        return None;
    }
    let added = scene.earlier(ADDED_VALUES).filter_map(|act| match &act.fact {
        Fact::AlterType(change) => match &change.how {
            TypeHow::AddValue(value) => Some(format!("'{value}'")),
            _ => None,
        },
        _ => None,
    });
    let statement = scene.statement();
    let (at, value) = added.filter_map(|value| Some((statement.find(&value)?, value))).next()?;
    let message = format!("the server refuses {value} until the transaction that adds it is done");
    let span = Span::new(at, at + value.len());
    Some(scene.finding(&ENUM_ADD_VALUE, span, message).help("put this statement into the next file"))
}
