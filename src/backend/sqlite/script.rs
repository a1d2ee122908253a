//! Runs a script: SQLite splits it into statements, and the engine checks each before and after it runs.

use std::time::Duration;

// The trait from rusqlite 0.35 on. Before that, `Batch` has a method of the same name and signature.
#[allow(unused_imports)]
use fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, ErrorCode, Statement};

use super::cursor::Pragma;
use super::explain::with_rows;
use super::fault::unless_rolled_back;
use super::ledger::{Ledger, Place};
use super::pragmas::Pragmas;
use super::query::value;
use super::tracker::Tracker;
use super::{Sqlite, attached, fault, keys, message, transactions, tripwire};
use crate::account::Execution;
use crate::backend::driver::{Progress, interruptible};
use crate::backend::faults::ended_transaction;
use crate::backend::last_row::asks_for_last_row;
use crate::backend::non_transactional::{ScriptRun, StatementClass};
use crate::backend::retry::patiently;
use crate::backend::row_count::asks_for_row_count;
use crate::backend::script::Script;
use crate::backend::script_faults::{KEEP_OUT, lost_with_session, outside_transaction};
use crate::cancel;
use crate::fault::{Fault, FaultKind};
use crate::sql::transactions::Control;
use crate::sql::{
    Token, Tokens, folded, part, same_name, statement_at, statement_count, statement_end, statement_start,
};
use crate::step::{Atomicity, Cascade, ForeignKeys};
use crate::touched::Touched;

pub(super) fn run(
    conn: &mut &Connection,
    script: &Script<'_>,
    progress: &mut Progress<'_, Sqlite>,
) -> Result<Execution, Fault> {
    let mut ledger = Ledger::new(script);
    match run_statements(conn, script, progress, &mut ledger) {
        Ok(touched) => unless_rolled_back(conn, |conn| ledger.close(conn, touched)),
        Err(fault) => {
            if script.atomicity == Atomicity::NonTransactional {
                ledger.abandon(conn);
            }
            Err(fault)
        }
    }
}

