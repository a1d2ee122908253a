//! A state over `rusqlite`: files that the published `hyperchad_state` wrote are taken over, and it can still open them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hyperchad_integration::{OpenError, SqliteState, open};
use hyperchad_state::sqlite::SqlitePersistence;
use hyperchad_state::{Error, StatePersistence};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::{execute, exercise, published_file, rows, schema, values, wait};

#[test]
fn a_file_of_the_published_version_is_taken_over_with_every_value() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(published_file(&path));
    let before = rows(&path);
    assert!(!schema(&path).contains("PRIMARY KEY"));
    for _ in 0..2 {
        open(&path).unwrap();
        assert_eq!(rows(&path), before);
        assert!(schema(&path).contains("PRIMARY KEY"));
    }
    wait(exercise(async || SqliteState::open(&path).unwrap()));
}

#[test]
fn a_migrated_file_still_opens_with_the_published_version() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(published_file(&path));
    open(&path).unwrap();
    wait(exercise(async || SqlitePersistence::new(&path).await.unwrap()));
    assert!(schema(&path).contains("PRIMARY KEY"));
    // The published persistence writes the file again.
    wait(published_file(&path));
    wait(exercise(async || SqliteState::open(&path).unwrap()));
}

#[test]
fn a_file_can_be_migrated_while_the_published_version_has_it_open() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(async {
        let published = SqlitePersistence::new(&path).await.unwrap();
        published.set("theme", &"dark").await.unwrap();
        let ours = SqliteState::open(&path).unwrap();
        // Its prepared statements refer to the table that was dropped.
        published.set("theme", &"light").await.unwrap();
        published.set("new", &1).await.unwrap();
        assert_eq!(ours.get::<String>("theme").await.unwrap().as_deref(), Some("light"));
        ours.set("new", &2).await.unwrap();
        assert_eq!(published.take::<u8>("new").await.unwrap(), Some(2));
        assert_eq!(ours.get::<u8>("new").await.unwrap(), None);
    });
}

/// Two programs that set a new key at once both insert a row. The last row has the newest value, unless a later `set`, which updates both
/// rows, made them equal.
#[test]
fn of_several_rows_with_one_key_the_newest_is_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(published_file(&path));
    execute(
        &path,
        r#"INSERT INTO state VALUES ('theme', '"light"'), ('1', '2'), ('theme', '"sepia"'), ('Theme', '"other"')"#,
    );
    open(&path).unwrap();
    let kept: BTreeMap<String, Value> =
        rows(&path).into_iter().map(|(key, value)| (key, serde_json::from_str(&value).unwrap())).collect();
    let mut expected = values();
    expected.insert("theme".into(), json!("sepia"));
    expected.insert("1".into(), json!(2));
    expected.insert("Theme".into(), json!("other"));
    assert_eq!(kept.len(), rows(&path).len());
    assert!(kept == expected);
}

#[test]
fn a_missing_file_is_made_with_its_folder() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("some/where/state.db");
    wait(async {
        open(&path).unwrap().set("theme", &"dark").await.unwrap();
        assert_eq!(open(&path).unwrap().get::<String>("theme").await.unwrap().as_deref(), Some("dark"));
    });
    // The migrations produce the same schema from an empty file and from a published file.
    let published = folder.path().join("published.db");
    wait(published_file(&published));
    open(&published).unwrap();
    assert_eq!(schema(&published), schema(&path));
}

#[test]
fn a_value_that_cannot_be_read_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(async {
        let store = open(&path).unwrap();
        execute(&path, "INSERT INTO state VALUES ('half', '{\"a\": '), ('blob', x'ff00'), ('text', '\"x\"')");
        for key in ["half", "blob"] {
            assert!(matches!(store.take::<Value>(key).await, Err(Error::Serde(_))), "{key}");
        }
        assert!(matches!(store.take::<u8>("text").await, Err(Error::Serde(_))));
        let count = |path: &Path| -> u32 {
            let conn = Connection::open(path).unwrap();
            conn.query_row("SELECT count(*) FROM state", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(&path), 3, "nothing was lost");
        assert_eq!(store.take::<String>("text").await.unwrap().as_deref(), Some("x"));
        // A value that cannot be read can still be removed.
        store.remove("half").await.unwrap();
        store.remove("blob").await.unwrap();
        assert_eq!(count(&path), 0);
    });
}

