//! [`transition`]: the actions of the engine for a statement of a script outside a transaction, beyond those on every database.

use crate::backend::non_transactional as common;

/// The state of the script's transactions in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Each statement is a transaction of its own.
    Closed,
    /// A transaction of the script is open.
    Open,
    /// `autocommit` is off: a transaction of the script is always open.
    Chained,
    /// The script has locked tables, so the engine cannot write the record.
    Locked {
        /// Whether `autocommit` is off.
        is_chained: bool,
    },
}

/// What a statement does to the transactions of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::mysql) enum StatementClass {
    /// A class that exists on every database.
    Common(common::StatementClass),
    /// It applies to the next transaction or the next statement, which would be the record: `SET TRANSACTION`.
    Unrecorded,
    /// It may commit, and may run again without harm: `ANALYZE`, `CHECKSUM`.
    RepeatableMayCommit,
    /// It may commit, and must not run again: `CALL`.
    MayCommit,
    /// It commits, and must not run again: it changes the schema.
    ImplicitCommit,
    /// It commits, and its mark always shows whether it took effect.
    VerifiableImplicitCommit,
    /// It turns `autocommit` off.
    AutocommitOff,
    /// It turns `autocommit` on, and commits if it was off.
    AutocommitOn,
    /// It locks tables until they are unlocked, and commits.
    LockTables,
    /// It unlocks the tables.
    UnlockTables,
}

impl StatementClass {
    /// Whether the first record for a statement of this class comes before it. That record also says that the statement before it is done.
    pub(super) const fn records_start(self) -> bool {
        matches!(self, Self::ImplicitCommit | Self::VerifiableImplicitCommit)
    }
}

/// One action of the engine for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Records that the statement begins, with its mark.
    RecordMark,
    /// Runs the statement. If it succeeds, the next state applies.
    Run,
    /// Records that the statement begins, runs it, and checks whether the transaction is still open. If it is, the previous record is
    /// restored, the state does not change and the other actions are skipped.
    RunUnlessEnds,
    /// The same with the statement's mark.
    RunUnlessEndsWithMark,
    /// Asks the server whether a transaction is open. If one is, the state is `Open` and the other actions are skipped.
    StopIfOpen,
    /// Records that the statement is done.
    RecordEnd,
    /// Records in the script's transaction that the statement is done.
    RecordEndInTransaction,
    /// Records that the statement is done, and commits. The statement must not run again.
    RecordCommitted,
    /// Records nothing. The next record says that the statement is done.
    DeferEnd,
}

/// The actions of the engine for a statement, and the state that follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The actions that are the same on every database, for a statement of this class.
    Common(common::StatementClass),
    /// These actions.
    Own(&'static [Action], State),
}

