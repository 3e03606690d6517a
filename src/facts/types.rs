//! Types of columns: their names made one, and what a change from one to another costs.
//!
//! Knows the synonyms of each engine and which changes PostgreSQL and MariaDB make without touching rows (measured on
//! PostgreSQL 15 and MariaDB 10.11, see `tests/all/locks.rs`). Refuses to know domains and extension types: a change of
//! these is never called cheap.

use serde::{Deserialize, Serialize};

use crate::config::Dialect;
use crate::text::Span;

/// A type as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Type {
    /// Its name: lower case, synonyms made one; empty where none is written.
    pub name: String,
    /// What stands in its parentheses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Words behind it that belong to it: `unsigned`, `zerofill`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// Whether it is an array.
    #[serde(skip_serializing_if = "crate::facts::is_false")]
    pub array: bool,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What a change of type costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Only the catalogue changes.
    Catalogue,
    /// Every row is written anew, or every row is read.
    Rows,
    /// That depends on what is not known here.
    Unknown,
}

impl Type {
    /// Says it as people write it.
    pub fn shown(&self) -> String {
        let arguments =
            if self.arguments.is_empty() { String::new() } else { format!("({})", self.arguments.join(",")) };
        let mut shown = format!("{}{arguments}", self.name);
        for attribute in &self.attributes {
            shown.push(' ');
            shown.push_str(attribute);
        }
        if self.array {
            shown.push_str("[]");
        }
        shown
    }

    fn number(&self, at: usize) -> Option<u64> {
        self.arguments.get(at)?.parse().ok()
    }

    /// Says whether it counts by itself: the serial types of PostgreSQL.
    pub fn is_serial(&self) -> bool {
        matches!(self.name.as_str(), "serial" | "bigserial" | "smallserial")
    }

    /// Says whether it is a type that an engine has of its own, and no domain or type of an extension.
    pub fn is_own(&self) -> bool {
        const NAMES: [&str; 60] = [
            "integer",
            "bigint",
            "smallint",
            "mediumint",
            "tinyint",
            "serial",
            "bigserial",
            "smallserial",
            "numeric",
            "decimal",
            "real",
            "double precision",
            "double",
            "float",
            "bit",
            "bit varying",
            "boolean",
            "money",
            "text",
            "tinytext",
            "mediumtext",
            "longtext",
            "character varying",
            "character",
            "varchar",
            "char",
            "nchar",
            "nvarchar",
            "binary",
            "varbinary",
            "blob",
            "tinyblob",
            "mediumblob",
            "longblob",
            "bytea",
            "uuid",
            "inet4",
            "inet6",
            "inet",
            "cidr",
            "macaddr",
            "macaddr8",
            "date",
            "time",
            "time with time zone",
            "timestamp",
            "timestamp with time zone",
            "datetime",
            "year",
            "interval",
            "json",
            "jsonb",
            "xml",
            "oid",
            "name",
            "point",
            "enum",
            "set",
            "tsvector",
            "numrange",
        ];
        NAMES.contains(&self.name.as_str())
    }

    /// Says whether it is a whole number of less than 64 bits.
    pub fn is_narrow(&self) -> bool {
        matches!(self.name.as_str(), "integer" | "smallint" | "serial" | "smallserial" | "mediumint" | "tinyint")
    }
}

