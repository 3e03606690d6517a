//! Version comments that stand by themselves: `/*!90100 CREATE TABLE t (id INT) */;` is a statement for a server of that
//! release, and nothing for an older one.
//!
//! Which one it is only the server knows, so what runs has them as statements, as the servers' own clients do; what is
//! judged is the declared release. Refuses to know grammar.

use crate::config::flavour::{Flavour, Release};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::split::{Statement, split};
use crate::text::Span;

/// Newer than every release, but for the numbers that mean "never" (MariaDB's dumps begin with one of 999999).
const AHEAD: Release = Release::new(98, 99, 99);

/// The flavour that takes what any release reads.
pub fn read_by_all(flavour: Flavour) -> Flavour {
    if flavour.is_mysql() { Flavour { release: Some(AHEAD), ..flavour } } else { flavour }
}

/// Splits a script into what is sent to a server, each part with how it is read. A version comment beside a statement,
/// with no delimiter between them, is a part of it.
pub fn split_to_run(text: &str, flavour: Flavour) -> Vec<(Statement, Flavour)> {
    let statements = split(text, flavour);
    if !flavour.is_mysql() || !text.contains("/*") {
        return statements.into_iter().map(|statement| (statement, flavour)).collect();
    }
    let ahead = read_by_all(flavour);
    let mut parts: Vec<(Statement, Flavour)> = Vec::new();
    let (mut from, mut pending) = (0, None);
    for statement in statements {
        let mut runs = comments_between(text, Span::new(from, statement.span.start.max(from)), flavour);
        // The first ones stand before a delimiter: they belong to the statement that it ends.
        let behind = if runs.len() > 1 { runs.remove(0) } else { None };
        let before = runs.pop().flatten();
        extend(&mut parts, pending.take(), behind, ahead);
        parts.extend(runs.into_iter().flatten().map(|span| (by_itself(span), ahead)));
        let start = before.map_or(statement.span.start, |span| span.start);
        from = statement.span.end;
        pending = Some((Statement { span: Span::new(start, from), ..statement }, flavour));
    }
    let mut runs = comments_between(text, Span::new(from, text.len()), flavour);
    let behind = runs.remove(0);
    extend(&mut parts, pending, behind, ahead);
    parts.extend(runs.into_iter().flatten().map(|span| (by_itself(span), ahead)));
    parts
}

/// Adds a statement with the comments behind it, or these by themselves.
fn extend(
    parts: &mut Vec<(Statement, Flavour)>,
    statement: Option<(Statement, Flavour)>,
    behind: Option<Span>,
    ahead: Flavour,
) {
    match (statement, behind) {
        (Some((statement, flavour)), Some(behind)) => {
            parts.push((Statement { span: Span::new(statement.span.start, behind.end), ..statement }, flavour));
        }
        (Some(part), None) => parts.push(part),
        (None, behind) => parts.extend(behind.map(|span| (by_itself(span), ahead))),
    }
}

fn by_itself(span: Span) -> Statement {
    Statement { span, unclosed: None, depth: 0, client: false, copied: false }
}

/// The version comments for newer releases in what lies between statements: for each stretch between delimiters from the
/// first to the last one, if there is any.
fn comments_between(text: &str, gap: Span, flavour: Flavour) -> Vec<Option<Span>> {
    let ahead = read_by_all(flavour);
    let mut runs: Vec<Option<Span>> = vec![None];
    let shown = gap.of(text);
    for token in Lexer::new(shown, flavour) {
        let span = token.span.shifted(gap.start);
        if token.kind.is_significant() {
            runs.push(None);
        } else if token.kind == TokenKind::Comment
            && Lexer::new(token.span.of(shown), ahead).next().is_some_and(|first| first.kind == TokenKind::Mark)
            && let Some(run) = runs.last_mut()
        {
            *run = Some(Span::new(run.map_or(span.start, |run| run.start), span.end));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;

    fn parts(text: &str, dialect: Dialect, release: Option<Release>) -> Vec<&str> {
        let flavour = Flavour { release, ..Flavour::from(dialect) };
        split_to_run(text, flavour).iter().map(|(statement, _)| statement.span.of(text)).collect()
    }

    #[test]
    fn a_comment_for_a_newer_release_is_sent_by_itself() {
        let text = "/*!80400 CREATE TABLE v (id INT) */; -- it's\nCREATE TABLE w (id INT); /*!99801 SELECT 1 */";
        let found = parts(text, Dialect::Mysql, Some(Release::new(8, 0, 0)));
        assert_eq!(found, ["/*!80400 CREATE TABLE v (id INT) */", "CREATE TABLE w (id INT)", "/*!99801 SELECT 1 */"]);
        let known = parts(text, Dialect::Mysql, Some(Release::new(9, 99, 0)));
        assert_eq!(known.len(), 3);
        let plain = "/* it's */ SELECT 1; /*M!999999\\- enable the sandbox mode */ -- x\n/*!50701 SELECT 2 */;";
        assert_eq!(parts(plain, Dialect::Mariadb, Some(Release::new(10, 6, 0))), ["SELECT 1"]);
        let beside = "/*M!101100 EXPLAIN */ SELECT 1 /*M!101100 LIMIT 1 */ /*M!101100 OFFSET 1 */; /*M!101100 SELECT */ /*M!101100 2 */;";
        let found = parts(beside, Dialect::Mariadb, Some(Release::new(10, 6, 0)));
        let whole = "/*M!101100 EXPLAIN */ SELECT 1 /*M!101100 LIMIT 1 */ /*M!101100 OFFSET 1 */";
        assert_eq!(found, [whole, "/*M!101100 SELECT */ /*M!101100 2 */"]);
        let theirs = "/*M!101100 SELECT 1 */;\n/*M!101100 SELECT 2 */; SELECT 3";
        assert_eq!(parts(theirs, Dialect::Mariadb, Some(Release::new(10, 6, 0))).len(), 3);
        assert_eq!(parts(theirs, Dialect::Mysql, None), ["SELECT 3"]);
        assert_eq!(parts("/*!90900 SELECT 1 */; SELECT 2", Dialect::Postgres, None), ["SELECT 2"]);
    }
}
