//! Rollbacks, redo, and complete round trips.

use crate::execution::memory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    Checksum, Direction, ErrorKind, Lock, LogEntryKind, Migration, MigrationError, MigrationRunner, Policy,
    ProblemKind, Recovery, Signature, Target, TransactionMode,
};

use crate::recovery::{NOTHING, Outcome, PLAIN, TODAYS, abc, content, is_dated, records, signature, traces};

// ---- rolling back -----------------------------------------------------------------------------------------------

/// A base and four more migrations, of which the one that is undone as the `broken`-th has a down script that fails.
pub(crate) fn five(broken: usize) -> Vec<Migration> {
    let migration = |number: usize| {
        let down = if number + broken == 5 { "; DELETE FROM missing" } else { "" };
        let (up, down) = (format!("CREATE TABLE t{number} (x)"), format!("DROP TABLE t{number}{down}"));
        Migration::from_scripts(format!("{number}_m"), up, Some(down))
    };
    (0..5).map(migration).collect()
}

#[test]
fn a_rollback_that_fails_keeps_what_it_had_undone_and_says_so() {
    type Way = fn(&MigrationRunner, &Connection) -> Result<switchy_schema::Report, MigrationError>;
    let ways: [(&str, Way); 3] = [
        ("rollback", |runner, conn| runner.rollback(conn, 4)),
        ("rollback_to", |runner, conn| runner.rollback_to(conn, "0_m")),
        ("run_to", |runner, conn| runner.run_to(conn, Target::Back(4))),
    ];
    for (name, way) in ways {
        for place in TODAYS {
            for k in 1..=4 {
                for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
                    let context = format!("{name}, step {k}, {mode:?}, {place:?}");
                    let (conn, runner) = (memory(), place.runner(five(k)).transaction(mode));
                    runner.run(&conn).unwrap();
                    let error = way(&runner, &conn).unwrap_err();
                    let undone = if mode == TransactionMode::Batch { 0 } else { k - 1 };
                    assert_eq!(error.kind(), ErrorKind::Step, "{context}: {error}");
                    let failed = format!("{}_m", 5 - k);
                    assert_eq!(error.migration().unwrap().as_str(), failed, "{context}");
                    let ids: Vec<String> = (1..=undone).map(|n| format!("{}_m", 5 - n)).collect();
                    let report = &error.report().applied;
                    assert_eq!(
                        report.iter().map(|done| done.id.to_string()).collect::<Vec<_>>(),
                        ids,
                        "{context}"
                    );
                    assert!(report.iter().all(|done| done.direction == Direction::Down), "{context}");
                    let text = error.to_string();
                    assert!(
                        text.starts_with(&format!("rollback of `{failed}` failed at ")),
                        "{context}: {text}"
                    );
                    assert_eq!(text.contains(" before it "), undone > 0, "{context}: {text}");

                    let left: Vec<String> = (0..5 - undone).map(|n| format!("{n}_m")).collect();
                    assert_eq!(records(&runner, &conn), left, "{context}");
                    let tables: Vec<String> = (0..5 - undone).map(|n| format!("t{n}")).collect();
                    let found =
                        rows(&conn, "SELECT name FROM sqlite_master WHERE name LIKE 't_' ORDER BY name");
                    assert_eq!(found, tables, "{context}");
                    let lines: Vec<String> = ids.iter().map(|id| format!("{id} rolled back")).collect();
                    assert_eq!(traces(&runner, &conn), lines, "{context}");

                    // After the script is corrected, the rollback continues from there.
                    let repaired = place.runner(five(9)).transaction(mode);
                    assert_eq!(
                        repaired.rollback_to(&conn, "0_m").unwrap().applied.len(),
                        4 - undone,
                        "{context}"
                    );
                    assert_eq!(traces(&repaired, &conn).len(), 4, "{context}");
                    assert_eq!(repaired.run(&conn).unwrap().applied.len(), 4, "{context}");
                }
            }
        }
    }
}

