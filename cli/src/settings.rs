//! [`Settings`]: the settings in effect, and their sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::address::Address;
use crate::args::{After, Global, PolicyName, When};
use crate::dialect::name::Name;
use crate::environment::Environment;
use crate::failure::{Failure, Result};
use crate::placeholders::{Declared, Placeholders};
use crate::setting::{FILE, Setting, Source};
use crate::text::part;
use crate::verdicts::Verdicts;

/// The variables that name the database.
const URL_VARIABLES: [&str; 2] = ["SWITCHY_DATABASE_URL", "DATABASE_URL"];

/// The settings in effect. Flags override environment variables, which override the configuration file, which overrides the defaults.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The path of the configuration file, if there is one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) database: Option<Setting<Address>>,
    /// Remarks about the address of the database.
    pub(crate) remarks: Vec<String>,
    pub(crate) dialect: Option<Setting<Name>>,
    pub(crate) session_sql: Option<Setting<Vec<String>>>,
    pub(crate) dir: Setting<PathBuf>,
    pub(crate) table: Option<Setting<String>>,
    /// The schema of the tracking table.
    pub(crate) schema: Option<Setting<String>>,
    pub(crate) environment: Option<Setting<String>>,
    pub(crate) lock_timeout: Option<Setting<Duration>>,
    /// How long a statement of a migration waits for a lock.
    pub(crate) statement_lock_timeout: Option<Setting<Duration>>,
    /// How often a transaction that another session blocked is tried again.
    pub(crate) lock_retries: Option<Setting<u32>>,
    /// How long to wait until the database is up.
    pub(crate) wait: Option<Setting<Duration>>,
    /// The file that has the schema after each run.
    pub(crate) schema_file: Option<Setting<PathBuf>>,
    /// What drift leaves out.
    pub(crate) drift_ignore: Option<Setting<Vec<String>>>,
    pub(crate) snapshot: Option<Setting<When>>,
    pub(crate) snapshot_dir: Option<Setting<PathBuf>>,
    pub(crate) keep_snapshots: Option<Setting<usize>>,
    pub(crate) after_failure: Option<Setting<After>>,
    pub(crate) verdicts: Verdicts,
    pub(crate) placeholders: Placeholders,
}

/// The content of the configuration file.
#[derive(Debug, Default, Deserialize)]
#[allow(clippy::struct_field_names, reason = "each is the name of a key")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    database_url: Option<String>,
    dialect: Option<Name>,
    session_sql: Option<OneOrMore>,
    dir: Option<PathBuf>,
    table: Option<String>,
    schema: Option<String>,
    env: Option<String>,
    lock_timeout: Option<f64>,
    statement_lock_timeout: Option<f64>,
    lock_retries: Option<u32>,
    wait: Option<f64>,
    schema_file: Option<PathBuf>,
    drift_ignore: Option<OneOrMore>,
    snapshot: Option<When>,
    snapshot_dir: Option<PathBuf>,
    keep_snapshots: Option<usize>,
    after_failure: Option<After>,
    policy: Option<PolicyName>,
    allow: Option<OneOrMore>,
    deny: Option<OneOrMore>,
    placeholders: Option<BTreeMap<String, Declared>>,
}

