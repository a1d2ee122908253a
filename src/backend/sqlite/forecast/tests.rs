use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::super::Sqlite;
use super::forecast;
use crate::backend::{ForecastRequest, Prepare};
use crate::dialect::TableName;
use crate::effect::{Forecast, PlannedScript, Sample, Trust};
use crate::fault::BoxError;
use crate::stored_limits::StoredLimits;

const TRACKING: &str = "CREATE TABLE __switchy_migrations (name TEXT NOT NULL UNIQUE, down_sql TEXT)";

/// A live database with a tracking table and this schema.
fn live(schema: &str) -> Connection {
    let live = Connection::open_in_memory().unwrap();
    live.execute_batch(TRACKING).unwrap();
    live.execute_batch(schema).unwrap();
    live
}

fn forecasts(
    live: &Connection,
    scripts: &[PlannedScript<'_>],
    prepare: Option<&Prepare<Sqlite>>,
) -> Vec<Forecast> {
    let tables = [TableName::default()];
    let dump = |live: &Connection| {
        let sql = "SELECT group_concat(type || name || tbl_name || rootpage || coalesce(sql, '')) FROM sqlite_master";
        (live.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap(), live.total_changes())
    };
    let before = dump(live);
    let (sample, limits) = (Sample::Small, StoredLimits::default());
    let request: ForecastRequest<'_, Sqlite> =
        ForecastRequest { scripts, tables: &tables, prepare, sample, limits };
    let forecasts = forecast(live, &request).unwrap();
    assert_eq!(dump(live), before);
    assert_eq!(forecasts.len(), scripts.len());
    forecasts
}

/// The effects and the failure of a forecast as one text.
fn in_words(forecast: &Forecast) -> String {
    let effects = forecast.effects.iter().map(ToString::to_string);
    let failure = forecast.failure.as_ref().map(|fault| {
        let place = fault.details.offset.map(|offset| format!(" at {offset}")).unwrap_or_default();
        let statement =
            fault.details.statement.as_ref().map(|(number, _)| format!(" in {number}")).unwrap_or_default();
        format!("FAILS {fault}{place}{statement}")
    });
    effects.chain(failure).collect::<Vec<_>>().join("; ")
}

fn one(schema: &str, script: &str, trust: Trust) -> String {
    in_words(&forecasts(&live(schema), &[PlannedScript::new(Some(script), trust)], None)[0])
}

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, tag TEXT);
    INSERT INTO notes VALUES (1, 'a', NULL), (2, 'b', 'x');
    CREATE INDEX by_tag ON notes (tag);
    CREATE TABLE log (x);
    INSERT INTO log VALUES (1);
    CREATE TRIGGER logged AFTER DELETE ON notes BEGIN DELETE FROM log; END;
    CREATE VIEW texts AS SELECT text FROM notes;";

#[test]
fn effects_have_live_names() {
    let gone = "drops the trigger `logged`; drops the index `by_tag`";
    let rows = [
        ("", ""),
        ("-- nothing\n;;", ""),
        ("DROP TABLE notes", &*format!("drops the table `notes` with 2 rows; {gone}")),
        (
            "drop table main.NOTES; DROP VIEW Texts",
            &*format!("drops the table `notes` with 2 rows; drops the view `texts`; {gone}"),
        ),
        (
            "DROP INDEX by_tag; ALTER TABLE notes DROP COLUMN tag",
            "drops the column `notes.tag` with 1 value; drops the index `by_tag`",
        ),
        ("DROP INDEX by_tag; CREATE INDEX BY_TAG ON notes (tag, id)", ""),
        (
            "ALTER TABLE notes RENAME COLUMN text TO body; ALTER TABLE notes ADD COLUMN z; \
                ALTER TABLE notes DROP COLUMN z",
            "",
        ),
        (
            "DROP VIEW texts; ALTER TABLE notes RENAME COLUMN text TO body; \
                ALTER TABLE notes DROP COLUMN body",
            "drops the column `notes.text` with 2 values; drops the view `texts`",
        ),
        (
            "DELETE FROM notes WHERE id = 1; DELETE FROM notes",
            "deletes rows of `log`, which has 1 row; deletes rows of `notes`, which has 2 rows",
        ),
        ("EXPLAIN DELETE FROM notes", ""),
        ("UPDATE notes SET tag = 1; INSERT INTO log SELECT 1; SELECT * FROM texts", ""),
        (
            "CREATE TABLE a (b); DELETE FROM a; DROP TABLE a; CREATE TEMP TABLE log2 (x); DELETE FROM log2; \
                DROP TABLE log2",
            "",
        ),
        ("CREATE TEMP TABLE log3 (x); DELETE FROM log3; DROP TABLE temp.log3", ""),
        ("BEGIN; DROP TABLE log", "drops the table `log` with 1 row"),
        ("DROP TABLE IF EXISTS log; DROP TABLE IF EXISTS absent", "drops the table `log` with 1 row"),
    ];
    for trust in [Trust::Program, Trust::Database] {
        for (script, expected) in rows {
            if trust == Trust::Program || !script.starts_with("BEGIN") {
                assert_eq!(one(NOTES, script, trust), expected, "{script}");
            }
        }
    }
}

