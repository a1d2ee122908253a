//! Tables that fit the terminal.

use std::env;

use anstream::ColorChoice;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use crate::text;

/// A table with these headings, without the columns that are empty in all rows.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<Field>>) -> String {
    let is_filled = |column: &usize| rows.iter().any(|row| !row[*column].text.is_empty());
    let columns: Vec<usize> = (0..heads.len()).filter(is_filled).collect();
    if columns.is_empty() {
        return String::new();
    }
    let has_colors = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let mut rows: Vec<Vec<Field>> = rows
        .into_iter()
        .map(|mut row| columns.iter().map(|&column| std::mem::take(&mut row[column])).collect())
        .collect();
    let heads: Vec<&str> = columns.iter().map(|&column| heads[column]).collect();
    if let Some(width) = width() {
        let whole = rows.clone();
        shorten(&heads, &mut rows, width);
        if total(&heads, &rows) > width {
            return with_lines_below(&heads, &whole, width, has_colors);
        }
    }
    drawn(&heads, rows, has_colors)
}

/// The space between two columns.
const GAP: usize = 2;

/// The width of the terminal. A file or a pipe has none.
pub(crate) fn width() -> Option<usize> {
    let set = env::var("COLUMNS").ok().and_then(|width| width.parse().ok());
    set.or_else(|| Table::new().width()).map(usize::from)
}

fn drawn(heads: &[&str], rows: Vec<Vec<Field>>, has_colors: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if has_colors {
        table.enforce_styling();
    }
    let head = |text: &&str| {
        let cell = Cell::new(text);
        if has_colors { cell.add_attribute(Attribute::Bold) } else { cell }
    };
    table.set_header(heads.iter().map(head));
    for row in rows {
        let cells = row.into_iter().map(|Field { text, color }| match color {
            Some(color) if has_colors => Cell::new(text).fg(color),
            _ => Cell::new(text),
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}

/// The width of each column with its whole texts.
fn natural(heads: &[&str], rows: &[Vec<Field>]) -> Vec<usize> {
    let column = |(column, head): (usize, &&str)| {
        let texts = rows.iter().filter_map(|row| row.get(column)).map(|field| text::width(&field.text));
        texts.max().unwrap_or_default().max(head.len())
    };
    heads.iter().enumerate().map(column).collect()
}

/// The width of the table.
fn total(heads: &[&str], rows: &[Vec<Field>]) -> usize {
    natural(heads, rows).iter().sum::<usize>() + GAP * heads.len().saturating_sub(1)
}

/// The heads of the columns that may be shortened, and how short, in the order in which they are.
const SHORTENED: [(&[&str], usize); 3] = [
    (&["DESCRIPTION", "WHY", "NEEDS"], 12),
    (&["SNAPSHOT", "FILE", "VALUE", "FROM"], PATH),
    (&["PROGRAM", "WHO"], 8),
];

/// How short a path may be.
const PATH: usize = 16;

/// Shortens what a reader can do without, so that a row is a line. An id is never shortened.
fn shorten(heads: &[&str], rows: &mut [Vec<Field>], width: usize) {
    for (names, shortest) in SHORTENED {
        let columns = heads.iter().enumerate().skip(1).filter(|(_, head)| names.contains(head));
        for (column, head) in columns {
            let over = total(heads, rows).saturating_sub(width);
            if over == 0 {
                return;
            }
            let own = natural(heads, rows).get(column).copied().unwrap_or_default();
            let limit = own.saturating_sub(over).max(shortest).max(head.len());
            for field in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
                field.text = if shortest == PATH {
                    text::without_middle(&field.text, limit)
                } else {
                    text::cut(&field.text, limit)
                };
            }
        }
    }
}

/// A table with some columns on lines below their rows: those that may be shortened, or if that is not enough, all but the first.
fn with_lines_below(heads: &[&str], rows: &[Vec<Field>], width: usize, has_colors: bool) -> String {
    let is_short = |head: &str| SHORTENED.iter().any(|(names, _)| names.contains(&head));
    let pick = |keeps: &dyn Fn(usize) -> bool| -> (Vec<&str>, Vec<Vec<Field>>) {
        let columns: Vec<usize> = (0..heads.len()).filter(|column| keeps(*column)).collect();
        let row = |row: &Vec<Field>| columns.iter().filter_map(|&column| row.get(column).cloned()).collect();
        (columns.iter().map(|&column| heads[column]).collect(), rows.iter().map(row).collect())
    };
    let stays = |column: usize| column == 0 || !is_short(heads[column]);
    let (kept_heads, kept) = pick(&stays);
    let (table, below) = if total(&kept_heads, &kept) <= width {
        (drawn(&kept_heads, kept, has_colors), pick(&|column| !stays(column)))
    } else {
        let (first_heads, first) = pick(&|column| column == 0);
        (drawn(&first_heads, first, has_colors), pick(&|column| column > 0))
    };
    let mut lines = table.lines().map(str::to_owned);
    let mut text: Vec<String> = lines.next().into_iter().collect();
    for (line, row) in lines.zip(below.1) {
        text.push(line);
        for (head, field) in below.0.iter().zip(row).filter(|(_, field)| !field.text.is_empty()) {
            let name = format!("    {}: ", head.to_lowercase());
            let room = width.saturating_sub(name.len()).max(PATH);
            // An id is what other commands take.
            text.push(name + &if *head == "MIGRATION" { field.text } else { text::cut(&field.text, room) });
        }
    }
    text.join("\n")
}

/// A cell of a table.
#[derive(Debug, Clone, Default)]
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
