//! Tries scripts out on a copy of the live schema, in memory and without rows, to find what they remove and whether they work.
//!
//! The live database is only read. SQLite's authorizer reports what each statement does ([`watch`]); the schema of the copy shows what
//! happened to each table ([`objects`]).

use std::ops::ControlFlow;
use std::time::Duration;

// The trait from rusqlite 0.35 on. Before that, `Batch` has a method of the same name and signature.
#[allow(unused_imports)]
use fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use self::copy::{Copy, Lacking, defend};
use self::objects::{Entry, Objects, entries, in_order};
use self::parents::Parents;
use self::watch::{Rule, Seen};
use super::script::{input_offset, own_text};
use super::settings::Changed;
use super::{Sqlite, fault, settings, transactions};
use crate::backend::ForecastRequest;
use crate::dialect::{TableName, quote};
use crate::effect::{Effect, EffectKind, Evidence, Forecast, PlannedScript, Trust, Unparented, scan};
use crate::fault::{Fault, FaultKind};
use crate::sql::{Token, Tokens, mentions, statement_end, statement_start};
use crate::step::{Atomicity, ForeignKeys};

mod copy;
mod objects;
mod parents;
#[cfg(test)]
mod tests;
mod watch;

/// The forecast for each script, if they run one after the other.
pub(super) fn forecast<'c>(
    live: &'c Connection,
    request: &ForecastRequest<'c, Sqlite>,
) -> Result<Vec<Forecast>, Fault> {
    if request.scripts.iter().all(|script| script.text.is_none()) {
        return Ok(request.scripts.iter().map(|_| Forecast::new()).collect());
    }
    let copy = Copy::of(live, request)?;
    let objects = Objects::of(&copy.conn, copy.shadows.clone()).map_err(fault)?;
    if request.scripts.iter().any(|script| script.trust == Trust::Database) {
        copy.create_missing_tables(request.tables)?;
    }
    let parents = Parents::of(&copy.conn, &objects).map_err(fault)?;
    let mut stage = Stage {
        live,
        tables: request.tables,
        copy,
        objects,
        parents,
        orphans: Vec::new(),
        may_remove: false,
        has_failed: false,
        changed: Changed::default(),
    };
    request.scripts.iter().map(|script| stage.try_out(script)).collect()
}

/// The state of the trial, in which the scripts run one after the other.
struct Stage<'c> {
    live: &'c Connection,
    tables: &'c [TableName],
    copy: Copy,
    objects: Objects,
    parents: Parents,
    /// The rows without a parent table after the scripts so far.
    orphans: Vec<Unparented>,
    /// Whether the current script may have removed or changed something in the schema.
    may_remove: bool,
    /// Whether a script from the database failed: later scripts are not tried.
    has_failed: bool,
    /// The settings that the current script changed on the copy.
    changed: Changed,
}