#[test]
fn a_rollback_undoes_so_many_the_newest_first_and_leaves_a_line_for_each() {
    for place in TODAYS {
        for count in [0, 1, 3, 5, 6, usize::MAX] {
            let (database, runner) = (place.database(), place.runner(five(9)));
            let conn = database.connect();
            runner.run(&conn).unwrap();
            let was = runner.history(&conn).unwrap();
            let report = runner.rollback(&conn, count).unwrap();
            let undone = count.min(5);
            assert_eq!(report.applied.len(), undone, "{count}");
            let now = runner.history(&conn).unwrap();
            assert_eq!(now.records(), &was.records()[..5 - undone], "{count}");
            assert_eq!(now.log().len(), undone, "{count}");
            for (trace, record) in now.log().iter().zip(was.records().iter().rev()) {
                assert_eq!((&trace.id, &trace.kind), (&record.id, &LogEntryKind::RolledBack));
                assert_eq!(trace.applied_on.as_ref(), Some(&record.run_on));
                assert_eq!(trace.checksum, record.checksum);
                assert_eq!(trace.program.as_deref(), Some("notes 3.1"));
                assert_eq!((&trace.who, &trace.why), (&None, &None));
                assert!(is_dated(&trace.logged_on), "{trace}");
            }
            assert_eq!(runner.run(&conn).unwrap().applied.len(), undone);
            assert_eq!(runner.history(&conn).unwrap().log(), now.log(), "applying leaves no line");
            assert_eq!(runner.history(&conn).unwrap().records().len(), 5);
        }
    }
}

#[test]
fn going_back_to_a_migration_undoes_what_came_after_it() {
    // (the number of applied migrations, the target, the ids that are undone or the message)
    let table: [(usize, &str, Outcome); 7] = [
        (5, "4_m", Ok(&[])),
        (5, "3_m", Ok(&["4_m"])),
        (5, "0_m", Ok(&["4_m", "3_m", "2_m", "1_m"])),
        (3, "4_m", Ok(&[])),
        (0, "4_m", Ok(&[])),
        (5, "5_m", Err("there is no migration `5_m`")),
        (0, "5_m", Err("there is no migration `5_m`")),
    ];
    for (applied, id, expected) in table {
        let (conn, runner) = (memory(), PLAIN.runner(five(9)));
        runner.run_to(&conn, Target::Steps(applied)).unwrap();
        let before = content(&conn, PLAIN);
        match (runner.rollback_to(&conn, id), expected) {
            (Ok(report), Ok(ids)) => {
                let found: Vec<&str> = report.applied.iter().map(|done| done.id.as_str()).collect();
                assert_eq!(found, ids, "{applied} {id}");
                assert_eq!(traces(&runner, &conn).len(), ids.len());
                if ids.is_empty() {
                    assert_eq!(content(&conn, PLAIN), before, "{applied} {id}");
                }
            }
            (Err(error), Err(sentence)) => {
                assert_eq!(error.kind(), ErrorKind::UnknownMigration);
                assert!(error.to_string().contains(sentence), "{error}");
                assert_eq!(content(&conn, PLAIN), before, "{applied} {id}");
            }
            (outcome, _) => panic!("{applied} {id}: {outcome:?}"),
        }
    }
}

