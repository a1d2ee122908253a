//! The layout of a folder: which files are migrations, which are not, and which are errors.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::Connection;
use switchy_schema::layout::{Entry, migrations};
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows};
use switchy_schema::{
    Atomicity, BoxError, Checksum, CodeMigration, CodeMigrations, DirectoryMigrations, ErrorKind,
    ForeignKeys, Meta, Migration, MigrationId, MigrationRunner, MigrationSource, Result, Sqlite, Unread,
};

/// Reads files and compares the resulting migrations.
///
/// Files are written as `path=content | path=content`; `÷` in a content is a byte that is invalid in UTF-8. The files are in the folder
/// `m`.
///
/// The expected migrations are written as `id: up`, then ` / down` and other properties:
///
/// ```text
/// "does it"  description              @postgres  only for that database     fk:Enforced  foreign keys
/// <-b,c      depends on b and c       %prod      only for that environment  cascade      allowed
/// <?b        depends on b if present  ~          outside a transaction      ?file        is not read
/// ```
///
/// A migration that is reported but not read is `id not read (why, place)`. An error is its message.
#[track_caller]
fn check(files: &str, expected: &str) {
    let entries = entries(files);
    let backwards = entries.iter().rev().cloned().collect();
    let found = outcome(entries);
    assert_eq!(found.as_ref().unwrap_or_else(|error| error), expected, "for `{files}`");
    assert_eq!(outcome(backwards), found, "for `{files}` from the last file to the first");
}

/// The same for the metadata of a migration.
#[track_caller]
fn check_metadata(toml: &str, expected: &str) {
    let expected = if expected.starts_with("m/") { expected.to_owned() } else { format!("1_a: A{expected}") };
    check(&format!("1_a/up.sql=A | 1_a/metadata.toml={toml}"), &expected);
}

fn entries(files: &str) -> Vec<Entry> {
    let files = files.split(" | ").filter(|file| !file.is_empty());
    files
        .map(|file| {
            let (path, content) = file.split_once('=').unwrap();
            let bytes: Vec<u8> = content
                .chars()
                .flat_map(|c| if c == '÷' { vec![0xff] } else { c.to_string().into_bytes() })
                .collect();
            Entry::new(path, bytes)
        })
        .collect()
}

fn outcome(entries: Vec<Entry>) -> Result<String, String> {
    let set = migrations::<Sqlite>("m", entries).map_err(|error| error.to_string())?;
    let set: Vec<String> = set.iter().map(in_words).collect();
    Ok(if set.is_empty() { "nothing".to_owned() } else { set.join("; ") })
}

fn in_words(migration: &Migration) -> String {
    fn list<T: ToString>(before: &str, items: &[T]) -> String {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        if items.is_empty() { String::new() } else { format!(" {before}{}", items.join(",")) }
    }
    let Meta { databases, environments, depends_on, depends_on_if_present, unused_files, .. } =
        migration.meta();
    let mut words = format!("{}: {}", migration.id(), migration.up_sql().unwrap());
    if let Some(down) = migration.down_sql() {
        write!(words, " / {down}").unwrap();
    }
    assert_eq!(migration.meta().is_reversible, migration.down_sql().is_some());
    if let Some(description) = &migration.meta().description {
        write!(words, " {description:?}").unwrap();
    }
    words += &list("<-", depends_on);
    words += &list("<?", depends_on_if_present);
    words += &list("@", databases);
    words += &list("%", environments);
    if migration.meta().atomicity == Atomicity::NonTransactional {
        words += " ~";
    }
    if let Some(timeout) = migration.meta().lock_timeout {
        write!(words, " waits:{timeout:?}").unwrap();
    }
    if migration.meta().foreign_keys != ForeignKeys::Checked {
        write!(words, " fk:{:?}", migration.meta().foreign_keys).unwrap();
    }
    if migration.meta().cascade == switchy_schema::Cascade::Allowed {
        words += " cascade";
    }
    if migration.meta().down_part == switchy_schema::DownPart::Allowed {
        words += " down-part";
    }
    words += &list("accepts ", &migration.meta().accepted);
    words += &list("?", unused_files);
    if let Some(unread) = &migration.meta().unread {
        let why = match unread {
            Unread::NothingToUndo => "nothing to undo",
            Unread::FileBesideFolders => "file beside folders",
            Unread::FolderBesideFiles => "folder beside files",
            Unread::UndoesAnother => "undoes another",
            Unread::Misspelled => "misspelled",
            _ => unreachable!(),
        };
        words = format!("{} not read ({why}, {})", migration.id(), migration.meta().origin);
    }
    words
}

// ---- what is a migration ----------------------------------------------------------------------------------------

#[test]
fn a_folder_with_an_up_script_is_a_migration() {
    check("", "nothing");
    check("1_a/up.sql=A", "1_a: A");
    check("1_a/up.sql=A | 1_a/down.sql=B", "1_a: A / B");
    check("1_a/up.sql=A | 2_b/up.sql=B | 2_b/down.sql=C", "1_a: A; 2_b: B / C");
}

#[test]
fn folders_may_lie_in_folders_and_the_last_one_is_the_id() {
    check("2026/01/1_a/up.sql=A | 2026/2_b/up.sql=B", "1_a: A; 2_b: B");
    check("1_a/up.sql=A | 1_a/2_b/up.sql=B", "1_a: A; 2_b: B");
    check("1_a/up.sql=A | 1_a/old/2_b/up.sql=B", "1_a: A; 2_b: B");
    check("x/1_a/up.sql=A | x/1_a/down.sql=B | y/2_b/down.sql=D | y/2_b/up.sql=C", "1_a: A / B; 2_b: C / D");
}

#[test]
fn real_names_load_however_they_are_written() {
    for id in [
        "2026-01-05-120000_users",
        "2020-12-7-190800_x",
        "2020-01-01-000082_x",
        "20170804120000_x",
        "init",
        "0_x",
        "it's a name",
        "überall",
        "a.b",
        "1_a.sql",
        "up",
        "-",
    ] {
        check(&format!("{id}/up.sql=A"), &format!("{id}: A"));
        check(&format!("x/{id}/up.sql=A"), &format!("{id}: A"));
    }
}

