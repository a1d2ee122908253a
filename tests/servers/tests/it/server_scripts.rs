//! Scripts of public sets must have the same effect as with `psql` and the `mariadb` client.

use mysql::prelude::Queryable;
use switchy_schema::{
    Backend, ErrorKind, Migration, MigrationError, MigrationRunner, Mysql, Postgres, Recovery, Signature,
};

use crate::mysql::rows as my_rows;
use crate::postgres::rows as pg_rows;
use crate::servers;

/// Whether a script is run inside a transaction, outside one, or both ways.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Inside,
    Outside,
    Both,
}
use Where::{Both, Inside, Outside};

impl Where {
    fn each(self) -> Vec<bool> {
        match self {
            Inside => vec![true],
            Outside => vec![false],
            Both => vec![true, false],
        }
    }
}

fn migration<B: Backend>(script: &str, is_inside: bool) -> Migration<B> {
    let it = Migration::from_scripts("1_größe", script.to_owned(), None);
    if is_inside { it } else { it.outside_transaction() }
}

/// The line and the column of an error.
fn place_of(error: &MigrationError) -> String {
    let position = error.location().and_then(|at| at.position);
    position.map_or_else(String::new, |at| format!("{}:{}", at.line, at.column))
}

#[test]
fn postgres_runs_what_psql_runs() {
    let rows = [
        (Outside, "BEGIN READ ONLY; SELECT 1; COMMIT; INSERT INTO a VALUES (1)", "1"),
        (Outside, "BEGIN; SET TRANSACTION READ ONLY; SELECT 1; END; BEGIN; INSERT INTO a VALUES (1); COMMIT", "1"),
        (Outside, "START TRANSACTION READ ONLY; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT; INSERT INTO a VALUES (2)", "2"),
        (Both, "INSERT INTO a VALUES (1); SET ROLE pg_monitor; SELECT 1; RESET ROLE; INSERT INTO a VALUES (2)", "1 2"),
        (Both, "INSERT INTO a VALUES (1); SET ROLE 'pg_monitor'; SELECT 1", "1"),
        (Both, "SET SESSION AUTHORIZATION pg_monitor; SELECT 1", ""),
        (Both, "SELECT set_config('role', 'pg_monitor', false); SELECT 1", ""),
        (
            Outside,
            "BEGIN; SET LOCAL ROLE pg_monitor; SELECT 1; COMMIT; INSERT INTO a VALUES (3); BEGIN; SET ROLE pg_monitor; COMMIT;
            INSERT INTO a SELECT 4 WHERE current_user <> 'pg_monitor'",
            "denied",
        ),
        (Both, "SET client_encoding = 'LATIN1'; INSERT INTO a VALUES (1); SET NAMES 'SQL_ASCII'; INSERT INTO a VALUES (2)", "1 2"),
        (
            Outside,
            "BEGIN; INSERT INTO a VALUES (1); ROLLBACK AND CHAIN; INSERT INTO a VALUES (2); COMMIT AND CHAIN; INSERT INTO a VALUES (3);
            ROLLBACK; INSERT INTO a VALUES (4)",
            "2 4",
        ),
        (Outside, "BEGIN; INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); ROLLBACK; INSERT INTO a VALUES (3)", "3"),
        (Both, "\\restrict 5uJzR\nINSERT INTO a VALUES (1);\n\n--\n\\unrestrict 5uJzR\n", "1"),
    ];
    for (places, script, expected) in rows {
        for is_inside in places.each() {
            let Some(database) = servers::postgres() else { return };
            let mut client = database.connect();
            client.batch_execute("CREATE TABLE a (b int)").unwrap();
            let it = MigrationRunner::<Postgres>::for_backend([migration(script, is_inside)]).unwrap();
            let outcome = it.run(&mut client).map_err(|error| error.to_string());
            if expected == "denied" {
                let error = outcome.unwrap_err();
                assert!(error.contains("permission denied for table a"), "{script}: {error}");
                continue;
            }
            outcome.unwrap_or_else(|error| panic!("{script}: {error}"));
            assert_eq!(pg_rows(&mut client, "SELECT b FROM a ORDER BY b").join(" "), expected, "{script}");
            let who = "SELECT current_user = session_user AND current_setting('client_encoding') = 'UTF8'";
            assert_eq!(pg_rows(&mut client, who), ["t"], "{script}");
            assert!(it.run(&mut client).unwrap().is_up_to_date(), "{script}");
        }
    }
}

