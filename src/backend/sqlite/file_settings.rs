//! [`FileSettings`]: settings of the file that SQLite takes when the file gets its first table, and silently ignores later.
//!
//! `auto_vacuum` and `page_size` then need a `VACUUM` after them, and `encoding` can never change. The tracking table is in the file
//! before the first script runs. So each is read back.
//!
//! Other pragmas may do nothing too, and are no error: `foreign_keys` in a transaction, since the engine decides about it;
//! `max_page_count`, `mmap_size`, `threads`, of which SQLite takes what it can, and which are set back after the script;
//! `incremental_vacuum` and `wal_checkpoint`, which have nothing to do; and a name that this SQLite does not know, which another build or
//! version may. `journal_mode` is checked where the statement ends.
//!
//! A database that is not a file ends with its connection, so these settings mean nothing for it. A replay in memory must not fail where
//! the file of the application has the right value.

use rusqlite::Connection;

use super::cursor::{Pragma, TokenCursor};
use super::query::value;
use super::{fault, settings};
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
use crate::sql::{folded, statements};
use crate::step::Atomicity;

const NAMES: [&str; 3] = ["auto_vacuum", "page_size", "encoding"];

/// A setting that a script asked for.
struct Wanted {
    schema: String,
    name: &'static str,
    value: String,
}

/// The settings of the file that a script asked for.
#[derive(Default)]
pub(super) struct FileSettings {
    /// Those that a `VACUUM` is to change.
    awaited: Vec<Wanted>,
    /// Those that SQLite remembers for the next `VACUUM` on the connection.
    remembered: Vec<&'static str>,
}

impl FileSettings {
    /// Looks at a statement before it is prepared, which may be a pragma that sets something.
    pub(super) fn before(
        &mut self,
        conn: &Connection,
        text: &str,
        pragma: Option<&Pragma<'_>>,
    ) -> Result<(), Fault> {
        let name = pragma.and_then(known);
        self.remembered.extend(name.filter(|name| *name != "encoding"));
        let Some(Vacuum { schema, into: false }) = Vacuum::of(text) else { return Ok(()) };
        let is_awaited = self.awaited.iter().any(|it| it.schema == schema && it.name == "page_size");
        if !is_awaited
            || settings::read(conn, Some(&schema), "journal_mode").map_err(fault)?.as_deref() != Some("'wal'")
        {
            return Ok(());
        }
        Err(Fault::new(FaultKind::Other, "VACUUM does not change the page size in WAL mode")
            .remedy("put PRAGMA journal_mode = DELETE before VACUUM, and PRAGMA journal_mode = WAL after it"))
    }

    /// Looks at a statement that has run, of a script with this rest.
    pub(super) fn after(
        &mut self,
        conn: &Connection,
        own: &str,
        rest: &str,
        atomicity: Atomicity,
    ) -> Result<(), Fault> {
        if let Some(vacuum) = Vacuum::of(own) {
            return self.take(&vacuum).iter().filter(|_| !vacuum.into).try_for_each(|wanted| {
                match wanted.actual(conn)? {
                    Some(actual) => Err(wanted.ignored(&actual, "remove the pragma".into())),
                    None => Ok(()),
                }
            });
        }
        let Some(wanted) = Wanted::of(own) else { return Ok(()) };
        let Some(actual) = wanted.actual(conn)? else { return Ok(()) };
        let is_vacuum =
            |statement: &str| Vacuum::of(statement).is_some_and(|vacuum| vacuum.schema == wanted.schema);
        let at_creation = Remedy::program("set it on each new file", "`session_sql`");
        let remedy = match wanted.name {
            "encoding" => Remedy::from("remove the pragma").or(at_creation),
            "page_size" if !is_page_size(&wanted.value) => "write a power of two from 512 to 65536".into(),
            _ if atomicity == Atomicity::Transaction => {
                Remedy::metadata_for("run_in_transaction", "false", "and put VACUUM after the pragma")
                    .or(at_creation)
            }
            _ if statements(rest).any(|(_, statement)| is_vacuum(statement)) => {
                self.awaited.push(wanted);
                return Ok(());
            }
            _ => Remedy::from("put VACUUM after the pragma").or(at_creation),
        };
        Err(wanted.ignored(&actual, remedy))
    }

    /// Looks at a statement that an interrupted run has finished. A pragma among them has run again.
    pub(super) fn repeated(&mut self, own: &str) {
        match Vacuum::of(own) {
            Some(vacuum) => drop(self.take(&vacuum)),
            None => self.awaited.extend(Wanted::of(own).filter(|wanted| wanted.name != "encoding")),
        }
    }

    /// Makes the connection forget what it remembers for the next `VACUUM`: it then keeps what the file has.
    pub(super) fn forget(&mut self, conn: &Connection) {
        for name in std::mem::take(&mut self.remembered) {
            if let Ok(Some(actual)) = settings::read(conn, Some("main"), name) {
                // Preparing it is enough for the connection. Running it could write to the file.
                let _ = conn.prepare(&format!("PRAGMA main.{name} = {actual}"));
            }
        }
    }

