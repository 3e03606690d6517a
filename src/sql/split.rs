//! Splitting a script into statements where the engine's own client does.
//!
//! Total: order is kept, spans never overlap, and every significant token outside of client commands lies in exactly
//! one statement. Knows `;`, bodies of routines and triggers, and `DELIMITER`. Refuses to know whether a statement is
//! well formed: a parenthesis that is never closed does not swallow what follows.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::copy::copies;
use crate::sql::lex::{Lexer, Token, TokenKind};
use crate::text::Span;

/// A statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// From its first significant token to its last one, without the terminator.
    pub span: Span,
    /// A quote or comment in it that is never closed.
    pub unclosed: Option<Span>,
    /// Deepest nesting of parentheses.
    pub depth: usize,
    /// Whether it is for a client program and not SQL: a line such as `\set` or `.mode`, the data of `COPY`, or what
    /// stands between `COPY ... FROM STDIN;` and the end of its line.
    pub client: bool,
    /// Whether it is the data behind a `COPY ... FROM STDIN`.
    pub copied: bool,
}

/// Splits a script.
pub fn split(text: &str, flavour: impl Into<Flavour>) -> Vec<Statement> {
    let flavour = flavour.into();
    let dialect = flavour.dialect;
    let delimiter = ";".to_owned();
    let mut splitter = Splitter { text, dialect, delimiter, statements: Vec::new(), open: Open::default() };
    let mut lexer = Lexer::new(text, flavour);
    loop {
        let at = lexer.position();
        if splitter.open.start.is_none()
            && let Some(end) = splitter.client_line(at)
        {
            lexer.skip_to(end);
            continue;
        }
        if splitter.ends_at(at) {
            let behind = at + splitter.delimiter.len();
            splitter.close();
            lexer.skip_to(splitter.copy_data(behind).unwrap_or(behind));
            continue;
        }
        if let Some(part) = splitter.before_delimiter(&lexer) {
            splitter.take(part);
            lexer.skip_to(part.span.end);
            continue;
        }
        let Some(token) = lexer.next() else { break };
        splitter.take(token);
    }
    splitter.close();
    splitter.statements.shrink_to_fit();
    splitter.statements
}

/// What is known of the statement that is being read.
#[derive(Default)]
struct Open {
    start: Option<usize>,
    end: usize,
    unclosed: Option<Span>,
    depth: usize,
    deepest: usize,
    head: Vec<String>,
    body: Body,
    blocks: usize,
    /// Whether the body of a routine is one plain statement.
    plain: bool,
    /// Whether the last word was EACH.
    each: bool,
    last: Last,
}

/// The kind of body that may hold semicolons.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    /// Blocks closed by END: routines of MySQL and MariaDB, `BEGIN ATOMIC` of PostgreSQL.
    Blocks,
    /// A trigger of SQLite: ends at `; END ;`.
    Trigger,
    /// A rule of PostgreSQL: semicolons inside parentheses.
    Parentheses,
}

/// The last significant token, as far as bodies ask for it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Semicolon,
    /// END behind a semicolon.
    End,
    /// A word behind which a statement may begin.
    Opener,
    /// END of a block: the word behind it names the block.
    BlockEnd,
}

struct Splitter<'t> {
    text: &'t str,
    dialect: Dialect,
    delimiter: String,
    statements: Vec<Statement>,
    open: Open,
}

