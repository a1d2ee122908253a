//! The work that everybody does: the same small migrations, a table, an index and a row each.

/// How many migrations there are.
pub const COUNTS: [usize; 3] = [10, 100, 1_000];

/// The name of one, which sorts as they run.
pub fn id(number: usize) -> String {
    format!("{}-01-01-000000_t{number}", 1_000 + number)
}

/// What it does.
pub fn script(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (\n    id INTEGER PRIMARY KEY,\n    name TEXT NOT NULL,\n    made_at TEXT NOT NULL DEFAULT ''\n);\n\
         CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} (name) VALUES ('first');\n"
    )
}
