//! Rules about the form of statements: is each one what the engine would accept?

use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::split::Statement;
use crate::sql::verdict::{DEEPEST, Verdict, judge};

/// Not well formed.
pub static SYNTAX_ERROR: Rule = Rule {
    name: "syntax-error",
    severity: Severity::Error,
    configurable: true,
    summary: "A statement is not well formed.",
    explanation: "The database would refuse it in the middle of a rollout. Every bad statement of a file is reported. \
                  The verdict is that of a parser for the dialect; where it is known not to understand a construct, \
                  `syntax-not-understood` warns instead.",
};

/// Not understood.
pub static SYNTAX_NOT_UNDERSTOOD: Rule = Rule {
    name: "syntax-not-understood",
    severity: Severity::Warning,
    configurable: true,
    summary: "A statement could not be judged: its construct is one that the parser is known not to understand.",
    explanation: "It is let through and counted as not analysed. Review it by hand. Policy can make this an error.",
};

/// Too deep.
pub static NESTED_TOO_DEEPLY: Rule = Rule {
    name: "nested-too-deeply",
    severity: Severity::Error,
    configurable: false,
    summary: "A statement nests parentheses more deeply than is judged.",
    explanation: "Databases stop at a few thousand levels themselves. Statements beyond 1,000 levels are refused before \
                  any parser sees them.",
};

/// A client's command.
pub static CLIENT_COMMAND: Rule = Rule {
    name: "client-command",
    severity: Severity::Error,
    configurable: false,
    summary: "A line is a command of psql or sqlite3, not SQL.",
    explanation: "Lines such as `\\set` or `.mode` are carried out by the client program, not by the database. Only SQL \
                  is sent to it.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&SYNTAX_ERROR, &SYNTAX_NOT_UNDERSTOOD, &NESTED_TOO_DEEPLY, &CLIENT_COMMAND],
    looks: Looks::AtScript(look),
};

fn look(script: &Script<'_>, tally: &mut Tally) -> Vec<Finding> {
    let Some(dialect) = script.dialect else {
        tally.not_analysed += script.statements.len();
        return Vec::new();
    };
    let mut findings = Vec::new();
    for statement in script.statements {
        if statement.client {
            findings.push(client_command(script, statement));
            continue;
        }
        let verdict = judge(script.text, statement, dialect);
        if matches!(verdict, Verdict::Unknown { .. }) {
            tally.not_analysed += 1;
        }
        findings.extend(finding(script, verdict, dialect.title()));
    }
    findings
}

fn finding(script: &Script<'_>, verdict: Verdict, title: &str) -> Option<Finding> {
    let place = |span| Place::content(script.name, span);
    match verdict {
        Verdict::Accepted => None,
        Verdict::Rejected { span, message, help } => {
            let mut finding = Finding::new(&SYNTAX_ERROR, place(span), format!("not valid {title}: {message}"));
            finding.help = help;
            Some(finding)
        }
        Verdict::Unknown { span, why } => {
            let message = format!("this statement was not analysed: {why}");
            Some(Finding::new(&SYNTAX_NOT_UNDERSTOOD, place(span), message).help("review it by hand"))
        }
        Verdict::TooDeep { span } => {
            let span = crate::text::Span::new(span.start, span.start + 1);
            let message = format!("this statement nests parentheses more than {DEEPEST} levels deep");
            Some(Finding::new(&NESTED_TOO_DEEPLY, place(span), message).help("write it in several steps"))
        }
    }
}

fn client_command(script: &Script<'_>, statement: &Statement) -> Finding {
    let word: String =
        statement.span.of(script.text).split_whitespace().next().unwrap_or_default().chars().take(40).collect();
    let message = format!("`{}` is a command of the client program, not SQL", crate::text::sanitize(&word));
    Finding::new(&CLIENT_COMMAND, Place::content(script.name, statement.span), message)
        .label("not sent to the database")
        .help("remove the line")
}
