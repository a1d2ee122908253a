//! Galera: three nodes of MariaDB, each of which accepts writes for the cluster.

use std::net::TcpListener;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::installed::{self, NO_GALERA};
use super::mysql::{database, install, run, within};
use super::{Guard, MysqlDatabase, OwnServer, Process, or_say};

/// The number of nodes.
pub(crate) const NODES: usize = 3;

/// A cluster of three nodes with one database.
pub(crate) fn galera() -> Option<Cluster> {
    // Another process may have taken one of the free ports.
    or_say(start().or_else(|_| start()))
}

/// Three nodes, numbered from 0.
pub(crate) struct Cluster {
    nodes: Vec<OwnServer<MysqlDatabase>>,
}

impl Cluster {
    /// The common database, through this node.
    pub(crate) fn database(&self, node: usize) -> &MysqlDatabase {
        &self.nodes[node].database
    }

    /// A database, through this node.
    pub(crate) fn beside(&self, node: usize, database: &MysqlDatabase) -> MysqlDatabase {
        let name = database.url.split('?').next().unwrap().rsplit('/').next().unwrap();
        within(&self.nodes[node].folder(), name)
    }

    /// A connection to the common database, through this node.
    pub(crate) fn connect(&self, node: usize) -> Conn {
        self.nodes[node].connect()
    }

    /// Ends a node like a power failure. The others notice within a few seconds, and wait until then. The node cannot rejoin.
    pub(crate) fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }
}

fn start() -> Result<Cluster, String> {
    let provider = installed::galera().ok_or(NO_GALERA)?;
    let run = run()?;
    let ports = free_ports()?;
    let mut nodes = Vec::new();
    for (node, mut guard) in guards()?.into_iter().enumerate() {
        guard.write("data/grastate.dat", STATE)?;
        guard.write("data/gvwstate.dat", &view(node + 1))?;
        let run = format!("{run} {}", options(provider, &ports, node));
        let database = database(&guard);
        nodes.push(OwnServer { process: Process::launch(guard, run)?, database });
    }
    for node in &nodes {
        node.wait_until(is_complete)?;
    }
    Ok(Cluster { nodes })
}

/// Three folders with the same data.
fn guards() -> Result<Vec<Guard>, String> {
    let mut guards = vec![Guard::new()?];
    install(&mut guards[0])?;
    let data = guards[0].folder().join("data");
    for _ in 1..NODES {
        let mut guard = Guard::new()?;
        guard.order(&format!("cp -a '{}' data", data.display()))?;
        guards.push(guard);
    }
    Ok(guards)
}

/// Local ports on which nothing listens.
fn free_ports() -> Result<Vec<u16>, String> {
    let listeners: Result<Vec<_>, _> = (0..NODES).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let ports = listeners.and_then(|all| all.iter().map(|one| Ok(one.local_addr()?.port())).collect());
    ports.map_err(|error: std::io::Error| error.to_string())
}

/// The state file: it claims that all nodes have the same data and were connected before. So they need no first node, and no state
/// transfer.
const STATE: &str =
    "version: 2.1\nuuid: 00000001-0000-11f0-8000-000000000000\nseqno: 0\nsafe_to_bootstrap: 0";

/// The saved view of a node on the cluster. The nodes are numbered from 1 here.
fn view(node: usize) -> String {
    let id = |node| format!("0000000{node}-0000-11f0-8000-00000000000{node}");
    let members: Vec<String> = (1..=NODES).map(|node| format!("member: {} 0\n", id(node))).collect();
    format!("my_uuid: {}\n#vwbeg\nview_id: 3 {} 3\nbootstrap: 0\n{}#vwend", id(node), id(1), members.concat())
}

/// The options that make a MariaDB server a node. The name of the cluster contains the ports, so that nodes of another cluster that find
/// one of these ports are rejected.
fn options(provider: &str, ports: &[u16], node: usize) -> String {
    let peers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let own = &peers[node];
    format!(
        "--wsrep-on=ON --wsrep-provider={provider} --wsrep-cluster-name=tests_{} --wsrep-cluster-address=gcomm://{} \
         --wsrep-node-address={own} --wsrep-sst-method=skip --binlog-format=ROW --innodb-autoinc-lock-mode=2 \
         --wsrep-provider-options='gmcast.listen_addr=tcp://{own};gcache.size=4M;evs.keepalive_period=PT0.3S;\
         evs.inactive_check_period=PT0.1S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S;evs.install_timeout=PT6S;\
         evs.join_retrans_period=PT0.2S'",
        ports[0],
        peers.join(",")
    )
}

/// Whether a node accepts writes and is connected to all others.
fn is_complete(conn: &mut Conn) -> bool {
    status(conn, "wsrep_ready") == "ON" && status(conn, "wsrep_cluster_size") == NODES.to_string()
}

fn status(conn: &mut Conn, name: &str) -> String {
    let row: Option<(String, String)> =
        conn.query_first(format!("SHOW STATUS LIKE '{name}'")).unwrap_or(None);
    row.map_or_else(String::new, |(_, value)| value)
}
