//! [`Names`]: which table has a name at a point of the scripts.

use std::collections::HashMap;

use crate::effect::{Effect, EffectKind};
use crate::sql::act::{Act, Dropped, Loss, ObjectName, Retyped};
use crate::sql::same_name;

/// The tables that the scripts created, renamed or dropped, by the names that they have now.
pub(super) struct Names {
    current: Option<String>,
    tables: HashMap<String, State>,
}

/// What has a name now, if that is not what had it before the scripts.
#[derive(Debug, Clone)]
enum State {
    /// A table that the scripts created.
    Created,
    /// Nothing: that table was dropped, or has another name.
    Vacant,
    /// The table that had this name before the scripts.
    Before(ObjectName),
}

/// The prefix of the keys of temporary tables; no other key begins with it.
const TEMPORARY: &str = "\0temporary\0";

impl Names {
    pub(super) fn new(current: Option<String>) -> Self {
        Self { current, tables: HashMap::new() }
    }

    /// Forgets the temporary tables, as at the end of a script: the next one may find that they are gone.
    pub(super) fn forget_temporary(&mut self) {
        self.tables.retain(|key, _| !key.starts_with(TEMPORARY));
    }

    /// Forgets which names have no table: what ran cannot be read and may have created one.
    pub(super) fn forget_vacant(&mut self) {
        self.tables.retain(|_, state| !matches!(state, State::Vacant));
    }

    /// The key of what a name stands for: of a temporary table, if there is one.
    fn key(&self, name: &ObjectName, path: Option<&[String]>) -> String {
        let temporary = self.key_of_temporary(name, path);
        temporary
            .filter(|key| self.tables.contains_key(key))
            .unwrap_or_else(|| self.key_of_permanent(name, path))
    }

    /// The key of a permanent table.
    fn key_of_permanent(&self, name: &ObjectName, path: Option<&[String]>) -> String {
        let mut name = name.clone();
        let first = || path.and_then(|path| path.first()).or(self.current.as_ref()).cloned();
        name.schema = name.schema.or_else(first);
        name.key()
    }

    /// The key of a temporary table, which hides a permanent one. On PostgreSQL it has a schema of its own; `None` if the name is in another one.
    fn key_of_temporary(&self, name: &ObjectName, path: Option<&[String]>) -> Option<String> {
        if name.ignores_case {
            return Some(format!("{TEMPORARY}{}", self.key_of_permanent(name, path)));
        }
        let is_in_own = name.schema.as_deref().is_none_or(|schema| schema == "pg_temp");
        is_in_own.then(|| format!("{TEMPORARY}{}", name.name))
    }

    /// Removes the table of a name. If the scripts created it, the name means again what it meant before: a table that a temporary one hid, or one
    /// in another schema of the path.
    fn vacate(&mut self, key: String) -> Option<State> {
        let was = self.tables.remove(&key);
        if !matches!(was, Some(State::Created)) {
            self.tables.insert(key, State::Vacant);
        }
        was
    }

    /// The loss with the name that its table had before the scripts; `None` if the scripts created that table, or dropped it before.
    pub(super) fn as_before(&self, loss: Loss, path: Option<&[String]>) -> Option<Loss> {
        let before = |name: ObjectName| match self.tables.get(&self.key(&name, path)) {
            None => Some(name),
            Some(State::Before(before)) => Some(before.clone()),
            Some(State::Created | State::Vacant) => None,
        };
        Some(match loss {
            Loss::Object(Dropped { kind: "table", name, on, if_exists, cascades, is_replaced }) => {
                Loss::Object(Dropped {
                    kind: "table",
                    name: before(name)?,
                    on,
                    if_exists,
                    cascades,
                    is_replaced,
                })
            }
            Loss::Column { table, column, if_exists, cascades, is_only } => {
                Loss::Column { table: before(table)?, column, if_exists, cascades, is_only }
            }
            Loss::Rows { table, others } => Loss::Rows { table: before(table)?, others },
            Loss::Moved(table) => Loss::Moved(before(table)?),
            Loss::Overwritten(table) => Loss::Overwritten(before(table)?),
            Loss::Replaced(table) => Loss::Replaced(before(table)?),
            Loss::Volatile(table) => Loss::Volatile(before(table)?),
            Loss::Charset { table, charset } => Loss::Charset { table: before(table)?, charset },
            Loss::Type(it) => Loss::Type(Retyped { table: before(it.table)?, ..it }),
            other => other,
        })
    }

    /// Follows a statement. If a table gets the name of one that was dropped, that one is replaced.
    pub(super) fn follow(&mut self, act: &Act, path: Option<&[String]>, effects: &mut [Effect]) {
        match act {
            Act::Creates { kind: "table", name, is_temporary: true, .. } => {
                if let Some(key) = self.key_of_temporary(name, path) {
                    self.tables.insert(key, State::Created);
                }
            }
            Act::Creates { kind: "table", name, replaces, if_not_exists, .. } => {
                let key = self.key_of_permanent(name, path);
                if *replaces || !*if_not_exists || matches!(self.tables.get(&key), Some(State::Vacant)) {
                    self.tables.insert(key, State::Created);
                    replaced(name, effects);
                }
            }
            Act::Drops { kind: "table", names, .. } => {
                for name in names {
                    let key = self.key(name, path);
                    let was = self.vacate(key);
                    // A new table may have had its name already.
                    if let Some(State::Before(before)) = was {
                        if matches!(self.tables.get(&self.key(&before, path)), Some(State::Created)) {
                            replaced(&before, effects);
                        }
                    }
                }
            }
            // Its tables are gone, so that their names stand for those of another schema of the path.
            Act::Drops { kind: "schema", names, .. } => {
                for name in names {
                    let of = format!("{}\0", name.name);
                    self.tables
                        .retain(|key, state| !(key.starts_with(&of) && matches!(state, State::Created)));
                }
            }
            Act::Drops { kind: "temporary table", names, .. } => {
                for name in names {
                    if let Some(key) = self.key_of_temporary(name, path) {
                        self.tables.remove(&key);
                    }
                }
            }
            Act::Renames(pairs) => {
                for (from, to) in pairs {
                    let key = self.key(from, path);
                    let is_temporary = key.starts_with(TEMPORARY);
                    let was = self.vacate(key).unwrap_or_else(|| State::Before(from.clone()));
                    let permanent = || self.key_of_permanent(to, path);
                    let new = if is_temporary {
                        self.key_of_temporary(to, path).unwrap_or_else(permanent)
                    } else {
                        permanent()
                    };
                    self.tables.insert(new, was);
                    if !is_temporary {
                        replaced(to, effects);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Records that a table that was dropped has a successor.
fn replaced(name: &ObjectName, effects: &mut [Effect]) {
    let is_it = |effect: &&mut Effect| {
        let object = effect.object.rsplit('.').next().unwrap_or_default();
        effect.kind == EffectKind::DropsTable
            && (same_name(&effect.object, &name.name)
                || (name.schema.is_some() && same_name(object, &name.name)))
    };
    if let Some(effect) = effects.iter_mut().find(is_it) {
        effect.kind = EffectKind::ReplacesTable;
    }
}
