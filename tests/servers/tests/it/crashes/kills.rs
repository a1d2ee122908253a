//! Programs and servers are killed at many moments of a run, in both directions.

use std::thread;
use std::time::{Duration, Instant};

use switchy_schema::{Direction, Lock, Mysql, Postgres, Record};

use super::{Kind, Program, Script, check, check_said, finish, go, runner};
use crate::servers::OwnServer;

/// What is killed.
pub(super) enum Victim<'s, D> {
    Programs,
    Server(&'s OwnServer<D>),
}

/// A run during which something is killed.
pub(super) struct Run<'s, B: Kind> {
    pub(super) set: &'s [Script],
    pub(super) direction: Direction,
    pub(super) victim: Victim<'s, B::Database>,
}

/// The result of an undisturbed run.
struct End {
    picture: Vec<String>,
    duration: Duration,
}

/// A run that reached the moment at which it is killed.
struct Doomed<'d, B: Kind> {
    context: String,
    expected: &'d str,
    database: &'d B::Database,
    program: Program,
    /// The connection with the lock that holds the run at this moment.
    gate: Option<B::Client>,
}

/// The limit for every wait.
const PATIENCE: Duration = Duration::from_secs(300);

/// The number of runs that are killed at once, each on its own database.
const AT_ONCE: usize = 4;

impl<B: Kind> Run<'_, B> {
    fn databases(&self) -> Option<Vec<B::Database>> {
        let one = || match self.victim {
            Victim::Programs => B::shared(),
            Victim::Server(server) => Some(B::fresh(&server.database)),
        };
        (0..AT_ONCE).map(|_| one()).collect()
    }

    /// Prepares a database for this run, and starts a program for it.
    fn start(&self, database: &B::Database, lock: &Lock, moment: &str) -> Program {
        B::prepare(database);
        if self.direction == Direction::Down {
            go(&runner::<B>(self.set, Lock::default()), &mut B::connect(database), Direction::Up).unwrap();
        }
        Program::start::<B>(database, self.set, self.direction, lock, moment)
    }

    fn undisturbed(&self, database: &B::Database) -> End {
        let mut program = self.start(database, &Lock::default(), "never");
        program.hear("ready").unwrap();
        let began = Instant::now();
        program.go_on();
        assert_eq!(program.outcome(), Ok(self.set.len()));
        let duration = began.elapsed();
        let mut client = B::connect(database);
        assert_eq!(check::<B>(self.set, &mut client, self.direction, "undisturbed"), None);
        End { picture: B::picture(&mut client), duration }
    }

    /// Kills at each of these moments: (moment, the unfinished step as [`is_left`] reads it). Other moments are a percentage of the duration
    /// of a run.
    pub(super) fn kill_at(&self, moments: &[(&str, &str)]) {
        let Some(first) = self.databases() else { return };
        let end = self.undisturbed(&first[0]);
        let mut count = 0;
        for (round, moments) in moments.chunks(AT_ONCE - 1).enumerate() {
            // The last run is killed at an arbitrary moment.
            let random = format!("after {} percent", round * 14);
            let moments = moments.iter().copied().chain([(&*random, "*")]);
            // A killed server may leave files of a table that it was creating or dropping, which no SQL statement removes.
            let Some(databases) = self.databases() else { return };
            let mut doomed: Vec<Doomed<'_, B>> = databases
                .iter()
                .zip(moments)
                .map(|(database, (moment, expected))| {
                    count += 1;
                    let lock = if count % 3 == 0 { Lock::Row } else { Lock::default() };
                    let context = format!("{}, {moment}, {lock:?}", B::NAME);
                    let program = self.start(database, &lock, moment);
                    Doomed { context, expected, database, program, gate: None }
                })
                .collect();
            for one in &mut doomed {
                one.reach(end.duration);
            }
            let said = self.kill(&mut doomed);
            for (one, said) in doomed.into_iter().zip(said) {
                self.finish(one, &said, &end);
            }
        }
    }

    /// Kills the victims, and returns the messages of the programs that were not killed.
    fn kill(&self, doomed: &mut [Doomed<'_, B>]) -> Vec<String> {
        let Victim::Server(server) = self.victim else {
            for one in doomed.iter_mut() {
                one.program.kill();
            }
            return vec![String::new(); doomed.len()];
        };
        server.kill();
        let outcome = |one: &mut Doomed<'_, B>| {
            one.program.go_on();
            one.program.outcome().err().unwrap_or_default()
        };
        let said = doomed.iter_mut().map(outcome).collect();
        server.restart();
        said
    }

    /// Checks the state, continues the run, and compares its result with that of an undisturbed run.
    fn finish(&self, doomed: Doomed<'_, B>, said: &str, end: &End) {
        let Doomed { context, expected, database, gate, .. } = doomed;
        drop(gate);
        let mut client = B::connect(database);
        wait_until(&context, || B::rows(&mut client, B::OTHERS) == ["0"]);
        check_said::<B>(said, &mut client, self.direction, &context);
        let by_hand = if self.direction == Direction::Down { B::HALF } else { "" };
        let (unfinished, _) = finish::<B>(self.set, &mut client, self.direction, by_hand, &context);
        let left = left(unfinished.as_ref());
        assert!(is_left(&left, expected), "{context}: {left:?}");
        assert_eq!(B::picture(&mut client), end.picture, "{context}");
    }
}

