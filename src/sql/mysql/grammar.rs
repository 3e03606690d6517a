//! The notation of the grammar files, compiled into nodes.
//!
//! A rule is `name = body ;`. In a body: `WORD` is a keyword, `'x'` a symbol, `name` a rule or one of [`CLASSES`],
//! `[ x ]` optional, `( x | y )` a choice, `x*` and `x+` repetitions, `x%` a list with commas, `!x` and `&x` a look
//! ahead. `<mysql>`, `<mariadb 10.11>` or `<mysql -8.4>` at the beginning of an alternative limits it to a product, and
//! there to a release and later ones or to those before it.
//! A choice takes the first alternative that fits (parsing expression grammar), so longer ones stand first.
//! `#` begins a comment. Knows nothing of SQL but this.

use std::collections::HashMap;

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::sql::mysql::notation::{Reader, notation};
use crate::sql::mysql::operators::Known;
use crate::sql::mysql::words::{self, Kind, Words};

/// The files of the grammar.
const FILES: [&str; 5] = [
    include_str!("grammar/names.txt"),
    include_str!("grammar/tables.txt"),
    include_str!("grammar/data.txt"),
    include_str!("grammar/routines.txt"),
    include_str!("grammar/server.txt"),
];

/// What is told from the kind of a token alone, or parsed by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A name: plain, quoted, or a keyword that is not reserved.
    Name,
    /// A name that is no keyword at all, or quoted.
    Plain,
    /// A quoted name.
    Quoted,
    /// A string.
    Text,
    /// A hexadecimal or binary number.
    Hex,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A variable `@name`.
    Variable,
    /// A system variable `@@name`.
    SystemVariable,
    /// The name of a character set before a string.
    Charset,
    /// An expression.
    Expression,
    /// An expression without AND, OR, NOT and comparisons.
    BitExpression,
    /// An expression without operators.
    Simple,
}

/// The names of classes in the notation.
pub(super) const CLASSES: [(&str, Class); 13] = [
    ("ident", Class::Name),
    ("plain", Class::Plain),
    ("quoted", Class::Quoted),
    ("text", Class::Text),
    ("hex", Class::Hex),
    ("int", Class::Whole),
    ("number", Class::Number),
    ("var", Class::Variable),
    ("system_variable", Class::SystemVariable),
    ("charset_mark", Class::Charset),
    ("expr", Class::Expression),
    ("bit_expr", Class::BitExpression),
    ("simple", Class::Simple),
];

/// A place in the table of nodes.
pub(super) type NodeId = usize;

/// One node of the grammar.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A token of this kind.
    Kind(Kind),
    /// A class.
    Class(Class),
    /// The rule of this number.
    Rule(usize),
    /// One behind the other.
    Sequence(Vec<NodeId>),
    /// The first that fits.
    Choice(Vec<NodeId>),
    /// This or nothing.
    Optional(NodeId),
    /// Any number of times; at least once where so marked.
    Repeat(NodeId, bool),
    /// One or more with commas between them.
    List(NodeId),
    /// Fits nothing, where this does not fit.
    Not(NodeId),
    /// Fits nothing, where this fits.
    Ahead(NodeId),
    /// Fits nothing, for this release and later ones.
    Since(Release),
    /// Fits nothing, for releases before this one, and where none is declared.
    Before(Release),
    /// Fits never: of the other product.
    Never,
}

/// A set of kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kinds(Vec<u64>);

impl Kinds {
    fn with_room(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Says whether the kind is in the set.
    #[inline]
    pub(super) fn has(&self, kind: Kind) -> bool {
        let index = usize::from(kind);
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    fn add(&mut self, kind: Kind) {
        let index = usize::from(kind);
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn join(&mut self, other: &Self) -> bool {
        let mut grew = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            grew |= theirs & !*mine != 0;
            *mine |= theirs;
        }
        grew
    }

    /// The kinds in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Kind> + '_ {
        (0..self.0.len() * 64).filter_map(|index| u16::try_from(index).ok()).filter(|kind| self.has(*kind))
    }
}

/// The grammar of one dialect.
pub(super) struct Grammar {
    /// Its words.
    pub(super) words: Words,
    /// Its nodes.
    pub(super) nodes: Vec<Node>,
    /// With which kinds a node can begin.
    pub(super) first: Vec<Kinds>,
    /// Which nodes may fit nothing.
    pub(super) empty: Vec<bool>,
    /// The body of each rule.
    pub(super) rules: Vec<NodeId>,
    /// A node that stands for an expression.
    pub(super) expression: NodeId,
    /// The kinds that expressions ask for.
    pub(super) known: Known,
    numbers: HashMap<&'static str, usize>,
}

impl Grammar {
    /// Compiles the grammar for a dialect.
    pub(super) fn new(dialect: Dialect) -> Self {
        let mut reader = Reader::new(dialect);
        let mut bodies: Vec<(usize, NodeId)> = Vec::new();
        for file in FILES {
            let tokens = notation(file);
            let mut at = 0;
            while at < tokens.len() {
                let rule = reader.rule(tokens[at]);
                at += 2;
                let body = reader.choice(&tokens, &mut at);
                at += 1;
                bodies.push((rule, body));
            }
        }
        let mut rules = vec![0; reader.numbers.len()];
        for (rule, body) in bodies {
            rules[rule] = body;
        }
        let expression = reader.add(Node::Class(Class::Expression));
        for word in Known::WORDS {
            reader.words.number(word);
        }
        let Reader { words, nodes, numbers, .. } = reader;
        let known = Known::of(&words, dialect);
        let count = nodes.len();
        let room = words.count();
        let first = vec![Kinds::with_room(room); count];
        let mut grammar = Self { words, nodes, first, empty: vec![false; count], rules, expression, known, numbers };
        grammar.close();
        grammar
    }

