//! On servers: a database that existed before its migrations, and the state of a database without its migrations.

use std::sync::atomic::{AtomicUsize, Ordering};

use mysql::prelude::Queryable;
use switchy_schema::{
    BoxError, ErrorKind, Migration, MigrationRunner, MigrationState, Mysql, Postgres, Recovery, Signature,
};

use crate::servers;

/// Two migrations, of which an older version made the table of the first.
macro_rules! set {
    () => {
        vec![
            Migration::from_scripts("1_users", "CREATE TABLE users (name VARCHAR(50))", None),
            Migration::from_scripts("2_email", "ALTER TABLE users ADD email TEXT", None),
        ]
    };
}

/// Calls the function from the k-th call on: the first is before the lock, the second in the transaction that writes the records.
fn from_call(
    first: usize,
    calls: &AtomicUsize,
    function: impl FnOnce() -> Result<(), BoxError>,
) -> Result<bool, BoxError> {
    if calls.fetch_add(1, Ordering::Relaxed) + 1 >= first {
        function()?;
    }
    Ok(true)
}

#[test]
fn postgres_refuses_what_the_function_writes_and_goes_on_after_a_statement_that_failed() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    client.batch_execute("CREATE TABLE users (name VARCHAR(50)); INSERT INTO users VALUES ('Ada')").unwrap();
    for first in [1, 2] {
        for sql in ["INSERT INTO users VALUES ('Bob')", "DROP TABLE users", "COMMIT"] {
            let calls = AtomicUsize::new(0);
            let runner = MigrationRunner::<Postgres>::for_backend(set!()).unwrap();
            let runner = runner.baseline_if(
                move |client| from_call(first, &calls, || Ok(client.batch_execute(sql)?)),
                "1_users",
            );
            let error = runner.run(&mut client).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Hook, "{sql} at call {first}: {error}");
            let names = client.query("SELECT name FROM users", &[]).unwrap();
            assert_eq!(names.len(), 1, "{sql} at call {first}");
            assert!(MigrationState::<Postgres>::for_backend(&mut client).applied().unwrap().is_empty());
        }
    }

    // What fails and is handled by the function is no obstacle.
    let runner = MigrationRunner::<Postgres>::for_backend(set!()).unwrap();
    let runner = runner.baseline_if(
        |client| {
            let row = client.query_one(
                "SELECT to_regclass('users') IS NOT NULL, current_setting('transaction_read_only')",
                &[],
            )?;
            assert_eq!(row.get::<_, String>(1), "on");
            Ok(row.get(0))
        },
        "1_users",
    );
    assert!(runner.run(&mut client).unwrap().baseline.is_some());
}

#[test]
fn mysql_keeps_nothing_of_what_the_function_writes() {
    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    conn.query_drop("CREATE TABLE users (name VARCHAR(50))").unwrap();
    conn.query_drop("INSERT INTO users VALUES ('Ada')").unwrap();
    let runner = || MigrationRunner::<Mysql>::for_backend(set!()).unwrap();
    for (first, sql) in [
        (1, "INSERT INTO users VALUES ('Bob')"),
        (1, "CREATE TABLE other (a INT)"),
        (2, "CREATE TABLE more (a INT)"),
        (2, "COMMIT"),
    ] {
        let calls = AtomicUsize::new(0);
        let runner = runner()
            .baseline_if(move |conn| from_call(first, &calls, || Ok(conn.query_drop(sql)?)), "1_users");
        let error = runner.run(&mut conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook, "{sql}: {error}");
        assert!(MigrationState::<Mysql>::for_backend(&mut conn).applied().unwrap().is_empty(), "{sql}");
    }
    let calls = AtomicUsize::new(0);
    let writing = runner().baseline_if(
        move |conn| from_call(2, &calls, || Ok(conn.query_drop("INSERT INTO users VALUES ('Bob')")?)),
        "1_users",
    );
    assert!(writing.run(&mut conn).unwrap().baseline.is_some());
    let names: Vec<String> = conn.query("SELECT name FROM users").unwrap();
    assert_eq!(names, ["Ada"]);
}

/// Checks the state of a database in which both migrations are applied, in which nothing is, and in which one was forgotten.
macro_rules! has_a_state {
    ($backend:ty, $conn:expr) => {{
        let conn = $conn;
        let mut state = MigrationState::<$backend>::for_backend(&mut *conn);
        assert!(!state.is_applied("1_users").unwrap());
        assert_eq!(state.history().unwrap().records().len(), 0);
        assert!(state.table("its table").unwrap().last().unwrap().is_none());
        let runner =
            MigrationRunner::<$backend>::for_backend(set!()).unwrap().table_name("its table").unwrap();
        runner.run(&mut *conn).unwrap();
        runner.recover(&mut *conn, Recovery::Forget("2_email".into()), Signature::of("ada")).unwrap();
        let mut state = MigrationState::<$backend>::for_backend(&mut *conn).table("its table").unwrap();
        assert!(state.is_applied("1_users").unwrap() && !state.is_applied("2_email").unwrap());
        assert!(!state.is_applied("1_users' OR '1' = '1").unwrap());
        assert_eq!(state.last().unwrap().unwrap().id, "1_users");
        assert_eq!(state.dirty().unwrap().len(), 0);
        assert_eq!(state.history().unwrap().log()[0].who.as_deref(), Some("ada"));
        assert_eq!(state.history().unwrap(), runner.history(&mut *conn).unwrap());
    }};
}

#[test]
fn servers_say_what_is_applied_without_the_migrations() {
    if let Some(database) = servers::postgres() {
        has_a_state!(Postgres, &mut database.connect());
    }
    if let Some(database) = servers::mysql() {
        has_a_state!(Mysql, &mut database.connect());
    }
}
