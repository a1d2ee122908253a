//! `adopt`

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use switchy_schema::{Doubt, Tool};

use super::{DryRun, Signing};
use crate::failure::{Failure, Result};

/// Whose history is taken over, and what is believed of it.
#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// Whose history it is [default: the one whose table is there]
    #[arg(long, value_name = "TOOL", value_parser = tools())]
    from: Option<Tool>,
    /// The table that the tool was told to keep it in
    #[arg(long, value_name = "NAME")]
    from_table: Option<String>,
    /// Of Django, the application that these migrations are of
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Goes on all the same
    #[arg(long, value_name = "DOUBT", value_delimiter = ',')]
    accept: Vec<Accepted>,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A doubt that somebody says yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Accepted {
    /// The tool does not keep what would have to be known, so part is assumed; so does --yes
    Lost,
    /// Something is applied that is not in the folder. It is not recorded
    Orphaned,
    /// A script is not the one that was applied
    Changed,
    /// The schema is not the one that the migrations make, or they cannot be replayed
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

/// The names of the tools.
fn tools() -> impl TypedValueParser<Value = Tool> {
    let names = Tool::ALL.map(|tool| PossibleValue::new(tool.name()).aliases(tool.also().iter().copied()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Tool>())
}

impl Adopt {
    /// What the engine is asked for.
    ///
    /// # Errors
    /// The table cannot have that name.
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
