//! Why a path does not match a template, segment by segment, and which name was probably meant.
//!
//! Knows templates and paths. Refuses to know projects and settings.

use super::template::{Field, Part, Segment, Strictness, Template, is_value_character, split_segments};
use crate::text::{Span, did_you_mean};

/// How one segment of a path compares with the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentView {
    /// The template's segment as written; empty where the path has one too many.
    pub expected: String,
    /// The path's segment; `None` where the path has one too few.
    pub found: Option<Span>,
    /// What is wrong here, if anything.
    pub problem: Option<String>,
}

/// The comparison of a path with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// All segments, in order.
    pub segments: Vec<SegmentView>,
    /// The token to point at.
    pub blame: Span,
    /// The first problem, in a few words.
    pub problem: String,
    /// A path that would match and is near to the one given.
    pub suggestion: Option<String>,
}

/// Compares a path that did not match with the template.
pub fn near_miss(template: &Template, path: &str) -> NearMiss {
    let texts = split_segments(path);
    let aligned = align(&template.segments, texts.len());
    let mut segments = Vec::new();
    for (index, segment) in aligned.iter().enumerate() {
        let found = texts.get(index).copied();
        let problem = match (segment, found) {
            (_, None) => Some("missing".to_owned()),
            (Segment::Parts(parts), Some(span)) => segment_problem(parts, span.of(path)),
            _ => None,
        };
        segments.push(SegmentView { expected: segment_text(segment), found, problem });
    }
    for span in texts.iter().skip(aligned.len()) {
        let problem = Some("one folder too many".to_owned());
        segments.push(SegmentView { expected: String::new(), found: Some(*span), problem });
    }
    let first = segments.iter().find(|view| view.problem.is_some());
    let blame = first.and_then(|view| view.found).unwrap_or(Span::new(0, path.len()));
    let problem = match first {
        Some(SegmentView { problem: Some(problem), found: None, expected }) => format!("`{expected}` is {problem}"),
        Some(SegmentView { problem: Some(problem), .. }) => problem.clone(),
        _ => "a placeholder that repeats has two different values".to_owned(),
    };
    NearMiss { segments, blame, problem, suggestion: suggest(template, path) }
}

/// Writes a segment of a template as its author did.
pub fn segment_text(segment: &Segment) -> String {
    match segment {
        Segment::One => "*".to_owned(),
        Segment::Many => "**".to_owned(),
        Segment::Parts(parts) => parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.clone(),
                Part::Field(field) => format!("{{{{{}}}}}", field.name()),
            })
            .collect(),
    }
}

/// Stretches every `**` so that the template has as many segments as the path, if it can.
fn align(segments: &[Segment], wanted: usize) -> Vec<Segment> {
    let mut spare = wanted.saturating_sub(segments.len());
    let mut aligned = Vec::new();
    for segment in segments {
        aligned.push(segment.clone());
        if *segment == Segment::Many {
            aligned.extend(std::iter::repeat_n(Segment::Many, std::mem::take(&mut spare)));
        }
    }
    aligned
}

fn alone(parts: &[Part]) -> Template {
    Template { segments: vec![Segment::Parts(parts.to_vec())], text: String::new() }
}

fn segment_problem(parts: &[Part], text: &str) -> Option<String> {
    let template = alone(parts);
    if template.matches(text).is_some() {
        return None;
    }
    if let Some(lenient) = template.matches_with(text, Strictness::AnyType) {
        let word = lenient.value(text, Field::Type).unwrap_or_default();
        return Some(format!("`{word}` is not a TYPE: it must be ddl, migrate, dml or data, in lower case"));
    }
    if let Some(wrong) = text.chars().find(|c| !is_value_character(*c)) {
        return Some(format!("`{wrong}` may not stand in a field's value"));
    }
    let mut at = 0;
    let mut before = "the beginning".to_owned();
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Field(field) => before = format!("{{{{{}}}}}", field.name()),
            Part::Literal(literal) => match text[at..].find(literal.as_str()) {
                Some(offset) if index > 0 || offset == 0 => {
                    at += offset + literal.len();
                    before = format!("`{literal}`");
                }
                _ if index == 0 && parts.len() == 1 => return Some(format!("expected `{literal}`")),
                _ => return Some(format!("expected `{literal}` after {before}")),
            },
        }
    }
    if at < text.len() && matches!(parts.last(), Some(Part::Literal(_))) {
        return Some(format!("`{}` is left over at the end", &text[at..]));
    }
    Some("a field is empty".to_owned())
}

/// Tries small repairs, and returns the first that the template matches.
fn suggest(template: &Template, path: &str) -> Option<String> {
    if let Some(lenient) = template.matches_with(path, Strictness::AnyType) {
        let span = lenient.fields[Field::Type as usize]?;
        let word = span.of(path);
        let near = did_you_mean(word, super::version::KIND_WORDS)?;
        return Some(format!("{}{near}{}", &path[..span.start], &path[span.end..]));
    }
    let name_start = path.rfind('/').map_or(0, |slash| slash + 1);
    let (folders, name) = path.split_at(name_start);
    let Some(Segment::Parts(parts)) = template.segments.last() else { return None };
    let candidates = [lengthened(parts, name), respelled(parts, name)];
    candidates
        .into_iter()
        .flatten()
        .map(|name| format!("{folders}{name}"))
        .find(|path| template.matches(path).is_some())
}

/// The name with the ending that the template wants.
fn lengthened(parts: &[Part], name: &str) -> Option<String> {
    let Some(Part::Literal(ending)) = parts.last() else { return None };
    let stem = name.find(ending.as_str()).or_else(|| name.rfind('.')).map_or(name, |at| &name[..at]);
    Some(format!("{stem}{ending}"))
}

/// The name with other separators read as the template's: `shop-1-ddl-init.sql` as `shop##1##ddl##init.sql`.
fn respelled(parts: &[Part], name: &str) -> Option<String> {
    let Some(Part::Literal(ending)) = parts.last() else { return None };
    let stem = name.strip_suffix(ending.as_str()).unwrap_or(name);
    let fields = parts.iter().filter(|part| matches!(part, Part::Field(_))).count();
    for separator in ['#', '-', '_', '.', ' '] {
        let pieces: Vec<&str> = stem.split(separator).filter(|piece| !piece.is_empty()).collect();
        if pieces.len() < fields || fields == 0 {
            continue;
        }
        let (first, last) = pieces.split_at(fields - 1);
        let last = last.join("_");
        let mut values = first.iter().copied().chain([last.as_str()]);
        let respelled: Option<String> = parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => Some(literal.clone()),
                Part::Field(Field::Type) => values.next().map(str::to_lowercase),
                Part::Field(_) => values.next().map(str::to_owned),
            })
            .collect();
        if let Some(candidate) = respelled.filter(|candidate| alone(parts).matches(candidate).is_some()) {
            return Some(candidate);
        }
    }
    None
}
