//! Reports of the review as users meet them: formats, suppressions, weights, fixes, and what a push may rely on.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::databases::Engine;
use crate::support::{MANIFEST, ONE_TARGET, World, flat};

fn manifest(dialect: &str, more: &str) -> String {
    MANIFEST.replace("\"sqlite\"", &format!("\"{dialect}\"")) + more
}

/// A clone with a few findings of every weight, one of them suppressed.
fn found() -> World {
    let world = World::new(&manifest("postgres", ""), ONE_TARGET);
    world.migration("1", "CREATE TABLE \"t\u{e4}ble\" (a int);\n\u{feff}");
    world.migration("2", "-- schemagate: ignore truncate -- it is a cache\nTRUNCATE cache;\nDROP TABLE a, b;\n");
    world.migration("3", "\tCREATE TABLE c (id bigint PRIMARY KEY, a bigint REFERENCES \"t\u{e4}ble\");\r\n");
    world
}

fn json(world: &World, arguments: &[&str]) -> Value {
    let mut all = vec!["check", "--format", "json"];
    all.extend(arguments);
    world.sg(&all).json()
}

#[test]
fn all_formats_agree() {
    let world = found();
    let json = json(&world, &[]);
    let errors = json["counts"]["error"].as_u64().unwrap() as usize;
    let all = json["findings"].as_array().unwrap().len();
    assert!(errors >= 2 && all > errors, "{json}");
    assert_eq!(json["suppressed"][0]["reason"], "it is a cache");
    for (format, exit) in [("short", 1), ("github", 1), ("gitlab", 1), ("sarif", 1), ("junit", 1), ("human", 1)] {
        assert_eq!(world.sg(&["check", "--format", format]).code, exit, "{format}");
    }
    let lines = |format: &str, begins: &str| {
        let text = world.sg(&["check", "--format", format]).text;
        text.lines().filter(|line| line.contains(begins)).count()
    };
    assert_eq!(lines("short", ": error["), errors);
    assert_eq!(lines("github", "::error file="), errors);
    assert_eq!(lines("junit", "<failure "), errors);
    assert_eq!(lines("junit", "<testcase "), all);
    let gitlab = world.sg(&["check", "--format", "gitlab"]).json();
    assert_eq!(gitlab.as_array().unwrap().len(), all);
    let prints = |list: &Value, key: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(prints(&gitlab, "fingerprint"), prints(&json["findings"], "fingerprint"));
    let short = world.sg(&["check", "--format", "short"]).text;
    let first = &json["findings"][1];
    let at = &first["place"]["start"];
    let place = format!("{}:{}:{}: ", first["place"]["name"].as_str().unwrap(), at["line"], at["column"]);
    assert!(short.contains(&place), "{place} is missing in {short}");
    assert!(short.contains("db/shop/1##ddl##change.sql:1:14: warning[require-primary-key]"), "{short}");
}

