//! A database of each engine for one test, and how to ask it with the engine's own client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::servers::{Server, mariadb, mysql, postgres};
use crate::support::World;

/// The engines that every scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Mariadb,
    Mysql,
    Sqlite,
}

/// A database of its own.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    name: String,
    pub(crate) url: String,
    /// The folder of its server.
    home: PathBuf,
}

impl Engine {
    /// Every engine whose server this run has.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Self::servers();
        all.push(Self::Sqlite);
        all
    }

    /// Every engine that is a server.
    pub(crate) fn servers() -> Vec<Self> {
        let mut servers = vec![Self::Postgres];
        servers.extend(Self::mysqls());
        servers
    }

    /// MariaDB, and MySQL where this run has one.
    pub(crate) fn mysqls() -> Vec<Self> {
        let mut all = vec![Self::Mariadb];
        all.extend(mysql().map(|_| Self::Mysql));
        all
    }

    pub(crate) fn dialect(self) -> &'static str {
        self.flavour().word()
    }

    pub(crate) fn flavour(self) -> schemagate::config::Dialect {
        match self {
            Self::Postgres => schemagate::config::Dialect::Postgres,
            Self::Mariadb => schemagate::config::Dialect::Mariadb,
            Self::Mysql => schemagate::config::Dialect::Mysql,
            Self::Sqlite => schemagate::config::Dialect::Sqlite,
        }
    }

    /// The server of this run, where it is one.
    pub(crate) fn server(self) -> &'static Server {
        match self {
            Self::Postgres => postgres(),
            Self::Mariadb => mariadb(),
            Self::Mysql => mysql().expect("this run has a MySQL"),
            Self::Sqlite => panic!("SQLite has no server"),
        }
    }

    /// The name of its socket in the folder of its server.
    pub(crate) fn socket(self) -> &'static str {
        if self == Self::Postgres { ".s.PGSQL.5432" } else { "s" }
    }

    /// Makes an empty database.
    pub(crate) fn database(self) -> Database {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = |url: String| Database { engine: self, name: name.clone(), url, home: PathBuf::new() };
        match self {
            Self::Postgres => postgres_database(&postgres().folder, name),
            Self::Mariadb | Self::Mysql => mysql_database(self, &self.server().folder, name),
            Self::Sqlite => database(format!("sqlite:{name}.sqlite")),
        }
    }
}

/// Makes an empty database on a PostgreSQL.
pub(crate) fn postgres_database(home: &Path, name: String) -> Database {
    psql(home, "postgres", &format!("CREATE DATABASE {name}"));
    let url = format!("postgres://postgres@localhost/{name}?host={}", home.display());
    Database { engine: Engine::Postgres, name, url, home: home.to_owned() }
}