#[test]
fn what_cannot_be_opened_stays_as_it_was() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("letter"), "this is a letter to my aunt".repeat(100)).unwrap();
    execute(
        &path("other.db"),
        "CREATE TABLE state (id INTEGER, name TEXT); INSERT INTO state VALUES (1, 'Ohio')",
    );
    wait(published_file(&path("view.db")));
    // The new table cannot be renamed while a view refers to the old one.
    execute(
        &path("view.db"),
        "CREATE VIEW keys AS SELECT key FROM state; INSERT INTO state VALUES ('1', '2')",
    );
    open(path("newer.db")).unwrap();
    execute(&path("newer.db"), "INSERT INTO __switchy_migrations (name) VALUES ('2999-01-01-000000_future')");

    for (name, expected) in [
        ("letter", "cannot be opened"),
        ("letter/state.db", "the folder"),
        ("other.db", "the table `state` in"),
        ("view.db", "keys"),
        ("newer.db", "2999-01-01-000000_future"),
    ] {
        let content = |sql: &str| -> Option<String> {
            let conn = Connection::open(path(name)).ok()?;
            conn.query_row(sql, [], |row| row.get(0)).ok()
        };
        let all = "SELECT (SELECT group_concat(sql) FROM sqlite_schema WHERE name = 'state') || \
            (SELECT count(*) FROM state)";
        let before = content(all);
        let error = open(path(name)).map(drop).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        let is_ahead = matches!(&error, OpenError::Migration(error) if error.is_database_ahead());
        assert_eq!(is_ahead, name == "newer.db", "{name}");
        assert_eq!(content(all), before, "{name}");
        assert_eq!(before.is_some(), !name.starts_with("letter"), "{name}");
    }
    execute(&path("view.db"), "DROP VIEW keys");
    open(path("view.db")).unwrap();
    assert_eq!(rows(&path("view.db")).len(), values().len());
}

#[test]
fn programs_that_start_at_once_take_a_file_over_once() {
    let folder = TempDir::new().unwrap();
    for (round, is_published) in (0..20).zip([true, true, true, false].into_iter().cycle()) {
        let path = folder.path().join(format!("{round}.db"));
        if is_published {
            drop(wait(SqlitePersistence::new(&path)).unwrap());
            execute(&path, "INSERT INTO state VALUES ('theme', '1'), ('theme', '2')");
        }
        let together = std::sync::Barrier::new(8);
        let start = || {
            together.wait();
            open(&path).map(drop)
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap()).unwrap();
        });
        let expected: &[_] = if is_published { &[("theme".into(), "2".into())] } else { &[] };
        assert_eq!(rows(&path), expected);
        let conn = Connection::open(&path).unwrap();
        let records: u32 =
            conn.query_row("SELECT count(*) FROM __switchy_migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(records, 2);
    }
}

#[test]
fn the_way_back_leads_to_the_table_of_the_published_version() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    wait(published_file(&path));
    let before = (rows(&path), schema(&path).replace([' ', '"'], ""));
    open(&path).unwrap();
    let runner = switchy_schema::MigrationRunner::new_directory("migrations").unwrap();
    runner.rollback(&Connection::open(&path).unwrap(), 1).unwrap();
    assert_eq!(
        (rows(&path), schema(&path).replace([' ', '"'], "").replace("state_without_key", "state")),
        before
    );
    wait(exercise(async || SqlitePersistence::new(&path).await.unwrap()));
}
