//! `config`

use serde_json::{Map, Value, json};

use super::work::Context;
use crate::output::Outcome;
use crate::setting::{Setting, Source};
use crate::table::{Field, table};
use crate::verdicts::Verdicts;

/// The settings in effect, and their sources. Passwords are hidden.
pub(super) fn config(context: &Context<'_>) -> Outcome {
    let settings = context.settings;
    let all = [
        ("database-url", settings.database.as_ref().map(|setting| shown(setting, ToString::to_string))),
        (
            "dialect",
            settings.dialect.as_ref().map(|setting| shown(setting, |name| name.dialect().to_string())),
        ),
        ("session-sql", settings.session_sql.as_ref().map(|setting| shown(setting, |sql| sql.join("; ")))),
        ("dir", Some(shown(&settings.dir, |dir| dir.display().to_string()))),
        ("table", settings.table.as_ref().map(|setting| shown(setting, Clone::clone))),
        ("schema", settings.schema.as_ref().map(|setting| shown(setting, Clone::clone))),
        ("env", settings.environment.as_ref().map(|setting| shown(setting, Clone::clone))),
        (
            "lock-timeout",
            settings
                .lock_timeout
                .as_ref()
                .map(|setting| shown(setting, |time| time.as_secs_f64().to_string())),
        ),
        (
            "statement-lock-timeout",
            settings
                .statement_lock_timeout
                .as_ref()
                .map(|setting| shown(setting, |time| time.as_secs_f64().to_string())),
        ),
        ("lock-retries", settings.lock_retries.as_ref().map(|setting| shown(setting, ToString::to_string))),
        ("wait", settings.wait.as_ref().map(|setting| shown(setting, |time| time.as_secs_f64().to_string()))),
        (
            "schema-file",
            settings.schema_file.as_ref().map(|setting| shown(setting, |file| file.display().to_string())),
        ),
        (
            "drift-ignore",
            settings.drift_ignore.as_ref().map(|setting| shown(setting, |names| names.join(", "))),
        ),
        ("snapshot", settings.snapshot.as_ref().map(|setting| shown(setting, ToString::to_string))),
        (
            "snapshot-dir",
            settings.snapshot_dir.as_ref().map(|setting| shown(setting, |dir| dir.display().to_string())),
        ),
        (
            "keep-snapshots",
            settings.keep_snapshots.as_ref().map(|setting| shown(setting, ToString::to_string)),
        ),
        (
            "policy",
            settings.verdicts.policy.as_ref().map(|setting| shown(setting, |name| name.name().to_owned())),
        ),
        (
            "allow",
            settings.verdicts.allow.as_ref().map(|setting| shown(setting, |kinds| Verdicts::names(kinds))),
        ),
        (
            "deny",
            settings.verdicts.deny.as_ref().map(|setting| shown(setting, |kinds| Verdicts::names(kinds))),
        ),
        ("after-failure", settings.after_failure.as_ref().map(|setting| shown(setting, ToString::to_string))),
    ];
    let otherwise = |name: &str| match name {
        "table" => "__switchy_migrations",
        "lock-timeout" => "60",
        "snapshot" => "never",
        "lock-retries" | "keep-snapshots" => "3",
        "after-failure" => "keep",
        "policy" => "default",
        _ => "",
    };
    let (mut rows, mut json): (Vec<Vec<Field>>, Map<String, Value>) = (Vec::new(), Map::new());
    let all = all.into_iter().map(|(name, setting)| (name.to_owned(), setting));
    for (name, setting) in all.chain(settings.placeholders.shown()) {
        let (value, source) = setting.unwrap_or_else(|| (otherwise(&name).to_owned(), Source::Default));
        let value_json = if value.is_empty() { Value::Null } else { json!(value) };
        let source = if value.is_empty() { "not set".to_owned() } else { source.to_string() };
        json.insert(name.replace('-', "_"), json!({ "value": value_json, "source": source }));
        rows.push(vec![name.into(), value.into(), source.into()]);
    }
    let file = settings.file.as_ref().map(|file| file.display().to_string());
    context.output.say(&match &file {
        Some(file) => format!("configuration file: {file}"),
        None => "no configuration file".to_owned(),
    });
    let server = settings.database.as_ref().and_then(|setting| setting.value.server());
    let completed_by = server.map_or(&[][..], |server| &server.completed_by);
    if !completed_by.is_empty() {
        context.output.say(&format!("the address is completed by {}", completed_by.join(", ")));
    }
    for remark in &settings.remarks {
        context.output.note(remark);
    }
    let json = json!({ "file": file, "settings": json, "completed_by": completed_by });
    Outcome::new(table(&["SETTING", "VALUE", "FROM"], rows), json)
}

fn shown<T>(setting: &Setting<T>, show: impl Fn(&T) -> String) -> (String, Source) {
    (show(&setting.value), setting.source.clone())
}
