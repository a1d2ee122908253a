//! The functions with the signatures of the published crate, on databases that MoosicBox opens.

use std::path::Path;
use std::sync::Arc;

use moosicbox_schema::blocking::{
    POSTGRES_CONFIG_MIGRATIONS, SQLITE_CONFIG_MIGRATIONS, SQLITE_LIBRARY_MIGRATIONS,
};
use moosicbox_schema::{
    get_sqlite_config_migrations, get_sqlite_library_migrations, migrate_config, migrate_config_sqlite,
    migrate_library, migrate_library_sqlite, migrate_library_until,
};
use rusqlite::Connection;
use switchy_database::Database;
use switchy_database_connection::{init_sqlite_rusqlite, init_sqlite_sqlx};
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Recovery, Signature};
use tokio::runtime::{Builder, Runtime};

use crate::content::{content, names, open, records};
use crate::legacy::VERSIONS;
use crate::scripts::{Set, run};
use crate::servers;

/// A script of the config that no PostgreSQL server accepts.
const SCRIPT: &str = "2024-09-18-151352_add_audio_output_id_to_players";

const UNTIL: &str = "2025-05-31-110603_update_api_source_id_structure";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The ways in which MoosicBox opens a SQLite file, or a database in memory.
async fn opened(file: Option<&Path>) -> [Box<dyn Database>; 2] {
    [init_sqlite_rusqlite(file).unwrap(), init_sqlite_sqlx(file).await.unwrap()]
}

/// What the scripts make, one after the other.
fn expected(set: Set) -> Vec<String> {
    let conn = Connection::open_in_memory().unwrap();
    run(&conn, &set.scripts());
    content(&conn)
}

#[test]
fn both_drivers_migrate_everything_and_then_nothing() {
    let runtime = runtime();
    for driver in 0..2 {
        let database = TestDatabase::new();
        runtime.block_on(async {
            for _ in 0..2 {
                let db = &opened(Some(&database.path())).await[driver];
                migrate_config(&**db).await.unwrap();
                migrate_library(&**db).await.unwrap();
            }
        });
        let conn = open(&database);
        assert_eq!(content(&conn), expected(Set::Both));
        let before = records(&conn);
        moosicbox_schema::blocking::migrate_config(&conn).unwrap();
        moosicbox_schema::blocking::migrate_library(&conn).unwrap();
        assert_eq!(records(&conn), before, "the blocking functions find nothing to do");
    }
}

#[test]
fn databases_in_memory_are_migrated_through_all_their_connections() {
    runtime().block_on(async {
        for db in opened(None).await {
            migrate_config_sqlite(&*db).await.unwrap();
            migrate_library_sqlite(&*db).await.unwrap();
            for _ in 0..6 {
                assert!(db.table_exists("api_sources").await.unwrap());
                assert_eq!(db.query_raw("SELECT * FROM artists").await.unwrap(), []);
            }
        }
    });
}

#[test]
fn until_stops_before_the_migration_that_it_names() {
    let runtime = runtime();
    for driver in 0..2 {
        let database = TestDatabase::new();
        runtime.block_on(async {
            let db = &opened(Some(&database.path())).await[driver];
            migrate_library_until(&**db, Some(UNTIL)).await.unwrap();
        });
        assert_eq!(names(&open(&database)).len(), 43 - 2);
        assert!(!names(&open(&database)).iter().any(|name| name == UNTIL));
        runtime.block_on(async {
            let db = &opened(Some(&database.path())).await[driver];
            migrate_library_until(&**db, Some("no such migration")).await.unwrap();
        });
        assert_eq!(content(&open(&database)), expected(Set::Library));
    }
}

#[test]
fn the_migrations_are_listed_in_their_order() {
    runtime().block_on(async {
        for list in [get_sqlite_config_migrations().await, get_sqlite_library_migrations().await] {
            let ids: Vec<String> = list.unwrap().iter().map(|migration| migration.id().to_string()).collect();
            assert!(!ids.is_empty() && ids.is_sorted());
        }
    });
}

