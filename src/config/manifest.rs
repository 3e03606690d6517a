//! The manifest, `schemagate.toml`: layout, naming and the weight of rules, reviewed like code.
//!
//! Knows the keys and what they may hold. Refuses to know the repository: only its own text comes in.

use std::collections::BTreeMap;

use crate::config::conventions::{Conventions, conventions};
use crate::config::databases::{Database, database, databases};
use crate::config::limits::{Limits, limits};
use crate::config::reader::{At, Section, document};
use crate::config::weights::{Weight, Weights, names, weights};
use crate::config::{LARGEST_FILE, MANIFEST, Pattern};
use crate::data_change::plain_path;
use crate::finding::{Finding, Severity};
use crate::layout::compile::{Role, TemplateError, compile};
use crate::layout::template::{Field, Match, Template};
use crate::layout::version::{Format, Order};
use crate::migration::{DatabaseName, EnvironmentName, ProjectName};
use crate::rules;
use crate::text::Span;

/// File template unless configured.
pub const DEFAULT_TEMPLATE: &str = "{{ENV_ID}}/{{DB_NAME}}##{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql";
/// File template of a project for a group of databases unless configured.
pub const DEFAULT_GROUP_TEMPLATE: &str = "{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql";
/// Base directory unless configured.
pub const DEFAULT_BASE: &str = "migrations";

/// A manifest that is valid.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The projects, in the order of the file; at least one.
    pub projects: Vec<Project>,
    /// The branch whose files count as released for checks on a developer's machine.
    pub release_branch: Option<String>,
}

/// One project: a base directory with its template and rules.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name.
    pub name: ProjectName,
    /// The folder that holds its files, without slashes at its ends; empty for the top of the repository.
    pub base: String,
    /// How its paths read.
    pub template: Template,
    /// How the paths of its schema files read.
    pub schema_template: Option<Template>,
    /// The databases and what they are.
    pub databases: BTreeMap<DatabaseName, Database>,
    /// What databases are that are not listed; without it such a name is a finding.
    pub dialect: Option<Database>,
    /// The group of databases that takes every file, instead of databases named in paths.
    pub group: Option<String>,
    /// The environments that paths may name; empty for any.
    pub environments: Vec<EnvironmentName>,
    /// How versions are ordered.
    pub order: Order,
    /// What versions must look like.
    pub version_format: Format,
    /// What descriptions must look like, as written in the path.
    pub description_format: Option<regex::Regex>,
    /// Largest file, in bytes.
    pub largest_file: u64,
    /// How much of a file is judged.
    pub limits: Limits,
    /// Paths under the base directory that are nobody's concern.
    pub ignored: Vec<Pattern>,
    /// Configured weights, by rule name.
    pub weights: Weights,
    /// Findings that are not reported, by path.
    pub suppressions: Vec<PathSuppression>,
    /// What the project has agreed on.
    pub conventions: Conventions,
    /// Where settings stand in the manifest, by key: for findings that a setting caused.
    pub places: BTreeMap<&'static str, Span>,
}

impl Project {
    /// Returns what a database is, by its name in a path; `None` for an unknown one.
    pub fn database(&self, name: Option<&DatabaseName>) -> Option<&Database> {
        name.and_then(|name| self.databases.get(name)).or(self.dialect.as_ref())
    }

    /// Returns the severity that this manifest gives a rule, for a file of an environment.
    pub fn severity(&self, rule: &'static crate::finding::Rule, environment: Option<&EnvironmentName>) -> Severity {
        self.weights.get(rule.name).map_or(rule.severity, |weight| weight.in_environment(rule, environment))
    }

    /// Says whether a file is older than those that a rule is for.
    pub fn is_before(&self, rule: &crate::finding::Rule, version_key: &str) -> bool {
        let since = self.weights.get(rule.name).and_then(|weight| weight.since.as_ref());
        since.is_some_and(|since| version_key < self.order.key(since).as_str())
    }

    /// Says whether a path lies in the base directory and is not ignored.
    pub fn covers(&self, path: &crate::migration::RepoPath) -> bool {
        path.is_under(&self.base) && !path.as_str().is_some_and(|text| self.ignores(text))
    }

    /// Says whether a path is ignored.
    pub fn ignores(&self, path: &str) -> bool {
        self.ignored.iter().any(|pattern| pattern.matches(path))
    }

    /// Says whether a path is a schema file.
    pub fn is_schema_file(&self, path: &str) -> bool {
        self.schema_template.as_ref().is_some_and(|template| template.matches(path).is_some())
    }

