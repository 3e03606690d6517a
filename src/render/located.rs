//! Findings with the lines and columns of their places, counted once for each text.

use std::collections::BTreeMap;

use crate::finding::{Finding, Place, PlaceKind, Report};
use crate::text::{LineColumn, Lines, Span};

/// Where a token is: lines and columns from 1 (columns in characters), bytes from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located {
    /// Its first character.
    pub(super) start: LineColumn,
    /// Behind its last character.
    pub(super) end: LineColumn,
    /// Its bytes.
    pub(super) span: Span,
}

/// The lines of each text, found once.
pub(super) struct Locator<'r> {
    report: &'r Report,
    lines: BTreeMap<(PlaceKind, &'r str), Lines<'r>>,
}

impl<'r> Locator<'r> {
    pub(super) fn new(report: &'r Report) -> Self {
        Self { report, lines: BTreeMap::new() }
    }

    /// Finds a place; `None` where no token is to blame, or its text is not known.
    pub(super) fn at(&mut self, place: &'r Place) -> Option<Located> {
        let text = match place.kind {
            PlaceKind::Content => self.report.source(&place.name).map(|source| &**source)?,
            PlaceKind::Path | PlaceKind::Reference => &*place.name,
        };
        let span = place.span?.clamped(text);
        let lines = self.lines.entry((place.kind, &*place.name)).or_insert_with(|| Lines::of(text));
        Some(Located { start: lines.at(span.start), end: lines.at(span.end), span })
    }

    /// The same for findings in the content of a file; elsewhere a line would mean nothing.
    pub(super) fn in_content(&mut self, finding: &'r Finding) -> Option<Located> {
        if finding.place.kind == PlaceKind::Content { self.at(&finding.place) } else { None }
    }
}

/// All that is to be said of a finding in one text: what is wrong, and the remedy with its SQL.
pub(super) fn said(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text.push('\n');
        text.push_str(note);
    }
    if let Some(help) = &finding.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    for (number, file) in finding.safe.iter().enumerate() {
        let of = if finding.safe.len() > 1 { format!(", file {}", number + 1) } else { String::new() };
        text.push_str(&format!("\nsafe way{of}:\n{}", file.trim_end()));
    }
    text
}