#[test]
fn a_rollback_over_what_cannot_be_undone_names_all_of_it_and_does_nothing() {
    for place in TODAYS {
        let set = |text: &'static str, has_ghosts: bool| {
            let mut set = vec![
                Migration::reversible("0_fine", "CREATE TABLE fine (x)", "DROP TABLE fine"),
                Migration::sql("1_oneway", "CREATE TABLE oneway (x)"),
                Migration::reversible("2_changed", text, "DROP TABLE changed"),
                Migration::sql("3_both", text.trim_start_matches("CREATE TABLE changed (x)")),
                Migration::reversible("4_code", "SELECT 1", "SELECT 1"),
                Migration::reversible("5_dirty", "SELECT 1", "SELECT 2; SELECT * FROM missing")
                    .outside_transaction(),
            ];
            if has_ghosts {
                set.push(Migration::reversible("4_ghost", "SELECT 1", "SELECT 1"));
                set.push(Migration::sql("4_spirit", "SELECT 1"));
            }
            place.runner(set)
        };
        let database = place.database();
        let conn = database.connect();
        set("CREATE TABLE changed (x) -- then", true).run(&conn).unwrap();
        set("CREATE TABLE changed (x) -- then", true).rollback(&conn, 1).unwrap_err();
        drop(conn);
        let bytes = std::fs::read(database.path()).unwrap();
        let conn = database.connect();
        let before = content(&conn, place);
        let runner = set("CREATE TABLE changed (x) -- now", false);
        let all = [
            (ProblemKind::DatabaseAhead, "4_ghost"),
            (ProblemKind::DatabaseAhead, "4_spirit"),
            (ProblemKind::Changed, "2_changed"),
            (ProblemKind::Changed, "3_both"),
            (ProblemKind::Dirty, "5_dirty"),
            (ProblemKind::Irreversible, "1_oneway"),
            (ProblemKind::Irreversible, "3_both"),
        ];
        let outcomes = [
            ("rollback", runner.rollback(&conn, 9)),
            ("rollback_to", runner.rollback_to(&conn, "0_fine")),
            ("empty", runner.run_to(&conn, Target::Empty)),
        ];
        for (way, outcome) in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{way}: {error}");
            let mut found: Vec<(ProblemKind, &str)> =
                error.problems().iter().map(|problem| (problem.kind, problem.migration.as_str())).collect();
            found.sort_unstable();
            assert_eq!(found, all, "{way} in {place:?}");
            let text = error.to_string();
            assert!(text.starts_with("nothing was done: 7 problems: (1) "), "{text}");
            assert!(all.iter().all(|(_, id)| text.contains(&format!("`{id}` "))), "{text}");
        }
        assert_eq!(runner.redo(&conn).unwrap_err().problems()[0].kind, ProblemKind::Dirty);
        assert_eq!(content(&conn, place), before, "{place:?}");
        assert_eq!(traces(&runner, &conn), NOTHING, "{place:?}");
        drop(conn);
        assert!(std::fs::read(database.path()).unwrap() == bytes, "{place:?}: the file was written");
    }
}

// ---- redoing ----------------------------------------------------------------------------------------------------

/// A table with the rows of `source`. Two other tables determine whether it can be undone or applied again.
fn redone() -> [Migration; 2] {
    [
        Migration::reversible(
            "1_a",
            "CREATE TABLE source (x); INSERT INTO source VALUES (1)",
            "DROP TABLE source",
        ),
        Migration::reversible(
            "2_b",
            "CREATE TABLE b (x); INSERT INTO b SELECT x FROM source",
            "DROP TABLE b; SELECT * FROM guard",
        ),
    ]
}

#[test]
fn a_redo_does_the_newest_again_or_leaves_it_as_it_was() {
    const GUARD: &str = "CREATE TABLE guard (x)";
    // (SQL that is run before, the direction that fails)
    let table = [
        (GUARD, None),
        ("SELECT 1", Some(Direction::Down)),
        ("CREATE TABLE guard (x); ALTER TABLE source RENAME TO elsewhere", Some(Direction::Up)),
    ];
    for place in TODAYS {
        for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
            for (change, fails) in table {
                let context = format!("{fails:?} {mode:?} {place:?}");
                let (database, runner) = (place.database(), place.runner(redone()).transaction(mode));
                let conn = database.connect();
                runner.run(&conn).unwrap();
                conn.execute_batch("INSERT INTO b VALUES ('of the user')").unwrap();
                conn.execute_batch(change).unwrap();
                let (before, was) = (content(&conn, place), runner.history(&conn).unwrap());
                let outcome = runner.redo(&conn);
                if let Some(direction) = fails {
                    let error = outcome.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.report().applied.len()),
                        (ErrorKind::Step, 0),
                        "{context}"
                    );
                    let is_down = error.to_string().starts_with("rollback of `2_b`");
                    assert_eq!(is_down, direction == Direction::Down, "{context}: {error}");
                    assert!(error.to_string().contains("nothing of it was kept"), "{context}: {error}");
                    assert_eq!(content(&conn, place), before, "{context}");
                    assert_eq!(rows(&conn, "SELECT x FROM b"), ["1", "of the user"], "{context}");
                    assert_eq!(traces(&runner, &conn), NOTHING, "{context}");
                } else {
                    let done = outcome.unwrap().applied;
                    let steps: Vec<_> = done.iter().map(|done| (done.id.as_str(), done.direction)).collect();
                    assert_eq!(steps, [("2_b", Direction::Down), ("2_b", Direction::Up)], "{context}");
                    assert_eq!(rows(&conn, "SELECT x FROM b"), ["1"], "{context}");
                    let now = runner.history(&conn).unwrap();
                    assert_eq!(now.log().len(), 1, "{context}");
                    assert_eq!(now.log()[0].kind, LogEntryKind::RolledBack, "{context}");
                    assert_eq!(now.log()[0].applied_on.as_ref(), Some(&was.records()[1].run_on), "{context}");
                    assert!(now.records()[1].run_on >= was.records()[1].run_on, "{context}");
                }
                assert_eq!(records(&runner, &conn), ["1_a", "2_b"], "{context}");
                assert!(runner.run(&conn).unwrap().is_up_to_date(), "{context}");
            }
        }
    }
}

