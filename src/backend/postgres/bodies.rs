//! SQL that searches the bodies of functions: what they call, and whether they delete something.

/// The rest of the recursive query `called (root, function)`: it goes on from a function to those whose names stand before a parenthesis in it.
const CALLS: &str = r#"SELECT c.root, o.oid FROM called c JOIN pg_catalog.pg_proc p ON p.oid = c.function
    CROSS JOIN LATERAL (SELECT BODY AS body) b
    CROSS JOIN LATERAL pg_catalog.regexp_matches(b.body, '("[^"]+"|[[:alpha:]_][\w$]*)\s*\(', 'g') AS call
    JOIN pg_catalog.pg_proc o ON o.proname =
        (CASE WHEN call[1] LIKE '"%' THEN pg_catalog.btrim(call[1], '"') ELSE pg_catalog.lower(call[1]) END)::name
    JOIN pg_catalog.pg_namespace n ON n.oid = o.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"#;

/// The roots of `called` from which something is deleted. Texts and comments count only where they may be statements (`EXECUTE`), or may end elsewhere
/// than these expressions see it (escapes, dollar quotes, comments within comments). `OFFSET 0` keeps the server from reading all functions.
const DELETING: &str = r"SELECT DISTINCT c.root FROM called c
    CROSS JOIN LATERAL (SELECT p.prosrc, BODY AS body FROM pg_catalog.pg_proc p WHERE p.oid = c.function OFFSET 0) b
    WHERE b.body ~* '\m(delete|truncate|drop)\M'
        OR b.prosrc ~* '\mexecute\M' AND b.prosrc ~* '\m(delete\s+from|truncate|drop\s+(table|schema|view))\M'";

/// The text of the function `p` without its texts and comments.
const BODY: &str = r"CASE WHEN p.prosrc = '' THEN pg_catalog.pg_get_functiondef(p.oid)
    WHEN p.prosrc ~ '\\|\$([^\s\d$][^\s$]*)?\$|/\*([^*]|\*+[^*/])*/\*' THEN p.prosrc
    ELSE pg_catalog.regexp_replace(p.prosrc, '--[^\n\r]*|/\*([^*]|\*+[^*/])*\*+/|''[^'']*''', ' ', 'g') END";

/// A query in which `CALLS` and `DELETING` stand for these parts.
pub(super) fn searching(query: &str) -> String {
    query.replace("CALLS", CALLS).replace("DELETING", DELETING).replace("BODY", BODY)
}
