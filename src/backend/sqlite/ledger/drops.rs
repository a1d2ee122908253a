//! The tables that a script drops, and those that take their names.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::act::Act;
use super::ask::{Holder, holder};
use super::definition::Definition;
use super::outline::Outline;
use super::place::Place;
use super::rows::Rows;
use super::successor::Successor;
use super::table::Table;
use crate::sql::{folded, mentions, statements};

impl Rows {
    /// Counts a table that is about to be dropped, and compares it with the one that will take its name.
    pub(super) fn before_drop(
        &mut self,
        conn: &Connection,
        name: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        if self.is_new(name) {
            return self.before_drop_of_successor(conn, name, at);
        }
        let Some(Holder { name: spelling, is_virtual }) = holder(conn, name)? else { return Ok(()) };
        let place = self.counted(conn, &spelling)?;
        self.tables[place].is_virtual = is_virtual;
        name.clone_into(&mut self.tables[place].last);
        self.tables[place].by = Some(at.kept());
        let successor = self.find_successor(place, at.rest);
        if successor == Successor::None {
            return Ok(());
        }
        let mut definition = Definition::read(conn, name)?;
        if let Successor::Table(new) = successor {
            self.tables[place].comparison = self.compared(conn, [place, new], name, &definition)?;
        } else {
            definition.look_for_texts(conn, name)?;
            self.tables[place].outline = Outline::of(conn, name, &definition)?;
        }
        self.tables[place].definition = Some(definition);
        Ok(())
    }

    /// Compares a table that replaced another one, and that is replaced itself.
    fn before_drop_of_successor(
        &mut self,
        conn: &Connection,
        name: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        let Some(&place) = self.names.get(name).filter(|_| self.was_replaced(name)) else { return Ok(()) };
        name.clone_into(&mut self.tables[place].last);
        let Successor::Table(new) = self.find_successor(place, at.rest) else { return Ok(()) };
        self.counted(conn, name)?;
        let definition = Definition::read(conn, name)?;
        self.tables[place].by = Some(at.kept());
        self.tables[place].comparison = self.compared(conn, [place, new], name, &definition)?;
        Ok(())
    }

    /// Whether a table of this name that was there before the script has been dropped.
    pub(super) fn was_replaced(&self, name: &str) -> bool {
        let is_it = |table: &Table| table.last == name || folded(&table.change.table) == name;
        self.tables.iter().any(|table| !table.is_new && table.current.is_none() && is_it(table))
    }

    /// The table that takes the name of another one, given the rest of the script.
    pub(super) fn find_successor(&mut self, old: usize, rest: &str) -> Successor {
        let original = folded(&self.tables[old].change.table);
        let wanted = [self.tables[old].last.clone(), original];
        let (mut owners, mut later) = (self.names.clone(), BTreeSet::new());
        owners.retain(|_, place| *place != old);
        if wanted.iter().any(|name| mentions(rest, name)) {
            for (_, own) in statements(rest) {
                match Act::of(own) {
                    Act::Renames { table, to } => {
                        let key = table.key();
                        if later.remove(&key) {
                            later.insert(folded(&to));
                        } else {
                            let place = owners.remove(&key).unwrap_or_else(|| self.place(&table.name));
                            owners.insert(folded(&to), place);
                        }
                    }
                    Act::Creates { kind: "table", name, .. } if !name.is_in("temp") => {
                        owners.remove(&name.key());
                        later.insert(name.key());
                    }
                    Act::Drops { kind: "table", name } => {
                        owners.remove(&name.key());
                        later.remove(&name.key());
                    }
                    _ => {}
                }
            }
        }
        let successor = |name: &String| match owners.get(name) {
            Some(&place) => Some(Successor::Table(place)),
            None => later.contains(name).then_some(Successor::Later),
        };
        wanted.iter().find_map(successor).unwrap_or(Successor::None)
    }

    /// The table that has taken the name of a dropped one.
    pub(super) fn current_successor(&self, old: usize) -> Option<usize> {
        let table = &self.tables[old];
        let original = folded(&table.change.table);
        [&table.last, &original]
            .into_iter()
            .find_map(|name| self.names.get(name).copied())
            .filter(|&new| new != old)
    }
}