/// A text, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(texts: OneOrMore) -> Self {
        match texts {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

impl Settings {
    /// The settings for a process with this working directory.
    ///
    /// # Errors
    /// The configuration file cannot be read, or a value is invalid.
    pub(crate) fn gather(global: &Global, folder: &Path) -> Result<Self> {
        let (path, file) = match found(folder) {
            Some(path) => (Some(path.clone()), read(&path)?),
            None => (None, File::default()),
        };
        let of_file = || Source::File(path.clone().unwrap_or_default());
        // Paths in the file are relative to the folder of the file.
        let base = path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let base = base.strip_prefix(folder).unwrap_or(base);

        let variables = Environment::gather(folder, global.env_file())?;
        let variable = |name| variables.get(name);
        let url = flag("database-url", global.database_url.as_ref())
            .or_else(|| variables.first_of(&URL_VARIABLES))
            .or_else(|| file.database_url.map(|value| Setting { value, source: of_file() }));
        let (database, remarks) = match url {
            Some(url) => {
                let (address, remarks) = completed(url, &variables, base)?;
                (Some(address), remarks)
            }
            None => (None, of_no_address(&variables)),
        };
        let dialect = global.dialect.map(|value| Setting { value, source: Source::Flag("dialect") });
        let dialect = dialect.or_else(|| file.dialect.map(|value| Setting { value, source: of_file() }));
        let session_sql = match file.session_sql {
            _ if !global.session_sql.is_empty() => {
                Some(Setting { value: global.session_sql.clone(), source: Source::Flag("session-sql") })
            }
            texts => texts.map(|texts| Setting { value: texts.into(), source: of_file() }),
        };
        let drift_ignore = file.drift_ignore.map(|names| Setting { value: names.into(), source: of_file() });
        let schema_file = file.schema_file.map(|file| Setting { value: base.join(file), source: of_file() });
        let dir = global.dir.clone().map(|value| Setting { value, source: Source::Flag("dir") });
        let dir = dir
            .or_else(|| path_of(variable("SWITCHY_MIGRATIONS_DIR")))
            .or_else(|| file.dir.map(|dir| Setting { value: base.join(dir), source: of_file() }))
            .unwrap_or_else(|| Setting { value: base.join("migrations"), source: Source::Default });
        let table = flag("table", global.table.as_ref())
            .or_else(|| variable("SWITCHY_MIGRATION_TABLE"))
            .or_else(|| file.table.map(|value| Setting { value, source: of_file() }));
        let schema = flag("schema", global.schema.as_ref())
            .or_else(|| variable("SWITCHY_MIGRATION_SCHEMA"))
            .or_else(|| file.schema.map(|value| Setting { value, source: of_file() }));
        let environment = flag("env", global.env.as_ref())
            .or_else(|| variable("SWITCHY_ENV"))
            .or_else(|| file.env.map(|value| Setting { value, source: of_file() }));
        let seconds =
            global.lock_timeout.map(|value| Setting { value, source: Source::Flag("lock-timeout") });
        let seconds = seconds.or_else(|| file.lock_timeout.map(|value| Setting { value, source: of_file() }));
        let lock_timeout = seconds.map(|seconds| duration(seconds, "lock-timeout")).transpose()?;
        let seconds = global
            .statement_lock_timeout
            .map(|value| Setting { value, source: Source::Flag("statement-lock-timeout") });
        let seconds =
            seconds.or_else(|| file.statement_lock_timeout.map(|value| Setting { value, source: of_file() }));
        let statement_lock_timeout =
            seconds.map(|seconds| duration(seconds, "statement-lock-timeout")).transpose()?;
        let lock_retries =
            global.lock_retries.map(|value| Setting { value, source: Source::Flag("lock-retries") });
        let lock_retries =
            lock_retries.or_else(|| file.lock_retries.map(|value| Setting { value, source: of_file() }));
        let seconds = global.wait.map(|value| Setting { value, source: Source::Flag("wait") });
        let seconds = seconds.or_else(|| file.wait.map(|value| Setting { value, source: of_file() }));
        let wait = seconds.map(|seconds| duration(seconds, "wait")).transpose()?;
        let verdicts = (file.policy, file.allow.map(Into::into), file.deny.map(Into::into));
        let verdicts = Verdicts::gather(&global.verdicts, verdicts, &of_file)?;
        // The commands that keep a snapshot have flags of their own for these.
        let snapshot = file.snapshot.map(|value| Setting { value, source: of_file() });
        let snapshot_dir = file.snapshot_dir.map(|dir| Setting { value: base.join(dir), source: of_file() });
        let keep_snapshots = file.keep_snapshots.map(|value| Setting { value, source: of_file() });
        let after_failure = file.after_failure.map(|value| Setting { value, source: of_file() });
        let placeholders = Placeholders::gather(file.placeholders, &global.set, variables)?;
        Ok(Self {
            file: path,
            database,
            remarks,
            dialect,
            session_sql,
            dir,
            table,
            schema,
            environment,
            lock_timeout,
            statement_lock_timeout,
            lock_retries,
            wait,
            schema_file,
            drift_ignore,
            snapshot,
            snapshot_dir,
            keep_snapshots,
            after_failure,
            verdicts,
            placeholders,
        })
    }

    /// How long to wait until the database is up; `None` if the first attempt decides.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait.as_ref().map(|setting| setting.value)
    }

    /// The address of the database, for a command that needs one.
    ///
    /// # Errors
    /// No database is named.
    pub(crate) fn address(&self) -> Result<&Address> {
        self.database.as_ref().map(|setting| &setting.value).ok_or_else(|| {
            let ways = format!("name it with --database-url, with SWITCHY_DATABASE_URL, or in {FILE}");
            let failure = Failure::usage(format!("no database is named; {ways}"));
            self.remarks.iter().fold(failure, |failure, remark| failure.hinting(remark))
        })
    }
}

