//! The short form of the campaign, and proof that the harness sees what it should.

#![allow(missing_docs, reason = "they are tests")]

use crashes::{Campaign, Fault, Mode, Synchronous, Tally, Workload};

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
fn the_loss_of_power_without_syncs_is_found() {
    let update = Workload::all().into_iter().filter(|workload| workload.name == "update").collect();
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
