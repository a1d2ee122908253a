use std::fmt::Write as _;

use switchy_schema::layout::Entry;

use super::*;

/// The paths and contents of files.
type Rows<'r> = &'r [(&'r str, &'r str)];

fn files(rows: Rows<'_>) -> Vec<File> {
    let file =
        |(path, text): &(&str, &str)| File { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() };
    rows.iter().map(file).collect()
}

/// The result for files with these names, on one line: each migration with its files, the skipped files, or the wrong files.
fn of_names(tool: Tool, names: &str) -> String {
    let rows: Vec<(&str, &str)> = names.split_whitespace().map(|name| (name, content(tool))).collect();
    match convert(tool, &files(&rows)) {
        Ok(set) => {
            let mut line = String::new();
            for migration in set.migrations {
                let is_down = |file: &Entry| file.path.ends_with("down.sql");
                let down = if migration.files.iter().any(is_down) { "/down" } else { "" };
                let after =
                    migration.files.iter().find(|file| file.path.ends_with(".toml")).map_or("", |_| "!");
                write!(line, "{}{down}{after}={} ", migration.id, migration.from.join("+")).unwrap();
            }
            if !set.skipped.is_empty() {
                let left: Vec<_> = set.skipped.into_iter().map(|left| left.file).collect();
                write!(line, "left {}", left.join(" ")).unwrap();
            }
            line.trim_end().to_owned()
        }
        Err(wrong) => {
            let mut files: Vec<_> = wrong.into_iter().map(|wrong| wrong.file).collect();
            files.sort();
            format!("wrong {}", files.join(" "))
        }
    }
}

fn content(tool: Tool) -> &'static str {
    match tool {
        Tool::Goose => "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n",
        Tool::Dbmate => "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n",
        _ => "SELECT 1;\n",
    }
}

fn check_names(table: &[(Tool, &str, &str)]) {
    for (tool, names, expected) in table {
        assert_eq!(of_names(*tool, names), *expected, "{tool:?}: {names}");
    }
}

#[test]
fn names_with_a_number_become_ids() {
    use Tool::{Dbmate, GolangMigrate, Goose, Sqlx};
    check_names(&[
        (
            Goose,
            "00002_b.sql 00010_c.sql 00001_a.sql",
            "00001_a/down=00001_a.sql 00002_b/down=00002_b.sql 00010_c/down=00010_c.sql",
        ),
        (
            Goose,
            "1_a.sql README.md seed.sql sub/2_b.sql a_test.go",
            "1_a/down=1_a.sql left README.md a_test.go seed.sql sub/2_b.sql",
        ),
        (Goose, "1_a.sql 2_b.go", "wrong 2_b.go"),
        (Goose, "1_a.sql 2_b_test.go", "1_a/down=1_a.sql left 2_b_test.go"),
        (Goose, "1_a.sql 01_b.sql", "wrong 01_b.sql"),
        (Goose, "1_a.up.sql", "1_a.up/down=1_a.up.sql"),
        (Goose, "a.sql", "wrong "),
        (
            Goose,
            "20240101000000_x.sql 1_a.sql",
            "1_a/down=1_a.sql 20240101000000_x/down=20240101000000_x.sql",
        ),
        // dbmate orders the names as text, and the engine orders them as numbers.
        (Dbmate, "1_b.sql 10_a.sql", "10_a/down=10_a.sql 1_b/down!=1_b.sql"),
        (
            Dbmate,
            "20230101120000_a.sql 20230102120000.sql x.sql",
            "20230101120000_a/down=20230101120000_a.sql 20230102120000/down=20230102120000.sql left x.sql",
        ),
        (Dbmate, "1_a.sql 1_b.sql", "wrong 1_b.sql"),
        (Sqlx, "1_a.sql 2_b.up.sql 2_b.down.sql", "1_a=1_a.sql 2_b/down=2_b.up.sql+2_b.down.sql"),
        (
            Sqlx,
            "1_a.up.sql 01_other.down.sql notes.txt schema.sql",
            "1_a/down=1_a.up.sql+01_other.down.sql left notes.txt schema.sql",
        ),
        (Sqlx, "1_a.sql 1_a.up.sql", "wrong 1_a.up.sql"),
        (Sqlx, "1_a.sql x_b.sql", "wrong x_b.sql"),
        (Sqlx, "1_a.sql 2_b.down.sql", "wrong 2_b.down.sql"),
        (
            Sqlx,
            "9999999999_a.sql 10000000000_b.sql",
            "9999999999_a=9999999999_a.sql 10000000000_b!=10000000000_b.sql",
        ),
        (
            GolangMigrate,
            "000001_a.up.sql 000001_a.down.sql 2_.up.sql",
            "000001_a/down=000001_a.up.sql+000001_a.down.sql 2_=2_.up.sql",
        ),
        (GolangMigrate, "1_a.down.up.sql", "1_a.down=1_a.down.up.sql"),
        (GolangMigrate, "1_a.up.json", "wrong 1_a.up.json"),
        (GolangMigrate, "1_a.sql", "wrong "),
        (GolangMigrate, "1_a.up.sql 1_a.down.sql 1_b.down.sql", "wrong 1_b.down.sql"),
    ]);
}

