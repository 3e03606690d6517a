//! The significant tokens of one statement, read one behind the other.
//!
//! Knows which tokens are names and how each dialect folds them. Refuses to know what statements mean.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::facts::{Ident, Name};
use crate::sql::lex::{Lexer, Token, TokenKind};
use crate::text::Span;

/// Reads a statement. Spans count in its text.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) flavour: Flavour,
    tokens: std::rc::Rc<[Token]>,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn of(text: &'t str, flavour: Flavour) -> Self {
        let tokens = Lexer::new(text, flavour).filter(|token| token.kind.is_significant()).collect();
        Self { text, flavour, tokens, at: 0 }
    }

    pub(super) fn is(&self, dialect: Dialect) -> bool {
        self.flavour.dialect == dialect
    }

    pub(super) fn mysql(&self) -> bool {
        self.flavour.is_mysql()
    }

    fn token(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    /// The text of the present token, empty at the end.
    pub(super) fn shown(&self) -> &'t str {
        self.token().map_or("", |token| token.span.of(self.text))
    }

    /// The place of the present token; of the last one at the end.
    pub(super) fn here(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span::default(), |token| token.span)
    }

    /// From a place to the end of the token that was read last.
    pub(super) fn since(&self, start: Span) -> Span {
        let end = self.at.checked_sub(1).map_or(start.end, |last| self.tokens[last].span.end);
        Span::new(start.start, end.max(start.end))
    }

    pub(super) fn over(&self) -> bool {
        self.at >= self.tokens.len() || self.peek(";")
    }

    /// Says whether no token is left, not even a semicolon.
    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Goes on by one token; at the end it stays there.
    pub(super) fn skip(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    /// Says whether the present token is this word or symbol, not in quotes.
    pub(super) fn peek(&self, word: &str) -> bool {
        self.peek_behind(0, word)
    }

    /// Says whether a token further on is this word or symbol, not in quotes.
    pub(super) fn peek_behind(&self, distance: usize, word: &str) -> bool {
        self.tokens.get(self.at + distance).is_some_and(|token| {
            matches!(token.kind, TokenKind::Word | TokenKind::Symbol)
                && token.span.of(self.text).eq_ignore_ascii_case(word)
        })
    }

    pub(super) fn peek_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.peek(word))
    }

    /// Takes these words, parted by spaces, if they come next.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let mut count = 0;
        for word in words.split(' ') {
            if !self.peek_behind(count, word) {
                return false;
            }
            count += 1;
        }
        self.at += count;
        true
    }

    /// Takes one of these, each words parted by spaces.
    pub(super) fn any(&mut self, choices: &[&str]) -> bool {
        choices.iter().any(|words| self.take(words))
    }

    /// Takes words and returns their place.
    pub(super) fn spot(&mut self, words: &str) -> Option<Span> {
        let start = self.here();
        self.take(words).then(|| self.since(start))
    }

    pub(super) fn is_string(&self) -> bool {
        self.token().is_some_and(|token| token.kind == TokenKind::Text)
    }

    /// Takes a string and returns what it holds, without its quotes.
    pub(super) fn string(&mut self) -> Option<&'t str> {
        let token = self.token().filter(|token| token.kind == TokenKind::Text)?;
        self.at += 1;
        let shown = token.span.of(self.text);
        if let Some(rest) = shown.strip_prefix('$') {
            let quote = rest.find('$')? + 2;
            return shown.get(quote..shown.len().checked_sub(quote)?);
        }
        let open = shown.find(['\'', '"'])?;
        shown.get(open + 1..shown.len() - 1)
    }

    /// Takes a name.
    pub(super) fn ident(&mut self) -> Option<Ident> {
        let token = self.token()?;
        let shown = token.span.of(self.text);
        let name = match token.kind {
            TokenKind::Word => fold(shown, self.flavour.dialect, false),
            TokenKind::QuotedName => fold(&unquoted(shown), self.flavour.dialect, true),
            TokenKind::Text if self.is(Dialect::Sqlite) => fold(&unquoted(shown), self.flavour.dialect, true),
            _ => return None,
        };
        self.at += 1;
        Some(Ident { name, span: token.span })
    }

    /// Takes the name of something else than a table or view: MySQL and MariaDB know no case in these.
    pub(super) fn folded(&mut self) -> Option<Name> {
        let name = self.name()?;
        Some(if self.mysql() { Name { name: name.name.to_lowercase(), ..name } } else { name })
    }

    /// A part of the name of a table: MySQL and MariaDB keep its case, as their files do (`lower_case_table_names = 0`).
    fn part(&mut self) -> Option<Ident> {
        let shown = self.shown();
        let ident = self.ident()?;
        if !self.mysql() {
            return Some(ident);
        }
        let name = if shown.starts_with(['`', '"']) { unquoted(shown) } else { shown.to_owned() };
        Some(Ident { name, ..ident })
    }

    /// Takes a name with the schema that may stand before it; of three parts the last two count.
    pub(super) fn name(&mut self) -> Option<Name> {
        let mut parts = vec![self.part()?];
        let start = parts[0].span;
        while self.peek(".") && parts.len() < 3 {
            self.skip();
            parts.push(self.part()?);
        }
        let last = parts.pop()?;
        let usual = ["public", "main", "dbo"];
        let schema = parts.pop().map(|part| part.name).filter(|schema| !usual.contains(&schema.as_str()));
        Some(Name { schema, name: last.name, span: Span::new(start.start, last.span.end) })
    }

    /// Takes everything from an opening parenthesis to the one that closes it; returns the inside.
    pub(super) fn parentheses(&mut self) -> Option<Span> {
        if !self.peek("(") {
            return None;
        }
        let open = self.here();
        let mut depth = 0_usize;
        while let Some(token) = self.token() {
            self.at += 1;
            if token.kind == TokenKind::Symbol {
                match token.span.of(self.text) {
                    "(" => depth += 1,
                    ")" => depth -= 1,
                    _ => {}
                }
            }
            if depth == 0 {
                return Some(Span::new(open.end, token.span.start));
            }
        }
        None
    }

    /// Goes to the next comma or closing parenthesis of this depth, or to the end, or to one of these words.
    pub(super) fn pass_to_boundary(&mut self, words: &[&str]) {
        while !self.over() && !self.peek(",") && !self.peek(")") && !self.peek_any(words) {
            if self.peek("(") {
                if self.parentheses().is_none() {
                    return;
                }
            } else {
                self.skip();
            }
        }
    }

    /// Goes to the parenthesis that closes this depth, or to the end.
    pub(super) fn pass_to_close(&mut self) {
        while !self.over() && !self.peek(")") {
            if !self.peek("(") || self.parentheses().is_none() {
                self.skip();
            }
        }
    }

    /// A list of names in parentheses; lengths and orders behind names are passed over, and what is computed has no name.
    pub(super) fn names(&mut self) -> Option<Vec<Ident>> {
        if !self.take("(") {
            return None;
        }
        let mut names = Vec::new();
        loop {
            let computed = !self.peek_behind(1, ",") && !self.peek_behind(1, ")");
            let start = self.here();
            let plain = if self.peek("(") { None } else { self.ident() };
            let called = computed && self.peek("(") && !self.peek_number_in_parentheses();
            match plain {
                Some(name) if !called && !self.peek(".") => names.push(name),
                _ => names.push(Ident { name: String::new(), span: start }),
            }
            self.pass_to_boundary(&[]);
            if !self.take(",") {
                break;
            }
        }
        names.shrink_to_fit();
        self.take(")").then_some(names)
    }

    /// The length of a part of a column that MySQL indexes.
    fn peek_number_in_parentheses(&self) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|token| token.kind == TokenKind::Number) && self.peek_behind(2, ")")
    }

    /// What a place says, with one space between tokens and without comments.
    pub(super) fn said(&self, span: Span) -> String {
        let inside = self.tokens.iter().filter(|token| span.start <= token.span.start && token.span.end <= span.end);
        inside.map(|token| token.span.of(self.text)).collect::<Vec<_>>().join(" ")
    }

    /// Says whether a word stands anywhere from here on.
    pub(super) fn later(&self, word: &str) -> bool {
        (0..self.tokens.len().saturating_sub(self.at)).any(|distance| self.peek_behind(distance, word))
    }

    /// The place of a word that stands from here on, outside of parentheses.
    pub(super) fn find(&self, word: &str) -> Option<Span> {
        let mut ahead = self.clone();
        while !ahead.over() {
            if ahead.peek(word) {
                return Some(ahead.here());
            }
            if !ahead.peek("(") || ahead.parentheses().is_none() {
                ahead.skip();
            }
        }
        None
    }

    /// The names behind FROM and JOIN from here on, at any depth: what a query reads.
    pub(super) fn sources(&self) -> Vec<Name> {
        let mut ahead = self.clone();
        let mut names = Vec::new();
        while !ahead.over() {
            if ahead.take("FROM") || ahead.take("JOIN") {
                ahead.take("ONLY");
                if !ahead.peek("(")
                    && let Some(name) = ahead.name()
                {
                    names.push(name);
                }
            } else {
                ahead.skip();
            }
        }
        names
    }
}

/// A name as the engine compares it: PostgreSQL folds what is not quoted, the others know no case.
fn fold(name: &str, dialect: Dialect, quoted: bool) -> String {
    if dialect == Dialect::Postgres && quoted { name.to_owned() } else { name.to_lowercase() }
}

/// Takes the quotes off a name.
fn unquoted(shown: &str) -> String {
    let quote = shown.chars().next().unwrap_or('"');
    let close = if quote == '[' { ']' } else { quote };
    let inner = shown.get(1..shown.len().saturating_sub(1)).unwrap_or_default();
    inner.replace(&format!("{close}{close}"), &close.to_string())
}
