//! [`can_cut`]: whether giving a column another type can cut values that fit into the old one.

use super::same_name;

/// The kinds of types that are compared. Everything else is taken to convert completely, or not at all.
#[derive(Debug, PartialEq)]
enum Kind {
    /// Characters, at most so many.
    Text(Option<u64>),
    /// Bytes, at most so many.
    Bytes(Option<u64>),
    Integer {
        bits: u64,
        is_unsigned: bool,
    },
    /// Digits before and behind the point; `None` if there is no limit.
    Exact(Option<(u64, u64)>),
    Float(u64),
    Date,
    Time,
    /// A point in time, with so many digits of a second.
    Moment(u64),
    /// One of these values.
    Choice(Vec<String>),
    Other,
}

/// Whether values of the old type may be cut or rounded when they become values of the new one. Both are texts as SQL has them.
pub(crate) fn can_cut(old: &str, new: &str) -> bool {
    let is_shorter = |old: Option<u64>, new: Option<u64>| match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
    };
    match (kind(old), kind(new)) {
        (Kind::Text(old), Kind::Text(new)) | (Kind::Bytes(old), Kind::Bytes(new)) => is_shorter(old, new),
        (Kind::Integer { bits: old, is_unsigned: was }, Kind::Integer { bits: new, is_unsigned: is }) => {
            new < old || (was != is && !(was && new > old))
        }
        (Kind::Integer { bits, .. }, Kind::Exact(Some((before, _)))) => before < digits(bits),
        (Kind::Integer { bits, .. }, Kind::Float(float)) => bits * 2 > float,
        (Kind::Integer { bits, .. }, Kind::Text(Some(length))) => length < digits(bits),
        (Kind::Exact(old), Kind::Exact(Some((before, behind)))) => {
            old.is_none_or(|old| before < old.0 || behind < old.1)
        }
        (Kind::Float(old), Kind::Float(new)) | (Kind::Moment(old), Kind::Moment(new)) => new < old,
        (Kind::Exact(_), Kind::Float(_) | Kind::Integer { .. })
        | (Kind::Float(_), Kind::Integer { .. } | Kind::Exact(Some(_)))
        | (Kind::Moment(_), Kind::Date | Kind::Time)
        | (Kind::Text(_), Kind::Choice(_)) => true,
        (Kind::Choice(old), Kind::Choice(new)) => !old.iter().all(|value| new.contains(value)),
        (Kind::Exact(_) | Kind::Float(_) | Kind::Moment(_) | Kind::Other, Kind::Text(Some(length))) => {
            length < 24
        }
        _ => false,
    }
}

/// Whether a value of the old type may be invalid in the new one, so that a server that refuses nothing puts another in its place.
#[cfg(feature = "mysql")]
pub(crate) fn may_misfit(old: &str, new: &str) -> bool {
    let is_number = |kind: &Kind| matches!(kind, Kind::Integer { .. } | Kind::Exact(_) | Kind::Float(_));
    match (kind(old), kind(new)) {
        (_, Kind::Text(_) | Kind::Bytes(_)) | (Kind::Date, Kind::Moment(_)) => false,
        (old, new) if is_number(&old) && is_number(&new) => false,
        (old, new) => std::mem::discriminant(&old) != std::mem::discriminant(&new),
    }
}

/// Whether it is a type of texts, which have a character set.
#[cfg(feature = "mysql")]
pub(crate) fn holds_text(text: &str) -> bool {
    matches!(kind(text), Kind::Text(_) | Kind::Choice(_))
}

/// The number of decimal digits of an integer, with its sign.
const fn digits(bits: u64) -> u64 {
    bits * 3 / 10 + 1
}

