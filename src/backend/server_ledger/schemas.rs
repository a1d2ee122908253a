//! The schemas of names that are written without one.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::sql::act::{Act, ObjectName};

/// Gives each table name without a schema the current schema, if the script writes a schema or changes the current one; otherwise all names
/// are in the same one. A temporary table is in none.
pub(super) fn resolve(
    acts: &mut [Act],
    current: &mut dyn FnMut() -> Result<Option<String>, Fault>,
) -> Result<(), Fault> {
    let has_schema = |act: &mut Act| {
        matches!(act, Act::SetsSchema(_)) || names(act).into_iter().any(|name| name.schema.is_some())
    };
    if !acts.iter_mut().any(has_schema) {
        return Ok(());
    }
    let mut current = current()?;
    let mut temporary = BTreeSet::new();
    for act in acts {
        match act {
            Act::SetsSchema(schema) => current = Some(schema.clone()),
            Act::Creates { kind: "table", name, is_temporary: true, .. } => {
                temporary.insert(name.key());
            }
            act => {
                let is_drop = matches!(act, Act::Drops { .. });
                for name in names(act) {
                    if name.schema.is_none() && !temporary.contains(&name.key()) {
                        name.schema.clone_from(&current);
                    } else if is_drop {
                        temporary.remove(&name.key());
                    }
                }
            }
        }
    }
    Ok(())
}

/// The tables that a statement names.
fn names(act: &mut Act) -> Vec<&mut ObjectName> {
    match act {
        Act::Creates { kind: "table", name, .. }
        | Act::Alters(Some(name))
        | Act::Deletes(name)
        | Act::AddsRows(Some(name)) => vec![name],
        Act::Drops { kind: "table", names, .. } | Act::DeletesUncounted(names) => names.iter_mut().collect(),
        Act::Renames(pairs) => pairs.iter_mut().flat_map(|(from, to)| [from, to]).collect(),
        _ => Vec::new(),
    }
}
