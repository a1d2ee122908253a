//! A folder of migrations at a URL, with a server that also misbehaves.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use switchy_schema::{
    DirectoryMigrations, ErrorKind, Manifest, Migration, MigrationError, MigrationRunner, MigrationSource,
    RemoteMigrations, Result,
};
use tempfile::TempDir;

use self::server::{Framing, Reply, Server, folder};
use crate::sentences::is_one_sentence;

mod server;

const USERS: (&str, &str) = ("1_users/up.sql", "CREATE TABLE users (name TEXT)");
const POSTS: (&str, &str) = ("2_posts/up.sql", "CREATE TABLE posts (title TEXT)");
const MANIFEST: &str = "/set/manifest.json";

/// The source at a path of a server, with a short timeout.
fn at(server: &Server, path: &str) -> RemoteMigrations {
    RemoteMigrations::new(server.url(path)).retry_wait(Duration::from_millis(1))
}

fn remote(server: &Server) -> RemoteMigrations {
    at(server, MANIFEST)
}

fn migrations(source: &RemoteMigrations) -> Result<Vec<Migration>> {
    source.migrations()
}

fn ids(source: &RemoteMigrations) -> Result<String> {
    Ok(migrations(source)?.iter().map(|migration| migration.id().as_str()).collect::<Vec<_>>().join(" "))
}

fn error(source: &RemoteMigrations) -> MigrationError {
    migrations(source).expect_err("it should have failed")
}

/// The text with ports and hashes replaced.
fn normal(text: &str, server: &Server) -> String {
    let text = text.replace(&server.port.to_string(), "PORT");
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let (word, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len());
        out += if word.len() == 64 { "HASH" } else { word };
        out += end;
    }
    out
}

/// Compares the error of a source with its kind and sentence.
#[track_caller]
fn fails(source: &RemoteMigrations, server: &Server, kind: ErrorKind, sentence: &str) {
    let error = error(source);
    let said = normal(&error.to_string(), server);
    assert_eq!((error.kind(), &*said), (kind, sentence));
    is_one_sentence(&said);
    assert!(error.location().is_some(), "{said}");
}

