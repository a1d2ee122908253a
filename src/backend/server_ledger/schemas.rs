//! The schemas of names that are written without one.

use std::collections::BTreeSet;

use super::tables::Tables;
use crate::fault::Fault;
use crate::sql::act::{Act, ObjectName};

/// Gives each table name without a schema the schema that it is in, if the script writes a schema or changes the current one; otherwise all
/// names are found in the same way. A temporary table is in none.
pub(super) fn resolve(acts: &mut [Act], server: &mut dyn Tables) -> Result<(), Fault> {
    let has_schema = |act: &mut Act| {
        matches!(act, Act::SetsSchema(_)) || names(act).into_iter().any(|name| name.schema.is_some())
    };
    if !acts.iter_mut().any(has_schema) {
        return Ok(());
    }
    let mut current = server.current_schema()?;
    let mut path: Option<Vec<String>> = None;
    let (mut temporary, mut new) = (BTreeSet::new(), BTreeSet::new());
    for act in acts {
        if let Act::SetsSchema(schemas) = act {
            // A schema of the user's own name seldom exists.
            current = schemas.iter().find(|schema| *schema != "$user").cloned();
            path = Some(schemas.clone());
            continue;
        }
        if let Act::Creates { kind: "table", name, is_temporary: true, .. } = act {
            temporary.insert(name.key());
            continue;
        }
        let is_drop = matches!(act, Act::Drops { .. });
        let is_creation = matches!(act, Act::Creates { .. });
        for (place, name) in names(act).into_iter().enumerate() {
            if temporary.contains(&name.key()) {
                if is_drop {
                    temporary.remove(&name.key());
                }
                continue;
            }
            // The second name of a renaming is new, and so is a table that is created.
            let is_new = is_creation || place % 2 == 1 && !is_drop;
            if name.schema.is_none() {
                let mut of_new = name.clone();
                of_new.schema.clone_from(&current);
                let is_own = is_new || new.contains(&of_new.key());
                let found = if is_own { None } else { server.schema_of(name, path.as_deref())? };
                name.schema = found.or_else(|| current.clone());
            }
            if is_new {
                new.insert(name.key());
            }
        }
    }
    Ok(())
}

/// The tables that a statement names. Those of a renaming are pairs.
fn names(act: &mut Act) -> Vec<&mut ObjectName> {
    match act {
        Act::Creates { kind: "table", name, .. }
        | Act::Alters(Some(name))
        | Act::Deletes(name)
        | Act::AddsRows(Some(name)) => vec![name],
        Act::Drops { kind: "table" | "temporary table", names, .. } => names.iter_mut().collect(),
        Act::Renames(pairs) => pairs.iter_mut().flat_map(|(from, to)| [from, to]).collect(),
        _ => Vec::new(),
    }
}
