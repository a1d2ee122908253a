//! `repair`

use clap::{Args, Subcommand};
use switchy_schema::{Recovery, Signature};

/// How a record is corrected.
#[derive(Debug, Subcommand)]
pub(crate) enum Repair {
    /// Has a step that did not finish go on where it stopped, with the next run
    Retry {
        #[command(flatten)]
        which: Which,
        /// From this statement instead of where it stopped
        #[arg(long, value_name = "STATEMENT")]
        from: Option<u32>,
    },
    /// Counts a step that did not finish as done: its rest was run by hand
    Done(Which),
    /// Removes the record; nothing is undone
    Forget(Which),
    /// Accepts a script that was changed after it was applied
    Accept(Which),
    /// Counts a pending migration as applied, without running it
    Assume(Which),
}

/// Which migrations, who says so, and why.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Which migrations
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Who says so, and why: it stays in the log.
#[derive(Debug, Args)]
pub(crate) struct Signing {
    /// Who says so [default: the user of this process]
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl Signing {
    /// What goes into the log.
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

    /// What is to be done with one of the migrations.
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
