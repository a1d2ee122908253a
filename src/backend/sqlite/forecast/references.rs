//! [`References`]: what refers to something that is missing after a script, on the copy.

use rusqlite::Connection;

use super::statement::begins_with;
use crate::account::StepFinding;
use crate::backend::sqlite::dangling;
use crate::dangling::Dangling;
use crate::effect::PlannedScript;
use crate::sql::{mentions, statements};
use crate::step::ForeignKeys;
use crate::touched::Touched;

/// What refers to something that is missing, since the scripts began.
#[derive(Default)]
pub(super) struct References {
    /// What did before the first script; `None` if no script can change a definition.
    before: Option<Dangling>,
    /// What does after the scripts so far.
    found: Vec<StepFinding>,
}

impl References {
    pub(super) fn of(conn: &Connection, scripts: &[PlannedScript<'_>]) -> rusqlite::Result<Self> {
        let is_needed = scripts.iter().filter_map(|script| script.text).any(redefines);
        let before = is_needed.then(|| everything(conn, ForeignKeys::Enforced)).transpose()?;
        Ok(Self { before, found: Vec::new() })
    }

    /// The findings after a script.
    pub(super) fn after(
        &mut self,
        conn: &Connection,
        script: &PlannedScript<'_>,
    ) -> rusqlite::Result<Vec<StepFinding>> {
        let is_changed = script.text.is_some_and(redefines) || !self.found.is_empty();
        if let Some(before) = self.before.as_ref().filter(|_| is_changed) {
            // The copy does not have all rows, so their references are not checked.
            let keys = match script.foreign_keys {
                ForeignKeys::Unchecked => ForeignKeys::Unchecked,
                ForeignKeys::Checked | ForeignKeys::Enforced => ForeignKeys::Enforced,
            };
            self.found = everything(conn, keys)?.since(before).references();
        }
        Ok(self.found.clone())
    }
}

fn everything(conn: &Connection, keys: ForeignKeys) -> rusqlite::Result<Dangling> {
    dangling::of(conn, &Touched::anything(), keys)
}

/// Whether a script may change a definition that something refers to, or creates a view or a trigger.
fn redefines(script: &str) -> bool {
    statements(script).any(|(_, own)| {
        begins_with(own, &["drop", "alter", "pragma", "update"])
            || begins_with(own, &["create"]) && (mentions(own, "view") || mentions(own, "trigger"))
    })
}
