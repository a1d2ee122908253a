//! The command line of `switchy_schema`: the binary `switchy-schema`, which reads a folder of migrations, and [`run`], which adds the same
//! commands to an application's own binary, for its own migrations, including those in code.
//!
//! # In an application
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use switchy_schema::{Migration, MigrationRunner};
//!
//! fn main() -> ExitCode {
//!     let runner = MigrationRunner::new([
//!         Migration::sql("1_users", "CREATE TABLE users (name TEXT)"),
//!         Migration::code("2_root", |conn| conn.execute("INSERT INTO users VALUES ('root')", []).map(drop)),
//!     ]);
//!     switchy_schema_cli::run(runner, std::env::args_os())
//! }
//! ```

// An offset may be of another text. `text::part` takes any.
#![cfg_attr(not(test), warn(clippy::string_slice))]

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use switchy_schema::{Dialect, Migration, MigrationRunner, Mysql, Postgres, Sqlite};

mod address;
mod args;
mod blank;
mod commands;
mod completion;
mod dialect;
mod environment;
mod exit;
mod failure;
mod folder;
mod ids;
mod import;
mod interrupt;
mod json;
mod output;
mod patience;
mod place;
mod placeholders;
mod progress;
mod remedy;
mod session;
mod setting;
mod settings;
mod snippet;
mod table;
mod text;
mod verdicts;

use address::without_userinfo;
use args::{Arguments, Command, Global};
use commands::{Context, Work};
use completion::Named;
use dialect::Detected;
use exit::Exit;
use failure::{Failure, Result};
use folder::Folder;
use output::{Outcome, Output};
pub use session::Database;
use settings::Settings;

/// Runs the command in the arguments, with the migrations in a folder and the database that the settings name. The first argument is the
/// name of the program.
pub fn run_folder<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>) -> ExitCode {
    main(args, named_in_folder, |context, command| {
        let detected = dialect::of(context.settings, context.global.links())?;
        match detected.dialect {
            Dialect::Postgres => of_folder::<Postgres>(context, command, detected),
            Dialect::Mysql => of_folder::<Mysql>(context, command, detected),
            _ => of_folder::<Sqlite>(context, command, detected),
        }
    })
}

/// The migrations in the folder that these options and the settings name, to complete their ids; none if the folder cannot be read.
fn named_in_folder(global: &Global) -> Vec<Named> {
    fn of<B: Database>(context: &Context<'_>) -> Option<Vec<Named>> {
        let runner = B::folder(&context.settings.dir.value, context.global.links()).ok()?;
        Some(completion::names(&runner))
    }

    let found = || {
        let folder = std::env::current_dir().ok()?;
        let settings = Settings::gather(global, &folder).ok()?;
        let output = Output::new(global, "");
        let context = Context { global, settings: &settings, output: &output, folder };
        match dialect::of(&settings, global.links()).ok()?.dialect {
            Dialect::Postgres => of::<Postgres>(&context),
            Dialect::Mysql => of::<Mysql>(&context),
            _ => of::<Sqlite>(&context),
        }
    };
    found().unwrap_or_default()
}

/// Runs the command in the arguments, with the migrations of an application. The first argument is the name of the program.
///
/// The table, the environment and the lock timeout come from the arguments, the environment variables or the configuration file, and
/// otherwise from the runner. The commands have their own observer and confirmation, so those of the runner are not used. `create` and
/// `init` write to the folder in the settings.
pub fn run<B: Database, A: Into<OsString> + Clone>(
    runner: switchy_schema::Result<MigrationRunner<B>>,
    args: impl IntoIterator<Item = A>,
) -> ExitCode {
    let named = runner.as_ref().map(completion::names).unwrap_or_default();
    main(
        args,
        move |_| named.clone(),
        |context, command| {
            let work =
                Work { context, runner: prepared(context, runner, None)?, detected: None, folder: None };
            commands::with_set(work, command)
        },
    )
}

fn of_folder<B: Database>(context: &Context<'_>, command: &Command, detected: Detected) -> Result<Outcome> {
    if !command.needs_folder() {
        let runner =
            prepared(context, MigrationRunner::for_backend(Vec::<Migration<B>>::new()), Some(&detected))?;
        return commands::with_set(Work { context, runner, detected: Some(detected), folder: None }, command);
    }
    let runner =
        B::folder(&context.settings.dir.value, context.global.links()).map(|runner| runner.program(PROGRAM));
    let runner = prepared(context, runner, Some(&detected))?;
    let folder = Folder::look(&context.settings.dir.value, runner.list());
    folder.say(context.output, command);
    let work = Work { context, runner, detected: Some(detected), folder: Some(folder) };
    commands::with_set(work, command)
}

