//! What the system refuses: a full disk, a folder or a file that may not be changed, a lock that another process holds, a path that is too long.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use switchy_schema::{Event, Migration, MigrationRunner};

use super::{Place, Rows, row};

pub(super) fn rows() -> Rows {
    let mut rows = Rows::new();
    let mut add = |name: &str, make: fn(&Place)| {
        rows.push(row(name, move |place: &Place| {
            place.up("2025-01-02-000000_x", "CREATE TABLE x (y);");
            make(place);
        }));
    };
    add("a disk without room for a script", |place| {
        place.up("2025-01-02-000000_x", "CREATE TABLE x (y);\nINSERT INTO x VALUES (zeroblob(1000000));");
        place.mount("size=400k");
    });
    add("a disk without a byte", |place| {
        place.mount("size=400k");
        place.fill();
    });
    add("a disk without a byte and a database in WAL mode", |place| {
        place.sql("PRAGMA journal_mode = WAL");
        place.mount("size=400k");
        place.fill();
    });
    add("a disk without room for another file", |place| {
        place.mount("size=400k,nr_inodes=8");
        while place.try_file().is_ok() {}
    });
    add("a folder that may not be changed", |place| place.protect(""));
    add("a folder that may not be changed, with a lock file", |place| {
        place.file("app.db-migrate", "");
        place.protect("");
    });
    add("a folder that may not be changed, with a database in WAL mode", |place| {
        place.sql("PRAGMA journal_mode = WAL");
        place.file("app.db-migrate", "");
        place.protect("");
    });
    add("a database that may not be changed", |place| place.protect("app.db"));
    add("a lock file that may not be changed", |place| {
        place.file("app.db-migrate", "");
        place.protect("app.db-migrate");
    });
    add("a script that may not be changed", |place| place.protect("migrations/2025-01-02-000000_x/up.sql"));
    add("a run of another process that has not ended", |place| place.hold("lock"));
    add("a transaction of another process that writes", |place| place.hold("BEGIN IMMEDIATE"));
    add("a transaction of another process that excludes readers", |place| place.hold("BEGIN EXCLUSIVE"));
    add("ten thousand folders in each other", Place::nest);
    rows
}

impl Place {
    fn not_tried(&self, what: &str) {
        self.not_tried.replace(Some(what.to_owned()));
    }

    /// Moves everything to a small disk of its own, in memory. Only root may do that.
    fn mount(&self, options: &str) {
        if !self.may_mount(options) {
            self.not_tried("this user may not mount a disk");
        }
    }

    /// Does the work of `mount`, and returns whether this user may do that.
    fn may_mount(&self, options: &str) -> bool {
        let files: Vec<(PathBuf, Vec<u8>)> = self
            .everything()
            .into_keys()
            .filter(|path| path.is_file())
            .map(|path| (path.strip_prefix(self.path()).unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(self.path());
        if !mount.output().is_ok_and(|output| output.status.success()) {
            return false;
        }
        let path = self.path().to_owned();
        self.at_end(move || _ = Command::new("umount").arg(path).status());
        for (path, bytes) in files {
            self.file(path, bytes);
        }
        true
    }

    /// Leaves no byte free.
    fn fill(&self) {
        if self.is_tried() {
            let mut file = fs::File::create(self.path().join("filler")).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
        }
    }

    /// Adds an empty file, if there is room.
    fn try_file(&self) -> std::io::Result<()> {
        if !self.is_tried() {
            return Err(std::io::ErrorKind::Other.into());
        }
        let number = fs::read_dir(self.path())?.count();
        fs::write(self.path().join(format!("filler-{number}")), "")
    }

    /// Keeps everybody, root too, from changing a file or a folder. Only root may do that, and not all file systems can.
    fn protect(&self, path: &str) {
        let path = self.path().join(path);
        let chattr = |flag: &str, path: &Path| {
            let output = Command::new("chattr").arg(flag).arg(path).output();
            output.is_ok_and(|output| output.status.success())
        };
        if !chattr("+i", &path) {
            return self.not_tried("this user or file system does not let files be protected");
        }
        self.at_end(move || _ = chattr("-i", &path));
    }

    /// Lets another process hold a lock: that of the runs, or the one that this statement takes.
    fn hold(&self, lock: &str) {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bad_input::cases::system::the_process_that_holds_a_lock", "--nocapture"])
            .env(LOCK, lock)
            .env(DATABASE, self.database())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(holder.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap() == "holding"), "{lock}");
        self.at_end(move || {
            let _ = holder.kill();
            let _ = holder.wait();
        });
    }

    /// Makes ten thousand folders in each other, which no path can name: each thousand is moved to the bottom of another one.
    fn nest(&self) {
        // Removing them from a real disk takes half a minute.
        let is_in_memory = self.may_mount("size=64m");
        let (thousand, outer) = ("d/".repeat(1000), self.path().join("outer"));
        let migrations = self.path().join("migrations/d");
        for _ in 0..10 {
            fs::create_dir_all(outer.join(&thousand)).unwrap();
            if migrations.exists() {
                fs::rename(&migrations, outer.join(&thousand).join("d")).unwrap();
            }
            fs::rename(outer.join("d"), &migrations).unwrap();
        }
        fs::remove_dir(outer).unwrap();
        if !is_in_memory {
            self.at_end(move || _ = Command::new("rm").arg("-rf").arg(migrations).status());
        }
    }
}

const LOCK: &str = "SWITCHY_SCHEMA_HELD_LOCK";
const DATABASE: &str = "SWITCHY_SCHEMA_HELD_DATABASE";

/// Says that it holds the lock, and then waits until it is killed.
fn wait() {
    println!("\nholding");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn the_process_that_holds_a_lock() {
    let Ok(lock) = std::env::var(LOCK) else { return };
    let conn = Connection::open(std::env::var_os(DATABASE).unwrap()).unwrap();
    if lock == "lock" {
        // The plan is made under the lock.
        let set = [
            Migration::sql(super::FIRST, "CREATE TABLE users (name TEXT);\n"),
            Migration::sql("2025-01-02-000000_x", "CREATE TABLE x (y);"),
        ];
        let runner = MigrationRunner::new(set).unwrap().observe(|event| {
            if let Event::Planned { .. } = event {
                wait();
            }
        });
        let _ = runner.run(&conn);
    } else {
        conn.execute_batch(&lock).unwrap();
        wait();
    }
}
