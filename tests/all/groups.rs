//! Groups of tenants: who belongs to them, what holds them back, and what is said of them.

use crate::databases::Engine;
use crate::many::{TENANTS, tenants_world};
use crate::rollouts::{MENDED, TABLE};
use crate::support::World;

/// A server file of two environments for a group, with these sections behind them.
fn shops(rollout: &str, sections: &str) -> World {
    let environments = "branches = [\"main\"]\n[[environment]]\nname = \"test\"\n[[environment]]\nname = \"prod\"\n";
    let sections = sections.replace("IN ", "environment = \"").replace("GROUP ", "\"\ngroup = \"shops\"\n");
    let world = World::new(&TENANTS.replace("DIALECT", "sqlite"), &format!("{environments}{rollout}\n{sections}\n"));
    world.file("db/1##ddl##a.sql", TABLE);
    world
}

#[test]
fn tenants_wait_for_the_target_of_their_group() {
    for (rollout, word) in [("rollout = \"manual\"", "pending"), ("", "held back")] {
        let world = shops(
            rollout,
            "[[target]]\nIN testGROUP database = \"canary\"\nurl = \"sqlite:canary.db\"\n[[tenants]]\nIN prodGROUP \
             url = \"sqlite:prod_{{database}}.db\"\ndatabases = [\"one\", \"two\"]",
        );
        world.send("one").ok();
        world.on_server(&["apply", "-e", "prod"]).ok();
        world.sql("canary.db", "INSERT INTO a (id) VALUES (2)");
        world.file("db/2##dml##rows.sql", "INSERT INTO a (id) VALUES (2);\n");
        world.send("fails in test").says(&["test/canary", "FAILED", word]);
        world.on_server(&["apply", "-e", "prod"]);
        if !rollout.is_empty() {
            assert_eq!(world.sql("prod_one.db", "SELECT count(*) FROM a"), "0");
        }
    }
}

#[test]
fn a_failed_file_may_be_mended_though_later_waves_were_never_tried() {
    let keys = "url = \"sqlite:{{database}}.db\"\nwave = 1\ndatabases = [\"one\", \"two\", \"three\"]";
    let world = tenants_world("sqlite", keys);
    world.sql("one.db", "CREATE TABLE a (id INTEGER)");
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("fails").says(&["2 tenants not touched: 1 failed, and `failures` is 1", "help: mend what failed"]);
    world.file("db/1##ddl##a.sql", TABLE);
    world.send("mended").says(&["wave 3 of 3: 1 applied"]).ok();
}

#[test]
fn two_sections_of_one_group_are_one_group() {
    let world = shops(
        "",
        "[[tenants]]\nIN testGROUP url = \"sqlite:{{database}}.db\"\ndatabases = [\"one\"]\n[[tenants]]\nIN testGROUP \
         url = \"sqlite:big_{{database}}.db\"\ndatabases = [\"two\"]",
    );
    world.send("one").ok();
    world.file(
        "db/2##dml##x.yml",
        "databases:\n  - name: one\n  - name: two\nstatement: |\n  INSERT INTO a (id) VALUES (1);\n",
    );
    let said = world.send("to both").ok();
    assert!(!said.contains("no tenant of this group"), "{said}");
    world.sql("one.db", "INSERT INTO a (id) VALUES (3)");
    world.file("db/3##dml##x.sql", "INSERT INTO a (id) VALUES (3);\n");
    world.send("fails for one").says(&["1 FAILED", "wave 1 of 1: 1 applied"]);
    assert_eq!(world.sql("big_two.db", "SELECT count(*) FROM a"), "2");
}

#[test]
fn two_groups_may_share_a_server_and_one_group_not_two_environments() {
    let sections = "[[tenants]]\nIN testGROUP url = \"sqlite:{{database}}.db\"\ndatabases = [\"one\"]\n[[tenants]]\n\
                    environment = \"test\"\ngroup = \"bills\"\nurl = \"sqlite:{{database}}.db\"\ndatabases = [\"one\"]\n";
    let world = shops("", sections);
    world.send("one").says(&["test/shops"]).ok();
    let world = shops(
        "",
        &sections.replace("environment = \"test\"\ngroup = \"bills\"", "environment = \"prod\"\ngroup = \"shops\""),
    );
    world.commit("one");
    world.push().refused(&["the server file has 1 mistake"]);
    world.on_server(&["status"]).refused(&["two targets have the same URL"]);
}

