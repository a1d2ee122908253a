//! What a plan must know of the scripts of the set.

use super::MigrationRunner;
use crate::backend::Backend;
use crate::direction::Direction;
use crate::fault::Fault;
use crate::location::Location;
use crate::migration::{Action, ScriptText};
use crate::placeholder::{Filled, Gap, Replacement, marks};
use crate::plan::Scripts;
use crate::plan::stored::ORIGIN;
use crate::refusal::Refusal;
use crate::script_options::Atomicity;
use crate::sql::statement_end;
use crate::stored::StoredScript;
use crate::transaction_fit::TransactionFit;

impl<B: Backend> Scripts for MigrationRunner<B> {
    fn transaction_fit(&self, place: usize, direction: Direction) -> &TransactionFit {
        self.set.transaction_fit(place, direction)
    }

    fn refusals(&self, place: usize, direction: Direction, atomicity: Atomicity) -> Vec<Refusal> {
        let Some(script) = self.script_at(place, direction) else { return Vec::new() };
        let found = script.sql().map(|sql| B::refusals(sql, atomicity, &self.table)).unwrap_or_default();
        let as_written =
            |refusal: Refusal| Refusal { fault: self.as_written(script, refusal.fault), ..refusal };
        found.into_iter().map(as_written).collect()
    }

    fn gaps(&self, place: usize, direction: Direction) -> &[Gap] {
        self.script_at(place, direction).and_then(ScriptText::values).map_or(&[], Filled::gaps)
    }

    fn literal(&self, place: usize, direction: Direction) -> Option<(usize, String)> {
        let meta = &self.set.graph().metas()[place];
        let is_declared = !meta.placeholders.is_empty() || !self.set.placeholders().declared.is_empty();
        if is_declared || meta.replacement == Replacement::Never {
            return None;
        }
        let found = marks(self.text(place, direction)?, B::DIALECT);
        found.first().map(|mark| (mark.range.start, mark.content.to_owned()))
    }

    fn stored_gaps(&self, script: &StoredScript) -> Vec<(Gap, Location)> {
        let filled = Filled::of(&script.text, B::DIALECT, &self.set.placeholders().for_stored(), &[]);
        let gaps = filled.as_ref().map_or(&[][..], Filled::gaps).iter();
        gaps.map(|gap| (gap.clone(), Location::in_text(ORIGIN, &script.text, gap.offset))).collect()
    }

    fn statements(&self, place: usize, direction: Direction) -> Option<u32> {
        let sql = self.script_at(place, direction)?.sql()?;
        B::statements(sql).ok().and_then(|statements| u32::try_from(statements.len()).ok())
    }

    fn has_values(&self, place: usize, direction: Direction) -> bool {
        self.script_at(place, direction).and_then(ScriptText::values).is_some()
    }

    fn text(&self, place: usize, direction: Direction) -> Option<&str> {
        self.script_at(place, direction).map(ScriptText::text)
    }

    fn located(&self, place: usize, direction: Direction, offset: usize) -> (Location, String) {
        let text = self.text(place, direction);
        let at = self.set.graph().metas()[place].located(direction, text, Some(offset));
        let statement = text.and_then(|text| text.get(offset..statement_end(text, offset)));
        (at, statement.unwrap_or_default().to_owned())
    }
}

impl<B: Backend> MigrationRunner<B> {
    /// The script of the migration at a place in a direction, if it is a script.
    pub(super) fn script_at(&self, place: usize, direction: Direction) -> Option<&ScriptText> {
        self.set.body(place).action(direction).and_then(Action::as_script)
    }

    /// A fault of a script in terms of its text as the author wrote it, without secrets.
    pub(super) fn as_written(&self, script: &ScriptText, fault: Fault) -> Fault {
        self.set.secrets().mask_fault(script.fault_as_written(fault))
    }
}
