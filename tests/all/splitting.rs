//! Where statements end: ours beside what psql and the mysql client really sent to the servers of the run.

use std::path::Path;

use schemagate::config::Dialect;
use schemagate::config::flavour::Flavour;
use schemagate::sql::lex::Lexer;
use schemagate::sql::split::split;

use crate::servers;
use crate::verdicts::cases;

/// How our psql is known in the log, which other tests write to as well.
const APPLICATION: &str = "schemagate-splitting";

/// What the engine's own client sent, statement by statement.
fn psql_statements(file: &Path, mark: usize) -> Vec<String> {
    let server = servers::postgres();
    // In a transaction that has failed nothing runs, and the server logs what it was sent all the same.
    let mut psql = std::process::Command::new("timeout");
    psql.args(["60", "psql", "-X", "-q", "-h"]).arg(&server.folder).args(["-U", "postgres", "postgres"]);
    psql.args(["-c", "BEGIN", "-c", "SELECT 1/0", "-c", &format!("SELECT 'begin {mark}'"), "-f"]).arg(file);
    psql.args(["-c", &format!("SELECT 'end {mark}'")]).env("PGAPPNAME", APPLICATION);
    assert!(psql.output().is_ok());
    let end = format!("'end {mark}'");
    let logged = || {
        let log = std::fs::read(server.folder.join("data/log/all.csv")).unwrap_or_default();
        csv_statements(&String::from_utf8_lossy(&log))
    };
    let begun = std::time::Instant::now();
    let mut all = logged();
    while !all.iter().any(|sql| sql.contains(&end)) {
        assert!(begun.elapsed().as_secs() < 60, "the log of the server does not grow");
        std::thread::sleep(std::time::Duration::from_millis(50));
        all = logged();
    }
    let first = all.iter().position(|sql| sql.contains(&format!("'begin {mark}'"))).unwrap();
    let last = all.iter().rposition(|sql| sql.contains(&end)).unwrap();
    all[first + 1..last].to_vec()
}

/// The statements of a log in CSV: the message `statement: ...` of each that ran, the query of each error of form.
fn csv_statements(log: &str) -> Vec<String> {
    let mut statements = Vec::new();
    for row in csv(log) {
        let field = |number: usize| row.get(number).map_or("", String::as_str);
        if field(22) != APPLICATION {
            continue;
        }
        if let Some(statement) = field(13).strip_prefix("statement: ") {
            statements.push(statement.to_owned());
        } else if field(12) == "42601" {
            statements.push(field(19).to_owned());
        }
    }
    statements
}

fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', true) if characters.peek() == Some(&'"') => field.push(characters.next().unwrap()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut field)),
            ('\n', false) => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            _ => field.push(character),
        }
    }
    rows
}

