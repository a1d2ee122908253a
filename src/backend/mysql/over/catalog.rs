//! [`Catalog`] for `MysqlOver`.

use super::MysqlOver;
use crate::backend::catalog::Catalog;
use crate::backend::mysql::query::text;
use crate::backend::mysql::{LOCKS, Mysql};
use crate::backend::statements::{Statements, number, value};
use crate::dialect::TableName;
use crate::fault::Fault;

impl<S: Statements> Catalog for MysqlOver<S> {
    const REACHES_BEYOND: bool = true;

    fn outlasts_rollback(script: &str) -> Option<String> {
        Mysql::outlasts_rollback(script)
    }

    fn has_triggers_on(conn: &mut &mut S, table: &TableName) -> Result<bool, Fault> {
        let name = text(Some(table.as_str()));
        let sql = format!(
            "SELECT CAST(COUNT(*) AS CHAR) AS c0 FROM information_schema.TRIGGERS
            WHERE EVENT_OBJECT_TABLE = {name} OR INSTR(LOWER(ACTION_STATEMENT), LOWER({name})) > 0"
        );
        Ok(number(*conn, &sql)? != 0)
    }

    fn is_blank(conn: &mut &mut S, tables: &[TableName]) -> Result<bool, Fault> {
        let own = tables.iter().map(|table| text(Some(table.as_str())));
        let own: Vec<String> = own.chain([text(Some(LOCKS))]).collect();
        let sql = format!(
            "SELECT CAST(COUNT(*) AS CHAR) AS c0 FROM information_schema.TABLES
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT IN ({})",
            own.join(", ")
        );
        Ok(number(*conn, &sql)? == 0)
    }

    fn current_schema(conn: &mut &mut S) -> Result<Option<String>, Fault> {
        value(*conn, "SELECT DATABASE() AS c0")
    }
}
