//! The conformance suite, on the backends of servers.

use ::mysql::Conn;
use ::mysql::prelude::Queryable;
use ::postgres::Client;
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{Mysql, Postgres, TableName};

use crate::servers::{self, MysqlDatabase, PostgresDatabase};

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

const FAILS: &str = "INSERT INTO missing VALUES (1)";

struct Server;

impl Testbed<Postgres> for Server {
    type Database = PostgresDatabase;

    fn create(&self) -> PostgresDatabase {
        servers::postgres().unwrap()
    }

    fn connect<R>(&self, database: &PostgresDatabase, body: impl FnOnce(&mut Client) -> R) -> R {
        let mut client = database.connect();
        // Dates are in UTC in any time zone of the session.
        client.batch_execute("SET TimeZone = 'Asia/Kathmandu'").unwrap();
        body(&mut client)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INTEGER)", quoted(name))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", quoted(name))
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, client: &mut Client) -> Vec<String> {
        let sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE 'thing%'";
        client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn abilities(&self) -> Abilities {
        Abilities { forecast: false, ..Abilities::default() }
    }
}

#[test]
fn postgres() {
    if servers::postgres().is_some() {
        conformance::<Postgres>(&Server);
    }
}

struct MariaDb;

impl Testbed<Mysql> for MariaDb {
    type Database = MysqlDatabase;

    fn create(&self) -> MysqlDatabase {
        servers::mysql().unwrap()
    }

    fn connect<R>(&self, database: &MysqlDatabase, body: impl FnOnce(&mut Conn) -> R) -> R {
        let mut conn = database.connect();
        conn.query_drop("SET time_zone = '+05:45'").unwrap();
        body(&mut conn)
    }

    fn make(&self, name: &str) -> String {
        format!("CREATE TABLE {} (x INT)", backticked(name))
    }

    fn unmake(&self, name: &str) -> String {
        format!("DROP TABLE {}", backticked(name))
    }

    fn fails(&self) -> String {
        FAILS.to_owned()
    }

    fn things(&self, conn: &mut Conn) -> Vec<String> {
        let sql = "SELECT table_name FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name LIKE 'thing%'";
        conn.query(sql).unwrap()
    }

    fn tampers(&self, table: &TableName) -> Option<String> {
        Some(format!("DELETE FROM {}", table.quoted_in('`')))
    }

    fn abilities(&self) -> Abilities {
        Abilities { rollback: false, forecast: false, ..Abilities::default() }
    }
}

fn backticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[test]
fn mariadb() {
    if servers::mysql().is_some() {
        conformance::<Mysql>(&MariaDb);
    }
}
