//! [`Meta`]: what is known about a migration, except its scripts.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::misspelled::right_name;
use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::direction::Direction;
use crate::id::MigrationId;
use crate::location::Location as Place;
use crate::placeholder::{Placeholder, Replacement};
use crate::problem::ProblemKind;
use crate::script_options::{
    Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss, ScriptForm, ScriptOptions,
};
use crate::transaction_fit::TransactionFit;

/// Everything that the planner knows about a migration, except its scripts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Meta {
    /// Its unique name.
    pub id: MigrationId,
    /// What it does, in one line.
    pub description: Option<Cow<'static, str>>,
    /// Migrations that must be applied before it.
    pub depends_on: Vec<MigrationId>,
    /// Migrations that must be applied before it if the set has them.
    pub depends_on_if_present: Vec<MigrationId>,
    /// The databases it is for; empty means all.
    pub databases: Vec<Dialect>,
    /// The environments it is for; empty means all.
    pub environments: Vec<String>,
    /// Whether it runs in a transaction, as its author specified.
    pub atomicity: Atomicity,
    /// How foreign keys are enforced while it runs.
    pub foreign_keys: ForeignKeys,
    /// How long its statements wait for a lock that another session holds; see [`Migration::lock_timeout`](crate::Migration::lock_timeout).
    pub lock_timeout: Option<Duration>,
    /// Whether foreign key actions may change rows of other tables.
    pub cascade: Cascade,
    /// Whether it declares that it drops or deletes data on purpose.
    pub data_loss: DataLoss,
    /// Whether it declares what its rebuilds of tables leave out or change.
    pub rebuild_loss: RebuildLoss,
    /// Whether it declares that what another tool would run only to undo it is meant to run.
    pub down_part: DownPart,
    /// Checksums of earlier texts of its script that are accepted like that of the current text.
    pub accepted: Vec<Checksum>,
    /// The placeholders that it declares for itself.
    pub placeholders: Vec<Placeholder>,
    /// Whether placeholders are replaced in its scripts.
    pub replacement: Replacement,
    /// The checksum of its script; for code, the checksum of its revision, if it has one.
    pub checksum: Option<Checksum>,
    /// Whether it can be rolled back.
    pub is_reversible: bool,
    /// Where it is defined.
    pub origin: Origin,
    /// Where its down script is, if that is a different place.
    pub down_origin: Option<Origin>,
    /// Files beside its script that are not read.
    pub unused_files: Vec<String>,
    /// Why the files with its name are not a migration, if they are not. It then does not run and is in the set only to
    /// be reported.
    pub unread: Option<Unread>,
}

/// Why files of a folder are not a migration although their names could be those of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unread {
    /// There is a down script, but no script that applies the migration.
    NothingToUndo,
    /// It is a file without a version in its name, and the migrations beside it are folders with versions.
    FileBesideFolders,
    /// It is a folder without a version in its name, and the migrations beside it are files with versions.
    FolderBesideFiles,
    /// Its name is that of a script with which Flyway undoes another one of the set: `U1__users` beside `V1__users`.
    UndoesAnother,
    /// The name of its script is misspelled: `up.sq`, `1_users.sql.txt`.
    Misspelled,
}

impl Meta {
    /// Metadata with default values.
    pub(crate) const fn new(id: MigrationId, is_reversible: bool, origin: Origin) -> Self {
        Self {
            id,
            description: None,
            depends_on: Vec::new(),
            depends_on_if_present: Vec::new(),
            databases: Vec::new(),
            environments: Vec::new(),
            atomicity: Atomicity::Transaction,
            foreign_keys: ForeignKeys::Checked,
            lock_timeout: None,
            cascade: Cascade::Refused,
            data_loss: DataLoss::Undeclared,
            rebuild_loss: RebuildLoss::Undeclared,
            down_part: DownPart::Refused,
            accepted: Vec::new(),
            placeholders: Vec::new(),
            replacement: Replacement::AsDeclared,
            checksum: None,
            is_reversible,
            origin,
            down_origin: None,
            unused_files: Vec::new(),
            unread: None,
        }
    }

    /// The name that its script should have, if the script is not read because its name is misspelled.
    pub(crate) fn right_name(&self) -> Option<String> {
        let (Some(Unread::Misspelled), Origin::File(path)) = (&self.unread, &self.origin) else {
            return None;
        };
        let file = path.rsplit('/').next().unwrap_or_default();
        Some(
            right_name(file, true).or_else(|| right_name(file, false)).unwrap_or_else(|| "up.sql".to_owned()),
        )
    }

    /// Sets the checksum of the script, unless it is already set or the migration is not read.
    pub(super) fn hash(&mut self, script: &str) {
        if self.checksum.is_none() && self.unread.is_none() {
            self.checksum = Some(Checksum::of(script));
        }
    }

    /// Why it does not run on a database in an environment, or `None` if it runs.
    pub(crate) fn excluded(&self, database: Dialect, environment: Option<&str>) -> Option<ProblemKind> {
        let is_for_database = self.databases.is_empty() || self.databases.contains(&database);
        let mut environments = self.environments.iter();
        let is_for_environment =
            self.environments.is_empty() || environments.any(|name| Some(&**name) == environment);
        match (is_for_database, is_for_environment) {
            _ if self.unread.is_some() => Some(ProblemKind::UnusedFile),
            (false, _) => Some(ProblemKind::OtherDatabase),
            (true, false) => Some(ProblemKind::OtherEnvironment),
            (true, true) => None,
        }
    }

    /// How its script or code runs by itself, given how it fits into a transaction.
    pub(crate) fn options(&self, fit: &TransactionFit) -> ScriptOptions {
        let is_outside = matches!(fit, TransactionFit::Outside | TransactionFit::Either);
        let atomicity = if is_outside { Atomicity::NonTransactional } else { self.atomicity };
        ScriptOptions {
            atomicity,
            foreign_keys: self.foreign_keys,
            cascade: self.cascade,
            data_loss: self.data_loss,
            form: ScriptForm::Plain,
        }
    }

    /// A position in the script of a direction, as far as it is known.
    pub(crate) fn located(&self, direction: Direction, text: Option<&str>, offset: Option<usize>) -> Place {
        let origin = self.origin_of(direction).to_string();
        match (text, offset) {
            (Some(text), Some(offset)) => {
                let is_inline = matches!(self.origin, Origin::Code(_));
                Place { is_inline, ..Place::in_text(&origin, text, offset) }
            }
            _ => Place::file(origin),
        }
    }

    /// Where the script of a direction is.
    pub(crate) fn origin_of(&self, direction: Direction) -> &Origin {
        match direction {
            Direction::Up => &self.origin,
            Direction::Down => self.down_origin.as_ref().unwrap_or(&self.origin),
        }
    }
}

/// Where a migration is defined: a file, or a line of code.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A script, with the name that its source uses.
    File(Cow<'static, str>),
    /// A line of a program.
    Code(&'static Location<'static>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Code(place) => write!(f, "{}:{}", place.file(), place.line()),
        }
    }
}
