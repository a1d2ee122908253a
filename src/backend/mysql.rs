//! [`Mysql`]: the backend over the blocking `mysql` driver, for MySQL and MariaDB.

use std::time::Duration;

use mysql::Conn;
use mysql::consts::ColumnType;

use super::table::{exactly_one, recognised};
use super::transaction::closed_unless_known;
use super::{Backend, LockAttempt, Progress, Schemas, Scope, Script, TableForm, TrackingTable};
use crate::checksum::Checksum;
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::foreign::ForeignTable;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;
use crate::progress::StatementOutcome;
use crate::sql::mysql::statements;
use crate::sql::pieces;
use crate::touched::Touched;
use crate::transaction_fit::TransactionFit;

mod exchange;
mod foreign;
mod log;
mod non_transactional;
mod outcome;
mod query;
mod records;
mod script;
mod settings;
mod single_statement;
mod transactions;

use query::{code, column, columns, fault, run, text, waiting};
use records::{definition, head, matched, number, records};

/// MySQL and MariaDB, through `&mut mysql::Conn`.
///
/// Statements that change a schema commit by themselves here, so a script that has one runs statement by statement, and its record says
/// how far it came; a script that only reads and writes rows of transactional tables is one transaction with its record. Scripts
/// are cut as the `mysql` client cuts them: `DELIMITER` and the bodies of routines are understood. What a script sets on the
/// session is set back after it. The lock against concurrent runs is `GET_LOCK`, which the server frees with the session and which
/// each node of a cluster has for itself: there, use [`Lock::Row`](crate::Lock::Row).
///
/// ```no_run
/// use switchy_schema::{Migration, MigrationRunner, Mysql};
///
/// let mut conn = mysql::Conn::new("mysql://app@localhost/app")?;
/// let runner = MigrationRunner::<Mysql>::for_backend([
///     Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users"),
/// ])?;
/// println!("{}", runner.run(&mut conn)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mysql {}

impl Backend for Mysql {
    type Conn<'c> = &'c mut Conn;
    const DIALECT: Dialect = Dialect::Mysql;
    const STATEMENTS_ARE_ATOMIC: bool = true;
    const CODE_CAN_BE_ATOMIC: bool = false;
    const SCHEMA_CAN_BE_ATOMIC: bool = false;

