//! Tables that are dropped only to be built anew: another one with their rows takes their name.
//!
//! Knows the orders in which people do that in one file. Refuses to know what the engines demand of them.

use crate::config::Dialect;
use crate::facts::{Change, Fact, Name, Object};
use crate::rules::scene::{Act, Scene};

/// Says whether the table that the statement drops is only built anew in this file.
pub(super) fn is_rebuilt(scene: &Scene<'_>, name: &Name) -> bool {
    is_replaced(scene, name) || is_copied_back(scene, name) || is_made_again(scene, name)
}

/// Says whether another table, which has got the rows, takes the name later in the file: then the table is only rebuilt.
fn is_replaced(scene: &Scene<'_>, name: &Name) -> bool {
    let same = |old: &Name, new: &Name| {
        new.name == name.name && new.schema.as_ref().or(old.schema.as_ref()) == name.schema.as_ref()
    };
    let heir = scene.later(&name.name).find_map(|act| match &act.fact {
        Fact::AlterTable(alteration) => {
            let takes = |change: &Change| matches!(change, Change::RenameTable(new) if same(&alteration.table, new));
            alteration.actions.iter().any(|action| takes(&action.change)).then_some(&alteration.table)
        }
        Fact::Rename(Object::Table, pairs) => pairs.iter().find(|(old, new)| same(old, new)).map(|(old, _)| old),
        _ => None,
    });
    heir.is_some_and(|heir| is_filled_from(scene, heir, name))
}

/// Says whether a table was filled from another before. Of SQLite its own rule says so, where both are known.
fn is_filled_from(scene: &Scene<'_>, heir: &Name, name: &Name) -> bool {
    let whole = |name: &Name| scene.schema.table(name).is_some_and(|table| table.whole);
    if scene.is(Dialect::Sqlite) && whole(heir) && whole(name) {
        return true;
    }
    let by_query = scene.earlier(&heir.name).any(|act| match &act.fact {
        Fact::CreateTable(table) if table.from_query && table.name.key() == heir.key() => {
            let text = act.span.of(scene.script.text).to_lowercase();
            text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .any(|word| word == name.name.to_lowercase())
        }
        _ => false,
    });
    by_query || copies(scene.earlier(&name.name), name).iter().any(|into| into.key() == heir.key())
}

/// Says whether a table was renamed in this file, and its rows were copied into the one that took its name.
fn is_copied_back(scene: &Scene<'_>, name: &Name) -> bool {
    let renamed = scene.earlier(&name.name).find_map(|act| match &act.fact {
        Fact::AlterTable(alteration) => {
            let aside = |change: &Change| matches!(change, Change::RenameTable(new) if new.name == name.name);
            alteration.actions.iter().any(|action| aside(&action.change)).then_some(&alteration.table)
        }
        _ => None,
    });
    renamed.is_some_and(|old| copies(scene.earlier(&name.name), name).iter().any(|into| into.key() == old.key()))
}

/// The tables that statements fill with the rows of a table.
fn copies<'a>(acts: impl Iterator<Item = &'a Act>, from: &Name) -> Vec<&'a Name> {
    let into = |act: &'a Act| match &act.fact {
        Fact::Insert(insertion) => {
            let sources = insertion.from.as_ref()?;
            sources.iter().any(|source| source.key() == from.key()).then_some(&insertion.table)
        }
        _ => None,
    };
    acts.filter_map(into).collect()
}

/// Says whether the rows of a table are copied elsewhere before it goes, and come back into one of the same name.
fn is_made_again(scene: &Scene<'_>, name: &Name) -> bool {
    let back = |aside: &Name| copies(scene.later(&aside.name), aside).iter().any(|back| back.key() == name.key());
    copies(scene.earlier(&name.name), name).into_iter().any(back)
}
