//! The plan: what is still to do for one database, by its files and its history.
//!
//! Pure: the same files and rows give the same plan. Refuses to guess: where history and files disagree it says so
//! and plans nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Content, Mode, Row, State};
use crate::migration::{Checksums, Kind, Migration};
use crate::text::for_shell;

/// What to do with one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The migration.
    pub migration: Migration,
    /// The row of an earlier attempt.
    pub earlier: Option<Box<Row>>,
    /// Whether a higher version has run already.
    pub out_of_order: bool,
}

/// Why nothing is planned.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Conflict {
    /// The file or row that is to blame.
    pub path: String,
    /// What does not agree, and what it would break.
    pub message: String,
    /// The remedy.
    pub help: String,
}

/// A row whose file has another path or other bytes now, and says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The row.
    pub row: Row,
    /// The migration as it is now.
    pub migration: Migration,
    /// The checksums of its content now.
    pub checksums: Checksums,
}

impl Renewal {
    /// What the row is to say from now on, for a commit.
    pub fn content(&self, commit: &str) -> Content {
        Content::of(&self.migration, commit, self.checksums.clone())
    }
}

/// What is still to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they will run. Empty if there are conflicts.
    pub steps: Vec<Step>,
    /// How many migrations are applied already.
    pub applied: usize,
    /// How many were taken out because they wait for earlier environments.
    pub waiting: usize,
    /// Rows to bring up to date. None if there are conflicts.
    pub renewals: Vec<Renewal>,
    /// Why nothing runs.
    pub conflicts: Vec<Conflict>,
    /// Things that are odd and harmless.
    pub notes: Vec<String>,
}

impl Plan {
    /// Says whether the database is as it should be.
    pub fn asks_nothing(&self) -> bool {
        self.steps.is_empty() && self.renewals.is_empty() && self.conflicts.is_empty()
    }
}

/// What may differ between teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy<'p> {
    /// Whether a version may run behind a higher one.
    pub out_of_order: bool,
    /// The options by which commands name the target.
    pub target: &'p str,
}

/// Plans one project's migrations for one database.
///
/// `checksums` reads the content of a migration; it is asked only where a blob differs from the recorded one.
pub fn plan<'p>(
    migrations: impl IntoIterator<Item = &'p Migration>,
    rows: impl IntoIterator<Item = &'p Row>,
    policy: Policy<'_>,
    checksums: &mut dyn FnMut(&Migration) -> Option<Checksums>,
) -> Plan {
    let rows: Vec<&Row> = rows.into_iter().collect();
    let mut sorted: Vec<&Migration> = migrations.into_iter().collect();
    sorted.sort_by(|a, b| a.position().cmp(&b.position()).then_with(|| a.path.cmp(&b.path)));
    let mut by_position: BTreeMap<(&str, Kind), &Row> = rows.iter().map(|row| (row.position(), *row)).collect();
    let highest = rows.iter().filter(|row| row.state == State::Applied).map(|row| row.position()).max();
    let mut plan = Plan::default();
    plan.conflicts.extend(rows.iter().filter(|row| row.changed_by_hand()).map(|row| by_hand(row, policy)));
    // The rows of what ended, by content, and whether their versions are still there.
    let mut contents: Option<BTreeMap<&str, (&Row, bool)>> = None;
    let mut previous: Option<&Migration> = None;
    for migration in sorted.iter().copied() {
        if let Some(previous) = previous.filter(|previous| previous.position() == migration.position()) {
            plan.conflicts.push(twice(migration, previous));
            continue;
        }
        previous = Some(migration);
        match by_position.remove(&migration.position()) {
            Some(row) if row.state == State::Applied => {
                plan.applied += 1;
                compare(migration, row, checksums, &mut plan);
            }
            Some(row) if row.state == State::Forgotten => forgotten(migration, row, policy, checksums, &mut plan),
            earlier => {
                let out_of_order = highest.is_some_and(|highest| migration.position() < highest);
                // What began in order goes on, whatever came since.
                let begun = earlier.is_some_and(|row| row.statements_done > 0 || row.statement_open > 0);
                if out_of_order && !begun && !policy.out_of_order {
                    plan.conflicts.push(late(migration, highest.map_or("", |highest| highest.0), &rows));
                }
                match contents.get_or_insert_with(|| by_content(&sorted, &rows)).get(migration.blob.as_str()) {
                    Some((row, _)) if row.state == State::Forgotten && earlier.is_none() => {
                        plan.notes.push(forgotten_before(migration, row, policy));
                        continue;
                    }
                    Some((row, false)) if row.state == State::Applied => plan.conflicts.push(moved(migration, row)),
                    Some((row, _)) => plan.notes.push(again(migration, row)),
                    None => {}
                }
                plan.steps.push(Step {
                    migration: migration.clone(),
                    earlier: earlier.cloned().map(Box::new),
                    out_of_order,
                });
            }
        }
    }
    for row in by_position.into_values().filter(|row| row.state != State::Forgotten) {
        let what = if row.state == State::Applied { "was applied" } else { "was started" };
        plan.notes.push(format!(
            "version {} {} {what} from `{}`, which is not in this commit",
            row.version, row.kind, row.path
        ));
    }
    if !plan.conflicts.is_empty() {
        plan.steps.clear();
        plan.renewals.clear();
    }
    plan
}

