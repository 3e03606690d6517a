//! Rules about the form of statements: is each one what the engine would accept?

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::split::{Statement, split};
use crate::sql::verdict::{Bench, Verdict, judge};
use crate::text::{Span, enumerate, sanitize};

/// Not well formed.
pub static SYNTAX_ERROR: Rule = Rule {
    name: "syntax-error",
    severity: Severity::Error,
    configurable: true,
    summary: "A statement is not well formed.",
    explanation: "The database would refuse it in the middle of a rollout. Every bad statement of a file is reported. The \
                  verdict is the engine's: for PostgreSQL its own parser (bodies of functions and DO blocks included), for \
                  SQLite its library, for MySQL and MariaDB a recogniser written from their manuals. A checking server \
                  (`verify-url` in the server file) makes it that of your very release.",
};

/// Not decided.
pub static SYNTAX_UNDECIDED: Rule = Rule {
    name: "syntax-undecided",
    severity: Severity::Note,
    configurable: true,
    summary: "Whether a statement is well formed could not be decided.",
    explanation: "It is let through and counted as not analysed. A checking server (`verify-url` in the server file) \
                  decides it; policy can make this an error.",
};

/// Against the schema.
pub static SCHEMA_ERROR: Rule = Rule {
    name: "schema-error",
    severity: Severity::Error,
    configurable: true,
    summary: "A statement does not fit the tables that the migrations before it make.",
    explanation: "SQLite carried out the structure of all earlier migrations of this database in memory and refused this \
                  statement: a table or column is missing, a name is taken, or an ALTER cannot work. If tables were made \
                  outside of the migrations, add a first migration that creates them (with IF NOT EXISTS), or lower this \
                  rule in the manifest.",
};

/// For a newer release.
pub static NEWER_SYNTAX: Rule = Rule {
    name: "newer-syntax",
    severity: Severity::Error,
    configurable: true,
    summary: "A statement needs a newer release than the manifest declares.",
    explanation: "The database would refuse it as a syntax error. Write it in the older way, or raise `version` of the \
                  database in the manifest if its server is newer.",
};

/// Beyond a bound.
pub static TOO_MUCH: Rule = Rule {
    name: "too-much",
    severity: Severity::Error,
    configurable: false,
    summary: "A statement or file is beyond a bound, so it was not judged.",
    explanation: "`limits` in the manifest bounds how deep brackets nest, how long a statement is, how many statements a \
                  file has and how long its check may take; the server file may bound them further. What is beyond is \
                  refused before any parser sees it.",
};

/// A client's command.
pub static CLIENT_COMMAND: Rule = Rule {
    name: "client-command",
    severity: Severity::Error,
    configurable: false,
    summary: "A line is a command of psql or sqlite3, or SQL in the line before the rows of COPY.",
    explanation: "Lines such as `\\set` or `.mode` are carried out by the client program, not by the database. Only SQL \
                  is sent to it. What follows `COPY ... FROM STDIN;` in its line would be run by psql behind the rows.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&SYNTAX_ERROR, &SYNTAX_UNDECIDED, &SCHEMA_ERROR, &NEWER_SYNTAX, &TOO_MUCH, &CLIENT_COMMAND],
    looks: Looks::AtScript(look),
};

fn look(script: &Script<'_>, tally: &mut Tally) -> Vec<Finding> {
    let Some(bench) = script.bench else {
        tally.not_analysed += script.statements.len();
        return Vec::new();
    };
    if script.statements.len() > bench.limits.statements {
        tally.refused.extend(script.statements.iter().map(|statement| statement.span.start));
        return vec![too_many(script, bench.limits.statements)];
    }
    let mut findings = Vec::new();
    for (number, statement) in script.statements.iter().enumerate() {
        if (script.late)() {
            findings.push(late(script, statement, script.statements.len() - number));
            break;
        }
        if statement.copied {
            continue;
        }
        if statement.client {
            findings.push(client_command(script, statement));
            continue;
        }
        let verdict = judge(script.text, statement, bench);
        if !matches!(verdict, Verdict::Accepted | Verdict::Newer { .. } | Verdict::Refused { .. }) {
            tally.refused.insert(statement.span.start);
        }
        if matches!(verdict, Verdict::Unknown { .. }) {
            tally.not_analysed += 1;
        }
        let reserved = match &verdict {
            Verdict::Rejected { span, .. } => reserved(script, statement, bench, *span),
            _ => None,
        };
        findings.extend(finding(script, verdict, &bench.flavour.title()).map(|finding| match reserved {
            Some((help, edit)) => Finding { help: Some(help.into()), certain: true, edit: Some(edit), ..finding },
            None => finding,
        }));
    }
    findings
}

/// Most names of a statement that are put into quotes.
const MOST_NAMES: usize = 8;

/// Words that begin a constraint or an option where a name might stand: never taken for names.
const NO_NAMES: [&str; 14] = [
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "FOREIGN",
    "CONSTRAINT",
    "KEY",
    "INDEX",
    "EXCLUDE",
    "LIKE",
    "NOT",
    "NULL",
    "DEFAULT",
    "REFERENCES",
    "PERIOD",
];

