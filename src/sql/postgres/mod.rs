//! The verdict of PostgreSQL: its own parser, asked about one statement and the bodies in it.
//!
//! Knows where bodies are and how their errors point back into the statement. Refuses to know schemas.

mod body;
mod edges;
pub mod native;
pub mod versions;

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::token_at;
use crate::sql::verdict::Verdict;

use native::Complaint;

/// Judges one statement. Spans count in `text`.
pub fn judge(text: &str, flavour: Flavour) -> Verdict {
    let starts = match native::parse(text) {
        Ok(starts) => starts,
        Err(complaint) => return rejected(text, &complaint),
    };
    if let Some(second) = starts.get(1) {
        let rest = &text[(*second).min(text.len())..];
        let lead = rest.len() - rest.trim_start().len();
        let message = "a second statement begins here, inside of the first one".to_owned();
        return Verdict::Rejected { span: token_at(text, second + lead, Dialect::Postgres), message, help: None };
    }
    if let Some(verdict) = body::judge(text) {
        return verdict;
    }
    match versions::newer(text, flavour) {
        Some((span, message)) => Verdict::Newer { span, message },
        None => Verdict::Accepted,
    }
}

/// Judges only the bodies of a statement. Spans count in `text`.
pub fn judge_bodies(text: &str) -> Option<Verdict> {
    body::judge(text)
}

fn rejected(text: &str, complaint: &Complaint) -> Verdict {
    let at = complaint.character.map_or(text.len(), |character| byte_of(text, character));
    Verdict::Rejected { span: token_at(text, at, Dialect::Postgres), message: complaint.message.clone(), help: None }
}

/// The byte of a character, which counts from 1.
fn byte_of(text: &str, character: usize) -> usize {
    if text.is_ascii() {
        return (character - 1).min(text.len());
    }
    text.char_indices().nth(character - 1).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::flavour::Release;

    fn shown(text: &str) -> String {
        match judge(text, Dialect::Postgres.into()) {
            Verdict::Accepted => "ok".to_owned(),
            Verdict::Rejected { span, message, .. } => format!("{} {message}", span.start),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_servers_message_at_the_servers_character() {
        assert_eq!(shown("SELECT 'é', 'ü' FORM t x"), "23 syntax error at or near \"t\"");
        assert_eq!(shown("CREATE TABLE t (a int,)"), "22 syntax error at or near \")\"");
        assert_eq!(shown("CREATE TABLE t (a int"), "21 syntax error at end of input");
        assert_eq!(shown("CREATE TABLE a (i int) END"), "23 syntax error at or near \"END\"");
        assert!(shown("SELECT 1; SELECT 2").starts_with("10 a second statement"));
        assert_eq!(shown("SELECT 1"), "ok");
        assert!(shown("SELECT 'a\0b'").ends_with("a zero byte stands in the text"));
    }

    #[test]
    fn errors_in_bodies_point_into_the_statement() {
        let at = |text: &str| {
            let Verdict::Rejected { span, message, .. } = judge(text, Dialect::Postgres.into()) else {
                return (String::new(), shown(text));
            };
            (text[span.start..].chars().take(8).collect::<String>(), message)
        };
        let (place, message) = at("DO $$ BEGIN\n PERFORM 1;\n PERFROM 1; END; $$");
        assert!(place.starts_with("PERFROM") && message.contains("PERFROM"), "{place} {message}");
        let (place, _) = at("DO $$ DECLARE i int; BEGIN i := 1; SELECT 1 FROM t x y WHERE y = 1; END $$");
        assert!(place.starts_with("y WHERE"), "{place}");
        let (place, message) =
            at("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $q$ SELECT 1;\n SELECT selct FORM t u $q$");
        assert!(place.starts_with("t u $q$"), "{place} {message}");
        let (place, message) = at("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT ''a'' ''b'' x y'");
        assert!(place.starts_with("''b''"), "{place} {message}");
        let (_, message) = at("DO LANGUAGE plpython3u $$ anything $$");
        assert_eq!(message, "ok");
        let (place, message) = at("DO $$ BEGIN UPDATE t SET a = 1 END $$");
        assert!(!message.is_empty() && !place.is_empty(), "{place} {message}");
    }

    #[test]
    fn the_cases_have_the_verdicts_that_they_name() {
        let mut wrong = Vec::new();
        for case in crate::sql::cases::cases("postgres") {
            let verdict = judge(&case.text, Flavour { release: case.since, ..Dialect::Postgres.into() });
            if matches!(verdict, Verdict::Rejected { .. }) == case.accept {
                wrong.push(format!("{}: {}\n    {verdict:?}", case.place, case.text));
            }
            // The release before the edge; and the oldest one for what every release knows.
            let before = case.since.map_or(12, |since| since.major - 1);
            let old =
                judge(&case.text, Flavour { release: Release::parse(&before.to_string()), ..Dialect::Postgres.into() });
            let named = matches!(old, Verdict::Newer { .. });
            if case.accept && named != (case.since.is_some() && !case.unseen) {
                wrong.push(format!("{} as {before}: {}\n    {old:?}", case.place, case.text));
            }
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    }
}
