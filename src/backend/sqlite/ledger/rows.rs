//! [`Rows`]: the tables that a script concerns, and the rows that it takes from them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::definition::Definition;
use super::place::Place;
use super::replaced;
use crate::account::{Fate, StatementPlace, StepFinding, TableChange};
use crate::backend::sqlite::reach::Reach;
use crate::backend::sqlite::target::Verb;
use crate::dialect::quote;
use crate::sql::{Tokens, mentions};

/// The number of keys of lost rows that are shown.
const SHOWN_KEYS: usize = 5;

/// The places of tables from which a statement can take rows that it does not name.
pub(super) type AtRisk = Vec<usize>;

/// The tables that a script concerns.
#[derive(Clone, Default)]
pub(super) struct Rows {
    tables: Vec<Table>,
    /// The tables by their current names, in lower case.
    names: BTreeMap<String, usize>,
    /// The beginnings of statements whose reach is known.
    known: BTreeMap<String, AtRisk>,
    /// Whether the script created a trigger, so that a new table may have one.
    has_new_trigger: bool,
    /// Whether the script sets the numbers of `AUTOINCREMENT` itself.
    sets_sequence: bool,
}

/// A table that a script concerns.
#[derive(Clone)]
struct Table {
    change: TableChange,
    is_new: bool,
    /// Its current name in lower case; `None` if it was dropped.
    current: Option<String>,
    /// What belonged to it when it was dropped.
    definition: Option<Definition>,
    /// Keys that a new table lacked when this one was dropped.
    missing: Vec<(usize, Vec<String>)>,
    /// The statement that changed its rows without naming it.
    suspect: Option<StatementPlace>,
}

impl Rows {
    /// The place of a table by its current name. A table that is not known yet was there before.
    fn place(&mut self, name: &str) -> usize {
        match self.names.get(name) {
            Some(&place) => place,
            None => self.add(name, Fate::Kept),
        }
    }

    fn add(&mut self, name: &str, fate: Fate) -> usize {
        self.tables.push(Table {
            change: TableChange::new(name, fate),
            is_new: fate == Fate::Created,
            current: Some(name.to_ascii_lowercase()),
            definition: None,
            missing: Vec::new(),
            suspect: None,
        });
        self.names.insert(name.to_ascii_lowercase(), self.tables.len() - 1);
        self.tables.len() - 1
    }