/// The manifest of one file, as text.
fn listing(path: &str, size: &str, sha256: &str) -> String {
    let path = path.replace('\\', "\\\\").replace('\0', "\\u0000").replace('\n', "\\n");
    format!(r#"{{"version": 1, "files": [{{"path": "{path}", "size": {size}, "sha256": "{sha256}"}}]}}"#)
}

fn zeros() -> String {
    "0".repeat(64)
}

/// All files of a cache: their folders, and whether the content of each file has the hash in its name.
fn kept(cache: &Path) -> Vec<String> {
    let list = |name: &str| {
        let entries = fs::read_dir(cache.join(name)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = list("manifests").iter().map(|_| "manifest".to_owned()).collect();
    for path in list("files") {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(fs::read(&path).unwrap());
        let hash = format!("{hash:x}");
        found.push(if path.ends_with(&hash) {
            "whole".to_owned()
        } else {
            format!("{} is torn", path.display())
        });
    }
    found
}

fn cached(server: &Server) -> (RemoteMigrations, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (remote(server).cache(folder.path().join("schema")), folder)
}

#[test]
fn it_is_the_folder_that_was_published() {
    let root = Path::new(crate::ROOT).join("migrations");
    let manifest = Manifest::of_folder(&root).unwrap();
    let server = Server::new();
    server.on(MANIFEST, [Reply::ok(manifest.to_string())]);
    for file in manifest.files() {
        server.on(&format!("/set/{}", file.path), [Reply::ok(fs::read(root.join(&file.path)).unwrap())]);
    }
    let (here, there): (Vec<Migration>, _) =
        (DirectoryMigrations::from_path(&root).migrations().unwrap(), migrations(&remote(&server)).unwrap());
    assert_eq!(there.len(), 14);
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(
            (here.id(), here.up_sql(), here.down_sql()),
            (there.id(), there.up_sql(), there.down_sql())
        );
        assert_eq!(here.meta().checksum, there.meta().checksum);
        let origin = here.meta().origin.to_string().replace(&*root.to_string_lossy(), &server.url("/set"));
        assert_eq!(origin, there.meta().origin.to_string());
    }
    assert_eq!(server.connections(), 1, "one connection is used again and again");
    let conn = Connection::open_in_memory().unwrap();
    assert_eq!(MigrationRunner::new(at(&server, "/set/")).unwrap().run(&conn).unwrap().applied.len(), 14);
}

#[test]
fn every_way_to_end_a_body_will_do() {
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let server = Server::new();
        let manifest = server.publish(&[USERS, ("2_empty.sql", "")]).to_string();
        server.on(MANIFEST, [Reply::ok(manifest).framed(framing)]);
        server.on("/set/1_users/up.sql", [Reply::ok(USERS.1).framed(framing)]);
        server.on("/set/2_empty.sql", [Reply::ok("").framed(framing)]);
        assert_eq!(ids(&remote(&server)).unwrap(), "1_users 2_empty", "{framing:?}");
    }
}

#[test]
fn names_are_written_as_urls_want_them() {
    let server = Server::new();
    server.publish(&[("1_ä b#?%2e.sql", "SELECT 1")]);
    server.on("/set/1_%C3%A4%20b%23%3F%252e.sql", [Reply::ok("SELECT 1")]);
    assert_eq!(ids(&at(&server, "/set/manifest.json?key=1")).unwrap(), "1_ä b#?%2e");
    assert_eq!(server.paths(), "/set/manifest.json?key=1 /set/1_%C3%A4%20b%23%3F%252e.sql?key=1");
}

#[test]
fn the_same_content_is_fetched_once() {
    let server = Server::new();
    server.publish(&[("1_a.sql", "SELECT 1"), ("2_b.sql", "SELECT 1")]);
    assert_eq!(migrations(&remote(&server)).unwrap()[1].up_sql(), Some("SELECT 1"));
    assert_eq!(server.paths(), "/set/manifest.json /set/1_a.sql");
}

#[test]
fn a_list_fetches_metadata_and_no_script_and_leaves_the_cache_usable() {
    let server = Server::new();
    let metadata = ("1_users/metadata.toml", "description = \"Who writes.\"");
    server.publish(&[USERS, metadata]);
    let listed = |source: &RemoteMigrations| -> Vec<(String, Option<String>)> {
        let metas = MigrationSource::<switchy_schema::Sqlite>::list(source).unwrap();
        metas.into_iter().map(|meta| (meta.id.to_string(), meta.description.map(String::from))).collect()
    };
    let described = ("1_users".to_owned(), Some("Who writes.".to_owned()));
    assert_eq!(listed(&remote(&server)), std::slice::from_ref(&described));
    assert_eq!(server.paths(), format!("{MANIFEST} /set/1_users/metadata.toml"));

    // A list of a newer set does not take the place of the set that was fetched whole.
    let (source, _folder) = cached(&server);
    let source = source.allow_offline().retries(0);
    assert_eq!(ids(&source).unwrap(), "1_users");
    server.publish(&[USERS, metadata, POSTS]);
    assert_eq!(listed(&source), [described, ("2_posts".to_owned(), None)]);
    server.on(MANIFEST, [Reply::new(503, "")]);
    assert_eq!(ids(&source).unwrap(), "1_users");
    assert_eq!(listed(&source).len(), 1);
}

/// An invalid manifest is refused before any of its files is fetched.
#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn a_manifest_is_checked_before_any_file_is_asked_for() {
    let server = Server::new();
    let hash = zeros();
    let twice = format!(r#"{{"path": "1_a.sql", "size": 1, "sha256": "{hash}"}}"#);
    let files = |files: &str| format!(r#"{{"version": 1, "files": [{files}]}}"#);
    let of = |path: &str| listing(path, "1", &hash);
    let table: Vec<(String, &str)> = vec![
        (
            of("../1_a/up.sql"),
            ": its file `../1_a/up.sql` leads out of the folder, or around in it; give the path from the manifest's folder",
        ),
        (
            of("1_a/../../up.sql"),
            ": its file `1_a/../../up.sql` leads out of the folder, or around in it; give the path from the manifest's folder",
        ),
        (
            of("../../../../etc/passwd"),
            ": its file `../../../../etc/passwd` leads out of the folder, or around in it; give the path from the manifest's folder",
        ),
        (
            of("./1_a.sql"),
            ": its file `./1_a.sql` leads out of the folder, or around in it; give the path from the manifest's folder",
        ),
        (
            of("1_a/..\\..\\up.sql"),
            ": its file `1_a/..\\..\\up.sql` has a backslash in its path; separate folders with /",
        ),
        (
            of("/etc/1_a.sql"),
            ": its file `/etc/1_a.sql` has an absolute path; give the path from the manifest's folder",
        ),
        (
            of("C:1_a.sql"),
            ": its file `C:1_a.sql` has an absolute path; give the path from the manifest's folder",
        ),
        (of("1_a\0.sql"), ": its file `1_a\\u{0}.sql` has a control character in its path; rename it"),
        (of("1_a\n.sql"), ": its file `1_a\\n.sql` has a control character in its path; rename it"),
        (of("1_a//up.sql"), ": its file `1_a//up.sql` has an empty part in its path; rename it"),
        (
            of(".git/1_a.sql"),
            ": its file `.git/1_a.sql` is hidden, so nothing would read it; rename it or leave it out",
        ),
        (of(""), ": its file `` has no name; give it one"),
        (of("1_a/up.sh"), ": its file `1_a/up.sh` is neither .sql nor .toml; leave it out"),
        (of("1_a"), ": its file `1_a` is neither .sql nor .toml; leave it out"),
        (files(&format!("{twice}, {twice}")), ": its file `1_a.sql` is listed twice; list it once"),
        (
            files(&format!("{twice}, {}", twice.replace("1_a", "2_b").replace(": 1,", ": 2,"))),
            ": its file `2_b.sql` has the hash of another file and not its size; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            listing("1_a.sql", "1", "abc"),
            ": the sha256 of its file `1_a.sql` is not 64 hexadecimal digits; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            listing("1_a.sql", "10737418240", &hash),
            ": its file `1_a.sql` is said to have 10737418240 bytes, and 16777216 are allowed; allow more with `max_file_size` if that can be",
        ),
        (
            listing("1_a.sql", "18446744073709551615", &hash),
            ": its file `1_a.sql` is said to have 18446744073709551615 bytes, and 16777216 are allowed; allow more with `max_file_size` if that can be",
        ),
        (
            listing("1_a.sql", "18446744073709551616", &hash),
            ":1:73: it is no manifest: invalid type: floating point `1.8446744073709552e+19`, expected u64; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            listing("1_a.sql", "-1", &hash),
            ":1:55: it is no manifest: invalid value: integer `-1`, expected u64; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            of("1_a/metadata.toml"),
            "/1_a/metadata.toml: it describes no migration, there is no up.sql beside it; add the script, or remove this file",
        ),
        (
            of("1_a/up.oracle.sql"),
            "/1_a/up.oracle.sql: `oracle` is no database that it could be for; use sqlite, postgres or mysql",
        ),
        (
            of("up.sql"),
            "/up.sql: it lies in no migration's folder; move it into a folder named like YYYY-MM-DD-HHMMSS_name",
        ),
        (
            r#"{"version": 2, "migrations": {}}"#.into(),
            ": it is a manifest of version 2, and this program reads version 1; use a newer version of the program",
        ),
        (
            "{\n  \"version\": 1,\n  \"file\": []\n}".into(),
            ":3:8: it is no manifest: unknown field `file`, expected `version` or `files`; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            r#"{"version": 1}"#.into(),
            ":1:14: it is no manifest: missing field `files`; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            r#"{"files": []}"#.into(),
            ":1:13: it is no manifest: missing field `version`; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            r#"{"version": 1, "files": [], "files": []}"#.into(),
            ":1:35: it is no manifest: duplicate field `files`; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            "\"\u{1b}[2J".into(),
            ":1:2: it is no manifest: control character (\\u0000-\\u001F) found while parsing a string; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            r#"{"version": 1, "\u001b[2J": 1, "files": []}"#.into(),
            ":1:26: it is no manifest: unknown field `\\u{1b}[2J`, expected `version` or `files`; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            String::new(),
            ":1:1: it is no manifest: EOF while parsing a value; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            "\n <!doctype html><title>Log in</title>".into(),
            ": it is no manifest but a web page; check the address, and that nothing on the way answers in its place",
        ),
        (
            "[".repeat(100_000),
            ":1:1: it is no manifest: invalid type: sequence, expected u32; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
        (
            format!("{{\"version\": 1, \"deep\": {}", "[".repeat(300)),
            ":1:323: it is no manifest: EOF while parsing a list; write the manifest with `Manifest::write`; docs/format.md describes the format",
        ),
    ];
    let mut wrong = Vec::new();
    for (manifest, end) in table {
        server.on(MANIFEST, [Reply::ok(manifest.clone())]);
        let error = error(&remote(&server));
        let said = normal(&error.to_string(), &server);
        let place = if end.starts_with('/') { "" } else { "/manifest.json" };
        let expected = format!("http://127.0.0.1:PORT/set{place}{end}");
        if said != expected || error.kind() != ErrorKind::Source {
            wrong.push(format!("{said}\n  instead of\n{expected}"));
        }
        is_one_sentence(&said);
        assert_eq!(server.paths(), MANIFEST, "nothing else is asked for: {said}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn limits_hold_for_what_is_declared_and_for_what_comes() {
    let server = Server::new();
    let manifest = server.publish(&[USERS, POSTS]).to_string();
    let place = "http://127.0.0.1:PORT/set/manifest.json";
    for (source, end) in [
        (
            remote(&server).max_files(1),
            "it lists 2 files, and 1 are allowed; allow more with `max_files` if that can be",
        ),
        (
            remote(&server).max_total_size(60),
            "its files are said to have 61 bytes, and 60 are allowed; allow more with `max_total_size` if that can be",
        ),
    ] {
        fails(&source, &server, ErrorKind::Source, &format!("{place}: {end}"));
        assert_eq!(server.paths(), MANIFEST);
    }
    assert!(ids(&remote(&server).max_files(2).max_total_size(61).max_file_size(31)).is_ok());
    let huge = 10 << 30;
    let endless = || Reply::ok(" ".repeat(6000)).framed(Framing::Close);
    let said = "the server is about to send 10737418240 bytes, and there may be";
    let together = "publish the files and then their manifest; if nobody did, find out who changed the file";
    for (reply, expected) in [
        (Reply::ok("{}").framed(Framing::Declared(huge)), format!("{said} 5120; allow a larger one with `max_files` if that can be")),
        (endless(), "the server sends more than the 5120 bytes that there may be; allow a larger one with `max_files` if that can be".into()),
        (endless().framed(Framing::Chunked), "the server sends more than the 5120 bytes that there may be; allow a larger one with `max_files` if that can be".into()),
    ] {
        server.on(MANIFEST, [reply]);
        fails(&remote(&server).max_files(1), &server, ErrorKind::Source, &format!("{place}: {expected}"));
    }
    server.on(MANIFEST, [Reply::ok(manifest)]);
    for (reply, expected) in [
        (Reply::ok("{}").framed(Framing::Declared(huge)), format!("{said} 30; {together}")),
        (endless(), format!("the server sends more than the 30 bytes that there may be; {together}")),
    ] {
        server.on("/set/1_users/up.sql", [reply]);
        let place = "http://127.0.0.1:PORT/set/1_users/up.sql";
        fails(&remote(&server), &server, ErrorKind::Source, &format!("{place}: {expected}"));
    }
}

/// Each case is one response to the first request for the manifest, or for a file.
#[test]
fn every_failure_of_a_server_is_a_sentence() {
    use ErrorKind::{Source, Unreachable};
    let together = "publish the files and then their manifest; if nobody did, find out who changed the file";
    let table: Vec<(&str, Reply, ErrorKind, String)> = vec![
        ("", Reply::new(401, ""), Source, "the server wants credentials (401); give some with `bearer`, `basic_auth` or `header`".into()),
        ("", Reply::new(403, ""), Source, "the server does not let these credentials read it (403); check what they may read, or give others".into()),
        ("", Reply::new(404, ""), Source, "it is not there (404); check the address, or write the manifest with `Manifest::write`; docs/format.md describes the format".into()),
        ("", Reply::new(410, ""), Source, "it is not there (410); check the address, or write the manifest with `Manifest::write`; docs/format.md describes the format".into()),
        ("", Reply::new(204, ""), Source, "the server answers 204 where a file was expected; check the address".into()),
        ("", Reply::new(304, ""), Source, "the server answers 304 where a file was expected; check the address".into()),
        ("", Reply::new(400, ""), Source, "the server answers 400 where a file was expected; check the address".into()),
        ("", Reply::new(408, ""), Unreachable, "the server has no time (408), tried 3 times; try again later".into()),
        ("", Reply::new(429, ""), Unreachable, "the server has no time (429), tried 3 times; try again later".into()),
        ("", Reply::new(429, "").header("retry-after", "86400"), Unreachable, "the server cannot answer now (429), and asks to wait 86400s; try again later".into()),
        ("", Reply::new(500, ""), Unreachable, "the server fails (500), tried 3 times; try again later".into()),
        ("", Reply::new(501, ""), Unreachable, "the server fails (501); try again later".into()),
        ("", Reply::new(503, "").header("retry-after", "0"), Unreachable, "the server cannot answer now (503), and asks to wait 0s, tried 3 times; try again later".into()),
        ("", Reply::ok("{\"version\": 1").cut(5), Unreachable, "the connection broke off, 5 of 13 bytes came, tried 3 times; try again later".into()),
        ("", Reply::ok("{\"version\": 1").framed(Framing::Chunked).cut(5), Unreachable, "the connection broke off, 5 bytes came, tried 3 times; try again later".into()),
        ("", Reply::raw(""), Unreachable, "the connection broke off, tried 3 times; try again later".into()),
        ("", Reply::raw("HTTP/1.1 200"), Unreachable, "the connection broke off, tried 3 times; try again later".into()),
        ("", Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Source, "what answers does not speak HTTP as it should: http parse fail: invalid HTTP version; check the address, and that nothing on the way answers in its place".into()),
        ("", Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"), Source, "what answers does not speak HTTP as it should: content-length header not a number; check the address, and that nothing on the way answers in its place".into()),
        ("", Reply::ok("x").header("content-encoding", "gzip"), Source, "it comes compressed (`gzip`), which nobody asked for; have the server send files as they are".into()),
        ("1_users/up.sql", Reply::new(404, ""), Source, "it is not there (404); publish it beside the manifest, which lists it, or write the manifest with `Manifest::write`; docs/format.md describes the format".into()),
        ("1_users/up.sql", Reply::ok(USERS.1.replace("name", "nome")), Source, format!("its SHA-256 is HASH, and the manifest says HASH; {together}")),
        ("1_users/up.sql", Reply::ok("CREATE"), Source, format!("it has 6 bytes, and the manifest says 30; {together}")),
        ("1_users/up.sql", Reply::ok(USERS.1).framed(Framing::Close).cut(6), Source, format!("it has 6 bytes, and the manifest says 30; {together}")),
        ("1_users/up.sql", Reply::ok(USERS.1).cut(6), Unreachable, "the connection broke off, 6 of 30 bytes came, tried 3 times; try again later".into()),
        ("1_users/up.sql", Reply::new(503, ""), Unreachable, "the server fails (503), tried 3 times; try again later".into()),
    ];
    for (path, reply, kind, end) in table {
        let server = Server::new();
        server.publish(&[USERS]);
        let path = if path.is_empty() { MANIFEST.to_owned() } else { format!("/set/{path}") };
        server.on(&path, [reply]);
        fails(&remote(&server), &server, kind, &format!("http://127.0.0.1:PORT{path}: {end}"));
    }
}

#[test]
fn a_server_that_lets_us_wait_is_left() {
    for bytes in [0, 5] {
        let came = format!("{bytes} of 13 bytes came; ");
        // On a slow machine, the bytes may come after a short timeout.
        for timeout in [200, 5_000, 60_000] {
            let server = Server::new();
            server.publish(&[USERS]);
            server.on(MANIFEST, [Reply::ok("{\"version\": 1").hanging(bytes)]);
            let timeout = Duration::from_millis(timeout);
            let error = error(&remote(&server).timeout(timeout));
            let said = normal(&error.to_string(), &server);
            if timeout.as_secs() < 60 && !said.contains(&came) {
                continue;
            }
            assert_eq!(server.paths(), MANIFEST, "who has waited is not made to wait again");
            let sentence = format!(
                "http://127.0.0.1:PORT/set/manifest.json: the server is too slow, it did not send everything within {timeout:?}, "
            );
            let end = "try again later, or wait longer with `timeout`";
            is_one_sentence(&said);
            assert_eq!((error.kind(), said), (ErrorKind::Unreachable, format!("{sentence}{came}{end}")));
            assert!(error.location().is_some());
            break;
        }
    }
    let server = Server::new();
    server.publish(&[USERS]);
    let source = remote(&server).deadline(Duration::ZERO);
    let sentence = "http://127.0.0.1:PORT/set/manifest.json: everything together did not come within 0ns; try again later, or wait longer with `deadline`";
    fails(&source, &server, ErrorKind::Unreachable, sentence);
    for longest in [Duration::MAX, Duration::ZERO] {
        let source = remote(&server).deadline(Duration::MAX).timeout(Duration::MAX).retry_wait(longest);
        assert_eq!(ids(&source).unwrap(), "1_users");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_sentence_too() {
    let gone = Server::new();
    let plain = TcpListenerOfNobody::new();
    let mut nobody = Server::new();
    nobody.port = plain.0;
    fails(
        &RemoteMigrations::new(format!("http://127.0.0.1:{}/m.json", plain.0)).retries(0),
        &nobody,
        ErrorKind::Unreachable,
        "http://127.0.0.1:PORT/m.json: nothing listens there: Connection refused (os error 111); check the address, and that the server runs",
    );
    fails(
        &RemoteMigrations::new("https://no-such-host.invalid/m.json").retries(0),
        &gone,
        ErrorKind::Unreachable,
        "https://no-such-host.invalid/m.json: no host `no-such-host.invalid` is found; check its name, and that there is a network",
    );
    let mut cause = None;
    if let Err(error) =
        migrations(&RemoteMigrations::new(format!("http://127.0.0.1:{}/", plain.0)).retries(0))
    {
        cause = error.cause().and_then(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()));
    }
    assert_eq!(cause, Some(std::io::ErrorKind::ConnectionRefused));
}

/// A port on which nothing listens. It is the port of a client, so that nobody else can listen there meanwhile.
struct TcpListenerOfNobody(u16, #[allow(dead_code, reason = "it keeps the port")] [TcpStream; 2]);

impl TcpListenerOfNobody {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        Self(port, [client, listener.accept().unwrap().0])
    }
}

#[test]
fn what_can_pass_is_tried_again_and_nothing_else() {
    let broken = || Reply::ok("12345").cut(2);
    let now = |status| Reply::new(status, "");
    let later = |status| Reply::new(status, "").header("retry-after", "0");
    for (first, retries, requests, succeeds) in [
        (vec![], 2, 1, true),
        (vec![now(503)], 2, 2, true),
        (vec![now(500), broken()], 2, 3, true),
        (vec![later(429), later(429)], 2, 3, true),
        (vec![now(408)], 1, 2, true),
        (vec![now(408)], 0, 1, false),
        (vec![now(503), now(503), now(503)], 2, 3, false),
        (vec![now(404)], 2, 1, false),
        (vec![now(401)], 2, 1, false),
        (vec![Reply::ok("not a manifest")], 2, 1, false),
        (vec![Reply::new(503, "").header("retry-after", "99999999999999999999")], 2, 2, true),
        (vec![Reply::new(503, "").header("retry-after", "18446744073709551615")], 2, 1, false),
        (vec![Reply::new(503, "").header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], 2, 2, true),
    ] {
        let server = Server::new();
        let manifest = server.publish(&[]).to_string();
        let name = format!("{first:?}");
        server.on(MANIFEST, [first, vec![Reply::ok(manifest)]].concat());
        assert_eq!(ids(&remote(&server).retries(retries)).is_ok(), succeeds, "{name}");
        assert_eq!(server.requests().len(), requests, "{name}");
    }
}

#[test]
fn redirects_are_followed_within_bounds() {
    let server = Server::new();
    let other = Server::new();
    let manifest = server.publish(&[USERS]).to_string();
    other.on("/m.json", [Reply::ok(manifest)]);
    other.on("/back", [Reply::to(server.url(MANIFEST))]);
    for status in [301, 302, 303, 307, 308] {
        for target in
            ["../set/manifest.json".to_owned(), MANIFEST.to_owned(), other.url("/m.json"), other.url("/back")]
        {
            let reply = Reply { status, ..Reply::to(target) };
            server
                .on("/latest/manifest.json", [reply])
                .on("/latest/1_users/up.sql", [Reply::to("/set/1_users/up.sql")]);
            assert_eq!(ids(&at(&server, "/latest/manifest.json")).unwrap(), "1_users", "{status}");
        }
    }
    let publish = "give the address where the files are";
    for (replies, end) in [
        (vec![Reply::to("/a")], "/a: it redirects in a circle, back to http://127.0.0.1:PORT/a; correct the server, or give the address where the files are".to_owned()),
        (vec![Reply::to("/b"), Reply::to("/a")], "/a, redirected to http://127.0.0.1:PORT/b: it redirects in a circle, back to http://127.0.0.1:PORT/a; correct the server, or give the address where the files are".to_owned()),
        (vec![Reply::to("/a?n=1"), Reply::to("/a?n=2"), Reply::to("/a?n=3"), Reply::to("/a?n=4"), Reply::to("/a?n=5"), Reply::to("/a?n=6")],
            format!("/a, redirected to http://127.0.0.1:PORT/a: it redirects more than 5 times, at last to http://127.0.0.1:PORT/a; {publish}")),
        (vec![Reply::new(302, "")], format!("/a: it redirects without saying where to; {publish}")),
        (vec![Reply::to("ftp://u:secret@h/x?secret")], format!("/a: it redirects to `...@h/x`, which cannot be followed: it is neither https nor http; {publish}")),
        (vec![Reply::to("http://u:secret@h/x?secret")], format!("/a: it redirects to `...@h/x`, which cannot be followed: it has a name or a password in it; {publish}")),
        (vec![Reply::to("http://example.org/x?secret")], "/a: it redirects to http://example.org/x, where anybody on the way could change what runs; have it redirect to https".to_owned()),
    ] {
        for (place, reply) in ["/a", "/b"].iter().zip(&replies) {
            server.on(place, [reply.clone()]);
        }
        if replies.len() > 2 {
            server.on("/a", replies);
        }
        fails(&at(&server, "/a"), &server, ErrorKind::Source, &format!("http://127.0.0.1:PORT{end}"));
    }
}

#[test]
fn secrets_go_to_their_server_only_and_are_shown_to_nobody() {
    let (home, other) = (Server::new(), Server::new());
    let manifest = home.publish(&[USERS]).to_string();
    other.on("/m.json", [Reply::ok(manifest)]).on("/u.sql", [Reply::to(home.url("/again"))]);
    home.on(MANIFEST, [Reply::to(other.url("/m.json"))]);
    home.on("/set/1_users/up.sql", [Reply::to(other.url("/u.sql"))]).on("/again", [Reply::ok(USERS.1)]);
    for (source, authorization) in [
        (remote(&home).bearer("hidden"), "Bearer hidden"),
        (
            remote(&home).bearer("x").basic_auth("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (remote(&home).basic_auth("", "h"), "Basic Omg="),
        (remote(&home).basic_auth("hi", ""), "Basic aGk6"),
        (remote(&home).header("Authorization", "Custom hidden"), "Custom hidden"),
    ] {
        let source = source.header("X-Key", "hidden");
        assert_eq!(ids(&source).unwrap(), "1_users");
        for request in home.requests() {
            assert_eq!(request.header("authorization"), Some(authorization), "{request:?}");
            assert_eq!(request.header("x-key"), Some("hidden"), "{request:?}");
            assert_eq!(request.header("accept-encoding"), Some("identity"), "{request:?}");
        }
        let asked = other.requests();
        assert_eq!(asked.len(), 2);
        for request in asked {
            assert_eq!(
                (request.header("authorization"), request.header("x-key")),
                (None, None),
                "{request:?}"
            );
        }
        assert!(!format!("{source:?}").contains("idden"), "{source:?}");
    }
    let source = RemoteMigrations::new(home.url("/none?hidden")).bearer("hidden").header("x-key", "hidden");
    for said in [format!("{source:?}"), error(&source).to_string(), format!("{:?}", error(&source))] {
        assert!(!said.contains("hidden"), "{said}");
    }
    other.on("/m.json", [Reply::new(401, "")]);
    let place = format!(
        "http://127.0.0.1:PORT/set/manifest.json, redirected to http://127.0.0.1:{}/m.json",
        other.port
    );
    let sentence = "the server redirects to another one, which wants to know who asks (401); credentials go to the given server only; give the address where the files are";
    fails(&remote(&home), &home, ErrorKind::Source, &format!("{place}: {sentence}"));
    home.on(MANIFEST, [Reply::new(401, "")]);
    let sentence = "http://127.0.0.1:PORT/set/manifest.json: the server does not accept the credentials (401); check them, and whether they have expired";
    fails(&remote(&home).bearer("old"), &home, ErrorKind::Source, sentence);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let server = Server::new();
    server.publish(&[USERS]);
    let at = "http://127.0.0.1:PORT/set/manifest.json: ";
    let example = "give a URL like https://example.org/schema/manifest.json";
    let url = RemoteMigrations::new;
    for (source, sentence) in [
        (url("http://example.org/m.json?x"), "http://example.org/m.json: it is not encrypted, so that anybody on the way could change what runs; use https, or allow it with `allow_plain_http(\"example.org\")`".to_owned()),
        (url("http://example.org/").allow_plain_http("example.com"), "http://example.org/: it is not encrypted, so that anybody on the way could change what runs; use https, or allow it with `allow_plain_http(\"example.org\")`".to_owned()),
        (url(""), format!("``: it is no whole URL; {example}")),
        (url("/srv/migrations"), format!("`/srv/migrations`: it is no whole URL; {example}")),
        (url("file:///srv/migrations"), format!("`file:///srv/migrations`: it is neither https nor http; {example}")),
        (url("https://u:p@example.org/"), "`...@example.org/`: it has a name or a password in it; give credentials with `basic_auth` or `bearer`".to_owned()),
        (url("https://exa mple.org/"), format!("`https://exa mple.org/`: its host is no name of a host in ASCII and no address; {example}")),
        (remote(&server).bearer("x\n"), format!("{at}the value of the header `authorization` has a character that cannot be sent; look for a line end behind it")),
        (remote(&server).header("a b", "x"), format!("{at}`a b` is no name of a header; correct it")),
        (remote(&server).header("Host", "x"), format!("{at}the header `Host` is not for the application; leave it out")),
        (remote(&server).basic_auth("a:b", "x"), format!("{at}a name with a colon cannot be sent with `basic_auth`; give another name, or the whole header with `header`")),
        (remote(&server).trust("x"), format!("{at}`trust` was given no certificate in PEM; give one")),
    ] {
        fails(&source, &server, ErrorKind::Source, &sentence);
        assert_eq!(server.paths(), "", "{sentence}");
    }
}

/// This address reaches the local machine, but is not one of the known local addresses.
#[test]
#[cfg(target_os = "linux")]
fn plain_http_goes_to_hosts_that_were_named() {
    let server = Server::new();
    server.publish(&[USERS]);
    let source = RemoteMigrations::new(format!("http://0.0.0.0:{}/set/", server.port));
    assert_eq!(error(&source).kind(), ErrorKind::Source);
    assert_eq!(server.paths(), "");
    assert_eq!(ids(&source.allow_plain_http("0.0.0.0")).unwrap(), "1_users");
}

#[test]
fn a_certificate_is_checked() {
    let (server, certificate) = Server::with_tls();
    let (_, of_another) = Server::with_tls();
    server.publish(&[USERS]);
    assert_eq!(ids(&remote(&server).trust(certificate.clone())).unwrap(), "1_users");
    server.requests();
    let place = "https://localhost:PORT/set/manifest.json: the certificate of the server is not trusted: ";
    let remedy = "; check the address and the clock, or trust an authority of your own with `trust`";
    fails(&remote(&server), &server, ErrorKind::Source, &format!("{place}UnknownIssuer{remedy}"));
    assert_eq!(error(&remote(&server).trust(of_another)).kind(), ErrorKind::Source);
    let by_number =
        RemoteMigrations::new(format!("https://127.0.0.1:{}/set/", server.port)).trust(certificate.clone());
    assert!(
        error(&by_number).to_string().contains("certificate of the server is not trusted"),
        "{}",
        error(&by_number)
    );
    assert_eq!(server.paths(), "", "nothing was asked of a server that is not trusted");
    // A redirect to a connection without encryption.
    let plain = Server::new();
    server.on(MANIFEST, [Reply::to(plain.url(MANIFEST))]);
    let sentence = format!(
        "https://localhost:PORT/set/manifest.json: it redirects to http://127.0.0.1:{}/set/manifest.json, where anybody on the way could change what runs; have it redirect to https",
        plain.port
    );
    fails(&remote(&server).trust(certificate), &server, ErrorKind::Source, &sentence);
    assert_eq!(plain.paths(), "");
    // A server without TLS.
    let sentence = "https://127.0.0.1:PORT/manifest.json: what answers does not speak TLS as it should: received corrupt message of type InvalidContentType; check the port, and that the server offers https";
    let source = RemoteMigrations::new(format!("https://127.0.0.1:{}/", plain.port));
    fails(&source, &plain, ErrorKind::Source, sentence);
}

#[test]
fn only_the_pinned_manifest_runs() {
    let server = Server::new();
    let pin = server.publish(&[USERS]).sha256();
    let (source, _folder) = cached(&server);
    let source = source.pin(pin.to_uppercase()).allow_offline();
    assert_eq!(ids(&source).unwrap(), "1_users");
    // An attacker who controls the server controls the manifest too.
    server.publish(&[("1_users/up.sql", "DROP TABLE users")]);
    server.requests();
    let sentence = "http://127.0.0.1:PORT/set/manifest.json: it is not the manifest that is pinned: its SHA-256 is HASH and not HASH; find out who changed it; pin the new one only if you know why it changed";
    fails(&source, &server, ErrorKind::Source, sentence);
    assert_eq!(server.paths(), MANIFEST, "no file of it is asked for");
    server.on(MANIFEST, [Reply::new(503, "")]);
    assert_eq!(ids(&source).unwrap(), "1_users", "what was fetched before is still good");
    let sentence = "http://127.0.0.1:PORT/set/manifest.json: `pin` was given no SHA-256: a checksum is 64 hexadecimal digits; give that of the manifest";
    fails(&source.pin("abc"), &server, ErrorKind::Source, sentence);
}

#[test]
fn a_start_with_nothing_new_is_one_question() {
    let server = Server::new();
    let manifest = server.publish(&[USERS, POSTS]).to_string();
    server.on(MANIFEST, [Reply::ok(manifest).header("etag", "\"7\"")]);
    let (source, folder) = cached(&server);
    assert_eq!(ids(&source).unwrap(), "1_users 2_posts");
    assert_eq!(server.requests()[0].header("if-none-match"), None);
    for _ in 0..2 {
        assert_eq!(ids(&source).unwrap(), "1_users 2_posts");
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].header("if-none-match"), Some("\"7\""));
    }
    assert_eq!(kept(&folder.path().join("schema")), ["manifest", "whole", "whole", "whole"]);
    // For a new version, only the missing files are fetched.
    let manifest = server.publish(&[USERS, POSTS, ("3_tags/up.sql", "CREATE TABLE tags (t)")]).to_string();
    server.on(MANIFEST, [Reply::ok(manifest).header("etag", "\"8\"")]);
    assert_eq!(ids(&source).unwrap(), "1_users 2_posts 3_tags");
    assert_eq!(server.paths(), "/set/manifest.json /set/3_tags/up.sql");
    // Another URL, another manifest, the same files.
    server.on(
        "/copy/manifest.json",
        [Reply::ok(Manifest::parse("", MANIFEST_OF_NOTHING).unwrap().to_string())],
    );
    let copy = at(&server, "/copy/manifest.json").cache(folder.path().join("schema"));
    assert_eq!(ids(&copy).unwrap(), "");
    assert_eq!(ids(&source).unwrap(), "1_users 2_posts 3_tags");
}

const MANIFEST_OF_NOTHING: &[u8] = br#"{"version": 1, "files": []}"#;

#[test]
fn what_is_damaged_in_the_cache_is_fetched_again() {
    for damage in ["torn", "other", "empty", "gone"] {
        for what in ["files", "manifests"] {
            let server = Server::new();
            let manifest = server.publish(&[USERS, POSTS]).to_string();
            server.on(MANIFEST, [Reply::ok(manifest).header("etag", "\"7\"")]);
            let (source, folder) = cached(&server);
            ids(&source).unwrap();
            for entry in fs::read_dir(folder.path().join("schema").join(what)).unwrap() {
                let path = entry.unwrap().path();
                let content = fs::read(&path).unwrap();
                fs::remove_file(&path).unwrap();
                match damage {
                    "torn" => fs::write(&path, &content[..content.len() / 2]).unwrap(),
                    "other" => fs::write(&path, content.to_ascii_lowercase()).unwrap(),
                    "empty" => fs::write(&path, "").unwrap(),
                    _ => {}
                }
            }
            assert_eq!(ids(&source).unwrap(), "1_users 2_posts", "{damage} {what}");
            assert_eq!(
                kept(&folder.path().join("schema")),
                ["manifest", "whole", "whole", "whole"],
                "{damage} {what}"
            );
        }
    }
}

#[test]
fn without_the_server_a_whole_cache_will_do_if_that_is_allowed() {
    let server = Server::new();
    let (source, folder) = cached(&server);
    let schema = folder.path().join("schema");
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let offline = source.clone().allow_offline().retries(0);
    let offline = offline.on_offline(move |why| heard.lock().unwrap().push(why.to_string()));
    server.on(MANIFEST, [Reply::new(503, "")]);
    let incomplete = format!(
        "http://127.0.0.1:PORT/set/manifest.json: the server fails (503), and the cache {} has not all of it; try again later",
        schema.display()
    );
    fails(&offline, &server, ErrorKind::Unreachable, &incomplete);
    server.publish(&[USERS, POSTS]);
    ids(&source).unwrap();
    for away in [
        Reply::new(503, ""),
        Reply::new(429, ""),
        Reply::raw(""),
        Reply::ok("{}").cut(1),
        Reply::ok("{}").hanging(0),
    ] {
        let timeout = Duration::from_millis(if away.hangs { 300 } else { 30_000 });
        server.on(MANIFEST, [away]);
        let offline = offline.clone().timeout(timeout);
        assert_eq!(ids(&offline).unwrap(), "1_users 2_posts");
        assert_eq!(error(&source.clone().retries(0).timeout(timeout)).kind(), ErrorKind::Unreachable);
    }
    assert_eq!(told.lock().unwrap().len(), 5, "each time, and only where the cache was used");
    assert!(told.lock().unwrap()[0].contains("the server fails (503)"), "{told:?}");
    server.on(MANIFEST, [Reply::new(503, "")]);
    ids(&source).unwrap_err();
    server.publish(&[USERS, POSTS]);
    ids(&offline).unwrap();
    assert_eq!(told.lock().unwrap().len(), 5, "the server was there");
    for no in [Reply::new(401, ""), Reply::new(404, ""), Reply::ok("<html>"), Reply::to("/set/manifest.json")]
    {
        server.on(MANIFEST, [no]);
        assert_eq!(error(&offline).kind(), ErrorKind::Source);
    }
    // A new version that cannot be fetched completely does not stop the program either, and changes nothing.
    server.publish(&[USERS, POSTS, ("3_tags/up.sql", "CREATE TABLE tags (t)")]);
    server.on("/set/3_tags/up.sql", [Reply::ok("CREATE TABLE tags (t)").cut(3)]);
    assert_eq!(ids(&offline).unwrap(), "1_users 2_posts");
    assert_eq!(kept(&schema), ["manifest", "whole", "whole", "whole"]);
    // If one file of the cache is missing, the cache cannot be used.
    let users = fs::read_dir(schema.join("files")).unwrap().map(|entry| entry.unwrap().path());
    fs::remove_file(users.into_iter().find(|path| fs::read(path).unwrap() == USERS.1.as_bytes()).unwrap())
        .unwrap();
    server.on(MANIFEST, [Reply::new(503, "")]);
    fails(&offline, &server, ErrorKind::Unreachable, &incomplete);
}

#[test]
fn nothing_half_done_is_in_the_cache() {
    let server = Server::new();
    server.publish(&[USERS, POSTS]);
    let (source, folder) = cached(&server);
    let schema = folder.path().join("schema");
    let source = source.retries(0);
    for bad in
        [Reply::ok(POSTS.1).cut(4), Reply::ok("x"), Reply::ok(POSTS.1.to_uppercase()), Reply::new(500, "")]
    {
        server.on("/set/2_posts/up.sql", [bad]);
        error(&source);
        assert_eq!(kept(&schema), ["whole"], "the first file, and no manifest");
    }
    // Files that were fetched but are not a valid set do not replace the last set.
    server.publish(&[USERS, POSTS, ("1_users/metadata.toml", "descripton = 1")]);
    error(&source);
    assert_eq!(kept(&schema), ["whole"; 3]);
    server.publish(&[USERS, POSTS]);
    server.requests();
    assert_eq!(ids(&source).unwrap(), "1_users 2_posts");
    assert_eq!(server.paths(), MANIFEST, "what came whole is not asked for again");
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_and_one_that_need_not_be_is_none() {
    let server = Server::new();
    server.publish(&[USERS]);
    let folder = folder(&[("file", "")]);
    let said = error(&remote(&server).cache(folder.path().join("file"))).to_string();
    assert!(said.contains("/file: the cache cannot be written: "), "{said}");
    assert!(said.ends_with("; make the folder writable, or choose another one with `cache`"), "{said}");
    is_one_sentence(&said);
}

#[test]
#[cfg(unix)]
fn a_cache_is_of_its_user_and_a_manifest_is_for_everybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let others = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let server = Server::new();
    server.publish(&[USERS]);
    let (source, folder) = cached(&server);
    ids(&source).unwrap();
    for name in ["schema", "schema/files", "schema/manifests"] {
        assert_eq!(others(&folder.path().join(name)), 0, "{name}");
    }
    let published = self::folder(&[USERS]);
    Manifest::write(published.path()).unwrap();
    assert_ne!(others(&published.path().join("manifest.json")) & 0o044, 0);
}

#[test]
fn programs_that_start_together_share_a_cache() {
    let server = Server::new();
    let files: Vec<(String, String)> =
        (0..20).map(|n| (format!("{n}_a.sql"), format!("SELECT {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, sql)| (&**path, &**sql)).collect();
    server.publish(&files);
    let (source, folder) = cached(&server);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| migrations(&source).unwrap().len())).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap() == 20));
    });
    let kept = kept(&folder.path().join("schema"));
    assert_eq!((kept.len(), kept.iter().filter(|kept| *kept == "whole").count()), (22, 21), "{kept:?}");
}

#[test]
fn a_manifest_says_what_is_in_a_folder() {
    let folder = folder(&[
        USERS,
        ("b/2_b/down.sql", "x\r\n"),
        ("1_users/metadata.toml", ""),
        ("README.md", "no"),
        (".hidden/1.sql", "no"),
        ("seed.csv", "no"),
    ]);
    let manifest = Manifest::write(folder.path()).unwrap();
    let files: Vec<(&str, u64)> = manifest.files().iter().map(|file| (&*file.path, file.size)).collect();
    assert_eq!(files, [("1_users/metadata.toml", 0), ("1_users/up.sql", 30), ("b/2_b/down.sql", 3)]);
    assert_eq!(
        manifest.files()[0].sha256,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let text = fs::read(folder.path().join("manifest.json")).unwrap();
    assert_eq!(Manifest::parse("m", &text).unwrap(), manifest);
    assert_eq!(Manifest::write(folder.path()).unwrap(), manifest, "it does not list itself");
    let with_mark = [b"\xef\xbb\xbf", &*text].concat();
    assert_eq!(Manifest::parse("m", &with_mark).unwrap(), manifest);
    assert_eq!(
        Manifest::of_folder(folder.path().join("none")).unwrap_err().to_string(),
        format!("there is no folder {}/none; check the path, or create it", folder.path().display())
    );
}

#[test]
#[cfg(unix)]
fn what_could_not_be_fetched_is_not_published() {
    for (path, end) in [
        ("1\n.sql", "its file `1\\n.sql` has a control character in its path; rename it"),
        ("1\\a.sql", "its file `1\\a.sql` has a backslash in its path; separate folders with /"),
    ] {
        let folder = folder(&[(path, "")]);
        let error = Manifest::write(folder.path()).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {end}", folder.path().display()));
        assert!(!folder.path().join("manifest.json").exists());
    }
}

#[test]
fn many_wrong_entries_are_listed_at_once_and_not_without_end() {
    let entry = |n: usize| format!(r#"{{"path": "../{n}.sql", "size": 1, "sha256": "{}"}}"#, zeros());
    let text = |count| {
        let entries: Vec<String> = (0..count).map(entry).collect();
        format!(r#"{{"version": 1, "files": [{}]}}"#, entries.join(","))
    };
    for (count, listed) in [(2, "2 problems: (1) m: its file `../0.sql`"), (5000, "10 problems: (1) m: ")] {
        let error = Manifest::parse("m", text(count).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(listed) && error.len() < 2000, "{error}");
    }
    let long = format!("{}\u{1b}", "`\u{1f980}".repeat(400));
    let error = Manifest::parse("m", listing(&long, "1", "").as_bytes()).unwrap_err().to_string();
    assert!(error.len() < 1200 && !error.contains('\u{1b}'), "{error}");
}

/// Checks the guarantees of a manifest that was parsed from any bytes.
fn holds(bytes: &[u8]) {
    match Manifest::parse("m", bytes) {
        Ok(manifest) => {
            for file in manifest.files() {
                assert!(!file.path.starts_with('/') && !file.path.contains(['\\', '\0']), "{file:?}");
                assert!(
                    file.path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')),
                    "{file:?}"
                );
                assert_eq!(file.sha256.len(), 64);
            }
            let again = Manifest::parse("m", manifest.to_string().as_bytes());
            assert_eq!(again.unwrap(), manifest);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Source);
            let text = format!("{error:#}");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    }
}

proptest! {
    #[test]
    fn anything_is_a_manifest_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }

    #[test]
    fn pieces_of_manifests_are_manifests_or_errors(pieces in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"version\"", "1", "2", "\"files\"", "\"path\"", "\"size\"", "\"sha256\"",
        "\"a.sql\"", "\"../a.sql\"", "-1", "1e400", "\"\\ud800\"", "\"\\u0000.sql\"", "\n", "\u{feff}", "null", "<", "ä",
    ]), 0..40)) {
        holds(pieces.concat().as_bytes());
    }

    #[test]
    fn a_manifest_with_a_byte_changed_is_a_manifest_or_an_error(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = format!(
            "{{\"version\": 1, \"files\": [\n{{\"path\": \"1_ä/up.sql\", \"size\": 12, \"sha256\": \"{}\"}}]}}", zeros(),
        ).into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        holds(&text);
        holds(&text[..place]);
    }

    #[test]
    fn any_path_is_safe_or_refused(path in "[a./\\\\:\\x00-\\x1fä%]{0,12}(\\.sql|\\.toml)?") {
        holds(listing(&path.replace('"', ""), "1", &zeros()).as_bytes());
    }

    #[test]
    fn what_a_server_says_is_an_error_and_no_panic(answer in prop::collection::vec(prop::sample::select(vec![
        "HTTP/1.1 ", "HTTP/1.0 ", "200 ", "302 ", "304 ", "100 ", "999 ", "\r\n", "\n", "content-length: ", "location: ",
        "transfer-encoding: chunked", "5", "-1", "18446744073709551616", "//", "https://", "%", "\u{0}", "etag: ", "retry-after: ", "ffffffffffffffff",
        "{\"version\": 1, \"files\": []}",
    ]), 0..14)) {
        let server = Server::new();
        server.on(MANIFEST, [Reply::raw(answer.concat())]);
        let source = remote(&server).retries(0).timeout(Duration::from_secs(5));
        if let Err(error) = migrations(&source) {
            is_one_sentence(&normal(&error.to_string(), &server));
        }
    }
}
