//! Suppressions: comments in a migration, and lines of the manifest, that say why a finding is no reason to stop.
//!
//! `-- schemagate: ignore RULE[, RULE] -- reason` binds to the statement behind it, around it, or before it on the same
//! line; `ignore-file` to the whole file. Knows which findings may be suppressed. Refuses to know who wrote what.

use crate::config::flavour::Flavour;
use crate::facts;
use crate::finding::{Finding, Place, Rule, Severity, Suppressed};
use crate::rules::{self, Family, Looks, analysis, statements};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::split::Statement;
use crate::text::{Span, did_you_mean, sanitize};

/// A name that is none.
pub static UNKNOWN_SUPPRESSION: Rule = Rule {
    name: "unknown-suppression",
    severity: Severity::Error,
    configurable: false,
    summary: "A suppression names no rule, or one that cannot be suppressed.",
    explanation: "`-- schemagate: ignore RULE -- reason` takes names of rules of the review. A slip in the name would leave \
                  the finding, or be taken for a suppression of something else.",
};
/// Nothing to suppress.
pub static UNUSED_SUPPRESSION: Rule = Rule::new(
    "unused-suppression",
    Severity::Warning,
    "A suppression matches no finding.",
    "What it was written for is gone, or stands in another statement. Left there it would hide what comes later.",
);
/// No reason.
pub static SUPPRESSION_WITHOUT_REASON: Rule = Rule::new(
    "suppression-without-reason",
    Severity::Warning,
    "A suppression gives no reason.",
    "The reason stands behind the names, after two dashes: `-- schemagate: ignore drop-table -- nobody reads it since May`. \
     It is shown in reports and recorded with the migration.",
);
/// The server says no.
pub static SUPPRESSION_LOCKED: Rule = Rule {
    name: "suppression-locked",
    severity: Severity::Error,
    configurable: false,
    summary: "A suppression names a rule that the server does not let be suppressed.",
    explanation: "`locked` in the server file's `[policy]` or `[[environment]]` lists these rules. Whoever runs the server \
                  decides there.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&UNKNOWN_SUPPRESSION, &UNUSED_SUPPRESSION, &SUPPRESSION_WITHOUT_REASON, &SUPPRESSION_LOCKED],
    looks: Looks::Elsewhere,
};

/// A suppression in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    /// The rule.
    pub rule: &'static Rule,
    /// Where its name stands.
    pub span: Span,
    /// What it covers.
    pub covers: Span,
    /// Why.
    pub reason: String,
}

/// Says whether findings of a rule may be suppressed: those of the review, that is.
pub fn may_be_suppressed(rule: &Rule) -> bool {
    let others = [
        &analysis::NOT_ANALYSED,
        &analysis::NOT_ANALYSED_DANGER,
        &statements::TYPE_MISMATCH,
        &statements::NO_TRANSACTION,
    ];
    let mut review =
        rules::FAMILIES.iter().filter(|family| family.looks.reviews()).flat_map(|family| family.rules.iter().copied());
    rule.configurable && (review.any(|other| other == rule) || others.contains(&rule))
}

/// What a line of a comment says about suppressions.
enum Said<'t> {
    /// `ignore-file`?; what follows, with its place.
    Ignore(bool, &'t str, usize),
    /// Something that is meant to be one: the word, with its place.
    Slip(&'t str, usize),
}

/// Reads one line of a comment, which begins at a place of the file.
fn directive(line: &str, start: usize) -> Option<Said<'_>> {
    let at = |part: &str| start + (part.as_ptr() as usize - line.as_ptr() as usize);
    let inner = line.trim_start_matches(|letter: char| letter.is_whitespace() || "-#/*".contains(letter));
    let inner = inner.trim_end().trim_end_matches("*/");
    let behind = inner.get(.."schemagate".len()).filter(|name| name.eq_ignore_ascii_case("schemagate"));
    let behind = behind.map(|name| inner[name.len()..].trim_start())?;
    let rest = behind.strip_prefix(':').unwrap_or(behind).trim_start();
    let end = rest.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(rest.len());
    let (word, names) = rest.split_at(end);
    match word.to_ascii_lowercase().as_str() {
        whole @ ("ignore" | "ignore-file") if behind.starts_with(':') => {
            Some(Said::Ignore(whole == "ignore-file", names, at(names)))
        }
        other => {
            let near = did_you_mean(other, ["ignore", "ignore-file"]).is_some() || other.starts_with("ignore");
            let meant = near || ["suppress", "disable", "allow"].iter().any(|verb| other.starts_with(verb));
            meant.then(|| Said::Slip(word, at(word)))
        }
    }
}

