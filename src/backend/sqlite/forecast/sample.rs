//! [`Rows`]: rows of the live database in the copy.
//!
//! Each row in the copy is one that the live database would have at that point of the trial too. So an error over the rows of the copy is an
//! error over rows of the live database. A statement whose result on some of the rows says nothing about its result on all of them does not
//! run, and the tables that it writes lose their rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::access::{Access, TableKey};
use super::copy::{Copy, without_triggers};
use super::watch::is_internal;
use crate::backend::ForecastRequest;
use crate::backend::sqlite::fault::{fault, is_of_system, known};
use crate::backend::sqlite::{Sqlite, columns};
use crate::dialect::quote;
use crate::effect::Sample;
use crate::fault::Fault;
use crate::sql::same_name;

/// The tables whose content does not depend on the database.
const PURE: [&str; 3] = ["generate_series", "json_each", "json_tree"];

/// What a statement on the copy says about the same statement on the live database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// It sees all rows that it would see there.
    AllRows,
    /// It sees some of the rows, and treats each by itself.
    SomeRows,
    /// Nothing.
    None,
}

/// The most rows of a table and bytes of all tables that are copied.
struct Limits {
    rows: usize,
    bytes: usize,
}

impl Limits {
    const fn of(sample: Sample) -> Self {
        match sample {
            Sample::None => Self { rows: 0, bytes: 0 },
            Sample::Small => Self { rows: 10, bytes: 1024 * 1024 },
            Sample::Large => Self { rows: 1000, bytes: 32 * 1024 * 1024 },
        }
    }
}

/// The rows of the live database in the copy. A table is identified by its root page, as in [`Objects`](super::objects::Objects).
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Whether statements over rows run.
    is_used: bool,
    roots: BTreeMap<TableKey, i64>,
    views: BTreeSet<TableKey>,
    /// The tables that have all their rows.
    whole: BTreeSet<(String, i64)>,
    /// The tables that may have rows.
    filled: BTreeSet<(String, i64)>,
}

impl Rows {
    /// Copies rows of every table. If that fails, there are none, and statements over rows do not run.
    ///
    /// # Errors
    /// The database cannot be read, or there is no memory for the copy.
    pub(super) fn of(
        live: &Connection,
        copy: &Copy,
        request: &ForecastRequest<'_, Sqlite>,
    ) -> Result<Self, Fault> {
        copy.watch.as_engine(|| {
            Self::copied(live, copy, request).or_else(|error| {
                // SQLite may have ended the transaction itself.
                let _ = copy.conn.execute_batch("ROLLBACK");
                if is_of_system(&error) { Err(fault(error)) } else { Ok(Self::default()) }
            })
        })
    }

    fn copied(
        live: &Connection,
        copy: &Copy,
        request: &ForecastRequest<'_, Sqlite>,
    ) -> rusqlite::Result<Self> {
        let mut rows = Self { is_used: true, ..Self::default() };
        let mut limits = Limits::of(request.sample);
        (rows.roots, rows.views) = tables(&copy.conn)?;
        let checks = "PRAGMA ignore_check_constraints";
        let before: i64 = copy.conn.query_row(checks, [], |row| row.get(0))?;
        let is_engines = |name: &str| request.tables.iter().any(|table| same_name(table.as_str(), name));
        without_triggers(&copy.conn, |conn| {
            conn.execute_batch(&format!("BEGIN; {checks} = ON"))?;
            for ((database, name), &root) in &rows.roots {
                let is_meant = database == "main" && root > 0 && !is_internal(name) && !is_engines(name);
                if !is_meant || copy.shadows.contains_key(name) {
                    continue;
                }
                let key = (database.clone(), root);
                // A row that cannot be read or copied is left out, and the table then does not have all its rows.
                match fill(live, conn, name, &mut limits) {
                    Ok(true) => _ = rows.whole.insert(key.clone()),
                    Err(error) if is_of_system(&error) => return Err(error),
                    Ok(false) | Err(_) => {}
                }
                rows.filled.insert(key);
            }
            if rows.roots.contains_key(&("main".to_owned(), "sqlite_sequence".to_owned())) {
                copy_sequence(live, conn)?;
            }
            conn.execute_batch(&format!("COMMIT; {checks} = {before}"))
        })?;
        Ok(rows)
    }

