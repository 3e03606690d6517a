//! Tenants: many databases that take the same migrations, in waves, several at once.
//!
//! Each tenant is independent; a wave that brings the failures to the limit is the last one. Refuses to know how one
//! target is worked with.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::commands::changes::Source;
use crate::commands::ledger;
use crate::commands::rollout::{Common, Event, Rollout};
use crate::commands::tenants::{once, targets};
use crate::config::server::{Target, Tenants};
use crate::git::refs::tree_of;
use crate::git::repository::Repository;
use crate::migration::{DatabaseName, Migration};
use crate::render::rollout::{Standing, TargetView, WaveView};

/// More tenants in trouble than these are counted and not shown one by one.
const MOST_SHOWN: usize = 10;

/// So many tenants that were never asked before may give no answer before no more are asked.
const MOST_SILENT: usize = 3;

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
    let mut doubt = None;
    let known = targets(rollout.common.loaded, tenants).and_then(|targets| {
        once(rollout.common.loaded, tenants, &targets)?;
        let first = targets.first().filter(|first| rollout.waits_for_earlier(&tenants.environment, &first.audience));
        let most = match first.map(|first| rollout.applied_earlier(first)).transpose() {
            Err(trouble) if rollout.common.order.dry => {
                doubt = Some(format!("what may run here is not known: {}", trouble.message));
                Some(BTreeSet::new())
            }
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
    let (mut views, mut failures, mut shown, mut noted, mut asks) =
        (Vec::with_capacity(targets.len()), 0, 0, 0, MOST_SILENT);
    for (number, wave) in targets.chunks(tenants.wave).enumerate() {
        let stops = failures >= tenants.failures || (rollout.common.order.stop)();
        let over = held_back || stops && !rollout.common.order.dry;
        let begun = Instant::now();
        let mut ended = if over {
            wave.iter().map(|target| held(rollout, target, &mut asks)).collect()
        } else {
            let label = format!("{}/{}", tenants.environment, tenants.group);
            one_wave(rollout, common, tenants, wave, &mut |done| {
                let line = format!("  {label:<18} wave {} of {of}: {done} of {} done", number + 1, wave.len());
                tell(Event::Progress(&(line + "\n"), begun.elapsed()));
            })
        };
        for (view, target) in ended.iter_mut().zip(wave).filter(|(view, _)| in_trouble(view.standing)) {
            rollout.tell_help(target, view);
        }
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
                waiting: count(&|standing| standing == Standing::Waiting),
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
    let notes = doubt.into_iter().chain(strangers(rollout, tenants, &everyone, &views)).collect();
    close(rollout, tenants, (&views, held_back, notes), tell);
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

/// The names of a group's databases that stand elsewhere in the server file, in any environment; none of those that
/// cannot be asked for.
fn beside(rollout: &Rollout<'_>, tenants: &Tenants) -> BTreeSet<DatabaseName> {
    let loaded = rollout.common.loaded;
    let same = |other: &&Tenants| !std::ptr::eq(*other, tenants) && other.group == tenants.group;
    let sections = loaded.server.tenants.iter().filter(same);
    let everyone = tenants.audience();
    let single = loaded.server.targets.iter().filter(|target| target.audience.goes_with(&everyone));
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
    let again = &rollout.repository.again();
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..tenants.parallel.min(wave.len()) {
            let sender: Sender<()> = sender.clone();
            let (next, ended) = (&next, &ended);
            scope.spawn(move || {
                let repository = again().ok()?;
                work(&repository, common, wave, next, ended, &sender)
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
    ended.into_iter().zip(wave).map(|(view, target)| view.unwrap_or_else(|| held(rollout, target, &mut 0))).collect()
}

/// One worker: takes tenants until none is left.
fn work(
    repository: &Repository,
    common: Common<'_>,
    wave: &[Target],
    next: &AtomicUsize,
    ended: &Mutex<Vec<Option<TargetView>>>,
    done: &Sender<()>,
) -> Option<()> {
    let source = Source::Tree(repository, tree_of(repository, &common.branch.tip).ok()?);
    let rollout = Rollout { repository, source: &source, common };
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
fn held(rollout: &Rollout<'_>, target: &Target, asks: &mut usize) -> TargetView {
    let (order, common_dir) = (rollout.common.order, &rollout.repository.common_dir);
    if *asks > 0 && !order.dry && !(order.stop)() && !ledger::is_there(common_dir, target) {
        let view = rollout.target(target, true, &mut |_| {});
        // Where some do not answer others may not either, and nobody waits for all of them.
        *asks -= usize::from(!ledger::is_there(common_dir, target));
        return view;
    }
    let view = rollout.view(target.environment.as_str(), target.audience.database().as_str());
    TargetView { standing: Standing::HeldBack, ..view }
}
