//! [`Adoption`]: what adopting the history of another tool would record.

use std::fmt;

use super::tool::Tool;
use crate::dialect::TableName;
use crate::doubt::Doubt;
use crate::error::{Failure, MigrationError, Result};
use crate::id::MigrationId;
use crate::objection::Objection;
use crate::remedy::Remedy;

/// Which tool's history is adopted, and which doubts are accepted.
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
    /// Detects the tool, and accepts no doubt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adopts the history of this tool, even if there are others.
    pub fn tool(self, tool: Tool) -> Self {
        Self { tool: Some(tool), ..self }
    }

    /// Sets the table of the tool's history, if it does not have the tool's default name.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if the name is not valid for a table.
    pub fn table(self, name: &str) -> Result<Self> {
        Ok(Self { table: Some(TableName::new(name)?), ..self })
    }

    /// Sets the Django application whose migrations the set has.
    pub fn app(self, app: impl Into<String>) -> Self {
        Self { app: Some(app.into()), ..self }
    }

    /// Accepts a doubt.
    pub fn accept(mut self, doubt: Doubt) -> Self {
        if !self.accepted.contains(&doubt) {
            self.accepted.push(doubt);
        }
        self
    }
}

/// What adopting the history of another tool would record. Its `Display` is the output of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adoption {
    /// The tool that wrote the history.
    pub tool: Tool,
    /// Where it was found: a table, or `user_version`.
    pub place: String,
    /// What the history says is applied, in the order in which it is recorded.
    pub entries: Vec<Adopted>,
    /// Migrations that only the set has, and that the next run would apply.
    pub pending: Vec<MigrationId>,
    /// Whether the schema confirms the history.
    pub proof: Proof,
    /// All objections, accepted or not.
    pub objections: Vec<Objection>,
    pub(super) how: Adopt,
}

impl Adoption {
    /// Accepts a doubt after it was shown.
    pub fn accept(self, doubt: Doubt) -> Self {
        Self { how: self.how.accept(doubt), ..self }
    }

    /// The objections that are not accepted. If there are any, nothing is recorded.
    pub fn refusals(&self) -> impl Iterator<Item = &Objection> {
        self.objections.iter().filter(|objection| !self.is_accepted(objection))
    }

    /// The entries that are to be recorded, in this order.
    pub fn to_record(&self) -> impl Iterator<Item = &Adopted> {
        self.entries.iter().filter(|entry| entry.migration.is_some() && !entry.is_recorded)
    }

    pub(crate) fn how(&self) -> &Adopt {
        &self.how
    }

    /// Whether an objection is accepted.
    pub fn is_accepted(&self, objection: &Objection) -> bool {
        objection.doubt.is_some_and(|doubt| self.how.accepted.contains(&doubt))
    }

    /// Adds the proof, with the remedy if the replay failed.
    pub(crate) fn proven(mut self, proof: Proof, remedy: Option<Remedy>) -> Self {
        self.objections.extend(doubted(&proof, remedy));
        self.proof = proof;
        self
    }

    /// # Errors
    /// An objection is not accepted.
    pub(crate) fn refuse(&self) -> Result<()> {
        let refusals: Vec<Objection> = self.refusals().cloned().collect();
        if refusals.is_empty() { Ok(()) } else { Err(Failure::Adoption(refusals).into()) }
    }
}

impl MigrationError {
    /// The objections that prevented the adoption of another tool's history.
    pub fn objections(&self) -> &[Objection] {
        match self.failure() {
            Failure::Adoption(objections) => objections,
            _ => &[],
        }
    }
}

/// A migration that another tool has applied, or must have applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// Its name in the tool's history.
    pub name: String,
    /// The migration of the set that matches it.
    pub migration: Option<MigrationId>,
    /// How it was matched.
    pub finding: Finding,
    /// When it was applied, in UTC, if the tool stores it.
    pub applied_on: Option<String>,
    /// Whether it is recorded already.
    pub is_recorded: bool,
}

/// How an entry of the history was matched with a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Finding {
    /// By its name, and the tool's checksum matches the script.
    Verified,
    /// By its name; the tool stores no checksum for it, or it is code.
    Matched,
    /// It is not in the history, but must have been applied before an entry that is.
    Assumed,
    /// By its name, but the tool's checksum does not match the script.
    Changed,
    /// No migration of the set matches.
    Orphaned,
    /// Several migrations of the set match.
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

/// Whether the migrations create the schema that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// Not checked, because nothing is to be recorded or there are objections anyway.
    NotNeeded,
    /// They do: this many were replayed in an empty in-memory database, and the schemas are the same.
    Same(usize),
    /// They do not. Each difference, in words.
    Different(Vec<String>),
    /// They could not be replayed, for this reason.
    Failed(String),
    /// The database cannot replay them.
    Impossible,
}

/// The objection that follows from a failed proof.
fn doubted(proof: &Proof, remedy: Option<Remedy>) -> Option<Objection> {
    let (what, remedy) = match proof {
        Proof::Different(differences) => {
            let shown: Vec<&str> = differences.iter().take(10).map(String::as_str).collect();
            let more = if differences.len() > 10 { ", ..." } else { "" };
            let what = format!(
                "the migrations make another schema than this database has: {}{more}",
                shown.join(", ")
            );
            (what, "look where the difference comes from and remove it".into())
        }
        Proof::Failed(why) => {
            let what = format!("the migrations cannot be replayed in an empty database: {why}");
            (what, remedy.unwrap_or_else(|| "correct that".into()))
        }
        Proof::NotNeeded | Proof::Same(_) | Proof::Impossible => return None,
    };
    Some(Objection::doubting(Doubt::Unproven, what, remedy))
}
