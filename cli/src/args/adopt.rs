//! `adopt`

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use switchy_schema::{Doubt, Tool};

use super::dry_run::DryRun;
use super::repair::Signing;
use crate::failure::{Failure, Result};

/// The history to take over, and the doubts to accept.
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The tool [default: the one whose table exists]
    #[arg(long, value_name = "TOOL", value_parser = tools())]
    from: Option<Tool>,
    /// The table that holds the tool's history, if it does not have the tool's default name
    #[arg(long, value_name = "NAME")]
    from_table: Option<String>,
    /// For Django: the application that the migrations belong to
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Continue in spite of this doubt
    #[arg(long, value_name = "DOUBT", value_delimiter = ',')]
    accept: Vec<Accepted>,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A doubt that a person accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Accepted {
    /// The tool does not store everything that must be known, so part of it is assumed; --yes accepts this too
    Lost,
    /// An applied migration is not in the folder. It is not recorded
    Orphaned,
    /// A script differs from the one that was applied
    Changed,
    /// The schema differs from the one that the migrations create, or they cannot be replayed
    Unproven,
}

impl From<Accepted> for Doubt {
    fn from(accepted: Accepted) -> Self {
        match accepted {
            Accepted::Lost => Self::Lost,
            Accepted::Orphaned => Self::Orphaned,
            Accepted::Changed => Self::Changed,
            Accepted::Unproven => Self::Unproven,
        }
    }
}

fn tools() -> impl TypedValueParser<Value = Tool> {
    let names = Tool::ALL.map(|tool| PossibleValue::new(tool.name()).aliases(tool.also().iter().copied()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Tool>())
}

impl Adopt {
    /// The adoption for the engine.
    ///
    /// # Errors
    /// The name of the table is not allowed.
    pub(crate) fn how(&self) -> Result<switchy_schema::Adopt> {
        let mut how = switchy_schema::Adopt::new();
        if let Some(tool) = self.from {
            how = how.tool(tool);
        }
        if let Some(table) = &self.from_table {
            how = how.table(table).map_err(Failure::from)?;
        }
        if let Some(app) = &self.app {
            how = how.app(app);
        }
        Ok(self.accept.iter().fold(how, |how, doubt| how.accept((*doubt).into())))
    }
}
