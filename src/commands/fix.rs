//! `schemagate check --fix`: writes what is certain to be better into files that are not released yet.
//!
//! Knows which findings are certain: their statement stands alone in its file, and the safe way begins with a file that
//! says the same. Refuses to make further files: it shows them, and who fixes chooses their versions.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::commands::Console;
use crate::config::Dialect;
use crate::finding::{Finding, Report};
use crate::sql::split::split;
use crate::text::Span;

/// Writes the fixes of a report, and says what was written and what belongs behind it.
///
/// # Errors
/// If a file cannot be written.
pub fn write(report: &Report, console: &mut Console<'_>) -> Result<()> {
    let mut written: Vec<&str> = Vec::new();
    for finding in report.findings().iter().filter(|finding| finding.certain) {
        let name = finding.place.name.as_str();
        let Some(source) = report.source(name).filter(|_| !written.contains(&name)) else { continue };
        let path = Path::new(name);
        // A name that is shown otherwise than it is spelt is nobody's file.
        if !path.is_file() || std::fs::read(path).ok().as_deref() != Some(source.as_bytes()) {
            continue;
        }
        let Some(text) = fixed(source, finding) else { continue };
        std::fs::write(path, text).with_context(|| format!("{name} cannot be written"))?;
        written.push(name);
        console.say(&crate::text::sanitize_block(&said(finding)));
    }
    Ok(())
}

fn said(finding: &Finding) -> String {
    let mut text = format!("fixed[{}]: {}\n", finding.rule.name, finding.place.name);
    let more = finding.safe.len() - 1;
    for (number, file) in finding.safe.iter().skip(1).enumerate() {
        text.push_str(&format!("  behind it belongs, {} of {more} (`schemagate new` writes a file):\n", number + 1));
        for line in file.trim_end().lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text + "\n"
}

/// The text with its only statement replaced by the first file of the safe way.
fn fixed(source: &str, finding: &Finding) -> Option<String> {
    // Only PostgreSQL has statements with such a way.
    let statements = split(source, Dialect::Postgres);
    let place = finding.place.span?;
    let [statement] = statements.as_slice() else { return None };
    let Span { start, end } = statement.span;
    if place.start < start || place.end > end {
        return None;
    }
    let behind = source[end..].strip_prefix(';').unwrap_or(&source[end..]);
    Some(format!("{}{}{behind}", &source[..start], finding.safe.first()?.trim_end()))
}
