//! The rows of a dropped table that no other table has.

use rusqlite::Connection;

use super::definition::Definition;
use super::rows::Rows;
use super::successor::{self, Comparison, Successor};
use super::table::Table;
use super::uncopied::Uncopied;
use crate::account::{Fate, StepFinding, TableChange};
use crate::problem::ProblemKind;
use crate::sql::{Token, Tokens, mentions, part};

impl Rows {
    /// What would be lost if a table was dropped now, given the rest of the script.
    pub(super) fn lost_by_drop(
        &mut self,
        conn: &Connection,
        name: &str,
        rest: &str,
    ) -> rusqlite::Result<Option<TableChange>> {
        let Some(old) = self.names.get(name).copied().filter(|&old| !self.tables[old].is_new) else {
            return Ok(None);
        };
        let (after, lost) = match self.find_successor(old, rest) {
            Successor::None => return Ok(None),
            Successor::Table(new) => {
                let Some(after) = self.tables[new].count(conn)? else { return Ok(None) };
                (after, self.lost_to(conn, old, new, after)?)
            }
            Successor::Later if self.is_index(old) => return Ok(None),
            Successor::Later => {
                let copied = self.copied(conn, old)?;
                let Some(rows) = self.tables[old].rows else { return Ok(None) };
                (copied, rows.saturating_sub(copied))
            }
        };
        let table = &self.tables[old];
        let missing = table.comparison.as_ref().map(|found| found.missing.clone()).unwrap_or_default();
        let change = TableChange {
            fate: Fate::Replaced,
            rows_after: Some(after),
            lost,
            missing_keys: missing,
            ..table.change.clone()
        };
        Ok((lost > 0).then_some(change))
    }

    /// Compares a table, by its place and its name, with the one that will take its name. `None` if that cannot be counted.
    pub(super) fn compared(
        &self,
        conn: &Connection,
        [old, new]: [usize; 2],
        name: &str,
        definition: &Definition,
    ) -> rusqlite::Result<Option<Comparison>> {
        let (old_table, new_table) = (&self.tables[old], &self.tables[new]);
        let Some(current) = new_table.current.as_deref() else { return Ok(None) };
        let (names, key) = ([name, current], definition.key());
        // A table that got rows from no other one has keys of its own.
        let written = if new_table.copies.is_empty() { 0 } else { new_table.written };
        let rows = [old_table.rows, Some(written)];
        let Some(mut found) = successor::compare(conn, names, &key, rows)? else { return Ok(None) };
        self.compare_joined(conn, [old, new], name, definition, &mut found)?;
        let is_less = found.lost > 0 || old_table.rows > Some(found.after);
        let others = if is_less { self.copies_of(old, new) } else { Vec::new() };
        let holders: Vec<&str> =
            others.iter().filter_map(|other| self.tables[*other].current.as_deref()).collect();
        let elsewhere = (successor::elsewhere(conn, names, &holders, &key)?, others);
        let uncopied = self.uncopied(conn, [name, current], definition, new, found.after);
        let changed = uncopied.findings(&old_table.change.table)?;
        Ok(Some(Comparison { new, writes: new_table.writes, elsewhere, changed, ..found }))
    }

