//! The two kinds of servers, so that one test covers both.

use std::sync::atomic::{AtomicUsize, Ordering};

use mysql::prelude::Queryable;
use switchy_schema::{Backend, Mysql, Postgres};

use super::Script;
use crate::servers::{self, Database, MysqlDatabase, OwnServer, PostgresDatabase};

/// A kind of server.
pub(super) trait Kind: Backend {
    type Client;
    type Database: Database<Client = Self::Client> + Send + Sync;
    const NAME: &'static str;
    /// The statement that empties a database.
    const CLEARS: &'static str;
    /// The statements that prepare a database for the migrations.
    const GROUND: &'static str;
    /// The query for the number of other sessions on the database.
    const OTHERS: &'static str;
    /// The query for other sessions that are blocked inside a statement that contains a text; `^` in the text matches the start of the
    /// statement.
    const BUSY: &'static str;
    /// The query for what all sessions do, for a message.
    const ACTIVITY: &'static str;
    /// The statement that ends a session.
    const TERMINATE: &'static str;
    /// The statement that cancels the statement of a session.
    const CANCEL: &'static str;
    /// The instructions for a person after a killed server ran a part of a statement in the rollback of [`set`](Self::set): SQL, and the
    /// statement to resume at.
    const HALF: &'static str;

    fn shared() -> Option<Self::Database>;
    fn own() -> Option<OwnServer<Self::Database>>;
    /// A new database on a server.
    fn fresh(server: &Self::Database) -> Self::Database;
    fn at(url: &str) -> Self::Database;
    fn url(database: &Self::Database) -> &str;
    fn conn(client: &mut Self::Client) -> Self::Conn<'_>;
    /// The first column of the result of a query.
    fn try_rows(client: &mut Self::Client, sql: &str) -> Result<Vec<String>, String>;
    fn run(client: &mut Self::Client, sql: &str);
    /// A statement that adds a row to the table `trace`, and waits while the row with this number in the table `gate` is locked.
    fn insertion(number: &str) -> String;
    /// Migrations of all kinds: inside and outside a transaction, with changes of rows, definitions and session settings, and with their
    /// own transactions.
    fn set() -> Vec<Script>;
    /// The content of the database, without the tables of the engine.
    fn picture(client: &mut Self::Client) -> Vec<String>;