/// The rows of what ended, by content. Those whose version is still there come last, and count.
fn by_content<'r>(migrations: &[&Migration], rows: &[&'r Row]) -> BTreeMap<&'r str, (&'r Row, bool)> {
    let places: BTreeSet<(&str, Kind)> = migrations.iter().map(|migration| migration.position()).collect();
    let ended = rows.iter().filter(|row| matches!(row.state, State::Applied | State::Forgotten));
    let (there, gone): (Vec<&Row>, Vec<&Row>) = ended.copied().partition(|row| places.contains(&row.position()));
    let told = |rows: Vec<&'r Row>, there: bool| rows.into_iter().map(move |row| (row.blob_id.as_str(), (row, there)));
    told(gone, false).chain(told(there, true)).collect()
}

fn compare(
    migration: &Migration,
    row: &Row,
    checksums: &mut dyn FnMut(&Migration) -> Option<Checksums>,
    plan: &mut Plan,
) {
    let path = migration.path.display();
    let now = if migration.blob.as_str() == row.blob_id { Some(row.checksums()) } else { checksums(migration) };
    if let Some(checksums) = now.filter(|now| now.text == row.checksum_text) {
        if path != row.path {
            let (version, kind, from) = (&row.version, row.kind, &row.path);
            plan.notes.push(format!("version {version} {kind} was applied from `{from}`, now `{path}`"));
        }
        if migration.blob.as_str() != row.blob_id {
            plan.notes
                .push(format!("`{path}` differs from what was applied only in white space, comments or line endings"));
        }
        if path != row.path || migration.blob.as_str() != row.blob_id {
            plan.renewals.push(Renewal { row: row.clone(), migration: migration.clone(), checksums });
        }
        return;
    }
    plan.conflicts.push(Conflict {
        message: format!(
            "version {} {} was applied from other content (blob {} of commit {}); what the database holds is not what this file says",
            row.version,
            row.kind,
            short(&row.blob_id),
            short(&row.commit_id)
        ),
        help: if path == row.path {
            format!("bring the file back: git checkout {} -- {}; then add a new migration", row.commit_id, for_shell(&path))
        } else {
            // Another branch may have brought that file.
            let ours = for_shell(&path);
            format!("if `{}` is another file: schemagate renumber --released {ours}; if it is this one: git mv {ours} {}, as it was", row.path, for_shell(&row.path))
        },
        path,
    });
}

fn same_text(migration: &Migration, row: &Row, checksums: &mut dyn FnMut(&Migration) -> Option<Checksums>) -> bool {
    checksums(migration).is_some_and(|sums| sums.text == row.checksum_text)
}

/// A row that says something else than what was written.
fn by_hand(row: &Row, policy: Policy<'_>) -> Conflict {
    let path = format!("{} {}", for_shell(&row.path), policy.target);
    let decide = match row.state {
        State::Applied => format!("schemagate repair {path}"),
        State::Forgotten => format!("schemagate resolve {path} --forget"),
        State::Running | State::Failed => format!("schemagate resolve {path}"),
    };
    Conflict {
        path: row.path.clone(),
        message: format!(
            "the row of version {} {} in the history was changed by hand: what it says of its file or its state is not what \
             was recorded",
            row.version, row.kind
        ),
        help: format!("put the row back as it was; or look at the database, and let the row stand by: {decide}"),
    }
}

