//! The command line of `switchy_schema`: the binary `switchy-schema`, which reads a folder of migrations, and [`run`], which gives an
//! application's own binary the same commands for its own migrations, those in code among them.
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

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use switchy_schema::{Dialect, MigrationRunner, Mysql, Postgres, Sqlite};

mod address;
mod args;
mod commands;
mod dialect;
mod exit;
mod facts;
mod failure;
mod import;
mod interrupt;
mod output;
mod picture;
mod progress;
mod remedy;
mod session;
mod settings;
mod table;
mod text;

use address::without_userinfo;
use args::{Arguments, Command};
use commands::{Context, Work};
use dialect::Known;
use exit::Exit;
use failure::{Failure, Result};
use output::{Outcome, Output};
pub use session::Database;
use settings::Settings;

/// Does what the arguments say with the migrations of a folder, on the database that they name. The first argument is the name of the
/// program.
pub fn run_folder<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>) -> ExitCode {
    main(args, |context, command| {
        let known = dialect::of(context)?;
        match known.dialect {
            Dialect::Postgres => of_folder::<Postgres>(context, command, known),
            Dialect::Mysql => of_folder::<Mysql>(context, command, known),
            _ => of_folder::<Sqlite>(context, command, known),
        }
    })
}

/// Does what the arguments say with the migrations of an application. The first argument is the name of the program.
///
/// What the arguments, the environment and the configuration file say of the table, the environment and the time to wait is in force, and
/// what the runner has otherwise. The commands watch and ask for themselves, so an observer and a `confirm` of the runner are not used.
/// `create` and `init` write to the folder that is named.
pub fn run<B: Database, A: Into<OsString> + Clone>(
    runner: switchy_schema::Result<MigrationRunner<B>>,
    args: impl IntoIterator<Item = A>,
) -> ExitCode {
    main(args, |context, command| {
        let work = Work { context, runner: prepared(context, runner)?, known: None };
        commands::with_set(work, command)
    })
}

fn of_folder<B: Database>(context: &Context<'_>, command: &Command, known: Known) -> Result<Outcome> {
    let runner = B::folder(&context.settings.dir.value).map(|runner| runner.program(PROGRAM));
    commands::with_set(Work { context, runner: prepared(context, runner)?, known: Some(known) }, command)
}

/// The program, as the log of a database names it.
const PROGRAM: &str = concat!("switchy-schema ", env!("CARGO_PKG_VERSION"));

/// A runner with the settings that are in force.
fn prepared<B: Database>(
    context: &Context<'_>,
    runner: switchy_schema::Result<MigrationRunner<B>>,
) -> Result<MigrationRunner<B>> {
    let (mut runner, settings) = (runner?, context.settings);
    if let Some(table) = &settings.table {
        runner = runner.table_name(&table.value)?;
    }
    if let Some(environment) = &settings.environment {
        runner = runner.environment(&environment.value);
    }
    if let Some(timeout) = &settings.lock_timeout {
        runner = runner.lock_timeout(timeout.value);
    }
    for sql in settings.session_sql.iter().flat_map(|setting| &setting.value) {
        runner = runner.session_sql(sql.as_str());
    }
    if context.global.yes {
        runner = runner.confirm(|_| true);
    } else if output::can_ask() {
        runner = runner.confirm(commands::asks_about);
    }
    Ok(runner)
}

/// Reads the arguments, and does what they say.
fn main<A: Into<OsString> + Clone>(
    args: impl IntoIterator<Item = A>,
    with_set: impl FnOnce(&Context<'_>, &Command) -> Result<Outcome>,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let mut clap = named(args.first());
    let arguments =
        clap.try_get_matches_from_mut(&args).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return misunderstood(&error, &args).into(),
    };
    let output = Output::new(&arguments.global, arguments.command.name());
    output.finish(done(&arguments, &output, &clap, with_set)).into()
}

fn done(
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

/// The command line under the name that the program was called by.
fn named(program: Option<&OsString>) -> clap::Command {
    let name = program.and_then(|program| Path::new(program).file_stem()?.to_str().map(str::to_owned));
    Arguments::command().bin_name(name.unwrap_or_else(|| "switchy-schema".to_owned()))
}

/// Help, or what is wrong with the arguments. They are repeated in it, and may have passwords.
fn misunderstood(error: &clap::Error, args: &[OsString]) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::Done;
    }
    let is_json = args.iter().any(|arg| arg == "--json");
    if is_json {
        let text = discreet(&error.render().to_string(), args);
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let global = args::Global::for_usage_errors();
        return Output::new(&global, "").finish(Err(Failure::usage(text)));
    }
    anstream::eprint!("{}", discreet(&error.render().ansi().to_string(), args));
    Exit::Usage
}

/// A text that repeats arguments, without those that may be the address of a database.
fn discreet(text: &str, args: &[OsString]) -> String {
    let mut text = text.to_owned();
    for arg in args.iter().map(|arg| arg.to_string_lossy()) {
        let value = arg.split_once('=').filter(|(name, _)| name.starts_with('-')).map(|(_, value)| value);
        for part in [Some(&*arg), value].into_iter().flatten() {
            if part.contains("://") || part.contains('@') {
                text = text.replace(part, "***");
            }
        }
    }
    without_userinfo(&text)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
