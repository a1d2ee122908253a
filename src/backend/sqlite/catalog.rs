//! [`Catalog`] for Sqlite.

use rusqlite::Connection;

use super::query::value;
use super::{Sqlite, fault, forecast, foreign, rehearsal, schema, scratch};
use crate::backend::catalog::{
    Catalog, ForecastRequest, Prepare, RehearsalPlace, RehearsalRequest, Rehearsed,
};
use crate::dialect::TableName;
use crate::effect::Forecast;
use crate::fault::Fault;
use crate::foreign::ForeignTable;
use crate::impact::DataState;
use crate::schema::Schema;
use crate::sql::{contains, same_name};

impl Catalog for Sqlite {
    fn has_triggers_on(conn: &mut &Connection, table: &TableName) -> Result<bool, Fault> {
        let sql = "SELECT sql FROM main.sqlite_master WHERE type = 'trigger' UNION ALL
            SELECT sql FROM temp.sqlite_master WHERE type = 'trigger'";
        // However a name is quoted, its parts without quote characters appear in the text unchanged.
        let longest = table.as_str().split(['"', '\'', '`', '[', ']']).max_by_key(|part| part.len());
        let read = || -> rusqlite::Result<bool> {
            let mut statement = conn.prepare(sql)?;
            let mut triggers = statement.query([])?;
            while let Some(trigger) = triggers.next()? {
                let text = String::from_utf8_lossy(trigger.get_ref(0)?.as_bytes().unwrap_or_default());
                if contains(&text, longest.unwrap_or_default()) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        read().map_err(fault)
    }

    fn scratch<R>(
        prepare: Option<&Prepare<Self>>,
        body: impl FnOnce(&mut &Connection) -> R,
    ) -> Result<Option<R>, Fault> {
        let conn = scratch::open(prepare)?;
        Ok(Some(body(&mut &conn)))
    }

    fn is_blank(conn: &mut &Connection, tables: &[TableName]) -> Result<bool, Fault> {
        let sql =
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'";
        let read = || -> rusqlite::Result<bool> {
            // It is unknown which program the objects of an attached database belong to.
            let attached =
                "SELECT EXISTS (SELECT 1 FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))";
            if value(conn, attached, &[])? {
                return Ok(false);
            }
            let mut statement = conn.prepare(sql)?;
            let mut names = statement.query([])?;
            while let Some(row) = names.next()? {
                let name: String = row.get(0)?;
                if !tables.iter().any(|table| same_name(table.as_str(), &name)) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        read().map_err(fault)
    }

    fn foreign_table(
        conn: &mut &Connection,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn user_version(conn: &mut &Connection) -> Result<Option<i64>, Fault> {
        foreign::user_version(conn)
    }

    fn rehearsal<R>(
        conn: &mut &Connection,
        request: &RehearsalRequest<'_, Self>,
        body: impl FnOnce(&mut &Connection, &mut Rehearsed<'_, Self>) -> R,
    ) -> Result<Option<R>, Fault> {
        if !request.places.contains(&RehearsalPlace::Copy) {
            return Ok(None);
        }
        rehearsal::on_copy(conn, request, body).map(Some)
    }

    fn data_state(conn: &mut &Connection) -> Result<DataState, Fault> {
        rehearsal::data_state(conn).map_err(fault)
    }

    fn schema(
        conn: &mut &Connection,
        _within: Option<&str>,
        without: &[&str],
    ) -> Result<Option<Schema>, Fault> {
        schema::schema(conn, without).map(Some)
    }

    fn forecast(conn: &mut &Connection, request: &ForecastRequest<'_, Self>) -> Result<Vec<Forecast>, Fault> {
        forecast::forecast(conn, request)
    }
}
