//! [`Schema`]: the definitions of everything in a database, and how two of them differ.

use std::collections::BTreeMap;
use std::fmt;

use crate::diff::lines;
use crate::sql::{Tokens, part, same_name};

/// The definition of an object in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Definition {
    /// `table`, `index`, `view` or `trigger`; on a server also `function`, `type`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to: for an index and a trigger another object than itself.
    pub table: String,
    /// The statement that creates it, as the database has it, without a semicolon at its end.
    pub sql: String,
    /// The same statement in a form in which equal definitions are equal, however they were written: without comments and insignificant
    /// white space, and regardless of the case of words and the quotes of names.
    pub text: String,
    /// What it means for the database, if that is known besides its text. Two definitions with the same meaning are the same.
    meaning: Option<String>,
    /// What tells it apart from others of its kind.
    key: String,
    /// The columns of a table, each with its definition, if the text was split into them.
    columns: Vec<(String, String)>,
}

impl Definition {
    /// A definition that belongs to itself and is compared by its statement as it is.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, sql: impl Into<String>) -> Self {
        let (name, sql) = (name.into(), sql.into());
        Self {
            kind: kind.into(),
            table: name.clone(),
            key: name.clone(),
            name,
            text: sql.clone(),
            sql,
            meaning: None,
            columns: Vec::new(),
        }
    }

    /// The same definition of an object that belongs to a table.
    pub fn of_table(self, table: impl Into<String>) -> Self {
        Self { table: table.into(), ..self }
    }

    /// The same definition, compared by another text.
    pub fn compared_by(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// The same definition of an object that is another one than those of its kind with other keys: its name in lower case where the database
    /// does not distinguish the case of names, or with its table where each table has names of its own.
    pub fn known_as(self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// The same definition, which is also the same as another one with this meaning, whatever their texts are.
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: Some(meaning.into()), ..self }
    }

    /// The same definition of a table with these columns: the name of each, and its definition.
    pub fn with_columns(self, columns: Vec<(String, String)>) -> Self {
        Self { columns, ..self }
    }

    /// Whether it defines the same, however it is written.
    pub fn is_same(&self, other: &Self) -> bool {
        self.text == other.text || (self.meaning.is_some() && self.meaning == other.meaning)
    }

    /// Whether this is its name, in whatever case.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        same_name(&self.name, name)
    }

    fn key(&self) -> (&str, &str) {
        (&self.kind, &self.key)
    }

    pub(crate) fn columns(&self) -> &[(String, String)] {
        &self.columns
    }

    /// Its place in a schema: tables, each with its indexes and triggers, then views with their triggers, then everything else.
    fn place(&self, views: &[String]) -> (bool, String, u8, &str) {
        let rank = match &*self.kind {
            "table" | "view" => 0,
            "index" => 1,
            "trigger" => 2,
            _ => 3,
        };
        let table = self.table.to_lowercase();
        (views.contains(&table), table, rank, &self.name)
    }
}

/// The definitions of everything in a database, apart from the engine's tables and what the database makes by itself.
///
/// Its Display is a script of SQL statements that depends only on the definitions: tables by name, each with its indexes and triggers, then
/// views. Two databases have the same text if their objects were created by the same statements.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner};
///
/// let conn = Connection::open_in_memory()?;
/// let runner = MigrationRunner::new([Migration::sql("1_notes", "CREATE TABLE notes (text); CREATE INDEX i ON notes (text)")])?;
/// runner.run(&conn)?;
/// let schema = runner.dump_schema(&conn)?;
/// assert_eq!(schema.to_string(), "CREATE TABLE notes (text);\n\nCREATE INDEX i ON notes (text);\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    definitions: Vec<Definition>,
}

impl Schema {
    /// A schema with these definitions, in whatever order.
    pub fn new(mut definitions: Vec<Definition>) -> Self {
        let is_view = |definition: &&Definition| definition.kind == "view";
        let views: Vec<String> =
            definitions.iter().filter(is_view).map(|view| view.table.to_lowercase()).collect();
        definitions.sort_by(|one, other| one.place(&views).cmp(&other.place(&views)));
        Self { definitions }
    }

    /// The definitions, in the order of the Display.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// What has to be created, dropped or changed so that this schema becomes another one; empty if they are the same. What this schema has comes
    /// first, in the order of its Display, then what only the other one has.
    pub fn changes_to(&self, after: &Self) -> Vec<SchemaChange> {
        let (before_by_key, after_by_key) = (self.keyed(), after.keyed());
        let change = |old: Option<&Definition>, new: Option<&Definition>| {
            let one = old.or(new)?;
            Some(SchemaChange {
                kind: one.kind.clone(),
                name: one.name.clone(),
                table: one.table.clone(),
                before: old.map(|old| old.sql.clone()),
                after: new.map(|new| new.sql.clone()),
                key: one.key.clone(),
            })
        };
        let changed = self.definitions.iter().filter_map(|old| {
            let new = after_by_key.get(&old.key()).copied();
            let is_same = new.is_some_and(|new| new.is_same(old));
            if is_same { None } else { change(Some(old), new) }
        });
        let created = after.definitions.iter().filter(|new| !before_by_key.contains_key(&new.key()));
        changed.chain(created.filter_map(|new| change(None, Some(new)))).collect()
    }

