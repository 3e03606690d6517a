//! Throws broken SQL at the splitter, the verdicts and the review for some seconds: no panic, no hang, places in bounds,
//! every significant token in exactly one statement.
//!
//! `cargo test --test fuzz` runs for three seconds; `SCHEMAGATE_FUZZ_SECONDS=60` for a minute, as `./test.sh` does. The
//! seed is printed; `SCHEMAGATE_FUZZ_SEED` repeats a run. Inputs are the cases of `fixtures/verdict`, cut, joined and
//! mangled, so that they come far into the grammar.

#![expect(clippy::disallowed_methods, reason = "its length and seed are variables")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use schemagate::catalogue::Catalogue;
use schemagate::config::Dialect;
use schemagate::config::conventions::Conventions;
use schemagate::config::flavour::{Flavour, Release};
use schemagate::config::limits::Limits;
use schemagate::facts;
use schemagate::migration::Kind;
use schemagate::rules::suppression::suppressions;
use schemagate::rules::{Script, Tally, look_at_script};
use schemagate::sql::lex::{Lexer, TokenKind};
use schemagate::sql::split::{Statement, split};
use schemagate::sql::verdict::{Bench, Verdict, judge};
use schemagate::text::Span;

/// Longest time for one input of some kilobytes.
const PATIENCE: Duration = Duration::from_secs(10);

struct Seed(u64);

impl Seed {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 12).expect("fits") % below.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.next(from.len());
        &from[at]
    }
}

const PIECES: [&str; 52] = [
    "'",
    "\"",
    "`",
    "$$",
    "$a$",
    "(",
    ")",
    "((((((((",
    ";",
    ";;",
    "--",
    "-- \n",
    "#",
    "/*",
    "*/",
    "/*!50000 ",
    "/*M! ",
    "\\",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{e4}",
    "\u{1f600}",
    "\0",
    "BEGIN",
    "END",
    "END IF",
    "CASE",
    "DELIMITER //\n",
    "DELIMITER ;\n",
    "//",
    "\\g",
    ".x\n",
    "E'",
    "_utf8'",
    "@",
    "@@",
    "::",
    "0x",
    "1e",
    "..",
    "CREATE TRIGGER",
    "CREATE PROCEDURE p()",
    "NOT NOT NOT",
    "-- schemagate: ignore drop-table, x -- y\n",
    "/* Schemagate: ignore-file",
    "WITH a AS (DELETE FROM",
    "EXPLAIN ANALYZE",
    "EXECUTE IMMEDIATE '",
    "DO $$ BEGIN",
    "ALGORITHM",
    "ALTER TABLE a ADD",
];

fn cases() -> Vec<String> {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = |folder: std::path::PathBuf| {
        std::fs::read_dir(folder).expect("cases").map(|file| file.expect("a file").path()).collect::<Vec<_>>()
    };
    let mut files: Vec<_> =
        files(top.join("verdict")).into_iter().flat_map(files).chain(files(top.join("rules"))).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).expect("text")).collect();
    texts
        .iter()
        .flat_map(|text| text.split("\n--- ").filter_map(|block| block.split_once('\n')))
        .map(|(_, body)| body.to_owned())
        .collect()
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn mangled(seed: &mut Seed, cases: &[String]) -> String {
    let mut text = seed.pick(cases).clone();
    for _ in 0..seed.next(6) {
        let at = boundary(&text, seed.next(text.len() + 1));
        let to = boundary(&text, (at + seed.next(30)).min(text.len()));
        match seed.next(5) {
            0 => text.replace_range(at..to, ""),
            1 => text.insert_str(at, PIECES[seed.next(PIECES.len())]),
            2 => {
                let again = text[at..to].repeat(1 + seed.next(40));
                text.insert_str(at, &again);
            }
            3 => {
                let other = seed.pick(cases);
                let from = boundary(other, seed.next(other.len() + 1));
                text.replace_range(at..to, &other[from..]);
            }
            _ => text.push_str(&format!(";{}", seed.pick(cases))),
        }
    }
    let longest = boundary(&text, text.len().min(20_000));
    text.truncate(longest);
    text
}

fn flavour(seed: &mut Seed) -> Flavour {
    let dialect = *seed.pick(&Dialect::ALL);
    let release = (seed.next(3) == 0).then(|| Release::new(5 + u16::try_from(seed.next(14)).expect("small"), 6, 0));
    let mysql = Flavour::from(dialect).is_mysql();
    Flavour {
        dialect,
        release,
        ansi_quotes: mysql && seed.next(4) == 0,
        no_backslash_escapes: mysql && seed.next(4) == 0,
    }
}

