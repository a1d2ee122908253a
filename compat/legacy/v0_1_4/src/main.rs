//! Migrates a database with moosicbox_schema 0.1.4, as it was published.

#[path = "../../common.rs"]
mod common;

use std::process::ExitCode;
use std::sync::Arc;

use moosicbox_schema::{
    POSTGRES_CONFIG_MIGRATIONS, POSTGRES_LIBRARY_MIGRATIONS, SQLITE_CONFIG_MIGRATIONS,
    SQLITE_LIBRARY_MIGRATIONS,
};
use switchy_database::postgres::postgres::PostgresDatabase;
use tokio::sync::Mutex;

use crate::common::{Failure, Order, Set, carry_out, sqlite};

static SETS: [moosicbox_schema::Migrations; 4] = [
    SQLITE_CONFIG_MIGRATIONS,
    SQLITE_LIBRARY_MIGRATIONS,
    POSTGRES_CONFIG_MIGRATIONS,
    POSTGRES_LIBRARY_MIGRATIONS,
];

fn shared<T>(pool: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(pool))
}

fn main() -> ExitCode {
    carry_out(migrate)
}

async fn migrate(order: Order) -> Result<(), Failure> {
    let place = match order.set {
        Set::Config => 0,
        Set::Library => 1,
    };
    let until = order.until.as_deref();
    if order.is_postgres() {
        let (client, connection) = tokio_postgres::connect(&order.place, tokio_postgres::NoTls).await?;
        let database = PostgresDatabase::new(client, connection);
        return Ok(SETS[place + 2].run_until(&database, until).await?);
    }
    sqlite(&order.place, async |database| Ok(SETS[place].run_until(&*database, until).await?)).await
}
