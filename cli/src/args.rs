//! The command line, as clap reads it.

#![allow(clippy::doc_markdown, reason = "these comments are printed as help texts")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use switchy_schema::{Links, StoredLimits, Target};

use crate::dialect::name::Name;
use crate::import::Tool;
use crate::setting::EnvFile;
use crate::text::seconds;

mod adopt;
mod database;
mod drift;
mod dry_run;
mod joined;
mod repair;
mod snapshot;
mod verdicts;

pub(crate) use adopt::Adopt;
pub(crate) use database::{DatabaseCommand, Dropping};
pub(crate) use drift::{Drift, Schema};
pub(crate) use dry_run::DryRun;
pub(crate) use joined::joined;
pub(crate) use repair::{Repair, Signing};
pub(crate) use snapshot::{After, SnapshotFolder, SnapshotOptions, When};
pub(crate) use verdicts::{PolicyName, VerdictFlags, allowable, kind, word};

/// Migrates the schema of a SQLite, PostgreSQL or MySQL database.
///
/// Migrations are SQL scripts in a folder. `init` creates the folder, `create` adds a migration, `migrate` applies the pending
/// migrations, `status` shows which ones are applied. Where a command takes an ID, a unique beginning or end of it is enough.
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
Exit codes: 0 done or up to date, 1 failed, 2 usage, 3 pending (status --exit-code) or no such database \
(database exists), 4 refused by a policy, changed or drifted, 5 database newer than the migrations, \
6 a lock or the database was not available in time, 7 dirty.
";

/// The options that every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Global {
    /// The database: sqlite:PATH, a file ending in .db, .sqlite or .sqlite3, postgres://... or mysql://...
    /// [env: SWITCHY_DATABASE_URL, DATABASE_URL]
    #[arg(short, long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The kind of database the migrations are for, when no database URL is given
    #[arg(long, global = true, value_name = "NAME", hide_possible_values = false)]
    pub(crate) dialect: Option<Name>,
    /// The value of a placeholder in the scripts; can be repeated. Other users of this machine can read command-line
    /// arguments: give secrets in the environment
    /// [env: SWITCHY_PLACEHOLDER_<NAME>]
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A statement to run first in the session, such as SET search_path = app; can be repeated
    #[arg(long, global = true, value_name = "SQL")]
    pub(crate) session_sql: Vec<String>,
    /// The folder of migrations [env: SWITCHY_MIGRATIONS_DIR] [default: migrations]
    #[arg(short = 'm', long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Refuse symbolic links out of the folder of migrations, for a folder that somebody else made
    #[arg(long, global = true)]
    pub(crate) no_follow: bool,
    /// The tracking table [env: SWITCHY_MIGRATION_TABLE] [default: __switchy_migrations]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// The schema of the tracking table, on PostgreSQL and MySQL [env: SWITCHY_MIGRATION_SCHEMA] [default: that of the connection]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// The environment: production, staging, ... [env: SWITCHY_ENV]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// How long to wait for the lock while another run holds it [default: 60]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) lock_timeout: Option<f64>,
    /// How many seconds a statement of a migration waits for a lock of another session [default: as long as the server lets it;
    /// on SQLite as --lock-timeout]
    // A longer name of the value would move all explanations below their options.
    #[arg(long, global = true, value_name = "N", value_parser = seconds)]
    pub(crate) statement_lock_timeout: Option<f64>,
    /// How often a transaction that another session blocked is tried again [default: 3]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) lock_retries: Option<u32>,
    /// Wait until the database server is up [default without a number: 60]
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "60", value_parser = seconds)]
    pub(crate) wait: Option<f64>,
    /// Do not read the file .env, which may set DATABASE_URL, SWITCHY_..., PG... and MYSQL_...
    #[arg(long, global = true)]
    pub(crate) no_env_file: bool,
    #[command(flatten)]
    pub(crate) verdicts: VerdictFlags,
    /// Print one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colors; the variable NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    pub(crate) color: Color,
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more details
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Answer yes to every question
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

