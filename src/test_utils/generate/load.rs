//! Inserting rows: SQLite judges each of them.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::cell::Cell;
use super::draft::{Draft, Preset};
use super::filled::{Filled, FilledTable};
use super::order::{components, place};
use super::table::{Reference, Table};
use crate::dialect::quote;

/// The rows to insert.
pub(in crate::test_utils) trait Rows {
    /// How many rows a table should get.
    fn count(&self, table: &Table) -> usize;

    /// An attempt at a row; `None` if there is no further one. `number` counts all rows of the table, `row` those of this call.
    fn cells(&self, table: &Table, number: usize, row: usize, attempt: usize) -> Option<Vec<Cell>>;
}

/// How many rows of a parent are considered.
const PARENTS: usize = 1000;

/// From this number on, a table has keys that rows reference before they are there.
const PROMISED: usize = 1000;

/// Inserts rows into tables, as one savepoint.
///
/// # Errors
/// The database cannot be read or written.
pub(in crate::test_utils) fn load(
    conn: &Connection,
    tables: &[Table],
    rows: &dyn Rows,
) -> rusqlite::Result<Filled> {
    let deferred = |is: bool| conn.pragma_update(None, "defer_foreign_keys", is);
    let was_deferred: bool = conn.pragma_query_value(None, "defer_foreign_keys", |row| row.get(0))?;
    let mut load = Load { conn, tables, promised: vec![Vec::new(); tables.len()] };
    let mut filled = within(conn, || {
        // Tables that reference each other are consistent only when all of them are filled.
        deferred(true)?;
        let mut filled = Vec::new();
        for members in components(tables) {
            let tables = load.component(&members, rows)?;
            filled.extend(members.into_iter().zip(tables));
        }
        Ok((filled, End::Keep))
    })?;
    if !conn.is_autocommit() {
        deferred(was_deferred)?;
    }
    filled.sort_by_key(|(place, _)| *place);
    Ok(Filled { tables: filled.into_iter().map(|(_, table)| table).collect() })
}

struct Load<'a> {
    conn: &'a Connection,
    tables: &'a [Table],
    /// The keys of each table that rows reference already.
    promised: Vec<Vec<Preset>>,
}

/// Why a row was not inserted.
enum Refusal {
    /// Other values may be accepted.
    Values(String),
    /// None will be.
    Table(String),
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl Load<'_> {
    /// Fills tables that reference each other, or none of them.
    fn component(&mut self, members: &[usize], rows: &dyn Rows) -> rusqlite::Result<Vec<FilledTable>> {
        let conn = self.conn;
        within(conn, || {
            let before = self.dangling(members).unwrap_or_default();
            let mut filled = Vec::new();
            for (at, &table) in members.iter().enumerate() {
                filled.push(self.table(table, &members[at + 1..], rows)?);
            }
            let missing = || "its rows would reference missing rows".to_owned();
            let problem = match self.dangling(members) {
                Ok(after) if after <= before => return Ok((filled, End::Keep)),
                Ok(_) => missing(),
                // The parent has no such key. A connection that does not enforce foreign keys accepts the rows.
                Err(error) => error.to_string(),
            };
            for table in &mut filled {
                table.is_empty |= table.rows > 0;
                table.rows = 0;
                table.null_columns.clear();
                table.problem.get_or_insert_with(|| problem.clone());
            }
            Ok((filled, End::Undo))
        })
    }

    /// Fills a table. Rows of the tables in `later` can be referenced before they are there.
    fn table(&mut self, at: usize, later: &[usize], rows: &dyn Rows) -> rusqlite::Result<FilledTable> {
        let table = &self.tables[at];
        let wanted = rows.count(table).max(self.promised[at].len());
        let mut problem = table.obstacle.clone().filter(|_| wanted > 0);
        let before = if problem.is_some() { 0 } else { self.count(table)? };
        for row in 0..wanted {
            if problem.is_some() {
                break;
            }
            problem = self.row(at, later, before + row, row, rows)?;
        }
        let after = self.count(table).unwrap_or_default();
        let inserted = if table.obstacle.is_some() { 0 } else { after.saturating_sub(before) };
        if inserted < wanted && problem.is_none() {
            problem = Some("rows that were inserted are not there".to_owned());
        }
        let null_columns = if after == 0 { Vec::new() } else { self.null_columns(table)? };
        let name = table.name.clone();
        Ok(FilledTable { table: name, rows: inserted, wanted, problem, is_empty: after == 0, null_columns })
    }