/// `U` is a migration that may be applied out of order in refinery, and a down script in Flyway.
#[test]
fn names_with_a_prefix_become_ids() {
    use Tool::{Flyway, Refinery};
    check_names(&[
        (Refinery, "V1__a.sql U2__b.sql V10__c.sql", "1_a=V1__a.sql 2_b=U2__b.sql 10_c=V10__c.sql"),
        (
            Refinery,
            "sub/V1__a.sql mod.rs V2.sql v3__c.sql V4__a-b.sql",
            "1_a=sub/V1__a.sql left V2.sql V4__a-b.sql mod.rs v3__c.sql",
        ),
        (Refinery, "V1__a.sql V2__b.rs", "wrong V2__b.rs"),
        (Refinery, "V1__a.sql U1__a.sql", "wrong U1__a.sql"),
        (
            Flyway,
            "V1__a.sql U1__a.sql V2__b.sql R__views.sql",
            "1_a/down=V1__a.sql+U1__a.sql 2_b=V2__b.sql left R__views.sql",
        ),
        (
            Flyway,
            "V1.9__a.sql V1_10__b.sql V2__c.sql x/V1.9.1__d.sql",
            "0001.09.0_a=V1.9__a.sql 0001.09.1_d=x/V1.9.1__d.sql 0001.10.0_b=V1_10__b.sql 0002.00.0_c=V2__c.sql",
        ),
        (Flyway, "V1__a.sql V1.0__b.sql", "wrong V1.0__b.sql"),
        (Flyway, "V1.sql V2__.sql", "1=V1.sql 2=V2__.sql"),
        (Flyway, "V1__a.sql V2__b.java", "wrong V2__b.java"),
        (
            Flyway,
            "V1__a.sql beforeMigrate.sql v2__x.sql V__x.sql V.1__y.sql",
            "1_a=V1__a.sql left V.1__y.sql V__x.sql beforeMigrate.sql v2__x.sql",
        ),
        (Flyway, "V1__a.sql B1__base.sql V2__b.sql", "1_a=V1__a.sql 2_b=V2__b.sql left B1__base.sql"),
        (Flyway, "B1__base.sql V2__b.sql", "wrong B1__base.sql"),
        (Flyway, "V1__a.sql U2__b.sql", "wrong U2__b.sql"),
    ]);
}

