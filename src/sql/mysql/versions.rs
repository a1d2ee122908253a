//! Comments that only some servers execute.

use super::lexer::{Lexeme, Lexer};
use crate::sql::part;

/// The statement without the comments that only some servers execute: those for MariaDB, which MySQL ignores, and those for MySQL 5.7 and
/// newer, which MariaDB and older servers ignore. `None` if it has none.
///
/// Sources: <https://mariadb.com/kb/en/comment-syntax/>, <https://dev.mysql.com/doc/refman/8.4/en/comments.html>
pub(super) fn as_others_read(statement: &str) -> Option<String> {
    if !statement.contains("/*!") && !statement.contains("/*M!") {
        return None;
    }
    let (mut shorter, mut copied) = (String::new(), 0);
    let mut lexer = Lexer::new(statement);
    while let Some((start, lexeme)) = lexer.next(false) {
        if lexeme == Lexeme::Version && is_for_some(part(statement, start..lexer.offset())) {
            lexer.skip_version();
            shorter.push_str(part(statement, copied..start));
            shorter.push(' ');
            copied = lexer.offset();
        }
    }
    (copied > 0).then(|| shorter + part(statement, copied..))
}

/// Whether only some servers execute a comment with this start. Of servers before MySQL 5.7 and MariaDB 10, none is left.
fn is_for_some(start: &str) -> bool {
    let version = start.strip_prefix("/*!").map(str::parse::<u32>);
    start.starts_with("/*M!") || version.is_some_and(|version| version.is_ok_and(|version| version >= 50_700))
}
