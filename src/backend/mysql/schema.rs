//! The definitions in a database, as the server writes them.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::LOCKS;
use super::query::{column, fault, get, run, text};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::schema::{Definition, Schema};

/// The definitions of everything in a database, except these tables and what belongs to them. Without a name it is the current database;
/// `None` if there is none.
pub(super) fn schema(
    conn: &mut Conn,
    within: Option<&str>,
    without: &[&str],
) -> Result<Option<Schema>, Fault> {
    let current = match within {
        Some(name) => Some(name.to_owned()),
        None => column(conn, "SELECT DATABASE()").map_err(fault)?,
    };
    let Some(database) = current else { return Ok(None) };
    // The mode of the session decides how names are quoted and what is written.
    let read = "SELECT CONCAT('SET sql_mode = ', QUOTE(@@sql_mode), ', sql_quote_show_create = ', @@sql_quote_show_create)";
    let back: Option<String> = column(conn, read).map_err(fault)?;
    run(conn, "SET sql_mode = '', sql_quote_show_create = 1")?;
    let read = definitions(conn, &database, without);
    let restored = back.map_or(Ok(()), |back| run(conn, &back));
    let definitions = read?;
    restored?;
    Ok(Some(Schema::new(definitions)))
}

fn definitions(conn: &mut Conn, database: &str, without: &[&str]) -> Result<Vec<Definition>, Fault> {
    // Binary texts: the collation of the catalog differs between servers.
    let here = text(Some(database));
    let objects = format!(
        "SELECT 'table', TABLE_NAME, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {here}
            AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
        UNION ALL SELECT 'view', TABLE_NAME, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {here} AND TABLE_TYPE = 'VIEW'
        UNION ALL SELECT 'sequence', TABLE_NAME, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {here}
            AND TABLE_TYPE = 'SEQUENCE'
        UNION ALL SELECT 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {here}
        UNION ALL SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {here}
            AND ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE')
        UNION ALL SELECT 'event', EVENT_NAME, EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {here}"
    );
    let rows: Vec<Row> = conn.query(objects).map_err(fault)?;
    let mut found = Vec::new();
    for row in rows {
        let value = |place| get::<String>(&row, place).unwrap_or_default();
        let (kind, name, table) = (value(0), value(1), value(2));
        if [&*name, &*table].iter().any(|name| *name == LOCKS || without.contains(name)) {
            continue;
        }
        let statement = format!(
            "SHOW CREATE {} {}.{}",
            kind.to_uppercase(),
            quote_in(database, '`'),
            quote_in(&name, '`')
        );
        let place = match &*kind {
            "table" | "view" | "sequence" => 1,
            "event" => 3,
            _ => 2,
        };
        let shown: Vec<Row> = conn.query(statement).map_err(fault)?;
        // It is NULL for a routine of somebody else.
        let sql = shown.first().and_then(|row| get::<String>(row, place)).unwrap_or_default();
        let sql = without_database(&without_account(&without_counter(&sql)), database);
        found.push(Definition::new(kind, name, sql).of_table(table));
    }
    Ok(found)
}

/// The definition of a table without the number that its next row gets.
fn without_counter(sql: &str) -> String {
    let line = |line: &str| match line.split_once(" AUTO_INCREMENT=") {
        Some((before, rest)) if line.starts_with(") ENGINE=") => {
            format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => line.to_owned(),
    };
    sql.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A definition without the account that created it.
fn without_account(sql: &str) -> String {
    let Some((before, rest)) = sql.split_once(" DEFINER=`").filter(|(before, _)| !before.contains('`'))
    else {
        return sql.to_owned();
    };
    let host = rest.split_once("`@`").and_then(|(_, host)| host.split_once('`'));
    host.map_or_else(|| sql.to_owned(), |(_, after)| format!("{before}{after}"))
}

/// A definition without the name of its own database, which views of another current database have.
fn without_database(sql: &str, database: &str) -> String {
    sql.replace(&format!("{}.", quote_in(database, '`')), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_servers_is_left_out() {
        for (sql, expected) in [
            (
                "CREATE TABLE `a` (\n  `b` int\n) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4",
                "CREATE TABLE `a` (\n  `b` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
            ),
            (
                "CREATE TABLE `a` (\n  `b` text COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB",
                "CREATE TABLE `a` (\n  `b` text COMMENT ' AUTO_INCREMENT=7'\n) ENGINE=InnoDB",
            ),
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
                "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1",
            ),
            (
                "CREATE TRIGGER `t` BEFORE INSERT ON `a` FOR EACH ROW SET @x = ' DEFINER=`a`@`b`'",
                "CREATE TRIGGER `t` BEFORE INSERT ON `a` FOR EACH ROW SET @x = ' DEFINER=`a`@`b`'",
            ),
            (
                "CREATE VIEW `v` AS select `app`.`a`.`b` from `app`.`a`",
                "CREATE VIEW `v` AS select `a`.`b` from `a`",
            ),
        ] {
            assert_eq!(without_database(&without_account(&without_counter(sql)), "app"), expected);
        }
    }
}
