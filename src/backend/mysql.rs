//! [`Mysql`]: the backend over the blocking `mysql` driver, for MySQL and MariaDB.

use std::time::Duration;

use mysql::Conn;
use mysql::consts::ColumnType;
use mysql::prelude::Queryable;

use super::table::{Reading, Row, UNTOLD, UP_BEGAN, Values, exactly_one, recognised, state};
use super::{Attempt, Backend, Ledger, Progress, Schemas, Scope, Script, TableForm};
use crate::checksum::Checksum;
use crate::dialect::{Dialect, TableName};
use crate::fault::{Fault, FaultKind};
use crate::fit::Fit;
use crate::foreign::ForeignTable;
use crate::history::{Basis, Dirty, Head, Record};
use crate::id::MigrationId;
use crate::reached::Standing;
use crate::sql::mysql::statements;
use crate::sql::pieces;
use crate::touched::Touched;
use crate::trace::Trace;

mod exchange;
mod foreign;
mod log;
mod query;
mod script;
mod settings;
mod standing;
mod transactions;

use query::{code, column, columns, fault, first, get, run, text};

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

    fn fit(script: &str) -> Fit {
        transactions::fits(script)
    }

    fn run_script(
        conn: &mut &mut Conn,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Touched, Fault> {
        script::run(conn, script, progress).map(|()| Touched::anything())
    }

    fn stands(conn: &mut &mut Conn, script: &str, statement: u32, mark: &str) -> Result<Standing, Fault> {
        standing::stands(conn, script, statement, mark)
    }

    fn foreign(
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

    fn settled(conn: &mut &mut Conn, table: &TableName) -> Result<Head, Fault> {
        let unless_dirty = format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE dirty <> 0) THEN NULL ELSE basis END",
            quoted(table)
        );
        head(conn, table, &unless_dirty)
    }

    fn read(conn: &mut &mut Conn, table: &TableName) -> Result<Ledger, Fault> {
        let columns = columns(conn, table)?;
        if columns.is_empty() {
            return Ok(Ledger::MISSING);
        }
        let reading = recognised(&columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
        let has_places = columns.iter().any(|(name, _)| name == PLACE);
        let is_stamp = columns.contains(&("run_on".to_owned(), ColumnType::MYSQL_TYPE_TIMESTAMP));
        let (records, basis) = records(conn, table, &reading, has_places, is_stamp)?;
        let head = reading.head(records.len(), basis.as_deref());
        let form = if has_places { reading.form } else { TableForm::Old };
        Ok(Ledger::new(form, head, records))
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
        let values = Values::from(record);
        let sql = format!(
            "INSERT INTO {} (name, run_on, checksum, dirty, duration_ms, statement, statements, mark, failure, up_sql, down_sql,
            down_options, down_checksum) VALUES ({}, {}, {})",
            quoted(table),
            text(Some(values.name)),
            dated(values.run_on, "UTC_TIMESTAMP(3)"),
            rest(&values).map(|(_, value)| value).join(", "),
        );
        run(conn, &sql)?;
        exactly_one(conn.affected_rows(), &record.id)
    }

    fn update(conn: &mut &mut Conn, table: &TableName, record: &Record) -> Result<(), Fault> {
        let values = Values::from(record);
        let sets = rest(&values).map(|(column, value)| format!("{column} = {value}")).join(", ");
        let sql = format!(
            "UPDATE {} SET run_on = {}, {sets} WHERE name = {}",
            quoted(table),
            dated(values.run_on, "run_on"),
            text(Some(values.name))
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
            "UPDATE {} SET statement = {}, statements = {}, mark = {}, failure = {}
            WHERE name = {} AND dirty = {} AND statement <=> {} AND mark <=> {}",
            quoted(table),
            number(to.statement),
            number(to.of),
            text(to.mark.as_deref()),
            text(to.failure.as_deref()),
            text(Some(id.as_str())),
            state(from),
            number(from.statement),
            text(from.mark.as_deref())
        );
        Ok(matched(conn, &sql)? > 0)
    }

    fn delete(conn: &mut &mut Conn, table: &TableName, id: &MigrationId) -> Result<(), Fault> {
        run(conn, &format!("DELETE FROM {} WHERE name = {}", quoted(table), text(Some(id.as_str()))))?;
        exactly_one(conn.affected_rows(), id)
    }

    fn stamp(conn: &mut &mut Conn, table: &TableName, basis: Basis) -> Result<(), Fault> {
        let basis = text(Some(&basis.to_string()));
        run(conn, &format!("UPDATE {} SET basis = {basis} ORDER BY {PLACE} DESC LIMIT 1", quoted(table)))
    }

    fn log(conn: &mut &mut Conn, log: &TableName, trace: &Trace) -> Result<(), Fault> {
        log::write(conn, log, trace)
    }

    fn create_log(conn: &mut &mut Conn, log: &TableName) -> Result<(), Fault> {
        log::create(conn, log)
    }

    fn traces(conn: &mut &mut Conn, log: &TableName) -> Result<Vec<Trace>, Fault> {
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

    fn try_lock(conn: &mut &mut Conn, table: &TableName) -> Result<Attempt, Fault> {
        let key = lock_key(table);
        match column::<u8>(conn, &format!("SELECT GET_LOCK('{key}', 0)")).map_err(fault)? {
            Some(1) => return Ok(Attempt::Held),
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
        Ok(Attempt::HeldBy(holder.unwrap_or_default()))
    }

    fn unlock(conn: &mut &mut Conn, table: &TableName) -> Result<(), Fault> {
        column::<u8>(conn, &format!("SELECT RELEASE_LOCK('{}')", lock_key(table))).map(drop).map_err(fault)
    }

    fn enter(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        waiting(conn, patience, |conn| {
            match column::<u64>(conn, &format!("SELECT COUNT(*) FROM {} FOR UPDATE", quoted(table))) {
                Err(error) if code(&error) != Some(query::NO_SUCH_TABLE) => Err(fault(error)),
                _ => Ok(()),
            }
        })
    }

    fn prepare_row(conn: &mut &mut Conn, table: &TableName) -> Result<Attempt, Fault> {
        let (locks, name) = (quoted(&table.beside(LOCKS)), text(Some(table.as_str())));
        match column::<u64>(conn, &format!("SELECT COUNT(*) FROM {locks} WHERE name = {name}")) {
            Ok(Some(1)) => return Ok(Attempt::Held),
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
        Ok(Attempt::Held)
    }

    /// The row is changed and not only locked: nodes of a cluster compare what was changed.
    fn enter_row(conn: &mut &mut Conn, table: &TableName, patience: Duration) -> Result<(), Fault> {
        let name = text(Some(table.as_str()));
        let sql = format!("UPDATE {} SET turn = turn + 1 WHERE name = {name}", quoted(&table.beside(LOCKS)));
        waiting(conn, patience, |conn| run(conn, &sql))
    }
}

/// Asks for a lock for so long, be it one of rows or of the table.
fn waiting(
    conn: &mut Conn,
    patience: Duration,
    lock: impl FnOnce(&mut Conn) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let set = |conn: &mut Conn, rows: u64, table: u64| {
        run(
            conn,
            &format!("SET SESSION innodb_lock_wait_timeout = {rows}, SESSION lock_wait_timeout = {table}"),
        )
    };
    let before = first(conn, "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout").map_err(fault)?;
    let before = before.and_then(|row| Some((get(&row, 0)?, get(&row, 1)?)));
    let limit = patience.as_secs().max(1);
    set(conn, limit, limit)?;
    let locked = lock(conn);
    if let Some((rows, table)) = before {
        set(conn, rows, table)?;
    }
    locked
}

/// A schema is a database here.
impl Schemas for Mysql {}

fn head(conn: &mut Conn, table: &TableName, basis: &str) -> Result<Head, Fault> {
    let name = quoted(table);
    let sql =
        format!("SELECT {basis}, (SELECT COUNT(*) FROM {name}) FROM {name} ORDER BY {PLACE} DESC LIMIT 1");
    match first(conn, &sql) {
        Ok(None) => Ok(Head::EMPTY),
        Ok(Some(row)) => Ok(Head {
            basis: get::<String>(&row, 0).and_then(|text| text.parse().ok()),
            count: get(&row, 1).unwrap_or_default(),
        }),
        Err(error) if code(&error) == Some(query::NO_SUCH_TABLE) => Ok(Head::EMPTY),
        Err(error) if code(&error) == Some(query::UNKNOWN_COLUMN) => Ok(UNTOLD),
        Err(error) => Err(fault(error)),
    }
}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = "__switchy_locks";

/// The column that says in which order rows were written.
const PLACE: &str = "place";

/// The table's columns, all in one character set whatever the database's own is, and compared byte by byte, a blank at the end included
/// where the server can do that.
fn definition(conn: &mut Conn) -> Result<String, Fault> {
    let sql = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS
        WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')";
    let collation = column::<String>(conn, sql).map_err(fault)?;
    let collation = collation.unwrap_or_else(|| "utf8mb4_bin".to_owned());
    Ok(format!("{COLUMNS} ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}"))
}

const COLUMNS: &str = "(
    place BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(700) NOT NULL UNIQUE,
    run_on DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    checksum CHAR(64),
    dirty INT NOT NULL DEFAULT 0,
    duration_ms BIGINT,
    basis CHAR(64),
    statement INT UNSIGNED,
    statements INT UNSIGNED,
    mark TEXT,
    failure MEDIUMTEXT,
    up_sql MEDIUMTEXT,
    down_sql LONGTEXT,
    down_options TEXT,
    down_checksum CHAR(64)
)";

fn quoted(table: &TableName) -> String {
    table.quoted_in('`')
}

/// A lock's name has at most 64 characters and is the same for all databases of a server.
fn lock_key(table: &TableName) -> String {
    format!("switchy_schema {}", &Checksum::of(&table.to_string()).to_string()[..32])
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// A date of ours in UTC, or what stands in its place.
fn dated(date: Option<&str>, otherwise: &str) -> String {
    format!("COALESCE(CAST({} AS DATETIME(3)), {otherwise})", text(date))
}

/// The columns of a record behind its name and date, with their values as SQL has them.
fn rest(values: &Values<'_>) -> [(&'static str, String); 11] {
    [
        ("checksum", text(values.checksum.as_deref())),
        ("dirty", values.dirty.to_string()),
        ("duration_ms", number(values.duration_ms)),
        ("statement", number(values.statement)),
        ("statements", number(values.statements)),
        ("mark", text(values.mark)),
        ("failure", text(values.failure)),
        ("up_sql", text(values.up_sql)),
        ("down_sql", text(values.down_sql)),
        ("down_options", text(values.down_options)),
        ("down_checksum", text(values.down_checksum.as_deref())),
    ]
}

/// Runs an update, and says how many rows it found, whether or not they were so before.
fn matched(conn: &mut Conn, sql: &str) -> Result<u64, Fault> {
    run(conn, sql)?;
    // `Rows matched: 1  Changed: 0  Warnings: 0`, in the language of the server: `匹配行：1已更改：0警告：0`. How many were changed is what the
    // number of rows tells.
    let info = conn.info_str();
    let matched = info.split(|c: char| !c.is_ascii_digit()).find(|number| !number.is_empty());
    Ok(matched.and_then(|number| number.parse().ok()).unwrap_or_else(|| conn.affected_rows()))
}

/// A date as the records have it: UTC, with milliseconds.
fn iso(moment: &str) -> String {
    format!("LEFT(DATE_FORMAT({moment}, '%Y-%m-%dT%H:%i:%s.%f'), 23)")
}

/// The records, oldest first, and the digest on the newest of them.
fn records(
    conn: &mut Conn,
    table: &TableName,
    reading: &Reading,
    has_places: bool,
    is_stamp: bool,
) -> Result<(Vec<Record>, Option<String>), Fault> {
    let or_null = |column: Option<&'static str>| column.unwrap_or("NULL");
    // What has the type of a time stamp is shown in the zone of the session.
    let utc = if is_stamp { "CONVERT_TZ(run_on, @@session.time_zone, '+00:00')" } else { "run_on" };
    let (measured, finished) = (or_null(reading.duration_ms), or_null(reading.finished_on));
    let duration = format!("COALESCE({measured}, TIMESTAMPDIFF(MICROSECOND, run_on, {finished}) DIV 1000)");
    let sql = format!(
        "SELECT {}, {}, {}, {}, {}, {duration}, {}, {}, {}, {}, {}, {}, {}, {}, {} FROM {} ORDER BY {}",
        reading.name,
        iso(utc),
        or_null(reading.checksum),
        reading.dirty.unwrap_or("0"),
        or_null(reading.status),
        or_null(reading.statement),
        or_null(reading.statements),
        or_null(reading.mark),
        or_null(reading.failure),
        or_null(reading.up_sql),
        or_null(reading.down_sql),
        or_null(reading.down_options),
        or_null(reading.down_checksum),
        or_null(reading.basis),
        quoted(table),
        if has_places { PLACE } else { "run_on" },
    );
    let record = |row: &mysql::Row| {
        Record::from(Row {
            name: query::get(row, 0).unwrap_or_default(),
            run_on: query::get(row, 1).unwrap_or_default(),
            checksum: query::get(row, 2),
            dirty: query::get(row, 3).unwrap_or(UP_BEGAN),
            status: query::get(row, 4),
            duration_ms: query::get(row, 5),
            statement: query::get(row, 6),
            statements: query::get(row, 7),
            mark: query::get(row, 8),
            failure: query::get(row, 9),
            up_sql: query::get(row, 10),
            down_sql: query::get(row, 11),
            down_options: query::get(row, 12),
            down_checksum: query::get(row, 13),
        })
    };
    let rows: Vec<mysql::Row> = conn.query(sql).map_err(fault)?;
    let basis = rows.last().and_then(|row| query::get(row, 14));
    Ok((rows.iter().map(record).collect(), basis))
}
