//! Session state that the engine does not query for each migration is still correct.

use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use switchy_schema::backend::Records;
use switchy_schema::{Backend, FaultKind, Migration, MigrationRunner, Mysql, Postgres, Record, TableName};

use crate::{mysql as on_mysql, postgres as on_postgres};

fn set<B: Backend>(scripts: &[&str]) -> MigrationRunner<B> {
    let migration = |(number, script): (usize, &&str)| {
        Migration::from_scripts(format!("{number}_it"), (*script).to_owned(), None)
    };
    let set: Vec<Migration<B>> = (1..).zip(scripts).map(migration).collect();
    MigrationRunner::for_backend(set).unwrap()
}

#[test]
fn what_a_definition_sets_on_the_session_of_postgres_is_set_back() {
    let before = "CREATE TABLE t (a INT, b TEXT DEFAULT set_config('work_mem', '5MB', false))";
    let function =
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT set_config('work_mem', '5MB', false) $$";
    let table = format!("{function}; CREATE TABLE t (a INT, b TEXT DEFAULT f())");
    let trigger = "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '5MB'; RETURN NEW; END $$;
        CREATE TABLE t (a INT); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()";
    for (by_hand, made) in [
        (before, "SELECT 1"),
        (&*table, "SELECT 2"),
        (trigger, "SELECT 3"),
        ("", before),
        ("", &table),
        ("", trigger),
    ] {
        on_postgres::with(|_, client| {
            client.batch_execute(by_hand).unwrap();
            client.batch_execute("SET work_mem = '7MB'; SET app.tenant = 'ada'").unwrap();
            let it = set::<Postgres>(&[
                "CREATE TABLE a (x INT)",
                made,
                "INSERT INTO t (a) VALUES (1)",
                "SET work_mem = '6MB'; SET LOCAL app.tenant = 'bob'",
                "INSERT INTO t (a) SELECT CASE current_setting('work_mem') WHEN '7MB' THEN 2 END",
            ]);
            assert_eq!(it.run(&mut *client).unwrap().applied.len(), 5);
            assert_eq!(on_postgres::rows(client, "SELECT a FROM t ORDER BY a"), ["1", "2"], "{made}");
            assert_eq!(on_postgres::rows(client, "SHOW work_mem"), ["7MB"], "{by_hand} {made}");
            assert_eq!(on_postgres::rows(client, "SHOW app.tenant"), ["ada"], "{by_hand} {made}");
        });
    }
}

#[test]
fn a_record_is_added_to_mysql_only_where_no_other_was() {
    on_mysql::with(|database, conn| {
        set::<Mysql>(&["CREATE TABLE a (x INT)"]).run(&mut *conn).unwrap();
        let table = TableName::default();
        let head = Mysql::head(&mut &mut *conn, &table).unwrap();
        let append = |name: &str, patience| {
            let mut conn = database.connect();
            let digest = head.digest.unwrap();
            Mysql::append_if_head(&mut &mut conn, &table, head, &Record::new(name, None), digest, patience)
        };
        conn.query_drop("START TRANSACTION; INSERT INTO __switchy_migrations (name) VALUES ('other')")
            .unwrap();
        match append("late", Duration::from_secs(1)) {
            Err(fault) => assert_eq!(fault.kind(), FaultKind::Busy),
            // MySQL allows this in a transaction of several statements.
            Ok(did) => return assert_eq!(did, None),
        }
        let did = thread::scope(|scope| {
            let waits = scope.spawn(|| append("late", Duration::from_secs(3600)).unwrap());
            thread::sleep(Duration::from_millis(300));
            assert!(!waits.is_finished());
            conn.query_drop("COMMIT").unwrap();
            waits.join().unwrap()
        });
        assert_eq!(did, Some(false));
        conn.query_drop("DELETE FROM __switchy_migrations WHERE name = 'other'").unwrap();
        assert_eq!(append("it", Duration::from_secs(1)).unwrap(), Some(true));
        assert_eq!(append("again", Duration::from_secs(1)).unwrap(), Some(false));
        assert_eq!(
            on_mysql::rows(conn, "SELECT name FROM __switchy_migrations ORDER BY place"),
            ["1_it", "it"]
        );
    });
}
