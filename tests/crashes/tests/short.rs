//! The short form of the campaign, and proof that the harness sees what it should.

#![allow(missing_docs, reason = "they are tests")]

use std::path::PathBuf;

use crashes::{Act, Campaign, Fault, Mode, SNAPSHOT_FAULTS, SnapshotCampaign, Synchronous, Tally, Workload};

fn campaign(workloads: Vec<Workload>, stride: u64) -> Campaign {
    Campaign {
        workloads,
        modes: Mode::ALL.to_vec(),
        faults: Fault::ALL.to_vec(),
        synchronous: Synchronous::Full,
        stride,
        threads: 2,
    }
}

#[track_caller]
fn assert_finds(tally: &Tally, what: &str) {
    assert!(tally.violations.iter().any(|violation| violation.what.contains(what)), "{tally}");
}

#[test]
fn no_interruption_loses_a_row_or_leaves_a_false_record() {
    let tally = campaign(Workload::all(), 401).run();
    println!("{tally}");
    assert!(tally.violations.is_empty(), "repeat with `cargo run -p crashes -- --only ...`\n{tally}");
    assert!(tally.points() > 250, "only {} points", tally.points());
}

#[test]
fn no_interruption_of_a_snapshot_or_a_restore_loses_a_row() {
    let campaign = SnapshotCampaign {
        program: PathBuf::from(env!("CARGO_BIN_EXE_crashes")),
        acts: Act::ALL.to_vec(),
        modes: vec![Mode::Delete, Mode::Wal],
        faults: SNAPSHOT_FAULTS.to_vec(),
        stride: 211,
        threads: 2,
    };
    let tally = campaign.run();
    println!("{tally}");
    assert!(tally.violations.is_empty(), "repeat with `cargo run -p crashes -- --only ...`\n{tally}");
    assert!(tally.points() > 20, "only {} points", tally.points());
}

/// On an I/O error, or without memory, SQLite rolls the whole transaction back. The engine took a table whose rows it could not count for
/// one with an unknown number of rows and went on: `DROP TABLE` was committed by itself, and the migration was not recorded.
#[test]
fn a_check_that_cannot_read_does_not_let_the_script_go_on() {
    let redo = Campaign {
        modes: vec![Mode::Truncate],
        faults: vec![Fault::Io, Fault::NoMemory],
        ..campaign(vec![Workload::named("redo")], 3)
    };
    let tally = redo.run();
    assert!(tally.violations.is_empty(), "{tally}");
}

/// A commit has happened when the journal is truncated, and the sync of the journal may fail after that. The error said that nothing of the
/// step was kept, although the step and its record were committed. It is in doubt.
#[test]
fn a_commit_that_fails_after_it_happened_is_in_doubt() {
    let update = vec![Workload::named("legacy-name")];
    let commits = Campaign { modes: vec![Mode::Truncate], faults: vec![Fault::Io], ..campaign(update, 1) };
    let tally = commits.run();
    assert!(tally.violations.is_empty(), "{tally}");
}

#[test]
fn the_loss_of_power_without_syncs_is_found() {
    let update = vec![Workload::named("update")];
    let without_syncs = Campaign {
        modes: vec![Mode::Delete],
        faults: vec![Fault::PowerLossOfSome],
        synchronous: Synchronous::Off,
        ..campaign(update, 61)
    };
    let tally = without_syncs.run();
    assert!(!tally.violations.is_empty(), "{tally}");
}

#[test]
fn an_engine_that_records_after_its_transaction_is_found() {
    for fault in [Fault::Kill, Fault::PowerLoss] {
        let broken = Campaign { faults: vec![fault], ..campaign(vec![Workload::that_records_later()], 3) };
        let tally = Campaign { modes: vec![Mode::Truncate, Mode::Wal], ..broken }.run();
        assert_finds(&tally, "the content is not what it must be");
    }
}
