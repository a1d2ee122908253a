//! [`transition`]: what the engine does for a statement of a script outside a transaction.

/// Whether a transaction is open that the script began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum TransactionState {
    Closed,
    Open,
}

/// What a statement does to the transactions of a script, as far as every database knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum StatementClass {
    /// It can share one transaction with the record of its end.
    Plain,
    /// It cannot share one, and does no harm if it runs again: a setting of the session, `VACUUM`.
    Repeatable,
    /// It begins a transaction.
    Begin,
    /// It ends the transaction, and keeps what was done.
    Commit,
    /// It ends the transaction, and takes back what was done.
    Rollback,
}

/// One thing that the engine does for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Action {
    /// Records in the script's transaction that the statements before this one are done.
    RecordStartInTransaction,
    /// Records in the script's transaction that this statement is done.
    RecordEndInTransaction,
    /// Runs the statement. The next state begins when it succeeds.
    Run,
    /// Runs the statement and records that it is done, in one transaction of the engine.
    RunWithRecord,
    /// Records that the statement is done.
    RecordEnd,
    /// Asks the database whether a transaction is open. If one is, the state is `Open` and the other actions are left out.
    StopIfOpen,
    /// Records that the statement is done, unless the record says so already. The statement must not run again.
    RecordMissingEnd,
}

/// What the engine does for a statement, and the state that follows.
///
/// A record that is written in the script's transaction is taken back with it, so only the one before its `COMMIT` counts. A statement
/// in front of the last `COMMIT` therefore writes none.
#[allow(clippy::match_same_arms, reason = "each row of the table stands for itself")]
pub(super) const fn transition(
    state: TransactionState,
    class: StatementClass,
    begin_commits: bool,
) -> (&'static [Action], TransactionState) {
    use Action::{
        RecordEnd, RecordEndInTransaction, RecordMissingEnd, RecordStartInTransaction, Run, RunWithRecord,
        StopIfOpen,
    };
    use StatementClass::{Begin, Commit, Plain, Repeatable, Rollback};
    use TransactionState::{Closed, Open};

    match (state, class) {
        (Closed, Plain) => (&[RunWithRecord], Closed),
        (Closed, Repeatable) => (&[Run, RecordEnd], Closed),
        (Closed, Begin) => (&[Run], Open),
        (Closed, Commit | Rollback) | (Open, Rollback) => (&[Run, StopIfOpen, RecordMissingEnd], Closed),
        (Open, Plain | Repeatable) => (&[Run], Open),
        (Open, Begin) if begin_commits => (&[RecordStartInTransaction, Run], Open),
        (Open, Begin) => (&[Run], Open),
        (Open, Commit) => (&[RecordEndInTransaction, Run, StopIfOpen, RecordMissingEnd], Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::StatementClass::*;
    use super::TransactionState::*;
    use super::*;

    #[test]
    fn each_state_and_class_has_its_actions() {
        let rows: [(_, _, &[Action], _); 10] = [
            (Closed, Plain, &[RunWithRecord], Closed),
            (Closed, Repeatable, &[Run, RecordEnd], Closed),
            (Closed, Begin, &[Run], Open),
            (Closed, Commit, &[Run, StopIfOpen, RecordMissingEnd], Closed),
            (Closed, Rollback, &[Run, StopIfOpen, RecordMissingEnd], Closed),
            (Open, Plain, &[Run], Open),
            (Open, Repeatable, &[Run], Open),
            (Open, Begin, &[Run], Open),
            (Open, Commit, &[RecordEndInTransaction, Run, StopIfOpen, RecordMissingEnd], Closed),
            (Open, Rollback, &[Run, StopIfOpen, RecordMissingEnd], Closed),
        ];
        for (state, class, actions, next) in rows {
            assert_eq!(transition(state, class, false), (actions, next), "{state:?}, {class:?}");
        }
    }

    #[test]
    fn a_begin_that_commits_is_recorded_before_it_runs() {
        assert_eq!(transition(Closed, Begin, true), (&[Run][..], Open));
        assert_eq!(transition(Open, Begin, true), (&[RecordStartInTransaction, Run][..], Open));
    }
}
