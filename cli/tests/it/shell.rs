//! [`Shell`]: runs commands in a folder and records their output.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_switchy-schema");

/// Where a program writes which of its lines ran, if it was built to count them. Without this variable it writes to the current folder.
pub(crate) fn profile() -> Option<(&'static str, OsString)> {
    const NAME: &str = "LLVM_PROFILE_FILE";

    std::env::var_os(NAME).map(|file| (NAME, file))
}

/// A folder, and a transcript of the commands in it: stdout unchanged, stderr with the prefix `! `, and the exit code with the prefix `= `
/// if it is not 0.
pub(crate) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// Texts that differ from run to run and are replaced.
    hidden: Vec<String>,
    pub(crate) log: String,
}

impl Shell {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, variables: Vec::new(), hidden: Vec::new(), log: String::new() }
    }

    /// A folder with three migrations and the address of a database that does not exist yet.
    pub(crate) fn with_set() -> Self {
        let shell = Self::new();
        shell.write("switchy-schema.toml", "database-url = \"sqlite:app.db\"\n");
        shell.migration(
            "2025-01-01-000000_users",
            "CREATE TABLE users (name TEXT);",
            Some("DROP TABLE users;"),
        );
        shell.migration(
            "2025-01-02-000000_email",
            "ALTER TABLE users ADD email TEXT;",
            Some("ALTER TABLE users DROP email;"),
        );
        shell.migration(
            "2025-01-03-000000_notes",
            "CREATE TABLE notes (text TEXT);",
            Some("DROP TABLE notes;"),
        );
        shell
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sets an environment variable for the following commands.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces the parts of an address that differ from run to run: the folder of the server and the name of the database.
    pub(crate) fn hide(&mut self, url: &str) {
        let parts = url
            .split(['/', '?', '&', '='])
            .filter(|part| part.starts_with("switchy_test_") || part.starts_with("switchy-"));
        self.hidden.extend(parts.map(str::to_owned));
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn migration(&self, id: &str, up: &str, down: Option<&str>) {
        self.write(&format!("migrations/{id}/up.sql"), up);
        if let Some(down) = down {
            self.write(&format!("migrations/{id}/down.sql"), down);
        }
    }

    /// Writes a migration that runs outside a transaction.
    pub(crate) fn non_transactional(&self, id: &str, up: &str) {
        self.migration(id, up, Some(""));
        self.write(&format!("migrations/{id}/metadata.toml"), "run_in_transaction = false\n");
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.path().join("app.db")).unwrap()
    }

    /// Runs SQL in the database.
    pub(crate) fn sql(&mut self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
        writeln!(self.log, "sqlite> {sql}").unwrap();
    }

    /// The command that starts the binary in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.like(Command::new(BINARY), args)
    }

    /// The command that starts another binary in this folder.
    pub(crate) fn like(&self, mut command: Command, args: &[&str]) -> Command {
        command
            .current_dir(self.path())
            .args(args)
            .env_clear()
            .env("USER", "ada")
            .envs(profile())
            .stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command line, and records its output.
    pub(crate) fn run(&mut self, line: &str) -> Output {
        let output =
            self.command(&words(line).iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        self.note(line, &output);
        output
    }

    /// Records the output of a command line.
    pub(crate) fn note(&mut self, line: &str, output: &Output) {
        writeln!(self.log, "$ switchy-schema {line}").unwrap();
        self.log.push_str(&String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            writeln!(self.log, "! {line}").unwrap();
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => writeln!(self.log, "= {code}").unwrap(),
            None => self.log.push_str("= killed\n"),
        }
        self.log.push('\n');
    }

    /// Records every file in the folder.
    pub(crate) fn show_files(&mut self) {
        for (path, text) in self.files() {
            let path = path.strip_prefix(self.path()).unwrap().to_owned();
            writeln!(self.log, "-- {}\n{}", path.display(), String::from_utf8(text).unwrap()).unwrap();
        }
    }

    /// Runs several command lines.
    pub(crate) fn runs(&mut self, lines: &[&str]) {
        for line in lines {
            self.run(line);
        }
    }

    /// Compares the transcript with the snapshot of this name.
    pub(crate) fn assert(&self, name: &str) {
        self.bound(|| insta::assert_snapshot!(name, self.log));
    }

    fn bound(&self, check: impl FnOnce()) {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let folder = self.path().to_str().unwrap();
        for (pattern, normal) in [
            (folder, "FOLDER"),
            (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "YYYY-MM-DD HH:MM:SS"),
            (r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d-\d{6}_", "YYYY-MM-DD-HHMMSS_"),
            (r"\(\d+\.\d ms", "(0.0 ms"),
            (r"in \d+\.\d s;", "in 0.0 s;"),
            // The statistics of a server are as old as they are.
            (r",? (with|which has) about \d+ rows?", ""),
            (r#""(duration|copied_in)_ms": \d+"#, r#""${1}_ms": 0"#),
            (r"-(snapshot|set-aside)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}", "-$1-TIME"),
            (r"app\.db-[0-9a-f]{8}-", "app.db-PATH-"),
            (r"\b[0-9a-f]{64}\b", "HASH"),
            (r"pid \d+( on [\w.-]+)?", "pid 1 on HOST"),
            (r", for \d+ s,", ", for 0 s,"),
            (r"session \d+ of the server", "session 1 of the server"),
            (r"`(SELECT pg_terminate_backend\(|KILL )\d+", "`${1}1"),
        ] {
            settings.add_filter(pattern, normal);
        }
        for hidden in &self.hidden {
            settings.add_filter(hidden, "HIDDEN");
        }
        settings.bind(check);
    }

    /// Every file in the folder, and its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut folders, mut files) = (vec![self.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

/// Splits a line at its spaces, except inside single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut is_word) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (is_quoted, is_word) = (!is_quoted, true),
            ' ' if !is_quoted => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            c => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    words
}
