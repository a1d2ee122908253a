//! Migrations that are folders: Diesel and Prisma.

use std::collections::BTreeMap;

use super::draft::{Draft, Order, TransactionUse};
use super::found::Found;
use super::script::without_bom;
use super::set::File;

/// The files of each folder, by name. Files at any other depth are skipped.
pub(super) fn folders<'f>(
    files: &'f [File],
    found: &mut Found,
) -> BTreeMap<&'f str, BTreeMap<&'f str, &'f File>> {
    let mut folders = BTreeMap::<_, BTreeMap<_, _>>::new();
    for file in files {
        match file.path.split_once('/') {
            Some((folder, name)) if !name.contains('/') => {
                folders.entry(folder).or_default().insert(name, file);
            }
            Some(_) => found.skip(&file.path, "it is in a folder of a migration's folder"),
            None => found.skip(&file.path, "it is in no migration's folder"),
        }
    }
    folders
}

/// `<version>_<name>/up.sql`, `down.sql`, `metadata.toml`
/// (<https://docs.rs/diesel_migrations/latest/diesel_migrations/struct.FileBasedMigrations.html>).
pub(super) fn diesel(files: &[File]) -> Found {
    let mut found = Found::default();
    for (folder, mut names) in folders(files, &mut found) {
        let (up, down, metadata) =
            (names.remove("up.sql"), names.remove("down.sql"), names.remove("metadata.toml"));
        for file in names.values() {
            found.skip(&file.path, "Diesel does not look at it");
        }
        let Some(up) = up else {
            for file in [down, metadata].into_iter().flatten() {
                found.refuse(&file.path, "there is no up.sql beside it; add that, or remove this file");
            }
            continue;
        };
        let mut notes = Vec::new();
        let transaction = match metadata.map(|file| (file, found.text(file))) {
            None => Some(TransactionUse::Inside),
            Some((_, None)) => None,
            Some((file, Some(text))) => match diesel_transaction_use(text, &mut notes) {
                Ok(transaction) => Some(transaction),
                Err(why) => {
                    found.refuse(&file.path, why);
                    None
                }
            },
        };
        let version: String =
            folder.split('_').next().unwrap_or_default().chars().filter(|c| *c != '-').collect();
        let from = [Some(up), down, metadata].into_iter().flatten().map(|file| file.path.clone()).collect();
        let (up, down) = (found.text(up), down.map(|file| found.text(file)));
        if let (Some(up), Some(transaction), Some(down)) =
            (up, transaction, down.map_or(Some(None), |text| text.map(Some)))
        {
            found.drafts.push(Draft {
                order: Order::Text(version.clone()),
                version,
                id: folder.to_owned(),
                up: up.to_owned(),
                down: down.map(str::to_owned),
                transaction,
                from,
                notes,
            });
        }
    }
    found
}

fn diesel_transaction_use(text: &str, notes: &mut Vec<String>) -> Result<TransactionUse, String> {
    let table: toml::Table = toml::from_str(without_bom(text))
        .map_err(|error| format!("it is not TOML: {}; correct it", error.message().replace('\n', ", ")))?;
    for key in table.keys().filter(|key| *key != "run_in_transaction") {
        notes.push(format!("`{key}` of its metadata.toml means nothing here"));
    }
    match table.get("run_in_transaction") {
        Some(toml::Value::Boolean(is_inside)) => Ok(TransactionUse::outside_if(!is_inside)),
        Some(_) => Err("`run_in_transaction` is neither true nor false; correct it".to_owned()),
        None => {
            // `migrations_internals` reads the value with `#[serde(default)]`, so a missing one is `false`.
            notes.push(
                "Diesel runs it outside a transaction, since its metadata.toml does not say; here it runs in one"
                    .to_owned(),
            );
            Ok(TransactionUse::Inside)
        }
    }
}

/// `<time>_<name>/migration.sql`, and a `down.sql` that Prisma itself never runs
/// (<https://www.prisma.io/docs/orm/prisma-migrate/understanding-prisma-migrate/migration-histories>).
pub(super) fn prisma(files: &[File]) -> Found {
    let mut found = Found::default();
    for (folder, mut names) in folders(files, &mut found) {
        let (up, down) = (names.remove("migration.sql"), names.remove("down.sql"));
        for file in names.values() {
            found.skip(&file.path, "Prisma does not look at it");
        }
        let Some(up) = up else {
            if let Some(file) = down.or_else(|| names.into_values().next()) {
                found.refuse(
                    &file.path,
                    "there is no migration.sql beside it, as Prisma wants it; add that, or remove the folder",
                );
            }
            continue;
        };
        let from = [Some(up), down].into_iter().flatten().map(|file| file.path.clone()).collect();
        let (up, down) = (found.text(up), down.map(|file| found.text(file)));
        if let (Some(up), Some(down)) = (up, down.map_or(Some(None), |text| text.map(Some))) {
            found.drafts.push(Draft {
                order: Order::Text(folder.to_owned()),
                version: folder.to_owned(),
                id: folder.to_owned(),
                up: up.to_owned(),
                down: down.map(str::to_owned),
                transaction: TransactionUse::Inside,
                from,
                notes: Vec::new(),
            });
        }
    }
    found
}
