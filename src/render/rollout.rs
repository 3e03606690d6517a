//! Plans, rollouts, status and history, for people and for machines.
//!
//! Refuses to know how they came about.

use std::fmt::Write as _;

use serde::Serialize;

use crate::history::{Row, RowError, Said, State};
use crate::plan::Conflict;
use crate::text::{count, sanitize, wrap};

/// How a target ended, or stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing is left to do.
    Current,
    /// Something is left to do; a plan only shows it.
    Pending,
    /// What is left to do waits for earlier environments.
    Waiting,
    /// What was to do was done.
    Applied,
    /// A statement was refused.
    Failed,
    /// Something keeps a file from running, or history and files disagree; nothing ran.
    Conflict,
    /// The database could not be worked with.
    Unreachable,
    /// An earlier environment of the database stopped; nothing was tried.
    HeldBack,
}

impl Standing {
    /// Says whether this is a failure.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Conflict | Self::Unreachable | Self::HeldBack)
    }
}

/// One migration of a plan or rollout.
#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    /// The version.
    pub version: String,
    /// `ddl` or `dml`.
    pub kind: String,
    /// The description.
    pub description: String,
    /// The path.
    pub path: String,
    /// `pending`, `applied`, `failed` or `not-run`.
    pub outcome: &'static str,
    /// How an earlier attempt ended: `failed` or `running`.
    pub earlier: Option<&'static str>,
    /// Who began it, when, and how far it came, where the history says that it is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// Whether the earlier attempt left statements of which nobody knows whether they took effect.
    pub in_doubt: bool,
    /// What helps if it has failed; told where it is only looked at.
    #[serde(skip)]
    pub mend: Option<String>,
    /// Whether people decided how it goes on.
    pub decided: bool,
    /// Statements of the file.
    pub statements: usize,
    /// From which statement it continues, from 1; 1 for a new one.
    pub from_statement: usize,
    /// How long it took.
    pub duration_us: u128,
}

/// One target of a plan or rollout.
#[derive(Debug, Clone, Serialize)]
pub struct TargetView {
    /// The branch whose tip is applied.
    pub branch: String,
    /// The commit of that tip.
    pub commit: String,
    /// The environment.
    pub environment: String,
    /// The database.
    pub database: String,
    /// The group that it is a tenant of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How it ended, or stands.
    pub standing: Standing,
    /// How many migrations were applied before.
    pub applied_before: usize,
    /// What was or is to do.
    pub steps: Vec<StepView>,
    /// What the database refused.
    pub error: Option<RowError>,
    /// The line of the file at which that points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is like now, after a failure.
    pub left: Option<String>,
    /// Why nothing was planned.
    pub conflicts: Vec<Conflict>,
    /// Oddities.
    pub notes: Vec<String>,
    /// Why it cannot be worked with.
    pub trouble: Option<String>,
    /// The next command.
    pub help: Option<String>,
}

/// One wave of a group of tenants.
#[derive(Debug, Clone, Serialize)]
pub struct WaveView {
    /// The environment.
    pub environment: String,
    /// The group.
    pub group: String,
    /// Which wave, from 1.
    pub wave: usize,
    /// Of how many.
    pub of: usize,
    /// Tenants in it.
    pub tenants: usize,
    /// How many had nothing to do.
    pub current: usize,
    /// How many had files pending and were only looked at.
    pub pending: usize,
    /// How many wait for earlier environments.
    pub waiting: usize,
    /// How many are in trouble.
    pub bad: usize,
    /// How many were not tried, because the program was asked to end.
    pub held: usize,
    /// How long it took.
    pub duration_us: u128,
}

