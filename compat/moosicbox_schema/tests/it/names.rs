//! Which migrations there are, and their order.

use include_dir::{Dir, include_dir};
use moosicbox_schema::Migrations;
use moosicbox_schema::blocking::{
    get_postgres_config_migrations, get_postgres_library_migrations, get_sqlite_config_migrations,
    get_sqlite_library_migrations, migrate_library_until,
};
use rusqlite::Connection;
use switchy_schema::test_utils::rows;
use switchy_schema::{Migration, Postgres, Sqlite};

use crate::content::names;
use crate::log::{listen, warnings};

static ODD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/it/odd_names");

/// The engine orders by the version in a name, the old programs by its bytes.
#[test]
fn the_published_names_have_one_order() {
    let sqlite = [get_sqlite_config_migrations().unwrap(), get_sqlite_library_migrations().unwrap()];
    let postgres = [get_postgres_config_migrations().unwrap(), get_postgres_library_migrations().unwrap()];
    let ids = |list: &[Migration<Sqlite>]| list.iter().map(|it| it.id().to_string()).collect::<Vec<_>>();
    let postgres_ids =
        |list: &[Migration<Postgres>]| list.iter().map(|it| it.id().to_string()).collect::<Vec<_>>();
    let sets = [ids(&sqlite[0]), ids(&sqlite[1]), postgres_ids(&postgres[0]), postgres_ids(&postgres[1])];
    assert_eq!(sets.each_ref().map(Vec::len), [10, 43, 9, 38]);
    for set in sets {
        let (mut by_bytes, mut by_engine) = (set.clone(), set.clone());
        by_bytes.sort();
        by_engine.sort_by_key(|id| switchy_schema::MigrationId::from(id.clone()));
        assert_eq!((&by_bytes, &by_engine), (&set, &set));
    }
    // So nothing has to be told about it.
    assert!(sqlite.iter().flatten().all(|it| it.meta().depends_on.is_empty()));
}

#[test]
fn names_that_the_engine_orders_otherwise_keep_the_order_of_their_bytes() {
    let all = ["10_table", "8_vacuum", "9_column"];
    let odd = Migrations::<Sqlite>::new(&ODD);
    let conn = Connection::open_in_memory().unwrap();
    // The table has to be there for the others, and a `VACUUM` in a transaction is an error.
    odd.run_until(&conn, Some("9_column")).unwrap();
    assert_eq!(names(&conn), all[..2]);
    odd.run(&conn).unwrap();
    assert_eq!(names(&conn), all);
    assert_eq!(rows(&conn, "SELECT a, b FROM odd"), ["NULL|NULL"]);

    // Whatever the newest is: the one that is missing runs.
    for missing in all {
        let conn = Connection::open_in_memory().unwrap();
        odd.run(&conn).unwrap();
        conn.execute_batch("DROP TABLE odd").unwrap();
        let left = all.into_iter().filter(|id| *id != missing);
        conn.execute("DELETE FROM __moosicbox_schema_migrations WHERE name = ?1", [missing]).unwrap();
        assert_eq!(names(&conn), left.collect::<Vec<_>>());
        conn.execute_batch(if missing == "10_table" { "" } else { "CREATE TABLE odd (a)" }).unwrap();
        odd.run(&conn).unwrap();
        assert_eq!(names(&conn).last().unwrap(), missing);
    }
}

#[test]
fn until_stops_before_a_migration_and_not_at_one_that_there_is_not() {
    listen();
    for (until, count, warned) in [
        (Some("2023-10-13-195407_create_artists"), 0, 0),
        (Some("2023-10-13-195702_create_albums"), 1, 0),
        (Some("2025-06-03-211603_cache_api_sources_on_tables"), 42, 0),
        (Some("2023-10-13-195702_creates_albums"), 43, 1),
        (Some(""), 43, 1),
        (None, 43, 0),
    ] {
        let conn = Connection::open_in_memory().unwrap();
        let said = || warnings(&format!("there is no migration `{}` to stop at", until.unwrap_or("none")));
        let before = said().len();
        migrate_library_until(&conn, until).unwrap();
        let exists = "SELECT count(*) FROM sqlite_master WHERE name = '__moosicbox_schema_migrations'";
        let there = if rows(&conn, exists) == ["1"] { names(&conn).len() } else { 0 };
        assert_eq!((there, said().len() - before), (count, warned), "{until:?}");
        // One that is applied already is stopped before all the same.
        migrate_library_until(&conn, Some("2023-10-13-195407_create_artists")).unwrap();
        migrate_library_until(&conn, None).unwrap();
        assert_eq!(names(&conn).len(), 43, "{until:?}");
    }
}
