//! Texts for a terminal.

use std::slice::SliceIndex;

use switchy_schema::{Direction, Meta, Report, Unread};

/// A text without control characters, which a terminal could interpret. The text may come from a database.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// A part of a text, empty where there is no such part: an offset that is not in the text is never a panic.
pub(crate) fn part(text: &str, range: impl SliceIndex<str, Output = str>) -> &str {
    text.get(range).unwrap_or_default()
}

/// A time as the tracking table stores it, without the fraction of a second.
pub(crate) fn time(text: &str) -> String {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    printable(&whole.replace('T', " "))
}

/// `1 migration`, `2 migrations`
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The steps of a run, one on each line.
pub(crate) fn done(report: &Report) -> String {
    let line = |step: &switchy_schema::Applied| {
        let verb = match step.direction {
            Direction::Up => "applied",
            Direction::Down => "undone ",
        };
        let account = printable(&step.account.to_string());
        let account = if account.is_empty() { account } else { format!(": {account}") };
        format!("{verb} {} ({:.1} ms){account}", step.id, step.duration.as_secs_f64() * 1e3)
    };
    let together = report.together.iter().map(ToString::to_string);
    report.applied.iter().map(line).chain(together).collect::<Vec<_>>().join("\n")
}

/// Whether each line of a script is empty or a `--` comment.
pub(crate) fn is_blank(script: &str) -> bool {
    script.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with("--"))
}

/// A line for each migration that is not read because the name of its script is misspelled: somebody may believe that it is one.
pub(crate) fn misspelled(set: &[Meta]) -> impl Iterator<Item = String> {
    let misspelled = set.iter().filter(|meta| meta.unread == Some(Unread::Misspelled));
    misspelled.map(|meta| {
        let what =
            format!("`{}` is not read, since {} has nearly the name of a script", meta.id, meta.origin);
        format!("{what}; `validate` says which")
    })
}
