//! What refers to a table, and what belongs to it: full-text tables, keys, temporary objects of the application, and constraints.

use switchy_schema::test_utils::rows;
use switchy_schema::{ForeignKeys, Migration, MigrationRunner, SchemaObject};

use super::{Case, check, migrated};
use crate::execution::applied;

const NOTE: &str = "CREATE TABLE note(id INTEGER PRIMARY KEY, title TEXT, body TEXT, made); INSERT INTO note VALUES (1,'a','red',0),(2,'b','green',0);
    CREATE VIRTUAL TABLE nf USING fts5(title, body, content='note', content_rowid='id'); INSERT INTO nf(nf) VALUES('rebuild');";
const SEARCH: &str = "SELECT title FROM nf WHERE nf MATCH 'green'";

#[test]
fn a_full_text_table_can_read_its_content() {
    check(&[
        Case(
            NOTE,
            "ALTER TABLE note RENAME TO memo",
            "! leaves the full-text table `nf` unusable: no such table: main.note",
            SEARCH,
            "b",
        ),
        Case(
            NOTE,
            "ALTER TABLE note RENAME COLUMN body TO txt",
            "! leaves the full-text table `nf` unusable: no such column: T.body",
            SEARCH,
            "b",
        ),
        Case(NOTE, "ALTER TABLE note RENAME COLUMN id TO number", "! unusable: no such column: T.id", SEARCH, "b"),
        Case(NOTE, "ALTER TABLE note DROP COLUMN title", "! unusable: no such column: T.title", SEARCH, "b"),
        Case(
            NOTE,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, title TEXT, txt TEXT); INSERT INTO n SELECT id, title, body FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note",
            "! leaves the full-text table `nf` unusable: no such column: T.body",
            SEARCH,
            "b",
        ),
        Case(
            NOTE,
            "DROP TABLE note",
            "! leaves the full-text table `nf` unusable: no such table: main.note",
            SEARCH,
            "b",
        ),
        // Other columns may change, and the full-text table may go too or follow.
        Case(NOTE, "ALTER TABLE note DROP COLUMN made; ALTER TABLE note ADD COLUMN more", "", SEARCH, "b"),
        Case(
            NOTE,
            "DROP TABLE nf; DROP TABLE note",
            "",
            "SELECT count(*) FROM sqlite_master WHERE name LIKE 'n%'",
            "0",
        ),
        Case(
            NOTE,
            "ALTER TABLE note RENAME TO memo; DROP TABLE nf; CREATE VIRTUAL TABLE nf USING fts5(title, body, content='memo', content_rowid='id');
             INSERT INTO nf(nf) VALUES('rebuild')",
            "",
            SEARCH,
            "b",
        ),
        Case(
            "CREATE TABLE note(body TEXT); CREATE VIRTUAL TABLE nf USING fts5(body, content='missing'); INSERT INTO note VALUES (1)",
            "ALTER TABLE note RENAME TO memo",
            "",
            "SELECT count(*) FROM memo",
            "1",
        ),
        // It has its own copy, or none.
        Case(
            "CREATE TABLE note(body TEXT); CREATE VIRTUAL TABLE nf USING fts5(content); CREATE VIRTUAL TABLE ng USING fts5(body, content='')",
            "DROP TABLE note",
            "",
            "SELECT count(*) FROM nf",
            "0",
        ),
        // FTS4 may take the names of its columns from the content table.
        Case(
            "CREATE TABLE note(body TEXT, title); INSERT INTO note VALUES ('red', 'a'); CREATE VIRTUAL TABLE nf USING fts4(content=\"note\"); INSERT INTO nf(nf) VALUES('rebuild')",
            "DROP TABLE note",
            "! leaves the full-text table `nf` unusable: ",
            "SELECT count(*) FROM nf WHERE nf MATCH 'red'",
            "1",
        ),
        Case(
            "CREATE TABLE note(body TEXT, title); INSERT INTO note VALUES ('red', 'a'); CREATE VIRTUAL TABLE nf USING fts4(content=\"note\", body);
             INSERT INTO nf(nf) VALUES('rebuild')",
            "ALTER TABLE note RENAME COLUMN body TO txt",
            "! leaves the full-text table `nf` unusable: no such column: T.body",
            "SELECT count(*) FROM nf WHERE nf MATCH 'red'",
            "1",
        ),
        Case(
            "CREATE TABLE note(body TEXT, title); INSERT INTO note VALUES ('red', 'a'); CREATE VIRTUAL TABLE nf USING fts4(content=\"note\", body);
             INSERT INTO nf(nf) VALUES('rebuild')",
            "ALTER TABLE note RENAME COLUMN title TO txt",
            "",
            "SELECT count(*) FROM nf WHERE nf MATCH 'red'",
            "1",
        ),
    ]);
}

