//! `sqlx_writer <migrations> <url>`: what `sqlx::migrate!` does at the start of a program.

use std::error::Error;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, Connection};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [migrations, url] = &arguments[..] else {
        return Err("two arguments are needed: a folder of migrations and a URL".into());
    };
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut conn = AnyConnection::connect(url).await?;
        Migrator::new(Path::new(migrations)).await?.run(&mut conn).await?;
        Ok(conn.close().await?)
    })
}
