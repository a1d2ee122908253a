//! A recovery or a rollback does what was requested and leaves an entry in the log, or is refused without any change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    Checksum, Dialect, Direction, ErrorKind, History, LogEntry, LogEntryKind, Migration, MigrationId,
    MigrationRunner, Policy, ProblemKind, Record, Recovery, Signature, State, StoredDown, TableName, Target,
    Verdict,
};

use crate::execution::{WAYS_OUT, memory, set};
use crate::rollback::five;
use crate::start::statements;
use crate::tracking_table::{FORMS, LATER, POSTS, TAGS, USERS};

pub(crate) const NOTHING: [&str; 0] = [];
const ODD: &str = "their \"own\" 'table'";

// ---- the databases ----------------------------------------------------------------------------------------------

/// A kind of database: the name of the tracking table, the journal mode, and the older form of the table, if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) journal: &'static str,
    pub(crate) form: Option<&'static str>,
}

pub(crate) const PLAIN: Place = Place { table: "__switchy_migrations", journal: "DELETE", form: None };
pub(crate) const TODAYS: [Place; 4] = [
    PLAIN,
    Place { table: ODD, ..PLAIN },
    Place { journal: "WAL", ..PLAIN },
    Place { table: ODD, journal: "WAL", ..PLAIN },
];
/// Databases whose table can record that a script changed and that a step did not finish, but not that it was being undone.
const AGED: [Place; 3] = [
    Place { form: Some("checksums"), ..PLAIN },
    Place { form: Some("checksums"), table: ODD, ..PLAIN },
    Place { form: Some("checksums"), journal: "WAL", ..PLAIN },
];

impl Place {
    pub(crate) fn database(self) -> TestDatabase {
        let database = TestDatabase::new();
        rows(&database.connect(), &format!("PRAGMA journal_mode = {}", self.journal));
        database
    }

    pub(crate) fn quoted(self) -> String {
        TableName::new(self.table).unwrap().quoted()
    }

    pub(crate) fn runner(self, migrations: impl IntoIterator<Item = Migration>) -> MigrationRunner {
        let migrations: Vec<Migration> = migrations.into_iter().collect();
        MigrationRunner::new(migrations).unwrap().table_name(self.table).unwrap().program("notes 3.1")
    }

    /// Changes the current table to the older form.
    pub(crate) fn age(self, conn: &Connection) {
        let (definition, values) = match self.form {
            None => return,
            Some("name") => ("name TEXT NOT NULL, run_on TEXT NOT NULL", "name, run_on"),
            Some("id") => ("id TEXT NOT NULL, run_on TEXT NOT NULL", "name, run_on"),
            Some("status") => (
                "id TEXT NOT NULL, run_on TEXT NOT NULL, finished_on TEXT, status TEXT NOT NULL, failure_reason TEXT",
                "name, run_on, run_on, CASE dirty WHEN 0 THEN 'completed' ELSE 'failed' END, failure",
            ),
            Some(_) => (
                "id TEXT NOT NULL, run_on TEXT NOT NULL, finished_on TEXT, up_checksum VARCHAR(64) NOT NULL,
                down_checksum VARCHAR(64) NOT NULL, status TEXT NOT NULL, failure_reason TEXT",
                "name, run_on, run_on, coalesce(checksum, ''), '', CASE dirty WHEN 0 THEN 'completed' ELSE 'failed' END,
                failure",
            ),
        };
        let name = self.quoted();
        conn.execute_batch(&format!(
            "CREATE TABLE aged ({definition});
            INSERT INTO aged SELECT {values} FROM {name} ORDER BY rowid;
            DROP TABLE {name};
            ALTER TABLE aged RENAME TO {name}"
        ))
        .unwrap();
    }
}

/// The ids that are changed, or part of the message that says why nothing is changed.
pub(crate) type Outcome = Result<&'static [&'static str], &'static str>;

pub(crate) fn signature() -> Signature {
    Signature::of("ada").because("ticket 7")
}

/// The ids in the history, with a mark on dirty ones.
pub(crate) fn records(runner: &MigrationRunner, conn: &Connection) -> Vec<String> {
    let history = runner.history(conn).unwrap();
    let text = |is_dirty| if is_dirty { " (dirty)" } else { "" };
    history.records().iter().map(|record| format!("{}{}", record.id, text(record.dirty.is_some()))).collect()
}

/// The entries of the log, without dates.
pub(crate) fn traces(runner: &MigrationRunner, conn: &Connection) -> Vec<String> {
    let history = runner.history(conn).unwrap();
    history.log().iter().map(|trace| format!("{} {}", trace.id, trace.kind)).collect()
}

/// One word for each migration of the set and of the database.
fn states(runner: &MigrationRunner, conn: &Connection) -> BTreeMap<String, &'static str> {
    let word = |state: &State| match state {
        State::Applied(_) => "applied",
        State::Pending => "pending",
        State::Changed(_) => "changed",
        State::Dirty(_) => "dirty",
        State::Unknown(_) => "unknown",
        _ => "elsewhere",
    };
    let status = runner.status(conn).unwrap();
    status.entries.iter().map(|entry| (entry.id.to_string(), word(&entry.state))).collect()
}

/// The whole content of a database.
pub(crate) fn content(conn: &Connection, place: Place) -> (Vec<String>, Vec<String>) {
    let table = format!("SELECT * FROM {}", place.quoted());
    let is_there = rows(conn, "SELECT name FROM sqlite_master").iter().any(|name| name == place.table);
    let table = if is_there { rows(conn, &table) } else { Vec::new() };
    (rows(conn, "SELECT * FROM sqlite_master"), table)
}

pub(crate) fn is_dated(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    shape == "9999-99-99T99:99:99.999"
}

/// Checks that a recovery left exactly these entries in the log, and that each of them is complete.
#[track_caller]
fn assert_traced(
    left: &[LogEntry],
    (before, after): (&History, &History),
    ids: &[&str],
    kind: &LogEntryKind,
    context: &str,
) {
    assert_eq!(after.log(), left, "{context}");
    assert_eq!(left.iter().map(|trace| trace.id.as_str()).collect::<Vec<_>>(), ids, "{context}");
    for trace in left {
        let record = before.get(&trace.id);
        assert_eq!(&trace.kind, kind, "{context}");
        assert_eq!(trace.who.as_deref(), Some("ada"), "{context}");
        assert_eq!(trace.why.as_deref(), Some("ticket 7"), "{context}");
        assert_eq!(trace.program.as_deref(), Some("notes 3.1"), "{context}");
        assert_eq!(trace.applied_on, record.map(|record| record.run_on.clone()), "{context}");
        let was = record.or_else(|| after.get(&trace.id)).and_then(|record| record.checksum);
        assert_eq!(trace.checksum, was, "{context}");
        assert!(is_dated(&trace.logged_on), "{context}: {trace}");
        let line = trace.to_string();
        assert!(line.contains(&format!("`{}` was {kind} at ", trace.id)), "{line}");
        assert!(line.ends_with(", by notes 3.1, for ada: ticket 7"), "{line}");
    }
}

// ---- every recovery of every state ------------------------------------------------------------------------------

