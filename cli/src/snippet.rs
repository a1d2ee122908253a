//! The line of a script where an error is.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use ariadne::{CharSet, Color, Config, Label, Report, ReportKind, Source};
use switchy_schema::{Location, Printable};

use crate::text;

/// Renders the part of a line around a location, with a mark under the word there and a message.
pub(crate) fn render(at: &Location, message: &str) -> Option<String> {
    let (position, excerpt) = (at.position?, at.excerpt()?);
    // Empty lines before it give it the right line number.
    let before = position.line.saturating_sub(1);
    let start = before + excerpt.mark;
    let word =
        excerpt.text.chars().skip(excerpt.mark).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    let span = start..start + word.max(1);
    let err = io::stderr();
    let colors = anstream::AutoStream::choice(&err) != ColorChoice::Never;
    let chars = if err.is_terminal() { CharSet::Unicode } else { CharSet::Ascii };
    let file = Printable(&at.origin).abridged();
    let message = text::printable(&message.split_whitespace().collect::<Vec<_>>().join(" "));
    // The caller prints the message first, so the head of the report is removed.
    let report = Report::build(ReportKind::Custom("at", Color::Red), (file.clone(), span.clone()))
        .with_config(Config::default().with_color(colors).with_char_set(chars).with_tab_width(4))
        .with_label(Label::new((file.clone(), span)).with_color(Color::Red).with_message(message))
        .finish();
    let source = Source::from("\n".repeat(before) + &excerpt.text);
    let mut drawn = Vec::new();
    report.write((file.clone(), source), &mut drawn).ok()?;
    let drawn = String::from_utf8(drawn).ok()?;
    let (_head, picture) = drawn.split_once('\n')?;
    // The column in the file, if the line does not begin where the excerpt begins.
    let [shown, place] =
        [excerpt.mark + 1, position.column].map(|column| format!("{file}:{}:{column}", position.line));
    let picture = picture.replacen(&shown, &place, 1);
    Some(picture.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}
