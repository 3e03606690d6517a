//! The server file, `schemagate-server.toml`: branches, environments, targets, policy. Never in the repository.
//!
//! Knows the keys and what they may hold, and where a secret would stand. Refuses to read environment variables,
//! files or command output: it only says which are to be read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::limits::{Limits, limits};
use crate::config::reader::{At, Problems, Section, document};
use crate::config::severities::severities;
use crate::config::urls::{UrlSource, has_password, source, usable, verify_urls};
use crate::config::{Dialect, Pattern};
use crate::finding::{Finding, Severity};
use crate::migration::{DatabaseName, EnvironmentName};
use crate::rules;
use crate::text::{Span, did_you_mean, enumerate};

/// How long to wait for a busy database unless configured.
pub const LOCK_WAIT: Duration = Duration::from_secs(60);

/// How long a statement of a migration waits for a lock unless configured: long queues behind it form sooner than people
/// notice.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The schema of the history tables in PostgreSQL unless configured.
pub const HISTORY_SCHEMA: &str = "schemagate";

/// Where the name of the pusher comes from. Exactly one source, chosen by the administrator.
pub const IDENTITIES: [&str; 9] =
    ["unix", "gitolite", "gitea", "gitlab", "github", "http", "ssh-forced", "ssh-key", "push-cert"];

/// A server file that is valid.
#[derive(Debug, Clone)]
pub struct Server {
    /// The branches that are watched.
    pub branches: Vec<Pattern>,
    /// The environments, in the order of rollout.
    pub environments: Vec<Environment>,
    /// The targets, in the order of the file.
    pub targets: Vec<Target>,
    /// What no repository file can lower.
    pub policy: Policy,
    /// The databases that are asked about syntax, by dialect.
    pub verify: BTreeMap<Dialect, UrlSource>,
    /// Whether the file itself holds a password.
    pub holds_secret: bool,
}

/// An environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The branches that serve it; those of the file where it names none.
    pub branches: Option<Vec<Pattern>>,
    /// Whether a push leaves it alone, until somebody applies to it by name.
    pub manual: bool,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a statement may take; without end where there is none.
    pub statement_timeout: Option<Duration>,
}

/// What a target is known by in paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// The database of that name.
    Database(DatabaseName),
    /// A database of the group: the group's name and the database's own.
    Group(String, DatabaseName),
}

impl Audience {
    /// Returns the database's name.
    pub fn database(&self) -> &DatabaseName {
        match self {
            Self::Database(name) | Self::Group(_, name) => name,
        }
    }
}

/// One database of one environment.
#[derive(Debug, Clone)]
pub struct Target {
    /// The environment.
    pub environment: EnvironmentName,
    /// Which migrations it takes.
    pub audience: Audience,
    /// How to find its URL.
    pub url: UrlSource,
    /// How long to wait while it is busy.
    pub lock_wait: Duration,
    /// Whether all pending files of a push share one transaction.
    pub atomic_push: bool,
    /// The schema of the history tables, where the engine has schemas.
    pub history_schema: String,
    /// Settings of the session in which migrations run.
    pub session: Vec<(String, String)>,
}

impl Target {
    /// Returns `environment/database`, as messages name a target.
    pub fn label(&self) -> String {
        format!("{}/{}", self.environment, self.audience.database())
    }
}

/// The floor under every manifest.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Index into [`IDENTITIES`].
    pub identity: usize,
    /// The variable that a forced command sets, for `ssh-forced`.
    pub identity_variable: String,
    /// The file of allowed signers, for `ssh-key`.
    pub allowed_signers: Option<PathBuf>,
    /// Whether a watched branch may be deleted.
    pub delete_branch: bool,
    /// Whether a watched branch may be rewound or replaced.
    pub rewind_branch: bool,
    /// Whether a manifest may give released migrations another meaning.
    pub layout_change: bool,
    /// Largest migration, in bytes.
    pub largest_file: Option<u64>,
    /// How much of a file is judged at most.
    pub limits: Limits,
    /// Lowest severities.
    pub severities: BTreeMap<&'static str, Severity>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            identity: 0,
            identity_variable: "SCHEMAGATE_PUSHER".to_owned(),
            allowed_signers: None,
            delete_branch: false,
            rewind_branch: false,
            layout_change: false,
            largest_file: None,
            limits: Limits::default(),
            severities: BTreeMap::new(),
        }
    }
}

