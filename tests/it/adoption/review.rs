//! Histories that are easily taken for others.

use switchy_schema::{Adopt, Doubt, Migration, MigrationRunner, Recovery, Signature};

use super::{adopted, database, refused, set, shape};
#[test]
fn a_table_of_another_name_is_known_by_its_columns() {
    let runner = set(&[("1_a", "CREATE TABLE a (x)"), ("2_b", "CREATE TABLE b (x)")]);
    let how = || Adopt::new().table("theirs").unwrap();
    let conn = database(
        "CREATE TABLE theirs (version uint64, dirty bool); INSERT INTO theirs VALUES (2, 1); CREATE TABLE b (x)",
    );
    let error = refused(&runner, &conn, &how());
    assert!(error.contains("`2` began in golang-migrate and did not finish"), "{error}");

    let conn = database(
        "CREATE TABLE theirs (installed_rank INT, version, description, type, script, checksum INT, installed_by, installed_on,
        execution_time, success); INSERT INTO theirs VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', NULL, '', '', 0, 1)",
    );
    let adoption = runner.plan_adoption(&conn, &how()).unwrap();
    assert_eq!(adoption.tool, switchy_schema::Tool::Flyway, "{adoption}");
}

#[test]
fn looking_touches_no_file() {
    let folder = switchy_schema::test_utils::TestDatabase::new();
    let beside = folder.path().with_file_name("beside.db");
    let attach = format!("ATTACH '{0}' AS o; CREATE TABLE o.t (x); DETACH o", beside.display());
    let conn =
        || database("CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ('1')");
    for script in [attach, format!("VACUUM INTO '{}'", beside.display())] {
        let runner =
            MigrationRunner::new(
                [Migration::from_scripts("1_a", script.clone(), None).outside_transaction()],
            )
            .unwrap();
        let error = refused(&runner, &conn(), &Adopt::new());
        println!("{error}");
        assert!(error.contains("cannot be replayed in an empty database"), "{error}");
        assert!(!beside.exists(), "{script}");
    }
    for script in ["VACUUM", "ATTACH ':memory:' AS o; CREATE TABLE o.t (x)", "PRAGMA journal_mode = WAL"] {
        let runner = MigrationRunner::new([Migration::sql("1_a", script).outside_transaction()]).unwrap();
        let conn = conn();
        adopted(&runner, &conn, &Adopt::new());
    }
    // Neither does what the program attaches.
    let runner = set(&[("1_a", "CREATE TABLE o.t (x)")]);
    let path = beside.clone();
    let runner = runner.prepare_connection(move |conn| {
        conn.execute("ATTACH ?1 AS o", [path.to_str()])?;
        Ok(())
    });
    rusqlite::Connection::open(&beside).unwrap().execute_batch("CREATE TABLE u (y)").unwrap();
    let before = std::fs::read(&beside).unwrap();
    adopted(&runner, &conn(), &Adopt::new());
    assert_eq!(std::fs::read(&beside).unwrap(), before);
}
