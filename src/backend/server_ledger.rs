//! [`Ledger`]: makes the account of a script on a server, from its statements and from the numbers of rows of the tables that it replaces.

mod lineage;

use lineage::{Lineage, Replacement};

use crate::account::{Account, Fate, SchemaObject, StatementPlace, TableChange};
use crate::fault::Fault;
use crate::sql::Token;
use crate::sql::act::{Act, Name, Spelling};
use crate::sql::pieces::Piece;
use crate::step::{Atomicity, DataLoss};
use crate::touched::Touched;

use super::script::Script;

/// The number of keys of lost rows that are shown.
pub(super) const SHOWN_KEYS: usize = 5;

/// What the ledger asks about the tables of a server.
pub(super) trait Tables {
    /// The number of rows of a table; `None` if there is no such table, or if it cannot be read now.
    fn rows(&mut self, table: &Name) -> Result<Option<u64>, Fault>;

    /// Some keys of rows of the first table that the second one lacks, as [`key`] words them; none if the second has not the columns of
    /// the key.
    fn missing(&mut self, tables: [&Name; 2]) -> Result<Vec<String>, Fault>;
}

/// A key in words: `id = 2`. A long value is cut.
pub(super) fn key(columns: &[String], value: impl Fn(usize) -> Option<String>) -> String {
    let pair = |(place, column): (usize, &String)| {
        let value = value(place).unwrap_or_default();
        let short: String = value.chars().take(60).collect();
        let more = if short.len() < value.len() { "..." } else { "" };
        format!("{column} = {short}{more}")
    };
    columns.iter().enumerate().map(pair).collect::<Vec<_>>().join(", ")
}

/// The account of a script that is running.
pub(super) struct Ledger<'s> {
    pieces: &'s [Piece<'s>],
    acts: Vec<Act>,
    lineage: Lineage,
    replaced: Vec<Replaced>,
    /// Statements whose numbers of rows count, and these numbers.
    counted: Vec<(usize, u64)>,
    /// Whether a table that would lose rows is not dropped, since it could not be brought back.
    must_refuse: bool,
    /// The place of the first statement that runs. The numbers of rows of the earlier ones are not known.
    first: usize,
}

/// A table that is replaced.
struct Replaced {
    names: Replacement,
    /// Whether a statement before the drop may have copied its rows.
    may_be_copied: bool,
    /// The statements that copy its rows to other tables, which stay.
    elsewhere: Vec<usize>,
    /// The other tables to which its rows are copied, and which the script drops.
    copies: Vec<Name>,
    rows_before: Option<u64>,
    /// Some keys that the new table lacked when this one was dropped.
    missing: Vec<String>,
}

impl<'s> Ledger<'s> {
    pub(super) fn new(
        pieces: &'s [Piece<'s>],
        script: &Script<'_>,
        tokens: impl Fn(&'s str) -> Vec<Token<'s>>,
        spelling: Spelling,
    ) -> Self {
        let words: Vec<Vec<Token<'_>>> = pieces.iter().map(|piece| tokens(piece.text)).collect();
        let acts: Vec<Act> = words.iter().map(|words| Act::of(words, spelling)).collect();
        let mut lineage = Lineage::of(&acts);
        // What a statement deletes in a way that cannot be counted is taken to be meant.
        let is_emptied = |names: &[Name]| {
            acts.iter().zip(&words).any(|(act, words)| *act == Act::Empties && mentions(words, names))
        };
        let replacements = lineage.replacements();
        let replacements = replacements.into_iter().filter(|names| !is_emptied(&names.names));
        let replaced = replacements.map(|names| {
            let copies =
                |act: &Act| matches!(act, Act::Copies(_) | Act::Calls | Act::Creates { kind: "table", .. });
            let old = [names.old.clone(), names.home.clone()];
            let before = || acts.iter().zip(&words).take(names.by);
            let may_be_copied = before().any(|(act, words)| copies(act) && mentions(read(words), &old));
            let (mut elsewhere, mut dropped) = (Vec::new(), Vec::new());
            for (place, (act, words)) in before().enumerate() {
                let (Act::Copies(Some(to)) | Act::Creates { kind: "table", name: to, .. }) = act else {
                    continue;
                };
                let is_copy = words.iter().any(|word| word.is("select")) && mentions(read(words), &old);
                let is_temporary = matches!(act, Act::Creates { is_temporary: true, .. });
                if !is_copy || names.names.contains(to) {
                    continue;
                }
                if lineage.keeps(to) && !is_temporary {
                    elsewhere.push(place);
                } else {
                    dropped.push(to.clone());
                }
            }
            Replaced {
                names,
                may_be_copied,
                elsewhere,
                copies: dropped,
                rows_before: None,
                missing: Vec::new(),
            }
        });
        let replaced = replaced.collect();
        Self {
            pieces,
            replaced,
            acts,
            lineage,
            counted: Vec::new(),
            must_refuse: script.atomicity == Atomicity::NonTransactional
                && script.data_loss == DataLoss::Undeclared,
            first: script.from.saturating_sub(1) as usize,
        }
    }

