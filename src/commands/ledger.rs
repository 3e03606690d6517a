//! The ledger: what each target is known to have run, kept in the Git directory.
//!
//! A copy of each target's history, written after every rollout, so that a push can be judged without asking a
//! database. What is about to run is written down first. It only ever lets a file be mended that no target has run, as far
//! as this repository knows; where it is missing or unreadable, nothing may be changed. The database is always right; the ledger is never used to decide what runs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::config::server::{Audience, Server, Target, Tenants};
use crate::disk;
use crate::finding::hex;
use crate::history::{Mode, Row, SUM, State};
use crate::host::host_name;
use crate::migration::{DatabaseName, Kind, Migration, Place};

/// What is kept of a row.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Entry<'e> {
    pub(super) project: Cow<'e, str>,
    pub(super) version_key: Cow<'e, str>,
    pub(super) kind: Cow<'e, str>,
    /// The content that ran: another file under the same version never did.
    pub(super) blob: Cow<'e, str>,
    pub(super) ran: Ran,
    /// The sum of what it says, so that a reformatted file is known again; empty before it has run.
    #[serde(default)]
    pub(super) text: Cow<'e, str>,
    /// The sums of the statements that ran, where only some did.
    #[serde(default)]
    pub(super) sums: Cow<'e, str>,
}

impl Entry<'_> {
    /// Says whether it was only about to run when it was written.
    pub(super) fn is_announced(&self) -> bool {
        self.ran == Ran::All && self.text.is_empty()
    }
}

/// How much of a migration ran and stays, or may.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ran {
    Nothing,
    /// Some statements: what comes behind them may be mended in place.
    Partly,
    All,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct File<'e> {
    format: u32,
    target: String,
    /// The name that the database gave itself.
    #[serde(default)]
    database: String,
    pub(super) entries: Vec<Entry<'e>>,
}

/// Our own folder in a Git directory.
pub fn folder(common_dir: &Path) -> PathBuf {
    common_dir.join("schemagate")
}

/// The file that keeps something about what a label names.
fn file_of(common_dir: &Path, kind: &str, label: &str) -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let name = hex(&Sha256::digest(label.as_bytes()))[..32].to_owned();
    folder(common_dir).join(kind).join(name + ".json")
}

/// Writes a file of ours, unless it says that already.
fn write(common_dir: &Path, path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value)?;
    let length = |path: &Path| std::fs::metadata(path).map(|data| data.len()).ok();
    let same_length = length(path).is_some_and(|length| usize::try_from(length).is_ok_and(|bytes| bytes == text.len()));
    if same_length && std::fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        disk::folder_like_gits(common_dir, folder)?;
    }
    disk::write(path, &text, disk::rights_like_gits(common_dir))
}

/// What tells a target from all others: a tenant may be named like one of another group.
pub(super) fn key(target: &Target) -> String {
    match &target.audience {
        Audience::Database(_) => target.label(),
        Audience::Group(group, name) => format!("{}/{group}/{name}", target.environment),
    }
}

fn path(common_dir: &Path, target: &Target) -> PathBuf {
    file_of(common_dir, "ledger", &key(target))
}

/// Writes down what a target has run, and what it is about to run: that counts as run until the end is known. Who does
/// not hold the target's lock (`locked`) forgets nothing.
///
/// # Errors
/// If the Git directory cannot be written.
pub fn keep(
    common_dir: &Path,
    target: &Target,
    database: &str,
    rows: &[Row],
    about_to_run: &mut dyn Iterator<Item = &Migration>,
    locked: bool,
) -> Result<()> {
    let (host, mut database) = (host_name(), database.to_owned());
    let ours = |row: &Row| row.host == host && row.process_id == i64::from(std::process::id());
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(rows.len());
    entries.extend(rows.iter().map(|row| Entry {
        project: row.project.as_str().into(),
        version_key: row.version_key.as_str().into(),
        kind: row.kind.word().into(),
        blob: row.blob_id.as_str().into(),
        ran: match (row.state, row.mode) {
            // Ours, and nothing runs any more: it was cut off, and the next run goes on with it.
            (State::Running, Mode::Journal) if ours(row) => Ran::Partly,
            (State::Applied | State::Running, _) => Ran::All,
            // One that was begun may have done a part of its work.
            (State::Failed, Mode::Journal) if row.statements_done.max(row.statement_open) > 0 => Ran::Partly,
            (State::Failed | State::Forgotten, _) => Ran::Nothing,
        },
        text: row.checksum_text.as_str().into(),
        sums: row.statement_sums.get(..row.statements_done.max(row.statement_open) * SUM).unwrap_or_default().into(),
    }));
    // Somebody else may be at work: what is about to run stays so. And what ran and is not there any more, or a database
    // that has another name, is a witness: only who says so, and runs something, may forget it.
    if !locked {
        let there: BTreeMap<Place, &Row> = rows.iter().map(|row| (row.place(), row)).collect();
        // The row of an earlier attempt says nothing of one that was announced since.
        let tells = |row: &Row, entry: &Entry<'_>| {
            let begun = matches!(row.state, State::Applied | State::Running) && row.blob_id == entry.blob;
            begun || !entry.text.is_empty()
        };
        let missing = |entry: &Entry<'_>| {
            place_of(entry).is_some_and(|place| there.get(&place).is_none_or(|row| !tells(row, entry)))
        };
        if let Some(known) = read(common_dir, target) {
            let before = entries.len();
            entries.extend(known.entries.into_iter().filter(missing));
            let same = known.database.is_empty() || entries.len() == before;
            database = if same { database } else { known.database };
        }
    }
    entries.extend(about_to_run.map(|migration| Entry {
        project: migration.project.as_str().into(),
        version_key: migration.version_key.as_str().into(),
        kind: migration.kind.word().into(),
        blob: migration.blob.as_str().into(),
        ran: Ran::All,
        text: Cow::default(),
        sums: Cow::default(),
    }));
    let file = File { format: 1, target: key(target), database, entries };
    write(common_dir, &path(common_dir, target), &file)
}

