//! [`Form`]: the structure of a tool's table, and [`ToolTable`]: such a table with its rows.

use super::adoption::Adopt;
use super::tool::Tool;
use super::tool_history::{ToolHistory, quoted};
use crate::foreign::{Cell, ForeignTable};
use crate::objection::Objection;

/// A structure that a tool's table can have.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) tool: Tool,
    /// Its default name.
    pub(crate) table: &'static str,
    /// Its schema on PostgreSQL, if that is not on the search path.
    pub(crate) schema: Option<&'static str>,
    /// The columns that it must have.
    pub(crate) columns: &'static [&'static str],
    /// Columns that are read if they exist.
    pub(crate) optional: &'static [&'static str],
    /// Whether it may have other columns.
    pub(crate) others: Others,
    /// Another table of the tool, which distinguishes tools whose tables have the same name.
    pub(crate) beside: Option<&'static str>,
    /// Returns the version in a migration's name.
    pub(super) version: fn(&str) -> Option<String>,
    pub(super) read: fn(&ToolTable<'_>) -> ToolHistory,
}

/// Whether a table may have unknown columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Allowed,
    /// A table with unknown columns belongs to another program, because its name is common.
    Refused,
}

impl Form {
    /// All columns that are read, in this order.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().chain(self.optional).copied()
    }
}

/// A tool's table with its rows.
pub(super) struct ToolTable<'t> {
    pub(super) form: &'t Form,
    pub(super) place: &'t str,
    pub(super) table: &'t ForeignTable,
    pub(super) how: &'t Adopt,
}

impl<'t> ToolTable<'t> {
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'t>> {
        let form = self.form;
        self.table.rows.iter().map(move |cells| Row { form, cells })
    }

    /// The rows, ordered by a column of numbers.
    pub(super) fn rows_by(&self, column: &'static str) -> Vec<Row<'t>> {
        let mut rows: Vec<Row<'t>> = self.rows().collect();
        rows.sort_by_key(|row| row.number(column));
        rows
    }

    /// The objection to something that the tool does not write.
    pub(super) fn strange(&self, what: &str) -> Objection {
        let finding = format!("`{}` has {what}, which {} does not write", self.place, self.form.tool);
        Objection::new(finding, "look who wrote it, and correct it there")
    }
}

/// A row whose values are read by column name.
#[derive(Clone, Copy)]
pub(super) struct Row<'t> {
    form: &'t Form,
    cells: &'t [Cell],
}

impl<'t> Row<'t> {
    pub(super) fn cell(&self, column: &str) -> &'t Cell {
        let place = self.form.reads().position(|read| read == column);
        place.and_then(|place| self.cells.get(place)).unwrap_or(&Cell::Null)
    }

    /// A text, or a number as text; `None` if it is empty.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        match self.cell(column) {
            Cell::Text(text) if !text.is_empty() => Some(text.clone()),
            Cell::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A number, also one that is stored as text.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        match self.cell(column) {
            Cell::Number(number) => Some(*number),
            Cell::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A boolean, stored as a number or a word.
    pub(super) fn truth(&self, column: &str) -> Option<bool> {
        match self.cell(column) {
            Cell::Number(number) => Some(*number != 0),
            Cell::Text(text) => match text.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => Some(true),
                "0" | "f" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A value, for messages.
    pub(super) fn shown(&self, column: &str) -> String {
        match self.cell(column) {
            Cell::Null => "no value".to_owned(),
            Cell::Number(number) => format!("`{number}`"),
            Cell::Text(text) => quoted(text),
            Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
        }
    }
}
