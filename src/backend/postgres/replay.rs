//! Running scripts again in an empty schema beside the live ones, inside a transaction that is rolled back.
//!
//! A script must not reach another schema. Only the empty schema is on the search path, so what a script names without a schema is not
//! found anywhere else. A script that names a schema, changes the session, runs a text as a statement, or calls a function that acts outside
//! the transaction is not run at all. The transaction is rolled back in any case.

use std::time::{SystemTime, UNIX_EPOCH};

use postgres::Client;

use super::{Postgres, fault, query, schema, transactions};
use crate::backend::catalog::Replayed;
use crate::backend::driver::Driver;
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::part;
use crate::sql::pieces::Piece;
use crate::sql::postgres::{GRAMMAR, statements};
use crate::sql::transactions::Control;
use crate::step::Atomicity;

/// The schema that scripts make.
pub(super) fn replay(conn: &mut Client, scripts: &[&str], without: &[&str]) -> Result<Replayed, Fault> {
    let rows = query(conn, "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'", &[]);
    let schemas: Vec<String> = rows.map_err(fault)?.iter().map(|row| row.get(0)).collect();
    let mut all = Vec::new();
    for (place, script) in scripts.iter().enumerate() {
        let pieces = statements(script)?;
        let skipped = transactions::skipped(&pieces, Atomicity::Transaction);
        let kept = (1..).zip(pieces).filter(|(number, _)| !skipped.is_some_and(|ends| ends.has(*number)));
        let kept: Vec<Piece<'_>> = kept.map(|(_, piece)| piece).collect();
        if let Some(why) = kept.iter().find_map(|piece| reaches_out(piece.text, &schemas)) {
            return Ok(Replayed::Refused { script: place, why });
        }
        all.push(kept);
    }
    let open = Open::begin(conn)?;
    let conn = &mut *open.conn;
    let name = scratch_name(conn)?;
    if let Err(error) = conn.batch_execute(&format!("CREATE SCHEMA {}", quote(&name))) {
        return Ok(Replayed::Impossible(format!("no empty schema can be made beside it: {}", fault(error))));
    }
    // A statement that waits for a lock would hold up others.
    let settings = format!("SET LOCAL search_path = {}; SET LOCAL lock_timeout = '1s'", quote(&name));
    conn.batch_execute(&settings).map_err(fault)?;
    for (place, pieces) in all.iter().enumerate() {
        for piece in pieces {
            // With this protocol the server runs one statement only, so none that hides in a text can end the transaction.
            if let Err(error) = query(conn, piece.text, &[]) {
                return Ok(Replayed::Failed { script: place, offset: piece.offset, fault: fault(error) });
            }
        }
    }
    let made = schema::schema(conn, Some(&name), without)?;
    Ok(made.map_or_else(|| Replayed::Impossible("the empty schema is gone".to_owned()), Replayed::Made))
}

/// A name that no schema has: creating one that exists is an error.
fn scratch_name(conn: &mut Client) -> Result<String, Fault> {
    let rows = query(conn, "SELECT pg_backend_pid()::text", &[]).map_err(fault)?;
    let process: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(format!("switchy_drift_{process}_{now:x}"))
}

/// A transaction, or a savepoint in an open one, that is rolled back in any case.
struct Open<'a> {
    conn: &'a mut Client,
    end: &'static str,
}

impl<'a> Open<'a> {
    fn begin(conn: &'a mut Client) -> Result<Self, Fault> {
        let is_inside = Postgres::in_transaction(&mut &mut *conn)?;
        let (begin, end) = if is_inside {
            (
                "SAVEPOINT __switchy_drift",
                "ROLLBACK TO SAVEPOINT __switchy_drift; RELEASE SAVEPOINT __switchy_drift",
            )
        } else {
            ("BEGIN ISOLATION LEVEL READ COMMITTED", "ROLLBACK")
        };
        conn.batch_execute(begin).map_err(fault)?;
        Ok(Self { conn, end })
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // If it fails, the connection is lost, and the server has rolled back.
        let _ = self.conn.batch_execute(self.end);
    }
}

/// The first words of the statements that stay in the schema they run in.
const KINDS: [&str; 17] = [
    "aggregate",
    "domain",
    "function",
    "index",
    "materialized",
    "operator",
    "policy",
    "procedure",
    "rule",
    "sequence",
    "statistics",
    "table",
    "temp",
    "temporary",
    "trigger",
    "type",
    "view",
];

const BEFORE_KIND: [&str; 6] = ["or", "replace", "unique", "unlogged", "constraint", "recursive"];