const NOTE_VIEW: &str = "CREATE TABLE note(uid TEXT UNIQUE, body TEXT); INSERT INTO note VALUES ('n1','red'),('n2','green'),('n3','blue'); DELETE FROM note WHERE uid='n1';
    CREATE VIEW nv AS SELECT rowid AS id, body FROM note; CREATE VIRTUAL TABLE nf USING fts5(body, content='nv', content_rowid='id'); INSERT INTO nf(nf) VALUES('rebuild');";
const NOTE_REBUILD: &str = "DROP VIEW nv; CREATE TABLE n(uid TEXT UNIQUE, body TEXT NOT NULL); INSERT INTO n SELECT uid,body FROM note;
    DROP TABLE note; ALTER TABLE n RENAME TO note; CREATE VIEW nv AS SELECT rowid AS id, body FROM note;";

#[test]
fn a_full_text_table_matches_the_rows_of_a_view() {
    let with: &'static str = format!("{NOTE_REBUILD} INSERT INTO nf(nf) VALUES('rebuild')").leak();
    let search = "SELECT body FROM nf WHERE nf MATCH 'green'";
    check(&[
        Case(
            NOTE_VIEW,
            NOTE_REBUILD,
            "! leaves the full-text table `nf` with wrong results: its index does not match the rows of `nv`; nothing of it was kept; rebuild its index in the script: INSERT INTO `nf` (`nf`) VALUES ('rebuild')",
            search,
            "green",
        ),
        Case(NOTE_VIEW, with, "", search, "green"),
        Case(
            NOTE_VIEW,
            "DROP VIEW nv; CREATE VIEW nv AS SELECT rowid AS id, body, uid FROM note",
            "",
            search,
            "green",
        ),
        Case(
            NOTE_VIEW,
            "DROP VIEW nv; CREATE VIEW nv AS SELECT rowid AS id, uid FROM note",
            "! leaves the full-text table `nf` unusable: no such column: T.body",
            search,
            "green",
        ),
    ]);
}

/// Outside a transaction it cannot be undone, but it is said.
#[test]
fn a_full_text_table_is_compared_outside_a_transaction_too() {
    let rebuild = "CREATE TABLE n(uid TEXT UNIQUE, body TEXT NOT NULL); INSERT INTO n SELECT uid, body FROM note; DROP TABLE note; ALTER TABLE n RENAME TO note";
    let note = "CREATE TABLE note(uid TEXT UNIQUE, body TEXT); INSERT INTO note VALUES ('n1','red'),('n2','green'),('n3','blue'); DELETE FROM note WHERE uid='n1';
        CREATE VIRTUAL TABLE nf USING fts5(body, content='note', content_rowid='rowid');";
    let with = format!("{rebuild}; INSERT INTO nf(nf) VALUES('rebuild')");
    let built = format!("{note} INSERT INTO nf(nf) VALUES('rebuild')");
    for (before, script, is_stale) in
        [(&*built, rebuild, true), (&built, &with, false), (note, rebuild, false)]
    {
        let conn = migrated(before);
        let step = Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction();
        let outcome = MigrationRunner::new([step]).unwrap().run(&conn);
        match outcome {
            Err(error) => {
                assert!(is_stale, "{error}");
                assert!(
                    error.to_string().contains("it leaves the full-text table `nf` with wrong results"),
                    "{error}"
                );
                assert_eq!(applied(&conn), ["1_it (dirty)"]);
            }
            Ok(_) => assert!(!is_stale, "{script}"),
        }
    }
}

/// Under `foreign_keys = "on"` SQLite checks the rows, and not whether a key can be used.
#[test]
fn an_enforced_key_names_columns_that_are_unique() {
    let trip = "CREATE TABLE trip(u TEXT UNIQUE); CREATE TABLE leg(trip REFERENCES trip(u));";
    for (definition, is_fine) in [("u TEXT", false), ("u TEXT UNIQUE", true), ("u TEXT PRIMARY KEY", true)] {
        let conn = migrated(trip);
        let script = format!("CREATE TABLE n({definition}); DROP TABLE trip; ALTER TABLE n RENAME TO trip");
        let step =
            Migration::from_scripts("1_it", script, None).foreign_keys(switchy_schema::ForeignKeys::Enforced);
        match MigrationRunner::new([step]).unwrap().run(&conn) {
            Ok(_) => assert!(is_fine, "{definition}"),
            Err(error) => {
                assert!(!is_fine, "{definition}: {error}");
                assert!(
                    error
                        .to_string()
                        .contains("leaves a foreign key of `leg` that references columns that are not there or not unique"),
                    "{error}"
                );
            }
        }
    }
}

