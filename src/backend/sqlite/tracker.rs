//! [`Tracker`]: the tables that the statements of a script touch.
//!
//! It needs no hook on the connection, since the application may use that hook. The first words of a statement show which table it names.
//! Counters show whether its triggers write to other tables: `total_changes()` counts the rows that triggers change, and `changes()` does
//! not. The ledger has usually explained the statement already; the tracker explains it only if it has not and the two counters differ
//! (see [`Reach`]).

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::cursor::{TokenCursor, is_plain};
use super::fault;
use super::query::{texts, value};
use super::reach::Reach;
use super::target::{Target, Verb, target};
use crate::fault::Fault;
use crate::sql::{folded, has_word, same_name, statements};
use crate::touched::{Touch, Touched};

/// Tracks a script, statement by statement.
pub(super) struct Tracker {
    touched: Touched,
    /// Tables without a key that the script created: a row that is added to them references no parent.
    plain: BTreeSet<String>,
    /// The beginnings of statements that were explained since the last schema change.
    explained: BTreeSet<String>,
}

/// What a statement does, as far as its words show, and the counter of changes before it.
pub(super) struct Prediction<'a> {
    does: Does<'a>,
    changes: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Does<'a> {
    /// It touches no row and no table.
    Nothing,
    /// It creates a table, perhaps one with keys.
    Creates { table: &'a str, has_keys: bool },
    /// It touches a table in this way; if the table is renamed, it touches two.
    Touches(Vec<(&'a str, Touch)>),
    /// It writes rows of a table. What its triggers write does not depend on the words after `head`.
    Writes { table: &'a str, touch: Touch, head: Option<&'a str> },
    /// It drops an index.
    DropsIndex(&'a str),
    /// It is unknown.
    Anything,
}

impl Tracker {
    pub(super) fn new() -> Self {
        Self { touched: Touched::nothing(), plain: BTreeSet::new(), explained: BTreeSet::new() }
    }

    pub(super) fn touched(self) -> Touched {
        self.touched
    }

    /// Examines a statement before it runs.
    pub(super) fn predict<'a>(&mut self, conn: &Connection, own: &'a str) -> Result<Prediction<'a>, Fault> {
        let does = does(own);
        if let Does::DropsIndex(index) = does {
            // The index may make the key of a parent unique.
            let sql =
                "SELECT tbl_name FROM main.sqlite_master WHERE type = 'index' AND name = ?1 COLLATE NOCASE
                AND instr(lower(sql), 'create unique') = 1";
            for table in texts(conn, sql, &[index]).map_err(fault)? {
                self.touched.touch(&table, Touch::Changed);
            }
        }
        Ok(Prediction { does, changes: conn.total_changes() })
    }

    /// Records what the statement did, after it has run. `reach` is what it can write, if that was determined before; if not, the
    /// statement is explained, if it may be.
    pub(super) fn record(
        &mut self,
        conn: &Connection,
        own: &str,
        prediction: &Prediction<'_>,
        reach: Option<&Reach>,
        may_explain: bool,
    ) -> Result<(), Fault> {
        let changed = conn.total_changes() - prediction.changes;
        if !matches!(prediction.does, Does::Writes { .. }) {
            self.explained.clear();
        }
        match &prediction.does {
            Does::Creates { table, has_keys: false } => _ = self.plain.insert(folded(table)),
            Does::Creates { table, has_keys: true } => self.touched.touch(table, Touch::Filled),
            Does::Touches(tables) => {
                for (table, touch) in tables {
                    self.touched.touch(table, *touch);
                }
            }
            // A function of the application may have written.
            Does::Writes { .. } | Does::Nothing | Does::DropsIndex(_) if changed == 0 => {}
            Does::Writes { table, touch, head } => {
                self.write(table, *touch);
                // Rows that are deleted by a `REPLACE` in the definition of the table are not counted.
                let is_seen = changed == conn.changes()
                    && (*touch == Touch::Changed || self.plain.contains(&folded(table)));
                let is_known = |head: &str| self.explained.contains(head);
                if !is_seen && !head.is_some_and(is_known) {
                    match reach {
                        Some(reach) => self.reach(conn, reach, table),
                        None if !may_explain => {
                            self.touched.touch_anything();
                            Ok(())
                        }
                        None => Reach::of(conn, own).and_then(|reach| self.reach(conn, &reach, table)),
                    }
                    .map_err(fault)?;
                    self.explained.extend(head.map(str::to_owned));
                }
            }
            Does::Nothing | Does::DropsIndex(_) | Does::Anything => self.touched.touch_anything(),
        }
        Ok(())
    }

    fn write(&mut self, table: &str, touch: Touch) {
        if ["sqlite_master", "sqlite_schema"].iter().any(|schema| same_name(table, schema)) {
            self.touched.touch_anything();
        } else if touch == Touch::Changed || !self.plain.contains(&folded(table)) {
            self.touched.touch(table, touch);
        }
    }

    /// Records every table that a statement and its triggers can write.
    fn reach(&mut self, conn: &Connection, reach: &Reach, table: &str) -> rusqlite::Result<()> {
        if reach.deletes {
            self.touched.touch(table, Touch::Changed);
        }
        if reach.is_virtual {
            // The module of the table writes to tables that may have triggers.
            let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'trigger'
                AND substr(lower(tbl_name), 1, length(?1) + 1) = lower(?1) || '_')";
            if value(conn, sql, &[table])? {
                self.touched.touch_anything();
            }
        }
        if !reach.runs_program {
            return Ok(());
        }
        let (tables, writes_schema) = reach.written(conn)?;
        if writes_schema {
            self.touched.touch_anything();
        }
        for table in &tables {
            self.touched.touch(table, Touch::Changed);
        }
        Ok(())
    }
}

