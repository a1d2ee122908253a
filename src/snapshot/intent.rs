//! [`Intent`]: the note about a run that has a snapshot and is not finished. It outlives the process.

use std::fmt::Write;
use std::path::PathBuf;

use super::AfterFailure;
use crate::checksum::Checksum;
use crate::history::HistoryDigest;
use crate::id::MigrationId;

/// The first line of an intent file.
const FORM: &str = "switchy_schema intent 1";

/// What is known about a run that began and is not finished. It is written when its snapshot is verified, before its first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// The tracking table of the run.
    pub(crate) table: String,
    pub(crate) state: RunState,
    pub(crate) after_failure: AfterFailure,
    pub(crate) trace: Trace,
    /// The folder of the snapshots, if they are not beside the database.
    pub(crate) folder: Option<PathBuf>,
    /// When the snapshot was made.
    pub(crate) snapshot: String,
    /// When the file was made that a restore of this run set aside.
    pub(crate) set_aside: Option<String>,
    /// The ids that were applied before the run.
    pub(crate) before: Ids,
    /// The steps, each with its id.
    pub(crate) steps: Vec<IntendedStep>,
}

/// How far the run got, as its process knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    /// It has not ended: its process is running or was killed.
    Running,
    /// It failed, and the database stayed as it was then.
    Failed,
    /// It failed, and the database got the content of the snapshot back.
    Restored,
}

/// Whether everything that the steps do to the database is in the tracking table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// A step without a record has done nothing.
    Recorded,
    /// Code that ends its transaction, or a hook, could commit something that is not recorded.
    Unknown,
}

/// A set of ids, as one hash: equal sets have equal hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids(HistoryDigest);

impl Ids {
    pub(crate) fn of<'i>(ids: impl IntoIterator<Item = &'i MigrationId>) -> Self {
        ids.into_iter().fold(Self(HistoryDigest::EMPTY), |all, id| all.toggled(Self::one(id)))
    }

    fn one(id: &MigrationId) -> Self {
        Self(HistoryDigest::of_record(id, None, false))
    }

    /// With these ids if it does not have them, and without them if it does.
    fn toggled(self, other: Self) -> Self {
        Self(self.0.toggled(other.0))
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse::<Checksum>().ok().map(|sum| Self(HistoryDigest::from_bytes(*sum.bytes())))
    }
}

/// A step of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IntendedStep {
    id: Ids,
    /// For people.
    words: String,
}

impl IntendedStep {
    pub(crate) fn new(direction: impl std::fmt::Display, id: &MigrationId) -> Self {
        Self { id: Ids::one(id), words: format!("{direction} {}", id.as_str().escape_debug()) }
    }
}

/// What the tracking table has now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<'r> {
    pub(crate) ids: Ids,
    /// The migration that is dirty.
    pub(crate) dirty: Option<&'r MigrationId>,
}

/// How far the steps of the run got, as the tracking table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    Nothing,
    /// So many steps are done. A step that began and did not finish may follow.
    Part(usize),
    Everything,
    /// The table has a state that the run does not pass through, so something else was done after it.
    Elsewhere,
}

/// What the next run does about an unfinished one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// It is over. Its snapshot is one like any other.
    Forget,
    /// It did nothing, or what it did was undone: the snapshot of the next run replaces its snapshot.
    Replace,
    /// The next run continues it, after so many steps, and its snapshot is that of both.
    Continue(usize),
    /// Its snapshot is restored, and the snapshot of the next run then replaces it.
    Restore,
}

impl Intent {
    /// How far the steps got.
    pub(crate) fn reached(&self, now: Now<'_>) -> Reached {
        let mut after = self.before;
        let mut all = vec![after];
        for step in &self.steps {
            after = after.toggled(step.id);
            all.push(after);
        }
        // A redo ends with the ids it began with. It is then taken for finished, since the snapshot of a run that did nothing is replaced.
        let Some(done) = all.iter().rposition(|ids| *ids == now.ids) else { return Reached::Elsewhere };
        let Some(dirty) = now.dirty else {
            return match done {
                _ if done == self.steps.len() => Reached::Everything,
                0 => Reached::Nothing,
                done => Reached::Part(done),
            };
        };
        // The record of a step that applies a migration is there while it is dirty.
        let is_last = done > 0 && self.steps[done - 1].id == Ids::one(dirty);
        Reached::Part(done - usize::from(is_last))
    }

