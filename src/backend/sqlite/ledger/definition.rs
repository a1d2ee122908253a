//! [`Definition`]: what belongs to a table, and what a table that replaces it lost.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use super::affinity::{Affinity, affinity, changes_as_number, is_numeric};
use super::ask::truths;
use super::clauses::top;
use crate::backend::sqlite::query::value;
use crate::dialect::quote;
use crate::sql::{Token, Tokens, folded, folded_set, has_word, part, same_name};

/// A table as the schema defines it, with its indexes and triggers.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    sql: String,
    columns: Vec<Column>,
    /// The columns of each unique constraint and unique index, in lower case, sorted. A key with an expression is left out.
    unique: Vec<BTreeSet<String>>,
    /// The named indexes, each with the text after the name of its table, and its columns.
    indexes: Vec<Index>,
    triggers: Vec<String>,
    keys: Vec<ForeignKey>,
    /// Whether an index holds its primary key, so that no column of it is the row number.
    has_key_index: bool,
    /// The last number of `AUTOINCREMENT`.
    pub(super) sequence: Option<i64>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    declared: String,
    default: Option<String>,
    key: i64,
    /// Whether it holds a text that would be another one as a number, if that was looked for.
    has_texts: bool,
}

#[derive(Debug, Clone)]
struct ForeignKey {
    columns: BTreeSet<String>,
    parent: String,
    /// What it does when its parent is deleted, or gets another key.
    actions: [String; 2],
}

#[derive(Debug, Clone)]
struct Index {
    name: String,
    columns: Vec<String>,
    signature: String,
    is_unique: bool,
    /// The names that it mentions, in lower case.
    names: BTreeSet<String>,
}

/// The columns of an index, in lower case.
struct KeyIndex {
    name: String,
    columns: Vec<String>,
    /// Whether no two rows have the same values in them. An index with an expression or a condition is no key.
    is_key: bool,
}

/// What a table that replaces another one lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Indexes, triggers, constraints and defaults, in words.
    pub(super) objects: Vec<String>,
    /// Foreign keys, in words, and their parent tables.
    pub(super) keys: Vec<(String, String)>,
    /// Columns whose type now turns texts into numbers: the name, the old type and the new one.
    pub(super) numbers: Vec<(String, String, String)>,
}

impl Definition {
    /// Notes which columns hold texts that would be other ones as numbers.
    pub(super) fn look_for_texts(&mut self, conn: &Connection, table: &str) -> rusqlite::Result<()> {
        let is_strict = self.is_strict();
        let mut asked: Vec<&mut Column> = self
            .columns
            .iter_mut()
            .filter(|column| affinity(&column.declared, is_strict) != Affinity::Numeric)
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let results: Vec<String> =
            asked.iter().map(|column| format!("max({})", changes_as_number(&quote(&column.name)))).collect();
        let sql = format!("SELECT {} FROM main.{}", results.join(", "), quote(table));
        // This connection may lack a function of a generated column.
        for (column, has_texts) in asked.iter_mut().zip(truths(conn, &sql)?.unwrap_or_default()) {
            column.has_texts = has_texts;
        }
        Ok(())
    }

