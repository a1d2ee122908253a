//! What a script does to rows and to the schema that nobody wrote: it is found before the step is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use switchy_schema::test_utils::rows;
use switchy_schema::{
    Fate, Migration, MigrationRunner, Policy, ProblemKind, Recovery, SchemaObject, Signature, Target, Verdict,
};

use crate::execution::{applied, memory};

mod joined;
mod moved;
mod overwritten;
mod references;
mod values;
mod virtual_tables;

/// A script on a database, what is said about it, and a query with its result afterwards.
///
/// What is said begins with `!` if the step is refused, and with `~` if it is reported; it is empty if nothing is said.
struct Case(&'static str, &'static str, &'static str, &'static str, &'static str);

fn migrated(before: &str) -> Connection {
    let conn = memory();
    conn.execute_batch(before).unwrap();
    conn
}

/// Runs each case, and again on a file in WAL mode.
fn check(cases: &[Case]) {
    for &Case(before, script, said, query, after) in cases {
        let conn = migrated(before);
        let runner = MigrationRunner::new([Migration::sql("1_it", script)]).unwrap();
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        let outcome = runner.run(&conn);
        let context = format!("{before}\n{script}\n{outcome:#?}");
        // A plan knows what refers to something that is missing, without the rows.
        let is_foreseen =
            ["unusable", "missing table", "references columns that"].iter().any(|words| said.contains(words));
        let foreseen = plan.problems().iter().filter(|problem| problem.kind == ProblemKind::BrokenReference);
        assert_eq!(foreseen.count() > 0, is_foreseen, "{context}\n{plan}");
        assert_eq!(
            plan.failing_step().is_some(),
            is_foreseen || said.contains("error in view"),
            "{context}\n{plan}"
        );
        match (said.as_bytes().first(), outcome) {
            (None, Ok(report)) => assert_eq!(report.notes, [], "{context}"),
            (Some(b'~'), Ok(report)) => {
                let notes: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
                assert_eq!(notes.len(), 1, "{context}");
                assert!(notes[0].contains(&said[2..]), "{context}");
                assert_eq!(report.notes[0].verdict, Verdict::Warn, "{context}");
            }
            (Some(b'!'), Err(error)) => {
                assert!(error.to_string().contains(&said[2..]), "{context}");
                assert!(error.to_string().contains("nothing of it was kept"), "{context}");
                assert_eq!(applied(&conn), Vec::<String>::new(), "{context}");
            }
            _ => panic!("{context}"),
        }
        assert!(conn.is_autocommit(), "{context}");
        assert_eq!(rows(&conn, query).join(" "), after, "{context}");
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{context}");
    }
}

const PERSON: &str =
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1,'Ada'),(2,'Bo');
    CREATE TABLE pet(id INTEGER PRIMARY KEY, person INTEGER, name TEXT); INSERT INTO pet VALUES (1,1,'Rex');";
