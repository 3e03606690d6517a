//! A SQLite database in memory that reaches nothing outside and ends.
//!
//! Knows what is denied and how much work is allowed. Refuses to know statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};

use super::waiting::{Known, Table};

/// Steps of SQLite's machine that the statements of one file may take: some seconds.
const STEPS: u64 = 50_000_000;
/// Steps between two looks at the allowance.
const STEPS_BETWEEN: i32 = 10_000;
/// Pages of the database: with those of 1 KiB, 256 MiB.
const PAGES: u32 = 256 << 10;

/// Memory of SQLite in this process, temporary tables included: 512 MiB. What applies migrations is another process.
const HEAP: u32 = 512 << 20;
/// Longest value and longest statement: 64 MiB.
const LONGEST_VALUE: i32 = 64 << 20;

/// With what each file begins; a file may set them otherwise for itself.
pub(super) const SETTINGS: &str = "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = OFF";

/// The allowance of work that is left.
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    /// Gives the whole allowance again.
    pub(super) fn renew(&self) {
        self.0.store(STEPS, Ordering::Relaxed);
    }
}

/// Opens such a database: an empty one, or one that a snapshot holds.
///
/// # Errors
/// If SQLite cannot, or the snapshot is none.
pub(super) fn open(snapshot: Option<&[u8]>) -> Result<(Connection, Budget)> {
    let mut connection = Connection::open_in_memory()?;
    if let Some(bytes) = snapshot {
        connection.deserialize_read_exact("main", bytes, bytes.len(), false)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    }
    connection.execute_batch(&format!(
        "{SETTINGS}; PRAGMA page_size = 1024; PRAGMA max_page_count = {PAGES}; PRAGMA temp_store = MEMORY; \
         PRAGMA hard_heap_limit = {HEAP}"
    ))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    let left = Arc::new(AtomicU64::new(STEPS));
    let counted = Arc::clone(&left);
    connection.progress_handler(
        STEPS_BETWEEN,
        Some(move || {
            let step = STEPS_BETWEEN.unsigned_abs().into();
            let taken = |left: u64| Some(left.saturating_sub(step));
            counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok_and(|left| left == 0)
        }),
    )?;
    connection.authorizer(Some(|context: AuthContext<'_>| authorize(&context)))?;
    Ok((connection, Budget(left)))
}

/// Takes away what is temporary.
///
/// # Errors
/// If SQLite cannot.
pub(super) fn clear_temporary(connection: &Connection) -> Result<()> {
    let kinds = "CASE type WHEN 'trigger' THEN 1 WHEN 'view' THEN 2 ELSE 3 END";
    let question = format!("SELECT type, name FROM sqlite_temp_schema WHERE type <> 'index' ORDER BY {kinds}");
    let mut all = connection.prepare(&question)?;
    let found = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(String, String)>>>()?;
    for (kind, name) in found.iter().filter(|(_, name)| !name.starts_with("sqlite_")) {
        connection.execute_batch(&format!("DROP {kind} IF EXISTS temp.\"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

/// Asks what a name, in lower case, is.
///
/// # Errors
/// If SQLite cannot say it.
pub(super) fn known(connection: &Connection, name: &str) -> Result<Known> {
    let mut asked = connection.prepare(WHAT_IS)?;
    let mut rows = asked.query([name])?;
    let mut table = Table::of_sqlite();
    let (mut tables, mut rare) = (0, false);
    while let Some(row) = rows.next()? {
        let value = row.get::<_, String>(1)?.to_ascii_lowercase();
        match row.get_ref(0)?.as_str()? {
            "kind" if value == "table0" => tables += 1,
            "column" => table.columns.push(value),
            "index" => table.indexes.push(value),
            "parent" => table.parents.push(value),
            _ => rare = true,
        }
    }
    Ok(match tables {
        _ if rare => Known::Other,
        0 => Known::Nothing,
        1 => Known::Table(table),
        _ => Known::Other,
    })
}

/// Everything that SQLite knows of a name. A default may call a function that is not there, which only rows bring to light.
const WHAT_IS: &str = "SELECT 'kind', type || strict FROM pragma_table_list(?1)
UNION ALL SELECT iif(hidden = 0 AND coalesce(dflt_value, '') NOT LIKE '%(%', 'column', 'rare'), name FROM pragma_table_xinfo(?1)
UNION ALL SELECT 'index', name FROM pragma_index_list(?1)
UNION ALL SELECT 'parent', \"table\" FROM pragma_foreign_key_list(?1)
UNION ALL SELECT 'part', 'of an index' FROM pragma_index_xinfo(?1)";

/// Pragmas that change how statements are understood or only look; all others do nothing here.
const PRAGMAS: [&str; 13] = [
    "foreign_key_list",
    "foreign_keys",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "legacy_alter_table",
    "module_list",
    "page_count",
    "pragma_list",
    "table_info",
    "table_list",
    "table_xinfo",
];

fn authorize(context: &AuthContext<'_>) -> Authorization {
    match context.action {
        // Said by a rule of its own.
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Ignore,
        AuthAction::Pragma { pragma_name, .. } => {
            let known = PRAGMAS.iter().any(|known| known.eq_ignore_ascii_case(pragma_name));
            if known { Authorization::Allow } else { Authorization::Ignore }
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }
}
