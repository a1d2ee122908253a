//! The functions of SQLite, as far as they are known to have no effects.

use crate::sql::{Token, Tokens, has_word};

/// Functions whose result depends on nothing but their arguments. The list need not be complete: a function that it does not have only
/// means that less is known. `min` and `max` are not among them, since they can be aggregates.
pub(super) const SCALAR: [&str; 46] = [
    "abs",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "date",
    "datetime",
    "format",
    "glob",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_insert",
    "json_object",
    "json_patch",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "julianday",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "printf",
    "quote",
    "replace",
    "round",
    "rtrim",
    "sign",
    "strftime",
    "substr",
    "substring",
    "time",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unixepoch",
    "upper",
];

/// Other functions of SQLite.
pub(super) const OTHER_OWN: [&str; 21] = [
    "avg",
    "count",
    "current_date",
    "current_time",
    "current_timestamp",
    "dense_rank",
    "first_value",
    "group_concat",
    "hex",
    "json_each",
    "json_group_array",
    "json_group_object",
    "lag",
    "last_value",
    "lead",
    "max",
    "min",
    "rank",
    "row_number",
    "sum",
    "total",
];

/// Words that can stand before a parenthesis and are no functions.
const WORDS: [&str; 34] = [
    "all",
    "and",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "char",
    "decimal",
    "distinct",
    "else",
    "except",
    "exists",
    "from",
    "glob",
    "having",
    "in",
    "intersect",
    "is",
    "join",
    "like",
    "not",
    "numeric",
    "on",
    "or",
    "over",
    "select",
    "then",
    "union",
    "using",
    "values",
    "varchar",
    "when",
    "where",
];

/// Whether a text with these functions gives another value a moment later.
pub(super) fn reads_time(text: &str) -> bool {
    const NOW: [&str; 5] = ["'now'", "date()", "time()", "julianday()", "unixepoch()"];
    let dense = text.split_whitespace().collect::<String>().to_ascii_lowercase();
    has_word(text, &["current_date", "current_time", "current_timestamp"])
        || NOW.iter().any(|now| dense.contains(now))
}

/// Whether a text calls only functions that can be called once more without an effect. It says no if it is not sure.
pub(super) fn has_only_own(text: &str) -> bool {
    let mut previous = None;
    for token in Tokens::new(text) {
        // The application has their functions.
        if token.is_any(&["regexp", "match"]) {
            return false;
        }
        if token == Token::Mark(b'(') {
            let name = previous.and_then(Token::spelling).unwrap_or_default().to_ascii_lowercase();
            let is_known = |names: &[&str]| names.contains(&&*name);
            if !name.is_empty() && !is_known(&SCALAR) && !is_known(&OTHER_OWN) && !is_known(&WORDS) {
                return false;
            }
        }
        previous = Some(token);
    }
    true
}
