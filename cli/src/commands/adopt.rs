//! `adopt`

use serde_json::Value;
use switchy_schema::{Adoption, Doubt};

use super::work::Work;
use crate::args::Adopt;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Outcome};
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// Records what another tool has applied.
pub(super) fn adopt<B: Database>(work: &Work<'_, B>, adopt: &Adopt) -> Result<Outcome> {
    let mut how = adopt.how()?;
    if work.context.global.yes {
        how = how.accept(Doubt::Lost);
    }
    let access = if adopt.dry_run.dry_run { Access::Read } else { Access::Change };
    let mut session = work.open(access)?;
    let adoption = work.runner.plan_adoption(B::conn(&mut session), &how)?;
    if adopt.dry_run.dry_run {
        let exit = if adoption.refusals().next().is_some() { Exit::Refused } else { Exit::Done };
        return Ok(Outcome::new(shown(&adoption), Value::Object(json::adoption(&adoption))).exiting(exit));
    }
    let adoption = confirmed(adoption)?;
    let mut json = json::adoption(&adoption);
    let (pending, recorded) =
        (adoption.pending.len(), adoption.entries.iter().filter(|entry| entry.is_recorded).count());
    let lines: Vec<String> = adoption
        .to_record()
        .filter_map(|entry| Some(format!("adopted {} ({})", entry.migration.as_ref()?, entry.finding)))
        .collect();
    let (tool, place) = (adoption.tool, adoption.place.clone());
    let traces = work.runner.adopt(B::conn(&mut session), adoption, adopt.signing.signature())?;
    json.insert("log".into(), traces.iter().map(json::trace).collect());
    if lines.is_empty() {
        let already = text::counted(recorded, "migration");
        work.output().say(&format!("nothing to do, with {already} of {tool} recorded already"));
    }
    let outcome = Outcome::new(lines.join("\n"), Value::Object(json));
    let remark = match (lines.len(), pending) {
        (0, _) => return Ok(outcome),
        (_, 0) => format!("`{place}` is left as it is; nothing is pending"),
        (_, pending) => format!("`{place}` is left as it is; {pending} pending, which `migrate` applies"),
    };
    Ok(outcome.remarking(remark))
}

/// Asks whether to accept [`Doubt::Lost`] if that is the only reason to refuse the adoption, and accepts it if the answer is yes.
fn confirmed(adoption: Adoption) -> Result<Adoption> {
    let is_lost = |adoption: &Adoption| {
        let mut refusals = adoption.refusals().peekable();
        refusals.peek().is_some() && refusals.all(|objection| objection.doubt == Some(Doubt::Lost))
    };
    if !is_lost(&adoption) || !output::can_ask() {
        return Ok(adoption);
    }
    if output::ask(&format!("{}\nBelieve it?", shown(&adoption))) {
        Ok(adoption.accept(Doubt::Lost))
    } else {
        Err(Failure::unconfirmed("nothing was adopted: the answer was no"))
    }
}

/// The migrations to record, and the objections.
fn shown(adoption: &Adoption) -> String {
    adoption.worded(&in_shell).to_string()
}
