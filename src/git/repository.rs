//! A repository: where it is and how its objects are opened.
//!
//! The only place that opens object stores. In a push it sees the quarantined objects too. Refuses to know what is in
//! them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::environment as env;
use crate::git::process;
use crate::git::store::{Lazy, Objects, plumbing};

/// An opened repository.
pub struct Repository {
    /// The Git directory: of a linked worktree its own one.
    pub git_dir: PathBuf,
    /// The Git directory that all worktrees share.
    pub common_dir: PathBuf,
    /// The top of the working tree; none in a bare repository.
    pub work_tree: Option<PathBuf>,
    /// Where hooks are looked for, `core.hooksPath` considered. Unknown inside a server hook.
    pub hooks_dir: PathBuf,
    /// Its objects.
    pub objects: Box<dyn Objects>,
    /// Whether identities have 64 digits.
    pub sha256: bool,
    /// The repository's own configuration.
    own: git2::Config,
}

impl Repository {
    /// Opens the repository of a server hook: `GIT_DIR`, or the working directory, as Git sets them.
    ///
    /// # Errors
    /// If that is not a Git directory.
    pub fn of_hook() -> Result<Self> {
        let git_dir = env::path(env::GIT_DIR).unwrap_or_else(|| PathBuf::from("."));
        let git_dir = std::fs::canonicalize(&git_dir).context("the Git directory of the hook cannot be found")?;
        Self::open(git_dir.clone(), git_dir.clone(), None, git_dir.join("hooks"))
    }

    /// Finds the repository of a folder, as Git itself does.
    ///
    /// # Errors
    /// If there is none, or Git refuses to use it.
    pub fn discover(start: &Path) -> Result<Self> {
        if !start.is_dir() {
            bail!("the folder {} does not exist", start.display());
        }
        let arguments = [
            "rev-parse",
            "--path-format=absolute",
            "--git-dir",
            "--git-common-dir",
            "--git-path",
            "hooks",
            "--is-bare-repository",
        ];
        let output = process::git(None)
            .current_dir(start)
            .args(arguments)
            .output()
            .context("git could not be started; is it installed and on the PATH?")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("fatal: "));
        }
        let text = String::from_utf8(output.stdout).context("the repository's path is not UTF-8")?;
        let [git_dir, common_dir, hooks_dir, bare] = text.lines().collect::<Vec<_>>()[..] else {
            bail!("git rev-parse answered in an unknown form");
        };
        let work_tree = match bare {
            "true" => None,
            _ => {
                let top = process::git(None).current_dir(start).args(["rev-parse", "--show-toplevel"]).output()?;
                let top = String::from_utf8(top.stdout).context("the working tree's path is not UTF-8")?;
                Some(PathBuf::from(top.trim_end_matches('\n'))).filter(|top| !top.as_os_str().is_empty())
            }
        };
        Self::open(git_dir.into(), common_dir.into(), work_tree, hooks_dir.into())
    }

    /// Returns what opens it once more for another thread, without asking Git again.
    pub fn again(&self) -> impl Fn() -> Result<Self> + Send + Sync + use<> {
        let folders = (self.git_dir.clone(), self.common_dir.clone(), self.work_tree.clone(), self.hooks_dir.clone());
        move || {
            let (git_dir, common_dir, work_tree, hooks_dir) = folders.clone();
            Self::open(git_dir, common_dir, work_tree, hooks_dir)
        }
    }

    fn open(git_dir: PathBuf, common_dir: PathBuf, work_tree: Option<PathBuf>, hooks_dir: PathBuf) -> Result<Self> {
        if !common_dir.join("objects").is_dir() {
            bail!("{} is not a Git directory", common_dir.display());
        }
        let own = read_config(&common_dir.join("config"))?;
        let format = value(&own, "extensions.objectformat")?;
        let sha256 = format.is_some_and(|format| format.eq_ignore_ascii_case("sha256"));
        let objects: Box<dyn Objects> =
            if sha256 { plumbing(&git_dir) } else { Box::new(Lazy::new(object_folders(&common_dir))) };
        Ok(Self { git_dir, common_dir, work_tree, hooks_dir, objects, sha256, own })
    }

    /// Reads a value of the repository's own configuration, or of the system's. The user's own files and the
    /// environment do not count: on a server they may be the pusher's.
    ///
    /// # Errors
    /// If a configuration file does not parse.
    pub fn config(&self, key: &str) -> Result<Option<String>> {
        match value(&self.own, key)? {
            Some(found) => Ok(Some(found)),
            None => match git2::Config::find_system() {
                Ok(system) => value(&read_config(&system)?, key),
                Err(_) => Ok(None),
            },
        }
    }

    /// Says whether references are stored as reftable, which has no files to read.
    ///
    /// # Errors
    /// If the configuration does not parse.
    pub fn uses_reftable(&self) -> Result<bool> {
        Ok(value(&self.own, "extensions.refstorage")?.is_some_and(|storage| storage.starts_with("reftable")))
    }
}

fn read_config(file: &Path) -> Result<git2::Config> {
    git2::Config::open(file).with_context(|| format!("{} does not parse", file.display()))
}

fn value(config: &git2::Config, key: &str) -> Result<Option<String>> {
    match config.get_string(key) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{key} of the configuration cannot be read")),
    }
}

/// The folders that hold objects: the one that Git writes to now (in a push the quarantine), the repository's own,
/// and the alternates that Git names.
fn object_folders(common_dir: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    folders.extend(env::path(env::GIT_OBJECT_DIRECTORY));
    folders.push(common_dir.join("objects"));
    if let Some(list) = env::text(env::GIT_ALTERNATE_OBJECT_DIRECTORIES) {
        folders.extend(alternates(&list));
    }
    let absolute = |folder: PathBuf| std::fs::canonicalize(&folder).unwrap_or(folder);
    let mut folders: Vec<PathBuf> = folders.into_iter().map(absolute).filter(|folder| folder.is_dir()).collect();
    let mut seen = Vec::new();
    folders.retain(|folder| {
        let new = !seen.contains(folder);
        seen.push(folder.clone());
        new
    });
    folders
}

/// Splits the list at colons; an element in double quotes is quoted as in C (git's documentation of
/// GIT_ALTERNATE_OBJECT_DIRECTORIES).
fn alternates(list: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut path = String::new();
            let mut letters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => path.extend(letters.next().map(|(_, escaped)| escaped)),
                    _ => path.push(letter),
                }
            }
            paths.push(path.into());
            rest = quoted[end.min(quoted.len())..].trim_start_matches(':');
        } else {
            let (path, later) = rest.split_once(':').unwrap_or((rest, ""));
            if !path.is_empty() {
                paths.push(path.into());
            }
            rest = later;
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternates_may_be_quoted() {
        assert_eq!(alternates("/a:/b"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(alternates("\"/a:x\\\"y\":/b"), [PathBuf::from("/a:x\"y"), PathBuf::from("/b")]);
    }
}
