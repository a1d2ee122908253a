//! [`Ledger`]: makes the account of a script on a server, from its statements and from the numbers of rows of the tables that it replaces.

mod copies;
mod lineage;
mod schemas;
mod tables;

use std::collections::BTreeSet;

use self::copies::{Copies, find};
use self::lineage::{Lineage, Replacement};
pub(super) use self::tables::{SHOWN_KEYS, Tables, key};
use super::script::Script;
use crate::account::{Account, Fate, SchemaObject, StatementPlace, TableChange};
use crate::fault::Fault;
use crate::sql::Token;
use crate::sql::act::{Act, Grammar, ObjectName};
use crate::sql::pieces::{Piece, Refused};
use crate::step::{Atomicity, DataLoss};
use crate::touched::Touched;

/// The account of a script that is running.
pub(super) struct Ledger<'s> {
    pieces: &'s [Piece<'s>],
    acts: Vec<Act>,
    lineage: Lineage,
    replaced: Vec<Replaced>,
    /// The statements whose row counts are needed.
    counting: BTreeSet<usize>,
    /// The row counts of statements that ran in this run. Rows of an earlier run are taken to be lost.
    counted: Vec<(usize, u64)>,
    data_loss: DataLoss,
    atomicity: Atomicity,
}

/// A table that is replaced.
struct Replaced {
    names: Replacement,
    copies: Copies,
    rows_before: Option<u64>,
    /// Whether there was no such table to drop.
    is_missing: bool,
    /// The number of rows of the new table when this one was dropped, and some keys that the new one lacked.
    new: Option<(u64, Vec<String>)>,
}

/// The words of each statement of a script.
fn words<'s>(pieces: &[Piece<'s>], grammar: &Grammar) -> Vec<Vec<Token<'s>>> {
    pieces.iter().map(|piece| (grammar.tokens)(piece.text)).collect()
}