    pub(super) fn are_used(&self) -> bool {
        self.is_used
    }

    fn key(&self, table: &TableKey) -> Option<(String, i64)> {
        self.roots.get(table).filter(|root| **root > 0).map(|root| (table.0.clone(), *root))
    }

    fn is_whole(&self, table: &TableKey) -> bool {
        self.views.contains(table)
            || self.key(table).is_some_and(|key| self.whole.contains(&key))
            || PURE.contains(&table.1.as_str())
    }

    /// What the result of this statement says.
    pub(super) fn basis(&self, access: &Access, own: &str) -> Basis {
        let tables = || access.reads.iter().chain(&access.writes);
        let is_own = |table: &TableKey| table.1.starts_with("sqlite_");
        let is_known = |table: &TableKey| self.key(table).is_some_and(|key| self.filled.contains(&key));
        if access.asks_the_session() {
            Basis::None
        } else if tables().filter(|table| !is_own(table)).all(|table| self.is_whole(table)) {
            Basis::AllRows
        } else if access.is_row_by_row(own)
            && tables().filter(|table| !is_own(table)).all(|table| is_known(table) || self.is_whole(table))
        {
            Basis::SomeRows
        } else {
            Basis::None
        }
    }

    /// Whether the tables that a statement writes have all their rows.
    pub(super) fn are_whole(&self, tables: &BTreeSet<TableKey>) -> bool {
        tables.iter().all(|table| self.is_whole(table))
    }

    /// Notes that a statement wrote rows.
    pub(super) fn wrote(&mut self, access: &Access, basis: Basis) {
        let has_all = access.reads.iter().all(|table| self.is_whole(table));
        for table in &access.writes {
            let Some(key) = self.key(table) else { continue };
            self.filled.insert(key.clone());
            if basis != Basis::AllRows && !has_all {
                self.whole.remove(&key);
            }
        }
    }

    /// Notes that a statement changed the schema. `basis` is that of the rows of a table that it created; `None` if the tables that it
    /// created belong to a virtual table.
    pub(super) fn update(&mut self, conn: &Connection, basis: Option<Basis>) -> rusqlite::Result<()> {
        let (roots, views) = tables(conn)?;
        let keys = |roots: &BTreeMap<TableKey, i64>| -> BTreeSet<(String, i64)> {
            roots.iter().map(|((database, _), root)| (database.clone(), *root)).collect()
        };
        let (before, now) = (keys(&self.roots), keys(&roots));
        self.whole.retain(|key| now.contains(key));
        self.filled.retain(|key| now.contains(key));
        (self.roots, self.views) = (roots, views);
        let appeared: BTreeSet<_> = now.difference(&before).filter(|key| key.1 > 0).cloned().collect();
        if basis == Some(Basis::AllRows) {
            self.whole.extend(appeared.iter().cloned());
        }
        if basis.is_some() {
            self.filled.extend(appeared.iter().cloned());
        }
        if basis == Some(Basis::None) {
            self.delete(conn, &appeared)?;
        }
        Ok(())
    }

    /// Removes the rows of the tables that a statement writes, since it is unknown what they would be.
    pub(super) fn forget(&mut self, conn: &Connection, access: &Access) -> rusqlite::Result<()> {
        let keys: BTreeSet<_> = access.writes.iter().filter_map(|table| self.key(table)).collect();
        self.delete(conn, &keys)
    }

    /// Removes all rows. From now on, statements over rows do not run.
    pub(super) fn clear(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.is_used = false;
        let all = self.filled.clone();
        self.delete(conn, &all)
    }

    /// Whether the copy may have rows.
    pub(super) fn are_there(&self) -> bool {
        !self.filled.is_empty()
    }

