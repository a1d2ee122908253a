//! `validate`

use serde_json::{Value, json};
use switchy_schema::{
    Dialect, Entry, Meta, MigrationId, Mysql, Policy, Postgres, Printable, Problem, ProblemKind, Sqlite,
    State, Verdict,
};

use super::work::{Context, Work};
use crate::blank::Blank;
use crate::dialect::{Detected, display_name};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::remedy::in_shell;
use crate::session::{Access, Database};
use crate::{json, text};

/// Reports everything that is wrong with the set, and with the database if one is named.
pub(super) fn validate<B: Database>(
    mut work: Work<'_, B>,
    is_strict: bool,
    tries_down: bool,
) -> Result<Outcome> {
    if tries_down && B::DIALECT != Dialect::Sqlite {
        let what =
            "`--down` runs the down scripts on a copy of the database, which only SQLite has; leave it out";
        return Err(Failure::usage(what));
    }
    if is_strict {
        work.runner = work.context.settings.verdicts.apply_kinds(work.runner.policy(Policy::STRICT));
    }
    let (mut pending, mut baseline) = (None, None);
    let found = if work.context.settings.database.is_some() {
        let mut session = work.open(Access::Read)?;
        let mut found = work.runner.validate(B::conn(&mut session))?;
        let status = work.runner.status(B::conn(&mut session))?;
        pending = Some(status.pending().cloned().collect::<Vec<_>>());
        baseline = status.entries.into_iter().rfind(|entry| entry.state == State::Baseline);
        if tries_down {
            extend(&mut found, work.runner.prove_reversible(B::conn(&mut session))?);
        }
        found
    } else {
        work.output().say("no database is named, so the migrations are looked at by themselves");
        work.detected.iter().for_each(|detected| work.output().say(&detected.remark()));
        if B::DIALECT != Dialect::Sqlite {
            let name = display_name(B::DIALECT);
            work.output().say(&format!(
                "their scripts are not run, since that takes a {name} server; name one to try them"
            ));
        }
        let mut found = work.runner.validate_source();
        found.extend(elsewhere(&work, &found)?);
        if tries_down {
            extend(&mut found, work.runner.prove_source_reversible()?);
        }
        found
    };
    let is_strict = is_strict || work.context.settings.verdicts.is_strict();
    let mut own = own_findings(&work, pending.as_deref(), is_strict);
    own.extend(baseline.map(|entry| OwnFinding::baseline(&entry)));
    let lines: Vec<String> = found.iter().map(line).chain(own.iter().map(OwnFinding::line)).collect();
    let text = lines.join("\n");
    let refused =
        found.iter().map(|problem| problem.verdict).chain(own.iter().map(|finding| finding.verdict));
    let refused = refused.filter(|verdict| *verdict == Verdict::Deny).count();
    let remark = match lines.len() {
        0 => "nothing is wrong".to_owned(),
        all => format!("{}, {refused} of them refused", text::counted(all, "finding")),
    };
    let json = json!({
        "problems": found.iter().map(json::problem).chain(own.iter().map(OwnFinding::as_json)).collect::<Vec<_>>(),
        "not_read": work.folder.as_ref().map(|folder| &folder.skipped),
        "dialect": B::DIALECT.to_string(),
        "dialect_from": work.detected.as_ref().map_or("program", Detected::word),
    });
    let exit = match Exit::of_problems(&found) {
        Exit::Failed => Exit::Refused,
        Exit::Done if refused > 0 => Exit::Refused,
        exit => exit,
    };
    Ok(Outcome::new(text, json).remarking(remark).exiting(exit))
}

/// What is refused on the other databases that the set is for, as the text of its scripts shows.
fn elsewhere<B: Database>(work: &Work<'_, B>, found: &[Problem]) -> Result<Vec<Problem>> {
    // An application's own binary has one backend.
    if work.detected.is_none() {
        return Ok(Vec::new());
    }
    let own = work.runner.list();
    let mut more = Vec::new();
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        more.extend(match dialect {
            same if same == B::DIALECT => Vec::new(),
            Dialect::Postgres => refused_on::<Postgres>(work.context, own, found)?,
            Dialect::Mysql => refused_on::<Mysql>(work.context, own, found)?,
            _ => refused_on::<Sqlite>(work.context, own, found)?,
        });
    }
    Ok(more)
}

