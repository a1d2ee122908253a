//! [`Workload`]: what is interrupted, and how it is finished afterwards.

use switchy_schema::rusqlite::{self, Connection};
use switchy_schema::{
    Direction, History, LogEntryKind, Migration, MigrationError, MigrationRunner, ProblemKind, Recovery,
    Report, Result, Signature, Target, TransactionMode,
};

use crate::library::{self, COUNTED, FILLED, SHELVED};

/// Makes a database.
type Prepare = fn(&Connection);

/// What is done to a database while it is interrupted.
pub struct Workload {
    /// The name in the table and on the command line.
    pub name: &'static str,
    /// Makes the database before it.
    pub(crate) prepare: Prepare,
    /// The program that does it.
    pub(crate) program: Program,
    pub(crate) verbs: &'static [Verb],
}

/// A program, by its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The whole library.
    Library,
    /// An older version, which does not know what comes after [`COUNTED`].
    Older,
    /// A program whose users have databases of older engines.
    Legacy,
    /// A broken engine, which writes the record of a migration in a transaction of its own.
    RecordsLater,
}

/// A call of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Applies everything.
    Run,
    /// Applies everything through a migration, in one transaction.
    Batch(&'static str),
    /// Applies everything through a migration.
    Through(&'static str),
    /// Undoes everything after a migration.
    BackTo(&'static str),
    /// Undoes the newest migration, which is this one, and applies it again.
    Redo(&'static str),
    Downgrade,
    Retry(&'static str),
    Baseline(&'static str),
    Forget(&'static str),
    AssumeApplied(&'static str),
}

const LAST: &str = "14_notes";

impl Workload {
    /// All workloads.
    pub fn all() -> Vec<Self> {
        let library = |name, prepare, verbs| Self { name, prepare, program: Program::Library, verbs };
        let mut all = vec![
            library("first", |_| {}, &[Verb::Run]),
            library("update", filled, &[Verb::Run]),
            library("batch", filled, &[Verb::Batch(COUNTED)]),
            library("back", latest, &[Verb::BackTo(FILLED)]),
            library("redo", latest, &[Verb::Redo(LAST)]),
            library("redo-outside", shelved, &[Verb::Redo(SHELVED)]),
            Self { name: "downgrade", prepare: latest, program: Program::Older, verbs: &[Verb::Downgrade] },
            library("retry", half_shelved, &[Verb::Retry(SHELVED), Verb::Run]),
            library("baseline", by_hand, &[Verb::Baseline(FILLED), Verb::Through("05_fill_isbn")]),
            library("forget", latest, &[Verb::Forget(LAST), Verb::AssumeApplied(LAST)]),
        ];
        all.extend(LEGACY.iter().map(|(name, prepare)| Self {
            name,
            prepare: *prepare,
            program: Program::Legacy,
            verbs: &[Verb::Run],
        }));
        all
    }

    /// The workload of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str) -> Self {
        Self::all().into_iter().find(|workload| workload.name == name).expect("a workload of this name")
    }

    /// An engine that writes the record of a migration after its transaction, which must be found.
    pub fn that_records_later() -> Self {
        Self {
            name: "records-later",
            prepare: filled,
            program: Program::RecordsLater,
            verbs: &[Verb::Through("08_audit")],
        }
    }

    /// Whether the number of records shows how many steps are committed.
    pub(crate) fn counts_steps(&self) -> bool {
        matches!(self.verbs, [Verb::Run | Verb::Through(_) | Verb::BackTo(_) | Verb::Downgrade])
    }

    /// Whether all steps are one transaction.
    pub(crate) fn is_one_transaction(&self) -> bool {
        matches!(self.verbs, [Verb::Batch(_)])
    }
}

/// Workloads that run all scripts of the library.
pub(crate) fn up_and_down() -> [Workload; 2] {
    let library = |name, prepare, verbs| Workload { name, prepare, program: Program::Library, verbs };
    [library("up", filled, &[Verb::Run]), library("down", latest, &[Verb::BackTo(FILLED)])]
}

/// # Panics
/// As all functions that prepare a database, if the engine fails without a fault.
fn filled(conn: &Connection) {
    library::runner(Some(FILLED)).run(conn).expect("tables");
    conn.execute_batch(library::ROWS).expect("rows");
}

fn latest(conn: &Connection) {
    filled(conn);
    library::runner(None).run(conn).expect("all migrations");
}

fn shelved(conn: &Connection) {
    filled(conn);
    library::runner(Some(SHELVED))
        .run(conn)
        .expect("the migrations through the first one outside a transaction");
}

/// A script outside a transaction fails in its last statement, since the user has an index of that name.
fn half_shelved(conn: &Connection) {
    filled(conn);
    conn.execute_batch("CREATE INDEX book_shelf ON book (title)").expect("an index");
    library::runner(Some(SHELVED)).run(conn).expect_err("the index is in the way");
    conn.execute_batch("DROP INDEX book_shelf").expect("the index is there");
}

fn by_hand(conn: &Connection) {
    conn.execute_batch(&library::tables_by_hand()).expect("tables");
    conn.execute_batch(library::ROWS).expect("rows");
}

macro_rules! legacy {
    ($($form:literal),*) => {
        [$((concat!("legacy-", $form), {
            fn prepare(conn: &Connection) {
                conn.execute_batch(include_str!(concat!("../../fixtures/legacy/", $form, ".sql"))).expect("a dump");
            }
            prepare
        })),*]
    };
}

/// Databases as older engines left them.
const LEGACY: [(&str, Prepare); 8] =
    legacy!("name", "id", "status", "checksums", "upgraded", "duplicates", "attempts", "renamed");

const LEGACY_SET: [(&str, &str); 5] = [
    ("2024-01-05-120000_users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"),
    ("2024-02-01-090000_posts", "CREATE TABLE posts (\r\n    author INTEGER REFERENCES users (id)\r\n);\r\n"),
    ("2024-03-01-080000_tags", "CREATE TABLE tags (tag TEXT);\n"),
    ("2024-04-01-070000_later", "CREATE TABLE later (a); INSERT INTO tags VALUES ('later')"),
    (
        "2024-05-01-070000_last",
        "ALTER TABLE users ADD COLUMN email TEXT; UPDATE users SET email = name || '@b.c'",
    ),
];

/// The broken engine, without checks.
pub(crate) fn record_later(conn: &Connection) -> rusqlite::Result<()> {
    for scripts in &library::SCRIPTS[3..8] {
        conn.execute_batch(&format!("BEGIN IMMEDIATE; {}; COMMIT", scripts.up.join("; ")))?;
        conn.execute("INSERT INTO __switchy_migrations (name) VALUES (?1)", [scripts.id])?;
    }
    Ok(())
}

impl Program {
    pub(crate) fn runner(self) -> MigrationRunner {
        match self {
            Self::Library | Self::RecordsLater => library::runner(None),
            Self::Older => library::runner(Some(COUNTED)),
            Self::Legacy => library::of_set(LEGACY_SET.map(|(id, up)| Migration::sql(id, up)).to_vec()),
        }
    }
}

/// Who corrects a tracking table.
fn signature() -> Signature {
    Signature::of("a person")
}

impl Verb {
    /// Does it.
    pub(crate) fn act(self, runner: MigrationRunner, conn: &Connection) -> Result<Report> {
        let recover = |recovery| runner.recover(conn, recovery, signature()).map(|_| Report::default());
        match self {
            Self::Run => runner.run(conn),
            Self::Batch(id) => {
                runner.transaction(TransactionMode::Batch).run_to(conn, Target::Through(id.into()))
            }
            Self::Through(id) => runner.run_to(conn, Target::Through(id.into())),
            Self::BackTo(id) => runner.rollback_to(conn, id),
            Self::Redo(_) => runner.redo(conn),
            Self::Downgrade => runner.downgrade(conn),
            Self::Retry(id) => recover(Recovery::Retry(id.into())),
            Self::Baseline(id) => recover(Recovery::Baseline(id.into())),
            Self::Forget(id) => recover(Recovery::Forget(id.into())),
            Self::AssumeApplied(id) => recover(Recovery::AssumeApplied(id.into())),
        }
    }

    /// Does it step by step, and calls `observe` before each step and at the end.
    pub(crate) fn act_slowly(
        self,
        program: Program,
        conn: &Connection,
        observe: &mut dyn FnMut(),
    ) -> Result<()> {
        let ids = |runner: &MigrationRunner| -> Result<Vec<String>> { Ok(applied(&runner.history(conn)?)) };
        let all = library::runner(None);
        let runner = program.runner();
        observe();
        match self {
            Self::Run | Self::Batch(_) | Self::Through(_) => {
                let last = match self {
                    Self::Batch(id) | Self::Through(id) => id,
                    _ => "~",
                };
                while runner.pending(conn)?.first().is_some_and(|next| next.as_str() <= last) {
                    runner.run_to(conn, Target::Steps(1))?;
                    observe();
                }
            }
            Self::BackTo(_) | Self::Downgrade => {
                let last = if let Self::BackTo(id) = self { id } else { COUNTED };
                while ids(&all)?.last().is_some_and(|newest| &**newest > last) {
                    all.rollback(conn, 1)?;
                    observe();
                }
            }
            Self::Redo(_) => {
                runner.rollback(conn, 1)?;
                observe();
                runner.run_to(conn, Target::Steps(1))?;
            }
            _ => drop(self.act(runner, conn)?),
        }
        observe();
        Ok(())
    }

    /// Does what an interruption left undone. The history has no step that is dirty and not marked to continue.
    fn finish(self, program: Program, conn: &Connection) -> Result<()> {
        let runner = program.runner();
        let history = runner.history(conn)?;
        let has = |id: &str| history.get(&id.into()).is_some();
        let is_logged = |kind: &LogEntryKind| history.log().iter().any(|entry| entry.kind == *kind);
        let is_done = match self {
            Self::Baseline(id) | Self::AssumeApplied(id) => has(id),
            Self::Retry(id) => history
                .get(&id.into())
                .is_none_or(|record| record.dirty.as_ref().is_none_or(|dirty| dirty.is_to_resume)),
            Self::Forget(_) => is_logged(&LogEntryKind::Forgotten),
            _ => false,
        };
        let is_half_undone = history
            .records()
            .iter()
            .any(|record| record.dirty.as_ref().is_some_and(|dirty| dirty.direction == Direction::Down));
        match self {
            _ if is_done => Ok(()),
            Self::Redo(id) if !is_half_undone => Self::Through(id).act(runner, conn).map(drop),
            verb => verb.act(runner, conn).map(drop),
        }
    }
}

/// The ids of the records, oldest first.
pub(crate) fn applied(history: &History) -> Vec<String> {
    history.records().iter().map(|record| record.id.to_string()).collect()
}

impl Workload {
    /// Does what an interruption left undone, as `RECOVERY.md` says. If the engine cannot know whether an interrupted statement took effect,
    /// `look` says at which statement to continue.
    ///
    /// # Errors
    /// What must not happen.
    pub(crate) fn finish(
        &self,
        conn: &Connection,
        look: &dyn Fn() -> Option<u32>,
    ) -> std::result::Result<(), String> {
        let failed = |what: &str, error: MigrationError| format!("{what} failed: {error}");
        let runner = self.program.runner();
        let history = runner.history(conn).map_err(|error| failed("reading the history", error))?;
        let unfinished = history
            .records()
            .iter()
            .find(|record| record.dirty.as_ref().is_some_and(|dirty| !dirty.is_to_resume));
        if let Some(record) = unfinished {
            match runner.run(conn) {
                Ok(report) => return Err(format!("a run was not refused over a dirty step: {report}")),
                Err(error) if error.problems().iter().any(|problem| problem.kind == ProblemKind::Dirty) => {}
                Err(error) => return Err(format!("the refusal over a dirty step does not say so: {error}")),
            }
            let retried = runner.recover(conn, Recovery::Retry(record.id.clone()), signature());
            if let Err(error) = retried {
                let statement = look().ok_or_else(|| failed("`Retry`", error))?;
                let from = Recovery::RetryFrom { migration: record.id.clone(), statement };
                runner.recover(conn, from, signature()).map_err(|error| failed("`RetryFrom`", error))?;
            }
        }
        for verb in self.verbs {
            verb.finish(self.program, conn)
                .map_err(|error| failed(&format!("finishing with {verb:?}"), error))?;
        }
        Ok(())
    }
}
