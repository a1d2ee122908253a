//! Which table takes the place of which, determined from the statements of a script.

use crate::sql::act::{Act, Name};

/// The tables of a script, with all their names.
#[derive(Default)]
pub(super) struct Lineage {
    tables: Vec<Table>,
    drops: Vec<Drop>,
    /// The statements that delete rows of one table, and that table.
    deletions: Vec<(usize, usize)>,
}

struct Table {
    /// Whether the script creates it.
    is_new: bool,
    is_temporary: bool,
    /// Its names, each with the first statement that finds it under that name. `None` if it is dropped.
    names: Vec<(usize, Option<Name>)>,
    /// The name that is replaced if this table is dropped and another one gets it.
    home: Option<Name>,
}

struct Drop {
    table: usize,
    by: usize,
    name: Name,
}

/// A table that a script drops, and whose name another table has at its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// The name that both tables have, the old one first.
    pub(super) home: Name,
    /// The place of the statement that drops the old table.
    pub(super) by: usize,
    /// The name of the old table at that statement.
    pub(super) old: Name,
    /// The name of the new table at that statement; `None` if it is created later.
    pub(super) new: Option<Name>,
    /// The statements that delete rows of the new table.
    pub(super) deletions: Vec<usize>,
    /// All names of both tables.
    pub(super) names: Vec<Name>,
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
            Act::Creates { kind: "table", name, is_temporary, replaces, may_exist } => {
                let known = self.holder(name);
                if *replaces {
                    let table = known.unwrap_or_else(|| self.find(name));
                    self.drop(table, place, name);
                } else if *may_exist && (known.is_some() || !self.was_held(name)) {
                    self.find(name);
                    return;
                }
                self.tables.push(Table {
                    is_new: true,
                    is_temporary: *is_temporary,
                    names: vec![(place + 1, Some(name.clone()))],
                    home: None,
                });
            }
            Act::Drops { kind: "table", names, .. } => {
                for name in names {
                    let table = self.find(name);
                    self.drop(table, place, name);
                }
            }
            Act::Renames(pairs) => {
                for (from, to) in pairs {
                    let table = self.find(from);
                    self.tables[table].names.push((place + 1, Some(to.clone())));
                }
            }
            Act::Deletes(name) => {
                let table = self.find(name);
                self.deletions.push((place, table));
            }
            _ => {}
        }
    }

    /// The table that has a name now. Without one, the script has not named it before.
    fn find(&mut self, name: &Name) -> usize {
        self.holder(name).unwrap_or_else(|| {
            let names = vec![(0, Some(name.clone()))];
            self.tables.push(Table { is_new: false, is_temporary: false, names, home: Some(name.clone()) });
            self.tables.len() - 1
        })
    }

    fn holder(&self, name: &Name) -> Option<usize> {
        self.tables.iter().rposition(|table| table.now() == Some(name))
    }

    fn was_held(&self, name: &Name) -> bool {
        self.tables.iter().any(|table| table.had(name))
    }

    fn drop(&mut self, table: usize, by: usize, name: &Name) {
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
            let Some(heir) = self.heir(table, by, &home).filter(|_| is_left) else { continue };
            // It is replaced itself if it is dropped too.
            self.tables[heir].home.get_or_insert_with(|| home.clone());
            let new = self.tables[heir].name_before(by);
            let family: Vec<usize> =
                (0..self.tables.len()).filter(|other| self.tables[*other].had(&home)).collect();
            let is_heir = |of: usize| of != table && family.contains(&of);
            let deletions = self.deletions.iter().filter(|(_, of)| is_heir(*of));
            replacements.push(Replacement {
                by,
                old,
                new,
                deletions: deletions.map(|(statement, _)| *statement).collect(),
                names: family.iter().flat_map(|table| self.tables[*table].names()).collect(),
                home,
            });
        }
        replacements
    }

    /// The table that has a name when another one that had it is dropped, or else the first one that gets it afterwards.
    fn heir(&self, dropped: usize, by: usize, home: &Name) -> Option<usize> {
        let others = || (0..self.tables.len()).filter(|other| *other != dropped);
        let has_it = |table: &usize| self.tables[*table].name_before(by).as_ref() == Some(home);
        others().find(has_it).or_else(|| {
            let gets_it = |table: usize| {
                let mut names = self.tables[table].names.iter();
                names.find(|(from, name)| *from > by && name.as_ref() == Some(home)).map(|(from, _)| *from)
            };
            others().filter_map(|table| Some((gets_it(table)?, table))).min().map(|(_, table)| table)
        })
    }

    /// The tables that were there before and have another name afterwards: the old and the new name.
    pub(super) fn renamed(&self) -> impl Iterator<Item = (&Name, &Name)> {
        let old = self.tables.iter().filter(|table| !table.is_new);
        old.filter_map(|table| {
            let (before, now) = (table.names.first()?.1.as_ref()?, table.now()?);
            (before != now).then_some((before, now))
        })
    }

    /// Whether the script drops no table that has this name at some point.
    pub(super) fn keeps(&self, name: &Name) -> bool {
        self.tables.iter().filter(|table| table.had(name)).all(|table| table.now().is_some())
    }

    /// The tables that the script creates and leaves.
    pub(super) fn created(&self) -> impl Iterator<Item = &Name> {
        let new = self.tables.iter().filter(|table| table.is_new && !table.is_temporary);
        new.filter_map(Table::now)
    }

    /// Whether a statement drops a table of this name that was there before the script.
    pub(super) fn drops(&self, by: usize, name: &Name) -> bool {
        let mut drops = self.drops.iter().filter(|drop| drop.by == by && drop.name == *name);
        drops.any(|drop| !self.tables[drop.table].is_new)
    }
}

impl Table {
    fn now(&self) -> Option<&Name> {
        self.names.last().and_then(|(_, name)| name.as_ref())
    }

    fn had(&self, name: &Name) -> bool {
        self.names.iter().any(|(_, had)| had.as_ref() == Some(name))
    }

    fn names(&self) -> impl Iterator<Item = Name> {
        self.names.iter().filter_map(|(_, name)| name.clone())
    }

    /// Its name before a statement; `None` if the statement or a later one creates it.
    fn name_before(&self, statement: usize) -> Option<Name> {
        let before = self.names.iter().take_while(|(from, _)| *from <= statement);
        before.last().and_then(|(_, name)| name.clone())
    }
}
