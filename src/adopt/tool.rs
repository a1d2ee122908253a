//! [`Tool`]: a tool whose history can be adopted.

use std::fmt;
use std::str::FromStr;

/// A tool whose history can be adopted. `docs/adopt.md` has a page for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tool {
    /// sqlx, and tools that are built on it, such as tauri-plugin-sql.
    Sqlx,
    /// refinery
    Refinery,
    /// `PRAGMA user_version`, a number in the header of a SQLite file: `rusqlite_migration`, SQLDelight, Room, and many
    /// hand-written tools.
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
    /// Active Record of Ruby on Rails
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
    /// Alembic of SQLAlchemy. Its history cannot be adopted, and the error says why.
    Alembic,
    /// This engine with another name of the table, including its older forms, and `moosicbox_schema`.
    Switchy,
}

impl Tool {
    /// All tools.
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

    /// Its name on the command line.
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

    /// Programs that store the same history.
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

/// No tool has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no tool that is known; it is one of {}", .0.escape_debug(), names())]
pub struct UnknownTool(String);

fn names() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

impl FromStr for Tool {
    type Err = UnknownTool;

    /// Reads the name of a tool, or of a program that stores the same history.
    fn from_str(name: &str) -> Result<Self, UnknownTool> {
        let is_it = |own: &str| own.eq_ignore_ascii_case(name);
        let known =
            Self::ALL.into_iter().find(|tool| is_it(tool.name()) || tool.also().iter().copied().any(is_it));
        known.ok_or_else(|| UnknownTool(name.to_owned()))
    }
}
