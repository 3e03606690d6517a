//! What people can do about what a database refused.
//!
//! Knows the codes that all engines report for the common cases. Refuses to run or to record anything.

use crate::engine::reading::OTHERWISE;
use crate::engine::wire::{Class, Fault};
use crate::history::RowError;
use crate::text::begins;

/// Codes of a full disk, in all engines.
pub(super) const FULL: [&str; 4] = ["53100", "1021", "1114", "13"];

/// Codes that are no file's fault where it is our own record that was refused: a full disk, rights, others in the way.
pub(super) const OF_NO_FILE: [&str; 17] = [
    "53100", "1021", "1114", "13", "42501", "1044", "1142", "1227", "55P03", "1205", "40P01", "40001", "1213", "1290",
    "5", "6", "261",
];

/// Longer statements than these bytes are more than some server takes: the smallest `max_allowed_packet` that is usual.
const LONG: usize = 1 << 20;

/// The remedy for a failure that the history holds, of a statement.
pub(crate) fn remedy_of(error: &RowError, statement: &str) -> Option<&'static str> {
    remedy(&Fault { code: error.code.clone(), ..Fault::new(Class::Refused, "") }, statement)
}

/// The remedy for frequent refusals of a statement.
pub(super) fn remedy(fault: &Fault, statement: &str) -> Option<&'static str> {
    let verb = statement.split_whitespace().next().unwrap_or_default();
    let brings_rows =
        ["COPY", "INSERT", "LOAD", "MERGE", "REPLACE", "UPDATE"].iter().any(|word| verb.eq_ignore_ascii_case(word));
    Some(match fault.code.as_str() {
        "55P03" | "1205" => {
            "somebody holds a lock on what this statement changes: run it in a quiet hour, or raise \
                             lock-timeout for this file (-- schemagate: lock-timeout = 1min)"
        }
        "57014" | "1969" | "3024" => {
            "the statement took longer than statement-timeout: raise it for this file \
                    (-- schemagate: statement-timeout = 10min)"
        }
        "25P04" => {
            "the file runs in one transaction, which took longer than transaction_timeout: let `session` of the target raise \
             that, or split the file"
        }
        "25001" if verb.eq_ignore_ascii_case("SET") => {
            "the history has been written in this transaction already: say it at the head of the file \
             (-- schemagate: isolation = serializable)"
        }
        "25001" => {
            "this statement cannot run in a transaction: put it into a file of its own that begins with \
                    -- schemagate: no-transaction"
        }
        "8" | "1032" | "1544" => {
            "let the user of the hooks write the database file and its folder (chmod, chown), if that is what is missing"
        }
        "5" | "6" | "261" => {
            "another program holds the database: end what it does there, or raise lock-wait of the target"
        }
        "25006" if !begins(verb, "SET") => {
            "the server, or its database, is read-only: let the URL name the primary, or end that"
        }
        "2D000" => {
            "a routine that commits cannot run in a transaction: put the call into a file of its own that begins with \
             -- schemagate: no-transaction"
        }
        "40P01" | "40001" | "1213" => {
            "others changed the same rows each time: run it in a quiet hour, or raise lock-wait of the target"
        }
        OTHERWISE => {
            "take out what sets it; if the database has it always, say so (`sql_mode` of the manifest; \
             standard_conforming_strings = \"on\" in `session` of the target)"
        }
        "55P04" => "a new value of an enum can be used only after the commit: move its use to the next migration",
        "23505" | "1062" | "1555" | "2067" if brings_rows => {
            "its rows are equal to each other, or to rows that are there, where they must differ: mend them, or clean those in \
             a file that comes before it (give this one a later version)"
        }
        "23502" | "1048" | "1299" if brings_rows => {
            "a column that must have a value gets none: give it one in this statement"
        }
        "23505" | "1062" | "1555" | "2067" => {
            "rows that are there already break the uniqueness: clean them first, in this file or in one that comes before it \
             (give this one a later version)"
        }
        "23502" | "1048" | "1138" | "1299" => {
            "rows that are there already have no value: fill them first, in this file or in one that comes before it"
        }
        "23503" | "1452" | "1451" | "787" => {
            "rows would refer to rows that do not exist: bring both sides in order first, in this file or in one that comes \
             before it (give this one a later version)"
        }
        "42501" | "1044" | "1142" | "1227" => {
            "the user of this target's URL lacks the right: grant it, or change the URL"
        }
        "" if fault.class == Class::Lost && statement.len() > LONG => {
            "a statement this long may be more than the server takes (max_allowed_packet of MySQL and MariaDB): split it, \
             or raise that"
        }
        code if FULL.contains(&code) => "the disk is full: free some space",
        _ => return None,
    })
}
