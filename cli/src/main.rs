//! `switchy-schema`

use std::process::ExitCode;

fn main() -> ExitCode {
    switchy_schema_cli::run_folder(std::env::args_os())
}
