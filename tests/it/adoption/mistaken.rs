//! Histories that are easily mistaken for those of other tools.

use switchy_schema::{Adopt, Doubt, Migration, MigrationRunner, Recovery, Signature};

use super::{adopted, database, refused, set, shape};

/// The tool is identified by all columns of a table, because the name is not specific.
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
fn a_number_below_zero_is_no_version_of_the_set() {
    let runner = set(&[("1_a", "")]);
    for sql in [
        "CREATE TABLE goose_db_version (id, version_id, is_applied, tstamp); INSERT INTO goose_db_version VALUES (1, -1, 1, '')",
        "CREATE TABLE __diesel_schema_migrations (version, run_on); INSERT INTO __diesel_schema_migrations VALUES ('-1', '')",
        "CREATE TABLE schema_migrations (version, inserted_at); INSERT INTO schema_migrations VALUES (-1, '')",
    ] {
        let error = refused(&runner, &database(sql), &Adopt::new());
        assert!(
            error.contains("`-1` is applied, and the set has nothing of that name or version"),
            "{error}"
        );
    }
}

#[test]
fn two_migrations_of_django_may_have_one_number() {
    let runner = set(&[("0001_initial", ""), ("0002_notes", "")]);
    let conn = database(
        "CREATE TABLE django_migrations (id integer, app, name, applied);
        INSERT INTO django_migrations VALUES (1, 'notes', '0001_initial', ''), (2, 'notes', '0002_tags', '')",
    );
    let adoption = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), "~ 0001_initial; - 0002_tags; + 0002_notes");
}

#[test]
fn what_was_undone_stays_so_when_an_attempt_to_do_it_again_failed() {
    let first = MigrationRunner::new([Migration::reversible(
        "1_a",
        "CREATE TABLE a (x); CREATE TABLE b (x)",
        "DROP TABLE a; DROP TABLE b",
    )
    .outside_transaction()])
    .unwrap();
    let conn = database(
        "CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ('1'); CREATE TABLE a (x); CREATE TABLE b (x)",
    );
    let adoption = first.plan_adoption(&conn, &Adopt::new()).unwrap();
    first.adopt(&conn, adoption, Signature::of("ada")).unwrap();
    first.rollback(&conn, 1).unwrap();
    conn.execute_batch("CREATE TABLE b (y)").unwrap();
    first.run(&conn).unwrap_err();
    first
        .recover(&conn, Recovery::RetryFrom { migration: "1_a".into(), statement: 1 }, Signature::of("ada"))
        .unwrap();
    let how = Adopt::new().accept(Doubt::Unproven);
    let error = refused(&first, &conn, &how);
    assert!(error.contains("`1_a` was undone or forgotten here"), "{error}");
}

#[test]
fn a_name_with_a_space_is_not_a_name_and_a_type() {
    let runner = set(&[("1_a", "CREATE TABLE t (a b)")]);
    let conn = database(
        "CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ('1'); CREATE TABLE t (\"a b\")",
    );
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("the table `t` is another one here"), "{error}");
}

/// A script that a dry run replays may name files, which must not be touched.
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
        assert!(error.contains("cannot be replayed in an empty database"), "{error}");
        assert!(error.contains("attach the files that it needs with `prepare_connection`"), "{error}");
        assert!(!beside.exists(), "{script}");
    }
    for script in ["VACUUM", "ATTACH ':memory:' AS o; CREATE TABLE o.t (x)", "PRAGMA journal_mode = WAL"] {
        let runner = MigrationRunner::new([Migration::sql("1_a", script).outside_transaction()]).unwrap();
        let conn = conn();
        adopted(&runner, &conn, &Adopt::new());
    }
    // A database that the program attaches is not changed either.
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

#[test]
fn a_table_that_computes_is_not_read() {
    let conn = database(
        "CREATE TABLE goose_db_version (id, version_id, is_applied AS (length(printf('%.*c', 900000000, 'x')) > 0), tstamp);
        INSERT INTO goose_db_version VALUES (1, 1, '')",
    );
    let error = set(&[("1_a", "")]).plan_adoption(&conn, &Adopt::new()).unwrap_err().to_string();
    assert!(error.contains("`goose_db_version` has columns that are computed"), "{error}");
    crate::sentences::is_one_sentence(&error);
}

