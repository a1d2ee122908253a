//! [`Catalog`] for `PostgresOver`.

use super::PostgresOver;
use crate::backend::catalog::Catalog;
use crate::backend::postgres::{LOCKS, Postgres};
use crate::backend::statements::{Statements, column, value};
use crate::dialect::TableName;
use crate::fault::Fault;

impl<S: Statements> Catalog for PostgresOver<S> {
    const REACHES_BEYOND: bool = true;

    /// Triggers and rules run functions, whose text may name a table or compose its name. So this checks whether any exist.
    fn has_triggers_on(conn: &mut &mut S, _: &TableName) -> Result<bool, Fault> {
        let sql = "SELECT (EXISTS (SELECT 1 FROM pg_trigger WHERE NOT tgisinternal)
            OR EXISTS (SELECT 1 FROM pg_event_trigger)
            OR EXISTS (SELECT 1 FROM pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384))::text AS c0";
        Ok(value(*conn, sql)?.as_deref() != Some("false"))
    }

    fn outlasts_rollback(script: &str) -> Option<String> {
        Postgres::outlasts_rollback(script)
    }

    fn is_blank(conn: &mut &mut S, tables: &[TableName]) -> Result<bool, Fault> {
        let sql =
            "SELECT relname::text AS c0 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'm', 'f') AND nspname NOT IN ('pg_catalog', 'information_schema')
            AND nspname !~ '^pg_(toast|temp)'";
        let is_own = |name: &str| name == LOCKS || tables.iter().any(|table| table.as_str() == name);
        Ok(column(*conn, sql)?.iter().all(|name| is_own(name)))
    }

    fn current_schema(conn: &mut &mut S) -> Result<Option<String>, Fault> {
        value(*conn, "SELECT current_schema()::text AS c0")
    }
}
