//! [`Process`]: a server that runs in a temporary folder. It is not a part of the documented interface.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The timeout for every operation of a server.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A server program that can be killed and started again. It ends, and its folder is removed, when this value is dropped, and when this
/// process ends, even if it is killed.
#[derive(Debug)]
pub struct Process {
    guard: Mutex<Guard>,
    run: String,
}

impl Process {
    /// Starts a server with this shell command, and does not wait until it is ready.
    ///
    /// # Errors
    /// The shell has ended.
    pub fn launch(guard: Guard, run: String) -> Result<Self, String> {
        let process = Self { guard: Mutex::new(guard), run };
        process.run()?;
        Ok(process)
    }

    fn run(&self) -> Result<(), String> {
        self.guard().order(&format!("{} & server=$!", self.run))
    }

    /// Waits until an attempt succeeds.
    ///
    /// # Errors
    /// The server has ended, with the end of its log, or the error of the last attempt.
    pub fn wait_until(&self, attempt: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        patiently(attempt, || self.is_alive())
    }

    /// Whether the server runs.
    ///
    /// # Errors
    /// It has ended, with the end of its log.
    pub fn is_alive(&self) -> Result<(), String> {
        let alive = self.guard().order("is_alive $server");
        alive.map_err(|error| format!("the server ended: {error}"))
    }

    /// The folder of the server.
    pub fn folder(&self) -> PathBuf {
        self.guard().folder.clone()
    }

    /// Ends the server like a power failure: SIGKILL for all its processes. Its files stay.
    ///
    /// # Errors
    /// The shell has ended.
    pub fn kill(&self) -> Result<(), String> {
        self.guard().order("kill_all")
    }

    /// Ends the server, and starts it again with the same files.
    ///
    /// # Errors
    /// The shell has ended.
    pub fn restart(&self) -> Result<(), String> {
        self.kill()?;
        self.run()
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shell that manages one server and its folder, with `guard.sh`.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Guard {
    /// Creates a folder.
    ///
    /// # Errors
    /// There is no shell, or no folder.
    pub fn new() -> Result<Self, String> {
        const SCRIPT: &str = include_str!("guard.sh");
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "guard", SCRIPT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // In its own process group, so that a signal to all processes of the tests, such as Ctrl-C, does not stop the cleanup.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut shell = command.spawn().map_err(|error| format!("there is no shell: {error}"))?;
        let answers = BufReader::new(shell.stdout.take().ok_or("the shell has no output")?);
        let mut guard = Self { shell, answers, folder: PathBuf::new() };
        let folder = guard.answer();
        guard.folder = PathBuf::from(&folder);
        if guard.folder.is_dir() {
            Ok(guard)
        } else {
            Err(format!("a folder for a server cannot be created: {folder}"))
        }
    }

    /// The folder.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Runs a line of shell in the folder.
    ///
    /// # Errors
    /// Its exit status and the end of the server's log.
    pub fn order(&mut self, order: &str) -> Result<(), String> {
        let ended = || "the shell that manages the server has ended".to_owned();
        let orders = self.shell.stdin.as_mut().ok_or_else(ended)?;
        orders.write_all(format!("{order}\n").as_bytes()).map_err(|_| ended())?;
        match &*self.answer() {
            "0" => Ok(()),
            "" => Err(ended()),
            status => Err(format!("`{order}` gave {status}:\n{}", self.log())),
        }
    }

    /// Writes a file that is owned by the user of the server.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, name: &str, text: &str) -> Result<(), String> {
        let lines: Vec<String> = text.lines().map(|line| format!("'{line}'")).collect();
        self.order(&format!("printf '%s\\n' {} >{name}", lines.join(" ")))
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        // The shell that has ended gives an empty answer.
        let _ = self.answers.read_line(&mut answer);
        answer.trim_end().to_owned()
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Its input is closed here, so it ends.
        let _ = self.shell.wait();
    }
}

/// Retries until an attempt succeeds or the timeout expires; stops early if `hope` fails.
///
/// # Errors
/// The error of the last attempt, or of `hope`.
pub fn patiently<T>(
    mut attempt: impl FnMut() -> Result<T, String>,
    hope: impl Fn() -> Result<(), String>,
) -> Result<T, String> {
    let began = Instant::now();
    let mut number = 0_usize;
    loop {
        number += 1;
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) if number % 50 == 0 => hope()?,
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}