/// The command to run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a migrations folder and a configuration file
    Init,
    /// Add a migration to the folder
    #[command(visible_alias = "new")]
    Create(Create),
    /// Create a migrations folder from the migrations of another tool
    Import(Import),
    /// Show for each migration whether it is applied
    #[command(visible_alias = "info")]
    Status {
        /// Exit with 3 if a migration is pending, 4 if a script was changed, 5 if the database is newer, 7 if it is dirty
        #[arg(long)]
        exit_code: bool,
    },
    /// List the migrations, without a database
    List,
    /// Write the manifest of the folder, for programs that fetch the migrations from a server
    Manifest {
        /// Write nothing, and exit with 4 if the manifest does not match the folder: for continuous integration
        #[arg(long)]
        check: bool,
    },
    /// Show what a run would do, and what it would delete
    Plan(Plan),
    /// Run the pending migrations on a copy of the database, and show what they do to its rows
    Rehearse(Rehearse),
    /// Apply the pending migrations
    #[command(visible_alias = "up")]
    Migrate(Migrate),
    /// Undo the migrations that were applied last
    #[command(visible_alias = "down")]
    Rollback(Rollback),
    /// Undo the newest migration and apply it again; with --policy development also one that was edited
    Redo(Way),
    /// Undo the migrations that the database has and the folder does not, with the scripts stored in the database
    Downgrade(Downgrade),
    /// List the snapshots of a SQLite database, newest first
    Snapshots(SnapshotFolder),
    /// Replace the content of a SQLite database with that of a snapshot
    Restore(Restore),
    /// Record that a database has all migrations up to and including one, without running anything
    Baseline {
        /// The last migration that the database has
        id: String,
        #[command(flatten)]
        signing: Signing,
    },
    /// Take over the migration history of another tool: sqlx, refinery, Diesel, Flyway, Prisma and others
    Adopt(Adopt),
    /// Report everything that is wrong with the migrations, and with the database if one is given
    Validate {
        /// Also refuse what an author can still correct: for continuous integration
        #[arg(long)]
        strict: bool,
        /// Also run each migration up, down and up again on a copy, and report what its down script does not undo
        #[arg(long)]
        down: bool,
    },
    /// Show what differs from the schema that the applied migrations produce
    Drift(Drift),
    /// Print the schema of the database, or keep it in a file
    Schema(Schema),
    /// Correct the tracking table, where only a person can know what is right
    #[command(subcommand)]
    Repair(Repair),
    /// Show what happened, newest first
    History,
    /// Draw the migrations with their dependencies and their states
    Graph {
        /// The output format
        #[arg(long, default_value = "mermaid")]
        format: GraphFormat,
    },
    /// Show who holds the lock, without taking it from them
    Unlock,
    /// Create or drop the database itself
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Wait until the database server is up, and do nothing else
    Wait {
        /// How long to wait [default: that of --wait, or 60]
        #[arg(value_parser = seconds)]
        seconds: Option<f64>,
    },
    /// Show the settings in effect, and where they come from
    Config,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or that of a command
    Man {
        /// The command
        command: Option<String>,
    },
}

/// How a new migration is laid out.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Create {
    /// What the migration does, in a few words
    #[arg(allow_hyphen_values = true)]
    pub(crate) name: String,
    /// Create a down script, which undoes the migration; this is the default
    #[arg(long, conflicts_with = "no_down")]
    pub(crate) down: bool,
    /// Create no down script: the migration cannot be undone
    #[arg(long)]
    pub(crate) no_down: bool,
    /// Create files instead of a folder
    #[arg(long)]
    pub(crate) flat: bool,
    /// Run it outside a transaction, for statements such as CREATE INDEX CONCURRENTLY
    #[arg(long)]
    pub(crate) no_transaction: bool,
    /// A migration that must be applied before it; can be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) needs: Vec<String>,
    /// What it does, for `list` and `status`
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// The migrations to import.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The tool that the migrations are written for
    #[arg(long, value_name = "TOOL")]
    pub(crate) from: Tool,
    /// The folder of the tool's migrations; the new folder is --dir, which must be empty or not exist
    #[arg(value_name = "FOLDER")]
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
}

/// What to plan.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) either: EitherWay,
    /// Print a script that sqlite3, psql or mariadb runs instead of this program, with the records of what it applies
    #[arg(long)]
    pub(crate) sql: bool,
    #[command(flatten)]
    pub(crate) snapshots: SnapshotOptions,
}

/// What to rehearse.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) either: EitherWay,
}

/// The target of a plan, in either direction.
#[derive(Debug, Args)]
pub(crate) struct EitherWay {
    #[command(flatten)]
    forth: Forth,
    /// Undo this many migrations
    #[arg(long, value_name = "N", group = "target")]
    back: Option<usize>,
    /// Undo everything after this migration, which stays applied
    #[arg(long, value_name = "ID", group = "target")]
    back_to: Option<String>,
}