    fn rows(client: &mut Self::Client, sql: &str) -> Vec<String> {
        Self::try_rows(client, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn connect(database: &Self::Database) -> Self::Client {
        database.try_connect().unwrap()
    }

    /// Empties a database, and prepares it for the migrations.
    fn prepare(database: &Self::Database) {
        let mut client = Self::connect(database);
        // A crash may leave files that prevent the removal of the folder of a database.
        let _ = Self::try_rows(&mut client, Self::CLEARS);
        Self::GROUND.split(';').for_each(|sql| Self::run(&mut client, sql));
    }
}

/// A unique name for a database.
fn name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("crash_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Kind for Postgres {
    type Client = postgres::Client;
    type Database = PostgresDatabase;
    const NAME: &'static str = "PostgreSQL";
    const CLEARS: &'static str =
        "DROP SCHEMA IF EXISTS s CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    const GROUND: &'static str = "CREATE SCHEMA s; CREATE TABLE trace (n int); CREATE TABLE gate (n int PRIMARY KEY);
        INSERT INTO gate SELECT * FROM generate_series(1, 40); CREATE TABLE big (n int);
        INSERT INTO big SELECT * FROM generate_series(1, 300); CREATE TABLE s.inner (n int);
        INSERT INTO s.inner SELECT * FROM generate_series(1, 300); CREATE TABLE x (n int); CREATE TABLE y (n int);
        CREATE TABLE z (n int)";
    const OTHERS: &'static str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'";
    const ACTIVITY: &'static str =
        "SELECT concat_ws(' ', pid, datname, state, wait_event_type, wait_event, query)
        FROM pg_stat_activity";
    const TERMINATE: &'static str = "SELECT pg_terminate_backend({})";
    const CANCEL: &'static str = "SELECT pg_cancel_backend({})";
    const HALF: &'static str = "";
    const BUSY: &'static str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND strpos('^' || query, '{}') > 0";

    fn shared() -> Option<PostgresDatabase> {
        servers::postgres()
    }

    fn own() -> Option<OwnServer<PostgresDatabase>> {
        servers::own_postgres()
    }

    fn fresh(server: &PostgresDatabase) -> PostgresDatabase {
        let name = name();
        Self::run(&mut server.connect(), &format!("CREATE DATABASE {name}"));
        let kept = server.url.split(' ').filter(|word| !word.starts_with("dbname="));
        PostgresDatabase::at(format!("{} dbname={name}", kept.collect::<Vec<_>>().join(" ")))
    }

    fn at(url: &str) -> PostgresDatabase {
        PostgresDatabase::at(url)
    }

    fn url(database: &PostgresDatabase) -> &str {
        &database.url
    }

    fn conn(client: &mut postgres::Client) -> &mut postgres::Client {
        client
    }

    fn try_rows(client: &mut postgres::Client, sql: &str) -> Result<Vec<String>, String> {
        let messages = client.simple_query(sql).map_err(|error| format!("{error:?}"))?;
        let row = |message: &postgres::SimpleQueryMessage| match message {
            postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    fn run(client: &mut postgres::Client, sql: &str) {
        client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn insertion(number: &str) -> String {
        format!("INSERT INTO public.trace SELECT n FROM public.gate WHERE n = {number} FOR SHARE")
    }

    fn set() -> Vec<Script> {
        vec![
            Script::atomic::<Self>(
                "1_rows",
                &["row 1", "CREATE TABLE a (n int) => table a", "row 2"],
                &["row 21", "DROP TABLE a => no table a", "row 22"],
            ),
            Script::outside::<Self>(
                "2_mixed",
                &[
                    "SET search_path = s, public",
                    "CREATE TABLE here (n int) => table s.here",
                    "row 3",
                    "CREATE INDEX CONCURRENTLY of_big ON big (n) => index of_big",
                    "BEGIN",
                    "row 4",
                    "CREATE TABLE also_here (n int) => table s.also_here",
                    "row 5",
                    "COMMIT",
                    "ALTER TABLE x ADD more int => column x.more integer",
                    "CREATE INDEX CONCURRENTLY of_inner ON \"inner\" (n) => index s.of_inner",
                    "row 6",
                ],
                &[
                    "SET search_path = s, public",
                    "DROP INDEX CONCURRENTLY of_inner => no index s.of_inner",
                    "row 23",
                    "BEGIN",
                    "row 24",
                    "DROP TABLE here => no table s.here",
                    "COMMIT",
                    "DROP TABLE also_here => no table s.also_here",
                    "ALTER TABLE x DROP more => no column x.more integer",
                    "DROP INDEX CONCURRENTLY of_big => no index of_big",
                ],
            ),
            Script::atomic::<Self>("3_rows", &["row 7", "row 8"], &["row 25"]),
            Script::outside::<Self>(
                "4_outside",
                &[
                    "row 9",
                    "CREATE TABLE b AS SELECT n FROM gate WHERE n = 10 FOR SHARE => table b",
                    "row 11",
                ],
                &["DROP TABLE b => no table b", "row 26"],
            ),
            Script::atomic::<Self>("5_rows", &["row 12"], &["row 27"]),
        ]
    }

    fn picture(client: &mut postgres::Client) -> Vec<String> {
        let tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
            AND relnamespace IN ('public'::regnamespace, 's'::regnamespace) AND relname !~ '^__switchy' ORDER BY 1";
        let mut picture = Self::rows(
            client,
            "SELECT CASE relkind WHEN 'i' THEN 'index ' WHEN 'r' THEN 'table ' ELSE 'other ' END || c.oid::regclass
                || CASE indisvalid WHEN false THEN ' (invalid)' ELSE '' END
            FROM pg_class c LEFT JOIN pg_index ON indexrelid = c.oid
            WHERE relnamespace IN ('public'::regnamespace, 's'::regnamespace) AND relname !~ '^__switchy'
            UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
            AND relnamespace IN ('public'::regnamespace, 's'::regnamespace) AND relname !~ '^__switchy'
            UNION ALL SELECT 'row ' || n FROM trace ORDER BY 1",
        );
        for table in Self::rows(client, tables) {
            let sql = format!(
                "SELECT '{table} has ' || count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '')
                FROM {table} t"
            );
            picture.extend(Self::rows(client, &sql));
        }
        picture
    }
}

impl Kind for Mysql {
    type Client = mysql::Conn;
    type Database = MysqlDatabase;
    const NAME: &'static str = "MariaDB";
    const CLEARS: &'static str = "EXECUTE IMMEDIATE CONCAT('DROP DATABASE ', @name := DATABASE())";
    const GROUND: &'static str = "EXECUTE IMMEDIATE CONCAT('CREATE DATABASE IF NOT EXISTS ', @name);
        EXECUTE IMMEDIATE CONCAT('USE ', @name);
        CREATE TABLE trace (n int); CREATE TABLE gate (n int PRIMARY KEY);
        INSERT INTO gate SELECT seq FROM seq_1_to_40; CREATE TABLE big (n int);
        INSERT INTO big SELECT seq FROM seq_1_to_300; CREATE TABLE x (n int); CREATE TABLE y (n int);
        CREATE TABLE z (n int); CREATE TABLE w (n int COMMENT 'ä', at TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00')";
    // A session that is shown as busy has no database in the list, and may be one of these.
    const OTHERS: &'static str = "SELECT count(*) FROM information_schema.processlist
        WHERE (db = DATABASE() OR command = 'Busy') AND id <> CONNECTION_ID()";
    const ACTIVITY: &'static str =
        "SELECT CONCAT_WS(' ', id, db, command, time, state, info) FROM information_schema.processlist
        UNION ALL SELECT CONCAT_WS(' ', 'transaction of', trx_mysql_thread_id, trx_state, trx_query)
        FROM information_schema.innodb_trx";
    const TERMINATE: &'static str = "KILL {}";
    const CANCEL: &'static str = "KILL QUERY {}";
    const HALF: &'static str = "DROP TABLE IF EXISTS here, copy; from 6";
    // The engine's own statements hold texts of the script as values.
    const BUSY: &'static str = "SELECT id FROM information_schema.processlist
        WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command = 'Query' AND INSTR(CONCAT('^', info), '{}') > 0
        AND INSTR(info, '__switchy_migrations') = 0";

    fn shared() -> Option<MysqlDatabase> {
        servers::mysql()
    }

    fn own() -> Option<OwnServer<MysqlDatabase>> {
        servers::own_mysql()
    }

    fn fresh(server: &MysqlDatabase) -> MysqlDatabase {
        let name = name();
        Self::run(&mut server.connect(), &format!("CREATE DATABASE {name}"));
        let (host, options) = server.url.split_once('?').unwrap_or((&server.url, ""));
        let (host, _) = host.rsplit_once('/').unwrap();
        MysqlDatabase::at(format!("{host}/{name}?{options}"))
    }

    fn at(url: &str) -> MysqlDatabase {
        MysqlDatabase::at(url)
    }

    fn url(database: &MysqlDatabase) -> &str {
        &database.url
    }

    fn conn(client: &mut mysql::Conn) -> &mut mysql::Conn {
        client
    }

    fn connect(database: &MysqlDatabase) -> mysql::Conn {
        let mut conn = database.connect();
        // A statement that a test holds waits as long as a slow machine needs.
        conn.query_drop("SET SESSION innodb_lock_wait_timeout = 3600").unwrap();
        conn
    }

    fn try_rows(client: &mut mysql::Conn, sql: &str) -> Result<Vec<String>, String> {
        client.query(sql).map_err(|error| error.to_string())
    }

    fn run(client: &mut mysql::Conn, sql: &str) {
        client.query_drop(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn insertion(number: &str) -> String {
        format!("INSERT INTO trace SELECT n FROM gate WHERE n = {number} LOCK IN SHARE MODE")
    }

    fn set() -> Vec<Script> {
        vec![
            Script::atomic::<Self>("1_rows", &["row 1", "row 2"], &["row 21", "row 22"]),
            Script::atomic::<Self>(
                "2_mixed",
                &[
                    "SET sql_mode = 'ANSI_QUOTES'",
                    "CREATE TABLE \"here\" (n int) => table here",
                    "row 3",
                    "ALTER TABLE big ADD more int => column big.more int(11)",
                    "START TRANSACTION",
                    "row 4",
                    "row 5",
                    "COMMIT",
                    "CREATE TABLE \"copy\" AS SELECT n FROM gate WHERE n = 6 LOCK IN SHARE MODE => table copy",
                    "RENAME TABLE x TO x2, \"y\" TO y2 => table x2",
                    "CREATE INDEX of_w ON w (n) => index w.of_w n",
                    "row 7",
                ],
                &[
                    "row 23",
                    "DROP INDEX of_w ON w => no index w.of_w n",
                    "ALTER TABLE big DROP more => no column big.more int(11)",
                    "row 24",
                    "DROP TABLE here, copy => no table copy",
                    "RENAME TABLE x2 TO x, y2 TO y => no table x2",
                ],
            ),
            Script::atomic::<Self>("3_rows", &["row 8", "row 9"], &["row 25"]),
            Script::atomic::<Self>(
                "4_dropping",
                &[
                    "row 10",
                    "DROP TABLE z => no table z",
                    "row 11",
                    "ALTER TABLE big ENGINE=InnoDB",
                    "row 12",
                ],
                &["CREATE TABLE z (n int) => table z", "row 26"],
            ),
            Script::atomic::<Self>("5_rows", &["row 13"], &["row 27"]),
            // Neighbouring statements that share a transaction.
            Script::atomic::<Self>(
                "6_many",
                &[
                    "CREATE TABLE many (n int) => table many",
                    "INSERT INTO trace VALUES (31) => row 31",
                    "INSERT INTO trace VALUES (32) => row 32",
                    "UPDATE gate SET n = n WHERE n = 33",
                    "INSERT INTO trace VALUES (34) => row 34",
                    "ALTER TABLE many ADD more int => column many.more int(11)",
                ],
                &[
                    "INSERT INTO trace VALUES (36) => row 36",
                    "UPDATE gate SET n = n WHERE n = 37",
                    "INSERT INTO trace VALUES (38) => row 38",
                    "DROP TABLE many => no table many",
                ],
            ),
        ]
    }

    fn picture(client: &mut mysql::Conn) -> Vec<String> {
        let tables = Self::rows(
            client,
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
            AND table_name NOT LIKE '\\_\\_switchy%' ORDER BY 1",
        );
        let mut picture = Self::rows(
            client,
            "SELECT CONCAT('column ', table_name, '.', column_name, ' ', column_type) AS line
            FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE '\\_\\_switchy%'
            UNION ALL SELECT CONCAT('index ', table_name, '.', index_name, ' ', column_name) FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name NOT LIKE '\\_\\_switchy%'
            UNION ALL SELECT CONCAT('trigger ', trigger_name) FROM information_schema.triggers WHERE trigger_schema = DATABASE()
            UNION ALL SELECT CONCAT('routine ', routine_name) FROM information_schema.routines WHERE routine_schema = DATABASE()
            UNION ALL SELECT CONCAT('row ', n) FROM trace ORDER BY 1",
        );
        for table in &tables {
            let sums: Vec<(String, Option<String>)> =
                client.query(format!("CHECKSUM TABLE `{table}`")).unwrap();
            picture.push(format!("table {table}"));
            picture.push(format!("{table} has rows {:?}", sums[0].1));
        }
        picture
    }
}
