//! [`Objection`]: a reason not to adopt the history of another tool.

use std::fmt;

use crate::doubt::Doubt;
use crate::printable::Printable;
use crate::remedy::{Remedy, Render, Worded, Wording, append_remedy, for_programmers};

/// A reason not to adopt the history of another tool. Its `Display` is one line: the finding, then the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Objection {
    /// The doubt, if a person can accept the objection. An objection without a doubt cannot be accepted.
    pub doubt: Option<Doubt>,
    /// What was found.
    pub finding: String,
    /// What a person can do. For a doubt, this includes accepting it.
    pub remedy: Remedy,
}

impl Objection {
    /// An objection that cannot be accepted.
    pub(crate) fn new(finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { doubt: None, finding: finding.into(), remedy: remedy.into() }
    }

    /// An objection that a person can accept instead of correcting its cause.
    pub(crate) fn doubting(doubt: Doubt, finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        let (remedy, accept) = (remedy.into(), Remedy::AcceptDoubt(doubt));
        let remedy = if doubt == Doubt::Lost { remedy.then(accept) } else { remedy.or(accept) };
        Self { doubt: Some(doubt), ..Self::new(finding, remedy) }
    }

    /// The finding, then the remedy as `wording` writes it. The `Display` of an objection writes the remedy for
    /// programmers.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

impl Render for Objection {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        write!(f, "{}", Printable(&self.finding))?;
        append_remedy(f, Some(&self.remedy), wording)
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}
