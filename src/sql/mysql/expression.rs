//! Expressions: operators by precedence, what they bind, and the calls of functions.
//!
//! Precedence follows the manual's chapter "Operator Precedence"; written as code because a table of fourteen levels
//! would visit every level for every literal.

use crate::sql::mysql::matcher::Matcher;
use crate::sql::mysql::words;

impl Matcher<'_> {
    /// An expression of any kind.
    pub(super) fn expression(&mut self, at: usize) -> Option<usize> {
        // A literal before a comma or a closing parenthesis: nearly all there is in a long INSERT.
        if matches!(self.kind(at), words::TEXT | words::WHOLE | words::DECIMAL) {
            let next = self.kind(at + 1);
            if next == self.known_kinds.comma || next == self.known_kinds.close {
                return Some(at + 1);
            }
        }
        self.deeper()?;
        let end = self.disjunction(at);
        self.shallower();
        end
    }

    fn disjunction(&mut self, at: usize) -> Option<usize> {
        let mut place = self.negation(at)?;
        loop {
            let kind = self.kind(place);
            let known = &self.known_kinds;
            if known.or.contains(&kind) || known.xor == kind || known.and.contains(&kind) {
                place = self.negation(place + 1)?;
            } else {
                self.miss(0, place);
                return Some(place);
            }
        }
    }

    fn negation(&mut self, at: usize) -> Option<usize> {
        let mut place = at;
        while self.kind(place) == self.known_kinds.not {
            place += 1;
        }
        self.comparison(place)
    }

    /// Comparisons and IS, from left to right.
    fn comparison(&mut self, at: usize) -> Option<usize> {
        let mut place = self.predicate(at)?;
        loop {
            let kind = self.kind(place);
            if self.known_kinds.compare.contains(&kind) {
                let quantified = self.known_kinds.quantifiers.contains(&self.kind(place + 1));
                place = match quantified && self.kind(place + 2) == self.known_kinds.open {
                    true => self.query_parens(place + 2)?,
                    false => self.predicate(place + 1)?,
                };
            } else if kind == self.known_kinds.is {
                let not = usize::from(self.kind(place + 1) == self.known_kinds.not);
                let value = self.kind(place + 1 + not);
                if value != self.known_kinds.null && !self.known_kinds.truth.contains(&value) {
                    self.miss(0, place + 1 + not);
                    return None;
                }
                place += 2 + not;
            } else {
                return Some(place);
            }
        }
    }

    /// IN, BETWEEN, LIKE, REGEXP, SOUNDS LIKE, MEMBER OF.
    fn predicate(&mut self, at: usize) -> Option<usize> {
        let mut place = self.bit_expression(at)?;
        loop {
            let not = usize::from(self.kind(place) == self.known_kinds.not);
            let operator = self.kind(place + not);
            let right = place + not + 1;
            let known = &self.known_kinds;
            place = if operator == known.inside {
                self.list_or_query(right)?
            } else if operator == known.between {
                let low = self.bit_expression(right)?;
                let and = self.known_kinds.and[0];
                let and = self.take(and, low)?;
                self.predicate(and)?
            } else if operator == known.like {
                let pattern = self.bit_expression(right)?;
                let escape = self.known_kinds.escape;
                if self.kind(pattern) == escape { self.simple(pattern + 1)? } else { pattern }
            } else if known.matches.contains(&operator) {
                self.bit_expression(right)?
            } else if not == 0 && operator == known.sounds && self.kind(right) == known.like {
                self.bit_expression(right + 1)?
            } else if not == 0 && known.arrows && operator == known.member {
                let of = usize::from(self.kind(right) == known.of);
                self.list_or_query(right + of)?
            } else {
                if not == 1 {
                    self.miss(0, place + 1);
                    return None;
                }
                return Some(place);
            };
            if !self.known_kinds.chains {
                return Some(place);
            }
        }
    }

    /// Arithmetic and bits: all levels are alike to a recogniser.
    pub(super) fn bit_expression(&mut self, at: usize) -> Option<usize> {
        let mut place = self.operand(at, false)?;
        loop {
            let kind = self.kind(place);
            let known = &self.known_kinds;
            let sum = kind == known.plus || kind == known.minus;
            if !sum && !known.bits.contains(&kind) && !known.products.contains(&kind) {
                return Some(place);
            }
            place = self.operand(place + 1, sum)?;
        }
    }

    /// One side of an operator; `INTERVAL value unit` stands beside + and - and at the beginning.
    fn operand(&mut self, at: usize, behind_sign: bool) -> Option<usize> {
        if self.kind(at) != self.known_kinds.interval {
            return self.simple(at);
        }
        if self.kind(at + 1) == self.known_kinds.open
            && let Some(end) = self.special_call(at)
        {
            return Some(end);
        }
        let value = self.expression(at + 1)?;
        let end = self.named("interval_unit", value)?;
        if !behind_sign && self.kind(end) != self.known_kinds.plus {
            self.miss(0, end);
            return None;
        }
        Some(end)
    }

    /// An expression without operators between two of them.
    pub(super) fn simple(&mut self, at: usize) -> Option<usize> {
        let mut place = at;
        loop {
            let kind = self.kind(place);
            let known = &self.known_kinds;
            if ![known.minus, known.plus, known.tilde, known.bang, known.binary].contains(&kind) {
                break;
            }
            place += 1;
        }
        self.deeper()?;
        let end = self.primary(place).and_then(|end| self.suffixes(end));
        self.shallower();
        end
    }

    fn suffixes(&mut self, at: usize) -> Option<usize> {
        let mut place = at;
        loop {
            let kind = self.kind(place);
            let known = &self.known_kinds;
            if kind == known.collate {
                place = self.named("collation_name", place + 1)?;
            } else if known.arrows && (kind == known.arrow || kind == known.long_arrow) {
                place = self.take(words::TEXT, place + 1)?;
            } else {
                return Some(place);
            }
        }
    }

    fn primary(&mut self, at: usize) -> Option<usize> {
        let kind = self.kind(at);
        let known = &self.known_kinds;
        match kind {
            words::TEXT => {
                let mut place = at + 1;
                while self.kind(place) == words::TEXT {
                    place += 1;
                }
                Some(place)
            }
            words::WHOLE | words::DECIMAL | words::HEX => Some(at + 1),
            words::VARIABLE => self.variable(at + 1),
            words::CHARSET => {
                if matches!(self.kind(at + 1), words::TEXT | words::HEX) {
                    return Some(at + 2);
                }
                self.miss(0, at + 1);
                None
            }
            _ if kind == known.open => self.list_or_query(at),
            _ if kind == known.brace => {
                let value = self.expression(at + 2)?;
                let end = self.known_kinds.end_brace;
                self.take(end, value)
            }
            _ if kind == known.at_sign => match self.kind(at + 1) {
                words::TEXT | words::QUOTED => self.variable(at + 2),
                words::VARIABLE => Some(at + 2),
                _ if known.nameless => self.variable(at + 1),
                _ => self.take(words::VARIABLE, at + 1),
            },
            _ if known.bare.contains(&kind) => Some(at + 1),
            _ if self.can_begin(self.special, at) => {
                self.special_call(at).or_else(|| if self.may_be_name(at) { self.name_or_call(at) } else { None })
            }
            _ if self.grammar.words.is_name(kind) => self.name_or_call(at),
            _ => {
                let node = self.expression_node;
                self.miss(node, at);
                None
            }
        }
    }

    /// A call of special form. What goes wrong inside of its parentheses is a mistake, not another reading.
    fn special_call(&mut self, at: usize) -> Option<usize> {
        let reached = std::mem::take(&mut self.reached);
        let end = self.node(self.special, at);
        self.may_be_other = self.reached <= at + 1;
        self.reached = self.reached.max(reached);
        end
    }

    fn may_be_name(&self, at: usize) -> bool {
        let called = self.kind(at + 1) == self.known_kinds.open;
        self.grammar.words.is_name(self.kind(at)) && (!called || self.may_be_other)
    }

    fn variable(&mut self, at: usize) -> Option<usize> {
        if self.kind(at) == self.known_kinds.assign { self.expression(at + 1) } else { Some(at) }
    }

    /// `name`, `name.name`, `name.name.name`, each with or without a call.
    fn name_or_call(&mut self, at: usize) -> Option<usize> {
        let mut place = at + 1;
        for _ in 0..2 {
            if self.kind(place) != self.known_kinds.dot {
                break;
            }
            if self.kind(place + 1) == self.known_kinds.star {
                self.miss(0, place + 1);
                return None;
            }
            place = self.name(place + 1)?;
        }
        if self.kind(place) != self.known_kinds.open {
            return Some(place);
        }
        // ANY and SOME are quantifiers where a parenthesis follows; other keywords have their own forms, or none.
        if self.known_kinds.quantifiers.contains(&self.kind(at)) {
            self.miss(0, place + 1);
            return None;
        }
        if place == at + 1 && !self.grammar.words.is_callable(self.kind(at), self.declared) {
            self.miss(0, place);
            return None;
        }
        self.arguments(place)
    }

    fn name(&mut self, at: usize) -> Option<usize> {
        if self.grammar.words.is_name(self.kind(at)) {
            return Some(at + 1);
        }
        self.miss(0, at);
        None
    }

    /// The arguments of a plain call; loadable functions take `expression AS name`.
    fn arguments(&mut self, open: usize) -> Option<usize> {
        if self.kind(open + 1) == self.known_kinds.close {
            return Some(open + 2);
        }
        let mut place = open + 1;
        loop {
            place = self.expression(place)?;
            if self.can_begin(self.alias, place) {
                place = self.node(self.alias, place)?;
            }
            if self.kind(place) != self.known_kinds.comma {
                break;
            }
            place += 1;
        }
        let close = self.known_kinds.close;
        self.take(close, place)
    }

    /// `( expression, ... )` or a query.
    fn list_or_query(&mut self, at: usize) -> Option<usize> {
        if self.begins_query(at)
            && let Some(end) = self.query_parens(at)
        {
            return Some(end);
        }
        let open = self.known_kinds.open;
        let first = self.take(open, at)?;
        self.expressions(first)
    }

    fn expressions(&mut self, at: usize) -> Option<usize> {
        let mut place = self.expression(at)?;
        while self.kind(place) == self.known_kinds.comma {
            place = self.expression(place + 1)?;
        }
        let close = self.known_kinds.close;
        self.take(close, place)
    }

    /// Says whether the parentheses that open here may hold a query.
    fn begins_query(&self, at: usize) -> bool {
        let mut place = at;
        while self.kind(place) == self.known_kinds.open {
            place += 1;
        }
        place > at && self.known_kinds.queries.contains(&self.kind(place))
    }
}
