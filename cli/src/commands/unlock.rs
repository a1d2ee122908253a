//! `unlock`

use serde_json::json;
use switchy_schema::Dialect;

use super::work::Work;
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};
use crate::text;

/// Reports who holds the lock. It does not release the lock: the system releases it when the process of the holder ends.
pub(super) fn unlock<B: Database>(work: &Work<'_, B>) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let holder = work.runner.lock_holder(B::conn(&mut session))?;
    let json = json!({ "is_held": holder.is_some(), "holder": holder });
    let text = match holder.as_deref() {
        None => "nobody holds the lock".to_owned(),
        Some("") => "another run holds the lock, and does not say who it is".to_owned(),
        Some(holder) => format!("another run holds the lock: {}", text::printable(holder)),
    };
    let outcome = Outcome::new(text, json);
    Ok(if holder.is_none() {
        outcome
    } else {
        outcome.remarking(match B::DIALECT {
            Dialect::Sqlite => {
                "it is free when that run ends; if it hangs, end its process, and the system frees the lock"
            }
            // The number is that of a session: there may be a process with this number on this machine.
            _ => "it is free when that session of the server ends; if it hangs, end it with a statement on the server",
        })
    })
}
