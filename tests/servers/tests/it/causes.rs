//! An error names its cause: a statement of the engine that fails is no fault of the script, and a lost connection is nothing to correct.

use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use postgres::Client;
use switchy_schema::{
    Backend, ErrorKind, FaultKind, Lock, Migration, MigrationError, MigrationRunner, Mysql, Postgres, State,
    TransactionMode,
};

use crate::mysql::rows as mysql_rows;
use crate::postgres::rows;
use crate::servers;
use crate::{mysql as on_mysql, postgres as on_postgres};

fn runner<B: Backend>(scripts: &[&str]) -> MigrationRunner<B> {
    let set = (1..)
        .zip(scripts)
        .map(|(number, script)| Migration::from_scripts(format!("{number}_it"), (*script).to_owned(), None));
    MigrationRunner::for_backend(set.collect::<Vec<_>>()).unwrap().lock_timeout(servers::PATIENCE)
}

/// The parts of the error of a run on PostgreSQL that blames the engine's own tables.
fn own(runner: &MigrationRunner<Postgres>, client: &mut Client) -> [String; 4] {
    parts(&runner.run(client).unwrap_err())
}

fn parts(error: &MigrationError) -> [String; 4] {
    assert_eq!((error.kind(), error.migration()), (ErrorKind::Database, None), "{error}");
    let remedy = error.remedy().map(|remedy| remedy.to_string()).unwrap_or_default();
    [error.what(), error.reason().unwrap_or_default(), error.outcome().unwrap_or_default(), remedy]
}

/// A name for a role that no other test has, and a session that has become it.
fn become_role(client: &mut Client, suffix: &str) -> String {
    let role = format!("{}_{suffix}", rows(client, "SELECT current_database()").remove(0));
    client.batch_execute(&format!("CREATE ROLE {role}; SET ROLE {role}")).unwrap();
    role
}

