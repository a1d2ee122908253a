//! The session settings that a script changes, and how they are restored after it.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::{Client, SimpleQueryMessage};

use super::{Postgres, fault, query, quiet};
use crate::backend::driver::{Driver, atomically};
use crate::backend::script::Scope;
use crate::backend::session::Session;
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::{Token, Tokens, same_name};
use crate::step::ForeignKeys;

/// The settings of the session that are not the server's defaults, with their values, and those that the server does not list: the user
/// and the role, and the custom settings that the script names.
pub(super) struct Settings {
    common: Common,
    own: Vec<(String, String)>,
}

/// The part that does not depend on the script.
struct Common {
    listed: BTreeMap<String, String>,
    user: String,
    role: String,
}

/// What is known of the session between scripts.
#[derive(Default)]
struct SessionCache {
    /// Whether only the text of a script can change settings. It is determined once, and is no longer true after a script has created
    /// something else.
    is_inert: Option<bool>,
    common: Option<Common>,
}

/// The settings before a script, if it may change any. If the previous script restored all settings, they are the settings before that
/// script.
pub(super) fn read(
    conn: &mut Client,
    script: &str,
    session: Option<&Session>,
) -> Result<Option<Settings>, Fault> {
    let mut known: SessionCache = session.and_then(Session::take).unwrap_or_default();
    if let Some(session) = session {
        let is_quiet = quiet::is_plain(script)
            && match known.is_inert {
                Some(is_inert) => is_inert,
                None => quiet::is_inert(conn)?,
            };
        known.is_inert = Some(is_quiet);
        if is_quiet {
            session.keep(known);
            return Ok(None);
        }
    }
    let own = own_settings(script).into_iter().map(|name| {
        let rows =
            query(conn, "SELECT coalesce(current_setting($1, true), '')", &[Some(&name)]).map_err(fault)?;
        Ok((name, rows.first().map(|row| row.get(0)).unwrap_or_default()))
    });
    let own = own.collect::<Result<Vec<_>, Fault>>()?;
    let common = match known.common {
        Some(common) => common,
        None => common(conn, "")?,
    };
    Ok(Some(Settings { common, own }))
}

/// Whether a script may change the user, the role or the encoding of the session.
pub(super) fn changes_identity(script: &str) -> bool {
    let words = ["role", "authorization", "session_authorization", "client_encoding", "names", "discard"];
    let mut spellings =
        Tokens::new(script).filter_map(Token::spelling).map(|name| name.trim_matches(['"', '\'']));
    spellings.any(|name| words.iter().any(|word| same_name(name, word)))
}

/// Sets how long a statement of the session waits for a lock, and returns the value from before.
pub(super) fn replace_lock_timeout(conn: &mut Client, value: &str) -> Result<String, Fault> {
    // The columns of a row are computed in their order.
    let sql = "SELECT current_setting('lock_timeout'), set_config('lock_timeout', $1, false)";
    let rows = query(conn, sql, &[Some(value)]).map_err(fault)?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

/// Whether the open transaction is read-only and has changed nothing.
pub(super) fn is_read_only(conn: &mut Client) -> Result<bool, Fault> {
    let sql = "SELECT current_setting('transaction_read_only') = 'on' AND txid_current_if_assigned() IS NULL";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Writes in a transaction with the user and role that the session had before the script, and in the encoding of the driver.
pub(super) fn as_before(
    conn: &mut &mut Client,
    before: &Settings,
    write: impl FnOnce(&mut &mut Client) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if !Postgres::in_transaction(conn)? {
        let scope = Scope::new(ForeignKeys::Unchecked, Duration::ZERO);
        return atomically::<Postgres, _, _>(conn, &scope, |conn| as_before(conn, before, write));
    }
    let become_local = |conn: &mut Client, encoding: &str, user: &str, role: &str| {
        let sql =
            "SELECT set_config('client_encoding', $1, true), set_config('session_authorization', $2, true),
            set_config('role', $3, true)";
        query(conn, sql, &[Some(encoding), Some(user), Some(role)]).map(drop).map_err(fault)
    };
    // The driver could not read a name in another encoding.
    let sql = "SELECT current_setting('client_encoding'), session_user::text, current_setting('role'),
        set_config('client_encoding', 'UTF8', true)";
    let now = query(conn, sql, &[]).map_err(fault)?;
    become_local(conn, "UTF8", &before.common.user, &before.common.role)?;
    write(conn)?;
    match now.first() {
        Some(now) => become_local(conn, now.get(0), now.get(1), now.get(2)),
        None => Ok(()),
    }
}

/// Reads the part that does not depend on the script. `first` is a statement without rows, which runs before.
fn common(conn: &mut Client, first: &str) -> Result<Common, Fault> {
    let sql = format!(
        "{first}; SELECT session_user, current_setting('role');
        SELECT name, setting FROM pg_settings WHERE source = 'session' AND context IN ('user', 'superuser')"
    );
    let mut rows = conn.simple_query(&sql).map_err(fault)?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let text = |column| row.try_get(column).ok().flatten().unwrap_or_default().to_owned();
            Some((text(0), text(1)))
        }
        _ => None,
    });
    let (user, role) = rows.next().unwrap_or_default();
    Ok(Common { listed: rows.collect(), user, role })
}

/// The custom settings that a script names. Their names contain a dot: `SET app.tenant = 7`, `set_config('app.tenant', ...)`.
pub(super) fn own_settings(script: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = Tokens::new(script).collect();
    let dotted = |place: usize| match tokens.get(place..place + 3) {
        Some([Token::Word(first), Token::Mark(b'.'), Token::Word(second)]) => {
            Some(format!("{first}.{second}"))
        }
        _ => None,
    };
    let at = |(place, token): (usize, &Token<'_>)| match token {
        Token::Word(_) if token.is("set") => {
            let skips = tokens.get(place + 1).is_some_and(|next| next.is("session"));
            dotted(place + 1 + usize::from(skips))
        }
        Token::Word(_) if token.is("set_config") => match tokens.get(place + 2) {
            Some(Token::Quoted(name)) if name.contains('.') => Some((*name).to_owned()),
            _ => None,
        },
        _ => None,
    };
    tokens.iter().enumerate().filter_map(at).collect()
}

/// Restores the settings that differ from `before`, so that they need not be read before the next script.
pub(super) fn restore(
    conn: &mut Client,
    before: Option<Settings>,
    session: Option<&Session>,
) -> Result<(), Fault> {
    let Some(Settings { common: before, own }) = before else { return Ok(()) };
    // A script may have given up the privilege to read the settings.
    let mut now = common(conn, "RESET ROLE")?;
    if now.user != before.user {
        let back = format!("RESET SESSION AUTHORIZATION; SET SESSION AUTHORIZATION {}", quote(&before.user));
        now = common(conn, &back)?;
    }
    let set = |conn: &mut Client, name: &str, value: &str| {
        query(conn, "SELECT set_config($1, $2, false)", &[Some(name), Some(value)]).map(drop).map_err(fault)
    };
    for name in now.listed.keys().filter(|name| !before.listed.contains_key(*name)) {
        conn.batch_execute(&format!("RESET {}", quote(name))).map_err(fault)?;
    }
    for (name, value) in before.listed.iter().filter(|(name, value)| now.listed.get(*name) != Some(value)) {
        set(conn, name, value)?;
    }
    for (name, value) in &own {
        set(conn, name, value)?;
    }
    if before.role != now.role {
        set(conn, "role", &before.role)?;
    }
    if let Some(session) = session {
        session.keep(SessionCache { is_inert: Some(false), common: Some(before) });
    }
    Ok(())
}
