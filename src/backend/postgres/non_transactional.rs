//! A statement of a script outside a transaction: its class, and how it runs.

use postgres::Client;
use postgres::error::SqlState;

use super::query::refused_as;
use super::{Postgres, outcome, settings};
use crate::backend::non_transactional::{self as common, ScriptRun, TransactionState};
use crate::backend::server_transactions::{chains, distributed};
use crate::fault::{Fault, FaultKind};
use crate::progress::ScriptProgress;
use crate::sql::{Token, Tokens};

/// What a statement does to the transactions of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementClass {
    /// A class that exists on every database.
    Common(common::StatementClass),
    /// It configures the open transaction, and a record in that transaction would make it fail: `SET TRANSACTION`.
    Unrecorded,
    /// It cannot share a transaction with its record, and must not run again: `CREATE INDEX CONCURRENTLY`.
    Unrepeatable,
}

/// The class of a statement that runs outside the engine's transaction.
pub(super) fn classify(text: &str) -> StatementClass {
    use common::StatementClass::{Begin, Commit, Plain, Repeatable, Rollback};

    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let rest: Vec<Token<'_>> = tokens.take(6).collect();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    let second = |word| rest.first().is_some_and(|token| token.is(word));
    if is(&["begin"]) || (is(&["start"]) && second("transaction")) {
        StatementClass::Common(Begin)
    } else if is(&["commit", "end"]) {
        StatementClass::Common(Commit)
    } else if is(&["abort"]) || (is(&["rollback"]) && !rest.iter().any(|token| token.is("to"))) {
        StatementClass::Common(Rollback)
    } else if is(&["set"]) && second("transaction") {
        StatementClass::Unrecorded
    } else if is_setting(text) || is(&["vacuum"]) {
        StatementClass::Common(Repeatable)
    } else if !is(&["refresh"]) && rest.iter().any(|token| token.is("concurrently")) {
        StatementClass::Unrepeatable
    } else {
        StatementClass::Common(Plain)
    }
}

/// Whether a statement changes nothing but settings of the session.
pub(super) fn is_setting(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    is(&["set", "reset", "load"]) || (is(&["select"]) && tokens.take(3).any(|token| token.is("set_config")))
}

