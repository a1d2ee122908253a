//! How settings in a script change how the rest of the script is read.

use crate::sql::{Token, Tokens};

const SETTING: &str = "standard_conforming_strings";

/// Whether plain strings have backslash escapes. A connection starts without them, the default since PostgreSQL 9.1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Strings {
    in_session: bool,
    /// The value until the transaction ends: `SET LOCAL`.
    in_transaction: Option<bool>,
}

impl Strings {
    pub(super) fn have_backslashes(self) -> bool {
        self.in_transaction.unwrap_or(self.in_session)
    }

    /// Applies a statement that may change the setting. A statement that fails ends the script anyway.
    pub(super) fn follow(&mut self, statement: &str) {
        // No statement that changes the setting is longer.
        let words = Tokens::new(statement).take(16).filter_map(Token::spelling);
        let words: Vec<_> = words.map(str::to_ascii_lowercase).collect();
        let words: Vec<_> = words.iter().map(String::as_str).filter(|word| *word != "to").collect();
        match words[..] {
            ["set", "local", SETTING, value] => self.in_transaction = Some(is_off(value)),
            ["set", SETTING, value] | ["set", "session", SETTING, value] => self.set(is_off(value)),
            ["reset", SETTING | "all"] | ["discard", "all"] => self.set(false),
            ["select", "pg_catalog", "set_config", SETTING, value, local]
            | ["select", "set_config", SETTING, value, local] => {
                let is_local = !is_off(local);
                if is_local {
                    self.in_transaction = Some(is_off(value));
                } else {
                    self.set(is_off(value));
                }
            }
            ["commit" | "end" | "rollback" | "abort", ..] => self.in_transaction = None,
            _ => {}
        }
    }

    fn set(&mut self, value: bool) {
        *self = Self { in_session: value, in_transaction: None };
    }
}

/// Whether a value means off, as `src/backend/utils/adt/bool.c` parses it: any unambiguous prefix counts.
fn is_off(value: &str) -> bool {
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(value);
    value == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_change_the_setting_is_recognised() {
        let off = [
            "SET standard_conforming_strings = off",
            "set session standard_conforming_strings to 'OFF'",
            "SET LOCAL \"Standard_Conforming_Strings\" = 0",
            "SET standard_conforming_strings = f",
            "SET standard_conforming_strings /* ; */ TO no",
            "SELECT pg_catalog.set_config('standard_conforming_strings', 'false', false)",
            "SELECT set_config('standard_conforming_strings', 'off', true)",
        ];
        for statement in off {
            let mut strings = Strings::default();
            strings.follow(statement);
            assert!(strings.have_backslashes(), "{statement}");
            strings.follow("RESET ALL");
            assert!(!strings.have_backslashes(), "{statement}");
        }
        let other = ["SET standard_conforming_strings = on", "SET standard_conforming_strings TO DEFAULT"];
        for statement in other {
            let mut strings = Strings { in_session: true, in_transaction: Some(true) };
            strings.follow(statement);
            assert!(!strings.have_backslashes(), "{statement}");
        }
        for statement in ["SET search_path = off", "ALTER ROLE a SET standard_conforming_strings = off"] {
            let mut strings = Strings::default();
            strings.follow(statement);
            assert!(!strings.have_backslashes(), "{statement}");
        }
    }

    #[test]
    fn a_local_value_ends_with_the_transaction() {
        let mut strings = Strings::default();
        strings.follow("SET LOCAL standard_conforming_strings = off");
        assert!(strings.have_backslashes());
        strings.follow("COMMIT");
        assert!(!strings.have_backslashes());
    }
}
