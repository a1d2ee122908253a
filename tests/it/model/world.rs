//! The model: records, tables and a few rules.

use std::collections::{BTreeMap, BTreeSet};

use switchy_schema::{Direction, ErrorKind, ProblemKind};

/// Migrations have numbers from 1 to this.
pub(super) const SLOTS: u8 = 6;

/// The id of a migration: `3_a`, or `3_b` after it was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) slot: u8,
    pub(super) is_renamed: bool,
}

impl Id {
    pub(super) fn name(self) -> String {
        format!("{}_{}", self.slot, if self.is_renamed { "b" } else { "a" })
    }

    /// Whether its scripts run outside a transaction.
    pub(super) fn is_outside(self) -> bool {
        self.slot == 2 || self.slot == 5
    }

    pub(super) fn is_reversible(self) -> bool {
        self.slot != 4
    }

    /// The statements of a script.
    pub(super) fn script(self, direction: Direction) -> [Statement; 3] {
        let slot = self.slot;
        match direction {
            Direction::Up => [Statement::Create(slot), Statement::Note(slot, "up"), Statement::Fill(slot)],
            Direction::Down => {
                [Statement::Note(slot, "down"), Statement::Drop(slot), Statement::Note(slot, "gone")]
            }
        }
    }
}

/// A statement of a script.
#[derive(Debug, Clone, Copy)]
pub(super) enum Statement {
    /// Creates a table.
    Create(u8),
    /// Adds a row to a table. It calls `step()`.
    Fill(u8),
    Drop(u8),
    /// Adds a row to the table `journal`. It calls `step()`.
    Note(u8, &'static str),
}

/// The migrations of a program, by number.
pub(super) type Program = BTreeMap<u8, Version>;

/// The name and the text of a migration in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Version {
    pub(super) is_renamed: bool,
    /// How often its script was edited.
    pub(super) edits: u32,
}

/// A target.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Latest,
    LatestInBatch,
    Through(Id),
    Before(Id),
    Steps(usize),
    Back(usize),
    BackTo(Id),
    Empty,
    Redo,
    Known,
}

impl End {
    /// Whether a second run has nothing to do.
    pub(super) fn is_fixed(self) -> bool {
        !matches!(self, Self::Steps(_) | Self::Back(_) | Self::Redo)
    }
}

/// A recovery.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fix {
    Retry(Id),
    RetryFrom(Id, u32),
    MarkDone(Id),
    Forget(Id),
    Accept(Id),
    Assume(Id),
    AssumeRange(Id, Id),
    AssumeAll,
    Baseline(Id),
}

/// What a program, a person or a developer does.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Migrates; the call of `step()` with this number fails.
    Migrate(End, Option<u32>),
    Recover(Fix),
    Add(u8),
    Remove(u8),
    Edit(u8),
    Rename(u8),
}

/// A step: a migration, a direction and the statement where it continues.
pub(super) type Step = (Id, Direction, u32);

/// What an operation returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// These were committed.
    Done(Vec<(String, Direction)>),
    /// A step failed after these were committed.
    Failed(Vec<(String, Direction)>),
    Recovered,
    /// Nothing was done; the problems that are refused.
    Refused(ErrorKind, BTreeSet<ProblemKind>),
    /// The set of a program was changed.
    Edited,
}

/// An unfinished step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfinished {
    pub(super) direction: Direction,
    /// The next statement.
    pub(super) next: u32,
    pub(super) is_to_resume: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) id: Id,
    pub(super) edits: u32,
    pub(super) unfinished: Option<Unfinished>,
}

/// The rows of the tables of the application.
#[derive(Debug, Clone, Default)]
struct Data {
    tables: BTreeMap<u8, usize>,
    journal: Vec<String>,
}

impl Data {
    /// Runs a statement, or returns `false` if it fails.
    fn run(&mut self, statement: Statement, calls: &mut Option<u32>) -> bool {
        let mut call = || {
            if let Some(left) = calls {
                *left = left.wrapping_sub(1);
            }
            *calls != Some(0)
        };
        match statement {
            Statement::Create(slot) => {
                !self.tables.contains_key(&slot) && self.tables.insert(slot, 0).is_none()
            }
            Statement::Drop(slot) => self.tables.remove(&slot).is_some(),
            Statement::Fill(slot) => match self.tables.get_mut(&slot) {
                Some(rows) if call() => {
                    *rows += 1;
                    true
                }
                _ => false,
            },
            Statement::Note(slot, text) => {
                let is_fine = call();
                if is_fine {
                    self.journal.push(format!("{slot} {text}"));
                }
                is_fine
            }
        }
    }
}

