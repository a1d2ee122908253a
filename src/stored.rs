//! [`StoredDown`]: how to roll back a migration, stored in the database for programs that do not have the migration.

use sha2::{Digest, Sha256};

use crate::checksum::Checksum;
use crate::id::MigrationId;
use crate::script_options::{Atomicity, Cascade, DataLoss, ForeignKeys, ScriptForm, ScriptOptions};

/// How to roll back a migration, stored with its record for programs that do not have the migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredDown {
    /// Code rolls it back. Only a program that has the migration has this code.
    Code,
    /// A script rolls it back.
    Script(StoredScript),
}

/// A stored script with everything that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredScript {
    /// The script, without byte order mark.
    pub text: String,
    /// How it runs, as words separated by spaces: `guarded`, `foreign_keys=on`, `foreign_keys=off`, `cascade`, `destructive`,
    /// `placeholders`. If it is empty, the script runs in a transaction as it is, and foreign keys are checked.
    pub options: String,
    /// The SHA-256 of the id, the options and the text, as `docs/format.md` describes; `None` if the database has no
    /// readable checksum.
    pub checksum: Option<Checksum>,
}

impl StoredScript {
    /// A script as a database has it, to be read back by [`Records::read`](crate::backend::Records::read).
    pub fn from_parts(
        text: impl Into<String>,
        options: impl Into<String>,
        checksum: Option<Checksum>,
    ) -> Self {
        Self { text: text.into(), options: options.into(), checksum }
    }

    /// Creates a script to be stored.
    pub(crate) fn new(id: &MigrationId, text: &str, options: ScriptOptions) -> Self {
        let options = options.in_words();
        Self { text: text.to_owned(), checksum: Some(digest(id, &options, text)), options }
    }

    /// Whether the script is unchanged since it was stored with this migration.
    pub fn is_intact(&self, id: &MigrationId) -> bool {
        self.checksum == Some(self.expected(id))
    }

    /// Whether it has this text, without regard to line endings.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.text == text || self.text.replace("\r\n", "\n") == text.replace("\r\n", "\n")
    }

    /// The checksum that the script must have if it is undamaged.
    pub(crate) fn expected(&self, id: &MigrationId) -> Checksum {
        digest(id, &self.options, &self.text)
    }

    /// How it runs, or as an error the first word that this version does not know.
    pub(crate) fn parsed_options(&self) -> Result<ScriptOptions, &str> {
        let mut options = ScriptOptions::default();
        for word in self.options.split_whitespace() {
            match word {
                "guarded" => options.atomicity = Atomicity::NonTransactional,
                "foreign_keys=on" => options.foreign_keys = ForeignKeys::Enforced,
                "foreign_keys=off" => options.foreign_keys = ForeignKeys::Unchecked,
                "cascade" => options.cascade = Cascade::Allowed,
                "destructive" => options.data_loss = DataLoss::Declared,
                "placeholders" => options.form = ScriptForm::WithPlaceholders,
                unknown => return Err(unknown),
            }
        }
        Ok(options)
    }
}

/// The checksum detects damage, not tampering: whoever can write the script can also write its checksum.
fn digest(id: &MigrationId, options: &str, text: &str) -> Checksum {
    let mut hash = Sha256::new();
    for part in [id.as_str(), options, text] {
        hash.update(part);
        hash.update([0]);
    }
    Checksum::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_options_can_be_parsed() {
        let id = MigrationId::from("1_a");
        for atomicity in [Atomicity::Transaction, Atomicity::NonTransactional] {
            for foreign_keys in [ForeignKeys::Checked, ForeignKeys::Enforced, ForeignKeys::Unchecked] {
                for cascade in [Cascade::Refused, Cascade::Allowed] {
                    for data_loss in [DataLoss::Undeclared, DataLoss::Declared] {
                        for form in [ScriptForm::Plain, ScriptForm::WithPlaceholders] {
                            let options = ScriptOptions { atomicity, foreign_keys, cascade, data_loss, form };
                            let stored = StoredScript::new(&id, "DROP TABLE a", options);
                            assert_eq!(stored.parsed_options(), Ok(options));
                            assert!(stored.is_intact(&id));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn damage_to_any_part_is_detected() {
        let id = MigrationId::from("1_a");
        let stored = StoredScript::new(&id, "DROP TABLE a", ScriptOptions::default());
        let damaged = [
            StoredScript { text: "DROP TABLE b".to_owned(), ..stored.clone() },
            StoredScript { options: "guarded".to_owned(), ..stored.clone() },
            StoredScript { checksum: None, ..stored.clone() },
            StoredScript { checksum: Some(Checksum::of("")), ..stored.clone() },
        ];
        assert!(damaged.iter().all(|damaged| !damaged.is_intact(&id)));
        assert!(!stored.is_intact(&"2_b".into()), "a row that was copied to another name");
        let later = StoredScript { options: "guarded in_a_new_way".to_owned(), ..stored };
        assert_eq!(later.parsed_options(), Err("in_a_new_way"));
    }
}
