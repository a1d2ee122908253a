//! [`Table`]: what must be known about a table to make rows for it.

use super::wanted::Values;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::checks::{accepted, checks};
use super::pool::{self, Kind};
use crate::schema::{Definition, Schema};
use crate::sql::{Token, Tokens, same_name};

#[derive(Debug, Clone)]
pub(in crate::test_utils) struct Table {
    pub(in crate::test_utils) name: String,
    /// The columns that an `INSERT` may name.
    pub(in crate::test_utils) columns: Vec<Column>,
    /// Those with the most columns first, since they leave the least choice.
    pub(super) references: Vec<Reference>,
    /// Why it has to stay empty.
    pub(super) obstacle: Option<String>,
}

#[derive(Debug, Clone)]
pub(in crate::test_utils) struct Column {
    pub(super) name: String,
    pub(in crate::test_utils) kind: Kind,
    pub(in crate::test_utils) is_nullable: bool,
    pub(in crate::test_utils) has_default: bool,
    pub(in crate::test_utils) role: Role,
    pub(super) values: Values,
    /// Some values were refused by a check of this column alone.
    pub(in crate::test_utils) is_checked: bool,
    /// Values to try, ordinary ones first.
    pub(in crate::test_utils) pool: Vec<Value>,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::test_utils) enum Role {
    /// From the pool.
    Data,
    /// From SQLite, which numbers the rows: an `INTEGER PRIMARY KEY`.
    Rowid,
    /// From another row: it is part of a foreign key.
    Reference,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) parent: String,
    /// Places of columns, each with the column of the parent that it references.
    pub(super) pairs: Vec<(usize, String)>,
}

impl Column {
    /// A value for the row with this number: another one for each row, unless a check leaves too few.
    pub(super) fn value(&self, number: usize) -> Value {
        if self.is_checked { self.unusual(number) } else { pool::ordinary(self.kind, &self.name, number) }
    }

    /// A value of the pool, counted around.
    pub(super) fn unusual(&self, number: usize) -> Value {
        // A pool is never empty.
        self.pool.get(number % self.pool.len().max(1)).cloned().unwrap_or(Value::Null)
    }
}

impl Reference {
    /// The columns that make it reference nothing.
    pub(super) fn nullable<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = usize> + 'a {
        self.pairs.iter().map(|(column, _)| *column).filter(|column| table.columns[*column].is_nullable)
    }
}

/// The tables of a schema, in the order of their names.
pub(in crate::test_utils) fn of_schema(conn: &Connection, schema: &Schema) -> rusqlite::Result<Vec<Table>> {
    let tables = schema.definitions().iter().filter(|definition| definition.kind == "table");
    let mut tables: Vec<Table> =
        tables.map(|definition| Table::read(conn, definition)).collect::<rusqlite::Result<_>>()?;
    // A key that is NULL cannot be referenced.
    let of_table = |table: &Table| table.references.clone();
    for Reference { parent, pairs } in tables.iter().flat_map(of_table).collect::<Vec<_>>() {
        let parent = tables.iter_mut().find(|table| same_name(&table.name, &parent));
        let keys = parent.into_iter().flat_map(|parent| &mut parent.columns);
        for key in keys.filter(|key| pairs.iter().any(|(_, of)| same_name(of, &key.name))) {
            key.is_nullable &= key.role == Role::Reference;
        }
    }
    Ok(tables)
}

