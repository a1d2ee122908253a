//! [`transition`]: the actions of the engine for a statement of a script outside a transaction.

/// Whether the script has a transaction open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum TransactionState {
    Closed,
    Open,
}

/// What a statement does to the transactions of a script, as far as it is the same on every database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum StatementClass {
    /// It can share one transaction with the record of its end.
    Plain,
    /// It cannot share one, and may run again without harm: a setting of the session, `VACUUM`.
    Repeatable,
    /// It begins a transaction.
    Begin,
    /// It commits the transaction.
    Commit,
    /// It rolls the transaction back.
    Rollback,
}

/// One action of the engine for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Action {
    /// Records in the script's transaction that the statements before this one are done.
    RecordStartInTransaction,
    /// Records in the script's transaction that this statement is done.
    RecordEndInTransaction,
    /// Runs the statement. If it succeeds, the next state applies.
    Run,
    /// Runs the statement and records that it is done, in one transaction of the engine.
    RunWithRecord,
    /// Records that the statement is done.
    RecordEnd,
    /// Asks the database whether a transaction is open. If one is, the state is `Open` and the other actions are skipped.
    StopIfOpen,
    /// Records that the statement is done, unless that is already recorded. The statement must not run again.
    RecordMissingEnd,
}

/// The actions of the engine for a statement, and the state that follows.
///
/// A record that is written in the script's transaction is rolled back with it, so only the record before its `COMMIT` takes effect. A
/// statement before the last `COMMIT` therefore writes no record.
#[allow(clippy::match_same_arms, reason = "each row of the table is independent")]
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