fn run_statements(
    conn: &mut &Connection,
    script: &Script<'_>,
    progress: &mut Progress<'_, Sqlite>,
    ledger: &mut Ledger,
) -> Result<Touched, Fault> {
    let text = script.text;
    let begin = statement_at(text, script.from).unwrap_or(text.len());
    if script.from > 1 && asks_for_last_row([part(text, begin..)].into_iter()) {
        return Err(lost_with_session(script.from - 1).at(begin));
    }
    let mut pragmas = Pragmas::of(conn, script.atomicity, patience(script));
    prepare_session(conn, script, begin, &mut pragmas)?;
    ledger.resume(part(text, ..begin));
    // SQLite copies the rest of the text for each statement, unless it ends in a NUL (`sqlite3Prepare` in prepare.c). With a NUL, the
    // time for a long script is proportional to its length and not to the square of its length.
    let terminated = format!("{text}\0");
    let mut batch = Batch::new(conn, part(&terminated, begin..));
    let (mut number, mut end) = (script.from, begin);
    let mut script_run = (script.atomicity == Atomicity::NonTransactional)
        .then(|| ScriptRun::<Sqlite>::new(progress, statement_count(text), limit(script)));
    let mut savepoints = Savepoints::default();
    let skipped = transactions::skipped(text, script.atomicity);
    let mut left_to_skip = if skipped.is_some() { 2 } else { 0 };
    let mut tracker = Tracker::new();
    let mut of = None;
    loop {
        let start = statement_start(text, end);
        let whole = || part(text, start..statement_end(text, start));
        let noted = pragmas.before(part(text, start..));
        noted.map_err(|fault| fault.at(start).in_statement(number, whole()))?;
        let next = patiently(patience(script), || {
            batch.next().map_err(|error| {
                let offset = input_offset(&error, &terminated).unwrap_or(start);
                explained(error, script, whole()).at(offset)
            })
        });
        let Some(mut statement) = next.map_err(|fault| fault.in_statement(number, whole()))? else {
            break;
        };
        let own = own_text(&statement).map_err(|fault| fault.at(start).in_statement(number, whole()))?;
        let stripped = part(&own, statement_start(&own, 0)..);
        end = if part(text, start..).starts_with(stripped) {
            start + stripped.len()
        } else {
            statement_end(text, start)
        };
        let is_skipped = skipped.is_some_and(|ends| ends.has(number))
            && matches!(transactions::control(stripped), Control::Begins | Control::Commits);
        left_to_skip -= i32::from(is_skipped);
        let is_told =
            script.begin_statement(number, || Some(*of.get_or_insert_with(|| statement_count(text))));
        is_told.map_err(|fault| fault.at(start).in_statement(number, part(text, start..end)))?;
        let class = match &script_run {
            Some(_) if is_skipped => Some(StatementClass::Repeatable),
            Some(script_run) if !asks_for_changes(&own) => {
                Some(classify(&own, &mut savepoints, script_run.script_transaction_open()))
            }
            _ => None,
        };
        // What ends a transaction of the script must not be interrupted: whether it is done would not be known.
        let is_interruptible =
            matches!(class, None | Some(StatementClass::Plain | StatementClass::Repeatable));
        let mut run = |conn: &mut &Connection| {
            if is_skipped {
                return Ok(());
            }
            let place = Place { number, offset: start, own: stripped, rest: part(text, end..) };
            let (foreseen, prediction) = unless_rolled_back(conn, |conn| {
                let foreseen = stoppable(conn, is_interruptible, |conn| ledger.foresee(conn, place))?;
                Ok((foreseen, tracker.predict(conn, stripped)?))
            })?;
            checked(conn, script, &own, |conn| {
                let finish = |conn: &Connection| finish(conn, script, &mut statement, &own);
                stoppable(conn, is_interruptible, finish)
            })?;
            unless_rolled_back(conn, |conn| {
                pragmas.after(stripped, part(text, end..))?;
                stoppable(conn, is_interruptible, |conn| ledger.note(conn, place, &foreseen))?;
                if matches!(class, None | Some(StatementClass::Plain)) {
                    // The ledger takes what it could not count for unknown.
                    cancel::check()?;
                }
                tracker.record(conn, stripped, &prediction, foreseen.reach(), ledger.may_explain())
            })
        };
        let outcome = match (&mut script_run, class) {
            (None, _) => run(conn),
            (Some(_), None) => Err(asks_for_row_count()),
            (Some(script_run), Some(class)) => script_run.run_statement(conn, number, class, &mut run),
        };
        outcome.map_err(|fault| fault.at(start).in_statement(number, part(text, start..end)))?;
        number += 1;
    }
    // SQLite and the engine split the script differently, so one of the two statements to skip is elsewhere.
    if script.from == 1 && left_to_skip > 0 {
        let what = "it begins a transaction and does not end it, or ends one that it did not begin";
        return Err(Fault::new(FaultKind::Other, what).remedy(KEEP_OUT));
    }
    pragmas.finish()?;
    Ok(tracker.touched())
}