/// A script on a database where the application has temporary objects, and what is said.
#[test]
fn temporary_objects_of_the_application_can_be_used_afterwards() {
    let cases = [
        (
            "CREATE TABLE log(x); CREATE TABLE a(x)",
            "CREATE TEMP VIEW tv AS SELECT x FROM log",
            "DROP TABLE log",
            "it leaves the temporary view `tv` of this connection unusable: no such table: log",
        ),
        (
            "CREATE TABLE log(x); CREATE TABLE a(x)",
            "CREATE TEMP TRIGGER tt AFTER INSERT ON a BEGIN INSERT INTO log VALUES (new.x); END",
            "DROP TABLE log",
            "it leaves the temporary trigger `tt` of this connection unusable: no such table: log",
        ),
        (
            "CREATE TABLE log(x); CREATE TABLE a(x)",
            "CREATE TEMP TABLE own(x); CREATE TEMP TRIGGER tt AFTER INSERT ON own BEGIN INSERT INTO log VALUES (new.x); END",
            "DROP TABLE log",
            "it leaves the temporary trigger `tt` of this connection unusable: no such table: log",
        ),
        (
            "CREATE TABLE log(x); CREATE TABLE a(x)",
            "CREATE TEMP TRIGGER tt AFTER INSERT ON a BEGIN INSERT INTO log(x) VALUES (new.x); END; CREATE TEMP VIEW tv AS SELECT x FROM a",
            "ALTER TABLE log ADD COLUMN y; CREATE TABLE n(x); DROP VIEW IF EXISTS w",
            "",
        ),
        // It could not be used before.
        (
            "CREATE TABLE log(x)",
            "CREATE TEMP VIEW tv AS SELECT x FROM missing, log",
            "ALTER TABLE log ADD COLUMN y",
            "",
        ),
    ];
    for (before, own, script, said) in cases {
        let conn = migrated(before);
        conn.execute_batch(own).unwrap();
        match MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn) {
            Ok(report) => {
                assert_eq!(said, "", "{script}");
                assert_eq!(report.notes, []);
            }
            Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{error}"),
        }
    }
}

#[test]
fn a_view_that_is_created_again_keeps_its_triggers() {
    let view = "CREATE TABLE a(x); CREATE VIEW v AS SELECT x FROM a; CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN INSERT INTO a VALUES (new.x); END;";
    let temporary = "CREATE TABLE a(x); CREATE VIEW v AS SELECT x FROM a;
        CREATE TEMP TRIGGER tt INSTEAD OF INSERT ON v BEGIN INSERT INTO a VALUES (new.x); END;";
    let triggers = "SELECT (SELECT count(*) FROM sqlite_master WHERE type = 'trigger') + (SELECT count(*) FROM sqlite_temp_master)";
    check(&[
        Case(
            view,
            "DROP VIEW v; CREATE VIEW v AS SELECT x, 1 AS y FROM a",
            "~ replaces the view `v` and does not recreate the trigger `vi`; create it in the script after the view `v`",
            triggers,
            "0",
        ),
        Case(
            view,
            "DROP VIEW v; CREATE VIEW V AS SELECT x, 1 AS y FROM a; CREATE TRIGGER VI INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
            "",
            triggers,
            "1",
        ),
        Case(
            view,
            "DROP TRIGGER vi; DROP VIEW v; CREATE VIEW v AS SELECT x, 1 AS y FROM a",
            "",
            triggers,
            "0",
        ),
        Case(view, "DROP VIEW v", "", triggers, "0"),
        Case(
            temporary,
            "DROP VIEW v; CREATE VIEW v AS SELECT x, 1 AS y FROM a",
            "~ this connection's temporary trigger `tt`; create it again on this connection",
            triggers,
            "0",
        ),
        Case(temporary, "CREATE VIEW w AS SELECT x FROM a; DROP VIEW w", "", triggers, "1"),
    ]);
}

