//! [`Failure`]: why a command failed.

use std::fmt;

use serde_json::{Map, Value, json};
use switchy_schema::{ErrorKind, MigrationError, MigrationId, Printable};

use crate::exit::Exit;
use crate::remedy::in_shell;
use crate::{json, snippet, text};

/// Why a command failed: a message, a kind for programs, and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    kind: &'static str,
    /// The prefix of the message.
    lead: &'static str,
    /// The message, on one line.
    message: String,
    /// What the server or the system said, if it says that the server is not up.
    not_up: Option<String>,
    /// The keys beside `error` in the JSON.
    beside: Option<Box<Map<String, Value>>>,
    /// The error of the engine, if the failure comes from the engine.
    pub(crate) error: Option<Box<MigrationError>>,
}

/// The result of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        /// In bytes. What is longer repeats a file of somebody else.
        const LONGEST: usize = 3072;

        let message = message.into();
        let message = if message.len() > LONGEST { Printable(&message).abridged_lines() } else { message };
        Self { exit, kind, lead: "", message, not_up: None, beside: None, error: None }
    }

    /// The command line or the configuration cannot be understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// The database cannot be reached or opened.
    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "connection", message)
    }

    /// The same failure, as one that passes when the server is up; with the reason that it gave.
    pub(crate) fn passing(self, reason: impl Into<String>) -> Self {
        Self { not_up: Some(reason.into()), ..self }
    }

    /// Whether it passes when the server is up.
    pub(crate) fn is_not_up(&self) -> bool {
        self.not_up.is_some()
    }

    /// What the server or the system said, or the message.
    pub(crate) fn reason(&self) -> &str {
        self.not_up.as_deref().unwrap_or(&self.message)
    }

    /// The same failure, with a hint.
    pub(crate) fn hinting(self, hint: &str) -> Self {
        Self { message: format!("{}; {hint}", self.message), ..self }
    }

    /// The same failure, with keys beside `error` in the JSON.
    pub(crate) fn with(self, beside: Map<String, Value>) -> Self {
        Self { beside: (!beside.is_empty()).then(|| Box::new(beside)), ..self }
    }

    /// The keys beside `error` in the JSON.
    pub(crate) fn beside(&self) -> impl Iterator<Item = (String, Value)> {
        self.beside.as_deref().cloned().unwrap_or_default().into_iter()
    }

    pub(crate) fn exiting(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// A file cannot be read or written.
    pub(crate) fn file(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "file", message)
    }

    /// The files of another tool cannot be imported.
    pub(crate) fn import(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "import", message)
    }

    /// The user answered no, or there is no terminal to ask on.
    pub(crate) fn unconfirmed(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "unconfirmed", message)
    }

    /// The command line refuses to go on.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, "refused", message)
    }

    /// The process was interrupted before the first step, or a second time.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "interrupted", message)
    }

    /// The same failure, as that of a run that was interrupted.
    pub(crate) fn after_interrupt(self) -> Self {
        Self { exit: Exit::Failed, kind: "interrupted", lead: "interrupted: ", ..self }
    }

    /// The failure as text for people: the message, or several findings on one line each; then the wrong line of the script. The reason
    /// is printed once: under the mark in that line, or in the message if there is no such line.
    pub(crate) fn to_text(&self) -> String {
        let Some(error) = &self.error else { return self.to_string() };
        let findings = findings(error);
        if findings.len() > 1 {
            let heading = error.reason().map_or(error.what(), |reason| format!("{}: {reason}", error.what()));
            let heading = text::printable(&heading);
            let shown = text::enough(&findings);
            let more = match findings.len() - shown.len() {
                0 => String::new(),
                more => format!("\n  and {more} more, which --json lists"),
            };
            return format!("{}{heading}:\n  - {}{more}", self.lead, shown.join("\n  - "));
        }
        // The reason of a finding names the migration.
        let reason = error.reason().filter(|_| findings.is_empty());
        let snippet = |said: &str| error.location().and_then(|at| snippet::render(at, said));
        match reason.as_deref().and_then(snippet) {
            Some(snippet) => {
                let parts = [Some(error.what()), error.outcome(), error.remedy().as_ref().map(in_shell)];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                format!("{}{}\n{snippet}", self.lead, text::printable(&parts.join("; ")))
            }
            None => snippet("here").map_or(self.to_string(), |snippet| format!("{self}\n{snippet}")),
        }
    }

    /// The failure as JSON, as `docs/cli-json.md` describes it.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("kind".into(), json!(self.kind));
        map.insert("message".into(), json!(self.to_string()));
        let Some(error) = &self.error else { return map };
        map.insert("migration".into(), json!(error.migration().map(MigrationId::as_str)));
        if let Some(at) = error.location() {
            map.extend(json::location(at));
        }
        map.insert("statement".into(), json!(error.statement().map(text::ends)));
        map.insert("problems".into(), error.problems().iter().map(json::problem).collect());
        map.insert("notices".into(), error.notices().iter().map(json::notice).collect());
        if error.kind() == ErrorKind::Adoption {
            let objections = error.objections().iter().map(|it| json::objection(it, false));
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
        let failure = Self::new(Exit::of(&error), kind(error.kind()), "");
        Self { message, error: Some(Box::new(error)), ..failure }
    }
}

/// The errors, problems and objections that an error lists, each with its remedy.
fn findings(error: &MigrationError) -> Vec<String> {
    let errors = error.errors().iter().map(|error| error.worded(&in_shell).to_string());
    let problems = error.problems().iter().map(|problem| problem.worded(&in_shell).to_string());
    let objections = error.objections().iter().map(|objection| objection.worded(&in_shell).to_string());
    errors.chain(problems).chain(objections).collect()
}

/// The kind of an error as a word for JSON.
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
        ErrorKind::Snapshot => "snapshot",
        ErrorKind::Database => "database",
        _ => "other",
    }
}
