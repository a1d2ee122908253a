//! Tables that are invalid, incomplete or malicious. Each is refused with one message, and nothing is written.

use switchy_schema::{Adopt, Tool};

use super::{adopted, database, refused, set, shape};

const SQLX: &str =
    "CREATE TABLE _sqlx_migrations (version, description, installed_on, success, checksum, execution_time);
    INSERT INTO _sqlx_migrations VALUES ";
const GOOSE: &str = "CREATE TABLE goose_db_version (id, version_id, is_applied, tstamp); INSERT INTO goose_db_version VALUES ";
const PLAIN: &str = "CREATE TABLE schema_migrations (version); INSERT INTO schema_migrations VALUES ";
const GOLANG: &str = "CREATE TABLE schema_migrations (version, dirty); INSERT INTO schema_migrations VALUES ";
const REFINERY: &str = "CREATE TABLE refinery_schema_history (version, name, applied_on, checksum);
    INSERT INTO refinery_schema_history VALUES ";
const PRISMA: &str = "CREATE TABLE _prisma_migrations (migration_name, checksum, started_at, finished_at, rolled_back_at, logs);
    INSERT INTO _prisma_migrations VALUES ";
const FLYWAY: &str =
    "CREATE TABLE flyway_schema_history (installed_rank, version, type, script, checksum, success);
    INSERT INTO flyway_schema_history VALUES ";
const DRIZZLE: &str =
    "CREATE TABLE __drizzle_migrations (id, hash, created_at); INSERT INTO __drizzle_migrations VALUES ";

