//! What a script takes away, as the catalogue says.

use postgres::{Client, Row};

use super::dependents::{Kinds, Root, dependents};
use super::estimate::ESTIMATE;
use super::{fault, query};
use crate::backend::server_forecast::{Inventory, Surroundings};
use crate::backend::server_ledger::Tables;
use crate::dialect::quote;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::fault::Fault;
use crate::sql::act::{Dropped, Loss, ObjectName};
use crate::sql::column_type::can_cut;
use crate::sql::same_name;

impl Inventory for Client {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        Tables::current_schema(self)
    }

    fn lost(&mut self, loss: &Loss, surroundings: Surroundings<'_>) -> Result<Option<Vec<Effect>>, Fault> {
        match loss {
            Loss::Object(dropped) => object(self, dropped, surroundings),
            Loss::Column { table, column, cascades, .. } => {
                let kinds = if *cascades { Kinds::All } else { Kinds::Parts };
                let root = |name: String| Root::Column { table: name, column: column.clone() };
                first(table, surroundings, |name| dependents(self, &root(name), kinds, surroundings))
            }
            Loss::Rows { table, cascades } => {
                let referencing = if *cascades {
                    "UNION SELECT conrelid FROM pg_catalog.pg_constraint JOIN gone ON confrelid = gone.oid WHERE contype = 'f'"
                } else {
                    ""
                };
                first(table, surroundings, |name| emptied(self, &name, referencing, surroundings))
            }
            Loss::Overwritten(table) => {
                let overwrites = |effects: Vec<Effect>| {
                    let effects = effects.into_iter().map(|it| Effect {
                        kind: EffectKind::OverwritesRows,
                        rows: None,
                        ..it
                    });
                    effects.collect()
                };
                let found = first(table, surroundings, |name| emptied(self, &name, "", surroundings))?;
                Ok(found.map(overwrites))
            }
            Loss::Type { table, column, to, using } => {
                let Some((shown, old)) =
                    first(table, surroundings, |name| column_type(self, &name, column, surroundings))?
                else {
                    return Ok(None);
                };
                let forgets =
                    using.as_ref().is_some_and(|words| !words.iter().any(|word| same_name(word, column)));
                let changed =
                    Effect::new(EffectKind::ChangesType, shown, Evidence::Catalog).column(column.clone());
                Ok(Some(if forgets || can_cut(&old, to) { vec![changed] } else { Vec::new() }))
            }
            Loss::Owned(roles) => {
                let mut effects = Vec::new();
                for role in roles {
                    let found = dependents(self, &Root::Owner(role.clone()), Kinds::All, surroundings)?;
                    if let Some(found) = found {
                        effects.push(Effect::new(EffectKind::DropsOwned, role.clone(), Evidence::Catalog));
                        effects.extend(found);
                    }
                }
                Ok(Some(effects))
            }
            Loss::Calls(_) | Loss::Unread => Ok(Some(Vec::new())),
        }
    }

    fn has_unread(&mut self, functions: &[ObjectName]) -> Result<bool, Fault> {
        let names: Vec<&str> = functions.iter().map(|name| &*name.name).collect();
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p
            JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE p.proname = ANY (pg_catalog.string_to_array($1, E'\\n')) AND p.provolatile = 'v'
            AND (n.nspname NOT IN ('pg_catalog', 'information_schema')
                OR p.proname IN ('lo_unlink', 'query_to_xml', 'query_to_xml_and_xmlschema')))";
        let rows = query(self, sql, &[Some(&names.join("\n"))]).map_err(fault)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// The first answer for a name in the schemas that it may be in.
