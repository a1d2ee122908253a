//! Validation reports all problems at once, with their locations and remedies, before a database is changed.

use std::path::Path;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows};
use switchy_schema::{
    Checksum, Dialect, DirectoryMigrations, Migration, MigrationRunner, Policy, Problem, ProblemKind, Sqlite,
    Verdict,
};

use crate::execution::{applied, memory, set};
use crate::safety::{differing, files, runner, without_lock_file};

fn examine(folder: &Path) -> Vec<Problem> {
    MigrationRunner::<Sqlite>::examine(DirectoryMigrations::from_path(folder))
}

fn id(n: usize) -> String {
    format!("2025-01-01-{:02}{:02}{:02}_it", n / 3600, n / 60 % 60, n % 60)
}

/// Statements that fail after the first four lines of a script: the statement, the column of the error, and the message.
const FAILURES: [(&str, usize, &str); 4] = [
    ("  SELEKT 1", 3, "near \"SELEKT\": syntax error"),
    ("SELECT 1; INSERT INTO missing VALUES (1)", 11, "no such table: missing"),
    ("\tSELECT x, nope FROM t0", 12, "no such column: nope"),
    ("   CREATE UNIQUE INDEX u ON t0 (x)", 4, "UNIQUE constraint failed: t0.x"),
];

#[test]
fn in_a_long_set_the_first_script_that_fails_is_found_by_file_line_and_column() {
    let up = |n: usize| {
        let table = format!("CREATE TABLE t{n} (\n    x TEXT -- é;\n);\n");
        format!("{table}INSERT INTO t{n} VALUES ('a'), ('a');\n")
    };
    let folder = (0..200).fold(TestMigrationBuilder::new(), |folder, n| {
        folder.reversible(&id(n), &up(n), &format!("DROP TABLE t{n}"))
    });
    assert_eq!(examine(folder.path()), []);
    let write =
        |n: usize, text: String| std::fs::write(folder.path().join(id(n)).join("up.sql"), text).unwrap();
    // Pseudorandom places; the last place is always tried.
    let mut random: usize = 0x2545_F491;
    let mut places: Vec<usize> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12345) & 0x7FFF_FFFF;
        random / 7 % 200
    })
    .take(9)
    .collect();
    places.push(199);
    for place in places {
        for (number, (statement, column, message)) in FAILURES.into_iter().enumerate() {
            write(place, format!("{}{statement};\nDROP TABLE t{place}", up(place)));
            // A second error after it is not reported.
            if place < 199 {
                write(199, FAILURES[(number + 1) % 4].0.to_owned());
            }
            let found = examine(folder.path());
            let context = format!("{place}: {statement}: {found:#?}");
            assert_eq!(found.len(), 1, "{context}");
            let problem = &found[0];
            assert_eq!((problem.kind, problem.verdict), (ProblemKind::Fails, Verdict::Deny), "{context}");
            assert_eq!(problem.migration, *id(place), "{context}");
            assert!(problem.finding.contains(message), "{context}");
            let at = problem.at.as_ref().unwrap();
            assert_eq!(Path::new(&at.origin), folder.path().join(id(place)).join("up.sql"), "{context}");
            let position = at.position.unwrap();
            assert_eq!((position.line, position.column), (5, column), "{context}");
            // The location is also in the text for people.
            assert!(problem.to_string().contains(&format!("up.sql:5:{column}")), "{context}");
            for n in [place, 199] {
                write(n, up(n));
            }
        }
    }
}

/// The kind, the migration or file, and the location relative to the folder, of each finding. Checks that each has a remedy.
fn shapes(found: &[Problem], folder: &Path) -> Vec<(ProblemKind, String, String)> {
    let relative = |text: &str| text.replace(&format!("{}/", folder.display()), "");
    let mut told: Vec<_> = found
        .iter()
        .map(|problem| {
            assert!(problem.remedy.is_some(), "{problem}");
            assert!(!problem.finding.is_empty(), "{problem:?}");
            let at = problem.at.as_ref().map(ToString::to_string).unwrap_or_default();
            (problem.kind, relative(problem.migration.as_str()), relative(&at))
        })
        .collect();
    told.sort();
    told
}

