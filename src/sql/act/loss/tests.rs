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
        Loss::Column { table, column, cascades, is_only, .. } => {
            let marks = [(is_only, " alone"), (cascades, " cascade")];
            let marks: String = marks.iter().filter(|(has, _)| *has).map(|(_, mark)| *mark).collect();
            format!("column {table}.{column}{marks}")
        }
        Loss::Rows { table, others } => {
            let others = match others {
                Others::None => " alone",
                Others::Children => "",
                Others::Keys => " alone by keys",
                Others::Cascading => " by keys",
                Others::Referencing => " cascade",
            };
            format!("rows {table}{others}")
        }
        Loss::Moved(table) => format!("moved {table}"),
        Loss::Replaced(table) => format!("replaced {table}"),
        Loss::Overwritten(table) => format!("overwritten {table}"),
        Loss::Volatile(table) => format!("volatile {table}"),
        Loss::Charset { table, charset } => format!("charset {table} {charset}"),
        Loss::Type(Retyped { table, column, to, using, charset, is_required, is_lenient }) => {
            let using = using.map(|using| format!(" ({})", using.join(" "))).unwrap_or_default();
            let charset = charset.map(|charset| format!(" in {charset}")).unwrap_or_default();
            let marks = [(is_required, " required"), (is_lenient, " lenient")];
            let marks: String = marks.iter().filter(|(has, _)| *has).map(|(_, mark)| *mark).collect();
            format!("type {table}.{column} {to}{using}{charset}{marks}")
        }
        Loss::Server(what) => format!("server {what}"),
        Loss::Owned(roles) => format!("owned {}", roles.join(" ")),
        Loss::Calls(names) => {
            // The catalogue knows no routine of these names.
            let words =
                ["values", "varchar", "numeric", "enum", "conflict", "now", "abs", "key", "as", "in", "copy"];
            let names = names.iter().map(ToString::to_string);
            let names: Vec<String> = names.filter(|name| !words.contains(&&*name.to_lowercase())).collect();
            if names.is_empty() {
                return String::new();
            }
            format!("calls {}", names.join(" "))
        }
        Loss::Unread => "unread".to_owned(),
    };
    let losses = Loss::of(&(grammar.tokens)(statement), grammar);
    losses.into_iter().map(one).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Statements, and what they take away.
