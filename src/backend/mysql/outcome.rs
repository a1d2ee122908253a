//! Whether a statement is done whose end nobody saw: the definitions that it changes are compared with those before it.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{code, column, fault, first, get, rows_under, run};
use super::settings;
use crate::checksum::Checksum;
use crate::dialect::quote_in;
use crate::fault::{Fault, FaultKind};
use crate::progress::StatementOutcome;
use crate::sql::Tokens;
use crate::sql::mysql::{Kind, Subject, creates, kind, statements};

/// What has to be known of the session for a look at definitions. It stays so while statements only define things and write rows.
#[derive(Default)]
pub(super) struct Looks {
    /// Empty if none is chosen.
    database: Option<String>,
    /// The variables of a look that the server knows, with their values.
    known: Option<BTreeMap<String, String>>,
}

impl Looks {
    /// Whether a statement of this kind leaves it as it is.
    pub(super) fn outlast(kind: &Kind<'_>) -> bool {
        match kind {
            Kind::Defines(subjects) => subjects.iter().all(|subject| subject.class != "DATABASE"),
            kind => {
                matches!(kind, Kind::Data | Kind::Temporary | Kind::Begins | Kind::Commits | Kind::RollsBack)
            }
        }
    }

    /// The database that is chosen, empty if none is.
    fn database(&mut self, conn: &mut Conn) -> Result<String, Fault> {
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
        let names = LOOK.iter().map(|(name, _)| *name).chain([CLUSTER]);
        let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
        let which = format!("WHERE Variable_name IN ({})", names.join(", "));
        Ok(self.known.insert(settings::variables(conn, &which)?).clone())
    }
}

