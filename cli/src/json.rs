//! Values of the engine as JSON.

use serde_json::{Map, Value, json};
use switchy_schema::{
    Account, Adoption, Applied, Atomicity, Baselined, ColumnChange, Doubt, Effect, EffectKind, Event,
    Evidence, Fate, Location, LogEntry, MigrationId, Notice, Objection, Plan, PlannedSnapshot, Printable,
    Problem, Proof, Report, SchemaObject, Severity, Step, TableChange, Together,
};

use crate::remedy::in_shell;

/// A text of somebody else, without its middle if it is long: an error has some 4 KB, whatever it is about. What is short is as it is.
pub(crate) fn abridged(text: &str) -> Value {
    let is_short = text.len() <= 640;
    if is_short { json!(text) } else { json!(Printable(text).abridged()) }
}

/// The same for a text of several lines.
pub(crate) fn abridged_lines(text: &str) -> Value {
    let is_short = text.len() <= 1024 && text.lines().all(|line| line.len() <= 200);
    if is_short { json!(text) } else { json!(Printable(text).abridged_lines()) }
}

/// A location in a file.
pub(crate) fn location(at: &Location) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("file".into(), json!(at.origin));
    map.insert("line".into(), json!(at.position.map(|position| position.line)));
    map.insert("column".into(), json!(at.position.map(|position| position.column)));
    map
}

/// A problem.
pub(crate) fn problem(problem: &Problem) -> Value {
    let mut map = Map::new();
    map.insert("kind".into(), json!(problem.kind.name().replace(' ', "_")));
    map.insert("verdict".into(), json!(problem.verdict.to_string()));
    map.insert("migration".into(), json!(problem.migration.as_str()));
    map.insert("finding".into(), abridged(&problem.finding));
    let remedy = problem.remedy.as_ref().map(in_shell);
    map.insert("remedy".into(), json!(remedy.as_deref().map(abridged)));
    if let Some(at) = &problem.at {
        map.extend(location(at));
    }
    map.insert("detail".into(), json!(problem.detail.as_deref().map(abridged_lines)));
    Value::Object(map)
}

/// A plan.
pub(crate) fn plan(plan: &Plan) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("already".into(), json!(plan.already()));
    map.insert("baseline".into(), json!(plan.baseline().map(MigrationId::as_str)));
    map.insert("steps".into(), plan.steps().iter().map(step).collect());
    map.insert(
        "snapshot".into(),
        match plan.snapshot() {
            Some(PlannedSnapshot::Kept { folder, bytes }) => {
                json!({ "folder": folder.display().to_string(), "bytes": bytes })
            }
            _ => Value::Null,
        },
    );
    map.insert("failing".into(), json!(plan.failing_step().map(|step| step.id.as_str())));
    map.insert("problems".into(), plan.problems().iter().map(problem).collect());
    map
}

fn step(step: &Step) -> Value {
    json!({
        "id": step.id.as_str(),
        "direction": step.direction.to_string(),
        "description": step.description,
        "in_transaction": step.atomicity == Atomicity::Transaction,
        "from_statement": step.from,
        "needs": step.needs.iter().map(MigrationId::as_str).collect::<Vec<_>>(),
        "file": step.origin,
        "is_stored": step.is_stored,
        "effects": step.effects.as_ref().map(|effects| effects.iter().map(effect).collect::<Vec<_>>()),
    })
}

fn effect(effect: &Effect) -> Value {
    json!({
        "kind": match effect.kind {
            EffectKind::DropsTable => "drops_table",
            EffectKind::ReplacesTable => "replaces_table",
            EffectKind::DropsColumn => "drops_column",
            EffectKind::DropsIndex => "drops_index",
            EffectKind::DropsTrigger => "drops_trigger",
            EffectKind::DropsView => "drops_view",
            EffectKind::DeletesRows => "deletes_rows",
            EffectKind::OverwritesRows => "overwrites_rows",
            EffectKind::ChangesType => "changes_type",
            EffectKind::DropsSchema => "drops_schema",
            EffectKind::DropsDatabase => "drops_database",
            EffectKind::DropsOwned => "drops_owned",
            EffectKind::DropsObject => "drops_object",
            EffectKind::MovesRows => "moves_rows",
            EffectKind::MakesVolatile => "makes_volatile",
            EffectKind::DropsDependents => "drops_dependents",
            EffectKind::Unread => "unread",
            _ => "unknown",
        },
        "object": effect.object,
        "column": effect.column,
        "rows": effect.rows,
        "is_certain": effect.evidence != Evidence::Text,
        "rows_are_estimated": effect.evidence == Evidence::Catalog,
    })
}

/// An objection to an adoption.
pub(crate) fn objection(objection: &Objection, is_accepted: bool) -> Value {
    json!({
        "doubt": objection.doubt.map(Doubt::name),
        "finding": abridged(&objection.finding),
        "remedy": abridged(&in_shell(&objection.remedy)),
        "is_accepted": is_accepted,
    })
}