    /// A table and the one, by its place, that takes its name, given the number of rows of that.
    pub(super) fn uncopied<'t>(
        &'t self,
        conn: &'t Connection,
        [old, name]: [&'t str; 2],
        definition: &'t Definition,
        new: usize,
        rows: u64,
    ) -> Uncopied<'t> {
        let Table { copies, change, .. } = &self.tables[new];
        let changed = change.updated + change.upserted;
        Uncopied { conn, old, new: name, definition, rows, copies, changed }
    }

    /// How a dropped table compared with its successor when it was dropped.
    pub(super) fn compared_before(&self, old: usize, new: usize) -> Option<&Comparison> {
        self.tables[old].comparison.as_ref().filter(|found| found.new == new)
    }

    /// The same, if no statement has written to the successor since.
    pub(super) fn comparison(&self, old: usize, new: usize) -> Option<&Comparison> {
        self.compared_before(old, new).filter(|found| found.writes == self.tables[new].writes)
    }

    /// Notes a statement on a table that replaces another one. If it names a column, it may fill it.
    pub(super) fn may_fill(&mut self, new: usize, own: &str) {
        let compared = self.tables.iter_mut().filter_map(|table| table.comparison.as_mut());
        for found in compared.filter(|found| found.new == new) {
            found.changed.retain(|(column, _)| !mentions(own, column));
        }
    }

    /// The rows of a dropped table that its successor does not have, and no other new table.
    pub(super) fn lost_to(
        &self,
        conn: &Connection,
        old: usize,
        new: usize,
        after: u64,
    ) -> rusqlite::Result<u64> {
        let (old_table, new_table) = (&self.tables[old], &self.tables[new]);
        let Some(rows) = old_table.rows else { return Ok(0) };
        if old_table.has_unknown_deletions || new_table.has_unknown_deletions || self.is_index(old) {
            return Ok(0);
        }
        // A table that took the name in between was replaced itself.
        let between = self.tables.iter().filter(|table| table.is_new && table.current.is_none());
        let between = between.filter(|table| table.last == old_table.last).map(|table| table.change.deleted);
        let deleted = new_table.change.deleted + between.sum::<u64>();
        let compared = self.compared_before(old, new);
        let elsewhere = match compared.map(|found| &found.elsewhere) {
            Some((rows, others)) if others.iter().all(|other| self.keeps(*other)) => *rows,
            Some(_) => 0,
            None => self.backed_up(conn, old, new)?,
        };
        let by_count = rows.saturating_sub(after);
        let by_key = self.comparison(old, new).map_or(0, |comparison| comparison.lost);
        // If each statement that filled the new table names the old one, the rows that they copied can be compared.
        let copies = || new_table.copies.iter();
        let is_copy =
            new_table.is_new && copies().count() > 0 && copies().all(|(_, text)| self.names_it(text, old));
        let given: Option<u64> = copies().map(|(rows, _)| *rows).sum();
        let by_copy = given.filter(|_| is_copy).map_or(0, |given| rows.saturating_sub(given));
        Ok(by_count.max(by_key).max(by_copy).saturating_sub(elsewhere + deleted))
    }

    /// The findings about tables whose rows were set aside, deleted and put back only in part.
    pub(super) fn refilled_in_part(&self) -> Vec<StepFinding> {
        let finding = |(place, table): (usize, &Table)| {
            let (emptied, by) = table.emptied.as_ref()?;
            if table.is_new || table.current.is_none() || self.has_backup(place, *emptied) {
                return None;
            }
            let holders = self.holders(place);
            let (mut left, mut back) = (table.refilled, 0);
            // The last copies are those since then.
            for (rows, text) in table.copies.iter().rev() {
                if left == 0 {
                    break;
                }
                let rows = rows.unwrap_or_default();
                left = left.saturating_sub(rows);
                back += if holders.iter().any(|holder| mentions(text, holder)) { rows } else { 0 };
            }
            (back > 0 && table.refilled < *emptied).then(|| {
                let what = format!(
                    "deletes the {emptied} rows of `{}` and copies only {back} back",
                    table.change.table
                );
                StepFinding::new(ProblemKind::ValuesChanged, what, "copy every row back").by(by.clone())
            })
        };
        self.tables.iter().enumerate().filter_map(finding).collect()
    }

    /// The names of the tables in which rows of a table were set aside, also of temporary ones.
    fn holders(&self, old: usize) -> Vec<&str> {
        let others = self.tables.iter().enumerate().filter(|(place, _)| *place != old);
        let texts = others.flat_map(|(_, table)| table.copies.iter().map(|(_, text)| text));
        let texts: Vec<&String> = texts.chain(&self.set_aside).collect();
        let mut holders: Vec<&str> = Vec::new();
        loop {
            let is_read =
                |text: &str| self.names_it(text, old) || holders.iter().any(|it| mentions(text, it));
            let mut found = texts.iter().filter(|text| is_read(text)).filter_map(|text| filled(text));
            let next = found.find(|name| !holders.contains(name));
            match next {
                Some(name) => holders.push(name),
                None => return holders,
            }
        }
    }

    /// Whether a table that stays got this number of whole rows of another one.
    fn has_backup(&self, old: usize, rows: u64) -> bool {
        let is_whole = |text: &str| copies_all_columns(text) && self.names_it(text, old);
        let got = |table: &Table| -> Option<u64> {
            table.copies.iter().filter(|(_, text)| is_whole(text)).map(|(rows, _)| *rows).sum()
        };
        let mut others = (0..self.tables.len()).filter(|place| *place != old && self.keeps(*place));
        others.any(|place| got(&self.tables[place]) >= Some(rows))
    }

    /// The finding about a dropped table of which a new one, which has rows of its own, got no row.
    pub(super) fn uncopied_rows(&self, [old, new]: [usize; 2], after: u64) -> Option<StepFinding> {
        let (old, new) = (&self.tables[old], &self.tables[new]);
        let rows = old.rows.filter(|rows| *rows > 0 && !old.is_virtual)?;
        let is_filled = new.is_new && after > 0 && new.copies.is_empty() && !new.has_unknown_deletions;
        let words = if rows == 1 { "the row".to_owned() } else { format!("any of the {rows} rows") };
        is_filled.then(|| {
            StepFinding::new(
                ProblemKind::ValuesChanged,
                format!("replaces `{}` and does not copy {words} that it had", old.change.table),
                "copy the rows into the new table, or change them in the old one",
            )
        })
    }

    /// Whether a dropped table was no more than an index of other rows, as far as the script shows: a virtual table of which nothing was copied.
    fn is_index(&self, old: usize) -> bool {
        // A statement that fills a new table of the same name has the name before its query, so only the query counts.
        let is_read = |text: &str| {
            let mut tokens = Tokens::new(text);
            tokens.find(|token| token.is("select"));
            self.names_it(part(text, tokens.offset()..), old)
        };
        let is_copied = |table: &Table| table.copies.iter().any(|(_, text)| is_read(text));
        self.tables[old].is_virtual
            && !self.tables.iter().any(is_copied)
            && !self.set_aside.iter().any(|text| is_read(text))
    }

    pub(super) fn names_it(&self, text: &str, old: usize) -> bool {
        let table = &self.tables[old];
        mentions(text, &table.last) || mentions(text, &table.change.table)
    }

    /// The other tables that got rows of a table and are still there, by their places.
    pub(super) fn copies_of(&self, old: usize, new: usize) -> Vec<usize> {
        let got = |table: &Table| table.copies.iter().any(|(_, text)| self.names_it(text, old));
        let others = (0..self.tables.len()).filter(|place| *place != old && *place != new);
        others.filter(|place| self.keeps(*place) && got(&self.tables[*place])).collect()
    }

    /// Whether a table is still there, with all rows that it got.
    fn keeps(&self, place: usize) -> bool {
        let table = &self.tables[place];
        table.current.is_some() && table.change.deleted == 0 && !table.has_unknown_deletions
    }

    /// All rows of a table, if one that stays got all of them whole: then they are not lost when they are copied back in part.
    fn backed_up(&self, conn: &Connection, old: usize, new: usize) -> rusqlite::Result<u64> {
        let Some(rows) = self.tables[old].rows else { return Ok(0) };
        let others = self.tables.iter().enumerate().filter(|(place, _)| *place != old && *place != new);
        let is_whole = |text: &str| copies_all_columns(text) && self.names_it(text, old);
        for (_, table) in others {
            if table.copies.iter().any(|(_, text)| is_whole(text)) && table.count(conn)? >= Some(rows) {
                return Ok(rows);
            }
        }
        Ok(0)
    }

    /// The rows that other tables got from a table, from which they may be copied back.
    fn copied(&self, conn: &Connection, old: usize) -> rusqlite::Result<u64> {
        let mut all = 0;
        for (_, table) in self.tables.iter().enumerate().filter(|(place, _)| *place != old) {
            let mut copies = table.copies.iter().filter(|(_, text)| self.names_it(text, old)).peekable();
            if table.current.is_none() || copies.peek().is_none() {
                continue;
            }
            let known: Option<u64> = copies.map(|(rows, _)| *rows).sum();
            all += match known {
                None if table.is_new => table.count(conn)?,
                known => known,
            }
            .unwrap_or_default();
        }
        Ok(all)
    }
}

/// The name of the table that a statement fills, as it is written.
fn filled(text: &str) -> Option<&str> {
    let tokens = Tokens::new(text).skip_while(|token| !token.is_any(&["into", "table"])).skip(1);
    let is_name = |token: &Token<'_>| {
        *token != Token::Mark(b'(') && !token.is_any(&["as", "default", "select", "values", "with"])
    };
    tokens.take_while(is_name).last().and_then(Token::spelling)
}

/// Whether a statement copies all columns: `SELECT *`.
fn copies_all_columns(text: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text).collect();
    tokens.windows(2).any(|pair| pair[0].is("select") && pair[1] == Token::Mark(b'*'))
}
