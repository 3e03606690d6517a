//! The index: what the next commit will hold.
//!
//! Reads the index that Git names (`GIT_INDEX_FILE`; a commit with `-a` or with paths uses a temporary one). An
//! index that libgit2 refuses (sparse, split, SHA-256) is read by `git`. Refuses to look at the working tree.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::environment as env;
use crate::git::process;
use crate::git::repository::Repository;
use crate::migration::{FileEntry, FileMode, ObjectId, RepoPath};

/// Lists the files of the index under the given folders (an empty name is everything), sorted by path. Entries that
/// are only intended (`git add -N`) are left out: a commit would not hold them.
///
/// # Errors
/// If the index holds unresolved conflicts or cannot be read.
pub fn staged(repository: &Repository, folders: &[String]) -> Result<Vec<FileEntry>> {
    let file = env::path(env::GIT_INDEX_FILE).unwrap_or_else(|| repository.git_dir.join("index"));
    let mut entries = if !file.exists() {
        Vec::new()
    } else if repository.sha256 {
        by_git(repository)?
    } else {
        match git2::Index::open(&file) {
            Ok(index) => by_library(&index)?,
            Err(_) => by_git(repository)?,
        }
    };
    entries.retain(|entry| {
        folders.iter().any(|folder| entry.path.is_under(folder) || entry.path.as_bytes() == folder.as_bytes())
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The flag of an extended index entry that is only intended (gitformat-index(5)).
const INTENT_TO_ADD: u16 = 1 << 13;
const STAGE: u16 = 0x3000;

fn by_library(index: &git2::Index) -> Result<Vec<FileEntry>> {
    let mut entries = Vec::with_capacity(index.len());
    for entry in index.iter() {
        if entry.flags_extended & INTENT_TO_ADD != 0 {
            continue;
        }
        if entry.flags & STAGE != 0 {
            bail!("the index holds unresolved conflicts; finish the merge first");
        }
        entries.push(FileEntry {
            path: RepoPath::new(entry.path),
            mode: FileMode::from_bits(entry.mode),
            blob: ObjectId::from_raw(entry.id.as_bytes()),
        });
    }
    Ok(entries)
}

/// `git ls-files -s -z`: `MODE SP ID SP STAGE TAB PATH NUL`; intended entries are those that a comparison with
/// `--ita-invisible-in-index` shows as new in the working tree.
fn by_git(repository: &Repository) -> Result<Vec<FileEntry>> {
    let folder = repository.work_tree.clone().unwrap_or_else(|| PathBuf::from("."));
    let run = |arguments: &[&str]| -> Result<Vec<u8>> {
        let output = process::git(None).current_dir(&folder).args(arguments).output()?;
        if !output.status.success() {
            bail!("git {} failed: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output.stdout)
    };
    let intended = run(&["diff-files", "-z", "--name-only", "--diff-filter=A", "--ita-invisible-in-index"])?;
    let intended: Vec<&[u8]> = intended.split(|byte| *byte == 0).collect();
    let listing = run(&["ls-files", "-s", "-z", "--full-name"])?;
    let mut entries = Vec::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t').context("git ls-files answered in an unknown form")?;
        let head = std::str::from_utf8(&line[..tab])?;
        let [mode, id, stage] = head.split(' ').collect::<Vec<_>>()[..] else {
            bail!("git ls-files answered {head:?}")
        };
        if stage != "0" {
            bail!("the index holds unresolved conflicts; finish the merge first");
        }
        let path = &line[tab + 1..];
        if !intended.contains(&path) {
            entries.push(FileEntry {
                path: RepoPath::new(path),
                mode: FileMode::from_bits(u32::from_str_radix(mode, 8)?),
                blob: ObjectId::parse(id).context("git ls-files answered with an unknown identity")?,
            });
        }
    }
    Ok(entries)
}
