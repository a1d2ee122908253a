//! A backend for a database of one's own: a toy that keeps settings, whose scripts are lines of `key = value`.
//!
//! `cargo run --example custom_backend`

use std::collections::BTreeMap;

use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{
    Atomicity, Backend, Basis, Dialect, Fault, FaultKind, Head, Ledger, MigrationId, MigrationRunner,
    Progress, Reached, Record, Script, TableForm, TableName, Target, Trace,
};

/// The database: settings, the records of its migrations, and a copy of both while a transaction is open.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    records: Option<Vec<Record>>,
    log: Vec<Trace>,
    basis: Option<Basis>,
    before: Option<Box<Settings>>,
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
}

/// The marker that stands for it.
pub enum Toy {}

impl Backend for Toy {
    type Conn<'c> = &'c mut Settings;
    const DIALECT: Dialect = Dialect::Other("toy");

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
    ) -> Result<(), Fault> {
        let mut offset = 0;
        for (number, line) in (1..).zip(script.text.split_inclusive('\n')) {
            if number >= script.from {
                let (key, value) = line.split_once('=').ok_or_else(|| {
                    let fault = Fault::new(FaultKind::Other, "expected `key = value`");
                    fault.at(offset).in_statement(number, line)
                })?;
                conn.set(key.trim(), value.trim());
                if script.atomicity == Atomicity::Guarded {
                    progress(conn, Reached::statement(number + 1))?;
                }
            }
            offset += line.len();
        }
        Ok(())
    }

    fn head(conn: &mut &mut Settings, _: &TableName) -> Result<Head, Fault> {
        let count = conn.records.as_ref().map_or(0, Vec::len);
        Ok(if count == 0 { Head::EMPTY } else { Head { basis: conn.basis, count } })
    }

    fn read(conn: &mut &mut Settings, table: &TableName) -> Result<Ledger, Fault> {
        let head = Self::head(conn, table)?;
        let ledger = |records: &Vec<Record>| Ledger::new(TableForm::Current, head, records.clone());
        Ok(conn.records.as_ref().map_or(Ledger::MISSING, ledger))
    }

    fn create_table(conn: &mut &mut Settings, _: &TableName, records: &[Record]) -> Result<(), Fault> {
        conn.records = Some(records.to_vec());
        Ok(())
    }

    fn insert(conn: &mut &mut Settings, _: &TableName, record: &Record) -> Result<(), Fault> {
        conn.records.get_or_insert_default().push(record.clone());
        Ok(())
    }

    fn update(conn: &mut &mut Settings, _: &TableName, record: &Record) -> Result<(), Fault> {
        let mut records = conn.records.iter_mut().flatten();
        if let Some(kept) = records.find(|kept| kept.id == record.id) {
            kept.clone_from(record);
        }
        Ok(())
    }

    fn advance(
        conn: &mut &mut Settings,
        _: &TableName,
        id: &MigrationId,
        reached: &Reached,
    ) -> Result<(), Fault> {
        let mut records = conn.records.iter_mut().flatten();
        let dirty = records.find(|kept| kept.id == *id).and_then(|record| record.dirty.as_mut());
        if let Some(dirty) = dirty {
            dirty.statement = Some(reached.statement);
        }
        Ok(())
    }

    fn delete(conn: &mut &mut Settings, _: &TableName, id: &MigrationId) -> Result<(), Fault> {
        conn.records.iter_mut().for_each(|records| records.retain(|record| record.id != *id));
        Ok(())
    }

    fn stamp(conn: &mut &mut Settings, _: &TableName, basis: Basis) -> Result<(), Fault> {
        conn.basis = Some(basis);
        Ok(())
    }

    fn log(conn: &mut &mut Settings, _: &TableName, trace: &Trace) -> Result<(), Fault> {
        conn.log.push(trace.clone());
        Ok(())
    }

    fn traces(conn: &mut &mut Settings, _: &TableName) -> Result<Vec<Trace>, Fault> {
        Ok(conn.log.clone())
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
    Ok(())
}
