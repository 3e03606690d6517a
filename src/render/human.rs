//! Reports for people: plain text that reads well behind `remote:`, with colour only on a terminal.
//!
//! The only file that names `miette`. Every snippet is a window of a few lines, each cut to a hundred columns, so that
//! a file of one endless line costs nothing. Refuses unsafe characters: they are shown escaped.

use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, ThemeCharacters, ThemeStyles,
};

use crate::finding::{Finding, Place, PlaceKind, Report, Severity, Verdict};
use crate::render::Look;
use crate::text::{Span, count, line_column, sanitize, sanitize_block, wrap};

const WIDTH: usize = 72;
const LONGEST_LINE: usize = 100;
/// Longest line of SQL in a remedy, in characters.
const LONGEST_SQL: usize = 88;

/// Writes a report.
pub fn report(report: &Report, look: Look) -> String {
    let mut text = String::new();
    for finding in report.findings().iter().take(look.most) {
        text.push_str(&one(report, finding, look));
        text.push('\n');
    }
    let left = report.findings().len().saturating_sub(look.most);
    if left > 0 {
        let _ = writeln!(text, "... and {} more\n", count(left, "finding"));
    }
    text.push_str(&suppressed(report));
    text.push_str(&summary(report));
    text
}

/// What was suppressed, a line each.
fn suppressed(report: &Report) -> String {
    let mut text = String::new();
    for one in report.suppressed() {
        let place = &one.finding.place;
        let at = match (place.span, report.source(&place.name)) {
            (Some(span), Some(source)) => format!(":{}", line_column(source, span.start).line),
            _ => String::new(),
        };
        let reason = if one.reason.is_empty() { "no reason given" } else { &one.reason };
        let line = format!("suppressed[{}] {}{at}: {}", one.finding.rule.name, sanitize(&place.name), sanitize(reason));
        let _ = writeln!(text, "{}", wrap(&line, WIDTH).join("\n  "));
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// The last line: what was judged and what it came to.
pub(super) fn summary(report: &Report) -> String {
    let mut judged = vec![count(report.migrations, "migration"), count(report.statements, "statement")];
    if report.not_analysed > 0 {
        judged.push(format!("{} not analysed", report.not_analysed));
    }
    let found: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (report.count(severity), severity))
        .filter(|(number, _)| *number > 0)
        .map(|(number, severity)| count(number, severity.word()))
        .collect();
    let verdict = match report.verdict() {
        Verdict::Refused => "refused",
        Verdict::Accepted => "ok",
    };
    let mut found = found;
    if !report.suppressed().is_empty() {
        found.push(format!("{} suppressed", report.suppressed().len()));
    }
    let found = if found.is_empty() { String::new() } else { format!("; {}", found.join(", ")) };
    format!("schemagate: {verdict}: checked {}{found}\n", judged.join(", "))
}

fn one(report: &Report, finding: &Finding, look: Look) -> String {
    let mut text = String::new();
    let head = format!("{}[{}]: {}", finding.severity, finding.rule.name, sanitize(&finding.message));
    let mut lines = wrap(&head, WIDTH).into_iter();
    if let Some(first) = lines.next() {
        let (word, rest) = first.split_once(']').map_or(("", first.as_str()), |(word, rest)| (word, rest));
        let _ = writeln!(text, "{}]{rest}", painted(word, finding.severity, look.color));
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    text.push_str(&place(report, &finding.place, finding.label.as_deref(), look));
    for related in &finding.related {
        let where_ = match (related.place.kind, related.place.span, report.source(&related.place.name)) {
            (PlaceKind::Content, Some(span), Some(source)) => {
                let at = line_column(source, span.start);
                format!("{}:{}:{}", related.place.name, at.line, at.column)
            }
            _ => related.place.name.to_string(),
        };
        let _ = writeln!(text, "  see {}: {}", sanitize(&where_), sanitize(&related.message));
    }
    for note in &finding.notes {
        let _ = writeln!(text, "  {}", sanitize(note));
    }
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "  help: {}", wrap(&sanitize(help), WIDTH - 8).join("\n        "));
    }
    text.push_str(&safe_way(&finding.safe));
    text
}

/// The SQL of the safe way, file by file.
fn safe_way(files: &[String]) -> String {
    let mut text = String::new();
    for (number, file) in files.iter().enumerate() {
        match files.len() {
            1 => text.push_str("  safe way:\n"),
            many => {
                let _ = writeln!(text, "  safe way, file {} of {many}:", number + 1);
            }
        }
        for line in file.trim_end().lines() {
            for part in broken(&sanitize(line)) {
                let _ = writeln!(text, "    {part}");
            }
        }
    }
    text
}