const COUNT_PERSON: &str = "SELECT count(*) FROM person";

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn a_replaced_table_keeps_its_rows() {
    check(&[
        // A part of each row in another table is no copy of the row, and neither is a row that both tables have.
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, city TEXT, n); INSERT INTO p VALUES (1,'a',1),(2,'b',2),(3,NULL,3),(4,NULL,4)",
            "CREATE TABLE city(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO city(name) SELECT DISTINCT city FROM p WHERE city IS NOT NULL;
             CREATE TABLE p_new(id INTEGER PRIMARY KEY, city_id, n); INSERT INTO p_new SELECT p.id, city.id, n FROM p JOIN city ON city.name = p.city;
             DROP TABLE p; ALTER TABLE p_new RENAME TO p",
            "! it replaces `p`, which had 4 rows, with a table of 2 rows; id = 3, id = 4 are missing",
            "SELECT count(*) FROM p",
            "4",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, phone, n); INSERT INTO p VALUES (1,'a',1),(2,'b',2),(3,NULL,3)",
            "CREATE TABLE contact AS SELECT id, phone FROM p; CREATE TABLE p_new(id INTEGER PRIMARY KEY, n); INSERT INTO p_new SELECT id, n FROM p WHERE id < 3;
             DROP TABLE p; ALTER TABLE p_new RENAME TO p",
            "! it replaces `p`, which had 3 rows, with a table of 2 rows; id = 3 is missing",
            "SELECT count(*) FROM p",
            "3",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, n); INSERT INTO p VALUES (1,1),(2,2),(3,NULL)",
            "CREATE TABLE vip AS SELECT * FROM p WHERE id = 1; CREATE TABLE p_new(id INTEGER PRIMARY KEY, n NOT NULL); INSERT INTO p_new SELECT * FROM p WHERE n IS NOT NULL;
             DROP TABLE p; ALTER TABLE p_new RENAME TO p",
            "! it replaces `p`, which had 3 rows, with a table of 2 rows; id = 3 is missing",
            "SELECT count(*) FROM p",
            "3",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, n); INSERT INTO p VALUES (1,1),(2,2),(3,NULL)",
            "CREATE TABLE rest AS SELECT * FROM p WHERE n IS NULL; CREATE TABLE p_new(id INTEGER PRIMARY KEY, n NOT NULL); INSERT INTO p_new SELECT * FROM p WHERE n IS NOT NULL;
             DROP TABLE p; ALTER TABLE p_new RENAME TO p",
            "",
            "SELECT count(*) FROM p",
            "2",
        ),
        Case(
            PERSON,
            "CREATE TABLE person_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL, pet TEXT);
             INSERT INTO person_new SELECT person.id, person.name, pet.name FROM person JOIN pet ON pet.person = person.id;
             DROP TABLE person; ALTER TABLE person_new RENAME TO person;",
            "! it replaces `person`, which had 2 rows, with a table of 1 row; id = 2 is missing; nothing of it was kept; copy every row into the new table, or set allow = [\"destructive\"]",
            COUNT_PERSON,
            "2",
        ),
        Case(
            PERSON,
            "CREATE TABLE person_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL, pet TEXT);
             INSERT INTO person_new SELECT person.id, person.name, pet.name FROM person LEFT JOIN pet ON pet.person = person.id;
             DROP TABLE person; ALTER TABLE person_new RENAME TO person;",
            "",
            COUNT_PERSON,
            "2",
        ),
        // The old table is renamed first.
        Case(
            PERSON,
            "ALTER TABLE person RENAME TO person_old; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO person SELECT * FROM person_old WHERE name <> 'Ada'; DROP TABLE person_old",
            "! `person`, which had 2 rows, with a table of 1 row; id = 1 is missing",
            COUNT_PERSON,
            "2",
        ),
        Case(
            PERSON,
            "ALTER TABLE person RENAME TO person_old; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO person SELECT * FROM person_old; DROP TABLE person_old",
            "",
            COUNT_PERSON,
            "2",
        ),
        // The old table stays, so nothing is lost.
        Case(
            PERSON,
            "ALTER TABLE person RENAME TO person_old; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)",
            "",
            "SELECT count(*) FROM person_old",
            "2",
        ),
        // Through a temporary table and back.
        Case(
            PERSON,
            "CREATE TEMP TABLE bak AS SELECT * FROM person; DROP TABLE person; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO person SELECT * FROM bak",
            "",
            COUNT_PERSON,
            "2",
        ),
        Case(
            PERSON,
            "CREATE TEMP TABLE bak AS SELECT * FROM person WHERE id = 2; DROP TABLE person;
             CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person SELECT * FROM bak",
            "! `person`, which had 2 rows, with a table of 1 row",
            COUNT_PERSON,
            "2",
        ),
        // OR IGNORE and OR REPLACE were added to make a copy pass.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT); INSERT INTO t VALUES (1,'a'),(2,'a'),(3,'b')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, mail TEXT UNIQUE); INSERT OR IGNORE INTO n SELECT * FROM t;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            "! `t`, which had 3 rows, with a table of 2 rows; id = 2 is missing",
            "SELECT count(*) FROM t",
            "3",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT); INSERT INTO t VALUES (1,'a'),(2,'a'),(3,'b')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, mail TEXT UNIQUE); INSERT OR REPLACE INTO n SELECT * FROM t;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            "! id = 1 is missing",
            "SELECT count(*) FROM t",
            "3",
        ),
        // What a statement names is its author's decision.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT); INSERT INTO t VALUES (1,'a'),(2,'a'),(3,'b')",
            "DELETE FROM t WHERE id = 2; CREATE TABLE n(id INTEGER PRIMARY KEY, mail TEXT UNIQUE); INSERT INTO n SELECT * FROM t;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(*) FROM t",
            "2",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT); INSERT INTO t VALUES (1,'a'),(2,'a'),(3,'b')",
            "CREATE TABLE n AS SELECT * FROM t; DELETE FROM n WHERE id = 2; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "~ and does not recreate the primary key on `id`",
            "SELECT count(*) FROM t",
            "2",
        ),
        Case(PERSON, "DROP TABLE person", "", "SELECT count(*) FROM pet", "1"),
        Case(PERSON, "DELETE FROM person", "", COUNT_PERSON, "0"),
        Case(PERSON, "DROP TABLE IF EXISTS missing; CREATE TABLE missing (a)", "", COUNT_PERSON, "2"),
        // A reset that copies nothing.
        Case(
            PERSON,
            "DROP TABLE person; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)",
            "! `person`, which had 2 rows, with a table of 0 rows",
            COUNT_PERSON,
            "2",
        ),
        Case(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)",
            "DROP TABLE person; CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
            "",
            COUNT_PERSON,
            "0",
        ),
        // Another table of the database takes the place.
        Case(
            "CREATE TABLE a(b); INSERT INTO a VALUES (1),(2); CREATE TABLE c(b); INSERT INTO c VALUES (1)",
            "DROP TABLE a; ALTER TABLE c RENAME TO a",
            "! `a`, which had 2 rows, with a table of 1 row",
            "SELECT count(*) FROM a",
            "2",
        ),
        Case(
            "CREATE TABLE a(b); INSERT INTO a VALUES (1); CREATE TABLE c(b); INSERT INTO c VALUES (1),(2)",
            "DROP TABLE a; ALTER TABLE c RENAME TO a",
            "",
            "SELECT count(*) FROM a",
            "2",
        ),
        // Names in any spelling.
        Case(
            "CREATE TABLE \"My \"\"own\"\" table\"(id PRIMARY KEY, b); INSERT INTO \"My \"\"own\"\" table\" VALUES (1,1),(2,2)",
            "CREATE TABLE [n w](id PRIMARY KEY, b); INSERT INTO `n w` SELECT * FROM [MY \"OWN\" TABLE] WHERE id = 1;
             DROP TABLE main.\"my \"\"own\"\" table\"; ALTER TABLE \"N W\" RENAME TO \"My \"\"own\"\" table\"",
            "! which had 2 rows, with a table of 1 row; id = 2 is missing",
            "SELECT count(*) FROM \"My \"\"own\"\" table\"",
            "2",
        ),
        Case(
            "CREATE TABLE k(a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO k VALUES ('x',1,1),('y',2,2),('y',3,3)",
            "CREATE TABLE n(a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO n SELECT * FROM k WHERE b < 3;
             DROP TABLE k; ALTER TABLE n RENAME TO k",
            "! a, b = 'y', 3 is missing",
            "SELECT count(*) FROM k",
            "3",
        ),
        Case(
            "CREATE TABLE m(id INTEGER PRIMARY KEY); INSERT INTO m VALUES (1),(2),(3),(4),(5),(6),(7),(8)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY); DROP TABLE m; ALTER TABLE n RENAME TO m",
            "! with a table of 0 rows; id = 1, id = 2, id = 3, id = 4, id = 5, ... are missing;",
            "SELECT count(*) FROM m",
            "8",
        ),
        // A join that repeats one row and leaves another out: the number of rows is the same.
        Case(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1,'Ada'),(2,'Bo');
             CREATE TABLE pet(id INTEGER PRIMARY KEY, person INTEGER); INSERT INTO pet VALUES (1,1),(2,1)",
            "CREATE TABLE n(id INTEGER, name TEXT); INSERT INTO n SELECT person.id, name FROM person JOIN pet ON person = person.id;
             DROP TABLE person; ALTER TABLE n RENAME TO person",
            "! `person`, which had 2 rows, with a table of 2 rows; id = 2 is missing",
            COUNT_PERSON,
            "2",
        ),
        // A row that is added by itself replaces none that was left out.
        Case(
            "CREATE TABLE role(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO role VALUES (1,'Admin'),(2,NULL),(3,'User')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT OR IGNORE INTO n SELECT * FROM role; INSERT INTO n(name) VALUES ('Guest');
             DROP TABLE role; ALTER TABLE n RENAME TO role",
            "! `role`, which had 3 rows, with a table of 3 rows",
            "SELECT count(name) FROM role",
            "2",
        ),
        Case(
            "CREATE TABLE role(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO role VALUES (1,'Admin'),(3,'User')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT OR IGNORE INTO n SELECT * FROM role; INSERT INTO n(name) VALUES ('Guest');
             DROP TABLE role; ALTER TABLE n RENAME TO role",
            "",
            "SELECT count(name) FROM role",
            "3",
        ),
        Case(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1,'Ada'),(2,'Bo'),(3,'Cy');
             CREATE TABLE pet(person INTEGER); INSERT INTO pet VALUES (2),(2),(2)",
            "CREATE TABLE n(id INTEGER, name TEXT); INSERT INTO n SELECT person.id, name FROM person JOIN pet ON person = person.id;
             DROP TABLE person; ALTER TABLE n RENAME TO person",
            "! `person`, which had 3 rows, with a table of 3 rows; id = 1, id = 3 are missing",
            COUNT_PERSON,
            "3",
        ),
        // The values of the old key change, and the new table has a key of its own.
        Case(
            "CREATE TABLE event(ts REAL PRIMARY KEY, what); INSERT INTO event VALUES (1.25,'a'),(1.75,'b'),(2.5,'c')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, what); INSERT INTO n(ts, what) SELECT CAST(round(ts * 10) AS INTEGER), what FROM event;
             DROP TABLE event; ALTER TABLE n RENAME TO event",
            "~ does not recreate the primary key on `ts`",
            "SELECT count(*) FROM event",
            "3",
        ),
        // Some rows go to a table that was there before.
        Case(
            "CREATE TABLE user(id INTEGER PRIMARY KEY, is_bot); INSERT INTO user VALUES (1,0),(2,1); CREATE TABLE bot(id INTEGER PRIMARY KEY)",
            "INSERT INTO bot SELECT id FROM user WHERE is_bot; CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM user WHERE NOT is_bot;
             DROP TABLE user; ALTER TABLE n RENAME TO user",
            "",
            "SELECT (SELECT count(*) FROM user) || (SELECT count(*) FROM bot)",
            "11",
        ),
        // New numbers for all rows, and the copy in parts.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (10,1),(20,2),(30,3)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a); INSERT INTO n(a) SELECT a FROM t WHERE a < 3; INSERT INTO n(a) SELECT a FROM t WHERE a >= 3;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            "~ numbers its rows anew, so id = 10 is not the row that it was",
            "SELECT group_concat(id) FROM t",
            "1,2,3",
        ),
        // Rows that went to another new table are not lost, unless that is dropped too.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1,1),(2,0),(3,1)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a); INSERT INTO n SELECT * FROM t WHERE a = 1; CREATE TABLE archive(id INTEGER PRIMARY KEY, a);
             INSERT INTO archive SELECT * FROM t WHERE a = 0; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(*) FROM t",
            "2",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1,1),(2,0),(3,1)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a); INSERT INTO n SELECT * FROM t WHERE a = 1; CREATE TABLE archive(id INTEGER PRIMARY KEY, a);
             INSERT INTO archive SELECT * FROM t WHERE a = 0; DROP TABLE t; ALTER TABLE n RENAME TO t; DROP TABLE archive",
            "! `t`, which had 3 rows, with a table of 2 rows; id = 2 is missing",
            "SELECT count(*) FROM t",
            "3",
        ),
        // Several rebuilds in one script, and a name that is swapped before.
        Case(
            PERSON,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM person; DROP TABLE person; ALTER TABLE n RENAME TO person;
             CREATE TABLE n(id INTEGER PRIMARY KEY, person INTEGER, name TEXT); INSERT INTO n SELECT * FROM pet WHERE id > 1; DROP TABLE pet; ALTER TABLE n RENAME TO pet",
            "! `pet`, which had 1 row, with a table of 0 rows; id = 1 is missing",
            "SELECT count(*) FROM pet",
            "1",
        ),
        Case(
            "CREATE TABLE a(id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1),(2); CREATE TABLE b(id INTEGER PRIMARY KEY); INSERT INTO b VALUES (1),(2),(3)",
            "ALTER TABLE a RENAME TO tmp; ALTER TABLE b RENAME TO a; ALTER TABLE tmp RENAME TO b;
             CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM b WHERE id = 1; DROP TABLE b; ALTER TABLE n RENAME TO b",
            "! which had 2 rows, with a table of 1 row; id = 2 is missing",
            "SELECT count(*) FROM a",
            "2",
        ),
        Case(
            "CREATE TABLE \"a''b\"(id INTEGER PRIMARY KEY); INSERT INTO \"a''b\" VALUES (1),(2)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM \"a''b\" WHERE id = 1; DROP TABLE \"a''b\"; ALTER TABLE n RENAME TO \"a''b\"",
            "! replaces `a''b`, which had 2 rows, with a table of 1 row",
            "SELECT count(*) FROM \"a''b\"",
            "2",
        ),
        // A key that is no text, and a table that only mentions the name of a dropped one.
        Case(
            "CREATE TABLE t(id BLOB PRIMARY KEY, a); INSERT INTO t VALUES (CAST(x'ff' AS TEXT),1),(x'01',2)",
            "CREATE TABLE small(id BLOB PRIMARY KEY); CREATE TABLE n(id BLOB PRIMARY KEY, a); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(*) FROM t",
            "2",
        ),
        Case(
            "CREATE TABLE tag(id INTEGER PRIMARY KEY); INSERT INTO tag VALUES (1),(2); CREATE TABLE post(id INTEGER PRIMARY KEY, tag)",
            "CREATE TABLE setting(id INTEGER PRIMARY KEY); INSERT INTO setting VALUES (1); DROP TABLE tag; CREATE INDEX post_tag ON post(tag)",
            "",
            "SELECT count(*) FROM setting",
            "1",
        ),
        // What a script undoes itself did not happen.
        Case(
            PERSON,
            "SAVEPOINT a; DELETE FROM person WHERE id = 1; DROP TABLE person; ROLLBACK TO a; RELEASE a;
             CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM person; DROP TABLE person; ALTER TABLE n RENAME TO person",
            "",
            COUNT_PERSON,
            "2",
        ),
        Case(
            PERSON,
            "SAVEPOINT a; DELETE FROM person WHERE id = 1; ROLLBACK TO a; RELEASE a;
             CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM person WHERE id = 2; DROP TABLE person; ALTER TABLE n RENAME TO person",
            "! `person`, which had 2 rows, with a table of 1 row; id = 1 is missing",
            COUNT_PERSON,
            "2",
        ),
        // A virtual table has no rows of its own to count.
        Case(
            "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('x')",
            "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a, b)",
            "",
            "SELECT count(*) FROM f",
            "0",
        ),
    ]);
}