/// The purpose of redo: the author changes the script and applies it again.
#[test]
fn a_redo_of_a_changed_script_is_for_those_who_say_so() {
    let with = |up: &'static str| {
        let [a, _] = redone();
        PLAIN.runner([a, Migration::reversible("2_b", up, "DROP TABLE b")])
    };
    let (then, now, bad) = ("CREATE TABLE b (x)", "CREATE TABLE b (x, y)", "CREATE TABLE b (x, y); SELEKT");
    let conn = memory();
    with(then).run(&conn).unwrap();
    conn.execute_batch("INSERT INTO b VALUES (7)").unwrap();
    assert_eq!(with(now).redo(&conn).unwrap_err().problems()[0].kind, ProblemKind::Changed);
    let error = with(bad).policy(Policy::DEVELOPMENT).redo(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Step, "{error}");
    assert_eq!(rows(&conn, "SELECT * FROM b"), ["7"]);
    assert!(with(then).run(&conn).unwrap().is_up_to_date());

    let report = with(now).policy(Policy::DEVELOPMENT).redo(&conn).unwrap();
    assert_eq!((report.applied.len(), report.notes[0].kind), (2, ProblemKind::Changed));
    assert_eq!(rows(&conn, "SELECT count(*) FROM pragma_table_info('b')"), ["2"]);
    assert!(with(now).run(&conn).unwrap().is_up_to_date());
    let history = with(now).history(&conn).unwrap();
    assert_eq!(history.log()[0].checksum, Some(Checksum::of(then)));
    assert_eq!(history.records()[1].checksum, Some(Checksum::of(now)));
}

#[test]
fn a_redo_of_a_guarded_step_is_dirty_where_it_stopped() {
    let it = |up: &'static str, down: &'static str| {
        PLAIN.runner([Migration::reversible("1_it", up, down).outside_transaction()])
    };
    let conn = memory();
    let fine = it("CREATE TABLE a (x); VACUUM", "DROP TABLE a; VACUUM");
    fine.run(&conn).unwrap();
    assert_eq!(fine.redo(&conn).unwrap().applied.len(), 2);
    assert_eq!(records(&fine, &conn), ["1_it"]);
    assert_eq!(traces(&fine, &conn), ["1_it rolled back"]);
    let refused =
        it("CREATE TABLE a (x); VACUUM", "DROP TABLE a; VACUUM").transaction(TransactionMode::Batch);
    assert_eq!(refused.redo(&conn).unwrap_err().problems()[0].kind, ProblemKind::NotInBatch);

    // The down script fails: the migration is dirty, and being undone.
    let stuck = it("CREATE TABLE a (x); VACUUM", "DROP TABLE a; DELETE FROM missing");
    let error = stuck.redo(&conn).unwrap_err();
    assert!(error.to_string().starts_with("rollback of `1_it` failed at "), "{error}");
    assert_eq!(records(&stuck, &conn), ["1_it (dirty)"]);
    assert_eq!(stuck.history(&conn).unwrap().records()[0].dirty.as_ref().unwrap().direction, Direction::Down);
    stuck.recover(&conn, Recovery::MarkDone("1_it".into()), signature()).unwrap();
    assert_eq!(fine.run(&conn).unwrap().applied.len(), 1);

    // The up script fails: the migration is undone, with an entry in the log, and dirty.
    let conn = memory();
    conn.execute_batch("CREATE TABLE source (x)").unwrap();
    let half = it("CREATE TABLE IF NOT EXISTS a (x); INSERT INTO a SELECT x FROM source", "DROP TABLE a");
    half.run(&conn).unwrap();
    conn.execute_batch("DROP TABLE source").unwrap();
    let error = half.redo(&conn).unwrap_err();
    assert_eq!(error.report().applied.len(), 1, "{error}");
    assert_eq!(error.report().applied[0].direction, Direction::Down);
    assert_eq!(records(&half, &conn), ["1_it (dirty)"]);
    assert_eq!(half.history(&conn).unwrap().records()[0].dirty.as_ref().unwrap().direction, Direction::Up);
    assert_eq!(traces(&half, &conn), ["1_it rolled back"]);
    conn.execute_batch("CREATE TABLE source (x)").unwrap();
    half.recover(&conn, Recovery::Retry("1_it".into()), signature()).unwrap();
    assert_eq!(half.run(&conn).unwrap().applied.len(), 1);
    assert_eq!(traces(&half, &conn), ["1_it rolled back", "1_it retried"]);
}

