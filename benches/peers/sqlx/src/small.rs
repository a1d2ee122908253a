//! The smallest program that has two migrations.

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            SqliteConnectOptions::new().filename(std::env::args().nth(1).unwrap()).create_if_missing(true);
        let mut conn = options.connect().await.unwrap();
        sqlx::migrate!("generated/2").run(&mut conn).await.unwrap();
    });
}
