//! [`Act`]: what a statement does to the schema or to rows, read from its words.

use super::super::cursor::TokenCursor;
use super::super::target::{Target, Verb, target};
use crate::sql::{Token, Tokens, folded, has_word, mentions, same_name, statements};

/// What a statement does to the schema or to rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act<'a> {
    /// It creates something, unless that may exist and does. `on` is the table of an index or a trigger.
    Creates {
        kind: &'static str,
        name: Name,
        may_exist: bool,
        on: Option<Name>,
    },
    Drops {
        kind: &'static str,
        name: Name,
    },
    Renames {
        table: Name,
        to: String,
    },
    /// It renames a column, or drops it.
    ChangesColumn {
        table: Name,
        column: String,
        /// Its new name; `None` if it is dropped.
        to: Option<String>,
    },
    /// It adds a column.
    Alters(Name),
    Writes {
        table: Name,
        verb: Verb,
        head: &'a str,
        /// Whether it deletes all rows, since it has no WHERE.
        names_all: bool,
    },
    /// It sets a savepoint, or begins a transaction.
    Begins(String),
    /// It releases a savepoint, or commits the transaction.
    Keeps(String),
    /// It undoes everything since a savepoint, or since the beginning of the transaction.
    Undoes(String),
    /// It allows the table of the schema to be written.
    OpensSchema,
    /// It does none of these.
    Other,
}

/// A name as SQLite reads it, and the database that is written before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) database: Option<String>,
    pub(super) name: String,
}

impl Name {
    pub(super) fn is_in(&self, database: &str) -> bool {
        self.database.as_deref().is_some_and(|own| same_name(own, database))
    }

    /// Whether it is the table of the schema.
    pub(super) fn is_schema(&self) -> bool {
        ["sqlite_master", "sqlite_schema"].iter().any(|schema| same_name(&self.name, schema))
    }

    /// The name in lower case.
    pub(super) fn key(&self) -> String {
        folded(&self.name)
    }
}

const KINDS: [&str; 4] = ["table", "index", "view", "trigger"];

impl<'a> Act<'a> {
    pub(super) fn of(own: &'a str) -> Self {
        Self::read(own).unwrap_or(Self::Other)
    }

    fn read(own: &'a str) -> Option<Self> {
        let mut words = TokenCursor::new(own);
        let first = words.next()?;
        if first.is("create") {
            let is_temp = words.skip_if("temp") || words.skip_if("temporary");
            _ = words.skip_if("unique") || words.skip_if("virtual");
            let kind = kind(&mut words)?;
            let may_exist = words.skip_exists();
            let mut name = name(&mut words)?;
            if is_temp {
                name.database = Some("temp".to_owned());
            }
            let has_table = kind == "index" || kind == "trigger";
            let on = if has_table {
                words.find(|token| token.is("on")).and_then(|_| self::name(&mut words))
            } else {
                None
            };
            Some(Self::Creates { kind, name, may_exist, on })
        } else if first.is("drop") {
            let kind = kind(&mut words)?;
            words.skip_exists();
            Some(Self::Drops { kind, name: name(&mut words)? })
        } else if first.is("alter") {
            kind(&mut words)?;
            let table = name(&mut words)?;
            if words.skip_if("rename") {
                if words.skip_if("to") {
                    return Some(Self::Renames { table, to: name(&mut words)?.name });
                }
                let column = column(&mut words)?;
                words.skip_if("to");
                let to = Some(words.next_name()?);
                return Some(Self::ChangesColumn { table, column, to });
            }
            if words.skip_if("drop") {
                return Some(Self::ChangesColumn { table, column: column(&mut words)?, to: None });
            }
            Some(Self::Alters(table))
        } else if first.is("savepoint") {
            Some(Self::Begins(name(&mut words)?.key()))
        } else if first.is("begin") {
            Some(Self::Begins(String::new()))
        } else if first.is("release") {
            words.skip_if("savepoint");
            Some(Self::Keeps(name(&mut words)?.key()))
        } else if first.is("commit") || first.is("end") {
            Some(Self::Keeps(String::new()))
        } else if first.is("rollback") {
            words.skip_if("transaction");
            if !words.skip_if("to") {
                return Some(Self::Undoes(String::new()));
            }
            words.skip_if("savepoint");
            Some(Self::Undoes(name(&mut words)?.key()))
        } else if first.is("pragma") {
            let mut name = name(&mut words)?.name;
            name.make_ascii_lowercase();
            let is_set = words.next().is_some();
            (name == "writable_schema" && is_set).then_some(Self::OpensSchema)
        } else {
            let Target { verb, names_all, head, .. } =
                target(own).filter(|target| target.verb != Verb::Drops)?;
            Some(Self::Writes { table: last_name(head)?, verb, head, names_all })
        }
    }
}