impl Stage<'_> {
    fn try_out(&mut self, script: &PlannedScript<'_>) -> Result<Forecast, Fault> {
        let Some(text) = script.text else { return Ok(Forecast::new()) };
        if self.has_failed {
            return Ok(failed(Fault::new(FaultKind::Other, "not tried, since the script before it failed")));
        }
        let rule = match script.trust {
            Trust::Program => Rule::Program,
            Trust::Database => Rule::Database,
        };
        if let (Rule::Database, Some(doubt)) = (rule, &self.copy.doubt) {
            self.has_failed = true;
            return Ok(failed(Fault::new(FaultKind::Other, doubt.clone())));
        }
        if rule == Rule::Database {
            defend(&self.copy.conn, text.len());
        }
        let enforced = if script.foreign_keys == ForeignKeys::Enforced { "ON" } else { "OFF" };
        self.copy.conn.execute_batch(&format!("PRAGMA foreign_keys = {enforced}")).map_err(fault)?;
        let before = match rule {
            Rule::Database => (self.tracking()?, self.copy.temporary()?),
            _ => Default::default(),
        };
        self.may_remove = false;
        self.copy.watch.rule(rule);
        let mut forecast = self.run_script(text, script.atomicity, rule, &before);
        self.copy.watch.rule(Rule::Engine);
        if rule == Rule::Database && forecast.failure.is_none() {
            forecast.failure = self.leftover(&before.1, |_| true)?;
        }
        self.end_transaction()?;
        // The next script finds them as it will on the live connection.
        let _ = self.changed.set_back(&self.copy.conn);
        self.has_failed = rule == Rule::Database && forecast.failure.is_some();
        let mut effects = if self.may_remove {
            self.objects.update(&self.copy.conn, None).map_err(fault)?;
            self.objects.finish(&self.copy.conn).map_err(fault)?
        } else {
            self.objects.emptied()
        };
        effects.append(&mut forecast.effects);
        forecast.effects = in_order(effects);
        for effect in &mut forecast.effects {
            effect.rows = rows(self.live, effect);
        }
        if parents::may_orphan(text) || !self.orphans.is_empty() {
            self.orphans =
                self.parents.new_orphans(self.live, &self.copy.conn, &self.objects).map_err(fault)?;
        }
        forecast.orphans.clone_from(&self.orphans);
        Ok(forecast)
    }

    /// The objects with the name of one of the engine's tables, and the triggers that name one.
    fn tracking(&self) -> Result<Vec<Entry>, Fault> {
        let mut entries = entries(&self.copy.conn).map_err(fault)?;
        entries.retain(|entry| {
            self.tables.iter().any(|table| entry.is_named(table.as_str()) || entry.is_trigger_about(table))
        });
        Ok(entries)
    }

    /// What a script did to the engine's tables that the authorizer does not report: the new name of a table, and what a trigger does
    /// when it fires.
    fn tampered(&self, before: &[Entry]) -> Result<Option<Fault>, Fault> {
        let now = self.tracking()?;
        let is_trap = |entry: &Entry| {
            self.tables.iter().any(|table| entry.is_trigger_about(table)) && !before.contains(entry)
        };
        let what = match () {
            () if now == before => return Ok(None),
            () if now.iter().any(is_trap) => "it creates a trigger that names the tracking table",
            () if now.len() < before.len() => "it drops a trigger that names the tracking table",
            () => "it takes the name of a tracking table",
        };
        Ok(Some(Fault::new(FaultKind::Other, what)))
    }

    /// The temporary object that a script leaves on the connection, if `counts` accepts it.
    fn leftover(&self, before: &[String], counts: impl Fn(&str) -> bool) -> Result<Option<Fault>, Fault> {
        let now = self.copy.temporary()?;
        let left = now.iter().find(|object| !before.contains(object) && counts(object));
        Ok(left.map(|object| Fault::new(FaultKind::Other, format!("it leaves {object}"))))
    }

    /// What a statement from the database did that a later statement must not be trusted to undo: on the live database, the script can
    /// end after it.
    fn trap(&self, (tracking, temporary): &(Vec<Entry>, Vec<String>)) -> Option<Fault> {
        let is_trap = |object: &str| !object.starts_with("the temporary table");
        let look = || Ok(self.tampered(tracking)?.or(self.leftover(temporary, is_trap)?));
        self.copy.watch.as_engine(look).unwrap_or_else(Some)
    }

    /// The object in a statement that could not be copied, so that the effect on the live database was not seen.
    fn unseen(&self, own: &str) -> Option<String> {
        let Lacking { name, why } = self.copy.lacking.iter().find(|lacking| mentions(own, &lacking.name))?;
        (!begins_with(own, &["attach", "detach"])).then(|| format!("`{name}` could not be copied, {why}"))
    }

    /// An object that a statement drops, and that the live connection has and the copy does not. On the live connection, SQLite finds it.
    fn only_live(&self, own: &str) -> rusqlite::Result<Option<String>> {
        let databases = "SELECT name FROM pragma_database_list";
        let names: Vec<String> = self
            .live
            .prepare(databases)?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let is_qualified = Tokens::new(own)
            .zip(Tokens::new(own).skip(1))
            .any(|(name, dot)| name.spelling() == Some("main") && dot == Token::Mark(b'.'));
        for effect in scan(own) {
            let is_copied = self.copy.copied.contains(&effect.object.to_lowercase());
            let is_meant = |name: &&String| if *name == "main" { !is_copied } else { !is_qualified };
            for database in names.iter().filter(is_meant) {
                let master = if database == "temp" { "sqlite_temp_master" } else { "sqlite_master" };
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM {}.{master} WHERE name = ?1 COLLATE NOCASE)",
                    quote(database)
                );
                if self.live.query_row(&sql, [&effect.object], |row| row.get(0))? {
                    return Ok(Some(effect.object));
                }
            }
        }
        Ok(None)
    }

    /// Runs a script statement by statement. The effects in the forecast are those that running does not show, such as those of a failed
    /// statement.
    fn run_script(
        &mut self,
        text: &str,
        atomicity: Atomicity,
        rule: Rule,
        before: &(Vec<Entry>, Vec<String>),
    ) -> Forecast {
        let mut forecast = Forecast::new();
        // See `script::run` for the NUL.
        let terminated = format!("{text}\0");
        let (mut number, mut start) = (1, statement_start(text, 0));
        let skipped = transactions::skipped(text, atomicity);
        while start < text.len() {
            if skipped.is_some_and(|ends| ends.has(number)) {
                (number, start) = (number + 1, statement_start(text, statement_end(text, start)));
                continue;
            }
            let whole = || &text[start..statement_end(text, start)];
            // rusqlite's error copies its whole input, so after the first failure the statements are passed one by one.
            let given = if forecast.failure.is_some() { whole() } else { &terminated[start..] };
            let refused = self.copy.watch.as_engine(|| {
                // If it cannot be read, the statement itself fails and says why.
                let _ = self.changed.note(&self.copy.conn, &text[start..], Duration::ZERO);
                settings::refuse(&self.copy.conn, &text[start..])
            });
            if let Err(refused) = refused {
                let own = whole();
                forecast.failure.get_or_insert(refused.at(start).in_statement(number, own));
                (number, start) = (number + 1, statement_start(text, start + own.len()));
                continue;
            }
            let mut step = self.step(given, rule);
            let end = step.len.map_or_else(|| statement_end(text, start), |len| start + len);
            let own = &text[start..end];
            if step.failure.is_none() && begins_with(own, &["drop"]) && !step.seen.is_schema {
                step = self.found_nothing(step, own, rule, &mut forecast);
            }
            self.may_remove |= step.seen.may_remove || step.seen.writes_schema && !step.seen.is_schema;
            if step.seen.writes_schema && !step.seen.is_schema && begins_with(own, &ROWS) {
                let what = "it writes to the table of the schema itself";
                forecast.effects.push(Effect::new(EffectKind::Unknown, what, Evidence::SchemaCopy));
            }
            if step.failure.is_none() && rule == Rule::Database && step.seen.is_schema {
                step = match self.trap(before) {
                    Some(trap) => step.failed(trap, 0, true),
                    None => step,
                };
            }
            match (step.failure.is_none().then(|| self.unseen(own)).flatten(), rule) {
                (Some(unseen), Rule::Database) => {
                    step = step.failed(Fault::new(FaultKind::Other, unseen), 0, true);
                }
                (Some(unseen), _) => {
                    forecast.effects.extend(scan(own));
                    forecast.effects.push(Effect::new(EffectKind::Unknown, unseen, Evidence::SchemaCopy));
                }
                (None, _) => {}
            }
            if let Some((failure, offset)) = step.failure {
                if rule == Rule::Program {
                    let effects = scan(own);
                    forecast
                        .effects
                        .extend(self.copy.watch.as_engine(|| self.objects.resolve(&self.copy.conn, effects)));
                }
                let offset = start + offset.min(end - start);
                let failure = explained(failure, &self.copy.lacking, own);
                forecast.failure.get_or_insert(failure.at(offset).in_statement(number, own));
            }
            if step.flow.is_break() || end <= start {
                break;
            }
            self.copy.lacking.extend(attached(own));
            (number, start) = (number + 1, statement_start(text, end));
        }
        forecast
    }

    /// Handles a `DROP ... IF EXISTS` that found nothing on the copy. On the live connection it drops what it finds.
    fn found_nothing(&self, step: Step, own: &str, rule: Rule, forecast: &mut Forecast) -> Step {
        let found = match self.only_live(own) {
            Ok(Some(found)) => found,
            Ok(None) => return step,
            Err(error) => return step.failed(fault(error), 0, true),
        };
        if rule == Rule::Database {
            let what = format!("it drops `{found}`, which is not of this database or could not be copied");
            return step.failed(Fault::new(FaultKind::Other, what), 0, true);
        }
        forecast.effects.extend(scan(own));
        step
    }

    /// Prepares the first statement of a text, which begins with it, and runs the statement if that shows more.
    fn step(&mut self, given: &str, rule: Rule) -> Step {
        let Copy { conn, watch, .. } = &self.copy;
        let is_strict = rule == Rule::Database;
        let mut step =
            Step { len: None, failure: None, flow: ControlFlow::Continue(()), seen: Seen::default() };
        let mut statement = match watch.prepare(|| Batch::new(conn, given).next()) {
            Ok(Some(statement)) => statement,
            Ok(None) => return Step { flow: ControlFlow::Break(()), ..step },
            Err(error) => {
                let offset = input_offset(&error, given).unwrap_or_default();
                return step.failed(denied(&watch.seen()).unwrap_or_else(|| fault(error)), offset, is_strict);
            }
        };
        let seen = watch.seen();
        step.seen = seen.clone();
        let own = match own_text(&statement) {
            Ok(own) => own,
            Err(fault) if is_strict => return step.failed(fault, 0, true),
            // The statement has a parameter, so SQLite does not return its text, and the engine's scanner finds its end.
            Err(_) => given[..statement_end(given, 0)].to_owned(),
        };
        let stripped = &own[statement_start(&own, 0)..];
        step.len = given.starts_with(stripped).then_some(stripped.len());
        if !begins_with(stripped, &["explain"]) && !seen.may_remove {
            let live = seen.writes.iter().filter_map(|table| self.objects.live(table));
            self.parents.written(live);
        }
        if !begins_with(stripped, &["explain"]) {
            seen.deletes.iter().for_each(|table| self.objects.delete(table, stripped));
        }
        if begins_with(stripped, &["vacuum"])
            && Tokens::new(stripped).any(|token| token.is("into"))
            && is_strict
        {
            return step.failed(
                Fault::new(FaultKind::Other, "it writes the database to another file"),
                0,
                true,
            );
        }
        let outcome = if is_to_run(stripped, rule) { finish(&mut statement) } else { Ok(()) };
        drop(statement);
        let problem = match outcome {
            _ if is_strict && watch.seen().denied.is_some() => denied(&watch.seen()),
            // The copy has no rows, so a constraint violation on the copy shows nothing.
            Err(error) if !is_strict && (!seen.is_schema || is_violation(&error)) => None,
            Err(error) => Some(denied(&watch.seen()).unwrap_or_else(|| fault(error))),
            Ok(()) => None,
        };
        let step = match problem {
            Some(problem) => step.failed(problem, 0, is_strict),
            None => step,
        };
        match seen.may_remove.then(|| watch.as_engine(|| self.objects.update(conn, seen.altered.as_deref())))
        {
            Some(Err(error)) if step.failure.is_none() => step.failed(fault(error), 0, true),
            _ => step,
        }
    }

    /// Commits a transaction that a script leaves open.
    fn end_transaction(&self) -> Result<(), Fault> {
        let conn = &self.copy.conn;
        if conn.is_autocommit() || conn.execute_batch("COMMIT").is_ok() {
            return Ok(());
        }
        conn.execute_batch("ROLLBACK").map_err(fault)
    }
}

