//! Trees: listing files, and comparing two trees entry by entry.
//!
//! Parses raw tree objects itself, so that malformed ones are seen and every back end agrees. Refuses to read blobs.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use crate::git::store::{ObjectKind, Objects};
use crate::migration::{Change, FileEntry, FileMode, ObjectId, RepoPath};

const FOLDER: u32 = 0o040_000;
const DEEPEST: usize = 128;

/// A tree's entries by name.
type Entries = BTreeMap<Vec<u8>, Entry>;

/// Mode and identity of an entry.
type Entry = (u32, ObjectId);

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peeled {
    /// A commit, with its tree and parents.
    Commit {
        /// The commit itself, tags peeled.
        commit: ObjectId,
        /// Its tree.
        tree: ObjectId,
        /// Its parents.
        parents: Vec<ObjectId>,
    },
    /// Something else.
    Other(ObjectKind),
    /// The object is not there.
    Missing,
}

/// Follows tags to a commit.
///
/// # Errors
/// If the store cannot be read or the object is damaged.
pub fn peel(objects: &dyn Objects, id: &ObjectId) -> Result<Peeled> {
    let mut id = id.clone();
    for _ in 0..8 {
        match objects.read(&id)? {
            None => return Ok(Peeled::Missing),
            Some((ObjectKind::Commit, content)) => {
                let tree = header_line(&content, "tree ").context("a commit without a tree")?;
                let parents = content
                    .split(|byte| *byte == b'\n')
                    .skip(1)
                    .map_while(|line| line.strip_prefix(b"parent "))
                    .filter_map(|hex| ObjectId::parse(std::str::from_utf8(hex).ok()?))
                    .collect();
                return Ok(Peeled::Commit { commit: id, tree, parents });
            }
            Some((ObjectKind::Tag, content)) => {
                id = header_line(&content, "object ").context("a tag without an object")?;
            }
            Some((kind, _)) => return Ok(Peeled::Other(kind)),
        }
    }
    Ok(Peeled::Other(ObjectKind::Tag))
}

fn header_line(content: &[u8], key: &str) -> Option<ObjectId> {
    let line = content.split(|byte| *byte == b'\n').next()?;
    ObjectId::parse(std::str::from_utf8(line.strip_prefix(key.as_bytes())?).ok()?)
}

/// What a walk came by.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files in the folders that were entered, sorted by path.
    pub files: Vec<FileEntry>,
    /// All folders that were seen, entered or not.
    pub folders: Vec<RepoPath>,
}

/// Walks trees.
pub struct Walker<'o> {
    objects: &'o dyn Objects,
    /// Folders that hold what Git would not write, as shown, with what it is.
    pub malformed: Vec<(String, String)>,
}

impl<'o> Walker<'o> {
    /// Starts with nothing seen.
    pub fn new(objects: &'o dyn Objects) -> Self {
        Self { objects, malformed: Vec::new() }
    }

