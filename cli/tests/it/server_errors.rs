//! What the command line says when a server refuses something that is no fault of a script.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

fn shell(url: &str) -> Shell {
    let mut shell = Shell::new();
    shell.hide(url);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.write("migrations/1_t.sql", "CREATE TABLE t (a INT);\n");
    shell
}

#[test]
fn postgres_names_what_is_missing() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let mut shell = shell(&url);
    let mut client = database.connect();
    let name: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    client.batch_execute(&format!("CREATE ROLE {name}")).unwrap();
    let options = format!("{url}&options=-c");
    let poor = format!("{options}role%3D{name}");
    shell.run(&format!("migrate --database-url {poor}"));
    shell.run(&format!("migrate --json --database-url {poor}"));
    shell.run(&format!("migrate --database-url {options}search_path%3Dnosuch"));
    shell.run(&format!("migrate --database-url {options}default_transaction_read_only%3Don"));
    shell.runs(&["migrate --schema nosuch", "migrate"]);
    shell.write("migrations/2_u.sql", "CREATE TABLE u (a INT);\n");
    client.batch_execute(&format!("GRANT SELECT ON __switchy_migrations TO {name}")).unwrap();
    shell.run(&format!("migrate --database-url {poor}"));
    shell.run(&format!("migrate --database-url {options}default_transaction_read_only%3Don"));
    // The script lacks a right, and not the engine.
    client
        .batch_execute(&format!("GRANT ALL ON __switchy_migrations TO {name}; CREATE SCHEMA theirs"))
        .unwrap();
    shell.run(&format!("migrate --database-url {poor}"));
    shell.write("migrations/2_u.sql", "CREATE TABLE theirs.u (a INT);\n");
    shell.run(&format!("migrate --database-url {poor}"));
    client.batch_execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC").unwrap();
    shell.runs(&[&*format!("migrate --database-url {poor}"), &*format!("status --database-url {poor}")]);
    client.batch_execute("GRANT USAGE ON SCHEMA public TO PUBLIC; DROP SCHEMA theirs").unwrap();
    shell.write("migrations/2_u.sql", "DROP SCHEMA public CASCADE;\n");
    shell.run("migrate");
    shell.remove("migrations/2_u.sql");
    shell.write("migrations/2_e.sql", "CREATE TYPE e AS ENUM ('a');\n");
    shell.write("migrations/3_e.sql", "ALTER TYPE e ADD VALUE 'b';\n");
    shell.write("migrations/4_e.sql", "CREATE TABLE e_user (x e DEFAULT 'b');\n");
    shell.run("migrate --batch");
    // What the driver's text suggests is no way out either.
    shell.write("migrations/3_e.toml", "run_in_transaction = false\n");
    shell.run("migrate --batch");
    shell.remove("migrations/3_e.toml");
    shell.runs(&["migrate", "status"]);
    client.batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).unwrap();
    shell.assert("postgres_causes");
}

#[test]
fn mariadb_names_what_is_missing() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = shell(&url);
    let mut conn = database.connect();
    let name: String = conn.query_first("SELECT DATABASE()").unwrap().unwrap();
    conn.query_drop(format!("CREATE USER {name}; GRANT SELECT ON {name}.* TO {name}")).unwrap();
    let poor = url.replace("root@", &format!("{name}@"));
    shell.run(&format!("migrate --database-url {poor}"));
    shell.run(&format!("migrate --database-url {}", url.replace(&format!("/{name}"), "")));
    shell.runs(&["migrate --schema nosuch", "migrate"]);
    shell.write("migrations/2_u.sql", "CREATE TABLE u (a INT);\n");
    shell.run(&format!("migrate --database-url {poor}"));
    // The script lacks a right, and not the engine.
    conn.query_drop(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}")).unwrap();
    shell.run(&format!("migrate --database-url {poor}"));
    shell.write("migrations/2_u.sql", "SET NAMES utf8mb4;\nCREATE TABL u (a INT);\n");
    shell.runs(&["migrate", "status"]);
    shell.write("migrations/2_u.sql", "SET NAMES utf8mb4; CREATE TABL t(a int);\n");
    shell.runs(&["migrate", "status"]);
    shell.write("migrations/2_u.sql", "CREATE TABL t(a int);\n");
    shell.runs(&["migrate", "status"]);
    // A dirty step is corrected in its script, and nothing asks for the old text.
    shell.write("migrations/2_u.sql", "CREATE TABLE u (a INT);\nCREATE TABL v (a INT);\n");
    shell.run("migrate");
    shell.write("migrations/2_u.sql", "CREATE TABLE u (a INT);\nCREATE TABLE v (a INT);\n");
    shell.runs(&["migrate", "validate", "repair retry 2_u --why corrected", "migrate"]);
    conn.query_drop(format!("DROP USER {name}")).unwrap();
    shell.assert("mariadb_causes");
}

