//! Rules about one path: does it read as a migration, and are the names in it known?

use unicode_normalization::UnicodeNormalization as _;

use crate::config::MANIFEST;
use crate::config::manifest::Project;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::history::{LONGEST_KEY, LONGEST_VERSION};
use crate::layout::explain::near_miss;
use crate::layout::template::{Field, LONGEST_PATH};
use crate::migration::{DatabaseName, EnvironmentName, FileMode, Migration, RepoPath};
use crate::rules::{Family, Looks};
use crate::text::{Span, did_you_mean, enumerate, for_shell, is_unsafe};

/// A file that looks like a migration and is none.
pub static PATH_MISMATCH: Rule = Rule {
    name: "path-mismatch",
    severity: Severity::Error,
    configurable: true,
    summary: "A file under the base directory looks like a migration but its path does not match the template.",
    explanation: "Such a file would never run, and nobody would notice. The finding shows the path beside the template, \
                  segment by segment, and the nearest path that matches. Files that are meant to lie there can be \
                  named in `ignore`.",
};

/// A path that two projects claim.
pub static PATH_CLAIMED_TWICE: Rule = Rule {
    name: "path-claimed-twice",
    severity: Severity::Error,
    configurable: false,
    summary: "Two projects of the manifest match the same path.",
    explanation: "The file would run for both. Give the projects base directories or templates that do not overlap.",
};

/// A path that cannot be shown or stored.
pub static PATH_UNREADABLE: Rule = Rule {
    name: "path-unreadable",
    severity: Severity::Error,
    configurable: false,
    summary: "A path under a base directory is not UTF-8, holds control characters, or is too long.",
    explanation: "Such names cannot be shown safely, compared or recorded in a history table. They are shown with \
                  their bytes escaped.",
};

/// Names that differ only in case.
pub static PATH_TWIN: Rule = Rule {
    name: "path-twin",
    severity: Severity::Error,
    configurable: true,
    summary: "Two paths differ only in upper and lower case, or in the composition of accented letters.",
    explanation: "On macOS and Windows a checkout would keep only one of the two files, and the next commit there \
                  would delete the other.",
};

/// Something that is not a file.
pub static NOT_A_FILE: Rule = Rule {
    name: "not-a-file",
    severity: Severity::Error,
    configurable: false,
    summary: "A symbolic link or a submodule stands where a migration should be.",
    explanation: "Links are never followed: what runs must be the content that was reviewed. Commit the file itself.",
};

/// An environment that is not known.
pub static UNKNOWN_ENVIRONMENT: Rule = Rule {
    name: "unknown-environment",
    severity: Severity::Error,
    configurable: true,
    summary: "The path names an environment that is not known.",
    explanation: "The migration would run nowhere. On the server the environments are those of the server file, on a \
                  developer's machine those of `environments` in the manifest, if it lists any.",
};

/// A database that is not known.
pub static UNKNOWN_DATABASE: Rule = Rule {
    name: "unknown-database",
    severity: Severity::Error,
    configurable: true,
    summary: "The path names a database that is not known.",
    explanation: "The migration would run nowhere, or its SQL dialect is unknown. The manifest lists databases under \
                  `[project.databases.NAME]`; on the server the server file must map the database in that environment.",
};

/// A version of the wrong format.
pub static VERSION_FORMAT: Rule = Rule {
    name: "version-format",
    severity: Severity::Error,
    configurable: true,
    summary: "The version is not of the format that the manifest asks for.",
    explanation: "`version-format` in the manifest is `any`, `timestamp`, `sequential`, `semantic` or a pattern. \
                  `schemagate new` writes a path with the right version; `schemagate renumber PATH` mends one.",
};

/// A description of the wrong format.
pub static DESCRIPTION_FORMAT: Rule = Rule {
    name: "description-format",
    severity: Severity::Error,
    configurable: true,
    summary: "The description is not of the format that the manifest asks for.",
    explanation: "`description-format` in the manifest is a regular expression that the whole description must match, \
                  as it is written in the path.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &PATH_MISMATCH,
        &PATH_CLAIMED_TWICE,
        &PATH_UNREADABLE,
        &PATH_TWIN,
        &NOT_A_FILE,
        &UNKNOWN_ENVIRONMENT,
        &UNKNOWN_DATABASE,
        &VERSION_FORMAT,
        &DESCRIPTION_FORMAT,
    ],
    looks: Looks::Elsewhere,
};

/// The names that may stand in paths.
#[derive(Debug, Clone, Default)]
pub struct KnownNames {
    /// Each environment with its databases, in rollout order; empty if nothing is known of environments.
    pub environments: Vec<(EnvironmentName, Vec<DatabaseName>)>,
    /// The groups that have targets; none where nothing is known of targets.
    pub groups: Option<Vec<String>>,
    /// Who says so, for messages: the manifest or the server file.
    pub source: &'static str,
}

/// Says whether a file under a base directory would be taken for a migration by a person.
pub fn looks_like_migration(path: &RepoPath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let text = String::from_utf8_lossy(&name).into_owned();
    text.ends_with(".sql") || text.ends_with(".yml") || text.ends_with(".yaml") || text.contains(".sql")
}

