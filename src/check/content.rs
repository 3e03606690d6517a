//! Judging what files hold.
//!
//! Knows which files of a change are read, with which bounds, and which migrations stand before them. Refuses to read
//! them itself.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;

use crate::catalogue::Catalogue;
use crate::check::reading::{flavour_of, statements};
use crate::check::states::{States, unchanged};
use crate::check::{Judge, Reading, read_path};
use crate::config::Dialect;
use crate::config::conventions::Conventions;
use crate::config::flavour::Flavour;
use crate::config::limits::Limits;
use crate::config::manifest::{PathSuppression, Project};
use crate::data_change::{Mistake, is_manifest, sql_of};
use crate::finding::{Finding, Report, Rule, Severity, Suppressed};
use crate::migration::{FileMode, Migration, RepoPath};
use crate::rules::scene::follow;
use crate::rules::suppression::{self, suppressions};
use crate::rules::{self, File, Script, Tally, bytes, naming};
use crate::sql::copy::{NO_ROWS, taking_rows};
use crate::sql::split::Statement;
use crate::sql::sqlite::Replay;
use crate::sql::verdict::{Answer, Bench};
use crate::sql::version_comments::unsettled;
use crate::text::Span;

/// A file whose content is to be judged.
#[derive(Debug, Clone)]
pub struct ToRead {
    /// What its path says.
    pub migration: Migration,
    /// The database product it is for.
    pub flavour: Option<Flavour>,
    /// The one that the manifest before says, where it says another: the content is judged for both.
    pub flavour_before: Option<Flavour>,
    /// Largest size that is read, in bytes.
    pub largest: u64,
    /// How much of it is judged.
    pub limits: Limits,
    /// Whether it is new or changed, so that it has run nowhere in this form.
    pub pending: bool,
}

/// Asks a checking server of a product about a statement.
pub type AskServer<'c> = &'c dyn Fn(Flavour, &str) -> Answer;

/// What a content is judged with.
pub struct Court<'c> {
    /// SQLite: the schema that the migrations before it make, where it is known.
    pub replay: Option<&'c RefCell<Replay>>,
    /// The tables that the migrations before it make.
    pub known: Option<&'c RefCell<Catalogue>>,
    /// Asks the checking server of a product about a statement.
    pub server: Option<AskServer<'c>>,
    /// Time that has passed since some moment.
    pub clock: &'c dyn Fn() -> Duration,
}

impl<'a> Judge<'a> {
    pub(super) fn to_read(&self, states: &States) -> Vec<ToRead> {
        let mut files = Vec::new();
        for (path, mode, blob) in self.added(self.now, states) {
            if mode != FileMode::Regular || naming::unreadable(path).is_some() {
                continue;
            }
            let Reading::Migration(project, migration) = read_path(self.now, path, blob) else { continue };
            let flavour = project.database(migration.database.as_ref()).map(|database| database.flavour);
            let earlier = self.earlier(project);
            let strictest = self.before.and_then(|before| before.projects.iter().map(|other| other.largest_file).min());
            let sizes = [
                Some(project.largest_file),
                earlier.map_or(strictest, |earlier| Some(earlier.largest_file)),
                self.policy.and_then(|policy| policy.largest_file),
            ];
            let largest = sizes.into_iter().flatten().min().unwrap_or(project.largest_file);
            // A project that is new in this change has nothing looser than the strictest that was there.
            let all =
                self.before.and_then(|before| before.projects.iter().map(|other| other.limits).reduce(Limits::lower));
            let law = earlier.map_or(all, |earlier| Some(earlier.limits));
            let others = law.into_iter().chain(self.policy.map(|policy| policy.limits));
            let limits = others.fold(project.limits, Limits::lower);
            let before = self.before.and_then(|before| flavour_of(before, path, blob));
            let flavour_before = before.filter(|before| Some(*before) != flavour);
            let pending = !unchanged(states, path);
            files.push(ToRead { migration: *migration, flavour, flavour_before, largest, limits, pending });
        }
        files
    }

    /// Returns the migrations that the new state holds for the same database as a file, the file among them, in order.
    pub fn lineage(&self, states: &States, file: &ToRead) -> Vec<Migration> {
        let Some(project) = self.project_of(file) else { return vec![file.migration.clone()] };
        let changed =
            states.changes.iter().filter_map(|change| change.after.as_ref().map(|(_, blob)| (&change.path, blob)));
        let same = |other: &Migration| {
            other.environment == file.migration.environment && other.database == file.migration.database
        };
        let arrived = changed.filter_map(|(path, blob)| project.migration(path, blob));
        let mut lineage: Vec<Migration> = arrived.chain(self.kept(project, states)).filter(same).collect();
        lineage.sort_by(|one, other| one.position().cmp(&other.position()).then_with(|| one.path.cmp(&other.path)));
        lineage.dedup_by(|one, other| one.path == other.path);
        lineage
    }

