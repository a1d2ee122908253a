//! The output of a dry run.

use std::fmt;

use super::adoption::{Adopted, Adoption, Finding, Proof};
use super::tool_history::quoted;
use crate::printable::Printable;
use crate::remedy::{Remedy, Render, Worded, Wording, for_programmers};
use crate::report::Migrations;

impl Adoption {
    /// The output of a dry run, with each remedy as `wording` writes it. The `Display` of an adoption writes remedies
    /// for programmers.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

impl fmt::Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}

impl Render for Adoption {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        let new = self.to_record().count();
        write!(f, "{} in `{}`: {} to be recorded", self.tool, Printable(&self.place), Migrations(new))?;
        let recorded = self.entries.iter().filter(|entry| entry.is_recorded).count();
        if recorded > 0 {
            write!(f, ", {recorded} recorded already")?;
        }
        self.entries.iter().try_for_each(|entry| write!(f, "\n  {entry}"))?;
        if !self.pending.is_empty() {
            write!(f, "\npending after that: ")?;
            for (place, id) in self.pending.iter().enumerate() {
                write!(f, "{}`{id}`", if place == 0 { "" } else { ", " })?;
            }
        }
        if let Some(proof) = self.proof.in_words() {
            write!(f, "\n{proof}")?;
        }
        for objection in &self.objections {
            let verdict = if self.is_accepted(objection) { "accepted" } else { "refused" };
            write!(f, "\n{verdict}: ")?;
            objection.render(f, wording)?;
        }
        Ok(())
    }
}

/// One line: the finding, the name in the tool, the migration, and when it was applied.
impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = if self.is_recorded { "recorded".to_owned() } else { self.finding.to_string() };
        write!(f, "{finding:9} ")?;
        match &self.migration {
            Some(id) if *id == *self.name => write!(f, "`{id}`")?,
            Some(id) => write!(f, "{} is `{id}`", quoted(&self.name))?,
            None => write!(f, "{}", quoted(&self.name))?,
        }
        match (&self.applied_on, self.finding) {
            (_, Finding::Assumed) => f.write_str(", nobody knows when"),
            (Some(applied_on), _) => write!(f, ", applied at {} UTC", Printable(applied_on)),
            (None, _) => Ok(()),
        }
    }
}

impl Proof {
    fn in_words(&self) -> Option<String> {
        match self {
            Self::Same(count) => Some(format!(
                "proven: replayed in memory, {} make the schema of this database",
                Migrations(*count)
            )),
            Self::Impossible => Some("not proven: scripts can be replayed on SQLite only".to_owned()),
            Self::NotNeeded | Self::Different(_) | Self::Failed(_) => None,
        }
    }
}
