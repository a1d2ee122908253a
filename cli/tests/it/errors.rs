//! Errors: each has one message and the right exit code, and nothing is changed.

use std::fs;

use crate::shell::{BINARY, Shell};

#[test]
fn a_command_line_that_cannot_be_understood() {
    let mut shell = Shell::with_set();
    shell.runs(&[
        "migrat",
        "migrate --nonsense",
        "migrate --steps -1",
        "migrate --steps 1 --to x",
        "status --lock-timeout x",
        "status --lock-timeout -1",
        "status --lock-timeout inf",
        "status --color blue",
        "status -q -v",
        "plan --back",
        "graph --format",
        "migrate --nonsense --json",
        "status --lock-timeout -1 --json",
    ]);
    shell.assert("usage");
}

#[test]
fn an_address_that_is_none() {
    let mut shell = Shell::with_set();
    for url in [
        "oracle://db/app",
        "nothing",
        "''",
        "sqlite:",
        "u:hunter2@db",
        "postgres:u:hunter2@db",
        "postgres://u:hun/ter2@db/app",
        "postgres://db/app?port=x",
        "postgres://db/app?nonsense=hunter2",
        "postgres://db/app?sslmode=maybe",
        "postgres://db/app?connect_timeout=x",
        "mysql://db/app?nonSense=hunter2",
        "mysql://db/app?ssl-mode=maybe",
        "postgres://u:%ff@db/app",
    ] {
        shell.run(&format!("migrate --database-url {url}"));
    }
    shell.remove("switchy-schema.toml");
    shell.runs(&["migrate", "status --json"]);
    assert!(!shell.log.replace("hunter2@", "").replace("=hunter2", "").contains("hunter2"));
    shell.assert("address");
}

#[test]
fn a_configuration_that_cannot_be_understood() {
    let mut shell = Shell::with_set();
    for text in [
        "database-url = ",
        "database = 'x'",
        "lock-timeout = 'long'",
        "lock-timeout = -1",
        "dir = ['a']",
        "database-url = 'oracle:x'",
    ] {
        shell.write("switchy-schema.toml", &format!("# mine\n{text}\n"));
        shell.log.push_str(text);
        shell.log.push('\n');
        shell.run("status");
    }
    shell.remove("switchy-schema.toml");
    shell.write("switchy-schema.toml/notes", "");
    shell.run("status");
    shell.assert("configuration");
}

#[test]
fn a_folder_that_cannot_be_read() {
    let mut shell = Shell::with_set();
    shell.write("file", "");
    shell.runs(&[
        "migrate --dir nowhere",
        "migrate --dir file",
        "migrate --dir nowhere --json",
        "list --dir nowhere",
        "validate --dir nowhere",
    ]);
    fs::write(shell.path().join("migrations/2025-01-01-000000_users/up.sql"), b"\xff").unwrap();
    shell.write("migrations/2025-01-02-000000_email/metadata.toml", "description = 7\n");
    shell.runs(&["migrate", "migrate --json"]);
    assert!(!shell.path().join("app.db").exists());
    shell.assert("folder");
}

