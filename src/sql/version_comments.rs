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

/// The version comments of a script that are code for one server and nothing for another of those that it may run on:
/// for newer releases than the declared one or, where none is declared, than the oldest.
pub fn unsettled(text: &str, flavour: Flavour) -> Vec<Span> {
    if !flavour.is_mysql() || !["/*!", "/*M!"].iter().any(|opening| text.contains(opening)) {
        return Vec::new();
    }
    let least = Flavour { release: Some(flavour.release_or_oldest()), ..flavour };
    let mut stretches = Vec::new();
    let mut from = 0;
    for statement in split(text, least) {
        stretches.extend([Span::new(from, statement.span.start.max(from)), statement.span]);
        from = statement.span.end;
    }
    stretches.push(Span::new(from, text.len()));
    let found = stretches.into_iter().flat_map(|stretch| {
        let shown = stretch.of(text);
        let tokens = Lexer::new(shown, least).filter(move |token| {
            token.kind == TokenKind::Comment && is_code(token.span.of(shown), read_by_all(flavour))
        });
        tokens.map(move |token| token.span.shifted(stretch.start))
    });
    found.collect()
}

/// The first version comment that was judged as code and that an older server passes over.
pub fn passed_over(text: &str, judged: Flavour, server: Release) -> Option<Span> {
    let known = unsettled(text, Flavour { release: Some(judged.release_or_newest()), ..judged });
    unsettled(text, Flavour { release: Some(server), ..judged }).into_iter().find(|span| !known.contains(span))
}

/// Says whether a comment is one of a version that the flavour reads.
fn is_code(comment: &str, flavour: Flavour) -> bool {
    Lexer::new(comment, flavour).next().is_some_and(|first| first.kind == TokenKind::Mark)
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
            && is_code(token.span.of(shown), ahead)
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

    #[test]
    fn what_the_release_does_not_settle_is_found_wherever_it_stands() {
        let found = |text: &'static str, dialect: Dialect, release: Option<Release>| {
            let flavour = Flavour { release, ..Flavour::from(dialect) };
            unsettled(text, flavour).into_iter().map(|span| span.of(text)).collect::<Vec<_>>()
        };
        let text = "CREATE TABLE t (id INT /*!80016 CHECK (id > 0) */ /*!90000 , x INT */);\nDELIMITER //\n\
                    SELECT '/*!90000 x */' // /*!90100 SELECT 1; SELECT 2 */ //\nDELIMITER ;\n-- /*!90000 x */\n";
        let newer = ["/*!90000 , x INT */", "/*!90100 SELECT 1; SELECT 2 */"];
        assert_eq!(found(text, Dialect::Mysql, Some(Release::new(8, 4, 0))), newer);
        assert_eq!(found(text, Dialect::Mysql, None), newer, "the oldest counts where none is declared");
        assert_eq!(found(text, Dialect::Mysql, Some(Release::new(9, 0, 0))), newer[1..]);
        assert_eq!(found(text, Dialect::Mariadb, None), [""; 0], "MariaDB passes over those of MySQL");
        let theirs = "/*M!100616 SELECT 1 */; /*M!101100 SELECT 2 */; /*M!999999\\- sandbox */";
        assert_eq!(found(theirs, Dialect::Mariadb, None), ["/*M!101100 SELECT 2 */"]);
        assert_eq!(found(theirs, Dialect::Mysql, None), [""; 0]);
    }

    #[test]
    fn what_an_older_server_would_leave_out_is_found() {
        let text = "DELETE FROM t /*!80400 WHERE id = 1 */ /*!90600 LIMIT 1 */";
        let found = |judged: Option<Release>, server: Release| {
            passed_over(text, Flavour { release: judged, ..Dialect::Mysql.into() }, server).map(|span| span.of(text))
        };
        let left_out = Some("/*!80400 WHERE id = 1 */");
        assert_eq!(found(Some(Release::new(8, 4, 0)), Release::new(8, 0, 46)), left_out);
        assert_eq!(found(None, Release::new(8, 0, 46)), left_out);
        assert_eq!(found(Some(Release::new(8, 0, 0)), Release::new(8, 0, 46)), None, "not judged as code either");
        assert_eq!(found(Some(Release::new(8, 0, 0)), Release::new(9, 6, 0)), None, "that is the rule's");
        assert_eq!(found(Some(Release::new(8, 4, 0)), Release::new(8, 4, 10)), None);
    }
}
