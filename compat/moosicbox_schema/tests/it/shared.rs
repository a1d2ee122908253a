//! The config and the library in one database.

use moosicbox_schema::blocking::{SQLITE_CONFIG_MIGRATIONS, migrate_config, migrate_library};
use rusqlite::Connection;
use switchy_schema::test_utils::rows;

use crate::content::{content, names, open};
use crate::log::{listen, warnings};
use crate::scripts::{Set, run};

const IN_BOTH: &str = "2024-09-21-130720_set_journal_mode_to_wal";

#[test]
fn neither_keeps_the_other_from_starting() {
    listen();
    let expected = Connection::open_in_memory().unwrap();
    run(&expected, &Set::Both.scripts());
    for order in [[migrate_config, migrate_library], [migrate_library, migrate_config]] {
        let conn = Connection::open_in_memory().unwrap();
        for _ in 0..2 {
            for migrate in order {
                migrate(&conn).unwrap();
            }
        }
        assert_eq!(content(&conn), content(&expected));
        assert_eq!(names(&conn).len(), 10 + 43 - 1);
        assert_eq!(names(&conn).iter().filter(|name| *name == IN_BOTH).count(), 1);
        assert!(SQLITE_CONFIG_MIGRATIONS.runner().unwrap().pending(&conn).unwrap().is_empty());
    }
    // What belongs to the other one is nothing to speak of.
    assert_eq!(warnings("does not know it"), warnings("2099-"));
}

/// The old programs asked for the names that they know, and for no others.
#[test]
fn an_older_program_starts_on_a_newer_database_and_says_so() {
    listen();
    let conn = Connection::open_in_memory().unwrap();
    migrate_library(&conn).unwrap();
    let later = "INSERT INTO __moosicbox_schema_migrations (name) VALUES ('2099-01-01-000000_later')";
    conn.execute_batch(later).unwrap();
    migrate_library(&conn).unwrap();
    let said = warnings("2099-01-01-000000_later");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("this program does not know it"), "{said:?}");
    assert_eq!(rows(&conn, "SELECT count(*) FROM artists"), ["0"]);
}

#[test]
fn a_file_is_switched_to_a_write_ahead_log() {
    let database = switchy_schema::test_utils::TestDatabase::new();
    migrate_library(&open(&database)).unwrap();
    assert_eq!(database.rows("PRAGMA journal_mode"), ["wal"]);
}
