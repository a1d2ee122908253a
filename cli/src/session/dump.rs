//! The schema of a server's database, which the server's own program writes.

use std::io::ErrorKind;
use std::process::{Command, Output};

use switchy_schema::TableName;

use crate::address::{Address, Server};
use crate::failure::{Failure, Result};

/// The schema of a PostgreSQL database without some tables. The password is passed in the environment, which other users cannot read.
pub(super) fn postgres(server: &Server, without: &[TableName]) -> Result<String> {
    let mut dump = Command::new("pg_dump");
    dump.args(["--schema-only", "--no-owner", "--no-privileges", "--no-password"]);
    for table in without {
        // The numbers of an identity column belong to its table, and are excluded by themselves.
        for name in [table.as_str().to_owned(), format!("{}_place_seq", table.as_str())] {
            let name = format!("\"{}\"", name.replace('"', "\"\""));
            let schema =
                table.schema().map_or("*".to_owned(), |it| format!("\"{}\"", it.replace('"', "\"\"")));
            dump.arg(format!("--exclude-table={schema}.{name}"));
        }
    }
    // The address has what these name already.
    for name in ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGPASSFILE"] {
        dump.env_remove(name);
    }
    dump.env("PGHOST", server.host.as_deref().or(server.option("hostaddr")).unwrap_or("localhost"));
    dump.env("PGPORT", server.port.as_deref().unwrap_or("5432"));
    let user = server.user_or_default();
    dump.env("PGDATABASE", server.database.as_deref().unwrap_or(&user)).env("PGUSER", &user);
    if let Some(password) = &server.password {
        dump.env("PGPASSWORD", password);
    }
    for (name, variable) in [
        ("hostaddr", "PGHOSTADDR"),
        ("sslmode", "PGSSLMODE"),
        ("sslrootcert", "PGSSLROOTCERT"),
        ("connect_timeout", "PGCONNECT_TIMEOUT"),
        ("application_name", "PGAPPNAME"),
        ("options", "PGOPTIONS"),
        ("target_session_attrs", "PGTARGETSESSIONATTRS"),
        ("channel_binding", "PGCHANNELBINDING"),
        ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ] {
        if let Some(value) = server.option(name) {
            dump.env(variable, value);
        }
    }
    let install = "install the client programs of PostgreSQL (Debian and Ubuntu: postgresql-client, macOS: brew install libpq)";
    let text = text_of(dump, server, &Address::Postgres(server.clone()), install)?;
    let changes_by_itself = |line: &&str| {
        ["-- Dumped from database version", "-- Dumped by pg_dump version", "\\restrict ", "\\unrestrict "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    Ok(tidied(text.lines().filter(|line| !changes_by_itself(line))))
}

/// The schema of a MySQL or MariaDB database without some tables. The password is passed in the environment.
pub(super) fn mysql(server: &Server, without: &[TableName]) -> Result<String> {
    let address = Address::Mysql(server.clone());
    let install = "install the client programs of MariaDB or MySQL (Debian and Ubuntu: mariadb-client, macOS: brew install mysql-client)";
    let (program, version) = ["mariadb-dump", "mysqldump"]
        .into_iter()
        .find_map(|program| {
            let version = Command::new(program).arg("--version").output().ok()?;
            Some((program, String::from_utf8_lossy(&version.stdout).into_owned()))
        })
        .ok_or_else(|| missing("mariadb-dump or mysqldump", install))?;
    let Some(database) = &server.database else {
        return Err(Failure::usage(format!(
            "{address} names no database; name one in it, as in mysql://HOST/NAME"
        )));
    };
    let mut dump = Command::new(program);
    // A password in a file of options would win over the one in the environment.
    dump.args(["--no-defaults", "--no-data", "--routines", "--events", "--triggers", "--skip-comments"]);
    dump.args(["--skip-add-drop-table", "--skip-lock-tables", "--default-character-set=utf8mb4"]);
    for table in without {
        dump.arg(format!("--ignore-table={}.{}", table.schema().unwrap_or(database), table.as_str()));
    }
    if let Some(user) = &server.user {
        dump.arg(format!("--user={user}"));
    }
    match server.option("socket") {
        Some(socket) => dump.arg(format!("--socket={socket}")).arg("--protocol=socket"),
        None => dump
            .arg(format!("--host={}", server.host.as_deref().unwrap_or("localhost")))
            .arg(format!("--port={}", server.port.as_deref().unwrap_or("3306")))
            .arg("--protocol=tcp"),
    };
    dump.args(tls(server, version.contains("MariaDB")));
    dump.env("MYSQL_PWD", server.password.as_deref().unwrap_or_default());
    dump.arg("--").arg(database);
    let text = text_of(dump, server, &address, install)?;
    let lines: Vec<String> = text
        .lines()
        // Some versions print it, and others do not know it.
        .filter(|line| !line.contains("enable the sandbox mode"))
        .map(|line| without_definer(&without_counter(line)))
        .collect();
    Ok(tidied(lines.iter().map(String::as_str)))
}

/// The options for TLS, which the two programs name differently.
fn tls(server: &Server, is_mariadb: bool) -> Vec<String> {
    let authority = server.option("ssl-ca").map(|file| format!("--ssl-ca={file}"));
    let words: &[&str] = match (server.option("ssl-mode"), is_mariadb) {
        (None | Some("disabled"), true) => &["--skip-ssl"],
        (None | Some("disabled"), false) => &["--ssl-mode=DISABLED"],
        (Some("required"), true) => &["--ssl", "--skip-ssl-verify-server-cert"],
        (Some("required"), false) => &["--ssl-mode=REQUIRED"],
        (Some("verify_ca"), false) => &["--ssl-mode=VERIFY_CA"],
        // MariaDB's program checks the host too.
        (Some(_), true) => &["--ssl", "--ssl-verify-server-cert"],
        (Some(_), false) => &["--ssl-mode=VERIFY_IDENTITY"],
    };
    words.iter().map(|&word| word.to_owned()).chain(authority).collect()
}

fn text_of(mut dump: Command, server: &Server, address: &Address, install: &str) -> Result<String> {
    let program = dump.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } = dump.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(&program, install),
        _ => Failure::file(format!("cannot run {program}: {error}")),
    })?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        let said = server.without_password(&said);
        return Err(Failure::connection(format!("{program} cannot read the schema of {address}: {said}")));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

