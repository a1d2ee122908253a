//! Undoing migrations that the program does not know, with the scripts that the database stores.

use super::ahead::OLDER_VERSION;
use super::{Setting, check};
use crate::direction::Direction;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::script_options::{ScriptForm, ScriptOptions};
use crate::sql::has_statement;
use crate::step::Step;
use crate::stored::StoredDown;

/// The origin of such a script.
pub(crate) const ORIGIN: &str = "the script stored in the database";

/// The steps, the newest migration first, and their problems. In the reverse order of application, nothing is undone before the
/// migrations that need it.
pub(super) fn plan(graph: &Graph, history: &History, setting: Setting<'_>) -> (Vec<Step>, Vec<Problem>) {
    let unknown = history.records().iter().rev().filter(|record| graph.place(&record.id).is_none());
    let mut found = Vec::new();
    let mut undone: Vec<(&MigrationId, ScriptOptions)> = Vec::new();
    let mut steps = Vec::new();
    for record in unknown {
        let options = options(record).unwrap_or_else(|problem| {
            found.push(*problem);
            ScriptOptions::default()
        });
        if let (ScriptForm::WithPlaceholders, Some(StoredDown::Script(script))) = (options.form, &record.down)
        {
            let gaps = setting.scripts.stored_gaps(script).into_iter();
            found.extend(gaps.map(|(gap, at)| gap.problem(&record.id, at)));
        }
        undone.push((&record.id, options));
        steps.push(step(record, options));
    }
    found.extend(check::unfinished(graph, history, &steps, setting));
    found.extend(check::batch(&undone, setting));
    (steps, found)
}

fn step(record: &Record, options: ScriptOptions) -> Step {
    Step {
        id: record.id.clone(),
        direction: Direction::Down,
        atomicity: options.atomicity,
        from: record.resumed(Direction::Down),
        description: None,
        needs: Vec::new(),
        databases: Vec::new(),
        environments: Vec::new(),
        origin: ORIGIN.to_owned(),
        checksum: record.checksum,
        is_stored: true,
        effects: None,
    }
}

/// Whether the down script is an unused template of a migration that did something. Long up scripts are not stored.
fn is_template(record: &Record, down: &str) -> bool {
    !has_statement(down) && record.up_sql.as_deref().is_some_and(has_statement)
}

/// How the stored script of a migration runs, or why it cannot run.
fn options(record: &Record) -> Result<ScriptOptions, Box<Problem>> {
    let (kind, finding) = match &record.down {
        None => (ProblemKind::Irreversible, "has no stored script that undoes it".to_owned()),
        Some(StoredDown::Code) => {
            (ProblemKind::Irreversible, "is undone by code, which cannot be stored".to_owned())
        }
        Some(StoredDown::Script(script)) if !script.is_intact(&record.id) => {
            (ProblemKind::Untrusted, "has a stored script that is damaged".to_owned())
        }
        Some(StoredDown::Script(script)) if script.text.contains('\0') => {
            (ProblemKind::Untrusted, "has a stored script with a NUL in it, where SQL would end".to_owned())
        }
        Some(StoredDown::Script(script)) if is_template(record, &script.text) => (
            ProblemKind::Irreversible,
            "has a stored script without a statement, which undoes nothing".to_owned(),
        ),
        Some(StoredDown::Script(script)) => match script.parsed_options() {
            Ok(options) => return Ok(options),
            Err(word) => (
                ProblemKind::Untrusted,
                format!("has a stored script that is to run with `{word}`, which this version does not know"),
            ),
        },
    };
    let remedy = Remedy::from(OLDER_VERSION).or("use that version");
    Err(Box::new(Problem::new(kind, &record.id, finding, remedy)))
}