    /// What the next run does, if it is to do this after a failure.
    pub(crate) fn course(&self, reached: Reached, after_failure: AfterFailure) -> Course {
        let both_restore =
            self.after_failure == AfterFailure::Restore && after_failure == AfterFailure::Restore;
        match (self.state, reached) {
            (_, Reached::Everything | Reached::Elsewhere) | (RunState::Restored, Reached::Part(_)) => {
                Course::Forget
            }
            (RunState::Restored, Reached::Nothing) => Course::Replace,
            (_, Reached::Nothing) if self.trace == Trace::Recorded => Course::Replace,
            (RunState::Running, Reached::Nothing | Reached::Part(_)) if both_restore => Course::Restore,
            (_, Reached::Nothing) => Course::Continue(0),
            (_, Reached::Part(done)) => Course::Continue(done),
        }
    }

    /// The text of the file.
    pub(crate) fn to_text(&self) -> String {
        let state = match self.state {
            RunState::Running => "running",
            RunState::Failed => "failed",
            RunState::Restored => "restored",
        };
        let after_failure = match self.after_failure {
            AfterFailure::Keep => "keep",
            AfterFailure::Restore => "restore",
        };
        let trace = match self.trace {
            Trace::Recorded => "recorded",
            Trace::Unknown => "unknown",
        };
        let mut text =
            format!("{FORM}\ntable {}\nstate {state}\nafter-failure {after_failure}\n", self.table);
        if let Some(folder) = &self.folder {
            let _ = writeln!(text, "folder {}", folder.display());
        }
        let _ = writeln!(text, "snapshot {}", self.snapshot);
        if let Some(set_aside) = &self.set_aside {
            let _ = writeln!(text, "set-aside {set_aside}");
        }
        let _ = writeln!(text, "trace {trace}\nbefore {}", self.before.0);
        for IntendedStep { id, words } in &self.steps {
            let _ = writeln!(text, "step {} {words}", id.0);
        }
        let sum = Checksum::of_bytes(&text);
        let _ = writeln!(text, "end {sum}");
        text
    }

