//! Measures what the steps of a rehearsal do, in the transaction that is rolled back.
//!
//! The server counts for each transaction how many rows it wrote to each table (`pg_stat_xact_user_tables`), also through triggers and
//! foreign key actions.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::Client;

use super::{LOCKS, Postgres, fault, query, replay, schema};
use crate::account::{Account, Fate};
use crate::backend::{RanSteps, RehearsalPlace, RehearsalRequest, Rehearsed, Source};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::impact::{Measured, RowCounts, TableImpact};
use crate::schema::Schema;
use crate::sql::pieces::Piece;
use crate::sql::postgres::{GRAMMAR, statements};

/// Runs `body` on the database itself; its transaction must be rolled back.
pub(super) fn in_transaction<R>(
    conn: &mut &mut Client,
    request: &RehearsalRequest<'_, Postgres>,
    body: impl FnOnce(&mut &mut Client, &mut Rehearsed<'_, Postgres>) -> R,
) -> Result<R, Fault> {
    let bytes = size(conn)?;
    let mut gauge = Gauge::new(conn, request.tables)?;
    let mut measure = |conn: &mut &mut Client, ran: &RanSteps<'_>| gauge.measure(conn, ran);
    let mut rehearsed = Rehearsed {
        place: RehearsalPlace::Transaction,
        lacks: Vec::new(),
        bytes,
        copied_in: Duration::ZERO,
        no_room: None,
        measure: &mut measure,
    };
    Ok(body(conn, &mut rehearsed))
}

/// What a script does that a rollback does not undo, in words. Functions and triggers of the database, which it may call, are not read.
pub(super) fn outlasts(script: &str) -> Option<String> {
    // Bodies of functions and blocks are texts.
    let lower = script.to_lowercase();
    let words = replay::words_of(&lower);
    let acts_elsewhere = |word: &&&str| {
        OTHER_SESSIONS.iter().any(|prefix| word.starts_with(prefix)) && !word.starts_with("pg_advisory_xact")
    };
    if let Some(word) = words.iter().find(acts_elsewhere) {
        return Some(format!("has `{word}`, which acts outside the transaction"));
    }
    let Ok(pieces) = statements(script) else { return None };
    let of_session = |piece: &Piece<'_>| {
        let tokens = (GRAMMAR.tokens)(piece.text);
        let first = tokens.first()?;
        let has = |words: &[&str]| tokens.iter().any(|token| token.is_any(words));
        let writes_file = first.is("copy") && (has(&["program"]) || (has(&["to"]) && !has(&["stdout"])));
        let is_kept = first.is_any(&["prepare", "deallocate", "discard", "load"]) || writes_file;
        is_kept.then(|| first.spelling().map(str::to_uppercase)).flatten()
    };
    let found = pieces.iter().find_map(of_session)?;
    Some(format!("has `{found}`, which a rollback does not undo"))
}

/// How the names of functions begin that act on other sessions, on files, or on the session itself whatever becomes of the transaction.
const OTHER_SESSIONS: [&str; 19] = [
    "dblink",
    "lo_export",
    "pg_advisory_",
    "pg_background",
    "pg_cancel_backend",
    "pg_copy_",
    "pg_create_",
    "pg_drop_replication",
    "pg_file_",
    "pg_logical_",
    "pg_promote",
    "pg_reload_conf",
    "pg_replication_",
    "pg_rotate_logfile",
    "pg_stat_reset",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_try_advisory_lock",
    // With it, a text may end where the engine does not see it.
    "standard_conforming_strings",
];

struct Gauge<'a> {
    /// The rows that the transaction wrote before, by the OID of the table.
    before: BTreeMap<String, RowCounts>,
    /// The rows and the file of each table, by its OID, if a step may delete rows that the server does not count.
    counted: BTreeMap<String, (u64, String)>,
    schema: Schema,
    /// The tables of the engine.
    tables: &'a [TableName],
}

/// What a transaction wrote to a table.
struct Written {
    oid: String,
    /// The name, with its schema if a statement needs that.
    name: String,
    /// The same name as a statement spells it.
    spelled: String,
    /// Its file, which TRUNCATE replaces.
    file: String,
    rows: RowCounts,
}

impl<'a> Gauge<'a> {
    fn new(conn: &mut Client, tables: &'a [TableName]) -> Result<Self, Fault> {
        let before = written(conn)?.into_iter().map(|table| (table.oid, table.rows)).collect();
        Ok(Self { before, counted: BTreeMap::new(), schema: definitions(conn, tables)?, tables })
    }

