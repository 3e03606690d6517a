//! A world for one test: a folder with a bare repository, a clone, and an environment that is cleared and pinned.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_schemagate");

/// Server file with one environment and one database `shop`.
pub(crate) const ONE_TARGET: &str = r#"
branches = ["main", "release/*"]
[[environment]]
name = "dev"
[[target]]
environment = "dev"
database = "shop"
url = "sqlite:dev-shop.sqlite"
"#;

/// Manifest that goes with it: `db/shop/VERSION##TYPE##DESCRIPTION.sql`.
pub(crate) const MANIFEST: &str = r#"
[[project]]
name = "shop"
base-directory = "db"
file-path-template = "{{DB_NAME}}/{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql"
[project.databases.shop]
dialect = "sqlite"
"#;

pub(crate) struct World {
    folder: TempDir,
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    /// Standard output and standard error, one after the other.
    pub(crate) text: String,
    pub(crate) stdout: String,
}

impl Done {
    pub(crate) fn of(output: &Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Self { code: output.status.code().unwrap_or(-1), text, stdout }
    }

    /// Asserts success and returns the text.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "should have succeeded:\n{}", self.text);
        self.text
    }

    /// Asserts failure and that all of these words are said.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) -> String {
        assert_ne!(self.code, 0, "should have been refused:\n{}", self.text);
        self.says(words).text
    }

    /// Asserts that all of these words are said, wherever lines break.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let flat = flat(&self.text);
        for word in words {
            assert!(flat.contains(word), "`{word}` is missing in:\n{}", self.text);
        }
        self
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.text))
    }
}

