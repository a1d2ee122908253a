//! The triggers of a table that delete something.

use std::collections::BTreeSet;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{fault, get, text};
use crate::backend::server_forecast::Write;
use crate::fault::Fault;
use crate::sql::act::{Body, ObjectName};
use crate::sql::mysql::GRAMMAR;

/// The triggers that such a write to a table fires, and that delete something. The schema is an expression.
pub(super) fn fired(conn: &mut Conn, schema: &str, table: &str, write: &Write) -> Result<Vec<String>, Fault> {
    let sql = format!(
        "SELECT TRIGGER_NAME, TRIGGER_SCHEMA, ACTION_STATEMENT FROM information_schema.TRIGGERS
        WHERE EVENT_OBJECT_SCHEMA = {schema} AND EVENT_OBJECT_TABLE = {} AND EVENT_MANIPULATION IN ('{}') ORDER BY 1",
        text(Some(table)),
        write.events.join("', '")
    );
    let triggers: Vec<Row> = conn.query(sql).map_err(fault)?;
    let mut found = Vec::new();
    for trigger in &triggers {
        let (Some(name), Some(schema)) = (get::<String>(trigger, 0), get(trigger, 1)) else { continue };
        if deletes(conn, schema, get(trigger, 2))? {
            found.push(format!("TRIGGER {name}"));
        }
    }
    Ok(found)
}

/// Whether a text deletes something, or calls a routine that does; `None` is a text that this user may not read. A trigger can neither truncate
/// nor drop a table, except a temporary one.
fn deletes(conn: &mut Conn, schema: String, text: Option<String>) -> Result<bool, Fault> {
    let (mut texts, mut read) = (vec![(schema, text)], BTreeSet::new());
    while let Some((schema, text)) = texts.pop() {
        let Some(text) = text else { return Ok(true) };
        let tokens = (GRAMMAR.tokens)(&text);
        if tokens.iter().any(|token| token.is("delete")) {
            return Ok(true);
        }
        let mut calls = Body::of(&tokens, &GRAMMAR).calls;
        calls.retain(|call| read.insert((schema_of(call, &schema), call.name.to_lowercase())));
        if !calls.is_empty() {
            texts.extend(routines(conn, &schema, &calls)?);
        }
    }
    Ok(false)
}

/// The schema of a routine that is called in a schema.
fn schema_of(call: &ObjectName, schema: &str) -> String {
    call.schema.clone().unwrap_or_else(|| schema.to_owned())
}

/// The schemas and texts of those of these routines that there are, and that do not declare to change nothing.
fn routines(
    conn: &mut Conn,
    schema: &str,
    calls: &[ObjectName],
) -> Result<Vec<(String, Option<String>)>, Fault> {
    let is_one = |call: &ObjectName| {
        format!(
            "(ROUTINE_SCHEMA = {} AND ROUTINE_NAME = {})",
            text(Some(&schema_of(call, schema))),
            text(Some(&call.name))
        )
    };
    let sql = format!(
        "SELECT ROUTINE_SCHEMA, ROUTINE_DEFINITION FROM information_schema.ROUTINES
        WHERE SQL_DATA_ACCESS NOT IN ('NO SQL', 'READS SQL DATA') AND ({})",
        calls.iter().map(is_one).collect::<Vec<_>>().join(" OR ")
    );
    let rows: Vec<Row> = conn.query(sql).map_err(fault)?;
    Ok(rows.iter().filter_map(|row| Some((get(row, 0)?, get(row, 1)))).collect())
}
