//! [`rows_of`]: the one table whose rows a statement changes.

use super::words::Words;
use super::{Grammar, ObjectName};
use crate::sql::Token;

/// Words with which a statement reads another table, takes a number from a sequence, or limits its rows. An author who limits the rows of a
/// statement wants a small transaction.
const REACH: [&str; 6] = ["select", "table", "with", "using", "next", "limit"];

/// The words that may come before an opening parenthesis: those of the syntax, and functions that only compute a value. The server has these
/// functions itself, so a routine of a database does not hide them.
const COMPUTE: [&str; 63] = [
    "abs",
    "and",
    "ascii",
    "between",
    "bin",
    "binary",
    "cast",
    "ceil",
    "char",
    "char_length",
    "coalesce",
    "concat",
    "concat_ws",
    "convert",
    "curdate",
    "current_date",
    "current_timestamp",
    "date",
    "date_add",
    "date_format",
    "date_sub",
    "decimal",
    "default",
    "floor",
    "from_unixtime",
    "greatest",
    "hex",
    "if",
    "ifnull",
    "in",
    "json_array",
    "json_object",
    "last_insert_id",
    "least",
    "left",
    "length",
    "like",
    "lower",
    "md5",
    "mod",
    "not",
    "now",
    "nullif",
    "or",
    "partition",
    "replace",
    "right",
    "round",
    "sha1",
    "sha2",
    "str_to_date",
    "substr",
    "substring",
    "substring_index",
    "trim",
    "unhex",
    "unix_timestamp",
    "upper",
    "utc_timestamp",
    "uuid",
    "value",
    "values",
    "when",
];

/// The table whose rows an `INSERT`, `REPLACE`, `UPDATE` or `DELETE` changes, if its text shows that it reads and changes no other table, calls
/// no routine and sets no variable. The text does not show the triggers and foreign keys of the table.
pub(crate) fn rows_of(tokens: &[Token<'_>], grammar: &Grammar) -> Option<ObjectName> {
    let mut words = Words::new(tokens, grammar);
    let verb = words.next()?;
    while words.skip(&["low_priority", "high_priority", "quick", "ignore", "into"]) {}
    let is_addition = verb.is_any(&["insert", "replace"]);
    (is_addition || verb.is("update") || (verb.is("delete") && words.skip(&["from"]))).then_some(())?;
    let name = words.name()?;
    let next = words.rest.first();
    let is_alone = match next {
        _ if is_addition => true,
        None => verb.is("delete"),
        Some(next) if verb.is("update") => next.is("set"),
        Some(next) => next.is("where"),
    };
    let reaches = |token: &Token<'_>| token.is_any(&REACH) || *token == Token::Mark(b':');
    // The list of columns.
    let rest = match next {
        Some(Token::Mark(b'(')) => words.rest.get(1..)?,
        _ => words.rest,
    };
    let only_computes = (0..rest.len()).all(|place| computes(rest, place));
    (is_alone && only_computes && !rest.iter().any(reaches)).then_some(name)
}

/// Whether the token at a place does not call a routine.
fn computes(tokens: &[Token<'_>], place: usize) -> bool {
    if tokens.get(place) != Some(&Token::Mark(b'(')) {
        return true;
    }
    let before = |back: usize| place.checked_sub(back).and_then(|place| tokens.get(place));
    match before(1) {
        Some(name @ Token::Word(_)) => name.is_any(&COMPUTE) && before(2) != Some(&Token::Mark(b'.')),
        Some(Token::Quoted(_)) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::mysql::GRAMMAR;

    fn table(statement: &str) -> Option<String> {
        rows_of(&(GRAMMAR.tokens)(statement), &GRAMMAR).map(|name| name.to_string())
    }

    #[test]
    fn the_table_is_the_one_that_the_statement_names() {
        for (statement, expected) in [
            ("INSERT INTO t VALUES (1, 'select f(x)', NOW())", "t"),
            ("insert ignore into `my db`.`t;` (a, b) values (1, (2 + 3) * 4), (DEFAULT, NULL)", "my db.t;"),
            ("INSERT t SET a = 1", "t"),
            ("INSERT INTO t () VALUES ()", "t"),
            ("INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", "t"),
            ("REPLACE INTO t VALUES (1)", "t"),
            ("REPLACE LOW_PRIORITY t (`select`) VALUES (1)", "t"),
            ("UPDATE t SET a = CONCAT(a, 'x') WHERE b IN (1, 2)", "t"),
            ("DELETE FROM t", "t"),
            ("DELETE QUICK FROM t WHERE a = 1 OR (b > 2)", "t"),
            ("/*!40000 INSERT INTO t VALUES (1) */", "t"),
        ] {
            assert_eq!(table(statement).as_deref(), Some(expected), "{statement}");
        }
    }

    #[test]
    fn a_statement_that_may_do_more_has_none() {
        for statement in [
            "SELECT 1",
            "INSERT INTO t SELECT * FROM u",
            "INSERT INTO t (SELECT 1)",
            "INSERT INTO t TABLE u",
            "INSERT INTO t VALUES ((SELECT max(a) FROM u))",
            "INSERT INTO t VALUES (f(1))",
            "INSERT INTO t VALUES (`f`(1))",
            "INSERT INTO t VALUES (other.now())",
            "INSERT INTO t VALUES (@a := 1)",
            "INSERT INTO t VALUES (NEXT VALUE FOR s)",
            "INSERT INTO t VALUES (GET_LOCK('a', 1))",
            "UPDATE t, u SET t.a = u.a",
            "UPDATE t JOIN u SET t.a = u.a",
            "UPDATE t AS x SET a = 1",
            "DELETE t FROM t",
            "DELETE FROM t WHERE a < 9 LIMIT 1000",
            "DELETE FROM t USING t, u",
            "DELETE FROM t WHERE a IN (SELECT a FROM u)",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "INSERT INTO t VALUES (1) RETURNING f(a)",
            "CALL p()",
            "INSERT",
            "TRUNCATE t",
            "LOAD DATA INFILE 'x' INTO TABLE t",
        ] {
            assert_eq!(table(statement), None, "{statement}");
        }
    }
}
