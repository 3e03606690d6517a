//! Rules about what a statement means, as its tree tells; and about statements whose tree is not to be had.
//!
//! A statement that its engine accepts and that the reader of facts does not understand is never silently passed: it is
//! counted, and dangerous words in it are found by tokens, in its bodies too.

use crate::config::flavour::Flavour;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script};
use crate::sql::facts::head;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

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
pub const FAMILY: Family = Family { rules: &[&NOT_ANALYSED, &NOT_ANALYSED_DANGER], looks: Looks::Elsewhere };

/// Says why a very long statement is not read.
pub(super) fn too_long() -> &'static str {
    "it is too long"
}

/// Finds that a statement is not understood, and the dangerous words in it.
pub(super) fn not_analysed(script: &Script<'_>, span: Span, why: &str) -> Vec<Finding> {
    let text = span.of(script.text);
    let flavour = script.flavour();
    let verb = head(text, flavour).verb_span.shifted(span.start);
    let message = format!("valid, but not analysed: {why}");
    let finding = Finding::new(&NOT_ANALYSED, Place::content(script.name, verb), message)
        .label("no rule of the review sees what it does")
        .help("review it by hand; its words alone were searched for DROP, TRUNCATE and DELETE");
    let danger = dangers(text, flavour);
    let danger = danger.map(|(place, words)| dangerous(script, place.shifted(span.start), &words));
    std::iter::once(finding).chain(danger).collect()
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
