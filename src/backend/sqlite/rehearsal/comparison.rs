//! Comparing the rows of a table before and after a step.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::query::{has_row, texts};
use crate::dialect::quote;
use crate::impact::{ColumnImpact, RowCounts};
use crate::sql::same_name;

/// How a row is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// By its number, since the table is the same; without row numbers by the primary key.
    RowNumber,
    /// By its primary key.
    Primary,
}

impl Key {
    /// The name under which the numbers of rows can be read; `None` if there are none.
    pub(super) fn row_number(conn: &Connection, table: &str) -> rusqlite::Result<Option<&'static str>> {
        let columns = columns(conn, table)?;
        let is_free = |name: &&str| !columns.iter().any(|column| same_name(column, name));
        let Some(name) = ["rowid", "_rowid_", "oid"].into_iter().find(is_free) else { return Ok(None) };
        let sql = format!("SELECT {name} FROM main.{} LIMIT 0", quote(table));
        Ok(known(conn.prepare(&sql))?.map(|_| name))
    }

    /// The columns of the key as SQL names them, in the old and in the new table; `None` if there is none.
    fn columns(
        self,
        before: &Connection,
        after: &Connection,
        names: [&str; 2],
        pairs: &[(String, String)],
    ) -> rusqlite::Result<Option<[Vec<String>; 2]>> {
        if self == Self::RowNumber {
            let [old, new] = [Self::row_number(before, names[0])?, Self::row_number(after, names[1])?];
            if let Some((old, new)) = old.zip(new) {
                return Ok(Some([vec![old.to_owned()], vec![new.to_owned()]]));
            }
        }
        let sql = "SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0 ORDER BY pk";
        let mut keys = [Vec::new(), Vec::new()];
        for column in texts(after, sql, &[names[1]])? {
            let Some((old, new)) = pairs.iter().find(|(_, new)| same_name(new, &column)) else {
                return Ok(None);
            };
            keys[0].push(quote(old));
            keys[1].push(quote(new));
        }
        Ok((!keys[0].is_empty()).then_some(keys))
    }
}

/// What is the same and what differs.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// The rows that are there before and after, and those of them that differ; `None` if the rows have no key.
    kept: Option<[u64; 2]>,
    /// The columns of the old table that the new one has too.
    pub(super) columns: Vec<ColumnImpact>,
}

impl Comparison {
    /// The rows that came, changed and went, given the numbers of rows before and after.
    pub(super) fn rows(&self, [before, after]: [u64; 2]) -> RowCounts {
        match self.kept {
            Some([kept, changed]) => {
                // Keys that differed before may be equal in the new table, which has another collation.
                let kept = kept.min(after);
                RowCounts::new(after.saturating_sub(kept), changed, before.saturating_sub(kept))
            }
            None => RowCounts::new(after.saturating_sub(before), 0, before.saturating_sub(after)),
        }
    }
}

