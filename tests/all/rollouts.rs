//! What goes from environment to environment, to tenants and from branch to branch: nothing runs where it was not tried
//! before, what has failed may be mended, and what is printed is true and can be typed.

use crate::databases::Engine;
use crate::many::{TENANTS, tenants_world};
use crate::support::{Done, MANIFEST, World};

const TWO: &str = "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"prod\"\nROLLOUT\n\
[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\nurl = \"sqlite:dev.sqlite\"\n\
[[target]]\nenvironment = \"prod\"\ndatabase = \"shop\"\nurl = \"sqlite:prod.sqlite\"\n";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, n INTEGER);\n";
const FAILS: &str = "INSERT INTO a (id) VALUES (7), (7);\n";
const MENDED: &str = "INSERT INTO a (id) VALUES (7);\n";
const ROWS: &str = "db/shop/2##dml##rows.sql";

fn two(rollout: &str) -> World {
    World::new(MANIFEST, &TWO.replace("ROLLOUT", rollout))
}

/// A server file of two environments for a group, with these sections behind them.
fn shops(rollout: &str, sections: &str) -> World {
    let environments = "branches = [\"main\"]\n[[environment]]\nname = \"test\"\n[[environment]]\nname = \"prod\"\n";
    let sections = sections.replace("IN ", "environment = \"").replace("GROUP ", "\"\ngroup = \"shops\"\n");
    let world = World::new(&TENANTS.replace("DIALECT", "sqlite"), &format!("{environments}{rollout}\n{sections}\n"));
    world.file("db/1##ddl##a.sql", TABLE);
    world
}

fn without_history(world: &World, database: &str) {
    for table in ["migration", "event", "meta"] {
        world.sql(database, &format!("DROP TABLE schemagate_{table}"));
    }
}

/// Types a command that was printed, as it was printed.
fn type_printed(world: &World, printed: &str, command: &str) -> Done {
    let flat = crate::support::flat(&printed.replace("remote:", ""));
    assert!(flat.contains(command), "`{command}` is missing in:\n{printed}");
    let program = std::path::Path::new(crate::support::PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = world.command("sh", &world.server());
    Done::of(&shell.args(["-c", command]).env("PATH", path).output().unwrap())
}

#[test]
fn what_is_held_back_keeps_the_witness_of_its_history() {
    let world = two("");
    world.migration("1", TABLE);
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a (n) VALUES (1);\n");
    world.send("one").ok();
    without_history(&world, "prod.sqlite");
    world.on_server(&["apply"]).says(&["the history of this database is gone"]);
    world.file(ROWS, FAILS);
    world.send("fails in dev").says(&["held back"]);
    world.file(ROWS, MENDED);
    world.send("mended").says(&["the history of this database is gone"]);
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "1");
}

#[test]
fn a_ledger_of_any_size_is_a_witness_and_one_that_cannot_be_read_is_a_doubt() {
    for (text, words) in [(None, "2 migrations had run here"), (Some("{"), "its ledger cannot be read")] {
        let world = two("");
        world.migration("1", TABLE);
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO a (n) VALUES (1);\n");
        world.send("one").ok();
        without_history(&world, "dev.sqlite");
        for ledger in std::fs::read_dir(world.server().join("schemagate/ledger")).unwrap().flatten() {
            // As large as one of ten thousand migrations.
            let kept = std::fs::read_to_string(ledger.path()).unwrap() + &" ".repeat(2 << 20);
            std::fs::write(ledger.path(), text.unwrap_or(&kept)).unwrap();
        }
        world.on_server(&["apply"]).refused(&["the history of this database is gone", words]);
        assert_eq!(world.sql("dev.sqlite", "SELECT count(*) FROM a"), "1");
    }
}

#[test]
fn everything_runs_again_only_where_it_was_said() {
    let world = two("");
    world.migration("1", TABLE);
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a (n) VALUES (1);\n");
    world.send("one").ok();
    without_history(&world, "dev.sqlite");
    without_history(&world, "prod.sqlite");
    let said = world.on_server(&["apply"]).refused(&["schemagate apply --as-new -e dev -d shop"]);
    world.on_server(&["apply", "--as-new"]).refused(&["it is for one target"]);
    type_printed(&world, &said, "schemagate apply --as-new -e dev -d shop").says(&["dev/shop 2 applied now"]).ok();
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "1");
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
fn a_failed_file_may_be_mended_before_a_manual_environment_was_ever_applied() {
    let world = two("rollout = \"manual\"");
    world.migration("1", TABLE);
    world.file(ROWS, FAILS);
    world.send("fails").says(&["dev/shop FAILED", "mend the file"]);
    let plan =
        world.on_server(&["plan", "-e", "prod"]).says(&["prod/shop 1 of 1 pending", "from version 2 dml on wait"]).ok();
    assert!(!plan.contains("pending  2 dml"), "{plan}");
    world.file(ROWS, MENDED);
    world.send("mended").says(&["dev/shop 1 applied now"]).ok();
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
fn what_other_environments_forgot_is_promoted_only_with_the_same_content() {
    let world = two("rollout = \"manual\"");
    world.migration("1", TABLE);
    world.file(ROWS, FAILS);
    world.send("fails").says(&["dev/shop FAILED"]);
    world.on_server(&["resolve", ROWS, "-e", "dev", "--forget", "--yes"]).ok();
    world.file(ROWS, MENDED);
    world.send("other content").says(&["dev/shop STOPPED"]);
    world.on_server(&["apply", "-e", "prod"]).says(&["from version 2 dml on wait"]);
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "0");
}

