//! Whether the down scripts undo what the up scripts do.

use super::MigrationRunner;
use crate::account::Fate;
use crate::backend::{Backend, CopyObserver, RanSteps, RehearsalPlace, RehearsalRequest, Source};
use crate::error::{ErrorKind, MigrationError, Result};
use crate::fault::{Fault, FaultKind};
use crate::id::MigrationId;
use crate::impact::{RowCounts, TableImpact};
use crate::lock::Lock;
use crate::migration::Migration;
use crate::policy::Policy;
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::schema::{Schema, SchemaChange};
use crate::target::Target;
use crate::validation::judged;

impl<B: Backend> MigrationRunner<B> {
    /// Runs each migration that has a way back up, down and up again, and returns what is wrong with the way back: down scripts that fail
    /// ([`ProblemKind::DownFails`]), that leave something behind or remove too much ([`ProblemKind::DownLeavesBehind`], with the
    /// difference), and rows that do not come back ([`ProblemKind::RowsNotBack`]).
    ///
    /// The whole set runs in an empty database. Then the migrations of this database run on a copy of it with all its rows: the applied ones
    /// down and up, from the newest to the first that is irreversible, and the pending ones up, down and up. The database itself is only
    /// read. Migrations in code run too, on the copy; hooks do not. Only SQLite has an empty database and a copy: on PostgreSQL and MySQL this is an
    /// error.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, ProblemKind};
    ///
    /// let runner = MigrationRunner::new([
    ///     Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE b"),
    ///     Migration::reversible("2_c", "CREATE TABLE c (d); CREATE TABLE e (f)", "DROP TABLE c"),
    /// ])?;
    /// let found = runner.prove_reversible(&Connection::open_in_memory()?)?;
    /// assert_eq!((found[0].migration.as_str(), found[0].kind), ("1_a", ProblemKind::DownFails));
    /// assert_eq!((found[1].migration.as_str(), found[1].kind), ("2_c", ProblemKind::DownLeavesBehind));
    /// assert_eq!(found[1].finding, "leaves the table `e` behind when it is undone");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be read or copied, or if the backend has no copies.
    #[allow(clippy::needless_pass_by_value)]
    pub fn prove_reversible(&self, mut conn: B::Conn<'_>) -> Result<Vec<Problem>> {
        self.cancellable(|| self.prove_within(&mut conn))
    }

    fn prove_within(&self, conn: &mut B::Conn<'_>) -> Result<Vec<Problem>> {
        self.run_session_sql(conn)?;
        let mut found = self.irreversible_scripts()?;
        let mut with_rows = self.tried_on_copy(conn, Way::Back)?;
        with_rows.extend(self.tried_on_copy(conn, Way::Forth)?);
        // What is wrong without rows is wrong with them too.
        let is_known = |problem: &Problem| {
            found.iter().any(|known| (known.kind, &known.migration) == (problem.kind, &problem.migration))
        };
        with_rows.retain(|problem| !is_known(problem));
        found.extend(with_rows);
        Ok(judged(found, &self.policy, self.set.graph().metas()))
    }

    /// What [`prove_reversible`](Self::prove_reversible) finds without a database: the whole set runs in an empty one in memory.
    ///
    /// # Errors
    /// If the empty database cannot be created, as on a server.
    pub fn prove_source_reversible(&self) -> Result<Vec<Problem>> {
        let found = self.cancellable(|| self.irreversible_scripts())?;
        Ok(judged(found, &self.policy, self.set.graph().metas()))
    }

