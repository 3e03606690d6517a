//! Databases that are not what they were: made anew, restored, copied, or with their history gone.

use crate::databases::{Database, Engine};
use crate::engines::on_all;
use crate::support::World;
use crate::truth::meanwhile;

/// Takes all tables of a database away.
pub(crate) fn empty(database: &Database, world: &World) {
    match database.engine {
        Engine::Postgres => {
            database.ask(world, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA schemagate CASCADE");
        }
        Engine::Mariadb | Engine::Mysql => {
            let name = database.name();
            database.ask(world, &format!("DROP DATABASE {name}; CREATE DATABASE {name}"));
        }
        Engine::Sqlite => std::fs::remove_file(world.server().join(format!("{}.sqlite", database.name()))).unwrap(),
    }
}

#[test]
fn a_database_that_was_made_anew_gets_everything_again() {
    for engine in Engine::all() {
        let database = engine.database();
        let world = database.world();
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").ok();
        empty(&database, &world);
        let done = world.on_server(&["apply"]);
        done.says(&["note: the database was made anew: 2 migrations had run on the one before", "2 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM b"), "0");
        assert!(!world.on_server(&["apply"]).ok().contains("note"));
    }
}

#[test]
fn tables_without_their_history_are_not_run_over() {
    for engine in Engine::all() {
        let database = engine.database();
        let world = database.world();
        world.migration("1", "CREATE TABLE IF NOT EXISTS a (id INTEGER);\n");
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1);\n");
        world.send("one").ok();
        for table in ["migration", "meta", "event"] {
            database.ask(&world, &format!("DROP TABLE {}", database.history(table)));
        }
        let gone = "the history of this database is gone: 2 migrations had run here";
        world.on_server(&["apply"]).refused(&[gone, "schemagate apply --as-new"]);
        world.on_server(&["status"]).refused(&[gone]);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
        world.on_server(&["apply", "--as-new"]).says(&["2 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "2");
        world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
    }
}

#[test]
fn a_database_that_was_restored_runs_what_it_lost_and_says_so() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let backup = database.backup(world);
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").ok();
        empty(database, world);
        database.restore(world, &backup);
        world
            .on_server(&["apply"])
            .says(&[
                "the database is older than what ran on it (restored from a backup?): 1 of its migrations run again: 2 ddl",
                "1 applied now, 2 in all",
            ])
            .ok();
        assert_eq!(database.ask(world, "SELECT count(*) FROM b"), "0");
        world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
    });
}

#[test]
fn a_copy_gets_a_name_of_its_own() {
    on_all(|original, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let name = |database: &Database| {
            let sql = format!("SELECT value FROM {} WHERE name = 'database_uid'", database.history("meta"));
            database.ask(world, &sql)
        };
        let copy = original.engine.database();
        copy.restore(world, &original.backup(world));
        assert_eq!(name(original), name(&copy));
        world.write_server_file(&copy.server_file());
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").says(&["note: this database is a copy, or was moved", "1 applied now, 2 in all"]).ok();
        assert_ne!(name(original), name(&copy));
        // Back to the original: another database answers under this name.
        world.write_server_file(&original.server_file());
        world.on_server(&["apply"]).says(&["this is another database than the one that this target had before"]).ok();
        world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
    });
}

#[test]
fn a_history_that_was_changed_by_hand_stops_the_target_until_somebody_has_looked() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let path = world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").ok();
        let table = database.history("migration");
        let blob = database.ask(world, &format!("SELECT blob_id FROM {table} WHERE version = '2'"));
        for (change, back) in [
            ("state = 'failed', statements_done = 0", "state = 'applied', statements_done = 1"),
            ("blob_id = 'x'", &format!("blob_id = '{blob}'")),
            ("version = '5', version_key = 'n00015'", "version = '2', version_key = 'n00012'"),
        ] {
            database.ask(world, &format!("UPDATE {table} SET {change} WHERE seq = 2"));
            let by_hand = "in the history was changed by hand";
            world.on_server(&["apply"]).refused(&["STOPPED", by_hand, "put the row back as it was"]);
            world.on_server(&["status"]).says(&[by_hand]);
            database.ask(world, &format!("UPDATE {table} SET {back} WHERE seq = 2"));
            world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
        }
        // What is meant is sealed again.
        database.ask(world, &format!("UPDATE {table} SET commit_id = 'mine' WHERE seq = 2"));
        world.on_server(&["apply"]).refused(&[&format!("schemagate repair '{path}'")]);
        world.on_server(&["repair", &path, "--yes"]).says(&["this row was changed by hand", "done:"]).ok();
        world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
        database.ask(world, &format!("UPDATE {table} SET state = 'failed' WHERE seq = 2"));
        world.on_server(&["apply"]).refused(&[&format!("schemagate resolve '{path}'")]);
        world.on_server(&["resolve", &path, "--applied", "--yes"]).says(&["done:"]).ok();
        world.on_server(&["apply"]).says(&["up to date, 2 applied"]).ok();
        database.ask(world, &format!("UPDATE {table} SET state = 'failed' WHERE seq = 2"));
        world.on_server(&["resolve", &path, "--forget", "--yes"]).says(&["done:"]).ok();
        world.on_server(&["apply"]).says(&["up to date"]).ok();
    });
}

