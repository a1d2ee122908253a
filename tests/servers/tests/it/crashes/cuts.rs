//! The connection is cut at each request of a run, in both directions.

mod proxy;

use std::path::PathBuf;

use switchy_schema::{Direction, Lock, Mysql, Postgres};

use super::kills::wait_until;
use super::{Kind, check, check_said, finish, go, runner};
use proxy::{Cut, Proxy};

/// A kind of server that a client can reach through a proxy.
trait Proxied: Kind {
    /// The socket of the server; `None` if it has none.
    fn socket(database: &Self::Database) -> Option<PathBuf>;
    /// Connects to the database at a port of this machine.
    fn through(database: &Self::Database, port: u16) -> Self::Client;
}

impl Proxied for Postgres {
    fn socket(database: &Self::Database) -> Option<PathBuf> {
        let config: postgres::Config = database.url.parse().unwrap();
        match config.get_hosts().first() {
            Some(postgres::config::Host::Unix(folder)) => Some(folder.join(".s.PGSQL.5432")),
            _ => None,
        }
    }

    fn through(database: &Self::Database, port: u16) -> postgres::Client {
        let config: postgres::Config = database.url.parse().unwrap();
        let mut own = postgres::Config::new();
        own.host("127.0.0.1")
            .port(port)
            .user(config.get_user().unwrap())
            .dbname(config.get_dbname().unwrap());
        own.connect(postgres::NoTls).unwrap()
    }
}

impl Proxied for Mysql {
    fn socket(database: &Self::Database) -> Option<PathBuf> {
        mysql::Opts::from_url(&database.url).unwrap().get_socket().map(PathBuf::from)
    }

    fn through(database: &Self::Database, port: u16) -> mysql::Conn {
        let options = mysql::Opts::from_url(&database.url).unwrap();
        let options = mysql::OptsBuilder::from_opts(options).socket(None::<&str>).prefer_socket(false);
        mysql::Conn::new(options.ip_or_hostname(Some("127.0.0.1")).tcp_port(port)).unwrap()
    }
}

/// Without this environment variable, only some of the requests are cut.
const ALL: &str = "SWITCHY_TEST_EVERY_CUT";

/// Cuts the connection of a run at its requests, one run for each, and checks the state, the message and the continued run.
fn cut<B: Proxied>(direction: Direction) {
    let Some(database) = B::shared() else { return };
    let Some(socket) = B::socket(&database) else {
        eprintln!("not run: the server that was given is not reached by a socket");
        return;
    };
    let set = B::set();
    // Returns the number of requests, and the error.
    let run = |cut: Option<(usize, Cut)>| {
        B::prepare(&database);
        let it = runner::<B>(&set, Lock::default());
        if direction == Direction::Down {
            go(&it, &mut B::connect(&database), Direction::Up).unwrap();
        }
        let proxy = Proxy::before(socket.clone());
        let mut client = B::through(&database, proxy.port());
        proxy.arm(cut);
        let result = go(&it, &mut client, direction);
        (proxy.requests(), result.err().map(|error| error.to_string()))
    };

    let (requests, error) = run(None);
    assert_eq!(error, None);
    assert!(requests > 20, "{requests} requests");
    let mut client = B::connect(&database);
    assert_eq!(check::<B>(&set, &mut client, direction, "undisturbed"), None);
    let end = B::picture(&mut client);
    drop(client);

    let stride = if std::env::var_os(ALL).is_some() { 1 } else { 13 };
    let (mut dirty, mut errors, mut cuts) = (0, 0, 0);
    for (number, request) in (1..=requests).flat_map(|request| Cut::ALL.map(|cut| (request, cut))).enumerate()
    {
        if number % stride != 0 {
            continue;
        }
        let context = format!("{}, {direction}, {request:?} of {requests}", B::NAME);
        let (_, error) = run(Some(request));
        let mut client = B::connect(&database);
        wait_until(&context, || B::rows(&mut client, B::OTHERS) == ["0"]);
        check_said::<B>(error.as_deref().unwrap_or_default(), &mut client, direction, &context);
        let (unfinished, _) = finish::<B>(&set, &mut client, direction, "", &context);
        assert_eq!(B::picture(&mut client), end, "{context}");
        cuts += 1;
        dirty += usize::from(unfinished.is_some());
        errors += usize::from(error.is_some());
    }
    println!(
        "{}, {direction}: {cuts} cuts at {requests} requests, {errors} errors, {dirty} unfinished steps",
        B::NAME
    );
    assert!(dirty > 0 && errors > cuts / 2, "{errors} errors and {dirty} unfinished steps after {cuts} cuts");
}

#[test]
fn a_cut_connection_leaves_records_that_are_true_on_postgres() {
    cut::<Postgres>(Direction::Up);
}

#[test]
fn a_cut_connection_leaves_records_that_are_true_on_mysql() {
    cut::<Mysql>(Direction::Up);
}

#[test]
fn a_rollback_whose_connection_is_cut_goes_on_where_it_was_on_postgres() {
    cut::<Postgres>(Direction::Down);
}

#[test]
fn a_rollback_whose_connection_is_cut_goes_on_where_it_was_on_mysql() {
    cut::<Mysql>(Direction::Down);
}
