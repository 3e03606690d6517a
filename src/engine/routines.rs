//! Questions for what may tell a session something, whoever changes rows: routines, triggers, stored expressions.
//!
//! What a routine does cannot be read from its text, so its being there counts: a file costs a message more then. Refuses to
//! run any.

use crate::config::Dialect;
use crate::engine::record::text;

/// Extensions whose functions, written in C, change no session.
const HARMLESS: &str = "'pgcrypto', 'uuid-ossp', 'citext', 'pg_trgm', 'btree_gin', 'btree_gist', 'hstore', 'unaccent', 'ltree', \
                        'intarray', 'cube', 'earthdistance', 'fuzzystrmatch', 'pg_stat_statements', 'vector'";

/// Functions of PostgreSQL that change their session, or run a text that may; those of its locks are named alike.
const TELLING: &str = "'set_config', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'cursor_to_xml', \
                       'ts_stat', 'ts_rewrite'";

/// The question for routines of PostgreSQL that may leave a setting of somebody's own, which is never gone again: by a
/// function, a statement, or one that they put together. Bodies in the form of the standard came with version 14.
pub(super) const POSTGRES_STAY: &str = "SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
                             WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') AND (l.lanname NOT IN ('sql', \
                             'plpgsql') OR p.prosrc ~* '(set_config|\\mexecute\\M|\\mset\\s+(session\\s+|local\\s+)?\"?\\w+\"?\\s*[.])' \
                             OR pg_catalog.to_jsonb(p) ->> 'prosqlbody' LIKE '%:funcid ' || \
                             'pg_catalog.set_config'::pg_catalog.regproc::oid || ' %') LIMIT 1";

/// The question for routines that may be called by others, and for defaults, generated columns, checks, policies, views and
/// indexes that call such a function of the server. What belongs to the system has numbers below 16384 (manual, "System
/// Catalog Initial Data", OID assignment).
pub(super) fn postgres() -> String {
    let calls = |tree: &str, from: &str| {
        format!("SELECT 1 FROM pg_catalog.{from} AND {tree}::pg_catalog.text ~ (SELECT expression FROM telling)")
    };
    let expressions = [
        calls("adbin", "pg_attrdef WHERE adrelid >= 16384"),
        calls("conbin", "pg_constraint WHERE conbin IS NOT NULL AND oid >= 16384"),
        calls("ev_action", "pg_rewrite WHERE ev_class >= 16384"),
        calls("ev_qual", "pg_rewrite WHERE ev_class >= 16384"),
        calls("typdefaultbin", "pg_type WHERE typdefaultbin IS NOT NULL"),
        calls("tgqual", "pg_trigger WHERE tgqual IS NOT NULL"),
        calls("polqual", "pg_policy WHERE polqual IS NOT NULL"),
        calls("polwithcheck", "pg_policy WHERE polwithcheck IS NOT NULL"),
        calls("indexprs", "pg_index WHERE indexprs IS NOT NULL"),
        calls("indpred", "pg_index WHERE indpred IS NOT NULL"),
    ];
    format!(
        "WITH telling AS (SELECT ':relid ' || 'pg_catalog.pg_settings'::pg_catalog.regclass::pg_catalog.oid || ' |:funcid (' \
         || pg_catalog.string_agg(oid::pg_catalog.text, '|') || ') ' AS expression FROM \
         pg_catalog.pg_proc WHERE oid < 16384 AND (proname IN ({TELLING}) OR proname LIKE '%advisory%')) (SELECT 1 FROM \
         pg_catalog.pg_proc p WHERE p.oid >= 16384 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d JOIN \
         pg_catalog.pg_extension e ON e.oid = d.refobjid JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE d.classid = \
         'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.refclassid = \
         'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' AND l.lanname IN ('internal', 'c') AND e.extname \
         IN ({HARMLESS})) LIMIT 1) UNION ALL ({} LIMIT 1) LIMIT 1",
        expressions.join(" UNION ALL ")
    )
}

/// The same for MySQL and MariaDB: triggers of this database, which only those see who may make some, and views that call
/// functions or lead to another database. Other routines are called by name.
pub(super) fn mysql(schema: &str, dialect: Dialect) -> String {
    let quoted = text(&format!("`{}`.", schema.replace('`', "``")), dialect);
    let schema = text(schema, dialect);
    let host = "substring_index(CURRENT_USER(), '@', -1)";
    let user = format!("left(CURRENT_USER(), char_length(CURRENT_USER()) - char_length({host}) - 1)");
    let sees = |table: &str, and: &str| {
        format!(
            "EXISTS (SELECT 1 FROM information_schema.{table} WHERE privilege_type = 'TRIGGER' AND grantee = \
             concat(quote({user}), '@', quote({host})){and})"
        )
    };
    let everywhere = sees("user_privileges", "");
    let here = sees("schema_privileges", &format!(" AND {schema} LIKE table_schema"));
    format!(
        "(SELECT 1 FROM information_schema.triggers WHERE trigger_schema = {schema} LIMIT 1) UNION ALL (SELECT 1 FROM \
         information_schema.views WHERE table_schema = {schema} AND (coalesce(length(view_definition), 0) = 0 OR view_definition \
         REGEXP '`[(]|last_insert|_lock' OR replace(view_definition, {quoted}, '') REGEXP '(from|join) [(]*`[^`]+`[.]`') \
         LIMIT 1) UNION ALL (SELECT 1 FROM DUAL WHERE NOT ({everywhere} OR {here})) LIMIT 1"
    )
}
