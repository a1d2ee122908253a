//! A project moves from another tool: its files are imported, its database is adopted, and the next migration runs.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::adoption::fixture;
use crate::shell::Shell;

/// The tool, the folder of files and databases that it created, and the options for `adopt`.
const MOVES: [(&str, &str, &str); 12] = [
    ("goose", "goose", ""),
    ("dbmate", "dbmate", ""),
    ("refinery", "refinery", ""),
    ("refinery", "refinery-int8", ""),
    ("flyway", "flyway", "--accept orphaned,unproven"),
    ("golang-migrate", "golang-migrate", "--yes"),
    ("sqlx", "sqlx", ""),
    ("sqlx", "sqlx-reversible", ""),
    ("diesel", "diesel", ""),
    ("prisma", "prisma", ""),
    ("drizzle", "drizzle", ""),
    ("drizzle", "drizzle-1", ""),
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// The files of a tool in `theirs`, and one of its databases.
fn of(folder: &str, database: &str) -> Shell {
    let shell = Shell::new();
    shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
    copy(&fixture(folder).join("migrations"), &shell.path().join("theirs"));
    fs::copy(fixture(folder).join(database), shell.path().join("app.db")).unwrap();
    shell
}

/// The definitions and rows in a database, except those about its history.
fn content(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let list = |sql: &str| -> Vec<String> {
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            Ok(cells.collect::<Vec<_>>().join(" "))
        };
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let own = "name NOT LIKE '%switchy%' AND tbl_name NOT LIKE '%switchy%' AND name <> 'sqlite_sequence'";
    let mut picture = list(&format!("SELECT type, name, sql FROM sqlite_master WHERE {own} ORDER BY name"));
    for table in ["users", "notes"] {
        picture.extend(list(&format!("SELECT '{table}', * FROM {table} ORDER BY 2")));
    }
    picture
}

#[test]
fn a_project_moves_with_its_files_and_its_database() {
    for (tool, folder, how) in MOVES {
        for (database, pending) in [("complete.db", 0), ("partial.db", 1)] {
            let mut shell = of(folder, database);
            let app = shell.path().join("app.db");
            let before = content(&app);
            let mut does = |line: &str| {
                let output = shell.run(line);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{tool} {folder} {database}: {line}: {said}");
                String::from_utf8(output.stdout).unwrap()
            };
            does(&format!("import --from {tool} theirs"));
            does(&format!("adopt --from {tool} --dry-run {how}"));
            assert_eq!(content(&app), before, "{folder}");
            does(&format!("adopt --from {tool} {how}"));
            assert_eq!(content(&app), before, "{folder}");
            let applied = does("migrate --json");
            let applied: serde_json::Value = serde_json::from_str(&applied).unwrap();
            assert_eq!(
                applied["done"].as_array().map(Vec::len),
                Some(pending),
                "{folder} {database}: {applied}"
            );
            does("status --exit-code");
            does("validate");
            if pending == 0 {
                assert_eq!(content(&app), before, "{folder}");
            }
            let users = |picture: &[String]| picture.iter().filter(|line| line.contains("users")).count();
            assert!(users(&content(&app)) >= users(&before), "{folder}: rows are gone");
        }
    }
}

#[test]
fn what_is_pending_makes_what_the_tool_would_have_made() {
    for (tool, folder, how) in MOVES {
        let mut shell = of(folder, "partial.db");
        for line in [
            format!("import --from {tool} theirs"),
            format!("adopt --from {tool} {how}"),
            "migrate".to_owned(),
        ] {
            let output = shell.run(&line);
            assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let of_tool = fixture(folder).join("complete.db");
        let copied = shell.path().join("complete.db");
        fs::copy(of_tool, &copied).unwrap();
        assert_eq!(content(&shell.path().join("app.db")), content(&copied), "{folder}");
    }
}
