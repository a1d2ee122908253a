//! [`Postgres`]: the backend over the blocking `postgres` driver.

use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;

use super::table::{exactly_one, recognised};
use super::{Backend, LockAttempt, Progress, Schemas, Script, TableForm, TrackingTable, closed};
use crate::dialect::{Dialect, TableName};
use crate::fault::Fault;
use crate::foreign::ForeignTable;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::progress::StatementOutcome;
use crate::sql::pieces;
use crate::sql::postgres::statements;
use crate::step::Atomicity;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

mod foreign;
mod log;
mod non_transactional;
mod outcome;
mod query;
mod quiet;
mod records;
mod script;
mod settings;
mod transactions;

use query::{execute, fault, query};
use records::{head, heading, records, write};

/// PostgreSQL, through `&mut postgres::Client`.
///
/// Scripts run statement by statement, so that an error has its line and column. What a script sets on the session (`search_path`, a
/// role) is set back after it. The lock against concurrent runs is an advisory one, which the server frees with the session.
///
/// ```no_run
/// use postgres::{Client, NoTls};
/// use switchy_schema::{Migration, MigrationRunner, Postgres};
///
/// let mut client = Client::connect("host=localhost user=app", NoTls)?;
/// let runner = MigrationRunner::<Postgres>::for_backend([
///     Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users"),
/// ])?;
/// println!("{}", runner.run(&mut client)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postgres {}

