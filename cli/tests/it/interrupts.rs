//! Ctrl-C: the running step is rolled back, the steps before it stay, and no other begins.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use mysql::prelude::Queryable;

use crate::locks::until;
use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::{BINARY, Shell};

/// A run in another process.
struct Run {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Run {
    fn start(shell: &Shell, args: &[&str]) -> Self {
        let mut child = listening(shell, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, errors, said: String::new() }
    }

    /// Reads the output until it contains this word.
    fn until(&mut self, word: &str) {
        while !self.said.contains(word) {
            assert!(self.errors.read_line(&mut self.said).unwrap() > 0, "it ended: {}", self.said);
        }
    }

    /// Waits until the step is at work inside SQLite: the message about it is printed before its statements begin.
    fn until_it_computes(&mut self) {
        let before = self.ticks();
        while self.ticks() < before + 30 {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.said);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The processor time of the process in hundredths of a second, or the clock where the system does not tell it.
    fn ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let Ok(stat) = std::fs::read_to_string(path) else {
            let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            return u64::try_from(passed.as_millis() / 10).unwrap();
        };
        // The name of the program, in parentheses, is the second field.
        stat.rsplit(')').next().unwrap().split_whitespace().nth(11).unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, and the whole output.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut results = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut results).unwrap();
        self.errors.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), results, std::mem::take(&mut self.said))
    }
}

/// The binary in a process that does not ignore signals. If the tests run in the background (`&`, `nohup`), they ignore signals, and so do
/// the processes that they start.
fn listening(shell: &Shell, args: &[&str]) -> Command {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("/usr/bin/env");
        command.args(["--default-signal=INT,TERM,HUP", BINARY]);
        shell.like(command, args)
    } else {
        shell.command(args)
    }
}

/// Kills a run that does not end, so that it does not outlive the test.
impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SLOW: &str = "2025-01-02-000000_slow";

/// A folder whose second migration never ends.
fn slow(statement: &str) -> Shell {
    let shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    shell.migration("2025-01-01-000000_first", "CREATE TABLE first (a INT);", Some("DROP TABLE first;"));
    shell.migration(SLOW, statement, Some(""));
    shell.migration("2025-01-03-000000_third", "CREATE TABLE third (a INT);", Some("DROP TABLE third;"));
    shell
}

/// Interrupts the second step when it is at work, and checks the result.
fn check(shell: &mut Shell, signal: &str, state: &str, until_at_work: impl FnOnce(&mut Run)) {
    let mut run = Run::start(shell, &["migrate"]);
    run.until(&format!("2/3 applying {SLOW}"));
    until_at_work(&mut run);
    run.signal(signal);
    let (code, results, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        results.starts_with("applied 2025-01-01-000000_first (") && results.lines().count() == 1,
        "{results}"
    );
    assert!(said.contains("cancelling the current step"), "{said}");
    assert!(
        said.contains(&format!("error: interrupted: the run was cancelled in migration `{SLOW}`")),
        "{said}"
    );
    assert!(said.contains("1 step before it was done and kept"), "{said}");
    assert!(!said.contains("3/3"), "{said}");

    let printed = String::from_utf8(shell.run("status -q").stdout).unwrap();
    let states: Vec<&str> =
        printed.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(states, ["applied", state, "pending"], "{printed}{said}");
}

/// A query that returns rows without end.
const COUNTING: &str = "CREATE TABLE n (a INT);\nINSERT INTO n WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0;";

#[test]
fn an_interrupted_step_is_taken_back_on_sqlite() {
    for signal in ["INT", "TERM"] {
        let mut shell = slow(COUNTING);
        check(&mut shell, signal, "pending", Run::until_it_computes);
        let tables: i64 = shell
            .database()
            .query_row("SELECT count(*) FROM sqlite_master WHERE name IN ('n', 'third')", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(tables, 0);
        shell.migration(SLOW, "CREATE TABLE n (a INT);", None);
        assert!(shell.run("migrate").status.success(), "{}", shell.log);
    }
}

#[test]
fn an_interrupted_step_is_taken_back_on_postgres() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = slow("CREATE TABLE n (a INT);\nSELECT pg_sleep(3600);");
    shell.set("SWITCHY_DATABASE_URL", &postgres_url(&database));
    let mut looking = database.connect();
    check(&mut shell, "INT", "pending", |_| {
        let sleeps =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        until("the statement runs", || !looking.query(sleeps, &[]).unwrap().is_empty());
    });
    shell.migration(SLOW, "CREATE TABLE n (a INT);", None);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
}