    fn irreversible_scripts(&self) -> Result<Vec<Problem>> {
        let trial = |conn: &mut B::Conn<'_>| -> Result<Vec<Problem>> {
            // A setting that is impossible in memory makes the script fail that needs it.
            let _ = self.run_session_sql(conn);
            Trial { runner: self.detached(|_| true)?, measure: &mut |_| Ok(Vec::new()) }.forth(conn)
        };
        let tried = B::scratch(self.prepare.as_deref(), trial);
        let tried = tried.map_err(|fault| Self::whole_database("try the down scripts", fault))?;
        tried.unwrap_or_else(|| Err(Self::without_copy()))
    }

    fn tried_on_copy(&self, conn: &mut B::Conn<'_>, way: Way) -> Result<Vec<Problem>> {
        let failed = |fault| Self::whole_database("rehearse the migrations", fault);
        let tables = [self.table.clone(), self.table.log()];
        let (prepare, patience) = (self.prepare.as_deref(), self.lock_timeout);
        let observer = self.observer.as_ref().map(|observer| observer as &dyn CopyObserver);
        // Each step is committed, so a transaction of the live database is not a place for it.
        let places = [RehearsalPlace::Copy];
        let request = RehearsalRequest { tables: &tables, places: &places, prepare, patience, observer };
        let tried = B::rehearsal(conn, &request, |copy, rehearsed| {
            self.run_session_sql(copy)?;
            let history = self.read_history(copy)?;
            let is_meant = |id: &MigrationId| way == Way::Forth || history.get(id).is_some();
            let mut measure = |copy: &mut B::Conn<'_>| {
                let measured = (rehearsed.measure)(
                    copy,
                    &RanSteps { steps: &[], source: Source::Code, remaining: None },
                );
                measured.map(|measured| measured.tables).map_err(failed)
            };
            let mut trial = Trial { runner: self.detached(is_meant)?, measure: &mut measure };
            match way {
                Way::Back => trial.back(copy),
                Way::Forth => trial.forth(copy),
            }
        });
        tried.map_err(failed)?.unwrap_or_else(|| Err(Self::without_copy()))
    }

    fn without_copy() -> MigrationError {
        let what = format!("{} has neither an empty database nor a copy to run them on", B::DIALECT);
        let remedy = "try the set on SQLite, or on a server that may be lost";
        Self::whole_database("try the down scripts", Fault::new(FaultKind::Other, what).remedy(remedy))
    }

    /// A runner of these migrations of the set, for a database of the engine's own.
    fn detached(&self, is_meant: impl Fn(&MigrationId) -> bool) -> Result<Self> {
        let all = self.set.graph().metas().iter().zip(self.set.bodies());
        let meant = all.filter(|(meta, _)| is_meant(&meta.id));
        let migrations: Vec<Migration<B>> =
            meant.map(|(meta, body)| Migration { meta: meta.clone(), body: body.clone() }).collect();
        let mut runner = Self::for_backend(migrations)?.lock(Lock::Off).protect::<&str>([]);
        runner.table = self.table.clone();
        runner.environment.clone_from(&self.environment);
        runner.set.change_placeholders(|placeholders| placeholders.clone_from(self.set.placeholders()));
        runner.lock_timeout = self.lock_timeout;
        // Whatever a policy can allow does not matter on a copy.
        runner.policy =
            ProblemKind::ALL.iter().fold(Policy::DEFAULT, |policy, &kind| policy.with(kind, Verdict::Allow));
        runner.recompute();
        Ok(runner)
    }
}

/// How many migrations at most are tried as one transaction, if they are valid only together.
const MOST_TOGETHER: usize = 8;

/// Which migrations of a database are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The applied ones, from the newest.
    Back,
    /// The pending ones.
    Forth,
}

/// The attempt to go back from migrations, on a database of the engine's own.
struct Trial<'a, B: Backend> {
    runner: MigrationRunner<B>,
    /// What happened to the rows of each table since the last call.
    measure: &'a mut dyn FnMut(&mut B::Conn<'_>) -> Result<Vec<TableImpact>>,
}

impl<B: Backend> Trial<'_, B> {
    /// Applies each pending migration, undoes it, and applies it again.
    fn forth(&mut self, conn: &mut B::Conn<'_>) -> Result<Vec<Problem>> {
        let mut found = Vec::new();
        loop {
            let before = self.schema(conn)?;
            let ids = match self.up(conn) {
                Ok(ids) if ids.is_empty() => return Ok(found),
                Ok(ids) => ids,
                Err(error) => return ended(found, error, ProblemKind::Fails, "when it is applied"),
            };
            let (Some(last), true) = (ids.last(), ids.iter().all(|id| self.has_way_back(id))) else {
                (self.measure)(conn)?;
                continue;
            };
            let after = self.schema(conn)?;
            if let Err(error) = self.runner.run_to(B::lend(conn), Target::Back(ids.len())) {
                if !self.runner.read_history(conn)?.records().iter().all(|record| record.dirty.is_none()) {
                    return ended(found, error, ProblemKind::DownFails, "when it is undone");
                }
                found = ended(found, error, ProblemKind::DownFails, "when it is undone")?;
                (self.measure)(conn)?;
                continue;
            }
            let undone = before.changes_to(&self.schema(conn)?);
            found.extend(leaves_behind(last, &undone));
            found.extend(not_back(last, &(self.measure)(conn)?, "undone"));
            if let Err(error) = self.runner.run_to(B::lend(conn), Target::Steps(ids.len())) {
                return ended(
                    found,
                    error,
                    ProblemKind::DownLeavesBehind,
                    "when it is applied again after it was undone",
                );
            }
            if undone.is_empty() {
                found.extend(differs(last, &after.changes_to(&self.schema(conn)?)));
            }
            (self.measure)(conn)?;
        }
    }

    /// Undoes each applied migration, applies it again, and undoes it to come to the one before, up to the first that has no way back.
    fn back(&mut self, conn: &mut B::Conn<'_>) -> Result<Vec<Problem>> {
        let mut found = Vec::new();
        loop {
            let with = self.schema(conn)?;
            let plan = self.runner.plan(B::lend(conn), Target::Back(1))?;
            let id = plan.steps().first().map(|step| step.id.clone());
            let Some(id) = id.filter(|id| self.has_way_back(id)) else { return Ok(found) };
            if let Err(error) = self.runner.run_to(B::lend(conn), Target::Back(1)) {
                return ended(found, error, ProblemKind::DownFails, "when it is undone");
            }
            if let Err(error) = self.runner.run_to(B::lend(conn), Target::Steps(1)) {
                return ended(
                    found,
                    error,
                    ProblemKind::DownLeavesBehind,
                    "when it is applied again after it was undone",
                );
            }
            found.extend(differs(&id, &with.changes_to(&self.schema(conn)?)));
            found.extend(not_back(&id, &(self.measure)(conn)?, "undone and applied again"));
            if let Err(error) = self.runner.run_to(B::lend(conn), Target::Back(1)) {
                return ended(found, error, ProblemKind::DownFails, "when it is undone for the second time");
            }
            (self.measure)(conn)?;
        }
    }

    /// Applies the next migration, and as many after it as are needed for valid references.
    fn up(&mut self, conn: &mut B::Conn<'_>) -> Result<Vec<MigrationId>> {
        let mut run = |count| {
            let report = self.runner.run_to(B::lend(conn), Target::Steps(count))?;
            Ok(report.applied.into_iter().map(|step| step.id).collect())
        };
        let first = run(1);
        if first.is_ok() {
            return first;
        }
        (2..=MOST_TOGETHER).find_map(|count| run(count).ok()).map_or(first, Ok)
    }

    fn schema(&self, conn: &mut B::Conn<'_>) -> Result<Schema> {
        Ok(self.runner.read_schema(conn)?.unwrap_or_default())
    }

    fn has_way_back(&self, id: &MigrationId) -> bool {
        self.runner.set.graph().get(id).is_some_and(|meta| meta.is_reversible)
    }
}

