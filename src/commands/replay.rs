//! The schema that earlier migrations make, for the judges of those behind them.
//!
//! Files of one database are judged in the order in which they run, with the schema that all files before them make. What
//! many files made is kept under the Git directory by the blobs it was made of, so that the next push follows only what
//! is new. Knows the order and the cache; refuses to know SQL.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use crate::catalogue::Catalogue;
use crate::check::Judge;
use crate::check::content::{Schema, ToRead};
use crate::check::states::States;
use crate::commands::changes::Content;
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::disk;
use crate::finding::hex;
use crate::migration::{Migration, RepoPath};
use crate::sql::sqlite::{Replay, library_version};

/// Reads the content of a migration, up to a size.
pub type Read<'r> = &'r dyn Fn(&Migration, u64) -> Result<Content>;

/// Files of one database in the order in which they run.
pub struct Lineage {
    /// The migrations before the first file that is judged.
    pub before: Vec<Migration>,
    /// What comes behind them.
    pub steps: Vec<Step>,
    /// Of those before, which are known to have run nowhere.
    pub pending: BTreeSet<RepoPath>,
    /// The product; none where the database is not known, and then nothing is followed.
    flavour: Option<Flavour>,
    /// The database, as paths spell it.
    database: Option<String>,
}

/// One migration of a lineage.
pub enum Step {
    /// It is judged.
    Judge(Box<ToRead>),
    /// It stands between files that are judged.
    Follow(Box<Migration>),
}

/// Earlier migrations from which on a snapshot is worth its file.
const WORTH_KEEPING: usize = STRIDE;
/// Snapshots that are kept.
const MOST_SNAPSHOTS: usize = 16;
/// Counts up when what a snapshot holds changes.
const FORMAT: u8 = 4;

/// Parts files by the database that they are for.
pub fn lineages(judge: &Judge<'_>, states: &States, files: Vec<ToRead>) -> Vec<Lineage> {
    let mut scopes: BTreeMap<_, Vec<ToRead>> = BTreeMap::new();
    for file in files {
        let migration = &file.migration;
        let scope = (migration.project.clone(), migration.environment.clone(), migration.database.clone());
        scopes.entry(scope).or_default().push(file);
    }
    scopes.into_values().map(|files| in_order(judge.lineage(states, &files[0]), files)).collect()
}

