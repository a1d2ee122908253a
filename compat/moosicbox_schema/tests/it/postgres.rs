//! The same on PostgreSQL, where there is a server.

use moosicbox_schema::{
    get_postgres_config_migrations, get_postgres_library_migrations, migrate_config_postgres,
    migrate_library_postgres, migrate_library_postgres_until,
};
use postgres::{Client, SimpleQueryMessage};

use crate::servers;

const LAST: &str = "2024-09-15-222802_add_download_locations_table";

/// What a query gives: a text for each row, its values separated by `|`.
fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap();
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// The columns, indices and rows of everything but the tracking table and its log.
fn content(client: &mut Client) -> Vec<String> {
    let others = "schemaname = 'public' AND tablename NOT LIKE '\\_\\_moosicbox%'";
    let tables = rows(client, &format!("SELECT tablename FROM pg_tables WHERE {others} ORDER BY 1"));
    let mut all = rows(client, &format!("SELECT indexdef FROM pg_indexes WHERE {others} ORDER BY 1"));
    for table in tables {
        let columns = format!(
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
            FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        );
        all.extend(rows(client, &columns));
        all.extend(rows(client, &format!("SELECT '{table}', t.* FROM \"{table}\" t ORDER BY 2")));
    }
    all
}

fn names(client: &mut Client, column: &str) -> Vec<String> {
    rows(client, &format!("SELECT {column} FROM __moosicbox_schema_migrations ORDER BY run_on, {column}"))
}

/// The names of both sets.
fn ids() -> [Vec<String>; 2] {
    let sets = [get_postgres_config_migrations().unwrap(), get_postgres_library_migrations().unwrap()];
    sets.map(|set| set.iter().map(|it| it.id().to_string()).collect())
}

/// Runs the scripts as they are, one after the other.
fn run_scripts(client: &mut Client) {
    for set in [get_postgres_config_migrations().unwrap(), get_postgres_library_migrations().unwrap()] {
        for migration in set {
            client.batch_execute(migration.up_sql().unwrap()).unwrap();
        }
    }
}

#[test]
fn both_sets_make_what_their_scripts_make() {
    let (Some(ours), Some(scripts)) = (servers::postgres(), servers::postgres()) else { return };
    run_scripts(&mut scripts.connect());
    let mut client = ours.connect();
    migrate_library_postgres_until(&mut client, Some(LAST)).unwrap();
    assert_eq!(
        names(&mut client, "name").last().map(String::as_str),
        Some("2024-08-13-200823_add_playback_target_connection_id_and_output_id_to_sessions")
    );
    for _ in 0..2 {
        migrate_library_postgres(&mut client).unwrap();
        migrate_config_postgres(&mut client).unwrap();
    }
    assert_eq!(content(&mut client), content(&mut scripts.connect()));
    assert_eq!(names(&mut client, "name").len(), ids().concat().len());
}
