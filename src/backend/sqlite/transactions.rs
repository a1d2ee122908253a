//! What the statements of a script do to a transaction.

use super::Sqlite;
use super::cursor::Pragma;
use crate::backend::transaction_fit::{skipped_ends, transaction_fit};
use crate::backend::transaction_rules::TransactionRules;
use crate::sql::transactions::{Control, Ends};
use crate::sql::{Token, Tokens, contains, same_name, statements};
use crate::step::Atomicity;
use crate::transaction_fit::TransactionFit;

impl TransactionRules for Sqlite {
    const REFUSES_UNMATCHED: bool = true;
}

/// Whether a script fits into a transaction.
pub(super) fn fits(script: &str) -> TransactionFit {
    transaction_fit::<Sqlite>(&controls(script))
}

/// The numbers of the two statements of a script that are skipped when it runs with this atomicity.
pub(super) fn skipped(script: &str, atomicity: Atomicity) -> Option<Ends> {
    // Most scripts begin no transaction.
    if !contains(script, "begin") {
        return None;
    }
    let controls: Vec<Control> = controls(script).into_iter().map(|(control, _)| control).collect();
    skipped_ends(&controls, atomicity)
}

fn controls(script: &str) -> Vec<(Control, usize)> {
    statements(script).map(|(start, statement)| (control(statement), start)).collect()
}

/// What a statement does to a transaction.
pub(super) fn control(statement: &str) -> Control {
    let mut tokens = Tokens::new(statement);
    let Some(first) = tokens.next() else { return Control::Other };
    let is = |words: &[&str]| first.is_any(words);
    // SQLite refuses anything longer than `BEGIN IMMEDIATE TRANSACTION name`.
    let is_whole = || tokens.clone().filter(|token| *token != Token::Mark(b';')).count() <= 3;
    if is(&["begin"]) && is_whole() {
        Control::Begins
    } else if is(&["commit", "end"]) && is_whole() {
        Control::Commits
    } else if is(&["rollback"]) {
        if tokens.any(|token| token.is("to")) { Control::Other } else { Control::Ends }
    } else if is(&["savepoint"]) {
        Control::Saves
    } else if is(&["vacuum"]) {
        Control::Refuses
    } else if is(&["pragma"]) {
        pragma(statement)
    } else {
        Control::Other
    }
}

/// "Safety level may not be changed inside a transaction" (`PragTyp_SYNCHRONOUS` in pragma.c). A journal mode that is already in force
/// may be set, and a checkpoint does nothing without a WAL.
fn pragma(statement: &str) -> Control {
    let Some(Pragma { name, value, .. }) = Pragma::of(statement) else { return Control::Other };
    let is = |word: &str| same_name(name, word);
    match value {
        Some(_) if is("synchronous") => Control::SetsOnlyOutside,
        Some(_) if is("journal_mode") || is("temp_store") => Control::SetsOutside,
        _ if is("wal_checkpoint") => Control::SetsOutside,
        _ => Control::Sets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::transaction_fit::in_short;

    #[test]
    fn scripts_fit_into_a_transaction_or_do_not() {
        let rows = [
            ("CREATE TABLE a (b)", "inside"),
            ("", "inside"),
            ("-- nothing", "inside"),
            ("BEGIN; CREATE TABLE a (b); COMMIT;", "inside"),
            ("/* a */ begin immediate transaction;\r\nSELECT 1;\r\n-- b\r\nEND TRANSACTION -- c", "inside"),
            ("PRAGMA foreign_keys = OFF; BEGIN; SELECT 1; COMMIT; PRAGMA foreign_keys = ON", "inside"),
            ("SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a", "inside"),
            (
                "CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END;",
                "inside",
            ),
            ("CREATE TABLE t (begin, commit); SELECT 'COMMIT; BEGIN'", "inside"),
            ("PRAGMA foreign_keys = ON", "inside"),
            ("PRAGMA journal_mode = WAL; CREATE TABLE a (b)", "inside"),
            ("VACUUM", "outside"),
            ("VACUUM INTO 'x'; -- done", "outside"),
            ("PRAGMA journal_mode = WAL", "either"),
            ("PRAGMA journal_mode = WAL; BEGIN; CREATE TABLE a (b); COMMIT", "outside"),
            ("BEGIN; CREATE TABLE a (b); COMMIT;; PRAGMA synchronous = FULL", "outside"),
            (
                "PRAGMA main.journal_mode(wal); PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
                "outside",
            ),
            ("CREATE TABLE a (b); VACUUM", "20 has"),
            ("PRAGMA synchronous = OFF; CREATE TABLE a (b)", "0 has"),
            ("BEGIN; VACUUM; COMMIT", "7 has, hopeless"),
            ("BEGIN; SELECT 1; COMMIT; BEGIN; VACUUM; COMMIT", "32 has, hopeless"),
            ("SELECT 1; BEGIN; SELECT 2; COMMIT", "10 begins"),
            ("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT", "0 begins"),
            ("BEGIN; SELECT 1", "0 begins, hopeless"),
            ("SELECT 1; COMMIT; SELECT 2", "10 would, hopeless"),
            ("SAVEPOINT a; SELECT 1; COMMIT", "23 would"),
            ("COMMIT; PRAGMA foreign_keys = OFF; BEGIN", "0 would"),
        ];
        for (script, expected) in rows {
            assert_eq!(in_short(&fits(script)), expected, "{script}");
        }
    }
}