/// Makes a history what a program wrote that knew no seals.
fn to_the_format_before(database: &Database, world: &World) {
    database.ask(world, &format!("ALTER TABLE {} DROP COLUMN seal", database.history("migration")));
    database.ask(world, &format!("UPDATE {} SET value = '1' WHERE name = 'format'", database.history("meta")));
}

#[test]
fn a_history_of_the_format_before_goes_on() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let (table, meta) = (database.history("migration"), database.history("meta"));
        to_the_format_before(database, world);
        world.on_server(&["status"]).says(&["up to date, 1 applied"]).ok();
        world.on_server(&["history"]).says(&["1 ddl"]).ok();
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").says(&["1 applied now, 2 in all"]).ok();
        let seals = format!("SELECT seal FROM {table} ORDER BY seq");
        let seals = database.ask(world, &seals);
        assert!(seals.lines().last().is_some_and(|seal| seal.starts_with("1:")), "{seals}");
        assert_eq!(database.ask(world, &format!("SELECT value FROM {meta} WHERE name = 'format'")), "2");
        // As if it was killed between the column and the format.
        database.ask(world, &format!("UPDATE {meta} SET value = '1' WHERE name = 'format'"));
        world.migration("3", "CREATE TABLE c (id INTEGER);\n");
        world.send("three").says(&["1 applied now, 3 in all"]).ok();
    });
}

#[test]
fn the_format_is_brought_up_to_date_behind_whoever_is_at_work() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let table = database.history("migration");
        to_the_format_before(database, world);
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.commit("two");
        let hold = match database.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE;\nINSERT INTO a VALUES (1);\n.shell sleep 3\nCOMMIT;\n".to_owned(),
            Engine::Postgres => format!("BEGIN; SELECT * FROM {table}; SELECT pg_sleep(3); COMMIT"),
            _ => format!("START TRANSACTION; SELECT * FROM {table}; DO SLEEP(3); COMMIT"),
        };
        let mut holder = meanwhile(database, world, &hold);
        world.push().says(&["1 applied now, 2 in all"]).ok();
        holder.wait().unwrap();
    });
}

#[test]
fn a_row_that_was_changed_by_hand_can_be_sealed_wherever_its_file_is() {
    let (database, world) = crate::doubt::on(Engine::Sqlite);
    let path = world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("one").ok();
    let change =
        |set: &str| database.ask(&world, &format!("UPDATE {} SET {set} WHERE seq = 1", database.history("migration")));
    let sealed = || {
        world.on_server(&["apply"]).refused(&["was changed by hand"]);
        world.on_server(&["repair", "1", "--yes"]).says(&["done:"]).ok();
        world.on_server(&["apply"]).ok();
    };
    change("path = 'db/shop/other.sql'");
    sealed();
    change("description = 'nice'");
    world.without_hooks(|| {
        world.in_clone(&["mv", &path, "db/shop/1##ddl##renamed.sql"]).ok();
        world.send("renamed").ok()
    });
    sealed();
    change("description = 'nicer'");
    world.without_hooks(|| {
        world.in_clone(&["rm", "-q", "db/shop/1##ddl##renamed.sql"]).ok();
        world.send("gone").ok()
    });
    sealed();
}

#[test]
fn what_a_server_cut_is_not_taken_for_a_change_by_hand() {
    for engine in Engine::mysqls() {
        let (database, world) = crate::doubt::on(engine);
        world.write_server_file(&crate::traps::keys(&database, "", "session = { sql_mode = \"\" }"));
        world.file(&format!("db/shop/1##ddl##{}.sql", "d".repeat(220)), "CREATE TABLE a (id INT);\n");
        world.commit("long");
        world.without_hooks(|| world.push().ok());
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        world.on_server(&["apply"]).says(&["up to date, 1 applied"]).ok();
    }
}

#[test]
fn the_history_is_written_and_read_where_nothing_between_quotes_is_null() {
    // MariaDB alone has that mode.
    let engine = Engine::Mariadb;
    const MODE: &str = "concat(@@sql_mode, ',EMPTY_STRING_IS_NULL')";
    let (database, world) = crate::doubt::on(engine);
    world.migration(
        "1",
        &format!("SET sql_mode = {MODE};\nCREATE TABLE a (id INT);\nINSERT INTO nowhere VALUES (1);\n"),
    );
    world.send("fails").says(&["doesn't exist (code 1146)", "statements 1 to 2 of this file ran and stay"]);
    world.migration("1", &format!("SET sql_mode = {MODE};\nCREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n"));
    world.file("db/shop/2##dml##x.sql", &format!("SET sql_mode = {MODE};\nINSERT INTO a VALUES (2);\n"));
    world.migration("3", "CREATE TABLE b (name VARCHAR(9) NOT NULL);\nINSERT INTO b VALUES ('');\n");
    world.send("mended").says(&["3 applied now"]).ok();
    world.write_server_file(&crate::traps::keys(
        &database,
        "",
        "session = { sql_mode = \"EMPTY_STRING_IS_NULL,STRICT_TRANS_TABLES\" }",
    ));
    world.migration("4", "CREATE TABLE c (name VARCHAR(9));\nINSERT INTO c VALUES ('');\n");
    world.send("server").says(&["1 applied now, 4 in all"]).ok();
    world.on_server(&["apply"]).says(&["up to date, 4 applied"]).ok();
    let rows = "SELECT concat((SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT count(*) FROM c WHERE name IS NULL))";
    assert_eq!(database.ask(&world, rows), "211");
}
