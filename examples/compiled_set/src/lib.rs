//! The database of an application: its schema was read when the application was built.

/// `MIGRATIONS`, and `migrate`.
pub mod schema {
    switchy_schema::embedded!();
}

/// The same folder, as PostgreSQL has it.
pub mod server {
    switchy_schema::embedded!("server");
}

/// One migration for everywhere, and one for `staging` alone.
pub mod limited {
    switchy_schema::embedded!("limited");
}
