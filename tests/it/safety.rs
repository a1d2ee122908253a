//! Nothing is deleted by accident: the effects of a plan are known in advance, a confirmation is required, and a refusal changes no byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows, schema};
use switchy_schema::{
    BoxError, Dialect, EffectKind, ErrorKind, Event, Evidence, ForeignKeys, Migration, MigrationError,
    MigrationRunner, Placeholder, Policy, Problem, ProblemKind, Recovery, Signature, Target, TransactionMode,
    Verdict,
};

use crate::execution::{applied, memory, set};
use crate::start::sample_set;

/// Every file in the folder of a database, with its content.
pub(crate) fn files(database: &TestDatabase) -> BTreeMap<String, Vec<u8>> {
    let folder = std::fs::read_dir(database.path().parent().unwrap()).unwrap();
    let entries = folder.map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// The names of the files that differ, because a difference in bytes is not readable.
pub(crate) fn differing(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// Removes the lock file that a run in the setup of a test left.
pub(crate) fn without_lock_file(database: &TestDatabase) {
    let _ = std::fs::remove_file(database.path().with_file_name("test.db-migrate"));
}

pub(crate) fn runner(migrations: impl Into<Vec<Migration>>) -> MigrationRunner {
    MigrationRunner::new(migrations.into()).unwrap()
}

/// The findings as pairs of migration and finding.
fn findings(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.migration.as_str(), &*problem.finding)).collect()
}

const LIVE: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, tag TEXT, extra TEXT);
    INSERT INTO notes VALUES (1, 'a', NULL, NULL), (2, 'b', 'x', 'y');
    CREATE TABLE log (x);
    INSERT INTO log VALUES (1);
    CREATE INDEX by_tag ON notes (tag);
    CREATE TRIGGER logged AFTER UPDATE ON notes BEGIN SELECT 1; END;
    CREATE VIEW texts AS SELECT text FROM notes;";

/// A run, and the question about it.
struct Case {
    what: &'static str,
    before: Vec<Migration>,
    set: Vec<Migration>,
    target: Target,
    /// The steps that delete or undo something, and the reason as worded in the question.
    reasons: Vec<(&'static str, &'static str)>,
}

fn cases() -> Vec<Case> {
    let up = |what, reason: &'static str| Case {
        what,
        before: Vec::new(),
        set: vec![Migration::sql("1_first", "CREATE TABLE first (a)"), Migration::sql("2_it", what)],
        target: Target::Latest,
        reasons: if reason.is_empty() { Vec::new() } else { vec![("2_it", reason)] },
    };
    let two = || {
        vec![
            Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
            Migration::reversible("2_b", "CREATE TABLE b (x)", "DROP TABLE b"),
        ]
    };
    let undone = "would be undone";
    let back = |what, target, set, ids: &[&'static str]| Case {
        what,
        before: two(),
        set,
        target,
        reasons: ids.iter().map(|&id| (id, undone)).collect(),
    };
    let mut cases = vec![
        up("CREATE TABLE new (a)", ""),
        up("INSERT INTO log VALUES (7); UPDATE notes SET tag = 'z'", ""),
        up("ALTER TABLE notes RENAME COLUMN extra TO more", ""),
        up("DROP INDEX by_tag", ""),
        up("DROP TABLE log", "drops the table `log` with 1 row"),
        up(
            "CREATE TABLE n (x); INSERT INTO n SELECT x FROM log; DROP TABLE log; ALTER TABLE n RENAME TO log",
            "replaces the table `log` with 1 row",
        ),
        up("ALTER TABLE notes DROP COLUMN extra", "drops the column `notes.extra` with 1 value"),
        up("DELETE FROM log WHERE x = 9", "deletes rows of `log`, which has 1 row"),
        up("DROP TRIGGER logged", "drops the trigger `logged`"),
        up("DROP VIEW texts", "drops the view `texts`"),
        // The index that is dropped with the table needs no confirmation, so it is not mentioned.
        up(
            "DROP VIEW texts; DROP TABLE notes",
            "drops the table `notes` with 2 rows, drops the view `texts`, drops the trigger `logged`",
        ),
        back("rollback", Target::Back(1), two(), &["2_b"]),
        back("rollback of all", Target::Empty, two(), &["2_b", "1_a"]),
        back("redo", Target::Redo, two(), &["2_b"]),
        back("downgrade", Target::Known, two()[..1].to_vec(), &["2_b"]),
    ];
    let destroys = Migration::code("2_it", |conn| conn.execute_batch("DROP TABLE log"));
    // The effects of code are unknown.
    cases.push(Case {
        set: vec![destroys],
        ..up("code", "may take anything away, which is not known before it runs")
    });
    cases.push(Case {
        set: vec![
            Migration::sql("1_drop", "DROP TABLE log"),
            Migration::sql("2_harmless", "CREATE TABLE new (a)"),
            Migration::sql("3_delete", "DELETE FROM notes"),
        ],
        reasons: vec![
            ("1_drop", "drops the table `log` with 1 row"),
            ("3_delete", "deletes rows of `notes`, which has 2 rows"),
        ],
        ..up("two of three", "")
    });
    // A declared effect needs a confirmation too.
    cases.push(Case {
        set: vec![Migration::sql("2_it", "DROP TABLE log").allow_destructive()],
        ..up("declared", "drops the table `log` with 1 row")
    });
    cases
}

