//! [`utc_now`]: dates for databases without a clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in the format of records and log entries: UTC with milliseconds, `2026-11-22T19:09:07.132`. It is for a database that
/// cannot date its rows itself.
///
/// ```
/// let now = switchy_schema::backend::utc_now();
/// assert_eq!((now.len(), &now[10..11]), (23, "T"));
/// ```
pub fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc(i64::try_from(since.as_secs()).unwrap_or_default(), since.subsec_millis())
}

/// The same format for a moment in seconds since 1970, and milliseconds.
pub(crate) fn utc(seconds: i64, millis: u32) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days are counted in eras of 400 years that begin in March, so that the leap day is the last day of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}