#[test]
fn names_of_folders_become_ids() {
    use Tool::{Diesel, Prisma};
    check_names(&[
        (
            Diesel,
            "2024-01-01-000000_a/up.sql 2024-01-01-000000_a/down.sql 2024-01-02-000000_b/up.sql .keep.sql",
            "2024-01-01-000000_a/down=2024-01-01-000000_a/up.sql+2024-01-01-000000_a/down.sql 2024-01-02-000000_b=2024-01-02-000000_b/up.sql left .keep.sql",
        ),
        (Diesel, "1_a/up.sql 1_b/up.sql", "wrong 1_b/up.sql"),
        (Diesel, "1_a/up.sql 2_b/down.sql", "wrong 2_b/down.sql"),
        (Diesel, "mysql/up.sql", "wrong mysql/up.sql"),
        (Diesel, "9_a/up.sql 10_b/up.sql", "10_b=10_b/up.sql 9_a!=9_a/up.sql"),
        (
            Prisma,
            "20240101_a/migration.sql 20240102_b/migration.sql 20240102_b/down.sql migration_lock.toml",
            "20240101_a=20240101_a/migration.sql 20240102_b/down=20240102_b/migration.sql+20240102_b/down.sql left migration_lock.toml",
        ),
        (Prisma, "1_a/migration.sql 2_b/steps.json", "wrong 2_b/steps.json"),
        (Prisma, "A/migration.sql a/migration.sql", "wrong a/migration.sql"),
    ]);
}

/// The migrations of a set are applied in the order of their tool. If their names do not give this order, the metadata does.
#[test]
fn the_order_is_that_of_the_tool() {
    use switchy_schema::{MigrationRunner, Sqlite, layout};
    let journal = |tags: &str| {
        let entries: Vec<_> =
            tags.split(' ').map(|tag| format!("{{\"tag\": \"{tag}\", \"idx\": 0}}")).collect();
        format!("{{\"entries\": [{}]}}", entries.join(","))
    };
    for tags in [
        "1_a 2_b 3_c",
        "3_c 1_a 2_b 4_d",
        "2_b 3_c 1_a 0_x 5_e 4_d",
        "b a d c",
        "5 4 3 2 1",
        "0003_b 0003_a 0004_a",
    ] {
        let mut all = vec![("meta/_journal.json".to_owned(), journal(tags))];
        all.extend(tags.split(' ').map(|tag| (format!("{tag}.sql"), "SELECT 1;".to_owned())));
        let rows: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let set = convert(Tool::Drizzle, &files(&rows)).unwrap();
        let entries = set.migrations.into_iter().flat_map(|migration| migration.files);
        let migrations = layout::migrations::<Sqlite>("", entries).unwrap();
        let runner = MigrationRunner::new(migrations).unwrap();
        let ids: Vec<String> = runner.list().iter().map(|meta| meta.id.to_string()).collect();
        assert_eq!(ids.join(" "), tags);
    }
}

/// The files of the only migration, each as `name: content`, and its notes.
fn parts(tool: Tool, rows: &[(&str, &str)]) -> Result<String, String> {
    let set = convert(tool, &files(rows)).map_err(|wrong| {
        let line =
            wrong[0].file.split_once(".sql:").map_or(String::new(), |(_, line)| format!("line {line}: "));
        format!("{line}{}", wrong[0].why)
    })?;
    let [migration] = &set.migrations[..] else { panic!("{set:?}") };
    let part = |file: &Entry| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        format!("{name}: {}", String::from_utf8_lossy(&file.bytes))
    };
    let notes = migration
        .notes
        .iter()
        .map(|note| format!("note: {}", note.split(' ').take(4).collect::<Vec<_>>().join(" ")));
    Ok(migration.files.iter().map(part).chain(notes).collect::<Vec<_>>().join("|"))
}

fn check_parts(tool: Tool, name: &str, table: &[(&str, Result<&str, &str>)]) {
    for (text, expected) in table {
        let found = parts(tool, &[(name, text)]);
        match expected {
            Ok(parts) => assert_eq!(found.as_deref(), Ok(*parts), "{text:?}"),
            Err(why) => {
                let error = found.unwrap_err();
                assert!(error.starts_with(why), "{text:?}: {error}");
            }
        }
    }
}

