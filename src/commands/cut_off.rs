//! What was about to run when its rollout was cut off, and of which no history tells.
//!
//! The ledger keeps it, so that its file is not edited while it may run. Under the lock nobody is at work: then what the
//! history does not know has not run. Refuses to run or to change anything in a database.

use std::borrow::Cow;

use anyhow::{Result, bail};

use crate::commands::apply::{Opened, Selection};
use crate::commands::changes::{Source, manifest};
use crate::commands::resolve::{self, trouble};
use crate::commands::rollout::{self, migrations};
use crate::commands::{Console, Exit, ledger};
use crate::config::server::Target;
use crate::engine::Access;
use crate::git::refs::tree_of;
use crate::history::Row;
use crate::migration::Place;
use crate::text::sanitize;

/// Lets go what was announced on a target and did not run; `None` if nothing of that name was.
///
/// # Errors
/// If the targets cannot be worked with, or it did begin.
pub(super) fn let_go(
    opened: &Opened,
    selection: &Selection,
    named: &str,
    yes: bool,
    console: &mut Console<'_>,
) -> Result<Option<Exit>> {
    let common_dir = &opened.repository.common_dir;
    let targets = resolve::meant(opened, selection)?;
    let meant = places(opened, named)?;
    let announced =
        |target: &Cow<'_, Target>| ledger::announced(common_dir, target).iter().any(|place| meant.contains(place));
    let waiting: Vec<Cow<'_, Target>> = targets.into_iter().filter(announced).collect();
    for target in &waiting {
        let label = target.label();
        console.say(&format!("{label}: `{}` was about to run when its rollout was cut off\n", sanitize(named)));
        if !yes {
            continue;
        }
        let (mut session, _) = rollout::open(target, &opened.loaded, Access::Write, target.manner.lock_wait)
            .map_err(|error| trouble(&error))?;
        session.lock(target.manner.lock_wait, &mut |_| {}).map_err(|error| trouble(&error))?;
        let rows = session.history().map_err(|error| trouble(&error))?;
        if rows.iter().map(Row::place).any(|place| meant.contains(&place)) {
            bail!("{label} has begun it meanwhile; see `schemagate status`");
        }
        let name = session.identity().name;
        ledger::keep(common_dir, target, &name, &rows, &mut std::iter::empty(), true)?;
        console.say("  done: nobody is at work there and its history does not know it, so its file may be changed\n");
    }
    if !yes && !waiting.is_empty() {
        console.say("  would look under the lock and record that it has not run; run it again with --yes\n");
    }
    let exit = if yes { Exit::Clean } else { Exit::Findings };
    Ok((!waiting.is_empty()).then_some(exit))
}

/// The places of the migrations of that path or version, on all branches.
fn places(opened: &Opened, named: &str) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for branch in &opened.branches {
        let source = Source::Tree(&opened.repository, tree_of(&opened.repository, &branch.tip)?);
        let Ok(manifest) = manifest(&source)? else { continue };
        let all = migrations(&source, &manifest)?;
        let meant = all.iter().filter(|one| one.path.display() == named || one.version.as_str() == named);
        places.extend(meant.map(|migration| migration.place()));
    }
    Ok(places)
}