    /// Inserts a row, and returns why it could not.
    fn row(
        &mut self,
        at: usize,
        later: &[usize],
        number: usize,
        row: usize,
        rows: &dyn Rows,
    ) -> rusqlite::Result<Option<String>> {
        let preset = self.promised[at].get(row).cloned().unwrap_or_default();
        let mut refused = "no row was tried".to_owned();
        for attempt in 0.. {
            let Some(cells) = rows.cells(&self.tables[at], number, row, attempt) else { break };
            let promised = self.promised.clone();
            match self.insert(at, later, number, &cells, &preset) {
                Ok(()) => return Ok(None),
                Err(Refusal::Values(why)) => refused = why,
                Err(Refusal::Table(why)) => return Ok(Some(why)),
                Err(Refusal::Broken(error)) => return Err(error),
            }
            self.promised = promised;
        }
        Ok(Some(refused))
    }

    fn insert(
        &mut self,
        at: usize,
        later: &[usize],
        number: usize,
        cells: &[Cell],
        preset: &[(usize, Value)],
    ) -> Result<(), Refusal> {
        let table = &self.tables[at];
        let mut draft = Draft::new(cells, preset);
        for reference in &table.references {
            self.resolve(at, later, number, cells, reference, &mut draft)?;
        }
        for (column, cell) in cells.iter().enumerate() {
            // The rest of a key whose other columns are NULL, so that it references nothing.
            if let (Cell::Parent(number), false) = (cell, draft.is_fixed(column)) {
                draft.fix(column, table.columns[column].value(*number));
            }
        }
        self.execute(table, draft.into_values())
    }

    /// Chooses the row that a foreign key references.
    fn resolve(
        &mut self,
        at: usize,
        later: &[usize],
        number: usize,
        cells: &[Cell],
        reference: &Reference,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let columns = || reference.pairs.iter().map(|(column, _)| *column);
        if columns().all(|column| draft.is_fixed(column)) {
            return Ok(());
        }
        let open: Vec<usize> =
            reference.nullable(&self.tables[at]).filter(|column| !draft.is_fixed(*column)).collect();
        let is_null = !open.is_empty() && columns().any(|column| cells[column] == Cell::Null);
        let keys = if is_null { Vec::new() } else { self.keys(reference)? };
        let fitting: Vec<&Vec<Value>> = keys.iter().filter(|key| draft.fits(reference, key)).collect();
        if !fitting.is_empty() {
            let picked = columns().find_map(|column| match cells[column] {
                Cell::Parent(number) => Some(number),
                _ => None,
            });
            let key = fitting[picked.unwrap_or_default() % fitting.len()];
            for (column, part) in columns().zip(key) {
                draft.fix(column, part.clone());
            }
            return Ok(());
        }
        if !open.is_empty() {
            for column in open {
                draft.fix(column, Value::Null);
            }
            return Ok(());
        }
        if !keys.is_empty() {
            return Err(Refusal::Values(format!("no row of `{}` fits the other keys", reference.parent)));
        }
        match place(self.tables, &reference.parent) {
            Some(parent) if parent == at => self.reference_itself(at, number, reference, draft),
            Some(parent) if later.contains(&parent) => self.promise(parent, reference, draft),
            _ => Err(no_rows(reference)),
        }
    }

    /// The first row of a table that must reference a row of the same table.
    fn reference_itself(
        &self,
        at: usize,
        number: usize,
        reference: &Reference,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        for (column, of) in &reference.pairs {
            let key = self.tables[at].column(of).ok_or_else(|| no_rows(reference))?;
            let own = draft.value(key).cloned();
            let value = own.unwrap_or_else(|| self.tables[at].columns[key].value(number));
            draft.fix(key, value.clone());
            draft.fix(*column, value);
        }
        Ok(())
    }

    /// Chooses the key of a row that is inserted later.
    fn promise(&mut self, parent: usize, reference: &Reference, draft: &mut Draft) -> Result<(), Refusal> {
        let number = PROMISED + self.promised[parent].len();
        let mut promise = Preset::new();
        for (column, of) in &reference.pairs {
            let key = self.tables[parent].column(of).ok_or_else(|| no_rows(reference))?;
            let value = self.tables[parent].columns[key].value(number);
            promise.push((key, value.clone()));
            draft.fix(*column, value);
        }
        self.promised[parent].push(promise);
        Ok(())
    }

