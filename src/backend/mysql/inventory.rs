//! What a script takes away, as the catalogue says.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::column::{Column, schema};
use super::fired::fired;
use super::query::{self, fault, get, text};
use crate::backend::server_forecast::{Inventory, Surroundings, Write, described};
use crate::backend::server_ledger::Tables;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::fault::Fault;
use crate::sql::act::{Dropped, Loss, ObjectName, Others};

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
                match found {
                    Some(table) => Ok(Some(vec![table.effect(kind, surroundings)])),
                    // MariaDB drops a sequence too.
                    None => sequence(self, name, surroundings),
                }
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
                let found = Column::named(self, table, column, surroundings)?;
                let shown =
                    |_| effect(EffectKind::DropsColumn, shown(table, surroundings)).column(column.clone());
                Ok(found.map(shown).map(|effect| vec![effect]))
            }
            Loss::Rows { table: name, others } => {
                let Some(found) = table(self, name, surroundings)? else { return Ok(None) };
                let mut emptied = vec![found];
                if *others == Others::Cascading {
                    add_cascading(self, &mut emptied)?;
                }
                let deletes = |table: Found| table.effect(EffectKind::DeletesRows, surroundings);
                Ok(Some(emptied.into_iter().map(deletes).collect()))
            }
            Loss::Replaced(name) => {
                let Some(found) = table(self, name, surroundings)? else { return Ok(None) };
                let mut emptied = vec![found];
                add_cascading(self, &mut emptied)?;
                let kind =
                    |place| if place == 0 { EffectKind::OverwritesRows } else { EffectKind::DeletesRows };
                let effects = emptied.into_iter().enumerate();
                Ok(Some(effects.map(|(place, table)| table.effect(kind(place), surroundings)).collect()))
            }
            Loss::Overwritten(name) => written(self, name, EffectKind::OverwritesRows, surroundings),
            Loss::Moved(name) => written(self, name, EffectKind::MovesRows, surroundings),
            Loss::Volatile(name) => written(self, name, EffectKind::MakesVolatile, surroundings),
            Loss::Type(retyped) => {
                let Some(column) = Column::named(self, &retyped.table, &retyped.column, surroundings)? else {
                    return Ok(None);
                };
                let changed = effect(EffectKind::ChangesType, shown(&retyped.table, surroundings));
                let changed = changed.column(retyped.column.clone());
                Ok(Some(if column.can_lose_by(retyped) { vec![changed] } else { Vec::new() }))
            }
            Loss::Charset { table, charset } => {
                let columns = Column::all(self, table, surroundings)?;
                let changed = |column: Column| {
                    effect(EffectKind::ChangesType, shown(table, surroundings)).column(column.name)
                };
                let columns = columns.into_iter().filter(|column| column.can_lose_in(charset));
                Ok(Some(columns.map(changed).collect()))
            }
            Loss::Object(Dropped { kind: "sequence", name, is_replaced, .. }) => {
                // `CREATE OR REPLACE SEQUENCE` also replaces a table.
                let replaced = if *is_replaced { table(self, name, surroundings)? } else { None };
                if let Some(table) = replaced.filter(|table| !table.is_view) {
                    return Ok(Some(vec![table.effect(EffectKind::DropsTable, surroundings)]));
                }
                sequence(self, name, surroundings)
            }
            Loss::Object(Dropped { kind: kind @ ("role" | "user"), name, .. }) => {
                // A user who may not read it is told what the text says.
                let sql =
                    format!("SELECT User FROM mysql.user WHERE User = {} LIMIT 1", text(Some(&name.name)));
                let found = query::column::<String>(self, &sql).map_err(fault)?;
                Ok(found.map(|name| vec![effect(EffectKind::DropsObject, described(kind, &name))]))
            }
            // No row is in them.
            Loss::Object(_) | Loss::Owned(_) | Loss::Server(_) | Loss::Calls(_) | Loss::Unread => {
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
        fired(self, &schema(table, surroundings), &table.name, write)
    }

    fn has_unread(&mut self, functions: &[ObjectName]) -> Result<bool, Fault> {
        let is_one = |name: &ObjectName| {
            let schema =
                name.schema.as_deref().map_or_else(|| "DATABASE()".to_owned(), |schema| text(Some(schema)));
            format!("(ROUTINE_SCHEMA = {schema} AND ROUTINE_NAME = {})", text(Some(&name.name)))
        };
        let any = functions.iter().map(is_one).collect::<Vec<_>>().join(" OR ");
        // The text of a function is hidden from who may not see it.
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.ROUTINES f WHERE f.ROUTINE_TYPE = 'FUNCTION' AND ({any})
            AND (f.ROUTINE_DEFINITION IS NULL OR LOWER(f.ROUTINE_DEFINITION) REGEXP
                '(^|[^a-z_])(insert|update|delete|truncate|replace|create|alter|drop|rename|execute|call|load|grant|revoke)([^a-z_]|$)'
            OR EXISTS (SELECT 1 FROM information_schema.ROUTINES o WHERE (o.ROUTINE_SCHEMA <> f.ROUTINE_SCHEMA OR o.ROUTINE_NAME <> f.ROUTINE_NAME)
                AND LOCATE(LOWER(o.ROUTINE_NAME), LOWER(f.ROUTINE_DEFINITION)) > 0))"
        );
        Ok(query::column::<u64>(self, &sql).map_err(fault)? != Some(0))
    }
}

