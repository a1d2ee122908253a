//! Databases that published versions left. Their tracking tables lie in `compat/legacy/fixtures`, as the programs wrote them; the rest of a
//! database is what the published scripts make. Where the programs have been built, they make the databases themselves, and it is seen
//! that both are the same.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use moosicbox_schema::MigrateError;
use moosicbox_schema::blocking::SQLITE_LIBRARY_MIGRATIONS;
use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{ErrorKind, ProblemKind, Recovery, Signature};

use crate::content::{content, names, open, records};
use crate::scripts::{Script, Set, run};

/// Names the folder in which the programs have been built.
const WRITERS: &str = "SWITCHY_LEGACY_WRITERS";
/// Has the fixtures written anew.
const WRITE: &str = "SWITCHY_LEGACY_FIXTURES";

/// A published version of `moosicbox_schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Two columns.
    V0_1_4,
    /// `id`, a status and checksums.
    V0_4_0,
    /// The same, and it takes over a table of two columns.
    V0_5_0,
}

pub(crate) const VERSIONS: [Version; 3] = [Version::V0_1_4, Version::V0_4_0, Version::V0_5_0];
const SETS: [Set; 3] = [Set::Config, Set::Library, Set::Both];

/// Before which migrations a program was stopped, and what its user had stored by then.
const STOPS: [(&str, &str); 5] = [
    ("2023-10-13-195407_create_artists", ""),
    ("2023-12-19-041015_fix_unique_constraint_to_track_sizes", EARLY),
    ("2024-09-21-130720_set_journal_mode_to_wal", LATE),
    ("2025-05-31-110603_update_api_source_id_structure", LATE),
    ("2025-06-03-211603_cache_api_sources_on_tables", LATEST),
];

/// Albums that are there twice, tracks with sizes, and a playlist.
const EARLY: &str = "
    INSERT INTO artists (id, title) VALUES (1, 'Ada'), (2, 'Grace');
    INSERT INTO albums (id, artist_id, title, date_added) VALUES
        (1, 1, 'Notes', '2023-12-01T00:00:00.000'), (2, 1, 'Notes', '2023-12-02T00:00:00.000'),
        (3, 2, 'Moths', '2023-12-03T00:00:00.000');
    INSERT INTO tracks (id, album_id, number, title, duration, file) VALUES
        (1, 1, 1, 'A', 61.5, '/a.flac'), (2, 2, 2, 'B', 62.5, '/b.flac'), (3, 3, 1, 'C', 63.5, NULL), (4, 3, 2, 'D', 9, NULL);
    INSERT INTO track_sizes (id, track_id, bytes, format, created, updated) VALUES
        (1, 1, 100, 'FLAC', '2023-12-04', '2023-12-05'), (2, 2, 200, 'MP3', '2023-12-04', '2023-12-05');
    INSERT INTO session_playlists (id) VALUES (1);
    INSERT INTO session_playlist_tracks (id, session_playlist_id, track_id) VALUES (1, 1, 3), (2, 1, 1);
    INSERT INTO sessions (id, session_playlist_id, name, position) VALUES (1, 1, 'evening', 7)";