impl Server {
    /// Says whether a branch (short name) is watched.
    pub fn watches(&self, branch: &str) -> bool {
        self.branches.iter().any(|pattern| pattern.matches(branch))
    }

    /// Returns an environment by its name.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }

    /// Returns the environments that a branch serves, in rollout order.
    pub fn served_by<'s>(&'s self, branch: &'s str) -> impl Iterator<Item = &'s Environment> {
        self.environments.iter().filter(move |environment| match &environment.branches {
            _ if !self.watches(branch) => false,
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(branch)),
        })
    }

    /// Returns the targets of the environments that a branch serves, in the order of the file.
    pub fn targets_of<'s>(&'s self, branch: &'s str) -> impl Iterator<Item = &'s Target> {
        let serving: Vec<&EnvironmentName> = self.served_by(branch).map(|environment| &environment.name).collect();
        self.targets.iter().filter(move |target| serving.contains(&&target.environment))
    }

    /// Returns the database names that an environment maps (every environment for `None`), sorted, each once.
    pub fn databases(&self, environment: Option<&EnvironmentName>) -> Vec<&DatabaseName> {
        let mut names: Vec<&DatabaseName> = self
            .targets
            .iter()
            .filter(|target| environment.is_none_or(|name| *name == target.environment))
            .filter_map(|target| match &target.audience {
                Audience::Database(name) => Some(name),
                Audience::Group(..) => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Reads a server file. `name` is how findings call it.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn read(name: &str, text: &str) -> Result<Server, Vec<Finding>> {
    document(name, text, &rules::config::SERVER_FILE_INVALID, |top, problems| {
        let branches = top.patterns("branches");
        if branches.is_none() && !top.has("branches") {
            top.missing("branches", "for example branches = [\"main\"]");
        }
        let policy = top.section("policy").map(|section| policy(&section)).unwrap_or_default();
        let mut environments: Vec<(At<String>, Environment)> = Vec::new();
        for section in top.sections("environment") {
            if let Some((name, environment)) = environment(&section) {
                if environments.iter().any(|(other, _)| other.value == name.value) {
                    problems.add(
                        name.span,
                        format!("two environments are called `{}`", name.value),
                        "the second one",
                        "choose another name",
                    );
                }
                environments.push((name, environment));
            }
            section.finish();
        }
        let environments: Vec<Environment> = environments.into_iter().map(|(_, environment)| environment).collect();
        let mut targets = Targets {
            environments: &environments,
            problems,
            seen: Vec::new(),
            urls: Vec::new(),
            holds_secret: false,
            list: Vec::new(),
        };
        for section in top.sections("target") {
            targets.read(&section);
            section.finish();
        }
        let (list, holds_secret) = (targets.list, targets.holds_secret);
        let verify = top.section("verify-url").map(|section| verify_urls(&section)).unwrap_or_default();
        let secret = |source: &UrlSource| matches!(source, UrlSource::Inline(url) if has_password(url));
        let holds_secret = holds_secret || verify.values().any(secret);
        Some(Server { branches: branches?, targets: list, environments, policy, verify, holds_secret })
    })
}

fn environment(section: &Section<'_>) -> Option<(At<String>, Environment)> {
    let name = section.name("name");
    if name.is_none() && !section.has("name") {
        section.missing("name", "name = \"prod\"");
    }
    let branches = section.patterns("branches");
    let manual = section.choice("rollout", &["automatic", "manual"]).is_some_and(|word| word.value == 1);
    let lock_timeout = section.duration("lock-timeout").unwrap_or(LOCK_TIMEOUT);
    let statement_timeout = section.duration("statement-timeout");
    let name = name?;
    let environment = Environment {
        name: EnvironmentName::new(name.value.clone()),
        branches,
        manual,
        lock_timeout,
        statement_timeout,
    };
    Some((name, environment))
}

struct Targets<'s> {
    environments: &'s [Environment],
    problems: &'s Problems,
    seen: Vec<(EnvironmentName, DatabaseName, Span)>,
    urls: Vec<String>,
    holds_secret: bool,
    list: Vec<Target>,
}

impl Targets<'_> {
    fn read(&mut self, section: &Section<'_>) {
        let environment = section.string("environment");
        let database = section.name("database");
        for key in ["environment", "database", "url"] {
            if !section.has(key) {
                section.missing(key, "a target needs environment, database and url");
            }
        }
        let group = section.name("group").map(|group| group.value);
        let url = self.url(section);
        let lock_wait = section.duration("lock-wait").unwrap_or(LOCK_WAIT);
        let atomic = section.choice("atomic", &["file", "push"]);
        let history_schema = section.name("history-schema").map_or(HISTORY_SCHEMA.to_owned(), |name| name.value);
        let session = section.section("session").map(|table| settings(&table)).unwrap_or_default();
        let environment = environment.and_then(|name| self.known_environment(&name));
        let (Some(environment), Some(database), Some(url)) = (environment, database, url) else { return };
        let name = DatabaseName::new(database.value);
        let twin = self.seen.iter().any(|(other, known, _)| *other == environment && *known == name);
        if twin {
            self.problems.add(
                database.span,
                format!("environment `{environment}` maps database `{name}` twice"),
                "the second one",
                "a database stands once in an environment; remove one of the two",
            );
        }
        self.seen.push((environment.clone(), name.clone(), database.span));
        let audience = match group {
            Some(group) => Audience::Group(group, name),
            None => Audience::Database(name),
        };
        let atomic_push = atomic.is_some_and(|word| word.value == 1);
        self.list.push(Target { environment, audience, url, lock_wait, atomic_push, history_schema, session });
    }

    fn known_environment(&self, name: &At<String>) -> Option<EnvironmentName> {
        let names: Vec<&str> = self.environments.iter().map(|environment| environment.name.as_str()).collect();
        if names.contains(&name.value.as_str()) {
            return Some(EnvironmentName::new(name.value.clone()));
        }
        let help = match did_you_mean(&name.value, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the environments are {}", enumerate(&names, 20)),
        };
        let message = format!("there is no environment `{}`", crate::text::sanitize(&name.value));
        self.problems.add(name.span, message, "unknown environment", help);
        None
    }

    fn url(&mut self, section: &Section<'_>) -> Option<UrlSource> {
        if !section.holds_table("url") {
            let url = section.string("url")?;
            usable(&url, self.problems)?;
            if self.urls.contains(&url.value) {
                self.problems.add(
                    url.span,
                    "two targets have the same URL, so their histories would mix",
                    "the second one",
                    "give each target a database of its own",
                );
            }
            self.urls.push(url.value.clone());
            self.holds_secret |= has_password(&url.value);
            return Some(UrlSource::Inline(url.value));
        }
        source(section, "url")
    }
}

/// Reads settings of a session, whose names the user chose.
fn settings(table: &Section<'_>) -> Vec<(String, String)> {
    let text = |(name, value, span): (String, &toml::de::DeValue<'_>, Span)| match value {
        toml::de::DeValue::String(text) => Some((name, text.to_string())),
        _ => {
            let message = format!("`session.{}` must be text in quotes", crate::text::sanitize(&name));
            table.problems().add(span, message, "not text", "write session = { TimeZone = \"Europe/Vienna\" }");
            None
        }
    };
    table.entries().filter_map(text).collect()
}

fn policy(section: &Section<'_>) -> Policy {
    let default = Policy::default();
    let policy = Policy {
        identity: section.choice("identity", &IDENTITIES).map_or(default.identity, |word| word.value),
        identity_variable: section.string("identity-variable").map_or(default.identity_variable, |name| name.value),
        allowed_signers: section.string("allowed-signers").map(|path| path.value.into()),
        delete_branch: section.boolean("allow-branch-deletion").unwrap_or(false),
        rewind_branch: section.boolean("allow-branch-rewind").unwrap_or(false),
        layout_change: section.boolean("allow-layout-change").unwrap_or(false),
        largest_file: section.size("largest-file"),
        limits: limits(section, Limits::default()),
        severities: section.section("rules").map(|table| severities(&table)).unwrap_or_default(),
    };
    if IDENTITIES[policy.identity] == "ssh-key" && policy.allowed_signers.is_none() {
        section.missing("allowed-signers", "identity \"ssh-key\" needs the file that maps keys to names");
    }
    section.finish();
    policy
}
