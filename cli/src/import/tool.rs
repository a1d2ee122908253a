//! [`Tool`]: another tool for migrations.

use clap::ValueEnum;

/// The tool that the files are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    Goose,
    Dbmate,
    Refinery,
    Flyway,
    GolangMigrate,
    Sqlx,
    Diesel,
    Prisma,
    Drizzle,
    #[value(hide = true)]
    Rails,
    #[value(hide = true)]
    Django,
    #[value(hide = true)]
    Alembic,
    #[value(hide = true)]
    SeaOrm,
    #[value(hide = true)]
    Grdb,
}

impl Tool {
    /// The usual name of the tool.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Goose => "goose",
            Self::Dbmate => "dbmate",
            Self::Refinery => "refinery",
            Self::Flyway => "Flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Sqlx => "sqlx",
            Self::Diesel => "Diesel",
            Self::Prisma => "Prisma",
            Self::Drizzle => "Drizzle",
            Self::Rails => "Rails",
            Self::Django => "Django",
            Self::Alembic => "Alembic",
            Self::SeaOrm => "SeaORM",
            Self::Grdb => "GRDB",
        }
    }

    /// Whether its scripts begin and commit transactions themselves, as its documentation recommends or allows, and it stores no hash of
    /// their files.
    pub(super) const fn leaves_transactions_to_scripts(self) -> bool {
        matches!(self, Self::GolangMigrate | Self::Goose | Self::Dbmate)
    }

    /// The language of the tool's migrations, if it is not SQL.
    pub(crate) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Rails => Some("Ruby"),
            Self::Django | Self::Alembic => Some("Python"),
            Self::SeaOrm => Some("Rust"),
            Self::Grdb => Some("Swift"),
            _ => None,
        }
    }
}
