//! TLS: the connection follows the options in the address.

use std::net::TcpListener;

use crate::addresses::opens;
use crate::servers;
use crate::shell::Shell;

/// A self-signed certificate for `localhost` that is valid for a hundred years, and its key; and another certificate.
/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost -addext
/// subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE`
pub(crate) const CERTIFICATE: &str = include_str!("certificates/localhost.pem");
pub(crate) const KEY: &str = include_str!("certificates/localhost.key");
const OTHER: &str = include_str!("certificates/other.pem");

/// Connects with each address, and compares the start of the error; an empty one means success.
fn check(shell: &Shell, table: &[(String, &str)]) {
    for (url, error) in table {
        let run = || shell.command(&["migrate", "--database-url", url]).output().unwrap();
        if error.is_empty() {
            opens(url, run);
        } else {
            let output = run();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{url}: {said}");
            assert!(said.contains(error), "{url}: {said}");
        }
    }
}

fn folder() -> Shell {
    let shell = Shell::new();
    shell.write("migrations/1_a/up.sql", "SELECT 1");
    shell.write("trusted.pem", CERTIFICATE);
    shell.write("other.pem", OTHER);
    shell.write("none.pem", "");
    shell
}

#[test]
fn postgres_is_as_safe_as_the_address_asks_for() {
    let Some((server, port)) = servers::tls_postgres(CERTIFICATE, KEY) else { return };
    let shell = folder();
    let url = |host: &str, options: &str| format!("postgres://postgres@{host}:{port}/postgres?{options}");
    let numeric = "127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.1";
    let _silent =
        ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|host| TcpListener::bind((host, port)).unwrap());
    check(
        &shell,
        &[
            (url("127.0.0.1", ""), ""),
            (url("127.0.0.1", "sslmode=require"), ""),
            (url("[::ffff:127.0.0.1]", "sslmode=require"), ""),
            (url("localhost", "sslmode=disable"), ""),
            (url("localhost", "sslmode=allow"), ""),
            (url("localhost", "sslmode=prefer"), ""),
            (url("localhost", "ssl=true&connect_timeout=5"), ""),
            // The first three accept and never answer.
            (format!("postgres://postgres@:{port}/postgres?hostaddr={numeric}&connect_timeout=1"), ""),
            (url("localhost", "sslmode=verify-full&sslrootcert=trusted.pem"), ""),
            (url("127.0.0.1", "sslmode=verify-ca&sslrootcert=trusted.pem"), ""),
            (url("127.0.0.1", "sslmode=verify-full&sslrootcert=trusted.pem"), "certificate"),
            (url("localhost", "sslmode=verify-full&sslrootcert=other.pem"), "certificate"),
            (url("localhost", "sslmode=verify-ca&sslrootcert=other.pem"), "certificate"),
            (url("localhost", "sslmode=verify-full&sslrootcert=none.pem"), "none.pem has no certificates"),
            (
                url("localhost", "sslmode=verify-full&sslrootcert=missing.pem"),
                "cannot read the certificates in missing.pem",
            ),
        ],
    );
    // If the client requires TLS, a server without it is refused.
    let mut client = server.connect();
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'switchy-schema'";
    let slow = Shell::new();
    slow.write("migrations/1_b/up.sql", "SELECT pg_sleep(3600)");
    let mut run = slow
        .command(&["migrate", "--table", "t", "--database-url", &url("localhost", "sslmode=require")])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut is_encrypted = None;
    while is_encrypted.is_none() && run.try_wait().unwrap().is_none() {
        is_encrypted = client.query_one(sql, &[]).unwrap().get::<_, Option<bool>>(0);
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(is_encrypted, Some(true));
}

#[test]
fn a_postgres_without_tls_is_not_used_by_who_insists() {
    let Some(database) = servers::postgres() else { return };
    let shell = folder();
    let url = crate::on_servers::postgres_url(&database);
    let refused =
        "server does not support TLS; let the server offer TLS (`ssl = on`), or use another `sslmode`";
    let mut table = vec![(format!("{url}&sslmode=require"), refused), (format!("{url}&ssl=true"), refused)];
    table.extend(["disable", "allow", "prefer"].map(|mode| (format!("{url}&sslmode={mode}"), "")));
    check(&shell, &table);
    let mut shell = folder();
    shell.set("PGSSLMODE", "require");
    check(&shell, &[(url.clone(), refused), (format!("{url}&sslmode=prefer"), "")]);
}

#[test]
fn a_mariadb_without_tls_is_not_used_by_who_insists() {
    let Some((server, port)) = servers::plain_mysql() else { return };
    {
        use mysql::prelude::Queryable;
        server.connect().query_drop("CREATE USER app; GRANT ALL ON *.* TO app").unwrap();
    }
    let url = |options: &str| format!("mysql://app@127.0.0.1:{port}/test{options}");
    let refused = "; let the server offer TLS, or use ssl-mode=disabled";
    check(
        &folder(),
        &[
            (url("?ssl-mode=REQUIRED"), refused),
            (url("?ssl-mode=verify_identity"), refused),
            (url("?sslmode=disable"), ""),
            (url(""), ""),
        ],
    );
}

#[test]
fn mariadb_is_as_safe_as_the_address_asks_for() {
    let Some((server, port)) = servers::tls_mysql(CERTIFICATE, KEY) else { return };
    {
        use mysql::prelude::Queryable;
        let mut conn = server.connect();
        conn.query_drop("CREATE USER app@'%' REQUIRE SSL").unwrap();
        conn.query_drop("GRANT ALL ON *.* TO app@'%'").unwrap();
    }
    let shell = folder();
    let url = |host: &str, options: &str| format!("mysql://app@{host}:{port}/test?{options}");
    check(
        &shell,
        &[
            (url("127.0.0.1", ""), "Access denied"),
            (url("127.0.0.1", "ssl-mode=required"), ""),
            (url("localhost", "ssl-mode=verify_identity&ssl-ca=trusted.pem"), ""),
            (url("127.0.0.1", "ssl-mode=verify_ca&ssl-ca=trusted.pem"), ""),
            (url("127.0.0.1", "ssl-mode=verify_identity&ssl-ca=trusted.pem"), "ertificate"),
            (url("localhost", "ssl-mode=verify_identity&ssl-ca=other.pem"), "ertificate"),
            (url("localhost", "ssl-mode=verify_identity"), "ertificate"),
        ],
    );
}