/// Whether a statement changes nothing but the session for certain: no function that it calls could write.
pub(super) fn only_sets_session(text: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(text).collect();
    match &*tokens {
        [first, ..] if first.is_any(&["set", "reset", "begin"]) => true,
        [first, second, ..] if first.is("start") => second.is("transaction"),
        // As `pg_dump` writes it.
        [first, ..] if first.is("select") => {
            let call = match &*tokens {
                [_, schema, Token::Mark(b'.'), call @ ..] if schema.is("pg_catalog") => call,
                [_, call @ ..] => call,
                [] => return false,
            };
            let sets = |end: &[Token<'_>]| end.iter().all(|token| *token == Token::Mark(b';'));
            matches!(call, [
                name, Token::Mark(b'('), Token::Quoted(_), Token::Mark(b','), Token::Quoted(_), Token::Mark(b','),
                Token::Word(_), Token::Mark(b')'), end @ ..
            ] if name.is("set_config") && sets(end))
        }
        _ => false,
    }
}

pub(super) fn prepares_transaction(text: &str) -> bool {
    let mut tokens = Tokens::new(text);
    let mut next_is = |word| tokens.next().is_some_and(|token| token.is(word));
    next_is("prepare") && next_is("transaction")
}

/// Runs a statement outside the engine's transaction, and records that it is done.
pub(super) fn run_statement(
    conn: &mut &mut Client,
    script_run: &mut ScriptRun<'_, '_, Postgres>,
    number: u32,
    text: &str,
    run: &mut dyn FnMut(&mut &mut Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    use common::StatementClass::{Commit, Rollback};

    if prepares_transaction(text) {
        // It would keep the record locked, with the progress that is recorded in it.
        return Err(distributed());
    }
    let outcome = match classify(text) {
        // A read-only transaction may run again without harm, and accepts no record.
        StatementClass::Common(Commit)
            if script_run.script_transaction_open() && settings::is_read_only(conn)? =>
        {
            return if chains(text) {
                run(conn)
            } else {
                script_run.run_statement(conn, number, Rollback, run)
            };
        }
        StatementClass::Unrepeatable => {
            let mark = outcome::mark(conn, text);
            return run_unrepeatable(conn, script_run, number, &mark, run)
                .map_err(|fault| outcome::failed(conn, text, &mark, fault));
        }
        StatementClass::Unrecorded => run(conn),
        StatementClass::Common(class) => script_run.run_statement(conn, number, class, run),
    };
    match outcome {
        Err(refused) if script_run.script_transaction_open() => Err(refused),
        // Only the server knows whether a statement cannot run in a transaction or ends it: `DO` and `CALL` may do either.
        Err(refused) if refused_as(&refused, &SqlState::ACTIVE_SQL_TRANSACTION) => {
            run_unrepeatable(conn, script_run, number, "", run)
        }
        // What the statement commits stays, even if the statement fails.
        Err(refused) if refused_as(&refused, &SqlState::INVALID_TRANSACTION_TERMINATION) => {
            run_unrepeatable(conn, script_run, number, "", run).map_err(Fault::partial)
        }
        Err(refused) if refused.kind() == FaultKind::ReadOnly && is_setting(text) => {
            let why = "leave default_transaction_read_only as it is, since it is written down after each statement how far a script is";
            Err(refused.remedy(why))
        }
        outcome => outcome,
    }
}

/// Runs a statement that must not run again. One record before it says that it begins, and one after it says that it is done.
fn run_unrepeatable(
    conn: &mut &mut Client,
    script_run: &mut ScriptRun<'_, '_, Postgres>,
    number: u32,
    mark: &str,
    run: &mut dyn FnMut(&mut &mut Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = ScriptProgress { mark: Some(mark.to_owned()), ..script_run.before_statement(number) };
    script_run.record(conn, &start)?;
    run(conn)?;
    script_run.transaction = TransactionState::Closed;
    script_run.record_committed(conn, &script_run.before_statement(number + 1))
}

#[cfg(test)]
mod tests {
    use super::StatementClass::{Common, Unrecorded, Unrepeatable};
    use super::*;
    use crate::backend::non_transactional::StatementClass::*;

    #[test]
    fn what_ends_with_the_session_is_told_from_what_stays() {
        for (text, expected) in [
            ("SET lock_timeout = '1s'", true),
            ("SET LOCAL search_path = a", true),
            ("RESET ALL", true),
            ("BEGIN", true),
            ("START TRANSACTION READ ONLY", true),
            ("SELECT pg_catalog.set_config('search_path', '', false)", true),
            ("/* so */ select set_config('a.b', 'c', true);", true),
            ("SELECT set_config('a.b', f(), true)", false),
            ("SELECT set_config('a.b', 'c', true), f()", false),
            ("SELECT set_config('a.b', 'c', true) FROM f()", false),
            ("SELECT mine.set_config('a.b', 'c', true)", false),
            ("LOAD 'a'", false),
            ("CREATE TABLE a (b INT)", false),
            ("COMMIT", false),
            ("PREPARE TRANSACTION 'a'", false),
            ("", false),
        ] {
            assert_eq!(only_sets_session(text), expected, "{text}");
        }
    }

    #[test]
    fn statements_have_their_class() {
        let rows = [
            ("START TRANSACTION", Common(Begin)),
            ("END", Common(Commit)),
            ("COMMIT AND CHAIN", Common(Commit)),
            ("ROLLBACK", Common(Rollback)),
            ("ROLLBACK TO a", Common(Plain)),
            ("SET TRANSACTION READ ONLY", Unrecorded),
            ("SET search_path = a", Common(Repeatable)),
            ("VACUUM", Common(Repeatable)),
            ("CREATE INDEX CONCURRENTLY i ON t (a)", Unrepeatable),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY a", Common(Plain)),
            ("INSERT INTO t VALUES (1)", Common(Plain)),
        ];
        for (text, expected) in rows {
            assert_eq!(classify(text), expected, "{text}");
        }
    }
}