/// What is known of a target from before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The name that its database gave itself.
    pub database: String,
    /// What ran there, as histories name it.
    pub ran: Vec<Place>,
    /// Whether there is something that cannot be read.
    pub unreadable: bool,
}

/// Reads what is known of a target from before; nothing where nothing is.
pub fn known(common_dir: &Path, target: &Target) -> Known {
    let Some(file) = read(common_dir, target) else {
        return Known { unreadable: is_there(common_dir, target), ..Known::default() };
    };
    // What was only about to run has no sum yet.
    let ran = file.entries.iter().filter(|entry| entry.ran == Ran::All && !entry.text.is_empty());
    Known { ran: ran.filter_map(place_of).collect(), database: file.database, unreadable: false }
}

/// Says whether the ledger of a target is of the database that gave itself this name; only its beginning is read.
pub fn is_of(common_dir: &Path, target: &Target, database: &str) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path(common_dir, target)).and_then(|file| file.take(4096).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).contains(&format!("\"database\":{}", serde_json::json!(database)))
}

/// The place of a migration that an entry is about.
pub(super) fn place_of(entry: &Entry<'_>) -> Option<Place> {
    let kind = Kind::parse(&entry.kind)?;
    Some((entry.project.clone().into_owned(), entry.version_key.clone().into_owned(), kind))
}

/// The places of what a target was about to run, and of which its history did not tell since.
pub fn announced(common_dir: &Path, target: &Target) -> Vec<Place> {
    let entries = read(common_dir, target).map(|file| file.entries).unwrap_or_default();
    entries.iter().filter(|entry| entry.is_announced()).filter_map(place_of).collect()
}

/// The ledger of a target as it stands, to be put back.
pub fn as_it_stands(common_dir: &Path, target: &Target) -> Option<Vec<u8>> {
    std::fs::read(path(common_dir, target)).ok()
}

/// Puts a ledger back, unless somebody else has written it since it was `written`.
pub fn put_back(common_dir: &Path, target: &Target, before: Option<&[u8]>, written: Option<&[u8]>) {
    let path = path(common_dir, target);
    if as_it_stands(common_dir, target).as_deref() != written {
        return;
    }
    let _ = match before {
        Some(before) => disk::write(&path, before, disk::rights_like_gits(common_dir)),
        None => std::fs::remove_file(&path).map_err(anyhow::Error::from),
    };
}

pub(super) fn read(common_dir: &Path, target: &Target) -> Option<File<'static>> {
    let file: File<'_> = serde_json::from_slice(&std::fs::read(path(common_dir, target)).ok()?).ok()?;
    (file.format == 1 && file.target == key(target)).then_some(file)
}

/// Says whether there is a ledger of a target, be it readable or not.
pub fn is_there(common_dir: &Path, target: &Target) -> bool {
    path(common_dir, target).exists()
}

/// Where the names of a group's tenants are kept.
fn tenants_path(common_dir: &Path, tenants: &Tenants) -> PathBuf {
    file_of(common_dir, "tenants", &format!("{}/{}", tenants.environment, tenants.group))
}

/// Writes down which tenants a group has or had, so that a push needs no database to know. One that is not among them any
/// more may come back with what it ran, so it stays known, if anything is known of it.
///
/// # Errors
/// If the Git directory cannot be written.
pub fn keep_tenants<'n>(common_dir: &Path, tenants: &Tenants, names: impl Iterator<Item = &'n str>) -> Result<()> {
    let path = tenants_path(common_dir, tenants);
    let mut all = tenant_names(&path);
    all.retain(|name| is_there(common_dir, &tenants.target(DatabaseName::new(name.clone()))));
    all.extend(names.map(str::to_owned));
    write(common_dir, &path, &all)
}

fn tenant_names(path: &Path) -> BTreeSet<String> {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_default()).unwrap_or_default()
}

/// The tenants of a group that are known from its rollouts.
fn known_tenants(common_dir: &Path, tenants: &Tenants) -> Vec<Target> {
    let names = tenant_names(&tenants_path(common_dir, tenants));
    names.into_iter().map(|name| tenants.target(DatabaseName::new(name))).collect()
}

/// All targets, with the tenants that are known.
pub(super) fn everybody<'s>(common_dir: &'s Path, server: &'s Server) -> impl Iterator<Item = Cow<'s, Target>> {
    let tenants = server.tenants.iter().flat_map(|tenants| known_tenants(common_dir, tenants)).map(Cow::Owned);
    server.targets.iter().map(Cow::Borrowed).chain(tenants)
}
