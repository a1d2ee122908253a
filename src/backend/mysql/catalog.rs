//! [`Catalog`] for Mysql.

use mysql::Conn;

use super::query::{column, fault, text};
use super::{LOCKS, Mysql, foreign};
use crate::backend::catalog::Catalog;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::foreign::ForeignTable;

impl Catalog for Mysql {
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

    fn foreign_table(
        conn: &mut &mut Conn,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }
}