/// The target of a run that applies migrations.
#[derive(Debug, Args)]
struct Forth {
    /// Apply up to and including this migration
    #[arg(long, value_name = "ID", group = "target")]
    to: Option<String>,
    /// Apply up to this migration, which stays pending
    #[arg(long, value_name = "ID", group = "target")]
    before: Option<String>,
    /// Apply at most this many migrations
    #[arg(short = 'n', long, value_name = "N", group = "target")]
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

impl EitherWay {
    pub(crate) fn target(&self) -> Target {
        match (&self.back_to, self.back) {
            (Some(id), _) => Target::BackTo(id.as_str().into()),
            (_, Some(steps)) => Target::Back(steps),
            (None, None) => self.forth.target(),
        }
    }
}

/// How far `migrate` goes, and how.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    forth: Forth,
    #[command(flatten)]
    pub(crate) way: Way,
    /// Apply all migrations in one transaction
    #[arg(long)]
    pub(crate) batch: bool,
    /// Create the database first if it does not exist
    #[arg(long)]
    pub(crate) create: bool,
}

impl Migrate {
    pub(crate) fn target(&self) -> Target {
        self.forth.target()
    }
}

/// How far `rollback` goes.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Undo this many migrations [default: 1]
    #[arg(short = 'n', long, value_name = "N", group = "target")]
    steps: Option<usize>,
    /// Undo everything applied after this migration, which stays applied
    #[arg(long, value_name = "ID", group = "target")]
    to: Option<String>,
    /// Undo everything
    #[arg(long, group = "target")]
    all: bool,
    #[command(flatten)]
    pub(crate) way: Way,
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

/// Whether to show the plan only, and the limits of the stored scripts.
#[derive(Debug, Clone, Args)]
pub(crate) struct Downgrade {
    #[command(flatten)]
    pub(crate) way: Way,
    /// How long each stored script may run [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_time: Option<u64>,
    /// How many rows each stored script may add, change and delete [default: 10000000]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_rows: Option<u64>,
    /// By how many MiB each stored script may make the database larger [default: 1024]
    #[arg(long, value_name = "MIB")]
    pub(crate) max_growth: Option<u64>,
}

impl Downgrade {
    /// The limits of the stored scripts.
    pub(crate) fn limits(&self) -> StoredLimits {
        let limits = StoredLimits::default();
        let bytes = self.max_growth.map(|mib| mib.saturating_mul(1 << 20));
        limits
            .time(self.max_time.map_or(limits.time, Duration::from_secs))
            .rows(self.max_rows.unwrap_or(limits.rows))
            .bytes(bytes.unwrap_or(limits.bytes))
    }
}

/// How a run goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Way {
    #[command(flatten)]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) snapshots: SnapshotOptions,
}

/// The snapshot to restore.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The file: a path, or a name that `snapshots` lists
    pub(crate) snapshot: PathBuf,
    #[command(flatten)]
    pub(crate) place: SnapshotFolder,
}

/// The output format of `graph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Mermaid,
    Dot,
    Svg,
}

impl Command {
    /// Whether the command needs the migrations of a folder.
    pub(crate) fn needs_folder(&self) -> bool {
        match self {
            Self::Database(command) => matches!(command, DatabaseCommand::Reset(_)),
            _ => true,
        }
    }

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
            Self::Rehearse(_) => "rehearse",
            Self::Migrate(_) => "migrate",
            Self::Rollback(_) => "rollback",
            Self::Redo(_) => "redo",
            Self::Downgrade(_) => "downgrade",
            Self::Snapshots(_) => "snapshots",
            Self::Restore(_) => "restore",
            Self::Baseline { .. } => "baseline",
            Self::Adopt(_) => "adopt",
            Self::Validate { .. } => "validate",
            Self::Drift(_) => "drift",
            Self::Schema(_) => "schema",
            Self::Repair(_) => "repair",
            Self::History => "history",
            Self::Graph { .. } => "graph",
            Self::Unlock => "unlock",
            Self::Database(_) => "database",
            Self::Wait { .. } => "wait",
            Self::Config => "config",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
        }
    }
}

impl Global {
    /// What happens with symbolic links in the folder of migrations.
    pub(crate) fn links(&self) -> Links {
        if self.no_follow { Links::StayInside } else { Links::Follow }
    }

    /// Whether the file `.env` is read.
    pub(crate) fn env_file(&self) -> EnvFile {
        if self.no_env_file { EnvFile::Ignore } else { EnvFile::Read }
    }

    /// The options for an error in arguments that ask for JSON.
    pub(crate) fn for_usage_errors() -> Self {
        Self {
            database_url: None,
            dialect: None,
            set: Vec::new(),
            session_sql: Vec::new(),
            dir: None,
            no_follow: false,
            table: None,
            schema: None,
            env: None,
            lock_timeout: None,
            statement_lock_timeout: None,
            lock_retries: None,
            wait: None,
            no_env_file: false,
            verdicts: VerdictFlags::default(),
            json: true,
            color: Color::Auto,
            quiet: false,
            verbose: 0,
            yes: false,
        }
    }
}
