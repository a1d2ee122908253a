//! `repair`

use clap::{Args, Subcommand};
use switchy_schema::{Recovery, Signature};

/// The correction of a record.
#[derive(Debug, Subcommand)]
pub(crate) enum Repair {
    /// Let the next run resume a step that did not finish
    Retry {
        #[command(flatten)]
        which: Unfinished,
        /// Resume at this statement instead of the one where the step stopped
        #[arg(long, value_name = "STATEMENT")]
        from: Option<u32>,
    },
    /// Mark a step that did not finish as done: the rest of it was run by hand
    Done(Unfinished),
    /// Remove the record; nothing is undone
    Forget(Which),
    /// Accept a script that was changed after it was applied
    Accept(Changed),
    /// Record a pending migration as applied, without running it
    Assume(Which),
}

/// The migrations, who corrects them, and why.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The migrations
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    signing: Signing,
}

/// The migrations that did not finish, who corrects them, and why.
#[derive(Debug, Args)]
pub(crate) struct Unfinished {
    /// The migrations [default: the one that did not finish]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    signing: Signing,
}

/// The migrations that were changed, who accepts them, and why.
#[derive(Debug, Args)]
pub(crate) struct Changed {
    /// The migrations [default: the one that was changed]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    signing: Signing,
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
    /// The migrations that it names. None stands for the only one that it can be about.
    pub(crate) fn ids(&self) -> &[String] {
        match self {
            Self::Retry { which, .. } | Self::Done(which) => &which.ids,
            Self::Accept(which) => &which.ids,
            Self::Forget(which) | Self::Assume(which) => &which.ids,
        }
    }

    pub(crate) fn signing(&self) -> &Signing {
        match self {
            Self::Retry { which, .. } | Self::Done(which) => &which.signing,
            Self::Accept(which) => &which.signing,
            Self::Forget(which) | Self::Assume(which) => &which.signing,
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
