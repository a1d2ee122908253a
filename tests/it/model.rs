//! Sequences of operations on one database, by two programs whose sets change, compared with a simple model.
//!
//! The model ([`world`]) is a list of records, the tables that scripts created, and a few rules. [`database`] does the same with the engine.

mod database;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use switchy_schema::ErrorKind;

use database::Database;
use world::{End, Fix, Id, Operation, Outcome, SLOTS, World};

/// Does the operations in the model and in a database, and compares all that can be seen after each of them.
fn check(operations: &[(usize, Operation)]) -> Result<(), TestCaseError> {
    let (mut world, database) = (World::default(), Database::new());
    for (number, (program, operation)) in operations.iter().enumerate() {
        let context = format!("operation {number}: program {program} does {operation:?}");
        let before = database.dump();
        let expected = world.apply(*program, operation);
        let outcome = database.apply(&world.programs[*program], operation);
        prop_assert_eq!(&outcome, &expected, "{}", context);
        if matches!(outcome, Outcome::Refused(..)) {
            prop_assert_eq!(database.dump(), before, "{} and leaves traces", context);
        }
        prop_assert_eq!(database.content(), world.content(), "{}", context);
        let seen = database.compare(&world, &world.programs[*program]);
        seen.map_err(|error| TestCaseError::fail(format!("{context}: {error}")))?;
        if let (Outcome::Done(_), Operation::Migrate(to, _)) = (&outcome, operation) {
            let left = database.steps(&world.programs[*program], *to);
            prop_assert!(!to.is_fixed() || left.is_empty(), "{context} and leaves {left:?}");
        }
    }
    Ok(())
}

fn id() -> impl Strategy<Value = Id> {
    (1..=SLOTS, prop::bool::weighted(0.1)).prop_map(|(slot, is_renamed)| Id { slot, is_renamed })
}

fn to() -> impl Strategy<Value = End> {
    prop_oneof![
        5 => Just(End::Latest),
        1 => Just(End::LatestInBatch),
        1 => id().prop_map(End::Through),
        1 => id().prop_map(End::Before),
        1 => (0..4_usize).prop_map(End::Steps),
        3 => (0..4_usize).prop_map(End::Back),
        1 => id().prop_map(End::BackTo),
        1 => Just(End::Empty),
        2 => Just(End::Redo),
        2 => Just(End::Known),
    ]
}

fn fix() -> impl Strategy<Value = Fix> {
    prop_oneof![
        4 => id().prop_map(Fix::Retry),
        2 => (id(), 0..6_u32).prop_map(|(id, statement)| Fix::RetryFrom(id, statement)),
        1 => id().prop_map(Fix::MarkDone),
        1 => id().prop_map(Fix::Forget),
        2 => id().prop_map(Fix::Accept),
        1 => id().prop_map(Fix::Assume),
        1 => (id(), id()).prop_map(|(from, through)| Fix::AssumeRange(from, through)),
        1 => Just(Fix::AssumeAll),
        1 => id().prop_map(Fix::Baseline),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    // Scripts call `step()` once or twice each; this call fails.
    let fails_at = prop_oneof![2 => Just(None), 1 => (1..6_u32).prop_map(Some)];
    prop_oneof![
        8 => (to(), fails_at).prop_map(|(to, fails_at)| Operation::Migrate(to, fails_at)),
        4 => fix().prop_map(Operation::Recover),
        // A migration with a lower number than applied ones is a late one.
        2 => (1..=SLOTS).prop_map(Operation::Add),
        1 => (1..=SLOTS).prop_map(Operation::Remove),
        1 => (1..=SLOTS).prop_map(Operation::Edit),
        1 => (1..=SLOTS).prop_map(Operation::Rename),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_operations_ends_where_the_model_ends(
        operations in vec((select(vec![0_usize, 0, 0, 1]), operation()), 1..24)
    ) {
        check(&operations)?;
    }
}

/// Sequences that were once wrong.
#[test]
fn sequences_that_shrunk_from_failures_end_where_the_model_ends() {
    let second = Id { slot: 2, is_renamed: false };
    let rows: &[&[(usize, Operation)]] = &[
        // A redo of a migration that was half applied and marked to continue ran the whole down script, and then the rest of the up
        // script. The record said that it was applied, and the first half was missing.
        &[
            (0, Operation::Migrate(End::Latest, Some(4))),
            (0, Operation::Recover(Fix::Retry(second))),
            (0, Operation::Migrate(End::Redo, None)),
        ],
    ];
    for row in rows {
        check(row).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The model itself refuses and fails: a comparison of two sides that do nothing proves nothing.
#[test]
fn the_model_knows_a_refusal_and_a_half_applied_migration() {
    let mut world = World::default();
    let second = Id { slot: 2, is_renamed: false };
    // The second call of `step()` in the second script, which is not one transaction.
    assert!(matches!(world.apply(0, &Operation::Migrate(End::Latest, Some(4))), Outcome::Failed(_)));
    assert!(matches!(
        world.apply(0, &Operation::Migrate(End::Latest, None)),
        Outcome::Refused(ErrorKind::Refused, _)
    ));
    assert!(matches!(world.apply(0, &Operation::Recover(Fix::Retry(second))), Outcome::Recovered));
    assert!(matches!(world.apply(0, &Operation::Migrate(End::Latest, None)), Outcome::Done(_)));
    assert_eq!(world.content().len(), 12, "{:?}", world.content());
}