/// Runs `body`, and interrupts it if the run is cancelled and it may be interrupted.
fn stoppable<R>(
    mut conn: &Connection,
    is_interruptible: bool,
    body: impl FnOnce(&Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    if is_interruptible { interruptible::<Sqlite, _>(&mut conn, |conn| body(conn)) } else { body(conn) }
}

/// Repeats the finished statements that changed the session, which has ended since.
fn prepare_session(
    conn: &Connection,
    script: &Script<'_>,
    begin: usize,
    pragmas: &mut Pragmas<'_>,
) -> Result<(), Fault> {
    let text = script.text;
    let (mut number, mut start) = (1, statement_start(text, 0));
    while start < begin {
        let end = statement_end(text, start);
        let own = part(text, start..end);
        let located = |fault: Fault| fault.at(start).in_statement(script.from, own);
        if makes_temporary(own) {
            return Err(located(lost_with_session(number)));
        }
        if changes_session(own) {
            let run = |conn: &Connection| match conn.execute_batch(own) {
                // The connection still has that database attached.
                Err(error) if message(&error).contains("is already in use") => Ok(()),
                outcome => outcome.map_err(fault),
            };
            pragmas.before(own).map_err(located)?;
            checked(conn, script, own, run).map_err(located)?;
        }
        pragmas.repeated(own);
        (number, start) = (number + 1, statement_start(text, end));
    }
    Ok(())
}

/// Whether a statement creates something that ends with the session.
pub(super) fn makes_temporary(own: &str) -> bool {
    let mut tokens = Tokens::new(own);
    let (first, second) = (tokens.next(), tokens.next());
    let is = |token: Option<Token<'_>>, words: &[&str]| token.is_some_and(|token| token.is_any(words));
    let in_temp = own
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
        .any(|word| word.get(..5).is_some_and(|start| same_name(start, "temp.")));
    is(first, &["create"]) && (is(second, &["temp", "temporary"]) || in_temp)
}

/// Whether a statement must run again in another session.
pub(super) fn changes_session(own: &str) -> bool {
    Tokens::new(own).next().is_some_and(|first| first.is_any(&["pragma", "attach", "detach"]))
}

/// Whether a statement asks how many rows other statements changed.
pub(super) fn asks_for_changes(own: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(own).collect();
    let makes =
        tokens.iter().find(|token| **token != Token::Mark(b';')).is_some_and(|first| first.is("create"));
    let is_call = |pair: &[Token<'_>]| pair[0].is("changes") && pair[1] == Token::Mark(b'(');
    !makes && tokens.windows(2).any(is_call)
}

/// The class of a statement that runs outside the engine's transaction. Pragmas and `VACUUM` refuse to run in a transaction, and may run
/// again without harm.
fn classify(own: &str, savepoints: &mut Savepoints, script_transaction_open: bool) -> StatementClass {
    let mut tokens = Tokens::new(part(own, statement_start(own, 0)..));
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    if is(&["pragma", "vacuum", "attach", "detach"]) {
        StatementClass::Repeatable
    } else if is(&["begin"]) {
        *savepoints = Savepoints::default();
        StatementClass::Begin
    } else if is(&["savepoint"]) {
        savepoints.add(name_of(own), script_transaction_open);
        StatementClass::Begin
    } else if is(&["release"]) {
        if savepoints.release(&name_of(own)) { StatementClass::Commit } else { StatementClass::Plain }
    } else if is(&["commit", "end"]) {
        StatementClass::Commit
    } else if is(&["rollback"]) && tokens.any(|token| token.is("to")) {
        savepoints.roll_back_to(&name_of(own));
        StatementClass::Plain
    } else if is(&["rollback"]) {
        StatementClass::Rollback
    } else {
        StatementClass::Plain
    }
}

/// The savepoint in a statement, which is its last word.
fn name_of(own: &str) -> String {
    let name = Tokens::new(own).filter_map(Token::spelling).last().unwrap_or_default();
    folded(name.trim_matches(['"', '\'', '`', '[', ']']))
}

/// The open savepoints of the script's transaction, the outermost first.
#[derive(Default)]
struct Savepoints {
    names: Vec<String>,
    /// Whether the outermost savepoint began the transaction. Its release ends the transaction.
    is_transaction: bool,
}

impl Savepoints {
    fn add(&mut self, name: String, script_transaction_open: bool) {
        if !script_transaction_open {
            *self = Self { names: Vec::new(), is_transaction: true };
        }
        self.names.push(name);
    }

    /// Removes a savepoint and those inside it, and returns whether that commits the transaction.
    fn release(&mut self, name: &str) -> bool {
        let place = self.names.iter().rposition(|open| open == name).unwrap_or_default();
        self.names.truncate(place);
        self.is_transaction && place == 0
    }

    fn roll_back_to(&mut self, name: &str) {
        let place = self.names.iter().rposition(|open| open == name).unwrap_or_default();
        self.names.truncate(place + 1);
    }
}

/// How long to retry a statement that finds the database busy. Outside a transaction, such a statement has done nothing. Inside one, the
/// transaction already holds everything that it needs.
fn patience(script: &Script<'_>) -> Duration {
    match script.atomicity {
        Atomicity::Transaction => Duration::ZERO,
        Atomicity::NonTransactional => limit(script),
    }
}

/// How long a step outside a transaction waits for other connections. SQLite has only one lock, that of the database, so the limit of
/// a step on waits for locks is the limit of this wait.
fn limit(script: &Script<'_>) -> Duration {
    script.lock_timeout.unwrap_or(script.patience)
}

/// The fault of a statement with a parameter, which SQLite would take for `NULL`.
pub(super) fn has_parameter() -> Fault {
    Fault::new(FaultKind::Other, "it has a parameter, and a script has no values for one")
        .remedy("write the value, or put quotes around it if it is text")
}

/// The statement as SQLite split it.
pub(super) fn own_text(statement: &Statement<'_>) -> Result<String, Fault> {
    if statement.parameter_count() > 0 {
        return Err(has_parameter());
    }
    // Without parameters there is nothing to expand: the result is the text from the end of the previous statement to the end of this
    // one.
    let text = statement.expanded_sql();
    text.ok_or_else(|| {
        Fault::new(FaultKind::Other, "SQLite does not tell the statement's text, so it cannot be checked")
    })
}

/// The position that SQLite reports for an error in a statement that cannot be prepared.
#[cfg_attr(not(feature = "bundled"), allow(unused_variables, clippy::missing_const_for_fn))]
pub(super) fn input_offset(error: &rusqlite::Error, text: &str) -> Option<usize> {
    #[cfg(feature = "bundled")]
    if let rusqlite::Error::SqlInputError { sql, offset, .. } = error {
        let rest = text.len().checked_sub(sql.len())?;
        return usize::try_from(*offset).ok().map(|offset| rest + offset);
    }
    None
}

/// Runs one statement with its checks.
fn checked(
    conn: &Connection,
    script: &Script<'_>,
    own: &str,
    run: impl FnOnce(&Connection) -> Result<(), Fault>,
) -> Result<(), Fault> {
    refuse(conn, script, own)?;
    if script.foreign_keys == ForeignKeys::Enforced && script.cascade == Cascade::Refused {
        tripwire::around(conn, own, patience(script), run)?;
    } else {
        run(conn)?;
    }
    if script.atomicity == Atomicity::Transaction && conn.is_autocommit() {
        return Err(ended_transaction());
    }
    Ok(())
}

/// Runs one statement to its last row.
fn finish(
    conn: &Connection,
    script: &Script<'_>,
    statement: &mut Statement<'_>,
    own: &str,
) -> Result<(), Fault> {
    let first = patiently(patience(script), || {
        let mut rows = statement.raw_query();
        let mut first = None;
        while let Some(row) =
            rows.next().map_err(|error| with_rows(conn, explained(error, script, own), own))?
        {
            first = first.or_else(|| row.get_ref(0).ok()?.as_str().ok().map(str::to_owned));
        }
        Ok(first)
    })?;
    // Outside a transaction SQLite returns the current mode, whatever mode was requested.
    let is_file = || conn.path().is_some_and(|path| !path.is_empty());
    match (Pragma::of(own), first) {
        (Some(Pragma { name, .. }), _) if same_name(name, "foreign_keys") => {
            keys::reset(conn, script.foreign_keys).map_err(fault)
        }
        (Some(Pragma { name, value: Some(wanted), .. }), Some(mode))
            if same_name(name, "journal_mode") && is_file() && !same_name(&mode, wanted) =>
        {
            Err(Fault::new(FaultKind::Other, format!("the journal mode is still `{mode}`, not `{wanted}`"))
                .remedy("close other connections to the file, and check that its file system can do this"))
        }
        _ => Ok(()),
    }
}

fn explained(error: rusqlite::Error, script: &Script<'_>, own: &str) -> Fault {
    let message = message(&error);
    let is_locked = error.sqlite_error_code() == Some(ErrorCode::DatabaseLocked);
    let fault = fault(error);
    // "cannot VACUUM from within a transaction", "Safety level may not be changed inside a transaction", ...; a checkpoint only finds the
    // table locked.
    let wants_outside = ["within a transaction", "inside a transaction", "within transaction"];
    let is_refused = wants_outside.iter().any(|text| message.contains(text))
        || (is_locked && Pragma::of(own).is_some())
        || attached::is_in_use(own, &message);
    match script.atomicity {
        Atomicity::Transaction if is_refused => fault.remedy(outside_transaction()),
        // A connection in WAL mode keeps its lock of the file until it is closed, also one of a run that waits for the lock file.
        Atomicity::NonTransactional
            if fault.kind() == FaultKind::Busy
                && Pragma::of(own).is_some_and(|pragma| pragma.is("journal_mode")) =>
        {
            fault.remedy(
                "close the other connections to the file, also those of programs that wait for this run to start: in WAL mode each holds the file until it is closed",
            )
        }
        _ => fault,
    }
}

/// Refuses a statement that would end the engine's transaction, and one that SQLite would silently ignore.
fn refuse(conn: &Connection, script: &Script<'_>, own: &str) -> Result<(), Fault> {
    let off = |value: &str| ["off", "0", "false", "no"].iter().any(|off| same_name(value, off));
    let in_transaction = script.atomicity == Atomicity::Transaction;
    match Pragma::of(own) {
        Some(Pragma { name, value: Some(value), .. })
            if same_name(name, "foreign_keys")
                && script.foreign_keys == ForeignKeys::Enforced
                && off(value) =>
        {
            Err(Fault::new(
                FaultKind::Other,
                "it switches off the enforcement of foreign keys that it asked for",
            )
            .remedy("remove the pragma, or remove foreign_keys = \"on\" from its metadata"))
        }
        Some(Pragma { name, value: Some(wanted), .. })
            if in_transaction && same_name(name, "journal_mode") =>
        {
            let mode: String = value(conn, "PRAGMA journal_mode", &[]).map_err(fault)?;
            if same_name(&mode, wanted) {
                return Ok(());
            }
            let what = format!("the journal mode cannot change from `{mode}` to `{wanted}` in a transaction");
            Err(Fault::new(FaultKind::Other, what).remedy(outside_transaction()))
        }
        None if in_transaction => match transaction_control(own) {
            Some(word) => Err(controls_transaction(word)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `BEGIN`, `COMMIT`, `END` or `ROLLBACK`, but not `ROLLBACK TO` a savepoint.
fn transaction_control(own: &str) -> Option<&'static str> {
    let mut tokens = Tokens::new(part(own, statement_start(own, 0)..));
    let first = tokens.next()?;
    let word = ["BEGIN", "COMMIT", "END", "ROLLBACK"].into_iter().find(|word| first.is(word))?;
    (word != "ROLLBACK" || !tokens.any(|token| token.is("to"))).then_some(word)
}

fn controls_transaction(word: &str) -> Fault {
    let what = if word == "BEGIN" {
        "it begins a transaction, and it already runs in one"
    } else {
        "it would end the transaction that it runs in"
    };
    Fault::new(FaultKind::Other, what).remedy(KEEP_OUT)
}