/// What the mysql client of MariaDB sent.
fn mysql_statements(file: &Path) -> Vec<String> {
    let server = servers::mariadb();
    let client = |user: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new("mariadb");
        command
            .args(["--no-defaults", "-S"])
            .arg(server.folder.join("s"))
            .args(["-u", user, "-N", "-r", "-B"])
            .args(arguments);
        command
    };
    let run = |sql: &str| String::from_utf8_lossy(&client("root", &["-e", sql]).output().unwrap().stdout).into_owned();
    run("SET GLOBAL general_log = 0; TRUNCATE mysql.general_log; SET GLOBAL general_log = 1");
    let text = std::fs::File::open(file).unwrap();
    client("client", &["--force", "--comments", "empty"]).stdin(text).output().unwrap();
    let hex = run(
        "SET GLOBAL general_log = 0; SELECT HEX(argument) FROM mysql.general_log WHERE command_type = 'Query' AND user_host LIKE 'client%'",
    );
    let decode = |line: &str| {
        let bytes: Vec<u8> =
            (0..line.len() / 2).map(|at| u8::from_str_radix(&line[at * 2..at * 2 + 2], 16).unwrap()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    hex.lines().map(decode).filter(|sql| !sql.starts_with("select @@version_comment")).collect()
}

/// Our pieces of a file, as the client would send them: comments and white space around do not count.
fn pieces(text: &str, dialect: Dialect) -> Vec<String> {
    let flavour = Flavour::from(dialect);
    split(text, flavour)
        .iter()
        .filter(|statement| !statement.client)
        .map(|statement| tight(statement.span.of(text), dialect))
        .collect()
}

/// The tokens of a statement with one space between them.
fn tight(text: &str, dialect: Dialect) -> String {
    let tokens = Lexer::new(text, dialect)
        .filter(|token| token.kind.is_significant())
        .map(|token| token.span.of(text).to_owned());
    let mut words: Vec<String> = tokens.collect();
    while words.last().is_some_and(|last| last == ";") {
        words.pop();
    }
    words.join(" ")
}

/// A script of all cases that are one statement, and of the constructs that clients know.
fn script(dialect: Dialect) -> String {
    let clients = match dialect {
        Dialect::Postgres => {
            "\\set a 1\nSELECT $$;$$, E'\\';', $x$ $$ ; $x$; /* a /* ; */ ; */ SELECT 1;;\nSELECT \"a;b\", U&'\\0441;';\n"
        }
        _ => {
            "SELECT ';', \";\", `;` ; -- a;b\nSELECT 1 # ;\n; /* ; */ SELECT 2;\nDELIMITER //\nSELECT 3; SELECT 4 //\nSELECT 5\n//\nDELIMITER ;\n/*!40101 SET @a = 1 */;\nSELECT 'a\\';b';\n"
        }
    };
    let fits = |text: &String| {
        let first: String = text.chars().take(12).collect::<String>().to_ascii_uppercase();
        let ends = [
            "COMMIT",
            "ROLLBACK",
            "COPY",
            "SHUTDOWN",
            "KILL",
            "USE",
            "XA",
            "LOCK",
            "FLUSH",
            "SET GLOBAL",
            "BACKUP",
            "RESTART",
            "HELP",
            "UNINSTALL",
            "INSTALL",
            "STOP",
            "START",
            "RESET",
            "PURGE",
            "CHANGE",
            "SET PASSWORD",
        ];
        let client = [" \\", "\\", "DELIMITER", "delimiter", "?"].iter().any(|words| text.contains(words));
        split(text, dialect).len() == 1
            && !text.contains(';')
            && !client
            && !ends.iter().any(|word| first.starts_with(word))
    };
    let mut script = String::from(clients);
    for text in cases(dialect).into_iter().filter(fits) {
        let open = [('(', ')')].iter().any(|(open, close)| text.matches(*open).count() != text.matches(*close).count());
        let quotes = text.matches(['\'', '"', '`']).count() % 2 != 0
            || text.contains("/*")
            || text.contains("--")
            || text.contains('#')
            || text.contains('$');
        if !open && !quotes {
            script.push_str(&text);
            script.push_str(";\n");
        }
    }
    script
}

/// Compares the statements of some files with those that the client sent; returns how many and which differ.
fn compared(dialect: Dialect, files: &[std::path::PathBuf]) -> (usize, Vec<String>) {
    let (mut count, mut different) = (0, Vec::new());
    for (mark, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).unwrap();
        let sent = if dialect == Dialect::Postgres { psql_statements(file, mark) } else { mysql_statements(file) };
        let sent: Vec<String> = sent.iter().map(|sql| tight(sql, dialect)).filter(|sql| !sql.is_empty()).collect();
        let ours: Vec<String> = pieces(&text, dialect).into_iter().filter(|sql| !sql.is_empty()).collect();
        count += sent.len();
        let mut rest = ours.iter();
        for one in &sent {
            if !rest.by_ref().any(|other| other == one) {
                different.push(format!("{}: {}", file.display(), one.chars().take(200).collect::<String>()));
                rest = ours.iter();
            }
        }
    }
    (count, different)
}

#[test]
fn statements_end_where_the_clients_end_them() {
    let folder = tempfile::tempdir().unwrap();
    for dialect in [Dialect::Postgres, Dialect::Mariadb] {
        let own = folder.path().join(format!("{}.sql", dialect.word()));
        std::fs::write(&own, script(dialect)).unwrap();
        // The server's owner must be able to read it through psql, which runs as ours.
        let mut files = vec![own];
        let name = crate::verdicts::folder(dialect);
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
        match std::fs::read_dir(&top) {
            Ok(projects) => {
                for project in projects {
                    let Ok(found) = std::fs::read_dir(project.unwrap().path().join(name)) else { continue };
                    let up =
                        found.map(|file| file.unwrap().path()).filter(|file| file.to_string_lossy().contains(".up."));
                    // Routines without DELIMITER are right for a driver; the client would cut them in pieces.
                    let driver = |file: &std::path::PathBuf| {
                        let text = std::fs::read_to_string(file).unwrap();
                        text.contains("CREATE PROCEDURE") && !text.contains("DELIMITER")
                    };
                    files.extend(up.filter(|file| !driver(file)).take(60));
                }
            }
            Err(_) => println!("the real migrations are not here: only our script was split"),
        }
        let (count, different) = compared(dialect, &files);
        println!("{}: {count} statements, {} differ", dialect.title(), different.len());
        assert!(count > 200, "{count}");
        assert!(different.len() * 1000 <= count, "{}", different.join("\n"));
    }
}