#[test]
fn a_rebuilt_table_is_distinguished_from_a_renamed_one() {
    // All scripts drop the view, since it would block the rest.
    let rows = [
        (
            "CREATE TABLE new (id INTEGER PRIMARY KEY, Text TEXT); INSERT INTO new SELECT id, text FROM notes;
            DROP TABLE notes; ALTER TABLE new RENAME TO notes",
            "replaces the table `notes` with 2 rows; drops the column `notes.tag` with 1 value; \
             drops the view `texts`; drops the trigger `logged`; drops the index `by_tag`",
        ),
        (
            "ALTER TABLE notes RENAME TO old; CREATE TABLE notes (id, text, tag);
            INSERT INTO notes SELECT * FROM old; DROP TABLE old; CREATE INDEX by_tag ON notes (tag)",
            "replaces the table `notes` with 2 rows; drops the view `texts`; drops the trigger `logged`",
        ),
        (
            "ALTER TABLE notes RENAME TO old; CREATE VIEW notes AS SELECT * FROM old",
            "drops the view `texts`",
        ),
        (
            "ALTER TABLE notes RENAME TO entries; DELETE FROM entries",
            "deletes rows of `log`, which has 1 row; deletes rows of `notes`, which has 2 rows; \
             drops the view `texts`",
        ),
        (
            "DROP TABLE log; CREATE TABLE takes_its_page (x)",
            "drops the table `log` with 1 row; drops the view `texts`",
        ),
        (
            "ALTER TABLE log RENAME TO swap; ALTER TABLE notes RENAME TO log;
            ALTER TABLE swap RENAME TO notes; DROP TABLE notes",
            "replaces the table `log` with 1 row; drops the column `log.x` with 1 value; drops the view `texts`",
        ),
    ];
    for (script, expected) in rows {
        let script = format!(
            "PRAGMA legacy_alter_table = ON; DROP VIEW texts; {script}; PRAGMA legacy_alter_table = OFF"
        );
        assert_eq!(one(NOTES, &script, Trust::Database), expected, "{script}");
        assert_eq!(one(NOTES, &script, Trust::Program), expected, "{script}");
    }
}

#[test]
fn scripts_follow_each_other() {
    let live = live(NOTES);
    let program = |text| PlannedScript::new(Some(text), Trust::Program);
    let scripts = [
        program(
            "DROP VIEW texts; ALTER TABLE notes RENAME TO entries; \
                ALTER TABLE entries RENAME COLUMN tag TO label",
        ),
        PlannedScript::new(None, Trust::Program),
        program("CREATE TABLE n (id); DROP TABLE entries; ALTER TABLE n RENAME TO entries"),
        program("DROP TABLE entries; CREATE VIEW texts AS SELECT 1; DROP VIEW texts"),
    ];
    let found: Vec<_> = forecasts(&live, &scripts, None).iter().map(in_words).collect();
    let replaced = "replaces the table `notes` with 2 rows; drops the column `notes.tag` with 1 value; \
        drops the column `notes.text` with 2 values; drops the trigger `logged`; drops the index `by_tag`";
    assert_eq!(found, ["drops the view `texts`", "", replaced, "drops the table `notes` with 2 rows"]);
}

