//! Rules about how a file runs: what it waits for, and what it leaves behind in its session.

use std::collections::BTreeMap;

use crate::facts::{Body, Change, Demand, Fact, Name, Object};
use crate::finding::{Finding, Rule, Severity};
use crate::rules::scene::{Act, Scene};
use crate::rules::{Family, Looks};
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

/// A lock is waited for without end.
pub static REQUIRE_LOCK_TIMEOUT: Rule = Rule::new(
    "require-lock-timeout",
    Severity::Warning,
    "A file takes the bound off its waiting for locks.",
    "Every file runs with the lock timeout of its environment (5 seconds unless the server file says otherwise), because \
     whoever waits for a strong lock makes all others wait behind it. A file that sets it to 0, or to more than a minute, \
     before it changes a table in use lets that queue grow.",
);
/// A setting that stays.
pub static SESSION_STATE: Rule = Rule::new(
    "session-state",
    Severity::Warning,
    "A file changes its session and does not set it back.",
    "The next file begins in a session of its own settings all the same, so nothing is carried over; but what is set holds for \
     the rest of this file, also where nobody thinks of it. Write SET LOCAL, or set it back. Timeouts are not meant.",
);
/// Long work under a strong lock.
pub static STATEMENT_AFTER_EXCLUSIVE_LOCK: Rule = Rule::new(
    "statement-after-exclusive-lock",
    Severity::Warning,
    "Long work is done while a table in use is locked against everyone (PostgreSQL).",
    "An ALTER TABLE keeps its ACCESS EXCLUSIVE lock until the end of the transaction. Rows that are changed, keys that are \
     validated and indexes that are built behind it in the same file are waited for by everyone. Put them into the next file.",
);
/// More than one thing that cannot be undone.
pub static NO_TRANSACTION_MULTIPLE_STATEMENTS: Rule = Rule::new(
    "no-transaction-multiple-statements",
    Severity::Warning,
    "A file without a transaction holds several statements (PostgreSQL).",
    "If a later one fails, the earlier ones stay: the file is half done until somebody looks. With one statement a file that \
     cannot happen. Statements with IF EXISTS or IF NOT EXISTS are not counted.",
);
/// A hole that nobody filled.
pub static PLACEHOLDER_LEFT: Rule = Rule::new(
    "placeholder-left",
    Severity::Warning,
    "A placeholder of a template is left in a text.",
    "${name}, {{name}} and <<<<<<< in a string reach the database as they are.",
);
/// Owner's rights without a path.
pub static SECURITY_DEFINER_SEARCH_PATH: Rule = Rule::new(
    "security-definer-search-path",
    Severity::Warning,
    "A function runs with its owner's rights and with its caller's search path (PostgreSQL).",
    "The caller can put tables and functions of their own before those that are meant. Write SET search_path = ... at the \
     function.",
);

/// The family of single statements.
pub const FAMILY: Family = Family {
    rules: &[&REQUIRE_LOCK_TIMEOUT, &STATEMENT_AFTER_EXCLUSIVE_LOCK, &PLACEHOLDER_LEFT, &SECURITY_DEFINER_SEARCH_PATH],
    looks: Looks::AtStatement(look),
};

/// The family of whole files.
pub const FILES: Family =
    Family { rules: &[&SESSION_STATE, &NO_TRANSACTION_MULTIPLE_STATEMENTS], looks: Looks::AtEnd(at_end) };

fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = endless(scene).into_iter().chain(behind_lock(scene)).collect();
    findings.extend(placeholders(scene));
    if let Fact::Create(made) = scene.fact()
        && made.detail == crate::facts::Detail::OwnersRights(false)
    {
        let message = "this function runs with its owner's rights, and its caller chooses where names are looked up";
        let finding = scene.finding(&SECURITY_DEFINER_SEARCH_PATH, made.span, message);
        findings.push(finding.help("add SET search_path = pg_catalog, and the schemas that it uses"));
    }
    findings
}

/// Milliseconds beyond which waiting counts as without end.
const LONGEST_WAIT: f64 = 60_000.0;

/// How many statements behind a setting are looked at.
const FAR: usize = 1_000;

