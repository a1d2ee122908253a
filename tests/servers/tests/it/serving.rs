//! The servers of the tests provide what tests need, and are removed completely.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, thread};

use mysql::prelude::Queryable;
use postgres::{Client, SimpleQueryMessage};

use crate::children::{say, wait_for};
use crate::servers::{
    Database, NODES, OwnServer, PATIENCE, POOL_SIZE, galera, mysql, own_mysql, own_postgres, patiently,
    pgbouncer, postgres,
};

/// The environment variable for a test that this binary is started again for.
const JOB: &str = "SWITCHY_SCHEMA_TEST_SERVERS";

#[test]
fn nothing_is_left_of_a_server_when_its_test_panics() {
    let mut folder = PathBuf::new();
    if let Some(server) = own_postgres() {
        folder = server.folder();
        assert!(folder.join("data/postmaster.pid").exists());
        catch_unwind(move || {
            let _server = server;
            panic!("on purpose");
        })
        .unwrap_err();
    }
    assert!(!folder.exists());
}

#[test]
fn nothing_is_left_of_a_server_when_its_process_is_killed() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "serving::a_process_that_another_test_kills", "--nocapture"])
        .env(JOB, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folders: Vec<PathBuf> = wait_for(&mut child, "ready")
        .lines()
        .filter(|line| line.contains("switchy-"))
        .map(PathBuf::from)
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let are_gone =
        || if folders.iter().any(|folder| folder.exists()) { Err("left".to_owned()) } else { Ok(()) };
    patiently(are_gone, || Ok(())).unwrap();
}

#[test]
fn a_process_that_another_test_kills() {
    if env::var_os(JOB).is_none() {
        return;
    }
    let (postgres, mysql) = (own_postgres(), own_mysql());
    let folders = [postgres.as_ref().map(OwnServer::folder), mysql.as_ref().map(OwnServer::folder)];
    for folder in folders.into_iter().flatten() {
        say(folder.to_str().unwrap());
    }
    say("ready");
    thread::sleep(PATIENCE);
}

#[test]
fn a_killed_postgres_comes_back_with_its_committed_rows() {
    let Some(server) = own_postgres() else { return };
    let mut client = server.connect();
    client.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)").unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").unwrap();
    for _ in 0..2 {
        server.kill();
        assert!(client.batch_execute("COMMIT").is_err());
        assert!(server.database.try_connect().is_err());
        server.restart();
        client = server.connect();
        let rows: Vec<i32> =
            client.query("SELECT x FROM t", &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, [1]);
    }
}

#[test]
fn each_database_is_for_one_test() {
    let (Some(one), Some(other)) = (mysql(), mysql()) else { return };
    one.connect().query_drop("CREATE TABLE t (x int)").unwrap();
    other.connect().query_drop("CREATE TABLE t (x int)").unwrap();
}

#[test]
fn a_killed_mariadb_comes_back_with_its_committed_rows() {
    let Some(server) = own_mysql() else { return };
    let mut conn = server.connect();
    conn.query_drop("CREATE TABLE t (x int)").unwrap();
    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
    conn.query_drop("BEGIN").unwrap();
    conn.query_drop("INSERT INTO t VALUES (2)").unwrap();
    for _ in 0..2 {
        server.kill();
        assert!(conn.query_drop("COMMIT").is_err());
        assert!(server.database.try_connect().is_err());
        server.restart();
        conn = server.connect();
        assert_eq!(conn.query::<i32, _>("SELECT x FROM t").unwrap(), [1]);
    }
}

#[test]
fn many_clients_share_few_connections() {
    let Some(database) = postgres() else { return };
    let Some(pooler) = pgbouncer(&database) else { return };
    let mut clients: Vec<_> = (0..8).map(|_| pooler.connect()).collect();
    let mut servers = BTreeSet::new();
    for _ in 0..3 {
        for client in &mut clients {
            servers.insert(answer(client, "SELECT pg_backend_pid()"));
        }
    }
    assert!(servers.len() <= POOL_SIZE, "{servers:?}");
    // A transaction keeps its connection, and the settings of a session stay for its next user.
    clients[0].batch_execute("BEGIN; SELECT set_config('my.name', 'Ada', false)").unwrap();
    let mine = answer(&mut clients[0], "SELECT pg_backend_pid()");
    assert_ne!(answer(&mut clients[1], "SELECT pg_backend_pid()"), mine);
    clients[0].batch_execute("COMMIT").unwrap();
    assert_eq!(answer(&mut clients[1], "SELECT current_setting('my.name', true)"), "Ada");
}

/// The single value of a query, without a prepared statement, which would be lost between transactions.
fn answer(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap_or("NULL").to_owned()
}

#[test]
fn what_one_node_writes_the_others_read_and_two_go_on_without_the_third() {
    let Some(cluster) = galera() else { return };
    let read = |node| -> Vec<i32> {
        let mut conn = cluster.connect(node);
        conn.query_drop("SET SESSION wsrep_sync_wait = 1").unwrap();
        conn.query("SELECT x FROM t ORDER BY x").unwrap()
    };
    cluster.connect(0).query_drop("CREATE TABLE t (x int PRIMARY KEY)").unwrap();
    for node in 0..NODES {
        cluster.connect(node).query_drop(format!("INSERT INTO t VALUES ({node})")).unwrap();
    }
    for node in 0..NODES {
        assert_eq!(read(node), [0, 1, 2]);
    }
    cluster.kill(2);
    cluster.connect(0).query_drop("INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(read(1), [0, 1, 2, 3]);
}