impl<B: Kind> Doomed<'_, B> {
    /// Lets the program continue until it reaches its moment.
    fn reach(&mut self, duration: Duration) {
        let moment = self.context.split(", ").nth(1).unwrap();
        let (kind, what) = moment.split_once(' ').unwrap();
        self.program.hear("ready").unwrap();
        match kind {
            "started" | "finished" => {
                self.program.go_on();
                self.program.hear("now").unwrap_or_else(|| panic!("{}", self.context));
            }
            // `inside row 3`, `inside big: ALTER TABLE`
            "inside" => {
                self.gate = Some(hold::<B>(&mut self.program, self.database, what).0);
            }
            // `after 30 percent`
            _ => {
                let percent: u32 = what.split_once(' ').unwrap().0.parse().unwrap();
                self.program.go_on();
                thread::sleep(duration * percent / 100);
            }
        }
    }
}

/// Lets a program continue until it is inside a statement, and holds it there until the returned client is dropped. `row 3` is the
/// statement that adds this row; otherwise the text names a table that the statement needs, or a query that takes the same lock, and then a
/// part of the statement. Also returns the id of the program's session.
pub(super) fn hold<B: Kind>(
    program: &mut Program,
    database: &B::Database,
    what: &str,
) -> (B::Client, String) {
    let (needs, part) = what.split_once(": ").unwrap_or((what, ""));
    let (sql, part) = match needs.strip_prefix("row ") {
        None if needs.contains(' ') => (needs.to_owned(), part.to_owned()),
        None => (format!("UPDATE {needs} SET n = n WHERE n = 1"), part.to_owned()),
        Some(number) => {
            let own = if part.is_empty() { format!("gate WHERE n = {number} ") } else { part.to_owned() };
            (format!("SELECT n FROM gate WHERE n IN ({number}) FOR UPDATE"), own)
        }
    };
    let mut gate = B::connect(database);
    B::run(&mut gate, "BEGIN");
    B::rows(&mut gate, &sql);
    program.go_on();
    let is_inside = B::BUSY.replace("{}", &part);
    let mut client = B::connect(database);
    let mut sessions = Vec::new();
    let began = Instant::now();
    while sessions.is_empty() {
        program.assert_runs();
        assert!(began.elapsed() < PATIENCE, "{what}: {:#?}", B::rows(&mut client, B::ACTIVITY));
        thread::sleep(Duration::from_millis(1));
        sessions = B::rows(&mut client, &is_inside);
    }
    (gate, sessions.remove(0))
}

/// Polls until the condition is true.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The unfinished step: `2_mixed 3`, or `2_mixed 4?` if it is unknown whether this statement took effect.
pub(super) fn left(record: Option<&Record>) -> String {
    let Some(record) = record else { return String::new() };
    let dirty = record.dirty.as_ref().unwrap();
    let is_unknown = if dirty.mark.is_some() { "?" } else { "" };
    format!("{} {}{is_unknown}", record.id, dirty.statement.unwrap_or(0))
}

/// Whether the unfinished step is one of those in `6_many 2 or 6_many 3`, or `*` allows any. Statements of MySQL that share a transaction are
/// several expected steps: after a second the engine ends the transaction, so a slow machine may have recorded some of them.
pub(super) fn is_left(left: &str, expected: &str) -> bool {
    expected == "*" || expected.split(" or ").any(|one| one == left)
}

const UP_POSTGRES: [(&str, &str); 19] = [
    ("started 1", ""),
    ("inside row 2", ""),
    ("finished 1", ""),
    ("started 2", "2_mixed 0"),
    ("inside row 3", "2_mixed 3"),
    ("inside big: INDEX CONCURRENTLY of_big", "2_mixed 4?"),
    ("inside row 4", "2_mixed 5"),
    ("inside row 5", "2_mixed 5"),
    ("inside x: ALTER TABLE", "2_mixed 10"),
    ("inside s.inner: INDEX CONCURRENTLY of_inner", "2_mixed 11?"),
    ("inside row 6", "2_mixed 12"),
    ("finished 2", "2_mixed 13"),
    ("started 3", ""),
    ("inside row 8", ""),
    ("started 4", "4_outside 0"),
    ("inside row 10", "4_outside 2"),
    ("inside row 11", "4_outside 3"),
    ("finished 4", "4_outside 4"),
    ("finished 5", ""),
];