/// The comments of a file, each with the number of the place in which it stands.
fn comments(text: &str, places: &[(Span, Vec<Span>)], flavour: Flavour) -> Vec<(Span, usize)> {
    let mut found = Vec::new();
    for (number, (place, _)) in places.iter().enumerate() {
        let tokens = Lexer::new(place.of(text), flavour).filter(|token| token.kind == TokenKind::Comment);
        found.extend(tokens.map(|token| (token.span.shifted(place.start), number)));
    }
    found.sort_by_key(|(comment, _)| comment.start);
    found
}

/// The places that hold statements, with these: the file, and the bodies in quotes that speak of suppressions.
fn places(text: &str, statements: &[Statement], flavour: Flavour) -> Vec<(Span, Vec<Span>)> {
    let whole = statements.iter().map(|statement| statement.span).collect();
    let mut found = vec![(Span::new(0, text.len()), whole)];
    for outer in statements.iter().map(|statement| statement.span) {
        let shown = outer.of(text);
        if flavour.is_mysql() || !speaks(shown) {
            continue;
        }
        let inner = facts::within(shown, flavour).map(|(_, spans)| spans).unwrap_or_default();
        for body in facts::bodies(shown, flavour) {
            let inside = |span: &Span| body.start <= span.start && span.end <= body.end;
            let mut own: Vec<Span> =
                inner.iter().copied().filter(inside).map(|span| span.shifted(outer.start)).collect();
            // A body of which nothing is known belongs to its statement.
            if own.is_empty() {
                own.push(outer);
            }
            found.push((body.shifted(outer.start), own));
        }
    }
    found
}

/// Says whether a text may hold a suppression at all; a quick look.
pub fn speaks(text: &str) -> bool {
    // In most files none of these letters stand behind each other.
    ["gate", "Gate", "GATE"].iter().any(|end| text.contains(end)) && text.to_ascii_lowercase().contains("schemagate")
}

/// Reads the suppressions of a file, and what is wrong with them.
pub fn suppressions(
    name: &str,
    text: &str,
    statements: &[Statement],
    flavour: Flavour,
) -> (Vec<Suppression>, Vec<Finding>) {
    let (mut suppressions, mut findings) = (Vec::new(), Vec::new());
    if !speaks(text) {
        return (suppressions, findings);
    }
    let places = places(text, statements, flavour);
    let comments = comments(text, &places, flavour);
    let lines = comments
        .into_iter()
        .flat_map(|(comment, number)| comment.of(text).split_inclusive('\n').map(move |line| (comment, line, number)));
    for (comment, line, number) in lines {
        let among = &places[number].1;
        let start = line.as_ptr() as usize - text.as_ptr() as usize;
        let (whole, rest, at) = match directive(line, start) {
            Some(Said::Ignore(whole, rest, at)) => (whole, rest, at),
            Some(Said::Slip(word, at)) => {
                let place = Place::content(name, Span::new(at, at + word.len()));
                let message = format!("`{}` is no suppression, so nothing is suppressed", sanitize(word));
                let finding = Finding::new(&UNKNOWN_SUPPRESSION, place, message);
                findings.push(finding.help("write -- schemagate: ignore RULE -- reason, or ignore-file"));
                continue;
            }
            None => continue,
        };
        let (names, reason) = rest.split_once("--").unwrap_or((rest, ""));
        let covers = if whole { Some(Span::new(0, text.len())) } else { bound(text, among, comment, flavour) };
        let covers = covers.unwrap_or_default();
        if names.trim().is_empty() {
            let place = Place::content(name, comment);
            let finding = Finding::new(&UNKNOWN_SUPPRESSION, place, "this suppression names no rule");
            findings.push(finding.help("write -- schemagate: ignore RULE -- reason"));
        }
        if reason.trim().is_empty() {
            let place = Place::content(name, comment);
            let finding = Finding::new(&SUPPRESSION_WITHOUT_REASON, place, "nobody says why this is suppressed");
            findings.push(finding.help("write the reason behind the names, after two dashes"));
        }
        for part in names.split(',') {
            let shown = part.trim();
            let start = at + (part.as_ptr() as usize - rest.as_ptr() as usize) + (part.len() - part.trim_start().len());
            let span = Span::new(start, start + shown.len());
            match rules::find(shown).filter(|rule| may_be_suppressed(rule)) {
                Some(rule) => {
                    suppressions.push(Suppression { rule, span, covers, reason: reason.trim().to_owned() });
                }
                None if shown.is_empty() => {}
                None => findings.push(unknown(name, shown, span)),
            }
        }
    }
    (suppressions, findings)
}

