//! Whether a script leaves the session unchanged, so that its settings need not be read.

use postgres::Client;

use super::{fault, query};
use crate::fault::Fault;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens, folded};

/// Whether a script only defines tables and similar objects, reads and writes rows, and names no function that changes settings. Then
/// only functions that it does not name can change settings, which [`is_inert`] checks.
pub(super) fn is_plain(script: &str) -> bool {
    let Ok(pieces) = statements(script) else { return false };
    pieces.iter().all(|piece| is_plain_statement(piece.text))
}

fn is_plain_statement(text: &str) -> bool {
    const ROWS: [&str; 7] = ["insert", "update", "delete", "select", "with", "values", "comment"];
    const OBJECTS: [&str; 5] = ["table", "index", "view", "sequence", "type"];
    let mut words = Tokens::new(text);
    let Some(first) = words.next() else { return true };
    let is = |word: Option<Token<'_>>, list: &[&str]| word.is_some_and(|word| word.is_any(list));
    let defines = is(Some(first), &["create", "alter", "drop"]);
    let object = words.find(|word| !is(Some(*word), &["unique", "or", "replace", "temp", "temporary"]));
    let is_known = if defines { is(object, &OBJECTS) } else { is(Some(first), &ROWS) };
    // A name can be written with escapes: `U&"set\005fconfig"`.
    let hides = text.contains("U&") || text.contains("u&");
    is_known && !hides && !Tokens::new(text).filter_map(Token::spelling).any(sets)
}

/// Whether a name is that of a built-in function that changes settings, or that runs a text or a query that may change them:
/// `set_config`, `query_to_xml`, `ts_stat`. `CREATE TABLE ... AS EXECUTE` runs a statement that was prepared elsewhere.
fn sets(name: &str) -> bool {
    let name = folded(name);
    ["set_config", "ts_stat", "ts_rewrite", "execute"].contains(&&*name) || name.contains("_to_xml")
}

/// Whether the database has only built-in functions, and no definition calls one that changes settings.
pub(super) fn is_inert(conn: &mut Client) -> Result<bool, Fault> {
    let sql = "WITH setting AS (
            SELECT ':funcid (' || string_agg(oid::text, '|') || ') ' AS called FROM pg_catalog.pg_proc
            WHERE proname IN ('set_config', 'ts_stat', 'ts_rewrite') OR proname LIKE '%\\_to\\_xml%'
        ), definitions AS (
            SELECT adbin::text AS tree FROM pg_catalog.pg_attrdef
            UNION ALL SELECT conbin::text FROM pg_catalog.pg_constraint
            UNION ALL SELECT typdefaultbin::text FROM pg_catalog.pg_type
            UNION ALL SELECT concat(indexprs, indpred) FROM pg_catalog.pg_index
            UNION ALL SELECT concat(polqual, polwithcheck) FROM pg_catalog.pg_policy
            UNION ALL SELECT partexprs::text FROM pg_catalog.pg_partitioned_table
            UNION ALL SELECT concat(ev_qual, ev_action) FROM pg_catalog.pg_rewrite WHERE oid >= 16384
        )
        SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid >= 16384)
            AND NOT EXISTS (SELECT FROM definitions, setting WHERE tree ~ called)";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_defines_and_fills_tables_leaves_the_session_alone() {
        let rows = [
            (
                "CREATE TABLE a (b INT DEFAULT 1); CREATE UNIQUE INDEX i ON a (b); INSERT INTO a VALUES (1)",
                true,
            ),
            (
                "ALTER TABLE a ALTER b SET DEFAULT 2; UPDATE a SET b = lower('SET') WHERE true; DROP VIEW v",
                true,
            ),
            ("/* SET */ WITH x AS (SELECT 1) SELECT * FROM x; COMMENT ON TABLE a IS 'it'", true),
            ("CREATE OR REPLACE VIEW v AS SELECT 1; CREATE TEMP TABLE t AS SELECT now()", true),
            ("SET search_path = a", false),
            ("CREATE TABLE a (b INT); RESET ALL", false),
            ("SELECT pg_catalog.SET_CONFIG('a.b', 'c', false)", false),
            ("SELECT U&\"set\\005fconfig\"('a.b', 'c', false)", false),
            ("CREATE TABLE a (b TEXT DEFAULT \"set_config\"('a.b', 'c', false))", false),
            ("SELECT query_to_xml('SET a.b = 1', true, true, '')", false),
            ("CREATE TABLE a AS EXECUTE b", false),
            ("DO $$ BEGIN END $$", false),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false),
            ("CREATE EXTENSION e", false),
            ("ALTER DATABASE d SET a.b = 1", false),
            ("CALL p()", false),
        ];
        for (script, expected) in rows {
            assert_eq!(is_plain(script), expected, "{script}");
        }
    }
}