#[test]
fn rights_that_a_role_lacks_are_named_with_the_statement_that_gives_them() {
    on_postgres::with(|_, client| {
        let one = runner::<Postgres>(&["CREATE TABLE t (a INT)"]);
        let two = runner::<Postgres>(&["CREATE TABLE t (a INT)", "SELECT 1"]);
        let role = become_role(client, "app");
        let table = "public.__switchy_migrations";
        for lock in [Lock::Sidecar, Lock::Off] {
            let it = runner::<Postgres>(&["CREATE TABLE t (a INT)"]).lock(lock);
            assert_eq!(
                own(&it, client),
                [
                    format!("cannot make the table of `{table}`"),
                    "permission denied for schema public".to_owned(),
                    "nothing was done".to_owned(),
                    format!("let its owner run `GRANT CREATE ON SCHEMA public TO {role}`, and run again"),
                ]
            );
        }
        // The advice is right.
        client
            .batch_execute(&format!("RESET ROLE; GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}"))
            .unwrap();
        assert_eq!(one.run(&mut *client).unwrap().applied.len(), 1);
        client
            .batch_execute(&format!("RESET ROLE; REVOKE CREATE ON SCHEMA public FROM {role}; REASSIGN OWNED BY {role} TO CURRENT_USER;
                GRANT SELECT ON {table} TO {role}; SET ROLE {role}"))
            .unwrap();
        let [what, reason, outcome, remedy] = own(&two, client);
        assert_eq!(
            [&*what, &*reason, &*outcome],
            [
                &*format!("cannot write the records of `{table}`"),
                "permission denied for table __switchy_migrations",
                "nothing was done"
            ]
        );
        assert_eq!(
            remedy,
            format!("let its owner run `GRANT INSERT, UPDATE, DELETE ON {table} TO {role}`, and run again")
        );
        client
            .batch_execute(&format!("RESET ROLE; REVOKE ALL ON {table} FROM {role}; SET ROLE {role}"))
            .unwrap();
        let error = two.status(&mut *client).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!(
                "permission denied for table __switchy_migrations; let its owner run `GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO \
                 {role}`, and run again"
            )),
            "{error}"
        );
        client
            .batch_execute(&format!("RESET ROLE; GRANT ALL ON {table} TO {role}; SET ROLE {role}"))
            .unwrap();
        assert_eq!(two.run(&mut *client).unwrap().applied.len(), 1);
        client.batch_execute(&format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
    });
}

#[test]
fn a_schema_that_a_role_may_not_use_or_that_is_missing_is_named() {
    on_postgres::with(|_, client| {
        client.batch_execute("CREATE SCHEMA \"My audit\"").unwrap();
        let role = become_role(client, "app");
        let it = runner::<Postgres>(&["SELECT 1"]).schema("My audit").unwrap();
        let [_, _, _, remedy] = own(&it, client);
        assert_eq!(
            remedy,
            format!(
                "let its owner run `GRANT USAGE ON SCHEMA \"My audit\" TO {role}; GRANT CREATE ON SCHEMA \"My audit\" TO {role}`, and run again"
            )
        );
        client
            .batch_execute(&format!("RESET ROLE; DROP ROLE {role}; SET search_path = nosuch, \"nor this\""))
            .unwrap();
        let it = runner::<Postgres>(&["SELECT 1"]);
        let [what, reason, _, remedy] = own(&it, client);
        assert_eq!(what, "cannot read the migrations of `__switchy_migrations`");
        assert_eq!(parts(&it.status(&mut *client).unwrap_err())[1], reason);
        assert_eq!(
            reason,
            "the search path of the session has no schema that exists and that the role may use: nosuch, \"nor this\""
        );
        assert_eq!(remedy, "create the schema, or set search_path to one that exists");
        // It exists, and so does the history, which would be taken for an empty one.
        client.batch_execute("RESET search_path").unwrap();
        it.run(&mut *client).unwrap();
        client.batch_execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC").unwrap();
        let role = become_role(client, "later");
        let remedy = format!("let its owner run `GRANT USAGE ON SCHEMA public TO {role}`, and run again");
        assert_eq!(own(&it, client)[3], remedy);
        assert_eq!(parts(&it.status(&mut *client).unwrap_err())[3], remedy);
        client.batch_execute(&format!("RESET ROLE; DROP ROLE {role}")).unwrap();
    });
}

#[test]
fn a_session_that_may_not_write_is_said_to_be_one_before_a_script_runs() {
    on_postgres::with(|_, client| {
        let script = "SELECT nextval('s'); CREATE TABLE t (a INT)";
        client.batch_execute("CREATE SEQUENCE s; CREATE SCHEMA audit").unwrap();
        let is_read_only = |it: MigrationRunner<Postgres>, client: &mut Client| {
            client.batch_execute("SET default_transaction_read_only = on").unwrap();
            let [what, reason, outcome, remedy] = own(&it, client);
            client.batch_execute("SET default_transaction_read_only = off").unwrap();
            assert!(what.starts_with("cannot "), "{what}");
            assert_eq!(
                reason,
                "the transactions of this session are read-only (`default_transaction_read_only` is on)"
            );
            assert!(["", "nothing was done"].contains(&&*outcome), "{outcome}");
            assert!(
                remedy.starts_with("switch default_transaction_read_only off where it is set"),
                "{remedy}"
            );
        };
        let its: [fn() -> MigrationRunner<Postgres>; 4] = [
            || runner(&["SELECT 1", "SELECT nextval('s'); CREATE TABLE t (a INT)"]),
            || runner(&["SELECT 1", "SELECT nextval('s')"]).schema("audit").unwrap(),
            || runner(&["SELECT 1", "SELECT nextval('s')"]).table_name("by_row").unwrap().lock(Lock::Row),
            || {
                let outside = Migration::sql("2_it", "VACUUM").outside_transaction();
                let set = vec![Migration::sql("1_it", "SELECT 1"), outside];
                MigrationRunner::for_backend(set).unwrap().table_name("outside").unwrap()
            },
        ];
        for it in its {
            is_read_only(it(), client);
            it().run_to(&mut *client, switchy_schema::Target::Steps(1)).unwrap();
            is_read_only(it(), client);
        }
        assert_eq!(rows(client, "SELECT is_called FROM s"), ["f"], "{script} did not run");
    });
}

#[test]
fn a_standby_is_said_to_be_one() {
    let Some(primary) = servers::own_postgres() else { return };
    let mut client = primary.connect();
    client.batch_execute("CREATE DATABASE fresh").unwrap();
    runner::<Postgres>(&["CREATE TABLE t (a INT)"]).run(&mut client).unwrap();
    let Some(standby) = servers::standby(&primary) else { return };
    let reason = "the server is a read-only standby (`pg_is_in_recovery()` is true)";
    let it = runner::<Postgres>(&["CREATE TABLE t (a INT)", "SELECT 1"]);
    let [what, said, outcome, remedy] = own(&it, &mut standby.connect());
    assert_eq!(what, "cannot write the records of `public.__switchy_migrations`");
    assert_eq!([&*said, &*outcome, &*remedy], [reason, "nothing was done", "connect to its primary server"]);
    let fresh = standby.database.url.replace("dbname=postgres", "dbname=fresh");
    let [what, said, ..] = own(&it, &mut Client::connect(&fresh, postgres::NoTls).unwrap());
    assert_eq!(what, "cannot make the table of `public.__switchy_migrations`");
    assert_eq!(said, reason);
    // What only reads works there.
    assert_eq!(it.pending(&mut standby.connect()).unwrap(), ["2_it"]);
    assert_eq!(it.lock_holder(&mut standby.connect()).unwrap(), None);
}

#[test]
fn a_script_that_drops_the_tracking_table_is_told_so() {
    for (before, script) in [
        (0, "DROP SCHEMA public CASCADE"),
        (0, "DO $$ BEGIN DROP SCHEMA public CASCADE; END $$"),
        (0, "DROP TABLE __switchy_migrations"),
        (1, "DROP SCHEMA public CASCADE"),
        (1, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
        (1, "DROP TABLE __switchy_migrations"),
    ] {
        for is_outside in [false, true] {
            on_postgres::with(|_, client| {
                if before == 1 {
                    runner::<Postgres>(&["SELECT 1"]).run(&mut *client).unwrap();
                }
                let last = Migration::from_scripts(format!("{}_it", before + 1), script.to_owned(), None);
                let last = if is_outside { last.outside_transaction() } else { last };
                let first = Migration::from_scripts("1_it", "SELECT 1".to_owned(), None);
                let set: Vec<_> = (before == 1).then_some(first).into_iter().chain([last]).collect();
                let it = MigrationRunner::<Postgres>::for_backend(set).unwrap();
                let error = it.run(&mut *client).unwrap_err();
                let pending = it.status(&mut *client).unwrap().entries.last().unwrap().state.clone();
                assert_eq!(pending, State::Pending, "{script}");
                if !script.starts_with("DO") {
                    // Its text shows it, so it does not begin.
                    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
                    let problem = &error.problems()[0];
                    assert!(
                        problem.finding.contains("it changes the tracking table `__switchy_migrations`"),
                        "{problem}"
                    );
                    return;
                }
                assert_eq!(error.kind(), ErrorKind::Step, "{error}");
                assert_eq!(
                    error.reason().unwrap(),
                    "it changes the tracking table `public.__switchy_migrations`",
                    "{script}"
                );
                assert_eq!(error.outcome().unwrap(), "nothing of it was kept", "{script}");
                assert_eq!(
                    error.remedy().unwrap().to_string(),
                    "leave that table to the engine, and run again"
                );
            });
        }
    }
}

/// A user of a database, and an address for it.
fn poor_user(conn: &mut mysql::Conn, url: &str, rights: &str) -> String {
    let database = mysql_rows(conn, "SELECT DATABASE()").remove(0);
    conn.query_drop(format!("CREATE USER {database}; GRANT {rights} ON {database}.* TO {database}")).unwrap();
    url.replace("root@", &format!("{database}@"))
}

#[test]
fn what_a_user_of_mariadb_lacks_is_named_with_the_statement_that_gives_it() {
    on_mysql::with(|database, conn| {
        let it = runner::<Mysql>(&["CREATE TABLE t (a INT)", "DO 1"]);
        let name = mysql_rows(conn, "SELECT DATABASE()").remove(0);
        let url = poor_user(conn, &database.url, "SELECT");
        let remedy = format!(
            "let an administrator run `GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON `{name}`.* TO `{name}`@`%``, and run again"
        );
        let [what, reason, _, said] = parts(&it.run(&mut mysql::Conn::new(&*url).unwrap()).unwrap_err());
        assert_eq!(what, "cannot make the table of `__switchy_migrations`");
        assert!(reason.starts_with("CREATE command denied to user "), "{reason}");
        assert_eq!(said, remedy);
        it.run_to(&mut *conn, switchy_schema::Target::Steps(1)).unwrap();
        let [what, reason, outcome, said] =
            parts(&it.run(&mut mysql::Conn::new(&*url).unwrap()).unwrap_err());
        assert_eq!(what, format!("cannot write the records of `{name}.__switchy_migrations`"));
        assert!(reason.contains(" command denied to user "), "{reason}");
        assert_eq!([&*outcome, &*said], ["nothing was done", &*remedy]);
        let statement = remedy.split("`GRANT").nth(1).unwrap().split("`, and").next().unwrap();
        conn.query_drop(format!("GRANT{statement}")).unwrap();
        assert_eq!(it.run(&mut mysql::Conn::new(&*url).unwrap()).unwrap().applied.len(), 1);
        conn.query_drop(format!("DROP USER {name}")).unwrap();
    });
}

#[test]
fn a_read_only_mariadb_is_said_to_be_one_before_a_script_runs() {
    let Some(server) = servers::own_mysql() else { return };
    let mut conn = server.connect();
    let url = poor_user(&mut conn, &server.database.url, "ALL");
    let mut app = mysql::Conn::new(&*url).unwrap();
    for script in ["CREATE TABLE t (a INT)", "SET @ran = 1; SELECT 1"] {
        conn.query_drop("DROP TABLE IF EXISTS __switchy_migrations, t").unwrap();
        let it = runner::<Mysql>(&["SELECT 1", script]);
        for done in [0, 1] {
            conn.query_drop("SET GLOBAL read_only = 1").unwrap();
            let [what, reason, _, remedy] = parts(&it.run(&mut app).unwrap_err());
            conn.query_drop("SET GLOBAL read_only = 0").unwrap();
            assert!(
                what.starts_with(if done == 0 {
                    "cannot make the table"
                } else {
                    "cannot write the records"
                }),
                "{what}"
            );
            assert!(reason.starts_with("the server is read-only, as a replica is: "), "{reason}");
            assert_eq!(remedy, "connect to a server that may be written");
            assert_eq!(mysql_rows(&mut app, "SELECT @ran"), ["NULL"]);
            if done == 0 {
                it.run_to(&mut app, switchy_schema::Target::Steps(1)).unwrap();
            }
        }
        // Somebody who may write nevertheless does.
        conn.query_drop("SET GLOBAL read_only = 1").unwrap();
        assert_eq!(it.run(&mut conn).unwrap().applied.len(), 1);
        conn.query_drop("SET GLOBAL read_only = 0").unwrap();
    }
}

#[test]
fn an_address_without_a_database_is_named() {
    on_mysql::with(|database, _| {
        let opts = mysql::OptsBuilder::from_opts(mysql::Opts::from_url(&database.url).unwrap())
            .db_name(None::<String>);
        let it = runner::<Mysql>(&["SELECT 1"]);
        let said = [
            it.run(&mut mysql::Conn::new(opts.clone()).unwrap()).unwrap_err(),
            it.status(&mut mysql::Conn::new(opts.clone()).unwrap()).unwrap_err(),
            it.lock_holder(&mut mysql::Conn::new(opts).unwrap()).unwrap_err(),
        ];
        for error in said {
            assert!(
                error
                    .to_string()
                    .ends_with(": the address names no database; name one in it, as in mysql://HOST/NAME"),
                "{error}"
            );
        }
    });
}

#[test]
fn a_lost_connection_is_nothing_to_correct() {
    on_postgres::with(|database, client| {
        let it = runner::<Postgres>(&["CREATE TABLE t (a INT); SELECT pg_sleep(3600)"]);
        let error = thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let ends =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)'
                AND datname = current_database() AND pid <> pg_backend_pid()";
            while rows(client, ends).is_empty() {
                thread::sleep(Duration::from_millis(10));
            }
            run.join().unwrap()
        });
        assert_eq!(error.fault(), Some(FaultKind::Disconnected));
        assert!(error.reason().unwrap().starts_with("the connection to the server was lost ("), "{error}");
        assert!(
            error.to_string().ends_with("; nothing of it was kept; run again when the server can be reached"),
            "{error}"
        );
    });
    on_postgres::with(|database, _| {
        let code = Migration::<Postgres>::function("1_it", |client: &mut Client| {
            client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        });
        let error = MigrationRunner::for_backend([code]).unwrap().run(&mut database.connect()).unwrap_err();
        assert_eq!(error.fault(), Some(FaultKind::Disconnected), "{error}");
        assert!(
            error.to_string().ends_with("; nothing of it was kept; run again when the server can be reached"),
            "{error}"
        );
    });
    on_mysql::with(|database, conn| {
        for (script, end) in [
            (
                "INSERT INTO t VALUES (1); DO SLEEP(3600)",
                "; nothing of it was kept; run again when the server can be reached",
            ),
            (
                "CREATE TABLE u (a INT); DO SLEEP(3600)",
                " it is marked dirty; call `recover` with `Recovery::Retry` to continue where it stopped, or call `recover` with \
                 `Recovery::MarkDone` once it is done by hand",
            ),
        ] {
            conn.query_drop("CREATE OR REPLACE TABLE t (a INT)").unwrap();
            let it = runner::<Mysql>(&[script]);
            let error = thread::scope(|scope| {
                let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
                let sleeping = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO = 'DO SLEEP(3600)' AND DB = DATABASE()";
                let session = loop {
                    match mysql_rows(conn, sleeping).pop() {
                        Some(session) => break session,
                        None => thread::sleep(Duration::from_millis(10)),
                    }
                };
                conn.query_drop(format!("KILL {session}")).unwrap();
                run.join().unwrap()
            });
            assert_eq!(error.fault(), Some(FaultKind::Disconnected), "{error}");
            let said = error.to_string();
            assert!(!said.contains("correct") && !said.contains("Error {"), "{said}");
            assert!(said.ends_with(end), "{said}");
        }
    });
}

