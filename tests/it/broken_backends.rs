//! Tests the conformance suite itself: it must name the defect of each of these broken backends.

use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use switchy_schema::backend::{
    Catalog, Driver, Execution, Fault, Head, Locks, Progress, Records, Scope, Script, ScriptProgress,
    Touched, TrackingTable,
};
use switchy_schema::test_utils::conformance::{Abilities, Testbed, conformance};
use switchy_schema::{
    Atomicity, Dialect, Dirty, ErrorKind, FaultKind, HistoryDigest, Lock, LogEntry, Migration, MigrationId,
    MigrationRunner, Record, StoredDown, TableName,
};

use crate::other_backends::toy::{Settings, Toy, Toys};

/// The defects of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    BeginsNothing,
    CommitsNothing,
    RollsNothingBack,
    FailsToRollBackNothing,
    NeverInTransaction,
    CommitsWhatFails,
    CommitsWhatUnwinds,
    LetsCodeEndTheTransaction,
    MakesATableByReading,
    ReadsBackwards,
    ReadsAnotherDateEachTime,
    SortsByName,
    ForgetsRecordsOfANewTable,
    ForgetsDirt,
    ForgetsTheStatement,
    ForgetsWhatIsToGoOn,
    ForgetsFailures,
    ForgetsOptions,
    ForgetsTheDate,
    WritesNoDate,
    WritesLocalDates,
    DatesAnew,
    RoundsDurations,
    CutsScripts,
    TrimsScripts,
    TrimsNames,
    FoldsNames,
    InsertsTwice,
    UpdatesNothing,
    UpdatesWhatIsNotThere,
    DeletesNothing,
    DeletesAll,
    DeletesWhatIsNotThere,
    StampsNothing,
    CountsWrong,
    KnowsNoHead,
    HasOneTable,
    HasOneLog,
    LogsNothing,
    LogsWithoutReason,
    LogsBackwards,
    RunsNothing,
    RunsSilently,
    RunsOn,
    FailsSilently,
    FailsNowhere,
    CountsStatementsFromZero,
    ForgetsTheMark,
    AdvancesNothing,
    AdvancesWhatIsTaken,
    RepeatsWhatIsDone,
    PlacesWrong,
}

static READS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static DEFECT: Cell<Option<Defect>> = const { Cell::new(None) };
}

fn has(defect: Defect) -> bool {
    DEFECT.get() == Some(defect)
}

/// The toy backend of the examples, with a defect.
enum Broken {}

/// The script from its first statement, ignoring those that are done.
fn whole<'s>(script: &Script<'s>) -> Script<'s> {
    let mut script = *script;
    script.from = 1;
    script
}

type Conn<'a, 'c> = &'a mut &'c mut Settings;

fn changed(record: &Record) -> Record {
    let mut record = record.clone();
    match DEFECT.get() {
        Some(Defect::ForgetsDirt) => record.dirty = None,
        Some(Defect::ForgetsTheStatement) => record.dirty.iter_mut().for_each(|dirty| dirty.statement = None),
        Some(Defect::ForgetsWhatIsToGoOn) => {
            record.dirty.iter_mut().for_each(|dirty| dirty.is_to_resume = false);
        }
        Some(Defect::ForgetsTheMark) => record.dirty.iter_mut().for_each(|dirty| dirty.mark = None),
        Some(Defect::ForgetsFailures) => record.dirty.iter_mut().for_each(|dirty| dirty.failure = None),
        Some(Defect::ForgetsOptions) => {
            if let Some(StoredDown::Script(script)) = &mut record.down {
                script.options.clear();
            }
        }
        Some(Defect::ForgetsTheDate) => record.run_on.clear(),
        Some(Defect::WritesNoDate) if record.run_on.is_empty() => " ".clone_into(&mut record.run_on),
        Some(Defect::WritesLocalDates) if record.run_on.is_empty() => {
            "2026-01-01T00:00:00.000".clone_into(&mut record.run_on);
        }
        Some(Defect::RoundsDurations) => {
            let seconds = |duration: std::time::Duration| std::time::Duration::from_secs(duration.as_secs());
            record.duration = record.duration.map(seconds);
        }
        Some(Defect::CutsScripts) => {
            if let Some(StoredDown::Script(script)) = &mut record.down {
                script.text.truncate(65_535);
            }
        }
        Some(Defect::TrimsScripts) => {
            record.up_sql = record.up_sql.map(|text| text.trim_end().to_owned());
        }
        _ => {}
    }
    record.id = folded(&record.id);
    record
}

