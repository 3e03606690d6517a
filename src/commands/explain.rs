//! `schemagate explain`: how a path is read, or what a rule is about.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::check::{Reading, read_path};
use crate::commands::changes::Manifest;
use crate::commands::check::locate;
use crate::commands::new::Known;
use crate::commands::server::{Loaded, load};
use crate::commands::{Console, Exit};
use crate::config::manifest::Project;
use crate::finding::{Finding, Report, Rule};
use crate::git::repository::Repository;
use crate::migration::{Migration, ObjectId, RepoPath};
use crate::render::{Format, json::text};
use crate::rules::naming::{KnownNames, mismatch, names};
use crate::rules::{self, order};
use crate::text::{did_you_mean, wrap};

/// Explains how a path is read, or what a rule is about.
///
/// For a path, whether the file exists or not: project, environment, database, version, type, description, the targets
/// on this server, its order among its neighbours; or why it is no migration. In a bare repository the tip of HEAD is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate explain 'migrations/dev/shop##0001##ddl##init.sql'
  schemagate explain released-edited
  schemagate explain --server-file /srv/git/shop.git/schemagate-server.toml migrations/dev/x.sql

Exit code: 0 a migration or a rule, 1 not a migration, or one with mistakes in its path, 2 failure.")]
pub struct Args {
    /// The server file whose targets are shown
    #[arg(long, value_name = "FILE")]
    server_file: Option<std::path::PathBuf>,
    /// A path, or the name of a rule
    #[arg(value_name = "PATH|RULE")]
    what: String,
}

/// Runs the command.
///
/// # Errors
/// If the manifest cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    if let Some(rule) = rules::find(&args.what) {
        console.say(&explain_rule(rule, console.format));
        return Ok(Exit::Clean);
    }
    let bare = Repository::discover(Path::new(".")).ok().filter(|repository| repository.work_tree.is_none());
    let (known, inside) = match bare {
        Some(repository) => (Known::of_bare(repository)?, args.what.clone()),
        None => {
            let (top, inside) = locate(&args.what, true)?;
            (Known::read(&top)?, inside)
        }
    };
    let known = match known {
        Ok(known) => known,
        Err(report) => return Ok(console.report(&report)),
    };
    let loaded = match &known.repository {
        Some(repository) => load(repository, args.server_file.as_deref())?.ok(),
        None => None,
    };
    let path = RepoPath::from(inside.as_str());
    let blob = ObjectId::from_raw(&[0; 20]);
    match read_path(&known.manifest.settings, &path, &blob) {
        Reading::Migration(project, migration) => {
            Ok(migration_view(&known, project, &migration, loaded.as_ref(), console))
        }
        other => Ok(not_a_migration(&known.manifest, &path, &other, console)),
    }
}

fn explain_rule(rule: &Rule, format: Format) -> String {
    if format == Format::Json {
        return text(&json!({
            "rule": rule.name, "severity": rule.severity, "configurable": rule.configurable,
            "summary": rule.summary, "explanation": rule.explanation,
        }));
    }
    let weight = if rule.configurable { "can be changed in [project.rules]" } else { "cannot be changed" };
    let explanation = wrap(rule.explanation, 76).join("\n  ");
    format!("{}: {}\n\n  {explanation}\n\n  severity: {} ({weight})\n", rule.name, rule.summary, rule.severity)
}

fn migration_view(
    known: &Known,
    project: &Project,
    migration: &Migration,
    loaded: Option<&Loaded>,
    console: &mut Console<'_>,
) -> Exit {
    let findings = path_findings(known, project, migration, loaded);
    let rows = reading_rows(known, project, migration, loaded);
    match console.format {
        Format::Human => {
            for (name, value) in &rows {
                console.say(&format!("{name:>12}: {}\n", crate::text::sanitize(value)));
            }
        }
        Format::Json => {
            let values: serde_json::Map<String, Value> =
                rows.iter().map(|(name, value)| (name.replace(' ', "_"), json!(value))).collect();
            let problems: Vec<Value> = findings
                .iter()
                .map(|finding| json!({ "rule": finding.rule.name, "message": finding.message }))
                .collect();
            console.say(&text(&json!({ "migration": true, "reading": values, "findings": problems })));
        }
    }
    if findings.is_empty() {
        return Exit::Clean;
    }
    if console.format == Format::Human {
        let mut report = Report::default();
        report.extend(findings);
        report.sort();
        console.say("\n");
        console.report(&report);
    }
    Exit::Findings
}

