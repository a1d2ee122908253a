//! The file of services of `libpq`: addresses that have a name.

use std::fs;
use std::path::{Path, PathBuf};

use super::home;
use super::server::Server;
use super::words::Place;
use crate::environment::Environment;
use crate::failure::{Failure, Result};

/// Sets what an address leaves out and its service has.
///
/// # Errors
/// No file has the service, or a line of it is not understood.
pub(super) fn apply(server: &mut Server, service: &str, environment: &Environment) -> Result<()> {
    let files = files(environment);
    for file in &files {
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::usage(format!("cannot read {}: {error}", file.display()))),
        };
        if let Some(lines) = section(&text, service) {
            return set(server, service, file, lines);
        }
    }
    let shown = |file: &PathBuf| {
        let is_missing = if file.exists() { "" } else { " (no such file)" };
        format!("{}{is_missing}", file.display())
    };
    let files: Vec<String> = files.iter().map(shown).collect();
    Err(Failure::usage(format!(
        "there is no service `{service}` in {}; add it, or name another file with PGSERVICEFILE",
        files.join(" or ")
    )))
}

/// The files that are searched: that of the user, then that of the system.
fn files(environment: &Environment) -> Vec<PathBuf> {
    let of_user = environment.get("PGSERVICEFILE").map(|setting| PathBuf::from(setting.value));
    let of_user = of_user.or_else(|| home::file(".pg_service.conf", ".pg_service.conf"));
    let of_system = match environment.get("PGSYSCONFDIR") {
        Some(folder) => vec![PathBuf::from(folder.value).join("pg_service.conf")],
        // The folders of Debian, and of a PostgreSQL with the default folders.
        None => ["/etc/postgresql-common/pg_service.conf", "/usr/local/pgsql/etc/pg_service.conf"]
            .into_iter()
            .map(PathBuf::from)
            .filter(|file| file.exists())
            .collect(),
    };
    of_user.into_iter().chain(of_system).collect()
}

/// The numbered lines of a section.
fn section<'t>(text: &'t str, name: &str) -> Option<Vec<(usize, &'t str)>> {
    let lines = text.lines().map(str::trim).enumerate().map(|(number, line)| (number + 1, line));
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let heading = format!("[{name}]");
    lines.find(|(_, line)| *line == heading)?;
    Some(lines.take_while(|(_, line)| !line.starts_with('[')).collect())
}

fn set(server: &mut Server, service: &str, file: &Path, lines: Vec<(usize, &str)>) -> Result<()> {
    // As in libpq, the first of two lines counts.
    for (number, line) in lines {
        let place = format!("{}:{number}", file.display());
        let Some((name, value)) = line.split_once('=') else {
            return Err(Failure::usage(format!("{place} is not of the form KEYWORD=VALUE")));
        };
        if name == "service" {
            return Err(Failure::usage(format!("{place}: a service cannot name another one")));
        }
        if !server.has(name) {
            server.set(name, value, &Place::Named(&place))?;
        }
    }
    server.completed_by.push(format!("service {service} in {}", file.display()));
    Ok(())
}
