//! Creating and dropping databases.

use std::fs;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

/// The address of a database that does not exist yet.
fn another(url: &str) -> String {
    let (start, rest) = url.split_once('?').unwrap();
    format!("{start}_own?{rest}")
}

fn of(url: &str) -> Shell {
    let mut shell = Shell::with_set();
    shell.hide(url);
    shell.set("DATABASE_URL", &another(url));
    shell.hide(&another(url));
    shell
}

const STORY: [&str; 14] = [
    "database exists",
    "database drop -y",
    "status",
    "database create",
    "database create",
    "database exists --json",
    "migrate -q",
    "database drop",
    "database reset -y",
    "status --exit-code",
    "database drop -y --env production",
    "database drop -y --env production --confirm other",
    "database drop -y --json",
    "database exists",
];

#[test]
fn a_postgres_database_is_created_and_dropped() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of(&postgres_url(&database));
    shell.runs(&STORY);
    shell.runs(&["migrate --create", "migrate --create"]);
    // A session of somebody else.
    let url = another(&postgres_url(&database));
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    let held =
        postgres::Client::connect(&format!("{} dbname={name}", database.url), postgres::NoTls).unwrap();
    shell.run("database drop -y");
    shell.run(&format!("database drop -y --force --env production --confirm {name}"));
    drop(held);
    let of_server = postgres_url(&database).replace(&name.replace("_own", ""), "postgres");
    shell.run(&format!("database drop -y --database-url {of_server}"));
    shell.assert("database_postgres");
}

#[test]
fn a_mariadb_database_is_created_and_dropped() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = of(&url);
    shell.runs(&STORY);
    shell.runs(&["migrate --create", "migrate --create", "database drop -y"]);
    let (_, rest) = url.split_once('?').unwrap();
    shell.run(&format!("database drop -y --database-url mysql://root@localhost/mysql?{rest}"));
    shell.run(&format!("database create --database-url mysql://root@localhost/?{rest}"));
    shell.assert("database_mariadb");
}

#[test]
fn a_sqlite_database_is_created_and_dropped() {
    let mut shell = Shell::with_set();
    shell.runs(&STORY);
    shell.run("migrate --create");
    shell.command(&["rollback", "--snapshot=always"]).output().unwrap();
    let output = shell.command(&["database", "drop", "-y", "--env=production", "--confirm=app.db"]).output();
    let said = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(said.starts_with("kept: 1 snapshot of it, ") && said.contains("app.db-snapshot-"), "{said}");
    let files = shell.files();
    let names: Vec<_> = files.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert!(!names.iter().any(|name| ["app.db", "app.db-wal", "app.db-migrate"].contains(name)), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.contains("snapshot")).count(), 1, "{names:?}");
    shell.write("notes.db", "these are notes, and no database");
    shell.run("database drop -y --database-url notes.db");
    shell.run("database reset -y --database-url notes.db");
    shell.run("database create --database-url notes.db");
    assert_eq!(
        fs::read_to_string(shell.path().join("notes.db")).unwrap(),
        "these are notes, and no database"
    );
    shell.run("database create --database-url sqlite::memory:");
    shell.run("database create --database-url nowhere/app.db");
    shell.assert("database_sqlite");
}

/// Whoever has the file open would go on writing into a file that is gone.
#[test]
fn a_sqlite_database_in_use_is_not_dropped() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    let conn = shell.database();
    conn.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO users VALUES ('ada', 'x')").unwrap();
    let output = shell.run("database drop -y");
    assert_eq!(output.status.code(), Some(6), "{}", shell.log);
    let count: i64 = conn.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    drop(conn);
    assert_eq!(shell.run("database drop -y").status.code(), Some(0), "{}", shell.log);
    let left: Vec<_> = fs::read_dir(shell.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with("app.db")), "{left:?}");
}

/// No folder of migrations is needed to create or drop a database.
#[test]
fn a_database_needs_no_migrations() {
    let mut shell = Shell::new();
    for line in ["database create", "database exists", "database drop -y"] {
        let output = shell.run(&format!("{line} --database-url app.db"));
        assert_eq!(output.status.code(), Some(0), "{}", shell.log);
    }
    let output = shell.run("database reset -y --database-url app.db");
    assert_ne!(output.status.code(), Some(0), "{}", shell.log);
}

/// A set that cannot be read is found before the database is dropped.
#[test]
fn a_reset_with_a_bad_set_drops_nothing() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    shell.write("migrations/2025-01-04-000000_bad/metadata.toml", "nonsense = 1\n");
    shell.write("migrations/2025-01-04-000000_bad/up.sql", "SELECT 1;\n");
    let output = shell.run("database reset -y");
    assert_ne!(output.status.code(), Some(0), "{}", shell.log);
    shell.remove("migrations/2025-01-04-000000_bad");
    assert_eq!(shell.run("status --exit-code").status.code(), Some(0), "{}", shell.log);
}