/// A reserved word that stands where only a name can stand, so that the statement is well formed once it is in quotes:
/// what to say of it, and the statement with these quotes.
fn reserved(
    script: &Script<'_>,
    statement: &Statement,
    bench: Bench<'_>,
    at: Span,
) -> Option<(String, (Span, String))> {
    let flavour = bench.flavour;
    let alone = Bench { replay: None, server: None, ..bench };
    let mut text = statement.span.of(script.text).to_owned();
    let mut at = Span::new(at.start.checked_sub(statement.span.start)?, at.end.checked_sub(statement.span.start)?);
    let mut names = Vec::new();
    while names.len() < MOST_NAMES {
        let word = text.get(at.start..at.end)?.to_owned();
        if !names_something(&text, at, flavour) {
            return None;
        }
        let name = if flavour.dialect == Dialect::Postgres { word.to_lowercase() } else { word };
        let quoted = if flavour.is_mysql() { format!("`{name}`") } else { format!("\"{name}\"") };
        text.replace_range(at.start..at.end, &quoted);
        names.push(quoted);
        let again = split(&text, flavour);
        let [only] = again.as_slice() else { return None };
        match judge(&text, only, alone) {
            Verdict::Rejected { span, .. } => at = span,
            Verdict::TooMuch { .. } | Verdict::Unknown { .. } => return None,
            _ => {
                let help = format!("a reserved word is a name only in quotes: {}", enumerate(&names, MOST_NAMES));
                return Some((help, (statement.span, text)));
            }
        }
    }
    None
}

/// Says whether a word stands where a definition has nothing but the name of a table or column.
fn names_something(text: &str, at: Span, flavour: Flavour) -> bool {
    let tokens: Vec<_> = Lexer::new(text, flavour).filter(|token| token.kind.is_significant()).collect();
    let Some(place) = tokens.iter().position(|token| token.span == at && token.kind == TokenKind::Word) else {
        return false;
    };
    let is = |number: usize, word: &str| {
        tokens.get(number).is_some_and(|token| token.span.of(text).eq_ignore_ascii_case(word))
    };
    let before = |words: &[&str]| place > 0 && words.iter().any(|word| is(place - 1, word));
    let creates = is(0, "CREATE") && (1..5).any(|number| is(number, "TABLE"));
    let alters = is(0, "ALTER") && is(1, "TABLE");
    let depth = tokens[..place].iter().fold(0_usize, |depth, token| match token.span.of(text) {
        "(" => depth + 1,
        ")" => depth.saturating_sub(1),
        _ => depth,
    });
    let column = creates && depth == 1 && before(&["(", ","]) || alters && before(&["ADD", "COLUMN", "EXISTS"]);
    let table = (creates || alters) && depth == 0 && before(&["TABLE", "EXISTS"]);
    let denied = NO_NAMES.iter().any(|word| is(place, word));
    (column || table) && !denied && !is(place + 1, ",") && !(column && is(place + 1, ")"))
}

fn too_many(script: &Script<'_>, most: usize) -> Finding {
    let message = format!("this file has {} statements; the limit is {most}", script.statements.len());
    let span = script.statements.get(most).map_or(Span::default(), |statement| statement.span);
    let place = Place::content(script.name, Span::new(span.start, span.start + 1));
    Finding::new(&TOO_MUCH, place, message).help("split it into several versions, or raise `limits.statements`")
}

fn late(script: &Script<'_>, statement: &Statement, left: usize) -> Finding {
    let message = format!("the time for this file is up; {} not judged", were(left));
    let place = Place::content(script.name, Span::new(statement.span.start, statement.span.start + 1));
    Finding::new(&TOO_MUCH, place, message).help("split it into several versions, or raise `limits.time`")
}

/// Finds that the time was up before all statements were reviewed.
pub(super) fn late_review(script: &Script<'_>, span: Span, left: usize) -> Finding {
    let message = format!("the time for this file is up; {} not reviewed", were(left));
    let place = Place::content(script.name, Span::new(span.start, span.start + 1));
    Finding::new(&TOO_MUCH, place, message).help("split it into several versions, or raise `limits.time`")
}

fn were(count: usize) -> String {
    if count == 1 { "1 statement was".to_owned() } else { format!("{count} statements were") }
}

fn finding(script: &Script<'_>, verdict: Verdict, title: &str) -> Option<Finding> {
    let place = |span| Place::content(script.name, span);
    match verdict {
        Verdict::Accepted => None,
        Verdict::Rejected { span, message, help } => {
            let message = format!("not valid {title}: {}", sanitize(&message));
            let mut finding = Finding::new(&SYNTAX_ERROR, place(span), message);
            finding.help = help.map(Into::into);
            Some(finding)
        }
        Verdict::Refused { span, message } => {
            let message = format!("{title} would refuse this: {}", sanitize(&message));
            Some(Finding::new(&SCHEMA_ERROR, place(span), message))
        }
        Verdict::Newer { span, message } => {
            let help = "write it in the older way, or raise `version` in the manifest if the server is newer";
            Some(Finding::new(&NEWER_SYNTAX, place(span), message).help(help))
        }
        Verdict::Unknown { span, why } => {
            let message = format!("not decided whether this is valid {title}: {}", sanitize(&why));
            Some(Finding::new(&SYNTAX_UNDECIDED, place(span), message).help("review it by hand"))
        }
        Verdict::TooMuch { span, message } => {
            Some(Finding::new(&TOO_MUCH, place(span), message).help("write it in several steps"))
        }
    }
}

fn client_command(script: &Script<'_>, statement: &Statement) -> Finding {
    let shown = statement.span.of(script.text);
    let word: String = shown.split_whitespace().next().unwrap_or_default().chars().take(40).collect();
    if !shown.starts_with(['\\', '.']) {
        let message = format!("`{}` stands in the line of `COPY ... FROM STDIN`, before its rows", sanitize(&word));
        return Finding::new(&CLIENT_COMMAND, Place::content(script.name, statement.span), message)
            .label("psql would run it behind the rows")
            .help("move it behind the line `\\.` that ends the rows");
    }
    let message = format!("`{}` is a command of the client program, not SQL", sanitize(&word));
    Finding::new(&CLIENT_COMMAND, Place::content(script.name, statement.span), message)
        .label("not sent to the database")
        .help("remove the line")
}
