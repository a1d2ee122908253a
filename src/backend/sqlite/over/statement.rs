//! What the text of a statement tells about it.

use crate::backend::row_count::asks_for_row_count;
use crate::backend::sqlite::script::{asks_for_changes, changes_session, has_parameter, makes_temporary};
use crate::backend::sqlite::transactions::control;
use crate::backend::statements::refused::own_transaction;
use crate::backend::statements::script::Again;
use crate::backend::statements::{Statements, column};
use crate::fault::{Fault, FaultKind};
use crate::sql::transactions::Control;
use crate::sql::{Token, Tokens, has_word};
use crate::step::Atomicity;

/// Why a statement is refused. SQLite would take a parameter without a value for `NULL`.
pub(super) fn why_refused(statement: &str, atomicity: Atomicity) -> Option<Fault> {
    let is_outside = atomicity == Atomicity::NonTransactional;
    match control(statement) {
        _ if names_parameter(statement) => Some(has_parameter()),
        Control::Begins | Control::Commits | Control::Ends | Control::Saves if is_outside => {
            Some(own_transaction())
        }
        _ if is_outside && asks_for_changes(statement) => Some(asks_for_row_count()),
        _ => None,
    }
}

/// Whether a text has a parameter: `?`, `?1`, `:a`, `@a`, `#a` or `$a`. Outside of quotes, SQLite knows these characters for nothing else; a
/// `$` inside a name is part of the name.
pub(super) fn names_parameter(text: &str) -> bool {
    text.contains(['?', ':', '@', '#', '$'])
        && Tokens::new(text).any(|token| match token {
            Token::Mark(mark) => b"?:@#".contains(&mark),
            Token::Word(word) => word.starts_with('$'),
            Token::Quoted(_) => false,
        })
}

/// What becomes of a statement that is done when its script is resumed in another session.
pub(super) fn again(statement: &str) -> Again {
    match () {
        () if makes_temporary(statement) => Again::Lost,
        () if changes_session(statement) => Again::Runs,
        () => Again::Skipped,
    }
}

/// Whether something of a statement may stay, although it failed: rows before the one at which `FAIL` ended it. A constraint or a trigger
/// can say `FAIL` too, also one of another database.
pub(super) fn may_stay<S: Statements>(conn: &mut S, statement: &str, fault: &Fault) -> bool {
    let sql = "SELECT sql AS c0 FROM main.sqlite_master WHERE sql LIKE '%fail%'
        UNION ALL SELECT sql FROM temp.sqlite_master WHERE sql LIKE '%fail%'
        UNION ALL SELECT 'fail' FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let changes_rows = || has_word(statement, &["insert", "update", "delete", "replace"]);
    fault.kind() == FaultKind::Disconnected
        || has_word(statement, &["fail"])
        || (changes_rows()
            && column(conn, sql).map_or(true, |found| found.iter().any(|sql| has_word(sql, &["fail"]))))
}
