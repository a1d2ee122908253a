//! Migrates a database with moosicbox_schema 0.4.0 or 0.5.0, as they were published.

#[path = "../../common.rs"]
mod common;

use std::process::ExitCode;
use std::sync::Arc;

use moosicbox_schema::{
    migrate_config_postgres, migrate_config_sqlite, migrate_library_postgres_until,
    migrate_library_sqlite_until,
};
use switchy_database::postgres::postgres::PostgresDatabase;
use tokio::sync::Mutex;

use crate::common::{Failure, Order, Set, carry_out, sqlite};

fn shared<T>(pool: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(pool))
}

fn main() -> ExitCode {
    carry_out(migrate)
}

async fn migrate(order: Order) -> Result<(), Failure> {
    let until = order.until.as_deref();
    if matches!(order.set, Set::Config) && until.is_some() {
        return Err("it cannot stop in the config".into());
    }
    if order.is_postgres() {
        let mut config = deadpool_postgres::Config::new();
        config.url = Some(order.place);
        let pool = config.create_pool(Some(deadpool_postgres::Runtime::Tokio1), tokio_postgres::NoTls)?;
        let database = PostgresDatabase::new(pool);
        match order.set {
            Set::Config => migrate_config_postgres(&database).await?,
            Set::Library => migrate_library_postgres_until(&database, until).await?,
        }
        return Ok(());
    }
    sqlite(&order.place, async |database| {
        match order.set {
            Set::Config => migrate_config_sqlite(&*database).await?,
            Set::Library => migrate_library_sqlite_until(&*database, until).await?,
        }
        Ok(())
    })
    .await
}