/// What is refused on another database, and is not found already. `own` are the migrations as they are for the database that was looked at.
fn refused_on<B: Database>(context: &Context<'_>, own: &[Meta], found: &[Problem]) -> Result<Vec<Problem>> {
    let settings = context.settings;
    // A set that cannot be read for a database is not for it.
    let Ok(mut runner) = B::folder(&settings.dir.value, context.global.links()) else {
        return Ok(Vec::new());
    };
    if let Some(table) = &settings.table {
        runner = runner.table_name(&table.value)?;
    }
    if let Some(environment) = &settings.environment {
        runner = runner.environment(&environment.value);
    }
    runner = settings.placeholders.apply(runner)?;
    // Its metadata names the database, or it has a script of its own for it.
    let is_for = |meta: &Meta| {
        let is_other =
            |known: &&Meta| known.id == meta.id && known.origin.to_string() != meta.origin.to_string();
        meta.databases.contains(&B::DIALECT)
            || (meta.databases.is_empty() && own.iter().any(|known| is_other(&known)))
    };
    if !runner.list().iter().any(is_for) {
        return Ok(Vec::new());
    }
    let is_new = |problem: &Problem| {
        let is_same =
            |known: &Problem| known.migration == problem.migration && known.finding == problem.finding;
        let is_of_text = matches!(problem.kind, ProblemKind::Fails | ProblemKind::NotInTransaction);
        is_of_text && problem.verdict == Verdict::Deny && !found.iter().any(is_same)
    };
    let on = |mut problem: Problem| {
        problem.finding = format!("{} (on {})", problem.finding, display_name(B::DIALECT));
        problem
    };
    Ok(runner.validate_source().into_iter().filter(is_new).map(on).collect())
}

/// A finding of the command line, which only it looks for.
struct OwnFinding {
    kind: &'static str,
    verdict: Verdict,
    migration: String,
    finding: String,
}

impl OwnFinding {
    /// What a run first records in a database that an application takes to be older than its migrations.
    fn baseline(last: &Entry) -> Self {
        let id = text::shortened(last.id.as_str());
        Self {
            kind: "baseline",
            verdict: Verdict::Warn,
            migration: last.id.to_string(),
            finding: format!(
                "the database is taken to be at `{id}`: a run records everything through it as applied, and does not run it"
            ),
        }
    }

    fn line(&self) -> String {
        format!("{}, {}: {}", self.verdict, self.kind.replace('_', " "), self.finding)
    }

    fn as_json(&self) -> Value {
        json!({
            "kind": self.kind,
            "verdict": self.verdict.to_string(),
            "migration": self.migration,
            "finding": self.finding,
        })
    }
}

/// That there is no migration, and the migrations without a statement: of a database, those that are pending.
fn own_findings<B: Database>(
    work: &Work<'_, B>,
    pending: Option<&[MigrationId]>,
    is_strict: bool,
) -> Vec<OwnFinding> {
    let strictly = |denies: bool| if denies { Verdict::Deny } else { Verdict::Warn };
    let empty = work.folder.as_ref().filter(|folder| folder.is_empty).map(|folder| OwnFinding {
        kind: "no_migrations",
        verdict: strictly(is_strict),
        migration: String::new(),
        finding: folder.emptiness(),
    });
    let mut blank = Blank::all(&work.runner);
    blank.retain(|blank| pending.is_none_or(|pending| pending.contains(blank.id())));
    let blank = blank.into_iter().map(|blank| OwnFinding {
        kind: "no_statement",
        verdict: strictly(is_strict && blank.is_unwritten),
        migration: blank.id().to_string(),
        finding: blank.finding(),
    });
    empty.into_iter().chain(blank).collect()
}

/// Adds what the way back shows. That a migration fails is known already.
fn extend(found: &mut Vec<Problem>, more: Vec<Problem>) {
    let fails = |problem: &Problem| problem.kind == ProblemKind::Fails;
    let failing: Vec<MigrationId> =
        found.iter().filter(|problem| fails(problem)).map(|problem| problem.migration.clone()).collect();
    found.extend(more.into_iter().filter(|problem| !fails(problem) || !failing.contains(&problem.migration)));
}

fn line(problem: &Problem) -> String {
    let mut text = format!("{}, {}: {}", problem.verdict, problem.kind, problem.worded(&in_shell));
    if let Some(detail) = &problem.detail {
        text.push('\n');
        text.push_str(&Printable(detail).abridged_lines());
    }
    text
}