const DOWN_POSTGRES: [(&str, &str); 13] = [
    ("started 1", ""),
    ("inside row 27", ""),
    ("started 2", "4_outside 0"),
    ("inside b: DROP TABLE b", "4_outside 0"),
    ("inside row 26", "4_outside 2"),
    ("finished 2", "4_outside 3"),
    ("started 4", "2_mixed 0"),
    ("inside s.inner: INDEX CONCURRENTLY of_inner", "2_mixed 2?"),
    ("inside row 23", "2_mixed 3"),
    ("inside row 24", "2_mixed 4"),
    ("inside s.also_here: DROP TABLE also_here", "2_mixed 8"),
    ("finished 4", "2_mixed 11"),
    ("inside row 22", ""),
];

const UP_MYSQL: [(&str, &str); 23] = [
    ("started 1", ""),
    ("inside row 2", ""),
    ("finished 1", ""),
    ("started 2", "2_mixed 0"),
    ("inside row 3", "2_mixed 3"),
    ("inside big: ALTER TABLE", "2_mixed 4?"),
    ("inside row 4", "2_mixed 5"),
    ("inside row 5", "2_mixed 5"),
    ("inside row 6", "2_mixed 9?"),
    ("inside x: RENAME TABLE", "2_mixed 10?"),
    ("inside w: CREATE INDEX", "2_mixed 11?"),
    ("inside row 7", "2_mixed 12"),
    ("finished 2", "2_mixed 13"),
    ("started 3", ""),
    ("inside row 9", ""),
    ("started 4", "4_dropping 0"),
    ("inside z: DROP TABLE", "4_dropping 2?"),
    ("inside row 12", "4_dropping 5"),
    ("finished 4", "4_dropping 6"),
    ("finished 5", ""),
    ("started 6", "6_many 0"),
    ("inside row 33: UPDATE gate SET", "6_many 2 or 6_many 3 or 6_many 4"),
    // Under `Lock::Row` the end of the last statement is recorded, and else that of the step says it.
    ("finished 6", "*"),
];

const DOWN_MYSQL: [(&str, &str); 16] = [
    ("started 1", "6_many 0"),
    ("inside row 37: UPDATE gate SET", "6_many 0 or 6_many 2"),
    ("inside many: DROP TABLE", "6_many 4?"),
    ("started 2", ""),
    ("inside row 27", ""),
    ("started 3", "4_dropping 0"),
    ("inside row 26", "4_dropping 2"),
    ("finished 3", "4_dropping 3"),
    ("inside row 25", ""),
    ("started 5", "2_mixed 0"),
    ("inside row 23", "2_mixed 0"),
    ("inside w: DROP INDEX", "2_mixed 2?"),
    ("inside big: ALTER TABLE", "2_mixed 3?"),
    ("inside copy: DROP TABLE", "2_mixed 5?"),
    ("inside y2: RENAME TABLE", "2_mixed 6?"),
    ("inside row 22", ""),
];

fn kill_programs<B: Kind>(direction: Direction, moments: &[(&str, &str)]) {
    Run::<B> { set: &B::set(), direction, victim: Victim::Programs }.kill_at(moments);
}

fn kill_servers<B: Kind>(direction: Direction, moments: &[(&str, &str)]) {
    let Some(server) = B::own() else { return };
    Run::<B> { set: &B::set(), direction, victim: Victim::Server(&server) }.kill_at(moments);
}

#[test]
fn a_killed_program_leaves_records_that_are_true_on_postgres() {
    kill_programs::<Postgres>(Direction::Up, &UP_POSTGRES);
}

#[test]
fn a_killed_program_leaves_records_that_are_true_on_mysql() {
    kill_programs::<Mysql>(Direction::Up, &UP_MYSQL);
}

#[test]
fn a_killed_server_leaves_records_that_are_true_on_postgres() {
    kill_servers::<Postgres>(Direction::Up, &UP_POSTGRES);
}

#[test]
fn a_killed_server_leaves_records_that_are_true_on_mysql() {
    kill_servers::<Mysql>(Direction::Up, &UP_MYSQL);
}

#[test]
fn a_rollback_whose_program_is_killed_goes_on_where_it_was_on_postgres() {
    kill_programs::<Postgres>(Direction::Down, &DOWN_POSTGRES);
}

#[test]
fn a_rollback_whose_program_is_killed_goes_on_where_it_was_on_mysql() {
    kill_programs::<Mysql>(Direction::Down, &DOWN_MYSQL);
}

#[test]
fn a_rollback_whose_server_is_killed_goes_on_where_it_was_on_postgres() {
    kill_servers::<Postgres>(Direction::Down, &DOWN_POSTGRES);
}

#[test]
fn a_rollback_whose_server_is_killed_goes_on_where_it_was_on_mysql() {
    kill_servers::<Mysql>(Direction::Down, &DOWN_MYSQL);
}
