//! Each step on generated rows.

use rusqlite::Connection;

use crate::id::MigrationId;
use crate::sql::same_name;
use crate::target::Target;
use crate::test_utils::database::TestDatabase;
use crate::test_utils::generate::fill_tables;

use super::trial::{Moment, Outcome, Trial, differences, refuse_damage};

pub(super) fn verify(trial: &Trial) -> Outcome {
    let database = TestDatabase::new();
    let conn = &trial.open(&database)?;
    let planned = trial.planned(conn)?;
    trial.refuse_misplaced_stops(conn, &planned)?;
    let mut done = 0;
    while let Some(next) = planned.get(done) {
        trial.act(conn, next, Moment::Before)?;
        fill(trial, conn, next)?;
        let before = trial.schema(conn)?;
        let ids = trial.step_up(conn)?;
        let after_step = |error| format!("after `{next}`, {error}");
        refuse_damage(conn).map_err(after_step)?;
        if trial.goes_back && ids.iter().all(|id| is_reversible(trial, id)) {
            trial.run_to(conn, Target::Back(ids.len()))?;
            refuse_damage(conn).map_err(|error| format!("after `{next}` was undone, {error}"))?;
            if let Some(difference) = differences(&before, &trial.schema(conn)?) {
                return Err(format!("undoing `{next}` does not restore the schema:\n{difference}"));
            }
            trial.run_to(conn, Target::Steps(ids.len()))?;
            refuse_damage(conn).map_err(after_step)?;
        }
        ids.iter().try_for_each(|id| trial.act(conn, id, Moment::After))?;
        done += ids.len();
    }
    Ok(())
}

fn is_reversible(trial: &Trial, id: &MigrationId) -> bool {
    trial.runner.list().iter().any(|meta| meta.id == *id && meta.is_reversible)
}

/// Generates rows in every table of the application.
///
/// # Errors
/// A table is still empty.
fn fill(trial: &Trial, conn: &Connection, next: &MigrationId) -> Outcome {
    let schema = trial.schema(conn)?;
    let is_meant = |table: &str| !trial.exempt.iter().any(|exempt| same_name(exempt, table));
    let filled = fill_tables(conn, &schema, trial.rows, &is_meant)
        .map_err(|error| format!("no rows can be generated before `{next}`: {error}"))?;
    let empty: Vec<String> = filled
        .tables
        .iter()
        .filter(|table| table.is_empty && is_meant(&table.table))
        .map(|table| format!("  {table}"))
        .collect();
    if empty.is_empty() {
        return Ok(());
    }
    Err(format!(
        "tables are empty before `{next}`, so it would be tried without rows:\n{}\n\
        insert some with `seed_before`, or accept it with `without_generated_rows`",
        empty.join("\n")
    ))
}
