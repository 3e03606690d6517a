//! Reads the notation of the grammar files; what it means is said in `grammar.rs`.

use std::collections::HashMap;

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::sql::mysql::grammar::{CLASSES, Node, NodeId};
use crate::sql::mysql::words::{self, Words};

/// The tokens of a grammar file.
pub(super) fn notation(file: &'static str) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
                '<' => rest.find('>').map_or(rest.len(), |end| end + 1),
                c if c.is_ascii_alphanumeric() || c == '_' => {
                    rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
                }
                _ => first.len_utf8(),
            };
            tokens.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Turns rules into nodes.
pub(super) struct Reader {
    dialect: Dialect,
    /// The words so far.
    pub(super) words: Words,
    /// The nodes so far.
    pub(super) nodes: Vec<Node>,
    /// The rules that were named, with their numbers.
    pub(super) numbers: HashMap<&'static str, usize>,
}

impl Reader {
    /// Starts with the words that are reserved in a dialect.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, words: Words::new(dialect), nodes: vec![Node::Never], numbers: HashMap::new() }
    }

    /// Returns the number of a rule.
    pub(super) fn rule(&mut self, name: &'static str) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(name).or_insert(next)
    }

    /// Adds a node.
    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Reads alternatives up to the end of the rule or group.
    pub(super) fn choice(&mut self, tokens: &[&'static str], at: &mut usize) -> NodeId {
        let mut parts = vec![self.sequence(tokens, at)];
        while tokens.get(*at) == Some(&"|") {
            *at += 1;
            parts.push(self.sequence(tokens, at));
        }
        parts.retain(|part| !matches!(self.nodes[*part], Node::Never));
        match parts.as_slice() {
            [] => self.add(Node::Never),
            [only] => *only,
            _ => self.add(Node::Choice(parts)),
        }
    }

    fn sequence(&mut self, tokens: &[&'static str], at: &mut usize) -> NodeId {
        let mut parts = Vec::new();
        let mut foreign = false;
        while let Some(token) = tokens.get(*at) {
            if matches!(*token, "|" | ")" | "]" | ";") {
                break;
            }
            if let Some(guard) = token.strip_prefix('<').and_then(|token| token.strip_suffix('>')) {
                *at += 1;
                let (product, release) = guard.split_once(' ').unwrap_or((guard, ""));
                foreign |= product != self.dialect.word();
                let (before, number) = match release.strip_prefix('-') {
                    Some(number) => (true, number),
                    None => (false, release),
                };
                if let Some(release) = Release::parse(number) {
                    let bound = self.add(if before { Node::Before(release) } else { Node::Since(release) });
                    parts.push(bound);
                }
                continue;
            }
            let part = self.item(tokens, at);
            parts.push(part);
        }
        let never = |part: &NodeId| matches!(self.nodes[*part], Node::Never);
        if foreign || parts.iter().any(never) {
            return self.add(Node::Never);
        }
        match parts.as_slice() {
            [only] => *only,
            _ => self.add(Node::Sequence(parts)),
        }
    }

    fn item(&mut self, tokens: &[&'static str], at: &mut usize) -> NodeId {
        let token = tokens[*at];
        *at += 1;
        let mut node = match token {
            "(" | "[" => {
                let inner = self.choice(tokens, at);
                *at += 1;
                match (token, matches!(self.nodes[inner], Node::Never)) {
                    ("(", _) => inner,
                    (_, true) => self.add(Node::Sequence(Vec::new())),
                    (_, false) => self.add(Node::Optional(inner)),
                }
            }
            "!" | "&" => {
                let inner = self.item(tokens, at);
                return self.add(if token == "!" { Node::Not(inner) } else { Node::Ahead(inner) });
            }
            _ if token.starts_with('\'') => {
                let kind = words::symbol(token.trim_matches('\'')).unwrap_or(words::STRANGE);
                self.add(Node::Kind(kind))
            }
            _ if token.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase()) => {
                let kind = self.words.number(token);
                let free = self.add(Node::Kind(kind));
                match self.words.twin(kind) {
                    None => free,
                    Some(twin) => {
                        let reserved = self.add(Node::Kind(twin));
                        self.add(Node::Choice(vec![free, reserved]))
                    }
                }
            }
            _ => match CLASSES.iter().find(|(name, _)| *name == token) {
                Some((_, class)) => self.add(Node::Class(*class)),
                None => {
                    let rule = self.rule(token);
                    self.add(Node::Rule(rule))
                }
            },
        };
        while let Some(mark @ ("*" | "+" | "%")) = tokens.get(*at).copied() {
            *at += 1;
            let never = matches!(self.nodes[node], Node::Never);
            node = match mark {
                "*" if never => self.add(Node::Sequence(Vec::new())),
                "*" => self.add(Node::Repeat(node, false)),
                "+" => self.add(Node::Repeat(node, true)),
                _ => self.add(Node::List(node)),
            };
        }
        node
    }
}
