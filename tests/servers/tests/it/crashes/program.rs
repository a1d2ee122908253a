//! Programs: this test binary is started again to migrate a database, and may be killed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use switchy_schema::{Direction, Event, Lock, Mysql, Postgres};

use super::{Kind, Script, Statement, go, runner};
use crate::children::say;

/// The environment variable with the job of a program.
const ORDER: &str = "SWITCHY_SCHEMA_TEST_CRASH";

/// A program that migrates a database. It is killed when this value is dropped.
pub(super) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Program {
    /// Starts a program. It waits for [`go_on`](Self::go_on) before it begins, and again at a moment such as `started 2`.
    pub(super) fn start<B: Kind>(
        database: &B::Database,
        set: &[Script],
        direction: Direction,
        lock: &Lock,
        moment: &str,
    ) -> Self {
        let lock = if *lock == Lock::Row { "row" } else { "default" };
        let head = [B::NAME, B::url(database), &direction.to_string(), lock, moment].map(str::to_owned);
        let scripts = set.iter().flat_map(|script| {
            let [up, down] = [Direction::Up, Direction::Down].map(|direction| script.text(direction));
            [script.id.to_owned(), script.is_outside.to_string(), up, down]
        });
        let order: Vec<String> = head.into_iter().chain(scripts).collect();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "crashes::program::what_another_test_started", "--nocapture"])
            .env(ORDER, order.join("\u{1f}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, said: String::new() }
    }

    /// Waits for a line that begins with this word, and returns the rest of the line; `None` if the program ends before.
    pub(super) fn hear(&mut self, word: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            self.said.push_str(&line);
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    /// Lets the program continue.
    pub(super) fn go_on(&mut self) {
        // The program may have ended.
        let _ = self.child.stdin.as_mut().unwrap().write_all(b"go on\n");
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// # Panics
    /// The program has ended.
    pub(super) fn assert_runs(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the program ended: {:?}", self.outcome());
    }

    /// The number of steps that the program applied, or its error.
    pub(super) fn outcome(&mut self) -> Result<usize, String> {
        if let Some(outcome) = self.hear("outcome ") {
            return outcome.strip_prefix("applied ").map(|steps| steps.parse().unwrap()).ok_or(outcome);
        }
        let mut errors = String::new();
        let _ = std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut errors);
        panic!("the program ended: {}{errors}", self.said);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn what_another_test_started() {
    let Ok(order) = env::var(ORDER) else { return };
    let words: Vec<&str> = order.split('\u{1f}').collect();
    match words[0] {
        Postgres::NAME => obey::<Postgres>(&words),
        _ => obey::<Mysql>(&words),
    }
}

/// Runs the job.
fn obey<B: Kind>(words: &[&str]) {
    let [_, url, direction, lock, moment, scripts @ ..] = words else { panic!("{words:?} is no order") };
    let direction = if *direction == "up" { Direction::Up } else { Direction::Down };
    let lock = if *lock == "row" { Lock::Row } else { Lock::default() };
    let whole = |sql: &str| vec![Statement { sql: sql.to_owned(), trace: String::new() }];
    let set: Vec<Script> = scripts
        .chunks_exact(4)
        .map(|script| Script {
            id: script[0].to_owned().leak(),
            is_outside: script[1] == "true",
            up: whole(script[2]),
            down: whole(script[3]),
        })
        .collect();
    let (started, finished) = (at(moment, "started"), at(moment, "finished"));
    let it = runner::<B>(&set, lock).observe(move |event| match event {
        Event::Started { .. } => started(),
        Event::Finished { .. } => finished(),
        _ => {}
    });
    let mut client = B::connect(&B::at(url));
    stop("ready");
    match go(&it, &mut client, direction) {
        Ok(steps) => say(&format!("outcome applied {steps}")),
        Err(error) => say(&format!("outcome {}", error.to_string().replace('\n', " "))),
    }
}

/// Prints a word, and waits until the test lets the program continue.
fn stop(word: &str) {
    say(word);
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A function to call at each event of a kind. It stops at the moment of the job.
fn at(moment: &str, which: &str) -> impl Fn() + Send + Sync + use<> {
    let (kind, number) = moment.split_once(' ').unwrap_or(("never", "0"));
    let (left, is_it) = (AtomicUsize::new(number.parse().unwrap_or(0)), which == kind);
    move || {
        if is_it && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            stop("now");
        }
    }
}
