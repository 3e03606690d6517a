//! How a path reads under a manifest.
//!
//! Knows projects and their templates. Refuses to judge.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::config::manifest::{Project, Settings};
use crate::migration::{Migration, ObjectId, RepoPath};
use crate::rules::naming;
use crate::sql::split::{Statement, split};

/// How a path reads.
#[derive(Debug)]
pub enum Reading<'s> {
    /// Nothing to do with any project.
    Outside,
    /// A project ignores it.
    Ignored(&'s Project),
    /// A schema file.
    Schema(&'s Project),
    /// A migration.
    Migration(&'s Project, Box<Migration>),
    /// Looks like a migration of this project and does not match.
    Mismatch(&'s Project),
    /// Two projects match.
    Twice(&'s Project, &'s Project),
}

/// Reads a path under a manifest.
pub fn read_path<'s>(settings: &'s Settings, path: &RepoPath, blob: &ObjectId) -> Reading<'s> {
    let mut near: Option<&Project> = None;
    let mut found: Option<(&Project, Migration)> = None;
    let mut other = Reading::Outside;
    for project in settings.projects.iter().filter(|project| path.is_under(&project.base)) {
        let text = path.as_str().unwrap_or_default();
        if let Some(migration) = project.migration(path, blob) {
            if let Some((first, _)) = found {
                return Reading::Twice(first, project);
            }
            found = Some((project, migration));
        } else if project.ignores(text) {
            other = Reading::Ignored(project);
        } else if project.is_schema_file(text) {
            other = Reading::Schema(project);
        } else if near.is_none_or(|near| near.base.len() < project.base.len()) {
            near = Some(project);
        }
    }
    match (found, near, other) {
        (Some((project, migration)), ..) => Reading::Migration(project, Box::new(migration)),
        (None, Some(project), Reading::Outside) if naming::looks_like_migration(path) => Reading::Mismatch(project),
        (None, _, other) => other,
    }
}

/// The product that a manifest says a path is for.
pub(super) fn flavour_of(settings: &Settings, path: &RepoPath, blob: &ObjectId) -> Option<Flavour> {
    match read_path(settings, path, blob) {
        Reading::Migration(project, migration) => {
            project.database(migration.database.as_ref()).map(|database| database.flavour)
        }
        _ => None,
    }
}

/// Says how the meaning of a migration changed, if it did.
pub(super) fn meant_otherwise(was: &Migration, now: &Reading<'_>) -> Option<&'static str> {
    let Reading::Migration(_, now) = now else { return Some("would no longer be a migration") };
    let place = |migration: &Migration| (migration.environment.clone(), migration.database.clone());
    if now.project != was.project {
        Some("would belong to another project and run again")
    } else if place(now) != place(was) {
        Some("would go to another database")
    } else if now.position() != was.position() {
        Some("would have another version or order")
    } else {
        None
    }
}

/// Splits a text behind its byte order mark; places count in the whole text.
pub(super) fn statements(text: &str, mark: usize, flavour: Option<Flavour>) -> Vec<Statement> {
    let mut statements = split(&text[mark..], flavour.unwrap_or_else(|| Dialect::Postgres.into()));
    for statement in &mut statements {
        statement.span = statement.span.shifted(mark);
        statement.unclosed = statement.unclosed.map(|span| span.shifted(mark));
    }
    statements
}
