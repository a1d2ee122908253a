//! The migrations that are interrupted, and the rows of a user.

use switchy_schema::rusqlite::{self, Connection};
use switchy_schema::{Lock, Migration, MigrationRunner};

/// A migration whose scripts are lists of statements.
pub(crate) struct Scripts {
    pub(crate) id: &'static str,
    pub(crate) up: &'static [&'static str],
    pub(crate) down: &'static [&'static str],
    pub(crate) is_outside: bool,
}

const fn inside(id: &'static str, up: &'static [&'static str], down: &'static [&'static str]) -> Scripts {
    Scripts { id, up, down, is_outside: false }
}

const fn outside(id: &'static str, up: &'static [&'static str], down: &'static [&'static str]) -> Scripts {
    Scripts { id, up, down, is_outside: true }
}

/// The tables that the user fills.
pub(crate) const FILLED: &str = "03_loans";
/// The last migration before the first one outside a transaction. It is code.
pub(crate) const COUNTED: &str = "09_counts";
/// A list of statements outside a transaction.
pub(crate) const SHELVED: &str = "10_shelves";

/// All scripts. The migration [`COUNTED`] between them is code.
pub(crate) const SCRIPTS: [Scripts; 13] = [
    inside(
        "01_authors",
        &["CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"],
        &["DROP TABLE author"],
    ),
    inside(
        "02_books",
        &["CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id) \
            ON DELETE CASCADE, title TEXT NOT NULL, price INTEGER)"],
        &["DROP TABLE book"],
    ),
    inside(
        FILLED,
        &[
            "CREATE TABLE loan (id INTEGER PRIMARY KEY, book INTEGER NOT NULL REFERENCES book (id) \
            ON DELETE CASCADE, note TEXT)",
            "CREATE INDEX loan_book ON loan (book)",
        ],
        &["DROP TABLE loan"],
    ),
    inside("04_isbn", &["ALTER TABLE book ADD COLUMN isbn TEXT"], &["ALTER TABLE book DROP COLUMN isbn"]),
    inside(
        "05_fill_isbn",
        &["UPDATE book SET isbn = printf('978-%06d', id), price = price * 100"],
        &["UPDATE book SET isbn = NULL, price = price / 100"],
    ),
    // A rebuild of a parent table, whose children must stay.
    inside(
        "06_rebuild_authors",
        &[
            "CREATE TABLE author_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, books INTEGER NOT NULL DEFAULT 0)",
            "INSERT INTO author_new (id, name) SELECT id, name FROM author",
            "DROP TABLE author",
            "ALTER TABLE author_new RENAME TO author",
        ],
        &[
            "CREATE TABLE author_old (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
            "INSERT INTO author_old (id, name) SELECT id, name FROM author",
            "DROP TABLE author",
            "ALTER TABLE author_old RENAME TO author",
        ],
    ),
    inside(
        "07_indexes",
        &["CREATE UNIQUE INDEX book_isbn ON book (isbn)", "CREATE INDEX book_author ON book (author, title)"],
        &["DROP INDEX book_author", "DROP INDEX book_isbn"],
    ),
    inside(
        "08_audit",
        &[
            "CREATE TABLE audit (id INTEGER PRIMARY KEY, loan INTEGER NOT NULL, what TEXT NOT NULL)",
            "CREATE TRIGGER loan_changed AFTER UPDATE ON loan BEGIN \
            INSERT INTO audit (loan, what) VALUES (old.id, 'changed'); END",
            "UPDATE loan SET note = note || '!' WHERE id % 3 = 0",
        ],
        &["DROP TABLE audit", "DROP TRIGGER loan_changed", "UPDATE loan SET note = rtrim(note, '!')"],
    ),
    outside(
        SHELVED,
        &[
            "CREATE TABLE shelf (id INTEGER PRIMARY KEY, place TEXT NOT NULL UNIQUE)",
            "INSERT INTO shelf (id, place) SELECT DISTINCT id % 5 + 1, 'wall ' || (id % 5 + 1) FROM book",
            "VACUUM",
            "ALTER TABLE book ADD COLUMN shelf INTEGER",
            "UPDATE book SET shelf = id % 5 + 1",
            "CREATE INDEX book_shelf ON book (shelf)",
        ],
        &["DROP INDEX book_shelf", "ALTER TABLE book DROP COLUMN shelf", "VACUUM", "DROP TABLE shelf"],
    ),
    inside(
        "11_rebuild_books",
        &[
            "CREATE TABLE book_new (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id) \
            ON DELETE CASCADE, title TEXT NOT NULL CHECK (title <> ''), price INTEGER, isbn TEXT, shelf INTEGER)",
            "INSERT INTO book_new (id, author, title, price, isbn, shelf) \
            SELECT id, author, title, price, isbn, shelf FROM book",
            "DROP TABLE book",
            "ALTER TABLE book_new RENAME TO book",
            "CREATE UNIQUE INDEX book_isbn ON book (isbn)",
            "CREATE INDEX book_author ON book (author, title)",
            "CREATE INDEX book_shelf ON book (shelf)",
        ],
        &[
            "CREATE TABLE book_old (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id) \
            ON DELETE CASCADE, title TEXT NOT NULL, price INTEGER, isbn TEXT, shelf INTEGER)",
            "INSERT INTO book_old (id, author, title, price, isbn, shelf) \
            SELECT id, author, title, price, isbn, shelf FROM book",
            "DROP TABLE book",
            "ALTER TABLE book_old RENAME TO book",
            "CREATE UNIQUE INDEX book_isbn ON book (isbn)",
            "CREATE INDEX book_author ON book (author, title)",
            "CREATE INDEX book_shelf ON book (shelf)",
        ],
    ),
    inside(
        "12_overview",
        &[
            "CREATE VIEW overview AS SELECT book.title, author.name FROM book JOIN author ON author.id = book.author",
        ],
        &["DROP VIEW overview"],
    ),
    outside("13_vacuum", &["VACUUM"], &["SELECT 1"]),
    inside(
        "14_notes",
        &[
            "DROP TRIGGER loan_changed",
            "CREATE TABLE note (loan INTEGER PRIMARY KEY, text TEXT NOT NULL)",
            "INSERT INTO note (loan, text) SELECT id, note FROM loan WHERE note IS NOT NULL",
            "ALTER TABLE loan DROP COLUMN note",
        ],
        &[
            "ALTER TABLE loan ADD COLUMN note TEXT",
            "UPDATE loan SET note = (SELECT text FROM note WHERE note.loan = loan.id)",
            "DROP TABLE note",
            "CREATE TRIGGER loan_changed AFTER UPDATE ON loan BEGIN \
            INSERT INTO audit (loan, what) VALUES (old.id, 'changed'); END",
        ],
    ),
];

/// A runner for the whole library, or for its migrations through one.
///
/// # Panics
/// If the library is not a valid set.
pub(crate) fn runner(through: Option<&str>) -> MigrationRunner {
    let script = |of: &Scripts| {
        let script = |statements: &[&str]| statements.join(";\n");
        let migration = Migration::from_scripts(of.id, script(of.up), Some(script(of.down)));
        if of.is_outside { migration.outside_transaction() } else { migration }
    };
    let counts = Migration::code(COUNTED, count_books).undo(|conn: &Connection| {
        conn.execute_batch("UPDATE author SET books = 0; DROP TABLE IF EXISTS counted")
    });
    let mut set: Vec<Migration> = SCRIPTS.iter().map(script).collect();
    set.push(counts);
    set.retain(|migration| through.is_none_or(|last| migration.id().as_str() <= last));
    of_set(set)
}

/// A runner that takes no lock, since the file of a [disk](crate::disk::Disk) has no path, and that waits for nothing.
///
/// # Panics
/// If the set is not valid.
pub(crate) fn of_set(set: Vec<Migration>) -> MigrationRunner {
    let runner = MigrationRunner::new(set).expect("a valid set");
    runner.lock(Lock::Off).lock_timeout(std::time::Duration::ZERO).program("crashes")
}

/// Counts in Rust what SQL could count.
fn count_books(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("CREATE TABLE counted (author INTEGER PRIMARY KEY)")?;
    let mut statement = conn.prepare("SELECT author FROM book")?;
    let authors: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for author in authors {
        conn.execute("UPDATE author SET books = books + 1 WHERE id = ?1", [author])?;
        conn.execute("INSERT OR IGNORE INTO counted VALUES (?1)", [author])?;
    }
    Ok(())
}

/// The tables through [`FILLED`] as a program without migrations would make them.
pub(crate) fn tables_by_hand() -> String {
    let statements: Vec<&str> = SCRIPTS[..3].iter().flat_map(|scripts| scripts.up).copied().collect();
    statements.join(";\n")
}

/// What the user wrote into the tables through [`FILLED`].
pub(crate) const ROWS: &str = "
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 12)
    INSERT INTO author SELECT i, 'author ' || i FROM n;
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30)
    INSERT INTO book SELECT i, i % 12 + 1, 'the book with number ' || i, i * 3 FROM n;
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO loan SELECT i, i % 30 + 1, CASE WHEN i % 7 THEN printf('%0150d', i) END FROM n;";