/// Each kind that a program can read in the JSON, with its message for people. `interrupted` is in the tests of interrupts. Of the engine's
/// kinds, a hook is only in an application; a plan is stale, and a run is stopped, by another process at the right moment.
#[test]
fn each_kind_of_error_has_a_message() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q --steps 2");
    shell.write("twice/1_a.sql", "SELECT 1;");
    shell.write("twice/x/1_a.sql", "SELECT 1;");
    shell.write("locked.db-migrate/file", "");
    shell.write("garbage.db", "these are notes, and no database");
    shell.write("failing/1_a.sql", "SELECT nothing;");
    shell.write("empty/notes.txt", "");
    let mut seen = std::collections::BTreeSet::new();
    for (kind, line) in [
        ("usage", "migrate --nonsense"),
        ("connection", "status --database-url postgres://127.0.0.1:1/app"),
        ("file", "create x --dir garbage.db"),
        ("file", "create x --dir garbage.db/deep"),
        ("import", "import --from goose empty --dir new"),
        ("unconfirmed", "rollback --all"),
        ("unconfirmed", "database drop -y --env production"),
        ("source", "list --dir nowhere"),
        ("set", "list --dir twice"),
        ("table_name", "status --table sqlite_x"),
        ("unknown_migration", "migrate --to 2025-01-03-000000_noets"),
        ("refused", "migrate --env production --deny irreversible --dir failing"),
        ("recovery", "repair done 2025-01-01-000000_users"),
        ("adoption", "adopt --from sqlx"),
        ("open_transaction", "migrate --session-sql BEGIN"),
        ("step", "migrate --dir failing --table other"),
        ("lock_file", "migrate --database-url locked.db"),
        ("snapshot", "migrate --snapshot=always --snapshot-dir garbage.db"),
        ("snapshot", "restore app.db-snapshot-2025-01-01T00-00-00.000"),
        ("database", "status --database-url garbage.db"),
    ] {
        shell.run(line);
        let output =
            shell.command(&[&line.split(' ').collect::<Vec<_>>()[..], &["--json"]].concat()).output();
        let value: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        assert_eq!(value["error"]["kind"], kind, "{line}: {value:#}");
        seen.insert(kind);
    }
    let kinds = include_str!("../../src/failure.rs").split("ErrorKind::").skip(1);
    let kinds = kinds.filter_map(|rest| rest.split_once(" => \"")?.1.split_once('"')).map(|(kind, _)| kind);
    let elsewhere = ["stale", "hook", "stopped", "lock_timeout"];
    let missing: Vec<_> = kinds.filter(|kind| !seen.contains(kind) && !elsewhere.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    shell.assert("error_kinds");
}

#[test]
fn a_database_that_is_none() {
    let mut shell = Shell::with_set();
    shell.write("app.db", &"this is a letter to my aunt".repeat(100));
    fs::create_dir(shell.path().join("folder.db")).unwrap();
    let before = shell.files();
    shell.runs(&[
        "migrate",
        "status",
        "migrate --json",
        "migrate --database-url folder.db",
        "migrate --database-url no/such/x.db",
        "status --database-url folder.db",
    ]);
    assert!(shell.files() == before, "{}", shell.log);
    shell.assert("not_a_database");
}