/// Breaks a line of SQL at spaces outside of quotes, so that it stays the same SQL.
fn broken(line: &str) -> Vec<String> {
    let (mut parts, mut rest) = (Vec::new(), line);
    while rest.chars().count() > LONGEST_SQL && !rest.starts_with("--") {
        let (mut open, mut place) = (None, None);
        for (count, (at, letter)) in rest.char_indices().enumerate() {
            match (open, letter) {
                (None, '\'' | '"' | '`' | '$') => open = Some(letter),
                (Some(quote), letter) if quote == letter => open = None,
                (None, ' ') if count <= LONGEST_SQL || place.is_none() => place = Some(at),
                _ => {}
            }
        }
        let Some(at) = place.filter(|at| *at > 0) else { break };
        parts.push(rest[..at].to_owned());
        rest = &rest[at + 1..];
    }
    parts.push(rest.to_owned());
    parts
}

fn painted(word: &str, severity: Severity, color: bool) -> String {
    let code = match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note | Severity::Off => "1;36",
    };
    if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// The place of a finding: a file with its window, or a path with its token underlined.
fn place(report: &Report, place: &Place, label: Option<&str>, look: Look) -> String {
    match (place.kind, place.span) {
        (PlaceKind::Path, Some(span)) if span != Span::new(0, place.name.len()) => underlined(&place.name, span, label),
        (PlaceKind::Content, Some(span)) => match report.source(&place.name) {
            Some(source) => {
                let at = line_column(source, span.start);
                let location = format!("  --> {}:{}:{}\n", sanitize(&place.name), at.line, at.column);
                location + &snippet(source, span, label, look)
            }
            None => format!("  --> {}\n", sanitize(&place.name)),
        },
        _ => format!("  --> {}\n", sanitize(&place.name)),
    }
}

fn underlined(path: &str, span: Span, label: Option<&str>) -> String {
    let span = span.clamped(path);
    let before = path[..span.start].chars().count();
    let marks = path[span.start..span.end].chars().count().max(1);
    let label = label.map(|label| format!(" {}", sanitize(label))).unwrap_or_default();
    format!("  --> {path}\n      {}{}{label}\n", " ".repeat(before), "^".repeat(marks))
}

/// A few lines around a token, drawn by `miette` with the characters of a plain terminal.
fn snippet(source: &str, span: Span, label: Option<&str>, look: Look) -> String {
    let window = Window::around(source, span);
    let label = label.map(|label| sanitize(label).into_owned());
    let marked = LabeledSpan::new(label, window.span.start, (window.span.end - window.span.start).max(1));
    let diagnostic = MietteDiagnostic::new("").with_label(marked);
    let styles = if look.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::ascii(), styles };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_links(false).with_width(LONGEST_LINE + 20).with_context_lines(1);
    let drawing = miette::Report::new(diagnostic).with_source_code(NamedSource::new("", window.text.clone()));
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, drawing.as_ref()).is_err() {
        return String::new();
    }
    numbered(&drawn, window.first_line)
}

/// Keeps the source lines of a drawing and gives them the numbers that they have in the file.
fn numbered(drawn: &str, first_line: usize) -> String {
    let mut text = String::new();
    for line in drawn.lines() {
        let plain = strip_color(line);
        let Some((gutter, _)) = plain
            .split_once(" | ")
            .or_else(|| plain.split_once(" : "))
            .or_else(|| plain.strip_suffix(" |").map(|g| (g, "")))
        else {
            continue;
        };
        let Some(bar) = line.find([':', '|']) else { continue };
        match gutter.trim().parse::<usize>() {
            Ok(number) => {
                let _ = writeln!(text, "{:>6} {}", first_line + number - 1, line[bar..].trim_end());
            }
            Err(_) if gutter.trim().is_empty() => {
                let _ = writeln!(text, "       {}", line[bar..].trim_end());
            }
            Err(_) => {}
        }
    }
    text
}

