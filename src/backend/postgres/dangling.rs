//! What refers to something that is missing: functions in SQL, whose bodies the server reads only when they run. It refuses a change that
//! would break a view or a foreign key by itself.

use postgres::Client;

use super::{Postgres, fault, query};
use crate::backend::driver::Driver;
use crate::dangling::Dangling;
use crate::fault::Fault;

/// The functions in SQL of the application: their numbers, and their names with the types of their parameters.
const FUNCTIONS: &str = "SELECT p.oid::text, p.oid::regprocedure::text FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE l.lanname = 'sql' AND p.oid >= 16384 AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";

/// The functions whose bodies cannot be read. The function that the server checks a body with when it is created checks it again.
pub(super) fn dangling(conn: &mut &mut Client) -> Result<Dangling, Fault> {
    let mut dangling = Dangling::default();
    let functions = query(conn, FUNCTIONS, &[]).map_err(fault)?;
    if functions.is_empty() {
        return Ok(dangling);
    }
    let functions: Vec<(String, String)> = functions.iter().map(|row| (row.get(0), row.get(1))).collect();
    let is_open = Postgres::in_transaction(conn)?;
    let numbers: Vec<&str> = functions.iter().map(|(number, _)| &**number).collect();
    if check(conn, is_open, &numbers.join(", "))?.is_none() {
        return Ok(dangling);
    }
    for (number, name) in &functions {
        if let Some(why) = check(conn, is_open, number)? {
            dangling.add_unresolved("function", name, &why.to_string());
        }
    }
    Ok(dangling)
}

/// Checks functions, and returns why one of them cannot be read.
fn check(conn: &mut Client, is_open: bool, functions: &str) -> Result<Option<Fault>, Fault> {
    let checked = format!(
        "SELECT pg_catalog.fmgr_sql_validator(oid) FROM pg_catalog.pg_proc WHERE oid IN ({functions})"
    );
    let sql = if is_open {
        format!("SAVEPOINT __switchy_function; {checked}; RELEASE SAVEPOINT __switchy_function")
    } else {
        checked
    };
    let Err(error) = conn.batch_execute(&sql) else { return Ok(None) };
    if error.as_db_error().is_none() {
        return Err(fault(error));
    }
    if is_open {
        let back = "ROLLBACK TO SAVEPOINT __switchy_function; RELEASE SAVEPOINT __switchy_function";
        conn.batch_execute(back).map_err(fault)?;
    }
    Ok(Some(fault(error)))
}
