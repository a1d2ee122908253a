//! [`Views`]: the triggers of views that a script drops.

use rusqlite::Connection;

use super::place::Place;
use crate::account::{StatementPlace, StepFinding};
use crate::backend::sqlite::query::texts;
use crate::problem::ProblemKind;
use crate::sql::{folded, same_name};

/// The views that a script dropped and that had triggers, sorted by name.
#[derive(Clone, Default)]
pub(super) struct Views(Vec<DroppedView>);

#[derive(Clone)]
struct DroppedView {
    /// In lower case.
    name: String,
    triggers: Vec<String>,
    by: StatementPlace,
}

impl Views {
    /// Reads the triggers of a view that is about to be dropped.
    pub(super) fn before_drop(
        &mut self,
        conn: &Connection,
        view: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        let triggers = triggers(conn, view)?;
        let name = folded(view);
        let place = self.0.binary_search_by(|known| known.name.cmp(&name));
        if let (Err(place), false) = (place, triggers.is_empty()) {
            self.0.insert(place, DroppedView { name, triggers, by: at.kept() });
        }
        Ok(())
    }

    /// The findings about views that were created again without their triggers.
    pub(super) fn findings(&self, conn: &Connection) -> rusqlite::Result<Vec<StepFinding>> {
        let mut findings = Vec::new();
        if self.0.is_empty() {
            return Ok(findings);
        }
        let mut view = conn.prepare(
            "SELECT name FROM main.sqlite_master WHERE type = 'view' AND name = ?1 COLLATE NOCASE",
        )?;
        for DroppedView { name, triggers: before, by } in &self.0 {
            let mut rows = view.query([name])?;
            let Some(row) = rows.next()? else { continue };
            let (name, now): (String, _) = (row.get(0)?, triggers(conn, name)?);
            let is_gone = |trigger: &&String| !now.iter().any(|other| same_name(other, trigger.as_str()));
            let gone: Vec<String> =
                before.iter().filter(is_gone).map(|trigger| format!("the trigger `{trigger}`")).collect();
            if !gone.is_empty() {
                let them = if gone.len() == 1 { "it" } else { "them" };
                let finding = StepFinding::new(
                    ProblemKind::LostInRebuild,
                    format!("replaces the view `{name}` and does not recreate {}", gone.join(" and ")),
                    format!(
                        "create {them} in the script after the view `{name}`, unless nobody writes to the view"
                    ),
                );
                findings.push(finding.by(by.clone()));
            }
        }
        Ok(findings)
    }
}

fn triggers(conn: &Connection, view: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name";
    texts(conn, sql, &[view])
}
