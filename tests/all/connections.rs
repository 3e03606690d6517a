//! What stands between the program and a server: certificates that are no good any more, and servers that only read.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::databases::postgres_database;
use crate::matrix_cases::use_database;
use crate::servers::{Room, standby_of, start_postgres, start_postgres_with};
use crate::support::flat;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

#[track_caller]
fn psql(home: &Path, database: &str, sql: &str) -> String {
    let mut command = Command::new("psql");
    let output = command.args(["-X", "-A", "-t", "-U", "postgres", "-h"]).arg(home).args(["-c", sql, database]);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_certificate_that_has_expired_is_named_and_a_new_one_is_taken() {
    // An address of this machine that nobody else listens on.
    let address = format!("127.{}.{}.7", 64 + std::process::id() % 64, std::process::id() / 64 % 250);
    let listen = format!("listen_addresses={address}");
    let server = start_postgres_with(Room::Usual, &[&listen], |data| {
        let place = |from: &str, to: &str| {
            let to = data.join(to);
            std::fs::copy(fixture(from), &to).unwrap();
            let owner = format!("--reference={}", data.join("PG_VERSION").display());
            assert!(Command::new("chown").arg(owner).arg(&to).status().unwrap().success());
            assert!(Command::new("chmod").arg("600").arg(&to).status().unwrap().success());
        };
        place("server.key", "server.key");
        place("expired.crt", "server.crt");
        let rules = data.join("pg_hba.conf");
        let text = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("hostssl all all 127.0.0.0/8 trust\nhost all all 127.0.0.0/8 reject\n{text}"))
            .unwrap();
        let settings = data.join("postgresql.conf");
        std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + "ssl = on\n").unwrap();
    });
    let database = postgres_database(&server.folder, "secured".to_owned());
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id bigint PRIMARY KEY);\n");
    let secured = |root: &Path| {
        let url =
            format!("postgres://postgres:secret@{address}/secured?sslmode=verify-ca&sslrootcert={}", root.display());
        database.server_file_at(&url)
    };
    use_database(&world, &secured(&fixture("ca.crt")));
    let text = flat(&world.send("one").text);
    assert!(text.contains("expired") && text.contains("check the certificate of the server"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(flat(&world.on_server(&["status"]).text).contains("expired"), "status is truthful");
    // A certificate of somebody unknown.
    use_database(&world, &secured(&fixture("good.crt")));
    let text = flat(&world.on_server(&["apply"]).text);
    assert!(text.contains("check the certificate of the server"), "{text}");
    // A new one of the same authority.
    std::fs::copy(fixture("good.crt"), server.folder.join("data/server.crt")).unwrap();
    psql(&server.folder, "postgres", "SELECT pg_reload_conf()");
    use_database(&world, &secured(&fixture("ca.crt")));
    let begun = std::time::Instant::now();
    while !world.on_server(&["apply"]).text.contains("1 applied now") {
        assert!(begun.elapsed().as_secs() < 30, "the server never took its new certificate");
    }
    assert_eq!(psql(&server.folder, "secured", "SELECT count(*) FROM a"), "0");
    // This server lets nobody in without TLS.
    let mode = |mode: &str| database.server_file_at(&format!("postgres://postgres@{address}/secured?sslmode={mode}"));
    for (word, said) in [("disable", "write sslmode=require"), ("allow", "up to date"), ("prefer", "up to date")] {
        use_database(&world, &mode(word));
        let text = flat(&world.on_server(&["apply"]).text);
        assert!(text.contains(said), "{word}: {text}");
    }
}

#[test]
fn a_replica_is_read_and_never_written_to() {
    let primary = start_postgres(Room::Usual);
    let database = postgres_database(&primary.folder, "copied".to_owned());
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id bigint PRIMARY KEY);\n");
    world.send("one").says(&["1 applied now"]).ok();
    let standby = standby_of(&primary);
    let (home, copy) = (primary.folder.display().to_string(), standby.folder.display().to_string());
    use_database(&world, &database.server_file().replace(&home, &copy));
    world.on_server(&["status"]).says(&["up to date"]).ok();
    world.on_server(&["history"]).says(&["1 ddl applied"]).ok();
    world.migration("2", "CREATE TABLE b (id bigint PRIMARY KEY);\n");
    let text = flat(&world.send("two").text);
    let words = ["this server is a read-only replica", "let the URL of this target name the primary server"];
    assert!(words.iter().all(|words| text.contains(words)), "{text}");
    use_database(&world, &database.server_file());
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
}
