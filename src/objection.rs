//! [`Objection`]: what keeps the history of another tool from being adopted.

use std::fmt;

use crate::doubt::Doubt;
use crate::remedy::{Remedy, Render, Worded, Wording, append_remedy, for_programmers};

/// What keeps a history from being taken over. Its Display is one line: the finding, then the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Objection {
    /// What it is, if a person may say yes to it; nobody may to anything else.
    pub doubt: Option<Doubt>,
    /// What was found.
    pub finding: String,
    /// What a person can do: of a doubt also to accept it.
    pub remedy: Remedy,
}

impl Objection {
    /// Something that nobody can say yes to.
    pub(crate) fn new(finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { doubt: None, finding: finding.into(), remedy: remedy.into() }
    }

    /// Something that a person may say yes to, instead of doing something about it.
    pub(crate) fn doubting(doubt: Doubt, finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        let (remedy, accept) = (remedy.into(), Remedy::AcceptDoubt(doubt));
        let remedy = if doubt == Doubt::Lost { remedy.then(accept) } else { remedy.or(accept) };
        Self { doubt: Some(doubt), ..Self::new(finding, remedy) }
    }

    /// The finding, then the remedy in the words of somebody: the `Display` of an objection has those for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

impl Render for Objection {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        f.write_str(&self.finding)?;
        append_remedy(f, Some(&self.remedy), wording)
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}
