//! The commands.

use clap::Command as Clap;

use crate::args::Command;
use crate::failure::Result;
use crate::ids;
use crate::output::Outcome;
use crate::session::Database;

mod adopt;
mod client_script;
mod config;
mod create;
mod created;
mod database;
mod drift;
mod graph;
mod history;
mod import;
mod init;
mod list;
mod manifest;
mod plan;
mod redone;
mod rehearse;
mod repair;
mod run;
mod schema;
mod shell;
mod snapshots;
mod status;
mod unlock;
mod validate;
mod wait;
mod watch;
mod work;

pub(crate) use run::confirm_plan;
pub(crate) use work::{Context, Work};

/// Runs a command that reads no migrations; returns `None` for any other command.
pub(crate) fn without_set(context: &Context<'_>, command: &Command, clap: &Clap) -> Option<Result<Outcome>> {
    Some(match command {
        Command::Init => init::init(context),
        Command::Create(create) => create::create(context, create),
        Command::Import(import) => import::import(context, import),
        Command::Manifest { check: true } => manifest::check(context),
        Command::Manifest { check: false } => manifest::write(context),
        Command::Wait { seconds } => wait::wait(context, *seconds),
        Command::Config => Ok(config::config(context)),
        Command::Completions { shell } => shell::completions(*shell, clap),
        Command::Man { command } => shell::man(command.as_deref(), clap),
        _ => return None,
    })
}

/// Runs a command that reads migrations.
pub(crate) fn with_set<B: Database>(work: Work<'_, B>, command: &Command) -> Result<Outcome> {
    match command {
        Command::List => Ok(list::list(&work)),
        Command::Status { exit_code } => status::status(&work, *exit_code),
        Command::Plan(plan) => {
            let work = snapshots::keeping(work, &plan.snapshots)?;
            let target = ids::target(&work.runner, plan.either.target())?;
            if plan.sql { client_script::print(&work, target) } else { plan::plan(&work, target) }
        }
        Command::Rehearse(rehearse) => {
            let target = ids::target(&work.runner, rehearse.either.target())?;
            rehearse::rehearse(work, target)
        }
        Command::Database(command) => database::database(work, command),
        Command::Migrate(migrate) => run::migrate(work, migrate),
        Command::Rollback(rollback) => run::rollback(work, rollback),
        Command::Redo(way) => run::redo(work, way),
        Command::Downgrade(downgrade) => run::downgrade(work, downgrade),
        Command::Snapshots(place) => snapshots::snapshots(work, place),
        Command::Restore(restore) => snapshots::restore(work, restore),
        Command::Baseline { id, signing } => repair::baseline(&work, id, signing),
        Command::Adopt(adopt) => adopt::adopt(&work, adopt),
        Command::Drift(drift) => drift::drift(work, drift),
        Command::Schema(schema) => schema::schema(&work, schema),
        Command::Repair(repair) => repair::repair(&work, repair),
        Command::Validate { strict, down } => validate::validate(work, *strict, *down),
        Command::History => history::history(&work),
        Command::Graph { format } => graph::graph(&work, *format),
        Command::Unlock => unlock::unlock(&work),
        Command::Init
        | Command::Create(_)
        | Command::Import(_)
        | Command::Manifest { .. }
        | Command::Wait { .. }
        | Command::Config
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(Outcome::new("", serde_json::Value::Null)),
    }
}
