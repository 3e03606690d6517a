//! Rules about the order of migrations of one database: duplicates, and files that come too late.

use std::collections::BTreeMap;

use crate::config::manifest::Project;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::layout::template::Field;
use crate::migration::{DatabaseName, EnvironmentName, Migration};
use crate::rules::naming::setting;
use crate::rules::{Family, Looks};
use crate::text::for_shell;

/// The same version twice.
pub static DUPLICATE_VERSION: Rule = Rule {
    name: "duplicate-version",
    severity: Severity::Error,
    configurable: false,
    summary: "Two migrations of a database have the same version and type.",
    explanation: "A version is used once for ddl and once for dml per database and environment. Spellings that the \
                  version order calls equal, such as 7 and 007, are the same version. `schemagate renumber PATH` gives \
                  the later file the next version.",
};

/// A version below what is released.
pub static OUT_OF_ORDER: Rule = Rule {
    name: "out-of-order",
    severity: Severity::Error,
    configurable: true,
    summary: "A new migration does not come after the highest released one of its database and environment.",
    explanation: "Databases that have run the higher version would run this one behind it, new databases before it: \
                  the two would differ. It usually means that two branches met. `schemagate renumber PATH` gives the \
                  file the next version. `out-of-order = \"allow\"` in the manifest permits it, within the server's policy.",
};

/// The family.
pub const FAMILY: Family = Family { rules: &[&DUPLICATE_VERSION, &OUT_OF_ORDER], looks: Looks::Elsewhere };

/// A line of migrations that is ordered: those of one database in one environment.
pub type Stream<'m> = (Option<&'m EnvironmentName>, Option<&'m DatabaseName>);

/// Returns the line that a migration belongs to.
pub fn stream(migration: &Migration) -> Stream<'_> {
    (migration.environment.as_ref(), migration.database.as_ref())
}

/// Finds duplicates and late files among the migrations of one project.
///
/// `released` are those that the old tip holds and the new one keeps; `added` are new. Both in any order.
pub fn judge(project: &Project, released: &[Migration], added: &[Migration]) -> Vec<Finding> {
    let mut lines: BTreeMap<Stream<'_>, Line<'_>> = BTreeMap::new();
    for migration in released {
        let line = lines.entry(stream(migration)).or_default();
        line.taken.entry(migration.position()).or_insert(migration);
        if line.highest.is_none_or(|highest| highest.position() < migration.position()) {
            line.highest = Some(migration);
        }
    }
    let mut added: Vec<&Migration> = added.iter().collect();
    added.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = Vec::new();
    for migration in added {
        let line = lines.entry(stream(migration)).or_default();
        if let Some(other) = line.taken.get(&migration.position()) {
            findings.push(duplicate(project, migration, other));
            continue;
        }
        line.taken.insert(migration.position(), migration);
        if let Some(highest) = line.highest.filter(|highest| migration.position() < highest.position()) {
            findings.push(late(project, migration, highest));
        }
    }
    findings
}

#[derive(Default)]
struct Line<'m> {
    taken: BTreeMap<(&'m str, crate::migration::Kind), &'m Migration>,
    highest: Option<&'m Migration>,
}

fn version_place(project: &Project, migration: &Migration) -> Place {
    let path = migration.path.display();
    let span = project.template.matches(&path).and_then(|found| found.fields[Field::Version as usize]);
    Place::path(path, span)
}

fn renumber(migration: &Migration) -> String {
    format!("schemagate renumber {}", for_shell(&migration.path.display()))
}

fn duplicate(project: &Project, migration: &Migration, other: &Migration) -> Finding {
    let spelling = if migration.version == other.version {
        String::new()
    } else {
        format!(" (written `{}` there)", other.version)
    };
    let message =
        format!("version {} {} is taken{spelling} by `{}`", migration.version, migration.kind, other.path.display());
    Finding::new(&DUPLICATE_VERSION, version_place(project, migration), message)
        .label("the same version")
        .related(version_place(project, other), "taken here")
        .help(renumber(migration))
}

fn late(project: &Project, migration: &Migration, highest: &Migration) -> Finding {
    let message = format!(
        "version {} {} comes too late: version {} {} is released already, and databases may have run it",
        migration.version, migration.kind, highest.version, highest.kind
    );
    let finding = Finding::new(&OUT_OF_ORDER, version_place(project, migration), message)
        .label(format!("must come after {}", highest.version))
        .related(version_place(project, highest), "the highest released one")
        .help(renumber(migration));
    match setting(project, "out-of-order") {
        Some(place) => finding.related(place, "`out-of-order` is set here"),
        None => finding,
    }
}
