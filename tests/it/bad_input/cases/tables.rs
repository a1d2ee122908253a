//! The tracking table and the log, with columns and values that no version of the engine writes.

use super::{FIRST, Place, Rows, row};

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Rows {
    let tables: [(&str, &str); 14] = [
        ("no column that the engine knows", "CREATE TABLE __switchy_migrations (x)"),
        ("a column too many", "CREATE TABLE __switchy_migrations (name, run_on, mine)"),
        (
            "the columns of Diesel",
            "CREATE TABLE __switchy_migrations (version VARCHAR(50) PRIMARY KEY, run_on TIMESTAMP)",
        ),
        ("an escape sequence in a column", "CREATE TABLE __switchy_migrations (\"\u{1b}[2J\u{202e}\", x)"),
        ("a thousand columns", "COLUMNS"),
        ("a view for it", "CREATE VIEW __switchy_migrations AS SELECT 1 AS name, 2 AS run_on"),
        ("a virtual table for it", "CREATE VIRTUAL TABLE __switchy_migrations USING fts5(name, run_on)"),
        ("an index for it", "CREATE TABLE t (x); CREATE INDEX __switchy_migrations ON t (x)"),
        (
            "a trigger with its name",
            "CREATE TABLE t (x); CREATE TRIGGER __switchy_migrations DELETE ON t BEGIN SELECT 1; END",
        ),
        (
            "strict columns of other types",
            "CREATE TABLE __switchy_migrations (name BLOB, run_on REAL) STRICT",
        ),
        ("generated columns", "CREATE TABLE __switchy_migrations (name TEXT, run_on AS (name))"),
        ("no rows and other types", "CREATE TABLE __switchy_migrations (name INTEGER, run_on BLOB)"),
        ("a name in capitals", "CREATE TABLE __SWITCHY_MIGRATIONS (name, run_on)"),
        ("two names that no program wrote", "CREATE TABLE __switchy_migrations (id, name)"),
    ];
    let mut rows: Rows = tables
        .map(|(name, sql)| {
            row(format!("a tracking table with {name}"), move |place: &Place| {
                let columns = (0..1000).map(|number| format!("c{number}")).collect::<Vec<_>>().join(",");
                let columns = format!("CREATE TABLE __switchy_migrations ({columns})");
                let sql = if sql == "COLUMNS" { &columns } else { sql };
                place.sql(&format!("DROP TABLE __switchy_migrations; {sql}"));
            })
        })
        .into();
    let values: [(&str, &str); 42] = [
        ("a name of bytes", "name = x'00ff'"),
        ("a name that is not UTF-8", "name = CAST(x'61ff' AS TEXT)"),
        ("a name with a NUL", "name = 'a' || char(0) || 'b'"),
        ("a number as a name", "name = 7"),
        ("an empty name", "name = ''"),
        ("an escape sequence as a name", "name = char(27) || '[2J' || char(7)"),
        ("an override of the direction as a name", "name = char(8238) || 'x'"),
        ("a name of a hundred thousand letters", "name = printf('%100000d', 1)"),
        ("the name of the migration in capitals", "name = upper(name)"),
        ("the name of the migration with a space", "name = name || ' '"),
        ("a time of bytes", "run_on = x'00ff'"),
        ("a time that is not UTF-8", "run_on = CAST(x'ff' AS TEXT)"),
        ("a negative time", "run_on = -1"),
        ("an empty time", "run_on = ''"),
        ("a time with an escape sequence", "run_on = char(27) || '[2J'"),
        ("a time of a million letters", "run_on = printf('%1000000d', 1)"),
        ("a checksum of bytes", "checksum = x'00ff'"),
        ("a short checksum", "checksum = 'abc'"),
        ("a checksum in capitals", "checksum = upper(checksum)"),
        ("a checksum of zeros", "checksum = printf('%064d', 0)"),
        ("a number as a checksum", "checksum = 7"),
        ("another checksum", "checksum = replace(checksum, substr(checksum, 1, 1), 'f')"),
        ("a dirty mark of text", "dirty = 'yes'"),
        ("a dirty mark of bytes", "dirty = x'01'"),
        ("a dirty mark of 1", "dirty = 1"),
        ("a dirty mark of 2", "dirty = 2"),
        ("a dirty mark of 3", "dirty = 3"),
        ("a dirty mark of 9", "dirty = 9"),
        ("a negative dirty mark", "dirty = -1"),
        ("the largest dirty mark", "dirty = 9223372036854775807"),
        ("half a dirty mark", "dirty = 0.5"),
        ("an endless dirty mark", "dirty = 9e999"),
        ("a duration that is negative", "duration_ms = -1"),
        ("a duration of text", "duration_ms = 'long'"),
        ("a duration of half", "duration_ms = 0.5"),
        ("a digest of bytes", "basis = x'00ff'"),
        ("no digest", "basis = NULL"),
        ("a digest of text", "basis = 'none'"),
        (
            "a dirty mark with the largest statement",
            "dirty = 1, statement = 9223372036854775807, statements = -1",
        ),
        ("a dirty mark with a statement of text", "dirty = 1, statement = 'first', statements = x'ff'"),
        (
            "a dirty mark with a failure that escapes",
            "dirty = 1, failure = char(27) || '[2J' || char(10) || 'FAKE'",
        ),
        ("a dirty mark with a failure of a million letters", "dirty = 1, failure = printf('%1000000d', 1)"),
    ];
    rows.extend(values.map(|(name, set)| {
        row(format!("a record with {name}"), move |place: &Place| {
            place.up("2025-01-02-000000_x", "CREATE TABLE x (y);");
            place.sql(&format!("UPDATE __switchy_migrations SET {set}"));
        })
    }));
    let scripts: [(&str, &str); 9] = [
        (
            "a record more",
            "INSERT INTO __switchy_migrations (name, run_on) VALUES ('2025-01-09-000000_newer', '2025')",
        ),
        (
            "a thousand records more",
            "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) INSERT INTO __switchy_migrations (name, run_on) SELECT '9_' || i, '2025' FROM n",
        ),
        ("a record less", "DELETE FROM __switchy_migrations"),
        (
            "a trigger on the tracking table",
            "CREATE TRIGGER t AFTER INSERT ON __switchy_migrations BEGIN DELETE FROM users; END",
        ),
        (
            "a name twice",
            "CREATE TABLE c AS SELECT * FROM __switchy_migrations; DROP TABLE __switchy_migrations; ALTER TABLE c RENAME TO __switchy_migrations; INSERT INTO __switchy_migrations SELECT * FROM __switchy_migrations",
        ),
        (
            "no name",
            "CREATE TABLE c AS SELECT * FROM __switchy_migrations; UPDATE c SET name = NULL; DROP TABLE __switchy_migrations; ALTER TABLE c RENAME TO __switchy_migrations",
        ),
        ("a log with other columns", "CREATE TABLE __switchy_migrations_log (x)"),
        ("a log that is a view", "CREATE VIEW __switchy_migrations_log AS SELECT 1"),
        (
            "a log with bytes",
            "CREATE TABLE __switchy_migrations_log (name, event, logged_on, applied_on, checksum, program, who, why); INSERT INTO __switchy_migrations_log VALUES (x'ff', x'ff', x'ff', 1, 1, x'ff', 1.5, char(27))",
        ),
    ];
    rows.extend(
        scripts
            .map(|(name, sql)| row(format!("a database with {name}"), move |place: &Place| place.sql(sql))),
    );
    rows.push(row("two records that differ in case", |place| {
        place.sql(&format!(
            "INSERT INTO __switchy_migrations (name, run_on) VALUES ('{}', '2025')",
            FIRST.to_uppercase()
        ));
    }));
    rows
}