    /// Counts all tables before the first step.
    fn count_all(&mut self, conn: &mut Client) -> Result<(), Fault> {
        for table in written(conn)? {
            self.counted.insert(table.oid, (count(conn, &table.spelled)?, table.file));
        }
        Ok(())
    }

    fn measure(&mut self, conn: &mut Client, ran: &RanSteps<'_>) -> Result<Measured, Fault> {
        if ran.steps.is_empty() {
            self.count_all(conn)?;
        }
        let mut account = Account::default();
        for step in ran.steps {
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
            let mut rows = RowCounts::new(
                table.rows.inserted.saturating_sub(before.inserted),
                table.rows.updated.saturating_sub(before.updated),
                table.rows.deleted.saturating_sub(before.deleted),
            );
            if self.is_own(&table.name) {
                continue;
            }
            if let Some((was, _)) = self.counted.get(&table.oid).filter(|(_, file)| *file != table.file) {
                // It was truncated, or only written anew.
                let is = count(conn, &table.spelled)?;
                rows.deleted = rows.deleted.max((was + rows.inserted).saturating_sub(is));
            }
            if rows.is_zero() {
                continue;
            }
            match tables.iter_mut().find(|known| known.name_after() == table.name) {
                Some(known) => known.by_statements = rows,
                None => tables
                    .push(TableImpact { by_statements: rows, ..TableImpact::new(&table.name, Fate::Kept) }),
            }
        }
        for table in tables.iter_mut().filter(|table| table.fate != Fate::Dropped) {
            let Some(known) = now.iter().find(|known| known.name == table.name_after()) else { continue };
            let after = count(conn, &known.spelled)?;
            table.rows_after = Some(after);
            let rows = table.by_statements;
            // The server also counts what was undone, and does not count what TRUNCATE deletes.
            if let Some((rows, _)) = self.counted.get(&known.oid) {
                table.rows_before = Some(*rows);
            } else if table.fate == Fate::Kept && ran.source == Source::Scripts {
                table.rows_before = Some((after + rows.deleted).saturating_sub(rows.inserted));
            }
        }
        self.before = now.into_iter().map(|table| (table.oid, table.rows)).collect();
        if !self.counted.is_empty() && ran.remaining != Some(0) {
            self.counted.clear();
            self.count_all(conn)?;
        }
        tables.sort_by(|one, other| one.table.cmp(&other.table));
        let after = definitions(conn, self.tables)?;
        let schema = self.schema.changes_to(&after);
        self.schema = after;
        Ok(Measured { tables, schema, bytes: size(conn)? })
    }

    fn is_own(&self, name: &str) -> bool {
        let name = name.rsplit('.').next().unwrap_or(name);
        name == LOCKS || self.tables.iter().any(|table| table.as_str() == name)
    }
}

/// What the transaction wrote so far to each table that is neither temporary nor a materialized view. The server may also count what earlier
/// transactions of the session wrote, so two of these must be compared.
fn written(conn: &mut Client) -> Result<Vec<Written>, Fault> {
    let sql = "SELECT s.relid::text, s.relid::regclass::text, s.n_tup_ins, s.n_tup_upd, s.n_tup_del,
            CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN '' ELSE s.schemaname || '.' END || s.relname,
            c.relfilenode::text
        FROM pg_catalog.pg_stat_xact_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
        WHERE c.relpersistence <> 't' AND c.relkind <> 'm' ORDER BY 2";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    let number = |row: &postgres::Row, column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    let table = |row: &postgres::Row| Written {
        oid: row.get(0),
        name: row.get(5),
        spelled: row.get(1),
        file: row.get(6),
        rows: RowCounts::new(number(row, 2), number(row, 3), number(row, 4)),
    };
    Ok(rows.iter().map(table).collect())
}

fn definitions(conn: &mut Client, tables: &[TableName]) -> Result<Schema, Fault> {
    let without: Vec<&str> = tables.iter().map(TableName::as_str).collect();
    let within = tables.first().and_then(TableName::schema);
    Ok(schema::schema(conn, within, &without)?.unwrap_or_default())
}

/// The number of rows of a table, whose name is as the server spells it.
fn count(conn: &mut Client, table: &str) -> Result<u64, Fault> {
    let rows = query(conn, &format!("SELECT count(*) FROM {table}"), &[]).map_err(fault)?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0)).map(i64::unsigned_abs).unwrap_or_default())
}

fn size(conn: &mut Client) -> Result<u64, Fault> {
    let rows = query(conn, "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[])
        .map_err(fault)?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0)).map(i64::unsigned_abs).unwrap_or_default())
}