fn unknown(name: &str, shown: &str, span: Span) -> Finding {
    let names: Vec<&str> = rules::all().filter(|rule| may_be_suppressed(rule)).map(|rule| rule.name).collect();
    let message = match rules::find(shown) {
        Some(rule) => format!("`{}` cannot be suppressed", rule.name),
        None => format!("there is no rule `{}`", sanitize(shown)),
    };
    let help = match did_you_mean(shown, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`schemagate rules` lists them; a reason stands behind two dashes".to_owned(),
    };
    Finding::new(&UNKNOWN_SUPPRESSION, Place::content(name, span), message).help(help)
}

/// The statement that a comment belongs to: the one around it, the one before it that has not ended yet or ends on its
/// line, or the next one.
fn bound(text: &str, statements: &[Span], comment: Span, flavour: Flavour) -> Option<Span> {
    let behind = statements.partition_point(|span| span.start <= comment.start);
    let earlier = &statements[..behind];
    // Statements stand in others only where WITH parts them, and the innermost one begins last.
    let around = |span: &&Span| comment.end <= span.end;
    if let Some(span) = earlier.iter().rev().take(DEEPEST).find(around) {
        return Some(*span);
    }
    let before = earlier.last();
    let on_its_line = before.filter(|span| {
        let between = &text[span.end..comment.start];
        !between.contains('\n') || !Lexer::new(between, flavour).any(|token| token.kind.is_significant())
    });
    let next = statements.get(behind);
    // Behind the last statement there is nothing else that could be meant.
    on_its_line.or(next).or(before).copied()
}

/// How many statements may begin before a comment in the one around it.
const DEEPEST: usize = 8;