/// Makes the synonyms of a type's name one.
pub(super) fn canonical(name: &str, dialect: Dialect) -> String {
    let one = match (dialect, name) {
        (_, "int" | "int4") => "integer",
        (Dialect::Postgres | Dialect::Mysql | Dialect::Mariadb, "int8") => "bigint",
        (Dialect::Postgres | Dialect::Mysql | Dialect::Mariadb, "int2") => "smallint",
        (Dialect::Postgres, "bool") => "boolean",
        (Dialect::Postgres, "varchar" | "char varying") => "character varying",
        (Dialect::Postgres, "char" | "bpchar") => "character",
        (Dialect::Postgres, "decimal" | "dec") => "numeric",
        (Dialect::Postgres, "timestamptz") => "timestamp with time zone",
        (Dialect::Postgres, "timestamp without time zone") => "timestamp",
        (Dialect::Postgres, "timetz") => "time with time zone",
        (Dialect::Postgres, "time without time zone") => "time",
        (Dialect::Postgres, "float8" | "float") => "double precision",
        (Dialect::Postgres, "float4") => "real",
        (Dialect::Postgres, "varbit") => "bit varying",
        (Dialect::Postgres, "serial4") => "serial",
        (Dialect::Postgres, "serial8") => "bigserial",
        (Dialect::Postgres, "serial2") => "smallserial",
        (Dialect::Mysql | Dialect::Mariadb, "numeric" | "dec" | "fixed") => "decimal",
        (Dialect::Mysql | Dialect::Mariadb, "character varying" | "varcharacter") => "varchar",
        (Dialect::Mysql | Dialect::Mariadb, "character") => "char",
        (Dialect::Mysql | Dialect::Mariadb, "bool" | "boolean") => "tinyint",
        (Dialect::Mysql | Dialect::Mariadb, "double precision" | "real") => "double",
        (_, name) => return name.to_owned(),
    };
    one.to_owned()
}

/// Says what it costs PostgreSQL to change a column from one type to another.
pub fn cost_in_postgres(old: Option<&Type>, new: &Type) -> Cost {
    let unbounded = !new.array && matches!(new.name.as_str(), "text" | "character varying") && new.arguments.is_empty();
    let Some(old) = old else { return Cost::Unknown };
    if old == &(Type { span: old.span, ..new.clone() }) {
        return Cost::Catalogue;
    }
    if old.array || new.array {
        return Cost::Rows;
    }
    // What counts by itself is kept as a plain number.
    let plain = |of: &Type| match of.name.as_str() {
        "serial" => "integer".to_owned(),
        "bigserial" => "bigint".to_owned(),
        "smallserial" => "smallint".to_owned(),
        name => name.to_owned(),
    };
    if plain(old) == plain(new) && old.is_serial() {
        return Cost::Catalogue;
    }
    let textual = |of: &Type| matches!(of.name.as_str(), "text" | "character varying" | "citext");
    match (old.name.as_str(), new.name.as_str()) {
        _ if (unbounded || new.name == "citext") && textual(old) => Cost::Catalogue,
        ("character varying", "character varying") | ("bit varying", "bit varying") => {
            wider(old.number(0), new.number(0))
        }
        ("numeric", "numeric") => match (old.number(0), new.number(0)) {
            _ if new.arguments.is_empty() => Cost::Catalogue,
            (Some(before), Some(after)) => {
                let same_scale = old.number(1).unwrap_or(0) == new.number(1).unwrap_or(0);
                if after >= before && same_scale { Cost::Catalogue } else { Cost::Rows }
            }
            _ => Cost::Rows,
        },
        // Free of cost only where the session's time zone is UTC.
        ("timestamp", "timestamp with time zone") | ("timestamp with time zone", "timestamp") => Cost::Unknown,
        ("interval", "interval")
        | ("timestamp", "timestamp")
        | ("timestamp with time zone", "timestamp with time zone")
        | ("time", "time")
        | ("time with time zone", "time with time zone") => wider(old.number(0), new.number(0)),
        ("cidr", "inet") => Cost::Catalogue,
        _ => Cost::Rows,
    }
}

/// A length that is not written has no end.
fn wider(old: Option<u64>, new: Option<u64>) -> Cost {
    match (old, new) {
        (_, None) => Cost::Catalogue,
        (Some(old), Some(new)) if new >= old => Cost::Catalogue,
        _ => Cost::Rows,
    }
}

