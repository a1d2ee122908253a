//! The methods of a backend for records, the head and the log.

use std::time::Duration;

use super::check::{Outcome, equal, holds, recent};
use super::ground::{Behaviour, Ground, committed};
use super::testbed::Testbed;
use crate::backend::{Backend, TableForm, TrackingTable};
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::script_options::ScriptOptions;
use crate::step::ForeignKeys;
use crate::stored::{StoredDown, StoredScript};

pub(super) fn behaviours<B: Backend, T: Testbed<B>>() -> Vec<Behaviour<B, T>> {
    vec![
        ("a missing table is an empty history, and reading makes none", a_missing_table_is_empty),
        ("a record comes back as it was written, oldest first", records_come_back),
        ("an update rewrites a record but for its date", an_update_keeps_the_date),
        ("a record is removed and the others stay", a_record_is_removed),
        ("how far a step came is rewritten only where its run left it", a_step_of_another_run_is_kept),
        ("a record that cannot be written is a fault", what_cannot_be_written_is_a_fault),
        ("the head tells what the newest record carries", the_head_is_told),
        ("a line of the log comes back as it was written, oldest first", lines_come_back),
        ("tables of any name are apart from each other", tables_are_apart),
    ]
}

fn a_missing_table_is_empty<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    for _ in 0..2 {
        equal("the head of no table", &it.with(|conn| B::head(conn, &table))?, &Head::EMPTY)?;
        equal(
            "the tracking table of no table",
            &it.with(|conn| B::read(conn, &table))?,
            &TrackingTable::MISSING,
        )?;
        equal("the log of no table", &it.with(|conn| B::read_log(conn, &table.log()))?, &Vec::new())?;
    }
    it.has(&[])
}

/// Records that together use every field. They are ordered neither by id nor by date.
fn samples() -> Vec<Record> {
    let dirty = |direction, statement: Option<u32>, failure: Option<&str>, is_to_resume| {
        let failure = failure.map(str::to_owned);
        let of = statement.map(|statement| statement + 1);
        let mark = failure.as_ref().map(|failure| failure.repeat(2));
        Some(Dirty { direction, statement, of, mark, failure, is_to_resume })
    };
    let checksum = |text| Some(Checksum::of(text));
    let id = MigrationId::from("5_whole");
    let options = ScriptOptions { foreign_keys: ForeignKeys::Unchecked, ..ScriptOptions::default() };
    let script = StoredScript::new(&id, "DROP TABLE \"it's\";\r\n\t-- 100 % ü \\n \\\\ $1 ?1 🦀", options);
    let damaged =
        StoredScript { checksum: None, options: "guarded in_a_new_way".to_owned(), ..script.clone() };
    let bare = StoredScript { text: String::new(), options: String::new(), ..script.clone() };
    vec![
        Record {
            run_on: "2024-03-04T05:06:07.089".to_owned(),
            checksum: checksum("5"),
            duration: Some(Duration::from_millis(3_000_000_007)),
            up_sql: Some("CREATE TABLE \"it's\" (x);\r\n\t-- 100 % ü \\n \\\\ $1 ?1 🦀\n".to_owned()),
            down: Some(StoredDown::Script(script)),
            program: Some("it's \"notes\" 1.2 ü \\ 🦀".to_owned()),
            ..Record::new(id, None)
        },
        Record::new("3_bare", None),
        Record { dirty: dirty(Direction::Up, None, None, false), ..Record::new("4_begun", checksum("4")) },
        Record {
            run_on: "2023-12-31T23:59:59.999".to_owned(),
            dirty: dirty(Direction::Up, Some(70_000), Some("it's \"odd\",\n100 % \\ ü"), false),
            duration: Some(Duration::ZERO),
            ..Record::new("1_stopped", None)
        },
        Record {
            dirty: dirty(Direction::Down, Some(1), None, false),
            program: Some("notes 1.2".to_owned()),
            ..Record::new("2_undone", checksum(""))
        },
        Record { dirty: dirty(Direction::Down, None, None, true), ..Record::new("9_again", checksum("9")) },
        Record { dirty: dirty(Direction::Up, Some(3), None, true), ..Record::new("0_again", checksum("0")) },
        Record { down: Some(StoredDown::Code), up_sql: Some(String::new()), ..Record::new("8_code", None) },
        Record { down: Some(StoredDown::Script(damaged)), ..Record::new("7_damaged", None) },
        Record { down: Some(StoredDown::Script(bare)), ..Record::new("6_empty", None) },
    ]
}

