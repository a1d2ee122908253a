//! [`Output`]: results on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use switchy_schema::Problem;

use crate::args::{Color, Global};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::remedy::in_shell;
use crate::{facts, text};

/// The version of the shape of what `--json` prints.
const JSON_VERSION: u32 = 1;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    /// For people; without a line end if it is empty.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Map<String, Value>,
    /// For people too, but no result.
    remarks: Vec<String>,
}

impl Outcome {
    /// It was done.
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        let json = if let Value::Object(map) = json { map } else { Map::new() };
        Self { exit: Exit::Done, text: text.into(), json, remarks: Vec::new() }
    }

    /// Says something behind the result.
    pub(crate) fn remarking(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    pub(crate) fn exiting(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

/// Where results, prose and errors go.
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

    /// Whether nothing but results and errors is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Something that is good to know.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet {
            error_line(text);
        }
    }

    /// Something that only who asks for more wants to know.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity > 0 {
            error_line(text);
        }
    }

    /// A finding that keeps nothing from being done.
    pub(crate) fn warn(&self, problem: &Problem) {
        self.note(&problem.worded(&in_shell).to_string());
    }

    /// Something that should not be missed.
    pub(crate) fn note(&self, text: &str) {
        self.say(&format!("{WARNING}note{WARNING:#}: {text}"));
    }

    /// What came of the command.
    pub(crate) fn finish(&self, result: Result<Outcome>) -> Exit {
        match result {
            Ok(outcome) => {
                if self.is_json {
                    self.object(outcome.exit, outcome.json);
                } else {
                    result_text(&outcome.text);
                }
                for remark in &outcome.remarks {
                    self.say(remark);
                }
                outcome.exit
            }
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&self, failure: &Failure) -> Exit {
        let report = failure.error.as_ref().map(|error| error.report());
        let done = report.filter(|report| !report.applied.is_empty());
        if self.is_json {
            let mut json = done.map(facts::report).unwrap_or_default();
            json.insert("error".into(), Value::Object(failure.to_json()));
            self.object(failure.exit, json);
            return failure.exit;
        }
        if let Some(report) = done {
            result_text(&text::done(report));
        }
        error_line(&format!("{ERROR}error{ERROR:#}: {}", failure.told()));
        if let Some(error) = &failure.error {
            for problem in error.problems() {
                if let Some(detail) = &problem.detail {
                    error_line(&format!(
                        "`{}` as it was applied (-) and as it is (+):\n{detail}",
                        problem.migration
                    ));
                }
            }
        }
        failure.exit
    }

    fn object(&self, exit: Exit, rest: Map<String, Value>) {
        let mut object = Map::new();
        object.insert("version".into(), json!(JSON_VERSION));
        object.insert("command".into(), json!(self.command));
        object.insert("exit_code".into(), json!(exit as u8));
        object.extend(rest);
        result_text(&serde_json::to_string_pretty(&object).unwrap_or_default());
    }
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and says whether the answer was yes.
pub(crate) fn ask(question: &str) -> bool {
    let mut err = anstream::stderr();
    let mut answer = String::new();
    // In one piece, so that what is typed meanwhile does not stand in it.
    let question = format!("{question} [y/N] ");
    let asked = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    asked.and_then(|()| io::stdin().read_line(&mut answer)).is_ok()
        && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Whoever reads it may have gone; that is no error of ours.
fn result_text(text: &str) {
    if !text.is_empty() {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let mut out = anstream::stdout();
        let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
    }
}

fn error_line(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