    /// Judges the content of one file.
    pub fn content(&self, file: &ToRead, content: &[u8], court: &Court<'_>) -> Report {
        let name = file.migration.path.display();
        let mut report = Report::default();
        report.migrations = 1;
        let mut findings = rules::look_at_bytes(&File { name: &name, bytes: content });
        // What is not text in a few places is read as if something else stood there, so that the rest is judged too.
        let masked = bytes::masked(content);
        let fit = !findings.iter().any(|finding| {
            finding.severity == Severity::Error && (*finding.rule != bytes::NOT_UTF8 || masked.is_none())
        });
        let text = masked.as_deref();
        match text.filter(|_| fit).map(|text| sql_of(&file.migration.path, text)) {
            Some(Ok(sql)) => {
                let mut found = self.script(file, &name, &sql, court, &mut report);
                // Edits are of SQL that stands in the file as it is.
                if text != Some(&*sql) {
                    found.iter_mut().for_each(|finding| (finding.certain, finding.edit) = (false, None));
                }
                findings.extend(found);
                if is_manifest(&file.migration.path)
                    && let Some(span) = file.flavour.and_then(|flavour| taking_rows(&sql, flavour))
                {
                    let (message, help) = (NO_ROWS.to_owned(), "write INSERT".to_owned());
                    findings.push(bytes::data_change(&name, &Mistake { span, message, help }));
                }
            }
            Some(Err(mistake)) => {
                findings.push(bytes::data_change(&name, &mistake));
                lose_track(court);
            }
            None => lose_track(court),
        }
        let weighed = findings.into_iter().map(|finding| self.weigh_for(file, finding)).collect();
        self.spare(file, &name, text.unwrap_or_default(), weighed, &mut report);
        if let (false, Some(text)) = (report.is_silent(), text) {
            report.keep_source(name, text);
        }
        report
    }

    /// Says whether findings of a rule would be reported for a file.
    fn is_wanted(&self, file: &ToRead, rule: &'static Rule) -> bool {
        let environment = file.migration.environment.as_ref();
        self.severity(rule, self.project_of(file), environment) > Severity::Off
    }

    /// The conventions for a file: those of its project, and what held before this change as well.
    fn conventions(&self, file: &ToRead) -> Conventions {
        let Some(project) = self.project_of(file) else { return Conventions::default() };
        let before: Vec<&Project> = match (self.earlier(project), self.before) {
            (Some(earlier), _) => vec![earlier],
            (None, Some(before)) => before.projects.iter().collect(),
            (None, None) => Vec::new(),
        };
        before.into_iter().fold(project.conventions.clone(), |conventions, other| conventions.and(&other.conventions))
    }

    fn project_of(&self, file: &ToRead) -> Option<&'a Project> {
        self.now.projects.iter().find(|project| project.name == file.migration.project)
    }

    fn weigh_for(&self, file: &ToRead, finding: Finding) -> Finding {
        match self.project_of(file) {
            Some(project) => self.weigh_in(finding, project, Some(&file.migration)),
            None => finding,
        }
    }

    /// Leaves out what the file or the manifest suppresses; what is left goes into the report.
    fn spare(&self, file: &ToRead, name: &str, text: &str, findings: Vec<Finding>, report: &mut Report) {
        let flavour = file.flavour.unwrap_or_else(|| Dialect::Postgres.into());
        let environment = file.migration.environment.as_ref();
        let locked = |rule: &Rule| self.policy.is_some_and(|policy| policy.is_locked(rule.name, environment));
        let mut written = Vec::new();
        let mut slips = Vec::new();
        if text.contains("schemagate:") && !is_manifest(&file.migration.path) {
            let mark = if text.as_bytes().starts_with(bytes::MARK) { bytes::MARK.len() } else { 0 };
            (written, slips) = suppressions(name, text, &statements(text, mark, file.flavour), flavour);
        }
        let (stay, gone) = suppression::apply(name, &written, findings, &locked, &|rule| self.is_wanted(file, rule));
        report.extend_suppressed(gone);
        let (stay, gone) = self.spared_by_manifest(file, stay, &locked);
        report.extend_suppressed(gone);
        report.extend(stay.into_iter().chain(slips).map(|finding| self.weigh_for(file, finding)));
    }

    /// What the manifest suppresses for a path. It counts once it has been released: a push does not excuse itself.
    fn spared_by_manifest(
        &self,
        file: &ToRead,
        findings: Vec<Finding>,
        locked: &dyn Fn(&Rule) -> bool,
    ) -> (Vec<Finding>, Vec<Suppressed>) {
        let Some(project) = self.project_of(file) else { return (findings, Vec::new()) };
        let before = self.earlier(project);
        let reason = |project: &Project, rule: &Rule| {
            let path = file.migration.path.as_str().unwrap_or_default();
            let covers = |one: &&PathSuppression| {
                one.rules.contains(&rule.name) && suppression::may_be_suppressed(rule) && one.path.matches(path)
            };
            project.suppressions.iter().find(covers).map(|one| one.reason.clone())
        };
        let (mut stay, mut gone) = (Vec::new(), Vec::new());
        for finding in findings {
            let released = self.before.is_none() || before.is_some_and(|before| reason(before, finding.rule).is_some());
            match reason(project, finding.rule).filter(|_| released && !locked(finding.rule)) {
                Some(reason) => gone.push(Suppressed { finding, reason }),
                None => stay.push(finding),
            }
        }
        (stay, gone)
    }

    fn script(&self, file: &ToRead, name: &str, text: &str, court: &Court<'_>, report: &mut Report) -> Vec<Finding> {
        let mark = if text.as_bytes().starts_with(bytes::MARK) { bytes::MARK.len() } else { 0 };
        let begun = (court.clock)();
        let late = || (court.clock)().saturating_sub(begun) > file.limits.time;
        let conventions = self.conventions(file);
        let mut findings = Vec::new();
        for flavour in file.flavour_before.map(Some).into_iter().chain([file.flavour]) {
            let statements = statements(text, mark, flavour);
            let present = flavour == file.flavour;
            let replay =
                court.replay.filter(|_| present && flavour.is_some_and(|flavour| flavour.dialect == Dialect::Sqlite));
            if let Some(replay) = replay {
                replay.borrow_mut().next_file();
            }
            let ask = court.server.zip(flavour);
            let ask = ask.map(|(server, flavour)| move |text: &str| server(flavour, text));
            let server = ask.as_ref().map(|ask| ask as &dyn Fn(&str) -> Answer);
            let bench = flavour.map(|flavour| Bench { flavour, limits: file.limits, replay, server });
            let kind = file.migration.kind;
            let known = court.known.filter(|_| present);
            let pending = file.pending;
            let wanted = |rule: &'static Rule| self.is_wanted(file, rule);
            let script = Script {
                name,
                text,
                kind,
                database: file.migration.database.as_ref().map(|name| name.as_str()),
                bench,
                statements: &statements,
                known,
                pending,
                conventions: &conventions,
                wanted: &wanted,
                late: &late,
            };
            let mut tally = Tally::default();
            findings.extend(rules::look_at_script(&script, &mut tally));
            settle_edits(&mut findings, &statements, text, file.pending);
            if statements.is_empty() && flavour.is_none_or(|flavour| unsettled(text, flavour).is_empty()) {
                findings.push(bytes::empty(name));
            }
            report.statements = statements.len();
            report.not_analysed = tally.not_analysed;
        }
        findings
    }
}

