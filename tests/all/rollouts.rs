//! What goes from environment to environment, to tenants and from branch to branch: nothing runs where it was not tried
//! before, what has failed may be mended, and what is printed is true and can be typed.

use crate::databases::Engine;
use crate::support::{Done, MANIFEST, World};

const TWO: &str = "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"prod\"\nROLLOUT\n\
[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\nurl = \"sqlite:dev.sqlite\"\n\
[[target]]\nenvironment = \"prod\"\ndatabase = \"shop\"\nurl = \"sqlite:prod.sqlite\"\n";
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, n INTEGER);\n";
const FAILS: &str = "INSERT INTO a (id) VALUES (7), (7);\n";
pub(crate) const MENDED: &str = "INSERT INTO a (id) VALUES (7);\n";
const ROWS: &str = "db/shop/2##dml##rows.sql";

fn two(rollout: &str) -> World {
    World::new(MANIFEST, &TWO.replace("ROLLOUT", rollout))
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
    world.on_server(&["resolve", "2", "-b", "main"]).says(&["dev/shop: version 2"]);
    world.on_server(&["resolve", "2", "-b", "rel"]).says(&["prod/shop: version 2"]);
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:rel"]).ok());
    world.on_server(&["resolve", "2", "-e", "prod", "--applied", "--yes"]).ok();
    world.on_server(&["apply"]).says(&["prod/shop up to date"]).ok();
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

#[test]
fn a_target_of_which_nothing_is_known_is_named() {
    let world = two("");
    world.migration("1", TABLE);
    world.send("one").ok();
    for ledger in std::fs::read_dir(world.server().join("schemagate/ledger")).unwrap().flatten() {
        std::fs::remove_file(ledger.path()).unwrap();
    }
    world.migration("1", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.in_clone(&["commit", "-qam", "edited", "--no-verify"]).ok();
    let push = world.in_clone(&["push", "-q", "--no-verify", "origin", "main"]);
    push.refused(&[
        "nothing is known of dev/shop and prod/shop, and it may have run there; `schemagate sync` on the server asks",
    ]);
    world.on_server(&["sync"]).ok();
    world.in_clone(&["push", "-q", "--no-verify", "origin", "main"]).refused(&["it has run on dev/shop and prod/shop"]);
}

#[test]
fn what_ran_elsewhere_is_mended_in_the_database_and_not_in_the_file() {
    for rollout in ["", "rollout = \"manual\""] {
        let world = two(rollout);
        world.migration("1", TABLE);
        world.send("one").ok();
        world.on_server(&["apply", "-e", "prod"]).ok();
        world.sql("prod.sqlite", "INSERT INTO a (id) VALUES (7)");
        world.file(ROWS, MENDED);
        world.send("two");
        let words = [
            "prod/shop FAILED",
            "it has run on dev/shop (or runs there), so the file stays as it is",
            "then schemagate apply -e prod -d shop",
        ];
        let failed = world.on_server(&["apply", "-e", "prod"]).says(&words).text;
        world.on_server(&["status"]).refused(&words);
        world.sql("prod.sqlite", "DELETE FROM a WHERE id = 7");
        type_printed(&world, &failed, "schemagate apply -e prod -d shop").says(&["prod/shop 1 applied now"]).ok();
    }
}

#[test]
fn what_ran_in_part_on_another_branch_forbids_only_its_own_content() {
    let database = Engine::Postgres.database();
    let other = Engine::Postgres.database();
    let server = format!(
        "branches = [\"main\", \"rel\"]\n[[environment]]\nname = \"dev\"\nbranches = [\"main\"]\n[[environment]]\nname = \"prod\"\n\
         branches = [\"rel\"]\n[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\nurl = \"{}\"\n[[target]]\nenvironment = \
         \"prod\"\ndatabase = \"shop\"\nurl = \"{}\"\n",
        database.url, other.url
    );
    let rules = "[project.rules]\ntype-mismatch = \"off\"\nschema-error = \"off\"\n";
    let world = World::without_client_hooks(&format!("{}{rules}", database.manifest()), &server);
    let to_rel = ["push", "-q", "origin", "HEAD:rel"];
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    world.in_clone(&to_rel).ok();
    world.in_clone(&["checkout", "-q", "-b", "rel"]).ok();
    world.file("db/shop/2##ddl##x.sql", "CREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n");
    world.commit("fails at once");
    world.in_clone(&to_rel).says(&["prod/shop FAILED"]);
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.file(
        "db/shop/2##ddl##y.sql",
        "-- schemagate: no-transaction\nCREATE TABLE c (id INTEGER);\nINSERT INTO nowhere VALUES (2);\n",
    );
    world.send("fails half-way").says(&["dev/shop FAILED", "statement 1 of this file ran and stays"]);
    world.in_clone(&["checkout", "-q", "rel"]).ok();
    world.file("db/shop/2##ddl##x.sql", "CREATE TABLE b (id INTEGER);\n");
    world.commit("mended");
    world.in_clone(&to_rel).says(&["prod/shop 1 applied now"]).ok();
}

#[test]
fn another_database_is_named_once() {
    let world = two("");
    world.migration("1", TABLE);
    world.send("one").ok();
    std::fs::copy(world.server().join("prod.sqlite"), world.server().join("other.sqlite")).unwrap();
    world.write_server_file(&TWO.replace("ROLLOUT", "").replace("sqlite:dev.sqlite", "sqlite:other.sqlite"));
    world.on_server(&["apply"]).says(&["this is another database"]).ok();
    let said = world.on_server(&["apply"]).ok();
    assert!(!said.contains("another database"), "{said}");
}

#[test]
fn what_was_announced_and_never_began_may_be_mended() {
    let database = Engine::Postgres.database();
    let world = database.world();
    let role = format!("poor_{}", database.name());
    database.ask(
        &world,
        &format!("CREATE ROLE \"{role}\" LOGIN; REVOKE CREATE ON DATABASE \"{}\" FROM PUBLIC", database.name()),
    );
    let url = database.url.replace("postgres://postgres@", &format!("postgres://{role}@"));
    assert_ne!(url, database.url);
    world.write_server_file(&database.server_file_at(&url));
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["UNREACHABLE", "permission denied"]);
    world.migration("1", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    let said = world.send("mended").says(&["UNREACHABLE"]).text;
    assert!(!said.contains("released-edited"), "{said}");
}

#[test]
fn our_own_record_is_no_fault_of_the_file() {
    let database = Engine::Postgres.database();
    let world = database.world();
    let role = format!("own_{}", database.name());
    database.ask(
        &world,
        &format!("CREATE ROLE \"{role}\" LOGIN; GRANT CREATE ON SCHEMA public TO \"{role}\"; GRANT CREATE ON DATABASE \"{}\" TO \"{role}\"", database.name()),
    );
    world.write_server_file(
        &database.server_file_at(&database.url.replace("postgres://postgres@", &format!("postgres://{role}@"))),
    );
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    database.ask(&world, &format!("REVOKE INSERT ON {} FROM \"{role}\"", database.history("migration")));
    world.migration("2", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    let said = world
        .send("two")
        .says(&["FAILED", "lacks the right: grant it", "then schemagate sync", "could not be recorded"])
        .text;
    assert!(!said.contains("mend the file"), "{said}");
    database.ask(&world, &format!("GRANT INSERT ON {} TO \"{role}\"", database.history("migration")));
    world.on_server(&["sync"]).says(&["1 applied now, 2 in all"]).ok();
}

#[test]
fn what_failed_before_is_not_run_by_name() {
    let world = two("");
    world.migration("1", TABLE);
    world.file(ROWS, FAILS);
    world.send("fails").says(&["dev/shop FAILED", "prod/shop held back"]);
    world.on_server(&["apply", "-e", "prod"]).says(&["prod/shop 1 applied now", "from version 2 dml on wait"]);
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "0");
}

#[test]
fn what_is_announced_stays_so_whoever_looks_meanwhile() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.write_server_file(&format!("{}lock-wait = \"1 s\"\n", database.server_file()));
    world.migration("1", TABLE);
    world.file(ROWS, FAILS);
    world.send("fails").says(&["dev/shop FAILED"]);
    world.file(ROWS, &format!("{MENDED}SELECT pg_sleep(6);\n"));
    world.without_hooks(|| world.send("mended").ok());
    let runs = world.begin_apply();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    while database.ask(&world, asleep) != "1" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    world.on_server(&["apply"]).refused(&["is at work on this database"]);
    world.file(ROWS, "INSERT INTO a (id) VALUES (8);\n");
    world.commit("edited while it runs");
    world.push().refused(&["released-edited", "it was about to run on dev/shop"]);
    Done::of(&runs.wait_with_output().unwrap()).says(&["1 applied now"]).ok();
}

#[test]
fn a_plan_of_one_database_is_that_of_a_run_through_all_environments() {
    let world = two("");
    world.migration("1", TABLE);
    world.apply_nothing();
    world.send("one").ok();
    world.on_server(&["plan", "-d", "shop"]).says(&["dev/shop 1 of 1 pending", "prod/shop 1 of 1 pending"]).ok();
    world.on_server(&["apply", "-d", "shop"]).says(&["dev/shop 1 applied now", "prod/shop 1 applied now"]).ok();
}

#[test]
fn what_waits_for_people_in_between_is_waited_for() {
    let stage = "[[environment]]\nname = \"stage\"\nrollout = \"manual\"\n[[environment]]\nname = \"prod\"";
    let target = "[[target]]\nenvironment = \"stage\"\ndatabase = \"shop\"\nurl = \"sqlite:stage.sqlite\"\n";
    let server = TWO.replace("ROLLOUT", "").replace("[[environment]]\nname = \"prod\"", stage) + target;
    let world = World::new(MANIFEST, &server);
    world.migration("1", TABLE);
    world.send("one").says(&["dev/shop 1 applied now", "stage/shop 1 of 1 pending", "from version 1 ddl on wait"]).ok();
    assert!(
        !world.server().join("prod.sqlite").exists()
            || world.sql("prod.sqlite", "SELECT count(*) FROM sqlite_master WHERE name = 'a'") == "0"
    );
    world.on_server(&["apply", "-e", "stage"]).says(&["stage/shop 1 applied now"]).ok();
    world.on_server(&["sync"]).ok();
    assert_eq!(world.sql("prod.sqlite", "SELECT count(*) FROM a"), "0");
}

#[test]
fn who_runs_nothing_forgets_nothing() {
    let world = World::usual();
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    let two = world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (2);\n");
    world.file("db/shop/3##dml##x.sql", "INSERT INTO a VALUES (3);\n");
    world.send("three").ok();
    // Somebody takes a row out of the history; then no run can go on.
    world.sql("dev-shop.sqlite", "DELETE FROM schemagate_migration WHERE version = '2'");
    world.on_server(&["apply"]).refused(&["STOPPED: nothing ran", "schemagate renumber --released"]);
    world.file(&two, "INSERT INTO a VALUES (22);\n");
    world.send("edited").refused(&["released-edited", "it has run on dev/shop"]);
    // What has run nowhere may get another version, as the message says.
    world.in_clone(&["checkout", "-q", "HEAD~1", "--", &two]).ok();
    let renumber = world.sg(&["renumber", &two]);
    renumber.refused(&["--released", "the server knows"]);
    world.sg(&["renumber", "--released", &two]).says(&["4##dml##x.sql"]).ok();
}

#[test]
fn a_version_that_another_branch_has_taken_on_a_database_of_both_is_refused() {
    let server = "branches = [\"main\", \"hotfix\"]\n[[environment]]\nname = \"dev\"\n[[target]]\nenvironment = \
                  \"dev\"\ndatabase = \"shop\"\nurl = \"sqlite:dev.sqlite\"\n";
    let world = World::without_client_hooks(MANIFEST, server);
    world.migration("1", TABLE);
    world.send("one").ok();
    let to_hotfix = ["push", "-q", "origin", "HEAD:hotfix"];
    world.in_clone(&["checkout", "-q", "-b", "hotfix"]).ok();
    world.in_clone(&to_hotfix).ok();
    world.file("db/shop/2##ddl##x.sql", "CREATE TABLE urgent (id INTEGER PRIMARY KEY);\n");
    world.commit("hotfix");
    world.in_clone(&to_hotfix).says(&["dev/shop 1 applied now"]).ok();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    let taken = world.file("db/shop/2##ddl##feature.sql", "CREATE TABLE feature (id INTEGER PRIMARY KEY);\n");
    world.commit("feature");
    let why = "version 2 ddl has run on dev/shop with other content";
    world.push().refused(&["version-taken", why, "merge `hotfix`, then schemagate renumber"]);
    // The very file comes again with its merge.
    world.in_clone(&["merge", "-q", "-m", "merge", "hotfix"]).ok();
    world.sg(&["renumber", &taken]).ok();
    world.commit("another version");
    world.push().says(&["dev/shop 1 applied now"]).ok();
}

/// Two branches that serve one environment, at version 1.
fn shared() -> World {
    let server = "branches = [\"main\", \"hotfix\"]\n[[environment]]\nname = \"dev\"\n[[target]]\nenvironment = \
                  \"dev\"\ndatabase = \"shop\"\nurl = \"sqlite:dev.sqlite\"\n";
    let world = World::without_client_hooks(MANIFEST, server);
    world.migration("1", "CREATE TABLE n (n INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    world.sql("dev.sqlite", "INSERT INTO n VALUES (100)");
    world.in_clone(&["checkout", "-q", "-b", "hotfix"]).ok();
    world.in_clone(&["push", "-q", "origin", "HEAD:hotfix"]).ok();
    world
}

#[test]
fn what_another_branch_brought_never_runs_again_under_another_version() {
    let world = shared();
    world.file("db/shop/2##dml##hot.sql", "UPDATE n SET n = n + 10 WHERE n > 0;\n");
    world.commit("hotfix");
    world.in_clone(&["push", "-q", "origin", "HEAD:hotfix"]).ok();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.file("db/shop/2##dml##a.sql", "UPDATE n SET n = n + 1 WHERE n > 0;\n");
    world.commit("feature");
    world.in_clone(&["merge", "-q", "-m", "merge", "hotfix"]).ok();
    // The wrong one of the two gets another version.
    world.sg(&["renumber", "db/shop/2##dml##hot.sql"]).ok();
    world.commit("renumbered");
    let text = "the content of version 3 dml has run on dev/shop under the version that another branch gave it";
    world.push().refused(&["runs-again", text, "let the file keep its name from there", "version-taken"]);
    // What nobody judged stops the database.
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok());
    world.on_server(&["apply", "-b", "main"]).refused(&["2##dml##hot.sql` is another file"]);
    world.in_clone(&["mv", "db/shop/2##dml##a.sql", "db/shop/4##dml##a.sql"]).ok();
    world.commit("another version");
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok());
    world.on_server(&["apply", "-b", "main"]).refused(&["they would run twice", "give it its name back: git mv"]);
    world.in_clone(&["mv", "db/shop/3##dml##hot.sql", "db/shop/2##dml##hot.sql"]).ok();
    world.commit("as it was");
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok());
    world.on_server(&["apply", "-b", "main"]).says(&["dev/shop 1 applied now"]).ok();
    assert_eq!(world.sql("dev.sqlite", "SELECT n FROM n"), "111");
}

