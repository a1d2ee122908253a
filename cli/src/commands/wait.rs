//! `wait`

use std::time::Duration;

use serde_json::json;
use switchy_schema::{Mysql, Postgres, Sqlite};

use super::work::Context;
use crate::address::Address;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::patience::{self, patiently};
use crate::session::{Access, Database};

/// Waits until the server of the database accepts a connection.
pub(super) fn wait(context: &Context<'_>, seconds: Option<f64>) -> Result<Outcome> {
    let given = seconds.map(|seconds| {
        Duration::try_from_secs_f64(seconds).map_err(|_| {
            Failure::usage(format!("cannot wait for {seconds} seconds; give a number of seconds, 0 or more"))
        })
    });
    let wait = given.transpose()?.or(context.settings.wait()).unwrap_or(patience::DEFAULT);
    let address = context.settings.address()?;
    for remark in &context.settings.remarks {
        context.output.note(remark);
    }
    patiently(Some(wait), address, context.output, |address| {
        let none = Duration::ZERO;
        match address {
            Address::Sqlite(_) => Sqlite::open(address, Access::Read, none).map(drop),
            Address::Postgres(_) => Postgres::open(address, Access::Read, none).map(drop),
            Address::Mysql(_) => Mysql::open(address, Access::Read, none).map(drop),
        }
    })?;
    context.output.say(&format!("{address} is up"));
    Ok(Outcome::new("", json!({ "database": address.to_string() })))
}