/// Writes the line of a wave.
pub fn wave(view: &WaveView) -> String {
    let label = format!("{}/{}", view.environment, view.group);
    let applied = view.tenants - view.current - view.pending - view.waiting - view.bad - view.held;
    let parts = [
        (applied, "applied"),
        (view.pending, "pending"),
        (view.waiting, "waiting"),
        (view.current, "up to date"),
        (view.bad, "FAILED"),
        (view.held, "not touched"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    format!("  {label:<18} wave {} of {}: {} ({})\n", view.wave, view.of, parts.join(", "), duration(view.duration_us))
}

impl TargetView {
    /// A target of which nothing is known yet.
    pub fn new(branch: &str, commit: &str, environment: &str, database: &str) -> Self {
        Self {
            branch: branch.to_owned(),
            commit: commit.to_owned(),
            environment: environment.to_owned(),
            database: database.to_owned(),
            group: None,
            standing: Standing::Current,
            applied_before: 0,
            steps: Vec::new(),
            error: None,
            source: None,
            left: None,
            conflicts: Vec::new(),
            notes: Vec::new(),
            trouble: None,
            help: None,
        }
    }

    /// Returns `environment/database`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.environment, self.database)
    }
}

/// Writes the line of a step.
pub fn step(label: &str, step: &StepView) -> String {
    let duration = if step.duration_us > 0 { format!(", {}", duration(step.duration_us)) } else { String::new() };
    let from =
        if step.from_statement > 1 { format!(", from statement {}", step.from_statement) } else { String::new() };
    let description = if step.description.is_empty() { String::new() } else { format!(" {}", step.description) };
    format!(
        "  {label:<18} {:<8} {} {}{} ({}{from}{duration})\n",
        step.outcome,
        sanitize(&step.version),
        step.kind,
        sanitize(&description),
        count(step.statements, "statement"),
    )
}

/// Writes what happens while a step runs.
pub fn said(label: &str, what: &Said<'_>) -> String {
    let text = match what {
        Said::Running { path, statement, of, elapsed } => {
            format!("running  {} s: {path}: statement {statement} of {of}", elapsed.as_secs())
        }
        Said::Notice { path, line, text } => format!("notice   {path}:{line}: {text}"),
        Said::Retry { path, statement, why } => format!("retrying {path}: statement {statement}: {why}"),
        Said::Settled { path, statement, found } => {
            format!("resumed  {path}: statement {statement}, in flight when an earlier run stopped, {found}")
        }
    };
    let text: String = sanitize(&text).chars().take(400).collect();
    format!("  {label:<18} {text}\n")
}

fn duration(microseconds: u128) -> String {
    match microseconds {
        0..10_000 => format!("{:.1} ms", microseconds as f64 / 1_000.0),
        10_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{:.1} s", microseconds as f64 / 1_000_000.0),
    }
}

/// Writes the end of a target: its standing and, where it is bad, why, what is left and what to do.
pub fn target(view: &TargetView) -> String {
    let mut text = String::new();
    let label = view.label();
    let done = view.steps.iter().filter(|step| step.outcome == "applied").count();
    let total = view.applied_before + view.steps.len();
    let line = match view.standing {
        Standing::Current => format!("up to date, {} applied", view.applied_before),
        Standing::Pending => format!("{} of {total} pending", view.steps.len()),
        Standing::Waiting => format!("waits for earlier environments, {} applied", view.applied_before),
        Standing::Applied => format!("{} applied now, {} in all", done, view.applied_before + done),
        Standing::Failed => format!("FAILED after {done} of {} pending", view.steps.len()),
        Standing::Conflict => "STOPPED: nothing ran".to_owned(),
        Standing::Unreachable => "UNREACHABLE: nothing ran".to_owned(),
        Standing::HeldBack if view.notes.is_empty() => {
            "held back: an earlier environment of this database stopped".to_owned()
        }
        Standing::HeldBack => "held back".to_owned(),
    };
    let _ = writeln!(text, "  {label:<18} {line}");
    for note in &view.notes {
        let _ = writeln!(text, "    note: {}", sanitize(note));
    }
    for conflict in &view.conflicts {
        block(&mut text, "error", &format!("{}: {}", conflict.path, conflict.message));
        block(&mut text, "help", &conflict.help);
    }
    if let (Some(error), Some(step)) = (&view.error, view.steps.iter().find(|step| step.outcome == "failed")) {
        let code = if error.code.bytes().any(|byte| byte.is_ascii_digit()) {
            format!(" (code {})", error.code)
        } else {
            String::new()
        };
        let place = format!("{}:{}:{}", step.path, error.line, error.column);
        block(&mut text, "error", &format!("{place}: {}{code}", error.message));
        if let Some(line) = view.source.as_ref().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "    statement: {}", sanitize(line));
        }
    }
    let waiting: Vec<String> = view
        .steps
        .iter()
        .filter(|step| step.outcome == "not-run" && view.standing.is_bad())
        .map(|step| format!("{} {}", step.version, step.kind))
        .collect();
    if !waiting.is_empty() {
        block(&mut text, "not run", &crate::text::enumerate(&waiting, 8));
    }
    if let Some(trouble) = &view.trouble {
        block(&mut text, "error", trouble);
    }
    if let Some(left) = &view.left {
        block(&mut text, "now", left);
    }
    if let Some(help) = &view.help {
        block(&mut text, "help", help);
    }
    text
}

fn block(text: &mut String, word: &str, message: &str) {
    let lines = wrap(&sanitize(message), 64);
    let indent = " ".repeat(word.len() + 6);
    let _ = writeln!(text, "    {word}: {}", lines.join(&format!("\n{indent}")));
}

/// Writes a history for people.
pub fn history(label: &str, rows: &[Row]) -> String {
    let mut text = format!("{label}\n");
    if rows.is_empty() {
        text.push_str("  nothing has run here yet\n");
    }
    for row in rows {
        let state = match row.state {
            State::Applied | State::Forgotten => row.state.word().to_owned(),
            State::Failed => format!(
                "FAILED at statement {} of {}",
                row.error.as_ref().map_or(0, |error| error.statement),
                row.statements_total
            ),
            State::Running => {
                format!("RUNNING or interrupted, {} of {} done", row.statements_done, row.statements_total)
            }
        };
        let _ = writeln!(
            text,
            "  {:>4}  {}  {} {}  {state}  {}  by {} ({})",
            row.seq,
            sanitize(row.started_at.get(..19).unwrap_or(&row.started_at)),
            sanitize(&row.version),
            row.kind,
            duration(u128::try_from(row.duration_us).unwrap_or(0)),
            sanitize(&row.pusher),
            sanitize(&row.pusher_source),
        );
        let _ = writeln!(
            text,
            "        {}  commit {}",
            sanitize(&row.path),
            sanitize(row.commit_id.get(..10).unwrap_or(&row.commit_id))
        );
        if let Some(error) = &row.error {
            let _ = writeln!(text, "        line {} column {}: {}", error.line, error.column, sanitize(&error.message));
        }
    }
    text
}
