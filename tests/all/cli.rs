//! Commands by hand: what they print, in both formats, and how they end.

use crate::support::{MANIFEST, PROGRAM, World, assert_tame};

const GOOD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n";
const BAD: &str = "CREATE TABEL a (id INTEGER);\n";
const COMMANDS: [&str; 14] = [
    "init",
    "install",
    "uninstall",
    "new",
    "check",
    "explain",
    "renumber",
    "plan",
    "apply",
    "sync",
    "status",
    "history",
    "hook",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let world = World::empty();
    let all = world.run(world.path(), &["--help"]).ok();
    for command in COMMANDS {
        assert!(all.contains(&format!("  {command}")), "{command} is missing in:\n{all}");
        let help = world.run(world.path(), &[command, "--help"]).ok();
        assert!(help.contains("Examples:\n  schemagate "), "{help}");
        assert!(help.contains("--format") && help.contains("--color"), "{help}");
    }
}

#[test]
fn exit_codes_are_a_promise() {
    let world = World::usual();
    assert_eq!(world.sg(&["check"]).code, 0);
    world.migration("1", BAD);
    assert_eq!(world.sg(&["check"]).code, 1);
    assert_eq!(world.run(std::path::Path::new("/"), &["status"]).code, 2);
    assert_eq!(world.sg(&["chekc"]).code, 64);
    assert_eq!(world.sg(&["check", "--nonsense"]).code, 64);
    assert_eq!(world.sg(&["--version"]).ok(), "schemagate 0.1.0\n");
}

#[test]
fn check_works_on_everything() {
    let world = World::usual();
    let path = world.migration("1", BAD);
    world.sg(&["check"]).refused(&["syntax-error"]);
    world.sg(&["check", &path]).refused(&["syntax-error"]);
    world.run(&world.clone_().join("db/shop"), &["check", "1##ddl##change.sql"]).refused(&["syntax-error"]);
    world.sg(&["check", "--staged"]).ok();
    world.in_clone(&["add", "."]).ok();
    world.sg(&["check", "--staged"]).refused(&["syntax-error"]);
    world.commit("bad");
    world.sg(&["check", "HEAD"]).refused(&["syntax-error"]);
    world.sg(&["check", "HEAD~1..HEAD"]).refused(&["syntax-error"]);
    world.sg(&["check", "HEAD..HEAD"]).ok();
    world.sg(&["check", "nowhere"]).refused(&["neither a file, a folder nor a commit"]);
    let mut command = world.command(PROGRAM, &world.clone_());
    command.args(["check", "--stdin-path", "db/shop/2##ddl##x.sql"]);
    world.feed(command, GOOD.as_bytes()).ok();
    let mut command = world.command(PROGRAM, &world.clone_());
    command.args(["check", "--stdin-path", "db/shop/2##ddl##x.sql"]);
    world.feed(command, BAD.as_bytes()).refused(&["2##ddl##x.sql:1:8"]);
    let plain = world.path().join("plain");
    std::fs::create_dir_all(plain.join("db/shop")).unwrap();
    std::fs::write(plain.join("schemagate.toml"), MANIFEST).unwrap();
    std::fs::write(plain.join("db/shop/1##ddl##x.sql"), BAD).unwrap();
    std::fs::write(plain.join("db/shop/01##ddl##x.sql"), GOOD).unwrap();
    world.run(world.path(), &["check", "plain"]).refused(&["syntax-error", "duplicate-version"]);
}

#[test]
fn a_range_shows_that_two_branches_meet() {
    let world = World::usual();
    world.in_clone(&["checkout", "-qb", "feature"]).ok();
    world.migration("2", GOOD);
    world.commit("two");
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.migration("3", "CREATE TABLE c (id INTEGER);");
    world.commit("three");
    world.sg(&["check", "main..feature"]).refused(&["out-of-order", "must come after 3"]);
    world.sg(&["check", "feature..main"]).ok();
}

#[test]
fn json_holds_exact_places() {
    let world = World::usual();
    world.migration("1", "-- ä\nCREATE TABEL \u{fc} (x);\n");
    let done = world.sg(&["check", "--format", "json"]);
    assert_eq!(done.code, 1);
    let json = done.json();
    assert_eq!((json["verdict"].as_str(), json["counts"]["error"].as_u64()), (Some("refused"), Some(1)));
    let finding = &json["findings"][0];
    assert_eq!(finding["rule"], "syntax-error");
    let place = &finding["place"];
    assert_eq!(place["name"], "db/shop/1##ddl##change.sql");
    assert_eq!((place["start"]["line"].as_u64(), place["start"]["column"].as_u64()), (Some(2), Some(8)));
    assert_eq!((place["start"]["byte"].as_u64(), place["end"]["byte"].as_u64()), (Some(13), Some(18)));
    assert_eq!(finding["fingerprint"].as_str().map(str::len), Some(16));
    assert_eq!(world.sg(&["check", "--format", "json"]).stdout, done.stdout, "two runs print the same");
    assert_eq!(world.sg(&["check", "--format", "json", "--color", "always"]).code, 1);
}

#[test]
fn colour_is_used_only_where_it_is_wanted() {
    let world = World::usual();
    world.migration("1", BAD);
    assert_tame(world.sg(&["check"]).text);
    assert!(world.sg(&["check", "--color", "always"]).text.contains("\x1b[1;31merror"));
    let mut command = world.command(PROGRAM, &world.clone_());
    command.args(["check"]).env("NO_COLOR", "1").env("TERM", "xterm");
    assert_tame(world.feed(command, b"").text);
}

