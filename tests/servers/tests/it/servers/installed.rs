//! Which programs of database servers are installed.

use std::path::{Path, PathBuf};
use std::{env, fs};

pub(crate) const NO_POSTGRES: &str = "there is no PostgreSQL server; install the package `postgresql`";
pub(crate) const NO_MARIADB: &str = "there is no MariaDB server; install the package `mariadb-server`";
pub(crate) const NO_GALERA: &str = "there is no Galera; install the package `galera-4`";
pub(crate) const NO_PGBOUNCER: &str = "there is no PgBouncer; install the package `pgbouncer`";

/// What is not installed, and which tests therefore do nothing.
pub(crate) fn not_installed() -> Vec<&'static str> {
    let is_given = |variable| env::var_os(variable).is_some();
    let found = [
        (NO_POSTGRES, postgres_programs().is_some() || is_given("SWITCHY_TEST_POSTGRES_URL")),
        (NO_MARIADB, program("mariadbd").is_some() || is_given("SWITCHY_TEST_MYSQL_URL")),
        (NO_GALERA, galera().is_some()),
        (NO_PGBOUNCER, program("pgbouncer").is_some()),
    ];
    found.into_iter().filter(|(_, is_found)| !is_found).map(|(missing, _)| missing).collect()
}

/// The path of a program. Those of servers are often not in `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = ["/usr/sbin", "/usr/bin", "/usr/libexec"].map(PathBuf::from).into_iter();
    folders.chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The folder of the newest programs that Debian installed, or of those in `PATH`.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().or_else(|| Some(program("postgres")?.parent()?.to_owned()))
}

/// The path of Galera's library, on Debian or on Fedora.
pub(crate) fn galera() -> Option<&'static str> {
    ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}