#[test]
fn tenants_are_databases_and_nothing_beside_them() {
    let world =
        tenants_world("sqlite", "url = { command = [\"echo\", \"sqlite:only.db\"] }\ndatabases = [\"one\", \"two\"]");
    world.file("db/1##ddl##a.sql", TABLE);
    world.send("one").says(&["the url of the tenants of `shops` is the same for all of them"]);
    assert!(!world.server().join("only.db").exists());
    let world = tenants_world("sqlite", "url = \"sqlite:tenants/{{database}}\"\npattern = \"shop_*\"");
    std::fs::create_dir_all(world.server().join("tenants/shop_folder")).unwrap();
    std::fs::write(world.server().join("tenants/shop_a"), "").unwrap();
    world.file("db/1##ddl##a.sql", TABLE);
    world.send("one").says(&["wave 1 of 1: 1 applied"]).ok();
    world.on_server(&["apply"]).says(&["1 up to date"]).ok();
    world
        .on_server(&["apply", "-d", "shop_b"])
        .refused(&["no target and no tenant that is meant has the database `shop_b`"]);
    world.on_server(&["status", "-d", "shop_b"]).refused(&["`shop_b`"]);
    world.on_server(&["history", "-d", "shop_b"]).refused(&["`shop_b`"]);
    for engine in Engine::mysqls() {
        let server = engine.database();
        let url = server.url.replace(server.name(), "{{database}}");
        let world = tenants_world(
            engine.dialect(),
            &format!("url = \"{url}\"\npattern = \"{{my*,{}}}\"\ncatalogue = \"{}\"", server.name(), server.url),
        );
        world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INT);\n");
        world.send("one").says(&["wave 1 of 1: 1 applied"]).ok();
    }
}

#[test]
fn what_helps_a_tenant_is_said_when_those_of_its_wave_are_done() {
    let keys = "url = \"sqlite:{{database}}.db\"\ndatabases = [\"one\", \"two\"]\nparallel = 1";
    let world = tenants_world("sqlite", keys);
    world.sql("one.db", "CREATE TABLE there (x INTEGER)");
    world.file("db/1##ddl##a.sql", "CREATE TABLE there (id INTEGER PRIMARY KEY);\n");
    // It failed before the other one had run it.
    let said = world.send("one").says(&["prod/one", "it has run on prod/two", "--forget"]).text;
    assert!(!said.contains("mend the file"), "{said}");
}

#[test]
fn what_failed_everywhere_is_mended_in_the_file() {
    for engine in Engine::mysqls().into_iter().chain([Engine::Sqlite]) {
        let databases: Vec<_> = (0..3).map(|_| engine.database()).collect();
        let names = databases.iter().map(|one| format!("\"{}\"", one.name())).collect::<Vec<_>>().join(", ");
        let url = databases[0].url.replace(databases[0].name(), "{{database}}");
        let world = tenants_world(engine.dialect(), &format!("url = \"{url}\"\ndatabases = [{names}]"));
        world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);\n");
        world.send("table").ok();
        // Where definitions commit by themselves each of them has run the first statement.
        let text = |name: &str| {
            format!("CREATE TABLE b (id INTEGER PRIMARY KEY);\nALTER TABLE {name} ADD COLUMN n INTEGER;\n")
        };
        world.file("db/2##ddl##b.sql", &text("missing"));
        world.without_hooks(|| world.send("everywhere").ok());
        let said = world.on_server(&["apply"]).refused(&["FAILED", "mend the file"]);
        assert!(!said.contains("it has run on"), "{said}");
        let again = world.on_server(&["apply", "-d", databases[1].name()]).refused(&["mend the file"]);
        assert!(!again.contains("it has run on"), "{again}");
        world.file("db/2##ddl##b.sql", &text("a"));
        world.send("mended").says(&["wave 1 of 1: 3 applied"]).ok();
    }
}

#[test]
fn a_tenant_that_was_made_anew_is_named() {
    let world = tenants_world("sqlite", "url = \"sqlite:{{database}}.db\"\ndatabases = [\"one\", \"two\"]");
    world.file("db/1##ddl##a.sql", TABLE);
    world.send("one").ok();
    std::fs::remove_file(world.server().join("two.db")).unwrap();
    world
        .on_server(&["sync"])
        .says(&["wave 1 of 1: 1 applied, 1 up to date", "prod/two", "the database was made anew"])
        .ok();
}

/// Two groups, shops and bills, whose tenants share a database.
fn sharing(database: &crate::databases::Database) -> World {
    let url = database.url.replace(database.name(), "{{database}}");
    let project = |name: &str| {
        format!(
            "[[project]]\nname = \"{name}\"\nbase-directory = \"{name}\"\ngroup = \"{name}\"\nfile-path-template = \
                 \"{{{{VERSION}}}}##{{{{TYPE}}}}##{{{{DESCRIPTION}}}}.sql\"\ndialect = \"{}\"\n",
            database.engine.dialect()
        )
    };
    let section = |group: &str| {
        format!(
            "[[tenants]]\nenvironment = \"prod\"\ngroup = \"{group}\"\nurl = \"{url}\"\ndatabases = [\"{}\"]\n",
            database.name()
        )
    };
    let environments = "branches = [\"main\"]\n[[environment]]\nname = \"prod\"\n";
    World::new(
        &format!("{}{}", project("shops"), project("bills")),
        &format!("{environments}{}{}", section("shops"), section("bills")),
    )
}

