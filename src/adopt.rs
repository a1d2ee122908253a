//! [`Adoption`]: what becomes of the history that another tool has kept. What is read of that, and the set, decide it; nothing here
//! touches a database.

use std::fmt;
use std::str::FromStr;

use crate::dialect::TableName;
use crate::error::{Failure, MigrationError, Result};
use crate::foreign::{Doubt, Objection};
use crate::id::MigrationId;
use crate::remedy::Remedy;

mod choose;
mod display;
mod flagged;
mod moment;
mod names;
mod plan;
mod sums;
mod tool_history;
mod tools;
mod versions;

pub(crate) use choose::{Chosen, Seen, candidates, choose};
pub(crate) use plan::{Known, Local, decide};
pub(crate) use tool_history::quoted;

/// Tables that are in no migration: what tools keep for themselves.
pub(crate) fn companions() -> impl Iterator<Item = &'static str> {
    tools::COMPANIONS.into_iter().chain(tools::FORMS.iter().map(|form| form.table))
}

/// A tool whose history can be taken over. `docs/adopt.md` has a page for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tool {
    /// sqlx, and what is built on it, as tauri-plugin-sql.
    Sqlx,
    /// refinery
    Refinery,
    /// A number in the header of a SQLite file, `PRAGMA user_version`: `rusqlite_migration`, SQLDelight, Room, many made by hand.
    UserVersion,
    /// Diesel
    Diesel,
    /// SeaORM
    SeaOrm,
    /// goose
    Goose,
    /// golang-migrate
    GolangMigrate,
    /// dbmate
    Dbmate,
    /// Active Record, of Ruby on Rails
    Rails,
    /// Ecto
    Ecto,
    /// Flyway
    Flyway,
    /// GRDB
    Grdb,
    /// Django
    Django,
    /// Prisma
    Prisma,
    /// Drizzle
    Drizzle,
    /// Alembic, of SQLAlchemy. Its history cannot be taken over, and the error says why.
    Alembic,
    /// This engine under another table's name, its older forms among them, and `moosicbox_schema`.
    Switchy,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Sqlx,
        Self::Refinery,
        Self::UserVersion,
        Self::Diesel,
        Self::SeaOrm,
        Self::Goose,
        Self::GolangMigrate,
        Self::Dbmate,
        Self::Rails,
        Self::Ecto,
        Self::Flyway,
        Self::Grdb,
        Self::Django,
        Self::Prisma,
        Self::Drizzle,
        Self::Alembic,
        Self::Switchy,
    ];

    /// Its name, as the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlx => "sqlx",
            Self::Refinery => "refinery",
            Self::UserVersion => "user_version",
            Self::Diesel => "diesel",
            Self::SeaOrm => "sea-orm",
            Self::Goose => "goose",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
            Self::Rails => "rails",
            Self::Ecto => "ecto",
            Self::Flyway => "flyway",
            Self::Grdb => "grdb",
            Self::Django => "django",
            Self::Prisma => "prisma",
            Self::Drizzle => "drizzle",
            Self::Alembic => "alembic",
            Self::Switchy => "switchy",
        }
    }

    /// Programs that keep the same history.
    pub const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Sqlx => &["tauri-plugin-sql", "tauri"],
            Self::UserVersion => &["rusqlite_migration", "sqldelight", "room"],
            Self::GolangMigrate => &["migrate"],
            Self::Rails => &["activerecord"],
            Self::Switchy => &["moosicbox"],
            _ => &[],
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no tool of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no tool that is known; it is one of {}", .0.escape_debug(), names())]
pub struct UnknownTool(String);

fn names() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

impl FromStr for Tool {
    type Err = UnknownTool;

    /// The name, or that of a program that keeps the same history.
    fn from_str(name: &str) -> Result<Self, UnknownTool> {
        let is_it = |own: &str| own.eq_ignore_ascii_case(name);
        let known =
            Self::ALL.into_iter().find(|tool| is_it(tool.name()) || tool.also().iter().copied().any(is_it));
        known.ok_or_else(|| UnknownTool(name.to_owned()))
    }
}

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
    tool: Option<Tool>,
    table: Option<TableName>,
    app: Option<String>,
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
    how: Adopt,
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

    /// With what the schema says, and what to do if the replay failed.
    pub(crate) fn proven(mut self, proof: Proof, remedy: Option<Remedy>) -> Self {
        self.objections.extend(display::doubted(&proof, remedy));
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