const ITEM: &str =
    "CREATE TABLE item(id INTEGER PRIMARY KEY, t TEXT); CREATE TABLE attach(item INTEGER, p TEXT);
    CREATE TRIGGER item_ad AFTER DELETE ON item BEGIN DELETE FROM attach WHERE item = old.id; END;
    INSERT INTO item VALUES (1,'a'),(2,'b'); INSERT INTO attach VALUES (1,'p'),(2,'q'),(2,'r');";
const COUNT_ATTACH: &str = "SELECT count(*) FROM attach";

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn triggers_and_replace_take_no_rows_unnoticed() {
    check(&[
        Case(
            ITEM,
            "CREATE TABLE keep AS SELECT * FROM item; DELETE FROM item;
             INSERT INTO item SELECT id, upper(t) FROM keep; DROP TABLE keep;",
            "! in `DELETE FROM item;`: it deletes 3 rows of `attach` through a trigger, a foreign key action or REPLACE; it had 3 and has 0",
            COUNT_ATTACH,
            "3",
        ),
        // The script drops the trigger, saves the rows, or names them itself.
        Case(ITEM, "DROP TRIGGER item_ad; DELETE FROM item", "", COUNT_ATTACH, "3"),
        Case(
            ITEM,
            "CREATE TEMP TABLE keep AS SELECT * FROM attach; DELETE FROM item WHERE id = 2; INSERT INTO attach SELECT * FROM keep WHERE item = 2",
            "",
            COUNT_ATTACH,
            "3",
        ),
        Case(ITEM, "DELETE FROM attach WHERE item = 2; DELETE FROM item WHERE id = 2", "", COUNT_ATTACH, "1"),
        Case(ITEM, "DELETE FROM item WHERE id = 9", "", COUNT_ATTACH, "3"),
        Case(ITEM, "DELETE FROM item WHERE id = 2", "! deletes 2 rows of `attach`", COUNT_ATTACH, "3"),
        Case(ITEM, "UPDATE item SET t = upper(t); INSERT INTO item VALUES (3, 'c')", "", COUNT_ATTACH, "3"),
        Case(ITEM, "INSERT INTO attach VALUES (9, 'z'); DELETE FROM attach WHERE item = 9", "", COUNT_ATTACH, "3"),
        // A trigger on an update, one that fires another, one on a view, and one that only adds or changes rows.
        Case(
            "CREATE TABLE a(id INTEGER PRIMARY KEY, s); CREATE TABLE b(a); INSERT INTO a VALUES (1,0); INSERT INTO b VALUES (1);
             CREATE TRIGGER t AFTER UPDATE OF s ON a WHEN new.s = 2 BEGIN DELETE FROM b WHERE a = new.id; END",
            "UPDATE a SET s = 1; UPDATE a SET s = 2",
            "! in `UPDATE a SET s = 2`: it deletes 1 row of `b`",
            "SELECT count(*) FROM b",
            "1",
        ),
        Case(
            "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a); CREATE TABLE c(b);
             INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1);
             CREATE TRIGGER t AFTER DELETE ON a BEGIN UPDATE b SET a = NULL; END;
             CREATE TRIGGER u AFTER UPDATE ON b BEGIN DELETE FROM c; END",
            "DELETE FROM a",
            "! it deletes 1 row of `c`",
            "SELECT count(*) FROM c",
            "1",
        ),
        Case(
            "CREATE TABLE a(id); INSERT INTO a VALUES (1); CREATE VIEW v AS SELECT id FROM a;
             CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN DELETE FROM a WHERE id = old.id; END",
            "DELETE FROM v",
            "",
            "SELECT count(*) FROM a",
            "0",
        ),
        Case(
            "CREATE TABLE a(id); INSERT INTO a VALUES (1); CREATE TABLE log(x);
             CREATE TRIGGER t AFTER DELETE ON a BEGIN INSERT INTO log VALUES (old.id); END",
            "DELETE FROM a",
            "",
            "SELECT count(*) FROM log",
            "1",
        ),
        Case(
            "CREATE TABLE a(id); INSERT INTO a VALUES (1); CREATE TABLE n(x); INSERT INTO n VALUES (0);
             CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE n SET x = x + 1; END",
            "INSERT INTO a VALUES (2), (3)",
            "",
            "SELECT x FROM n",
            "2",
        ),
        // A trigger that the script itself creates.
        Case(
            "CREATE TABLE b(a); INSERT INTO b VALUES (1)",
            "CREATE TABLE a(id); CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; INSERT INTO a VALUES (1)",
            "! it deletes 1 row of `b`",
            "SELECT count(*) FROM b",
            "1",
        ),
        Case(
            "CREATE TABLE b(a); INSERT INTO b VALUES (1)",
            "CREATE TABLE a(id); INSERT INTO a VALUES (1); CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END",
            "",
            "SELECT count(*) FROM b",
            "1",
        ),
        // Rows that a trigger adds do not make up for those that another one took.
        Case(
            "CREATE TABLE item(id INTEGER PRIMARY KEY, t TEXT); CREATE TABLE setting(item INTEGER, v TEXT);
             CREATE TRIGGER item_ad AFTER DELETE ON item BEGIN DELETE FROM setting WHERE item = old.id; END;
             CREATE TRIGGER item_ai AFTER INSERT ON item BEGIN INSERT INTO setting VALUES (new.id, 'default'); END;
             INSERT INTO item VALUES (1,'a'),(2,'b'); UPDATE setting SET v = 'red'",
            "CREATE TEMP TABLE keep AS SELECT * FROM item; DELETE FROM item; INSERT INTO item SELECT id, upper(t) FROM keep",
            "! in `DELETE FROM item;`: it deletes 2 rows of `setting`",
            "SELECT count(*) FROM setting WHERE v = 'red'",
            "2",
        ),
        // A tree whose trigger deletes the children: without WHERE, all rows are named.
        Case(
            "CREATE TABLE n(id INTEGER PRIMARY KEY, parent); INSERT INTO n VALUES (1,NULL),(2,1),(3,2);
             CREATE TRIGGER n_ad AFTER DELETE ON n BEGIN DELETE FROM n WHERE parent = old.id; END",
            "DELETE FROM n",
            "",
            "SELECT count(*) FROM n",
            "0",
        ),
        Case(
            "CREATE TABLE n(id INTEGER PRIMARY KEY, parent); INSERT INTO n VALUES (1,NULL),(2,1),(3,2);
             CREATE TRIGGER n_ad AFTER DELETE ON n BEGIN DELETE FROM n WHERE parent = old.id; END",
            "DELETE FROM n WHERE id = 1",
            "! it deletes 1 row of `n` through a trigger",
            "SELECT count(*) FROM n",
            "3",
        ),
        // The rows that a trigger took are named afterwards.
        Case(ITEM, "DELETE FROM item; DELETE FROM attach", "", COUNT_ATTACH, "0"),
        // A later statement that changes a row puts none back, and REPLACE in a definition can take two rows for one.
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1,'a'),(2,'b')",
            "UPDATE OR REPLACE s SET v = 'a' WHERE k = 2; INSERT INTO s VALUES (2,'c') ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            "! it deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY ON CONFLICT REPLACE, v UNIQUE ON CONFLICT REPLACE); INSERT INTO s VALUES (1,'a'),(2,'b')",
            "INSERT INTO s VALUES (1,'b')",
            "! it deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        // Two rows change places.
        Case(
            "CREATE TABLE st(id INTEGER PRIMARY KEY, k UNIQUE, label); INSERT INTO st VALUES (1,'open','o'),(2,'closed','c')",
            "INSERT OR REPLACE INTO st VALUES (1,'closed','Closed'); INSERT OR REPLACE INTO st VALUES (2,'open','Open')",
            "",
            "SELECT group_concat(k) FROM st",
            "closed,open",
        ),
        // A log that keeps its last rows, and a queue that is emptied at once.
        Case(
            "CREATE TABLE log(id INTEGER PRIMARY KEY, t); INSERT INTO log(t) VALUES (1),(2),(3);
             CREATE TRIGGER prune AFTER INSERT ON log BEGIN DELETE FROM log WHERE id <= new.id - 3; END",
            "INSERT INTO log(t) VALUES (4)",
            "",
            "SELECT group_concat(t) FROM log",
            "2,3,4",
        ),
        Case(
            "CREATE TABLE q(t); CREATE TABLE done(t);
             CREATE TRIGGER forward AFTER INSERT ON q BEGIN INSERT INTO done VALUES (new.t); DELETE FROM q WHERE rowid = new.rowid; END",
            "INSERT INTO q VALUES (1), (2)",
            "",
            "SELECT (SELECT count(*) FROM q) || (SELECT count(*) FROM done)",
            "02",
        ),
        // `changes()` is that of the script's own statements.
        Case(
            "CREATE TABLE s(k TEXT, v INT); INSERT INTO s VALUES ('a', 1)",
            "UPDATE s SET v = 2 WHERE k = 'a'; INSERT INTO s(k, v) SELECT 'a', 2 WHERE changes() = 0",
            "",
            "SELECT count(*) FROM s",
            "1",
        ),
        Case(
            ITEM,
            "CREATE TABLE n(c); DELETE FROM item WHERE id = 2; INSERT INTO n VALUES (changes())",
            "! it deletes 2 rows of `attach`",
            COUNT_ATTACH,
            "3",
        ),
        // REPLACE: one row for one is an update; two for one is a loss.
        Case(
            "CREATE TABLE s(k TEXT PRIMARY KEY, v); INSERT INTO s VALUES ('a', 1), ('b', 2)",
            "INSERT OR REPLACE INTO s VALUES ('a', 9), ('c', 3)",
            "",
            "SELECT count(*) FROM s",
            "3",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "REPLACE INTO s VALUES (1, 'b')",
            "! deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "INSERT INTO s VALUES (1, 'c') ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            "",
            "SELECT group_concat(v) FROM s",
            "c,b",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "UPDATE OR REPLACE s SET v = 'a' WHERE k = 2",
            "! deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "UPDATE OR REPLACE s SET v = 'c' WHERE k = 2; UPDATE s SET v = 'd'  WHERE k = 1",
            "",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "UPDATE s SET v = 'd' WHERE k = 1; UPDATE OR REPLACE s SET v = 'd' WHERE k = 2",
            "! deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(a, b, c UNIQUE, PRIMARY KEY (a, b)); INSERT INTO s VALUES (1, 1, 'x'), (2, 2, 'y')",
            "REPLACE INTO s VALUES (1, 1, 'y')",
            "! deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(a, b, c UNIQUE, PRIMARY KEY (a, b)); INSERT INTO s VALUES (1, 1, 'x'), (2, 2, 'y')",
            "REPLACE INTO s VALUES (1, 1, 'z')",
            "",
            "SELECT count(*) FROM s",
            "2",
        ),
        Case(
            "CREATE TABLE s(k INTEGER PRIMARY KEY, v UNIQUE ON CONFLICT REPLACE); INSERT INTO s VALUES (1, 'a'), (2, 'b')",
            "UPDATE s SET v = 'a'",
            "! deletes 1 row of `s`",
            "SELECT count(*) FROM s",
            "2",
        ),
    ]);
}