fn folded(id: &MigrationId) -> MigrationId {
    match DEFECT.get() {
        Some(Defect::TrimsNames) => id.as_str().trim_end().into(),
        Some(Defect::FoldsNames) => id.as_str().to_lowercase().into(),
        _ => id.clone(),
    }
}

fn table(name: &TableName) -> TableName {
    if has(Defect::HasOneTable) { TableName::default() } else { name.clone() }
}

fn log(name: &TableName) -> TableName {
    if has(Defect::HasOneLog) { TableName::default() } else { name.clone() }
}

impl Driver for Broken {
    type Conn<'c> = &'c mut Settings;
    const DIALECT: Dialect = Dialect::Other("broken");
    const STATEMENTS_ARE_ATOMIC: bool = true;

    fn lend<'s>(conn: &'s mut &mut Settings) -> &'s mut Settings {
        conn
    }

    fn in_transaction(conn: Conn<'_, '_>) -> Result<bool, Fault> {
        Ok(Toy::in_transaction(conn)? && !has(Defect::NeverInTransaction))
    }

    fn execute(conn: Conn<'_, '_>, sql: &str) -> Result<(), Fault> {
        match (sql, DEFECT.get()) {
            ("BEGIN", Some(Defect::BeginsNothing)) | ("COMMIT", Some(Defect::CommitsNothing)) => Ok(()),
            ("ROLLBACK", Some(Defect::RollsNothingBack)) => Toy::commit(conn),
            ("ROLLBACK", Some(Defect::FailsToRollBackNothing)) if !Toy::in_transaction(conn)? => {
                Err(Fault::new(FaultKind::Other, "there is no transaction"))
            }
            _ => Toy::execute(conn, sql),
        }
    }

    fn transaction<R, E: From<Fault>>(
        conn: Conn<'_, '_>,
        scope: &Scope,
        body: impl FnOnce(Conn<'_, '_>) -> Result<R, E>,
    ) -> Result<R, E> {
        if has(Defect::CommitsWhatFails) {
            Self::begin(conn)?;
            let done = body(conn);
            Self::commit(conn)?;
            return done;
        }
        if has(Defect::CommitsWhatUnwinds) {
            Self::begin(conn)?;
            let done = body(conn);
            if done.is_ok() { Self::commit(conn) } else { Self::rollback(conn) }?;
            return done;
        }
        switchy_schema::backend::atomically::<Self, R, E>(conn, scope, body)
    }

    fn statements(script: &str) -> Result<Vec<(usize, &str)>, Fault> {
        Toy::statements(script)
    }

    fn run_script(
        conn: Conn<'_, '_>,
        script: &Script<'_>,
        progress: &mut Progress<'_, Self>,
    ) -> Result<Execution, Fault> {
        match DEFECT.get() {
            Some(Defect::RunsNothing) => Ok(Touched::nothing().into()),
            Some(Defect::RunsSilently) => Toy::run_script(conn, script, &mut |_, _| Ok(())),
            Some(Defect::RunsOn) => Toy::run_script(conn, script, &mut |conn, reached| {
                let _ = progress(conn, reached);
                Ok(())
            }),
            Some(Defect::RepeatsWhatIsDone) => {
                Toy::run_script(conn, &whole(script), &mut |conn, reached| progress(conn, reached))
            }
            Some(Defect::FailsSilently) => {
                let _ = Toy::run_script(conn, script, progress);
                Ok(Touched::anything().into())
            }
            Some(Defect::FailsNowhere) => Toy::run_script(conn, script, progress)
                .map_err(|fault| Fault::new(FaultKind::Other, fault.to_string())),
            Some(Defect::CountsStatementsFromZero) => Toy::run_script(conn, script, &mut |conn, reached| {
                progress(conn, ScriptProgress::statement(reached.statement - 1))
            }),
            _ => Toy::run_script(conn, script, progress),
        }
    }

    fn run_code<R>(
        conn: Conn<'_, '_>,
        atomicity: Atomicity,
        body: impl FnOnce(Conn<'_, '_>) -> Result<R, Fault>,
    ) -> Result<(R, Touched), Fault> {
        if has(Defect::LetsCodeEndTheTransaction) {
            return body(conn).map(|done| (done, Touched::anything()));
        }
        Toy::run_code(conn, atomicity, body)
    }

    fn offset_of(script: &str, statement: u32) -> Option<usize> {
        if has(Defect::PlacesWrong) { Some(0) } else { Toy::offset_of(script, statement) }
    }
}