/// What a script may touch: nothing if it can break no reference, and else anything, with the tables and views that it drops, renames or
/// creates again by name. It is determined without running the script.
pub(super) fn may_touch(script: &str) -> Touched {
    let is_harmless = |own| match does(own) {
        Does::Creates { has_keys: false, .. } => true,
        // A view or a trigger may refer to something that is missing.
        Does::Nothing => {
            !TokenCursor::new(own).next().is_some_and(|first| first.is_any(&["create", "drop", "alter"]))
        }
        _ => false,
    };
    if statements(script).all(|(_, own)| is_harmless(own)) {
        return Touched::nothing();
    }
    let mut touched = Touched::anything();
    statements(script).for_each(|(_, own)| _ = note_replaced(own, &mut touched));
    touched
}

/// Notes the tables and views that a statement drops, renames or creates.
fn note_replaced(own: &str, touched: &mut Touched) -> Option<()> {
    let mut words = TokenCursor::new(own);
    let first = words.next()?;
    let is_view = words.skip_if("view");
    if first.is("create") && is_view || first.is("drop") && (is_view || words.skip_if("table")) {
        words.skip_exists();
        let name = words.name()?;
        if is_view { touched.redefine(name) } else { touched.touch(name, Touch::Replaced) }
    } else if first.is("alter") && words.skip_if("table") {
        let name = words.name()?;
        if words.skip_if("rename") && words.skip_if("to") {
            touched.touch(name, Touch::Replaced);
            touched.touch(words.name()?, Touch::Replaced);
        }
    }
    Some(())
}

/// The words that a statement needs to write rows.
const WRITING: [&str; 4] = ["insert", "replace", "update", "delete"];

/// What a statement does, judged by its words.
fn does(own: &str) -> Does<'_> {
    let mut words = TokenCursor::new(own);
    let Some(first) = words.next() else { return Does::Nothing };
    let is = |names: &[&str]| first.is_any(names);
    let harmless = [
        "select",
        "values",
        "explain",
        "pragma",
        "analyze",
        "reindex",
        "vacuum",
        "attach",
        "detach",
        "begin",
        "commit",
        "end",
        "rollback",
        "savepoint",
        "release",
    ];
    if is(&harmless) {
        return Does::Nothing;
    }
    if is(&["create"]) {
        return creates(own, words);
    }
    if is(&["drop"]) {
        return drops(words);
    }
    if is(&["alter"]) {
        return alters(words);
    }
    match target(own) {
        Some(Target { table, .. }) if !is_plain(table) => Does::Anything,
        Some(Target { table, verb: Verb::Inserts, head, .. }) => {
            Does::Writes { table, touch: Touch::Filled, head: Some(head) }
        }
        Some(Target { table, verb: Verb::Deletes, head, .. }) => {
            Does::Writes { table, touch: Touch::Changed, head: Some(head) }
        }
        // Which triggers fire depends on the words that follow.
        Some(Target { table, .. }) => Does::Writes { table, touch: Touch::Changed, head: None },
        // `WITH ... SELECT`
        None if is(&["with"]) && !words.any(|token| token.is_any(&WRITING)) => Does::Nothing,
        None => Does::Anything,
    }
}

fn creates<'a>(own: &'a str, mut words: TokenCursor<'a>) -> Does<'a> {
    if words.skip_if("unique") {
        // It may allow the key of a parent to be checked.
        let table = words.find(|token| token.is("on")).and_then(|_| words.name());
        return table.map_or(Does::Anything, |table| Does::Touches(vec![(table, Touch::Changed)]));
    }
    if words.skip_if("temp") || words.skip_if("temporary") || !words.skip_if("table") {
        return Does::Nothing;
    }
    // A table that deletes its own rows when rows are added is not plain either.
    let has_keys = has_word(own, &["references", "replace"]);
    let (may_exist, table) = (words.skip_exists(), words.qualified());
    match table {
        // Another table of that name may exist.
        Some((table, is_qualified)) if !has_keys && (may_exist || is_qualified) => {
            Does::Touches(vec![(table, Touch::Filled)])
        }
        Some((table, _)) => Does::Creates { table, has_keys },
        None => Does::Anything,
    }
}

