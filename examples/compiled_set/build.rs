//! Reads the folders of migrations at build time.

use switchy_schema::Dialect;
use switchy_schema::build::{Embed, embed};

fn main() {
    embed("../../migrations");
    // Most programs do not need these two: a set for another database, and a set limited to some environments.
    Embed::new("../../migrations").database(Dialect::Postgres).named("server").write();
    Embed::new("limited").named("limited").write();
}
