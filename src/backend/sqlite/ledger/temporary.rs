//! [`Temporary`]: temporary objects of a script, which end with it, and temporary triggers of the application.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::account::StepFinding;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::folded;

/// The temporary objects of a connection, as far as a script concerns them.
#[derive(Clone, Default)]
pub(super) struct Temporary {
    /// What was there before the script created its first temporary object.
    before: Option<Vec<(String, String)>>,
    /// The names of the tables and views that the script created, in lower case.
    own: BTreeSet<String>,
    /// The triggers that were there before the script dropped its first table or view.
    triggers: Option<Vec<String>>,
}

impl Temporary {
    /// Lists what is there, before the script creates its first temporary object.
    pub(super) fn begin(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.before.is_none() {
            self.before = Some(objects(conn)?);
        }
        Ok(())
    }

    /// Notes an object that the script created. Only tables and views hide others.
    pub(super) fn add(&mut self, kind: &str, name: &str) {
        if hides(kind) {
            self.own.insert(folded(name));
        }
    }

    pub(super) fn remove(&mut self, kind: &str, name: &str) {
        if hides(kind) {
            self.own.remove(&folded(name));
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if self.own.remove(&folded(from)) {
            self.own.insert(folded(to));
        }
    }

    /// Whether the script created a temporary table or view of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.own.is_empty() && self.own.contains(&folded(name))
    }

    /// Drops what the script created and left.
    pub(super) fn end(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let Some(before) = self.before.take() else { return Ok(()) };
        // A trigger is dropped before its table, and a view before what it selects from.
        for kind in ["trigger", "view", "table"] {
            for (_, name) in
                objects(conn)?.iter().filter(|object| object.0 == kind && !before.contains(*object))
            {
                conn.execute_batch(&format!("DROP {kind} IF EXISTS temp.{}", quote(name)))?;
            }
        }
        Ok(())
    }

    /// Lists the triggers that the application made, before the script drops its first table or view.
    pub(super) fn watch_triggers(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.triggers.is_none() {
            self.triggers = Some(triggers(conn)?);
        }
        Ok(())
    }

    /// The finding about triggers of the application that went with their table or view.
    pub(super) fn lost_triggers(&self, conn: &Connection) -> rusqlite::Result<Option<StepFinding>> {
        let Some(before) = self.triggers.as_ref().filter(|triggers| !triggers.is_empty()) else {
            return Ok(None);
        };
        let now = triggers(conn)?;
        let lost = before.iter().filter(|name| !now.contains(name));
        let lost: Vec<String> = lost.map(|name| format!("`{name}`")).collect();
        Ok((!lost.is_empty()).then(|| {
            let (them, are) = if lost.len() == 1 { ("it", "trigger") } else { ("them", "triggers") };
            StepFinding::new(
                ProblemKind::LostInRebuild,
                format!(
                    "drops a table or view, and with it this connection's temporary {are} {}",
                    lost.join(", ")
                ),
                format!("create {them} again on this connection after the migration"),
            )
        }))
    }
}

fn hides(kind: &str) -> bool {
    kind == "table" || kind == "view"
}

/// The kinds and names of the temporary objects, sorted.
fn objects(conn: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT type, name FROM temp.sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY type, name";
    conn.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn triggers(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    Ok(objects(conn)?.into_iter().filter(|(kind, _)| kind == "trigger").map(|(_, name)| name).collect())
}