    fn take(&mut self, vacuum: &Vacuum) -> Vec<Wanted> {
        let (taken, left) =
            std::mem::take(&mut self.awaited).into_iter().partition(|wanted| wanted.schema == vacuum.schema);
        self.awaited = left;
        taken
    }
}

impl Wanted {
    fn of(own: &str) -> Option<Self> {
        let pragma = Pragma::of(own)?;
        let schema = folded(pragma.schema.unwrap_or("main"));
        Some(Self { schema, name: known(&pragma)?, value: pragma.value?.to_owned() })
    }

    /// The value of the file, if it is another one than this.
    fn actual(&self, conn: &Connection) -> Result<Option<String>, Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pragma_database_list WHERE name = ?1 COLLATE NOCASE AND file <> '')";
        let is_file: bool = value(conn, sql, &[&self.schema]).map_err(fault)?;
        // SQLite reads the encoding of the main database only; the others must have the same.
        let schema = Some(&*self.schema).filter(|_| self.name != "encoding");
        let actual = if is_file { settings::read(conn, schema, self.name).map_err(fault)? } else { None };
        let actual = actual.map(|actual| actual.trim_matches('\'').to_owned());
        Ok(actual.filter(|actual| !means(self.name, &self.value, actual)))
    }

    fn ignored(&self, actual: &str, remedy: Remedy) -> Fault {
        let (noun, actual) = match (self.name, actual) {
            ("auto_vacuum", "1") => ("auto_vacuum mode", "FULL"),
            ("auto_vacuum", "2") => ("auto_vacuum mode", "INCREMENTAL"),
            ("auto_vacuum", _) => ("auto_vacuum mode", "NONE"),
            ("page_size", actual) => ("page size", actual),
            (_, actual) => ("encoding", actual),
        };
        let what = format!("the {noun} of the file is still `{actual}`, not `{}`", self.value);
        Fault::new(FaultKind::Other, what).remedy(remedy)
    }
}

fn known(pragma: &Pragma<'_>) -> Option<&'static str> {
    NAMES.into_iter().find(|name| pragma.is(name))
}

/// Whether SQLite reads `written` as the value `actual`, which it returns (`getAutoVacuum` and `PragTyp_ENCODING` in pragma.c).
fn means(name: &str, written: &str, actual: &str) -> bool {
    let plain = |text: &str| text.to_ascii_uppercase().replace('-', "");
    match name {
        "auto_vacuum" => {
            let mode = match &*folded(written) {
                "full" => "1",
                "incremental" => "2",
                other if ["1", "2"].contains(&other) => written,
                _ => "0",
            };
            mode == actual
        }
        "encoding" if plain(written) == "UTF16" => {
            plain(actual) == if cfg!(target_endian = "big") { "UTF16BE" } else { "UTF16LE" }
        }
        "encoding" => plain(written) == plain(actual),
        _ => written == actual,
    }
}

fn is_page_size(written: &str) -> bool {
    written.parse().is_ok_and(|size: u32| size.is_power_of_two() && (512..=65_536).contains(&size))
}

/// `VACUUM schema INTO file`
struct Vacuum {
    schema: String,
    into: bool,
}

impl Vacuum {
    fn of(own: &str) -> Option<Self> {
        let mut cursor = TokenCursor::new(own);
        if !cursor.skip_if("vacuum") {
            return None;
        }
        let mut into = cursor.skip_if("into");
        let mut schema = "main".to_owned();
        if !into {
            if let Some(name) = cursor.name() {
                schema = folded(name);
                into = cursor.skip_if("into");
            }
        }
        Some(Self { schema, into })
    }
}

#[cfg(test)]
mod tests {
    use super::means;

    #[test]
    fn values_are_read_as_sqlite_reads_them() {
        let native = if cfg!(target_endian = "big") { "UTF-16be" } else { "UTF-16le" };
        let rows = [
            ("auto_vacuum", "0", "0", true),
            ("auto_vacuum", "none", "0", true),
            ("auto_vacuum", "1", "1", true),
            ("auto_vacuum", "Full", "1", true),
            ("auto_vacuum", "2", "2", true),
            ("auto_vacuum", "INCREMENTAL", "2", true),
            ("auto_vacuum", "incremental", "1", false),
            ("auto_vacuum", "7", "0", true),
            ("page_size", "4096", "4096", true),
            ("page_size", "8192", "4096", false),
            ("encoding", "utf8", "UTF-8", true),
            ("encoding", "UTF-8", "UTF-8", true),
            ("encoding", "UTF-16", native, true),
            ("encoding", "utf16", native, true),
            ("encoding", "UTF-16", "UTF-8", false),
            ("encoding", "UTF16be", "UTF-16le", false),
        ];
        for (name, written, actual, expected) in rows {
            assert_eq!(means(name, written, actual), expected, "{name} = {written}: {actual}");
        }
    }
}