    /// Reads a path as a migration of this project; `blob` is its content.
    pub fn migration(
        &self,
        path: &crate::migration::RepoPath,
        blob: &crate::migration::ObjectId,
    ) -> Option<crate::migration::Migration> {
        let text = path.as_str()?;
        if !self.covers(path) || self.is_schema_file(text) {
            return None;
        }
        // A data change of a group may be written in YAML too.
        let plain = if self.group.is_some() { plain_path(text) } else { None };
        let found = self.template.matches(plain.as_deref().unwrap_or(text))?;
        let migration = self.read_match(path, text, &found, blob);
        (plain.is_none() || migration.kind == crate::migration::Kind::Dml).then_some(migration)
    }

    fn read_match(
        &self,
        path: &crate::migration::RepoPath,
        text: &str,
        found: &Match,
        blob: &crate::migration::ObjectId,
    ) -> crate::migration::Migration {
        let value = |field| found.value(text, field);
        let version = value(Field::Version).unwrap_or_default();
        crate::migration::Migration {
            project: self.name.clone(),
            path: path.clone(),
            environment: value(Field::Environment).map(EnvironmentName::new),
            database: value(Field::Database).map(DatabaseName::new),
            version: crate::migration::Version::new(version),
            version_key: self.order.key(version),
            kind: value(Field::Type).and_then(crate::migration::Kind::parse).unwrap_or(crate::migration::Kind::Ddl),
            description: value(Field::Description).map(shown_description).unwrap_or_default(),
            blob: blob.clone(),
            only: None,
        }
    }
}

