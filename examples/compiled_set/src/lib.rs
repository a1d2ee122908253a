//! The database of an application. Its migrations are read when the application is built.

/// `MIGRATIONS`, and `migrate`.
pub mod schema {
    switchy_schema::embedded!();
}

/// The same folder, for PostgreSQL.
pub mod server {
    switchy_schema::embedded!("server");
}

/// One migration for all environments, and one for `staging` only.
pub mod limited {
    switchy_schema::embedded!("limited");
}
