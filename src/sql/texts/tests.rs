//! Tests of what is shown of the statements of others.

use crate::sql::{mysql, postgres};

#[test]
fn no_text_of_another_session_is_shown() {
    for (statement, on_postgres, on_mysql) in [
        ("", "", ""),
        ("SELECT pg_sleep(60)", "SELECT pg_sleep(60)", "SELECT pg_sleep(60)"),
        ("ALTER ROLE a PASSWORD 'hunter2';", "ALTER ROLE a PASSWORD '***';", "ALTER ROLE a PASSWORD '***';"),
        ("IDENTIFIED BY'it''s hunter2',b", "IDENTIFIED BY'***',b", "IDENTIFIED BY'***',b"),
        ("SELECT \"a b\", `c`", "SELECT \"a b\", `c`", "SELECT '***', `c`"),
        ("SELECT E'hunter2', x'68', 0x68", "SELECT '***', '***', 0x68", "SELECT E'***', x'***', '***'"),
        ("-- hunter2\nSELECT /* hunter2 */ 1", "SELECT 1", "SELECT 1"),
        ("/*!50003 SELECT 'hunter2' */", "", "/*!50003 SELECT '***' */"),
        ("DO $$ hunter2 $$", "DO '***'", "DO $$ hunter2 $$"),
        ("DO $a$ hunter2", "DO '***'", "DO $a$ hunter2"),
        // The server cuts a long statement.
        ("UPDATE a SET b = 'hunter2", "UPDATE a SET b = '***'", "UPDATE a SET b = '***'"),
        ("SELECT 1 /* hunter2", "SELECT 1 '***'", "SELECT 1 '***'"),
        ("SELECT 'a\\' || hunter2 || '", "SELECT '***' ...", "SELECT '***' ..."),
        ("SELECT 'a\\', hunter2 'b'", "SELECT '***' ...", "SELECT '***' ..."),
    ] {
        assert_eq!(postgres::without_texts(statement), on_postgres, "{statement}");
        assert_eq!(mysql::without_texts(statement), on_mysql, "{statement}");
    }
}