/// Makes an empty database on a MariaDB or MySQL.
pub(crate) fn mysql_database(engine: Engine, home: &Path, name: String) -> Database {
    client(home, "", &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
    let url = format!("{}://root@localhost/{name}?socket={}", engine.dialect(), home.join("s").display());
    Database { engine, name, url, home: home.to_owned() }
}

fn told(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn psql(home: &Path, database: &str, sql: &str) -> String {
    let mut command = Command::new("psql");
    told(command.args(["-X", "-q", "-A", "-t", "-U", "postgres", "-h"]).arg(home).args(["-c", sql, database]))
}

fn client(home: &Path, database: &str, sql: &str) -> String {
    let mut command = Command::new("mariadb");
    let socket = format!("--socket={}", home.join("s").display());
    told(command.args(["--no-defaults", "-u", "root", "-N", "-B", &socket, "-e", sql, database]))
}

impl Database {
    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks it with the engine's own client; cells are joined by `|`.
    #[track_caller]
    pub(crate) fn ask(&self, world: &World, sql: &str) -> String {
        match self.engine {
            Engine::Postgres => psql(&self.home, &self.name, sql),
            Engine::Mariadb | Engine::Mysql => client(&self.home, &self.name, sql).replace('\t', "|"),
            Engine::Sqlite => world.sql(&format!("{}.sqlite", self.name), sql),
        }
    }

    /// Says whether it has a history.
    pub(crate) fn has_history(&self, world: &World) -> bool {
        let asked = match self.engine {
            Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename = 'schemagate_meta'",
            Engine::Mariadb | Engine::Mysql => {
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name = 'schemagate_meta'"
            }
            Engine::Sqlite if !world.server().join(format!("{}.sqlite", self.name)).exists() => return false,
            Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = 'schemagate_meta'",
        };
        self.ask(world, asked) != "0"
    }

    /// Runs a script with the engine's own client, statement by statement, up to the first that fails.
    ///
    /// # Errors
    /// What the client says.
    pub(crate) fn run(&self, world: &World, script: &str) -> Result<String, String> {
        let file = world.path().join(format!("{}.sql", self.name));
        std::fs::write(&file, script).unwrap();
        let mut command = match self.engine {
            Engine::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(&self.home);
                command.arg("-f").arg(&file).arg(&self.name);
                command
            }
            Engine::Mariadb | Engine::Mysql => {
                let mut command = Command::new("mariadb");
                let socket = format!("--socket={}", self.home.join("s").display());
                command.args(["--no-defaults", "-u", "root", "-N", "-B", &socket, &self.name]);
                command.stdin(std::fs::File::open(&file).unwrap());
                command
            }
            Engine::Sqlite => {
                let mut command = Command::new("sqlite3");
                command.arg("-bail").arg(world.path().join(format!("{}.sqlite", self.name)));
                command.stdin(std::fs::File::open(&file).unwrap());
                command
            }
        };
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(said + &String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Writes a backup of it, as its server's own tool makes one.
    pub(crate) fn backup(&self, world: &World) -> PathBuf {
        let to = world.path().join(format!("{}.backup", self.name));
        match self.engine {
            Engine::Postgres => {
                let mut dump = Command::new("pg_dump");
                told(dump.args(["-U", "postgres", "-h"]).arg(&self.home).arg("-f").arg(&to).arg(&self.name));
            }
            Engine::Mariadb | Engine::Mysql => {
                let mut dump = Command::new("mariadb-dump");
                let socket = format!("--socket={}", self.home.join("s").display());
                let result = format!("--result-file={}", to.display());
                told(dump.args(["--no-defaults", "-u", "root", &socket, &result, &self.name]));
            }
            Engine::Sqlite => {
                std::fs::copy(world.server().join(format!("{}.sqlite", self.name)), &to).unwrap();
            }
        }
        to
    }

    /// Brings a backup into it; it is empty.
    pub(crate) fn restore(&self, world: &World, backup: &Path) {
        match self.engine {
            Engine::Postgres => {
                let mut psql = Command::new("psql");
                psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(&self.home);
                told(psql.arg("-f").arg(backup).arg(&self.name));
            }
            Engine::Mariadb | Engine::Mysql => {
                client(&self.home, &self.name, &format!("source {}", backup.display()));
            }
            Engine::Sqlite => {
                std::fs::copy(backup, world.server().join(format!("{}.sqlite", self.name))).unwrap();
            }
        }
    }

    /// Takes it away, where many are made.
    pub(crate) fn remove(self, world: &World) {
        match self.engine {
            Engine::Postgres => drop(psql(&self.home, "postgres", &format!("DROP DATABASE {}", self.name))),
            Engine::Mariadb | Engine::Mysql => drop(client(&self.home, "", &format!("DROP DATABASE {}", self.name))),
            Engine::Sqlite => {
                let _ = std::fs::remove_file(world.path().join(format!("{}.sqlite", self.name)));
            }
        }
    }

    /// Says whether its server answers.
    pub(crate) fn answers(&self) -> bool {
        let mut command = Command::new(if self.engine == Engine::Postgres { "psql" } else { "mariadb" });
        if self.engine == Engine::Postgres {
            command.args(["-X", "-q", "-U", "postgres", "-h"]).arg(&self.home).args(["-c", "SELECT 1", &self.name]);
        } else {
            let socket = format!("--socket={}", self.home.join("s").display());
            command.args(["--no-defaults", "-u", "root", &socket, "-e", "SELECT 1", &self.name]);
        }
        command.output().unwrap().status.success()
    }

    /// The history table as its users name it.
    pub(crate) fn history(&self, table: &str) -> String {
        match self.engine {
            Engine::Postgres => format!("schemagate.schemagate_{table}"),
            _ => format!("schemagate_{table}"),
        }
    }

    /// A server file that maps it as `shop`.
    pub(crate) fn server_file(&self) -> String {
        self.server_file_at(&self.url)
    }

    /// The same with another URL.
    pub(crate) fn server_file_at(&self, url: &str) -> String {
        format!(
            "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[target]]\nenvironment = \"dev\"\n\
             database = \"shop\"\nurl = \"{}\"\n",
            url
        )
    }

    /// A manifest for it.
    pub(crate) fn manifest(&self) -> String {
        crate::support::MANIFEST.replace("\"sqlite\"", &format!("\"{}\"", self.engine.dialect()))
    }

    /// A world whose server applies to it, the manifest pushed.
    pub(crate) fn world(&self) -> World {
        let world = World::new(&self.manifest(), &self.server_file());
        world.commit("manifest");
        world.push().ok();
        world
    }

    /// Says whether the engine's own client takes a script in the state that the database is in; what it does is taken
    /// back. MariaDB cannot take back, so only the statement that was refused last is asked about: it is refused again.
    #[track_caller]
    pub(crate) fn takes(&self, world: &World, script: &std::path::Path) -> bool {
        let mut command = match self.engine {
            Engine::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(&self.home);
                command.args([&self.name, "-c", "BEGIN", "-f"]).arg(script).args(["-c", "ROLLBACK"]);
                command
            }
            Engine::Mariadb | Engine::Mysql => return false,
            Engine::Sqlite => {
                let mut command = Command::new("sqlite3");
                command.arg("-bail").arg(world.server().join(format!("{}.sqlite", self.name)));
                command.arg(format!("BEGIN;\n.read '{}'\nROLLBACK;", script.display()));
                command
            }
        };
        command.output().unwrap().status.success()
    }
}
