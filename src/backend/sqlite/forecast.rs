//! Tries scripts out on a copy of the live schema, in memory and with some of the rows, to find what they remove and whether they work.
//!
//! The live database is only read. SQLite's authorizer reports what each statement does ([`watch`]); the schema of the copy shows what
//! happened to each table ([`objects`]); rows of the live database show what fails only over rows ([`sample`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

// The trait from rusqlite 0.35 on. Before that, `Batch` has a method of the same name and signature.
#[allow(unused_imports)]
use fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

use self::copy::{Copy, Lacking, defend};
use self::duplicates::UniqueIndex;
use self::objects::{Entry, Objects, entries, in_order};
use self::parents::Parents;
use self::references::References;
use self::sample::Rows;
use self::statement::{ROWS, attached, begins_with, explained, finish, reaches, rows, sets_something};
use self::step::Step;
use self::surroundings::{has_temporary_triggers, outside};
use self::watch::Rule;
use super::cursor::Pragma;
use super::fault::is_not_of_file;
use super::script::{input_offset, own_text};
use super::settings::Changed;
use super::{Sqlite, fault, settings, transactions};
use crate::backend::ForecastRequest;
use crate::dialect::{TableName, quote};
use crate::effect::{
    Effect, EffectKind, Evidence, FailureCause, Forecast, PlannedScript, QuotedText, Sample, Trust,
    Unparented, scan,
};
use crate::fault::{Fault, FaultKind};
use crate::sql::{Token, Tokens, has_word, mentions, part, statement_end, statement_start};
use crate::step::{Atomicity, ForeignKeys};
use crate::stored_limits::StoredLimits;

mod access;
mod copy;
mod duplicates;
mod objects;
mod parents;
mod quoted;
mod references;
mod run;
mod sample;
mod statement;
mod step;
mod surroundings;
#[cfg(test)]
mod tests;
mod timed;
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
    let is_programs = request.scripts.iter().all(|script| script.trust == Trust::Program);
    let is_sampled = is_programs && request.sample != Sample::None;
    let is_like_live = is_sampled && copy.lacks_nothing() && !has_temporary_triggers(live).map_err(fault)?;
    // An attached database may be unreadable, and no script need use it. Without its names the copy is not taken for a likeness of the live
    // database, so nothing that a script does on it is certain.
    let outside = outside(live, request.tables).ok();
    let is_like_live = is_like_live && outside.is_some();
    let rows = if is_like_live { Rows::of(live, &copy, request)? } else { Rows::default() };
    let objects = Objects::of(&copy.conn, copy.shadows.clone()).map_err(fault)?;
    if request.scripts.iter().any(|script| script.trust == Trust::Database) {
        copy.create_missing_tables(request.tables)?;
    }
    let parents = Parents::of(&copy.conn, &objects).map_err(fault)?;
    let references =
        if is_like_live { References::of(&copy.conn, request.scripts) } else { Ok(References::default()) };
    let references = references.map_err(fault)?;
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
        references,
        outside: outside.unwrap_or_default(),
        is_like_live,
        rows,
        sample: request.sample,
        limits: request.limits,
        replaced: BTreeSet::new(),
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
    references: References,
    /// The settings that the current script changed on the copy.
    changed: Changed,
    /// The names of objects that a script may use and that are not on the copy.
    outside: Vec<String>,
    /// Whether all statements so far did on the copy what they will do in the live database.
    is_like_live: bool,
    rows: Rows,
    sample: Sample,
    /// How long a script from the database may run.
    limits: StoredLimits,
    /// The tables of the live database that were replaced, in lower case. Their rows may be others.
    replaced: BTreeSet<String>,
}

