//! The file of passwords of `libpq`: lines of the form `host:port:database:user:password`.

use std::fs;
use std::path::Path;

use super::server::Server;
use crate::failure::{Failure, Result};

/// The password of a server, and a remark if the file is not read.
///
/// # Errors
/// Several hosts have different passwords.
pub(super) fn password(server: &Server, file: &Path) -> Result<(Option<String>, Option<String>)> {
    let Ok(metadata) = fs::metadata(file) else { return Ok((None, None)) };
    let shown = file.display();
    if !metadata.is_file() {
        return Ok((None, Some(format!("the password file {shown} is not read, since it is no file"))));
    }
    if is_readable_by_others(&metadata) {
        let why = "since other users may read it";
        return Ok((
            None,
            Some(format!("the password file {shown} is not read, {why}; run chmod 600 on it")),
        ));
    }
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return Ok((None, Some(format!("the password file {shown} cannot be read: {error}")))),
    };
    let user = server.user_or_default();
    let database = server.database.clone().unwrap_or_else(|| user.clone());
    let mut found: Option<String> = None;
    for endpoint in server.endpoints()? {
        let host = endpoint.host.unwrap_or_else(|| "localhost".to_owned());
        // libpq writes the folder of a socket as `localhost` if it is the default one.
        let is_default = ["/var/run/postgresql", "/run/postgresql", "/tmp"].contains(&host.as_str());
        let port = endpoint.port.unwrap_or(5432).to_string();
        let of = |host: &str| text.lines().find_map(|line| matching(line, [host, &port, &database, &user]));
        let Some(password) = of(&host).or_else(|| is_default.then(|| of("localhost")).flatten()) else {
            continue;
        };
        if found.as_ref().is_some_and(|found| *found != password) {
            return Err(Failure::usage(format!(
                "the password file {shown} has different passwords for the hosts of the address, which is not supported; name one host"
            )));
        }
        found = Some(password);
    }
    Ok((found, None))
}

#[cfg(unix)]
fn is_readable_by_others(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &fs::Metadata) -> bool {
    false
}

/// The password of a line, if its other fields match. A backslash takes the next character as it is.
fn matching(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, behind) = field(rest)?;
        if field.is_star && field.text == "*" || field.text == wanted {
            rest = behind;
        } else {
            return None;
        }
    }
    // A password may have colons.
    let mut password = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        password.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    (!password.is_empty()).then_some(password)
}

struct Field {
    text: String,
    /// Whether no character of it is escaped.
    is_star: bool,
}

/// The text before the first colon, and the text behind it.
fn field(line: &str) -> Option<(Field, &str)> {
    let mut field = Field { text: String::new(), is_star: true };
    let mut chars = line.chars();
    loop {
        match chars.next()? {
            ':' => return Some((field, chars.as_str())),
            '\\' => {
                field.text.push(chars.next()?);
                field.is_star = false;
            }
            c => field.text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_matches_as_in_libpq() {
        let wanted = ["db.example.org", "5432", "app", "ada"];
        for (line, expected) in [
            ("db.example.org:5432:app:ada:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("*:*:*:ada:with\\:colon\\\\and:more", Some("with:colon\\and:more")),
            ("*:*:*:\\*:secret", None),
            ("*:5433:*:*:secret", None),
            ("*:*:*:adam:secret", None),
            ("# *:*:*:*:secret", None),
            ("*:*:*:*:", None),
            ("*:*:*", None),
            ("", None),
        ] {
            assert_eq!(matching(line, wanted).as_deref(), expected, "{line}");
        }
        assert_eq!(matching("a\\:b:*:*:*:x", ["a:b", "", "", ""]).as_deref(), Some("x"));
    }
}