#[test]
fn sarif_and_junit_keep_to_their_schemas() {
    let world = found();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let sarif = world.sg(&["check", "--format", "sarif"]).json();
    let mut known = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let text = std::fs::read_to_string(schemas.join("sarif-schema-2.1.0.json")).unwrap();
    compiler.add_resource("sarif.json", serde_json::from_str(&text).unwrap()).unwrap();
    let schema = compiler.compile("sarif.json", &mut known).unwrap();
    known.validate(&sarif, schema).unwrap_or_else(|error| panic!("{error:#}"));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|one| one["suppressions"].is_array()).count(), 1);
    let uri = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert_eq!(uri, "db/shop/1%23%23ddl%23%23change.sql");

    let file = world.path().join("report.xml");
    world.sg(&["check", "--format", "junit", "--output", file.to_str().unwrap()]).says(&["schemagate: refused"]);
    let mut lint = Command::new("xmllint");
    let output = lint.args(["--noout", "--schema"]).arg(schemas.join("junit-10.xsd")).arg(&file).output();
    let output = output.expect("xmllint of Debian's libxml2-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn reports_may_be_short_and_go_elsewhere() {
    let world = found();
    let all = json(&world, &[])["findings"].as_array().unwrap().len();
    let cut = json(&world, &["--max-findings", "1"]);
    assert_eq!((cut["findings"].as_array().unwrap().len(), cut["left_out"].as_u64().unwrap() as usize), (1, all - 1));
    assert_eq!(cut["verdict"], "refused");
    let text = world.sg(&["check", "--max-findings", "1"]).text;
    assert!(text.contains(&format!("... and {} findings more", all - 1)), "{text}");
    let on = |name: &str, arguments: &[&str]| {
        let mut command = world.command(crate::support::PROGRAM, &world.clone_());
        crate::support::Done::of(&command.env(name, "true").args(arguments).output().unwrap())
    };
    assert!(on("GITHUB_ACTIONS", &["check"]).text.contains("::error file=db/shop/2##ddl##change.sql,line=3,col=12,"));
    assert!(!on("GITHUB_ACTIONS", &["check", "--format", "human"]).text.contains("::error"));
    let quality = world.path().join("quality.json");
    on("GITLAB_CI", &["check", "--output", quality.to_str().unwrap()]).says(&["error[drop-table]"]);
    let list: Value = serde_json::from_str(&std::fs::read_to_string(quality).unwrap()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), all);
    let missing = world.sg(&["check", "--format", "sarif", "--output", "/nowhere/x"]);
    assert!(missing.code == 2 && missing.text.contains("/nowhere/x cannot be written"), "{}", missing.text);
    assert_eq!(world.sg(&["status", "--format", "sarif"]).code, 64);
}

#[test]
fn rules_are_listed_and_explained() {
    let world = World::empty();
    let rules = world.run(world.path(), &["rules", "--format", "json"]).json();
    let rules = rules.as_array().unwrap();
    let drop = rules.iter().find(|rule| rule["rule"] == "drop-table").unwrap();
    assert_eq!((&drop["severity"], &drop["suppressible"]), (&Value::from("error"), &Value::from(true)));
    let syntax = rules.iter().find(|rule| rule["rule"] == "syntax-error").unwrap();
    assert_eq!(syntax["suppressible"], false);
    let text = world.run(world.path(), &["rules"]).ok();
    assert_eq!(text.lines().count(), rules.len());
    world.run(world.path(), &["explain", "set-not-null"]).says(&["ACCESS EXCLUSIVE", "severity: error"]).ok();
    world.file("schemagate.toml", &manifest("sqlite", ""));
    world.sg(&["explain", "droptable"]).says(&["did you mean `drop-table`?"]);
}

#[test]
fn a_table_is_new_until_its_file_has_been_released() {
    let world = World::new(&manifest("postgres", ""), "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n");
    world.migration("1", "CREATE TABLE a (id bigint PRIMARY KEY, b int);\n");
    world.migration("2", "CREATE INDEX by_b ON a (b);\n");
    world.send("both").ok();
    world.migration("3", "CREATE INDEX by_id_and_b ON a (id, b);\n");
    let text = world.send("later").refused(&["require-concurrent-index", "SHARE lock", "safe way:"]);
    assert!(text.contains("CREATE INDEX CONCURRENTLY IF NOT EXISTS by_id_and_b ON a (id, b);"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 108), "{text}");
}

#[test]
fn a_table_is_new_while_no_target_has_run_its_file() {
    let database = Engine::Postgres.database();
    let server = database.server_file().replace("name = \"dev\"\n", "name = \"dev\"\nrollout = \"manual\"\n");
    let world = World::new(&database.manifest(), &server);
    world.migration("0", "CREATE TABLE z (id bigint PRIMARY KEY, b int);\n");
    world.send("an old table").ok();
    world.on_server(&["apply", "--environment", "dev"]).ok();
    world.migration("1", "CREATE TABLE a (id bigint PRIMARY KEY, b int);\n");
    world.send("table").ok();
    world.migration("2", "CREATE INDEX by_b ON a (b);\n");
    world.in_clone(&["add", "."]).ok();
    world.in_clone(&["commit", "-qm", "index while its table waits", "--no-verify"]).ok();
    world.in_clone(&["push", "-q", "--no-verify"]).ok();
    world.on_server(&["apply", "--environment", "dev"]).ok();
    world.migration("3", "CREATE INDEX by_id_and_b ON a (id, b);\n");
    world.send("index when it has run").refused(&["require-concurrent-index"]);
}

