//! Private database servers for the tests: started once per test run from the installed programs, in a temporary folder, and stopped
//! when the process of the tests ends, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

/// A server that ends with this process: a shell beside it waits for the end of its standard input, which we hold.
struct Server {
    /// How to connect to its first database.
    url: String,
    _guard: Mutex<(Child, Option<ChildStdin>)>,
}

/// A database of its own on the PostgreSQL server of the tests; `None`, and said so, where there is no server.
pub(crate) fn postgres() -> Option<PostgresDatabase> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = match SERVER.get_or_init(start_postgres) {
        Ok(server) => server,
        Err(missing) => {
            let is_required = std::env::var("SWITCHY_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(!is_required, "{missing}");
            eprintln!("not run: {missing}");
            return None;
        }
    };
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut first = Client::connect(&format!("{} dbname=postgres", server.url), NoTls).unwrap();
    first.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    Some(PostgresDatabase { url: format!("{} dbname={name}", server.url) })
}

/// A database that nobody else uses.
pub(crate) struct PostgresDatabase {
    pub(crate) url: String,
}

impl PostgresDatabase {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.url, NoTls).unwrap()
    }
}

fn start_postgres() -> Result<Server, String> {
    if let Ok(url) = std::env::var("SWITCHY_TEST_POSTGRES_URL") {
        let (child, stdin) = guard("true", Path::new("/"));
        return Ok(Server { url, _guard: Mutex::new((child, stdin)) });
    }
    let bin = programs("/usr/lib/postgresql", "postgres")
        .ok_or("there is no PostgreSQL server; install the package `postgresql`")?;
    let folder =
        tempfile::Builder::new().prefix("switchy-pg").tempdir().map_err(|error| error.to_string())?.keep();
    let user = unprivileged(&folder);
    let data = folder.join("data");
    let initdb = format!(
        "{user} {} -D {} -U app -A trust -E UTF8 --locale=C --no-sync >{}/initdb.log 2>&1",
        bin.join("initdb").display(),
        data.display(),
        folder.display()
    );
    let done = Command::new("sh").arg("-c").arg(&initdb).status().map_err(|error| error.to_string())?;
    if !done.success() {
        return Err(format!("initdb failed, see {}/initdb.log", folder.display()));
    }
    let run = format!(
        "{user} {} -D {} -k {} -c listen_addresses='' -c fsync=off -c max_connections=200",
        bin.join("postgres").display(),
        data.display(),
        folder.display()
    );
    let (child, stdin) = guard(&run, &folder);
    let url = format!("host={} user=app", folder.display());
    let server = Server { url: format!("{url} dbname=postgres"), _guard: Mutex::new((child, stdin)) };
    let began = Instant::now();
    while Client::connect(&server.url, NoTls).is_err() {
        if began.elapsed() > Duration::from_secs(60) {
            return Err(format!("PostgreSQL did not start, see {}/server.log", folder.display()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(Server { url: server.url.replace(" dbname=postgres", ""), ..server })
}

/// The newest folder of programs under a root, or that on the path, which has this one.
fn programs(root: &str, program: &str) -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join(program).exists())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|bin| bin.join(program).exists());
    versions.pop().or(on_path)
}

/// What makes a command run as somebody whom the server accepts: it refuses root. The folder becomes theirs.
fn unprivileged(folder: &Path) -> &'static str {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        return "";
    }
    let owned = Command::new("chown").arg("nobody").arg(folder).status().unwrap();
    assert!(owned.success());
    "runuser -u nobody --"
}

/// Runs a server until this process ends, and removes its folder.
fn guard(server: &str, folder: &Path) -> (Child, Option<ChildStdin>) {
    let folder = folder.display();
    let log = if server == "true" { "/dev/null".to_owned() } else { format!("{folder}/server.log") };
    let remove = if server == "true" { String::new() } else { format!("rm -rf {folder}") };
    // Signals do not pass through `runuser`; the server itself says who it is.
    let stop = format!("kill -INT $(head -n 1 {folder}/data/postmaster.pid)");
    let script =
        format!("{server} >{log} 2>&1 </dev/null & server=$!; read -r _; {stop}; wait $server; {remove}");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    (child, stdin)
}

/// A database of its own on a MySQL server.
pub(crate) fn mysql() -> Option<MysqlDatabase> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let url = std::env::var("SWITCHY_TEST_MYSQL_URL").ok()?;
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let options = mysql::Opts::from_url(&url).unwrap();
    use mysql::prelude::Queryable;
    mysql::Conn::new(options.clone()).unwrap().query_drop(format!("CREATE DATABASE {name}")).unwrap();
    let options = mysql::OptsBuilder::from_opts(options).db_name(Some(name)).into();
    Some(MysqlDatabase { options })
}

/// A database that nobody else uses.
pub(crate) struct MysqlDatabase {
    options: mysql::Opts,
}

impl MysqlDatabase {
    pub(crate) fn connect(&self) -> mysql::Conn {
        mysql::Conn::new(self.options.clone()).unwrap()
    }
}
