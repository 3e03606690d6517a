//! The server's judge: every kind of push has a defined answer.

use crate::support::{MANIFEST, ONE_TARGET, World, flat};

const GOOD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n";
const BAD: &str = "CREATE TABEL a (id INTEGER);\n";

#[test]
fn the_first_push_of_an_empty_repository_is_judged_whole() {
    let world = World::new(MANIFEST, ONE_TARGET);
    world.migration("1", GOOD);
    world.migration("2", BAD);
    world.send("all").refused(&["2##ddl##change.sql", "syntax-error", "checked 2 migrations"]);
    world.migration("2", "CREATE TABLE b (id INTEGER);");
    world.send("all").ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*) from schemagate_migration"), "2");
}

#[test]
fn a_branch_without_a_manifest_is_refused() {
    let world = World::new(MANIFEST, ONE_TARGET);
    std::fs::remove_file(world.clone_().join("schemagate.toml")).unwrap();
    world.file("a.txt", "x");
    world.send("nothing").refused(&["manifest-missing", "schemagate init"]);
    let world = World::usual();
    std::fs::remove_file(world.clone_().join("schemagate.toml")).unwrap();
    world.send("removed").refused(&["manifest-missing"]);
}

#[test]
fn every_bad_statement_is_reported_with_its_place() {
    let world = World::usual();
    world.migration("1", "SELECT 1;\nCREATE TABEL a;\n\nCREATE TABLE b (x INTEGER,);\nSELECT 2;\nDELET FROM b;\n");
    let text = world.send("bad").refused(&["3 errors"]);
    for place in [":2:8", ":4:27", ":6:1"] {
        assert!(text.contains(&format!("1##ddl##change.sql{place}")), "{place} is missing in {text}");
    }
    assert!(flat(&text).contains("did you mean DELETE?"), "{text}");
}

#[test]
fn released_files_are_immutable() {
    let world = World::usual();
    let one = world.migration("1", GOOD);
    world.migration("2", "CREATE TABLE b (id INTEGER);");
    world.send("one").ok();
    let reset = || world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.file(&one, "CREATE TABLE a (id INTEGER PRIMARY KEY, more TEXT);");
    world.send("edit").refused(&["released-edited", "git checkout"]);
    reset();
    world.in_clone(&["rm", "-q", &one]).ok();
    world.send("delete").refused(&["released-deleted"]);
    reset();
    world.in_clone(&["mv", &one, "db/shop/1##ddl##renamed.sql"]).ok();
    world.send("rename").refused(&["released-renamed", "git mv 'db/shop/1##ddl##renamed.sql'"]);
    reset();
    std::fs::remove_file(world.clone_().join(&one)).unwrap();
    std::os::unix::fs::symlink("2##ddl##change.sql", world.clone_().join(&one)).unwrap();
    world.send("link").refused(&["released-replaced", "not-a-file"]);
}

#[test]
fn an_executable_bit_is_no_edit() {
    let world = World::usual();
    let one = world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["update-index", "--chmod=+x", &one]).ok();
    world.send_index().ok();
}

#[test]
fn duplicates_and_late_versions_are_refused_and_renumber_mends_them() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.migration("5", "CREATE TABLE b (id INTEGER);");
    world.send("both").ok();
    world.in_clone(&["fetch", "-q"]).ok();
    world.file("db/shop/05##ddl##again.sql", "CREATE TABLE c (id INTEGER);");
    world.file("db/shop/3##dml##late.sql", "INSERT INTO a VALUES (1);");
    world.send("late").refused(&["duplicate-version", "written `5` there", "out-of-order", "must come after 5"]);
    world.sg(&["renumber", "db/shop/05##ddl##again.sql", "db/shop/3##dml##late.sql"]).ok();
    world.send("mended").ok();
    assert_eq!(
        world.sql("dev-shop.sqlite", "select group_concat(version||kind) from schemagate_migration"),
        "1ddl,5ddl,6dml,7ddl"
    );
}

#[test]
fn one_version_serves_ddl_and_dml_and_ddl_runs_first() {
    let world = World::usual();
    world.file("db/shop/1##data##rows.sql", "INSERT INTO a VALUES (1);");
    world.file("db/shop/1##migrate##table.sql", GOOD);
    world.send("both").ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select group_concat(kind) from schemagate_migration"), "ddl,dml");
}

