//! Each step on generated rows.

use crate::id::MigrationId;
use crate::sql::same_name;
use crate::target::Target;
use crate::test_utils::backend::TestBackend;

use super::trial::{Moment, Outcome, Trial, refuse_damage};

pub(super) fn verify<B: TestBackend>(trial: &Trial<B>) -> Outcome {
    let database = (trial.create)();
    let mut owned = trial.open(&database)?;
    let conn = &mut B::borrow(&mut owned);
    let planned = trial.planned_from_nothing(conn)?;
    if let Some(id) =
        planned.iter().find(|id| trial.has_stop(id, Moment::Undone) && !is_reversible(trial, id))
    {
        return Err(format!("`check_undone` cannot run: `{id}` has no way back; write a down script"));
    }
    let (mut done, mut seen) = (0, Vec::new());
    while let Some(next) = planned.get(done) {
        trial.act(conn, next, Moment::Before)?;
        seen.extend(fill(trial, conn, next)?);
        let (before, rows) = (trial.schema(conn)?, trial.count_rows(conn)?);
        let ids = trial.step_up(conn)?;
        let after_step = |error| format!("after `{next}`, {error}");
        refuse_damage::<B>(conn).map_err(after_step)?;
        if trial.goes_back && ids.iter().all(|id| is_reversible(trial, id)) {
            trial.undo(conn, &ids, &before, &rows)?;
            refuse_damage::<B>(conn).map_err(|error| format!("after `{next}` was undone, {error}"))?;
            ids.iter().rev().try_for_each(|id| trial.act(conn, id, Moment::Undone))?;
            trial.run_to(conn, Target::Steps(ids.len()))?;
            refuse_damage::<B>(conn).map_err(after_step)?;
        }
        ids.iter().try_for_each(|id| trial.act(conn, id, Moment::After))?;
        done += ids.len();
    }
    match trial.exempt.iter().find(|exempt| !seen.iter().any(|table| same_name(exempt, table))) {
        Some(table) => Err(format!(
            "`without_generated_rows` names the table `{table}`, which no step finds; correct the name, or remove it"
        )),
        None => Ok(()),
    }
}

fn is_reversible<B: TestBackend>(trial: &Trial<B>, id: &MigrationId) -> bool {
    trial.runner.list().iter().any(|meta| meta.id == *id && meta.is_reversible)
}

/// Generates rows in every table of the application, and returns the names of all tables.
///
/// # Errors
/// A table is still empty.
fn fill<B: TestBackend>(
    trial: &Trial<B>,
    conn: &mut B::Conn<'_>,
    next: &MigrationId,
) -> Outcome<Vec<String>> {
    let schema = trial.schema(conn)?;
    let is_meant = |table: &str| !trial.is_exempt(table);
    let tables = B::fill(conn, &schema, trial.rows, &is_meant)
        .map_err(|error| format!("no rows can be generated before `{next}`: {error}"))?;
    let empty: Vec<String> = tables
        .iter()
        .filter(|table| is_meant(&table.table))
        .filter_map(|table| Some(format!("  {}", table.empty.as_ref()?)))
        .collect();
    if empty.is_empty() {
        return Ok(tables.into_iter().map(|table| table.table).collect());
    }
    Err(format!(
        "tables are empty before `{next}`, so it would be tried without rows:\n{}\n\
        insert some with `seed_before`, or accept it with `without_generated_rows`",
        empty.join("\n")
    ))
}
