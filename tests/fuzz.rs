//! Throws broken SQL at the splitter and the verdicts for some seconds: no panic, no hang, places in bounds, every
//! significant token in exactly one statement.
//!
//! `cargo test --test fuzz` runs for three seconds; `SCHEMAGATE_FUZZ_SECONDS=60` for a minute, as `./test.sh` does. The
//! seed is printed; `SCHEMAGATE_FUZZ_SEED` repeats a run. Inputs are the cases of `fixtures/verdict`, cut, joined and
//! mangled, so that they come far into the grammar.

#![expect(clippy::disallowed_methods, reason = "its length and seed are variables")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use schemagate::config::Dialect;
use schemagate::config::flavour::{Flavour, Release};
use schemagate::config::limits::Limits;
use schemagate::sql::lex::{Lexer, TokenKind};
use schemagate::sql::split::split;
use schemagate::sql::verdict::{Bench, Verdict, judge};

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

const PIECES: [&str; 44] = [
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
];

fn cases() -> Vec<String> {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/verdict");
    let mut files: Vec<_> = std::fs::read_dir(top)
        .expect("cases")
        .flat_map(|folder| std::fs::read_dir(folder.expect("a folder").path()).expect("cases"))
        .map(|file| file.expect("a file").path())
        .collect();
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
    assert!(begun.elapsed() < PATIENCE, "{:?} for {} bytes", begun.elapsed(), text.len());
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
