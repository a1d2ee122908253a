//! The table that takes the name of a dropped one, and the rows of the dropped one that it does not have.

use rusqlite::Connection;

use super::ask::count;
use crate::account::StepFinding;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::query::{texts, value};
use crate::dialect::quote;
use crate::sql::{folded_set, same_name};

/// The number of keys of lost rows that are shown.
const SHOWN_KEYS: u64 = 5;

/// The table that takes the name of a dropped one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Successor {
    None,
    /// A table that exists, by its place.
    Table(usize),
    /// A table that the script creates later.
    Later,
}

/// Two tables, compared when the old one is about to be dropped.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    /// The place of the new table, and the number of statements that had written to it.
    pub(super) new: usize,
    pub(super) writes: u32,
    /// The rows of the new table.
    pub(super) after: u64,
    /// The keys of the old table that the new one lacks, if it has no others.
    pub(super) lost: u64,
    pub(super) missing: Vec<String>,
    /// The number of rows that the new table lacks and that other tables have whole, and the places of those.
    pub(super) elsewhere: (u64, Vec<usize>),
    /// The columns whose values the new one lacks, and the key if its rows have other numbers, with the findings.
    pub(super) changed: Vec<(String, StepFinding)>,
    /// The finding about a join that copied rows more than once.
    pub(super) multiplied: Option<StepFinding>,
}

impl Comparison {
    /// The findings about the new table other than lost rows.
    pub(super) fn findings(&self) -> impl Iterator<Item = &StepFinding> {
        self.changed.iter().map(|(_, finding)| finding).chain(&self.multiplied)
    }
}

/// Compares a table with the one that will take its name, by number and, if both have the columns of its key, by key. `rows` is the
/// number of rows of the old one, `written` of those that the script itself wrote into the new one. `None` if the new one cannot be counted.
pub(super) fn compare(
    conn: &Connection,
    [old, new]: [&str; 2],
    key: &[String],
    [rows, written]: [Option<u64>; 2],
) -> rusqlite::Result<Option<Comparison>> {
    let Some(after) = count(conn, new)? else { return Ok(None) };
    let mut comparison = Comparison {
        new: 0,
        writes: 0,
        after,
        lost: 0,
        missing: Vec::new(),
        elsewhere: (0, Vec::new()),
        changed: Vec::new(),
        multiplied: None,
    };
    if key.is_empty() || !has_columns(conn, old, key)? || !has_columns(conn, new, key)? {
        return Ok(Some(comparison));
    }
    // With as many rows, and a key that no two of them share, the new table lacks as many keys as it adds.
    if rows == Some(comparison.after) && written == Some(0) && is_primary(conn, new, key)? {
        return Ok(Some(comparison));
    }
    // If a key cannot be compared, the number of rows decides.
    // New keys that the script did not write are other values of the old ones, so the old ones are not lost.
    let lacks = (lacking(conn, [old, new], key)?, lacking(conn, [new, old], key)?);
    if let (Some(lacking), Some(_)) = (lacks.0, lacks.1.filter(|new| Some(*new) <= written)) {
        comparison.lost = lacking;
        comparison.missing = missing(conn, [old, new], key)?;
    }
    Ok(Some(comparison))
}

/// Whether a table has these columns, quoted.
fn has_columns(conn: &Connection, table: &str, columns: &[String]) -> rusqlite::Result<bool> {
    let table = quote(table);
    let columns: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
    let read = conn.prepare(&format!("SELECT {} FROM main.{table}", columns.join(", ")));
    Ok(known(read)?.is_some())
}

