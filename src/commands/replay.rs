//! The schema that earlier migrations make, for files that SQLite judges.
//!
//! Files of one SQLite database are judged in the order in which they run, on a database in memory that has carried out
//! all files before them. What many files made is kept under the Git directory by the blobs it was made of, so that the
//! next push replays only what is new. Knows the order and the cache; refuses to know SQL.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use crate::check::Judge;
use crate::check::content::{ToRead, follow};
use crate::check::states::States;
use crate::commands::changes::Content;
use crate::config::Dialect;
use crate::disk;
use crate::migration::{Migration, RepoPath};
use crate::sql::sqlite::{Replay, library_version};

/// Reads the content of a migration, up to a size.
pub type Read<'r> = &'r dyn Fn(&Migration, u64) -> Result<Content>;

/// Files of one database in the order in which they run.
pub struct Lineage {
    /// The migrations before the first file that is judged; none where the engine needs no schema.
    before: Vec<Migration>,
    /// What comes behind them.
    pub steps: Vec<Step>,
    sqlite: bool,
}

/// One migration of a lineage.
pub enum Step {
    /// It is judged.
    Judge(Box<ToRead>),
    /// It stands between files that are judged.
    Follow(Box<Migration>),
}

/// Earlier migrations from which on a snapshot is worth its file.
const WORTH_KEEPING: usize = 50;
/// Snapshots that are kept.
const MOST_SNAPSHOTS: usize = 16;
/// Counts up when what a snapshot holds changes.
const FORMAT: u8 = 1;

/// Parts files by the database that they are for.
pub fn lineages(judge: &Judge<'_>, states: &States, files: Vec<ToRead>) -> Vec<Lineage> {
    let mut lineages = Vec::new();
    let mut scopes: BTreeMap<_, Vec<ToRead>> = BTreeMap::new();
    let mut others = Vec::new();
    for file in files {
        if file.flavour.is_some_and(|flavour| flavour.dialect == Dialect::Sqlite) {
            let migration = &file.migration;
            let scope = (migration.project.clone(), migration.environment.clone(), migration.database.clone());
            scopes.entry(scope).or_default().push(file);
        } else {
            others.push(Step::Judge(Box::new(file)));
        }
    }
    lineages.extend(scopes.into_values().map(|files| in_order(judge.lineage(states, &files[0]), files)));
    lineages.push(Lineage { before: Vec::new(), steps: others, sqlite: false });
    lineages
}

fn in_order(all: Vec<Migration>, files: Vec<ToRead>) -> Lineage {
    let mut judged: BTreeMap<RepoPath, ToRead> =
        files.into_iter().map(|file| (file.migration.path.clone(), file)).collect();
    let mut lineage = Lineage { before: Vec::new(), steps: Vec::new(), sqlite: true };
    for migration in all {
        match judged.remove(&migration.path) {
            Some(file) => lineage.steps.push(Step::Judge(Box::new(file))),
            None if lineage.steps.is_empty() => lineage.before.push(migration),
            // Behind the last file that is judged nothing matters.
            None if judged.is_empty() => break,
            None => lineage.steps.push(Step::Follow(Box::new(migration))),
        }
    }
    lineage.steps.extend(judged.into_values().map(|file| Step::Judge(Box::new(file))));
    lineage
}

/// Carries out a migration that is not judged.
pub fn pass(replay: &RefCell<Replay>, migration: &Migration, read: Read<'_>) {
    match read(migration, crate::config::LARGEST_FILE) {
        Ok(Content::Bytes(bytes)) => follow(replay, &migration.path, &bytes),
        Ok(Content::TooLarge(_)) => replay.borrow_mut().lose_track("a file is too large"),
        // An object that a shallow clone lacks: names are not judged then.
        Err(_) => replay.borrow_mut().lose_track("a file is missing"),
    }
}

impl Lineage {
    /// Carries out the migrations before the files that are judged; `None` where the engine needs no schema.
    ///
    /// # Errors
    /// If SQLite has no memory.
    pub fn replay(&self, cache: Option<&Path>, read: Read<'_>) -> Result<Option<RefCell<Replay>>> {
        if !self.sqlite {
            return Ok(None);
        }
        let chain = chain(&self.before);
        let cache = cache.filter(|_| self.before.len() >= WORTH_KEEPING).map(|folder| folder.join("replay"));
        let kept = cache.as_deref().and_then(|folder| newest(folder, &chain));
        let (done, replay) = match kept {
            Some((done, replay)) => (done, replay),
            None => (0, Replay::new().map_err(anyhow::Error::msg)?),
        };
        let replay = RefCell::new(replay);
        for migration in &self.before[done..] {
            pass(&replay, migration, read);
        }
        if let (Some(folder), Some(key)) = (cache, chain.last())
            && self.before.len() >= done + WORTH_KEEPING
            && let Some(bytes) = replay.borrow().snapshot()
        {
            // Only a cache: what cannot be kept is made again.
            let _ = keep(&folder, key, &bytes);
        }
        Ok(Some(replay))
    }
}

/// A key for each beginning of the list, made of the blobs in order.
fn chain(migrations: &[Migration]) -> Vec<String> {
    let mut hash = Sha256::new();
    hash.update([FORMAT]);
    hash.update(library_version().as_bytes());
    let key = |migration: &Migration| {
        hash.update(migration.blob.to_string().as_bytes());
        hash.clone().finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    };
    migrations.iter().map(key).collect()
}

/// The snapshot of the longest beginning, and how many migrations it holds.
fn newest(folder: &Path, chain: &[String]) -> Option<(usize, Replay)> {
    let names: BTreeSet<String> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let place = chain.iter().rposition(|key| names.contains(key))?;
    let bytes = std::fs::read(folder.join(&chain[place])).ok()?;
    let (sum, snapshot) = bytes.split_at_checked(32)?;
    let whole = Sha256::digest(snapshot).as_slice() == sum;
    Replay::restore(snapshot).ok().filter(|_| whole).map(|replay| (place + 1, replay))
}

fn keep(folder: &Path, key: &str, snapshot: &[u8]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut bytes = Sha256::digest(snapshot).to_vec();
    bytes.extend_from_slice(snapshot);
    disk::write(&folder.join(key), &bytes, 0o600)?;
    let mut all: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    all.sort();
    for (_, path) in all.iter().rev().skip(MOST_SNAPSHOTS) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
