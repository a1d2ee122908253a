//! Whether a MySQL or MariaDB statement changes nothing but the session.

use super::kind::{Kind, kind, tokens};
use crate::sql::Token;

/// Functions of the server that only compute a value. A routine of a database does not hide them.
const COMPUTE: [&str; 16] = [
    "cast",
    "coalesce",
    "concat",
    "concat_ws",
    "connection_id",
    "database",
    "if",
    "ifnull",
    "lower",
    "nullif",
    "replace",
    "schema",
    "trim",
    "unix_timestamp",
    "upper",
    "user",
];

/// Whether a statement changes nothing but the session: `SET`, `USE`, the beginning of a transaction. `SET GLOBAL` changes the server, and
/// a value can come from a routine or a sequence, which may write.
pub(crate) fn only_sets_session(statement: &str) -> bool {
    let is_of_session =
        matches!(kind(statement), Kind::Setting | Kind::Chains | Kind::Unchains | Kind::Begins);
    is_of_session && {
        let tokens = tokens(statement);
        let reaches = ["global", "persist", "persist_only", "password", "select", "next", "group"];
        !tokens.iter().any(|token| token.is_any(&reaches))
            && tokens.iter().enumerate().all(|it| computes(&tokens, it))
    }
}

/// Whether a token does not call a routine.
fn computes(tokens: &[Token<'_>], (place, token): (usize, &Token<'_>)) -> bool {
    if *token != Token::Mark(b'(') {
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

    #[test]
    fn what_ends_with_the_session_is_told_from_what_stays() {
        for statement in [
            "SET NAMES utf8mb4",
            "SET SESSION lock_wait_timeout=1",
            "set @@session.lock_wait_timeout = 1, @a = 'x(y)'",
            "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
            "SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
            "SET @x = (1 + 2) * (3)",
            "SET CHARACTER SET utf8",
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET autocommit = 0",
            "SET ROLE admin",
            "USE other",
            "BEGIN",
            "START TRANSACTION",
            "-- so\nSET FOREIGN_KEY_CHECKS = 0",
        ] {
            assert!(only_sets_session(statement), "{statement}");
        }
        for statement in [
            "SET GLOBAL max_connections = 9",
            "SET @@GLOBAL.max_connections = 9",
            "SET SESSION lock_wait_timeout = 1, GLOBAL max_connections = 9",
            "SET PERSIST max_connections = 9",
            "SET PASSWORD = PASSWORD('a')",
            "SET DEFAULT ROLE admin",
            "SET STATEMENT max_statement_time = 1 FOR DELETE FROM t",
            "SET @x = f()",
            "SET @x = a.concat('b')",
            "SET @x = `concat`('b')",
            "SET @x = (SELECT f())",
            "SET @x = NEXT VALUE FOR s",
            "CREATE TABLE t (a INT)",
            "SELECT 1",
            "CALL p()",
            "LOCK TABLES t WRITE",
            "COMMIT",
            "",
        ] {
            assert!(!only_sets_session(statement), "{statement}");
        }
    }
}
