//! The smallest program that has two migrations.

use rusqlite::Connection;

fn main() {
    let conn = Connection::open(std::env::args().nth(1).unwrap()).unwrap();
    migrate(&conn);
}

#[cfg(not(feature = "ours"))]
fn migrate(conn: &Connection) {
    let applied: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    for (number, script) in
        ["CREATE TABLE a (x)", "CREATE TABLE b (x)"].iter().enumerate().skip(applied as usize)
    {
        conn.execute_batch(&format!("BEGIN; {script}; PRAGMA user_version = {}; COMMIT", number + 1))
            .unwrap();
    }
}

#[cfg(all(feature = "ours", not(feature = "call-embedded")))]
fn migrate(conn: &Connection) {
    use switchy_schema::{Migration, MigrationRunner};

    let migrations =
        [Migration::sql("1_a", "CREATE TABLE a (x)"), Migration::sql("2_b", "CREATE TABLE b (x)")];
    let runner = MigrationRunner::new(migrations).unwrap();
    runner.run(conn).unwrap();
    #[cfg(feature = "call-more")]
    {
        use switchy_schema::{Recovery, Signature, Target};
        println!("{}", runner.plan(conn, Target::Back(1)).unwrap());
        runner.rollback(conn, 1).unwrap();
        runner.recover(conn, Recovery::AssumeApplied("2_b".into()), Signature::of("size")).unwrap();
    }
}

#[cfg(feature = "call-embedded")]
fn migrate(conn: &Connection) {
    use include_dir::{Dir, include_dir};

    static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
    switchy_schema::MigrationRunner::new_embedded(&MIGRATIONS).unwrap().run(conn).unwrap();
}
