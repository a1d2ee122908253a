//! [`Catalog`] for `SqliteOver`.

use super::SqliteOver;
use super::replica::Replica;
use super::statement::names_parameter;
use crate::backend::catalog::{Catalog, ForecastRequest};
use crate::backend::sqlite::Sqlite;
use crate::backend::statements::{Statements, column, number, value};
use crate::dialect::{TableName, qualified, quote};
use crate::effect::{Effect, Forecast, PlannedScript, Sample, Trust, scan};
use crate::fault::{Fault, FaultKind};
use crate::schema::Schema;
use crate::sql::{contains, same_name};

impl<S: Statements> Catalog for SqliteOver<S> {
    fn has_triggers_on(conn: &mut &mut S, table: &TableName) -> Result<bool, Fault> {
        let sql = "SELECT sql AS c0 FROM main.sqlite_master WHERE type = 'trigger' UNION ALL
            SELECT sql FROM temp.sqlite_master WHERE type = 'trigger'";
        // However a name is quoted, its parts without quote characters appear in the text unchanged.
        let longest = table.as_str().split(['"', '\'', '`', '[', ']']).max_by_key(|part| part.len());
        let triggers = column(*conn, sql)?;
        Ok(triggers.iter().any(|trigger| contains(trigger, longest.unwrap_or_default())))
    }

    fn is_blank(conn: &mut &mut S, tables: &[TableName]) -> Result<bool, Fault> {
        // It is unknown which program the objects of an attached database belong to.
        let sql = "SELECT name AS c0 FROM main.sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'
            UNION ALL SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
        let names = column(*conn, sql)?;
        Ok(names.iter().all(|name| tables.iter().any(|table| same_name(table.as_str(), name))))
    }

    fn user_version(conn: &mut &mut S) -> Result<Option<i64>, Fault> {
        let version = value(*conn, "SELECT user_version AS c0 FROM pragma_user_version")?;
        Ok(version.and_then(|text| text.parse().ok()))
    }

    fn schema(conn: &mut &mut S, within: Option<&str>, without: &[&str]) -> Result<Option<Schema>, Fault> {
        let replica = Replica::of(*conn)?;
        if replica.is_whole { Sqlite::schema(&mut &replica.conn, within, without) } else { Ok(None) }
    }

    /// The scripts are tried on a copy of the schema. If it is not whole, the text of a script of the program is read.
    fn forecast(conn: &mut &mut S, request: &ForecastRequest<'_, Self>) -> Result<Vec<Forecast>, Fault> {
        let replica = Replica::of(*conn)?;
        if !replica.is_whole {
            return Ok(request.scripts.iter().map(by_text).collect());
        }
        let on_replica = ForecastRequest::<Sqlite> {
            scripts: request.scripts,
            tables: request.tables,
            prepare: None,
            sample: Sample::None,
            limits: request.limits,
        };
        let mut forecasts = Sqlite::forecast(&mut &replica.conn, &on_replica)?;
        for (forecast, script) in forecasts.iter_mut().zip(request.scripts) {
            // What needs a function of the application fails there, so its text is read too.
            if let (Some(_), Some(text), Trust::Program) = (&forecast.failure, script.text, script.trust) {
                let known = forecast.effects.len();
                let found = scan(text).into_iter();
                let is_new = |effect: &Effect| {
                    !forecast.effects[..known].iter().any(|known| known.object == effect.object)
                };
                let found: Vec<Effect> = found.filter(is_new).collect();
                forecast.effects.extend(found);
                // A parameter has no value there either.
                if !names_parameter(text) {
                    forecast.failure = None;
                }
            }
            for effect in &mut forecast.effects {
                effect.rows = rows_of(*conn, effect);
            }
        }
        Ok(forecasts)
    }
}

fn by_text(script: &PlannedScript<'_>) -> Forecast {
    let failure = (script.trust == Trust::Database).then(|| {
        let what = "its effects are unknown: the schema needs a function, collation or module of the application, which this driver does \
                    not lend";
        Fault::new(FaultKind::Other, what)
    });
    Forecast { effects: script.text.map(scan).unwrap_or_default(), failure, ..Forecast::new() }
}

/// The number of rows that an effect is about, in the database itself.
fn rows_of(session: &mut impl Statements, effect: &Effect) -> Option<u64> {
    effect.rows?;
    let counted = effect.column.as_deref().map_or("*".to_owned(), quote);
    let table = qualified("main", &effect.object);
    number(session, &format!("SELECT count({counted}) AS c0 FROM {table}")).ok()
}
