//! What a script takes away, as the catalogue says.

use postgres::{Client, Row};

use super::callers::callers;
use super::dependents::{Kinds, Root, dependents};
use super::estimate::ESTIMATE;
use super::fired::fired;
use super::{fault, query};
use crate::backend::server_forecast::{Inventory, Surroundings, Write, described};
use crate::backend::server_ledger::Tables;
use crate::dialect::quote;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::fault::Fault;
use crate::sql::act::{Dropped, Loss, ObjectName, Others, Retyped};
use crate::sql::column_type::can_cut;
use crate::sql::same_name;

/// Whether one of these functions may change rows. A function in SQL or PL/pgSQL is read: it changes nothing if it has no statement that
/// does, and names no other function that may. Comments and texts in it are no statements; where they may end elsewhere than these expressions
/// see it (escapes, dollar quotes, comments within comments), they count. The functions of two extensions only make random values.
const UNREAD: &str = r#"WITH own AS (
        SELECT p.oid, p.proname, p.prosrc, l.lanname FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE p.provolatile = 'v' AND (n.nspname NOT IN ('pg_catalog', 'information_schema')
            OR p.proname IN ('lo_unlink', 'lo_put', 'lo_truncate', 'lo_truncate64', 'lowrite', 'pg_drop_replication_slot',
                'query_to_xml', 'query_to_xml_and_xmlschema'))
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
            AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND e.extname IN ('uuid-ossp', 'pgcrypto'))
    )
    SELECT EXISTS (SELECT FROM own f WHERE f.proname = ANY (pg_catalog.string_to_array($1, E'\n')) AND (
        f.lanname NOT IN ('sql', 'plpgsql') OR f.prosrc = ''
        OR CASE WHEN f.prosrc ~ '\\|\$([^\s\d$][^\s$]*)?\$|/\*([^*]|\*+[^*/])*/\*' THEN f.prosrc
            ELSE pg_catalog.regexp_replace(f.prosrc, '--[^\n\r]*|/\*([^*]|\*+[^*/])*\*+/|''[^'']*''|"[^"]*"', ' ', 'g')
        END ~* '\m(insert|update|delete|truncate|merge|create|alter|drop|execute|call|copy|do|refresh|import|grant|revoke)\M'
        OR EXISTS (SELECT FROM own o WHERE o.oid <> f.oid AND CASE WHEN o.proname ~ '^\w+$'
            THEN pg_catalog.lower(o.proname) = ANY (pg_catalog.regexp_split_to_array(pg_catalog.lower(f.prosrc), '\W+'))
            ELSE pg_catalog.strpos(pg_catalog.lower(f.prosrc), pg_catalog.lower(o.proname)) > 0 END)))"#;