    /// The definition of a table in `main`; it is empty if there is no such table.
    pub(super) fn read(conn: &Connection, table: &str) -> rusqlite::Result<Self> {
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
                    has_texts: false,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut keyed = Vec::<KeyIndex>::new();
        let mut has_key_index = false;
        let mut members = conn.prepare(
            "SELECT l.name, l.\"unique\", l.partial, k.name, l.origin = 'pk' FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS k
            WHERE k.key ORDER BY l.seq, k.seqno",
        )?;
        let mut rows = members.query([table])?;
        while let Some(row) = rows.next()? {
            has_key_index |= row.get::<_, bool>(4)?;
            let name: String = row.get(0)?;
            if keyed.last().is_none_or(|index| index.name != name) {
                keyed.push(KeyIndex {
                    name,
                    is_key: row.get::<_, bool>(1)? && !row.get::<_, bool>(2)?,
                    columns: Vec::new(),
                });
            }
            let Some(index) = keyed.last_mut() else { continue };
            match row.get::<_, Option<String>>(3)? {
                Some(column) => index.columns.push(folded(&column)),
                None => index.is_key = false,
            }
        }
        let keys = keyed.iter().filter(|index| index.is_key).map(|index| as_set(&index.columns));
        let mut unique = Vec::new();
        for key in keys.chain([primary(&columns)]).filter(|key| !key.is_empty()) {
            if let Err(place) = unique.binary_search(&key) {
                unique.insert(place, key);
            }
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
                let key = keyed.iter().find(|index| index.name == name);
                let columns = key.map(|index| index.columns.clone()).unwrap_or_default();
                let is_unique = is_unique(&sql);
                let names = Tokens::new(&sql).skip_while(|token| !token.is("on")).skip(2);
                let names = folded_set(names.filter_map(Token::spelling));
                indexes.push(Index { signature: signature(&sql), name, columns, is_unique, names });
            }
        }
        let sequence = if has_autoincrement(&sql) {
            let sql =
                "SELECT max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE";
            value(conn, sql, &[table])?
        } else {
            None
        };
        let keys = foreign_keys(conn, table)?;
        Ok(Self { sql, columns, unique, indexes, triggers, keys, has_key_index, sequence })
    }

    /// Whether `AUTOINCREMENT` numbers its rows.
    fn has_sequence(&self) -> bool {
        has_autoincrement(&self.sql)
    }

    /// The columns of its primary key, or else of one of its unique keys, quoted.
    pub(super) fn key(&self) -> Vec<String> {
        let primary = (1..).map_while(|place| self.columns.iter().find(|column| column.key == place));
        let primary: Vec<String> = primary.map(|column| quote(&column.name)).collect();
        if !primary.is_empty() {
            return primary;
        }
        self.unique.first().into_iter().flatten().map(|name| quote(name)).collect()
    }

    /// The names of its columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The names of its columns, with their types.
    pub(super) fn types(&self) -> Vec<(String, String)> {
        self.columns.iter().map(|column| (column.name.clone(), column.declared.clone())).collect()
    }

    /// Whether the table has a column.
    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| same_name(&column.name, name))
    }

    /// Whether a column is the row number, so that a new row gets one.
    pub(super) fn numbers_rows(&self) -> bool {
        let mut key = self.columns.iter().filter(|column| column.key > 0);
        let first = key.next();
        first.is_some_and(|column| same_name(&column.declared, "integer"))
            && key.next().is_none()
            && !self.has_key_index
    }

    fn is_strict(&self) -> bool {
        is_strict(&self.sql)
    }

    /// The columns with a collation, and its name.
    fn collations(&self) -> Vec<(String, String)> {
        let mut definition = Tokens::new(&self.sql);
        definition.find(|token| *token == Token::Mark(b'('));
        let columns = part(&self.sql, definition.offset()..);
        let mut collations = Vec::new();
        let tokens = top(columns);
        for column in tokens.split(|(token, ..)| *token == Token::Mark(b',')) {
            let name = |at: usize| Tokens::new(part(columns, at..)).next_name();
            let collate = column.iter().position(|(token, ..)| token.is("collate"));
            let collation = collate.and_then(|at| column.get(at + 1)).and_then(|(_, at, _)| name(*at));
            let column = column.first().and_then(|(_, at, _)| name(*at));
            collations.extend(column.zip(collation));
        }
        collations
    }

    /// The names in each CHECK constraint, in lower case.
    fn checks(&self) -> Vec<BTreeSet<String>> {
        let (mut tokens, mut checks) = (Tokens::new(&self.sql), Vec::new());
        while tokens.find(|token| token.is("check")).is_some() {
            let (mut depth, mut names) = (0, BTreeSet::new());
            for token in tokens.by_ref() {
                match token {
                    Token::Mark(b'(') => depth += 1,
                    Token::Mark(b')') => depth -= 1,
                    _ => names.extend(token.spelling().map(folded)),
                }
                if depth <= 0 {
                    break;
                }
            }
            checks.push(names);
        }
        checks
    }

    /// What `new`, which has replaced this table, lost.
    ///
    /// What mentions a column that went is meant to go with it. NOT NULL is not compared: to drop it is the usual reason for a rebuild.
    pub(super) fn lost_in(&self, new: &Self) -> Lost {
        let mut lost = Lost::default();
        let kept_columns = |columns: &[String]| columns.iter().all(|column| new.has(column));
        let gone: Vec<String> = self
            .columns
            .iter()
            .filter(|column| !new.has(&column.name))
            .map(|column| folded(&column.name))
            .collect();
        let is_kept = |names: &BTreeSet<String>| !gone.iter().any(|column| names.contains(column));
        for index in self.indexes.iter().filter(|index| is_kept(&index.names)) {
            let has_name = |other: &&Index| same_name(&other.name, &index.name);
            if new.indexes.iter().any(|other| other.signature == index.signature) {
                continue;
            }
            match new.indexes.iter().find(has_name) {
                None => lost.objects.push(format!("the index `{}`", index.name)),
                Some(other) => {
                    let is_key = || new.unique.contains(&as_set(&index.columns));
                    if index.is_unique && !other.is_unique && !is_key() {
                        lost.objects.push(format!("the index `{}` as a UNIQUE one", index.name));
                    }
                }
            }
        }
        for trigger in &self.triggers {
            if !new.triggers.iter().any(|other| same_name(other, trigger)) {
                lost.objects.push(format!("the trigger `{trigger}`"));
            }
        }
        let is_of_index =
            |key: &BTreeSet<String>| self.indexes.iter().any(|index| as_set(&index.columns) == *key);
        for key in self.unique.iter().filter(|key| !new.unique.contains(key)) {
            let columns: Vec<String> = key.iter().cloned().collect();
            if kept_columns(&columns) && !is_of_index(key) {
                let is_primary = *key == self.primary();
                let what = if is_primary { "the primary key" } else { "the UNIQUE constraint" };
                lost.objects.push(format!("{what} on `{}`", columns.join("`, `")));
            }
        }
        if self.numbers_rows() && !new.numbers_rows() && self.primary() == new.primary() {
            lost.objects.push(format!(
                "the numbering of rows by `{0}` (`{0}` INTEGER PRIMARY KEY)",
                self.first_key()
            ));
        } else if self.has_sequence() && !new.has_sequence() && new.has(self.first_key()) {
            lost.objects.push(format!("AUTOINCREMENT of `{}`", self.first_key()));
        }
        for key in &self.keys {
            let columns: Vec<String> = key.columns.iter().cloned().collect();
            let others = || new.keys.iter().filter(|other| other.columns == key.columns);
            for (place, verb) in ["DELETE", "UPDATE"].into_iter().enumerate() {
                let action = &key.actions[place];
                let does_nothing = |action: &str| [NO_ACTION, "RESTRICT"].contains(&action);
                let is_lost =
                    !does_nothing(action) && others().all(|other| does_nothing(&other.actions[place]));
                if is_lost && others().next().is_some() {
                    lost.objects
                        .push(format!("ON {verb} {action} of the foreign key of `{}`", columns.join("`, `")));
                }
            }
            if kept_columns(&columns) && others().next().is_none() {
                let what = format!("the foreign key of `{}` to `{}`", columns.join("`, `"), key.parent);
                lost.keys.push((what, key.parent.clone()));
            }
        }
        for column in self.columns.iter().filter(|column| column.default.is_some()) {
            let other = new.columns.iter().find(|other| same_name(&other.name, &column.name));
            if other.is_some_and(|other| other.default.is_none()) {
                lost.objects.push(format!("the default of `{}`", column.name));
            }
        }
        if self.is_strict() && !new.is_strict() {
            lost.objects.push("STRICT".to_owned());
        }
        for (column, collation) in self.collations() {
            let is_kept = |(other, _): &(String, String)| same_name(other, &column);
            if !same_name(&collation, "binary") && new.has(&column) && !new.collations().iter().any(is_kept) {
                lost.objects.push(format!("COLLATE {collation} of `{column}`"));
            }
        }
        if self.checks().iter().filter(|names| is_kept(names)).count() > new.checks().len() {
            lost.objects.push("a CHECK constraint".to_owned());
        }
        for column in self.columns.iter().filter(|column| column.has_texts) {
            let other = new.columns.iter().find(|other| same_name(&other.name, &column.name));
            let is_numeric =
                |other: &&Column| affinity(&other.declared, new.is_strict()) == Affinity::Numeric;
            if let Some(other) = other.filter(is_numeric) {
                lost.numbers.push((other.name.clone(), column.declared.clone(), other.declared.clone()));
            }
        }
        lost
    }

    /// Whether a column of an old type has texts that become numbers when it has a new one, in another table.
    pub(super) fn is_number_in(
        &self,
        conn: &Connection,
        table: &str,
        [was, is]: [&str; 2],
    ) -> rusqlite::Result<bool> {
        if affinity(was, self.is_strict()) == Affinity::Numeric || !is_numeric(is) {
            return Ok(false);
        }
        Ok(!same_name(is, "any") || !is_strict(&sql_of(conn, table)?))
    }

    fn primary(&self) -> BTreeSet<String> {
        primary(&self.columns)
    }

    fn first_key(&self) -> &str {
        self.columns.iter().find(|column| column.key > 0).map_or("", |column| &column.name)
    }
}

