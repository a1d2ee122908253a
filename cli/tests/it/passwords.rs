//! A password is never printed: not in results, not in errors, not in JSON, not with `-v`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use crate::servers;
use crate::shell::Shell;

const COMMANDS: [&[&str]; 25] = [
    &["init"],
    &["create", "x"],
    &["status"],
    &["list"],
    &["plan"],
    &["migrate"],
    &["rollback"],
    &["redo"],
    &["downgrade"],
    &["baseline", "1_a"],
    &["validate"],
    &["drift"],
    &["schema"],
    &["repair", "retry", "1_a"],
    &["repair", "forget", "1_a"],
    &["history"],
    &["graph"],
    &["unlock"],
    &["database", "exists"],
    &["database", "drop", "-y"],
    &["wait", "0"],
    &["config"],
    &["completions", "bash"],
    &["man"],
    &["nonsense"],
];

/// Passwords with special characters. All end with the same unique text.
fn password() -> impl Strategy<Value = String> {
    "[ -~äß€]{0,12}".prop_map(|start| format!("{start}hunter2"))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Runs a command, and checks that its output does not contain the password, whole, in part or encoded.
fn check(shell: &Shell, args: &[&str], password: &str) {
    let output = shell.command(args).output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        for secret in [password.to_owned(), encoded(password), "hunter2".to_owned()] {
            assert!(!text.contains(&secret), "{args:?} tells {secret:?}:\n{text}");
        }
    }
}

/// All forms of an address, including invalid ones.
fn urls(password: &str) -> Vec<String> {
    let (plain, encoded) = (password, encoded(password));
    let mut urls = Vec::new();
    for scheme in ["postgres", "postgresql", "mysql", "mariadb"] {
        urls.push(format!("{scheme}://u:{encoded}@127.0.0.1:1/app"));
        urls.push(format!("{scheme}://u:{plain}@127.0.0.1:1/app"));
        urls.push(format!("{scheme}://127.0.0.1:1/app?password={encoded}&user=u"));
        urls.push(format!("{scheme}://127.0.0.1:1/app?pasword={encoded}"));
    }
    urls.push(format!("postgres://u:{encoded}@127.0.0.1:1,127.0.0.1:2/app?target_session_attrs=any"));
    urls.push(format!("postgres://u:{plain}@127.0.0.1:1,127.0.0.1:2/app"));
    urls.push(format!("postgres://u:{plain}@/app?host=127.0.0.1&port=1"));
    urls.push(format!("postgres://127.0.0.1:1/app?password={plain}&user=u"));
    urls.push(format!("mysql://127.0.0.1:1/app?user=u&password={plain}"));
    urls.push(format!("mysql://u:{encoded}@127.0.0.1:1/app?sql_mode=ANSI"));
    urls.push(format!("\"postgres://u:{plain}@127.0.0.1:1/app\""));
    urls.push(format!("mysql://u:{plain}@tcp(127.0.0.1:1)/app"));
    urls.push(format!("u:{plain}@tcp(127.0.0.1:1)/app"));
    let quoted = plain.replace('\\', "\\\\").replace('\'', "\\'");
    urls.push(format!("host=127.0.0.1 port=1 user=u password='{quoted}'"));
    urls.push(format!("host=127.0.0.1 port=1 user=u password={plain}"));
    urls.push(format!("oracle://u:{encoded}@127.0.0.1/app"));
    urls.push(format!("mysql://127.0.0.1:1/app?password={plain}&ssl{encoded}=x"));
    urls.push(format!("postgres:u:{plain}@127.0.0.1/app"));
    urls.push(format!("u:{plain}@127.0.0.1/app"));
    urls
}

