//! Whether an interrupted statement took effect: the definitions that it changes are compared with those before it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{code, column, fault, first, get, rows_under, run};
use super::settings;
use crate::checksum::Checksum;
use crate::dialect::quote_in;
use crate::fault::{Fault, FaultKind};
use crate::progress::StatementOutcome;
use crate::sql::mysql::{Kind, Subject, creates, kind, statements};
use crate::sql::{Tokens, part};

/// The session state that is needed to read definitions. It does not change while statements only define objects and write rows.
#[derive(Default)]
pub(super) struct LookupState {
    /// Empty if no database is selected.
    database: Option<String>,
    /// The variables of [`LOOKUP_SETTINGS`] that the server has, with their values.
    known: Option<BTreeMap<String, String>>,
}

impl LookupState {
    /// Whether the state is still valid after a statement of this kind.
    pub(super) fn survives(kind: &Kind<'_>) -> bool {
        match kind {
            Kind::Defines(subjects) => subjects.iter().all(|subject| subject.class != "DATABASE"),
            kind => {
                matches!(kind, Kind::Data | Kind::Temporary | Kind::Begins | Kind::Commits | Kind::RollsBack)
            }
        }
    }

    /// The selected database, empty if none is selected.
    pub(super) fn database(&mut self, conn: &mut Conn) -> Result<String, Fault> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        let database = column::<String>(conn, "SELECT DATABASE()").map_err(fault)?.unwrap_or_default();
        Ok(self.database.insert(database).clone())
    }

    fn known(&mut self, conn: &mut Conn) -> Result<BTreeMap<String, String>, Fault> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let names = LOOKUP_SETTINGS.iter().map(|(name, _)| *name).chain([CLUSTER]);
        let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
        let which = format!("WHERE Variable_name IN ({})", names.join(", "));
        Ok(self.known.insert(settings::variables(conn, &which)?).clone())
    }
}

/// The definitions that a statement changes, in short form: one word for each, then the database.
pub(super) fn mark(
    conn: &mut Conn,
    subjects: &[Subject<'_>],
    lookup: &mut LookupState,
) -> Result<String, Fault> {
    let database = lookup.database(conn)?;
    match words(conn, subjects, &database, lookup) {
        Ok(words) => Ok(format!("{} {database}", words.join(" "))),
        // A user may be allowed to change an object but not to see its definition. The outcome then cannot be determined.
        Err(fault) if is_refused(&fault) => Ok(String::new()),
        Err(fault) => Err(fault),
    }
}

/// Whether the error comes from the server, which would return it again.
fn is_refused(fault: &Fault) -> bool {
    let cause = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<mysql::Error>());
    fault.kind() == FaultKind::Other && cause.is_some_and(|error| code(error).is_some())
}

/// The settings under which definitions are read, as far as the server has them.
const LOOKUP_SETTINGS: [(&str, &str); 6] = [
    // Settings that change how a definition is shown. In this mode, names may be quoted in both ways.
    ("sql_mode", "'ANSI_QUOTES'"),
    ("sql_quote_show_create", "1"),
    ("time_zone", "'+00:00'"),
    ("character_set_results", "utf8mb4"),
    // A cluster node first applies all earlier writes, including those of a node that is gone: a change of a definition that such a node
    // ordered continues here. It also does not retry a statement that another node interrupts, since that breaks the connection, as for
    // `columns`.
    ("wsrep_sync_wait", "15"),
    ("wsrep_retry_autocommit", "0"),
];

/// The variable that says whether a server is a node of a cluster.
const CLUSTER: &str = "wsrep_on";

