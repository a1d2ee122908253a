//! What refers to something that is missing: functions in SQL, whose bodies the server reads only when they run. It refuses a change that
//! would break a view or a foreign key by itself.

use postgres::Client;
use postgres::error::SqlState;

use super::{Postgres, fault, query};
use crate::backend::driver::Driver;
use crate::dangling::Dangling;
use crate::fault::Fault;
use crate::touched::Touched;

/// The functions in SQL of the application that mention one of some words: their numbers, and their names with the types of their parameters.
/// A function with settings of its own is left out, since it is checked without them.
const FUNCTIONS: &str = "SELECT p.oid::text, p.oid::regprocedure::text FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE l.lanname = 'sql' AND p.oid >= 16384 AND p.proconfig IS NULL
        AND ($1 IS NULL OR EXISTS (SELECT FROM unnest(string_to_array($1, E'\n')) word WHERE position(word IN lower(p.prosrc)) > 0))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";

/// The functions whose bodies cannot be read, among those that mention an object whose definition changed. The function that the server
/// checks a body with when it is created checks it again.
pub(super) fn dangling(conn: &mut &mut Client, touched: &Touched) -> Result<Dangling, Fault> {
    let mut dangling = Dangling::default();
    let words = touched.redefined().collect::<Vec<_>>().join("\n");
    if words.is_empty() && !touched.redefines_anything() {
        return Ok(dangling);
    }
    let words = (!touched.redefines_anything()).then_some(&*words);
    let functions = query(conn, FUNCTIONS, &[words]).map_err(fault)?;
    if functions.is_empty() {
        return Ok(dangling);
    }
    let functions: Vec<(String, String)> = functions.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (_, name) in &functions {
        dangling.add_function(name);
    }
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

/// The errors that say nothing about a function: a lock that another session holds, and a missing right.
const UNRELATED: [SqlState; 4] = [
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::QUERY_CANCELED,
    SqlState::INSUFFICIENT_PRIVILEGE,
];

/// Checks functions, and returns why one of them cannot be read.
fn check(conn: &mut Client, is_open: bool, functions: &str) -> Result<Option<Fault>, Fault> {
    // The check waits for tables that another session has locked, and holds those of the step.
    const BACK: &str = "ROLLBACK TO SAVEPOINT __switchy_function; RELEASE SAVEPOINT __switchy_function";
    let checked = format!(
        "SET LOCAL lock_timeout = '100ms'; SELECT pg_catalog.fmgr_sql_validator(oid) FROM pg_catalog.pg_proc WHERE oid IN ({functions})"
    );
    let sql = if is_open { format!("SAVEPOINT __switchy_function; {checked}; {BACK}") } else { checked };
    let Err(error) = conn.batch_execute(&sql) else { return Ok(None) };
    if error.as_db_error().is_none() {
        return Err(fault(error));
    }
    if is_open {
        conn.batch_execute(BACK).map_err(fault)?;
    }
    let is_unrelated = error.code().is_some_and(|code| UNRELATED.contains(code));
    Ok((!is_unrelated).then(|| fault(error)))
}