/// The statements of a script that drop tables.
pub(super) struct TableDrops {
    /// The offset and the text of the last one.
    last: (usize, String),
    tables: Vec<String>,
}

impl TableDrops {
    /// Those of a script; `None` if it has none.
    pub(super) fn of(script: &str) -> Option<Self> {
        if !has_word(script, &["drop"]) {
            return None;
        }
        let (mut last, mut tables) = (None, Vec::new());
        for (at, own) in statements(script) {
            if let Act::Drops { kind: "table", name } = Act::of(own) {
                last = Some((at, own));
                tables.push(name.name);
            }
        }
        last.map(|(at, own)| Self { last: (at, own.to_owned()), tables })
    }

    /// The last one, if it is behind this offset.
    pub(super) fn last_behind(&self, offset: usize) -> Option<&str> {
        (self.last.0 > offset).then_some(&self.last.1)
    }

    /// Whether a query names a table that the script drops.
    pub(super) fn are_named_in(&self, query: &str) -> bool {
        self.tables.iter().any(|table| mentions(query, table))
    }
}

/// A column that a script drops, and where.
pub(super) struct DroppedColumn {
    pub(super) offset: usize,
    table: String,
    column: String,
}

impl DroppedColumn {
    /// Its name, if it is a column of this table.
    pub(super) fn of(&self, table: &str) -> Option<&str> {
        same_name(&self.table, table).then_some(&self.column)
    }

    pub(super) fn is(&self, table: &str, column: &str) -> bool {
        same_name(&self.table, table) && same_name(&self.column, column)
    }
}

/// The columns that a script drops.
pub(super) fn dropped_columns(script: &str) -> Vec<DroppedColumn> {
    if !has_word(script, &["drop"]) {
        return Vec::new();
    }
    let dropped = |(offset, own)| match Act::of(own) {
        Act::ChangesColumn { table, column, to: None } => {
            Some(DroppedColumn { offset, table: table.name, column })
        }
        _ => None,
    };
    statements(script).filter_map(dropped).collect()
}