impl Records for Broken {
    fn head(conn: Conn<'_, '_>, name: &TableName) -> Result<Head, Fault> {
        let head = Toy::head(conn, &table(name))?;
        Ok(match DEFECT.get() {
            Some(Defect::CountsWrong) => Head { count: head.count + 1, ..head },
            Some(Defect::KnowsNoHead) => Head { digest: None, ..head },
            _ => head,
        })
    }

    fn read(conn: Conn<'_, '_>, name: &TableName) -> Result<TrackingTable, Fault> {
        let mut tracking = Toy::read(conn, &table(name))?;
        tracking.head = Self::head(conn, name)?;
        match DEFECT.get() {
            Some(Defect::MakesATableByReading) if tracking == TrackingTable::MISSING => {
                Toy::create_table(conn, &table(name), &[])?;
            }
            Some(Defect::ReadsBackwards) => tracking.records.reverse(),
            Some(Defect::ReadsAnotherDateEachTime) => {
                let reads = READS.fetch_add(1, Ordering::Relaxed);
                tracking.records.iter_mut().for_each(|record| record.run_on = format!("date {reads}"));
            }
            Some(Defect::SortsByName) => tracking.records.sort_by(|one, other| one.id.cmp(&other.id)),
            _ => {}
        }
        Ok(tracking)
    }

    fn create_table(conn: Conn<'_, '_>, name: &TableName, records: &[Record]) -> Result<(), Fault> {
        let records = if has(Defect::ForgetsRecordsOfANewTable) { &[] } else { records };
        Toy::create_table(conn, &table(name), &[])?;
        records.iter().try_for_each(|record| Self::insert(conn, name, record))
    }

    fn insert(conn: Conn<'_, '_>, name: &TableName, record: &Record) -> Result<(), Fault> {
        if has(Defect::InsertsTwice) && Toy::delete(conn, &table(name), &record.id).is_ok() {
            return Toy::insert(conn, &table(name), record);
        }
        Toy::insert(conn, &table(name), &changed(record))
    }

    fn update(conn: Conn<'_, '_>, name: &TableName, record: &Record) -> Result<(), Fault> {
        match DEFECT.get() {
            Some(Defect::UpdatesNothing) => Ok(()),
            Some(Defect::UpdatesWhatIsNotThere) => {
                let _ = Toy::update(conn, &table(name), record);
                Ok(())
            }
            Some(Defect::DatesAnew) => {
                let mut record = record.clone();
                record.run_on.clear();
                Toy::delete(conn, &table(name), &record.id)?;
                Toy::insert(conn, &table(name), &record)
            }
            _ => Toy::update(conn, &table(name), &changed(record)),
        }
    }

    fn advance(
        conn: Conn<'_, '_>,
        name: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault> {
        match DEFECT.get() {
            Some(Defect::AdvancesNothing) => Ok(true),
            Some(Defect::AdvancesWhatIsTaken) => {
                let records = Toy::read(conn, &table(name))?.records;
                let found = records.into_iter().find(|record| record.id == folded(id));
                let Some(dirty) = found.and_then(|record| record.dirty) else { return Ok(true) };
                Toy::advance(conn, &table(name), &folded(id), &dirty, to)
            }
            _ => Toy::advance(conn, &table(name), &folded(id), from, to),
        }
    }

    fn delete(conn: Conn<'_, '_>, name: &TableName, id: &MigrationId) -> Result<(), Fault> {
        match DEFECT.get() {
            Some(Defect::DeletesNothing) => Ok(()),
            Some(Defect::DeletesAll) => Toy::create_table(conn, &table(name), &[]),
            Some(Defect::DeletesWhatIsNotThere) => {
                let _ = Toy::delete(conn, &table(name), id);
                Ok(())
            }
            _ => Toy::delete(conn, &table(name), &folded(id)),
        }
    }

    fn stamp(conn: Conn<'_, '_>, name: &TableName, digest: HistoryDigest) -> Result<(), Fault> {
        if has(Defect::StampsNothing) { Ok(()) } else { Toy::stamp(conn, &table(name), digest) }
    }

    fn append_log(conn: Conn<'_, '_>, name: &TableName, entry: &LogEntry) -> Result<(), Fault> {
        let mut entry = entry.clone();
        match DEFECT.get() {
            Some(Defect::LogsNothing) => return Ok(()),
            Some(Defect::LogsWithoutReason) => entry.why = None,
            _ => {}
        }
        Toy::append_log(conn, &log(name), &entry)
    }

    fn read_log(conn: Conn<'_, '_>, name: &TableName) -> Result<Vec<LogEntry>, Fault> {
        let mut entries = Toy::read_log(conn, &log(name))?;
        if has(Defect::LogsBackwards) {
            entries.reverse();
        }
        Ok(entries)
    }
}

impl Locks for Broken {}

impl Catalog for Broken {
    fn has_triggers_on(_: Conn<'_, '_>, _: &TableName) -> Result<bool, Fault> {
        Ok(false)
    }
}

impl Testbed<Broken> for Toys {
    type Database = Mutex<Settings>;