#[test]
fn later_effects_on_a_rebuilt_table_are_found() {
    let rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, text TEXT, more);
        INSERT INTO new (id, text) SELECT id, text FROM notes; DROP VIEW texts; DROP TABLE notes;
        ALTER TABLE new RENAME TO notes";
    let scripts = [
        rebuild,
        "ALTER TABLE notes DROP COLUMN more",
        "ALTER TABLE notes RENAME TO old; ALTER TABLE old DROP COLUMN text",
        "DELETE FROM old",
        "DROP TABLE old",
    ];
    let found: Vec<String> =
        forecasts(&live(NOTES), &scripts.map(|text| PlannedScript::new(Some(text), Trust::Program)), None)
            .iter()
            .map(in_words)
            .collect();
    assert_eq!(
        found,
        [
            "replaces the table `notes` with 2 rows; drops the column `notes.tag` with 1 value; \
             drops the view `texts`; drops the trigger `logged`; drops the index `by_tag`",
            "",
            "drops the column `notes.text` with 2 values",
            "deletes rows of `notes`, which has 2 rows",
            "drops the table `notes` with 2 rows",
        ]
    );
}

#[test]
fn a_failing_statement_of_the_program_is_read_and_skipped() {
    let rows = [
        (
            "DROP TABLE log; DROP TABLE absent; DROP VIEW texts",
            "drops the table `log` with 1 row; drops the view `texts`; FAILS no such table: absent at 16 in 2",
        ),
        (
            "DELETE FROM log WHERE f(x); DELETE FROM log2",
            "deletes rows of `log`, which has 1 row (as its text reads); \
                deletes rows of `log2` (as its text reads); FAILS no such function: f at 22 in 1",
        ),
        (
            "ALTER TABLE log RENAME TO l; CREATE TABLE m (x); DELETE FROM l WHERE f(x); \
                DELETE FROM m WHERE f(x)",
            "deletes rows of `log`, which has 1 row (as its text reads); \
                FAILS no such function: f at 69 in 3",
        ),
        ("é; DROP VIEW texts; 'ü", "drops the view `texts`; FAILS near \"é\": syntax error at 0 in 1"),
        ("DROP VIEW texts;\0 DROP TABLE log", "drops the view `texts`"),
        ("SELEC 1; DROP VIEW texts", "drops the view `texts`; FAILS near \"SELEC\": syntax error at 0 in 1"),
        ("INSERT INTO notes (id) VALUES ('x'); SELECT 1", "FAILS datatype mismatch at 0 in 1"),
        (
            "CREATE TABLE a (b); ATTACH 'nowhere.db' AS aux; DROP TABLE aux.c",
            "drops the table `c` (as its text reads); FAILS no such table: aux.c; \
                the copy of the schema lacks `aux`: attached databases are not copied at 48 in 3",
        ),
        ("VACUUM INTO 'nowhere.db'; VACUUM; DETACH absent", ""),
        ("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = WAL; PRAGMA user_version = 3", ""),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'x'; DELETE FROM sqlite_master; \
                PRAGMA writable_schema = OFF",
            "may remove something: it writes to the schema table directly",
        ),
        ("SELECT load_extension('x'); CREATE TABLE z AS SELECT load_extension('x') AS y", ""),
        ("ROLLBACK; COMMIT; DROP TABLE log", "drops the table `log` with 1 row"),
        (
            "CREATE TABLE z AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT \
                max(x) AS x FROM n; DROP VIEW texts",
            "drops the view `texts`; FAILS it runs too long at 0 in 1",
        ),
    ];
    for (script, expected) in rows {
        assert_eq!(one(NOTES, script, Trust::Program), expected, "{script}");
    }
    assert!(!std::path::Path::new("nowhere.db").exists());
}

