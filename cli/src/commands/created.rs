//! A new database, for `database create`, `database reset` and `migrate --create`.

use super::work::Work;
use crate::failure::Result;
use crate::patience::patiently;
use crate::session::{Database, Existed};

/// Creates the database if it does not exist. Returns its address too, as it is shown.
pub(super) fn create<B: Database>(work: &Work<'_, B>) -> Result<(Existed, String)> {
    let settings = work.context.settings;
    let address = settings.address()?;
    let existed = patiently(settings.wait(), address, work.output(), B::create)?;
    Ok((existed, address.to_string()))
}
