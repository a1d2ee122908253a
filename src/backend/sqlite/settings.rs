//! [`Changed`]: the settings that a script changes with `PRAGMA`, which are set back after it.
//!
//! Rolling back a transaction does not set a pragma back, and the connection is the application's. Code may change what it wants: the
//! engine does not see its statements, so its settings are its author's, except for the enforcement of foreign keys.
//!
//! What <https://www.sqlite.org/pragma.html> lists is one of these:
//!
//! - **Of the connection**, set back: all in [`SETTINGS`]. `foreign_keys` is too, by [`keys`](super::keys). Among the modes of the
//!   journal, `wal` is stored in the file, and which of the other modes applies is a setting of the connection. The memory limit
//!   `soft_heap_limit` and the folders of temporary files are settings of the process, and are set back as well. No pragma can raise
//!   `hard_heap_limit` again, so a script must not lower it.
//! - **Of the file**, kept: `application_id`, `auto_vacuum`, `default_cache_size`, `encoding`, `page_size`, `schema_version`,
//!   `user_version`, and `journal_mode` to or from `wal`. [`file_settings`](super::file_settings) checks those that SQLite may ignore.
//! - **Actions and queries**, which set nothing: `foreign_key_check`, `incremental_vacuum`, `integrity_check`, `optimize`, `quick_check`,
//!   `shrink_memory`, `table_info`, `wal_checkpoint` and the like.
//! - **Of builds for debugging or for encryption** (`vdbe_trace`, `key`, ...): left alone.
//!
//! A busy handler or a WAL hook of the application cannot be read: SQLite replaces it when a script sets `busy_timeout` or
//! `wal_autocheckpoint`. It also replaces a `LIKE` of the application when a script sets `case_sensitive_like`.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::cursor::Pragma;
use super::{attached, fault, keys, message};
use crate::backend::retry::patiently;
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::sql::{Tokens, folded, part, same_name, statement_start};

/// What a setting is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The whole connection. A schema in the pragma means nothing.
    Whole,
    /// One database of the connection: `main` without a schema.
    Database,
    /// One database, or without a schema all of them and those that are attached later.
    Databases,
}
use Extent::{Database, Databases, Whole};

const SETTINGS: [(&str, Extent); 36] = [
    ("analysis_limit", Whole),
    ("automatic_index", Whole),
    ("busy_timeout", Whole),
    ("cache_size", Database),
    ("cache_spill", Database),
    ("case_sensitive_like", Whole),
    ("cell_size_check", Whole),
    ("checkpoint_fullfsync", Whole),
    ("count_changes", Whole),
    ("data_store_directory", Whole),
    ("defer_foreign_keys", Whole),
    ("empty_result_callbacks", Whole),
    ("full_column_names", Whole),
    ("fullfsync", Whole),
    ("ignore_check_constraints", Whole),
    ("journal_mode", Databases),
    ("journal_size_limit", Database),
    ("legacy_alter_table", Whole),
    ("locking_mode", Databases),
    ("max_page_count", Database),
    ("mmap_size", Databases),
    ("query_only", Whole),
    ("read_uncommitted", Whole),
    ("recursive_triggers", Whole),
    ("reverse_unordered_selects", Whole),
    ("secure_delete", Databases),
    ("short_column_names", Whole),
    ("soft_heap_limit", Whole),
    ("synchronous", Database),
    ("temp_store", Whole),
    ("temp_store_directory", Whole),
    ("threads", Whole),
    ("trusted_schema", Whole),
    ("vdbe_eqp", Whole),
    ("wal_autocheckpoint", Whole),
    ("writable_schema", Whole),
];

/// These change only outside a transaction. `defer_foreign_keys` changes inside one too, but switching it off there would forget the
/// rows that the commit has to refuse; the commit itself switches it off.
const OUTSIDE: [&str; 7] = [
    "data_store_directory",
    "defer_foreign_keys",
    "journal_mode",
    "mmap_size",
    "synchronous",
    "temp_store",
    "temp_store_directory",
];

/// The name of the setting of the connection that a pragma sets, if it sets one.
pub(super) fn setting(pragma: &Pragma<'_>) -> Option<&'static str> {
    SETTINGS.iter().map(|(name, _)| *name).find(|name| pragma.is(name))
}

/// Whether a setting changes only outside a transaction.
pub(super) fn is_of_outside(name: &str) -> bool {
    OUTSIDE.contains(&name)
}

/// Whether a statement changes nothing but the connection: it sets a pragma of the connection, or begins a transaction.
pub(super) fn only_sets_session(statement: &str) -> bool {
    let mut tokens = Tokens::new(part(statement, statement_start(statement, 0)..));
    let Some(first) = tokens.next() else { return false };
    // The mode `wal` is stored in the file.
    let is_of_session = |pragma: &Pragma<'_>| {
        !pragma.is("journal_mode")
            && (pragma.is("foreign_keys") || SETTINGS.iter().any(|(name, _)| pragma.is(name)))
    };
    first.is("begin")
        || (first.is("pragma") && Pragma::that_sets(statement).as_ref().is_some_and(is_of_session))
}

