//! Which programs of database servers are installed.

use std::env;
use std::path::{Path, PathBuf};

use switchy_schema::backend::TestServer;
use switchy_schema::{Mysql, Postgres};

pub(crate) const NO_GALERA: &str = "there is no Galera; install the package `galera-4`";
pub(crate) const NO_PGBOUNCER: &str = "there is no PgBouncer; install the package `pgbouncer`";

/// What is not installed, and which tests therefore do nothing.
pub(crate) fn not_installed() -> Vec<String> {
    let programs = [(NO_GALERA, galera().is_some()), (NO_PGBOUNCER, program("pgbouncer").is_some())];
    let programs =
        programs.into_iter().filter(|(_, is_found)| !is_found).map(|(missing, _)| missing.to_owned());
    [no_server::<Postgres>(), no_server::<Mysql>()].into_iter().flatten().chain(programs).collect()
}

/// What to install for private servers; `None` if it is installed.
pub(crate) fn no_server<B: TestServer>() -> Option<String> {
    let what = || format!("there is no {} server; install the package `{}`", B::SERVER, B::PACKAGE);
    B::commands().is_none().then(what)
}

/// The path of a program. Those of servers are often not in `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = ["/usr/sbin", "/usr/bin", "/usr/libexec"].map(PathBuf::from).into_iter();
    folders.chain(env::split_paths(&path)).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The path of Galera's library, on Debian or on Fedora.
pub(crate) fn galera() -> Option<&'static str> {
    ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}
