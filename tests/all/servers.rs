//! The servers of the test run: one PostgreSQL and one MariaDB, private, on sockets of their own, gone with the run. A
//! MySQL runs beside them where `SCHEMAGATE_TEST_MYSQLD` names its server program (Debian has no package of it).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A server that runs.
pub(crate) struct Server {
    /// Where its data and socket are.
    pub(crate) folder: PathBuf,
    /// How to reach it as a role without rights.
    pub(crate) checker_url: String,
    /// Where it runs.
    pub(crate) place: Place,
    /// Holds its input open: when the run ends it closes, and the server stops.
    _child: Child,
}

/// In what surroundings a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// The usual ones.
    Usual,
    /// It is started again when it ends, and writes to the disk what it says is written.
    Restarts,
    /// Its data lie on a file system in memory of so many MiB, and it is started again when it ends.
    Small(usize),
}

/// Runs a server until its own input closes, then stops it and removes its folder.
const WATCH: &str = r#"folder=$1; again=$2; eval "$3"; shift 3
(while :; do "$@" </dev/null >>"$folder/out" 2>&1 & echo $! >"$folder/process"; wait $!
[ -n "$again" ] || exit; sleep 0.2; done) & loop=$!
read -r _; kill -KILL $loop; pid=$(cat "$folder/process")
kill -INT $pid 2>/dev/null; kill -TERM $pid 2>/dev/null
while kill -0 $pid 2>/dev/null; do sleep 0.05; done; umount "$folder/room" 2>/dev/null; rm -rf "$folder""#;

/// Where a server runs, also after it was started again.
#[derive(Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// The number of its first process.
    pub(crate) fn process(&self) -> u32 {
        std::fs::read_to_string(self.0.join("process")).unwrap().trim().parse().unwrap()
    }

    /// The small file system on which its data lie, as this process sees it.
    pub(crate) fn room(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}/room", self.process(), self.0.display()))
    }
}

fn folder(name: &str) -> PathBuf {
    tempfile::Builder::new().prefix(&format!("schemagate-{name}-")).tempdir().unwrap().keep()
}

fn as_root() -> bool {
    String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap().trim() == "0"
}

/// A program in one of the folders that `SCHEMAGATE_TEST_SERVERS` lists, for runs on other releases of the servers.
fn given(name: &str) -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "the benchmarks read it too")]
    let folders = std::env::var_os("SCHEMAGATE_TEST_SERVERS")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|program| program.exists())
}

/// A program of PostgreSQL: given, of the newest folder of Debian's, or on the PATH.
fn postgres_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.map(|folder| folder.unwrap().path().join("bin").join(name)).collect())
        .unwrap_or_default();
    folders.sort();
    given(name).or_else(|| folders.into_iter().rfind(|program| program.exists())).unwrap_or_else(|| PathBuf::from(name))
}

/// A program of MariaDB: given, where Debian puts it, or on the PATH.
fn mariadb_program(name: &str) -> PathBuf {
    let usual = Path::new("/usr/sbin").join(name);
    given(name).unwrap_or_else(|| if usual.exists() { usual } else { PathBuf::from(name) })
}

fn succeed(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; ./test.sh installs what is missing"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn watched(folder: &Path, room: Room, program: &[&str]) -> Child {
    let mut command = Command::new(if matches!(room, Room::Small(_)) { "unshare" } else { "sh" });
    if let Room::Small(_) = room {
        command.args(["-m", "sh"]);
    }
    let first = match room {
        Room::Small(size) => format!(
            "mount -t tmpfs -o size={size}m,mode=0777 none \"$folder/room\" && cp -a \"$folder/data\" \"$folder/room/\""
        ),
        _ => String::new(),
    };
    let again = if room == Room::Usual { "" } else { "yes" };
    command.args(["-c", WATCH, "watch"]).arg(folder).args([again, &first]).args(program).stdin(Stdio::piped());
    command.spawn().unwrap()
}

/// Where the data of a server lie; on a small file system, a copy of what was made on the disk.
fn data(folder: &Path, room: Room) -> String {
    std::fs::create_dir(folder.join("room")).unwrap();
    let place = if matches!(room, Room::Small(_)) { folder.join("room/data") } else { folder.join("data") };
    place.display().to_string()
}

/// Whether this user may mount a small file system for a server.
pub(crate) fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-m", "mount", "-t", "tmpfs", "none", "/tmp"]);
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether the servers write to the disk what they say is written; set before the first one is started.
pub(crate) static DURABLE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn durable() -> bool {
    DURABLE.load(std::sync::atomic::Ordering::Relaxed)
}

/// The PostgreSQL of this run.
pub(crate) fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start_postgres(Room::Usual))
}

/// Another PostgreSQL, for a test that harms its server.
pub(crate) fn start_postgres(room: Room) -> Server {
    start_postgres_with(room, &[], |_| {})
}

/// A read-only copy of a PostgreSQL that follows it.
pub(crate) fn standby_of(primary: &Server) -> Server {
    let socket = primary.folder.display().to_string();
    start_postgres_with(Room::Usual, &[], |data| {
        std::fs::remove_dir_all(data).unwrap();
        let mut copy = Command::new(drop_rights()[0]);
        copy.args(&drop_rights()[1..]).arg(postgres_program("pg_basebackup"));
        succeed(copy.args(["-h", &socket, "-U", "postgres", "-R", "-c", "fast", "--no-sync", "-D"]).arg(data));
    })
}