    /// The definition of the object that a change is about.
    pub(crate) fn find(&self, change: &SchemaChange) -> Option<&Definition> {
        let is_it = |it: &&Definition| it.kind == change.kind && it.key == change.key;
        self.definitions.iter().find(is_it)
    }

    /// Without some of the definitions.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Definition) -> bool) {
        self.definitions.retain(keep);
    }

    /// The definitions by kind and key.
    fn keyed(&self) -> BTreeMap<(&str, &str), &Definition> {
        self.definitions.iter().map(|it| (it.key(), it)).collect()
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, definition) in self.definitions.iter().enumerate() {
            let before = if number == 0 { "" } else { "\n" };
            writeln!(f, "{before}{}", ended(&with_unix_lines(&definition.sql)))?;
        }
        Ok(())
    }
}

/// A statement with the line ends of Unix, except in texts and names, where they are part of the value.
fn with_unix_lines(sql: &str) -> String {
    let (mut tokens, mut unix, mut end) = (Tokens::new(sql), String::new(), 0);
    while let Some((_, place)) = tokens.next_placed() {
        unix.push_str(&part(sql, end..place.start).replace("\r\n", "\n"));
        unix.push_str(part(sql, place.clone()));
        end = place.end;
    }
    unix + &part(sql, end..).replace("\r\n", "\n")
}

/// A statement with its semicolon.
pub(crate) fn ended(sql: &str) -> String {
    // A semicolon in a comment would end nothing.
    let is_comment = sql.trim_end().lines().next_back().is_some_and(|line| line.contains("--"));
    format!("{}{};", sql.trim_end(), if is_comment { "\n" } else { "" })
}

/// The difference of one object between two schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SchemaChange {
    /// `table`, `index`, `view` or `trigger`; on a server also `function`, `type`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to: for an index and a trigger another object than itself.
    pub table: String,
    /// The statement that creates it in the first schema; `None` if it is not there.
    pub before: Option<String>,
    /// The statement that creates it in the second schema; `None` if it is not there.
    pub after: Option<String>,
    key: String,
}

impl SchemaChange {
    /// Whether both are about the same object.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (&self.kind, &self.key) == (&other.kind, &other.key)
    }

    /// Whether the object can be created again without losing a row: an index, a trigger or a view.
    pub(crate) fn carries_no_data(&self) -> bool {
        ["index", "trigger", "view"].contains(&&*self.kind)
    }

    /// The lines of its statement: `-` marks one that is only in the first schema, `+` one that is only in the second. Of a changed object only
    /// the changed lines with a few around them; without the feature `diff` all lines of both.
    pub fn diff(&self) -> String {
        let all = |sql: &Option<String>, mark: char| -> Vec<String> {
            sql.iter().flat_map(|sql| sql.lines()).map(|line| format!("{mark}{line}")).collect()
        };
        let both = self.before.as_deref().zip(self.after.as_deref());
        both.and_then(|(before, after)| lines(before, after))
            .filter(|diff| !diff.is_empty())
            .unwrap_or_else(|| [all(&self.before, '-'), all(&self.after, '+')].concat().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(definitions: &[(&str, &str, &str, &str)]) -> Schema {
        let definition = |&(kind, name, table, sql): &(&str, &str, &str, &str)| {
            Definition::new(kind, name, sql).of_table(table).known_as(name.to_lowercase())
        };
        Schema::new(definitions.iter().map(definition).collect())
    }

    #[test]
    fn the_order_of_the_text_does_not_depend_on_the_order_of_creation() {
        let objects = [
            ("view", "a_view", "a_view", "v"),
            ("trigger", "on_view", "A_view", "vt"),
            ("table", "b", "b", "b"),
            ("trigger", "t", "B", "bt"),
            ("index", "z", "b", "bi"),
            ("table", "a", "a", "a"),
        ];
        let mut turned = objects;
        turned.reverse();
        assert_eq!(schema(&objects).to_string(), "a;\n\nb;\n\nbi;\n\nbt;\n\nv;\n\nvt;\n");
        assert_eq!(schema(&turned), schema(&objects));
    }

    #[test]
    fn line_ends_are_those_of_unix_except_in_values() {
        for (sql, expected) in [
            ("a (\r\n b -- it's\r\n)", "a (\n b -- it's\n)"),
            ("a (b DEFAULT 'x\r\ny')\r\n", "a (b DEFAULT 'x\r\ny')\n"),
            ("", ""),
        ] {
            assert_eq!(with_unix_lines(sql), expected);
        }
    }

    #[test]
    fn each_change_has_both_statements() {
        let before =
            schema(&[("table", "a", "a", "a1"), ("index", "i", "a", "i"), ("table", "Same", "Same", "s")]);
        let after =
            schema(&[("table", "A", "A", "a2"), ("view", "i", "i", "v"), ("table", "same", "same", "s")]);
        let changes = before.changes_to(&after);
        let short =
            |it: &SchemaChange| (it.kind.clone(), it.name.clone(), it.before.clone(), it.after.clone());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes.iter().map(short).collect::<Vec<_>>(),
            [
                ("table".into(), "a".into(), some("a1"), some("a2")),
                ("index".into(), "i".into(), some("i"), None),
                ("view".into(), "i".into(), None, some("v")),
            ]
        );
        assert_eq!(changes[0].diff().lines().last(), Some("+a2"));
        assert_eq!(changes[1].diff(), "-i");
        assert!(before.changes_to(&before.clone()).is_empty());
    }
}