#[test]
fn whatever_takes_something_away_needs_a_yes_in_a_protected_environment_and_nothing_else_does() {
    // (environment, protected environment if not `production`, whether the environment is protected)
    let environments = [
        (None, None, false),
        (Some("production"), None, true),
        (Some("staging"), None, false),
        (Some("staging"), Some("staging"), true),
        (Some("production"), Some("staging"), false),
    ];
    for case in cases() {
        for (environment, protected, is_protected) in environments {
            for answer in [None, Some(true), Some(false)] {
                let context = format!("{}, {environment:?}, {protected:?}, {answer:?}", case.what);
                let is_asked = is_protected && !case.reasons.is_empty();
                check(&case, (environment, protected), answer, is_asked, &context);
            }
        }
    }
}

fn check(
    case: &Case,
    (environment, protected): (Option<&str>, Option<&str>),
    answer: Option<bool>,
    is_asked: bool,
    context: &str,
) {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch(LIVE).unwrap();
    if !case.before.is_empty() {
        runner(case.before.clone()).run(&conn).unwrap();
        without_lock_file(&database);
    }
    let (before, tables) = (files(&database), rows(&conn, "SELECT name FROM sqlite_master"));

    let questions = Arc::new(AtomicUsize::new(0));
    let mut it = runner(case.set.clone());
    if let Some(environment) = environment {
        it = it.environment(environment);
    }
    if let Some(protected) = protected {
        it = it.protect([protected]);
    }
    if let Some(answer) = answer {
        let questions = Arc::clone(&questions);
        it = it.confirm(move |_| {
            questions.fetch_add(1, Ordering::Relaxed);
            answer
        });
    }
    let outcome = it.run_to(&conn, case.target.clone());
    let expected = usize::from(is_asked && answer.is_some());
    assert_eq!(questions.load(Ordering::Relaxed), expected, "{context}");
    if !is_asked || answer == Some(true) {
        let report = outcome.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(!report.applied.is_empty(), "{context}");
        return;
    }
    let error = outcome.unwrap_err();
    let what = if answer.is_none() { "the plan was not confirmed" } else { "the plan was rejected" };
    let environment = environment.unwrap();
    let reasons: Vec<(&str, String)> = case
        .reasons
        .iter()
        .map(|(id, reason)| (*id, format!("{reason}, `{environment}` is protected and {what}")))
        .collect();
    let reasons: Vec<(&str, &str)> = reasons.iter().map(|(id, reason)| (*id, &**reason)).collect();
    assert_eq!(error.kind(), ErrorKind::Refused, "{context}");
    assert_eq!(findings(error.problems()), reasons, "{context}");
    let is_it = |problem: &Problem| problem.kind == ProblemKind::Unconfirmed && problem.remedy.is_some();
    assert!(error.problems().iter().all(is_it), "{context}");
    for (id, reason) in reasons {
        assert!(error.to_string().contains(&format!("`{id}` {reason}")), "{context}: {error}");
    }
    assert_eq!(differing(&before, &files(&database)), Vec::<String>::new(), "{context}");
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_master"), tables, "{context}");
}

/// Two migrations, the second of which drops a table.
fn dropping() -> MigrationRunner {
    set([("1_a", "CREATE TABLE a (b)"), ("2_drop", "DROP TABLE log; DROP INDEX by_tag")])
}

