//! Versions as each tool reads them, normalised so that `001`, `1` and `V1__users` are the same.

use std::cmp::Ordering;

/// The number at the start of a name, without leading zeros: for `2026-01-05-120000_users` all digits before the `_`,
/// for `12-users` 12.
pub(super) fn number(name: &str) -> Option<String> {
    let stamp = name.split_once('_').map_or(name, |(stamp, _)| stamp);
    let undashed: String = stamp.chars().filter(|&c| c != '-').collect();
    // A negative number is not a version.
    let is_number =
        stamp.starts_with(|c: char| c.is_ascii_digit()) && undashed.bytes().all(|byte| byte.is_ascii_digit());
    let digits = if is_number { undashed } else { stamp.chars().take_while(char::is_ascii_digit).collect() };
    (!digits.is_empty()).then(|| trimmed(&digits))
}

/// Like [`number`], also after the `V` of refinery.
pub(super) fn prefixed(name: &str) -> Option<String> {
    number(without_prefix(name))
}

/// The Flyway version: `V1.2__x`, `V1_2__x`, `1.2_x` and `1.2.0` all have version `1.2`.
pub(super) fn dotted(name: &str) -> Option<String> {
    let bare = without_prefix(name);
    let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"._".contains(&byte));
    let version = match bare.split_once("__") {
        // `1_a__b` is an id of the engine.
        Some((version, _)) if is_version(version) => version,
        // `1.2_x` is an id of the engine. `1_2` is a Flyway version, if nothing follows it.
        None if is_version(bare) => bare,
        _ => bare.split_once('_').map_or(bare, |(version, _)| version),
    };
    let mut parts = Vec::new();
    for part in version.replace('-', "").split(['.', '_']) {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        parts.push(trimmed(part));
    }
    while parts.len() > 1 && parts.last().is_some_and(|part| part == "0") {
        parts.pop();
    }
    Some(parts.join("."))
}

/// How Django identifies a migration: the number without leading zeros, and the rest of the name. Two migrations may
/// have the same number.
pub(super) fn whole(name: &str) -> Option<String> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = name.split_at(digits);
    (digits > 0).then(|| format!("{}{rest}", trimmed(number)))
}

/// The SeaORM version: `m20260105_120000_users` has the same time as `2026-01-05-120000_users`.
pub(super) fn moment(name: &str) -> Option<String> {
    let of_sea = || {
        let mut parts = name.strip_prefix('m')?.splitn(3, '_');
        let (day, time) = (parts.next()?, parts.next()?);
        let is_number = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(day, 8) && is_number(time, 6)).then(|| trimmed(&format!("{day}{time}")))
    };
    of_sea().or_else(|| number(name))
}

/// No version: only the whole name identifies a migration.
pub(super) fn none(_name: &str) -> Option<String> {
    None
}

/// Compares two versions number by number.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        return match (ones.next(), others.next()) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match one.len().cmp(&other.len()).then_with(|| one.cmp(other)) {
                Ordering::Equal => continue,
                order => order,
            },
        };
    }
}

fn without_prefix(name: &str) -> &str {
    let rest = name.strip_prefix(['V', 'v', 'U', 'u', 'B', 'b']).unwrap_or(name);
    if rest.starts_with(|c: char| c.is_ascii_digit()) { rest } else { name }
}

fn trimmed(digits: &str) -> String {
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        number => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_each_tool_reads_them() {
        type Of = fn(&str) -> Option<String>;
        let rows: [(Of, &str, Option<&str>); 30] = [
            (number, "20260105120000_users", Some("20260105120000")),
            (number, "2026-01-05-120000_users", Some("20260105120000")),
            (number, "0007_x", Some("7")),
            (number, "7", Some("7")),
            (number, "000", Some("0")),
            (number, "7-add-users", Some("7")),
            (number, "users", None),
            (number, "", None),
            (number, "-_x", None),
            (number, "-1", None),
            (number, "V1__x", None),
            (prefixed, "V1__x", Some("1")),
            (prefixed, "1_x", Some("1")),
            (prefixed, "users", None),
            (dotted, "V1__x", Some("1")),
            (dotted, "V1.2__x", Some("1.2")),
            (dotted, "V1_2__x", Some("1.2")),
            (dotted, "1_2", Some("1.2")),
            (dotted, "1.2.0", Some("1.2")),
            (dotted, "1.2_x", Some("1.2")),
            (dotted, "2026-01-05-120000_x", Some("20260105120000")),
            (dotted, "1_a__b", Some("1")),
            (dotted, "V1_2__a__b", Some("1.2")),
            (dotted, "R__view", None),
            (dotted, "1..2", None),
            (whole, "0001_initial", Some("1_initial")),
            (whole, "initial", None),
            (moment, "m20260105_120000_users", Some("20260105120000")),
            (moment, "2026-01-05-120000_users", Some("20260105120000")),
            (moment, "mist_x", None),
        ];
        for (of, name, version) in rows {
            assert_eq!(of(name).as_deref(), version, "{name}");
        }
    }

    #[test]
    fn versions_compare_number_by_number() {
        for pair in ["0", "1", "1.2", "1.10", "2", "10", "20260105120000"].windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.2", "1.2"), Ordering::Equal);
    }
}