/// Tracks that differ in where they come from alone, and what is to be downloaded.
const LATE: &str = "
    INSERT INTO artists (id, title, tidal_id, qobuz_id) VALUES (1, 'Ada', 11, 12), (2, 'Grace', 21, NULL), (3, 'Mary', NULL, NULL);
    INSERT INTO albums (id, artist_id, title, date_added, tidal_id, qobuz_id) VALUES
        (1, 1, 'Notes', '2024-09-01', 111, 'q112'), (2, 2, 'Moths', '2024-09-01', NULL, 'q2');
    INSERT INTO tracks (id, album_id, number, title, duration, file, format, source, tidal_id, qobuz_id) VALUES
        (1, 1, 1, 'A', 61.5, '/a.flac', 'FLAC', 'LOCAL', 1, 2), (2, 1, 2, 'B', 62.5, NULL, 'SOURCE', 'TIDAL', 3, NULL),
        (3, 2, 1, 'C', 63.5, NULL, 'SOURCE', 'QOBUZ', NULL, 4), (4, 2, 1, 'C', 63.5, NULL, 'SOURCE', 'QOBUZ', 5, NULL);
    INSERT INTO session_playlists (id) VALUES (1);
    INSERT INTO session_playlist_tracks (id, session_playlist_id, type, data, track_id) VALUES
        (1, 1, 'LIBRARY', NULL, '1'), (2, 1, 'TIDAL', '{\"apiSource\":\"TIDAL\",\"trackSource\":\"TIDAL\"}', '77');
    INSERT INTO download_tasks (id, type, file_path, created, updated) VALUES (1, 'TRACK', '/d', '2024-09-02', '2024-09-02')";

/// The ids in a table of their own.
const LATEST: &str = "
    INSERT INTO artists (id, title) VALUES (1, 'Ada'), (2, 'Grace');
    INSERT INTO albums (id, artist_id, title, date_added) VALUES (1, 1, 'Notes', '2025-06-01');
    INSERT INTO api_sources (entity_type, entity_id, source, source_id) VALUES
        ('artists', 1, 'Tidal', 'a1'), ('artists', 1, 'Qobuz', 'a2'), ('albums', 1, 'Tidal', 'b1')";

impl Version {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V0_1_4 => "v0_1_4",
            Self::V0_4_0 => "v0_4_0",
            Self::V0_5_0 => "v0_5_0",
        }
    }

    pub(crate) fn fixture(self, set: Set) -> PathBuf {
        let set = format!("{set:?}").to_lowercase();
        legacy().join("fixtures").join(format!("{}_{set}.sql", self.name()))
    }

    /// The program, if the programs have been built.
    pub(crate) fn writer(self) -> Option<Writer> {
        let Some(folder) = env::var_os(WRITERS) else {
            eprintln!("not run: {WRITERS} names no folder with the published programs");
            return None;
        };
        let program = Path::new(&folder).join(format!("writer_{}", self.name()));
        assert!(program.is_file(), "{} has not been built", program.display());
        Some(Writer { version: self, program })
    }
}

fn legacy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("legacy")
}

/// A published program.
pub(crate) struct Writer {
    pub(crate) version: Version,
    program: PathBuf,
}

impl Writer {
    /// Migrates a database, up to a migration that stays pending.
    pub(crate) fn migrate(
        &self,
        set: &str,
        place: &str,
        before: Option<(&str, &[String])>,
    ) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args([set, place]);
        if let Some((stop, all)) = before {
            // From 0.4 on, the one that is named runs too.
            let at = all.iter().position(|id| id == stop).unwrap();
            command.arg(if self.version == Version::V0_1_4 {
                stop
            } else {
                &all[at.checked_sub(1).unwrap()]
            });
        }
        let output = command.output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
    }

    fn migrate_file(&self, set: Set, path: &Path, before: Option<&str>) -> Result<(), String> {
        let path = path.to_str().unwrap();
        let all = ids(&set.scripts());
        if set != Set::Library {
            self.migrate("config", path, before.filter(|_| set == Set::Config).map(|stop| (stop, &*all)))?;
        }
        if set != Set::Config {
            self.migrate("library", path, before.filter(|_| set == Set::Library).map(|stop| (stop, &*all)))?;
        }
        Ok(())
    }
}

fn ids(scripts: &[Script]) -> Vec<String> {
    scripts.iter().map(|script| script.id.clone()).collect()
}

/// Who makes a database, and ends what it began: the program, or the scripts and the fixture.
enum Maker {
    Program(Writer),
    Fixture(Version),
}

impl Maker {
    fn all(version: Version) -> impl Iterator<Item = Self> {
        [Some(Self::Fixture(version)), version.writer().map(Self::Program)].into_iter().flatten()
    }