#[test]
fn who_is_asked_sees_what_goes_and_how_many_rows() {
    let conn = memory();
    conn.execute_batch(LIVE).unwrap();
    conn.execute_batch("INSERT INTO log VALUES (2), (3)").unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let careful = dropping().environment("production").confirm(move |plan| {
        keep.lock().unwrap().push(plan.clone());
        true
    });
    assert_eq!(careful.run(&conn).unwrap().applied.len(), 2);
    assert!(careful.run(&conn).unwrap().is_up_to_date());
    careful.run_to(&conn, Target::Steps(3)).unwrap();
    careful.downgrade(&conn).unwrap();

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1, "asked once, and not where nothing is pending");
    let text = seen[0].to_string();
    assert!(text.starts_with("2 steps, with 0 migrations applied before:"), "{text}");
    assert!(text.contains("\n     drops the table `log` with 3 rows\n"), "{text}");
    let told = |step: usize| -> Vec<(EffectKind, &str, Option<u64>, Evidence)> {
        let effects = seen[0].steps()[step].effects.as_deref().unwrap().iter();
        effects.map(|effect| (effect.kind, &*effect.object, effect.rows, effect.evidence)).collect()
    };
    assert_eq!(told(0), []);
    let table = (EffectKind::DropsTable, "log", Some(3), Evidence::SchemaCopy);
    assert_eq!(told(1), [table, (EffectKind::DropsIndex, "by_tag", None, Evidence::SchemaCopy)]);
}

/// A person takes minutes to answer. If another program migrates in that time, the question changes.
#[test]
fn others_can_migrate_while_somebody_is_asked_and_the_question_is_asked_anew() {
    for answers in [[true, true], [true, false]] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch(LIVE).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (keep, path) = (Arc::clone(&seen), database.path());
        let careful = dropping().environment("production").confirm(move |plan| {
            let mut seen = keep.lock().unwrap();
            seen.push(plan.to_string());
            if seen.len() == 1 {
                let other = Connection::open(&path).unwrap();
                let hasty = dropping().lock_timeout(Duration::ZERO);
                assert_eq!(hasty.run_to(&other, Target::Steps(1)).unwrap().applied.len(), 1);
            }
            answers[seen.len() - 1]
        });
        let outcome = careful.run(&conn);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[0].starts_with("2 steps, with 0 migrations applied before:"), "{}", seen[0]);
        assert!(seen[1].starts_with("1 step, with 1 migration applied before:"), "{}", seen[1]);
        if answers[1] {
            let done = outcome.unwrap().applied;
            assert_eq!(done.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["2_drop"]);
        } else {
            assert_eq!(outcome.unwrap_err().problems()[0].kind, ProblemKind::Unconfirmed);
            assert_eq!(applied(&conn), ["1_a"]);
            assert_eq!(rows(&conn, "SELECT count(*) FROM log"), ["1"]);
        }
    }
}

/// Regression: the second question was asked while the lock was held.
#[test]
fn nobody_waits_for_an_answer_however_often_it_is_asked() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch(LIVE).unwrap();
    let (path, calls) = (database.path(), Arc::new(AtomicUsize::new(0)));
    let (outcomes, number) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&calls));
    let three =
        || set([("1_a", "CREATE TABLE a (b)"), ("2_b", "CREATE TABLE b (b)"), ("3_drop", "DROP TABLE log")]);
    let keep = Arc::clone(&outcomes);
    let careful = three().environment("production").confirm(move |_| {
        if number.fetch_add(1, Ordering::Relaxed) < 2 {
            let other = Connection::open(&path).unwrap();
            let outcome = three().lock_timeout(Duration::ZERO).run_to(&other, Target::Steps(1));
            keep.lock()
                .unwrap()
                .push(outcome.map(|report| report.applied.len()).map_err(|error| error.kind()));
        }
        true
    });
    careful.run(&conn).unwrap();
    assert_eq!(*outcomes.lock().unwrap(), [Ok(1), Ok(1)]);
}

#[test]
fn a_plan_that_was_made_before_is_asked_about_when_it_is_applied() {
    for (answer, goes) in [(None, false), (Some(true), true), (Some(false), false)] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch(LIVE).unwrap();
        let before = files(&database);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut careful = dropping().environment("production");
        if let Some(answer) = answer {
            let keep = Arc::clone(&seen);
            careful = careful.confirm(move |plan| {
                keep.lock().unwrap().push(plan.clone());
                answer
            });
        }
        let plan = careful.plan(&conn, Target::Latest).unwrap();
        assert!(seen.lock().unwrap().is_empty(), "making a plan asks nobody");
        let outcome = careful.apply(&conn, plan.clone());
        assert_eq!(*seen.lock().unwrap(), answer.map(|_| plan).into_iter().collect::<Vec<_>>());
        if goes {
            assert_eq!(outcome.unwrap().applied.len(), 2);
        } else {
            assert_eq!(outcome.unwrap_err().problems()[0].kind, ProblemKind::Unconfirmed);
            assert_eq!(differing(&before, &files(&database)), Vec::<String>::new());
        }
    }
}

