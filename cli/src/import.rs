//! [`convert`]: migrations of another tool as migrations of this crate. This module does not access the file system.
//!
//! A script that is a whole file keeps its bytes, so that it still matches the hash that the tool stored.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the other tools compare file extensions by case"
)]

use std::collections::BTreeMap;

use clap::ValueEnum;
use switchy_schema::MigrationId;
use switchy_schema::layout::Entry;

use crate::text;

mod drizzle;
mod folders;
mod marked;
mod named;
#[cfg(test)]
mod tests;
mod wrapped;

/// The tool that the files are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    Goose,
    Dbmate,
    Refinery,
    Flyway,
    GolangMigrate,
    Sqlx,
    Diesel,
    Prisma,
    Drizzle,
    #[value(hide = true)]
    Rails,
    #[value(hide = true)]
    Django,
    #[value(hide = true)]
    Alembic,
    #[value(hide = true)]
    SeaOrm,
    #[value(hide = true)]
    Grdb,
}

impl Tool {
    /// The usual name of the tool.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Goose => "goose",
            Self::Dbmate => "dbmate",
            Self::Refinery => "refinery",
            Self::Flyway => "Flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Sqlx => "sqlx",
            Self::Diesel => "Diesel",
            Self::Prisma => "Prisma",
            Self::Drizzle => "Drizzle",
            Self::Rails => "Rails",
            Self::Django => "Django",
            Self::Alembic => "Alembic",
            Self::SeaOrm => "SeaORM",
            Self::Grdb => "GRDB",
        }
    }

    /// Whether its scripts begin and commit transactions themselves, as its documentation recommends or allows, and it stores no hash of
    /// their files.
    const fn leaves_transactions_to_scripts(self) -> bool {
        matches!(self, Self::GolangMigrate | Self::Goose | Self::Dbmate)
    }

    /// The language of the tool's migrations, if it is not SQL.
    pub(crate) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Rails => Some("Ruby"),
            Self::Django | Self::Alembic => Some("Python"),
            Self::SeaOrm => Some("Rust"),
            Self::Grdb => Some("Swift"),
            _ => None,
        }
    }
}

/// A file: its path relative to the folder of the other tool, with `/` between the parts, and its content if an import may need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// The result of an import.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set {
    /// The migrations, in the order in which they are applied.
    pub(crate) migrations: Vec<Imported>,
    pub(crate) skipped: Vec<Skipped>,
}

/// An imported migration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) id: String,
    /// The files that it was made from.
    pub(crate) from: Vec<String>,
    /// The files of the migration, in a folder named after its id.
    pub(crate) files: Vec<Entry>,
    /// Notes for the author.
    pub(crate) notes: Vec<String>,
}

/// A file that is not imported, and why it is not needed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) file: String,
    pub(crate) why: String,
}

/// A file that cannot be imported, but must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The path, with `:` and the line number if the error concerns one line.
    pub(crate) file: String,
    pub(crate) why: String,
}

/// Converts the migrations of another tool.
///
/// # Errors
/// Everything that prevents an import without loss.
pub(crate) fn convert(tool: Tool, files: &[File]) -> Result<Set, Vec<Wrong>> {
    let found = match tool {
        Tool::Diesel => folders::diesel(files),
        Tool::Prisma => folders::prisma(files),
        Tool::Drizzle => drizzle::found(files),
        _ => named::found(tool, files),
    };
    found.finished(tool)
}

/// The position of a migration among those of its tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// The parts of a version: for each, the digits without leading zeros, after their number.
    Number(Vec<(usize, String)>),
    Text(String),
    Place(usize),
}

impl Order {
    /// The order of a version of one or several parts, each of digits. Missing parts count as zero.
    fn number<'d>(parts: impl IntoIterator<Item = &'d str>) -> Self {
        let digits = parts.into_iter().map(|part| part.trim_start_matches('0'));
        let mut parts: Vec<_> = digits.map(|digits| (digits.len(), digits.to_owned())).collect();
        while parts.last().is_some_and(|(length, _)| *length == 0) {
            parts.pop();
        }
        Self::Number(parts)
    }
}

