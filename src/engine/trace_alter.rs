//! What an `ALTER TABLE` of MySQL or MariaDB leaves in the catalogue.
//!
//! Its actions take effect together, so those that show speak for those that do not. Refuses to guess: an action that may
//! or may not do something (`IF EXISTS`), and one without a name, says nothing.

use crate::engine::probe::{Effect, Kind};
use crate::engine::trace::harmless;
use crate::engine::words::Words;

/// What one action shows.
enum Action {
    /// These things are there, or are not.
    Shows(Vec<(Kind, String, bool)>),
    /// It may run again without harm.
    Repeatable,
    /// Nothing that can be looked up.
    Nothing,
}

/// Reads what stands behind ALTER; `None` if nothing can be looked up.
pub(super) fn altered(words: &mut Words) -> Option<Vec<Effect>> {
    words.any(&["ONLINE"]);
    words.any(&["IGNORE"]);
    if !words.take(&["TABLE"]) || words.take(&["IF", "EXISTS"]) {
        return None;
    }
    let (schema, table) = words.qualified()?;
    let effect = |(kind, name, there): (Kind, String, bool)| {
        // A renamed table is looked for under its new name, in the schema that is named with it.
        Effect { kind, schema: schema.clone(), table: Some(table.clone()), name, there }
    };
    let (mut effects, mut only_repeatable) = (Vec::new(), true);
    loop {
        match action(words) {
            Action::Shows(list) => {
                only_repeatable = false;
                effects.extend(list.into_iter().map(effect));
            }
            Action::Repeatable => {}
            Action::Nothing => only_repeatable = false,
        }
        if !words.next_action() {
            break;
        }
    }
    if only_repeatable { Some(harmless()) } else { Some(effects) }
}

fn action(words: &mut Words) -> Action {
    let settings = [
        "MODIFY",
        "ENGINE",
        "COMMENT",
        "DEFAULT",
        "CHARACTER",
        "CHARSET",
        "ROW_FORMAT",
        "ALGORITHM",
        "LOCK",
        "COLLATE",
        "AUTO_INCREMENT",
        "FORCE",
    ];
    if words.any(&settings) || words.take(&["CONVERT", "TO", "CHARACTER"]) || words.take(&["CONVERT", "TO", "CHARSET"])
    {
        return Action::Repeatable;
    }
    if words.take(&["ALTER"]) {
        return default_of(words).unwrap_or(Action::Nothing);
    }
    let shown = if words.take(&["ADD"]) {
        added(words).map(|one| vec![one])
    } else if words.take(&["DROP"]) {
        dropped(words).map(|one| vec![one])
    } else if words.take(&["CHANGE"]) {
        words.any(&["COLUMN"]);
        match old_and_new(words, Kind::Column, "") {
            // The same column under its own name: only its definition changes.
            Some(names) if names[0].1.to_lowercase() == names[1].1.to_lowercase() => return Action::Repeatable,
            names => names,
        }
    } else if words.take(&["RENAME"]) {
        renamed(words)
    } else {
        None
    };
    shown.map_or(Action::Nothing, Action::Shows)
}

/// `ALTER [COLUMN] name SET DEFAULT ...` and what else of ALTER may run again.
fn default_of(words: &mut Words) -> Option<Action> {
    if words.any(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) {
        words.name()?;
        words.any(&["NOT"]);
        return words.any(&["VISIBLE", "INVISIBLE", "IGNORED", "ENFORCED"]).then_some(Action::Repeatable);
    }
    words.any(&["COLUMN"]);
    words.name()?;
    (words.take(&["SET", "DEFAULT"]) || words.take(&["DROP", "DEFAULT"])).then_some(Action::Repeatable)
}

/// Two names, one of which is gone and one there afterwards.
fn old_and_new(words: &mut Words, kind: Kind, between: &str) -> Option<Vec<(Kind, String, bool)>> {
    if words.peek("IF") {
        return None;
    }
    let old = words.name()?;
    if !between.is_empty() && !words.take(&[between]) {
        return None;
    }
    Some(vec![(kind, old, false), (kind, words.name()?, true)])
}

fn renamed(words: &mut Words) -> Option<Vec<(Kind, String, bool)>> {
    if words.take(&["COLUMN"]) {
        return old_and_new(words, Kind::Column, "TO");
    }
    if words.any(&["INDEX", "KEY"]) {
        return old_and_new(words, Kind::Index, "TO");
    }
    words.any(&["TO", "AS"]);
    // With a schema of its own it may have gone elsewhere.
    let (schema, name) = words.qualified()?;
    schema.is_none().then(|| vec![(Kind::Table, name, true)])
}

/// A name that something gets; no word of the definition that stands where one could.
fn given(words: &mut Words) -> Option<String> {
    let not_names = ["IF", "FOREIGN", "UNIQUE", "PRIMARY", "CHECK", "USING", "INDEX", "KEY", "("];
    if not_names.iter().any(|word| words.peek(word)) { None } else { words.name() }
}

fn added(words: &mut Words) -> Option<(Kind, String, bool)> {
    if words.take(&["CONSTRAINT"]) {
        let name = given(words)?;
        // A primary key is called PRIMARY whatever its constraint is called; an index of its own name wins.
        if words.peek("PRIMARY") {
            return Some((Kind::Constraint, "PRIMARY".to_owned(), true));
        }
        if words.take(&["UNIQUE"]) {
            words.any(&["INDEX", "KEY"]);
            return (words.peek("(") || words.peek("USING")).then_some((Kind::Constraint, name, true));
        }
        return Some((Kind::Constraint, name, true));
    }
    if words.take(&["PRIMARY", "KEY"]) {
        return Some((Kind::Constraint, "PRIMARY".to_owned(), true));
    }
    let index = words.any(&["UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"]);
    if words.any(&["INDEX", "KEY"]) || index {
        return given(words).map(|name| (Kind::Index, name, true));
    }
    if ["FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM"].iter().any(|word| words.peek(word)) {
        return None;
    }
    words.any(&["COLUMN"]);
    given(words).map(|name| (Kind::Column, name, true))
}

fn dropped(words: &mut Words) -> Option<(Kind, String, bool)> {
    if words.take(&["PRIMARY", "KEY"]) {
        return Some((Kind::Constraint, "PRIMARY".to_owned(), false));
    }
    if ["PARTITION", "SYSTEM", "PERIOD"].iter().any(|word| words.peek(word)) {
        return None;
    }
    let kind = if words.any(&["INDEX", "KEY"]) {
        Kind::Index
    } else if words.take(&["FOREIGN", "KEY"]) || words.any(&["CONSTRAINT", "CHECK"]) {
        Kind::Constraint
    } else {
        words.any(&["COLUMN"]);
        Kind::Column
    };
    given(words).map(|name| (kind, name, false))
}
