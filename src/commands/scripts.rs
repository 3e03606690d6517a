//! Making a migration ready to run: reading it, splitting it, choosing how it runs.
//!
//! What no gate would have let through is refused here too, because not everything came past a gate. Refuses to run.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Result;

use crate::commands::changes::{Content, Manifest, Source};
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::data_change::{Mistake, sql_to_run, without_indent};
use crate::engine::{Script, ScriptStatement, Shares, Terms};
use crate::history::Mode;
use crate::migration::{Checksums, FileEntry, FileMode, Migration, RepoPath};
use crate::plan::{Conflict, Step, resume_at};
use crate::rules::naming::too_long;
use crate::rules::suppression::{Suppression, speaks, suppressions};
use crate::sql::alone::alone;
use crate::sql::checksum::checksums;
use crate::sql::copy::{NO_ROWS, copies};
use crate::sql::directives::{Directives, directives};
use crate::sql::facts::{Purpose, head};
use crate::sql::foreign_keys::{ForeignKeys, foreign_keys};
use crate::sql::split::split;
use crate::sql::version_comments::{passed_over, split_to_run};
use crate::text::Lines;

/// Reads the content of a migration.
///
/// # Errors
/// If it is missing or larger than `largest` bytes.
pub fn bytes(source: &Source<'_>, migration: &Migration, largest: u64) -> Result<Vec<u8>> {
    let entry = FileEntry { path: migration.path.clone(), mode: FileMode::Regular, blob: migration.blob.clone() };
    match source.read(&entry, largest)? {
        Content::Bytes(bytes) => Ok(bytes),
        Content::TooLarge(size) => anyhow::bail!("the file has {size} bytes; the limit is {largest}"),
    }
}

/// Makes the checksums of a migration as its manifest reads it; `None` if it cannot be read.
pub fn sums_of(source: &Source<'_>, manifest: &Manifest, migration: &Migration) -> Option<Checksums> {
    let project = manifest.project_of(migration)?;
    let flavour = declared_flavour(manifest, migration)?;
    let bytes = bytes(source, migration, project.largest_file).ok()?;
    Some(checksums(&migration.path, &bytes, flavour))
}