#[test]
fn postgres_says_where_and_why_a_script_is_refused() {
    let rows = [
        (
            Outside,
            "SELECT 1;\nSET default_transaction_read_only = on; SELECT 1",
            "2:1",
            "leave default_transaction_read_only",
        ),
        (Outside, "BEGIN;\nPREPARE TRANSACTION 'q'; COMMIT PREPARED 'q'", "2:1", "several databases"),
        (
            Outside,
            "CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); SET TRANSACTION READ ONLY;\nCOMMIT AND CHAIN",
            "2:1",
            "read-only transaction",
        ),
        (
            Both,
            "CREATE TABLE a (b int);\nDROP TABLE __switchy_migrations",
            "2:1",
            "it changes the tracking table",
        ),
        (
            Inside,
            "CREATE TABLE a (b int);\nDO $$ BEGIN EXECUTE 'DROP TABLE __switchy' || '_migrations'; END $$",
            "",
            "it changes the tracking table",
        ),
    ];
    for (places, script, place, word) in rows {
        for is_inside in places.each() {
            let Some(database) = servers::postgres() else { return };
            let mut client = database.connect();
            let before =
                MigrationRunner::<Postgres>::for_backend([Migration::sql("0_it", "SELECT 1")]).unwrap();
            before.run(&mut client).unwrap();
            let set = vec![Migration::sql("0_it", "SELECT 1"), migration(script, is_inside)];
            let it = MigrationRunner::<Postgres>::for_backend(set).unwrap();
            let error = it.run(&mut client).unwrap_err();
            let told = place_of(&error);
            assert!(error.to_string().contains(word), "{script}: {error}");
            assert_eq!(told, place, "{script}: {error}");
        }
    }
}

/// `DISCARD ALL` resets the role that the application set.
#[test]
fn notes_are_written_as_who_the_application_is() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let [login, owner] = ["login", "owner"].map(|role| format!("{role}_{}", std::process::id()));
    let roles = format!(
        "CREATE ROLE {owner}; CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}"
    );
    client.batch_execute(&roles).unwrap();
    let mut config: ::postgres::Config = database.url.parse().unwrap();
    // A server that the tests did not start may require a password.
    let Ok(mut theirs) = config.user(&login).connect(::postgres::NoTls) else { return };
    theirs.batch_execute(&format!("SET ROLE {owner}")).unwrap();
    let it = MigrationRunner::<Postgres>::for_backend([migration("DISCARD ALL; SELECT 1", false)]).unwrap();
    it.run(&mut theirs).unwrap();
    assert_eq!(pg_rows(&mut theirs, "SELECT current_user::text"), [owner]);
}

#[test]
fn a_transaction_of_a_script_on_postgres_is_noted_once() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let notes = "INSERT INTO notes SELECT pg_stat_get_xact_tuples_updated('__switchy_migrations'::regclass);";
    let script = format!("CREATE TABLE notes (n int); BEGIN; {} COMMIT", notes.repeat(20));
    let it = MigrationRunner::<Postgres>::for_backend([migration(&script, false)]).unwrap();
    it.run(&mut client).unwrap();
    let most = "SELECT count(DISTINCT n), count(*) FROM notes";
    assert_eq!(pg_rows(&mut client, most), ["1|20"]);
}

