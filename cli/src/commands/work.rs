//! [`Work`] and [`Context`]: the input of commands.

use std::path::PathBuf;
use std::time::Duration;

use switchy_schema::MigrationRunner;

use crate::address::Address;
use crate::args::Global;
use crate::dialect::Detected;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::output::Output;
use crate::patience::patiently;
use crate::session::{Access, Database};
use crate::settings::Settings;

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
    pub(super) fn open(&self, access: Access) -> Result<B::Session> {
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

    pub(super) fn output(&self) -> &Output {
        self.context.output
    }
}
