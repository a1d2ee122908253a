//! [`Redone`]: which scripts a `redo` runs.

use switchy_schema::{Direction, Record, StoredDown, Target};

use super::work::Work;
use crate::failure::Result;
use crate::session::Database;
use crate::text;

/// What a redo runs, compared with what the database has.
pub(super) struct Redone {
    id: String,
    up: Script,
    down: Script,
}

/// A script of the set.
struct Script {
    file: String,
    /// Whether the database has the same one; `None` if it has none.
    is_stored: Option<bool>,
}

impl Redone {
    /// What a redo will run; `None` for any other target.
    pub(super) fn before<B: Database>(
        work: &Work<'_, B>,
        session: &mut B::Session,
        target: &Target,
    ) -> Result<Option<Self>> {
        if *target != Target::Redo {
            return Ok(None);
        }
        let history = work.runner.history(B::conn(session))?;
        let newest = history.records().iter().rev().find_map(|record| {
            let meta = work.runner.list().iter().find(|meta| meta.id == record.id)?;
            Some((record, meta))
        });
        Ok(newest.map(|(record, meta)| {
            let script = |direction: Direction, file: String| {
                let now = work.runner.script(record.id.clone(), direction);
                let is_stored = stored(record, direction).zip(now).map(|(was, now)| is_same(was, now));
                Script { file, is_stored }
            };
            let up = script(Direction::Up, meta.origin.to_string());
            let down = meta.down_origin.as_ref().unwrap_or(&meta.origin);
            Self { id: record.id.to_string(), up, down: script(Direction::Down, down.to_string()) }
        }))
    }

    /// A sentence for people.
    pub(super) fn text(&self) -> String {
        let down = match self.down.is_stored {
            Some(true) => ", the same script as was stored when it was applied",
            Some(false) => ", not with the script that was stored when it was applied, which is different",
            None => "",
        };
        let up = if self.up.is_stored == Some(false) { ", which was changed" } else { "" };
        let (id, down_file, up_file) =
            (text::shortened(&self.id), text::shortened(&self.down.file), text::shortened(&self.up.file));
        format!("`{id}` was undone with {down_file}{down}; it was applied again with {up_file}{up}")
    }
}

/// The script in the record of a migration.
fn stored(record: &Record, direction: Direction) -> Option<&str> {
    match (direction, &record.down) {
        (Direction::Up, _) => record.up_sql.as_deref(),
        (Direction::Down, Some(StoredDown::Script(script))) => Some(&script.text),
        (Direction::Down, _) => None,
    }
}

/// Whether two scripts are the same, without regard to line ends and a byte order mark.
fn is_same(was: &str, now: &str) -> bool {
    let plain = |text: &str| text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    plain(was) == plain(now)
}