/// Everything that a path says, and where it stands among its neighbours.
fn reading_rows(
    known: &Known,
    project: &Project,
    migration: &Migration,
    loaded: Option<&Loaded>,
) -> Vec<(&'static str, String)> {
    let line: Vec<&Migration> = neighbours(known, migration);
    let at = line.iter().position(|other| other.position() >= migration.position()).unwrap_or(line.len());
    let before = at.checked_sub(1).map(|index| line[index].path.display());
    let after = line.iter().find(|other| other.position() > migration.position()).map(|other| other.path.display());
    let targets: Vec<String> = loaded
        .map(|loaded| {
            loaded
                .server
                .targets
                .iter()
                .filter(|target| target.takes(migration, project.group.as_deref()))
                .map(|target| target.label())
                .collect()
        })
        .unwrap_or_default();
    let released = known.released.iter().any(|other| other.path == migration.path);
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let dialect = project.database(migration.database.as_ref()).map(|database| database.flavour.title());
    let environment =
        migration.environment.as_ref().map_or("every one that has the database".to_owned(), ToString::to_string);
    vec![
        ("path", migration.path.display()),
        ("template", project.template.text.clone()),
        ("project", project.name.to_string()),
        ("environment", environment),
        (
            "database",
            migration
                .database
                .as_ref()
                .map_or_else(|| format!("group {}", project.group.as_deref().unwrap_or("-")), ToString::to_string),
        ),
        ("dialect", optional(dialect)),
        ("version", migration.version.to_string()),
        ("type", migration.kind.to_string()),
        ("description", migration.description.clone()),
        ("released", if released { "yes: it may not be changed".to_owned() } else { "no".to_owned() }),
        ("runs after", optional(before)),
        ("runs before", optional(after)),
        (
            "targets",
            if loaded.is_none() { "no server file here".to_owned() } else { crate::text::enumerate(&targets, 20) },
        ),
    ]
}

/// What is wrong with the path itself, and its order.
fn path_findings(known: &Known, project: &Project, migration: &Migration, loaded: Option<&Loaded>) -> Vec<Finding> {
    let names_known = loaded.map_or_else(KnownNames::default, |loaded| super::server::known_names(&loaded.server));
    let mut findings = names(project, migration, &names_known);
    let released = known.released.iter().any(|other| other.path == migration.path);
    if !released {
        let others: Vec<Migration> =
            known.released.iter().filter(|other| other.project == project.name).cloned().collect();
        findings.extend(order::judge(project, &others, std::slice::from_ref(migration)));
    }
    findings
}

fn neighbours<'k>(known: &'k Known, migration: &Migration) -> Vec<&'k Migration> {
    let mut line: Vec<&Migration> = known
        .present
        .iter()
        .chain(&known.released)
        .filter(|other| other.project == migration.project && order::stream(other) == order::stream(migration))
        .filter(|other| other.path != migration.path)
        .collect();
    line.sort_by(|a, b| a.position().cmp(&b.position()));
    line
}

fn not_a_migration(manifest: &Manifest, path: &RepoPath, reading: &Reading<'_>, console: &mut Console<'_>) -> Exit {
    let shown = path.display();
    let (why, finding) = match reading {
        Reading::Ignored(project) => (format!("project `{}` ignores it", project.name), None),
        Reading::Schema(project) => (format!("it is a schema file of project `{}`", project.name), None),
        Reading::Twice(first, second) => {
            (format!("projects `{}` and `{}` both match it", first.name, second.name), None)
        }
        Reading::Mismatch(project) => {
            ("its path does not match the template".to_owned(), Some(mismatch(project, path)))
        }
        _ => {
            let near = manifest.settings.projects.iter().find(|project| path.is_under(&project.base));
            match near {
                Some(project) => (format!("it does not look like one (template: {})", project.template.text), None),
                None => {
                    let bases: Vec<&str> =
                        manifest.settings.projects.iter().map(|project| project.base.as_str()).collect();
                    (format!("it lies outside of every base directory ({})", crate::text::enumerate(&bases, 9)), None)
                }
            }
        }
    };
    if console.format == Format::Json {
        let notes = finding.as_ref().map(|finding| finding.notes.clone()).unwrap_or_default();
        let help = finding.and_then(|finding| finding.help);
        console.say(&text(&json!({ "migration": false, "path": shown, "why": why, "notes": notes, "help": help })));
    } else {
        console.say(&format!("{shown} is not a migration: {why}\n"));
        // A name without a folder or ending may be meant for a rule.
        let rule =
            if shown.contains(['/', '.']) { None } else { did_you_mean(&shown, rules::all().map(|rule| rule.name)) };
        if let Some(rule) = rule {
            console.say(&format!("there is no rule of that name either; did you mean `{rule}`?\n"));
        }
        if let Some(finding) = finding {
            let mut report = Report::default();
            report.push(finding);
            console.report(&report);
        }
    }
    Exit::Findings
}