fn missing(program: &str, install: &str) -> Failure {
    Failure::file(format!("{program}, which writes the schema, is not installed; {install}"))
}

/// The lines without blank ones at the ends, and never two blank ones after each other.
fn tidied<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let mut text = String::new();
    let mut is_blank = true;
    for line in lines.map(str::trim_end) {
        if !(line.is_empty() && is_blank) {
            text.push_str(line);
            text.push('\n');
        }
        is_blank = line.is_empty();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A line without the number that the next row gets.
fn without_counter(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" AUTO_INCREMENT=") else { return line.to_owned() };
    // It is a clause of the table and not part of a text.
    if !line.starts_with(") ENGINE=") {
        return line.to_owned();
    }
    format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A line without the account that created a view, a trigger or a routine.
fn without_definer(line: &str) -> String {
    let Some((before, rest)) = line.split_once("DEFINER=`") else { return line.to_owned() };
    let Some((account, after)) = rest
        .split_once("`@`")
        .and_then(|(user, rest)| rest.split_once('`').map(|(host, after)| (user.len() + host.len(), after)))
    else {
        return line.to_owned();
    };
    let is_clause = before.trim_end().ends_with("CREATE") || before.trim_start().starts_with("/*!");
    if !is_clause || account == 0 {
        return line.to_owned();
    }
    format!("{before}{}", after.strip_prefix(' ').unwrap_or(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_two_servers_is_left_out_and_nothing_else() {
        for (line, expected) in [
            (
                ") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4;",
                ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;",
            ),
            ("  `a` text DEFAULT ' AUTO_INCREMENT=7',", "  `a` text DEFAULT ' AUTO_INCREMENT=7',"),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t",
                "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t",
            ),
            ("/*!50013 DEFINER=`a b`@`%` SQL SECURITY DEFINER */", "/*!50013 SQL SECURITY DEFINER */"),
            (
                "CREATE DEFINER=`root`@`localhost` FUNCTION `f`() RETURNS int(11)",
                "CREATE FUNCTION `f`() RETURNS int(11)",
            ),
            ("  SELECT 'DEFINER=`a`@`b`';", "  SELECT 'DEFINER=`a`@`b`';"),
        ] {
            assert_eq!(without_definer(&without_counter(line)), expected);
        }
        assert_eq!(tidied(["", "", "a", "", "", "b  ", ""].into_iter()), "a\n\nb\n");
    }
}
