//! What the forecasts of its steps add to a plan.

use super::*;
use crate::account::StepFinding;
use crate::effect::{Effect, EffectKind, Evidence, FailureCause, Forecast, Unparented};
use crate::fault::{Fault, FaultKind};
use crate::plan::step_forecast::StepForecast;
use crate::problem::{ProblemKind, Verdict};
use crate::script_options::DataLoss;

/// Adds forecasts to a plan, and compares its findings, with the remedy of those about what is destroyed, and the step that fails.
///
/// Each word is the forecast of a step: `code`, or signs. `!` fails with certainty, `?` may fail on the copy only, `-` drops a table, `i`
/// drops an index, `^` leaves a broken reference, `o` leaves rows without a parent, `+` declares that it is destructive, and `.` is nothing.
#[track_caller]
fn forecast(policy: &Policy, plan: &str, history: &str, forecasts: &str, expected: &str) {
    let target = if plan.is_empty() { Known } else { Latest };
    let plan = plan_of(plan, history, &target).unwrap();
    let plan = plan.with_step_forecasts(words(forecasts).map(step_forecast).collect(), policy);
    let said = |problem: &Problem| {
        let remedy = problem.remedy.as_ref().filter(|_| problem.kind == ProblemKind::Destructive);
        let remedy = remedy.map(|remedy| format!(" ({})", for_programmers(remedy))).unwrap_or_default();
        format!("{} {}{remedy}", problem.kind, problem.migration)
    };
    let mut found: Vec<String> = plan.problems.iter().map(said).collect();
    found.extend(plan.failing_step().map(|step| format!("ends at {}", step.id)));
    assert_eq!(found.join("; "), expected, "for the forecasts `{forecasts}`");
}

fn step_forecast(word: &str) -> StepForecast {
    let is = |mark: char| word != "code" && word.contains(mark);
    let effect = |kind| Effect::new(kind, "t", Evidence::SchemaCopy);
    let orphan = || Unparented { child: "child".to_owned(), parent: "parent".to_owned(), rows: 2 };
    let drops = [is('-').then_some(EffectKind::DropsTable), is('i').then_some(EffectKind::DropsIndex)];
    let finding = StepFinding::new(ProblemKind::BrokenReference, "refers to nothing", "correct it");
    let forecast = Forecast {
        effects: drops.into_iter().flatten().map(effect).collect(),
        failure: (is('!') || is('?')).then(|| Fault::new(FaultKind::Other, "no").remedy("help it")),
        cause: if is('!') { FailureCause::Schema } else { FailureCause::Unknown },
        orphans: is('o').then(orphan).into_iter().collect(),
        references: Some(is('^').then_some(finding).into_iter().collect()),
        ..Forecast::default()
    };
    StepForecast {
        forecast,
        is_code: word == "code",
        data_loss: if is('+') { DataLoss::Declared } else { DataLoss::Undeclared },
        foreign_keys: ForeignKeys::Checked,
        failure_at: Location::file("file"),
        quoted_at: Vec::new(),
    }
}

const DECLARE: &str = "destructive a (set allow = [\"destructive\"] in its metadata if that is meant)";

#[test]
fn the_first_step_that_is_certain_to_fail_ends_the_plan() {
    let strict = |forecasts, expected| forecast(&Policy::DEFAULT, "a b c", "", forecasts, expected);
    strict(". . .", "");
    strict(". ! !", "fails b; ends at b");
    strict(". ? .", "");
    forecast(&Policy::DEFAULT, "", "z^", "!", "untrusted z");
    forecast(&Policy::DEFAULT, "", "z^", "?", "untrusted z");
    forecast(&Policy::DEFAULT, "", "z^", ".", "");
}

#[test]
fn a_broken_reference_ends_the_plan_if_it_is_refused_and_its_step_is_reached() {
    let default = |forecasts, expected| forecast(&Policy::DEFAULT, "a b", "", forecasts, expected);
    default("^ ^", "broken reference a; ends at a");
    default("^ .", "");
    default(". ^", "broken reference b; ends at b");
    default("^ ^!", "fails b; broken reference a; ends at a");
    default("! ^", "fails a; ends at a");
    default(". ^!", "fails b; ends at b");
    let lenient = Policy::DEFAULT.with(ProblemKind::BrokenReference, Verdict::Warn);
    forecast(&lenient, "a b", "", "^ ^", "broken reference a");
}

#[test]
fn rows_without_a_parent_end_the_plan_if_no_step_gives_them_one() {
    let default = |forecasts, expected| forecast(&Policy::DEFAULT, "a b c", "", forecasts, expected);
    default("o . .", "together a");
    default("o o .", "together a");
    default("o . o", "together a; fails c; ends at c");
    default(". o o", "fails b; ends at b");
}

#[test]
fn what_may_be_destroyed_is_reported_with_what_allows_it() {
    let destroys = Policy::DEFAULT.with(ProblemKind::Destructive, Verdict::Warn);
    let warned = |forecasts, expected| forecast(&destroys, "a", "", forecasts, expected);
    let own = "destructive a (help it)";
    warned("-", DECLARE);
    warned("-i", DECLARE);
    warned("i", "");
    warned("-+", "");
    warned("?", own);
    warned("?i", own);
    warned("?-", DECLARE);
    warned("!", "fails a; ends at a");
    warned("?+", "");
}

#[test]
fn what_code_may_destroy_is_not_known() {
    let opaque = Policy::DEFAULT.with(ProblemKind::Opaque, Verdict::Warn);
    let warned = |forecasts, expected| forecast(&opaque, "a b", "", forecasts, expected);
    warned("code .", "opaque a");
    warned("code ?", "opaque a; opaque b");
    warned("code !", "fails b; opaque a; opaque b; ends at b");
    warned("? code", "opaque b");
}