impl Splitter<'_> {
    fn mysql(&self) -> bool {
        matches!(self.dialect, Dialect::Mysql | Dialect::Mariadb)
    }

    /// Takes a line for a client program at a place where a statement could begin; returns its end.
    fn client_line(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let first = rest.chars().next()?;
        if !matches!(first, '\\' | '.' | 'd' | 'D' | 'u' | 'U') {
            return None;
        }
        // Words first, lines after: a file may be one long line.
        let begins = |word: &str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let wanted = match self.dialect {
            Dialect::Postgres => first == '\\',
            Dialect::Sqlite => first == '.',
            Dialect::Mysql | Dialect::Mariadb => begins("delimiter") || begins("use "),
        };
        let before = self.text[..at].trim_end_matches([' ', '\t']);
        let first_of_line = before.is_empty() || before.ends_with('\n');
        if !wanted || self.dialect != Dialect::Postgres && !first_of_line {
            return None;
        }
        let line_end = at + rest.find('\n').unwrap_or(rest.len());
        if self.mysql() && rest.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("delimiter")) {
            let argument = self.text[at + 9..line_end].trim();
            let separated = rest[9..].starts_with([' ', '\t']);
            if separated && !argument.is_empty() {
                let word = argument.split_whitespace().next().unwrap_or(";");
                // The clients take quotes around it off.
                let bare = ['\'', '"', '`'].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote));
                self.delimiter = bare.filter(|bare| !bare.is_empty()).unwrap_or(word).to_owned();
                return Some(line_end);
            }
        }
        // `USE name` ends with its line, with a delimiter or without.
        if self.mysql() && first_of_line && rest.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("use ")) {
            let line = self.text[at..line_end].trim_end();
            if line.contains(self.delimiter.as_str()) || line.contains(['#', '/']) || line.contains("--") {
                return None;
            }
            self.statements.push(Statement {
                span: Span::new(at, at + line.len()),
                unclosed: None,
                depth: 0,
                client: false,
                copied: false,
            });
            return Some(line_end);
        }
        let command = match self.dialect {
            Dialect::Postgres => first == '\\',
            Dialect::Sqlite => first == '.' && first_of_line,
            Dialect::Mysql | Dialect::Mariadb => false,
        };
        if !command {
            return None;
        }
        let span = Span::new(at, at + self.text[at..line_end].trim_end().len());
        self.statements.push(Statement { span, unclosed: None, depth: 0, client: true, copied: false });
        Some(line_end)
    }

    /// Says whether the delimiter stands here and ends the statement.
    fn ends_at(&self, at: usize) -> bool {
        if !self.text[at..].starts_with(self.delimiter.as_str()) {
            return false;
        }
        if self.delimiter != ";" {
            return true;
        }
        match self.open.body {
            Body::None => true,
            Body::Blocks => self.open.blocks == 0,
            Body::Trigger => self.open.last == Last::End,
            Body::Parentheses => self.open.depth == 0,
        }
    }

    /// The part of the next word that stands before a delimiter in it, as in `END$$`: only quotes and comments protect.
    fn before_delimiter(&self, lexer: &Lexer<'_>) -> Option<Token> {
        if self.delimiter == ";" {
            return None;
        }
        let token = lexer.clone().next()?;
        let inside = matches!(token.kind, TokenKind::Word | TokenKind::Number | TokenKind::Symbol);
        let at = token.span.of(self.text).find(self.delimiter.as_str()).filter(|at| inside && *at > 0)?;
        Some(Token { kind: token.kind, span: Span::new(token.span.start, token.span.start + at) })
    }

    /// Takes the lines behind `COPY ... FROM STDIN;` up to `\\.`, which psql sends as data; returns their end.
    fn copy_data(&mut self, behind: usize) -> Option<usize> {
        let copy = self.statements.last().filter(|_| self.dialect == Dialect::Postgres)?.span;
        copies(copy.of(self.text), self.dialect).filter(|with| *with == "STDIN")?;
        let start = behind + self.text[behind..].find('\n')? + 1;
        // psql keeps the rest of this line for after the rows: nobody reads it so, and nothing may be swallowed.
        let rest = Span::new(behind, start);
        if let Some(first) = Lexer::new(rest.of(self.text), self.dialect).find(|token| token.kind.is_significant()) {
            let span = Span::new(behind + first.span.start, behind + rest.of(self.text).trim_end().len());
            self.statements.push(Statement { span, unclosed: None, depth: 0, client: true, copied: false });
        }
        let mut end = start;
        for line in self.text[start..].split_inclusive('\n') {
            end += line.len();
            if line.trim_end() == "\\." {
                break;
            }
        }
        let span = Span::new(start, end);
        if span.start < span.end {
            self.statements.push(Statement { span, unclosed: None, depth: 0, client: true, copied: true });
        }
        Some(end)
    }

    fn take(&mut self, token: Token) {
        if !token.kind.is_significant() && token.kind != TokenKind::Mark {
            return;
        }
        let open = &mut self.open;
        open.start.get_or_insert(token.span.start);
        open.end = token.span.end;
        match token.kind {
            TokenKind::Mark => {}
            TokenKind::Unclosed => open.unclosed = Some(token.span),
            TokenKind::Symbol => self.symbol(token.span.of(self.text)),
            TokenKind::Word => self.word(&token.span.of(self.text).to_ascii_uppercase()),
            _ => open.last = Last::Other,
        }
    }

    fn symbol(&mut self, symbol: &str) {
        let open = &mut self.open;
        open.last = Last::Other;
        match symbol {
            "(" => {
                open.depth += 1;
                open.deepest = open.deepest.max(open.depth);
            }
            ")" => open.depth = open.depth.saturating_sub(1),
            ";" => open.last = Last::Semicolon,
            ":" => open.last = Last::Opener,
            _ => {}
        }
    }

    fn word(&mut self, word: &str) {
        let open = &mut self.open;
        if open.head.len() < LONGEST_HEAD {
            open.head.push(word.to_owned());
        } else if open.body == Body::None {
            open.head[LONGEST_HEAD - 2..].rotate_left(1);
            open.head[LONGEST_HEAD - 1] = word.to_owned();
        }
        if open.body == Body::None {
            open.body = body_of(self.dialect, &open.head);
            let compound = open.head.len() == 1 && open.body == Body::Blocks;
            if compound {
                open.last = Last::Opener;
            }
            if open.body == Body::Blocks && matches!(word, "NOT" | "ATOMIC") {
                open.blocks = 1;
                open.last = Last::Opener;
                return;
            }
        }
        match self.open.body {
            Body::Blocks => self.block_word(word),
            Body::Trigger => {
                self.open.last =
                    if word == "END" && self.open.last == Last::Semicolon { Last::End } else { Last::Other };
            }
            _ => self.open.last = Last::Other,
        }
    }

    /// Counts blocks: BEGIN and CASE open one anywhere, the others only where a statement can begin.
    fn block_word(&mut self, word: &str) {
        let open = &mut self.open;
        // The body of a routine without BEGIN stands behind its parameters.
        open.plain |= open.blocks == 0 && PLAIN.contains(&word);
        let body = open.blocks == 0 && open.deepest > 0 && open.depth == 0 && !open.plain;
        let begins = body || matches!(open.last, Last::Semicolon | Last::Opener);
        let names_end = open.last == Last::BlockEnd;
        let each = std::mem::replace(&mut open.each, word == "EACH");
        open.last = Last::Other;
        match word {
            "IF" | "CASE" | "LOOP" | "REPEAT" | "WHILE" | "FOR" if names_end => {}
            "ROW" if each => open.last = Last::Opener,
            "FOR"
                if begins
                    && self.dialect == Dialect::Mariadb
                    && open.head.first().is_some_and(|word| word != "ALTER") =>
            {
                open.blocks += 1;
            }
            "BEGIN" => {
                open.blocks += 1;
                open.last = Last::Opener;
            }
            "CASE" => open.blocks += 1,
            "LOOP" | "REPEAT" if begins => {
                open.blocks += 1;
                open.last = Last::Opener;
            }
            "IF" | "WHILE" if begins => open.blocks += 1,
            "THEN" | "ELSE" | "DO" => open.last = Last::Opener,
            "END" => {
                open.blocks = open.blocks.saturating_sub(1);
                open.last = Last::BlockEnd;
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        if let Some(start) = open.start {
            let span = Span::new(start, open.end);
            self.statements.push(Statement {
                span,
                unclosed: open.unclosed,
                depth: open.deepest,
                client: false,
                copied: false,
            });
        }
    }
}

/// How many words of a statement are kept to tell its body; further words take the last two places.
const LONGEST_HEAD: usize = 12;

/// Which body a statement has, by its first words and the two last ones.
fn body_of(dialect: Dialect, head: &[String]) -> Body {
    let words: Vec<&str> = head.iter().map(String::as_str).collect();
    let last = words.last().copied().unwrap_or_default();
    let early = words.len() < LONGEST_HEAD;
    match (dialect, words.first().copied().unwrap_or_default()) {
        (Dialect::Mariadb, "BEGIN") if words == ["BEGIN", "NOT"] => Body::Blocks,
        (Dialect::Mariadb, "IF" | "CASE" | "LOOP" | "REPEAT" | "WHILE" | "FOR") => Body::Blocks,
        (Dialect::Mysql | Dialect::Mariadb, "ALTER") if words == ["ALTER", "EVENT"] => Body::Blocks,
        (Dialect::Mysql | Dialect::Mariadb, "CREATE") if early && routine(&words) => Body::Blocks,
        (Dialect::Sqlite, _)
            if matches!(words[..], ["CREATE", "TRIGGER"] | ["CREATE", "TEMP" | "TEMPORARY", "TRIGGER"]) =>
        {
            Body::Trigger
        }
        (Dialect::Postgres, "CREATE") if last == "RULE" && words.len() <= 4 => Body::Parentheses,
        (Dialect::Postgres, "CREATE") if words.ends_with(&["BEGIN", "ATOMIC"]) => Body::Blocks,
        _ => Body::None,
    }
}

/// Says whether the last word says that a routine is created; a table may be called like one.
fn routine(words: &[&str]) -> bool {
    let others = ["TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "SEQUENCE", "SERVER"];
    words.last().is_some_and(|last| ROUTINES.contains(last)) && !words.iter().any(|word| others.contains(word))
}

/// Words that begin a body of one statement.
const PLAIN: [&str; 9] = ["RETURN", "SET", "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "CALL", "WITH"];

/// What MySQL and MariaDB create with a body.
const ROUTINES: [&str; 5] = ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"];
