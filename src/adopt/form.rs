//! [`Form`]: what a tool's table looks like, and [`ToolTable`]: one with what its tool has in it.

use super::adoption::Adopt;
use super::tool::Tool;
use super::tool_history::{ToolHistory, quoted};
use crate::foreign::{Cell, ForeignTable, Objection};

/// A form of a tool's table.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) tool: Tool,
    /// The name it has if the tool was not told another one.
    pub(crate) table: &'static str,
    /// The schema it is in on PostgreSQL, if that is not where names are looked up.
    pub(crate) schema: Option<&'static str>,
    /// The columns that it has.
    pub(crate) columns: &'static [&'static str],
    /// Those that are read where they are there.
    pub(crate) optional: &'static [&'static str],
    /// Whether it may have others.
    pub(crate) others: Others,
    /// A table of the tool beside it. Tools that share the name of a table are told apart by it.
    pub(crate) beside: Option<&'static str>,
    /// The version in the name of a migration.
    pub(super) version: fn(&str) -> Option<String>,
    pub(super) read: fn(&ToolTable<'_>) -> ToolHistory,
}

/// Whether a table may have columns that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    Allowed,
    /// Then it is somebody else's: the name is one that many have.
    Refused,
}

impl Form {
    /// Everything that is read, in this order.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().chain(self.optional).copied()
    }
}

/// A table with what its tool has in it.
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

    /// The rows in the order of a column of numbers.
    pub(super) fn rows_by(&self, column: &'static str) -> Vec<Row<'t>> {
        let mut rows: Vec<Row<'t>> = self.rows().collect();
        rows.sort_by_key(|row| row.number(column));
        rows
    }

    /// A row that its tool does not write.
    pub(super) fn strange(&self, what: &str) -> Objection {
        let finding = format!("`{}` has {what}, which {} does not write", self.place, self.form.tool);
        Objection::new(finding, "look who wrote it, and correct it there")
    }
}

/// A row, by the names of its columns.
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

    /// A text, or a number as one; nothing if it is empty.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        match self.cell(column) {
            Cell::Text(text) if !text.is_empty() => Some(text.clone()),
            Cell::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A number, also as a text of digits.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        match self.cell(column) {
            Cell::Number(number) => Some(*number),
            Cell::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A truth value, as a number or a word.
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

    /// A value in a message.
    pub(super) fn shown(&self, column: &str) -> String {
        match self.cell(column) {
            Cell::Null => "no value".to_owned(),
            Cell::Number(number) => format!("`{number}`"),
            Cell::Text(text) => quoted(text),
            Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
        }
    }
}
