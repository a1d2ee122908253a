//! [`Views`]: the triggers of views that a script drops.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::place::Place;
use crate::account::{StatementPlace, StepFinding};
use crate::problem::ProblemKind;

/// The views that a script dropped and that had triggers.
#[derive(Clone, Default)]
pub(super) struct Views(BTreeMap<String, (StatementPlace, Vec<String>)>);

impl Views {
    /// Reads the triggers of a view that is about to be dropped.
    pub(super) fn before_drop(
        &mut self,
        conn: &Connection,
        view: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        let triggers = triggers(conn, view)?;
        if !triggers.is_empty() {
            self.0.entry(view.to_ascii_lowercase()).or_insert_with(|| (at.kept(), triggers));
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
        for (name, (by, before)) in &self.0 {
            let mut rows = view.query([name])?;
            let Some(row) = rows.next()? else { continue };
            let (name, now): (String, _) = (row.get(0)?, triggers(conn, name)?);
            let is_gone =
                |trigger: &&String| !now.iter().any(|other| other.eq_ignore_ascii_case(trigger.as_str()));
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
    conn.prepare(sql)?.query_map([view], |row| row.get(0))?.collect()
}