impl Backend for Postgres {
    type Conn<'c> = &'c mut Client;
    const DIALECT: Dialect = Dialect::Postgres;
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &mut Client) -> &'s mut Client {
        conn
    }

    /// The server tells only who asks for something that needs a transaction.
    fn in_transaction(conn: &mut &mut Client) -> Result<bool, Fault> {
        match conn.batch_execute("SAVEPOINT __switchy_transaction; RELEASE SAVEPOINT __switchy_transaction") {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::NO_ACTIVE_SQL_TRANSACTION) => Ok(false),
            Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Ok(true),
            Err(error) => Err(fault(error)),
        }
    }

    fn execute(conn: &mut &mut Client, sql: &str) -> Result<(), Fault> {
        conn.batch_execute(sql).map_err(fault)
    }

    /// What was read before a lock was had must not hide what was committed meanwhile, whatever the session's default is.
    fn begin(conn: &mut &mut Client) -> Result<(), Fault> {
        Self::execute(conn, "BEGIN ISOLATION LEVEL READ COMMITTED")
    }

    /// Without a transaction the server warns, and does nothing.
    fn rollback(conn: &mut &mut Client) -> Result<(), Fault> {
        Self::execute(conn, "ROLLBACK")
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn run_script(
        conn: &mut &mut Client,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        let before = settings::read(conn, script.text, script.session)?;
        if script.atomicity == Atomicity::NonTransactional {
            // The end of a transaction would set back what is set in it.
            let outcome =
                closed::<Self, _, _>(conn, |conn| script::run(conn, script, before.as_ref(), progress));
            let restored = settings::restore(conn, before, script.session);
            outcome.and(restored)?;
        } else {
            // In a transaction that failed nothing can be set, and its end sets everything back.
            script::run(conn, script, before.as_ref(), progress)?;
            settings::restore(conn, before, script.session)?;
        }
        Ok(Touched::anything())
    }

    fn head(conn: &mut &mut Client, table: &TableName) -> Result<Head, Fault> {
        head(conn, &heading(table, "basis"))
    }

    fn clean_head(conn: &mut &mut Client, table: &TableName) -> Result<Head, Fault> {
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END",
            table.quoted()
        );
        head(conn, &heading(table, &unless_dirty))
    }

    fn form(conn: &mut &mut Client, table: &TableName) -> Result<TableForm, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TableForm::Missing);
        }
        let has_places = columns.iter().any(|column| column == PLACE);
        Ok(if has_places { recognised(&columns)?.form } else { TableForm::Old })
    }

    fn read(conn: &mut &mut Client, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let reading = recognised(&columns)?;
        // The place of a row is told by a column of ours; a table of an older form has the order in which it was written.
        let has_places = columns.iter().any(|column| column == PLACE);
        let (records, digest) = records(conn, table, &reading, has_places).map_err(fault)?;
        let head = reading.head(records.len(), digest.as_deref());
        let form = if has_places { reading.form } else { TableForm::Old };
        Ok(TrackingTable::new(form, head, records))
    }

    fn create_table(conn: &mut &mut Client, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = table.quoted();
        Self::execute(
            conn,
            &format!(
                "DROP TABLE IF EXISTS {name};
                CREATE TABLE {name} (
                    name TEXT NOT NULL UNIQUE,
                    run_on TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
                    checksum TEXT,
                    dirty INTEGER NOT NULL DEFAULT 0,
                    duration_ms BIGINT,
                    basis TEXT,
                    statement INTEGER,
                    statements INTEGER,
                    mark TEXT,
                    failure TEXT,
                    up_sql TEXT,
                    down_sql TEXT,
                    down_options TEXT,
                    down_checksum TEXT,
                    {PLACE} BIGINT GENERATED BY DEFAULT AS IDENTITY
                )"
            ),
        )?;
        records.iter().try_for_each(|record| Self::insert(conn, table, record))
    }

    fn insert(conn: &mut &mut Client, table: &TableName, record: &Record) -> Result<(), Fault> {
        write(conn, &records::inserting(table, "NULL"), record, None)
    }

    fn append(
        conn: &mut &mut Client,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        write(conn, &records::inserting(table, "$14"), record, Some(&digest.to_string()))
    }

    fn update(conn: &mut &mut Client, table: &TableName, record: &Record) -> Result<(), Fault> {
        let sql = format!(
            "UPDATE {} SET run_on = coalesce($2::timestamp AT TIME ZONE 'UTC', run_on), checksum = $3, dirty = $4::integer,
            duration_ms = $5::bigint, statement = $6::integer, statements = $7::integer, mark = $8, failure = $9, up_sql = $10,
            down_sql = $11, down_options = $12, down_checksum = $13 WHERE name = $1",
            table.quoted()
        );
        write(conn, &sql, record, None)
    }

    fn advance(
        conn: &mut &mut Client,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        outcome::advance(conn, table, id, from, to)
    }

    fn delete(conn: &mut &mut Client, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        let sql = format!("DELETE FROM {} WHERE name = $1", table.quoted());
        exactly_one(execute(conn, &sql, &[Some(id.as_str())]).map_err(fault)?, id)
    }

    fn stamp(conn: &mut &mut Client, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let name = table.quoted();
        let sql = format!("UPDATE {name} SET basis = $1 WHERE {PLACE} = (SELECT max({PLACE}) FROM {name})");
        execute(conn, &sql, &[Some(&digest.to_string())]).map(drop).map_err(fault)
    }

    fn append_log(conn: &mut &mut Client, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn read_log(conn: &mut &mut Client, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

    fn statement_outcome(
        conn: &mut &mut Client,
        script: &str,
        statement: u32,
        mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        outcome::statement_outcome(conn, script, statement, mark)
    }

    fn foreign_table(
        conn: &mut &mut Client,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        pieces::offset_of(&statements(script).ok()?, script, statement)
    }

    /// Where the table is, or would be made.
    fn resolve(conn: &mut &mut Client, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        let sql = "SELECT coalesce(
            (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE pg_class.oid = to_regclass($1)), current_schema())::text";
        let rows = query(conn, sql, &[Some(&table.quoted())]).map_err(fault)?;
        match rows.first().and_then(|row| row.get::<_, Option<String>>(0)) {
            Some(schema) => table.clone().in_schema(schema).map_err(Fault::of),
            None => Ok(table.clone()),
        }
    }

    /// Triggers and rules run functions, whose text may name a table or make up its name; so it is asked whether there are any.
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

    fn try_lock(conn: &mut &mut Client, table: &TableName) -> Result<LockAttempt, Fault> {
        let name = table.to_string();
        let rows =
            query(conn, &format!("SELECT pg_try_advisory_lock({KEY})"), &[Some(&name)]).map_err(fault)?;
        if rows.first().is_some_and(|row| row.get(0)) {
            return Ok(LockAttempt::Acquired);
        }
        let sql = format!(
            "SELECT format('pid %s%s, since %s', pid, coalesce(' (' || nullif(application_name, '') || ')', ''), query_start)
            FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32) | objid::bigint = {KEY}
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1"
        );
        let holder = query(conn, &sql, &[Some(&name)]).map_err(fault)?;
        let holder = holder.first().and_then(|row| row.get::<_, Option<String>>(0));
        Ok(LockAttempt::HeldBy(holder.unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut Client, table: &TableName) -> Result<(), Fault> {
        let sql = format!("SELECT pg_advisory_unlock({KEY})");
        query(conn, &sql, &[Some(&table.to_string())]).map(drop).map_err(fault)
    }

    fn lock_table(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        if columns(conn, table)?.is_empty() {
            return Ok(());
        }
        waiting(conn, patience, |conn| {
            Self::execute(conn, &format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted()))
        })
    }

    /// Where the lock is free, nobody has to be waited for, and nothing has to be set for that.
    fn lock_table_with_head(
        conn: &mut &mut Client,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        let sql = format!(
            "SAVEPOINT __switchy_enter; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT; {}; RELEASE SAVEPOINT __switchy_enter",
            table.quoted(),
            heading(table, "basis")
        );
        match conn.simple_query(&sql) {
            Ok(messages) => Ok(Some(records::told(&messages))),
            Err(error) => {
                let back = "ROLLBACK TO SAVEPOINT __switchy_enter; RELEASE SAVEPOINT __switchy_enter";
                conn.batch_execute(back).map_err(|_| fault(error))?;
                Self::lock_table(conn, table, patience).map(|()| None)
            }
        }
    }

    fn create_lock_row(conn: &mut &mut Client, table: &TableName) -> Result<LockAttempt, Fault> {
        let locks = table.beside(LOCKS).quoted();
        let insert = format!("INSERT INTO {locks} (name) VALUES ($1) ON CONFLICT DO NOTHING");
        let name = [Some(table.as_str())];
        match execute(conn, &insert, &name) {
            Ok(_) => return Ok(LockAttempt::Acquired),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
            Err(error) => return Err(fault(error)),
        }
        let create = format!("CREATE TABLE IF NOT EXISTS {locks} (name TEXT NOT NULL PRIMARY KEY)");
        match conn.batch_execute(&create) {
            Ok(()) => {}
            // Two that make it at once meet in the catalog.
            Err(error)
                if [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT]
                    .iter()
                    .any(|state| error.code() == Some(state)) => {}
            Err(error) => return Err(fault(error)),
        }
        execute(conn, &insert, &name).map(|_| LockAttempt::Acquired).map_err(fault)
    }

    fn lock_row(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let sql = format!("SELECT 1 FROM {} WHERE name = $1 FOR UPDATE", table.beside(LOCKS).quoted());
        waiting(conn, patience, |conn| query(conn, &sql, &[Some(table.as_str())]).map(drop).map_err(fault))
    }

    /// Not every engine that speaks this protocol can lock a table. There the records are locked.
    fn wait_for_writers(conn: &mut &mut Client, table: &TableName, patience: Duration) -> Result<(), Fault> {
        Self::execute(conn, "SAVEPOINT __switchy_outwait")?;
        match Self::lock_table(conn, table, patience) {
            Err(fault) if outcome::is_unknown_to_engine(&fault) => {
                Self::execute(conn, "ROLLBACK TO SAVEPOINT __switchy_outwait")?;
                let records = format!("SELECT 1 FROM {} ORDER BY name FOR UPDATE", table.quoted());
                waiting(conn, patience, |conn| Self::execute(conn, &records))
            }
            outcome => outcome,
        }
    }
}

