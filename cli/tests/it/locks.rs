//! Migrations that wait for the locks of other sessions.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

const ID: &str = "2025-01-01-000000_nick";

/// A folder with one migration, for a database with this address.
fn shell(url: &str, script: &str) -> Shell {
    let mut shell = Shell::new();
    shell.hide(url);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.migration(ID, script, None);
    shell
}

fn spawn(shell: &Shell, args: &[&str]) -> Child {
    shell.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until this is true; the test fails if that takes minutes.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {what}");
}

#[test]
fn a_lock_that_is_not_obtained_is_exit_code_6() {
    let postgres = servers::postgres();
    let mariadb = servers::mysql();
    let mut clients = (
        postgres.as_ref().map(servers::PostgresDatabase::connect),
        mariadb.as_ref().map(servers::MysqlDatabase::connect),
    );
    if let Some(client) = &mut clients.0 {
        client.batch_execute("CREATE TABLE accounts (a INT)").unwrap();
        client.batch_execute("BEGIN; SELECT * FROM accounts").unwrap();
    }
    if let Some(conn) = &mut clients.1 {
        conn.query_drop("CREATE TABLE accounts (a INT)").unwrap();
        conn.query_drop("START TRANSACTION").unwrap();
        conn.query_drop("INSERT INTO accounts VALUES (1)").unwrap();
    }
    for (url, tries) in
        [postgres.as_ref().map(|it| (postgres_url(it), 2)), mariadb.as_ref().map(|it| (mysql_url(it), 1))]
            .into_iter()
            .flatten()
    {
        let mut shell = shell(&url, "ALTER TABLE accounts ADD nick VARCHAR(9);");
        let output = shell.run("migrate --statement-lock-timeout 1 --lock-retries 1");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(said.contains("nothing of it was kept"), "{said}");
        assert_eq!(said.matches("; trying again in ").count(), tries - 1, "{said}");
        assert_eq!(said.contains("it was tried 2 times"), tries == 2, "{said}");
        shell.write("switchy-schema.toml", "statement-lock-timeout = 1\nlock-retries = 1\n");
        let output = shell.run("migrate --json");
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["exit_code"], 6, "{printed}");
        assert_eq!(printed["waits"].as_array().map_or(0, Vec::len), tries - 1, "{printed}");
        if tries == 2 {
            let wait = &printed["waits"][0];
            assert_eq!(
                (&wait["kind"], &wait["id"], &wait["attempt"], &wait["of"]),
                (&"retry".into(), &ID.into(), &2.into(), &2.into())
            );
        }
        // The metadata has precedence, and nothing is dirty.
        shell.write("switchy-schema.toml", "");
        shell.write(&format!("migrations/{ID}/metadata.toml"), "lock_timeout = 0.1\n");
        assert_eq!(shell.run("migrate --lock-retries 0").status.code(), Some(6), "{}", shell.log);
        assert_eq!(shell.run("status --exit-code").status.code(), Some(3), "{}", shell.log);
    }
    drop(clients);
}

/// The limits that people know: in the script, and in the address. The next migration has none of them.
#[test]
fn a_limit_of_the_script_or_of_the_address_is_exit_code_6_and_a_plain_retry() {
    let alter = "ALTER TABLE accounts ADD nick text;";
    if let Some(database) = servers::postgres() {
        let mut other = database.connect();
        other.batch_execute("CREATE TABLE accounts (a INT)").unwrap();
        for (options, script) in [
            ("", format!("SET LOCAL lock_timeout = '1s'; {alter}")),
            ("", format!("SET lock_timeout = '1s';\n{alter}")),
            ("&options=-c%20lock_timeout%3D1s", alter.to_owned()),
        ] {
            other.batch_execute("BEGIN; SELECT * FROM accounts").unwrap();
            let seen = "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS it";
            let shell = shell(&format!("{}{options}", postgres_url(&database)), &script);
            shell.migration("2025-01-02-000000_seen", seen, None);
            is_plainly_retried(&shell, || other.batch_execute("COMMIT").unwrap());
            let seen: String = database.connect().query_one("SELECT it FROM seen", &[]).unwrap().get(0);
            assert_eq!(seen, if options.is_empty() { "0" } else { "1s" }, "{script}");
            other
                .batch_execute("DROP TABLE seen, __switchy_migrations; ALTER TABLE accounts DROP nick")
                .unwrap();
        }
    }
    if let Some(database) = servers::mysql() {
        let mut other = database.connect();
        other.query_drop("CREATE TABLE t (a INT)").unwrap();
        for (options, script) in [
            ("", "SET SESSION lock_wait_timeout=1;\nALTER TABLE t ADD COLUMN b int;"),
            ("&lock_wait_timeout=1", "ALTER TABLE t ADD COLUMN b int;"),
        ] {
            other.query_drop("BEGIN").unwrap();
            let _: Vec<mysql::Row> = other.query("SELECT * FROM t").unwrap();
            let seen = "CREATE TABLE seen AS SELECT @@lock_wait_timeout AS it";
            let shell = shell(&format!("{}{options}", mysql_url(&database)), script);
            shell.migration("2025-01-02-000000_seen", seen, None);
            is_plainly_retried(&shell, || other.query_drop("COMMIT").unwrap());
            let (seen, default): (u64, u64) =
                other.query_first("SELECT it, @@lock_wait_timeout FROM seen").unwrap().unwrap();
            assert_eq!(seen, if options.is_empty() { default } else { 1 }, "{script}");
            other.query_drop("DROP TABLE seen, __switchy_migrations; ALTER TABLE t DROP COLUMN b").unwrap();
        }
    }
}

