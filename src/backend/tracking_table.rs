//! [`TrackingTable`]: the tracking table as it was read.

use crate::history::{Head, HistoryDigest, Record};

/// The tracking table as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackingTable {
    /// Whether the table exists, and in which form.
    pub form: TableForm,
    /// Its head, as [`Records::head`](crate::backend::Records::head) returns it.
    pub head: Head,
    /// Its records, oldest first. A table of an older form may have several for one migration.
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

/// The form of a tracking table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableForm {
    /// There is no table.
    Missing,
    /// An older form. The next run that can write replaces it.
    Old,
    /// The current form without columns that were added later. It is used as it is, and the next run that writes
    /// [adds them](crate::backend::Records::add_columns).
    Lacking,
    /// The current form.
    Current,
}