#[test]
fn a_statement_that_is_too_long_for_the_server_is_told_the_limit() {
    on_mysql::with(|_, conn| {
        let limit = mysql_rows(conn, "SELECT @@max_allowed_packet").remove(0);
        let script = format!(
            "CREATE TABLE t (a LONGTEXT); INSERT INTO t VALUES ('{}')",
            "x".repeat(limit.parse().unwrap())
        );
        let error = runner::<Mysql>(&[&script]).run(&mut *conn).unwrap_err();
        assert_eq!(
            error.reason().unwrap(),
            format!(
                "the statement is longer than `max_allowed_packet` of the server, which is {limit} bytes"
            )
        );
        let said = error.remedy().unwrap().to_string();
        assert!(said.starts_with("split it into several statements, or raise max_allowed_packet on the server, then call `recover`"), "{said}");
        // As the first statement it has done nothing.
        conn.query_drop("DELETE FROM __switchy_migrations").unwrap();
        let script =
            format!("SET NAMES utf8mb4; DROP TABLE /* {} */ t, u", "x".repeat(limit.parse().unwrap()));
        let error = runner::<Mysql>(&[&script]).run(&mut *conn).unwrap_err();
        assert_eq!(error.outcome().unwrap(), "nothing of it was kept");
    });
}

#[test]
fn a_value_of_an_enum_in_one_transaction_with_its_use_needs_no_metadata() {
    on_postgres::with(|_, client| {
        let scripts =
            ["CREATE TYPE e AS ENUM ('a')", "ALTER TYPE e ADD VALUE 'b'", "CREATE TABLE t (x e DEFAULT 'b')"];
        let error =
            runner::<Postgres>(&scripts).transaction(TransactionMode::Batch).run(&mut *client).unwrap_err();
        assert_eq!(error.remedy().unwrap().to_string(), "run with `TransactionMode::PerMigration`");
        assert_eq!(runner::<Postgres>(&scripts).run(&mut *client).unwrap().applied.len(), 3);
        let within =
            runner::<Postgres>(&["CREATE TYPE f AS ENUM ('a')", "ALTER TYPE f ADD VALUE 'b'; SELECT 'b'::f"]);
        let within = within.table_name("other").unwrap();
        let error = within.run(&mut *client).unwrap_err();
        assert_eq!(error.remedy().unwrap().to_string(), "set run_in_transaction = false in its metadata");
    });
}
