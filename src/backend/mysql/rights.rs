//! Why the engine may not do what it needs to do, and who can change that: rights that the user lacks, a server that only reads.

use mysql::Conn;

use super::query::{self, code_of, column};
use crate::dialect::{TableName, quote_in};
use crate::fault::{Fault, FaultKind};

/// Adds what the server says about the cause to a fault of one of the engine's own statements.
pub(super) fn explained(conn: &mut Conn, table: &TableName, fault: Fault) -> Fault {
    match code_of(&fault) {
        Some(query::NO_DATABASE) => no_database(),
        Some(query::NO_SUCH_DATABASE) => match table.schema() {
            Some(schema) => {
                let create = format!("CREATE DATABASE {}", quote_in(schema, '`'));
                fault.remedy(format!("create it with {create}, or name another one"))
            }
            None => fault,
        },
        Some(query::NO_RIGHT_TO_TABLE | query::NO_RIGHT_TO_DATABASE) => match grant(conn, table) {
            Some(grant) => fault.remedy(format!("let an administrator run `{grant}`, and run again")),
            None => fault,
        },
        Some(query::PREVENTED_BY_OPTION) if fault.kind() == FaultKind::ReadOnly => {
            let what = format!("the server is read-only, as a replica is: {fault}");
            fault.reworded(what)
        }
        _ => fault,
    }
}

/// The fault of a session without a database.
pub(super) fn no_database() -> Fault {
    Fault::new(FaultKind::Other, "the address names no database")
        .remedy("name one in it, as in mysql://HOST/NAME")
}

/// The statement that gives the user what the engine needs for its tables.
fn grant(conn: &mut Conn, table: &TableName) -> Option<String> {
    let database = match table.schema() {
        Some(schema) => schema.to_owned(),
        None => column::<String>(conn, "SELECT DATABASE()").ok()??,
    };
    let account = column::<String>(conn, "SELECT CURRENT_USER()").ok()??;
    let (user, host) = account.rsplit_once('@')?;
    let [database, user, host] = [&*database, user, host].map(|name| quote_in(name, '`'));
    Some(format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON {database}.* TO {user}@{host}"
    ))
}
