//! Our verdicts beside those of the engines: the cases, real migrations, and mutations of both.
//!
//! The engines of the run judge: private PostgreSQL and MariaDB by preparing without executing, the linked SQLite. The
//! table goes to `docs/verdict.md` when `SCHEMAGATE_WRITE_DOCS` is set.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;

use schemagate::config::Dialect;
use schemagate::config::flavour::{Flavour, Release};
use schemagate::config::limits::Limits;
use schemagate::engine::verify::Checker;
use schemagate::sql::lex::Lexer;
use schemagate::sql::split::split;
use schemagate::sql::verdict::{Answer, Bench, Verdict, judge};

use crate::databases::Engine;
use crate::servers;
use crate::support::World;

/// What is asked, of whom.
pub(crate) struct Judge {
    flavour: Flavour,
    checker: RefCell<Option<Checker>>,
    /// Whether our verdict asks the server too.
    asks: bool,
}

/// The release of a server of this run.
pub(crate) fn release(engine: Engine) -> Release {
    let question = if engine == Engine::Postgres { "SHOW server_version" } else { "SELECT version()" };
    let said = engine.database().ask(&World::empty(), question);
    let mut numbers = said.split(['.', '-', ' ']).map_while(|number| number.parse().ok());
    let mut number = || numbers.next().unwrap_or(0);
    Release::new(number(), number(), number())
}

impl Judge {
    pub(crate) fn of(dialect: Dialect) -> Self {
        let engine = match dialect {
            Dialect::Postgres => Some(Engine::Postgres),
            Dialect::Mariadb => Some(Engine::Mariadb),
            Dialect::Mysql => Some(Engine::Mysql),
            Dialect::Sqlite => None,
        };
        let release = engine.map(release);
        let url = engine.map(|engine| &engine.server().checker_url);
        let flavour = Flavour { release, ..dialect.into() };
        let checker = url.map(|url| Checker::connect(url, flavour).expect("the server of the run answers"));
        Self { flavour, checker: RefCell::new(checker), asks: false }
    }

    pub(crate) fn engine(&self, text: &str) -> Answer {
        match &mut *self.checker.borrow_mut() {
            Some(checker) => {
                let answer = checker.ask(text);
                assert_eq!(checker.silent(), None, "for {text}");
                match answer {
                    Answer::Accepted if self.flavour.dialect == Dialect::Postgres => body(text),
                    answer => answer,
                }
            }
            None => sqlite(text),
        }
    }

    /// Ours: rejected with the byte (none for what is only too new), or not.
    pub(crate) fn ours(&self, text: &str) -> Option<Option<usize>> {
        let statements = split(text, self.flavour);
        let ask = |text: &str| self.checker.borrow_mut().as_mut().map_or(Answer::Silent, |checker| checker.ask(text));
        let server = self.asks.then_some(&ask as &dyn Fn(&str) -> Answer);
        let bench = Bench { flavour: self.flavour, limits: Limits::default(), replay: None, server };
        statements.iter().find_map(|statement| match judge(text, statement, bench) {
            Verdict::Rejected { span, .. } => Some(Some(span.start)),
            Verdict::Newer { .. } => Some(None),
            _ => None,
        })
    }
}

/// The linked SQLite on a database that has the tables which the statement names: an error of form, or not.
fn sqlite(text: &str) -> Answer {
    const FORM: [&str; 7] = [
        ": syntax error",
        "unrecognized token",
        "incomplete input",
        "unknown table option",
        "qualified table names are not",
        "INDEXED BY clause is not allowed",
        "unknown join type",
    ];
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    for _ in 0..32 {
        let Err(error) = connection.prepare(text) else { return Answer::Accepted };
        let (message, byte) = match &error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => (msg.clone(), usize::try_from(*offset).ok()),
            other => (other.to_string(), None),
        };
        if FORM.iter().any(|words| message.contains(words)) {
            return Answer::Rejected { byte, message };
        }
        let Some(table) = message.strip_prefix("no such table: ") else { return Answer::Accepted };
        let table = table.trim_start_matches("main.").trim_start_matches("temp.").replace('"', "\"\"");
        if connection.execute_batch(&format!("CREATE TABLE \"{table}\"(stub)")).is_err() {
            return Answer::Accepted;
        }
    }
    Answer::Accepted
}

