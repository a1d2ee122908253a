//! Finds the scripts of MoosicBox. They are published in a package of their own and are not copied here.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// An environment variable that names a folder with `config` and `library`. If it is set, the package is not used.
const GIVEN: &str = "MOOSICBOX_SCHEMA_SCRIPTS";

/// The folders that must exist.
const SETS: [&str; 4] = ["config/sqlite", "config/postgres", "library/sqlite", "library/postgres"];

fn main() -> ExitCode {
    match locate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn locate() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={GIVEN}");
    println!("cargo::rerun-if-changed=scripts");
    let folder = match env::var_os(GIVEN) {
        Some(folder) => PathBuf::from(folder),
        None => package()?.join("server"),
    };
    if let Some(missing) = SETS.iter().map(|set| folder.join(set)).find(|set| !set.is_dir()) {
        return Err(format!("the scripts of MoosicBox are not there: no folder {}", missing.display()).into());
    }
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rustc-env=MOOSICBOX_SCRIPTS={}", folder.display());
    Ok(())
}

/// The folder in which cargo stores the package. Nothing is downloaded: a build does not use the network.
fn package() -> Result<PathBuf, Box<dyn Error>> {
    let manifest =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("scripts/Cargo.toml");
    let metadata = metadata(&manifest);
    let metadata = metadata.map_err(|error| {
        format!(
            "the scripts of MoosicBox are not there: {error}\nrun `cargo fetch --manifest-path {}` once, or set {GIVEN} to a folder \
             that has {}",
            manifest.display(),
            SETS.join(", ")
        )
    })?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut found = packages.filter(|package| package["name"] == "moosicbox_schema_migrations");
    let manifest = found.next().and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
    Ok(folder.ok_or("cargo does not say where moosicbox_schema_migrations is")?.to_owned())
}

fn metadata(manifest: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path"])
        .arg(manifest);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
