//! The gate's verdict through real pushes: schemas that are replayed, releases, checking servers, limits, remedies.

use crate::servers;
use crate::support::{MANIFEST, ONE_TARGET, World, flat};

/// A manifest for one database of a dialect.
fn manifest(dialect: &str, more: &str) -> String {
    MANIFEST.replace("dialect = \"sqlite\"", &format!("dialect = \"{dialect}\"\n{more}"))
}

/// A world whose database is of another product; nothing is applied, because no target serves the branch.
fn world(dialect: &str, more: &str, server: &str) -> World {
    let other = ONE_TARGET.replace("name = \"dev\"", "name = \"dev\"\nbranches = [\"release/none\"]");
    World::new(&manifest(dialect, more), &format!("{other}\n{server}"))
}

#[test]
fn names_are_judged_by_the_schema_that_earlier_pushes_made() {
    let world = World::usual();
    world.migration("1", "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER);");
    world.send("orders").ok();
    world.migration("2", "ALTER TABLE orders ADD COLUMN total INTEGER;\nCREATE INDEX i ON order_lines (id);");
    let text = world.send("twice").refused(&["schema-error", "2##ddl##change.sql:1", "duplicate column name: total"]);
    assert!(!flat(&text).contains("no such table"), "what follows a failed change is not judged: {text}");
    world.migration("2", "CREATE INDEX i ON orders (totals);");
    world.send("misspelt").refused(&["2##ddl##change.sql:1:27", "no such column: totals"]);
    world.migration("2", "ALTER TABLE orders RENAME COLUMN total TO amount;");
    world.file("db/shop/3##dml##rows.sql", "INSERT INTO orders (amount) VALUES (1);");
    world.send("in one push").ok();
    let path = world.migration("4", "INSERT INTO orders (total) VALUES (1);");
    world.sg(&["check", &path]).refused(&["has no column named total"]);
}

#[test]
fn what_many_migrations_made_is_kept_and_never_believed_when_it_is_broken() {
    let world = World::usual();
    for number in 100..160 {
        world.migration(&number.to_string(), &format!("CREATE TABLE t{number} (id INTEGER);"));
    }
    world.send("many").ok();
    world.migration("200", "ALTER TABLE t150 ADD COLUMN a INTEGER;");
    world.send("one more").ok();
    let folder = world.server().join("schemagate/replay");
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    // The next push finds it, and keeps no other.
    let made = std::fs::metadata(&kept[0]).unwrap().modified().unwrap();
    world.migration("2001", "ALTER TABLE t151 ADD COLUMN a INTEGER;");
    world.send("one more again").ok();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().modified().unwrap(), made);
    let mut bytes = std::fs::read(&kept[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&kept[0], bytes).unwrap();
    world.migration("2010", "ALTER TABLE t150 ADD COLUMN a INTEGER;");
    world.send("again").refused(&["duplicate column name: a"]);
    world.migration("2010", "ALTER TABLE t150 ADD COLUMN b INTEGER;");
    world.send("another").ok();
}

#[test]
fn what_a_release_does_not_know_is_named() {
    let world = world("postgres", "version = \"15\"", "");
    world.migration("1", "CREATE TABLE t (a int, CONSTRAINT a_there NOT NULL a);");
    let text = world.send("new").refused(&["newer-syntax", "1##ddl##change.sql:1:22"]);
    let said = "named NOT NULL constraints of tables: this needs PostgreSQL 18; this target says 15";
    assert!(flat(&text).contains(said), "{text}");
    world.migration("1", "CREATE TABLE t (a int NOT NULL);");
    world.send("old").ok();
}

#[test]
fn bodies_are_judged() {
    let world = world("postgres", "", "");
    world.migration("1", "DO $$\nBEGIN\n  IF true THEN\n    PERFORM 1;\n  END;\nEND $$;\nSELECT 1;\nSELECT 2 FROM;");
    world.send("body").refused(&["1##ddl##change.sql:5:6", "1##ddl##change.sql:8:14", "2 errors"]);
}

#[test]
fn a_checking_server_has_the_last_word() {
    let server = servers::mariadb();
    // An option that the recogniser takes and this release of the server does not.
    let good = "CREATE TABLE t (a INT) PARTITION BY KEY ALGORITHM=CRC32C (a) PARTITIONS 2;";
    let without = world("mariadb", "", "");
    without.migration("1", good);
    without.send("static").ok();
    let with = world("mariadb", "", &format!("[verify-url]\nmariadb = \"{}\"\n", server.checker_url));
    with.migration("1", good);
    with.send("asked").refused(&["syntax-error", "1##ddl##change.sql:1:51"]);
    with.migration("1", "CREATE TABLE t (a INT);\nDROP TABLE t;");
    with.send("nothing ran").ok();
    let (good, bad) = ("CREATE TABLE t (a int);", "CREATE TABLE t (a int, CONSTRAINT b NOT NULL a);");
    let postgres =
        world("postgres", "", &format!("[verify-url]\npostgres = \"{}\"\n", servers::postgres().checker_url));
    postgres.migration("1", bad);
    postgres.send("too new for it").refused(&["syntax-error", "at or near"]);
    postgres.migration("1", good);
    postgres.send("good").ok();
}

