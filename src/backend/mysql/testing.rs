//! What `test_utils` needs from MySQL and MariaDB.

use std::path::Path;
use std::time::Duration;

use mysql::consts::ColumnType;
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, Value};

use super::Mysql;
use super::query::{column, fault, run, text};
use crate::backend::programs::{folder_of, word};
use crate::backend::{ServerCommands, TestConnection, TestDriver, TestServer};
use crate::dialect::quote_in;
use crate::fault::{Fault, FaultKind};

impl TestConnection for Conn {
    type Backend = Mysql;
}

impl TestDriver for Mysql {
    type Connection = Conn;
    type Error = mysql::Error;

    fn borrow(conn: &mut Conn) -> &mut Conn {
        conn
    }

    fn fault_of(error: mysql::Error) -> Fault {
        fault(error)
    }

    fn rows(conn: &mut &mut Conn, sql: &str) -> Result<Vec<String>, Fault> {
        let mut found = Vec::new();
        let mut results = conn.query_iter(sql).map_err(fault)?;
        while let Some(rows) = results.iter() {
            for row in rows {
                let row = row.map_err(fault)?;
                let columns = row.columns();
                let values = columns.iter().zip(row.unwrap_raw());
                let values = values.map(|(column, value)| written(column, value.as_ref()));
                found.push(values.collect::<Vec<_>>().join("|"));
            }
        }
        Ok(found)
    }

    fn count(conn: &mut &mut Conn, table: &str) -> Option<u64> {
        column(conn, &format!("SELECT count(*) FROM {}", quote_in(table, '`'))).ok()?
    }
}

/// A value as a text: a blob as `x'00FF'`, anything else as the server writes it.
fn written(column: &mysql::Column, value: Option<&Value>) -> String {
    /// The number of the character set `binary`.
    const BINARY: u16 = 63;
    let bytes = match value {
        None | Some(Value::NULL) => return "NULL".to_owned(),
        Some(Value::Bytes(bytes)) => bytes,
        Some(other) => return other.as_sql(true),
    };
    let is_text_or_blob = matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_BIT
            | ColumnType::MYSQL_TYPE_GEOMETRY
    );
    let is_binary = is_text_or_blob && column.character_set() == BINARY;
    if !is_binary {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("x'{}'", digits.concat())
}

impl TestServer for Mysql {
    const SERVER: &'static str = "MariaDB";
    const PACKAGE: &'static str = "mariadb-server";
    const URL_VARIABLE: &'static str = "SWITCHY_TEST_MYSQL_URL";
    const EXAMPLE_URL: &'static str = "mysql://user:password@localhost:3306";

    fn commands() -> Option<ServerCommands> {
        let server = folder_of(&["mariadbd"], &[])?.join("mariadbd");
        let install = folder_of(&["mariadb-install-db"], &[])?.join("mariadb-install-db");
        let (install, run) = (word(&install), word(&server));
        Some(ServerCommands {
            install: format!(
                "{install} --no-defaults --auth-root-authentication-method=normal --skip-test-db {OPTIONS}"
            ),
            run: format!("{run} --no-defaults --socket=\"$folder/socket\" --skip-networking {OPTIONS}"),
        })
    }

    fn private_address(folder: &Path) -> String {
        format!("mysql://root@localhost?socket={}/socket", encoded(&folder.display().to_string()))
    }

    fn with_database(address: &str, database: &str) -> Option<String> {
        let (place, options) = address.split_once('?').unwrap_or((address, ""));
        let (scheme, rest) = place.split_once("://")?;
        let host = rest.split('/').next()?;
        let options = if options.is_empty() { String::new() } else { format!("?{options}") };
        let changed = format!("{scheme}://{host}/{database}{options}");
        let opts = Opts::from_url(&changed).ok()?;
        (opts.get_db_name() == Some(database)).then_some(changed)
    }

    fn connect(address: &str) -> Result<Conn, Fault> {
        // The driver's error can contain a part of the address.
        let unread = |_| Fault::new(FaultKind::Other, "the address cannot be read");
        let opts = Opts::from_url(address).map_err(unread)?;
        let patience = opts.get_tcp_connect_timeout().unwrap_or(Duration::from_secs(10));
        Conn::new(OptsBuilder::from_opts(opts).tcp_connect_timeout(Some(patience))).map_err(fault)
    }

    fn create(address: &str, database: &str) -> Result<(), Fault> {
        run(&mut Self::connect(address)?, &format!("CREATE DATABASE {}", quote_in(database, '`')))
    }

    fn remove(address: &str, database: &str) -> Result<(), Fault> {
        let mut conn = Self::connect(address)?;
        // A transaction of a connection that is still open would block the removal.
        let sessions = format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = {} AND ID <> CONNECTION_ID()",
            text(Some(database))
        );
        for session in Self::rows(&mut &mut conn, &sessions)? {
            // It may have ended by now.
            let _ = run(&mut conn, &format!("KILL {session}"));
        }
        run(&mut conn, "SET SESSION lock_wait_timeout = 300")?;
        run(&mut conn, &format!("DROP DATABASE IF EXISTS {}", quote_in(database, '`')))
    }
}

/// Options for small files, no waiting for disks, and the character set of Debian's own configuration.
const OPTIONS: &str = "--datadir=\"$folder/data\" --tmpdir=\"$folder\" --max-connections=200 --skip-log-bin \
     --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
     --innodb-flush-method=nosync --debug-no-sync --innodb-use-native-aio=0 --innodb-log-file-size=4M \
     --innodb-buffer-pool-size=16M --skip-innodb-buffer-pool-dump-at-shutdown";

/// A path as a part of a URL.
fn encoded(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_address_is_replaced() {
        for (address, expected) in [
            ("mysql://localhost", "mysql://localhost/new"),
            (
                "mysql://a:b%2Fc@host:3307/old?prefer_socket=false",
                "mysql://a:b%2Fc@host:3307/new?prefer_socket=false",
            ),
            (
                "mysql://root@localhost?socket=/run/a/socket",
                "mysql://root@localhost/new?socket=/run/a/socket",
            ),
        ] {
            assert_eq!(Mysql::with_database(address, "new").as_deref(), Some(expected), "{address}");
        }
        for address in ["host", "postgres://host/old", "mysql://a:secret/word@host/old"] {
            assert_eq!(Mysql::with_database(address, "new"), None, "{address}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        let error =
            Mysql::connect("mysql://a:secret/word@host?compress=secret").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the address cannot be read"));
    }

    #[test]
    fn a_folder_with_a_space_is_a_part_of_an_address() {
        let opts = Opts::from_url(&Mysql::private_address(Path::new("/tmp/it's a"))).unwrap();
        assert_eq!(opts.get_socket(), Some("/tmp/it's a/socket"));
    }
}