/// What the definitions are that a statement changes, in few characters: the database, then one word for each.
pub(super) fn mark(conn: &mut Conn, subjects: &[Subject<'_>], looks: &mut Looks) -> Result<String, Fault> {
    let database = looks.database(conn)?;
    match words(conn, subjects, &database, looks) {
        Ok(words) => Ok(format!("{} {database}", words.join(" "))),
        // Who may change something need not be allowed to see it. Then nobody can tell afterwards.
        Err(fault) if is_refused(&fault) => Ok(String::new()),
        Err(fault) => Err(fault),
    }
}

/// Whether it is the server that says so, and would say it again.
fn is_refused(fault: &Fault) -> bool {
    let cause = fault.cause.as_ref().and_then(|cause| cause.downcast_ref::<mysql::Error>());
    fault.kind() == FaultKind::Other && cause.is_some_and(|error| code(error).is_some())
}

/// What a look at definitions is done under, as far as the server knows it.
const LOOK: [(&str, &str); 6] = [
    // What changes the way in which a definition is shown. Under this mode names may be quoted in both ways.
    ("sql_mode", "'ANSI_QUOTES'"),
    ("sql_quote_show_create", "1"),
    ("time_zone", "'+00:00'"),
    ("character_set_results", "utf8mb4"),
    // A node of a cluster first does all that was written before, also by a node that is gone: the change of a definition that it
    // ordered goes on here. And it does not begin again what another one interrupts: that breaks the connection, as with `columns`.
    ("wsrep_sync_wait", "15"),
    ("wsrep_retry_autocommit", "0"),
];

/// The variable that says whether a server is the node of a cluster.
const CLUSTER: &str = "wsrep_on";

/// One word for each definition. The session that looks later need not have the settings of the one that runs the script.
fn words(
    conn: &mut Conn,
    subjects: &[Subject<'_>],
    database: &str,
    looks: &mut Looks,
) -> Result<Vec<String>, Fault> {
    let mut known = looks.known(conn)?;
    let is_cluster = known.remove(CLUSTER).is_some_and(|value| value == "ON");
    // The node of a cluster may begin a statement again when what was set for it alone is set back.
    if !is_cluster {
        let words = subjects.iter().map(|subject| word_at_once(conn, subject, database, &known));
        if let Some(words) = words.collect::<Result<Option<_>, Fault>>()? {
            return Ok(words);
        }
    }
    let set = |conn: &mut Conn, sets: Vec<String>| run(conn, &format!("SET {}", sets.join(", ")));
    let used = LOOK.iter().filter(|(name, _)| known.contains_key(*name));
    set(conn, used.map(|(name, value)| format!("SESSION {name} = {value}")).collect())?;
    let words = words_of(conn, subjects, database, looks);
    set(conn, known.iter().map(|(name, value)| settings::assignment(name, value)).collect())?;
    words
}

/// The word for a table, in one statement; `None` if it takes more, or is a view.
fn word_at_once(
    conn: &mut Conn,
    subject: &Subject<'_>,
    database: &str,
    known: &BTreeMap<String, String>,
) -> Result<Option<String>, Fault> {
    // The statement is read before anything is set for it.
    if subject.class != "TABLE" || subject.name.contains('"') {
        return Ok(None);
    }
    let used = LOOK.iter().filter(|(name, _)| known.contains_key(*name) && !name.starts_with("wsrep_"));
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
    looks: &mut Looks,
) -> Result<Vec<String>, Fault> {
    // A view names its database where that is not the one that is chosen.
    let chosen = looks.database(conn)?;
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

/// The word for what does not exist.
const MISSING: &str = "-";

fn word(definition: Option<&str>) -> String {
    let Some(definition) = definition else { return MISSING.to_owned() };
    Checksum::of(definition).to_string()[..16].to_owned()
}

/// What asks for a definition.
fn show(subject: &Subject<'_>, database: &str) -> String {
    let Subject { class, name } = *subject;
    let is_qualified = class == "DATABASE" || name.contains('.') || database.is_empty();
    let place = if is_qualified { String::new() } else { format!("{}.", quote_in(database, '`')) };
    format!("SHOW CREATE {class} {place}{name}")
}

/// The definition of something, from what was answered; `None` if it does not exist.
fn definition(
    subject: &Subject<'_>,
    found: Result<Option<Row>, mysql::Error>,
) -> Result<Option<String>, Fault> {
    // Where each puts the text.
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

/// The definition of a table without the number that its next row gets.
fn without_counter(definition: &str) -> String {
    let Some((before, behind)) = definition.split_once(" AUTO_INCREMENT=") else {
        return definition.to_owned();
    };
    format!("{before}{}", behind.trim_start_matches(|character: char| character.is_ascii_digit()))
}

/// The session that runs a statement, in a database if that is known. The server shows those of other users to who has the privilege
/// `PROCESS`; and of what a procedure does, the statement inside it.
fn worker(conn: &mut Conn, statement: &str, database: Option<&str>) -> Result<Option<String>, Fault> {
    let sql = "SELECT id, CAST(db AS BINARY), CAST(info AS BINARY) FROM information_schema.PROCESSLIST
        WHERE id <> CONNECTION_ID() AND info IS NOT NULL";
    let sessions = conn.query::<Row, _>(sql).map_err(fault)?;
    let runs_it = |row: &&Row| {
        database.is_none_or(|database| get::<Vec<u8>>(row, 1).unwrap_or_default() == database.as_bytes())
            && get::<Vec<u8>>(row, 2).is_some_and(|shown| is_shown_as(statement, &shown))
    };
    Ok(sessions.iter().find(runs_it).and_then(|row| get::<u64>(row, 0)).map(|id| format!("connection {id}")))
}

/// Whether the list of sessions shows a statement so: without what its character set does not have, and no more of a long one than its
/// column holds.
fn is_shown_as(statement: &str, shown: &[u8]) -> bool {
    const MOST: usize = 65_535;
    let plain = |text: &[u8]| -> Vec<u8> {
        text.iter().copied().filter(|byte| byte.is_ascii() && *byte != b'?').collect()
    };
    let (whole, part) = (plain(statement.as_bytes()), plain(shown));
    if shown.len() < MOST { whole == part } else { whole.starts_with(&part) }
}

/// Whether the definitions tell without a doubt if a statement is done that changes them.
pub(super) fn is_telling(statement: &str, subjects: &[Subject<'_>]) -> bool {
    subjects.len() == 1 && !may_hide(statement) && !may_be_gone(statement, subjects)
}

/// A swap of two columns leaves the same definition.
fn may_hide(statement: &str) -> bool {
    let hides = ["change", "modify", "rename", "order"];
    let mut tokens = Tokens::new(statement);
    tokens.next().is_some_and(|verb| verb.is("alter"))
        && tokens.any(|token| hides.iter().any(|word| token.is(word)))
}

/// An event that happens once may be gone again.
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
    let now = match words(conn, &subjects, database, &mut Looks::default()) {
        Err(fault) if is_refused(&fault) => {
            return Ok(StatementOutcome::Unknown(format!("nobody may look here: {fault}")));
        }
        outcome => outcome?,
    };
    if may_be_gone(piece.text, &subjects) {
        return Ok(StatementOutcome::Unknown("an event is gone when it has happened".to_owned()));
    }
    // `CREATE OR REPLACE` that did not come to its end may have removed what was there.
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