/// Reads a time as PostgreSQL does (milliseconds without a unit) or MySQL (seconds).
fn milliseconds(value: &str, unit: f64) -> Option<f64> {
    let value = value.trim().trim_matches('\'').trim();
    let digits = value.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(value.len());
    let number: f64 = value[..digits].parse().ok()?;
    let factor = match value[digits..].trim() {
        "" => unit,
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some(number * factor)
}

fn endless(scene: &Scene<'_>) -> Option<Finding> {
    let Fact::Set { name, value, .. } = scene.fact() else { return None };
    let (unit, endless_at_zero) = match name.as_str() {
        "lock_timeout" if scene.postgres() => (1.0, true),
        "lock_wait_timeout" | "innodb_lock_wait_timeout" if scene.mysql() => (1_000.0, false),
        _ => return None,
    };
    let wait = milliseconds(value, unit)?;
    if wait <= LONGEST_WAIT && !(endless_at_zero && wait == 0.0) {
        return None;
    }
    let changes = scene.acts[scene.at + 1..].iter().take(FAR).any(|act| match &act.fact {
        Fact::AlterTable(alteration) => !scene.is_new(&alteration.table),
        Fact::Drop(drop) => matches!(drop.what, Object::Table | Object::Index),
        Fact::CreateIndex(index) => !scene.is_new(&index.table),
        _ => false,
    });
    let message = format!("{name} = {value}: whoever comes behind a statement that waits for a lock waits as long");
    let span = Span::new(0, scene.statement().len());
    changes.then(|| {
        scene
            .finding(&REQUIRE_LOCK_TIMEOUT, span, message)
            .help("leave it out: the environment sets one; or write `-- schemagate: lock-timeout = 5s` at the head of the file")
    })
}

/// Says whether a statement locks a table in use against everyone until the end of the transaction.
pub(super) fn locks(scene: &Scene<'_>) -> bool {
    let Fact::AlterTable(alteration) = scene.fact() else { return false };
    is_strong(scene.fact()) && !scene.is_new(&alteration.table) && scene.act().body != Some(Body::Called)
}

/// Says whether a statement alters a table behind a lock against everyone.
fn is_strong(fact: &Fact) -> bool {
    let quick = |change: &Change| match change {
        Change::Nothing | Change::Validate(_) | Change::AttachPartition(_) => true,
        Change::AddConstraint(constraint) => matches!(constraint.demand, Demand::Foreign(..)),
        _ => false,
    };
    matches!(fact, Fact::AlterTable(alteration) if alteration.actions.iter().any(|action| !quick(&action.change)))
}

/// Says whether the transaction has locked a table against everyone already.
pub(super) fn is_locked(scene: &Scene<'_>, table: &str) -> bool {
    scene.transaction && scene.earlier(table).any(|act| is_strong(&act.fact) && act.body != Some(Body::Called))
}

/// The table in use that an earlier statement of the transaction has locked against everyone.
pub(super) fn locked<'s>(scene: &Scene<'s>) -> Option<&'s Name> {
    match &scene.acts[scene.locked?].fact {
        Fact::AlterTable(alteration) => Some(&alteration.table),
        _ => None,
    }
}

fn behind_lock(scene: &Scene<'_>) -> Option<Finding> {
    if !scene.postgres() || !scene.transaction || scene.act().body == Some(Body::Called) {
        return None;
    }
    let what = match scene.fact() {
        Fact::Rows(change) if !scene.is_new(&change.table) => "rows are changed",
        Fact::Insert(insertion) if insertion.from.as_ref().is_some_and(|from| !from.is_empty()) => "rows are copied",
        Fact::AlterTable(alteration) => {
            let validates = |change: &Change| matches!(change, Change::Validate(_));
            let any = alteration.actions.iter().any(|action| validates(&action.change));
            if !any || scene.is_new(&alteration.table) {
                return None;
            }
            "a constraint is validated"
        }
        _ => return None,
    };
    let table = locked(scene)?;
    let message = format!("{what} while nobody can read or write `{}`", table.name);
    let span = scene.first_word(scene.at);
    Some(
        scene
            .finding(&STATEMENT_AFTER_EXCLUSIVE_LOCK, span, message)
            .label("ACCESS EXCLUSIVE lock since an earlier statement")
            .help("give it a file of its own: behind this one, or before it where later statements here need its rows"),
    )
}

