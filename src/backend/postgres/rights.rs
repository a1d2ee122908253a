//! Why the engine may not do what it needs to do, and who can change that: rights that the role lacks, a server that only reads.

use postgres::Client;
use postgres::error::SqlState;

use super::LOCKS;
use super::query::{query, refused_as};
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};

/// Adds what the server says about the cause to a fault of one of the engine's own statements. The transaction of that statement has ended.
pub(super) fn explained(conn: &mut Client, table: &TableName, fault: Fault) -> Fault {
    if fault.kind() == FaultKind::ReadOnly {
        return only_reads(conn, fault);
    }
    if let Some(schema) = table.schema().filter(|_| refused_as(&fault, &SqlState::INVALID_SCHEMA_NAME)) {
        let create = format!("CREATE SCHEMA {}", quote(schema));
        return fault.remedy(format!("create it with `{create}`, or name another one"));
    }
    if !refused_as(&fault, &SqlState::INSUFFICIENT_PRIVILEGE) {
        return fault;
    }
    match lacking(conn, table) {
        Ok(Some(remedy)) => fault.remedy(remedy),
        _ => fault,
    }
}

/// The fault of a session that may not write.
pub(super) fn cannot_write() -> Fault {
    Fault::new(FaultKind::ReadOnly, "the transactions of this session are read-only")
        .remedy("connect to a server that may be written, or as a user that may write")
}

fn only_reads(conn: &mut Client, fault: Fault) -> Fault {
    let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only') = 'on'";
    let found = query(conn, sql, &[]).ok().and_then(|rows| rows.first().map(|row| (row.get(0), row.get(1))));
    match found {
        Some((true, _)) => {
            let what = "the server is a read-only standby (`pg_is_in_recovery()` is true)";
            fault.reworded(what).remedy("connect to its primary server")
        }
        Some((false, true)) => {
            let what =
                "the transactions of this session are read-only (`default_transaction_read_only` is on)";
            fault.reworded(what).remedy(
                "switch default_transaction_read_only off where it is set (ALTER DATABASE, ALTER ROLE, the options of the \
                 connection, the configuration of the server), or connect to a server that may be written",
            )
        }
        _ => fault,
    }
}

/// The fault of a session in which a table without a schema can be created nowhere.
pub(super) fn no_schema(search_path: &str) -> Fault {
    let what = if search_path.is_empty() {
        "the search path of the session is empty, so there is no schema for the tracking table".to_owned()
    } else {
        format!(
            "the search path of the session has no schema that exists and that the role may use: {search_path}"
        )
    };
    Fault::new(FaultKind::Other, what).remedy("create the schema, or set search_path to one that exists")
}

/// The same, with the statement that lets the role use the first schema of the path that exists.
pub(super) fn no_usable_schema(conn: &mut Client, search_path: &str) -> Fault {
    let sql = "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(current_user)
        FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ',')) WITH ORDINALITY AS path(entry, place)
        JOIN pg_catalog.pg_namespace n ON n.nspname = CASE pg_catalog.btrim(entry, ' \"')
            WHEN '$user' THEN current_user::text ELSE pg_catalog.btrim(entry, ' \"') END
        ORDER BY place LIMIT 1";
    let fault = no_schema(search_path);
    match query(conn, sql, &[Some(search_path)]).ok().as_deref() {
        Some([row]) => {
            let (schema, user): (String, String) = (row.get(0), row.get(1));
            fault.remedy(format!(
                "let its owner run `GRANT USAGE ON SCHEMA {schema} TO {user}`, and run again"
            ))
        }
        _ => fault,
    }
}

/// What somebody has to do who may: `run GRANT CREATE ON SCHEMA public TO app`. `None` if nothing is lacking that is known.
fn lacking(conn: &mut Client, table: &TableName) -> Result<Option<String>, postgres::Error> {
    let sql = "SELECT pg_catalog.quote_ident(current_user), pg_catalog.quote_ident(n.nspname),
        pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
        c.relname::text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.pg_has_role(c.relowner, 'USAGE'),
        pg_catalog.concat_ws(', ',
            CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,
            CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
            CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
            CASE WHEN NOT pg_catalog.has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END),
        pg_catalog.quote_ident(c.relname)
        FROM pg_catalog.pg_namespace n
        LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname IN ($2, $3, $4)
        WHERE n.nspname = coalesce($1, current_schema())
        ORDER BY c.relname = $2 DESC, c.relname";
    let (log, locks) = (table.log(), table.beside(LOCKS));
    let names = [table.schema(), Some(table.as_str()), Some(log.as_str()), Some(locks.as_str())];
    let rows = query(conn, sql, &names)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (user, schema): (String, String) = (first.get(0), first.get(1));
    let mut grants = Vec::new();
    if !first.get::<_, bool>(2) {
        grants.push(format!("GRANT USAGE ON SCHEMA {schema} TO {user}"));
    }
    let tables = || rows.iter().filter_map(|row| Some((row.get::<_, Option<String>>(4)?, row)));
    for (_, row) in tables() {
        let rights: String = row.get(7);
        if !rights.is_empty() {
            grants.push(format!("GRANT {rights} ON {schema}.{} TO {user}", row.get::<_, String>(8)));
        }
    }
    let is_there = tables().any(|(name, _)| name == table.as_str());
    if !first.get::<_, bool>(3) && (!is_there || grants.is_empty()) {
        grants.push(format!("GRANT CREATE ON SCHEMA {schema} TO {user}"));
    }
    if !grants.is_empty() {
        return Ok(Some(format!("let its owner run `{}`, and run again", grants.join("; "))));
    }
    let owner = tables().find(|(_, row)| !row.get::<_, bool>(6)).map(|(_, row)| row.get::<_, String>(5));
    Ok(owner.map(|owner| format!("run once as the role {owner}, which owns the table and may change it")))
}
