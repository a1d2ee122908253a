//! [`Definition`]: what belongs to a table, and what a table that replaces it lacks.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension};

use crate::dialect::quote;
use crate::sql::{Token, Tokens};

/// A table as the schema defines it, with its indexes and triggers.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    sql: String,
    columns: Vec<Column>,
    /// The columns of each unique constraint and unique index, in lower case. A key with an expression is left out.
    unique: BTreeSet<BTreeSet<String>>,
    /// The named indexes, each with the text after the name of its table, and its columns.
    indexes: Vec<Index>,
    triggers: Vec<String>,
    /// The last number of `AUTOINCREMENT`.
    pub(super) sequence: Option<i64>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    declared: String,
    default: Option<String>,
    key: i64,
}

#[derive(Debug, Clone)]
struct Index {
    name: String,
    columns: Vec<String>,
    signature: String,
}

/// What a table that replaces another one lacks.
#[derive(Debug, Default)]
pub(super) struct Lacks {
    /// Indexes, triggers, constraints and defaults, in words.
    pub(super) objects: Vec<String>,
    /// Columns whose type now turns texts into numbers: the name, the old type and the new one.
    pub(super) numbers: Vec<(String, String, String)>,
}

impl Definition {
    /// The definition of a table in `main`; it is empty if there is no such table.
    pub(super) fn of(conn: &Connection, table: &str) -> rusqlite::Result<Self> {
        let sql = sql_of(conn, table)?;
        let mut columns = conn.prepare(
            "SELECT name, type, dflt_value, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1",
        )?;
        let columns: Vec<Column> = columns
            .query_map([table], |row| {
                Ok(Column {
                    name: row.get(0)?,
                    declared: row.get(1)?,
                    default: row.get(2)?,
                    key: row.get(3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut keys = BTreeMap::<String, (bool, bool, Vec<Option<String>>)>::new();
        let mut parts = conn.prepare(
            "SELECT l.name, l.\"unique\", l.partial, k.name FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS k
            WHERE k.key ORDER BY l.seq, k.seqno",
        )?;
        let mut rows = parts.query([table])?;
        while let Some(row) = rows.next()? {
            let key = keys.entry(row.get(0)?).or_insert((row.get(1)?, row.get(2)?, Vec::new()));
            key.2.push(row.get(3)?);
        }
        let names = |parts: &[Option<String>]| -> Vec<String> {
            parts.iter().flatten().map(|name| name.to_ascii_lowercase()).collect()
        };
        let mut unique: BTreeSet<BTreeSet<String>> = keys
            .values()
            .filter(|(is_unique, is_partial, parts)| {
                *is_unique && !is_partial && parts.iter().all(Option::is_some)
            })
            .map(|(_, _, parts)| names(parts).into_iter().collect())
            .collect();
        let primary: BTreeSet<String> = columns
            .iter()
            .filter(|column| column.key > 0)
            .map(|column| column.name.to_ascii_lowercase())
            .collect();
        if !primary.is_empty() {
            unique.insert(primary);
        }
        let mut others = conn.prepare(
            "SELECT type, name, sql FROM main.sqlite_master
            WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        )?;
        let (mut indexes, mut triggers) = (Vec::new(), Vec::new());
        let mut rows = others.query([table])?;
        while let Some(row) = rows.next()? {
            let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if kind == "trigger" {
                triggers.push(name);
            } else {
                let columns = keys.get(&name).map(|(_, _, parts)| names(parts)).unwrap_or_default();
                indexes.push(Index { signature: signature(&sql), name, columns });
            }
        }
        let has_sequence = Tokens::new(&sql).any(|token| token.is("autoincrement"));
        let sequence = if has_sequence {
            conn.query_row(
                "SELECT max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE",
                [table],
                |row| row.get::<_, Option<i64>>(0),
            )?
        } else {
            None
        };
        Ok(Self { sql, columns, unique, indexes, triggers, sequence })
    }

    /// The columns of its primary key, or else of one of its unique keys, quoted.
    pub(super) fn key(&self) -> Vec<String> {
        let mut primary: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        primary.sort_by_key(|column| column.key);
        if primary.is_empty() {
            return self
                .unique
                .first()
                .map(|key| key.iter().map(|name| quote(name)).collect())
                .unwrap_or_default();
        }
        primary.iter().map(|column| quote(&column.name)).collect()
    }

    /// Whether the table has a column.
    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether a column is the row number, so that a new row gets one.
    fn numbers_rows(&self) -> bool {
        let mut key = self.columns.iter().filter(|column| column.key > 0);
        let first = key.next();
        first.is_some_and(|column| column.declared.eq_ignore_ascii_case("integer"))
            && key.next().is_none()
            && !Tokens::new(&self.sql).any(|token| token.is("without"))
    }

    fn checks(&self) -> usize {
        Tokens::new(&self.sql).filter(|token| token.is("check")).count()
    }

    /// What `new`, which has replaced this table, lacks.
    pub(super) fn lacks(&self, new: &Self) -> Lacks {
        let mut lacks = Lacks::default();
        let kept_columns = |columns: &[String]| columns.iter().all(|column| new.has(column));
        for index in self.indexes.iter().filter(|index| kept_columns(&index.columns)) {
            let is_same = |other: &Index| {
                other.name.eq_ignore_ascii_case(&index.name) || other.signature == index.signature
            };
            if !new.indexes.iter().any(is_same) {
                lacks.objects.push(format!("the index `{}`", index.name));
            }
        }
        for trigger in &self.triggers {
            if !new.triggers.iter().any(|other| other.eq_ignore_ascii_case(trigger)) {
                lacks.objects.push(format!("the trigger `{trigger}`"));
            }
        }
        let is_of_index = |key: &BTreeSet<String>| {
            self.indexes.iter().any(|index| index.columns.iter().cloned().collect::<BTreeSet<_>>() == *key)
        };
        for key in self.unique.difference(&new.unique) {
            let columns: Vec<String> = key.iter().cloned().collect();
            if kept_columns(&columns) && !is_of_index(key) {
                let is_primary = *key == self.primary();
                let what = if is_primary { "the primary key" } else { "the UNIQUE constraint" };
                lacks.objects.push(format!("{what} on `{}`", columns.join("`, `")));
            }
        }
        if self.numbers_rows() && !new.numbers_rows() && self.primary() == new.primary() {
            lacks
                .objects
                .push(format!("the numbering of rows by `{}` (its type must be INTEGER)", self.first_key()));
        }
        for column in self.columns.iter().filter(|column| column.default.is_some()) {
            let other = new.columns.iter().find(|other| other.name.eq_ignore_ascii_case(&column.name));
            if other.is_some_and(|other| other.default.is_none()) {
                lacks.objects.push(format!("the default of `{}`", column.name));
            }
        }
        if self.checks() > new.checks() {
            lacks.objects.push("a CHECK constraint".to_owned());
        }
        for column in &self.columns {
            let other = new.columns.iter().find(|other| other.name.eq_ignore_ascii_case(&column.name));
            if let Some(other) =
                other.filter(|other| is_numeric(&other.declared) && !is_numeric(&column.declared))
            {
                lacks.numbers.push((other.name.clone(), column.declared.clone(), other.declared.clone()));
            }
        }
        lacks
    }

    fn primary(&self) -> BTreeSet<String> {
        self.columns
            .iter()
            .filter(|column| column.key > 0)
            .map(|column| column.name.to_ascii_lowercase())
            .collect()
    }

    fn first_key(&self) -> &str {
        self.columns.iter().find(|column| column.key > 0).map_or("", |column| &column.name)
    }
}

fn sql_of(conn: &Connection, table: &str) -> rusqlite::Result<String> {
    let sql =
        "SELECT coalesce(sql, '') FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    Ok(conn.query_row(sql, [table], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// The text of an index after the name of its table, without regard to case and white space, and whether it is unique.
fn signature(sql: &str) -> String {
    let mut tokens = Tokens::new(sql).skip_while(|token| !token.is("on")).skip(2);
    let is_unique = Tokens::new(sql).nth(1).is_some_and(|token| token.is("unique"));
    let mut signature = if is_unique { "unique ".to_owned() } else { String::new() };
    tokens.by_ref().for_each(|token| match token {
        Token::Mark(mark) => signature.push(char::from(mark)),
        Token::Word(word) | Token::Quoted(word) => {
            signature.push_str(&word.to_ascii_lowercase());
            signature.push(' ');
        }
    });
    signature
}

/// Whether a column of this type turns a text that looks like a number into a number (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>).
fn is_numeric(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    has(&["INT"]) || !(has(&["CHAR", "CLOB", "TEXT", "BLOB"]) || declared.is_empty() || declared == "ANY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replaced_table_had_is_compared() {
        let rows = [
            // the table, what belongs to it, and the table that replaces it with what belongs to that
            ("t(a INTEGER PRIMARY KEY, b)", "CREATE INDEX i ON t(b)", "", "the index `i`"),
            ("t(a INTEGER PRIMARY KEY, b)", "CREATE INDEX i ON t(b)", "CREATE INDEX j ON t( B )", ""),
            ("t(a, b UNIQUE)", "", "", "the UNIQUE constraint on `b`"),
            ("t(a, b, UNIQUE (b, a))", "", "CREATE UNIQUE INDEX u ON t(a, b)", ""),
            ("t(a PRIMARY KEY, b)", "", "", "the primary key on `a`"),
            ("t(a, b DEFAULT 1)", "", "", "the default of `b`"),
            ("t(a, b CHECK (b > 0))", "", "", "a CHECK constraint"),
            ("t(a, b, gone UNIQUE)", "CREATE INDEX i ON t(gone)", "", ""),
            ("t(a, b)", "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", "", "the trigger `g`"),
            ("t(a, b TEXT)", "", "", ""),
        ];
        for (table, with, then, expected) in rows {
            let conn = Connection::open_in_memory().unwrap();
            conn.execute_batch(&format!("CREATE TABLE {table}; {with}")).unwrap();
            let old = Definition::of(&conn, "T").unwrap();
            let key = if table.starts_with("t(a INTEGER") { "a INTEGER PRIMARY KEY" } else { "a" };
            conn.execute_batch(&format!("DROP TABLE t; CREATE TABLE t({key}, b); {then}")).unwrap();
            let new = Definition::of(&conn, "t").unwrap();
            assert_eq!(old.lacks(&new).objects.join(", "), expected, "{table} {with}");
        }
    }

    #[test]
    fn a_numeric_type_is_recognised() {
        let rows = [
            ("INTEGER", true),
            ("TEXT", false),
            ("", false),
            ("NUMERIC", true),
            ("VARCHAR(3)", false),
            ("REAL", true),
            ("BLOB", false),
            ("DATE", true),
            ("POINT", true),
        ];
        for (declared, expected) in rows {
            assert_eq!(is_numeric(declared), expected, "{declared}");
        }
    }
}
