//! Sets in the form that a build script generates. The test that counts allocations uses them too.

use rusqlite::Connection;
use switchy_schema::compiled::{Compiled, FORMAT, Set};
use switchy_schema::{
    Atomicity, Cascade, Checksum, CompiledMigrations, DataLoss, Dialect, DownPart, ForeignKeys, Migration,
    MigrationRunner, RebuildLoss, Replacement, TransactionMode,
};

pub(super) fn leak(text: impl Into<String>) -> &'static str {
    Box::leak(text.into().into_boxed_str())
}

pub(super) fn hash(text: &str) -> [u8; 32] {
    bytes(&Checksum::of(text).to_string())
}

fn bytes(hex: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

const SCRIPT: &str = "SELECT 1";

/// This many migrations, as a build script generates them, and a database in which all of them are applied.
pub(super) fn compiled(count: usize) -> (CompiledMigrations, Connection) {
    let conn = Connection::open_in_memory().unwrap();
    let ids: Vec<&'static str> = (0..count).map(|number| leak(format!("{number:05}_nothing"))).collect();
    let set: Vec<Migration> = ids.iter().map(|id| Migration::sql(id, SCRIPT)).collect();
    MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch).run(&conn).unwrap();
    let last: String = conn
        .query_row("SELECT basis FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    // A start reads only the last of these.
    let mut beginnings = vec![[0; 32]; count];
    beginnings.push(bytes(&last));
    let set = Set {
        format: FORMAT,
        database: Dialect::Sqlite,
        folder: "",
        files: &[],
        migrations: Vec::leak(ids.into_iter().map(written).collect()),
        is_limited: false,
        beginnings: Vec::leak(beginnings),
    };
    (CompiledMigrations::new(Box::leak(Box::new(set))), conn)
}

fn written(id: &'static str) -> Compiled {
    Compiled {
        id,
        up: SCRIPT,
        down: None,
        checksum: Some(hash(SCRIPT)),
        description: None,
        depends_on: &[],
        depends_on_if_present: &[],
        needs: &[],
        databases: &[],
        environments: &[],
        atomicity: Atomicity::Transaction,
        foreign_keys: ForeignKeys::Checked,
        lock_timeout: None,
        cascade: Cascade::Refused,
        data_loss: DataLoss::Undeclared,
        rebuild_loss: RebuildLoss::Undeclared,
        down_part: DownPart::Refused,
        accepted: &[],
        placeholders: &[],
        replacement: Replacement::AsDeclared,
        origin: "migrations/up.sql",
        down_origin: None,
        unused_files: &[],
        unread: None,
    }
}