    fn name(&self) -> String {
        match self {
            Self::Program(writer) => writer.program.display().to_string(),
            Self::Fixture(version) => format!("the fixture of {}", version.name()),
        }
    }

    fn make(&self, set: Set, before: Option<&str>) -> TestDatabase {
        let database = TestDatabase::new();
        match self {
            Self::Program(writer) if before != Some(STOPS[0].0) || writer.version == Version::V0_1_4 => {
                writer.migrate_file(set, &database.path(), before).unwrap();
            }
            // It cannot stop before the first one.
            Self::Program(_) => {}
            Self::Fixture(version) => {
                let conn = open(&database);
                let scripts = set.scripts();
                let is_in = |script: &&Script| before.is_none_or(|stop| *script.id < *stop);
                run(&conn, scripts.iter().filter(is_in));
                conn.execute_batch(&fs::read_to_string(version.fixture(set)).unwrap()).unwrap();
                let name = if *version == Version::V0_1_4 { "name" } else { "id" };
                let later = format!("DELETE FROM __moosicbox_schema_migrations WHERE {name} >= ?1");
                conn.execute(&later, [before.unwrap_or("3")]).unwrap();
            }
        }
        database
    }

    /// Brings a database that it made to the end.
    fn finish(&self, set: Set, database: &TestDatabase, before: Option<&str>) {
        match self {
            Self::Program(writer) => writer.migrate_file(set, &database.path(), None).unwrap(),
            Self::Fixture(_) => {
                let scripts = set.scripts();
                let is_left = |script: &&Script| before.is_some_and(|stop| *script.id >= *stop);
                run(&open(database), scripts.iter().filter(is_left));
            }
        }
    }
}

fn copy(database: &TestDatabase) -> TestDatabase {
    let copy = TestDatabase::new();
    let path = copy.path();
    open(database).execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    copy
}

/// Each database that the tests are about: who made it, its set, where it was stopped, and what was stored by then.
fn each(
    makers: impl Iterator<Item = Maker>,
    mut check: impl FnMut(&Maker, Set, Option<&str>, &TestDatabase, &str),
) {
    for maker in makers {
        let wholes = SETS.map(|set| (set, None, ""));
        let stops = STOPS.map(|(stop, stored)| (Set::Library, Some(stop), stored));
        for (set, before, stored) in wholes.into_iter().chain(stops) {
            let database = maker.make(set, before);
            open(&database).execute_batch(stored).unwrap();
            let context = format!("{set:?} before {before:?} by {}", maker.name());
            check(&maker, set, before, &database, &context);
        }
    }
}

#[test]
fn nothing_runs_twice_and_nothing_is_lost_and_the_end_is_the_same() {
    each(VERSIONS.into_iter().flat_map(Maker::all), |maker, set, before, database, context| {
        let expected = copy(database);
        maker.finish(set, &expected, before);

        let conn = open(database);
        let exists = "SELECT count(*) FROM sqlite_master WHERE name = '__moosicbox_schema_migrations'";
        let known = if rows(&conn, exists) == ["1"] { records(&conn) } else { Vec::new() };
        let all = ids(&set.scripts());
        let applied = all.iter().take_while(|id| before.is_none_or(|stop| **id != *stop)).count();
        assert_eq!(
            known.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            all[..applied].iter().collect::<Vec<_>>()
        );

        set.migrate(&conn).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(content(&conn), content(&open(&expected)), "{context}");
        assert_eq!(names(&conn), all, "{context}");
        // What had run has the date that it had.
        assert_eq!(records(&conn)[..applied], known, "{context}");
        let now = rows(&conn, "SELECT * FROM __moosicbox_schema_migrations");
        set.migrate(&conn).unwrap();
        assert_eq!(rows(&conn, "SELECT * FROM __moosicbox_schema_migrations"), now, "{context}");
        let unclear = "SELECT name FROM __moosicbox_schema_migrations WHERE dirty OR checksum IS NULL";
        // Of two sets, each knows its own scripts, and fills in what it does not find when it writes.
        assert!(set == Set::Both || rows(&conn, unclear).is_empty(), "{context}");
    });
}

