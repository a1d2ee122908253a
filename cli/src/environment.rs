//! [`Environment`]: the environment variables of the process, and those in the file `.env`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::setting::{EnvFile, Setting, Source};
use crate::text::part;

/// The name of the file.
const FILE: &str = ".env";

/// The environment variables of the process, which override those in the file. The file does not change the environment of the process.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    of_file: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of a process with this working directory. Of the file, only the variables that have a meaning here are read.
    ///
    /// # Errors
    /// The file cannot be read, or a line with such a variable cannot be parsed. The error does not repeat the line, which may contain a
    /// password.
    pub(crate) fn gather(folder: &Path, file: EnvFile) -> Result<Self> {
        let path = folder.join(FILE);
        if file == EnvFile::Ignore || !path.is_file() {
            return Ok(Self::default());
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::usage(format!(
                    "cannot read {FILE}: {error}; leave it out with --no-env-file"
                )));
            }
        };
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Failure::usage(format!(
                "{FILE} is UTF-16; save it as UTF-8, or leave it out with --no-env-file"
            )));
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(Self { of_file: parsed(text.trim_start_matches('\u{feff}'))? })
    }

    /// The variable of the process with this name, or the one in the file; `None` if it is empty.
    pub(crate) fn get(&self, name: &'static str) -> Option<Setting<String>> {
        self.first_of(&[name])
    }

    /// The variable with a name that is not known in advance, as [`get`](Self::get). Of the file, only the variables count that
    /// have a meaning here.
    pub(crate) fn named(&self, name: String) -> Option<Setting<String>> {
        let of_process = env::var_os(&name);
        let of_file = || self.of_file.get(&name).cloned();
        let source = if of_process.is_some() { Source::Named } else { Source::NamedInEnvFile };
        let value = of_process.map_or_else(of_file, |value| value.into_string().ok())?;
        (!value.is_empty()).then(|| Setting { value, source: source(name) })
    }

    /// Whether a variable is set to nothing, by the process or in the file.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        let value = env::var(name).ok().or_else(|| self.of_file.get(name).cloned());
        value.is_some_and(|value| value.is_empty())
    }

    /// The first of these variables that the process has, or otherwise the first that the file has.
    pub(crate) fn first_of(&self, names: &[&'static str]) -> Option<Setting<String>> {
        let of_process = |name: &&'static str| {
            let value = env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(Setting { value, source: Source::Variable(name) })
        };
        // A variable that is set to nothing hides the one in the file.
        let of_file = |name: &&'static str| {
            let value = self.of_file.get(*name).filter(|value| !value.is_empty())?;
            env::var_os(name)
                .is_none()
                .then(|| Setting { value: value.clone(), source: Source::EnvFile(name) })
        };
        names.iter().find_map(of_process).or_else(|| names.iter().find_map(of_file))
    }
}

/// The variables in the text of the file.
fn parsed(text: &str) -> Result<BTreeMap<String, String>> {
    let mut lines: Vec<&str> = text.lines().collect();
    loop {
        let mut variables = BTreeMap::new();
        let mut bad = None;
        for line in dotenvy::from_read_iter(lines.join("\n").as_bytes()) {
            match line {
                // The first of two lines counts, as for other programs that use this parser.
                Ok((name, value)) if is_read(&name) => {
                    variables.entry(name).or_insert(value);
                }
                Err(dotenvy::Error::LineParse(line, _)) => {
                    bad = Some(line);
                    break;
                }
                _ => {}
            }
        }
        // Other programs may understand a line that this parser does not: `NOTE=don't` begins a quote that swallows the lines behind it.
        // Without that line, the others can be read.
        let Some(bad) = bad else { return Ok(variables) };
        let first = bad.trim_start().lines().next().unwrap_or_default().trim();
        // The parser reports the line, or only its value.
        let Some(place) = lines.iter().position(|line| line.trim().ends_with(first)) else {
            return Ok(variables);
        };
        // A value of nothing but blanks is an empty one.
        if let Some((start, _)) =
            lines[place].split_once('=').filter(|(_, value)| !value.is_empty() && value.trim().is_empty())
        {
            lines[place] = part(lines[place], ..=start.len());
            continue;
        }
        if let Some(name) = lines.get(place).and_then(|line| name_in(line)).filter(|name| is_read(name)) {
            let what = format!("the line of {name} in {FILE} cannot be understood; quote its value");
            return Err(Failure::usage(format!("{what}, or leave out {FILE} with --no-env-file")));
        }
        lines.remove(place);
    }
}

/// Whether a variable in the file has a meaning here.
fn is_read(name: &str) -> bool {
    name == "DATABASE_URL" || ["SWITCHY_", "PG", "MYSQL_"].iter().any(|start| name.starts_with(start))
}

/// The name before the `=` in a line, if it can be one.
fn name_in(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let name = line.strip_prefix("export ").unwrap_or(line).split('=').next()?.trim();
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}