#[test]
fn content_must_be_what_the_path_says() {
    let world = World::usual();
    world
        .migration("1", "CREATE TABLE a (id INTEGER);\nINSERT INTO a (id) VALUES (1);\nINSERT INTO a (id) SELECT 2;\n");
    let text = world.send("mixed").refused(&["type-mismatch", "change.sql:2:1", "INSERT is a data statement"]);
    assert!(!text.contains("change.sql:3:1"), "copied rows belong to the schema change: {text}");
    world.migration("1", "BEGIN; CREATE TABLE a (id INTEGER); COMMIT;");
    world.send("tx").refused(&["transaction-control"]);
    world.migration("1", "ATTACH 'x.db' AS x;");
    world.send("attach").refused(&["other-database"]);
}

#[test]
fn unknown_names_list_the_candidates() {
    let manifest = MANIFEST.replace("{{DB_NAME}}/", "{{ENV_ID}}/{{DB_NAME}}/");
    let world = World::new(&manifest, ONE_TARGET);
    world.file("db/prood/shop/1##ddl##x.sql", GOOD);
    world.file("db/dev/shpo/1##ddl##x.sql", GOOD);
    world.send("x").refused(&[
        "unknown-environment",
        "the server file has dev",
        "unknown-database",
        "did you mean `shop`?",
    ]);
}

#[test]
fn a_near_miss_is_shown_segment_by_segment() {
    let world = World::usual();
    world.file("db/shop/1-ddl-init.sql", GOOD);
    world.file("db/readme.txt", "not a migration");
    let text =
        world.send("x").refused(&["path-mismatch", "git mv 'db/shop/1-ddl-init.sql' 'db/shop/1##ddl##init.sql'"]);
    assert!(flat(&text).contains("1-ddl-init.sql against {{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql"), "{text}");
    assert!(!text.contains("readme.txt"), "{text}");
}

#[test]
fn names_that_differ_only_in_case_are_refused() {
    let world = World::usual();
    world.file("db/shop/1##ddl##init.sql", GOOD);
    world.send("one").ok();
    world.file("db/SHOP/2##ddl##x.sql", "CREATE TABLE b (id INTEGER);");
    world.send("twin").refused(&["path-twin"]);
    world.in_clone(&["reset", "-q", "--hard", "HEAD~1"]).ok();
    world.file("DB/shop/2##ddl##x.sql", "CREATE TABLE b (id INTEGER);");
    world.send("another base").refused(&["path-twin", "git mv 'DB/shop/2##ddl##x.sql' 'db/shop/2##ddl##x.sql'"]);
}

#[test]
fn deleting_and_rewinding_a_watched_branch_needs_leave() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:release/1"]).ok();
    world.in_clone(&["push", "--no-verify", "origin", ":release/1"]).refused(&["branch-deleted"]);
    world.in_clone(&["reset", "-q", "--hard", "HEAD~1"]).ok();
    world
        .in_clone(&["push", "-qf", "--no-verify", "origin", "HEAD:main"])
        .refused(&["branch-rewound", "git pull --rebase"]);
    world.write_server_file(&format!(
        "{ONE_TARGET}\n[policy]\nallow-branch-rewind = true\nallow-branch-deletion = true\n"
    ));
    world.in_clone(&["push", "-q", "--no-verify", "origin", ":release/1"]).ok();
    world.in_clone(&["push", "-qf", "--no-verify", "origin", "HEAD:main"]).refused(&["released-deleted"]);
    world.file("notes.txt", "other");
    world.in_clone(&["checkout", "-q", "origin/main", "--", "db"]).ok();
    world.commit("replaced, migrations kept");
    world.in_clone(&["push", "-qf", "--no-verify", "origin", "HEAD:main"]).ok();
}

#[test]
fn other_references_pass_and_replace_references_never() {
    let world = World::usual();
    world.migration("1", BAD);
    world.commit("bad");
    world.in_clone(&["tag", "v1"]).ok();
    world.in_clone(&["tag", "-am", "x", "v2"]).ok();
    world.in_clone(&["push", "-q", "--no-verify", "origin", "v1", "v2", "HEAD:refs/heads/topic"]).ok();
    let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
    let replace = format!("HEAD:refs/replace/{}", head.trim());
    world.in_clone(&["push", "-q", "--no-verify", "origin", &replace]).refused(&["replace-reference"]);
}

#[test]
fn all_references_of_a_push_are_judged_in_one_report() {
    let world = World::usual();
    world.migration("1", BAD);
    world.commit("bad");
    world.in_clone(&["checkout", "-qb", "release/2"]).ok();
    world.migration("2", "CREATE VIEV v AS SELECT 1;");
    world.commit("worse");
    let text = world
        .in_clone(&["push", "-q", "--no-verify", "origin", "main", "release/2"])
        .refused(&["1##ddl##change.sql:1:8", "2##ddl##change.sql:1:8"]);
    assert_eq!(text.matches("schemagate: refused").count(), 1, "{text}");
    assert_eq!(
        text.matches("1##ddl##change.sql:1:8").count(),
        1,
        "the same finding of two references counts once: {text}"
    );
}