/// The config can be stopped by 0.1 alone.
#[test]
fn a_config_that_was_stopped_goes_on_too() {
    let stop = "2024-09-21-130720_set_journal_mode_to_wal";
    let stored = "INSERT INTO profiles (id, name) VALUES (1, 'master')";
    for maker in Maker::all(Version::V0_1_4) {
        let database = maker.make(Set::Config, Some(stop));
        let conn = open(&database);
        conn.execute_batch(stored).unwrap();
        let expected = copy(&database);
        maker.finish(Set::Config, &expected, Some(stop));
        Set::Config.migrate(&conn).unwrap();
        assert_eq!(content(&conn), content(&open(&expected)));
        assert_eq!(
            (names(&conn).len(), rows(&conn, "SELECT name FROM profiles")),
            (10, vec!["master".to_owned()])
        );
    }
}

/// What a published program does with a database that ours has migrated, and what ours does with it after that.
#[test]
fn the_published_programs_open_what_ours_has_migrated_as_far_as_it_is_said() {
    const LAST: &str = "2025-06-03-211603_cache_api_sources_on_tables";
    for program in VERSIONS.into_iter().filter_map(Version::writer) {
        let makers = program.version.writer().map(Maker::Program).into_iter();
        each(makers, |_, set, before, database, context| {
            let is_complete = before.is_none();
            let conn = open(database);
            if is_complete {
                set.migrate(&conn).unwrap();
            } else {
                moosicbox_schema::blocking::migrate_library_until(&conn, Some(LAST)).unwrap();
            }
            let (ours, known) = (content(&conn), records(&conn));
            let expected = copy(database);
            set.migrate(&open(&expected)).unwrap();
            drop(conn);

            let outcome = program.migrate_file(set, &database.path(), None);
            let conn = open(database);
            if program.version == Version::V0_4_0 {
                // It looks for columns that only its own table has, before it does anything.
                assert!(
                    outcome.as_ref().is_err_and(|said| said.contains("no such column: id")),
                    "{context}: {outcome:?}"
                );
                assert_eq!((content(&conn), records(&conn)), (ours, known.clone()), "{context}");
            } else {
                assert_eq!(outcome, Ok(()), "{context}");
                assert_eq!(content(&conn), content(&open(&expected)), "{context}");
            }
            set.migrate(&conn)
                .unwrap_or_else(|error| panic!("{context}, {}: {error}", program.version.name()));
            assert_eq!(content(&conn), content(&open(&expected)), "{context}");
            assert_eq!(names(&conn), ids(&set.scripts()), "{context}");
            assert_eq!(records(&conn)[..known.len()], known, "{context}");
        });
    }
}

