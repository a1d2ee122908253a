//! [`Tool`]: whose history can be taken over.

use std::fmt;
use std::str::FromStr;

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
