//! [`Fired`]: the triggers that statements fire, and that delete something.

use std::collections::BTreeMap;

use super::{Inventory, Surroundings, Write};
use crate::sql::Token;
use crate::sql::act::{Act, Body, Grammar, ObjectName, Trigger};
use crate::sql::same_name;

/// The triggers that delete something: those of the catalogue, and those that the scripts create.
#[derive(Default)]
pub(super) struct Fired {
    /// By the tables and the writes that fire them.
    known: BTreeMap<(String, Write), Option<String>>,
    /// The triggers and rules that the scripts create.
    own: Vec<Own>,
    /// The routines that the scripts create, by their names. Several can have one name.
    routines: BTreeMap<String, Vec<Body>>,
}

/// A trigger or a rule that a script creates.
struct Own {
    /// `trigger` or `rule`.
    kind: &'static str,
    name: String,
    trigger: Trigger,
}

impl Fired {
    /// Notes what a script creates.
    pub(super) fn note(&mut self, kind: &str, name: &ObjectName, tokens: &[Token<'_>], grammar: &Grammar) {
        match kind {
            "function" | "procedure" => {
                let bodies = self.routines.entry(name.name.to_lowercase()).or_default();
                bodies.push(Body::of(tokens, grammar));
            }
            "trigger" => {
                let trigger = Trigger::of(tokens, grammar);
                let named = |trigger| Own { kind: "trigger", name: name.name.clone(), trigger };
                self.own.extend(trigger.map(named));
            }
            _ => {}
        }
    }

    /// Notes a rule that a script creates.
    pub(super) fn note_rule(&mut self, tokens: &[Token<'_>], grammar: &Grammar) {
        let rule = Trigger::of_rule(tokens, grammar).filter(|_| grammar.folds);
        self.own.extend(rule.map(|(name, trigger)| Own { kind: "rule", name, trigger }));
    }

    /// Follows a statement that drops triggers.
    pub(super) fn follow(&mut self, act: &Act) {
        if let Act::Drops { kind, names, .. } = act {
            let is_dropped =
                |own: &Own| own.kind == *kind && names.iter().any(|name| same_name(&name.name, &own.name));
            self.own.retain(|own| !is_dropped(own));
        }
    }

    /// A trigger or a rule that the scripts created, and that deletes rows of a table which was there before them.
    pub(super) fn own(
        &self,
        table: &ObjectName,
        write: &Write,
        was_there: impl Fn(&ObjectName) -> bool,
    ) -> Option<String> {
        let is_fired = |trigger: &Trigger| {
            let sets_one = write.names.is_empty()
                || trigger.columns.is_empty()
                || trigger.columns.iter().any(|column| write.names.contains(column));
            let by = |event: &&str| write.events.contains(event) && (*event != "UPDATE" || sets_one);
            is_same(&trigger.table, table) && trigger.events.iter().any(by)
        };
        let found =
            self.own.iter().find(|own| is_fired(&own.trigger) && self.deletes(&own.trigger.body, &was_there));
        found.map(|own| format!("{} {}", own.kind.to_uppercase(), own.name))
    }

    /// Whether a body deletes rows of such a table, or calls a routine of the scripts that does.
    fn deletes(&self, body: &Body, is_one: &impl Fn(&ObjectName) -> bool) -> bool {
        let mut bodies = vec![body];
        let mut names: Vec<String> = Vec::new();
        let mut place = 0;
        while let Some(body) = bodies.get(place).copied() {
            if body.emptied.iter().any(is_one) {
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

    /// A trigger of the catalogue, or a rule.
    pub(super) fn known(
        &mut self,
        server: &mut dyn Inventory,
        table: &ObjectName,
        write: Write,
        surroundings: Surroundings<'_>,
    ) -> Option<String> {
        let place = format!("{:?} {}", surroundings.schemas_of(table), table.key());
        // The rows of a table are thousands of statements that write in the same way.
        let trigger = self.known.entry((place, write));
        trigger
            .or_insert_with_key(|(_, write)| server.fired(table, write, surroundings).unwrap_or(None))
            .clone()
    }
}

/// Whether two names can be those of one table.
fn is_same(one: &ObjectName, other: &ObjectName) -> bool {
    let in_one = |one: &String| other.schema.as_ref().is_none_or(|other| one == other);
    (if one.ignores_case { same_name(&one.name, &other.name) } else { one.name == other.name })
        && one.schema.as_ref().is_none_or(in_one)
}
