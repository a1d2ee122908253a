//! A backend for a database of one's own: a toy that keeps settings, whose scripts are lines of `key = value`; and the suite that says
//! whether it is one.
//!
//! `cargo run --example custom_backend`

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use switchy_schema::layout::{Entry, migrations};
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{
    Atomicity, Backend, Dialect, Dirty, Fault, FaultKind, Head, HistoryDigest, LogEntry, MigrationId,
    MigrationRunner, Progress, Record, Script, ScriptProgress, TableForm, TableName, Target, Touched,
    TrackingTable,
};

/// The database: settings, the tables and logs of the engine, and a copy of it all while a transaction is open.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    tables: BTreeMap<String, Vec<Row>>,
    logs: BTreeMap<String, Vec<LogEntry>>,
    before: Option<Box<Settings>>,
}

/// A record, and the digest it carries if it was stamped.
#[derive(Clone)]
struct Row {
    record: Record,
    digest: Option<HistoryDigest>,
}

impl Settings {
    /// One setting.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Changes one setting.
    pub fn set(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Carries out a line; a key without a value is removed.
    fn change(&mut self, line: &str) -> Result<(), Fault> {
        let setting = line.split_once('=');
        let (key, value) = setting.ok_or_else(|| Fault::new(FaultKind::Other, "expected `key = value`"))?;
        if value.trim().is_empty() {
            self.values.remove(key.trim());
        } else {
            self.set(key.trim(), value.trim());
        }
        Ok(())
    }

    fn rows(&mut self, table: &TableName) -> Result<&mut Vec<Row>, Fault> {
        let missing = || Fault::new(FaultKind::Other, format!("there is no table `{table}`"));
        self.tables.get_mut(table.as_str()).ok_or_else(missing)
    }

    /// Where the record of a migration stands.
    fn place(&mut self, table: &TableName, id: &MigrationId) -> Result<usize, Fault> {
        let place = self.rows(table)?.iter().position(|row| row.record.id == *id);
        place.ok_or_else(|| Fault::new(FaultKind::Other, format!("there is no record of `{id}`")))
    }
}

/// The lines of a script that are statements, each with its place.
fn statements(script: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = script.split_inclusive('\n').scan(0, |next, line| {
        let offset = *next;
        *next += line.len();
        Some((offset, line.trim()))
    });
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The marker that stands for it.
pub enum Toy {}

impl Backend for Toy {
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
        match sql {
            "BEGIN" => conn.before = Some(Box::new(conn.clone())),
            "COMMIT" => conn.before = None,
            _ => {
                if let Some(before) = conn.before.take() {
                    **conn = *before;
                }
            }
        }
        Ok(())
    }

    fn run_script(
        conn: &mut &mut Settings,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        for (number, (offset, statement)) in (1..).zip(statements(script.text)) {
            if number < script.from {
                continue;
            }
            conn.change(statement).map_err(|fault| fault.at(offset).in_statement(number, statement))?;
            if script.atomicity == Atomicity::NonTransactional {
                progress(conn, ScriptProgress::statement(number + 1))?;
            }
        }
        Ok(Touched::anything())
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        let offsets = statements(script).map(|(offset, _)| offset).chain([script.len()]);
        offsets.zip(1..).find(|(_, number)| *number == statement).map(|(offset, _)| offset)
    }

    fn head(conn: &mut &mut Settings, table: &TableName) -> Result<Head, Fault> {
        let rows = conn.tables.get(table.as_str()).map_or(&[][..], |rows| rows);
        Ok(rows.last().map_or(Head::EMPTY, |row| Head { digest: row.digest, count: rows.len() }))
    }

    fn read(conn: &mut &mut Settings, table: &TableName) -> Result<TrackingTable, Fault> {
        let head = Self::head(conn, table)?;
        Ok(conn.tables.get(table.as_str()).map_or(TrackingTable::MISSING, |rows| {
            let records = rows.iter().map(|row| row.record.clone());
            TrackingTable::new(TableForm::Current, head, records.collect())
        }))
    }

    fn create_table(conn: &mut &mut Settings, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        conn.tables.insert(table.as_str().to_owned(), Vec::new());
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn insert(conn: &mut &mut Settings, table: &TableName, record: &Record) -> Result<(), Fault> {
        if conn.place(table, &record.id).is_ok() {
            return Err(Fault::new(FaultKind::Other, format!("there is a record of `{}`", record.id)));
        }
        let mut record = record.clone();
        if record.run_on.is_empty() {
            record.run_on = now();
        }
        conn.rows(table)?.push(Row { record, digest: None });
        Ok(())
    }

    fn advance(
        conn: &mut &mut Settings,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        let Some(kept) = conn.rows(table)?.iter_mut().find(|row| row.record.id == *id) else {
            return Ok(false);
        };
        let state =
            |dirty: &Dirty| (dirty.direction, dirty.is_to_resume, dirty.statement, dirty.mark.clone());
        match &mut kept.record.dirty {
            Some(dirty) if state(dirty) == state(from) => {
                (dirty.statement, dirty.of) = (to.statement, to.of);
                dirty.mark.clone_from(&to.mark);
                dirty.failure.clone_from(&to.failure);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn update(conn: &mut &mut Settings, table: &TableName, record: &Record) -> Result<(), Fault> {
        let place = conn.place(table, &record.id)?;
        let kept = &mut conn.rows(table)?[place].record;
        let run_on = std::mem::take(&mut kept.run_on);
        kept.clone_from(record);
        kept.run_on = run_on;
        Ok(())
    }

    fn delete(conn: &mut &mut Settings, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let place = conn.place(table, id)?;
        conn.rows(table)?.remove(place);
        Ok(())
    }

    fn stamp(conn: &mut &mut Settings, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        conn.rows(table)?.last_mut().into_iter().for_each(|row| row.digest = Some(digest));
        Ok(())
    }

    fn append_log(conn: &mut &mut Settings, log: &TableName, trace: &LogEntry) -> Result<(), Fault> {
        let mut trace = trace.clone();
        trace.logged_on = now();
        conn.logs.entry(log.as_str().to_owned()).or_default().push(trace);
        Ok(())
    }

    fn read_log(conn: &mut &mut Settings, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        Ok(conn.logs.get(log.as_str()).cloned().unwrap_or_default())
    }

    /// Only scripts and code change anything here.
    fn has_triggers_on(_: &mut &mut Settings, _: &TableName) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// The time as records have it, `2026-11-22T19:09:07.132`.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second, milli) =
        (second / 3_600, second / 60 % 60, second % 60, since.subsec_millis());
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}", month + 1, days + 1)
}

/// What the suite needs to know of it. A thing is a setting.
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

    fn script(&self, statements: &[String]) -> String {
        statements.join("\n")
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}\n")
    }

    /// The tables of the engine are no settings.
    fn tampers(&self, _: &TableName) -> Option<String> {
        None
    }

    fn commits(&self) -> Option<String> {
        None
    }

    /// There is one connection, which nobody has to be kept from.
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
    println!("theme: {:?}", settings.value("theme"));
    if let Err(error) = runner.run(&mut settings) {
        println!("{error:#}");
    }
    println!("size: {:?}", settings.value("size"));

    conformance::<Toy>(&Toys);
    println!("it does all that a backend must do");
    Ok(())
}
