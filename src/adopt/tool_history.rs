//! [`ToolHistory`]: what the table of another tool says, before anybody asks what it means for the set.

use super::sums::Sum;
use super::tools::Form;
use super::{Adopt, Finding};
use crate::error::Printable;
use crate::foreign::{Cell, ForeignTable, Objection};
use crate::remedy::Remedy;

/// Something that a tool says is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolRecord {
    /// What the tool calls it, for people.
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) sum: Option<Sum>,
    pub(super) applied_on: Option<String>,
    /// What is to be said of it if it is found in the set: [`Finding::Matched`], unless it is not in the table itself.
    pub(super) finding: Finding,
}

/// How the migration of a fact is found in the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// By its whole name, and if there is none of that, by its version.
    Named { id: Option<String>, version: Option<String> },
    /// By its checksum alone.
    Hashed,
}

/// What is applied besides the facts, because something later is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Through {
    /// Everything before this version.
    Before(String),
    /// Everything up to this version, and that too.
    Version(String),
    /// So many of the set, in its order.
    Position(i64),
}

/// What a table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ToolHistory {
    /// In the order in which it was applied, if the tool knows.
    pub(super) records: Vec<ToolRecord>,
    pub(super) order: Order,
    pub(super) through: Option<Through>,
    pub(super) objections: Vec<Objection>,
}

/// What the order of the facts is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// That in which they were applied.
    Applied,
    /// None, but the tool applies by version.
    #[default]
    Unknown,
}

impl ToolHistory {
    /// It cannot be taken over at all.
    pub(super) fn refused(finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { objections: vec![Objection::new(finding, remedy)], ..Self::default() }
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

/// A text out of a database in a message: one line, in back-ticks, cut where it gets long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let line = text.replace('`', "'").replace('\t', " ");
    let cut: String = line.chars().take(LONGEST).collect();
    let dots = if cut.len() < line.len() { "..." } else { "" };
    format!("`{}{dots}`", Printable(&cut))
}
