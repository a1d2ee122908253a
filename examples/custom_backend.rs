//! A backend for a database of your own: a toy that stores settings, whose scripts are lines of `key = value`; and the suite that checks
//! it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use switchy_schema::backend::{Catalog, Driver, Fault, Locks, Records, TableForm, TrackingTable, utc_now};
use switchy_schema::layout::{Entry, migrations};
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{
    Dialect, Dirty, FaultKind, HistoryDigest, LogEntry, MigrationId, MigrationRunner, Record, TableName,
    Target,
};

/// The database, with a copy of itself while a transaction is open.
#[derive(Clone, Default)]
pub struct Settings {
    /// The settings, which scripts change.
    pub values: BTreeMap<String, String>,
    tables: BTreeMap<String, Rows>,
    logs: BTreeMap<String, Vec<LogEntry>>,
    before: Option<Box<Settings>>,
}

/// The records of a table, each with its digest, once it is stamped.
type Rows = Vec<(Record, Option<HistoryDigest>)>;

impl Settings {
    /// Runs a line. A key without a value is removed.
    fn change(&mut self, line: &str) -> Result<(), Fault> {
        let (key, value) = line.split_once('=').ok_or_else(|| fault("expected `key = value`"))?;
        match value.trim() {
            "" => self.values.remove(key.trim()),
            value => self.values.insert(key.trim().to_owned(), value.to_owned()),
        };
        Ok(())
    }

    fn rows(&mut self, table: &TableName) -> Result<&mut Rows, Fault> {
        self.tables.get_mut(table.as_str()).ok_or_else(|| fault(format!("there is no table `{table}`")))
    }

    /// The index of a migration's record.
    fn index(&mut self, table: &TableName, id: &MigrationId) -> Result<usize, Fault> {
        let index = self.rows(table)?.iter().position(|(record, _)| record.id == *id);
        index.ok_or_else(|| fault(format!("there is no record of `{id}`")))
    }
}

fn fault(what: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Other, what)
}

/// The marker type of the backend.
pub enum Toy {}

impl Driver for Toy {
    type Conn<'c> = &'c mut Settings;
    const DIALECT: Dialect = Dialect::Other("toy");
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &mut Settings) -> &'s mut Settings {
        conn
    }

    fn in_transaction(conn: &mut &mut Settings) -> Result<bool, Fault> {
        Ok(conn.before.is_some())
    }

    fn execute(conn: &mut &mut Settings, sql: &str) -> Result<(), Fault> {
        match (sql, conn.before.take()) {
            ("BEGIN", None) => conn.before = Some(Box::new(conn.clone())),
            ("ROLLBACK", Some(before)) => **conn = *before,
            ("COMMIT", Some(_)) | ("ROLLBACK", None) => {}
            _ => return Err(fault(format!("cannot run `{sql}` here"))),
        }
        Ok(())
    }

    fn run_statement(conn: &mut &mut Settings, statement: &str) -> Result<(), Fault> {
        conn.change(statement)
    }

    /// Each line is a statement.
    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        let place = |text: &str| text.as_ptr().addr() - script.as_ptr().addr();
        let lines = script.lines().map(|line| line.trim().trim_end_matches(';'));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("--"));
        Ok(lines.map(|line| (place(line), line)).collect())
    }
}

impl Records for Toy {
    fn read(conn: &mut &mut Settings, table: &TableName) -> Result<TrackingTable, Fault> {
        let Some(rows) = conn.tables.get(table.as_str()) else { return Ok(TrackingTable::MISSING) };
        let (records, digests): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
        Ok(TrackingTable::new(TableForm::Current, digests.last().copied().flatten(), records))
    }

    fn create_table(conn: &mut &mut Settings, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        conn.tables.insert(table.as_str().to_owned(), Vec::new());
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn insert(conn: &mut &mut Settings, table: &TableName, record: &Record) -> Result<(), Fault> {
        if conn.index(table, &record.id).is_ok() {
            return Err(fault(format!("there is a record of `{}`", record.id)));
        }
        let mut record = record.clone();
        if record.run_on.is_empty() {
            record.run_on = utc_now();
        }
        conn.rows(table)?.push((record, None));
        Ok(())
    }

    fn update(conn: &mut &mut Settings, table: &TableName, record: &Record) -> Result<(), Fault> {
        let index = conn.index(table, &record.id)?;
        let kept = &mut conn.rows(table)?[index].0;
        let run_on = std::mem::replace(kept, record.clone()).run_on;
        if kept.run_on.is_empty() {
            kept.run_on = run_on;
        }
        Ok(())
    }

    fn advance(
        conn: &mut &mut Settings,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        let Ok(index) = conn.index(table, id) else { return Ok(false) };
        let dirty = conn.rows(table)?[index].0.dirty.as_mut().filter(|dirty| dirty.is_at(from));
        Ok(dirty.map(|dirty| dirty.advance_to(to)).is_some())
    }

    fn delete(conn: &mut &mut Settings, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let index = conn.index(table, id)?;
        conn.rows(table)?.remove(index);
        Ok(())
    }

    fn stamp(conn: &mut &mut Settings, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        conn.rows(table)?.last_mut().into_iter().for_each(|(_, stamped)| *stamped = Some(digest));
        Ok(())
    }

    fn append_log(conn: &mut &mut Settings, log: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        let mut entry = entry.clone();
        entry.logged_on = utc_now();
        conn.logs.entry(log.as_str().to_owned()).or_default().push(entry);
        Ok(())
    }

    fn read_log(conn: &mut &mut Settings, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        Ok(conn.logs.get(log.as_str()).cloned().unwrap_or_default())
    }
}

impl Locks for Toy {}
impl Catalog for Toy {}

/// The testbed for the suite. A thing is a setting.
pub struct Toys;

impl Testbed<Toy> for Toys {
    type Database = Mutex<Settings>;

    fn create(&self) -> Mutex<Settings> {
        Mutex::default()
    }

    fn connect<R>(&self, database: &Mutex<Settings>, body: impl FnOnce(&mut Settings) -> R) -> R {
        body(&mut database.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn make(&self, name: &str) -> String {
        format!("{name} = made")
    }

    fn unmake(&self, name: &str) -> String {
        format!("{name} =")
    }

    fn fails(&self) -> String {
        "no setting".to_owned()
    }

    fn things(&self, settings: &mut Settings) -> Vec<String> {
        settings.values.keys().cloned().collect()
    }

    fn abilities(&self) -> Abilities {
        Abilities { connections: false, lock: false, forecast: false, ..Abilities::default() }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        Entry::new("1_defaults/up.toy.sql", b"theme = light\nfont = serif".as_slice()),
        Entry::new("2_dark/up.toy.sql", b"theme = dark".as_slice()),
        Entry::new("3_broken/up.toy.sql", b"size = 12\nno setting".as_slice()),
    ];
    let runner = MigrationRunner::<Toy>::for_backend(migrations::<Toy>("", files)?)?;

    let mut settings = Settings::default();
    println!("{}", runner.run_to(&mut settings, Target::Before("3_broken".into()))?);
    if let Err(error) = runner.run(&mut settings) {
        println!("{error:#}");
    }
    println!("{:?}", settings.values);
    conformance::<Toy>(&Toys);
    println!("it does all that a backend must do");
    Ok(())
}
