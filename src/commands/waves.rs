//! Tenants: many databases that take the same migrations, in waves, several at once.
//!
//! Each tenant is independent; a wave that brings the failures to the limit is the last one. Refuses to know how one
//! target is worked with.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::commands::changes::Source;
use crate::commands::ledger;
use crate::commands::rollout::{Common, Event, READ_WAIT, Rollout, open};
use crate::commands::server::Loaded;
use crate::config::server::{DATABASE_MARK, Databases, Target, Tenants};
use crate::config::{Dialect, Pattern};
use crate::engine::lock::BEHIND_NAME;
use crate::engine::{Access, Trouble, engine_of};
use crate::git::refs::tree_of;
use crate::git::repository::Repository;
use crate::host;
use crate::migration::{DatabaseName, Migration};
use crate::render::rollout::{Standing, TargetView, WaveView};

/// More tenants in trouble than these are counted and not shown one by one.
const MOST_SHOWN: usize = 10;

/// How long nothing need be said of a wave.
const TICK: Duration = Duration::from_millis(500);

/// Rolls out to a group of tenants. With `held_back` none is touched.
pub(super) fn roll_out(
    rollout: &Rollout<'_>,
    tenants: &Tenants,
    held_back: bool,
    wanted: &dyn Fn(&str) -> bool,
    tell: &mut dyn FnMut(Event<'_>),
) -> Vec<TargetView> {
    let known = targets(rollout.common.loaded, tenants).and_then(|targets| {
        let first = targets.first().filter(|_| rollout.waits_for_earlier(&tenants.environment));
        let most = match first.map(|first| rollout.applied_earlier(first)).transpose() {
            // What may run is not known: of a plan that is the answer.
            Err(_) if rollout.common.order.dry => Some(BTreeSet::new()),
            most => most?.flatten(),
        };
        Ok((targets, most))
    });
    let (targets, most) = match known {
        Ok(known) => known,
        Err(trouble) => {
            let name = format!("tenants of {}", tenants.group);
            let mut view = rollout.view(tenants.environment.as_str(), &name);
            (view.standing, view.trouble, view.help) =
                (Standing::Unreachable, Some(trouble.message), Some(trouble.help));
            tell(Event::Target(&view));
            return vec![view];
        }
    };
    if !rollout.common.order.dry {
        // The judge of the next push learns of them here; without that it says that it does not know.
        let names = targets.iter().map(|target| target.audience.database().as_str());
        let _ = ledger::keep_tenants(&rollout.repository.common_dir, tenants, names);
    }
    let everyone = targets.iter().map(|target| target.audience.database().clone()).collect();
    let common = Common { most: Some(most.as_ref()), ..rollout.common };
    let targets: Vec<Target> =
        targets.into_iter().filter(|target| wanted(target.audience.database().as_str())).collect();
    let of = targets.len().div_ceil(tenants.wave);
    let (mut views, mut failures, mut shown, mut noted) = (Vec::with_capacity(targets.len()), 0, 0, 0);
    for (number, wave) in targets.chunks(tenants.wave).enumerate() {
        let stops = failures >= tenants.failures || (rollout.common.order.stop)();
        let over = held_back || stops && !rollout.common.order.dry;
        let begun = Instant::now();
        let ended = if over {
            wave.iter().map(|target| held(rollout, target)).collect()
        } else {
            let label = format!("{}/{}", tenants.environment, tenants.group);
            one_wave(rollout, common, tenants, wave, &mut |done| {
                let line = format!("  {label:<18} wave {} of {of}: {done} of {} done", number + 1, wave.len());
                tell(Event::Progress(&(line + "\n"), begun.elapsed()));
            })
        };
        let count = |wanted: &dyn Fn(Standing) -> bool| ended.iter().filter(|view| wanted(view.standing)).count();
        let bad = count(&in_trouble);
        if !over {
            failures += bad;
            let view = WaveView {
                environment: tenants.environment.to_string(),
                group: tenants.group.clone(),
                wave: number + 1,
                of,
                tenants: ended.len(),
                current: count(&|standing| standing == Standing::Current),
                pending: count(&|standing| standing == Standing::Pending),
                bad,
                held: count(&|standing| standing == Standing::HeldBack),
                duration_us: begun.elapsed().as_micros(),
            };
            for view in ended.iter().filter(|view| in_trouble(view.standing)) {
                if shown < MOST_SHOWN {
                    tell(Event::Target(view));
                }
                shown += 1;
            }
            for view in ended.iter().filter(|view| !in_trouble(view.standing) && !view.notes.is_empty()) {
                if noted < MOST_SHOWN {
                    tell(Event::Target(view));
                }
                noted += 1;
            }
            tell(Event::Wave(&view));
        }
        views.extend(ended);
    }
    let strangers = strangers(rollout, tenants, &everyone, &views);
    close(rollout, tenants, (&views, held_back, strangers), tell);
    views
}

/// Says whether something is wrong with a tenant itself.
fn in_trouble(standing: Standing) -> bool {
    standing.is_bad() && standing != Standing::HeldBack
}

/// Says that there are no tenants, or which data changes name databases that are none: of those that ran now, and of those
/// that nobody takes.
fn strangers(
    rollout: &Rollout<'_>,
    tenants: &Tenants,
    everyone: &BTreeSet<DatabaseName>,
    views: &[TargetView],
) -> Vec<String> {
    let mine = |migration: &&Migration| {
        let project = rollout.common.manifest.settings.projects.iter().find(|one| one.name == migration.project);
        project.is_some_and(|project| project.group.as_ref() == Some(&tenants.group))
    };
    let ran: BTreeSet<&str> = views.iter().flat_map(|view| &view.steps).map(|step| step.path.as_str()).collect();
    let (mut notes, mut others) = (Vec::new(), None);
    if everyone.is_empty() {
        notes.push("no tenant is named: the list, the pattern or the query of this group gives none".to_owned());
    }
    for migration in rollout.common.migrations.iter().filter(mine) {
        let Some(names) = &migration.only else { continue };
        if names.iter().all(|name| everyone.contains(name)) {
            continue;
        }
        let others = others.get_or_insert_with(|| beside(rollout, tenants));
        let stranger = |name: &&DatabaseName| !everyone.contains(*name) && !others.contains(*name);
        let unknown: Vec<&str> = names.iter().filter(stranger).map(DatabaseName::as_str).collect();
        let path = migration.path.display();
        if !unknown.is_empty() && (unknown.len() == names.len() || ran.contains(path.as_str())) {
            let unknown = crate::text::enumerate(&unknown, 8);
            notes.push(format!("{path} names what is no tenant of this group: {unknown}"));
        }
    }
    notes
}

/// The names of a group's databases in this environment that stand elsewhere in the server file; none of those that
/// cannot be asked for.
fn beside(rollout: &Rollout<'_>, tenants: &Tenants) -> BTreeSet<DatabaseName> {
    let loaded = rollout.common.loaded;
    let same = |other: &&Tenants| {
        !std::ptr::eq(*other, tenants) && other.environment == tenants.environment && other.group == tenants.group
    };
    let sections = loaded.server.tenants.iter().filter(same);
    let everyone = tenants.target(DatabaseName::new(String::new())).audience;
    let single = loaded
        .server
        .targets
        .iter()
        .filter(|target| target.environment == tenants.environment && target.audience.goes_with(&everyone));
    let listed = sections.flat_map(|other| targets(loaded, other).unwrap_or_default());
    listed.chain(single.cloned()).map(|target| target.audience.database().clone()).collect()
}

/// Says what is left when waves were stopped or more is wrong than was shown.
fn close(
    rollout: &Rollout<'_>,
    tenants: &Tenants,
    (views, held_back, notes): (&[TargetView], bool, Vec<String>),
    tell: &mut dyn FnMut(Event<'_>),
) {
    let held = views.iter().filter(|view| view.standing == Standing::HeldBack).count();
    let shown = views.iter().filter(|view| in_trouble(view.standing)).count();
    let mut view = rollout.view(tenants.environment.as_str(), &tenants.group);
    view.notes = notes;
    if held > 0 {
        view.standing = Standing::HeldBack;
        let count = crate::text::count(held, "tenant");
        let (why, help) = if held_back {
            (
                "an earlier environment stopped".to_owned(),
                "mend the earlier environment; the next push or `schemagate sync` goes on here",
            )
        } else if shown >= tenants.failures {
            (
                format!("{shown} failed, and `failures` is {}", tenants.failures),
                "mend what failed; then schemagate sync",
            )
        } else {
            ("the program was asked to end".to_owned(), "schemagate sync")
        };
        view.notes.push(format!("{count} not touched: {why}"));
        view.help = Some(help.to_owned());
    }
    if shown > MOST_SHOWN {
        view.notes.push(format!("{} more in trouble; see `schemagate status`", shown - MOST_SHOWN));
    }
    if !view.notes.is_empty() {
        tell(Event::Target(&view));
    }
}

/// Works on the tenants of a wave, several at once. Each worker opens the repository for itself.
fn one_wave(
    rollout: &Rollout<'_>,
    common: Common<'_>,
    tenants: &Tenants,
    wave: &[Target],
    tick: &mut dyn FnMut(usize),
) -> Vec<TargetView> {
    let next = AtomicUsize::new(0);
    let ended: Mutex<Vec<Option<TargetView>>> = Mutex::new(wave.iter().map(|_| None).collect());
    let git_dir = &rollout.repository.git_dir;
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..tenants.parallel.min(wave.len()) {
            let sender: Sender<()> = sender.clone();
            let (next, ended) = (&next, &ended);
            scope.spawn(move || {
                work(git_dir, common, wave, next, ended, &sender);
            });
        }
        drop(sender);
        let (mut done, mut told) = (0, Instant::now());
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(()) => done += 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if told.elapsed() >= TICK {
                tick(done);
                told = Instant::now();
            }
        }
    });
    let ended = ended.into_inner().unwrap_or_default();
    ended.into_iter().zip(wave).map(|(view, target)| view.unwrap_or_else(|| held(rollout, target))).collect()
}

