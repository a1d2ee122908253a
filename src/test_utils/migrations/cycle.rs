//! Up, down and up again.

use crate::id::MigrationId;
use crate::schema::Schema;
use crate::test_utils::backend::TestBackend;

use super::row_counts::RowCounts;
use super::trial::{Moment, Outcome, Trial, differences};

/// What was applied as one step, and the schema before it.
struct Climbed {
    ids: Vec<MigrationId>,
    before: Schema,
    rows: RowCounts,
}

/// Verifies the cycle down to the empty database, or to a migration that stays applied.
pub(super) fn verify<B: TestBackend>(trial: &Trial<B>, bottom: Option<&MigrationId>) -> Outcome {
    let database = (trial.create)();
    let mut owned = trial.open(&database)?;
    let conn = &mut B::borrow(&mut owned);
    let planned = trial.planned_from_nothing(conn)?;
    let base = match bottom {
        None => 0,
        Some(bottom) => {
            let place = planned.iter().position(|id| id == bottom);
            place.ok_or_else(|| format!("the run does not apply `{bottom}`, after which the cycle begins"))?
                + 1
        }
    };
    if let (Some(bottom), true) = (bottom, base == planned.len()) {
        return Err(format!("no migration follows `{bottom}`, so the cycle would undo nothing"));
    }
    if let Some(id) = planned[..base].iter().find(|id| trial.has_stop(id, Moment::Undone)) {
        return Err(format!("`check_undone` cannot run: the cycle does not undo `{id}`"));
    }
    refuse_irreversible(trial, &planned[base..])?;

    let (mut climbed, mut done): (Vec<Climbed>, usize) = (Vec::new(), 0);
    while let Some(next) = planned.get(done) {
        let before = trial.schema(conn)?;
        trial.act(conn, next, Moment::Before)?;
        let rows = trial.count_rows(conn)?;
        let ids = trial.step_up(conn)?;
        ids.iter().try_for_each(|id| trial.act(conn, id, Moment::After))?;
        if done >= base {
            climbed.push(Climbed { ids: ids.clone(), before, rows });
        }
        done += ids.len();
    }
    let top = trial.schema(conn)?;

    for Climbed { ids, before, rows } in climbed.iter().rev() {
        trial.undo(conn, ids, before, rows)?;
        ids.iter().rev().try_for_each(|id| trial.act(conn, id, Moment::Undone))?;
    }

    trial.run_to(conn, trial.end.clone())?;
    match differences(&top, &trial.schema(conn)?) {
        Some(difference) => {
            Err(format!("applied for the second time, the migrations make another schema:\n{difference}"))
        }
        None => Ok(()),
    }
}

fn refuse_irreversible<B: TestBackend>(trial: &Trial<B>, ids: &[MigrationId]) -> Outcome {
    let metas = trial.runner.list().iter().filter(|meta| !meta.is_reversible && ids.contains(&meta.id));
    let without: Vec<&MigrationId> = metas.map(|meta| &meta.id).collect();
    let Some(last) = without.last() else { return Ok(()) };
    let names: Vec<String> = without.iter().map(|id| format!("`{id}`")).collect();
    Err(format!(
        "no way back from {}; write a down script, or verify only what follows: `verify_cycle_after(\"{last}\")`",
        names.join(", ")
    ))
}
