//! Many databases: environments that are promoted by hand, tenants in waves.

use crate::databases::{Database, Engine};
use crate::support::World;

const MANUAL: &str = r#"
branches = ["main"]
[[environment]]
name = "test"
[[environment]]
name = "prod"
rollout = "manual"
[[target]]
environment = "test"
database = "shop"
url = "sqlite:test.sqlite"
[[target]]
environment = "prod"
database = "shop"
url = "sqlite:prod.sqlite"
"#;

#[test]
fn a_manual_environment_is_promoted_up_to_what_earlier_ones_have_applied() {
    let world = World::new(crate::support::MANIFEST, MANUAL);
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.file("db/shop/2##dml##x.sql", "SELECT abs(-9223372036854775808);\n");
    world.send("two").says(&[
        "test/shop FAILED after 1 of 2 pending",
        "prod/shop 2 of 2 pending",
        "its rollout is manual: schemagate apply --environment prod",
    ]);
    assert!(!world.server().join("prod.sqlite").exists());
    world
        .on_server(&["apply", "--environment", "prod"])
        .says(&["1 applied now", "1 migration from version 2 dml on wait until earlier environments have applied them"])
        .ok();
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM schemagate_migration"), "1");
    // What waits is not up to date.
    world.on_server(&["apply", "-e", "prod"]).says(&["prod/shop waits for earlier environments, 1 applied"]).ok();
    world
        .on_server(&["status", "-e", "prod"])
        .says(&["prod/shop waits for earlier environments", "0 up to date, 0 pending, 1 waiting"]);
    world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (2);\n");
    world.send("mended").says(&["test/shop 1 applied now", "prod/shop 1 of 2 pending"]).ok();
    world.on_server(&["sync"]).ok();
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "0");
    world.on_server(&["apply", "-e", "prod"]).says(&["prod/shop 1 applied now, 2 in all"]).ok();
}

pub(crate) const TENANTS: &str = r#"
[[project]]
name = "shops"
base-directory = "db"
group = "shops"
file-path-template = "{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql"
dialect = "DIALECT"
"#;

fn tenants_file(keys: &str) -> String {
    format!(
        "branches = [\"main\"]\n[[environment]]\nname = \"prod\"\n[[tenants]]\nenvironment = \"prod\"\ngroup = \"shops\"\n{keys}\n"
    )
}

pub(crate) fn tenants_world(dialect: &str, keys: &str) -> World {
    let world = World::new(&TENANTS.replace("DIALECT", dialect), &tenants_file(keys));
    world.commit("manifest");
    world.push().ok();
    world
}

#[test]
fn a_thousand_tenants_take_a_push_in_waves() {
    let names: Vec<String> = (0..1000).map(|number| format!("\"shop_{number:04}\"")).collect();
    let keys =
        format!("url = \"sqlite:tenants/{{{{database}}}}.sqlite\"\nwave = 250\ndatabases = [{}]", names.join(", "));
    let world = tenants_world("sqlite", &keys);
    std::fs::create_dir(world.server().join("tenants")).unwrap();
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    let text = world.send("one").says(&["prod/shops wave 1 of 4: 250 applied", "wave 4 of 4: 250 applied"]).ok();
    assert!(text.lines().count() < 15, "{text}");
    for name in ["tenants/shop_0000.sqlite", "tenants/shop_0999.sqlite"] {
        assert_eq!(world.sql(name, "SELECT count(*) FROM schemagate_migration"), "1");
    }
    // A tenant that differs is on its own; the wave behind it is not begun.
    world.sql("tenants/shop_0003.sqlite", "DROP TABLE a");
    world.file("db/2##ddl##b.sql", "ALTER TABLE a ADD COLUMN b TEXT;\n");
    world.send("two").says(&[
        "prod/shop_0003",
        "no such table: a",
        "wave 1 of 4: 249 applied, 1 FAILED",
        "750 tenants not touched: 1 failed, and `failures` is 1",
    ]);
    world.sql("tenants/shop_0003.sqlite", "CREATE TABLE a (id INTEGER PRIMARY KEY)");
    world.on_server(&["sync"]).says(&["wave 1 of 4: 1 applied, 249 up to date", "wave 4 of 4: 250 applied"]).ok();
    world.on_server(&["status"]).says(&["1000 targets: 1000 up to date"]).ok();
    let edited = "CREATE TABLE a (id INTEGER PRIMARY KEY, c TEXT);\n";
    world.file("db/1##ddl##a.sql", edited);
    world.send("edit").refused(&["released-edited", "it has run on prod/shop_0000"]);
}