/// The plan for a statement in this state.
#[allow(clippy::match_same_arms, reason = "each row of the table is independent")]
pub(super) fn transition(state: State, class: StatementClass) -> Plan {
    use Action::{
        DeferEnd, RecordCommitted, RecordEnd, RecordEndInTransaction, RecordMark, Run, RunUnlessEnds,
        RunUnlessEndsWithMark, StopIfOpen,
    };
    use Plan::Own;
    use State::{Chained, Closed, Locked, Open};
    use StatementClass::{
        AutocommitOff, AutocommitOn, Common, ImplicitCommit, LockTables, MayCommit, RepeatableMayCommit,
        UnlockTables, Unrecorded, VerifiableImplicitCommit,
    };
    use common::StatementClass::{Commit, Repeatable, Rollback};

    match (state, class) {
        (Locked { is_chained: true }, UnlockTables) => Own(&[Run, RecordCommitted], Chained),
        // A transaction that began after the locks has removed them, and is still open.
        (Locked { is_chained: false }, UnlockTables) => Own(&[Run, StopIfOpen, RecordCommitted], Closed),
        (Locked { .. }, AutocommitOff) => Own(&[Run], Locked { is_chained: true }),
        (Locked { .. }, AutocommitOn) => Own(&[Run], Locked { is_chained: false }),
        (Locked { .. }, _) => Own(&[Run], state),

        (Chained, Common(Commit)) => Own(&[RecordEndInTransaction, Run], Chained),
        (Chained, Common(Rollback)) => Own(&[Run], Chained),
        (_, Common(class)) => Plan::Common(class),

        (_, Unrecorded) => Own(&[Run], state),
        (_, LockTables) => Own(&[RecordMark, Run], Locked { is_chained: state == Chained }),
        // No tables are locked.
        (_, UnlockTables) => Plan::Common(Repeatable),
        (_, AutocommitOff) => Own(&[Run], Chained),
        (Chained, AutocommitOn) => Own(&[RecordEnd, Run, RecordCommitted], Closed),
        // `autocommit` is already on.
        (_, AutocommitOn) => Plan::Common(Repeatable),

        // No transaction is open that the statement could commit.
        (Closed, RepeatableMayCommit) => Plan::Common(Repeatable),
        (Open, RepeatableMayCommit) => Own(&[RunUnlessEnds, RecordEnd], Closed),
        (Chained, RepeatableMayCommit) => Own(&[RunUnlessEnds], Chained),
        (Open, MayCommit) => Own(&[RunUnlessEndsWithMark, RecordCommitted], Closed),
        (Chained, MayCommit) => Own(&[RunUnlessEndsWithMark, RecordCommitted], Chained),

        (Closed | Open, VerifiableImplicitCommit) => Own(&[RecordMark, Run, DeferEnd], Closed),
        (Chained, ImplicitCommit | VerifiableImplicitCommit) => {
            Own(&[RecordMark, Run, RecordCommitted], Chained)
        }
        (Closed | Open, ImplicitCommit) | (Closed, MayCommit) => {
            Own(&[RecordMark, Run, RecordCommitted], Closed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::Plan::Own;
    use super::State::*;
    use super::StatementClass::*;
    use super::*;
    use crate::backend::non_transactional::StatementClass::*;

    const LOCKED: State = Locked { is_chained: false };
    const LOCKED_AND_CHAINED: State = Locked { is_chained: true };

    #[test]
    fn each_state_and_class_has_its_actions() {
        let rows: [(_, _, &[Action], _); 29] = [
            (Closed, Unrecorded, &[Run], Closed),
            (Closed, MayCommit, &[RecordMark, Run, RecordCommitted], Closed),
            (Closed, ImplicitCommit, &[RecordMark, Run, RecordCommitted], Closed),
            (Closed, VerifiableImplicitCommit, &[RecordMark, Run, DeferEnd], Closed),
            (Closed, AutocommitOff, &[Run], Chained),
            (Closed, LockTables, &[RecordMark, Run], LOCKED),
            (Open, Unrecorded, &[Run], Open),
            (Open, RepeatableMayCommit, &[RunUnlessEnds, RecordEnd], Closed),
            (Open, MayCommit, &[RunUnlessEndsWithMark, RecordCommitted], Closed),
            (Open, ImplicitCommit, &[RecordMark, Run, RecordCommitted], Closed),
            (Open, VerifiableImplicitCommit, &[RecordMark, Run, DeferEnd], Closed),
            (Open, AutocommitOff, &[Run], Chained),
            (Open, LockTables, &[RecordMark, Run], LOCKED),
            (Chained, Common(Commit), &[RecordEndInTransaction, Run], Chained),
            (Chained, Common(Rollback), &[Run], Chained),
            (Chained, Unrecorded, &[Run], Chained),
            (Chained, RepeatableMayCommit, &[RunUnlessEnds], Chained),
            (Chained, MayCommit, &[RunUnlessEndsWithMark, RecordCommitted], Chained),
            (Chained, ImplicitCommit, &[RecordMark, Run, RecordCommitted], Chained),
            (Chained, VerifiableImplicitCommit, &[RecordMark, Run, RecordCommitted], Chained),
            (Chained, AutocommitOff, &[Run], Chained),
            (Chained, AutocommitOn, &[RecordEnd, Run, RecordCommitted], Closed),
            (Chained, LockTables, &[RecordMark, Run], LOCKED_AND_CHAINED),
            (LOCKED, UnlockTables, &[Run, StopIfOpen, RecordCommitted], Closed),
            (LOCKED_AND_CHAINED, UnlockTables, &[Run, RecordCommitted], Chained),
            (LOCKED, AutocommitOff, &[Run], LOCKED_AND_CHAINED),
            (LOCKED_AND_CHAINED, AutocommitOff, &[Run], LOCKED_AND_CHAINED),
            (LOCKED, AutocommitOn, &[Run], LOCKED),
            (LOCKED_AND_CHAINED, AutocommitOn, &[Run], LOCKED),
        ];
        for (state, class, actions, next) in rows {
            assert_eq!(transition(state, class), Own(actions, next), "{state:?}, {class:?}");
        }
    }

    #[test]
    fn nothing_is_recorded_while_tables_are_locked() {
        let classes = [
            Common(Plain),
            Common(Repeatable),
            Common(Begin),
            Common(Commit),
            Common(Rollback),
            Unrecorded,
            RepeatableMayCommit,
            MayCommit,
            ImplicitCommit,
            VerifiableImplicitCommit,
            LockTables,
        ];
        for class in classes {
            for state in [LOCKED, LOCKED_AND_CHAINED] {
                assert_eq!(transition(state, class), Own(&[Run], state), "{state:?}, {class:?}");
            }
        }
    }

    #[test]
    fn other_statements_are_handled_as_on_every_database() {
        let rows = [
            (Closed, Common(Plain), Plain),
            (Closed, Common(Commit), Commit),
            (Closed, Common(Rollback), Rollback),
            (Closed, RepeatableMayCommit, Repeatable),
            (Closed, AutocommitOn, Repeatable),
            (Closed, UnlockTables, Repeatable),
            (Open, Common(Begin), Begin),
            (Open, Common(Commit), Commit),
            (Open, Common(Rollback), Rollback),
            (Open, AutocommitOn, Repeatable),
            (Open, UnlockTables, Repeatable),
            (Chained, Common(Plain), Plain),
            (Chained, Common(Repeatable), Repeatable),
            (Chained, Common(Begin), Begin),
            (Chained, UnlockTables, Repeatable),
        ];
        for (state, class, expected) in rows {
            assert_eq!(transition(state, class), Plan::Common(expected), "{state:?}, {class:?}");
        }
    }
}
