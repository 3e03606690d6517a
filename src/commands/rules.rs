//! `schemagate rules`: every rule with its severity.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::commands::{Console, Exit};
use crate::render::{Format, json::text};
use crate::rules;
use crate::rules::suppression::may_be_suppressed;

/// Lists every rule with its severity.
///
/// `schemagate explain RULE` says more about one of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate rules
  schemagate rules --format json

Exit code: 0.")]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// Never.
pub fn run(_args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let all = rules::FAMILIES.iter().flat_map(|family| family.rules.iter().map(|rule| (*rule, family.looks.reviews())));
    if console.format == Format::Json {
        let list: Vec<Value> = all
            .map(|(rule, review)| {
                json!({
                    "rule": rule.name, "severity": rule.severity, "configurable": rule.configurable,
                    "review": review, "suppressible": may_be_suppressed(rule),
                    "summary": rule.summary, "explanation": rule.explanation,
                })
            })
            .collect();
        console.say(&text(&Value::Array(list)));
        return Ok(Exit::Clean);
    }
    let mut lines = String::new();
    for (rule, _) in all {
        let _ = writeln!(lines, "{:7} {:35} {}", rule.severity.word(), rule.name, rule.summary);
    }
    console.say(&lines);
    Ok(Exit::Clean)
}
