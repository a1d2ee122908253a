//! Migrations in code that use the builders of `switchy_database`.

use std::sync::Arc;

use switchy_database::query::FilterableQuery;
use switchy_database::schema::{Column, DataType, create_table};
use switchy_database::{Database, DatabaseValue};
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{BoxError, CodeMigration, CodeMigrations, MigrationId, MigrationRunner};
use switchy_schema_database::{Runs, Session, Sqlite, with_session};

use crate::kit::{DRIVERS, RUNTIME, open, texts};

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.to_owned(), nullable: false, auto_increment: false, data_type, default: None }
}

/// Creates a table and fills it; and then fails, if it is to.
struct Users {
    fails: Option<&'static str>,
}

impl CodeMigration<Sqlite> for Users {
    fn id(&self) -> MigrationId {
        MigrationId::from_static("1_users")
    }

    fn up(&self, session: &mut Session) -> Result<(), BoxError> {
        let made = session.with_database(|db| {
            Box::pin(async move {
                let users = create_table("users")
                    .column(column("id", DataType::BigInt))
                    .column(column("name", DataType::Text));
                users.primary_key("id").execute(db).await?;
                db.insert("users").value("id", 7).value("name", "Ada").execute(db).await?;
                let found = db.select("users").where_eq("name", "Ada").execute(db).await?;
                Ok(found.into_iter().filter_map(|row| row.get("id")).collect::<Vec<_>>())
            })
        })?;
        assert_eq!(made, [DatabaseValue::Int64(7)]);
        if let Some(sql) = self.fails {
            session.with_database(move |db| Box::pin(async move { db.exec_raw(sql).await }))?;
        }
        Ok(())
    }

    fn down(&self, session: &mut Session) -> Result<(), BoxError> {
        session.with_database(|db| Box::pin(async move { db.drop_table("users").execute(db).await }))?;
        Ok(())
    }

    fn reversible(&self) -> bool {
        true
    }
}

fn runner(fails: Option<&'static str>) -> Arc<MigrationRunner<Sqlite>> {
    let set = CodeMigrations::<Sqlite>::new().register(Users { fails });
    Arc::new(MigrationRunner::for_backend(set).unwrap())
}

#[test]
fn they_are_one_transaction_with_their_record() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        RUNTIME.block_on(async {
            let db: Box<dyn Database> = open(driver, &database.path()).await;
            for (fails, expected) in [
                ("INSERT INTO missing VALUES (1)", "no such table: missing"),
                ("COMMIT", "it ended the transaction that it runs in"),
            ] {
                let refused = runner(Some(fails)).run_on(&*db).await.unwrap_err();
                assert!(format!("{refused:#}").contains(expected), "{refused:#}");
                if fails == "COMMIT" {
                    db.exec_raw("DROP TABLE users").await.unwrap();
                    db.clear_connection_cache().await;
                } else {
                    assert!(!db.table_exists("users").await.unwrap());
                    db.clear_connection_cache().await;
                }
            }
            assert_eq!(runner(None).run_on(&*db).await.unwrap().applied.len(), 1);
            assert_eq!(texts(&*db, "SELECT name FROM users").await, ["Ada"]);
            let undone = runner(None);
            let undone = with_session(&*db, move |session| undone.rollback(session, 1)).await;
            assert_eq!(undone.unwrap().applied.len(), 1);
            assert!(!db.table_exists("users").await.unwrap());
        });
    }
}

/// 0.5 stored the checksum of the statements that a migration in code sent. The engine has nothing to compare it with.
#[test]
fn what_0_5_has_recorded_counts_as_applied() {
    for driver in DRIVERS {
        let database = TestDatabase::new();
        let recorded = format!(
            "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
                finished_on TEXT, up_checksum VARCHAR(64) NOT NULL, down_checksum VARCHAR(64) NOT NULL, status TEXT NOT NULL, failure_reason TEXT);
            INSERT INTO __switchy_migrations VALUES ('1_users', '2026-03-01T09:00:00.000', '2026-03-01T09:00:00.001', '{up}', '{down}',
                'completed', NULL)",
            up = "12".repeat(32),
            down = "00".repeat(32)
        );
        database.connect().execute_batch(&recorded).unwrap();
        RUNTIME.block_on(async {
            let db = open(driver, &database.path()).await;
            for _ in 0..2 {
                assert!(runner(None).run_on(&*db).await.unwrap().applied.is_empty());
            }
        });
        assert_eq!(database.rows("SELECT name FROM __switchy_migrations"), ["1_users"]);
    }
}