/// Makes the migration of a step ready for a server. `terms` are those of its target, which commands name by `options`; the
/// file may say others.
///
/// # Errors
/// What keeps it from running.
pub fn prepare(
    source: &Source<'_>,
    manifest: &Manifest,
    step: &Step,
    server: Flavour,
    (terms, options): (&Terms, &Arc<str>),
) -> Result<Script, Conflict> {
    let (migration, dialect) = (&step.migration, server.dialect);
    let declared = declared_dialect(manifest, migration);
    if let Some(declared) = declared.filter(|declared| *declared != dialect) {
        let message = format!("the manifest says {}, the target is {}", declared.title(), dialect.title());
        return Err(conflict(migration, &message, "mend `dialect` in the manifest, or the target's url"));
    }
    if let Some(message) = too_long(migration) {
        return Err(conflict(migration, &message, "choose a shorter version"));
    }
    let project = manifest.project_of(migration);
    let largest = project.map_or(crate::config::LARGEST_FILE, |project| project.largest_file);
    let bytes = bytes(source, migration, largest)
        .map_err(|error| conflict(migration, &format!("{error:#}"), "push from a complete clone"))?;
    let body = bytes.strip_prefix(crate::rules::bytes::MARK).unwrap_or(&bytes);
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| conflict(migration, "the file is not UTF-8 text", "convert it: iconv -t UTF-8"))?;
    let flavour = declared_flavour(manifest, migration).unwrap_or(server);
    let (text, indent) = &text_to_run(&migration.path, text, flavour)
        .map_err(|mistake| conflict(migration, &mistake.message, &mistake.help))?;
    if let Some(span) = server.release.and_then(|release| passed_over(text, flavour, release)) {
        let line = Lines::of(text).at(span.start).line;
        let what = format!(
            "line {line}: this server ({}) is older than the release for which the file was judged, and would pass over \
             the version comment",
            server.title()
        );
        return Err(conflict(
            migration,
            &what,
            "set `version` in the manifest to the server's, or take the comment out",
        ));
    }
    let checksums = checksums(&migration.path, &bytes, flavour);
    let (asked, mistakes) = directives(text, flavour);
    if let Some(mistake) = mistakes.first() {
        return Err(conflict(migration, &mistake.message, &mistake.help));
    }
    let statements = statements(migration, text, *indent, flavour, &asked)?;
    let mode = if statements.iter().any(|statement| statement.shares != Shares::All) {
        Mode::Journal
    } else {
        Mode::Transaction
    };
    let takes_role = |statement: &ScriptStatement| {
        let head = head(&statement.text, flavour);
        head.verb == "SET" && head.words.iter().take(4).any(|word| word == "ROLE" || word == "AUTHORIZATION")
    };
    if mode == Mode::Journal
        && dialect == Dialect::Postgres
        && let Some(statement) = statements.iter().find(|statement| takes_role(statement))
    {
        let message =
            format!("line {}: a file that runs statement by statement cannot change its role", statement.line);
        return Err(conflict(migration, &message, "let the URL of the target name that role, or split the file"));
    }
    let keys = match dialect {
        Dialect::Sqlite if !asked.no_transaction => foreign_keys(statements.iter().map(|one| one.text.as_str())),
        _ => ForeignKeys::default(),
    };
    if let Some(number) = keys.in_vain {
        let what =
            format!("line {}: inside of a transaction PRAGMA foreign_keys does nothing", statements[number].line);
        return Err(conflict(migration, &what, "put it at the head of the file, before any other statement"));
    }
    let sums: Vec<String> = match step.earlier {
        Some(_) => statements.iter().map(ScriptStatement::sum).collect(),
        None => Vec::new(),
    };
    let done = resume_at(step.earlier.as_deref(), &sums).map_err(|number| {
        conflict(
            migration,
            &format!("statement {number} was edited, but it has run already when this file stopped half-way"),
            "bring back the statements that ran; mend only what comes behind them",
        )
    })?;
    let in_flight = step.earlier.as_ref().is_some_and(|row| row.statement_open > 0);
    let mode = if done > 0 || in_flight { Mode::Journal } else { mode };
    Ok(Script {
        migration: migration.clone(),
        statements,
        mode,
        done,
        earlier: step.earlier.clone(),
        out_of_order: step.out_of_order,
        checksums,
        flavour,
        terms: Terms {
            lock_timeout: asked.lock_timeout.or(terms.lock_timeout),
            statement_timeout: asked.statement_timeout.or(terms.statement_timeout),
            isolation: asked.isolation.map(str::to_owned),
            foreign_keys: keys.enforced,
            patience: terms.patience,
        },
        suppressed: suppressed(text, flavour),
        target: Arc::clone(options),
    })
}

/// Definitions that transactions of PostgreSQL hold, but for those that [`alone`] knows. (SQLite looks for broken references
/// before each commit, and a table that is made anew breaks some in between.)
const DEFINES: [&str; 6] = ["ALTER", "COMMENT", "CREATE", "DROP", "GRANT", "REVOKE"];

/// What a file suppresses, with the reasons, as the history keeps it.
fn suppressed(text: &str, flavour: Flavour) -> String {
    if !speaks(text) {
        return String::new();
    }
    let found = suppressions("", text, &split(text, flavour), flavour).0;
    let said = |one: &Suppression| match one.reason.as_str() {
        "" => one.rule.name.to_owned(),
        reason => format!("{}: {reason}", one.rule.name),
    };
    found.iter().map(said).collect::<Vec<_>>().join("; ")
}

/// The product that the manifest says a migration is for.
fn declared_dialect(manifest: &Manifest, migration: &Migration) -> Option<Dialect> {
    let project = manifest.project_of(migration)?;
    project.database(migration.database.as_ref()).map(|database| database.dialect)
}

/// The product and its settings that the manifest says a migration is for.
pub fn declared_flavour(manifest: &Manifest, migration: &Migration) -> Option<Flavour> {
    let project = manifest.project_of(migration)?;
    project.database(migration.database.as_ref()).map(|database| database.flavour)
}

