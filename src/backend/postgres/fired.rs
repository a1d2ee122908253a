//! The triggers and rules of a table that delete something.

use postgres::Client;

use super::{fault, query};
use crate::backend::server_forecast::Write;
use crate::fault::Fault;

/// The triggers and rules of a table that some of these words fire, and that delete something, themselves or by a function that they call; no row
/// if there is no such table. A trigger for `UPDATE OF` some columns is fired if one is set, or if one of its columns is generated.
///
/// From a function, it goes on to those whose names stand before a parenthesis in it. Texts and comments in it count only where they may be
/// statements (`EXECUTE`), or may end elsewhere than these expressions see it (escapes, dollar quotes, comments within comments).
const FIRED: &str = r#"WITH RECURSIVE fired AS (
        SELECT pg_catalog.to_regclass($1)::oid AS oid, pg_catalog.string_to_array($2, ',') AS words,
            pg_catalog.string_to_array($3, E'\n') AS names
    ), called AS (
        SELECT t.tgname AS trigger, t.tgfoid AS function FROM fired JOIN pg_catalog.pg_trigger t ON t.tgrelid = fired.oid
        WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
        AND (('INSERT' = ANY (words) AND t.tgtype & 4 <> 0) OR ('DELETE' = ANY (words) AND t.tgtype & 8 <> 0)
            OR ('UPDATE' = ANY (words) AND t.tgtype & 16 <> 0 AND (names = '{}' OR t.tgattr::text = '' OR EXISTS (
                SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
                AND (a.attname::text = ANY (names) OR coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '')))))
        UNION
        SELECT c.trigger, o.oid FROM called c JOIN pg_catalog.pg_proc p ON p.oid = c.function
        CROSS JOIN LATERAL (SELECT BODY AS body) b
        CROSS JOIN LATERAL pg_catalog.regexp_matches(b.body, '("[^"]+"|[[:alpha:]_][\w$]*)\s*\(', 'g') AS call
        JOIN pg_catalog.pg_proc o ON o.proname =
            (CASE WHEN call[1] LIKE '"%' THEN pg_catalog.btrim(call[1], '"') ELSE pg_catalog.lower(call[1]) END)::name
        JOIN pg_catalog.pg_namespace n ON n.oid = o.pronamespace
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
    )
    SELECT found.what FROM fired LEFT JOIN LATERAL (
        SELECT DISTINCT 'TRIGGER ' || c.trigger AS what FROM called c JOIN pg_catalog.pg_proc p ON p.oid = c.function
        CROSS JOIN LATERAL (SELECT BODY AS body) b
        WHERE b.body ~* '\m(delete|truncate|drop)\M'
            OR p.prosrc ~* '\mexecute\M' AND p.prosrc ~* '\m(delete\s+from|truncate|drop\s+(table|schema|view))\M'
        UNION ALL
        SELECT 'RULE ' || r.rulename FROM pg_catalog.pg_rewrite r
        WHERE r.ev_class = fired.oid AND r.ev_enabled IN ('O', 'A') AND pg_catalog.pg_get_ruledef(r.oid) ~ '\mDELETE FROM\M'
        AND CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' END = ANY (words)
    ) found ON true WHERE fired.oid IS NOT NULL ORDER BY 1"#;

/// The text of the function `p` without its texts and comments.
const BODY: &str = r"CASE WHEN p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid)
        WHEN p.prosrc ~ '\\|\$([^\s\d$][^\s$]*)?\$|/\*([^*]|\*+[^*/])*/\*' THEN p.prosrc
        ELSE pg_catalog.regexp_replace(p.prosrc, '--[^\n\r]*|/\*([^*]|\*+[^*/])*\*+/|''[^'']*''', ' ', 'g') END";

/// The triggers and rules that such a write to a table fires, and that delete something; `None` if there is no such table.
pub(super) fn fired(client: &mut Client, table: &str, write: &Write) -> Result<Option<Vec<String>>, Fault> {
    let (events, names) = (write.events.join(","), write.names.join("\n"));
    let sql = FIRED.replace("BODY", BODY);
    let rows = query(client, &sql, &[Some(table), Some(&events), Some(&names)]).map_err(fault)?;
    Ok((!rows.is_empty()).then(|| rows.iter().filter_map(|row| row.get(0)).collect()))
}
