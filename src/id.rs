//! [`MigrationId`]: the name of a migration, and the total order of names.

use crate::printable::Printable;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The unique name of a migration, by convention `YYYY-MM-DD-HHMMSS_name`.
///
/// Ids have a total order, which decides wherever dependencies allow several orders. The *version* is the id up to its
/// first `_`. A version without dashes of at most nine digits (leading zeros not counted) is a sequence number, unless
/// it is a date such as `20260105`. Sequence numbers compare as numbers and come before all other versions. Other
/// versions compare as text without their dashes, as in Diesel. Ids with equal versions compare as text.
///
/// # Sequence numbers and both forms of timestamps
///
/// ```
/// use switchy_schema::MigrationId;
///
/// let mut ids = ["10_index", "20170804120000_b", "2017-09-23-101500_c", "2_users", "2017-08-04-100000_a"]
///     .map(MigrationId::from);
/// ids.sort();
/// assert_eq!(
///     ids.map(|id| id.to_string()),
///     ["2_users", "10_index", "2017-08-04-100000_a", "20170804120000_b", "2017-09-23-101500_c"],
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MigrationId(Cow<'static, str>);

impl MigrationId {
    /// Creates an id from a literal without allocating, also in a `const`.
    pub const fn from_static(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version: everything before the first `_`, including dashes. Ids compare by it first.
    pub fn stamp(&self) -> &str {
        self.0.split_once('_').map_or(&*self.0, |(stamp, _)| stamp)
    }

    /// The descriptive part: everything after the first `_`, or an empty text.
    pub fn name(&self) -> &str {
        self.0.split_once('_').map_or("", |(_, name)| name)
    }

    /// Whether the id begins with a version: a digit, or one letter and a digit, as in `V2__users` or
    /// `m20260105_users`.
    pub(crate) fn has_version(&self) -> bool {
        let digits = self.0.strip_prefix(|first: char| first.is_ascii_alphabetic()).unwrap_or(&self.0);
        digits.starts_with(|first: char| first.is_ascii_digit())
    }

    /// Whether the id is `YYYY-MM-DD-HHMMSS_name`, with a valid month, day, hour, minute and second.
    pub fn is_conventional(&self) -> bool {
        let parts: Vec<&str> = self.stamp().split('-').collect();
        let [year, month, day, time] = parts[..] else { return false };
        let number = |text: &str, digits: usize| {
            let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u32>().ok()).flatten()
        };
        let pair = |from: usize| time.get(from..from + 2).and_then(|text| number(text, 2));
        !self.name().is_empty()
            && time.len() == 6
            && number(year, 4).is_some()
            && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
            && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
            && pair(0).is_some_and(|hour| hour < 24)
            && pair(2).is_some_and(|minute| minute < 60)
            && pair(4).is_some_and(|second| second < 60)
    }
}

/// How alike two names are, from 0 to 1.
#[inline(never)]
pub(crate) fn likeness(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(one, other)
}

/// The part of an id that is compared first.
#[derive(PartialEq, Eq)]
pub(crate) enum Version<'a> {
    Sequence(u32),
    Text(&'a str),
}

impl<'a> Version<'a> {
    pub(crate) fn of(stamp: &'a str) -> Self {
        let is_number = !stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit());
        let digits = stamp.trim_start_matches('0');
        if !is_number || digits.len() > 9 || is_date(stamp) {
            return Self::Text(stamp);
        }
        Self::Sequence(digits.bytes().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Sequence(a), Self::Sequence(b)) => a.cmp(b),
            (Self::Sequence(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Sequence(_)) => Ordering::Greater,
            (Self::Text(a), Self::Text(b)) => {
                let undashed = |text: &'a str| text.bytes().filter(|&byte| byte != b'-');
                undashed(a).cmp(undashed(b))
            }
        }
    }
}

/// Whether a number is a date from 1900 to 2199 such as `20260105`, with at most one more digit.
fn is_date(digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<u32>().ok());
    matches!(digits.len(), 8 | 9)
        && part(0, 4).is_some_and(|year| (1900..2200).contains(&year))
        && part(4, 6).is_some_and(|month| (1..=12).contains(&month))
        && part(6, 8).is_some_and(|day| (1..=31).contains(&day))
}

impl Ord for MigrationId {
    fn cmp(&self, other: &Self) -> Ordering {
        Version::of(self.stamp())
            .compare(&Version::of(other.stamp()))
            .then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl PartialOrd for MigrationId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes the id as [`Printable`] does. No id in a set may have control characters, but a record of a database may.
impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Printable(&self.0.replace('\t', "\\t")).to_string())
    }
}

impl fmt::Debug for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for MigrationId {
    fn from(id: &str) -> Self {
        Self(Cow::Owned(id.to_owned()))
    }
}

impl From<String> for MigrationId {
    fn from(id: String) -> Self {
        Self(Cow::Owned(id))
    }
}

impl From<MigrationId> for String {
    fn from(id: MigrationId) -> Self {
        id.0.into_owned()
    }
}

/// Any text is an id. Whether a set may contain it is checked when the set is created.
impl std::str::FromStr for MigrationId {
    type Err = std::convert::Infallible;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(id))
    }
}

impl From<&MigrationId> for MigrationId {
    fn from(id: &MigrationId) -> Self {
        id.clone()
    }
}

impl AsRef<str> for MigrationId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for MigrationId {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for MigrationId {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convention_requires_a_valid_date_and_time() {
        for (id, expected) in [
            ("2026-11-22-190907_notes", true),
            ("2026-11-22-190982_notes", false),
            ("2026-13-22-190907_notes", false),
            ("2020-12-7-190800_notes", false),
            ("2026-11-22-190907", false),
            ("2026-11-22-190907_", false),
            ("20261122190907_notes", false),
            ("2026-11-22-äb0907_notes", false),
            ("1_notes", false),
        ] {
            assert_eq!(MigrationId::from(id).is_conventional(), expected, "{id}");
        }
    }
}
