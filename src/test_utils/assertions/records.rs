//! The state of migrations.

use super::text::{difference, quoted, require};
use crate::backend::Backend;
use crate::runner::MigrationRunner;
use crate::status::{Entry, State};

/// Asserts that these migrations are applied and finished. On a server, the connection is `&mut client`.
///
/// ```
/// # use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::{TestMigrationBuilder, assert_applied, assert_pending};
/// use switchy_schema::Target;
///
/// let set = TestMigrationBuilder::new().migration("1_a", "CREATE TABLE a (b)").migration("2_c", "CREATE TABLE c (d)");
/// let (runner, conn) = (set.runner(), Connection::open_in_memory().unwrap());
/// runner.run_to(&conn, Target::Steps(1)).unwrap();
/// assert_applied(&runner, &conn, &["1_a"]);
/// assert_pending(&runner, &conn, &["2_c"]);
/// ```
///
/// # Panics
/// If one of them has another state, or if neither the set nor the database has it. The message has the state of each.
#[track_caller]
pub fn assert_applied<B: Backend>(runner: &MigrationRunner<B>, conn: B::Conn<'_>, ids: &[&str]) {
    all(runner, conn, ids, "applied", |state| {
        matches!(state, State::Applied(_) | State::Changed(_) | State::Unknown(_))
    });
}

/// Asserts that the next run would apply these migrations.
///
/// # Panics
/// As [`assert_applied`].
#[track_caller]
pub fn assert_pending<B: Backend>(runner: &MigrationRunner<B>, conn: B::Conn<'_>, ids: &[&str]) {
    all(runner, conn, ids, "pending", |state| *state == State::Pending);
}

/// Asserts that the database has no record of these migrations. They are pending, or they are for another database or environment.
///
/// # Panics
/// As [`assert_applied`].
#[track_caller]
pub fn assert_not_applied<B: Backend>(runner: &MigrationRunner<B>, conn: B::Conn<'_>, ids: &[&str]) {
    all(runner, conn, ids, "not applied", |state| {
        matches!(state, State::Pending | State::OtherDatabase | State::OtherEnvironment | State::Unread)
    });
}

#[track_caller]
fn all<B: Backend>(
    runner: &MigrationRunner<B>,
    conn: B::Conn<'_>,
    ids: &[&str],
    expected: &str,
    is_it: impl Fn(&State) -> bool,
) {
    let entries = match runner.status(conn) {
        Ok(status) => status.entries,
        Err(error) => panic!("{error}"),
    };
    let state = |id: &str| entries.iter().find(|entry| entry.id == id).map(|entry: &Entry| &entry.state);
    let unknown: Vec<String> = ids.iter().filter(|id| state(id).is_none()).map(|&id| id.to_owned()).collect();
    require!(unknown.is_empty(), "neither the set nor the database knows {}", quoted(&unknown));
    if ids.iter().all(|id| state(id).is_some_and(&is_it)) {
        return;
    }
    let line = |id: &str, word: &str| format!("{id} {word}");
    let wanted: Vec<String> = ids.iter().map(|id| line(id, expected)).collect();
    let found = ids.iter().filter_map(|id| {
        let state = state(id)?;
        Some(line(id, if is_it(state) { expected } else { word(state) }))
    });
    let found: Vec<String> = found.collect();
    panic!("the migrations have another state:\n{}", difference(&wanted.join("\n"), &found.join("\n")));
}

fn word(state: &State) -> &'static str {
    match state {
        State::Applied(_) => "applied",
        State::Pending => "pending",
        State::Baseline => "to be recorded as applied",
        State::Changed(_) => "applied with another script",
        State::Dirty(_) => "dirty",
        State::Unknown(_) => "applied by another program",
        State::OtherDatabase => "for another database",
        State::OtherEnvironment => "for another environment",
        State::Unread => "not read",
    }
}