/// The folders of Prisma were treated as one migration named `migration` that is defined several times.
#[test]
fn a_folder_may_have_its_script_by_the_name_of_another_tool() {
    check(
        "20240101120000_a/migration.sql=A | 20240102120000_b/migration.sql=B",
        "20240101120000_a: A; 20240102120000_b: B",
    );
    check("1_a/Migration.SQL=A | 1_a/down.sql=B | 1_a/metadata.toml=description = 'D'", "1_a: A / B \"D\"");
    check("x/1_a/migration.sql=A | 1_b/up.sql=B", "1_a: A; 1_b: B");
    check("1_a/migration.sql=A | 1_a/up.sql=B", "1_a: B ?m/1_a/migration.sql");
    check("a/migration.sql=A", "migration: A");
    check("1_a/migration.sql=A | 1_a/seed.sql=B", "1_a: A ?m/1_a/seed.sql");
}

#[test]
fn a_file_may_be_a_migration() {
    check("1_a.sql=A", "1_a: A");
    check("1_a.up.sql=A", "1_a: A");
    check("1_a.up.sql=A | 1_a.down.sql=B", "1_a: A / B");
    check("1_a.sql=A | 1_a.down.sql=B", "1_a: A / B");
    check("x/y/1_a.sql=A | 2_b/up.sql=B", "1_a: A; 2_b: B");
    check("x/1_a.up.sql=A | x/1_a.down.sql=B | x/2_b.sql=C", "1_a: A / B; 2_b: C");
    check("1.2_a.sql=A | it's a name.sql=B", "1.2_a: A; it's a name: B");
    check("1_a.sql=A | 1_a.toml=description = 'D'", "1_a: A \"D\"");
    check("x/1_a.up.sql=A | x/1_a.toml=depends_on = ['b']", "1_a: A <-b");
    check("1_a.sql=A | 1_b.toml=not even TOML", "1_a: A");
    check("1_a/up.sql=A | 1_a.toml=not even TOML", "1_a: A ?m/1_a.toml");
    check("x/1_a/up.sql=A | x/1_a.toml=not even TOML", "1_a: A ?m/x/1_a.toml");
}

#[test]
fn scripts_and_metadata_are_recognised_in_any_case() {
    check("1_A/UP.SQL=A | 1_A/Down.Sql=B | 1_A/METADATA.Toml=description = 'D'", "1_A: A / B \"D\"");
    check("1_a.SQL=A | 2_b.UP.Sql=B | 2_b.DOWN.sql=C", "1_a: A; 2_b: B / C");
    check("1_a/up.sql=A | 1_a/UP.SQLite.SQL=B", "1_a: B");
    check("1_a.sql=A | 1_a.TOML=description = 'D'", "1_a: A \"D\"");
}

#[test]
fn a_folder_at_the_root_is_for_one_kind_of_database() {
    check("sqlite/1_a/up.sql=A | sqlite/1_a/down.sql=B", "1_a: A / B");
    check("sqlite/2026/1_a/up.sql=A | sqlite/2_b.sql=B", "1_a: A; 2_b: B");
    check("postgres/1_a/up.sql=A", "1_a: A @postgres");
    check("postgres/1_a/up.sql=A | postgres/1_a/down.sql=B", "1_a: A @postgres");
    check("postgres/1_a/up.sql=A | mysql/1_a/up.sql=B", "1_a: A @postgres,mysql");
    check("postgres/1_a/up.sql=A | mysql/2_b.sql=B", "1_a: A @postgres; 2_b: B @mysql");
    check("1_a/up.sql=A | postgres/1_a/up.sql=B", "1_a: A");
    check("1_a/up.sql=A | sqlite/1_a/up.sql=B", "1_a: B");
    check("1_a/up.sql=A | 1_a/down.sql=B | sqlite/1_a/up.sql=C", "1_a: C ?m/1_a/down.sql");
    check("1_a/up.sql=A | 1_a/metadata.toml=description = 'D' | sqlite/1_a/up.sql=B", "1_a: B \"D\"");
    check(
        "1_a/up.sql=A | 1_a/metadata.toml=depends_on = ['x'] | sqlite/1_a/up.sql=B | sqlite/1_a/metadata.toml=",
        "1_a: B",
    );
    check("sqlite/1_a/up.sql=A | postgres/1_a/up.sql=B | mysql/1_a.sql=C", "1_a: A");
    check("x/postgres/1_a/up.sql=A", "1_a: A");
    check("oracle/1_a/up.sql=A", "1_a: A");
    check("Postgres/1_a/up.sql=A | postgresql/2_b.sql=B", "1_a: A @postgres; 2_b: B @postgres");
    check("mariadb/1_a/up.sql=A | SQLite3/2_b/up.sql=B", "1_a: A @mysql; 2_b: B");
}

#[test]
fn a_script_for_one_kind_of_database_wins_over_the_common_one() {
    check("1_a/up.sql=A | 1_a/up.sqlite.sql=B", "1_a: B");
    check("1_a/up.sql=A | 1_a/up.postgres.sql=B", "1_a: A");
    check("1_a/up.sqlite.sql=A", "1_a: A");
    check("1_a/up.postgres.sql=A", "1_a: A @postgres");
    check("1_a/up.mysql.sql=A | 1_a/up.postgres.sql=B", "1_a: B @postgres,mysql");
    check("1_a/up.postgres.sql=A | 1_a/down.sql=B", "1_a: A @postgres");
    check("1_a/up.sql=A | 1_a/down.sql=B | 1_a/down.sqlite.sql=C", "1_a: A / C");
    check("1_a/up.sqlite.sql=A | 1_a/down.sql=B", "1_a: A / B");
    check("1_a/up.sql=A | 1_a/down.postgres.sql=B", "1_a: A");
    check("sqlite/1_a/up.sql=A | sqlite/1_a/up.sqlite.sql=B", "1_a: B");
    check("1_a/up.postgres.sql=A | sqlite/1_a/up.sql=B", "1_a: B");
    check("1_a/up.sqlite.sql=A | postgres/1_a/up.sql=B", "1_a: A");
    check("1_a.up.sql=A | 1_a.up.sqlite.sql=B | 1_a.down.mysql.sql=C", "1_a: B");
    check("1_a.postgres.sql=A", "1_a: A @postgres");
    check("1_a.sql=A | 1_a.sqlite.sql=B | 1_a.Postgres.sql=C", "1_a: B");
    check("1_a/up.MariaDB.sql=A | 1_a/up.sqlite3.sql=B", "1_a: B");
}

/// Only PostgreSQL has a script here, but the metadata lists SQLite too. SQL for another database must not run.
#[test]
fn metadata_does_not_bring_a_script_to_a_database_that_has_none() {
    check("1_a/up.postgres.sql=A | 1_a/metadata.toml=databases = ['sqlite', 'postgres']", "1_a: A @postgres");
    check("postgres/1_a/up.sql=A | postgres/1_a/metadata.toml=databases = ['sqlite']", "1_a: A @postgres");
    check("postgres/1_a/up.sql=A | postgres/1_a/metadata.toml=databases = ['postgres']", "1_a: A @postgres");
}