#[test]
fn hundreds_of_references_at_once_are_judged() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.commit("good");
    let names: Vec<String> = (0..300).map(|number| format!("HEAD:refs/heads/topic/{number}")).collect();
    let mut arguments = vec!["push", "-q", "--no-verify", "origin", "HEAD:main"];
    arguments.extend(names.iter().map(String::as_str));
    world.in_clone(&arguments).ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*) from schemagate_migration"), "1");
}

#[test]
fn a_symbolic_alias_does_not_pass_the_filter() {
    let world = World::usual();
    world.git(&world.server(), &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]).ok();
    world.migration("1", BAD);
    world.commit("bad");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:refs/heads/alias"]).refused(&["syntax-error"]);
    world.migration("1", GOOD);
    world.commit("good");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:refs/heads/alias"]).ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select count(*) from schemagate_migration"), "1");
}

#[test]
fn merges_are_judged_by_their_net_effect() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["checkout", "-qb", "topic", "HEAD~1"]).ok();
    world.migration("2", BAD);
    world.commit("bad at first");
    world.migration("2", "CREATE TABLE b (id INTEGER);");
    world.commit("mended");
    world.in_clone(&["checkout", "-q", "main"]).ok();
    world.in_clone(&["merge", "-q", "--no-verify", "--no-edit", "topic"]).ok();
    world.push().ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select group_concat(version) from schemagate_migration"), "1,2");
}

#[test]
fn a_new_watched_branch_is_compared_with_where_it_left_main() {
    let world = World::usual();
    let one = world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["checkout", "-qb", "release/1"]).ok();
    world.file(&one, "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT);");
    world.commit("edited on a new branch");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "release/1"]).refused(&["released-edited"]);
}

#[test]
fn a_push_cannot_loosen_its_own_judge() {
    let world = World::usual();
    let loose = format!("{MANIFEST}[project.rules]\ntype-mismatch = \"off\"\n");
    world.file("schemagate.toml", &loose);
    world.migration("1", "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\n");
    world.send("loosened and broken at once").refused(&["type-mismatch"]);
    world.in_clone(&["reset", "-q", "--soft", "HEAD~1"]).ok();
    world.in_clone(&["reset", "-q", "db"]).ok();
    world.in_clone(&["commit", "-q", "--no-verify", "-m", "loosened first"]).ok();
    world.push().ok();
    world.send("then used").ok();
    world.write_server_file(&format!("{ONE_TARGET}\n[policy.rules]\ntype-mismatch = \"error\"\n"));
    world.migration("2", "INSERT INTO a VALUES (2);");
    world.send("below the floor").refused(&["type-mismatch"]);
}

#[test]
fn a_manifest_cannot_hide_files_from_the_judge() {
    let world = World::usual();
    let hiding = MANIFEST.replace("[project.databases", "ignore = [\"db/shop/1*\"]\n[project.databases");
    world.file("schemagate.toml", &hiding);
    world.migration("1", BAD);
    world.send("ignored: it runs nowhere").ok();
    world.file("schemagate.toml", MANIFEST);
    world.send("no longer ignored, never judged").refused(&["syntax-error", "1##ddl##change.sql"]);
}

#[test]
fn quarantined_objects_are_seen_in_odd_repositories() {
    for name in ["with:colon.git", "with space.git"] {
        let world = World::usual();
        let odd = world.path().join(name);
        std::fs::rename(world.server(), &odd).unwrap();
        world.run(&odd, &["install"]).ok();
        world.migration("1", BAD);
        world.commit("bad");
        let url = odd.display().to_string();
        world
            .in_clone(&["push", "-q", "--no-verify", &format!("file://{url}"), "HEAD:main"])
            .refused(&["syntax-error"]);
        world.migration("1", GOOD);
        world.commit("good");
        world.in_clone(&["push", "-q", "--no-verify", &format!("file://{url}"), "HEAD:main"]).ok();
    }
}

#[test]
fn sha256_repositories_are_served() {
    let world = World::empty();
    world.git(world.path(), &["init", "-q", "--bare", "-b", "main", "--object-format=sha256", "server.git"]).ok();
    world.write_server_file(ONE_TARGET);
    world.on_server(&["install"]).ok();
    world.git(world.path(), &["clone", "-q", "server.git", "clone"]).ok();
    world.sg(&["install"]).ok();
    world.file("schemagate.toml", MANIFEST);
    world.migration("1", BAD);
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "x"]).refused(&["syntax-error"]);
    world.send("bad").refused(&["syntax-error"]);
    world.migration("1", GOOD);
    world.send("good").ok();
    assert_eq!(world.sql("dev-shop.sqlite", "select length(blob_id) from schemagate_migration"), "64");
}