/// Parts findings into those that stay and those that are suppressed; `locked` says which rules cannot be. What is
/// suppressed in vain is found, unless nobody is to hear of the rule anyway.
pub fn apply(
    name: &str,
    suppressions: &[Suppression],
    findings: Vec<Finding>,
    locked: &dyn Fn(&Rule) -> bool,
    wanted: &dyn Fn(&'static Rule) -> bool,
) -> (Vec<Finding>, Vec<Suppressed>) {
    let mut used = vec![false; suppressions.len()];
    let (mut stay, mut gone) = (Vec::new(), Vec::new());
    for finding in findings {
        let covered = |suppression: &Suppression| {
            let inside = finding
                .place
                .span
                .is_some_and(|span| suppression.covers.start <= span.start && span.start <= suppression.covers.end);
            suppression.rule == finding.rule && inside
        };
        match suppressions.iter().position(covered) {
            Some(at) => {
                used[at] = true;
                if locked(finding.rule) {
                    stay.push(finding.note("its suppression does not count: the server has locked this rule"));
                } else {
                    gone.push(Suppressed { finding, reason: suppressions[at].reason.clone() });
                }
            }
            None => stay.push(finding),
        }
    }
    for (suppression, used) in suppressions.iter().zip(used) {
        let place = Place::content(name, suppression.span);
        if locked(suppression.rule) {
            let message = format!("the server does not let `{}` be suppressed", suppression.rule.name);
            stay.push(Finding::new(&SUPPRESSION_LOCKED, place, message).help("take it out; ask who runs the server"));
        } else if !used && wanted(suppression.rule) {
            let message = format!("`{}` finds nothing here", suppression.rule.name);
            stay.push(Finding::new(&UNUSED_SUPPRESSION, place, message).help("take it out"));
        }
    }
    (stay, gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;
    use crate::sql::split::split;

    fn covered(text: &str) -> Vec<(&str, String, &str)> {
        let statements = split(text, Dialect::Postgres);
        let (found, wrong) = suppressions("a.sql", text, &statements, Dialect::Postgres.into());
        assert!(wrong.is_empty(), "{wrong:?}");
        found.iter().map(|one| (one.rule.name, one.reason.clone(), one.covers.of(text))).collect()
    }

    #[test]
    fn a_suppression_binds_to_its_statement() {
        let drop = |reason: &str, covers| vec![("drop-table", reason.to_owned(), covers)];
        assert_eq!(
            covered("-- schemagate: ignore drop-table -- old\n\n-- more\nDROP TABLE a; SELECT 1"),
            drop("old", "DROP TABLE a")
        );
        assert_eq!(
            covered("SELECT 1;\nDROP TABLE a; -- schemagate: ignore drop-table -- b\nSELECT 2"),
            drop("b", "DROP TABLE a")
        );
        assert_eq!(
            covered("DROP /* schemagate: ignore drop-table -- c */ TABLE a"),
            drop("c", "DROP /* schemagate: ignore drop-table -- c */ TABLE a")
        );
        assert_eq!(
            covered("SELECT 1;\n-- schemagate: ignore-file drop-table, truncate -- d\nSELECT 2")[1].0,
            "truncate"
        );
        assert_eq!(
            covered("DROP TABLE a\n-- schemagate: ignore drop-table -- e\n; SELECT 2"),
            drop("e", "DROP TABLE a")
        );
        assert_eq!(
            covered("/*\n * Schemagate: ignore drop-table -- f\n */\nDROP TABLE a; SELECT 2"),
            drop("f", "DROP TABLE a")
        );
        assert_eq!(
            covered("DO $$ BEGIN\n  -- schemagate: ignore drop-table -- g\n  DROP TABLE a; DROP TABLE b;\nEND $$"),
            drop("g", "DROP TABLE a")
        );
        assert!(covered("-- schemagate: no-transaction\nSELECT '-- schemagate: ignore drop-table'").is_empty());
    }

    #[test]
    fn slips_are_errors_with_a_place() {
        let text = "-- schemagate: ignore drop-tabel, syntax-error\nDROP TABLE a";
        let (_, wrong) = suppressions("a.sql", text, &split(text, Dialect::Postgres), Dialect::Postgres.into());
        let shown: Vec<(&str, &str)> =
            wrong.iter().map(|finding| (finding.rule.name, finding.place.span.unwrap().of(text))).collect();
        assert_eq!(shown[1..], [("unknown-suppression", "drop-tabel"), ("unknown-suppression", "syntax-error")]);
        assert_eq!(shown[0].0, "suppression-without-reason");
        for slip in ["schemagate: ignore-next-line drop-table", "schemagate ignore drop-table", "schemagate: disable x"]
        {
            let text = format!("-- {slip} -- why\nDROP TABLE a");
            let (_, wrong) = suppressions("a.sql", &text, &split(&text, Dialect::Postgres), Dialect::Postgres.into());
            assert_eq!(wrong[0].rule.name, "unknown-suppression", "{slip}");
        }
    }
}