fn look(text: &str, flavour: Flavour) {
    let begun = Instant::now();
    let statements = split(text, flavour);
    let mut end = 0;
    for statement in &statements {
        assert!(statement.span.start >= end && statement.span.end <= text.len() && !statement.span.of(text).is_empty());
        end = statement.span.end;
    }
    let tokens: usize = Lexer::new(text, flavour).map(|token| token.span.end - token.span.start).sum();
    assert_eq!(tokens, text.len(), "every byte is in one token");
    if !text.contains("DELIMITER")
        && !text.contains("delimiter")
        && !statements.iter().any(|statement| statement.client)
    {
        let inside =
            |at: usize| statements.iter().any(|statement| statement.span.start <= at && at < statement.span.end);
        for token in Lexer::new(text, flavour).filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Text)) {
            assert!(inside(token.span.start), "`{}` is in no statement", token.span.of(text));
        }
    }
    for statement in &statements {
        let bench = Bench { flavour, limits: Limits::default(), replay: None, server: None };
        let verdict = judge(text, statement, bench);
        if let Verdict::Rejected { span, message, .. } = &verdict {
            assert!(!message.contains("the checker failed"), "a panic");
            assert!(span.start < span.end && span.end <= text.len(), "{verdict:?}");
        }
    }
    review(text, &statements, flavour);
    assert!(begun.elapsed() < PATIENCE, "{:?} for {} bytes", begun.elapsed(), text.len());
}

/// Reads the facts of all statements, also of those that no engine takes, and reviews the whole.
fn review(text: &str, statements: &[Statement], flavour: Flavour) {
    let known = RefCell::new(Catalogue::default());
    let whole = |shown: &str, span: Span| assert!(shown.get(span.start..span.end).is_some(), "{span:?} of {shown}");
    for statement in statements {
        let shown = statement.span.of(text);
        if let Some(fact) = facts::read(shown, flavour) {
            known.borrow_mut().follow(&fact);
            known.borrow_mut().perhaps_follow(&fact);
            known.borrow_mut().follow_within(&fact);
        }
        let inner = facts::within(shown, flavour).map(|(_, spans)| spans).unwrap_or_default();
        for span in inner {
            whole(shown, span);
            let _ = facts::read(span.of(shown), flavour);
        }
        let _ = facts::dynamic(shown, flavour);
    }
    known.borrow_mut().end_routine();
    let script = Script {
        name: "a.sql",
        text,
        kind: Kind::Ddl,
        database: Some("a"),
        bench: Some(Bench { flavour, limits: Limits::default(), replay: None, server: None }),
        statements,
        known: Some(&known),
        pending: true,
        conventions: &Conventions::default(),
        wanted: &|_| true,
        late: &|| false,
    };
    for finding in look_at_script(&script, &mut Tally::default()) {
        finding.place.span.into_iter().for_each(|span| whole(text, span));
    }
    let (suppressions, wrong) = suppressions("a.sql", text, statements, flavour);
    suppressions.iter().for_each(|one| whole(text, one.span));
    wrong.iter().filter_map(|finding| finding.place.span).for_each(|span| whole(text, span));
}

fn run(seconds: u64, first: u64) {
    let cases = cases();
    assert!(cases.len() > 1000, "the cases are there");
    let mut seed = Seed(first);
    let begun = Instant::now();
    let mut inputs = 0_u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let (text, flavour) = (mangled(&mut seed, &cases), flavour(&mut seed));
        let looked = std::panic::catch_unwind(|| look(&text, flavour));
        if looked.is_err() {
            eprintln!("the input, as {flavour:?}:\n{text}\n(again with SCHEMAGATE_FUZZ_SEED={first})");
            std::process::exit(1);
        }
        inputs += 1;
    }
    println!("{inputs} inputs in {seconds} s, seed {first}: nothing found");
}

fn main() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("SCHEMAGATE_FUZZ_SECONDS").unwrap_or(3);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |time| time.as_nanos());
    let first = number("SCHEMAGATE_FUZZ_SEED").unwrap_or(u64::try_from(clock & 0xffff_ffff).unwrap_or(0) | 1);
    // The program's own stack.
    let run = std::thread::Builder::new().stack_size(256 << 20).spawn(move || run(seconds, first));
    assert!(run.expect("a thread").join().is_ok(), "the seed was {first}");
}
