//! The settings of the session that a script changes, which are set back after it.

use std::collections::BTreeMap;

use crate::backend::postgres::client::literal;
use crate::backend::script::Script;
use crate::backend::statements::Statements;
use crate::fault::Fault;
use crate::sql::contains;

/// The settings that a session can change, by their names. The server does not list the user and the role.
type Settings = BTreeMap<String, String>;

/// Runs `body`, which runs a script, and sets back what the script changed, also if it fails. A script without `SET` and `set_config`
/// changes nothing by its text.
pub(super) fn around<S: Statements, R>(
    conn: &mut &mut S,
    script: &Script<'_>,
    body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let is_concerned = contains(script.text, "set") || contains(script.text, "discard");
    let before = if is_concerned { Some(read(*conn)?) } else { None };
    let outcome = body(conn);
    let Some(before) = before else { return outcome };
    let restored = set_back(*conn, &before, script.text);
    // In a failed transaction nothing can be set, and its end sets everything back.
    outcome.and_then(|done| restored.map(|()| done))
}

fn read(conn: &mut impl Statements) -> Result<Settings, Fault> {
    let sql = "SELECT name::text AS c0, current_setting(name, true) AS c1 FROM pg_settings WHERE context IN ('user', 'superuser')
        AND name NOT LIKE 'transaction\\_%'
        UNION ALL SELECT 'session_authorization', session_user::text UNION ALL SELECT 'role', current_setting('role')";
    let rows = conn.rows(sql)?.into_iter();
    let pairs = rows.filter_map(|row| match <[_; 2]>::try_from(row) {
        Ok([Some(name), Some(value)]) => Some((name, value)),
        _ => None,
    });
    Ok(pairs.collect())
}

/// The user first: setting it back also ends the role.
fn set_back(conn: &mut impl Statements, before: &Settings, script: &str) -> Result<(), Fault> {
    let user = "session_authorization";
    let mut now = read(conn);
    let is_other = |now: &Result<Settings, Fault>, name: &str| match now {
        Ok(now) => now.get(name) != before.get(name),
        // A session whose run was cancelled does not say what they are. What the script names is set then.
        Err(_) => contains(script, name) || (name == "search_path" && contains(script, "schema")),
    };
    if is_other(&now, user) || (now.is_err() && contains(script, "authorization")) {
        conn.restore("RESET SESSION AUTHORIZATION")?;
        now = read(conn);
    }
    for (name, value) in before.iter().filter(|(name, _)| *name != user && is_other(&now, name)) {
        let [name, value] = [name, value].map(|text| literal(Some(text)));
        conn.restore(&format!("SELECT set_config({name}, {value}, false)"))?;
    }
    Ok(())
}
