//! Targets in the server file: single databases, and groups of tenants.
//!
//! Knows their keys. Refuses to find out which tenants there are; that takes a database.

use std::time::Duration;

use crate::config::Pattern;
use crate::config::reader::{At, Problems, Section};
use crate::config::server::Environment;
use crate::config::urls::{UrlSource, has_password, source, usable};
use crate::migration::{DatabaseName, EnvironmentName, Migration};
use crate::text::{Span, did_you_mean, enumerate, sanitize, word_for_shell};

/// How long to wait for a busy database unless configured.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// The schema of the history tables in PostgreSQL unless configured.
const HISTORY_SCHEMA: &str = "schemagate";
/// Tenants of a wave unless configured.
const WAVE: usize = 100;
/// Tenants at once unless configured, and at most.
const PARALLEL: usize = 4;
const MOST_PARALLEL: usize = 64;

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

    /// Says whether it takes files of a project; `group` is the project's.
    pub fn takes_project(&self, group: Option<&str>) -> bool {
        match (self, group) {
            (Self::Group(name, _), Some(group)) => name == group,
            (Self::Database(_), None) => true,
            _ => false,
        }
    }

    /// Says whether two go from environment to environment together: the same database, or databases of one group.
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Group(group, _), Self::Group(theirs, _)) => group == theirs,
            _ => self == other,
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
    /// How it is worked with.
    pub manner: Manner,
}

/// How a target is worked with.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How long to wait while it is busy.
    pub lock_wait: Duration,
    /// Whether all pending files of a push share one transaction.
    pub atomic_push: bool,
    /// The schema of the history tables, where the engine has schemas.
    pub history_schema: String,
    /// Settings of the session in which migrations run.
    pub session: Vec<(String, String)>,
}

/// Many databases that take the same migrations: each is a target once it is known which ones there are.
#[derive(Debug, Clone)]
pub struct Tenants {
    /// The environment.
    pub environment: EnvironmentName,
    /// The group.
    pub group: String,
    /// The URL of each, with `{{database}}` for its name.
    pub url: UrlSource,
    /// Which ones there are.
    pub databases: Databases,
    /// How each is worked with.
    pub manner: Manner,
    /// How many are worked with before the next wave begins.
    pub wave: usize,
    /// How many at once.
    pub parallel: usize,
    /// With so many failures no further wave begins.
    pub failures: usize,
}

impl Tenants {
    /// Returns what goes from environment to environment with all of them; it names nobody.
    pub fn audience(&self) -> Audience {
        Audience::Group(self.group.clone(), DatabaseName::new(String::new()))
    }

    /// Returns the target that one of them is.
    pub fn target(&self, database: DatabaseName) -> Target {
        Target {
            environment: self.environment.clone(),
            audience: Audience::Group(self.group.clone(), database),
            url: self.url.clone(),
            manner: self.manner.clone(),
        }
    }
}

/// Which databases a group of tenants has.
#[derive(Debug, Clone)]
pub enum Databases {
    /// These.
    Listed(Vec<DatabaseName>),
    /// Those of the catalogue's server whose name matches; without a catalogue, the files that the URL can name.
    Named(Pattern, Option<UrlSource>),
    /// The first column of the answer to a question to the catalogue.
    Asked(String, UrlSource),
}

/// What stands in a URL for the name of the database.
pub const DATABASE_MARK: &str = "{{database}}";

impl Target {
    /// Says whether it takes a migration. `group` is that of the migration's project.
    pub fn takes(&self, migration: &Migration, group: Option<&str>) -> bool {
        let here = migration.environment.as_ref().is_none_or(|environment| *environment == self.environment);
        let mine = match &self.audience {
            Audience::Database(name) => migration.database.as_ref() == Some(name),
            Audience::Group(..) => true,
        };
        let listed = migration.only.as_ref().is_none_or(|names| names.contains(self.audience.database()));
        here && mine && listed && self.audience.takes_project(group)
    }

    /// Returns the options by which commands name a target.
    pub fn options(&self) -> String {
        let [environment, database] =
            [self.environment.as_str(), self.audience.database().as_str()].map(word_for_shell);
        format!("-e {environment} -d {database}")
    }

    /// Returns `environment/database`, as messages name a target.
    pub fn label(&self) -> String {
        format!("{}/{}", self.environment, self.audience.database())
    }
}

pub(super) struct Targets<'s> {
    pub(super) environments: &'s [Environment],
    pub(super) problems: &'s Problems,
    pub(super) seen: Vec<(EnvironmentName, DatabaseName, Span)>,
    /// The URLs so far; of tenants with the group.
    pub(super) urls: Vec<(String, Option<String>, Option<Vec<String>>)>,
    pub(super) holds_secret: bool,
    pub(super) list: Vec<Target>,
    pub(super) tenants: Vec<Tenants>,
}