#[test]
fn two_groups_in_one_database_are_told_apart() {
    for engine in Engine::mysqls() {
        let database = engine.database();
        let world = sharing(&database);
        world.file("shops/1##ddl##a.sql", "CREATE TABLE a (id INT);\n");
        world.file("bills/1##ddl##b.sql", "CREATE TABLE b (id INT);\n");
        let said = world.send("both").ok();
        assert!(!said.contains("not in this commit"), "{said}");
        let said = world.on_server(&["apply"]).says(&["1 up to date"]).ok();
        assert!(!said.contains("not in this commit"), "{said}");
        world
            .on_server(&["resolve", "1", "-e", "prod", "-d", database.name(), "--forget"])
            .refused(&["several targets have it"]);
        let forget = ["resolve", "shops/1##ddl##a.sql", "-e", "prod", "-d", database.name(), "--forget", "--yes"];
        world.on_server(&forget).says(&["done: record that it does not matter here"]).ok();
    }
}

#[test]
fn a_server_that_does_not_answer_is_not_asked_for_each_of_its_tenants() {
    // An address that nobody answers at (RFC 5737).
    let names: Vec<String> = (0..40).map(|number| format!("\"t{number}\"")).collect();
    let world = tenants_world(
        "postgres",
        &format!(
            "url = \"postgres://x@192.0.2.1/{{{{database}}}}\"\nwave = 1\nlock-wait = \"1 s\"\ndatabases = [{}]",
            names.join(", ")
        ),
    );
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER);\n");
    let begun = std::time::Instant::now();
    world.send("nobody").says(&["39 tenants not touched: 1 failed, and `failures` is 1"]);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn a_group_with_nobody_yet_beside_its_target_holds_nobody_up() {
    let world = shops(
        "rollout = \"manual\"",
        "[[target]]\nIN testGROUP database = \"canary\"\nurl = \"sqlite:canary.db\"\n[[tenants]]\nIN testGROUP \
         url = \"sqlite:test_{{database}}.db\"\npattern = \"*\"\n[[tenants]]\nIN prodGROUP \
         url = \"sqlite:prod_{{database}}.db\"\ndatabases = [\"one\"]",
    );
    world.send("one").ok();
    world.on_server(&["apply", "-e", "prod"]).says(&["wave 1 of 1: 1 applied"]).ok();
    world.file("db/2##dml##x.yml", "databases:\n  - name: canary\nstatement: |\n  INSERT INTO a (id) VALUES (1);\n");
    let said = world.send("for the canary").ok();
    assert!(!said.contains("no tenant of this group"), "{said}");
}

#[test]
fn a_tenant_stands_once_in_its_group() {
    let sections = "[[tenants]]\nIN testGROUP url = \"sqlite:p1/{{database}}\"\nSECOND[[tenants]]\nIN testGROUP url = \
                    \"sqlite:p2/{{database}}\"\npattern = \"*\"";
    for (first, more) in [
        ("databases = [\"one\"]\n", ""),
        ("databases = [\"two\"]\n", "[[target]]\nIN testGROUP database = \"one\"\nurl = \"sqlite:x.db\"\n"),
    ] {
        let world = shops("", &sections.replace("SECOND", &format!("{first}{more}")));
        for folder in ["p1", "p2"] {
            std::fs::create_dir(world.server().join(folder)).unwrap();
        }
        std::fs::write(world.server().join("p2/one"), "").unwrap();
        world.send("one").says(&["test/one stands twice in the group `shops`", "take it out of one of the two"]);
        assert_eq!(std::fs::read(world.server().join("p2/one")).unwrap(), b"");
    }
}

#[test]
fn what_failed_for_one_tenant_before_is_not_run_by_name() {
    let world = shops(
        "",
        "[[tenants]]\nIN testGROUP url = \"sqlite:{{database}}.db\"\ndatabases = [\"a\", \"b\"]\n[[tenants]]\nIN prodGROUP url = \
         \"sqlite:prod_{{database}}.db\"\ndatabases = [\"c\"]",
    );
    world.send("one").ok();
    world.sql("a.db", "INSERT INTO a (id) VALUES (7)");
    world.file("db/2##dml##x.sql", MENDED);
    world.send("fails").says(&["1 tenant not touched: an earlier environment stopped"]);
    world.on_server(&["apply", "-d", "c"]);
    assert_eq!(world.sql("prod_c.db", "SELECT count(*) FROM a"), "0");
}

#[test]
fn a_new_history_of_one_group_is_not_that_of_the_other() {
    for engine in Engine::mysqls() {
        let database = engine.database();
        let world = sharing(&database);
        world.file("bills/1##ddl##b.sql", "CREATE TABLE IF NOT EXISTS b (id INT);\n");
        world.file("bills/1##dml##b.sql", "INSERT INTO b (id) VALUES (1);\n");
        world.send("bills").ok();
        for table in ["migration", "event", "meta"] {
            database.ask(&world, &format!("DROP TABLE {}", database.history(table)));
        }
        world.file("shops/1##ddl##a.sql", "CREATE TABLE a (id INT);\n");
        world.send("shops").says(&["the history of this database is gone: 2 migrations had run here"]);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM b"), "1", "{engine:?}");
    }
}
