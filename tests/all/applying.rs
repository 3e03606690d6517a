//! What runs, what is recorded, and what is left after every kind of stop.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{MANIFEST, ONE_TARGET, PROGRAM, World, flat};

const GOOD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n";

/// Three environments, each with a database `shop`, and `billing` in the first.
const THREE: &str = r#"
branches = ["main"]
[[environment]]
name = "dev"
[[environment]]
name = "test"
[[environment]]
name = "prod"
[[target]]
environment = "dev"
database = "shop"
url = "sqlite:dev-shop.sqlite"
[[target]]
environment = "test"
database = "shop"
url = "sqlite:test-shop.sqlite"
[[target]]
environment = "prod"
database = "shop"
url = "sqlite:prod-shop.sqlite"
[[target]]
environment = "prod"
database = "billing"
url = "sqlite:prod-billing.sqlite"
"#;

fn versions(world: &World, database: &str) -> String {
    world.sql(database, "select group_concat(version || ':' || state) from schemagate_migration")
}

#[test]
fn apply_by_hand_picks_up_where_a_push_stopped() {
    let world = World::new(&format!("{MANIFEST}[project.rules]\nschema-error = \"off\"\n"), ONE_TARGET);
    world.migration("1", "CREATE VIEW v AS SELECT * FROM later; SELECT * FROM v;");
    world.send("needs a table").ok();
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:failed");
    world.on_server(&["apply"]).refused(&["no such table"]);
    world.sql("dev-shop.sqlite", "create table later (id integer)");
    world.on_server(&["apply"]).ok();
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:applied");
    assert_eq!(world.sql("dev-shop.sqlite", "select attempt from schemagate_migration"), "3");
}

#[test]
fn broken_references_fail_before_the_commit_unless_they_were_broken_before() {
    let world = World::usual();
    world.migration("1", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p (id));");
    world.file("db/shop/2##dml##x.sql", "INSERT INTO c VALUES (7);");
    let text = world.send("orphan").ok();
    assert!(flat(&text).contains("1 row(s) of table c refer to rows of p that do not exist"), "{text}");
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*) from c"), "0");
    world.sql("dev-shop.sqlite", "insert into c values (9)");
    world.file("db/shop/2##dml##x.sql", "INSERT INTO p VALUES (1);");
    world.send("old orphans are not this file's fault").ok();
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:applied,2:applied");
}

#[test]
fn a_whole_push_can_share_a_transaction() {
    let world = World::new(MANIFEST, &format!("{ONE_TARGET}atomic = \"push\"\n"));
    world.migration("1", GOOD);
    let two = world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (7), (7);");
    let text = world.send("both or none").ok();
    assert!(flat(&text).contains("nothing of these 2 files stays"), "{text}");
    assert_eq!(versions(&world, "dev-shop.sqlite"), "2:failed");
    world.file(&two, "INSERT INTO a VALUES (7);");
    world.send("mended").ok();
    let counts = "select count(*), sum(state = 'applied') from schemagate_migration";
    assert_eq!(world.sql("dev-shop.sqlite", counts), "2|2");
}

#[test]
fn plan_shows_and_changes_nothing() {
    let world = World::usual();
    world.apply_nothing();
    world.migration("1", GOOD);
    world.send("one").ok();
    let before = listing(&world);
    world.on_server(&["plan"]).says(&["dev/shop pending 1 ddl Change (1 statement)", "1 of 1 pending"]).ok();
    let json = world.on_server(&["plan", "--format", "json"]).json();
    assert_eq!(json["targets"][0]["steps"][0]["outcome"], "pending");
    world.on_server(&["status"]).says(&["1 of 1 pending"]).ok();
    world.on_server(&["history"]).says(&["nothing has run here yet"]).ok();
    assert_eq!(listing(&world), before);
}

fn listing(world: &World) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(world.server())
        .into_iter()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn sync_repairs_a_push_whose_hook_never_ran() {
    let world = World::usual();
    let hook = world.server().join("hooks/post-receive");
    let kept = world.path().join("post-receive");
    std::fs::rename(&hook, &kept).unwrap();
    world.migration("1", GOOD);
    world.send("unseen").ok();
    std::fs::rename(&kept, &hook).unwrap();
    world.run(world.path(), &["sync", "server.git"]).says(&["dev/shop applied 1 ddl"]).ok();
    assert_eq!(world.run(world.path(), &["sync", "server.git"]).ok(), "", "nothing to do, nothing to say");
    world.run(world.path(), &["sync", "nowhere.git", "server.git"]).refused(&["nowhere.git was not synchronised"]);
}

#[test]
fn a_group_of_databases_takes_every_file() {
    let manifest = "[[project]]\nname = \"tenants\"\nbase-directory = \"t\"\ngroup = \"shops\"\ndialect = \"sqlite\"\n";
    let mut server = "branches = [\"main\"]\n[[environment]]\nname = \"prod\"\n".to_owned();
    for name in ["one", "two", "three"] {
        server += &format!(
            "[[target]]\nenvironment = \"prod\"\ngroup = \"shops\"\ndatabase = \"{name}\"\nurl = \"sqlite:{name}.sqlite\"\n"
        );
    }
    let world = World::new(manifest, &server);
    world.file("t/1##ddl##init.sql", GOOD);
    world.send("all").ok();
    for name in ["one", "two", "three"] {
        assert_eq!(versions(&world, &format!("{name}.sqlite")), "1:applied");
    }
}

