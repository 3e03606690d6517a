//! The words of a statement, read one behind the other.
//!
//! Knows which words are names in quotes. Refuses to know what statements mean.

use crate::config::Dialect;
use crate::sql::lex::{Lexer, TokenKind};

/// The words of a statement, as they are read one behind the other.
#[derive(Clone)]
pub(super) struct Words {
    /// Upper case for words; quotes taken off names, which are marked.
    pub(super) list: Vec<(String, bool)>,
    pub(super) at: usize,
    folds: bool,
}

impl Words {
    pub(super) fn of(text: &str, dialect: Dialect) -> Self {
        let list = Lexer::new(text, dialect).filter(|token| token.kind.is_significant()).map(|token| {
            let shown = token.span.of(text);
            if token.kind == TokenKind::QuotedName {
                let quote = shown.chars().next().unwrap_or('"');
                let inner = shown.get(1..shown.len() - 1).unwrap_or_default();
                (inner.replace(&format!("{quote}{quote}"), &quote.to_string()), true)
            } else {
                (shown.to_owned(), false)
            }
        });
        Self { list: list.collect(), at: 0, folds: dialect == Dialect::Postgres }
    }

    pub(super) fn peek(&self, word: &str) -> bool {
        self.list.get(self.at).is_some_and(|(shown, quoted)| !quoted && shown.eq_ignore_ascii_case(word))
    }

    /// Takes these words if they come next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for word in words {
            if !self.peek(word) {
                self.at = start;
                return false;
            }
            self.at += 1;
        }
        true
    }

    pub(super) fn any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(&[word]))
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let (shown, quoted) = self.list.get(self.at)?.clone();
        let word = quoted || shown.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        self.at += usize::from(word);
        word.then(|| if self.folds && !quoted { shown.to_lowercase() } else { shown })
    }

    /// An account: a name or a text, and the host that may stand behind it (`@` with or without its name in one).
    pub(super) fn account(&mut self) -> Option<()> {
        self.list.get(self.at)?;
        self.at += 1;
        let host = self.list.get(self.at).filter(|(shown, quoted)| !quoted && shown.starts_with('@'));
        self.at += host.map_or(0, |(shown, _)| if shown == "@" { 2 } else { 1 });
        Some(())
    }

    /// A name with the schema that may stand before it.
    pub(super) fn qualified(&mut self) -> Option<(Option<String>, String)> {
        let first = self.name()?;
        if self.take(&["."]) { Some((Some(first), self.name()?)) } else { Some((None, first)) }
    }

    /// Says whether a word stands anywhere from here on, not as a name in quotes.
    pub(super) fn later(&self, word: &str) -> bool {
        self.list[self.at.min(self.list.len())..]
            .iter()
            .any(|(shown, quoted)| !quoted && shown.eq_ignore_ascii_case(word))
    }

    /// Says whether a variable, or the host of an account, stands anywhere.
    pub(super) fn has_variable(&self) -> bool {
        self.list.iter().any(|(shown, quoted)| !quoted && shown.starts_with('@'))
    }

    /// Says whether nothing is left.
    pub(super) fn over(&self) -> bool {
        self.at >= self.list.len()
    }

    /// Goes behind the next comma outside of parentheses; false at the end.
    pub(super) fn next_action(&mut self) -> bool {
        let mut depth = 0_usize;
        while let Some((shown, quoted)) = self.list.get(self.at) {
            self.at += 1;
            match (shown.as_str(), quoted) {
                ("(", false) => depth += 1,
                (")", false) => depth = depth.saturating_sub(1),
                (",", false) if depth == 0 => return true,
                _ => {}
            }
        }
        false
    }
}