#[test]
fn suppressions_are_listed_and_recorded() {
    let database = Engine::Sqlite.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\nCREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.send("tables").ok();
    world.migration("2", "DROP TABLE a;\n");
    world.send("no reason").refused(&["drop-table"]);
    world.migration("2", "-- schemagate: ignore drop-tabel -- nobody reads it\nDROP TABLE a;\n");
    world.send("a slip").refused(&["unknown-suppression", "did you mean `drop-table`?", "error[drop-table]"]);
    world.migration("2", "-- schemagate: ignore drop-table\nDROP TABLE a; -- schemagate: ignore truncate -- in vain\n");
    let text = flat(&world.sg(&["check"]).text);
    assert!(
        text.contains("warning[suppression-without-reason]") && text.contains("warning[unused-suppression]"),
        "{text}"
    );
    world.migration("2", "-- schemagate: ignore drop-table -- nobody reads it since May\nDROP TABLE a;\n");
    let text = flat(&world.send("with a reason").ok());
    assert!(text.contains("suppressed[drop-table] db/shop/2##ddl##change.sql:2: nobody reads it since May"), "{text}");
    assert!(text.contains("1 suppressed"), "{text}");
    let event = format!("SELECT detail FROM {} WHERE event = 'suppressed'", database.history("event"));
    assert_eq!(database.ask(&world, &event), "drop-table: nobody reads it since May");
}

#[test]
fn the_server_locks_rules_and_the_manifest_excuses_paths() {
    let server = format!("{ONE_TARGET}\n[policy]\nlocked = [\"drop-table\"]\n");
    let world = World::new(&manifest("sqlite", ""), &server);
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER, c INTEGER);\n");
    world.send("tables").ok();
    world.migration("2", "-- schemagate: ignore drop-table, drop-column -- why not\nALTER TABLE a DROP COLUMN b;\n");
    let text =
        world.send("in vain").refused(&["suppression-locked", "the server does not let `drop-table` be suppressed"]);
    assert!(!text.contains("error[drop-column]"), "{text}");
    world.migration("2", "ALTER TABLE a DROP COLUMN b;\n");
    let excuse = "[[project.suppress]]\npath = \"db/shop/2##**\"\nrules = [\"drop-column\", \"drop-table\"]\nreason = \"b is empty\"\n";
    let law = manifest("sqlite", &format!("\n{excuse}"));
    world.file("schemagate.toml", &law);
    world.send("an excuse for itself").refused(&["error[drop-column]"]);
    world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
    world.file("schemagate.toml", &law);
    world.send("the excuse").ok();
    world.migration("2", "ALTER TABLE a DROP COLUMN b;\n");
    world.send("then the file").says(&["b is empty", "1 suppressed"]).ok();
}

#[test]
fn weights_differ_by_environment_and_begin_with_a_version() {
    let rules = "[project.rules]\ndrop-column = { severity = \"warning\", environments = { prod = \"error\" } }\n\
                 require-primary-key = { severity = \"error\", since = \"3\" }\n";
    let law = manifest("sqlite", rules).replace("{{DB_NAME}}/", "{{ENV_ID}}/{{DB_NAME}}/");
    let world =
        World::new(&law, "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"prod\"\n");
    for environment in ["dev", "prod"] {
        world.file(
            &format!("db/{environment}/shop/1##ddl##a.sql"),
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER);\n",
        );
        world.file(&format!("db/{environment}/shop/2##ddl##b.sql"), "CREATE TABLE old (a INTEGER);\n");
    }
    world.send("tables").ok();
    for environment in ["dev", "prod"] {
        world.file(&format!("db/{environment}/shop/3##ddl##c.sql"), "ALTER TABLE a DROP COLUMN b;\n");
    }
    let text = flat(&world.sg(&["check"]).text);
    assert!(text.contains("error[drop-column]: this drops `a.b` and every value in it --> db/prod/"), "{text}");
    assert!(text.contains("warning[drop-column]: this drops `a.b` and every value in it --> db/dev/"), "{text}");
    world.file("db/dev/shop/4##ddl##d.sql", "CREATE TABLE young (a INTEGER);\n");
    let text = flat(&world.sg(&["check"]).text);
    assert!(text.contains("error[require-primary-key]: `young`") && !text.contains("`old` has no"), "{text}");
}