/// How many keys that the new table lacks are in other tables, which have all columns that the new table kept. 0 if that cannot be
/// determined.
pub(super) fn elsewhere(
    conn: &Connection,
    tables: [&str; 2],
    others: &[&str],
    key: &[String],
) -> rusqlite::Result<u64> {
    if others.is_empty() || key.is_empty() {
        return Ok(0);
    }
    let of = |table| Ok(known(columns::of(conn, "main", table))?.unwrap_or_default());
    let [old, new]: [rusqlite::Result<Vec<String>>; 2] = tables.map(of);
    let (old, new) = (old?, new?);
    let kept = old.iter().filter(|column| new.iter().any(|other| same_name(other, column)));
    let columns: Vec<String> = kept.map(|column| quote(column)).collect();
    let mut without = String::new();
    for other in others {
        if !columns.is_empty() && has_columns(conn, other, &columns)? {
            without.extend([" EXCEPT SELECT ", &key.join(", "), " FROM main.", &quote(other)]);
        }
    }
    if without.is_empty() {
        return Ok(0);
    }
    let left = format!("SELECT count(*) FROM ({}{})", difference(tables, key), without);
    let left: Option<i64> = known(value(conn, &left, &[]))?;
    let all = lacking(conn, tables, key)?;
    Ok(all.zip(left).map_or(0, |(all, left)| all.saturating_sub(left.unsigned_abs())))
}

/// Whether these columns, quoted, are the primary key of a table.
pub(super) fn is_primary(conn: &Connection, table: &str, key: &[String]) -> rusqlite::Result<bool> {
    let columns = texts(conn, "SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0", &[table]);
    let columns: Vec<String> =
        known(columns)?.unwrap_or_default().iter().map(|column| quote(column)).collect();
    Ok(folded_set(columns.iter().map(String::as_str)) == folded_set(key.iter().map(String::as_str)))
}

fn difference(tables: [&str; 2], key: &[String]) -> String {
    difference_of(tables, [key, key])
}

fn difference_of([left, right]: [&str; 2], [own, others]: [&[String]; 2]) -> String {
    let (own, others) = (own.join(", "), others.join(", "));
    format!("SELECT {own} FROM main.{} EXCEPT SELECT {others} FROM main.{}", quote(left), quote(right))
}

/// How many values of `own` in the first table are missing from `others` in the second, and some of them in words. The names of the columns are
/// quoted. `None` if they cannot be compared.
pub(super) fn not_in(
    conn: &Connection,
    tables: [&str; 2],
    [own, others]: [&[String]; 2],
) -> rusqlite::Result<Option<(u64, Vec<String>)>> {
    let difference = difference_of(tables, [own, others]);
    let number: Option<i64> = known(value(conn, &format!("SELECT count(*) FROM ({difference})"), &[]))?;
    match number {
        Some(number @ 1..) => Ok(Some((number.unsigned_abs(), shown(conn, &difference, own)?))),
        number => Ok(number.map(|_| (0, Vec::new()))),
    }
}

/// The number of keys of the first table that the second one lost.
fn lacking(conn: &Connection, tables: [&str; 2], key: &[String]) -> rusqlite::Result<Option<u64>> {
    let sql = format!("SELECT count(*) FROM ({})", difference(tables, key));
    Ok(known(value(conn, &sql, &[]))?.map(i64::unsigned_abs))
}

/// Some of these keys, in words.
fn missing(conn: &Connection, tables: [&str; 2], key: &[String]) -> rusqlite::Result<Vec<String>> {
    shown(conn, &difference(tables, key), key)
}

/// The first rows of a query with these columns, in words. One that cannot be read is left out.
fn shown(conn: &Connection, query: &str, columns: &[String]) -> rusqlite::Result<Vec<String>> {
    let values: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    let sql = format!("SELECT {} FROM ({query}) LIMIT {SHOWN_KEYS}", values.join(" || ', ' || "));
    let columns = columns.join(", ").replace('"', "");
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut keys = conn.prepare(&sql)?;
        let keys = keys.query_map([], |row| {
            let key = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned();
            Ok(format!("{columns} = {}", shortened(&key)))
        })?;
        keys.collect()
    };
    Ok(known(read())?.unwrap_or_default())
}

/// A key in words, which may be long.
fn shortened(key: &str) -> String {
    let short: String = key.chars().take(60).collect();
    if short.len() < key.len() { format!("{short}...") } else { short }
}
