//! [`Sentence`]: the text of an error, in its parts.

use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::MigrationError;
use super::ahead::Ahead;
use super::display::{Abridged, Done, Holder, Listed, Named, Nearest};
use super::failure::{Failure, HookKind, SnapshotAct};
use super::step::{Remains, StepFailure};
use crate::fault::{Fault, FaultKind};
use crate::id::MigrationId;
use crate::printable::{Escaped, LONGEST, shortened};
use crate::problem::{Problem, ProblemKind};
use crate::remedy::{Remedy, Render, Wording, append_remedy};

/// The text of an error, in its parts. Its Display has all parts except the remedy.
#[derive(Debug, Default)]
pub(super) struct Sentence {
    pub(super) what: String,
    place: Place,
    pub(super) reason: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) remedy: Option<Remedy>,
}

/// The position of the location in the sentence.
#[derive(Debug, Default)]
enum Place {
    #[default]
    None,
    /// Before the reason, instead of what happened.
    BeforeReason(String),
    /// After what happened.
    After(String),
}

impl Sentence {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    fn since(self, reason: impl fmt::Display) -> Self {
        Self { reason: Some(reason.to_string()), ..self }
    }

    /// With this reason, unless it is only that the run was cancelled. Code may have failed for its own.
    fn unless_interrupted(self, fault: &Fault) -> Self {
        let is_known = matches!(fault.kind(), FaultKind::Interrupted | FaultKind::Busy);
        if fault.details.is_cancel && is_known { self } else { self.since(fault) }
    }

    fn leaving(self, outcome: impl fmt::Display) -> Self {
        Self { outcome: Some(outcome.to_string()), ..self }
    }

    fn asking(self, remedy: impl Into<Option<Remedy>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Escaped(f);
        match &self.place {
            Place::None => f.write_str(&self.what)?,
            Place::BeforeReason(place) => f.write_str(&shortened(place))?,
            Place::After(place) => write!(f, "{} at {}", self.what, shortened(place))?,
        }
        self.reason.iter().try_for_each(|reason| write!(f, ": {reason}"))?;
        self.outcome.iter().try_for_each(|outcome| write!(f, "; {outcome}"))
    }
}

/// The number of problems.
fn count(of: usize) -> String {
    format!("{of} problems")
}

const NOTHING_DONE: Done = Done(0);

