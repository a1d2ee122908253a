//! [`Rows`]: the tables that a script concerns, and the rows that it takes from them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::act::{Act, Name};
use super::definition::Definition;
use super::heir::{Comparison, Heir};
use super::place::Place;
use super::{heir, replaced};
use crate::account::{Fate, StatementPlace, StepFinding, TableChange};
use crate::backend::sqlite::reach::Reach;
use crate::backend::sqlite::target::Verb;
use crate::dialect::quote;
use crate::sql::{Tokens, mentions};

/// After this many statements that took rows of a table, it is counted once more at the end, and not after each of them.
const MEASURED: u32 = 8;

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
    /// The statements that set the numbers of `AUTOINCREMENT`.
    sets_sequence: Vec<String>,
}

/// A table that a script concerns.
#[derive(Clone)]
pub(super) struct Table {
    change: TableChange,
    is_new: bool,
    /// Its current name in lower case; `None` if it was dropped.
    current: Option<String>,
    /// Its name in lower case when it was dropped.
    last: String,
    /// What belonged to it when it was dropped, if another table takes its name.
    definition: Option<Definition>,
    /// The table that was to take its name when it was dropped, compared with it.
    comparison: Option<Comparison>,
    /// Whether the table that took its name goes on with its `AUTOINCREMENT`.
    is_continued: bool,
    /// Whether statements of an earlier run deleted rows of it, an unknown number.
    has_unknown_deletions: bool,
    /// The number of rows at present, if it is known.
    rows: Option<u64>,
    /// The number of statements that wrote to it.
    writes: u32,
    /// For a new table: the statements that filled it from other tables, with the number of rows if it is known.
    copies: Vec<(Option<u64>, String)>,
    /// Rows that were taken, and rows that were inserted after the first ones were taken.
    taken: u64,
    put_back: u64,
    /// How often it was counted after rows were taken.
    looks: u32,
    must_look: bool,
    /// The statement that took the first rows, or dropped it.
    by: Option<StatementPlace>,
}

impl Rows {
    /// The place of a table by its current name. A table that is not known yet was there before.
    fn place(&mut self, name: &str) -> usize {
        match self.names.get(&name.to_ascii_lowercase()) {
            Some(&place) => place,
            None => self.add(name, Fate::Kept),
        }
    }

    fn add(&mut self, name: &str, fate: Fate) -> usize {
        let key = name.to_ascii_lowercase();
        self.tables.push(Table {
            change: TableChange::new(name, fate),
            is_new: fate == Fate::Created,
            current: Some(key.clone()),
            last: key.clone(),
            definition: None,
            comparison: None,
            is_continued: false,
            has_unknown_deletions: false,
            rows: None,
            writes: 0,
            copies: Vec::new(),
            taken: 0,
            put_back: 0,
            looks: 0,
            must_look: false,
            by: None,
        });
        self.names.insert(key, self.tables.len() - 1);
        self.tables.len() - 1
    }

