//! Tools that store a row for each applied migration, and no outcome.

use std::collections::HashSet;

use super::adoption::Finding;
use super::form::{Row, ToolTable};
use super::moment::{Unit, moment};
use super::sums::Sum;
use super::tool::Tool;
use super::tool_history::{Link, Order, Through, ToolHistory, ToolRecord, listed, quoted};
use crate::foreign::Cell;
use crate::objection::Objection;
use crate::remedy::Remedy;

/// The record of a row that says only that a migration is applied.
pub(super) fn applied(name: String, link: Link) -> ToolRecord {
    ToolRecord { name, link, sum: None, applied_on: None, finding: Finding::Matched }
}

/// How a migration is matched by its name in the tool.
pub(super) fn named(tool_table: &ToolTable<'_>, name: &str) -> Link {
    Link::Named { id: Some(name.to_owned()), version: (tool_table.form.version)(name) }
}

/// Diesel, SeaORM, dbmate, Rails, Ecto, GRDB: the first column has the name or version, the next one may have the time.
pub(super) fn plain(tool_table: &ToolTable<'_>) -> ToolHistory {
    // Without versions, there is only the order of the rows.
    let order = if tool_table.form.tool == Tool::Grdb { Order::Applied } else { Order::Unknown };
    let mut tool_history = ToolHistory { order, ..ToolHistory::default() };
    let (column, time) = (tool_table.form.columns[0], tool_table.form.reads().nth(1));
    for row in tool_table.rows() {
        let Some(name) = row.text(column) else {
            tool_history
                .objections
                .push(tool_table.strange(&format!("a row with {} as {column}", row.shown(column))));
            continue;
        };
        let applied_on = time.and_then(|time| moment(row.cell(time), Unit::Seconds));
        let link = named(tool_table, &name);
        tool_history.records.push(ToolRecord { applied_on, ..applied(name, link) });
    }
    tool_history
}

pub(super) fn refinery(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory::default();
    for row in tool_table.rows() {
        let Some(version) = row.number("version") else {
            tool_history
                .objections
                .push(tool_table.strange(&format!("the version {}", row.shown("version"))));
            continue;
        };
        let name = row.text("name").unwrap_or_default();
        let Some(sum) = row.text("checksum").and_then(|sum| sum.parse().ok()) else {
            let what = format!("the checksum {} of version {version}", row.shown("checksum"));
            tool_history.objections.push(tool_table.strange(&what));
            continue;
        };
        let link =
            Link::Named { id: Some(format!("V{version}__{name}")), version: Some(version.to_string()) };
        tool_history.records.push(ToolRecord {
            applied_on: moment(row.cell("applied_on"), Unit::Seconds),
            sum: Some(Sum::Sip { sum, name: name.clone(), version }),
            ..applied(format!("V{version}__{name}"), link)
        });
    }
    tool_history
}

pub(super) fn django(tool_table: &ToolTable<'_>) -> ToolHistory {
    let rows = tool_table.rows_by("id");
    let mut apps: Vec<String> = rows.iter().filter_map(|row| row.text("app")).collect();
    apps.sort();
    apps.dedup();
    let app = match (&tool_table.how.app, &*apps) {
        (Some(app), _) => app.clone(),
        (None, []) => return ToolHistory::default(),
        (None, [only]) => only.clone(),
        (None, several) => {
            let several: Vec<String> = several.iter().map(|app| quoted(app)).collect();
            let what = format!("`{}` has the migrations of {}", tool_table.place, listed(&several));
            return ToolHistory::refused(what, Remedy::NameApp);
        }
    };
    if !apps.is_empty() && !apps.contains(&app) {
        let apps: Vec<String> = apps.iter().map(|app| quoted(app)).collect();
        let what =
            format!("`{}` has no application {}, but {}", tool_table.place, quoted(&app), listed(&apps));
        return ToolHistory::refused(what, Remedy::NameApp);
    }
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    for row in rows.iter().filter(|row| row.text("app").as_ref() == Some(&app)) {
        let Some(name) = row.text("name") else {
            tool_history
                .objections
                .push(tool_table.strange(&format!("a row with {} as name", row.shown("name"))));
            continue;
        };
        let link = named(tool_table, &name);
        let applied_on = moment(row.cell("applied"), Unit::Seconds);
        tool_history.records.push(ToolRecord { applied_on, ..applied(name, link) });
    }
    tool_history
}

