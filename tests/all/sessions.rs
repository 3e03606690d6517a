//! What a file meets in its session is what it meets in the engine's own client.

use std::collections::BTreeMap;

use crate::databases::{Database, Engine};
use crate::engines::on_all;
use crate::support::World;

/// Settings that are ours on purpose: names, timeouts that the documentation tells of, and what an engine counts.
const OURS: [&str; 19] = [
    // PostgreSQL
    "application_name",
    "client_connection_check_interval",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "transaction_isolation",
    // MySQL and MariaDB
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "in_transaction",
    "last_insert_id",
    "pseudo_thread_id",
    "timestamp",
    "error_count",
    "statement_id",
    "rand_seed1",
    "rand_seed2",
    // Files are UTF-8, whatever the client of a terminal is set to.
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
];

/// The query for the settings of a session.
fn settings(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT name, setting FROM pg_settings",
        Engine::Mariadb => "SELECT lower(variable_name), variable_value FROM information_schema.session_variables",
        Engine::Mysql => "SELECT variable_name, variable_value FROM performance_schema.session_variables",
        Engine::Sqlite => {
            "SELECT 'recursive_triggers', recursive_triggers FROM pragma_recursive_triggers UNION ALL SELECT \
             'automatic_index', automatic_index FROM pragma_automatic_index UNION ALL SELECT 'cell_size_check', \
             cell_size_check FROM pragma_cell_size_check UNION ALL SELECT 'ignore_check_constraints', \
             ignore_check_constraints FROM pragma_ignore_check_constraints UNION ALL SELECT 'legacy_alter_table', \
             legacy_alter_table FROM pragma_legacy_alter_table UNION ALL SELECT 'encoding', encoding FROM pragma_encoding \
             UNION ALL SELECT 'reverse_unordered_selects', reverse_unordered_selects FROM \
             pragma_reverse_unordered_selects UNION ALL SELECT 'defer_foreign_keys', defer_foreign_keys FROM \
             pragma_defer_foreign_keys UNION ALL SELECT 'foreign_keys', foreign_keys FROM pragma_foreign_keys UNION ALL \
             SELECT 'quoted names', \"no such column\" UNION ALL SELECT 'like', 'a' LIKE 'A' UNION ALL SELECT 'synchronous', \
             synchronous FROM pragma_synchronous UNION ALL SELECT 'temp_store', temp_store FROM pragma_temp_store"
        }
    }
}

fn read(database: &Database, world: &World, sql: &str) -> BTreeMap<String, String> {
    let rows = database.ask(world, sql);
    let cells = rows.lines().map(|line| line.split_once('|').unwrap_or((line, "")));
    cells.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_file_meets_the_settings_that_it_meets_in_the_client() {
    on_all(|database, world| {
        let sql = settings(database.engine);
        world.migration("1", "CREATE TABLE seen (name VARCHAR(100), value TEXT);\n");
        world.file("db/shop/2##dml##seen.sql", &format!("INSERT INTO seen {sql};\n"));
        world.send("all").ok();
        let ours = read(database, world, "SELECT name, value FROM seen");
        let client = read(database, world, sql);
        assert!(client.len() > 10 && ours.len() == client.len(), "{} and {}", ours.len(), client.len());
        let differ: Vec<String> = client
            .iter()
            .filter(|(name, value)| !OURS.contains(&name.as_str()) && ours.get(*name) != Some(value))
            .map(|(name, value)| format!("{name}: {value:?} in the client, {:?} here", ours.get(name)))
            .collect();
        assert!(differ.is_empty(), "{:?}: {differ:#?}", database.engine);
    });
}