/// One worker: takes tenants until none is left.
fn work(
    git_dir: &Path,
    common: Common<'_>,
    wave: &[Target],
    next: &AtomicUsize,
    ended: &Mutex<Vec<Option<TargetView>>>,
    done: &Sender<()>,
) -> Option<()> {
    let repository = Repository::discover(git_dir).ok()?;
    let source = Source::Tree(&repository, tree_of(&repository, &common.branch.tip).ok()?);
    let rollout = Rollout { repository: &repository, source: &source, common };
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let target = wave.get(at).filter(|_| !(common.order.stop)())?;
        let view = rollout.target(target, false, &mut |_| {});
        ended.lock().ok()?[at] = Some(view);
        done.send(()).ok()?;
    }
}

/// A tenant that is not tried. Of one that nothing is known of yet its history is asked for, so that files that failed
/// elsewhere may be mended.
fn held(rollout: &Rollout<'_>, target: &Target) -> TargetView {
    let order = rollout.common.order;
    if !order.dry && !(order.stop)() && !ledger::is_there(&rollout.repository.common_dir, target) {
        return rollout.target(target, true, &mut |_| {});
    }
    let view = rollout.view(target.environment.as_str(), target.audience.database().as_str());
    TargetView { standing: Standing::HeldBack, ..view }
}

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
            let dialect = catalogue(loaded, tenants)?.1;
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
fn catalogue(loaded: &Loaded, tenants: &Tenants) -> Result<(Box<dyn crate::engine::Session>, Dialect), Trouble> {
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
