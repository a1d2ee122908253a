//! Files that the published `hyperchad_state` wrote, and what a store must do with them.

use std::collections::BTreeMap;
use std::path::Path;

use hyperchad_state::sqlite::SqlitePersistence;
use hyperchad_state::{StatePersistence, StateStore};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Runs a future on a runtime that HyperChad's own driver can use.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Keys and values of all types.
pub(crate) fn values() -> BTreeMap<String, Value> {
    let large = "x".repeat(1 << 20);
    let all = [
        ("theme", json!("dark")),
        ("", json!("under an empty key")),
        ("it's; DROP TABLE state; --", json!(null)),
        ("schlüssel 🔑", json!({ "nested": [1, 2.5, "\u{0} \" \\ 🦀", { "deep": [] }] })),
        ("1", json!(1)),
        ("1.0", json!(-1.5e300)),
        ("large", json!(large)),
    ];
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Writes a file with the published persistence.
///
/// That persistence reads only the first row of `INSERT ... RETURNING`. SQLite commits when the statement is reset, which the driver's
/// thread does a little later. A query on the same connection waits for that.
pub(crate) async fn published_file(path: &Path) {
    let persistence = SqlitePersistence::new(path).await.unwrap();
    for (key, value) in values() {
        persistence.set(key, &value).await.unwrap();
    }
    assert_eq!(persistence.get::<Value>("never was").await.unwrap(), None);
}

pub(crate) fn rows(path: &Path) -> Vec<(String, String)> {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn.prepare("SELECT key, value FROM state ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

pub(crate) fn schema(path: &Path) -> String {
    let conn = Connection::open(path).unwrap();
    conn.query_row("SELECT sql FROM sqlite_schema WHERE name = 'state'", [], |row| row.get(0)).unwrap()
}

pub(crate) fn execute(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Calls every operation and checks its result, each time with an empty cache.
pub(crate) async fn exercise<P: StatePersistence>(mut opened: impl AsyncFnMut() -> P) {
    for (key, value) in values() {
        let store = StateStore::new(opened().await);
        let expected = (!value.is_null()).then_some(value);
        assert_eq!(store.get::<Value>(&key).await.unwrap(), expected, "{key:?}");
    }
    let store = StateStore::new(opened().await);
    store.set("theme", &"light").await.unwrap();
    store.set("theme", &"sepia").await.unwrap();
    store.set("new", &vec![1, 2, 3]).await.unwrap();
    let store = StateStore::new(opened().await);
    assert_eq!(store.get::<String>("theme").await.unwrap().as_deref(), Some("sepia"));
    assert_eq!(store.take::<Vec<u8>>("new").await.unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(store.take::<Vec<u8>>("new").await.unwrap(), None);
    store.set("nothing", &None::<String>).await.unwrap();
    assert_eq!(StateStore::new(opened().await).get::<String>("nothing").await.unwrap(), None);
    assert_eq!(store.take::<Option<String>>("nothing").await.unwrap(), Some(None));
    store.remove("1").await.unwrap();
    store.remove("never was").await.unwrap();
    let store = StateStore::new(opened().await);
    assert_eq!(store.get::<Value>("1").await.unwrap(), None);
    assert_eq!(store.get::<Value>("1.0").await.unwrap(), Some(json!(-1.5e300)));
    assert_eq!(store.get::<Value>("never was").await.unwrap(), None);
    store.clear().await.unwrap();
    assert_eq!(StateStore::new(opened().await).get::<Value>("large").await.unwrap(), None);
}
