//! `metadata.toml`, of every wrong kind.

use super::{FIRST, Place, Row, Rows, row};

const VALUES: [(&str, &str); 10] = [
    ("text", "\"a\""),
    ("number", "7"),
    ("fraction", "1.5"),
    ("truth", "true"),
    ("date", "2025-01-05"),
    ("list of texts", "[\"a\"]"),
    ("list of numbers", "[7]"),
    ("list of lists", "[[\"a\"]]"),
    ("table", "{a = \"a\"}"),
    ("empty list", "[]"),
];

/// The keys, and which of the values each accepts.
const KEYS: [(&str, &[&str]); 10] = [
    ("description", &["text"]),
    ("depends_on", &["list of texts", "empty list"]),
    ("depends_on_if_present", &["list of texts", "empty list"]),
    ("run_in_transaction", &["truth"]),
    ("foreign_keys", &[]),
    ("lock_timeout", &["number", "fraction"]),
    ("environments", &["list of texts", "empty list"]),
    ("databases", &["empty list"]),
    ("accepted", &["empty list"]),
    ("allow", &["empty list"]),
];

pub(super) fn rows() -> Rows {
    let mut rows = Rows::new();
    for (key, accepted) in KEYS {
        for (what, value) in VALUES.iter().filter(|(what, _)| !accepted.contains(what)) {
            rows.push(described(&format!("{key} = a {what}"), format!("{key} = {value}\n")));
        }
    }
    let texts: [(&str, String); 42] = [
        ("foreign_keys = its word as a key", "foreign_keys = {on = []}\n".into()),
        ("allow = its word as a key", "allow = [{cascade = []}]\n".into()),
        ("a key with a wrong letter", "descripton = \"a\"\n".into()),
        ("a key in capitals", "Description = \"a\"\n".into()),
        ("a key with a dash", "depends-on = []\n".into()),
        ("a key of another tool", "transactional = false\n".into()),
        ("a key in a table", "[migration]\ndescription = \"a\"\n".into()),
        ("a key with dots", "depends.on = []\n".into()),
        ("a key that is empty", "\"\" = 1\n".into()),
        ("a key with an escape sequence", "\"\\u001b[2J\" = 1\n".into()),
        ("a key that a terminal would obey", "\"\u{202e}x\" = 1\n".into()),
        ("a key of a thousand letters", format!("{} = 1\n", "k".repeat(1000))),
        ("a key of a million letters", format!("{} = 1\n", "k".repeat(1_000_000))),
        ("a key twice", "description = \"a\"\ndescription = \"b\"\n".into()),
        ("a key without a value", "description\n".into()),
        ("a key without a value behind the sign", "description =\n".into()),
        ("two keys on one line", "description = \"a\" allow = []\n".into()),
        ("a text without its end", "description = \"a\n".into()),
        ("a long text without its end", format!("description = '''{}", "a\n".repeat(1000))),
        ("a list without its end", "depends_on = [\"a\",\n".into()),
        ("a wrong escape", "description = \"\\q\"\n".into()),
        ("a surrogate as an escape", "description = \"\\ud800\"\n".into()),
        ("a control character", "description = \"a\u{7}\"\n".into()),
        ("a thousand lists", format!("allow = {}", "[".repeat(1000))),
        ("JSON", "{\"description\": \"a\"}\n".into()),
        ("YAML", "description: a\n".into()),
        ("a script", "CREATE TABLE a (b);\n".into()),
        ("a comment in SQL", "-- a\n".into()),
        ("foreign_keys = an unknown word", "foreign_keys = \"maybe\"\n".into()),
        ("foreign_keys in capitals", "foreign_keys = \"ON\"\n".into()),
        ("allow = an unknown word", "allow = [\"everything\"]\n".into()),
        ("lock_timeout = a negative number", "lock_timeout = -1\n".into()),
        ("lock_timeout = no number", "lock_timeout = nan\n".into()),
        ("databases = an unknown one", "databases = [\"oracle\"]\n".into()),
        ("databases = an empty name", "databases = [\"\"]\n".into()),
        ("accepted = a short hash", "accepted = [\"abc\"]\n".into()),
        ("accepted = a hash with a wrong digit", format!("accepted = [\"{}\"]\n", "g".repeat(64))),
        ("accepted = an escape sequence", "accepted = [\"\\u001b[2J\"]\n".into()),
        ("a number that is too large", "description = 99999999999999999999999\n".into()),
        ("what is no number", "run_in_transaction = nan\n".into()),
        ("a zero before a number", "run_in_transaction = 01\n".into()),
        ("an unknown key in line 3", "# a\n# b\nunknown = 1\n".into()),
    ];
    rows.extend(texts.into_iter().map(|(name, text)| described(name, text)));
    let dependencies: [(&str, String); 12] = [
        ("itself", "depends_on = [\"2025-01-02-000000_x\"]".into()),
        ("itself if present", "depends_on_if_present = [\"2025-01-02-000000_x\"]".into()),
        ("a missing one", "depends_on = [\"2025-01-09-000000_missing\"]".into()),
        ("one with nearly its name", "depends_on = [\"2025-01-01-000000_user\"]".into()),
        ("one in another case", "depends_on = [\"2025-01-01-000000_USERS\"]".into()),
        ("an empty name", "depends_on = [\"\"]".into()),
        ("a path", "depends_on = [\"../2025-01-01-000000_users\"]".into()),
        ("a file", "depends_on = [\"2025-01-01-000000_users/up.sql\"]".into()),
        ("one twice", format!("depends_on = [\"{FIRST}\", \"{FIRST}\"]")),
        ("an escape sequence", "depends_on = [\"\\u001b[2J\"]".into()),
        ("a name of a hundred thousand letters", format!("depends_on = [\"{}\"]", "x".repeat(100_000))),
        (
            "a thousand missing ones",
            format!(
                "depends_on = [{}]",
                (0..1000).map(|n| format!("\"{n}_x\"")).collect::<Vec<_>>().join(",")
            ),
        ),
    ];
    rows.extend(
        dependencies.into_iter().map(|(name, text)| described(&format!("a dependency on {name}"), text)),
    );
    rows.push(circle("a circle of two", 2, "depends_on"));
    rows.push(circle("a circle of three, if present", 3, "depends_on_if_present"));
    rows.push(circle("a circle of five hundred", 500, "depends_on"));
    rows.push(row("metadata of a file for another one", |place| {
        place.file("migrations/2025-01-02-000000_x.sql", "SELECT 1;");
        place.file("migrations/2025-01-02-000000_y.toml", "unknown = 1");
    }));
    rows.push(row("two files with wrong metadata", |place| {
        for id in ["2025-01-02-000000_x", "2025-01-03-000000_y"] {
            place.up(id, "SELECT 1;");
            place.file(format!("migrations/{id}/metadata.toml"), "unknown = 1\n");
        }
    }));
    rows
}

/// A second migration with this metadata.
fn described(name: &str, text: String) -> Row {
    row(name, move |place: &Place| {
        place.up("2025-01-02-000000_x", "SELECT 1;");
        place.file("migrations/2025-01-02-000000_x/metadata.toml", &text);
    })
}

/// Migrations of which each depends on the next, and the last one on the first.
fn circle(name: &str, of: usize, key: &'static str) -> Row {
    row(name, move |place: &Place| {
        for number in 0..of {
            place.up(&format!("{number}_x"), "SELECT 1;");
            let next = (number + 1) % of;
            place.file(format!("migrations/{number}_x/metadata.toml"), format!("{key} = [\"{next}_x\"]\n"));
        }
    })
}
