//! Running a script outside a transaction, so that it can go on where it stopped.

use std::time::Duration;

use super::driver::{Driver, Progress, atomically};
use super::retry::patiently;
use super::script::Scope;
use crate::dialect::Dialect;
use crate::fault::{Fault, FaultKind};
use crate::progress::ScriptProgress;
use crate::sql::Tokens;
use crate::step::ForeignKeys;

/// What can be done so that it is known of a statement whether it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementClass {
    /// It is one transaction with the note that it is done.
    Plain,
    /// It cannot be, and does no harm if it runs again: a setting of the session, `VACUUM`.
    Repeatable,
    /// It is about the next transaction, or the next statement of this one, and a note would be that.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Unnoted,
    /// It commits what was done before it or not, and does no harm if it runs again.
    #[cfg(feature = "mysql")]
    Settles,
    /// Nobody knows whether it commits, and it must not run again.
    #[cfg(feature = "mysql")]
    Opaque,
    /// It cannot be, and must not run again; what to compare with if nobody sees its end.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Alone(String),
    /// The same, where the comparison leaves no doubt. So its end can be noted with the mark of the statement behind it.
    #[cfg(feature = "mysql")]
    Owing(String),
    /// It begins a transaction.
    Begins,
    /// It ends that, and keeps what was done.
    Commits,
    /// It ends that, and takes back what was done.
    RollsBack,
    /// From here on each transaction begins when the one before it ends.
    #[cfg(feature = "mysql")]
    Chains,
    /// No longer.
    #[cfg(feature = "mysql")]
    Unchains,
    /// It keeps us from our own table until it is unlocked, so that nothing can be noted.
    #[cfg(feature = "mysql")]
    Locks,
    /// It unlocks what was locked.
    #[cfg(feature = "mysql")]
    Unlocks,
}

/// Whether a statement that ends a transaction begins the next one: `COMMIT AND CHAIN`.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn chains(text: &str) -> bool {
    let words: Vec<crate::sql::Token<'_>> = Tokens::new(text).collect();
    words.windows(2).any(|two| two[0].is("and") && two[1].is("chain"))
}

/// A script on its way.
pub(super) struct Walk<'w, 'p, B: Driver> {
    progress: &'w mut Progress<'p, B>,
    of: u32,
    patience: Duration,
    /// Whether a transaction is open that the script began. Then what is noted is part of it, and taken back with it.
    has_own: bool,
    is_chained: bool,
    #[cfg(feature = "mysql")]
    is_mute: bool,
    /// What was noted last. Between the statements of a transaction of the script's, that is what the record says if it is taken back.
    #[cfg_attr(
        not(feature = "mysql"),
        allow(dead_code, reason = "elsewhere nothing is noted that may be taken back")
    )]
    last: Option<ScriptProgress>,
    /// What is still to be noted of a statement that is done.
    #[cfg(feature = "mysql")]
    owed: Option<ScriptProgress>,
}

impl<'w, 'p, B: Driver> Walk<'w, 'p, B> {
    pub(super) fn new(progress: &'w mut Progress<'p, B>, of: u32, patience: Duration) -> Self {
        Self {
            progress,
            of,
            patience,
            has_own: false,
            is_chained: false,
            #[cfg(feature = "mysql")]
            is_mute: false,
            last: None,
            #[cfg(feature = "mysql")]
            owed: None,
        }
    }

    /// Notes what is still to be noted.
    #[cfg(feature = "mysql")]
    pub(super) fn catch_up(&mut self, conn: &mut B::Conn<'_>) -> Result<(), Fault> {
        self.owed.take().map_or(Ok(()), |owed| self.note_behind(conn, &owed))
    }

    /// Notes where the script begins, so that it can be said of a transaction that begins before anything else is noted.
    #[cfg(feature = "mysql")]
    pub(super) fn begins_at(&mut self, conn: &mut B::Conn<'_>, number: u32) -> Result<(), Fault> {
        self.note(conn, &ScriptProgress { statement: number, of: Some(self.of), mark: None })
    }

