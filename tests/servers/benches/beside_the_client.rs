//! Migrations on MariaDB, compared with the `mariadb` client, which runs the same statements from a file in the same run.
//!
//! `cargo bench -p switchy_schema_servers_tests`. The ratios matter, not the times of one machine. The server is a private one that waits for
//! no disk, so a commit, of which the client has one for each statement, is cheap.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../tests/it/servers.rs"]
mod servers;

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use switchy_schema::{Migration, MigrationRunner, Mysql};

use servers::{MysqlDatabase, mysql};

fn main() {
    // `cargo test --all-targets` runs benches too, without this argument; then they only must work.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let Some(database) = mysql() else { return };
    println!("{:<52} {:>12} {:>12} {:>9}", "", "client", "ours", "ratio");
    let (rows, tables, lines, rounds) = if is_bench { (1_000, 200, 60_000, 5) } else { (3, 2, 3, 1) };
    let compare = |what: &str, scripts: Vec<String>| {
        let [client, ours] = medians(rounds, &database, &scripts);
        let ratio = ours.as_secs_f64() / client.as_secs_f64();
        println!("{what:<52} {client:>12.1?} {ours:>12.1?} {ratio:>8.2}x");
    };
    compare(&format!("one script: a table and {rows} INSERTs of a row"), vec![table_with_rows(rows)]);
    compare(&format!("{tables} migrations of one table"), (0..tables).map(table).collect());
    compare(&format!("{tables} migrations of a table, an index, a row"), (0..tables).map(three).collect());
    let dump = dump(&database, lines);
    compare(&format!("a dump of {} KB", dump.len() / 1_000), vec![dump]);
}

fn table_with_rows(rows: usize) -> String {
    let mut script = "CREATE TABLE names (id INT PRIMARY KEY, name VARCHAR(40));\n".to_owned();
    for row in 0..rows {
        writeln!(script, "INSERT INTO names (id, name) VALUES ({row}, 'the name of {row}');").unwrap();
    }
    script
}

fn table(number: usize) -> String {
    format!("CREATE TABLE t{number} (id INT PRIMARY KEY, name VARCHAR(40));\n")
}

fn three(number: usize) -> String {
    format!(
        "{}CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} VALUES (1, 'first');\n",
        table(number)
    )
}

/// What `mariadb-dump` writes of a table with this many rows.
fn dump(database: &MysqlDatabase, rows: usize) -> String {
    let fill = format!(
        "CREATE TABLE dumped (id INT PRIMARY KEY, name VARCHAR(80), made TIMESTAMP);
        INSERT INTO dumped SELECT seq, CONCAT('the name of the row with the number ', seq), '2026-01-05' FROM seq_1_to_{rows};"
    );
    client(database, &fill);
    let (socket, name) = place(database);
    let output = Command::new("mariadb-dump")
        .args(["--no-defaults", "--user=root", &format!("--socket={socket}"), &name, "dumped"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The median times of the client and of the engine. They run in turns, so that a slow phase of the machine affects both.
fn medians(rounds: usize, database: &MysqlDatabase, scripts: &[String]) -> [Duration; 2] {
    let whole = scripts.concat();
    let set = || {
        let number = |number: usize| {
            Migration::from_scripts(format!("{:04}_it", number + 1), scripts[number].clone(), None)
        };
        MigrationRunner::<Mysql>::for_backend((0..scripts.len()).map(number).collect::<Vec<_>>()).unwrap()
    };
    let ours = || {
        let report = set().run(&mut database.connect()).unwrap();
        assert_eq!(report.applied.len(), scripts.len());
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (body, times) in [&(|| client(database, &whole)) as &dyn Fn(), &ours].into_iter().zip(&mut times)
        {
            let name = place(database).1;
            client(database, &format!("DROP DATABASE {name}; CREATE DATABASE {name};"));
            let start = Instant::now();
            body();
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

/// Runs a script with the client.
fn client(database: &MysqlDatabase, script: &str) {
    let (socket, name) = place(database);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let status = Command::new("mariadb")
        .args(["--no-defaults", "--user=root", &format!("--socket={socket}"), &name])
        .stdin(Stdio::from(std::fs::File::open(file).unwrap()))
        .status();
    assert!(status.unwrap().success());
}

/// The socket of the server, and the name of the database.
fn place(database: &MysqlDatabase) -> (String, String) {
    let options = ::mysql::Opts::from_url(&database.url).unwrap();
    (options.get_socket().unwrap().to_owned(), options.get_db_name().unwrap().to_owned())
}