    /// Lists the files of all folders that `enter` lets in. Folders whose names are not UTF-8 are not entered.
    ///
    /// # Errors
    /// If a tree is missing or damaged.
    pub fn list(&mut self, root: &ObjectId, enter: &dyn Fn(&str) -> bool) -> Result<Listing> {
        let mut listing = Listing::default();
        self.list_folder(root, &RepoPath::new(""), enter, 0, &mut listing)?;
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    fn list_folder(
        &mut self,
        tree: &ObjectId,
        folder: &RepoPath,
        enter: &dyn Fn(&str) -> bool,
        depth: usize,
        listing: &mut Listing,
    ) -> Result<()> {
        for (name, (mode, id)) in self.entries(tree, folder, depth)? {
            let path = folder.join(&name);
            if mode != FOLDER {
                listing.files.push(FileEntry { path, mode: FileMode::from_bits(mode), blob: id });
                continue;
            }
            if path.as_str().is_some_and(enter) {
                self.list_folder(&id, &path, enter, depth + 1, listing)?;
            }
            listing.folders.push(path);
        }
        Ok(())
    }

    /// Compares two trees (`None` is empty) in the folders that `enter` lets in, and everything below these.
    /// The changes come sorted by path.
    ///
    /// # Errors
    /// If a tree is missing or damaged.
    pub fn compare(
        &mut self,
        old: Option<&ObjectId>,
        new: Option<&ObjectId>,
        enter: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        self.compare_folder(old, new, &RepoPath::new(""), enter, 0, &mut changes)?;
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    fn compare_folder(
        &mut self,
        old: Option<&ObjectId>,
        new: Option<&ObjectId>,
        folder: &RepoPath,
        enter: &dyn Fn(&RepoPath) -> bool,
        depth: usize,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let noted = self.malformed.len();
        let mut before = old.map(|tree| self.entries(tree, folder, depth)).transpose()?.unwrap_or_default();
        self.malformed.truncate(noted);
        let after = new.map(|tree| self.entries(tree, folder, depth)).transpose()?.unwrap_or_default();
        let mut pairs: Vec<(Vec<u8>, Option<Entry>, Option<Entry>)> = Vec::new();
        for (name, entry) in after {
            let earlier = before.remove(&name);
            if earlier.as_ref() != Some(&entry) {
                pairs.push((name, earlier, Some(entry)));
            }
        }
        pairs.extend(before.into_iter().map(|(name, entry)| (name, Some(entry), None)));
        for (name, earlier, later) in pairs {
            let path = folder.join(&name);
            let (old_tree, old_file) = told_apart(earlier);
            let (new_tree, new_file) = told_apart(later);
            if (old_tree.is_some() || new_tree.is_some()) && enter(&path) {
                self.compare_folder(old_tree.as_ref(), new_tree.as_ref(), &path, enter, depth + 1, changes)?;
            }
            if old_file != new_file {
                changes.push(Change { path, before: old_file, after: new_file });
            }
        }
        Ok(())
    }

    /// Finds one file by its path from the root.
    ///
    /// # Errors
    /// If a tree is missing or damaged.
    pub fn find(&mut self, root: &ObjectId, path: &str) -> Result<Option<(FileMode, ObjectId)>> {
        let mut tree = root.clone();
        let mut folder = RepoPath::new("");
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for segment in folders.split('/').filter(|segment| !segment.is_empty()) {
            match self.entries(&tree, &folder, 0)?.remove(segment.as_bytes()) {
                Some((FOLDER, id)) => tree = id,
                _ => return Ok(None),
            }
            folder = folder.join(segment.as_bytes());
        }
        let found = self.entries(&tree, &folder, 0)?.remove(name.as_bytes());
        Ok(found.filter(|(mode, _)| *mode != FOLDER).map(|(mode, id)| (FileMode::from_bits(mode), id)))
    }

    fn entries(&mut self, tree: &ObjectId, folder: &RepoPath, depth: usize) -> Result<Entries> {
        if depth > DEEPEST {
            self.malformed.push((folder.display(), format!("folders more than {DEEPEST} levels deep")));
            return Ok(Entries::new());
        }
        let content = match self.objects.read(tree)? {
            Some((ObjectKind::Tree, content)) => content,
            Some((kind, _)) => bail!("{tree} should be a tree and is a {}", kind.word()),
            None => bail!("the tree {tree} of folder `{}` is missing; push from a complete clone", folder.display()),
        };
        let (entries, complaint) = parse(&content, tree.as_str().len() / 2)?;
        if let Some(complaint) = complaint {
            self.malformed.push((folder.display(), complaint));
        }
        Ok(entries)
    }
}

/// Parts an entry into a tree and a file.
fn told_apart(entry: Option<Entry>) -> (Option<ObjectId>, Option<(FileMode, ObjectId)>) {
    match entry {
        Some((FOLDER, id)) => (Some(id), None),
        Some((mode, id)) => (None, Some((FileMode::from_bits(mode), id))),
        None => (None, None),
    }
}

/// Parses a raw tree: `MODE SP NAME NUL ID` for each entry, sorted as if folders ended with a slash
/// (Git's documentation of the tree object). Says what is malformed.
fn parse(content: &[u8], id_length: usize) -> Result<(Entries, Option<String>)> {
    let mut entries = Entries::new();
    let mut complaint = None;
    let mut last: Vec<u8> = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').context("a damaged tree")?;
        let nul = rest.iter().position(|byte| *byte == 0).filter(|nul| *nul > space).context("a damaged tree")?;
        let mode = std::str::from_utf8(&rest[..space]).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let mode = mode.context("a damaged tree")?;
        let name = &rest[space + 1..nul];
        let id = rest.get(nul + 1..nul + 1 + id_length).context("a damaged tree")?;
        let mut key = name.to_vec();
        if mode == FOLDER {
            key.push(b'/');
        }
        if !matches!(mode, FOLDER | 0o100_644 | 0o100_755 | 0o100_664 | 0o120_000 | 0o160_000) {
            complaint.get_or_insert_with(|| format!("an entry of the unknown mode {mode:o}"));
        }
        if let Some(wrong) = name_complaint(name) {
            complaint.get_or_insert(wrong);
        } else if !last.is_empty() && key <= last {
            complaint.get_or_insert_with(|| "entries that are not sorted".to_owned());
        }
        last = key;
        if entries.insert(name.to_vec(), (mode, ObjectId::from_raw(id))).is_some() {
            complaint.get_or_insert_with(|| "the same name twice".to_owned());
        }
        rest = &rest[nul + 1 + id_length..];
    }
    Ok((entries, complaint))
}

fn name_complaint(name: &[u8]) -> Option<String> {
    let forbidden = name.is_empty() || name == b"." || name == b".." || name.eq_ignore_ascii_case(b".git");
    (forbidden || name.contains(&b'/'))
        .then(|| format!("an entry with the name `{}`", crate::text::display_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 20]].concat()
    }

    #[test]
    fn well_formed_trees_are_silent_and_others_are_named() {
        let good = [entry("100644", "a.sql"), entry("40000", "b"), entry("100644", "b0")].concat();
        let (entries, complaint) = parse(&good, 20).unwrap();
        assert_eq!((entries.len(), complaint), (3, None));
        let complaint = |raw: Vec<u8>| parse(&raw, 20).unwrap().1.unwrap();
        assert!(complaint([entry("100644", "b"), entry("100644", "a")].concat()).contains("not sorted"));
        assert!(complaint([entry("100644", "a"), entry("100644", "a")].concat()).contains("sorted"));
        assert!(complaint(entry("100644", "a/b")).contains("a/b"));
        assert!(complaint(entry("40000", ".GIT")).contains(".GIT"));
        assert!(complaint(entry("100644", "..")).contains(".."));
        assert!(complaint(entry("40755", "a")).contains("40755"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let _ = parse(&bytes, 20);
        }
    }
}