/// A migration before the import is complete.
#[derive(Debug)]
struct Draft {
    order: Order,
    /// The version as text. No other migration has it.
    version: String,
    id: String,
    up: String,
    down: Option<String>,
    transaction: TransactionUse,
    from: Vec<String>,
    notes: Vec<String>,
}

/// Whether the tool runs a script in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionUse {
    Inside,
    Outside,
}

impl TransactionUse {
    const fn outside_if(is_outside: bool) -> Self {
        if is_outside { Self::Outside } else { Self::Inside }
    }

    /// The transaction use of a migration. Other tools have one for each script; here both scripts share one.
    fn of_both(up: Self, down: Option<Self>, notes: &mut Vec<String>) -> Self {
        match down {
            Some(down) if down != up => {
                let (inside, outside) = if up == Self::Outside { ("down", "up") } else { ("up", "down") };
                notes.push(format!(
                    "only its {outside} script asks to run outside a transaction; here its {inside} script does so too"
                ));
                Self::Outside
            }
            _ => up,
        }
    }
}

/// The results so far.
#[derive(Debug, Default)]
struct Found {
    drafts: Vec<Draft>,
    skipped: Vec<Skipped>,
    wrong: Vec<Wrong>,
}

impl Found {
    fn skip(&mut self, file: &str, why: impl Into<String>) {
        self.skipped.push(Skipped { file: file.to_owned(), why: why.into() });
    }

    fn refuse(&mut self, file: &str, why: impl Into<String>) {
        self.wrong.push(Wrong { file: file.to_owned(), why: why.into() });
    }

    /// The text of a script, or what is wrong with it.
    fn text<'f>(&mut self, file: &'f File) -> Option<&'f str> {
        match text(&file.bytes) {
            Ok(text) => Some(text),
            Err(why) => {
                self.refuse(&file.path, why);
                None
            }
        }
    }

    fn finished(mut self, tool: Tool) -> Result<Set, Vec<Wrong>> {
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

impl Draft {
    fn imported(self, tool: Tool, after: Option<&str>) -> Imported {
        let Self { id, mut up, mut down, transaction, from, mut notes, .. } = self;
        if tool.leaves_transactions_to_scripts() && transaction == TransactionUse::Inside {
            let mut is_unwrapped = false;
            for script in [Some(&mut up), down.as_mut()].into_iter().flatten() {
                if let Some(inside) = wrapped::unwrapped(script) {
                    *script = inside;
                    is_unwrapped = true;
                }
            }
            if is_unwrapped {
                let note = "the BEGIN and COMMIT around it are left out, since each migration is one transaction here";
                notes.push(note.to_owned());
            }
        }
        let mut files = vec![Entry::new(format!("{id}/up.sql"), up.into_bytes())];
        match down {
            Some(down) if is_idle(&down) => {
                notes.push("its down script does nothing, so it is left out: it cannot be undone".to_owned());
            }
            Some(down) => files.push(Entry::new(format!("{id}/down.sql"), down.into_bytes())),
            None => {}
        }
        let mut metadata = Vec::new();
        if transaction == TransactionUse::Outside {
            metadata.push("run_in_transaction = false\n".to_owned());
        }
        if let Some(after) = after {
            let (tool, after) = (tool.name(), serde_json::Value::from(after));
            metadata.push(format!("# {tool} applies it after that one.\ndepends_on = [{after}]\n"));
        }
        if !metadata.is_empty() {
            files.push(Entry::new(format!("{id}/metadata.toml"), metadata.concat().into_bytes()));
        }
        Imported { id, from, files, notes }
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

/// Whether a script does nothing.
fn is_idle(script: &str) -> bool {
    text::is_blank(without_bom(script))
}

/// Whether a piece of a script ends its last statement. A semicolon in a comment after the statement does not count.
fn is_ended(piece: &str) -> bool {
    let piece = piece.trim_end();
    let line = piece.lines().next_back().unwrap_or_default();
    let statement = line.split_once("--").map_or(line, |(statement, _)| statement.trim_end());
    piece.ends_with(';') && statement.ends_with(';')
}

fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
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

/// The folders of a path, and the name of its file.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