#[test]
fn tenants_are_promoted_up_to_what_those_before_them_have_applied() {
    let group = |environment: &str| {
        format!(
            "[[tenants]]\nenvironment = \"{environment}\"\ngroup = \"shops\"\n\
             url = \"sqlite:{environment}_{{{{database}}}}.db\"\ndatabases = [\"one\", \"two\"]\n"
        )
    };
    let server = format!(
        "branches = [\"main\"]\n[[environment]]\nname = \"test\"\n[[environment]]\nname = \"prod\"\nrollout = \"manual\"\n{}{}",
        group("test"),
        group("prod")
    );
    let world = World::new(&TENANTS.replace("DIALECT", "sqlite"), &server);
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["wave 1 of 1: 2 applied"]).ok();
    world.sql("test_two.db", "INSERT INTO a VALUES (2)");
    world.file("db/2##dml##rows.sql", "INSERT INTO a VALUES (2);\n");
    world.send("fails in two").says(&["test/two", "UNIQUE constraint failed"]);
    world.on_server(&["apply", "-e", "prod"]).says(&["wave 1 of 1: 2 applied"]).ok();
    assert_eq!(world.sql("prod_one.db", "SELECT count(*) FROM a"), "0");
    world
        .on_server(&["resolve", "2", "-e", "test", "--applied", "--yes"])
        .refused(&["if a tenant has, name it with -d"]);
    world.on_server(&["resolve", "2", "-e", "test", "-d", "two", "--applied", "--yes"]).says(&["done"]).ok();
    world.on_server(&["history", "-d", "two"]).says(&["test/two", "2 dml", "prod/two"]).ok();
    world.on_server(&["apply", "-e", "prod"]).says(&["wave 1 of 1: 2 applied"]).ok();
    assert_eq!(world.sql("prod_one.db", "SELECT count(*) FROM a"), "1");
}

#[test]
fn a_data_change_in_yaml_goes_to_the_tenants_that_it_names() {
    let world = tenants_world("sqlite", "url = \"sqlite:{{database}}.db\"\ndatabases = [\"one\", \"two\", \"three\"]");
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    let change = |names: &str, sql: &str| format!("# prices\ndatabases:\n{names}statement: |\n  {sql}\n");
    let (one, two) = ("  - name: one\n", "  - name: two\n");
    world.file(
        "db/1##dml##rows.yml",
        &change(&format!("{one}{two}"), "INSERT INTO a VALUES (1);\n  INSERT INTO a VALUES (2);"),
    );
    world.send("one").says(&["wave 1 of 1: 3 applied"]).ok();
    for (name, rows) in [("one", "2"), ("two", "2"), ("three", "0")] {
        assert_eq!(world.sql(&format!("{name}.db"), "SELECT count(*) FROM a"), rows, "{name}");
    }
    world.on_server(&["status"]).says(&["3 targets: 3 up to date"]).ok();
    world.file("db/1##dml##rows.yml", &change(one, "INSERT INTO a VALUES (1);\n  INSERT INTO a VALUES (2);"));
    world.send("other names").refused(&["released-edited", "it has run on prod/one and prod/two"]);
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.file("db/2##dml##bad.yml", &change(one, "INSERT INTO a VALUE (3;"));
    world.send("bad sql").refused(&["syntax-error", "db/2##dml##bad.yml:5:"]);
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.file("db/2##dml##bad.yml", "databases:\n  - one\nstatement: |\n  SELECT 1\n");
    world.send("bad yaml").refused(&[
        "data-change-invalid",
        "db/2##dml##bad.yml:2:5",
        "a database is written `- name: NAME`",
    ]);
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.file("db/2##ddl##bad.yml", &change(one, "CREATE TABLE b (id INTEGER);"));
    world.send("ddl").refused(&["path-mismatch"]);
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.file(
        "db/2##dml##more.yml",
        &change(&format!("{two}  - name: gone\n"), "INSERT INTO a VALUES (3);\n  INSERT INTO a VALUES (1);"),
    );
    world
        .send("fails")
        .says(&["db/2##dml##more.yml:7:3: UNIQUE constraint failed", "names what is no tenant of this group: gone"]);
    world.file("db/2##dml##more.yml", &change(two, "INSERT INTO a VALUES (3);"));
    world.send("mended").says(&["wave 1 of 1: 1 applied, 2 up to date"]).ok();
}