/// The findings with a failure.
///
/// # Errors
/// The failure is not about a migration, or the run was refused before its first step.
fn ended(
    mut found: Vec<Problem>,
    error: MigrationError,
    kind: ProblemKind,
    place: &str,
) -> Result<Vec<Problem>> {
    let is_refused = error.kind() == ErrorKind::Refused;
    match error.failed_in_trial(place).filter(|_| !is_refused) {
        Some(problem) => found.push(Problem { kind, ..problem }),
        None => return Err(error),
    }
    Ok(found)
}

/// The finding that a down script does not restore the schema, given what has to change from before to now.
fn leaves_behind(id: &MigrationId, changes: &[SchemaChange]) -> Option<Problem> {
    let named = |it: &SchemaChange| format!("the {} `{}`", it.kind, it.name);
    let of = |is_it: &dyn Fn(&SchemaChange) -> bool| {
        changes.iter().filter(|it| is_it(it)).map(named).collect::<Vec<_>>().join(", ")
    };
    let parts = [
        ("leaves", of(&|it| it.before.is_none()), " behind"),
        ("does not restore", of(&|it| it.after.is_none()), ""),
        ("changes", of(&|it| it.before.is_some() && it.after.is_some()), ""),
    ];
    let parts = parts.into_iter().filter(|(_, names, _)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(verb, names, end)| format!("{verb} {names}{end}")).collect();
    finding(id, &parts, "when it is undone", changes)
}

/// The finding that a migration gives another schema when it is applied again.
fn differs(id: &MigrationId, changes: &[SchemaChange]) -> Option<Problem> {
    let named = |it: &SchemaChange| {
        let verb = match (&it.before, &it.after) {
            (None, _) => "adds",
            (_, None) => "lacks",
            _ => "changes",
        };
        format!("{verb} the {} `{}`", it.kind, it.name)
    };
    let parts: Vec<String> = changes.iter().map(named).collect();
    finding(id, &parts, "when it is undone and applied again", changes)
}

fn finding(id: &MigrationId, parts: &[String], when: &str, changes: &[SchemaChange]) -> Option<Problem> {
    if parts.is_empty() {
        return None;
    }
    let what = format!("{} {when}", parts.join(", "));
    let remedy = "let the down script undo everything that the up script does, and nothing else";
    let diff = changes.iter().map(SchemaChange::diff).collect::<Vec<_>>().join("\n");
    Some(Problem { detail: Some(diff), ..Problem::new(ProblemKind::DownLeavesBehind, id, what, remedy) })
}

/// The finding that rows or values are not there again.
fn not_back(id: &MigrationId, tables: &[TableImpact], when: &str) -> Option<Problem> {
    let lost = |table: &TableImpact| {
        let RowCounts { updated, deleted, .. } = table.rows();
        let dropped = if table.fate == Fate::Dropped { table.rows_before.unwrap_or_default() } else { 0 };
        let rows = |count: u64, what| match count {
            0 => None,
            1 => Some(format!("1 row of `{}` is {what}", table.table)),
            count => Some(format!("{count} rows of `{}` are {what}", table.table)),
        };
        rows(deleted + dropped, "gone").into_iter().chain(rows(updated, "different"))
    };
    let parts: Vec<String> = tables.iter().flat_map(lost).collect();
    let remedy = "keep the rows in another table until nobody goes back, or leave it if they may go";
    (!parts.is_empty()).then(|| {
        let what = format!("loses data: {} after it is {when}", parts.join(", "));
        Problem::new(ProblemKind::RowsNotBack, id, what, remedy)
    })
}