/// A setting as it was before a script changed it.
pub(super) struct Old {
    /// The database, in lower case.
    schema: Option<String>,
    name: &'static str,
    /// The value as SQL.
    value: String,
}

/// What a script changed, the first old value of each setting.
#[derive(Default)]
pub(super) struct Changed(Vec<Old>);

impl Changed {
    /// Reads the old value of the setting that a statement is about to change. SQLite changes most settings when it prepares the
    /// statement, so this comes before that.
    pub(super) fn note(
        &mut self,
        conn: &Connection,
        pragma: &Pragma<'_>,
        patience: Duration,
    ) -> Result<(), Fault> {
        let Some((name, extent)) = SETTINGS.into_iter().find(|(name, _)| pragma.is(name)) else {
            return Ok(());
        };
        let mut read = |schema: Option<&str>, name| self.add(conn, schema, name, patience);
        match (extent, pragma.schema) {
            (Whole, _) => read(None, name),
            (Databases, None) => {
                let all = patiently(patience, || attached::databases(conn).map_err(fault))?;
                read(None, name)?;
                all.iter().try_for_each(|database| read(Some(database), name))
            }
            (Database, schema) if name.starts_with("cache_") => {
                // The limit for spilling is read as at least the size of the cache, so it depends on the size.
                let schema = Some(schema.unwrap_or("main"));
                read(schema, "cache_size")?;
                read(schema, "cache_spill")
            }
            (_, schema) => read(Some(schema.unwrap_or("main")), name),
        }
    }

    fn add(
        &mut self,
        conn: &Connection,
        schema: Option<&str>,
        name: &'static str,
        patience: Duration,
    ) -> Result<(), Fault> {
        let schema = schema.map(folded);
        if self.0.iter().any(|old| old.name == name && old.schema == schema) {
            return Ok(());
        }
        let value = patiently(patience, || read(conn, schema.as_deref(), name).map_err(fault))?;
        // A pragma that this SQLite does not know returns nothing, and sets nothing. A folder that is not set returns nothing either.
        let value = value.or_else(|| name.ends_with("_directory").then(|| "''".to_owned()));
        self.0.extend(value.map(|value| Old { schema, name, value }));
        Ok(())
    }

    /// Sets back what can be set back now, all of it, and returns what needs to wait for the end of the transaction, and the first
    /// failure.
    pub(super) fn set_back(&mut self, conn: &Connection) -> (Vec<Old>, Result<(), Fault>) {
        let all = std::mem::take(&mut self.0).into_iter();
        // A setting of all databases first, then what one of them had.
        let (of_all, of_one): (Vec<_>, Vec<_>) = all.partition(|old| old.schema.is_none());
        let is_open = !conn.is_autocommit();
        let (later, now): (Vec<_>, Vec<_>) =
            of_all.into_iter().chain(of_one).partition(|old| is_open && OUTSIDE.contains(&old.name));
        let mut outcome = Ok(());
        for old in now {
            outcome = outcome.and(old.set_back(conn));
        }
        (later, outcome)
    }

    /// Adds what an earlier script of the same transaction left to be set back.
    pub(super) fn extend(&mut self, later: Vec<Old>) {
        for old in later {
            if !self.0.iter().any(|known| known.name == old.name && known.schema == old.schema) {
                self.0.push(old);
            }
        }
    }
}

impl Old {
    fn set_back(&self, conn: &Connection) -> Result<(), Fault> {
        let read = || match read(conn, self.schema.as_deref(), self.name) {
            Err(error) if message(&error).starts_with("unknown database") => Ok(None),
            outcome => outcome.map_err(fault),
        };
        let Some(wanted) = read()?.and_then(|now| self.wanted(&now)) else { return Ok(()) };
        let sql = format!("{} = {wanted}", pragma(self.schema.as_deref(), self.name));
        conn.execute_batch(&sql).map_err(fault)?;
        match read()? {
            // A file may have grown beyond the old limit, and SQLite maps as much of it as it can.
            _ if ["max_page_count", "mmap_size"].contains(&self.name) => Ok(()),
            Some(now) if now != wanted => {
                let what =
                    format!("after the script, the setting `{}` is still {now}, not {wanted}", self.name);
                let remedy = match self.name {
                    // In WAL mode, an exclusive lock ends only if it came later (https://www.sqlite.org/pragma.html#pragma_locking_mode).
                    "locking_mode" => "put PRAGMA journal_mode = WAL before PRAGMA locking_mode",
                    _ => "remove the pragma that sets it",
                };
                Err(Fault::new(FaultKind::Other, what).remedy(remedy))
            }
            _ => Ok(()),
        }
    }

    /// The value to set, if the present one is not right.
    fn wanted(&self, now: &str) -> Option<String> {
        let wal = "'wal'";
        let value = match (self.name, &*self.value) {
            ("journal_mode", _) if now == wal => return None,
            ("journal_mode", old) if old == wal => "'delete'",
            (_, old) => old,
        };
        (now != value).then(|| value.to_owned())
    }
}

