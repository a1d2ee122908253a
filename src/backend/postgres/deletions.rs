//! The rows that a script in a transaction deletes, also through triggers, foreign key actions and rules.
//!
//! The server counts for each transaction how many rows it deleted from each table (`pg_stat_xact_user_tables`), so no table is read.

use std::collections::BTreeMap;

use postgres::Client;

use super::{fault, query};
use crate::account::{Account, Fate, TableChange};
use crate::backend::script::Script;
use crate::backend::server_ledger::Ledger;
use crate::backend::session::Session;
use crate::fault::Fault;
use crate::sql::Tokens;
use crate::step::Atomicity;

/// The rows that a transaction deleted before the script, by the OID of the table.
pub(super) struct Watched(BTreeMap<String, i64>);

/// Whether rows of one table can be deleted by a statement about another one.
struct ReachesOthers(bool);

/// How many rows of a table were deleted.
struct Deleted {
    oid: String,
    /// The name, with its schema if a statement needs that.
    name: String,
    rows: i64,
}

impl Watched {
    /// What was deleted before a script; `None` if that need not, or cannot, be counted.
    pub(super) fn before(
        conn: &mut Client,
        script: &Script<'_>,
        ledger: &Ledger<'_>,
    ) -> Result<Option<Self>, Fault> {
        let makes = ["trigger", "rule", "cascade", "function", "procedure", "extension"];
        let may_reach = ledger.calls() || Tokens::new(script.text).any(|token| token.is_any(&makes));
        if let (Some(session), true) = (script.session, may_reach) {
            session.take::<ReachesOthers>();
        }
        if script.atomicity == Atomicity::NonTransactional || !ledger.writes_rows() || ledger.undoes() {
            return Ok(None);
        }
        if !may_reach && !reaches_others(conn, script.session)? {
            return Ok(None);
        }
        let before = counted(conn)?;
        Ok(Some(Self(before.into_iter().map(|table| (table.oid, table.rows)).collect())))
    }

    /// Puts into the account what was deleted since, in place of what the statements say. The schema says that these rows go, and its author
    /// wrote it, so the step is not refused.
    pub(super) fn add_to(&self, conn: &mut Client, account: &mut Account) -> Result<(), Fault> {
        let now = counted(conn)?;
        // Without `track_counts` the server counts nothing.
        if !now.is_empty() {
            // A renamed table is in the account for its name.
            account.tables.retain(|table| table.fate != Fate::Kept || table.renamed_to.is_some());
        }
        for table in now {
            let rows = table.rows - self.0.get(&table.oid).copied().unwrap_or_default();
            let is_known = account.tables.iter().any(|known| known.table == table.name);
            if let Some(deleted) = u64::try_from(rows).ok().filter(|rows| *rows > 0 && !is_known) {
                account.tables.push(TableChange { deleted, ..TableChange::new(table.name, Fate::Kept) });
            }
        }
        Ok(())
    }
}

/// Whether the database has a trigger, a rule or an `ON DELETE CASCADE`. It is asked once a session, until a script may create one.
fn reaches_others(conn: &mut Client, session: Option<&Session>) -> Result<bool, Fault> {
    let known = session.and_then(Session::take::<ReachesOthers>);
    let ReachesOthers(reaches) = known.map_or_else(|| ask_reach(conn), Ok)?;
    if let Some(session) = session {
        session.keep(ReachesOthers(reaches));
    }
    Ok(reaches)
}

fn ask_reach(conn: &mut Client) -> Result<ReachesOthers, Fault> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE NOT tgisinternal)
        OR EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confdeltype = 'c')
        OR EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384)";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    Ok(ReachesOthers(rows.first().is_some_and(|row| row.get(0))))
}

/// The rows that the transaction deleted so far, for each table that is not temporary. A materialized view can be filled
/// again. The server may also count those of earlier transactions of the session, so two of these must be compared.
fn counted(conn: &mut Client) -> Result<Vec<Deleted>, Fault> {
    let sql = "SELECT s.relid::text, s.relid::regclass::text, s.n_tup_del FROM pg_catalog.pg_stat_xact_user_tables s
        JOIN pg_catalog.pg_class c ON c.oid = s.relid
        WHERE s.n_tup_del > 0 AND c.relpersistence <> 't' AND c.relkind <> 'm' ORDER BY 2";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    let table = |row: &postgres::Row| Deleted {
        oid: row.get(0),
        name: row.get::<_, String>(1).trim_matches('"').to_owned(),
        rows: row.get(2),
    };
    Ok(rows.iter().map(table).collect())
}