/// The program for the database of `in_every_state`, in which each migration has a different state.
fn program(place: Place) -> MigrationRunner {
    place.runner([
        Migration::reversible("1_applied", "CREATE TABLE applied (x)", "DROP TABLE applied"),
        Migration::sql("2_dirty", "CREATE TABLE dirty (x); SELECT 1").outside_transaction(),
        Migration::reversible("3_changed", "CREATE TABLE changed (x) -- now", "DROP TABLE changed"),
        Migration::reversible("4_back", "CREATE TABLE back (x)", "DROP TABLE back; DELETE FROM missing")
            .outside_transaction(),
        Migration::sql("5_pending", "CREATE TABLE pending (x)"),
        Migration::sql("6_postgres", "SELECT 1").only_on([Dialect::Postgres]),
        Migration::sql("7_staging", "SELECT 1").environments(["staging"]),
    ])
}

fn in_every_state(place: Place) -> TestDatabase {
    let database = place.database();
    let conn = database.connect();
    let before = || {
        vec![
            Migration::reversible("1_applied", "CREATE TABLE applied (x)", "DROP TABLE applied"),
            Migration::sql("2_dirty", "CREATE TABLE dirty (x); SELECT 1").outside_transaction(),
            Migration::reversible("3_changed", "CREATE TABLE changed (x) -- then", "DROP TABLE changed"),
        ]
    };
    let mut newer = before();
    newer.push(Migration::sql("9_ghost", "CREATE TABLE ghost (x)"));
    place.runner(newer).run(&conn).unwrap();
    if place.form.is_none() {
        let mut back = before();
        back.push(
            Migration::reversible("4_back", "CREATE TABLE back (x)", "DROP TABLE back; DELETE FROM missing")
                .outside_transaction(),
        );
        let tolerant = Policy::DEFAULT.with(ProblemKind::DatabaseAhead, Verdict::Warn);
        let runner = place.runner(back).policy(tolerant);
        runner.run(&conn).unwrap();
        runner.rollback(&conn, 1).unwrap_err();
    }
    conn.execute_batch(&format!(
        "UPDATE {} SET dirty = 1, statement = 2, failure = 'a power cut', basis = NULL WHERE name = '2_dirty'",
        place.quoted()
    ))
    .unwrap();
    place.age(&conn);
    drop(conn);
    database
}

const TARGETS: [&str; 9] = [
    "1_applied",
    "2_dirty",
    "3_changed",
    "4_back",
    "5_pending",
    "6_postgres",
    "7_staging",
    "9_ghost",
    "0_nobody",
];

type Ask = fn(MigrationId) -> Recovery;

/// For each recovery and each target, the new state of the target, or part of the message that says why it is refused.
#[rustfmt::skip]
fn every_recovery() -> [(&'static str, Ask, LogEntryKind, [&'static str; 9]); 7] {
    const FINISHED: &str = "it is applied and finished";
    const NOT: &str = "it is not applied, so there is no record of it";
    const NONE: &str = "there is no migration `0_nobody`";
    const SAME: &str = "it is not changed";
    const HALF: &str = "it did not finish";
    const DONE: &str = "it is applied already";
    const THERE: &str = "this program does not know it";
    const FAR: &str = "it is not for this database or environment";
    const MANY: &str = "migrations are recorded already";
    [
        ("retry", Recovery::Retry, LogEntryKind::Retried,
            [FINISHED, "dirty -> dirty", FINISHED, "dirty -> dirty", NOT, NOT, NOT, FINISHED, NONE]),
        ("mark done", Recovery::MarkDone, LogEntryKind::MarkedDone,
            [FINISHED, "dirty -> applied", FINISHED, "dirty -> pending", NOT, NOT, NOT, FINISHED, NONE]),
        ("forget", Recovery::Forget, LogEntryKind::Forgotten,
            ["applied -> pending", "dirty -> pending", "changed -> pending", "dirty -> pending", NOT, NOT, NOT,
                "unknown -> gone", NONE]),
        ("accept", Recovery::Accept, LogEntryKind::Accepted,
            [SAME, HALF, "changed -> applied", HALF, NOT, NOT, NOT, THERE, NONE]),
        ("assume", Recovery::AssumeApplied, LogEntryKind::AssumedApplied,
            [DONE, HALF, DONE, HALF, "pending -> applied", FAR, FAR, THERE, NONE]),
        ("assume a range of one", |id| Recovery::AssumeRangeApplied { from: id.clone(), through: id },
            LogEntryKind::AssumedApplied,
            [DONE, HALF, DONE, HALF, "pending -> applied", FAR, FAR, THERE, NONE]),
        ("baseline", Recovery::Baseline, LogEntryKind::Baselined,
            [MANY, MANY, MANY, MANY, MANY, MANY, MANY, THERE, NONE]),
    ]
}

fn check(place: Place, template: &Path, ask: Ask, kind: &LogEntryKind, id: &'static str, expected: &str) {
    let database = TestDatabase::new();
    std::fs::copy(template, database.path()).unwrap();
    let (runner, conn) = (program(place), database.connect());
    let bytes = std::fs::read(database.path()).unwrap();
    let (before, was, all) = (states(&runner, &conn), runner.history(&conn).unwrap(), content(&conn, place));
    let recovery = ask(id.into());
    let context = format!("{recovery:?} in {place:?}");
    let outcome = runner.recover(&conn, recovery, signature());

    let after = states(&runner, &conn);
    let now = runner.history(&conn).unwrap();
    let changed: Vec<(&str, &str, &str)> = before
        .iter()
        .map(|(id, state)| (&**id, *state, after.get(id).copied().unwrap_or("gone")))
        .filter(|(_, was, is)| was != is)
        .collect();
    if let Some((from, to)) = expected.split_once(" -> ") {
        let left = outcome.unwrap_or_else(|error| panic!("{context}: {error}"));
        let expected = if from == to { vec![] } else { vec![(id, from, to)] };
        assert_eq!(changed, expected, "{context}");
        let is_undone = id == "4_back" && *kind == LogEntryKind::MarkedDone;
        let kind = if is_undone { &LogEntryKind::MarkedUndone } else { kind };
        assert_traced(&left, (&was, &now), &[id], kind, &context);
        // `is_applied` agrees.
        let answer = runner.is_applied(&conn, id);
        assert_eq!(answer.is_ok_and(|is_applied| is_applied), to == "applied", "{context}");
        assert_eq!(now.get(&id.into()).is_some(), ["applied", "dirty"].contains(&to), "{context}");
        let is_pending = runner.pending(&conn).unwrap().iter().any(|pending| pending == id);
        let goes_on = (id, to) == ("2_dirty", "dirty");
        assert_eq!(is_pending, to == "pending" || goes_on, "{context}");
        // All other records are unchanged, except that an older form stores less.
        let others = |history: &History| -> Vec<String> {
            let others = history.records().iter().filter(|record| record.id != *id);
            others.map(|record| format!("{} {} {:?}", record.id, record.run_on, record.dirty)).collect()
        };
        assert_eq!(others(&was), others(&now), "{context}");
        let again = TestDatabase::new();
        drop(conn);
        std::fs::copy(database.path(), again.path()).unwrap();
        assert_eq!(runner.history(&again.connect()).unwrap(), now, "{context}: it is committed");
    } else {
        let error = outcome.unwrap_err();
        let unknown = expected.starts_with("there is no migration");
        let kind = if unknown { ErrorKind::UnknownMigration } else { ErrorKind::Recovery };
        assert_eq!((error.kind(), error.migration().unwrap().as_str()), (kind, id), "{context}");
        assert!(error.to_string().contains(expected), "{context}: {error}");
        assert!(error.to_string().contains("; nothing was done; "), "{context}: {error}");
        assert_eq!(changed, [], "{context}");
        assert_eq!(content(&conn, place), all, "{context}");
        assert_eq!(now, was, "{context}");
        drop(conn);
        assert!(std::fs::read(database.path()).unwrap() == bytes, "{context}: the file was written");
    }
}

