//! The servers of the test run: one PostgreSQL and one MariaDB, private, on sockets of their own, gone with the run.

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
    /// Holds its input open: when the run ends it closes, and the server stops.
    _child: Child,
}

/// Runs a server until its own input closes, then stops it and removes its folder.
const WATCH: &str = r#"folder=$1; shift; "$@" </dev/null >"$folder/out" 2>&1 & pid=$!
read -r _; kill -INT $pid 2>/dev/null; kill -TERM $pid 2>/dev/null; wait $pid; rm -rf "$folder""#;

fn folder(name: &str) -> PathBuf {
    tempfile::Builder::new().prefix(&format!("schemagate-{name}-")).tempdir().unwrap().keep()
}

fn as_root() -> bool {
    String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap().trim() == "0"
}

/// The newest folder of Debian's PostgreSQL programs, or the PATH.
fn postgres_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.map(|folder| folder.unwrap().path().join("bin").join(name)).collect())
        .unwrap_or_default();
    folders.sort();
    folders.into_iter().rfind(|program| program.exists()).unwrap_or_else(|| PathBuf::from(name))
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

fn watched(folder: &Path, program: &[&str]) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "watch"]).arg(folder).args(program).stdin(Stdio::piped());
    command.spawn().unwrap()
}

/// Whether the servers write to the disk what they say is written; set before the first one is started.
pub(crate) static DURABLE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

fn durable() -> bool {
    DURABLE.load(std::sync::atomic::Ordering::Relaxed)
}

/// The PostgreSQL of this run.
pub(crate) fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start_postgres)
}

/// Another PostgreSQL, for a test that harms its server.
pub(crate) fn start_postgres() -> Server {
    {
        let folder = folder("pg");
        // The server refuses to run as root.
        let drop: &[&str] =
            if as_root() { &["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { &["env"] };
        if as_root() {
            succeed(Command::new("chown").arg("postgres").arg(&folder));
        }
        let data = folder.join("data");
        let mut initdb = Command::new(drop[0]);
        initdb.args(&drop[1..]).arg(postgres_program("initdb")).arg("-D").arg(&data);
        succeed(initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]));
        let (program, data, socket) =
            (postgres_program("postgres"), data.display().to_string(), folder.display().to_string());
        let mut words: Vec<&str> = drop.to_vec();
        let program = program.display().to_string();
        words.extend([&program as &str, "-D", &data, "-k", &socket, "-c", "listen_addresses="]);
        if !durable() {
            words.extend(["-c", "fsync=off", "-c", "log_statement=all", "-c", "logging_collector=on"]);
            words.extend(["-c", "log_destination=csvlog", "-c", "log_filename=all", "-c", "log_rotation_size=0"]);
        }
        words.extend(["-c", "max_connections=200"]);
        let child = watched(&folder, &words);
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
        assert!(psql("CREATE ROLE checker LOGIN"));
        Server { checker_url: format!("postgres://checker@localhost/postgres?host={socket}"), folder, _child: child }
    }
}

/// The MariaDB of this run.
pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = folder("maria");
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let (data, socket, user) =
            (format!("--datadir={}", folder.join("data").display()), folder.join("s"), user.trim().to_owned());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]).arg(&data);
        succeed(install.arg(format!("--user={user}")));
        let socket_option = format!("--socket={}", socket.display());
        let user_option = format!("--user={user}");
        let program = if Path::new("/usr/sbin/mariadbd").exists() { "/usr/sbin/mariadbd" } else { "mariadbd" };
        let words = [
            program,
            "--no-defaults",
            &data,
            &socket_option,
            &user_option,
            "--skip-networking",
            if durable() { "--innodb-flush-log-at-trx-commit=1" } else { "--innodb-flush-log-at-trx-commit=0" },
            "--innodb-buffer-pool-size=32M",
            "--log-output=TABLE",
        ];
        let child = watched(&folder, &words);
        let client = |sql: &str| {
            let mut command = Command::new("mariadb");
            command.args(["--no-defaults", &socket_option, "-u", "root", "-e", sql]).output().unwrap().status.success()
        };
        wait_for("MariaDB", || client("SELECT 1"));
        assert!(client(
            "CREATE USER checker@localhost; CREATE DATABASE empty; GRANT SELECT ON empty.* TO checker@localhost; \
             CREATE USER client@localhost; GRANT SELECT ON empty.* TO client@localhost"
        ));
        Server {
            checker_url: format!("mysql://checker@localhost/empty?socket={}", socket.display()),
            folder,
            _child: child,
        }
    })
}
