//! Up and down scripts in one file, separated by comments: goose and dbmate.

use super::draft::TransactionUse;
use super::script::{is_ended, is_idle, without_bom};
use crate::text::part;

/// The sections of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) up: String,
    pub(super) down: Option<String>,
    pub(super) transaction: TransactionUse,
    pub(super) notes: Vec<String>,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    pub(super) line: Option<usize>,
    pub(super) why: String,
}

fn misplaced<T>(line: impl Into<Option<usize>>, why: &str) -> Result<T, Misplaced> {
    Err(Misplaced { line: line.into(), why: why.to_owned() })
}

/// The section that a line of a goose file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Up,
    UpStatement,
    Down,
    DownStatement,
}

/// The sections of a goose file (<https://pressly.github.io/goose/documentation/annotations>; goose parses it line by line, and does not
/// recognize strings or comments that span lines).
///
/// Comments before the first annotation become part of the up script. The annotations themselves are removed.
pub(super) fn goose(text: &str) -> Result<Sections, Misplaced> {
    let (mut place, mut head, mut up, mut down) = (Place::Head, String::new(), String::new(), None);
    let (mut transaction, mut notes) = (TransactionUse::Inside, Vec::new());
    let mut statement_from = 0;
    for (number, line) in (1..).zip(without_bom(text).split_inclusive('\n')) {
        let no = |why: &str| misplaced(number, why);
        let Some(words) = annotation(line) else {
            match place {
                Place::Head if is_comment_or_blank(line) => head.push_str(line),
                Place::Head => return no("it comes before `-- +goose Up`; move it behind"),
                Place::Up | Place::UpStatement => up.push_str(line),
                Place::Down | Place::DownStatement => down.get_or_insert_with(String::new).push_str(line),
            }
            continue;
        };
        if line.starts_with([' ', '\t']) {
            return no("an annotation of goose cannot be indented; move it to the start of its line");
        }
        place = match (&*words, place) {
            ("up", Place::Head) => Place::Up,
            ("up", _) => return no("`-- +goose Up` is there twice; remove one"),
            ("down", Place::Up) => {
                down = Some(String::new());
                Place::Down
            }
            ("down", Place::Head) => {
                return no("`-- +goose Down` comes before `-- +goose Up`; put it behind");
            }
            ("down", Place::Down) => return no("`-- +goose Down` is there twice; remove one"),
            ("down", Place::UpStatement | Place::DownStatement) => {
                return no("`-- +goose Down` is inside a statement; add `-- +goose StatementEnd` before it");
            }
            ("statementbegin", Place::Up) => {
                statement_from = up.len();
                Place::UpStatement
            }
            ("statementbegin", Place::Down) => {
                statement_from = down.as_ref().map_or(0, String::len);
                Place::DownStatement
            }
            ("statementbegin", _) => return no("`-- +goose StatementBegin` is out of place; remove it"),
            ("statementend", Place::UpStatement) => {
                end_statement(&mut up, statement_from);
                Place::Up
            }
            ("statementend", Place::DownStatement) => {
                end_statement(down.get_or_insert_with(String::new), statement_from);
                Place::Down
            }
            ("statementend", _) => return no("`-- +goose StatementEnd` is out of place; remove it"),
            ("no transaction", place) => {
                transaction = TransactionUse::Outside;
                place
            }
            ("envsub on" | "envsubst on", place) => {
                notes.push("goose fills in variables of the environment (`ENVSUB`), and here nobody does; write what they stand for".to_owned());
                place
            }
            ("envsub off" | "envsubst off", place) => place,
            _ => return no("goose has no such annotation; correct it"),
        };
    }
    match place {
        Place::Head => misplaced(None, "it has no `-- +goose Up`; add it"),
        Place::UpStatement | Place::DownStatement => {
            misplaced(None, "a `-- +goose StatementBegin` has no `-- +goose StatementEnd`; add it")
        }
        Place::Up | Place::Down => {
            let head = if head.trim().is_empty() { "" } else { &*head };
            Ok(Sections { up: format!("{head}{up}"), down, transaction, notes })
        }
    }
}