#[test]
fn no_command_tells_a_password() {
    let hostile = [
        "hunter2",
        "/hunter2",
        "\\/hunter2",
        "?hunter2",
        "#hunter2",
        "a b'c\"d@e/f?g#h:i%41hunter2",
        "://@hunter2",
    ];
    for password in hostile {
        for url in urls(password) {
            let shell = Shell::new();
            shell.write("migrations/1_a/up.sql", "SELECT 1");
            for command in [&["migrate", "-v"][..], &["status", "--json", "-v"], &["config"]] {
                check(&shell, &[command, &["--database-url", &url]].concat(), password);
            }
        }
    }
}

#[test]
fn no_command_tells_a_password_wherever_it_comes_from() {
    let password = "a b'c\"d@e?hunter2";
    let url = format!("postgres://u:{}@127.0.0.1:1/app", encoded(password));
    for extra in [&["-vv"][..], &["--json"]] {
        for command in COMMANDS {
            let mut of_environment = Shell::new();
            of_environment.write("migrations/1_a/up.sql", "SELECT 1");
            of_environment.set("DATABASE_URL", &url);
            check(&of_environment, &[command, extra].concat(), password);

            for variable in ["PGPASSWORD", "MYSQL_PWD"] {
                for url in ["postgres://u@127.0.0.1:1/app", "mysql://u@127.0.0.1:1/app"] {
                    let mut of_variable = Shell::new();
                    of_variable.write("migrations/1_a/up.sql", "SELECT 1");
                    of_variable.set(variable, password);
                    of_variable.set("DATABASE_URL", url);
                    check(&of_variable, &[command, extra].concat(), password);
                }
            }
            let of_env_file = Shell::new();
            of_env_file.write("migrations/1_a/up.sql", "SELECT 1");
            of_env_file.write(".env", &format!("DATABASE_URL='{url}'\n"));
            check(&of_env_file, &[command, extra].concat(), password);
            of_env_file.write(".env", &format!("DATABASE_URL={password}\n"));
            check(&of_env_file, &[command, extra].concat(), password);
            of_env_file.write("s", "[x]\nhost=127.0.0.1\nport=1\npassword=hunter2\nhunter2");
            of_env_file.write(".env", "DATABASE_URL=postgres://?service=x\nPGSERVICEFILE=s\n");
            check(&of_env_file, &[command, extra].concat(), password);

            let of_file = Shell::new();
            of_file.write("migrations/1_a/up.sql", "SELECT 1");
            of_file.write("switchy-schema.toml", &format!("database-url = \"{url}\"\n"));
            check(&of_file, &[command, extra].concat(), password);
            of_file.write("switchy-schema.toml", &format!("database-url = \"{url}\nnonsense"));
            check(&of_file, &[command, extra].concat(), password);
            of_file.write("switchy-schema.toml", &format!("database-url = [\"{url}\"]"));
            check(&of_file, &[command, extra].concat(), password);
        }
    }
}

/// The number of cases, which an environment variable can increase.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_error_tells_a_password(password in password(), which in any::<prop::sample::Index>(), command in 0..COMMANDS.len()) {
        let urls = urls(&password);
        let url = which.get(&urls);
        let shell = Shell::new();
        shell.write("migrations/1_a/up.sql", "SELECT 1");
        let args = [COMMANDS[command], &["--database-url", url, "-v"]].concat();
        check(&shell, &args, &password);
        // In the wrong position, the address is repeated in the error about the arguments.
        check(&shell, &[url], &password);
        check(&shell, &["status", url, "--json"], &password);
        check(&shell, &["status", &format!("--nonsense={url}")], &password);
        check(&shell, &["graph", "--format", url], &password);
        check(&shell, &["database", url], &password);
        check(&shell, &["status", "--lock-timeout", url], &password);
    }
}

