//! Waiting until a database server is up.

use std::io::Read;
use std::net::TcpListener;
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
    thread::sleep(Duration::from_millis(500));
    server.restart();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert_eq!(said.matches("waiting up to 60 s for the database").count(), 1, "{said}");
    assert!(shell.run("wait").status.success());
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
    drop(held);
    let output = shell.command(&["status", "--wait", "--database-url", &url]).output().unwrap();
    assert!(output.status.success());
    client.batch_execute(&format!("REVOKE ALL ON SCHEMA public FROM {name}; DROP ROLE {name}")).unwrap();
}
