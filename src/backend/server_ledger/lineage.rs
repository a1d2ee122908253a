//! Which table takes the place of which, determined from the statements of a script.

use std::collections::HashMap;

use crate::sql::act::{Act, ObjectName};

/// The tables of a script, with all their names.
#[derive(Default)]
pub(super) struct Lineage {
    tables: Vec<Table>,
    drops: Vec<Drop>,
    /// The tables that have or had a name, by its key, in the order in which they got it.
    by_name: HashMap<String, Vec<usize>>,
}

struct Table {
    /// Whether the script creates it.
    is_new: bool,
    is_temporary: bool,
    /// Its names, each with the first statement that finds it under that name. `None` if it is dropped.
    names: Vec<(usize, Option<ObjectName>)>,
    /// The name that is replaced if this table is dropped and another one gets it.
    home: Option<ObjectName>,
}

struct Drop {
    table: usize,
    by: usize,
    name: ObjectName,
}

/// A table that a script drops, and whose name another table has at its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// The name that the old table has at first, and the new one at the end.
    pub(super) home: ObjectName,
    /// The place of the statement that drops the old table.
    pub(super) by: usize,
    /// The name of the old table at that statement.
    pub(super) old: ObjectName,
    /// The name of the new table at that statement; `None` if it is created later.
    pub(super) new: Option<ObjectName>,
    /// The tables that take the place of the old one.
    pub(super) heirs: Vec<usize>,
}

impl Lineage {
    /// Follows the statements of a script.
    pub(super) fn of(acts: &[Act]) -> Self {
        let mut lineage = Self::default();
        for (place, act) in acts.iter().enumerate() {
            lineage.follow(place, act);
        }
        lineage
    }

    fn follow(&mut self, place: usize, act: &Act) {
        match act {
            Act::Creates { kind: "table", name, is_temporary, replaces, if_not_exists } => {
                let known = self.holder(name);
                if *is_temporary {
                    // It hides a permanent table of that name.
                    if let Some(table) = known.filter(|table| *replaces && self.tables[*table].is_temporary) {
                        self.drop(table, place, name);
                    }
                } else if *replaces {
                    let table = known.unwrap_or_else(|| self.find_or_add(name));
                    self.drop(table, place, name);
                } else if *if_not_exists && (known.is_some() || !self.by_name.contains_key(&name.key())) {
                    self.find_or_add(name);
                    return;
                }
                let names = vec![(place + 1, Some(name.clone()))];
                self.add(name, Table { is_new: true, is_temporary: *is_temporary, names, home: None });
            }
            Act::Drops { kind: "table", names, .. } => {
                for name in names {
                    let table = self.find_or_add(name);
                    self.drop(table, place, name);
                }
            }
            Act::Renames(pairs) => {
                for (from, to) in pairs {
                    let table = self.find_or_add(from);
                    self.tables[table].names.push((place + 1, Some(to.clone())));
                    self.by_name.entry(to.key()).or_default().push(table);
                }
            }
            Act::Drops { kind: "temporary table", names, .. } => {
                for name in names {
                    // It may be a temporary table of the application.
                    if let Some(table) = self.holder(name).filter(|table| self.tables[*table].is_temporary) {
                        self.drop(table, place, name);
                    }
                }
            }
            Act::Deletes(name) => _ = self.find_or_add(name),
            _ => {}
        }
    }

    fn add(&mut self, name: &ObjectName, table: Table) -> usize {
        self.tables.push(table);
        self.by_name.entry(name.key()).or_default().push(self.tables.len() - 1);
        self.tables.len() - 1
    }

    /// The table that has a name now. If there is none, one from before the script is added.
    fn find_or_add(&mut self, name: &ObjectName) -> usize {
        self.holder(name).unwrap_or_else(|| {
            let (names, home) = (vec![(0, Some(name.clone()))], Some(name.clone()));
            self.add(name, Table { is_new: false, is_temporary: false, names, home })
        })
    }

    /// The tables that have or had a name.
    fn holders(&self, name: &ObjectName) -> &[usize] {
        self.by_name.get(&name.key()).map_or(&[], |tables| tables)
    }

    /// The table that has a name at the end of what was followed.
    fn holder(&self, name: &ObjectName) -> Option<usize> {
        self.holders(name).iter().rev().copied().find(|table| self.tables[*table].now() == Some(name))
    }

    fn drop(&mut self, table: usize, by: usize, name: &ObjectName) {
        self.tables[table].names.push((by + 1, None));
        self.drops.push(Drop { table, by, name: name.clone() });
    }