/// The published programs run a script outside a transaction, so one that fails leaves half of itself behind. From 0.4 on there is a record
/// of that; before, there is none, and nobody can know.
#[test]
fn a_script_that_failed_half_way_under_a_published_program_is_not_run_over_that() {
    const STOP: &str = "2025-05-31-110603_update_api_source_id_structure";
    const IN_THE_WAY: &str =
        "CREATE TABLE aside (entity_type); CREATE INDEX idx_api_sources_source ON aside (entity_type)";
    for writer in VERSIONS.into_iter().filter_map(Version::writer) {
        let database = TestDatabase::new();
        writer.migrate_file(Set::Library, &database.path(), Some(STOP)).unwrap();
        let conn = open(&database);
        conn.execute_batch(LATE).unwrap();
        conn.execute_batch(IN_THE_WAY).unwrap();
        let failed = writer.migrate_file(Set::Library, &database.path(), None).unwrap_err();
        assert!(failed.contains("index idx_api_sources_source already exists"), "{failed}");
        conn.execute_batch("DROP TABLE aside").unwrap();
        let (half, known) = (content(&conn), records(&conn));

        let MigrateError::Schema(error) = Set::Library.migrate(&conn).unwrap_err() else { panic!() };
        assert_eq!((content(&conn), records(&conn)), (half.clone(), known), "{error}");
        let runner = SQLITE_LIBRARY_MIGRATIONS.runner().unwrap();
        if writer.version == Version::V0_1_4 {
            assert_eq!(
                (error.kind(), error.migration().unwrap().as_str()),
                (ErrorKind::Step, STOP),
                "{error}"
            );
            assert!(
                error.to_string().contains("no such column: tidal_id; nothing of it was kept"),
                "{error}"
            );
        } else {
            let [problem] = error.problems() else { panic!("{error}") };
            assert_eq!((problem.kind, problem.migration.as_str()), (ProblemKind::Dirty, STOP));
            assert!(error.to_string().contains("index idx_api_sources_source already exists"), "{error}");
        }
        // Somebody looks, does the rest by hand, and says so.
        conn.execute_batch("CREATE INDEX idx_api_sources_source ON api_sources (source, source_id)").unwrap();
        let settled = match writer.version {
            Version::V0_1_4 => Recovery::AssumeApplied(STOP.into()),
            _ => Recovery::MarkDone(STOP.into()),
        };
        runner.recover(&conn, settled, Signature::of("the test")).unwrap();
        Set::Library.migrate(&conn).unwrap();
        assert_eq!(names(&conn), ids(&Set::Library.scripts()));
        assert_eq!(rows(&conn, "SELECT count(*) FROM tracks"), ["3"], "one was there twice");
    }
}

/// Makes the fixtures, if it is asked to, and sees that they are what the programs write.
#[test]
fn the_fixtures_are_what_the_programs_write() {
    for writer in VERSIONS.into_iter().filter_map(Version::writer) {
        for set in SETS {
            let fixture = writer.version.fixture(set);
            let database = TestDatabase::new();
            writer.migrate_file(set, &database.path(), None).unwrap();
            let conn = open(&database);
            if env::var(WRITE).is_ok_and(|value| value == "write") {
                fs::write(&fixture, dump(&conn)).unwrap();
            }
            let of_fixture = Connection::open_in_memory().unwrap();
            of_fixture.execute_batch(&fs::read_to_string(&fixture).unwrap()).unwrap();
            assert_eq!(undated(&conn), undated(&of_fixture), "{}", fixture.display());
            // The rest of a fixture is what the scripts make.
            let scripts = Connection::open_in_memory().unwrap();
            run(&scripts, &set.scripts());
            assert_eq!(content(&conn), content(&scripts), "{}", fixture.display());
        }
    }
}

/// The tracking table as SQL.
fn dump(conn: &Connection) -> String {
    let definition = "SELECT sql FROM sqlite_master WHERE name = '__moosicbox_schema_migrations'";
    let columns = rows(conn, "SELECT name FROM pragma_table_info('__moosicbox_schema_migrations')");
    let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    let values =
        format!("SELECT {} FROM __moosicbox_schema_migrations ORDER BY rowid", quoted.join(" || ', ' || "));
    let lines = rows(conn, &values).into_iter();
    let lines: Vec<String> =
        lines.map(|line| format!("INSERT INTO __moosicbox_schema_migrations VALUES ({line});\n")).collect();
    format!("{};\n{}", rows(conn, definition)[0], lines.concat())
}

/// The tracking table without its dates.
fn undated(conn: &Connection) -> Vec<String> {
    let mut dump: Vec<String> = dump(conn).lines().map(str::to_owned).collect();
    for line in &mut dump {
        let words: Vec<&str> = line.split(", ").collect();
        let is_date = |word: &&str| word.trim_start_matches('\'').starts_with("20") && word.contains(':');
        *line = words.into_iter().filter(|word| !is_date(word)).collect::<Vec<_>>().join(", ");
    }
    dump
}