/// The address in a setting with what it leaves out, and remarks about it. Paths in the configuration file are relative to `base`.
fn completed(
    Setting { value, source }: Setting<String>,
    variables: &Environment,
    base: &Path,
) -> Result<(Setting<Address>, Vec<String>)> {
    let parsed = Address::parse(&value).map_err(|failure| match source {
        Source::Flag(_) => failure,
        _ => failure.hinting(&format!("it comes from {source}")),
    })?;
    let (address, remarks) = parsed.completed(variables)?;
    let value = if matches!(source, Source::File(_)) { address.within(base) } else { address };
    Ok((Setting { value, source }, remarks))
}

/// What may be the reason that no address is known.
fn of_no_address(variables: &Environment) -> Vec<String> {
    let known = [("PGHOST", "postgres://"), ("PGSERVICE", "postgres://"), ("MYSQL_HOST", "mysql://")];
    let set = known.into_iter().find(|(name, _)| variables.get(name).is_some());
    let set = set.map(|(name, url)| format!("{name} is set; to use it, give the address {url}"));
    let empty = URL_VARIABLES.into_iter().find(|name| variables.is_empty(name));
    let empty = empty.map(|name| format!("{name} is set, but empty"));
    set.into_iter().chain(empty).collect()
}

fn flag(name: &'static str, value: Option<&String>) -> Option<Setting<String>> {
    value.cloned().map(|value| Setting { value, source: Source::Flag(name) })
}

fn path_of(setting: Option<Setting<String>>) -> Option<Setting<PathBuf>> {
    setting.map(|Setting { value, source }| Setting { value: value.into(), source })
}

fn duration(seconds: Setting<f64>, key: &str) -> Result<Setting<Duration>> {
    let Setting { value, source } = seconds;
    match Duration::try_from_secs_f64(value) {
        Ok(value) => Ok(Setting { value, source }),
        Err(_) => {
            Err(Failure::usage(format!("`{key}` cannot be {value}; give a number of seconds, 0 or more")))
        }
    }
}

/// Finds the configuration file in this folder or the nearest folder above it. A folder or a broken link of its name is found too, and
/// reading it says so.
fn found(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE)).find(|path| path.symlink_metadata().is_ok())
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("cannot read {}: {error}; correct the file, or remove it", path.display()))
    })?;
    toml::from_str(&text).map_err(|error| {
        let line =
            error.span().map(|span| part(&text, ..span.start.min(text.len())).matches('\n').count() + 1);
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        // The line itself is not shown, because the address of a database may contain a password.
        let said = error.message().replace("expected f64", "expected a number of seconds, as in 2.5");
        Failure::usage(format!("{}{line}: {said}", path.display()))
    })
}
