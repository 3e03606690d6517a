//! Rules about what a statement does, told by its words: type against content, transactions, other databases.

use std::collections::BTreeSet;

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::migration::Kind;
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::alone::alone;
use crate::sql::directives::directives;
use crate::sql::facts::{Head, Purpose, head};
use crate::sql::lex::{Lexer, Token, TokenKind};
use crate::text::Span;

/// Type against content.
pub static TYPE_MISMATCH: Rule = Rule {
    name: "type-mismatch",
    severity: Severity::Error,
    configurable: true,
    summary: "A ddl file holds a data statement, or a dml file a schema statement.",
    explanation: "The type in the path decides order and review: schema runs before data of the same version. Put the \
                  statement into a file of the other type; both may have the same version. Rows that a ddl file copies \
                  (INSERT ... SELECT) into a table that it creates itself belong to the schema change and are fine.",
};

/// Transaction control.
pub static TRANSACTION_CONTROL: Rule = Rule {
    name: "transaction-control",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration begins or ends a transaction itself.",
    explanation: "The program runs each file in a transaction together with its history record. A COMMIT in the file \
                  would end that transaction unseen, and a failure behind it would leave half of the file applied \
                  without a record. Take the statement out.",
};

/// Another database.
pub static OTHER_DATABASE: Rule = Rule {
    name: "other-database",
    severity: Severity::Error,
    configurable: true,
    summary: "A migration opens or selects another database, or names something of one.",
    explanation: "The path says which database a file is for; ATTACH, DETACH, USE and, in MySQL and MariaDB, names that \
                  begin with another database would reach another one, past its own order and history. Put the statements \
                  under that database's path. `information_schema` and the like may be read.",
};

/// Leaves the transaction.
pub static NO_TRANSACTION: Rule = Rule {
    name: "no-transaction",
    severity: Severity::Note,
    configurable: true,
    summary: "A statement cannot run in a transaction, so the whole file runs statement by statement.",
    explanation: "VACUUM, for example. If such a file stops half-way, what ran stays, and the history says after which \
                  statement it stopped. Keep such statements in a file of their own.",
};

/// A directive at the head that is not understood.
pub static DIRECTIVE_INVALID: Rule = Rule {
    name: "directive-invalid",
    severity: Severity::Error,
    configurable: false,
    summary: "A directive at the head of a migration is not understood.",
    explanation: "Comments such as `-- schemagate: no-transaction` or `-- schemagate: lock-timeout = 5s` before the first \
                  statement say how the file is run. One that is misspelt would silently not be followed.",
};

/// The program's own tables.
pub static HISTORY_TABLE: Rule = Rule {
    name: "history-table",
    severity: Severity::Error,
    configurable: false,
    summary: "A migration names a table whose name begins with `schemagate_`.",
    explanation: "These tables say what has run. A change of them would let migrations run again, or never.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &TYPE_MISMATCH,
        &TRANSACTION_CONTROL,
        &OTHER_DATABASE,
        &NO_TRANSACTION,
        &DIRECTIVE_INVALID,
        &HISTORY_TABLE,
    ],
    looks: Looks::AtScript(look),
};

fn look(script: &Script<'_>, _tally: &mut Tally) -> Vec<Finding> {
    let flavour = script.flavour();
    let dialect = flavour.dialect;
    let mark = script.text.len() - script.text.trim_start_matches('\u{feff}').len();
    let mut findings: Vec<Finding> = directives(&script.text[mark..], flavour)
        .1
        .into_iter()
        .map(|mistake| {
            let place = Place::content(script.name, mistake.span.shifted(mark));
            Finding::new(&DIRECTIVE_INVALID, place, mistake.message).help(mistake.help)
        })
        .collect();
    let mut created = BTreeSet::new();
    for statement in script.statements.iter().filter(|statement| !statement.client) {
        let head = head(statement.span.of(script.text), flavour);
        let span = head.verb_span.shifted(statement.span.start);
        created.extend(head.creates_table());
        let fills = head.fills_from_query().is_some_and(|table| created.contains(&table));
        if !(fills && script.kind == Kind::Ddl) {
            findings.extend(purpose(script, &head, span, head.purpose(dialect)));
        }
        findings.extend(history_table(script, statement.span, flavour));
        let definitions_commit = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
        if !definitions_commit && alone(statement.span.of(script.text), flavour) {
            let message =
                format!("this {} cannot run in a transaction, so the file runs statement by statement", head.verb);
            findings.push(
                Finding::new(&NO_TRANSACTION, Place::content(script.name, span), message)
                    .help("keep it in a file of its own"),
            );
        }
    }
    findings
}

fn history_table(script: &Script<'_>, statement: Span, flavour: Flavour) -> Option<Finding> {
    let text = statement.of(script.text);
    let named = |token: &Token| {
        let name = token.span.of(text).trim_start_matches(['"', '`', '[']);
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            && name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("schemagate_"))
    };
    let token = Lexer::new(text, flavour).find(named)?;
    let place = Place::content(script.name, token.span.shifted(statement.start));
    let message = "this names a table of the program itself: it says what has run, and no migration may touch it";
    Some(Finding::new(&HISTORY_TABLE, place, message).help("choose another name, or leave the table alone"))
}

fn purpose(script: &Script<'_>, head: &Head, span: Span, purpose: Purpose) -> Option<Finding> {
    let place = Place::content(script.name, span);
    let verb = &head.verb;
    match (purpose, script.kind) {
        (Purpose::Data, Kind::Ddl) | (Purpose::Schema, Kind::Dml) => {
            let (is, other) = if script.kind == Kind::Ddl { ("data", Kind::Dml) } else { ("schema", Kind::Ddl) };
            let message = format!("{verb} is a {is} statement, but the path says {}", script.kind);
            let help = format!("move it into a {other} file; it may have the same version");
            Some(Finding::new(&TYPE_MISMATCH, place, message).label(format!("belongs in a {other} file")).help(help))
        }
        (Purpose::Transaction, _) => {
            let (what, help) = if verb == "DISCARD" {
                (
                    "give away the lock under which the file is run",
                    "remove it; every file meets a fresh session already",
                )
            } else {
                (
                    "end or split the transaction in which the file is run and recorded",
                    "remove it; the program begins and ends transactions itself",
                )
            };
            let finding = Finding::new(&TRANSACTION_CONTROL, place, format!("{verb} would {what}"));
            Some(finding.label("not allowed here").help(help))
        }
        (Purpose::OtherDatabase, _) => {
            let message = format!("{verb} reaches another database than the one in the path");
            Some(Finding::new(&OTHER_DATABASE, place, message).help("put the statements under that database's path"))
        }
        _ => None,
    }
}
