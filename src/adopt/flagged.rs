//! Tools that store the outcome: their tables also contain failed and undone migrations.

use std::collections::HashMap;

use super::adoption::Finding;
use super::form::{Row, ToolTable};
use super::moment::{Unit, moment};
use super::sums::Sum;
use super::tool_history::{Link, Order, Through, ToolHistory, ToolRecord, quoted};
use super::versions::{applied, is_sha256, named};
use crate::foreign::Cell;
use crate::objection::Objection;
use crate::remedy::Remedy;

/// The objection to a migration that did not finish.
fn unfinished(what: &str, name: &str, remedy: impl Into<Remedy>) -> Objection {
    Objection::new(format!("{} {what}", quoted(name)), remedy)
}

pub(super) fn sqlx(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory::default();
    for row in tool_table.rows() {
        let Some(version) = row.number("version") else {
            tool_history
                .objections
                .push(tool_table.strange(&format!("the version {}", row.shown("version"))));
            continue;
        };
        let description = row.text("description").unwrap_or_default();
        let name = format!("{version} {description}").trim_end().to_owned();
        if row.truth("success") != Some(true) {
            let remedy = format!(
                "look what it did, finish it or undo it by hand, and set `success` of its row in `{}` or delete that",
                tool_table.place
            );
            tool_history.objections.push(unfinished("began in sqlx and did not finish", &name, remedy));
            continue;
        }
        let Cell::Bytes(sum) = row.cell("checksum") else {
            let what = format!("{} as the checksum of {}", row.shown("checksum"), quoted(&name));
            tool_history.objections.push(tool_table.strange(&what));
            continue;
        };
        let id = format!("{version}_{}", description.replace(' ', "_"));
        tool_history.records.push(ToolRecord {
            applied_on: moment(row.cell("installed_on"), Unit::Seconds),
            sum: Some(Sum::Sha384(sum.clone())),
            ..applied(name, Link::Named { id: Some(id), version: Some(version.to_string()) })
        });
    }
    tool_history
}

/// goose adds a row each time a migration is applied or undone; the newest row of each version decides. Version 0 is
/// the table itself.
pub(super) fn goose(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    let mut newest: HashMap<i64, (usize, bool)> = HashMap::new();
    let rows = tool_table.rows_by("id");
    for (place, row) in rows.iter().enumerate() {
        if let (Some(version), Some(is_applied)) = (row.number("version_id"), row.truth("is_applied")) {
            newest.insert(version, (place, is_applied));
            continue;
        }
        let what = format!(
            "a row with {} as version_id and {} as is_applied",
            row.shown("version_id"),
            row.shown("is_applied")
        );
        tool_history.objections.push(tool_table.strange(&what));
    }
    for (place, row) in rows.iter().enumerate() {
        let Some(version) = row.number("version_id").filter(|version| *version != 0) else { continue };
        if newest.get(&version) == Some(&(place, true)) {
            let name = version.to_string();
            let applied_on = moment(row.cell("tstamp"), Unit::Seconds);
            let link = named(tool_table, &name);
            tool_history.records.push(ToolRecord { applied_on, ..applied(name, link) });
        }
    }
    tool_history
}

/// golang-migrate keeps one row: the version that was applied last.
pub(super) fn golang_migrate(tool_table: &ToolTable<'_>) -> ToolHistory {
    let rows: Vec<Row<'_>> = tool_table.rows().collect();
    let row = match &*rows {
        [] => return ToolHistory::default(),
        [row] => row,
        rows => {
            let what =
                format!("`{}` has {} rows, and golang-migrate keeps one", tool_table.place, rows.len());
            return ToolHistory::refused(what, "look which one is true, and delete the others");
        }
    };
    let (Some(version), Some(is_dirty)) = (row.number("version"), row.truth("dirty")) else {
        let what = format!("the version {} with {} as dirty", row.shown("version"), row.shown("dirty"));
        return ToolHistory { objections: vec![tool_table.strange(&what)], ..ToolHistory::default() };
    };
    let name = version.to_string();
    if is_dirty {
        let remedy = "look what it did, finish it or undo it by hand, and set the version that holds with `migrate force`";
        let objection = unfinished("began in golang-migrate and did not finish", &name, remedy);
        return ToolHistory { objections: vec![objection], ..ToolHistory::default() };
    }
    if version < 0 {
        // A negative version means that nothing is applied.
        return ToolHistory::default();
    }
    let link = named(tool_table, &name);
    ToolHistory {
        order: Order::Applied,
        through: Some(Through::Before(name.clone())),
        records: vec![applied(name, link)],
        objections: Vec::new(),
    }
}