    fn lend<'s>(conn: &'s mut &mut Conn) -> &'s mut Conn {
        conn
    }

    /// MariaDB has a variable for it; MySQL tells only who asks for a savepoint of a transaction.
    fn in_transaction(conn: &mut &mut Conn) -> Result<bool, Fault> {
        match column::<u8>(conn, "SELECT @@in_transaction") {
            Ok(value) => return Ok(value == Some(1)),
            Err(error) if code(&error) == Some(query::UNKNOWN_VARIABLE) => {}
            Err(error) => return Err(fault(error)),
        }
        run(conn, "SAVEPOINT __switchy_transaction")?;
        match query::read_all(conn, "RELEASE SAVEPOINT __switchy_transaction") {
            Ok(()) => Ok(true),
            Err(error) if code(&error) == Some(query::NO_SUCH_ROUTINE_OR_SAVEPOINT) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    fn execute(conn: &mut &mut Conn, sql: &str) -> Result<(), Fault> {
        run(conn, sql)
    }

    /// Without `autocommit` whatever is asked is part of a transaction that somebody else has to end.
    fn is_free(conn: &mut &mut Conn) -> Result<bool, Fault> {
        if column::<u8>(conn, "SELECT @@autocommit").map_err(fault)? == Some(0) {
            return Err(Fault::new(FaultKind::Other, "autocommit is off on this connection")
                .remedy("switch it on with SET autocommit = 1"));
        }
        Ok(!Self::in_transaction(conn)?)
    }

    /// The server takes one statement at a time.
    fn prepare_session(conn: &mut &mut Conn, sql: &str) -> Result<(), Fault> {
        let pieces = statements(sql)
            .map_err(|refused| Fault::new(FaultKind::Other, refused.what).remedy(refused.remedy))?;
        pieces.iter().try_for_each(|piece| run(conn, piece.text))
    }

    fn begin(conn: &mut &mut Conn) -> Result<(), Fault> {
        run(conn, "START TRANSACTION")
    }

    fn outside_transaction<R, E: From<Fault>>(
        conn: &mut &mut Conn,
        scope: &Scope,
        body: impl FnOnce(&mut &mut Conn) -> Result<R, E>,
    ) -> Result<R, E> {
        closed_unless_known::<Self, R, E>(conn, scope.is_script, body)
    }

    fn transaction_fit(script: &str) -> TransactionFit {
        transactions::fits(script)
    }

    fn run_script(
        conn: &mut &mut Conn,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        script::run(conn, script, progress).map(|()| Touched::anything())
    }

    fn statement_outcome(
        conn: &mut &mut Conn,
        script: &str,
        statement: u32,
        mark: &str,
    ) -> Result<StatementOutcome, Fault> {
        outcome::statement_outcome(conn, script, statement, mark)
    }

    fn foreign_table(
        conn: &mut &mut Conn,
        table: &TableName,
        columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        foreign::table(conn, table, columns)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        pieces::offset_of(&statements(script).ok()?, script, statement)
    }

    fn head(conn: &mut &mut Conn, table: &TableName) -> Result<Head, Fault> {
        head(conn, table, "basis")
    }

    fn clean_head(conn: &mut &mut Conn, table: &TableName) -> Result<Head, Fault> {
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END",
            quoted(table)
        );
        head(conn, table, &unless_dirty)
    }

    fn read(conn: &mut &mut Conn, table: &TableName) -> Result<TrackingTable, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(TrackingTable::MISSING);
        }
        let reading = recognised(&columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let has_places = columns.iter().any(|(name, _)| name == PLACE);
        let is_stamp = columns.contains(&("run_on".to_owned(), ColumnType::MYSQL_TYPE_TIMESTAMP));
        let (records, digest) = records(conn, table, &reading, has_places, is_stamp)?;
        let head = reading.head(records.len(), digest.as_deref());
        let form = if has_places { reading.form } else { TableForm::Old };
        Ok(TrackingTable::new(form, head, records))
    }

    /// Here this commits. A table of an older form is exchanged for the new one in one statement.
    fn create_table(conn: &mut &mut Conn, table: &TableName, records: &[Record]) -> Result<(), Fault> {
        let name = quoted(table);
        let found = columns(conn, table)?;
        if [PLACE, "name"].iter().all(|ours| found.iter().any(|(name, _)| name == ours)) {
            // Somebody who does not know our lock made it since it was looked for.
            return Ok(());
        }
        if found.is_empty() {
            let definition = definition(conn)?;
            run(conn, &format!("CREATE TABLE IF NOT EXISTS {name} {definition}"))?;
            return Self::transaction(conn, &Scope::immediate(), |conn| {
                records.iter().try_for_each(|record| Self::insert(conn, table, record))
            });
        }
        exchange::exchange(conn, table, records)
    }

    fn insert(conn: &mut &mut Conn, table: &TableName, record: &Record) -> Result<(), Fault> {
        run(conn, &records::insertion(table, record, None))?;
        exactly_one(conn.affected_rows(), &record.id)
    }

    fn append(
        conn: &mut &mut Conn,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        run(conn, &records::insertion(table, record, Some(digest)))?;
        exactly_one(conn.affected_rows(), &record.id)
    }

    fn append_if_head(
        conn: &mut &mut Conn,
        table: &TableName,
        head: Head,
        record: &Record,
        digest: HistoryDigest,
        patience: Duration,
    ) -> Result<Option<bool>, Fault> {
        single_statement::append(conn, table, head, record, digest, patience)
    }

    fn finish_if_unchanged(
        conn: &mut &mut Conn,
        table: &TableName,
        from: &Dirty,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<Option<bool>, Fault> {
        single_statement::finish(conn, table, from, record, digest).map(Some)
    }

    fn update(conn: &mut &mut Conn, table: &TableName, record: &Record) -> Result<(), Fault> {
        let sql = format!(
            "UPDATE {} SET {} WHERE name = {}",
            quoted(table),
            records::sets(record),
            text(Some(record.id.as_str()))
        );
        exactly_one(matched(conn, &sql)?, &record.id)
    }

    fn advance(
        conn: &mut &mut Conn,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        let sql = format!(
            "UPDATE {} SET statement = {}, statements = {}, mark = {}, failure = {} WHERE {}",
            quoted(table),
            number(to.statement),
            number(to.of),
            text(to.mark.as_deref()),
            text(to.failure.as_deref()),
            records::is_at(id, from)
        );
        Ok(matched(conn, &sql)? > 0)
    }

    fn delete(conn: &mut &mut Conn, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        run(conn, &format!("DELETE FROM {} WHERE name = {}", quoted(table), text(Some(id.as_str()))))?;
        exactly_one(conn.affected_rows(), id)
    }

    fn stamp(conn: &mut &mut Conn, table: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        let digest = text(Some(&digest.to_string()));
        run(conn, &format!("UPDATE {} SET basis = {digest} ORDER BY {PLACE} DESC LIMIT 1", quoted(table)))
    }

    fn append_log(conn: &mut &mut Conn, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault> {
        log::write(conn, log, log_entry)
    }

    fn create_log(conn: &mut &mut Conn, log: &TableName) -> Result<(), Fault> {
        log::create(conn, log)
    }

    fn read_log(conn: &mut &mut Conn, log: &TableName) -> Result<Vec<LogEntry>, Fault> {
        log::read(conn, log)
    }

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

    fn resolve(conn: &mut &mut Conn, table: &TableName) -> Result<TableName, Fault> {
        if table.schema().is_some() {
            return Ok(table.clone());
        }
        match column::<String>(conn, "SELECT DATABASE()").map_err(fault)? {
            Some(database) => table.clone().in_schema(database).map_err(Fault::of),
            None => Err(Fault::new(FaultKind::Other, "the connection has chosen no database")
                .remedy("name one in its options, or say where the records are with `schema`")),
        }
    }

    fn try_lock(conn: &mut &mut Conn, table: &TableName) -> Result<LockAttempt, Fault> {
        let key = lock_key(table);
        match column::<u8>(conn, &format!("SELECT GET_LOCK('{key}', 0)")).map_err(fault)? {
            Some(1) => return Ok(LockAttempt::Acquired),
            Some(_) => {}
            None => return Err(Fault::new(FaultKind::Other, "GET_LOCK failed and does not say why")),
        }
        // Of sessions of others only their number is shown to who may not see them.
        let sql = format!(
            "SELECT CONCAT('connection ', l.id, COALESCE(CONCAT(' of ', p.USER, '@', p.HOST, ', ', p.COMMAND, ' since ',
                DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL p.TIME SECOND, '%Y-%m-%dT%H:%i:%s'), ' UTC'), ''))
            FROM (SELECT IS_USED_LOCK('{key}') AS id) l LEFT JOIN information_schema.PROCESSLIST p ON p.ID = l.id"
        );
        let holder = column::<String>(conn, &sql).map_err(fault)?;
        Ok(LockAttempt::HeldBy(holder.unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut Conn, table: &TableName) -> Result<(), Fault> {
        column::<u8>(conn, &format!("SELECT RELEASE_LOCK('{}')", lock_key(table))).map(drop).map_err(fault)
    }

    fn lock_table(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        waiting(conn, patience, |conn| {
            match column::<u64>(conn, &format!("SELECT COUNT(*) FROM {} FOR UPDATE", quoted(table))) {
                Err(error) if code(&error) != Some(query::NO_SUCH_TABLE) => Err(fault(error)),
                _ => Ok(()),
            }
        })
    }

    fn lock_table_with_head(
        conn: &mut &mut Conn,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        match single_statement::locked_head(conn, table, patience)? {
            Some(head) => Ok(Some(head)),
            None => Self::lock_table(conn, table, patience).map(|()| None),
        }
    }

    fn create_lock_row(conn: &mut &mut Conn, table: &TableName) -> Result<LockAttempt, Fault> {
        let (locks, name) = (quoted(&table.beside(LOCKS)), text(Some(table.as_str())));
        match column::<u64>(conn, &format!("SELECT COUNT(*) FROM {locks} WHERE name = {name}")) {
            Ok(Some(1)) => return Ok(LockAttempt::Acquired),
            Err(error) if code(&error) != Some(query::NO_SUCH_TABLE) => return Err(fault(error)),
            _ => {}
        }
        run(
            conn,
            &format!(
                "CREATE TABLE IF NOT EXISTS {locks} (
                    name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
                    turn BIGINT UNSIGNED NOT NULL DEFAULT 0
                ) ENGINE=InnoDB"
            ),
        )?;
        Self::transaction(conn, &Scope::immediate(), |conn| {
            run(conn, &format!("INSERT IGNORE INTO {locks} (name) VALUES ({name})"))
        })?;
        Ok(LockAttempt::Acquired)
    }

    /// The row is changed and not only locked: nodes of a cluster compare what was changed.
    fn lock_row(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let name = text(Some(table.as_str()));
        let sql = format!("UPDATE {} SET turn = turn + 1 WHERE name = {name}", quoted(&table.beside(LOCKS)));
        waiting(conn, patience, |conn| run(conn, &sql))
    }
}

/// A schema is a database here.
impl Schemas for Mysql {}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = "__switchy_locks";

/// The column that says in which order rows were written.
const PLACE: &str = "place";

fn quoted(table: &TableName) -> String {
    table.quoted_in('`')
}

/// A lock's name has at most 64 characters and is the same for all databases of a server.
fn lock_key(table: &TableName) -> String {
    format!("switchy_schema {}", &Checksum::of(&table.to_string()).to_string()[..32])
}