#[test]
fn a_script_from_the_database_can_do_nothing_else() {
    let rows = [
        ("ATTACH 'nowhere.db' AS x", "it attaches a database at 0 in 1"),
        ("SELECT 1; ATTACH 'no' || 'where.db' AS x", "it attaches a database at 10 in 2"),
        ("DETACH main", "it detaches a database at 0 in 1"),
        ("SELECT load_extension('x')", "it loads an extension at 7 in 1"),
        ("SELECT fts3_tokenizer('x')", "it calls the function `fts3_tokenizer` at 7 in 1"),
        ("PRAGMA writable_schema = ON", "it changes the pragma `writable_schema` at 0 in 1"),
        ("PRAGMA journal_mode = OFF", "it changes the pragma `journal_mode` at 0 in 1"),
        ("PRAGMA temp_store_directory = '/'", "it changes the pragma `temp_store_directory` at 0 in 1"),
        ("PRAGMA shrink_memory", "it uses the pragma `shrink_memory` at 0 in 1"),
        ("BEGIN", "it ends or begins a transaction at 0 in 1"),
        ("COMMIT", "it ends or begins a transaction at 0 in 1"),
        ("SAVEPOINT x", "it sets or ends a savepoint at 0 in 1"),
        (
            "DELETE FROM __Switchy_Migrations",
            "it writes to the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "EXPLAIN INSERT INTO main.__switchy_migrations DEFAULT VALUES",
            "it writes to the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "WITH x AS (SELECT 1) UPDATE __switchy_migrations SET name = 1",
            "it writes to the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "CREATE TRIGGER z AFTER INSERT ON log BEGIN DELETE FROM __switchy_migrations; END; \
                INSERT INTO log VALUES (1)",
            "it creates a trigger that names the tracking table at 0 in 1",
        ),
        (
            "INSERT INTO innocent VALUES (1)",
            "it writes to the tracking table `__switchy_migrations` at 0 in 1",
        ),
        ("DROP TABLE __switchy_migrations", "it drops the tracking table `__switchy_migrations` at 0 in 1"),
        (
            "ALTER TABLE __switchy_migrations RENAME TO x",
            "it alters the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "ALTER TABLE __switchy_migrations DROP COLUMN down_sql",
            "it alters the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "CREATE INDEX x ON __switchy_migrations (name)",
            "it creates an index on the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "CREATE TRIGGER x AFTER INSERT ON __switchy_migrations BEGIN SELECT 1; END",
            "it creates a trigger on the tracking table `__switchy_migrations` at 0 in 1",
        ),
        (
            "CREATE TEMP TABLE __switchy_migrations (x)",
            "it takes the name of the tracking table `__switchy_migrations` at 0 in 1",
        ),
        ("CREATE TEMP VIEW x AS SELECT 1", "it creates the temporary view `x` at 0 in 1"),
        (
            "CREATE TEMP TRIGGER x AFTER INSERT ON log BEGIN SELECT 1; END",
            "it creates the temporary trigger `x` at 0 in 1",
        ),
        (
            "CREATE VIRTUAL TABLE x USING dbstat",
            "it creates a virtual table of the module `dbstat` at 0 in 1",
        ),
        (
            "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')",
            "it creates a virtual table of the module `csv` at 0 in 1",
        ),
        ("VACUUM main INTO 'nowhere.db'", "it writes the database to another file at 0 in 1"),
        (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
            "it runs too long at 0 in 1",
        ),
        ("DELETE FROM sqlite_master", "table sqlite_master may not be modified at 0 in 1"),
        ("INSERT INTO docs_content VALUES (1, 2)", "table docs_content may not be modified at 0 in 1"),
        ("SELECT ?", "it has a parameter, and a script has no values for one at 0 in 1"),
        ("SELECT 1; SELECT y FROM log", "no such column: y at 17 in 2"),
    ];
    let schema =
        "CREATE TABLE log (x); CREATE VIRTUAL TABLE docs USING fts5(text); CREATE TABLE innocent (x);
        CREATE TRIGGER deep AFTER INSERT ON innocent BEGIN UPDATE __switchy_migrations SET name = 'x'; END;";
    for (script, expected) in rows {
        assert_eq!(one(schema, script, Trust::Database), format!("FAILS {expected}"), "{script}");
    }
    assert!(!std::path::Path::new("nowhere.db").exists());
}

