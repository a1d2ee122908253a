//! Whether an interrupted statement took effect. The index that it builds or drops concurrently is checked.

use postgres::Client;
use postgres::error::SqlState;

use super::query::refused_as;
use super::{execute, fault, query};
use crate::backend::faults::changes_tracking_table;
use crate::backend::table::state;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::Dirty;
use crate::id::MigrationId;
use crate::progress::StatementOutcome;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens, blank_len, part};

/// A name as the text spells it, with or without its schema.
type Name<'a> = &'a str;

/// The index of a statement that builds or drops it concurrently.
enum Index<'a> {
    /// The index is in the schema of its table, whatever the search path is. In `CREATE INDEX CONCURRENTLY ON t (c)` the server chooses
    /// its name.
    Built {
        table: Name<'a>,
        name: Option<Name<'a>>,
    },
    Dropped(Name<'a>),
}

/// The index of a statement, if the statement builds or drops one concurrently.
fn index(text: &str) -> Option<Index<'_>> {
    let mut tokens = Tokens::new(text);
    let verb = tokens.next()?;
    let builds = verb.is("create");
    let object = tokens.by_ref().find(|token| !(builds && token.is("unique")))?;
    let is_concurrent = tokens.next()?.is("concurrently");
    if !(builds || verb.is("drop")) || !object.is("index") || !is_concurrent {
        return None;
    }
    if !builds {
        let name = named(text, &mut tokens, "if", "exists")?;
        return Some(Index::Dropped(name)).filter(|_| tokens.next() != Some(Token::Mark(b',')));
    }
    let is_named = !tokens.clone().next()?.is("on");
    let name = if is_named { Some(named(text, &mut tokens, "if", "exists")?) } else { None };
    tokens.next().filter(|token| token.is("on"))?;
    Some(Index::Built { table: named(text, &mut tokens, "only", "only")?, name })
}

/// The name after optional words.
fn named<'a>(text: &'a str, tokens: &mut Tokens<'a>, first: &str, last: &str) -> Option<Name<'a>> {
    if tokens.clone().next()?.is(first) {
        tokens.find(|token| token.is(last))?;
    }
    let start = tokens.offset() + blank_len(part(text, tokens.offset()..));
    tokens.next().filter(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))?;
    while tokens.clone().next() == Some(Token::Mark(b'.')) {
        tokens.nth(1)?;
    }
    Some(part(text, start..tokens.offset()))
}

/// The state before a statement, in two words: the OID of its index, 0 if that does not exist, or the OIDs of all indexes of its table if
/// the statement does not name the index; and the qualified name of that index or table. Empty if the statement has no index.
pub(super) fn mark(conn: &mut Client, text: &str) -> String {
    let found = match index(text) {
        None => return String::new(),
        Some(Index::Built { table, name: Some(name) }) => query(
            conn,
            "SELECT coalesce(to_regclass(name)::oid, 0::oid) || ' ' || name FROM (
                SELECT format('%I.%s', nspname, $2) AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE pg_class.oid = to_regclass($1)) AS it",
            &[Some(table), Some(name)],
        ),
        Some(Index::Built { table, name: None }) => query(
            conn,
            "SELECT (SELECT string_agg(indexrelid::text, ',') FROM (
                    SELECT 0::oid AS indexrelid UNION SELECT indexrelid FROM pg_index WHERE indrelid = pg_class.oid) AS its)
                || ' ' || format('%I.%I', nspname, relname)
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1)",
            &[Some(table)],
        ),
        Some(Index::Dropped(name)) => query(
            conn,
            "SELECT pg_class.oid || ' ' || format('%I.%I', nspname, relname)
            FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1)",
            &[Some(name)],
        ),
    };
    // If the index or table is not found, the statement will not find it either, and its own error says more.
    found.ok().and_then(|rows| rows.first().map(|row| row.get(0))).unwrap_or_default()
}

/// An index in its current state.
struct Found {
    number: String,
    name: String,
    is_valid: bool,
}

/// The index of a statement. If the statement does not name it, it is an index that its table did not have before.
fn found(conn: &mut Client, index: &Index<'_>, mark: &str) -> Result<Option<Found>, postgres::Error> {
    let Some((before, name)) = mark.split_once(' ') else { return Ok(None) };
    let which = match index {
        Index::Built { name: None, .. } => {
            "indrelid = to_regclass($1) AND indexrelid <> ALL (string_to_array($2, ',')::oid[])"
        }
        _ => "indexrelid = to_regclass($1) AND $2 <> ''",
    };
    let sql = format!(
        "SELECT indexrelid::text, format('%I.%I', nspname, relname), indisvalid
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE {which} ORDER BY indisvalid LIMIT 1"
    );
    let rows = query(conn, &sql, &[Some(name), Some(before)])?;
    Ok(rows.first().map(|row| Found { number: row.get(0), name: row.get(1), is_valid: row.get(2) }))
}

/// The fault of a failed statement outside a transaction, with what the statement left.
pub(super) fn failed(conn: &mut Client, text: &str, mark: &str, fault: Fault) -> Fault {
    match index(text) {
        _ if refused_as(&fault, &SqlState::SYNTAX_ERROR) => fault,
        None => fault.partial(),
        Some(Index::Dropped(_)) => fault,
        // An invalid index is updated by writes and ignored by queries.
        Some(index) => match found(conn, &index, mark) {
            Ok(Some(found)) if !found.is_valid => fault.partial().remedy(drop_invalid(&found.name)),
            _ => fault,
        },
    }
}

/// Whether the server does not support a statement. The server may be another engine with the same protocol.
pub(super) fn is_unknown_to_engine(fault: &Fault) -> bool {
    [SqlState::SYNTAX_ERROR, SqlState::FEATURE_NOT_SUPPORTED].iter().any(|state| refused_as(fault, state))
}