#[test]
fn the_name_of_a_tenant_may_be_any_that_its_server_takes() {
    let database = Engine::Postgres.database();
    let empty = World::empty();
    let odd = format!("{} @#&={{", database.name());
    database.ask(&empty, &format!("CREATE DATABASE \"{odd}\""));
    let url = database.url.replace(database.name(), "{{database}}");
    let world = tenants_world(
        "postgres",
        &format!(
            "url = \"{url}\"\ncatalogue = \"{}\"\nquery = \"SELECT datname FROM pg_database WHERE datname LIKE '{} %'\"",
            database.url,
            database.name()
        ),
    );
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["wave 1 of 1: 1 applied"]).ok();
}

#[test]
fn a_pusher_cannot_say_how_databases_are_reached() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a AS SELECT current_setting('work_mem') AS m;\n");
    world.commit("one");
    let mut push = world.command("git", &world.clone_());
    push.args(["push", "-q", "origin", "HEAD:main"]).env("PGOPTIONS", "-c work_mem=9MB").env("PGSSLMODE", "require");
    crate::support::Done::of(&push.output().unwrap()).says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT m FROM a"), "4MB");
}

#[test]
fn tenants_that_are_files_are_found_by_a_pattern() {
    let world = tenants_world("sqlite", "url = \"sqlite:tenants/{{database}}.db\"\npattern = \"shop_*\"");
    std::fs::create_dir(world.server().join("tenants")).unwrap();
    for name in ["shop_a.db", "shop_b.db", "other.db"] {
        std::fs::write(world.server().join("tenants").join(name), "").unwrap();
    }
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["wave 1 of 1: 2 applied"]).ok();
    assert_eq!(std::fs::metadata(world.server().join("tenants/other.db")).unwrap().len(), 0);
}

#[test]
fn two_hundred_databases_of_a_server_are_named_by_its_catalogue() {
    let catalogue = Engine::Postgres.database();
    let mark = catalogue.url.split('/').nth(3).unwrap().split('?').next().unwrap().to_owned();
    let template = catalogue.url.replace(&mark, "{{database}}");
    let world = tenants_world(
        "postgres",
        &format!(
            "url = \"{template}\"\ncatalogue = \"{}\"\nquery = \"SELECT name FROM tenants WHERE active\"\nparallel = 8",
            catalogue.url
        ),
    );
    let empty = World::empty();
    catalogue.ask(&empty, "CREATE TABLE tenants (name TEXT, active BOOLEAN)");
    let tenants: Vec<Database> = (0..200).map(|_| Engine::Postgres.database()).collect();
    let values: Vec<String> = tenants.iter().map(|tenant| format!("('{}', true)", tenant.name())).collect();
    catalogue.ask(&empty, &format!("INSERT INTO tenants VALUES {}, ('gone', false)", values.join(", ")));
    world
        .file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\nCREATE INDEX CONCURRENTLY i ON a (id);\n");
    world.send("one").says(&["wave 1 of 2: 100 applied", "wave 2 of 2: 100 applied"]).ok();
    for tenant in [&tenants[0], &tenants[199]] {
        assert_eq!(tenant.ask(&empty, "SELECT state FROM schemagate.schemagate_migration"), "applied");
    }
}

