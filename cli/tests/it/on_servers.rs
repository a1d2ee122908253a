//! The main commands on PostgreSQL and MariaDB.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use mysql::prelude::Queryable;
use switchy_schema::{Backend, BoxError, Migration, MigrationRunner, Mysql, Postgres};

use crate::servers::{self, MysqlDatabase, PostgresDatabase};
use crate::shell::Shell;

/// The URL of a test database.
pub(crate) fn postgres_url(database: &PostgresDatabase) -> String {
    if database.url.contains("://") {
        return database.url.clone();
    }
    let word = |name: &str| {
        let words = database.url.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back().unwrap().to_owned()
    };
    format!("postgres:///{}?host={}&user={}", word("dbname"), word("host"), word("user"))
}

pub(crate) fn mysql_url(database: &MysqlDatabase) -> String {
    database.url.clone()
}

fn of_server(url: &str) -> Shell {
    let mut shell = Shell::new();
    shell.hide(url);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.migration(
        "2025-01-01-000000_users",
        "CREATE TABLE users (name VARCHAR(40));\nINSERT INTO users VALUES ('Ada');",
        Some("DROP TABLE users;"),
    );
    shell.migration(
        "2025-01-02-000000_email",
        "ALTER TABLE users ADD email VARCHAR(40);",
        Some("ALTER TABLE users DROP COLUMN email;"),
    );
    shell
}

fn main_path(shell: &mut Shell) {
    shell.runs(&[
        "status --exit-code",
        "plan",
        "migrate --steps 1",
        "migrate",
        "status --exit-code",
        "migrate",
        "status --json",
    ]);
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO note VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.runs(&["migrate", "status --exit-code"]);
}

fn rest(shell: &mut Shell) {
    shell.runs(&[
        "status --exit-code",
        "rollback --dry-run",
        "rollback",
        "redo",
        "validate",
        "history",
        "graph",
        "unlock",
        "repair forget 2025-01-02-000000_email --why 'trying it'",
        "repair assume 2025-01-02-000000_email",
        "rollback --all -y",
        "status --exit-code",
    ]);
}

#[test]
fn the_main_path_on_postgres() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    main_path(&mut shell);
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO notes VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.run("migrate");
    rest(&mut shell);
    shell.assert("postgres");
}

#[test]
fn the_main_path_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    main_path(&mut shell);
    // The statements that are done stay, and the next run resumes after them.
    shell.migration(
        "2025-01-03-000000_notes",
        "CREATE TABLE notes (a INT);\n\nINSERT INTO notes VALUES (1);\n",
        Some("DROP TABLE notes;"),
    );
    shell.runs(&["migrate", "repair retry 2025-01-03-000000_notes --why corrected", "migrate"]);
    rest(&mut shell);
    shell.assert("mariadb");
}

/// A step that says something, one that would lose rows, and one that says something before it fails.
fn what_is_said(shell: &mut Shell, says: &str) {
    shell.migration("2025-01-02-000000_email", says, None);
    shell.run("migrate -v");
    let rebuild = "DROP TABLE users;\nCREATE TABLE users (name VARCHAR(40));\n";
    shell.migration("2025-01-03-000000_rebuild", rebuild, None);
    shell.run("migrate");
    shell.remove("migrations/2025-01-03-000000_rebuild");
    shell.migration("2025-01-04-000000_fails", &format!("{says}\nSELECT nothing;"), None);
    shell.run("migrate --json");
}

#[test]
fn what_postgres_says_is_shown() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    let says = "CREATE TABLE IF NOT EXISTS users (a INT);\n\nDO $$ BEGIN RAISE WARNING 'three rows were skipped'; END $$;";
    what_is_said(&mut shell, says);
    shell.assert("postgres_says");
}

#[test]
fn what_mariadb_warns_of_is_shown() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    let says = "SET sql_mode = '';\nCREATE TABLE IF NOT EXISTS users (a INT);\nINSERT INTO users VALUES (REPEAT('long ', 9));";
    what_is_said(&mut shell, says);
    shell.assert("mariadb_says");
}