/// Compares a table before a step with the table that it is after it.
pub(super) fn compare(
    before: &Connection,
    after: &Connection,
    names: [&str; 2],
    pairs: &[(String, String)],
    key: Key,
) -> rusqlite::Result<Comparison> {
    let mut found =
        Comparison { kept: None, columns: pairs.iter().map(|(old, _)| ColumnImpact::new(old)).collect() };
    let Some([old_key, new_key]) = key.columns(before, after, names, pairs)? else { return Ok(found) };
    let mut list = old_key.clone();
    list.extend(pairs.iter().map(|(old, _)| quote(old)));
    let all = format!("SELECT {} FROM main.{}", list.join(", "), quote(names[0]));
    let mut list: Vec<String> = vec!["1".to_owned()];
    list.extend(pairs.iter().map(|(_, new)| quote(new)));
    let is_key = |(number, column): (usize, &String)| format!("{column} IS ?{}", number + 1);
    let matches: Vec<String> = new_key.iter().enumerate().map(is_key).collect();
    let one =
        format!("SELECT {} FROM main.{} WHERE {}", list.join(", "), quote(names[1]), matches.join(" AND "));
    let (mut all, mut one) = (before.prepare(&all)?, after.prepare(&one)?);
    let (mut kept, mut changed) = (0, 0);
    let mut gone: HashMap<u64, u64> = HashMap::new();
    let mut rows = all.query([])?;
    while let Some(old) = rows.next()? {
        let values: Vec<Value> = (0..old_key.len()).map(|at| old.get(at)).collect::<rusqlite::Result<_>>()?;
        let mut found_rows = one.query(params_from_iter(values))?;
        let Some(new) = found_rows.next()? else {
            *gone.entry(hash(old, old_key.len())?).or_default() += 1;
            continue;
        };
        kept += 1;
        let mut differs = false;
        for (place, column) in found.columns.iter_mut().enumerate() {
            let (was, is) = (old.get_ref(old_key.len() + place)?, new.get_ref(1 + place)?);
            if was == is {
                continue;
            }
            differs = true;
            match (was, is) {
                (ValueRef::Null, _) => {}
                (_, ValueRef::Null) => column.became_null += 1,
                _ if was.data_type() != is.data_type() => column.changed_type += 1,
                _ => {}
            }
        }
        changed += u64::from(differs);
    }
    // Without a primary key, the number of a row means nothing: a row with the same values is the same row.
    let has_meaning =
        || has_row(after, "SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 0", &[names[1]]);
    if !gone.is_empty() && !has_meaning()? {
        let mut list = new_key.clone();
        list.extend(pairs.iter().map(|(_, new)| quote(new)));
        let sql = format!("SELECT {} FROM main.{}", list.join(", "), quote(names[1]));
        let was_there = format!("SELECT 1 FROM main.{} WHERE {} = ?1", quote(names[0]), old_key.join(", "));
        let (mut new_rows, mut was_there) = (after.prepare(&sql)?, before.prepare(&was_there)?);
        let mut rows = new_rows.query([])?;
        while let Some(new) = rows.next()? {
            if !was_there.exists([new.get::<_, Value>(0)?])? {
                if let Some(same) = gone.get_mut(&hash(new, 1)?).filter(|same| **same > 0) {
                    *same -= 1;
                    kept += 1;
                }
            }
        }
    }
    found.kept = Some([kept, changed]);
    Ok(found)
}

/// A hash of the values of a row from a column on.
fn hash(row: &Row<'_>, from: usize) -> rusqlite::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for column in from..row.as_ref().column_count() {
        match row.get_ref(column)? {
            ValueRef::Null => 0_u8.hash(&mut hasher),
            ValueRef::Integer(number) => (1_u8, number).hash(&mut hasher),
            ValueRef::Real(number) => (2_u8, number.to_bits()).hash(&mut hasher),
            ValueRef::Text(bytes) => (3_u8, bytes).hash(&mut hasher),
            ValueRef::Blob(bytes) => (4_u8, bytes).hash(&mut hasher),
        }
    }
    Ok(hasher.finish())
}

/// The columns of a table, without those that SQLite computes.
pub(super) fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    texts(conn, "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0", &[table])
}

/// Keeps the rows of tables as they are now, in place of those of before. Each table has its old and its new name.
pub(super) fn renew(before: &Connection, copy: &Connection, tables: &[[String; 2]]) -> rusqlite::Result<()> {
    for name in tables.iter().flatten() {
        before.execute_batch(&format!("DROP TABLE IF EXISTS main.{}", quote(name)))?;
    }
    tables.iter().try_for_each(|[_, name]| copy_rows(copy, before, name))
}

fn copy_rows(copy: &Connection, before: &Connection, name: &str) -> rusqlite::Result<()> {
    let columns = columns(copy, name)?;
    if columns.is_empty() {
        // It was dropped.
        return Ok(());
    }
    let mut list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    // Without types, each value stays as it is.
    before.execute_batch(&format!("CREATE TABLE main.{} ({})", quote(name), list.join(", ")))?;
    if let Some(number) = Key::row_number(copy, name)? {
        list.push(number.to_owned());
    }
    let marks = vec!["?"; list.len()].join(", ");
    let list = list.join(", ");
    let mut read = copy.prepare(&format!("SELECT {list} FROM main.{}", quote(name)))?;
    let mut write = before.prepare(&format!("INSERT INTO main.{} ({list}) VALUES ({marks})", quote(name)))?;
    let count = read.column_count();
    let mut rows = read.query([])?;
    before.execute_batch("BEGIN")?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = (0..count).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
        write.execute(params_from_iter(values))?;
    }
    before.execute_batch("COMMIT")
}
