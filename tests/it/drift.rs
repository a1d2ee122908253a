//! What somebody changed in a schema by hand is found, and what carries no data can be put back.

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    BoxError, Drift, ErrorKind, Hooks, LogEntryKind, Migration, MigrationRunner, Policy, ProblemKind,
    Recovery, SchemaChange, Signature, Target, Verdict,
};

mod property;
mod replays;
mod texts;

const SCRIPT: &str = "
    CREATE TABLE notes (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        date TEXT,
        words INTEGER GENERATED ALWAYS AS (length(text)) VIRTUAL
    );
    CREATE INDEX by_date ON notes (date);
    CREATE UNIQUE INDEX by_text ON notes (text) WHERE date IS NOT NULL;
    CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, note INTEGER REFERENCES notes, kind TEXT);
    CREATE TRIGGER logged AFTER INSERT ON notes BEGIN INSERT INTO log (note, kind) VALUES (new.id, 'new'); END;
    CREATE VIEW recent AS SELECT * FROM notes WHERE date > '2026';
    CREATE TRIGGER added INSTEAD OF INSERT ON recent BEGIN INSERT INTO notes (text) VALUES (new.text); END;
    CREATE VIEW newest AS SELECT max(date) FROM recent;
    CREATE TABLE tags (note INTEGER, tag TEXT COLLATE NOCASE, PRIMARY KEY (note, tag)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE found USING fts5(text, content='notes', content_rowid='id');
    CREATE VIRTUAL TABLE places USING rtree(id, a, b);";

const ROWS: &str = "INSERT INTO notes (text, date) VALUES ('one', '2026-01-01'), ('two', NULL);
    INSERT INTO tags VALUES (1, 'a'); INSERT INTO found (rowid, text) VALUES (1, 'one'); INSERT INTO places VALUES (1, 2, 3);";

fn runner() -> MigrationRunner {
    MigrationRunner::new([
        Migration::sql("1_notes", SCRIPT),
        Migration::sql("2_colour", "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'"),
        Migration::sql(
            "3_renamed",
            "ALTER TABLE log RENAME TO journal; ALTER TABLE tags RENAME COLUMN tag TO label",
        ),
    ])
    .unwrap()
}

/// A file in which everything is applied, with rows.
fn migrated() -> (TestDatabase, Connection) {
    let database = TestDatabase::new();
    let conn = database.connect();
    runner().run(&conn).unwrap();
    conn.execute_batch(ROWS).unwrap();
    assert_eq!(short(&runner().drift(&conn).unwrap()), "");
    (database, conn)
}

/// `-` missing, `+` extra, `~` changed.
fn short(drift: &Drift) -> String {
    assert_eq!(drift.unknown, None);
    let one = |change: &SchemaChange| {
        let sign = match (&change.before, &change.after) {
            (Some(_), None) => '-',
            (None, _) => '+',
            _ => '~',
        };
        format!("{sign}{} {}", change.kind, change.name)
    };
    let mut shown: Vec<String> = drift.changes.iter().map(one).collect();
    shown.sort_by(|one, other| one[1..].cmp(&other[1..]));
    shown.join(", ")
}

/// Every row of every table but the log of the engine.
fn content(conn: &Connection) -> Vec<String> {
    let tables = rows(
        conn,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_log' ESCAPE '\\' ORDER BY name",
    );
    let of = |table: &String| {
        let rows = rows(conn, &format!("SELECT * FROM \"{table}\""));
        rows.into_iter().map(|row| format!("{table}: {row}")).collect::<Vec<_>>()
    };
    tables.iter().flat_map(of).collect()
}

#[test]
fn what_was_done_by_hand_is_found_and_what_carries_no_data_is_put_back() {
    // What somebody did; what is found; a part of the text; what remains after a repair.
    let table = [
        ("DROP INDEX by_date", "-index by_date", "    -CREATE INDEX by_date ON notes (date)", ""),
        ("DROP INDEX by_text; CREATE INDEX by_text ON notes (text)", "~index by_text", "    +CREATE INDEX by_text ON notes (text)", ""),
        ("CREATE INDEX slow ON notes (colour)", "+index slow", "to drop `slow`: name it with", "+index slow"),
        ("DROP TRIGGER logged", "-trigger logged", "missing trigger `logged` of `notes`", ""),
        (
            "DROP TRIGGER logged; CREATE TRIGGER logged AFTER INSERT ON notes BEGIN SELECT 1; END",
            "~trigger logged",
            "    +CREATE TRIGGER logged AFTER INSERT ON notes BEGIN SELECT 1; END",
            "",
        ),
        ("CREATE TRIGGER spy AFTER DELETE ON notes BEGIN SELECT 1; END", "+trigger spy", "extra trigger `spy` of `notes`", "+trigger spy"),
        ("DROP VIEW newest", "-view newest", "missing view `newest`", ""),
        ("DROP VIEW recent", "-trigger added, -view recent", "to recreate `recent`, `added`: call `repair_drift`", ""),
        ("DROP VIEW recent; CREATE VIEW recent AS SELECT 1 AS text", "-trigger added, ~view recent", "changed view `recent`", ""),
        (
            "DROP VIEW recent; CREATE VIEW recent AS SELECT text FROM notes;
            CREATE TRIGGER added INSTEAD OF INSERT ON recent BEGIN INSERT INTO notes (text) VALUES (new.text); END;
            CREATE TRIGGER mine INSTEAD OF DELETE ON recent BEGIN SELECT 1; END",
            "+trigger mine, ~view recent",
            "to keep `mine`: leave it out with `ignore_in_drift`",
            "+trigger mine",
        ),
        ("DROP INDEX by_date; CREATE INDEX BY_DATE ON NOTES (date DESC)", "~index by_date", "changed index", ""),
        ("DROP TRIGGER added; CREATE TRIGGER ADDED INSTEAD OF INSERT ON RECENT BEGIN SELECT 1; END; DROP VIEW newest", "~trigger added, -view newest", "", ""),
        ("CREATE VIEW mine AS SELECT 1", "+view mine", "extra view `mine`", "+view mine"),
        ("CREATE TABLE mine (a); CREATE INDEX of_mine ON mine (a)", "+index of_mine, +table mine", "    +CREATE TABLE mine (a)", "+index of_mine, +table mine"),
        ("ALTER TABLE notes ADD COLUMN mine TEXT", "~table notes", "mine TEXT", "~table notes"),
        ("ALTER TABLE notes DROP COLUMN colour", "~table notes", "to correct `notes`: choose among", "~table notes"),
        (
            "DROP TABLE tags; CREATE TABLE tags (note INTEGER, label TEXT, PRIMARY KEY (note, label)) WITHOUT ROWID",
            "~table tags",
            "changed table `tags`",
            "~table tags",
        ),
        ("DROP TABLE tags", "-table tags", "missing table `tags`", "-table tags"),
        (
            "DROP TABLE found; CREATE VIRTUAL TABLE found USING fts5(text, date, content='notes', content_rowid='id')",
            "~table found",
            "date, content",
            "~table found",
        ),
        ("DROP TABLE places", "-table places", "missing table `places`", "-table places"),
        ("CREATE VIRTUAL TABLE words USING fts4(a)", "+table words", "    +CREATE VIRTUAL TABLE words USING fts4(a)", "+table words"),
        // An index of a table that is not there cannot be put back.
        ("DROP TABLE tags; DROP INDEX by_date", "-index by_date, -table tags", "to recreate `by_date`: call", "-table tags"),
        // What a database does for itself is no drift.
        ("ANALYZE", "", "no drift", ""),
        ("VACUUM", "", "no drift", ""),
        ("REINDEX; PRAGMA optimize; INSERT INTO found (found) VALUES ('optimize')", "", "no drift", ""),
        ("CREATE TEMP TABLE mine (a); CREATE TEMP TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END", "", "no drift", ""),
        ("PRAGMA user_version = 7; PRAGMA application_id = 9", "", "no drift", ""),
        ("ALTER TABLE notes RENAME TO other; ALTER TABLE other RENAME TO notes", "", "no drift", ""),
        ("CREATE INDEX on_engine ON __switchy_migrations (run_on)", "", "no drift", ""),
    ];
    for (by_hand, found, part, left) in table {
        let (_database, conn) = migrated();
        conn.execute_batch(by_hand).unwrap_or_else(|error| panic!("{by_hand}: {error}"));
        let before = schema(&conn);
        let drift = runner().drift(&conn).unwrap();
        assert_eq!(short(&drift), found, "{by_hand}");
        assert!(drift.to_string().contains(part), "{by_hand}: {drift}");
        assert_eq!(drift.is_empty(), found.is_empty());
        assert_eq!(schema(&conn), before, "{by_hand}: looking changes nothing");

        let entries = rows(&conn, "SELECT count(*) FROM __switchy_migrations");
        let content_before = content(&conn);
        let entry = runner().repair_drift(&conn, drift, Signature::of("ada").because("it was slow"));
        let entry = entry.unwrap_or_else(|error| panic!("{by_hand}: {error}"));
        assert_eq!(short(&runner().drift(&conn).unwrap()), left, "{by_hand}");
        assert_eq!(content(&conn), content_before, "{by_hand}: a repair changes no row");
        assert_eq!(rows(&conn, "SELECT count(*) FROM __switchy_migrations"), entries);
        assert_eq!(entry.is_some(), found != left, "{by_hand}");
        if found == left {
            assert_eq!(schema(&conn), before, "{by_hand}: nothing was done");
        }
        assert!(runner().run(&conn).unwrap().is_up_to_date(), "{by_hand}");
    }
}

#[test]
fn a_repair_is_in_the_log() {
    let (_database, conn) = migrated();
    conn.execute_batch("DROP INDEX by_date; DROP VIEW newest; CREATE VIEW newest AS SELECT 2").unwrap();
    let drift = runner().drift(&conn).unwrap();
    let entry =
        runner().program("notes 2").repair_drift(&conn, drift, Signature::of("ada")).unwrap().unwrap();
    assert_eq!((entry.kind.clone(), entry.id.as_str()), (LogEntryKind::Repaired, "3_renamed"));
    assert_eq!(entry.why.as_deref(), Some("created the index `by_date`, replaced the view `newest`"));
    assert_eq!((entry.who.as_deref(), entry.program.as_deref()), (Some("ada"), Some("notes 2")));
    assert_eq!(runner().history(&conn).unwrap().log(), [entry]);
    let stored = rows(&conn, "SELECT event FROM __switchy_migrations_log");
    assert_eq!(stored, ["repaired"]);
}

#[test]
fn what_is_extra_is_dropped_only_by_its_name() {
    let (_database, conn) = migrated();
    conn.execute_batch(
        "CREATE INDEX mine ON notes (colour); CREATE VIEW also AS SELECT 1; CREATE TABLE rows_of_mine (a); DROP INDEX by_date",
    )
    .unwrap();
    let drift = || runner().drift(&conn).unwrap();
    runner().repair_drift(&conn, drift().including("mine"), Signature::of("ada")).unwrap().unwrap();
    assert_eq!(short(&drift()), "+table rows_of_mine, +view also");
    conn.execute_batch("CREATE VIEW \"an \"\"odd\"\"; name\" AS SELECT 1").unwrap();
    let odd = drift().including("an \"odd\"; name");
    runner().repair_drift(&conn, odd, Signature::of("ada")).unwrap().unwrap();
    assert_eq!(short(&drift()), "+table rows_of_mine, +view also");
    // Neither a table nor what is not there.
    for name in ["rows_of_mine", "mine", "notes"] {
        let error =
            runner().repair_drift(&conn, drift().including("also").including(name), Signature::of("ada"));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovery);
        assert!(
            error.to_string().contains(&format!("`{name}` is not an index, trigger or view that differs")),
            "{error}"
        );
        crate::sentences::is_one_sentence(&error.to_string());
        assert_eq!(short(&drift()), "+table rows_of_mine, +view also");
    }
}

