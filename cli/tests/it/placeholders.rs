//! Values from outside: `--set`, the environment, `.env` and the configuration file.

use std::process::Output;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

const SECRET: &str = "hunter2-Tr0ub4dor";
const TOKEN: &str = "hunter2-other-t0ken";

/// A set with the placeholders `region` (without a default), `prefix` (`app`), `password` (secret) and `token` (secret, from `APP_TOKEN`).
fn declaring(scripts: &[(&str, &str, &str)]) -> Shell {
    let shell = Shell::new();
    shell.write(
        "switchy-schema.toml",
        "database-url = \"sqlite:app.db\"\n\n[placeholders]\nregion = {}\nprefix = \"app\"\n\
         password = { secret = true }\ntoken = { secret = true, env = \"APP_TOKEN\" }\n",
    );
    for (id, up, down) in scripts {
        shell.migration(id, up, Some(down));
    }
    shell
}

const USERS: (&str, &str, &str) = (
    "2025-01-01-000000_users",
    "CREATE TABLE ${prefix}_users AS\n  SELECT '${region}' AS region, length('${password}') AS len;\n",
    "DROP TABLE ${prefix}_users;\n",
);

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

fn assert_hidden(text: &str) {
    assert!(!text.contains(SECRET) && !text.contains(&SECRET[..7]), "the secret is in {text}");
}

