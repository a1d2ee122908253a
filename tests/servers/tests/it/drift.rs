//! The definitions of a server's database, and drift.

use ::mysql::prelude::Queryable;
use switchy_schema::{
    Backend, Drift, ErrorKind, Migration, MigrationRunner, Mysql, Postgres, ProblemKind, Schema, Signature,
};

use crate::{mysql, postgres};

fn runner<B: Backend>(scripts: &[&str]) -> MigrationRunner<B> {
    let step = |(number, script): (i32, &&str)| {
        Migration::from_scripts(format!("{number}_it"), (*script).to_owned(), None)
    };
    MigrationRunner::for_backend((1..).zip(scripts).map(step).collect::<Vec<_>>()).unwrap()
}

const OBJECTS: &str = "BEGIN;
    CREATE TYPE mood AS ENUM ('good', 'it''s \"bad\"');
    CREATE TYPE pair AS (a int, \"B b\" text);
    CREATE TYPE span AS RANGE (SUBTYPE = float8);
    CREATE DOMAIN name_text AS varchar(40) DEFAULT 'x' NOT NULL CONSTRAINT short CHECK (length(VALUE) < 30);
    CREATE SEQUENCE numbers INCREMENT BY 5 CYCLE;
    CREATE TABLE p (id serial PRIMARY KEY, m mood DEFAULT 'good', n name_text, c text COLLATE \"C\");
    CREATE UNLOGGED TABLE fast (a int) WITH (fillfactor = 70);
    CREATE TABLE \"A Table\" (
        id bigint GENERATED ALWAYS AS IDENTITY, p_id int REFERENCES p ON DELETE CASCADE DEFERRABLE,
        double_id int GENERATED ALWAYS AS (p_id * 2) STORED, days daterange, num int DEFAULT nextval('numbers'),
        at timestamptz NOT NULL DEFAULT now(), UNIQUE (p_id, num), CONSTRAINT positive CHECK (num > 0)
    );
    CREATE TABLE parts (id int, kind text) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
    CREATE INDEX of_parts ON parts (id);
    CREATE TABLE child (extra int) INHERITS (p);
    CREATE INDEX low ON p (lower(c) DESC) INCLUDE (m) WHERE id > 1;
    CREATE VIEW v AS SELECT p.id, a.num FROM p JOIN \"A Table\" a ON a.p_id = p.id;
    CREATE VIEW v2 WITH (security_barrier) AS SELECT * FROM v;
    CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM p;
    CREATE UNIQUE INDEX of_mv ON mv (n);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.c = 'x'; RETURN new; END $$;
    CREATE FUNCTION total(above int, out n bigint) LANGUAGE sql STABLE AS 'SELECT count(*) FROM p WHERE id > above';
    CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE summed(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE TRIGGER touched BEFORE UPDATE ON p FOR EACH ROW WHEN (old.c IS DISTINCT FROM new.c) EXECUTE FUNCTION touch();
    ALTER TABLE p ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON p FOR SELECT USING (c = current_user);
    INSERT INTO p (n, c) VALUES ('one', 'c'), ('two', 'd');
    REFRESH MATERIALIZED VIEW mv;
    COMMIT";

const MORE: &str = "ALTER TABLE p ADD COLUMN later text; ALTER TABLE fast RENAME TO faster; DROP TABLE child;
    ALTER TYPE mood ADD VALUE 'so so'; ALTER TABLE faster DROP COLUMN a, ADD COLUMN b int";

/// `-` missing, `+` extra, `~` changed.
fn short(drift: &Drift) -> String {
    assert_eq!(drift.unknown, None);
    let sign = |it: &switchy_schema::SchemaChange| match (&it.before, &it.after) {
        (Some(_), None) => '-',
        (None, _) => '+',
        _ => '~',
    };
    let one = |it: &switchy_schema::SchemaChange| format!("{}{} {}", sign(it), it.kind, it.name);
    let mut shown: Vec<String> = drift.changes.iter().map(one).collect();
    shown.sort_by(|one, other| one[1..].cmp(&other[1..]));
    shown.join(", ")
}

/// Every schema, and every relation in it.
fn everything(client: &mut ::postgres::Client) -> Vec<String> {
    let sql = "SELECT nspname::text || '.' || coalesce(relname, '') || ':' || coalesce(relfilenode, 0) FROM pg_namespace n
        LEFT JOIN pg_class c ON c.relnamespace = n.oid WHERE nspname !~ '^(pg_|information_schema)' ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn postgres_finds_drift_in_every_kind_of_object() {
    let rows = [
        ("ANALYZE; VACUUM; REFRESH MATERIALIZED VIEW mv; REINDEX TABLE p", ""),
        ("SELECT nextval('numbers'); INSERT INTO parts VALUES (1, 'a')", ""),
        ("GRANT SELECT ON p TO public; COMMENT ON TABLE p IS 'it'", ""),
        ("CREATE SCHEMA other; CREATE TABLE other.x (a int); CREATE EXTENSION IF NOT EXISTS plpgsql", ""),
        ("DROP INDEX low", "-index low"),
        ("DROP INDEX low; CREATE INDEX low ON p (c)", "~index low"),
        ("CREATE INDEX mine ON p (c)", "+index mine"),
        ("DROP INDEX of_mv", "-index of_mv"),
        ("DROP TRIGGER touched ON p", "-trigger touched"),
        ("ALTER TABLE p DISABLE TRIGGER touched", "~trigger touched"),
        ("CREATE OR REPLACE VIEW v2 AS SELECT * FROM v", "~view v2"),
        (
            "CREATE OR REPLACE VIEW v2 WITH (security_barrier) AS SELECT id, num FROM v WHERE id > 2",
            "~view v2",
        ),
        ("DROP MATERIALIZED VIEW mv", "-index of_mv, -materialized view mv"),
        ("ALTER TABLE p ADD COLUMN mine int", "~table p"),
        ("ALTER TABLE p ALTER COLUMN m DROP DEFAULT", "~table p"),
        ("ALTER TABLE \"A Table\" DROP CONSTRAINT positive", "~table A Table"),
        ("ALTER TABLE \"A Table\" ALTER COLUMN id SET GENERATED BY DEFAULT", "~table A Table"),
        ("ALTER TABLE p DISABLE ROW LEVEL SECURITY", "~table p"),
        ("DROP POLICY mine ON p", "-policy mine"),
        ("CREATE TABLE a_table (id int)", "+table a_table"),
        ("DROP TABLE parts_a", "-table parts_a"),
        ("ALTER TYPE mood ADD VALUE 'new'", "~type mood"),
        ("ALTER DOMAIN name_text DROP CONSTRAINT short", "~domain name_text"),
        ("ALTER TYPE pair ADD ATTRIBUTE c int", "~type pair"),
        ("ALTER SEQUENCE numbers INCREMENT BY 6", "~sequence numbers"),
        ("DROP PROCEDURE nothing()", "-procedure nothing()"),
        (
            "CREATE OR REPLACE FUNCTION total(above int, out n bigint) LANGUAGE sql STABLE AS 'SELECT 1::bigint'",
            "~function total(above integer, OUT n bigint)",
        ),
        ("CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1'", "+function total()"),
    ];
    for (by_hand, found) in rows {
        postgres::with(|_, client| {
            let runner = || runner::<Postgres>(&[OBJECTS, MORE]);
            runner().run(client).unwrap();
            assert_eq!(short(&runner().drift(client).unwrap()), "");
            for statement in by_hand.split("; ") {
                client.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            let before = everything(client);
            let drift = runner().drift(client).unwrap();
            assert_eq!(short(&drift), found, "{by_hand}\n{drift}");
            assert_eq!(everything(client), before, "{by_hand}: nothing remains");
            let path: String = client.query_one("SHOW search_path", &[]).unwrap().get(0);
            assert_eq!(path, "\"$user\", public");

            // What carries no data is put back.
            let name = drift.extra().find(|it| it.kind == "index").map(|it| it.name.clone());
            let drift = name.into_iter().fold(drift, Drift::including);
            let is_data =
                |it: &&switchy_schema::SchemaChange| !["index", "trigger", "view"].contains(&&*it.kind);
            let left: Vec<_> = drift.changes.iter().filter(is_data).map(|it| it.name.clone()).collect();
            if left.contains(&"mv".to_owned()) {
                return;
            }
            runner().repair_drift(client, drift, Signature::of("ada")).unwrap();
            let drift = runner().drift(client).unwrap();
            assert_eq!(drift.changes.iter().map(|it| it.name.clone()).collect::<Vec<_>>(), left, "{by_hand}");
            let count: i64 = client.query_one("SELECT count(*) FROM p", &[]).unwrap().get(0);
            assert_eq!(count, 2);
        });
    }
}

/// `DROP VIEW` would take the rights to the view with it.
#[test]
fn postgres_keeps_the_rights_to_a_view_that_is_put_back() {
    postgres::with(|_, client| {
        let script = "CREATE TABLE a (b int, c int); CREATE VIEW v AS SELECT b FROM a; CREATE VIEW on_v AS SELECT b FROM v;
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
            CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION f()";
        let runner = || runner::<Postgres>(&[script]);
        runner().run(client).unwrap();
        client
            .batch_execute("GRANT SELECT ON v TO public; CREATE OR REPLACE VIEW v AS SELECT c AS b FROM a")
            .unwrap();
        let rights = "SELECT relacl::text FROM pg_class WHERE relname = 'v'";
        let before: String = client.query_one(rights, &[]).unwrap().get(0);
        let drift = runner().drift(client).unwrap();
        assert_eq!(short(&drift), "~view v");
        assert!(drift.sql().contains("CREATE OR REPLACE VIEW v AS"), "{}", drift.sql());
        runner().repair_drift(client, drift, Signature::of("ada")).unwrap().unwrap();
        assert_eq!(short(&runner().drift(client).unwrap()), "");
        let after: String = client.query_one(rights, &[]).unwrap().get(0);
        assert_eq!(after, before);

        // With another column it cannot be replaced without being dropped.
        client.batch_execute("CREATE OR REPLACE VIEW v AS SELECT b, c FROM a").unwrap();
        let drift = runner().drift(client).unwrap();
        let error = runner().repair_drift(client, drift, Signature::of("ada")).unwrap_err();
        assert!(
            error.to_string().contains("cannot create the view `v`: cannot drop columns from view"),
            "{error}"
        );
        assert_eq!(short(&runner().drift(client).unwrap()), "~view v");
    });
}

#[test]
fn postgres_says_why_drift_is_not_known_and_touches_nothing() {
    let rows: [(&[&str], &str); 9] = [
        (
            &["CREATE TABLE public.a (b int)"],
            "`1_it` names the schema `public`, so it would not stay in an empty one",
        ),
        (
            &["CREATE TABLE a (b int)", "SET search_path = public; CREATE TABLE c (b int)"],
            "`2_it` has `SET SEARCH_PATH`",
        ),
        (&["CREATE TABLE a (b int); GRANT SELECT ON a TO public"], "`1_it` has `GRANT SELECT`"),
        (&["CREATE SCHEMA x; CREATE TABLE x.a (b int)"], "`1_it` has `CREATE SCHEMA`"),
        (&["DO $$ BEGIN EXECUTE 'CREATE TABLE a (b int)'; END $$"], "`1_it` has `execute`"),
        (
            &[
                "CREATE TABLE a (b int)",
                "DO $$ BEGIN IF (SELECT count(*) = 0 FROM a) THEN RAISE 'empty'; END IF; END $$",
            ],
            "`2_it` fails in an empty schema, at 1:1: empty",
        ),
        (&["CREATE TABLE a (b int)", "CREATE INDEX CONCURRENTLY i ON a (b)"], "`2_it` has `CREATE INDEX`"),
        (&["CREATE TABLE IF NOT EXISTS live (b int); INSERT INTO live VALUES (1); DROP TABLE live"], ""),
        (&["CREATE EXTENSION IF NOT EXISTS plpgsql"], "`1_it` has `CREATE EXTENSION`"),
    ];
    for (scripts, expected) in rows {
        postgres::with(|_, client| {
            let runner = || runner::<Postgres>(scripts);
            client
                .batch_execute("CREATE TABLE other_live (n int); INSERT INTO other_live VALUES (1)")
                .unwrap();
            if scripts.len() > 1 && scripts[1].contains("RAISE") {
                runner().run_to(client, switchy_schema::Target::Steps(1)).unwrap();
                client.batch_execute("INSERT INTO a VALUES (1)").unwrap();
            }
            runner().run(client).unwrap_or_else(|error| panic!("{scripts:?}: {error}"));
            if expected.is_empty() {
                // A table of the same name is not what the script means when it runs again.
                client.batch_execute("CREATE TABLE live (b int); INSERT INTO live VALUES (7)").unwrap();
                assert_eq!(short(&runner().drift(client).unwrap()), "+table live, +table other_live");
                let kept: i32 = client.query_one("SELECT b FROM live", &[]).unwrap().get(0);
                assert_eq!(kept, 7);
                return;
            }
            let before = everything(client);
            let drift = runner().drift(client).unwrap();
            assert!(
                drift.to_string().starts_with(&format!("drift cannot be determined: {expected}")),
                "{drift}"
            );
            assert_eq!(everything(client), before);
            let error = runner().repair_drift(client, drift, Signature::of("ada")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Recovery);
        });
    }
}

#[test]
fn postgres_says_that_its_role_may_not_make_a_schema() {
    postgres::with(|_, client| {
        let runner = || runner::<Postgres>(&["CREATE TABLE a (b int)"]);
        runner().run(client).unwrap();
        let database: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
        let role = format!("reader_of_{database}");
        client
            .batch_execute(&format!(
                "CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; SET ROLE {role}"
            ))
            .unwrap();
        let said = runner().drift(client).unwrap().to_string();
        client.batch_execute(&format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
        assert!(
            said.starts_with(
                "drift cannot be determined: no empty schema can be made beside it: permission denied for database"
            ),
            "{said}"
        );
    });
}

#[test]
fn postgres_looks_at_the_schema_of_the_tracking_table_only() {
    postgres::with(|_, client| {
        client
            .batch_execute("CREATE SCHEMA own; CREATE TABLE in_public (a int); SET search_path = own")
            .unwrap();
        let runner = || runner::<Postgres>(&["CREATE TABLE a (b int)"]).schema("own").unwrap();
        runner().run(client).unwrap();
        client.batch_execute("RESET search_path").unwrap();
        let names =
            |schema: &Schema| schema.definitions().iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&runner().dump_schema(client).unwrap()), ["a"]);
        assert_eq!(short(&runner().drift(client).unwrap()), "");
        client.batch_execute("CREATE INDEX i ON own.a (b)").unwrap();
        let drift = runner().drift(client).unwrap();
        assert_eq!(short(&drift), "+index i");
        let error = runner().repair_drift(client, drift.including("i"), Signature::of("ada")).unwrap_err();
        assert!(error.to_string().contains("not the one in which names are looked up first"), "{error}");
    });
}

#[test]
fn a_validation_on_postgres_reports_drift() {
    postgres::with(|_, client| {
        let runner = || runner::<Postgres>(&["CREATE TABLE a (b int); CREATE INDEX i ON a (b)"]);
        runner().run(client).unwrap();
        client.batch_execute("DROP INDEX i").unwrap();
        let found = runner().validate(client).unwrap();
        let drift: Vec<_> =
            found.iter().filter(|it| it.kind == ProblemKind::Drift).map(ToString::to_string).collect();
        assert_eq!(drift, ["`i` is missing: the applied migrations create this index; call `repair_drift`"]);
    });
}

#[test]
fn mysql_reads_definitions_that_do_not_depend_on_the_session() {
    mysql::with(|_, conn| {
        let runner = || {
            runner::<Mysql>(&[
                "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, n VARCHAR(40) DEFAULT 'x', KEY by_n (n));
                CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
                CREATE VIEW v AS SELECT id FROM p;
                CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW SET NEW.n = UPPER(NEW.n);
                CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
                CREATE PROCEDURE q() SELECT 1;
                CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO SET @x = 1;",
            ])
        };
        runner().run(conn).unwrap();
        let first = runner().dump_schema(conn).unwrap();
        let shown: Vec<_> =
            first.definitions().iter().map(|it| format!("{} {} {}", it.kind, it.name, it.table)).collect();
        assert_eq!(
            shown,
            [
                "table c c",
                "event e e",
                "function f f",
                "table p p",
                "trigger t p",
                "procedure q q",
                "view v v"
            ]
        );
        for definition in first.definitions() {
            assert!(definition.sql.starts_with("CREATE "), "{definition:?}");
            assert!(
                !definition.sql.contains("DEFINER=`") && !definition.sql.contains("AUTO_INCREMENT="),
                "{definition:?}"
            );
        }
        conn.query_drop("INSERT INTO p (n) VALUES ('a'), ('b')").unwrap();
        conn.query_drop("SET sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES', sql_quote_show_create = 0").unwrap();
        assert_eq!(runner().dump_schema(conn).unwrap(), first);
        let mode: Option<(String, bool)> =
            conn.query_first("SELECT @@sql_mode, @@sql_quote_show_create").unwrap();
        assert_eq!(
            mode,
            Some(("ANSI_QUOTES,STRICT_ALL_TABLES".to_owned(), false)),
            "the session is as before"
        );
        conn.query_drop("ALTER TABLE p ADD later INT").unwrap();
        let second = runner().dump_schema(conn).unwrap();
        let changes = first.changes_to(&second);
        assert_eq!(changes.iter().map(|it| it.name.clone()).collect::<Vec<_>>(), ["p"]);
        assert!(changes[0].diff().contains("later"), "{}", changes[0].diff());
    });
}

#[test]
fn mysql_says_that_drift_is_not_known_there() {
    mysql::with(|_, conn| {
        let runner = || runner::<Mysql>(&["CREATE TABLE a (b INT)"]);
        runner().run(conn).unwrap();
        let drift = runner().drift(conn).unwrap();
        let databases = |conn: &mut ::mysql::Conn| -> Vec<String> { conn.query("SHOW DATABASES").unwrap() };
        let before = databases(conn);
        assert!(
            drift.to_string().starts_with(
                "drift cannot be determined: MySQL commits each statement that changes a schema"
            ),
            "{drift}"
        );
        assert_eq!(databases(conn), before);
        assert!(runner().repair_drift(conn, drift, Signature::of("ada")).is_err());
        let found = runner().validate(conn).unwrap();
        assert!(found.iter().all(|it| it.kind != ProblemKind::Drift), "it is no finding about the database");
    });
}