/// Only a new file may be written anew; a safe way stands for a statement only where the file holds nothing else.
fn settle_edits(findings: &mut [Finding], statements: &[Statement], text: &str, pending: bool) {
    let only = match statements {
        [only] if !only.client => Some(only.span),
        _ => None,
    };
    for finding in findings {
        let inside = |statement: &Span| {
            finding.place.span.is_some_and(|place| statement.start <= place.start && place.end <= statement.end)
        };
        let replaced = only.filter(inside).zip(finding.safe.first()).filter(|_| finding.certain).map(|(span, safe)| {
            let ended = usize::from(text[span.end..].starts_with(';'));
            (Span::new(span.start, span.end + ended), safe.trim_end().to_owned())
        });
        finding.edit = finding.edit.take().or(replaced).filter(|_| pending);
        finding.certain = finding.edit.is_some();
    }
}

/// A file that could not be read leaves the schema behind it unknown.
fn lose_track(court: &Court<'_>) {
    if let Some(replay) = court.replay {
        replay.borrow_mut().lose_track("a file could not be read");
    }
    if let Some(known) = court.known {
        known.borrow_mut().lose_track("a file could not be read");
    }
}

/// The schema that migrations make, as their judges know it.
pub struct Schema {
    /// The product.
    pub flavour: Flavour,
    /// SQLite: a database that has carried them out.
    pub replay: Option<RefCell<Replay>>,
    /// What they define.
    pub known: RefCell<Catalogue>,
}

impl Schema {
    /// Carries out a migration that is not judged; `pending` says whether it has run nowhere yet.
    pub fn follow(&self, path: &RepoPath, content: &[u8], pending: bool) {
        let text = std::str::from_utf8(content.strip_prefix(bytes::MARK).unwrap_or(content));
        let Ok(text) = text else {
            self.lose_track("a file is not UTF-8 text");
            return;
        };
        let text = &*sql_of(path, text).unwrap_or(Cow::Borrowed(text));
        let statements = statements(text, 0, Some(self.flavour));
        let texts = statements.iter().filter(|statement| !statement.client).map(|statement| statement.span.of(text));
        if let Some(replay) = &self.replay {
            let mut replay = replay.borrow_mut();
            replay.next_file();
            texts.clone().for_each(|text| replay.follow(text));
        }
        follow(&self.known, texts, self.flavour, pending);
    }

    /// From here on not all is known.
    pub fn lose_track(&self, why: &str) {
        if let Some(replay) = &self.replay {
            replay.borrow_mut().lose_track(why);
        }
        self.known.borrow_mut().lose_track(why);
    }
}

/// Finds that a file could not be read within its limit.
pub fn too_large(file: &ToRead, size: u64) -> Finding {
    bytes::too_large(&file.migration.path.display(), size, file.largest)
}
