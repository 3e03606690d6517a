//! The object store: reading objects by identity.
//!
//! Two back ends. `git2` reads loose objects and packs directly; `git cat-file` serves what `git2` refuses
//! (SHA-256). Neither follows replace references. Refuses to interpret objects.

use std::cell::{OnceCell, RefCell};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result, bail};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::git::process::git;
use crate::migration::ObjectId;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A file's content.
    Blob,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// Returns Git's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Commit, Self::Tree, Self::Blob, Self::Tag].into_iter().find(|kind| kind.word() == word)
    }
}

/// Reads objects. `None` means that the object is not there.
pub trait Objects {
    /// Returns kind and size in bytes, without reading the content.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    fn header(&self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>>;

    /// Returns kind and content.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    fn read(&self, id: &ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>>;
}

/// Returns the identity that Git would give a file's content.
pub fn blob_id(content: &[u8], sha256: bool) -> ObjectId {
    fn digest<D: Digest>(content: &[u8]) -> D {
        D::new().chain_update(format!("blob {}\0", content.len())).chain_update(content)
    }
    if sha256 {
        return ObjectId::from_raw(&digest::<Sha256>(content).finalize());
    }
    // Not by libgit2, which would be set up for nothing else where files are checked outside of a repository.
    ObjectId::from_raw(&digest::<Sha1>(content).finalize())
}

/// A store that is opened at its first question: not every hook asks one.
pub struct Lazy {
    folders: Vec<PathBuf>,
    opened: OnceCell<Box<dyn Objects>>,
}

impl Lazy {
    /// Takes the object directories; see [`fast`].
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, opened: OnceCell::new() }
    }

    fn store(&self) -> Result<&dyn Objects> {
        if let Some(store) = self.opened.get() {
            return Ok(store.as_ref());
        }
        let store = fast(&self.folders)?;
        Ok(self.opened.get_or_init(|| store).as_ref())
    }
}

impl Objects for Lazy {
    fn header(&self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        self.store()?.header(id)
    }

    fn read(&self, id: &ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>> {
        self.store()?.read(id)
    }
}

/// Opens the store that reads with `git2`. `folders` are object directories; alternates of each are followed.
///
/// # Errors
/// If libgit2 cannot use a folder.
pub fn fast(folders: &[PathBuf]) -> Result<Box<dyn Objects>> {
    git2::opts::strict_hash_verification(false);
    let odb = git2::Odb::new().context("libgit2 could not be started")?;
    for folder in folders {
        let path = folder.to_str().context("the object folder's path is not UTF-8")?;
        odb.add_disk_alternate(path).with_context(|| format!("the object folder {path} cannot be read"))?;
    }
    Ok(Box::new(Fast { odb }))
}

struct Fast {
    odb: git2::Odb<'static>,
}

impl Fast {
    fn kind(kind: git2::ObjectType) -> Result<ObjectKind> {
        match kind {
            git2::ObjectType::Commit => Ok(ObjectKind::Commit),
            git2::ObjectType::Tree => Ok(ObjectKind::Tree),
            git2::ObjectType::Blob => Ok(ObjectKind::Blob),
            git2::ObjectType::Tag => Ok(ObjectKind::Tag),
            other => bail!("an object of the unknown kind {other:?}"),
        }
    }
}

/// Turns "not found" into `None`.
fn present<T>(result: Result<T, git2::Error>, id: &ObjectId) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("object {id} cannot be read")),
    }
}

impl Objects for Fast {
    fn header(&self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        let oid = git2::Oid::from_str(id.as_str())?;
        let Some((size, kind)) = present(self.odb.read_header(oid), id)? else { return Ok(None) };
        Ok(Some((Self::kind(kind)?, size as u64)))
    }

    fn read(&self, id: &ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>> {
        let oid = git2::Oid::from_str(id.as_str())?;
        let Some(object) = present(self.odb.read(oid), id)? else { return Ok(None) };
        Ok(Some((Self::kind(object.kind())?, object.data().to_vec())))
    }
}

/// Opens the store that asks `git cat-file`.
pub fn plumbing(git_dir: &Path) -> Box<dyn Objects> {
    let conversation = |mode| RefCell::new(Conversation { git_dir: git_dir.to_owned(), mode, child: None });
    Box::new(Plumbing { headers: conversation("--batch-check"), contents: conversation("--batch") })
}

struct Plumbing {
    headers: RefCell<Conversation>,
    contents: RefCell<Conversation>,
}

/// A `git cat-file` that is kept running.
struct Conversation {
    git_dir: PathBuf,
    mode: &'static str,
    child: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Conversation {
    /// Asks for an object and reads the line that answers.
    fn ask(&mut self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        let (_, input, output) = match &mut self.child {
            Some(running) => running,
            none => {
                let mut child = git(Some(&self.git_dir))
                    .args(["cat-file", self.mode])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .context("git cat-file could not be started")?;
                let input = child.stdin.take().context("no pipe to git cat-file")?;
                let output = child.stdout.take().context("no pipe from git cat-file")?;
                none.insert((child, input, BufReader::new(output)))
            }
        };
        writeln!(input, "{id}").and_then(|()| input.flush()).context("git cat-file went away")?;
        let mut line = String::new();
        output.read_line(&mut line).context("git cat-file went away")?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "missing"] => Ok(None),
            [_, kind, size] => {
                let kind = ObjectKind::parse(kind).with_context(|| format!("git cat-file answered {line:?}"))?;
                Ok(Some((kind, size.parse().with_context(|| format!("git cat-file answered {line:?}"))?)))
            }
            _ => bail!("git cat-file answered {line:?}"),
        }
    }

    fn content(&mut self, size: u64) -> Result<Vec<u8>> {
        let (_, _, output) = self.child.as_mut().context("git cat-file is not running")?;
        let mut content = vec![0; usize::try_from(size)?];
        output.read_exact(&mut content)?;
        output.read_exact(&mut [0])?;
        Ok(content)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if let Some((mut child, input, output)) = self.child.take() {
            drop((input, output));
            let _ = child.wait();
        }
    }
}

impl Objects for Plumbing {
    fn header(&self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        self.headers.borrow_mut().ask(id)
    }

    fn read(&self, id: &ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>> {
        let mut contents = self.contents.borrow_mut();
        let Some((kind, size)) = contents.ask(id)? else { return Ok(None) };
        Ok(Some((kind, contents.content(size)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `git hash-object` names them, in repositories of both formats.
    #[test]
    fn blobs_have_the_names_that_git_gives_them() {
        for (content, sha256, name) in [
            ("", false, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            ("hello\n", false, "ce013625030ba8dba906f756967f9e9ca394464a"),
            ("", true, "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"),
        ] {
            assert_eq!(blob_id(content.as_bytes(), sha256).as_str(), name);
        }
    }
}
