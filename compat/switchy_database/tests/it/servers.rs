//! PostgreSQL and MariaDB, through each driver.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ::mysql::prelude::Queryable;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use switchy_async::sync::Mutex;
use switchy_database::Database;
use switchy_database::postgres::postgres::PostgresDatabase;
use switchy_database::sqlx::mysql::MySqlSqlxDatabase;
use switchy_database::sqlx::postgres::PostgresSqlxDatabase;
use switchy_schema::backend::{Backend, Statements};
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{Migration, MigrationRunner, TableName};
use switchy_schema_database::{Mysql, Postgres, Runs, Server, Session, server_of};

use crate::cancelled::poll;
use crate::kit::{RUNTIME, in_session};

type PostgresServer = TestDatabase<switchy_schema::Postgres>;
type MysqlServer = TestDatabase<switchy_schema::Mysql>;

/// A driver for PostgreSQL.
#[derive(Debug, Clone, Copy)]
enum Driver {
    Raw,
    Sqlx,
}

const DRIVERS: [Driver; 2] = [Driver::Raw, Driver::Sqlx];

async fn open_postgres(driver: Driver, address: &str) -> Box<dyn Database> {
    let config: tokio_postgres::Config = address.parse().unwrap();
    match driver {
        Driver::Raw => {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let manager = Manager::from_config(config, tokio_postgres::NoTls, recycling);
            Box::new(PostgresDatabase::new(Pool::builder(manager).max_size(3).build().unwrap()))
        }
        Driver::Sqlx => {
            let mut options = PgConnectOptions::new_without_pgpass()
                .port(config.get_ports()[0])
                .username(config.get_user().unwrap())
                .database(config.get_dbname().unwrap());
            options = match &config.get_hosts()[0] {
                tokio_postgres::config::Host::Unix(folder) => options.socket(folder),
                tokio_postgres::config::Host::Tcp(host) => options.host(host),
            };
            let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await.unwrap();
            Box::new(PostgresSqlxDatabase::new(Arc::new(Mutex::new(pool))))
        }
    }
}

async fn open_mysql(address: &str) -> Box<dyn Database> {
    let address = ::mysql::Opts::from_url(address).unwrap();
    let mut options = MySqlConnectOptions::new()
        .username(address.get_user().unwrap())
        .database(address.get_db_name().unwrap());
    options = match address.get_socket() {
        Some(socket) => options.socket(socket),
        None => options.host(&address.get_ip_or_hostname()).port(address.get_tcp_port()),
    };
    let pool = MySqlPoolOptions::new().max_connections(3).connect_with(options).await.unwrap();
    Box::new(MySqlSqlxDatabase::new(Arc::new(Mutex::new(pool))))
}

fn quoted(name: &str, mark: char) -> String {
    format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
}

fn texts(session: &mut Session, sql: &str) -> Vec<String> {
    session.rows(sql).unwrap().into_iter().flatten().flatten().collect()
}

struct PostgresBed(Driver);

impl Testbed<Postgres> for PostgresBed {
    type Database = PostgresServer;

    fn create(&self) -> PostgresServer {
        PostgresServer::if_available().unwrap()
    }

    fn connect<R>(&self, database: &PostgresServer, body: impl FnOnce(&mut Session) -> R) -> R {
        let db = RUNTIME.block_on(open_postgres(self.0, database.address()));
        in_session(&*db, body)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INTEGER)", quoted(name, '"'))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name, '"'))
    }

    fn fails(&self) -> String {
        "INSERT INTO missing VALUES (1)".to_owned()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        texts(
            session,
            "SELECT relname::text AS c0 FROM pg_class WHERE relkind = 'r' AND relname LIKE 'thing%'",
        )
    }

    fn abilities(&self) -> Abilities {
        Abilities { forecast: false, ..Abilities::default() }
    }
}

#[test]
fn postgres_through_tokio_postgres() {
    if PostgresServer::if_available().is_some() {
        conformance::<Postgres>(&PostgresBed(Driver::Raw));
    }
}

#[test]
fn postgres_through_sqlx() {
    if PostgresServer::if_available().is_some() {
        conformance::<Postgres>(&PostgresBed(Driver::Sqlx));
    }
}

struct MariaBed;

impl Testbed<Mysql> for MariaBed {
    type Database = MysqlServer;

    fn create(&self) -> MysqlServer {
        MysqlServer::if_available().unwrap()
    }

    fn connect<R>(&self, database: &MysqlServer, body: impl FnOnce(&mut Session) -> R) -> R {
        let db = RUNTIME.block_on(open_mysql(database.address()));
        in_session(&*db, body)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INT)", quoted(name, '`'))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name, '`'))
    }

    fn fails(&self) -> String {
        "INSERT INTO missing VALUES (1)".to_owned()
    }

    fn things(&self, session: &mut Session) -> Vec<String> {
        let sql = "SELECT table_name AS c0 FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name LIKE 'thing%'";
        texts(session, sql)
    }

    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted_in('`')))
    }

    fn abilities(&self) -> Abilities {
        Abilities { rollback: false, forecast: false, ..Abilities::default() }
    }
}

#[test]
fn mariadb_through_sqlx() {
    if MysqlServer::if_available().is_some() {
        conformance::<Mysql>(&MariaBed);
    }
}

#[test]
fn a_server_says_what_it_is() {
    if let Some(server) = PostgresServer::if_available() {
        for driver in DRIVERS {
            let db = RUNTIME.block_on(open_postgres(driver, server.address()));
            assert_eq!(RUNTIME.block_on(server_of(&*db)).unwrap(), Server::Postgres);
        }
    }
    if let Some(server) = MysqlServer::if_available() {
        let db = RUNTIME.block_on(open_mysql(server.address()));
        assert_eq!(RUNTIME.block_on(server_of(&*db)).unwrap(), Server::Mysql);
    }
}

