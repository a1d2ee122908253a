//! The published scripts, run as the published programs ran them: one after the other, each as it is, outside a transaction.

use moosicbox_schema::blocking::{get_sqlite_config_migrations, get_sqlite_library_migrations};
use rusqlite::Connection;

/// The sets that a database may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Config,
    Library,
    /// The library in the database of the config.
    Both,
}

pub(crate) struct Script {
    pub(crate) id: String,
    up: String,
}

impl Set {
    pub(crate) fn scripts(self) -> Vec<Script> {
        let of = |list: Vec<switchy_schema::Migration>| -> Vec<Script> {
            let script = |it: &switchy_schema::Migration| Script {
                id: it.id().to_string(),
                up: it.up_sql().unwrap().to_owned(),
            };
            list.iter().map(script).collect()
        };
        let config = || of(get_sqlite_config_migrations().unwrap());
        let library = || of(get_sqlite_library_migrations().unwrap());
        match self {
            Self::Config => config(),
            Self::Library => library(),
            Self::Both => {
                let mut both = config();
                // They have one migration in common, and it runs once.
                let rest: Vec<Script> = library()
                    .into_iter()
                    .filter(|script| both.iter().all(|other| other.id != script.id))
                    .collect();
                both.extend(rest);
                both
            }
        }
    }

    /// Brings a database with this set to today's end.
    pub(crate) fn migrate(self, conn: &Connection) -> Result<(), moosicbox_schema::MigrateError> {
        if self != Self::Library {
            moosicbox_schema::blocking::migrate_config(conn)?;
        }
        if self != Self::Config {
            moosicbox_schema::blocking::migrate_library(conn)?;
        }
        Ok(())
    }
}

/// Runs these scripts.
pub(crate) fn run<'s>(conn: &Connection, scripts: impl IntoIterator<Item = &'s Script>) {
    for script in scripts {
        conn.execute_batch(&script.up).unwrap_or_else(|error| panic!("{}: {error}", script.id));
    }
}
