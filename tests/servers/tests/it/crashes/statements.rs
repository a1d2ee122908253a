//! Statements of many kinds are killed while they run.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use switchy_schema::{Direction, Event, Lock, MigrationRunner, Mysql, Postgres, Recovery, Signature};

use super::kills::{hold, is_left, left, wait_until};
use super::{Kind, Program, Script, check, check_said, finish, go, runner};

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// The program. The server continues the statement.
    Program,
    /// The session. The program continues.
    Session,
    /// Only the statement.
    Statement,
    Server,
}

/// A script outside a transaction that is killed inside a statement.
struct Case {
    up: &'static [&'static str],
    /// The argument of [`hold`].
    inside: &'static str,
    /// The unfinished step, as [`is_left`] reads it.
    left: &'static str,
    /// The message with which a retry is refused, after a kill of the program, and otherwise; empty if it succeeds.
    told: [&'static str; 2],
    /// The instructions for a person, if the statement was done, and if it was not.
    by_hand: [&'static str; 2],
}

impl Case {
    fn set<B: Kind>(&self) -> [Script; 1] {
        [Script::outside::<B>("1_it", self.up, &[])]
    }

    fn start<B: Kind>(&self, database: &B::Database) -> Program {
        B::prepare(database);
        let mut program =
            Program::start::<B>(database, &self.set::<B>(), Direction::Up, &Lock::default(), "never");
        program.hear("ready").unwrap();
        program
    }

    /// How often the statement ran at which the script was killed; `None` if it leaves no trace.
    fn times<B: Kind>(&self, picture: &[String]) -> Option<usize> {
        let number: usize = self.left.split(' ').nth(1).unwrap().trim_end_matches('?').parse().unwrap();
        self.set::<B>()[0].up[number - 1].times(picture)
    }

    /// The content of the database after an undisturbed run.
    fn undisturbed<B: Kind>(&self, database: &B::Database) -> Vec<String> {
        B::prepare(database);
        let mut client = B::connect(database);
        go(&runner::<B>(&self.set::<B>(), Lock::default()), &mut client, Direction::Up).unwrap();
        B::picture(&mut client)
    }

    /// Checks the state, continues the run, and compares its result with that of an undisturbed run.
    fn finish<B: Kind>(&self, database: &B::Database, killed: Killed, said: &str) {
        let context = format!("{}, {killed:?}, {:?}", B::NAME, self.up);
        let mut client = B::connect(database);
        wait_until(&context, || B::rows(&mut client, B::OTHERS) == ["0"]);
        check_said::<B>(said, &mut client, Direction::Up, &context);
        let set = self.set::<B>();
        let told = self.told[usize::from(killed != Killed::Program)];
        // The session of a killed program finishes the statement. But MariaDB ends one that waits longer than a second for a table.
        let is_done = killed == Killed::Program && self.times::<B>(&B::picture(&mut client)) != Some(0);
        let by_hand = self.by_hand[usize::from(!is_done)];
        let (unfinished, refused) = finish::<B>(&set, &mut client, Direction::Up, by_hand, &context);
        // A statement that certainly failed has no mark.
        if killed != Killed::Statement {
            let left = left(unfinished.as_ref());
            assert!(is_left(&left, self.left), "{context}: {left:?}");
            assert_eq!(refused.is_empty(), told.is_empty(), "{context}: {refused:?}");
        }
        assert!(refused.is_empty() || refused.contains(told), "{context}: {refused:?}");
        let picture = B::picture(&mut client);
        drop(client);
        assert_eq!(picture, self.undisturbed::<B>(database), "{context}");
    }
}

/// Kills during each script.
fn kill<B: Kind>(cases: &[Case], killed: Killed) {
    let Some(database) = B::shared() else { return };
    // A named lock is released when its statement is cancelled.
    let is_fit = |case: &&Case| {
        !(case.inside.starts_with("SELECT") && matches!(killed, Killed::Session | Killed::Statement))
    };
    for case in cases.iter().filter(is_fit) {
        let mut program = case.start::<B>(&database);
        let (gate, session) = hold::<B>(&mut program, &database, case.inside);
        let how = match killed {
            Killed::Session => Some(B::TERMINATE),
            Killed::Statement => Some(B::CANCEL),
            _ => None,
        };
        let mut said = String::new();
        if let Some(how) = how {
            let mut client = B::connect(&database);
            B::run(&mut client, &how.replace("{}", &session));
            said = program.outcome().unwrap_err();
            // If the gate opens before the server notices the kill, the statement may still run.
            wait_until(case.inside, || B::rows(&mut client, B::OTHERS) == ["1"]);
        }
        program.kill();
        drop(gate);
        case.finish::<B>(&database, killed, &said);
    }
}

/// Kills the server once, during all scripts.
fn kill_server<B: Kind>(cases: &[Case]) {
    let Some(server) = B::own() else { return };
    let databases: Vec<B::Database> = cases.iter().map(|_| B::fresh(&server.database)).collect();
    let held: Vec<_> = cases
        .iter()
        .zip(&databases)
        .map(|(case, database)| {
            let mut program = case.start::<B>(database);
            let gate = hold::<B>(&mut program, database, case.inside);
            (program, gate)
        })
        .collect();
    server.kill();
    drop(held);
    server.restart();
    cases.iter().zip(&databases).for_each(|(case, database)| case.finish::<B>(database, Killed::Server, ""));
}

const OF_POSTGRES: [Case; 6] = [
    Case {
        up: &[
            "SET search_path = s",
            "CREATE INDEX CONCURRENTLY i ON \"inner\" (n) => index s.i",
            "CREATE TABLE here (n int) => table s.here",
        ],
        inside: "s.inner: INDEX CONCURRENTLY",
        left: "1_it 2?",
        told: ["", "statement 2 left the invalid index s.i"],
        by_hand: [""; 2],
    },
    Case {
        up: &["CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON s.\"inner\" (n) => index s.i", "row 1"],
        inside: "s.inner: INDEX CONCURRENTLY",
        left: "1_it 1?",
        told: ["", "statement 1 left the invalid index s.i"],
        by_hand: [""; 2],
    },
    // The server chooses the name.
    Case {
        up: &["row 1", "CREATE INDEX CONCURRENTLY ON big (n) => index big_n_idx"],
        inside: "big: INDEX CONCURRENTLY",
        left: "1_it 2?",
        told: [
            "since somebody else may have made the index public.big_n_idx",
            "statement 2 left the invalid index public.big_n_idx",
        ],
        by_hand: ["from 3"; 2],
    },
    Case {
        up: &["row 5", "REINDEX TABLE CONCURRENTLY gate", "row 6"],
        inside: "gate: REINDEX",
        left: "1_it 2?",
        told: ["it is not known whether statement 2 is done"; 2],
        by_hand: ["from 3", "DROP INDEX gate_pkey_ccnew; from 2"],
    },
    Case {
        up: &[
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trace VALUES (1); COMMIT;
            INSERT INTO trace SELECT n FROM gate WHERE n = 2 FOR SHARE; END $$",
            "CALL p()",
            "row 3",
        ],
        inside: "row 2: ^CALL p",
        left: "1_it 2?",
        told: ["it is not known whether statement 2 is done"; 2],
        by_hand: ["DELETE FROM trace; from 2"; 2],
    },
    Case {
        up: &[
            "BEGIN",
            "row 1",
            "COMMIT AND CHAIN",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 2 FOR SHARE",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 3 FOR SHARE",
            "ROLLBACK",
            "row 4",
        ],
        inside: "row 3",
        left: "1_it 4",
        told: [""; 2],
        by_hand: [""; 2],
    },
];

const UNKNOWN: [&str; 2] = ["it is not known whether statement 2 is done"; 2];

const OF_MYSQL: [Case; 14] = [
    // Rows before the one that was killed share its transaction.
    Case {
        up: &[
            "CREATE TABLE a (n int) => table a",
            "INSERT INTO trace VALUES (1) => row 1",
            "UPDATE gate SET n = n WHERE n = 2",
            "INSERT INTO trace VALUES (3) => row 3",
            "DROP TABLE z => no table z",
            "row 4",
        ],
        inside: "row 2: UPDATE gate SET",
        left: "1_it 2 or 1_it 3",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &[
            "row 1",
            "LOCK TABLES trace WRITE",
            "INSERT INTO trace VALUES (2) => row 2",
            "INSERT INTO trace SELECT 2 + GET_LOCK('held', 3600) => row 3",
            "UNLOCK TABLES",
            "row 4",
        ],
        inside: "SELECT GET_LOCK('held', 3600): 2 + GET_LOCK",
        left: "1_it 2?",
        told: UNKNOWN,
        by_hand: ["DELETE FROM trace WHERE n > 1; from 2"; 2],
    },
    Case {
        up: &[
            "CREATE PROCEDURE p() BEGIN INSERT INTO trace VALUES (1);
            INSERT INTO trace SELECT n FROM gate WHERE n = 2 LOCK IN SHARE MODE; END => routine p",
            "CALL p()",
            "row 3",
        ],
        inside: "row 2: ^INSERT INTO trace SELECT n FROM gate WHERE n = 2",
        left: "1_it 2?",
        told: UNKNOWN,
        by_hand: ["DELETE FROM trace; from 2"; 2],
    },
    Case {
        up: &["row 1", "TRUNCATE big", "row 2"],
        inside: "big: TRUNCATE",
        left: "1_it 2?",
        told: UNKNOWN,
        by_hand: ["from 2"; 2],
    },
    // The names do not show whether a swap of names took effect.
    Case {
        up: &[
            "CREATE TABLE q (m int) => table q",
            "RENAME TABLE q TO r, x TO q, r TO x => column x.m int(11)",
        ],
        inside: "x: RENAME",
        left: "1_it 2?",
        told: UNKNOWN,
        by_hand: ["from 3", "from 2"],
    },
    Case {
        up: &["row 1", "DROP TABLE x, y, z => no table z", "row 2"],
        inside: "z: DROP TABLE",
        left: "1_it 2?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["row 1", "ALTER TABLE big ADD INDEX (n) => index big.n n", "row 2"],
        inside: "big: ADD INDEX",
        left: "1_it 2?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["row 1", "CREATE TRIGGER t BEFORE INSERT ON big FOR EACH ROW SET @a = 1 => trigger t", "row 2"],
        inside: "big: ^CREATE TRIGGER",
        left: "1_it 2?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["SET character_set_results = latin1", "ALTER TABLE w ADD more int => column w.more int(11)"],
        inside: "w: ADD more",
        left: "1_it 2?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["SET time_zone = '+05:00'", "ALTER TABLE w ADD more int => column w.more int(11)"],
        inside: "w: ADD more",
        left: "1_it 2?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    // A setting that is reset at the end must also be reset if the script resumes in the middle.
    Case {
        up: &[
            "SET autocommit = 0",
            "row 1",
            "COMMIT",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 2 LOCK IN SHARE MODE",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 3 LOCK IN SHARE MODE",
            "ROLLBACK",
            "SET autocommit = 1",
            "row 4",
        ],
        inside: "row 3",
        left: "1_it 4",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &[
            "START TRANSACTION",
            "row 1",
            "COMMIT AND CHAIN",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 2 LOCK IN SHARE MODE",
            "INSERT INTO trace SELECT n FROM gate WHERE n = 3 LOCK IN SHARE MODE",
            "ROLLBACK",
            "row 4",
        ],
        inside: "row 3",
        left: "1_it 4",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["CREATE OR REPLACE TABLE x AS SELECT n FROM gate WHERE n = 1 LOCK IN SHARE MODE", "row 2"],
        inside: "row 1",
        left: "1_it 1?",
        told: [""; 2],
        by_hand: [""; 2],
    },
    Case {
        up: &["START TRANSACTION", "row 1", "CREATE TABLE a (n int) => table a", "row 2", "COMMIT"],
        inside: "row 2",
        left: "1_it 4",
        told: [""; 2],
        by_hand: [""; 2],
    },
];

#[test]
fn a_statement_whose_program_is_killed_runs_once_on_postgres() {
    kill::<Postgres>(&OF_POSTGRES, Killed::Program);
}

#[test]
fn a_statement_whose_program_is_killed_runs_once_on_mysql() {
    kill::<Mysql>(&OF_MYSQL, Killed::Program);
}

#[test]
fn a_statement_whose_session_is_killed_runs_once_on_postgres() {
    kill::<Postgres>(&OF_POSTGRES, Killed::Session);
}

#[test]
fn a_statement_whose_session_is_killed_runs_once_on_mysql() {
    kill::<Mysql>(&OF_MYSQL, Killed::Session);
}

#[test]
fn a_statement_that_is_cancelled_runs_once_on_postgres() {
    kill::<Postgres>(&OF_POSTGRES, Killed::Statement);
}

#[test]
fn a_statement_that_is_cancelled_runs_once_on_mysql() {
    kill::<Mysql>(&OF_MYSQL, Killed::Statement);
}

#[test]
fn a_statement_whose_server_is_killed_runs_once_on_postgres() {
    kill_server::<Postgres>(&OF_POSTGRES);
}

#[test]
fn a_statement_whose_server_is_killed_runs_once_on_mysql() {
    kill_server::<Mysql>(&OF_MYSQL);
}

/// A run that begins while the session of a killed program still works waits for it, and then reports the true state.
fn a_run_right_after_a_kill<B: Kind>(moments: &[(&str, Result<usize, &str>)]) {
    let Some(database) = B::shared() else { return };
    let set = B::set();
    for (what, expected) in moments {
        B::prepare(&database);
        let mut program = Program::start::<B>(&database, &set, Direction::Up, &Lock::default(), "never");
        program.hear("ready").unwrap();
        let (gate, _) = hold::<B>(&mut program, &database, what);
        program.kill();
        let (waits, waited) = std::sync::mpsc::channel();
        let it = runner::<B>(&set, Lock::default()).observe(move |event| {
            if let Event::Waiting { .. } = event {
                let _ = waits.send(());
            }
        });
        let outcome = thread::scope(|scope| {
            let run = scope.spawn(|| go(&it, &mut B::connect(&database), Direction::Up));
            // MariaDB may have ended the session without a client after a second of waiting for a table; then a slow run waits for nobody.
            while waited.recv_timeout(Duration::from_millis(20)).is_err() && !run.is_finished() {}
            drop(gate);
            run.join().unwrap()
        });
        let mut client = B::connect(&database);
        let record = check::<B>(&set, &mut client, Direction::Up, what);
        let left = left(record.as_ref());
        match (outcome, expected) {
            (Ok(steps), Ok(expected)) => assert_eq!(steps, *expected, "{what}"),
            (Err(error), Err(expected)) => {
                assert!(is_left(&left, expected), "{what}: {left:?}, {error}");
                assert_eq!(error.problems()[0].migration, *record.unwrap().id.as_str(), "{what}: {error}");
            }
            (outcome, _) => panic!("{what}: {outcome:?}"),
        }
    }
}

#[test]
fn a_run_right_after_a_kill_waits_and_says_what_is_so_on_postgres() {
    a_run_right_after_a_kill::<Postgres>(&[
        ("row 2", Ok(5)),
        ("row 3", Err("2_mixed 3")),
        ("big: INDEX CONCURRENTLY of_big", Err("2_mixed 4?")),
        ("row 8", Ok(3)),
    ]);
}

#[test]
fn a_run_right_after_a_kill_waits_and_says_what_is_so_on_mysql() {
    a_run_right_after_a_kill::<Mysql>(&[
        ("row 2", Ok(6)),
        ("row 3", Err("2_mixed 3")),
        ("big: ALTER TABLE", Err("2_mixed 4?")),
        ("row 9", Ok(4)),
        ("row 33: UPDATE gate SET", Err("6_many 2 or 6_many 3 or 6_many 4")),
    ]);
}

/// With `Lock::Row`, a retry can run while the session of a killed program still works.
fn a_retry_right_after_a_kill_waits<B: Kind<Client: Send + 'static>>(statement: &str, inside: &str) {
    let Some(database) = B::shared() else { return };
    B::prepare(&database);
    let set = [Script::outside::<B>("1_it", &["row 1", statement, "row 2"], &[])];
    let mut program = Program::start::<B>(&database, &set, Direction::Up, &Lock::Row, "never");
    program.hear("ready").unwrap();
    let (gate, session) = hold::<B>(&mut program, &database, inside);
    program.kill();
    let mut client = B::connect(&database);
    let mut retry = |it: &MigrationRunner<B>| {
        it.recover(B::conn(&mut client), Recovery::Retry("1_it".into()), Signature::of("ada"))
    };
    let it = runner::<B>(&set, Lock::Row).lock_timeout(Duration::from_millis(100));
    let refused = retry(&it).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(" session {session} of the server is still at work on statement 2;")),
        "{refused}"
    );
    let gate = Mutex::new(Some(gate));
    let it = runner::<B>(&set, Lock::Row).observe(move |event| {
        if let Event::Waiting { holder, .. } = event {
            assert!(holder.contains(&format!("session {session} of the server")), "{holder}");
            gate.lock().unwrap().take();
        }
    });
    retry(&it).unwrap();
    assert_eq!(go(&it, &mut client, Direction::Up).unwrap(), 1);
    assert_eq!(check::<B>(&set, &mut client, Direction::Up, inside), None);
    assert!(!B::picture(&mut client).iter().any(|line| line.contains("n_2") || line.contains("idx1")));
}

#[test]
fn a_retry_right_after_a_kill_waits_on_postgres() {
    let statement = "CREATE INDEX CONCURRENTLY i ON big (n) => index i";
    a_retry_right_after_a_kill_waits::<Postgres>(statement, "big: INDEX CONCURRENTLY");
}

#[test]
fn a_retry_right_after_a_kill_waits_on_mysql() {
    // MariaDB ends a session without a client that waits longer than a second for a table, but not one that waits for a row.
    let statement = "CREATE TABLE a AS SELECT n FROM gate WHERE n = 2 LOCK IN SHARE MODE => table a";
    a_retry_right_after_a_kill_waits::<Mysql>(statement, "row 2: ^CREATE TABLE a");
}
