//! [`Adoption`]: what would become of the history of another tool.

use std::fmt;

use super::tool::Tool;
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError, Result};
use crate::foreign::{Doubt, Objection};
use crate::id::MigrationId;

/// Whose history is taken over, and what is believed of it.
///
/// ```
/// use switchy_schema::{Adopt, Doubt, Tool};
///
/// let how = Adopt::new().tool(Tool::Goose).table("goose_versions")?.accept(Doubt::Orphaned);
/// # Ok::<(), switchy_schema::MigrationError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopt {
    pub(super) tool: Option<Tool>,
    pub(super) table: Option<TableName>,
    pub(super) app: Option<String>,
    accepted: Vec<Doubt>,
}

impl Adopt {
    /// The tool that is found, and no doubt accepted.
    pub fn new() -> Self {
        Self::default()
    }

    /// This tool, whatever else is found.
    pub fn tool(self, tool: Tool) -> Self {
        Self { tool: Some(tool), ..self }
    }

    /// The table that the tool was told to keep its history in, if it is not the one it has by itself.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a table's name.
    pub fn table(self, name: &str) -> Result<Self> {
        Ok(Self { table: Some(TableName::new(name)?), ..self })
    }

    /// Of Django, the application whose migrations the set has.
    pub fn app(self, app: impl Into<String>) -> Self {
        Self { app: Some(app.into()), ..self }
    }

    /// Says yes to a doubt.
    pub fn accept(mut self, doubt: Doubt) -> Self {
        if !self.accepted.contains(&doubt) {
            self.accepted.push(doubt);
        }
        self
    }
}

/// What would become of the history of another tool. Its Display is what a dry run shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adoption {
    /// Whose history it is.
    pub tool: Tool,
    /// Where it was found: a table, or `user_version`.
    pub place: String,
    /// What it says is applied, in the order in which it is to be recorded.
    pub entries: Vec<Adopted>,
    /// What the set has besides, and the next run would apply.
    pub pending: Vec<MigrationId>,
    /// Whether the schema says the same.
    pub proof: Proof,
    /// What speaks against it, whether it was accepted or not.
    pub objections: Vec<Objection>,
    pub(super) how: Adopt,
}

impl Adoption {
    /// Says yes to a doubt, having seen it.
    pub fn accept(self, doubt: Doubt) -> Self {
        Self { how: self.how.accept(doubt), ..self }
    }

    /// What nobody has said yes to, or can: if there is something, nothing is done.
    pub fn refusals(&self) -> impl Iterator<Item = &Objection> {
        self.objections.iter().filter(|objection| !self.is_accepted(objection))
    }

    /// The migrations that are to be recorded, in this order.
    pub fn to_record(&self) -> impl Iterator<Item = &Adopted> {
        self.entries.iter().filter(|entry| entry.migration.is_some() && !entry.is_recorded)
    }

    pub(crate) fn how(&self) -> &Adopt {
        &self.how
    }

    /// Whether somebody has said yes to an objection.
    pub fn is_accepted(&self, objection: &Objection) -> bool {
        objection.doubt.is_some_and(|doubt| self.how.accepted.contains(&doubt))
    }

    /// With what the schema says.
    pub(crate) fn proven(mut self, proof: Proof) -> Self {
        self.objections.extend(doubted(&proof));
        self.proof = proof;
        self
    }

    /// # Errors
    /// Something speaks against it.
    pub(crate) fn refuse(&self) -> Result<()> {
        let refusals: Vec<Objection> = self.refusals().cloned().collect();
        if refusals.is_empty() { Ok(()) } else { Err(Failure::Adoption(refusals).into()) }
    }
}

impl MigrationError {
    /// What keeps the history of another tool from being adopted.
    pub fn objections(&self) -> &[Objection] {
        match self.failure() {
            Failure::Adoption(objections) => objections,
            _ => &[],
        }
    }
}

/// Something that another tool has applied, or must have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// What the tool calls it.
    pub name: String,
    /// The migration of the set that it is.
    pub migration: Option<MigrationId>,
    /// How that is known.
    pub finding: Finding,
    /// When it was applied, in UTC, if the tool knows.
    pub applied_on: Option<String>,
    /// Whether it is recorded already.
    pub is_recorded: bool,
}

/// How it is known which migration something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// By its name, and the tool's checksum is that of the script.
    Verified,
    /// By its name; the tool has no checksum of it, or it is code.
    Matched,
    /// It is not in the history, but must have been applied before something that is.
    Assumed,
    /// By its name, but the tool's checksum is of another script.
    Changed,
    /// It is none in the set.
    Orphaned,
    /// It could be several in the set.
    Ambiguous,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::Matched => "matched",
            Self::Assumed => "assumed",
            Self::Changed => "changed",
            Self::Orphaned => "orphaned",
            Self::Ambiguous => "ambiguous",
        })
    }
}

/// Whether the migrations make the schema that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// Nobody looked, since nothing is to be recorded or something speaks against it anyway.
    NotNeeded,
    /// They do: so many were replayed in an empty database in memory, and the schemas are the same.
    Same(usize),
    /// They do not. Each difference in words, and the number of them.
    Different(Vec<String>),
    /// They could not be replayed, and why.
    Failed(String),
    /// The database has no way to replay them.
    Impossible,
}

/// What a proof that failed has to say.
fn doubted(proof: &Proof) -> Option<Objection> {
    let (what, remedy) = match proof {
        Proof::Different(differences) => {
            let shown: Vec<&str> = differences.iter().take(10).map(String::as_str).collect();
            let more = if differences.len() > 10 { ", ..." } else { "" };
            let what = format!(
                "the migrations make another schema than this database has: {}{more}",
                shown.join(", ")
            );
            (what, "look where the difference comes from and remove it")
        }
        Proof::Failed(why) => {
            let what = format!("the migrations cannot be replayed in an empty database: {why}");
            (what, "correct that")
        }
        Proof::NotNeeded | Proof::Same(_) | Proof::Impossible => return None,
    };
    Some(Objection::doubting(Doubt::Unproven, what, remedy))
}