fn kind(text: &str) -> Kind {
    let text = text.to_ascii_lowercase();
    let (base, rest) = text.split_once('(').unwrap_or((&text, ""));
    let (arguments, behind) = rest.rsplit_once(')').unwrap_or((rest, ""));
    let base = base.trim();
    let first = base.split_whitespace().next().unwrap_or_default();
    let numbers: Vec<u64> = arguments.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    let length = numbers.first().copied();
    let is_unsigned =
        [base, behind].iter().any(|words| words.split_whitespace().any(|word| same_name(word, "unsigned")));
    let is_varying = base.ends_with("varying");
    let integer = |bits| Kind::Integer { bits, is_unsigned };
    match first {
        "varchar" | "nvarchar" | "citext" | "bpchar" => Kind::Text(length),
        "char" | "character" | "nchar" => Kind::Text(if is_varying { length } else { length.or(Some(1)) }),
        "tinytext" => Kind::Text(Some(255)),
        "text" | "longtext" => Kind::Text(if first == "text" { length } else { None }),
        "mediumtext" => Kind::Text(Some(1 << 24)),
        "bytea" | "longblob" => Kind::Bytes(None),
        "varbinary" | "binary" | "blob" => Kind::Bytes(length.or((first == "binary").then_some(1))),
        "tinyblob" => Kind::Bytes(Some(255)),
        "mediumblob" => Kind::Bytes(Some(1 << 24)),
        "tinyint" => integer(8),
        "smallint" | "int2" | "smallserial" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" | "int4" | "serial" => integer(32),
        "bigint" | "int8" | "bigserial" => integer(64),
        "numeric" | "decimal" | "dec" => Kind::Exact(length.map(|precision| {
            let scale = numbers.get(1).copied().unwrap_or_default();
            (precision.saturating_sub(scale), scale)
        })),
        "real" | "float4" => Kind::Float(32),
        "float" | "double" | "float8" => {
            Kind::Float(if length.is_some_and(|bits| bits < 25) { 32 } else { 64 })
        }
        "date" => Kind::Date,
        "time" | "timetz" => Kind::Time,
        "timestamp" | "timestamptz" => Kind::Moment(length.unwrap_or(6)),
        "datetime" => Kind::Moment(length.unwrap_or(0)),
        "enum" | "set" => Kind::Choice(arguments.split(',').map(|value| value.trim().to_owned()).collect()),
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::can_cut;

    #[test]
    fn a_type_that_holds_less_can_cut() {
        for (old, new) in [
            ("character varying(255)", "varchar(1)"),
            ("text", "VARCHAR(10)"),
            ("text", "char"),
            ("varchar(255)", "VARCHAR(1)"),
            ("mediumtext", "text(100)"),
            ("bigint", "integer"),
            ("int(11)", "INT UNSIGNED"),
            ("int(10) unsigned", "int"),
            ("numeric(10,4)", "numeric(10, 2)"),
            ("numeric", "numeric(10,2)"),
            ("double precision", "real"),
            ("double precision", "integer"),
            ("timestamp without time zone", "date"),
            ("timestamp with time zone", "timestamptz(0)"),
            ("enum('a','b')", "ENUM('a')"),
            ("uuid", "varchar(8)"),
            ("bigint", "varchar(4)"),
        ] {
            assert!(can_cut(old, new), "{old} to {new}");
        }
    }

    #[test]
    fn a_type_that_holds_as_much_does_not() {
        for (old, new) in [
            ("character varying(10)", "varchar(255)"),
            ("character varying(10)", "text"),
            ("character varying(10)", "varchar"),
            ("varchar(10)", "LONGTEXT"),
            ("integer", "bigint"),
            ("int(11)", "bigint(20)"),
            ("int(10) unsigned", "bigint"),
            ("integer", "numeric"),
            ("integer", "double precision"),
            ("numeric(10,2)", "numeric(12,4)"),
            ("real", "double precision"),
            ("date", "timestamp"),
            ("timestamp without time zone", "timestamptz"),
            ("datetime", "datetime(6)"),
            ("enum('a','b')", "ENUM('b', 'a', 'c')"),
            ("uuid", "varchar(36)"),
            ("text", "uuid"),
            ("json", "jsonb"),
            ("integer", "varchar(20)"),
        ] {
            assert!(!can_cut(old, new), "{old} to {new}");
        }
    }
}