/// Shows a description of a path: underscores as spaces, the first letter in upper case.
pub fn shown_description(written: &str) -> String {
    let spaced = written.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Reads a manifest.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn read(text: &str) -> Result<Settings, Vec<Finding>> {
    document(MANIFEST, text, &rules::config::MANIFEST_INVALID, |top, problems| {
        let release_branch = top.string("release-branch").map(|branch| branch.value);
        let sections = top.sections("project");
        if sections.is_empty() && !top.has("project") {
            top.missing("[[project]]", "run `schemagate init` in an empty folder to see a complete manifest");
        }
        let single = sections.len() == 1;
        let mut names: Vec<At<String>> = Vec::new();
        let mut projects = Vec::new();
        for section in &sections {
            let name = section.name("name");
            if name.is_none() && !section.has("name") && !single {
                section.missing("name", "with several projects, each needs a name");
            }
            let name = name.unwrap_or(At { value: "default".to_owned(), span: section.span });
            if names.iter().any(|other| other.value == name.value) && !single {
                problems.add(
                    name.span,
                    format!("two projects are called `{}`", name.value),
                    "the second one",
                    "choose another name",
                );
            }
            names.push(name.clone());
            projects.extend(project(section, &name.value));
            section.finish();
        }
        Some(Settings { projects, release_branch })
    })
}

fn project(section: &Section<'_>, name: &str) -> Option<Project> {
    let group = section.name("group").map(|group| group.value);
    let base = base_directory(section);
    let template = template(section, "file-path-template", &base, group.is_some());
    let schema_template = schema_template(section, &base, group.is_some());
    let databases = databases(section, group.is_some());
    let dialect = database(section, "dialect-version");
    if databases.is_empty() && dialect.is_none() && !section.has("databases") && !section.has("dialect") {
        section.missing(
            "databases",
            "name each database: [project.databases.NAME] with dialect = \"postgres\"; or set `dialect` for all",
        );
    }
    let environments = section.strings("environments").unwrap_or_default();
    let order = order(section);
    let version_format = version_format(section);
    let description_format = pattern(section, "description-format");
    let largest_file = section.size("largest-file").unwrap_or(LARGEST_FILE);
    let limits = limits(section, Limits::default());
    let ignored = section.patterns("ignore").unwrap_or_default();
    let weights = all_weights(section);
    let suppressions = section.sections("suppress").iter().filter_map(suppression).collect();
    let conventions = conventions(section);
    let mut project = Project {
        name: ProjectName::new(name),
        template: template?,
        schema_template,
        databases,
        dialect,
        group,
        environments: environments.into_iter().map(|name| EnvironmentName::new(name.value)).collect(),
        order,
        version_format,
        description_format,
        largest_file,
        limits,
        ignored,
        weights,
        suppressions,
        conventions,
        places: BTreeMap::new(),
        base,
    };
    let keys = [
        "file-path-template",
        "base-directory",
        "version-format",
        "description-format",
        "version-order",
        "largest-file",
        "environments",
        "databases",
        "out-of-order",
    ];
    project.places = keys.into_iter().filter_map(|key| Some((key, section.span_of(key)?))).collect();
    Some(project)
}

/// The weights of rules; the out-of-order policy is one of them.
fn all_weights(section: &Section<'_>) -> Weights {
    let mut all = Weights::new();
    if let Some(policy) = section.choice("out-of-order", &["refuse", "warn", "allow"]) {
        let severity = [Severity::Error, Severity::Warning, Severity::Off][policy.value];
        all.insert(rules::order::OUT_OF_ORDER.name, Weight::of(severity));
    }
    if let Some(table) = section.section("rules") {
        all.extend(weights(&table));
    }
    all
}

/// Findings of some rules that are not reported for some paths.
#[derive(Debug, Clone)]
pub struct PathSuppression {
    /// Which paths.
    pub path: Pattern,
    /// Which rules.
    pub rules: Vec<&'static str>,
    /// Why.
    pub reason: String,
}

fn suppression(section: &Section<'_>) -> Option<PathSuppression> {
    let path = section.string("path").and_then(|text| Pattern::new(&text.value).ok());
    let rules = names(section, "rules");
    let reason = section.string("reason").map(|text| text.value);
    for (key, there) in [("path", path.is_some()), ("reason", reason.is_some())] {
        if !there {
            section.missing(key, "path = \"prod/shop##2024*\", rules = [\"drop-table\"], reason = \"why\"");
        }
    }
    section.finish();
    Some(PathSuppression { path: path?, rules, reason: reason? })
}

fn base_directory(section: &Section<'_>) -> String {
    let Some(base) = section.string("base-directory") else { return DEFAULT_BASE.to_owned() };
    let segments: Vec<&str> = base.value.split('/').filter(|text| !text.is_empty() && *text != ".").collect();
    let wrong =
        |text: &&str| *text == ".." || text.contains(['*', '{', '}', '\\']) || text.contains(crate::text::is_unsafe);
    if base.value.starts_with('/') || segments.iter().any(wrong) {
        section.problems().add(
            base.span,
            "`base-directory` must be a plain folder of the repository",
            "not such a folder",
            "for example \"migrations\" or \"services/shop/db\"; \"\" is the top",
        );
    }
    segments.join("/")
}

fn template(section: &Section<'_>, key: &'static str, base: &str, group: bool) -> Option<Template> {
    let (default, role) =
        if group { (DEFAULT_GROUP_TEMPLATE, Role::GroupMigrations) } else { (DEFAULT_TEMPLATE, Role::Migrations) };
    let written = section.string(key);
    if written.is_none() && section.has(key) {
        return None;
    }
    compiled(section, base, written.as_ref(), default, role)
}

fn schema_template(section: &Section<'_>, base: &str, group: bool) -> Option<Template> {
    let written = section.string("schema-path-template")?;
    let role = if group { Role::GroupSchema } else { Role::Schema };
    compiled(section, base, Some(&written), "", role)
}

fn compiled(
    section: &Section<'_>,
    base: &str,
    written: Option<&At<String>>,
    default: &str,
    role: Role,
) -> Option<Template> {
    let text = written.map_or(default, |written| &written.value);
    let span = written.map_or(section.span, |written| written.span);
    compile(base, text, role)
        .map_err(|errors| {
            for error in errors {
                section.problems().add(inside(span, text, &error), error.message, "here", error.help);
            }
        })
        .ok()
}

/// The place in the file of a part of a quoted text. Exact where the text needed no escapes.
fn inside(span: Span, text: &str, error: &TemplateError) -> Span {
    if span.end - span.start == text.len() + 2 { error.span.shifted(span.start + 1) } else { span }
}

fn order(section: &Section<'_>) -> Order {
    let choice = section.choice("version-order", &["natural", "text"]);
    choice.map_or(Order::Natural, |word| [Order::Natural, Order::Text][word.value])
}

fn version_format(section: &Section<'_>) -> Format {
    const WORDS: [&str; 4] = ["any", "timestamp", "sequential", "semantic"];
    if section.holds_table("version-format") {
        let pattern = section.section("version-format").and_then(|table| {
            let pattern = pattern(&table, "pattern");
            if pattern.is_none() && !table.has("pattern") {
                table.missing("pattern", "version-format = { pattern = \"V[0-9]{4}\" }");
            }
            table.finish();
            pattern
        });
        return pattern.map_or(Format::Any, Format::Pattern);
    }
    match section.choice("version-format", &WORDS).map(|word| word.value) {
        Some(1) => Format::Timestamp,
        Some(2) => Format::Sequential,
        Some(3) => Format::Semantic,
        _ => Format::Any,
    }
}

fn pattern(section: &Section<'_>, key: &'static str) -> Option<regex::Regex> {
    let written = section.string(key)?;
    let anchored = format!("^(?:{})$", written.value);
    regex::RegexBuilder::new(&anchored)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            section.problems().add(
                written.span,
                format!("`{key}` is not a regular expression that can be used: {why}"),
                "this pattern",
                "the whole text must match; the syntax is that of the Rust regex crate",
            );
        })
        .ok()
}