impl Failure {
    /// The parts of its text. For several findings, the text has their number.
    pub(super) fn sentence(&self) -> Sentence {
        match self {
            Self::MissingRoot(root) => Sentence::new(format!("there is no folder {}", root.display()))
                .asking(Remedy::from("check the path").or(Remedy::CreateFolder)),
            Self::Unreadable { path, cause } => Sentence::new(format!("cannot read {}", path.display()))
                .since(cause)
                .asking(Remedy::for_unreadable(cause)),
            Self::BuiltFor { built, own } => {
                let what = format!("the migrations were built for {built}, and this is {own}");
                let remedy = Remedy::program(format!("build them for {own}"), "`build::Embed::database`");
                Sentence::new(what).asking(remedy)
            }
            Self::Malformed { at, what, remedy } => Sentence::new(format!("cannot use {}", at.origin))
                .at(Place::BeforeReason(at.to_string()))
                .since(what)
                .asking(remedy.clone()),
            #[cfg(feature = "remote")]
            Self::Remote { at, what, remedy, .. } => Sentence::new(format!("cannot use {}", at.origin))
                .at(Place::BeforeReason(at.to_string()))
                .since(what)
                .asking(remedy.clone()),
            Self::Several(errors) => Sentence::new(count(errors.len())),
            Self::Set(problems) => match &**problems {
                [problem] => Sentence::new(finding_text(problem)).asking(problem.remedy.clone()),
                several => Sentence::new(count(several.len())),
            },
            Self::TableName(error) => Sentence::new(error.to_string()),
            Self::Unknown { id, nearest } => {
                Sentence::new(format!("there is no migration `{id}`{}", Nearest(nearest)))
                    .leaving(NOTHING_DONE)
                    .asking(Remedy::from("`list` returns the known ids"))
            }
            Self::Refused(problems, done) => {
                let sentence = Sentence::new(Done(*done).to_string());
                match &**problems {
                    several if is_of_newer_program(several) => {
                        sentence.since(Ahead(several)).asking(Ahead(several).remedy())
                    }
                    [problem] => sentence.since(finding_text(problem)).asking(problem.remedy.clone()),
                    several => sentence.since(count(several.len())),
                }
            }
            Self::Recovery { verb, id, finding, remedy } => {
                Sentence::new(format!("cannot {verb}{}", Named(id)))
                    .since(finding)
                    .leaving(NOTHING_DONE)
                    .asking(remedy.clone())
            }
            #[cfg(feature = "adopt")]
            Self::Adoption(objections) => {
                let sentence = Sentence::new("nothing was adopted");
                match &**objections {
                    [objection] => sentence.since(&objection.finding).asking(objection.remedy.clone()),
                    several => sentence.since(count(several.len())),
                }
            }
            Self::Stale(done) => Sentence::new("the database changed since the plan was made")
                .leaving(Done(*done))
                .asking(Remedy::PlanAgain),
            Self::ForeignPlan(id) => {
                let what = format!("the migrations of this runner are not those of the plan (`{id}`)");
                Sentence::new(what).leaving(NOTHING_DONE).asking(Remedy::PlanAgain)
            }
            Self::OpenTransaction => {
                Sentence::new("the connection is inside a transaction").asking(Remedy::from(
                    "commit or roll back first, because each migration needs a transaction of its own",
                ))
            }
            Self::Step(step) => of_step(step),
            Self::Hook { kind, migration, remains, fault } => of_hook(*kind, migration, *remains, fault),
            Self::BaselineIf { id, fault } => of_baseline_if(id, fault),
            Self::Stopped(done) => Sentence::new("the run was stopped")
                .leaving(Done(*done))
                .asking(Remedy::from("run again to continue")),
            Self::LockTimeout { lock, holder, waited } => {
                Sentence::new(format!("another run holds the lock {lock} {}", Holder(holder)))
                    .leaving(time_waited(*waited))
                    .asking(Remedy::from("start again when it has finished").or(Remedy::WaitLonger))
            }
            Self::NoSuchLock(dialect) => Sentence::new(format!("{dialect} has no row to be locked"))
                .asking(Remedy::program("choose a different lock", "`lock`")),
            Self::LockFile { path, cause, remedy } => {
                Sentence::new(format!("cannot use the lock file {}", path.display()))
                    .since(cause)
                    .asking(remedy.clone())
            }
            Self::Snapshot { act, path, fault } => of_snapshot(*act, path, fault),
            Self::Session { sql, fault } => {
                Sentence::new(format!("the session statement `{}` failed", Abridged(sql)))
                    .since(fault)
                    .leaving(NOTHING_DONE)
                    .asking(fault.advice())
            }
            Self::Database { doing, table, done, fault } => {
                let of = table.as_ref().map(|table| format!(" of `{table}`")).unwrap_or_default();
                let sentence = Sentence::new(format!("cannot {doing}{of}")).since(fault);
                let outcome = done.map(|done| Done(done).to_string());
                let general = done.map(|_| Remedy::from("remove what prevents it and run again"));
                Sentence { outcome, ..sentence }.asking(fault.advice().or(general))
            }
        }
    }
}

/// Whether several problems are only that a newer program was here, which is one thing to tell.
fn is_of_newer_program(problems: &[Problem]) -> bool {
    problems.len() > 1
        && problems
            .iter()
            .all(|problem| problem.kind == ProblemKind::DatabaseAhead && problem.program.is_some())
}

/// `waited 200ms`
fn time_waited(time: Duration) -> String {
    if time.is_zero() { "waited 0 s".to_owned() } else { format!("waited {time:?}") }
}

fn of_hook(kind: HookKind, migration: &MigrationId, remains: Remains, fault: &Fault) -> Sentence {
    let kind = match kind {
        HookKind::Before => "before",
        HookKind::After => "after",
    };
    if fault.details.is_cancel {
        let what = format!("the run was cancelled in the `{kind}` hook of migration `{migration}`");
        let remedy = if remains == Remains::Dirty { Remedy::Retry } else { "run again to continue".into() };
        return Sentence::new(what).unless_interrupted(fault).leaving(remains).asking(remedy);
    }
    Sentence::new(format!("the `{kind}` hook of migration `{migration}` refused"))
        .since(fault)
        .leaving(remains)
        .asking(fault.advice())
}