#[test]
fn a_temporary_table_hides_only_what_a_script_names() {
    let hides = |kind, name: &str| {
        format!(
            "would use the temporary {kind} `{name}` of this connection instead of `{name}` in the database"
        )
    };
    let (table, view) = (hides("table", "log"), hides("view", "log"));
    let temporary = "CREATE TEMP TABLE log(x)";
    let cases = [
        (temporary, "ALTER TABLE log ADD COLUMN y", &*table),
        (
            temporary,
            "CREATE TABLE n AS SELECT 1 AS a; DELETE FROM n WHERE a IN (SELECT x FROM other, log)",
            &table,
        ),
        (temporary, "CREATE INDEX i ON log(x)", &table),
        (temporary, "ALTER TABLE main.log ADD COLUMN y", ""),
        (temporary, "ALTER TABLE other ADD COLUMN log TEXT", ""),
        (
            temporary,
            "INSERT INTO other SELECT 'log'; WITH log AS (SELECT 1) INSERT INTO other SELECT * FROM log",
            "",
        ),
        (temporary, "DROP TABLE temp.log; ALTER TABLE log ADD COLUMN y", ""),
        ("CREATE TEMP VIEW log AS SELECT x FROM main.other", "INSERT INTO other SELECT x FROM log", &view),
        ("CREATE TEMP VIEW log AS SELECT x FROM main.other", "INSERT INTO main.log SELECT x FROM other", ""),
        (
            "CREATE TEMP TABLE later(x)",
            "CREATE TABLE later(x); INSERT INTO later VALUES (1)",
            &hides("table", "later"),
        ),
        ("CREATE TEMP TABLE later(x)", "CREATE TABLE later(x); INSERT INTO main.later VALUES (1)", ""),
    ];
    for (own, script, said) in cases {
        let conn = migrated("CREATE TABLE log(x); CREATE TABLE other(x)");
        conn.execute_batch(own).unwrap();
        match MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn) {
            Ok(_) => assert_eq!(said, "", "{script}"),
            Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{script}: {error}"),
        }
    }
}

#[test]
fn a_table_that_code_hides_is_found_before_the_next_script() {
    let create =
        |conn: &rusqlite::Connection| conn.execute_batch("CREATE TEMP TABLE s AS SELECT x FROM main.s");
    for outside in [false, true] {
        for (script, is_fine) in
            [("INSERT INTO s VALUES (99)", false), ("INSERT INTO main.s VALUES (99)", true)]
        {
            let conn = migrated("CREATE TABLE s(x); INSERT INTO s VALUES (1)");
            let second = Migration::sql("2_it", script);
            let second = if outside { second.outside_transaction() } else { second };
            let runner = MigrationRunner::new([Migration::code("1_it", create), second]).unwrap();
            match runner.run(&conn) {
                Ok(_) => assert!(is_fine, "{script}"),
                Err(error) => {
                    assert!(!is_fine, "{error}");
                    assert!(error.to_string().contains("would use the temporary table `s`"), "{error}");
                    assert_eq!(applied(&conn), ["1_it"], "{error}");
                }
            }
            assert_eq!(rows(&conn, "SELECT count(*) FROM main.s"), [if is_fine { "2" } else { "1" }]);
        }
    }
}

#[test]
fn temporary_names_follow_renames_and_kinds() {
    check(&[
        // The name is that of a new table of the database after the temporary one was renamed.
        Case(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name); INSERT INTO person VALUES (1,'A'),(2,'B')",
            "CREATE TEMP TABLE n AS SELECT * FROM person; ALTER TABLE n RENAME TO n_old; CREATE TABLE n(id INTEGER PRIMARY KEY, name NOT NULL);
             INSERT INTO n SELECT * FROM n_old WHERE id=1; DROP TABLE person; ALTER TABLE n RENAME TO person",
            "! `person`, which had 2 rows, with a table of 1 row",
            "SELECT count(*) FROM person",
            "2",
        ),
        Case(
            "CREATE TABLE person(id INTEGER PRIMARY KEY, name); INSERT INTO person VALUES (1,'A'),(2,'B')",
            "CREATE TEMP TABLE n AS SELECT * FROM person; ALTER TABLE n RENAME TO n_old; CREATE TABLE n(id INTEGER PRIMARY KEY, name NOT NULL);
             INSERT INTO n SELECT * FROM n_old; DROP TABLE person; ALTER TABLE n RENAME TO person; DELETE FROM n_old; DROP TABLE n_old",
            "",
            "SELECT count(*) FROM person",
            "2",
        ),
        // A temporary trigger does not hide a table.
        Case(
            "CREATE TABLE item(id INTEGER PRIMARY KEY); CREATE TABLE att(i); CREATE TRIGGER tr AFTER DELETE ON item BEGIN DELETE FROM att WHERE i=old.id; END;
             INSERT INTO item VALUES (1); INSERT INTO att VALUES (1),(1)",
            "CREATE TEMP TRIGGER item AFTER INSERT ON main.att BEGIN SELECT 1; END; DELETE FROM item",
            "! it deletes 2 rows of `att`",
            "SELECT count(*) FROM att",
            "2",
        ),
        Case(
            "CREATE TABLE b(x); INSERT INTO b VALUES (1),(2)",
            "CREATE TABLE n(a); CREATE TEMP TRIGGER t AFTER INSERT ON n BEGIN DELETE FROM b; END; INSERT INTO n VALUES (1)",
            "! it deletes 2 rows of `b`",
            "SELECT count(*) FROM b",
            "2",
        ),
    ]);
}