#[test]
fn no_trigger_may_name_the_tracking_table() {
    for trigger in [
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM __switchy_migrations; END",
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE [__SWITCHY_migrations] SET name = 'x'; END",
        "CREATE TABLE y (a); CREATE TRIGGER t INSERT ON y BEGIN INSERT INTO '__switchy_migrations' (name) VALUES ('x'); END",
    ] {
        let found = one(NOTES, trigger, Trust::Database);
        assert!(
            found.starts_with("FAILS it creates a trigger that names the tracking table at "),
            "{trigger}: {found}"
        );
    }
    let harmless = "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM notes; END";
    assert_eq!(one(NOTES, harmless, Trust::Database), "");
}

#[test]
fn no_table_is_renamed_to_a_tracking_table() {
    let live = Connection::open_in_memory().unwrap();
    live.execute_batch("CREATE TABLE log (x)").unwrap();
    let scripts =
        [PlannedScript::new(Some("ALTER TABLE log RENAME TO __SWITCHY_migrations"), Trust::Database)];
    let taken =
        "FAILS there is already another table or index with this name: __SWITCHY_migrations at 0 in 1";
    assert_eq!(first_in_words(&live, &scripts), taken);
    let scripts = [PlannedScript::new(
        Some("ALTER TABLE log RENAME TO x; ALTER TABLE __switchy_migrations RENAME TO y"),
        Trust::Database,
    )];
    let altered = "FAILS it alters the tracking table `__switchy_migrations` at 29 in 2";
    assert_eq!(first_in_words(&live, &scripts), altered);
}

#[test]
fn a_script_from_the_database_can_do_its_work() {
    let rows = [
        "VACUUM; PRAGMA user_version = 4; PRAGMA foreign_keys = OFF; PRAGMA foreign_key_check; \
            PRAGMA journal_mode = WAL",
        "PRAGMA optimize; ANALYZE; REINDEX; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA integrity_check",
        "SELECT count(*) FROM __switchy_migrations; SELECT * FROM pragma_table_info('log')",
        "CREATE VIRTUAL TABLE a USING fts3(x); INSERT INTO a VALUES ('x'); \
            INSERT INTO a(a) VALUES ('optimize'); DROP TABLE a",
        "CREATE VIRTUAL TABLE a USING rtree(id, x, y); INSERT INTO a VALUES (1, 2, 3); DELETE FROM a; \
            DROP TABLE a",
        "INSERT INTO docs VALUES ('x'); INSERT INTO docs(docs) VALUES ('rebuild'); \
            INSERT INTO docs(docs) VALUES ('optimize')",
        "ALTER TABLE docs RENAME TO papers; INSERT INTO papers VALUES ('x')",
        "CREATE VIRTUAL TABLE words USING fts5vocab(docs, row); SELECT * FROM words; DROP TABLE words",
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t DEFAULT VALUES; \
            DELETE FROM sqlite_sequence",
        "CREATE TEMP TABLE t AS SELECT * FROM log; DROP TABLE t",
    ];
    for script in rows {
        let schema = "CREATE TABLE log (x); CREATE VIRTUAL TABLE docs USING fts5(text)";
        assert_eq!(one(schema, script, Trust::Database), "", "{script}");
    }
}

#[test]
fn nothing_is_tried_after_a_script_that_failed() {
    let live = live(NOTES);
    let scripts = [
        PlannedScript::new(Some("DROP VIEW texts; BEGIN; DROP TABLE log"), Trust::Database),
        PlannedScript::new(None, Trust::Program),
        PlannedScript::new(Some("DROP TABLE notes"), Trust::Database),
    ];
    let found: Vec<_> = forecasts(&live, &scripts, None).iter().map(in_words).collect();
    assert_eq!(
        found,
        [
            "drops the view `texts`; FAILS it ends or begins a transaction at 17 in 2",
            "",
            "FAILS not tried, since the script before it failed"
        ]
    );
}

