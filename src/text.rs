//! Text as a user wrote it: byte spans, lines and columns, and making foreign text safe to print.
//!
//! Knows UTF-8 and terminals. Refuses to know what the text means.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// A half-open range of bytes in some text. Always in order: `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Makes a span; an end before the start is moved to the start.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Returns this span moved to the right by `offset` bytes.
    pub fn shifted(self, offset: usize) -> Self {
        Self::new(self.start + offset, self.end + offset)
    }

    /// Returns this span cut to `text` and widened to whole characters, so that slicing never panics.
    pub fn clamped(self, text: &str) -> Self {
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Self { start, end }
    }

    /// Returns the bytes of `text` that this span covers, clamped.
    pub fn of(self, text: &str) -> &str {
        let span = self.clamped(text);
        &text[span.start..span.end]
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// Says whether a text begins with a word, in upper or lower case.
pub fn begins(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Says whether a part stands anywhere in a text, in upper or lower case.
pub fn holds(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|at| at.eq_ignore_ascii_case(part.as_bytes()))
}

/// Says whether one of these words stands anywhere in a text, in upper or lower case; with `whole` only as a word by itself.
/// One pass for all words; they must not be empty.
pub fn holds_any(text: &str, words: &[&str], whole: bool) -> bool {
    let bytes = text.as_bytes();
    let mut first = [false; 256];
    for letter in words.iter().filter_map(|word| word.bytes().next()) {
        first[usize::from(letter.to_ascii_lowercase())] = true;
        first[usize::from(letter.to_ascii_uppercase())] = true;
    }
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let stands = |at: usize, word: &str| {
        let end = at + word.len();
        let same = bytes.get(at..end).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        same && (!whole
            || !at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(in_word)
                && !bytes.get(end).is_some_and(in_word))
    };
    (0..bytes.len()).any(|at| first[usize::from(bytes[at])] && words.iter().any(|word| stands(at, word)))
}

/// A place as people and editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1. Lines end with LF; a CR before it belongs to the line.
    pub line: usize,
    /// Column in characters (Unicode scalar values), from 1.
    pub column: usize,
}

/// Returns the line and column of the byte `offset`, which is clamped to the text.
pub fn line_column(text: &str, offset: usize) -> LineColumn {
    let offset = Span::new(offset, offset).clamped(text).start;
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    LineColumn {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The lines of a text, found once: for many places in one text.
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines.
    pub fn of(text: &'t str) -> Self {
        let feeds = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(feeds).collect() }
    }

    /// Returns what [`line_column`] returns.
    pub fn at(&self, offset: usize) -> LineColumn {
        let offset = Span::new(offset, offset).clamped(self.text).start;
        let line = self.starts.partition_point(|start| *start <= offset);
        let before = &self.text[self.starts[line - 1]..offset];
        let column = if before.is_ascii() { before.len() } else { before.chars().count() };
        LineColumn { line, column: column + 1 }
    }
}

/// Says whether a character could act on a terminal or reorder what is read, instead of being shown.
///
/// C0 controls, DEL, C1 controls and the bidirectional formatting characters of Unicode UAX #9.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{feff}' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Makes foreign text safe for a terminal: every unsafe character becomes a visible escape such as
/// `\x1b` or `\u{202e}`. Line feeds and tabs are escaped too; see [`sanitize_block`] to keep them.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    sanitize_except(text, &[])
}

/// As [`sanitize`], but keeps line feeds and tabs: for text that is laid out over several lines.
pub fn sanitize_block(text: &str) -> Cow<'_, str> {
    sanitize_except(text, &['\n', '\t'])
}

fn sanitize_except<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let harmful = |character: char| is_unsafe(character) && !kept.contains(&character);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !harmful(character) => safe.push(character),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if (character as u32) < 0x100 => {
                let _ = write!(safe, "\\x{:02x}", character as u32);
            }
            _ => {
                let _ = write!(safe, "\\u{{{:x}}}", character as u32);
            }
        }
    }
    Cow::Owned(safe)
}

/// Shows bytes that are meant as text: valid UTF-8 sanitised, every other byte as `\xNN`.
pub fn display_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&sanitize(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Wraps paragraphs at `width` characters; an indented paragraph stays indented. Words and commands of ours that are longer
/// stand on a line of their own, uncut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let indent = paragraph.len() - paragraph.trim_start_matches(' ').len();
        let mut line = " ".repeat(indent);
        let mut length = indent;
        for piece in pieces(paragraph) {
            let piece_length = piece.chars().count();
            if length > indent && length + 1 + piece_length > width {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                length = indent;
            } else if length > indent {
                line.push(' ');
                length += 1;
            }
            line.push_str(&piece);
            length += piece_length;
        }
        lines.push(line);
    }
    lines
}