#[test]
fn a_file_of_goose_is_cut_at_its_annotations() {
    check_parts(
        Tool::Goose,
        "1_a.sql",
        &[
            ("-- +goose Up\nA;\n-- +goose Down\nB;\n", Ok("up.sql: A;\n|down.sql: B;\n")),
            ("-- +goose Up\nA;\n", Ok("up.sql: A;\n")),
            ("-- +goose Up\nA;", Ok("up.sql: A;")),
            ("\u{feff}-- +goose Up\r\nA;\r\n-- +goose Down\r\nB;\r\n", Ok("up.sql: A;\r\n|down.sql: B;\r\n")),
            ("--+goose UP\nA;\n--  +goose  down\nB;\n", Ok("up.sql: A;\n|down.sql: B;\n")),
            ("-- by Ada\n\n-- +goose Up\nA;\n", Ok("up.sql: -- by Ada\n\nA;\n")),
            ("\n-- +goose Up\nA;\n", Ok("up.sql: A;\n")),
            (
                "-- +goose NO TRANSACTION\n-- +goose Up\nA;\n",
                Ok("up.sql: A;\n|metadata.toml: run_in_transaction = false\n"),
            ),
            (
                "-- +goose Up\n-- +goose StatementBegin\nA; B\n-- +goose StatementEnd\nC;\n",
                Ok("up.sql: A; B\n;\nC;\n"),
            ),
            (
                "-- +goose Up\n-- +goose StatementBegin\nA; B -- b;\n-- +goose StatementEnd\nC;\n",
                Ok("up.sql: A; B -- b;\n;\nC;\n"),
            ),
            (
                "-- +goose Up\n-- +goose StatementBegin\nA;\nEND;\n-- +goose StatementEnd\n",
                Ok("up.sql: A;\nEND;\n"),
            ),
            ("-- +goose Up\nA;\n-- +goose Down\n-- nothing\n", Ok("up.sql: A;\n|note: its down script does")),
            // goose splits by lines even inside a string, so the import must do the same.
            ("-- +goose Up\nA '\n-- +goose Down\n';\n", Ok("up.sql: A '\n|down.sql: ';\n")),
            ("-- +goose Up\n/*\n-- +goose Down\n*/ A;\n", Ok("up.sql: /*\n|down.sql: */ A;\n")),
            (
                "-- +goose Up\nA '-- +goose Down';\nB -- +goose Down\n;",
                Ok("up.sql: A '-- +goose Down';\nB -- +goose Down\n;"),
            ),
            (
                "-- +goose Up\n-- +goose ENVSUB ON\nA '${X}';\n",
                Ok("up.sql: A '${X}';\n|note: goose fills in variables"),
            ),
            ("A;\n", Err("line 1: it comes before")),
            ("", Err("it has no `-- +goose Up`")),
            ("-- +goose Down\nB;\n-- +goose Up\n", Err("line 1: `-- +goose Down` comes before")),
            ("-- +goose Up\n-- +goose Up\n", Err("line 2: `-- +goose Up` is there twice")),
            (
                "-- +goose Up\n-- +goose Down\n-- +goose Down\n",
                Err("line 3: `-- +goose Down` is there twice"),
            ),
            ("-- +goose Up\n-- +goose StatementBegin\nA\n", Err("a `-- +goose StatementBegin` has no")),
            (
                "-- +goose Up\n-- +goose StatementEnd\n",
                Err("line 2: `-- +goose StatementEnd` is out of place"),
            ),
            (
                "-- +goose Up\n-- +goose StatementBegin\n-- +goose Down\n",
                Err("line 3: `-- +goose Down` is inside"),
            ),
            ("-- +goose Up\n  -- +goose Down\n", Err("line 2: an annotation of goose cannot be indented")),
            ("-- +goose Up\n-- +goose Dwon\n", Err("line 2: goose has no such annotation")),
            ("-- +goose Up\n-- +gooseDown\n", Err("line 2: goose has no such annotation")),
            ("-- +goose Up\n-- +goose\n", Err("line 2: goose has no such annotation")),
            ("-- +goose Up\nA\0;\n", Err("it holds a NUL byte")),
        ],
    );
}

