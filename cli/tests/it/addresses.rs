//! The forms of an address, the environment that completes it, and the schema of the history.

use std::fs;
use std::process::Output;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers::{self, PostgresDatabase};
use crate::shell::Shell;
use crate::waiting::{Answer, answering};

/// The value of a keyword in the address of a test database.
fn word(database: &PostgresDatabase, name: &str) -> String {
    let url = postgres_url(database);
    match name {
        "dbname" => url.split(['/', '?']).nth(3).unwrap().to_owned(),
        name => {
            let pairs = url.split_once('?').unwrap().1.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap()
        }
    }
}

fn with_migration() -> Shell {
    let shell = Shell::new();
    shell.migration("2025-01-01-000000_a", "CREATE TABLE a (b INT);", Some("DROP TABLE a;"));
    shell
}

#[track_caller]
fn succeeds(shell: &mut Shell, line: &str) {
    let output = shell.run(line);
    assert!(output.status.success(), "{}", shell.log);
}

/// Asserts that a command on this address succeeds. On a slow machine, the server may need longer than the limit in the address, so the
/// command is then repeated a few times.
pub(crate) fn opens(address: &str, run: impl Fn() -> Output) {
    let mut output = run();
    for _ in 0..20 {
        if output.status.success() || !address.contains("connect_timeout") {
            break;
        }
        output = run();
    }
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Each of these was refused: psql and other tools accept them.
#[test]
fn every_form_of_libpq_opens_a_postgres_database() {
    let Some(database) = servers::postgres() else { return };
    let (host, name, user) = (word(&database, "host"), word(&database, "dbname"), word(&database, "user"));
    let encoded = host.replace('/', "%2F");
    let shell = with_migration();
    let silent = answering(Answer::Nothing);
    for address in [
        format!("postgres://{user}@/{name}?host={host}&port=5432"),
        // Each host has its own time.
        format!(
            "postgres://{user}@127.0.0.1:{silent},127.0.0.1:{silent},127.0.0.1:{silent},{encoded}:5432/{name}?connect_timeout=1"
        ),
        format!(
            "postgres://{user}@localhost:{silent},{encoded}:5432/{name}?connect_timeout=1&load_balance_hosts=random"
        ),
        format!("postgres://{user}@:5432/{name}?host={encoded}"),
        format!("postgres:///{name}?host={host}&user={user}"),
        format!("postgresql://{user}@{encoded}/{name}"),
        format!("postgresql://{user}@{encoded}:5432/{name}?sslmode=disable&client_encoding=UTF8"),
        format!("postgres://?host={host}&user={user}&dbname={name}"),
        format!(
            "postgres://{user}@127.0.0.1:1,{encoded}:5432/{name}?target_session_attrs=read-write&connect_timeout=2"
        ),
        format!("postgres://{user}@/{name}?host=127.0.0.1,{host}&port=1,5432&target_session_attrs=any"),
        format!("  postgres://{user}@{encoded}/{name}\n"),
        format!("postgres://{user}@{encoded}/{name}?target_session_attrs=read-write"),
        format!("Postgres://{user}@{encoded}/{name}?"),
        format!("postgres://{user}:@{encoded}/{name}?sslmode=allow&ssl=true&sslmode=disable"),
        format!("host={host} dbname={name} user={user}"),
        format!("host = '{host}' dbname='{name}' user={user} application_name='it\\'s me'"),
        format!("user={user} dbname={name} port=1,5432 host=127.0.0.1,{host} connect_timeout=2"),
    ] {
        opens(&address, || shell.command(&["migrate", "--database-url", &address]).output().unwrap());
    }
    // Without a name it is the database of the user, which all tests share.
    let address = format!("postgres://{user}@{encoded}");
    let output = shell.command(&["database", "exists", "--database-url", &address]).output().unwrap();
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    // A server that lets all sessions write is not what this asks for.
    let address = format!("postgres://{user}@{encoded}/{name}?target_session_attrs=read-only");
    let said = shell.command(&["status", "--database-url", &address]).output().unwrap().stderr;
    assert!(String::from_utf8_lossy(&said).contains("database is not read only"), "{said:?}");
}

#[test]
fn the_environment_completes_an_address_as_in_libpq() {
    let Some(database) = servers::postgres() else { return };
    let (host, name, user) = (word(&database, "host"), word(&database, "dbname"), word(&database, "user"));
    let check = |set: &dyn Fn(&mut Shell), address: &str, expected: &str| {
        let mut shell = with_migration();
        set(&mut shell);
        let args = ["migrate", "-v", "--database-url", address];
        let output = shell.command(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{address}: {said}");
        let output = shell.command(&["config", "--database-url", address]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{address}: {said}");
    };
    let all = |shell: &mut Shell| {
        for (variable, value) in [("PGHOST", &host), ("PGDATABASE", &name), ("PGUSER", &user)] {
            shell.set(variable, value);
        }
        shell.set("PGPORT", "5432");
        shell.set("PGCONNECT_TIMEOUT", "5");
    };
    check(
        &all,
        "postgres://",
        "the address is completed by PGHOST, PGPORT, PGUSER, PGDATABASE, PGCONNECT_TIMEOUT",
    );
    // What the address has wins.
    let wrong = |shell: &mut Shell| {
        shell.set("PGHOST", "nowhere.invalid");
        shell.set("PGDATABASE", "nothing");
        shell.set("PGUSER", "nobody");
    };
    check(&wrong, &format!("postgres:///{name}?host={host}&user={user}"), "no configuration file");
    // A service wins over the environment too.
    let service = |shell: &mut Shell| {
        wrong(shell);
        shell.write(
            "services",
            &format!("# ours\n[other]\nhost=x\n[mine]\nhost={host}\ndbname={name}\nuser={user}\n"),
        );
        shell.set("PGSERVICEFILE", "services");
    };
    check(&service, "postgres://?service=mine", "completed by service mine in services");
    check(&service, "service=mine", "completed by service mine in services");
    let by_variable = |shell: &mut Shell| {
        service(shell);
        shell.set("PGSERVICE", "mine");
    };
    check(&by_variable, "postgres://", "completed by service mine in services");
    // The file `.env`, whose variables do not hide those of the process.
    let env_file = |shell: &mut Shell| {
        let text = format!(
            "# ours\nOTHER=a b 'c\nPGHOST=nowhere.invalid\nexport PGDATABASE=\"{name}\"\nPGUSER='{user}'\n"
        );
        shell.write(".env", &text);
        shell.set("PGHOST", &host);
    };
    check(&env_file, "postgres://", "completed by PGHOST, PGUSER in .env, PGDATABASE in .env");
}

#[test]
fn options_of_the_environment_reach_the_session() {
    let Some(database) = servers::postgres() else { return };
    let url = postgres_url(&database);
    let mut shell = Shell::new();
    shell.migration(
        "2025-01-01-000000_a",
        "CREATE SCHEMA x; CREATE TABLE x.seen AS SELECT current_setting('lock_timeout') AS t, current_setting('application_name') AS n;",
        None,
    );
    shell.set("DATABASE_URL", &url);
    shell.set("PGOPTIONS", "-c lock_timeout=7s");
    shell.set("PGAPPNAME", "ours");
    succeeds(&mut shell, "migrate");
    let row = database.connect().query_one("SELECT t, n FROM x.seen", &[]).unwrap();
    assert_eq!((row.get(0), row.get(1)), ("7s", "ours"));
    succeeds(&mut shell, "schema");
}

/// A server that asks for a password.
#[test]
fn a_password_comes_from_the_environment_or_a_file_that_only_the_user_may_read() {
    let Some(server) = servers::own_postgres() else { return };
    let hba = server.folder().join("data/pg_hba.conf");
    server.connect().batch_execute("CREATE ROLE ada LOGIN SUPERUSER PASSWORD 'hunter2:x'").unwrap();
    fs::write(&hba, "local all app trust\nlocal all all scram-sha-256\n").unwrap();
    server.connect().batch_execute("SELECT pg_reload_conf()").unwrap();
    let folder = server.folder().display().to_string();
    let url = format!("postgres://ada@/postgres?host={folder}");
    let run = |shell: &Shell, line: &[&str]| {
        let output = shell.command(&[line, &["--database-url", &url]].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let all = format!("{}{said}", String::from_utf8_lossy(&output.stdout));
        assert!(!all.contains("hunter2"), "{all}");
        (output.status.code().unwrap(), said)
    };
    let set = |name: &str, value: &str| {
        let mut shell = with_migration();
        shell.set(name, value);
        shell
    };
    let wait = std::time::Instant::now();
    while run(&with_migration(), &["status"]).0 == 0 {
        assert!(wait.elapsed() < servers::PATIENCE, "the server does not ask for a password");
    }
    let shell = set("PGPASSWORD", "hunter2:x");
    assert_eq!(run(&shell, &["migrate", "-v"]).0, 0);
    assert_eq!(run(&shell, &["schema"]).0, 0);
    let shell = set("PGPASSWORD", "hunter2:wrong");
    // A wrong password does not become right by waiting.
    let (code, said) = run(&shell, &["status", "--wait", "60"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("password authentication failed") && !said.contains("--wait"), "{said}");

    let shell = set("PGPASSFILE", "passwords");
    shell.write("passwords", &format!("other:*:*:*:no\n{folder}:5432:*:ada:hunter2\\:x\n"));
    let (code, said) = run(&shell, &["status"]);
    assert_eq!(code, 1);
    assert!(said.contains("is not read, since other users may read it; run chmod 600"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(shell.path().join("passwords"), fs::Permissions::from_mode(0o600)).unwrap();
        let (code, said) = run(&shell, &["status", "-v"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(run(&shell, &["schema"]).0, 0);
        // The same file at its usual place.
        let mut shell = with_migration();
        shell.write(".pgpass", "*:*:*:*:hunter2\\:x\n");
        fs::set_permissions(shell.path().join(".pgpass"), fs::Permissions::from_mode(0o600)).unwrap();
        let home = shell.path().display().to_string();
        shell.set("HOME", &home);
        assert_eq!(run(&shell, &["status"]).0, 0);
    }
}

#[test]
fn every_form_of_the_mysql_client_opens_a_mysql_database() {
    use mysql::prelude::Queryable;

    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let (base, socket) = url.split_once("?socket=").unwrap();
    let name = base.rsplit_once('/').unwrap().1;
    let mut shell = with_migration();
    for address in [
        format!("mysql://root@localhost/{name}?unix_socket={socket}"),
        format!("mariadb://root@/{name}?socket={socket}&charset=utf8mb4"),
        format!("{url}&collation=utf8mb4_unicode_ci"),
        format!("mysql://root@localhost/{name}?socketPath={socket}"),
        format!("mysql://root@localhost/{name}?localSocket={socket}&charset=utf8"),
        format!("MySQL://root:@localhost/{name}?sock={socket}"),
        format!("mysql://root@localhost/{name}?host={socket}"),
        format!("mysql://root@{}/{name}", socket.replace('/', "%2F")),
        format!("mysql:///{name}?user=root&unix-socket={socket}"),
        format!("{url}&lock_wait_timeout=7&sql_mode=ANSI"),
    ] {
        let output = shell.command(&["migrate", "--database-url", &address]).output().unwrap();
        assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // The variables hold in the session of the migrations.
    shell.migration(
        "2025-01-02-000000_b",
        "CREATE TABLE seen AS SELECT @@lock_wait_timeout AS t, @@sql_mode AS m;",
        None,
    );
    succeeds(
        &mut shell,
        &format!("migrate --database-url {url}&lock_wait_timeout=7&sql_mode=ANSI,STRICT_ALL_TABLES"),
    );
    let (timeout, mode): (u64, String) =
        database.connect().query_first("SELECT t, m FROM seen").unwrap().unwrap();
    assert!(timeout == 7 && mode.contains("ANSI") && mode.contains("STRICT_ALL_TABLES"), "{timeout} {mode}");
    // The environment, for the same server.
    let mut shell = with_migration();
    shell.set("MYSQL_UNIX_PORT", socket);
    succeeds(&mut shell, &format!("status --database-url mysql://root@/{name}"));
    succeeds(&mut shell, &format!("schema --database-url mysql://root@localhost/{name}"));
    let mut shell = with_migration();
    shell.hide(&url);
    for option in ["lock_wait_timeot=1", "lock_wait_timeout=x", "port_open=1", "max_connections=5"] {
        shell.run(&format!("status --database-url {url}&{option}"));
    }
    shell.assert("mysql_variables");
}

#[test]
fn what_an_address_cannot_be_is_said_with_what_it_can_be() {
    let mut shell = with_migration();
    shell.set("HOME", "nowhere");
    for address in [
        "\"postgres://db/app\"",
        "DATABASE_URL=postgres://db/app",
        "postgresql+asyncpg://db/app",
        "jdbc:postgresql://db/app",
        "mysql://root@tcp(127.0.0.1:33911)/a",
        "mysql://root@unix(/run/mysqld.sock)/a",
        "root:hunter2@tcp(127.0.0.1:3306)/a",
        "mysql://a,b/app",
        "pgx5://db/app",
        "mysql+unix://root@localhost/app",
        "postgres:db/app",
        "postgres://u@::1:5432/app",
        "postgres://u@[fe80::1%25eth0]:5432/app",
        "postgres://u@db:99999/app",
        "postgres://u@db:0/app",
        "postgres://u@/var/run/postgresql/app",
        "postgres://u@db/app/",
        "mysql://u@/run/mysqld/mysqld.sock/app",
        "mysql://u:hunter2#x@db/app",
        "mysql://u:hunter2/x@db/app",
        "postgres://u:hunter2?x@db/app",
        "mysql://db/app?ssl=true",
        "mysql://db/app?useSSL=false",
        "mysql://db/app?tls=skip-verify",
        "mysql://db/app?ssl-mode=PREFERRED",
        "postgres://db/app?ssl=false",
        "postgres://db/app?sslmode=no-verify",
        "mysql://db/app?parseTime=true",
        "mysql://db/app?charset=latin1",
        "mysql://db/app?autocommit=0",
        "mysql://db:x/app",
        "postgres://db/app?schema=public",
        "postgres://db/app?search_path=x",
        "postgres://db/app?pgbouncer=true",
        "postgres://db/app?sslcert=x",
        "postgres://db/app?target_session_attrs=prefer-standby",
        "sqlite://app.db?mode=rwc",
        "app.db?mode=rwc",
        "file:app.db?mode=ro",
        "postgres://db/app?hostaddr=db",
        "postgres://a,b/app?port=1,2,3",
        "postgres://a/app?hostaddr=::1,::2",
        "postgres://db/app?password=a&hunter2=b",
        "postgres://db/app?service=none",
        "host=db password=a hunter2",
        "host=db password=a hunter2=b",
        "host=db nonsense=1",
        "host=db dbname='app",
    ] {
        let output = shell.command(&["status", "--database-url", address]).output().unwrap();
        shell.note(&format!("status --database-url {address}"), &output);
        assert_eq!(output.status.code(), Some(2), "{}", shell.log);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{}", shell.log);
    }
    // The environment is named where it is wrong.
    for (name, value) in [
        ("PGPORT", "x"),
        ("PGSSLMODE", "maybe"),
        ("PGREQUIREAUTH", "none"),
        ("PGSERVICE", "a"),
        ("PGHOSTADDR", "localhost"),
        ("MYSQL_TCP_PORT", "0"),
    ] {
        let mut other = Shell::new();
        other.set("HOME", "nowhere");
        other.set(name, value);
        let url = if name.starts_with("MYSQL") { "mysql://db/app" } else { "postgres:///app" };
        let output = other.command(&["status", "--database-url", url]).output().unwrap();
        shell.note(&format!("status with {name}={value}"), &output);
        assert_eq!(output.status.code(), Some(2), "{}", shell.log);
    }
    let mut other = with_migration();
    other.set("PGHOST", "db");
    let output = other.run("status");
    shell.note("status with PGHOST=db and no address", &output);
    shell.assert("address_forms");
}

#[test]
fn the_file_env_names_the_database() {
    let mut shell = Shell::new();
    shell.migration("2025-01-01-000000_a", "CREATE TABLE a (b INT);", None);
    shell.write(
        ".env",
        "\u{feff}# of the application\nSECRET=a b'c\nNOTE=don't\nDATABASE_URL=sqlite:app.db\nSWITCHY_MIGRATION_TABLE=history\n",
    );
    shell.runs(&["config", "migrate", "status --no-env-file"]);
    shell.set("DATABASE_URL", "sqlite:other.db");
    shell.run("config");
    shell.write(".env", "DATABASE_URL=postgres://u:hunter2 x@db/app\n");
    shell.run("config --no-env-file");
    assert_eq!(shell.run("config").status.code(), Some(2));
    assert!(!shell.log.contains("hunter2"), "{}", shell.log);
    // Where an address comes from that is no address.
    shell.write("switchy-schema.toml", "database-url = 'oracle://u:hunter2@db/app'\n");
    shell.remove(".env");
    for (name, value) in
        [("DATABASE_URL", " "), ("DATABASE_URL", "oracle://u:hunter2@db/app"), ("DATABASE_URL", "")]
    {
        shell.set(name, value);
        assert_eq!(shell.run("status").status.code(), Some(2));
    }
    shell.remove("switchy-schema.toml");
    assert_eq!(shell.run("status").status.code(), Some(2));
    assert!(!shell.log.contains("hunter2"), "{}", shell.log);
    shell.assert("env_file");
}

/// The spellings of a line that programs and editors write.
#[test]
fn every_spelling_of_a_line_in_the_file_env_is_read() {
    let url = "sqlite:named.db";
    for text in [
        "DATABASE_URL=@\n",
        "DATABASE_URL=@",
        "DATABASE_URL=\"@\"\n",
        "DATABASE_URL='@'\n",
        "export DATABASE_URL=@\n",
        "DATABASE_URL = @\n",
        "DATABASE_URL=@\r\nOTHER=1\r\n",
        "\u{feff}DATABASE_URL=\"@\"\r\n",
        "DATABASE_URL=@ # of the application\n",
        "NAME=\"never ended\nDATABASE_URL=@\n",
        "SWITCHY_DATABASE_URL=  \nDATABASE_URL=@\n",
        "DATABASE_URL=@\nDATABASE_URL=sqlite:second.db\n",
    ] {
        let shell = with_migration();
        shell.write(".env", &text.replace('@', url));
        let output = shell.command(&["config"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(url), "{text:?}: {said}");
    }
    let shell = with_migration();
    let utf16 = "\u{feff}DATABASE_URL=x".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    fs::write(shell.path().join(".env"), utf16).unwrap();
    let output = shell.command(&["status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(".env is UTF-16; save it as UTF-8, or leave it out with --no-env-file"), "{said}");
}

/// `MYSQL_...` for a server that is not local.
#[test]
fn the_environment_completes_an_address_of_mysql() {
    let Some((server, port)) = servers::tls_mysql(crate::encryption::CERTIFICATE, crate::encryption::KEY)
    else {
        return;
    };
    {
        use mysql::prelude::Queryable;
        let mut conn = server.connect();
        conn.query_drop("CREATE USER app@'%' IDENTIFIED BY 'hunt#er2'; GRANT ALL ON *.* TO app@'%'").unwrap();
    }
    let port = port.to_string();
    for (address, variables) in [
        ("mysql://app@127.0.0.1/test", &[("MYSQL_TCP_PORT", &*port), ("MYSQL_PWD", "hunt#er2")][..]),
        (
            "mysql:///test?user=app",
            &[("MYSQL_HOST", "127.0.0.1"), ("MYSQL_TCP_PORT", &port), ("MYSQL_PWD", "hunt#er2")],
        ),
        // A socket is not for another host.
        ("mariadb://app@127.0.0.1:PORT/test", &[("MYSQL_UNIX_PORT", "/nowhere"), ("MYSQL_PWD", "hunt#er2")]),
        ("mysql://app:hunt%23er2@127.0.0.1:PORT/test", &[("MYSQL_PWD", "wrong"), ("MYSQL_TCP_PORT", "1")]),
        ("mysql://app@[::ffff:127.0.0.1]:PORT/test?password=hunt%23er2", &[]),
    ] {
        let (mut shell, env_file) = (with_migration(), with_migration());
        for (name, value) in variables {
            shell.set(name, value);
        }
        let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
        env_file.write(".env", &lines.join("\n"));
        for shell in [shell, env_file] {
            let output = shell
                .command(&["migrate", "-v", "--database-url", &address.replace("PORT", &port)])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !said.contains("er2"), "{address}: {said}");
        }
    }
}

#[test]
fn the_history_is_kept_in_a_schema() {
    if let Some(database) = servers::postgres() {
        let mut shell = with_migration();
        shell.set("DATABASE_URL", &postgres_url(&database));
        database.connect().batch_execute("CREATE SCHEMA audit").unwrap();
        succeeds(&mut shell, "migrate --schema audit --table hist");
        let sql = "SELECT count(*) FROM audit.hist";
        let count: i64 = database.connect().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(count, 1);
        shell.set("SWITCHY_MIGRATION_SCHEMA", "audit");
        shell.write("switchy-schema.toml", "table = 'hist'\nschema = 'other'\n");
        succeeds(&mut shell, "status --exit-code");
        succeeds(&mut shell, "rollback");
        // Tenants: each has its own history and tables.
        let mut tenants = with_migration();
        for name in ["tenant_a", "tenant_b"] {
            database.connect().batch_execute(&format!("CREATE SCHEMA {name}")).unwrap();
            let url = format!("{}&options=-csearch_path%3D{name}", postgres_url(&database));
            succeeds(&mut tenants, &format!("migrate --database-url {url}"));
            let sql = format!("SELECT count(*) FROM {name}.a, {name}.__switchy_migrations");
            database.connect().query_one(&sql, &[]).unwrap();
        }
        let output = shell.run("migrate --table audit.hist");
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("--schema audit --table hist"), "{said}");
    }
    if let Some(database) = servers::mysql() {
        use mysql::prelude::Queryable;
        let (mut shell, mut conn) = (with_migration(), database.connect());
        shell.set("DATABASE_URL", &mysql_url(&database));
        let name: String = conn.query_first("SELECT CONCAT(DATABASE(), '_audit')").unwrap().unwrap();
        conn.query_drop(format!("CREATE DATABASE {name}")).unwrap();
        succeeds(&mut shell, &format!("migrate --schema {name}"));
        let count: Option<u64> =
            conn.query_first(format!("SELECT COUNT(*) FROM {name}.__switchy_migrations")).unwrap();
        assert_eq!(count, Some(1));
        conn.query_drop(format!("DROP DATABASE {name}")).unwrap();
    }
    let mut shell = Shell::with_set();
    shell.runs(&[
        "migrate --schema audit",
        "migrate --table audit.hist",
        "migrate --table billing.schema_migrations",
        "migrate --table ''",
    ]);
    assert!(!shell.path().join("app.db").exists());
    shell.assert("schema_of_history");
}

/// The address of another tool named a new file, such as `app.db?mode=rwc`, and the database stayed as it was.
#[test]
fn the_address_of_another_tool_never_names_another_file() {
    for (address, is_it) in [
        ("sqlite:app.db", true),
        ("SQLite:app.db", true),
        ("sqlite://app.db", true),
        ("file:app.db", true),
        ("sqlite:file:app.db", true),
        ("sqlite:file:app%2Edb", true),
        ("sqlite:app.db?mode=rwc", false),
        ("sqlite://app.db?mode=rwc&cache=shared", false),
        ("sqlite::memory:?cache=shared", false),
        ("sqlite:file:app.db?mode=rwc", false),
        ("file:app.db?mode=memory", false),
        ("sqlite3:app.db", true),
        ("sqlite3://app.db", true),
        ("sqlite+aiosqlite:app.db", false),
    ] {
        let mut shell = with_migration();
        shell.set("SWITCHY_DATABASE_URL", address);
        let output = shell.run("migrate");
        let expected = if is_it { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(expected), "{address}: {}", shell.log);
        let mut files: Vec<_> =
            fs::read_dir(shell.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        let made: &[&str] = if is_it { &["app.db", "app.db-migrate"] } else { &[] };
        assert_eq!(files, [made, &["migrations"]].concat(), "{address}");
        if is_it {
            let seen = shell.run("status");
            assert!(
                String::from_utf8_lossy(&seen.stdout).contains("_a  applied"),
                "{address}: {}",
                shell.log
            );
        }
    }
    // A file can have a question mark in its name.
    let mut shell = with_migration();
    shell.set("SWITCHY_DATABASE_URL", "sqlite:what?.db");
    succeeds(&mut shell, "migrate");
    assert!(shell.path().join("what?.db").exists());
}
