//! What a script takes away, as the catalogue says.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{self, fault, get, text};
use crate::backend::server_forecast::{Inventory, Surroundings};
use crate::backend::server_ledger::Tables;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::fault::Fault;
use crate::sql::act::{Dropped, Loss, ObjectName};
use crate::sql::column_type::can_cut;

impl Inventory for Conn {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        Tables::current_schema(self)
    }

    fn lost(&mut self, loss: &Loss, surroundings: Surroundings<'_>) -> Result<Option<Vec<Effect>>, Fault> {
        let effect = |kind, object: String| Effect::new(kind, object, Evidence::Catalog);
        match loss {
            Loss::Object(Dropped { kind: "schema" | "database", name, .. }) => {
                database(self, &name.name, surroundings)
            }
            Loss::Object(Dropped { kind: "table", name, is_replaced, .. }) => {
                let kind = if *is_replaced { EffectKind::ReplacesTable } else { EffectKind::DropsTable };
                let found = table(self, name, surroundings)?.filter(|table| !table.is_view);
                Ok(found.map(|table| vec![table.effect(kind, surroundings)]))
            }
            Loss::Object(Dropped { kind: "view", name, .. }) => {
                let found = table(self, name, surroundings)?.filter(|table| table.is_view);
                Ok(found.map(|table| vec![table.effect(EffectKind::DropsView, surroundings)]))
            }
            Loss::Object(Dropped { kind: "trigger", name, .. }) => {
                let sql = format!(
                    "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {} AND TRIGGER_NAME = {}",
                    schema(name, surroundings),
                    text(Some(&name.name))
                );
                let found = query::column::<String>(self, &sql).map_err(fault)?;
                Ok(found.map(|name| vec![effect(EffectKind::DropsTrigger, name)]))
            }
            Loss::Object(Dropped { kind: "index", name, .. }) => {
                Ok(Some(vec![effect(EffectKind::DropsIndex, name.name.clone())]))
            }
            Loss::Column { table, column, .. } => {
                let found = column_type(self, table, column, surroundings)?;
                let shown =
                    |_| effect(EffectKind::DropsColumn, shown(table, surroundings)).column(column.clone());
                Ok(found.map(shown).map(|effect| vec![effect]))
            }
            Loss::Rows { table: name, .. } => {
                let found = table(self, name, surroundings)?;
                Ok(found.map(|table| vec![table.effect(EffectKind::DeletesRows, surroundings)]))
            }
            Loss::Overwritten(name) => {
                let found = table(self, name, surroundings)?;
                Ok(found.map(|table| vec![table.effect(EffectKind::OverwritesRows, surroundings)]))
            }
            Loss::Type { table, column, to, .. } => {
                let Some(old) = column_type(self, table, column, surroundings)? else { return Ok(None) };
                let changed =
                    effect(EffectKind::ChangesType, shown(table, surroundings)).column(column.clone());
                Ok(Some(if can_cut(&old, to) { vec![changed] } else { Vec::new() }))
            }
            // No row is in them.
            Loss::Object(_) | Loss::Owned(_) | Loss::Calls(_) | Loss::Unread => Ok(Some(Vec::new())),
        }
    }

    fn has_unread(&mut self, functions: &[ObjectName]) -> Result<bool, Fault> {
        let is_one = |name: &ObjectName| {
            let schema =
                name.schema.as_deref().map_or_else(|| "DATABASE()".to_owned(), |schema| text(Some(schema)));
            format!("(ROUTINE_SCHEMA = {schema} AND ROUTINE_NAME = {})", text(Some(&name.name)))
        };
        let any = functions.iter().map(is_one).collect::<Vec<_>>().join(" OR ");
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ({any})"
        );
        Ok(query::column::<u64>(self, &sql).map_err(fault)? != Some(0))
    }
}

/// A table or view.
struct Found {
    schema: String,
    name: String,
    is_view: bool,
    /// As the storage engine estimates them.
    rows: Option<u64>,
}

impl Found {
    fn of(row: &Row) -> Option<Self> {
        let kind: String = get(row, 2)?;
        let is_view = kind.contains("VIEW");
        Some(Self {
            schema: get(row, 0)?,
            name: get(row, 1)?,
            is_view,
            rows: if is_view { None } else { get(row, 3) },
        })
    }

    fn effect(self, kind: EffectKind, surroundings: Surroundings<'_>) -> Effect {
        let rows = self.rows.filter(|_| kind != EffectKind::OverwritesRows);
        let object = surroundings.shown(&self.schema, &self.name);
        Effect { rows, ..Effect::new(kind, object, Evidence::Catalog) }
    }
}

const TABLES: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS FROM information_schema.TABLES
    WHERE TABLE_TYPE <> 'SEQUENCE' AND TABLE_SCHEMA = ";

/// The schema of a name, in SQL.
fn schema(name: &ObjectName, surroundings: Surroundings<'_>) -> String {
    let schema = surroundings.schemas_of(name).into_iter().next().flatten();
    schema.map_or_else(|| "DATABASE()".to_owned(), |schema| text(Some(&schema)))
}

fn shown(name: &ObjectName, surroundings: Surroundings<'_>) -> String {
    match surroundings.schemas_of(name).into_iter().next().flatten() {
        Some(schema) => surroundings.shown(&schema, &name.name),
        None => name.name.clone(),
    }
}

fn table(conn: &mut Conn, name: &ObjectName, surroundings: Surroundings<'_>) -> Result<Option<Found>, Fault> {
    let (schema, name) = (schema(name, surroundings), text(Some(&name.name)));
    let row = query::first(conn, &format!("{TABLES}{schema} AND TABLE_NAME = {name}")).map_err(fault)?;
    Ok(row.as_ref().and_then(Found::of))
}

fn column_type(
    conn: &mut Conn,
    table: &ObjectName,
    column: &str,
    surroundings: Surroundings<'_>,
) -> Result<Option<String>, Fault> {
    let sql = format!(
        "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND COLUMN_NAME = {}",
        schema(table, surroundings),
        text(Some(&table.name)),
        text(Some(column))
    );
    query::column(conn, &sql).map_err(fault)
}

/// A database with all its tables and views.
fn database(
    conn: &mut Conn,
    name: &str,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let quoted = text(Some(name));
    let sql = format!("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {quoted}");
    let Some(found) = query::column::<String>(conn, &sql).map_err(fault)? else { return Ok(None) };
    let mut effects = vec![Effect::new(EffectKind::DropsDatabase, found, Evidence::Catalog)];
    let rows: Vec<Row> = conn.query(format!("{TABLES}{quoted} ORDER BY TABLE_NAME")).map_err(fault)?;
    effects.extend(rows.iter().filter_map(Found::of).map(|table| {
        let kind = if table.is_view { EffectKind::DropsView } else { EffectKind::DropsTable };
        table.effect(kind, surroundings)
    }));
    Ok(Some(effects))
}
