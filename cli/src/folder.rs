//! [`Folder`]: what a user should know about the folder of migrations besides its migrations.

use std::path::{MAIN_SEPARATOR, Path};

use switchy_schema::Meta;
use walkdir::WalkDir;

use crate::args::Command;
use crate::output::Output;
use crate::text;

/// The folder of migrations.
#[derive(Debug)]
pub(crate) struct Folder {
    path: String,
    /// Whether it has no migration.
    pub(crate) is_empty: bool,
    /// The files that look like scripts and are not read, and that no finding is about.
    pub(crate) skipped: Vec<String>,
}

impl Folder {
    /// Looks for files that are not read. A folder that cannot be read has been reported.
    pub(crate) fn look(path: &Path, set: &[Meta]) -> Self {
        let is_empty = set.iter().all(|meta| meta.unread.is_some());
        let known: Vec<String> = set
            .iter()
            .flat_map(|meta| meta.unused_files.iter().cloned().chain([meta.origin.to_string()]))
            .collect();
        let is_other_tool = |name: &str| matches!(name, ".git" | ".hg" | ".svn" | ".jj");
        let walk = WalkDir::new(path).min_depth(1).max_depth(16).sort_by_file_name();
        let walk =
            walk.into_iter().filter_entry(|entry| !entry.file_name().to_str().is_some_and(is_other_tool));
        let relative = |entry: walkdir::DirEntry| {
            let relative = entry.path().strip_prefix(path).ok()?.to_str()?.replace(MAIN_SEPARATOR, "/");
            let is_named = known.iter().any(|origin| *origin == format!("{}/{relative}", path.display()));
            (entry.file_type().is_file() && looks_like_script(&relative) && !is_named).then_some(relative)
        };
        let skipped = walk.filter_map(|entry| relative(entry.ok()?)).collect();
        Self { path: path.display().to_string(), is_empty, skipped }
    }

    /// That there is no migration.
    pub(crate) fn emptiness(&self) -> String {
        format!("no migrations in {}/", text::shortened(self.path.trim_end_matches('/')))
    }

    /// Tells the user. Files that are not read matter to whoever looks at the set, or has none.
    pub(crate) fn say(&self, output: &Output, command: &Command) {
        let looks = matches!(command, Command::Validate { .. } | Command::List | Command::Plan(_));
        // A validation has a finding about it.
        if self.is_empty && !matches!(command, Command::Validate { .. }) {
            output.note(&self.emptiness());
        }
        if self.is_empty || looks {
            self.skipped.iter().for_each(|file| output.note(&self.unread(file)));
        }
    }

    fn unread(&self, file: &str) -> String {
        let why = if file.split('/').any(|part| part.starts_with('.')) {
            "is hidden, and is not read; rename it if it is one"
        } else {
            "is not read; name it *.sql if it is one, or move it away"
        };
        format!("{}/{} looks like a script and {why}", text::shortened(&self.path), text::shortened(file))
    }
}

/// Whether a file that is not read looks like a script: `V1.sql.bak`, `x.SQL~`, `up.sq`, `.draft/up.sql`.
fn looks_like_script(path: &str) -> bool {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if extension == "sql" {
        return lower.split('/').any(|part| part.starts_with('.'));
    }
    // A swap file of an editor holds no script.
    let is_of_editor = name.starts_with('.') || name.starts_with('#');
    let has_sql = name.match_indices(".sql").any(|(at, found)| {
        !text::part(name, at + found.len()..).starts_with(|next: char| next.is_alphanumeric() || next == '_')
    });
    let is_misspelled = matches!(extension, "sq" | "slq" | "qsl" | "sqll" | "ssql" | "sqql");
    !is_of_editor && (has_sql || is_misspelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_looks_like_a_script_is_recognised() {
        for path in [
            "V1.sql.bak",
            "x.SQL~",
            "1_users/up.sql.orig",
            "up.sq",
            "1.sql.txt",
            "1_a.sql.gz",
            "a.sql ",
            ".draft/up.sql",
            "1_a/.up.sql",
        ] {
            assert!(looks_like_script(path), "{path}");
        }
        for path in
            ["1_users/up.sql", "README.md", "app.sqlite", "app.sqlite3", ".up.sql.swp", "#up.sql#", "a.toml"]
        {
            assert!(!looks_like_script(path), "{path}");
        }
    }
}