#[test]
fn every_recovery_of_every_state_does_what_it_says_or_says_why_not() {
    for place in TODAYS.into_iter().chain(AGED) {
        let template = in_every_state(place);
        for (_, ask, kind, expectations) in every_recovery() {
            for (id, expected) in TARGETS.into_iter().zip(expectations) {
                // An older form does not store how far a step came, so the step starts again.
                let begins_again = place.form.is_some() && (&kind, id) == (&LogEntryKind::Retried, "2_dirty");
                let expected = if begins_again { "dirty -> pending" } else { expected };
                if id != "4_back" || place.form.is_none() {
                    check(place, &template.path(), ask, &kind, id, expected);
                }
            }
        }
    }
}

#[test]
fn a_recovery_of_nothing_that_is_there_offers_the_nearest_id() {
    let conn = memory();
    let runner = set([("2025-01-05-120000_users", "SELECT 1"), ("2025-01-06-120000_posts", "SELECT 1")]);
    for (_, ask, ..) in every_recovery() {
        let error = runner.recover(&conn, ask("2025-01-05-12000_users".into()), signature()).unwrap_err();
        assert!(error.to_string().contains("the nearest is `2025-01-05-120000_users`"), "{error}");
    }
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_master"), NOTHING);
}

// ---- the next run -----------------------------------------------------------------------------------------------

pub(crate) fn abc() -> [Migration; 3] {
    [
        Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
        Migration::reversible("2_b", "CREATE TABLE b (x)", "DROP TABLE b"),
        Migration::reversible("3_c", "CREATE TABLE c (x)", "DROP TABLE c"),
    ]
}

#[test]
fn what_is_forgotten_is_applied_again_by_the_next_run() {
    for form in [None, Some("name"), Some("id"), Some("status"), Some("checksums")] {
        for place in TODAYS {
            let place = Place { form, ..place };
            let (database, runner) = (place.database(), place.runner(abc()));
            let conn = database.connect();
            runner.run(&conn).unwrap();
            place.age(&conn);
            runner.recover(&conn, Recovery::Forget("2_b".into()), signature()).unwrap();
            assert_eq!(records(&runner, &conn), ["1_a", "3_c"], "{place:?}");
            assert_eq!(runner.pending(&conn).unwrap(), ["2_b"], "{place:?}");

            // Nothing was undone, so the table exists.
            let error = runner.run(&conn).unwrap_err();
            assert!(error.to_string().contains("table b already exists"), "{place:?}: {error}");
            conn.execute_batch("DROP TABLE b").unwrap();
            let report = runner.run(&conn).unwrap();
            assert_eq!(
                (report.applied.len(), report.notes[0].kind),
                (1, ProblemKind::OutOfOrder),
                "{place:?}"
            );
            assert_eq!(records(&runner, &conn), ["1_a", "3_c", "2_b"], "{place:?}");
            assert_eq!(traces(&runner, &conn), ["2_b forgotten"], "{place:?}");

            let mut conn = database.connect();
            let start = statements(&mut conn, |conn| assert!(runner.run(conn).unwrap().is_up_to_date()));
            assert_eq!(start.len(), 1, "{place:?}: {start:#?}");
        }
    }
}

