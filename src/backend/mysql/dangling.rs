//! What refers to something that is missing: views, and foreign keys whose parent was dropped while they were not checked.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::Mysql;
use super::query::{fault, get, rows_under};
use crate::backend::driver::Driver;
use crate::dangling::Dangling;
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::step::ForeignKeys;
use crate::touched::Touched;

const TABLES: &str = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'";

const VIEWS: &str =
    "SELECT TABLE_NAME, LOWER(VIEW_DEFINITION) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()";

const PARENTS: &str =
    "SELECT r.TABLE_NAME, r.REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS r
    LEFT JOIN information_schema.TABLES t
    ON t.TABLE_SCHEMA = r.UNIQUE_CONSTRAINT_SCHEMA AND t.TABLE_NAME = r.REFERENCED_TABLE_NAME
    WHERE r.CONSTRAINT_SCHEMA = DATABASE() AND t.TABLE_NAME IS NULL";

/// What refers to something that is missing in the current database: foreign keys, and views that mention an object whose definition
/// changed. In a transaction no definition can have changed, and looking at views would commit it.
pub(super) fn dangling(
    conn: &mut &mut Conn,
    touched: &Touched,
    keys: ForeignKeys,
) -> Result<Dangling, Fault> {
    let mut dangling = Dangling::default();
    let is_concerned = touched.redefines_anything() || touched.redefined().next().is_some();
    if !is_concerned || Mysql::in_transaction(conn)? {
        return Ok(dangling);
    }
    for row in rows(conn, TABLES)? {
        dangling.add_table(&text(&row, 0));
    }
    let views = concerned(&rows(conn, VIEWS)?, touched);
    if !views.is_empty() {
        let quoted: Vec<String> = views.iter().map(|view| quote_in(view, '`')).collect();
        // Where MariaDB would have to wait for another session, nothing is reported.
        let check = format!("CHECK TABLE {}", quoted.join(", "));
        let checked = match rows_under(conn, "lock_wait_timeout = 0", &check) {
            Ok(None) => conn.query(&check).ok(),
            checked => checked.ok().flatten(),
        };
        // A row for each view that can be used, and several for one that cannot, the first with the reason.
        for row in checked.unwrap_or_default().iter().rev() {
            let (name, is_error) = (text(row, 0), text(row, 2).eq_ignore_ascii_case("error"));
            if is_error {
                let name = name.split_once('.').map_or(&*name, |(_, name)| name);
                dangling.add_unresolved("view", name, &text(row, 3));
            }
        }
    }
    if keys != ForeignKeys::Unchecked {
        for row in rows(conn, PARENTS)? {
            dangling.add_missing_parent(&text(&row, 0), &text(&row, 1));
        }
    }
    Ok(dangling)
}

fn rows(conn: &mut Conn, sql: &str) -> Result<Vec<Row>, Fault> {
    conn.query(sql).map_err(fault)
}

fn text(row: &Row, column: usize) -> String {
    get(row, column).unwrap_or_default()
}

/// The views that mention a changed object, or a view that does.
fn concerned(views: &[Row], touched: &Touched) -> Vec<String> {
    let mut left: Vec<(String, String)> = views.iter().map(|row| (text(row, 0), text(row, 1))).collect();
    if touched.redefines_anything() {
        return left.into_iter().map(|(name, _)| name).collect();
    }
    let mut words: Vec<String> = touched.redefined().map(str::to_owned).collect();
    let mut found = Vec::new();
    while let Some(word) = words.pop() {
        let (mentions, others) = left.into_iter().partition(|(_, definition)| definition.contains(&word));
        left = others;
        for (name, _) in mentions {
            words.push(name.to_lowercase());
            found.push(name);
        }
    }
    found
}
