//! Waiting until a database server is up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

#[test]
fn a_database_that_is_not_up_is_waited_for() {
    let mut shell = Shell::with_set();
    // A port that refuses: nothing listens on it any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in ["postgres://u@127.0.0.1", "mysql://u@127.0.0.1"] {
        let url = format!("{url}:{port}/app");
        let run = |line: &str| {
            let mut args: Vec<&str> = line.split(' ').collect();
            args.extend(["--database-url", &url]);
            let output = shell.command(&args).output().unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = run("status");
        assert_eq!(code, 1);
        assert!(said.contains("to wait for it, use --wait"), "{said}");
        for line in ["status --wait 1", "--wait=0.5 status", "wait 1", "wait --wait 0", "status --wait 0"] {
            let (code, said) = run(line);
            assert_eq!(code, 6, "{line}: {said}");
            assert!(said.contains("of waiting") && said.lines().count() <= 2, "{line}: {said}");
            assert!(said.to_lowercase().contains("refused"), "{line}: {said}");
            assert!(said.contains(&url) && !said.contains("connect_timeout"), "{line}: {said}");
        }
    }
    let (url, line) = ("postgres://u@nowhere.invalid/app", "status --wait 0.2 --json");
    let output =
        shell.command(&[&line.split(' ').collect::<Vec<_>>()[..], &["--database-url", url]].concat());
    let output = { output }.output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["error"]["kind"], &printed["exit_code"]), (&"connection".into(), &6.into()));
    shell.runs(&["wait", "wait x", "wait inf", "migrate --wait nonsense"]);
    shell.assert("wait");
}

#[test]
fn a_server_that_starts_meanwhile_is_used() {
    let Some(server) = servers::own_postgres() else { return };
    let url = postgres_url(&server.database);
    let mut shell = Shell::with_set();
    shell.set("DATABASE_URL", &url);
    server.kill();
    let mut child =
        shell.command(&["migrate", "--wait"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut errors, mut said) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    errors.read_line(&mut said).unwrap();
    server.restart();
    errors.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert_eq!(said.matches("waiting up to 60 s for the database").count(), 1, "{said}");
    assert!(shell.run("wait").status.success());
}

/// What a program answers that is no server, or a server that is not up.
pub(crate) enum Answer {
    /// It accepts, and says nothing.
    Nothing,
    /// It ends the connection.
    End,
    Bytes(Vec<u8>),
}

/// An error of PostgreSQL.
fn postgres_says(code: &str, message: &str) -> Answer {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    Answer::Bytes([b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat())
}

/// An error of MySQL in place of its greeting.
fn mysql_says(code: u16, message: &str) -> Answer {
    let packet = [&[0xff][..], &code.to_le_bytes(), message.as_bytes()].concat();
    let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
    Answer::Bytes([&length[..3], &[0], &packet].concat())
}

/// A local port on which this is the answer.
pub(crate) fn answering(answer: Answer) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut client in listener.incoming().flatten() {
            match &answer {
                Answer::Nothing => kept.push(client),
                Answer::End => drop(client),
                Answer::Bytes(bytes) => {
                    // Clients of PostgreSQL speak first.
                    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                    let _ = client.read(&mut [0; 1024]);
                    let _ = client.write_all(bytes);
                }
            }
        }
    });
    port
}

const NO_POSTGRES: &str = "check that the server runs, and that the address is that of a PostgreSQL server";
const NO_MYSQL: &str =
    "check that the server runs, and that the address is that of a MySQL or MariaDB server";
const FULL: &str = "try again when other connections have ended, or let the server accept more";