/// The database and the two programs.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) programs: [Program; 2],
    pub(super) records: Vec<Record>,
    data: Data,
}

impl Default for World {
    fn default() -> Self {
        let set = |slots: &[u8]| slots.iter().map(|&slot| (slot, Version::default())).collect();
        Self {
            programs: [set(&[1, 2, 3, 5]), set(&[1, 2, 3, 4, 5])],
            records: Vec::new(),
            data: Data::default(),
        }
    }
}

pub(super) fn ids(program: &Program) -> Vec<Id> {
    program.iter().map(|(&slot, version)| Id { slot, is_renamed: version.is_renamed }).collect()
}

impl World {
    /// The rows of the application's tables, sorted.
    pub(super) fn content(&self) -> Vec<String> {
        let mut content = Vec::new();
        for (slot, rows) in &self.data.tables {
            content.push(format!("table t{slot}"));
            content.extend(vec![format!("t{slot} row"); *rows]);
        }
        content.extend(self.data.journal.iter().map(|text| format!("journal {text}")));
        content.sort();
        content
    }

    pub(super) fn record(&self, id: Id) -> Option<&Record> {
        self.records.iter().find(|record| record.id == id)
    }

    fn record_mut(&mut self, id: Id) -> &mut Record {
        self.records.iter_mut().find(|record| record.id == id).unwrap()
    }

    fn forget(&mut self, id: Id) {
        self.records.retain(|record| record.id != id);
    }

    pub(super) fn apply(&mut self, program: usize, operation: &Operation) -> Outcome {
        let set = &mut self.programs[program];
        match *operation {
            Operation::Add(slot) => _ = set.entry(slot).or_default(),
            Operation::Remove(slot) => _ = set.remove(&slot),
            Operation::Edit(slot) => set.entry(slot).or_default().edits += 1,
            Operation::Rename(slot) => set.entry(slot).or_default().is_renamed ^= true,
            Operation::Recover(fix) => {
                let program = self.programs[program].clone();
                return match self.recover(&program, fix) {
                    Ok(()) => Outcome::Recovered,
                    Err(kind) => Outcome::Refused(kind, BTreeSet::new()),
                };
            }
            Operation::Migrate(to, calls) => {
                let program = self.programs[program].clone();
                return self.migrate(&program, to, calls);
            }
        }
        Outcome::Edited
    }

