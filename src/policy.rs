//! [`Policy`]: the verdict on each kind of finding.

use crate::direction::Direction;
use crate::problem::{Problem, ProblemKind, Verdict};

/// The verdict on each kind of finding about a plan: it is allowed, it is reported, or the plan is refused.
///
/// | finding | default | `STRICT` | `DEVELOPMENT` |
/// |---|---|---|---|
/// | [`DatabaseAhead`](ProblemKind::DatabaseAhead) | deny | deny | warn |
/// | [`Changed`](ProblemKind::Changed) | deny | deny | warn |
/// | [`ChangedDown`](ProblemKind::ChangedDown) | warn | deny | allow |
/// | [`OutOfOrder`](ProblemKind::OutOfOrder) | warn | deny | allow |
/// | [`Irreversible`](ProblemKind::Irreversible), applying | allow | warn | allow |
/// | [`Together`](ProblemKind::Together) | warn | warn | allow |
/// | [`Destructive`](ProblemKind::Destructive) | allow | deny | allow |
/// | [`Opaque`](ProblemKind::Opaque) | allow | warn | allow |
/// | [`OtherDatabase`](ProblemKind::OtherDatabase), [`OtherEnvironment`](ProblemKind::OtherEnvironment) | warn | warn | allow |
/// | [`Unconventional`](ProblemKind::Unconventional) | allow | deny | allow |
/// | [`OddVersion`](ProblemKind::OddVersion) | allow | warn | allow |
/// | [`SimilarIds`](ProblemKind::SimilarIds) | allow | deny | allow |
/// | [`UnusedFile`](ProblemKind::UnusedFile) | warn | deny | warn |
/// | [`RowsLost`](ProblemKind::RowsLost), [`HiddenTable`](ProblemKind::HiddenTable) | deny | deny | deny |
/// | [`BrokenReference`](ProblemKind::BrokenReference), applying | deny | deny | deny |
/// | [`BrokenReference`](ProblemKind::BrokenReference), rolling back | warn | warn | warn |
/// | [`LostInRebuild`](ProblemKind::LostInRebuild) | warn | deny | warn |
/// | [`ValuesChanged`](ProblemKind::ValuesChanged) | warn | deny | warn |
/// | [`QuotedString`](ProblemKind::QuotedString) | warn | deny | warn |
/// | [`LiteralPlaceholder`](ProblemKind::LiteralPlaceholder) | warn | deny | warn |
/// | [`DownPart`](ProblemKind::DownPart) | deny | deny | deny |
/// | [`DownFails`](ProblemKind::DownFails), [`DownLeavesBehind`](ProblemKind::DownLeavesBehind) | warn | deny | warn |
/// | [`RowsNotBack`](ProblemKind::RowsNotBack) | allow | warn | allow |
/// | [`Drift`](ProblemKind::Drift), in a validation | warn | deny | warn |
/// | [`NoSnapshot`](ProblemKind::NoSnapshot) | warn | warn | warn |
/// | everything else | deny | deny | deny |
///
/// On MySQL, where the step cannot be undone, a `BrokenReference` is reported even if it is denied.
///
/// No policy can allow a plan that cannot be carried out or that would leave an unknown schema: these are the findings in the last
/// line and, when rolling back, also `Irreversible` and `DatabaseAhead`.
///
/// # A program that starts with a database newer than itself
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Policy, ProblemKind, Verdict};
///
/// let conn = Connection::open_in_memory()?;
/// MigrationRunner::new(["1_a", "2_b"].map(|id| Migration::sql(id, "")))?.run(&conn)?;
///
/// let older = MigrationRunner::new([Migration::sql("1_a", "")])?;
/// assert!(older.run(&conn).unwrap_err().is_database_ahead());
///
/// let tolerant = older.policy(Policy::default().with(ProblemKind::DatabaseAhead, Verdict::Warn));
/// assert_eq!(tolerant.run(&conn)?.notes[0].migration, "2_b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    verdicts: [Verdict; ProblemKind::ALL.len()],
}

impl Policy {
    /// For a released program: a harmless finding does not prevent it from starting.
    pub const DEFAULT: Self = Self { verdicts: [Verdict::Deny; ProblemKind::ALL.len()] }
        .with(ProblemKind::ChangedDown, Verdict::Warn)
        .with(ProblemKind::OutOfOrder, Verdict::Warn)
        .with(ProblemKind::Irreversible, Verdict::Allow)
        .with(ProblemKind::Together, Verdict::Warn)
        .with(ProblemKind::Destructive, Verdict::Allow)
        .with(ProblemKind::Opaque, Verdict::Allow)
        .with(ProblemKind::OtherDatabase, Verdict::Warn)
        .with(ProblemKind::OtherEnvironment, Verdict::Warn)
        .with(ProblemKind::Unconventional, Verdict::Allow)
        .with(ProblemKind::OddVersion, Verdict::Allow)
        .with(ProblemKind::QuotedString, Verdict::Warn)
        .with(ProblemKind::LiteralPlaceholder, Verdict::Warn)
        .with(ProblemKind::SimilarIds, Verdict::Allow)
        .with(ProblemKind::UnusedFile, Verdict::Warn)
        .with(ProblemKind::LostInRebuild, Verdict::Warn)
        .with(ProblemKind::ValuesChanged, Verdict::Warn)
        .with(ProblemKind::DownFails, Verdict::Warn)
        .with(ProblemKind::DownLeavesBehind, Verdict::Warn)
        .with(ProblemKind::RowsNotBack, Verdict::Allow)
        .with(ProblemKind::Drift, Verdict::Warn)
        .with(ProblemKind::NoSnapshot, Verdict::Warn);

