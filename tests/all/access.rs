//! Who may in and how: passwords, odd names, encryption; and what limits a statement or a rollout.

use crate::connections::fixture;
use crate::databases::{Database, Engine, mysql_database, postgres_database};
use crate::doubt::on;
use crate::engines::{beside_a_good_one, pushed_beside_a_good_one, slow};
use crate::matrix_cases::use_database;
use crate::outages::{database, start};
use crate::servers::{Room, start_mariadb_with, start_postgres_with};
use crate::support::{Done, World, flat};

/// A password of odd characters, and how a URL writes it.
const PASSWORD: &str = "p@ss:/?#&=%\u{fc} w";
const IN_URL: &str = "p%40ss%3A%2F%3F%23%26%3D%25%C3%BC%20w";

/// Applies under a right and a wrong password; neither is ever shown.
fn lets_in_and_out(database: &Database, world: &World, url: &str, words: &[&str]) {
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.apply_nothing();
    world.send("one").ok();
    let hidden = |done: Done| {
        assert!(!done.text.contains("ss%3A") && !done.text.contains("ss:/") && !done.text.contains("hunter2"));
        done
    };
    use_database(world, &database.server_file_at(&url.replace("SECRET", "hunter2")));
    for command in ["apply", "status"] {
        assert_eq!(hidden(world.on_server(&[command]).says(words)).code, 1);
    }
    use_database(world, &database.server_file_at(&url.replace("SECRET", IN_URL)));
    hidden(world.on_server(&["apply"]).says(&["1 applied now"])).ok();
}

#[test]
fn passwords_and_names_of_odd_characters_are_those_of_the_url() {
    let server = start_postgres_with(Room::Usual, &[], |data| {
        let rules = data.join("pg_hba.conf");
        let text = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("local all \"o'd d\" scram-sha-256\n{text}")).unwrap();
    });
    let database = postgres_database(&server.folder, "plain".to_owned());
    let world = database.world();
    // Not what releases before 14 do by themselves.
    let set = "SET password_encryption = 'scram-sha-256'";
    database.ask(&world, &format!("{set}; CREATE ROLE \"o'd d\" LOGIN PASSWORD '{PASSWORD}'"));
    database.ask(&world, "CREATE DATABASE \"a b/c?d\" OWNER \"o'd d\"");
    let url = format!("postgres://o'd%20d:SECRET@localhost/a%20b%2Fc%3Fd?host={}", server.folder.display());
    lets_in_and_out(&database, &world, &url, &["password authentication failed", "check user and password"]);

    let database = Engine::Mariadb.database();
    let world = database.world();
    database.ask(&world, &format!("CREATE USER `o'd d`@localhost IDENTIFIED BY '{PASSWORD}'"));
    database.ask(&world, "CREATE DATABASE `a b/c?d``e`");
    database.ask(&world, "GRANT ALL ON `a b/c?d``e`.* TO `o'd d`@localhost");
    let socket = Engine::Mariadb.server().folder.join("s");
    let url = format!("mariadb://o'd%20d:SECRET@localhost/a%20b%2Fc%3Fd%60e?socket={}", socket.display());
    lets_in_and_out(&database, &world, &url, &["Access denied for user", "check user and password"]);
}

