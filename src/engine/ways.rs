//! Where triggers, views and routines of MySQL and MariaDB lead: to tables of other databases, which may have no
//! transactions.
//!
//! Read from their texts: a name before a dot may be that of a database, and a name that has a text of its own is followed.
//! Refuses to ask.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Dialect;
use crate::engine::wire::Rows;
use crate::engine::words::Words;

/// The question for the tables that have triggers, for the views and the routines of this database, with their texts.
pub(super) const TEXTS: &str = "SELECT event_object_table, action_statement FROM information_schema.triggers WHERE \
                                trigger_schema = DATABASE() UNION ALL SELECT table_name, view_definition FROM \
                                information_schema.views WHERE table_schema = DATABASE() UNION ALL SELECT routine_name, \
                                routine_definition FROM information_schema.routines WHERE routine_schema = DATABASE()";

/// Tables, views and routines of a database in lower case, each with the names that may be other databases to which it
/// leads.
pub(super) type Ways = BTreeMap<String, BTreeSet<String>>;

/// Reads the answer to [`TEXTS`].
pub(super) fn ways(rows: Rows, own: &str, dialect: Dialect) -> Ways {
    let (mut ways, mut names) = (Ways::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let rows = rows.into_iter().filter_map(|row| <[Option<String>; 2]>::try_from(row).ok());
    for [table, text] in rows {
        let (table, words) = (table.unwrap_or_default().to_lowercase(), Words::of(&text.unwrap_or_default(), dialect));
        let before_a_dot = words.list.windows(2).filter(|pair| pair[1].0 == ".").map(|pair| pair[0].0.clone());
        let others = before_a_dot.filter(|name| ["new", "old", own].iter().all(|no| !name.eq_ignore_ascii_case(no)));
        ways.entry(table.clone()).or_default().extend(others);
        names.entry(table).or_default().extend(words.list.into_iter().map(|(word, _)| word.to_lowercase()));
    }
    // Who leads to one of these leads to where that one leads.
    loop {
        let before: usize = ways.values().map(BTreeSet::len).sum();
        for (table, named) in &names {
            let further: Vec<String> = named
                .iter()
                .filter(|name| *name != table)
                .filter_map(|name| ways.get(name))
                .flatten()
                .cloned()
                .collect();
            ways.entry(table.clone()).or_default().extend(further);
        }
        if ways.values().map(BTreeSet::len).sum::<usize>() == before {
            return ways;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(texts: &[(&str, &str)]) -> String {
        let rows = texts.iter().map(|(name, text)| vec![Some((*name).to_owned()), Some((*text).to_owned())]).collect();
        let all = ways(rows, "Shop", Dialect::Mariadb);
        all.get("t").unwrap().iter().cloned().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_before_dots_may_be_databases() {
        let text = "BEGIN INSERT INTO `Audit`.log VALUES (NEW.id, OLD.b); UPDATE shop.t SET a = 1; END";
        assert_eq!(found(&[("T", text)]), "Audit");
    }

    #[test]
    fn a_way_may_have_several_parts() {
        let texts = [("t", "INSERT INTO u VALUES (1)"), ("U", "CALL p(1)"), ("p", "INSERT INTO far.m VALUES (1)")];
        assert_eq!(found(&texts), "far");
        assert_eq!(found(&[("t", "INSERT INTO u VALUES (1)"), ("u", "UPDATE t SET a = 1")]), "");
    }
}
