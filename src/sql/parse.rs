//! Expressions of a statement, from the tree of `sqlparser`; the only file that names it.
//!
//! Knows how to find comparisons in the tree of exactly one statement. Refuses to give verdicts, and says nothing about
//! what it does not understand: that may be valid all the same.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Spanned as _, Value, Visit as _, Visitor};
use sqlparser::dialect::{Dialect as ParserDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;

use crate::config::Dialect;
use crate::sql::lex::Lexer;
use crate::text::Span;

/// Nesting that the parser follows before it gives up.
const RECURSION: usize = 200;
/// Longest statement whose tree is made, in bytes: longer ones hold rows, and trees cost time.
const LONGEST: usize = 64 << 10;

/// Finds the places where something is compared with NULL by `=` or `<>`, in bytes of the statement.
pub fn null_comparisons(text: &str, dialect: Dialect) -> Vec<Span> {
    // Most statements hold no such comparison, and need no tree to tell.
    if text.len() > LONGEST || !may_compare(text, dialect) {
        return Vec::new();
    }
    let flavour: &dyn ParserDialect = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql | Dialect::Mariadb => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    let parser = Parser::new(flavour).with_recursion_limit(RECURSION);
    let Ok(mut parser) = parser.try_with_sql(text) else { return Vec::new() };
    let Ok(tree) = parser.parse_statement() else { return Vec::new() };
    let mut found = Comparisons { text, spans: Vec::new() };
    let _ = tree.visit(&mut found);
    found.spans
}

/// Says whether NULL stands behind `=` or `>` anywhere.
fn may_compare(text: &str, dialect: Dialect) -> bool {
    let mut compares = false;
    for token in Lexer::new(text, dialect).filter(|token| token.kind.is_significant()) {
        let shown = token.span.of(text);
        if compares && shown.eq_ignore_ascii_case("NULL") {
            return true;
        }
        compares = matches!(shown, "=" | ">");
    }
    false
}

struct Comparisons<'t> {
    text: &'t str,
    spans: Vec<Span>,
}

impl Visitor for Comparisons<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } = expression
            && matches!(&**right, Expr::Value(value) if value.value == Value::Null)
        {
            let (start, end) = (left.span().start, right.span().end);
            if start.line > 0 && end.line > 0 {
                let span =
                    Span::new(offset(self.text, start.line, start.column), offset(self.text, end.line, end.column));
                self.spans.push(span);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Converts the parser's line and column (characters, from 1) into a byte offset.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(newline) => start += newline + 1,
            None => return text.len(),
        }
    }
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text[start..].char_indices().nth(characters).map_or(text.len(), |(at, _)| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        null_comparisons(text, Dialect::Postgres).into_iter().map(|span| span.of(text)).collect()
    }

    #[test]
    fn comparisons_are_told_from_assignments() {
        assert_eq!(found("UPDATE t SET a = NULL WHERE\n \u{e4}b = NULL OR c <> NULL"), ["\u{e4}b = NULL", "c <> NULL"]);
        assert!(found("UPDATE t SET a = NULL WHERE b IS NULL").is_empty());
        assert!(found("no SQL = NULL").is_empty());
    }
}
