//! [`Catalog`] for Mysql.

use mysql::Conn;

use super::query::{column, fault, text};
use super::{LOCKS, Mysql, foreign, schema};
use crate::backend::catalog::{Catalog, ForecastRequest, Replayed};
use crate::backend::server_forecast::{self, Reading};
use crate::backend::server_ledger::Tables;
use crate::dialect::TableName;
use crate::effect::Forecast;
use crate::error::Abridged;
use crate::fault::Fault;
use crate::foreign::ForeignTable;
use crate::schema::Schema;
use crate::sql::Tokens;
use crate::sql::mysql::{GRAMMAR, Kind, computes_variable, kind, statements};

impl Catalog for Mysql {
    const REACHES_BEYOND: bool = true;

    fn has_triggers_on(conn: &mut &mut Conn, table: &TableName) -> Result<bool, Fault> {
        let name = text(Some(table.as_str()));
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS
            WHERE EVENT_OBJECT_TABLE = {name} OR INSTR(LOWER(ACTION_STATEMENT), LOWER({name})) > 0"
        );
        Ok(column::<u64>(conn, &sql).map_err(fault)? != Some(0))
    }

    fn is_blank(conn: &mut &mut Conn, tables: &[TableName]) -> Result<bool, Fault> {
        let own = tables.iter().map(|table| text(Some(table.as_str())));
        let own: Vec<String> = own.chain([text(Some(LOCKS))]).collect();
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT IN ({})",
            own.join(", ")
        );
        Ok(column::<u64>(conn, &sql).map_err(fault)? == Some(0))
    }

    fn current_schema(conn: &mut &mut Conn) -> Result<Option<String>, Fault> {
        Tables::current_schema(*conn)
    }

    fn foreign_table(
        conn: &mut &mut Conn,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn schema(conn: &mut &mut Conn, within: Option<&str>, without: &[&str]) -> Result<Option<Schema>, Fault> {
        schema::schema(conn, within, without)
    }

    /// What belongs to the session or is written to a file.
    fn outlasts_rollback(script: &str) -> Option<String> {
        let stays = |text: &str| {
            let mut words = Tokens::new(text);
            matches!(kind(text), Kind::Temporary)
                || computes_variable(text)
                || words.any(|word| word.is_any(&["outfile", "dumpfile", "get_lock", "release_lock"]))
        };
        let pieces = statements(script).ok()?;
        let found = pieces.iter().find(|piece| stays(piece.text))?;
        Some(format!("has `{}`, which a rollback does not undo", Abridged(found.text)))
    }

    /// Every statement that changes a schema commits, so a replay could not be rolled back.
    fn replay(_: &mut &mut Conn, _: &[&str], _: &[&str]) -> Result<Replayed, Fault> {
        let what = "MySQL commits each statement that changes a schema, so the migrations cannot be run again and rolled back";
        Ok(Replayed::Impossible(what.to_owned()))
    }

    fn forecast(conn: &mut &mut Conn, request: &ForecastRequest<'_, Self>) -> Result<Vec<Forecast>, Fault> {
        server_forecast::forecasts(*conn, request.scripts, Reading { split: statements, grammar: &GRAMMAR })
    }
}