    fn create(&self) -> Mutex<Settings> {
        <Self as Testbed<Toy>>::create(self)
    }

    fn connect<R>(&self, database: &Mutex<Settings>, body: impl FnOnce(&mut Settings) -> R) -> R {
        <Self as Testbed<Toy>>::connect(self, database, body)
    }

    fn make(&self, name: &str) -> String {
        <Self as Testbed<Toy>>::make(self, name)
    }

    fn unmake(&self, name: &str) -> String {
        <Self as Testbed<Toy>>::unmake(self, name)
    }

    fn fails(&self) -> String {
        <Self as Testbed<Toy>>::fails(self)
    }

    fn things(&self, settings: &mut Settings) -> Vec<String> {
        <Self as Testbed<Toy>>::things(self, settings)
    }

    fn script(&self, statements: &[String]) -> String {
        <Self as Testbed<Toy>>::script(self, statements)
    }

    fn comment(&self, text: &str) -> String {
        <Self as Testbed<Toy>>::comment(self, text)
    }

    fn tampers(&self, table: &TableName) -> Option<String> {
        <Self as Testbed<Toy>>::tampers(self, table)
    }

    fn commits(&self) -> Option<String> {
        <Self as Testbed<Toy>>::commits(self)
    }

    fn abilities(&self) -> Abilities {
        <Self as Testbed<Toy>>::abilities(self)
    }
}

/// The message of the suite about a backend with a defect; empty if it finds none.
fn suite_message(defect: Option<Defect>) -> String {
    DEFECT.set(defect);
    let outcome = catch_unwind(|| conformance::<Broken>(&Toys));
    DEFECT.set(None);
    outcome.err().map(|panic| panic.downcast_ref::<String>().unwrap().clone()).unwrap_or_default()
}

#[test]
fn what_is_whole_is_found_whole() {
    assert_eq!(suite_message(None), "");
}

#[test]
fn what_is_broken_is_named() {
    // (what is broken, one of the behaviours that name it)
    let table = [
        (Defect::BeginsNothing, "a connection tells whether a transaction is open"),
        (Defect::CommitsNothing, "a connection tells whether a transaction is open"),
        (Defect::RollsNothingBack, "a transaction is rolled back if its body fails or unwinds"),
        (Defect::FailsToRollBackNothing, "a connection tells whether a transaction is open"),
        (Defect::NeverInTransaction, "a transaction of the caller's is refused and left open"),
        (Defect::CommitsWhatFails, "a transaction is rolled back if its body fails or unwinds"),
        (Defect::CommitsWhatUnwinds, "a panic in code leaves what it must"),
        (Defect::LetsCodeEndTheTransaction, "code that ends its transaction is an error"),
        (Defect::MakesATableByReading, "looking creates nothing"),
        (Defect::ReadsBackwards, "what is undone is gone, newest first, with a line in the log"),
        (Defect::SortsByName, "a late migration runs, and is the newest"),
        (Defect::ForgetsRecordsOfANewTable, "a record comes back as it was written, oldest first"),
        (Defect::ForgetsDirt, "a step outside a transaction is dirty where it stopped"),
        (Defect::ForgetsTheStatement, "a record comes back as it was written, oldest first"),
        (Defect::ForgetsWhatIsToGoOn, "a record comes back as it was written, oldest first"),
        (Defect::ForgetsFailures, "a record comes back as it was written, oldest first"),
        (Defect::ForgetsOptions, "a script is run and kept to the last character"),
        (Defect::ForgetsTheDate, "a record comes back as it was written, oldest first"),
        (Defect::WritesNoDate, "dates are UTC with milliseconds, and follow each other"),
        (Defect::WritesLocalDates, "dates are UTC with milliseconds, and follow each other"),
        (Defect::DatesAnew, "an update rewrites a record but for its date"),
        (Defect::RoundsDurations, "a duration is that of the script"),
        (Defect::CutsScripts, "a long script is run and not kept, but its way back is"),
        (Defect::TrimsScripts, "a script is run and kept to the last character"),
        (Defect::TrimsNames, "migrations of any name are told apart"),
        (Defect::FoldsNames, "migrations of any name are told apart"),
        (Defect::InsertsTwice, "a record that cannot be written is a fault"),
        (Defect::UpdatesNothing, "an update rewrites a record but for its date"),
        (Defect::UpdatesWhatIsNotThere, "a record that cannot be written is a fault"),
        (Defect::DeletesNothing, "a record is removed and the others stay"),
        (Defect::DeletesAll, "a record is removed and the others stay"),
        (Defect::DeletesWhatIsNotThere, "a record that cannot be written is a fault"),
        (Defect::StampsNothing, "the head tells what the newest record carries"),
        (Defect::CountsWrong, "a missing table is an empty history, and reading makes none"),
        (Defect::KnowsNoHead, "the head tells what the newest record carries"),
        (Defect::HasOneTable, "runners of different tables do not disturb each other"),
        (Defect::HasOneLog, "tables of any name are apart from each other"),
        (Defect::LogsNothing, "what is undone is gone, newest first, with a line in the log"),
        (Defect::LogsWithoutReason, "a step is marked done, and its line says by whom"),
        (Defect::LogsBackwards, "a line of the log comes back as it was written, oldest first"),
        (Defect::RunsNothing, "a migration is applied once"),
        (Defect::RunsSilently, "a script outside a transaction tells each statement that is done"),
        (Defect::RunsOn, "a script stops where it is told to"),
        (Defect::FailsSilently, "a script that fails leaves what it must, and says where"),
        (Defect::FailsNowhere, "a fault of a script has its statement and its place"),
        (
            Defect::CountsStatementsFromZero,
            "a script outside a transaction tells each statement that is done",
        ),
        (Defect::ForgetsTheMark, "a record comes back as it was written, oldest first"),
        (Defect::AdvancesNothing, "how far a step came is rewritten only where its run left it"),
        (Defect::AdvancesWhatIsTaken, "how far a step came is rewritten only where its run left it"),
        (Defect::RepeatsWhatIsDone, "a step goes on where it stopped, with the rest of its script corrected"),
        (Defect::PlacesWrong, "a step goes on where it stopped, with the rest of its script corrected"),
    ];
    for (defect, name) in table {
        let told = suite_message(Some(defect));
        let line = format!("\n`{name}`: ");
        assert!(told.contains(&line), "{defect:?}: {told}");
    }
}

/// A table that reads differently each time was taken for one that another program had just changed, without end.
#[test]
fn a_table_that_reads_differently_each_time_keeps_no_run_busy_forever() {
    let database = <Toys as Testbed<Broken>>::create(&Toys);
    let made =
        |id: &'static str| Migration::from_scripts(id, <Toys as Testbed<Broken>>::make(&Toys, id), None);
    let run = |migrations: Vec<Migration<Broken>>| {
        let runner = MigrationRunner::<Broken>::for_backend(migrations).unwrap().lock(Lock::Off);
        <Toys as Testbed<Broken>>::connect(&Toys, &database, |settings| runner.run(settings))
    };
    run(vec![made("2_b")]).unwrap();
    DEFECT.set(Some(Defect::ReadsAnotherDateEachTime));
    // The records are read, because the new migration comes before an applied one.
    let outcome = run(vec![made("1_a"), made("2_b")]);
    DEFECT.set(None);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(run(vec![made("1_a"), made("2_b")]).unwrap().applied.len(), 1);
}
