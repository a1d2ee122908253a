//! Finds views and triggers that SQLite cannot read any more, also those that only this connection has.
//!
//! A statement that uses a view or fires a trigger is prepared and never run: SQLite then resolves every name in it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use super::full_text::{self, FullText};
use super::reason::fails;
use crate::backend::sqlite::columns;
use crate::dangling::Dangling;
use crate::dialect::quote;
use crate::sql::{Token, Tokens, contains, folded, folded_set, same_name};
use crate::touched::{Touch, Touched};

/// A view or a trigger.
struct Program {
    is_view: bool,
    is_temporary: bool,
    name: String,
    table: String,
    /// "main" or "temp", where the table of a trigger is; `None` if it is in an attached database.
    database: Option<String>,
    sql: String,
}

impl Program {
    fn kind(&self) -> &'static str {
        match (self.is_temporary, self.is_view) {
            (false, true) => "view",
            (false, false) => "trigger",
            (true, true) => "temporary view",
            (true, false) => "temporary trigger",
        }
    }

    fn has_same_table(&self, other: &Self) -> bool {
        same_name(&self.table, &other.table) && self.database == other.database
    }

    /// Whether it mentions one of these names.
    fn mentions(&self, names: &BTreeSet<String>) -> bool {
        let mut words = Tokens::new(&self.sql).filter_map(Token::spelling);
        words.any(|word| {
            let word = folded(word);
            names.contains(&word) || word.contains('"') && names.contains(&word.replace("\"\"", "\""))
        })
    }
}

/// Checks the views, triggers and full-text tables that a step may have broken, and those that it created.
pub(super) fn check(conn: &Connection, touched: &Touched, found: &mut Dangling) -> rusqlite::Result<()> {
    let mut changed = folded_set(touched.redefined());
    let replaced = touched.tables().filter(|(_, touch)| *touch == Touch::Replaced);
    let mut replaced = folded_set(replaced.map(|(table, _)| table));
    if changed.is_empty() && replaced.is_empty() && !touched.redefines_anything() {
        return Ok(());
    }
    let (programs, full_texts) = programs(conn)?;
    // A view that was created again may have other rows.
    let views = programs.iter().filter(|program| program.is_view);
    replaced.extend(views.map(|view| folded(&view.name)).filter(|name| changed.contains(name)));
    extend(&mut replaced, &programs);
    extend(&mut changed, &programs);
    let is_of_step = |program: &&Program| touched.redefines_anything() || program.mentions(&changed);
    for view in programs.iter().filter(|program| program.is_view).filter(is_of_step) {
        let database = if view.is_temporary { "temp" } else { "main" };
        if let Some(why) = fails(conn, &format!("SELECT * FROM {database}.{}", quote(&view.name)))? {
            found.add_unresolved(view.kind(), &view.name, &why);
        }
    }
    let triggers: Vec<&Program> =
        programs.iter().filter(|program| !program.is_view).filter(is_of_step).collect();
    check_triggers(conn, &triggers, found)?;
    let may_differ = |table: &str| touched.redefines_anything() || changed.contains(table);
    full_text::check(conn, &full_texts, may_differ, &replaced, found)
}

/// The views and triggers, and the full-text tables, each with its definition.
fn programs(conn: &Connection) -> rusqlite::Result<(Vec<Program>, Vec<FullText>)> {
    // Only views, triggers and virtual tables have no page.
    let sql = "SELECT type, 0, name, tbl_name, sql FROM main.sqlite_master WHERE rootpage = 0 UNION ALL
        SELECT type, 1, name, tbl_name, sql FROM temp.sqlite_master WHERE rootpage = 0";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut programs, mut full_texts) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (kind, is_temporary): (String, bool) = (row.get(0)?, row.get(1)?);
        let (name, table, sql): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        if kind != "table" {
            let database = if is_temporary { database_of(conn, &table)? } else { Some("main".to_owned()) };
            programs.push(Program { is_view: kind == "view", is_temporary, name, table, database, sql });
        } else if !is_temporary && contains(&sql, "fts") {
            full_texts.push(FullText { name, sql });
        }
    }
    Ok((programs, full_texts))
}

/// The database where a temporary trigger finds its table.
fn database_of(conn: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let sql =
        "SELECT 'temp' FROM temp.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE
        UNION ALL
        SELECT 'main' FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE
        LIMIT 1";
    conn.query_row(sql, [table], |row| row.get(0)).optional()
}

/// Adds the views that mention one of these names, and so on.
fn extend(names: &mut BTreeSet<String>, programs: &[Program]) {
    loop {
        let views = programs.iter().filter(|program| program.is_view && program.mentions(names));
        let views: Vec<String> = views.map(|view| folded(&view.name)).collect();
        let known = names.len();
        names.extend(views);
        if names.len() == known {
            return;
        }
    }
}

/// Prepares a statement for each table and event that fires one of these triggers.
fn check_triggers(conn: &Connection, triggers: &[&Program], found: &mut Dangling) -> rusqlite::Result<()> {
    let mut seen = BTreeSet::new();
    for trigger in triggers {
        let table = quote(&trigger.table);
        let (Some(event), Some(database)) = (event(&trigger.sql), &trigger.database) else { continue };
        if !seen.insert(format!("{event} {database} {}", folded(&trigger.table))) {
            continue;
        }
        let firing = match event {
            "insert" => format!("INSERT INTO {database}.{table} DEFAULT VALUES"),
            "delete" => format!("DELETE FROM {database}.{table}"),
            _ => {
                let columns = columns::of(conn, database, &trigger.table)?;
                let set: Vec<String> = columns.iter().map(|name| format!("{0} = {0}", quote(name))).collect();
                format!("UPDATE {database}.{table} SET {}", set.join(", "))
            }
        };
        if let Some(why) = fails(conn, &firing)? {
            // The message names what is missing, and the trigger that mentions it is meant.
            let missing = why.rsplit([' ', '.']).next().unwrap_or_default();
            let is_meant =
                |other: &&Program| other.has_same_table(trigger) && crate::sql::mentions(&other.sql, missing);
            let meant = triggers.iter().copied().find(is_meant).unwrap_or(trigger);
            found.add_unresolved(meant.kind(), &meant.name, &why);
        }
    }
    Ok(())
}

/// The event of a trigger.
fn event(sql: &str) -> Option<&'static str> {
    let mut tokens = Tokens::new(sql).skip_while(|token| !token.is("trigger")).skip(2);
    tokens.find_map(|token| ["insert", "update", "delete"].into_iter().find(|event| token.is(event)))
}