/// One word for each definition. The session that compares them later may have other settings than the session that runs the script.
fn words(
    conn: &mut Conn,
    subjects: &[Subject<'_>],
    database: &str,
    lookup: &mut LookupState,
) -> Result<Vec<String>, Fault> {
    let mut known = lookup.known(conn)?;
    let is_cluster = known.remove(CLUSTER).is_some_and(|value| value == "ON");
    // A cluster node may retry a statement when the variables that were set for it alone are restored.
    if !is_cluster {
        let words = subjects.iter().map(|subject| word_in_one_statement(conn, subject, database, &known));
        if let Some(words) = words.collect::<Result<Option<_>, Fault>>()? {
            return Ok(words);
        }
    }
    let set = |conn: &mut Conn, sets: Vec<String>| run(conn, &format!("SET {}", sets.join(", ")));
    let used = LOOKUP_SETTINGS.iter().filter(|(name, _)| known.contains_key(*name));
    set(conn, used.map(|(name, value)| format!("SESSION {name} = {value}")).collect())?;
    let words = words_of(conn, subjects, database, lookup);
    set(conn, known.iter().map(|(name, value)| settings::assignment(name, value)).collect())?;
    words
}

/// The word for a table, read in one statement; `None` if that takes several statements, or for a view.
fn word_in_one_statement(
    conn: &mut Conn,
    subject: &Subject<'_>,
    database: &str,
    known: &BTreeMap<String, String>,
) -> Result<Option<String>, Fault> {
    // The server parses the statement before it sets the variables.
    if subject.class != "TABLE" || subject.name.contains('"') {
        return Ok(None);
    }
    let used =
        LOOKUP_SETTINGS.iter().filter(|(name, _)| known.contains_key(*name) && !name.starts_with("wsrep_"));
    let sets: Vec<String> = used.map(|(name, value)| format!("{name} = {value}")).collect();
    let found = match rows_under(conn, &sets.join(", "), &show(subject, database)) {
        Ok(None) => return Ok(None),
        Ok(Some(rows)) => Ok(rows.into_iter().next()),
        Err(error) => Err(error),
    };
    let is_view = |row: &Row| row.columns_ref().first().is_some_and(|column| column.name_str() == "View");
    if matches!(&found, Ok(Some(row)) if is_view(row)) {
        return Ok(None);
    }
    Ok(Some(word(definition(subject, found)?.as_deref())))
}

fn words_of(
    conn: &mut Conn,
    subjects: &[Subject<'_>],
    database: &str,
    lookup: &mut LookupState,
) -> Result<Vec<String>, Fault> {
    // The definition of a view names the database of the view, unless that database is selected.
    let chosen = lookup.database(conn)?;
    if !chosen.is_empty() {
        run(conn, "USE information_schema")?;
    }
    let words = subjects.iter().map(|subject| {
        let found = first(conn, &show(subject, database));
        Ok(word(definition(subject, found)?.as_deref()))
    });
    let words = words.collect();
    if !chosen.is_empty() {
        run(conn, &format!("USE {}", quote_in(&chosen, '`')))?;
    }
    words
}

/// The word for an object that does not exist.
const MISSING: &str = "-";

fn word(definition: Option<&str>) -> String {
    let Some(definition) = definition else { return MISSING.to_owned() };
    part(&Checksum::of(definition).to_string(), ..16).to_owned()
}

/// The statement that returns a definition.
fn show(subject: &Subject<'_>, database: &str) -> String {
    let Subject { class, name } = *subject;
    let is_qualified = class == "DATABASE" || name.contains('.') || database.is_empty();
    let place = if is_qualified { String::new() } else { format!("{}.", quote_in(database, '`')) };
    format!("SHOW CREATE {class} {place}{name}")
}

/// The definition of an object, from the server's answer; `None` if the object does not exist.
fn definition(
    subject: &Subject<'_>,
    found: Result<Option<Row>, mysql::Error>,
) -> Result<Option<String>, Fault> {
    // The column with the text, which depends on the class.
    let at = match subject.class {
        "PROCEDURE" | "FUNCTION" | "TRIGGER" => 2,
        "EVENT" => 3,
        _ => 1,
    };
    match found {
        Ok(row) => Ok(row.and_then(|row| get::<String>(&row, at)).map(|text| without_counter(&text))),
        // No such table, view, routine, trigger, event, database, sequence.
        Err(error) if matches!(code(&error), Some(1146 | 1051 | 1347 | 1305 | 1360 | 1539 | 1049 | 4091)) => {
            Ok(None)
        }
        Err(error) => Err(fault(error)),
    }
}

/// The definition of a table without its `AUTO_INCREMENT` value.
fn without_counter(definition: &str) -> String {
    let Some((before, behind)) = definition.split_once(" AUTO_INCREMENT=") else {
        return definition.to_owned();
    };
    format!("{before}{}", behind.trim_start_matches(|character: char| character.is_ascii_digit()))
}

/// How often the list of sessions is read again, and the time between, while it leaves out what a session runs.
const READS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The session that runs a statement, in this database if it is known. The server shows sessions of other users only to a user with the
/// privilege `PROCESS`. For a procedure, it shows the statement inside the procedure.
///
/// While another session reads the list, MariaDB may show one as `Busy`, without its statement and database, so the list is read again. One
/// that stays busy, as on a server without free processors, may be the one.
fn worker(conn: &mut Conn, statement: &str, database: Option<&str>) -> Result<Option<String>, Fault> {
    let sql = "SELECT id, CAST(db AS BINARY), CAST(info AS BINARY), command = 'Busy' FROM information_schema.PROCESSLIST
        WHERE id <> CONNECTION_ID() AND (info IS NOT NULL OR command IN ('Query', 'Busy'))";
    let runs_it = |row: &&Row| {
        database.is_none_or(|database| get::<Vec<u8>>(row, 1).unwrap_or_default() == database.as_bytes())
            && get::<Vec<u8>>(row, 2).is_some_and(|shown| is_shown_as(statement, &shown))
    };
    let mut busy = None;
    for _ in 0..READS {
        let sessions = conn.query::<Row, _>(sql).map_err(fault)?;
        if let Some(id) = sessions.iter().find(runs_it).and_then(|row| get::<u64>(row, 0)) {
            return Ok(Some(format!("session {id} of the server")));
        }
        if sessions.iter().all(|row| get::<Vec<u8>>(row, 2).is_some()) {
            return Ok(None);
        }
        let is_busy = |row: &&Row| get::<bool>(row, 3) == Some(true);
        busy = sessions.iter().find(is_busy).and_then(|row| get::<u64>(row, 0));
        thread::sleep(PAUSE);
    }
    Ok(busy.map(|id| format!("perhaps session {id} of the server, which is busy,")))
}

/// Whether the list of sessions shows a statement as `shown`: without the characters that its character set does not have, and cut at the
/// length of its column.
fn is_shown_as(statement: &str, shown: &[u8]) -> bool {
    const MOST: usize = 65_535;
    let plain = |text: &[u8]| -> Vec<u8> {
        text.iter().copied().filter(|byte| byte.is_ascii() && *byte != b'?').collect()
    };
    let (whole, part) = (plain(statement.as_bytes()), plain(shown));
    if shown.len() < MOST { whole == part } else { whole.starts_with(&part) }
}

/// Whether the definitions show for certain if a statement that changes them took effect.
pub(super) fn is_conclusive(statement: &str, subjects: &[Subject<'_>]) -> bool {
    subjects.len() == 1 && !may_hide(statement) && !may_be_gone(statement, subjects)
}

/// Whether a statement may leave the same definition, as a swap of two columns does.
fn may_hide(statement: &str) -> bool {
    let hides = ["change", "modify", "rename", "order"];
    let mut tokens = Tokens::new(statement);
    tokens.next().is_some_and(|verb| verb.is("alter"))
        && tokens.any(|token| hides.iter().any(|word| token.is(word)))
}

/// Whether a statement defines an event that happens once, which the server may already have removed.
fn may_be_gone(statement: &str, subjects: &[Subject<'_>]) -> bool {
    let is_event = subjects.iter().any(|subject| subject.class == "EVENT");
    is_event && Tokens::new(statement).any(|token| token.is("at"))
}

pub(super) fn statement_outcome(
    conn: &mut Conn,
    script: &str,
    statement: u32,
    mark: &str,
) -> Result<StatementOutcome, Fault> {
    let unknown = || StatementOutcome::Unknown("it commits as it goes".to_owned());
    let pieces = statements(script).unwrap_or_default();
    let place = usize::try_from(statement).unwrap_or(usize::MAX).wrapping_sub(1);
    let Some(piece) = pieces.get(place) else { return Ok(unknown()) };
    let subjects = match kind(piece.text) {
        Kind::Defines(subjects) => subjects,
        _ => Vec::new(),
    };
    let mut parts = mark.splitn(subjects.len() + 1, ' ');
    let before: Vec<&str> = parts.by_ref().take(subjects.len()).collect();
    let database = parts.next().filter(|_| !mark.is_empty());
    if let Some(worker) = worker(conn, piece.text, database)? {
        return Ok(StatementOutcome::Running(worker));
    }
    let Some(database) = database.filter(|_| !subjects.is_empty()) else { return Ok(unknown()) };
    let now = match words(conn, &subjects, database, &mut LookupState::default()) {
        Err(fault) if is_refused(&fault) => {
            return Ok(StatementOutcome::Unknown(format!("nobody may look here: {fault}")));
        }
        outcome => outcome?,
    };
    if may_be_gone(piece.text, &subjects) {
        return Ok(StatementOutcome::Unknown("an event is gone when it has happened".to_owned()));
    }
    // An interrupted `CREATE OR REPLACE` may have removed the existing object.
    if creates(piece.text) && now.iter().any(|word| word == MISSING) {
        return Ok(StatementOutcome::NoEffect);
    }
    let is_drop = Tokens::new(piece.text).next().is_some_and(|verb| verb.is("drop"));
    if is_drop && now.iter().all(|word| word == MISSING) {
        return Ok(StatementOutcome::Completed);
    }
    let changed = before.iter().zip(&now).filter(|(before, now)| **before != now.as_str()).count();
    Ok(match changed {
        0 if may_hide(piece.text) => {
            StatementOutcome::Unknown("it leaves the definition as it was".to_owned())
        }
        0 => StatementOutcome::NoEffect,
        all if all == subjects.len() => StatementOutcome::Completed,
        _ => StatementOutcome::Unknown("a part of it is done".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_what_the_list_of_sessions_shows_of_it() {
        let long = format!("ALTER TABLE big /* {} */ ADD INDEX (n)", "x".repeat(70_000));
        for (statement, shown, is_it) in [
            ("ALTER TABLE big ADD INDEX (n)", "ALTER TABLE big ADD INDEX (n)", true),
            ("ALTER TABLE big ADD INDEX (n)", "ALTER TABLE big ADD INDEX (m)", false),
            ("ALTER TABLE big ADD INDEX (n)", "ALTER TABLE big", false),
            ("DROP TABLE größe -- 😀", "DROP TABLE gr??e -- ????", true),
            (&long, &long[..65_535], true),
            (&long, &long[..65_534], false),
        ] {
            assert_eq!(is_shown_as(statement, shown.as_bytes()), is_it, "{shown}");
        }
    }

    #[test]
    fn the_counter_of_a_table_is_no_part_of_it() {
        let [a, b] = ["ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT", "ENGINE=InnoDB DEFAULT"].map(without_counter);
        assert_eq!(a, b);
    }
}
