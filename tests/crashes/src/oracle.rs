//! [`Oracle`]: which contents a database may have with which history, from a run that nothing disturbs.

use std::collections::{BTreeMap, HashMap};

use switchy_schema::rusqlite::types::ValueRef;
use switchy_schema::rusqlite::{self, Connection};
use switchy_schema::{Direction, Dirty, History};

use crate::library::SCRIPTS;
use crate::workload::{self, Program, Workload, applied};

/// The schema and the rows of the user, as text.
pub(crate) type Content = String;

/// What must be true after an interruption of a workload.
pub struct Oracle {
    /// The contents that the database may have with these migrations applied.
    complete: BTreeMap<Vec<String>, Vec<Content>>,
    /// The contents after each statement of a step outside a transaction, for each content before it.
    partial: HashMap<(&'static str, Direction), Vec<Vec<Content>>>,
    /// The migrations that are applied before and after the workload.
    start: Vec<String>,
    end: Vec<String>,
    end_content: Content,
}

impl Oracle {
    /// Runs a workload undisturbed.
    ///
    /// # Panics
    /// If it fails.
    pub fn of(workload: &Workload) -> Self {
        let mut oracle = Self {
            complete: BTreeMap::new(),
            partial: HashMap::new(),
            start: Vec::new(),
            end: Vec::new(),
            end_content: String::new(),
        };
        // A step outside a transaction may be dirty from the beginning, so its statements are looked at in a run from before it.
        if workload.program != Program::Legacy {
            for whole in &workload::up_and_down() {
                oracle.walk(whole);
            }
            oracle.complete.clear();
        }
        oracle.walk(workload);
        oracle
    }

    /// Runs a workload undisturbed, and keeps what the database has before and after each step.
    fn walk(&mut self, workload: &Workload) {
        let conn = Connection::open_in_memory().expect("a database in memory");
        (workload.prepare)(&conn);
        let runner = workload.program.runner();
        let history = || applied(&runner.history(&conn).expect("a history"));
        self.start = history();
        for verb in workload.verbs {
            let mut observe = || {
                let ids = history();
                let found = content(&conn).expect("content");
                for scripts in SCRIPTS.iter().filter(|scripts| scripts.is_outside) {
                    if ids.iter().any(|id| id == scripts.id) {
                        self.add_partial((scripts.id, Direction::Down), &conn, scripts.down);
                    } else {
                        self.add_partial((scripts.id, Direction::Up), &conn, scripts.up);
                    }
                }
                let contents = self.complete.entry(ids).or_default();
                if !contents.contains(&found) {
                    contents.push(found);
                }
            };
            verb.act_slowly(workload.program, &conn, &mut observe).expect("nothing disturbs it");
        }
        self.end = history();
        self.end_content = content(&conn).expect("content");
    }

    /// Adds the contents after each statement of a script, if it runs on this database.
    fn add_partial(&mut self, step: (&'static str, Direction), conn: &Connection, statements: &[&str]) {
        let mut copy = Connection::open_in_memory().expect("a database in memory");
        let backup = rusqlite::backup::Backup::new(conn, &mut copy).expect("a backup");
        backup.step(-1).expect("a copy");
        drop(backup);
        copy.execute_batch("PRAGMA foreign_keys = OFF").expect("a setting");
        let mut contents = vec![content(&copy).expect("content")];
        for statement in statements {
            if copy.execute_batch(statement).is_err() {
                return;
            }
            contents.push(content(&copy).expect("content"));
        }
        let known = self.partial.entry(step).or_default();
        if !known.contains(&contents) {
            known.push(contents);
        }
    }

    /// Whether a database has what its history says.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(
        &self,
        workload: &Workload,
        conn: &Connection,
        history: &History,
    ) -> Result<(), String> {
        let found = content(conn).map_err(|error| format!("the database cannot be read: {error}"))?;
        let ids = applied(history);
        let dirty = history.records().iter().find_map(|record| Some((&record.id, record.dirty.as_ref()?)));
        let Some((id, dirty)) = dirty else {
            let Some(allowed) = self.complete.get(&ids) else {
                return Err(format!("the history is {ids:?}"));
            };
            if workload.is_one_transaction() && ids != self.start && ids != self.end {
                return Err(format!("the batch was committed in part: {ids:?}"));
            }
            return same(allowed.iter(), &found, &format!("with the history {ids:?}"));
        };
        let runs =
            self.partial.iter().filter(|((of, direction), _)| id == *of && *direction == dirty.direction);
        let allowed = runs.flat_map(|(_, runs)| runs).flat_map(|run| reached(run, dirty));
        same(allowed, &found, &format!("with `{id}` dirty: {dirty:?}"))
    }

