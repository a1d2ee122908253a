//! [`right_name`]: the name that the author of a file probably meant.

/// The words that name the scripts of a migration in a folder.
const WORDS: [&str; 3] = ["up", "down", "migration"];

/// Typing errors of `.sql`, and what an editor or a file manager adds to it. Each is no other kind of file.
const EXTENSIONS: [&str; 8] = ["sq", "slq", "qsl", "sqll", "ssql", "sqql", "sql.txt", "sql.text"];

/// The name of the script that a file probably is, if the file is none because its name is misspelled.
///
/// A name in a folder that is a migration is compared with `up.sql` and `down.sql`; any other name only with the extension.
pub(crate) fn right_name(file: &str, is_in_migration: bool) -> Option<String> {
    // A space at its end is not seen.
    let lower = file.trim_end().to_lowercase();
    let (stem, extension) = lower.split_once('.').unwrap_or((&lower, ""));
    let is_script = extension == "sql";
    let is_padded = lower.len() < file.to_lowercase().len();
    let is_misspelled =
        EXTENSIONS.iter().any(|wrong| extension == *wrong || extension.ends_with(&format!(".{wrong}")));
    if is_padded && is_script && !is_in_migration {
        return Some(file.trim_end().to_owned());
    }
    if !is_in_migration {
        let wrong = EXTENSIONS.iter().find(|wrong| lower.ends_with(&format!(".{wrong}")))?;
        let stem = file.get(..file.len().checked_sub(wrong.len() + 1)?)?;
        return Some(format!("{stem}.sql"));
    }
    let word = nearest_word(stem)?;
    let is_right = word == stem && is_script && !is_padded;
    let could_be_script = is_script || is_misspelled || matches!(extension, "" | "txt");
    (could_be_script && !is_right).then(|| format!("{word}.sql"))
}

/// `upp`, `pu`, `up1` are probably `up`; `us` and `cp` are other words.
fn nearest_word(stem: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|word| {
        let distance = strsim::damerau_levenshtein(stem, word);
        match word.len() {
            2 => distance == 0 || distance == 1 && word.chars().all(|letter| stem.contains(letter)),
            _ => distance <= word.len() / 4,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_script_is_recognised() {
        for (file, in_migration, elsewhere) in [
            ("up.sq", Some("up.sql"), Some("up.sql")),
            ("Up.SQL.txt", Some("up.sql"), Some("Up.sql")),
            ("upp.sql", Some("up.sql"), None),
            ("pu.sql", Some("up.sql"), None),
            ("up", Some("up.sql"), None),
            ("up.txt", Some("up.sql"), None),
            ("dwon.sql", Some("down.sql"), None),
            ("migrations.sql", Some("migration.sql"), None),
            ("up.sql ", Some("up.sql"), Some("up.sql")),
            ("1_users.sql ", None, Some("1_users.sql")),
            ("1_users.sq", None, Some("1_users.sql")),
            ("1_users.sql.txt", None, Some("1_users.sql")),
        ] {
            assert_eq!(right_name(file, true).as_deref(), in_migration, "{file}");
            assert_eq!(right_name(file, false).as_deref(), elsewhere, "{file}");
        }
    }

    #[test]
    fn other_files_are_not_scripts() {
        for file in [
            "README.md",
            "seed.sql",
            "us.sql",
            "cp.sql",
            "dump.sql",
            "up.png",
            "up.rs",
            "up.sql.bak",
            "up.sql.disabled",
            "schema.psql",
            "query.gql",
            "token.sol",
            "1_users.md",
            "1_users.txt",
            "1_users",
            "data.sqlite",
            "notes.txt",
            "metadata.toml",
            "mod.rs",
        ] {
            assert_eq!(right_name(file, true), None, "{file}");
            assert_eq!(right_name(file, false), None, "{file}");
        }
        for script in ["up.sql", "UP.SQL", "down.sql", "migration.sql"] {
            assert_eq!(right_name(script, true), None, "{script}");
        }
    }
}