#[test]
fn a_schema_that_is_written_by_hand_fits_the_database() {
    let before = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1,1,9),(2,2,8);
        CREATE TABLE u(id INTEGER PRIMARY KEY, a, b); INSERT INTO u VALUES (1,NULL,NULL)";
    let said = "the database does not fit it";
    for (edit, said) in [
        ("UPDATE sqlite_schema SET sql='CREATE INDEX i ON t(b)' WHERE name='i'", said),
        ("DELETE FROM sqlite_schema WHERE name='u'", said),
        (
            "UPDATE sqlite_schema SET name='w', tbl_name='w', sql='CREATE TABLE w(id INTEGER PRIMARY KEY, a NOT NULL CHECK (a>5), b)' WHERE name='u'",
            said,
        ),
        (
            "UPDATE sqlite_schema SET rootpage=(SELECT rootpage FROM sqlite_schema WHERE name='t') WHERE name='u'",
            said,
        ),
        (
            "UPDATE sqlite_schema SET sql='CREATE VIEW u AS SELECT zz FROM t', type='view', rootpage=0 WHERE name='u'",
            said,
        ),
        (
            "UPDATE sqlite_schema SET name='w', tbl_name='w', sql='CREATE TABLE w(id INTEGER PRIMARY KEY, a, b)' WHERE name='u'",
            "",
        ),
        (
            "UPDATE sqlite_schema SET sql='CREATE TABLE u(id INTEGER PRIMARY KEY, a DEFAULT 5, b)' WHERE name='u'",
            "",
        ),
        ("CREATE TABLE v(x); DROP TABLE u", ""),
    ] {
        let conn = migrated(before);
        let script = format!("PRAGMA writable_schema=ON; {edit}; PRAGMA writable_schema=OFF");
        match MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap().run(&conn) {
            Ok(_) => assert_eq!(said, "", "{edit}"),
            Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{edit}: {error}"),
        }
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{edit}");
    }
    // It was so before.
    let conn = migrated(
        "CREATE TABLE t(a CHECK (a > 5)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (1); PRAGMA ignore_check_constraints = OFF; CREATE TABLE u(a)",
    );
    let script = "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE TABLE u(a DEFAULT 5)' WHERE name='u'";
    MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn).unwrap();
}

