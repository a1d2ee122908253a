//! Crashes on servers: programs and servers are killed at many moments, and the records are then compared with the state of the database.
//!
//! Each statement of these migrations leaves a trace that can be counted, so the tests know which statements ran, and how often.

mod cluster;
mod crowd;
#[cfg(unix)]
mod cuts;
mod kills;
mod mysql;
mod pooler;
mod postgres;
mod program;
mod server_kind;
mod statements;

use switchy_schema::{Direction, Lock, Migration, MigrationRunner, ProblemKind, Record, Recovery, Signature};

use program::Program;
use server_kind::Kind;

/// A statement, and the trace that it leaves; empty for one that changes only the session.
#[derive(Debug, Clone)]
struct Statement {
    sql: String,
    trace: String,
}

impl Statement {
    /// Reads `CREATE TABLE a (b int) => table a`, or `row 3` for a statement that adds that row to the table `trace`.
    fn of<B: Kind>(line: &str) -> Self {
        match (line.strip_prefix("row "), line.split_once("=>")) {
            (Some(number), _) => Self { sql: B::insertion(number), trace: line.to_owned() },
            (_, Some((sql, trace))) => Self { sql: sql.trim().to_owned(), trace: trace.trim().to_owned() },
            (_, None) => Self { sql: line.to_owned(), trace: String::new() },
        }
    }

    /// How often the statement ran, according to the content of the database; `None` if it leaves no trace.
    fn times(&self, picture: &[String]) -> Option<usize> {
        let count = |trace: &str| picture.iter().filter(|line| *line == trace).count();
        match self.trace.strip_prefix("no ") {
            _ if self.trace.is_empty() => None,
            Some(gone) => Some(usize::from(count(gone) == 0)),
            None => Some(count(&self.trace)),
        }
    }
}

/// A migration whose statements leave traces.
#[derive(Debug, Clone)]
struct Script {
    id: &'static str,
    is_outside: bool,
    up: Vec<Statement>,
    down: Vec<Statement>,
}

impl Script {
    fn atomic<B: Kind>(id: &'static str, up: &[&str], down: &[&str]) -> Self {
        let [up, down] = [up, down].map(|lines| lines.iter().map(|line| Statement::of::<B>(line)).collect());
        Self { id, is_outside: false, up, down }
    }

    fn outside<B: Kind>(id: &'static str, up: &[&str], down: &[&str]) -> Self {
        Self { is_outside: true, ..Self::atomic::<B>(id, up, down) }
    }

