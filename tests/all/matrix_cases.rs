//! What the matrix of faults applies, in which manners, and what must hold afterwards.

use crate::databases::{Database, Engine};
use crate::many::TENANTS;
use crate::support::{Done, World, flat};

/// How the files of a run come to their databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each in a transaction of its own, or as a journal.
    File,
    /// All in one transaction.
    Push,
    /// To two tenants, one after the other.
    Tenants,
}

/// Says whether harm is done at each message, which takes about an hour, and not at some.
pub(crate) fn everywhere() -> bool {
    std::env::var_os("SCHEMAGATE_TEST_EVERY_MESSAGE").is_some()
}

impl Manner {
    /// What stands behind the name of the engine above its table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::File => "",
            Self::Push => ", a push in one transaction",
            Self::Tenants => ", two tenants",
        }
    }

    /// At which messages or operations harm is done: at each, or at some.
    pub(crate) fn step(self) -> usize {
        if self == Self::Tenants && !everywhere() { 5 } else { 1 }
    }

    /// Which messages of a moment a server is harmed at, of so many that stand in it: it must start again each time.
    pub(crate) fn step_of_servers(self, messages: usize) -> usize {
        match self {
            _ if everywhere() => 1,
            Self::File => messages.div_ceil(3),
            Self::Push | Self::Tenants => messages,
        }
    }

    /// Says whether a server is harmed as well.
    pub(crate) fn harms_servers(self) -> bool {
        self != Self::Tenants || everywhere()
    }

    /// How many databases a run brings to the tip.
    pub(crate) fn databases(self) -> usize {
        if self == Self::Tenants { 2 } else { 1 }
    }

    /// The server file for databases of one server, as they are reached through `home`.
    pub(crate) fn server_file(self, databases: &[Database]) -> String {
        let file = databases[0].server_file();
        match self {
            Self::File => file,
            Self::Push => file + "atomic = \"push\"\n",
            Self::Tenants => {
                let names: Vec<String> = databases.iter().map(|one| format!("\"{}\"", one.name())).collect();
                let url = databases[0].url.replace(databases[0].name(), "{{database}}");
                format!(
                    "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[tenants]]\nenvironment = \"dev\"\n\
                     group = \"shops\"\nurl = \"{url}\"\nwave = 1\nfailures = 2\ndatabases = [{}]\n",
                    names.join(", ")
                )
            }
        }
    }

    /// A world with all files pushed and nothing applied.
    pub(crate) fn world(self, engine: Engine) -> World {
        let databases: Vec<Database> = (0..self.databases()).map(|_| engine.database()).collect();
        let manifest = match self {
            Self::Tenants => TENANTS.replace("DIALECT", engine.dialect()),
            _ => databases[0].manifest(),
        };
        let rules = "[project.rules]\ntype-mismatch = \"off\"\nschema-error = \"off\"\n";
        let world = World::new(&format!("{manifest}{rules}"), &self.server_file(&databases));
        for (path, text) in files(engine, self) {
            world.file(&if self == Self::Tenants { path.replace("shop/", "") } else { path.to_owned() }, &text);
        }
        world.apply_nothing();
        world.send("all").ok();
        world
    }
}

/// Files that show what ran twice: sums that a second run would change. What runs as a journal works on a table that is
/// called so; one change takes a moment.
fn files(engine: Engine, manner: Manner) -> Vec<(&'static str, String)> {
    let journal = match engine {
        Engine::Postgres => {
            "CREATE TABLE journal (id INTEGER);\nCREATE INDEX CONCURRENTLY journal_one ON journal (id);\n\
             INSERT INTO journal VALUES (1);\nDROP INDEX CONCURRENTLY journal_one;\n\
             CREATE INDEX CONCURRENTLY journal_two ON journal (id);\nUPDATE journal SET id = id + 1;\n"
        }
        Engine::Sqlite => {
            "CREATE TABLE journal (id INTEGER);\nINSERT INTO journal VALUES (1);\nVACUUM;\n\
             ALTER TABLE journal ADD COLUMN n INTEGER;\nUPDATE journal SET id = id + 1;\nVACUUM;\n"
        }
        _ => {
            "CREATE TABLE journal (id INTEGER);\nINSERT INTO journal VALUES (1);\nINSERT INTO journal VALUES (2);\n\
             ALTER TABLE journal ADD COLUMN n INTEGER;\nUPDATE journal SET id = id + 1;\n\
             CREATE INDEX journal_two ON journal (id);\nALTER TABLE journal DROP COLUMN n;\n\
             RENAME TABLE journal TO journals;\nRENAME TABLE journals TO journal;\n"
        }
    };
    let slow = match engine {
        Engine::Postgres => "UPDATE a SET n = n + 10 FROM pg_sleep(0.05);",
        Engine::Sqlite => "UPDATE a SET n = n + 10;",
        _ => "UPDATE a SET n = n + 10 WHERE sleep(0.05) = 0;",
    };
    let definitions = (
        "db/shop/1##ddl##tables.sql",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);\nCREATE TABLE b (id INTEGER);\n".to_owned(),
    );
    let rows = (
        "db/shop/1##dml##rows.sql",
        "INSERT INTO a VALUES (1, 0);\nINSERT INTO b VALUES (7);\nUPDATE a SET n = n + 1;\n".to_owned(),
    );
    let mixed = ("db/shop/2##ddl##mixed.sql", journal.to_owned());
    let more = ("db/shop/3##dml##more.sql", format!("{slow}\nINSERT INTO b VALUES (8);\n"));
    match manner {
        Manner::Push if made_before(engine) => vec![rows, more],
        Manner::Push => vec![definitions, rows, more],
        Manner::File | Manner::Tenants => vec![definitions, rows, mixed, more],
    }
}

