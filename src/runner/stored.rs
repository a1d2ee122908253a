//! Migrations that only the database knows, made from their records.

use std::collections::HashMap;

use super::MigrationRunner;
use crate::backend::Backend;
use crate::execute::Found;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::migration::{Body, Meta, Migration, Origin};
use crate::placeholder::Replacement;
use crate::plan::Plan;
use crate::plan::stored::ORIGIN;
use crate::script_options::ScriptForm;
use crate::step::Step;
use crate::stored::{StoredDown, StoredScript};

/// Migrations that only the database knows.
pub(super) type Stored<B> = HashMap<MigrationId, (Meta, Body<B>)>;

impl<B: Backend> MigrationRunner<B> {
    /// The migrations of a plan that only the database knows.
    pub(super) fn stored(&self, plan: &Plan, history: &History) -> Stored<B> {
        let steps = plan.steps().iter().filter(|step| step.is_stored);
        let records = steps.filter_map(|step| history.get(&step.id));
        let scripts = records.filter_map(|record| match &record.down {
            Some(StoredDown::Script(script)) => {
                let (meta, body) = parts(record, script);
                // The program that stored it has declared placeholders, also if this one does not.
                let is_replaced = meta.replacement == Replacement::AsDeclared;
                let values = self.set.placeholders().for_stored();
                let replaced = is_replaced.then(|| body.replaced(&values, &meta.placeholders)).flatten();
                let body = replaced.unwrap_or(body);
                Some((record.id.clone(), (meta, body)))
            }
            _ => None,
        });
        scripts.collect()
    }

    pub(super) fn find(&self, step: &Step) -> Option<Found<'_, B>> {
        let place = self.set.graph().place(&step.id)?;
        Some((&self.set.graph().metas()[place], self.set.body(place)))
    }

    /// The migration of a step, from the database if it is a stored one.
    pub(super) fn find_with<'r>(&'r self, stored: &'r Stored<B>, step: &Step) -> Option<Found<'r, B>> {
        match stored.get(&step.id) {
            Some((meta, body)) if step.is_stored => Some((meta, body)),
            _ => self.find(step),
        }
    }
}

/// A migration made from its record.
fn parts<B: Backend>(record: &Record, script: &StoredScript) -> (Meta, Body<B>) {
    let migration = Migration::from_scripts(record.id.clone(), "", Some(script.text.clone()));
    let options = script.parsed_options().unwrap_or_default();
    let meta = Meta {
        atomicity: options.atomicity,
        foreign_keys: options.foreign_keys,
        cascade: options.cascade,
        data_loss: options.data_loss,
        replacement: match options.form {
            ScriptForm::Plain => Replacement::Never,
            ScriptForm::WithPlaceholders => Replacement::AsDeclared,
        },
        checksum: record.checksum,
        origin: Origin::File(ORIGIN.into()),
        ..migration.meta
    };
    (meta, migration.body)
}