/// Makes a function in a transaction that is rolled back: its body is compiled then. `DO` is made a procedure first.
fn body(text: &str) -> Answer {
    let text = text.trim_start();
    let head: String = text.chars().take(40).collect::<String>().to_ascii_uppercase();
    let words: Vec<&str> = head.split_whitespace().collect();
    let routine = |word: &str| word.starts_with("FUNCTION") || word.starts_with("PROCEDURE");
    let made = match words.as_slice() {
        ["DO", ..] => match text.find('$') {
            Some(at) if !head.contains("LANGUAGE") => {
                format!("CREATE PROCEDURE of_the_run() LANGUAGE plpgsql AS {}", text[at..].trim_end())
            }
            _ => return Answer::Accepted,
        },
        ["CREATE", "OR", "REPLACE", word, ..] | ["CREATE", word, ..] if routine(word) => text.to_owned(),
        _ => return Answer::Accepted,
    };
    let server = servers::postgres();
    let mut psql = std::process::Command::new("psql");
    psql.args(["-X", "-q", "-h"]).arg(&server.folder).args(["-U", "postgres", "-v", "VERBOSITY=verbose", "postgres"]);
    psql.args(["-c", "BEGIN", "-c"]).arg(made).args(["-c", "ROLLBACK"]);
    let output = psql.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    match message.as_str() {
        "" => Answer::Accepted,
        _ if message.contains("42601") => Answer::Rejected { byte: None, message },
        // A type that is not there: the body was not looked at.
        _ => Answer::Silent,
    }
}

#[derive(Default, Clone)]
struct Row {
    statements: usize,
    valid: usize,
    false_rejects: Vec<String>,
    broken: usize,
    false_accepts: Vec<String>,
    placed: usize,
    rejected_by_both: usize,
}

/// How near a place must be: the same character, or the same line.
fn same_place(dialect: Dialect, text: &str, ours: usize, engine: usize) -> bool {
    let by_lines = matches!(dialect, Dialect::Mariadb | Dialect::Mysql);
    let end = text.trim_end().len();
    let (ours, engine) = (ours.min(end), engine.min(end));
    let line = |byte: usize| text[..byte].matches('\n').count();
    // The end of a statement is shown on its last character.
    ours == engine || engine == end && ours + 4 >= end || by_lines && line(ours) == line(engine)
}

fn compare(judge: &Judge, texts: &[String]) -> Row {
    let mut row = Row::default();
    for text in texts {
        let ours = judge.ours(text);
        match (judge.engine(text), ours) {
            (Answer::Accepted, Some(_)) => {
                row.valid += 1;
                row.false_rejects.push(text.clone());
            }
            (Answer::Accepted, None) => row.valid += 1,
            (Answer::Rejected { .. }, None) => {
                row.broken += 1;
                row.false_accepts.push(text.clone());
            }
            (Answer::Rejected { byte, .. }, Some(ours)) => {
                row.broken += 1;
                if let Some(ours) = ours {
                    row.rejected_by_both += 1;
                    let near = byte.is_none_or(|byte| same_place(judge.flavour.dialect, text, ours, byte));
                    row.placed += usize::from(near);
                }
            }
            // The server stopped in the middle: it does not know either.
            (Answer::Silent, _) => continue,
        }
        row.statements += 1;
    }
    row
}

/// A generator of our own, so that the mutations are the same everywhere.
struct Seed(u64);

impl Seed {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below.max(1)
    }
}

/// One random edit of a statement: a token dropped, doubled, swapped, misspelt, or a comma or bracket put in.
fn mutated(text: &str, flavour: Flavour, seed: &mut Seed) -> Option<String> {
    let tokens: Vec<_> =
        Lexer::new(text, flavour).filter(|token| token.kind.is_significant()).map(|token| token.span).collect();
    if tokens.len() < 3 {
        return None;
    }
    let at = seed.next(tokens.len() - 1);
    let (one, two) = (tokens[at], tokens[at + 1]);
    let word = one.of(text);
    let edit = match seed.next(7) {
        0 => String::new(),
        1 => format!("{word} {word}"),
        2 => return Some(format!("{}{} {word}{}", &text[..one.start], two.of(text), &text[two.end..])),
        3 if word.len() > 3 && word.is_ascii() => format!("{}{}", &word[..1], &word[2..]),
        4 => format!("{word} ,"),
        5 => format!("{word} )"),
        _ => format!("{word} x"),
    };
    Some(format!("{}{edit}{}", &text[..one.start], &text[one.end..]))
}

fn mutations(texts: &[String], flavour: Flavour, each: usize) -> Vec<String> {
    let mut seed = Seed(0x5eed_0001);
    let mut all = Vec::new();
    for text in texts {
        all.extend((0..each).filter_map(|_| mutated(text, flavour, &mut seed)));
    }
    // What the splitter parts would be judged in parts by us and in one by the engine.
    all.retain(|text| split(text, flavour).len() == 1);
    all
}

/// Where the cases and migrations for an engine are: MariaDB and MySQL share theirs.
pub(crate) fn folder(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Mariadb { "mysql" } else { dialect.word() }
}

/// The cases that this engine of this release accepts.
pub(crate) fn cases(dialect: Dialect) -> Vec<String> {
    let folder = folder(dialect);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/verdict").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let blocks = format!("\n{text}");
        for block in blocks.split("\n--- ").skip(1) {
            let (_, body) = block.split_once('\n').unwrap_or((block, ""));
            cases.push(body.trim_end().to_owned());
        }
    }
    cases
}

