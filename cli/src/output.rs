//! [`Output`]: results on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use switchy_schema::{Printable, Problem};

use crate::args::{Color, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::remedy::in_shell;
use crate::{json, text};

/// The bytes of the differences that an error shows.
const ENOUGH_DETAILS: usize = 1536;

/// The version of the JSON format.
const JSON_VERSION: u32 = 1;

/// The outcome of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    /// The result for people. If it is empty, nothing is printed.
    pub(crate) text: String,
    /// The result for programs.
    pub(crate) json: Map<String, Value>,
    /// Remarks for people, printed after the result on stderr.
    remarks: Vec<String>,
    /// Whether the text is a file, which is printed as it is unless a terminal shows it.
    is_file: bool,
}

impl Outcome {
    /// The outcome of a command that succeeded.
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        let json = if let Value::Object(map) = json { map } else { Map::new() };
        Self { exit: Exit::Done, text: text.into(), json, remarks: Vec::new(), is_file: false }
    }

    /// Adds a remark.
    pub(crate) fn remarking(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// The text is a file for another program.
    pub(crate) fn raw(self) -> Self {
        Self { is_file: true, ..self }
    }

    pub(crate) fn exiting(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Adds keys to the result for programs.
    pub(crate) fn with(mut self, keys: Map<String, Value>) -> Self {
        self.json.extend(keys);
        self
    }
}

/// Prints results, messages and errors.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    is_json: bool,
    is_quiet: bool,
    verbosity: u8,
    command: &'static str,
}

const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

impl Output {
    pub(crate) fn new(global: &Global, command: &'static str) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        Self { is_json: global.json, is_quiet: global.quiet, verbosity: global.verbose, command }
    }

    /// Whether to print only results and errors.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Prints a message.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet {
            error_line(text);
        }
    }

    /// Prints a message if `--verbose` is given.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity > 0 {
            error_line(text);
        }
    }

    /// Prints a problem that does not prevent the run.
    pub(crate) fn warn(&self, problem: &Problem) {
        self.note(&problem.worded(&in_shell).to_string());
    }

    /// Prints an important message.
    pub(crate) fn note(&self, text: &str) {
        self.say(&format!("{WARNING}note{WARNING:#}: {text}"));
    }

    /// Prints the result of the command, and returns the exit code.
    pub(crate) fn finish(&self, result: Result<Outcome>) -> Exit {
        match result {
            Ok(outcome) => {
                let written = if self.is_json {
                    self.object(outcome.exit, outcome.json)
                } else if outcome.is_file && !io::stdout().is_terminal() {
                    let mut out = io::stdout();
                    out.write_all(outcome.text.as_bytes()).and_then(|()| out.flush())
                } else {
                    result_text(&outcome.text)
                };
                for remark in &outcome.remarks {
                    self.say(remark);
                }
                unless_lost(written, outcome.exit)
            }
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&self, failure: &Failure) -> Exit {
        let report = failure.error.as_ref().map(|error| error.report());
        let done = report.filter(|report| !report.applied.is_empty() || report.snapshot.is_some());
        if self.is_json {
            let mut json = done.map(json::report).unwrap_or_default();
            json.extend(failure.beside());
            json.insert("error".into(), Value::Object(failure.to_json()));
            return unless_lost(self.object(failure.exit, json), failure.exit);
        }
        // The error says where the snapshot is.
        if let Some(report) = done.filter(|report| !report.applied.is_empty()) {
            unless_lost(result_text(&text::done(report)), failure.exit);
        }
        error_line(&format!("{ERROR}error{ERROR:#}: {}", failure.to_text()));
        if let Some(error) = &failure.error {
            let mut written = 0;
            for problem in error.problems() {
                let Some(detail) = problem.detail.as_deref().map(|it| Printable(it).abridged_lines()) else {
                    continue;
                };
                // The first one says enough.
                if written > 0 && written + detail.len() > ENOUGH_DETAILS {
                    continue;
                }
                written += detail.len();
                let id = Printable(problem.migration.as_str()).abridged();
                error_line(&format!("`{id}` as it was applied (-) and as it is (+):\n{detail}"));
            }
        }
        failure.exit
    }

    fn object(&self, exit: Exit, rest: Map<String, Value>) -> io::Result<()> {
        let mut object = Map::new();
        object.insert("version".into(), json!(JSON_VERSION));
        object.insert("command".into(), json!(self.command));
        object.insert("exit_code".into(), json!(exit as u8));
        object.extend(rest);
        result_text(&text::json_for_terminal(&serde_json::to_string_pretty(&object).unwrap_or_default()))
    }
}

/// Whether there is a terminal to ask on.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question, and returns whether the answer was yes.
pub(crate) fn ask(question: &str) -> bool {
    let mut err = anstream::stderr();
    let mut answer = String::new();
    // Written in one piece, so that typed characters do not appear inside it.
    let question = format!("{} [y/N] ", text::for_terminal(question));
    let asked = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    asked.and_then(|()| io::stdin().read_line(&mut answer)).is_ok()
        && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks for a text, and returns it without the spaces around it; it is empty if nothing can be read.
pub(crate) fn ask_for(question: &str) -> String {
    let mut err = anstream::stderr();
    let mut answer = String::new();
    let question = format!("{} ", text::for_terminal(question));
    let asked = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    let _ = asked.and_then(|()| io::stdin().read_line(&mut answer));
    answer.trim().to_owned()
}

/// Prints a result.
fn result_text(text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let text = text::for_terminal(text);
    let mut out = anstream::stdout();
    write!(out, "{text}{end}").and_then(|()| out.flush())
}

/// The exit code, unless the result was not written, as on a full disk: a half script must not pass for a whole one. A reader that has read
/// enough closes its pipe, which is not an error.
fn unless_lost(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            error_line(&format!(
                "{ERROR}error{ERROR:#}: the output is incomplete, since it could not be written: {error}"
            ));
            exit.max(Exit::Failed)
        }
        _ => exit,
    }
}

fn error_line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", text::for_terminal(text));
}