#[test]
fn mysql_runs_what_its_client_runs() {
    let rows = [
        ("BEGIN; INSERT INTO a VALUES (1); SET autocommit = 1; INSERT INTO a VALUES (2); ROLLBACK", ""),
        ("COMMIT AND CHAIN; INSERT INTO a VALUES (1); ROLLBACK; INSERT INTO a VALUES (2)", "2"),
        (
            "BEGIN; INSERT INTO a VALUES (1); ROLLBACK AND CHAIN; INSERT INTO a VALUES (2); ROLLBACK; INSERT INTO a VALUES (3)",
            "3",
        ),
        ("BEGIN; INSERT INTO a VALUES (1); LOCK TABLES a WRITE; INSERT INTO a VALUES (2); UNLOCK TABLES; INSERT INTO a VALUES (3)", "1 2 3"),
        (
            "SET autocommit = 0; INSERT INTO a VALUES (1); ROLLBACK; INSERT INTO a VALUES (2); ROLLBACK; INSERT INTO a VALUES (3);
            COMMIT; SET autocommit = 1",
            "3",
        ),
        (
            "SET autocommit = 0; INSERT INTO a VALUES (1); ANALYZE TABLE a; INSERT INTO a VALUES (2); ROLLBACK; CREATE TABLE b (n INT);
            INSERT INTO a VALUES (3); ROLLBACK; INSERT INTO a VALUES (4); SET autocommit = 1; INSERT INTO a VALUES (5)",
            "1 4 5",
        ),
        ("BEGIN; INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); ROLLBACK", "1"),
        ("BEGIN; INSERT INTO a VALUES (1); CHECKSUM TABLE a; INSERT INTO a VALUES (2); ROLLBACK", ""),
        ("BEGIN; INSERT INTO a VALUES (1); CHECK TABLE a; INSERT INTO a VALUES (2); ROLLBACK", "1 2"),
        ("BEGIN; INSERT INTO a VALUES (1); UNLOCK TABLES; INSERT INTO a VALUES (2); ROLLBACK", ""),
        ("UNLOCK TABLES; LOCK TABLES a WRITE; START TRANSACTION; INSERT INTO a VALUES (1); UNLOCK TABLES; ROLLBACK", ""),
        ("BEGIN; INSERT INTO a VALUES (1); CALL p(); INSERT INTO a VALUES (2); ROLLBACK", ""),
        ("BEGIN; CALL p(); CALL p(); ROLLBACK; INSERT INTO a VALUES (2)", "2"),
        ("BEGIN; CALL p(); COMMIT; CALL p(); INSERT INTO a VALUES (2)", "2 9 9"),
        ("BEGIN; INSERT INTO a VALUES (1); CALL ends(); INSERT INTO a VALUES (2); ROLLBACK", "1 2"),
        ("PREPARE s FROM 'INSERT INTO a VALUES (2)'; BEGIN; INSERT INTO a VALUES (1); EXECUTE s; ROLLBACK; EXECUTE s", "2"),
        ("SET autocommit = 0; INSERT INTO a VALUES (1); CALL p(); ROLLBACK; INSERT INTO a VALUES (2); COMMIT", "2"),
        ("START TRANSACTION READ ONLY; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT; INSERT INTO a VALUES (1)", "1"),
        // The output of `mariadb-dump --no-autocommit`.
        (
            "LOCK TABLES a WRITE; set autocommit=0; INSERT INTO a VALUES (1); UNLOCK TABLES; commit;
            LOCK TABLES a WRITE; set autocommit=0; INSERT INTO a VALUES (2); UNLOCK TABLES; commit",
            "1 2",
        ),
        (
            "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0; INSERT INTO a VALUES (1); SET AUTOCOMMIT=@OLD_AUTOCOMMIT;
            INSERT INTO a VALUES (2); ROLLBACK",
            "1 2",
        ),
        ("SET @it = 'ON', autocommit = 0; INSERT INTO a VALUES (1); SET autocommit = @it; ROLLBACK", "1"),
        ("SET @it = 0, autocommit = 0; INSERT INTO a VALUES (1); SET autocommit = @it; ROLLBACK; SET autocommit = 1", ""),
    ];
    for (script, expected) in rows {
        let Some(database) = servers::mysql() else { return };
        let mut conn = database.connect();
        conn.query_drop("CREATE TABLE a (n INT)").unwrap();
        conn.query_drop("CREATE PROCEDURE p() INSERT INTO a VALUES (9)").unwrap();
        conn.query_drop("CREATE PROCEDURE ends() COMMIT").unwrap();
        let it = MigrationRunner::<Mysql>::for_backend([migration(script, false)]).unwrap();
        it.run(&mut conn).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(my_rows(&mut conn, "SELECT n FROM a ORDER BY n").join(" "), expected, "{script}");
        assert!(it.run(&mut conn).unwrap().is_up_to_date(), "{script}");
    }
}

