//! Scripts without a statement.

use switchy_schema::{Direction, Meta, MigrationId, MigrationRunner};

use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::text;

/// What `create` writes into a new script.
pub(crate) const UNWRITTEN: &str = "write here what changes the schema.";

/// A migration whose script has no statement, so that applying it changes nothing.
pub(crate) struct Blank<'m> {
    meta: &'m Meta,
    /// Whether its script is what `create` wrote.
    pub(crate) is_unwritten: bool,
}

impl<'m> Blank<'m> {
    /// Those of a set.
    pub(crate) fn all<B: Database>(runner: &'m MigrationRunner<B>) -> Vec<Self> {
        let read = runner.list().iter().filter(|meta| meta.unread.is_none());
        let runs_here = |meta: &&Meta| meta.databases.is_empty() || meta.databases.contains(&B::DIALECT);
        let blank = |meta: &'m Meta| {
            let script = runner.script(meta.id.clone(), Direction::Up)?;
            let is_unwritten = script.contains(UNWRITTEN);
            (!has_statement(script)).then_some(Self { meta, is_unwritten })
        };
        read.filter(runs_here).filter_map(blank).collect()
    }

    /// Those among these migrations.
    pub(crate) fn among<B: Database>(runner: &'m MigrationRunner<B>, ids: &[&MigrationId]) -> Vec<Self> {
        let mut blank = Self::all(runner);
        blank.retain(|blank| ids.contains(&&blank.meta.id));
        blank
    }

    /// The migration.
    pub(crate) fn id(&self) -> &MigrationId {
        &self.meta.id
    }

    /// What a user should know.
    pub(crate) fn finding(&self) -> String {
        let (id, origin) =
            (text::shortened(self.meta.id.as_str()), text::shortened(&self.meta.origin.to_string()));
        if self.is_unwritten {
            let what = format!("`{id}` has only what `create` wrote, and no statement");
            format!("{what}; write what changes the schema in {origin}, or delete the migration")
        } else {
            format!("`{id}` has no statement in {origin}: applying it changes nothing")
        }
    }

    /// Refuses migrations that nobody has written yet.
    ///
    /// # Errors
    /// There is one.
    pub(crate) fn refuse_unwritten(blank: &[Self]) -> Result<()> {
        let unwritten: Vec<String> =
            blank.iter().filter(|blank| blank.is_unwritten).map(Self::finding).collect();
        match &unwritten[..] {
            [] => Ok(()),
            [one] => Err(Failure::refused(format!("nothing was done: {one}"))),
            several => Err(Failure::refused(format!("nothing was done:\n  - {}", several.join("\n  - ")))),
        }
    }
}

/// Whether a text begins with a comment in `/* */`. MySQL runs what is in one that begins with `/*!`, and MariaDB also with `/*M!`.
pub(crate) fn opens_comment(text: &str) -> bool {
    text.starts_with("/*") && !["/*!", "/*M!"].iter().any(|run| text.starts_with(run))
}

/// Whether a script has a statement, and not only comments.
fn has_statement(script: &str) -> bool {
    let mut rest = script.trim_start_matches('\u{feff}').trim_start();
    loop {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if opens_comment(rest) {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with(';') {
            1
        } else {
            return !rest.is_empty();
        };
        rest = text::part(rest, length..).trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_statement() {
        for script in ["", " \n", "-- a", "-- a\n/* b\n;*/ ;\n--", "\u{feff}-- a", "/* never ended"] {
            assert!(!has_statement(script), "{script:?}");
        }
        for script in ["SELECT 1", "-- a\nSELECT 1", "/*! SELECT 1 */", "/*M!100300 SELECT 1 */", "/* a */ x"]
        {
            assert!(has_statement(script), "{script:?}");
        }
    }
}