#[test]
fn a_file_of_dbmate_is_cut_at_its_marks() {
    check_parts(
        Tool::Dbmate,
        "1_a.sql",
        &[
            ("-- migrate:up\nA;\n\n-- migrate:down\nB;\n", Ok("up.sql: A;\n\n|down.sql: B;\n")),
            ("-- migrate:up\r\nA;\r\n-- migrate:down\r\nB;\r\n", Ok("up.sql: A;\r\n|down.sql: B;\r\n")),
            ("-- migrate:up\nA;\n-- migrate:down\n\n", Ok("up.sql: A;\n|note: its down script does")),
            ("-- migrate:up\nA;\n", Ok("up.sql: A;\n")),
            ("--migrate:up\nA;\n--migrate:down\nB;\n", Ok("up.sql: A;\n|down.sql: B;\n")),
            ("-- migrate:up\nA;\n-- migrate:downwards\n", Err("line 3: dbmate would not take this")),
            ("-- migrate:up\nA;\n -- migrate:down\n", Err("line 3: dbmate would not take this")),
            ("-- migrate:up\nA;\n-- Migrate:Down\n", Err("line 3: dbmate would not take this")),
            (
                "-- migrate:up transaction:false\nA;\n-- migrate:down transaction:false\nB;\n",
                Ok("up.sql: A;\n|down.sql: B;\n|metadata.toml: run_in_transaction = false\n"),
            ),
            (
                "-- migrate:up transaction:false\nA;\n-- migrate:down\nB;\n",
                Ok(
                    "up.sql: A;\n|down.sql: B;\n|metadata.toml: run_in_transaction = false\n|note: only its up script",
                ),
            ),
            (
                "-- migrate:up transaction:true foo:bar\nA;\n",
                Ok("up.sql: A;\n|note: the option `foo:bar` means"),
            ),
            (
                "\u{feff}-- licence\n-- migrate:up\nA '-- migrate:down';\n",
                Ok("up.sql: -- licence\nA '-- migrate:down';\n"),
            ),
            ("A;\n-- migrate:up\n", Err("line 1: it comes before")),
            ("-- migrate:down\n-- migrate:up\n", Err("line 1: `-- migrate:down` comes before")),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:up\n",
                Err("line 3: `-- migrate:up` is there twice"),
            ),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:down\n",
                Err("line 3: `-- migrate:down` is there twice"),
            ),
            ("-- nothing\n", Err("it has no `-- migrate:up`")),
            ("-- Migrate:Up\n", Err("line 1: dbmate would not take this")),
        ],
    );
}

mod properties {
    use proptest::prelude::*;

    use super::super::marked::{dbmate, goose};

    /// Texts made of lines that occur in files of both tools.
    fn lines() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "-- +goose Up",
            "-- +goose Down",
            "-- +goose StatementBegin",
            "-- +goose StatementEnd",
            "-- migrate:up",
            "-- migrate:down transaction:false",
            "CREATE TABLE t (x);",
            "SELECT '",
            "-- é",
            "",
            "/* -- +goose Down",
            ";",
        ]);
        let end = prop::sample::select(vec!["\n", "\n", "\r\n", ""]);
        let start = prop::sample::select(vec!["", "-- +goose Up\n", "-- migrate:up\n"]);
        let lines = prop::collection::vec((line, end), 0..12);
        (start, lines).prop_map(|(start, lines)| {
            lines.into_iter().fold(start.to_owned(), |text, (line, end)| text + line + end)
        })
    }

    /// The lines with content, without marks and added semicolons.
    fn said<'t>(text: &'t str, mark: &'t str) -> Vec<&'t str> {
        text.split('\n')
            .map(str::trim)
            .filter(|line| !line.is_empty() && *line != ";" && !line.starts_with(mark))
            .collect()
    }

    proptest! {
        #[test]
        fn no_line_is_lost_and_none_changes_its_place(text in lines()) {
            for (sections, mark) in [(goose(&text), "-- +goose"), (dbmate(&text), "-- migrate:")] {
                if let Ok(sections) = sections {
                    let whole = format!("{}\n{}", sections.up, sections.down.unwrap_or_default());
                    prop_assert_eq!(said(&whole, mark), said(&text, mark));
                }
            }
        }
    }
}

