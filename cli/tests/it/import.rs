//! Folders of other tools are imported, and the results run.

use std::fs;
use std::path::Path;

use switchy_schema::{DirectoryMigrations, MigrationRunner};

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

/// A folder for each tool, with two migrations: the first creates the table `t`, and the second its trigger.
const THEIRS: [(&str, &[(&str, &str)]); 9] = [
    (
        "goose",
        &[
            ("1_t.sql", "-- +goose Up\r\nCREATE TABLE t (x);\r\n-- +goose Down\r\nDROP TABLE t;\r\n"),
            (
                "2_log.sql",
                "-- +goose Up\n-- +goose StatementBegin\nCREATE TRIGGER log AFTER INSERT ON t BEGIN\n  UPDATE t SET x = ';';\nEND\n\
                 -- +goose StatementEnd\nCREATE INDEX i ON t (x);\n-- +goose Down\nDROP INDEX i;\nDROP TRIGGER log;\n",
            ),
        ],
    ),
    (
        "dbmate",
        &[
            ("20240101000000_t.sql", "-- migrate:up\nCREATE TABLE t (x);\n-- migrate:down\nDROP TABLE t;\n"),
            (
                "20240102000000_log.sql",
                "-- migrate:up transaction:false\nPRAGMA journal_mode = WAL;\n-- migrate:down\n",
            ),
        ],
    ),
    ("refinery", &[("V1__t.sql", "CREATE TABLE t (x);"), ("U2__log.sql", "CREATE INDEX i ON t (x)")]),
    (
        "flyway",
        &[
            ("V1.9__t.sql", "CREATE TABLE t (x);"),
            ("U1.9__t.sql", "DROP TABLE t;"),
            ("V1.10__log.sql", "\u{feff}CREATE INDEX i ON t (x);\r\n"),
            ("R__views.sql", "CREATE VIEW v AS SELECT 1;"),
        ],
    ),
    (
        "golang-migrate",
        &[
            ("000001_t.up.sql", "CREATE TABLE t (x);"),
            ("000001_t.down.sql", "DROP TABLE t;"),
            ("000002_log.up.sql", "CREATE INDEX i ON t (x);"),
        ],
    ),
    (
        "sqlx",
        &[
            ("9_t.sql", "CREATE TABLE t (x);\r\n"),
            ("10_log.up.sql", "CREATE INDEX i ON t (x);"),
            ("10_log.down.sql", "DROP INDEX i;"),
        ],
    ),
    (
        "diesel",
        &[
            ("2024-01-01-000000_t/up.sql", "CREATE TABLE t (x);"),
            ("2024-01-01-000000_t/down.sql", "DROP TABLE t;"),
            ("2024-01-02-000000_log/up.sql", "PRAGMA journal_mode = WAL;"),
            ("2024-01-02-000000_log/down.sql", "-- nothing"),
            ("2024-01-02-000000_log/metadata.toml", "run_in_transaction = false\n"),
        ],
    ),
    (
        "prisma",
        &[
            ("20240101000000_t/migration.sql", "CREATE TABLE \"t\" (x);"),
            ("20240102000000_log/migration.sql", "CREATE INDEX i ON t (x);"),
            ("migration_lock.toml", "provider = \"sqlite\""),
        ],
    ),
    (
        "drizzle",
        &[
            (
                "meta/_journal.json",
                r#"{"dialect": "sqlite", "entries": [{"tag": "0001_t"}, {"tag": "0000_log"}]}"#,
            ),
            ("meta/0000_snapshot.json", "{}"),
            ("0001_t.sql", "CREATE TABLE t (x);\n--> statement-breakpoint\nINSERT INTO t VALUES (1);"),
            ("0000_log.sql", "CREATE INDEX i ON t (x)\n--> statement-breakpoint\nDELETE FROM t"),
        ],
    ),
];

fn theirs(shell: &Shell, tool: &str, rows: &[(&str, &str)]) {
    for (path, text) in rows {
        shell.write(&format!("{tool}/{path}"), text);
    }
}