fn of_baseline_if(migration: &MigrationId, fault: &Fault) -> Sentence {
    if fault.details.is_cancel {
        let what = format!("the run was cancelled while the function of `baseline_if` for `{migration}` ran");
        return Sentence::new(what).unless_interrupted(fault).asking(Remedy::from("run again to continue"));
    }
    let remedy: Remedy = fault
        .advice()
        .unwrap_or_else(|| "let it only read, and return `false` if what it looks for is missing".into());
    Sentence::new(format!("the function of `baseline_if` for migration `{migration}` failed"))
        .since(fault)
        .asking(remedy)
}

fn of_snapshot(act: SnapshotAct, path: &Path, fault: &Fault) -> Sentence {
    let (what, outcome) = match act {
        SnapshotAct::Take => ("make the snapshot", "nothing was done"),
        SnapshotAct::Restore if fault.details.is_partial => {
            ("restore", "whether the database was changed is not known")
        }
        SnapshotAct::Restore => ("restore", "the database was not changed"),
        SnapshotAct::Note => ("use", "nothing was done"),
        SnapshotAct::List => ("list the snapshots in", "nothing was done"),
    };
    let remedy = fault.own_remedy().or_else(|| match (act, fault.kind()) {
        (SnapshotAct::Take, FaultKind::Full) => {
            Some(Remedy::from("make room on the disk").or(Remedy::SnapshotFolder).or(Remedy::NoSnapshot))
        }
        (SnapshotAct::Take, _) => Some(Remedy::SnapshotFolder.or(Remedy::NoSnapshot)),
        (_, FaultKind::Other) => Some("check the file and its folder".into()),
        _ => fault.advice(),
    });
    Sentence::new(format!("cannot {what} {}", path.display())).since(fault).leaving(outcome).asking(remedy)
}

fn of_step(step: &StepFailure) -> Sentence {
    let statement = step.fault.details.statement.as_ref();
    let statement = statement.map(|(_, text)| format!(" in `{}`", Abridged(text)));
    let sentence =
        Sentence::new(step.what()).at(Place::After(format!("{}{}", step.at, statement.unwrap_or_default())));
    sentence.unless_interrupted(&step.fault).leaving(step.outcome()).asking(step.remedy())
}

impl MigrationError {
    /// The parts of its text, with what is left of a run that kept a snapshot.
    pub(super) fn sentence(&self) -> Sentence {
        let mut sentence = self.failure().sentence();
        let parts = [Some(&mut sentence.what), sentence.reason.as_mut(), sentence.outcome.as_mut()];
        for part in parts.into_iter().flatten().filter(|part| part.len() > LONGEST) {
            *part = shortened(part);
        }
        if let Some(aftermath) = self.report().aftermath() {
            let outcome = sentence.outcome.take();
            sentence.outcome =
                Some(outcome.map_or_else(|| aftermath.clone(), |own| format!("{own}; {aftermath}")));
        }
        sentence
    }
}

/// A finding without its remedy.
fn finding_text(problem: &Problem) -> String {
    format!("`{}` {}", problem.migration, problem.finding)
}

/// One line: what happened, where, why, what remains, and what to do.
impl Render for MigrationError {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        match self.failure() {
            Failure::Several(errors) => Listed(errors).render(f, wording),
            Failure::Set(problems) => Listed(problems).render(f, wording),
            Failure::Refused(problems, done) if !is_of_newer_program(problems) => {
                write!(f, "{}: ", Done(*done))?;
                Listed(problems).render(f, wording)
            }
            #[cfg(feature = "adopt")]
            Failure::Adoption(objections) => {
                f.write_str("nothing was adopted: ")?;
                Listed(objections).render(f, wording)
            }
            _ => {
                let sentence = self.sentence();
                write!(f, "{sentence}")?;
                append_remedy(f, sentence.remedy.as_ref(), wording)
            }
        }
    }
}