impl Targets<'_> {
    pub(super) fn read(&mut self, section: &Section<'_>) {
        let environment = section.string("environment");
        let database = section.name("database");
        for key in ["environment", "database", "url"] {
            if !section.has(key) {
                section.missing(key, "a target needs environment, database and url");
            }
        }
        let group = section.name("group").map(|group| group.value);
        let url = self.url(section);
        let manner = manner(section);
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
        self.list.push(Target { environment, audience, url, manner });
    }

    /// Reads a group of tenants.
    pub(super) fn read_tenants(&mut self, section: &Section<'_>) {
        let environment = section.string("environment").and_then(|name| self.known_environment(&name));
        let group = section.name("group");
        for key in ["environment", "group", "url"] {
            if !section.has(key) {
                section.missing(key, "tenants need environment, group, url, and one of databases, pattern and query");
            }
        }
        let url = self.url(section);
        let databases = self.databases(section);
        let number = |key, usual| {
            section.whole(key).map_or(usual, |number| usize::try_from(number.value).unwrap_or(usual).max(1))
        };
        let (wave, parallel) = (number("wave", WAVE), number("parallel", PARALLEL).min(MOST_PARALLEL));
        let failures = number("failures", 1);
        let manner = manner(section);
        let (Some(environment), Some(group), Some(url), Some(databases)) = (environment, group, url, databases) else {
            return;
        };
        let marked = !matches!(&url, UrlSource::Inline(url) if !url.contains(DATABASE_MARK));
        if !marked {
            self.problems.add(
                section.span,
                format!("the url of the tenants of `{}` is the same for all of them", group.value),
                "these tenants",
                "write {{database}} where the name of the database stands",
            );
        }
        let group = group.value;
        self.tenants.push(Tenants { environment, group, url, databases, manner, wave, parallel, failures });
    }

    fn databases(&mut self, section: &Section<'_>) -> Option<Databases> {
        let listed = section.strings("databases");
        let pattern = section.string("pattern");
        let query = section.string("query");
        let catalogue = if section.holds_table("catalogue") {
            source(section, "catalogue")
        } else {
            section.string("catalogue").and_then(|url| {
                usable(&url, self.problems)?;
                self.holds_secret |= has_password(&url.value);
                Some(UrlSource::Inline(url.value))
            })
        };
        let wrong = |message: &str, help: &'static str| {
            self.problems.add(section.span, message, "these tenants", help);
            None
        };
        match (listed, pattern, query) {
            (Some(names), None, None) => {
                let bad = names.iter().find_map(|name| Some((name.span, crate::config::name_complaint(&name.value)?)));
                if let Some((span, complaint)) = bad {
                    let message = format!("this is not a usable name of a database: {complaint}");
                    self.problems.add(span, message, "this name", "use letters, digits, `-` and `_`");
                    return None;
                }
                Some(Databases::Listed(names.into_iter().map(|name| DatabaseName::new(name.value)).collect()))
            }
            (None, Some(pattern), None) => match Pattern::new(&pattern.value) {
                Ok(glob) => Some(Databases::Named(glob, catalogue)),
                Err(why) => {
                    self.problems.add(pattern.span, format!("not a pattern: {why}"), "here", "write \"shop_*\"");
                    None
                }
            },
            (None, None, Some(query)) => match catalogue {
                Some(catalogue) => Some(Databases::Asked(query.value, catalogue)),
                None => wrong("`query` needs to know whom to ask", "add catalogue = \"postgres://...\""),
            },
            _ => wrong(
                "tenants need exactly one of `databases`, `pattern` and `query`",
                "for example databases = [\"shop_a\", \"shop_b\"]",
            ),
        }
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
        let message = format!("there is no environment `{}`", sanitize(&name.value));
        self.problems.add(name.span, message, "unknown environment", help);
        None
    }

    fn url(&mut self, section: &Section<'_>) -> Option<UrlSource> {
        if !section.holds_table("url") {
            let url = section.string("url")?;
            usable(&url, self.problems)?;
            // Groups may share the databases of their tenants, each with projects of its own.
            let of = section.string("group").filter(|_| url.value.contains(DATABASE_MARK)).map(|group| group.value);
            // Tenants of one template are others where their names are.
            let names = section.strings("databases").filter(|_| url.value.contains(DATABASE_MARK));
            let names = names.map(|names| names.into_iter().map(|name| name.value).collect::<Vec<_>>());
            let same = |(other, group, theirs): &(String, Option<String>, Option<Vec<String>>)| {
                let meet = match (&names, theirs) {
                    (Some(names), Some(theirs)) => names.iter().any(|name| theirs.contains(name)),
                    _ => true,
                };
                *other == url.value && *group == of && meet
            };
            if self.urls.iter().any(same) {
                self.problems.add(
                    url.span,
                    "two targets have the same URL, so their histories would mix",
                    "the second one",
                    "give each target a database of its own",
                );
            }
            self.urls.push((url.value.clone(), of, names));
            self.holds_secret |= has_password(&url.value);
            return Some(UrlSource::Inline(url.value));
        }
        source(section, "url")
    }
}

/// Reads how a target is worked with.
fn manner(section: &Section<'_>) -> Manner {
    Manner {
        lock_wait: section.duration("lock-wait").unwrap_or(LOCK_WAIT),
        atomic_push: section.choice("atomic", &["file", "push"]).is_some_and(|word| word.value == 1),
        history_schema: section.name("history-schema").map_or(HISTORY_SCHEMA.to_owned(), |name| name.value),
        session: section.section("session").map(|table| settings(&table)).unwrap_or_default(),
    }
}

/// Settings by which a server would read files, which are UTF-8, as something else.
const ENCODINGS: [&str; 4] =
    ["client_encoding", "character_set_client", "character_set_connection", "character_set_results"];

/// Reads settings of a session, whose names the user chose.
fn settings(table: &Section<'_>) -> Vec<(String, String)> {
    let text = |(name, value, span): (String, &toml::de::DeValue<'_>, Span)| match value {
        _ if ENCODINGS.iter().any(|encoding| name.eq_ignore_ascii_case(encoding)) => {
            let message =
                format!("`session.{}` is not to be set: files are UTF-8, and are sent as that", sanitize(&name));
            table.problems().add(span, message, "another encoding", "take it out");
            None
        }
        toml::de::DeValue::String(text) => Some((name, text.to_string())),
        _ => {
            let message = format!("`session.{}` must be text in quotes", sanitize(&name));
            table.problems().add(span, message, "not text", "write session = { TimeZone = \"Europe/Vienna\" }");
            None
        }
    };
    table.entries().filter_map(text).collect()
}