/// The words of a paragraph, and commands of ours as one: who is told to type one can take it as it stands.
fn pieces(paragraph: &str) -> Vec<String> {
    const PROGRAMS: [&str; 2] = ["schemagate", "git"];
    const VALUED: [&str; 6] = ["-C", "-b", "-d", "-e", "--from", "checkout"];
    let mut pieces: Vec<String> = Vec::new();
    let (mut before, mut command, mut quoted) = ("", false, false);
    for word in paragraph.split_ascii_whitespace() {
        let argument = PROGRAMS.contains(&before) || VALUED.contains(&before) || word.starts_with(['-', '\'', '"']);
        let goes_on = command && (quoted || argument || word.contains(['/', '#']));
        match pieces.last_mut() {
            Some(last) if goes_on => {
                last.push(' ');
                last.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
        command = goes_on && !word.ends_with([';', ',', '.', ':', ')', '`']) || PROGRAMS.contains(&word);
        quoted = goes_on && (quoted != (word.matches('\'').count() % 2 == 1));
        before = word;
    }
    pieces
}

/// Returns the candidate that is nearest to `given` in spelling, if one is near enough to be meant.
pub fn did_you_mean<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Writes a word for a shell: as it is where no sign of it means anything there, else like [`for_shell`].
pub fn word_for_shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        text.to_owned()
    } else {
        for_shell(text)
    }
}

/// Writes a word so that a shell reads it as it is, to be typed as printed (POSIX, "Single-Quotes").
pub fn for_shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Joins names for a sentence: `a`, `a and b`, `a, b and c`; beyond `most` names says how many are left out.
pub fn enumerate<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let left = names.len() - shown.len();
    match (shown.as_slice(), left) {
        ([], _) => "none".to_owned(),
        (_, 1..) => format!("{} and {left} more", shown.join(", ")),
        ([one], 0) => (*one).to_owned(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
    }
}

/// Says `1 file`, `2 files`: a count with its noun, the plural made with an `s`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_it_otherwise() {
        for plain in ["dev", "shop_1.db", "a/b-c"] {
            assert_eq!(word_for_shell(plain), plain);
        }
        for (odd, quoted) in [("a b", "'a b'"), ("a;b", "'a;b'"), ("x'y", "'x'\\''y'"), ("", "''"), ("-e", "'-e'")] {
            assert_eq!(word_for_shell(odd), quoted);
        }
    }

    #[test]
    fn words_are_found_in_any_case_and_whole() {
        assert!(holds_any("CREATE VIEW v", &["trigger", "view"], true));
        assert!(!holds_any("INSERT INTO reviews", &["trigger", "view"], true));
        assert!(holds_any("INSERT INTO reviews", &["trigger", "view"], false));
        assert!(holds_any("a\nVIEW", &["view"], true) && !holds_any("view_\u{e9}", &["view"], true));
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "äb\ncd\r\ne";
        assert_eq!(line_column(text, 0), LineColumn { line: 1, column: 1 });
        assert_eq!(line_column(text, 2), LineColumn { line: 1, column: 2 });
        assert_eq!(line_column(text, 1), LineColumn { line: 1, column: 1 }, "inside a character");
        assert_eq!(line_column(text, 999), LineColumn { line: 3, column: 2 });
    }

    #[test]
    fn nothing_that_moves_a_cursor_survives() {
        assert_eq!(sanitize("a\x1b[31mb\u{9b}c\u{202e}d\n"), "a\\x1b[31mb\\x9bc\\u{202e}d\\n");
        assert_eq!(display_bytes(b"a\xffb"), "a\\xffb");
        assert_eq!(sanitize_block("a\n\tb\x07"), "a\n\tb\\x07");
    }

    #[test]
    fn wrapping_keeps_every_word() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcdefghij", "k"]);
        assert_eq!(wrap("a\n  b", 20), ["a", "  b"]);
        let command = "schemagate resolve 'db/a b##1.sql' -e prod -d 'my shop' --from 2;";
        assert_eq!(wrap(&format!("go on: {command} then push again"), 20), ["go on:", command, "then push again"]);
        assert_eq!(wrap("run schemagate sync when it is up", 8), ["run", "schemagate sync", "when it", "is up"]);
        assert_eq!(wrap("schemagate - the program", 12), ["schemagate -", "the program"]);
    }

    #[test]
    fn suggestions_are_near_or_none() {
        assert_eq!(did_you_mean("databse", ["database", "environment"]), Some("database"));
        assert_eq!(did_you_mean("zebra", ["database", "environment"]), None);
    }

    #[test]
    fn names_read_as_a_sentence() {
        assert_eq!(enumerate(&["a", "b", "c"], 5), "a, b and c");
        assert_eq!(enumerate(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(enumerate::<&str>(&[], 2), "none");
    }

    proptest::proptest! {
        #[test]
        fn found_lines_agree_with_counted_ones(text in "[a\u{e4}\n\r]{0,40}", offset in 0usize..90) {
            proptest::prop_assert_eq!(Lines::of(&text).at(offset), line_column(&text, offset));
        }

        #[test]
        fn clamped_spans_always_slice(text in ".*", start in 0usize..64, end in 0usize..64) {
            let _ = Span { start, end }.of(&text);
        }
    }
}
