//! Replaces a tracking table of an older form with one of the current form.

use std::time::Duration;

use mysql::Conn;

use super::query::run;
use super::query::waiting;
use super::table::definition;
use super::{Mysql, quoted};
use crate::backend::driver::Driver;
use crate::backend::records::Records;
use crate::backend::retry::patiently;
use crate::backend::script::Scope;
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::{History, Record};
use crate::sql::part;

/// How long to wait for other sessions. Programs that start meanwhile wait too.
const PATIENCE: Duration = Duration::from_secs(3);

/// Replaces the older table with a table that has these records, in one statement.
pub(super) fn exchange(conn: &mut &mut Conn, table: &TableName, records: &[Record]) -> Result<(), Fault> {
    // Names that no other table has.
    let hash = Checksum::of(&table.to_string()).to_string();
    let hash = part(&hash, ..12);
    let [new, old] = ["new", "old"].map(|which| table.named(format!("__switchy_{which}_{hash}")));
    let [here, new_here, old_here] = [table, &new, &old].map(quoted);
    run(conn, &format!("DROP TABLE IF EXISTS {new_here}, {old_here}"))?;
    let definition = definition(conn)?;
    run(conn, &format!("CREATE TABLE {new_here} {definition}"))?;
    Mysql::transaction(conn, &Scope::immediate(), |conn| {
        records.iter().try_for_each(|record| Mysql::insert(conn, &new, record))
    })?;
    let exchange = format!("RENAME TABLE {here} TO {old_here}, {new_here} TO {here}");
    waiting(conn, PATIENCE, |conn| run(conn, &exchange))?;
    patiently(PATIENCE, || {
        let then = History::new(Mysql::read(conn, &old)?.records);
        Mysql::transaction(conn, &Scope::immediate(), |conn| catch_up(conn, table, records, &then))
    })
    .map_err(|fault| {
        let what = format!("what others wrote while it was exchanged is only in {old_here}: {fault}");
        let remedy = format!("stop all programs, and bring what {old_here} has and {here} has not to {here}");
        Fault::new(FaultKind::Other, what).remedy(remedy)
    })?;
    run(conn, &format!("DROP TABLE {old_here}"))
}

/// Applies the changes that a program without the engine's lock has made to the records since they were read.
fn catch_up(
    conn: &mut &mut Conn,
    table: &TableName,
    before: &[Record],
    after: &History,
) -> Result<(), Fault> {
    for record in before.iter().filter(|record| after.get(&record.id).is_none()) {
        Mysql::delete(conn, table, &record.id)?;
    }
    for record in after.records() {
        match before.iter().find(|old| old.id == record.id) {
            None => Mysql::insert(conn, table, record)?,
            Some(old) if old.dirty != record.dirty => Mysql::update(conn, table, record)?,
            Some(_) => {}
        }
    }
    Ok(())
}
