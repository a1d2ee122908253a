//! A schema is compared with a file, and written when the author asks.

use std::env;
use std::fs;
use std::process::Command;

use switchy_schema::test_utils::{TestMigrationBuilder, TestMigrations, assert_schema_file};

use super::{made, message};

const SCHEMA: &str = "CREATE TABLE a (b);\n\nCREATE INDEX i ON a (b);\n";
const WRITE_TO: &str = "SWITCHY_TEST_WRITES_GOLDEN_FILE";

#[test]
fn a_schema_is_compared_with_its_file() {
    let folder = TestMigrationBuilder::new()
        .file("same.sql", SCHEMA)
        .file("windows.sql", SCHEMA.replace('\n', "\r\n"))
        .file("other.sql", SCHEMA.replace("(b);\n\nC", "(c);\n\nC"));
    let conn = made(SCHEMA);
    let at = |name: &str| folder.path().join(name);
    assert_schema_file(&conn, at("same.sql"));
    assert_schema_file(&conn, at("windows.sql"));
    let (other, missing) = (at("other.sql"), at("missing.sql"));
    assert_eq!(
        message(|| assert_schema_file(&conn, &other)),
        format!(
            "the schema is not the one in {}; to write it, run the test with SWITCHY_UPDATE_GOLDEN=1\n\
            @@ -1,3 +1,3 @@\n-CREATE TABLE a (c);\n+CREATE TABLE a (b);\n \n CREATE INDEX i ON a (b);",
            other.display()
        )
    );
    assert_eq!(
        message(|| assert_schema_file(&conn, &missing)),
        format!(
            "{} cannot be read: No such file or directory (os error 2); to write it, run the test with SWITCHY_UPDATE_GOLDEN=1",
            missing.display()
        )
    );
    assert!(!missing.exists());
}

#[test]
fn the_schema_of_a_set_is_compared_with_its_file() {
    let set = TestMigrationBuilder::new().migration("1_a", "CREATE TABLE a (b)");
    let golden = TestMigrationBuilder::new().file("schema.sql", SCHEMA);
    let file = golden.path().join("schema.sql");
    let shown = message(|| TestMigrations::of(&set).assert_schema_file(&file));
    assert!(shown.ends_with("@@ -1,3 +1 @@\n CREATE TABLE a (b);\n-\n-CREATE INDEX i ON a (b);"), "{shown}");
    let set = set.migration("2_i", "CREATE INDEX i ON a (b)");
    TestMigrations::of(&set).assert_schema_file(&file);
}

#[test]
fn the_file_is_written_when_the_author_asks() {
    // A variable of this process would be seen by the other tests.
    if let Ok(path) = env::var(WRITE_TO) {
        assert_schema_file(&made(SCHEMA), path);
        return;
    }
    let folder = TestMigrationBuilder::new();
    let written = |value: &str| {
        let path = folder.path().join(format!("new/{value}.sql"));
        let mut test = Command::new(env::current_exe().unwrap());
        test.arg("test_utils::golden::the_file_is_written_when_the_author_asks");
        let run = test.env(WRITE_TO, &path).env("SWITCHY_UPDATE_GOLDEN", value).output().unwrap();
        (run.status.success(), fs::read_to_string(path).ok())
    };
    assert_eq!(written("1"), (true, Some(SCHEMA.to_owned())));
    assert_eq!(written("0"), (false, None));
}
