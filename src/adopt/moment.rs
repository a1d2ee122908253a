//! The time when a migration was applied.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::foreign::Cell;

/// The unit of a number that counts from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

/// A timestamp as in records, in UTC: `2026-11-22T19:09:07.132`. A value without a time zone is read as UTC, as
/// SQLite's functions return it. `None` if the value is not a timestamp; the record then has the time when it is
/// written.
pub(super) fn moment(cell: &Cell, unit: Unit) -> Option<String> {
    let since = |number| match unit {
        Unit::Seconds => Timestamp::from_second(number).ok(),
        Unit::Milliseconds => Timestamp::from_millisecond(number).ok(),
    };
    let moment = match cell {
        Cell::Number(number) => utc(since(*number)?),
        Cell::Text(text) => match text.trim().parse::<i64>() {
            Ok(number) => utc(since(number)?),
            Err(_) => {
                text.trim().parse::<Timestamp>().map(utc).or_else(|_| text.trim().parse::<DateTime>()).ok()?
            }
        },
        Cell::Null | Cell::Bytes(_) => return None,
    };
    (1970..=9999).contains(&moment.year()).then(|| moment.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}

fn utc(moment: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_each_tool_writes_them() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let rows = [
            (text("2026-01-05 12:00:00"), Some("2026-01-05T12:00:00.000")),
            (text("2026-01-05T12:00:00.5"), Some("2026-01-05T12:00:00.500")),
            (text("2026-01-05T12:00:00.123456789Z"), Some("2026-01-05T12:00:00.123")),
            (text("2026-01-05T14:00:00+02:00"), Some("2026-01-05T12:00:00.000")),
            (text("1767614400"), Some("2026-01-05T12:00:00.000")),
            (Cell::Number(1_767_614_400), Some("2026-01-05T12:00:00.000")),
            (text("yesterday"), None),
            (text(""), None),
            (text("-9999-01-01T00:00:00"), None),
            (Cell::Number(i64::MAX), None),
            (Cell::Number(-1), None),
            (Cell::Null, None),
            (Cell::Bytes(vec![0]), None),
        ];
        for (cell, expected) in rows {
            assert_eq!(moment(&cell, Unit::Seconds).as_deref(), expected, "{cell:?}");
        }
        let milliseconds = moment(&Cell::Number(1_767_614_400_132), Unit::Milliseconds);
        assert_eq!(milliseconds.as_deref(), Some("2026-01-05T12:00:00.132"));
    }
}