    /// The steps to a target, or why it is refused.
    pub(super) fn plan(
        &self,
        program: &Program,
        to: End,
    ) -> Result<Vec<Step>, (ErrorKind, BTreeSet<ProblemKind>)> {
        let ids = ids(program);
        let named = match to {
            End::Through(id) | End::Before(id) | End::BackTo(id) => Some(id),
            _ => None,
        };
        if named.is_some_and(|id| !ids.contains(&id)) {
            return Err((ErrorKind::UnknownMigration, BTreeSet::new()));
        }
        let is_known = |record: &&Record| ids.contains(&record.id);
        let resumes = |record: &Record, direction| {
            record.unfinished.filter(|it| it.is_to_resume && it.direction == direction).map(|it| it.next)
        };
        let mut found = BTreeSet::new();
        let mut steps: Vec<Step> = Vec::new();
        let from =
            |id: Id, direction| self.record(id).and_then(|record| resumes(record, direction)).unwrap_or(1);
        let is_up =
            matches!(to, End::Latest | End::LatestInBatch | End::Through(_) | End::Before(_) | End::Steps(_));
        // The records that the plan is about.
        let mut selected: Vec<&Record> = self.records.iter().rev().collect();
        match to {
            End::Back(count) => selected.truncate(count),
            End::Redo => selected.truncate(1),
            End::BackTo(id) => {
                let place = self.records.iter().position(|record| record.id == id);
                selected.truncate(place.map_or(0, |place| self.records.len() - place - 1));
            }
            End::Known => selected.retain(|record| !is_known(record)),
            _ => {}
        }
        if is_up {
            let is_pending =
                |id: &&Id| self.record(**id).is_none_or(|record| resumes(record, Direction::Up).is_some());
            let is_before = |id: &&Id| match to {
                End::Through(last) => **id <= last,
                End::Before(last) => **id < last,
                _ => true,
            };
            let count = if let End::Steps(count) = to { count } else { usize::MAX };
            let pending = ids.iter().filter(is_before).filter(is_pending).take(count);
            steps.extend(pending.map(|&id| (id, Direction::Up, from(id, Direction::Up))));
        } else {
            for record in &selected {
                let id = record.id;
                if !is_known(record) && !matches!(to, End::Known) {
                    continue;
                }
                steps.push((id, Direction::Down, from(id, Direction::Down)));
                if matches!(to, End::Redo) {
                    steps.push((id, Direction::Up, from(id, Direction::Up)));
                }
                if !id.is_reversible() {
                    found.insert(ProblemKind::Irreversible);
                }
            }
        }
        if !matches!(to, End::Known) {
            if selected.iter().any(|record| !is_known(record)) {
                found.insert(ProblemKind::DatabaseAhead);
            }
            // A step that failed is corrected in its script.
            let is_corrected = |record: &Record| {
                record.unfinished.is_some_and(|it| it.direction == Direction::Up && !it.is_to_resume)
            };
            let is_changed = |record: &&Record| {
                !is_corrected(record)
                    && program.get(&record.id.slot).is_some_and(|it| it.edits != record.edits)
            };
            if selected.iter().filter(|record| is_known(record)).any(is_changed) {
                found.insert(ProblemKind::Changed);
            }
        }
        // A step continues only as the first thing that is done to its migration.
        let continues = |record: &Record| {
            let first = steps.iter().find(|(id, ..)| *id == record.id);
            first.is_some_and(|(_, direction, _)| resumes(record, *direction).is_some())
        };
        if self.records.iter().any(|record| record.unfinished.is_some() && !continues(record)) {
            found.insert(ProblemKind::Dirty);
        }
        if matches!(to, End::LatestInBatch) && steps.iter().any(|(id, ..)| id.is_outside()) {
            found.insert(ProblemKind::NotInBatch);
        }
        if !found.is_empty() {
            return Err((ErrorKind::Refused, found));
        }
        // Stored scripts first run on a copy of the schema.
        if matches!(to, End::Known) && self.clone().carry_out(program, &steps, &mut None).1.is_some() {
            return Err((ErrorKind::Refused, BTreeSet::from([ProblemKind::Untrusted])));
        }
        Ok(steps)
    }

    fn migrate(&mut self, program: &Program, to: End, mut calls: Option<u32>) -> Outcome {
        let steps = match self.plan(program, to) {
            Ok(steps) => steps,
            Err((kind, found)) => return Outcome::Refused(kind, found),
        };
        let is_atomic = steps.iter().all(|(id, ..)| !id.is_outside());
        let is_one = matches!(to, End::LatestInBatch) || (matches!(to, End::Redo) && is_atomic);
        let before = self.clone();
        let (done, failed) = self.carry_out(program, &steps, &mut calls);
        match failed {
            None => Outcome::Done(done),
            Some(_) if is_one => {
                *self = before;
                Outcome::Failed(Vec::new())
            }
            Some(_) => Outcome::Failed(done),
        }
    }

    /// Whether a run of what is pending ends, if no call of `step()` fails.
    pub(super) fn would_end(mut self, program: &Program) -> bool {
        matches!(self.migrate(program, End::Latest, None), Outcome::Done(_))
    }

    /// Carries out steps until one fails. Returns those that were done, and the one that failed.
    fn carry_out(
        &mut self,
        program: &Program,
        steps: &[Step],
        calls: &mut Option<u32>,
    ) -> (Vec<(String, Direction)>, Option<Id>) {
        let mut done = Vec::new();
        for &(id, direction, from) in steps {
            let before = self.clone();
            let edits = program.get(&id.slot).map_or(0, |version| version.edits);
            if direction == Direction::Up && self.record(id).is_none() {
                self.records.push(Record { id, edits, unfinished: None });
            }
            let statements = (1..).zip(id.script(direction)).skip(from as usize - 1);
            let stopped = { statements }.find(|(_, statement)| !self.data.run(*statement, calls));
            match stopped {
                Some(_) if !id.is_outside() => *self = before,
                // Nothing was done.
                Some((next, _)) if next == from => *self = before,
                Some((next, _)) => {
                    self.record_mut(id).unfinished =
                        Some(Unfinished { direction, next, is_to_resume: false });
                }
                None if direction == Direction::Up => self.record_mut(id).unfinished = None,
                None => self.forget(id),
            }
            if stopped.is_some() {
                return (done, Some(id));
            }
            done.push((id.name(), direction));
        }
        (done, None)
    }