    /// Reads the text of a file. `None` if it is damaged, of another version, or of something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (body, end) = text.rsplit_once("end ")?;
        if end.trim_end().parse() != Ok(Checksum::of_bytes(body)) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next() != Some(FORM) {
            return None;
        }
        let pairs: Vec<(&str, &str)> = lines.map(|line| line.split_once(' ')).collect::<Option<_>>()?;
        let value = |key: &str| pairs.iter().find(|(own, _)| *own == key).map(|(_, value)| *value);
        let step = |(_, value): &(&str, &str)| {
            let (id, words) = value.split_once(' ')?;
            Some(IntendedStep { id: Ids::parse(id)?, words: words.to_owned() })
        };
        Some(Self {
            table: value("table")?.to_owned(),
            state: match value("state")? {
                "running" => RunState::Running,
                "failed" => RunState::Failed,
                "restored" => RunState::Restored,
                _ => return None,
            },
            after_failure: match value("after-failure")? {
                "keep" => AfterFailure::Keep,
                "restore" => AfterFailure::Restore,
                _ => return None,
            },
            trace: match value("trace")? {
                "recorded" => Trace::Recorded,
                "unknown" => Trace::Unknown,
                _ => return None,
            },
            folder: value("folder").map(PathBuf::from),
            snapshot: value("snapshot")?.to_owned(),
            set_aside: value("set-aside").map(str::to_owned),
            before: Ids::parse(value("before")?)?,
            steps: pairs.iter().filter(|(key, _)| *key == "step").map(step).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &str) -> Vec<MigrationId> {
        names.split_whitespace().map(|name| name.to_owned().into()).collect()
    }

    /// An intent of a run on a database that has `before`, with steps such as `+a -b`.
    fn intent(before: &str, steps: &str) -> Intent {
        let step = |step: &str| {
            let (sign, name) = step.split_at(1);
            IntendedStep::new(if sign == "+" { "up" } else { "down" }, &name.to_owned().into())
        };
        Intent {
            table: "__switchy_migrations".to_owned(),
            state: RunState::Running,
            after_failure: AfterFailure::Keep,
            trace: Trace::Recorded,
            folder: None,
            snapshot: "2026-11-22T19:09:07.132".to_owned(),
            set_aside: None,
            before: Ids::of(&ids(before)),
            steps: steps.split_whitespace().map(step).collect(),
        }
    }

    #[test]
    fn the_tracking_table_says_how_far_a_run_got() {
        use Reached::{Elsewhere, Everything, Nothing, Part};
        let rows = [
            // before, steps, now, what is dirty, how far
            ("a", "+b +c", "a", "", Nothing),
            ("a", "+b +c", "a b", "", Part(1)),
            ("a", "+b +c", "b c a", "", Everything),
            ("a", "+b +c", "a c", "", Elsewhere),
            ("a", "+b +c", "a b c d", "", Elsewhere),
            ("a", "+b +c", "", "", Elsewhere),
            ("a", "+b +c", "a b", "b", Part(0)),
            ("a", "+b +c", "a b c", "c", Part(1)),
            ("a b", "-b -a", "a b", "", Nothing),
            ("a b", "-b -a", "a b", "b", Part(0)),
            ("a b", "-b -a", "a", "", Part(1)),
            ("a b", "-b -a", "a", "a", Part(1)),
            ("a b", "-b -a", "", "", Everything),
            ("a", "-a +a", "", "", Part(1)),
            ("a", "-a +a", "a", "", Everything),
        ];
        for (before, steps, now, dirty, expected) in rows {
            let (now_ids, dirty_ids) = (ids(now), ids(dirty));
            let now = Now { ids: Ids::of(&now_ids), dirty: dirty_ids.first() };
            assert_eq!(
                intent(before, steps).reached(now),
                expected,
                "{before}, {steps}, {now_ids:?}, {dirty_ids:?}"
            );
        }
    }

    #[test]
    fn an_unfinished_run_takes_one_course() {
        use AfterFailure::{Keep, Restore};
        use Course::{Continue, Forget, Replace};
        use Reached::{Elsewhere, Everything, Nothing, Part};
        use RunState::{Failed, Restored, Running};
        use Trace::{Recorded, Unknown};
        let rows = [
            // its state, its trace, what it was to do, what the next run is to do, how far it got, the course
            (Running, Recorded, Keep, Keep, Nothing, Replace),
            (Running, Recorded, Restore, Restore, Nothing, Replace),
            (Running, Unknown, Keep, Keep, Nothing, Continue(0)),
            (Running, Unknown, Restore, Restore, Nothing, Course::Restore),
            (Running, Recorded, Keep, Keep, Part(1), Continue(1)),
            (Running, Recorded, Restore, Restore, Part(1), Course::Restore),
            (Running, Recorded, Restore, Keep, Part(1), Continue(1)),
            (Running, Recorded, Keep, Restore, Part(1), Continue(1)),
            (Running, Recorded, Restore, Restore, Part(0), Course::Restore),
            (Running, Recorded, Restore, Restore, Everything, Forget),
            (Running, Recorded, Restore, Restore, Elsewhere, Forget),
            // The program went on after it failed, so others may have written since.
            (Failed, Recorded, Restore, Restore, Part(1), Continue(1)),
            (Failed, Recorded, Keep, Keep, Nothing, Replace),
            (Failed, Unknown, Restore, Restore, Nothing, Continue(0)),
            (Restored, Unknown, Restore, Restore, Nothing, Replace),
            (Restored, Unknown, Restore, Keep, Nothing, Replace),
            (Restored, Recorded, Restore, Restore, Part(1), Forget),
        ];
        for (state, trace, own, next, reached, expected) in rows {
            let intent = Intent { state, trace, after_failure: own, ..intent("a", "+b +c") };
            assert_eq!(
                intent.course(reached, next),
                expected,
                "{state:?} {trace:?} {own:?} {next:?} {reached:?}"
            );
        }
    }

    #[test]
    fn an_intent_is_read_as_it_was_written_and_damage_is_noticed() {
        let whole = Intent {
            state: RunState::Restored,
            after_failure: AfterFailure::Restore,
            trace: Trace::Unknown,
            folder: Some("/var/my copies".into()),
            set_aside: Some("2026-11-22T19:09:08.000".to_owned()),
            ..intent("a", "+b -end +c\u{7}")
        };
        for intent in [whole, intent("", "+a"), intent("a", "")] {
            let text = intent.to_text();
            assert_eq!(Intent::parse(&text), Some(intent), "{text}");
            for end in (0..text.len() - 1).filter(|end| text.is_char_boundary(*end)) {
                assert_eq!(Intent::parse(&text[..end]), None, "{}", &text[..end]);
            }
            assert_eq!(Intent::parse(&text.replace("state ", "state x")), None);
            assert_eq!(Intent::parse(&text.replace("intent 1", "intent 2")), None);
        }
    }
}
