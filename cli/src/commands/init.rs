//! `init`

use std::fs;

use serde_json::json;

use super::create;
use super::work::Context;
use crate::address::Address;
use crate::failure::Result;
use crate::output::Outcome;
use crate::setting::FILE;

/// Creates a folder and a configuration file. Existing files are not changed.
pub(super) fn init(context: &Context<'_>) -> Result<Outcome> {
    let (settings, mut made) = (context.settings, Vec::new());
    let dir = &settings.dir.value;
    fs::create_dir_all(dir).map_err(|error| create::cannot("make the folder", dir, &error))?;
    let is_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty {
        context.output.say(&format!("{} has something in it already, and stays as it is", dir.display()));
    }
    if let Some(file) = &settings.file {
        context.output.say(&format!("{} is there already, and stays as it is", file.display()));
    } else {
        create::new_file(&context.folder.join(FILE), &configuration(context))?;
        made.push(FILE.into());
    }
    let mut outcome = create::outcome(&made);
    let line = format!("println!(\"cargo::rerun-if-changed={}\");", dir.display());
    outcome.json.insert("build_rs".into(), json!(line));
    if is_empty {
        context.output.say(&format!("{}/ is ready; add a migration with `create NAME`", dir.display()));
    }
    let remark = format!("for a program that embeds them, build.rs needs the line\n    {line}");
    Ok(outcome.remarking(remark))
}

/// The text of the configuration file. It never contains the address of a server, which may contain a password.
fn configuration(context: &Context<'_>) -> String {
    let settings = context.settings;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let database = match settings.database.as_ref().map(|setting| &setting.value) {
        None => "database-url = \"sqlite:app.db\"".to_owned(),
        Some(address @ Address::Sqlite(_)) => format!("database-url = {}", quoted(&address.to_string())),
        Some(_) => {
            "# database-url: in SWITCHY_DATABASE_URL, since a password has no business in a file".to_owned()
        }
    };
    let dir = quoted(&settings.dir.value.display().to_string());
    format!(
        "# `switchy-schema config` says what is in force. Flags and the environment override this.\n{database}\ndir = {dir}\n"
    )
}