impl Stage<'_> {
    fn try_out(&mut self, script: &PlannedScript<'_>) -> Result<Forecast, Fault> {
        let Some(text) = script.text else {
            self.doubt()?;
            return Ok(Forecast::new());
        };
        if !self.copy.temporary()?.is_empty() {
            // It is not certain that the connection still has them.
            self.doubt()?;
        }
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
        let mut forecast = match rule {
            Rule::Database => self.run_timed(text, script.atomicity, &before)?,
            _ => self.run_script(text, script.atomicity, rule, &before)?,
        };
        self.copy.watch.rule(Rule::Engine);
        if rule == Rule::Database && forecast.failure.is_none() {
            forecast.failure = self.leftover(&before.1, |_| true)?;
        }
        self.end_transaction()?;
        // The next script finds them as it will on the live connection.
        self.changed.set_back(&self.copy.conn).1?;
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
            effect.rows = rows(self.live, effect)?;
            if effect.kind == EffectKind::ReplacesTable {
                self.replaced.insert(effect.object.to_lowercase());
            }
        }
        if parents::may_orphan(text) || !self.orphans.is_empty() {
            self.orphans =
                self.parents.new_orphans(self.live, &self.copy.conn, &self.objects).map_err(fault)?;
        }
        forecast.orphans.clone_from(&self.orphans);
        if self.is_like_live && rule == Rule::Program {
            let found = self.copy.watch.as_engine(|| self.references.after(&self.copy.conn, script));
            forecast.references = Some(found.map_err(fault)?);
        }
        Ok(forecast)
    }

    /// From now on, a statement that fails on the copy may work in the live database, and rows on the copy may be others than there.
    fn doubt(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_like_live) {
            self.copy.watch.as_engine(|| self.rows.clear(&self.copy.conn)).map_err(fault)?;
        }
        Ok(())
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
        // If it cannot be seen, that is the failure of the script.
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
    ) -> Result<Forecast, Fault> {
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
            let whole = || part(text, start..statement_end(text, start));
            if self.is_like_live && self.leaves_copy(whole()) {
                self.doubt()?;
            }
            // rusqlite's error copies its whole input, so after the first failure the statements are passed one by one.
            let given = if forecast.failure.is_some() { whole() } else { part(&terminated, start..) };
            let refused = self.copy.watch.as_engine(|| {
                let Some(pragma) = Pragma::that_sets(part(text, start..)) else { return Ok(()) };
                // If it cannot be read, the statement itself fails and says why.
                let _ = self.changed.note(&self.copy.conn, &pragma, Duration::ZERO);
                settings::refuse(&self.copy.conn, &pragma)
            });
            if let Err(refused) = refused {
                let own = whole();
                if forecast.failure.is_none() && self.is_like_live {
                    forecast.cause = FailureCause::Schema;
                }
                self.doubt()?;
                forecast.failure.get_or_insert(refused.at(start).in_statement(number, own));
                (number, start) = (number + 1, statement_start(text, start + own.len()));
                continue;
            }
            let mut step = self.step(given, whole(), rule)?;
            let end = step.len.map_or_else(|| statement_end(text, start), |len| start + len);
            let own = part(text, start..end);
            if step.failure.is_none() && begins_with(own, &["drop"]) && !step.seen.is_schema {
                step = self.found_nothing(step, own, rule, &mut forecast);
            }
            self.may_remove |= step.seen.may_remove || step.seen.writes_schema && !step.seen.is_schema;
            if step.seen.writes_schema && !step.seen.is_schema && begins_with(own, &ROWS) {
                self.doubt()?;
                let what = "it writes to the schema table directly";
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
            if let Some((word, at)) = step.quoted {
                let statement = own.to_owned();
                forecast.quoted.push(QuotedText { text: word, offset: start + at, statement });
            }
            if let Some((failure, offset)) = step.failure {
                let cause = if self.is_like_live { step.cause } else { FailureCause::Unknown };
                if cause != FailureCause::Unknown {
                    forecast.cause = cause;
                }
                self.doubt()?;
                // A statement that is certain to fail removes nothing.
                if rule == Rule::Program && cause == FailureCause::Unknown {
                    let resolve = || self.objects.resolve(&self.copy.conn, scan(own));
                    forecast.effects.extend(self.copy.watch.as_engine(resolve).map_err(fault)?);
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
        Ok(forecast)
    }

    /// Whether a statement uses something that is not on the copy, or changes a setting that is not changed there.
    fn leaves_copy(&self, own: &str) -> bool {
        reaches(own) && !begins_with(own, &["vacuum"])
            || sets_something(own)
            || self.outside.iter().any(|name| mentions(own, name))
    }

    /// Why the live database will not accept a new unique index, if its rows are known to be still those that they are now.
    fn duplicates(&self, own: &str) -> Result<Option<Fault>, Fault> {
        let Some(index) = UniqueIndex::of(&self.copy.conn, own).map_err(fault)? else { return Ok(None) };
        let Some(live) = self.objects.live(&index.table) else { return Ok(None) };
        if self.parents.has_written(live) || self.replaced.contains(&live.to_lowercase()) {
            return Ok(None);
        }
        index.refused(self.live, live)
    }

    /// Handles a `DROP ... IF EXISTS` that found nothing on the copy. On the live connection it drops what it finds.
    fn found_nothing(&self, step: Step, own: &str, rule: Rule, forecast: &mut Forecast) -> Step {
        let found = match self.only_live(own) {
            Ok(Some(found)) => found,
            Ok(None) => return step,
            Err(error) => return step.failed(fault(error), 0, true),
        };
        if rule == Rule::Database {
            let what =
                format!("it drops `{found}`, which belongs to another database or could not be copied");
            return step.failed(Fault::new(FaultKind::Other, what), 0, true);
        }
        forecast.effects.extend(scan(own));
        step
    }

    /// Prepares the first statement of a text, which begins with it, and runs the statement if that shows more. `whole` is the statement as
    /// the engine's scanner splits it.
    fn step(&mut self, given: &str, whole: &str, rule: Rule) -> Result<Step, Fault> {
        let Copy { conn, watch, .. } = &self.copy;
        let is_strict = rule == Rule::Database;
        let mut step = Step::default();
        let mut statement = match watch.prepare(|| Batch::new(conn, given).next()) {
            Ok(Some(statement)) => statement,
            Ok(None) => return Ok(Step { flow: ControlFlow::Break(()), ..step }),
            Err(error) => {
                let offset = input_offset(&error, given).unwrap_or_default();
                step.cause = run::cause(&error);
                let failure = watch.seen().denial().unwrap_or_else(|| fault(error));
                return Ok(step.failed(failure, offset, is_strict));
            }
        };
        let seen = watch.seen();
        step.seen = seen.clone();
        let own = match own_text(&statement) {
            Ok(own) => own,
            // It has a parameter, which a run refuses too.
            Err(fault) => {
                (step.cause, step.len) = (FailureCause::Schema, Some(whole.len()));
                return Ok(step.failed(fault, 0, is_strict));
            }
        };
        let stripped = part(&own, statement_start(&own, 0)..);
        step.len = given.starts_with(stripped).then_some(stripped.len());
        if !begins_with(stripped, &["explain"]) && !seen.may_remove {
            let live = seen.writes.iter().filter_map(|table| self.objects.live(table));
            self.parents.written(live);
        }
        if !begins_with(stripped, &["explain"]) {
            seen.deletes.iter().for_each(|table| self.objects.delete(table, stripped));
        }
        if begins_with(stripped, &["vacuum"]) && has_word(stripped, &["into"]) && is_strict {
            let what = "it writes the database to another file";
            return Ok(step.failed(Fault::new(FaultKind::Other, what), 0, true));
        }
        let problem = if is_strict {
            let outcome = if reaches(stripped) { Ok(()) } else { finish(&mut statement) };
            watch.seen().denial().or_else(|| outcome.err().map(fault))
        } else {
            step.quoted = watch.as_engine(|| quoted::word(conn, stripped));
            let failure = run::run(&self.copy, &mut self.rows, &mut statement, &seen, stripped)?;
            let (failure, cause) = failure.unzip();
            let failure = failure.map(|failure| watch.seen().denial().unwrap_or(failure));
            step.cause = cause.unwrap_or_default();
            step.quoted = step.quoted.or_else(|| watch.as_engine(|| quoted::word_of_new(conn, stripped)));
            failure
        };
        drop(statement);
        let is_large = self.is_like_live && self.sample == Sample::Large && problem.is_none();
        let duplicates = if is_large { watch.as_engine(|| self.duplicates(stripped))? } else { None };
        if duplicates.is_some() {
            step.cause = FailureCause::Rows;
        }
        let step = match problem.or(duplicates) {
            Some(problem) => step.failed(problem, 0, is_strict),
            None => step,
        };
        let objects = &mut self.objects;
        let update = || objects.update(conn, seen.altered.as_deref());
        Ok(match seen.may_remove.then(|| watch.as_engine(update)) {
            Some(Err(error)) if is_not_of_file(&error) => return Err(fault(error)),
            Some(Err(error)) if step.failure.is_none() => step.failed(fault(error), 0, true),
            _ => step,
        })
    }

    /// Commits a transaction that a script leaves open. If a deferred key or the memory prevents that, nothing of it stays.
    fn end_transaction(&self) -> Result<(), Fault> {
        let conn = &self.copy.conn;
        if conn.is_autocommit() || conn.execute_batch("COMMIT").is_ok() {
            return Ok(());
        }
        conn.execute_batch("ROLLBACK").map_err(fault)
    }
}

fn failed(failure: Fault) -> Forecast {
    Forecast { failure: Some(failure), ..Forecast::new() }
}
