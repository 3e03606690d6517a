//! Path templates: compiling them, and matching paths against them.
//!
//! A template is a path whose segments hold literals and placeholders such as `{{VERSION}}`; `*` stands for one
//! folder and `**` for one or more. It is anchored at both ends and every literal is literal. Fields are as short
//! as they can be, but for the last of a segment. Refuses to know what a field's value should look like.

use crate::text::Span;

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `{{ENV_ID}}`
    Environment,
    /// `{{DB_NAME}}`
    Database,
    /// `{{VERSION}}`
    Version,
    /// `{{TYPE}}`
    Type,
    /// `{{DESCRIPTION}}`
    Description,
}

impl Field {
    /// All placeholders, in the order in which they are usually written.
    pub const ALL: [Self; 5] = [Self::Environment, Self::Database, Self::Version, Self::Type, Self::Description];

    /// Returns the name between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "ENV_ID",
            Self::Database => "DB_NAME",
            Self::Version => "VERSION",
            Self::Type => "TYPE",
            Self::Description => "DESCRIPTION",
        }
    }
}

/// A piece of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Literal(String),
    /// A placeholder.
    Field(Field),
}

/// A piece of a template between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `*`: exactly one folder.
    One,
    /// `**`: one folder or more.
    Many,
    /// Literals and placeholders.
    Parts(Vec<Part>),
}

/// A compiled template: base directory and file template joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The segments from the top of the repository.
    pub segments: Vec<Segment>,
    /// The template as it was joined, for messages.
    pub text: String,
}

/// Where a field's value stands in a matched path, in bytes.
pub type Fields = [Option<Span>; 5];

/// A path that a template matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The place of each field's value; where a placeholder repeats, its last place.
    pub fields: Fields,
    /// Every place of `{{VERSION}}`, in order.
    pub versions: Vec<Span>,
}

impl Match {
    /// Returns the value of a field in the path that was matched.
    pub fn value<'p>(&self, path: &'p str, field: Field) -> Option<&'p str> {
        self.fields[field as usize].map(|span| span.of(path))
    }
}

/// Paths longer than this are not matched; the history table has room for as much.
pub const LONGEST_PATH: usize = 700;

/// Says whether a character may stand in a field's value.
pub fn is_value_character(character: char) -> bool {
    !matches!(character, '\\' | '/' | '?' | '%' | '*' | ':' | '|' | '"' | '<' | '>')
}

/// How strictly a segment is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// TYPE is one of its four words.
    Exact,
    /// TYPE is any value: used to explain a path that does not match.
    AnyType,
}

impl Template {
    /// Matches a whole path.
    pub fn matches(&self, path: &str) -> Option<Match> {
        self.matches_with(path, Strictness::Exact)
    }

    /// Matches a whole path with a chosen strictness.
    pub fn matches_with(&self, path: &str, strictness: Strictness) -> Option<Match> {
        if path.len() > LONGEST_PATH {
            return None;
        }
        let texts = split_segments(path);
        let mut state = State { path, strictness, found: Match { fields: [None; 5], versions: Vec::new() } };
        match_segments(&self.segments, &texts, &mut state).then_some(state.found)
    }

    /// Says whether a folder can hold, at any depth, files that match with this environment and database.
    /// `None` leaves the field open. The empty folder is the top of the repository.
    pub fn reaches(&self, folder: &str, environment: Option<&str>, database: Option<&str>) -> bool {
        if folder.is_empty() {
            return true;
        }
        let fixed = [environment, database];
        let texts: Vec<&str> = folder.split('/').collect();
        reaches_segments(&self.segments, &texts, fixed)
    }

    /// Returns the fields that the template names.
    pub fn fields(&self) -> Vec<Field> {
        Field::ALL.into_iter().filter(|field| self.names(*field)).collect()
    }

    /// Says whether the template names a field.
    pub fn names(&self, field: Field) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Parts(parts) => parts.contains(&Part::Field(field)),
            _ => false,
        })
    }

    /// Writes the path of these values. `folders` serve the wildcards in order, one entry each (an entry for `**`
    /// may hold slashes). `None` if a value or a folder is missing.
    pub fn path_of(&self, value: &dyn Fn(Field) -> Option<String>, folders: &[String]) -> Option<String> {
        let mut folders = folders.iter();
        let mut segments = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::One | Segment::Many => segments.push(folders.next()?.clone()),
                Segment::Parts(parts) => {
                    let mut text = String::new();
                    for part in parts {
                        match part {
                            Part::Literal(literal) => text.push_str(literal),
                            Part::Field(field) => text.push_str(&value(*field)?),
                        }
                    }
                    segments.push(text);
                }
            }
        }
        Some(segments.join("/"))
    }

    /// Counts the wildcards.
    pub fn wildcards(&self) -> usize {
        self.segments.iter().filter(|segment| !matches!(segment, Segment::Parts(_))).count()
    }
}