#[test]
fn whole_files_keep_their_bytes_and_wishes() {
    let kept = "\u{feff}-- no-transaction\r\nA;\r\n";
    check_parts(
        Tool::Sqlx,
        "1_a.sql",
        &[
            (kept, Ok(&format!("up.sql: {kept}"))),
            (
                "-- no-transaction\nA;",
                Ok("up.sql: -- no-transaction\nA;|metadata.toml: run_in_transaction = false\n"),
            ),
            ("A; -- no-transaction\n", Ok("up.sql: A; -- no-transaction\n")),
            ("", Ok("up.sql: ")),
        ],
    );
    check_parts(
        Tool::Refinery,
        "V1__a.sql",
        &[
            (
                "-- +refinery NO TRANSACTION\nA;",
                Ok("up.sql: -- +refinery NO TRANSACTION\nA;|metadata.toml: run_in_transaction = false\n"),
            ),
            ("A '${x}';", Ok("up.sql: A '${x}';")),
        ],
    );
    let table: &[(Tool, Rows<'_>, &str)] = &[
        (Tool::Flyway, &[("V1__a.sql", "A '${x}';\r\n")], "up.sql: A '${x}';\r\n|note: Flyway fills in what"),
        (
            Tool::Flyway,
            &[("V1__a.sql", "A;"), ("V1__a.sql.conf", "# x\nexecuteInTransaction = FALSE\n")],
            "up.sql: A;|metadata.toml: run_in_transaction = false\n",
        ),
        (
            Tool::Flyway,
            &[
                ("V1__a.sql", "A;"),
                ("V1__a.sql.conf", "executeInTransaction=true\nshouldExecute=true\nencoding=x\n"),
            ],
            "up.sql: A;|note: its setting `shouldExecute` means|note: its setting `encoding` means",
        ),
        (
            Tool::Sqlx,
            &[("1_a.up.sql", "A;"), ("1_a.down.sql", "-- Add down migration script here\n")],
            "up.sql: A;|note: its down script does",
        ),
        (
            Tool::Sqlx,
            &[("1_a.up.sql", "A;"), ("1_a.down.sql", "-- no-transaction\nB;")],
            "up.sql: A;|down.sql: -- no-transaction\nB;|metadata.toml: run_in_transaction = false\n|note: only its down script",
        ),
        (
            Tool::Diesel,
            &[("1_a/up.sql", "A;"), ("1_a/metadata.toml", "run_in_transaction = false\n")],
            "up.sql: A;|metadata.toml: run_in_transaction = false\n",
        ),
        (
            Tool::Diesel,
            &[("1_a/up.sql", "A;"), ("1_a/metadata.toml", "run_in_transaction = true\nowner = 'ada'\n")],
            "up.sql: A;|note: `owner` of its metadata.toml",
        ),
        (
            Tool::Diesel,
            &[("1_a/up.sql", "A;"), ("1_a/metadata.toml", "")],
            "up.sql: A;|note: Diesel runs it outside",
        ),
        (Tool::Prisma, &[("1_a/migration.sql", "\u{feff}A;\r\n")], "up.sql: \u{feff}A;\r\n"),
    ];
    for (tool, rows, expected) in table {
        assert_eq!(parts(*tool, rows).as_deref(), Ok(*expected), "{rows:?}");
    }
    let wrong = [("1_a/up.sql", "A;"), ("1_a/metadata.toml", "run_in_transaction = 1\n")];
    assert!(parts(Tool::Diesel, &wrong).unwrap_err().starts_with("`run_in_transaction` is neither"));
    let skipped = [("V1__a.sql", "A;"), ("V1__a.sql.conf", "shouldExecute=${env}==test\n")];
    assert!(parts(Tool::Flyway, &skipped).unwrap_err().starts_with("by its `shouldExecute` Flyway may"));
    let utf16 = File { path: "1_a.sql".into(), bytes: b"\xff\xfeA\0;\0".to_vec() };
    assert!(
        convert(Tool::Sqlx, &[utf16]).unwrap_err()[0].why.starts_with("it is not UTF-8 text from byte 0 on")
    );
}

#[test]
fn drizzle_says_in_its_journal_what_is_there() {
    let sqlite = "{\"version\": \"7\", \"dialect\": \"sqlite\", \"entries\": [{\"idx\": 0, \"when\": 1, \"tag\": \"0000_a\", \"breakpoints\": true}]}";
    let mysql = sqlite.replace("sqlite", "mysql");
    let check = |journal: &str, text: &str, expected: Result<&str, &str>| {
        let found = parts(Tool::Drizzle, &[("meta/_journal.json", journal), ("0000_a.sql", text)]);
        match expected {
            Ok(parts) => assert_eq!(found.as_deref(), Ok(parts)),
            Err(why) => assert!(found.clone().unwrap_err().starts_with(why), "{found:?}"),
        }
    };
    check(sqlite, "A;\r\n--> statement-breakpoint\r\nB;", Ok("up.sql: A;\r\n--> statement-breakpoint\r\nB;"));
    check(sqlite, "A;--> statement-breakpoint\nB;\n", Ok("up.sql: A;--> statement-breakpoint\nB;\n"));
    check(
        sqlite,
        "A\n--> statement-breakpoint\nB",
        Ok("up.sql: A\n\n;--> statement-breakpoint\nB|note: its statement breakpoints were"),
    );
    // Text after a breakpoint is a statement, and a semicolon in a comment does not end a statement.
    check(
        sqlite,
        "A;\n--> statement-breakpoint B;",
        Ok("up.sql: A;\n--> statement-breakpoint\n B;|note: its statement breakpoints were"),
    );
    check(
        sqlite,
        "A -- a;\n--> statement-breakpoint\nB;",
        Ok("up.sql: A -- a;\n\n;--> statement-breakpoint\nB;|note: its statement breakpoints were"),
    );
    check(
        sqlite,
        "A; -- a;\n--> statement-breakpoint\nB;",
        Ok("up.sql: A; -- a;\n--> statement-breakpoint\nB;"),
    );
    check(
        &mysql,
        "A;\n--> statement-breakpoint\nB;",
        Ok("up.sql: A;\n-- statement-breakpoint\nB;|note: its statement breakpoints were"),
    );
    check(&sqlite.replace("0000_a", "0001_b"), "A;", Err("there is no file for its entry `0001_b`"));
    check("[]", "A;", Err("it is no journal of Drizzle"));
    check("\u{feff}{\"entries\": []}", "A;", Err("it has no migrations of Drizzle"));
    // A journal can contain any text as a name.
    for tag in ["../../etc/cron.d/x", "/etc/x", "a/../../b", ".hidden", "", "sqlite", "c:x", "a\\\\b"] {
        let journal = format!("{{\"entries\": [{{\"tag\": \"{tag}\"}}]}}");
        let path = format!("{}.sql", tag.replace("\\\\", "\\"));
        let error = parts(Tool::Drizzle, &[("meta/_journal.json", &journal), (&path, "A;")]).unwrap_err();
        assert!(error.contains("cannot be the name of a migration"), "{tag}: {error}");
    }
    let left = convert(
        Tool::Drizzle,
        &files(&[
            ("meta/_journal.json", sqlite),
            ("0000_a.sql", "A;"),
            ("0001_b.sql", "B;"),
            ("meta/0000_snapshot.json", "{}"),
        ]),
    );
    let left: Vec<_> = left.unwrap().skipped.into_iter().map(|left| left.file).collect();
    assert_eq!(left, ["0001_b.sql", "meta/0000_snapshot.json"]);
}

#[test]
fn drizzle_1_has_folders() {
    let text = "A;\n--> statement-breakpoint\nB;";
    let rows = [
        ("{\"dialect\": \"sqlite\"}", Ok("up.sql: A;\n--> statement-breakpoint\nB;")),
        (
            "{\"dialect\": \"mysql\"}",
            Ok("up.sql: A;\n-- statement-breakpoint\nB;|note: its statement breakpoints were"),
        ),
        ("no JSON", Ok("up.sql: A;\n--> statement-breakpoint\nB;")),
    ];
    for (snapshot, expected) in rows {
        let found = parts(Tool::Drizzle, &[("1_a/migration.sql", text), ("1_a/snapshot.json", snapshot)]);
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }
    let hollow =
        parts(Tool::Drizzle, &[("1_a/migration.sql", text), ("2_b/snapshot.json", "{}")]).unwrap_err();
    assert!(hollow.starts_with("there is no migration.sql beside it"), "{hollow}");
}