#[test]
fn what_a_statement_commits_on_mysql_is_not_done_again() {
    let ends = [
        "START TRANSACTION",
        "ANALYZE TABLE a",
        "CREATE TABLE b (n INT)",
        "COMMIT",
        "LOCK TABLES a WRITE; UNLOCK TABLES",
        "LOCK TABLES a WRITE; SET autocommit = 0; UNLOCK TABLES",
        "SET DEFAULT ROLE NONE",
        "CHECKSUM TABLE a",
        "SET @on = 1; SET autocommit = 0; SET autocommit = @on",
        "CALL ends()",
        "CALL nothing(); CALL nothing()",
    ];
    for begin in ["BEGIN", "SET autocommit = 0"] {
        for end in ends {
            let Some(database) = servers::mysql() else { return };
            let mut conn = database.connect();
            conn.query_drop("CREATE TABLE a (n INT)").unwrap();
            conn.query_drop("CREATE PROCEDURE ends() COMMIT").unwrap();
            conn.query_drop("CREATE PROCEDURE nothing() SET @a = 1").unwrap();
            let script =
                format!("{begin}; INSERT INTO a VALUES (1); {end}; INSERT INTO missing VALUES (2); COMMIT");
            let it = MigrationRunner::<Mysql>::for_backend([migration(&script, false)]).unwrap();
            assert_eq!(it.run(&mut conn).unwrap_err().kind(), ErrorKind::Step, "{script}");
            conn.query_drop("CREATE TABLE missing (n INT)").unwrap();
            it.recover(&mut conn, Recovery::Retry("1_größe".into()), Signature::of("ada")).unwrap();
            it.run(&mut conn).unwrap_or_else(|error| panic!("{script}: {error}"));
            assert_eq!(my_rows(&mut conn, "SELECT n FROM a"), ["1"], "{script}");
            assert_eq!(my_rows(&mut conn, "SELECT n FROM missing"), ["2"], "{script}");
        }
    }
}

#[test]
fn mysql_says_where_and_why_a_script_is_refused() {
    let rows = [
        (
            Outside,
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; CREATE TABLE a (b TEXT);\nINSERT INTO a VALUES ('\\'); INSERT INTO a VALUES ('y;\\')",
            "2:24",
            "NO_BACKSLASH_ESCAPES",
        ),
        (
            Outside,
            "CREATE TABLE a (b INT);\nXA START 'q'; XA END 'q'; XA PREPARE 'q'; XA COMMIT 'q'",
            "2:1",
            "several databases",
        ),
    ];
    for (places, script, place, word) in rows {
        for is_inside in places.each() {
            let Some(database) = servers::mysql() else { return };
            let it = MigrationRunner::<Mysql>::for_backend([migration(script, is_inside)]).unwrap();
            let error = it.run(&mut database.connect()).unwrap_err();
            let told = place_of(&error);
            assert!(error.to_string().contains(word), "{script}: {error}");
            assert_eq!(told, place, "{script}: {error}");
        }
    }
}

#[test]
fn records_are_kept_in_every_language_of_the_server() {
    for language in ["pt_BR", "sv_SE", "hu_HU", "zh_CN", "ko_KR", "ja_JP", "de_DE"] {
        let Some(database) = servers::mysql() else { return };
        let mut conn = database.connect();
        // A server without its message files does not support this language.
        if conn.query_drop(format!("SET lc_messages = '{language}'")).is_err() {
            continue;
        }
        let it = MigrationRunner::<Mysql>::for_backend([migration("CREATE TABLE a (n INT)", false)]).unwrap();
        it.run(&mut conn).unwrap_or_else(|error| panic!("{language}: {error}"));
    }
}
