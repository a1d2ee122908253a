//! Who is in the way of a step, as another connection sees it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use postgres::NoTls;
use switchy_schema::{Backend, Event, Migration, MigrationRunner, Mysql, Postgres};

use crate::servers::{self, MysqlDatabase};
use crate::{mysql as on_mysql, postgres as on_postgres};

/// How long a step waits at least before anybody is told.
const LONG: Duration = Duration::from_secs(4);

fn runner<B: Backend>(script: &str) -> MigrationRunner<B> {
    MigrationRunner::for_backend(vec![Migration::from_scripts("1_it", script.to_owned(), None)]).unwrap()
}

/// A runner on PostgreSQL that looks on another connection, and how often it has opened one.
fn on_other_client(script: &str, url: &str) -> (MigrationRunner<Postgres>, Arc<AtomicU32>) {
    let (url, opened) = (url.to_owned(), Arc::<AtomicU32>::default());
    let count = Arc::clone(&opened);
    let it = runner::<Postgres>(script).watch_locks(move |look| {
        count.fetch_add(1, Ordering::SeqCst);
        look(&mut postgres::Client::connect(&url, NoTls)?);
        Ok(())
    });
    (it, opened)
}

fn on_other_conn(script: &str, database: &MysqlDatabase) -> MigrationRunner<Mysql> {
    let url = database.url.clone();
    runner::<Mysql>(script).watch_locks(move |look| {
        look(&mut mysql::Conn::new(&*url)?);
        Ok(())
    })
}

/// The runner with an observer that ends the other session when it is told of it, and what it was told. Nobody is told of a short wait.
fn ending<B: Backend>(
    it: MigrationRunner<B>,
    end: impl FnMut() + Send + 'static,
) -> (MigrationRunner<B>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&told);
    let (end, began) = (Mutex::new(end), Mutex::new(Instant::now()));
    let it = it.observe(move |event| match event {
        Event::Started { .. } => *began.lock().unwrap() = Instant::now(),
        Event::Blocked { step, lock, holder } => {
            let early = if began.lock().unwrap().elapsed() < LONG { "early: " } else { "" };
            log.lock().unwrap().push(format!("{early}{} {lock}: {holder}", step.id));
            (end.lock().unwrap())();
        }
        _ => {}
    });
    (it, told)
}

#[test]
fn who_waits_on_postgres_is_told_for_whom_and_how_to_end_it() {
    let check = |held: &str, script: &str| {
        on_postgres::with(|database, client| {
            client.batch_execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").unwrap();
            let mut other = database.connect();
            let pid = on_postgres::rows(&mut other, "SELECT pg_backend_pid()").remove(0);
            other.batch_execute(&format!("BEGIN; {held}")).unwrap();
            let mut other = Some(other);
            let (it, _) = on_other_client(script, &database.url);
            let (it, told) = ending(it, move || drop(other.take()));
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
            let told = told.lock().unwrap();
            let [one] = &**told else { panic!("{told:?}") };
            assert!(
                one.starts_with(&format!("1_it a lock on `t`: session {pid} of the server, from ")),
                "{one}"
            );
            assert!(one.contains(&format!(", idle in a transaction after `BEGIN; {held}` since ")), "{one}");
            assert!(one.ends_with(&format!("; `SELECT pg_terminate_backend({pid})` ends it")), "{one}");
            let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND backend_type = 'client backend'";
            let is_alone = || match on_postgres::rows(client, others) {
                others if others.is_empty() => Ok(()),
                others => Err(format!("the other connection does not end with the run: {others:?}")),
            };
            servers::patiently(is_alone, || Ok(())).unwrap();
        });
    };
    thread::scope(|scope| {
        for (held, script) in [
            ("SELECT * FROM t", "ALTER TABLE t ADD b INT"),
            ("UPDATE t SET a = 2", "UPDATE t SET a = 3"),
            ("UPDATE t SET a = 2", "DO $$ BEGIN UPDATE t SET a = 3; END $$"),
        ] {
            scope.spawn(move || check(held, script));
        }
    });
}