fn drops(mut words: TokenCursor<'_>) -> Does<'_> {
    let (is_table, is_index) = (words.skip_if("table"), words.skip_if("index"));
    words.skip_exists();
    match words.name() {
        Some(table) if is_table => Does::Touches(vec![(table, Touch::Changed)]),
        Some(index) if is_index => Does::DropsIndex(index),
        Some(_) => Does::Nothing,
        None => Does::Anything,
    }
}

fn alters(mut words: TokenCursor<'_>) -> Does<'_> {
    let Some(table) = words.skip_if("table").then(|| words.name()).flatten() else { return Does::Anything };
    if words.skip_if("add") {
        let has_keys = words.any(|token| token.is("references"));
        return if has_keys { Does::Touches(vec![(table, Touch::Filled)]) } else { Does::Nothing };
    }
    let renamed = if words.skip_if("rename") && words.skip_if("to") { words.name() } else { None };
    let tables = [Some(table), renamed].into_iter().flatten();
    Does::Touches(tables.map(|table| (table, Touch::Changed)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_statement_show_what_it_touches() {
        let changed = |table| Does::Touches(vec![(table, Touch::Changed)]);
        let writes = |table, touch| Does::Writes { table, touch, head: None };
        let rows = [
            ("INSERT INTO a VALUES (1)", writes("a", Touch::Filled)),
            ("insert or replace into main.\"a b\" select 1", writes("a b", Touch::Changed)),
            ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", writes("a", Touch::Changed)),
            ("REPLACE INTO a VALUES (1)", writes("a", Touch::Changed)),
            ("UPDATE OR IGNORE a SET b = 1", writes("a", Touch::Changed)),
            ("DELETE FROM [a]", writes("a", Touch::Changed)),
            ("WITH x AS (SELECT 1) DELETE FROM a", writes("a", Touch::Changed)),
            ("WITH x AS (SELECT 1) SELECT * FROM x", Does::Nothing),
            ("COMPLETELY new", Does::Anything),
            ("DELETE FROM \"a \"\"b\"", Does::Anything),
            ("DROP TABLE \"a \"\"b\"", Does::Anything),
            ("CREATE TABLE a (b)", Does::Creates { table: "a", has_keys: false }),
            ("CREATE TABLE IF NOT EXISTS a (b)", Does::Touches(vec![("a", Touch::Filled)])),
            ("CREATE TABLE other.a (b)", Does::Touches(vec![("a", Touch::Filled)])),
            ("CREATE TABLE a (b REFERENCES c)", Does::Creates { table: "a", has_keys: true }),
            ("CREATE TABLE a (b TEXT DEFAULT 'references')", Does::Creates { table: "a", has_keys: false }),
            ("CREATE TEMP TABLE a (b)", Does::Nothing),
            ("CREATE UNIQUE INDEX i ON a (b)", changed("a")),
            ("CREATE INDEX i ON a (b)", Does::Nothing),
            ("WITH replace AS (SELECT 1 AS n) DELETE FROM a", Does::Anything),
            ("CREATE TABLE a (b UNIQUE ON CONFLICT REPLACE)", Does::Creates { table: "a", has_keys: true }),
            ("CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; END", Does::Nothing),
            ("DROP TABLE IF EXISTS main . a", changed("a")),
            ("DROP INDEX i", Does::DropsIndex("i")),
            ("DROP VIEW v", Does::Nothing),
            ("ALTER TABLE a ADD COLUMN b TEXT", Does::Nothing),
            ("ALTER TABLE a ADD b REFERENCES c", Does::Touches(vec![("a", Touch::Filled)])),
            ("ALTER TABLE a RENAME TO b", Does::Touches(vec![("a", Touch::Changed), ("b", Touch::Changed)])),
            ("ALTER TABLE a RENAME COLUMN b TO c", changed("a")),
            ("ALTER TABLE a DROP COLUMN b", changed("a")),
            ("PRAGMA foreign_keys = ON", Does::Nothing),
            ("VACUUM", Does::Nothing),
            ("SELECT 1", Does::Nothing),
        ];
        for (statement, expected) in rows {
            let found = match does(statement) {
                Does::Writes { table, touch, .. } => writes(table, touch),
                does => does,
            };
            assert_eq!(found, expected, "{statement}");
        }
    }
}
