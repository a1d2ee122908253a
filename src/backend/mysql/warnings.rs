//! The warnings of the server about a statement.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{fault, get};
use crate::fault::Fault;
use crate::notice::{Notice, Notices, Severity};

/// The number of warnings of one statement that are read.
const READ: u16 = 5;

/// Collects the warnings about the statement that ran last. The server sends their number with its answer, so it is asked only if there
/// are any. An error here is not ignored: on a cluster it can be the only sign that another node has ended the transaction. It is
/// partial, since the statement itself was carried out.
pub(super) fn collect(conn: &mut Conn, notices: &Notices, offset: usize) -> Result<(), Fault> {
    let count = conn.warnings();
    if count == 0 {
        return Ok(());
    }
    if notices.is_full() {
        notices.add_unread(count.into());
        return Ok(());
    }
    let rows: Vec<Row> =
        conn.query(format!("SHOW WARNINGS LIMIT {READ}")).map_err(|error| fault(error).partial())?;
    for row in &rows {
        let severity = match get::<String>(row, 0).as_deref() {
            Some("Note") => Severity::Notice,
            _ => Severity::Warning,
        };
        let code = get::<u32>(row, 1).map(|code| code.to_string()).unwrap_or_default();
        let message: String = get(row, 2).unwrap_or_default();
        notices.add(Notice::new(severity, code, &message, offset));
    }
    notices.add_unread(u64::from(count).saturating_sub(rows.len() as u64));
    Ok(())
}