/// Checks that the records are these, and that those without a date got a recent one.
#[track_caller]
fn are(found: &[Record], expected: &[Record]) -> Outcome {
    let ids = |records: &[Record]| records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>();
    equal("the records", &ids(found), &ids(expected))?;
    for (found, expected) in found.iter().zip(expected) {
        let mut plain = found.clone();
        if expected.run_on.is_empty() {
            recent(&format!("the date of `{}`", found.id), &found.run_on)?;
            plain.run_on.clear();
        }
        equal("the record", &plain, expected)?;
    }
    Ok(())
}

/// Creates a tracking table with these records.
fn with_records<B: Backend, T: Testbed<B>>(
    it: &Ground<'_, B, T>,
    table: &TableName,
    records: &[Record],
) -> Result<TrackingTable, Fault> {
    it.with(|conn| committed::<B, _>(conn, |conn| B::create_table(conn, table, records)))?;
    it.with(|conn| B::read(conn, table))
}

fn records_come_back<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let (table, samples) = (TableName::default(), samples());
    let tracking = with_records(it, &table, &[])?;
    equal("the form of a table that was made", &tracking.form, &TableForm::Current)?;
    are(&tracking.records, &[])?;
    for record in &samples {
        it.with(|conn| committed::<B, _>(conn, |conn| B::insert(conn, &table, record)))?;
    }
    let inserted = it.with(|conn| B::read(conn, &table))?;
    are(&inserted.records, &samples)?;
    // This replaces the existing table, as a table of an older form is replaced.
    let tracking = with_records(it, &table, &samples)?;
    equal("the form of a table that was made", &tracking.form, &TableForm::Current)?;
    are(&tracking.records, &samples)
}

fn an_update_keeps_the_date<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let mut expected = with_records(it, &table, &samples())?.records;
    // Each record gets the values of the next sample.
    for (place, sample) in (0..expected.len()).zip(samples().into_iter().cycle().skip(1)) {
        let Record { id, run_on, .. } = expected[place].clone();
        let update = Record { id: id.clone(), run_on: String::new(), ..sample };
        it.with(|conn| committed::<B, _>(conn, |conn| B::update(conn, &table, &update)))?;
        expected[place] = Record { run_on, ..update };
        are(&it.with(|conn| B::read(conn, &table))?.records, &expected)?;
        let as_read = &expected[place];
        it.with(|conn| committed::<B, _>(conn, |conn| B::update(conn, &table, as_read)))?;
        are(&it.with(|conn| B::read(conn, &table))?.records, &expected)?;
    }
    Ok(())
}

fn a_record_is_removed<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let mut expected = with_records(it, &table, &samples())?.records;
    for place in [3, 0, 6, 2] {
        let gone = expected.remove(place);
        it.with(|conn| committed::<B, _>(conn, |conn| B::delete(conn, &table, &gone.id)))?;
        are(&it.with(|conn| B::read(conn, &table))?.records, &expected)?;
    }
    // A record that is removed and inserted again is the newest.
    let again = Record::new("1_stopped", None);
    it.with(|conn| committed::<B, _>(conn, |conn| B::insert(conn, &table, &again)))?;
    expected.push(again);
    are(&it.with(|conn| B::read(conn, &table))?.records, &expected)
}