#[test]
fn names_of_other_databases_are_found_and_its_own_is_known() {
    let world = World::new(&manifest("mariadb", ""), "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n");
    world.migration("1", "CREATE TABLE shop.a (id BIGINT PRIMARY KEY);\n");
    let text = "INSERT INTO a (id) SELECT id FROM crm.people;\nDROP TABLE `shop`.a;\nCREATE TABLE b (id BIGINT PRIMARY KEY);\n\
                INSERT INTO b (id) SELECT count(*) FROM information_schema.tables;\n";
    world.migration("2", text);
    let done = world.sg(&["check"]);
    assert_eq!(done.text.matches("error[other-database]").count(), 1, "{}", done.text);
    assert!(done.text.contains("`people` is of the database `crm`"), "{}", done.text);
    // The table is that of the file before, which has run nowhere.
    assert!(!done.text.contains("drop-table"), "{}", done.text);
}

#[test]
fn reserved_words_are_put_into_quotes() {
    let cases = [
        (
            Engine::Postgres,
            "CREATE TABLE User (id bigint PRIMARY KEY, \"group\" text, Order int); -- x\nALTER TABLE a ADD COLUMN limit int;\n",
            "CREATE TABLE \"user\" (id bigint PRIMARY KEY, \"group\" text, \"order\" int); -- x\nALTER TABLE a ADD COLUMN limit int;\n",
        ),
        (
            Engine::Mariadb,
            "CREATE TABLE b (id BIGINT PRIMARY KEY, order INT, `group` INT);\n",
            "CREATE TABLE b (id BIGINT PRIMARY KEY, `order` INT, `group` INT);\n",
        ),
        (
            Engine::Sqlite,
            "CREATE TABLE b (id INTEGER PRIMARY KEY, group TEXT);\n",
            "CREATE TABLE b (id INTEGER PRIMARY KEY, \"group\" TEXT);\n",
        ),
    ];
    for (engine, text, fixed) in cases {
        let database = engine.database();
        let world = database.world();
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.send("table").ok();
        let path = world.migration("2", text);
        let read = || std::fs::read_to_string(world.clone_().join(&path)).unwrap();
        world.sg(&["check"]).says(&["error[syntax-error]", "a reserved word is a name only in quotes"]);
        world.sg(&["check", "--fix"]).says(&["fixed[syntax-error]"]);
        assert_eq!(read(), fixed);
        // Each run mends the first of them.
        world.sg(&["check", "--fix"]);
        let done = world.sg(&["check"]);
        assert!(!done.text.contains("syntax-error"), "{}", done.text);
        world.send("fixed").says(&["1 applied now"]).ok();
    }
    // Where a constraint or a query might be meant, nobody guesses.
    let world = World::new(&manifest("sqlite", ""), "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n");
    for text in ["CREATE TABLE c (a INT, UNIQUE);\n", "SELECT a, FROM c;\n", "CREATE TABLE d (a INT, group);\n"] {
        let path = world.migration("1", text);
        world.sg(&["check", "--fix"]);
        assert_eq!(std::fs::read_to_string(world.clone_().join(&path)).unwrap(), text);
    }
}