/// The subject of a Flyway row: a version, or a script that runs whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Version(String),
    Script(String),
}

/// The newest row of a version decides, because `undo` and `repair` add rows too.
pub(super) fn flyway(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    let mut known: HashMap<Subject, Vec<(usize, ToolRecord)>> = HashMap::new();
    for (place, row) in tool_table.rows_by("installed_rank").into_iter().enumerate() {
        let (script, version) = (row.text("script").unwrap_or_default(), row.text("version"));
        let kind = row.text("type").unwrap_or_default().to_ascii_uppercase();
        let name = if script.is_empty() { version.clone().unwrap_or_default() } else { script.clone() };
        if row.truth("success") != Some(true) {
            let remedy = "undo what it did by hand, and run `flyway repair`, which removes its row";
            tool_history.objections.push(unfinished("failed in Flyway", &name, remedy));
            continue;
        }
        let key = version.as_deref().and_then(tool_table.form.version);
        let stem = script.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_owned();
        let subject = match (&version, &key) {
            _ if kind == "SCHEMA" => continue,
            (Some(_), Some(key)) => Subject::Version(key.clone()),
            (None, _) if !stem.is_empty() => Subject::Script(stem.clone()),
            _ => {
                tool_history
                    .objections
                    .push(tool_table.strange(&format!("the version {}", row.shown("version"))));
                continue;
            }
        };
        if kind.contains("BASELINE") {
            // A baseline says only that everything up to its version is applied.
            tool_history.through = key.map(Through::Version);
            continue;
        }
        if kind == "DELETE" || kind.starts_with("UNDO") {
            known.remove(&subject);
            continue;
        }
        let sum = row.number("checksum").and_then(|sum| i32::try_from(sum).ok());
        let record = ToolRecord {
            applied_on: moment(row.cell("installed_on"), Unit::Seconds),
            sum: sum.map(Sum::Crc32),
            ..applied(name, Link::Named { id: Some(stem).filter(|stem| !stem.is_empty()), version: key })
        };
        // A script that runs whenever it changes has a row for each run.
        if let Subject::Script(_) = subject {
            known.remove(&subject);
        }
        known.entry(subject).or_default().push((place, record));
    }
    let mut records: Vec<(usize, ToolRecord)> = known.into_values().flatten().collect();
    records.sort_by_key(|(place, _)| *place);
    tool_history.records = records.into_iter().map(|(_, record)| record).collect();
    tool_history
}

/// A failed migration has no end, and may have been rolled back and applied again.
pub(super) fn prisma(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    let mut rows: Vec<(Option<String>, Row<'_>)> =
        tool_table.rows().map(|row| (moment(row.cell("started_at"), Unit::Milliseconds), row)).collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (_, row) in rows {
        let Some(name) = row.text("migration_name") else {
            let what = format!("a row with {} as migration_name", row.shown("migration_name"));
            tool_history.objections.push(tool_table.strange(&what));
            continue;
        };
        if *row.cell("rolled_back_at") != Cell::Null {
            continue;
        }
        if *row.cell("finished_at") == Cell::Null {
            let remedy = "look what it did, and tell Prisma with `prisma migrate resolve --applied` or `--rolled-back`";
            tool_history.objections.push(unfinished("began in Prisma and did not finish", &name, remedy));
            continue;
        }
        let Some(sum) = row.text("checksum").filter(|sum| is_sha256(sum)) else {
            let what = format!("the checksum {} of {}", row.shown("checksum"), quoted(&name));
            tool_history.objections.push(tool_table.strange(&what));
            continue;
        };
        let link = named(tool_table, &name);
        tool_history.records.push(ToolRecord {
            applied_on: moment(row.cell("finished_at"), Unit::Milliseconds),
            sum: Some(Sum::Sha256(sum)),
            finding: Finding::Matched,
            ..applied(name, link)
        });
    }
    tool_history
}