#[test]
fn values_are_not_copied_to_columns_of_other_names() {
    let member = "CREATE TABLE member(city TEXT, id TEXT PRIMARY KEY, mail TEXT); INSERT INTO member VALUES ('Ulm','m1','a@x');
        CREATE TABLE a(id TEXT PRIMARY KEY, mail TEXT, city TEXT); INSERT INTO a VALUES ('a1','a@x','Bonn');";
    let into = |insert: &str| -> &'static str {
        format!("CREATE TABLE n(id TEXT PRIMARY KEY, mail TEXT, city TEXT); {insert}").leak()
    };
    let said = "~ copies by position: values of `city` go to the column `id` of `n`";
    let case =
        |insert, said, id| Case(member, into(insert), said, "SELECT id FROM n WHERE city <> 'Bonn'", id);
    check(&[
        case("INSERT INTO n SELECT * FROM a UNION ALL SELECT * FROM member", said, "Ulm"),
        case("INSERT INTO n SELECT * FROM a UNION ALL SELECT id, mail, city FROM member", "", "m1"),
        case("WITH m AS (SELECT * FROM member) INSERT INTO n SELECT * FROM m", said, "Ulm"),
        case("INSERT INTO n WITH m AS (SELECT * FROM member) SELECT * FROM m", said, "Ulm"),
        case("INSERT INTO n WITH m AS (SELECT id, mail, city FROM member) SELECT * FROM m", "", "m1"),
        case("INSERT INTO n SELECT ALL * FROM member", said, "Ulm"),
        case("INSERT INTO n SELECT DISTINCT m.* FROM member AS m", said, "Ulm"),
        case("INSERT INTO n SELECT city, id, mail FROM member", said, "Ulm"),
        case("INSERT INTO n SELECT m.city, m.id, m.mail FROM member AS m", said, "Ulm"),
        case("INSERT INTO n SELECT city AS id, id, mail FROM member", "", "Ulm"),
        case("INSERT INTO n SELECT id, city, city FROM member", "", "m1"),
        case("INSERT INTO n SELECT id, mail, city FROM member", "", "m1"),
        case("ALTER TABLE n ADD COLUMN town; INSERT INTO n SELECT a.*, a.city FROM a", "", ""),
        case(
            "ALTER TABLE n ADD COLUMN town; INSERT INTO n SELECT m.*, m.city FROM member AS m",
            "~ values of `city` go to the column `id`",
            "Ulm",
        ),
        case("INSERT INTO n(city, id, mail) SELECT city, id, mail FROM member", "", "m1"),
        // Expressions beside columns that are elsewhere.
        case("INSERT INTO n SELECT city, id, upper(mail) FROM member", said, "Ulm"),
        case("INSERT INTO n SELECT id, city, upper(city) FROM member", "", "m1"),
        case(
            "ALTER TABLE n ADD COLUMN town; INSERT INTO n SELECT mail, id, city, '' FROM member",
            "~ values of `mail` go to the column `id`",
            "a@x",
        ),
        // Listed columns are meant, unless the old table goes.
        case("INSERT INTO n(id, mail, city) SELECT mail, id, city FROM member", "", "a@x"),
        case(
            "INSERT INTO n(id, mail, city) SELECT mail, id, city FROM member; DROP TABLE a",
            "~ values of `mail` go to the column `id`",
            "a@x",
        ),
        case(
            "INSERT INTO n(id, mail, city) SELECT * FROM member; DROP TABLE a",
            "~ values of `city` go to the column `id`",
            "Ulm",
        ),
        case("INSERT INTO n(city, id, mail) SELECT * FROM member; DROP TABLE a", "", "m1"),
    ]);
    let through = |columns: &str, insert: &str| -> &'static str {
        format!("CREATE TEMP TABLE bak({columns}); INSERT INTO bak SELECT * FROM member; {insert}").leak()
    };
    let clear = "DELETE FROM member; INSERT INTO member SELECT * FROM bak";
    let ids = "SELECT id FROM member";
    check(&[
        Case(member, through("id, mail, city", ""), "~ go to the column `id` of `bak`", ids, "m1"),
        Case(member, through("city, id, mail", clear), "", ids, "m1"),
        Case(
            member,
            "CREATE TEMP TABLE bak AS SELECT id, mail, city FROM member; DELETE FROM member; INSERT INTO member SELECT * FROM bak",
            "~ values of `id` go to the column `city` of `member`",
            ids,
            "a@x",
        ),
    ]);
}

