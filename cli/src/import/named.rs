//! Migrations that are files with a version in their name.

use std::collections::BTreeMap;

use super::draft::{Draft, Order, TransactionUse};
use super::found::Found;
use super::marked::{self, Misplaced, Sections};
use super::script::{is_idle, split};
use super::set::File;
use super::tool::Tool;
use crate::text::part;

/// The meaning of a file name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    Up(Version, String),
    Down(Version),
    /// Settings of a script, in Flyway.
    Settings(Version),
    /// A migration that replaces those up to its version, in Flyway.
    Baseline(Version),
    Skipped(&'static str),
    Wrong(&'static str),
}

/// The version of a migration: its order, and a unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    order: Order,
    key: String,
}

impl Version {
    fn number(digits: &str) -> Self {
        Self::parts(&[digits])
    }

    fn parts(parts: &[&str]) -> Self {
        let order = Order::number(parts.iter().copied());
        Self { key: format!("{order:?}"), order }
    }

    fn place(self) -> (Order, String) {
        (self.order, self.key)
    }
}

const DEEP: &str = "it is in a folder of the folder, where the tool does not look";
const CODE: &str = "it is code and not SQL; write in SQL what it does, or make it a migration in code";
const NO_MIGRATION: &str = "its name is not that of a migration";

/// The meaning of a file name to its tool.
pub(super) fn named(tool: Tool, path: &str) -> Named {
    match tool {
        Tool::Sqlx => sqlx(path),
        Tool::GolangMigrate => golang_migrate(path),
        Tool::Goose => goose(path),
        Tool::Dbmate => dbmate(path),
        Tool::Refinery => refinery(split(path).1),
        Tool::Flyway => flyway(split(path).1),
        _ => Named::Skipped(NO_MIGRATION),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `<VERSION>_<DESCRIPTION>.sql`, `.up.sql`, `.down.sql`
/// (<https://docs.rs/sqlx/0.8.6/sqlx/migrate/trait.MigrationSource.html>). sqlx ignores other names.
fn sqlx(path: &str) -> Named {
    if path.contains('/') {
        return Named::Skipped(DEEP);
    }
    let Some((version, rest)) = path.split_once('_').filter(|(_, rest)| rest.ends_with(".sql")) else {
        return Named::Skipped(NO_MIGRATION);
    };
    if !is_number(version) {
        return Named::Wrong("what stands before its first `_` is no number; rename it");
    }
    let version = Version::number(version);
    if rest.ends_with(".down.sql") {
        return Named::Down(version);
    }
    let id = path.strip_suffix(".up.sql").or_else(|| path.strip_suffix(".sql")).unwrap_or(path);
    Named::Up(version, id.to_owned())
}

/// `{version}_{title}.up.{extension}`, `.down.`
/// (<https://github.com/golang-migrate/migrate/blob/master/MIGRATIONS.md>).
fn golang_migrate(path: &str) -> Named {
    if path.contains('/') {
        return Named::Skipped(DEEP);
    }
    let Some((version, _)) = path.split_once('_').filter(|(version, _)| is_number(version)) else {
        return Named::Skipped(NO_MIGRATION);
    };
    let up = path.rfind(".up.").map(|at| (at, at + ".up.".len()));
    let down = path.rfind(".down.").map(|at| (at, at + ".down.".len()));
    let Some((at, behind)) = up.max(down) else { return Named::Skipped(NO_MIGRATION) };
    if part(path, behind..) != "sql" {
        return Named::Wrong(
            "its extension is not `sql`, so it may be for another kind of database; rename it",
        );
    }
    let version = Version::number(version);
    if up > down { Named::Up(version, part(path, ..at).to_owned()) } else { Named::Down(version) }
}

/// A number, `_`, and `.sql` or `.go` at the end (<https://pressly.github.io/goose/documentation/annotations>).
fn goose(path: &str) -> Named {
    if path.contains('/') {
        return Named::Skipped(DEEP);
    }
    let number = path.split_once('_').map(|(version, _)| version).filter(|version| is_number(version));
    match (number, path.rsplit_once('.')) {
        (Some(_), Some((stem, "go"))) if !stem.ends_with("_test") => Named::Wrong(CODE),
        (Some(version), Some((stem, "sql"))) => Named::Up(Version::number(version), stem.to_owned()),
        _ => Named::Skipped(NO_MIGRATION),
    }
}

/// Digits at the beginning and `.sql` at the end, ordered by name
/// (<https://github.com/amacneil/dbmate#creating-migrations>).
fn dbmate(path: &str) -> Named {
    if path.contains('/') {
        return Named::Skipped(DEEP);
    }
    let version: String = path.chars().take_while(char::is_ascii_digit).collect();
    match path.strip_suffix(".sql") {
        Some(stem) if !version.is_empty() => {
            let order = Order::Text(path.to_owned());
            Named::Up(Version { order, key: version }, stem.to_owned())
        }
        _ => Named::Skipped(NO_MIGRATION),
    }
}

/// `V<version>__<name>.sql`; `U` for one that may be applied out of order; `.rs` for one in code
/// (<https://docs.rs/refinery/latest/refinery/>).
fn refinery(name: &str) -> Named {
    let Some((version, rest)) = name.strip_prefix(['V', 'U']).and_then(|rest| rest.split_once("__")) else {
        return Named::Skipped(NO_MIGRATION);
    };
    let (stem, extension) = rest.rsplit_once('.').unwrap_or((rest, ""));
    let is_word = !stem.is_empty() && stem.chars().all(|c| c.is_alphanumeric() || c == '_');
    match extension {
        "sql" | "rs" if !is_word || !is_number(version) => Named::Skipped(NO_MIGRATION),
        "sql" => Named::Up(Version::number(version), format!("{version}_{stem}")),
        "rs" => Named::Wrong(CODE),
        _ => Named::Skipped(NO_MIGRATION),
    }
}

/// `V<version>__<description>.sql`, `U` to undo it, `B` for a baseline, `R__` for a repeatable migration, and `.conf` for the settings of a
/// script (<https://documentation.red-gate.com/fd/migrations-271585107.html>,
/// <https://documentation.red-gate.com/fd/script-configuration-files-273973420.html>).
fn flyway(name: &str) -> Named {
    if name.starts_with("R__") {
        return Named::Skipped(
            "it is repeatable, and here each script runs once; what it makes, a migration of its own can make",
        );
    }
    let (stem, extension) = match name.strip_suffix(".conf") {
        Some(script) if script.ends_with(".sql") => (script.trim_end_matches(".sql"), "conf"),
        _ => name.rsplit_once('.').unwrap_or((name, "")),
    };
    let mut chars = stem.chars();
    let prefix = chars.next().unwrap_or_default();
    let (version, description) = chars.as_str().split_once("__").unwrap_or((chars.as_str(), ""));
    let parts: Vec<&str> = version.split(['.', '_']).collect();
    if !"VUB".contains(prefix) || !parts.iter().all(|part| is_number(part)) {
        return Named::Skipped(NO_MIGRATION);
    }
    let version = Version::parts(&parts);
    match (prefix, extension) {
        ('V', "conf") => Named::Settings(version),
        (_, "conf") => Named::Skipped("here a migration has settings, and its down script none of its own"),
        ('V', "sql") => {
            let parts = parts.join(".");
            let separator = if description.is_empty() { "" } else { "_" };
            Named::Up(version, format!("{parts}{separator}{description}"))
        }
        ('U', "sql") => Named::Down(version),
        ('B', "sql") => Named::Baseline(version),
        // The known kinds of files that Flyway runs besides SQL.
        (
            _,
            "java" | "class" | "kt" | "groovy" | "scala" | "py" | "sh" | "bash" | "ps1" | "bat" | "cmd"
            | "js",
        ) => Named::Wrong(CODE),
        _ => Named::Skipped(NO_MIGRATION),
    }
}

/// The files that have one version.
#[derive(Default)]
struct Slot<'f> {
    ups: Vec<(&'f File, String)>,
    downs: Vec<&'f File>,
    settings: Option<&'f File>,
}

/// Finds the migrations among these files.
pub(super) fn found(tool: Tool, files: &[File]) -> Found {
    let (mut found, mut baselines) = (Found::default(), Vec::new());
    let mut slots = BTreeMap::<(Order, String), Slot<'_>>::new();
    for file in files {
        match named(tool, &file.path) {
            Named::Up(version, id) => slots.entry(version.place()).or_default().ups.push((file, id)),
            Named::Down(version) => slots.entry(version.place()).or_default().downs.push(file),
            Named::Settings(version) => slots.entry(version.place()).or_default().settings = Some(file),
            Named::Baseline(version) => baselines.push((version, file)),
            Named::Skipped(why) => found.skip(&file.path, why),
            Named::Wrong(why) => found.refuse(&file.path, why),
        }
    }
    for (version, file) in baselines {
        if slots.iter().any(|((order, _), slot)| *order <= version.order && !slot.ups.is_empty()) {
            found.skip(
                &file.path,
                "it stands for the migrations through its version, which are there themselves",
            );
        } else {
            let why = "it stands for migrations that are not there any more; name it `V` in place of `B`";
            found.refuse(&file.path, why);
        }
    }
    let width = if tool == Tool::Flyway { widths(slots.values()) } else { Vec::new() };
    for ((order, key), slot) in slots {
        if let [_, other, ..] = slot.downs[..] {
            found.refuse(&other.path, format!("it undoes the same as {}; remove one", slot.downs[0].path));
        }
        if slot.ups.is_empty() {
            for file in slot.downs.into_iter().chain(slot.settings) {
                found.refuse(
                    &file.path,
                    "there is no migration of its version; add that, or remove this file",
                );
            }
            continue;
        }
        for (file, id) in &slot.ups {
            let down = slot.downs.first().copied();
            let Some(sections) = scripts(tool, file, down, slot.settings, &mut found) else { continue };
            let Sections { up, down: down_script, transaction, notes } = sections;
            let from = [Some(*file), down, slot.settings].into_iter().flatten();
            found.drafts.push(Draft {
                order: order.clone(),
                version: key.clone(),
                id: padded(id, &width),
                up,
                down: down_script,
                transaction,
                from: from.map(|file| file.path.clone()).collect(),
                notes,
            });
        }
    }
    found
}

/// Reads the scripts of a migration from its file or files.
fn scripts(
    tool: Tool,
    file: &File,
    down: Option<&File>,
    settings: Option<&File>,
    found: &mut Found,
) -> Option<Sections> {
    let text = found.text(file)?;
    let sections = match tool {
        Tool::Goose => marked::goose(text),
        Tool::Dbmate => marked::dbmate(text),
        _ => {
            let down = match down {
                Some(file) => Some(found.text(file)?),
                None => None,
            };
            let mut notes = Vec::new();
            let use_of = |text: &str| TransactionUse::outside_if(asks_for_no_transaction(tool, text));
            let mut transaction = TransactionUse::of_both(
                use_of(text),
                down.filter(|down| tool == Tool::Sqlx && !is_idle(down)).map(use_of),
                &mut notes,
            );
            if let Some(settings) = settings {
                match flyway_settings(found.text(settings)?, &mut notes) {
                    Ok(set) => transaction = set.unwrap_or(transaction),
                    Err(why) => {
                        found.refuse(&settings.path, why);
                        return None;
                    }
                }
            }
            if tool == Tool::Flyway
                && [Some(text), down].into_iter().flatten().any(|text| text.contains("${"))
            {
                notes.push(
                    "Flyway fills in what `${...}` stands for, and here nobody does; write it out".to_owned(),
                );
            }
            Ok(Sections { up: text.to_owned(), down: down.map(str::to_owned), transaction, notes })
        }
    };
    let refuse = |Misplaced { line, why }: Misplaced| match line {
        Some(line) => found.refuse(&format!("{}:{line}", file.path), why),
        None => found.refuse(&file.path, why),
    };
    sections.map_err(refuse).ok()
}

/// Whether a script asks to run outside a transaction: in sqlx with its first bytes, in refinery with a line.
fn asks_for_no_transaction(tool: Tool, text: &str) -> bool {
    match tool {
        Tool::Sqlx => text.starts_with("-- no-transaction"),
        Tool::Refinery => text.lines().any(|line| {
            line.strip_prefix("--")
                .is_some_and(|line| line.trim().eq_ignore_ascii_case("+refinery NO TRANSACTION"))
        }),
        _ => false,
    }
}

/// The value of `executeInTransaction` in the settings of a script in Flyway, if they have it.
fn flyway_settings(text: &str, notes: &mut Vec<String>) -> Result<Option<TransactionUse>, &'static str> {
    let mut transaction = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match (key.trim(), value.trim()) {
            ("executeInTransaction", value) => {
                transaction = Some(TransactionUse::outside_if(value.eq_ignore_ascii_case("false")));
            }
            ("shouldExecute", value) if !value.eq_ignore_ascii_case("true") => {
                return Err(
                    "by its `shouldExecute` Flyway may leave the script out, and here it would run; remove the setting, or the script",
                );
            }
            (key, _) => notes.push(format!("its setting `{key}` means nothing here")),
        }
    }
    Ok(transaction)
}

