//! [`Records`] for Sqlite.

use rusqlite::{Connection, params};

use super::fault::in_file;
use super::query::{has_row, value};
use super::snapshot::write_a_frame;
use super::table::{
    self, DEFINITION, columns, head, index_dirty, is_missing, recognised_table, records, refuse_index,
};
use super::{Sqlite, client, log};
use super::{fault, in_main, message};
use crate::backend::client_part::ClientPart;
use crate::backend::faults::changes_tracking_table;
use crate::backend::records::{Records, is_applied_as_read};
use crate::backend::table::{asking_for_applied, exactly_one, lacking, state};
use crate::backend::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, History, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

impl Records for Sqlite {
    fn head(conn: &mut &Connection, table: &TableName) -> Result<Head, Fault> {
        let name = in_main(table);
        let sql =
            format!("SELECT basis, (SELECT count(*) FROM {name}) FROM {name} ORDER BY rowid DESC LIMIT 1");
        head(conn, table, &sql)
    }

    /// The partial index that [`create_table`](Self::create_table) creates is nearly always empty, so this takes little longer than the
    /// head. A damaged page can disagree with it. Reading every row to find that out takes time in proportion to them, so only the newest row,
    /// which is read anyway, is asked itself.
    fn clean_head(conn: &mut &Connection, table: &TableName) -> Result<Head, Fault> {
        let name = in_main(table);
        let sql = format!(
            "SELECT basis, (SELECT count(*) FROM {name}), \
             dirty <> 0 OR EXISTS (SELECT 1 FROM {name} WHERE dirty <> 0) FROM {name} \
             ORDER BY rowid DESC LIMIT 1"
        );
        head(conn, table, &sql)
    }

    fn is_applied(conn: &mut &Connection, table: &TableName, id: &MigrationId) -> Result<bool, Fault> {
        match has_row(conn, &asking_for_applied(&in_main(table), "?1"), &[id.as_str()]) {
            Err(error) if is_missing(&error, table) => Ok(false),
            // The table has an older form, or is another program's.
            Err(error) if message(&error).starts_with("no such column: ") => {
                is_applied_as_read::<Self>(conn, table, id)
            }
            found => found.map_err(in_file(conn)),
        }
    }

    fn form(conn: &mut &Connection, table: &TableName) -> Result<TableForm, Fault> {
        match columns(conn, &in_main(table)) {
            Err(error) if is_missing(&error, table) => refuse_index(conn, table).map(|()| TableForm::Missing),
            columns => recognised_table(conn, table, &columns.map_err(fault)?).map(|layout| layout.form),
        }
    }

    fn append(
        conn: &mut &Connection,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        let changes = conn.total_changes();
        table::insert(conn, table, record, Some(digest))?;
        // More than one row: a trigger of the table has fired.
        let is_as_given = conn.total_changes() - changes == 1
            || History::new(Self::read(conn, table)?.records).digest() == digest;
        if is_as_given { Ok(()) } else { Err(changes_tracking_table(table)) }
    }

    fn data_version(conn: &mut &Connection) -> Result<Option<i64>, Fault> {
        value(conn, "PRAGMA data_version", &[]).map(Some).map_err(fault)
    }

    fn begin_writing(conn: &mut &Connection) -> Result<(), Fault> {
        write_a_frame(conn).map_err(fault)
    }

    fn read(conn: &mut &Connection, table: &TableName) -> Result<TrackingTable, Fault> {
        let name = in_main(table);
        loop {
            let found = match columns(conn, &name) {
                Err(error) if is_missing(&error, table) => {
                    return refuse_index(conn, table).map(|()| TrackingTable::MISSING);
                }
                found => found.map_err(in_file(conn))?,
            };
            let reading = recognised_table(conn, table, &found)?;
            let (records, digest) = match records(conn, &name, &reading) {
                // Another program has upgraded the table between the two statements.
                Err(error)
                    if message(&error).starts_with("no such column")
                        && columns(conn, &name).is_ok_and(|now| now != found) =>
                {
                    continue;
                }
                records => records.map_err(in_file(conn))?,
            };
            let head = reading.head(records.len(), digest.as_deref());
            return Ok(TrackingTable::with_head(reading.form, head, records));
        }
    }

    fn create_table(conn: &mut &Connection, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = in_main(table);
        conn.execute_batch(&format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} {DEFINITION}"))
            .map_err(fault)?;
        index_dirty(conn, table).map_err(fault)?;
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn add_columns(conn: &mut &Connection, table: &TableName) -> Result<(), Fault> {
        let name = in_main(table);
        let columns = columns(conn, &name).map_err(fault)?;
        lacking(&columns).try_for_each(|column| {
            conn.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN {column} TEXT")).map_err(fault)
        })
    }

    fn insert(conn: &mut &Connection, table: &TableName, record: &Record) -> Result<(), Fault> {
        table::insert(conn, table, record, None)
    }

    fn update(conn: &mut &Connection, table: &TableName, record: &Record) -> Result<(), Fault> {
        table::update(conn, table, record)
    }

    fn advance(
        conn: &mut &Connection,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        let sql = format!(
            "UPDATE {} SET statement = ?2, statements = ?3, mark = ?4, failure = ?5
            WHERE name = ?1 AND dirty = ?6 AND statement IS ?7 AND mark IS ?8",
            in_main(table)
        );
        let (Dirty { statement, of, mark, failure, .. }, state) = (to, state(from));
        let values = params![id.as_str(), statement, of, mark, failure, state, from.statement, from.mark];
        Ok(conn.execute(&sql, values).map_err(fault)? > 0)
    }

    fn delete(conn: &mut &Connection, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {} WHERE name = ?1", in_main(table));
        exactly_one(conn.execute(&sql, [id.as_str()]).map_err(fault)?, id)
    }

    fn stamp(conn: &mut &Connection, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let name = in_main(table);
        let sql = format!("UPDATE {name} SET basis = ?1 WHERE rowid = (SELECT max(rowid) FROM {name})");
        conn.execute(&sql, [digest.to_string()]).map(drop).map_err(fault)
    }

    fn append_log(conn: &mut &Connection, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn read_log(conn: &mut &Connection, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

    fn client_part(
        _conn: &mut &Connection,
        table: &TableName,
        log: &TableName,
        part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        client::part(table, log, part)
    }
}
