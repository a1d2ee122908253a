//! The engine speaks to programmers. Here the same is said to who sits at a command line.

use switchy_schema::{Direction, Report};

/// What the engine says, and what it is called here. The longer ones come first.
const WORDS: [(&str, &str); 35] = [
    ("call it with `Recovery::RetryFrom` and statement 1", "run `repair retry --from 1`"),
    ("call `recover` with `Recovery::", "run `Recovery::"),
    ("call it with `Recovery::", "run `Recovery::"),
    ("or with `Recovery::", "or run `Recovery::"),
    ("`recover` and `Recovery::", "`Recovery::"),
    (
        "`Recovery::RetryFrom` with the statement that is to be next",
        "`repair retry --from` with the statement that is to be next",
    ),
    (
        "Recovery::RetryFrom with the statement that is to be next",
        "`repair retry --from` with the statement that is to be next",
    ),
    (", and accept `Doubt::Lost`", ", and say yes, on a terminal or with `--yes`"),
    ("accept `Doubt::Orphaned`", "go on with `--accept orphaned`"),
    ("accept `Doubt::Changed`", "go on with `--accept changed`"),
    ("accept `Doubt::Unproven`", "go on with `--accept unproven`"),
    ("`Adopt::tool`", "`--from`"),
    ("`Adopt::table`", "`--from-table`"),
    ("`Adopt::app`", "`--app`"),
    ("read that table itself with `table_name`", "read that table itself with `--table`"),
    ("`Recovery::AssumeApplied`", "`repair assume`"),
    ("`Recovery::Baseline`", "`baseline`"),
    ("`Recovery::RetryFrom`", "`repair retry --from`"),
    ("`Recovery::Retry`", "`repair retry`"),
    ("`Recovery::MarkDone`", "`repair done`"),
    ("`Recovery::Accept`", "`repair accept`"),
    ("Recovery::Retry", "`repair retry`"),
    ("Recovery::MarkDone", "`repair done`"),
    ("Recovery::Forget", "`repair forget`"),
    ("Recovery::AssumeApplied", "`repair assume`"),
    ("wait longer with `lock_timeout`", "wait longer with `--lock-timeout`"),
    (", or choose another place with `lock(Lock::File(path))`", ""),
    ("choose another name with `table_name`", "choose another name with `--table`"),
    ("`confirm` said no", "the answer was no"),
    ("say yes to the plan with `confirm`", "say yes to the plan, on a terminal or with `--yes`"),
    ("do that with `rollback`, `rollback_to` or `downgrade`", "do that with `rollback` or `downgrade`"),
    ("make it with `Manifest::write`, docs/format.md has the format", "make it anew with `manifest`"),
    ("call `run`", "run `migrate`"),
    ("do that with `run`", "do that with `migrate`"),
    ("; check the path, or create it", "; check the path, or make one with `init`"),
];

/// A text of the engine in the words of the command line.
pub(crate) fn of_command_line(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (engine, here)| text.replace(engine, here))
}

/// A text that may come out of a database, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// A time as the databases write it, without its fraction.
pub(crate) fn time(text: &str) -> String {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    printable(&whole.replace('T', " "))
}

/// `1 migration`, `2 migrations`
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What a run did, a line for each step.
pub(crate) fn done(report: &Report) -> String {
    let line = |step: &switchy_schema::Applied| {
        let verb = match step.direction {
            Direction::Up => "applied",
            Direction::Down => "undone ",
        };
        format!("{verb} {} ({:.1} ms)", step.id, step.duration.as_secs_f64() * 1e3)
    };
    let together = report.together.iter().map(ToString::to_string);
    report.applied.iter().map(line).chain(together).collect::<Vec<_>>().join("\n")
}

/// Whether a script has nothing but comments, as far as can be seen without reading SQL.
pub(crate) fn is_blank(script: &str) -> bool {
    script.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with("--"))
}