/// A sequence.
fn sequence(
    conn: &mut Conn,
    name: &ObjectName,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        schema(name, surroundings),
        text(Some(&name.name))
    );
    let found = query::column::<String>(conn, &sql).map_err(fault)?;
    let dropped = |name: String| {
        vec![Effect::new(EffectKind::DropsObject, described("sequence", &name), Evidence::Catalog)]
    };
    Ok(found.map(dropped))
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
        let is_counted =
            matches!(kind, EffectKind::DropsTable | EffectKind::ReplacesTable | EffectKind::DeletesRows);
        let rows = self.rows.filter(|_| is_counted);
        let object = surroundings.shown(&self.schema, &self.name);
        Effect { rows, ..Effect::new(kind, object, Evidence::Catalog) }
    }
}

const TABLES: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS FROM information_schema.TABLES
    WHERE TABLE_TYPE <> 'SEQUENCE' AND TABLE_SCHEMA = ";

fn shown(name: &ObjectName, surroundings: Surroundings<'_>) -> String {
    match surroundings.schemas_of(name).into_iter().next().flatten() {
        Some(schema) => surroundings.shown(&schema, &name.name),
        None => name.name.clone(),
    }
}

fn table(conn: &mut Conn, name: &ObjectName, surroundings: Surroundings<'_>) -> Result<Option<Found>, Fault> {
    of_name(conn, &schema(name, surroundings), &name.name)
}

/// The table of a name in a schema, which is given in SQL. A server that knows both reads no other table for it.
fn of_name(conn: &mut Conn, schema: &str, name: &str) -> Result<Option<Found>, Fault> {
    let sql = format!("{TABLES}{schema} AND TABLE_NAME = {}", text(Some(name)));
    let row = query::first(conn, &sql).map_err(fault)?;
    Ok(row.as_ref().and_then(Found::of))
}

/// What happens to the rows of a table other than that they are deleted.
fn written(
    conn: &mut Conn,
    name: &ObjectName,
    kind: EffectKind,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    Ok(table(conn, name, surroundings)?.map(|table| vec![table.effect(kind, surroundings)]))
}

/// Adds the tables whose rows are deleted with those of the first one, by `ON DELETE CASCADE`.
fn add_cascading(conn: &mut Conn, emptied: &mut Vec<Found>) -> Result<(), Fault> {
    let mut place = 0;
    while let Some(table) = emptied.get(place) {
        let sql = format!(
            "SELECT DISTINCT CONSTRAINT_SCHEMA, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
            WHERE DELETE_RULE = 'CASCADE' AND UNIQUE_CONSTRAINT_SCHEMA = {} AND REFERENCED_TABLE_NAME = {} ORDER BY 1, 2",
            text(Some(&table.schema)),
            text(Some(&table.name))
        );
        let names: Vec<(String, String)> = conn.query(sql).map_err(fault)?;
        for (schema, name) in names {
            if !emptied.iter().any(|known| (&known.schema, &known.name) == (&schema, &name)) {
                emptied.extend(of_name(conn, &text(Some(&schema)), &name)?);
            }
        }
        place += 1;
    }
    Ok(())
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