/// (SQL for the database, the message)
#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn each_wrong_table_gets_a_sentence_of_its_own() {
    let rows: &[(&str, &str, &str)] = &[
        ("", "", "there is no history of a tool that is known; check which database this is"),
        ("CREATE TABLE users (name)", "", "there is no history of a tool that is known"),
        // Tables that have the name of a history table but are not one.
        (
            "CREATE TABLE schema_migrations (version, name, applied_at)",
            "",
            "`schema_migrations` has the columns `version`, `name`, `applied_at`, which is not what golang-migrate, rails, dbmate, ecto makes",
        ),
        (
            "CREATE TABLE _sqlx_migrations (id)",
            "",
            "`_sqlx_migrations` has the columns `id`, which is not what sqlx makes",
        ),
        ("CREATE TABLE \"schema_migrations\" (\"a`b\x1b[2J\")", "", "has the columns `a'b\\u{1b}[2J`"),
        (
            "CREATE VIEW _sqlx_migrations AS SELECT 1 AS version, 1 AS success, x'00' AS checksum",
            "",
            "there is no history",
        ),
        ("CREATE VIRTUAL TABLE grdb_migrations USING fts5 (identifier)", "", "VIRTUAL"),
        // Several history tables.
        (
            "CREATE TABLE goose_db_version (id, version_id, is_applied, tstamp); CREATE TABLE seaql_migrations (version, applied_at)",
            "",
            "there are the histories of several tools: sea-orm (`seaql_migrations`), goose (`goose_db_version`); name the tool",
        ),
        // Unfinished migrations.
        (
            SQLX,
            "(1, 'users', '', 0, x'00', -1)",
            "`1 users` began in sqlx and did not finish; look what it did",
        ),
        (SQLX, "(1, 'users', '', NULL, x'00', -1)", "`1 users` began in sqlx and did not finish"),
        (GOLANG, "(2, 1)", "`2` began in golang-migrate and did not finish"),
        (GOLANG, "(2, 'true')", "`2` began in golang-migrate and did not finish"),
        (
            PRISMA,
            "('1_users', 'x', 1, NULL, NULL, 'syntax error')",
            "`1_users` began in Prisma and did not finish",
        ),
        (
            FLYWAY,
            "(1, '1', 'SQL', 'V1__users.sql', 7, 0)",
            "`V1__users.sql` failed in Flyway; undo what it did by hand, and run `flyway repair`",
        ),
        // Rows that no tool writes.
        (
            SQLX,
            "('one', 'users', '', 1, x'00', -1)",
            "`_sqlx_migrations` has the version `one`, which sqlx does not write",
        ),
        (SQLX, "(NULL, 'users', '', 1, x'00', -1)", "has the version no value, which sqlx does not write"),
        (SQLX, "(1, 'users', '', 1, NULL, -1)", "no value as the checksum of `1 users`"),
        (SQLX, "(1, 'users', '', 1, 'text', -1)", "`text` as the checksum of `1 users`"),
        (GOOSE, "(1, 'x', 1, '')", "a row with `x` as version_id and `1` as is_applied"),
        (GOOSE, "(1, 1, 'perhaps', '')", "a row with `1` as version_id and `perhaps` as is_applied"),
        (PLAIN, "(NULL)", "a row with no value as version"),
        (PLAIN, "(x'ff00')", "a row with 2 bytes as version"),
        (PLAIN, "('')", "a row with `` as version"),
        (GOLANG, "('x', 0)", "the version `x` with `0` as dirty"),
        (GOLANG, "(1, 0), (2, 0)", "`schema_migrations` has 2 rows, and golang-migrate keeps one"),
        (REFINERY, "(1, 'users', '', 'many')", "the checksum `many` of version 1"),
        (REFINERY, "(1, 'users', '', '-1')", "the checksum `-1` of version 1"),
        (PRISMA, "('1_users', 'short', 1, 2, NULL, '')", "the checksum `short` of `1_users`"),
        (PRISMA, "(NULL, 'short', 1, 2, NULL, '')", "a row with no value as migration_name"),
        (FLYWAY, "(1, 'one', 'SQL', 'Vone__users.sql', 7, 1)", "the version `one`"),
        (DRIZZLE, "(1, 'x', 1)", "the hash `x`, which drizzle does not write"),
        (
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ",
            "('ae1027a6acf')",
            "`alembic_version` has only the newest revision, `ae1027a6acf`: what came before it stands in the Python scripts; bring the database",
        ),
        ("PRAGMA user_version = -3", "", "`user_version` is -3, which counts no migrations"),
        (
            "PRAGMA user_version = 7",
            "",
            "`user_version` is 7, and the set has 2 migrations for this database",
        ),
        (
            "CREATE TABLE __moosicbox_schema_migrations (id, run_on, status); INSERT INTO __moosicbox_schema_migrations VALUES ",
            "('1_users', '1', 'failed')",
            "`1_users` began and did not finish; read that table itself with `table_name`",
        ),
        // Rows that match no migration of the set, or two.
        (
            PLAIN,
            "('3')",
            "`3` is applied, and the set has nothing of that name or version; add what is missing",
        ),
        (
            PLAIN,
            "('1'), ('3'), ('zwei')",
            "`zwei`, `3` are applied, and the set has nothing of that name or version",
        ),
        (PLAIN, "('1'), ('01')", "`1`, `01` are all `1_users`; look which of them is true"),
        (PLAIN, "('1'), (1)", "`1`, `1` are all `1_users`"),
        (
            DRIZZLE,
            "(1, '0000000000000000000000000000000000000000000000000000000000000000', 1)",
            "`000000000000...` is applied",
        ),
        (
            SQLX,
            "(1, 'users', '', 1, x'00', -1)",
            "the script of `1_users` is not the one that sqlx applied; restore it as it was",
        ),
        (REFINERY, "(1, 'users', '', '7')", "the script of `1_users` is not the one that refinery applied"),
        (
            FLYWAY,
            "(1, '1', 'SQL', 'V1__users.sql', 7, 1)",
            "the script of `1_users` is not the one that flyway applied",
        ),
    ];
    let runner = set(&[("1_users", "CREATE TABLE users (name)"), ("2_email", "ALTER TABLE users ADD email")]);
    for (sql, values, said) in rows {
        println!("{sql} {values}");
        let conn = database(&format!("{sql}{values}"));
        if *said == "VIRTUAL" {
            let error = runner.plan_adoption(&conn, &Adopt::new()).unwrap_err();
            assert!(error.to_string().contains("`grdb_migrations` is a virtual table"), "{error}");
            continue;
        }
        let error = refused(&runner, &conn, &Adopt::new());
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn what_was_asked_for_and_is_not_there_is_named() {
    let runner = set(&[("1_users", "CREATE TABLE users (name)")]);
    let conn = database("CREATE TABLE users (name); CREATE TABLE seaql_migrations (version, applied_at);");
    for (how, said) in [
        (Adopt::new().tool(Tool::Sqlx), "sqlx has no history here: there is no table `_sqlx_migrations`; "),
        (Adopt::new().table("versions").unwrap(), "there is no table `versions`; "),
        (
            Adopt::new().tool(Tool::Goose).table("users").unwrap(),
            "`users` has the columns `name`, which is not what goose makes",
        ),
        (
            Adopt::new().table("users").unwrap(),
            "`users` has the columns `name`, which is not what any tool that is known makes",
        ),
    ] {
        let error = refused(&runner, &conn, &how);
        assert!(error.contains(said), "{error}");
    }
}

/// A tool can be configured to use another table.
#[test]
fn a_table_of_another_name_is_read_if_it_is_named() {
    let runner = set(&[("1_users", "CREATE TABLE users (name)")]);
    let conn = database(
        "CREATE TABLE users (name); CREATE TABLE versions (id, version_id, is_applied, tstamp);
        INSERT INTO versions VALUES (1, 1, 1, '')",
    );
    for how in [Adopt::new(), Adopt::new().tool(Tool::Goose)] {
        let conn = database(
            "CREATE TABLE users (name); CREATE TABLE versions (id, version_id, is_applied, tstamp);
            INSERT INTO versions VALUES (1, 1, 1, '')",
        );
        let adoption = adopted(&runner, &conn, &how.table("versions").unwrap());
        assert_eq!((adoption.tool, &*shape(&adoption)), (Tool::Goose, "~ 1 is 1_users"));
    }
    assert!(refused(&runner, &conn, &Adopt::new()).contains("there is no history"));
}

/// One row matches two migrations of the set.
#[test]
fn an_ambiguous_mapping_is_refused() {
    let runner = set(&[("1_a", ""), ("01_b", ""), ("2_c", "")]);
    let conn = database(&format!("{PLAIN} ('1')"));
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("`1` may be any of `01_b`, `1_a`; rename those that it is not"), "{error}");
    // A number in a row may or may not refer to the number in a name.
    for (ids, number, said) in [
        (["0_a", "1_b", "2_c"], 1, "which may count 1 migration or name the number of the last of 2"),
        (["1_a", "3_b", "5_c"], 3, "which may count 3 migrations or name the number of the last of 2"),
    ] {
        let runner = set(&ids.map(|id| (id, "")));
        let conn = database(&format!("PRAGMA user_version = {number}"));
        let error = refused(&runner, &conn, &Adopt::new());
        assert!(error.contains(said), "{error}");
    }
}

