//! What the rules of the review look at: one statement after the other, each with the schema that it meets.
//!
//! Knows how statements inside of blocks are found, and which of them change the schema. Refuses to judge.

use std::cell::RefCell;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::facts::{Body, Fact, Name, dynamic, read, within};
use crate::finding::{Finding, Place, Rule};
use crate::rules::analysis::{not_analysed, too_long};
use crate::rules::outline::Outline;
use crate::rules::{FAMILIES, Looks, Script, Tally, running, syntax};
use crate::sql::alone::alone;
use crate::sql::directives::directives;
use crate::sql::facts::{Purpose, head};
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::{Span, begins};

/// A statement with what it does.
#[derive(Debug, Clone)]
pub struct Act {
    /// Its place in the file.
    pub span: Span,
    /// What it does; places in it count from its own beginning.
    pub fact: Fact,
    /// The body that it stands in.
    pub body: Option<Body>,
}

/// One statement in the file that it stands in, and the schema that it meets.
pub struct Scene<'s> {
    /// The file.
    pub script: &'s Script<'s>,
    /// Its name, shared by all findings.
    pub name: &'s Arc<str>,
    /// The statements of the file that are understood, those in bodies among them.
    pub acts: &'s [Act],
    /// Which of them are about which names.
    pub outline: &'s Outline,
    /// The last one before it that locked a table in use against everyone until the end of the transaction.
    pub locked: Option<usize>,
    /// Which of them is looked at; behind the last one at the end of the file.
    pub at: usize,
    /// The schema as the statement meets it; at the end of the file, as the file leaves it.
    pub schema: &'s Catalogue,
    /// Whether the whole file is one transaction.
    pub transaction: bool,
}

impl<'s> Scene<'s> {
    /// The statement that is looked at.
    pub fn act(&self) -> &'s Act {
        &self.acts[self.at]
    }

    /// What it does.
    pub fn fact(&self) -> &'s Fact {
        &self.act().fact
    }

    /// Those about a name, each with its number.
    pub fn about(&self, name: &str) -> impl DoubleEndedIterator<Item = (usize, &'s Act)> {
        let acts = self.acts;
        self.outline.about(name).iter().map(move |at| (*at, &acts[*at]))
    }

    /// Those about a name before it.
    pub fn earlier(&self, name: &str) -> impl DoubleEndedIterator<Item = &'s Act> {
        let end = self.outline.about(name).partition_point(|at| *at < self.at);
        self.outline.about(name)[..end].iter().map(|at| &self.acts[*at])
    }

    /// Those about a name behind it.
    pub fn later(&self, name: &str) -> impl DoubleEndedIterator<Item = &'s Act> {
        let start = self.outline.about(name).partition_point(|at| *at <= self.at);
        self.outline.about(name)[start..].iter().map(|at| &self.acts[*at])
    }

    /// By whom the file is read.
    pub fn flavour(&self) -> Flavour {
        self.script.flavour()
    }

    /// Says whether it is for this product.
    pub fn is(&self, dialect: Dialect) -> bool {
        self.flavour().dialect == dialect
    }

    /// Says whether it is for PostgreSQL.
    pub fn postgres(&self) -> bool {
        self.is(Dialect::Postgres)
    }

    /// Says whether it is for MySQL or MariaDB.
    pub fn mysql(&self) -> bool {
        self.flavour().is_mysql()
    }

    /// Says whether the server is of this major release or newer.
    pub fn since(&self, major: u16) -> bool {
        self.flavour().release_or_newest().major >= major
    }

    /// What a place in the statement says.
    pub fn shown(&self, span: Span) -> &'s str {
        span.shifted(self.act().span.start).of(self.script.text)
    }

    /// A name as it is written.
    pub fn named(&self, name: &Name) -> &'s str {
        self.shown(name.span)
    }

    /// The statement as it is written.
    pub fn statement(&self) -> &'s str {
        self.act().span.of(self.script.text)
    }

    /// The place of a statement's first word.
    pub fn first_word(&self, at: usize) -> Span {
        let shown = self.acts[at].span.of(self.script.text);
        Span::new(0, shown.find(char::is_whitespace).unwrap_or(shown.len()))
    }

    /// Says whether a word stands anywhere in the statement, not in quotes.
    pub fn has_word(&self, word: &str) -> bool {
        let text = self.statement();
        Lexer::new(text, self.flavour())
            .any(|token| token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case(word))
    }

    /// The last word or sign before a place in the statement.
    pub fn word_before(&self, span: Span) -> Option<&'s str> {
        let text = &self.statement()[..span.start];
        let tokens = Lexer::new(text, self.flavour()).filter(|token| token.kind.is_significant());
        tokens.last().map(|token| token.span.of(text))
    }

    /// Begins a finding at a place in the statement.
    pub fn finding(&self, rule: &'static Rule, span: Span, message: impl Into<String>) -> Finding {
        self.finding_at(self.at, rule, span, message)
    }

    /// Begins a finding at a place in another statement of the file.
    pub fn finding_at(&self, at: usize, rule: &'static Rule, span: Span, message: impl Into<String>) -> Finding {
        let act = &self.acts[at];
        let place = Place::content(Arc::clone(self.name), span.shifted(act.span.start));
        let finding = Finding::new(rule, place, message);
        match act.body {
            Some(Body::Called) => finding.note("this stands in the body of a routine and runs whenever that is called"),
            _ => finding,
        }
    }

    /// Says whether a table is made in this file or by one that has run nowhere: nobody can wait for it.
    pub fn is_new(&self, table: &Name) -> bool {
        self.schema.is_new(table)
    }
}