#[test]
fn what_is_assumed_is_not_run_and_can_be_undone() {
    for place in TODAYS {
        let (database, runner) = (place.database(), place.runner(abc()));
        let conn = database.connect();
        conn.execute_batch("CREATE TABLE a (x); INSERT INTO a VALUES (1)").unwrap();
        runner.recover(&conn, Recovery::AssumeApplied("1_a".into()), signature()).unwrap();
        assert!(is_dated(&runner.history(&conn).unwrap().records()[0].run_on), "{place:?}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 2, "{place:?}");
        assert_eq!(rows(&conn, "SELECT x FROM a"), ["1"], "{place:?}");
        let mut fresh = database.connect();
        assert_eq!(statements(&mut fresh, |conn| drop(runner.run(conn).unwrap())).len(), 1, "{place:?}");

        assert_eq!(runner.rollback(&conn, 9).unwrap().applied.len(), 3, "{place:?}");
        let lines = ["1_a assumed applied", "3_c rolled back", "2_b rolled back", "1_a rolled back"];
        assert_eq!(traces(&runner, &conn), lines, "{place:?}");
        assert_eq!(rows(&conn, "SELECT name FROM sqlite_master WHERE name IN ('a', 'b', 'c')"), NOTHING);
    }
}

/// A step outside a transaction whose second up or down statement fails until a table `missing` exists.
fn failing(direction: Direction) -> Migration {
    let (up, down) = match direction {
        Direction::Up => ("CREATE TABLE IF NOT EXISTS a (x); INSERT INTO missing VALUES (1)", "DROP TABLE a"),
        Direction::Down => ("CREATE TABLE a (x)", "DROP TABLE IF EXISTS a; INSERT INTO missing VALUES (2)"),
    };
    Migration::reversible("2_it", up, down).outside_transaction()
}

#[test]
fn a_non_transactional_step_that_failed_is_tried_again_or_counts_as_done_in_its_direction() {
    // (direction, recovery, whether the record stays, what the next run and the next rollback do)
    let table = [
        (Direction::Up, 0, false, 1, 1),
        (Direction::Up, 1, true, 0, 1),
        (Direction::Down, 0, false, 0, 1),
        (Direction::Down, 1, false, 1, 1),
    ];
    let aged = AGED.map(|place| Place { form: Some("status"), ..place });
    for place in TODAYS.into_iter().chain(AGED).chain(aged) {
        for (direction, choice, stays, runs, undoes) in table {
            if direction == Direction::Down && place.form.is_some() {
                continue; // No older program recorded this.
            }
            let context = format!("{direction:?} {choice} {place:?}");
            let database = place.database();
            let conn = database.connect();
            let before = Migration::reversible("1_before", "CREATE TABLE before (x)", "DROP TABLE before");
            let runner = place.runner([before, failing(direction)]);
            let error = match direction {
                Direction::Up => runner.run(&conn).unwrap_err(),
                Direction::Down => {
                    runner.run(&conn).unwrap();
                    runner.rollback(&conn, 1).unwrap_err()
                }
            };
            assert_eq!(error.migration().unwrap(), &"2_it", "{context}: {error}");
            assert!(error.to_string().contains("it is marked dirty"), "{context}: {error}");
            place.age(&conn);
            assert_eq!(records(&runner, &conn), ["1_before", "2_it (dirty)"], "{context}");
            assert_eq!(traces(&runner, &conn), NOTHING, "{context}: a step that failed is no correction");
            let was = runner.history(&conn).unwrap();

            let left = runner.recover(&conn, WAYS_OUT[choice]("2_it".into()), signature()).unwrap();
            let now = runner.history(&conn).unwrap();
            let kind = match (choice, direction) {
                (0, _) => LogEntryKind::Retried,
                (_, Direction::Up) => LogEntryKind::MarkedDone,
                (_, Direction::Down) => LogEntryKind::MarkedUndone,
            };
            assert_traced(&left, (&was, &now), &["2_it"], &kind, &context);
            assert_eq!(runner.is_applied(&conn, "2_it").unwrap(), stays, "{context}");
            conn.execute_batch("CREATE TABLE missing (x)").unwrap();
            if (direction, choice) == (Direction::Down, 0) {
                // A half undone migration is not applied: no start treats it as applied, and the next rollback resumes it.
                let error = runner.run(&conn).unwrap_err();
                assert!(
                    error.to_string().contains("is half undone and marked to continue"),
                    "{context}: {error}"
                );
                assert_eq!(runner.rollback(&conn, 1).unwrap().applied.len(), undoes, "{context}");
                assert_eq!(records(&runner, &conn), ["1_before"], "{context}");
                assert_eq!(traces(&runner, &conn).last().unwrap(), "2_it rolled back", "{context}");
                assert_eq!(runner.run(&conn).unwrap().applied.len(), 1, "{context}");
                continue;
            }
            assert_eq!(runner.pending(&conn).unwrap().len(), usize::from(!stays), "{context}");
            assert_eq!(runner.run(&conn).unwrap().applied.len(), runs, "{context}");
            let up = usize::from(direction == Direction::Up && choice == 0);
            assert_eq!(rows(&conn, "SELECT x FROM missing").len(), up, "{context}: what ran again");
            let mut fresh = database.connect();
            assert_eq!(statements(&mut fresh, |conn| drop(runner.run(conn).unwrap())).len(), 1, "{context}");
            drop(fresh);
            assert_eq!(runner.rollback(&conn, 1).unwrap().applied.len(), undoes, "{context}");
            assert_eq!(records(&runner, &conn), ["1_before"], "{context}");
            assert_eq!(traces(&runner, &conn).last().unwrap(), "2_it rolled back", "{context}");
        }
    }
}

/// If the script is corrected and the step is retried, the new script is recorded. If the rest was run by hand and the script is corrected
/// later, the new script must be accepted.
#[test]
fn a_script_that_is_repaired_before_the_way_out_is_the_one_that_counts() {
    let with = |up: &'static str| PLAIN.runner([Migration::sql("1_it", up).outside_transaction()]);
    let (broken, repaired) = ("CREATE TABLE a (x); SELEKT", "CREATE TABLE a (x); SELECT 1");
    let conn = memory();
    with(broken).run(&conn).unwrap_err();
    with(repaired).recover(&conn, Recovery::Retry("1_it".into()), signature()).unwrap();
    assert_eq!(with(repaired).run(&conn).unwrap().applied.len(), 1);
    let history = with(repaired).history(&conn).unwrap();
    assert_eq!(history.records()[0].checksum, Some(Checksum::of(repaired)));
    assert_eq!(history.log()[0].checksum, Some(Checksum::of(broken)), "what was tried stays known");

    let conn = memory();
    with(broken).run(&conn).unwrap_err();
    let error = with(repaired).recover(&conn, Recovery::Accept("1_it".into()), signature()).unwrap_err();
    assert!(
        error.to_string().ends_with("or call `recover` with `Recovery::MarkDone` once it is done by hand"),
        "{error}"
    );
    with(repaired).recover(&conn, Recovery::MarkDone("1_it".into()), signature()).unwrap();
    let error = with(repaired).run(&conn).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::Changed, "{error}");
    with(repaired).recover(&conn, Recovery::Accept("1_it".into()), signature()).unwrap();
    assert!(with(repaired).run(&conn).unwrap().is_up_to_date());
    assert_eq!(traces(&with(repaired), &conn), ["1_it marked done", "1_it accepted"]);
}

// ---- accepting --------------------------------------------------------------------------------------------------

const THEN: &str = "CREATE TABLE it (\n    x TEXT,\n    y TEXT\n);\nINSERT INTO it VALUES ('x', 'y');\n";
const NOW: &str =
    "CREATE TABLE it (\n    x TEXT, -- what it is\n    y TEXT\n);\nINSERT INTO it VALUES ('x', 'y');\n";

