//! How a path reads under a manifest.
//!
//! Knows projects and their templates. Refuses to judge.

use crate::config::manifest::{Project, Settings};
use crate::migration::{Migration, ObjectId, RepoPath};
use crate::rules::naming;

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