impl Table {
    fn read(conn: &Connection, definition: &Definition) -> rusqlite::Result<Self> {
        let name = definition.name.clone();
        let mut columns = match columns(conn, &name) {
            Ok(columns) => columns,
            // The module of a virtual table is missing.
            Err(error) => {
                let obstacle = Some(error.to_string());
                return Ok(Self { name, columns: Vec::new(), references: Vec::new(), obstacle });
            }
        };
        let references = references(conn, &name, &columns)?;
        for (column, _) in references.iter().flat_map(|reference| &reference.pairs) {
            columns[*column].role = Role::Reference;
        }
        let checks = checks(&definition.sql);
        let objects = pool::objects(&definition.sql);
        for column in &mut columns {
            column.pool = pool::candidates(column.kind, &column.name, &checks);
            column.pool.extend(objects.iter().filter(|_| column.kind.has_texts()).cloned());
            if column.role == Role::Rowid {
                column.pool.retain(|value| *value != Value::Integer(i64::MAX));
            }
            let is_accepted = accepted(conn, &column.name, &checks);
            // Otherwise every row with NULL wherever it may be would be refused, and other columns would get no NULL either.
            column.is_nullable &= is_accepted(&Value::Null);
            let pool: Vec<Value> = column.pool.iter().filter(|value| is_accepted(value)).cloned().collect();
            // A check that nothing satisfies may mean more than this column.
            if !pool.is_empty() {
                column.is_checked = pool.len() < column.pool.len();
                column.pool = pool;
            }
        }
        let obstacle = has_foreign_content(&definition.sql)
            .then(|| "its content is that of another table, so its rows come from triggers".to_owned());
        Ok(Self { name, columns, references, obstacle })
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| same_name(&column.name, name))
    }
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    // Generated columns and those that a virtual table hides cannot be inserted. A primary key that is the rowid has no index.
    let sql = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk > 0,
        pk > 0 AND lower(type) = 'integer' AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'), hidden,
        EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') AS i WHERE i.\"unique\"
            AND cid = (SELECT k.cid FROM pragma_index_info(i.name, 'main') AS k ORDER BY k.seqno DESC LIMIT 1))
        FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let mut statement = conn.prepare(sql)?;
    let columns = statement.query_map([table], |row| {
        let (is_key, declared): (bool, String) = (row.get(4)?, row.get(1)?);
        let is_visible = row.get::<_, i64>(6)? == 0;
        Ok(is_visible.then_some(Column {
            name: row.get(0)?,
            kind: Kind::of(&declared),
            is_nullable: !row.get::<_, bool>(2)? && !is_key,
            has_default: row.get(3)?,
            role: if row.get(5)? { Role::Rowid } else { Role::Data },
            values: if row.get(7)? { Values::Distinct } else { Values::Repeated },
            is_checked: false,
            pool: Vec::new(),
        }))
    })?;
    columns.filter_map(Result::transpose).collect()
}

fn references(conn: &Connection, table: &str, columns: &[Column]) -> rusqlite::Result<Vec<Reference>> {
    let sql = "SELECT k.id, k.\"table\", k.\"from\", coalesce(k.\"to\",
            (SELECT p.name FROM pragma_table_xinfo(k.\"table\", 'main') AS p WHERE p.pk = k.seq + 1), '')
        FROM pragma_foreign_key_list(?1, 'main') AS k ORDER BY k.id, k.seq";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([table])?;
    let mut references: Vec<(i64, Reference)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, from): (i64, String) = (row.get(0)?, row.get(2)?);
        // A generated column has the value that it has.
        let Some(column) = columns.iter().position(|column| same_name(&column.name, &from)) else { continue };
        let pair = (column, row.get(3)?);
        match references.last_mut().filter(|(last, _)| *last == id) {
            Some((_, reference)) => reference.pairs.push(pair),
            None => references.push((id, Reference { parent: row.get(1)?, pairs: vec![pair] })),
        }
    }
    references.sort_by_key(|(_, reference)| std::cmp::Reverse(reference.pairs.len()));
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}

/// Whether it is a full-text table without content of its own.
fn has_foreign_content(sql: &str) -> bool {
    let mut tokens = Tokens::new(sql);
    let is_virtual = tokens.nth(1).is_some_and(|token| token.is("virtual"));
    let tokens: Vec<Token<'_>> = tokens.collect();
    // `content = ''` is a table that stores no content, and that one accepts rows.
    is_virtual
        && tokens.windows(3).any(|option| {
            option[0].is("content") && option[1] == Token::Mark(b'=') && option[2] != Token::Quoted("")
        })
}
