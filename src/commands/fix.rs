//! `schemagate check --fix`: writes what is certain to be better into files that are not released yet.
//!
//! Knows how the edits of findings are written. Refuses to make further files: it shows them, and who fixes chooses their
//! versions.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::commands::Console;
use crate::finding::{Finding, Report};

/// Writes the fixes of a report, and says what was written and what belongs behind it.
///
/// # Errors
/// If a file cannot be written.
pub fn write(report: &Report, console: &mut Console<'_>) -> Result<()> {
    let mut written: Vec<&str> = Vec::new();
    for finding in report.findings().iter().filter(|finding| finding.certain) {
        let name = &*finding.place.name;
        let Some(source) = report.source(name).filter(|_| !written.contains(&name)) else { continue };
        let path = Path::new(name);
        // A name that is shown otherwise than it is spelt is nobody's file.
        if !path.is_file() || std::fs::read(path).ok().as_deref() != Some(source.as_bytes()) {
            continue;
        }
        let Some((span, new)) = &finding.edit else { continue };
        let text = format!("{}{new}{}", &source[..span.start], &source[span.end..]);
        std::fs::write(path, text).with_context(|| format!("{name} cannot be written"))?;
        written.push(name);
        console.say(&crate::text::sanitize_block(&said(finding)));
    }
    Ok(())
}

fn said(finding: &Finding) -> String {
    let mut text = format!("fixed[{}]: {}\n", finding.rule.name, finding.place.name);
    let more = finding.safe.len().saturating_sub(1);
    for (number, file) in finding.safe.iter().skip(1).enumerate() {
        text.push_str(&format!("  behind it belongs, {} of {more} (`schemagate new` writes a file):\n", number + 1));
        for line in file.trim_end().lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text + "\n"
}