#[test]
fn the_folders_of_all_tools_become_folders_that_run() {
    let mut shell = Shell::new();
    for (tool, rows) in THEIRS {
        theirs(&shell, tool, rows);
        let others = || -> Vec<_> {
            let new = shell.path().join("new");
            shell.files().into_iter().filter(|(path, _)| !path.starts_with(&new)).collect()
        };
        let before = others();
        let output = shell
            .command(&["import", "--from", tool, tool, "--dir", "planned", "--dry-run"])
            .output()
            .unwrap();
        assert!(others() == before, "a dry run wrote something");
        shell.note(&format!("import --from {tool} {tool} --dir planned --dry-run"), &output);
        shell.run(&format!("import --from {tool} {tool} --dir new/{tool}"));
        let kept = shell.files().into_iter().filter(|(path, _)| !path.starts_with(shell.path().join("new")));
        assert!(kept.collect::<Vec<_>>() == before, "something else was written");
        let at = format!("--dir new/{tool} --database-url {tool}.db");
        shell.run(&format!("list --dir new/{tool}"));
        // Continuous integration can be strict about what comes later.
        let output =
            shell.command(&["validate", "--strict", "--dir", &format!("new/{tool}")]).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(!found.contains("unconventional"), "{found}");
        let output = shell.run(&format!("migrate -q {at}"));
        assert!(output.status.success(), "{}", shell.log);
        shell.run(&format!("status --exit-code {at}"));
        for path in [format!("{tool}.db"), format!("{tool}.db-migrate")] {
            shell.remove(&path);
        }
    }
    shell.assert("import");
    shell.log.clear();
    for (tool, _) in THEIRS {
        shell.remove(tool);
    }
    shell.show_files();
    shell.assert("import_files");
}

