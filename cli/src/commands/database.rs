//! `database create`, `drop`, `reset`, `exists`

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::created::create;
use super::run;
use super::work::Work;
use crate::address::{Address, SqliteFile};
use crate::args::{DatabaseCommand, Dropping};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Outcome};
use crate::patience::patiently;
use crate::session::{Access, Database, Existed, Others};
use crate::text;

pub(super) fn database<B: Database>(work: Work<'_, B>, command: &DatabaseCommand) -> Result<Outcome> {
    match command {
        DatabaseCommand::Create => {
            let (existed, shown) = create(&work)?;
            let text = match existed {
                Existed::No => format!("created the database {shown}"),
                Existed::Before => format!("the database {shown} exists already"),
            };
            Ok(Outcome::new(text, json!({ "database": shown, "created": existed == Existed::No })))
        }
        DatabaseCommand::Exists => {
            let address = address(&work)?;
            let exists = patiently(work.context.settings.wait(), address, work.output(), B::exists)?;
            let text = format!("the database {address} {}", if exists { "exists" } else { "does not exist" });
            let outcome = Outcome::new(text, json!({ "database": address.to_string(), "exists": exists }));
            Ok(if exists { outcome } else { outcome.exiting(Exit::Pending) })
        }
        DatabaseCommand::Drop(dropping) => {
            let (dropped, snapshots) = drop(&work, dropping)?;
            let address = address(&work)?;
            let text = match dropped {
                Dropped::Yes => format!("dropped the database {address}"),
                Dropped::WasNotThere => format!("there is no database {address}"),
            };
            let json = json!({
                "database": address.to_string(),
                "dropped": dropped == Dropped::Yes,
                "snapshots": snapshots,
            });
            Ok(snapshots_stay(Outcome::new(text, json), &snapshots))
        }
        DatabaseCommand::Reset(dropping) => {
            let (dropped, snapshots) = drop(&work, dropping)?;
            if dropped == Dropped::Yes {
                work.output().say(&format!("dropped the database {}", address(&work)?));
            }
            create(&work)?;
            Ok(snapshots_stay(run::all(work)?, &snapshots))
        }
    }
}

fn address<'w, B: Database>(work: &'w Work<'_, B>) -> Result<&'w Address> {
    work.context.settings.address()
}

/// Whether a database was there to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    Yes,
    WasNotThere,
}

/// Drops the database after a confirmation. Returns the snapshots, which stay.
fn drop<B: Database>(work: &Work<'_, B>, dropping: &Dropping) -> Result<(Dropped, Vec<String>)> {
    let settings = work.context.settings;
    let address = address(work)?;
    if !patiently(settings.wait(), address, work.output(), B::exists)? {
        return Ok((Dropped::WasNotThere, Vec::new()));
    }
    confirm(work, address, dropping)?;
    let snapshots = within(work)?;
    let patience = settings.lock_timeout.as_ref().map_or(Duration::from_secs(5), |setting| setting.value);
    let others = if dropping.force { Others::End } else { Others::Respect };
    B::drop(address, others, patience)?;
    Ok((Dropped::Yes, snapshots))
}

/// The snapshots of the database.
///
/// # Errors
/// A run holds the lock of the database.
fn within<B: Database>(work: &Work<'_, B>) -> Result<Vec<String>> {
    // A database that cannot be opened can be dropped all the same.
    let Ok(mut session) = work.open(Access::Read) else { return Ok(Vec::new()) };
    if let Ok(Some(holder)) = work.runner.lock_holder(B::conn(&mut session)) {
        let what = format!("a run holds the lock of the database: {}", text::printable(&holder));
        return Err(Failure::connection(format!("{what}; nothing was dropped")).exiting(Exit::Locked));
    }
    let snapshots = B::snapshots(&work.runner, &mut session).unwrap_or_default();
    Ok(snapshots.iter().map(|snapshot| snapshot.path.display().to_string()).collect())
}

fn snapshots_stay(outcome: Outcome, snapshots: &[String]) -> Outcome {
    if snapshots.is_empty() {
        return outcome;
    }
    let shown = text::printable(&snapshots.join(", "));
    outcome.remarking(format!("kept: {} of it, {shown}", text::counted(snapshots.len(), "snapshot")))
}

/// # Errors
/// Nobody can be asked, the answer is no, or the name that confirms it is missing or another one.
fn confirm<B: Database>(work: &Work<'_, B>, address: &Address, dropping: &Dropping) -> Result<()> {
    let name = name(address);
    let wrong = |given: &str| {
        let given = text::printable(given);
        Failure::unconfirmed(format!("nothing was done: the database is `{name}`, and not `{given}`"))
    };
    if let Some(given) = dropping.confirm.as_ref().filter(|given| **given != name) {
        return Err(wrong(given));
    }
    let question = format!("This drops the database {address} with everything in it.");
    if let Some(environment) = work.runner.protected_environment().filter(|_| dropping.confirm.is_none()) {
        if !output::can_ask() {
            let what = format!("nothing was done: the environment {environment} is protected");
            return Err(Failure::unconfirmed(format!(
                "{what}; name the database with --confirm {name} as well, and confirm with --yes"
            )));
        }
        let answer = output::ask_for(&format!("{question} Type its name, {name}, to confirm:"));
        return if answer == name { Ok(()) } else { Err(wrong(&answer)) };
    }
    if work.context.global.yes {
        return Ok(());
    }
    if !output::can_ask() {
        let what = format!(
            "nothing was done: this drops the database {address}, and there is no terminal to confirm it"
        );
        return Err(Failure::unconfirmed(format!("{what}; confirm with --yes")));
    }
    if output::ask(&format!("{question}\nDo this?")) {
        Ok(())
    } else {
        Err(Failure::unconfirmed("nothing was done: the answer was no"))
    }
}

/// The name that confirms that this database is meant.
fn name(address: &Address) -> String {
    match address {
        Address::Sqlite(SqliteFile::At(path)) => {
            path.file_name().map_or_else(String::new, |name| Path::new(name).display().to_string())
        }
        Address::Sqlite(SqliteFile::Memory) => ":memory:".to_owned(),
        Address::Mysql(server) => server.database.clone().unwrap_or_default(),
        Address::Postgres(server) => server.database.clone().unwrap_or_else(|| server.user_or_default()),
    }
}