/// What stands before a command of PostgreSQL: the server refuses to run as root.
fn drop_rights() -> &'static [&'static str] {
    if as_root() { &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &["env"] }
}

/// Another PostgreSQL with settings of its own; `make` may put other data in place of the new ones.
pub(crate) fn start_postgres_with(room: Room, settings: &[&str], make: impl Fn(&Path)) -> Server {
    {
        let folder = folder("pg");
        let drop = drop_rights();
        if as_root() {
            succeed(Command::new("chown").arg("postgres").arg(&folder));
        }
        let data = folder.join("data");
        let mut initdb = Command::new(drop[0]);
        initdb.args(&drop[1..]).arg(postgres_program("initdb")).arg("-D").arg(&data);
        succeed(initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]));
        make(&data);
        let (program, data, socket) =
            (postgres_program("postgres"), self::data(&folder, room), folder.display().to_string());
        let mut words: Vec<&str> = drop.to_vec();
        let program = program.display().to_string();
        words.extend([&program as &str, "-D", &data, "-k", &socket, "-c", "listen_addresses="]);
        if room == Room::Usual && !durable() {
            words.extend(["-c", "fsync=off", "-c", "log_statement=all", "-c", "logging_collector=on"]);
            words.extend(["-c", "log_destination=csvlog", "-c", "log_filename=all", "-c", "log_rotation_size=0"]);
        }
        words.extend(["-c", "max_connections=200"]);
        words.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        let child = watched(&folder, room, &words);
        let psql = |sql: &str| {
            let mut command = Command::new("psql");
            command
                .args(["-X", "-q", "-h", &socket, "-U", "postgres", "-c", sql, "postgres"])
                .output()
                .unwrap()
                .status
                .success()
        };
        wait_for("PostgreSQL", || psql("SELECT 1"));
        // A copy has it already.
        let _ = psql("CREATE ROLE checker LOGIN");
        Server {
            checker_url: format!("postgres://checker@localhost/postgres?host={socket}"),
            place: Place(folder.clone()),
            folder,
            _child: child,
        }
    }
}

/// The MariaDB of this run.
pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start_mariadb(Room::Usual))
}

/// Another MariaDB, for a test that harms its server.
pub(crate) fn start_mariadb(room: Room) -> Server {
    start_mariadb_with(room, &[])
}

/// Another MariaDB with settings of its own.
pub(crate) fn start_mariadb_with(room: Room, settings: &[&str]) -> Server {
    let program = mariadb_program("mariadbd").display().to_string();
    let settings = [&["--innodb-log-file-size=16M"], settings].concat();
    start_with_client(room, &program, &settings, |options| {
        let mut install = Command::new(mariadb_program("mariadb-install-db"));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        succeed(install.args(options));
    })
}

/// The server program of a MySQL, where this run was given one.
fn mysqld() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "the benchmarks read it too")]
    let program = std::env::var_os("SCHEMAGATE_TEST_MYSQLD").filter(|program| !program.is_empty())?;
    Some(program.into_string().expect("the name of a program"))
}

/// The MySQL of this run, where it was given one.
pub(crate) fn mysql() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| mysqld().map(|_| start_mysql(Room::Usual))).as_ref()
}

/// Another MySQL, for a test that harms its server.
pub(crate) fn start_mysql(room: Room) -> Server {
    let program = mysqld().expect("SCHEMAGATE_TEST_MYSQLD names the server");
    let settings =
        ["--mysqlx=OFF", "--skip-log-bin", "--secure-file-priv=", "--tls-version=", "--innodb-redo-log-capacity=8M"];
    start_with_client(room, &program, &settings, |options| {
        succeed(Command::new(&program).args(["--no-defaults", "--initialize-insecure"]).args(options));
    })
}

/// Starts a server of this family whose data folder `make` makes; what it takes are the options for folders and user.
fn start_with_client(room: Room, program: &str, settings: &[&str], make: impl Fn(&[&str])) -> Server {
    let folder = folder("my");
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let user = format!("--user={}", user.trim());
    // A server that starts removes all temporary tables of its folder for them, also those of others.
    let temporary = folder.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let temporary = format!("--tmpdir={}", temporary.display());
    make(&[&format!("--datadir={}", folder.join("data").display()), &user, &temporary]);
    let data = format!("--datadir={}", self::data(&folder, room));
    let socket = folder.join("s");
    let socket_option = format!("--socket={}", socket.display());
    let written = usize::from(durable() || room != Room::Usual);
    let written = format!("--innodb-flush-log-at-trx-commit={written}");
    let mut words =
        vec![program, "--no-defaults", &data, &socket_option, &user, &temporary, "--skip-networking", &written];
    words.extend(["--innodb-buffer-pool-size=32M", "--log-output=TABLE"]);
    words.extend(settings);
    let child = watched(&folder, room, &words);
    let client = |sql: &str| {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", &socket_option, "-u", "root", "-e", sql]).output().unwrap().status.success()
    };
    wait_for(program, || client("SELECT 1"));
    assert!(client(
        "CREATE USER checker@localhost; CREATE DATABASE `empty`; GRANT SELECT ON `empty`.* TO checker@localhost; \
         CREATE USER client@localhost; GRANT SELECT ON `empty`.* TO client@localhost"
    ));
    Server {
        checker_url: format!("mysql://checker@localhost/empty?socket={}", socket.display()),
        place: Place(folder.clone()),
        folder,
        _child: child,
    }
}
