//! Taking over the history of another tool on a server.

mod made;
mod on_servers;
// The same tools as on SQLite.
#[allow(dead_code, reason = "the tests on SQLite use more of it")]
#[path = "../../../it/adoption/tools.rs"]
mod tools;