fn kind(words: &mut TokenCursor<'_>) -> Option<&'static str> {
    KINDS.into_iter().find(|kind| words.skip_if(kind))
}

/// The name of a column, after the word COLUMN or without it.
fn column(words: &mut TokenCursor<'_>) -> Option<String> {
    words.skip_if("column");
    words.next_name()
}

fn name(words: &mut TokenCursor<'_>) -> Option<Name> {
    words.full_name().map(|(database, name)| Name { database, name })
}

/// The name that ends a text.
fn last_name(head: &str) -> Option<Name> {
    let mut words = TokenCursor::new(head);
    let mut names = Vec::new();
    loop {
        let is_dot = words.skip_dot();
        if words.offset() >= head.len() {
            break;
        }
        if let Some(name) = words.next_name() {
            names.push((is_dot, name));
        } else {
            words.next();
            names.clear();
        }
    }
    match names.pop()? {
        (true, name) => Some(Name { database: Some(names.pop()?.1), name }),
        (false, name) => Some(Name { database: None, name }),
    }
}

/// What decides which programs a statement runs: its beginning, and for an update the columns that it sets.
pub(super) fn form(own: &str, verb: Verb, head: &str) -> String {
    let is_upsert = verb == Verb::Replaces && has_word(own, &["conflict"]);
    if verb != Verb::Updates && !is_upsert {
        return head.to_owned();
    }
    let (mut depth, mut previous) = (0_i32, None);
    let mut columns = String::new();
    for token in Tokens::new(own.get(head.len()..).unwrap_or_default()) {
        match token {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            Token::Mark(b'=') if depth == 0 => {
                columns.push(' ');
                columns.push_str(previous.unwrap_or(")"));
            }
            _ if depth == 0 && token.is("where") && !is_upsert => break,
            _ => {}
        }
        previous = token.spelling();
    }
    format!("{head}{columns}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_statement_say_what_it_does() {
        let name = |text: &str| match text.split_once('.') {
            Some((database, name)) => Name { database: Some(database.to_owned()), name: name.to_owned() },
            None => Name { database: None, name: text.to_owned() },
        };
        let creates = |kind, text, may_exist, on: &str| Act::Creates {
            kind,
            name: name(text),
            may_exist,
            on: (!on.is_empty()).then(|| name(on)),
        };
        let column = |column: &str, to: Option<&str>| Act::ChangesColumn {
            table: name("a"),
            column: column.to_owned(),
            to: to.map(str::to_owned),
        };
        let drops = |kind, text| Act::Drops { kind, name: name(text) };
        let rows = [
            ("CREATE TABLE a (b)", creates("table", "a", false, "")),
            (
                "CREATE VIRTUAL TABLE IF NOT EXISTS main.[a b] USING fts5(c)",
                creates("table", "main.a b", true, ""),
            ),
            ("create temp table a as select 1", creates("table", "temp.a", false, "")),
            ("CREATE UNIQUE INDEX IF NOT EXISTS i ON a (b)", creates("index", "i", true, "a")),
            ("CREATE TEMPORARY VIEW v AS SELECT 1", creates("view", "temp.v", false, "")),
            (
                "CREATE TRIGGER \"t\"\"1\" AFTER DELETE ON a BEGIN DELETE FROM b; END",
                creates("trigger", "t\"1", false, "a"),
            ),
            ("DROP TABLE IF EXISTS \"a\"\"b\"", drops("table", "a\"b")),
            ("DROP TABLE \"a''b\"", drops("table", "a''b")),
            ("DROP TABLE 'a''b'", drops("table", "a'b")),
            ("drop index main.i", drops("index", "main.i")),
            ("ALTER TABLE a RENAME TO 'b c'", Act::Renames { table: name("a"), to: "b c".to_owned() }),
            ("ALTER TABLE a RENAME COLUMN b TO c", column("b", Some("c"))),
            ("ALTER TABLE a RENAME \"to\" TO [c d]", column("to", Some("c d"))),
            ("ALTER TABLE a DROP COLUMN \"b\"\"c\"", column("b\"c", None)),
            ("alter table a drop b", column("b", None)),
            ("ALTER TABLE a ADD COLUMN b", Act::Alters(name("a"))),
            ("ALTER TABLE x.a ADD b", Act::Alters(name("x.a"))),
            ("PRAGMA writable_schema = ON", Act::OpensSchema),
            ("PRAGMA writable_schema", Act::Other),
            ("PRAGMA foreign_keys = ON", Act::Other),
            ("SAVEPOINT A", Act::Begins("a".to_owned())),
            ("BEGIN IMMEDIATE", Act::Begins(String::new())),
            ("ROLLBACK TRANSACTION TO SAVEPOINT \"A\"", Act::Undoes("a".to_owned())),
            ("ROLLBACK TO a", Act::Undoes("a".to_owned())),
            ("ROLLBACK", Act::Undoes(String::new())),
            ("RELEASE SAVEPOINT a", Act::Keeps("a".to_owned())),
            ("COMMIT", Act::Keeps(String::new())),
            ("SELECT * FROM a", Act::Other),
        ];
        for (statement, expected) in rows {
            assert_eq!(Act::of(statement), expected, "{statement}");
        }
        let writes = [
            ("DELETE FROM temp.\"a b\" WHERE 1", "temp.a b", Verb::Deletes),
            ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x", "a", Verb::Inserts),
            ("REPLACE INTO a VALUES (1)", "a", Verb::Replaces),
            ("UPDATE OR REPLACE a SET b = 1", "a", Verb::Updates),
        ];
        for (statement, expected, verb) in writes {
            let Act::Writes { table, verb: found, .. } = Act::of(statement) else { panic!("{statement}") };
            assert_eq!((table, found), (name(expected), verb), "{statement}");
        }
    }
}
