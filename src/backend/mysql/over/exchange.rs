//! Replaces a tracking table of an older form with one of the current form.

use std::time::Duration;

use super::MysqlOver;
use super::query::{definition, waiting};
use crate::backend::driver::Driver;
use crate::backend::mysql::quoted;
use crate::backend::records::Records;
use crate::backend::script::Scope;
use crate::backend::statements::Statements;
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::Record;
use crate::sql::part;

/// How long to wait for other sessions. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

/// Replaces the older table with a table that has these records, in one statement. If a program without the engine's lock wrote to the
/// older table meanwhile, that table stays, and it is an error.
pub(super) fn exchange<S: Statements>(
    conn: &mut &mut S,
    table: &TableName,
    records: &[Record],
) -> Result<(), Fault> {
    // Names that no other table has.
    let hash = Checksum::of(&table.to_string()).to_string();
    let hash = part(&hash, ..12);
    let [new, old] = ["new", "old"].map(|which| table.named(format!("__switchy_{which}_{hash}")));
    let [here, new_here, old_here] = [table, &new, &old].map(quoted);
    conn.run(&format!("DROP TABLE IF EXISTS {new_here}, {old_here}"))?;
    let definition = definition(*conn)?;
    conn.run(&format!("CREATE TABLE {new_here} {definition}"))?;
    MysqlOver::<S>::transaction(conn, &Scope::immediate(), |conn| {
        records.iter().try_for_each(|record| MysqlOver::<S>::insert(conn, &new, record))
    })?;
    waiting(*conn, PATIENCE, &format!("RENAME TABLE {here} TO {old_here}, {new_here} TO {here}"))?;
    if MysqlOver::<S>::read(conn, &old)?.records != records {
        let what = format!(
            "another program wrote to the tracking table while it was replaced; what it wrote is in {old_here}"
        );
        let remedy = format!("stop all programs, and bring what {old_here} has and {here} has not to {here}");
        return Err(Fault::new(FaultKind::Other, what).remedy(remedy));
    }
    conn.run(&format!("DROP TABLE {old_here}"))
}