/// What a server says of the statements of `script`: always its warnings, with `-v` also its notices, and both in JSON.
fn says(url: &str, script: &str, warnings: &[&str], notices: &[&str], clear: &mut dyn FnMut()) {
    let shell = of_server(url);
    shell.remove("migrations/2025-01-01-000000_users");
    shell.remove("migrations/2025-01-02-000000_email");
    shell.write("migrations/1_it.sql", script);
    let mut output = |table: &str, more: &str| {
        clear();
        let line = format!("migrate --table {table}{more}");
        let output = shell.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let has = |said: &str, expected: &[&str]| expected.iter().all(|it| said.contains(it));
    let [_, said] = output("quiet", "");
    assert!(has(&said, warnings) && notices.iter().all(|it| !said.contains(it)), "{said}");
    assert!(said.contains("note: ") && said.contains("migrations/1_it.sql:1:"), "{said}");
    let [_, said] = output("loud", " -v");
    assert!(has(&said, warnings) && has(&said, notices), "{said}");
    let [said, _] = output("json", " --json");
    assert!(has(&said, warnings) && has(&said, notices), "{said}");
    shell.write("migrations/1_it.sql", &format!("{}; SELECT nothing;", script.trim_end_matches([';', '\n'])));
    let [_, said] = output("failing", "");
    assert!(has(&said, warnings), "{said}");
    let [said, _] = output("failing_json", " --json");
    assert!(has(&said, warnings) && has(&said, notices), "{said}");
}

#[test]
fn warnings_of_a_server_are_always_shown_and_its_notices_on_request() {
    if let Some(database) = servers::postgres() {
        says(
            &postgres_url(&database),
            "DO $$ BEGIN RAISE NOTICE 'checked % rows', 42; RAISE WARNING 'three rows were skipped'; END $$;\n",
            &["three rows were skipped"],
            &["checked 42 rows"],
            &mut || (),
        );
    }
    if let Some(database) = servers::mysql() {
        let mut conn = database.connect();
        says(
            &mysql_url(&database),
            "SET sql_mode=''; CREATE TABLE t(a varchar(3), b int); INSERT INTO t VALUES ('abcdef', 'xyz');\n",
            &["Data truncated for column 'a' at row 1", "Incorrect integer value: 'xyz'"],
            &[],
            &mut || conn.query_drop("DROP TABLE IF EXISTS t").unwrap(),
        );
    }
}

/// A runner whose migration waits until the test ends it.
fn holding<B: Backend>() -> (MigrationRunner<B>, std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (begun, has_begun) = channel();
    let (end, ended) = channel();
    let ended = Mutex::new(ended);
    let slow = Migration::<B>::function("2025-01-01-000000_users", move |_| {
        begun.send(())?;
        ended.lock().unwrap().recv()?;
        Err::<(), BoxError>("that is all".into())
    });
    (MigrationRunner::for_backend([slow]).unwrap(), has_begun, end)
}

fn while_held(shell: &mut Shell) {
    shell.runs(&["unlock", "migrate --lock-timeout 0", "unlock --json"]);
}

#[test]
fn postgres_tells_who_holds_the_lock() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    let (runner, has_begun, end) = holding::<Postgres>();
    let mut client = database.connect();
    let holder = thread::spawn(move || runner.run(&mut client).map(drop));
    has_begun.recv().unwrap();
    while_held(&mut shell);
    end.send(()).unwrap();
    holder.join().unwrap().unwrap_err();
    shell.run("unlock");
    shell.assert("postgres_locked");
}

#[test]
fn mariadb_tells_who_holds_the_lock() {
    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    let (runner, has_begun, end) = holding::<Mysql>();
    let mut conn = database.connect();
    let holder = thread::spawn(move || runner.run(&mut conn).map(drop));
    has_begun.recv().unwrap();
    while_held(&mut shell);
    end.send(()).unwrap();
    holder.join().unwrap().unwrap_err();
    shell.run("unlock");
    shell.assert("mariadb_locked");
}

/// The first run creates the tracking table; commands that only read do not.
#[test]
fn whoever_only_reads_makes_no_table_on_a_server() {
    const READING: [&str; 9] = [
        "status",
        "plan",
        "migrate --dry-run",
        "rollback --dry-run",
        "validate",
        "history",
        "graph",
        "unlock",
        "list",
    ];
    if let Some(database) = servers::postgres() {
        let mut shell = of_server(&postgres_url(&database));
        shell.runs(&READING);
        let sql = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'";
        let count: i64 = database.connect().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(count, 0, "{}", shell.log);
    }
    if let Some(database) = servers::mysql() {
        use mysql::prelude::Queryable;
        let mut shell = of_server(&mysql_url(&database));
        shell.runs(&READING);
        let tables: Vec<String> = database.connect().query("SHOW TABLES").unwrap();
        assert_eq!(tables, [""; 0], "{}", shell.log);
    }
}

