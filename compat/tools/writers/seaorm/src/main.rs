//! `seaorm_writer <count> <url>`: applies the first so many migrations of the fixtures, as a program does at its start.

use std::error::Error;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Database;

#[path = "../../../fixtures/sea-orm/migrations/m20240203_040506_create_notes.rs"]
mod create_notes;
#[path = "../../../fixtures/sea-orm/migrations/m20240102_030405_create_users.rs"]
mod create_users;
#[path = "../../../fixtures/sea-orm/migrations/m20240304_050607_email_of_users.rs"]
mod email_of_users;
#[path = "../../../fixtures/sea-orm/migrations/m20240405_060708_pinned_notes.rs"]
mod pinned_notes;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(create_users::Migration),
            Box::new(create_notes::Migration),
            Box::new(email_of_users::Migration),
            Box::new(pinned_notes::Migration),
        ]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, url] = &arguments[..] else {
        return Err("two arguments are needed: a number of migrations and a URL".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = Database::connect(url).await?;
        Migrator::up(&db, Some(count.parse()?)).await?;
        Ok(db.close().await?)
    })
}
