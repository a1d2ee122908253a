//! Taking over the history of another tool.

use rusqlite::Connection;
use switchy_schema::{
    Adopt, Adoption, ErrorKind, Finding, LogEntryKind, Migration, MigrationRunner, Proof, Signature,
};

mod contradictions;
mod documented;
mod hostile;
mod made;
mod mistaken;
mod proofs;
mod tools;

/// The findings of an adoption in short form: `= 20240102_users 2024-01-02_users; + 3_notes`. `=` is verified, `~` matched, `?` assumed,
/// `!` changed, `-` orphaned, `&` ambiguous; `.` is recorded already and `+` pending.
fn shape(adoption: &Adoption) -> String {
    let mut parts = Vec::new();
    for entry in &adoption.entries {
        let sign = match entry.finding {
            _ if entry.is_recorded => ".",
            Finding::Verified => "=",
            Finding::Matched => "~",
            Finding::Assumed => "?",
            Finding::Changed => "!",
            Finding::Orphaned => "-",
            _ => "&",
        };
        let id = entry.migration.as_ref().map(ToString::to_string);
        parts.push(match id {
            Some(id) if id == entry.name => format!("{sign} {id}"),
            Some(id) => format!("{sign} {} is {id}", entry.name),
            None => format!("{sign} {}", entry.name),
        });
    }
    parts.extend(adoption.pending.iter().map(|id| format!("+ {id}")));
    parts.join("; ")
}

fn set(migrations: &[(&str, &str)]) -> MigrationRunner {
    let migrations: Vec<Migration> =
        migrations.iter().map(|(id, up)| Migration::from_scripts(*id, (*up).to_owned(), None)).collect();
    MigrationRunner::new(migrations).unwrap()
}

fn database(sql: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    conn
}

/// Everything in a database except the engine's tables: definitions and rows, as text.
fn content(conn: &Connection) -> Vec<String> {
    let mut all = switchy_schema::test_utils::rows(
        conn,
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '\\_\\_switchy%' ESCAPE '\\' AND sql IS NOT NULL",
    );
    let tables = switchy_schema::test_utils::rows(
        conn,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_\\_switchy%' ESCAPE '\\'",
    );
    for table in tables {
        let rows = switchy_schema::test_utils::rows(conn, &format!("SELECT * FROM \"{table}\""));
        all.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    all.extend(switchy_schema::test_utils::rows(conn, "PRAGMA user_version"));
    all
}

/// Adopts a history, and checks what must hold for every tool: a plan changes nothing, existing tables stay unchanged, the records are
/// ordinary, the log names the tool, and a second adoption has nothing to do.
#[track_caller]
fn adopted(runner: &MigrationRunner, conn: &Connection, how: &Adopt) -> Adoption {
    let all = || -> Vec<String> {
        let tables = switchy_schema::test_utils::rows(conn, "SELECT name FROM sqlite_master");
        tables.into_iter().chain(content(conn)).collect()
    };
    let (before, everything) = (content(conn), all());
    let adoption = runner.plan_adoption(conn, how).unwrap();
    assert_eq!(all(), everything, "a plan changes nothing");
    let count = adoption.to_record().count();
    let lines = runner
        .adopt(conn, adoption.clone(), Signature::of("ada"))
        .unwrap_or_else(|error| panic!("{error}\n{adoption}"));
    assert_eq!(content(conn), before, "nothing but records");
    assert_eq!(lines.len(), count);
    for (line, entry) in lines.iter().zip(adoption.to_record()) {
        assert_eq!((&line.kind, &Some(line.id.clone())), (&LogEntryKind::Adopted, &entry.migration));
        assert_eq!(line.who.as_deref(), Some("ada"));
        let why = format!("{} in {}, {}", adoption.tool, adoption.place, entry.finding);
        assert_eq!(line.why.as_deref(), Some(&*why));
    }
    let recorded: Vec<_> = adoption.to_record().filter_map(|entry| entry.migration.clone()).collect();
    let history = runner.history(conn).unwrap();
    let records = history.records();
    let newest: Vec<_> = records[records.len() - count..].iter().map(|record| record.id.clone()).collect();
    assert_eq!(newest, recorded, "in the order of the plan");
    for record in records {
        let meta = runner.list().iter().find(|meta| meta.id == record.id).unwrap();
        assert_eq!((record.checksum, &record.dirty), (meta.checksum, &None));
    }
    for (entry, record) in adoption.to_record().zip(&records[records.len() - count..]) {
        assert!(
            entry.applied_on.as_ref().is_none_or(|applied_on| *applied_on == record.run_on),
            "{record:?}"
        );
    }

    let everything = all();
    let again = runner.plan_adoption(conn, how).unwrap();
    assert_eq!(again.to_record().count(), 0, "{again}");
    assert_eq!(again.proof, Proof::NotNeeded);
    assert_eq!(runner.adopt(conn, again, Signature::of("bob")).unwrap(), []);
    assert_eq!(all(), everything, "the second time nothing is done");
    adoption
}

/// Checks that an adoption fails and changes nothing, and returns the message.
#[track_caller]
fn refused(runner: &MigrationRunner, conn: &Connection, how: &Adopt) -> String {
    let all = || {
        let mut all = switchy_schema::test_utils::rows(conn, "SELECT name FROM sqlite_master");
        all.extend(content(conn));
        all
    };
    let before = all();
    let error = match runner.plan_adoption(conn, how) {
        Ok(adoption) => runner.adopt(conn, adoption, Signature::of("ada")).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Adoption, "{error}");
    assert_eq!(all(), before);
    crate::sentences::is_one_sentence(&error.to_string());
    error.to_string()
}