#[test]
fn going_back_in_an_empty_database_is_nothing_to_do_and_writes_nothing() {
    let database = TestDatabase::new();
    std::fs::write(database.path(), "").unwrap();
    let (conn, runner) = (database.connect(), PLAIN.runner(abc()));
    for report in [
        runner.redo(&conn),
        runner.rollback(&conn, 3),
        runner.rollback_to(&conn, "1_a"),
        runner.downgrade(&conn),
    ] {
        assert!(report.unwrap().is_up_to_date());
    }
    assert_eq!(std::fs::read(database.path()).unwrap(), b"");
    assert!(!database.path().with_file_name("test.db-migrate").exists());
}

/// A migration that no longer runs on this database would be undone and not applied again.
#[test]
fn a_redo_of_what_does_not_run_here_is_refused() {
    let set = || {
        PLAIN.runner([
            Migration::reversible("1_it", "CREATE TABLE a (x)", "DROP TABLE a").environments(["staging"])
        ])
    };
    let conn = memory();
    set().environment("staging").run(&conn).unwrap();
    let error = set().redo(&conn).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::NeedsExcluded, "{error}");
    assert_eq!(records(&set(), &conn), ["1_it"]);
    assert_eq!(set().environment("staging").redo(&conn).unwrap().applied.len(), 2);
    assert_eq!(set().rollback(&conn, 1).unwrap().applied.len(), 1);
}

#[test]
fn without_a_lock_file_and_in_memory_it_is_all_the_same() {
    let conn = memory();
    let runner = PLAIN.runner(abc()).lock(Lock::Off);
    runner.run(&conn).unwrap();
    runner.redo(&conn).unwrap();
    runner.rollback(&conn, 1).unwrap();
    runner.recover(&conn, Recovery::Forget("2_b".into()), Signature::of("")).unwrap();
    let history = runner.history(&conn).unwrap();
    let kinds: Vec<&LogEntryKind> = history.log().iter().map(|trace| &trace.kind).collect();
    assert_eq!(kinds, [&LogEntryKind::RolledBack, &LogEntryKind::RolledBack, &LogEntryKind::Forgotten]);
    assert_eq!((&history.log()[2].who, &history.log()[2].why), (&None, &None), "nobody said who or why");
    assert_eq!(records(&runner, &conn), ["1_a"]);
}

// ---- round trips ------------------------------------------------------------------------------------------------

/// The effect of a generated migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Makes {
    Table,
    Column,
    Index,
}

#[derive(Debug, Clone)]
struct Grown {
    makes: Makes,
    on: Index,
    also: Vec<Index>,
}

/// Migrations, each of which depends on one before it, and creates a table, or changes the table of its dependency.
fn grown() -> impl Strategy<Value = (Vec<Grown>, Vec<usize>)> {
    let makes = prop_oneof![Just(Makes::Table), Just(Makes::Column), Just(Makes::Index)];
    let one = (makes, any::<Index>(), vec(any::<Index>(), 0..2));
    vec(one.prop_map(|(makes, on, also)| Grown { makes, on, also }), 1..8).prop_flat_map(|set| {
        let numbers: Vec<usize> = (0..set.len()).collect();
        (Just(set), Just(numbers).prop_shuffle())
    })
}

