//! The meaning of the rows of each tool's table, by the definition in its documentation or source.

use switchy_schema::{Adopt, Adoption, Doubt, MigrationRunner, Tool};

use super::{adopted, database, refused, set, shape};

const DIESEL: &str = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);";
const SEAORM: &str =
    "CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL);";
const GOOSE: &str =
    "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
    is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
    INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1);";
const GOLANG: &str = "CREATE TABLE schema_migrations (version uint64, dirty bool);
    CREATE UNIQUE INDEX version_unique ON schema_migrations (version);";
const PLAIN: &str = "CREATE TABLE schema_migrations (version varchar(128) primary key);";
const RAILS: &str = "CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
    CREATE TABLE ar_internal_metadata (key varchar NOT NULL PRIMARY KEY, value varchar, created_at datetime(6) NOT NULL,
    updated_at datetime(6) NOT NULL); INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '', '');";
const ECTO: &str = "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, inserted_at TEXT);";
const FLYWAY: &str = "CREATE TABLE flyway_schema_history (installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50),
    description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INT,
    installed_by VARCHAR(100) NOT NULL, installed_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),
    execution_time INT NOT NULL, success BOOLEAN NOT NULL);";
const GRDB: &str = "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);";
const DJANGO: &str = "CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL,
    name varchar(255) NOT NULL, applied datetime NOT NULL);";
const PRISMA: &str = "CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, finished_at DATETIME,
    migration_name TEXT NOT NULL, logs TEXT, rolled_back_at DATETIME, started_at DATETIME NOT NULL DEFAULT current_timestamp,
    applied_steps_count INTEGER UNSIGNED NOT NULL DEFAULT 0);";
const DRIZZLE: &str =
    "CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric);";

/// SHA-256 and the CRC-32 of Flyway for the script that creates the table with this letter, computed with `sha256sum` and Python's `zlib`.
const A: &str = "CREATE TABLE a (x)";
const A_SHA256: &str = "e0782122f01bfe9d4a4df45c1e26dafd152b24305ab01f8b8cdb00ddf4ebc354";
const A_CRC32: i32 = -1_181_428_668;
const B: &str = "CREATE TABLE b (x)";
const B_SHA256: &str = "7d69cc5d191c0671ced938375e9f54969b4378f4475b6cf4b68696c21cdd07e3";
const C: &str = "CREATE TABLE c (x)";

fn three(a: &str, b: &str, c: &str) -> MigrationRunner {
    set(&[(a, A), (b, B), (c, C)])
}

