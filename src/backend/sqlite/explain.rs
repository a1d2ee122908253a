//! What to do about the errors of SQLite, by their messages.

use rusqlite::Connection;

use super::query::{texts, value};
use crate::dialect::quote;
use crate::fault::Fault;
use crate::remedy::Remedy;
use crate::sql::{Token, Tokens, part};

/// SQLite's message when rows violate a UNIQUE or PRIMARY KEY constraint, or a unique index.
const NOT_UNIQUE: &str = "UNIQUE constraint failed: ";

/// The beginnings of SQLite's messages about what an application registers on its connections.
pub(super) const OF_APPLICATIONS: [&str; 5] =
    ["no such function", "no such collation", "no such module", "no such tokenizer", "unknown tokenizer"];

/// What to do about an error with this message.
pub(super) fn remedy(message: &str) -> Option<Remedy> {
    // The messages that do not begin with a name, and what to do about each.
    const BEGINNINGS: [(&str, &str); 14] = [
        (
            "unsupported file format",
            "open it with a newer version of SQLite if one wrote it, or restore it from a backup",
        ),
        ("there is already an index named ", "drop or rename that index first, or use another name"),
        (
            NOT_UNIQUE,
            "the rows are the cause: several of them have the same values there, so merge or change them first",
        ),
        (
            "NOT NULL constraint failed: ",
            "a row has no value there: write one, for example with coalesce, or give the column a DEFAULT",
        ),
        (
            "CHECK constraint failed: ",
            "the rows are the cause: correct those that violate the constraint first",
        ),
        (
            "cannot store ",
            "the rows are the cause: convert the values, for example with CAST, since the table is STRICT",
        ),
        (
            "Cannot add a NOT NULL column with default value NULL",
            "give the column a DEFAULT that is not NULL",
        ),
        (
            "Cannot add a column with non-constant default",
            "give the column a constant DEFAULT and fill it with an UPDATE, or rebuild the table",
        ),
        ("Cannot add a UNIQUE column", "add the column without UNIQUE, then CREATE UNIQUE INDEX on it"),
        (
            "Cannot add a PRIMARY KEY column",
            "rebuild the table: create a new table with the column, copy the rows, drop the old one, rename the new one",
        ),
        (
            "Cannot add a REFERENCES column with non-NULL default value",
            "leave out the DEFAULT and fill the column with an UPDATE",
        ),
        (
            "cannot drop PRIMARY KEY column: ",
            "rebuild the table: create a new table without the column, copy the rows, drop the old one, rename the new one",
        ),
        (
            "cannot drop UNIQUE column: ",
            "rebuild the table: create a new table without the column, copy the rows, drop the old one, rename the new one",
        ),
        ("cannot drop column ", "drop the table if nothing of it is needed"),
    ];
    if OF_APPLICATIONS.iter().any(|beginning| message.starts_with(beginning)) {
        return Some(Remedy::Register.or("correct its name"));
    }
    let known = BEGINNINGS.iter().find(|(beginning, _)| message.starts_with(beginning));
    known.map(|(_, remedy)| (*remedy).into()).or_else(|| in_object(message))
}

/// `error in view v: no such table: main.a`, `error in index i after drop column: no such column: b`: an `ALTER TABLE` reads all
/// objects of the schema and fails if one of them is or would be broken (`renameTestSchema` in SQLite's alter.c).
fn in_object(message: &str) -> Option<Remedy> {
    let (kind, rest) = message.strip_prefix("error in ")?.split_once(' ')?;
    let ends = [" after drop column: ", " after rename: ", ": "];
    let (name, end) = ends.iter().find_map(|end| Some((rest.split_once(end)?.0, *end)))?;
    Some(match (kind, end) {
        ("index", _) => format!("drop the index `{name}` first").into(),
        ("table", " after drop column: ") => format!(
            "a constraint or a generated column of `{name}` needs that column: rebuild the table without both"
        )
        .into(),
        ("view" | "trigger", " after drop column: ") => {
            format!("drop the {kind} `{name}` first, and create it again without the column afterwards")
                .into()
        }
        ("view" | "trigger", _) => {
            let drop = format!("drop the {kind} `{name}` first and create it again afterwards");
            Remedy::from(drop).or("put `PRAGMA legacy_alter_table = ON` before that statement")
        }
        _ => return None,
    })
}

