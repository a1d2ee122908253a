//! Tests of what statements take away.

use super::*;

fn said(statement: &str, grammar: &Grammar) -> String {
    let one = |loss: Loss| match loss {
        Loss::Object(it) => {
            let marks = [(it.if_exists, " if"), (it.cascades, " cascade"), (it.is_replaced, " replaced")];
            let marks: String = marks.iter().filter(|(has, _)| *has).map(|(_, mark)| *mark).collect();
            let on = it.on.map(|on| format!(" on {on}")).unwrap_or_default();
            format!("{} {}{on}{marks}", it.kind, it.name)
        }
        Loss::Column { table, column, cascades, .. } => {
            format!("column {table}.{column}{}", if cascades { " cascade" } else { "" })
        }
        Loss::Rows { table, cascades } => {
            format!("rows {table}{}", if cascades { " cascade" } else { "" })
        }
        Loss::Overwritten(table) => format!("overwritten {table}"),
        Loss::Type { table, column, to, using } => {
            format!(
                "type {table}.{column} {to}{}",
                using.map(|using| format!(" ({})", using.join(" "))).unwrap_or_default()
            )
        }
        Loss::Owned(roles) => format!("owned {}", roles.join(" ")),
        Loss::Calls(names) => {
            format!("calls {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }
        Loss::Unread => "unread".to_owned(),
    };
    let losses = Loss::of(&(grammar.tokens)(statement), grammar);
    losses.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(feature = "postgres")]
#[test]
fn statements_for_postgres_take_away_what_they_name() {
    for (statement, expected) in [
        ("DROP SCHEMA crm CASCADE", "schema crm cascade"),
        ("drop schema if exists \"Crm\", b", "schema Crm if, schema b if"),
        ("DROP TYPE mood CASCADE", "type mood cascade"),
        ("DROP DOMAIN s.d", "domain s.d"),
        ("DROP EXTENSION IF EXISTS citext CASCADE", "extension citext if cascade"),
        ("DROP FUNCTION f(int, text), g CASCADE", "function f cascade, function g cascade"),
        ("DROP VIEW IF EXISTS v", "view v if"),
        ("DROP MATERIALIZED VIEW v", "view v"),
        ("DROP TRIGGER IF EXISTS t ON s.a", "trigger t on s.a if"),
        ("DROP INDEX CONCURRENTLY i", "index i"),
        ("DROP FOREIGN DATA WRAPPER w CASCADE", "foreign data wrapper w cascade"),
        ("DROP OWNED BY own1, \"B\" CASCADE", "owned own1 B"),
        ("REASSIGN OWNED BY a TO b", ""),
        ("DROP DATABASE victim WITH (FORCE)", "database victim"),
        ("DROP ROLE r", ""),
        ("DROP COLLATION IF EXISTS s.c CASCADE", "collation s.c if cascade"),
        ("DROP OPERATOR CLASS o USING btree CASCADE", "operator o cascade"),
        ("DROP TEXT SEARCH CONFIGURATION c CASCADE", "text search object c cascade"),
        ("DROP POLICY p ON a", ""),
        ("COPY (DELETE FROM a RETURNING *) TO '/x'", "rows a"),
        ("COPY a FROM '/x'", ""),
        ("DROP TABLE a, b.c CASCADE", "table a cascade, table b.c cascade"),
        (
            "ALTER TABLE IF EXISTS ONLY a DROP b, DROP COLUMN IF EXISTS \"c d\" CASCADE, DROP CONSTRAINT e",
            "column a.b, column a.c d cascade",
        ),
        ("ALTER TYPE t DROP ATTRIBUTE a CASCADE", "column t.a cascade"),
        ("ALTER TABLE a ALTER b TYPE varchar(1) USING ''", "type a.b varchar(1) ()"),
        (
            "ALTER TABLE a ALTER COLUMN b SET DATA TYPE numeric(4, 2) USING b::numeric",
            "type a.b numeric(4,2) (b numeric)",
        ),
        ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER c SET DEFAULT 1", ""),
        ("DELETE FROM ONLY a USING b", "rows a"),
        ("DELETE FROM a WHERE b IN (SELECT c FROM d a)", "rows a"),
        ("TRUNCATE a, ONLY b CASCADE", "rows a cascade, rows b cascade"),
        ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x", "rows a"),
        ("WITH x AS (SELECT 1) DELETE FROM a", "rows a"),
        ("WITH x AS (SELECT 1) UPDATE a SET b = 1", "overwritten a"),
        ("MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE", "rows a"),
        ("MERGE INTO ONLY a AS x USING b ON true WHEN MATCHED THEN UPDATE SET c = 1", "overwritten a"),
        ("MERGE INTO a USING b ON true WHEN NOT MATCHED THEN INSERT VALUES (1)", ""),
        ("EXPLAIN ANALYZE DELETE FROM t", "rows t"),
        ("EXPLAIN (ANALYZE, VERBOSE) WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "rows t"),
        ("EXPLAIN (ANALYZE false) DELETE FROM t", ""),
        ("EXPLAIN DELETE FROM t", ""),
        ("UPDATE t SET a = (SELECT b FROM c WHERE d = 1)", "overwritten t"),
        ("UPDATE t SET a = 1 WHERE b = 2", ""),
        ("DO $$ BEGIN PERFORM 1; END $$", "unread"),
        ("DO $x$ BEGIN IF true THEN DROP TABLE a; END IF; DELETE FROM b; END $x$", "table a, rows b, unread"),
        ("DO LANGUAGE plpgsql 'BEGIN EXECUTE x; END'", "unread"),
        ("CALL p()", "unread"),
        ("PREPARE d AS DELETE FROM t", "rows t"),
        ("EXECUTE d", "unread"),
        ("SELECT s.purge(1), count(*) FROM t", "calls s.purge count"),
        ("SELECT a FROM t", ""),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'", ""),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", ""),
        ("INSERT INTO a VALUES ('DROP TABLE b')", ""),
        ("COMMENT ON TABLE a IS 'DROP TABLE b'", ""),
    ] {
        assert_eq!(said(statement, &crate::sql::postgres::GRAMMAR), expected, "{statement}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn statements_for_mysql_take_away_what_they_name() {
    for (statement, expected) in [
        ("DROP DATABASE IF EXISTS `other`", "database other if"),
        ("DROP SCHEMA other", "schema other"),
        ("CREATE OR REPLACE TABLE c (id INT)", "table c if replaced"),
        ("CREATE /*!100000 OR REPLACE */ TABLE c (id INT)", "table c if replaced"),
        ("CREATE OR REPLACE DATABASE d", "database d if replaced"),
        ("/*!40000 DROP TABLE a */", "table a"),
        ("/*M!100000 DELETE FROM a */", "rows a"),
        ("DROP TEMPORARY TABLE a", ""),
        ("DROP TABLES a, b", "table a, table b"),
        ("REPLACE INTO a VALUES (1)", "overwritten a"),
        ("REPLACE LOW_PRIORITY a SELECT 1", "overwritten a"),
        ("LOAD DATA INFILE 'x' REPLACE INTO TABLE a", "overwritten a"),
        ("UPDATE IGNORE a SET b = 1", "overwritten a"),
        ("ALTER TABLE a MODIFY email VARCHAR(1) NOT NULL", "type a.email VARCHAR(1)"),
        ("ALTER TABLE a CHANGE COLUMN b c INT UNSIGNED DEFAULT 1, ADD d INT", "type a.b INT UNSIGNED"),
        ("ALTER TABLE a MODIFY COLUMN IF EXISTS b ENUM('x','y') AFTER c", "type a.b ENUM('x','y')"),
        ("ALTER TABLE a DROP PARTITION p, DROP INDEX i, DROP PRIMARY KEY", "rows a"),
        ("ALTER TABLE a DISCARD TABLESPACE", "rows a"),
        ("ALTER TABLE a ENGINE=BLACKHOLE", "rows a"),
        ("ALTER TABLE a ENGINE=InnoDB", ""),
        ("ALTER IGNORE TABLE a ADD UNIQUE (b)", "rows a"),
        ("ALTER IGNORE TABLE a ADD b INT", ""),
        ("ALTER TABLE a DROP `key`", "column a.key"),
        ("DELETE a, b FROM a JOIN b", "rows a, rows b"),
        ("DELETE x FROM a AS x JOIN b", "rows a"),
        ("DELETE FROM a WHERE b IN (SELECT c FROM d)", "rows a"),
        ("ANALYZE FORMAT=JSON DELETE FROM t", "rows t"),
        ("ANALYZE TABLE t", ""),
        ("SET STATEMENT max_statement_time = 1 FOR DELETE FROM t", "rows t"),
        ("PREPARE s FROM 'DROP TABLE a'", "table a"),
        ("PREPARE s FROM @x", ""),
        ("EXECUTE IMMEDIATE 'DROP TABLE a'", "table a"),
        ("EXECUTE IMMEDIATE CONCAT('DROP TABLE ', @x)", "unread"),
        ("EXECUTE s", "unread"),
        ("BEGIN NOT ATOMIC DELETE FROM a; CALL p(); END", "rows a, unread"),
        ("IF 1 THEN DROP TABLE a; END IF", "table a, unread"),
        ("BEGIN", ""),
        ("CALL p()", "unread"),
        ("DO f(1)", "calls f"),
        ("CREATE PROCEDURE p() DELETE FROM a", ""),
    ] {
        assert_eq!(said(statement, &crate::sql::mysql::GRAMMAR), expected, "{statement}");
    }
}
