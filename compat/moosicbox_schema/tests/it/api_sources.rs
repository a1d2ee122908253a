//! The ids that songs have at streaming services move to a table of their own, and no id and no song is lost.
//!
//! MoosicBox has a test of the same name. This one shows what `test_utils` makes of it.

use moosicbox_schema::blocking::{SQLITE_CONFIG_MIGRATIONS, SQLITE_LIBRARY_MIGRATIONS};
use switchy_schema::test_utils::{
    TestDatabase, TestMigrations, assert_column_exists, assert_column_not_exists, assert_rows,
    assert_table_not_exists, assert_unique,
};

/// It makes the table `api_sources`.
const MOVES: &str = "2025-05-31-110603_update_api_source_id_structure";
/// It copies the ids back to the songs, as JSON.
const CACHES: &str = "2025-06-03-211603_cache_api_sources_on_tables";

/// Song 5 is there twice, once from each service.
const SONGS: &str = "
    INSERT INTO artists (id, title, cover, tidal_id, qobuz_id) VALUES
        (1, 'Both', '', 'a1t', 'a1q'), (2, 'Tidal', '', 'a2t', NULL), (3, 'Neither', '', NULL, NULL);
    INSERT INTO albums (id, artist_id, title, date_released, date_added, artwork, directory, blur, tidal_id, qobuz_id) VALUES
        (1, 1, 'First', '2020-05-01', '2024-01-01', '', '', 0, 'b1t', 'b1q'),
        (2, 3, 'Second', '2021-05-01', '2024-01-01', '', '', 0, NULL, 'b2q');
    INSERT INTO tracks (id, album_id, number, title, duration, file, format, source, tidal_id, qobuz_id) VALUES
        (1, 1, 1, 'One', 61, '/1.flac', 'FLAC', 'LOCAL', '11', '12'),
        (2, 1, 2, 'Two', 62, '/2.flac', 'FLAC', 'LOCAL', NULL, '22'),
        (3, 2, 1, 'Three', 63, '/3.flac', 'FLAC', 'LOCAL', NULL, NULL),
        (4, 2, 2, 'Four', 64, NULL, 'SOURCE', 'LOCAL', '51', NULL),
        (5, 2, 2, 'Four', 64, NULL, 'SOURCE', 'LOCAL', NULL, '52');";

#[test]
fn test_api_sources_table_migration() {
    let database = TestDatabase::new();
    TestMigrations::new(SQLITE_LIBRARY_MIGRATIONS.runner().unwrap())
        .check_after("2024-09-21-130720_set_journal_mode_to_wal", |conn| {
            assert_table_not_exists(conn, "api_sources");
            assert_column_exists(conn, "tracks", "tidal_id");
        })
        .seed_before(MOVES, |conn| conn.execute_batch(SONGS))
        .check_after(MOVES, |conn| {
            assert_rows(conn, "SELECT id FROM tracks ORDER BY id", &["1", "2", "3", "5"]);
            let ids = "SELECT entity_type, entity_id, source, source_id FROM api_sources ORDER BY 1, 2, 3";
            assert_rows(
                conn,
                ids,
                &[
                    "albums|1|Qobuz|b1q",
                    "albums|1|Tidal|b1t",
                    "albums|2|Qobuz|b2q",
                    "artists|1|Qobuz|a1q",
                    "artists|1|Tidal|a1t",
                    "artists|2|Tidal|a2t",
                    "tracks|1|Qobuz|12",
                    "tracks|1|Tidal|11",
                    "tracks|2|Qobuz|22",
                    "tracks|5|Qobuz|52",
                    "tracks|5|Tidal|51",
                ],
            );
            assert_unique(conn, "api_sources", &["entity_type", "entity_id", "source"]);
            for table in ["artists", "albums", "tracks"] {
                assert_column_not_exists(conn, table, "tidal_id");
                assert_column_not_exists(conn, table, "qobuz_id");
            }
        })
        .check_after(CACHES, |conn| {
            let cached =
                "SELECT t.id, json_extract(e.value, '$.source') AS source, json_extract(e.value, '$.id')
                FROM tracks AS t, json_each(t.api_sources) AS e ORDER BY 1, 2";
            assert_rows(
                conn,
                cached,
                &["1|Qobuz|12", "1|Tidal|11", "2|Qobuz|22", "5|Qobuz|52", "5|Tidal|51"],
            );
        })
        .run(&database.connect());
}

fn library() -> TestMigrations {
    // The players of `active_players` are in the config, which is another database.
    TestMigrations::new(SQLITE_LIBRARY_MIGRATIONS.runner().unwrap()).without_generated_rows("active_players")
}

#[test]
fn every_migration_of_the_config_and_the_library_runs_on_rows() {
    TestMigrations::new(SQLITE_CONFIG_MIGRATIONS.runner().unwrap()).verify_each_step_on_data();
    library().without_generated_rows("session_playlist_tracks").verify_each_step_on_data();
}

#[test]
fn generated_rows_find_a_published_migration_that_takes_songs_out_of_playlists() {
    // Of all songs without a file, it keeps one: `GROUP BY` treats NULLs as equal, and `UNIQUE` does not.
    let found = std::panic::catch_unwind(|| library().verify_each_step_on_data()).unwrap_err();
    let message = found.downcast_ref::<String>().unwrap();
    assert!(message.contains("2023-12-18-161712_add_file_unique_constraint_to_tracks"), "{message}");
    assert!(
        message.contains("rows of `session_playlist_tracks` would reference missing rows of `tracks`"),
        "{message}"
    );
}