/// Why a statement is not run again: it may reach another schema, or act outside the transaction.
fn reaches_out(statement: &str, schemas: &[String]) -> Option<String> {
    let tokens = (GRAMMAR.tokens)(statement);
    let first = tokens.first().copied();
    let is = |words: &[&str]| first.is_some_and(|first| first.is_any(words));
    let kind = || tokens.iter().skip(1).find(|token| !token.is_any(&BEFORE_KIND));
    let is_plain = is(&[
        "select", "with", "values", "insert", "update", "delete", "merge", "comment", "do", "analyze",
        "refresh",
    ]);
    let is_definition = is(&["create", "alter", "drop"]) && kind().is_some_and(|kind| kind.is_any(&KINDS));
    if transactions::control(statement) != Control::Other || !(is_plain || is_definition) {
        let words = tokens.iter().take(2).filter_map(|token| token.spelling()).collect::<Vec<_>>().join(" ");
        return Some(format!("has `{}`, which is not run again on a server", words.to_uppercase()));
    }
    // Texts and comments are read too: a function or a block is a text.
    let lower = statement.to_lowercase();
    if let Some(schema) = schemas.iter().find(|schema| names_schema(&lower, &schema.to_lowercase())) {
        return Some(format!("names the schema `{schema}`, so it would not stay in an empty one"));
    }
    if lower.contains("u&\"") {
        return Some("has a name in escapes, which is not read".to_owned());
    }
    let has_body = is(&["do"]) || kind().is_some_and(|kind| kind.is_any(&["function", "procedure"]));
    let words = words_of(&lower);
    let is_refused = |place: &usize| is_refused(words[*place], words.get(place + 1).copied(), has_body);
    let place = (0..words.len()).find(is_refused)?;
    Some(format!("has `{}`, which is not run again on a server", words[place]))
}

/// Whether a word may change the session, run a text as a statement, or act outside the transaction.
fn is_refused(word: &str, next: Option<&str>, has_body: bool) -> bool {
    const WORDS: [&str; 5] = ["search_path", "set_config", "information_schema", "dblink", "dblink_exec"];
    const GLOBAL: [&str; 10] = [
        "database",
        "event",
        "extension",
        "publication",
        "role",
        "schema",
        "server",
        "subscription",
        "system",
        "user",
    ];
    // They only read, and are used to set the numbers of a column.
    const KNOWN: [&str; 3] = ["pg_catalog", "pg_get_serial_sequence", "pg_typeof"];
    let next_is = |words: &[&str]| next.is_some_and(|next| words.contains(&next));
    match word {
        "execute" => !next_is(&["function", "procedure"]),
        "set" if has_body => next_is(&["role", "session", "local"]),
        "set" => next_is(&["schema"]),
        "create" | "alter" | "drop" => next_is(&GLOBAL),
        "language" if has_body => !next_is(&["sql", "plpgsql"]),
        _ => WORDS.contains(&word) || (word.starts_with("pg_") && !KNOWN.contains(&word)),
    }
}

/// Whether a text has the name of a schema before a dot, quoted or not.
fn names_schema(text: &str, schema: &str) -> bool {
    if schema == "pg_catalog" {
        return false;
    }
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(schema).any(|(start, _)| {
        let behind = part(text, start + schema.len()..).trim_start_matches('"').trim_start();
        behind.starts_with('.') && !part(text, ..start).ends_with(is_in_word)
    })
}

/// The words of a text, also those inside its strings and comments.
pub(super) fn words_of(text: &str) -> Vec<&str> {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.split(|c: char| !is_in_word(c))
        .map(|word| word.trim_matches('$'))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_may_leave_its_schema_is_not_run() {
        let schemas = ["public", "app", "pg_catalog", "odd name"].map(str::to_owned);
        for kept in [
            "CREATE TABLE a (public boolean, app text DEFAULT 'app', role text, extension text, commit text)",
            "UPDATE a SET role = 'x'",
            "CREATE UNIQUE INDEX i ON a (lower(b))",
            "CREATE OR REPLACE VIEW v AS SELECT a.b FROM a",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.x = 1; RETURN new; END $$",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a DEFERRABLE FOR EACH ROW EXECUTE PROCEDURE f()",
            "INSERT INTO a VALUES (1)",
            "SELECT setval(pg_get_serial_sequence('a', 'id'), 7)",
            "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
            "ALTER TYPE mood ADD VALUE 'x'",
            "DO $$ BEGIN CREATE TYPE mood AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            "CREATE TABLE b (c timestamptz DEFAULT pg_catalog.now())",
        ] {
            assert_eq!(reaches_out(kept, &schemas), None, "{kept}");
        }
        for refused in [
            "CREATE TABLE public.a (b int)",
            "CREATE TABLE \"public\".a (b int)",
            "CREATE TABLE \"odd name\" . a (b int)",
            "DROP TABLE Public . a",
            "INSERT INTO a SELECT * FROM app.a",
            "SELECT nextval('public.a_id_seq')",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM public.a'",
            "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'a'; END $$",
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_tables LOOP NULL; END LOOP; END $$",
            "SET search_path = public",
            "SELECT set_config('search_path', 'public', true)",
            "ALTER FUNCTION f() SET search_path = public",
            "CREATE EXTENSION citext",
            "CREATE SCHEMA other",
            "CREATE ROLE x",
            "GRANT SELECT ON a TO x",
            "SELECT 1 FROM U&\"\\0070ublic\".a",
            "DO $$ BEGIN SET LOCAL ROLE x; END $$",
            "DO $$ BEGIN CREATE EXTENSION citext; END $$",
            "ALTER TABLE a SET SCHEMA app",
            "COPY a FROM '/etc/passwd'",
            "CALL p()",
            "LOCK TABLE a",
            "BEGIN",
            "COMMIT",
            "VACUUM a",
            "CREATE INDEX CONCURRENTLY i ON a (b)",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_advisory_lock(1)",
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x'",
            "ALTER SYSTEM SET x = 1",
            "CREATE DATABASE d",
            "NOTIFY x",
            "SELECT dblink_exec('x', 'y')",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x",
        ] {
            assert!(reaches_out(refused, &schemas).is_some(), "{refused}");
        }
    }
}