    /// Whether a statement writes rows, so that rows of other tables may be deleted too.
    pub(super) fn writes_rows(&self) -> bool {
        let writes = |act: &Act| {
            matches!(act, Act::Copies(_) | Act::Updates(_) | Act::Deletes(_) | Act::Empties | Act::Calls)
        };
        self.acts.iter().any(writes)
    }

    /// Whether rows that the script deleted from a table with these names are those that it names. What a routine deletes is taken to be
    /// meant, since it is not known what names it.
    pub(super) fn names_target(&self, names: &[String]) -> bool {
        self.acts.iter().any(|act| match act {
            Act::Deletes(table) | Act::Updates(table) => {
                names.iter().any(|name| name.eq_ignore_ascii_case(&table.name))
            }
            Act::Empties | Act::Calls => true,
            _ => false,
        })
    }

    /// Whether the number of rows that a statement deletes or copies must be known. Statements are numbered from 1.
    pub(super) fn counts(&self, number: u32) -> bool {
        let place = place(number);
        self.replaced.iter().any(|table| table.counting().any(|counting| *counting == place))
    }

    /// Counts the table that a statement is about to drop, if it is replaced or if it has a copy of the rows of one.
    ///
    /// # Errors
    /// Outside a transaction, its rows would be lost.
    pub(super) fn before(&mut self, number: u32, server: &mut dyn Tables) -> Result<(), Fault> {
        let place = place(number);
        let dropped = (0..self.replaced.len()).filter(|table| self.replaced[*table].names.by == place);
        for table in dropped.collect::<Vec<_>>() {
            let rows = server.rows(&self.replaced[table].names.old)?;
            self.replaced[table].rows_before = rows;
            let Replacement { old, new, .. } = &self.replaced[table].names;
            let Some(rows @ 1..) = rows else { continue };
            let after = new.as_ref().map(|new| server.rows(new)).transpose()?.flatten();
            // A row that is missing now may be added later.
            let missing = match (new, after) {
                (Some(new), Some(after)) if after < rows => server.missing([old, new])?,
                _ => Vec::new(),
            };
            self.replaced[table].missing = missing;
            let replaced = &self.replaced[table];
            // Rows that were copied elsewhere may be copied back into a table that is created later.
            let after = if replaced.may_be_copied { after } else { after.or(Some(0)) };
            let change = after.map(|after| self.change(replaced, after));
            if let Some(change) = change.filter(|change| self.must_refuse && change.lost > 0) {
                return Err(change.refusal());
            }
        }
        self.before_copy(place, server)
    }

    /// Compares a table and the one that replaced it before a statement drops a copy of its rows.
    fn before_copy(&self, place: usize, server: &mut dyn Tables) -> Result<(), Fault> {
        let Some(Act::Drops { kind: "table", names, .. }) = self.acts.get(place) else { return Ok(()) };
        for table in self.replaced.iter().filter(|table| self.must_refuse && table.rows_before > Some(0)) {
            let Some(copy) = table.copies.iter().find(|copy| names.contains(copy)) else { continue };
            let after = server.rows(&table.names.home)?.unwrap_or_default();
            let change = self.change(table, after);
            if change.lost > 0 {
                let keep = format!("copy the missing rows from `{copy}` by hand, since it is still there");
                return Err(change.refusal_with(keep));
            }
        }
        Ok(())
    }

    /// Records how many rows a statement deleted or copied.
    pub(super) fn count(&mut self, number: u32, rows: u64) {
        self.counted.push((place(number), rows));
    }

    /// The objects of this kind that the script creates.
    pub(super) fn created(&self, of: &str) -> impl Iterator<Item = &Name> {
        self.acts.iter().filter_map(move |act| match act {
            Act::Creates { kind, name, .. } if *kind == of => Some(name),
            _ => None,
        })
    }

    /// What the script may have touched.
    pub(super) fn touched(&self) -> Touched {
        let mut touched = Touched::nothing();
        if may_break(&self.acts) {
            touched.touch_anything();
        } else {
            touched.touch_any_rows();
        }
        touched
    }