/// An adoption.
pub(crate) fn adoption(adoption: &Adoption) -> Map<String, Value> {
    let entries = adoption.entries.iter().map(|entry| {
        json!({
            "name": entry.name,
            "id": entry.migration.as_ref().map(MigrationId::as_str),
            "finding": entry.finding.to_string(),
            "applied_on": entry.applied_on,
            "is_recorded": entry.is_recorded,
        })
    });
    let objections = adoption.objections.iter().map(|it| objection(it, adoption.is_accepted(it)));
    let mut map = Map::new();
    map.insert("tool".into(), json!(adoption.tool.name()));
    map.insert("place".into(), json!(adoption.place));
    map.insert("entries".into(), entries.collect());
    map.insert("pending".into(), adoption.pending.iter().map(MigrationId::as_str).collect());
    map.insert(
        "proof".into(),
        json!(match adoption.proof {
            Proof::NotNeeded => "not_needed",
            Proof::Same(_) => "same",
            Proof::Different(_) => "different",
            Proof::Failed(_) => "failed",
            _ => "impossible",
        }),
    );
    map.insert("objections".into(), objections.collect());
    map
}

/// Who recorded a database that existed before its migrations.
fn baseline(baselined: Option<&Baselined>) -> Value {
    match baselined {
        Some(Baselined::Here(ids)) => ids.iter().map(MigrationId::as_str).collect(),
        Some(_) => json!([]),
        None => Value::Null,
    }
}

/// The report of a run.
pub(crate) fn report(report: &Report) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("already".into(), json!(report.already));
    map.insert("baseline".into(), baseline(report.baseline.as_ref()));
    map.insert("done".into(), report.applied.iter().map(applied).collect());
    map.insert("together".into(), report.together.iter().map(together).collect());
    map.insert("notes".into(), report.notes.iter().map(problem).collect());
    let path = |path: &std::path::PathBuf| path.display().to_string();
    map.insert("snapshot".into(), json!(report.snapshot.as_ref().map(path)));
    let restored = report.restored.as_ref();
    map.insert(
        "restored".into(),
        json!(restored.map(|restored| {
            json!({ "snapshot": path(&restored.snapshot), "set_aside": path(&restored.set_aside) })
        })),
    );
    map.insert("not_restored".into(), json!(report.not_restored));
    map
}

fn together(together: &Together) -> Value {
    json!({ "ids": together.steps.iter().map(MigrationId::as_str).collect::<Vec<_>>(), "why": together.why })
}

fn applied(step: &Applied) -> Value {
    json!({
        "id": step.id.as_str(),
        "direction": step.direction.to_string(),
        "duration_ms": u64::try_from(step.duration.as_millis()).unwrap_or(u64::MAX),
        "account": account(&step.account),
        "notices": step.notices.iter().map(notice).collect::<Vec<_>>(),
    })
}

/// What a step waited for, if an event is about that.
pub(crate) fn wait(event: &Event<'_>) -> Option<Value> {
    match event {
        Event::Retrying { step, attempt, of, error, .. } => Some(json!({
            "kind": "retry",
            "id": step.id.as_str(),
            "attempt": attempt,
            "of": of,
            "reason": error.reason().as_deref().map(abridged),
        })),
        Event::Blocked { step, lock, holder } => Some(json!({
            "kind": "blocked",
            "id": step.id.as_str(),
            "lock": lock,
            "holder": abridged(holder),
        })),
        _ => None,
    }
}

/// What the server said about a statement.
pub(crate) fn notice(notice: &Notice) -> Value {
    let mut map = Map::new();
    let severity = if notice.severity >= Severity::Warning { "warning" } else { "notice" };
    map.insert("severity".into(), json!(severity));
    map.insert("code".into(), json!(notice.code));
    map.insert("message".into(), abridged(&notice.message));
    if let Some(at) = &notice.at {
        map.extend(location(at));
    }
    Value::Object(map)
}

/// What a step did to rows and to the schema.
fn account(account: &Account) -> Value {
    let table = |change: &TableChange| {
        json!({
            "table": change.table,
            "fate": match change.fate {
                Fate::Kept => "kept",
                Fate::Created => "created",
                Fate::Dropped => "dropped",
                Fate::Replaced => "replaced",
                _ => "unknown",
            },
            "rows_before": change.rows_before,
            "rows_after": change.rows_after,
            "renamed_to": change.renamed_to,
            "inserted": change.inserted,
            "updated": change.updated,
            "upserted": change.upserted,
            "by_triggers": change.by_triggers,
            "deleted": change.deleted,
            "lost": change.lost,
        })
    };
    let column =
        |change: &ColumnChange| json!({ "table": change.table, "column": change.column, "to": change.to });
    let object = |object: &SchemaObject| json!({ "kind": object.kind, "name": object.name });
    json!({
        "tables": account.tables.iter().map(table).collect::<Vec<_>>(),
        "created": account.created.iter().map(object).collect::<Vec<_>>(),
        "dropped": account.dropped.iter().map(object).collect::<Vec<_>>(),
        "columns": account.columns.iter().filter(|change| !change.is_new).map(column).collect::<Vec<_>>(),
    })
}

/// An entry of the log.
pub(crate) fn trace(trace: &LogEntry) -> Value {
    json!({
        "when": trace.logged_on,
        "id": trace.id.as_str(),
        "event": trace.kind.name(),
        "applied_on": trace.applied_on,
        "program": trace.program,
        "who": trace.who,
        "why": trace.why,
    })
}
