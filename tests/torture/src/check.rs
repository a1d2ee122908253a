//! The checker: what the log says must be true in the database.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OpenFlags};
use switchy_schema::{Direction, History, MigrationRunner};

use crate::job::Job;
use crate::log::{Facts, Log};
use crate::migrator::{Chance, connect, mend, runner, say, set_aside};
use crate::set::{Program, Step, steps};

/// A row of the application: its revision and its text.
type Rows = BTreeMap<i64, (i64, String)>;

/// The ledger: the stamps of each statement of each script, such as `up 03_code`.
type Ledger = BTreeMap<(String, u32), BTreeSet<i64>>;

/// What a file contains.
#[derive(Default)]
struct Content {
    rows: Rows,
    ledger: Ledger,
}

/// What was found, and how much was looked at.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) rows: usize,
    /// The steps that did not finish, and have a record that says so.
    pub(crate) unfinished: usize,
    pub(crate) violations: Vec<String>,
}

impl Findings {
    fn assert(&mut self, is_so: bool, violation: impl FnOnce() -> String) {
        if !is_so {
            self.violations.push(violation());
        }
    }
}

/// Compares the database with the log, when no process uses it.
pub(crate) fn check(job: &Job, facts: &mut Facts) -> rusqlite::Result<Findings> {
    facts.read(&job.log());
    let mut found = Findings::default();
    found.violations.extend(facts.unexpected.drain(..).map(|error| format!("an unexpected error: {error}")));
    let conn = Connection::open(&job.database)?;
    for pragma in ["integrity_check", "foreign_key_check"] {
        let sound: Vec<String> = texts(&conn, &format!("SELECT * FROM pragma_{pragma}"))?;
        found.assert(sound.is_empty() || sound == ["ok"], || format!("{pragma}: {sound:?}"));
    }
    let history = MigrationRunner::new([]).and_then(|runner| runner.history(&conn));
    let history = match history {
        Ok(history) => history,
        Err(error) => {
            found.violations.push(format!("the history cannot be read: {error}"));
            return Ok(found);
        }
    };
    let now = Content::of(&conn)?;
    let mut kept: Vec<Content> = Vec::new();
    for path in set_aside(&job.database) {
        kept.push(Content::of(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?);
    }
    check_rows(facts, &now, &kept, &mut found);
    check_steps(facts, &conn, &history, &now, &kept, &mut found)?;
    Ok(found)
}

impl Content {
    fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let mut content = Self::default();
        // Nothing is there before the first migration.
        if texts(conn, "SELECT name FROM sqlite_master WHERE name = 'ledger'")?.is_empty() {
            return Ok(content);
        }
        let mut query = conn.prepare("SELECT id, rev, body FROM notes")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        content.rows = rows.collect::<Result<_, _>>()?;
        let mut query = conn.prepare("SELECT direction || ' ' || migration, statement, stamp FROM ledger")?;
        let mut entries = query.query([])?;
        while let Some(entry) = entries.next()? {
            let place = content.ledger.entry((entry.get(0)?, entry.get(1)?));
            place.or_default().insert(entry.get(2)?);
        }
        Ok(content)
    }
}

/// No acknowledged row is lost, and none comes back.
fn check_rows(facts: &Facts, now: &Content, kept: &[Content], found: &mut Findings) {
    for (id, fact) in &facts.rows {
        found.rows += 1;
        let versions = now.rows.get(id).into_iter().chain(kept.iter().filter_map(|file| file.rows.get(id)));
        let newest = versions.map(|(revision, _)| *revision).max();
        if fact.is_inserted && !fact.may_be_deleted {
            found.assert(newest.is_some(), || format!("row {id} was acknowledged and is missing"));
        }
        if let Some(newest) = newest {
            let (from, to) = (fact.revision, fact.begun_revision);
            found.assert(fact.may_be_deleted || (from..=to).contains(&newest), || {
                format!("row {id} has revision {newest}, and {from} was acknowledged, {to} was begun")
            });
        }
        // A restore brings back what was deleted after the snapshot.
        let is_back = fact.is_deleted && now.rows.contains_key(id);
        found.assert(!is_back || !kept.is_empty(), || format!("row {id} was deleted and is back"));
    }
    for (id, (_, body)) in &now.rows {
        found.assert(facts.rows.contains_key(id), || format!("row {id} was never inserted"));
        let is_whole = body.split('+').next() == Some(&format!("note {id}"));
        found.assert(is_whole, || format!("row {id} has the text {body:?}"));
    }
}

