//! The names of the environment variables that give values for placeholders.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The variables that the configuration file names with `env`, by placeholder. Remedies name them, and the code that writes remedies has
/// no settings.
static NAMED: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Remembers the variables that the configuration file names.
pub(super) fn remember(named: BTreeMap<String, String>) {
    NAMED.get_or_init(|| named);
}

/// The variable that is read for a placeholder, for the words of a remedy.
pub(crate) fn of(name: &str) -> String {
    let by_file = NAMED.get().and_then(|variables| variables.get(name));
    by_file.cloned().unwrap_or_else(|| usual(name))
}

/// The variable of a placeholder without `env`.
pub(super) fn usual(name: &str) -> String {
    format!("SWITCHY_PLACEHOLDER_{}", name.to_ascii_uppercase())
}
