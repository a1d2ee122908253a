//! The migrations that all programs apply: each creates a table, an index and a row.

/// The numbers of migrations.
pub const COUNTS: [usize; 3] = [10, 100, 1_000];

/// The name of a migration. The names sort in the order in which the migrations run.
pub fn id(number: usize) -> String {
    format!("{}-01-01-000000_t{number}", 1_000 + number)
}

/// The script of a migration.
pub fn script(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (\n    id INTEGER PRIMARY KEY,\n    name TEXT NOT NULL,\n    made_at TEXT NOT NULL DEFAULT ''\n);\n\
         CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} (name) VALUES ('first');\n"
    )
}