/// The fault of a statement, with the query that shows the rows that violate a constraint, if there is a short one.
pub(super) fn with_rows(conn: &Connection, fault: Fault, statement: &str) -> Fault {
    let Some(columns) = fault.details.message.strip_prefix(NOT_UNIQUE) else { return fault };
    let pieces = pieces(statement);
    let (what, query) = if let Some(index) = UniqueIndex::of(&pieces) {
        ("rows that are already in the table are the cause", index.duplicates())
    } else if let Some(copy) = Copy::of(conn, &pieces, columns) {
        ("the rows that it copies are the cause", copy.duplicates())
    } else {
        return fault;
    };
    // The failure stays the same if the query fails, for example because SQLite has ended the transaction.
    let count = value::<i64>(conn, &format!("SELECT count(*) FROM ({query})"), &[]);
    let times = match count.ok() {
        Some(1) => "1 value is in several rows".to_owned(),
        Some(count) if count > 1 => format!("{count} values are in several rows"),
        // A copied row may also have the value of a row that is there already.
        _ => return fault,
    };
    fault.remedy(if query.len() > LONGEST_QUERY {
        format!("{what} ({times}): merge or change them first")
    } else {
        format!("{what} ({times}): find them with `{query}`, and merge or change them first")
    })
}

/// The maximum length of a query in a message.
const LONGEST_QUERY: usize = 400;

/// An `INSERT` of the rows of a query.
struct Copy {
    /// The columns that it writes.
    columns: Vec<String>,
    query: String,
    /// Those of them that must be unique.
    unique: Vec<String>,
}

impl Copy {
    /// `failed` names the columns as SQLite does: `table.a, table.b`
    fn of(conn: &Connection, pieces: &[Piece<'_>], failed: &str) -> Option<Self> {
        let is = |place: usize, word: &str| pieces.get(place).is_some_and(|piece| piece.token.is(word));
        let is_mark =
            |place: usize, mark: u8| pieces.get(place).is_some_and(|piece| piece.token == Token::Mark(mark));
        let into = pieces.iter().position(|piece| piece.token.is("into")).filter(|_| is(0, "insert"))?;
        let name = if is_mark(into + 2, b'.') { into + 3 } else { into + 1 };
        let table = pieces.get(name)?.token.spelling()?;
        let unique =
            failed.split(", ").map(|column| Some(named(column.strip_prefix(table)?.strip_prefix('.')?)));
        let unique = unique.collect::<Option<Vec<String>>>()?;
        let (columns, start) = if is_mark(name + 1, b'(') {
            let end =
                name + 2 + pieces[name + 2..].iter().position(|piece| piece.token == Token::Mark(b')'))?;
            let columns = pieces[name + 2..end].iter().filter(|piece| piece.token != Token::Mark(b','));
            (columns.map(|piece| piece.text.to_owned()).collect(), end + 1)
        } else {
            // Without them the failure stays the same, and has no query.
            let columns = texts(conn, "SELECT name FROM pragma_table_info(?1)", &[table]).ok()?;
            (columns.iter().map(|column| named(column)).collect(), name + 1)
        };
        let rest = pieces[start..].split(|piece| piece.token == Token::Mark(b';')).next()?;
        let ends_otherwise =
            rest.iter().any(|piece| piece.token.is("conflict") || piece.token.is("returning"));
        (is(start, "select") && !ends_otherwise).then(|| Self { columns, query: text(rest), unique })
    }

    fn duplicates(&self) -> String {
        let (columns, unique) = (self.columns.join(", "), self.unique.join(", "));
        let known = self.unique.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>();
        format!(
            "WITH copied({columns}) AS ({}) SELECT {unique}, count(*) FROM copied WHERE {} GROUP BY {unique} HAVING count(*) > 1",
            self.query,
            known.join(" AND ")
        )
    }
}

/// A name in SQL, in quotes if it needs them.
fn named(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { name.to_owned() } else { quote(name) }
}

/// The parts of a `CREATE UNIQUE INDEX`.
struct UniqueIndex {
    table: String,
    columns: Vec<String>,
    condition: Option<String>,
}

impl UniqueIndex {
    fn of(pieces: &[Piece<'_>]) -> Option<Self> {
        let is = |place: usize, word: &str| pieces.get(place).is_some_and(|piece| piece.token.is(word));
        if !(is(0, "create") && is(1, "unique") && is(2, "index")) {
            return None;
        }
        let is_mark =
            |place: usize, mark: u8| pieces.get(place).is_some_and(|piece| piece.token == Token::Mark(mark));
        let on = pieces.iter().position(|piece| piece.token.is("on"))?;
        let schema =
            if is_mark(on.checked_sub(2)?, b'.') { &pieces[on.checked_sub(3)?..on - 1] } else { &[] };
        let table = text(schema) + pieces.get(on + 1)?.text;
        let open = on + 2;
        let (mut depth, mut from, mut columns, mut end) = (0_usize, open + 1, Vec::new(), None);
        for (place, piece) in pieces.iter().enumerate().skip(open) {
            match piece.token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') if depth == 1 => {
                    columns.push(column(&pieces[from..place]));
                    end = Some(place + 1);
                    break;
                }
                Token::Mark(b')') => depth -= 1,
                Token::Mark(b',') if depth == 1 => {
                    columns.push(column(&pieces[from..place]));
                    from = place + 1;
                }
                _ => {}
            }
        }
        let end = end?;
        let rest = pieces[end..].split(|piece| piece.token == Token::Mark(b';')).next().unwrap_or_default();
        let condition = rest.first().filter(|first| first.token.is("where")).map(|_| text(&rest[1..]));
        Some(Self { table, columns, condition })
    }

