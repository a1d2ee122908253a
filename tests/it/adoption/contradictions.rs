//! Histories of other tools that contradict the records.

use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{
    Adopt, Doubt, ErrorKind, Migration, MigrationRunner, Recovery, Signature, Target, Tool,
};

use super::{adopted, content, database, refused, set, shape};

const PLAIN: &str = "CREATE TABLE schema_migrations (version varchar(128) primary key);
    INSERT INTO schema_migrations VALUES ('1'), ('2');";

fn three() -> MigrationRunner {
    MigrationRunner::new([
        Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
        Migration::reversible("2_b", "CREATE TABLE b (x)", "DROP TABLE b"),
        Migration::reversible("3_c", "CREATE TABLE c (x)", "DROP TABLE c"),
    ])
    .unwrap()
}

fn made() -> rusqlite::Connection {
    database(&format!("{PLAIN} CREATE TABLE a (x); CREATE TABLE b (x);"))
}

/// After an adoption, the other tool's table no longer changes. This is not a contradiction.
#[test]
fn an_adopted_database_is_one_like_any_other() {
    let (runner, conn) = (three(), made());
    adopted(&runner, &conn, &Adopt::new());
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    let again = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&again), ". 1 is 1_a; . 2 is 2_b");
    assert_eq!(runner.adopt(&conn, again, Signature::of("ada")).unwrap(), []);
    // The migrations can also be undone.
    assert_eq!(runner.rollback(&conn, 3).unwrap().applied.len(), 3);
    assert_eq!(content(&conn).iter().filter(|line| line.contains("CREATE TABLE")).count(), 1);
}

/// The other tool does not record what was undone here, so adopting its history again would record migrations that are not applied.
#[test]
fn what_was_undone_here_is_not_adopted_again() {
    let (runner, conn) = (three(), made());
    adopted(&runner, &conn, &Adopt::new());
    runner.rollback(&conn, 1).unwrap();
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(
        error.contains(
            "`2_b` was undone or forgotten here, and dbmate still has it; remove it from the history"
        ),
        "{error}"
    );
    // Once it is applied again everything is recorded.
    runner.run(&conn).unwrap();
    let again = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&again), ". 1 is 1_a; . 2 is 2_b");
    runner.recover(&conn, Recovery::Forget("1_a".into()), Signature::of("ada")).unwrap();
    assert!(refused(&runner, &conn, &Adopt::new()).contains("`1_a` was undone or forgotten here"));
}

/// The other tool has applied more migrations in the meantime.
#[test]
fn what_is_recorded_already_stays_and_the_rest_is_added() {
    let (runner, conn) = (three(), made());
    adopted(&runner, &conn, &Adopt::new());
    conn.execute_batch("INSERT INTO schema_migrations VALUES ('3'); CREATE TABLE c (x)").unwrap();
    assert_eq!(shape(&adopted(&runner, &conn, &Adopt::new())), ". 1 is 1_a; . 2 is 2_b; ~ 3 is 3_c");
}

#[test]
fn records_that_contradict_are_an_error() {
    let (runner, conn) = (three(), made());
    runner.run_to(&database(""), Target::Steps(1)).unwrap();
    let other = set(&[("1_a", "CREATE TABLE a (x, y)")]);
    conn.execute_batch("DROP TABLE a").unwrap();
    other.run(&conn).unwrap();
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("`1_a` is recorded already, with another script than the set has"), "{error}");

    let conn = made();
    let half = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE z (x); SELECT nothing").outside_transaction()
    ]);
    half.unwrap().run(&conn).unwrap_err();
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("`1_a` is recorded already and did not finish"), "{error}");
}

/// A changed script that was accepted is not a contradiction.
#[test]
fn an_accepted_script_is_as_good() {
    let conn = made();
    adopted(&three(), &conn, &Adopt::new());
    let checksum = switchy_schema::Checksum::of("CREATE TABLE a (x)");
    let changed = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE a (x) -- the first").accept(checksum),
        Migration::sql("2_b", "CREATE TABLE b (x)"),
    ])
    .unwrap();
    let again = changed.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(again.objections, []);
}

