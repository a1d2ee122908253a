//! Completions: the script of a shell calls this program at each Tab, which knows the commands, the options and the ids of the migrations.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{Arg, Command as Clap, CommandFactory, FromArgMatches};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use switchy_schema::{Meta, MigrationRunner};

use crate::args::{Arguments, Global};
use crate::session::Database;

/// The variable with which the script of a shell asks for completions.
pub(crate) const VARIABLE: &str = "SWITCHY_COMPLETE";

/// A migration that a word may stand for.
#[derive(Clone)]
pub(crate) struct Named {
    id: String,
    description: Option<String>,
}

impl From<&Meta> for Named {
    fn from(meta: &Meta) -> Self {
        Self { id: meta.id.to_string(), description: meta.description.clone().map(Into::into) }
    }
}

/// The migrations of a runner, in order.
pub(crate) fn names<B: Database>(runner: &MigrationRunner<B>) -> Vec<Named> {
    runner.list().iter().map(Named::from).collect()
}

/// Whether the program was called to complete a line.
pub(crate) fn is_asked() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|shell| !shell.is_empty())
}

/// Prints what the line of a shell can be completed with. `names` returns the migrations for the global options in that line.
pub(crate) fn answer(
    args: Vec<OsString>,
    names: impl Fn(&Global) -> Vec<Named> + Send + Sync + 'static,
    clap: &Clap,
) -> ExitCode {
    // The words of the line follow, the name of the program first.
    let line: Vec<OsString> = args.iter().skip_while(|arg| *arg != "--").skip(1).cloned().collect();
    let completer = ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(global) = options(&line) else { return Vec::new() };
        matching(&typed.to_string_lossy(), &names(&global))
    });
    let with_ids = || with_completer(clap.clone(), &completer);
    let folder = std::env::current_dir().ok();
    match CompleteEnv::with_factory(with_ids).var(VARIABLE).try_complete(args, folder.as_deref()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = error.print();
            ExitCode::FAILURE
        }
    }
}

/// The script that a shell loads. It calls the program under this name.
pub(crate) fn script(shell: &str, name: &str) -> Option<String> {
    let mut text = Vec::new();
    Shells::builtins().completer(shell)?.write_registration(VARIABLE, name, name, name, &mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The global options in a line, which may be unfinished.
fn options(line: &[OsString]) -> Option<Global> {
    let matches = Arguments::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    Global::from_arg_matches(&matches).ok()
}

/// The ids that begin with what was typed, or else those whose names do. `users` stands for `1_users`, as in every command.
fn matching(typed: &str, names: &[Named]) -> Vec<CompletionCandidate> {
    let candidate =
        |named: &Named| CompletionCandidate::new(&named.id).help(named.description.clone().map(Into::into));
    let beginning: Vec<_> = names.iter().filter(|named| named.id.starts_with(typed)).map(candidate).collect();
    if !beginning.is_empty() {
        return beginning;
    }
    let is_named = |named: &&Named| named.id.split_once('_').is_some_and(|(_, name)| name.starts_with(typed));
    names.iter().filter(is_named).map(candidate).collect()
}

/// The same command line, with a completer for each argument that is an id.
fn with_completer(clap: Clap, completer: &ArgValueCompleter) -> Clap {
    let clap = clap.mut_args(|arg| if is_id(&arg) { arg.add(completer.clone()) } else { arg });
    clap.mut_subcommands(|command| with_completer(command, completer))
}

fn is_id(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| *name == "ID"))
}