#[test]
fn virtual_tables_have_their_shadow_tables() {
    let schema = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text); INSERT INTO notes VALUES (1, 'a');
        CREATE VIRTUAL TABLE docs USING fts5(text, content='notes', content_rowid='id');
        CREATE TRIGGER synced AFTER DELETE ON notes BEGIN
            INSERT INTO docs(docs, rowid, text) VALUES ('delete', old.id, old.text); END;
        CREATE VIRTUAL TABLE old USING fts4(content='notes');
        CREATE VIRTUAL TABLE places USING rtree(id, x, y);
        INSERT INTO places VALUES (1, 2, 3);";
    let rows = [
        ("DROP TABLE docs", "drops the table `docs` with 1 row"),
        (
            "DROP TABLE docs; CREATE VIRTUAL TABLE docs USING fts5(text, tag)",
            "replaces the table `docs` with 1 row",
        ),
        (
            "DROP TABLE old; DROP TABLE places",
            "drops the table `old` with 1 row; drops the table `places` with 1 row",
        ),
        ("DELETE FROM notes", "deletes rows of `notes`, which has 1 row"),
        ("DELETE FROM places; SELECT * FROM places", "deletes rows of `places`, which has 1 row"),
        (
            "SELECT * FROM places; INSERT INTO places VALUES (9, 1, 2); DELETE FROM docs WHERE rowid = 1",
            "deletes rows of `docs`, which has 1 row",
        ),
        ("ALTER TABLE docs RENAME TO papers; DELETE FROM papers", "deletes rows of `docs`, which has 1 row"),
        ("ALTER TABLE docs RENAME TO papers; DROP TABLE papers", "drops the table `docs` with 1 row"),
        ("DROP TABLE notes", "drops the table `notes` with 1 row; drops the trigger `synced`"),
    ];
    for trust in [Trust::Program, Trust::Database] {
        for (script, expected) in rows {
            assert_eq!(one(schema, script, trust), expected, "{script}");
        }
    }
    let stored = "CREATE VIRTUAL TABLE docs USING fts5(text); INSERT INTO docs VALUES ('a')";
    assert_eq!(
        one(stored, "DELETE FROM docs_content", Trust::Program),
        "deletes rows of `docs`, which has 1 row"
    );
}

fn with_function(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
    conn.create_scalar_function("fold", 1, flags, |context| context.get::<String>(0))?;
    conn.create_collation("german", |a: &str, b: &str| a.cmp(b))
}

#[test]
fn what_only_the_application_has_is_left_out_or_prepared() {
    let live = Connection::open_in_memory().unwrap();
    with_function(&live).unwrap();
    let schema = "CREATE TABLE notes (text COLLATE german); CREATE TABLE log (x); CREATE INDEX folded ON log (fold(x));
        CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT fold(new.x); END";
    live.execute_batch(schema).unwrap();
    let script = "DELETE FROM log WHERE fold(x) = 1; DROP INDEX folded; DROP TABLE notes";
    let scripts = [PlannedScript::new(Some(script), Trust::Program)];
    assert_eq!(
        in_words(&forecasts(&live, &scripts, None)[0]),
        "drops the table `notes` with 0 rows (as its text reads); deletes rows of `log`, which has 0 rows (as its text reads); \
         drops the index `folded` (as its text reads); FAILS no such function: fold at 22 in 1"
    );
    let scripts = [PlannedScript::new(Some("DROP INDEX folded"), Trust::Program)];
    assert_eq!(
        in_words(&forecasts(&live, &scripts, None)[0]),
        "drops the index `folded` (as its text reads); FAILS no such index: folded; the copy of the schema lacks `folded`: \
         no such function: fold at 0 in 1"
    );
    let prepare: &Prepare<Sqlite> = &|conn: &Connection| Ok(with_function(conn)?);
    let scripts = [PlannedScript::new(Some(script), Trust::Database)];
    assert_eq!(
        in_words(&forecasts(&live, &scripts, Some(prepare))[0]),
        "drops the table `notes` with 0 rows; deletes rows of `log`, which has 0 rows; drops the index `folded`"
    );
}