    /// The query that returns each value that occurs several times. A `NULL` equals no other value.
    fn duplicates(&self) -> String {
        let columns = self.columns.join(", ");
        let is_known = self.columns.iter().map(|column| format!("{column} IS NOT NULL"));
        let condition = self.condition.iter().map(|condition| format!("({condition})"));
        let conditions: Vec<String> = condition.chain(is_known).collect();
        let (table, conditions) = (&self.table, conditions.join(" AND "));
        format!(
            "SELECT {columns}, count(*) FROM {table} WHERE {conditions} GROUP BY {columns} HAVING count(*) > 1"
        )
    }
}

/// A token with its text.
struct Piece<'a> {
    token: Token<'a>,
    text: &'a str,
    /// Whether white space or a comment is before it.
    is_apart: bool,
}

fn pieces(statement: &str) -> Vec<Piece<'_>> {
    let mut tokens = Tokens::new(statement);
    let mut pieces = Vec::new();
    let mut end = 0;
    while let Some((token, at)) = tokens.next_placed() {
        pieces.push(Piece { token, text: part(statement, at.clone()), is_apart: at.start > end });
        end = at.end;
    }
    pieces
}

/// The text on one line, without comments.
fn text(pieces: &[Piece<'_>]) -> String {
    let mut text = String::new();
    for piece in pieces {
        text.push_str(if piece.is_apart && !text.is_empty() { " " } else { "" });
        text.push_str(piece.text);
    }
    text
}

/// An indexed column as an expression, without its order.
fn column(pieces: &[Piece<'_>]) -> String {
    let order = ["asc", "desc"];
    let pieces = match pieces {
        [rest @ .., last] if order.iter().any(|word| last.token.is(word)) => rest,
        all => all,
    };
    let is_name = pieces.len() == 1 || matches!(pieces.first(), Some(Piece { token: Token::Mark(b'('), .. }));
    if is_name { text(pieces) } else { format!("({})", text(pieces)) }
}
