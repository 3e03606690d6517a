//! Where triggers and views of MySQL and MariaDB lead: to tables of other databases, which may have no transactions.
//!
//! Read from their texts: a name before a dot may be that of a database. Refuses to ask.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Dialect;
use crate::engine::wire::Rows;
use crate::engine::words::Words;

/// The question for the tables that have triggers and for the views of this database, with their texts.
pub(super) const TEXTS: &str = "SELECT lower(event_object_table), action_statement FROM information_schema.triggers WHERE \
                                trigger_schema = DATABASE() UNION ALL SELECT lower(table_name), view_definition FROM \
                                information_schema.views WHERE table_schema = DATABASE()";

/// Tables and views of a database, each with the names that may be other databases to which it leads.
pub(super) type Ways = BTreeMap<String, BTreeSet<String>>;

/// Reads the answer to [`TEXTS`].
pub(super) fn ways(rows: Rows, own: &str, dialect: Dialect) -> Ways {
    let mut ways = Ways::new();
    let rows = rows.into_iter().filter_map(|row| <[Option<String>; 2]>::try_from(row).ok());
    for [table, text] in rows {
        let words = Words::of(&text.unwrap_or_default(), dialect);
        let before_a_dot = words.list.windows(2).filter(|pair| pair[1].0 == ".").map(|pair| pair[0].0.to_lowercase());
        let others =
            before_a_dot.filter(|name| !["new", "old"].contains(&name.as_str()) && *name != own.to_lowercase());
        ways.entry(table.unwrap_or_default()).or_default().extend(others);
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_before_dots_may_be_databases() {
        let text = "BEGIN INSERT INTO `Audit`.log VALUES (NEW.id, OLD.b); UPDATE shop.t SET a = 1; END";
        let found = ways(vec![vec![Some("t".to_owned()), Some(text.to_owned())]], "Shop", Dialect::Mariadb);
        assert_eq!(found.get("t").unwrap().iter().collect::<Vec<_>>(), ["audit"]);
    }
}
