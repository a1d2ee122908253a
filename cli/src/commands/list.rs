//! `list`

use serde_json::{Value, json};
use switchy_schema::Meta;

use super::work::Work;
use crate::output::Outcome;
use crate::session::Database;
use crate::table::{Field, table};
use crate::text;

/// The migrations, without a database.
pub(super) fn list<B: Database>(work: &Work<'_, B>) -> Outcome {
    let metas = work.runner.list();
    let rows = metas.iter().map(row).collect();
    let text = table(&["MIGRATION", "UNDONE BY", "NEEDS", "ONLY FOR", "DESCRIPTION"], rows);
    let not_read = work.folder.as_ref().map(|folder| &folder.skipped);
    let migrations: Vec<Value> = metas.iter().map(as_json).collect();
    Outcome::new(text, json!({ "migrations": migrations, "not_read": not_read }))
        .remarking(text::counted(metas.len(), "migration"))
}

fn row(meta: &Meta) -> Vec<Field> {
    let only = meta.databases.iter().map(ToString::to_string).chain(meta.environments.iter().cloned());
    let only: Vec<String> = if meta.unread.is_some() { vec!["not read".to_owned()] } else { only.collect() };
    let undone = if meta.is_reversible { "a script" } else { "nothing" };
    vec![
        meta.id.to_string().into(),
        undone.into(),
        meta.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").into(),
        only.join(", ").into(),
        meta.description.as_deref().unwrap_or_default().into(),
    ]
}

fn as_json(meta: &Meta) -> Value {
    let ids =
        |ids: &[switchy_schema::MigrationId]| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>();
    json!({
        "id": meta.id.as_str(),
        "description": meta.description,
        "is_reversible": meta.is_reversible,
        "depends_on": ids(&meta.depends_on),
        "depends_on_if_present": ids(&meta.depends_on_if_present),
        "databases": meta.databases.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "environments": meta.environments,
        "checksum": meta.checksum.map(|checksum| checksum.to_string()),
        "file": meta.origin.to_string(),
        "is_read": meta.unread.is_none(),
    })
}
