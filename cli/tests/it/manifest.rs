//! A folder is published with `manifest`, and read from a server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use switchy_schema::{MigrationRunner, RemoteMigrations};

use crate::shell::Shell;

/// Serves the files of a folder until the test ends, and returns the URL of the folder.
fn served(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &folder)));
    url
}

fn answer(mut stream: TcpStream, folder: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
    let path: PathBuf = folder.join(request.split(' ').nth(1).unwrap().trim_start_matches('/'));
    let (status, body) = match fs::read(path) {
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
}

#[test]
fn what_the_command_publishes_a_program_reads() {
    let mut shell = Shell::with_set();
    let output = shell.run("manifest");
    let text = String::from_utf8(output.stdout).unwrap();
    let (pin, file) = text.trim_end().split_once("  ").unwrap();
    assert_eq!(file, "migrations/manifest.json");

    let url = served(&shell.path().join("migrations"));
    let source = RemoteMigrations::new(&url).retries(0);
    let runner = MigrationRunner::new(source.clone().pin(pin)).unwrap();
    let report = runner.run(&Connection::open_in_memory().unwrap()).unwrap();
    let ids: Vec<_> = report.applied.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(ids, ["2025-01-01-000000_users", "2025-01-02-000000_email", "2025-01-03-000000_notes"]);

    // The folder changes and its manifest does not: programs that require the manifest refuse the folder, and the command reports why.
    shell.migration("2025-01-02-000000_email", "DROP TABLE users;", None);
    let error = MigrationRunner::new(source.clone().pin(pin)).unwrap_err().to_string();
    assert!(error.contains("2025-01-02-000000_email/up.sql"), "{error}");
    assert_eq!(shell.run("manifest --check").status.code(), Some(4));
    shell.run("manifest");
    let error = MigrationRunner::new(source.pin(pin)).unwrap_err().to_string();
    assert!(error.contains("manifest.json"), "{error}");
}

#[test]
fn a_manifest_is_written_and_compared() {
    let mut shell = Shell::with_set();
    shell.write("migrations/.hidden.sql", "hidden");
    shell.write("migrations/README.md", "a set");
    shell.runs(&["manifest --check", "manifest", "manifest --check", "manifest -q"]);
    shell.migration("2025-01-01-000000_users", "CREATE TABLE users (name TEXT NOT NULL);", None);
    shell.remove("migrations/2025-01-02-000000_email/down.sql");
    shell.write("migrations/2025-01-04-000000_new.sql", "CREATE TABLE new (x);");
    shell.runs(&["manifest --check", "manifest --check --json", "manifest --json", "manifest --check -q"]);
    let manifest = shell.path().join("migrations/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace('\n', "\r\n")).unwrap();
    shell.runs(&["manifest --check", "manifest --check --json -q"]);
    fs::write(&manifest, "{ \"version\": 1 }").unwrap();
    shell.runs(&["manifest --check", "manifest", "manifest --check"]);
    shell.log.push_str(&fs::read_to_string(&manifest).unwrap());
    shell.assert("manifest");
}

#[test]
fn a_folder_that_no_program_could_read_is_not_published() {
    let mut shell = Shell::with_set();
    shell.run("manifest --dir nowhere");
    shell.write("migrations/2025-01-04-000000_half/metadata.toml", "");
    shell.run("manifest");
    shell.remove("migrations/2025-01-04-000000_half");
    // The set is invalid for one kind of database only.
    shell.write("migrations/2025-01-02-000000_email/up.mysql.sql", "ALTER TABLE users ADD email TEXT");
    shell.write("migrations/mysql/2025-01-05-000000_late/up.sql", "SELECT 1\0");
    shell.runs(&["manifest", "manifest --json"]);
    assert!(!shell.path().join("migrations/manifest.json").exists());
    fs::create_dir(shell.path().join("migrations/manifest.json")).unwrap();
    shell.remove("migrations/mysql");
    shell.runs(&["manifest", "manifest --check"]);
    shell.assert("manifest_refused");
}