    /// Returns the body of a rule.
    pub(super) fn body(&self, name: &str) -> NodeId {
        self.numbers.get(name).map_or(0, |rule| self.rules[*rule])
    }

    /// Returns the names of rules that are used and not defined.
    #[cfg(test)]
    pub(super) fn undefined(&self) -> Vec<&'static str> {
        self.numbers.iter().filter(|(_, rule)| self.rules[**rule] == 0).map(|(name, _)| *name).collect()
    }

    /// Works out with what each node can begin, until nothing changes.
    fn close(&mut self) {
        loop {
            let mut grew = false;
            for node in 0..self.nodes.len() {
                let (first, empty) = self.look(node);
                grew |= self.first[node].join(&first) || empty != self.empty[node];
                self.empty[node] = empty;
            }
            if !grew {
                return;
            }
        }
    }

    fn look(&self, node: NodeId) -> (Kinds, bool) {
        let mut first = Kinds::with_room(self.words.count());
        let empty = match &self.nodes[node] {
            Node::Kind(kind) => {
                first.add(*kind);
                false
            }
            Node::Class(class) => {
                self.class_first(*class, &mut first);
                false
            }
            Node::Rule(rule) => {
                first.join(&self.first[self.rules[*rule]]);
                self.empty[self.rules[*rule]]
            }
            Node::Sequence(parts) => {
                let mut empty = true;
                for part in parts {
                    if empty {
                        first.join(&self.first[*part]);
                    }
                    empty &= self.empty[*part];
                }
                empty
            }
            Node::Choice(parts) => {
                parts.iter().for_each(|part| {
                    first.join(&self.first[*part]);
                });
                parts.iter().any(|part| self.empty[*part])
            }
            Node::Optional(inner) | Node::Repeat(inner, false) => {
                first.join(&self.first[*inner]);
                true
            }
            Node::Repeat(inner, true) | Node::List(inner) => {
                first.join(&self.first[*inner]);
                self.empty[*inner]
            }
            Node::Not(_) | Node::Ahead(_) | Node::Since(_) | Node::Before(_) => true,
            Node::Never => false,
        };
        (first, empty)
    }

    fn class_first(&self, class: Class, first: &mut Kinds) {
        let all = || (0..self.words.count()).filter_map(|kind| u16::try_from(kind).ok());
        let mut some = |kinds: &[Kind]| kinds.iter().for_each(|kind| first.add(*kind));
        match class {
            Class::Name => all().filter(|kind| self.words.is_name(*kind)).for_each(|kind| first.add(kind)),
            Class::Plain => some(&[words::NAME, words::QUOTED]),
            Class::Quoted => some(&[words::QUOTED]),
            Class::Text => some(&[words::TEXT]),
            Class::Hex => some(&[words::HEX]),
            Class::Whole => some(&[words::WHOLE, words::HEX]),
            Class::Number => some(&[words::WHOLE, words::HEX, words::DECIMAL]),
            Class::Variable => some(&[words::VARIABLE, self.symbol("@")]),
            Class::SystemVariable => some(&[self.symbol("@")]),
            Class::Charset => some(&[words::CHARSET]),
            Class::Expression | Class::BitExpression | Class::Simple => {
                some(&[words::TEXT, words::WHOLE, words::HEX, words::DECIMAL, words::VARIABLE, words::CHARSET]);
                for text in ["@", "(", "-", "+", "~", "!", "{"] {
                    first.add(self.symbol(text));
                }
                for word in ["NOT", "NULL", "TRUE", "FALSE", "BINARY", "INTERVAL"] {
                    first.add(self.words.kind_of(word.as_bytes(), true));
                }
                all().filter(|kind| self.words.is_name(*kind)).for_each(|kind| first.add(kind));
                first.join(&self.first[self.body("special_call")]);
            }
        }
    }

    /// Returns the kind of a symbol that the list has.
    pub(super) fn symbol(&self, text: &str) -> Kind {
        words::symbol(text).unwrap_or(words::STRANGE)
    }
}