/// A run that cannot have its lock leaves nothing, and is done when it is repeated after this.
fn is_plainly_retried(shell: &Shell, release: impl FnOnce()) {
    let run = |line: &[&str]| {
        let output = shell.command(line).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["migrate", "--lock-retries", "0"]);
    assert_eq!(code, Some(6), "{said}");
    assert!(
        said.contains("nothing of it was kept; try again when the other connection has finished"),
        "{said}"
    );
    // Nothing is dirty.
    assert_eq!(run(&["status", "--exit-code"]).0, Some(3));
    release();
    assert_eq!(run(&["migrate"]).0, Some(0));
}

/// The run lock is not what a statement waits for.
#[test]
fn a_timeout_of_the_lock_and_one_of_a_statement_are_numbers_of_seconds() {
    let mut shell = Shell::with_set();
    for value in ["1s", "100ms", "''", "inf", "-1", "0,5"] {
        for name in ["lock-timeout", "statement-lock-timeout", "wait"] {
            assert_eq!(
                shell.run(&format!("status --{name}={value}")).status.code(),
                Some(2),
                "{}",
                shell.log
            );
        }
    }
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\nstatement-lock-timeout = '1s'\n");
    shell.run("status");
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    for value in ["'1s'", "'1'", "-1", "true", "inf"] {
        shell.write("migrations/2025-01-01-000000_users/metadata.toml", &format!("lock_timeout = {value}\n"));
        assert_eq!(shell.run("status").status.code(), Some(1), "{}", shell.log);
    }
    for value in ["0", "0.1", "2"] {
        shell.write("migrations/2025-01-01-000000_users/metadata.toml", &format!("lock_timeout = {value}\n"));
        assert_eq!(shell.run("validate -q").status.code(), Some(0), "{}", shell.log);
    }
    shell.assert("timeouts");
}

