//! Texts for a terminal.

use std::fmt::Write;
use std::slice::SliceIndex;

use switchy_schema::{Direction, Meta, Printable, Report, Unread};

/// A text of others, such as a name in a database, on one line and without characters that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    Printable(text).to_string()
}

/// The same without its end if it is long: a name in a database can have millions of characters. JSON has all of them.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;

    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => printable(part(text, ..end)) + " ...",
        None => printable(text),
    }
}

/// The beginning and the end of a statement, if it is long: it may have all rows of a table.
pub(crate) fn ends(statement: &str) -> String {
    const START: usize = 150;
    const END: usize = 50;

    let at = |place: usize| statement.char_indices().nth(place).map(|(at, _)| at);
    match (at(START + END), at(START), statement.char_indices().rev().nth(END - 1)) {
        (Some(_), Some(start), Some((end, _))) => {
            format!("{} ... {}", part(statement, ..start), part(statement, end..))
        }
        _ => statement.to_owned(),
    }
}

/// A whole output for a terminal: everything that is printed goes through this. Line ends and the colors of this program are kept; what the
/// parts should have escaped and did not is escaped.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(['\n', '\u{1b}']) {
        let (before, behind) = rest.split_at(place);
        safe.push_str(&printable(before));
        let kept = color_len(behind).unwrap_or(1);
        safe.push_str(&if kept > 1 || behind.starts_with('\n') {
            part(behind, ..kept).to_owned()
        } else {
            printable("\u{1b}")
        });
        rest = part(behind, kept..);
    }
    safe + &printable(rest)
}

/// The length of the sequence that sets a color, if a text begins with one.
fn color_len(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    part(numbers, end..).starts_with('m').then_some(end + 3)
}

/// JSON with escapes for the characters that JSON may leave as they are and a terminal obeys. They are only inside its strings.
pub(crate) fn json_for_terminal(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for line in json.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        for c in line.chars() {
            if printable(c.encode_utf8(&mut [0; 4])).starts_with('\\') && c != '\\' {
                // All of them are in the first plane.
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            } else {
                safe.push(c);
            }
        }
        safe.push_str(end);
    }
    safe
}

/// A part of a text, empty where there is no such part: an offset that is not in the text is never a panic.
pub(crate) fn part(text: &str, range: impl SliceIndex<str, Output = str>) -> &str {
    text.get(range).unwrap_or_default()
}

/// The number of columns that a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// A text without its end, with at most this width.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + width(c.encode_utf8(&mut [0; 4])) + 1 > limit {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_owned() + "…"
}

/// A path without its middle, with at most this width: its end says most.
pub(crate) fn without_middle(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let start = cut(text, limit / 3);
    let mut end = String::new();
    for c in text.chars().rev() {
        if width(&start) + width(&end) + width(c.encode_utf8(&mut [0; 4])) > limit {
            break;
        }
        end.insert(0, c);
    }
    start + &end
}

/// A time as the tracking table stores it, without the fraction of a second.
pub(crate) fn time(text: &str) -> String {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    printable(&whole.replace('T', " "))
}

/// The first of several findings, as many as a person reads.
pub(crate) fn enough(findings: &[String]) -> &[String] {
    /// In bytes.
    const ENOUGH: usize = 2048;

    let mut length = 0;
    let is_too_much = |finding: &String| {
        length += finding.len();
        length > ENOUGH && length > finding.len()
    };
    let end = findings.iter().position(is_too_much).unwrap_or(findings.len());
    findings.split_at(end).0
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
    let restored = report.restored.iter().map(|restored| printable(&restored.to_string()));
    let snapshot = report.snapshot.iter().map(|path| {
        format!("the snapshot from before the run is {}", printable(&path.display().to_string()))
    });
    let baseline = report.baseline.iter().map(ToString::to_string);
    let lines = baseline.chain(report.applied.iter().map(line)).chain(together);
    lines.chain(restored).chain(snapshot).collect::<Vec<_>>().join("\n")
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

/// An argument that is a number of seconds.
///
/// # Errors
/// It is no number.
pub(crate) fn seconds(argument: &str) -> Result<f64, String> {
    argument.parse().map_err(|_| "it must be a number of seconds without a unit, as in 2.5".to_owned())
}