#[cfg(unix)]
#[test]
fn a_database_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let mut shell = Shell::with_set();
    shell.run("migrate -q --steps 1");
    let (folder, file) = (shell.path().to_owned(), shell.path().join("app.db"));
    let folders = [folder.join("migrations"), folder];
    let set = |mode| {
        for folder in &folders {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let binary = elsewhere.path().join("switchy-schema");
    fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(BINARY, &binary).unwrap();
    let before = shell.files();
    for args in [
        &["migrate"][..],
        &["migrate", "--json"],
        &["rollback"],
        &["status", "--exit-code"],
        &["create", "x"],
        &["init", "--dir", "other"],
    ] {
        let mut command = shell.command(args);
        if fs::OpenOptions::new().write(true).open(&file).is_ok() {
            // Root may write everything, so the command runs as another user, who must be able to execute the binary.
            let found = Command::new(&binary);
            command = shell.like(found, args);
            // That user may not write where a build that counts lines does.
            command.uid(65534).env("LLVM_PROFILE_FILE", "/dev/null");
        }
        let output = command.output().unwrap();
        shell.note(&args.join(" "), &output);
    }
    set(0o755);
    assert!(shell.files() == before);
    shell.assert("read_only");
}

/// Half a script looked like a whole one.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let shell = Shell::with_set();
    for (args, code) in [
        (&["plan", "--sql"][..], 1),
        (&["status", "--json"], 1),
        (&["status", "--exit-code"], 3),
        (&["plan", "--steps", "x", "--json"], 2),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = shell.command(args).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        let expected =
            "error: the output is incomplete, since it could not be written: No space left on device";
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    // A reader that has read enough.
    for args in [&["plan", "--sql"][..], &["status", "--json"], &["list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = shell.command(args).stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !said.contains("error"), "{args:?}: {said}");
    }
}

#[test]
fn a_database_that_is_locked() {
    let mut shell = Shell::with_set();
    let conn = shell.database();
    conn.execute_batch("CREATE TABLE mine (x); BEGIN EXCLUSIVE").unwrap();
    shell.runs(&["migrate --lock-timeout 0", "migrate --lock-timeout 0.1 --json", "status --lock-timeout 0"]);
    drop(conn);
    shell.assert("busy");
}

#[test]
fn a_run_that_another_run_keeps_out() {
    use switchy_schema::{Migration, MigrationRunner};
    let mut shell = Shell::with_set();
    shell.run("unlock");
    let (begun, has_begun) = std::sync::mpsc::channel::<()>();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (conn, ended) = (shell.database(), std::sync::Mutex::new(ended));
    let slow = Migration::code("2025-01-01-000000_users", move |_| {
        begun.send(()).unwrap();
        ended.lock().unwrap().recv().unwrap();
        Ok::<_, rusqlite::Error>(())
    });
    let runner = MigrationRunner::new([slow]).unwrap();
    let holding = std::thread::spawn(move || runner.run(&conn).map(drop));
    has_begun.recv().unwrap();
    shell.runs(&[
        "migrate --lock-timeout 0",
        "migrate --lock-timeout 2",
        "migrate --lock-timeout 0 --json",
        "unlock",
        "unlock --json",
    ]);
    end.send(()).unwrap();
    holding.join().unwrap().unwrap();
    shell.run("unlock");
    shell.assert("locked");
}

#[test]
fn a_table_that_is_somebody_elses_or_newer() {
    let mut shell = Shell::with_set();
    shell.sql("CREATE TABLE __switchy_migrations (version INTEGER)");
    let before = shell.files();
    shell.runs(&["migrate", "status"]);
    assert!(shell.files() == before);

    // A later version of the table is used as it is.
    shell.sql("DROP TABLE __switchy_migrations");
    shell.run("migrate -q --steps 1");
    shell.sql("ALTER TABLE __switchy_migrations ADD COLUMN mood TEXT");
    shell.runs(&["migrate", "status --exit-code"]);
    shell.assert("other_table");
}

/// What a person mistyped or an editor changed is named.
#[test]
fn names_and_texts_that_are_nearly_right() {
    let mut shell = Shell::with_set();
    shell.write("migrations/2025-01-04-000000_more/up.sq", "CREATE TABLE more (x);");
    shell.write("migrations/2025-01-05-000000_pictures/README.md", "not a migration");
    shell.runs(&["migrate", "migrate", "status", "plan", "validate --strict", "manifest -q", "manifest"]);
    shell.remove("migrations/manifest.json");
    shell.write("migrations/2025-01-01-000000_users/down.sql", "DELETE FROM users;");
    shell.runs(&["plan", "rollback --all --dry-run"]);
    shell.write("migrations/2025-01-01-000000_users/down.sql", "DROP TABLE users;");
    shell.write("migrations/2025-01-01-000000_users/up.sql", "CREATE TABLE users (name TEXT);\n");
    shell.run("migrate");
    let folder = shell.path().join("migrations");
    fs::rename(folder.join("2025-01-01-000000_users"), folder.join("2025-01-01-000000_user")).unwrap();
    shell.runs(&["migrate", "status"]);
    shell.assert("nearly_right");
}

/// The messages of SQLite that name no way out.
#[test]
fn what_sqlite_says_is_explained() {
    let mut shell = Shell::with_set();
    shell.run("migrate -q");
    shell.sql("INSERT INTO users (name) VALUES ('a'), ('a')");
    for script in [
        "CREATE UNIQUE INDEX names ON users (name);",
        "CREATE INDEX names ON users (initial(name));",
        "CREATE VIEW v AS SELECT email FROM users; ALTER TABLE users DROP email;",
    ] {
        shell.migration("2025-02-01-000000_it", script, Some("SELECT 1;"));
        shell.runs(&["migrate", "validate"]);
    }
    shell.assert("explained");
}
