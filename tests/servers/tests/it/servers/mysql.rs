//! MariaDB. A MySQL server is used if the environment names its address.

use std::sync::OnceLock;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::installed::{NO_MARIADB, program};
use super::{Database, Guard, OwnServer, SharedServer, free_port, fresh_name, given_or, or_say, to_database};

/// A new database on the MariaDB server of the tests; if there is no server, prints this and returns `None`.
pub(crate) fn mysql() -> Option<MysqlDatabase> {
    static SERVER: OnceLock<Result<SharedServer<MysqlDatabase>, String>> = OnceLock::new();
    let server = or_say(SERVER.get_or_init(|| given_or("SWITCHY_TEST_MYSQL_URL", start_shared)).as_ref())?;
    let name = fresh_name();
    let mut first = Conn::new(&*server.url).unwrap();
    first.query_drop(format!("CREATE DATABASE {name}")).unwrap();
    Some(MysqlDatabase { url: within(&server.url, &name) })
}

/// A MariaDB server for one test, which may kill it.
pub(crate) fn own_mysql() -> Option<OwnServer<MysqlDatabase>> {
    or_say(start())
}

/// A database for one test.
pub(crate) struct MysqlDatabase {
    pub(crate) url: String,
}

impl MysqlDatabase {
    pub(crate) fn connect(&self) -> Conn {
        self.try_connect().unwrap()
    }
}

impl Database for MysqlDatabase {
    type Client = Conn;

    fn try_connect(&self) -> Result<Conn, String> {
        Conn::new(&*self.url).map_err(|error| error.to_string())
    }
}

fn start_shared() -> Result<SharedServer<MysqlDatabase>, String> {
    let own = start()?;
    let url = address(&own.guard.lock().unwrap());
    Ok(SharedServer { url, _own: Some(own) })
}

/// A TLS server with this certificate for one test, and its local port.
#[allow(dead_code, reason = "the tests of the command line need it")]
pub(crate) fn tls_mysql(certificate: &str, key: &str) -> Option<(OwnServer<MysqlDatabase>, u16)> {
    let port = free_port();
    let start = || {
        let options = format!(
            "--bind-address=127.0.0.1 --port={port} --ssl-cert=\"$folder/cert.pem\" --ssl-key=\"$folder/key.pem\""
        );
        let run = run()?.replace("--skip-networking", &options);
        let mut guard = Guard::new()?;
        install(&mut guard)?;
        guard.write_certificate(certificate, key)?;
        let database = database(&guard);
        OwnServer::start(guard, run, database)
    };
    or_say(start().map(|server| (server, port)))
}

fn start() -> Result<OwnServer<MysqlDatabase>, String> {
    let run = run()?;
    let mut guard = Guard::new()?;
    install(&mut guard)?;
    let database = database(&guard);
    OwnServer::start(guard, run, database)
}

/// Creates the data folder of a server, with an empty database `test`.
pub(super) fn install(guard: &mut Guard) -> Result<(), String> {
    let install = found("mariadb-install-db")?;
    guard.write("databases.sql", "CREATE DATABASE test;")?;
    guard.order(&format!(
        "{install} --no-defaults --auth-root-authentication-method=normal --skip-test-db \
         --extra-file=\"$folder/databases.sql\" {OPTIONS}"
    ))
}

/// The shell command that runs a server.
pub(super) fn run() -> Result<String, String> {
    Ok(format!(
        "{} --no-defaults --socket=\"$folder/socket\" --skip-networking {OPTIONS}",
        found("mariadbd")?
    ))
}

/// The database `test` of the server of a guard.
pub(super) fn database(guard: &Guard) -> MysqlDatabase {
    MysqlDatabase { url: within(&address(guard), "test") }
}

/// Options for small files, no waiting for disks, and the character set of Debian's own configuration.
const OPTIONS: &str = "--datadir=\"$folder/data\" --tmpdir=\"$folder\" --max-connections=200 --skip-log-bin \
     --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
     --innodb-flush-method=nosync --debug-no-sync --innodb-use-native-aio=0 --innodb-log-file-size=4M \
     --innodb-buffer-pool-size=16M --skip-innodb-buffer-pool-dump-at-shutdown";

fn found(name: &str) -> Result<String, String> {
    Ok(format!("'{}'", program(name).ok_or(NO_MARIADB)?.display()))
}

pub(super) fn address(guard: &Guard) -> String {
    format!("mysql://root@localhost?socket={}/socket", guard.folder.display())
}

/// The address of a database, made from that of its server.
pub(super) fn within(server: &str, database: &str) -> String {
    to_database(server, database)
}