/// The text after `-- +goose`, in lower case and with single spaces.
fn annotation(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("--")?.trim_start().to_ascii_lowercase();
    let words = rest.strip_prefix("+goose")?;
    // Text directly after the mark makes it neither an annotation nor an intended comment, so it is kept and refused.
    let stuck = if words.starts_with(|c: char| !c.is_whitespace()) { "+goose" } else { "" };
    Some(format!("{stuck}{}", words.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// Adds a missing semicolon: goose sends the text between the annotations, so it need not end with one.
fn end_statement(script: &mut String, from: usize) {
    let statement = part(script, from..).trim_end();
    if !statement.is_empty() && !is_ended(statement) {
        script.push_str(";\n");
    }
}

fn is_comment_or_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with("--")
}

/// The sections of a dbmate file (<https://github.com/amacneil/dbmate#creating-migrations>; dbmate searches for the first line of each
/// kind, and does not recognize strings or comments that span lines).
pub(super) fn dbmate(text: &str) -> Result<Sections, Misplaced> {
    let text = without_bom(text);
    let (mut head, mut up, mut down) = (String::new(), None, None);
    let mut notes = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let no = |why: &str| misplaced(number, why);
        match (mark(line, "migrate:up"), mark(line, "migrate:down")) {
            (Some(_), _) if up.is_some() || down.is_some() => {
                return no(
                    "`-- migrate:up` is there twice, or behind `-- migrate:down`; leave one, before it",
                );
            }
            (_, Some(_)) if down.is_some() => return no("`-- migrate:down` is there twice; remove one"),
            (_, Some(_)) if up.is_none() => {
                return no("`-- migrate:down` comes before `-- migrate:up`; put it behind");
            }
            (Some(options), _) => up = Some((String::new(), transaction_use(options, &mut notes))),
            (_, Some(options)) => down = Some((String::new(), transaction_use(options, &mut notes))),
            // As a comment, it would make the down script part of the up script.
            (None, None) if seems_a_mark(line) => {
                return no(
                    "dbmate would not take this for a mark; write `-- migrate:down` at the start of the line, or reword it",
                );
            }
            (None, None) => match down.as_mut().or(up.as_mut()) {
                Some((section, _)) => section.push_str(line),
                None if is_comment_or_blank(line) => head.push_str(line),
                None => return no("it comes before `-- migrate:up`; move it behind"),
            },
        }
    }
    let Some((up, up_use)) = up else { return misplaced(None, "it has no `-- migrate:up`; add it") };
    let transaction = TransactionUse::of_both(
        up_use,
        down.as_ref().filter(|(down, _)| !is_idle(down)).map(|(_, transaction)| *transaction),
        &mut notes,
    );
    let head = if head.trim().is_empty() { "" } else { &*head };
    Ok(Sections { up: format!("{head}{up}"), down: down.map(|(down, _)| down), transaction, notes })
}

/// The options after a mark of dbmate.
fn mark<'l>(line: &'l str, mark: &str) -> Option<&'l str> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix(mark)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest.trim())
}

fn seems_a_mark(line: &str) -> bool {
    let comment = line.trim_start().strip_prefix("--").map(|rest| rest.trim_start().to_ascii_lowercase());
    comment.is_some_and(|comment| comment.starts_with("migrate:"))
}

fn transaction_use(options: &str, notes: &mut Vec<String>) -> TransactionUse {
    let mut transaction = TransactionUse::Inside;
    for option in options.split_whitespace() {
        match option {
            "transaction:false" => transaction = TransactionUse::Outside,
            "transaction:true" => {}
            other => notes.push(format!("the option `{other}` means nothing here")),
        }
    }
    transaction
}
