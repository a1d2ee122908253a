//! What is said if there is no server that can be used.

use std::env;
use std::process::{Command, Output};

use switchy_schema::backend::{TestDriver, TestServer};
use switchy_schema::test_utils::{TestDatabase, TestMigrations};
use switchy_schema::{Migration, Mysql, Postgres};

use super::{Kind, message};
use crate::servers::{Database, own_mysql, own_postgres};

#[test]
fn an_address_that_cannot_be_read_is_not_shown() {
    let on = |address: &str| message(|| drop(TestDatabase::<Postgres>::on_server_at(address)));
    for address in ["host=localhost password=my secret", "postgres://me:secret/word@host", "secret"] {
        assert_eq!(
            on(address),
            "the address of the server of the test cannot be read; \
            it should be like postgres://user:password@localhost:5432"
        );
    }
    let on = |address: &str| message(|| drop(TestDatabase::<Mysql>::on_server_at(address)));
    for address in ["postgres://me:secret@host", "mysql://me:secret/word@host", "secret"] {
        assert_eq!(
            on(address),
            "the address of the server of the test cannot be read; \
            it should be like mysql://user:password@localhost:3306"
        );
    }
}

#[test]
fn a_server_that_does_not_answer_is_named_without_its_password() {
    // Nothing listens on this port.
    let shown = message(|| drop(TestDatabase::<Postgres>::on_server_at("postgres://me:secret@127.0.0.1:1")));
    assert!(
        shown.starts_with("no database for a test can be created on the server of the test: "),
        "{shown}"
    );
    assert!(shown.contains("refused") && !shown.contains("secret"), "{shown}");
    let shown = message(|| drop(TestDatabase::<Mysql>::on_server_at("mysql://me:secret@127.0.0.1:1")));
    assert!(
        shown.starts_with("no database for a test can be created on the server of the test: "),
        "{shown}"
    );
    assert!(shown.contains("refused") && !shown.contains("secret"), "{shown}");
}

#[test]
fn the_debug_text_of_a_database_has_no_password() {
    let Some(server) = own_mysql() else { return };
    Mysql::on(
        &mut server.connect(),
        "CREATE USER me@localhost IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO me@localhost",
    );
    let address = server.database.url.replace("root@", "me:secret@");
    let database = TestDatabase::<Mysql>::on_server_at(&address);
    assert!(database.address().contains("secret"));
    let shown = format!("{database:?}");
    assert!(shown.contains("switchy_test_") && !shown.contains("secret"), "{shown}");
}

/// The message about a database that cannot be removed, since its server was killed.
fn after_the_server_was_killed<B: Kind>(address: &str, kill: impl FnOnce()) -> String {
    let database = TestDatabase::<B>::on_server_at(address);
    kill();
    let shown = message(|| drop(database.connect()));
    assert!(shown.contains(" on the server of the test cannot be opened: "), "{shown}");
    message(move || drop(database))
}

#[test]
fn a_server_that_dies_is_an_error_and_does_not_hang() {
    let mut shown = Vec::new();
    if let Some(server) = own_postgres() {
        shown.push(after_the_server_was_killed::<Postgres>(&server.database.url, || server.kill()));
    }
    if let Some(server) = own_mysql() {
        shown.push(after_the_server_was_killed::<Mysql>(&server.database.url, || server.kill()));
    }
    for shown in shown {
        assert!(shown.starts_with("the database `switchy_test_"), "{shown}");
        assert!(shown.contains("` of a test cannot be removed from the server of the test: "), "{shown}");
        assert!(shown.ends_with("; remove it with DROP DATABASE"), "{shown}");
    }
}

/// A panic in the test is not hidden by the error of the removal.
#[test]
fn a_test_that_fails_on_a_dead_server_keeps_its_message() {
    let Some(server) = own_postgres() else { return };
    let shown = message(|| {
        let _database = TestDatabase::<Postgres>::on_server_at(&server.database.url);
        server.kill();
        panic!("on purpose");
    });
    assert_eq!(shown, "on purpose");
}

#[test]
fn migrations_are_tested_on_the_server_that_the_program_names() {
    let Some(server) = own_postgres() else { return };
    let set = || [Migration::reversible("1_t", "CREATE TABLE t (x int)", "DROP TABLE t")];
    let tested = TestMigrations::<Postgres>::for_backend(set()).on_server_at(&*server.database.url);
    tested.verify_full_cycle();
    tested.verify_each_step_on_data();
    let databases = Postgres::rows(
        &mut Postgres::borrow(&mut server.database.try_connect().unwrap()),
        Postgres::DATABASES,
    );
    assert_eq!(databases.unwrap().iter().filter(|name| name.starts_with("switchy_test_")).count(), 0);
    server.kill();
    assert!(message(|| tested.verify_full_cycle()).starts_with("no database for a test can be created"));
}

/// The environment variable for a test that this binary is started again for.
const JOB: &str = "SWITCHY_SCHEMA_TEST_KIT_ADDRESS";

/// The output of a process whose environment has the address of a server.
fn with_address(variable: &str, address: &str) -> Output {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kit::refusals::a_process_with_an_address", "--nocapture"])
        .env(JOB, "1")
        .env(variable, address)
        .output()
        .unwrap()
}

#[test]
fn a_process_with_an_address() {
    if env::var_os(JOB).is_none() {
        return;
    }
    let database = TestDatabase::<Postgres>::on_server();
    println!("\naddress: {}", database.address());
}

#[test]
fn the_environment_names_the_server() {
    let Some(server) = own_postgres() else { return };
    let output = with_address(Postgres::URL_VARIABLE, &server.database.url);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let address = said.lines().find_map(|line| line.strip_prefix("address: ")).unwrap();
    assert!(address.starts_with(&server.database.url), "{address}");
    assert!(!Postgres::has(&mut server.connect(), address));

    let output = with_address(Postgres::URL_VARIABLE, "host=localhost password=my secret");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !said.contains("secret"), "{said}");
    assert!(
        said.contains("the address of the server of SWITCHY_TEST_POSTGRES_URL cannot be read; "),
        "{said}"
    );
}

/// The end of the log says why: here the folder for temporary files has a path that is too long for a socket.
#[test]
fn an_installed_server_that_cannot_be_started_is_a_failure() {
    if own_postgres().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("a".repeat(120));
    std::fs::create_dir(&long).unwrap();
    for path in [folder.path(), &long] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let start = |folder: &std::path::Path| {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kit::refusals::a_process_with_an_address", "--nocapture"])
            .env(JOB, "1")
            .env_remove(Postgres::URL_VARIABLE)
            .env("TMPDIR", folder)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = start(&long);
    assert!(said.contains("the installed PostgreSQL server cannot be started: the server ended: "), "{said}");
    assert!(said.contains("is too long"), "{said}");
    let said = start(&folder.path().join("missing"));
    assert!(said.contains("cannot be started: a folder for a server cannot be created: mktemp: "), "{said}");
}