fn first<T>(
    name: &ObjectName,
    surroundings: Surroundings<'_>,
    mut ask: impl FnMut(String) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    for schema in surroundings.schemas_of(name) {
        let quoted = quote(&name.name);
        let full = schema.map_or_else(|| quoted.clone(), |schema| format!("{}.{quoted}", quote(&schema)));
        if let Some(found) = ask(full)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What an object takes with it.
fn object(
    client: &mut Client,
    dropped: &Dropped,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let Dropped { kind, name, on, cascades, .. } = dropped;
    let kinds = if *cascades { Kinds::All } else { Kinds::Parts };
    let heading = |kind| Effect::new(kind, name.name.clone(), Evidence::Catalog);
    let mut of = |root: &Root| dependents(client, root, kinds, surroundings);
    match *kind {
        "schema" => {
            let found = of(&Root::Schema(name.name.clone()))?;
            // Without `CASCADE` it has to be empty.
            Ok(found.map(|found| {
                if *cascades { [vec![heading(EffectKind::DropsSchema)], found].concat() } else { Vec::new() }
            }))
        }
        "database" => {
            let sql = "SELECT FROM pg_catalog.pg_database WHERE datname = $1";
            let found = query(client, sql, &[Some(&name.name)]).map_err(fault)?;
            Ok((!found.is_empty()).then(|| vec![heading(EffectKind::DropsDatabase)]))
        }
        "extension" => of(&Root::Extension(name.name.clone())),
        "server" => of(&Root::Server(name.name.clone())),
        "foreign data wrapper" => of(&Root::Wrapper(name.name.clone())),
        "language" => of(&Root::Language(name.name.clone())),
        "collation" => {
            for schema in surroundings.schemas_of(name) {
                if let Some(found) = of(&Root::Collation { schema, name: name.name.clone() })? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        "function" | "procedure" | "routine" | "aggregate" => {
            for schema in surroundings.schemas_of(name) {
                if let Some(found) = of(&Root::Routine { schema, name: name.name.clone() })? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
        "type" | "domain" => first(name, surroundings, |name| of(&Root::Type(name))),
        "table" => first(name, surroundings, |name| of(&Root::Relation { name, relkinds: "r,p,f" })),
        "view" => first(name, surroundings, |name| of(&Root::Relation { name, relkinds: "v,m" })),
        "sequence" => first(name, surroundings, |name| of(&Root::Relation { name, relkinds: "S" })),
        "index" => {
            let found = first(name, surroundings, |name| of(&Root::Relation { name, relkinds: "i,I" }))?;
            Ok(found.map(|_| vec![heading(EffectKind::DropsIndex)]))
        }
        "trigger" => {
            let Some(table) = on else { return Ok(None) };
            let trigger = &name.name;
            first(table, surroundings, |table| of(&Root::Trigger { table, name: trigger.clone() }))
        }
        // What depends on it has to be read from the text.
        _ => Ok(None),
    }
}

/// The tables of which rows are deleted, of a table and, with the query of the tables that reference it, of those.
fn emptied(
    client: &mut Client,
    name: &str,
    referencing: &str,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let sql = format!(
        "WITH RECURSIVE gone (oid) AS (SELECT pg_catalog.to_regclass($1)::oid {referencing})
        SELECT n.nspname::text, c.relname::text, {ESTIMATE} FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN gone ON gone.oid = c.oid ORDER BY c.oid <> pg_catalog.to_regclass($1), 1, 2"
    );
    let rows = query(client, &sql, &[Some(name)]).map_err(fault)?;
    let effect = |row: &Row| {
        let object = surroundings.shown(row.get(0), row.get(1));
        let rows = row.get::<_, Option<String>>(2).and_then(|rows| rows.parse().ok());
        Effect { rows, ..Effect::new(EffectKind::DeletesRows, object, Evidence::Catalog) }
    };
    Ok((!rows.is_empty()).then(|| rows.iter().map(effect).collect()))
}

/// The table as it is shown, and the type of its column.
fn column_type(
    client: &mut Client,
    table: &str,
    column: &str,
    surroundings: Surroundings<'_>,
) -> Result<Option<(String, String)>, Fault> {
    let sql = "SELECT n.nspname::text, c.relname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped";
    let rows = query(client, sql, &[Some(table), Some(column)]).map_err(fault)?;
    Ok(rows.first().map(|row| (surroundings.shown(row.get(0), row.get(1)), row.get(2))))
}
