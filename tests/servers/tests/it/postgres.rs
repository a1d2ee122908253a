//! The engine on a real PostgreSQL server.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use postgres::Client;
use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{
    ErrorKind, Hooks, Lock, LogEntryKind, Migration, MigrationRunner, Postgres, ProblemKind, Recovery,
    Signature, Target, TransactionMode,
};

use crate::servers::{self, PostgresDatabase};

type Runner = MigrationRunner<Postgres>;

fn runner(set: impl IntoIterator<Item = Migration<Postgres>>) -> Runner {
    Runner::for_backend(set.into_iter().collect::<Vec<_>>()).unwrap()
}

fn users() -> Migration<Postgres> {
    Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users")
}

fn email() -> Migration<Postgres> {
    Migration::reversible(
        "2_email",
        "ALTER TABLE users ADD email TEXT",
        "ALTER TABLE users DROP COLUMN email",
    )
}

/// The result of a query: one string for each row, with the values separated by `|`.
pub(crate) fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap();
    let row = |message: &postgres::SimpleQueryMessage| match message {
        postgres::SimpleQueryMessage::Row(row) => {
            let values: Vec<&str> = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL")).collect();
            Some(values.join("|"))
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

fn tables(client: &mut Client) -> Vec<String> {
    rows(
        client,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_\\_switchy%' ORDER BY 1",
    )
}

/// Makes a table whose only row is locked, so that `SELECT x FROM gate FOR SHARE` waits until [`open`] is called or this connection ends.
pub(crate) fn gate(database: &PostgresDatabase) -> Client {
    let mut gate = database.connect();
    gate.batch_execute("CREATE TABLE gate (x int); INSERT INTO gate VALUES (0)").unwrap();
    gate.batch_execute("BEGIN; SELECT x FROM gate FOR UPDATE").unwrap();
    gate
}

/// Opens a [`gate`].
pub(crate) fn open(gate: &mut Client) {
    gate.batch_execute("ROLLBACK").unwrap();
}

/// Runs a test with its own database, if there is a server.
pub(crate) fn with(test: impl FnOnce(&PostgresDatabase, &mut Client)) {
    if let Some(database) = servers::postgres() {
        test(&database, &mut database.connect());
    }
}

#[test]
fn migrations_are_applied_once_and_undone_with_a_line_in_the_log() {
    with(|_, client| {
        let it = runner([users(), email()]).program("notes 1.2");
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 2);
        assert!(it.run(&mut *client).unwrap().is_up_to_date());
        assert_eq!(it.redo(&mut *client).unwrap().applied.len(), 2);
        assert_eq!(it.rollback(&mut *client, 2).unwrap().applied.len(), 2);
        assert_eq!(tables(client), Vec::<String>::new());
        let history = it.history(&mut *client).unwrap();
        assert_eq!(history.records(), []);
        let lines: Vec<_> = history.log().iter().map(|trace| (trace.id.as_str(), &trace.kind)).collect();
        let undone = &LogEntryKind::RolledBack;
        assert_eq!(lines, [("2_email", undone), ("2_email", undone), ("1_users", undone)]);
        assert_eq!(history.log()[0].program.as_deref(), Some("notes 1.2"));
        assert_eq!(history.log()[0].logged_on.len(), "2026-11-22T19:09:07.132".len());
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 2);
    });
}

#[test]
fn a_script_that_fails_names_line_and_column_and_leaves_nothing() {
    // (script, line, column, the message of the server)
    let table = [
        ("CREATE TABLE a (b int);\nSELEKT 1;", 2, 1, "syntax error at or near \"SELEKT\""),
        (
            "CREATE TABLE a (b int);\n\nSELECT 'ä', nothing\n  FROM a;",
            3,
            13,
            "column \"nothing\" does not exist",
        ),
        (
            "CREATE TABLE a (b int UNIQUE);\nINSERT INTO a VALUES (1);\n INSERT INTO a VALUES (1);",
            3,
            2,
            "duplicate key",
        ),
        ("CREATE TABLE a (b int); COMMIT;", 1, 25, "would end the transaction that it runs in"),
        ("CREATE TABLE a (b int);\nDO $$ BEGIN RAISE 'no; way'; END $$;", 2, 1, "no; way"),
    ];
    with(|_, client| {
        for (script, line, column, told) in table {
            let error = runner([users(), Migration::sql("2_it", script)]).run(&mut *client).unwrap_err();
            let is_read = told.starts_with("would end");
            assert_eq!(error.kind(), if is_read { ErrorKind::Refused } else { ErrorKind::Step }, "{script}");
            let position = error.location().unwrap().position.unwrap();
            assert_eq!((position.line, position.column), (line, column), "{script}: {error}");
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(tables(client), ["users"], "{script}");
        }
        assert_eq!(rows(client, "SELECT name FROM __switchy_migrations"), ["1_users"]);
    });
}