    fn recover(&mut self, program: &Program, fix: Fix) -> Result<(), ErrorKind> {
        let ids = ids(program);
        let place = |id: Id| ids.iter().position(|other| *other == id);
        let record = |id: Id| self.record(id).copied();
        // An id that nobody knows is an error of its own.
        let known = |id: Id| match (place(id), record(id)) {
            (None, None) => Err(ErrorKind::UnknownMigration),
            _ => Ok(()),
        };
        let refused = Err(ErrorKind::Recovery);
        match fix {
            Fix::Retry(id) | Fix::RetryFrom(id, _) | Fix::MarkDone(id) => {
                known(id)?;
                let Some(unfinished) = record(id).and_then(|record| record.unfinished) else {
                    return refused;
                };
                let next = match fix {
                    Fix::MarkDone(_) => match unfinished.direction {
                        Direction::Up => {
                            self.record_mut(id).unfinished = None;
                            return Ok(());
                        }
                        Direction::Down => {
                            self.forget(id);
                            return Ok(());
                        }
                    },
                    Fix::RetryFrom(_, statement) if !(1..=4).contains(&statement) => return refused,
                    Fix::RetryFrom(_, statement) => statement,
                    _ if unfinished.is_to_resume => return refused,
                    _ => unfinished.next,
                };
                if unfinished.direction == Direction::Up && next == 1 {
                    self.forget(id);
                    return Ok(());
                }
                let edits = program
                    .get(&id.slot)
                    .filter(|_| place(id).is_some() && matches!(fix, Fix::RetryFrom(..)));
                let edits = edits.map(|version| version.edits);
                let record = self.record_mut(id);
                record.unfinished = Some(Unfinished { next, is_to_resume: true, ..unfinished });
                record.edits = edits.unwrap_or(record.edits);
                Ok(())
            }
            Fix::Forget(id) => {
                known(id)?;
                record(id).ok_or(ErrorKind::Recovery)?;
                self.forget(id);
                Ok(())
            }
            Fix::Accept(id) => {
                known(id)?;
                let record = record(id).filter(|record| record.unfinished.is_none() && place(id).is_some());
                let edits = program.get(&id.slot).map_or(0, |version| version.edits);
                let record = record.filter(|record| record.edits != edits).ok_or(ErrorKind::Recovery)?;
                self.record_mut(record.id).edits = edits;
                Ok(())
            }
            Fix::Assume(id) | Fix::Baseline(id) => {
                known(id)?;
                let place = place(id).ok_or(ErrorKind::Recovery)?;
                let is_baseline = matches!(fix, Fix::Baseline(_));
                if is_baseline && !self.records.is_empty() {
                    return refused;
                }
                self.assume(program, &ids[if is_baseline { 0 } else { place }..=place])
            }
            Fix::AssumeRange(from, through) => {
                known(from)?;
                let first = place(from).ok_or(ErrorKind::Recovery)?;
                known(through)?;
                let last = place(through).ok_or(ErrorKind::Recovery)?;
                if first > last { refused } else { self.assume(program, &ids[first..=last]) }
            }
            Fix::AssumeAll => self.assume(program, &ids),
        }
    }

    /// Records what is pending among these.
    fn assume(&mut self, program: &Program, ids: &[Id]) -> Result<(), ErrorKind> {
        let pending: Vec<Id> = ids.iter().copied().filter(|id| self.record(*id).is_none()).collect();
        let is_unfinished = |id: &Id| self.record(*id).is_some_and(|record| record.unfinished.is_some());
        if ids.iter().any(is_unfinished) || pending.is_empty() {
            return Err(ErrorKind::Recovery);
        }
        let record = |id: Id| Record { id, edits: program[&id.slot].edits, unfinished: None };
        self.records.extend(pending.into_iter().map(record));
        Ok(())
    }
}