/// Drizzle rows are matched by hash alone, because the names are in a journal beside the scripts; newer versions of
/// Drizzle store a name too. Rows are ordered by the time when the script was created, because the column `id` is empty
/// on SQLite.
pub(super) fn drizzle(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    for row in tool_table.rows_by("created_at") {
        let hash = row.text("hash").filter(|hash| is_sha256(hash));
        let name = row.text("name");
        if hash.is_none() && (name.is_none() || row.text("hash").is_some()) {
            tool_history.objections.push(tool_table.strange(&format!("the hash {}", row.shown("hash"))));
            continue;
        }
        let link = name.as_deref().map_or(Link::Hashed, |name| named(tool_table, name));
        let shown = name.unwrap_or_else(|| {
            let hash: String = hash.iter().flat_map(|hash| hash.chars().take(12)).collect();
            format!("{hash}...")
        });
        let applied_on = moment(row.cell("applied_at"), Unit::Milliseconds);
        tool_history.records.push(ToolRecord {
            applied_on,
            sum: hash.map(Sum::Sha256),
            ..applied(shown, link)
        });
    }
    tool_history
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn alembic(tool_table: &ToolTable<'_>) -> ToolHistory {
    let heads: Vec<String> =
        tool_table.rows().filter_map(|row| row.text("version_num")).map(|head| quoted(&head)).collect();
    let what = if heads.is_empty() {
        format!("`{}` is empty", tool_table.place)
    } else {
        format!(
            "`{}` has only the newest revision, {}: what came before it stands in the Python scripts",
            tool_table.place,
            listed(&heads)
        )
    };
    ToolHistory::refused(
        what,
        Remedy::from("bring the database to its newest revision").then(Remedy::Baseline),
    )
}

/// Several rows for one migration mean that it failed and was tried again.
pub(super) fn switchy(tool_table: &ToolTable<'_>) -> ToolHistory {
    let mut tool_history = ToolHistory { order: Order::Applied, ..ToolHistory::default() };
    let column = tool_table.form.columns[0];
    let mut rows: Vec<Row<'_>> = tool_table.rows().collect();
    if tool_table.table.has("place") {
        rows.sort_by_key(|row| row.number("place"));
    } else if !tool_table.table.has("mark") {
        // An older form, which has no migrations of another tool. The newest form is in order on SQLite.
        rows.sort_by_key(|row| row.text("run_on"));
    }
    let is_done = |row: &Row<'_>| {
        let status = row.text("status");
        status.is_none_or(|status| status == "completed") && !row.truth("dirty").unwrap_or(false)
    };
    let mut done: HashSet<String> = HashSet::new();
    for row in &rows {
        let Some(name) = row.text(column) else {
            tool_history
                .objections
                .push(tool_table.strange(&format!("a row with {} as {column}", row.shown(column))));
            continue;
        };
        if !is_done(row) || done.contains(&name) {
            continue;
        }
        let sum = row.text("checksum").or_else(|| row.text("up_checksum"));
        // 64 zeros mean that no checksum was known.
        let sum = sum.filter(|sum| sum.bytes().any(|byte| byte != b'0')).and_then(|sum| sum.parse().ok());
        let applied_on = moment(row.cell("run_on"), Unit::Seconds);
        let link = named(tool_table, &name);
        done.insert(name.clone());
        tool_history.records.push(ToolRecord { applied_on, sum: sum.map(Sum::Ours), ..applied(name, link) });
    }
    for name in rows.iter().filter_map(|row| row.text(column)) {
        // Each name is reported once.
        if !done.insert(name.clone()) {
            continue;
        }
        let finding = format!("{} began and did not finish", quoted(&name));
        tool_history.objections.push(Objection::new(finding, Remedy::UseTable));
    }
    tool_history
}

/// The number says how many migrations of the set are applied, from the first one on.
pub(super) fn user_version(tool_table: &ToolTable<'_>) -> ToolHistory {
    match tool_table.table.rows.first().and_then(|row| row.first()) {
        Some(Cell::Number(number)) if *number < 0 => {
            let what = format!("`user_version` is {number}, which counts no migrations");
            ToolHistory::refused(
                what,
                Remedy::from("find out what the application means by it").then(Remedy::Baseline),
            )
        }
        Some(Cell::Number(number)) => ToolHistory {
            order: Order::Applied,
            through: (*number > 0).then_some(Through::Position(*number)),
            ..ToolHistory::default()
        },
        _ => ToolHistory::default(),
    }
}
