//! Findings about names and texts that a person mistyped or changed by accident, each beside one that resembles it and is none.

use std::fs;

use rusqlite::Connection;
use switchy_schema::build::Embed;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder};
use switchy_schema::{
    ErrorKind, Migration, MigrationError, MigrationRunner, Policy, Problem, ProblemKind, Recovery, Signature,
    Sqlite, Target, Verdict,
};

use crate::execution::{applied, memory, set};
use crate::safety::{differing, files, runner};
use crate::sentences::is_one_sentence;

const USERS: &str = "CREATE TABLE users (name TEXT)";

/// Ids with their scripts.
type Scripts = &'static [(&'static str, &'static str)];

/// The error of the second set after the first was applied.
fn after(first: (&'static str, &'static str), second: &[(&'static str, &'static str)]) -> MigrationError {
    let conn = memory();
    set([first]).run(&conn).unwrap();
    runner(second.iter().map(|(id, up)| Migration::sql(id, up)).collect::<Vec<_>>()).run(&conn).unwrap_err()
}

#[test]
fn a_renamed_migration_is_recognised_by_its_script_or_its_name() {
    let both = Some("the same script and nearly the same name");
    let rows: [(Scripts, Option<&str>); 8] = [
        (&[("2_add_user", USERS)], both),
        (&[("2_ADD_users", USERS)], both),
        (&[("2_add_user", "CREATE TABLE users (name)")], Some("nearly the same name")),
        (&[("5_people", USERS)], Some("the same script")),
        (&[("2_add_posts", "CREATE TABLE posts (a)"), ("7_people", USERS)], Some("the same script")),
        (&[("2_add_posts", "CREATE TABLE posts (a)")], None),
        (&[("3_add_users", "CREATE TABLE more (a)")], None),
        (&[], None),
    ];
    for (second, expected) in rows {
        let error = after(("2_add_users", USERS), second);
        let said = error.to_string();
        is_one_sentence(&said);
        assert!(error.is_database_ahead());
        assert_eq!(said.contains("was renamed"), expected.is_some(), "{said}");
        if let (Some(likeness), Some((id, _))) = (expected, second.last()) {
            assert!(said.contains(&format!("this program does not know it, while `{id}` is pending and has {likeness}; give `{id}` its old name back if it was renamed, or use the newer version of the program that applied it")), "{said}");
        }
    }
    // Many scripts are empty.
    let said = after(("2_add_users", ""), &[("5_people", "")]).to_string();
    assert!(!said.contains("renamed"), "{said}");
}

/// A downgrade would undo a renamed migration and lose its rows, so it is not offered.
#[test]
fn nobody_is_told_to_downgrade_what_was_renamed() {
    let conn = memory();
    runner([Migration::reversible("2_add_users", USERS, "DROP TABLE users")]).run(&conn).unwrap();
    let said = |set: MigrationRunner| set.run(&conn).unwrap_err().to_string();
    let renamed = said(set([("2_add_user", USERS)]));
    assert!(renamed.contains("its old name back") && !renamed.contains("downgrade"), "{renamed}");
    assert!(said(set([])).contains("downgrade"));
}

#[test]
fn white_space_at_an_end_is_said_in_words() {
    let words =
        "the texts differ only in white space at the end of a line or of the file; put the applied text back";
    let trigger = "CREATE TABLE a (b);\nSELECT 1;\n";
    for (now, expected) in [
        ("CREATE TABLE a (b);\nSELECT 1;", true),
        ("CREATE TABLE a (b);  \nSELECT 1;\n\n", true),
        ("CREATE TABLE a (b);\n\nSELECT 1;\n", false),
        ("CREATE TABLE a  (b);\nSELECT 1;\n", false),
    ] {
        let error = after(("1_a", trigger), &[("1_a", now)]);
        is_one_sentence(&error.to_string());
        assert_eq!(error.to_string().contains(words), expected, "{error}");
        assert_eq!(error.problems()[0].detail.is_none(), expected, "{error:#}");
    }
}