/// The hash of the file must stay the same.
#[test]
fn a_script_that_is_a_whole_file_keeps_its_bytes() {
    let scripts = [
        "CREATE TABLE t (x);",
        "CREATE TABLE t (x);\r\n\r\n",
        "\u{feff}CREATE TABLE t (x);\n",
        "-- é 🦀\n\tCREATE TABLE t (x); -- end",
        "",
        "\n\n\n",
    ];
    let names = [
        ("refinery", "V1__t.sql", "1_t"),
        ("flyway", "V1__t.sql", "1_t"),
        ("golang-migrate", "1_t.up.sql", "1_t"),
        ("sqlx", "1_t.sql", "1_t"),
        ("diesel", "1_t/up.sql", "1_t"),
        ("prisma", "1_t/migration.sql", "1_t"),
        ("drizzle", "1_t.sql", "1_t"),
    ];
    for script in scripts {
        let mut shell = Shell::new();
        shell.write("drizzle/meta/_journal.json", r#"{"entries": [{"tag": "1_t"}]}"#);
        for (tool, name, id) in names {
            theirs(&shell, tool, &[(name, script)]);
            shell.run(&format!("import --from {tool} {tool} --dir new-{tool}"));
            let made = fs::read(shell.path().join(format!("new-{tool}/{id}/up.sql")));
            assert_eq!(made.ok().as_deref(), Some(script.as_bytes()), "{}", shell.log);
        }
    }
}

#[test]
fn what_cannot_be_imported_is_told_at_once_and_nothing_is_made() {
    let mut shell = Shell::new();
    for (path, text) in [
        ("goose/1_a.sql", "CREATE TABLE a (x);"),
        ("goose/2_b.go", ""),
        ("goose/02_c.sql", "-- +goose Up\nA;\n-- +goose Down\nB;\n-- +goose Down\n"),
        ("goose/2_d.sql", "-- +goose Up\nA;\n"),
        ("goose/README.md", ""),
        ("sqlx/x_a.sql", ""),
        ("drizzle/0000_a.sql", ""),
        ("diesel/mysql/up.sql", ""),
        ("empty/README.md", ""),
        ("file", ""),
    ] {
        shell.write(path, text);
    }
    let before = shell.files();
    shell.runs(&[
        "import --from goose goose",
        "import --from goose goose --json",
        "import --from goose goose --dry-run",
        "import --from sqlx sqlx --dir new/new",
        "import --from drizzle drizzle",
        "import --from diesel diesel",
        "import --from dbmate empty",
        "import --from dbmate nowhere",
        "import --from dbmate file",
        "import --from sqlx sqlx --dir file",
        "import --from rails goose",
        "import --from django goose",
        "import --from alembic goose",
        "import --from sea-orm goose",
        "import --from grdb goose --json",
        "import --from liquibase goose",
        "import goose",
        "import --from goose",
    ]);
    assert!(shell.files() == before);
    assert!(!shell.path().join("migrations").exists() && !shell.path().join("new").exists());
    shell.assert("import_refused");
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let mut shell = Shell::with_set();
    theirs(&shell, "sqlx", &[("1_t.sql", "CREATE TABLE t (x);")]);
    shell.write("hidden/.gitkeep", "");
    let before = shell.files();
    shell.runs(&[
        "import --from sqlx sqlx",
        "import --from sqlx sqlx --dir sqlx",
        "import --from sqlx sqlx --dir hidden",
        "import --from sqlx sqlx --dir hidden --dry-run",
    ]);
    assert!(shell.files() == before);
    fs::create_dir(shell.path().join("empty")).unwrap();
    shell.runs(&["import --from sqlx sqlx --dir empty", "import --from sqlx sqlx --dir empty"]);
    assert!(shell.path().join("empty/1_t/up.sql").exists(), "{}", shell.log);
    shell.assert("import_there");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The name of the second migration is valid for a file, but, padded with zeros, too long for a folder.
#[test]
fn nothing_is_left_of_an_import_that_fails_half_way() {
    let mut shell = Shell::new();
    let long = format!("V1.1__{}.sql", "x".repeat(245));
    theirs(&shell, "flyway", &[("V0.1__t.sql", ""), (&long, ""), ("V1.10000000000__z.sql", "")]);
    let before = names(shell.path());
    for dir in ["a", "new/a"] {
        let output = shell.run(&format!("import --from flyway flyway --dir {dir}"));
        assert_eq!(output.status.code(), Some(1), "{}", shell.log);
        assert!(!shell.path().join(dir).exists());
    }
    assert_eq!(names(&shell.path().join("new")), Vec::<String>::new());
    shell.remove("new");
    assert_eq!(names(shell.path()), before);
    shell.remove(&format!("flyway/{long}"));
    assert!(shell.run("import --from flyway flyway --dir a").status.success(), "{}", shell.log);
    // A dangling link is not replaced either.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", shell.path().join("link")).unwrap();
        assert_eq!(
            shell.run("import --from flyway flyway --dir link").status.code(),
            Some(1),
            "{}",
            shell.log
        );
        assert!(!shell.path().join("nowhere").exists());
    }
}

#[cfg(unix)]
#[test]
fn names_and_links_that_no_folder_should_have() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mut shell = Shell::new();
    theirs(&shell, "flyway", &[("V1__t.sql", "CREATE TABLE t (x);")]);
    symlink("..", shell.path().join("flyway/sub")).unwrap();
    shell.run("import --from flyway flyway --dir a");
    fs::remove_file(shell.path().join("flyway/sub")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"V2__\xff.sql");
    fs::write(shell.path().join("flyway").join(name), "").unwrap();
    shell.run("import --from flyway flyway --dir a");
    fs::remove_file(shell.path().join("flyway").join(name)).unwrap();
    shell.write("flyway/V2__a \u{1b}[2J\n b.sql", "");
    shell.run("import --from flyway flyway --dir a");
    fs::remove_file(shell.path().join("flyway/V2__a \u{1b}[2J\n b.sql")).unwrap();
    shell.write("flyway/V2__it's a 'name' é.sql", "CREATE TABLE u (x);");
    shell.run("import --from flyway flyway --dir a");
    // The permissions are the same as those of a folder that `create` makes.
    fs::create_dir(shell.path().join("usual")).unwrap();
    let mode = |name: &str| fs::metadata(shell.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("a"), mode("usual"));
    shell.assert("import_names");
    let runner = MigrationRunner::new(DirectoryMigrations::from_path(shell.path().join("a"))).unwrap();
    assert_eq!(runner.list().len(), 2);
}