#[test]
fn a_mariadb_is_believed_as_far_as_ssl_mode_says() {
    let address = format!("127.{}.{}.8", 64 + std::process::id() % 64, std::process::id() / 64 % 250);
    let option = |name: &str, file: &str| format!("--{name}={}", fixture(file).display());
    let settings = [
        "--skip-networking=0".to_owned(),
        "--port=3306".to_owned(),
        format!("--bind-address={address}"),
        option("ssl-cert", "good.crt"),
        option("ssl-key", "server.key"),
        option("ssl-ca", "ca.crt"),
    ];
    let server = start_mariadb_with(Room::Usual, &settings.each_ref().map(String::as_str));
    let database = mysql_database(Engine::Mariadb, &server.folder, "secured".to_owned());
    let world = database.world();
    database.ask(&world, "CREATE USER net@'%' IDENTIFIED BY 'hunter2'; GRANT ALL ON secured.* TO net@'%'");
    world.apply_nothing();
    let cipher =
        "SELECT variable_value AS cipher FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'";
    let (right, wrong) = (fixture("ca.crt"), fixture("good.crt"));
    let (right, wrong) = (right.display(), wrong.display());
    let cases = [
        ("ssl-mode=DISABLED".to_owned(), Ok("no")),
        ("ssl-mode=REQUIRED".to_owned(), Ok("yes")),
        (format!("ssl-mode=VERIFY_CA&ssl-ca={right}"), Ok("yes")),
        (
            format!("ssl-mode=VERIFY_CA&ssl-ca={wrong}"),
            Err("check the certificate of the server and ssl-mode and ssl-ca"),
        ),
        // The certificate is that of localhost.
        (format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={right}"), Err("check the certificate of the server")),
        ("ssl-mode=PERHAPS".to_owned(), Err("has a word for `ssl-mode` that nobody knows")),
    ];
    for (version, (mode, expected)) in cases.into_iter().enumerate() {
        let url = format!("mariadb://net:hunter2@{address}:3306/secured?{mode}");
        use_database(&world, &database.server_file_at(&url));
        if expected.is_ok() {
            world.migration(&version.to_string(), &format!("CREATE TABLE s{version} AS {cipher};\n"));
            world.send("one").ok();
        }
        let done = world.on_server(&["apply", "--as-new"]);
        assert!(!done.text.contains("hunter2"), "{}", done.text);
        match expected {
            Ok(encrypted) => {
                done.says(&["1 applied now"]).ok();
                let sql = format!("SELECT if(cipher = '', 'no', 'yes') FROM s{version}");
                assert_eq!(database.ask(&world, &sql), encrypted, "{mode}");
            }
            Err(words) => assert_eq!(done.says(&[words]).code, 1, "{mode}"),
        }
    }
}

#[test]
fn a_statement_takes_no_longer_than_the_environment_or_the_file_says() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let (database, world) = on(engine);
        let own = database.server_file();
        let limited = own.replace("[[environment]]\n", "[[environment]]\nstatement-timeout = \"500ms\"\n");
        world.write_server_file(&limited);
        let (sleep, code) = match engine {
            Engine::Postgres => ("SELECT pg_sleep(2);", "(code 57014)"),
            _ => ("SELECT sleep(2) FROM a FOR UPDATE;", "(code 1969)"),
        };
        world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.file("db/shop/1##dml##rows.sql", &format!("INSERT INTO a VALUES (1);\n{sleep}\n"));
        let words = ["FAILED after 1 of 2", code, "longer than statement-timeout", "nothing of this file stays"];
        world.send("slow").says(&words);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0");
        let head = "-- schemagate: statement-timeout = 10s\n";
        world.file("db/shop/1##dml##rows.sql", &format!("{head}INSERT INTO a VALUES (1);\n{sleep}\n"));
        world.send("longer").says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1", "{engine:?}");
    }
}

#[test]
fn sigterm_ends_a_run_between_two_files() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        world.migration("1", &format!("CREATE TABLE a (id INTEGER);\n{}\n", slow(engine)));
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.apply_nothing();
        world.send("both").ok();
        let _ = std::fs::remove_dir_all(world.server().join("schemagate"));
        let child = world.begin_apply();
        // What is about to run is written down just before it does; the first file takes seconds.
        let ledger = world.server().join("schemagate/ledger");
        let begun = std::time::Instant::now();
        while !std::fs::read_dir(&ledger).is_ok_and(|mut files| files.next().is_some()) {
            assert!(begun.elapsed().as_secs() < 30, "the run did not begin");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::SIGTERM).unwrap();
        let done = Done::of(&child.wait_with_output().unwrap());
        assert_eq!(done.code, 1, "{engine:?}\n{}", done.text);
        let states = format!("SELECT version, state FROM {}", database.history("migration"));
        let states = database.ask(&world, &states);
        // On a machine that is busy it may come before the first file.
        assert!(["1|applied", ""].contains(&states.as_str()), "{engine:?} {states}\n{}", done.text);
        world.on_server(&["apply"]).says(&["applied now, 2 in all"]).ok();
    }
}

#[test]
fn a_rollout_to_tenants_stops_behind_as_many_failures_as_are_allowed() {
    let names: Vec<String> = (0..8).map(|number| format!("\"t{number}\"")).collect();
    let keys =
        format!("url = \"sqlite:{{{{database}}}}.sqlite\"\nwave = 2\nfailures = 3\ndatabases = [{}]", names.join(", "));
    let world = crate::many::tenants_world("sqlite", &keys);
    world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    for broken in [0, 2, 4] {
        world.sql(&format!("t{broken}.sqlite"), "DROP TABLE a");
    }
    world.file("db/2##ddl##b.sql", "ALTER TABLE a ADD COLUMN b TEXT;\n");
    world
        .send("two")
        .says(&["wave 3 of 4: 1 applied, 1 FAILED", "2 tenants not touched: 3 failed, and `failures` is 3"]);
    assert_eq!(world.sql("t6.sqlite", "SELECT count(*) FROM schemagate_migration"), "1");
}