/// The result of a statement.
struct Step {
    /// The length of the statement, if SQLite reports it.
    len: Option<usize>,
    /// The fault, and its offset in the statement.
    failure: Option<(Fault, usize)>,
    flow: ControlFlow<()>,
    /// What the statement does, as SQLite reported it when it prepared the statement.
    seen: Seen,
}

impl Step {
    fn failed(self, failure: Fault, offset: usize, is_end: bool) -> Self {
        let flow = if is_end { ControlFlow::Break(()) } else { self.flow };
        Self { failure: Some((failure, offset)), flow, ..self }
    }
}

fn failed(failure: Fault) -> Forecast {
    Forecast { failure: Some(failure), ..Forecast::new() }
}

fn denied(seen: &Seen) -> Option<Fault> {
    seen.denied.clone().map(|denied| Fault::new(FaultKind::Other, denied))
}

/// Names the part of the schema that the copy lacks, if that may be why a statement failed.
fn explained(failure: Fault, lacking: &[Lacking], own: &str) -> Fault {
    let Some(Lacking { name, why }) = lacking.iter().find(|lacking| mentions(own, &lacking.name)) else {
        return failure;
    };
    Fault { message: format!("{failure}; the copy of the schema lacks `{name}`: {why}").into(), ..failure }
}

