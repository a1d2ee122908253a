//! The number of rows of a table, as the server estimates it.

/// How many rows a table has, as far as that was counted: by `ANALYZE`, or by what was inserted and deleted since the statistics began.
pub(super) const ESTIMATE: &str = "CASE WHEN c.relkind NOT IN ('r', 'm') THEN NULL WHEN c.reltuples > 0 THEN c.reltuples::bigint
    WHEN pg_catalog.pg_stat_get_live_tuples(c.oid) > 0 THEN pg_catalog.pg_stat_get_live_tuples(c.oid) END::text";
