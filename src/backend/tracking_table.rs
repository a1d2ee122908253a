//! [`TrackingTable`]: a tracking table as it was found.

use crate::history::{Head, HistoryDigest, Record};

/// The tracking table as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackingTable {
    /// Whether the table exists, and in which form.
    pub form: TableForm,
    /// What [`Backend::head`](crate::Backend::head) says of it at the same moment.
    pub head: Head,
    /// Its rows, oldest first. A table of an older form may have several for one migration.
    pub records: Vec<Record>,
}

impl TrackingTable {
    /// The state of a database without a tracking table.
    pub const MISSING: Self = Self { form: TableForm::Missing, head: Head::EMPTY, records: Vec::new() };

    /// A table with these records, oldest first, and the digest on the newest of them.
    pub fn new(form: TableForm, digest: Option<HistoryDigest>, records: Vec<Record>) -> Self {
        let head = match records.len() {
            0 => Head::EMPTY,
            count => Head { digest, count },
        };
        Self { form, head, records }
    }

    /// A table whose head is known without its records.
    pub(crate) fn with_head(form: TableForm, head: Head, records: Vec<Record>) -> Self {
        Self { form, head, records }
    }
}

/// Which form a tracking table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableForm {
    /// There is none.
    Missing,
    /// An older form, to be brought up to date by the next run that may write.
    Old,
    /// Today's form.
    Current,
}