/// Text without `remote:` and line breaks, each run of spaces as one.
pub(crate) fn flat(text: &str) -> String {
    text.replace("remote: ", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

impl World {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::Builder::new().prefix("schemagate-test-").tempdir().unwrap() }
    }

    /// A server with hooks and a clone with hooks, the manifest not yet committed.
    pub(crate) fn new(manifest: &str, server_file: &str) -> Self {
        let world = Self::without_client_hooks(manifest, server_file);
        world.run(&world.clone_(), &["install"]).ok();
        world
    }

    /// The same without hooks in the clone.
    pub(crate) fn without_client_hooks(manifest: &str, server_file: &str) -> Self {
        let world = Self::empty();
        world.git(world.path(), &["init", "-q", "--bare", "-b", "main", "server.git"]).ok();
        world.write_server_file(server_file);
        world.run(world.path(), &["install", "server.git"]).ok();
        world.git(world.path(), &["clone", "-q", "server.git", "clone"]).ok();
        world.file("schemagate.toml", manifest);
        world
    }

    /// The usual world: one target, the manifest pushed.
    pub(crate) fn usual() -> Self {
        let world = Self::new(MANIFEST, ONE_TARGET);
        world.commit("manifest");
        world.push().ok();
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.path().join("server.git")
    }

    pub(crate) fn clone_(&self) -> PathBuf {
        self.path().join("clone")
    }

    pub(crate) fn write_server_file(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.server().join("schemagate-server.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes a file of the clone; returns its path.
    pub(crate) fn file(&self, path: &str, text: &str) -> String {
        let full = self.clone_().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
        path.to_owned()
    }

    /// Writes a file that is in no repository, and opens it.
    pub(crate) fn file_beside(&self, name: &str, text: &str) -> std::fs::File {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::File::open(path).unwrap()
    }

    /// Writes a migration of `shop`.
    pub(crate) fn migration(&self, version: &str, text: &str) -> String {
        self.file(&format!("db/shop/{version}##ddl##change.sql"), text)
    }

    /// Prepares a command in a cleared and pinned environment.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        let path = Path::new(PROGRAM).parent().unwrap().display().to_string();
        command
            .env_clear()
            .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
            .env("HOME", self.path())
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .current_dir(folder)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn git(&self, folder: &Path, arguments: &[&str]) -> Done {
        Done::of(&self.command("git", folder).args(arguments).output().unwrap())
    }

    /// Runs git in the clone.
    pub(crate) fn in_clone(&self, arguments: &[&str]) -> Done {
        self.git(&self.clone_(), arguments)
    }

    /// Runs the program.
    pub(crate) fn run(&self, folder: &Path, arguments: &[&str]) -> Done {
        Done::of(&self.command(PROGRAM, folder).args(arguments).output().unwrap())
    }

    /// Runs the program in the clone.
    pub(crate) fn sg(&self, arguments: &[&str]) -> Done {
        self.run(&self.clone_(), arguments)
    }

    /// Runs the program on the server's repository.
    pub(crate) fn on_server(&self, arguments: &[&str]) -> Done {
        self.run(&self.server(), arguments)
    }

    /// Begins to apply on the server; what is said can be read when it has ended.
    pub(crate) fn begin_apply(&self) -> Child {
        let mut command = self.command(PROGRAM, &self.server());
        command.arg("apply").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// From now on pushes are judged, and nothing of them is applied.
    pub(crate) fn apply_nothing(&self) {
        std::fs::remove_file(self.server().join("hooks/post-receive")).unwrap();
    }

    /// Does something while the server has no hooks.
    pub(crate) fn without_hooks(&self, work: impl FnOnce() -> String) {
        let (hooks, kept) = (self.server().join("hooks"), self.path().join("kept-hooks"));
        std::fs::rename(&hooks, &kept).unwrap();
        work();
        std::fs::rename(&kept, &hooks).unwrap();
    }

    /// Runs a program with text on its standard input.
    pub(crate) fn feed(&self, mut command: Command, input: &[u8]) -> Done {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let _ = pipe.write_all(input);
        drop(pipe);
        Done::of(&child.wait_with_output().unwrap())
    }

    /// Adds everything and commits past the client's hooks.
    #[track_caller]
    pub(crate) fn commit(&self, message: &str) {
        self.in_clone(&["add", "-A"]).ok();
        self.in_clone(&["commit", "-q", "--no-verify", "-m", message]).ok();
    }

    /// Pushes main past the client's hooks.
    pub(crate) fn push(&self) -> Done {
        self.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:main"])
    }

    /// Commits everything and pushes it.
    pub(crate) fn send(&self, message: &str) -> Done {
        self.commit(message);
        self.push()
    }

    /// Asks a database of the server.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let path = self.server().join(database);
        let output = Command::new("sqlite3").arg(&path).arg(sql).output().expect("sqlite3 is installed by test.sh");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Adds a commit to the index by plumbing: an entry of any mode under any name.
    pub(crate) fn plant(&self, mode: &str, content: &[u8], path: &[u8]) {
        let mut hash = self.command("git", &self.clone_());
        hash.args(["hash-object", "-w", "--stdin"]);
        let id = self.feed(hash, content).ok();
        self.plant_id(mode, id.trim(), path);
    }

    /// The same for an object that is named.
    pub(crate) fn plant_id(&self, mode: &str, id: &str, path: &[u8]) {
        let mut update = self.command("git", &self.clone_());
        update.args(["update-index", "-z", "--index-info"]);
        let line = [format!("{mode} {id}\t").as_bytes(), path, b"\0"].concat();
        self.feed(update, &line).ok();
    }

    /// Commits the index as it is and pushes it.
    pub(crate) fn send_index(&self) -> Done {
        self.in_clone(&["commit", "-q", "--no-verify", "-m", "planted"]).ok();
        self.push()
    }
}

/// Asserts that a text could not move a terminal's cursor.
#[track_caller]
pub(crate) fn assert_tame(text: impl Display) {
    let text = text.to_string();
    let wild = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    assert!(wild.is_none(), "{wild:?} in:\n{}", text.escape_debug());
}

/// Puts a table into a page of the documentation behind a mark, if `SCHEMAGATE_WRITE_DOCS` is set.
pub(crate) fn write_docs(page: &str, mark: &str, table: &str) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    if std::env::var_os("SCHEMAGATE_WRITE_DOCS").is_none() {
        return;
    }
    let _one = ONE.lock().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let mark = format!("<!-- {mark} -->\n");
    let (before, rest) = text.split_once(&mark).expect("a mark for the table");
    let (_, after) = rest.split_once("<!-- end -->").expect("a mark behind the table");
    std::fs::write(path, format!("{before}{mark}{table}<!-- end -->{after}")).unwrap();
}
