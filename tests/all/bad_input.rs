//! Anything may come in a push. The answer is a clear error, never a panic, a hang or a silent accept.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{MANIFEST, ONE_TARGET, World, assert_tame, flat};

const GOOD: &[u8] = b"CREATE TABLE a (id INTEGER PRIMARY KEY);\n";

#[test]
fn bytes_that_are_no_sql_are_named() {
    let world = World::usual();
    let cases: [(&str, &[u8], &str); 9] = [
        ("1", b"\xff\xfeS\0E\0", "this file is UTF-16"),
        ("2", b"SELECT '\xe4';", "(0xe4) is not UTF-8"),
        ("3", b"SELECT 1;\0", "is NUL"),
        ("4", b"", "holds no statement"),
        ("5", b"-- only a comment\n", "holds no statement"),
        ("6", b"SELECT 1;\n<<<<<<< HEAD\nSELECT 2;\n=======\nSELECT 3;\n>>>>>>> x\n", "a merge was left unresolved"),
        ("7", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        ("8", b"SELECT 'never closed;\n", "the string that opens here is never closed"),
        ("9", b".mode list\nSELECT 1;\n", "command of the client program"),
    ];
    for (version, content, _) in cases {
        let path = format!("db/shop/{version}##dml##x.sql");
        world.file(&path, "");
        std::fs::write(world.clone_().join(path), content).unwrap();
    }
    let text = world.send("bytes").refused(&[]);
    for (version, _, words) in cases {
        assert!(flat(&text).contains(words), "{version}: `{words}` is missing in:\n{text}");
    }
    assert_tame(&text);
}

#[test]
fn marks_and_line_endings_are_noted_and_pass() {
    let world = World::usual();
    world.migration("1", "\u{feff}CREATE TABLE a (id INTEGER);\r\n");
    let text = world.send("windows").ok();
    assert!(text.contains("warning[byte-order-mark]") && text.contains("note[carriage-return]"), "{text}");
}

#[test]
fn links_and_submodules_are_refused() {
    let world = World::usual();
    world.plant("120000", b"../../../etc/passwd", b"db/shop/1##ddl##x.sql");
    let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
    world.plant_id("160000", head.trim(), b"db/shop/2##ddl##x.sql");
    world.send_index().refused(&["a symbolic link stands where a migration should be", "a submodule stands"]);
}

#[test]
fn paths_that_could_harm_a_terminal_are_shown_escaped() {
    let world = World::usual();
    world.plant("100644", GOOD, b"db/shop/1##ddl##\xff.sql");
    world.plant("100644", GOOD, b"db/shop/2##ddl##\x1b[31mred\x07.sql");
    world.plant("100644", GOOD, "db/shop/3##ddl##\u{202e}lqs.sql".as_bytes());
    let text =
        world.send_index().refused(&["\\xff.sql", "\\x1b[31mred\\x07.sql", "\\u{202e}lqs.sql", "path-unreadable"]);
    assert_tame(&text);
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn sql_that_could_harm_a_terminal_is_shown_escaped() {
    let world = World::usual();
    world.migration("1", "CREATE TABEL \"\x1b[2J\u{9b}\" (x);\n");
    assert_tame(world.send("x").refused(&["\\x1b[2J"]));
}

#[test]
fn overlong_paths_are_refused() {
    let world = World::usual();
    let name = format!("db/shop/1##ddl##{}.sql", "x".repeat(900));
    world.plant("100644", GOOD, name.as_bytes());
    world.send_index().refused(&["path-unreadable", "at most 700"]);
}

#[test]
fn large_files_are_refused_without_being_read() {
    let world = World::usual();
    let path = "db/shop/1##dml##big.sql";
    world.file(path, "");
    let file = std::fs::File::create(world.clone_().join(path)).unwrap();
    file.set_len(100 << 20).unwrap();
    world.send("100 MiB").refused(&["file-too-large", "this file has 104857600 bytes; the limit is 16777216"]);
    world.write_server_file(&format!("{ONE_TARGET}\n[policy]\nlargest-file = 10\n"));
    world.file(path, "INSERT INTO a VALUES (1);");
    world.send("the server's limit").refused(&["the limit is 10"]);
}

#[test]
fn deep_and_endless_statements_are_answered() {
    let world = World::usual();
    let deep = |levels: usize| format!("SELECT {}1{};", "(".repeat(levels), ")".repeat(levels));
    world.file("db/shop/1##dml##a.sql", &deep(10_000));
    world.file("db/shop/2##dml##b.sql", &deep(100_000));
    world.file("db/shop/3##dml##c.sql", &format!("SELECT 1{};", "+1".repeat(20_000)));
    world.file("db/shop/4##dml##d.sql", &"(".repeat(100_000));
    world.file("db/shop/5##dml##e.sql", &format!("SELECT {};", "case when 1 then ".repeat(3_000)));
    let text = world.send("deep").refused(&[
        "1##dml##a.sql",
        "2##dml##b.sql",
        "nests brackets 100000 levels deep; the limit is 1000",
    ]);
    assert!(!text.contains("a mistake in schemagate itself"), "{text}");
}

#[test]
fn a_stray_end_hides_nothing() {
    let world = World::usual();
    world.migration("1", "CREATE TABLE a (i int) END; DROP TABLE users; garbage;");
    world.send("end").refused(&["1##ddl##change.sql:1:24", "near \"garbage\": syntax error"]);
}

#[test]
fn trees_that_git_does_not_write_are_refused() {
    let world = World::usual();
    let blob = world
        .feed(
            {
                let mut c = world.command("git", &world.clone_());
                c.args(["hash-object", "-w", "--stdin"]);
                c
            },
            GOOD,
        )
        .ok();
    let raw: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&blob.trim()[at..at + 2], 16).unwrap()).collect();
    let entry = |name: &str| [b"100644 ", name.as_bytes(), b"\0", &raw].concat();
    let tree = |world: &World, content: &[u8]| {
        let mut hash = world.command("git", &world.clone_());
        hash.args(["hash-object", "-t", "tree", "-w", "--literally", "--stdin"]);
        world.feed(hash, content).ok().trim().to_owned()
    };
    let manifest = world.in_clone(&["rev-parse", "HEAD:schemagate.toml"]).ok();
    for (content, words) in [
        ([entry("2##ddl##x.sql"), entry("1##ddl##x.sql")].concat(), "entries that are not sorted"),
        ([entry("1##ddl##x.sql"), entry("1##ddl##x.sql")].concat(), "entries that are not sorted"),
        (entry("../1##ddl##x.sql"), "an entry with the name"),
    ] {
        let shop = tree(&world, &content);
        let line = format!("040000 tree {shop}\tshop\n");
        let mktree = |line: &str| {
            world
                .feed(
                    {
                        let mut c = world.command("git", &world.clone_());
                        c.arg("mktree").arg("--missing");
                        c
                    },
                    line.as_bytes(),
                )
                .ok()
        };
        let db = mktree(&line);
        let root =
            mktree(&format!("040000 tree {}\tdb\n100644 blob {}\tschemagate.toml\n", db.trim(), manifest.trim()));
        let commit = world.in_clone(&["commit-tree", "-p", "HEAD", "-m", "x", root.trim()]).ok();
        let refspec = format!("{}:refs/heads/main", commit.trim());
        world.in_clone(&["push", "-q", "--no-verify", "origin", &refspec]).refused(&["tree-malformed", words]);
    }
}

