//! The commands of the client: which are refused, and how `DELIMITER` is read.

use super::comments::blank_len;
use crate::sql::part;
use crate::sql::pieces::Refused;

/// The commands of the MySQL and MariaDB clients that begin no statement of any server. `help` and `use` do, so they
/// are not listed.
const COMMANDS: [&str; 27] = [
    "charset",
    "clear",
    "connect",
    "costs",
    "edit",
    "ego",
    "exit",
    "go",
    "nocosts",
    "nopager",
    "notee",
    "nowarning",
    "pager",
    "print",
    "prompt",
    "query_attributes",
    "quit",
    "rehash",
    "resetconnection",
    "sandbox",
    "source",
    "ssl_session_data_print",
    "status",
    "system",
    "tee",
    "unset",
    "warnings",
];

/// The refusal of a statement's first word, if it is a command of the client.
pub(super) fn command(word: &str, offset: usize) -> Option<Refused> {
    let is_command = COMMANDS.iter().any(|command| word.eq_ignore_ascii_case(command));
    is_command.then(|| refused(word, offset))
}

/// The refusal of `\. file`, `\G` and similar commands: outside quotes, a server accepts no backslash except in `\N`.
pub(super) fn short_command(text: &str, offset: usize) -> Refused {
    let command: String = part(text, offset..).chars().take(2).filter(|c| !c.is_whitespace()).collect();
    refused(&command, offset)
}

fn refused(command: &str, offset: usize) -> Refused {
    let ends = ["go", "ego", "\\g", "\\G"].contains(&command);
    Refused {
        offset,
        what: format!("`{command}` is a command of the mysql client and not SQL"),
        remedy: if ends {
            "end the statement with its delimiter"
        } else {
            "leave it out, or write what it does as SQL"
        },
    }
}

/// Reads a `DELIMITER` line. Returns the delimiter, and how many bytes after the word have been read.
///
/// The client reads the delimiter up to a blank, or between quotes, and silently ignores the rest of the line; here the
/// rest may only be a comment. If the line is empty, a delimiter alone on the next line that is not blank counts.
pub(super) fn delimiter(after_word: &str) -> Result<(&str, usize), &'static str> {
    let line = after_word.split('\n').next().unwrap_or_default();
    if line.trim().is_empty() {
        return delimiter_below(after_word);
    }
    let start = line.len() - line.trim_start().len();
    if start == 0 {
        return Err("write a blank between DELIMITER and the delimiter");
    }
    let (delimiter, rest) = argument(part(line, start..))?;
    if delimiter.is_empty() || delimiter.starts_with(char::is_whitespace) || delimiter.contains('\\') {
        return Err("write a delimiter without backslashes and blanks, such as DELIMITER //");
    }
    if blank_len(rest, true) < rest.len() {
        return Err("move what follows to a line of its own: the client passes over it");
    }
    Ok((delimiter, line.len()))
}

fn delimiter_below(after_word: &str) -> Result<(&str, usize), &'static str> {
    let below = after_word.trim_start();
    let delimiter = below.split('\n').next().unwrap_or_default().trim_end();
    // The first word of a statement is not a delimiter.
    if delimiter.is_empty() || !delimiter.bytes().all(|byte| byte.is_ascii_punctuation() && byte != b'\\') {
        return Err("write the delimiter behind DELIMITER");
    }
    Ok((delimiter, after_word.len() - below.len() + delimiter.len()))
}

/// The argument at the start of a line, and the text after it.
fn argument(line: &str) -> Result<(&str, &str), &'static str> {
    let quote = line.chars().next().filter(|first| "'\"`".contains(*first));
    match quote {
        Some(quote) => part(line, 1..).split_once(quote).ok_or("close the quote of the delimiter"),
        None => Ok(line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()))),
    }
}