#[test]
fn files_that_are_left_are_named_and_do_not_bury_the_rest() {
    let mut shell = Shell::new();
    theirs(&shell, "flyway", &[("V1__t.sql", "CREATE TABLE t (x);")]);
    for number in 10..40 {
        shell.write(&format!("flyway/notes/{number}.md"), "");
    }
    let mut named = |line: &str| {
        let text = String::from_utf8(shell.run(line).stderr).unwrap();
        (text.matches("left notes/").count(), text.contains("left 10 files more; -v names them"))
    };
    assert_eq!(named("import --from flyway flyway --dry-run"), (20, true));
    assert_eq!(named("import --from flyway flyway --dry-run -v"), (30, false));
    assert_eq!(named("import --from flyway flyway --dry-run -q"), (0, false));
    shell.remove("flyway/notes");
    for number in 10..30 {
        shell.write(&format!("flyway/notes/{number}.md"), "");
    }
    let text = String::from_utf8(shell.run("import --from flyway flyway --dry-run").stderr).unwrap();
    assert!(text.contains("left notes/29.md") && !text.contains("more;"), "{text}");
}

/// The imported scripts match the hashes that the tools stored.
#[test]
fn what_was_imported_has_the_hashes_that_the_tool_has_written() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/tools/fixtures");
    for (tool, folder) in [
        ("refinery", "refinery"),
        ("refinery", "refinery-int8"),
        ("flyway", "flyway"),
        ("sqlx", "sqlx"),
        ("sqlx", "sqlx-reversible"),
        ("prisma", "prisma"),
        ("drizzle", "drizzle"),
        ("drizzle", "drizzle-1"),
    ] {
        let mut shell = Shell::new();
        fs::copy(fixtures.join(folder).join("complete.db"), shell.path().join("app.db")).unwrap();
        let theirs = fixtures.join(folder).join("migrations");
        let import = ["import", "--from", tool, theirs.to_str().unwrap()];
        assert!(shell.command(&import).output().unwrap().status.success(), "{folder}");
        let told = shell.run("adopt --accept orphaned,unproven --database-url app.db");
        let text = String::from_utf8(told.stdout).unwrap();
        assert_eq!(text.matches("(verified)").count(), 4, "{folder}: {}", shell.log);
    }
}

/// The engine itself splits the scripts that other tools send in pieces.
#[test]
fn what_other_tools_send_in_pieces_runs_on_servers() {
    let goose = "-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE t (x INT)\n-- +goose StatementEnd\n-- +goose StatementBegin\n\
        INSERT INTO t VALUES (1);\n-- +goose StatementEnd\nUPDATE t SET x = 2;\n-- +goose Down\nDROP TABLE t;\n";
    let pieces = "CREATE TABLE u (x INT)\n--> statement-breakpoint\nINSERT INTO u VALUES (1);--> statement-breakpoint\nDELETE FROM u";
    let check = |url: &str, dialect: &str, procedure: &str| {
        let mut shell = Shell::new();
        shell.set("SWITCHY_DATABASE_URL", url);
        let procedure = format!(
            "-- +goose Up\n-- +goose StatementBegin\n{procedure}\n-- +goose StatementEnd\nINSERT INTO t VALUES (3);\n"
        );
        theirs(&shell, "goose", &[("1_t.sql", goose), ("2_p.sql", &procedure)]);
        let journal = format!(r#"{{"dialect": "{dialect}", "entries": [{{"tag": "0000_u"}}]}}"#);
        theirs(&shell, "drizzle", &[("meta/_journal.json", &journal), ("0000_u.sql", pieces)]);
        for (tool, done) in [("goose", 2), ("drizzle", 1)] {
            shell.run(&format!("import --from {tool} {tool} --dir new-{tool}"));
            let output = shell.run(&format!("migrate -q --table of_{tool} --dir new-{tool}"));
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.matches("applied").count(), done, "{}", shell.log);
        }
        assert!(shell.run("rollback -q --table of_goose --dir new-goose --to 1_t").status.code() == Some(4));
    };
    if let Some(database) = servers::postgres() {
        let body = "CREATE FUNCTION p() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET x = 3; UPDATE t SET x = 4; END $$";
        check(&postgres_url(&database), "postgresql", body);
    }
    if let Some(database) = servers::mysql() {
        let body = "CREATE PROCEDURE p() BEGIN UPDATE t SET x = 3; UPDATE t SET x = 4; END";
        check(&mysql_url(&database), "mysql", body);
    }
}

