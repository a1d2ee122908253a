//! Tests of what statements do.

use super::*;

/// What a statement does, in words.
fn said(act: &Act) -> String {
    let list = |names: &[ObjectName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match act {
        Act::Creates { kind, name, is_temporary, replaces, if_not_exists } => {
            let marks = [(*is_temporary, " temporary"), (*replaces, " replaces"), (*if_not_exists, " may")];
            let marks: String = marks.iter().filter(|(has, _)| *has).map(|(_, mark)| *mark).collect();
            format!("creates {kind} {name}{marks}")
        }
        Act::Drops { kind, names, if_exists, .. } => {
            format!("drops {kind} {}{}", list(names), if *if_exists { " may" } else { "" })
        }
        Act::Renames(pairs) => {
            let pairs = pairs.iter().map(|(from, to)| format!("{from} to {to}"));
            format!("renames {}", pairs.collect::<Vec<_>>().join(", "))
        }
        Act::Alters(Some(name)) => format!("alters {name}"),
        Act::Alters(None) => "alters".to_owned(),
        Act::Updates => "updates".to_owned(),
        Act::Deletes(table) => format!("deletes {table}"),
        Act::DeletesUncounted(tables) => format!("empties {}", list(tables)),
        Act::SetsSchema(path) => format!("enters {}", path.join(" ")),
        Act::Undoes => "undoes".to_owned(),
        Act::AddsRows(Some(to)) => format!("copies to {to}"),
        Act::AddsRows(None) => "copies".to_owned(),
        Act::Calls => "calls".to_owned(),
        Act::Other => String::new(),
    }
}

#[cfg(feature = "postgres")]
#[test]
fn standard_statements_do_what_their_words_say() {
    for (statement, expected) in [
        ("CREATE TABLE a (b INT)", "creates table a"),
        ("CREATE UNLOGGED TABLE IF NOT EXISTS S.\"A b\" AS SELECT 1", "creates table s.A b may"),
        ("CREATE TEMP TABLE a (b INT)", "creates table a temporary"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "creates view v replaces"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "creates view v"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)", "creates index i may"),
        ("CREATE INDEX ON a (b)", ""),
        ("CREATE PUBLICATION p FOR TABLE a", ""),
        ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", ""),
        ("CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE sql AS 'DELETE FROM a'", "creates function f"),
        ("DROP TABLE a, b.c CASCADE", "drops table a b.c"),
        ("DROP TABLE IF EXISTS \"a\"\"b\"", "drops table a\"b may"),
        ("DROP FUNCTION f(INT, TEXT), g", "drops function f g"),
        ("DROP MATERIALIZED VIEW v", "drops view v"),
        ("DROP OWNED BY a", ""),
        ("DROP EVENT TRIGGER e", ""),
        ("ALTER TABLE IF EXISTS ONLY s.a RENAME TO b", "renames s.a to s.b"),
        ("ALTER TABLE a RENAME b TO c", "alters a"),
        ("ALTER TABLE a RENAME COLUMN b TO c", "alters a"),
        ("ALTER TABLE a SET SCHEMA s", "renames a to s.a"),
        ("ALTER TABLE a ADD COLUMN b INT DEFAULT (1)", ""),
        ("ALTER TABLE a ALTER b TYPE bigint", "alters a"),
        ("ALTER TYPE e ADD VALUE 'drop'", "alters e"),
        ("DELETE FROM ONLY a WHERE b = 1", "deletes a"),
        ("DELETE FROM ONLY (a)", "deletes a"),
        ("ALTER TABLE ONLY (a) DROP b", "alters a"),
        ("DELETE FROM a USING b WHERE a.c = b.c", "deletes a"),
        ("UPDATE ONLY a SET b = 1", "updates"),
        ("TRUNCATE a, b", "empties a b"),
        ("SELECT * INTO a FROM b", "creates table a"),
        ("SET search_path TO a, public", "enters a public"),
        (r#"DROP TABLE U&"\0061b""", u&"\+000061\\c""#, "drops table ab\" a\\c"),
        (r#"DROP TABLE U&"!0061" UESCAPE '!', b"#, "drops table a b"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "enters "),
        ("ROLLBACK TO SAVEPOINT a", "undoes"),
        ("INSERT INTO a SELECT * FROM b", "copies to a"),
        ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "empties a"),
        ("WITH one AS (SELECT 1) INSERT INTO a SELECT * FROM one", "calls"),
        ("MERGE INTO a USING b ON a.c = b.c WHEN MATCHED THEN DELETE", "empties a"),
        ("DO $$ BEGIN DELETE FROM a; EXECUTE 'TRUNCATE b'; END $$", "empties a b"),
        ("DO $$ BEGIN PERFORM f(); END $$", "calls"),
        ("SELECT setval('a_id_seq', (SELECT max(id) FROM a))", "copies"),
        ("SELECT purge(7)", "calls"),
        ("(SELECT 1)", "copies"),
        ("COMMENT ON TABLE a IS 'b'", ""),
    ] {
        let grammar = crate::sql::postgres::GRAMMAR;
        assert_eq!(said(&Act::of(&(grammar.tokens)(statement), &grammar)), expected, "{statement}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn statements_in_backticks_do_what_their_words_say() {
    for (statement, expected) in [
        ("CREATE TABLE `A``b` (c INT)", "creates table A`b"),
        ("CREATE OR REPLACE TABLE a (b INT)", "creates table a replaces"),
        ("CREATE DEFINER=`a`@`%` TRIGGER t BEFORE DELETE ON a FOR EACH ROW SET @b = 1", "creates trigger t"),
        ("CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW v AS SELECT 1", "creates view v"),
        ("CREATE TEMPORARY TABLE a LIKE b", "creates table a temporary"),
        ("CREATE FULLTEXT INDEX i ON a (b)", "creates index i"),
        ("/*!40000 DROP TABLE IF EXISTS `a` */", "drops table a may"),
        ("DROP INDEX i ON a", "drops index i"),
        ("RENAME TABLE a TO b, `c` TO d.e", "renames a to b, c to d.e"),
        ("ALTER TABLE x.a RENAME b", "renames x.a to b"),
        ("ALTER TABLE a ADD b INT, RENAME TO c", "renames a to c"),
        ("ALTER TABLE a ADD COLUMN b INT, RENAME AS c", "renames a to c"),
        ("ALTER TABLE a RENAME INDEX b TO c, RENAME COLUMN d TO e", "alters a"),
        ("ALTER ONLINE TABLE a ENGINE = InnoDB", ""),
        ("DELETE LOW_PRIORITY QUICK FROM a WHERE b = 1", "deletes a"),
        ("DELETE a, b FROM a JOIN b USING (c)", "empties a b"),
        ("DELETE x FROM a AS x JOIN b USING (c)", "empties x a"),
        ("DROP TABLES IF EXISTS a, b", "drops table a b may"),
        ("DROP TEMPORARY TABLE a", "drops temporary table a"),
        ("DELETE QUICK IGNORE FROM a, b USING a JOIN b", "empties a b"),
        ("DROP TABLE \"a\"", "drops table a"),
        ("USE `b`", "enters b"),
        ("DELETE FROM a, b USING a JOIN b USING (c)", "empties a b"),
        ("INSERT IGNORE INTO a SELECT * FROM b", "copies to a"),
        ("REPLACE a VALUES (1)", "copies to a"),
        ("CALL p()", "calls"),
    ] {
        let grammar = crate::sql::mysql::GRAMMAR;
        assert_eq!(said(&Act::of(&(grammar.tokens)(statement), &grammar)), expected, "{statement}");
    }
}
