//! Measures what the steps of a rehearsal do, in the transaction that is rolled back.
//!
//! The server counts for each transaction how many rows it wrote to each table (`pg_stat_xact_user_tables`), also through triggers and
//! foreign key actions.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::Client;

use super::{LOCKS, Postgres, fault, query, schema};
use crate::account::{Account, Fate};
use crate::backend::{RanSteps, RehearsalPlace, RehearsalRequest, Rehearsed};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::impact::{Measured, RowCounts, TableImpact};
use crate::report::Applied;
use crate::schema::Schema;

/// Runs `body` on the database itself; its transaction must be rolled back.
pub(super) fn in_transaction<R>(
    conn: &mut &mut Client,
    request: &RehearsalRequest<'_, Postgres>,
    body: impl FnOnce(&mut &mut Client, &mut Rehearsed<'_, Postgres>) -> R,
) -> Result<R, Fault> {
    let bytes = size(conn)?;
    let mut gauge = Gauge::new(conn, request.tables)?;
    let mut measure = |conn: &mut &mut Client, ran: &RanSteps<'_>| gauge.measure(conn, ran.steps);
    let mut rehearsed = Rehearsed {
        place: RehearsalPlace::Transaction,
        lacks: Vec::new(),
        bytes,
        copied_in: Duration::ZERO,
        measure: &mut measure,
    };
    Ok(body(conn, &mut rehearsed))
}

struct Gauge<'a> {
    /// The rows that the transaction wrote before, by the OID of the table.
    before: BTreeMap<String, RowCounts>,
    schema: Schema,
    /// The tables of the engine.
    tables: &'a [TableName],
}

/// What a transaction wrote to a table.
struct Written {
    oid: String,
    /// The name, with its schema if a statement needs that.
    name: String,
    rows: RowCounts,
}

impl<'a> Gauge<'a> {
    fn new(conn: &mut Client, tables: &'a [TableName]) -> Result<Self, Fault> {
        let before = written(conn)?.into_iter().map(|table| (table.oid, table.rows)).collect();
        Ok(Self { before, schema: definitions(conn, tables)?, tables })
    }

    fn measure(&mut self, conn: &mut Client, steps: &[Applied]) -> Result<Measured, Fault> {
        let mut account = Account::default();
        for step in steps {
            account.extend(&step.account);
        }
        let created = account.created.iter().filter(|object| object.kind == "table");
        let mut tables: Vec<TableImpact> =
            created.map(|object| TableImpact::new(&object.name, Fate::Created)).collect();
        for change in &account.tables {
            // What is kept is in the server's own numbers, unless it has another name now.
            if change.fate != Fate::Kept || change.renamed_to.is_some() {
                tables.retain(|table| table.table != change.table);
                tables.push(TableImpact {
                    renamed_to: change.renamed_to.clone(),
                    rows_before: change.rows_before,
                    ..TableImpact::new(&change.table, change.fate)
                });
            }
        }
        for object in account.dropped.iter().filter(|object| object.kind == "table") {
            if !tables.iter().any(|table| table.table == object.name) {
                tables.push(TableImpact::new(&object.name, Fate::Dropped));
            }
        }
        let now = written(conn)?;
        for table in &now {
            let before = self.before.get(&table.oid).copied().unwrap_or_default();
            let rows = RowCounts::new(
                table.rows.inserted.saturating_sub(before.inserted),
                table.rows.updated.saturating_sub(before.updated),
                table.rows.deleted.saturating_sub(before.deleted),
            );
            if rows.is_zero() || self.is_own(&table.name) {
                continue;
            }
            match tables.iter_mut().find(|known| known.name_after() == table.name) {
                Some(known) => known.by_statements = rows,
                None => tables
                    .push(TableImpact { by_statements: rows, ..TableImpact::new(&table.name, Fate::Kept) }),
            }
        }
        self.before = now.into_iter().map(|table| (table.oid, table.rows)).collect();
        for table in tables.iter_mut().filter(|table| table.fate != Fate::Dropped) {
            let after = count(conn, table.name_after())?;
            table.rows_after = Some(after);
            let rows = table.by_statements;
            if table.fate == Fate::Kept {
                table.rows_before = Some((after + rows.deleted).saturating_sub(rows.inserted));
            }
        }
        tables.sort_by(|one, other| one.table.cmp(&other.table));
        let after = definitions(conn, self.tables)?;
        let schema = self.schema.changes_to(&after);
        self.schema = after;
        Ok(Measured { tables, schema, bytes: size(conn)? })
    }

    fn is_own(&self, name: &str) -> bool {
        let name = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        name == LOCKS || self.tables.iter().any(|table| table.as_str() == name)
    }
}

/// What the transaction wrote so far to each table that is neither temporary nor a materialized view. The server may also count what earlier
/// transactions of the session wrote, so two of these must be compared.
fn written(conn: &mut Client) -> Result<Vec<Written>, Fault> {
    let sql = "SELECT s.relid::text, s.relid::regclass::text, s.n_tup_ins, s.n_tup_upd, s.n_tup_del
        FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
        WHERE c.relpersistence <> 't' AND c.relkind <> 'm' ORDER BY 2";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    let number = |row: &postgres::Row, column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    let table = |row: &postgres::Row| Written {
        oid: row.get(0),
        name: row.get::<_, String>(1).trim_matches('"').to_owned(),
        rows: RowCounts::new(number(row, 2), number(row, 3), number(row, 4)),
    };
    Ok(rows.iter().map(table).collect())
}

fn definitions(conn: &mut Client, tables: &[TableName]) -> Result<Schema, Fault> {
    let without: Vec<&str> = tables.iter().map(TableName::as_str).collect();
    let within = tables.first().and_then(TableName::schema);
    Ok(schema::schema(conn, within, &without)?.unwrap_or_default())
}

/// The number of rows of a table; its name is one that the server or the script spelled.
fn count(conn: &mut Client, table: &str) -> Result<u64, Fault> {
    let name = if table.contains('.') { table.to_owned() } else { crate::dialect::quote(table) };
    let rows = query(conn, &format!("SELECT count(*) FROM {name}"), &[]).map_err(fault)?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0)).map(i64::unsigned_abs).unwrap_or_default())
}

fn size(conn: &mut Client) -> Result<u64, Fault> {
    let rows = query(conn, "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[])
        .map_err(fault)?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0)).map(i64::unsigned_abs).unwrap_or_default())
}
