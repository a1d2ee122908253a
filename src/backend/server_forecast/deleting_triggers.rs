//! [`DeletingTriggers`]: the triggers and rules that delete something, and what fires them.

use std::collections::BTreeMap;

use super::{Inventory, Surroundings, Write};
use crate::sql::Token;
use crate::sql::act::{Act, Body, Grammar, ObjectName, Trigger};
use crate::sql::same_name;

/// The triggers and rules that delete something.
#[derive(Default)]
pub(super) struct DeletingTriggers {
    /// Those of the catalogue, by the tables and the writes that fire them.
    of_catalogue: BTreeMap<(String, Write), Vec<String>>,
    /// Those that the scripts create.
    of_scripts: Vec<Created>,
    /// Those that the scripts drop, with their kinds, and their tables on PostgreSQL.
    dropped: Vec<(String, Option<ObjectName>)>,
    /// The routines that the scripts create, by their names. Several can have one name.
    routines: BTreeMap<String, Vec<Body>>,
}

/// A trigger or a rule that a script creates.
struct Created {
    /// `trigger` or `rule`.
    kind: &'static str,
    name: String,
    trigger: Trigger,
}

impl DeletingTriggers {
    /// Follows a statement that creates, renames or drops something.
    pub(super) fn follow(&mut self, act: &Act, tokens: &[Token<'_>], grammar: &Grammar) {
        match act {
            Act::Creates { kind: "function" | "procedure", name, .. } => {
                let bodies = self.routines.entry(name.name.to_lowercase()).or_default();
                bodies.push(Body::of(tokens, grammar));
            }
            Act::Creates { kind: "trigger", name, .. } => {
                let created = |trigger| Created { kind: "trigger", name: name.name.clone(), trigger };
                self.of_scripts.extend(Trigger::of(tokens, grammar).map(created));
            }
            Act::Renames(pairs) => {
                for (from, to) in pairs {
                    let renamed = self.of_scripts.iter_mut().filter(|it| is_same(&it.trigger.table, from));
                    renamed.for_each(|it| it.trigger.table = to.clone());
                }
            }
            _ => {
                let rule = Trigger::of_rule(tokens, grammar).filter(|_| grammar.folds);
                self.of_scripts.extend(rule.map(|(name, trigger)| Created { kind: "rule", name, trigger }));
            }
        }
        let Some((kind, name, table)) = Trigger::dropped(tokens, grammar) else { return };
        let is_it = |it: &Created| {
            let is_of = table.as_ref().is_none_or(|table| is_same(table, &it.trigger.table));
            it.kind == kind && is_of && same_name(&it.name, &name.name)
        };
        let before = self.of_scripts.len();
        self.of_scripts.retain(|it| !is_it(it));
        // One that the scripts created did not replace one of the catalogue.
        if self.of_scripts.len() == before {
            self.dropped.push((format!("{} {}", kind.to_uppercase(), name.name), table));
        }
    }

    /// A trigger or a rule that the scripts created, and that deletes rows of a table which existed before them.
    pub(super) fn of_scripts(
        &self,
        table: &ObjectName,
        write: &Write,
        mut existed: impl FnMut(&ObjectName) -> bool,
    ) -> Option<String> {
        let is_fired = |trigger: &Trigger| {
            let sets_one = write.names.is_empty()
                || trigger.columns.is_empty()
                || trigger.columns.iter().any(|column| write.names.contains(column));
            let by = |event: &&str| write.events.contains(event) && (*event != "UPDATE" || sets_one);
            is_same(&trigger.table, table) && trigger.events.iter().any(by)
        };
        let mut fired = self.of_scripts.iter().filter(|it| is_fired(&it.trigger));
        let found = fired.find(|it| self.deletes(&it.trigger.body, &mut existed));
        found.map(|it| format!("{} {}", it.kind.to_uppercase(), it.name))
    }

    /// Whether a body deletes rows of such a table, or calls a routine of the scripts that does.
    fn deletes(&self, body: &Body, is_one: &mut impl FnMut(&ObjectName) -> bool) -> bool {
        let mut bodies = vec![body];
        let mut names: Vec<String> = Vec::new();
        let mut place = 0;
        while let Some(body) = bodies.get(place).copied() {
            if body.emptied.iter().any(&mut *is_one) {
                return true;
            }
            for call in body.calls.iter().map(|call| call.name.to_lowercase()) {
                if !names.contains(&call) {
                    bodies.extend(self.routines.get(&call).into_iter().flatten());
                    names.push(call);
                }
            }
            place += 1;
        }
        false
    }

    /// A trigger or a rule of the catalogue that the scripts have not dropped.
    pub(super) fn of_catalogue(
        &mut self,
        server: &mut dyn Inventory,
        table: &ObjectName,
        write: Write,
        surroundings: Surroundings<'_>,
    ) -> Option<String> {
        let place = format!("{:?} {}", surroundings.schemas_of(table), table.key());
        // The rows of a table are thousands of statements that write in the same way.
        let found = self.of_catalogue.entry((place, write)).or_insert_with_key(|(_, write)| {
            // Without an answer, a trigger may be there.
            server.fired(table, write, surroundings).unwrap_or_else(|_| vec!["TRIGGERS".to_owned()])
        });
        let is_dropped = |it: &String| {
            let is_of = |of: &Option<ObjectName>| of.as_ref().is_none_or(|of| is_same(of, table));
            self.dropped.iter().any(|(dropped, of)| same_name(dropped, it) && is_of(of))
        };
        found.iter().find(|it| !is_dropped(it)).cloned()
    }
}

/// Whether two names can be those of one table.
fn is_same(one: &ObjectName, other: &ObjectName) -> bool {
    let in_one = |one: &String| other.schema.as_ref().is_none_or(|other| one == other);
    (if one.ignores_case { same_name(&one.name, &other.name) } else { one.name == other.name })
        && one.schema.as_ref().is_none_or(in_one)
}
