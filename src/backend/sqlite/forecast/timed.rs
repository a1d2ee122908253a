//! Trying out a script from the database for as long as it may run.

use super::objects::Entry;
use super::watch::Rule;
use super::{Stage, failed};
use crate::backend::sqlite::bounded::{Watchdog, exceeded};
use crate::effect::Forecast;
use crate::fault::{Fault, FaultKind};
use crate::step::Atomicity;

impl Stage<'_> {
    /// Runs a script from the database for as long as it may run in the live database. How many steps of SQLite that is differs from one
    /// machine and one statement to another.
    pub(super) fn run_timed(
        &mut self,
        text: &str,
        atomicity: Atomicity,
        before: &(Vec<Entry>, Vec<String>),
    ) -> Result<Forecast, Fault> {
        let watchdog = Watchdog::start(&self.copy.conn, self.limits)?;
        let outcome = self.run_script(text, atomicity, Rule::Database, before);
        let stopped = watchdog.end();
        let is_interrupt = |fault: &Fault| fault.kind() == FaultKind::Interrupted;
        match (outcome, stopped) {
            (Ok(mut forecast), Some(why)) if forecast.failure.as_ref().is_some_and(is_interrupt) => {
                forecast.failure = forecast.failure.map(|fault| exceeded(Some(fault), why));
                Ok(forecast)
            }
            (Err(fault), Some(why)) if is_interrupt(&fault) => Ok(failed(exceeded(Some(fault), why))),
            (outcome, _) => outcome,
        }
    }
}
