//! [`Catalog`]: looking at what a database holds.

use super::driver::Driver;
use crate::dialect::TableName;
use crate::effect::{Forecast, PlannedScript, Trust, scan};
use crate::fault::{BoxError, Fault, FaultKind};
use crate::foreign::{Definition, ForeignTable};

/// Looking at what a database holds besides the records. By default nothing is known of it, and the engine assumes the worst.
///
/// # Errors
/// Every method returns what its database says, as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Catalog: Driver {
    /// Whether something in the database itself, like a trigger, may write to the tracking table when a script writes elsewhere.
    /// If so, the whole table is compared around each step.
    fn has_triggers_on(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Runs `body` on an empty database of our own, which is gone afterwards; `None` if there can be none.
    fn scratch<R>(
        _prepare: Option<&Prepare<Self>>,
        _body: impl FnOnce(&mut Self::Conn<'_>) -> R,
    ) -> Result<Option<R>, Fault> {
        Ok(None)
    }

    /// Whether the database is known to have no tables but these of the engine, so that there is nothing to be lost.
    fn is_blank(_conn: &mut Self::Conn<'_>, _tables: &[TableName]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// A table that another tool made, with these of its columns in its rows, and nothing where it has no such column; `None` if there is no
    /// such table. At most one row more than [`ForeignTable::MOST_ROWS`] is read.
    fn foreign_table(
        _conn: &mut Self::Conn<'_>,
        table: &TableName,
        _columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        let what = format!("{} has no way to read `{table}`, which is not the engine's", Self::DIALECT);
        Err(Fault::new(FaultKind::Other, what).remedy("write `Backend::foreign_table` for it"))
    }

    /// The number that a database keeps for applications, if it has one, as SQLite's `user_version`.
    fn user_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Everything in the schema but these tables, sorted; `None` where definitions cannot be compared.
    fn definitions(_conn: &mut Self::Conn<'_>, _without: &[&str]) -> Result<Option<Vec<Definition>>, Fault> {
        Ok(None)
    }

    /// What is to be expected of scripts that would run one after the other, found out without changing anything. Where the database
    /// has no better way, their text is read; then a script out of the database cannot be vouched for.
    fn forecast(
        _conn: &mut Self::Conn<'_>,
        request: &ForecastRequest<'_, Self>,
    ) -> Result<Vec<Forecast>, Fault> {
        let forecast = |script: &PlannedScript<'_>| Forecast {
            effects: script.text.map(scan).unwrap_or_default(),
            failure: (script.trust == Trust::Database).then(|| {
                let what = format!("{} has no way to try it out on a copy", Self::DIALECT);
                Fault::new(FaultKind::Other, what)
            }),
            ..Forecast::new()
        };
        Ok(request.scripts.iter().map(forecast).collect())
    }
}

/// Code of the application that makes a connection of ours like its own.
pub type Prepare<B> = dyn for<'c> Fn(<B as Driver>::Conn<'c>) -> Result<(), BoxError> + Send + Sync;

/// Scripts to be tried out.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ForecastRequest<'a, B: Driver> {
    /// The scripts, in the order in which they would run.
    pub scripts: &'a [PlannedScript<'a>],
    /// The tables of the engine, which no script out of the database may touch.
    pub tables: &'a [TableName],
    /// Makes a connection of ours like the application's.
    pub prepare: Option<&'a Prepare<B>>,
}

impl<B: Driver> std::fmt::Debug for ForecastRequest<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForecastRequest")
            .field("scripts", &self.scripts)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
