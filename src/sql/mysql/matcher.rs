//! The engine of the recogniser: follows the grammar over the tokens and remembers how far it came.
//!
//! Where no way leads on, the farthest token that was looked at is the one that does not fit. Bounded in depth and
//! steps; beyond them it gives up instead of deciding.

use std::collections::{BTreeSet, HashMap};

use crate::config::flavour::{Flavour, Release};
use crate::sql::mysql::grammar::{Class, Grammar, Node, NodeId};
use crate::sql::mysql::operators::Known;
use crate::sql::mysql::tokens::Token;
use crate::sql::mysql::words::{self, Kind};

/// Deepest nesting of rules and expressions.
const DEEPEST: usize = 20_000;
/// Steps for each token, beside [`STEPS`].
const STEPS_PER_TOKEN: usize = 400;
/// Steps for a statement of any length.
const STEPS: usize = 200_000;

/// What became of a statement.
pub(super) enum Outcome {
    /// All of it fits.
    Fits,
    /// The token of this number does not fit; these could stand there.
    Stuck(usize, BTreeSet<String>),
    /// The token of this number fits releases before this one.
    Gone(usize, Release),
    /// It would fit a newer release.
    Newer(usize, Release),
    /// Nested too deeply or too ambiguous.
    GaveUp,
}

/// A statement on its way through the grammar.
pub(super) struct Matcher<'g> {
    pub(super) grammar: &'g Grammar,
    pub(super) tokens: &'g [Token],
    release: Release,
    /// The release that was declared.
    pub(super) declared: Option<Release>,
    /// The farthest token that did not fit, and the nodes that were looked for there.
    farthest: usize,
    looked_for: Vec<NodeId>,
    /// The farthest token since this was last set back: whether a way was worth more than a look.
    pub(super) reached: usize,
    newer: Option<(usize, Release)>,
    gone: Option<(usize, Release)>,
    known: HashMap<(NodeId, usize), Option<usize>>,
    depth: usize,
    steps: usize,
    silent: usize,
    parens: NodeId,
    pub(super) special: NodeId,
    pub(super) alias: NodeId,
    pub(super) expression_node: NodeId,
    pub(super) known_kinds: &'g Known,
    /// Whether the last special call that failed did so before its parentheses.
    pub(super) may_be_other: bool,
}

impl<'g> Matcher<'g> {
    /// Follows the grammar's statement over all tokens.
    pub(super) fn run(grammar: &'g Grammar, tokens: &'g [Token], flavour: Flavour) -> Outcome {
        let mut matcher = Self {
            grammar,
            tokens,
            release: flavour.release_or_newest(),
            declared: flavour.release,
            farthest: 0,
            looked_for: Vec::new(),
            reached: 0,
            newer: None,
            gone: None,
            known: HashMap::new(),
            depth: 0,
            steps: STEPS + tokens.len() * STEPS_PER_TOKEN,
            silent: 0,
            parens: grammar.body("query_parens"),
            special: grammar.body("special_call"),
            alias: grammar.body("alias"),
            expression_node: grammar.expression,
            known_kinds: &grammar.known,
            may_be_other: false,
        };
        let end = matcher.node(grammar.body("statement"), 0);
        if let Some(end) = end {
            if tokens[end].kind == words::END {
                return Outcome::Fits;
            }
            matcher.miss(0, end);
        }
        if matcher.steps == 0 {
            return Outcome::GaveUp;
        }
        match (matcher.newer, matcher.gone) {
            (Some((place, release)), _) if place >= matcher.farthest => Outcome::Newer(place, release),
            (_, Some((place, release))) if place >= matcher.farthest => Outcome::Gone(place, release),
            _ => Outcome::Stuck(matcher.farthest, matcher.expected()),
        }
    }

    pub(super) fn kind(&self, at: usize) -> Kind {
        self.tokens.get(at).map_or(words::END, |token| token.kind)
    }

    /// Notes that a node did not fit at a token.
    pub(super) fn miss(&mut self, node: NodeId, at: usize) {
        self.reached = self.reached.max(at);
        if self.silent > 0 || at < self.farthest {
            return;
        }
        if at > self.farthest {
            self.farthest = at;
            self.looked_for.clear();
        }
        self.looked_for.push(node);
    }

    /// Takes one token of a kind.
    pub(super) fn take(&mut self, kind: Kind, at: usize) -> Option<usize> {
        if self.kind(at) == kind {
            return Some(at + 1);
        }
        self.miss(0, at);
        None
    }

    /// Says whether a node can begin at a token.
    pub(super) fn can_begin(&self, node: NodeId, at: usize) -> bool {
        self.grammar.empty[node] || self.grammar.first[node].has(self.kind(at))
    }