fn placeholders(scene: &Scene<'_>) -> Vec<Finding> {
    if scene.act().body.is_some() {
        return Vec::new();
    }
    let text = scene.statement();
    if !text.contains("${") && !text.contains("{{") && !text.contains("<<<<<<<") {
        return Vec::new();
    }
    let texts = Lexer::new(text, scene.flavour()).filter(|token| token.kind == TokenKind::Text);
    let found = texts.filter_map(|token| {
        let shown = token.span.of(text);
        if shown.starts_with('$') {
            return None;
        }
        let named = |open: &str, close: &str| {
            let at = shown.find(open)?;
            let end = shown[at..].find(close)? + close.len();
            let inner = &shown[at + open.len()..at + end - close.len()];
            let plain = !inner.trim().is_empty()
                && inner.trim().chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-'));
            plain.then_some((at, at + end))
        };
        let (start, end) = named("${", "}").or_else(|| named("{{", "}}")).or_else(|| {
            let at = shown.find("<<<<<<<")?;
            Some((at, at + 7))
        })?;
        let span = Span::new(token.span.start + start, token.span.start + end);
        let message = format!("`{}` reaches the database as it is", &shown[start..end]);
        Some(scene.finding(&PLACEHOLDER_LEFT, span, message).help("write the value"))
    });
    found.collect()
}

fn at_end(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = left_set(scene);
    findings.extend(several(scene));
    findings
}

/// Settings that people mean for the whole file.
const HARMLESS: [&str; 12] = [
    "lock_timeout",
    "statement_timeout",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "max_statement_time",
    "client_min_messages",
    "names",
    "idle_in_transaction_session_timeout",
    "maintenance_work_mem",
    "work_mem",
    "deadlock_timeout",
    "client_encoding",
];

fn left_set(scene: &Scene<'_>) -> Vec<Finding> {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, act) in scene.acts.iter().enumerate() {
        let Fact::Set { name, value, local: false } = &act.fact else { continue };
        if HARMLESS.contains(&name.as_str()) || name.starts_with('@') || act.body.is_some() {
            continue;
        }
        let back = matches!(value.to_ascii_uppercase().as_str(), "DEFAULT" | "@")
            || value.starts_with("@OLD")
            || value.starts_with("@old");
        match open.get(name.as_str()) {
            Some(_) => {
                open.remove(name.as_str());
            }
            None if back => {}
            None => {
                open.insert(name, at);
            }
        }
    }
    // `foreign_keys` holds for a whole file, and no longer: see `pragma-in-vain`.
    let sqlite_persists = |name: &str| !scene.is(crate::config::Dialect::Sqlite) || name == "legacy_alter_table";
    let left = open.into_iter().filter(|(name, _)| sqlite_persists(name));
    left.map(|(name, at)| {
        let shown = scene.acts[at].span.of(scene.script.text);
        let help = match scene.postgres() {
            true => format!("write SET LOCAL {name}, or RESET {name} at the end"),
            false => format!("set {name} back at the end of the file"),
        };
        let message = format!("{name} stays set for the rest of the file");
        scene.finding_at(at, &SESSION_STATE, Span::new(0, shown.len()), message).help(help)
    })
    .collect()
}

fn several(scene: &Scene<'_>) -> Option<Finding> {
    if !scene.postgres() || scene.transaction {
        return None;
    }
    let lasting = |(_, act): &(usize, &Act)| {
        let guarded = match &act.fact {
            Fact::CreateTable(table) => table.if_not_exists,
            Fact::CreateIndex(index) => index.if_not_exists,
            Fact::Create(made) => made.replaces,
            Fact::Drop(drop) => drop.if_exists,
            _ => false,
        };
        act.body.is_none() && !guarded && !matches!(act.fact, Fact::Nothing | Fact::Set { .. } | Fact::Comment { .. })
    };
    let (at, _) = scene.acts.iter().enumerate().filter(lasting).nth(1)?;
    let word = scene.first_word(at);
    let message = "this file runs without a transaction: if this fails, what stands before it stays";
    Some(
        scene
            .finding_at(at, &NO_TRANSACTION_MULTIPLE_STATEMENTS, word, message)
            .help("one statement a file; the versions may follow each other"),
    )
}
