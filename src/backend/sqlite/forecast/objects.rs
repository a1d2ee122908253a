//! [`Objects`]: the objects of the live database, tracked while the scripts run.
//!
//! A table is identified by its root page, which no statement changes, so that a rebuilt table is distinguished from a renamed one. A
//! virtual table has no root page and is identified by its name. A trigger, view or index is too, since nothing renames it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::watch::is_internal;
use crate::backend::sqlite::fault::known;
use crate::dialect::TableName;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::sql::{mentions, same_name};

/// A row of `sqlite_master` in the copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    kind: String,
    name: String,
    table: String,
    /// 0 for everything except ordinary tables and indexes.
    root: i64,
    sql: String,
}

impl Entry {
    pub(super) fn is_named(&self, name: &str) -> bool {
        same_name(&self.name, name)
    }

    pub(super) fn is_trigger_about(&self, table: &TableName) -> bool {
        self.kind == "trigger" && mentions(&self.sql, table.as_str())
    }

    fn is_table(&self) -> bool {
        self.kind == "table" && !is_internal(&self.name)
    }

    /// The kind of effect if this is dropped; `None` for tables and for what SQLite creates itself.
    fn drop_kind(&self) -> Option<EffectKind> {
        match &*self.kind {
            _ if is_internal(&self.name) => None,
            "view" => Some(EffectKind::DropsView),
            "trigger" => Some(EffectKind::DropsTrigger),
            "index" => Some(EffectKind::DropsIndex),
            _ => None,
        }
    }
}

