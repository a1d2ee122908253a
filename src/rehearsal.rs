//! [`Impact`]: what a run does to a database, measured by running it on a copy.

use std::fmt;
use std::time::Duration;

use crate::account::Fate;
use crate::backend::RehearsalPlace;
#[cfg(feature = "serde")]
use crate::impact::serialize;
use crate::impact::{ColumnImpact, DataState, RowCounts, Rows, StepImpact, TableImpact};
use crate::plan::Plan;
use crate::printable::Printable;
use crate::problem::{Problem, Verdict};
use crate::remedy::{Remedy, Render, Worded, Wording, for_programmers};
use crate::snapshot::Bytes;
use crate::sql::same_name;
use crate::target::Target;

/// What to rehearse, and how. A [`Target`] converts into it: [`MigrationRunner::rehearse`](crate::MigrationRunner::rehearse) accepts both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    pub(crate) target: Target,
    pub(crate) runs_hooks: bool,
}

impl Rehearsal {
    /// Rehearses a run to a target: scripts, and migrations in code, without hooks.
    pub fn to(target: Target) -> Self {
        Self { target, runs_hooks: false }
    }

    /// Runs the hooks too. They get the connection to the copy, so whatever they do elsewhere really happens.
    pub fn with_hooks(self) -> Self {
        Self { runs_hooks: true, ..self }
    }
}

impl From<Target> for Rehearsal {
    fn from(target: Target) -> Self {
        Self::to(target)
    }
}

/// What a run does to a database, measured by running it on a copy: see [`MigrationRunner::rehearse`](crate::MigrationRunner::rehearse).
///
/// Its Display is for people: a line for each step, what it does to the rows of each table, and a sum at the end. The alternate form `{:#}` adds
/// the changed lines of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Impact {
    /// Why nothing ran, so that this is the plan only: "mysql can neither copy the database nor roll back the whole run". `None` if it was rehearsed.
    pub not_rehearsed: Option<String>,
    /// The steps that ran, in order. Steps that are one transaction are one entry.
    pub steps: Vec<StepImpact>,
    /// What the run found: the step at which it fails, and what its steps do that the policy reports or denies.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::texts"))]
    pub problems: Vec<Problem>,
    /// What the copy lacks, in words: "the attached database `stock`". A failure on the copy may come from that.
    pub lacks: Vec<String>,
    /// The size of the database before the run, in bytes.
    pub bytes_before: u64,
    /// The size of the copy after the last step, in bytes.
    pub bytes_after: u64,
    /// How long copying the database took.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "copied_in_ms", serialize_with = "serialize::milliseconds")
    )]
    pub copied_in: Duration,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) place: RehearsalPlace,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) plan: Plan,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) state: DataState,
}

impl Impact {
    /// A plan that was not rehearsed, for this reason.
    pub(crate) fn only_planned(plan: Plan, reason: String, state: DataState) -> Self {
        Self {
            not_rehearsed: Some(reason),
            steps: Vec::new(),
            problems: plan.problems().to_vec(),
            lacks: Vec::new(),
            bytes_before: 0,
            bytes_after: 0,
            copied_in: Duration::ZERO,
            place: RehearsalPlace::Copy,
            plan,
            state,
        }
    }

    /// The plan that ran on the copy.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the whole run does to each table: the sums of its steps, and the numbers of rows before the first and after the last.
    pub fn tables(&self) -> Vec<TableImpact> {
        let mut all: Vec<TableImpact> = Vec::new();
        for step in &self.steps {
            // The tables of a step may exchange their names.
            let names: Vec<String> = all.iter().map(|known| known.name_after().to_owned()).collect();
            for table in &step.tables {
                let is_new = table.fate == Fate::Created;
                let is_it = |place: &usize| {
                    same_name(&names[*place], &table.table) && (all[*place].fate == Fate::Dropped) == is_new
                };
                match (0..names.len()).find(is_it) {
                    Some(place) => all[place].extend(table),
                    None => all.push(table.clone()),
                }
            }
        }
        // What one step creates and a later one drops was never there.
        all.retain(|table| table.fate != Fate::Dropped || table.rows_before.is_some());
        all
    }

    /// The rows that the whole run writes, whatever writes them.
    pub fn rows(&self) -> RowCounts {
        let mut all = RowCounts::default();
        self.steps.iter().flat_map(|step| &step.tables).for_each(|table| all.add(table.rows()));
        all
    }

    /// How long the steps took on the copy, with their commits. Expect the same of the database itself, unless its disk is slower than the
    /// place of the copy.
    pub fn duration(&self) -> Duration {
        self.steps.iter().map(|step| step.duration).sum()
    }

    /// Whether rows or values are gone after the run that were there before: rows that are deleted or dropped with their table, values that
    /// become `NULL`, and values that are dropped with their column.
    pub fn is_destructive(&self) -> bool {
        let loses = |table: &TableImpact| {
            let is_dropped = table.fate == Fate::Dropped && table.rows_before != Some(0);
            let loses_values = |column: &ColumnImpact| {
                column.became_null > 0 || column.dropped.is_some_and(|values| values > 0)
            };
            is_dropped || table.rows().deleted > 0 || table.columns.iter().any(loses_values)
        };
        self.steps.iter().flat_map(|step| &step.tables).any(loses)
    }
}

impl Impact {
    /// The impact with the remedy of each finding in your words. Its `Display` words them for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}

impl Render for Impact {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        let count: usize = self.steps.iter().map(|step| step.ids.len()).sum();
        let steps = if count == 1 { "step" } else { "steps" };
        if self.plan.steps().is_empty() {
            f.write_str("nothing to do")?;
        } else if let Some(reason) = &self.not_rehearsed {
            writeln!(f, "nothing was rehearsed, since {}; this is the plan:", Printable(reason))?;
            return self.plan.render(f, wording);
        } else {
            write!(f, "{count} {steps} rehearsed ")?;
            match self.place {
                RehearsalPlace::Copy => {
                    let (size, time) = (Bytes(self.bytes_before), Seconds(self));
                    write!(f, "on a copy of {size} in {time}; the database itself was not touched")?;
                }
                RehearsalPlace::Transaction => {
                    write!(f, "in {}, in a transaction that was rolled back", Seconds(self))?;
                }
            }
        }
        for step in &self.steps {
            f.write_str("\n")?;
            fmt::Display::fmt(step, f)?;
        }
        if count > 1 {
            write!(f, "\nin all: {}", Rows(self.rows()))?;
        }
        for what in &self.lacks {
            write!(f, "\nthe copy lacks {}", Printable(what))?;
        }
        for problem in &self.problems {
            let word = if problem.verdict == Verdict::Deny { "refused" } else { "note" };
            write!(f, "\n{word}: {}", problem.worded(wording))?;
        }
        Ok(())
    }
}

/// The time that the copy and the steps took.
struct Seconds<'a>(&'a Impact);

impl fmt::Display for Seconds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", (self.0.copied_in + self.0.duration()).as_secs_f64())
    }
}
