//! Many programs that start at once.

use switchy_schema::{Direction, Lock, Mysql, Postgres};

use super::{Kind, Program, check};

/// The number of programs.
const PROGRAMS: usize = 32;

/// Lets the programs start at once, and returns the total number of steps that they applied.
pub(super) fn begin(programs: impl IntoIterator<Item = Program>) -> usize {
    let mut programs: Vec<Program> = programs.into_iter().collect();
    for program in &mut programs {
        assert!(program.hear("ready").is_some());
    }
    programs.iter_mut().for_each(Program::go_on);
    programs.iter_mut().map(|program| program.outcome().unwrap_or_else(|error| panic!("{error}"))).sum()
}

fn programs_apply_each_migration_once<B: Kind>(lock: &Lock) {
    let Some(database) = B::shared() else { return };
    B::prepare(&database);
    let set = B::set();
    let program = |_| Program::start::<B>(&database, &set, Direction::Up, lock, "never");
    assert_eq!(begin((0..PROGRAMS).map(program)), set.len(), "{lock:?}");
    assert_eq!(check::<B>(&set, &mut B::connect(&database), Direction::Up, "at once"), None);
}

#[test]
fn thirty_two_programs_at_once_apply_each_migration_once_on_postgres() {
    programs_apply_each_migration_once::<Postgres>(&Lock::default());
}

#[test]
fn thirty_two_programs_at_once_apply_each_migration_once_on_mysql() {
    programs_apply_each_migration_once::<Mysql>(&Lock::default());
}

#[test]
fn thirty_two_programs_at_once_with_a_row_as_the_lock_apply_each_migration_once_on_postgres() {
    programs_apply_each_migration_once::<Postgres>(&Lock::Row);
}

#[test]
fn thirty_two_programs_at_once_with_a_row_as_the_lock_apply_each_migration_once_on_mysql() {
    programs_apply_each_migration_once::<Mysql>(&Lock::Row);
}
