//! Reading the two states that a check compares, wherever they are: trees, the index, a folder.
//!
//! Knows how to read manifests, lists and contents of each. Refuses to judge.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::config::MANIFEST;
use crate::config::manifest::{Project, Settings, read};
use crate::disk;
use crate::finding::{Finding, Place, Report};
use crate::git::index::staged;
use crate::git::repository::Repository;
use crate::git::store::{ObjectKind, blob_id};
use crate::git::tree::Walker;
use crate::migration::{FileEntry, FileMode, Migration, ObjectId};
use crate::rules::config::{MANIFEST_INVALID, MANIFEST_MISSING};

/// A state of a repository's files.
pub enum Source<'r> {
    /// A tree of a repository.
    Tree(&'r Repository, ObjectId),
    /// The index of a repository.
    Index(&'r Repository),
    /// A folder on disk; with a repository, its files get the identities that Git would give them.
    Folder(PathBuf, Option<&'r Repository>),
}

/// Identity and bytes of a manifest, or why what is there cannot be one.
pub type Found = Result<(String, Vec<u8>), String>;

/// Content that was asked for.
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// It is larger than asked for: its size in bytes.
    TooLarge(u64),
}

impl Source<'_> {
    /// Returns the manifest's identity and bytes, or why what is there cannot be one; `None` if nothing is there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn manifest(&self) -> Result<Option<Found>> {
        let entry = match self {
            Self::Tree(repository, tree) => Walker::new(repository.objects.as_ref()).find(tree, MANIFEST)?,
            Self::Index(repository) => {
                let found = staged(repository, &[MANIFEST.to_owned()])?;
                found.into_iter().find(|entry| entry.path.as_bytes() == MANIFEST.as_bytes()).map(|e| (e.mode, e.blob))
            }
            Self::Folder(folder, _) => {
                let text = disk::config(&folder.join(MANIFEST))?;
                return Ok(text.map(|text| Ok((blob_id(text.as_bytes(), false).to_string(), text.into_bytes()))));
            }
        };
        let Some((mode, blob)) = entry else { return Ok(None) };
        if mode != FileMode::Regular {
            return Ok(Some(Err("the manifest must be a regular file, not a link".to_owned())));
        }
        match self.read(&FileEntry { path: MANIFEST.into(), mode, blob: blob.clone() }, disk::LARGEST_CONFIG)? {
            Content::Bytes(bytes) => Ok(Some(Ok((blob.to_string(), bytes)))),
            Content::TooLarge(size) => {
                let most = disk::LARGEST_CONFIG;
                Ok(Some(Err(format!("the manifest has {size} bytes; a configuration file has at most {most}"))))
            }
        }
    }

    /// Lists the files under the given folders, sorted by path.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn files(&self, folders: &[String]) -> Result<Vec<FileEntry>> {
        self.files_where(folders, &|_| true)
    }

    /// As [`Self::files`]; of a tree only the folders that `enter` lets in are read.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn files_where(&self, folders: &[String], enter: &dyn Fn(&str) -> bool) -> Result<Vec<FileEntry>> {
        match self {
            Self::Tree(repository, tree) => {
                let enter = |folder: &str| leads_to(folder, folders) && enter(folder);
                let mut listing = Walker::new(repository.objects.as_ref()).list(tree, &enter)?;
                listing.files.retain(|entry| folders.iter().any(|folder| entry.path.is_under(folder)));
                Ok(listing.files)
            }
            Self::Index(repository) => staged(repository, folders),
            Self::Folder(root, repository) => {
                let mut entries = Vec::new();
                for found in disk::files(root, folders)? {
                    let blob = match repository {
                        Some(repository) if found.mode == FileMode::Regular && found.size <= LARGEST_HASHED => {
                            blob_id(&std::fs::read(&found.disk)?, repository.sha256)
                        }
                        _ => blob_id(format!("{}\0{}", found.path.display(), found.size).as_bytes(), false),
                    };
                    entries.push(FileEntry { path: found.path, mode: found.mode, blob });
                }
                Ok(entries)
            }
        }
    }

    /// Reads a file, if it is not larger than `largest` bytes.
    ///
    /// # Errors
    /// If it is missing or cannot be read.
    pub fn read(&self, entry: &FileEntry, largest: u64) -> Result<Content> {
        use std::os::unix::ffi::OsStrExt as _;
        match self {
            Self::Tree(repository, _) | Self::Index(repository) => {
                let missing = || {
                    format!(
                        "object {} of `{}` is missing; push from a complete clone",
                        entry.blob,
                        entry.path.display()
                    )
                };
                let Some((kind, size)) = repository.objects.header(&entry.blob)? else { bail!(missing()) };
                if kind != ObjectKind::Blob {
                    bail!("`{}` is a {} and should be a file", entry.path.display(), kind.word());
                }
                if size > largest {
                    return Ok(Content::TooLarge(size));
                }
                match repository.objects.read(&entry.blob)? {
                    Some((_, bytes)) => Ok(Content::Bytes(bytes)),
                    None => bail!(missing()),
                }
            }
            Self::Folder(root, _) => {
                let path = root.join(std::ffi::OsStr::from_bytes(entry.path.as_bytes()));
                let size = std::fs::metadata(&path)?.len();
                if size > largest { Ok(Content::TooLarge(size)) } else { Ok(Content::Bytes(std::fs::read(&path)?)) }
            }
        }
    }
}

