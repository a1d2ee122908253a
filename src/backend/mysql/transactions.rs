//! What the statements of a script do to a transaction.

use std::time::Duration;

use mysql::Conn;

use super::Mysql;
use super::query::{self, code, fault, first, get};
use crate::backend::script::Scope;
use crate::backend::server_transactions::chains;
use crate::backend::transaction_fit::{skipped_ends, transaction_fit};
use crate::backend::transaction_rules::TransactionRules;
use crate::fault::Fault;
use crate::sql::Tokens;
use crate::sql::mysql::{Kind, is_about_next, kind, statements};
use crate::sql::pieces::Piece;
use crate::sql::transactions::{Control, Ends};
use crate::step::{Atomicity, ForeignKeys};
use crate::transaction_fit::TransactionFit;

impl TransactionRules for Mysql {
    const BEGIN_COMMITS: bool = true;
    const HAS_IMPLICIT_COMMITS: bool = true;
    const SURVIVES_REFUSED_WRITE: bool = true;
}

impl Scope {
    /// A transaction of the engine that does not wait for other sessions.
    pub(super) const fn immediate() -> Self {
        Self::new(ForeignKeys::Unchecked, Duration::ZERO)
    }
}

/// Whether a transaction is open in a session of MySQL that can have one. Without `autocommit` the next statement begins one, and until then
/// there is nothing to commit. The server refuses to change the isolation of a transaction that has begun; setting the same isolation
/// changes nothing.
pub(super) fn has_begun(conn: &mut Conn) -> Result<bool, Fault> {
    let row = first(conn, "SELECT @@autocommit, @@transaction_isolation").map_err(fault)?;
    let isolation = row.filter(|row| get::<u8>(row, 0) == Some(0)).and_then(|row| get::<String>(&row, 1));
    let Some(isolation) = isolation else { return Ok(true) };
    match query::read_all(conn, &format!("SET TRANSACTION ISOLATION LEVEL {}", isolation.replace('-', " "))) {
        Ok(()) => Ok(false),
        Err(error) if code(&error) == Some(query::IN_TRANSACTION) => Ok(true),
        Err(error) => Err(fault(error)),
    }
}

/// Whether a script fits into a transaction. A script that cannot be split is refused when it runs.
pub(super) fn fits(script: &str) -> TransactionFit {
    let Ok(pieces) = statements(script) else { return TransactionFit::Inside };
    if pieces.iter().any(|piece| !kind(piece.text).is_transactional()) {
        return TransactionFit::Outside;
    }
    let controls: Vec<_> = pieces.iter().map(|piece| (control(piece.text), piece.offset)).collect();
    transaction_fit::<Mysql>(&controls)
}

/// The numbers of the two statements that are skipped when these statements run with this atomicity. Outside a transaction, an end
/// without a beginning does no harm, and a transaction that is open at the end of a script is not lost.
pub(super) fn skipped(pieces: &[Piece<'_>], atomicity: Atomicity) -> Option<Ends> {
    let controls: Vec<_> = pieces.iter().map(|piece| control(piece.text)).collect();
    skipped_ends(&controls, atomicity)
}

/// What a statement does to a transaction.
fn control(text: &str) -> Control {
    let words =
        |allowed: &[&str]| Tokens::new(text).skip(1).all(|token| allowed.iter().any(|word| token.is(word)));
    match kind(text) {
        Kind::Begins if words(&["work", "transaction", "read", "write"]) => Control::Begins,
        Kind::Begins => Control::BeginsOwn,
        // `SET autocommit = 0`
        Kind::Chains | Kind::Unchains => Control::Chains,
        Kind::Commits if words(&["work", "and", "no", "chain"]) && !chains(text) => Control::Commits,
        Kind::Commits | Kind::RollsBack | Kind::Distributed => Control::Ends,
        Kind::Setting if is_about_next(text) => Control::Isolates,
        Kind::Setting => Control::Sets,
        _ => Control::Other,
    }
}