#[test]
fn a_migration_for_elsewhere_is_not_adopted() {
    let conn = made();
    let runner = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE a (x)").environments(["staging"]),
        Migration::sql("2_b", "CREATE TABLE b (x)"),
    ])
    .unwrap();
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("`1` is `1_a`, which is not for this database or environment"), "{error}");
    adopted(&runner.environment("staging"), &conn, &Adopt::new());
}

/// A doubt can also be accepted after the plan was made.
#[test]
fn a_doubt_can_be_accepted_in_the_plan() {
    let runner = three();
    let conn = database("CREATE TABLE a (x); PRAGMA user_version = 1");
    let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert!(adoption.to_string().contains("refused: `user_version` says"), "{adoption}");
    let adoption = adoption.accept(Doubt::Lost);
    assert!(adoption.to_string().contains("accepted: `user_version` says"), "{adoption}");
    assert_eq!(runner.adopt(&conn, adoption, Signature::of("ada")).unwrap().len(), 1);
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 2);
}

/// A script changed after it was applied: if this is accepted, the record has the checksum of the current script.
#[test]
fn a_changed_script_is_recorded_as_it_is_if_that_is_accepted() {
    let conn = database(
        "CREATE TABLE _sqlx_migrations (version, description, installed_on, success, checksum, execution_time);
        INSERT INTO _sqlx_migrations VALUES (1, 'a', '2024-01-01 00:00:00', 1, x'00', 1); CREATE TABLE a (x)",
    );
    let runner = three();
    assert!(refused(&runner, &conn, &Adopt::new()).contains("is not the one that sqlx applied"));
    assert_eq!(
        shape(&adopted(&runner, &conn, &Adopt::new().accept(Doubt::Changed))),
        "! 1 a is 1_a; + 2_b; + 3_c"
    );
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 2);
}

#[test]
fn nothing_is_adopted_inside_a_transaction_of_somebody_else() {
    let (runner, conn) = (three(), made());
    let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    let error = runner.adopt(&conn, adoption, Signature::of("ada")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OpenTransaction);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(runner.pending(&conn).unwrap().len(), 3);
}

/// Either all records are written or none, at whatever point writing fails.
#[test]
fn adopting_is_one_transaction() {
    let (runner, conn) = (three(), made());
    MigrationRunner::new([Migration::sql("0_base", "")]).unwrap().run(&conn).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER no BEFORE INSERT ON __switchy_migrations WHEN new.name = '2_b' BEGIN SELECT raise(ABORT, 'not this one'); END",
    )
    .unwrap();
    let how = Adopt::new().accept(Doubt::Unproven);
    let before = switchy_schema::test_utils::rows(&conn, "SELECT name FROM __switchy_migrations");
    let adoption = runner.plan_adoption(&conn, &how).unwrap();
    let error = runner.adopt(&conn, adoption, Signature::of("ada")).unwrap_err();
    assert!(error.to_string().contains("not this one"), "{error}");
    assert_eq!(switchy_schema::test_utils::rows(&conn, "SELECT name FROM __switchy_migrations"), before);
    let log = "SELECT count(*) FROM sqlite_master WHERE name = '__switchy_migrations_log'";
    assert_eq!(switchy_schema::test_utils::rows(&conn, log), ["0"]);
}

/// A tracking table of an older form does not belong to another tool: it is upgraded, as by a run.
#[test]
fn our_own_older_form_is_brought_up_to_date() {
    let conn = database(
        "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TEXT NOT NULL);
        INSERT INTO __switchy_migrations VALUES ('1_a', '2024-01-01T00:00:00.000'); CREATE TABLE a (x)",
    );
    let runner = three();
    let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), ". 1_a; + 2_b; + 3_c");
    assert_eq!(runner.adopt(&conn, adoption, Signature::of("ada")).unwrap(), []);
    let columns = switchy_schema::test_utils::rows(
        &conn,
        "SELECT count(*) FROM pragma_table_info('__switchy_migrations')",
    );
    assert_eq!(columns, ["15"]);
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 2);
}

