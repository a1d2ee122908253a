//! [`verdict`](MigrationRunner::verdict): the verdict on one kind of finding.

use super::MigrationRunner;
use crate::backend::Backend;
use crate::problem::{ProblemKind, Verdict};

impl<B: Backend> MigrationRunner<B> {
    /// Sets the verdict on one kind of finding, and leaves the others as they are.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Policy, ProblemKind, Verdict};
    ///
    /// let runner = MigrationRunner::new([Migration::reversible("seed", "", "")])?.policy(Policy::STRICT);
    /// let runner = runner.verdict(ProblemKind::Unconventional, Verdict::Allow);
    /// assert_eq!(runner.run(&Connection::open_in_memory()?)?.applied.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verdict(self, kind: ProblemKind, verdict: Verdict) -> Self {
        let policy = self.policy.clone().with(kind, verdict);
        self.policy(policy)
    }
}