/// Main goes to dev, rel to prod; a file ran on dev and failed on prod, and is mended on rel alone.
fn branches() -> World {
    let server = TWO
        .replace("ROLLOUT", "branches = [\"rel\"]")
        .replace("branches = [\"main\"]", "branches = [\"main\", \"rel\"]")
        .replace("name = \"dev\"\n", "name = \"dev\"\nbranches = [\"main\"]\n");
    let world = World::without_client_hooks(MANIFEST, &server);
    let to_rel = ["push", "-q", "origin", "HEAD:rel"];
    world.migration("1", TABLE);
    world.send("one").ok();
    world.in_clone(&to_rel).ok();
    world.sql("prod.sqlite", "INSERT INTO a (id) VALUES (7)");
    world.file(ROWS, MENDED);
    world.send("two").ok();
    world.in_clone(&to_rel).says(&["prod/shop FAILED"]);
    world.file(ROWS, "INSERT INTO a (id) VALUES (7), (8);\n");
    world.commit("mended on rel alone");
    world
}

#[test]
fn a_file_that_a_target_of_another_branch_has_run_may_not_be_edited() {
    branches().in_clone(&["push", "-q", "origin", "HEAD:rel"]).refused(&["released-edited", "it has run on dev/shop"]);
}

#[test]
fn a_decision_takes_the_content_of_the_branch_of_its_target() {
    let world = branches();
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:rel"]).ok());
    world.on_server(&["resolve", "2", "-e", "prod", "--applied", "--yes"]).ok();
    world.on_server(&["apply"]).says(&["prod/shop up to date"]).ok();
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

#[test]
fn what_is_printed_can_be_typed() {
    let database = Engine::Postgres.database();
    let world = World::new(
        &database.manifest(),
        &format!(
            "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"prod\"\n[[target]]\n\
             environment = \"dev\"\ndatabase = \"shop\"\nurl = \"{}\"\n[[target]]\nenvironment = \"prod\"\ndatabase = \
             \"shop\"\nurl = \"{}\"\n",
            database.url,
            Engine::Postgres.database().url
        ),
    );
    world.migration("1", "CREATE TABLE a (id INTEGER);\nCREATE PROCEDURE half() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (1); COMMIT; PERFORM 1/(SELECT count(*) FROM a WHERE id = 9); END $$;\n");
    world.send("one").ok();
    world.file(
        "db/shop/2##dml##it's here.sql",
        "-- schemagate: no-transaction\nCALL half();\nINSERT INTO a VALUES (2);\n",
    );
    let said = world.send("half").says(&["statement 1 may have done a part of its work"]).text;
    let again = world.on_server(&["status"]).says(&["look at the database, and say what of it is there"]).text;
    let decide = "schemagate resolve 'db/shop/2##dml##it'\\''s here.sql' -e dev -d shop";
    type_printed(&world, &again, decide).says(&["choose: --from STATEMENT"]);
    type_printed(&world, &said, &format!("{decide} --from 2")).says(&["would record that statements 1 to 1 ran"]);
    world.on_server(&["resolve", "2", "-e", "dev", "-d", "shop", "--from", "2", "--yes"]).ok();
    world
        .on_server(&["status"])
        .says(&["it was decided that `schemagate apply` goes on with statement 2", "dev/shop 1 of 2 pending"]);
}

#[test]
fn status_says_what_became_of_a_rollout_that_failed() {
    let world = two("");
    world.migration("1", TABLE);
    world.sql("dev.sqlite", "CREATE TABLE b (id INTEGER)");
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.send("fails").says(&["dev/shop FAILED"]);
    world.on_server(&["status"]).says(&["the last rollout after a push ended with exit code 1:"]);
    world.sql("dev.sqlite", "DROP TABLE b");
    world.on_server(&["sync"]).ok();
    world.on_server(&["status"]).says(&["ended with exit code 1; what it left is done since"]).ok();
}