#[test]
fn a_rollout_in_the_background_that_failed_says_so_until_one_ends_well() {
    let (database, world) = on(Engine::Sqlite);
    world.write_server_file(&format!("detach = true\n{}", database.server_file()));
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (1), (1);\n");
    world.send("fails").says(&["rolling out in the background"]).ok();
    let begun = std::time::Instant::now();
    let status = loop {
        let done = world.on_server(&["status"]);
        if !done.text.contains("is running") && done.text.contains("ended") {
            break done;
        }
        assert!(begun.elapsed().as_secs() < 30, "the rollout did not end:\n{}", done.text);
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!(status.code, 1, "{}", status.text);
    status.says(&["UNIQUE constraint failed"]);
}

#[test]
fn a_server_that_is_out_of_reach_is_one_clear_message_beside_a_good_target() {
    for engine in Engine::servers() {
        let (database, empty) = (engine.database(), World::empty());
        let (dialect, name) = (engine.dialect(), database.name());
        let missing = format!("gone_{name}");
        let role = format!("weak_{name}");
        let (no_database, no_right, rights) = match engine {
            Engine::Postgres => (
                format!("database \"{missing}\" does not exist"),
                "permission denied for database",
                format!("CREATE ROLE {role} LOGIN"),
            ),
            _ => (
                format!("Unknown database '{missing}'"),
                "command denied to user",
                format!("CREATE USER {role}@localhost; GRANT SELECT ON {name}.* TO {role}@localhost"),
            ),
        };
        database.ask(&empty, &rights);
        let missing = database.url.replace(&format!("/{name}"), &format!("/{missing}"));
        beside_a_good_one(&missing, dialect, &[&no_database, "create the database first"]);
        let user = if engine == Engine::Postgres { "postgres@" } else { "root@" };
        let weak = database.url.replace(user, &format!("{role}@"));
        let words = ["the history tables could not be created", no_right, "grant the user of this URL what it lacks"];
        pushed_beside_a_good_one(&weak, dialect, &words);
        let nowhere = format!("{dialect}://ada:hunter2@no-such-host.invalid/x");
        beside_a_good_one(&nowhere, dialect, &["check host and port of the URL"]);
        let refused = format!("{dialect}://ada:hunter2@127.0.0.1:1/x");
        beside_a_good_one(&refused, dialect, &["Connection refused", "check host and port of the URL"]);
    }
}

#[test]
fn a_server_that_only_reads_is_named_and_goes_on_when_it_writes_again() {
    for engine in Engine::servers().into_iter().filter(|engine| *engine != Engine::Postgres) {
        let server = start(engine, Room::Usual);
        let database = database(engine, &server, "reading".to_owned());
        let world = database.world();
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        database.ask(&world, "SET GLOBAL read_only = 1");
        let words = ["this server is read-only", "let the URL of this target name the primary server"];
        world.send("one").says(&words);
        assert_eq!(world.on_server(&["apply"]).says(&words).code, 1);
        // To look is allowed, and shows what is pending.
        world.on_server(&["status"]).says(&["1 pending"]);
        database.ask(&world, "SET GLOBAL read_only = 0");
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    }
}

#[test]
fn an_option_of_a_url_that_nobody_knows_is_no_silence() {
    for engine in Engine::servers() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let joint = if database.url.contains('?') { '&' } else { '?' };
        let misspelt = if engine == Engine::Postgres { "sslmod=verify-full" } else { "ssl-mod=VERIFY_CA" };
        for (more, said) in [
            (misspelt, "did you mean"),
            ("sslmode=nonsense", "its words are"),
            ("ssl-ca=/nosuch", "`ssl-ca` of the URL names /nosuch, which cannot be read"),
        ] {
            let url = format!("{}{joint}{more}", database.url);
            world.write_server_file(&database.server_file().replace(&database.url, &url));
            world.on_server(&["status"]).refused(&[said]);
        }
    }
}

#[test]
fn two_spellings_of_one_file_are_one_database() {
    let target = |database: &str, file: &str| {
        format!("[[target]]\nenvironment = \"dev\"\ndatabase = \"{database}\"\nurl = \"sqlite:{file}\"\n")
    };
    let keys = format!(
        "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n{}{}",
        target("shop", "shop.sqlite"),
        target("lite", "hooks/../shop.sqlite")
    );
    let world = World::new(crate::support::MANIFEST, &keys);
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.sql("shop.sqlite", "CREATE TABLE x (id INTEGER)");
    world.send("one").says(&["dev/lite has the same database, so their histories would mix"]);
}