#[test]
fn a_repair_is_refused_if_the_database_is_another_one_by_then() {
    let (_database, conn) = migrated();
    conn.execute_batch("DROP INDEX by_date").unwrap();
    for by_hand in [
        "CREATE INDEX by_date ON notes (date DESC)",
        "CREATE TABLE other (a)",
        "DELETE FROM __switchy_migrations WHERE name = '3_renamed'",
    ] {
        let drift = runner().drift(&conn).unwrap();
        conn.execute_batch(by_hand).unwrap();
        let before = schema(&conn);
        let error = runner().repair_drift(&conn, drift, Signature::of("ada")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
        assert_eq!(schema(&conn), before);
    }
}

/// Each of these repairs would fail or do harm halfway.
#[test]
fn a_repair_happens_completely_or_not_at_all() {
    let table = [
        // Rows that a unique index does not accept.
        (
            "DROP INDEX by_text; DROP INDEX by_date; INSERT INTO notes (text, date) VALUES ('one', '2027')",
            "cannot create the index `by_text`: UNIQUE constraint failed",
        ),
        // An index of a column that is gone.
        (
            "DROP INDEX by_text; DROP INDEX by_date; DROP VIEW newest; DROP VIEW recent; ALTER TABLE notes DROP COLUMN date",
            "no such column: date",
        ),
        // A trigger that would make every insert fail.
        (
            "DROP TRIGGER logged; DROP INDEX by_date; ALTER TABLE journal RENAME TO diary",
            "a repair leaves the trigger `logged` unusable: no such table: main.journal",
        ),
        // Views of a table that is gone.
        (
            "DELETE FROM journal; DROP VIEW newest; DROP VIEW recent; DROP TABLE notes",
            "a repair leaves the trigger `added` unusable: no such table: main.notes",
        ),
        // A temporary table takes the place of the one in the file.
        (
            "DROP TRIGGER logged; DROP INDEX by_date; CREATE TEMP TABLE notes (id, date)",
            "would not be what was expected",
        ),
    ];
    for (by_hand, part) in table {
        let (_database, conn) = migrated();
        conn.execute_batch(by_hand).unwrap();
        let drift = runner().drift(&conn).unwrap();
        let (before, temporary) = (schema(&conn), rows(&conn, "SELECT name FROM temp.sqlite_master"));
        let error = runner().repair_drift(&conn, drift, Signature::of("ada")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovery, "{error}");
        assert!(error.to_string().contains(part), "{by_hand}: {error}");
        crate::sentences::is_one_sentence(&error.to_string());
        assert_eq!(schema(&conn), before, "{by_hand}");
        assert_eq!(rows(&conn, "SELECT name FROM temp.sqlite_master"), temporary, "{by_hand}");
        assert!(conn.is_autocommit());
        assert_eq!(runner().history(&conn).unwrap().log(), []);
    }
}

#[test]
fn names_and_beginnings_of_names_can_be_left_out() {
    let (_database, conn) = migrated();
    conn.execute_batch(
        "CREATE TABLE cache_pages (a); CREATE INDEX fast ON cache_pages (a); CREATE TABLE Cache (a); CREATE VIEW mine AS SELECT 1",
    )
    .unwrap();
    for (ignored, found) in [
        (&["cache_*", "mine"][..], "+table Cache"),
        (&["CACHE*", "MINE"], ""),
        (&["cache"], "+index fast, +table cache_pages, +view mine"),
        (&["*"], ""),
        (&["cache_pages*"], "+table Cache, +view mine"),
        (&["notes"], "+index fast, +table Cache, +table cache_pages, +view mine"),
    ] {
        assert_eq!(
            short(&runner().ignore_in_drift(ignored.iter().copied()).drift(&conn).unwrap()),
            found,
            "{ignored:?}"
        );
    }
}

#[test]
fn a_validation_reports_drift_and_a_run_does_not_look() {
    let (_database, conn) = migrated();
    conn.execute_batch("DROP INDEX by_date; CREATE TABLE mine (a)").unwrap();
    let drift_of = |runner: MigrationRunner| {
        let found = runner.validate(&conn).unwrap();
        let found = found.into_iter().filter(|problem| problem.kind == ProblemKind::Drift);
        found
            .map(|problem| (problem.migration.to_string(), problem.verdict, problem.to_string()))
            .collect::<Vec<_>>()
    };
    let found = drift_of(runner());
    assert_eq!((&*found[0].0, found[0].1), ("by_date", Verdict::Warn));
    assert_eq!(
        found[0].2,
        "`by_date` is missing: the applied migrations create this index; call `repair_drift`"
    );
    assert_eq!(
        found[1].2,
        "`mine` is extra: no applied migration creates this table; choose among the statements of `Drift::sql`, or leave it out with `ignore_in_drift`"
    );
    assert_eq!(found.len(), 2);
    let denied = drift_of(runner().policy(Policy::STRICT));
    assert_eq!(denied.iter().map(|found| found.1).collect::<Vec<_>>(), [Verdict::Deny, Verdict::Deny]);
    assert!(runner().policy(Policy::STRICT).run(&conn).unwrap().is_up_to_date());
    assert_eq!(drift_of(runner().ignore_in_drift(["mine", "by_*"])), []);
}

/// The statements to look at lose nothing if they are run as they are, and are enough.
#[test]
fn the_statements_to_look_at_are_comments_where_they_would_lose_something() {
    let (_database, conn) = migrated();
    conn.execute_batch(
        "ALTER TABLE notes DROP COLUMN colour; ALTER TABLE notes ADD COLUMN mine TEXT; DROP TABLE tags; DROP INDEX by_date;
        DROP TRIGGER logged; CREATE TRIGGER logged AFTER DELETE ON notes BEGIN SELECT 1; END; CREATE INDEX extra ON notes (text);
        CREATE TABLE other (a)",
    )
    .unwrap();
    let sql = runner().drift(&conn).unwrap().sql();
    for part in [
        "-- changed table `notes`\nALTER TABLE \"notes\" ADD COLUMN colour TEXT DEFAULT 'red';\n-- ALTER TABLE \"notes\" DROP COLUMN mine; -- this loses its values\n",
        "-- extra index `extra` of `notes`\n-- DROP INDEX main.\"extra\";\n",
        "-- extra table `other`\n-- DROP TABLE main.\"other\"; -- this loses its rows\n",
    ] {
        assert!(sql.contains(part), "{part}\nis not in\n{sql}");
    }
    conn.execute_batch(&sql).unwrap();
    assert_eq!(short(&runner().drift(&conn).unwrap()), "+index extra, ~table notes, +table other");
}
