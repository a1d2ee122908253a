//! Reads the folders of migrations.

use switchy_schema::Dialect;
use switchy_schema::build::{Embed, embed};

fn main() {
    embed("../../migrations");
    // What most programs have no need of: another database's, and some for certain environments.
    Embed::new("../../migrations").database(Dialect::Postgres).named("server").write();
    Embed::new("limited").named("limited").write();
}
