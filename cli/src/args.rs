//! The command line, as clap reads it.

#![allow(clippy::doc_markdown, reason = "these comments are what a person at a terminal reads")]

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use switchy_schema::Target;

use crate::dialect::Name;
use crate::import::Tool;

mod adopt;
mod repair;

pub(crate) use adopt::Adopt;
pub(crate) use repair::{Repair, Signing};

/// Migrates the schema of a SQLite, PostgreSQL or MySQL database.
///
/// Migrations are SQL scripts in a folder. `init` makes one, `create` adds to it, `migrate` applies what is pending, `status`
/// says what is applied.
#[derive(Debug, Parser)]
#[command(name = "switchy-schema", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(propagate_version = false, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done or up to date, 1 failed, 2 usage, 3 pending (status --exit-code), 4 refused by a policy or \
changed, 5 database newer than the migrations, 6 lock not obtained in time, 7 dirty.
";

/// What holds for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Global {
    /// The database: sqlite:PATH, a file ending in .db, .sqlite or .sqlite3, postgres://..., mysql://...
    /// [env: SWITCHY_DATABASE_URL, DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// Which database the migrations are for, where no database is named
    #[arg(long, global = true, value_name = "NAME", hide_possible_values = false)]
    pub(crate) dialect: Option<Name>,
    /// A statement for the session before anything else, such as SET search_path = app; may be given several times
    #[arg(long, global = true, value_name = "SQL")]
    pub(crate) session_sql: Vec<String>,
    /// The folder of migrations [env: SWITCHY_MIGRATIONS_DIR] [default: migrations]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The table that says what is applied [env: SWITCHY_MIGRATION_TABLE] [default: __switchy_migrations]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// The environment: production, staging, ... [env: SWITCHY_ENV]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// How long to wait for other runs [default: 60]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) lock_timeout: Option<f64>,
    /// One JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colors; the variable NO_COLOR counts too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    pub(crate) color: Color,
    /// Results and errors, and nothing else
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Says more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Answers every question with yes
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a folder of migrations with a first one, and a configuration file
    Init,
    /// Adds a migration to the folder
    Create(Create),
    /// Makes a folder of migrations of those of another tool
    Import(Import),
    /// Says of each migration whether it is applied
    Status {
        /// Ends with 3 if something is pending, 4 if a script was changed, 5 if the database is newer, 7 if it is dirty
        #[arg(long)]
        exit_code: bool,
    },
    /// Lists the migrations, without a database
    List,
    /// Writes the manifest of the folder, for programs that fetch it from a server
    Manifest {
        /// Writes nothing, and ends with 4 if the manifest is not that of the folder: for continuous integration
        #[arg(long)]
        check: bool,
    },
    /// Says what would be done, and what that takes away
    Plan(Plan),
    /// Applies what is pending
    Migrate(Migrate),
    /// Undoes what was applied last
    Rollback(Rollback),
    /// Undoes the newest migration and applies it again
    Redo(DryRun),
    /// Undoes what the database has and the folder has not, with the scripts stored in the database
    Downgrade(DryRun),
    /// Records that a database has everything through a migration, without running anything
    Baseline {
        /// The last migration that the database has
        id: String,
        #[command(flatten)]
        signing: Signing,
    },
    /// Takes over what another tool has applied: sqlx, refinery, Diesel, Flyway, Prisma and others
    Adopt(Adopt),
    /// Says everything that is wrong with the migrations, and with the database if there is one
    Validate {
        /// Refuses what an author could still correct: for continuous integration
        #[arg(long)]
        strict: bool,
    },
    /// Corrects what is recorded, where no program can know what is right
    #[command(subcommand)]
    Repair(Repair),
    /// Says what happened, newest first
    History,
    /// Draws the migrations with what they need, and whether they are applied
    Graph {
        /// The language of the picture
        #[arg(long, default_value = "mermaid")]
        format: GraphFormat,
    },
    /// Says who holds the lock, and never takes it from them
    Unlock,
    /// Says which settings are in force, and where they come from
    Config,
    /// Prints completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Prints the man page, of a command if one is named
    Man {
        /// Which command
        command: Option<String>,
    },
}