const TRIP: &str = "CREATE TABLE trip(id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE leg(id INTEGER PRIMARY KEY, trip INTEGER REFERENCES trip(id)); INSERT INTO trip VALUES (1,'a');";
const WRONG_ORDER: &str =
    "ALTER TABLE trip RENAME TO trip_old; CREATE TABLE trip(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO trip SELECT id, name FROM trip_old; DROP TABLE trip_old;";
const RIGHT_ORDER: &str = "CREATE TABLE trip_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO trip_new SELECT id, name FROM trip; DROP TABLE trip; ALTER TABLE trip_new RENAME TO trip;";
const KEYS: &str = "SELECT \"table\" FROM pragma_foreign_key_list('leg')";

#[test]
fn a_key_names_a_table_that_is_there() {
    check(&[
        Case(
            TRIP,
            WRONG_ORDER,
            "! it leaves a foreign key of `leg` that references the missing table `trip_old`, so no row can be added to `leg`",
            KEYS,
            "trip",
        ),
        Case(TRIP, RIGHT_ORDER, "", KEYS, "trip"),
        Case(
            "CREATE TABLE trip(id INTEGER PRIMARY KEY); CREATE TABLE leg(trip REFERENCES trip(id)); INSERT INTO leg VALUES (NULL)",
            "DROP TABLE trip",
            "! it leaves a foreign key of `leg` that references the missing table `trip`",
            KEYS,
            "trip",
        ),
        Case(
            "CREATE TABLE trip(id INTEGER PRIMARY KEY); CREATE TABLE leg(trip REFERENCES trip(id))",
            "DROP TABLE trip; DROP TABLE leg",
            "",
            "SELECT count(*) FROM sqlite_master WHERE name IN ('trip', 'leg')",
            "0",
        ),
        // It was so before, or the parent comes later.
        Case(
            "CREATE TABLE leg(trip REFERENCES trip(id)); CREATE TABLE trip2(id INTEGER PRIMARY KEY)",
            "ALTER TABLE leg ADD COLUMN b REFERENCES trip2(id); ALTER TABLE trip2 RENAME TO trip3",
            "",
            "SELECT count(*) FROM leg",
            "0",
        ),
        Case(
            "CREATE TABLE a(b)",
            "CREATE TABLE leg(trip REFERENCES later(id)); ALTER TABLE leg RENAME TO leg2",
            "",
            "SELECT count(*) FROM a",
            "0",
        ),
        // The columns are not there or not unique, without rows.
        Case(
            TRIP,
            "CREATE TABLE n AS SELECT * FROM trip; DROP TABLE trip; ALTER TABLE n RENAME TO trip; CREATE UNIQUE INDEX u ON trip(name)",
            "! it leaves a foreign key of `leg` that references columns that are not there or not unique, so no row can be added to `leg`",
            KEYS,
            "trip",
        ),
        Case(
            "CREATE TABLE trip(u TEXT); CREATE UNIQUE INDEX trip_u ON trip(u); CREATE TABLE leg(trip REFERENCES trip(u))",
            "DROP INDEX trip_u",
            "! references columns that are not there or not unique",
            KEYS,
            "trip",
        ),
        Case(
            "CREATE TABLE trip(u TEXT); CREATE UNIQUE INDEX trip_u ON trip(u); CREATE TABLE leg(trip REFERENCES trip(u))",
            "DROP INDEX trip_u; CREATE UNIQUE INDEX trip_u2 ON trip(u)",
            "",
            KEYS,
            "trip",
        ),
    ]);
}

