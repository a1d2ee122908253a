//! [`Failure`]: why a command did not do what it was asked for.

use std::fmt;

use serde_json::{Map, Value, json};
use switchy_schema::{ErrorKind, MigrationError};

use crate::exit::Exit;
use crate::remedy::in_shell;
use crate::{facts, picture};

/// Why a command did not do what it was asked for: a sentence, a kind for programs, and a code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    kind: &'static str,
    /// What stands in front of the message.
    lead: &'static str,
    /// One line.
    message: String,
    /// The error of the engine, if it is one.
    pub(crate) error: Option<Box<MigrationError>>,
}

/// A result of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        Self { exit, kind, lead: "", message: message.into(), error: None }
    }

    /// The command line or the configuration cannot be understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// The database cannot be reached or opened.
    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "connection", message)
    }

    /// A file cannot be read or written.
    pub(crate) fn file(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "file", message)
    }

    /// Files of another tool cannot become ours.
    pub(crate) fn import(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "import", message)
    }

    /// Somebody was asked and said no, or nobody could be asked.
    pub(crate) fn unconfirmed(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "unconfirmed", message)
    }

    /// Somebody told us to end before anything was done, or insisted.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "interrupted", message)
    }

    /// As the end of a run that somebody told to end.
    pub(crate) fn after_interrupt(self) -> Self {
        Self { exit: Exit::Failed, kind: "interrupted", lead: "interrupted: ", ..self }
    }

    /// As text for people: the sentence, of several findings one on each line; then the line of the script that is wrong. The reason
    /// stands once: under the mark in that line, or in the sentence if there is no such line.
    pub(crate) fn told(&self) -> String {
        let Some(error) = &self.error else { return self.to_string() };
        let findings = findings(error);
        if findings.len() > 1 {
            let heading = error.reason().map_or(error.what(), |reason| format!("{}: {reason}", error.what()));
            return format!("{}{heading}:\n  - {}", self.lead, findings.join("\n  - "));
        }
        // The reason of a finding names the migration.
        let reason = error.reason().filter(|_| findings.is_empty());
        let picture = |said: &str| error.location().and_then(|at| picture::of(at, said));
        match reason.as_deref().and_then(picture) {
            Some(picture) => {
                let parts = [Some(error.what()), error.outcome(), error.remedy().as_ref().map(in_shell)];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("{}{}\n{picture}", self.lead, parts.join("; "))
            }
            None => picture("here").map_or(self.to_string(), |picture| format!("{self}\n{picture}")),
        }
    }

    /// As JSON, as `docs/cli-json.md` has it.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("kind".into(), json!(self.kind));
        map.insert("message".into(), json!(self.to_string()));
        let Some(error) = &self.error else { return map };
        map.insert("migration".into(), json!(error.migration().map(ToString::to_string)));
        if let Some(at) = error.location() {
            map.extend(facts::location(at));
        }
        map.insert("statement".into(), json!(error.statement()));
        map.insert("problems".into(), error.problems().iter().map(facts::problem).collect());
        if error.kind() == ErrorKind::Adoption {
            let objections = error.objections().iter().map(|it| facts::objection(it, false));
            map.insert("objections".into(), objections.collect());
        }
        map
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.lead, self.message)
    }
}

impl From<MigrationError> for Failure {
    fn from(error: MigrationError) -> Self {
        let message = error.worded(&in_shell).to_string();
        let failure = Self::new(Exit::of(&error), kind(error.kind()), message);
        Self { error: Some(Box::new(error)), ..failure }
    }
}

/// What an error lists, each with what to do about it.
fn findings(error: &MigrationError) -> Vec<String> {
    let errors = error.errors().iter().map(|error| error.worded(&in_shell).to_string());
    let problems = error.problems().iter().map(|problem| problem.worded(&in_shell).to_string());
    let objections = error.objections().iter().map(|objection| objection.worded(&in_shell).to_string());
    errors.chain(problems).chain(objections).collect()
}

/// The kind of an error as a word.
fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Source => "source",
        ErrorKind::Set => "set",
        ErrorKind::TableName => "table_name",
        ErrorKind::UnknownMigration => "unknown_migration",
        ErrorKind::Refused => "refused",
        ErrorKind::Recovery => "recovery",
        ErrorKind::Adoption => "adoption",
        ErrorKind::Stale => "stale",
        ErrorKind::OpenTransaction => "open_transaction",
        ErrorKind::Step => "step",
        ErrorKind::Hook => "hook",
        ErrorKind::Stopped => "stopped",
        ErrorKind::LockTimeout => "lock_timeout",
        ErrorKind::LockFile => "lock_file",
        ErrorKind::Database => "database",
        _ => "other",
    }
}
