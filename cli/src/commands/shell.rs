//! `completions` and `man`

use clap::Command as Clap;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::completion;
use crate::failure::{Failure, Result};
use crate::output::Outcome;

/// The completions for a shell.
pub(super) fn completions(shell: Shell, clap: &Clap) -> Result<Outcome> {
    let name = clap.get_bin_name().unwrap_or(clap.get_name());
    let text = completion::script(&shell.to_string(), name)
        .ok_or_else(|| Failure::usage(format!("there are no completions for {shell}")))?;
    let json = json!({ "text": text });
    Ok(Outcome::new(text, json))
}

/// The man page of the program, or of a command.
pub(super) fn man(command: Option<&str>, clap: &Clap) -> Result<Outcome> {
    let mut clap = clap.clone();
    clap.build();
    let page = match command {
        None => clap,
        Some(name) => match clap.find_subcommand(name) {
            Some(found) => found.clone(),
            None => return Err(Failure::usage("there is no such command; `help` names those there are")),
        },
    };
    let mut text = Vec::new();
    Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::file(format!("cannot make the page: {error}")))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let json = json!({ "text": text });
    Ok(Outcome::new(text, json))
}