    fn delete(&mut self, conn: &Connection, keys: &BTreeSet<(String, i64)>) -> rusqlite::Result<()> {
        let is_meant = |(table, root): &(&TableKey, &i64)| {
            let key = (table.0.clone(), **root);
            keys.contains(&key) && self.filled.contains(&key)
        };
        let meant: Vec<&TableKey> = self.roots.iter().filter(is_meant).map(|(table, _)| table).collect();
        if meant.is_empty() {
            self.whole.retain(|key| !keys.contains(key));
            return Ok(());
        }
        without_triggers(conn, |conn| {
            meant.iter().try_for_each(|(database, name)| {
                conn.execute_batch(&format!("DELETE FROM {}.{}", quote(database), quote(name)))
            })
        })?;
        self.whole.retain(|key| !keys.contains(key));
        self.filled.retain(|key| !keys.contains(key));
        Ok(())
    }
}

/// The root pages of the tables, and the views.
fn tables(conn: &Connection) -> rusqlite::Result<(BTreeMap<TableKey, i64>, BTreeSet<TableKey>)> {
    let (mut roots, mut views) = (BTreeMap::new(), BTreeSet::new());
    let mut statement = conn.prepare(
        "SELECT 'main', lower(name), coalesce(rootpage, 0), type FROM main.sqlite_master WHERE type IN ('table', 'view')
        UNION ALL
        SELECT 'temp', lower(name), coalesce(rootpage, 0), type FROM sqlite_temp_master WHERE type IN ('table', 'view')",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = (row.get(0)?, row.get(1)?);
        if row.get_ref(3)?.as_bytes() == Ok(b"view") {
            views.insert(key);
        } else {
            roots.insert(key, row.get(2)?);
        }
    }
    Ok((roots, views))
}

/// Copies the ids that were given out last, so that new rows get the ids that they get in the live database.
fn copy_sequence(live: &Connection, copy: &Connection) -> rusqlite::Result<()> {
    copy.execute_batch("DELETE FROM main.sqlite_sequence")?;
    let mut insert = copy.prepare("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)")?;
    let mut statement = live.prepare("SELECT name, seq FROM main.sqlite_sequence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        insert.execute([row.get_ref(0)?, row.get_ref(1)?].map(ToSqlOutput::Borrowed))?;
    }
    Ok(())
}

/// Copies the first rows of a table, and returns whether these are all.
fn fill(live: &Connection, copy: &Connection, name: &str, limits: &mut Limits) -> rusqlite::Result<bool> {
    let mut names = columns::of(live, "main", name)?;
    let table = quote(name);
    // A statement can read the rowid too. A table without one has none of these names.
    for rowid in ["_rowid_", "rowid", "oid"] {
        let is_free = !names.iter().any(|column| same_name(column, rowid));
        let sql = format!("SELECT {table}.{rowid} FROM main.{table}");
        if is_free && known(live.prepare(&sql).map(drop))?.is_some() {
            names.push(rowid.to_owned());
            break;
        }
    }
    let listed = names.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let values = vec!["?"; names.len()].join(", ");
    let mut insert = copy.prepare(&format!("INSERT INTO main.{table} ({listed}) VALUES ({values})"))?;
    let qualified = names.iter().map(|column| format!("{table}.{}", quote(column))).collect::<Vec<_>>();
    let select = format!("SELECT {} FROM main.{table} LIMIT {}", qualified.join(", "), limits.rows + 1);
    let mut statement = live.prepare(&select)?;
    let mut rows = statement.query([])?;
    let (mut count, mut is_whole) = (0, true);
    // A table with large values leaves something for the others.
    let mut bytes = limits.bytes / 8;
    while let Some(row) = rows.next()? {
        let values =
            (0..names.len()).map(|column| row.get_ref(column)).collect::<rusqlite::Result<Vec<_>>>()?;
        let size: usize = values.iter().map(size).sum();
        if count == limits.rows || size > bytes {
            return Ok(false);
        }
        (count, bytes, limits.bytes) = (count + 1, bytes - size, limits.bytes - size);
        // What the copy does not accept, or has no memory for, is not there. Nothing certain is then said about the table as a whole.
        is_whole &= insert.execute(params_from_iter(values.into_iter().map(ToSqlOutput::Borrowed))).is_ok();
    }
    Ok(is_whole)
}

fn size(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => size_of::<i64>(),
    }
}
