//! Where the history of the migrations is kept: the schema and the name of the tracking table.

use switchy_schema::{Dialect, MigrationRunner};

use crate::dialect::{Detected, DetectedBy};
use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::setting::Setting;

/// # Errors
/// The name of the tracking table has a dot, which is meant to separate a schema from a table.
pub(crate) fn check_table(table: &Setting<String>) -> Result<()> {
    let Some((schema, name)) = table.value.rsplit_once('.') else { return Ok(()) };
    let (value, source) = (&table.value, &table.source);
    let what = format!("the tracking table `{value}` ({source}) has a dot in its name");
    Err(Failure::usage(format!(
        "{what}; for a table in a schema give both, --schema {schema} --table {name}; SQLite has no schemas"
    )))
}

/// The runner with its tracking table in this schema.
///
/// # Errors
/// The migrations are for SQLite, or it is no name of a schema.
pub(crate) fn in_schema<B: Database>(
    runner: MigrationRunner<B>,
    schema: &Setting<String>,
    detected: Option<&Detected>,
) -> Result<MigrationRunner<B>> {
    // Without an address it is a guess that the migrations are for SQLite.
    let is_guess = detected.is_some_and(|detected| {
        matches!(detected.by, DetectedBy::Default | DetectedBy::Script { .. } | DetectedBy::Layout)
    });
    if is_guess && B::DIALECT == Dialect::Sqlite {
        return Ok(runner);
    }
    match B::in_schema(runner, &schema.value) {
        Some(runner) => Ok(runner?),
        None => Err(Failure::usage(format!(
            "SQLite has no schemas, and {} names one for the tracking table; to keep several histories in one file, choose a name for each table with --table",
            schema.source
        ))),
    }
}