fn down(text: &'static str) -> MigrationRunner {
    runner([Migration::reversible("1_a", "CREATE TABLE a (b)", text)])
}

fn of_kind(problems: &[Problem], kind: ProblemKind) -> Option<String> {
    problems.iter().find(|it| it.kind == kind).map(ToString::to_string)
}

#[test]
fn a_down_script_that_changed_is_found_where_the_records_are_read() {
    let find = |conn: &Connection, set: &MigrationRunner, target| {
        of_kind(set.plan(conn, target).unwrap().problems(), ProblemKind::ChangedDown)
    };
    let conn = memory();
    down("DROP TABLE a").run(&conn).unwrap();
    for (text, is_changed) in [
        ("DROP TABLE a", false),
        ("\u{feff}DROP TABLE a", false),
        ("DROP TABLE IF EXISTS a", true),
        ("DROP TABLE a ", true),
    ] {
        let now = down(text);
        for target in [Target::Latest, Target::Back(1)] {
            let found = find(&conn, &now, target);
            assert_eq!(found.is_some(), is_changed, "{text:?}: {found:?}");
            found.inspect(|found| is_one_sentence(found));
        }
        assert_eq!(of_kind(&now.validate(&conn).unwrap(), ProblemKind::ChangedDown).is_some(), is_changed);
        // A start with nothing pending reads no records.
        assert_eq!(now.run(&conn).unwrap().notes, []);
    }
    let said = find(&conn, &down("DROP TABLE IF EXISTS a"), Target::Back(1)).unwrap();
    assert!(said.contains("a rollback runs the one in tests/it/findings.rs:"), "{said}");
    assert!(said.contains("not the one that is stored; put the stored text back, or call `recover` with `Recovery::Accept` to accept it only in this database if the new one undoes what was applied"), "{said}");
    let said = find(&conn, &down("DROP TABLE a "), Target::Back(1)).unwrap();
    assert!(said.contains("only in white space"), "{said}");
    // It was never stored, or it is gone, or it is code now: nothing is known.
    assert_eq!(find(&conn, &set([("1_a", "CREATE TABLE a (b)")]), Target::Latest), None);
    assert_eq!(find(&conn, &down("-- a template"), Target::Latest), None);
    let code = Migration::sql("1_a", "CREATE TABLE a (b)")
        .undo(|conn: &Connection| conn.execute_batch("DROP TABLE a"));
    assert_eq!(find(&conn, &runner([code]), Target::Latest), None);
    let without = memory();
    set([("1_a", "CREATE TABLE a (b)")]).run(&without).unwrap();
    assert_eq!(find(&without, &down("DROP TABLE a"), Target::Latest), None);
}

#[test]
fn a_rollback_runs_the_script_of_the_set_and_says_so() {
    let conn = memory();
    down("DROP TABLE a").run(&conn).unwrap();
    let strict = down("ALTER TABLE a RENAME TO b")
        .policy(Policy::DEFAULT.with(ProblemKind::ChangedDown, Verdict::Deny));
    assert_eq!(strict.rollback(&conn, 1).unwrap_err().kind(), ErrorKind::Refused);
    let report = down("ALTER TABLE a RENAME TO b").rollback(&conn, 1).unwrap();
    assert_eq!(report.notes.len(), 1, "{report:?}");
    assert_eq!(report.notes[0].kind, ProblemKind::ChangedDown);
    conn.execute_batch("SELECT * FROM b").unwrap();
}

#[test]
fn a_changed_down_script_can_be_accepted() {
    let conn = memory();
    down("DROP TABLE a").run(&conn).unwrap();
    let now = down("DROP TABLE IF EXISTS a");
    now.recover(&conn, Recovery::Accept("1_a".into()), Signature::of("ada").because("the same")).unwrap();
    assert_eq!(now.plan(&conn, Target::Back(1)).unwrap().problems(), []);
    let error = now.recover(&conn, Recovery::Accept("1_a".into()), Signature::of("ada")).unwrap_err();
    assert!(error.to_string().contains("it is not changed"), "{error}");
    assert!(now.run(&conn).unwrap().is_up_to_date());
    // The stored script is the accepted one.
    assert_eq!(runner([]).downgrade(&conn).unwrap().applied.len(), 1);
}

