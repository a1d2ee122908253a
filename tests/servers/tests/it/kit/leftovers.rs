//! What is left of the databases and servers of tests: nothing.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use switchy_schema::backend::TestServer;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Mysql, Postgres};

use super::{Kind, message, on_servers};
use crate::children::{say, wait_for};
use crate::servers::patiently;

/// The environment variable for a test that this binary is started again for.
const JOB: &str = "SWITCHY_SCHEMA_TEST_KIT";

on_servers! { a_database_is_gone_after_its_value a_database_is_gone_after_a_panic a_database_in_use_is_removed
many_databases_at_once_do_not_meet }

fn a_database_is_gone_after_its_value<B: Kind>() {
    let beside = TestDatabase::<B>::on_server();
    let mut conn = beside.connect();
    let database = TestDatabase::<B>::on_server();
    let address = database.address().to_owned();
    B::on(&mut database.connect(), "CREATE TABLE t (x int)");
    assert!(B::has(&mut conn, &address));
    drop(database);
    assert!(!B::has(&mut conn, &address));
}

fn a_database_is_gone_after_a_panic<B: Kind>() {
    let beside = TestDatabase::<B>::on_server();
    let mut address = String::new();
    let shown = message(|| {
        let database = TestDatabase::<B>::on_server();
        database.address().clone_into(&mut address);
        let mut conn = database.connect();
        B::on(&mut conn, "CREATE TABLE t (x int)");
        B::on(&mut conn, "BEGIN; INSERT INTO t VALUES (1)");
        panic!("on purpose");
    });
    assert_eq!(shown, "on purpose");
    assert!(!B::has(&mut beside.connect(), &address));
}

/// A connection that outlives the database, in the middle of a transaction, would block its removal.
fn a_database_in_use_is_removed<B: Kind>() {
    let beside = TestDatabase::<B>::on_server();
    let database = TestDatabase::<B>::on_server();
    let address = database.address().to_owned();
    let mut conn = database.connect();
    B::on(&mut conn, "CREATE TABLE t (x int)");
    B::on(&mut conn, "BEGIN; INSERT INTO t VALUES (1)");
    drop(database);
    assert!(!B::has(&mut beside.connect(), &address));
    assert!(B::run(B::borrow(&mut conn), "SELECT 1").is_err());
}

fn many_databases_at_once_do_not_meet<B: Kind>() {
    let test = || {
        let database = TestDatabase::<B>::on_server();
        let mut conn = database.connect();
        B::on(&mut conn, "CREATE TABLE t (x int)");
        B::on(&mut conn, "INSERT INTO t VALUES (1)");
        assert_eq!(database.rows("SELECT x FROM t"), ["1"]);
        database.address().to_owned()
    };
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(test)).collect();
    let mut addresses: Vec<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 8);
}

#[test]
fn nothing_is_left_of_the_shared_servers_when_the_process_exits() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kit::leftovers::a_process_that_exits", "--nocapture"])
        .env(JOB, "1")
        .env_remove(Postgres::URL_VARIABLE)
        .env_remove(Mysql::URL_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folders: Vec<PathBuf> = wait_for(&mut child, "ready")
        .lines()
        .filter(|line| line.contains("switchy-"))
        .map(PathBuf::from)
        .collect();
    assert!(folders.iter().all(|folder| fs::metadata(folder).is_ok()), "{folders:?}");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let are_gone =
        || if folders.iter().any(|folder| folder.exists()) { Err("left".to_owned()) } else { Ok(()) };
    patiently(are_gone, || Ok(())).unwrap();
}

#[test]
fn a_process_that_exits() {
    if env::var_os(JOB).is_none() {
        return;
    }
    let postgres = TestDatabase::<Postgres>::if_available();
    let mysql = TestDatabase::<Mysql>::if_available();
    if let Some(database) = &postgres {
        let mut words = database.address().split(' ');
        say(words.find_map(|word| word.strip_prefix("host=")).unwrap());
    }
    if let Some(database) = &mysql {
        let (_, socket) = database.address().split_once("socket=").unwrap();
        say(socket.strip_suffix("/socket").unwrap());
    }
    say("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    std::process::exit(7);
}