#[test]
fn what_cannot_run_in_a_transaction_says_so_and_runs_outside() {
    with(|_, client| {
        runner([users()]).run(&mut *client).unwrap();
        let index = |up| Migration::reversible("2_index", up, "DROP INDEX i");
        let mixed = || index("CREATE TABLE a (b int); CREATE INDEX CONCURRENTLY i ON users (name)");
        let error = runner([users(), mixed()]).run(&mut *client).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::NotInTransaction);
        assert!(error.to_string().contains("set run_in_transaction = false in its metadata"), "{error}");
        let alone = || index("CREATE INDEX CONCURRENTLY i ON users (name)");
        for set in [mixed().outside_transaction(), alone(), alone().outside_transaction()] {
            let it = runner([users(), set]);
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
            assert_eq!(it.rollback(&mut *client, 1).unwrap().applied.len(), 1);
            client.batch_execute("DROP TABLE IF EXISTS a").unwrap();
        }
    });
}

#[test]
fn a_step_outside_a_transaction_is_dirty_where_it_stopped() {
    with(|_, client| {
        let script = "CREATE TABLE a (b int);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d int)";
        let it = runner([Migration::sql("1_it", script).outside_transaction()]);
        let error = it.run(&mut *client).unwrap_err();
        assert_eq!(error.location().unwrap().position.unwrap().line, 2);
        assert_eq!(it.run(&mut *client).unwrap_err().problems()[0].kind, ProblemKind::Dirty);
        let dirty = it.history(&mut *client).unwrap().records()[0].dirty.clone().unwrap();
        assert_eq!(dirty.statement, Some(2));
        client.batch_execute("CREATE TABLE missing (x int)").unwrap();
        it.recover(&mut *client, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
        assert_eq!(tables(client), ["a", "c", "missing"]);
    });
}

#[test]
fn a_batch_is_all_or_nothing() {
    with(|_, client| {
        let batch =
            |script| runner([users(), Migration::sql("2_it", script)]).transaction(TransactionMode::Batch);
        batch("SELEKT").run(&mut *client).unwrap_err();
        assert_eq!(tables(client), Vec::<String>::new());
        assert_eq!(batch("SELECT 1").run(&mut *client).unwrap().applied.len(), 2);
    });
}

#[test]
fn what_a_script_sets_is_set_back() {
    with(|_, client| {
        client
            .batch_execute("CREATE ROLE other; SET application_name = 'tests'; SET search_path = public")
            .unwrap();
        let script = "CREATE SCHEMA s; SET search_path = s; SET application_name = 'script'; SET statement_timeout = '9s';
            CREATE TABLE here (x int); SET ROLE other;";
        let settings = "SELECT current_setting('search_path'), current_setting('application_name'),
            current_setting('statement_timeout'), current_setting('role')";
        for migration in [
            Migration::sql("1_it", script),
            Migration::sql("2_it", "SET search_path = s").outside_transaction(),
        ] {
            let before = rows(client, settings);
            runner([migration])
                .table_name("t")
                .unwrap()
                .policy(switchy_schema::Policy::DEVELOPMENT)
                .run(&mut *client)
                .unwrap();
            assert_eq!(rows(client, settings), before);
        }
        assert_eq!(rows(client, "SELECT name FROM public.t ORDER BY place"), ["1_it", "2_it"]);
        assert_eq!(rows(client, "SELECT schemaname FROM pg_tables WHERE tablename = 'here'"), ["s"]);
    });
}

#[test]
fn programs_that_start_at_once_apply_each_migration_once() {
    with(|database, client| {
        let set = || {
            let number = |number: usize| {
                let script = format!("CREATE TABLE t{number} (x int); SELECT pg_sleep(0.01)");
                Migration::from_scripts(format!("{number}_t"), script, None)
            };
            runner((0..6).map(number))
        };
        let applied: Vec<usize> = thread::scope(|scope| {
            let starts: Vec<_> = (0..12)
                .map(|_| scope.spawn(|| set().run(&mut database.connect()).unwrap().applied.len()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(applied.iter().sum::<usize>(), 6);
        assert_eq!(tables(client).len(), 6);
    });
}

#[test]
fn without_the_lock_a_migration_runs_once_too() {
    with(|database, client| {
        let set = || {
            let number = |number: usize| {
                Migration::from_scripts(
                    format!("{number}_t"),
                    format!("CREATE TABLE t{number} (x int)"),
                    None,
                )
            };
            runner((0..6).map(number)).lock(switchy_schema::Lock::Off)
        };
        // The table exists before, so that all runs see it.
        set().run_to(&mut *client, Target::Steps(1)).unwrap();
        let applied: Vec<usize> = thread::scope(|scope| {
            let starts: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| set().run(&mut database.connect()).unwrap().applied.len()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(applied.iter().sum::<usize>(), 5);
    });
}

#[test]
fn whoever_waits_for_the_lock_is_told_who_holds_it() {
    with(|database, client| {
        client.batch_execute("SET application_name = 'the other one'").unwrap();
        client
            .batch_execute(
                "SELECT pg_advisory_lock(hashtextextended('switchy_schema public.__switchy_migrations', 0))",
            )
            .unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let it = runner([users()]).lock_timeout(Duration::from_millis(200)).observe(move |event| {
            if let switchy_schema::Event::Waiting { holder, .. } = event {
                notes.lock().unwrap().push((*holder).to_owned());
            }
        });
        let error = it.run(&mut database.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        let session = rows(client, "SELECT pg_backend_pid()").remove(0);
        let said = error.to_string();
        for part in [
            &*format!(
                "(session {session} of the server, from a socket of its machine (the other one), idle after `SELECT pg_advisory_lock(hash"
            ),
            &*format!(" UTC; `SELECT pg_terminate_backend({session})` ends it); waited "),
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(
            heard.lock().unwrap()[0].starts_with(&format!("session {session} of the server, from")),
            "{heard:?}"
        );
        client.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
        assert_eq!(it.run(&mut database.connect()).unwrap().applied.len(), 1);
    });
}

#[test]
fn the_lock_is_given_back_on_every_path() {
    with(|database, _| {
        let mut client = database.connect();
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
        runner([Migration::sql("1_it", "SELEKT")]).run(&mut client).unwrap_err();
        assert_eq!(rows(&mut client, locks), ["0"]);
        let panics: Migration<Postgres> =
            Migration::function("1_it", |_: &mut Client| -> Result<(), std::fmt::Error> {
                panic!("on purpose")
            });
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runner([panics]).run(&mut client)));
        assert!(panicked.is_err());
        assert_eq!(rows(&mut client, locks), ["0"]);
        assert_eq!(runner([users()]).run(&mut client).unwrap().applied.len(), 1);
    });
}

/// The current table after `switchy_schema` 0.5 renamed `name` and applied a migration.
const TAKEN_OVER: &str = "CREATE TABLE __switchy_migrations (id TEXT NOT NULL UNIQUE, run_on TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
        checksum TEXT, dirty INTEGER NOT NULL DEFAULT 0, duration_ms BIGINT, basis TEXT, statement INTEGER, statements INTEGER,
        mark TEXT, failure TEXT, up_sql TEXT, down_sql TEXT, down_options TEXT, down_checksum TEXT,
        place BIGINT GENERATED BY DEFAULT AS IDENTITY, finished_on TIMESTAMPTZ, up_checksum VARCHAR(64) NOT NULL DEFAULT repeat('0', 64),
        status TEXT NOT NULL DEFAULT 'completed', failure_reason TEXT);
    INSERT INTO __switchy_migrations (id, run_on, finished_on, up_checksum, down_checksum, status)
        VALUES ('1_users', '2024-03-04 06:06:07.89+01', '2024-03-04 06:06:08.14+01', repeat('0', 64), repeat('0', 64), 'completed')";

#[test]
fn a_table_that_an_older_program_left_is_brought_up_to_date() {
    let forms = [
        "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT NOW());
        INSERT INTO __switchy_migrations VALUES ('1_users', '2024-03-04 05:06:07.89')",
        "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT NOW());
        INSERT INTO __switchy_migrations VALUES ('1_users', '2024-03-04 05:06:07.89'), ('1_users', '2024-03-05 00:00:00')",
        "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TIMESTAMPTZ NOT NULL, finished_on TIMESTAMPTZ,
            up_checksum VARCHAR(64) NOT NULL, down_checksum VARCHAR(64) NOT NULL, status TEXT NOT NULL, failure_reason TEXT);
        INSERT INTO __switchy_migrations VALUES ('1_users', '2024-03-04 06:06:07.89+01', '2024-03-04 06:06:08.14+01',
            repeat('0', 64), repeat('0', 64), 'completed', NULL)",
        TAKEN_OVER,
    ];
    for form in forms {
        with(|_, client| {
            client.batch_execute(form).unwrap();
            client.batch_execute("CREATE TABLE users (name TEXT)").unwrap();
            let it = runner([users(), email()]);
            assert!(it.is_applied(&mut *client, "1_users").unwrap());
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1, "{form}");
            let history = it.history(&mut *client).unwrap();
            assert_eq!(history.records()[0].run_on, "2024-03-04T05:06:07.890", "{form}");
            assert!(history.records()[0].checksum.is_some());
            assert!(it.run(&mut *client).unwrap().is_up_to_date());
        });
    }
}

#[test]
fn a_folder_has_its_scripts_for_this_database() {
    with(|_, client| {
        let files = [
            Entry::new("1_it/up.sql", b"CREATE TABLE common (x int)".as_slice()),
            Entry::new("1_it/up.postgres.sql", b"CREATE TABLE own (x int)".as_slice()),
            Entry::new("2_it/up.sqlite.sql", b"CREATE TABLE elsewhere (x)".as_slice()),
        ];
        let it = Runner::for_backend(migrations::<Postgres>("", files).unwrap()).unwrap();
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
        assert_eq!(tables(client), ["own"]);
    });
}

#[test]
fn a_plan_reads_what_goes_from_the_text() {
    with(|_, client| {
        let it = runner([users(), email()]);
        it.run(&mut *client).unwrap();
        let plan = it.plan(&mut *client, Target::Empty).unwrap().to_string();
        assert!(plan.contains("drops the column `users.email`"), "{plan}");
        assert!(plan.contains("drops the table `users`"), "{plan}");
    });
}

#[test]
fn the_records_are_in_the_schema_that_was_chosen() {
    with(|_, client| {
        client.batch_execute("CREATE SCHEMA \"The \"\"Audit\"\"\"; CREATE SCHEMA s").unwrap();
        let set = || {
            let moves = "SET search_path = s; CREATE TABLE here (x int); CREATE TABLE there (x int)";
            runner([users(), Migration::sql("2_moves", moves).outside_transaction()])
        };
        let it = set().table_name("My Table").unwrap().schema("The \"Audit\"").unwrap();
        it.run(&mut *client).unwrap();
        it.rollback(&mut *client, 0).unwrap();
        let found = "SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('My Table', 'here', 'there') ORDER BY 2";
        assert_eq!(rows(client, found), ["The \"Audit\"|My Table", "s|here", "s|there"]);
        assert!(it.run(&mut *client).unwrap().is_up_to_date());

        // Without a chosen schema, the table is in the first schema of the session's search path, even if the script changes the path.
        client.batch_execute("DROP SCHEMA s CASCADE; CREATE SCHEMA s; DROP TABLE users").unwrap();
        set().run(&mut *client).unwrap();
        assert_eq!(
            rows(client, "SELECT name FROM public.__switchy_migrations ORDER BY place"),
            ["1_users", "2_moves"]
        );
        let error = runner([users()]).schema("missing").unwrap().run(&mut *client).unwrap_err();
        assert!(error.to_string().contains("schema \"missing\" does not exist"), "{error}");
    });
}

#[test]
fn a_step_outside_a_transaction_goes_on_behind_what_is_done() {
    let script = "SET search_path = s; CREATE TABLE a (b int);
        BEGIN; INSERT INTO a VALUES (1); INSERT INTO missing VALUES (1); COMMIT;
        CREATE INDEX CONCURRENTLY i ON a (b); ALTER TABLE a ADD c int; INSERT INTO a VALUES (2, 2)";
    with(|_, client| {
        client.batch_execute("CREATE SCHEMA s").unwrap();
        let it = runner([Migration::sql("1_it", script).outside_transaction()]);
        let retry = || Recovery::Retry("1_it".into());
        let error = it.run(&mut *client).unwrap_err();
        assert!(error.to_string().contains("\"missing\" does not exist"), "{error}");
        // The script's own transaction is rolled back, so the run resumes where that transaction began.
        let dirty = it.history(&mut *client).unwrap().records()[0].dirty.clone().unwrap();
        assert_eq!((dirty.statement, dirty.of), (Some(3), Some(9)));
        assert!(dirty.failure.unwrap().starts_with("statement 5 failed: "));
        assert_eq!(rows(client, "SELECT b FROM s.a"), Vec::<String>::new());

        client.batch_execute("CREATE TABLE s.missing (x int)").unwrap();
        it.recover(&mut *client, retry(), Signature::of("ada")).unwrap();
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
        assert_eq!(rows(client, "SELECT b, c FROM s.a ORDER BY b"), ["1|NULL", "2|2"]);
        assert_eq!(rows(client, "SHOW search_path"), ["\"$user\", public"]);
    });
}

#[test]
fn an_index_that_was_left_invalid_is_named() {
    with(|_, client| {
        client.batch_execute("CREATE TABLE \"T\" (x int); INSERT INTO \"T\" VALUES (1), (1)").unwrap();
        let script = "SELECT 1; CREATE UNIQUE INDEX CONCURRENTLY \"I\" ON \"T\" (x); CREATE TABLE u (x int)";
        let it = runner([Migration::sql("1_it", script).outside_transaction()]);
        let error = it.run(&mut *client).unwrap_err().to_string();
        assert!(error.contains("with DROP INDEX CONCURRENTLY public.\"I\""), "{error}");
        let retry = || Recovery::Retry("1_it".into());
        let error = it.recover(&mut *client, retry(), Signature::of("ada")).unwrap_err().to_string();
        assert!(error.contains("statement 2 left the invalid index public.\"I\""), "{error}");
        client.batch_execute("DROP INDEX CONCURRENTLY \"I\"").unwrap();
        client.batch_execute("DELETE FROM \"T\"").unwrap();
        it.recover(&mut *client, retry(), Signature::of("ada")).unwrap();
        assert_eq!(it.run(&mut *client).unwrap().applied.len(), 1);
        assert_eq!(
            rows(client, "SELECT count(*) FROM pg_index WHERE indexrelid = '\"I\"'::regclass AND indisvalid"),
            ["1"]
        );
    });
}

#[test]
fn a_transaction_that_a_script_leaves_open_is_an_error() {
    with(|_, client| {
        let script = "CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1)";
        let it = runner([Migration::sql("1_it", script).outside_transaction()]);
        let error = it.run(&mut *client).unwrap_err();
        assert!(error.to_string().contains("begins a transaction and does not end it"), "{error}");
        assert_eq!(tables(client), Vec::<String>::new());
        // Some errors are detected only after the script ran on the server.
        let script = "CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); COMMIT AND CHAIN";
        let it = runner([Migration::sql("1_it", script).outside_transaction()]);
        let error = it.run(&mut *client).unwrap_err();
        assert!(error.to_string().contains("it left a transaction open, which was rolled back"), "{error}");
        assert_eq!(rows(client, "SELECT b FROM a"), ["1"]);
        assert!(it.history(&mut *client).unwrap().records()[0].dirty.is_some());
    });
}

#[test]
fn statements_that_refuse_a_transaction_need_no_list() {
    with(|_, client| {
        let script = "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE a (b mood);
            ALTER TYPE mood ADD VALUE 'glad'; INSERT INTO a VALUES ('glad');
            VACUUM a; ALTER SYSTEM SET log_min_messages = 'warning'; ALTER SYSTEM RESET log_min_messages;
            CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES ('sad'); COMMIT; END $$;
            CALL p(); DO $$ BEGIN INSERT INTO a VALUES ('sad'); COMMIT; END $$;
            REINDEX TABLE CONCURRENTLY a";
        runner([Migration::sql("1_it", script).outside_transaction()]).run(&mut *client).unwrap();
        assert_eq!(rows(client, "SELECT b FROM a ORDER BY 1"), ["sad", "sad", "glad"]);
    });
}

#[test]
fn a_row_can_be_the_lock() {
    with(|database, client| {
        let set = || {
            let number = |number: usize| {
                let script = format!("CREATE TABLE t{number} (x int); SELECT pg_sleep(0.01)");
                let step = Migration::from_scripts(format!("{number}_t"), script, None);
                if number.is_multiple_of(2) { step } else { step.outside_transaction() }
            };
            runner((0..6).map(number)).lock(switchy_schema::Lock::Row)
        };
        let applied: Vec<usize> = thread::scope(|scope| {
            let starts: Vec<_> = (0..12)
                .map(|_| scope.spawn(|| set().run(&mut database.connect()).unwrap().applied.len()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(applied.iter().sum::<usize>(), 6);

        // A run that finds the row locked reports this after its timeout.
        client.batch_execute("BEGIN; SELECT * FROM __switchy_locks FOR UPDATE").unwrap();
        let late =
            runner([users()]).policy(switchy_schema::Policy::DEVELOPMENT).lock(switchy_schema::Lock::Row);
        let error = late.lock_timeout(Duration::from_millis(100)).run(&mut database.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
        client.batch_execute("ROLLBACK").unwrap();
    });
}

/// Between the nodes of a cluster, a row that is locked on one is not locked on the others, and the transaction that commits second is rolled
/// back. Another plan is then made.
#[test]
fn with_a_row_as_the_lock_a_record_that_comes_second_is_planned_again() {
    for step in [email(), email().outside_transaction()] {
        with(|_, client| {
            runner([users()]).lock(Lock::Row).run(&mut *client).unwrap();
            client
                .batch_execute(
                    "CREATE SEQUENCE s; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        IF nextval('s') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN new;
                    END $$;
                    CREATE TRIGGER t BEFORE INSERT ON __switchy_migrations FOR EACH ROW EXECUTE FUNCTION f()",
                )
                .unwrap();
            let both = runner([users(), step.clone()]).lock(Lock::Row);
            assert_eq!(both.run(&mut *client).unwrap().applied.len(), 1);
            assert_eq!(rows(client, "SELECT last_value FROM s"), ["2"]);
        });
    }
}

#[test]
fn a_transaction_of_the_caller_is_refused() {
    with(|_, client| {
        client.batch_execute("BEGIN").unwrap();
        assert_eq!(runner([users()]).run(&mut *client).unwrap_err().kind(), ErrorKind::OpenTransaction);
        client.batch_execute("ROLLBACK").unwrap();
        assert_eq!(runner([users()]).run(&mut *client).unwrap().applied.len(), 1);
    });
}

#[test]
fn the_record_has_the_program_and_an_older_one_is_told_which_it_needs() {
    with(|_, client| {
        runner([users()]).program("notes 1.0").run(&mut *client).unwrap();
        runner([users(), email()]).program("notes 1.1").run(&mut *client).unwrap();
        assert_eq!(
            rows(client, "SELECT name, program FROM __switchy_migrations ORDER BY place"),
            ["1_users|notes 1.0", "2_email|notes 1.1"]
        );
        let error = runner([users()]).program("notes 1.0").run(&mut *client).unwrap_err();
        assert_eq!(error.newer_program(), Some("notes 1.1"), "{error}");
    });
}

const HAS_PROGRAM: &str = "SELECT count(*) FROM information_schema.columns
    WHERE table_name = '__switchy_migrations' AND column_name = 'program' AND table_schema = current_schema()";

/// A program without the column made the table. It is read as it is, and the next run that writes adds the column.
#[test]
fn a_table_without_the_column_of_the_program_gets_it() {
    for lock in [Lock::default(), Lock::Row, Lock::Off] {
        with(|_, client| {
            let first = || runner([users()]).lock(lock.clone());
            first().run(&mut *client).unwrap();
            rows(client, "ALTER TABLE __switchy_migrations DROP COLUMN program");
            assert!(first().run(&mut *client).unwrap().is_up_to_date());
            assert_eq!(first().history(&mut *client).unwrap().records()[0].program, None);
            assert_eq!(rows(client, HAS_PROGRAM), ["0"]);
            let both = runner([users(), email()]).program("notes 1.1").lock(lock.clone());
            assert_eq!(both.run(&mut *client).unwrap().applied.len(), 1, "{lock:?}");
            assert_eq!(
                rows(client, "SELECT name, program FROM __switchy_migrations ORDER BY place"),
                ["1_users|NULL", "2_email|notes 1.1"]
            );
            assert!(both.run(&mut *client).unwrap().is_up_to_date());
        });
    }
}

/// Adding a column keeps readers of the table away until the transaction ends, so it is no part of a step, which may take hours.
#[test]
fn a_step_keeps_nobody_from_reading_the_records_although_the_column_is_added() {
    with(|database, client| {
        runner([users()]).run(&mut *client).unwrap();
        rows(client, "ALTER TABLE __switchy_migrations DROP COLUMN program");
        let both = || runner([users(), email()]);
        both().rehearse(&mut *client, Target::Latest).unwrap();
        assert_eq!(rows(client, HAS_PROGRAM), ["0"], "a rehearsal leaves nothing");

        let mut reader = database.connect();
        reader.batch_execute("SET lock_timeout = '2s'").unwrap();
        let reader = Mutex::new(reader);
        let hooks = Hooks::<Postgres>::for_backend().before(move |_, _| {
            Ok(reader.lock().unwrap().batch_execute("SELECT name FROM __switchy_migrations")?)
        });
        assert_eq!(both().hooks(hooks).run(&mut *client).unwrap().applied.len(), 1);
        assert_eq!(rows(client, HAS_PROGRAM), ["1"]);
    });
}

/// The server ends the session in the commit of the first or the last record of a step outside a transaction.
#[test]
fn a_step_whose_record_may_be_committed_says_so() {
    for (event, when) in [("INSERT", "new.dirty = 1"), ("UPDATE", "new.dirty = 0 AND old.dirty = 1")] {
        with(|database, client| {
            runner([users()]).run(&mut *client).unwrap();
            client
                .batch_execute(&format!(
                    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                        PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL;
                    END $$;
                    CREATE CONSTRAINT TRIGGER t AFTER {event} ON __switchy_migrations DEFERRABLE INITIALLY DEFERRED
                        FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION f()"
                ))
                .unwrap();
            let both = runner([users(), email().outside_transaction()]);
            let said = both.run(&mut *client).unwrap_err().to_string();
            assert!(said.contains("whether that was done is not known"), "{event}: {said}");
            assert!(!said.contains("nothing was done"), "{event}: {said}");
            let mut client = database.connect();
            client.batch_execute("DROP TRIGGER t ON __switchy_migrations").unwrap();
            if event == "UPDATE" {
                // Its statements are done, and a person has to say so.
                both.recover(&mut client, Recovery::Retry("2_email".into()), Signature::of("ada")).unwrap();
            }
            assert_eq!(both.run(&mut client).unwrap().applied.len(), 1, "{event}");
        });
    }
}
