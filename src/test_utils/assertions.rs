//! Assertions about a database. What a failure shows is the difference.

mod column;
mod objects;
mod records;
mod rows;
mod text;

pub use column::{assert_column, assert_column_exists, assert_column_not_exists};
pub use objects::{
    assert_definition, assert_index, assert_index_not_exists, assert_table_exists, assert_table_not_exists,
    assert_trigger, assert_trigger_not_exists, assert_unique, assert_view, assert_view_not_exists,
};
pub use records::{assert_applied, assert_not_applied, assert_pending};
pub(super) use rows::dangling_rows;
pub use rows::{assert_foreign_keys_intact, assert_row_count, assert_row_count_at_least, assert_rows};
pub(super) use text::{difference, difference_of_rows, printable, require};