/// Finds a path that cannot be used at all.
pub fn unreadable(path: &RepoPath) -> Option<Finding> {
    let shown = path.display();
    let finding = |message: &str, help: &str| {
        Finding::new(&PATH_UNREADABLE, Place::path(shown.clone(), None), message.to_owned()).help(help.to_owned())
    };
    match path.as_str() {
        None => Some(finding(
            "this path is not valid UTF-8; other bytes are shown as \\xNN",
            "rename the file with `git mv`",
        )),
        Some(text) if text.contains(is_unsafe) => {
            Some(finding("this path holds control characters, shown escaped", "rename the file with `git mv`"))
        }
        Some(text) if text.len() > LONGEST_PATH => {
            let message = format!("this path is {} bytes long; at most {LONGEST_PATH} are recorded", text.len());
            let mut cut = Finding::new(&PATH_UNREADABLE, Place::path(shown.clone(), None), message);
            cut.place.name = shown.chars().take(120).chain("...".chars()).collect::<String>().into();
            Some(cut.help("choose a shorter name"))
        }
        Some(_) => None,
    }
}

/// Finds a link or submodule in a migration's place.
pub fn not_a_file(path: &RepoPath, mode: FileMode) -> Option<Finding> {
    let what = match mode {
        FileMode::Regular => return None,
        FileMode::Symlink => "a symbolic link".to_owned(),
        FileMode::Submodule => "a submodule".to_owned(),
        FileMode::Unknown(bits) => format!("an entry of unknown mode {bits:o}"),
    };
    let message = format!("{what} stands where a migration should be; links are never followed");
    Some(Finding::new(&NOT_A_FILE, Place::path(path.display(), None), message).help("commit the file itself"))
}

/// Explains a path that looks like a migration of a project and does not match.
pub fn mismatch(project: &Project, path: &RepoPath) -> Finding {
    let shown = path.display();
    let miss = near_miss(&project.template, &shown);
    let message = "this file would never run: its path does not match the template".to_owned();
    let mut finding = Finding::new(&PATH_MISMATCH, Place::path(shown.clone(), Some(miss.blame)), message)
        .label(miss.problem)
        .note(format!("template: {}", project.template.text));
    for segment in &miss.segments {
        let found = segment.found.map_or("(nothing)", |span| span.of(&shown));
        let expected = if segment.expected.is_empty() { "(nothing)" } else { &segment.expected };
        let verdict = segment.problem.as_deref().map_or_else(|| "ok".to_owned(), |problem| format!("WRONG: {problem}"));
        finding = finding.note(format!("  {found}  against  {expected}  {verdict}"));
    }
    if let Some(place) = setting(project, "file-path-template") {
        finding = finding.related(place, "the template is set here");
    }
    match miss.suggestion {
        Some(near) => finding.help(format!("git mv {} {}", for_shell(&shown), for_shell(&near))),
        None => finding.help("`schemagate new` writes a path that matches; or name the file in `ignore`"),
    }
}

/// Says why the history could not hold a version.
pub fn too_long(migration: &Migration) -> Option<String> {
    let (length, key) = (migration.version.as_str().chars().count(), migration.version_key.chars().count());
    if length > LONGEST_VERSION {
        return Some(format!("this version has {length} characters; at most {LONGEST_VERSION} are recorded"));
    }
    (key > LONGEST_KEY)
        .then(|| format!("compared as numbers this version takes {key} characters; at most {LONGEST_KEY} are recorded"))
}

/// The place of a setting in the manifest.
pub fn setting(project: &Project, key: &str) -> Option<Place> {
    project.places.get(key).map(|span| Place::content(MANIFEST, *span))
}

/// Finds unknown names and wrong formats in a path that matched.
pub fn names(project: &Project, migration: &Migration, known: &KnownNames) -> Vec<Finding> {
    let mut findings = Vec::new();
    let path = migration.path.display();
    let found = project.template.matches(&path);
    let place = |field: Field| {
        let span = found.as_ref().and_then(|found| found.fields[field as usize]);
        Place::path(path.clone(), Some(span.unwrap_or(Span::new(0, path.len()))))
    };
    findings.extend(unknown_group(project, known, &path));
    findings.extend(unknown_environment(project, migration, known, place(Field::Environment)));
    findings.extend(unknown_database(project, migration, known, &place(Field::Database)));
    if let Some(message) = too_long(migration) {
        findings.push(Finding::new(&PATH_UNREADABLE, place(Field::Version), message).help("choose a shorter version"));
    }
    if let Some(complaint) = project.version_format.complaint(migration.version.as_str()) {
        let message = format!("version `{}` has the wrong format: {complaint}", migration.version);
        let finding = Finding::new(&VERSION_FORMAT, place(Field::Version), message).label(complaint);
        let help = format!("schemagate renumber {}", for_shell(&path));
        findings.push(caused(finding.help(help), project, "version-format"));
    }
    let written = found.as_ref().and_then(|found| found.value(&path, Field::Description));
    if let (Some(format), Some(written)) = (&project.description_format, written)
        && !format.is_match(written)
    {
        let message = format!("description `{written}` does not match {}", format.as_str());
        let finding = Finding::new(&DESCRIPTION_FORMAT, place(Field::Description), message).label("this description");
        findings.push(caused(finding.help("rename the file with `git mv`"), project, "description-format"));
    }
    findings
}

