//! The same on PostgreSQL, where there is a server.

use moosicbox_schema::MigrateError;
use moosicbox_schema::blocking::{
    get_postgres_library_migrations, migrate_config_postgres, migrate_library_postgres,
    migrate_library_postgres_until,
};
use postgres::{Client, SimpleQueryMessage};
use switchy_schema::ProblemKind;

use crate::legacy::{VERSIONS, Version};
use crate::servers::{self, PostgresDatabase};

/// Where the programs are stopped: three are pending then.
const STOP: &str = "2024-08-13-200823_add_playback_target_connection_id_and_output_id_to_sessions";

/// What a user has stored by then.
const ROWS: &str = "
    INSERT INTO artists (id, title) VALUES (1, 'Ada');
    INSERT INTO albums (id, artist_id, title, date_added) VALUES (1, 1, 'Notes', '2024-08-01 00:00:00');
    INSERT INTO download_tasks (id, type, file_path, created, updated, artist_id)
        VALUES (1, 'TRACK', '/d', '2024-09-02', '2024-09-02', 77)";

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

/// The records with their dates, oldest first. The old programs have one date for each, and a column `id` in the place of `name`.
fn dated() -> String {
    "SELECT coalesce(to_jsonb(t) ->> 'name', to_jsonb(t) ->> 'id') || ' ' || to_char(run_on, 'YYYY-MM-DD HH24:MI:SS.MS')
    FROM __moosicbox_schema_migrations t ORDER BY 1"
        .to_owned()
}

fn names(client: &mut Client) -> Vec<String> {
    rows(client, &dated()).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The names of the library.
fn ids() -> Vec<String> {
    get_postgres_library_migrations().unwrap().iter().map(|it| it.id().to_string()).collect()
}

/// A database in which the scripts of the library have run as they are, one after the other, with these rows stored before the last ones.
fn expected(stored: &str) -> Option<PostgresDatabase> {
    let database = servers::postgres()?;
    let mut client = database.connect();
    for migration in get_postgres_library_migrations().unwrap() {
        if migration.id() == STOP {
            client.batch_execute(stored).unwrap();
        }
        client.batch_execute(migration.up_sql().unwrap()).unwrap();
    }
    Some(database)
}

#[test]
fn the_library_is_what_its_scripts_make() {
    let (Some(ours), Some(expected)) = (servers::postgres(), expected(ROWS)) else { return };
    let mut client = ours.connect();
    migrate_library_postgres_until(&mut client, Some(STOP)).unwrap();
    assert_eq!(names(&mut client), ids()[..ids().len() - 3]);
    client.batch_execute(ROWS).unwrap();
    for _ in 0..2 {
        migrate_library_postgres_until(&mut client, Some("2024-09-99-no_such")).unwrap();
    }
    assert_eq!(content(&mut client), content(&mut expected.connect()));
    assert_eq!(names(&mut client), ids());
}

/// A published script has quotes that PostgreSQL does not know. `migrate_config` of 0.4 and 0.5, in a program without the feature `sqlite`, said that
/// in the log, and the program started.
#[test]
fn the_config_stops_at_the_script_that_no_server_understands() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    for count in [4, 0] {
        let MigrateError::Schema(error) = migrate_config_postgres(&mut client).unwrap_err() else { panic!() };
        let place = "2024-09-18-151352_add_audio_output_id_to_players/up.sql:";
        assert!(
            error.to_string().contains(place) && error.to_string().contains("syntax error at or near \"`\""),
            "{error}"
        );
        assert_eq!(error.report().applied.len(), count, "{error}");
        assert_eq!(rows(&mut client, "SELECT count(*) FROM __moosicbox_schema_migrations"), ["4"]);
    }
}

#[test]
fn databases_of_published_programs_go_on_where_they_are() {
    for writer in VERSIONS.into_iter().filter_map(Version::writer) {
        let (Some(database), Some(expected)) = (servers::postgres(), expected(ROWS)) else { return };
        let mut client = database.connect();
        let outcome = writer.migrate("library", &database.url, Some((STOP, &ids())));
        if writer.version == Version::V0_1_4 {
            // Here it takes no script with several statements, and gets no further than to the first.
            outcome.unwrap_err();
            let known = ids()[..3].to_vec();
            assert_eq!(names(&mut client), known);
            migrate_library_postgres_until(&mut client, Some(STOP)).unwrap();
        } else {
            outcome.unwrap();
        }
        assert_eq!(names(&mut client), ids()[..ids().len() - 3]);
        let dates = rows(&mut client, &dated());
        client.batch_execute(ROWS).unwrap();
        migrate_library_postgres(&mut client).unwrap();
        assert_eq!(content(&mut client), content(&mut expected.connect()), "{:?}", writer.version);
        assert_eq!(names(&mut client), ids(), "{:?}", writer.version);
        assert_eq!(rows(&mut client, &dated())[..dates.len()], dates, "{:?}", writer.version);
    }
}

#[test]
fn the_published_programs_open_what_ours_has_migrated_as_far_as_it_is_said() {
    for writer in VERSIONS.into_iter().filter_map(Version::writer) {
        for is_complete in [true, false] {
            let (Some(database), Some(expected)) = (servers::postgres(), expected(ROWS)) else { return };
            let mut client = database.connect();
            migrate_library_postgres_until(&mut client, Some(STOP)).unwrap();
            client.batch_execute(ROWS).unwrap();
            if is_complete {
                migrate_library_postgres(&mut client).unwrap();
            }
            let (ours, dates) = (content(&mut client), rows(&mut client, &dated()));
            let outcome = writer.migrate("library", &database.url, None);
            let context = format!("{:?}, complete: {is_complete}", writer.version);
            let refusal = match writer.version {
                Version::V0_1_4 if !is_complete => Some("db error"),
                Version::V0_4_0 => Some("column \"id\" does not exist"),
                _ => None,
            };
            match refusal {
                Some(refusal) => {
                    assert!(
                        outcome.as_ref().is_err_and(|said| said.contains(refusal)),
                        "{context}: {outcome:?}"
                    );
                    assert_eq!(content(&mut client), ours, "{context}");
                }
                None => assert_eq!(outcome, Ok(()), "{context}"),
            }
            migrate_library_postgres(&mut client).unwrap();
            assert_eq!(content(&mut client), content(&mut expected.connect()), "{context}");
            assert_eq!(names(&mut client), ids(), "{context}");
            assert_eq!(rows(&mut client, &dated())[..dates.len()], dates, "{context}");
        }
    }
}

/// What fails under 0.5 in our table stays for whoever comes next; its own tables took a row for each attempt.
#[test]
fn what_failed_under_a_published_program_is_told_by_ours() {
    let Some(writer) = Version::V0_5_0.writer() else { return };
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    migrate_config_postgres(&mut client).unwrap_err();
    for said in ["syntax error at or near \"`\"", "duplicate key value"] {
        let refused = writer.migrate("config", &database.url, None).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    let MigrateError::Schema(error) = migrate_config_postgres(&mut client).unwrap_err() else { panic!() };
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!(
        (problem.kind, &*problem.migration.to_string()),
        (ProblemKind::Dirty, "2024-09-18-151352_add_audio_output_id_to_players")
    );
    assert!(error.to_string().contains("syntax error at or near \"`\""), "{error}");
}