#[test]
fn a_checking_server_that_is_away_is_named_without_its_password() {
    let url = "postgres://checker:s3cret@localhost/postgres?host=/nowhere";
    let world = world("postgres", "", &format!("[verify-url]\npostgres = \"{url}\"\n"));
    world.migration("1", "CREATE TABLE t (a int);");
    let text = world.send("good").ok();
    assert!(flat(&text).contains("note[checking-server-silent]"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    world.migration("2", "CREATE TABLE t (a int,);");
    world.send("bad").refused(&["syntax-error", "remove the comma before `)`"]);
}

#[test]
fn limits_are_those_of_the_manifest_and_never_above_the_servers() {
    let limits = "[project.limits]\nnesting = 3\nstatements = 2\nstatement-size = \"1 KiB\"\n";
    let world =
        World::new(&format!("{MANIFEST}{limits}"), &format!("{ONE_TARGET}\n[policy.limits]\nstatement-size = 100\n"));
    world.file("db/shop/1##dml##a.sql", "SELECT ((((1))));");
    world.file("db/shop/2##dml##b.sql", "SELECT 1; SELECT 2; SELECT 3;");
    world.file("db/shop/3##dml##c.sql", &format!("SELECT '{}';", "x".repeat(500)));
    let text = world.send("beyond").refused(&["too-much", "3 errors"]);
    for words in ["4 levels deep; the limit is 3", "3 statements; the limit is 2", "has 509 bytes; the limit is 100"] {
        assert!(flat(&text).contains(words), "`{words}` is missing in {text}");
    }
}

#[test]
fn statements_that_are_not_understood_are_counted_and_searched_for_dangerous_words() {
    let world = world("postgres", "", "");
    world.migration("1", "CREATE TABLE t (a int);\nALTER FOREIGN TABLE f ALTER x OPTIONS (SET n 'y'), DROP COLUMN q;");
    let text = flat(&world.send("body").ok());
    assert!(text.contains("note[not-analysed]") && text.contains("no rule of the review sees what it does"), "{text}");
    assert!(text.contains("warning[not-analysed-danger]") && text.contains("1##ddl##change.sql:2:52"), "{text}");
    assert!(text.contains("1 not analysed"), "{text}");
    world.file("db/shop/2##dml##a.sql", "DELETE FROM t;\nUPDATE t SET a = 1;\nDELETE FROM t WHERE a = 1;");
    let text = flat(&world.send("rows").refused(&["delete-without-where", "update-without-where"]));
    assert!(text.contains("1 error, 1 warning"), "{text}");
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.migration("3", "DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE t'; END $$;");
    let text = flat(&world.send("dynamic").ok());
    assert!(text.contains("not analysed: it runs text that it puts together"), "{text}");
}

#[test]
fn frequent_slips_have_a_remedy() {
    let slips = [
        ("postgres", "CREATE TABLE t (id int AUTO_INCREMENT);", "GENERATED ALWAYS AS IDENTITY"),
        ("postgres", "CREATE TABLE `t` (a int);", "quote names with \" in PostgreSQL"),
        ("postgres", "DROP INDEX i ON t;", "without ON table"),
        ("postgres", "CREATE TABLE t (a int,);", "remove the comma before `)`"),
        ("postgres", "SELECT 1\nCREATE TABLE t (a int);", "end the statement before CREATE with `;`"),
        ("postgres", "SELECT 1;\nGO\nSELECT 2;", "GO is a command of SQL Server's client"),
        ("postgres", "# note\nSELECT 1;", "begin comments with `--`"),
        ("postgres", "// note\nSELECT 1;", "begin comments with `--`"),
        ("postgres", "SELECT 1\n/\n;", "a lone `/`"),
        ("postgres", "SELECT 'it", "is never closed"),
        ("postgres", "SELECT $a$ it", "is never closed"),
        ("postgres", "SELECT \u{2018}a b c\u{2019};", "typographic quotes"),
        ("postgres", "ALTER TABLE t RENAME IF EXISTS a TO b;", "has no IF EXISTS here"),
        ("postgres", "SELECT 1 \\gexec\n;", "`\\gexec` is a command of psql"),
        ("sqlite", "CREATE TABLE t (id SERIAL PRIMARY KEY AUTO_INCREMENT);", "id INTEGER PRIMARY KEY"),
        ("sqlite", "CREATE TABLE t (a INT) ENGINE=InnoDB;", "are those of MySQL"),
        ("sqlite", "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT;", "SQLite has no IF NOT EXISTS here"),
        ("mysql", "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT;", "MySQL has no IF NOT EXISTS here"),
        ("mysql", "DROP INDEX i;", "DROP INDEX name ON table"),
        ("mysql", "CREATE TABLE t (a INT) ENGIN=InnoDB;", "ENGINE"),
        ("mysql", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;", "ON DUPLICATE KEY UPDATE"),
        ("mariadb", "CREATE TABLE t (id INT AUTOINCREMENT);", "write AUTO_INCREMENT"),
        ("mariadb", "SELECT a::int FROM t;", "CAST(value AS type)"),
    ];
    let world = World::empty();
    for (number, (dialect, sql, remedy)) in slips.into_iter().enumerate() {
        let folder = world.path().join(number.to_string());
        std::fs::create_dir_all(folder.join("db/shop")).unwrap();
        std::fs::write(folder.join("schemagate.toml"), manifest(dialect, "")).unwrap();
        std::fs::write(folder.join("db/shop/1##ddl##a.sql"), sql).unwrap();
        let done = world.run(&folder, &["check", "db/shop/1##ddl##a.sql"]);
        let text = flat(&done.refused(&["syntax-error"]));
        assert!(text.contains(remedy), "`{remedy}` is missing for {dialect}: {sql}\n{text}");
    }
}