    fn execute(&self, table: &Table, values: Vec<Option<Value>>) -> Result<(), Refusal> {
        let given = || table.columns.iter().zip(&values).filter(|(_, value)| value.is_some());
        let names: Vec<String> = given().map(|(column, _)| quote(&column.name)).collect();
        let row = if names.is_empty() {
            "DEFAULT VALUES".to_owned()
        } else {
            format!("({}) VALUES ({})", names.join(", "), vec!["?"; names.len()].join(", "))
        };
        // Without `OR ABORT`, a constraint with a conflict clause of its own could replace rows or end the transaction.
        let sql = format!("INSERT OR ABORT INTO main.{} {row}", quote(&table.name));
        let mut statement = self.conn.prepare(&sql).map_err(|error| Refusal::Table(error.to_string()))?;
        let values = values.into_iter().flatten();
        statement.execute(params_from_iter(values)).map(drop).map_err(|error| {
            // A trigger has ended the transaction, and nothing of it is left.
            if self.conn.is_autocommit() {
                Refusal::Broken(error)
            } else {
                Refusal::Values(error.to_string())
            }
        })
    }

    /// The keys that a foreign key may have.
    fn keys(&self, reference: &Reference) -> Result<Vec<Vec<Value>>, Refusal> {
        let columns: Vec<String> = reference.pairs.iter().map(|(_, of)| quote(of)).collect();
        let columns_of_key = columns.len();
        let is_key = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>();
        // Without an order, an index decides which rows are referenced, and the one with NULL might not be.
        let sql = format!(
            "SELECT {0} FROM main.{1} WHERE {2} ORDER BY {0} LIMIT {PARENTS}",
            columns.join(", "),
            quote(&reference.parent),
            is_key.join(" AND ")
        );
        let of =
            |error: rusqlite::Error| Refusal::Table(format!("references `{}`: {error}", reference.parent));
        let mut statement = self.conn.prepare(&sql).map_err(of)?;
        let keys =
            statement.query_map([], |row| (0..columns_of_key).map(|column| row.get(column)).collect())?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    fn count(&self, table: &Table) -> rusqlite::Result<usize> {
        let sql = format!("SELECT count(*) FROM main.{}", quote(&table.name));
        let count: i64 = self.conn.query_row(&sql, [], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// The columns that are NULL in every row.
    fn null_columns(&self, table: &Table) -> rusqlite::Result<Vec<String>> {
        let counts: Vec<String> =
            table.columns.iter().map(|column| format!("count({})", quote(&column.name))).collect();
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM main.{}", counts.join(", "), quote(&table.name));
        self.conn.query_row(&sql, [], |row| {
            let is_null = |place: usize| row.get::<_, i64>(place).map(|count| count == 0);
            let mut names = Vec::new();
            for (place, column) in table.columns.iter().enumerate() {
                if is_null(place)? {
                    names.push(column.name.clone());
                }
            }
            Ok(names)
        })
    }

    /// How many rows of these tables reference a missing row.
    ///
    /// # Errors
    /// A foreign key references columns that are no key of the parent.
    fn dangling(&self, members: &[usize]) -> rusqlite::Result<i64> {
        let sql = "SELECT count(*) FROM pragma_foreign_key_check(?1, 'main')";
        members
            .iter()
            .map(|member| self.conn.query_row(sql, [&self.tables[*member].name], |row| row.get::<_, i64>(0)))
            .sum()
    }
}

fn no_rows(reference: &Reference) -> Refusal {
    Refusal::Table(format!("references `{}`, which has no rows", reference.parent))
}

/// How a savepoint ends.
enum End {
    Keep,
    Undo,
}

/// Runs `body` in a savepoint, which is undone on an error.
fn within<T>(conn: &Connection, body: impl FnOnce() -> rusqlite::Result<(T, End)>) -> rusqlite::Result<T> {
    conn.execute_batch("SAVEPOINT switchy_schema_rows")?;
    let done = body();
    let end = match &done {
        Ok((_, End::Keep)) => "RELEASE switchy_schema_rows",
        _ => "ROLLBACK TO switchy_schema_rows; RELEASE switchy_schema_rows",
    };
    // If a trigger has ended the transaction, there is no savepoint.
    let ended = if conn.is_autocommit() { Ok(()) } else { conn.execute_batch(end) };
    let (value, _) = done?;
    ended.map(|()| value)
}
