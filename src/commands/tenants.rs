//! Which tenants there are: a list, a pattern, or the answer of a catalogue.
//!
//! Refuses to work with any of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::commands::rollout::{READ_WAIT, open};
use crate::commands::server::Loaded;
use crate::config::flavour::Flavour;
use crate::config::server::{Audience, DATABASE_MARK, Databases, Target, Tenants};
use crate::config::{Dialect, Pattern};
use crate::engine::lock::BEHIND_NAME;
use crate::engine::{Access, Session, Trouble, engine_of};
use crate::host;
use crate::migration::{DatabaseName, EnvironmentName};

/// Finds out which tenants there are, in the order of their names.
///
/// # Errors
/// If the catalogue or the folder that knows them cannot be asked.
pub(super) fn targets(loaded: &Loaded, tenants: &Tenants) -> Result<Vec<Target>, Trouble> {
    let url = host::url(&tenants.url, &loaded.folder)
        .map_err(|error| Trouble::new(format!("{error:#}"), "mend `url` of these tenants"))?;
    if !url.contains(DATABASE_MARK) {
        let message = format!("the url of the tenants of `{}` is the same for all of them", tenants.group);
        return Err(Trouble::new(message, "write {{database}} where the name of the database stands"));
    }
    let mut names: Vec<DatabaseName> = match &tenants.databases {
        Databases::Listed(names) => names.clone(),
        Databases::Named(pattern, None) => files(loaded, &url, pattern)?,
        Databases::Named(pattern, Some(_)) => {
            let dialect = catalogue(loaded, tenants)?.1.dialect;
            let sql = match dialect {
                Dialect::Postgres => {
                    "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
                }
                _ => {
                    "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', \
                     'information_schema', 'performance_schema')"
                }
            };
            asked(loaded, tenants, sql, |name| pattern.matches(name))?
        }
        Databases::Asked(sql, _) => asked(loaded, tenants, sql, |_| true)?,
    };
    let unique: BTreeSet<DatabaseName> = names.drain(..).collect();
    Ok(unique.into_iter().map(|name| tenants.target(name)).collect())
}

/// Makes sure that none of these tenants stands in the server file before, in the same group and environment: they would
/// have one ledger.
///
/// # Errors
/// If one does.
pub(super) fn once(loaded: &Loaded, tenants: &Tenants, found: &[Target]) -> Result<(), Trouble> {
    let Some(first) = found.first() else { return Ok(()) };
    let same = |environment: &EnvironmentName, audience: &Audience| {
        *environment == tenants.environment && audience.goes_with(&first.audience)
    };
    let single = loaded.server.targets.iter().filter(|target| same(&target.environment, &target.audience));
    let mut before: BTreeSet<DatabaseName> = single.map(|target| target.audience.database().clone()).collect();
    let sections = loaded.server.tenants.iter().take_while(|other| !std::ptr::eq(*other, tenants));
    for other in sections.filter(|other| other.environment == tenants.environment && other.group == tenants.group) {
        // What cannot be asked says so itself.
        let theirs = targets(loaded, other).unwrap_or_default();
        before.extend(theirs.iter().map(|target| target.audience.database().clone()));
    }
    match found.iter().find(|target| before.contains(target.audience.database())) {
        None => Ok(()),
        Some(twice) => Err(Trouble::new(
            format!("{} stands twice in the group `{}`", twice.label(), tenants.group),
            "take it out of one of the two; nothing of this section ran",
        )),
    }
}

/// The targets that an environment and a database name. Tenants may be thousands: only one that is named is among them.
///
/// # Errors
/// If it cannot be found out who the tenants are.
pub fn named<'l>(
    loaded: &'l Loaded,
    environment: Option<&str>,
    database: Option<&str>,
) -> Result<Vec<Cow<'l, Target>>, Trouble> {
    let server = &loaded.server;
    let wanted = |target: &Target| {
        environment.is_none_or(|name| name == target.environment.as_str())
            && database.is_none_or(|name| name == target.audience.database().as_str())
    };
    let mut found: Vec<Cow<'l, Target>> =
        server.targets.iter().filter(|target| wanted(target)).map(Cow::Borrowed).collect();
    for tenants in server.tenants.iter().filter(|_| database.is_some()) {
        found.extend(targets(loaded, tenants)?.into_iter().filter(|target| wanted(target)).map(Cow::Owned));
    }
    Ok(found)
}

/// The target that stands for the catalogue.
fn catalogue(loaded: &Loaded, tenants: &Tenants) -> Result<(Box<dyn Session>, Flavour), Trouble> {
    let (Databases::Named(_, Some(url)) | Databases::Asked(_, url)) = &tenants.databases else {
        return Err(Trouble::new("there is no catalogue", "add `catalogue` to these tenants"));
    };
    let target = Target { url: url.clone(), ..tenants.target(DatabaseName::new("catalogue".to_owned())) };
    open(&target, loaded, Access::Read, READ_WAIT)
        .map_err(|trouble| Trouble::new(format!("the catalogue of the tenants: {}", trouble.message), trouble.help))
}

/// The tenants that the catalogue names; names that are not `wanted` may be of any kind.
fn asked(
    loaded: &Loaded,
    tenants: &Tenants,
    sql: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<DatabaseName>, Trouble> {
    let (mut session, _) = catalogue(loaded, tenants)?;
    let mut names = session.names(sql)?;
    names.retain(|name| wanted(name));
    if let Some((name, complaint)) = names.iter().find_map(|name| Some((name, crate::config::name_complaint(name)?))) {
        let shown = crate::text::sanitize(name);
        let message = format!("the catalogue names a tenant `{shown}`, which is no usable name: {complaint}");
        return Err(Trouble::new(message, "leave it out in `query` or `pattern`"));
    }
    Ok(names.into_iter().map(DatabaseName::new).collect())
}

/// What stands behind the name of a database file in those that SQLite and this program put beside it.
const BESIDE: [&str; 4] = [BEHIND_NAME, "-journal", "-wal", "-shm"];

/// The files that the URL can name, where tenants are files.
fn files(loaded: &Loaded, url: &str, pattern: &Pattern) -> Result<Vec<DatabaseName>, Trouble> {
    let help = "add `catalogue`, the URL of a database of that server";
    if engine_of(url)?.dialect != Dialect::Sqlite {
        return Err(Trouble::new("which tenants match the pattern must be asked of a server", help));
    }
    let path = url.split_once(':').map_or("", |(_, path)| path.split('?').next().unwrap_or_default());
    let path = loaded.folder.join(path.strip_prefix("//").unwrap_or(path));
    let (folder, file) = (path.parent().unwrap_or(&path), path.file_name().unwrap_or_default().to_string_lossy());
    let Some((before, behind)) = file.split_once(DATABASE_MARK) else {
        return Err(Trouble::new("the name of the file does not hold {{database}}", "mend `url` of these tenants"));
    };
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Trouble::new(format!("the folder {} cannot be read: {error}", folder.display()), "check `url` of these tenants")
    })?;
    let name = |entry: std::fs::DirEntry| {
        // Behind a link, what it leads to counts.
        let regular = std::fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
        regular.then_some(())?;
        let file = entry.file_name().into_string().ok()?;
        let name = file.strip_prefix(before)?.strip_suffix(behind)?;
        let beside = BESIDE.iter().any(|end| name.ends_with(end));
        let usable = crate::config::name_complaint(name).is_none() && pattern.matches(name) && !beside;
        usable.then(|| DatabaseName::new(name.to_owned()))
    };
    Ok(entries.flatten().filter_map(name).collect())
}
