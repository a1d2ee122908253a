//! The triggers and rules of a table that delete something.

use postgres::Client;

use super::bodies::searching;
use super::{fault, query};
use crate::backend::server_forecast::Write;
use crate::fault::Fault;

/// The triggers and rules of a table that some of these words fire, and that delete something, themselves or by a function that they call; no row
/// if there is no such table. A trigger for `UPDATE OF` some columns is fired if one is set, or if one of its columns is generated.
const FIRED: &str = r"WITH RECURSIVE fired AS (
        SELECT pg_catalog.to_regclass($1)::oid AS oid, pg_catalog.string_to_array($2, ',') AS words,
            pg_catalog.string_to_array($3, E'\n') AS names
    ), called AS (
        SELECT t.tgname AS root, t.tgfoid AS function FROM fired JOIN pg_catalog.pg_trigger t ON t.tgrelid = fired.oid
        WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
        AND (('INSERT' = ANY (words) AND t.tgtype & 4 <> 0) OR ('DELETE' = ANY (words) AND t.tgtype & 8 <> 0)
            OR ('UPDATE' = ANY (words) AND t.tgtype & 16 <> 0 AND (names = '{}' OR t.tgattr::text = '' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
                AND (a.attname::text = ANY (names) OR coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '')))))
        UNION CALLS
    ), deleting AS (DELETING)
    SELECT found.what FROM fired LEFT JOIN LATERAL (
        SELECT 'TRIGGER ' || root AS what FROM deleting
        UNION ALL
        SELECT 'RULE ' || r.rulename FROM pg_catalog.pg_rewrite r
        WHERE r.ev_class = fired.oid AND r.ev_enabled IN ('O', 'A') AND pg_catalog.pg_get_ruledef(r.oid) ~ '\mDELETE FROM\M'
        AND CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' END = ANY (words)
    ) found ON true WHERE fired.oid IS NOT NULL ORDER BY 1";

/// The triggers and rules that such a write to a table fires, and that delete something; `None` if there is no such table.
pub(super) fn fired(client: &mut Client, table: &str, write: &Write) -> Result<Option<Vec<String>>, Fault> {
    let (events, names) = (write.events.join(","), write.names.join("\n"));
    let rows =
        query(client, &searching(FIRED), &[Some(table), Some(&events), Some(&names)]).map_err(fault)?;
    Ok((!rows.is_empty()).then(|| rows.iter().filter_map(|row| row.get(0)).collect()))
}
