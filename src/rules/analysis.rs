//! Rules about what a statement means, as its tree tells; and about statements whose tree is not to be had.
//!
//! A statement that its engine accepts and that the reader of facts does not understand is never silently passed: it is
//! counted, and dangerous words in it are found by tokens, in its bodies too.

use crate::config::flavour::Flavour;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::facts::{Purpose, head};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::parse::{AllRows, facts};
use crate::text::{Span, enumerate};

/// A DELETE of everything.
pub static DELETE_WITHOUT_WHERE: Rule = Rule {
    name: "delete-without-where",
    severity: Severity::Warning,
    configurable: true,
    summary: "A DELETE has no WHERE.",
    explanation: "It empties the table. If that is meant, say so with a condition that is always true, or in the review.",
};

/// An UPDATE of everything.
pub static UPDATE_WITHOUT_WHERE: Rule = Rule {
    name: "update-without-where",
    severity: Severity::Warning,
    configurable: true,
    summary: "An UPDATE has no WHERE.",
    explanation: "It changes every row in one statement, locks them all until the end, and cannot be told from a slip.",
};

/// Not understood.
pub static NOT_ANALYSED: Rule = Rule {
    name: "not-analysed",
    severity: Severity::Note,
    configurable: true,
    summary: "A statement is valid, but the rules that ask what it means do not understand it.",
    explanation: "The reader of facts knows less than the engines. Such a statement is counted (\"not analysed\") and never \
                  refused for that, unless policy makes this an error. Dangerous words in it are found all the same.",
};

/// Dangerous, not understood.
pub static NOT_ANALYSED_DANGER: Rule = Rule {
    name: "not-analysed-danger",
    severity: Severity::Warning,
    configurable: true,
    summary: "A statement that was not analysed holds DROP, TRUNCATE or DELETE.",
    explanation: "The words are found by tokens, also in bodies of functions and DO blocks. Review what they do by hand.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&DELETE_WITHOUT_WHERE, &UPDATE_WITHOUT_WHERE, &NOT_ANALYSED, &NOT_ANALYSED_DANGER],
    looks: Looks::AtScript(look),
};

/// The rules that a statement without facts goes past.
const NEED_FACTS: [&Rule; 2] = [&DELETE_WITHOUT_WHERE, &UPDATE_WITHOUT_WHERE];

/// Longest statement whose facts are read, in bytes: longer ones hold rows.
const LONGEST: usize = 64 << 10;
/// Deepest nesting that the reader of facts follows, and most CASE expressions: its time grows with their square.
const DEEPEST: usize = 200;

fn look(script: &Script<'_>, tally: &mut Tally) -> Vec<Finding> {
    let Some(bench) = script.bench else { return Vec::new() };
    let mut findings = Vec::new();
    for statement in script.statements.iter().filter(|statement| !statement.client && statement.unclosed.is_none()) {
        if (script.late)() {
            break;
        }
        let text = statement.span.of(script.text);
        let head = head(text, bench.flavour);
        let rows = matches!(head.verb.as_str(), "INSERT" | "REPLACE" | "COPY" | "LOAD");
        // What is not well formed has been said.
        let said = tally.refused.contains(&statement.span.start);
        if rows || said || head.purpose(bench.flavour.dialect) == Purpose::Transaction {
            continue;
        }
        let cases = Lexer::new(text, bench.flavour).filter(|token| token.span.of(text).eq_ignore_ascii_case("CASE"));
        let deep = statement.depth > DEEPEST || text.len() <= LONGEST && cases.take(DEEPEST).count() == DEEPEST;
        let read = match text.len() > LONGEST || deep {
            true => Err("it is too long or too deep".to_owned()),
            false => facts(text, bench.flavour.dialect).map_err(|error| error.message),
        };
        let start = statement.span.start;
        match read {
            Ok(facts) => {
                findings.extend(facts.all_rows.map(|all| all_rows(script, all, head.verb_span.shifted(start))));
            }
            Err(why) => {
                tally.not_analysed += 1;
                findings.push(not_analysed(script, head.verb_span.shifted(start), &why));
                let danger = dangers(text, bench.flavour);
                findings.extend(danger.map(|(span, words)| dangerous(script, span.shifted(start), &words)));
            }
        }
    }
    findings
}

fn all_rows(script: &Script<'_>, all: AllRows, span: Span) -> Finding {
    let place = Place::content(script.name, span);
    let finding = match all {
        AllRows::Delete => Finding::new(&DELETE_WITHOUT_WHERE, place, "this DELETE has no WHERE: it empties the table"),
        AllRows::Update => Finding::new(&UPDATE_WITHOUT_WHERE, place, "this UPDATE has no WHERE: it changes every row"),
    };
    finding.label("every row").help("add a WHERE; if every row is meant, write one that is always true")
}

fn not_analysed(script: &Script<'_>, span: Span, why: &str) -> Finding {
    let names: Vec<&str> = NEED_FACTS.iter().map(|rule| rule.name).collect();
    let message = format!("valid, but not analysed: {why}");
    Finding::new(&NOT_ANALYSED, Place::content(script.name, span), message)
        .label("the rules that ask what it does cannot see it")
        .help(format!("review it by hand; not looked for here: {}", enumerate(&names, 5)))
}

fn dangerous(script: &Script<'_>, span: Span, words: &str) -> Finding {
    let message = format!("this statement was not analysed and holds {words}");
    Finding::new(&NOT_ANALYSED_DANGER, Place::content(script.name, span), message)
        .label("found by its words alone")
        .help("make sure that nothing is lost that is still needed")
}

/// The first dangerous words of a statement, those in its dollar-quoted bodies included. Places count in `text`.
fn dangers(text: &str, flavour: Flavour) -> Option<(Span, String)> {
    let mut alter = false;
    for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
        let word = token.span.of(text);
        if token.kind == TokenKind::Text && word.starts_with('$') {
            let quote = word[1..].find('$').map_or(1, |end| end + 2);
            let inner = word.get(quote..word.len() - quote).unwrap_or_default();
            if let Some((span, words)) = dangers(inner, flavour) {
                return Some((span.shifted(token.span.start + quote), words));
            }
        }
        if token.kind != TokenKind::Word {
            continue;
        }
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "ALTER" => alter = true,
            "DROP" if alter => return Some((token.span, "ALTER ... DROP".to_owned())),
            "DROP" | "TRUNCATE" | "DELETE" => return Some((token.span, upper)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    #[test]
    fn dangerous_words_are_found_in_bodies_and_not_in_strings() {
        let found =
            |text: &str| dangers(text, Dialect::Postgres.into()).map(|(span, words)| (span.of(text).to_owned(), words));
        let body = "DO $b$ BEGIN EXECUTE 'x'; DROP TABLE users; END $b$";
        assert_eq!(found(body), Some(("DROP".to_owned(), "DROP".to_owned())));
        assert_eq!(found("ALTER TABLE t DROP COLUMN a").map(|(_, words)| words), Some("ALTER ... DROP".to_owned()));
        assert_eq!(found("COMMENT ON TABLE t IS 'DROP it' -- DELETE"), None);
    }
}