/// Each migration is there exactly if its record says so, and each script ran at least as often as it was acknowledged.
fn check_steps(
    facts: &Facts,
    conn: &Connection,
    history: &History,
    now: &Content,
    kept: &[Content],
    found: &mut Findings,
) -> rusqlite::Result<()> {
    for step in steps() {
        let record = history.get(&step.id.into());
        let dirty = record.and_then(|record| record.dirty.as_ref());
        let id = step.id;
        let said = match (record, dirty) {
            (None, _) => "not recorded".to_owned(),
            (_, None) => "recorded".to_owned(),
            (_, Some(dirty)) => format!("recorded as dirty, {} {:?}", dirty.direction, dirty.statement),
        };
        found.unfinished += usize::from(dirty.is_some());
        found.assert(dirty.is_none() || !step.is_atomic(), || format!("{id} is atomic and {said}"));
        for effect in &step.effects {
            let count: i64 = conn.query_row(&effect.query, [], |row| row.get(0))?;
            let due = i64::from(effect.is_due(record));
            found.assert(count == due, || {
                format!("{id} is {said}, and {count} is the result of {}", effect.query)
            });
        }
        for mark in &step.marks {
            let most = usize::from(mark.is_due(record));
            for (row, (_, body)) in &now.rows {
                let times = body.split('+').skip(1).filter(|mark_of| **mark_of == mark.text[1..]).count();
                found
                    .assert(times <= most, || format!("{id} is {said}, and row {row} has the text {body:?}"));
            }
        }
        check_ledger(
            &step,
            record.is_some(),
            dirty.map(|dirty| (dirty.direction, dirty.statement.unwrap_or(1))),
            &said,
            now,
            found,
        );
        check_acknowledged(facts, &step, now, kept, found);
    }
    Ok(())
}

/// Each statement ran once more in the one direction than in the other, or equally often.
fn check_ledger(
    step: &Step,
    is_recorded: bool,
    dirty: Option<(Direction, u32)>,
    said: &str,
    now: &Content,
    found: &mut Findings,
) {
    let times = |direction: Direction, number| {
        now.ledger.get(&(format!("{direction} {}", step.id), number)).map_or(0, BTreeSet::len)
    };
    let [ups, downs] = [Direction::Up, Direction::Down].map(|direction| {
        let numbers = step.ledger(direction).into_iter();
        // The runs that were complete, as each statement that ran counts them.
        let complete = numbers.map(|number| {
            let is_ahead = dirty.is_some_and(|(dirty, next)| dirty == direction && number < next);
            times(direction, number).checked_sub(usize::from(is_ahead))
        });
        complete.collect::<BTreeSet<_>>()
    });
    let id = step.id;
    let (Some(up), down) = (single(&ups), single(&downs).or(downs.is_empty().then_some(0))) else {
        found.violations.push(format!("{id} is {said}, and its statements ran {ups:?} times"));
        return;
    };
    let Some(down) = down else {
        found
            .violations
            .push(format!("{id} is {said}, and the statements of its down script ran {downs:?} times"));
        return;
    };
    let is_up = is_recorded && dirty.is_none_or(|(direction, _)| direction == Direction::Down);
    found.assert(up == down + usize::from(is_up), || {
        format!("{id} is {said}, and was applied {up} times and undone {down} times")
    });
}

/// The one value on which all agree.
fn single(values: &BTreeSet<Option<usize>>) -> Option<usize> {
    if values.len() == 1 { values.first().copied().flatten() } else { None }
}

/// What was acknowledged has run, and nothing ran that was not begun.
fn check_acknowledged(facts: &Facts, step: &Step, now: &Content, kept: &[Content], found: &mut Findings) {
    for direction in [Direction::Up, Direction::Down] {
        let Some(number) = step.ledger(direction).pop() else { continue };
        let place = (format!("{direction} {}", step.id), number);
        let files = std::iter::once(now).chain(kept).filter_map(|file| file.ledger.get(&place));
        let ran = files.flatten().collect::<BTreeSet<_>>().len();
        let name = &place.0;
        let (begun, done) = facts.steps.get(name).map_or((0, 0), |count| (count.begun, count.done));
        found.assert((done..=begun).contains(&ran), || {
            format!("{name} was acknowledged {done} times, begun {begun} times, and ran {ran} times")
        });
    }
}

fn texts(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    conn.prepare(sql)?.query_map([], |row| row.get::<_, String>(0))?.collect()
}

/// Finishes what the processes left, as a person with the documentation would, and checks that it ends as an undisturbed run.
pub(crate) fn settle(job: &Job, facts: &mut Facts) -> rusqlite::Result<Findings> {
    let conn = connect(job, Chance::None)?;
    let (log, runner) = (Log::open(&job.log()), runner(job, Program::New));
    // At most one step was being undone; after it everything is applied.
    let mut last = mend(&runner, &conn);
    say(&log, Program::New, &last);
    for _ in 0..2 {
        last = runner.run(&conn);
        say(&log, Program::New, &last);
    }
    let mut found = check(job, facts)?;
    match last {
        Ok(report) if report.is_up_to_date() => {}
        Ok(report) => found.violations.push(format!("the last run did something: {report}")),
        Err(error) => found.violations.push(format!("the last run failed: {error}")),
    }
    Ok(found)
}