/// Files of a working tree beyond this size are not hashed, in bytes: they are too large for any limit.
const LARGEST_HASHED: u64 = 1 << 30;

/// Says whether a folder lies in one of the folders, or on the way to one.
pub fn leads_to(folder: &str, folders: &[String]) -> bool {
    folders.iter().any(|base| {
        base.is_empty()
            || base == folder
            || base.starts_with(&format!("{folder}/"))
            || folder.starts_with(&format!("{base}/"))
    })
}

/// A manifest of one state.
pub struct Manifest {
    /// Which one it is: equal for equal text.
    pub identity: String,
    /// Its settings.
    pub settings: Settings,
    /// Its text.
    pub text: String,
}

impl Manifest {
    /// Returns the project of a migration.
    pub fn project_of(&self, migration: &Migration) -> Option<&Project> {
        self.settings.projects.iter().find(|project| project.name == migration.project)
    }

    /// Returns the group of the project of a migration.
    pub fn group_of(&self, migration: &Migration) -> Option<&str> {
        self.project_of(migration)?.group.as_deref()
    }
}

/// Reads the manifest of the state that is judged.
///
/// # Errors
/// If it cannot be read. Mistakes in it, or its absence, come back as a report.
pub fn manifest(source: &Source<'_>) -> Result<Result<Manifest, Report>> {
    let mut report = Report::default();
    let Some(found) = source.manifest()? else {
        let message =
            format!("there is no `{MANIFEST}` at the top of the repository, so nothing would be judged or applied");
        report.push(Finding::new(&MANIFEST_MISSING, Place::file(MANIFEST), message).help("schemagate init"));
        return Ok(Err(report));
    };
    let text = found.and_then(|(identity, bytes)| {
        let text = String::from_utf8(bytes).map_err(|_| "the manifest is not UTF-8; convert it with iconv".to_owned());
        text.map(|text| (identity, text))
    });
    let (identity, text) = match text {
        Ok(read) => read,
        Err(why) => {
            let finding = Finding::new(&MANIFEST_INVALID, Place::file(MANIFEST), why);
            report.push(finding.help("`schemagate init` in an empty folder writes a complete one"));
            return Ok(Err(report));
        }
    };
    match read(&text) {
        Ok(settings) => Ok(Ok(Manifest { identity, settings, text })),
        Err(findings) => {
            report.keep_source(MANIFEST, text);
            report.extend(findings);
            report.sort();
            Ok(Err(report))
        }
    }
}

/// The base directories of some manifests, each once.
pub fn base_directories<'s>(settings: impl IntoIterator<Item = &'s Settings>) -> Vec<String> {
    let mut bases: Vec<String> =
        settings.into_iter().flat_map(|settings| &settings.projects).map(|project| project.base.clone()).collect();
    bases.sort();
    bases.dedup();
    bases
}