fn in_order(all: Vec<Migration>, files: Vec<ToRead>) -> Lineage {
    let flavour = files.first().and_then(|file| file.flavour);
    let mut judged: BTreeMap<RepoPath, ToRead> =
        files.into_iter().map(|file| (file.migration.path.clone(), file)).collect();
    let database = all.first().and_then(|migration| migration.database.as_ref()).map(|name| name.as_str().to_owned());
    let (before, steps, pending) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut lineage = Lineage { before, steps, pending, flavour, database };
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
pub fn pass(schema: &Schema, migration: &Migration, pending: bool, read: Read<'_>) {
    match read(migration, crate::config::LARGEST_FILE) {
        Ok(Content::Bytes(bytes)) => schema.follow(&migration.path, &bytes, pending),
        Ok(Content::TooLarge(_)) => schema.lose_track("a file is too large"),
        // An object that a shallow clone lacks: names are not judged then.
        Err(_) => schema.lose_track("a file is missing"),
    }
}

impl Lineage {
    /// Follows the migrations before the files that are judged; `None` where the product is not known.
    ///
    /// # Errors
    /// If SQLite has no memory.
    pub fn schema(&self, cache: Option<&Path>, read: Read<'_>) -> Result<Option<Schema>> {
        let Some(flavour) = self.flavour else { return Ok(None) };
        let chain = chain(&self.before, flavour, self.database.as_deref());
        let cache = cache.filter(|_| self.before.len() >= WORTH_KEEPING).map(|folder| folder.join("replay"));
        let kept = cache.as_deref().and_then(|folder| newest(folder, &chain, flavour));
        let (done, schema) = match kept {
            Some((done, schema)) => (done, schema),
            None => (0, started(flavour, None, Catalogue::default()).map_err(anyhow::Error::msg)?),
        };
        if flavour.is_mysql() {
            schema.known.borrow_mut().belongs_to(self.database.as_deref());
        }
        for (number, migration) in self.before[..done].iter().enumerate() {
            if self.pending.contains(&migration.path) {
                schema.known.borrow_mut().has_not_run(number);
            }
        }
        // Kept where the next lineage, which is longer, will look for it too.
        let worth = |(count, _): &&(usize, String)| count % STRIDE == 0 && *count >= done + WORTH_KEEPING;
        let kept_at = chain.iter().rev().find(worth);
        for (number, migration) in self.before.iter().enumerate().skip(done) {
            pass(&schema, migration, self.pending.contains(&migration.path), read);
            if let (Some(folder), Some((count, key))) = (&cache, kept_at)
                && *count == number + 1
                && let Some(bytes) = snapshot(&schema)
            {
                // Only a cache: what cannot be kept is made again.
                let _ = keep(folder, key, &bytes);
            }
        }
        Ok(Some(schema))
    }
}

/// A schema to go on from.
fn started(flavour: Flavour, database: Option<&[u8]>, known: Catalogue) -> Result<Schema, String> {
    let replay = match (flavour.dialect, database) {
        (Dialect::Sqlite, Some(bytes)) => Some(Replay::restore(bytes)?),
        (Dialect::Sqlite, None) => Some(Replay::new()),
        _ => None,
    };
    Ok(Schema { flavour, replay: replay.map(RefCell::new), known: RefCell::new(known) })
}

/// A schema as bytes: the length of the catalogue, the catalogue, and for SQLite the database. `None` where it is not
/// known well enough to be kept.
fn snapshot(schema: &Schema) -> Option<Vec<u8>> {
    let known = serde_json::to_vec(&*schema.known.borrow()).ok()?;
    let mut bytes = u64::try_from(known.len()).ok()?.to_le_bytes().to_vec();
    bytes.extend_from_slice(&known);
    if let Some(replay) = &schema.replay {
        bytes.extend_from_slice(&replay.borrow().snapshot()?);
    }
    Some(bytes)
}

fn restored(bytes: &[u8], flavour: Flavour) -> Option<Schema> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (known, database) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let known = serde_json::from_slice(known).ok()?;
    started(flavour, Some(database), known).ok()
}

/// How many migrations lie between two keys.
const STRIDE: usize = 32;

/// Keys for beginnings of the list, made of the blobs in order: how many migrations, and the key.
fn chain(migrations: &[Migration], flavour: Flavour, database: Option<&str>) -> Vec<(usize, String)> {
    let mut hash = Sha256::new();
    hash.update([FORMAT]);
    hash.update(format!("{flavour:?} {} {}", library_version(), env!("CARGO_PKG_VERSION")));
    if flavour.is_mysql() {
        // Names may begin with that of the database.
        hash.update(database.unwrap_or_default());
    }
    let mut keys = Vec::new();
    for (number, migration) in migrations.iter().enumerate() {
        hash.update(migration.blob.as_str());
        if (number + 1) % STRIDE == 0 || number + 1 == migrations.len() {
            keys.push((number + 1, hex(&hash.clone().finalize()[..16])));
        }
    }
    keys
}

/// The snapshot of the longest beginning, and how many migrations it holds.
fn newest(folder: &Path, chain: &[(usize, String)], flavour: Flavour) -> Option<(usize, Schema)> {
    let names: BTreeSet<String> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let (done, key) = chain.iter().rev().find(|(_, key)| names.contains(key))?;
    let bytes = std::fs::read(folder.join(key)).ok()?;
    let (sum, snapshot) = bytes.split_at_checked(32)?;
    let whole = Sha256::digest(snapshot).as_slice() == sum;
    restored(snapshot, flavour).filter(|_| whole).map(|schema| (*done, schema))
}

fn keep(folder: &Path, key: &str, snapshot: &[u8]) -> Result<()> {
    disk::folder_like_gits(folder.parent().and_then(Path::parent).unwrap_or(folder), folder)?;
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