/// The tables that the published programs left, continued through each driver.
#[test]
fn databases_of_the_published_programs_continue() {
    let runtime = runtime();
    for version in VERSIONS {
        for set in [Set::Config, Set::Library, Set::Both] {
            for driver in 0..2 {
                let database = TestDatabase::new();
                let conn = open(&database);
                run(&conn, &set.scripts());
                conn.execute_batch(&std::fs::read_to_string(version.fixture(set)).unwrap()).unwrap();
                let before = names(&conn);
                drop(conn);
                runtime.block_on(async {
                    let db = &opened(Some(&database.path())).await[driver];
                    if set != Set::Library {
                        migrate_config(&**db).await.unwrap();
                    }
                    if set != Set::Config {
                        migrate_library(&**db).await.unwrap();
                    }
                });
                let conn = open(&database);
                assert_eq!(names(&conn), before, "{version:?} {set:?}");
                assert_eq!(content(&conn), expected(set), "{version:?} {set:?}");
            }
        }
    }
}

/// A program that has both crates: each tells the truth about what the other did.
#[test]
fn the_published_crate_in_the_same_program() {
    let runtime = runtime();
    for driver in 0..2 {
        let database = TestDatabase::new();
        runtime.block_on(async {
            let db = &opened(Some(&database.path())).await[driver];
            published::migrate_library_sqlite_until(&**db, Some("2024-09-21-130720_set_journal_mode_to_wal"))
                .await
                .unwrap();
        });
        let before = names(&open(&database));
        assert!(!before.is_empty());
        runtime.block_on(async {
            let db = &opened(Some(&database.path())).await[driver];
            migrate_library(&**db).await.unwrap();
        });
        assert_eq!(content(&open(&database)), expected(Set::Library));
        // The published crate takes the table for one of an older form, renames a column, and finds nothing to do.
        runtime.block_on(async {
            let db = &opened(Some(&database.path())).await[driver];
            published::migrate_library_sqlite(&**db).await.unwrap();
            migrate_library(&**db).await.unwrap();
        });
        assert_eq!(content(&open(&database)), expected(Set::Library));
        assert_eq!(names(&open(&database)).len(), 43);
    }
}