    fn is_new(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|&place| self.tables[place].is_new)
    }

    /// Counts the rows that a table had before the script, unless they were counted.
    fn count(&mut self, conn: &Connection, place: usize) -> rusqlite::Result<()> {
        let Table { change, is_new: false, current: Some(current), .. } = &mut self.tables[place] else {
            return Ok(());
        };
        if change.before.is_none() {
            change.before = Some((count(conn, current)? + change.deleted).saturating_sub(change.inserted));
        }
        Ok(())
    }

    /// Reads what belongs to a table that is about to be dropped.
    pub(super) fn before_drop(
        &mut self,
        conn: &Connection,
        name: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        if self.is_new(name) {
            return Ok(());
        }
        if !is_ordinary(conn, name)? {
            return Ok(());
        }
        let place = self.place(name);
        self.count(conn, place)?;
        let original = self.tables[place].change.table.clone();
        let is_replaced = self.names.get(&original.to_ascii_lowercase()).is_some_and(|&now| now != place);
        if is_replaced || mentions(at.rest, &original) {
            let definition = Definition::of(conn, name)?;
            self.tables[place].missing = self.missing_keys(conn, place, name, &definition)?;
            self.tables[place].definition = Some(definition);
        }
        self.tables[place].suspect = Some(at.kept());
        Ok(())
    }

    /// For each new table that has fewer rows than a table that is about to be dropped: keys that it lacks.
    fn missing_keys(
        &self,
        conn: &Connection,
        old: usize,
        name: &str,
        definition: &Definition,
    ) -> rusqlite::Result<Vec<(usize, Vec<String>)>> {
        let (mut found, key) = (Vec::new(), definition.key());
        let change = &self.tables[old].change;
        let rows = (change.before.unwrap_or_default() + change.inserted).saturating_sub(change.deleted);
        for (place, new) in self.tables.iter().enumerate().filter(|(_, table)| table.is_new) {
            let Some(current) = new.current.as_deref().filter(|_| !key.is_empty()) else { continue };
            if count(conn, current)? >= rows {
                continue;
            }
            let columns = key.join(", ");
            let values: Vec<String> = key.iter().map(|column| format!("quote({column})")).collect();
            let sql = format!(
                "SELECT {} FROM (SELECT {columns} FROM main.{} EXCEPT SELECT {columns} FROM main.{}) LIMIT {SHOWN_KEYS}",
                values.join(" || ', ' || "),
                quote(name),
                quote(current),
            );
            // The new table may not have these columns.
            let Ok(mut keys) = conn.prepare(&sql) else { continue };
            let keys = keys.query_map([], |row| row.get::<_, String>(0))?;
            let shown = |key: String| format!("{} = {}", columns.replace('"', ""), shortened(&key));
            found.push((place, keys.map(|key| key.map(shown)).collect::<rusqlite::Result<_>>()?));
        }
        Ok(found)
    }

    /// What a statement can write, and the tables from which its triggers and foreign key actions can take rows.
    pub(super) fn reach(&mut self, conn: &Connection, own: &str) -> rusqlite::Result<(Reach, AtRisk)> {
        let reach = Reach::of(conn, own)?;
        let tables = if reach.runs_program { reach.emptied(conn)? } else { Vec::new() };
        let counted = tables.iter().map(|table| self.counted(conn, &table.to_ascii_lowercase()));
        let at_risk = counted.collect::<rusqlite::Result<_>>()?;
        Ok((reach, at_risk))
    }

    /// The place of a table whose rows are counted.
    fn counted(&mut self, conn: &Connection, name: &str) -> rusqlite::Result<usize> {
        let place = self.place(name);
        self.count(conn, place)?;
        Ok(place)
    }

    /// Like [`reach`](Self::reach), for a statement that writes rows; `None` if its reach is known or does not matter.
    pub(super) fn before_write(
        &mut self,
        conn: &Connection,
        own: &str,
        table: &str,
        verb: Verb,
        head: &str,
        enforces: bool,
    ) -> rusqlite::Result<(Option<Reach>, AtRisk)> {
        self.sets_sequence |= table == "sqlite_sequence";
        if self.is_new(table) && !self.has_new_trigger && !enforces {
            return Ok((None, AtRisk::default()));
        }
        // Which programs an UPDATE or an upsert runs depends on the words after the name of the table.
        let is_whole = match verb {
            Verb::Deletes | Verb::Inserts => true,
            Verb::Replaces => !Tokens::new(own).any(|token| token.is("conflict")),
            Verb::Updates | Verb::Drops => false,
        };
        let key = if is_whole { head.to_owned() } else { format!("UPDATE {table}") };
        if let Some(at_risk) = self.known.get(&key) {
            return Ok((None, at_risk.clone()));
        }
        let (reach, mut at_risk) = self.reach(conn, own)?;
        // With a single unique key, REPLACE takes at most one row for each that it adds.
        let takes_own = reach.deletes
            && match verb {
                Verb::Deletes | Verb::Drops => false,
                Verb::Updates => replaces(conn, own, table)?,
                Verb::Inserts | Verb::Replaces => {
                    replaces(conn, own, table)? && unique_keys(conn, table)? > 1
                }
            };
        if takes_own {
            at_risk.push(self.counted(conn, table)?);
        }
        let runs_nothing = !reach.runs_program;
        if is_whole || at_risk.is_empty() && runs_nothing && !enforces && !has_triggers(conn, table)? {
            self.known.insert(key, at_risk.clone());
        }
        Ok((Some(reach), at_risk))
    }

    /// Notes the rows that a statement changed: all, and those of the table that it names.
    pub(super) fn wrote(
        &mut self,
        table: &str,
        verb: Verb,
        [changed, own]: [u64; 2],
        at_risk: &[usize],
        at: Place<'_>,
    ) {
        for &place in at_risk {
            let is_own = self.tables[place].current.as_deref() == Some(table);
            if is_own || changed > own {
                self.suspect(&[place], at);
            }
        }
        if changed == 0 {
            return;
        }
        let place = self.place(table);
        let change = &mut self.tables[place].change;
        match verb {
            Verb::Inserts => change.inserted += own,
            Verb::Deletes => change.deleted += own,
            Verb::Updates | Verb::Replaces | Verb::Drops => {}
        }
    }

    /// A table that lost rows so far, among these.
    pub(super) fn lost(&self, conn: &Connection, at_risk: &[usize]) -> rusqlite::Result<Option<TableChange>> {
        for &place in at_risk {
            let Table { change, current: Some(current), suspect: Some(_), .. } = &self.tables[place] else {
                continue;
            };
            let change = TableChange { after: Some(count(conn, current)?), ..change.clone() };
            if change.lost() > 0 {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    /// What would be lost if a table was dropped: each new table that could replace it has fewer rows.
    pub(super) fn lost_by_drop(
        &self,
        conn: &Connection,
        name: &str,
    ) -> rusqlite::Result<Option<TableChange>> {
        let Some(&place) = self.names.get(name) else { return Ok(None) };
        let Table { change, missing, is_new: false, .. } = &self.tables[place] else { return Ok(None) };
        let Some((new, keys)) = missing.first() else { return Ok(None) };
        let Some(new) = self.tables[*new].current.as_deref() else { return Ok(None) };
        let change = TableChange {
            fate: Fate::Replaced,
            after: Some(count(conn, new)?),
            missing: keys.clone(),
            ..change.clone()
        };
        Ok((change.lost() > 0 && missing.len() == 1).then_some(change))
    }

    /// Notes that rows of these tables may be gone.
    pub(super) fn suspect(&mut self, at_risk: &[usize], at: Place<'_>) {
        for &place in at_risk {
            self.tables[place].suspect.get_or_insert_with(|| at.kept());
        }
    }

    /// Forgets the reach of statements, since the schema has changed.
    pub(super) fn forget_reach(&mut self) {
        self.known.clear();
    }

    pub(super) fn has_new_trigger(&mut self) {
        self.has_new_trigger = true;
    }

    pub(super) fn create(&mut self, name: &str) {
        self.add(name, Fate::Created);
    }

    pub(super) fn drop(&mut self, name: &str) {
        if let Some(place) = self.names.remove(name) {
            self.tables[place].current = None;
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let place = self.place(from);
        self.names.remove(from);
        self.names.insert(to.to_ascii_lowercase(), place);
        let table = &mut self.tables[place];
        table.current = Some(to.to_ascii_lowercase());
        if table.is_new {
            to.clone_into(&mut table.change.table);
        }
    }

    /// The changes of the tables, and what a replaced table lost besides rows.
    pub(super) fn close(
        mut self,
        conn: &Connection,
        findings: &mut Vec<StepFinding>,
    ) -> rusqlite::Result<Vec<TableChange>> {
        let mut successors = BTreeMap::new();
        for (place, table) in
            self.tables.iter().enumerate().filter(|(_, table)| !table.is_new && table.current.is_none())
        {
            let now = self.names.get(&table.change.table.to_ascii_lowercase());
            successors.extend(now.filter(|&&now| now != place).map(|&now| (place, now)));
        }
        for (&old, &new) in &successors {
            let deleted = self.tables[new].change.deleted;
            let table = &mut self.tables[old];
            table.change.fate = Fate::Replaced;
            table.change.deleted += deleted;
            table.change.after = Some(count(conn, &table.change.table)?);
            let missing = table.missing.drain(..).find(|(place, _)| *place == new);
            table.change.missing = missing.map(|(_, keys)| keys).unwrap_or_default();
            if let Some(definition) = &table.definition {
                let found = replaced::findings(conn, &table.change, definition, self.sets_sequence)?;
                findings.extend(found.into_iter().map(|found| match &table.suspect {
                    Some(by) => found.by(by.clone()),
                    None => found,
                }));
            }
        }
        let mut changes = Vec::new();
        for (place, table) in self.tables.into_iter().enumerate() {
            let mut change = table.change;
            change.by = table.suspect;
            match (&table.current, change.before) {
                (None, _) if table.is_new => continue,
                (None, _) if change.fate != Fate::Replaced => change.fate = Fate::Dropped,
                (Some(current), Some(_)) if change.by.is_some() => change.after = Some(count(conn, current)?),
                (Some(_), Some(before)) => {
                    change.after = Some((before + change.inserted).saturating_sub(change.deleted));
                }
                _ => {}
            }
            let is_successor = successors.values().any(|&new| new == place);
            let says_something = change.before.is_some() || change.inserted + change.deleted > 0;
            if !is_successor && (says_something || change.fate != Fate::Kept) {
                changes.push(change);
            }
        }
        Ok(changes)
    }
}

fn count(conn: &Connection, table: &str) -> rusqlite::Result<u64> {
    conn.query_row(&format!("SELECT count(*) FROM main.{}", quote(table)), [], |row| row.get(0))
        .map(i64::unsigned_abs)
}

/// Whether `main` has an ordinary table of this name. A virtual one has no rows of its own.
fn is_ordinary(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql =
        "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?1 COLLATE NOCASE";
    conn.prepare(sql)?.exists([table])
}

/// A key in words, which may be long.
fn shortened(key: &str) -> String {
    let short: String = key.chars().take(60).collect();
    if short.len() < key.len() { format!("{short}...") } else { short }
}

/// Whether a statement, or the definition of its table, replaces rows.
fn replaces(conn: &Connection, own: &str, table: &str) -> rusqlite::Result<bool> {
    if Tokens::new(own).any(|token| token.is("replace")) {
        return Ok(true);
    }
    let sql =
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE
        AND instr(lower(sql), 'replace') > 0)";
    conn.query_row(sql, [table], |row| row.get(0))
}

/// The number of unique keys of a table.
fn unique_keys(conn: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE \"unique\")
        + (SELECT count(*) = 1 FROM pragma_table_info(?1, 'main') WHERE pk > 0)
        - (SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')";
    conn.query_row(sql, [table], |row| row.get(0)).map(|keys: i64| u64::try_from(keys).unwrap_or_default())
}

fn has_triggers(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
        UNION ALL SELECT 1 FROM temp.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE";
    conn.prepare(sql)?.exists([table])
}
