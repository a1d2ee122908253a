//! Whether a statement is done whose end nobody saw: the index that it builds or drops beside running writes is looked at.

use postgres::Client;
use postgres::error::SqlState;

use super::query::refused_as;
use super::{execute, fault, query};
use crate::backend::table::state;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::Dirty;
use crate::id::MigrationId;
use crate::progress::StatementOutcome;
use crate::sql::postgres::statements;
use crate::sql::{Token, Tokens, blank_len};

/// A name as it stands in a text, perhaps with its schema.
type Name<'a> = &'a str;

/// An index that a statement is about which runs beside writes.
enum Index<'a> {
    /// It lies in the schema of its table, wherever names are looked up. `CREATE INDEX CONCURRENTLY ON t (c)` leaves its name to the server.
    Built {
        table: Name<'a>,
        name: Option<Name<'a>>,
    },
    Dropped(Name<'a>),
}

/// The index of a statement, if it is about one.
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

/// The name behind words that need not be there.
fn named<'a>(text: &'a str, tokens: &mut Tokens<'a>, first: &str, last: &str) -> Option<Name<'a>> {
    if tokens.clone().next()?.is(first) {
        tokens.find(|token| token.is(last))?;
    }
    let start = tokens.offset() + blank_len(&text[tokens.offset()..]);
    tokens.next().filter(|token| matches!(token, Token::Word(_) | Token::Quoted(_)))?;
    while tokens.clone().next() == Some(Token::Mark(b'.')) {
        tokens.nth(1)?;
    }
    Some(&text[start..tokens.offset()])
}

/// What is there before a statement, in two words: the numbers of the index that it is about, 0 where there is none, or of all that its
/// table has; and the name of that index or table with its schema. Nothing of a statement that is about none.
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
    // What cannot be found, the statement will not find either, and says so better.
    found.ok().and_then(|rows| rows.first().map(|row| row.get(0))).unwrap_or_default()
}

/// An index as it is now.
struct Found {
    number: String,
    name: String,
    is_valid: bool,
}

/// The index that a statement is about; one that its table did not have before where it has no name.
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

/// What is to be said of a statement outside a transaction that failed: what it left.
pub(super) fn failed(conn: &mut Client, text: &str, mark: &str, fault: Fault) -> Fault {
    match index(text) {
        _ if refused_as(&fault, &SqlState::SYNTAX_ERROR) => fault,
        None => fault.partial(),
        Some(Index::Dropped(_)) => fault,
        // An index that is kept up to date and never used.
        Some(index) => match found(conn, &index, mark) {
            Ok(Some(found)) if !found.is_valid => fault.partial().remedy(drop_invalid(&found.name)),
            _ => fault,
        },
    }
}

/// Whether the server does not know a statement, as another engine that speaks its protocol may not.
pub(super) fn is_unknown_to_engine(fault: &Fault) -> bool {
    [SqlState::SYNTAX_ERROR, SqlState::FEATURE_NOT_SUPPORTED].iter().any(|state| refused_as(fault, state))
}

fn drop_invalid(index: &str) -> String {
    format!(
        "remove the invalid index that it left, with DROP INDEX CONCURRENTLY {index}, and correct what is wrong"
    )
}

/// The session that runs a statement. The server shows nothing of those of others to who may not see them.
fn worker(conn: &mut Client, text: &str) -> Result<Option<String>, Fault> {
    let sql = "SELECT 'pid ' || pid, query FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'";
    let sessions = query(conn, sql, &[]).map_err(fault)?;
    let runs_it = |row: &&postgres::Row| is_shown_as(text, row.get::<_, Option<&str>>(1).unwrap_or_default());
    Ok(sessions.iter().find(runs_it).map(|row| row.get(0)))
}

/// Whether the list of sessions shows a statement so: of a long one the beginning, which is at least as long as the lowest
/// `track_activity_query_size` leaves room for, but for a part of a character.
fn is_shown_as(statement: &str, shown: &str) -> bool {
    const LEAST: usize = 96;
    statement == shown || (shown.len() >= LEAST && statement.starts_with(shown))
}

/// Whether a statement is done that nobody saw end.
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
            remedy: drop_invalid(&name),
        },
        (Some(found), Index::Built { name: None, .. }) => {
            return unknown(format!("somebody else may have made the index {}", found.name));
        }
        (None, Index::Built { .. }) => StatementOutcome::NoEffect,
        (Some(found), _) if found.number == before => StatementOutcome::NoEffect,
        _ => StatementOutcome::Completed,
    })
}

/// Moves a record on, if it is as it was left.
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
    Ok(execute(conn, &sql, &values).map_err(fault)? > 0)
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