impl Inventory for Client {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        Tables::current_schema(self)
    }

    fn lost(&mut self, loss: &Loss, surroundings: Surroundings<'_>) -> Result<Option<Vec<Effect>>, Fault> {
        match loss {
            Loss::Object(dropped) => object(self, dropped, surroundings),
            Loss::Column { table, column, cascades, is_only, .. } => {
                let kinds = if *cascades { Kinds::All } else { Kinds::Parts };
                let root = |name: String| Root::Column { table: name, column: column.clone() };
                first(table, surroundings, |name| {
                    let inherited = if *is_only {
                        Vec::new()
                    } else {
                        inherited_columns(self, &name, column, surroundings)?
                    };
                    let found = dependents(self, &root(name), kinds, surroundings)?;
                    Ok(found.map(|found| [found, inherited].concat()))
                })
            }
            Loss::Rows { table, others } => {
                first(table, surroundings, |name| emptied(self, &name, *others, surroundings))
            }
            Loss::Overwritten(table) => written(self, table, EffectKind::OverwritesRows, surroundings),
            Loss::Moved(table) => written(self, table, EffectKind::MovesRows, surroundings),
            Loss::Volatile(table) => written(self, table, EffectKind::MakesVolatile, surroundings),
            Loss::Type(Retyped { table, column, to, using, .. }) => {
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
            Loss::Charset { .. } | Loss::Replaced(_) | Loss::Server(_) | Loss::Calls(_) | Loss::Unread => {
                Ok(Some(Vec::new()))
            }
        }
    }

    fn fired(
        &mut self,
        table: &ObjectName,
        write: &Write,
        surroundings: Surroundings<'_>,
    ) -> Result<Vec<String>, Fault> {
        Ok(first(table, surroundings, |name| fired(self, &name, write))?.unwrap_or_default())
    }

    fn has_unread(&mut self, functions: &[ObjectName]) -> Result<bool, Fault> {
        let names: Vec<&str> = functions.iter().map(|name| &*name.name).collect();
        let rows = query(self, UNREAD, &[Some(&names.join("\n"))]).map_err(fault)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    fn callers(&mut self) -> Result<Vec<String>, Fault> {
        callers(self)
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
        "sequence" => {
            let found = first(name, surroundings, |name| of(&Root::Relation { name, relkinds: "S" }))?;
            let dropped = heading(EffectKind::DropsObject);
            let dropped = Effect { object: described(kind, &dropped.object), ..dropped };
            Ok(found.map(|found| [vec![dropped], found].concat()))
        }
        "role" | "publication" | "subscription" => {
            let sql = match *kind {
                "role" => "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1",
                "publication" => "SELECT FROM pg_catalog.pg_publication WHERE pubname = $1",
                _ => "SELECT FROM pg_catalog.pg_subscription WHERE subname = $1",
            };
            let found = query(client, sql, &[Some(&name.name)]).map_err(fault)?;
            let dropped =
                Effect::new(EffectKind::DropsObject, described(kind, &name.name), Evidence::Catalog);
            Ok((!found.is_empty()).then(|| vec![dropped]))
        }
        "constraint" => {
            let Some(table) = on else { return Ok(None) };
            let constraint = &name.name;
            first(table, surroundings, |table| of(&Root::Constraint { table, name: constraint.clone() }))
        }
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

/// The tables that lose rows with a table, and that table.
fn emptied(
    client: &mut Client,
    name: &str,
    others: Others,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    const CHILDREN: &str = "SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = gone.oid";
    const REFERENCING: &str =
        "SELECT conrelid FROM pg_catalog.pg_constraint WHERE confrelid = gone.oid AND contype = 'f'";
    let next = match others {
        Others::None => "SELECT gone.oid".to_owned(),
        Others::Children => CHILDREN.to_owned(),
        Others::Keys => format!("{REFERENCING} AND confdeltype = 'c'"),
        Others::Cascading => format!("{CHILDREN} UNION ALL {REFERENCING} AND confdeltype = 'c'"),
        Others::Referencing => format!("{CHILDREN} UNION ALL {REFERENCING}"),
    };
    // A partition is a part of its table.
    let sql = format!(
        "WITH RECURSIVE gone (oid) AS (
            SELECT pg_catalog.to_regclass($1)::oid UNION SELECT next.oid FROM gone, LATERAL ({next}) AS next (oid)
        )
        SELECT n.nspname::text, c.relname::text, {ESTIMATE} FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN gone ON gone.oid = c.oid
        WHERE NOT c.relispartition OR NOT EXISTS (
            SELECT FROM pg_catalog.pg_inherits i JOIN gone parent ON parent.oid = i.inhparent WHERE i.inhrelid = c.oid)
        ORDER BY c.oid <> pg_catalog.to_regclass($1), 1, 2"
    );
    let rows = query(client, &sql, &[Some(name)]).map_err(fault)?;
    let effect = |row: &Row| {
        let object = surroundings.shown(row.get(0), row.get(1));
        let rows = row.get::<_, Option<String>>(2).and_then(|rows| rows.parse().ok());
        Effect { rows, ..Effect::new(EffectKind::DeletesRows, object, Evidence::Catalog) }
    };
    Ok((!rows.is_empty()).then(|| rows.iter().map(effect).collect()))
}

/// What happens to the rows of a table other than that they are deleted.
fn written(
    client: &mut Client,
    table: &ObjectName,
    kind: EffectKind,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let found = first(table, surroundings, |name| emptied(client, &name, Others::None, surroundings))?;
    Ok(found.map(|found| found.into_iter().map(|it| Effect { kind, rows: None, ..it }).collect()))
}

/// The columns that are dropped with one of a table or of a type: of the tables that inherit it, unless they have it also by themselves or from
/// another table, and of those of that type.
fn inherited_columns(
    client: &mut Client,
    table: &str,
    column: &str,
    surroundings: Surroundings<'_>,
) -> Result<Vec<Effect>, Fault> {
    let sql = "WITH RECURSIVE own (oid) AS (
            SELECT pg_catalog.to_regclass($1)::oid UNION SELECT next.oid FROM own, LATERAL (
                SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.inhrelid
                WHERE i.inhparent = own.oid AND a.attname = $2 AND NOT a.attisdropped AND NOT a.attislocal
                UNION ALL
                SELECT k.oid FROM pg_catalog.pg_class k JOIN pg_catalog.pg_type t ON t.oid = k.reloftype WHERE t.typrelid = own.oid
            ) AS next (oid)
        )
        SELECT n.nspname::text, c.relname::text FROM own JOIN pg_catalog.pg_class c ON c.oid = own.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped
        WHERE c.oid <> pg_catalog.to_regclass($1) AND NOT c.relispartition AND (c.reloftype <> 0 OR a.attinhcount <= (
            SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits i JOIN own parent ON parent.oid = i.inhparent WHERE i.inhrelid = c.oid))
        ORDER BY 1, 2";
    let rows = query(client, sql, &[Some(table), Some(column)]).map_err(fault)?;
    let effect = |row: &Row| {
        let object = surroundings.shown(row.get(0), row.get(1));
        Effect::new(EffectKind::DropsColumn, object, Evidence::Catalog).column(column)
    };
    Ok(rows.iter().map(effect).collect())
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