/// The widths to which the parts of versions are padded, so that their order as text is that of their numbers; empty if all versions have
/// one part. The first part has at least four digits, so that such versions sort before versions that are dates.
fn widths<'s>(slots: impl Iterator<Item = &'s Slot<'s>>) -> Vec<usize> {
    let mut widths: Vec<usize> = Vec::new();
    for (_, id) in slots.flat_map(|slot| &slot.ups) {
        let version = id.split_once('_').map_or(&**id, |(version, _)| version);
        for (place, part) in version.split('.').enumerate() {
            let length = part.trim_start_matches('0').len().max(if place == 0 { 4 } else { 1 });
            match widths.get_mut(place) {
                Some(width) => *width = (*width).max(length),
                None => widths.push(length),
            }
        }
    }
    if widths.len() > 1 { widths } else { Vec::new() }
}

/// The id with the parts of its version padded to these widths.
fn padded(id: &str, widths: &[usize]) -> String {
    if widths.is_empty() {
        return id.to_owned();
    }
    let (version, name) = id.split_once('_').map_or((id, None), |(version, name)| (version, Some(name)));
    let mut parts = version.split('.');
    let padded: Vec<String> = widths
        .iter()
        .map(|&width| format!("{:0>width$}", parts.next().unwrap_or_default().trim_start_matches('0')))
        .collect();
    let version = padded.join(".");
    name.map_or_else(|| version.clone(), |name| format!("{version}_{name}"))
}