/// A plan made by a runner of an unprotected environment does not bypass the confirmation.
#[test]
fn a_plan_of_another_runner_is_asked_about_too() {
    let conn = memory();
    conn.execute_batch(LIVE).unwrap();
    let plan = dropping().plan(&conn, Target::Latest).unwrap();
    let error = dropping().environment("production").apply(&conn, plan).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::Unconfirmed);
    assert_eq!(applied(&conn), Vec::<String>::new());
}

/// (kind of problem, runner, migrations applied before, SQL to run after that, target)
type Refusal = (ProblemKind, MigrationRunner, Vec<Migration>, &'static str, Target);

#[allow(clippy::too_many_lines, reason = "a row for each kind")]
fn refusals() -> Vec<Refusal> {
    let sql = |id, up| Migration::sql(id, up);
    let a = || sql("1_a", "CREATE TABLE a (x)");
    let b = || sql("2_b", "CREATE TABLE b (x)");
    let strict = |set: Vec<Migration>| runner(set).policy(Policy::STRICT);
    let deny = |set: Vec<Migration>, kind| runner(set).policy(Policy::DEFAULT.with(kind, Verdict::Deny));
    let unused = {
        let folder = TestMigrationBuilder::new()
            .reversible("2025-01-01-000000_it", "CREATE TABLE a (x)", "DROP TABLE a")
            .file("2025-01-01-000000_it/draft.sql", "DROP TABLE a");
        folder.runner().policy(Policy::STRICT)
    };
    let conventional = |id: &'static str, up| Migration::reversible(id, up, "");
    let non_transactional = || sql("2_b", "VACUUM").outside_transaction();
    let latest = || Target::Latest;
    let undoable = || Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a");
    let dirty = "UPDATE __switchy_migrations SET dirty = 1";
    vec![
        (ProblemKind::DatabaseAhead, runner([a()]), vec![a(), b()], "", latest()),
        (ProblemKind::DatabaseAhead, runner([a()]), vec![a(), b()], "", Target::Back(1)),
        (ProblemKind::Changed, runner([sql("1_a", "SELECT 1"), b()]), vec![a()], "", latest()),
        (ProblemKind::Changed, runner([sql("1_a", "SELECT 1")]), vec![a()], "", Target::Back(1)),
        (
            ProblemKind::ChangedDown,
            deny(
                vec![Migration::reversible("1_a", "CREATE TABLE a (x)", "DELETE FROM a")],
                ProblemKind::ChangedDown,
            ),
            vec![undoable()],
            "",
            Target::Back(1),
        ),
        (ProblemKind::Dirty, runner([a(), b()]), vec![a()], dirty, latest()),
        (ProblemKind::Dirty, runner([undoable()]), vec![undoable()], dirty, Target::Back(1)),
        (ProblemKind::OutOfOrder, deny(vec![a(), b()], ProblemKind::OutOfOrder), vec![b()], "", latest()),
        (
            ProblemKind::NeedsExcluded,
            runner([a().environments(["desk"]), b().depends_on("1_a")]),
            vec![],
            "",
            latest(),
        ),
        (ProblemKind::Irreversible, runner([a()]), vec![a()], "", Target::Back(1)),
        (ProblemKind::Irreversible, deny(vec![a()], ProblemKind::Irreversible), vec![], "", latest()),
        (
            ProblemKind::NotInBatch,
            runner([a(), non_transactional()]).transaction(TransactionMode::Batch),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::NotInTransaction,
            runner([a(), sql("2_b", "CREATE TABLE b (x); VACUUM")]),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::NotInTransaction,
            runner([Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a; COMMIT")]),
            vec![Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a; COMMIT")],
            "",
            Target::Back(1),
        ),
        (
            ProblemKind::Together,
            deny(
                vec![
                    sql("1_a", "DROP TABLE p"),
                    sql("2_b", "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1)"),
                ],
                ProblemKind::Together,
            ),
            vec![],
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p);
            INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
            latest(),
        ),
        (
            ProblemKind::Destructive,
            strict(vec![conventional("2025-01-01-000000_it", "DROP TABLE log")]),
            vec![],
            LIVE,
            latest(),
        ),
        (
            ProblemKind::Opaque,
            deny(vec![Migration::code("1_it", |conn| conn.execute_batch("SELECT 1"))], ProblemKind::Opaque),
            vec![],
            "",
            latest(),
        ),
        (ProblemKind::Unconfirmed, dropping().environment("production"), vec![], LIVE, latest()),
        (
            ProblemKind::Untrusted,
            runner([a()]),
            vec![a(), Migration::reversible("2_b", "", "DROP TABLE a")],
            "UPDATE __switchy_migrations SET down_sql = 'DROP TABLE b' WHERE name = '2_b'",
            Target::Known,
        ),
        (
            ProblemKind::OtherDatabase,
            deny(vec![a(), b().only_on([Dialect::Postgres])], ProblemKind::OtherDatabase),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::OtherEnvironment,
            deny(vec![a(), b().environments(["desk"])], ProblemKind::OtherEnvironment),
            vec![],
            "",
            latest(),
        ),
        (ProblemKind::Unconventional, strict(vec![conventional("it", "")]), vec![], "", latest()),
        (
            ProblemKind::SimilarIds,
            deny(vec![a(), sql("1_A", "CREATE TABLE b (x)")], ProblemKind::SimilarIds),
            vec![],
            "",
            latest(),
        ),
        (ProblemKind::UnusedFile, unused, vec![], "", latest()),
        (
            ProblemKind::QuotedString,
            deny(vec![sql("1_a", "CREATE TABLE a AS SELECT \"x\" AS y")], ProblemKind::QuotedString),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::Placeholder,
            runner([sql("1_a", "CREATE TABLE ${a} (b)").placeholder(Placeholder::new("a"))]),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::LiteralPlaceholder,
            deny(vec![sql("1_a", "CREATE TABLE \"${a}\" (b)")], ProblemKind::LiteralPlaceholder),
            vec![],
            "",
            latest(),
        ),
        (
            ProblemKind::DownPart,
            runner([sql("1_a", "-- +goose Up\nCREATE TABLE a (b);\n-- +goose Down\nDROP TABLE theirs;\n")]),
            vec![],
            "",
            latest(),
        ),
    ]
}

#[test]
fn whatever_refuses_a_plan_no_byte_is_written() {
    let mut seen: Vec<ProblemKind> = Vec::new();
    for (kind, refused, before, sql, target) in refusals() {
        let database = TestDatabase::new();
        let conn = database.connect();
        if !before.is_empty() {
            runner(before).run(&conn).unwrap();
            without_lock_file(&database);
        }
        conn.execute_batch(sql).unwrap();
        // A connection alone creates an empty file.
        conn.execute_batch("CREATE TABLE theirs (a)").unwrap();
        let before = files(&database);
        assert_eq!(before.keys().collect::<Vec<_>>(), ["test.db"]);

        let error = refused.run_to(&conn, target.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{kind}: {error}");
        assert!(error.problems().iter().any(|problem| problem.kind == kind), "{kind}: {error}");
        assert!(error.problems().iter().all(|problem| problem.verdict == Verdict::Deny), "{kind}: {error}");
        assert!(error.to_string().starts_with("nothing was done: "), "{kind}: {error}");
        assert!(error.report().applied.is_empty(), "{kind}");
        let mut after = files(&database);
        // Only a run that holds the lock can distinguish an unfinished step from one that another run is executing.
        assert_eq!(after.remove("test.db-migrate").is_some(), kind == ProblemKind::Dirty, "{kind}");
        assert_eq!(differing(&before, &after), Vec::<String>::new(), "{kind}");

        // A plan has the same problem, except the need for a confirmation, and cannot be applied.
        let plan = refused.plan(&conn, target).unwrap();
        let is_in_plan = plan.problems().iter().any(|problem| problem.kind == kind);
        assert_eq!(is_in_plan, kind != ProblemKind::Unconfirmed, "{plan}");
        let error = refused.apply(&conn, plan).unwrap_err();
        assert!(error.problems().iter().any(|problem| problem.kind == kind), "{kind}: {error}");
        let mut after = files(&database);
        after.remove("test.db-migrate");
        assert_eq!(differing(&before, &after), Vec::<String>::new(), "{kind}");
        seen.push(kind);
    }
    // The other kinds concern sources: they prevent the creation of a runner, or do not occur in a plan; or they concern what a step did, a
    // database in memory, or the way back.
    let of_sources = [
        ProblemKind::OddVersion,
        ProblemKind::InvalidId,
        ProblemKind::Duplicate,
        ProblemKind::MissingDependency,
        ProblemKind::Cycle,
        ProblemKind::Unreadable,
        ProblemKind::RowsLost,
        ProblemKind::BrokenReference,
        ProblemKind::LostInRebuild,
        ProblemKind::ValuesChanged,
        ProblemKind::NoSnapshot,
        ProblemKind::HiddenTable,
        ProblemKind::Fails,
        ProblemKind::DownFails,
        ProblemKind::DownLeavesBehind,
        ProblemKind::RowsNotBack,
        ProblemKind::Drift,
    ];
    let missing: Vec<ProblemKind> = ProblemKind::ALL
        .into_iter()
        .filter(|kind| !seen.contains(kind) && !of_sources.contains(kind))
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn strict_refuses_what_is_not_declared_and_nothing_else() {
    let id = "2025-01-01-000000_it";
    let folder = |up: &str, metadata: &str| {
        TestMigrationBuilder::new().reversible(id, up, "").metadata(id, metadata).runner()
    };
    let declared = Migration::reversible("2025-01-01-000000_it", "DROP TABLE log", "").allow_destructive();
    let allow = "allow = [\"destructive\"]";
    let undone = "CREATE TABLE t (x);\n-- +goose Down\nDROP TABLE t";
    let undone_in_code = Migration::reversible("2025-01-01-000000_it", undone, "").allow_down_part();
    let table = [
        ("a table", folder("DROP TABLE log", ""), Some("drops the table `log` with 1 row")),
        ("declared in its metadata", folder("DROP TABLE log", allow), None),
        ("declared in code", runner([declared]), None),
        ("rows", folder("DELETE FROM log", ""), Some("deletes rows of `log`, which has 1 row")),
        ("an index", folder("DROP INDEX by_tag", ""), None),
        ("its own table", folder("CREATE TABLE t (x); DROP TABLE t", ""), None),
        ("harmless", folder("CREATE TABLE t (x)", ""), None),
        ("a part that undoes it", folder(undone, "allow = [\"down-part\"]"), None),
        ("the same in code", runner([undone_in_code]), None),
    ];
    for (what, runner, expected) in table {
        let conn = memory();
        conn.execute_batch(LIVE).unwrap();
        let outcome = runner.policy(Policy::STRICT).run(&conn);
        match expected {
            None => assert_eq!(outcome.unwrap().applied.len(), 1, "{what}"),
            Some(finding) => {
                let error = outcome.unwrap_err();
                assert_eq!(findings(error.problems()), [(id, finding)], "{what}");
                assert_eq!(error.problems()[0].kind, ProblemKind::Destructive, "{what}");
                assert!(error.to_string().contains(allow), "how to declare it: {error}");
            }
        }
    }
}

#[test]
fn each_warning_is_told_once_and_stands_in_the_report() {
    // Each run has the findings of its plan, for every function that runs.
    let table: [(&str, Policy, &[ProblemKind]); 4] = [
        ("default", Policy::DEFAULT, &[ProblemKind::OutOfOrder, ProblemKind::OtherDatabase]),
        ("development", Policy::DEVELOPMENT, &[]),
        (
            "everything",
            ProblemKind::ALL.iter().fold(Policy::DEFAULT, |policy, &kind| policy.with(kind, Verdict::Warn)),
            &[
                ProblemKind::OutOfOrder,
                ProblemKind::Irreversible,
                ProblemKind::Destructive,
                ProblemKind::Opaque,
                ProblemKind::OtherDatabase,
                ProblemKind::Unconventional,
            ],
        ),
        (
            "what takes away",
            Policy::DEVELOPMENT.with(ProblemKind::Destructive, Verdict::Warn),
            &[ProblemKind::Destructive],
        ),
    ];
    for (what, policy, expected) in table {
        for is_plan in [false, true] {
            let conn = memory();
            conn.execute_batch(LIVE).unwrap();
            let base = || Migration::reversible("2025-01-02-000000_base", "", "");
            runner([base()]).run(&conn).unwrap();
            let told = Arc::new(Mutex::new(Vec::new()));
            let keep = Arc::clone(&told);
            let code = Migration::code("z_code", |_| Ok::<_, BoxError>(()));
            let it = runner([
                Migration::reversible("2025-01-01-000000_late", "DROP TABLE log", "SELECT 1"),
                base(),
                code,
                Migration::sql("z_else", "").only_on([Dialect::Mysql]),
            ]);
            let it = it.policy(policy.clone()).observe(move |event| {
                if let Event::Warning { problem } = event {
                    keep.lock().unwrap().push((*problem).clone());
                }
            });
            let report = if is_plan {
                it.apply(&conn, it.plan(&conn, Target::Latest).unwrap()).unwrap()
            } else {
                it.run(&conn).unwrap()
            };
            assert_eq!(report.notes, *told.lock().unwrap(), "{what}");
            let mut kinds: Vec<ProblemKind> = report.notes.iter().map(|note| note.kind).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, expected, "{what}, {is_plan}: {report}");
            assert!(report.notes.iter().all(|note| note.verdict == Verdict::Warn), "{what}");
            assert_eq!(report.to_string().matches("\n  note: ").count(), expected.len(), "{what}: {report}");
        }
    }
}

#[test]
fn a_developer_may_change_a_script_and_what_is_pending_runs() {
    let first = || [("1_a", "CREATE TABLE a (x)")];
    let changed = || set([("1_a", "CREATE TABLE a (x, y)"), ("2_b", "CREATE TABLE b (x)")]);
    let conn = memory();
    set(first()).run(&conn).unwrap();
    assert_eq!(changed().run(&conn).unwrap_err().problems()[0].kind, ProblemKind::Changed);
    let developing = changed().policy(Policy::DEVELOPMENT);
    let report = developing.run(&conn).unwrap();
    assert_eq!(report.applied.len(), 1);
    assert_eq!(findings(&report.notes).len(), 1);
    assert_eq!(report.notes[0].kind, ProblemKind::Changed);
    assert_eq!(applied(&conn), ["1_a", "2_b"]);
    // The next run reports it again, and applies nothing.
    let report = developing.run(&conn).unwrap();
    assert!(report.is_up_to_date());
    assert_eq!(report.notes[0].kind, ProblemKind::Changed);
    assert_eq!(schema(&conn), ["CREATE TABLE a (x)", "CREATE TABLE b (x)"]);
}

#[test]
fn a_plan_to_go_back_says_what_goes_and_changes_nothing() {
    let database = TestDatabase::new();
    let conn = database.connect();
    sample_set().run(&conn).unwrap();
    conn.execute_batch(
        "INSERT INTO notes (notebook_id, title) VALUES (1, 'mine'), (1, 'too');
        UPDATE notes SET body = 'edited' WHERE title = 'mine';
        UPDATE notebooks SET archived_at = 1",
    )
    .unwrap();
    without_lock_file(&database);
    let other = database.connect();
    let look = || rows(&other, "PRAGMA data_version");
    // The `-shm` file is the index of the WAL in memory, and contains the marks of readers.
    let written = || {
        let mut files = files(&database);
        files.remove("test.db-shm");
        files
    };
    let (before, version) = (written(), look());
    let plan = sample_set().plan(&conn, Target::BackTo("2025-01-27-093000_add_note_indexes".into())).unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/");
    assert_eq!(plan.to_string().replace(root, ""), BACK);
    assert_eq!(differing(&before, &written()), Vec::<String>::new());
    assert_eq!(look(), version);
    conn.execute_batch("INSERT INTO tags (name) VALUES ('new')").unwrap();
    assert_ne!(look(), version, "the look would have told");
}

const BACK: &str = "\
8 steps, with 14 migrations applied before:
  1. down 2025-03-14-100000_create_notes_fts: Full-text search over notes (FTS5) (2025-03-14-100000_create_notes_fts/down.sql)
     drops the table `notes_fts` with 3 rows
     drops the trigger `notes_fts_delete`
     drops the trigger `notes_fts_insert`
     drops the trigger `notes_fts_update`
  2. down 2025-03-12-090000_create_note_overview: Create the note_overview view for the note list (2025-03-12-090000_create_note_overview/down.sql)
     drops the view `note_overview`
  3. down 2025-03-05-163000_archive_notebooks: Archive a notebook together with the notebooks inside it (2025-03-05-163000_archive_notebooks/down.sql)
     drops the column `notebooks.archived_at` with 1 value
     drops the trigger `notebooks_archive_nested`
     drops the index `notebooks_active_idx`
  4. down 2025-03-10-110000_nest_notebooks: Rebuild notebooks so that they can be nested (2025-03-10-110000_nest_notebooks/down.sql)
     replaces the table `notebooks` with 1 row
     drops the column `notebooks.parent_id` with 0 values
     drops the index `notebooks_parent_idx`
  5. down 2025-03-03-134500_create_notebook_settings: Create notebook settings, one row per notebook (2025-03-03-134500_create_notebook_settings/down.sql)
     drops the table `notebook_settings` with 1 row
     drops the trigger `notebooks_default_settings`
  6. down 2025-02-24-091500_add_note_positions: Add notes.position and number the existing notes (2025-02-24-091500_add_note_positions/down.sql)
     drops the column `notes.position` with 3 values
     drops the index `notes_position_idx`
  7. down 2025-02-10-154500_create_note_revisions: Keep the last 20 revisions of each note (2025-02-10-154500_create_note_revisions/down.sql)
     drops the table `note_revisions` with 1 row
     drops the trigger `notes_keep_revision`
     drops the index `note_revisions_note_idx`
  8. down 2025-02-03-110000_enable_wal: Switch the database to write-ahead logging; outside a transaction (2025-02-03-110000_enable_wal/down.sql)";

fn fold(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
    conn.create_scalar_function("fold", 1, flags, |context| context.get::<i64>(0))
}

/// Regression: a drop with `IF EXISTS` of a table that could not be copied passes on the copy, so it seemed to delete nothing.
#[test]
fn a_table_that_cannot_be_copied_does_not_go_unasked() {
    for script in ["DROP TABLE phrases", "DROP TABLE IF EXISTS phrases"] {
        let conn = memory();
        fold(&conn).unwrap();
        conn.execute_batch("CREATE TABLE phrases (x CHECK (fold(x) > 0)); INSERT INTO phrases VALUES (1)")
            .unwrap();
        let careful =
            MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().environment("production");
        let error = careful.run(&conn).map(|report| report.to_string()).expect_err(script);
        assert_eq!(error.problems()[0].kind, ProblemKind::Unconfirmed, "{script}");
        assert_eq!(rows(&conn, "SELECT x FROM phrases"), ["1"], "{script}");
    }
}

/// Regression: foreign keys are not enforced on the copy, so the deletions of a cascade were not detected.
#[test]
fn rows_that_a_cascade_deletes_are_told() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY); INSERT INTO notes VALUES (1);
        CREATE TABLE parts (note REFERENCES notes (id) ON DELETE CASCADE); INSERT INTO parts VALUES (1), (1)",
    )
    .unwrap();
    let it = Migration::sql("1_it", "DELETE FROM notes").foreign_keys(ForeignKeys::Enforced).allow_cascade();
    let plan = runner([it]).plan(&conn, Target::Latest).unwrap().to_string();
    assert!(plan.contains("deletes rows of `notes`, which has 1 row"), "{plan}");
    assert!(plan.contains("deletes rows of `parts`, which has 2 rows"), "{plan}");
}

#[test]
fn what_only_the_application_can_run_is_read_from_its_text_unless_its_connection_is_prepared() {
    let careful = || set([("1_it", "DELETE FROM log WHERE fold(x) = 1")]).environment("production");
    let refused = |runner: MigrationRunner| -> MigrationError {
        let conn = memory();
        conn.execute_batch(LIVE).unwrap();
        fold(&conn).unwrap();
        let error = runner.run(&conn).unwrap_err();
        assert_eq!(rows(&conn, "SELECT count(*) FROM log"), ["1"]);
        error
    };
    let read = refused(careful()).to_string();
    assert!(
        read.contains("deletes rows of `log`, which has 1 row (as its text reads), `production`"),
        "{read}"
    );
    let said = refused(careful().prepare_connection(|conn| Ok(fold(conn)?))).to_string();
    assert!(said.contains("deletes rows of `log`, which has 1 row, `production`"), "{said}");

    // The failure of the hook is reported and nothing runs, because the effects cannot be determined.
    let failing = refused(careful().prepare_connection(|_| Err("no key".into())));
    assert_eq!(failing.kind(), ErrorKind::Database);
    assert!(
        failing.to_string().contains("the function given to `prepare_connection` failed: no key"),
        "{failing}"
    );

    // If the author declared the effect, it runs on the application's own connection.
    let conn = memory();
    conn.execute_batch(LIVE).unwrap();
    fold(&conn).unwrap();
    careful().confirm(|_| true).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT count(*) FROM log"), ["0"]);
}

/// A part that undoes its script is looked for before the script begins, and not when it goes on or is undone.
#[test]
fn a_part_that_undoes_its_script_is_no_obstacle_once_it_has_begun() {
    let up = "CREATE TABLE a (b);\n-- migrate:down\nCREATE TABLE c (d)";
    let set = |policy: Policy| {
        let it = Migration::reversible("1_it", up, "DROP TABLE a; DROP TABLE c").outside_transaction();
        MigrationRunner::new([it]).unwrap().policy(policy)
    };
    let conn = memory();
    conn.execute_batch("CREATE TABLE c (d)").unwrap();
    assert_eq!(set(Policy::DEFAULT).run(&conn).unwrap_err().kind(), ErrorKind::Refused);
    let allowing = Policy::DEFAULT.with(ProblemKind::DownPart, Verdict::Allow);
    assert_eq!(set(allowing).run(&conn).unwrap_err().kind(), ErrorKind::Step);
    conn.execute_batch("DROP TABLE c").unwrap();
    set(Policy::DEFAULT).recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    assert_eq!(set(Policy::DEFAULT).run(&conn).unwrap().applied.len(), 1);
    assert_eq!(set(Policy::DEFAULT).rollback(&conn, 1).unwrap().applied.len(), 1);
}