    fn is_new(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|&place| self.tables[place].is_new)
    }

    /// The place of a table whose rows are known, unless they cannot be counted.
    fn counted(&mut self, conn: &Connection, name: &str) -> usize {
        let place = self.place(name);
        let table = &mut self.tables[place];
        if table.rows.is_none() {
            table.rows = count(conn, name);
        }
        if table.change.before.is_none() && !table.is_new {
            let rows = table.rows.map(|rows| rows + table.change.deleted);
            table.change.before = rows.map(|rows| rows.saturating_sub(table.change.inserted));
        }
        place
    }

    /// Counts a table that is about to be dropped, and compares it with the one that will take its name.
    pub(super) fn before_drop(
        &mut self,
        conn: &Connection,
        name: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        if self.is_new(name) {
            return Ok(());
        }
        let Some(spelling) = ordinary(conn, name)? else { return Ok(()) };
        let place = self.counted(conn, &spelling);
        self.tables[place].last = name.to_owned();
        self.tables[place].by = Some(at.kept());
        let heir = self.heir(place, at.rest);
        if heir == Heir::None {
            return Ok(());
        }
        let definition = Definition::of(conn, name)?;
        if let Heir::Table(new) = heir {
            if let Some(current) = self.tables[new].current.clone() {
                let found = heir::compare(conn, [name, &current], &definition.key(), self.tables[place].rows);
                self.tables[place].comparison =
                    found.map(|found| Comparison { new, writes: self.tables[new].writes, ..found });
            }
        }
        self.tables[place].definition = Some(definition);
        Ok(())
    }

    /// The table that takes the name of another one, given the rest of the script.
    fn heir(&mut self, old: usize, rest: &str) -> Heir {
        let original = self.tables[old].change.table.to_ascii_lowercase();
        let wanted = [self.tables[old].last.clone(), original];
        let mut owners: BTreeMap<String, Heir> =
            self.names.iter().map(|(name, &place)| (name.clone(), Heir::Table(place))).collect();
        owners.retain(|_, heir| *heir != Heir::Table(old));
        if wanted.iter().any(|name| mentions(rest, name)) {
            for (_, own) in crate::sql::statements(rest) {
                match Act::of(own) {
                    Act::Renames { table, to } => {
                        let key = table.key();
                        let heir =
                            owners.remove(&key).unwrap_or_else(|| Heir::Table(self.place(&table.name)));
                        owners.insert(to.to_ascii_lowercase(), heir);
                    }
                    Act::Creates { kind: "table", name, .. } if !name.is_in("temp") => {
                        owners.insert(name.key(), Heir::Later);
                    }
                    Act::Drops { kind: "table", name } => _ = owners.remove(&name.key()),
                    _ => {}
                }
            }
        }
        wanted.iter().find_map(|name| owners.get(name).copied()).unwrap_or(Heir::None)
    }

    /// The table that has taken the name of a dropped one.
    fn successor(&self, old: usize) -> Option<usize> {
        let table = &self.tables[old];
        let original = table.change.table.to_ascii_lowercase();
        [&table.last, &original]
            .into_iter()
            .find_map(|name| self.names.get(name).copied())
            .filter(|&new| new != old)
    }

    /// What a statement can write, and the tables from which its triggers and foreign key actions can take rows.
    pub(super) fn reach(&mut self, conn: &Connection, reach: &Reach) -> rusqlite::Result<AtRisk> {
        let tables = if reach.runs_program { reach.emptied(conn)? } else { Vec::new() };
        Ok(tables.iter().map(|table| self.counted(conn, table)).collect())
    }

    /// The tables from which a statement can take rows that it does not name, and its reach; `None` if that is known already or does not
    /// matter.
    pub(super) fn before_write(
        &mut self,
        conn: &Connection,
        own: &str,
        (name, verb, head): (&Name, Verb, &str),
        enforces: bool,
        explain: impl FnOnce(&Connection) -> rusqlite::Result<Reach>,
    ) -> rusqlite::Result<(Option<Reach>, AtRisk)> {
        let table = name.key();
        if table == "sqlite_sequence" {
            self.sets_sequence.push(own.to_owned());
        }
        if self.is_new(&table) && !self.has_new_trigger && !enforces {
            return Ok((None, AtRisk::default()));
        }
        let key = form(own, verb, head);
        if let Some(at_risk) = self.known.get(&key).cloned() {
            let names: Vec<String> =
                at_risk.iter().filter_map(|&place| self.tables[place].current.clone()).collect();
            names.iter().for_each(|name| _ = self.counted(conn, name));
            return Ok((None, at_risk));
        }
        let reach = explain(conn)?;
        let mut at_risk = self.reach(conn, &reach)?;
        // With a single unique key, REPLACE takes at most one row for each that it adds.
        let takes_own = reach.deletes
            && match verb {
                Verb::Deletes | Verb::Drops => false,
                Verb::Updates => replaces(conn, own, &table)?,
                Verb::Inserts | Verb::Replaces => {
                    replaces(conn, own, &table)? && unique_keys(conn, &table)? > 1
                }
            };
        if takes_own {
            at_risk.push(self.counted(conn, &name.name));
        }
        self.known.insert(key, at_risk.clone());
        Ok((Some(reach), at_risk))
    }

    /// Notes the rows that a statement changed: all, and those of the table that it names.
    pub(super) fn wrote(
        &mut self,
        conn: &Connection,
        (name, verb): (&Name, Verb),
        [changed, own]: [u64; 2],
        at_risk: &[usize],
        at: Place<'_>,
    ) {
        let key = name.key();
        if changed > 0 || !at_risk.is_empty() {
            let place = self.place(&name.name);
            let table = &mut self.tables[place];
            table.writes += 1;
            let is_copy = table.is_new && Tokens::new(at.own).any(|token| token.is("select"));
            if is_copy && matches!(verb, Verb::Inserts | Verb::Replaces) {
                table.copies.push((Some(own), at.own.to_owned()));
            }
            match verb {
                Verb::Inserts => {
                    table.change.inserted += own;
                    table.rows = table.rows.map(|rows| rows + own);
                }
                Verb::Deletes => {
                    table.change.deleted += own;
                    table.rows = table.rows.map(|rows| rows.saturating_sub(own));
                }
                // It may have added some.
                Verb::Replaces if !at_risk.contains(&place) => table.rows = None,
                Verb::Replaces | Verb::Updates | Verb::Drops => {}
            }
        }
        for &place in at_risk {
            let is_own = self.tables[place].current.as_deref() == Some(&*key);
            if is_own || changed > own {
                self.look(conn, place, at);
            }
        }
        // What REPLACE adds is in the number of rows that it leaves.
        let adds = verb == Verb::Inserts || verb == Verb::Replaces;
        let put_back = self.names.get(&key).copied().filter(|place| {
            adds && self.tables[*place].taken > 0 && (verb == Verb::Inserts || !at_risk.contains(place))
        });
        if let Some(place) = put_back {
            self.tables[place].put_back += own;
        }
    }

    /// Notes that a statement of an earlier run wrote to a table. The number of rows is not known.
    pub(super) fn wrote_before(&mut self, name: &Name, verb: Verb, own: &str) {
        let place = self.place(&name.name);
        let table = &mut self.tables[place];
        table.has_unknown_deletions |= verb == Verb::Deletes;
        if table.is_new && Tokens::new(own).any(|token| token.is("select")) {
            table.copies.push((None, own.to_owned()));
        }
    }

    /// Counts tables again, since rows of them may be gone.
    pub(super) fn suspect(&mut self, conn: &Connection, at_risk: &[usize], at: Place<'_>) {
        at_risk.iter().for_each(|&place| self.look(conn, place, at));
    }

    fn look(&mut self, conn: &Connection, place: usize, at: Place<'_>) {
        let table = &mut self.tables[place];
        let Some(current) = &table.current else { return };
        table.looks += 1;
        if table.looks > MEASURED {
            table.must_look = true;
            return;
        }
        let now = count(conn, current);
        let lost = table.rows.zip(now).map_or(0, |(expected, now)| expected.saturating_sub(now));
        if lost > 0 {
            table.taken += lost;
            table.by.get_or_insert_with(|| at.kept());
        }
        table.rows = now;
    }

    /// A table that lost rows so far, among these.
    pub(super) fn lost(&self, at_risk: &[usize]) -> Option<TableChange> {
        let mut tables = at_risk.iter().map(|&place| &self.tables[place]);
        tables.find(|table| table.taken > 0).map(|table| TableChange {
            after: table.rows,
            lost: table.taken,
            ..table.change.clone()
        })
    }

    /// What would be lost if a table was dropped now, given the rest of the script.
    pub(super) fn lost_by_drop(&mut self, conn: &Connection, name: &str, rest: &str) -> Option<TableChange> {
        let old = self.names.get(name).copied().filter(|&old| !self.tables[old].is_new)?;
        let (after, lost) = match self.heir(old, rest) {
            Heir::None => return None,
            Heir::Table(new) => {
                let after = self.tables[new].current.as_deref().and_then(|name| count(conn, name))?;
                (after, self.lost_to(conn, old, new, after))
            }
            Heir::Later => {
                let rows = self.tables[old].rows?;
                (0, rows.saturating_sub(self.copied_elsewhere(conn, old, None)))
            }
        };
        let table = &self.tables[old];
        let missing = table.comparison.as_ref().map(|found| found.missing.clone()).unwrap_or_default();
        let change =
            TableChange { fate: Fate::Replaced, after: Some(after), lost, missing, ..table.change.clone() };
        (lost > 0).then_some(change)
    }

    /// The rows of a dropped table that its successor does not have, and no other new table.
    fn lost_to(&self, conn: &Connection, old: usize, new: usize, after: u64) -> u64 {
        let (old_table, new_table) = (&self.tables[old], &self.tables[new]);
        let Some(rows) = old_table.rows else { return 0 };
        if old_table.has_unknown_deletions || new_table.has_unknown_deletions {
            return 0;
        }
        let elsewhere = self.copied_elsewhere(conn, old, Some(new)) + new_table.change.deleted;
        let by_count = rows.saturating_sub(after);
        let by_key =
            old_table.comparison.as_ref().filter(|it| it.new == new && it.writes == new_table.writes);
        let by_key = by_key.map_or(0, |comparison| comparison.lost);
        // If each statement that filled the new table names the old one, the rows that they copied can be compared.
        let copies = || new_table.copies.iter();
        let is_copy =
            new_table.is_new && copies().count() > 0 && copies().all(|(_, text)| self.names_it(text, old));
        let copied: Option<u64> = copies().map(|(rows, _)| *rows).sum();
        let by_copy = copied.filter(|_| is_copy).map_or(0, |copied| rows.saturating_sub(copied));
        by_count.max(by_key).max(by_copy).saturating_sub(elsewhere)
    }

    fn names_it(&self, text: &str, old: usize) -> bool {
        let table = &self.tables[old];
        mentions(text, &table.last) || mentions(text, &table.change.table)
    }

    /// The rows that other new tables, which stay, got from a table.
    fn copied_elsewhere(&self, conn: &Connection, old: usize, except: Option<usize>) -> u64 {
        let others =
            self.tables.iter().enumerate().filter(|(place, table)| table.is_new && Some(*place) != except);
        let copied = others.filter_map(|(_, table)| {
            let current = table.current.as_deref()?;
            let mut copies = table.copies.iter().filter(|(_, text)| self.names_it(text, old)).peekable();
            copies.peek()?;
            let known: Option<u64> = copies.map(|(rows, _)| *rows).sum();
            known.or_else(|| count(conn, current))
        });
        copied.sum()
    }

    /// Forgets the reach of statements, since the schema has changed.
    pub(super) fn forget_reach(&mut self) {
        self.known.clear();
    }

    pub(super) fn has_new_trigger(&mut self) {
        self.has_new_trigger = true;
    }

    /// Notes a new table, which its statement may have filled.
    pub(super) fn create(&mut self, name: &str, own: &str) {
        let place = self.add(name, Fate::Created);
        if Tokens::new(own).any(|token| token.is("select")) {
            self.tables[place].copies.push((None, own.to_owned()));
        }
    }

    pub(super) fn drop(&mut self, name: &str) {
        if let Some(place) = self.names.remove(name) {
            self.tables[place].current = None;
        }
    }

    pub(super) fn rename(&mut self, from: &Name, to: &str) {
        let place = self.place(&from.name);
        self.names.remove(&from.key());
        self.names.insert(to.to_ascii_lowercase(), place);
        let table = &mut self.tables[place];
        table.current = Some(to.to_ascii_lowercase());
        if table.is_new {
            to.clone_into(&mut table.change.table);
        } else {
            table.change.renamed_to = Some(to.to_owned());
        }
    }

    /// Lets each table that took the name of a dropped one go on with its numbers of `AUTOINCREMENT`.
    pub(super) fn continue_sequences(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for old in 0..self.tables.len() {
            let table = &self.tables[old];
            let last = table.definition.as_ref().filter(|_| table.current.is_none() && !table.is_continued);
            let Some(last) = last.and_then(|definition| definition.sequence) else { continue };
            let Some(new) = self.successor(old) else { continue };
            let Some(name) = self.tables[new].current.clone() else { continue };
            let is_set = |own: &String| mentions(own, &name) || !mentions(own, "name");
            if !self.sets_sequence.iter().any(is_set) {
                replaced::continue_sequence(conn, &name, last)?;
            }
            self.tables[old].is_continued = true;
        }
        Ok(())
    }

    /// The changes of the tables, and what a replaced table lost besides rows.
    pub(super) fn close(
        mut self,
        conn: &Connection,
        findings: &mut Vec<StepFinding>,
    ) -> rusqlite::Result<Vec<TableChange>> {
        let dropped = |(_, table): &(usize, &Table)| !table.is_new && table.current.is_none();
        let olds: Vec<usize> =
            self.tables.iter().enumerate().filter(dropped).map(|(place, _)| place).collect();
        let pairs: BTreeMap<usize, usize> =
            olds.into_iter().filter_map(|old| Some((old, self.successor(old)?))).collect();
        for (&old, &new) in &pairs {
            let Some(name) = self.tables[new].current.clone() else { continue };
            let measured = self.tables[old].comparison.as_ref();
            let measured = measured.filter(|it| it.new == new && it.writes == self.tables[new].writes);
            let (after, missing) = match measured {
                Some(it) => (Some(it.after), it.missing.clone()),
                None => (count(conn, &name), Vec::new()),
            };
            let lost = after.map_or(0, |after| self.lost_to(conn, old, new, after));
            let deleted = self.tables[new].change.deleted;
            let Table { change, definition, by, .. } = &mut self.tables[old];
            (change.fate, change.after, change.lost) = (Fate::Replaced, after, lost);
            change.deleted += deleted;
            change.missing = if lost > 0 { missing } else { Vec::new() };
            if let Some(definition) = definition {
                let found = replaced::findings(conn, change, &name, definition)?;
                findings.extend(found.into_iter().map(|found| match by {
                    Some(by) => found.by(by.clone()),
                    None => found,
                }));
            }
        }
        let mut changes = Vec::new();
        for (place, mut table) in self.tables.into_iter().enumerate() {
            if let Some(current) = table.current.as_deref().filter(|_| table.must_look) {
                let now = count(conn, current);
                table.taken += table.rows.zip(now).map_or(0, |(expected, now)| expected.saturating_sub(now));
                table.rows = now;
            }
            let mut change = table.change;
            change.by = table.by;
            match table.current {
                None if table.is_new => continue,
                None if change.fate != Fate::Replaced => change.fate = Fate::Dropped,
                None => {}
                Some(_) => {
                    change.after = change.before.and(table.rows);
                    change.lost = table.taken.saturating_sub(table.put_back);
                }
            }
            let is_successor = pairs.values().any(|&new| new == place);
            let is_changed = change.before.is_some() || change.inserted + change.deleted > 0;
            if !is_successor && (is_changed || change.renamed_to.is_some() || change.fate != Fate::Kept) {
                changes.push(change);
            }
        }
        Ok(changes)
    }
}