    /// For continuous integration: everything that an author can still correct is refused.
    pub const STRICT: Self = Self::DEFAULT
        .with(ProblemKind::ChangedDown, Verdict::Deny)
        .with(ProblemKind::OutOfOrder, Verdict::Deny)
        .with(ProblemKind::Irreversible, Verdict::Warn)
        .with(ProblemKind::Destructive, Verdict::Deny)
        .with(ProblemKind::Opaque, Verdict::Warn)
        .with(ProblemKind::Unconventional, Verdict::Deny)
        .with(ProblemKind::OddVersion, Verdict::Warn)
        .with(ProblemKind::QuotedString, Verdict::Deny)
        .with(ProblemKind::LiteralPlaceholder, Verdict::Deny)
        .with(ProblemKind::SimilarIds, Verdict::Deny)
        .with(ProblemKind::UnusedFile, Verdict::Deny)
        .with(ProblemKind::LostInRebuild, Verdict::Deny)
        .with(ProblemKind::ValuesChanged, Verdict::Deny)
        .with(ProblemKind::DownFails, Verdict::Deny)
        .with(ProblemKind::DownLeavesBehind, Verdict::Deny)
        .with(ProblemKind::RowsNotBack, Verdict::Warn)
        .with(ProblemKind::Drift, Verdict::Deny);

    /// For a developer's own database, where branches are switched and a script is written in several attempts.
    pub const DEVELOPMENT: Self = Self::DEFAULT
        .with(ProblemKind::DatabaseAhead, Verdict::Warn)
        .with(ProblemKind::Changed, Verdict::Warn)
        .with(ProblemKind::ChangedDown, Verdict::Allow)
        .with(ProblemKind::OutOfOrder, Verdict::Allow)
        .with(ProblemKind::Together, Verdict::Allow)
        .with(ProblemKind::OtherDatabase, Verdict::Allow)
        .with(ProblemKind::OtherEnvironment, Verdict::Allow);

    /// Sets the verdict on one kind of finding. It has no effect on a finding that no policy can allow; [`verdict`](Self::verdict)
    /// returns the effective verdict.
    pub const fn with(mut self, kind: ProblemKind, verdict: Verdict) -> Self {
        self.verdicts[kind as usize] = verdict;
        self
    }

    /// The verdict on a kind of finding, when applying or rolling back.
    pub const fn verdict(&self, kind: ProblemKind, direction: Direction) -> Verdict {
        match (kind, direction) {
            (ProblemKind::Irreversible | ProblemKind::DatabaseAhead, Direction::Down) => Verdict::Deny,
            // What is undone may have been broken before it was applied.
            (ProblemKind::BrokenReference, Direction::Down) => match self.verdicts[kind as usize] {
                Verdict::Deny => Verdict::Warn,
                verdict => verdict,
            },
            (
                ProblemKind::DatabaseAhead
                | ProblemKind::Changed
                | ProblemKind::ChangedDown
                | ProblemKind::OutOfOrder
                | ProblemKind::Irreversible
                | ProblemKind::Together
                | ProblemKind::Destructive
                | ProblemKind::Opaque
                | ProblemKind::OtherDatabase
                | ProblemKind::OtherEnvironment
                | ProblemKind::Unconventional
                | ProblemKind::OddVersion
                | ProblemKind::QuotedString
                | ProblemKind::LiteralPlaceholder
                | ProblemKind::DownPart
                | ProblemKind::SimilarIds
                | ProblemKind::UnusedFile
                | ProblemKind::RowsLost
                | ProblemKind::BrokenReference
                | ProblemKind::LostInRebuild
                | ProblemKind::ValuesChanged
                | ProblemKind::DownFails
                | ProblemKind::DownLeavesBehind
                | ProblemKind::RowsNotBack
                | ProblemKind::NoSnapshot
                | ProblemKind::HiddenTable
                | ProblemKind::Drift,
                _,
            ) => self.verdicts[kind as usize],
            _ => Verdict::Deny,
        }
    }