fn a_step_of_another_run_is_kept<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    it.with(|conn| {
        committed::<B, _>(conn, |conn| B::create_table(conn, &table, &[Record::new("2_b", None)]))
    })?;
    let at = |direction, statement: Option<u32>, mark: Option<&str>| Dirty {
        statement,
        of: statement.map(|_| 9),
        mark: mark.map(str::to_owned),
        ..Dirty::begun(direction)
    };
    let (up, down) = (Direction::Up, Direction::Down);
    let failed = |dirty: Dirty| Dirty { failure: Some("it's full".to_owned()), ..dirty };
    let resuming = |dirty: Dirty| Dirty { is_to_resume: true, ..dirty };
    // The state in the record, the state that the run expects there, and the new state; and whether the update succeeds.
    let rows = [
        (at(up, None, None), at(up, None, None), at(up, Some(1), None), true),
        (at(up, Some(1), None), at(up, Some(1), None), at(up, Some(2), Some("x")), true),
        (at(up, Some(2), Some("x")), at(up, Some(2), Some("x")), at(up, Some(3), None), true),
        (at(down, Some(2), Some("")), at(down, Some(2), Some("")), failed(at(down, Some(2), None)), true),
        (failed(at(down, Some(2), None)), at(down, Some(2), None), at(down, Some(2), None), true),
        (at(up, Some(2), None), at(up, Some(2), None), at(up, Some(2), None), true),
        (
            resuming(at(up, Some(2), None)),
            resuming(at(up, Some(2), None)),
            resuming(at(up, Some(2), None)),
            true,
        ),
        (at(up, Some(2), None), at(up, Some(1), None), at(up, Some(2), None), false),
        (at(up, Some(2), None), at(up, None, None), at(up, Some(3), None), false),
        (at(up, None, None), at(up, Some(1), None), at(up, Some(2), None), false),
        (at(up, Some(2), Some("x")), at(up, Some(2), None), at(up, Some(3), None), false),
        (at(up, Some(2), Some("x")), at(up, Some(2), Some("y")), at(up, Some(3), None), false),
        (at(up, Some(2), None), at(up, Some(2), Some("x")), at(up, Some(3), None), false),
        (at(up, Some(2), None), at(down, Some(2), None), at(down, Some(3), None), false),
        (resuming(at(up, Some(2), None)), at(up, Some(2), None), at(up, Some(3), None), false),
    ];
    for (stored, from, to, succeeds) in rows {
        let record = Record { dirty: Some(stored.clone()), ..Record::new("1_a", None) };
        let (advanced, found) = it.with(|conn| {
            committed::<B, _>(conn, |conn| {
                B::insert(conn, &table, &record)?;
                let advanced = B::advance(conn, &table, &"1_a".into(), &from, &to)?;
                let found = B::read(conn, &table)?.records;
                B::delete(conn, &table, &"1_a".into())?;
                Ok((advanced, found))
            })
        })?;
        let what = format!("from {from:?} to {to:?}, where {stored:?} stands");
        equal(&what, &advanced, &succeeds)?;
        let expected = if succeeds { to } else { stored };
        equal("the other record", &found[0].dirty, &None)?;
        equal(&what, &found[1].dirty, &Some(expected))?;
    }
    let missing = it.with(|conn| {
        committed::<B, _>(conn, |conn| {
            let begun = at(up, None, None);
            Ok((
                B::advance(conn, &table, &"1_a".into(), &begun, &begun)?,
                B::advance(conn, &table, &"2_b".into(), &begun, &begun)?,
            ))
        })
    })?;
    equal("of a record that is not there, and of one that is clean", &missing, &(false, false))
}

fn what_cannot_be_written_is_a_fault<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let before = with_records(it, &table, &samples())?;
    let missing = Record::new("10_missing", None);
    let known = Record::new("3_bare", Some(Checksum::of("other")));
    let fails = |what: &str, write: &dyn Fn(&mut B::Conn<'_>) -> Result<(), Fault>| -> Outcome {
        let outcome = it.with(|conn| committed::<B, _>(conn, write));
        holds(&format!("{what} is a fault"), outcome.is_err())?;
        equal(&format!("the table after {what}"), &it.with(|conn| B::read(conn, &table))?, &before)
    };
    fails("inserting a record twice", &|conn| B::insert(conn, &table, &known))?;
    fails("updating a record that is not there", &|conn| B::update(conn, &table, &missing))?;
    fails("deleting a record that is not there", &|conn| B::delete(conn, &table, &missing.id))
}

fn the_head_is_told<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let table = TableName::default();
    let digest =
        |text: &str| HistoryDigest::EMPTY.toggled(HistoryDigest::of_record(&text.into(), None, false));
    let head_after = |what: &str, write: &dyn Fn(&mut B::Conn<'_>) -> Result<(), Fault>| -> Outcome<Head> {
        it.with(|conn| committed::<B, _>(conn, write))?;
        let head = it.with(|conn| B::head(conn, &table))?;
        let tracking = it.with(|conn| B::read(conn, &table))?;
        equal(&format!("the head, as `read` tells it after {what},"), &tracking.head, &head)?;
        Ok(head)
    };
    let (first, second) = (Record::new("1_a", None), Record::new("2_b", None));
    let dirty = Record { dirty: Some(Dirty::begun(Direction::Down)), ..first.clone() };
    let unsettled = Record { dirty: Some(Dirty::begun(Direction::Up)), ..second.clone() };
    let head = head_after("making the table", &|conn| B::create_table(conn, &table, &[]))?;
    equal("the head of an empty table", &head, &Head::EMPTY)?;
    let head = head_after("stamping an empty table", &|conn| B::stamp(conn, &table, digest("none")))?;
    equal("the head of an empty table that was stamped", &head, &Head::EMPTY)?;
    let head = head_after("an insert", &|conn| B::insert(conn, &table, &first))?;
    equal("the head of a record that was never stamped", &head, &Head { digest: None, count: 1 })?;
    let head = head_after("a stamp", &|conn| B::stamp(conn, &table, digest("one")))?;
    equal("the head", &head, &Head { digest: Some(digest("one")), count: 1 })?;
    let head = head_after("an update", &|conn| B::update(conn, &table, &dirty))?;
    equal("the head after an update", &head, &Head { digest: Some(digest("one")), count: 1 })?;
    let head = head_after("a second insert", &|conn| B::insert(conn, &table, &second))?;
    equal("the head of a newest record that was never stamped", &head, &Head { digest: None, count: 2 })?;
    let head = head_after("a second stamp", &|conn| B::stamp(conn, &table, digest("two")))?;
    equal("the head of two", &head, &Head { digest: Some(digest("two")), count: 2 })?;
    let head = head_after("an update of the newest", &|conn| B::update(conn, &table, &unsettled))?;
    equal("the head after an update of the newest", &head, &Head { digest: Some(digest("two")), count: 2 })?;
    head_after("deleting the newest", &|conn| B::delete(conn, &table, &second.id))?;
    let head = head_after("a third stamp", &|conn| B::stamp(conn, &table, digest("three")))?;
    equal("the head of one", &head, &Head { digest: Some(digest("three")), count: 1 })?;
    let head = head_after("deleting the last", &|conn| B::delete(conn, &table, &first.id))?;
    equal("the head of a table that became empty", &head, &Head::EMPTY)
}