/// The set, with ids that are independent of the dependencies; or, for a linear order, in ascending order.
fn set_of(grown: &[Grown], numbers: &[usize], is_linear: bool) -> Vec<Migration> {
    let id = |place: usize| format!("{}_m", if is_linear { place } else { numbers[place] });
    let (mut tables, mut columns) = (Vec::<String>::new(), Vec::<String>::new());
    let mut set = Vec::new();
    for (place, it) in grown.iter().enumerate() {
        let parent = (place > 0).then(|| it.on.index(place));
        let of_parent = parent.map(|parent| (tables[parent].clone(), columns[parent].clone()));
        let (table, column) = of_parent.unwrap_or_default();
        let makes = if parent.is_none() { Makes::Table } else { it.makes };
        let (up, down, table, column) = match makes {
            Makes::Table => {
                let name = format!("t{place}");
                let up =
                    format!("CREATE TABLE {name} (x TEXT, y); INSERT INTO {name} VALUES ('kept', {place})");
                (up, format!("DROP TABLE {name}"), name, "x".to_owned())
            }
            Makes::Column => {
                let name = format!("c{place}");
                let up = format!("ALTER TABLE {table} ADD COLUMN {name} TEXT DEFAULT 'z'");
                (up, format!("ALTER TABLE {table} DROP COLUMN {name}"), table, name)
            }
            Makes::Index => {
                let up = format!("CREATE INDEX i{place} ON {table} ({column})");
                (up, format!("DROP INDEX i{place}"), table, column)
            }
        };
        tables.push(table);
        columns.push(column);
        let mut migration = Migration::from_scripts(id(place), up, Some(down));
        for need in
            parent.into_iter().chain(it.also.iter().filter(|_| place > 0).map(|also| also.index(place)))
        {
            migration = migration.depends_on(id(need));
        }
        if is_linear && place > 0 {
            migration = migration.depends_on(id(place - 1));
        }
        set.push(migration);
    }
    set
}

/// The schema and the rows of the application, byte for byte.
fn dump(conn: &Connection) -> Vec<String> {
    let own = "name NOT LIKE '\\_\\_switchy%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_\\_switchy%' ESCAPE '\\'";
    let mut dump = rows(
        conn,
        &format!("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE {own} ORDER BY type, name"),
    );
    for table in
        rows(conn, &format!("SELECT name FROM sqlite_master WHERE type = 'table' AND {own} ORDER BY name"))
    {
        dump.extend(rows(conn, &format!("SELECT '{table}', * FROM {table}")));
    }
    dump
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn up_to_anywhere_and_back_and_up_again_is_where_it_was((grown, numbers) in grown(), is_batch in any::<bool>()) {
        let mode = if is_batch { TransactionMode::Batch } else { TransactionMode::PerMigration };
        let runner = PLAIN.runner(set_of(&grown, &numbers, false)).transaction(mode);
        for steps in 0..=grown.len() {
            let conn = memory();
            conn.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
            let empty = dump(&conn);
            prop_assert_eq!(runner.run_to(&conn, Target::Steps(steps)).unwrap().applied.len(), steps);
            let there = dump(&conn);
            if steps > 0 {
                runner.redo(&conn).unwrap();
                prop_assert_eq!(&dump(&conn), &there, "done again");
            }
            prop_assert_eq!(runner.run_to(&conn, Target::Empty).unwrap().applied.len(), steps);
            prop_assert_eq!(&dump(&conn), &empty);
            prop_assert_eq!(runner.run_to(&conn, Target::Steps(steps)).unwrap().applied.len(), steps);
            prop_assert_eq!(&dump(&conn), &there);
            prop_assert_eq!(runner.history(&conn).unwrap().log().len(), steps + usize::from(steps > 0));
        }
    }

    #[test]
    fn back_to_a_migration_is_where_one_was_when_it_was_the_last((grown, numbers) in grown(), is_linear in any::<bool>()) {
        let runner = PLAIN.runner(set_of(&grown, &numbers, is_linear));
        let conn = memory();
        let mut dumps = Vec::new();
        for meta in runner.list() {
            runner.run_to(&conn, Target::Through(meta.id.clone())).unwrap();
            dumps.push((meta.id.clone(), dump(&conn)));
        }
        for (id, expected) in dumps.iter().rev() {
            runner.rollback_to(&conn, id.clone()).unwrap();
            prop_assert_eq!(&dump(&conn), expected, "{}", id);
        }
        for (id, _) in &dumps {
            runner.run(&conn).unwrap();
            prop_assert_eq!(&dump(&conn), &dumps.last().unwrap().1);
            runner.rollback_to(&conn, id.clone()).unwrap();
            let expected = dumps.iter().find(|(other, _)| other == id).map(|(_, dump)| dump);
            prop_assert_eq!(Some(&dump(&conn)), expected, "from the end to {}", id);
        }
    }
}
