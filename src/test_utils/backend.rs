//! [`TestBackend`]: a backend for which there are databases of tests.

use std::fmt::Debug;

use crate::backend::{Sqlite, TestDriver, TestServer};
use crate::schema::Schema;

use super::generate::wanted::Wanted;
use super::{place, query, server};

/// A backend whose migrations [`TestMigrations`](super::TestMigrations) can test: SQLite, and each [`TestServer`].
///
/// # Panics
/// A method panics if it fails.
pub trait TestBackend: TestDriver {
    /// What keeps a database of a test, and removes it when it is dropped.
    type Place: Debug;

    /// A new, empty database.
    #[track_caller]
    fn new_place() -> Self::Place;

    /// A new connection.
    #[track_caller]
    fn open(place: &Self::Place) -> Self::Connection;

    /// A new connection that need not wait for the disk.
    #[track_caller]
    fn open_quick(place: &Self::Place) -> Self::Connection {
        Self::open(place)
    }

    /// Everything in the database, apart from the tables that the engine has by default.
    #[track_caller]
    fn whole_schema(conn: &mut Self::Connection) -> Schema {
        query::whole_schema::<Self>(&mut Self::borrow(conn), None, &query::engine_tables())
            .unwrap_or_else(|fault| panic!("the schema cannot be read: {fault}"))
    }

    /// The definitions in [`whole_schema`](Self::whole_schema).
    #[track_caller]
    fn schema_lines(conn: &mut Self::Connection) -> Vec<String> {
        Self::whole_schema(conn).definitions().iter().map(|definition| definition.sql.clone()).collect()
    }

    /// Inserts rows into the tables that are meant, if rows can be generated.
    ///
    /// # Errors
    /// The error of the database.
    fn fill(
        conn: &mut Self::Conn<'_>,
        schema: &Schema,
        wanted: Wanted,
        is_meant: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Loaded>, String>;
}

/// A table before a migration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// Its name.
    pub table: String,
    /// What a message says about it, if it has no rows.
    pub empty: Option<String>,
}

impl TestBackend for Sqlite {
    type Place = place::Place;

    fn new_place() -> place::Place {
        place::Place::in_folder()
    }

    fn open(place: &place::Place) -> rusqlite::Connection {
        place.connect()
    }

    fn open_quick(place: &place::Place) -> rusqlite::Connection {
        let conn = place.connect();
        // A database that is thrown away need not survive a loss of power, and every commit would wait for the disk.
        if let Err(error) = conn.pragma_update(None, "synchronous", "OFF") {
            panic!("the database of the test cannot be used: {error}");
        }
        conn
    }

    fn schema_lines(conn: &mut rusqlite::Connection) -> Vec<String> {
        query::schema(conn)
    }

    fn fill(
        conn: &mut &rusqlite::Connection,
        schema: &Schema,
        wanted: Wanted,
        is_meant: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Loaded>, String> {
        let filled = super::generate::fill_tables(conn, schema, wanted, is_meant);
        let loaded = |table: super::FilledTable| Loaded {
            empty: table.is_empty.then(|| table.to_string()),
            table: table.table,
        };
        Ok(filled.map_err(|error| error.to_string())?.tables.into_iter().map(loaded).collect())
    }
}

impl<B: TestServer> TestBackend for B {
    type Place = server::ServerDatabase<B>;

    fn new_place() -> server::ServerDatabase<B> {
        server::ServerDatabase::shared()
    }

    fn open(place: &server::ServerDatabase<B>) -> B::Connection {
        place.connect()
    }

    fn fill(
        conn: &mut B::Conn<'_>,
        schema: &Schema,
        _wanted: Wanted,
        _is_meant: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Loaded>, String> {
        let tables = schema.definitions().iter().filter(|definition| definition.kind == "table");
        let loaded = |name: &String| Loaded {
            empty: (B::count(conn, name) == Some(0)).then(|| format!("`{name}`")),
            table: name.clone(),
        };
        Ok(tables.map(|table| &table.name).map(loaded).collect())
    }
}