#[test]
fn what_is_about_to_run_is_written_down_or_does_not_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").ok();
    let folder = world.server().join("schemagate/ledger");
    // A file in the place of the folder: root may write everywhere.
    let kept = world.path().join("kept-ledger");
    std::fs::rename(&folder, &kept).unwrap();
    std::fs::write(&folder, "").unwrap();
    world.migration("2", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.without_hooks(|| world.send("two").ok());
    world.on_server(&["apply"]).refused(&["could not be written, so nothing ran", "then schemagate sync"]);
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&kept, &folder).unwrap();
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    // Where a group shares the repository it shares what is ours.
    let objects = world.server().join("objects");
    std::fs::set_permissions(&objects, std::fs::Permissions::from_mode(0o2775)).unwrap();
    std::fs::remove_dir_all(world.server().join("schemagate")).unwrap();
    world.on_server(&["apply"]).ok();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(folder.clone()), 0o2775);
    let file = std::fs::read_dir(&folder).unwrap().flatten().next().unwrap().path();
    assert_eq!(mode(file), 0o664);
}

#[test]
fn a_mistake_in_the_session_of_a_target_is_not_blamed_on_the_file() {
    for engine in Engine::servers() {
        let database = engine.database();
        let world = database.world();
        let server = database.server_file();
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.without_hooks(|| world.send("one").ok());
        let settings = "the settings that the server file gives to sessions are refused";
        for (session, said) in [("no_such_thing", settings), ("role", "role \"nobody\" does not exist")] {
            if session == "role" && engine != Engine::Postgres {
                continue;
            }
            use_database(&world, &format!("{server}session = {{ {session} = \"nobody\" }}\n"));
            let text = flat(&world.on_server(&["apply"]).text);
            let words = [said, session, "mend `session` of this target"];
            assert!(words.iter().all(|words| text.contains(words)), "{engine:?} {text}");
        }
        use_database(&world, &server);
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    }
}

#[test]
fn two_targets_never_share_a_database_whatever_their_urls_say() {
    for engine in Engine::servers() {
        let (database, other) = (engine.database(), engine.database());
        let manifest = database.manifest();
        let both =
            format!("{manifest}{}", manifest[manifest.find("[project.d").unwrap()..].replace(".shop]", ".copy]"));
        let world = World::new(&both, &database.server_file());
        let beside = |url: &str| format!("{}{}", database.server_file(), server_target("copy", url));
        let option = if engine == Engine::Postgres { "&sslmode=prefer" } else { "&ssl-mode=PREFERRED" };
        let own = format!("{}{option}", database.url);
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        use_database(&world, &beside(&other.url));
        world.send("one").says(&["dev/shop 1 applied now"]).ok();
        // The other one is moved here by mistake: it is told before it runs anything.
        use_database(&world, &beside(&own));
        world.file("db/copy/2##ddl##x.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
        world
            .send("two")
            .says(&["dev/copy UNREACHABLE", "dev/shop has the same database, so their histories would mix"]);
        // What the ledgers say may be out of date: two databases that change places are no mistake.
        use_database(&world, &beside(&other.url));
        world.on_server(&["apply"]).says(&["dev/copy 1 applied now"]).ok();
    }
}

#[test]
fn a_server_that_folds_names_has_one_lock_for_all_spellings_of_a_database() {
    let server = start_mariadb_with(Room::Usual, &["--lower-case-table-names=1"]);
    let database = mysql_database(Engine::Mariadb, &server.folder, "shopping".to_owned());
    let manifest = database.manifest();
    let both = format!("{manifest}{}", manifest[manifest.find("[project.d").unwrap()..].replace(".shop]", ".copy]"));
    let spelt = server_target("copy", &database.url.replace("/shopping", "/ShopPing"));
    let world = World::new(&both, &database.server_file());
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["dev/shop 1 applied now"]).ok();
    use_database(&world, &format!("{}{spelt}", database.server_file()));
    world.file("db/copy/2##ddl##x.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    world.send("two").says(&["dev/shop has the same database, so their histories would mix"]);
}

fn server_target(database: &str, url: &str) -> String {
    format!("[[target]]\nenvironment = \"dev\"\ndatabase = \"{database}\"\nurl = \"{url}\"\n")
}
