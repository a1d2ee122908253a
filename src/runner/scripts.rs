//! What a plan must know of the scripts of the set.

use super::MigrationRunner;
use crate::backend::Backend;
use crate::direction::Direction;
use crate::location::Location;
use crate::migration::Action;
use crate::plan::Scripts;
use crate::refusal::Refusal;
use crate::script_options::Atomicity;
use crate::sql::statement_end;
use crate::transaction_fit::TransactionFit;

impl<B: Backend> Scripts for MigrationRunner<B> {
    fn transaction_fit(&self, place: usize, direction: Direction) -> &TransactionFit {
        self.set.transaction_fit(place, direction)
    }

    fn refusals(&self, place: usize, direction: Direction, atomicity: Atomicity) -> Vec<Refusal> {
        let script = self.text(place, direction);
        script.map(|script| B::refusals(script, atomicity, &self.table)).unwrap_or_default()
    }

    fn text(&self, place: usize, direction: Direction) -> Option<&str> {
        self.set.bodies()[place].action(direction).and_then(Action::text)
    }

    fn located(&self, place: usize, direction: Direction, offset: usize) -> (Location, String) {
        let text = self.text(place, direction);
        let at = self.set.graph().metas()[place].located(direction, text, Some(offset));
        let statement = text.and_then(|text| text.get(offset..statement_end(text, offset)));
        (at, statement.unwrap_or_default().to_owned())
    }
}