/// psql accepts this: a user, no host, and the folder of the socket as an option.
#[test]
fn the_folder_of_a_socket_may_stand_behind_a_user_without_a_host() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let Some((name, options)) = url.strip_prefix("postgres:///").and_then(|rest| rest.split_once('?')) else {
        return;
    };
    let option = |key: &str| {
        let pairs = options.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(found, _)| *found == key).map(|(_, value)| value).next_back().unwrap().to_owned()
    };
    let (host, user) = (option("host"), option("user"));
    for (place, url) in [
        format!("postgres://{user}@/{name}?host={host}"),
        format!("postgresql://{user}:@/{name}?host={host}"),
        format!("postgres://{}/{name}?user={user}", host.replace('/', "%2F")),
        format!("postgres://{user}@{}/{name}", host.replace('/', "%2F")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut shell = Shell::new();
        shell.hide(&url);
        shell.migration("2025-01-01-000000_it", "CREATE TABLE a (b INT)", None);
        let output = shell.run(&format!("status --database-url {url} --table t{place}"));
        assert!(output.status.success(), "{url}: {}", shell.log);
    }
}

/// What is being written is tried again and again, also where a failed attempt stays half applied.
#[test]
fn an_edited_migration_is_run_again_on_mariadb() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = Shell::new();
    shell.set("SWITCHY_DATABASE_URL", &url);
    let mut check = |up: &str, lines: &[(&str, i32)]| {
        shell.migration("2025-01-01-000000_a", up, Some("DROP TABLE a;"));
        for (line, code) in lines {
            assert_eq!(shell.run(line).status.code(), Some(*code), "{}", shell.log);
        }
    };
    check("CREATE TABLE a (b INT);", &[("migrate", 0)]);
    let development = "redo --policy development";
    check("CREATE TABLE a (b INT, c INT);", &[("redo", 4), (development, 0), ("status --exit-code", 0)]);
    check("CREATE TABLE a (b INT); INSRT INTO a VALUES (1);", &[(development, 1), ("status --exit-code", 7)]);
    let corrected = "CREATE TABLE a (b INT); INSERT INTO a VALUES (1);";
    check(corrected, &[(development, 7), ("repair retry 2025-01-01", 0), ("migrate", 0), ("redo", 0)]);
}

/// Objects belong to the role that all deploys share, and not to the user that connects.
#[test]
fn another_role_can_run_the_migrations() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let mut client = database.connect();
    let owner: String = client.query_one("SELECT current_database() || '_owner'", &[]).unwrap().get(0);
    client.batch_execute(&format!("CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}")).unwrap();
    for (url, line) in [
        (format!("{url}&options=-c%20role%3D{owner}"), "migrate".to_owned()),
        (url, format!("migrate --session-sql 'SET ROLE {owner}'")),
    ] {
        let mut shell = of_server(&url);
        assert!(shell.run(&line).status.success(), "{}", shell.log);
        let owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'";
        let owners: Vec<String> = client.query(owners, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(owners, [&*owner], "{}", shell.log);
        assert!(shell.run(&line.replace("migrate", "rollback --all -y")).status.success(), "{}", shell.log);
    }
    client.batch_execute(&format!("DROP OWNED BY {owner}; DROP ROLE {owner}")).unwrap();
}

/// Some public sets rely on settings that their own tool makes in the session before it runs them.
#[test]
fn statements_for_the_session_run_before_anything_else() {
    if let Some(database) = servers::mysql() {
        let url = mysql_url(&database);
        let mut shell = Shell::new();
        shell.hide(&url);
        shell.set("SWITCHY_DATABASE_URL", &url);
        let script = "CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES p (id)) ENGINE=InnoDB;
            INSERT INTO c VALUES (1); CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB;";
        shell.migration("2025-01-01-000000_it", script, None);
        assert!(!shell.run("migrate").status.success(), "{}", shell.log);
        let mut shell = Shell::new();
        shell.hide(&url);
        shell.set("SWITCHY_DATABASE_URL", &url);
        shell.migration("2025-01-01-000000_it", script, None);
        let line = "migrate --table other --session-sql 'SET FOREIGN_KEY_CHECKS = 0; SET UNIQUE_CHECKS = 0'";
        assert!(shell.run(line).status.success(), "{}", shell.log);
    }
    if let Some(database) = servers::postgres() {
        let url = postgres_url(&database);
        let mut shell = Shell::new();
        shell.hide(&url);
        shell.write(
            "switchy-schema.toml",
            &format!(
                "database-url = \"{url}\"\nsession-sql = [\"CREATE SCHEMA IF NOT EXISTS app\", \"SET search_path = app\"]\n"
            ),
        );
        shell.migration("2025-01-01-000000_it", "CREATE TABLE a (b INT)", Some("DROP TABLE app.a"));
        assert!(shell.run("migrate").status.success(), "{}", shell.log);
        let output = shell.run("status --exit-code");
        assert!(output.status.success(), "the records are looked for in the same place: {}", shell.log);
        assert!(shell.run("rollback -y").status.success(), "the table is in the schema: {}", shell.log);
        let output = shell.run("status --session-sql 'SELEKT 1'");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("the session statement `SELEKT 1` failed: "), "{said}");
        // As an option in the address, as psql accepts it.
        let options = "options=-c%20search_path%3Dapp";
        let output = shell.run(&format!("migrate --database-url {url}&{options}"));
        assert!(output.status.success(), "{}", shell.log);
        assert!(shell.run("rollback -y").status.success(), "{}", shell.log);
    }
}