fn runner<B: Backend>() -> Arc<MigrationRunner<B>> {
    let steps = [
        Migration::sql("1_artists", "CREATE TABLE artists (id INT PRIMARY KEY, name VARCHAR(20))"),
        Migration::sql(
            "2_rows",
            "INSERT INTO artists VALUES (1, 'Ada'); INSERT INTO artists VALUES (2, 'Grace')",
        ),
        Migration::sql(
            "3_albums",
            "CREATE TABLE albums (id INT PRIMARY KEY, artist INT REFERENCES artists (id))",
        ),
    ];
    Arc::new(MigrationRunner::for_backend(steps).unwrap())
}

/// Waits until the engine's thread has ended: it has a runner until then.
fn wait_for_end<B: Backend>(runner: &Arc<MigrationRunner<B>>, times: usize) {
    let began = Instant::now();
    while Arc::strong_count(runner) > 1 {
        assert!(began.elapsed() < Duration::from_secs(120), "the engine hangs after {times} polls");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The driver `postgres-raw` returns a connection with its transaction open, if that is dropped. What the engine began is ended nevertheless.
/// Only while the driver itself begins, with a plain `BEGIN`, there is nothing yet that could end it; such a connection has no locks.
#[test]
fn on_postgres_a_dropped_future_leaves_nothing_half_done() {
    for driver in DRIVERS {
        let Some(server) = PostgresServer::if_available() else { return };
        let mut client = server.connect();
        let db = RUNTIME.block_on(open_postgres(driver, server.address()));
        let runner = runner::<Postgres>();
        for times in 0.. {
            client.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
            let done = poll(runner.run_on(&*db), times);
            wait_for_end(&runner, times);
            let left = "SELECT (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND query <> 'BEGIN'
                    AND datname = current_database())
                + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
            let began = Instant::now();
            // The server ends a transaction a little after its connection is back in the pool.
            while client.query_one(left, &[]).unwrap().get::<_, i64>(0) > 0 {
                assert!(
                    began.elapsed() < Duration::from_secs(120),
                    "{driver:?}: a transaction or a lock is left after {times} polls"
                );
                thread::sleep(Duration::from_millis(1));
            }
            RUNTIME.block_on(runner.run_on(&*db)).unwrap();
            assert_eq!(client.query_one("SELECT count(*) FROM artists", &[]).unwrap().get::<_, i64>(0), 2);
            if done.is_some() {
                assert!(times > 5, "only {times} polls");
                break;
            }
        }
    }
}

/// On MariaDB a table is created and committed at once. A step that was interrupted there is named, and nothing runs twice.
#[test]
fn on_mariadb_a_dropped_future_leaves_what_its_record_says() {
    let Some(server) = MysqlServer::if_available() else { return };
    let mut conn = server.connect();
    let db = RUNTIME.block_on(open_mysql(server.address()));
    let runner = runner::<Mysql>();
    for times in 0.. {
        conn.query_drop("DROP TABLE IF EXISTS albums, artists, __switchy_migrations, __switchy_log").unwrap();
        let done = poll(runner.run_on(&*db), times);
        wait_for_end(&runner, times);
        match RUNTIME.block_on(runner.run_on(&*db)) {
            Ok(_) => {
                let rows: Vec<u64> = conn.query("SELECT COUNT(*) FROM artists").unwrap();
                assert_eq!(rows, [2], "after {times} polls");
            }
            Err(error) => {
                let said = format!("{error:#}");
                assert!(
                    said.contains("1_artists") || said.contains("3_albums"),
                    "after {times} polls: {said}"
                );
            }
        }
        if done.is_some() {
            break;
        }
    }
}

/// Several runs at once on a pool with fewer connections, on a runtime of one thread.
#[test]
fn a_crowd_waits_for_one_another() {
    let check = |applied: Vec<usize>| assert_eq!(applied.iter().sum::<usize>(), 3, "{applied:?}");
    if let Some(server) = PostgresServer::if_available() {
        for driver in DRIVERS {
            server.connect().batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            check(runtime.block_on(async {
                let db = open_postgres(driver, server.address()).await;
                let runner = runner::<Postgres>();
                let runs = (0..6).map(|_| runner.run_on(&*db));
                futures::future::join_all(runs)
                    .await
                    .into_iter()
                    .map(|run| run.unwrap().applied.len())
                    .collect()
            }));
        }
    }
    if let Some(server) = MysqlServer::if_available() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        check(runtime.block_on(async {
            let db = open_mysql(server.address()).await;
            let runner = runner::<Mysql>();
            let runs = (0..6).map(|_| runner.run_on(&*db));
            futures::future::join_all(runs).await.into_iter().map(|run| run.unwrap().applied.len()).collect()
        }));
    }
}

#[test]
fn both_ways_continue_each_other() {
    if let Some(server) = PostgresServer::if_available() {
        let db = RUNTIME.block_on(open_postgres(Driver::Sqlx, server.address()));
        assert_eq!(RUNTIME.block_on(runner::<Postgres>().run_on(&*db)).unwrap().applied.len(), 3);
        assert!(runner::<switchy_schema::Postgres>().run(&mut server.connect()).unwrap().applied.is_empty());
    }
    if let Some(server) = MysqlServer::if_available() {
        assert_eq!(runner::<switchy_schema::Mysql>().run(&mut server.connect()).unwrap().applied.len(), 3);
        let db = RUNTIME.block_on(open_mysql(server.address()));
        assert!(RUNTIME.block_on(runner::<Mysql>().run_on(&*db)).unwrap().applied.is_empty());
    }
}