    /// The tables that the script drops and replaces.
    pub(super) fn replacements(&mut self) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        for place in 0..self.drops.len() {
            let Drop { table, by, ref name } = self.drops[place];
            let old = name.clone();
            let Some(home) = self.tables[table].home.clone() else { continue };
            let is_left = self.holder(&home).is_some();
            let Some(heir) = self.heir(table, by, &home).filter(|heir| is_left && !self.is_rotated(*heir))
            else {
                continue;
            };
            // It is replaced itself if it is dropped too.
            self.tables[heir].home.get_or_insert_with(|| home.clone());
            let new = self.tables[heir].name_before(by);
            let heirs = self.holders(&home).iter().copied().filter(|other| *other != table).collect();
            replacements.push(Replacement { home, by, old, new, heirs });
        }
        replacements
    }

    /// The names of a table.
    pub(super) fn names_of(&self, table: usize) -> impl Iterator<Item = &ObjectName> {
        self.tables[table].names.iter().filter_map(|(_, name)| name.as_ref())
    }

    /// The table that has a name at a statement.
    pub(super) fn holder_at(&self, name: &ObjectName, statement: usize) -> Option<usize> {
        let mut holders = self.holders(name).iter().rev().copied();
        holders.find(|table| self.tables[*table].name_before(statement).as_ref() == Some(name))
    }

    /// The table that a statement creates under a name.
    pub(super) fn created_at(&self, name: &ObjectName, statement: usize) -> Option<usize> {
        self.holder_at(name, statement + 1)
    }

    /// The table that has a name when another one that had it is dropped, or else the first one that gets it afterwards.
    fn heir(&self, dropped: usize, by: usize, home: &ObjectName) -> Option<usize> {
        let others = || self.holders(home).iter().copied().filter(|other| *other != dropped);
        let has_it = |table: &usize| self.tables[*table].name_before(by).as_ref() == Some(home);
        others().find(has_it).or_else(|| {
            let gets_it = |table: usize| {
                let mut names = self.tables[table].names.iter();
                names.find(|(from, name)| *from > by && name.as_ref() == Some(home)).map(|(from, _)| *from)
            };
            others().filter_map(|table| Some((gets_it(table)?, table))).min().map(|(_, table)| table)
        })
    }

    /// Whether a table was there before and the script creates a new one in its place, as when logs are rotated: then it takes the name of
    /// the dropped one without being a copy of it.
    fn is_rotated(&self, table: usize) -> bool {
        let first = self.tables[table].names.first().and_then(|(_, name)| name.as_ref());
        let new = first.and_then(|name| self.holder(name));
        !self.tables[table].is_new && new.is_some_and(|new| new != table && self.tables[new].is_new)
    }

    /// The tables that were there before and have another name afterwards: the old and the new name.
    pub(super) fn renamed(&self) -> impl Iterator<Item = (&ObjectName, &ObjectName)> {
        let old = self.tables.iter().filter(|table| !table.is_new);
        old.filter_map(|table| {
            let (before, now) = (table.names.first()?.1.as_ref()?, table.now()?);
            (before != now).then_some((before, now))
        })
    }

    /// Whether the script drops no table that has this name at some point.
    pub(super) fn keeps(&self, name: &ObjectName) -> bool {
        self.holders(name).iter().all(|table| self.tables[*table].now().is_some())
    }

    /// Whether a table with this name is the script's own.
    pub(super) fn creates(&self, name: &ObjectName) -> bool {
        self.holders(name).iter().any(|table| self.tables[*table].is_new)
    }

    /// The tables that the script creates and leaves.
    pub(super) fn created(&self) -> impl Iterator<Item = &ObjectName> {
        let new = self.tables.iter().filter(|table| table.is_new && !table.is_temporary);
        new.filter_map(Table::now)
    }

    /// Whether a statement drops a table of this name that was there before the script.
    pub(super) fn drops(&self, by: usize, name: &ObjectName) -> bool {
        let mut drops = self.drops.iter().filter(|drop| drop.by == by && drop.name == *name);
        drops.any(|drop| !self.tables[drop.table].is_new)
    }
}

impl Table {
    fn now(&self) -> Option<&ObjectName> {
        self.names.last().and_then(|(_, name)| name.as_ref())
    }

    /// Its name before a statement; `None` if the statement or a later one creates it.
    fn name_before(&self, statement: usize) -> Option<ObjectName> {
        let before = self.names.iter().take_while(|(from, _)| *from <= statement);
        before.last().and_then(|(_, name)| name.clone())
    }
}