fn sql_of(conn: &Connection, table: &str) -> rusqlite::Result<String> {
    let sql =
        "SELECT coalesce(sql, '') FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    Ok(value(conn, sql, &[table]).optional()?.unwrap_or_default())
}

/// The columns of the primary key, in lower case.
fn primary(columns: &[Column]) -> BTreeSet<String> {
    let key = columns.iter().filter(|column| column.key > 0);
    folded_set(key.map(|column| column.name.as_str()))
}

fn as_set(names: &[String]) -> BTreeSet<String> {
    folded_set(names.iter().map(String::as_str))
}

/// Whether the definition of a table ends with `STRICT`.
fn is_strict(sql: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(sql).collect();
    let after = tokens.iter().rposition(|token| *token == Token::Mark(b')')).unwrap_or_default();
    tokens[after..].iter().any(|token| token.is("strict"))
}

/// Whether the definition of a table has `AUTOINCREMENT`.
pub(super) fn has_autoincrement(sql: &str) -> bool {
    has_word(sql, &["autoincrement"])
}

/// Whether the definition of an index begins with `CREATE UNIQUE`.
fn is_unique(sql: &str) -> bool {
    Tokens::new(sql).nth(1).is_some_and(|token| token.is("unique"))
}

/// The text of an index after the name of its table, without regard to case and white space, and whether it is unique.
fn signature(sql: &str) -> String {
    let tokens = Tokens::new(sql).skip_while(|token| !token.is("on")).skip(2);
    let mut signature = if is_unique(sql) { "unique ".to_owned() } else { String::new() };
    tokens.for_each(|token| match token {
        Token::Mark(mark) => signature.push(char::from(mark)),
        Token::Word(word) | Token::Quoted(word) => {
            signature.push_str(&folded(word));
            signature.push(' ');
        }
    });
    signature
}

/// What a foreign key does that says nothing.
const NO_ACTION: &str = "NO ACTION";

/// The foreign keys of a table.
fn foreign_keys(conn: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT id, \"from\", \"table\", on_delete, on_update FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq";
    let (mut keys, mut last) = (Vec::<ForeignKey>::new(), None);
    let mut parts = conn.prepare(sql)?;
    let mut rows = parts.query([table])?;
    while let Some(row) = rows.next()? {
        let (id, column, parent): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if last != Some(id) {
            let actions = [row.get(3)?, row.get(4)?];
            keys.push(ForeignKey { columns: BTreeSet::new(), parent, actions });
        }
        last = Some(id);
        keys.last_mut().map(|key| key.columns.insert(folded(&column)));
    }
    Ok(keys)
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
            let old = Definition::read(&conn, "T").unwrap();
            let key = if table.starts_with("t(a INTEGER") { "a INTEGER PRIMARY KEY" } else { "a" };
            conn.execute_batch(&format!("DROP TABLE t; CREATE TABLE t({key}, b); {then}")).unwrap();
            let new = Definition::read(&conn, "t").unwrap();
            assert_eq!(old.lost_in(&new).objects.join(", "), expected, "{table} {with}");
        }
    }
}
