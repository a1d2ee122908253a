//! What the definition of a table means, however it is written.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::words::{essence, words};
use crate::backend::sqlite::fault::known;
use crate::schema::Definition;
use crate::sql::folded;

/// The definition of a table with its meaning and its columns, if SQLite can say what it means on this connection.
///
/// # Errors
/// The disk, the memory or the file prevents the answer.
pub(super) fn described(conn: &Connection, definition: Definition) -> rusqlite::Result<Definition> {
    if definition.kind != "table" {
        return Ok(definition);
    }
    let Some(written) = Written::of(&definition.sql) else { return Ok(definition) };
    // It may use a function or a collation that this connection does not have.
    let Some(mut facts) = known(facts(conn, &definition.name))? else { return Ok(definition) };
    facts.extend(written.facts);
    Ok(definition.meaning(facts.join("\n")).with_columns(written.columns))
}

/// What SQLite says about a table: columns in order, then keys and foreign keys.
fn facts(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let columns = "SELECT cid, name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let keys = "SELECT l.seq, l.origin, k.name, k.\"desc\", k.coll FROM pragma_index_list(?1, 'main') AS l,
        pragma_index_xinfo(l.name, 'main') AS k WHERE l.origin IN ('u', 'pk') AND k.key ORDER BY l.seq, k.seqno";
    let foreign_keys = "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete, match FROM pragma_foreign_key_list(?1, 'main')
        ORDER BY id, seq";
    let mut facts = rows(conn, columns, table)?;
    facts.extend(grouped(rows(conn, keys, table)?));
    facts.extend(grouped(rows(conn, foreign_keys, table)?));
    Ok(facts)
}

/// The rows of a query, each as one text.
fn rows(conn: &Connection, sql: &str, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    let count = statement.column_count();
    let is_name = |column: &usize| {
        statement.column_name(*column).is_ok_and(|name| ["type", "dflt_value"].contains(&name))
    };
    let is_written: Vec<usize> = (0..count).filter(is_name).collect();
    let mut rows = statement.query([table])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let value = |column| -> rusqlite::Result<String> {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => "-".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                // Types and defaults can be written in several ways; a default keeps the case of its texts.
                ValueRef::Text(text) if is_written.contains(&column) => {
                    essence(&String::from_utf8_lossy(text))
                }
                ValueRef::Text(text) => folded(&String::from_utf8_lossy(text)),
                ValueRef::Real(_) | ValueRef::Blob(_) => String::new(),
            })
        };
        let values = (0..count).map(value).collect::<rusqlite::Result<Vec<_>>>()?;
        found.push(values.join("|"));
    }
    Ok(found)
}

/// The rows with the same number in front as one text without it. The order of keys means nothing.
fn grouped(rows: Vec<String>) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (number, rest) = row.split_once('|').unwrap_or_default();
        groups.entry(number.to_owned()).or_default().push(rest.to_owned());
    }
    let mut groups: Vec<String> = groups.into_values().map(|rows| rows.join(" & ")).collect();
    groups.sort();
    groups
}

/// What only the text of a definition has.
struct Written {
    columns: Vec<(String, String)>,
    /// Checks, collations, generated columns, the clauses about conflicts and deferred keys, and what follows the columns.
    facts: Vec<String>,
}

impl Written {
    /// `None` if it is not a list of columns in parentheses: a virtual table.
    fn of(sql: &str) -> Option<Self> {
        let words = words(sql);
        let open = words.iter().position(|(word, _)| word == "(")?;
        if words[..open].iter().any(|(word, _)| word == "virtual") {
            return None;
        }
        let (mut depth, mut parts, mut start, mut close) = (0_usize, Vec::new(), open + 1, None);
        for (place, (word, _)) in words.iter().enumerate().skip(open) {
            match &**word {
                "(" => depth += 1,
                ")" if depth == 1 => {
                    parts.push(start..place);
                    close = Some(place);
                    break;
                }
                ")" => depth -= 1,
                "," if depth == 1 => {
                    parts.push(start..place);
                    start = place + 1;
                }
                _ => {}
            }
        }
        let close = close?;
        let (mut columns, mut facts) = (Vec::new(), Vec::new());
        for part in parts {
            let part = &words[part];
            let (Some((first, from)), Some((_, to))) = (part.first(), part.last()) else { continue };
            let text = |at: &std::ops::Range<usize>| sql.get(at.clone()).unwrap_or_default();
            let is_constraint = ["constraint", "primary", "unique", "check", "foreign"].contains(&&**first)
                && folded(text(from)) == *first;
            if !is_constraint {
                columns.push((text(from).to_owned(), text(&(from.start..to.end)).to_owned()));
            }
            let part: Vec<&str> = part.iter().map(|(word, _)| &**word).collect();
            facts.extend(clauses(&part, if is_constraint { "" } else { first }));
        }
        let mut tail: Vec<&str> = words[close + 1..].iter().map(|(word, _)| &**word).collect();
        tail.retain(|word| *word != ",");
        tail.sort_unstable();
        facts.push(tail.join(" "));
        facts.sort();
        Some(Self { columns, facts })
    }
}

/// The clauses of a column or a constraint that no pragma shows.
fn clauses(words: &[&str], column: &str) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let end = if words.get(at + 1) == Some(&"(") { closed(words, at + 1) } else { at + 1 };
        match *word {
            "check" => found.push(words[at..end].join(" ")),
            "as" => found.push(format!("{column} {}", words[at..end].join(" "))),
            "collate" => found.push(format!("{column} {}", words[at..words.len().min(at + 2)].join(" "))),
            "conflict" | "initially" => {
                found.push(format!("{column} {}", words[at..words.len().min(at + 2)].join(" ")));
            }
            "deferrable" => {
                let is_not = at.checked_sub(1).and_then(|before| words.get(before)) == Some(&"not");
                found.push(format!("{column} {}deferrable", if is_not { "not " } else { "" }));
            }
            "autoincrement" => found.push((*word).to_owned()),
            _ => {}
        }
        at = end;
    }
    found
}

/// The place after the parenthesis that closes the one at a place.
fn closed(words: &[&str], open: usize) -> usize {
    let mut depth = 0_usize;
    for (place, word) in words.iter().enumerate().skip(open) {
        match *word {
            "(" => depth += 1,
            ")" if depth <= 1 => return place + 1,
            ")" => depth -= 1,
            _ => {}
        }
    }
    words.len()
}
