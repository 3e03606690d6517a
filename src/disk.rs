//! Files: reading a folder's migrations, reading configuration, writing aside and renaming.
//!
//! Knows sizes, links and rights. Refuses to know what files mean.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::migration::{FileMode, RepoPath};
use crate::text::for_shell;

/// Configuration files beyond this size are refused, in bytes.
pub const LARGEST_CONFIG: u64 = 1 << 20;

/// A file found below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path from that folder.
    pub path: RepoPath,
    /// What it is.
    pub mode: FileMode,
    /// Its path on disk.
    pub disk: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// Lists the files below `root` in the given folders (an empty name is everything), sorted by path. Links are not
/// followed; `.git` is left out.
///
/// # Errors
/// If a folder cannot be read.
pub fn files(root: &Path, folders: &[String]) -> Result<Vec<Found>> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut found = Vec::new();
    for folder in folders {
        let start = root.join(folder);
        if !start.exists() {
            continue;
        }
        let walk = walkdir::WalkDir::new(&start).follow_links(false).into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name() != ".git") {
            let entry = entry.with_context(|| format!("{} cannot be read", start.display()))?;
            if entry.file_type().is_dir() {
                continue;
            }
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let mode = match entry.file_type() {
                kind if kind.is_file() => FileMode::Regular,
                kind if kind.is_symlink() => FileMode::Symlink,
                _ => FileMode::Unknown(0),
            };
            let size = entry.metadata().map(|metadata| metadata.len()).unwrap_or(0);
            let path = RepoPath::new(path.as_os_str().as_bytes());
            found.push(Found { path, mode, disk: entry.path().to_owned(), size });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

/// Reads a configuration file; `None` if it is not there.
///
/// # Errors
/// If it is too large, not UTF-8 or cannot be read.
pub fn config(path: &Path) -> Result<Option<String>> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    if metadata.len() > LARGEST_CONFIG {
        bail!("{} has {} bytes; a configuration file has at most {LARGEST_CONFIG}", path.display(), metadata.len());
    }
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(Some(text))
}

/// Says who but the owner could misuse a file: change it, or (where it holds a secret) read it.
///
/// # Errors
/// If its rights cannot be read.
pub fn rights_complaint(path: &Path, holds_secret: bool) -> Result<Option<String>> {
    let metadata = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mode = metadata.permissions().mode();
    let own = nix::unistd::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Ok(Some(format!(
            "{} belongs to user {}, not to root or the user of the hooks",
            path.display(),
            metadata.uid()
        )));
    }
    if mode & 0o022 != 0 {
        return Ok(Some(format!(
            "{} can be changed by others than its owner (mode {:o}); run: chmod go-w {}",
            path.display(),
            mode & 0o777,
            for_shell(&path.display().to_string())
        )));
    }
    if holds_secret && mode & 0o077 != 0 {
        return Ok(Some(format!(
            "{} holds a password and others may read it (mode {:o}); run: chmod 600 {}",
            path.display(),
            mode & 0o777,
            for_shell(&path.display().to_string())
        )));
    }
    Ok(None)
}

/// Makes a folder of ours in a Git directory, for those who may write Git's own (`core.sharedRepository`, which Git brings
/// to the rights of its folders itself).
///
/// # Errors
/// If it cannot be made.
pub fn folder_like_gits(common_dir: &Path, folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| *above != common_dir) {
        folder_like_gits(common_dir, above)?;
    }
    let failed = || format!("{} cannot be made", folder.display());
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error).with_context(failed),
        _ => {}
    }
    match shared_by_group(common_dir) {
        Some(mode) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).with_context(failed),
        None => Ok(()),
    }
}

/// The rights of Git's own folders where a group shares them.
fn shared_by_group(common_dir: &Path) -> Option<u32> {
    let mode = std::fs::metadata(common_dir.join("objects")).ok()?.permissions().mode() & 0o7777;
    (mode & 0o020 != 0).then_some(mode)
}

/// The rights of a file of ours in a Git directory: what a group shares all of it may write.
pub fn rights_like_gits(common_dir: &Path) -> u32 {
    if shared_by_group(common_dir).is_some() { 0o664 } else { 0o644 }
}

/// Writes a file aside and renames it into place, so that nobody ever sees half of it.
///
/// # Errors
/// If the folder cannot be written.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = || format!("{} cannot be written", path.display());
    let mut file = tempfile::Builder::new().prefix(".schemagate-").tempfile_in(folder).with_context(failed)?;
    file.write_all(content).with_context(failed)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