    /// The statement with which a person continues an interrupted step after a look at the database.
    pub(crate) fn continues_at(&self, conn: &Connection, id: &str, dirty: &Dirty) -> Option<u32> {
        let found = content(conn).ok()?;
        let runs =
            self.partial.iter().filter(|((of, direction), _)| id == *of && *direction == dirty.direction);
        let done = runs.flat_map(|(_, runs)| runs).find_map(|run| {
            let first = done(dirty);
            (first..=first + 1).find(|done| run.get(*done) == Some(&found))
        });
        u32::try_from(done? + 1).ok()
    }

    /// Whether a database has what the workload leads to.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check_end(&self, conn: &Connection, history: &History) -> Result<(), String> {
        let ids = applied(history);
        if ids != self.end {
            return Err(format!("at the end the history is {ids:?} and not {:?}", self.end));
        }
        if let Some(record) = history.records().iter().find(|record| record.dirty.is_some()) {
            return Err(format!("at the end `{}` is dirty", record.id));
        }
        let found = content(conn).map_err(|error| format!("the database cannot be read: {error}"))?;
        same([&self.end_content].into_iter(), &found, "at the end")
    }

    /// The steps between the start and a history, if nothing is undone and done again.
    pub(crate) fn steps_to(&self, history: &[String]) -> usize {
        self.start.len().abs_diff(history.len())
    }
}

/// How many statements are done for certain.
fn done(dirty: &Dirty) -> usize {
    dirty.statement.map_or(0, |statement| statement as usize - 1)
}

/// The contents of a run that a dirty record allows. With a mark, its statement may be done.
fn reached<'r>(run: &'r [Content], dirty: &Dirty) -> impl Iterator<Item = &'r Content> {
    let first = done(dirty);
    run.iter().skip(first).take(if dirty.mark.is_some() { 2 } else { 1 })
}

fn same<'c>(allowed: impl Iterator<Item = &'c Content>, found: &str, when: &str) -> Result<(), String> {
    let mut nearest: Option<(usize, String)> = None;
    for allowed in allowed {
        if allowed == found {
            return Ok(());
        }
        let lines = difference(allowed, found);
        if nearest.as_ref().is_none_or(|(count, _)| lines.len() < *count) {
            nearest = Some((lines.len(), lines.into_iter().take(4).collect::<Vec<_>>().join("\n")));
        }
    }
    let (count, lines) = nearest.unwrap_or_default();
    Err(format!("{when}, the content is not what it must be, in {count} lines:\n{lines}"))
}

fn difference(expected: &str, found: &str) -> Vec<String> {
    let lines = |sign: char, of: &str, other: &str| -> Vec<String> {
        let other: std::collections::BTreeSet<&str> = other.lines().collect();
        of.lines().filter(|line| !other.contains(line)).map(|line| format!("    {sign} {line}")).collect()
    };
    [lines('-', expected, found), lines('+', found, expected)].concat()
}

/// The schema and the rows of a database except those of the engine.
fn content(conn: &Connection) -> rusqlite::Result<Content> {
    let mut text = String::new();
    let mut tables = Vec::new();
    let mut statement = conn.prepare(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE '\\_\\_switchy%' ESCAPE '\\' ORDER BY type, name",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, sql): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        text.extend([&*kind, " ", &*name, ": ", &*sql.unwrap_or_default(), "\n"]);
        if kind == "table" {
            tables.push(name);
        }
    }
    for table in tables {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY rowid"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            text.push_str(&table);
            for column in 0..columns {
                text.push('|');
                match row.get_ref(column)? {
                    ValueRef::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                    ValueRef::Integer(number) => text.push_str(&number.to_string()),
                    ValueRef::Null => text.push_str("NULL"),
                    other => panic!("the library has no {other:?}"),
                }
            }
            text.push('\n');
        }
    }
    Ok(text)
}
