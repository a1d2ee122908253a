//! Whether a statement is done whose end nobody saw: the definitions that it changes are compared with those before it.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use super::query::{code, column, fault, first, get, run};
use super::settings;
use crate::checksum::Checksum;
use crate::dialect::quote_in;
use crate::fault::{Fault, FaultKind};
use crate::reached::Standing;
use crate::sql::Tokens;
use crate::sql::mysql::{Kind, Subject, creates, kind, statements};

/// What the definitions are that a statement changes, in few characters: the database, then one word for each.
pub(super) fn mark(conn: &mut Conn, subjects: &[Subject<'_>]) -> Result<String, Fault> {
    let database = column::<String>(conn, "SELECT DATABASE()").map_err(fault)?.unwrap_or_default();
    match words(conn, subjects, &database) {
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

/// One word for each definition. The session that looks later need not have the settings of the one that runs the script.
fn words(conn: &mut Conn, subjects: &[Subject<'_>], database: &str) -> Result<Vec<String>, Fault> {
    let names = LOOK.map(|(name, _)| format!("'{name}'")).join(", ");
    let known = settings::variables(conn, &format!("WHERE Variable_name IN ({names})"))?;
    let set = |conn: &mut Conn, sets: Vec<String>| run(conn, &format!("SET {}", sets.join(", ")));
    let looks = LOOK.iter().filter(|(name, _)| known.contains_key(*name));
    set(conn, looks.map(|(name, value)| format!("SESSION {name} = {value}")).collect())?;
    let words = words_of(conn, subjects, database);
    set(conn, known.iter().map(|(name, value)| settings::assignment(name, value)).collect())?;
    words
}

fn words_of(conn: &mut Conn, subjects: &[Subject<'_>], database: &str) -> Result<Vec<String>, Fault> {
    // A view names its database where that is not the one that is chosen.
    let chosen = column::<String>(conn, "SELECT DATABASE()").map_err(fault)?;
    if chosen.is_some() {
        run(conn, "USE information_schema")?;
    }
    let words = subjects.iter().map(|subject| Ok(word(definition(conn, subject, database)?.as_deref())));
    let words = words.collect();
    if let Some(chosen) = chosen {
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

/// The definition of something; `None` if it does not exist.
fn definition(conn: &mut Conn, subject: &Subject<'_>, database: &str) -> Result<Option<String>, Fault> {
    let Subject { class, name } = *subject;
    let is_qualified = class == "DATABASE" || name.contains('.') || database.is_empty();
    let place = if is_qualified { String::new() } else { format!("{}.", quote_in(database, '`')) };
    // Where each puts the text.
    let at = match class {
        "PROCEDURE" | "FUNCTION" | "TRIGGER" => 2,
        "EVENT" => 3,
        _ => 1,
    };
    match first(conn, &format!("SHOW CREATE {class} {place}{name}")) {
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

pub(super) fn stands(conn: &mut Conn, script: &str, statement: u32, mark: &str) -> Result<Standing, Fault> {
    let unknown = || Standing::Unknown("it commits as it goes".to_owned());
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
        return Ok(Standing::AtWork(worker));
    }
    let Some(database) = database.filter(|_| !subjects.is_empty()) else { return Ok(unknown()) };
    let now = match words(conn, &subjects, database) {
        Err(fault) if is_refused(&fault) => {
            return Ok(Standing::Unknown(format!("nobody may look here: {fault}")));
        }
        outcome => outcome?,
    };
    let is_event = subjects.iter().any(|subject| subject.class == "EVENT");
    if is_event && Tokens::new(piece.text).any(|token| token.is("at")) {
        return Ok(Standing::Unknown("an event is gone when it has happened".to_owned()));
    }
    // `CREATE OR REPLACE` that did not come to its end may have removed what was there.
    if creates(piece.text) && now.iter().any(|word| word == MISSING) {
        return Ok(Standing::NotDone);
    }
    let mut tokens = Tokens::new(piece.text);
    let verb = tokens.next();
    let is = |word: &str| verb.is_some_and(|verb| verb.is(word));
    if is("drop") && now.iter().all(|word| word == MISSING) {
        return Ok(Standing::Done);
    }
    let changed = before.iter().zip(&now).filter(|(before, now)| **before != now.as_str()).count();
    // A swap of two columns leaves the same definition.
    let hides = ["change", "modify", "rename", "order"];
    let may_hide = is("alter") && tokens.any(|token| hides.iter().any(|word| token.is(word)));
    Ok(match changed {
        0 if may_hide => Standing::Unknown("it leaves the definition as it was".to_owned()),
        0 => Standing::NotDone,
        all if all == subjects.len() => Standing::Done,
        _ => Standing::Unknown("a part of it is done".to_owned()),
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