/// What is checked of the schema of a server: it has the objects and not those of the engine, and rows and time do not change it.
fn schema_of(shell: &mut Shell, fill: &mut dyn FnMut()) {
    let run = |shell: &Shell, line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        let output = shell.command(&args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(run(shell, "migrate").0, Some(0));
    let (code, schema, said) = run(shell, "schema");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    for part in ["CREATE TABLE", "users", "notes", "CREATE VIEW", "by_name"] {
        assert!(schema.contains(part), "{part} is not in\n{schema}");
    }
    for part in ["__switchy", "restrict", "Dumped", "DEFINER=`", "AUTO_INCREMENT=", "ada"] {
        assert!(!schema.contains(part), "{part} is in\n{schema}");
    }
    assert_eq!(run(shell, "schema --write schema.sql").0, Some(0));
    fill();
    let (code, diff, _) = run(shell, "schema --check schema.sql");
    assert_eq!((code, diff.as_str()), (Some(0), ""));
    shell.migration("2025-01-04-000000_later", "ALTER TABLE notes ADD later INT;", None);
    assert_eq!(run(shell, "migrate").0, Some(0));
    let (code, diff, _) = run(shell, "schema --check schema.sql");
    assert_eq!(code, Some(4));
    assert!(diff.contains("later"), "{diff}");

    // A wrong address is an error that shows no password.
    let url = "://nobody:hunter2secret@127.0.0.1:1/nothing";
    let url = if schema.contains("ENGINE=") { format!("mysql{url}") } else { format!("postgres{url}") };
    let output = shell.command(&["schema", "--database-url", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2secret"));

    // Without the program of the server.
    let empty = shell.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = shell.command(&["schema"]).env("PATH", empty).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("which writes the schema, is not installed; install the client programs of"),
        "{said}"
    );
}

#[test]
fn the_schema_of_postgres_is_the_same_until_it_is_changed() {
    let Some(database) = servers::postgres() else { return };
    let mut shell = of_server(&postgres_url(&database));
    let script =
        "CREATE TABLE notes (id serial PRIMARY KEY, text TEXT); CREATE INDEX by_name ON users (name);
        CREATE VIEW names AS SELECT name FROM users;";
    shell.migration("2025-01-03-000000_notes", script, None);
    let mut fill =
        || database.connect().batch_execute("INSERT INTO notes (text) VALUES ('a'), ('b')").unwrap();
    schema_of(&mut shell, &mut fill);

    let output = shell.command(&["drift"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    database.connect().batch_execute("DROP INDEX by_name").unwrap();
    assert_eq!(shell.command(&["drift"]).output().unwrap().status.code(), Some(4));
    assert_eq!(shell.command(&["drift", "--repair"]).output().unwrap().status.code(), Some(0));
}

#[test]
fn the_schema_of_mariadb_is_the_same_until_it_is_changed() {
    use mysql::prelude::Queryable;

    let Some(database) = servers::mysql() else { return };
    let mut shell = of_server(&mysql_url(&database));
    let script = "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(9)); CREATE INDEX by_name ON users (name);
        CREATE VIEW names AS SELECT name FROM users;";
    shell.migration("2025-01-03-000000_notes", script, None);
    let mut fill = || database.connect().query_drop("INSERT INTO notes (text) VALUES ('a'), ('b')").unwrap();
    schema_of(&mut shell, &mut fill);

    let output = shell.command(&["drift"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("drift cannot be determined: MySQL commits"));
}