#[test]
fn a_replaced_table_has_its_keys_and_numbers() {
    let rebuild = |definition: &str, columns: &str, then: &str| -> &'static str {
        format!("CREATE TABLE n({definition}); INSERT INTO n SELECT {columns} FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; {then}").leak()
    };
    let (count, one) = ("SELECT count(*) FROM t", "1");
    let leg = "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE q(id INTEGER PRIMARY KEY);
        CREATE TABLE t(id INTEGER PRIMARY KEY, p REFERENCES p(id), q REFERENCES q); INSERT INTO t VALUES (1, NULL, NULL)";
    let numbered = "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, m); INSERT INTO t VALUES (9, 1)";
    let unique = "CREATE TABLE t(id INTEGER PRIMARY KEY, m TEXT); CREATE UNIQUE INDEX u ON t(m); INSERT INTO t VALUES (1, 'A')";
    let plain = "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 1)";
    let gone = "CREATE TABLE t(id INTEGER PRIMARY KEY, mail TEXT, gone INT CHECK (gone IN (0,1)) DEFAULT 0, CHECK (id > 0));
        CREATE INDEX e ON t(lower(mail)); CREATE INDEX p ON t(id) WHERE gone=0; INSERT INTO t VALUES (1,'a',0)";
    check(&[
        Case(
            leg,
            rebuild("id INTEGER PRIMARY KEY, p, q", "*", ""),
            "~ does not recreate the foreign key of `p` to `p` and the foreign key of `q` to `q`",
            count,
            one,
        ),
        Case(
            leg,
            rebuild("id INTEGER PRIMARY KEY, p REFERENCES p(id), q, FOREIGN KEY (q) REFERENCES q", "*", ""),
            "",
            count,
            one,
        ),
        Case(leg, rebuild("id INTEGER PRIMARY KEY, p REFERENCES p(id)", "id, p", ""), "", count, one),
        Case(
            leg,
            rebuild("id INTEGER PRIMARY KEY, p REFERENCES p(id), q", "*", "DROP TABLE q"),
            "",
            count,
            one,
        ),
        Case(
            numbered,
            rebuild("id INTEGER PRIMARY KEY, m, z", "id, m, 1", ""),
            "~ recreate AUTOINCREMENT of `id`",
            count,
            one,
        ),
        Case(numbered, rebuild("id INTEGER PRIMARY KEY AUTOINCREMENT, m, z", "id, m, 1", ""), "", count, one),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, m); INSERT INTO t VALUES (9, 1); UPDATE sqlite_sequence SET seq = 'x'",
            rebuild("id INTEGER PRIMARY KEY AUTOINCREMENT, m", "*", ""),
            "",
            count,
            one,
        ),
        Case(
            unique,
            rebuild("id INTEGER PRIMARY KEY, m TEXT NOT NULL", "*", "CREATE INDEX u ON t(m)"),
            "~ does not recreate the index `u` as a UNIQUE one",
            count,
            one,
        ),
        Case(
            unique,
            rebuild("id INTEGER PRIMARY KEY, m TEXT UNIQUE", "*", "CREATE INDEX u ON t(m)"),
            "",
            count,
            one,
        ),
        Case(
            unique,
            rebuild("id INTEGER PRIMARY KEY, m TEXT", "*", "CREATE UNIQUE INDEX u ON t(m, id)"),
            "",
            count,
            one,
        ),
        Case(
            plain,
            rebuild("id INTEGER PRIMARY KEY DESC, a", "*", ""),
            "~ recreate the numbering of rows by `id` (`id` INTEGER PRIMARY KEY)",
            count,
            one,
        ),
        Case(plain, rebuild("id INTEGER, a, PRIMARY KEY (id)", "*", ""), "", count, one),
        // What mentions a column that went is not missed; the rest is.
        Case(gone, rebuild("id INTEGER PRIMARY KEY, CHECK (id > 0)", "id", ""), "", count, one),
        Case(gone, rebuild("id INTEGER PRIMARY KEY", "id", ""), "~ recreate a CHECK constraint", count, one),
        Case(
            gone,
            rebuild("id INTEGER PRIMARY KEY, mail TEXT, CHECK (id > 0)", "id, mail", ""),
            "~ does not recreate the index `e`;",
            count,
            one,
        ),
        // NOT NULL is the reason for the rebuild.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL); INSERT INTO t VALUES (1, 1)",
            rebuild("id INTEGER PRIMARY KEY, a", "*", ""),
            "",
            count,
            one,
        ),
    ]);
}

#[test]
fn a_type_that_turns_texts_into_numbers_is_found() {
    let replaced = |was: &str, value: &str, is: &str, options: &str| -> [&'static str; 2] {
        let to = |text: String| -> &'static str { text.leak() };
        [
            to(format!(
                "CREATE TABLE t(id INTEGER PRIMARY KEY, a {was}); INSERT INTO t VALUES (1, {value}), (2, NULL)"
            )),
            to(format!(
                "CREATE TABLE n(id INTEGER PRIMARY KEY, a {is}) {options}; INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t"
            )),
        ]
    };
    let case = |[before, script]: [&'static str; 2], said, after| {
        Case(before, script, said, "SELECT typeof(a) FROM t WHERE id = 1", after)
    };
    check(&[
        case(replaced("", "5", "INTEGER", ""), "", "integer"),
        case(
            replaced("", "'05'", "INTEGER", ""),
            "~ whose column `a` had no type and is INTEGER now",
            "integer",
        ),
        case(replaced("BLOB", "x'01'", "INTEGER", ""), "", "blob"),
        case(replaced("TEXT", "'01'", "ANY", ""), "~ whose column `a` was TEXT and is ANY now", "integer"),
        case(replaced("TEXT", "'01'", "ANY", "STRICT"), "", "text"),
        case(replaced("ANY", "'01'", "INTEGER", ""), "", "integer"),
    ]);
}

