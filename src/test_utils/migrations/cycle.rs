//! Up, down and up again.

use crate::id::MigrationId;
use crate::schema::Schema;
use crate::target::Target;
use crate::test_utils::database::TestDatabase;

use super::trial::{Moment, Outcome, Trial, differences};

/// What was applied as one step, and the schema before it.
struct Climbed {
    ids: Vec<MigrationId>,
    before: Schema,
}

/// Verifies the cycle down to the empty database, or to a migration that stays applied.
pub(super) fn verify(trial: &Trial, bottom: Option<&MigrationId>) -> Outcome {
    let database = TestDatabase::new();
    let conn = &trial.open(&database)?;
    let planned = trial.planned(conn)?;
    trial.refuse_misplaced_stops(conn, &planned)?;
    let base = match bottom {
        None => 0,
        Some(bottom) => {
            let place = planned.iter().position(|id| id == bottom);
            place.ok_or_else(|| format!("the run does not apply `{bottom}`, after which the cycle begins"))?
                + 1
        }
    };
    refuse_irreversible(trial, &planned[base..])?;

    let (mut climbed, mut done): (Vec<Climbed>, usize) = (Vec::new(), 0);
    while let Some(next) = planned.get(done) {
        let before = trial.schema(conn)?;
        trial.act(conn, next, Moment::Before)?;
        let ids = trial.step_up(conn)?;
        ids.iter().try_for_each(|id| trial.act(conn, id, Moment::After))?;
        if done >= base {
            climbed.push(Climbed { ids: ids.clone(), before });
        }
        done += ids.len();
    }
    let top = trial.schema(conn)?;

    for Climbed { ids, before } in climbed.iter().rev() {
        trial.run_to(conn, Target::Back(ids.len()))?;
        if let Some(difference) = differences(before, &trial.schema(conn)?) {
            let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
            return Err(format!("undoing {} does not restore the schema:\n{difference}", ids.join(", ")));
        }
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

fn refuse_irreversible(trial: &Trial, ids: &[MigrationId]) -> Outcome {
    let metas = trial.runner.list().iter().filter(|meta| !meta.is_reversible && ids.contains(&meta.id));
    let without: Vec<&MigrationId> = metas.map(|meta| &meta.id).collect();
    let Some(last) = without.last() else { return Ok(()) };
    let names: Vec<String> = without.iter().map(|id| format!("`{id}`")).collect();
    Err(format!(
        "no way back from {}; write a down script, or verify only what follows: `verify_cycle_after(\"{last}\")`",
        names.join(", ")
    ))
}