/// Two programs adopt at once: one of them succeeds, and the other gets an error or finds everything recorded.
#[test]
fn two_can_adopt_at_once() {
    for _ in 0..10 {
        let database = TestDatabase::new();
        database
            .connect()
            .execute_batch(&format!("{PLAIN} CREATE TABLE a (x); CREATE TABLE b (x);"))
            .unwrap();
        let barrier = std::sync::Barrier::new(4);
        let lines: Vec<usize> = std::thread::scope(|scope| {
            let adopt = || {
                let (runner, conn) = (three(), database.connect());
                let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
                barrier.wait();
                match runner.adopt(&conn, adoption, Signature::of("ada")) {
                    Ok(lines) => lines.len(),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
                        0
                    }
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(adopt)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(lines.iter().sum::<usize>(), 2, "{lines:?}");
        assert_eq!(database.rows("SELECT name FROM __switchy_migrations"), ["1_a", "2_b"]);
        assert_eq!(database.rows("SELECT count(*) FROM __switchy_migrations_log"), ["2"]);
        assert_eq!(three().run(&database.connect()).unwrap().applied.len(), 1);
    }
}

/// An adoption can be planned on a read-only file, and a second adoption needs no write permission either.
#[test]
fn what_cannot_be_written_can_be_looked_at() {
    let database = TestDatabase::new();
    database.connect().execute_batch(&format!("{PLAIN} CREATE TABLE a (x); CREATE TABLE b (x);")).unwrap();
    let reading = || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rusqlite::Connection::open_with_flags(database.path(), flags).unwrap()
    };
    let runner = three();
    let adoption = runner.plan_adoption(&reading(), &Adopt::new()).unwrap();
    assert_eq!(adoption.to_record().count(), 2);
    let error = runner.adopt(&reading(), adoption, Signature::of("ada")).unwrap_err();
    assert_eq!(error.fault(), Some(switchy_schema::FaultKind::ReadOnly), "{error}");
    adopted(&runner, &database.connect(), &Adopt::new());
    let again = runner.plan_adoption(&reading(), &Adopt::new()).unwrap();
    assert_eq!(runner.adopt(&reading(), again, Signature::of("ada")).unwrap(), []);
}

/// The runner has another table name, but the history is still under the old name.
#[test]
fn our_own_history_under_another_name_is_verified() {
    let conn = database("");
    three().run(&conn).unwrap();
    three().rollback(&conn, 1).unwrap();
    let renamed = || three().table_name("migrations_of_notes").unwrap();
    let adoption = renamed().plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), "= 1_a; = 2_b; + 3_c");
    assert_eq!(adoption.objections, [], "the old log is no part of the schema");
    assert_eq!(renamed().adopt(&conn, adoption, Signature::of("ada")).unwrap().len(), 2);
    assert_eq!(renamed().run(&conn).unwrap().applied.len(), 1);
    assert_eq!(renamed().rollback(&conn, 3).unwrap().applied.len(), 3);
}

/// An option that means nothing for the tool is refused, not ignored.
#[test]
fn what_means_nothing_for_the_tool_is_refused() {
    let conn = database(&format!("{PLAIN} PRAGMA user_version = 1"));
    let rows = [
        (Adopt::new().app("notes"), "name no application"),
        (Adopt::new().tool(Tool::UserVersion).table("versions").unwrap(), "name no table"),
    ];
    for (how, remedy) in rows {
        let error = three().plan_adoption(&conn, &how).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Adoption);
        assert!(error.to_string().contains(remedy), "{error}");
    }
}