#[test]
fn the_hook_may_fail_and_may_attach() {
    let live = live(NOTES);
    let scripts = [PlannedScript::new(Some("DROP TABLE aux.a"), Trust::Program)];
    let tables = [TableName::default()];
    let failing: &Prepare<Sqlite> = &|_: &Connection| Err(BoxError::from("no key"));
    let fault = forecast(
        &live,
        &ForecastRequest {
            scripts: &scripts,
            tables: &tables,
            prepare: Some(failing),
            sample: Sample::Small,
            limits: StoredLimits::default(),
        },
    );
    assert_eq!(fault.unwrap_err().to_string(), "the function given to `prepare_connection` failed: no key");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aux.db").display().to_string();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE a (b)").unwrap();
    let attaching = move |conn: &Connection| {
        conn.execute("ATTACH ?1 AS aux", [&path])?;
        Ok(conn.execute_batch("BEGIN; CREATE TABLE notes (x)")?)
    };
    let found = in_words(&forecasts(&live, &scripts, Some(&attaching))[0]);
    assert!(found.contains("FAILS no such table: aux.a; the copy of the schema lacks `aux`"), "{found}");
    other.execute_batch("SELECT * FROM a").unwrap();
}

#[test]
fn a_crafted_schema_does_nothing() {
    let forged = |sql: &str| {
        let live = live("CREATE TABLE log (x)");
        live.execute_batch("PRAGMA writable_schema = ON").unwrap();
        let insert = "INSERT INTO sqlite_master VALUES ('trigger', 'sqlite_x', 'log', 0, ?1)";
        live.execute(insert, [sql]).unwrap();
        live.execute_batch("PRAGMA writable_schema = OFF").unwrap();
        let scripts = [PlannedScript::new(Some("INSERT INTO log VALUES (1)"), Trust::Database)];
        in_words(&forecasts(&live, &scripts, None)[0])
    };
    let rows = [
        ("ATTACH 'nowhere.db' AS x", "its text is not one that creates something"),
        (
            "CREATE TRIGGER sqlite_x AFTER INSERT ON log BEGIN DELETE FROM __switchy_migrations; END",
            "object name reserved for internal use: sqlite_x",
        ),
        (
            "CREATE TEMP TRIGGER sqlite_x AFTER INSERT ON log BEGIN SELECT 1; END",
            "object name reserved for internal use: sqlite_x",
        ),
    ];
    for (sql, why) in rows {
        assert_eq!(
            forged(sql),
            format!("FAILS `sqlite_x` in the schema of the database cannot be copied: {why}")
        );
    }
    let fired = "CREATE TRIGGER y AFTER INSERT ON log BEGIN DELETE FROM __switchy_migrations; END";
    let found = forged(&format!("{fired}; ATTACH 'nowhere.db' AS x"));
    assert_eq!(found, "FAILS it writes to the tracking table `__switchy_migrations` at 0 in 1");
    assert_eq!(forged("CREATE TABLE sqlite_y AS SELECT load_extension('x')"), "");
    assert!(!std::path::Path::new("nowhere.db").exists());
    let live = live("CREATE TABLE a (b PRIMARY KEY)");
    live.execute_batch(
        "DROP TABLE __switchy_migrations; \
        CREATE TABLE __switchy_migrations (name REFERENCES a ON DELETE CASCADE)",
    )
    .unwrap();
    let scripts = [PlannedScript::new(Some("DELETE FROM a"), Trust::Database)];
    let found = first_in_words(&live, &scripts);
    assert_eq!(found, "FAILS the tracking table `__switchy_migrations` has a foreign key");
}

fn first_in_words(live: &Connection, scripts: &[PlannedScript<'_>]) -> String {
    in_words(&forecasts(live, scripts, None)[0])
}

#[test]
fn a_long_script_takes_no_longer_than_its_length() {
    for (table, trust) in [("log", Trust::Program), ("missing", Trust::Program), ("log", Trust::Database)] {
        let script =
            format!("INSERT INTO {table} VALUES ('some text');\n").repeat(20_000) + "DROP VIEW texts";
        let found = one(NOTES, &script, trust);
        assert!(found.starts_with("drops the view `texts`"), "{found}");
    }
}

#[test]
fn internal_tables_of_sqlite_exist() {
    let schema = "CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT, c); CREATE INDEX d ON a (c);
        INSERT INTO a (c) VALUES (1); ANALYZE; DROP TABLE a; CREATE TABLE e (f UNIQUE);";
    for trust in [Trust::Program, Trust::Database] {
        assert_eq!(one(schema, "DELETE FROM sqlite_sequence; DELETE FROM sqlite_stat1", trust), "");
    }
    assert_eq!(one(schema, "DROP TABLE e", Trust::Program), "drops the table `e` with 0 rows");
}