/// What a run says in all, while another session holds the lock for this run of seconds.
fn while_waiting(shell: &Shell, seconds: u64) -> String {
    let output = shell.command(&["migrate", "--lock-timeout", &seconds.to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    String::from_utf8(output.stderr).unwrap()
}

/// The lock is held by a run whose statement has a text in it, and which is killed like one of a job that has timed out.
fn says_so_once(url: &str, slow: &str, running: &str, ends: &str, end: impl Fn(&str)) {
    let shell = shell(url);
    shell.write("migrations/1_t.sql", &format!("{slow};\n"));
    let mut holder = shell.command(&["migrate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let said_by_unlock = || {
        let output = shell.command(&["unlock"]).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    while !said_by_unlock().contains(running) {
        thread::sleep(Duration::from_millis(50));
    }
    // The time that a server computes for the beginning of a statement differs by a second now and then.
    let piped = thread::scope(|scope| {
        #[cfg(unix)]
        scope.spawn(|| {
            let line = format!("migrate --lock-timeout 4 --database-url '{url}'");
            let Some((seen, code)) = crate::terminals::typed(&shell, &line, "") else { return };
            assert_eq!((code, seen.matches("waiting for the lock").count()), (6, 1), "{seen}");
            assert!(!seen.contains("hunter2"), "{seen}");
        });
        while_waiting(&shell, 4)
    });
    let waiting: Vec<&str> = piped.lines().filter(|line| line.starts_with("waiting for the lock")).collect();
    assert_eq!(waiting.len(), 1, "{piped}");
    let before = said_by_unlock();
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The session goes on without its client, unless the server has noticed.
    let after = Some(said_by_unlock()).filter(|said| said.contains("session ")).unwrap_or(before);
    for said in [waiting[0], &*piped, &*after] {
        assert!(said.contains("session ") && said.contains(running) && said.contains(ends), "{said}");
        assert!(!said.contains("process") && !said.contains("pid ") && !said.contains("hunter2"), "{said}");
    }
    // The statement that it names ends the session.
    let statement = after.split('`').find(|part| part.starts_with(&ends[1..])).unwrap();
    end(statement);
    while said_by_unlock() != "nobody holds the lock\n" {
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_waits_says_so_once_on_postgres() {
    let Some(database) = servers::postgres() else { return };
    says_so_once(
        // Otherwise the server would end the statement by itself.
        &format!("{}&options=-c%20client_connection_check_interval%3D0", postgres_url(&database)),
        "SELECT pg_sleep(3600), 'hunter2'",
        "running `SELECT pg_sleep(3600), '***'` since ",
        "`SELECT pg_terminate_backend(",
        |sql| drop(database.connect().batch_execute(sql)),
    );
}

#[test]
fn who_waits_says_so_once_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    says_so_once(
        &mysql_url(&database),
        "DO SLEEP(3600), \"hunter2\"",
        "running `DO SLEEP(3600), '***'` since ",
        "`KILL ",
        |sql| drop(database.connect().query_drop(sql)),
    );
}

/// How far a long script is, in a log that asks for it.
#[test]
fn a_long_script_says_how_far_it_is() {
    let Some(database) = servers::postgres() else { return };
    let shell = shell(&postgres_url(&database));
    shell.write("migrations/1_t.sql", &"SELECT pg_sleep(0.6);\n".repeat(12));
    // It is said every five seconds, so a slow machine says it more than once.
    let runs = [("migrate -v", 1..12), ("migrate --table other", 0..1)].map(|(line, expected)| {
        let mut command = shell.command(&line.split(' ').collect::<Vec<_>>());
        (command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap(), expected)
    });
    for (run, expected) in runs {
        let said = String::from_utf8(run.wait_with_output().unwrap().stderr).unwrap();
        let lines =
            said.lines().filter(|line| line.starts_with("applying 1_t, statement ") && line.ends_with("/12"));
        assert!(expected.contains(&lines.count()), "{said}");
    }
}

#[test]
fn the_hint_fits_why_there_is_no_connection() {
    let mut rows = Vec::new();
    let (postgres, mysql) = (servers::postgres(), servers::mysql());
    if let Some(database) = &postgres {
        let url = postgres_url(database);
        let (_, name) = url.split_once(":///").unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default().to_owned();
        if !name.is_empty() {
            let mut client = database.connect();
            client
                .batch_execute(&format!(
                    "CREATE ROLE {name}_app LOGIN; CREATE ROLE {name}_other LOGIN;
                    REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {name}_other"
                ))
                .unwrap();
            let as_user = |user: &str| url.replace("&user=postgres", &format!("&user={user}"));
            rows.push((
                url.replace(&name, "nodb"),
                "create the database, or check its name in the address".to_owned(),
            ));
            rows.push((as_user("nobody_here"), "check the user and the password in the address".to_owned()));
            // It may connect, and may not become that role.
            rows.push((
                format!("{}&options=-crole%3Dpostgres", as_user(&format!("{name}_other"))),
                "see what the server says".to_owned(),
            ));
            rows.push((
                as_user(&format!("{name}_app")),
                format!("run `GRANT CONNECT ON DATABASE \"{name}\" TO \"{name}_app\"` as its owner"),
            ));
        }
    }
    if let Some(database) = &mysql {
        let url = mysql_url(database);
        let mut conn = database.connect();
        let name: String = conn.query_first("SELECT DATABASE()").unwrap().unwrap();
        conn.query_drop(format!("CREATE USER {name}_app IDENTIFIED BY 'right'; CREATE USER {name}_full; GRANT ALL ON {name}.* TO {name}_full")).unwrap();
        conn.query_drop(format!("ALTER USER {name}_full WITH MAX_USER_CONNECTIONS 1")).unwrap();
        let as_user = |user: &str| url.replace("root@", &format!("{user}@"));
        rows.push((
            url.replace(&format!("/{name}?"), "/nodb?"),
            "create the database, or check its name in the address".to_owned(),
        ));
        rows.push((
            as_user(&format!("{name}_app:wrong")),
            "check the user and the password in the address".to_owned(),
        ));
        rows.push((
            as_user(&format!("{name}_app:right")),
            "check the name of the database in the address, and that its user has a right in it (GRANT ... ON DATABASE.* TO ...)".to_owned(),
        ));
        let full = as_user(&format!("{name}_full"));
        let held = mysql::Conn::new(&*full).unwrap();
        let said = said_of(&full);
        assert!(
            said.ends_with("; try again when other connections have ended, or let the server accept more; to wait for it, use --wait"),
            "{said}"
        );
        drop(held);
    }
    for scheme in ["postgres", "mysql"] {
        rows.push((
            format!("{scheme}://it@127.0.0.1:1/it"),
            "check that the server runs, and the host and port in the address".to_owned(),
        ));
        rows.push((format!("{scheme}://it@nowhere.invalid/it"), "check the host in the address".to_owned()));
    }
    for (url, hint) in rows {
        let said = said_of(&url);
        let without_waiting = said.trim_end_matches("; to wait for it, use --wait");
        assert!(without_waiting.ends_with(&format!("; {hint}")), "{hint}: {said}");
        assert!(!said.contains("Error {") && !said.contains("FATAL") && !said.contains("right@"), "{said}");
    }
}

fn said_of(url: &str) -> String {
    let shell = shell(url);
    let output = shell.command(&["migrate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{url}");
    String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
}
