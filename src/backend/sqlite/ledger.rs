//! [`Ledger`]: what a script does to rows and to the schema, followed statement by statement on the caller's connection.
//!
//! It mostly reads. It writes the last number of `AUTOINCREMENT` to a table that replaces another one, drops the temporary objects of the
//! script, and makes SQLite read an edited schema again. Before a statement that can delete rows of a table which it does not name, it
//! counts that table; before a table is dropped, it reads what belongs to it. A statement that creates something costs nothing, and
//! one that writes rows is explained once.

use std::collections::BTreeSet;

use rusqlite::Connection;

use self::act::{Act, DroppedColumn, Name, TableDrops};
pub(super) use self::ask::count;
use self::ask::exists;
use self::foreseen::Foreseen;
use self::moves::Moves;
pub(super) use self::place::Place;
use self::replacing::Replacements;
use self::rows::Rows;
use self::schema_edits::SchemaEdits;
use self::skipped::{Offered, Skipped};
use self::temporary::Temporary;
use self::views::Views;
use super::fault;
use super::reach::Reach;
use super::target::Verb;
use crate::account::{Account, Execution, Fate, SchemaObject, StepFinding};
use crate::backend::script::Script;
use crate::fault::Fault;
use crate::sql::{folded, has_word, mentions, same_name, statements};
use crate::step::{Atomicity, Cascade, DataLoss, ForeignKeys};
use crate::touched::{Touch, Touched};

mod act;
mod affinity;
mod ask;
mod clauses;
mod converted;
mod copied;
mod definition;
mod drops;
mod expression;
mod foreseen;
mod joined;
mod later;
mod losses;
mod moves;
mod outline;
mod place;
mod replaced;
mod replacing;
mod rows;
mod schema_edits;
mod skipped;
mod successor;
mod table;
mod temporary;
mod uncopied;
mod upserted;
mod views;

/// Follows a script.
pub(super) struct Ledger {
    keys: ForeignKeys,
    atomicity: Atomicity,
    cascade: Cascade,
    data_loss: DataLoss,
    /// Whether the script asks for `changes()`, which `EXPLAIN` of a statement sets to 0.
    asks_for_changes: bool,
    state: State,
    /// The state at each savepoint, by its name; that of a transaction has none.
    savepoints: Vec<(String, State)>,
    /// The objects whose definition changed. What refers to them is checked after the step.
    redefined: BTreeSet<String>,
    /// The names of tables that may belong to other rows now.
    replaced: BTreeSet<String>,
    schema_edits: SchemaEdits,
    /// The statements that drop tables.
    table_drops: Option<TableDrops>,
    dropped_columns: Vec<DroppedColumn>,
    /// What is known about the `REPLACE` statements of the script.
    replacing: Replacements,
}

/// What the script did so far.
#[derive(Clone, Default)]
struct State {
    rows: Rows,
    created: Vec<SchemaObject>,
    dropped: Vec<SchemaObject>,
    findings: Vec<StepFinding>,
    temporary: Temporary,
    views: Views,
    moves: Moves,
    skipped: Vec<Skipped>,
}

impl Ledger {
    pub(super) fn new(script: &Script<'_>) -> Self {
        Self {
            keys: script.foreign_keys,
            atomicity: script.atomicity,
            cascade: script.cascade,
            data_loss: script.data_loss,
            asks_for_changes: mentions(script.text, "changes"),
            state: State { rows: Rows::new(script.atomicity), ..State::default() },
            savepoints: Vec::new(),
            redefined: BTreeSet::new(),
            replaced: BTreeSet::new(),
            schema_edits: SchemaEdits::default(),
            table_drops: TableDrops::of(script.text),
            dropped_columns: act::dropped_columns(script.text),
            replacing: Replacements::default(),
        }
    }

    /// Whether a statement may be explained.
    pub(super) fn may_explain(&self) -> bool {
        !self.asks_for_changes
    }

    /// Notes what the statements of an earlier run did to the schema, before the script continues after them.
    pub(super) fn resume(&mut self, done: &str) {
        for (_, own) in statements(done) {
            match Act::of(own) {
                Act::Creates { kind, name, on, .. } if !name.is_in("temp") && on.is_none() => {
                    self.create(kind, &name, own);
                }
                Act::Drops { kind: "table", name } => self.state.rows.drop(&name.key()),
                Act::Renames { table, to } => self.rename(&table, &to),
                Act::Writes { table, verb, .. } => self.state.rows.wrote_before(&table, verb, own),
                _ => {}
            }
        }
    }

