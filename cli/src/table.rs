//! Tables that fit the terminal.

use std::env;

use anstream::ColorChoice;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};

use crate::text;

/// A table with these headings, without the columns that are empty in all rows.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<Field>>) -> String {
    let is_filled = |column: &usize| rows.iter().any(|row| !row[*column].text.is_empty());
    let columns: Vec<usize> = (0..heads.len()).filter(is_filled).collect();
    if columns.is_empty() {
        return String::new();
    }
    let has_colors = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if has_colors {
        table.enforce_styling();
    }
    if let Some(width) = env::var("COLUMNS").ok().and_then(|width| width.parse().ok()) {
        table.set_width(width);
    }
    let head = |text: &str| {
        let cell = Cell::new(text);
        if has_colors { cell.add_attribute(Attribute::Bold) } else { cell }
    };
    table.set_header(columns.iter().map(|&column| head(heads[column])));
    for mut row in rows {
        let cells = columns.iter().map(|&column| {
            let Field { text, color } = std::mem::take(&mut row[column]);
            match color {
                Some(color) if has_colors => Cell::new(text).fg(color),
                _ => Cell::new(text),
            }
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    // The first column identifies the row, so it is not wrapped if it takes at most half of the width.
    let first = table.column_max_content_widths().first().copied().unwrap_or_default();
    if table.width().is_some_and(|width| first <= width / 2)
        && let Some(column) = table.column_mut(0)
    {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}

/// A cell of a table.
#[derive(Debug, Default)]
pub(crate) struct Field {
    text: String,
    color: Option<Color>,
}

impl Field {
    pub(crate) fn colored(text: impl Into<String>, color: Color) -> Self {
        Self { color: Some(color), ..Self::from(text) }
    }
}

impl<T: Into<String>> From<T> for Field {
    /// A cell is one line, with a text from anywhere.
    fn from(text: T) -> Self {
        Self { text: text::shortened(&text.into()), color: None }
    }
}
