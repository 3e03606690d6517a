//! The two files: every mistake is reported at once, each at its place.

use crate::support::{MANIFEST, ONE_TARGET, World, flat};

fn manifest_mistakes(text: &str) -> String {
    let world = World::empty();
    std::fs::write(world.path().join("schemagate.toml"), text).unwrap();
    let done = world.run(world.path(), &["check"]);
    assert_eq!(done.code, 1, "{}", done.text);
    done.text
}

fn server_mistakes(text: &str) -> String {
    let world = World::usual();
    world.write_server_file(text);
    let done = world.on_server(&["status"]);
    assert_eq!(done.code, 1, "{}", done.text);
    done.text
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(flat(text).contains(word), "`{word}` is missing in:\n{text}");
    }
}

#[test]
fn all_mistakes_of_a_manifest_are_reported_at_once() {
    let text = manifest_mistakes(
        r#"relese-branch = "main"
[[project]]
name = "a"
base-directory = "../up"
file-path-template = "{{DB_NAME}}##{{TYPE}}.sql"
version-order = "alphabetical"
version-format = { pattern = "(" }
largest-file = 0
environments = "dev"
out-of-order = 7
[project.databases.shop]
dialect = "oracle"
[project.databases.billing]
[project.rules]
type-missmatch = "off"
released-edited = "off"
type-mismatch = "loud"
[[project]]
colour = "blue"
"#,
    );
    says(
        &text,
        &[
            "schemagate.toml:1:1",
            "unknown key `relese-branch` at the top",
            "did you mean `release-branch`?",
            "`base-directory` must be a plain folder",
            "the template lacks {{VERSION}}",
            "`project.version-order` has no value \"alphabetical\"",
            "is not a regular expression",
            "`project.largest-file` must be a size above zero",
            "`project.environments` must be a list of texts",
            "`project.out-of-order` must be text",
            "`project.databases.shop.dialect` has no value \"oracle\"",
            "lacks `dialect`",
            "there is no rule `type-missmatch`",
            "did you mean `type-mismatch`?",
            "`released-edited` cannot be lowered",
            "has no value \"loud\"",
            "with several projects, each needs a name",
            "unknown key `colour`",
        ],
    );
}

#[test]
fn a_finding_points_into_a_template() {
    let text = manifest_mistakes(&MANIFEST.replace("{{VERSION}}", "{{VERSON}}"));
    says(&text, &["`{{VERSON}}` is not a placeholder", "did you mean `{{VERSION}}`?", "schemagate.toml:5:35"]);
}

#[test]
fn two_projects_must_not_claim_one_path() {
    let world = World::empty();
    let twice = format!("{MANIFEST}{}", MANIFEST.replace("\"shop\"\nbase", "\"other\"\nbase"));
    std::fs::write(world.path().join("schemagate.toml"), twice).unwrap();
    std::fs::create_dir_all(world.path().join("db/shop")).unwrap();
    std::fs::write(world.path().join("db/shop/1##ddl##x.sql"), "SELECT 1;").unwrap();
    world.run(world.path(), &["check"]).refused(&["path-claimed-twice", "`shop` and `other`"]);
}

#[test]
fn all_mistakes_of_a_server_file_are_reported_at_once() {
    let text = server_mistakes(
        r#"branches = ["["]
[[environment]]
name = "dev"
[[environment]]
name = "dev"
[[environment]]
[[target]]
environment = "prood"
database = "shop"
url = "sqlite:a"
[[target]]
environment = "dev"
database = "shop"
url = "sqlite:a"
lock-wait = "soon"
[[target]]
environment = "dev"
database = "shop"
url = { env = "A", file = "b" }
atomic = "maybe"
session = { Client_Encoding = "LATIN1", TimeZone = 5 }
[[target]]
environment = "dev"
[policy]
identity = "guess"
allow-branch-rewind = "yes"
"#,
    );
    says(
        &text,
        &[
            "`session.Client_Encoding` is not to be set: files are UTF-8",
            "`session.TimeZone` must be text in quotes",
            "`branches` holds a pattern that cannot be read",
            "two environments are called `dev`",
            "lacks `name`",
            "there is no environment `prood`",
            "`target.lock-wait` must be a duration",
            "`url` needs exactly one of `env`, `file` and `command`",
            "`target.atomic` has no value \"maybe\"",
            "lacks `database`",
            "lacks `url`",
            "`policy.identity` has no value \"guess\"",
            "`policy.allow-branch-rewind` must be true or false",
        ],
    );
    let twice = format!("{ONE_TARGET}{}", &ONE_TARGET[ONE_TARGET.find("[[target]]").unwrap()..]);
    says(&server_mistakes(&twice), &["environment `dev` maps database `shop` twice", "the second one"]);
}