fn lines_come_back<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let log = TableName::default().log();
    let text = |text: &str| Some(text.to_owned());
    let lines = [
        LogEntry::new("2_b", LogEntryKind::RolledBack),
        LogEntry {
            applied_on: text("2024-03-04T05:06:07.089"),
            checksum: Some(Checksum::of("1")),
            program: text("notes \"1.2\""),
            who: text("ada 🦀"),
            why: text("it's said,\n100 % \\ ü"),
            ..LogEntry::new("1_a", LogEntryKind::Forgotten)
        },
        LogEntry::new("2_b", LogEntryKind::Other("made better".to_owned())),
        LogEntry::new("2_b", LogEntryKind::RolledBack),
    ];
    it.with(|conn| B::create_log(conn, &log))?;
    for line in &lines {
        it.with(|conn| committed::<B, _>(conn, |conn| B::append_log(conn, &log, line)))?;
    }
    let found = it.with(|conn| B::read_log(conn, &log))?;
    for log_entry in &found {
        recent("the date of a line", &log_entry.logged_on)?;
    }
    let undated = found.into_iter().map(|log_entry| LogEntry { logged_on: String::new(), ..log_entry });
    equal("the lines of the log", &undated.collect::<Vec<_>>(), &lines)?;
    let table = TableName::default();
    equal("the tracking table beside a log", &it.with(|conn| B::read(conn, &table))?, &TrackingTable::MISSING)
}

/// Names that cause errors if they are not quoted, or are truncated.
pub(super) const NAMES: [&str; 9] = [
    "it's \"quoted\"",
    "`back` [and] forth",
    "100 % \\ $1 ?1 :x {}",
    "ünïcødé 表",
    "select",
    "a.b; --",
    "Mixed Case",
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüx",
];

fn tables_are_apart<B: Backend, T: Testbed<B>>(it: &Ground<'_, B, T>) -> Outcome {
    let tables: Vec<TableName> = NAMES.into_iter().filter_map(|name| TableName::new(name).ok()).collect();
    equal("the number of names that are good", &tables.len(), &NAMES.len())?;
    let id = |table: &TableName| MigrationId::from(format!("1 of {table}"));
    for table in &tables {
        equal(
            "the tracking table of no table",
            &it.with(|conn| B::read(conn, table))?,
            &TrackingTable::MISSING,
        )?;
        it.with(|conn| B::create_log(conn, &table.log()))?;
        it.with(|conn| {
            committed::<B, _>(conn, |conn| {
                B::create_table(conn, table, &[])?;
                B::insert(conn, table, &Record::new(id(table), None))?;
                B::append_log(conn, &table.log(), &LogEntry::new(id(table), LogEntryKind::RolledBack))
            })
        })?;
    }
    for table in &tables {
        are(&it.with(|conn| B::read(conn, table))?.records, &[Record::new(id(table), None)])?;
        equal("the count in the head", &it.with(|conn| B::head(conn, table))?.count, &1)?;
        let log_entries = it.with(|conn| B::read_log(conn, &table.log()))?;
        let found: Vec<&MigrationId> = log_entries.iter().map(|log_entry| &log_entry.id).collect();
        equal("the lines of the log", &found, &[&id(table)])?;
    }
    Ok(())
}