#[test]
fn a_policy_that_refuses_a_changed_down_script_reads_the_records() {
    let conn = memory();
    down("DROP TABLE a").run(&conn).unwrap();
    let more = |policy| {
        let a = Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE IF EXISTS a");
        runner([a, Migration::reversible("2_b", "", "")]).policy(policy)
    };
    let strict = Policy::DEFAULT.with(ProblemKind::ChangedDown, Verdict::Deny);
    assert_eq!(more(strict).run(&conn).unwrap_err().problems()[0].kind, ProblemKind::ChangedDown);
    assert_eq!(applied(&conn), ["1_a"]);
    more(Policy::DEFAULT).run(&conn).unwrap();
    assert_eq!(applied(&conn), ["1_a", "2_b"]);
}

#[test]
fn ids_that_differ_only_in_case_are_found() {
    let found = |ids: &[&'static str], policy: Policy| {
        let set = || {
            runner(ids.iter().map(|id| Migration::reversible(id, "", "")).collect::<Vec<_>>())
                .policy(Policy::clone(&policy))
        };
        let conn = memory();
        let planned = set().plan(&conn, Target::Latest).unwrap();
        let planned = of_kind(planned.problems(), ProblemKind::SimilarIds);
        let lints = set().validate_source();
        (of_kind(&lints, ProblemKind::SimilarIds), planned)
    };
    let said = "`x_a` differs only in case from `x_A`, and on macOS and Windows one overwrites the other; rename the one that is not applied anywhere";
    assert_eq!(found(&["x_a", "x_A"], Policy::DEFAULT), (Some(said.to_owned()), None));
    assert_eq!(found(&["x_a", "x_A"], Policy::STRICT), (Some(said.to_owned()), Some(said.to_owned())));
    assert!(found(&["x_ä", "x_Ä"], Policy::STRICT).1.is_some());
    for ids in [&["x_a", "x_b"][..], &["1_a", "2_A"], &["x_a"]] {
        assert_eq!(found(ids, Policy::STRICT), (None, None));
    }
    // What is applied can no longer be renamed.
    let (conn, both) = (memory(), || runner([Migration::sql("x_a", ""), Migration::sql("x_A", "")]));
    both().run(&conn).unwrap();
    assert_eq!(both().policy(Policy::STRICT).plan(&conn, Target::Latest).unwrap().problems(), []);
}

/// Files of a folder, and what is said about each migration that is none.
#[track_caller]
fn check(paths: &[&str], expected: &[(&str, &str)]) {
    let folder = paths.iter().fold(TestMigrationBuilder::new(), |folder, path| folder.file(path, ""));
    let root = format!("{}/", folder.path().display());
    let said = |found: &[Problem]| -> Vec<String> {
        let found = found.iter().filter(|it| it.kind == ProblemKind::UnusedFile);
        let mut said: Vec<String> = found.map(|it| it.to_string().replace(&root, "")).collect();
        said.sort();
        said
    };
    let expected: Vec<String> = expected.iter().map(|(id, said)| format!("`{id}` {said}")).collect();
    let conn = memory();
    let set = folder.runner();
    assert_eq!(said(&set.validate_source()), expected);
    assert_eq!(said(set.plan(&conn, Target::Latest).unwrap().problems()), expected);
    assert_eq!(
        said(&MigrationRunner::<Sqlite>::examine(switchy_schema::DirectoryMigrations::from_path(
            folder.path()
        ))),
        expected
    );
    // A build script finds the same.
    let text = Embed::new(folder.path()).to_rust().unwrap();
    assert_eq!(
        text.matches("Unread::Misspelled").count(),
        expected.iter().filter(|it| it.contains("is not read")).count()
    );
    // A run reports it, and nothing of it runs.
    let report = set.run(&conn).unwrap();
    assert_eq!(said(&report.notes), expected);
    assert!(
        report.applied.iter().all(|it| paths.iter().any(|path| path.starts_with(it.id.as_str()))),
        "{report:?}"
    );
    assert_eq!(set.policy(Policy::STRICT).run(&memory()).is_err(), !expected.is_empty());
}