/// Who holds the lock is not always a session that the user may see, and what it runs is nobody's business.
#[test]
fn whoever_holds_a_lock_is_named_as_far_as_it_is_known() {
    let Some(server) = servers::own_postgres() else { return };
    let mut client = server.connect();
    client.batch_execute("CREATE TABLE accounts (a INT); CREATE ROLE poor LOGIN").unwrap();
    client.batch_execute("GRANT ALL ON SCHEMA public TO poor; ALTER TABLE accounts OWNER TO poor").unwrap();
    let held = "BEGIN; SELECT 'hunter2', $$hunter2$$ FROM accounts -- hunter2";
    let terminate = "`SELECT pg_terminate_backend(";
    for (user, expected) in [
        ("postgres", "idle in a transaction after `BEGIN; SELECT '***', '***' FROM accounts` since "),
        ("poor", terminate),
    ] {
        client.batch_execute(held).unwrap();
        let url = postgres_url(&server.database).replace("user=postgres", &format!("user={user}"));
        let shell = shell(&url, "ALTER TABLE accounts ADD nick text;");
        // With a short limit, a slow machine may not ask on the other connection in time.
        let said = [1, 10, 100].into_iter().find_map(|limit| {
            let limit = format!("--statement-lock-timeout={limit}");
            let output = shell.command(&["migrate", &limit, "--lock-retries=1"]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(6), "{said}");
            (said.contains(terminate) || limit.ends_with("=100")).then_some(said)
        });
        let said = said.unwrap();
        assert!(said.contains(expected) && said.contains(terminate) && !said.contains("hunter2"), "{said}");
        assert_eq!(said.contains("idle in a transaction"), user == "postgres", "{said}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn who_is_in_the_way_is_said_once() {
    let Some(database) = servers::postgres() else { return };
    let mut other = database.connect();
    other.batch_execute("CREATE TABLE accounts (a INT)").unwrap();
    other.batch_execute("BEGIN; SELECT * FROM accounts").unwrap();
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let shell = shell(&postgres_url(&database), "ALTER TABLE accounts ADD nick VARCHAR(9);");
    let mut child = spawn(&shell, &["migrate", "--json"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("waiting for") {
        assert!(errors.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    let line =
        format!("{ID} is waiting for a lock on `accounts`, held by session {pid} of the server, from ");
    assert!(said.contains(&line), "{said}");
    assert!(said.contains(&format!("; `SELECT pg_terminate_backend({pid})` ends it")), "{said}");
    other.batch_execute("COMMIT").unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("waiting for").count(), 1, "{said}");
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let [wait] = &**printed["waits"].as_array().unwrap() else { panic!("{printed}") };
    assert_eq!((&wait["kind"], &wait["lock"]), (&"blocked".into(), &"a lock on `accounts`".into()));
}

/// The statement of a killed client would hold its locks until it has ended, and one that waits would wait for ever.
#[test]
fn a_killed_client_leaves_no_statement_on_the_server() {
    let Some(database) = servers::postgres() else { return };
    let mut other = database.connect();
    other.batch_execute("CREATE TABLE accounts (a INT)").unwrap();
    other.batch_execute("BEGIN; SELECT * FROM accounts").unwrap();
    let mut looking = database.connect();
    let mut is_there = |marker: &str| {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
            AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'";
        let count: i64 = looking.query_one(sql, &[&marker]).unwrap().get(0);
        count > 0
    };
    for (script, marker) in [
        ("LOCK TABLE accounts IN SHARE MODE; SELECT pg_sleep(3600);", "pg_sleep"),
        ("ALTER TABLE accounts ADD nick VARCHAR(9);", "ALTER TABLE accounts"),
    ] {
        let shell = shell(&postgres_url(&database), script);
        let mut child = spawn(&shell, &["migrate"]);
        until("the statement runs", || is_there(marker));
        child.kill().unwrap();
        child.wait().unwrap();
        until("the statement has ended", || !is_there(marker));
    }
    other.batch_execute("COMMIT").unwrap();
}

#[test]
fn a_killed_client_leaves_no_statement_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    let mut other = database.connect();
    other.query_drop("CREATE TABLE accounts (a INT)").unwrap();
    other.query_drop("BEGIN").unwrap();
    let _: Vec<mysql::Row> = other.query("SELECT * FROM accounts").unwrap();
    let mut looking = database.connect();
    let mut is_there = |statement: &str| {
        let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO = ?";
        looking.exec_first::<u64, _, _>(sql, (statement,)).unwrap() != Some(0)
    };
    for statement in ["DO SLEEP(3600)", "ALTER TABLE accounts ADD nick text"] {
        let shell = shell(&mysql_url(&database), &format!("{statement};"));
        let mut child = spawn(&shell, &["migrate", "--table", &statement[..2]]);
        until("the statement runs", || is_there(statement));
        child.kill().unwrap();
        child.wait().unwrap();
        until("the statement has ended", || !is_there(statement));
    }
}

/// What the user sets is left alone.
#[test]
fn a_server_looks_for_its_client_as_often_as_it_is_told() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let script = "CREATE TABLE seen AS SELECT current_setting('client_connection_check_interval') AS it;";
    for (option, expected) in [
        ("", "2s"),
        ("&options=-c%20client_connection_check_interval%3D7s", "7s"),
        ("&options=-c%20client_connection_check_interval%3D0", "0"),
    ] {
        let mut shell = shell(&format!("{url}{option}"), script);
        assert!(shell.run("migrate").status.success(), "{}", shell.log);
        let mut client = database.connect();
        let seen: String = client.query_one("SELECT it FROM seen", &[]).unwrap().get(0);
        assert_eq!(seen, expected, "{option}");
        client.batch_execute("DROP TABLE seen, __switchy_migrations").unwrap();
    }
}
