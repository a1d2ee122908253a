//! [`Ahead`]: several migrations that a newer program applied, in one sentence.

use std::fmt;

use crate::problem::Problem;
use crate::remedy::Remedy;

/// Migrations that a newer program applied, oldest first.
pub(super) struct Ahead<'p>(pub(super) &'p [Problem]);

impl Ahead<'_> {
    /// The remedy of the newest. All of them can be undone, or none.
    pub(super) fn remedy(&self) -> Option<Remedy> {
        let undoes = |problem: &Problem| {
            problem.remedy.as_ref().is_some_and(|remedy| remedy.singles().contains(&&Remedy::Downgrade))
        };
        let newest = self.0.last()?.remedy.clone()?;
        Some(match newest {
            Remedy::Either(mut remedies) if !self.0.iter().all(undoes) => {
                remedies.retain(|remedy| *remedy != Remedy::Downgrade);
                Remedy::Either(remedies)
            }
            newest => newest,
        })
    }
}

impl fmt::Display for Ahead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [older @ .., newest] = self.0 else { return Ok(()) };
        write!(f, "`{}` {}, nor ", newest.migration, newest.finding)?;
        match older {
            [one] => write!(f, "`{}` before it", one.migration),
            several => write!(f, "{} migrations before it", several.len()),
        }
    }
}