fn pragma(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("PRAGMA {}.{name}", quote(schema)),
        None => format!("PRAGMA {name}"),
    }
}

/// The value of a pragma as SQL; `None` if it returns none.
pub(super) fn read(conn: &Connection, schema: Option<&str>, name: &str) -> rusqlite::Result<Option<String>> {
    let sql = match name {
        "case_sensitive_like" => "SELECT NOT 'a' LIKE 'A'".to_owned(),
        _ => pragma(schema, name),
    };
    let value = conn.query_row(&sql, [], |row| {
        Ok(match row.get_ref(0)? {
            // `PRAGMA secure_delete = 2` means 1.
            ValueRef::Integer(2) if name == "secure_delete" => "fast".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''")),
            _ => "''".to_owned(),
        })
    });
    value.optional()
}

/// Refuses what could not be set back: a statement that lowers the memory limit of the process, and one that makes SQLite forget rows
/// without a parent.
pub(super) fn refuse(conn: &Connection, pragma: &Pragma<'_>) -> Result<(), Fault> {
    if pragma.is("hard_heap_limit") {
        let now = read(conn, None, "hard_heap_limit").map_err(fault)?;
        if now.is_none() || pragma.value.is_none_or(|value| value == "0" || now.as_deref() == Some(value)) {
            return Ok(());
        }
        let what = "it limits the memory of the whole process, and no pragma can raise the limit again";
        return Err(
            Fault::new(FaultKind::Other, what).remedy("remove the pragma, and set the limit in the program")
        );
    }
    // Switching it off resets the counters that the commit looks at (`PragTyp_FLAG` in pragma.c), also for keys that are declared as
    // deferred.
    if pragma.is("defer_foreign_keys")
        && !pragma.value.is_some_and(is_on)
        && !conn.is_autocommit()
        && keys::is_enforced(conn).map_err(fault)?
    {
        let what =
            "it makes SQLite forget the rows so far that have no parent, and the commit would keep them";
        return Err(Fault::new(FaultKind::Other, what)
            .remedy("remove the pragma, since the commit switches the setting off"));
    }
    Ok(())
}

/// Whether a value switches a setting on. SQLite knows more spellings, such as `2` (`sqlite3GetBoolean` in pragma.c).
fn is_on(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| same_name(value, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_THE_FILE: [&str; 7] = [
        "application_id",
        "auto_vacuum",
        "default_cache_size",
        "encoding",
        "page_size",
        "schema_version",
        "user_version",
    ];
    const ACTIONS: [&str; 27] = [
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "freelist_count",
        "function_list",
        "incremental_vacuum",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "lock_status",
        "module_list",
        "optimize",
        "page_count",
        "pragma_list",
        "quick_check",
        "shrink_memory",
        "stats",
        "table_info",
        "table_list",
        "table_xinfo",
        "wal_checkpoint",
        // These two have rules of their own.
        "foreign_keys",
        "hard_heap_limit",
    ];
    /// Of builds for debugging, for encryption, or for one system.
    const OTHERS: [&str; 8] = [
        "activate_extensions",
        "lock_proxy_file",
        "parser_trace",
        "sql_trace",
        "vdbe_addoptrace",
        "vdbe_debug",
        "vdbe_listing",
        "vdbe_trace",
    ];

    /// A pragma that is new in SQLite needs a decision.
    #[test]
    fn every_pragma_of_this_sqlite_is_of_one_kind() {
        let conn = Connection::open_in_memory().unwrap();
        let mut statement = conn.prepare("SELECT name FROM pragma_pragma_list").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.collect::<rusqlite::Result<_>>().unwrap();
        assert!(names.len() > 60, "{names:?}");
        for name in names {
            let is_set_back = SETTINGS.iter().filter(|(setting, _)| *setting == name).count();
            let kept = [&OF_THE_FILE[..], &ACTIONS, &OTHERS].concat();
            let count = is_set_back + kept.iter().filter(|kept| **kept == name).count();
            assert_eq!(count, 1, "{name}");
        }
    }

    #[test]
    fn all_that_changes_only_outside_is_a_setting() {
        for name in OUTSIDE {
            assert!(SETTINGS.iter().any(|(setting, _)| *setting == name), "{name}");
        }
    }

    #[test]
    fn what_switches_on_switches_on_in_sqlite() {
        let conn = Connection::open_in_memory().unwrap();
        let rows = [
            ("on", true),
            ("ON", true),
            ("yes", true),
            ("True", true),
            ("1", true),
            ("0", false),
            ("00", false),
            ("off", false),
            ("no", false),
            ("full", false),
            ("nonsense", false),
        ];
        for (value, expected) in rows {
            conn.execute_batch(&format!("PRAGMA recursive_triggers = '{value}'")).unwrap();
            assert_eq!(
                read(&conn, None, "recursive_triggers").unwrap().as_deref() == Some("1"),
                expected,
                "{value}"
            );
            assert_eq!(is_on(value), expected, "{value}");
        }
    }
}
