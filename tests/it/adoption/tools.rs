//! The tools whose databases are in `compat/tools/fixtures`, with their migrations. The tests with servers use them too.

use std::fs;
use std::path::{Path, PathBuf};

use switchy_schema::{Adopt, Backend, Doubt, Finding, Migration, MigrationRunner, Tool};

pub(super) fn fixtures() -> PathBuf {
    Path::new(crate::ROOT).join("compat/tools/fixtures")
}

/// Splits a file into its up script and its down script.
fn cut(text: &str) -> (String, Option<String>) {
    for (up, down) in [("-- migrate:up", "-- migrate:down"), ("-- +goose Up", "-- +goose Down")] {
        if let Some((_, rest)) = text.split_once(up) {
            let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            return match rest.split_once(down) {
                Some((up, down)) => {
                    (up.to_owned(), Some(down.split_once('\n').map_or("", |(_, down)| down).to_owned()))
                }
                None => (rest.to_owned(), None),
            };
        }
    }
    (text.to_owned(), None)
}

/// Reads the migrations in a tool's folder, under their own names or other ones.
fn set<B: Backend>(folder: &Path, rename: impl Fn(&str) -> String) -> MigrationRunner<B> {
    let mut migrations: Vec<Migration<B>> = Vec::new();
    let read = |path: &Path| fs::read_to_string(path).ok();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (id, up, down) = if path.is_dir() {
            let Some(up) = read(&path.join("up.sql")).or_else(|| read(&path.join("migration.sql"))) else {
                continue;
            };
            (name.to_owned(), up, read(&path.join("down.sql")))
        } else if let Some(id) = name.strip_suffix(".up.sql") {
            (id.to_owned(), read(&path).unwrap(), read(&folder.join(format!("{id}.down.sql"))))
        } else if let (Some(id), false) = (name.strip_suffix(".sql"), name.ends_with(".down.sql")) {
            let (up, down) = cut(&read(&path).unwrap());
            (id.to_owned(), up, down)
        } else {
            continue;
        };
        migrations.push(Migration::from_scripts(rename(&id), up, down));
    }
    assert!(migrations.len() >= 4, "{}", folder.display());
    MigrationRunner::for_backend(migrations).unwrap()
}

/// A folder with the databases that a tool created.
pub(super) struct Made {
    pub(super) folder: &'static str,
    pub(super) tool: Tool,
    /// The finding for each migration.
    pub(super) findings: &'static [Finding],
    pub(super) how: fn() -> Adopt,
    /// The message if no doubt is accepted.
    pub(super) said: Option<&'static str>,
}

impl Made {
    pub(super) fn folder(&self) -> PathBuf {
        fixtures().join(self.folder)
    }

    /// The tool's migrations in SQL. Some tools have them in other languages; the folder then also contains the resulting SQL.
    pub(super) fn set_for<B: Backend>(&self, rename: impl Fn(&str) -> String) -> MigrationRunner<B> {
        let sql = self.folder().join("sql");
        set(&if sql.is_dir() { sql } else { self.folder().join("migrations") }, rename)
    }
}

const VERIFIED: &[Finding] = &[Finding::Verified; 5];
const MATCHED: &[Finding] = &[Finding::Matched; 4];
const ASSUMED: &[Finding] = &[Finding::Assumed; 4];

pub(super) const MADE: &[Made] = &[
    Made { folder: "sqlx", tool: Tool::Sqlx, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "sqlx-reversible", tool: Tool::Sqlx, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "refinery", tool: Tool::Refinery, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "refinery-int8", tool: Tool::Refinery, findings: VERIFIED, how: Adopt::new, said: None },
    Made {
        folder: "rusqlite_migration",
        tool: Tool::UserVersion,
        findings: ASSUMED,
        how: || Adopt::new().accept(Doubt::Lost),
        said: Some("`user_version` says neither which migrations it counts"),
    },
    Made { folder: "diesel", tool: Tool::Diesel, findings: MATCHED, how: Adopt::new, said: None },
    Made { folder: "dbmate", tool: Tool::Dbmate, findings: MATCHED, how: Adopt::new, said: None },
    Made { folder: "goose", tool: Tool::Goose, findings: MATCHED, how: Adopt::new, said: None },
    Made {
        folder: "golang-migrate",
        tool: Tool::GolangMigrate,
        findings: ASSUMED,
        how: || Adopt::new().accept(Doubt::Lost),
        said: Some("golang-migrate keeps only the highest version"),
    },
    Made { folder: "flyway", tool: Tool::Flyway, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "prisma", tool: Tool::Prisma, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "drizzle", tool: Tool::Drizzle, findings: VERIFIED, how: Adopt::new, said: None },
    Made { folder: "drizzle-1", tool: Tool::Drizzle, findings: VERIFIED, how: Adopt::new, said: None },
    Made {
        folder: "django",
        tool: Tool::Django,
        findings: MATCHED,
        how: || Adopt::new().app("notes"),
        said: Some("`django_migrations` has the migrations of `contenttypes`, `notes`; name the application"),
    },
    Made { folder: "rails", tool: Tool::Rails, findings: MATCHED, how: Adopt::new, said: None },
    Made { folder: "sea-orm", tool: Tool::SeaOrm, findings: MATCHED, how: Adopt::new, said: None },
    Made { folder: "ecto", tool: Tool::Ecto, findings: MATCHED, how: Adopt::new, said: None },
    Made { folder: "grdb", tool: Tool::Grdb, findings: MATCHED, how: Adopt::new, said: None },
    Made {
        folder: "room",
        tool: Tool::UserVersion,
        findings: ASSUMED,
        how: || Adopt::new().accept(Doubt::Lost),
        said: Some("`user_version` says neither which migrations it counts"),
    },
];
