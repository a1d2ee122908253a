//! What the statements of a script do to a transaction.

use super::Postgres;
use crate::backend::transaction_fit::{skipped_ends, transaction_fit};
use crate::backend::transaction_rules::TransactionRules;
use crate::sql::pieces::Piece;
use crate::sql::postgres::statements;
use crate::sql::transactions::{Control, Ends};
use crate::sql::{Token, Tokens};
use crate::step::Atomicity;
use crate::transaction_fit::TransactionFit;

/// The server only warns about `COMMIT` without a transaction, and about `BEGIN` inside one.
impl TransactionRules for Postgres {}

/// Whether a script fits into a transaction. A script that cannot be split is refused when it runs.
pub(super) fn fits(script: &str) -> TransactionFit {
    let Ok(pieces) = statements(script) else { return TransactionFit::Inside };
    let controls: Vec<_> = pieces.iter().map(|piece| (control(piece.text), piece.offset)).collect();
    transaction_fit::<Postgres>(&controls)
}

/// The numbers of the two statements that are skipped when these statements run with this atomicity.
pub(super) fn skipped(pieces: &[Piece<'_>], atomicity: Atomicity) -> Option<Ends> {
    let controls: Vec<_> = pieces.iter().map(|piece| control(piece.text)).collect();
    skipped_ends(&controls, atomicity)
}

/// What a statement does to a transaction.
pub(super) fn control(text: &str) -> Control {
    let mut tokens = Tokens::new(text);
    let first = tokens.next();
    let rest: Vec<Token<'_>> = tokens.take(16).collect();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    let second = |words: &[&str]| rest.first().is_some_and(|token| token.is_any(words));
    let has = |word: &str| rest.iter().any(|token| token.is(word));
    let only = |words: &[&str]| rest.iter().all(|token| token.is_any(words));
    if is(&["begin"]) || (is(&["start"]) && second(&["transaction"])) {
        // The transactions of the engine are READ COMMITTED and may write.
        if only(&["work", "transaction", "read", "write"]) { Control::Begins } else { Control::BeginsOwn }
    } else if is(&["commit"]) && second(&["prepared"]) {
        Control::Refuses
    } else if is(&["commit", "end"]) {
        let is_plain = only(&["work", "transaction"]) || (has("no") && has("chain"));
        if is_plain { Control::Commits } else { Control::Ends }
    } else if is(&["abort"])
        || (is(&["rollback"]) && !has("to"))
        || (is(&["prepare"]) && second(&["transaction"]))
    {
        Control::Ends
    } else if is(&["set"]) && second(&["transaction"]) {
        Control::Isolates
    } else if (is(&["set", "reset"]) && !second(&["local", "constraints"]))
        || (is(&["select"]) && has("set_config") && !has("from"))
    {
        Control::Sets
    } else if refuses(first, &rest) {
        Control::Refuses
    } else {
        Control::Other
    }
}

/// Whether the server always refuses a statement in a transaction (`PreventInTransactionBlock` in its source). It does not refuse
/// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
fn refuses(first: Option<Token<'_>>, rest: &[Token<'_>]) -> bool {
    let is = |word: &str| first.is_some_and(|first| first.is(word));
    let at = |place: usize, words: &[&str]| rest.get(place).is_some_and(|token| token.is_any(words));
    let has = |word: &str| rest.iter().any(|token| token.is(word));
    let is_index = at(0, &["index"]) || (at(0, &["unique"]) && at(1, &["index"]));
    match () {
        () if is("vacuum") => true,
        () if is("discard") => at(0, &["all"]),
        // Unless it makes no slot on the other server.
        () if is("create") && at(0, &["subscription"]) => !has("create_slot") && !has("connect"),
        () if is("create") => {
            at(0, &["database", "tablespace"])
                || (is_index && rest.iter().take(3).any(|token| token.is("concurrently")))
        }
        () if is("drop") => at(0, &["database", "tablespace"]) || (is_index && at(1, &["concurrently"])),
        () if is("cluster") => rest.is_empty(),
        () if is("reindex") => {
            let is_off = |two: &[Token<'_>]| {
                two[0].is("concurrently") && ["false", "off", "0"].iter().any(|off| two[1].is(off))
            };
            at(0, &["database", "system", "schema"]) || (has("concurrently") && !rest.windows(2).any(is_off))
        }
        () if is("alter") && at(0, &["database"]) => has("set") && has("tablespace"),
        () if is("alter") => at(0, &["system"]) || (has("detach") && has("concurrently")),
        () => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::transaction_fit::in_short;

    #[test]
    fn scripts_fit_into_a_transaction_or_do_not() {
        let rows = [
            ("CREATE TABLE a (b INT)", "inside"),
            ("BEGIN; CREATE TABLE a (b INT); COMMIT;", "inside"),
            ("START TRANSACTION READ WRITE; SELECT 1; END WORK", "inside"),
            ("SET search_path = a; -- so\nBEGIN; SELECT 1; COMMIT AND NO CHAIN; RESET ALL", "inside"),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END", "inside"),
            ("DO $$ BEGIN PERFORM 1; END $$", "inside"),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY a", "inside"),
            ("ALTER TYPE a ADD VALUE 'b'", "inside"),
            ("CREATE INDEX i ON t (concurrently)", "inside"),
            ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "outside"),
            ("SET lock_timeout = '1s'; CREATE INDEX CONCURRENTLY i ON t (a)", "outside"),
            ("DROP INDEX CONCURRENTLY i; DROP INDEX CONCURRENTLY j", "outside"),
            ("REINDEX (VERBOSE) TABLE CONCURRENTLY t", "outside"),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "outside"),
            ("VACUUM (ANALYZE) t", "outside"),
            ("DISCARD ALL", "outside"),
            ("DISCARD TEMP", "inside"),
            ("ALTER DATABASE d SET TABLESPACE t", "outside"),
            ("ALTER DATABASE d SET work_mem = '1MB'", "inside"),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "outside"),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = false)", "inside"),
            ("CREATE TABLE t (a INT); CREATE INDEX CONCURRENTLY i ON t (a)", "24 has"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT", "0 begins"),
            ("BEGIN; SET TRANSACTION READ ONLY; SELECT 1; COMMIT", "0 begins"),
            ("SET TRANSACTION READ WRITE; CREATE TABLE a (b INT)", "inside"),
            ("REINDEX (CONCURRENTLY false) TABLE t; SELECT 1", "inside"),
            ("ALTER TABLE public.t DETACH PARTITION public.p CONCURRENTLY", "outside"),
            ("CLUSTER", "outside"),
            ("BEGIN; SELECT 1; COMMIT; SELECT 2", "0 begins"),
            ("BEGIN; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT", "45 would"),
            ("BEGIN; SELECT 1", "0 begins, hopeless"),
            ("SELECT 1; COMMIT; SELECT 2", "10 would"),
            ("COMMIT; CREATE INDEX CONCURRENTLY i ON t (a); BEGIN", "0 would"),
        ];
        for (script, expected) in rows {
            assert_eq!(in_short(&fits(script)), expected, "{script}");
        }
    }
}
