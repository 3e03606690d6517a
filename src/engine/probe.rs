//! Questions to the catalogue: whether what a statement leaves is there.
//!
//! Asked about one statement that was begun and whose end nobody recorded. Refuses to read statements.

use crate::config::Dialect;
use crate::engine::detach::is_partition;
use crate::engine::record::text as literal;

/// Something in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) kind: Kind,
    /// The schema that is named, if one is.
    pub(super) schema: Option<String>,
    /// The table it belongs to.
    pub(super) table: Option<String>,
    pub(super) name: String,
    /// Whether it is there once the statement took effect.
    pub(super) there: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A statement that may run again without harm; nothing is asked.
    Harmless,
    Table,
    Column,
    Index,
    /// A partition of a table of PostgreSQL; both are names in quotes.
    Partition,
    Constraint,
    Trigger,
    Procedure,
    Function,
    Event,
    Database,
}

/// What the catalogue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Everything the statement leaves.
    All,
    /// Nothing of it.
    None,
    /// A part.
    Some,
    /// It need not be asked: the statement may run again.
    Harmless,
}

/// Sums up: whether each effect is as the statement leaves it.
pub(super) fn found(answers: &[bool]) -> Found {
    match (answers.iter().all(|yes| *yes), answers.iter().any(|yes| *yes)) {
        (true, _) => Found::All,
        (false, false) => Found::None,
        (false, true) => Found::Some,
    }
}

impl Effect {
    /// The question that has rows where the answer to the other one would say nothing: a name without a schema that is
    /// found may be another one, behind the one that was dropped in the search path.
    pub(super) fn doubt(&self, dialect: Dialect) -> Option<String> {
        let dropped = !self.there && self.schema.is_none() && matches!(self.kind, Kind::Table | Kind::Index);
        (dropped && dialect == Dialect::Postgres).then(|| {
            let full = literal(&quoted(None, &self.name), dialect);
            format!("SELECT 1 WHERE to_regclass({full}) IS NOT NULL AND cardinality(current_schemas(false)) > 1")
        })
    }

    /// The question that has rows where the thing is there; `None` where nothing needs to be asked.
    pub(super) fn question(&self, dialect: Dialect) -> Option<String> {
        let text = |value: &str| literal(value, dialect);
        let name = text(&self.name);
        if self.kind == Kind::Harmless {
            return None;
        }
        if dialect == Dialect::Postgres {
            let full = text(&quoted(self.schema.as_deref(), &self.name));
            return Some(match self.kind {
                Kind::Partition => is_partition(self.table.as_deref().unwrap_or_default(), &self.name),
                Kind::Database => format!("SELECT 1 FROM pg_database WHERE datname = {name}"),
                // The table is found as the statement found it; only an index of this table is meant.
                Kind::Index if self.there => {
                    let table = text(&quoted(self.schema.as_deref(), self.table.as_deref().unwrap_or_default()));
                    format!(
                        "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = \
                         to_regclass({table}) AND c.relname = {name} AND i.indisvalid"
                    )
                }
                Kind::Table if self.there && self.schema.is_none() => {
                    format!(
                        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = \
                         {name} AND n.nspname = current_schema()"
                    )
                }
                _ => format!("SELECT 1 FROM pg_class WHERE oid = to_regclass({full})"),
            });
        }
        if dialect == Dialect::Sqlite && self.schema.as_deref().is_none_or(|schema| schema.eq_ignore_ascii_case("main"))
        {
            match self.kind {
                Kind::Table | Kind::Index | Kind::Trigger => {
                    return Some(format!("SELECT 1 FROM main.sqlite_master WHERE name = {name} COLLATE NOCASE"));
                }
                Kind::Column => {
                    let table = text(self.table.as_deref().unwrap_or_default());
                    return Some(format!(
                        "SELECT 1 FROM pragma_table_info({table}, 'main') WHERE name = {name} COLLATE NOCASE"
                    ));
                }
                _ => {}
            }
        }
        let schema = self.schema.as_deref().map_or_else(|| "DATABASE()".to_owned(), text);
        let table = self.table.as_deref().map(text).unwrap_or_default();
        let of_table = |view: &str, column: &str, prefix: &str| {
            format!(
                "SELECT 1 FROM information_schema.{view} WHERE {prefix}_schema = {schema} AND table_name = {table} AND {column} = {name}"
            )
        };
        let routine = |kind: &str| {
            format!(
                "SELECT 1 FROM information_schema.routines WHERE routine_schema = {schema} AND routine_name = {name} AND \
                 routine_type = '{kind}'"
            )
        };
        Some(match self.kind {
            Kind::Table => {
                format!("SELECT 1 FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {name}")
            }
            Kind::Column => of_table("columns", "column_name", "table"),
            Kind::Index => of_table("statistics", "index_name", "table"),
            Kind::Constraint => of_table("table_constraints", "constraint_name", "table"),
            Kind::Trigger => format!(
                "SELECT 1 FROM information_schema.triggers WHERE trigger_schema = {schema} AND trigger_name = {name}"
            ),
            Kind::Procedure => routine("PROCEDURE"),
            Kind::Function => routine("FUNCTION"),
            Kind::Event => {
                format!("SELECT 1 FROM information_schema.events WHERE event_schema = {schema} AND event_name = {name}")
            }
            Kind::Database => format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = {name}"),
            Kind::Partition | Kind::Harmless => return None,
        })
    }
}

/// A name of PostgreSQL with its schema, in quotes.
pub(super) fn quoted(schema: Option<&str>, name: &str) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    schema.into_iter().map(|schema| quote(schema) + ".").chain([quote(name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_never_taken_for_the_whole() {
        assert_eq!(found(&[true, true]), Found::All);
        assert_eq!(found(&[false, false]), Found::None);
        assert_eq!(found(&[true, false]), Found::Some);
    }
}