/// Says whether no transaction holds definitions, so that a push in one finds its tables made.
fn made_before(engine: Engine) -> bool {
    Engine::mysqls().contains(&engine)
}

/// What stands in a database before anything is applied.
pub(crate) fn before(engine: Engine, manner: Manner) -> &'static str {
    match manner {
        Manner::Push if made_before(engine) => {
            "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE b (id INTEGER); CREATE TABLE journal (id INTEGER)"
        }
        Manner::Push => "CREATE TABLE journal (id INTEGER)",
        Manner::File | Manner::Tenants => "SELECT 1",
    }
}
/// Everything that the database holds, but for times and attempts.
pub(crate) fn state(database: &Database, world: &World) -> String {
    let of = match database.engine {
        Engine::Postgres => "table_schema = 'public'",
        _ => "table_schema = database() AND table_name NOT LIKE 'schemagate%'",
    };
    let columns = format!("SELECT table_name, column_name FROM information_schema.columns WHERE {of} ORDER BY 1, 2");
    let indexes = match database.engine {
        Engine::Postgres => {
            "SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indexrelid >= 16384 AND indexrelid::regclass::text NOT LIKE 'schemagate%' AND indexrelid::regclass::text NOT LIKE 'pg_toast%' ORDER BY 1::text"
        }
        _ => {
            "SELECT table_name, index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%' ORDER BY 1, 2"
        }
    };
    let history = format!(
        "SELECT version, kind, state, statements_done, statement_open FROM {} ORDER BY version, kind",
        database.history("migration")
    );
    let mut questions = vec![columns.as_str(), indexes];
    if database.engine == Engine::Sqlite {
        questions = vec!["SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1"];
    }
    questions.extend([
        "SELECT id, n FROM a",
        "SELECT id FROM b ORDER BY id",
        "SELECT id FROM journal ORDER BY id",
        &history,
    ]);
    questions.into_iter().map(|question| database.ask(world, question)).collect::<Vec<_>>().join("\n--\n")
}

pub(crate) fn use_database(world: &World, server_file: &str) {
    world.write_server_file(server_file);
    let _ = std::fs::remove_dir_all(world.server().join("schemagate"));
}

/// What was said to be applied is, and all of it if the run ended well; what was said to be taken back is.
fn assert_true(done: &Done, database: &Database, manner: Manner, world: &World, when: &str) {
    let text = flat(&done.text);
    let all = files(database.engine, manner);
    let applied = |more: &str| {
        let sql = format!("SELECT count(*) FROM {} WHERE state = 'applied'{more}", database.history("migration"));
        database.ask(world, &sql)
    };
    for (path, _) in &all {
        let mut parts = path.trim_start_matches("db/shop/").split("##");
        let (version, kind) = (parts.next().unwrap(), parts.next().unwrap());
        if text.contains(&format!("applied {version} {kind}")) {
            let found = applied(&format!(" AND version = '{version}' AND kind = '{kind}'"));
            assert_eq!(found, "1", "{when}:\n{}", done.text);
        }
    }
    if done.code == 0 || text.contains("wave 1 of 2: 1 applied") && text.contains("wave 2 of 2: 1 applied") {
        assert_eq!(applied(""), all.len().to_string(), "{when}:\n{}", done.text);
    }
    if text.contains(&format!("nothing of these {} files stays", all.len())) {
        assert_eq!(history_rows(database, world, "applied"), "0", "{when}:\n{}", done.text);
    }
    let first = text.contains("failed 1 ddl") && text.contains("nothing of this file stays");
    if manner == Manner::File && (first || text.contains("UNREACHABLE: nothing ran")) {
        assert_eq!(database.ask(world, tables(database.engine)), "0", "{when}:\n{}", done.text);
    }
}

/// How many rows of the history have a state; none where there is no history.
fn history_rows(database: &Database, world: &World, state: &str) -> String {
    if !database.has_history(world) {
        return "0".to_owned();
    }
    let sql = format!("SELECT count(*) FROM {} WHERE state = '{state}'", database.history("migration"));
    database.ask(world, &sql)
}

/// What was said is so, and the next run brings each database to the state that is expected.
pub(crate) fn assert_made_good(
    done: &Done,
    databases: &[Database],
    manner: Manner,
    world: &World,
    expected: &str,
    when: &str,
) {
    databases.iter().for_each(|database| assert_true(done, database, manner, world, when));
    let again = world.on_server(&["apply"]);
    assert_eq!(again.code, 0, "{when}:\n{}\nthen:\n{}", done.text, again.text);
    for database in databases {
        assert_eq!(state(database, world), expected, "{when}:\n{}\nthen:\n{}", done.text, again.text);
    }
}

/// The question for the number of tables that are not ours.
fn tables(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'",
        Engine::Sqlite => {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'schemagate%' AND name NOT LIKE 'sqlite%'"
        }
        _ => {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%'"
        }
    }
}
