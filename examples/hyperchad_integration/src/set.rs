//! The migrations of the state, and the table as it was before them.

use include_dir::{Dir, include_dir};
use switchy_schema::backend::Backend;
use switchy_schema::{EmbeddedMigrations, MigrationError, MigrationRunner};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

/// The migration that creates the table that `hyperchad_state` creates by itself.
pub(crate) const FIRST: &str = "2026-11-23-000000_state";

/// The runner, for any connection to SQLite.
pub(crate) fn runner<B: Backend>() -> Result<MigrationRunner<B>, MigrationError> {
    let runner = MigrationRunner::for_backend(EmbeddedMigrations::new(&MIGRATIONS))?;
    Ok(runner.program("hyperchad_integration"))
}

/// What has the name of HyperChad's table.
#[derive(PartialEq)]
pub(crate) enum Table {
    Missing,
    State,
    Other,
}

impl Table {
    /// The table with these columns, in their order; a table that does not exist has none.
    pub(crate) fn with_columns<'c>(columns: impl IntoIterator<Item = &'c str>) -> Self {
        match columns.into_iter().collect::<Vec<_>>()[..] {
            [] => Self::Missing,
            ["key", "value"] => Self::State,
            _ => Self::Other,
        }
    }
}
