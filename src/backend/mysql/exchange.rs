//! Exchanging a tracking table of an older form for today's.

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

/// How long others are waited for: whoever starts meanwhile waits too.
const PATIENCE: Duration = Duration::from_secs(3);

/// Puts a table with these records in the place of the older one, in one statement.
pub(super) fn exchange(conn: &mut &mut Conn, table: &TableName, records: &[Record]) -> Result<(), Fault> {
    // Names that nobody else has.
    let hash = &Checksum::of(&table.to_string()).to_string()[..12];
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

/// Makes records what a program that knows no lock of ours has made of them since they were read.
fn catch_up(conn: &mut &mut Conn, table: &TableName, were: &[Record], are: &History) -> Result<(), Fault> {
    for were in were.iter().filter(|were| are.get(&were.id).is_none()) {
        Mysql::delete(conn, table, &were.id)?;
    }
    for is in are.records() {
        match were.iter().find(|were| were.id == is.id) {
            None => Mysql::insert(conn, table, is)?,
            Some(were) if were.dirty != is.dirty => Mysql::update(conn, table, is)?,
            Some(_) => {}
        }
    }
    Ok(())
}
