//! [`Cell`]: what a generated row has in a column.

use rusqlite::types::Value;

use super::draw::Draw;
use super::table::{Column, Role, Table};
use super::wanted::Values;

/// What a generated row has in a column.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::test_utils) enum Cell {
    Null,
    /// It is left out of the `INSERT`.
    Default,
    Value(Value),
    /// The key of a row of the referenced table: the row with this number, counted around.
    Parent(usize),
}

/// The cells of a row: ordinary values first, and with each attempt others.
pub(super) fn cells(table: &Table, number: usize, attempt: usize) -> Vec<Cell> {
    let mut draw = Draw::new(&table.name, number, attempt);
    // A check of several columns, a trigger or an index of an expression may refuse the row because of one column only.
    let special = table.columns.iter().filter(|column| match number % 4 {
        2 => column.is_nullable,
        3 => column.values == Values::Repeated,
        _ => false,
    });
    // Some tries must be left for other values.
    if (1..=special.clone().take(100).count()).contains(&attempt) {
        let other = special.clone().nth(attempt - 1).map(|column| &column.name);
        let cell = |column: &Column| {
            if other == Some(&column.name) { present(column, number) } else { ordinary(column, number) }
        };
        return table.columns.iter().map(cell).collect();
    }
    let cell = |column: &Column| {
        if attempt == 0 { ordinary(column, number) } else { drawn(column, number, &mut draw) }
    };
    table.columns.iter().map(cell).collect()
}

/// Of four rows, the second has defaults, the third `NULL`, and the fourth the values of the first if rows may repeat them, where that is possible.
fn ordinary(column: &Column, number: usize) -> Cell {
    match number % 4 {
        _ if column.role == Role::Rowid => Cell::Default,
        3 if column.values == Values::Repeated => present(column, number - 3),
        2 if column.is_nullable => Cell::Null,
        1 if column.has_default && column.role != Role::Reference => Cell::Default,
        _ => present(column, number),
    }
}

fn present(column: &Column, number: usize) -> Cell {
    match column.role {
        Role::Reference => Cell::Parent(number),
        _ => Cell::Value(column.value(number)),
    }
}

fn drawn(column: &Column, number: usize, draw: &mut Draw) -> Cell {
    match draw.below(8) {
        0 if column.is_nullable => Cell::Null,
        1 | 2 if column.has_default => Cell::Default,
        1..=4 if column.role == Role::Rowid => Cell::Default,
        _ if column.role == Role::Reference => Cell::Parent(draw.below(1000)),
        3..=5 => Cell::Value(column.value(number + draw.below(100))),
        _ => Cell::Value(column.unusual(draw.below(column.pool.len()))),
    }
}
