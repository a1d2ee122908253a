//! [`callers`]: what calls a function that deletes rows, without a statement that names the function.

use postgres::Client;

use super::bodies::searching;
use super::{fault, query};
use crate::fault::Fault;

/// The views, the tables with such a default or check, the domains and the operators that call a function that deletes something, itself or by
/// another one that it calls.
const CALLERS: &str = r"WITH RECURSIVE called AS (
        SELECT DISTINCT p.oid AS root, p.oid AS function FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.classid IN ('pg_catalog.pg_rewrite'::regclass,
            'pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_operator'::regclass)
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.provolatile = 'v'
        UNION CALLS
    ), callers AS (
        SELECT 'pg_catalog.pg_proc'::regclass::oid AS class, root AS object FROM (DELETING) deleting
        UNION
        SELECT owner.class, owner.object FROM callers
        JOIN pg_catalog.pg_depend d ON d.refclassid = callers.class AND d.refobjid = callers.object
        LEFT JOIN pg_catalog.pg_rewrite rule ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND rule.oid = d.objid
            AND rule.rulename = '_RETURN'
        LEFT JOIN pg_catalog.pg_attrdef def ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND def.oid = d.objid
        LEFT JOIN pg_catalog.pg_constraint con ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
            AND con.contype = 'c'
        CROSS JOIN LATERAL (VALUES
            ('pg_catalog.pg_class'::regclass::oid, coalesce(rule.ev_class, def.adrelid, nullif(con.conrelid, 0),
                CASE WHEN callers.class = 'pg_catalog.pg_type'::regclass AND d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END)),
            ('pg_catalog.pg_type'::regclass::oid, nullif(con.contypid, 0)),
            ('pg_catalog.pg_operator'::regclass::oid, CASE WHEN d.classid = 'pg_catalog.pg_operator'::regclass THEN d.objid END)
        ) owner (class, object)
        WHERE owner.object IS NOT NULL AND (callers.class <> 'pg_catalog.pg_class'::regclass OR rule.oid IS NOT NULL)
    )
    SELECT relname::text FROM callers JOIN pg_catalog.pg_class c ON class = 'pg_catalog.pg_class'::regclass AND c.oid = object
    UNION SELECT typname::text FROM callers JOIN pg_catalog.pg_type t ON class = 'pg_catalog.pg_type'::regclass AND t.oid = object
    UNION SELECT oprname::text FROM callers JOIN pg_catalog.pg_operator o ON class = 'pg_catalog.pg_operator'::regclass AND o.oid = object
    ORDER BY 1";

/// The names of these objects.
pub(super) fn callers(client: &mut Client) -> Result<Vec<String>, Fault> {
    let rows = query(client, &searching(CALLERS), &[]).map_err(fault)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