const VIEW: &str = "CREATE TABLE trip(id INTEGER PRIMARY KEY, name TEXT); CREATE VIEW v AS SELECT id FROM trip; CREATE TABLE log(x);
    CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE trip SET name='x' WHERE id=new.x; END; INSERT INTO trip VALUES (1,'a');";
const VIEW_SQL: &str = "SELECT count(*) FROM trip WHERE name = 'a'";

#[test]
fn views_and_triggers_can_be_used_afterwards_if_they_could_before() {
    check(&[
        Case(
            VIEW,
            WRONG_ORDER,
            "! it leaves the trigger `t` unusable: no such table: main.trip_old",
            VIEW_SQL,
            "1",
        ),
        Case(VIEW, RIGHT_ORDER, "! error in view v: no such table: main.trip", VIEW_SQL, "1"),
        Case(
            "CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p; CREATE VIEW w AS SELECT a FROM v",
            "DROP TABLE p",
            "! leaves the view `v` unusable: no such table: main.p",
            "SELECT count(*) FROM w",
            "0",
        ),
        Case(
            "CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p",
            "DROP VIEW v; DROP TABLE p",
            "",
            "SELECT 1",
            "1",
        ),
        Case(
            "CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p; CREATE VIEW w AS SELECT a FROM v",
            "DROP VIEW v",
            "! leaves the view `w` unusable: no such table: main.v",
            "SELECT count(*) FROM w",
            "0",
        ),
        Case(
            "CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p",
            "DROP VIEW v; CREATE VIEW v AS SELECT a AS b FROM p",
            "",
            "SELECT count(b) FROM v",
            "0",
        ),
        // A new view that can never be used.
        Case(
            "CREATE TABLE p(a, code); ALTER TABLE p DROP COLUMN code",
            "CREATE VIEW v AS SELECT code FROM p",
            "! leaves the view `v` unusable: no such column: code",
            "SELECT count(*) FROM p",
            "0",
        ),
        Case("CREATE TABLE p(a)", "CREATE VIEW v AS SELECT a FROM p", "", "SELECT count(*) FROM v", "0"),
        Case(
            "CREATE TABLE p(a)",
            "CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO missing VALUES (new.a); END",
            "! leaves the trigger `t` unusable: no such table: main.missing",
            "SELECT count(*) FROM p",
            "0",
        ),
        // It was so before.
        Case(
            "CREATE TABLE p(a); CREATE VIEW bad AS SELECT a FROM p, missing; CREATE TABLE q(a)",
            "CREATE TABLE n(a); DROP TABLE p; ALTER TABLE q ADD COLUMN b; CREATE TABLE p(a, b)",
            "",
            "SELECT count(*) FROM p",
            "0",
        ),
        // A column that a trigger does not expect.
        Case(
            "CREATE TABLE p(a); CREATE TABLE log(x); CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO log VALUES (new.a); END",
            "ALTER TABLE log ADD COLUMN y",
            "! leaves the trigger `t` unusable: table log has 2 columns but 1 values were supplied",
            "SELECT count(*) FROM log",
            "0",
        ),
        Case(
            "CREATE TABLE p(a); CREATE TABLE log(x); CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO log(x) VALUES (new.a); END",
            "ALTER TABLE log ADD COLUMN y",
            "",
            "SELECT count(*) FROM log",
            "0",
        ),
        Case(
            "CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p;
             CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN INSERT INTO p VALUES (new.a); END",
            "ALTER TABLE p ADD COLUMN b",
            "! leaves the trigger `t` unusable",
            "SELECT count(*) FROM p",
            "0",
        ),
    ]);
}

#[test]
fn temporary_objects_of_a_script_end_with_it() {
    check(&[
        Case(
            "CREATE TABLE s(x); INSERT INTO s VALUES (1)",
            "CREATE TEMP TABLE s AS SELECT x FROM main.s; DELETE FROM main.s; INSERT INTO main.s SELECT x + 1 FROM temp.s",
            "",
            "SELECT x FROM s UNION ALL SELECT count(*) FROM sqlite_temp_master",
            "2 0",
        ),
        Case(
            "CREATE TABLE s(x)",
            "CREATE TEMP VIEW v AS SELECT x FROM main.s; CREATE TEMP TRIGGER t AFTER INSERT ON main.s BEGIN SELECT 1; END;
             CREATE TABLE temp.w(x); CREATE INDEX temp.i ON w(x); INSERT INTO s VALUES (1)",
            "",
            "SELECT count(*) FROM sqlite_temp_master",
            "0",
        ),
        // What the application made stays, and what the script dropped itself is gone.
        Case(
            "CREATE TABLE s(x); CREATE TEMP TABLE own(x); CREATE TEMP TRIGGER o AFTER INSERT ON main.s BEGIN INSERT INTO own VALUES (new.x); END",
            "CREATE TEMP TABLE mine(x); DROP TABLE mine; INSERT INTO s VALUES (7)",
            "",
            "SELECT name FROM sqlite_temp_master UNION ALL SELECT x FROM own ORDER BY 1",
            "7 o own",
        ),
        // A temporary table of the application hides a table that the script means.
        Case(
            "CREATE TABLE s(x); CREATE TEMP TABLE S(x)",
            "ALTER TABLE s ADD COLUMN y",
            "! would use the temporary table `S` of this connection instead of `S` in the database",
            "SELECT count(*) FROM pragma_table_info('s')",
            "1",
        ),
        Case(
            "CREATE TABLE s(x); CREATE TEMP TABLE S(x); CREATE TABLE other(x)",
            "ALTER TABLE other ADD COLUMN y",
            "",
            "SELECT count(*) FROM pragma_table_info('other')",
            "2",
        ),
        // A rebuild takes a trigger that only this connection has.
        Case(
            "CREATE TABLE a(x); CREATE TEMP TRIGGER tt AFTER INSERT ON a BEGIN SELECT 1; END",
            "CREATE TABLE n(x); DROP TABLE a; ALTER TABLE n RENAME TO a",
            "~ temporary trigger `tt`; create it again on this connection after the migration",
            "SELECT count(*) FROM sqlite_temp_master",
            "0",
        ),
        Case(
            "CREATE TABLE a(x); CREATE TABLE b(x); CREATE TEMP TRIGGER tt AFTER INSERT ON b BEGIN SELECT 1; END",
            "CREATE TABLE n(x); DROP TABLE a; ALTER TABLE n RENAME TO a",
            "",
            "SELECT count(*) FROM sqlite_temp_master",
            "1",
        ),
    ]);
}

/// Two migrations in one start and in two starts give the same database.
#[test]
fn a_temporary_table_does_not_take_the_rows_of_the_next_migration() {
    let set = |count| {
        let all = [
            Migration::sql("1_s", "CREATE TABLE s(x); INSERT INTO s VALUES (1)"),
            Migration::sql(
                "2_s",
                "CREATE TEMP TABLE s AS SELECT x FROM main.s; DELETE FROM main.s; INSERT INTO main.s SELECT x + 1 FROM temp.s",
            ),
            Migration::sql("3_s", "INSERT INTO s VALUES (99)"),
        ];
        MigrationRunner::new(all.into_iter().take(count).collect::<Vec<_>>()).unwrap()
    };
    for starts in [&[3][..], &[1, 2, 3]] {
        let conn = memory();
        for &count in starts {
            set(count).run(&conn).unwrap();
        }
        assert_eq!(rows(&conn, "SELECT x FROM main.s"), ["2", "99"], "{starts:?}");
    }
}