#[test]
fn a_value_comes_from_the_flag_the_environment_or_the_configuration() {
    let mut shell = declaring(&[USERS]);
    shell.runs(&["migrate", "validate"]);
    shell.set("SWITCHY_PLACEHOLDER_PASSWORD", SECRET);
    shell.write(".env", "SWITCHY_PLACEHOLDER_REGION=from-file\n");
    shell.run("config");
    shell.set("SWITCHY_PLACEHOLDER_REGION", "from-variable");
    shell.runs(&[
        "plan",
        "plan --sql",
        "migrate -v --set region=eu --set prefix=web",
        "config --set region=eu",
    ]);
    let region: (String, i64) = shell
        .database()
        .query_row("SELECT region, len FROM web_users", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(region, ("eu".to_owned(), 17));
    // Another value is no change.
    shell.runs(&[
        "status --exit-code --set region=other",
        "migrate --set region=other",
        "redo --set region=us --set prefix=web",
        "history",
        "rollback --json --set prefix=web",
    ]);
    shell.runs(&["migrate --set regoin=eu", "migrate --set region"]);
    assert_hidden(&shell.log);
    shell.assert("placeholders");
}

#[test]
fn a_secret_without_a_value_names_the_variable_that_is_read_and_no_argument() {
    let mut shell = declaring(&[("2025-01-01-000000_a", "CREATE TABLE a AS SELECT '${token}' AS b;\n", "")]);
    let said = text(&shell.run("migrate"));
    assert!(said.contains("`${token}`") && said.contains("environment variable APP_TOKEN"), "{said}");
    assert!(!said.contains("SWITCHY_PLACEHOLDER") && !said.contains("--set"), "{said}");
    shell.set("APP_TOKEN", TOKEN);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
}

#[test]
fn without_a_declaration_it_is_a_finding() {
    let mut shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    shell.migration(USERS.0, USERS.1, Some(USERS.2));
    shell.runs(&["validate", "plan --json"]);
    shell.write(&format!("migrations/{}/metadata.toml", USERS.0), "placeholders = false\n");
    shell.run("validate");
    shell.write(
        &format!("migrations/{}/metadata.toml", USERS.0),
        "[placeholders]\nregion = {}\nprefix = { default = \"own\" }\npassword = { default = \"abcd\", secret = true }\n",
    );
    shell.runs(&["validate", "migrate --set region=eu --dry-run"]);
    shell.assert("placeholders_off");
}

/// The password of the role was the text `${APP_PW}`.
#[test]
fn a_value_that_nobody_gives_is_told_before_it_becomes_a_password() {
    let Some(database) = servers::postgres() else { return };
    let role = format!("switchy_svc_{}", std::process::id());
    let mut shell = Shell::new();
    let url = postgres_url(&database);
    shell.set("SWITCHY_DATABASE_URL", &url);
    let script = format!("CREATE ROLE {role} LOGIN PASSWORD '${{APP_PW}}';\n");
    shell.migration("2025-01-01-000000_svc", &script, Some(&format!("DROP ROLE {role};\n")));
    let place = "has `${APP_PW}` at migrations/2025-01-01-000000_svc/up.sql:1:";
    for (line, code) in
        [("validate", 0), ("validate --strict", 4), ("plan", 0), ("migrate --policy strict", 4)]
    {
        let output = shell.run(line);
        assert_eq!(output.status.code(), Some(code), "{}", shell.log);
        assert!(text(&output).contains(place), "{line}: {}", shell.log);
    }
    shell.write("switchy-schema.toml", "[placeholders]\nAPP_PW = { secret = true }\n");
    let output = shell.run("migrate");
    assert!(text(&output).contains("needs a value for `${APP_PW}`"), "{}", shell.log);
    shell.set("SWITCHY_PLACEHOLDER_APP_PW", SECRET);
    assert!(shell.run("migrate").status.success(), "{}", shell.log);
    let mut client = database.connect();
    let verifier =
        format!("SELECT rolpassword LIKE 'SCRAM-SHA-256%' FROM pg_authid WHERE rolname = '{role}'");
    assert!(client.query_one(&verifier, &[]).unwrap().get::<_, bool>(0));
    let up: String = client.query_one("SELECT up_sql FROM __switchy_migrations", &[]).unwrap().get(0);
    assert_eq!(up, script);
    assert!(shell.run("rollback").status.success(), "{}", shell.log);
    assert_hidden(&shell.log);
}

/// A secret is in no output, no table, and in no byte of a file, whatever goes wrong.
#[test]
fn a_secret_is_nowhere() {
    let failing = (
        "2025-01-02-000000_failing",
        "CREATE TABLE a (b TEXT CHECK (b <> 'x'));\nINSERT INTO a SELECT '${token}' '${token}' '${token}';\n",
        "DROP TABLE a;\n",
    );
    let mut shell = declaring(&[USERS, failing]);
    shell.write(&format!("migrations/{}/metadata.toml", failing.0), "run_in_transaction = false\n");
    shell.set("SWITCHY_PLACEHOLDER_PASSWORD", SECRET);
    shell.set("APP_TOKEN", TOKEN);
    shell.set("SWITCHY_PLACEHOLDER_REGION", "eu");
    for line in [
        "config",
        "config --json",
        "plan -v",
        "plan --json",
        "plan --sql",
        "plan --sql --json",
        "validate",
        "validate --down --json",
        "rehearse --json",
        "migrate -v -v --snapshot=always",
        "migrate --json",
        "status --json",
        "history --json",
        "drift --json",
        "schema",
        "repair retry 2025-01-02",
        "migrate --json",
        "list --json",
    ] {
        shell.run(line);
    }
    assert!(shell.log.contains("near \"'${token}'\": syntax error"), "{}", shell.log);
    assert_hidden(&shell.log);
    for (path, bytes) in shell.files() {
        let found = bytes.windows(7).any(|part| part.eq_ignore_ascii_case(&SECRET.as_bytes()[..7]));
        assert!(!found, "{} has it", path.display());
    }
}

/// Stores a secret in a row, and fails over it in a second migration, so that the server quotes it.
fn quotes_a_secret(url: &str, scripts: [(&str, &str); 2]) {
    let mut shell = declaring(&[]);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.set("SWITCHY_PLACEHOLDER_PASSWORD", SECRET);
    shell.set("SWITCHY_PLACEHOLDER_REGION", "eu");
    let [(up, down), (wrong, _)] = scripts;
    shell.migration("2025-01-01-000000_user", up, Some(down));
    shell.runs(&["plan", "plan --sql", "migrate --json", "rollback", "migrate"]);
    assert!(shell.log.contains("`${password}`, which is secret"), "{}", shell.log);
    assert!(shell.run("status --exit-code").status.success(), "{}", shell.log);
    shell.migration("2025-01-02-000000_wrong", wrong, None);
    shell.runs(&["plan", "migrate", "migrate --json", "status --json", "history --json"]);
    assert_hidden(&shell.log);
    assert!(shell.log.contains("2025-01-02-000000_wrong/up.sql:2:"), "{}", shell.log);
    assert!(text(&shell.run("rollback --all --yes")).contains("2025-01-01-000000_user"), "{}", shell.log);
}

#[test]
fn postgres_does_not_repeat_a_secret() {
    let Some(database) = servers::postgres() else { return };
    let role = format!("switchy_placeholder_{}", std::process::id());
    let create = format!("DO $$ BEGIN\n  CREATE ROLE {role} PASSWORD '${{password}}';\nEND $$;\n");
    let up = format!(
        "{create}CREATE TABLE ${{prefix}}_t (a TEXT UNIQUE); INSERT INTO app_t VALUES ('${{password}}');\n"
    );
    let down = format!("DROP TABLE ${{prefix}}_t; DROP ROLE {role};\n");
    let wrong = "SELECT 1;\nINSERT INTO app_t VALUES ('${password}');\n";
    quotes_a_secret(&postgres_url(&database), [(&up, &down), (wrong, "")]);
}

#[test]
fn mysql_does_not_repeat_a_secret() {
    let Some(database) = servers::mysql() else { return };
    let up = "CREATE TABLE ${prefix}_t (a VARCHAR(40) UNIQUE);\nINSERT INTO app_t VALUES ('${password}');\n";
    let down = "DROP TABLE ${prefix}_t;\n";
    for wrong in [
        "SELECT 1;\nINSERT INTO app_t VALUES ('${password}');\n",
        "SELECT 1;\nINSERT INTO app_t VALUE S ('a', '${password}', '${password}', '${password}', '${password}', '${password}');\n",
    ] {
        quotes_a_secret(&mysql_url(&database), [(up, down), (wrong, "")]);
    }
}