/// What the statements of a script do.
fn acts(words: &[Vec<Token<'_>>], grammar: &Grammar) -> Vec<Act> {
    words.iter().map(|words| Act::of(words, grammar)).collect()
}

/// What the statements of a script may touch: nothing if none of them can break what refers to something. The script may be one that cannot
/// be split.
#[allow(dead_code, reason = "not every backend uses it")]
pub(super) fn may_touch(pieces: Result<Vec<Piece<'_>>, Refused>, grammar: &Grammar) -> Touched {
    let Ok(pieces) = pieces else { return Touched::anything() };
    let mut touched = Touched::nothing();
    redefine(&acts(&words(&pieces, grammar), grammar), &mut touched);
    touched
}

/// Records the objects whose definitions change so that what refers to them may break.
fn redefine(acts: &[Act], touched: &mut Touched) {
    for act in acts {
        match act {
            Act::Drops { kind, .. } if ["index", "trigger", "event"].contains(kind) => {}
            Act::Drops { names, cascades: false, .. } => {
                for name in names {
                    touched.redefine(&name.name);
                }
            }
            Act::Creates { replaces: true, name, .. } | Act::Alters(Some(name)) => {
                touched.redefine(&name.name);
            }
            Act::Renames(pairs) => pairs.iter().for_each(|(from, _)| touched.redefine(&from.name)),
            // What else they change or drop is not known by name.
            Act::Drops { .. } | Act::Alters(None) | Act::Calls => touched.touch_anything(),
            _ => {}
        }
    }
}

impl<'s> Ledger<'s> {
    pub(super) fn new(
        pieces: &'s [Piece<'s>],
        script: &Script<'_>,
        grammar: &Grammar,
        server: &mut dyn Tables,
    ) -> Result<Self, Fault> {
        let words = words(pieces, grammar);
        let mut acts = acts(&words, grammar);
        let drops = acts.iter().any(|act| {
            matches!(
                act,
                Act::Drops { kind: "table", .. } | Act::Creates { kind: "table", replaces: true, .. }
            )
        });
        if drops {
            schemas::resolve(&mut acts, server)?;
        }
        let mut lineage = Lineage::of(&acts);
        let replacements = lineage.replacements();
        let copies = find(&replacements, words, &acts, &lineage);
        let replaced = replacements.into_iter().zip(copies);
        // What a statement deletes in a way that cannot be counted is meant.
        let replaced = replaced.filter(|(_, copies)| !copies.is_emptied);
        let replaced = replaced.map(|(names, copies)| Replaced {
            names,
            copies,
            rows_before: None,
            is_missing: false,
            new: None,
        });
        let replaced: Vec<Replaced> = replaced.collect();
        Ok(Self {
            pieces,
            counting: replaced.iter().flat_map(|table| table.copies.deletions.iter().copied()).collect(),
            replaced,
            acts,
            lineage,
            counted: Vec::new(),
            data_loss: script.data_loss,
            atomicity: script.atomicity,
        })
    }

    /// Whether a statement writes rows, so that rows of other tables may be deleted too.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(super) fn writes_rows(&self) -> bool {
        let writes = |act: &Act| {
            matches!(
                act,
                Act::AddsRows(_) | Act::Updates | Act::Deletes(_) | Act::DeletesUncounted(_) | Act::Calls
            )
        };
        self.acts.iter().any(writes)
    }

    /// Whether a statement calls a routine.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(super) fn calls(&self) -> bool {
        self.acts.contains(&Act::Calls)
    }

    /// Whether a statement undoes others.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(super) fn undoes(&self) -> bool {
        self.acts.contains(&Act::Undoes)
    }

    /// Whether the number of rows that a statement deletes must be known. Statements are numbered from 1.
    pub(super) fn counts(&self, number: u32) -> bool {
        let place = place(number);
        self.counting.contains(&place) || matches!(self.acts.get(place), Some(Act::Deletes(_)))
    }

    /// Records how many rows a statement deleted.
    pub(super) fn count(&mut self, number: u32, rows: u64) {
        self.counted.push((place(number), rows));
    }

    /// Whether replaced tables are counted: not if their rows may go.
    fn compares_rows(&self) -> bool {
        self.data_loss == DataLoss::Undeclared
    }

    /// Whether a table that would lose rows must not be dropped, since it could not be brought back.
    fn must_refuse(&self) -> bool {
        self.compares_rows() && self.atomicity == Atomicity::NonTransactional
    }

    /// Counts the table that a statement is about to drop, if it is replaced or if it has a copy of the rows of one.
    ///
    /// # Errors
    /// Outside a transaction, its rows would be lost.
    pub(super) fn before(&mut self, number: u32, server: &mut dyn Tables) -> Result<(), Fault> {
        let place = place(number);
        if !self.compares_rows() {
            return Ok(());
        }
        for table in 0..self.replaced.len() {
            if self.replaced[table].names.by == place {
                self.before_drop(table, server)?;
            }
        }
        self.before_dropping_copy(place, server)
    }

    fn before_drop(&mut self, table: usize, server: &mut dyn Tables) -> Result<(), Fault> {
        let rows = server.rows_to_lose(&self.replaced[table].names.old)?;
        self.replaced[table].rows_before = rows;
        self.replaced[table].is_missing = rows.is_none();
        let Some(rows @ 1..) = rows else { return Ok(()) };
        let Replacement { old, new, .. } = &self.replaced[table].names;
        let after = new.as_ref().map(|new| server.rows(new)).transpose()?.flatten();
        if let (Some(new), Some(after)) = (new, after) {
            // A row that is missing now may be added later.
            let is_lost = after + self.deleted(&self.replaced[table]) < rows;
            let missing = if is_lost { server.missing([old, new])? } else { Vec::new() };
            self.replaced[table].new = Some((after, missing));
        }
        let replaced = &self.replaced[table];
        // Rows that were copied elsewhere may be copied back into a table that is created later.
        let after = if replaced.copies.may_be_copied { after } else { after.or(Some(0)) };
        let change = after.map(|after| self.change(replaced, rows, after));
        match change.filter(|change| self.must_refuse() && change.lost > 0) {
            Some(change) if replaced.new.is_none() => Err(change.refusal_with(
                "create the new table under another name, copy every row, drop the old table, and rename the new one",
            )),
            Some(change) => Err(change.refusal()),
            None => Ok(()),
        }
    }

    /// Compares a table and the one that replaced it before a statement drops a copy of its rows.
    fn before_dropping_copy(&self, place: usize, server: &mut dyn Tables) -> Result<(), Fault> {
        let Some(Act::Drops { kind: "table", names, .. }) = self.acts.get(place) else { return Ok(()) };
        for table in self.replaced.iter().filter(|table| self.must_refuse() && table.names.by < place) {
            let Some(copy) = table.copies.dropped.iter().find(|copy| names.contains(copy)) else { continue };
            // An earlier run may have dropped the table.
            let before = match table.rows_before {
                Some(rows) => Some(rows),
                None => server.rows(copy)?,
            };
            let Some(before @ 1..) = before else { continue };
            let after = server.rows(&table.names.home)?.unwrap_or_default();
            let change = self.change(table, before, after);
            if change.lost > 0 {
                let keep = format!("copy the missing rows from `{copy}` by hand, since it is still there");
                return Err(change.refusal_with(keep));
            }
        }
        Ok(())
    }

    /// The objects of this kind that the script creates.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(super) fn created(&self, of: &str) -> impl Iterator<Item = &ObjectName> {
        self.acts.iter().filter_map(move |act| match act {
            Act::Creates { kind, name, .. } if *kind == of => Some(name),
            _ => None,
        })
    }

    /// What the script may have touched.
    pub(super) fn touched(&self) -> Touched {
        let mut touched = Touched::nothing();
        touched.touch_any_rows();
        redefine(&self.acts, &mut touched);
        touched
    }

    /// What the script did, after its last statement.
    pub(super) fn finish(&self, server: &mut dyn Tables) -> Result<Account, Fault> {
        let mut account = Account::default();
        for table in self.replaced.iter().filter(|table| !table.is_missing) {
            account.tables.push(self.outcome(table, server)?);
        }
        self.note_deleted(&mut account);
        for (before, now) in self.lineage.renamed() {
            let renamed_to = Some(now.to_string());
            account
                .tables
                .push(TableChange { renamed_to, ..TableChange::new(before.to_string(), Fate::Kept) });
        }
        let created = self.lineage.created();
        account.created = created.map(|name| SchemaObject::new("table", name.to_string())).collect();
        for (place, act) in self.acts.iter().enumerate() {
            match act {
                // Whether there was an object is not known after `IF [NOT] EXISTS`.
                Act::Creates { kind, name, if_not_exists: false, is_temporary: false, .. }
                    if *kind != "table" =>
                {
                    account.created.push(SchemaObject::new(kind, name.to_string()));
                }
                Act::Drops { kind: "temporary table", .. } => {}
                Act::Drops { kind, names, if_exists: false, .. } => {
                    for name in names {
                        self.note_drop(&mut account, place, kind, name);
                    }
                }
                _ => {}
            }
        }
        Ok(account)
    }

    /// What became of a replaced table.
    fn outcome(&self, table: &Replaced, server: &mut dyn Tables) -> Result<TableChange, Fault> {
        let unknown = || TableChange::new(table.names.home.to_string(), Fate::Replaced);
        let Some(before) = table.rows_before else { return Ok(unknown()) };
        let after = match &table.new {
            Some((after, _)) if table.copies.is_complete => Some(*after),
            _ => server.rows(&table.names.home)?,
        };
        Ok(after.map_or_else(unknown, |after| self.change(table, before, after)))
    }

    /// Adds the rows that statements delete from tables that stay.
    fn note_deleted(&self, account: &mut Account) {
        for (place, rows) in self.counted.iter().filter(|(_, rows)| *rows > 0) {
            let Some(Act::Deletes(name)) = self.acts.get(*place) else { continue };
            let (table, is_new) = (name.to_string(), self.lineage.creates(name));
            match account.tables.iter_mut().find(|known| known.table == table) {
                Some(known) if known.fate == Fate::Kept => known.deleted += rows,
                None if !is_new => {
                    account
                        .tables
                        .push(TableChange { deleted: *rows, ..TableChange::new(table, Fate::Kept) });
                }
                _ => {}
            }
        }
    }

    fn note_drop(&self, account: &mut Account, place: usize, kind: &'static str, name: &ObjectName) {
        let object = SchemaObject::new(kind, name.to_string());
        if kind != "table" {
            match account.created.iter().position(|created| *created == object) {
                Some(own) => _ = account.created.remove(own),
                None => account.dropped.push(object),
            }
            return;
        }
        let mut replaced = self.replaced.iter().filter(|table| table.names.by == place);
        if self.lineage.drops(place, name) && !replaced.any(|table| table.names.old == *name) {
            account.tables.push(TableChange::new(name.to_string(), Fate::Dropped));
            account.dropped.push(object);
        }
    }

    /// The rows that statements deleted from the new table.
    fn deleted(&self, table: &Replaced) -> u64 {
        let of_it = self.counted.iter().filter(|(place, _)| table.copies.deletions.contains(place));
        of_it.map(|(_, rows)| rows).sum()
    }

    fn change(&self, table: &Replaced, before: u64, after: u64) -> TableChange {
        let deleted = self.deleted(table);
        let lost = before.saturating_sub(after + deleted);
        let missing = table.new.as_ref().filter(|_| lost > 0).map(|(_, missing)| missing.clone());
        let piece = self.pieces.get(table.names.by);
        let by = piece.zip(u32::try_from(table.names.by + 1).ok()).map(|(piece, number)| StatementPlace {
            number,
            offset: piece.offset,
            text: piece.text.to_owned(),
        });
        TableChange {
            rows_before: Some(before),
            rows_after: Some(after),
            deleted,
            missing_keys: missing.unwrap_or_default(),
            lost,
            by,
            ..TableChange::new(table.names.home.to_string(), Fate::Replaced)
        }
    }
}

/// The place of a statement in the script, from 0.
fn place(number: u32) -> usize {
    number.saturating_sub(1) as usize
}