    /// What the script did, after its last statement.
    pub(super) fn finish(&self, server: &mut dyn Tables) -> Result<Account, Fault> {
        let mut account = Account::default();
        for table in &self.replaced {
            let after = match table.rows_before {
                Some(_) => server.rows(&table.names.home)?,
                None => None,
            };
            account.tables.push(match after {
                Some(after) => self.change(table, after),
                None => TableChange::new(table.names.home.to_string(), Fate::Replaced),
            });
        }
        for (before, now) in self.lineage.renamed() {
            let renamed_to = Some(now.to_string());
            account
                .tables
                .push(TableChange { renamed_to, ..TableChange::new(before.to_string(), Fate::Kept) });
        }
        account.created =
            self.lineage.created().map(|name| SchemaObject::new("table", name.to_string())).collect();
        for (place, act) in self.acts.iter().enumerate() {
            match act {
                // Whether there was an object is not known after `IF [NOT] EXISTS`.
                Act::Creates { kind, name, may_exist: false, is_temporary: false, .. }
                    if *kind != "table" =>
                {
                    account.created.push(SchemaObject::new(kind, name.to_string()));
                }
                Act::Drops { kind, names, may_lack: false } => {
                    for name in names {
                        self.note_drop(&mut account, place, kind, name);
                    }
                }
                _ => {}
            }
        }
        Ok(account)
    }

    fn note_drop(&self, account: &mut Account, place: usize, kind: &'static str, name: &Name) {
        let object = SchemaObject::new(kind, name.to_string());
        if kind != "table" {
            match account.created.iter().position(|created| *created == object) {
                Some(own) => _ = account.created.remove(own),
                None => account.dropped.push(object),
            }
            return;
        }
        let is_replaced =
            self.replaced.iter().any(|table| table.names.by == place && table.names.old == *name);
        if self.lineage.drops(place, name) && !is_replaced {
            account.tables.push(TableChange::new(name.to_string(), Fate::Dropped));
            account.dropped.push(object);
        }
    }

    fn change(&self, table: &Replaced, after: u64) -> TableChange {
        let sum = |places: &[usize]| -> u64 {
            self.counted.iter().filter(|(place, _)| places.contains(place)).map(|(_, rows)| rows).sum()
        };
        let (deleted, elsewhere) = (sum(&table.names.deletions), sum(&table.elsewhere));
        let is_known = table.counting().all(|place| *place >= self.first);
        let before = table.rows_before.unwrap_or_default();
        let lost = if is_known { before.saturating_sub(after + deleted + elsewhere) } else { 0 };
        let piece = self.pieces.get(table.names.by);
        let by = piece.zip(u32::try_from(table.names.by + 1).ok()).map(|(piece, number)| StatementPlace {
            number,
            offset: piece.offset,
            text: piece.text.to_owned(),
        });
        TableChange {
            rows_before: table.rows_before,
            rows_after: Some(after),
            deleted,
            missing_keys: if lost > 0 { table.missing.clone() } else { Vec::new() },
            lost,
            by,
            ..TableChange::new(table.names.home.to_string(), Fate::Replaced)
        }
    }
}

/// Whether a statement may break what refers to the object that it changes or drops.
pub(super) fn may_break(acts: &[Act]) -> bool {
    acts.iter().any(|act| match act {
        Act::Drops { kind, .. } => !["index", "trigger", "event"].contains(kind),
        Act::Creates { replaces, .. } => *replaces,
        Act::Renames(_) | Act::Alters | Act::Calls | Act::Empties => true,
        _ => false,
    })
}

impl Replaced {
    /// The statements whose numbers of rows count.
    fn counting(&self) -> impl Iterator<Item = &usize> {
        self.names.deletions.iter().chain(&self.elsewhere)
    }
}

/// The place of a statement in the script, from 0.
fn place(number: u32) -> usize {
    number.saturating_sub(1) as usize
}

/// The words of a statement that may name what it reads: not the table that an `INSERT` adds rows to.
fn read<'w, 'a>(words: &'w [Token<'a>]) -> &'w [Token<'a>] {
    let is = |token: &Token<'_>, list: &[&str]| list.iter().any(|word| token.is(word));
    if !words.first().is_some_and(|first| is(first, &["insert", "replace"])) {
        return words;
    }
    let begins = words.iter().position(|token| is(token, &["select", "table", "from"]));
    begins.map_or(&[], |begins| &words[begins..])
}

/// Whether one of these names may be among the words, or in a text that the server executes.
fn mentions(words: &[Token<'_>], names: &[Name]) -> bool {
    words.iter().filter_map(|token| token.spelling()).any(|word| {
        let is_text = word.contains(['\'', '$']);
        let (word, bare) = (word.to_lowercase(), word.trim_matches(['"', '`']).to_lowercase());
        let mut names = names.iter().map(|name| name.name.to_lowercase());
        names.any(|name| if is_text { word.contains(&name) } else { bare == name })
    })
}