/// The ways in which MoosicBox opens a database on PostgreSQL.
async fn opened_on_server(address: &str) -> [Box<dyn Database>; 2] {
    let config: tokio_postgres::Config = address.parse().unwrap();
    let tokio_postgres::config::Host::Unix(folder) = &config.get_hosts()[0] else {
        panic!("the private server of the tests is not at {address}")
    };
    let manager = deadpool_postgres::Manager::new(config.clone(), tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(5).build().unwrap();
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .port(config.get_ports()[0])
        .username(config.get_user().unwrap())
        .database(config.get_dbname().unwrap());
    let other = sqlx::postgres::PgPoolOptions::new().max_connections(5).connect_with(options).await.unwrap();
    [
        Box::new(switchy_database::postgres::postgres::PostgresDatabase::new(pool)),
        Box::new(switchy_database::sqlx::postgres::PostgresSqlxDatabase::new(Arc::new(
            switchy_async::sync::Mutex::new(other),
        ))),
    ]
}

#[test]
fn a_server_is_migrated_by_the_same_functions() {
    for driver in 0..2 {
        let (Some(database), Some(own)) = (servers::postgres(), servers::postgres()) else { return };
        let mut own = own.connect();
        moosicbox_schema::blocking::migrate_library_postgres(&mut own).unwrap();
        runtime().block_on(async {
            let db = &opened_on_server(&database.url).await[driver];
            migrate_library_until(&**db, Some(UNTIL)).await.unwrap();
            migrate_library(&**db).await.unwrap();
            migrate_library(&**db).await.unwrap();
            // The published function put this into the log.
            let refused = migrate_config(&**db).await.unwrap_err().to_string();
            assert!(refused.contains(SCRIPT), "{refused}");
        });
        let content = |client: &mut postgres::Client| {
            let sql = "SELECT table_name::text || column_name || data_type FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name NOT IN ('profiles', 'players', 'audio_zones')
                ORDER BY table_name, ordinal_position";
            let rows = client.query(sql, &[]).unwrap();
            rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
        };
        let library = |all: Vec<String>, known: &[String]| -> Vec<String> {
            all.into_iter().filter(|column| known.contains(column)).collect()
        };
        let known = content(&mut own);
        assert_eq!(library(content(&mut database.connect()), &known), known);
        moosicbox_schema::blocking::migrate_library_postgres(&mut database.connect()).unwrap();
    }
}

/// With both features, the published functions also ran the scripts for SQLite on a server, and an error of these was their error.
#[test]
fn the_published_functions_fail_on_a_server_too() {
    for driver in 0..2 {
        let Some(database) = servers::postgres() else { return };
        runtime().block_on(async {
            let db = &opened_on_server(&database.url).await[driver];
            let refused = format!("{:?}", published::migrate_config(&**db).await.unwrap_err());
            assert!(refused.contains("syntax error"), "{refused}");
            let refused = format!("{:?}", published::migrate_library(&**db).await.unwrap_err());
            assert!(refused.contains("rowid"), "{refused}");
        });
    }
}

/// The script of the config that no server accepts, with the quotes of PostgreSQL: what `README.md` says to run.
const CORRECTED: &str = r#"
    DELETE FROM players;
    ALTER TABLE players DROP COLUMN "type";
    ALTER TABLE players ADD COLUMN audio_output_id VARCHAR(128) NOT NULL;"#;

/// The program is built without the feature `sqlite`: there the published `migrate_config` puts this error into the log.
#[test]
fn a_config_on_a_server_is_completed_by_hand() {
    for (driver, attempts) in [(0, 0), (0, 1), (1, 2)] {
        let Some(database) = servers::postgres() else { return };
        let mut client = database.connect();
        runtime().block_on(async {
            let db = &opened_on_server(&database.url).await[driver];
            for _ in 0..attempts {
                published::migrate_config_postgres(&**db).await.unwrap_err();
                published::migrate_library_postgres(&**db).await.unwrap();
            }
            let refused = migrate_config(&**db).await.unwrap_err().to_string();
            assert!(refused.contains(SCRIPT), "{refused}");
            let library = migrate_library(&**db).await;
            assert_eq!(library.is_ok(), attempts == 0, "{library:?}");
        });
        client.batch_execute(CORRECTED).unwrap();
        let how = if attempts == 0 {
            Recovery::AssumeApplied(SCRIPT.into())
        } else {
            Recovery::MarkDone(SCRIPT.into())
        };
        let runner = POSTGRES_CONFIG_MIGRATIONS.runner().unwrap();
        runner.recover(&mut client, how, Signature::of("ada")).unwrap();
        runtime().block_on(async {
            let db = &opened_on_server(&database.url).await[driver];
            migrate_config(&**db).await.unwrap();
            migrate_library(&**db).await.unwrap();
        });
    }
}

/// With both features, the published functions ran the scripts for PostgreSQL first, also on SQLite, and the first ones worked there.
/// `README.md` says what to do.
#[test]
fn what_scripts_for_a_server_left_in_a_file_is_told_and_accepted_by_hand() {
    let database = TestDatabase::new();
    runtime().block_on(async {
        let [_, db] = &opened(Some(&database.path())).await;
        published::migrate_config(&**db).await.unwrap();
        published::migrate_library(&**db).await.unwrap();
        let refused = migrate_library(&**db).await.unwrap_err().to_string();
        assert!(refused.contains("`2023-10-13-195407_create_artists` was changed"), "{refused}");
        let refused = migrate_config(&**db).await.unwrap_err().to_string();
        assert!(refused.contains("`2024-09-18-151350_create_connections` began"), "{refused}");
    });
    let conn = open(&database);
    let (config, library) =
        (SQLITE_CONFIG_MIGRATIONS.runner().unwrap(), SQLITE_LIBRARY_MIGRATIONS.runner().unwrap());
    for (runner, how) in [
        (&config, Recovery::Forget("2024-09-18-151350_create_connections".into())),
        (&config, Recovery::Accept("2024-09-17-161652_add_profiles_table".into())),
        (&library, Recovery::Accept("2023-10-13-195407_create_artists".into())),
        (&library, Recovery::Accept("2023-10-13-195702_create_albums".into())),
    ] {
        runner.recover(&conn, how, Signature::of("ada")).unwrap();
    }
    moosicbox_schema::blocking::migrate_config(&conn).unwrap();
    moosicbox_schema::blocking::migrate_library(&conn).unwrap();
}