/// Whoever may not see the sessions of others still gets the number of the session.
#[test]
fn an_error_on_postgres_says_who_was_in_the_way() {
    on_postgres::with(|database, client| {
        client.batch_execute("CREATE TABLE t (a INT)").unwrap();
        let mut other = database.connect();
        let pid = on_postgres::rows(&mut other, "SELECT pg_backend_pid()").remove(0);
        other.batch_execute("BEGIN; LOCK TABLE t").unwrap();
        let (it, opened) = on_other_client("ALTER TABLE t ADD b INT", &database.url);
        let mut it = it.lock_retries(1);
        let held = format!("; it waited for a lock on `t`, held by session {pid} of the server, from ");
        // With a short limit, a slow machine may not ask on the other connection in time.
        let mut said = String::new();
        for limit in [900, 10_000, 100_000] {
            opened.store(0, Ordering::SeqCst);
            it = it.statement_lock_timeout(Duration::from_millis(limit));
            said = it.run(&mut *client).unwrap_err().to_string();
            if said.contains(&held) {
                break;
            }
        }
        assert!(said.contains(&held) && said.contains("it was tried 2 times"), "{said}");
        assert_eq!(opened.load(Ordering::SeqCst), 1, "a run needs one connection");
        other.batch_execute("ROLLBACK").unwrap();
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
    });
}

#[test]
fn who_does_not_wait_opens_no_other_connection() {
    on_postgres::with(|database, client| {
        // On a slow machine, a step may take so long that the connection is opened.
        let opens_none = (0..30).any(|_| {
            let (it, opened) = on_other_client("CREATE TABLE t (a INT)", &database.url);
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
            assert!(it.run(&mut *client).unwrap().is_up_to_date());
            client.batch_execute("DROP TABLE t, __switchy_migrations").unwrap();
            opened.load(Ordering::SeqCst) == 0
        });
        assert!(opens_none);
    });
}

/// A run does not depend on the other connection.
#[test]
fn an_other_connection_that_fails_changes_nothing() {
    on_postgres::with(|_, client| {
        let it = runner::<Postgres>("SELECT pg_sleep(2)").watch_locks(|_| Err("no room".into()));
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
    });
}

/// The servers of the other tests have transactions of others, which could be the oldest.
#[test]
fn who_waits_on_mariadb_is_told_what_the_server_knows() {
    let Some(server) = servers::own_mysql() else { return };
    let mut conn = server.connect();
    conn.query_drop("CREATE TABLE t (a INT)").unwrap();
    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
    let locked = "1_it a lock on `test.t`: session ";
    for (number, (held, script, start)) in [
        ("UPDATE t SET a = 2", "UPDATE t SET a = 3", locked),
        ("SELECT * FROM t", "ALTER TABLE t ADD b INT", "1_it a lock on the definition of a table: a session that the server does not name, perhaps session "),
        ("SELECT * FROM t", "ALTER TABLE t ADD c INT", locked),
    ]
    .into_iter()
    .enumerate()
    {
        if number == 2 && conn.query_drop("INSTALL SONAME 'metadata_lock_info'").is_err() {
            // It is not part of every package.
            continue;
        }
        let mut other = server.connect();
        let id = other.connection_id();
        other.query_drop("START TRANSACTION").unwrap();
        let _: Vec<mysql::Row> = other.query(held).unwrap();
        let mut other = Some(other);
        let it = on_other_conn(script, &server.database);
        let (it, told) = ending(it, move || drop(other.take()));
        assert_eq!(it.run(&mut conn).unwrap().applied.len(), 1);
        on_mysql::rows(&mut conn, "DELETE FROM __switchy_migrations");
        let told = told.lock().unwrap();
        let [one] = &**told else { panic!("{script}: {told:?}") };
        assert!(one.starts_with(&format!("{start}{id} of the server, from ")), "{one}");
        assert!(one.contains(", idle in a transaction since "), "{one}");
        // A guess is no reason to end a session.
        assert_eq!(one.ends_with(&format!("; `KILL {id}` ends it")), number != 1, "{one}");
    }
}

/// A user who may not see transactions and the sessions of others is told what the user may know.
#[test]
fn who_waits_on_mariadb_without_privileges_is_told_that_much() {
    let Some(server) = servers::own_mysql() else { return };
    let mut conn = server.connect();
    for sql in ["CREATE TABLE t (a INT)", "CREATE USER app@localhost", "GRANT ALL ON test.* TO app@localhost"]
    {
        conn.query_drop(sql).unwrap();
    }
    conn.query_drop("START TRANSACTION").unwrap();
    let _: Vec<mysql::Row> = conn.query("SELECT * FROM t").unwrap();
    let app = MysqlDatabase::at(server.database.url.replace("root@", "app@"));
    let mut conn = Some(conn);
    let (it, told) = ending(on_other_conn("ALTER TABLE t ADD b INT", &app), move || drop(conn.take()));
    assert_eq!(it.run(&mut app.connect()).unwrap().applied.len(), 1);
    assert_eq!(*told.lock().unwrap(), ["1_it a lock on the definition of a table: "]);
}
