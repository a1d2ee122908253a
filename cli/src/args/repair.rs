//! `repair`

use clap::{Args, Subcommand};
use switchy_schema::{Recovery, Signature};

/// The correction of a record.
#[derive(Debug, Subcommand)]
pub(crate) enum Repair {
    /// Let the next run resume a step that did not finish
    Retry {
        #[command(flatten)]
        which: Which,
        /// Resume at this statement instead of the one where the step stopped
        #[arg(long, value_name = "STATEMENT")]
        from: Option<u32>,
    },
    /// Mark a step that did not finish as done: the rest of it was run by hand
    Done(Which),
    /// Remove the record; nothing is undone
    Forget(Which),
    /// Accept a script that was changed after it was applied
    Accept(Which),
    /// Record a pending migration as applied, without running it
    Assume(Which),
}

/// The migrations, who corrects them, and why.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The migrations
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Who makes the change, and why; both are stored in the log.
#[derive(Debug, Args)]
pub(crate) struct Signing {
    /// Who makes the change, for the log [default: the user of this process]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl Signing {
    /// The signature for the log.
    pub(crate) fn signature(&self) -> Signature {
        let user = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let who = self.who.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned());
        let signature = Signature::of(who);
        match &self.why {
            Some(why) => signature.because(why),
            None => signature,
        }
    }
}

impl Repair {
    pub(crate) fn which(&self) -> &Which {
        match self {
            Self::Retry { which, .. }
            | Self::Done(which)
            | Self::Forget(which)
            | Self::Accept(which)
            | Self::Assume(which) => which,
        }
    }

    /// The recovery of one of the migrations.
    pub(crate) fn recovery(&self, id: &str) -> Recovery {
        let id = id.into();
        match self {
            Self::Retry { from: Some(statement), .. } => {
                Recovery::RetryFrom { migration: id, statement: *statement }
            }
            Self::Retry { from: None, .. } => Recovery::Retry(id),
            Self::Done(_) => Recovery::MarkDone(id),
            Self::Forget(_) => Recovery::Forget(id),
            Self::Accept(_) => Recovery::Accept(id),
            Self::Assume(_) => Recovery::AssumeApplied(id),
        }
    }
}