/// The database that a statement attaches. It is not attached to the copy.
fn attached(own: &str) -> Option<Lacking> {
    if !begins_with(own, &["attach"]) {
        return None;
    }
    let name = Tokens::new(own).filter_map(Token::spelling).last()?.to_owned();
    Some(Lacking { name, why: "no other database is attached to it".to_owned() })
}

fn begins_with(own: &str, words: &[&str]) -> bool {
    Tokens::new(own).next().is_some_and(|first| words.iter().any(|word| first.is(word)))
}

/// The first words of statements that read or write rows.
const ROWS: [&str; 8] = ["insert", "update", "delete", "replace", "select", "with", "values", "explain"];

/// Whether running a statement shows more than preparing it does, and affects only the copy.
fn is_to_run(own: &str, rule: Rule) -> bool {
    // These would move the tables or open files, so they are not run even if they are allowed.
    let reaching = ["vacuum", "attach", "detach"];
    match rule {
        _ if begins_with(own, &reaching) => false,
        Rule::Program => !begins_with(own, &ROWS),
        _ => true,
    }
}

/// Runs a statement to its last row.
fn finish(statement: &mut Statement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

fn is_violation(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// The number of rows that an effect concerns in the live database.
fn rows(live: &Connection, effect: &Effect) -> Option<u64> {
    let table = quote(&effect.object);
    let counted = match (effect.kind, &effect.column) {
        (EffectKind::DropsTable | EffectKind::ReplacesTable | EffectKind::DeletesRows, _) => "*".to_owned(),
        // The name is qualified, since SQLite treats an unknown name in double quotes as a string.
        (EffectKind::DropsColumn, Some(column)) => format!("{table}.{}", quote(column)),
        _ => return None,
    };
    let sql = format!("SELECT count({counted}) FROM main.{table}");
    let count: i64 = live.query_row(&sql, [], |row| row.get(0)).ok()?;
    u64::try_from(count).ok()
}