#[test]
fn a_schema_that_is_written_by_hand_can_be_read_afterwards() {
    let edit = |from: &str, to: &str| {
        format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = 'a'"
        )
    };
    let before = "CREATE TABLE a(b TEXT NOT NULL, c INTEGER); INSERT INTO a VALUES ('x', NULL)";
    let (broken, unfit, fine) =
        (edit(" NOT NULL", " NOT NUL ("), edit("INTEGER", "INTEGER NOT NULL"), edit(" NOT NULL", ""));
    for (script, said) in [
        (broken, "it leaves a schema that SQLite cannot read"),
        (unfit, "the database does not fit it: NULL value in a.c"),
    ] {
        let conn = migrated(before);
        let runner = MigrationRunner::new([Migration::from_scripts("1_it", script.clone(), None)]).unwrap();
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(rows(&conn, "SELECT b FROM a"), ["x"], "{script}");
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{script}");
        assert_eq!(applied(&conn), Vec::<String>::new());
    }
    let conn = migrated(before);
    MigrationRunner::new([Migration::from_scripts("1_it", fine, None)]).unwrap().run(&conn).unwrap();
    conn.execute("INSERT INTO a VALUES (NULL, 1)", []).unwrap();
}

#[test]
fn a_column_that_cannot_hold_its_values_any_more_is_noted() {
    check(&[
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO z VALUES (1, 9007199254740993), (2, 9007199254740992)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, n DOUBLE); INSERT INTO n SELECT id, n FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "~ whose column `n` was INTEGER and is DOUBLE now: the number `9007199254740993` was rounded",
            "SELECT group_concat(CAST(n AS INTEGER)) FROM z",
            "9007199254740992,9007199254740992",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO z VALUES (1, -9007199254740992), (2, 3)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, n REAL); INSERT INTO n SELECT id, n FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT group_concat(CAST(n AS INTEGER)) FROM z",
            "-9007199254740992,3",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO z VALUES (1, 1, 2), (2, 2, 5), (3, 3, NULL)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER AS (a * 2) STORED); INSERT INTO n (id, a) SELECT id, a FROM z;
             DROP TABLE z; ALTER TABLE n RENAME TO z",
            "~ whose column `b` is computed now, with another value than was stored in 1 row, such as `5`",
            "SELECT group_concat(b) FROM z",
            "2,4,6",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO z VALUES (1, 1, 2), (2, 2, 4)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER AS (a * 2)); INSERT INTO n (id, a) SELECT id, a FROM z;
             DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT group_concat(b) FROM z",
            "2,4",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, a REAL, b); INSERT INTO z VALUES (1, 1.1, 3.3), (2, 2, '6')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, a REAL, b REAL AS (a * 3)); INSERT INTO n (id, a) SELECT id, a FROM z;
             DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT group_concat(round(b, 3)) FROM z",
            "3.3,6.0",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, ns INTEGER, u); INSERT INTO z VALUES (1, 1700000000123456789, 9007199254740993)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, ns REAL, u REAL); INSERT INTO n SELECT id, ns / 1000000000, u FROM z;
             DROP TABLE z; ALTER TABLE n RENAME TO z",
            "~ whose column `u` had no type and is REAL now: the number `9007199254740993` was rounded",
            "SELECT ns FROM z",
            "1700000000.0",
        ),
    ]);
}

#[test]
fn values_go_to_the_columns_that_have_their_names() {
    let member = "CREATE TABLE member(city TEXT, id TEXT PRIMARY KEY, mail TEXT); INSERT INTO member VALUES ('Ulm','m1','a@x.example')";
    check(&[
        Case(
            member,
            "CREATE TABLE member_new(id TEXT PRIMARY KEY, mail TEXT, city TEXT); INSERT INTO member_new SELECT * FROM member;
             DROP TABLE member; ALTER TABLE member_new RENAME TO member",
            "~ copies by position: values of `city` go to the column `id` of `member_new`; name the columns",
            "SELECT id FROM member",
            "Ulm",
        ),
        Case(
            member,
            "CREATE TABLE member_new(id TEXT PRIMARY KEY, mail TEXT, city TEXT); INSERT INTO member_new(city, id, mail) SELECT * FROM member;
             DROP TABLE member; ALTER TABLE member_new RENAME TO member",
            "",
            "SELECT id FROM member",
            "m1",
        ),
        Case(
            member,
            "CREATE TABLE copy(town TEXT, id TEXT, mail TEXT); INSERT INTO copy SELECT m.* FROM member AS m",
            "",
            "SELECT id FROM copy",
            "m1",
        ),
        Case(
            member,
            "CREATE TABLE copy(id TEXT, city TEXT, mail TEXT); INSERT INTO copy SELECT city AS id, id AS city, mail FROM member",
            "",
            "SELECT id FROM copy",
            "Ulm",
        ),
        // A type that changes values.
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, zip TEXT); INSERT INTO z VALUES (1, '01234')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO n SELECT id, zip FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "~ whose column `zip` was TEXT and is INTEGER now",
            "SELECT zip FROM z",
            "1234",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, zip TEXT); INSERT INTO z VALUES (1, '36')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO n SELECT id, zip FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT typeof(zip) || zip FROM z",
            "integer36",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, state TEXT); INSERT INTO z VALUES (1, 'open'), (2, 'closed')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, state INTEGER); INSERT INTO n SELECT id, CASE state WHEN 'open' THEN 1 ELSE 2 END FROM z;
             DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT group_concat(state) FROM z",
            "1,2",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, zip TEXT); INSERT INTO z VALUES (1, '01234'), (2, '1e3'), (3, '5')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO n SELECT id, zip FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "~ whose column `zip` was TEXT and is INTEGER now: 2 texts such as `01234` became numbers",
            "SELECT group_concat(zip) FROM z",
            "1234,1000,5",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, zip TEXT); INSERT INTO z VALUES (1, 'A 1')",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO n SELECT id, zip FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT zip FROM z",
            "A 1",
        ),
        Case(
            "CREATE TABLE z(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO z VALUES (1, 1234)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY, zip TEXT); INSERT INTO n SELECT id, zip FROM z; DROP TABLE z; ALTER TABLE n RENAME TO z",
            "",
            "SELECT zip FROM z",
            "1234",
        ),
    ]);
}

#[test]
fn a_full_text_table_matches_its_content() {
    let note = "CREATE TABLE note(uid TEXT NOT NULL UNIQUE, body TEXT);
        INSERT INTO note VALUES ('n1','red apple'),('n2','green pear'),('n3','blue plum');
        CREATE VIRTUAL TABLE note_fts USING fts5(body, content='note', content_rowid='rowid');
        DELETE FROM note WHERE uid='n1'; INSERT INTO note_fts(note_fts) VALUES('rebuild');";
    let rebuild = "CREATE TABLE note_new(uid TEXT NOT NULL UNIQUE, body TEXT NOT NULL); INSERT INTO note_new SELECT uid, body FROM note;
        DROP TABLE note; ALTER TABLE note_new RENAME TO note;";
    let (search, with) = (
        "SELECT uid FROM note WHERE rowid IN (SELECT rowid FROM note_fts WHERE note_fts MATCH 'pear')",
        format!("{rebuild} INSERT INTO note_fts(note_fts) VALUES('rebuild')"),
    );
    let broken_before = note.replace("INSERT INTO note_fts(note_fts) VALUES('rebuild');", "");
    let with: &'static str = with.leak();
    let broken_before: &'static str = broken_before.leak();
    check(&[
        Case(
            note,
            rebuild,
            "! it leaves the full-text table `note_fts` with wrong results: its index does not match the rows of `note`; nothing of it was kept; rebuild its index in the script: INSERT INTO `note_fts` (`note_fts`) VALUES ('rebuild')",
            search,
            "n2",
        ),
        Case(note, with, "", search, "n2"),
        Case(broken_before, rebuild, "", "SELECT count(*) FROM note", "2"),
        Case(note, "UPDATE note SET body = upper(body)", "", "SELECT count(*) FROM note", "2"),
    ]);
}