/// How a new migration is laid out.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it does, in a few words
    #[arg(allow_hyphen_values = true)]
    pub(crate) name: String,
    /// With a script that undoes it; this is the default
    #[arg(long, conflicts_with = "no_down")]
    pub(crate) down: bool,
    /// Without one: it cannot be undone
    #[arg(long)]
    pub(crate) no_down: bool,
    /// Files instead of a folder
    #[arg(long)]
    pub(crate) flat: bool,
}

/// Whose migrations become ours.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Whose they are
    #[arg(long, value_name = "TOOL")]
    pub(crate) from: Tool,
    /// The folder that has them; the new one is that of --dir, which must not be there yet
    #[arg(value_name = "FOLDER")]
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

/// Where to go, forth or back.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    forth: Forth,
    /// Back by so many
    #[arg(long, value_name = "N", group = "target")]
    back: Option<usize>,
    /// Back to a migration, which stays
    #[arg(long, value_name = "ID", group = "target")]
    back_to: Option<String>,
    /// With the scripts
    #[arg(long)]
    pub(crate) sql: bool,
}

/// Where to go.
#[derive(Debug, Args)]
struct Forth {
    /// Through a migration, and no further
    #[arg(long, value_name = "ID", group = "target")]
    to: Option<String>,
    /// Up to a migration, which stays pending
    #[arg(long, value_name = "ID", group = "target")]
    before: Option<String>,
    /// So many and no more
    #[arg(long, value_name = "N", group = "target")]
    steps: Option<usize>,
}

impl Forth {
    fn target(&self) -> Target {
        match (&self.to, &self.before, self.steps) {
            (Some(id), _, _) => Target::Through(id.as_str().into()),
            (_, Some(id), _) => Target::Before(id.as_str().into()),
            (_, _, Some(steps)) => Target::Steps(steps),
            (None, None, None) => Target::Latest,
        }
    }
}

impl Plan {
    pub(crate) fn target(&self) -> Target {
        match (&self.back_to, self.back) {
            (Some(id), _) => Target::BackTo(id.as_str().into()),
            (_, Some(steps)) => Target::Back(steps),
            (None, None) => self.forth.target(),
        }
    }
}

/// How far, and how.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    forth: Forth,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    /// All in one transaction
    #[arg(long)]
    pub(crate) batch: bool,
}

impl Migrate {
    pub(crate) fn target(&self) -> Target {
        self.forth.target()
    }
}

/// How far back.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// So many; 1 if nothing is said
    #[arg(long, value_name = "N", group = "target")]
    steps: Option<usize>,
    /// Everything applied after a migration, which stays
    #[arg(long, value_name = "ID", group = "target")]
    to: Option<String>,
    /// Everything
    #[arg(long, group = "target")]
    all: bool,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

impl Rollback {
    pub(crate) fn target(&self) -> Target {
        match (&self.to, self.steps) {
            _ if self.all => Target::Empty,
            (Some(id), _) => Target::BackTo(id.as_str().into()),
            (None, steps) => Target::Back(steps.unwrap_or(1)),
        }
    }
}

/// Whether to do it at all.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DryRun {
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The language of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Mermaid,
    Dot,
    Svg,
}

impl Command {
    /// The name of the command, for JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Create(_) => "create",
            Self::Import(_) => "import",
            Self::Status { .. } => "status",
            Self::List => "list",
            Self::Manifest { .. } => "manifest",
            Self::Plan(_) => "plan",
            Self::Migrate(_) => "migrate",
            Self::Rollback(_) => "rollback",
            Self::Redo(_) => "redo",
            Self::Downgrade(_) => "downgrade",
            Self::Baseline { .. } => "baseline",
            Self::Adopt(_) => "adopt",
            Self::Validate { .. } => "validate",
            Self::Repair(_) => "repair",
            Self::History => "history",
            Self::Graph { .. } => "graph",
            Self::Unlock => "unlock",
            Self::Config => "config",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
        }
    }
}

impl Global {
    /// What holds when the arguments could not be read, but ask for JSON.
    pub(crate) fn for_usage_errors() -> Self {
        Self {
            database_url: None,
            dialect: None,
            session_sql: Vec::new(),
            dir: None,
            table: None,
            env: None,
            lock_timeout: None,
            json: true,
            color: Color::Auto,
            quiet: false,
            verbose: 0,
            yes: false,
        }
    }
}
