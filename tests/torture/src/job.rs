//! The job of one process: which database, and how it behaves.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rusqlite::Connection;

/// How long a process waits for the others. A rebuild or a restore takes less, on a slow machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Runs, undoes, repairs and downgrades.
    Migrate,
    /// Inserts, updates and deletes rows, as the application does.
    Write,
}

/// How the runs on a database keep snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Snapshots {
    Never,
    Keep,
    Restore,
}

/// A deliberate fault, which the checker must report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// Writers acknowledge a row before its commit.
    AcknowledgeEarly,
    /// A row is deleted between two rounds.
    LoseRow,
    /// A script of data runs again, beside the engine, between two rounds.
    RunTwice,
    /// The record of an applied migration is deleted between two rounds.
    LoseRecord,
    /// A process never ends.
    Hang,
}

impl Sabotage {
    /// The statement that causes the fault in a database that no process uses.
    pub(crate) const fn statement(self) -> Option<&'static str> {
        match self {
            Self::AcknowledgeEarly | Self::Hang => None,
            Self::LoseRow => Some("DELETE FROM notes WHERE id = (SELECT min(id) FROM notes)"),
            Self::RunTwice => Some(
                "INSERT INTO ledger SELECT -stamp, migration, direction, statement FROM ledger
                 WHERE migration = '02_index' AND direction = 'up'
                 AND EXISTS (SELECT 1 FROM __switchy_migrations WHERE name = '02_index') LIMIT 1",
            ),
            Self::LoseRecord => Some("DELETE FROM __switchy_migrations WHERE name = '02_index'"),
        }
    }
}

/// A job, as the arguments of a process.
#[derive(Debug, Clone, Args)]
pub(crate) struct Job {
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    /// The database; the log is beside it.
    #[arg(long)]
    pub(crate) database: PathBuf,
    /// The journal mode of the connections.
    #[arg(long)]
    pub(crate) journal: String,
    /// The number of the process, which is in all its stamps and ids.
    #[arg(long)]
    pub(crate) number: i64,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long, value_enum)]
    pub(crate) snapshots: Snapshots,
    #[arg(long)]
    pub(crate) is_unlocked: bool,
    #[arg(long, value_enum)]
    pub(crate) sabotage: Option<Sabotage>,
}

impl Job {
    /// The command that does the job in a process of its own.
    pub(crate) fn command(&self) -> std::io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("job").arg("--database").arg(&self.database);
        command.args(["--number", &self.number.to_string(), "--seed", &self.seed.to_string()]);
        command.args(["--journal", &self.journal]);
        command.args(["--role", &word(&self.role), "--snapshots", &word(&self.snapshots)]);
        if self.is_unlocked {
            command.arg("--is-unlocked");
        }
        if let Some(sabotage) = &self.sabotage {
            command.args(["--sabotage", &word(sabotage)]);
        }
        Ok(command)
    }

    /// Opens the database.
    pub(crate) fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = Connection::open(&self.database)?;
        conn.busy_timeout(PATIENCE)?;
        // Only WAL is stored in the file.
        if self.journal != "wal" {
            conn.pragma_update(None, "journal_mode", &self.journal)?;
        }
        Ok(conn)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.database.with_extension("log")
    }

    /// The first of the numbers that only this process uses.
    pub(crate) fn first_id(&self) -> i64 {
        self.number * 1_000_000
    }
}

/// A value as an argument.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