#[test]
fn explain_tells_how_a_path_is_read() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.migration("3", "CREATE TABLE c (id INTEGER);");
    let file = world.server().join("schemagate-server.toml");
    let path = "db/shop/2##data##some_rows.sql";
    let text = world.sg(&["explain", "--server-file", file.to_str().unwrap(), path]).ok();
    for line in [
        "     project: shop",
        "    database: shop",
        "     dialect: SQLite",
        "     version: 2",
        "        type: dml",
        " description: Some rows",
        "    released: no",
        "  runs after: db/shop/1##ddl##change.sql",
        " runs before: db/shop/3##ddl##change.sql",
        "     targets: dev/shop",
    ] {
        assert!(text.contains(line), "`{line}` is missing in:\n{text}");
    }
    world.send("for the server").ok();
    world.on_server(&["explain", path]).says(&["targets: dev/shop", "runs after: db/shop/1##ddl##change.sql"]);
    world.sg(&["explain", "db/shop/2##dlm##x.sql"]).refused(&["is not a migration", "git mv", "2##dml##x.sql"]);
    world.sg(&["explain", "src/a.sql"]).refused(&["outside of every base directory (db)"]);
    world.sg(&["explain", "out-of-order"]).says(&["schemagate renumber PATH", "severity: error"]).ok();
    let json = world.sg(&["explain", path, "--format", "json"]).json();
    assert_eq!(json["reading"]["version"], "2");
}

#[test]
fn new_checks_what_it_is_given() {
    let world = World::usual();
    world.sg(&["new", "-d", "shpo", "-t", "ddl", "x"]).refused(&["did you mean `shop`?"]);
    world.sg(&["new", "-t", "ddl", "x"]).refused(&["{{DB_NAME}}", "--database"]);
    world.sg(&["new", "-d", "shop", "-t", "ddl"]).refused(&["{{DESCRIPTION}}"]);
    world.sg(&["new", "-d", "shop", "-t", "ddl", "a/b"]).refused(&["`/` may not stand"]);
    let path = world.sg(&["new", "-d", "shop", "-t", "ddl", "--version", "7", "x"]).ok();
    assert_eq!(path, "db/shop/7##ddl##x.sql\n");
    world.sg(&["new", "-d", "shop", "-t", "ddl", "--version", "7", "x"]).refused(&["is there already"]);
    world
        .sg(&["new", "-d", "shop", "-t", "ddl", "--version", "07", "y"])
        .refused(&["is taken by `db/shop/7##ddl##x.sql`"]);
    world.run(world.path(), &["status", "-C", "/nope"]).refused(&["the folder /nope does not exist"]);
    let json = world.sg(&["new", "-d", "shop", "-t", "dml", "--dry-run", "--format", "json", "y"]).json();
    assert_eq!((json["path"].as_str(), json["written"].as_bool()), (Some("db/shop/8##dml##y.sql"), Some(false)));
}

#[test]
fn renumber_keeps_pairs_together_and_released_files_alone() {
    let world = World::usual();
    let one = world.migration("5", GOOD);
    world.send("five").ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.file("db/shop/2##ddl##pair.sql", "CREATE TABLE b (id INTEGER);");
    world.file("db/shop/2##dml##pair.sql", "INSERT INTO b VALUES (1);");
    world.in_clone(&["add", "."]).ok();
    let text = world.sg(&["renumber", "--dry-run", "db/shop/2##dml##pair.sql", "db/shop/2##ddl##pair.sql"]).ok();
    assert_eq!(
        text,
        "db/shop/2##ddl##pair.sql -> db/shop/6##ddl##pair.sql\ndb/shop/2##dml##pair.sql -> db/shop/6##dml##pair.sql\n"
    );
    world.sg(&["renumber", "db/shop/2##dml##pair.sql", "db/shop/2##ddl##pair.sql"]).ok();
    let status = world.in_clone(&["status", "--porcelain"]).ok();
    assert!(
        status.contains("A  \"db/shop/6##ddl##pair.sql\"") || status.contains("A  db/shop/6##ddl##pair.sql"),
        "{status}"
    );
    world.sg(&["renumber", &one]).refused(&["is released"]);
    world.sg(&["renumber", "schemagate.toml"]).refused(&["is not a migration"]);
}

#[test]
fn history_and_selection() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.on_server(&["history"]).says(&["1 ddl applied", "db/shop/1##ddl##change.sql", "(unix)"]).ok();
    let json = world.on_server(&["history", "--format", "json"]).json();
    assert_eq!(json["targets"][0]["rows"][0]["state"], "applied");
    world.on_server(&["status", "-e", "dve"]).refused(&["no environment `dve`", "did you mean `dev`?"]);
    world.on_server(&["status", "-b", "nope"]).refused(&["no watched branch `nope`"]);
    world.run(world.path(), &["status", "-C", "server.git", "-d", "shop"]).says(&["up to date, 1 applied"]).ok();
}

#[test]
fn every_command_speaks_json() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    for arguments in [&["install"][..], &["uninstall"], &["plan"], &["apply"], &["sync"], &["status"], &["history"]] {
        let done = world.on_server(&[arguments, &["--format", "json"]].concat());
        assert!(done.json().is_object(), "{arguments:?}: {}", done.text);
    }
    let json = world.sg(&["init", "--force", "--format", "json"]).json();
    assert_eq!(json["written"], "./schemagate.toml");
}

#[test]
fn completions_are_written_for_every_shell() {
    let world = World::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.run(world.path(), &["completions", shell]).ok().contains("renumber"), "{shell}");
    }
}