fn strip_color(line: &str) -> String {
    let mut plain = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            letters.by_ref().find(|end| *end == 'm');
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// A part of a source that is safe to draw.
struct Window {
    text: String,
    span: Span,
    first_line: usize,
}

impl Window {
    fn around(source: &str, span: Span) -> Self {
        let span = span.clamped(source);
        let line_start = source[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[span.start..].find('\n').map_or(source.len(), |newline| span.start + newline);
        let before =
            line_start.checked_sub(1).map(|end| (source[..end].rfind('\n').map_or(0, |newline| newline + 1), end));
        let after = (line_end < source.len()).then(|| {
            let start = line_end + 1;
            (start, source[start..].find('\n').map_or(source.len(), |newline| start + newline))
        });
        let mut text = String::new();
        let first_line = line_column(source, span.start).line - usize::from(before.is_some());
        if let Some((start, end)) = before {
            text.push_str(&shown(&source[start..end], 0));
            text.push('\n');
        }
        let from = cut_start(source, line_start, span.start);
        let head = drawable(&source[from..span.start]);
        let token = drawable(&source[span.start..span.end.min(line_end)]);
        let token: String = token.chars().take(LONGEST_LINE).collect();
        if from > line_start {
            text.push_str("...");
        }
        text.push_str(&head);
        let start = text.len();
        text.push_str(&token);
        let marked = Span::new(start, text.len());
        let room = LONGEST_LINE.saturating_sub(head.chars().count() + token.chars().count());
        text.push_str(&shown_within(&source[span.end.min(line_end)..line_end], room));
        if let Some((start, end)) = after {
            text.push('\n');
            text.push_str(&shown(&source[start..end], 0));
        }
        text.push('\n');
        Self { text, span: marked, first_line }
    }
}

/// Where a long line is cut on the left, so that some of it stands before the token.
fn cut_start(source: &str, line_start: usize, token: usize) -> usize {
    let far = source[line_start..token].char_indices().rev().nth(60).map(|(at, _)| line_start + at);
    far.unwrap_or(line_start)
}

fn shown(line: &str, used: usize) -> String {
    shown_within(line, LONGEST_LINE - used)
}

fn shown_within(line: &str, room: usize) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.char_indices().nth(room) {
        Some((end, _)) => format!("{}...", drawable(&line[..end])),
        None => drawable(line),
    }
}

fn drawable(text: &str) -> String {
    sanitize_block(text).replace('\t', "    ").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::syntax::SYNTAX_ERROR;

    fn render(source: &str, span: Span) -> String {
        let mut sample = Report::default();
        sample.keep_source("a.sql", source);
        sample.push(Finding::new(&SYNTAX_ERROR, Place::content("a.sql", span), "no").label("this one").help("mend it"));
        report(&sample, Look { color: false, most: 10 })
    }

    #[test]
    fn the_token_is_underlined_in_its_line() {
        let text = render("select 1;\ncreate tabel x;\nselect 2;\n", Span::new(17, 22));
        assert!(text.contains("--> a.sql:2:8"), "{text}");
        assert!(text.contains("     2 | create tabel x;"), "{text}");
        assert!(text.contains("help: mend it"), "{text}");
        let code = text.lines().position(|line| line.contains("create tabel")).unwrap();
        let marks = text.lines().nth(code + 1).unwrap();
        assert_eq!(marks.find(['^', '-']), text.lines().nth(code).unwrap().find("tabel"), "{text}");
        assert!(text.contains("this one"), "{text}");
    }

    #[test]
    fn endless_lines_are_cut_and_unsafe_characters_escaped() {
        let source = format!("{} BAD {}\x1b[31m", "x, ".repeat(100_000), "y, ".repeat(100_000));
        let at = source.find("BAD").unwrap();
        let text = render(&source, Span::new(at, at + 3));
        assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
        assert!(text.contains("BAD"));
        let text = render("a\x1b[31mb BAD", Span::new(8, 11));
        assert!(!text.contains('\x1b') && text.contains("\\x1b"), "{text}");
    }

    #[test]
    fn a_span_past_the_end_still_draws() {
        assert!(render("abc", Span::new(3, 3)).contains("a.sql:1:4"));
        assert!(render("", Span::new(0, 0)).contains("a.sql:1:1"));
    }

    proptest::proptest! {
        #[test]
        fn any_source_draws(source in "([a-z\t\r\n\u{1b}\u{e4}\u{4e2d}]){0,60}", start in 0usize..70, length in 0usize..9) {
            let text = render(&source, Span::new(start, start + length));
            let escapes = text.matches(char::from(27)).count();
            proptest::prop_assert_eq!(escapes, 0);
        }
    }
}
