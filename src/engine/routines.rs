//! Questions for routines and triggers that may tell a session something, whoever calls them.
//!
//! Read from their texts, and rather one too many than one too few: a file behind such a one costs a message more. Refuses
//! to run any.

/// The question for routines that may tell a session something: by a statement of their own or one that they put together,
/// in a language of which that can be read. Those of the system have numbers below.
pub(super) const POSTGRES: &str = "SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid \
                        >= 16384 AND l.lanname NOT IN ('internal', 'c') AND (l.lanname NOT IN ('sql', 'plpgsql') OR p.prosrc \
                        ~* '(set_config|advisory|\\mexecute\\M|\\mlisten\\M|\\mtemp|(^|\\n|;|\\mbegin|\\mthen|\\melse|\\mloop)\\s*\
                        (set|reset|prepare|discard|load)\\M)') LIMIT 1";

/// The same for MySQL and MariaDB; a text that may not be read counts.
pub(super) fn mysql() -> String {
    let tells = |body: &str| {
        format!(
            "({body} IS NULL OR {body} LIKE '%@%' OR lower({body}) REGEXP 'get_lock|temporary|prepare|last_insert_id|set\
                 [[:space:]]+(session|local|names|character|sql_mode|time_zone|autocommit|foreign_key_checks|unique_checks)')"
        )
    };
    format!(
        "(SELECT 1 FROM information_schema.routines WHERE routine_schema NOT IN ('mysql', 'sys') AND {} LIMIT 1) UNION \
             ALL (SELECT 1 FROM information_schema.triggers WHERE trigger_schema <> 'sys' AND {} LIMIT 1)",
        tells("routine_definition"),
        tells("action_statement")
    )
}
