//! The same operations with the engine, on a database in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::rows;
use switchy_schema::{
    Checksum, Direction, Migration, MigrationError, MigrationRunner, ProblemKind, Recovery, Signature, State,
    Target, TransactionMode, Verdict,
};

use super::world::{End, Fix, Id, Operation, Outcome, Program, SLOTS, Statement, World, ids};

/// A database, and the number of calls of `step()` until one fails; 0 if none does.
pub(super) struct Database {
    conn: Connection,
    calls: Arc<AtomicU32>,
}

/// Adds the function that scripts call.
fn add_step(conn: &Connection, calls: Arc<AtomicU32>) -> rusqlite::Result<()> {
    conn.create_scalar_function("step", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        let left = calls.load(Ordering::Relaxed);
        calls.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 { Err(rusqlite::Error::UserFunctionError("no".into())) } else { Ok(1) }
    })
}

/// The text of a script. An edit changes it.
fn text(id: Id, direction: Direction, edits: u32) -> String {
    let statement = |statement: Statement| match statement {
        Statement::Create(slot) => format!("CREATE TABLE t{slot} (x /* {edits} */);\n"),
        Statement::Fill(slot) => format!("INSERT INTO t{slot} VALUES (step());\n"),
        Statement::Drop(slot) => format!("DROP TABLE t{slot};\n"),
        Statement::Note(slot, text) => format!("INSERT INTO journal VALUES ('{slot} {text}', step());\n"),
    };
    id.script(direction).into_iter().map(statement).collect()
}

fn runner(program: &Program) -> MigrationRunner {
    let migration = |id: Id| {
        let down = id.is_reversible().then(|| text(id, Direction::Down, 0));
        let up = text(id, Direction::Up, program[&id.slot].edits);
        let migration = Migration::from_scripts(id.name(), up, down);
        if id.is_outside() { migration.outside_transaction() } else { migration }
    };
    let runner = MigrationRunner::new(ids(program).into_iter().map(migration).collect::<Vec<_>>()).unwrap();
    runner.prepare_connection(|conn| Ok(add_step(conn, Arc::default())?))
}

fn target(to: End) -> Target {
    match to {
        End::Latest | End::LatestInBatch => Target::Latest,
        End::Through(id) => Target::Through(id.name().into()),
        End::Before(id) => Target::Before(id.name().into()),
        End::Steps(count) => Target::Steps(count),
        End::Back(count) => Target::Back(count),
        End::BackTo(id) => Target::BackTo(id.name().into()),
        End::Empty => Target::Empty,
        End::Redo => Target::Redo,
        End::Known => Target::Known,
    }
}

fn recovery(fix: Fix) -> Recovery {
    let id = |id: Id| id.name().into();
    match fix {
        Fix::Retry(it) => Recovery::Retry(id(it)),
        Fix::RetryFrom(it, statement) => Recovery::RetryFrom { migration: id(it), statement },
        Fix::MarkDone(it) => Recovery::MarkDone(id(it)),
        Fix::Forget(it) => Recovery::Forget(id(it)),
        Fix::Accept(it) => Recovery::Accept(id(it)),
        Fix::Assume(it) => Recovery::AssumeApplied(id(it)),
        Fix::AssumeRange(from, through) => {
            Recovery::AssumeRangeApplied { from: id(from), through: id(through) }
        }
        Fix::AssumeAll => Recovery::AssumeAllApplied,
        Fix::Baseline(it) => Recovery::Baseline(id(it)),
    }
}

fn mode(to: End) -> TransactionMode {
    if matches!(to, End::LatestInBatch) { TransactionMode::Batch } else { TransactionMode::PerMigration }
}

/// The kinds of the problems that are refused.
fn refused(error: &MigrationError) -> BTreeSet<ProblemKind> {
    let denied = error.problems().iter().filter(|problem| problem.verdict == Verdict::Deny);
    denied.map(|problem| problem.kind).collect()
}

impl Database {
    pub(super) fn new() -> Self {
        let (conn, calls) = (Connection::open_in_memory().unwrap(), Arc::<AtomicU32>::default());
        add_step(&conn, Arc::clone(&calls)).unwrap();
        conn.execute_batch("CREATE TABLE journal (text, step)").unwrap();
        Self { conn, calls }
    }

    pub(super) fn apply(&self, program: &Program, operation: &Operation) -> Outcome {
        let runner = runner(program);
        match *operation {
            Operation::Recover(fix) => {
                let result = runner.recover(&self.conn, recovery(fix), Signature::of("ada"));
                result.map_or_else(
                    |error| Outcome::Refused(error.kind(), refused(&error)),
                    |_| Outcome::Recovered,
                )
            }
            Operation::Migrate(to, calls) => {
                self.calls.store(calls.unwrap_or(0), Ordering::Relaxed);
                let result = runner.transaction(mode(to)).run_to(&self.conn, target(to));
                self.calls.store(0, Ordering::Relaxed);
                let done = |report: &switchy_schema::Report| {
                    report.applied.iter().map(|step| (step.id.to_string(), step.direction)).collect()
                };
                match result {
                    Ok(report) => Outcome::Done(done(&report)),
                    Err(error) if error.kind() == switchy_schema::ErrorKind::Step => {
                        Outcome::Failed(done(error.report()))
                    }
                    Err(error) => Outcome::Refused(error.kind(), refused(&error)),
                }
            }
            _ => Outcome::Edited,
        }
    }