#[test]
fn what_goes_wrong_on_the_server_refuses_and_says_whose_fault_it_is() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.commit("good");
    world.write_server_file("branches = [");
    world.push().refused(&[
        "the server file has 1 mistake",
        "the fault is the server's, not yours",
        "hint: nothing was accepted",
    ]);
    std::fs::remove_file(world.server().join("schemagate-server.toml")).unwrap();
    world.push().refused(&["there is no server file", "not yours"]);
    world.write_server_file(ONE_TARGET);
    let file = world.server().join("schemagate-server.toml");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    world.push().refused(&["can be changed by others than its owner", "chmod"]);
    world.write_server_file(&format!("{ONE_TARGET}\n[policy]\nidentity = \"gitolite\"\n"));
    world.push().refused(&["GL_USER", "not set"]);
    world.write_server_file(&format!("{ONE_TARGET}\n[policy]\nidentity = \"push-cert\"\n"));
    world.push().refused(&["error: the push is not signed by a known key"]);
    world.write_server_file(ONE_TARGET);
    world.push().ok();
}

#[test]
fn a_manifest_cannot_give_released_files_another_meaning() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["fetch", "-q"]).ok();
    for (from, to, words) in [
        ("\"shop\"\nbase", "\"other\"\nbase", "would belong to another project and run again"),
        ("[project.databases", "version-order = \"text\"\n[project.databases", "would have another version or order"),
        ("[project.databases", "ignore = [\"db/shop/1*\"]\n[project.databases", "would no longer be a migration"),
        ("\"db\"", "\"elsewhere\"", "would no longer be a migration"),
    ] {
        world.file("schemagate.toml", &MANIFEST.replace(from, to));
        world.send("another law").refused(&["released-reread", words, "1##ddl##change.sql"]);
        world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    }
    world.write_server_file(&format!("{ONE_TARGET}\n[policy]\nallow-layout-change = true\n"));
    world.file("schemagate.toml", &MANIFEST.replace("\"db\"", "\"elsewhere\""));
    world.send("with leave").ok();
}

#[test]
fn a_new_project_is_no_way_around_the_rules() {
    let world = World::usual();
    let evil = "[[project]]\nname = \"evil\"\nbase-directory = \"evil\"\ndialect = \"sqlite\"\n\
                file-path-template = \"{{DB_NAME}}/{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql\"\n[project.rules]\n\
                type-mismatch = \"off\"\nother-database = \"off\"\n";
    world.file("schemagate.toml", &format!("{MANIFEST}{evil}"));
    world.file("evil/shop/1##ddl##x.sql", "INSERT INTO a VALUES (1); ATTACH 'x' AS x;");
    world.send("a project of its own").refused(&["type-mismatch", "other-database"]);
}

#[test]
fn another_dialect_is_no_way_around_the_rules() {
    let world = World::usual();
    world.file("schemagate.toml", &MANIFEST.replace("sqlite", "mysql"));
    world.migration("1", "SELECT '\\'; ATTACH 'other.db' AS o; CREATE TABLE o.x (a INT); --';");
    world.send("one string for MySQL").refused(&["other-database"]);
    world.migration("1", GOOD);
    let text = world.send("fit for both").ok();
    assert!(flat(&text).contains("the manifest says MySQL, the target is SQLite"), "{text}");
}

#[test]
fn an_unrelated_branch_is_no_way_around_the_rules() {
    let world = World::usual();
    world.migration("1", GOOD);
    world.send("one").ok();
    world.in_clone(&["checkout", "-q", "--orphan", "release/x"]).ok();
    world.commit("nothing in common");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "release/x"]).refused(&["branch-unrelated"]);
    world.in_clone(&["checkout", "-q", "-b", "release/y", "main"]).ok();
    world.file("schemagate.toml", &format!("{MANIFEST}[project.rules]\ntype-mismatch = \"off\"\n"));
    world.migration("2", "INSERT INTO a VALUES (1);");
    world.commit("looser on a new branch");
    world.in_clone(&["push", "-q", "--no-verify", "origin", "release/y"]).refused(&["type-mismatch"]);
}

#[test]
fn branches_with_odd_names_are_served() {
    let world = World::usual();
    world.write_server_file(&ONE_TARGET.replace("\"release/*\"", "\"**\""));
    world.migration("1", GOOD);
    world.commit("one");
    for name in ["-dash", "a$(id)b", "it's", "\u{fc}ml\u{e4}ut"] {
        world
            .in_clone(&["push", "-q", "--no-verify", "origin", &format!("HEAD:refs/heads/{name}")])
            .says(&["dev/shop"])
            .ok();
    }
}
