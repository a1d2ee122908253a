//! [`Catalog`] for Postgres.

use postgres::Client;

use super::{LOCKS, Postgres, fault, foreign, query, rehearsal, replay, schema};
use crate::backend::catalog::{
    Catalog, ForecastRequest, RehearsalPlace, RehearsalRequest, Rehearsed, Replayed,
};
use crate::backend::server_forecast::{self, Reading};
use crate::backend::server_ledger::Tables;
use crate::dialect::TableName;
use crate::effect::Forecast;
use crate::fault::Fault;
use crate::foreign::ForeignTable;
use crate::schema::Schema;
use crate::sql::postgres::{GRAMMAR, statements};

impl Catalog for Postgres {
    const REACHES_BEYOND: bool = true;

    /// Triggers and rules run functions, whose text may name a table or compose its name. So this checks whether any exist.
    fn has_triggers_on(conn: &mut &mut Client, _: &TableName) -> Result<bool, Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE NOT tgisinternal)
            OR EXISTS (SELECT 1 FROM pg_event_trigger)
            OR EXISTS (SELECT 1 FROM pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384)";
        let rows = query(conn, sql, &[]).map_err(fault)?;
        Ok(rows.first().is_none_or(|row| row.get(0)))
    }

    fn is_blank(conn: &mut &mut Client, tables: &[TableName]) -> Result<bool, Fault> {
        let sql = "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'm', 'f') AND nspname NOT IN ('pg_catalog', 'information_schema')
            AND nspname !~ '^pg_(toast|temp)'";
        let rows = query(conn, sql, &[]).map_err(fault)?;
        let is_own = |name: &str| name == LOCKS || tables.iter().any(|table| table.as_str() == name);
        Ok(rows.iter().all(|row| is_own(row.get(0))))
    }

    fn current_schema(conn: &mut &mut Client) -> Result<Option<String>, Fault> {
        Tables::current_schema(*conn)
    }

    fn foreign_table(
        conn: &mut &mut Client,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn rehearsal<R>(
        conn: &mut &mut Client,
        request: &RehearsalRequest<'_, Self>,
        body: impl FnOnce(&mut &mut Client, &mut Rehearsed<'_, Self>) -> R,
    ) -> Result<Option<R>, Fault> {
        if !request.places.contains(&RehearsalPlace::Transaction) {
            return Ok(None);
        }
        rehearsal::in_transaction(conn, request, body).map(Some)
    }

    fn outlasts_rollback(script: &str) -> Option<String> {
        rehearsal::outlasts(script)
    }

    fn schema(
        conn: &mut &mut Client,
        within: Option<&str>,
        without: &[&str],
    ) -> Result<Option<Schema>, Fault> {
        schema::schema(conn, within, without)
    }

    fn replay(conn: &mut &mut Client, scripts: &[&str], without: &[&str]) -> Result<Replayed, Fault> {
        replay::replay(conn, scripts, without)
    }

    fn forecast(conn: &mut &mut Client, request: &ForecastRequest<'_, Self>) -> Result<Vec<Forecast>, Fault> {
        server_forecast::forecasts(*conn, request.scripts, Reading { split: statements, grammar: &GRAMMAR })
    }
}