    fn statements(&self, direction: Direction) -> &[Statement] {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn text(&self, direction: Direction) -> String {
        let lines: Vec<&str> = self.statements(direction).iter().map(|statement| &*statement.sql).collect();
        lines.join(";\n")
    }

    /// Checks that the record matches the content of the database, during a run in this direction.
    fn check(&self, record: Option<&Record>, direction: Direction, picture: &[String], context: &str) {
        let dirty = record.and_then(|record| record.dirty.as_ref());
        let is_done = record.is_some() == (direction == Direction::Up);
        let context = format!("{context}: {}, {dirty:?}", self.id);
        assert!(dirty.is_none_or(|dirty| dirty.direction == direction), "{context}");
        let is_locked = |number: u32, reached: u32| {
            let mut from = self.statements(direction).iter().skip(reached as usize - 1);
            from.next().is_some_and(|first| first.sql.starts_with("LOCK TABLES"))
                && from.take((number - reached) as usize).all(|statement| statement.sql != "UNLOCK TABLES")
        };
        for (number, statement) in (1..).zip(self.statements(direction)) {
            let Some(times) = statement.times(picture) else { continue };
            let expected = match dirty {
                None => [usize::from(is_done); 2],
                Some(dirty) => match dirty.statement.unwrap_or(1) {
                    reached if number < reached => [1, 1],
                    // The statement began, and its outcome is unknown.
                    reached if dirty.mark.is_some() && (number == reached || is_locked(number, reached)) => {
                        [0, 1]
                    }
                    _ => [0, 0],
                },
            };
            let is_so = expected.contains(&times);
            assert!(is_so, "{context}: statement {number}, {statement:?} {times} times, in {picture:#?}");
        }
    }
}

/// A runner for these migrations.
fn runner<B: Kind>(set: &[Script], lock: Lock) -> MigrationRunner<B> {
    let migration = |script: &Script| {
        let [up, down] = [Direction::Up, Direction::Down].map(|direction| script.text(direction));
        let migration = Migration::from_scripts(script.id, up, Some(down));
        if script.is_outside { migration.outside_transaction() } else { migration }
    };
    MigrationRunner::for_backend(set.iter().map(migration).collect::<Vec<_>>()).unwrap().lock(lock)
}

/// Applies or undoes all migrations, and returns the number of steps.
fn go<B: Kind>(
    it: &MigrationRunner<B>,
    client: &mut B::Client,
    direction: Direction,
) -> switchy_schema::Result<usize> {
    let report = match direction {
        Direction::Up => it.run(B::conn(client)),
        Direction::Down => it.rollback(B::conn(client), usize::MAX),
    };
    report.map(|report| report.applied.len())
}

/// Compares the records with the content of the database, and returns the unfinished record.
fn check<B: Kind>(
    set: &[Script],
    client: &mut B::Client,
    direction: Direction,
    context: &str,
) -> Option<Record> {
    let picture = B::picture(client);
    let history = runner::<B>(set, Lock::default()).history(B::conn(client)).unwrap();
    for script in set {
        script.check(history.get(&script.id.into()), direction, &picture, context);
    }
    let mut unfinished = history.records().iter().filter(|record| record.dirty.is_some());
    let first = unfinished.next().cloned();
    assert!(unfinished.next().is_none(), "{context}");
    first
}

/// Continues after a crash, following the remedies as a person would. Returns the unfinished record, and why a retry was refused.
fn finish<B: Kind>(
    set: &[Script],
    client: &mut B::Client,
    direction: Direction,
    by_hand: &str,
    context: &str,
) -> (Option<Record>, String) {
    let it = runner::<B>(set, Lock::default());
    let unfinished = check::<B>(set, client, direction, context);
    let mut told = String::new();
    if let Some(record) = &unfinished {
        let error = go(&it, client, direction).unwrap_err();
        let problem = &error.problems()[0];
        assert_eq!(problem.kind, ProblemKind::Dirty, "{context}");
        assert_eq!(problem.migration, record.id, "{context}");
        assert_eq!(check::<B>(set, client, direction, context).as_ref(), Some(record), "{context}");
        told = retry(&it, client, record, by_hand, context);
    }
    go(&it, client, direction).unwrap_or_else(|error| panic!("{context}, {unfinished:?}: {error:#}"));
    assert_eq!(check::<B>(set, client, direction, context), None);
    assert_eq!(go(&it, client, direction).unwrap(), 0, "{context}");
    (unfinished, told)
}

/// Retries an unfinished step. If this is refused, follows the remedy in the message, or otherwise the instructions in `by_hand`, such as
/// `DELETE FROM trace; from 2`. Returns the message.
fn retry<B: Kind>(
    it: &MigrationRunner<B>,
    client: &mut B::Client,
    record: &Record,
    by_hand: &str,
    context: &str,
) -> String {
    let recover = |client: &mut B::Client, recovery| {
        it.recover(B::conn(client), recovery, Signature::of("ada")).map_err(|error| error.to_string())
    };
    let migration = record.id.clone();
    let Err(told) = recover(client, Recovery::Retry(migration.clone())) else { return String::new() };
    let remedied = if let Some((_, remedy)) = told.split_once(", with ") {
        B::run(client, remedy.split_once(", and ").unwrap().0);
        recover(client, Recovery::Retry(migration))
    } else {
        let (sql, statement) = by_hand.rsplit_once("from ").unwrap_or_else(|| panic!("{context}: {told}"));
        sql.split(';').filter(|sql| !sql.trim().is_empty()).for_each(|sql| B::run(client, sql));
        recover(client, Recovery::RetryFrom { migration, statement: statement.parse().unwrap() })
    };
    remedied.unwrap_or_else(|error| panic!("{context}: {error}"));
    told
}

/// Checks that the message of a program is true, if it printed one before it was killed.
fn check_said<B: Kind>(said: &str, client: &mut B::Client, direction: Direction, context: &str) {
    // A message that the tracking table cannot be read or created is always true.
    if said.is_empty() || said.starts_with("cannot ") {
        return;
    }
    let id = said.split('`').nth(1).unwrap_or_else(|| panic!("{context}: {said}"));
    let history = runner::<B>(&[], Lock::default()).history(B::conn(client)).unwrap();
    let record = history.get(&id.into());
    let is_dirty = record.is_some_and(|record| record.dirty.is_some());
    let is_as_before = !is_dirty && record.is_none() == (direction == Direction::Up);
    let is_so = if said.contains("nothing of it was kept") {
        is_as_before
    } else {
        said.contains("whether that was done is not known")
            || (said.contains("it is marked dirty") && is_dirty)
    };
    assert!(is_so, "{context}: {record:?} and {said}");
}