/// The statements of the real migrations, where they are.
fn corpus(dialect: Dialect) -> Option<Vec<String>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = folder(dialect);
    let mut statements = Vec::new();
    for project in std::fs::read_dir(top).ok()? {
        let Ok(files) = std::fs::read_dir(project.unwrap().path().join(folder)) else { continue };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            statements.extend(split(&text, dialect).iter().map(|statement| statement.span.of(&text).to_owned()));
        }
    }
    Some(statements)
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{part} ({:.2} %)", part as f64 * 100.0 / whole as f64) }
}

fn line(table: &mut String, title: &str, row: &Row) {
    let _ = writeln!(
        table,
        "| {title} | {} | {} | {} | {} | {} |",
        row.statements,
        percent(row.false_rejects.len(), row.valid),
        row.broken,
        percent(row.broken - row.false_accepts.len(), row.broken),
        percent(row.placed, row.rejected_by_both)
    );
}

fn show(title: &str, row: &Row) {
    for (what, texts) in [("false reject", &row.false_rejects), ("false accept", &row.false_accepts)] {
        for text in texts.iter().take(if std::env::var_os("SCHEMAGATE_SHOW").is_some() { 500 } else { 5 }) {
            println!("{title}: {what}: {}", text.chars().take(300).collect::<String>());
        }
    }
}

#[test]
fn the_verdicts_are_those_of_the_engines() {
    let mut table = String::new();
    let mut missed = Vec::new();
    let mut judges = vec![(Dialect::Postgres, false)];
    for engine in Engine::mysqls() {
        judges.extend([(engine.flavour(), false), (engine.flavour(), true)]);
    }
    judges.push((Dialect::Sqlite, false));
    if let Ok(only) = std::env::var("SCHEMAGATE_ONLY") {
        judges.retain(|(dialect, _)| dialect.word() == only);
    }
    for (dialect, asks) in judges {
        let mut judge = Judge::of(dialect);
        judge.asks = asks;
        let mut sets = vec![("our cases", cases(dialect), 3)];
        match corpus(dialect) {
            Some(statements) => sets.push(("real migrations", statements, 5)),
            None => println!("the real migrations are not here: only our cases were judged"),
        }
        for (name, texts, each) in sets {
            let broken = mutations(&texts, judge.flavour, each);
            for (kind, texts) in [("", texts), (", mutated", broken)] {
                let with = if asks { " with a checking server" } else { "" };
                let title = format!("{}{with}: {name}{kind}", dialect.title());
                let row = compare(&judge, &texts);
                show(&title, &row);
                line(&mut table, &title, &row);
                missed.extend(wanting(dialect, &title, name == "real migrations", asks, &row));
            }
        }
    }
    println!("{table}");
    crate::support::write_docs("verdict.md", "table", &format!("{HEAD}{table}"));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const HEAD: &str = "| statements | judged | valid, but rejected | broken | broken, and rejected | at the engine's place |\n|---|---|---|---|---|---|\n";

/// What is promised and not kept.
fn wanting(dialect: Dialect, title: &str, real: bool, asks: bool, row: &Row) -> Vec<String> {
    let mut wanting = Vec::new();
    let recognised = matches!(dialect, Dialect::Mariadb | Dialect::Mysql) && !asks;
    let rejects = row.false_rejects.len();
    let allowed = if recognised { if real { row.valid / 2000 } else { row.valid / 100 } } else { 0 };
    if rejects > allowed {
        wanting.push(format!("{title}: {rejects} false rejects, {allowed} allowed"));
    }
    let accepts = row.false_accepts.len();
    let allowed = if recognised { row.broken * 3 / 100 } else { 0 };
    if accepts > allowed {
        wanting.push(format!("{title}: {accepts} false accepts, {allowed} allowed"));
    }
    if row.placed * 100 < row.rejected_by_both * 95 {
        wanting.push(format!("{title}: {} of {} places", row.placed, row.rejected_by_both));
    }
    wanting
}

#[test]
fn mysqls_own_flavour_takes_the_real_migrations_of_mysql() {
    let Some(texts) = corpus(Dialect::Mysql) else {
        println!("the real migrations are not here");
        return;
    };
    let judge = Judge { flavour: Dialect::Mysql.into(), checker: RefCell::new(None), asks: false };
    // Five statements of these migrations (all on the way down) are broken, and MySQL says so too.
    let broken = |text: &str| text.starts_with("--") || text.starts_with("DROP INDEX") && !text.contains(" ON ");
    let wrong: Vec<&String> = texts.iter().filter(|text| judge.ours(text).is_some() && !broken(text)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), texts.len());
}
