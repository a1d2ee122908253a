//! `drift` and `schema`

use std::path::PathBuf;

use clap::Args;

use super::repair::Signing;

/// What to do about drift.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// Put back indexes, triggers and views that are missing or changed; tables and columns are never touched
    #[arg(long)]
    pub(crate) repair: bool,
    /// With --repair: also drop these extra indexes, triggers and views, and repair these objects even if the drift is in doubt
    #[arg(value_name = "NAME", requires = "repair")]
    pub(crate) names: Vec<String>,
    /// Ignore objects with this name or prefix, such as cache_*; can be repeated [also drift-ignore in the configuration file]
    #[arg(long, value_name = "NAME")]
    pub(crate) ignore: Vec<String>,
    /// Print the statements that would remove the drift, to choose from
    #[arg(long, conflicts_with = "repair")]
    pub(crate) sql: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Where the schema goes.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Write nothing, and exit with 4 if the file is not the schema of the database: for continuous integration
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    pub(crate) check: Option<PathBuf>,
    /// Write the schema to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}