#[test]
fn a_folder_with_misspelled_scripts_only_is_reported() {
    let up = |path: &str| {
        format!(
            "is not read: {path} has nearly the name of a script, `up.sql`; rename it to `up.sql` if it is a script, or move it somewhere else"
        )
    };
    for path in [
        "1_a/up.sq",
        "1_a/Up.SQL.txt",
        "1_a/upp.sql",
        "1_a/up",
        "1_a/up.txt",
        "1_a/UP.slq",
        "x/1_a/pu.sql",
        "sqlite/1_a/up.sq",
    ] {
        check(&[path], &[("1_a", &up(path))]);
        check(&[path, "2_b/README.md"], &[("1_a", &up(path))]);
    }
    check(&["1_a/down.sql", "1_a/up.sq"], &[("1_a", &up("1_a/up.sq"))]);
    let flat = "is not read: 1_users.sql.txt has nearly the name of a script, `1_users.sql`; rename it to `1_users.sql` if it is a script, or move it somewhere else";
    check(&["1_users.sql.txt"], &[("1_users", flat)]);
}

#[test]
fn a_misspelled_script_among_others_is_reported() {
    let up = "is not read: 2_b/up.sq has nearly the name of a script, `up.sql`; rename it to `up.sql` if it is a script, or move it somewhere else";
    check(&["1_a/up.sql", "2_b/up.sq"], &[("2_b", up)]);
    let down = "has 1_a/dwon.sq beside its script, which is not run; rename it to `down.sql` if it is to run, or move it away";
    check(&["1_a/up.sql", "1_a/dwon.sq"], &[("1_a", down)]);
}

/// Real folders have many files that are no scripts.
#[test]
fn other_files_stay_unmentioned() {
    for paths in [
        &["README.md"][..],
        &["1_a/README.md", "1_a/schema.png", "1_a/up.sql.bak", "1_a/up.sql.orig", "1_a/up.rs"],
        &["2024/notes.txt", "2024/data.csv"],
        &["notes/up.txt", "up.txt", "up"],
        &["seeds/users.csv", "1_users.md", "1_users.png", "1_schema.psql", "1_query.gql"],
        &["1_a/.up.sql.swp", ".git/1_a/up.sq"],
    ] {
        check(paths, &[]);
    }
    // A copy beside a script is a draft.
    for path in ["1_a/up.sql.txt", "1_a/up.sq", "1_a/up.txt", "1_a/README.md"] {
        check(&["1_a/up.sql", "1_a/down.sql", path], &[]);
    }
}

/// A script that is applied and then misspelled is missing, and the program must not go on as if it had it.
#[test]
fn an_applied_migration_with_a_misspelled_script_is_refused() {
    let folder = TestMigrationBuilder::new().migration("1_a", "CREATE TABLE a (b)");
    let database = TestDatabase::new();
    let conn = database.connect();
    folder.runner().run(&conn).unwrap();
    let path = folder.path().join("1_a");
    fs::rename(path.join("up.sql"), path.join("upp.sql")).unwrap();
    let before = files(&database);
    let error = folder.runner().run(&conn).unwrap_err();
    assert!(error.is_database_ahead(), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("and its script is missing: ")
            && said.ends_with("upp.sql is not named `up.sql`; rename that file"),
        "{said}"
    );
    assert_eq!(differing(&before, &files(&database)), Vec::<String>::new());
    let status = folder.runner().status(&conn).unwrap().to_string();
    assert!(status.contains("1_a  unknown"), "{status}");
    fs::rename(path.join("upp.sql"), path.join("up.sql")).unwrap();
    assert!(folder.runner().run(&conn).unwrap().is_up_to_date());
}
