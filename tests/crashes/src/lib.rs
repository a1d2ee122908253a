//! Interrupts the engine at every call of the file system, and checks that no row is lost and no record is false.
//!
//! A [`Trial`] runs a [`Workload`] on a disk in memory until the k-th call, where a [`Fault`] happens. Then it opens the database again and
//! checks that
//!
//! 1. `PRAGMA integrity_check` and `PRAGMA foreign_key_check` find nothing;
//! 2. the schema and all rows are exactly those that the recorded migrations make, or a record is dirty and they are those of the
//!    statement that it names;
//! 3. what was committed is there, and an error reports it;
//! 4. a second run, after the documented recovery if a step is dirty, ends like a run that nothing disturbed.
//!
//! `cargo run --release -p crashes` does this for every k. `cargo test -p crashes` does it for some.

mod campaign;
mod disk;
mod fault;
mod folder;
mod library;
mod machine;
mod oracle;
mod random;
mod snapshots;
mod trial;
mod vfs;
mod workload;

pub use campaign::{Campaign, SnapshotCampaign, Tally, Violation};
pub use fault::Fault;
pub use oracle::Oracle;
pub use snapshots::{Act, FAULTS as SNAPSHOT_FAULTS, SnapshotTrial, interrupt_this_process};
pub use trial::{Bench, Mode, Point, Synchronous, Trial};
pub use workload::Workload;