#[test]
fn what_cannot_be_decided_is_put_to_people_and_their_answer_carried_out() {
    for engine in Engine::mysqls() {
        let database = engine.database();
        let world = database.world();
        let path = world.migration(
            "1",
            "CREATE TABLE a (id INT);\nCREATE PROCEDURE p() INSERT INTO a VALUES (1);\nCALL p();\nCREATE TABLE b (id INT);\n",
        );
        world.send("one").ok();
        // As a kill would have left it while statement 3 ran.
        database.ask(
            &world,
            "DROP TABLE b; UPDATE schemagate_migration SET seal = '', state = 'running', statements_done = 2, statement_open = 3",
        );
        let next = format!("schemagate resolve '{path}' -e dev -d shop --from 4");
        world.on_server(&["apply"]).refused(&[
            "whether it took effect is not known",
            "statements 1 to 2 of this file ran",
            &next,
        ]);
        world.on_server(&["resolve", &path]).refused(&["statement 3 was begun", "choose: --from STATEMENT"]);
        world
            .on_server(&["resolve", &path, "--from", "4"])
            .refused(&["would record that statements 1 to 3 ran", "--yes"]);
        world.on_server(&["resolve", &path, "--from", "4", "--yes"]).says(&["done: record"]).ok();
        world.on_server(&["apply"]).says(&["1 applied now", "from statement 4"]).ok();
        assert_eq!(database.ask(&world, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)"), "1|0");
        world.on_server(&["resolve", &path, "--applied", "--yes"]).refused(&["it is applied"]);
    }
}

#[test]
fn a_repair_touches_one_migration() {
    let world = World::usual();
    let one = world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("one").ok();
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.file(&one, "CREATE TABLE a (id INTEGER, b TEXT);\n");
    world.send("past the gate").says(&["STOPPED"]);
    world.on_server(&["repair", &one]).refused(&["would record that blob"]);
    world.on_server(&["repair", &one, "--yes"]).says(&["done"]).ok();
    world.on_server(&["apply"]).says(&["up to date, 1 applied"]).ok();
}

#[test]
fn tenants_of_one_name_in_two_groups_are_told_apart() {
    let group = |name: &str| {
        format!(
            "[[tenants]]\nenvironment = \"prod\"\ngroup = \"{name}\"\nurl = \"sqlite:{name}_{{{{database}}}}.db\"\ndatabases = [\"acme\"]\n"
        )
    };
    let project = |name: &str| {
        TENANTS
            .replace("DIALECT", "sqlite")
            .replace("\"shops\"", &format!("\"{name}\""))
            .replace("\"db\"", &format!("\"{name}\""))
    };
    let manifest = format!("{}{}", project("shops"), project("bills"));
    let server =
        format!("branches = [\"main\"]\n[[environment]]\nname = \"prod\"\n{}{}", group("shops"), group("bills"));
    let world = World::new(&manifest, &server);
    world.file("shops/1##ddl##a.sql", "CREATE TABLE a (id INTEGER);\n");
    world.file("bills/1##ddl##b.sql", "CREATE TABLE b (id INTEGER);\n");
    world.send("both").ok();
    world.file("shops/1##ddl##a.sql", "CREATE TABLE a (id INTEGER, n INTEGER);\n");
    world.send("edit").refused(&["released-edited", "it has run on prod/acme"]);
}

#[test]
fn what_a_command_leaves_behind_does_not_hold_up_the_rollout() {
    let server = "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\n\
                  url = { command = [\"sh\", \"-c\", \"sleep 300 & echo sqlite:shop.sqlite\"] }\n";
    let world = World::new(crate::support::MANIFEST, server);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("one").says(&["1 applied now"]).ok();
}

#[test]
fn a_catalogue_of_any_engine_names_the_tenants() {
    for engine in Engine::all() {
        let catalogue = engine.database();
        let (mark, tenants) = (catalogue.name().to_owned(), [engine.database(), engine.database()]);
        let template = catalogue.url.replace(&mark, "{{database}}");
        let keys = format!(
            "url = \"{template}\"\ncatalogue = \"{}\"\nquery = \"SELECT name FROM tenants WHERE active = 1 ORDER BY name\"",
            catalogue.url
        );
        let world = tenants_world(engine.dialect(), &keys);
        catalogue.ask(&world, "CREATE TABLE tenants (name VARCHAR(50), active INTEGER)");
        let rows = format!("('{}', 1), ('{}', 1), ('gone', 0)", tenants[0].name(), tenants[1].name());
        catalogue.ask(&world, &format!("INSERT INTO tenants VALUES {rows}"));
        world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.send("one").says(&["wave 1 of 1: 2 applied"]).ok();
        for tenant in &tenants {
            let state = format!("SELECT state FROM {}", tenant.history("migration"));
            assert_eq!(tenant.ask(&world, &state), "applied", "{engine:?}");
        }
        // A question that has no answer, and one that is none, name themselves.
        world.write_server_file(&tenants_file(&keys.replace("active = 1", "active = 7")));
        world.on_server(&["apply"]).says(&["no tenant is named"]).ok();
        world.write_server_file(&tenants_file(&keys.replace("FROM tenants", "FROM nowhere")));
        world.on_server(&["apply"]).refused(&["nowhere"]);
    }
}