    /// The same policy, but it reports what it allows.
    #[cfg(feature = "validation")]
    pub(crate) fn reporting_allowed(&self) -> Self {
        Self { verdicts: self.verdicts.map(|verdict| verdict.max(Verdict::Warn)) }
    }

    /// The findings that are not allowed, with the verdict on each.
    pub(crate) fn judge(&self, found: Vec<Problem>, direction: Direction) -> Vec<Problem> {
        let judged = |problem: Problem| {
            let verdict = self.verdict(problem.kind, direction);
            problem.judged(verdict)
        };
        found.into_iter().map(judged).filter(|problem| problem.verdict > Verdict::Allow).collect()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProblemKind as Kind;

    /// Each kind under each policy in each direction: `a`llow, `w`arn, `d`eny, when applying and when rolling back.
    #[test]
    fn every_kind_has_its_verdict() {
        let rows = [
            // kind, default, strict, development
            (Kind::DatabaseAhead, "dd dd wd"),
            (Kind::Changed, "dd dd ww"),
            (Kind::ChangedDown, "ww dd aa"),
            (Kind::Dirty, "dd dd dd"),
            (Kind::OutOfOrder, "ww dd aa"),
            (Kind::NeedsExcluded, "dd dd dd"),
            (Kind::Irreversible, "ad wd ad"),
            (Kind::NotInBatch, "dd dd dd"),
            (Kind::NotInTransaction, "dd dd dd"),
            (Kind::Together, "ww ww aa"),
            (Kind::Destructive, "aa dd aa"),
            (Kind::Opaque, "aa ww aa"),
            (Kind::Unconfirmed, "dd dd dd"),
            (Kind::Untrusted, "dd dd dd"),
            (Kind::OtherDatabase, "ww ww aa"),
            (Kind::OtherEnvironment, "ww ww aa"),
            (Kind::Unconventional, "aa dd aa"),
            (Kind::OddVersion, "aa ww aa"),
            (Kind::SimilarIds, "aa dd aa"),
            (Kind::UnusedFile, "ww dd ww"),
            (Kind::QuotedString, "ww dd ww"),
            (Kind::Placeholder, "dd dd dd"),
            (Kind::LiteralPlaceholder, "ww dd ww"),
            (Kind::DownPart, "dd dd dd"),
            (Kind::InvalidId, "dd dd dd"),
            (Kind::Duplicate, "dd dd dd"),
            (Kind::MissingDependency, "dd dd dd"),
            (Kind::Cycle, "dd dd dd"),
            (Kind::Unreadable, "dd dd dd"),
            (Kind::RowsLost, "dd dd dd"),
            (Kind::BrokenReference, "dw dw dw"),
            (Kind::LostInRebuild, "ww dd ww"),
            (Kind::ValuesChanged, "ww dd ww"),
            (Kind::NoSnapshot, "ww ww ww"),
            (Kind::HiddenTable, "dd dd dd"),
            (Kind::Fails, "dd dd dd"),
            (Kind::DownFails, "ww dd ww"),
            (Kind::DownLeavesBehind, "ww dd ww"),
            (Kind::RowsNotBack, "aa ww aa"),
            (Kind::Drift, "ww dd ww"),
        ];
        assert_eq!(rows.map(|(kind, _)| kind), Kind::ALL);
        for (kind, expected) in rows {
            let found = [Policy::DEFAULT, Policy::STRICT, Policy::DEVELOPMENT].map(|policy| {
                [Direction::Up, Direction::Down]
                    .map(|direction| match policy.verdict(kind, direction) {
                        Verdict::Allow => "a",
                        Verdict::Warn => "w",
                        Verdict::Deny => "d",
                    })
                    .concat()
            });
            assert_eq!(found.join(" "), expected, "{kind}");
        }
    }

    #[test]
    fn a_finding_that_no_policy_can_allow_stays_denied() {
        let lenient =
            Kind::ALL.iter().fold(Policy::DEFAULT, |policy, &kind| policy.with(kind, Verdict::Allow));
        let denied = |direction| -> Vec<Kind> {
            let is_denied = |kind: &Kind| lenient.verdict(*kind, direction) == Verdict::Deny;
            Kind::ALL.into_iter().filter(is_denied).collect()
        };
        let mut always = vec![Kind::Dirty, Kind::NeedsExcluded, Kind::NotInBatch, Kind::NotInTransaction];
        always.extend([Kind::Unconfirmed, Kind::Untrusted, Kind::Placeholder]);
        always.extend([Kind::InvalidId, Kind::Duplicate, Kind::MissingDependency, Kind::Cycle]);
        always.extend([Kind::Unreadable, Kind::Fails]);
        assert_eq!(denied(Direction::Up), always);
        always.extend([Kind::DatabaseAhead, Kind::Irreversible]);
        always.sort_unstable();
        assert_eq!(denied(Direction::Down), always);
    }
}
