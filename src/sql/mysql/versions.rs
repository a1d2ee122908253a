//! Comments that only some servers execute.

use super::lexer::{Lexeme, Lexer};
use crate::sql::part;

/// The statement as MySQL reads it, and as MariaDB does, if it has comments that only one of them executes: those for MariaDB, which MySQL ignores,
/// and those for MySQL 5.7 and newer, which MariaDB ignores.
///
/// Sources: <https://mariadb.com/kb/en/comment-syntax/>, <https://dev.mysql.com/doc/refman/8.4/en/comments.html>
pub(super) fn readings(statement: &str) -> Vec<String> {
    if !statement.contains("/*!") && !statement.contains("/*M!") {
        return Vec::new();
    }
    [is_for_mariadb, is_for_mysql]
        .into_iter()
        .filter_map(|is_ignored| without(statement, is_ignored))
        .collect()
}

/// The statement without the comments whose start is one of these; `None` if it has none.
fn without(statement: &str, is_ignored: fn(&str) -> bool) -> Option<String> {
    let (mut shorter, mut copied) = (String::new(), 0);
    let mut lexer = Lexer::new(statement);
    while let Some((start, lexeme)) = lexer.next(false) {
        if lexeme == Lexeme::Version && is_ignored(part(statement, start..lexer.offset())) {
            lexer.skip_version();
            shorter.push_str(part(statement, copied..start));
            shorter.push(' ');
            copied = lexer.offset();
        }
    }
    (copied > 0).then(|| shorter + part(statement, copied..))
}

fn is_for_mariadb(start: &str) -> bool {
    start.starts_with("/*M!")
}

/// Whether MariaDB ignores a comment with this start. Servers older than MySQL 5.7 and MariaDB 10 are not supported.
fn is_for_mysql(start: &str) -> bool {
    let version = start.strip_prefix("/*!").and_then(|digits| digits.parse::<u32>().ok());
    version.is_some_and(|version| (50_700..100_000).contains(&version))
}
