//! [`Affinity`]: what the type of a column makes of its values.

/// What SQLite makes of a value that it stores in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Text,
    /// A text that looks like a number becomes a number.
    Numeric,
    None,
}

/// The affinity of a column of this type (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>). `ANY` has none in a
/// STRICT table only.
pub(super) fn affinity(declared: &str, is_strict: bool) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["INT"]) {
        Affinity::Numeric
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if has(&["BLOB"]) || declared.is_empty() || declared == "ANY" && is_strict {
        Affinity::None
    } else {
        Affinity::Numeric
    }
}

/// Whether a text in a column looks like a number and is another text when it has become that number, as an expression.
pub(super) fn changes_as_number(column: &str) -> String {
    format!(
        "(typeof({column}) = 'text' AND {column} = CAST({column} AS NUMERIC) AND CAST(CAST({column} AS NUMERIC) AS TEXT) <> {column})"
    )
}

/// Whether a column of this type stores whole numbers as `REAL`, which has 53 bits for them.
pub(super) fn is_floating(declared: &str) -> bool {
    let upper = declared.to_ascii_uppercase();
    is_numeric(declared)
        && !upper.contains("INT")
        && ["REAL", "FLOA", "DOUB"].iter().any(|word| upper.contains(word))
}

/// Whether a whole number in a column is another one as `REAL`, as an expression.
pub(super) fn changes_as_float(column: &str) -> String {
    format!("(typeof({column}) = 'integer' AND {column} <> CAST({column} AS REAL))")
}

/// Whether a type makes numbers of texts, in a column and in `CAST`.
pub(super) fn is_numeric(declared: &str) -> bool {
    affinity(declared, false) == Affinity::Numeric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_affinity_of_a_type_is_that_of_sqlite() {
        let rows = [
            ("INTEGER", Affinity::Numeric),
            ("TEXT", Affinity::Text),
            ("", Affinity::None),
            ("NUMERIC", Affinity::Numeric),
            ("VARCHAR(3)", Affinity::Text),
            ("REAL", Affinity::Numeric),
            ("BLOB", Affinity::None),
            ("DATE", Affinity::Numeric),
            ("POINT", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ];
        for (declared, expected) in rows {
            assert_eq!(affinity(declared, false), expected, "{declared}");
            assert_eq!(is_floating(declared), declared == "REAL", "{declared}");
        }
        assert_eq!(affinity("any", true), Affinity::None);
    }
}