#[test]
fn a_branch_that_is_no_commit_is_refused() {
    let world = World::usual();
    let tree = world.in_clone(&["rev-parse", "HEAD^{tree}"]).ok();
    let refspec = format!("{}:refs/heads/release/x", tree.trim());
    world.in_clone(&["push", "-q", "--no-verify", "origin", &refspec]).refused(&["not-a-commit", "is a tree"]);
}

#[test]
fn a_broken_manifest_is_refused_with_every_mistake() {
    let world = World::usual();
    world.file("schemagate.toml", "[[project]]\nname = \n");
    world.send("syntax").refused(&["manifest-invalid", "not valid TOML", "schemagate.toml:2"]);
    world.file("schemagate.toml", &MANIFEST.replace("{{VERSION}}##", ""));
    world.send("no version").refused(&["the template lacks {{VERSION}}"]);
    std::fs::remove_file(world.clone_().join("schemagate.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.clone_().join("schemagate.toml")).unwrap();
    world.send("link").refused(&["must be a regular file"]);
}

/// A world with one pending migration whose post-receive hook did not run.
fn pending() -> World {
    let world = World::usual();
    world.apply_nothing();
    world.file("db/shop/1##ddl##x.sql", "CREATE TABLE a (id INTEGER);");
    world.send("one").ok();
    world
}

#[test]
fn databases_that_cannot_be_used_are_named_with_a_remedy() {
    let world = pending();
    let database = world.server().join("dev-shop.sqlite");
    std::fs::write(&database, "this is no database, but a text that is long enough to be looked at as a page header")
        .unwrap();
    world.on_server(&["apply"]).refused(&["UNREACHABLE", "not a database", "restore it from a backup"]);
    world.on_server(&["status"]).refused(&["UNREACHABLE", "not a database"]);
    std::fs::remove_file(&database).unwrap();
    world.on_server(&["apply"]).ok();
    world.sql("dev-shop.sqlite", "update schemagate_meta set value = '3' where name = 'format'");
    world.on_server(&["apply"]).refused(&["has format 3, this program writes format 2", "upgrade schemagate"]);
    world.sql("dev-shop.sqlite", "update schemagate_meta set value = 'x' where name = 'format'");
    world.on_server(&["apply"]).refused(&["is not ours, or damaged"]);
}

#[test]
fn a_missing_folder_and_a_read_only_one_are_named() {
    let world = pending();
    world.write_server_file(&ONE_TARGET.replace("sqlite:dev-shop.sqlite", "sqlite:nowhere/dev-shop.sqlite"));
    world.on_server(&["apply"]).refused(&["nowhere/dev-shop.sqlite does not exist", "create its folder"]);
    world.write_server_file(&ONE_TARGET.replace("sqlite:dev-shop.sqlite", "sqlite:/proc/shop.sqlite"));
    world.on_server(&["apply"]).refused(&["UNREACHABLE", "/proc/shop.sqlite"]);
    world.write_server_file(&ONE_TARGET.replace("dev-shop.sqlite", "dev-shop.sqlite?mode=rw"));
    world.on_server(&["apply"]).refused(&["does not exist", "mode=rw"]);
}

#[test]
fn urls_are_never_shown() {
    let world = pending();
    let secret = "hunter2";
    world.write_server_file(&ONE_TARGET.replace("sqlite:dev-shop.sqlite", &format!("oracle://ada:{secret}@db/shop")));
    let text =
        world.on_server(&["apply"]).refused(&["its scheme is none of sqlite, postgres, postgresql, mysql and mariadb"]);
    assert!(!text.contains(secret), "{text}");
    world.write_server_file(
        &ONE_TARGET.replace("url = \"sqlite:dev-shop.sqlite\"", &format!("url = \"ada {secret}@db\"")),
    );
    let text = world.on_server(&["apply"]).refused(&["the URL of this target cannot be used"]);
    assert!(!text.contains(&format!("`{secret}")), "{text}");
    assert!(!text.contains(secret), "the line itself is masked: {text}");
    world.write_server_file(&ONE_TARGET.replace("sqlite:dev-shop.sqlite", &format!("sqlite://ada:{secret}@h/db")));
    let text = world.on_server(&["apply"]).refused(&["has no host and no user"]);
    assert!(!text.contains(secret), "{text}");
    world.write_server_file(&ONE_TARGET.replace("sqlite:dev-shop.sqlite", &format!("sqlite:x?password={secret}")));
    let text = world.on_server(&["apply"]).refused(&["no options but mode"]);
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn urls_may_come_from_elsewhere() {
    let world = pending();
    let file = world.server().join("shop.url");
    std::fs::write(&file, "sqlite:from-file.sqlite\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    world.write_server_file(&ONE_TARGET.replace("\"sqlite:dev-shop.sqlite\"", "{ file = \"shop.url\" }"));
    world.on_server(&["apply"]).refused(&["others may read it", "chmod 600"]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.on_server(&["apply"]).ok();
    world.write_server_file(
        &ONE_TARGET.replace("\"sqlite:dev-shop.sqlite\"", "{ command = [\"echo\", \"sqlite:from-command.sqlite\"] }"),
    );
    world.on_server(&["apply"]).ok();
    world.write_server_file(&ONE_TARGET.replace("\"sqlite:dev-shop.sqlite\"", "{ env = \"SHOP_URL\" }"));
    world.on_server(&["apply"]).refused(&["environment variable SHOP_URL is not set"]);
    let mut command = world.command(crate::support::PROGRAM, &world.server());
    command.arg("apply").env("SHOP_URL", "sqlite:from-env.sqlite");
    world.feed(command, b"").ok();
    for name in ["from-file", "from-command", "from-env"] {
        assert!(world.server().join(format!("{name}.sqlite")).exists());
    }
}

#[test]
fn templates_that_would_take_for_ever_are_refused() {
    let world = World::usual();
    world.file("schemagate.toml", &MANIFEST.replace("{{DB_NAME}}/", "**/b/**/b/**/b/{{DB_NAME}}/"));
    world.send("many").refused(&["more than two `**` in one template"]);
}

#[test]
fn folders_of_an_unknown_mode_and_endless_depth_are_refused() {
    let world = World::usual();
    let deep = format!("db/{}1##ddl##x.sql", "d/".repeat(140));
    world.plant("100644", GOOD, deep.as_bytes());
    world.send_index().refused(&["tree-malformed", "folders more than 128 levels deep"]);
}
