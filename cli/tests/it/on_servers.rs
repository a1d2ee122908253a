//! The main path on PostgreSQL and MariaDB.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use switchy_schema::{Backend, BoxError, Migration, MigrationRunner, Mysql, Postgres};

use crate::servers::{self, MysqlDatabase, PostgresDatabase};
use crate::shell::Shell;

/// The address of a database of the tests, as a URL.
pub(crate) fn postgres_url(database: &PostgresDatabase) -> String {
    if database.url.contains("://") {
        return database.url.clone();
    }
    let word = |name: &str| {
        let words = database.url.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back().unwrap().to_owned()
    };
    format!("postgres:///{}?host={}&user={}", word("dbname"), word("host"), word("user"))
}

pub(crate) fn mysql_url(database: &MysqlDatabase) -> String {
    database.url.clone()
}

fn of_server(url: &str) -> Shell {
    let mut shell = Shell::new();
    shell.hide(url);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.migration(
        "2025-01-01-000000_users",
        "CREATE TABLE users (name VARCHAR(40));\nINSERT INTO users VALUES ('Ada');",
        Some("DROP TABLE users;"),
    );
    shell.migration(
        "2025-01-02-000000_email",
        "ALTER TABLE users ADD email VARCHAR(40);",
        Some("ALTER TABLE users DROP COLUMN email;"),
    );
    shell
}

fn main_path(shell: &mut Shell) {
    shell.runs(&[
        "status --exit-code",
        "plan",
        "migrate --steps 1",
        "migrate",
        "status --exit-code",
        "migrate",
        "status --json",
    ]);
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO note VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.runs(&["migrate", "status --exit-code"]);
}

fn rest(shell: &mut Shell) {
    shell.runs(&[
        "status --exit-code",
        "rollback --dry-run",
        "rollback",
        "redo",
        "validate",
        "history",
        "graph",
        "unlock",
        "repair forget 2025-01-02-000000_email --why 'trying it'",
        "repair assume 2025-01-02-000000_email",
        "rollback --all -y",
        "status --exit-code",
    ]);
}

#[test]
fn the_main_path_on_postgres() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    main_path(&mut shell);
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO notes VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.run("migrate");
    rest(&mut shell);
    shell.assert("postgres");
}

#[test]
fn the_main_path_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    main_path(&mut shell);
    // What was done of it stays, and it goes on behind that.
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO notes VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.runs(&["migrate", "repair retry 2025-01-03-000000_notes --why corrected", "migrate"]);
    rest(&mut shell);
    shell.assert("mariadb");
}

/// A run that does nothing until it is told to end.
fn holding<B: Backend>() -> (MigrationRunner<B>, std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (begun, has_begun) = channel();
    let (end, ended) = channel();
    let ended = Mutex::new(ended);
    let slow = Migration::<B>::function("2025-01-01-000000_users", move |_| {
        begun.send(())?;
        ended.lock().unwrap().recv()?;
        Err::<(), BoxError>("that is all".into())
    });
    (MigrationRunner::for_backend([slow]).unwrap(), has_begun, end)
}

fn while_held(shell: &mut Shell) {
    shell.runs(&["unlock", "migrate --lock-timeout 0", "unlock --json"]);
}

#[test]
fn postgres_tells_who_holds_the_lock() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    let (runner, has_begun, end) = holding::<Postgres>();
    let mut client = database.connect();
    let holder = thread::spawn(move || runner.run(&mut client).map(drop));
    has_begun.recv().unwrap();
    while_held(&mut shell);
    end.send(()).unwrap();
    holder.join().unwrap().unwrap_err();
    shell.run("unlock");
    shell.assert("postgres_locked");
}

#[test]
fn mariadb_tells_who_holds_the_lock() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    let (runner, has_begun, end) = holding::<Mysql>();
    let mut conn = database.connect();
    let holder = thread::spawn(move || runner.run(&mut conn).map(drop));
    has_begun.recv().unwrap();
    while_held(&mut shell);
    end.send(()).unwrap();
    holder.join().unwrap().unwrap_err();
    shell.run("unlock");
    shell.assert("mariadb_locked");
}

/// The tracking table is made by the first run, not by a look.
#[test]
fn whoever_only_reads_makes_no_table_on_a_server() {
    const READING: [&str; 9] = [
        "status",
        "plan",
        "migrate --dry-run",
        "rollback --dry-run",
        "validate",
        "history",
        "graph",
        "unlock",
        "list",
    ];
    if let Some(database) = servers::postgres() {
        let mut shell = of_server(&postgres_url(&database));
        shell.runs(&READING);
        let sql = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'";
        let count: i64 = database.connect().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(count, 0, "{}", shell.log);
    }
    if let Some(database) = servers::mysql() {
        use mysql::prelude::Queryable;
        let mut shell = of_server(&mysql_url(&database));
        shell.runs(&READING);
        let tables: Vec<String> = database.connect().query("SHOW TABLES").unwrap();
        assert_eq!(tables, [""; 0], "{}", shell.log);
    }
}
