//! A notes application in three versions, and how each of them opens the file of its user.

use indicatif::{ProgressBar, ProgressStyle};
use switchy_schema::rusqlite::{self, Connection};
use switchy_schema::{
    AfterFailure, Event, Migration, MigrationError, MigrationRunner, Report, Snapshot, Target, Verdict,
};

/// A version of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// It keeps notes.
    One,
    /// It keeps the tags of notes apart, and no empty notes.
    Two,
    /// It numbers the tags.
    Three,
}

/// What goes wrong on the computer of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The last step of version 3 fails, but not on a copy.
    LastStep,
}

impl Version {
    /// The name and version, as the tracking table records it.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "Notes 1.0",
            Self::Two => "Notes 2.0",
            Self::Three => "Notes 3.0",
        }
    }

    /// The migrations that this version has.
    pub fn migrations(self, trouble: Trouble) -> Vec<Migration> {
        const NOTES: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, tag TEXT);
            INSERT INTO note (text, tag) VALUES ('milk', 'shop'), ('bread', 'shop'), ('', NULL), ('call Ada', 'people')";
        const TAGS: &str = "CREATE TABLE tag (name TEXT PRIMARY KEY);
            INSERT INTO tag SELECT DISTINCT tag FROM note WHERE tag IS NOT NULL";
        const NO_EMPTY: &str = "DELETE FROM note WHERE text = ''";
        const NUMBER: &str = "ALTER TABLE tag ADD COLUMN number INTEGER";
        let mut set = vec![Migration::sql("2026-01-05-120000_notes", NOTES)];
        if self >= Self::Two {
            set.push(Migration::sql("2026-03-01-090000_tags", TAGS));
            set.push(Migration::sql("2026-03-01-091500_no_empty_notes", NO_EMPTY));
        }
        if self >= Self::Three {
            set.push(Migration::sql("2026-06-01-100000_number", NUMBER));
            set.push(Migration::code("2026-06-02-100000_number_tags", move |conn| {
                number_tags(conn, trouble)
            }));
        }
        set
    }
}

fn number_tags(conn: &Connection, trouble: Trouble) -> rusqlite::Result<()> {
    let is_file = conn.path().is_some_and(|path| !path.is_empty());
    if trouble == Trouble::LastStep && is_file {
        return conn.execute_batch("INSERT INTO broken_disk VALUES (1)");
    }
    conn.execute_batch("UPDATE tag SET number = rowid")
}

/// Brings the file of a user up to date. It shows what that does to the rows, keeps a copy, and shows a progress bar.
///
/// # Errors
/// If the update fails. [`explain`] has the words for the user, and says whether the file was restored.
pub fn update(conn: &Connection, version: Version, trouble: Trouble) -> Result<Report, MigrationError> {
    let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let showing = bar.clone();
    let runner = MigrationRunner::new(version.migrations(trouble))?
        .program(version.name())
        .snapshot(Snapshot::IfDestructive.keep(3).after_failure(AfterFailure::Restore))
        .observe(move |event| match event {
            Event::Copying { done, of } => {
                showing.set_message("copying your notes");
                showing.set_length(*of);
                showing.set_position(*done);
            }
            Event::Planned { plan, expected } => {
                if let Some(expected) = expected {
                    showing.println(format!("This takes about {:.1} s.", expected.as_secs_f64()));
                }
                showing.set_length(plan.steps().len() as u64);
                showing.set_position(0);
            }
            Event::Started { step, number, of } => {
                showing.set_message(step.id.to_string());
                showing.set_length(*of as u64);
                showing.set_position(*number as u64 - 1);
            }
            Event::Finished { .. } => showing.inc(1),
            _ => {}
        });
    // Only if there is something to do, since a rehearsal copies the database.
    let done = if runner.pending(conn)?.is_empty() {
        runner.run(conn)
    } else {
        let impact = runner.rehearse(conn, Target::Latest)?;
        println!("{impact}");
        // What the policy reports is for the author, and no reason to ask the user.
        debug_assert!(impact.problems.iter().all(|problem| problem.verdict == Verdict::Warn));
        runner.apply_rehearsed(conn, impact)
    };
    bar.finish_and_clear();
    done
}

/// What a user reads if the file could not be brought up to date.
pub fn explain(error: &MigrationError) -> String {
    if let Some(program) = error.newer_program() {
        return format!("This file was changed by {program}. Please install that version or a newer one.");
    }
    match &error.report().restored {
        Some(restored) => {
            let copy = restored.snapshot.display();
            format!("The update failed, and your notes are as they were before. A copy is in {copy}.")
        }
        None if error.report().applied.is_empty() => {
            "The update failed, and your notes are as they were before.".to_owned()
        }
        None => "The update failed half-way, and a part of it was kept. Please contact us.".to_owned(),
    }
}