/// Longest statement that is read whole, in bytes; of longer ones that add rows only the beginning is.
const LONGEST: usize = 1 << 20;
/// Findings for which there is room before a statement is looked at.
const SPARE: usize = 32;
/// How much of these is read, in bytes, where no VALUES comes.
const BEGINNING: usize = 16 << 10;

/// Where the rows of an INSERT begin; where they are a query, its end.
fn up_to_values(text: &str, flavour: Flavour) -> usize {
    let mut depth = 0_usize;
    let mut before = "";
    for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
        // A table may be called so.
        let named = before.eq_ignore_ascii_case("INTO");
        before = token.span.of(text);
        match before {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && !named && begins_rows(word, flavour) => return token.span.end,
            word if word.eq_ignore_ascii_case("SELECT") => break,
            _ if token.span.end > BEGINNING => return token.span.start,
            _ => {}
        }
    }
    let end = if text.len() > LONGEST { BEGINNING } else { text.len() };
    (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

fn begins_rows(word: &str, flavour: Flavour) -> bool {
    word.eq_ignore_ascii_case("VALUES") || flavour.is_mysql() && word.eq_ignore_ascii_case("VALUE")
}

/// Reads a statement; of lists of rows only what stands before them.
fn fact_of(text: &str, flavour: Flavour) -> Option<Fact> {
    if begins(text, "INSERT") || begins(text, "REPLACE") {
        return read(&text[..up_to_values(text, flavour)], flavour);
    }
    if text.len() > LONGEST { None } else { read(text, flavour) }
}

/// Goes through a file, asks every family that looks at statements, and lets the schema follow.
pub(super) fn review(script: &Script<'_>, tally: &mut Tally) -> Vec<Finding> {
    let Some(flavour) = script.bench.map(|bench| bench.flavour) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut acts = Vec::with_capacity(script.statements.len());
    // Where the schema is lost: behind the first statement that is not understood.
    let mut lost: Option<usize> = None;
    for statement in script.statements.iter().filter(|statement| !statement.client && statement.unclosed.is_none()) {
        let text = statement.span.of(script.text);
        let said = tally.refused.contains(&statement.span.start);
        if said || head(text, flavour).purpose(flavour.dialect) == Purpose::Transaction {
            lost = lost.or(said.then_some(acts.len()));
            continue;
        }
        let Some(fact) = fact_of(text, flavour) else {
            tally.not_analysed += 1;
            lost.get_or_insert(acts.len());
            let why = if text.len() > LONGEST { too_long() } else { "no rule knows this kind of statement" };
            findings.extend(not_analysed(script, statement.span, why));
            continue;
        };
        if dynamic(text, flavour) {
            tally.not_analysed += 1;
            lost.get_or_insert(acts.len());
            findings.extend(not_analysed(script, statement.span, "it runs text that it puts together (EXECUTE)"));
        }
        acts.push(Act { span: statement.span, fact, body: None });
        acts.extend(inner_acts(script, statement.span, flavour));
    }
    let empty = RefCell::new(Catalogue::default());
    let known = script.known.unwrap_or(&empty);
    known.borrow_mut().begin(script.pending);
    let transaction = is_transaction(script, flavour);
    let outline = Outline::of(&acts);
    let mut locked = None;
    let name: Arc<str> = script.name.into();
    for at in 0..acts.len() {
        if (script.late)() {
            // What was not reviewed is never a pass.
            findings.push(syntax::late_review(script, acts[at].span, acts.len() - at));
            known.borrow_mut().lose_track("the time for a file was up");
            return findings;
        }
        if lost.is_some_and(|place| place <= at) {
            known.borrow_mut().lose_track("a statement was not understood");
        }
        {
            let schema = known.borrow();
            let scene =
                Scene { script, name: &name, acts: &acts, outline: &outline, locked, at, schema: &schema, transaction };
            // A file may have very many: a list that doubles would hold twice what it must.
            if findings.capacity() - findings.len() < SPARE {
                findings.reserve_exact(findings.len() / 8 + SPARE);
            }
            findings.extend(looks(|looks| matches!(looks, Looks::AtStatement(_)), &scene));
            locked = if running::locks(&scene) { Some(at) } else { locked };
        }
        if acts[at].body.is_none() {
            known.borrow_mut().end_routine();
        }
        match acts[at].body {
            None => known.borrow_mut().follow(&acts[at].fact),
            Some(Body::Runs) => known.borrow_mut().perhaps_follow(&acts[at].fact),
            Some(Body::Called) => known.borrow_mut().follow_within(&acts[at].fact),
        }
    }
    known.borrow_mut().end_routine();
    if lost.is_some() {
        known.borrow_mut().lose_track("a statement was not understood");
    }
    let schema = known.borrow();
    let scene = Scene {
        script,
        name: &name,
        acts: &acts,
        outline: &outline,
        locked,
        at: acts.len(),
        schema: &schema,
        transaction,
    };
    findings.extend(looks(|looks| matches!(looks, Looks::AtEnd(_)), &scene));
    findings
}

fn looks(wanted: fn(&Looks) -> bool, scene: &Scene<'_>) -> Vec<Finding> {
    let families = FAMILIES.iter().filter(|family| wanted(&family.looks));
    families
        .flat_map(|family| match family.looks {
            Looks::AtStatement(look) | Looks::AtEnd(look) => look(scene),
            _ => Vec::new(),
        })
        .filter(|finding| (scene.script.wanted)(finding.rule))
        .map(|mut finding| {
            // A way for a statement of a body is none for the statement around it.
            finding.certain &= scene.acts.get(scene.at).is_some_and(|act| act.body.is_none());
            finding
        })
        .collect()
}

/// The statements in the body of a block or routine.
fn inner_acts(script: &Script<'_>, outer: Span, flavour: Flavour) -> Vec<Act> {
    let text = outer.of(script.text);
    let Some((body, spans)) = within(text, flavour) else { return Vec::new() };
    let act = |span: Span| {
        let fact = fact_of(span.of(text), flavour)?;
        Some(Act { span: span.shifted(outer.start), fact, body: Some(body) })
    };
    spans.into_iter().filter_map(act).collect()
}

/// Says whether a file will run as one transaction, as its head and its statements tell.
fn is_transaction(script: &Script<'_>, flavour: Flavour) -> bool {
    let text = script.text.trim_start_matches('\u{feff}');
    let alone = |span: Span| alone(span.of(script.text), flavour);
    !flavour.is_mysql()
        && !directives(text, flavour).0.no_transaction
        && !script.statements.iter().any(|statement| !statement.client && alone(statement.span))
}

/// Carries out the statements of a file that is not judged.
pub fn follow(
    known: &RefCell<Catalogue>,
    statements: impl Iterator<Item = impl AsRef<str>>,
    flavour: Flavour,
    pending: bool,
) {
    let mut known = known.borrow_mut();
    known.begin(pending);
    for text in statements {
        let text = text.as_ref();
        match fact_of(text, flavour) {
            Some(fact) => known.follow(&fact),
            None => known.lose_track("an earlier statement was not understood"),
        }
        if dynamic(text, flavour) {
            known.lose_track("an earlier block runs text that it puts together");
        }
        let Some((Body::Runs, spans)) = within(text, flavour) else { continue };
        for fact in spans.into_iter().filter_map(|span| fact_of(span.of(text), flavour)) {
            known.perhaps_follow(&fact);
        }
    }
}

#[cfg(test)]
mod tests;