/// Splits a path into its segments with their places.
pub fn split_segments(path: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for segment in path.split('/') {
        spans.push(Span::new(start, start + segment.len()));
        start += segment.len() + 1;
    }
    spans
}

struct State<'p> {
    path: &'p str,
    strictness: Strictness,
    found: Match,
}

fn match_segments(segments: &[Segment], texts: &[Span], state: &mut State<'_>) -> bool {
    let Some((segment, rest)) = segments.split_first() else { return texts.is_empty() };
    if texts.len() < segments.len() {
        return false;
    }
    match segment {
        Segment::One => match_segments(rest, &texts[1..], state),
        Segment::Many => (1..=texts.len() - rest.len()).any(|taken| match_segments(rest, &texts[taken..], state)),
        Segment::Parts(parts) => {
            let before = state.found.clone();
            if match_segment(parts, texts[0], state) && match_segments(rest, &texts[1..], state) {
                return true;
            }
            state.found = before;
            false
        }
    }
}

/// Matches one segment and records its fields. Fields that an earlier segment found count as literals.
fn match_segment(parts: &[Part], place: Span, state: &mut State<'_>) -> bool {
    let text = place.of(state.path);
    let mut budget = 100_000_usize;
    let mut spans = vec![Span::default(); parts.len()];
    if !match_parts(parts, text, 0, state, &mut spans, &mut budget) {
        return false;
    }
    for (part, span) in parts.iter().zip(&spans) {
        if let Part::Field(field) = part {
            let span = span.shifted(place.start);
            state.found.fields[*field as usize] = Some(span);
            if *field == Field::Version {
                state.found.versions.push(span);
            }
        }
    }
    true
}

/// Matches `parts[spans.len() - parts.len()..]` of a segment against `text[at..]`, trying short values first.
fn match_parts(
    parts: &[Part],
    text: &str,
    at: usize,
    state: &State<'_>,
    spans: &mut [Span],
    budget: &mut usize,
) -> bool {
    *budget = budget.saturating_sub(1);
    if *budget == 0 {
        return false;
    }
    let Some((part, rest)) = parts.split_first() else { return at == text.len() };
    let (span, later) = spans.split_first_mut().expect("one span a part");
    let mut try_end = |end: usize, budget: &mut usize| {
        *span = Span::new(at, end);
        match_parts(rest, text, end, state, later, budget)
    };
    match part {
        Part::Literal(literal) => text[at..].starts_with(literal) && try_end(at + literal.len(), budget),
        Part::Field(Field::Type) if state.strictness == Strictness::Exact => super::version::KIND_WORDS
            .iter()
            .any(|word| text[at..].starts_with(word) && try_end(at + word.len(), budget)),
        Part::Field(field) => {
            if let Some(known) = state.found.fields[*field as usize] {
                let known = known.of(state.path);
                return text[at..].starts_with(known) && try_end(at + known.len(), budget);
            }
            if rest.is_empty() {
                return at < text.len() && text[at..].chars().all(is_value_character) && try_end(text.len(), budget);
            }
            text[at..].char_indices().take_while(|(_, character)| is_value_character(*character)).any(
                |(offset, character)| {
                    let end = at + offset + character.len_utf8();
                    begins_with(&rest[0], &text[end..]) && try_end(end, budget)
                },
            )
        }
    }
}

/// A quick look ahead: whether the next part can begin here.
fn begins_with(part: &Part, text: &str) -> bool {
    match part {
        Part::Literal(literal) => text.starts_with(literal),
        Part::Field(_) => true,
    }
}

fn reaches_segments(segments: &[Segment], texts: &[&str], fixed: [Option<&str>; 2]) -> bool {
    let Some((text, texts)) = texts.split_first() else { return true };
    match segments {
        [] | [_] => false,
        [Segment::One, rest @ ..] => reaches_segments(rest, texts, fixed),
        [Segment::Many, rest @ ..] => reaches_segments(rest, texts, fixed) || reaches_segments(segments, texts, fixed),
        [Segment::Parts(parts), rest @ ..] => {
            segment_allows(parts, text, fixed) && reaches_segments(rest, texts, fixed)
        }
    }
}

/// Says whether a folder name fits a segment in which environment and database are given.
fn segment_allows(parts: &[Part], text: &str, fixed: [Option<&str>; 2]) -> bool {
    let given: Vec<Part> = parts
        .iter()
        .map(|part| match part {
            Part::Field(Field::Environment) => fixed[0].map_or(part.clone(), |name| Part::Literal(name.to_owned())),
            Part::Field(Field::Database) => fixed[1].map_or(part.clone(), |name| Part::Literal(name.to_owned())),
            _ => part.clone(),
        })
        .collect();
    let mut state =
        State { path: text, strictness: Strictness::Exact, found: Match { fields: [None; 5], versions: Vec::new() } };
    match_segment(&given, Span::new(0, text.len()), &mut state)
}
