//! [`Found`]: what is found in the folder of another tool.

use std::collections::BTreeMap;

use switchy_schema::MigrationId;

use super::draft::Draft;
use super::set::{File, Imported, Set, Skipped, Wrong};
use super::tool::Tool;

/// The results so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) drafts: Vec<Draft>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) wrong: Vec<Wrong>,
}

impl Found {
    pub(super) fn skip(&mut self, file: &str, why: impl Into<String>) {
        self.skipped.push(Skipped { file: file.to_owned(), why: why.into() });
    }

    pub(super) fn refuse(&mut self, file: &str, why: impl Into<String>) {
        self.wrong.push(Wrong { file: file.to_owned(), why: why.into() });
    }

    /// The text of a script, or what is wrong with it.
    pub(super) fn text<'f>(&mut self, file: &'f File) -> Option<&'f str> {
        match text(&file.bytes) {
            Ok(text) => Some(text),
            Err(why) => {
                self.refuse(&file.path, why);
                None
            }
        }
    }

    pub(super) fn finished(mut self, tool: Tool) -> Result<Set, Vec<Wrong>> {
        self.drafts.sort_by(|a, b| a.order.cmp(&b.order));
        let (mut versions, mut ids) = (BTreeMap::<String, String>::new(), BTreeMap::<String, String>::new());
        for draft in &self.drafts {
            let file = draft.from.first().cloned().unwrap_or_default();
            let wrong = if let Some(other) = versions.insert(draft.version.clone(), file.clone()) {
                Some(format!(
                    "it has the version of {other}; {} would not know which comes first",
                    tool.name()
                ))
            } else if let Some(other) = ids.insert(draft.id.to_lowercase(), file.clone()) {
                Some(format!("it would have the name of {other}; rename one of them"))
            } else {
                id_problem(&draft.id)
                    .map(|why| format!("`{}` cannot be the name of a migration: {why}", draft.id))
            };
            self.wrong.extend(wrong.map(|why| Wrong { file, why }));
        }
        if self.drafts.is_empty() && self.wrong.is_empty() {
            let why = format!(
                "it has no migrations of {}; check the folder, and the tool named with `--from`",
                tool.name()
            );
            self.refuse("", why);
        }
        if !self.wrong.is_empty() {
            self.wrong.sort_by(|a, b| a.file.cmp(&b.file));
            return Err(self.wrong);
        }
        self.skipped.sort_by(|a, b| a.file.cmp(&b.file));
        let (mut migrations, mut newest) = (Vec::<Imported>::new(), None::<MigrationId>);
        for draft in self.drafts {
            let id = MigrationId::from(draft.id.clone());
            // The engine orders migrations by their names. If the tool's order differs, the metadata names the migration before it.
            let is_in_order = newest.as_ref().is_none_or(|newest| id > *newest);
            let after = migrations.last().map(|before| before.id.clone()).filter(|_| !is_in_order);
            if is_in_order {
                newest = Some(id);
            }
            migrations.push(draft.imported(tool, after.as_deref()));
        }
        Ok(Set { migrations, skipped: self.skipped })
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text from byte {} on; save it as UTF-8", error.valid_up_to())
    })?;
    if text.contains('\0') {
        return Err("it holds a NUL byte, where SQL would end; remove it".to_owned());
    }
    Ok(text)
}

/// Why an id cannot be the name of a folder in a set; `None` if it can.
fn id_problem(id: &str) -> Option<&'static str> {
    const DATABASES: [&str; 6] = ["sqlite", "sqlite3", "postgres", "postgresql", "mysql", "mariadb"];
    match id {
        "" => Some("it is empty"),
        id if id.starts_with('.') => Some("it begins with a dot, so it would be hidden"),
        id if id.chars().any(|c| c.is_control() || "/\\:".contains(c)) => {
            Some("it has a character that separates folders, or none that can be seen")
        }
        id if DATABASES.iter().any(|name| id.eq_ignore_ascii_case(name)) => {
            Some("here a folder of this name is for all migrations of one database")
        }
        _ => None,
    }
}
