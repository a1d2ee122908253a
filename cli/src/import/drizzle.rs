//! Drizzle: a journal, and one file for each of its entries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::draft::{Draft, Order, TransactionUse};
use super::folders::folders;
use super::found::Found;
use super::script::{is_ended, without_bom};
use super::set::File;

const JOURNAL: &str = "meta/_journal.json";
const MARK: &str = "--> statement-breakpoint";

/// The fields of the journal that are read. It has others.
#[derive(Deserialize)]
struct Journal {
    dialect: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    tag: String,
}

/// `meta/_journal.json` and `<tag>.sql` (<https://orm.drizzle.team/docs/drizzle-kit-generate>, and `readMigrationFiles` in its
/// `migrator.ts`), in the order of the entries.
pub(super) fn found(all: &[File]) -> Found {
    let mut found = Found::default();
    let mut files: BTreeMap<&str, &File> = all.iter().map(|file| (file.path.as_str(), file)).collect();
    let Some(file) = files.remove(JOURNAL) else {
        if files.keys().any(|path| path.ends_with("/migration.sql")) {
            return in_folders(all);
        }
        found.refuse(
            JOURNAL,
            "it is missing, and says which files are migrations, in which order; name the folder that has it",
        );
        return found;
    };
    let Some(text) = found.text(file) else { return found };
    let journal: Journal = match serde_json::from_str(without_bom(text)) {
        Ok(journal) => journal,
        Err(error) => {
            found.refuse(JOURNAL, format!("it is no journal of Drizzle: {error}; generate it again"));
            return found;
        }
    };
    for (place, Entry { tag }) in journal.entries.into_iter().enumerate() {
        let path = format!("{tag}.sql");
        let Some(file) = files.remove(path.as_str()) else {
            let tag = crate::text::printable(&tag);
            found.refuse(
                JOURNAL,
                format!("there is no file for its entry `{tag}`, or two entries for one file; correct it"),
            );
            continue;
        };
        let Some(text) = found.text(file) else { continue };
        let (up, notes) = scripts(text, journal.dialect.as_deref());
        found.drafts.push(Draft {
            order: Order::Place(place),
            version: tag.clone(),
            id: tag,
            up,
            down: None,
            transaction: TransactionUse::Inside,
            from: vec![path],
            notes,
        });
    }
    for path in files.into_keys() {
        let is_snapshot = path.starts_with("meta/");
        let why = if is_snapshot {
            "it is Drizzle's picture of the schema"
        } else {
            "the journal does not have it"
        };
        found.skip(path, why);
    }
    found
}

/// The snapshot next to a script. Only the dialect is read.
#[derive(Deserialize)]
struct Snapshot {
    dialect: Option<String>,
}

/// `<time>_<name>/migration.sql` and `snapshot.json`, the layout of Drizzle 1 (<https://orm.drizzle.team/docs/upgrade-v1>).
fn in_folders(files: &[File]) -> Found {
    let mut found = Found::default();
    for (folder, mut names) in folders(files, &mut found) {
        let (script, snapshot) = (names.remove("migration.sql"), names.remove("snapshot.json"));
        for file in names.values() {
            found.skip(&file.path, "Drizzle does not look at it");
        }
        let Some(script) = script else {
            if let Some(file) = snapshot {
                found.refuse(
                    &file.path,
                    "there is no migration.sql beside it; add that, or remove the folder",
                );
            }
            continue;
        };
        let dialect = snapshot.and_then(|file| {
            found.skip(&file.path, "it is Drizzle's picture of the schema");
            serde_json::from_slice::<Snapshot>(&file.bytes).ok()?.dialect
        });
        let Some(text) = found.text(script) else { continue };
        let (up, notes) = scripts(text, dialect.as_deref());
        found.drafts.push(Draft {
            order: Order::Text(folder.to_owned()),
            version: folder.to_owned(),
            id: folder.to_owned(),
            up,
            down: None,
            transaction: TransactionUse::Inside,
            from: vec![script.path.clone()],
            notes,
        });
    }
    found
}

/// The script of a file, and notes. Drizzle splits the file at its breakpoints and sends the pieces, so a piece need not end with a
/// semicolon. A breakpoint is a comment in SQLite and PostgreSQL, but not in MySQL, where a comment needs a space after its dashes.
fn scripts(text: &str, dialect: Option<&str>) -> (String, Vec<String>) {
    let mark =
        if matches!(dialect, Some("mysql" | "singlestore")) { "-- statement-breakpoint" } else { MARK };
    let pieces: Vec<&str> = text.split(MARK).collect();
    let mut script = String::new();
    for (number, piece) in (1..).zip(&pieces) {
        script.push_str(piece);
        if let Some(next) = pieces.get(number) {
            let ends = is_ended(piece) || piece.trim().is_empty();
            script.push_str(if ends { "" } else { "\n;" });
            script.push_str(mark);
            // Text after a breakpoint on the same line is a statement in Drizzle, but would be a comment here.
            let is_alone = next.lines().next().is_none_or(|line| line.trim().is_empty());
            script.push_str(if is_alone { "" } else { "\n" });
        }
    }
    let note = "its statement breakpoints were changed into what the database understands, so its hash is another than Drizzle's";
    let notes = if script == text { Vec::new() } else { vec![note.to_owned()] };
    (script, notes)
}
