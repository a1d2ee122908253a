//! The checks of a behaviour, and the error of a check.

use std::fmt::{self, Debug};
use std::panic::Location;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::backend::utc;
use crate::error::{ErrorKind, MigrationError};
use crate::fault::Fault;

pub(super) type Outcome<T = ()> = Result<T, Unmet>;

/// A failed check: a message, and the line of the check.
#[derive(Debug)]
pub(super) struct Unmet {
    what: String,
    at: &'static Location<'static>,
}

impl Unmet {
    #[track_caller]
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Location::caller() }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (looked at in {}:{})", self.what, self.at.file(), self.at.line())
    }
}

impl From<MigrationError> for Unmet {
    #[track_caller]
    fn from(error: MigrationError) -> Self {
        Self::new(format!("expected no error, found: {error}"))
    }
}

impl From<Fault> for Unmet {
    #[track_caller]
    fn from(fault: Fault) -> Self {
        Self::new(format!("expected no fault, found: {fault}"))
    }
}

#[track_caller]
pub(super) fn equal<F, E>(what: &str, found: &F, expected: &E) -> Outcome
where
    F: PartialEq<E> + Debug + ?Sized,
    E: Debug + ?Sized,
{
    if found == expected {
        return Ok(());
    }
    Err(Unmet::new(format!("expected {what} to be {expected:?}, found {found:?}")))
}

#[track_caller]
pub(super) fn holds(what: &str, is_so: bool) -> Outcome {
    if is_so { Ok(()) } else { Err(Unmet::new(format!("expected that {what}"))) }
}

/// Checks that an operation fails with an error of this kind, and returns the error.
#[track_caller]
pub(super) fn fails<R: Debug>(
    what: &str,
    outcome: Result<R, MigrationError>,
    kind: ErrorKind,
) -> Outcome<MigrationError> {
    match outcome {
        Ok(done) => Err(Unmet::new(format!("expected {what} to fail ({kind:?}), found {done:?}"))),
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => {
            let found = error.kind();
            Err(Unmet::new(format!("expected {what} to fail as {kind:?}, found {found:?}: {error}")))
        }
    }
}

/// Checks that a text is a date in UTC with milliseconds, such as `2026-11-22T19:09:07.132`, in the last five minutes.
#[track_caller]
pub(super) fn recent(what: &str, date: &str) -> Outcome {
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    equal(&format!("{what} (digits as 0)"), &shape, &"0000-00-00T00:00:00.000")?;
    // The clock of a server may differ a little.
    let (earliest, latest) = (moment(-300), moment(2));
    let what = format!("{what} `{date}` is UTC and of now, between {earliest} and {latest}");
    holds(&what, *earliest <= *date && *date <= *latest)
}

/// The date this many seconds from now.
fn moment(seconds: i64) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc(i64::try_from(since.as_secs()).unwrap_or_default() + seconds, since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_recent_and_other_dates_are_not() {
        recent("it", &moment(0)).unwrap();
        let now = moment(0);
        for other in
            [moment(3_600), moment(-3_600), now.replace('T', " "), now[..19].to_owned(), String::new()]
        {
            recent("it", &other).unwrap_err();
        }
        assert_eq!(&moment(-i64::try_from(seconds()).unwrap())[..19], "1970-01-01T00:00:00");
        assert_eq!(&moment(951_782_400 - i64::try_from(seconds()).unwrap())[..19], "2000-02-29T00:00:00");
    }

    fn seconds() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }
}
