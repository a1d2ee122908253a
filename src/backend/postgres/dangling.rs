//! What refers to something that is missing: SQL functions (`LANGUAGE sql`), whose bodies the server reads only when they run. A change that
//! would break a view or a foreign key is refused by the server itself.

use postgres::Client;
use postgres::error::SqlState;

use super::query::apart;
use super::{fault, query};
use crate::dangling::Dangling;
use crate::fault::Fault;
use crate::touched::Touched;

/// The SQL functions of the application that mention one of some words: their OIDs, and their names with the types of their parameters. A
/// function with settings of its own is left out, since it would be checked without them.
const FUNCTIONS: &str = "SELECT p.oid::text, p.oid::regprocedure::text FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE l.lanname = 'sql' AND p.oid >= 16384 AND p.proconfig IS NULL
        AND ($1 IS NULL OR EXISTS (SELECT FROM unnest(string_to_array($1, E'\n')) word WHERE position(word IN lower(p.prosrc)) > 0))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";

/// The functions whose bodies cannot be read, among those that mention an object whose definition changed. The check is
/// `fmgr_sql_validator`, which the server also runs when a function is created.
pub(super) fn dangling(conn: &mut Client, touched: &Touched) -> Result<Dangling, Fault> {
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
    let oids: Vec<&str> = functions.iter().map(|(oid, _)| &**oid).collect();
    if check(conn, &oids.join(", "))?.is_none() {
        return Ok(dangling);
    }
    for (oid, name) in &functions {
        let why = check(conn, oid)?;
        if let Some(why) = why.filter(|error| !error.code().is_some_and(|code| UNRELATED.contains(code))) {
            dangling.add_unresolved("function", name, &fault(why).to_string());
        }
    }
    Ok(dangling)
}

/// The errors that say nothing about a function: another session holds a lock, or the role lacks a right.
const UNRELATED: [SqlState; 4] = [
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::QUERY_CANCELED,
    SqlState::INSUFFICIENT_PRIVILEGE,
];

/// Checks functions, and returns the error about the first that cannot be read.
fn check(conn: &mut Client, functions: &str) -> Result<Option<postgres::Error>, Fault> {
    // The check takes locks, so it waits only for a short time.
    let checked = format!(
        "SET LOCAL lock_timeout = '100ms'; SELECT pg_catalog.fmgr_sql_validator(oid) FROM pg_catalog.pg_proc WHERE oid IN ({functions})"
    );
    match apart(conn, &checked) {
        Ok(_) => Ok(None),
        Err(error) if error.as_db_error().is_none() => Err(fault(error)),
        Err(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Err(fault(error)),
        Err(error) => Ok(Some(error)),
    }
}