#[test]
fn hidden_files_and_files_of_other_types_are_none_of_its_business() {
    check(".git/1_a/up.sql=A", "nothing");
    check("1_a/.old/up.sql=A", "nothing");
    check("1_a/up.sql=A | 1_a/.#up.sql=B | 1_a/.up.sql.swp=C | .metadata.toml=D", "1_a: A");
    check("1_a/up.sql=A | 1_a/up.sql~=B | 1_a/#up.sql#=C | 1_a/up.sql.orig=D | 1_a/down.bak=E", "1_a: A");
    check("1_a/up.sql=A | README.md=÷ | 1_a/notes.txt=\0 | 1_a/up=B | sql=C | Cargo.toml=÷", "1_a: A");
}

#[test]
fn scripts_beside_an_up_script_are_reported() {
    check("1_a/up.sql=A | 1_a/fix.sql=B", "1_a: A ?m/1_a/fix.sql");
    check("1_a/up.sql=A | 1_a/up (copy).sql=B", "1_a: A ?m/1_a/up (copy).sql");
    check("1_a/up.sql=A | 1_a/1_a.down.sql=B", "1_a: A ?m/1_a/1_a.down.sql");
    check("1_a/up.sql=A | 1_a/fix.sql=÷", "1_a: A ?m/1_a/fix.sql");
    check("1_a/up.sql=A | 1_a/meta.toml=÷", "1_a: A ?m/1_a/meta.toml");
    check("1_a/up.sql=A | Cargo.toml=÷ | x/1_b.toml=÷", "1_a: A");
    check("1_a/up.sql=A | 1_a/parts/fix.sql=B", "1_a: A; fix: B");
    check("sqlite/1_a/up.sql=A | sqlite/1_a/fix.sql=B", "1_a: A ?m/sqlite/1_a/fix.sql");
    check("1_a/y.sql=C | 1_a/up.sql=A | 1_a/x.sql=B", "1_a: A ?m/1_a/x.sql,m/1_a/y.sql");
}