    /// The steps of a plan to a target.
    pub(super) fn steps(&self, program: &Program, to: End) -> Vec<String> {
        let plan = runner(program).transaction(mode(to)).plan(&self.conn, target(to)).unwrap();
        plan.steps().iter().map(ToString::to_string).collect()
    }

    /// The whole database: the schema, and all rows of all tables, also those of the engine.
    pub(super) fn dump(&self) -> Vec<String> {
        let mut dump = rows(&self.conn, "SELECT type, name, sql FROM sqlite_master ORDER BY rowid");
        for table in rows(&self.conn, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
            dump.extend(rows(&self.conn, &format!("SELECT '{table}', rowid, * FROM \"{table}\"")));
        }
        dump
    }

    /// The rows of the application's tables, sorted, as the model has them.
    pub(super) fn content(&self) -> Vec<String> {
        let mut content = rows(&self.conn, "SELECT 'journal ' || text FROM journal");
        for slot in 1..=SLOTS {
            let table = format!("SELECT 'table t{slot}' FROM sqlite_master WHERE name = 't{slot}'");
            let found = rows(&self.conn, &table);
            if !found.is_empty() {
                content.extend(rows(&self.conn, &format!("SELECT 't{slot} row' FROM t{slot}")));
            }
            content.extend(found);
        }
        content.sort();
        content
    }

    /// Compares all that a program can read with the model.
    pub(super) fn compare(&self, world: &World, program: &Program) -> Result<(), String> {
        let runner = runner(program);
        let (history, status) = (runner.history(&self.conn).unwrap(), runner.status(&self.conn).unwrap());
        let records: Vec<_> = history
            .records()
            .iter()
            .map(|record| {
                let dirty = record.dirty.as_ref();
                let dirty = dirty.map(|it| (it.direction, it.statement.unwrap_or(1), it.is_to_resume));
                (record.id.to_string(), record.checksum, dirty)
            })
            .collect();
        let expected: Vec<_> = world
            .records
            .iter()
            .map(|record| {
                let dirty = record.unfinished.map(|it| (it.direction, it.next, it.is_to_resume));
                let text = text(record.id, Direction::Up, record.edits);
                (record.id.name(), Some(Checksum::of(&text)), dirty)
            })
            .collect();
        same("the history", &records, &expected)?;

        let seen: Vec<_> =
            status.entries.iter().map(|entry| (entry.id.to_string(), name(&entry.state))).collect();
        let own = ids(program);
        let unknown = world.records.iter().map(|record| record.id).filter(|id| !own.contains(id));
        let expected: Vec<_> = own
            .iter()
            .copied()
            .chain(unknown)
            .map(|id| {
                let state = match world.record(id) {
                    None => "pending",
                    Some(record) if record.unfinished.is_some() => "dirty",
                    Some(_) if !own.contains(&id) => "unknown",
                    Some(record) if record.edits != program[&id.slot].edits => "changed",
                    Some(_) => "applied",
                };
                (id.name(), state)
            })
            .collect();
        same("the status", &seen, &expected)?;

        for id in own {
            let is_applied = world.record(id).is_some_and(|record| record.unfinished.is_none());
            same(&id.name(), &runner.is_applied(&self.conn, id.name()).unwrap(), &is_applied)?;
        }

        let plan = runner.plan(&self.conn, Target::Latest).unwrap();
        let mut denied: BTreeSet<ProblemKind> =
            plan.problems().iter().filter(|it| it.verdict == Verdict::Deny).map(|it| it.kind).collect();
        // Only a plan tries the scripts, and it is certain of some failures only.
        let fails = denied.remove(&ProblemKind::Fails);
        match world.plan(program, End::Latest) {
            Ok(steps) => {
                let planned: Vec<_> = plan
                    .steps()
                    .iter()
                    .map(|it| (it.id.to_string(), it.direction, it.from.unwrap_or(1)))
                    .collect();
                let steps: Vec<_> =
                    steps.into_iter().map(|(id, direction, from)| (id.name(), direction, from)).collect();
                same("the plan", &planned, &steps)?;
                same("the problems of the plan", &denied, &BTreeSet::new())?;
                let ends = world.clone().would_end(program);
                if fails && ends { Err("the plan says that it fails".to_owned()) } else { Ok(()) }
            }
            Err((_, expected)) => same("the problems of the plan", &denied, &expected),
        }
    }
}

fn name(state: &State) -> &'static str {
    match state {
        State::Applied(_) => "applied",
        State::Pending => "pending",
        State::Changed(_) => "changed",
        State::Dirty(_) => "dirty",
        State::Unknown(_) => "unknown",
        _ => "another",
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what} is {is:?} and not {expected:?}")) }
}