#[test]
fn autoincrement_goes_on_where_it_was() {
    let trip = "CREATE TABLE trip(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO trip(name) VALUES ('a'),('b'),('c'); DELETE FROM trip WHERE id > 2";
    let empty = "CREATE TABLE trip(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO trip(name) VALUES ('a'),('b'),('c'); DELETE FROM trip";
    let rebuild = "CREATE TABLE trip_new(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL); INSERT INTO trip_new SELECT * FROM trip;
        DROP TABLE trip; ALTER TABLE trip_new RENAME TO trip";
    let renamed_first = "ALTER TABLE trip RENAME TO old; CREATE TABLE trip(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
        INSERT INTO trip SELECT * FROM old; DROP TABLE old";
    let without = "CREATE TABLE trip_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO trip_new SELECT * FROM trip;
        DROP TABLE trip; ALTER TABLE trip_new RENAME TO trip";
    let sets = format!("{rebuild}; UPDATE sqlite_sequence SET seq = 10 WHERE name = 'trip'");
    let resets = format!("{rebuild}; DELETE FROM sqlite_sequence WHERE name = 'trip'");
    let copies = format!(
        "CREATE TEMP TABLE keep AS SELECT * FROM sqlite_sequence; {rebuild};
        UPDATE sqlite_sequence SET seq = (SELECT seq FROM keep WHERE name = 'trip') WHERE name = 'trip'"
    );
    let inserts = format!("{rebuild}; INSERT INTO trip(name) VALUES ('d')");
    let other = format!(
        "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT); DELETE FROM sqlite_sequence WHERE name = 'b'; {rebuild}"
    );
    let text = "CREATE TABLE trip(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT); INSERT INTO trip(name) VALUES ('a'); UPDATE sqlite_sequence SET seq = '7'";
    let sequence = "SELECT name || ' ' || seq FROM sqlite_sequence";
    check(&[
        Case(trip, rebuild, "", sequence, "trip 3"),
        Case(empty, rebuild, "", sequence, "trip 3"),
        Case(trip, renamed_first, "", sequence, "trip 3"),
        Case(trip, without, "~ does not recreate AUTOINCREMENT of `id`", sequence, ""),
        Case(trip, sets.leak(), "", sequence, "trip 10"),
        Case(trip, resets.leak(), "", sequence, ""),
        Case(trip, copies.leak(), "", sequence, "trip 3"),
        Case(trip, inserts.leak(), "", "SELECT max(id) FROM trip", "4"),
        Case(trip, other.leak(), "", sequence, "trip 3"),
        Case(text, rebuild, "", sequence, "trip 7"),
    ]);
}

#[test]
fn what_belongs_to_a_table_is_created_again() {
    let table = "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 5, c CHECK (c > 0)); CREATE INDEX t_b ON t(b); CREATE UNIQUE INDEX t_c ON t(c);
        CREATE TRIGGER t_ai AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t VALUES (1, 1, 1, 1)";
    let rebuild = |definition: &str, then: &str| -> &'static str {
        format!("CREATE TABLE n({definition}); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; {then}").leak()
    };
    let whole = "id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 5, c CHECK (c > 0)";
    let others = "CREATE INDEX t_b ON t(b); CREATE UNIQUE INDEX t_c ON t(c); CREATE TRIGGER t_ai AFTER INSERT ON t BEGIN SELECT 1; END";
    let (after, one) = ("SELECT count(*) FROM t", "1");
    check(&[
        Case(table, rebuild(whole, others), "", after, one),
        Case(
            table,
            rebuild(whole, ""),
            "~ replaces `t` and does not recreate the index `t_b`, the index `t_c` and the trigger `t_ai`; recreate what is still needed",
            after,
            one,
        ),
        Case(table, rebuild("id INTEGER PRIMARY KEY, a, b DEFAULT 5, c CHECK (c > 0)", others), "~ recreate the UNIQUE constraint on `a`", after, one),
        Case(table, rebuild("id INTEGER PRIMARY KEY, a UNIQUE, b, c CHECK (c > 0)", others), "~ recreate the default of `b`", after, one),
        Case(table, rebuild("id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 5, c", others), "~ recreate a CHECK constraint", after, one),
        Case(
            table,
            rebuild("id INT PRIMARY KEY, a UNIQUE, b DEFAULT 5, c CHECK (c > 0)", others),
            "~ recreate the numbering of rows by `id` (`id` INTEGER PRIMARY KEY)",
            after,
            one,
        ),
        Case(
            table,
            "CREATE TABLE n AS SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "~ the primary key on `id`",
            after,
            one,
        ),
        // The script drops the index itself, or the column.
        Case(
            table,
            "DROP INDEX t_b; DROP TRIGGER t_ai; CREATE TABLE n(id INTEGER PRIMARY KEY, a UNIQUE, b DEFAULT 5); INSERT INTO n SELECT id, a, b FROM t;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            after,
            one,
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, c); CREATE UNIQUE INDEX t_c ON t(c); INSERT INTO t VALUES (1, 1)",
            "CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            after,
            one,
        ),
    ]);
}

/// Outside a transaction nothing can be undone afterwards, so the statement that would take the rows is refused.
#[test]
fn outside_a_transaction_the_statement_is_refused_that_would_take_rows() {
    let rebuild =
        "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM person WHERE id = 1;
        DROP TABLE person; ALTER TABLE n RENAME TO person";
    let (in_own, whole) =
        (format!("PRAGMA user_version = 7; BEGIN; {rebuild}; COMMIT"), rebuild.replace("WHERE id = 1", ""));
    let cases = [
        (
            PERSON,
            rebuild,
            "in `DROP TABLE person;`: it replaces `person`, which had 2 rows, with a table of 1 row; id = 2 is missing",
        ),
        (PERSON, &in_own, "with a table of 1 row; id = 2 is missing"),
        (PERSON, &whole, ""),
        // Without a key, by way of a temporary table, and with another new table.
        (
            "CREATE TABLE person(a); INSERT INTO person VALUES (1), (2)",
            "CREATE TABLE n(a); INSERT INTO n SELECT a FROM person WHERE a = 1; DROP TABLE person; ALTER TABLE n RENAME TO person",
            "it replaces `person`, which had 2 rows, with a table of 1 row",
        ),
        (
            PERSON,
            "CREATE TEMP TABLE keep AS SELECT * FROM person; DROP TABLE person; CREATE TABLE person(id, name); INSERT INTO person SELECT * FROM keep",
            "in `DROP TABLE person;`",
        ),
        (
            PERSON,
            "CREATE TABLE keep AS SELECT * FROM person; DROP TABLE person; CREATE TABLE person(id, name); INSERT INTO person SELECT * FROM keep",
            "",
        ),
        (
            ITEM,
            "UPDATE item SET t = 'x'; DELETE FROM item WHERE id = 2",
            "in `DELETE FROM item WHERE id = 2`: it deletes 2 rows of `attach`",
        ),
        (ITEM, "DELETE FROM attach; DELETE FROM item", ""),
    ];
    for (before, script, said) in cases {
        for declared in [false, true] {
            let conn = migrated(before);
            let table = if before == ITEM { "attach" } else { "person" };
            let count = format!("SELECT count(*) FROM {table}");
            let was = rows(&conn, &count);
            let migration = Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction();
            let migration = if declared { migration.allow_destructive() } else { migration };
            let outcome = MigrationRunner::new([migration]).unwrap().run(&conn);
            if said.is_empty() || declared {
                outcome.unwrap_or_else(|error| panic!("{script}: {error}"));
                assert_eq!(applied(&conn), ["1_it"]);
            } else {
                let error = outcome.unwrap_err();
                assert!(error.to_string().contains(said), "{script}: {error}");
                assert_eq!(rows(&conn, &count), was, "{script}");
                assert_eq!(applied(&conn), ["1_it (dirty)"], "{script}");
                // Trying again does not take them either.
                let again = Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction();
                let runner = MigrationRunner::new([again]).unwrap();
                runner.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
                runner.run(&conn).unwrap_err();
                assert_eq!(rows(&conn, &count), was, "{script}");
            }
        }
    }
}

