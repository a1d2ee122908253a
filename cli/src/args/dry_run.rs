//! [`DryRun`]: an option of several commands.

use clap::Args;

/// Whether to show the plan only.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DryRun {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