/// The password reaches the server unchanged, and a wrong one is not printed either.
#[test]
fn hostile_passwords_open_a_database() {
    use mysql::prelude::Queryable;
    let Some(database) = servers::mysql() else { return };
    let (base, options) = database.url.split_once('?').unwrap();
    let name = base.rsplit_once('/').unwrap().1;
    let mut conn = database.connect();
    for (number, password) in
        ["a b'c\"d@e/f?g#h:i%41hunter2", "://@hunter2", "%hunter2", "ä€hunter2", "\\hunter2"]
            .iter()
            .enumerate()
    {
        let user = format!("{name}_{number}");
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        conn.query_drop(format!("CREATE USER {user} IDENTIFIED BY '{quoted}'")).unwrap();
        conn.query_drop(format!("GRANT ALL ON {name}.* TO {user}")).unwrap();
        let shell = Shell::new();
        shell.write("migrations/1_a/up.sql", "SELECT 1");
        let url = format!("mysql://{user}:{}@localhost/{name}?{options}", encoded(password));
        let output = shell.command(&["migrate", "--database-url", &url, "-v"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        check(&shell, &["migrate", "--database-url", &url, "-v"], password);
        let wrong = format!("mysql://{user}:{}x@localhost/{name}?{options}", encoded(password));
        let output = shell.command(&["migrate", "--database-url", &wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        check(&shell, &["migrate", "--database-url", &wrong, "-v"], password);
        conn.query_drop(format!("DROP USER {user}")).unwrap();
    }
}

/// Passwords as people paste them, encoded and raw. What would be read as a part of something else is refused, and is not shown.
#[test]
fn a_password_is_written_encoded_or_raw() {
    use mysql::prelude::Queryable;

    const ODD: &str = "p%!h@:/?#[]=&+ ü";
    let refused = "there is a `@` after the host; percent-encode the special characters of the password (`@` is %40, `/` is %2F, `#` is %23, `?` is %3F)";
    let odd = encoded(ODD);
    let rows: [(&str, &str, &str); 8] = [
        (ODD, &odd, ""),
        ("p%ss", "p%ss", ""),
        ("p@ss", "p@ss", ""),
        ("foo%hejsan2%tjotjo", "foo%hejsan2%tjotjo", ""),
        ("a:b@c", "a:b@c", ""),
        ("p#ss", "p#ss", refused),
        ("p/ss", "p/ss", refused),
        ("p?ss", "p?ss", refused),
    ];
    let run = |url: &str, written: &str, expected: &str| {
        let shell = Shell::new();
        shell.write("migrations/1_a.sql", "SELECT 1");
        let output =
            shell.command(&["migrate", "-v", "--table", "t", "--database-url", url]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(if expected.is_empty() { 0 } else { 2 }), "{written}: {said}");
        assert!(said.contains(expected) && !said.contains(written), "{written}: {said}");
    };
    if let Some(server) = servers::own_postgres() {
        let hba = server.folder().join("data/pg_hba.conf");
        std::fs::write(&hba, "local all app trust\nlocal all postgres trust\nlocal all all scram-sha-256\n")
            .unwrap();
        let mut client = server.connect();
        client.batch_execute("SELECT pg_reload_conf(); CREATE ROLE ada LOGIN SUPERUSER").unwrap();
        for (password, written, expected) in rows {
            client
                .batch_execute(&format!("ALTER ROLE ada PASSWORD '{password}'; DROP TABLE IF EXISTS t"))
                .unwrap();
            run(
                &format!("postgres://ada:{written}@/postgres?host={}", server.folder().display()),
                written,
                expected,
            );
        }
    }
    if let Some(database) = servers::mysql() {
        let url = crate::on_servers::mysql_url(&database);
        let (base, options) = url.split_once('?').unwrap();
        let name = base.rsplit_once('/').unwrap().1;
        let mut conn = database.connect();
        conn.query_drop(format!("CREATE USER {name}_p; GRANT ALL ON {name}.* TO {name}_p")).unwrap();
        for (password, written, expected) in rows {
            conn.query_drop(format!("SET PASSWORD FOR {name}_p = PASSWORD('{password}')")).unwrap();
            conn.query_drop("DROP TABLE IF EXISTS t").unwrap();
            run(&format!("mysql://{name}_p:{written}@localhost/{name}?{options}"), written, expected);
        }
    }
}
