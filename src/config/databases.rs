//! What the databases of a project are, as the manifest says it.
//!
//! Knows the keys `dialect`, `version` and `sql-mode`. Refuses to know anything else of a project.

use std::collections::BTreeMap;

use crate::config::Dialect;
use crate::config::flavour::{Flavour, Release, SQL_MODES};
use crate::config::reader::Section;
use crate::migration::DatabaseName;

/// What a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The product.
    pub dialect: Dialect,
    /// How it reads SQL: its release and its settings.
    pub flavour: Flavour,
}

/// Reads the databases that a project lists.
pub(super) fn databases(section: &Section<'_>, group: bool) -> BTreeMap<DatabaseName, Database> {
    let mut databases = BTreeMap::new();
    let Some(table) = section.section("databases") else { return databases };
    if group {
        section.problems().add(
            table.span,
            "a project with a `group` has no `databases`: its files go to every database of the group",
            "not here",
            "set `dialect` for the whole project",
        );
    }
    for (name, database) in table.named_sections() {
        if let Some(complaint) = crate::config::name_complaint(&name.value) {
            section.problems().add(
                name.span,
                format!("not a usable database name: {complaint}"),
                "this name",
                "use letters, digits, `-` and `_`",
            );
        }
        let read = self::database(&database, "version");
        if read.is_none() && !database.has("dialect") {
            database.missing("dialect", "dialect = \"postgres\", \"mysql\", \"mariadb\" or \"sqlite\"");
        }
        databases.extend(read.map(|read| (DatabaseName::new(name.value), read)));
        database.finish();
    }
    databases
}

/// Reads what a database is: `dialect`, its release under the key `version`, and `sql-mode`.
pub(super) fn database(section: &Section<'_>, version: &'static str) -> Option<Database> {
    let dialect = section.choice("dialect", &Dialect::WORDS).map(|word| Dialect::ALL[word.value]);
    let release = section.string(version).and_then(|written| {
        let release = Release::parse(&written.value);
        if release.is_none() {
            section.problems().add(
                written.span,
                format!("`{version}` must be the numbers of a release"),
                "not such numbers",
                "for example \"15\", \"10.6\" or \"8.0.36\"",
            );
        }
        release
    });
    let modes = section.strings("sql-mode").unwrap_or_default();
    for mode in &modes {
        if !SQL_MODES.contains(&mode.value.as_str()) {
            section.problems().add(
                mode.span,
                "not a mode that changes how SQL reads",
                "unknown here",
                format!("known: {}", SQL_MODES.join(", ")),
            );
        }
    }
    let dialect = dialect?;
    let mut flavour = Flavour { release, ..Flavour::from(dialect) };
    if let Some(first) = modes.first().filter(|_| !flavour.is_mysql()) {
        section.problems().add(
            first.span,
            "`sql-mode` is a setting of MySQL and MariaDB",
            "not here",
            "remove it, or mend `dialect`",
        );
    }
    flavour.ansi_quotes = modes.iter().any(|mode| mode.value == SQL_MODES[0]);
    flavour.no_backslash_escapes = modes.iter().any(|mode| mode.value == SQL_MODES[1]);
    Some(Database { dialect, flavour })
}