    /// Looks at a statement before it runs.
    pub(super) fn foresee<'a>(&mut self, conn: &Connection, place: Place<'a>) -> Result<Foreseen<'a>, Fault> {
        let mut foreseen = Foreseen::new(Act::of(place.own), conn.total_changes());
        self.look(conn, place, &mut foreseen).map_err(fault)?;
        if let (Act::Drops { kind: "table", name }, true) = (&foreseen.act, self.must_refuse()) {
            if let Some(lost) = self.state.rows.lost_by_drop(conn, &name.key(), place.rest).map_err(fault)? {
                return Err(lost.refusal());
            }
        }
        Ok(foreseen)
    }

    /// The statement that drops a table after another one, if there is one, as the rest of the script. A long script is not read again for
    /// each of its statements.
    fn before_last_drop<'s>(&'s self, place: Place<'s>) -> Place<'s> {
        let last = self.table_drops.as_ref().and_then(|drops| drops.last_behind(place.offset));
        Place { rest: last.unwrap_or_default(), ..place }
    }

    fn look(
        &mut self,
        conn: &Connection,
        place: Place<'_>,
        foreseen: &mut Foreseen<'_>,
    ) -> rusqlite::Result<()> {
        let enforces = self.keys == ForeignKeys::Enforced;
        match &foreseen.act {
            Act::Creates { name, .. } if name.is_in("temp") => self.state.temporary.begin(conn)?,
            Act::Creates { kind, name, may_exist, .. } => {
                if *may_exist {
                    foreseen.exists = exists(conn, kind, &name.name)?;
                }
                if *kind == "table" && !foreseen.exists && has_word(place.own, &["select"]) {
                    foreseen.converts = converted::by_copy(conn, self.before_last_drop(place), &name.name)?;
                }
            }
            Act::Drops { kind, name } if self.is_own(kind, name) => {
                foreseen.exists = exists(conn, kind, &name.name)?;
                if *kind == "view" && foreseen.exists {
                    self.state.temporary.watch_triggers(conn)?;
                    self.state.views.before_drop(conn, &name.name, place)?;
                }
                if *kind == "table" && foreseen.exists {
                    self.state.temporary.watch_triggers(conn)?;
                    self.state.rows.before_drop(conn, &name.key(), place)?;
                    if enforces {
                        let reach = self.explain(place.own, &name.key())(conn)?;
                        foreseen.at_risk = self.state.rows.reach(conn, &reach)?;
                        foreseen.reach = Some(reach);
                    }
                }
            }
            Act::ChangesColumn { table, column, to: None } if self.is_main(table) => {
                let moved = self.state.moves.finding(conn, [&table.name, column])?;
                foreseen.changes_values.extend(moved);
            }
            Act::OpensSchema => self.schema_edits.begin(conn)?,
            Act::Writes { table, verb, head, .. } if self.is_main(table) => {
                if table.is_schema() {
                    self.schema_edits.before_edit(conn)?;
                }
                match verb {
                    Verb::Inserts | Verb::Replaces => {
                        let at = self.before_last_drop(place);
                        let copied = copied::finding(conn, at, "main", &table.name)?;
                        foreseen.changes_values.extend(copied);
                        foreseen.converts = converted::by_copy(conn, at, &table.name)?;
                        if let Some(drops) = self.table_drops.as_ref().filter(|_| !at.rest.is_empty()) {
                            foreseen.offered = Offered::of(conn, at.own, &table.name, drops)?;
                        }
                        if *verb == Verb::Replaces && !self.state.rows.is_new(&table.key()) {
                            let replacing = self.replacing.finding(conn, place.own, &table.name)?;
                            foreseen.changes_values.extend(replacing);
                            let upserted = upserted::findings(conn, place.own, &table.name)?;
                            foreseen.changes_values.extend(upserted);
                        }
                    }
                    Verb::Updates => {
                        let later = |column: &&DroppedColumn| column.offset > place.offset;
                        let dropped: Vec<_> = self.dropped_columns.iter().filter(later).collect();
                        foreseen.changes_values =
                            converted::by_update(conn, place.own, &table.name, &dropped)?;
                        self.state.moves.note(place.own, &table.name, &dropped);
                    }
                    Verb::Deletes | Verb::Drops => {}
                }
                let explain = self.explain(place.own, &table.key());
                let written = (table, *verb, *head);
                let rows = &mut self.state.rows;
                (foreseen.reach, foreseen.at_risk) =
                    rows.before_write(conn, place.own, written, enforces, explain)?;
            }
            Act::Writes { table, verb: Verb::Inserts | Verb::Replaces, .. } if self.is_temporary(table) => {
                let copied = copied::finding(conn, self.before_last_drop(place), "temp", &table.name)?;
                foreseen.changes_values.extend(copied);
            }
            _ => {}
        }
        Ok(())
    }

    /// Finds what a statement on a table can write.
    fn explain<'s>(
        &self,
        own: &'s str,
        table: &str,
    ) -> impl FnOnce(&Connection) -> rusqlite::Result<Reach> + use<'s> {
        let (is_guessed, enforces) = (self.asks_for_changes, self.keys == ForeignKeys::Enforced);
        let table = table.to_owned();
        move |conn| if is_guessed { Reach::guessed(conn, &table, enforces) } else { Reach::of(conn, own) }
    }

    /// Whether a name refers to an object of the database itself.
    fn is_main(&self, name: &Name) -> bool {
        match name.database {
            Some(_) => name.is_in("main"),
            None => !self.state.temporary.has(&name.name),
        }
    }

    /// Whether a name refers to a temporary table or view of the script.
    fn is_temporary(&self, name: &Name) -> bool {
        (name.database.is_none() || name.is_in("temp")) && self.state.temporary.has(&name.name)
    }

    /// Whether the name of an object refers to one of the database itself. A temporary table hides tables and views.
    fn is_own(&self, kind: &str, name: &Name) -> bool {
        let may_be_hidden = kind == "table" || kind == "view";
        if may_be_hidden { self.is_main(name) } else { name.database.is_none() || name.is_in("main") }
    }

    /// Whether lost rows must be found at each statement: it cannot be undone after the script.
    fn must_refuse(&self) -> bool {
        self.atomicity == Atomicity::NonTransactional && self.data_loss == DataLoss::Undeclared
    }

    /// Notes what a statement did, after it has run.
    ///
    /// # Errors
    /// Outside a transaction, the statement took rows that it does not name.
    pub(super) fn note(
        &mut self,
        conn: &Connection,
        place: Place<'_>,
        foreseen: &Foreseen<'_>,
    ) -> Result<(), Fault> {
        self.follow(conn, place, foreseen).map_err(fault)?;
        if foreseen.at_risk.is_empty() || !self.must_refuse() || self.cascade == Cascade::Allowed {
            return Ok(());
        }
        match self.state.rows.lost(&foreseen.at_risk) {
            Some(lost) => Err(lost.refusal()),
            None => Ok(()),
        }
    }

    fn follow(
        &mut self,
        conn: &Connection,
        place: Place<'_>,
        foreseen: &Foreseen<'_>,
    ) -> rusqlite::Result<()> {
        let changed = conn.total_changes() - foreseen.changes;
        match &foreseen.act {
            Act::Writes { table, verb, names_all, .. } => {
                if changed > 0 {
                    self.keep_findings(foreseen, place);
                }
                if self.is_main(table) {
                    let counts = [changed, conn.changes()];
                    self.state.rows.wrote(
                        conn,
                        (table, *verb, *names_all),
                        counts,
                        &foreseen.at_risk,
                        place,
                    )?;
                    self.state.rows.converts(&table.key(), &foreseen.converts, place);
                    if let Some(offered) = &foreseen.offered {
                        let skipped = offered.skipped(conn, (&table.name, counts[1]), place)?;
                        self.state.skipped.extend(skipped);
                    }
                } else if self.is_temporary(table) {
                    self.state.rows.sets_aside(place.own);
                }
                return Ok(());
            }
            Act::Creates { kind, name, on, .. } => {
                if name.is_in("temp") {
                    match *kind {
                        "trigger" => self.state.rows.has_new_trigger(),
                        kind => self.state.temporary.add(kind, &name.name),
                    }
                    self.state.rows.sets_aside(place.own);
                } else if !foreseen.exists
                    && self.is_own(kind, name)
                    && on.as_ref().is_none_or(|on| self.is_main(on))
                {
                    self.create(kind, name, place.own);
                    self.state.rows.converts(&name.key(), &foreseen.converts, place);
                }
            }
            Act::Drops { kind, name } if !self.is_own(kind, name) => {
                self.state.temporary.remove(kind, &name.name);
            }
            Act::Drops { kind, name } if foreseen.exists => {
                self.redefined.insert(name.key());
                self.replaced.extend((*kind == "table").then(|| name.key()));
                self.drop(kind, name);
                if changed > 0 {
                    self.state.rows.suspect(conn, &foreseen.at_risk, place)?;
                }
            }
            Act::Renames { table, to } if self.is_main(table) => {
                self.redefined.extend([table.key(), folded(to)]);
                self.replaced.extend([table.key(), folded(to)]);
                self.rename(table, to);
            }
            Act::Renames { table, to } if self.is_temporary(table) => {
                self.state.temporary.rename(&table.name, to);
            }
            Act::ChangesColumn { table, column, to } if self.is_main(table) => {
                self.redefined.insert(table.key());
                self.keep_findings(foreseen, place);
                self.state.rows.change_column(table, column, to.as_deref());
            }
            Act::Alters(table) if self.is_main(table) => _ = self.redefined.insert(table.key()),
            Act::Begins(name) => self.savepoints.push((name.clone(), self.state.clone())),
            Act::Keeps(name) => _ = self.savepoint(name).map(|place| self.savepoints.truncate(place)),
            Act::Undoes(name) => self.undo(name),
            _ => {}
        }
        self.state.rows.forget_reach();
        self.replacing.forget();
        self.state.rows.continue_sequences(conn)
    }

    /// Keeps what a statement did to values.
    fn keep_findings(&mut self, foreseen: &Foreseen<'_>, place: Place<'_>) {
        let found = foreseen.changes_values.iter().cloned();
        self.state.findings.extend(found.map(|found| found.by(place.kept())));
    }

    /// The place of the innermost savepoint of a name.
    fn savepoint(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(savepoint, _)| savepoint == name)
    }

    /// Goes back to a savepoint, which stays, or to the beginning of a transaction.
    fn undo(&mut self, name: &str) {
        if let Some(place) = self.savepoint(name) {
            self.savepoints.truncate(place + 1);
            self.state = self.savepoints[place].1.clone();
        }
    }

    fn create(&mut self, kind: &'static str, name: &Name, own: &str) {
        self.state.created.push(SchemaObject::new(kind, name.name.clone()));
        match kind {
            "table" => self.state.rows.create(&name.name, own),
            "view" => _ = self.redefined.insert(name.key()),
            "trigger" => {
                self.state.rows.has_new_trigger();
                self.redefined.insert(name.key());
            }
            _ => {}
        }
    }

    fn drop(&mut self, kind: &'static str, name: &Name) {
        let is_it = |object: &SchemaObject| object.kind == kind && same_name(&object.name, &name.name);
        match self.state.created.iter().position(is_it) {
            Some(place) => _ = self.state.created.remove(place),
            None => self.state.dropped.push(SchemaObject::new(kind, name.name.clone())),
        }
        if kind == "table" {
            self.state.rows.drop(&name.key());
        }
    }

    fn rename(&mut self, table: &Name, to: &str) {
        let is_it =
            |object: &&mut SchemaObject| object.kind == "table" && same_name(&object.name, &table.name);
        self.state.created.iter_mut().filter(is_it).for_each(|object| to.clone_into(&mut object.name));
        self.state.rows.rename(table, to);
    }

    /// Ends what a script left on the connection, after a failure outside a transaction.
    pub(super) fn abandon(mut self, conn: &Connection) {
        // The author must see the failure of the script.
        let _ = self.state.temporary.end(conn);
    }

    /// The account of the script, after its last statement.
    pub(super) fn close(mut self, conn: &Connection, mut touched: Touched) -> Result<Execution, Fault> {
        let was_edited = self.schema_edits.end(conn, self.atomicity)?;
        let finish = || -> rusqlite::Result<Execution> {
            self.state.temporary.end(conn)?;
            let columns = std::mem::take(&mut self.state.rows.columns);
            let tables = self.state.rows.close(conn, &mut self.state.findings)?;
            self.state.findings.extend(self.state.temporary.lost_triggers(conn)?);
            self.state.findings.extend(self.state.views.findings(conn)?);
            self.state
                .findings
                .extend(self.state.skipped.iter().filter_map(|skipped| skipped.finding(&tables)));
            // A table that is rebuilt twice loses a column once, and a statement may be repeated for many rows.
            let mut said = BTreeSet::new();
            self.state.findings.retain(|found| said.insert(found.what.clone()));
            let is_replaced = |object: &SchemaObject| {
                object.kind == "table" && tables.iter().any(|table| table.is_replaced(&object.name))
            };
            self.state.created.retain(|object| !is_replaced(object));
            self.state.dropped.retain(|object| !is_replaced(object));
            // What the script drops and creates again is neither new nor gone.
            let again = |object: &SchemaObject, others: &[SchemaObject]| {
                let is_it =
                    |other: &SchemaObject| other.kind == object.kind && same_name(&other.name, &object.name);
                object.kind != "table" && others.iter().any(is_it)
            };
            let dropped = self.state.dropped.clone();
            self.state.dropped.retain(|object| !again(object, &self.state.created));
            self.state.created.retain(|object| !again(object, &dropped));
            for table in tables.iter().filter(|table| table.fate == Fate::Replaced) {
                touched.touch(&table.table, Touch::Replaced);
            }
            self.redefined.iter().for_each(|name| touched.redefine(name));
            self.replaced.iter().for_each(|name| touched.touch(name, Touch::Replaced));
            if was_edited {
                touched.touch_anything();
            }
            let account =
                Account { tables, created: self.state.created, dropped: self.state.dropped, columns };
            Ok(Execution { touched, account, findings: self.state.findings })
        };
        finish().map_err(fault)
    }
}