/// What people forgot here does not run; whether other content under its version should, only they can say.
fn forgotten(
    migration: &Migration,
    row: &Row,
    policy: Policy<'_>,
    checksums: &mut dyn FnMut(&Migration) -> Option<Checksums>,
    plan: &mut Plan,
) {
    let (path, version) = (migration.path.display(), format!("version {} {}", row.version, row.kind));
    if migration.blob.as_str() == row.blob_id || same_text(migration, row, checksums) {
        plan.notes.push(format!("{version} was forgotten here, so `{path}` does not run"));
        return;
    }
    plan.conflicts.push(Conflict {
        message: format!("{version} was forgotten here, and `{path}` says something else than what was"),
        help: format!(
            "give it a new version: schemagate renumber --released {}; or let it run: schemagate resolve {} {} --not-applied",
            for_shell(&path),
            for_shell(&row.path),
            policy.target
        ),
        path,
    });
}

/// The bytes of what people forgot, under a new version: they do not run either.
fn forgotten_before(migration: &Migration, row: &Row, policy: Policy<'_>) -> String {
    let (path, from, target) = (migration.path.display(), for_shell(&row.path), policy.target);
    format!(
        "`{path}` has the same bytes as version {} {}, which was forgotten here, so it does not run; to let it run: \
         schemagate resolve {from} {target} --not-applied",
        row.version, row.kind
    )
}

fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

fn twice(migration: &Migration, previous: &Migration) -> Conflict {
    Conflict {
        path: migration.path.display(),
        message: format!(
            "version {} {} stands twice: also in `{}`; nothing tells which one is meant",
            migration.version,
            migration.kind,
            previous.path.display()
        ),
        help: format!("schemagate renumber --released {}", for_shell(&migration.path.display())),
    }
}

/// The bytes of what ran, under another version, where its own is gone: a file that was renamed.
fn moved(migration: &Migration, row: &Row) -> Conflict {
    let (path, was) = (migration.path.display(), &row.path);
    Conflict {
        message: format!(
            "`{path}` has the same bytes as version {} {}, which was applied from `{was}` and is not in this commit: they would \
             run twice",
            row.version, row.kind
        ),
        help: format!(
            "give it its name back: git mv {} {}; where it comes too late, set out-of-order = \"allow\"; if it is to run again, \
             say so in a comment in it",
            for_shell(&path),
            for_shell(was)
        ),
        path,
    }
}

/// A new version with the bytes of one that ran: they run once more.
fn again(migration: &Migration, row: &Row) -> String {
    format!(
        "`{}` has the same bytes as version {} {}, which was applied from `{}`: they run once more",
        migration.path.display(),
        row.version,
        row.kind,
        row.path
    )
}

fn late(migration: &Migration, highest_key: &str, rows: &[&Row]) -> Conflict {
    let highest = rows.iter().find(|row| row.version_key == highest_key).map_or("", |row| row.version.as_str());
    Conflict {
        path: migration.path.display(),
        message: format!(
            "version {} {} has not run, and version {highest} has: running it now would give this database another order than others",
            migration.version, migration.kind
        ),
        help: format!(
            "schemagate renumber --released {}, or set out-of-order = \"allow\"",
            for_shell(&migration.path.display())
        ),
    }
}

/// Says from which statement an interrupted or failed journal continues, counted from 0.
///
/// # Errors
/// If the file was edited in what has run already: the number of the first statement that differs, from 1.
pub fn resume_at(earlier: Option<&Row>, sums: &[String]) -> Result<usize, usize> {
    let Some(row) = earlier.filter(|row| row.mode == Mode::Journal && row.state != State::Applied) else {
        return Ok(0);
    };
    let recorded: Vec<&str> =
        row.statement_sums.as_bytes().chunks(16).filter_map(|sum| std::str::from_utf8(sum).ok()).collect();
    for (index, sum) in recorded.iter().take(row.statements_done).enumerate() {
        if sums.get(index).map(String::as_str) != Some(*sum) {
            return Err(index + 1);
        }
    }
    Ok(row.statements_done)
}

#[cfg(test)]
mod tests;