/// Everything in the copy's `main`.
pub(super) fn entries(conn: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = conn.prepare(
        "SELECT type, name, tbl_name, coalesce(rootpage, 0), coalesce(sql, '') FROM main.sqlite_master ORDER BY rowid",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Entry {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            root: row.get(3)?,
            sql: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// The names of everything in the copy, in lower case.
pub(super) fn names(conn: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    Ok(entries(conn)?.into_iter().map(|entry| entry.name.to_lowercase()).collect())
}

/// The names of the tables in the copy.
pub(super) fn tables(conn: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    Ok(entries(conn)?.into_iter().filter(Entry::is_table).map(|entry| entry.name).collect())
}

/// The columns of a table or view, in order; empty if they cannot be determined.
fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let read = || -> rusqlite::Result<Vec<String>> {
        // 1 is a hidden column of a virtual table, 2 and 3 are generated columns.
        let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid";
        conn.prepare(sql)?.query_map([table], |row| row.get(0))?.collect()
    };
    Ok(known(read())?.unwrap_or_default())
}

#[derive(Debug)]
struct Column {
    /// Its name in the live database; `None` if a script added it.
    live: Option<String>,
    name: String,
}

/// A table of the live database.
#[derive(Debug)]
struct Table {
    live: String,
    name: String,
    /// The name it had before the current script.
    before: String,
    root: i64,
    sql: String,
    columns: Vec<Column>,
}

impl Table {
    /// The table that replaces it, with these columns.
    fn replaced_by(&self, entry: &Entry, names: Vec<String>) -> Self {
        let live = |name: &str| {
            let same = self.columns.iter().find(|column| same_name(&column.name, name));
            same.and_then(|column| column.live.clone())
        };
        Self {
            live: self.live.clone(),
            name: entry.name.clone(),
            before: entry.name.clone(),
            root: entry.root,
            sql: entry.sql.clone(),
            columns: names.into_iter().map(|name| Column { live: live(&name), name }).collect(),
        }
    }

    /// Updates the columns to the current ones, and returns the live name of the dropped column. A renamed column keeps its place, and a
    /// new column comes last.
    fn update_columns(&mut self, names: Vec<String>) -> Option<String> {
        let mut lost = None;
        if names.len() + 1 == self.columns.len() {
            let same =
                self.columns.iter().zip(&names).take_while(|(column, name)| column.name == **name).count();
            lost = self.columns.remove(same).live;
        }
        let mut lives = std::mem::take(&mut self.columns).into_iter().map(|column| column.live);
        self.columns = names.into_iter().map(|name| Column { live: lives.next().flatten(), name }).collect();
        lost
    }
}

/// The tables, views, triggers and indexes of the live database that still exist, and what the current script did to the others.
#[derive(Debug)]
pub(super) struct Objects {
    tables: Vec<Table>,
    /// By kind and name in lower case.
    others: BTreeMap<(EffectKind, String), String>,
    /// The shadow tables of virtual tables, in lower case, each with its virtual table.
    shadows: BTreeMap<String, String>,
    /// The current names of virtual tables.
    virtuals: BTreeSet<String>,
    gone: Vec<Table>,
    /// Table and column.
    lost: Vec<(String, String)>,
    emptied: BTreeSet<String>,
}

impl Objects {
    /// The objects of the copy before any script.
    pub(super) fn of(conn: &Connection, shadows: BTreeMap<String, String>) -> rusqlite::Result<Self> {
        let is_shadow = |name: &str| shadows.contains_key(&name.to_lowercase());
        let (mut tables, mut others) = (Vec::new(), BTreeMap::new());
        for entry in entries(conn)?.into_iter().filter(|entry| !is_shadow(&entry.table)) {
            if let Some(kind) = entry.drop_kind() {
                others.insert((kind, entry.name.to_lowercase()), entry.name);
            } else if entry.is_table() {
                let columns = columns(conn, &entry.name)?.into_iter();
                tables.push(Table {
                    live: entry.name.clone(),
                    before: entry.name.clone(),
                    columns: columns.map(|name| Column { live: Some(name.clone()), name }).collect(),
                    name: entry.name,
                    root: entry.root,
                    sql: entry.sql,
                });
            }
        }
        let virtuals =
            tables.iter().filter(|table| table.root == 0).map(|table| table.name.clone()).collect();
        let (gone, lost, emptied) = (Vec::new(), Vec::new(), BTreeSet::new());
        Ok(Self { tables, others, shadows, virtuals, gone, lost, emptied })
    }

    /// The name in the live database of the table that has this name now.
    pub(super) fn live(&self, name: &str) -> Option<&str> {
        self.tables.iter().find(|table| same_name(&table.name, name)).map(|table| table.live.as_str())
    }

    /// Records that the statement deletes from the table that has this name now. The modules of virtual tables may prepare statements on
    /// their shadow tables at any time, so a shadow table counts only if the statement itself names it.
    pub(super) fn delete(&mut self, name: &str, statement: &str) {
        let name = match self.shadows.get(&name.to_lowercase()) {
            Some(owner) if mentions(statement, name) => owner,
            _ => name,
        };
        if let Some(table) = self.tables.iter().find(|table| same_name(&table.name, name)) {
            self.emptied.insert(table.live.clone());
        }
    }

    /// Resolves the effects of a statement's text: tables get their live names, and tables that the scripts created are left out.
    pub(super) fn resolve(&self, conn: &Connection, effects: Vec<Effect>) -> rusqlite::Result<Vec<Effect>> {
        let made = if effects.is_empty() { BTreeSet::new() } else { tables(conn)? };
        let resolve = |mut effect: Effect| {
            let is_same = |name: &str| same_name(&effect.object, name);
            let of_table = [EffectKind::DropsTable, EffectKind::DropsColumn, EffectKind::DeletesRows];
            if of_table.contains(&effect.kind) {
                match self.tables.iter().find(|table| is_same(&table.name)) {
                    Some(table) => effect.object.clone_from(&table.live),
                    None if made.iter().any(|name| is_same(name)) => return None,
                    None => {}
                }
            }
            Some(effect)
        };
        Ok(effects.into_iter().filter_map(resolve).collect())
    }

    /// Updates every table after a statement that changed the schema.
    pub(super) fn update(&mut self, conn: &Connection, altered: Option<&str>) -> rusqlite::Result<()> {
        let entries = entries(conn)?;
        let virtuals: BTreeSet<String> = entries
            .iter()
            .filter(|entry| entry.is_table() && entry.root == 0)
            .map(|entry| entry.name.clone())
            .collect();
        let appeared = virtuals.iter().find(|name| !self.virtuals.contains(*name));
        let roots: BTreeMap<i64, &Entry> =
            entries.iter().filter(|entry| entry.is_table()).map(|entry| (entry.root, entry)).collect();
        for mut table in std::mem::take(&mut self.tables) {
            let is_renamed = altered.is_some_and(|name| same_name(&table.name, name));
            let entry = match table.root {
                0 if virtuals.contains(&table.name) => entries.iter().find(|entry| entry.name == table.name),
                0 if is_renamed => entries.iter().find(|entry| Some(&entry.name) == appeared),
                0 => None,
                root => roots.get(&root).copied(),
            };
            let Some(entry) = entry else {
                self.gone.push(table);
                continue;
            };
            table.name.clone_from(&entry.name);
            if table.sql != entry.sql {
                table.sql.clone_from(&entry.sql);
                let lost = table.update_columns(columns(conn, &table.name)?);
                self.lost.extend(lost.map(|column| (table.live.clone(), column)));
            }
            self.tables.push(table);
        }
        self.virtuals = virtuals;
        Ok(())
    }

    /// The tables whose rows the finished script deleted, if it removed nothing else.
    pub(super) fn emptied(&mut self) -> Vec<Effect> {
        let emptied = std::mem::take(&mut self.emptied).into_iter();
        emptied.map(|table| Effect::new(EffectKind::DeletesRows, table, Evidence::SchemaCopy)).collect()
    }

    /// What the finished script removed, in a stable order.
    pub(super) fn finish(&mut self, conn: &Connection) -> rusqlite::Result<Vec<Effect>> {
        let entries = entries(conn)?;
        let (mut effects, mut successors) = (Vec::<Effect>::new(), Vec::new());
        for table in std::mem::take(&mut self.gone) {
            let names = [&table.live, &table.before];
            let successor = entries.iter().find(|entry| {
                (entry.is_table() || entry.kind == "view") && names.iter().any(|name| entry.is_named(name))
            });
            self.lost.retain(|(live, _)| successor.is_some() || *live != table.live);
            let kind = match successor {
                Some(successor) => {
                    let names = columns(conn, &successor.name)?;
                    self.lost.extend(missing(&table, &names));
                    // An effect of a later script on this table is an effect on the rows that were copied to it.
                    successors.extend(successor.is_table().then(|| table.replaced_by(successor, names)));
                    EffectKind::ReplacesTable
                }
                None => EffectKind::DropsTable,
            };
            effects.push(Effect::new(kind, table.live, Evidence::SchemaCopy));
        }
        for (table, column) in std::mem::take(&mut self.lost) {
            let effect = Effect::new(EffectKind::DropsColumn, table, Evidence::SchemaCopy);
            effects.push(effect.column(column));
        }
        effects.extend(self.emptied());
        let left: BTreeSet<_> = entries
            .into_iter()
            .filter_map(|entry| Some((entry.drop_kind()?, entry.name.to_lowercase())))
            .collect();
        self.others.retain(|other, name| {
            let is_left = left.contains(other);
            if !is_left {
                effects.push(Effect::new(other.0, std::mem::take(name), Evidence::SchemaCopy));
            }
            is_left
        });
        self.tables.append(&mut successors);
        for table in &mut self.tables {
            table.before.clone_from(&table.name);
        }
        Ok(in_order(effects))
    }
}

/// The columns of the live table that are not in `names`.
fn missing(table: &Table, names: &[String]) -> Vec<(String, String)> {
    let is_missing = |name: &str| !names.is_empty() && !names.iter().any(|other| same_name(other, name));
    let lost = table.columns.iter().filter(|column| is_missing(&column.name));
    lost.filter_map(|column| Some((table.live.clone(), column.live.clone()?))).collect()
}

/// Sorts effects by kind: tables, columns, rows, views, triggers, indexes; then by name, each once.
pub(super) fn in_order(mut effects: Vec<Effect>) -> Vec<Effect> {
    let place = |kind| match kind {
        EffectKind::DropsTable | EffectKind::ReplacesTable => 0,
        EffectKind::DropsColumn => 1,
        EffectKind::DeletesRows => 2,
        EffectKind::DropsView => 3,
        EffectKind::DropsTrigger => 4,
        EffectKind::DropsIndex => 5,
        // A trial finds no others.
        _ => 6,
    };
    let key = |effect: &Effect| {
        let name = |name: &str| name.to_lowercase();
        (place(effect.kind), name(&effect.object), effect.column.as_deref().map(name))
    };
    // The sort is stable: of two equal effects, the one from the database comes before the one from the text.
    effects.sort_by_cached_key(key);
    effects.dedup_by_key(|effect| key(effect));
    effects
}
