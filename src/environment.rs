//! Every environment variable that the program reads, and the reading itself.
//!
//! Refuses to interpret: values come out as they are. No other file reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// The Git directory, set by Git for hooks.
pub const GIT_DIR: &str = "GIT_DIR";
/// The index that a commit is made from, set by Git for client hooks.
pub const GIT_INDEX_FILE: &str = "GIT_INDEX_FILE";
/// Where Git writes objects; in pre-receive the quarantine.
pub const GIT_OBJECT_DIRECTORY: &str = "GIT_OBJECT_DIRECTORY";
/// Further object folders.
pub const GIT_ALTERNATE_OBJECT_DIRECTORIES: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES";
/// Set to anything: no colour (no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";
/// Kind of terminal; `dumb` has no colour.
pub const TERM: &str = "TERM";
/// A file that names the key of an ssh login, with `ExposeAuthInfo yes`.
pub const SSH_USER_AUTH: &str = "SSH_USER_AUTH";

/// Set to `true` in GitHub Actions.
pub const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";
/// Set to `true` in GitLab CI.
pub const GITLAB_CI: &str = "GITLAB_CI";

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
/// Reads a variable as text; `None` if it is unset, empty or not UTF-8.
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
/// Reads a variable as a path; `None` if it is unset or empty.
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from)
}

/// What libraries of databases read beside a URL (libpq's manual, "Environment Variables"). On a server these are the
/// pusher's to set.
pub const OF_DATABASES: [&str; 13] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGDATABASE",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
];

/// What Git sets for hooks and would mislead a child that works on its own (`git rev-parse --local-env-vars`, and
/// the variables of a push).
pub const OF_GIT: [&str; 17] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_QUARANTINE_PATH",
    "GIT_INTERNAL_SUPER_PREFIX",
];