    /// Takes it that a transaction of the script's is open where it goes on, and whether another begins when it ends.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn goes_on_inside(&mut self, is_inside: bool, is_chained: bool) {
        (self.has_own, self.is_chained) = (is_inside, is_chained);
    }

    /// Runs a statement, and notes that it is done.
    pub(super) fn take(
        &mut self,
        conn: &mut B::Conn<'_>,
        number: u32,
        class: StatementClass,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let of = Some(self.of);
        let reached = |statement, mark| ScriptProgress { statement, of, mark };
        let next = reached(number + 1, None);
        #[cfg(feature = "mysql")]
        if !matches!(class, StatementClass::Alone(_) | StatementClass::Owing(_)) {
            self.catch_up(conn)?;
        }
        match class {
            #[cfg(feature = "mysql")]
            class if self.is_mute => self.take_under_locks(conn, &class, &next, run),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            StatementClass::Unnoted => run(conn),
            #[cfg(feature = "mysql")]
            StatementClass::Owing(mark) => self.take_owing(conn, number, mark, next, run),
            #[cfg(feature = "mysql")]
            StatementClass::Opaque if self.has_own => {
                let begins = reached(number, Some(String::new()));
                if self.goes_on_behind(conn, begins, run)? {
                    Ok(())
                } else {
                    self.note_committed(conn, &next)
                }
            }
            #[cfg(feature = "mysql")]
            StatementClass::Opaque => self.take(conn, number, StatementClass::Alone(String::new()), run),
            // It is so already; there are no locks; nothing is open that it could commit.
            #[cfg(feature = "mysql")]
            StatementClass::Unchains if !self.is_chained => {
                self.take(conn, number, StatementClass::Repeatable, run)
            }
            #[cfg(feature = "mysql")]
            StatementClass::Unlocks => self.take(conn, number, StatementClass::Repeatable, run),
            #[cfg(feature = "mysql")]
            StatementClass::Settles if !self.has_own => {
                self.take(conn, number, StatementClass::Repeatable, run)
            }
            #[cfg(feature = "mysql")]
            StatementClass::Settles => {
                if self.goes_on_behind(conn, reached(number, None), run)? {
                    return Ok(());
                }
                self.has_own = self.is_chained;
                if self.is_chained { Ok(()) } else { self.note(conn, &next) }
            }
            #[cfg(feature = "mysql")]
            StatementClass::Locks => {
                let begins = reached(number, Some(String::new()));
                self.note(conn, &begins)?;
                run(conn)?;
                self.is_mute = true;
                Ok(())
            }
            #[cfg(feature = "mysql")]
            StatementClass::Chains => {
                run(conn)?;
                (self.has_own, self.is_chained) = (true, true);
                Ok(())
            }
            #[cfg(feature = "mysql")]
            StatementClass::Unchains => {
                if self.has_own {
                    self.tell(conn, next.clone())?;
                }
                run(conn)?;
                (self.has_own, self.is_chained) = (false, false);
                self.note_behind(conn, &next)
            }
            // What is noted in a transaction of the script's goes with it: the note before its end is the one that counts. And what would
            // be noted behind the last commit would be left open; it does no harm to run again.
            StatementClass::Plain | StatementClass::Repeatable if self.has_own => run(conn),
            StatementClass::Plain => {
                let scope = Scope::new(ForeignKeys::Unchecked, self.patience);
                atomically::<B, _, _>(conn, &scope, |conn| {
                    run(conn)?;
                    self.tell(conn, next.clone())
                })
            }
            StatementClass::Repeatable => {
                run(conn)?;
                self.note(conn, &next)
            }
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            StatementClass::Alone(mark) => {
                let begins = reached(number, Some(mark));
                self.note(conn, &begins)?;
                run(conn)?;
                self.note_committed(conn, &next)
            }
            // On MySQL it commits the one that is open. Elsewhere it does nothing, or marks a place to which that can go back.
            StatementClass::Begins if self.has_own && B::DIALECT != Dialect::Mysql => run(conn),
            StatementClass::Begins => {
                self.note_own(conn, number)?;
                // Where it goes on stands in the record already: here, as long as this transaction is not committed.
                run(conn)?;
                self.has_own = true;
                Ok(())
            }
            class @ (StatementClass::Commits | StatementClass::RollsBack) => {
                let keeps_own = self.has_own && class == StatementClass::Commits;
                let is_noted = keeps_own && self.tell_own(conn, next.clone())?;
                run(conn)?;
                self.has_own = self.is_chained || B::in_transaction(conn)?;
                if is_noted || self.has_own { Ok(()) } else { self.note_behind(conn, &next) }
            }
        }
    }

    /// Runs a statement whose mark tells whether it is done, and leaves its end to the next note.
    #[cfg(feature = "mysql")]
    fn take_owing(
        &mut self,
        conn: &mut B::Conn<'_>,
        number: u32,
        mark: String,
        next: ScriptProgress,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if mark.is_empty() || self.is_chained {
            return self.take(conn, number, StatementClass::Alone(mark), run);
        }
        self.note(conn, &ScriptProgress { statement: number, of: Some(self.of), mark: Some(mark) })?;
        run(conn)?;
        (self.has_own, self.owed) = (false, Some(next));
        Ok(())
    }

    /// Runs a statement while nothing can be noted.
    #[cfg(feature = "mysql")]
    fn take_under_locks(
        &mut self,
        conn: &mut B::Conn<'_>,
        class: &StatementClass,
        next: &ScriptProgress,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        run(conn)?;
        match class {
            StatementClass::Unlocks => {
                self.is_mute = false;
                // A transaction that began behind the locks took them away, and goes on.
                self.has_own = !self.is_chained && B::in_transaction(conn)?;
                if self.has_own { Ok(()) } else { self.note_committed(conn, next) }
            }
            StatementClass::Chains | StatementClass::Unchains => {
                self.is_chained = *class == StatementClass::Chains;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a transaction of the script's is open.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn has_own(&self) -> bool {
        self.has_own
    }

    /// Whether each transaction begins when the one before it ends.
    #[cfg(feature = "mysql")]
    pub(super) fn is_chained(&self) -> bool {
        self.is_chained
    }

    /// Whether the session still has locks that the script took.
    #[cfg(feature = "mysql")]
    pub(super) fn has_locks(&self) -> bool {
        self.is_mute
    }

    /// Notes, in a transaction of the script's, what is done as soon as that is committed: everything before this statement.
    fn note_own(&mut self, conn: &mut B::Conn<'_>, number: u32) -> Result<(), Fault> {
        if !self.has_own {
            return Ok(());
        }
        self.tell_own(conn, ScriptProgress { statement: number, of: Some(self.of), mark: None }).map(drop)
    }

    /// Notes something in a transaction of the script's, and says whether it could: one that only reads has changed nothing, and may be done
    /// again. Elsewhere than on MySQL an error would have ended it.
    fn tell_own(&mut self, conn: &mut B::Conn<'_>, reached: ScriptProgress) -> Result<bool, Fault> {
        match self.tell(conn, reached) {
            Err(fault) if fault.kind() == FaultKind::ReadOnly && B::DIALECT == Dialect::Mysql => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    fn tell(&mut self, conn: &mut B::Conn<'_>, reached: ScriptProgress) -> Result<(), Fault> {
        (self.progress)(conn, reached.clone())?;
        // It tells of all that is done.
        #[cfg(feature = "mysql")]
        drop(self.owed.take());
        self.last = Some(reached);
        Ok(())
    }

    /// Runs a statement in a transaction of the script's that it may end, behind a note of what is done if it does, and says whether that
    /// goes on. Then the note is set back, since it may be taken back.
    #[cfg(feature = "mysql")]
    fn goes_on_behind(
        &mut self,
        conn: &mut B::Conn<'_>,
        reached: ScriptProgress,
        run: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let before = self.last.clone();
        self.tell_own(conn, reached)?;
        // Savepoints end with the transaction.
        B::execute(conn, "SAVEPOINT __switchy_own")?;
        run(conn)?;
        if B::execute(conn, "RELEASE SAVEPOINT __switchy_own").is_err() {
            return Ok(false);
        }
        if let Some(before) = before {
            self.tell_own(conn, before)?;
        }
        Ok(true)
    }

    /// How long something of ours is tried again. In a transaction of the script's it could outlive what it is about.
    pub(super) fn patience(&self) -> Duration {
        if self.has_own { Duration::ZERO } else { self.patience }
    }

    fn note(&mut self, conn: &mut B::Conn<'_>, reached: &ScriptProgress) -> Result<(), Fault> {
        patiently(self.patience(), || self.tell(conn, reached.clone()))
    }

    /// Notes that a statement is done which ended whatever transaction was open.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    fn note_committed(&mut self, conn: &mut B::Conn<'_>, reached: &ScriptProgress) -> Result<(), Fault> {
        self.has_own = false;
        self.note_behind(conn, reached)?;
        if self.is_chained {
            B::commit(conn)?;
        }
        self.has_own = self.is_chained;
        Ok(())
    }

    /// Notes that a statement is done that must not run again. If that fails, the statement is done all the same.
    fn note_behind(&mut self, conn: &mut B::Conn<'_>, reached: &ScriptProgress) -> Result<(), Fault> {
        self.note(conn, reached).map_err(Fault::partial)
    }
}

/// Whether one of these statements asks for the row that was inserted last, before one of them inserts another: what it means ended with
/// the session.
pub(super) fn asks_for_last_row<'t>(statements: impl Iterator<Item = &'t str>) -> bool {
    let asks = ["last_insert_id", "last_insert_rowid", "identity", "lastval", "currval"];
    for statement in statements {
        if Tokens::new(statement).any(|token| asks.iter().any(|word| token.is(word))) {
            return true;
        }
        let first = Tokens::new(statement).next();
        if first.is_some_and(|first| first.is("insert") || first.is("replace")) {
            return false;
        }
    }
    false
}

/// The fault of a statement that asks about the one before it, where a note of ours stands between them.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
pub(super) fn asks_over_note() -> Fault {
    let what = "it asks how many rows the statement before it found or changed, and outside a transaction a note of the engine stands \
                between them";
    Fault::new(crate::fault::FaultKind::Other, what).remedy("ask in the same statement, or do it in code")
}

/// The fault of a statement after which nobody can tell when a transaction ends, and the record with it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn distributed() -> Fault {
    let what = "it is part of a transaction of several databases, which only their manager can end";
    Fault::new(FaultKind::Other, what).remedy("do it in code, outside the migrations")
}