/// Files of another tool may come from anybody, and a link among them may name any file of this user.
#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_not_followed() {
    let shell = Shell::with_set();
    shell.write("secret.sql", "SECRET");
    shell.write("old/V1__a.sql", "SELECT 1;");
    let link = |at: &str| std::os::unix::fs::symlink("../secret.sql", shell.path().join(at)).unwrap();
    link("old/V2__b.sql");
    std::fs::create_dir(shell.path().join("migrations/2025-02-01-000000_c")).unwrap();
    std::os::unix::fs::symlink(
        "../../secret.sql",
        shell.path().join("migrations/2025-02-01-000000_c/up.sql"),
    )
    .unwrap();
    for line in [
        &["import", "--from", "flyway", "old", "--dir", "new"][..],
        &["list", "--no-follow"],
        &["migrate", "--no-follow"],
    ] {
        let output = shell.command(line).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{line:?}: {said}");
        assert!(said.contains("it is a link to something outside of the folder"), "{line:?}: {said}");
        assert!(!said.contains("SECRET") && !shell.path().join("new").exists(), "{said}");
    }
    assert!(shell.command(&["list"]).output().unwrap().status.success());
}

/// golang-migrate advises to write `BEGIN` and `COMMIT` into each file for PostgreSQL.
#[test]
fn a_transaction_around_a_script_is_left_out_and_noted() {
    let mut shell = Shell::new();
    shell.write("theirs/000001_a.up.sql", "BEGIN;\nCREATE TABLE a (x int);\nCOMMIT;\n");
    shell.write("theirs/000001_a.down.sql", "BEGIN;\nDROP TABLE a;\nCOMMIT;\n");
    shell.write("theirs/000002_b.up.sql", "CREATE TABLE b (x int);\n");
    shell.write("theirs/000002_b.down.sql", "DROP TABLE b;\n");
    let output = shell.run("import --from golang-migrate theirs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("000001_a: the BEGIN and COMMIT around it are left out"), "{said}");
    assert!(!said.contains("000002_b"), "{said}");
    let up = fs::read_to_string(shell.path().join("migrations/000001_a/up.sql")).unwrap();
    assert_eq!(up, "CREATE TABLE a (x int);\n");
    let down = fs::read_to_string(shell.path().join("migrations/000001_a/down.sql")).unwrap();
    assert_eq!(down, "DROP TABLE a;\n");
    let (postgres, mysql) = (servers::postgres(), servers::mysql());
    let urls = [
        Some("sqlite:app.db".to_owned()),
        postgres.as_ref().map(postgres_url),
        mysql.as_ref().map(mysql_url),
    ];
    for url in urls.into_iter().flatten() {
        for line in ["validate", "migrate", "rollback --all -y"] {
            let output = shell.run(&format!("{line} --database-url {url}"));
            assert!(output.status.success(), "{}", shell.log);
        }
    }
}
