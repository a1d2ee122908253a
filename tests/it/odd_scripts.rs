//! Scripts of any text: planned, validated, run and undone, and never a panic.

use switchy_schema::{ForeignKeys, Migration, MigrationRunner, Target};

use crate::execution::memory;
use crate::fuzz::inputs::{Numbers, named};

/// Pieces of scripts. Joined at random they are statements, halves of statements, and neither.
const PIECES: [&str; 58] = [
    "DELETE FROM a WHERE b = ",
    "INSERT INTO a VALUES (",
    "UPDATE a SET b = ",
    "SELECT ",
    "CREATE TABLE c (d)",
    "CREATE TABLE IF NOT EXISTS a_new (b, c)",
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN ",
    "CREATE VIEW v AS SELECT ",
    "ALTER TABLE a ADD COLUMN ",
    "ALTER TABLE a RENAME TO ",
    "DROP TABLE IF EXISTS ",
    "DROP TABLE a",
    "PRAGMA ",
    "PRAGMA foreign_keys = ",
    "EXPLAIN QUERY PLAN ",
    "WITH x AS (",
    "VALUES (1",
    "ATTACH ",
    "REPLACE INTO a SELECT ",
    "BEGIN",
    "END",
    "COMMIT",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "CASE WHEN ",
    "a",
    " b ",
    "?",
    "?1",
    "?999",
    ":x",
    "@x",
    "$x",
    "$x::y(z)",
    ":ä",
    "'",
    "\"",
    "`",
    "[",
    "]",
    "'text'",
    "\"ä\"",
    "x'00'",
    "(",
    ")",
    ",",
    ";",
    ";",
    ";\n",
    " ",
    "--",
    "-- ä\n",
    "/*",
    "*/",
    "\u{feff}",
    "é𝄞",
    "\u{a0}",
    "\r\n",
];

/// Plans, validates and runs a script in each way that there is, as the up script and as the down script.
fn try_everything(script: &str) {
    let schema = "CREATE TABLE a (b, c); INSERT INTO a VALUES (1, 'ä'), (2, NULL);
        CREATE TABLE child (a REFERENCES a (b))";
    let up = |script: &str| Migration::from_scripts("2_it", script.to_owned(), Some(script.to_owned()));
    for migration in
        [up(script), up(script).outside_transaction(), up(script).foreign_keys(ForeignKeys::Enforced)]
    {
        let first = Migration::reversible("1_a", "SELECT 1", "SELECT 1");
        let runner = MigrationRunner::new([first, migration]).unwrap().environment("production");
        let conn = memory();
        conn.execute_batch(schema).unwrap();
        if let Ok(plan) = runner.plan(&conn, Target::Latest) {
            let _ = (plan.to_string(), format!("{plan:#}"));
        }
        let found = runner.validate(&conn);
        let _ = found.iter().flatten().map(ToString::to_string).count();
        let runner = runner.confirm(|plan| !plan.to_string().is_empty());
        if let Err(error) = runner.run(&conn) {
            let _ = format!("{error} {error:?}");
        }
        let _ = runner.rollback(&conn, 9).map_err(|error| error.to_string());
    }
    // Stored in the database, which a program downgrades that does not know the migration.
    let conn = memory();
    conn.execute_batch(schema).unwrap();
    let later = Migration::from_scripts("2_it", "SELECT 1", Some(script.to_owned()));
    let first = || Migration::reversible("1_a", "SELECT 1", "SELECT 1");
    MigrationRunner::new([first(), later]).unwrap().run(&conn).unwrap();
    let older = MigrationRunner::new([first()]).unwrap();
    let _ = older.downgrade(&conn).map_err(|error| error.to_string());
}

/// The plan says it, so that the first step is not applied alone.
#[test]
fn a_plan_names_the_parameter_of_a_script() {
    for script in ["DELETE FROM a WHERE b = :x", "DROP TABLE a; INSERT INTO c VALUES (?1)", "SELECT $x;"] {
        let first = Migration::sql("1_a", "CREATE TABLE a (b); CREATE TABLE c (d)");
        let runner = MigrationRunner::new([first, Migration::sql("2_it", script)]).unwrap();
        let conn = memory();
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        assert_eq!(plan.failing_step().unwrap().id.as_str(), "2_it");
        assert!(plan.to_string().contains("it has a parameter"), "{plan}");
        assert!(runner.run(&conn).unwrap_err().to_string().contains("it has a parameter"));
    }
}

#[test]
fn scripts_of_any_text_are_run_or_refused() {
    let last = |script: &str| {
        named(script, script.as_bytes(), |script| try_everything(&String::from_utf8_lossy(script)));
    };
    for parameter in ["?", "?1", ":x", "@x", "$x", "?999", ":ä"] {
        last(&format!("DELETE FROM a WHERE b = {parameter}"));
        last(&format!("DELETE FROM a WHERE b = {parameter};"));
        last(&format!("DELETE FROM a WHERE b = {parameter} -- ä"));
        last(&format!("SELECT 1; INSERT INTO a VALUES ({parameter}, 'ä') /*"));
        last(&format!("CREATE TABLE c (d); DROP TABLE IF EXISTS c; EXPLAIN SELECT {parameter}"));
    }
    let mut numbers = Numbers(4);
    for _ in 0..150 {
        let text = numbers.text(&PIECES, 14);
        let text = String::from_utf8(text).unwrap();
        let cut = numbers.below(text.len() + 1);
        last(&text);
        last(text.get(..cut).unwrap_or_default());
    }
}