#[cfg(feature = "postgres")]
const ON_POSTGRES: &[(&str, &str)] = &[
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
    ("DROP ROLE r", "role r"),
    ("DROP USER IF EXISTS r, s", "role r if, role s if"),
    ("DROP USER MAPPING FOR r SERVER s", ""),
    ("DROP PUBLICATION p", "publication p"),
    ("DROP SEQUENCE s CASCADE", "sequence s cascade"),
    ("DROP COLLATION IF EXISTS s.c CASCADE", "collation s.c if cascade"),
    ("DROP OPERATOR CLASS o USING btree CASCADE", "operator o USING btree cascade"),
    ("DROP OPERATOR IF EXISTS s.=== (int, b) CASCADE", "operator s.===(int,b) if cascade"),
    ("DROP CAST (a AS b) CASCADE", "cast (a AS b) cascade"),
    ("DROP EVENT TRIGGER e", ""),
    ("DROP TEXT SEARCH CONFIGURATION c CASCADE", "text search object c cascade"),
    ("DROP POLICY p ON a", ""),
    ("COPY (DELETE FROM a RETURNING *) TO '/x'", "rows a by keys"),
    ("COPY a FROM '/x'", ""),
    ("COPY a TO PROGRAM 'sh'", "unread"),
    ("DROP TABLE a, b.c CASCADE", "table a cascade, table b.c cascade"),
    (
        "ALTER TABLE IF EXISTS ONLY a DROP b, DROP COLUMN IF EXISTS \"c d\" CASCADE, DROP CONSTRAINT e",
        "column a.b alone, column a.c d alone cascade",
    ),
    ("ALTER TYPE t DROP ATTRIBUTE a CASCADE", "column t.a cascade"),
    ("ALTER TABLE a ALTER b TYPE varchar(1) USING ''", "type a.b varchar(1) ()"),
    (
        "ALTER TABLE a ALTER COLUMN b SET DATA TYPE numeric(4, 2) USING b::numeric",
        "type a.b numeric(4,2) (b numeric)",
    ),
    ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER c SET DEFAULT 1", ""),
    ("DELETE FROM ONLY a USING b", "rows a alone by keys"),
    ("DELETE FROM ONLY (a)", "rows a alone by keys"),
    ("TRUNCATE ONLY (a), b *", "rows a alone, rows b alone"),
    ("ALTER TABLE ONLY (a) DROP b", "column a.b alone"),
    ("MERGE INTO ONLY (a) USING b ON true WHEN MATCHED THEN DELETE", "rows a alone by keys"),
    ("UPDATE ONLY (a) SET b = 1", "overwritten a"),
    ("DELETE FROM a WHERE b IN (SELECT c FROM d a)", "rows a by keys"),
    ("DELETE FROM a WHERE b = 'delete from c'", "rows a by keys"),
    ("TRUNCATE a, b", "rows a, rows b"),
    ("TRUNCATE ONLY a", "rows a alone"),
    ("TRUNCATE a, ONLY b CASCADE", "rows a cascade, rows b cascade"),
    ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x", "rows a by keys"),
    ("INSERT INTO b WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "rows a by keys"),
    ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 2", "overwritten a"),
    ("INSERT INTO a (b) SELECT c FROM d ON CONFLICT DO NOTHING", ""),
    ("INSERT INTO a (b) SELECT purge()", "calls purge"),
    ("UPDATE a SET b = 1 WHERE purge() IS NULL", "calls purge"),
    ("CREATE TABLE a AS SELECT purge()", "calls purge"),
    ("CREATE TABLE a (b int CHECK (abs(b) > 1))", ""),
    ("CREATE TABLE a (b uuid DEFAULT purge(), c timestamp with time zone)", ""),
    ("CREATE TABLE a (b uuid DEFAULT purge()) WITH (fillfactor = 70)", ""),
    ("CREATE TABLE a PARTITION OF b (c DEFAULT purge()) FOR VALUES IN (1)", ""),
    ("CREATE TABLE a AS (VALUES (purge()))", "calls purge"),
    ("CREATE TABLE a AS WITH x (b) AS (VALUES (purge())) TABLE x", "calls x purge"),
    ("CREATE VIEW a AS SELECT purge()", ""),
    ("ALTER TABLE a ADD b int DEFAULT purge()", "calls purge"),
    ("WITH x AS (SELECT 1) DELETE FROM a", "rows a by keys"),
    ("WITH x AS (SELECT 1) UPDATE a SET b = 1", "overwritten a"),
    ("MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE", "rows a by keys"),
    ("MERGE INTO ONLY a AS x USING b ON true WHEN MATCHED THEN UPDATE SET c = 1", "overwritten a"),
    ("MERGE INTO a USING b ON true WHEN NOT MATCHED THEN INSERT VALUES (1)", ""),
    ("EXPLAIN ANALYZE DELETE FROM t", "rows t by keys"),
    ("EXPLAIN ANALYSE DELETE FROM t", "rows t by keys"),
    ("EXPLAIN (ANALYZE, VERBOSE) WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "rows t by keys"),
    ("EXPLAIN ANALYZE CREATE TABLE a AS SELECT purge()", "calls purge"),
    ("REFRESH MATERIALIZED VIEW a", ""),
    ("REFRESH MATERIALIZED VIEW a WITH NO DATA", "rows a alone"),
    ("ALTER TABLE a SET UNLOGGED", "volatile a"),
    ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", "moved a"),
    ("ALTER TABLE b NO INHERIT s.a", "moved s.a"),
    ("ALTER TABLE a DROP CONSTRAINT c CASCADE", "constraint c on a cascade"),
    ("RESET search_path", ""),
    ("ALTER TABLE a DROP key CASCADE, DROP system RESTRICT", "column a.key cascade, column a.system"),
    ("ALTER FUNCTION purge() OWNER TO a", ""),
    ("EXPLAIN (ANALYZE false) DELETE FROM t", ""),
    ("EXPLAIN DELETE FROM t", ""),
    ("UPDATE t SET a = (SELECT b FROM c WHERE d = 1)", "overwritten t"),
    ("UPDATE t SET a = 1 WHERE b = 2", ""),
    ("DO $$ BEGIN PERFORM 1; END $$", "unread"),
    (
        "DO $x$ BEGIN IF true THEN DROP TABLE a; END IF; DELETE FROM b; END $x$",
        "table a, rows b by keys, unread",
    ),
    ("DO LANGUAGE plpgsql 'BEGIN EXECUTE x; END'", "unread"),
    ("CALL p()", "unread"),
    ("PREPARE d AS DELETE FROM t", "rows t by keys"),
    ("EXECUTE d", "unread"),
    ("SELECT s.purge(1), count(*) FROM t", "calls s.purge count"),
    ("SELECT a FROM t", ""),
    ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'", ""),
    ("CREATE OR REPLACE VIEW v AS SELECT 1", ""),
    ("INSERT INTO a VALUES ('DROP TABLE b; DELETE FROM b')", ""),
    ("COMMENT ON TABLE a IS 'DROP TABLE b'", ""),
];

#[cfg(feature = "postgres")]
#[test]
fn statements_for_postgres_take_away_what_they_name() {
    for (statement, expected) in ON_POSTGRES {
        assert_eq!(said(statement, &crate::sql::postgres::GRAMMAR), *expected, "{statement}");
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
        ("/*M!100000 DELETE FROM a */", "rows a by keys"),
        ("DROP TEMPORARY TABLE a", ""),
        ("DROP TABLES a, b", "table a, table b"),
        ("REPLACE INTO a VALUES (1)", "replaced a"),
        ("INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE b = 2", "overwritten a"),
        ("REPLACE LOW_PRIORITY a SELECT 1", "replaced a"),
        ("LOAD DATA INFILE 'x' REPLACE INTO TABLE a", "replaced a"),
        ("UPDATE IGNORE a SET b = 1", "overwritten a"),
        ("ALTER TABLE a MODIFY email VARCHAR(1) NOT NULL", "type a.email VARCHAR(1) required"),
        ("ALTER TABLE a MODIFY b TEXT CHARACTER SET ascii", "type a.b TEXT CHARACTER SET ascii in ascii"),
        ("ALTER TABLE a MODIFY b TEXT COLLATE latin1_bin", "type a.b TEXT in latin1"),
        ("ALTER IGNORE TABLE a MODIFY b INT NOT NULL", "type a.b INT required lenient"),
        ("ALTER TABLE a CONVERT TO CHARACTER SET 'ascii' COLLATE ascii_bin", "charset a ascii"),
        ("ALTER TABLE a DEFAULT CHARSET = ascii", ""),
        ("ALTER TABLE a CHANGE COLUMN b c INT UNSIGNED DEFAULT 1, ADD d INT", "type a.b INT UNSIGNED"),
        ("ALTER TABLE a MODIFY COLUMN IF EXISTS b ENUM('x','y') AFTER c", "type a.b ENUM('x','y')"),
        ("ALTER TABLE a DROP PARTITION p, DROP INDEX i, DROP PRIMARY KEY", "rows a alone"),
        ("ALTER TABLE a DROP SYSTEM VERSIONING", "rows a alone"),
        ("ALTER TABLE a EXCHANGE PARTITION p WITH TABLE b", "moved a, moved b"),
        ("ALTER TABLE a CONVERT PARTITION p TO TABLE b", "moved a"),
        ("ALTER TABLE a ENGINE = MEMORY", "volatile a"),
        ("DELETE HISTORY FROM a BEFORE SYSTEM_TIME NOW()", "rows a by keys"),
        ("CREATE OR REPLACE SEQUENCE s", "sequence s if replaced"),
        ("DROP USER IF EXISTS 'a'@'b', c", "user a if, user c if"),
        ("RESET MASTER", "server binary logs of the server"),
        ("PURGE BINARY LOGS BEFORE NOW()", "server binary logs of the server"),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM a", "rows a by keys"),
        (
            "CREATE OR REPLACE DEFINER = x@y EVENT e ON SCHEDULE AT NOW() DO BEGIN TRUNCATE a; CALL p(); END",
            "rows a, unread",
        ),
        ("ALTER EVENT e DISABLE", ""),
        ("ALTER EVENT e ENABLE", "unread"),
        ("ALTER EVENT e ON SCHEDULE AT NOW()", "unread"),
        ("ALTER EVENT e ON SCHEDULE AT NOW() DO DELETE FROM a", "rows a by keys"),
        ("ALTER TABLE a WAIT 5 DROP b", "column a.b"),
        ("ALTER TABLE a MODIFY b INT GENERATED ALWAYS AS (1) STORED", "type a.b INT ()"),
        ("ALTER TABLE IF EXISTS s.a NOWAIT DROP b, DROP PARTITION p", "column s.a.b, rows s.a alone"),
        ("DELETE LOW_PRIORITY QUICK FROM a", "rows a by keys"),
        ("CREATE TABLE event (b INT)", ""),
        ("ALTER TABLE a DISCARD TABLESPACE", "rows a alone"),
        ("ALTER TABLE a ENGINE=BLACKHOLE", "rows a alone"),
        ("ALTER TABLE a ENGINE=InnoDB", ""),
        ("ALTER IGNORE TABLE a ADD UNIQUE (b)", "rows a alone"),
        ("ALTER IGNORE TABLE a ADD b INT", ""),
        ("ALTER TABLE a DROP `key`", "column a.key"),
        ("DELETE a, b FROM a JOIN b", "rows a by keys, rows b by keys"),
        ("DELETE x FROM a AS x JOIN b", "rows a by keys"),
        ("DELETE FROM a WHERE b IN (SELECT c FROM d)", "rows a by keys"),
        ("ANALYZE FORMAT=JSON DELETE FROM t", "rows t by keys"),
        ("ANALYZE TABLE t", ""),
        ("SET STATEMENT max_statement_time = 1 FOR DELETE FROM t", "rows t by keys"),
        ("PREPARE s FROM 'DROP TABLE a'", "table a"),
        ("PREPARE s FROM @x", ""),
        ("EXECUTE IMMEDIATE 'DROP TABLE a'", "table a"),
        ("EXECUTE IMMEDIATE CONCAT('DROP TABLE ', @x)", "unread"),
        ("EXECUTE s", "unread"),
        ("BEGIN NOT ATOMIC DELETE FROM a; CALL p(); END", "rows a by keys, unread"),
        ("IF 1 THEN DROP TABLE a; END IF", "table a, unread"),
        ("BEGIN", ""),
        ("CALL p()", "unread"),
        ("DO f(1)", "calls f"),
        ("CREATE TABLE a (b INT DEFAULT f()) WITH SYSTEM VERSIONING", ""),
        ("CREATE TABLE a (b INT) WITH x AS (VALUES (f())) TABLE x", "calls f"),
        ("CREATE TABLE a (b INT) ENGINE=InnoDB SELECT f()", "calls f"),
        ("CREATE PROCEDURE p() DELETE FROM a", ""),
    ] {
        assert_eq!(said(statement, &crate::sql::mysql::GRAMMAR), expected, "{statement}");
    }
}