/// A row with the full name of a migration refers to that one, whatever versions others have.
#[test]
fn a_whole_name_wins_over_a_version() {
    let runner = set(&[("0001_initial", ""), ("0001_other", "")]);
    let conn = database(
        "CREATE TABLE django_migrations (id, app, name, applied); INSERT INTO django_migrations VALUES (1, 'a', '0001_initial', '')",
    );
    assert_eq!(shape(&adopted(&runner, &conn, &Adopt::new())), "~ 0001_initial; + 0001_other");
}

#[test]
fn a_table_without_end_is_no_history() {
    let conn = database("CREATE TABLE grdb_migrations (identifier TEXT);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20001) INSERT INTO grdb_migrations SELECT i FROM n");
    let error = refused(&set(&[("1", "")]), &conn, &Adopt::new());
    assert!(error.contains("`grdb_migrations` has more than 20000 rows, which is no history"), "{error}");
}

/// A table of the same name in another schema is not used.
#[test]
fn only_the_main_database_counts() {
    let conn = database(
        "CREATE TEMP TABLE grdb_migrations (identifier TEXT); INSERT INTO temp.grdb_migrations VALUES ('1');
        ATTACH ':memory:' AS other; CREATE TABLE other.seaql_migrations (version, applied_at);",
    );
    assert!(refused(&set(&[("1", "")]), &conn, &Adopt::new()).contains("there is no history"));
}

/// Twenty thousand rows that are all wrong, or all equal, cause one message, and rows are not compared pairwise.
#[test]
fn many_rows_are_answered_with_few_words() {
    let names: Vec<String> = (0..500).map(|number| format!("{number}_x")).collect();
    let runner = set(&names.iter().map(|id| (id.as_str(), "")).collect::<Vec<_>>());
    let rows = |select: &str| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT {select} FROM n"
        )
    };
    let hash = "printf('%064x', i)";
    for (table, select) in [
        ("goose_db_version (id, version_id, is_applied, tstamp)", "i, i, 1, ''"),
        ("goose_db_version (id, version_id, is_applied, tstamp)", "i, NULL, 1, ''"),
        (
            "flyway_schema_history (installed_rank, version, type, script, checksum, success)",
            "i, 1, 'SQL', 'V1__x.sql', 7, 1",
        ),
        (
            "flyway_schema_history (installed_rank, version, type, script, checksum, success)",
            "i, NULL, 'SQL', i || '.sql', 7, 1",
        ),
        ("__drizzle_migrations (id, hash, created_at)", &format!("NULL, {hash}, i")),
        ("__moosicbox_schema_migrations (id, run_on, status)", "i, i, 'failed'"),
        ("schema_migrations (version)", "i"),
        ("alembic_version (version_num)", "i"),
        ("django_migrations (id, app, name)", "i, 'app' || i, i"),
        (
            "_prisma_migrations (migration_name, checksum, started_at, finished_at, rolled_back_at)",
            &format!("i, {hash}, i, NULL, NULL"),
        ),
    ] {
        let conn = database(&format!(
            "CREATE TABLE {table}; INSERT INTO {} {}",
            table.split(' ').next().unwrap(),
            rows(select)
        ));
        let error = refused(&runner, &conn, &Adopt::new());
        assert!(error.len() < 8000, "{table}: {} bytes", error.len());
    }
}

/// The message is one sentence for any names in the database.
#[test]
fn names_out_of_a_database_do_not_get_out_of_a_sentence() {
    let conn = database(&format!(
        "{PLAIN} ('1'), ('x; `rm`\u{1b}[2J\n{}'); CREATE TABLE \"a`b\u{1b}[2J\" (x)",
        "y".repeat(500)
    ));
    let error = refused(&set(&[("1_a", "")]), &conn, &Adopt::new());
    assert!(error.contains("`x; 'rm'\\u{1b}[2J\\ny"), "{error}");
    assert!(error.contains("the table `a'b\\u{1b}[2j` is made by none of them"), "{error}");
    assert!(error.len() < 1000 && !error.contains('\u{1b}'), "{error}");
}