#[test]
fn an_accepted_script_is_the_applied_one_from_then_on() {
    let with = |place: Place, up: &'static str, down: &'static str| {
        let [a, _, c] = abc();
        place.runner([a, Migration::reversible("2_it", up, down), c])
    };
    for place in TODAYS.into_iter().chain(AGED) {
        let database = place.database();
        let conn = database.connect();
        with(place, THEN, "DROP TABLE it").run(&conn).unwrap();
        place.age(&conn);
        let now = with(place, NOW, "DROP TABLE it; CREATE TABLE gone (x)");
        let error = now.run(&conn).unwrap_err();
        assert_eq!((error.kind(), error.problems()[0].kind), (ErrorKind::Refused, ProblemKind::Changed));
        for hash in [Checksum::of(THEN), Checksum::of(NOW)] {
            assert!(error.to_string().contains(&hash.to_string()), "{place:?}: {error}");
        }
        assert!(error.to_string().contains("`Recovery::Accept`"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        if place.form.is_none() {
            let shown = format!("{error:#}");
            assert!(shown.contains("\n-    x TEXT,\n+    x TEXT, -- what it is\n     y TEXT\n"), "{shown}");
            assert!(
                !shown.contains("\n-INSERT") && !shown.contains("\n+INSERT"),
                "what did not change: {shown}"
            );
        }

        let was = now.history(&conn).unwrap();
        let left = now.recover(&conn, Recovery::Accept("2_it".into()), signature()).unwrap();
        let is = now.history(&conn).unwrap();
        assert_traced(&left, (&was, &is), &["2_it"], &LogEntryKind::Accepted, place.table);
        assert_eq!(left[0].checksum, Some(Checksum::of(THEN)));
        let (then, now_record) = (&was.records()[1], &is.records()[1]);
        assert_eq!((&now_record.run_on, now_record.duration), (&then.run_on, then.duration), "{place:?}");
        assert_eq!(now_record.up_sql.as_deref(), Some(NOW), "the next change is shown against this");
        assert!(matches!(&now_record.down, Some(StoredDown::Script(down)) if down.text.contains("gone")));
        assert_eq!(rows(&conn, "SELECT * FROM it"), ["x|y"], "nothing ran");

        let mut fresh = database.connect();
        let start = statements(&mut fresh, |conn| assert!(now.run(conn).unwrap().is_up_to_date()));
        assert_eq!(start.len(), 1, "{place:?}: {start:#?}");
        // The reverse is a change again.
        let error = with(place, THEN, "DROP TABLE it").run(&conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Changed);
        assert!(format!("{error:#}").contains("\n-    x TEXT, -- what it is\n+    x TEXT,\n"), "{error:#}");
        let again = now.recover(&conn, Recovery::Accept("2_it".into()), signature()).unwrap_err();
        assert!(again.to_string().contains("it is not changed; nothing was done"), "{again}");
    }
}

#[test]
fn only_the_one_that_is_named_is_accepted() {
    let with = |text: &'static str| PLAIN.runner(["1_a", "2_b"].map(|id| Migration::sql(id, text)));
    let conn = memory();
    with("SELECT 1").run(&conn).unwrap();
    assert_eq!(with("SELECT 2").run(&conn).unwrap_err().problems().len(), 2);
    with("SELECT 2").recover(&conn, Recovery::Accept("1_a".into()), signature()).unwrap();
    let error = with("SELECT 2").run(&conn).unwrap_err();
    assert_eq!((error.problems().len(), error.problems()[0].migration.as_str()), (1, "2_b"));
}

// ---- assuming, baselines ----------------------------------------------------------------------------------------

fn chain() -> Vec<Migration> {
    let needs = |id, need: &'static str| Migration::sql(id, "SELECT 1").depends_on(need);
    vec![
        Migration::sql("1_a", "SELECT 1"),
        needs("2_b", "1_a"),
        Migration::sql("3_c", "SELECT 1"),
        Migration::sql("4_pg", "SELECT 1").only_on([Dialect::Postgres]),
        needs("5_e", "3_c"),
        needs("6_f", "2_b"),
    ]
}

fn range(from: &'static str, through: &'static str) -> Recovery {
    Recovery::AssumeRangeApplied { from: from.into(), through: through.into() }
}

#[test]
fn what_is_assumed_is_what_is_pending_there_and_what_it_needs_is_applied() {
    const EVERYTHING: &[&str] = &["1_a", "2_b", "3_c", "5_e", "6_f"];
    let all = || Recovery::AssumeAllApplied;
    let one = |id: &'static str| Recovery::AssumeApplied(id.into());
    let table: [(&[&str], Recovery, Outcome); 20] = [
        (&[], one("1_a"), Ok(&["1_a"])),
        (&[], one("3_c"), Ok(&["3_c"])),
        (&[], one("2_b"), Err("it needs `1_a`, which is not applied; nothing was done; assume that first")),
        (&["1_a"], one("2_b"), Ok(&["2_b"])),
        (&[], range("1_a", "3_c"), Ok(&["1_a", "2_b", "3_c"])),
        (&[], range("1_a", "1_a"), Ok(&["1_a"])),
        (&[], range("3_c", "5_e"), Ok(&["3_c", "5_e"])),
        (&["1_a", "3_c"], range("1_a", "6_f"), Ok(&["2_b", "5_e", "6_f"])),
        (&["1_a"], range("2_b", "2_b"), Ok(&["2_b"])),
        (&[], range("2_b", "3_c"), Err("cannot assume applied `2_b`: it needs `1_a`, which is not applied")),
        (
            &["1_a"],
            range("3_c", "6_f"),
            Err("cannot assume applied `6_f`: it needs `2_b`, which is not applied"),
        ),
        (&[], range("3_c", "1_a"), Err("`3_c`: it comes after `1_a`, which is to be the last")),
        (&["1_a", "2_b"], range("1_a", "2_b"), Err("everything there is applied already")),
        (&["3_c"], range("3_c", "4_pg"), Err("nothing there is pending for this database and environment")),
        (&[], range("1_a", "7_g"), Err("there is no migration `7_g`")),
        (&[], range("0_o", "1_a"), Err("there is no migration `0_o`")),
        (&[], all(), Ok(EVERYTHING)),
        (&["3_c"], all(), Ok(&["1_a", "2_b", "5_e", "6_f"])),
        (EVERYTHING, all(), Err("nothing there is pending for this database and environment")),
        (&["1_a", "2_b", "3_c"], range("3_c", "6_f"), Ok(&["5_e", "6_f"])),
    ];
    for place in TODAYS {
        for (applied, recovery, expected) in table.clone() {
            let context = format!("{applied:?} {recovery:?} {place:?}");
            let (database, runner) = (place.database(), place.runner(chain()));
            let conn = database.connect();
            for id in applied {
                place
                    .runner(chain())
                    .recover(&conn, Recovery::AssumeApplied((*id).into()), signature())
                    .unwrap();
            }
            let log = runner.history(&conn).unwrap().log().len();
            let before = content(&conn, place);
            match (runner.recover(&conn, recovery, signature()), expected) {
                (Ok(left), Ok(ids)) => {
                    let found: Vec<&str> = left.iter().map(|trace| trace.id.as_str()).collect();
                    assert_eq!(found, ids, "{context}");
                    let history = runner.history(&conn).unwrap();
                    assert_eq!(history.log()[log..], left, "{context}");
                    let now = [applied, ids].concat();
                    assert_eq!(records(&runner, &conn), now, "{context}");
                    assert!(left.iter().all(|trace| trace.applied_on.is_none()), "{context}");
                    let run = runner.run(&conn).unwrap();
                    assert_eq!(run.applied.len(), EVERYTHING.len() - now.len(), "{context}");
                }
                (Err(error), Err(sentence)) => {
                    assert!(error.to_string().contains(sentence), "{context}: {error}");
                    assert_eq!(content(&conn, place), before, "{context}");
                }
                (outcome, _) => panic!("{context}: {outcome:?}"),
            }
        }
    }
    let error = set([]).recover(&memory(), all(), signature()).unwrap_err();
    assert!(error.to_string().contains("the set is empty; nothing was done; "), "{error}");
}

#[test]
fn a_baseline_is_everything_through_one_in_a_database_that_has_tables_and_no_migrations() {
    let baseline = |id: &'static str| Recovery::Baseline(id.into());
    let refused = |runner: &MigrationRunner, conn: &Connection, id, sentence: &str| {
        let before = rows(conn, "SELECT * FROM sqlite_master");
        let error = runner.recover(conn, baseline(id), signature()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovery, "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
        assert_eq!(rows(conn, "SELECT * FROM sqlite_master"), before);
    };
    for place in TODAYS {
        let runner = place.runner(abc());
        let database = place.database();
        let conn = database.connect();
        refused(
            &runner,
            &conn,
            "2_b",
            "the database has no tables; nothing was done; apply what is pending with `run`",
        );
        runner.run(&conn).unwrap();
        refused(
            &runner,
            &conn,
            "2_b",
            "3 migrations are recorded already; nothing was done; call `recover` with `Recovery::Assume",
        );
        runner.rollback(&conn, 2).unwrap();
        refused(&runner, &conn, "2_b", "1 migration is recorded already");
        // The two tables of the engine do not count as tables of the database.
        runner.rollback(&conn, 1).unwrap();
        refused(&runner, &conn, "2_b", "the database has no tables");

        conn.execute_batch("CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO b VALUES (7)").unwrap();
        let log = runner.history(&conn).unwrap().log().len();
        let left = runner.recover(&conn, baseline("2_b"), signature()).unwrap();
        let history = runner.history(&conn).unwrap();
        assert_eq!(history.log()[log..], left);
        assert!(left.iter().all(|trace| trace.kind == LogEntryKind::Baselined && trace.applied_on.is_none()));
        assert_eq!(records(&runner, &conn), ["1_a", "2_b"], "{place:?}");
        let report = runner.run(&conn).unwrap();
        assert_eq!((report.applied.len(), report.applied[0].id.as_str()), (1, "3_c"), "{place:?}");
        assert_eq!(rows(&conn, "SELECT x FROM b"), ["7"]);

        // Its down script is stored, and also undoes what existed before.
        let stored = |record: &Record| matches!(&record.down, Some(StoredDown::Script(down)) if down.is_intact(&record.id));
        assert!(history.records().iter().all(stored), "{place:?}");
        assert_eq!(runner.rollback(&conn, 9).unwrap().applied.len(), 3);
        assert_eq!(rows(&conn, "SELECT name FROM sqlite_master WHERE name IN ('a', 'b', 'c')"), NOTHING);
        let lines = traces(&runner, &conn);
        assert_eq!(
            lines[log..],
            ["1_a baselined", "2_b baselined", "3_c rolled back", "2_b rolled back", "1_a rolled back"]
        );
    }
}

/// A program that does not have a migration can undo one that a recovery recorded, with the down script that was stored then.
#[test]
fn what_was_recorded_by_hand_can_be_undone_by_a_program_that_does_not_know_it() {
    for place in TODAYS {
        let [a, b, c] = abc();
        let database = place.database();
        let conn = database.connect();
        conn.execute_batch("CREATE TABLE a (x); CREATE TABLE b (x)").unwrap();
        let runner = place.runner([a, b]);
        runner.recover(&conn, Recovery::Baseline("2_b".into()), signature()).unwrap();
        let accepting = |up, down| {
            place.runner(abc()[..2].iter().cloned().chain([Migration::reversible("3_c", up, down)]))
        };
        place.runner(abc()[..2].iter().cloned().chain([c])).run(&conn).unwrap();
        let changed = accepting("CREATE TABLE c (x) -- now", "DROP TABLE c; CREATE TABLE gone (x)");
        changed.recover(&conn, Recovery::Accept("3_c".into()), signature()).unwrap();
        assert_eq!(place.runner([]).downgrade(&conn).unwrap().applied.len(), 3, "{place:?}");
        assert_eq!(
            rows(&conn, "SELECT name FROM sqlite_master WHERE name IN ('a', 'b', 'c', 'gone')"),
            ["gone"],
            "{place:?}"
        );
        let lines = traces(&runner, &conn);
        assert_eq!(lines[3..], ["3_c downgraded", "2_b downgraded", "1_a downgraded"], "{place:?}");
    }
}

#[test]
fn a_baseline_leaves_out_what_does_not_run_here() {
    let conn = memory();
    conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let runner = PLAIN.runner(chain());
    let error = runner.recover(&conn, Recovery::Baseline("4_pg".into()), signature()).unwrap_err();
    assert!(error.to_string().contains("not for this database or environment"), "{error}");
    assert_eq!(schema(&conn).len(), 1);
    runner.recover(&conn, Recovery::Baseline("5_e".into()), signature()).unwrap();
    assert_eq!(records(&runner, &conn), ["1_a", "2_b", "3_c", "5_e"]);
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
}

// ---- together or not at all -------------------------------------------------------------------------------------

#[test]
fn a_recovery_that_cannot_write_one_record_or_its_line_writes_none() {
    let hindrances = [
        "CREATE TRIGGER t BEFORE INSERT ON {} WHEN new.name = '3_c' BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER t BEFORE INSERT ON {} WHEN new.name = '3_c' BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        "CREATE TRIGGER t BEFORE INSERT ON {} WHEN new.name = '3_c' BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER t BEFORE INSERT ON \"{}_log\" WHEN new.name = '3_c' BEGIN SELECT RAISE(ABORT, 'no'); END",
    ];
    for hindrance in hindrances {
        let (conn, runner) = (memory(), PLAIN.runner(abc()));
        runner.run_to(&conn, Target::Steps(1)).unwrap();
        runner.rollback(&conn, 1).unwrap();
        runner.run_to(&conn, Target::Steps(1)).unwrap();
        conn.execute_batch(&hindrance.replace("{}", PLAIN.table)).unwrap();
        let before = content(&conn, PLAIN);
        let error = runner.recover(&conn, Recovery::AssumeAllApplied, signature()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database, "{hindrance}: {error}");
        assert!(conn.is_autocommit(), "{hindrance}");
        assert_eq!(content(&conn, PLAIN), before, "{hindrance}");
        assert_eq!(traces(&runner, &conn), ["1_a rolled back"], "{hindrance}");
        conn.execute_batch("DROP TRIGGER t").unwrap();
        assert_eq!(runner.recover(&conn, Recovery::AssumeAllApplied, signature()).unwrap().len(), 2);
    }
}

/// A foreign table with the name of the log is neither written nor treated as a log.
#[test]
fn somebody_elses_log_is_named_and_left_alone() {
    let (conn, runner) = (memory(), PLAIN.runner(abc()));
    runner.run(&conn).unwrap();
    conn.execute_batch("CREATE TABLE __switchy_migrations_log (theirs)").unwrap();
    let before = content(&conn, PLAIN);
    let errors = [
        runner.recover(&conn, Recovery::Forget("3_c".into()), signature()).unwrap_err(),
        runner.rollback(&conn, 1).unwrap_err(),
        runner.history(&conn).unwrap_err(),
    ];
    for error in errors {
        assert!(
            error.to_string().contains("is not the log of migrations, its columns are theirs"),
            "{error}"
        );
    }
    assert_eq!(content(&conn, PLAIN), before);
    assert!(runner.run(&conn).unwrap().is_up_to_date(), "a start does not need it");
}

#[test]
fn a_transaction_of_the_caller_is_refused_and_left_as_it_is() {
    for begin in ["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT s"] {
        let (conn, runner) = (memory(), PLAIN.runner(abc()));
        runner.run(&conn).unwrap();
        conn.execute_batch(begin).unwrap();
        conn.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        let errors = [
            runner.recover(&conn, Recovery::Forget("3_c".into()), signature()).unwrap_err(),
            runner.rollback(&conn, 1).unwrap_err(),
            runner.rollback_to(&conn, "1_a").unwrap_err(),
            runner.redo(&conn).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::OpenTransaction), "{begin}: {errors:?}");
        assert!(!conn.is_autocommit(), "{begin}");
        conn.execute_batch(if begin.starts_with('S') { "RELEASE s" } else { "COMMIT" }).unwrap();
        assert_eq!(rows(&conn, "SELECT x FROM a"), ["1"], "{begin}");
        assert_eq!(records(&runner, &conn), ["1_a", "2_b", "3_c"], "{begin}");
    }
}

#[test]
fn a_recovery_waits_for_whoever_writes_and_gives_up_when_its_time_is_over() {
    for (place, begin) in
        TODAYS.into_iter().flat_map(|place| [(place, "BEGIN IMMEDIATE"), (place, "BEGIN EXCLUSIVE")])
    {
        let (database, runner) = (place.database(), place.runner(abc()));
        let conn = database.connect();
        runner.run(&conn).unwrap();
        conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
        conn.busy_timeout(Duration::ZERO).unwrap();
        let other = database.connect();
        other.execute_batch(begin).unwrap();
        let before =
            other.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap();

        let impatient = place.runner(abc()).lock_timeout(Duration::from_millis(20));
        let error = impatient.recover(&conn, Recovery::Forget("3_c".into()), signature()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database, "{place:?}: {error}");
        assert!(error.to_string().contains("database is locked; try again when"), "{place:?}: {error}");

        thread::scope(|scope| {
            scope.spawn(move || {
                other.execute_batch("INSERT INTO theirs VALUES (1)").unwrap();
                thread::sleep(Duration::from_millis(100));
                other.execute_batch("COMMIT").unwrap();
            });
            let left = runner.recover(&conn, Recovery::Forget("3_c".into()), signature()).unwrap();
            assert_eq!(left.len(), 1, "{place:?}");
        });
        assert_eq!(rows(&conn, "SELECT x FROM theirs"), ["1"], "{place:?}");
        assert_eq!(records(&runner, &conn), ["1_a", "2_b"], "{place:?}");
        let tables =
            conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(tables, before + 1, "only the log came");
    }
}

#[test]
fn a_recovery_takes_the_lock_of_a_run() {
    let (database, runner) = (PLAIN.database(), PLAIN.runner(abc()));
    let path = database.path();
    let inner = Migration::code("1_meanwhile", move |_| {
        let conn = Connection::open(&path)?;
        let other = PLAIN.runner(abc()).lock_timeout(Duration::ZERO);
        let error = other.recover(&conn, Recovery::AssumeAllApplied, signature()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
        // An invalid recovery is refused without waiting.
        let error = other.recover(&conn, Recovery::Retry("1_a".into()), signature()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovery, "{error}");
        Ok::<_, rusqlite::Error>(())
    });
    MigrationRunner::new([inner]).unwrap().run(&database.connect()).unwrap();
    let conn = database.connect();
    conn.execute_batch("DELETE FROM __switchy_migrations").unwrap();
    assert_eq!(runner.recover(&conn, Recovery::AssumeAllApplied, signature()).unwrap().len(), 3);
}

/// A step outside a transaction on which another program works cannot be distinguished from an abandoned one.
#[test]
fn a_step_that_only_looks_unfinished_is_left_to_whoever_runs_it() {
    for way_out in WAYS_OUT {
        let database = TestDatabase::new();
        let path = database.path();
        let meanwhile = Arc::new(Mutex::new(None));
        let handle = Arc::clone(&meanwhile);
        let set = move |run: Box<dyn Fn() + Send + Sync>| {
            let code = move |_: &Connection| -> rusqlite::Result<()> {
                run();
                Ok(())
            };
            PLAIN.runner([Migration::code("1_it", code).outside_transaction()])
        };
        let runner = set(Box::new(move || {
            let path = path.clone();
            let (tell, told) = mpsc::channel();
            let person = thread::spawn(move || {
                let conn = Connection::open(path).unwrap();
                let idle = set(Box::new(|| ()));
                assert_eq!(records(&idle, &conn), ["1_it (dirty)"]);
                tell.send(()).unwrap();
                idle.recover(&conn, way_out("1_it".into()), signature()).unwrap_err().to_string()
            });
            told.recv().unwrap();
            thread::sleep(Duration::from_millis(100));
            *handle.lock().unwrap() = Some(person);
        }));
        runner.run(&database.connect()).unwrap();
        let told = meanwhile.lock().unwrap().take().unwrap().join().unwrap();
        assert!(told.contains("it is applied and finished; nothing was done"), "{told}");
        let conn = database.connect();
        assert_eq!(records(&runner, &conn), ["1_it"]);
        assert_eq!(traces(&runner, &conn), NOTHING);
        assert!(runner.run(&conn).unwrap().is_up_to_date());
    }
}

#[test]
fn a_database_that_cannot_be_written_is_an_error_that_says_so() {
    for form in [None, Some("name"), Some("status")] {
        for journal in ["DELETE", "WAL"] {
            let place = Place { journal, form, ..PLAIN };
            let (database, runner) = (place.database(), place.runner(abc()));
            let keeper = database.connect();
            runner.run(&keeper).unwrap();
            place.age(&keeper);
            let before = content(&keeper, place);
            let reader =
                Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
            let careful = database.connect();
            careful.execute_batch("PRAGMA query_only = ON").unwrap();
            for conn in [&reader, &careful] {
                let errors = [
                    runner.recover(conn, Recovery::Forget("3_c".into()), signature()).unwrap_err(),
                    runner.rollback(conn, 1).unwrap_err(),
                    runner.redo(conn).unwrap_err(),
                ];
                assert_eq!(errors[0].kind(), ErrorKind::Database);
                for error in errors {
                    let text = error.to_string();
                    assert!(text.contains("attempt to write a readonly database"), "{place:?}: {text}");
                    assert!(text.contains("open it for writing"), "{place:?}: {text}");
                }
                assert!(conn.is_autocommit());
            }
            assert_eq!(content(&keeper, place), before, "{place:?}");
        }
    }
}

// ---- tables of older programs, and their writers ----------------------------------------------------------------

#[test]
fn a_table_that_an_older_program_left_is_corrected_and_brought_up_to_date_in_one_go() {
    let table: [(Recovery, LogEntryKind, &[&str]); 4] = [
        (Recovery::Forget(TAGS.0.into()), LogEntryKind::Forgotten, &[USERS.0, POSTS.0]),
        (Recovery::Forget(USERS.0.into()), LogEntryKind::Forgotten, &[POSTS.0, TAGS.0]),
        (
            Recovery::AssumeApplied(LATER.0.into()),
            LogEntryKind::AssumedApplied,
            &[USERS.0, POSTS.0, TAGS.0, LATER.0],
        ),
        (Recovery::AssumeAllApplied, LogEntryKind::AssumedApplied, &[USERS.0, POSTS.0, TAGS.0, LATER.0]),
    ];
    for (name, dump) in FORMS {
        for (recovery, kind, expected) in table.clone() {
            let context = format!("{name} {recovery:?}");
            let database = TestDatabase::new();
            let conn = database.connect();
            conn.execute_batch(dump).unwrap();
            let runner = set([USERS, POSTS, TAGS, LATER]).program("notes 3.1");
            let was = runner.history(&conn).unwrap();
            let refused = runner.recover(&conn, Recovery::Retry(USERS.0.into()), signature()).unwrap_err();
            assert!(refused.to_string().contains("it is applied and finished"), "{context}: {refused}");
            assert_eq!(runner.history(&conn).unwrap(), was, "{context}");

            let left = runner.recover(&conn, recovery, signature()).unwrap();
            assert_eq!(left.len(), 1, "{context}");
            assert_eq!((&left[0].kind, left[0].who.as_deref()), (&kind, Some("ada")), "{context}");
            let applied_on = was.get(&left[0].id).map(|record| record.run_on.clone());
            assert_eq!(left[0].applied_on, applied_on, "{context}");
            assert_eq!(records(&runner, &conn), expected, "{context}");
            let now = runner.history(&conn).unwrap();
            assert_eq!(now.log(), left, "{context}");
            for record in was.records() {
                let kept = now.get(&record.id);
                assert!(kept.is_none_or(|kept| kept.run_on == record.run_on), "{context}: {kept:?}");
            }
            assert_eq!(database.rows("SELECT * FROM users"), ["1|Ada"], "{context}");
            let columns = rows(&conn, "SELECT name FROM pragma_table_info('__switchy_migrations')");
            assert!(columns.contains(&"down_options".to_owned()), "{context}: {columns:?}");
        }
    }
}

/// An older form stores no down script, and needs none, because the program has it.
#[test]
fn what_an_older_program_applied_can_be_rolled_back_and_redone() {
    for form in [Some("name"), Some("id"), Some("status"), Some("checksums")] {
        for place in TODAYS {
            let place = Place { form, ..place };
            let (database, runner) = (place.database(), place.runner(five(2)));
            let conn = database.connect();
            runner.run(&conn).unwrap();
            place.age(&conn);
            let was = runner.history(&conn).unwrap();
            let all = content(&conn, place);
            let broken = place.runner(five(1));
            assert_eq!(broken.redo(&conn).unwrap_err().kind(), ErrorKind::Step, "{place:?}");
            assert_eq!(content(&conn, place), all, "{place:?}: the older form, too");

            assert_eq!(runner.redo(&conn).unwrap().applied.len(), 2, "{place:?}");
            let error = runner.rollback(&conn, 3).unwrap_err();
            assert_eq!((error.migration().unwrap().as_str(), error.report().applied.len()), ("3_m", 1));
            assert_eq!(records(&runner, &conn), ["0_m", "1_m", "2_m", "3_m"], "{place:?}");
            place.runner(five(9)).rollback_to(&conn, "0_m").unwrap();
            let now = runner.history(&conn).unwrap();
            assert_eq!(now.records()[0].run_on, was.records()[0].run_on, "{place:?}");
            let lines = ["4_m", "4_m", "3_m", "2_m", "1_m"].map(|id| format!("{id} rolled back"));
            assert_eq!(traces(&runner, &conn), lines, "{place:?}");
            assert_eq!(now.log()[0].applied_on.as_ref(), Some(&was.records()[4].run_on), "{place:?}");
            assert_eq!(runner.run(&conn).unwrap().applied.len(), 4, "{place:?}");
        }
    }
}

#[test]
fn a_baseline_of_a_table_that_an_older_program_left_is_refused() {
    for (name, dump) in FORMS {
        let conn = memory();
        conn.execute_batch(dump).unwrap();
        let before = content(&conn, PLAIN);
        let runner = set([USERS, POSTS, TAGS, LATER]);
        let error = runner.recover(&conn, Recovery::Baseline(LATER.0.into()), signature()).unwrap_err();
        assert!(error.to_string().contains("3 migrations are recorded already"), "{name}: {error}");
        assert_eq!(content(&conn, PLAIN), before, "{name}");
    }
}

/// The events of a database that is used by this program and by one that knows only two columns.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Run,
    Back,
    Forget(usize),
    Assume(usize),
    TheyInsert(usize),
    TheyDelete(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let which = || 0..4_usize;
    prop_oneof![
        Just(Deed::Run),
        Just(Deed::Back),
        which().prop_map(Deed::Forget),
        which().prop_map(Deed::Assume),
        which().prop_map(Deed::TheyInsert),
        which().prop_map(Deed::TheyDelete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_writer_that_knows_two_columns_breaks_nothing_and_loses_nothing(
        deeds in vec(deed(), 1..14),
        is_odd in any::<bool>(),
        form in prop_oneof![Just(None), Just(Some("name"))],
    ) {
        const IDS: [&str; 4] = ["1_a", "2_b", "3_c", "4_d"];
        let place = Place { table: if is_odd { ODD } else { PLAIN.table }, form, ..PLAIN };
        let runner = place.runner(IDS.map(|id| Migration::reversible(id, "SELECT 1", "SELECT 2")));
        let conn = memory();
        runner.run_to(&conn, Target::Steps(1)).unwrap();
        place.age(&conn);
        let (mut applied, mut log) = (vec![IDS[0]], Vec::new());
        for deed in deeds {
            let has = |applied: &[&str], which: usize| applied.contains(&IDS[which]);
            let table = place.quoted();
            match deed {
                Deed::Run => {
                    let pending = IDS.into_iter().filter(|id| !applied.contains(id)).collect::<Vec<_>>();
                    prop_assert_eq!(runner.run(&conn).unwrap().applied.len(), pending.len());
                    applied.extend(pending);
                    prop_assert!(runner.run(&conn).unwrap().is_up_to_date());
                }
                Deed::Back => {
                    prop_assert_eq!(runner.rollback(&conn, 1).unwrap().applied.len(), applied.len().min(1));
                    log.extend(applied.pop().map(|id| format!("{id} rolled back")));
                }
                Deed::Forget(which) => {
                    let outcome = runner.recover(&conn, Recovery::Forget(IDS[which].into()), signature());
                    prop_assert_eq!(outcome.is_ok(), has(&applied, which));
                    if outcome.is_ok() {
                        applied.retain(|id| *id != IDS[which]);
                        log.push(format!("{} forgotten", IDS[which]));
                    }
                }
                Deed::Assume(which) => {
                    let outcome = runner.recover(&conn, Recovery::AssumeApplied(IDS[which].into()), signature());
                    prop_assert_eq!(outcome.is_ok(), !has(&applied, which));
                    if outcome.is_ok() {
                        applied.push(IDS[which]);
                        log.push(format!("{} assumed applied", IDS[which]));
                    }
                }
                Deed::TheyInsert(which) if !has(&applied, which) => {
                    let sql = format!("INSERT INTO {table} (name, run_on) VALUES (?1, '2024-01-02T03:04:05.678')");
                    conn.execute(&sql, [IDS[which]]).unwrap();
                    applied.push(IDS[which]);
                }
                Deed::TheyInsert(_) => {}
                Deed::TheyDelete(which) => {
                    conn.execute(&format!("DELETE FROM {table} WHERE name = ?1"), [IDS[which]]).unwrap();
                    applied.retain(|id| *id != IDS[which]);
                }
            }
            prop_assert_eq!(records(&runner, &conn), &*applied, "after {:?}", deed);
            prop_assert_eq!(traces(&runner, &conn), &*log, "after {:?}", deed);
            let plan = runner.plan(&conn, Target::Latest).unwrap();
            prop_assert!(plan.problems().iter().all(|problem| problem.verdict != Verdict::Deny), "{plan}");
            // The names that the other program reads.
            let names = rows(&conn, &format!("SELECT name FROM {table} ORDER BY rowid"));
            prop_assert_eq!(names, &*applied);
        }
    }
}

/// The author may also make the step a transaction. Then its record is replaced when it is finished, and not added to the unfinished one.
#[test]
fn a_step_that_did_not_finish_outside_a_transaction_can_be_finished_in_one() {
    let conn = memory();
    let script = "CREATE TABLE a (b); INSERT INTO missing VALUES (1); INSERT INTO a VALUES (1)";
    let it = || Migration::sql("1_it", script);
    let outside = MigrationRunner::new([it().outside_transaction()]).unwrap();
    outside.run(&conn).unwrap_err();
    assert_eq!(records(&outside, &conn), ["1_it (dirty)"]);
    conn.execute_batch("CREATE TABLE missing (c)").unwrap();
    let inside = MigrationRunner::new([it()]).unwrap();
    let from = Recovery::RetryFrom { migration: "1_it".into(), statement: 2 };
    inside.recover(&conn, from, signature()).unwrap();
    assert_eq!(inside.run(&conn).unwrap().applied.len(), 1);
    assert_eq!(records(&inside, &conn), ["1_it"]);
    assert_eq!(rows(&conn, "SELECT count(*) FROM __switchy_migrations"), ["1"]);
    assert_eq!(rows(&conn, "SELECT b FROM a"), ["1"]);
    assert!(inside.run(&conn).unwrap().is_up_to_date());
}