fn drop_invalid(index: &str) -> String {
    format!(
        "remove the invalid index that it left, with DROP INDEX CONCURRENTLY {index}, and correct what is wrong"
    )
}

/// The session that runs a statement. The server hides the statements of other users from a user without the privilege to see them.
fn worker(conn: &mut Client, text: &str) -> Result<Option<String>, Fault> {
    let sql = "SELECT 'session ' || pid || ' of the server', query FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'";
    let sessions = query(conn, sql, &[]).map_err(fault)?;
    let runs_it = |row: &&postgres::Row| is_shown_as(text, row.get::<_, Option<&str>>(1).unwrap_or_default());
    Ok(sessions.iter().find(runs_it).map(|row| row.get(0)))
}

/// Whether the list of sessions shows a statement as `shown`. The list has only the beginning of a long statement. It has at least this
/// many bytes: the lowest `track_activity_query_size`, less a partial character.
fn is_shown_as(statement: &str, shown: &str) -> bool {
    const LEAST: usize = 96;
    statement == shown || (shown.len() >= LEAST && statement.starts_with(shown))
}

/// Whether an interrupted statement took effect.
pub(super) fn statement_outcome(
    conn: &mut Client,
    script: &str,
    statement: u32,
    mark: &str,
) -> Result<StatementOutcome, Fault> {
    let unknown = |why: String| Ok(StatementOutcome::Unknown(why));
    let pieces = statements(script).unwrap_or_default();
    let place = usize::try_from(statement).unwrap_or(usize::MAX).wrapping_sub(1);
    if let Some(piece) = pieces.get(place) {
        if let Some(worker) = worker(conn, piece.text)? {
            return Ok(StatementOutcome::Running(worker));
        }
    }
    let index = pieces.get(place).and_then(|piece| index(piece.text));
    let (Some(index), Some((before, _))) = (index, mark.split_once(' ')) else {
        return unknown("it cannot be in a transaction".to_owned());
    };
    Ok(match (found(conn, &index, mark).map_err(fault)?, index) {
        (Some(Found { name, is_valid: false, .. }), Index::Built { .. }) => StatementOutcome::Partial {
            what: format!("the invalid index {name}"),
            remedy: drop_invalid(&name).into(),
        },
        (Some(found), Index::Built { name: None, .. }) => {
            return unknown(format!("somebody else may have made the index {}", found.name));
        }
        (None, Index::Built { .. }) => StatementOutcome::NoEffect,
        (Some(found), _) if found.number == before => StatementOutcome::NoEffect,
        _ => StatementOutcome::Completed,
    })
}

/// Advances a record, if it is still at `from`.
pub(super) fn advance(
    conn: &mut Client,
    table: &TableName,
    id: &MigrationId,
    from: &Dirty,
    to: &Dirty,
) -> Result<bool, Fault> {
    let sql = format!(
        "UPDATE {} SET statement = $2::integer, statements = $3::integer, mark = $4, failure = $5
        WHERE name = $1 AND dirty = $6::integer AND statement IS NOT DISTINCT FROM $7::integer AND mark IS NOT DISTINCT FROM $8",
        table.quoted()
    );
    let [statement, of, from_statement] =
        [to.statement, to.of, from.statement].map(|number| number.map(|number| number.to_string()));
    let state = state(from).to_string();
    let values = [
        Some(id.as_str()),
        statement.as_deref(),
        of.as_deref(),
        to.mark.as_deref(),
        to.failure.as_deref(),
        Some(&state),
        from_statement.as_deref(),
        from.mark.as_deref(),
    ];
    match execute(conn, &sql, &values) {
        // The script has dropped it.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Err(changes_tracking_table(table)),
        outcome => Ok(outcome.map_err(fault)? > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_where_its_table_is() {
        let rows = [
            ("CREATE INDEX CONCURRENTLY /* on */ i ON t (a)", "t i"),
            (
                "create unique index concurrently if not exists \"I on\" on only s . \"t\" using btree (a, b)",
                "s . \"t\" \"I on\"",
            ),
            ("DROP INDEX CONCURRENTLY IF EXISTS s.i CASCADE", "s.i"),
            ("DROP INDEX CONCURRENTLY i, j", ""),
            ("CREATE INDEX CONCURRENTLY ON t (a)", "t"),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS ON t (a)", ""),
            ("CREATE INDEX i ON t (a)", ""),
            ("REINDEX INDEX CONCURRENTLY i", ""),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", ""),
            ("CREATE", ""),
        ];
        for (text, expected) in rows {
            let found = match index(text) {
                Some(Index::Built { table, name }) => format!("{table} {}", name.unwrap_or_default()),
                Some(Index::Dropped(name)) => name.to_owned(),
                None => String::new(),
            };
            assert_eq!(found.trim_end(), expected, "{text}");
        }
    }

    #[test]
    fn a_statement_is_known_by_what_the_list_of_sessions_shows_of_it() {
        let long = format!("CREATE INDEX CONCURRENTLY i ON t ({})", "x".repeat(2_000));
        for (statement, shown, is_it) in [
            ("DROP INDEX CONCURRENTLY i2", "DROP INDEX CONCURRENTLY i2", true),
            ("DROP INDEX CONCURRENTLY i2", "DROP INDEX CONCURRENTLY i", false),
            (&long, &long[..1_023], true),
            (&long, &long[..99], true),
            (&long, &long[1..1_023], false),
            (&long, "", false),
        ] {
            assert_eq!(is_shown_as(statement, shown), is_it, "{shown}");
        }
    }
}