#[test]
fn conventions_are_not_loosened_by_the_push_that_needs_it() {
    let law = |more: &str| manifest("sqlite", &format!("[project.rules]\nnaming-convention = \"error\"\n{more}"));
    let strict = law("[project.conventions.naming]\ntable = \"t_[a-z]+\"\n");
    let world = World::new(&strict, "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n");
    world.migration("1", "CREATE TABLE t_a (id INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    world.file("schemagate.toml", &law(""));
    world.migration("2", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.send("both").refused(&["`b` does not follow the convention t_[a-z]+"]);
    // The manifest first, in a push of its own.
    std::fs::remove_file(world.clone_().join("db/shop/2##ddl##change.sql")).unwrap();
    world.in_clone(&["reset", "-q", "--soft", "HEAD~1"]).ok();
    world.send("looser").ok();
    world.migration("2", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.send("table").ok();
}

#[test]
fn what_is_certain_is_fixed_and_applies() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id bigint PRIMARY KEY, b bigint NOT NULL, c int);\n");
    world.send("table").ok();
    let index = world.migration("2", "-- fast\nCREATE INDEX by_b ON a (b);\n");
    let check = world.migration("3", "ALTER TABLE a ADD CONSTRAINT positive CHECK (c > 0);\n");
    let block = "DO $$ BEGIN\n  CREATE INDEX by_c ON a (c);\nEND $$;\n";
    let block = (world.migration("5", block), block);
    let named = "ALTER TABLE ONLY a ADD CONSTRAINT in_a FOREIGN KEY (b) REFERENCES a;\n";
    let named = (world.migration("6", named), named);
    let text = world.sg(&["check", "--fix"]).says(&["fixed[require-concurrent-index]", "fixed[check-not-valid]"]);
    let text = text.text;
    assert!(text.contains("behind it belongs, 1 of 1") && text.contains("VALIDATE CONSTRAINT positive;"), "{text}");
    let read = |path: &str| std::fs::read_to_string(world.clone_().join(path)).unwrap();
    assert_eq!(
        read(&index),
        "-- fast\n-- schemagate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_b ON a (b);\n"
    );
    assert_eq!(read(&check), "ALTER TABLE a ADD CONSTRAINT positive CHECK (c > 0) NOT VALID;\n");
    // What is not certain stays as it is: a statement of a block, and one of which a word would get lost.
    for (path, text) in [block, named] {
        assert_eq!(read(&path), text);
        std::fs::remove_file(world.clone_().join(&path)).unwrap();
    }
    world.migration("4", "ALTER TABLE a VALIDATE CONSTRAINT positive;\n");
    world.send("fixed").says(&["3 applied now"]).ok();
    let again = world.sg(&["check", "--fix"]).ok();
    assert!(!again.contains("fixed["), "{again}");
}

#[test]
fn slips_in_configuration_have_a_place() {
    let world = World::empty();
    let check = |more: &str| {
        world.file("schemagate.toml", &manifest("postgres", more));
        flat(&world.sg(&["check"]).text)
    };
    let slips = [
        ("[project.conventions.naming]\nindex = \"ix_{{tabel}}_.*\"\n", "did you mean `{{table}}`?"),
        (
            "[project.conventions.naming]\ntable = \"[a-z\"\n",
            "`naming.table` is not a regular expression that can be used",
        ),
        ("[project.rules]\ndrop-tables = \"off\"\n", "did you mean `drop-table`?"),
        ("[project.rules]\ndrop-table = { severity = \"of\" }\n", "did you mean"),
        ("[project.rules]\ndrop-table = { sinse = \"3\" }\n", "did you mean `since`?"),
        ("[[project.suppress]]\npath = \"x\"\nrules = [\"drop-table\"]\n", "lacks `reason`"),
    ];
    for (more, words) in slips {
        let text = check(more);
        assert!(text.contains(words) && text.contains("schemagate.toml:"), "`{words}` is missing in {text}");
    }
}

#[test]
fn hostile_files_are_reviewed_to_their_end() {
    let world = World::new(&manifest("postgres", "[project.rules]\ntype-mismatch = \"off\"\n"), ONE_TARGET);
    let rows = "(1, 'x'), ".repeat(1_000_000);
    world.file(
        "db/shop/1##ddl##a.sql",
        &format!("INSERT INTO a (b, c) VALUES {rows}(2, 'y');\nDROP TABLE behind_rows;\n"),
    );
    let deep = format!("SELECT {}1{};\nDROP TABLE behind_depth;\n", "(".repeat(10_000), ")".repeat(10_000));
    world.file("db/shop/2##ddl##b.sql", &deep);
    std::fs::write(world.clone_().join("db/shop/3##ddl##c.sql"), b"-- \xff\nDROP TABLE behind_bytes;\n").unwrap();
    let text = flat(&world.sg(&["check"]).text);
    for words in ["`behind_rows`", "`behind_depth`", "too-much", "3##ddl##c.sql:1:4"] {
        assert!(text.contains(words), "`{words}` is missing in {}", &text[..text.len().min(4_000)]);
    }
}