#[track_caller]
fn check(folder: &TestMigrationBuilder, expected: &[(ProblemKind, &str, &str)]) {
    let found = examine(folder.path());
    let told = shapes(&found, folder.path());
    let told: Vec<_> = told.iter().map(|(kind, id, at)| (*kind, &**id, &**at)).collect();
    assert_eq!(told, expected, "{found:#?}");
}

const A: &str = "2025-01-01-000000_a";
const B: &str = "2025-01-02-000000_b";
const C: &str = "2025-01-03-000000_c";

#[test]
fn a_folder_that_is_not_there_is_a_finding() {
    let folder = TestMigrationBuilder::new().file("file", "");
    for (name, finding, remedy) in [
        ("missing", "is not an existing folder", "check the path, or create it"),
        ("file", "is malformed: it is not a folder", "check the path"),
    ] {
        let path = folder.path().join(name);
        let found = examine(&path);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].verdict), (ProblemKind::Unreadable, Verdict::Deny));
        assert_eq!(found[0].migration.as_str(), path.to_str().unwrap());
        assert_eq!(found[0].finding, finding);
        assert_eq!(found[0].remedy.as_ref().unwrap().to_string(), remedy);
    }
}

#[test]
fn every_malformed_file_is_named_with_its_place() {
    let folder = TestMigrationBuilder::new()
        .file(format!("{A}/up.sql"), b"SELECT '\xff'")
        .file(format!("{C}/up.sql"), "SELECT 1;\n\0")
        .file("up.sql", "SELECT 1")
        .file("d.up.oracle.sql", "SELECT 1");
    let (a, c) = (format!("{A}/up.sql"), format!("{C}/up.sql"));
    let unreadable = ProblemKind::Unreadable;
    check(
        &folder,
        &[
            (unreadable, &a, &a),
            (unreadable, &c, &format!("{c}:2:1")),
            (unreadable, "d.up.oracle.sql", "d.up.oracle.sql"),
            (unreadable, "up.sql", "up.sql"),
        ],
    );
    let found = examine(folder.path());
    let text = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for part in [
        "it is not UTF-8 text from byte 8 on; save it as UTF-8",
        "it holds a NUL byte, where SQL would end; remove it",
        "`oracle`",
        "it lies in no migration's folder",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn every_malformed_metadata_is_named_with_its_place() {
    let folder = TestMigrationBuilder::new()
        .migration(A, "")
        .metadata(A, "allow = [\"destruction\"]")
        .migration(B, "")
        .metadata(B, "description = \"b\"\ndepend_on = []")
        .file(format!("{C}/metadata.toml"), "");
    let (a, b, c) =
        (format!("{A}/metadata.toml"), format!("{B}/metadata.toml"), format!("{C}/metadata.toml"));
    let unreadable = ProblemKind::Unreadable;
    check(
        &folder,
        &[
            (unreadable, &a, &format!("{a}:1:10")),
            (unreadable, &b, &format!("{b}:2:1")),
            (unreadable, &c, &c),
        ],
    );
    let text = format!("{:?}", examine(folder.path()));
    assert!(text.contains("unknown field `depend_on`"), "{text}");
    assert!(text.contains("docs/format.md lists the keys of metadata.toml"), "{text}");
}

/// Regression: if a script was malformed, the metadata was not checked, so its author needed two rounds.
#[test]
fn malformed_metadata_and_a_malformed_script_are_named_together() {
    let folder = TestMigrationBuilder::new()
        .file(format!("{A}/up.sql"), b"\xff")
        .migration(B, "")
        .metadata(B, "depend_on = []");
    let (a, b) = (format!("{A}/up.sql"), format!("{B}/metadata.toml"));
    check(&folder, &[(ProblemKind::Unreadable, &a, &a), (ProblemKind::Unreadable, &b, &format!("{b}:1:1"))]);
}

#[test]
fn everything_that_keeps_a_set_from_being_one_is_said_with_what_its_author_should_know() {
    let folder = TestMigrationBuilder::new()
        .reversible(A, "", "")
        .metadata(A, &format!("depends_on = [\"{B}\"]"))
        .reversible(B, "", "")
        .metadata(B, &format!("depends_on = [\"{A}\"]"))
        .reversible(C, "", "")
        .metadata(C, "depends_on = [\"2025-01-02-000000_bb\"]")
        .migration("unnamed", "")
        .file(format!("{C}/draft.sql"), "");
    let up = |id: &str| format!("{id}/up.sql");
    check(
        &folder,
        &[
            (ProblemKind::Irreversible, "unnamed", &up("unnamed")),
            (ProblemKind::Unconventional, "unnamed", &up("unnamed")),
            (ProblemKind::UnusedFile, C, &up(C)),
            (ProblemKind::MissingDependency, C, &up(C)),
            (ProblemKind::Cycle, A, &up(A)),
        ],
    );
    let text = format!("{:?}", examine(folder.path()));
    assert!(text.contains(&format!("the nearest is `{B}`")), "{text}");
    assert!(text.contains("draft.sql"), "{text}");
}

#[test]
fn duplicates_are_named_with_both_places() {
    let folder = TestMigrationBuilder::new()
        .migration(&format!("one/{A}"), "")
        .migration(&format!("two/{A}"), "")
        .migration(&format!("one/{B}"), "")
        .file(format!("two/{B}.sql"), "");
    let found = examine(folder.path());
    let told = shapes(&found, folder.path());
    let kinds: Vec<_> = told.iter().map(|(kind, id, _)| (*kind, &**id)).collect();
    assert_eq!(kinds, [(ProblemKind::Duplicate, A), (ProblemKind::Duplicate, B)]);
    for problem in &found {
        assert!(problem.finding.contains("one/") && problem.finding.contains("two/"), "{problem}");
    }
    // The location of a migration in code is that of its definition.
    let twice = ["1_a", "1_a"].map(|id| Migration::reversible(id, "", ""));
    let found = MigrationRunner::<Sqlite>::examine(twice);
    let duplicate = found.iter().find(|problem| problem.kind == ProblemKind::Duplicate).unwrap();
    assert!(duplicate.at.as_ref().unwrap().origin.contains("validation.rs:"), "{duplicate:?}");
}

#[test]
fn lints_and_a_script_that_fails_come_together() {
    let folder = TestMigrationBuilder::new()
        .migration(A, "CREATE TABLE a (b);")
        .file(format!("{A}/later.sql"), "")
        .reversible("x", "SELECT 1;\nDROP TABLE nothing", "SELECT 1")
        .reversible(B, "", "")
        .metadata(B, "databases = [\"postgres\"]")
        .reversible(C, "", "")
        .metadata(C, "environments = [\"desk\"]");
    let up = |id: &str| format!("{id}/up.sql");
    let found = examine(folder.path());
    let kinds: Vec<_> =
        found.iter().map(|problem| (problem.kind, problem.migration.as_str(), problem.verdict)).collect();
    for expected in [
        (ProblemKind::Irreversible, A, Verdict::Warn),
        (ProblemKind::UnusedFile, A, Verdict::Warn),
        (ProblemKind::Unconventional, "x", Verdict::Warn),
        (ProblemKind::OtherDatabase, B, Verdict::Warn),
        (ProblemKind::OtherEnvironment, C, Verdict::Warn),
        (ProblemKind::Fails, "x", Verdict::Deny),
    ] {
        assert_eq!(kinds.iter().filter(|kind| **kind == expected).count(), 1, "{expected:?} in {found:#?}");
    }
    assert_eq!(kinds.len(), 6, "{found:#?}");
    assert!(found.iter().all(|problem| problem.at.is_some()), "{found:#?}");
    let fails = found.iter().find(|problem| problem.kind == ProblemKind::Fails).unwrap();
    let path = folder.path().join(up("x"));
    assert_eq!(fails.at.as_ref().unwrap().to_string(), format!("{}:2:12", path.display()));
    // None of the lints prevents a working set from running.
    std::fs::write(path, "").unwrap();
    assert_eq!(folder.runner().run(&memory()).unwrap().applied.len(), 2);
}

/// A database with many kinds of problems, and a set for it.
fn troubled() -> (TestDatabase, Connection, Vec<Migration>) {
    let database = TestDatabase::new();
    let conn = database.connect();
    let it = |id, up| Migration::reversible(id, up, "SELECT 1");
    let applied = [
        it("2025-01-01-000000_changed", "CREATE TABLE a (x);\nCREATE TABLE b (x)"),
        it("2025-01-03-000000_dirty", "CREATE TABLE c (x)"),
        it("2025-01-09-000000_ahead", "CREATE TABLE d (x)"),
    ];
    runner(applied).run(&conn).unwrap();
    conn.execute_batch(
        "INSERT INTO a VALUES (1), (2); UPDATE __switchy_migrations SET dirty = 1 WHERE name LIKE '%dirty';
        ALTER TABLE c RENAME COLUMN x TO drifted",
    )
    .unwrap();
    without_lock_file(&database);
    let set = vec![
        it("2025-01-01-000000_changed", "CREATE TABLE a (x);\nCREATE TABLE b (x, y)"),
        it("2025-01-02-000000_late", "CREATE TABLE e (x)"),
        it("2025-01-03-000000_dirty", "CREATE TABLE c (x)"),
        it("2025-01-04-000000_drops", "DROP TABLE a"),
        it("2025-01-05-000000_drifted", "SELECT 1;\nCREATE INDEX i ON c (x)"),
        Migration::code("2025-01-06-000000_code", |conn| conn.execute_batch("SELECT 1")),
        it("2025-01-07-000000_else", "").only_on([Dialect::Mysql]),
        it("odd", ""),
    ];
    (database, conn, set)
}

#[test]
fn a_database_is_validated_as_a_whole_and_not_touched() {
    use Verdict::{Deny, Warn};
    // (kind, migration, the verdicts of the default, the strict and the lenient policy)
    let expected = [
        (ProblemKind::DatabaseAhead, "2025-01-09-000000_ahead", [Deny, Deny, Warn]),
        (ProblemKind::Changed, "2025-01-01-000000_changed", [Deny, Deny, Warn]),
        (ProblemKind::Dirty, "2025-01-03-000000_dirty", [Deny, Deny, Deny]),
        (ProblemKind::OutOfOrder, "2025-01-02-000000_late", [Warn, Deny, Warn]),
        (ProblemKind::Irreversible, "2025-01-06-000000_code", [Warn, Warn, Warn]),
        (ProblemKind::Destructive, "2025-01-04-000000_drops", [Warn, Deny, Warn]),
        (ProblemKind::Opaque, "2025-01-06-000000_code", [Warn, Warn, Warn]),
        (ProblemKind::OtherDatabase, "2025-01-07-000000_else", [Warn, Warn, Warn]),
        (ProblemKind::Unconventional, "odd", [Warn, Deny, Warn]),
        (ProblemKind::Fails, "2025-01-05-000000_drifted", [Deny, Deny, Deny]),
    ];
    let policies = [Policy::DEFAULT, Policy::STRICT, Policy::DEVELOPMENT];
    for (number, policy) in policies.into_iter().enumerate() {
        let (database, conn, set) = troubled();
        let other = database.connect();
        let version = rows(&other, "PRAGMA data_version");
        let before = files(&database);
        let found = runner(set).policy(policy).validate(&conn).unwrap();
        for (kind, migration, verdicts) in &expected {
            let all: Vec<_> =
                found.iter().filter(|it| it.kind == *kind && it.migration == **migration).collect();
            assert_eq!(all.len(), 1, "{kind} of {migration}: {found:#?}");
            assert_eq!(all[0].verdict, verdicts[number], "{kind} of {migration}, policy {number}");
        }
        let unexpected: Vec<_> = found
            .iter()
            .filter(|it| {
                !expected.iter().any(|(kind, migration, _)| it.kind == *kind && it.migration == **migration)
            })
            .map(ToString::to_string)
            .collect();
        assert_eq!(unexpected, Vec::<String>::new());
        let fails = found.iter().find(|it| it.kind == ProblemKind::Fails).unwrap();
        assert!(fails.finding.contains("on a copy of this database's schema"), "{fails}");
        let position = fails.at.as_ref().unwrap().position.unwrap();
        assert_eq!(position.line, 2, "{fails:?}");
        let destructive = found.iter().find(|it| it.kind == ProblemKind::Destructive).unwrap();
        assert_eq!(destructive.finding, "drops the table `a` with 2 rows");
        let changed = found.iter().find(|it| it.kind == ProblemKind::Changed).unwrap();
        assert!(changed.detail.as_deref().unwrap().contains("+CREATE TABLE b (x, y)"), "{changed:?}");
        assert_eq!(differing(&before, &files(&database)), Vec::<String>::new());
        assert_eq!(rows(&other, "PRAGMA data_version"), version);
        assert_eq!(applied(&conn).len(), 3);
    }
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    let sound =
        || runner([Migration::reversible("2025-01-01-000000_a", "CREATE TABLE a (x)", "DROP TABLE a")]);
    let database = TestDatabase::new();
    let conn = database.connect();
    for _ in 0..2 {
        assert_eq!(sound().validate(&conn).unwrap(), []);
        assert_eq!(sound().validate_source(), []);
        sound().run(&conn).unwrap();
    }
}

#[test]
fn a_changed_script_is_shown_with_both_hashes_and_its_lines() {
    const BEFORE: &str = "CREATE TABLE users (\n    id INTEGER PRIMARY KEY,\n    name TEXT\n);\n";
    const AFTER: &str = "CREATE TABLE users (\n    id INTEGER PRIMARY KEY,\n    name TEXT NOT NULL\n);\n";
    let conn = memory();
    set([("1_users", BEFORE)]).run(&conn).unwrap();
    let error = set([("1_users", AFTER)]).run(&conn).unwrap_err();
    let problem = &error.problems()[0];
    assert_eq!(problem.kind, ProblemKind::Changed);
    for hash in [Checksum::of(BEFORE), Checksum::of(AFTER)] {
        assert!(problem.finding.contains(&hash.to_string()), "{problem}");
        assert!(error.to_string().contains(&hash.to_string()), "{error}");
    }
    let lines = "@@ -1,4 +1,4 @@\n CREATE TABLE users (\n     id INTEGER PRIMARY KEY,\n-    name TEXT\n+    name TEXT NOT NULL\n );";
    assert_eq!(problem.detail.as_deref(), Some(lines));
    let long = format!("{error:#}");
    assert!(long.contains(&format!("`1_users` as it was applied (-) and as it is (+):\n{lines}")), "{long}");
    assert!(!error.to_string().contains("+    name"), "one sentence only: {error}");

    // These are not changes and have no finding: line endings, and an accepted text.
    let crlf = AFTER.replace('\n', "\r\n").replace(" NOT NULL", "");
    assert!(runner([Migration::from_scripts("1_users", crlf, None)]).run(&conn).unwrap().is_up_to_date());
    let accepted = Migration::sql("1_users", AFTER).accept(Checksum::of(BEFORE));
    assert_eq!(runner([accepted]).run(&conn).unwrap().notes, []);
}

#[test]
fn a_long_script_that_changed_has_hashes_and_no_lines() {
    // The longest text that is stored, and one byte more.
    for (length, is_kept) in [(65_536, true), (65_537, false)] {
        let text = |last: &str| {
            let end = format!("\nSELECT {last}");
            format!("-- {}{end}", "x".repeat(length - end.len() - 3))
        };
        assert_eq!(text("1").len(), length);
        let conn = memory();
        let it = |last| runner([Migration::from_scripts("1_seed", text(last), None)]);
        it("1").run(&conn).unwrap();
        let error = it("2").run(&conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Changed);
        assert!(error.problems()[0].finding.contains(&Checksum::of(&text("1")).to_string()));
        assert_eq!(error.problems()[0].detail.is_some(), is_kept, "{length}");
        assert_eq!(format!("{error:#}").contains("+SELECT 2"), is_kept, "{length}");
    }
}