fn until_mariadb_runs(looking: &mut mysql::Conn, what: &str) {
    let sql = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND {what}");
    until("the statement runs", || looking.query_first::<u64, _>(&sql).unwrap().is_some());
}

/// Schema changes are not rolled back on MariaDB, so the next run continues at the statement where the step stopped.
#[test]
fn an_interrupted_step_knows_where_it_stopped_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = slow(
        "CREATE TABLE n (a BIGINT);\nINSERT INTO n SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c;",
    );
    shell.set("SWITCHY_DATABASE_URL", &mysql_url(&database));
    let mut looking = database.connect();
    check(&mut shell, "INT", "dirty,", |_| until_mariadb_runs(&mut looking, "INFO LIKE 'INSERT INTO n%'"));
    shell.migration(SLOW, "CREATE TABLE n (a BIGINT);\nINSERT INTO n VALUES (1);", None);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
}

/// A first statement that waits has done nothing, also behind one that only sets the session.
#[test]
fn an_interrupted_wait_leaves_nothing_on_mariadb() {
    for before in ["", "SET SESSION lock_wait_timeout=600;\n"] {
        let Some(database) = servers::mysql() else { return };
        let mut other = database.connect();
        other.query_drop("CREATE TABLE t (a INT); START TRANSACTION").unwrap();
        let _: Vec<mysql::Row> = other.query("SELECT * FROM t").unwrap();
        let mut shell = slow(&format!("{before}ALTER TABLE t ADD COLUMN b int;"));
        shell.set("SWITCHY_DATABASE_URL", &mysql_url(&database));
        let mut looking = database.connect();
        check(&mut shell, "INT", "pending", |_| {
            until_mariadb_runs(&mut looking, "INFO LIKE 'ALTER TABLE t%' AND STATE LIKE 'Waiting%'");
        });
        other.query_drop("COMMIT").unwrap();
        assert!(shell.run("migrate").status.success(), "{}", shell.log);
    }
}

#[test]
fn json_says_that_it_was_interrupted() {
    let shell = slow(COUNTING);
    let mut run = Run::start(&shell, &["migrate", "--json"]);
    run.until("2/3 applying");
    run.until_it_computes();
    run.signal("INT");
    let (code, results, _) = run.end();
    assert_eq!(code, Some(1));
    assert!(
        results.contains("\"kind\": \"interrupted\"") && results.contains("2025-01-01-000000_first"),
        "{results}"
    );
}

#[test]
fn who_waits_for_the_lock_ends_at_once() {
    let shell = slow(COUNTING);
    let mut first = Run::start(&shell, &["migrate"]);
    first.until("2/3 applying");
    first.until_it_computes();
    let mut second = Run::start(&shell, &["migrate"]);
    second.until("waiting for the lock");
    second.signal("INT");
    let (code, results, said) = second.end();
    assert_eq!((code, &*results), (Some(1), ""), "{said}");
    assert!(said.contains("error: interrupted: nothing was done"), "{said}");
    first.signal("INT");
    assert_eq!(first.end().0, Some(1));
}

/// A search that takes very long inside one function of SQLite, which cannot be interrupted.
const DEAF: &str = "CREATE TABLE n (a INT);\nSELECT instr(printf('%.*c', 20000000, 'a'), printf('%.*c', 10000000, 'a') || 'b');";

/// The process ends, and the next run finds the same state as after a crash.
#[test]
fn who_insists_ends_the_process() {
    let mut shell = slow(DEAF);
    let mut run = Run::start(&shell, &["migrate"]);
    run.until(&format!("2/3 applying {SLOW}"));
    run.until_it_computes();
    run.signal("INT");
    run.until("press Ctrl-C again to end the process at once");
    assert_eq!(run.child.try_wait().unwrap(), None, "it is deaf");
    run.signal("INT");
    let (code, _, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: interrupted: the current step was cut off"), "{said}");
    shell.migration(SLOW, "CREATE TABLE n (a INT);", None);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
    assert_eq!(shell.run("status --exit-code").status.code(), Some(0), "{}", shell.log);
}

/// In a container, a process that handles no signals would ignore them.
#[test]
fn a_wait_ends_at_a_signal() {
    for name in ["INT", "TERM"] {
        let shell = Shell::with_set();
        let mut run = Run::start(
            &shell,
            &["migrate", "--wait", "600", "--database-url", "postgres://u@127.0.0.1:1/app"],
        );
        run.until("waiting up to 600 s");
        run.signal(name);
        let (code, results, said) = run.end();
        assert_eq!((code, results.as_str()), (Some(1), ""), "{said}");
        assert!(said.contains("interrupted: nothing was done"), "{said}");
    }
}