#[test]
fn what_comes_before_versions_of_another_branch_on_its_database_is_refused() {
    let world = shared();
    world.file("db/shop/3##dml##hot.sql", "UPDATE n SET n = n + 10 WHERE n > 0;\n");
    world.commit("hotfix");
    world.in_clone(&["push", "-q", "origin", "HEAD:hotfix"]).ok();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    let late = world.file("db/shop/2##dml##a.sql", "UPDATE n SET n = n + 1 WHERE n > 0;\n");
    world.commit("feature");
    world.push().refused(&["out-of-order", "a later version has run on dev/shop", "merge `hotfix`"]);
    world.in_clone(&["merge", "-q", "-m", "merge", "hotfix"]).ok();
    world.sg(&["renumber", "--released", &late]).ok();
    world.commit("behind it");
    world.push().says(&["dev/shop 1 applied now"]).ok();
    assert_eq!(world.sql("dev.sqlite", "SELECT n FROM n"), "111");
}

#[test]
fn a_failed_file_is_not_mended_where_another_branch_took_its_version() {
    let world = shared();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.file("db/shop/2##dml##a.sql", "UPDATE n SET n = n / 0 WHERE n > 0;\nINSERT INTO nowhere VALUES (1);\n");
    world.commit("fails");
    world.without_hooks(|| world.in_clone(&["push", "-q", "origin", "HEAD:main"]).ok());
    world.on_server(&["apply", "-b", "main"]).refused(&["dev/shop FAILED"]);
    world.in_clone(&["checkout", "-q", "hotfix"]).ok();
    world.file("db/shop/2##dml##hot.sql", "UPDATE n SET n = n + 10 WHERE n > 0;\n");
    world.commit("hotfix");
    world.in_clone(&["push", "-q", "origin", "HEAD:hotfix"]).says(&["1 applied now"]).ok();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.file("db/shop/2##dml##a.sql", "UPDATE n SET n = n + 1 WHERE n > 0;\n");
    world.commit("mended");
    world.push().refused(&["version-taken", "version 2 dml has run on dev/shop with other content"]);
}
