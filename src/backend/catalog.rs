//! [`Catalog`]: what a database holds besides the records.

use std::time::Duration;

use super::driver::Driver;
use crate::dialect::TableName;
use crate::effect::{Forecast, PlannedScript, Sample, Trust, scan};
use crate::fault::{BoxError, Fault, FaultKind};
use crate::foreign::ForeignTable;
use crate::impact::{DataState, Measured};
use crate::remedy::Remedy;
use crate::report::Applied;
use crate::schema::Schema;
use crate::stored_limits::StoredLimits;

/// What a database holds besides the records. The default knows nothing, and the engine then assumes the worst.
///
/// # How to write it
///
/// * [`has_triggers_on`](Self::has_triggers_on): return `false` if only scripts and code can change a table. The engine then compares less.
/// * [`is_blank`](Self::is_blank): an empty database has nothing to lose, so nobody is asked.
/// * [`scratch`](Self::scratch) and [`forecast`](Self::forecast): for `validate`, and for plans that show what a script removes.
/// * [`foreign_table`](Self::foreign_table), [`user_version`](Self::user_version) and [`schema`](Self::schema): for adoption; the last also for
///   `dump_schema` and `drift`.
///
/// # Errors
/// Every method returns the error of its database as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait Catalog: Driver {
    /// Whether a script can take something away that [`is_blank`](Self::is_blank) does not look at, such as another database of the server.
    /// The scripts for an empty database are then forecast too, and what the catalogue says they take away elsewhere counts.
    const REACHES_BEYOND: bool = false;

    /// Whether a trigger or a similar object may write to the tracking table when a script writes to another table. If so, the engine
    /// compares the whole table before and after each step.
    fn has_triggers_on(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Runs `body` on an empty temporary database; `None` if the backend has none.
    fn scratch<R>(
        _prepare: Option<&Prepare<Self>>,
        _body: impl FnOnce(&mut Self::Conn<'_>) -> R,
    ) -> Result<Option<R>, Fault> {
        Ok(None)
    }

    /// Whether the database is known to have no tables except these, so that there is nothing to lose.
    fn is_blank(_conn: &mut Self::Conn<'_>, _tables: &[TableName]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// The schema in which names without one are looked up first, or created; `None` if that is unknown.
    fn current_schema(_conn: &mut Self::Conn<'_>) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// A table of another tool. Its rows have a cell for each of `columns`, [`Cell::Null`](crate::backend::Cell::Null) for a column that
    /// does not exist. `None` if there is no such table. It reads at most one row more than [`ForeignTable::MOST_ROWS`].
    fn foreign_table(
        _conn: &mut Self::Conn<'_>,
        table: &TableName,
        _columns: &[&str],
    ) -> Result<Option<ForeignTable>, Fault> {
        let what = format!("{} has no way to read `{table}`, which is not the engine's", Self::DIALECT);
        Err(Fault::new(FaultKind::Other, what).remedy(Remedy::program("read it", "`Catalog::foreign_table`")))
    }

    /// The version number that a database keeps for applications, such as SQLite's `user_version`; `None` if it has none.
    fn user_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Runs `body` in one of the places that the request accepts: on a copy of the database with all its rows, or on the database itself.
    /// There it opens no transaction: `body` must run everything in one and roll it back. `None` if the backend has no such place.
    fn rehearsal<R>(
        _conn: &mut Self::Conn<'_>,
        _request: &RehearsalRequest<'_, Self>,
        _body: impl FnOnce(&mut Self::Conn<'_>, &mut Rehearsed<'_, Self>) -> R,
    ) -> Result<Option<R>, Fault> {
        Ok(None)
    }

    /// What a script does that rolling back its transaction does not undo, worded to follow the id of its migration. A
    /// [`rehearsal`](Self::rehearsal) on the database itself does not run such a script, and a transaction with such a script is not tried again.
    fn outlasts_rollback(_script: &str) -> Option<String> {
        None
    }

    /// The state of the data, to find out whether anybody has written to the database.
    fn data_state(_conn: &mut Self::Conn<'_>) -> Result<DataState, Fault> {
        Ok(DataState::default())
    }

    /// The definitions of everything in a schema of the database except these tables, what belongs to them, and what the database makes by
    /// itself; `None` if they cannot be read. Without a name, it is the schema in which unqualified names are looked up first.
    fn schema(
        _conn: &mut Self::Conn<'_>,
        _within: Option<&str>,
        _without: &[&str],
    ) -> Result<Option<Schema>, Fault> {
        Ok(None)
    }

    /// The schema that these scripts of the program make, one after the other in an empty schema beside the live one, of which nothing remains.
    /// For a server that has no database in memory. It must not touch anything else: a script that might is not run.
    fn replay(_conn: &mut Self::Conn<'_>, _scripts: &[&str], _without: &[&str]) -> Result<Replayed, Fault> {
        Ok(Replayed::Impossible(format!("{} has no empty database to run them in", Self::DIALECT)))
    }

    /// What these scripts would do if they ran one after the other. It changes nothing. The default reads the text of the scripts; a
    /// script from the database then counts as failed, since reading the text is not enough to trust it.
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

/// What [`Catalog::replay`] came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Replayed {
    /// The scripts make this schema.
    Made(Schema),
    /// A script, by its place, is not run, since it might touch something else. The reason is worded to follow the id of its migration.
    Refused {
        /// Its place among the scripts, from 0.
        script: usize,
        /// Why.
        why: String,
    },
    /// A script, by its place, failed.
    Failed {
        /// Its place among the scripts, from 0.
        script: usize,
        /// Where the statement that failed is in it, as an offset in bytes.
        offset: usize,
        /// Its error.
        fault: Fault,
    },
    /// The scripts cannot be run, and why.
    Impossible(String),
}

/// Code of the application that prepares a temporary connection like one of its own: SQL functions, collations, modules.
pub type Prepare<B> = dyn for<'c> Fn(<B as Driver>::Conn<'c>) -> Result<(), BoxError> + Send + Sync;

/// The scripts that [`Catalog::forecast`] examines.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ForecastRequest<'a, B: Driver> {
    /// The scripts, in the order in which they would run.
    pub scripts: &'a [PlannedScript<'a>],
    /// The tables of the engine. A script from the database may not touch them.
    pub tables: &'a [TableName],
    /// Prepares the temporary connection.
    pub prepare: Option<&'a Prepare<B>>,
    /// How many rows to use.
    pub sample: Sample,
    /// How long a script from the database may be tried.
    pub limits: StoredLimits,
}