#[test]
fn the_server_file_may_lie_elsewhere() {
    let world = World::usual();
    let elsewhere = world.path().join("elsewhere.toml");
    std::fs::rename(world.server().join("schemagate-server.toml"), &elsewhere).unwrap();
    world.git(&world.server(), &["config", "schemagate.serverFile", elsewhere.to_str().unwrap()]).ok();
    world.migration("1", "CREATE TABLE a (id INTEGER);");
    world.send("one").ok();
    assert!(world.path().join("dev-shop.sqlite").exists(), "relative URLs count from the file's folder");
}

#[test]
fn what_init_writes_is_ready_to_run() {
    let world = World::empty();
    world.git(world.path(), &["init", "-q", "--bare", "-b", "main", "server.git"]).ok();
    world.run(world.path(), &["init", "--server", "server.git"]).ok();
    world.on_server(&["install"]).ok();
    world.git(world.path(), &["clone", "-q", "server.git", "clone"]).ok();
    world.sg(&["init"]).ok();
    world.sg(&["init"]).refused(&["is there already", "--force"]);
    let path = world.sg(&["new", "-e", "dev", "-d", "shop", "-t", "ddl", "first table"]).ok();
    assert_eq!(path.trim(), "migrations/dev/shop##0001##ddl##first_table.sql");
    world.file(path.trim(), "CREATE TABLE a (id INTEGER);");
    world.send("one").ok();
    assert_eq!(world.sql("schemagate/databases/shop-dev.sqlite", "select count(*) from schemagate_migration"), "1");
}

#[test]
fn formats_of_versions_and_descriptions_are_asked_for() {
    let strict = MANIFEST.replace(
        "[project.databases",
        "version-format = \"timestamp\"\ndescription-format = \"[a-z_]+\"\n[project.databases",
    );
    let world = World::new(&strict, ONE_TARGET);
    world.file("db/shop/20240230000000##ddl##Bad Name.sql", "SELECT 1;");
    world.send("x").refused(&[
        "version-format",
        "a time that does not exist",
        "description-format",
        "`version-format` is set here",
        "see schemagate.toml:6:18",
    ]);
    let path = world.sg(&["renumber", "db/shop/20240230000000##ddl##Bad Name.sql"]).ok();
    assert!(path.contains("-> db/shop/20"), "{path}");
}

#[test]
fn targets_must_not_share_a_database_and_groups_need_targets() {
    let twice = ONE_TARGET.to_owned()
        + "[[target]]\nenvironment = \"dev\"\ndatabase = \"other\"\nurl = \"sqlite:dev-shop.sqlite\"\n";
    says(&server_mistakes(&twice), &["two targets have the same URL"]);
    says(&server_mistakes(&ONE_TARGET.replace("sqlite:dev", "oracle:dev")), &["its scheme is none of sqlite"]);
    let manifest = "[[project]]\nname = \"t\"\nbase-directory = \"t\"\ngroup = \"shops\"\ndialect = \"sqlite\"\n";
    let world = World::new(manifest, ONE_TARGET);
    world.file("t/1##ddl##x.sql", "CREATE TABLE a (x);");
    world.send("nobody takes it").refused(&["no target belongs to the group `shops`"]);
}