/// Runs a command, and returns its exit code and what it says. On a slow machine, an answer may come after the limit of a second in the
/// address, so the command is then repeated a few times.
fn answered(shell: &Shell, line: &[&str], is_silent: bool) -> (Option<i32>, String) {
    let once = || {
        let output = shell.command(line).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let is_late = |text: &str| !is_silent && text.contains("does not answer");
    (0..20).map(|_| once()).find(|(_, text)| !is_late(text)).unwrap_or_else(once)
}

/// Only what passes by itself is waited for, and the hint fits what the other side says.
#[test]
fn what_answers_decides_whether_it_is_waited_for() {
    let http = || Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let ssh = || Answer::Bytes(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec());
    let starting = "the database system is starting up";
    for (scheme, answer, said, hint, is_waited_for) in [
        ("postgres", postgres_says("57P03", starting), starting, "try again in a moment", true),
        (
            "postgres",
            postgres_says("57P03", "the database system is in recovery mode"),
            "in recovery mode",
            "try again in a moment",
            true,
        ),
        (
            "postgres",
            postgres_says("53300", "sorry, too many clients already"),
            "too many clients",
            FULL,
            true,
        ),
        (
            "postgres",
            postgres_says("08P01", "cannot connect to server"),
            "cannot connect to server",
            "",
            true,
        ),
        (
            "postgres",
            postgres_says("28P01", "password authentication failed for user \"u\""),
            "password authentication failed",
            "check the user and the password in the address",
            false,
        ),
        (
            "postgres",
            postgres_says("3D000", "database \"app\" does not exist"),
            "does not exist",
            "create the database, or check its name in the address",
            false,
        ),
        ("postgres", Answer::End, "", NO_POSTGRES, true),
        (
            "postgres",
            Answer::Nothing,
            "the server accepted the connection and does not answer",
            NO_POSTGRES,
            true,
        ),
        ("postgres", http(), "", NO_POSTGRES, false),
        ("postgres", mysql_says(1040, "Too many connections"), "", NO_POSTGRES, false),
        ("mysql", mysql_says(1040, "Too many connections"), "Too many connections", FULL, true),
        ("mysql", mysql_says(1053, "Server shutdown in progress"), "shutdown", "try again in a moment", true),
        (
            "mysql",
            mysql_says(1130, "Host '10.0.0.1' is not allowed to connect to this MySQL server"),
            "not allowed",
            "let the server accept this user from this machine",
            false,
        ),
        (
            "mysql",
            mysql_says(1045, "Access denied for user 'u'@'h' (using password: NO)"),
            "Access denied",
            "check the user and the password",
            false,
        ),
        ("mysql", Answer::End, "", NO_MYSQL, true),
        ("mysql", Answer::Nothing, "the server accepted the connection and does not answer", NO_MYSQL, true),
        ("mysql", ssh(), "the answer is not that of a MySQL server", NO_MYSQL, false),
        ("mysql", postgres_says("57P03", starting), "", NO_MYSQL, false),
    ] {
        let shell = Shell::with_set();
        let (is_silent, port) = (matches!(answer, Answer::Nothing), answering(answer));
        let options = if scheme == "postgres" { "&sslmode=disable" } else { "" };
        let url = format!("{scheme}://u:hunter2@127.0.0.1:{port}/app?connect_timeout=1{options}");
        let run = |line: &[&str]| {
            let line = [line, &["--database-url", &url]].concat();
            let (code, text) = answered(&shell, &line, is_silent);
            assert!(
                text.contains(said) && text.contains(hint) && !text.contains("hunter2"),
                "{said}: {text}"
            );
            assert_eq!(
                text.contains("--wait") || text.contains("of waiting"),
                is_waited_for,
                "{said}: {text}"
            );
            code
        };
        assert_eq!(run(&["status"]), Some(1), "{said}");
        let expected = if is_waited_for { 6 } else { 1 };
        assert_eq!(run(&["migrate", "--wait", "0.2"]), Some(expected), "{said}");
    }
}

/// Waiting would not help.
#[test]
fn what_does_not_pass_fails_at_once() {
    let mut addresses = Vec::new();
    if let Some(database) = servers::postgres() {
        let url = postgres_url(&database);
        let (start, rest) = url.split_once('?').unwrap();
        addresses.push(format!("{start}_none?{rest}"));
        addresses.push(format!("{url}&user=nobody"));
    }
    if let Some(database) = servers::mysql() {
        let url = mysql_url(&database);
        let (start, rest) = url.split_once('?').unwrap();
        addresses.push(format!("{start}_none?{rest}"));
        addresses.push(url.replace("root@", "nobody:x@"));
    }
    for url in addresses {
        let shell = Shell::with_set();
        let output = shell.command(&["status", "--wait", "600", "--database-url", &url]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}: {said}");
        assert!(!said.contains("--wait") && !said.contains("waiting"), "{url}: {said}");
    }
}

#[test]
fn a_full_server_is_waited_for() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    let mut client = database.connect();
    let sql = format!("CREATE ROLE {name} LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA public TO {name}");
    client.batch_execute(&sql).unwrap();
    let url = format!("{url}&user={name}");
    let shell = Shell::with_set();
    let tls = postgres::NoTls;
    let held = postgres::Client::connect(&format!("{} user={name}", database.url), tls).unwrap();
    let output = shell.command(&["status", "--wait", "0.3", "--database-url", &url]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains(&format!("; {FULL}; after 0.3 s of waiting")), "{said}");
    drop(held);
    let output = shell.command(&["status", "--wait", "--database-url", &url]).output().unwrap();
    assert!(output.status.success());
    client.batch_execute(&format!("REVOKE ALL ON SCHEMA public FROM {name}; DROP ROLE {name}")).unwrap();
}
