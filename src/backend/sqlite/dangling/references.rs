//! Finds views and triggers that SQLite cannot read any more, and full-text tables that no longer match their content.
//!
//! A statement that uses a view or fires a trigger is prepared and never run: SQLite then resolves every name in it.

use std::collections::BTreeSet;

use rusqlite::{Connection, ErrorCode};

use crate::backend::sqlite::message;
use crate::dangling::Dangling;
use crate::dialect::quote;
use crate::sql::{Token, Tokens};
use crate::touched::{Touch, Touched};

/// A view or a trigger.
struct Program {
    is_view: bool,
    name: String,
    table: String,
    sql: String,
}

/// Checks the views and triggers that a step may have broken, and those that it created.
pub(super) fn check(conn: &Connection, touched: &Touched, found: &mut Dangling) -> rusqlite::Result<()> {
    let mut changed: BTreeSet<String> = touched.redefined().map(str::to_owned).collect();
    if !changed.is_empty() || touched.redefines_anything() {
        let programs = programs(conn)?;
        let is_affected = affected(&programs, &mut changed);
        let of_step = |program: &&Program| touched.redefines_anything() || is_affected(program);
        for view in programs.iter().filter(|program| program.is_view).filter(of_step) {
            if let Some(why) = fails(conn, &format!("SELECT * FROM main.{}", quote(&view.name)))? {
                found.add_unresolved("view", &view.name, &why);
            }
        }
        let triggers: Vec<&Program> =
            programs.iter().filter(|program| !program.is_view).filter(of_step).collect();
        check_triggers(conn, &triggers, found)?;
    }
    let replaced = touched.tables().filter(|(_, touch)| *touch == Touch::Replaced).map(|(table, _)| table);
    check_full_text(conn, &replaced.collect(), found)
}

fn programs(conn: &Connection) -> rusqlite::Result<Vec<Program>> {
    let sql =
        "SELECT type = 'view', name, tbl_name, sql FROM main.sqlite_master WHERE type IN ('view', 'trigger')";
    let mut programs = conn.prepare(sql)?;
    let programs = programs.query_map([], |row| {
        Ok(Program { is_view: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    programs.collect()
}

/// Whether a program mentions something that changed, or a view that does.
fn affected<'c>(
    programs: &[Program],
    changed: &'c mut BTreeSet<String>,
) -> impl Fn(&Program) -> bool + use<'c> {
    let mentions = |program: &Program, names: &BTreeSet<String>| {
        let is_meant = |name: &str| names.contains(&name.replace("\"\"", "\"").to_ascii_lowercase());
        Tokens::new(&program.sql).filter_map(Token::spelling).any(is_meant)
    };
    loop {
        let views = programs.iter().filter(|program| program.is_view);
        let more: Vec<String> = views
            .filter(|view| mentions(view, changed))
            .map(|view| view.name.to_ascii_lowercase())
            .filter(|name| !changed.contains(name))
            .collect();
        if more.is_empty() {
            break;
        }
        changed.extend(more);
    }
    move |program| mentions(program, changed)
}

/// Prepares a statement for each table and event that fires one of these triggers.
fn check_triggers(conn: &Connection, triggers: &[&Program], found: &mut Dangling) -> rusqlite::Result<()> {
    let mut seen = BTreeSet::new();
    for trigger in triggers {
        let table = quote(&trigger.table);
        let Some(event) = event(&trigger.sql) else { continue };
        if !seen.insert((trigger.table.to_ascii_lowercase(), event)) {
            continue;
        }
        let firing = match event {
            "insert" => format!("INSERT INTO main.{table} DEFAULT VALUES"),
            "delete" => format!("DELETE FROM main.{table}"),
            _ => {
                let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
                let mut columns = conn.prepare(sql)?;
                let set = |row: &rusqlite::Row<'_>| {
                    row.get(0).map(|name: String| format!("{0} = {0}", quote(&name)))
                };
                let columns: rusqlite::Result<Vec<String>> =
                    columns.query_map([&trigger.table], set)?.collect();
                format!("UPDATE main.{table} SET {}", columns?.join(", "))
            }
        };
        if let Some(why) = fails(conn, &firing)? {
            // The message names what is missing, and the trigger that mentions it is meant.
            let missing = why.rsplit([' ', '.']).next().unwrap_or_default();
            let is_meant = |other: &&&Program| {
                other.table.eq_ignore_ascii_case(&trigger.table) && crate::sql::mentions(&other.sql, missing)
            };
            let meant = triggers.iter().find(is_meant).unwrap_or(trigger);
            found.add_unresolved("trigger", &meant.name, &why);
        }
    }
    Ok(())
}

/// The event of a trigger.
fn event(sql: &str) -> Option<&'static str> {
    let mut tokens = Tokens::new(sql).skip_while(|token| !token.is("trigger")).skip(2);
    tokens.find_map(|token| ["insert", "update", "delete"].into_iter().find(|event| token.is(event)))
}

/// Why SQLite cannot prepare a statement, if the reason is in the schema and not in what this connection lacks.
fn fails(conn: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    let lacking =
        ["no such function", "no such collation", "no such module", "foreign key mismatch", "unsafe use of"];
    match conn.prepare(sql) {
        Ok(_) => Ok(None),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            let why = message(&error);
            Ok((!lacking.iter().any(|lacking| why.starts_with(lacking))).then_some(why))
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::AuthorizationForStatementDenied) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Compares the index of full-text tables with their content tables, if those were replaced.
fn check_full_text(
    conn: &Connection,
    replaced: &BTreeSet<&str>,
    found: &mut Dangling,
) -> rusqlite::Result<()> {
    if replaced.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'table' AND rootpage = 0 AND sql LIKE '%fts%'";
    let mut tables = conn.prepare(sql)?;
    let tables = tables.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for (name, sql) in tables.collect::<rusqlite::Result<Vec<_>>>()? {
        let Some(content) = content(&sql).filter(|content| replaced.contains(&**content)) else { continue };
        let table = quote(&name);
        let columns =
            if Tokens::new(&sql).any(|token| token.is("fts5")) { ["rank", ", 1"] } else { ["", ""] };
        let comma = if columns[0].is_empty() { "" } else { ", " };
        let check = format!(
            "INSERT INTO main.{table} ({table}{comma}{}) VALUES ('integrity-check'{})",
            columns[0], columns[1]
        );
        match conn.execute_batch(&check) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                let why = format!("its index does not match the rows of `{content}`");
                found.add_unresolved("full-text table", &name, &why);
            }
            // This connection may lack the module or the tokenizer.
            _ => {}
        }
    }
    Ok(())
}

/// The content table of a full-text table, in lower case.
fn content(sql: &str) -> Option<String> {
    let mut tokens = Tokens::new(sql).skip_while(|token| !token.is("content"));
    tokens.next()?;
    tokens.next().filter(|token| *token == Token::Mark(b'='))?;
    tokens.next()?.spelling().filter(|name| !name.is_empty()).map(str::to_ascii_lowercase)
}
