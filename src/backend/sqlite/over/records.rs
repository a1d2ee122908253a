//! [`Records`] for `SqliteOver`.

use super::SqliteOver;
use crate::backend::client_part::ClientPart;
use crate::backend::client_rows::ClientRows;
use crate::backend::records::Records;
use crate::backend::sqlite::table::{DEFINITION, heading_of_clean, selected};
use crate::backend::sqlite::{client, in_main, log};
use crate::backend::statements::rows::{head, log_entries, records, select};
use crate::backend::statements::{Statements, column, value};
use crate::backend::table::{LOG_COLUMNS, TableLayout, exactly_one, lacking, recognised};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::sql::Tokens;

impl<S: Statements> Records for SqliteOver<S> {
    fn clean_head(conn: &mut &mut S, table: &TableName) -> Result<Head, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(Head::EMPTY);
        }
        let layout = layout(*conn, table, &columns)?;
        if layout.form == TableForm::Old {
            return Ok(Self::read(conn, table)?.head);
        }
        Ok(head(&conn.rows(&heading_of_clean(table))?))
    }

    fn form(conn: &mut &mut S, table: &TableName) -> Result<TableForm, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(TableForm::Missing);
        }
        layout(*conn, table, &columns).map(|layout| layout.form)
    }

    fn append(
        conn: &mut &mut S,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        let sql = rows_of(table).insert(record, Some(digest), date);
        exactly_one(conn.change(&sql)?, &record.id)
    }

    fn data_version(conn: &mut &mut S) -> Result<Option<i64>, Fault> {
        let version = value(*conn, "SELECT data_version AS c0 FROM pragma_data_version")?;
        Ok(version.and_then(|text| text.parse().ok()))
    }

    fn read(conn: &mut &mut S, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(*conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let layout = layout(*conn, table, &columns)?;
        let sql = select(&selected(&layout), &format!("FROM {} ORDER BY rowid", in_main(table)));
        let (records, digest) = records(conn.rows(&sql)?);
        let head = layout.head(records.len(), digest.as_deref());
        Ok(TrackingTable::with_head(layout.form, head, records))
    }

    fn create_table(conn: &mut &mut S, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = in_main(table);
        conn.run(&format!("DROP TABLE IF EXISTS {name}"))?;
        conn.run(&format!("CREATE TABLE {name} {DEFINITION}"))?;
        let index = format!("{}_dirty", table.as_str());
        if value(*conn, &format!("SELECT 1 AS c0 FROM main.sqlite_master WHERE {}", named(&index)))?.is_none()
        {
            let (index, table) = (quote(&index), table.quoted());
            conn.run(&format!("CREATE INDEX main.{index} ON {table} (dirty) WHERE dirty <> 0"))?;
        }
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn add_columns(conn: &mut &mut S, table: &TableName) -> Result<(), Fault> {
        let columns = columns(*conn, table)?;
        let name = in_main(table);
        lacking(&columns)
            .try_for_each(|column| conn.run(&format!("ALTER TABLE {name} ADD COLUMN {column} TEXT")))
    }

    fn insert(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).insert(record, None, date))?, &record.id)
    }

    fn update(conn: &mut &mut S, table: &TableName, record: &Record) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).rewrite(record, date))?, &record.id)
    }

    fn advance(
        conn: &mut &mut S,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        Ok(conn.change(&rows_of(table).advance(id, from, to, "IS"))? > 0)
    }

    fn delete(conn: &mut &mut S, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        exactly_one(conn.change(&rows_of(table).delete(id))?, id)
    }

    fn stamp(conn: &mut &mut S, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        conn.change(&rows_of(table).stamp(digest)).map(drop)
    }

    fn append_log(conn: &mut &mut S, log: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        conn.run(&format!("CREATE TABLE IF NOT EXISTS {} {}", in_main(log), log::DEFINITION))?;
        log::refuse_foreign(log, &columns(*conn, log)?)?;
        let rows = ClientRows { log: in_main(log), ..rows_of(log) };
        exactly_one(conn.change(&rows.whole_log_entry(entry))?, &entry.id)
    }

    fn read_log(conn: &mut &mut S, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        let found = columns(*conn, log)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        log::refuse_foreign(log, &found)?;
        let texts = LOG_COLUMNS.map(|column| format!("CASE typeof({column}) WHEN 'text' THEN {column} END"));
        let sql = select(&texts, &format!("FROM {} ORDER BY rowid", in_main(log)));
        Ok(log_entries(conn.rows(&sql)?))
    }

    fn client_part(
        _conn: &mut &mut S,
        table: &TableName,
        log: &TableName,
        part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        client::part(table, log, part)
    }
}

fn rows_of(table: &TableName) -> ClientRows {
    client::rows(in_main(table), String::new())
}

/// A date as it is stored.
fn date(literal: &str) -> String {
    literal.to_owned()
}

/// The condition that an object of the schema has this name.
fn named(name: &str) -> String {
    format!("name = {} COLLATE NOCASE", client::literal(Some(name)))
}

/// The columns of a table, in order; empty if there is no such table.
fn columns(conn: &mut impl Statements, table: &TableName) -> Result<Vec<String>, Fault> {
    let name = client::literal(Some(table.as_str()));
    let found =
        column(conn, &format!("SELECT name AS c0 FROM pragma_table_xinfo({name}, 'main') ORDER BY cid"))?;
    let is_index =
        format!("SELECT 1 AS c0 FROM main.sqlite_master WHERE type = 'index' AND {}", named(table.as_str()));
    // An index has columns too, as far as this pragma goes.
    if value(conn, &is_index)?.is_some() {
        let what = "it is an index and not a tracking table; it stays as it is";
        return Err(Fault::new(FaultKind::ForeignTable, what));
    }
    Ok(found)
}

/// The layout of a table with these columns. A table of an older form is replaced, which drops it, so it must be a plain table.
fn layout(conn: &mut impl Statements, table: &TableName, columns: &[String]) -> Result<TableLayout, Fault> {
    let layout = recognised(columns)?;
    if layout.form == TableForm::Current {
        return Ok(layout);
    }
    let sql = format!(
        "SELECT coalesce(sql, type) AS c0 FROM main.sqlite_master WHERE {} AND type IN ('table', 'view')",
        named(table.as_str())
    );
    let made = value(conn, &sql)?.unwrap_or_default();
    let kind = match Tokens::new(&made).nth(1) {
        Some(token) if token.is("virtual") => "a virtual table",
        Some(token) if token.is("view") => "a view",
        _ => return Ok(layout),
    };
    let what = format!("it is {kind} and not a tracking table; it stays as it is");
    Err(Fault::new(FaultKind::ForeignTable, what))
}