#[test]
fn versions_of_flyway_are_found_whatever_the_description() {
    let conn = database(
        "CREATE TABLE flyway_schema_history (installed_rank, version, type, script, checksum, success);
        INSERT INTO flyway_schema_history VALUES (1, '1', 'SQL', 'V1__a__b.sql', NULL, 1)",
    );
    let adoption = set(&[("1_a__b", "")]).plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), "~ V1__a__b.sql is 1_a__b");
    let adoption = set(&[("2026-01-05-120000_a__b", "")]).plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), "- V1__a__b.sql; + 2026-01-05-120000_a__b");
}

#[test]
fn a_table_of_many_columns_is_answered_with_few_words() {
    let columns: Vec<String> = (0..1500).map(|number| format!("{number:_>60}")).collect();
    let conn = database(&format!("CREATE TABLE goose_db_version ({})", columns.join(", ")));
    let error = refused(&set(&[("1_a", "")]), &conn, &Adopt::new());
    assert!(error.len() < 8000, "{}", error.len());
}

/// In MySQL, the breakpoints of Drizzle are not comments, so `import` rewrites them as comments.
#[test]
fn a_script_of_drizzle_is_known_whatever_its_marks_became() {
    let hash = "9ce83b383a02be682932e26bd3162be8cde691090d89c3168e8acf7f873f2416";
    let runner = set(&[("0000_a", "CREATE TABLE a (x);\n-- statement-breakpoint\nCREATE TABLE b (x);")]);
    let conn = database(&format!(
        "CREATE TABLE __drizzle_migrations (id, hash, created_at); INSERT INTO __drizzle_migrations VALUES (1, '{hash}', 1);
        CREATE TABLE a (x); CREATE TABLE b (x)"
    ));
    let adoption = adopted(&runner, &conn, &Adopt::new());
    assert_eq!(adoption.entries[0].finding, switchy_schema::Finding::Verified, "{adoption}");
}

#[test]
fn of_two_with_one_version_the_one_for_this_environment_is_meant() {
    let runner = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE a (x)").environments(["staging"]),
        Migration::sql("1_a_elsewhere", "CREATE TABLE a (x INT)").environments(["production"]),
    ])
    .unwrap();
    let conn = database(
        "CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ('1'); CREATE TABLE a (x)",
    );
    assert!(refused(&runner, &conn, &Adopt::new()).contains("`1` may be any of `1_a`, `1_a_elsewhere`"));
    let runner = runner.environment("staging");
    assert_eq!(shape(&adopted(&runner, &conn, &Adopt::new())), "~ 1 is 1_a");
}

/// The order of the engine's records is that of the rows, not that of the dates at which another tool applied the migrations.
#[test]
fn our_own_history_under_another_name_keeps_its_order() {
    let three = || {
        set(&[("1_a", "CREATE TABLE a (x)"), ("2_b", "ALTER TABLE a ADD y"), ("3_c", "ALTER TABLE a ADD z")])
    };
    let conn = database(
        "CREATE TABLE flyway_schema_history (installed_rank, version, type, script, checksum, success, installed_on);
        INSERT INTO flyway_schema_history VALUES (1, '1', 'BASELINE', '<< Flyway Baseline >>', NULL, 1, '2024-01-01 00:00:00'),
            (2, '2', 'SQL', 'V2__b.sql', NULL, 1, '2024-01-02 00:00:00'), (3, '3', 'SQL', 'V3__c.sql', NULL, 1, '2024-01-03 00:00:00');
        CREATE TABLE a (x); ALTER TABLE a ADD y; ALTER TABLE a ADD z",
    );
    adopted(&three(), &conn, &Adopt::new().accept(Doubt::Lost));
    conn.execute_batch("DROP TABLE flyway_schema_history").unwrap();
    let renamed = three().table_name("migrations_of_notes").unwrap();
    let adoption = renamed.plan_adoption(&conn, &Adopt::new()).unwrap();
    assert_eq!(shape(&adoption), "= 1_a; = 2_b; = 3_c", "{adoption}");
    assert_eq!(adoption.objections, []);
}