#[test]
fn a_script_may_be_empty() {
    check("1_a/up.sql=", "1_a: ");
    check("1_a/up.sql= \n\t", "1_a:  \n\t");
    check("1_a/up.sql=-- nothing to do\n", "1_a: -- nothing to do\n");
    check("1_a/up.sql=/* nothing */ | 1_a/down.sql=", "1_a: /* nothing */ / ");
    check("1_a.sql=", "1_a: ");
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_text() {
    check("1_a/up.sql=\u{feff}A | 1_a/down.sql=\u{feff}B", "1_a: A / B");
    check_metadata("\u{feff}description = 'D'", " \"D\"");
}

#[test]
fn line_ends_and_byte_order_mark_do_not_change_the_checksum() {
    let checksum = |script: &str| {
        let set: Vec<Migration> = migrations::<Sqlite>("", entries(&format!("1_a/up.sql={script}"))).unwrap();
        MigrationRunner::new(set).unwrap().list()[0].checksum.unwrap()
    };
    assert_eq!(checksum("A\nB\n"), Checksum::of("A\nB\n"));
    assert_eq!(checksum("A\r\nB\r\n"), checksum("A\nB\n"));
    assert_eq!(checksum("\u{feff}A\r\nB\r\n"), checksum("A\nB\n"));
    assert_ne!(checksum("A\rB\n"), checksum("A\nB\n"));
    assert_ne!(checksum("A\nB"), checksum("A\nB\n"));
}

// ---- metadata ---------------------------------------------------------------------------------------------------

#[test]
fn metadata_says_what_there_is_to_say() {
    let hash = "0123456789abcdef".repeat(4);
    check_metadata("", "");
    check_metadata("# nothing yet\n", "");
    check_metadata("description = 'Who writes.'", " \"Who writes.\"");
    check_metadata("depends_on = ['x', \"it's\"]", " <-x,it's");
    check_metadata("depends_on = []", "");
    check_metadata("depends_on_if_present = ['x', 'y']", " <?x,y");
    check_metadata("run_in_transaction = false", " ~");
    check_metadata("run_in_transaction = true", "");
    check_metadata("lock_timeout = 2", " waits:2s");
    check_metadata("lock_timeout = 0.5", " waits:500ms");
    check_metadata("foreign_keys = 'on'", " fk:Enforced");
    check_metadata("foreign_keys = 'off'", " fk:Unchecked");
    check_metadata("foreign_keys = 'checked'", "");
    check_metadata("environments = ['prod', 'test']", " %prod,test");
    check_metadata("databases = ['sqlite', 'postgres', 'mysql']", " @sqlite,postgres,mysql");
    check_metadata("databases = ['postgres']", " @postgres");
    check_metadata("databases = ['SQLite', 'PostgreSQL', 'mariadb']", " @sqlite,postgres,mysql");
    check_metadata(&format!("accepted = ['{hash}']"), &format!(" accepts {hash}"));
    check_metadata(&format!("accepted = ['{}']", hash.to_uppercase()), &format!(" accepts {hash}"));
    check_metadata("allow = ['cascade']", " cascade");
    check_metadata("allow = ['down-part', 'cascade']", " cascade down-part");
    check_metadata(
        "description = \"all\"\r\nenvironments = ['prod']\r\nallow = [\r\n  'cascade',\r\n]\r\ndepends_on = ['x']\r\n",
        " \"all\" <-x %prod cascade",
    );
}

#[test]
fn metadata_goes_with_the_scripts_beside_it() {
    check("sqlite/1_a/up.sql=A | sqlite/1_a/metadata.toml=description = 'D'", "1_a: A \"D\"");
    check("1_a/up.sqlite.sql=A | 1_a/metadata.toml=description = 'D'", "1_a: A \"D\"");
    check("1_a/up.postgres.sql=A | 1_a/metadata.toml=description = 'D'", "1_a: A \"D\" @postgres");
    check("postgres/1_a/up.sql=A | postgres/1_a/metadata.toml=description = 'D'", "1_a: A \"D\" @postgres");
    check(
        "x/1_a/up.sql=A | x/1_a/metadata.toml=description = 'D' | x/metadata.sql=B",
        "1_a: A \"D\"; metadata: B",
    );
}

#[test]
fn malformed_metadata_is_an_error_with_line_and_column() {
    let keys = "docs/format.md lists the keys of metadata.toml";
    let at = |place: &str, what: &str| format!("m/1_a/metadata.toml:{place}: {what}; {keys}");
    check_metadata(
        "description = 'D'\ndepend_on = ['x']",
        &at(
            "2:1",
            "unknown field `depend_on`, expected one of `description`, `depends_on`, `depends_on_if_present`, \
             `run_in_transaction`, `foreign_keys`, `lock_timeout`, `environments`, `databases`, `accepted`, `allow`, `placeholders`",
        ),
    );
    check_metadata("depends_on = 'x'", &at("1:14", "invalid type: string \"x\", expected a sequence"));
    check_metadata("\n  depends_on = ['x', 1]", &at("2:22", "invalid type: integer `1`, expected a string"));
    check_metadata(
        "run_in_transaction = 'no'",
        &at("1:22", "invalid type: string \"no\", expected a boolean"),
    );
    check_metadata("description = 1", &at("1:15", "invalid type: integer `1`, expected a string"));
    check_metadata(
        "environments = 'prod'",
        &at("1:16", "invalid type: string \"prod\", expected a sequence"),
    );
    check_metadata(
        "foreign_keys = 'maybe'",
        &at("1:16", "unknown variant `maybe`, expected one of `checked`, `on`, `off`"),
    );
    check_metadata("foreign_keys = true", &at("1:16", "invalid type: boolean `true`, expected a string"));
    check_metadata(
        "allow = ['drop']",
        &at(
            "1:10",
            "unknown variant `drop`, expected one of `cascade`, `destructive`, `rebuild`, `down-part`",
        ),
    );
    check_metadata(
        "databases = ['sqlite', 'oracle']",
        &at("1:24", "`oracle` is no database that it could be for"),
    );
    check_metadata("\n\naccepted = ['abc']", &at("3:13", "a checksum is 64 hexadecimal digits"));
    check_metadata("description = 'D'\ndescription = 'E'", &at("2:1", "duplicate key"));
    check_metadata(
        "[more]",
        &at(
            "1:2",
            "unknown field `more`, expected one of `description`, `depends_on`, `depends_on_if_present`, \
             `run_in_transaction`, `foreign_keys`, `lock_timeout`, `environments`, `databases`, `accepted`, `allow`, `placeholders`",
        ),
    );
    check_metadata("\u{feff}description = 1", &at("1:15", "invalid type: integer `1`, expected a string"));
    check_metadata("description = 'über' , 1", &at("1:22", "unexpected key or value, expected newline, `#`"));
}

#[test]
fn malformed_metadata_shows_its_line() {
    let files = "1_a/up.sql= | 1_a/metadata.toml=# what it needs\n\tdatabases = ['oracle']";
    let error = migrations::<Sqlite>("", entries(files)).unwrap_err();
    let location = error.location().unwrap();
    assert_eq!((error.kind(), &*location.origin), (ErrorKind::Source, "1_a/metadata.toml"));
    let position = location.position.unwrap();
    assert_eq!((position.line, position.column), (2, 15));
    let shown = "\n --> 1_a/metadata.toml:2:15\n  |\n2 | \tdatabases = ['oracle']\n  | \t             ^";
    assert!(format!("{error:#}").ends_with(shown), "{error:#}");
}

// ---- what is wrong ----------------------------------------------------------------------------------------------

#[test]
fn what_is_not_text_is_an_error() {
    check("1_a/up.sql=AB÷", "m/1_a/up.sql: it is not UTF-8 text from byte 2 on; save it as UTF-8");
    check("1_a/up.sql=÷", "m/1_a/up.sql: it is not UTF-8 text from byte 0 on; save it as UTF-8");
    check(
        "1_a/up.sql=A | 1_a/down.sql=é÷",
        "m/1_a/down.sql: it is not UTF-8 text from byte 2 on; save it as UTF-8",
    );
    check("1_a.sql=A\n÷", "m/1_a.sql: it is not UTF-8 text from byte 2 on, in line 2; save it as UTF-8");
    check(
        "1_a/up.sql=A | 1_a/metadata.toml=÷",
        "m/1_a/metadata.toml: it is not UTF-8 text from byte 0 on; save it as UTF-8",
    );
    check(
        "postgres/1_a/up.sql=÷",
        "m/postgres/1_a/up.sql: it is not UTF-8 text from byte 0 on; save it as UTF-8",
    );
    check("1_a/up.sql=A\0", "m/1_a/up.sql:1:2: it holds a NUL byte, where SQL would end; remove it");
    check("1_a/up.sql=A;\nüB\0C", "m/1_a/up.sql:2:3: it holds a NUL byte, where SQL would end; remove it");
    check("1_a/up.sql=A\n\0", "m/1_a/up.sql:2:1: it holds a NUL byte, where SQL would end; remove it");
    check(
        "1_a.up.sql=A | 1_a.down.sql=\0",
        "m/1_a.down.sql:1:1: it holds a NUL byte, where SQL would end; remove it",
    );
    check(
        "1_a/up.sql=A | 1_a/metadata.toml=\n#\0",
        "m/1_a/metadata.toml:2:2: it holds a NUL byte, where SQL would end; remove it",
    );
}

#[test]
fn an_id_is_defined_once_in_a_folder() {
    let twice = |first: &str, second: &str| {
        format!("`1_a` is defined twice, in m/{first} and in m/{second}; rename one of them")
    };
    check("x/1_a/up.sql=A | y/1_a/up.sql=B", &twice("x/1_a/up.sql", "y/1_a/up.sql"));
    check("1_a/up.sql=A | y/1_a/up.sql=B", &twice("1_a/up.sql", "y/1_a/up.sql"));
    check("1_a.sql=A | 1_a/up.sql=B", &twice("1_a.sql", "1_a/up.sql"));
    check("x/1_a.sql=A | x/1_a/up.sql=B", &twice("x/1_a.sql", "x/1_a/up.sql"));
    check("1_a.down.sql=B | 1_a/up.sql=A", &twice("1_a.down.sql", "1_a/up.sql"));
    check("x/1_a.down.sql=B | x/1_a/up.sql=A", &twice("x/1_a.down.sql", "x/1_a/up.sql"));
    check("1_a.sql=A | 1_a.up.sql=B", &twice("1_a.sql", "1_a.up.sql"));
    check("1_a/UP.sql=A | 1_a/up.sql=B", &twice("1_a/UP.sql", "1_a/up.sql"));
    check("1_a/up.sql=A | x/1_a/down.sql=B", &twice("1_a/up.sql", "x/1_a/down.sql"));
    check("sqlite/1_a.sql=A | sqlite/x/1_a.sql=B", &twice("sqlite/1_a.sql", "sqlite/x/1_a.sql"));
    check("postgres/1_a.sql=A | postgres/x/1_a.sql=B", &twice("postgres/1_a.sql", "postgres/x/1_a.sql"));
    check("x/postgres/1_a.sql=A | x/sqlite/1_a.sql=B", &twice("x/postgres/1_a.sql", "x/sqlite/1_a.sql"));
    check(
        "1_a/Metadata.toml= | 1_a/metadata.toml= | 1_a/up.sql=A",
        &twice("1_a/Metadata.toml", "1_a/metadata.toml"),
    );
    let error = migrations::<Sqlite>("", entries("x/1_a.sql=A | y/1_a.sql=B")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Set);
}

/// One such folder prevented a set of hundreds from running.
#[test]
fn a_script_that_undoes_nothing_is_reported_and_the_rest_is_a_set() {
    let unread = |place: &str| format!("1_a not read (nothing to undo, m/{place})");
    check("1_a/down.sql=B", &unread("1_a/down.sql"));
    check("1_a/down.sql=B | 2_b/up.sql=B", &format!("{}; 2_b: B", unread("1_a/down.sql")));
    check("x/1_a.down.sql=B | 2_b.sql=B", &format!("{}; 2_b: B", unread("x/1_a.down.sql")));
    check("1_a/down.postgres.sql=B", &unread("1_a/down.postgres.sql"));
    check("1_a/down.sql=B | 1_a/metadata.toml=", &unread("1_a/down.sql"));
    check("1_a/up.sql=A | sqlite/1_a/down.sql=B", "1_a: A ?m/sqlite/1_a/down.sql");
    check("1_a/down.sql=B | sqlite/1_a/up.sql=A", "1_a: A ?m/1_a/down.sql");
}

/// It ran before the migration that it undoes, and dropped a table of the same name.
#[test]
fn a_script_with_which_flyway_undoes_another_one_is_reported() {
    let undoes = |id: &str| format!("{id} not read (undoes another, m/{id}.sql)");
    check("V1__a.sql=A | U1__a.sql=B", &format!("{}; V1__a: A", undoes("U1__a")));
    check(
        "V1.2__a.sql=A | U1.2__b.sql=B | V2__c.sql=C",
        &format!("{}; V1.2__a: A; V2__c: C", undoes("U1.2__b")),
    );
    // It is meant to be a migration.
    check("V1__a.sql=A | U1__b.sql=B | U1__b.toml=description = 'D'", "U1__b: B \"D\"; V1__a: A");
    check("V1__a/up.sql=A | U1__b/up.sql=B | U1__b/metadata.toml=", "U1__b: B; V1__a: A");
    check(
        "V1__a.sql=A | U1__b.sql=B | V2__c.sql=C | V2__c.toml=depends_on = ['U1__b']",
        "U1__b: B; V1__a: A; V2__c: C <-U1__b",
    );
    // In refinery, `U` is for a migration that may run out of order.
    check("V1__a.sql=A | U2__b.sql=B", "U2__b: B; V1__a: A");
    check("V1__a.sql=A | users__b.sql=B", "V1__a: A; users__b: B");
}

#[test]
fn a_script_with_a_misspelled_name_is_reported_if_it_has_a_version() {
    let misspelled = |place: &str| format!("1_a not read (misspelled, m/{place})");
    for place in
        ["1_a/up.sq", "1_a/upp.sql", "x/1_a/up.sql.txt", "1_a.sq", "x/1_a.up.slq", "sqlite/1_a/up.sq"]
    {
        check(&format!("{place}=A"), &misspelled(place));
        check(&format!("{place}=A | 2_b/up.sql=B"), &format!("2_b: B; {}", misspelled(place)));
    }
    check("1_a/up.sq=A | 1_a/down.sql=B", &misspelled("1_a/up.sq"));
    check("postgres/1_a/up.sql=A | sqlite/1_a/up.sq=B", "1_a: A @postgres ?m/sqlite/1_a/up.sq");
    check("1_a/up.sql=A | 1_a/dwon.sq=B", "1_a: A ?m/1_a/dwon.sq");
    check("1_a/up.sql=A | 1_a/up.sql.txt=B | a/up.sq=C | 2/seed.sq=D", "1_a: A");
    check("2024/us.sql=A", "us: A");
}

/// A `data_oauth_github.sql` next to 285 folders was treated as migration 286.
#[test]
fn what_has_no_version_and_another_shape_than_the_set_is_reported() {
    let file = |place: &str, id: &str| format!("{id} not read (file beside folders, m/{place})");
    let folders = "1_a/up.sql=A | 2024-01-01-000000_b/up.sql=B";
    let set = "1_a: A; 2024-01-01-000000_b: B";
    for (place, id) in [
        ("data_oauth_github.sql", "data_oauth_github"),
        ("seed.up.sql", "seed"),
        ("x/views.sqlite.sql", "views"),
        ("V.sql", "V"),
    ] {
        check(&format!("{folders} | {place}=C"), &format!("{set}; {}", file(place, id)));
    }
    check(&format!("{folders} | seed.sql=÷"), &format!("{set}; {}", file("seed.sql", "seed")));
    check(
        &format!("{folders} | seed.up.sql=C | seed.down.sql=D"),
        &format!("{set}; {}", file("seed.up.sql", "seed")),
    );
    check(&format!("{folders} | 3_c.sql=C"), &format!("{set}; 3_c: C"));
    check(&format!("{folders} | V3__c.sql=C"), &format!("{set}; V3__c: C"));
    let folder = "archive not read (folder beside files, m/archive/up.sql)";
    check("1_a.sql=A | 2_b.sql=B | archive/up.sql=C", &format!("1_a: A; 2_b: B; {folder}"));
    check(
        "1_a.sql=A | 2_b.sql=B | archive/up.sql=C | archive/metadata.toml=÷",
        &format!("1_a: A; 2_b: B; {folder}"),
    );
    // If most migrations do not have this layout, any name is accepted.
    check("a/up.sql=A | b.sql=B", "a: A; b: B");
    check("1_a/up.sql=A | 2_b.sql=B | c.sql=C | d/up.sql=D", "1_a: A; 2_b: B; c: C; d: D");
    check("a.sql=A | b.sql=B | 1_c/up.sql=C", "1_c: C; a: A; b: B");
    check("a/up.sql=A | b/up.sql=B | 1_c.sql=C", "1_c: C; a: A; b: B");
    // A file with metadata, or one that another migration depends on, is a migration.
    check(&format!("{folders} | seed.sql=C | seed.toml=description = 'D'"), &format!("{set}; seed: C \"D\""));
    check(
        &format!("{folders} | 3_c/up.sql=C | 3_c/metadata.toml=depends_on = ['seed'] | seed.sql=D"),
        &format!("{set}; 3_c: C <-seed; seed: D"),
    );
    // Each file is named, although two have the same name.
    check(
        "1_a/migration.sql=A | 2_b/migration.sql=B | 3_c/migration.sql=C | x/migration.sql=D | y/migration.sql=E",
        "1_a: A; 2_b: B; 3_c: C; migration not read (file beside folders, m/x/migration.sql); \
         m/y/migration.sql not read (file beside folders, m/y/migration.sql)",
    );
    check("1_a/up.sql=A | 2_b/up.sql=B | init/up.sql=C | init.sql=D", "1_a: A; 2_b: B; init: C ?m/init.sql");
    // Folders for one kind of database are sets of their own.
    check(
        "sqlite/1_a/up.sql=A | sqlite/2_b/up.sql=B | postgres/1_a.sql=B | sqlite/x.sql=C",
        "1_a: A; 2_b: B; x not read (file beside folders, m/sqlite/x.sql)",
    );
}

#[test]
fn metadata_without_a_script_is_an_error() {
    let describes =
        "it describes no migration, there is no up.sql beside it; add the script, or remove this file";
    check("1_a/metadata.toml=", &format!("m/1_a/metadata.toml: {describes}"));
    check("1_a/metadata.toml= | 1_a/script.sql=A", &format!("m/1_a/metadata.toml: {describes}"));
    check(
        "1_a/up.sql=A | postgres/1_a/metadata.toml=",
        &format!("m/postgres/1_a/metadata.toml: {describes}"),
    );
}

#[test]
fn a_script_for_a_database_that_does_not_exist_is_an_error() {
    let of = |file: &str, name: &str| {
        format!("m/{file}: `{name}` is no database that it could be for; use sqlite, postgres or mysql")
    };
    check("1_a/up.foo.sql=A", &of("1_a/up.foo.sql", "foo"));
    check("1_a/up.sql=A | 1_a/up.orig.sql=B", &of("1_a/up.orig.sql", "orig"));
    check("1_a/up.sql=A | 1_a/down.sqlite2.sql=B", &of("1_a/down.sqlite2.sql", "sqlite2"));
    check("1_a.up.Foo.sql=A", &of("1_a.up.Foo.sql", "Foo"));
}

#[test]
fn a_script_at_the_root_is_an_error() {
    let at = |file: &str| {
        format!(
            "m/{file}: it lies in no migration's folder; move it into a folder named like YYYY-MM-DD-HHMMSS_name"
        )
    };
    check("up.sql=A", &at("up.sql"));
    check("down.sql=A | 1_a.sql=B", &at("down.sql"));
    check("metadata.toml=", &at("metadata.toml"));
    check("UP.sqlite.SQL=A", &at("UP.sqlite.SQL"));
    check("sqlite/up.sql=A", &at("sqlite/up.sql"));
    check("postgres/metadata.toml= | 1_a.sql=B", &at("postgres/metadata.toml"));
}

#[test]
fn a_root_without_a_name_is_left_out_of_messages() {
    let message = |root: &str| {
        let error = migrations::<Sqlite>(root, entries("1_a/metadata.toml=")).unwrap_err().to_string();
        error.split(": ").next().unwrap().to_owned()
    };
    assert_eq!(message(""), "1_a/metadata.toml");
    assert_eq!(message("m/"), "m/1_a/metadata.toml");
    assert_eq!(message("a b/m"), "a b/m/1_a/metadata.toml");
}

// ---- a folder on disk -------------------------------------------------------------------------------------------

fn ids(source: &impl MigrationSource) -> Vec<String> {
    source.migrations().unwrap().iter().map(|migration| migration.id().to_string()).collect()
}

/// The error for a folder, with its path replaced by `{root}`.
fn refusal(root: &Path) -> String {
    let error = MigrationRunner::new_directory(root).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    error.to_string().replace(root.to_str().unwrap(), "{root}")
}

#[test]
fn a_root_that_is_not_there_or_no_folder_is_an_error() {
    let set = TestMigrationBuilder::new().file("file", "text");
    let missing = "there is no folder {root}; check the path, or create it";
    assert_eq!(refusal(&set.path().join("missing")), missing);
    assert_eq!(refusal(&set.path().join("file")), "{root}: it is not a folder; check the path");
    assert_eq!(ids(&DirectoryMigrations::from_path(TestMigrationBuilder::new().path())), [""; 0]);
}

#[test]
fn a_folder_is_read_when_it_is_asked_for() {
    let set = TestMigrationBuilder::new().migration("1_a", "");
    let source = DirectoryMigrations::from_path(set.path());
    assert_eq!(ids(&source), ["1_a"]);
    let set = set.migration("2_b", "");
    assert_eq!(ids(&source), ["1_a", "2_b"]);
    drop(set);
}

#[test]
fn a_folder_says_the_whole_path_of_what_is_wrong() {
    let set = TestMigrationBuilder::new().file("x/1_a/up.sql", b"A\xff");
    assert_eq!(
        refusal(set.path()),
        "{root}/x/1_a/up.sql: it is not UTF-8 text from byte 1 on; save it as UTF-8"
    );
    let set = TestMigrationBuilder::new().migration("1_a", "").metadata("1_a", "\nkey = 1");
    assert!(refusal(set.path()).starts_with("{root}/1_a/metadata.toml:2:1: unknown field `key`"));
}

#[test]
fn names_with_spaces_quotes_and_other_alphabets_run() {
    let ids = ["2021_größe", "2022_数据", "2024_a%20b", "2020 it's \"quoted\"", "2023-; DROP TABLE x --"];
    let set = ids.iter().fold(TestMigrationBuilder::new(), |set, id| {
        set.reversible(
            &format!("some folder/{id}"),
            &format!("CREATE TABLE \"t{}\" (x)", &id[..4]),
            "SELECT 1",
        )
    });
    let database = TestDatabase::new();
    let conn = database.connect();
    let runner = set.runner();
    assert_eq!(runner.run(&conn).unwrap().applied.len(), ids.len());
    assert!(set.runner().run(&conn).unwrap().is_up_to_date());
    assert_eq!(database.rows("SELECT name FROM __switchy_migrations ORDER BY rowid"), ids);
    assert_eq!(runner.run_to(&conn, switchy_schema::Target::Empty).unwrap().applied.len(), ids.len());
}

#[test]
fn a_folder_for_another_database_only_has_nothing_to_run_here() {
    let set =
        TestMigrationBuilder::new().migration("postgres/1_a", "SERIAL").migration("postgres/2_b", "SERIAL");
    let conn = Connection::open_in_memory().unwrap();
    let report = set.runner().run(&conn).unwrap();
    assert!(report.is_up_to_date());
    assert_eq!(rows(&conn, "SELECT count(*) FROM sqlite_master"), ["0"]);
    let status = set.runner().status(&conn).unwrap().to_string();
    assert_eq!(status, "1_a  for another database\n2_b  for another database");
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed() {
        let elsewhere =
            TestMigrationBuilder::new().migration("x/2_b", "").file("script", "CREATE TABLE linked (x)");
        let set = TestMigrationBuilder::new().file("1_a/README", "");
        symlink(elsewhere.path().join("script"), set.path().join("1_a/up.sql")).unwrap();
        symlink(elsewhere.path().join("x"), set.path().join("more")).unwrap();
        assert_eq!(ids(&DirectoryMigrations::from_path(set.path())), ["1_a", "2_b"]);
        let up = DirectoryMigrations::from_path(set.path()).migrations().unwrap() as Vec<Migration>;
        assert_eq!(up[0].up_sql(), Some("CREATE TABLE linked (x)"));

        let root = set.path().join("link to itself");
        symlink(set.path(), &root).unwrap();
        assert!(refusal(&root).contains("it is a link back to"));
    }

    #[test]
    fn a_root_may_be_a_link() {
        let set = TestMigrationBuilder::new().migration("1_a", "");
        let folder = TestMigrationBuilder::new();
        let root = folder.path().join("migrations");
        symlink(set.path(), &root).unwrap();
        assert_eq!(ids(&DirectoryMigrations::from_path(&root)), ["1_a"]);
        std::fs::remove_file(&root).unwrap();
        symlink(folder.path().join("missing"), &root).unwrap();
        let refusal = refusal(&root);
        assert!(refusal.contains("missing, which cannot be followed: "), "{refusal}");
    }

    #[test]
    fn a_root_inside_a_file_is_an_error() {
        let set = TestMigrationBuilder::new().file("file", "text");
        let refusal = refusal(&set.path().join("file/inside"));
        assert!(refusal.starts_with("cannot read {root}: "), "{refusal}");
    }

    #[test]
    fn a_script_that_cannot_be_read_is_an_error() {
        let set = TestMigrationBuilder::new().migration("1_a", "");
        symlink("nowhere", set.path().join("1_a/down.sql")).unwrap();
        let refusal = refusal(set.path());
        let link = "{root}/1_a/down.sql: it is a link to nowhere, which cannot be followed: ";
        assert!(refusal.starts_with(link), "{refusal}");
        assert!(refusal.ends_with("; correct the link, or remove it"), "{refusal}");
    }

    #[test]
    fn a_migration_whose_folder_cannot_be_read_is_an_error() {
        let set = TestMigrationBuilder::new().migration("1_a", "");
        symlink("nowhere", set.path().join("2_b")).unwrap();
        assert!(
            refusal(set.path()).starts_with("{root}/2_b: it is a link to nowhere"),
            "{}",
            refusal(set.path())
        );
    }

    #[test]
    fn links_that_go_in_circles_are_an_error() {
        let set = TestMigrationBuilder::new().migration("1_a", "");
        symlink("round", set.path().join("round.sql")).unwrap();
        symlink("round.sql", set.path().join("round")).unwrap();
        assert!(
            refusal(set.path()).starts_with("{root}/round: it is a link to round.sql"),
            "{}",
            refusal(set.path())
        );

        let set = TestMigrationBuilder::new().migration("x/1_a", "");
        symlink(set.path().join("x"), set.path().join("x/again")).unwrap();
        assert_eq!(refusal(set.path()), "{root}/x/again: it is a link back to {root}/x; remove the link");

        let root = set.path().join("loop");
        symlink(&root, &root).unwrap();
        assert!(
            refusal(&root).starts_with("{root}: it is a link to {root}, which cannot be followed: "),
            "{}",
            refusal(&root)
        );
    }

    /// Emacs marks a file with unsaved changes with a dangling link next to it, `.#up.sql`.
    #[test]
    fn a_hidden_link_to_nowhere_is_hidden() {
        let set = TestMigrationBuilder::new().migration("1_a", "");
        symlink("ada@host.1234:1700000000", set.path().join("1_a/.#up.sql")).unwrap();
        let found: Vec<Migration> = DirectoryMigrations::from_path(set.path()).migrations().unwrap();
        assert_eq!(found.len(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_script_whose_name_is_not_unicode_is_an_error() {
        use std::os::unix::ffi::OsStrExt as _;

        let set = TestMigrationBuilder::new().migration("1_a", "");
        let name = std::ffi::OsStr::from_bytes(b"2_\xff.sql");
        std::fs::write(set.path().join(name), "").unwrap();
        assert_eq!(
            refusal(set.path()),
            "{root}/2_\u{fffd}.sql: its name is not Unicode, and an id must be; rename it"
        );
        std::fs::rename(set.path().join(name), set.path().join(name).with_extension("txt")).unwrap();
        assert_eq!(ids(&DirectoryMigrations::from_path(set.path())), ["1_a"]);
    }
}

#[test]
fn what_is_not_ours_is_not_even_read() {
    let set = TestMigrationBuilder::new()
        .migration("1_a", "")
        .file("1_a/photo.jpg", b"\xff\0")
        .file(".hidden/1_a/up.sql", b"\xff")
        .file("Makefile", "");
    assert_eq!(ids(&DirectoryMigrations::from_path(set.path())), ["1_a"]);
}

// ---- a folder inside the program --------------------------------------------------------------------------------

#[cfg(feature = "embedded")]
mod embedded {
    use include_dir::{Dir, DirEntry, File};
    use switchy_schema::EmbeddedMigrations;

    use super::*;

    static EMBEDDED: Dir<'_> = Dir::new(
        "",
        &[
            DirEntry::Dir(Dir::new("app", &[DirEntry::Dir(Dir::new("app/migrations", NESTED))])),
            DirEntry::File(File::new("2_b.sql", b"B")),
        ],
    );

    const NESTED: &[DirEntry<'_>] = &[
        DirEntry::Dir(Dir::new(
            "app/migrations/1_a",
            &[
                DirEntry::File(File::new("app/migrations/1_a/up.sql", b"A")),
                DirEntry::File(File::new("app/migrations/1_a/README.md", b"\xff")),
            ],
        )),
        DirEntry::Dir(Dir::new(
            "app/migrations/sqlite",
            &[DirEntry::File(File::new("app/migrations/sqlite/3_c.sql", b"C"))],
        )),
    ];

    static MALFORMED: Dir<'_> = Dir::new("m", &[DirEntry::File(File::new("m/1_a.sql", b"\xff"))]);

    #[test]
    fn an_embedded_folder_begins_where_it_is_taken() {
        let outcome = |root| {
            let set: Vec<Migration> = EmbeddedMigrations::new(root).migrations().unwrap();
            set.iter().map(in_words).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(outcome(&EMBEDDED), "1_a: A; 2_b: B; 3_c: C");
        assert_eq!(outcome(EMBEDDED.get_dir("app").unwrap()), "1_a: A; 3_c: C");
        assert_eq!(outcome(EMBEDDED.get_dir("app/migrations").unwrap()), "1_a: A; 3_c: C");
        assert_eq!(outcome(EMBEDDED.get_dir("app/migrations/sqlite").unwrap()), "3_c: C");
    }

    #[test]
    fn an_embedded_folder_names_files_as_the_program_embedded_them() {
        let set: Vec<Migration> =
            EmbeddedMigrations::new(EMBEDDED.get_dir("app/migrations").unwrap()).migrations().unwrap();
        assert_eq!(set[0].meta().origin.to_string(), "app/migrations/1_a/up.sql");
        assert_eq!(set[1].meta().origin.to_string(), "app/migrations/sqlite/3_c.sql");
        let error = MigrationRunner::new_embedded(&MALFORMED).unwrap_err().to_string();
        assert_eq!(error, "m/1_a.sql: it is not UTF-8 text from byte 0 on; save it as UTF-8");
        let error =
            MigrationRunner::new_embedded(EMBEDDED.get_dir("app/migrations/1_a").unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("app/migrations/1_a/up.sql: it lies in no migration's folder"));
    }
}

// ---- sources together -------------------------------------------------------------------------------------------

#[test]
fn sources_are_one_set() {
    let folder =
        TestMigrationBuilder::new().migration("2_b", "").metadata("2_b", "depends_on = ['1_c', '1_a']");
    let source = DirectoryMigrations::from_path(folder.path())
        .and(vec![Migration::sql("1_a", "")])
        .and(CodeMigrations::new().register_migration(Migration::sql("1_c", "")))
        .and([Migration::sql("0_z", "").depends_on("2_b")]);
    let runner = MigrationRunner::new(source).unwrap();
    let ids: Vec<&str> = runner.list().iter().map(|meta| meta.id.as_str()).collect();
    assert_eq!(ids, ["1_a", "1_c", "2_b", "0_z"]);

    let boxed: Vec<Box<dyn MigrationSource>> =
        vec![Box::new(DirectoryMigrations::from_path(folder.path())), Box::new([Migration::sql("1_a", "")])];
    assert_eq!(boxed.iter().map(|source| source.migrations().unwrap().len()).sum::<usize>(), 2);
}

#[test]
fn an_id_that_two_sources_define_is_an_error_that_names_both() {
    let folder = TestMigrationBuilder::new().migration("1_a", "").migration("2_b", "");
    let line = line!() + 1;
    let code = [Migration::sql("1_a", ""), Migration::sql("2_b", "")];
    let directory = DirectoryMigrations::from_path(folder.path());
    let error = MigrationRunner::new((&directory).and(&code)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Set);
    let root = folder.path().display();
    let file = file!();
    assert_eq!(
        error.to_string(),
        format!(
            "2 problems: (1) `1_a` is defined twice, in {root}/1_a/up.sql and in {file}:{line}; rename one of them; \
             (2) `2_b` is defined twice, in {root}/2_b/up.sql and in {file}:{line}; rename one of them"
        ),
    );
}

struct Coded(&'static str);

impl CodeMigration for Coded {
    fn id(&self) -> MigrationId {
        MigrationId::from_static(self.0)
    }

    fn up(&self, _: &Connection) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_registry_that_has_an_id_twice_is_an_error_that_names_both_lines() {
    let first = line!() + 1;
    let registry = CodeMigrations::new().register(Coded("1_a"));
    let registry = registry.register_migration(Migration::sql("1_a", "")).register(Coded("2_b"));
    let error = MigrationRunner::new_code(registry.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Set);
    let (file, second) = (file!(), first + 1);
    assert_eq!(
        error.to_string(),
        format!("`1_a` is defined twice, in {file}:{first} and in {file}:{second}; rename one of them"),
    );
    let registry = registry.register(Coded("1_a")).register(Coded("2_b"));
    let error = MigrationRunner::new_code(registry).unwrap_err().to_string();
    assert!(error.starts_with("3 problems: (1) `1_a` is defined twice, in "), "{error}");
}

/// A set that somebody else made can link to any file of this user. Its lines were read as a script and printed in the error.
#[cfg(unix)]
#[test]
fn links_that_leave_the_folder_can_be_refused() {
    use std::os::unix::fs::symlink;

    use switchy_schema::{DirectoryMigrations, Links};

    type Make<'a> = &'a dyn Fn(&std::path::Path);

    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.sql");
    std::fs::write(&secret, "SECRET of a user").unwrap();
    std::fs::create_dir(outside.path().join("1_a")).unwrap();
    std::fs::write(outside.path().join("1_a/up.sql"), "SECRET").unwrap();
    let rows: [(Make<'_>, bool); 5] = [
        (&|root| symlink(&secret, root.join("2_b/up.sql")).unwrap(), true),
        (&|root| symlink(&secret, root.join("2_b/metadata.toml")).unwrap(), true),
        (&|root| symlink(outside.path().join("1_a"), root.join("1_a")).unwrap(), true),
        (&|root| symlink("../../../../../../../../../etc/passwd", root.join("2_b/down.sql")).unwrap(), true),
        (&|root| symlink("../up.sql", root.join("2_b/up.sql")).unwrap(), false),
    ];
    for (place, (make, leaves)) in rows.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        // The root may be a link itself.
        let root = folder.path().join("link");
        std::fs::create_dir_all(folder.path().join("real/2_b")).unwrap();
        symlink("real", &root).unwrap();
        std::fs::write(root.join("up.sql"), "SELECT 1").unwrap();
        make(&root);
        let source = DirectoryMigrations::from_path(&root).links(Links::StayInside);
        match MigrationRunner::new(source) {
            Ok(_) => assert!(!leaves, "{place}"),
            Err(error) => {
                let text = format!("{error:#}");
                assert!(
                    text.contains("it is a link to something outside of the folder") == leaves,
                    "{place}: {text}"
                );
                assert!(!text.contains("SECRET") && !text.contains("root:"), "{text}");
            }
        }
    }
}