impl<B: Driver> std::fmt::Debug for ForecastRequest<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForecastRequest")
            .field("scripts", &self.scripts)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// What [`Catalog::rehearsal`] needs.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RehearsalRequest<'a, B: Driver> {
    /// The tables of the engine, which are not measured.
    pub tables: &'a [TableName],
    /// Where it may run.
    pub places: &'a [RehearsalPlace],
    /// Prepares the connection to the copy.
    pub prepare: Option<&'a Prepare<B>>,
    /// How long to retry while the database is busy.
    pub patience: Duration,
    /// Is told how far a copy of the database got.
    pub observer: Option<&'a dyn CopyObserver>,
}

impl<B: Driver> std::fmt::Debug for RehearsalRequest<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RehearsalRequest").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// Is told how far a copy of a database got.
pub trait CopyObserver {
    /// So many pages are copied. A backend calls it once every thousand pages or so, and at the end.
    fn copied(&self, done: u64, of: u64);
}

/// Where a rehearsal runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RehearsalPlace {
    /// On a copy, where each step is committed.
    Copy,
    /// In a transaction of the database itself, which is rolled back. Only scripts run there, since code could commit it.
    Transaction,
}

/// A rehearsal that is about to run.
pub struct Rehearsed<'a, B: Driver> {
    /// Where it runs.
    pub place: RehearsalPlace,
    /// What the copy lacks, in words.
    pub lacks: Vec<String>,
    /// The size of the copy, in bytes.
    pub bytes: u64,
    /// How long copying took.
    pub copied_in: Duration,
    /// The error if there is no room for the copy; `None` if the steps run on the database itself.
    pub no_room: Option<Fault>,
    /// Measures what the steps did that ran last.
    pub measure: &'a mut Measure<'a, B>,
}

impl<B: Driver> std::fmt::Debug for Rehearsed<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsed")
            .field("lacks", &self.lacks)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Measures what steps did that just ran.
pub type Measure<'a, B> =
    dyn FnMut(&mut <B as Driver>::Conn<'_>, &RanSteps<'_>) -> Result<Measured, Fault> + 'a;

/// The steps of a rehearsal that ran since the last measurement.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RanSteps<'a> {
    /// What they report; nothing if all steps follow, and the rows of before are to be counted.
    pub steps: &'a [Applied],
    /// What ran in them.
    pub source: Source,
    /// How many steps follow; `None` if it is not known.
    pub remaining: Option<usize>,
}

/// What ran in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Scripts only, whose statements the account lists.
    Scripts,
    /// Scripts that undo a part of what they did, with `ROLLBACK TO`.
    ScriptsThatUndo,
    /// Code or hooks too.
    Code,
}
