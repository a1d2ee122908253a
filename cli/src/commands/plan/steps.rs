//! [`fitted`]: the steps of a plan in the width of a terminal.

use switchy_schema::{Plan, Step};

use crate::text::{cut, printable, width, without_middle};

/// The text of a plan, in which a step that is wider than `columns` has its description, what it needs and its file on lines of their own.
/// No id is cut.
pub(super) fn fitted(text: &str, plan: &Plan, columns: usize) -> String {
    let mut steps = (1..).zip(plan.steps()).peekable();
    let lines = text.lines().map(|line| {
        let whole = |(number, step): &(usize, &Step)| {
            step.to_string().lines().next().is_some_and(|first| line == format!("  {number}. {first}"))
        };
        match steps.next_if(whole) {
            Some((number, step)) if width(line) > columns => {
                in_lines(number, step, line, columns).unwrap_or_else(|| line.to_owned())
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn in_lines(number: usize, step: &Step, line: &str, columns: usize) -> Option<String> {
    const INDENT: &str = "     ";
    let space = columns.saturating_sub(INDENT.len());
    let head = format!("  {number}. {} {}", step.direction, step.id);
    let origin = printable(&step.origin);
    let mut rest = line.strip_prefix(&head)?.strip_suffix(&format!(" ({origin})"))?;
    let mut below = Vec::new();
    if let Some(description) = &step.description {
        let description = printable(description);
        rest = rest.strip_prefix(&format!(": {description}"))?;
        below.push(cut(&description, space));
    }
    for part in rest.split("; ").filter(|part| !part.is_empty()) {
        if width(part) <= space {
            below.push(part.to_owned());
        } else {
            // `needs a, b`
            below.extend(part.split(", ").map(str::to_owned));
        }
    }
    below.push(without_middle(&origin, space));
    Some(below.into_iter().fold(head, |lines, part| format!("{lines}\n{INDENT}{part}")))
}
