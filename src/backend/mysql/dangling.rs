//! What refers to something that is missing: views, and foreign keys whose parent was dropped while they were not checked.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::Mysql;
use super::query::{fault, get};
use crate::backend::driver::Driver;
use crate::dangling::Dangling;
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::step::ForeignKeys;

const TABLES: &str =
    "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";

const PARENTS: &str =
    "SELECT r.TABLE_NAME, r.REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS r
    LEFT JOIN information_schema.TABLES t
    ON t.TABLE_SCHEMA = r.UNIQUE_CONSTRAINT_SCHEMA AND t.TABLE_NAME = r.REFERENCED_TABLE_NAME
    WHERE r.CONSTRAINT_SCHEMA = DATABASE() AND t.TABLE_NAME IS NULL";

/// What refers to something that is missing in the current database. In a transaction no definition can have changed, and looking at views
/// would commit it.
pub(super) fn dangling(conn: &mut &mut Conn, keys: ForeignKeys) -> Result<Dangling, Fault> {
    if Mysql::in_transaction(conn)? {
        return Ok(Dangling::default());
    }
    let text = |row: &Row, column| get::<String>(row, column).unwrap_or_default();
    let mut dangling = Dangling::default();
    let mut views = Vec::new();
    for row in conn.query::<Row, _>(TABLES).map_err(fault)? {
        let name = text(&row, 0);
        if text(&row, 1) == "VIEW" {
            views.push(quote_in(&name, '`'));
        } else {
            dangling.add_table(&name);
        }
    }
    if !views.is_empty() {
        // A row for each view that can be used, and several for one that cannot, the first with the reason.
        let checked = conn.query::<Row, _>(format!("CHECK TABLE {}", views.join(", "))).map_err(fault)?;
        let broken = checked.iter().rev().filter(|row| text(row, 2).eq_ignore_ascii_case("error"));
        for row in broken {
            let name = text(row, 0);
            let name = name.split_once('.').map_or(&*name, |(_, name)| name);
            dangling.add_unresolved("view", name, &text(row, 3));
        }
    }
    let parents = if keys == ForeignKeys::Unchecked {
        Vec::new()
    } else {
        conn.query::<Row, _>(PARENTS).map_err(fault)?
    };
    for row in parents {
        dangling.add_missing_parent(&text(&row, 0), &text(&row, 1));
    }
    Ok(dangling)
}
