//! The databases that released versions left.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::backend::Sqlite;
use crate::schema::Schema;
use crate::target::Target;
use crate::test_utils::database::TestDatabase;
use crate::test_utils::panics::message_of;

use super::trial::{Moment, Outcome, Trial, differences, refuse_damage};

pub(super) fn verify(trial: &Trial<Sqlite>, folder: &Path) -> Outcome {
    let fixtures = fixtures(folder)
        .map_err(|error| format!("the folder of fixtures {} cannot be read: {error}", folder.display()))?;
    if fixtures.is_empty() {
        return Err(format!("the folder of fixtures {} has no database and no script", folder.display()));
    }
    let expected = trial.schema_of_new_database()?;
    // A check that panics must not hide the other fixtures.
    let upgraded = |fixture: &Path| {
        let outcome = catch_unwind(AssertUnwindSafe(|| upgrade(trial, fixture, &expected)));
        outcome.unwrap_or_else(|panic| Err(message_of(&*panic).to_owned()))
    };
    let failures: Vec<String> = fixtures
        .iter()
        .filter_map(|fixture| {
            let message = upgraded(fixture).err()?;
            Some(format!("{}: {message}", fixture.display()))
        })
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!(
        "of {} released versions, {} cannot be upgraded:\n\n{}",
        fixtures.len(),
        failures.len(),
        failures.join("\n\n")
    ))
}

/// The fixtures in a folder and in its subfolders.
fn fixtures(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_beside = ["-wal", "-shm", "-journal", "-migrate", ".md"].iter().any(|end| name.ends_with(end));
        if is_beside || name.starts_with('.') {
            continue;
        }
        // A link to nothing is no folder, and cannot be copied: it is an error, and not a release that nobody tests.
        if path.is_dir() {
            fixtures.extend(self::fixtures(&path)?);
        } else {
            fixtures.push(path);
        }
    }
    fixtures.sort();
    Ok(fixtures)
}

fn upgrade(trial: &Trial<Sqlite>, fixture: &Path, expected: &Schema) -> Outcome {
    let database = TestDatabase::copy_of(fixture);
    let owned = trial.open(&database)?;
    let conn = &mut &owned;
    let is_empty = conn.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0));
    if is_empty.map_err(|error| format!("the schema cannot be read: {error}"))? {
        return Err("the fixture has no table, so no released version left it".to_owned());
    }
    refuse_damage::<Sqlite>(conn).map_err(|error| format!("before the upgrade, {error}"))?;
    for id in trial.planned(conn)? {
        if trial.has_stop(&id, Moment::After) {
            trial.run_to(conn, Target::Through(id.clone()))?;
            trial.act(conn, &id, Moment::After)?;
        }
    }
    trial.run_to(conn, trial.end.clone())?;
    refuse_damage::<Sqlite>(conn)?;
    match differences(expected, &trial.schema(conn)?) {
        Some(difference) => Err(format!("the schema is not that of a new database:\n{difference}")),
        None => Ok(()),
    }
}