    /// Follows a node; returns the token behind it.
    pub(super) fn node(&mut self, node: NodeId, at: usize) -> Option<usize> {
        if !self.can_begin(node, at) {
            self.miss(node, at);
            return None;
        }
        if self.steps == 0 || self.depth > DEEPEST {
            self.steps = 0;
            return None;
        }
        self.steps -= 1;
        let grammar = self.grammar;
        match &grammar.nodes[node] {
            Node::Kind(kind) => {
                if self.kind(at) == *kind {
                    return Some(at + 1);
                }
                self.miss(node, at);
                None
            }
            Node::Class(class) => self.class(*class, at),
            Node::Rule(rule) => self.rule(grammar.rules[*rule], at),
            Node::Sequence(parts) => {
                let mut place = at;
                for part in parts {
                    place = self.node(*part, place)?;
                }
                Some(place)
            }
            Node::Choice(parts) => parts.iter().find_map(|part| self.node(*part, at)),
            Node::Optional(inner) => Some(self.node(*inner, at).unwrap_or(at)),
            Node::Repeat(inner, least) => self.repeat(*inner, *least, at),
            Node::List(inner) => self.list(*inner, at),
            Node::Not(inner) => (!self.look(*inner, at)).then_some(at),
            Node::Ahead(inner) => self.look(*inner, at).then_some(at),
            Node::Since(release) => {
                if self.release >= *release {
                    return Some(at);
                }
                if self.newer.is_none_or(|(place, _)| at >= place) {
                    self.newer = Some((at, *release));
                }
                None
            }
            Node::Before(release) => {
                if self.declared.is_none_or(|declared| declared < *release) {
                    return Some(at);
                }
                self.gone = Some((at, *release));
                self.miss(0, at);
                None
            }
            Node::Never => None,
        }
    }

    fn rule(&mut self, body: NodeId, at: usize) -> Option<usize> {
        if body == self.parens {
            return self.query_parens(at);
        }
        self.depth += 1;
        let end = self.node(body, at);
        self.depth -= 1;
        end
    }

    /// A query in parentheses: asked for at the same place from several sides, so its answer is kept.
    pub(super) fn query_parens(&mut self, at: usize) -> Option<usize> {
        if let Some(known) = self.known.get(&(self.parens, at)) {
            return *known;
        }
        self.depth += 1;
        let end = self.node(self.parens, at);
        self.depth -= 1;
        self.known.insert((self.parens, at), end);
        end
    }

    fn repeat(&mut self, inner: NodeId, least: bool, at: usize) -> Option<usize> {
        let mut place = if least { self.node(inner, at)? } else { at };
        while let Some(next) = self.node(inner, place) {
            if next == place {
                break;
            }
            place = next;
        }
        Some(place)
    }

    fn list(&mut self, inner: NodeId, at: usize) -> Option<usize> {
        let comma = self.grammar.symbol(",");
        let mut place = self.node(inner, at)?;
        while self.kind(place) == comma {
            match self.node(inner, place + 1) {
                Some(next) => place = next,
                None => break,
            }
        }
        if self.kind(place) != comma {
            self.miss(0, place);
        }
        Some(place)
    }

    /// Looks ahead; what does not fit there is nobody's mistake.
    fn look(&mut self, inner: NodeId, at: usize) -> bool {
        self.silent += 1;
        let fits = self.node(inner, at).is_some();
        self.silent -= 1;
        fits
    }

    fn class(&mut self, class: Class, at: usize) -> Option<usize> {
        match class {
            Class::Expression => self.expression(at),
            Class::BitExpression => self.bit_expression(at),
            Class::Simple => self.simple(at),
            Class::Variable if self.kind(at) != words::VARIABLE => {
                let quoted = matches!(self.kind(at + 1), words::TEXT | words::QUOTED);
                if quoted {
                    return Some(at + 2);
                }
                if self.known_kinds.nameless {
                    return Some(at + 1);
                }
                self.miss(0, at + 1);
                None
            }
            Class::SystemVariable => {
                let name = self.take(words::VARIABLE, at + 1)?;
                Some(name)
            }
            _ => Some(at + 1),
        }
    }

    /// What could stand at the farthest token, for people.
    fn expected(&self) -> BTreeSet<String> {
        let mut expected = BTreeSet::new();
        for node in &self.looked_for {
            match &self.grammar.nodes[*node] {
                Node::Never => {}
                Node::Class(Class::Expression | Class::BitExpression | Class::Simple) => {
                    expected.insert("an expression".to_owned());
                }
                Node::Class(Class::Name | Class::Plain) => {
                    expected.insert("a name".to_owned());
                }
                _ if self.grammar.first[*node].has(words::NAME) => {
                    expected.insert("a name".to_owned());
                }
                _ => expected
                    .extend(self.grammar.first[*node].iter().take(12).map(|kind| self.grammar.words.shown(kind))),
            }
        }
        expected
    }
}

impl Matcher<'_> {
    /// Counts a level of nesting; `None` where it is too deep.
    pub(super) fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth > DEEPEST || self.steps == 0 {
            self.steps = 0;
            self.depth -= 1;
            return None;
        }
        self.steps -= 1;
        Some(())
    }

    /// Leaves a level of nesting.
    pub(super) fn shallower(&mut self) {
        self.depth -= 1;
    }

    /// Runs a grammar rule that expressions need.
    pub(super) fn named(&mut self, name: &str, at: usize) -> Option<usize> {
        let body = self.grammar.body(name);
        self.rule(body, at)
    }
}