#[test]
fn what_is_dropped_and_created_again_is_in_neither_list() {
    let before = "CREATE TABLE c(id INTEGER PRIMARY KEY, p); CREATE INDEX ip ON c(p); CREATE INDEX iq ON c(id, p); CREATE VIEW v AS SELECT p FROM c";
    let script = "DROP VIEW v; DROP INDEX ip; DROP INDEX iq; CREATE TABLE n(id INTEGER PRIMARY KEY, p NOT NULL); INSERT INTO n SELECT * FROM c;
        DROP TABLE c; ALTER TABLE n RENAME TO c; CREATE INDEX IP ON c(p); CREATE INDEX ir ON c(id, p); CREATE VIEW v AS SELECT p FROM c";
    let conn = migrated(before);
    let report = MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn).unwrap();
    let account = &report.applied[0].account;
    assert_eq!(account.created, [SchemaObject::new("index", "ir")]);
    assert_eq!(account.dropped, [SchemaObject::new("index", "iq")]);
}

#[test]
fn a_key_to_a_renamed_column_is_said_to_be_missing() {
    check(&[
        Case(
            "CREATE TABLE trip(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE leg(id INTEGER PRIMARY KEY, trip INTEGER REFERENCES trip(id))",
            "CREATE TABLE n(tid INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM trip; DROP TABLE trip; ALTER TABLE n RENAME TO trip",
            "! leaves a foreign key of `leg` that references columns that are not there or not unique",
            "SELECT count(id) FROM trip",
            "0",
        ),
        Case(
            "CREATE TABLE trip(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE leg(id INTEGER PRIMARY KEY, trip INTEGER REFERENCES trip(id))",
            "ALTER TABLE trip RENAME COLUMN id TO tid",
            "",
            "SELECT count(tid) FROM trip",
            "0",
        ),
        // A view is not a parent.
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE leg(x, p REFERENCES p)",
            "DROP TABLE p; CREATE VIEW p AS SELECT 1 AS id",
            "! it leaves a foreign key of `leg` that references the missing table `p`, so no row can be added to `leg`; nothing",
            "SELECT count(*) FROM p",
            "0",
        ),
    ]);
}

/// A unique index may come in a later script.
#[test]
fn a_later_step_can_make_the_columns_of_a_key_unique() {
    let step = |id, script: &'static str| Migration::sql(id, script);
    let rebuild = "CREATE TABLE n(u TEXT); INSERT INTO n SELECT u FROM trip; DROP TABLE trip; ALTER TABLE n RENAME TO trip";
    for rows in ["", "INSERT INTO trip VALUES ('a'); INSERT INTO leg VALUES ('a')"] {
        let conn = migrated(&format!(
            "CREATE TABLE trip(u TEXT UNIQUE); CREATE TABLE leg(trip REFERENCES trip(u)); {rows}"
        ));
        let steps = [step("1_trip", rebuild), step("2_index", "CREATE UNIQUE INDEX trip_u ON trip(u)")];
        let runner = MigrationRunner::new(steps).unwrap();
        let plan = runner.plan(&conn, switchy_schema::Target::Latest).unwrap();
        assert!(plan.failing_step().is_none(), "{plan}");
        let report = runner.run(&conn).unwrap();
        assert_eq!(report.together[0].steps, ["1_trip", "2_index"]);
    }
}

/// A reference to a missing table is a step's declared result if its foreign keys are not to be looked at.
#[test]
fn a_key_to_a_missing_table_is_left_where_keys_are_not_checked() {
    let schema =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id REFERENCES parent (id))";
    for script in ["DROP TABLE parent", "DROP TABLE parent; CREATE TABLE parent (id)"] {
        let conn = migrated(schema);
        let step = || Migration::sql("1_it", script);
        let run = |step| MigrationRunner::new([step]).unwrap().run(&conn);
        let error = run(step()).unwrap_err().to_string();
        assert!(error.contains("or set foreign_keys = \"off\" in its metadata to leave it so"), "{error}");
        run(step().foreign_keys(ForeignKeys::Unchecked)).unwrap();
    }
}
