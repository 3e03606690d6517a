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

/// Splits a script into what is sent to a server, each part with how it is read.
pub fn split_to_run(text: &str, flavour: Flavour) -> Vec<(Statement, Flavour)> {
    let mut parts: Vec<(Statement, Flavour)> =
        split(text, flavour).into_iter().map(|statement| (statement, flavour)).collect();
    if !flavour.is_mysql() || !text.contains("/*") {
        return parts;
    }
    let ahead = Flavour { release: Some(AHEAD), ..flavour };
    let statement = |span: Span| Statement { span, unclosed: None, depth: 0, client: false, copied: false };
    let mut from = 0;
    let mut alone = Vec::new();
    let end = Span::new(text.len(), text.len());
    for between in parts.iter().map(|(statement, _)| statement.span).chain([end]) {
        let gap = Span::new(from, between.start.max(from)).of(text);
        let comments = Lexer::new(gap, flavour).filter(|token| {
            let first = || Lexer::new(token.span.of(gap), ahead).next();
            token.kind == TokenKind::Comment && first().is_some_and(|first| first.kind == TokenKind::Mark)
        });
        alone.extend(comments.map(|token| (statement(token.span.shifted(from)), ahead)));
        from = between.end;
    }
    parts.extend(alone);
    parts.sort_by_key(|(statement, _)| statement.span.start);
    parts
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
        let theirs = "/*M!101100 SELECT 1 */;\n/*M!101100 SELECT 2 */; SELECT 3";
        assert_eq!(parts(theirs, Dialect::Mariadb, Some(Release::new(10, 6, 0))).len(), 3);
        assert_eq!(parts(theirs, Dialect::Mysql, None), ["SELECT 3"]);
        assert_eq!(parts("/*!90900 SELECT 1 */; SELECT 2", Dialect::Postgres, None), ["SELECT 2"]);
    }
}
