//! The server file, `schemagate-server.toml`: branches, environments, targets, policy. Never in the repository.
//!
//! Knows the keys and what they may hold, and where a secret would stand. Refuses to read environment variables,
//! files or command output: it only says which are to be read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::limits::{Limits, limits};
use crate::config::reader::{At, Section, document};
use crate::config::targets::Targets;
pub use crate::config::targets::{Audience, DATABASE_MARK, Databases, Manner, Target, Tenants};
use crate::config::urls::{UrlSource, has_password, verify_urls};
use crate::config::weights::{floors, names};
use crate::config::{Dialect, Pattern};
use crate::finding::{Finding, Severity};
use crate::migration::{DatabaseName, EnvironmentName};
use crate::rules;

/// How long a statement of a migration waits for a lock unless configured: long queues behind it form sooner than people
/// notice.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The groups of tenants, in the order of the file.
    pub tenants: Vec<Tenants>,
    /// Whether a push returns at once, while the rollout goes on.
    pub detach: bool,
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
    /// What the review holds its files to at least.
    pub floor: Floor,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a statement may take; without end where there is none.
    pub statement_timeout: Option<Duration>,
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
    /// Rules whose findings cannot be suppressed.
    pub locked: Vec<&'static str>,
    /// The same for single environments.
    pub environments: BTreeMap<EnvironmentName, Floor>,
}

/// What holds in one environment beyond the rest.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    /// Lowest severities.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Rules whose findings cannot be suppressed.
    pub locked: Vec<&'static str>,
}

impl Policy {
    /// The floors that count for a file of an environment; for one of all environments, all of them.
    fn floors<'p>(&'p self, environment: Option<&'p EnvironmentName>) -> impl Iterator<Item = &'p Floor> {
        let here = move |name: &EnvironmentName| environment.is_none_or(|environment| environment == name);
        self.environments.iter().filter(move |(name, _)| here(name)).map(|(_, floor)| floor)
    }

    /// Returns the lowest severity of a rule for a file of an environment.
    pub fn lowest(&self, rule: &str, environment: Option<&EnvironmentName>) -> Option<Severity> {
        let floors = self.floors(environment).filter_map(|floor| floor.severities.get(rule));
        floors.chain(self.severities.get(rule)).max().copied()
    }

    /// Says whether findings of a rule cannot be suppressed in a file of an environment.
    pub fn is_locked(&self, rule: &str, environment: Option<&EnvironmentName>) -> bool {
        self.locked.contains(&rule) || self.floors(environment).any(|floor| floor.locked.contains(&rule))
    }
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
            locked: Vec::new(),
            environments: BTreeMap::new(),
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

    /// Says whether an environment is left alone until somebody applies to it by name.
    pub fn is_manual(&self, name: &EnvironmentName) -> bool {
        self.environment(name).is_some_and(|environment| environment.manual)
    }

    /// Returns the environments that a branch serves, in rollout order.
    pub fn served_by<'s>(&'s self, branch: &'s str) -> impl Iterator<Item = &'s Environment> {
        self.environments.iter().filter(move |environment| match &environment.branches {
            _ if !self.watches(branch) => false,
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(branch)),
        })
    }

    /// Says whether a branch is applied to anything.
    pub fn applies(&self, branch: &str) -> bool {
        let serves = |name: &EnvironmentName| self.served_by(branch).any(|environment| environment.name == *name);
        self.targets.iter().any(|target| serves(&target.environment))
            || self.tenants.iter().any(|tenants| serves(&tenants.environment))
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
        let mut policy = top.section("policy").map(|section| policy(&section)).unwrap_or_default();
        let detach = top.boolean("detach").unwrap_or(false);
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
        policy.environments = environments.iter().map(|one| (one.name.clone(), one.floor.clone())).collect();
        let mut targets = Targets {
            environments: &environments,
            problems,
            seen: Vec::new(),
            urls: Vec::new(),
            holds_secret: false,
            list: Vec::new(),
            tenants: Vec::new(),
        };
        for section in top.sections("target") {
            targets.read(&section);
            section.finish();
        }
        for section in top.sections("tenants") {
            targets.read_tenants(&section);
            section.finish();
        }
        let (list, tenants, holds_secret) = (targets.list, targets.tenants, targets.holds_secret);
        let verify = top.section("verify-url").map(|section| verify_urls(&section)).unwrap_or_default();
        let secret = |source: &UrlSource| matches!(source, UrlSource::Inline(url) if has_password(url));
        let holds_secret = holds_secret || verify.values().any(secret);
        Some(Server { branches: branches?, targets: list, tenants, environments, detach, policy, verify, holds_secret })
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
    let floor = Floor {
        severities: section.section("rules").map(|table| floors(&table)).unwrap_or_default(),
        locked: names(section, "locked"),
    };
    let name = name?;
    let environment = Environment {
        floor,
        name: EnvironmentName::new(name.value.clone()),
        branches,
        manual,
        lock_timeout,
        statement_timeout,
    };
    Some((name, environment))
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
        severities: section.section("rules").map(|table| floors(&table)).unwrap_or_default(),
        locked: names(section, "locked"),
        environments: BTreeMap::new(),
    };
    if IDENTITIES[policy.identity] == "ssh-key" && policy.allowed_signers.is_none() {
        section.missing("allowed-signers", "identity \"ssh-key\" needs the file that maps keys to names");
    }
    section.finish();
    policy
}