fn caused(finding: Finding, project: &Project, key: &str) -> Finding {
    match setting(project, key) {
        Some(place) => finding.related(place, format!("`{key}` is set here")),
        None => finding,
    }
}

fn candidates(given: &str, names: &[&str], source: &str) -> String {
    match did_you_mean(given, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {source} has {}", enumerate(names, 12)),
        None => format!("{source} has {}", enumerate(names, 12)),
    }
}

fn unknown_group(project: &Project, known: &KnownNames, path: &str) -> Option<Finding> {
    let (group, groups) = (project.group.as_ref()?, known.groups.as_ref()?);
    if groups.contains(group) {
        return None;
    }
    let names: Vec<&str> = groups.iter().map(String::as_str).collect();
    let message = format!("no target belongs to the group `{group}`, so this would run nowhere");
    let finding = Finding::new(&UNKNOWN_DATABASE, Place::path(path, None), message);
    Some(finding.help(candidates(group, &names, known.source)))
}

fn unknown_environment(project: &Project, migration: &Migration, known: &KnownNames, place: Place) -> Option<Finding> {
    let name = migration.environment.as_ref()?;
    let (names, source): (Vec<&str>, &str) = if known.environments.is_empty() {
        (project.environments.iter().map(EnvironmentName::as_str).collect(), "the manifest")
    } else {
        (known.environments.iter().map(|(name, _)| name.as_str()).collect(), known.source)
    };
    if names.is_empty() || names.contains(&name.as_str()) {
        return None;
    }
    let message = format!("environment `{name}` is not known, so this would run nowhere");
    let finding = Finding::new(&UNKNOWN_ENVIRONMENT, place, message).label("no such environment");
    Some(finding.help(candidates(name.as_str(), &names, source)))
}

fn unknown_database(project: &Project, migration: &Migration, known: &KnownNames, place: &Place) -> Option<Finding> {
    let name = migration.database.as_ref()?;
    let unknown = |message: String, names: &[&str], source: &str| {
        let help = candidates(name.as_str(), names, source);
        Some(Finding::new(&UNKNOWN_DATABASE, place.clone(), message).label("no such database").help(help))
    };
    if project.database(Some(name)).is_none() {
        let names: Vec<&str> = project.databases.keys().map(DatabaseName::as_str).collect();
        let finding = unknown(format!("database `{name}` is not in the manifest"), &names, "the manifest")?;
        return Some(caused(finding, project, "databases"));
    }
    let serving: Vec<&(EnvironmentName, Vec<DatabaseName>)> = known
        .environments
        .iter()
        .filter(|(environment, _)| migration.environment.as_ref().is_none_or(|wanted| wanted == environment))
        .collect();
    let nothing_mapped = known.environments.iter().all(|(_, databases)| databases.is_empty());
    if serving.is_empty() || nothing_mapped || serving.iter().any(|(_, databases)| databases.contains(name)) {
        return None;
    }
    let mut names: Vec<&str> = serving.iter().flat_map(|(_, databases)| databases).map(DatabaseName::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let whereabouts =
        migration.environment.as_ref().map_or("any environment".to_owned(), |name| format!("environment `{name}`"));
    unknown(
        format!("database `{name}` is not mapped in {whereabouts}, so this would run nowhere"),
        &names,
        known.source,
    )
}

/// Returns what a path becomes when case and composition are ignored.
pub fn folded(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(text) if !text.is_ascii() => text.nfc().flat_map(char::to_lowercase).nfc().collect::<String>().into_bytes(),
        _ => path.to_ascii_lowercase(),
    }
}

/// Finds a migration in a folder that differs only in case from a base directory: it would never run.
pub fn miscased(project: &Project, path: &RepoPath) -> Finding {
    let shown = path.display();
    let message = format!("this file would never run: the base directory is `{}`, in exactly this case", project.base);
    let span = Span::new(0, project.base.len().min(shown.len()));
    let target = format!("{}{}", project.base, shown.get(project.base.len()..).unwrap_or_default());
    Finding::new(&PATH_TWIN, Place::path(shown.clone(), Some(span)), message)
        .label("other case")
        .help(format!("git mv '{shown}' '{target}'"))
}

/// Finds that `path` is a twin of `other`.
pub fn twin(path: &RepoPath, other: &RepoPath) -> Finding {
    let message = format!(
        "this differs only in case or composition from `{}`: a checkout on macOS or Windows would lose one",
        other.display()
    );
    Finding::new(&PATH_TWIN, Place::path(path.display(), None), message)
        .related(Place::path(other.display(), None), "the other one")
        .help("rename one of the two")
}