/// Asks for a lock in the transaction that is open, for so long.
fn waiting(
    conn: &mut Client,
    patience: Duration,
    lock: impl FnOnce(&mut &mut Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // Zero would mean for ever.
    let limit = patience.as_millis().clamp(1, i32::MAX as u128);
    let before = query(conn, "SELECT current_setting('lock_timeout')", &[]).map_err(fault)?;
    let before: Option<String> = before.first().map(|row| row.get(0));
    conn.batch_execute(&format!("SET LOCAL lock_timeout = {limit}")).map_err(fault)?;
    lock(&mut &mut *conn)?;
    let back = "SELECT set_config('lock_timeout', $1, true)";
    query(conn, back, &[before.as_deref()]).map(drop).map_err(fault)
}

impl Schemas for Postgres {}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = "__switchy_locks";

/// The key of the advisory lock: one for each schema and table; locks are of one database in any case.
const KEY: &str = "hashtextextended('switchy_schema ' || $1::text, 0)";

/// The column that says in which order rows were written.
const PLACE: &str = "place";

/// The columns of a table, in their order; none if there is no such table.
fn columns(conn: &mut Client, table: &TableName) -> Result<Vec<String>, Fault> {
    let sql = "SELECT attname::text FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = query(conn, sql, &[Some(&table.quoted())]).map_err(fault)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