/// Says what it costs MariaDB or MySQL to change a column from one type to another; `bytes` is the most that one
/// character takes, where that is known.
pub fn cost_in_mysql(old: Option<&Type>, new: &Type, bytes: Option<u64>) -> Cost {
    let Some(old) = old else { return Cost::Unknown };
    if old == &(Type { span: old.span, ..new.clone() }) {
        return Cost::Catalogue;
    }
    let same_attributes = old.attributes == new.attributes;
    match (old.name.as_str(), new.name.as_str()) {
        // The width in which numbers are shown is nothing.
        ("integer" | "bigint" | "smallint" | "tinyint" | "mediumint", name) if name == old.name && same_attributes => {
            Cost::Catalogue
        }
        ("varchar", "varchar") | ("varbinary", "varbinary") => match (old.number(0), new.number(0)) {
            (Some(before), Some(after)) if after >= before => {
                let bytes = if old.name == "varbinary" { Some(1) } else { bytes };
                let class = |length: u64, bytes: u64| length * bytes > 255;
                match bytes {
                    Some(bytes) if class(before, bytes) == class(after, bytes) => Cost::Catalogue,
                    Some(_) => Cost::Rows,
                    None if before > 255 || class(before, 1) == class(after, 4) => Cost::Catalogue,
                    None => Cost::Unknown,
                }
            }
            _ => Cost::Rows,
        },
        ("enum", "enum") | ("set", "set") => {
            let appended = new.arguments.starts_with(&old.arguments);
            let bytes = |count: usize| match new.name.as_str() {
                "enum" => usize::from(count > 255),
                _ => count.div_ceil(8).next_power_of_two(),
            };
            let same = bytes(old.arguments.len()) == bytes(new.arguments.len());
            if appended && same { Cost::Catalogue } else { Cost::Rows }
        }
        _ => Cost::Rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, arguments: &[&str]) -> Type {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Type { name: name.to_owned(), arguments, ..Type::default() }
    }

    #[test]
    fn postgres_writes_no_row_where_the_stored_form_stays() {
        let cost = |old: Type, new: Type| cost_in_postgres(Some(&old), &new);
        assert_eq!(cost(of("character varying", &["10"]), of("character varying", &["20"])), Cost::Catalogue);
        assert_eq!(cost(of("character varying", &["20"]), of("character varying", &["10"])), Cost::Rows);
        assert_eq!(cost(of("character varying", &["20"]), of("text", &[])), Cost::Catalogue);
        assert_eq!(cost(of("text", &[]), of("character varying", &["10"])), Cost::Rows);
        assert_eq!(cost(of("numeric", &["6", "2"]), of("numeric", &["8", "2"])), Cost::Catalogue);
        assert_eq!(cost(of("numeric", &["6", "2"]), of("numeric", &["8", "3"])), Cost::Rows);
        assert_eq!(cost(of("integer", &[]), of("bigint", &[])), Cost::Rows);
        assert_eq!(cost(of("json", &[]), of("jsonb", &[])), Cost::Rows);
        assert_eq!(cost_in_postgres(None, &of("text", &[])), Cost::Unknown);
    }

    #[test]
    fn mariadb_copies_unless_a_value_is_kept_as_it_is() {
        let cost = |old: Type, new: Type| cost_in_mysql(Some(&old), &new, Some(4));
        assert_eq!(cost(of("varchar", &["100"]), of("varchar", &["200"])), Cost::Catalogue);
        assert_eq!(cost(of("varchar", &["60"]), of("varchar", &["70"])), Cost::Rows);
        assert_eq!(cost(of("enum", &["'a'"]), of("enum", &["'a'", "'b'"])), Cost::Catalogue);
        assert_eq!(cost(of("enum", &["'a'", "'b'"]), of("enum", &["'b'", "'a'"])), Cost::Rows);
        assert_eq!(cost(of("integer", &["11"]), of("integer", &[])), Cost::Catalogue);
        assert_eq!(cost(of("integer", &[]), of("bigint", &[])), Cost::Rows);
    }
}