/// The name of the program in the log of a database.
const PROGRAM: &str = concat!("switchy-schema ", env!("CARGO_PKG_VERSION"));

/// The runner with the settings in effect.
fn prepared<B: Database>(
    context: &Context<'_>,
    runner: switchy_schema::Result<MigrationRunner<B>>,
    detected: Option<&Detected>,
) -> Result<MigrationRunner<B>> {
    let (mut runner, settings) = (runner?, context.settings);
    if let Some(table) = &settings.table {
        place::check_table(table)?;
        runner = runner.table_name(&table.value)?;
    }
    if let Some(schema) = &settings.schema {
        runner = place::in_schema(runner, schema, detected)?;
    }
    if let Some(environment) = &settings.environment {
        runner = runner.environment(&environment.value);
    }
    if let Some(timeout) = &settings.lock_timeout {
        runner = runner.lock_timeout(timeout.value);
    }
    if let Some(timeout) = &settings.statement_lock_timeout {
        runner = runner.statement_lock_timeout(timeout.value);
    }
    if let Some(retries) = &settings.lock_retries {
        runner = runner.lock_retries(retries.value);
    }
    runner = settings.verdicts.apply(runner);
    for sql in settings.session_sql.iter().flat_map(|setting| &setting.value) {
        runner = runner.session_sql(sql.as_str());
    }
    runner = settings.placeholders.apply(runner)?;
    if let Some(names) = &settings.drift_ignore {
        runner = runner.ignore_in_drift(names.value.iter().map(String::as_str));
    }
    if context.global.yes {
        runner = runner.confirm(|_| true);
    } else if output::can_ask() {
        runner = runner.confirm(commands::confirm_plan);
    }
    Ok(runner)
}

/// Parses the arguments and runs the command, or completes the line of a shell. `names` returns the migrations whose ids it completes.
fn main<A: Into<OsString> + Clone>(
    args: impl IntoIterator<Item = A>,
    names: impl Fn(&Global) -> Vec<Named> + Send + Sync + 'static,
    with_set: impl FnOnce(&Context<'_>, &Command) -> Result<Outcome>,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let mut clap = named(args.first());
    if completion::is_asked() {
        return completion::answer(args, names, &clap);
    }
    let args = args::joined(args.into_iter());
    let arguments =
        clap.try_get_matches_from_mut(&args).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return usage_error(&error, &args).into(),
    };
    let output = Output::new(&arguments.global, arguments.command.name());
    output.finish(execute(&arguments, &output, &clap, with_set)).into()
}

fn execute(
    arguments: &Arguments,
    output: &Output,
    clap: &clap::Command,
    with_set: impl FnOnce(&Context<'_>, &Command) -> Result<Outcome>,
) -> Result<Outcome> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::file(format!("cannot tell which folder this is: {error}")))?;
    let settings = Settings::gather(&arguments.global, &folder)?;
    let context = Context { global: &arguments.global, settings: &settings, output, folder };
    let without = commands::without_set(&context, &arguments.command, clap);
    without.unwrap_or_else(|| with_set(&context, &arguments.command))
}

/// The command line with the name by which the program was called.
fn named(program: Option<&OsString>) -> clap::Command {
    let name = program.and_then(|program| Path::new(program).file_stem()?.to_str().map(str::to_owned));
    Arguments::command().bin_name(name.unwrap_or_else(|| "switchy-schema".to_owned()))
}

/// Prints the help, or what is wrong with the arguments. The text repeats arguments, so passwords are hidden in it.
fn usage_error(error: &clap::Error, args: &[OsString]) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::Done;
    }
    let is_json = args.iter().any(|arg| arg == "--json");
    if is_json {
        let text = without_addresses(&error.render().to_string(), args);
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let global = args::Global::for_usage_errors();
        return Output::new(&global, "").finish(Err(Failure::usage(text)));
    }
    anstream::eprint!("{}", text::for_terminal(&without_addresses(&error.render().ansi().to_string(), args)));
    Exit::Usage
}

/// Hides those arguments in a text that may be the address of a database.
fn without_addresses(text: &str, args: &[OsString]) -> String {
    let mut text = text.to_owned();
    for arg in args.iter().map(|arg| arg.to_string_lossy()) {
        let value = arg.split_once('=').filter(|(name, _)| name.starts_with('-')).map(|(_, value)| value);
        for part in [Some(&*arg), value].into_iter().flatten() {
            let has_password = part.contains("password") && part.contains('=');
            if part.contains("://") || part.contains('@') || has_password {
                text = text.replace(part, "***");
            }
        }
    }
    without_userinfo(&text)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