/// (the table of a tool, its rows, the names of three migrations that create the tables `a`, `b` and `c`, the findings)
#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn rows_mean_what_the_tool_means_by_them() {
    let row = |tool: Tool, ddl: &str, rows: &str, names: [&str; 3], doubt: Option<Doubt>, found: &str| {
        let runner = three(names[0], names[1], names[2]);
        let mut sql = format!("{ddl}{rows};");
        // Applies the migrations that the rows name.
        for (name, script) in names.iter().zip([A, B, C]) {
            if !found.contains(&format!("+ {name}")) {
                sql.extend([script, ";"]);
            }
        }
        let conn = database(&sql);
        let how = doubt.iter().fold(Adopt::new(), |how, doubt| how.accept(*doubt));
        let adoption: Adoption = adopted(&runner, &conn, &how);
        assert_eq!((adoption.tool, &*shape(&adoption)), (tool, found), "{rows}");
        runner.run(&conn).unwrap();
    };
    let stamps = ["20240101000000_a", "20240102000000_b", "20240103000000_c"];
    let dashed = ["2024-01-01-000000_a", "2024-01-02-000000_b", "2024-01-03-000000_c"];

    row(
        Tool::Diesel,
        DIESEL,
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240102000000'), ('20240101000000')",
        dashed,
        None,
        "~ 20240101000000 is 2024-01-01-000000_a; ~ 20240102000000 is 2024-01-02-000000_b; + 2024-01-03-000000_c",
    );
    row(
        Tool::SeaOrm,
        SEAORM,
        "INSERT INTO seaql_migrations VALUES ('m20240101_000000_a', 1704067200)",
        dashed,
        None,
        "~ m20240101_000000_a is 2024-01-01-000000_a; + 2024-01-02-000000_b; + 2024-01-03-000000_c",
    );
    row(
        Tool::SeaOrm,
        SEAORM,
        "INSERT INTO seaql_migrations VALUES ('m20240101_000000_a', 1704067200)",
        ["m20240101_000000_a", "m20240102_000000_b", "m20240103_000000_c"],
        None,
        "~ m20240101_000000_a; + m20240102_000000_b; + m20240103_000000_c",
    );
    // The newest row of a version decides. The rows are in the order of application.
    row(
        Tool::Goose,
        GOOSE,
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, 1), (1, 1), (3, 1), (3, 0)",
        ["00001_a", "00002_b", "00003_c"],
        None,
        "~ 2 is 00002_b; ~ 1 is 00001_a; + 00003_c",
    );
    row(
        Tool::Goose,
        GOOSE,
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1), (1, 0), (1, 1)",
        ["00001_a", "00002_b", "00003_c"],
        None,
        "~ 1 is 00001_a; + 00002_b; + 00003_c",
    );
    row(Tool::Goose, GOOSE, "", ["1_a", "2_b", "3_c"], None, "+ 1_a; + 2_b; + 3_c");
    row(
        Tool::GolangMigrate,
        GOLANG,
        "INSERT INTO schema_migrations VALUES (2, 0)",
        ["000001_a", "000002_b", "000003_c"],
        Some(Doubt::Lost),
        "? 000001_a; ~ 2 is 000002_b; + 000003_c",
    );
    row(
        Tool::GolangMigrate,
        GOLANG,
        "INSERT INTO schema_migrations VALUES (1, 0)",
        ["000001_a", "000002_b", "000003_c"],
        None,
        "~ 1 is 000001_a; + 000002_b; + 000003_c",
    );
    row(
        Tool::GolangMigrate,
        GOLANG,
        "INSERT INTO schema_migrations VALUES (-1, 0)",
        ["1_a", "2_b", "3_c"],
        None,
        "+ 1_a; + 2_b; + 3_c",
    );
    row(
        Tool::Dbmate,
        PLAIN,
        "INSERT INTO schema_migrations VALUES ('20240102000000'), ('20240101000000')",
        stamps,
        None,
        "~ 20240101000000 is 20240101000000_a; ~ 20240102000000 is 20240102000000_b; + 20240103000000_c",
    );
    row(
        Tool::Rails,
        RAILS,
        "INSERT INTO schema_migrations VALUES ('20240101000000')",
        dashed,
        None,
        "~ 20240101000000 is 2024-01-01-000000_a; + 2024-01-02-000000_b; + 2024-01-03-000000_c",
    );
    row(
        Tool::Ecto,
        ECTO,
        "INSERT INTO schema_migrations VALUES (20240101000000, '2024-01-01T00:00:00')",
        dashed,
        None,
        "~ 20240101000000 is 2024-01-01-000000_a; + 2024-01-02-000000_b; + 2024-01-03-000000_c",
    );
    row(
        Tool::Grdb,
        GRDB,
        "INSERT INTO grdb_migrations VALUES ('createA'), ('v2')",
        ["createA", "v2", "v3"],
        None,
        "~ createA; ~ v2; + v3",
    );
    row(
        Tool::Django,
        DJANGO,
        "INSERT INTO django_migrations (app, name, applied) VALUES ('notes', '0001_initial', '2024-01-01 00:00:00.123456')",
        ["0001_initial", "0002_b", "0003_c"],
        None,
        "~ 0001_initial; + 0002_b; + 0003_c",
    );
    row(
        Tool::Drizzle,
        DRIZZLE,
        &format!("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('{A_SHA256}', 1704067200000)"),
        ["0000_brave_hulk", "0001_b", "0002_c"],
        None,
        &format!("= {}... is 0000_brave_hulk; + 0001_b; + 0002_c", &A_SHA256[..12]),
    );
    row(Tool::Prisma, PRISMA, &format!(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at) VALUES
            ('1', '{A_SHA256}', '20240101000000_a', 1, 2, NULL), ('2', '{B_SHA256}', '20240102000000_b', 3, NULL, 4),
            ('3', '{B_SHA256}', '20240102000000_b', 5, 6, NULL), ('4', '{B_SHA256}', '20240103000000_c', 7, NULL, 8)"),
        stamps, None, "= 20240101000000_a; = 20240102000000_b; + 20240103000000_c");
    // The second row of Flyway has no checksum, like a migration in Java.
    row(Tool::Flyway, FLYWAY, &format!(
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
            VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', {A_CRC32}, 'ada', 1, 1), (2, '1.1', 'b', 'JDBC', 'db.V1_1__b', NULL, 'ada', 1, 1)"),
        ["V1__a", "V1_1__b", "V2__c"], None, "= V1__a.sql is V1__a; ~ db.V1_1__b is V1_1__b; + V2__c");
    row(Tool::Flyway, FLYWAY, &format!(
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
            VALUES (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '\"PUBLIC\"', NULL, 'ada', 0, 1),
            (1, '1', 'a', 'SQL', 'V1__a.sql', {A_CRC32}, 'ada', 1, 1), (2, '2', 'b', 'SQL', 'V2__b.sql', 7, 'ada', 1, 1),
            (3, '2', 'b', 'UNDO_SQL', 'U2__b.sql', 7, 'ada', 1, 1), (4, '3', 'c', 'SQL', 'V3__c.sql', 7, 'ada', 1, 1),
            (5, '3', 'c', 'DELETE', 'V3__c.sql', 7, 'ada', 1, 1)"),
        ["1_a", "2_b", "3_c"], None, "= V1__a.sql is 1_a; + 2_b; + 3_c");
    row(Tool::Flyway, FLYWAY,
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
            VALUES (1, '2', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, 'ada', 0, 1)",
        ["V1__a", "V2__b", "V3__c"], Some(Doubt::Lost), "? V1__a; ? V2__b; + V3__c");
    row(Tool::Flyway, FLYWAY, &format!(
            "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
            VALUES (1, NULL, 'a', 'SQL', 'R__a.sql', 7, 'ada', 1, 1), (2, NULL, 'a', 'SQL', 'R__a.sql', {A_CRC32}, 'ada', 1, 1)"),
        ["R__a", "V1__b", "V2__c"], None, "= R__a.sql is R__a; + V1__b; + V2__c");
    row(
        Tool::UserVersion,
        "",
        "PRAGMA user_version = 2",
        ["1_a", "2_b", "3_c"],
        Some(Doubt::Lost),
        "? 1_a; ? 2_b; + 3_c",
    );
    row(
        Tool::UserVersion,
        "",
        "PRAGMA user_version = 2",
        dashed,
        Some(Doubt::Lost),
        "? 2024-01-01-000000_a; ? 2024-01-02-000000_b; + 2024-01-03-000000_c",
    );
    row(
        Tool::UserVersion,
        "CREATE TABLE room_master_table (id INTEGER PRIMARY KEY, identity_hash TEXT);
        CREATE TABLE android_metadata (locale TEXT);",
        "PRAGMA user_version = 1",
        ["1_a", "2_b", "3_c"],
        Some(Doubt::Lost),
        "? 1_a; + 2_b; + 3_c",
    );
    for table in ["__moosicbox_schema_migrations", "\"__moosicbox_schema_migrations\""] {
        row(
            Tool::Switchy,
            &format!(
                "CREATE TABLE {table} (name TEXT NOT NULL, run_on VARCHAR(23) NOT NULL DEFAULT '2024-01-01T00:00:00.000');"
            ),
            "INSERT INTO __moosicbox_schema_migrations (name) VALUES ('2024-01-01-000000_a')",
            dashed,
            None,
            "~ 2024-01-01-000000_a; + 2024-01-02-000000_b; + 2024-01-03-000000_c",
        );
    }
    let zeros = "0".repeat(64);
    row(Tool::Switchy, "CREATE TABLE __moosicbox_schema_migrations (id TEXT NOT NULL, run_on TEXT, finished_on TEXT, up_checksum VARCHAR(64) NOT NULL,
            down_checksum VARCHAR(64) NOT NULL, status TEXT NOT NULL, failure_reason TEXT);",
        &format!("INSERT INTO __moosicbox_schema_migrations VALUES ('{0}', '1', '', '{zeros}', '', 'failed', 'x'),
            ('{0}', '2', '', '{A_SHA256}', '', 'completed', NULL), ('{1}', '3', '', '{zeros}', '', 'completed', NULL)", dashed[0], dashed[1]),
        dashed, None, "= 2024-01-01-000000_a; ~ 2024-01-02-000000_b; + 2024-01-03-000000_c");
}

/// The dates of application are adopted if they can be parsed.
#[test]
fn the_time_of_the_other_tool_is_that_of_the_record() {
    let conn = database(&format!(
        "{SEAORM} INSERT INTO seaql_migrations VALUES ('m20240101_000000_a', 1704067200); {A}"
    ));
    let runner = three("2024-01-01-000000_a", "2024-01-02-000000_b", "2024-01-03-000000_c");
    adopted(&runner, &conn, &Adopt::new());
    assert_eq!(runner.history(&conn).unwrap().records()[0].run_on, "2024-01-01T00:00:00.000");
}

#[test]
fn of_django_the_application_has_to_be_named_if_there_are_several() {
    let runner = set(&[("0001_initial", A)]);
    let conn = database(&format!(
        "{DJANGO} {A}; CREATE TABLE auth_user (id);
        INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0001_initial', ''), ('notes', '0001_initial', '')"
    ));
    let error = refused(&runner, &conn, &Adopt::new());
    assert!(error.contains("has the migrations of `auth`, `notes`; name the application"), "{error}");
    let error = refused(&runner, &conn, &Adopt::new().app("blog"));
    assert!(error.contains("has no application `blog`, but `auth`, `notes`"), "{error}");
    // The tables of the other application do not count as a difference.
    adopted(&runner, &conn, &Adopt::new().app("notes"));
}

/// A hash that two scripts share identifies neither, unless two rows have it too.
#[test]
fn scripts_that_are_alike_are_told_apart_by_their_number_only() {
    let twice = set(&[("0000_a", "SELECT 1"), ("0001_b", "SELECT 1"), ("0002_c", A)]);
    let hash = "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5";
    let with = |hashes: &str| {
        database(&format!("{DRIZZLE} INSERT INTO __drizzle_migrations (hash) VALUES {hashes}"))
    };
    let error = refused(&twice, &with(&format!("('{hash}')")), &Adopt::new());
    assert!(error.contains("may be any of `0000_a`, `0001_b`"), "{error}");
    let conn = with(&format!("('{hash}'), ('{hash}')"));
    let adoption = adopted(&twice, &conn, &Adopt::new());
    assert_eq!(adoption.to_record().count(), 2, "{adoption}");
}

/// Drizzle from version 1 on stores the names too.
#[test]
fn a_name_beside_the_hash_is_used() {
    let conn = database(&format!(
        "CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash text NOT NULL, created_at numeric, name text, applied_at TEXT);
        INSERT INTO __drizzle_migrations (hash, name) VALUES ('{A_SHA256}', '20240101000000_a'), ('{A_SHA256}', '20240102000000_b');
        {A}; {B}"
    ));
    let runner = three("2024-01-01-000000_a", "2024-01-02-000000_b", "2024-01-03-000000_c");
    let found = shape(&runner.plan_adoption(&conn, &Adopt::new()).unwrap());
    assert_eq!(
        found,
        "= 20240101000000_a is 2024-01-01-000000_a; ! 20240102000000_b is 2024-01-02-000000_b; + 2024-01-03-000000_c"
    );
}

/// Ten comes after two, whatever the order of their names in the set, and migrations are replayed in the order of application.
#[test]
fn the_order_is_that_of_the_tool() {
    let conn = database(
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255));
        INSERT INTO refinery_schema_history VALUES (10, 'more', '', '1'), (2, 'a', '', '1'); CREATE TABLE a (x, y)",
    );
    let runner = set(&[("V2__a", A), ("V10__more", "ALTER TABLE a ADD y")]);
    assert_eq!(runner.list()[0].id, "V10__more");
    let adoption = adopted(&runner, &conn, &Adopt::new().accept(Doubt::Changed));
    assert_eq!(shape(&adoption), "! V2__a; ! V10__more");
    // GRDB registers its migrations in any order, and records them in the order of application.
    for form in ["", " WITHOUT ROWID"] {
        let conn = database(&format!(
            "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY){form}; INSERT INTO grdb_migrations VALUES ('users'), ('email');
            CREATE TABLE users (x, y)"
        ));
        let runner = set(&[("users", "CREATE TABLE users (x)"), ("email", "ALTER TABLE users ADD y")]);
        let planned = runner.plan_adoption(&conn, &Adopt::new()).unwrap();
        assert_eq!(shape(&planned), if form.is_empty() { "~ users; ~ email" } else { "~ email; ~ users" });
    }
}
