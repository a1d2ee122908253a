//! The line of a script with what is wrong in it.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use ariadne::{CharSet, Color, Config, Label, Report, ReportKind, Source};
use switchy_schema::Location;

use crate::text;

/// The line at a place, and a mark under the word that stands there, with what is to be said of it.
pub(crate) fn of(at: &Location, said: &str) -> Option<String> {
    let (position, line) = (at.position?, at.line.as_deref()?);
    let line = text::printable(line);
    // The lines before it are empty here, so that its number is right.
    let before = position.line - 1;
    let start = before + position.column - 1;
    let word =
        line.chars().skip(position.column - 1).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    let span = start..start + word.max(1);
    let err = io::stderr();
    let colors = anstream::AutoStream::choice(&err) != ColorChoice::Never;
    let chars = if err.is_terminal() { CharSet::Unicode } else { CharSet::Ascii };
    let file = text::printable(&at.origin);
    let said = text::printable(&said.split_whitespace().collect::<Vec<_>>().join(" "));
    // The sentence stands before it already, so the head is left out.
    let report = Report::build(ReportKind::Custom("at", Color::Red), (file.clone(), span.clone()))
        .with_config(Config::default().with_color(colors).with_char_set(chars).with_tab_width(4))
        .with_label(Label::new((file.clone(), span)).with_color(Color::Red).with_message(said))
        .finish();
    let source = Source::from("\n".repeat(before) + &line);
    let mut drawn = Vec::new();
    report.write((file, source), &mut drawn).ok()?;
    let drawn = String::from_utf8(drawn).ok()?;
    let (_head, picture) = drawn.split_once('\n')?;
    Some(picture.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}