/// The SQL of a file as its client would read it, with the indentation that is not part of it. `mariadb`, `mysql` and
/// `sqlite3` read lines, and none of their ends with a carriage return; `psql` keeps these.
fn text_to_run<'t>(path: &RepoPath, text: &'t str, flavour: Flavour) -> Result<(Cow<'t, str>, usize), Mistake> {
    let (text, indent) = sql_to_run(path, text)?;
    let keeps = flavour.dialect == Dialect::Postgres || !text.contains("\r\n");
    Ok((if keeps { text } else { text.replace("\r\n", "\n").into() }, indent))
}

/// The sums of all statements of a file, as the history holds them; `None` for a file that would not run.
pub fn sums(migration: &Migration, text: &str, flavour: Flavour) -> Option<Vec<String>> {
    let (text, indent) = &text_to_run(&migration.path, text, flavour).ok()?;
    let (asked, _) = directives(text, flavour);
    let statements = statements(migration, text, *indent, flavour, &asked).ok()?;
    Some(statements.iter().map(ScriptStatement::sum).collect())
}

fn statements(
    migration: &Migration,
    text: &str,
    indent: usize,
    flavour: Flavour,
    asked: &Directives,
) -> Result<Vec<ScriptStatement>, Conflict> {
    let dialect = flavour.dialect;
    let lines = Lines::of(text);
    let mut prepared: Vec<ScriptStatement> = Vec::new();
    for (statement, flavour) in split_to_run(text, flavour) {
        let sql = statement.span.of(text);
        let head = head(sql, flavour);
        if statement.client
            && let Some(copy) = prepared.last_mut().filter(|copy| statement.copied && copy.rows.is_none())
        {
            copy.rows = Some(copied(sql));
            copy.rows_line = lines.at(statement.span.start).line;
            continue;
        }
        if statement.client || head.purpose(dialect) == Purpose::Transaction {
            let line = lines.at(statement.span.start).line;
            let what = format!("line {line}: `{}` cannot be run by the program", head.verb);
            return Err(conflict(migration, &what, "remove it; the program holds the transaction and the locks"));
        }
        if indent > 0 && copies(sql, flavour) == Some("STDIN") {
            return Err(conflict(migration, NO_ROWS, "write INSERT"));
        }
        let place = lines.at(statement.span.start);
        // What must not share a transaction with others may still share one with its record, where the engine can.
        let outside = asked.no_transaction && head.purpose(dialect) != Purpose::Data;
        let held = dialect == Dialect::Postgres && DEFINES.contains(&head.verb.as_str());
        let shares = match (alone(sql, flavour), outside) {
            (true, _) => Shares::Nothing,
            (false, true) if held => Shares::Record,
            (false, true) => Shares::Nothing,
            (false, false) => Shares::All,
        };
        prepared.push(ScriptStatement {
            text: if indent > 0 { without_indent(sql, indent) } else { sql.to_owned() },
            line: place.line,
            column: place.column,
            shares,
            rows: None,
            rows_line: 0,
            indent,
        });
    }
    for statement in prepared.iter_mut().filter(|statement| statement.rows.is_none()) {
        match copies(&statement.text, flavour) {
            Some("STDIN") => statement.rows = Some(String::new()),
            Some(_) => {
                let what = format!("line {}: COPY ... TO STDOUT writes to a client, and there is none", statement.line);
                return Err(conflict(migration, &what, "remove it; a migration changes the database"));
            }
            None => {}
        }
    }
    Ok(prepared)
}

/// The rows behind a COPY without the line that ends them: a row may end with the same characters.
fn copied(data: &str) -> String {
    let end = data.trim_end().strip_suffix("\\.").filter(|rows| rows.is_empty() || rows.ends_with('\n'));
    let rows = end.unwrap_or(data);
    if rows.is_empty() || rows.ends_with('\n') { rows.to_owned() } else { format!("{rows}\n") }
}

/// Says why a migration cannot run.
pub fn conflict(migration: &Migration, message: &str, help: &str) -> Conflict {
    Conflict { path: migration.path.display(), message: message.to_owned(), help: help.to_owned() }
}
