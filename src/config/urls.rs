//! Where the URLs of databases come from, and what they may look like.
//!
//! Knows schemes and where a password would stand. Refuses to read variables, files or the output of programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::Dialect;
use crate::config::reader::{At, Problems, Section};
use crate::text::enumerate;

/// Where a target's URL is.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlSource {
    /// In the server file.
    Inline(String),
    /// In an environment variable of the program.
    Environment(String),
    /// In a file.
    File(PathBuf),
    /// In the output of a program with its arguments; no shell.
    Command(Vec<String>),
}

impl std::fmt::Debug for UrlSource {
    /// Never shows an inline URL: it may hold a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(_) => formatter.write_str("Inline(…)"),
            Self::Environment(name) => write!(formatter, "Environment({name})"),
            Self::File(path) => write!(formatter, "File({})", path.display()),
            Self::Command(words) => write!(formatter, "Command({:?})", words.first()),
        }
    }
}

/// The schemes that a URL may have.
const SCHEMES: [&str; 5] = ["sqlite", "postgres", "postgresql", "mysql", "mariadb"];

/// Checks the form of a URL without connecting. The answer never repeats the URL: it may hold a password.
///
/// # Errors
/// What is wrong, in a sentence that is safe to show.
pub fn check_url(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err("it has no scheme such as `sqlite:`".to_owned());
    };
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+') || scheme.is_empty() {
        return Err("it does not begin with a scheme such as `sqlite:`".to_owned());
    }
    if !SCHEMES.contains(&scheme) {
        return Err(format!("its scheme is none of {}", enumerate(&SCHEMES, 9)));
    }
    if rest.trim_start_matches('/').is_empty() {
        return Err(format!("nothing follows `{scheme}:`"));
    }
    if url.contains(crate::text::is_unsafe) {
        return Err("it holds a control character".to_owned());
    }
    Ok(())
}

/// Says whether a URL holds a password.
pub fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let in_query = url.split_once('?').is_some_and(|(_, query)| query.to_lowercase().contains("password"));
    in_query || authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Reads a URL that is not written out: a table with exactly one of `env`, `file` and `command`.
pub(super) fn source(section: &Section<'_>, key: &'static str) -> Option<UrlSource> {
    let table = section.section(key)?;
    let source = [
        table.string("env").map(|name| UrlSource::Environment(name.value)),
        table.string("file").map(|path| UrlSource::File(path.value.into())),
        table.strings("command").map(|words| UrlSource::Command(words.into_iter().map(|word| word.value).collect())),
    ];
    table.finish();
    let mut given: Vec<UrlSource> = source.into_iter().flatten().collect();
    let one = given.pop();
    let empty = matches!(&one, Some(UrlSource::Command(words)) if words.is_empty());
    if one.is_none() || empty || !given.is_empty() {
        table.problems().add(
            table.span,
            format!("`{key}` needs exactly one of `env`, `file` and `command`"),
            "this table",
            format!("{key} = {{ env = \"SHOP_URL\" }}, {{ file = \"/etc/schemagate/shop.url\" }} or {{ command = [\"pass\", \"show\", \"shop\"] }}"),
        );
        return None;
    }
    one
}

/// Says against a URL that is written out what is wrong with it.
pub(super) fn usable(url: &At<String>, problems: &Problems) -> Option<()> {
    let Err(why) = check_url(&url.value) else { return Some(()) };
    problems.add(
        url.span,
        format!("the URL of this target cannot be used: {why}"),
        "this URL",
        "for SQLite: sqlite:///srv/db/shop.sqlite",
    );
    None
}

/// Reads the table `verify-url`: the servers that are asked about syntax.
pub(super) fn verify_urls(section: &Section<'_>) -> BTreeMap<Dialect, UrlSource> {
    let mut urls = BTreeMap::new();
    for (dialect, key) in [(Dialect::Postgres, "postgres"), (Dialect::Mysql, "mysql"), (Dialect::Mariadb, "mariadb")] {
        if section.holds_table(key) {
            urls.extend(source(section, key).map(|source| (dialect, source)));
        } else if let Some(url) = section.string(key) {
            let fits = url.value.split(':').next().is_some_and(|scheme| schemes_of(dialect).contains(&scheme));
            match check_url(&url.value) {
                Ok(()) if fits => {
                    urls.insert(dialect, UrlSource::Inline(url.value));
                }
                wrong => {
                    let why = wrong.err().unwrap_or_else(|| "its scheme is of another product".to_owned());
                    section.problems().add(
                        url.span,
                        format!("the URL of this checking server cannot be used: {why}"),
                        "this URL",
                        format!("{}://checker@host/database", schemes_of(dialect)[0]),
                    );
                }
            }
        }
    }
    section.finish();
    urls
}

fn schemes_of(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Postgres => &["postgres", "postgresql"],
        Dialect::Mysql | Dialect::Mariadb => &["mysql", "mariadb"],
        Dialect::Sqlite => &["sqlite"],
    }
}
