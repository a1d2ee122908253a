//! The commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Command as Clap;
use switchy_schema::MigrationRunner;

use crate::address::Address;
use crate::args::{Command, Global};
use crate::dialect::Detected;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::ids;
use crate::output::{Outcome, Output};
use crate::patience::patiently;
use crate::session::{Access, Database};
use crate::settings::Settings;

mod adopt;
mod client_script;
mod config;
mod create;
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

pub(crate) use run::confirm_plan;

/// The input of every command.
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) settings: &'a Settings,
    pub(crate) output: &'a Output,
    /// The working directory.
    pub(crate) folder: PathBuf,
}

/// The input of the commands that read migrations.
pub(crate) struct Work<'a, B: Database> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) runner: MigrationRunner<B>,
    /// The database that the migrations are for; `None` in an application's own binary, which has one backend.
    pub(crate) detected: Option<Detected>,
    /// The folder that the migrations are from; `None` in an application's own binary.
    pub(crate) folder: Option<Folder>,
}

impl<B: Database> Work<'_, B> {
    /// Opens the database.
    fn open(&self, access: Access) -> Result<B::Session> {
        let address = self.context.settings.address()?;
        self.context.output.detail(&format!("database: {address}"));
        let settings = self.context.settings;
        let patience =
            settings.lock_timeout.as_ref().map_or(Duration::from_secs(60), |setting| setting.value);
        let limit = settings.statement_lock_timeout.as_ref().map(|setting| setting.value);
        let patience = limit.map_or(patience, |limit| patience.min(limit));
        for remark in &self.context.settings.remarks {
            self.output().note(remark);
        }
        let open = |address: &Address| B::open(address, access, patience);
        let mut opened = patiently(self.context.settings.wait(), address, self.output(), open)?;
        // An application's own binary registers the functions that its scripts use.
        let prepared = self.runner.prepare(B::conn(&mut opened.session));
        prepared.map_err(|error| Failure::connection(format!("cannot prepare the connection: {error}")))?;
        if let Some(note) = opened.note {
            self.context.output.say(&note);
        }
        Ok(opened.session)
    }

    fn output(&self) -> &Output {
        self.context.output
    }
}

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