#[test]
fn a_declared_loss_is_reported_and_not_refused() {
    let script = "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM person WHERE id = 1;
        DROP TABLE person; ALTER TABLE n RENAME TO person; CREATE INDEX person_name ON person(name); DELETE FROM pet; DROP TABLE IF EXISTS missing";
    let conn = migrated(PERSON);
    let runner = MigrationRunner::new([Migration::sql("1_it", script).allow_destructive()]).unwrap();
    let report = runner.run(&conn).unwrap();
    let account = &report.applied[0].account;
    let tables: Vec<_> = account
        .tables
        .iter()
        .map(|it| (&*it.table, it.fate, it.rows_before, it.rows_after, it.lost, it.deleted))
        .collect();
    assert_eq!(
        tables,
        [("person", Fate::Replaced, Some(2), Some(1), 1, 0), ("pet", Fate::Kept, None, None, 0, 1)]
    );
    assert_eq!(account.tables[0].missing_keys, ["id = 2"]);
    assert_eq!(account.created, [SchemaObject::new("index", "person_name")]);
    assert_eq!(account.dropped, []);
    assert!(
        report.to_string().contains(": replaced `person`: 2 rows before, 1 after, deleted 1 row of `pet`"),
        "{report}"
    );
    // A policy can allow it too, or report it.
    for (verdict, notes) in [(Verdict::Warn, 1), (Verdict::Allow, 0)] {
        let conn = migrated(PERSON);
        let policy = Policy::default().with(ProblemKind::RowsLost, verdict);
        let runner = MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().policy(policy);
        assert_eq!(runner.run(&conn).unwrap().notes.len(), notes);
    }
    // `allow = ["cascade"]` is about other tables, and not about the one that is replaced.
    let error = MigrationRunner::new([Migration::sql("1_it", script).allow_cascade()])
        .unwrap()
        .run(&migrated(PERSON))
        .unwrap_err();
    assert_eq!(
        error.problems().iter().map(|problem| problem.kind).collect::<Vec<_>>(),
        [ProblemKind::RowsLost]
    );
    let take = || Migration::sql("1_it", "DELETE FROM item");
    let conn = migrated(ITEM);
    let report = MigrationRunner::new([take().allow_cascade()]).unwrap().run(&conn).unwrap();
    assert!(
        report.to_string().contains(": deleted 3 rows of `attach`, deleted 2 rows of `item`"),
        "{report}"
    );
    assert_eq!(rows(&conn, COUNT_ATTACH), ["0"]);
}

/// All findings of a step are in one error, and what `STRICT` refuses is a note otherwise.
#[test]
fn one_error_has_all_findings_of_a_step() {
    let before = "CREATE TABLE t(id INTEGER PRIMARY KEY, zip TEXT UNIQUE); CREATE INDEX t_zip ON t(zip); INSERT INTO t VALUES (1, '01')";
    let script = "CREATE TABLE n(zip INTEGER, id INTEGER PRIMARY KEY); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t";
    let kinds = [ProblemKind::LostInRebuild, ProblemKind::ValuesChanged, ProblemKind::ValuesChanged];
    let runner = || {
        MigrationRunner::new([
            Migration::reversible("2026-11-29-120000_it", script, "SELECT 1").allow_destructive()
        ])
        .unwrap()
    };
    let mut found: Vec<_> =
        runner().run(&migrated(before)).unwrap().notes.iter().map(|note| note.kind).collect();
    found.sort_unstable();
    assert_eq!(found, kinds);
    let error = runner().policy(Policy::STRICT).run(&migrated(before)).unwrap_err();
    let mut found: Vec<_> = error.problems().iter().map(|problem| problem.kind).collect();
    found.sort_unstable();
    assert_eq!(found, kinds, "{error}");
    assert!(error.problems().iter().all(|problem| problem.verdict == Verdict::Deny));
}

/// What dangled before is not blamed on a step, and code that changes no definition does not run twice because of it.
#[test]
fn what_dangled_before_is_no_reason_to_run_code_twice() {
    let before = "CREATE TABLE p(a); CREATE VIEW bad AS SELECT x FROM missing; CREATE TABLE leg(trip REFERENCES later(id));
        CREATE TABLE parent(a); CREATE TABLE child(a REFERENCES parent(a))";
    for (statement, times) in [
        ("INSERT INTO p VALUES (1)", 1),
        ("INSERT INTO leg VALUES (NULL); DELETE FROM parent", 1),
        ("CREATE TABLE q(a)", 2),
    ] {
        let conn = migrated(before);
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let code = Migration::code("1_it", move |conn: &Connection| {
            counter.fetch_add(1, Ordering::Relaxed);
            conn.execute_batch(statement)
        });
        MigrationRunner::new([code]).unwrap().run(&conn).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), times, "{statement}");
    }
}

/// A table that one file drops and a later one replaces is counted if both are one transaction.
#[test]
fn a_rebuild_over_two_files_keeps_its_rows() {
    let before = "CREATE TABLE person(id INTEGER PRIMARY KEY); INSERT INTO person VALUES (1),(2);
        CREATE TABLE pet(person REFERENCES person(id)); INSERT INTO pet VALUES (1)";
    let copy = |rows: &str| {
        format!(
            "CREATE TABLE n(id INTEGER PRIMARY KEY); INSERT INTO n SELECT * FROM person {rows}; DROP TABLE person"
        )
    };
    let into_new =
        "CREATE TABLE person(id INTEGER PRIMARY KEY); INSERT INTO person SELECT * FROM n WHERE id = 1";
    for (first, second, said) in [
        (
            copy("WHERE id = 1"),
            "ALTER TABLE n RENAME TO person",
            "it replaces `person`, which had 2 rows, with a table of 1 row",
        ),
        (copy(""), into_new, "it replaces `person`, which had 2 rows, with a table of 1 row"),
        (copy(""), "ALTER TABLE n RENAME TO person", ""),
    ] {
        let conn = migrated(before);
        let set = [Migration::from_scripts("1_it", first, None), Migration::sql("2_it", second)];
        let outcome = MigrationRunner::new(set).unwrap().run(&conn);
        match outcome {
            Ok(report) => assert_eq!((report.together.len(), said), (1, "")),
            Err(error) => {
                assert!(!said.is_empty() && error.to_string().contains(said), "{error}");
                assert_eq!(error.migration().unwrap(), &"2_it");
                assert_eq!(rows(&conn, "SELECT count(*) FROM person"), ["2"]);
            }
        }
    }
}

/// Code can break a view too.
#[test]
fn code_is_held_to_the_same_references() {
    let conn = migrated("CREATE TABLE p(a); CREATE VIEW v AS SELECT a FROM p");
    let code = Migration::code("1_it", |conn: &Connection| conn.execute_batch("DROP TABLE p"));
    let error = MigrationRunner::new([code]).unwrap().run(&conn).unwrap_err();
    assert!(error.to_string().contains("it leaves the view `v` unusable: no such table: main.p"), "{error}");
    assert_eq!(rows(&conn, "SELECT count(*) FROM v"), ["0"]);
}

/// A view may name a table that a later migration creates.
#[test]
fn a_later_step_can_repair_a_view_and_then_both_are_one_transaction() {
    let step = |id, script: &'static str| Migration::reversible(id, script, "");
    let set = || [step("1_v", "CREATE VIEW v AS SELECT a FROM p"), step("2_p", "CREATE TABLE p(a)")];
    let conn = memory();
    let report = MigrationRunner::new(set()).unwrap().run(&conn).unwrap();
    assert_eq!(report.together[0].steps, ["1_v", "2_p"]);
    assert!(
        report
            .to_string()
            .contains("in between the view `v` cannot be used (no such table: main.p) until `2_p` is done"),
        "{report}"
    );
    let conn = memory();
    let [first, _] = set();
    let error =
        MigrationRunner::new([first, step("2_q", "CREATE TABLE q(a)")]).unwrap().run(&conn).unwrap_err();
    assert!(
        error.to_string().contains("the view `v` unusable: no such table: main.p, and the step after it does not fix that; nothing of it was kept; drop it"),
        "{error}"
    );
    // Rolling back to what was so before is reported and not refused.
    let conn = migrated("CREATE TABLE leg(trip REFERENCES trip(id))");
    let runner = MigrationRunner::new([Migration::reversible(
        "1_trip",
        "CREATE TABLE trip(id INTEGER PRIMARY KEY)",
        "DROP TABLE trip",
    )])
    .unwrap();
    runner.run(&conn).unwrap();
    let report = runner.rollback(&conn, 1).unwrap();
    assert_eq!(report.notes.iter().map(|note| note.kind).collect::<Vec<_>>(), [ProblemKind::BrokenReference]);
}

/// What a rebuild leaves out or changes on purpose can be declared, also under a policy that refuses it.
#[test]
fn what_a_rebuild_leaves_out_can_be_declared() {
    let before = "CREATE TABLE t(id INTEGER PRIMARY KEY, zip TEXT UNIQUE); INSERT INTO t VALUES (1, '01')";
    let script = "CREATE TABLE n(id INTEGER PRIMARY KEY, zip INTEGER); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t";
    let migration = || Migration::reversible("2026-11-29-120000_it", script, "SELECT 1").allow_destructive();
    let run =
        |migration| MigrationRunner::new([migration]).unwrap().policy(Policy::STRICT).run(&migrated(before));
    assert_eq!(run(migration()).unwrap_err().problems().len(), 2);
    assert_eq!(run(migration().allow_rebuild()).unwrap().notes, []);
}
