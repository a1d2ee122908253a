//! The settings of the session that a script changes, which are set back after it.

use std::collections::BTreeMap;

use crate::backend::postgres::client::literal;
use crate::backend::postgres::settings::own_settings;
use crate::backend::script::Script;
use crate::backend::statements::{Statements, value};
use crate::fault::Fault;
use crate::sql::contains;

/// The settings that a session can change, by their names. The server does not list the user and the role.
type Settings = BTreeMap<String, String>;

/// The custom settings that the script names, which the server does not list either.
type Own = Vec<(String, String)>;

/// Runs `body`, which runs a script, and sets back what the script changed, also if it fails. A script without `SET` and `set_config`
/// changes nothing by its text.
pub(super) fn around<S: Statements, R>(
    conn: &mut &mut S,
    script: &Script<'_>,
    body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let is_concerned = contains(script.text, "set") || contains(script.text, "discard");
    let before = if is_concerned { Some((read(*conn)?, own(*conn, script.text)?)) } else { None };
    let outcome = body(conn);
    let Some((before, own)) = before else { return outcome };
    let restored = set_back(*conn, &before, script.text).and_then(|()| set(*conn, &own));
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

fn own(conn: &mut impl Statements, script: &str) -> Result<Own, Fault> {
    let read = |name: String| {
        let sql = format!("SELECT current_setting({}, true) AS c0", literal(Some(&name)));
        // A setting that was never made is empty from then on.
        Ok((name, value(conn, &sql)?.unwrap_or_default()))
    };
    own_settings(script).into_iter().map(read).collect()
}

fn set(conn: &mut impl Statements, own: &Own) -> Result<(), Fault> {
    own.iter().try_for_each(|(name, value)| conn.restore(&assignment(name, value)))
}

/// The statement that sets a setting of the session.
pub(super) fn assignment(name: &str, value: &str) -> String {
    let [name, value] = [name, value].map(|text| literal(Some(text)));
    format!("SELECT set_config({name}, {value}, false)")
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
        conn.restore(&assignment(name, value))?;
    }
    Ok(())
}
