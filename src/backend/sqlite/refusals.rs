//! [`commands`]: the commands of `sqlite3` in a script, which SQLite is certain to refuse.

use crate::fault::{Fault, FaultKind};
use crate::refusal::Refusal;
use crate::sql::statements;

/// The commands of `sqlite3` in a script: `.read`, `.mode`. No statement of SQLite begins with a dot.
pub(super) fn commands(script: &str) -> Vec<Refusal> {
    let pieces = (1..).zip(statements(script.trim_start_matches('\u{feff}')));
    let offset = script.len() - script.trim_start_matches('\u{feff}').len();
    let commands = pieces.filter(|(_, (_, text))| text.starts_with('.'));
    commands
        .map(|(number, (start, text))| {
            Refusal::new(command(text).at(offset + start).in_statement(number, text))
        })
        .collect()
}

fn command(text: &str) -> Fault {
    let command: String = text.chars().take_while(|c| !c.is_whitespace()).take(20).collect();
    Fault::new(FaultKind::Other, format!("`{command}` is a command of sqlite3 and not SQL"))
        .remedy("leave it out, or write what it does as SQL")
}