#[test]
fn two_hooks_at_once_run_everything_once() {
    let world = World::usual();
    for round in 1..=5 {
        world.migration(
            &round.to_string(),
            &format!("CREATE TABLE r{round} (id INTEGER);\nINSERT INTO log VALUES ({round});")
                .replace("INSERT INTO log", "INSERT INTO log SELECT * FROM (VALUES")
                .replace(");", "));"),
        );
    }
    world.migration("0", "CREATE TABLE log (id INTEGER);");
    for round in 1..=5 {
        world.file(&format!("db/shop/{round}##ddl##change.sql"), &format!("CREATE TABLE r{round} (id INTEGER);"));
        world.file(&format!("db/shop/{round}##dml##log.sql"), &format!("INSERT INTO log VALUES ({round});"));
    }
    std::fs::rename(world.server().join("hooks/post-receive"), world.path().join("kept")).unwrap();
    world.send("all").ok();
    let start = || {
        let mut command = world.command(PROGRAM, &world.server());
        command.arg("apply").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut children: Vec<_> = (0..6).map(|_| start()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*), sum(id) from log"), "5|15");
    assert_eq!(world.sql("dev-shop.sqlite", "select sum(attempt) from schemagate_migration"), "11");
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_runs_nothing_twice() {
    let world = World::usual();
    world.migration("0", "CREATE TABLE log (id INTEGER);");
    for number in 1..=40 {
        let vacuum = if number % 10 == 0 { "VACUUM;\n" } else { "" };
        world.file(
            &format!("db/shop/{number}##dml##log.sql"),
            &format!("INSERT INTO log VALUES ({number});\n{vacuum}INSERT INTO log VALUES ({number});"),
        );
    }
    world.apply_nothing();
    world.send("all").ok();
    let mut killed = 0;
    for pause in (0..).map(|step| Duration::from_millis(4 + step * 3)) {
        let mut command = world.command(PROGRAM, &world.server());
        let mut child = command.arg("apply").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(pause);
        let done = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        let _ = child.wait();
        killed += usize::from(!done);
        if done {
            break;
        }
    }
    assert!(killed > 0, "the program was never killed");
    world.on_server(&["apply"]).ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*), count(distinct id), sum(id) from log"), "80|40|1640");
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*) from schemagate_migration where state = 'applied'"), "41");
}

#[test]
fn a_client_that_goes_away_does_not_stop_the_rollout() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.file("db/shop/2##dml##slow.sql", "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) INSERT INTO a SELECT i FROM n;");
    world.migration("3", "CREATE TABLE b (id INTEGER);");
    world.commit("slow");
    let mut command = world.command("git", &world.clone_());
    let mut push =
        command.args(["push", "-q", "--no-verify", "origin", "HEAD:main"]).stderr(Stdio::null()).spawn().unwrap();
    let database = world.server().join("dev-shop.sqlite");
    wait_until("the rollout begins", || database.exists());
    push.kill().unwrap();
    push.wait().unwrap();
    wait_until("the rollout ends", || {
        world.on_server(&["status", "--format", "json"]).json()["targets"][0]["standing"] == "current"
    });
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:applied,2:applied,3:applied");
}

#[track_caller]
fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_busy_database_is_waited_for_with_a_limit_and_the_holder_is_named() {
    let world = World::new(MANIFEST, &ONE_TARGET.replace("url =", "lock-wait = \"300ms\"\nurl ="));
    world.migration("1", GOOD);
    world.apply_nothing();
    world.send("one").ok();
    let lock = std::fs::File::create(world.server().join("dev-shop.sqlite.schemagate-lock")).unwrap();
    lock.lock().unwrap();
    world.on_server(&["apply"]).refused(&["UNREACHABLE", "another process is at work on this database", "lock-wait"]);
    lock.unlock().unwrap();
    world.on_server(&["apply"]).ok();
}

#[test]
fn environments_are_served_by_their_branches() {
    let server = THREE
        .replace("name = \"prod\"", "name = \"prod\"\nbranches = [\"release/*\"]")
        .replace("[\"main\"]", "[\"main\", \"release/*\"]");
    let manifest = format!("{MANIFEST}[project.databases.billing]\ndialect = \"sqlite\"\n");
    let world = World::new(&manifest, &server);
    world.migration("1", GOOD);
    world.send("to dev and test").ok();
    assert!(!world.server().join("prod-shop.sqlite").exists());
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:release/1"]).ok();
    assert_eq!(versions(&world, "prod-shop.sqlite"), "1:applied");
}