/// What decides which programs a statement runs: its beginning, and for an update the columns that it sets.
fn form(own: &str, verb: Verb, head: &str) -> String {
    let is_upsert = verb == Verb::Replaces && Tokens::new(own).any(|token| token.is("conflict"));
    if verb != Verb::Updates && !is_upsert {
        return head.to_owned();
    }
    let (mut depth, mut previous) = (0_i32, None);
    let mut columns = String::new();
    for token in Tokens::new(own.get(head.len()..).unwrap_or_default()) {
        match token {
            crate::sql::Token::Mark(b'(') => depth += 1,
            crate::sql::Token::Mark(b')') => depth -= 1,
            crate::sql::Token::Mark(b'=') if depth == 0 => {
                columns.push(' ');
                columns.push_str(previous.unwrap_or(")"));
            }
            _ if depth == 0 && token.is("where") && !is_upsert => break,
            _ => {}
        }
        previous = token.spelling();
    }
    format!("{head}{columns}")
}

/// The number of rows of a table; `None` if it cannot be counted, for example without a collation of the application.
pub(super) fn count(conn: &Connection, table: &str) -> Option<u64> {
    let table = quote(table);
    let read = |hint: &str| {
        conn.query_row(&format!("SELECT count(*) FROM main.{table}{hint}"), [], |row| row.get(0))
    };
    // SQLite counts the smallest index, which may need that collation.
    read("").or_else(|_| read(" NOT INDEXED")).ok().map(i64::unsigned_abs)
}

/// An ordinary table of this name in `main`, as the schema spells it. A virtual table has no rows of its own.
fn ordinary(conn: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?1 COLLATE NOCASE";
    conn.query_row(sql, [table], |row| row.get(0)).optional()
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

/// The number of unique keys of a table: unique indexes, and the row number if it is a column.
fn unique_keys(conn: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE \"unique\")
        + (NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')
           AND EXISTS (SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 0))";
    conn.query_row(sql, [table], |row| row.get(0)).map(|keys: i64| u64::try_from(keys).unwrap_or_default())
}
