//! What servers say about the statements of a migration.

use std::sync::{Arc, Mutex};

use mysql::prelude::Queryable;
use switchy_schema::{Backend, Event, Migration, MigrationRunner, Mysql, Notice, Postgres, Severity};

use crate::servers::PostgresDatabase;
use crate::{mysql as on_mysql, servers};

/// A runner of one migration, and everything that its observer hears of the server.
fn listening<B: Backend>(migration: Migration<B>) -> (MigrationRunner<B>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&heard);
    let runner = MigrationRunner::for_backend(vec![migration]).unwrap().observe(move |event| {
        if let Event::Notice { notice, .. } = event {
            log.lock().unwrap().push(line(notice));
        }
    });
    (runner, heard)
}

/// A notice as one line: where, how serious, which code, what.
fn line(notice: &Notice) -> String {
    let position = notice.at.as_ref().and_then(|at| at.position);
    let position = position.map(|position| position.to_string()).unwrap_or_default();
    let severity = if notice.severity == Severity::Warning { "warning" } else { "notice" };
    format!("{position} {severity} {} {}", notice.code, notice.message)
}

const SAYS: &str = "DO $$ BEGIN
  RAISE NOTICE 'checked % rows', 42;
  RAISE WARNING 'three rows
    were skipped' USING DETAIL = '1, 2, 3';
END $$;
DROP TABLE IF EXISTS nothing;
CREATE TABLE t (a INT)";

const SAID: [&str; 3] = [
    "1:1 notice 00000 checked 42 rows",
    "1:1 warning 01000 three rows were skipped (1, 2, 3)",
    "6:1 notice 00000 table \"nothing\" does not exist, skipping",
];

/// A client, and its database.
fn postgres() -> Option<(PostgresDatabase, postgres::Client)> {
    let database = servers::postgres()?;
    let mut config: postgres::Config = database.url.parse().unwrap();
    let client = config.notice_callback(Postgres::notice).connect(postgres::NoTls).unwrap();
    Some((database, client))
}

#[test]
fn what_postgres_says_reaches_the_report_and_the_observer() {
    let Some((_database, mut client)) = postgres() else { return };
    for (id, is_outside) in [("1_in", false), ("2_out", true)] {
        client
            .batch_execute("DROP TABLE IF EXISTS t, __switchy_migrations, __switchy_migrations_log")
            .unwrap();
        let migration = Migration::from_scripts(id, SAYS, None);
        let migration = if is_outside { migration.outside_transaction() } else { migration };
        let (runner, heard) = listening::<Postgres>(migration);
        let report = runner.run(&mut client).unwrap();
        assert_eq!(report.applied[0].notices.iter().map(line).collect::<Vec<_>>(), SAID);
        assert_eq!(*heard.lock().unwrap(), SAID);
        let text = report.to_string();
        assert!(text.contains("note: ") && text.contains("three rows were skipped"), "{text}");
        assert!(!text.contains("checked"), "{text}");
    }
}

#[test]
fn what_postgres_said_before_an_error_is_in_the_error() {
    let Some((_database, mut client)) = postgres() else { return };
    let (runner, heard) =
        listening::<Postgres>(Migration::from_scripts("1_it", format!("{SAYS}; SELECT 1 / 0"), None));
    let error = runner.run(&mut client).unwrap_err();
    assert_eq!(error.notices().iter().map(line).collect::<Vec<_>>(), SAID);
    assert_eq!(*heard.lock().unwrap(), SAID);
}

#[test]
fn a_client_that_is_not_told_hears_nothing_and_works() {
    let Some(database) = servers::postgres() else { return };
    let (runner, heard) = listening::<Postgres>(Migration::from_scripts("1_it", SAYS, None));
    let report = runner.run(&mut database.connect()).unwrap();
    assert!(report.applied[0].notices.is_empty());
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn what_mysql_warns_of_reaches_the_report_and_the_observer() {
    on_mysql::with(|_, conn| {
        let rows = "CREATE TABLE t (a VARCHAR(3), b INT);
SET sql_mode = '';
INSERT INTO t VALUES ('abcdef', 'xyz');
DROP TABLE IF EXISTS nothing";
        let (runner, heard) = listening::<Mysql>(Migration::from_scripts("1_it", rows, None));
        let report = runner.run(conn).unwrap();
        let said: Vec<String> = report.applied[0].notices.iter().map(line).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0], "3:1 warning 1265 Data truncated for column 'a' at row 1");
        assert!(said[1].starts_with("3:1 warning 1366 Incorrect integer value: 'xyz'"), "{said:?}");
        assert!(said[2].starts_with("4:1 notice 1051 Unknown table "), "{said:?}");
        assert_eq!(*heard.lock().unwrap(), said);
        // The same in the engine's own transaction.
        let (runner, _) = listening::<Mysql>(Migration::from_scripts(
            "2_rows",
            "INSERT IGNORE INTO t VALUES ('abcd', 1), ('abcde', 2), ('abcd', 3), ('abcd', 4), ('abcd', 5), ('abcd', 6), ('abcd', 7)",
            None,
        ));
        let runner = MigrationRunner::table_name(runner, "others").unwrap();
        let report = runner.run(conn).unwrap();
        let said: Vec<String> = report.applied[0].notices.iter().map(line).collect();
        assert_eq!(said.len(), 6, "{said:?}");
        assert_eq!(said[5], " warning  2 other messages of the server are left out");
        // A script that asks for the number of rows gets it.
        let (runner, _) = listening::<Mysql>(Migration::from_scripts(
            "3_counts",
            "INSERT IGNORE INTO t VALUES ('abcd', 8), ('abcd', 9); INSERT INTO t SELECT 'n', ROW_COUNT()",
            None,
        ));
        let report = MigrationRunner::table_name(runner, "counts").unwrap().run(conn).unwrap();
        assert!(report.applied[0].notices.is_empty());
        let counted: Option<i32> = conn.query_first("SELECT b FROM t WHERE a = 'n'").unwrap();
        assert_eq!(counted, Some(2));
    });
}