#[test]
fn references_are_checked_statement_by_statement_too() {
    let world = World::usual();
    world.migration("1", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p (id));");
    world.file("db/shop/2##dml##x.sql", "VACUUM;\nINSERT INTO p VALUES (1);\nINSERT INTO c VALUES (7);");
    let text = world.send("orphan").ok();
    assert!(flat(&text).contains("1 row(s) of table c refer to rows of p"), "{text}");
    assert!(flat(&text).contains("statement 1 of this file ran and stays"), "{text}");
    assert_eq!(world.sql("dev-shop.sqlite", "select (select count(*) from p), (select count(*) from c)"), "0|0");
}

#[test]
fn an_edit_is_refused_while_the_old_content_runs() {
    let world = World::usual();
    world.migration("1", GOOD);
    let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) INSERT INTO a SELECT i FROM n;";
    world.file("db/shop/2##dml##slow.sql", slow);
    world.commit("slow");
    let mut command = world.command("git", &world.clone_());
    let mut push =
        command.args(["push", "-q", "--no-verify", "origin", "HEAD:main"]).stderr(Stdio::null()).spawn().unwrap();
    let database = world.server().join("dev-shop.sqlite");
    wait_until("the rollout begins", || database.exists() && database.metadata().unwrap().len() > 20_000);
    world.file("db/shop/2##dml##slow.sql", &slow.replace("4000000", "5"));
    world.send("while it runs").refused(&["released-edited"]);
    push.wait().unwrap();
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:applied,2:applied");
}

#[test]
fn a_database_that_others_write_to_is_waited_for_as_long_as_configured() {
    let world = World::new(MANIFEST, &ONE_TARGET.replace("url =", "lock-wait = \"400ms\"\nurl ="));
    world.migration("1", GOOD);
    world.apply_nothing();
    world.send("one").ok();
    let database = world.server().join("dev-shop.sqlite");
    let mut holder = std::process::Command::new("sqlite3");
    holder.arg(&database).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    use std::io::{Read as _, Write as _};
    holder.stdin.as_mut().unwrap().write_all(b"BEGIN IMMEDIATE; SELECT 1;\n").unwrap();
    holder.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
    world.on_server(&["apply"]).refused(&["database is locked", "another program holds the database"]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    world.on_server(&["apply"]).ok();
}

#[test]
fn no_migration_may_touch_the_history() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.file("db/shop/2##dml##x.sql", "DELETE FROM \"schemagate_migration\";");
    world.migration("3", "DROP TABLE Schemagate_Meta;");
    world.send("history").refused(&["history-table", "2##dml##x.sql:1:13", "3##ddl##change.sql:1:12"]);
}

#[test]
fn two_branches_that_used_one_version_can_be_put_right() {
    let world = World::usual();
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:release/1"]).ok();
    world.in_clone(&["checkout", "-qb", "release/1"]).ok();
    world.file("db/shop/2##ddl##r.sql", "CREATE TABLE r (x);");
    world.commit("on release");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "release/1"]).ok();
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.file("db/shop/2##ddl##m.sql", "CREATE TABLE m (x);");
    world.send("the same version on main").refused(&["version-taken"]);
    world.without_hooks(|| world.push().ok());
    world.on_server(&["apply"]).refused(&["STOPPED: nothing ran"]);
    world.in_clone(&["mv", "db/shop/2##ddl##m.sql", "db/shop/3##ddl##m.sql"]).ok();
    world.send("it ran nowhere, so it may move").ok();
    assert_eq!(versions(&world, "dev-shop.sqlite"), "2:applied,3:applied");
}

#[test]
fn a_pipe_that_is_closed_or_full_does_not_stop_the_rollout() {
    for read_nothing in [true, false] {
        let world = World::usual();
        world.apply_nothing();
        for number in 1..=1200 {
            world.migration(&number.to_string(), &format!("CREATE TABLE t{number} (id INTEGER);"));
        }
        world.send("more lines than a pipe holds").ok();
        let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
        let mut command = world.command(PROGRAM, &world.server());
        command.args(["hook", "post-receive"]).env("GIT_DIR", ".").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut hook = command.stderr(Stdio::null()).spawn().unwrap();
        let reader = hook.stdout.take();
        let kept = if read_nothing { reader } else { None };
        let line = format!("{} {} refs/heads/main\n", "0".repeat(40), head.trim());
        std::io::Write::write_all(&mut hook.stdin.take().unwrap(), line.as_bytes()).unwrap();
        hook.wait().unwrap();
        drop(kept);
        let count = "select count(*) from schemagate_migration where state = 'applied'";
        assert_eq!(world.sql("dev-shop.sqlite", count), "1200");
    }
}

#[test]
fn a_formatter_is_no_edit_and_the_targets_that_ran_a_file_are_named() {
    let world = World::usual();
    let one = world.migration("1", GOOD);
    world.send("one").ok();
    world.file(&one, "-- why\nCREATE  TABLE a\n(id INTEGER PRIMARY KEY);\r\n");
    world.send("formatted").says(&["released-reformatted", "does not run again"]).ok();
    world.file(&one, "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT);\n");
    world.send("edited").refused(&["released-edited", "it has run on dev/shop"]);
    assert_eq!(versions(&world, "dev-shop.sqlite"), "1:applied");
}
