//! What a plan for a server says a script takes away: its words name it, and the catalogue says what that is and what goes with it.
//!
//! `DROP SCHEMA ... CASCADE`, `DROP DATABASE`, `CREATE OR REPLACE TABLE` and others passed the question of a protected environment unseen,
//! since the text alone was read and did not name the tables (as with a goose migration of opentdf).

use mysql::prelude::Queryable;
use switchy_schema::{
    Backend, EffectKind, ErrorKind, Evidence, Hooks, Migration, MigrationRunner, Mysql, Plan, Policy,
    Postgres, ProblemKind, Target, Verdict,
};

use crate::servers;
use crate::{mysql as my, postgres as pg};

fn runner<B: Backend>(script: &str) -> MigrationRunner<B> {
    let it = Migration::from_scripts("1_it", script.to_owned(), None);
    let it = if script.contains("DATABASE") && B::DIALECT == switchy_schema::Dialect::Postgres {
        it.outside_transaction()
    } else {
        it
    };
    MigrationRunner::for_backend([it]).unwrap()
}

/// The effects of the plan in words, without the numbers of rows, which are estimates.
fn effects(plan: &Plan) -> String {
    let effects = plan.steps()[0].effects.as_deref().unwrap();
    let words = effects.iter().map(|effect| {
        let mut effect = effect.clone();
        effect.rows = None;
        effect.to_string()
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Whether a protected environment asks before it runs the script. If it does not, a hook ends the run before the first statement.
fn asks<B: Backend>(script: &str, conn: B::Conn<'_>) -> bool {
    let stop = Hooks::for_backend().before(|_, _| Err("not asked".into()));
    let runner = runner::<B>(script).environment("production").policy(Policy::default()).hooks(stop);
    let error = runner.run(conn).unwrap_err();
    let is_asked = error.kind() == ErrorKind::Refused;
    assert!(error.problems().iter().all(|it| it.kind == ProblemKind::Unconfirmed), "{script}: {error}");
    assert!(is_asked || error.kind() == ErrorKind::Hook, "{script}: {error}");
    is_asked
}

const POSTGRES: &str = "CREATE SCHEMA crm; CREATE TABLE crm.c (id int); INSERT INTO crm.c VALUES (1);
    CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN mail AS text;
    CREATE TABLE t (id int PRIMARY KEY, m mood, e mail, short varchar(9), n numeric(10,4));
    INSERT INTO t SELECT i, 'a', 'x', 'y', 1 FROM generate_series(1, 100) i; ANALYZE t;
    CREATE TABLE u (id int REFERENCES t); CREATE TABLE w (id int REFERENCES t);
    CREATE VIEW v AS SELECT c.id, t.m FROM crm.c c, t; CREATE VIEW v2 AS SELECT id FROM v;
    CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'; CREATE VIEW of_f AS SELECT f();
    CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM u';
    CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION g();
    CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM u';
    CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1);
    CREATE FUNCTION h(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE TABLE uses_h (a int DEFAULT h(1) CHECK (h(a) > 0), b int GENERATED ALWAYS AS (h(a)) STORED); CREATE INDEX h_i ON uses_h (h(a));
    CREATE FUNCTION dice() RETURNS float LANGUAGE sql VOLATILE AS 'SELECT random()';
    CREATE TABLE owner (id int PRIMARY KEY); CREATE TABLE owned (id int REFERENCES owner ON DELETE CASCADE);
    CREATE TABLE par (a int); CREATE TABLE kid (b int) INHERITS (par);
    CREATE TYPE pair AS (x int, y int); CREATE TABLE typed OF pair;
    CREATE FUNCTION noted() RETURNS int LANGUAGE plpgsql AS 'BEGIN -- do not update callers
        /* or delete */ RETURN length(''do'' || ''drop, it''); END';
    CREATE FUNCTION sly() RETURNS void LANGUAGE plpgsql AS $b$BEGIN PERFORM $$it's$$; DELETE FROM u; PERFORM 'a'; END$b$;
    CREATE FUNCTION nested() RETURNS void LANGUAGE plpgsql AS $b$BEGIN /* /* */ ' */ DELETE FROM u; PERFORM 'a'; END$b$;
    CREATE FUNCTION \"Wipe\"() RETURNS void LANGUAGE sql AS 'DELETE FROM u';
    CREATE FUNCTION wipes() RETURNS void LANGUAGE sql AS 'SELECT \"Wipe\"()';
    CREATE TABLE lists (a int PRIMARY KEY) PARTITION BY LIST (a); CREATE TABLE list1 PARTITION OF lists FOR VALUES IN (1);
    CREATE TABLE of_list1 (a int REFERENCES list1 ON DELETE CASCADE); CREATE TABLE of_lists (a int REFERENCES lists ON DELETE CASCADE);
    CREATE TABLE ma (a int); CREATE TABLE pa (a int); CREATE TABLE son () INHERITS (ma, pa); CREATE TABLE daughter () INHERITS (ma);
    CREATE TABLE grandson () INHERITS (ma, daughter);
    CREATE FUNCTION clean() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF tg_op = ''INSERT'' THEN DELETE FROM u; END IF; RETURN new; END';
    CREATE TABLE cleaned (a int); CREATE TRIGGER cleans BEFORE INSERT ON cleaned FOR EACH ROW EXECUTE FUNCTION clean();
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF tg_op = ''DELETE'' THEN INSERT INTO kid VALUES (1); END IF; RETURN new; END';
    CREATE TABLE audited (a int); CREATE TRIGGER audits AFTER INSERT OR UPDATE OR DELETE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE TABLE kept (a int PRIMARY KEY); CREATE TRIGGER keeps BEFORE DELETE ON kept FOR EACH ROW EXECUTE FUNCTION clean();
    CREATE FUNCTION purges() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; RETURN new; END';
    CREATE TABLE staff (name text, status text, loud text GENERATED ALWAYS AS (upper(status)) STORED);
    CREATE TRIGGER leaves AFTER UPDATE OF status ON staff FOR EACH ROW EXECUTE FUNCTION purges();
    CREATE TABLE loud (name text, status text, big text GENERATED ALWAYS AS (upper(status)) STORED);
    CREATE TRIGGER shouts AFTER UPDATE OF big ON loud FOR EACH ROW EXECUTE FUNCTION purges();
    CREATE FUNCTION clears() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM u; END;
    CREATE FUNCTION asks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM clears(); RETURN new; END';
    CREATE FUNCTION \"Tidy\"() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; END';
    CREATE FUNCTION quoted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM \"Tidy\"(); RETURN new; END';
    CREATE TABLE by_quoted (a int); CREATE TRIGGER quoted AFTER INSERT ON by_quoted FOR EACH ROW EXECUTE FUNCTION quoted();
    CREATE FUNCTION texts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DELETE FROM u''; RETURN new; END';
    CREATE TABLE by_text (a int); CREATE TRIGGER texts AFTER INSERT ON by_text FOR EACH ROW EXECUTE FUNCTION texts();
    CREATE FUNCTION archive(int) RETURNS int LANGUAGE sql AS 'DELETE FROM u; SELECT $1';
    CREATE FUNCTION marks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.archive := 1; RETURN new; END';
    CREATE TABLE marked (a int, archive int); CREATE TRIGGER marks BEFORE INSERT ON marked FOR EACH ROW EXECUTE FUNCTION marks();
    CREATE TABLE by_others (a int); CREATE TRIGGER asks AFTER INSERT ON by_others FOR EACH ROW EXECUTE FUNCTION asks();
    CREATE SCHEMA tenant; CREATE TABLE tenant.cleaned (a int);
    CREATE TABLE ruled (a int); CREATE RULE also AS ON INSERT TO ruled DO ALSO DELETE FROM u;
    CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE VIEW of_operator AS SELECT 1 === 1;
    CREATE FUNCTION purges_one(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; RETURN 1; END';
    CREATE VIEW behind AS SELECT purges_one(1); CREATE VIEW further AS SELECT * FROM behind;
    CREATE OPERATOR ### (RIGHTARG = int, FUNCTION = purges_one); CREATE DOMAIN guarded AS int CHECK (purges_one(VALUE) > 0);
    CREATE TABLE filled (a int DEFAULT purges_one(1), b int); CREATE TABLE of_guarded (a guarded);
    CREATE SEQUENCE sq; CREATE TABLE ser (id int DEFAULT nextval('sq')); CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;";

/// Scripts that take something away, and what a plan says of them.
const ASKED_ON_POSTGRES: &[(&str, &str)] = &[
    (
        "DROP SCHEMA crm CASCADE",
        "drops the schema `crm` and all in it, drops the table `crm.c`, drops the view `v`, drops the view `v2`",
    ),
    (
        "drop schema if exists \"crm\" /* x */ cascade",
        "drops the schema `crm` and all in it, drops the table `crm.c`, drops the view `v`, drops the view `v2`",
    ),
    ("DROP TYPE mood CASCADE", "drops the view `v`, drops the view `v2`, drops the column `t.m`"),
    ("DROP DOMAIN public.mail CASCADE", "drops the column `t.e`"),
    ("DROP FUNCTION f() CASCADE", "drops the view `of_f`"),
    ("DROP FUNCTION g CASCADE", "drops the trigger `tr`"),
    ("DROP VIEW v CASCADE", "drops the view `v`, drops the view `v2`"),
    ("DROP TABLE crm.c CASCADE", "drops the table `crm.c`, drops the view `v`, drops the view `v2`"),
    (
        "SET search_path = crm; DROP TABLE c CASCADE",
        "drops the table `crm.c`, drops the view `v`, drops the view `v2`",
    ),
    (
        "ALTER TABLE t DROP COLUMN m CASCADE",
        "drops the view `v`, drops the view `v2`, drops the column `t.m`",
    ),
    ("DROP TABLE parts", "drops the table `part1`, drops the table `parts`"),
    ("DROP TRIGGER tr ON u", "drops the trigger `tr`"),
    ("TRUNCATE t CASCADE", "deletes rows of `t`, deletes rows of `u`, deletes rows of `w`"),
    ("TRUNCATE u", "deletes rows of `u`"),
    ("MERGE INTO u USING t ON t.id = u.id WHEN MATCHED THEN DELETE", "deletes rows of `u`"),
    ("EXPLAIN ANALYZE DELETE FROM u", "deletes rows of `u`"),
    ("explain (costs off, analyze) delete from u", "deletes rows of `u`"),
    (
        "PREPARE d AS DELETE FROM u; EXECUTE d",
        "deletes rows of `u`, runs `EXECUTE d`, and what it does cannot be read",
    ),
    (
        "DO $$ BEGIN PERFORM 1; END $$",
        "runs `DO $$ BEGIN PERFORM 1; END $$`, and what it does cannot be read",
    ),
    (
        "DO $$ BEGIN DROP TABLE u; END $$",
        "drops the table `u`, runs `DO $$ BEGIN DROP TABLE u; END $$`, and what it does cannot be read",
    ),
    ("CALL p()", "runs `CALL p()`, and what it does cannot be read"),
    ("SELECT purge()", "runs `SELECT purge()`, and what it does cannot be read"),
    (
        "ALTER TABLE t ALTER short TYPE varchar(1)",
        "changes the type of the column `t.short`, which can cut its values",
    ),
    (
        "ALTER TABLE t ALTER short TYPE text USING ''",
        "changes the type of the column `t.short`, which can cut its values",
    ),
    (
        "ALTER TABLE t ALTER COLUMN n SET DATA TYPE numeric(10, 2)",
        "changes the type of the column `t.n`, which can cut its values",
    ),
    ("DELETE FROM u", "deletes rows of `u`"),
    ("CREATE TABLE n (a int); DROP TABLE u; ALTER TABLE n RENAME TO u", "replaces the table `u`"),
    ("ALTER TABLE u RENAME TO old; CREATE TABLE u (a int); DROP TABLE old", "replaces the table `u`"),
    ("ALTER TABLE u RENAME TO old; DROP TABLE old", "drops the table `u`"),
    (
        "DROP FUNCTION h CASCADE",
        "drops the column `uses_h.b`, drops the index `h_i`, drops the constraint `uses_h_a_check` of `uses_h`, drops the default value of `uses_h.a`",
    ),
    ("DROP TABLE owner CASCADE", "drops the table `owner`, drops the constraint `owned_id_fkey` of `owned`"),
    (
        "ALTER TABLE owner DROP CONSTRAINT owner_pkey CASCADE",
        "drops the constraint `owned_id_fkey` of `owned`",
    ),
    ("DROP SEQUENCE sq CASCADE", "drops the sequence `sq`, drops the default value of `ser.id`"),
    ("DELETE FROM owner WHERE id = 1", "deletes rows of `owner`, deletes rows of `owned`"),
    ("DELETE FROM ONLY owner", "deletes rows of `owner`, deletes rows of `owned`"),
    ("TRUNCATE par", "deletes rows of `par`, deletes rows of `kid`"),
    ("TRUNCATE ONLY par", "deletes rows of `par`"),
    ("ALTER TABLE par DROP COLUMN a", "drops the column `par.a`, drops the column `kid.a`"),
    (
        "ALTER TABLE ma DROP COLUMN a",
        "drops the column `ma.a`, drops the column `daughter.a`, drops the column `grandson.a`",
    ),
    ("ALTER TABLE ONLY ma DROP COLUMN a", "drops the column `ma.a`"),
    ("DELETE FROM lists", "deletes rows of `lists`, deletes rows of `of_list1`, deletes rows of `of_lists`"),
    ("DELETE FROM list1", "deletes rows of `list1`, deletes rows of `of_list1`, deletes rows of `of_lists`"),
    ("SELECT sly()", "runs `SELECT sly()`, and what it does cannot be read"),
    ("SELECT nested()", "runs `SELECT nested()`, and what it does cannot be read"),
    ("SELECT wipes()", "runs `SELECT wipes()`, and what it does cannot be read"),
    (
        "CREATE FUNCTION bad() RETURNS void LANGUAGE sql AS 'DELETE FROM u'; SELECT bad()",
        "runs `SELECT bad()`, and what it does cannot be read",
    ),
    (
        "CREATE FUNCTION bad() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM purge(); END$$; SELECT bad()",
        "runs `SELECT bad()`, and what it does cannot be read",
    ),
    ("ALTER TYPE pair DROP ATTRIBUTE y CASCADE", "drops the column `pair.y`, drops the column `typed.y`"),
    ("DELETE FROM u USING t WHERE t.id = u.id", "deletes rows of `u`"),
    ("DELETE FROM ONLY (u)", "deletes rows of `u`"),
    (
        "INSERT INTO cleaned VALUES (1); INSERT INTO cleaned VALUES (2)",
        "runs `TRIGGER cleans ON cleaned`, and what it does cannot be read",
    ),
    (
        "WITH x AS (SELECT 1 AS a) INSERT INTO cleaned SELECT replace(a::text, '1', '2')::int FROM x",
        "runs `TRIGGER cleans ON cleaned`, and what it does cannot be read",
    ),
    (
        "SET search_path = crm, public; INSERT INTO cleaned VALUES (1)",
        "runs `TRIGGER cleans ON cleaned`, and what it does cannot be read",
    ),
    (
        "UPDATE staff SET (name, \"status\") = ('a', 'b') WHERE name = 'x'",
        "runs `TRIGGER leaves ON staff`, and what it does cannot be read",
    ),
    (
        r#"UPDATE staff SET U&"st\0061tus" = 'b' WHERE name = 'x'"#,
        "runs `TRIGGER leaves ON staff`, and what it does cannot be read",
    ),
    (
        "ALTER TABLE staff RENAME status TO state; UPDATE staff SET state = 'b' WHERE name = 'x'",
        "runs `TRIGGER leaves ON staff`, and what it does cannot be read",
    ),
    (
        "UPDATE loud SET status = 'b' WHERE name = 'x'",
        "runs `TRIGGER shouts ON loud`, and what it does cannot be read",
    ),
    ("INSERT INTO by_others VALUES (1)", "runs `TRIGGER asks ON by_others`, and what it does cannot be read"),
    ("DROP TRIGGER cleans ON cleaned; INSERT INTO cleaned VALUES (1)", "drops the trigger `cleans`"),
    ("INSERT INTO by_quoted VALUES (1)", "runs `TRIGGER quoted ON by_quoted`, and what it does cannot be read"),
    ("INSERT INTO by_text VALUES (1)", "runs `TRIGGER texts ON by_text`, and what it does cannot be read"),
    (
        "DROP TRIGGER IF EXISTS p ON u; CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM par; RETURN new; END';
         CREATE TRIGGER p AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION d(); DROP TRIGGER IF EXISTS p ON t;
         CREATE TRIGGER p AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION d(); INSERT INTO u VALUES (9)",
        "runs `TRIGGER p ON u`, and what it does cannot be read",
    ),
    (
        "CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DELETE FROM par'; RETURN new; END$$;
         CREATE TRIGGER p AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION d(); ALTER TABLE u RENAME TO u2; INSERT INTO u2 VALUES (9)",
        "runs `TRIGGER p ON u2`, and what it does cannot be read",
    ),
    (
        "CREATE TRIGGER t AFTER INSERT OR UPDATE OF id ON u FOR EACH ROW EXECUTE FUNCTION audit();
         CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM e(); RETURN new; END';
         CREATE FUNCTION e() RETURNS void LANGUAGE sql AS $$DELETE FROM par$$;
         CREATE TRIGGER own AFTER INSERT OR UPDATE OF id ON t FOR EACH ROW EXECUTE FUNCTION d();
         UPDATE t SET m = NULL WHERE id = 1; INSERT INTO u VALUES (9); INSERT INTO t (id) VALUES (999)",
        "runs `TRIGGER own ON t`, and what it does cannot be read",
    ),
    ("SELECT * FROM further", "runs `SELECT * FROM further`, and what it does cannot be read"),
    ("TABLE behind", "runs `TABLE behind`, and what it does cannot be read"),
    ("SELECT ### 1", "runs `SELECT ### 1`, and what it does cannot be read"),
    ("SELECT 1::guarded", "runs `SELECT 1::guarded`, and what it does cannot be read"),
    (
        "INSERT INTO filled (b) VALUES (1)",
        "runs `INSERT INTO filled (b) VALUES (1)`, and what it does cannot be read",
    ),
    (
        "INSERT INTO of_guarded VALUES (1)",
        "runs `INSERT INTO of_guarded VALUES (1)`, and what it does cannot be read",
    ),
    (
        "CREATE TABLE n AS SELECT * FROM \"behind\"",
        "runs `CREATE TABLE n AS SELECT * FROM \"behind\"`, and what it does cannot be read",
    ),
    (
        "EXPLAIN ANALYZE SELECT * FROM behind",
        "runs `EXPLAIN ANALYZE SELECT * FROM behind`, and what it does cannot be read",
    ),
    ("INSERT INTO ruled VALUES (1)", "runs `RULE also ON ruled`, and what it does cannot be read"),
    (
        "CREATE OR REPLACE RULE own AS ON INSERT TO t DO ALSO (SELECT 1; DELETE FROM u); INSERT INTO t (id) VALUES (999)",
        "runs `RULE own ON t`, and what it does cannot be read",
    ),
    ("EXPLAIN (ANALYSE) DELETE FROM u", "deletes rows of `u`"),
    ("CREATE TEMP TABLE u (a int); DROP TABLE u; DROP TABLE u", "drops the table `u`"),
    ("CREATE TEMP TABLE u (a int); DELETE FROM public.u", "deletes rows of `u`"),
    ("SELECT 1 AS a INTO TEMP u; ALTER TABLE u RENAME TO x; DROP TABLE x; TRUNCATE u", "deletes rows of `u`"),
    (
        "CREATE SCHEMA s; CREATE TABLE s.u (a int); SET search_path = s, public; DROP TABLE u; DROP TABLE u",
        "drops the table `u`",
    ),
    (
        "CREATE SCHEMA s; CREATE TABLE s.u (a int); SET search_path = s, public; DROP SCHEMA s CASCADE; DROP TABLE u",
        "drops the table `u`",
    ),
    (r#"DELETE FROM U&"\0075""#, "deletes rows of `u`"),
    (
        "DROP OPERATOR === (int, int) CASCADE",
        "drops all that depends on the operator `===(int,int)` (as its text reads)",
    ),
    ("WITH x AS MATERIALIZED (DELETE FROM u RETURNING *) SELECT * FROM x", "deletes rows of `u`"),
    ("ALTER TABLE u SET UNLOGGED", "makes `u` a table that can lose all rows when the server stops"),
    ("REFRESH MATERIALIZED VIEW mv WITH NO DATA", "deletes rows of `mv`"),
    ("COPY u TO PROGRAM 'cat'", "runs `COPY u TO PROGRAM 'cat'`, and what it does cannot be read"),
    (
        "INSERT INTO u (id) SELECT 1 FROM purge()",
        "runs `INSERT INTO u (id) SELECT 1 FROM purge()`, and what it does cannot be read",
    ),
    (
        "UPDATE u SET id = 1 WHERE purge() IS NULL",
        "runs `UPDATE u SET id = 1 WHERE purge() IS NULL`, and what it does cannot be read",
    ),
    (
        "CREATE TABLE x AS SELECT 1 WHERE purge() IS NULL",
        "runs `CREATE TABLE x AS SELECT 1 WHERE purge() IS NULL`, and what it does cannot be read",
    ),
    (
        "ALTER TABLE u ADD x text DEFAULT purge()::text",
        "runs `ALTER TABLE u ADD x text DEFAULT purge()::text`, and what it does cannot be read",
    ),
];

/// Scripts that take nothing away for good, and what a plan says of them.
const NOT_ASKED_ON_POSTGRES: &[(&str, &str)] = &[
    ("DROP VIEW IF EXISTS nov", ""),
    ("DROP TABLE IF EXISTS gone, crm.gone CASCADE", ""),
    (
        "DROP SCHEMA IF EXISTS gone CASCADE; DROP TYPE IF EXISTS gone CASCADE; DROP EXTENSION IF EXISTS gone CASCADE",
        "",
    ),
    ("DROP TRIGGER IF EXISTS gone ON u; DROP FUNCTION IF EXISTS gone() CASCADE", ""),
    ("CREATE VIEW again AS SELECT * FROM behind; EXPLAIN SELECT * FROM behind; COMMENT ON VIEW further IS 'x'", ""),
    ("CREATE RULE own AS ON INSERT TO t DO ALSO DELETE FROM u; INSERT INTO u VALUES (9)", ""),
    ("ALTER TABLE u DROP COLUMN IF EXISTS gone", ""),
    ("ALTER TABLE IF EXISTS gone DROP COLUMN a", ""),
    ("CREATE SCHEMA s; CREATE TABLE s.x (a int); DROP SCHEMA s CASCADE", ""),
    ("CREATE TYPE x AS ENUM ('a'); DROP TYPE x CASCADE; CREATE TABLE y (a int); DROP TABLE y", ""),
    ("EXPLAIN DELETE FROM u", ""),
    ("SELECT f(), count(*), now() FROM u", ""),
    ("REASSIGN OWNED BY CURRENT_USER TO CURRENT_USER", ""),
    ("UPDATE u SET id = 1", "overwrites rows of `u`"),
    ("MERGE INTO u USING t ON t.id = u.id WHEN MATCHED THEN UPDATE SET id = 1", "overwrites rows of `u`"),
    ("ALTER TABLE t ALTER short TYPE varchar(99), ALTER n TYPE numeric", ""),
    ("CREATE OR REPLACE VIEW v2 AS SELECT id FROM v", ""),
    ("ALTER TABLE parts DETACH PARTITION part1", "moves rows of `parts` into another table"),
    ("ALTER TABLE kid NO INHERIT par", "moves rows of `par` into another table"),
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET short = 'z'", "overwrites rows of `t`"),
    ("INSERT INTO t (id, short) SELECT 101, left(dice()::text, 9); SELECT dice()", ""),
    ("INSERT INTO t (id, short) VALUES (102, 'DELETE FROM u'::varchar(9))", ""),
    ("SELECT noted()", ""),
    ("CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$SELECT 1 + length('do it')$$; SELECT two()", ""),
    ("CREATE TABLE ids (a int DEFAULT f(), at timestamp with time zone) WITH (fillfactor = 70)", ""),
    ("DROP INDEX h_i", "drops the index `h_i`"),
    (
        "CREATE TEMP TABLE u (a int); DELETE FROM u; TRUNCATE pg_temp.u; DROP TABLE u; DROP TABLE IF EXISTS gone",
        "",
    ),
    (
        "UPDATE cleaned SET a = 1 WHERE a = 2; UPDATE ruled SET a = 1 WHERE a = 2; INSERT INTO audited VALUES (1)",
        "",
    ),
    ("INSERT INTO kept VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "overwrites rows of `kept`"),
    (
        "INSERT INTO kept SELECT length(replace('a', 'a', 'b')); WITH x AS (SELECT 3) INSERT INTO kept SELECT * FROM x",
        "",
    ),
    ("UPDATE staff SET name = 'status' WHERE name = 'x'", ""),
    ("SET search_path = tenant, public; INSERT INTO cleaned VALUES (1)", ""),
    ("DROP OPERATOR IF EXISTS @@@ (int, int) CASCADE; DROP EVENT TRIGGER IF EXISTS gone", ""),
    ("LOCK TABLE u IN SHARE MODE; REFRESH MATERIALIZED VIEW mv; REINDEX TABLE u; CLUSTER t USING t_pkey", ""),
    ("INSERT INTO marked VALUES (1)", ""),
    (
        "CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF tg_op = 'DELETE' THEN RAISE EXCEPTION 'cannot delete par'; END IF; RETURN new; END$$;
         CREATE TRIGGER p BEFORE INSERT OR DELETE ON u FOR EACH ROW EXECUTE FUNCTION d(); INSERT INTO u VALUES (9)",
        "",
    ),
    (
        "CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM par; RETURN new; END';
         CREATE TRIGGER p AFTER UPDATE OF id OR DELETE ON u FOR EACH ROW EXECUTE FUNCTION d(); UPDATE u SET nothing = 1 WHERE true OR false",
        "",
    ),
    (
        "CREATE TABLE n (a int); CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM n; RETURN new; END';
         CREATE TRIGGER own AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION d(); INSERT INTO u VALUES (9)",
        "",
    ),
    (
        "CREATE FUNCTION d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM par; RETURN new; END';
         CREATE TRIGGER own AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION d(); DROP TRIGGER own ON u; INSERT INTO u VALUES (9)",
        "",
    ),
    ("CREATE RULE r AS ON INSERT TO w DO INSTEAD DELETE FROM u", ""),
    ("PREPARE q AS SELECT 1; CREATE TABLE ex AS EXECUTE q", ""),
    ("DROP ROLE IF EXISTS gone; DROP SEQUENCE IF EXISTS gone; CREATE SEQUENCE s9; DROP SEQUENCE s9", ""),
    ("CREATE PUBLICATION pp; DROP PUBLICATION pp", ""),
    ("ALTER FUNCTION purge() COST 10; COPY u (id) FROM '/dev/null'", ""),
    ("INSERT INTO u SELECT id FROM t ON CONFLICT DO NOTHING; COMMENT ON TABLE u IS 'DROP TABLE u'", ""),
];

#[test]
fn postgres_says_what_goes_with_what_a_script_drops() {
    pg::with(|_, client| {
        client.batch_execute(POSTGRES).unwrap();
        for (is_asked, rows) in [(true, ASKED_ON_POSTGRES), (false, NOT_ASKED_ON_POSTGRES)] {
            for (script, expected) in rows {
                let plan = runner::<Postgres>(script).plan(&mut *client, Target::Latest).unwrap();
                assert_eq!(effects(&plan), *expected, "{script}");
                assert_eq!(asks::<Postgres>(script, &mut *client), is_asked, "{script}");
            }
        }
    });
}

#[test]
fn the_number_of_rows_is_an_estimate_and_says_so() {
    pg::with(|_, client| {
        client.batch_execute(POSTGRES).unwrap();
        let plan = runner::<Postgres>("DROP TABLE t CASCADE").plan(&mut *client, Target::Latest).unwrap();
        let dropped = &plan.steps()[0].effects.as_deref().unwrap()[0];
        assert_eq!(
            (dropped.kind, dropped.rows, dropped.evidence),
            (EffectKind::DropsTable, Some(100), Evidence::Catalog)
        );
        assert_eq!(dropped.to_string(), "drops the table `t` with about 100 rows");
    });
    my::with(|_, conn| {
        conn.query_drop("CREATE TABLE t (a INT)").unwrap();
        conn.query_drop("INSERT INTO t VALUES (1), (2)").unwrap();
        conn.query_drop("ANALYZE TABLE t").unwrap();
        let plan = runner::<Mysql>("TRUNCATE t").plan(&mut *conn, Target::Latest).unwrap();
        assert!(plan.to_string().contains("deletes rows of `t`, which has about 2 rows"), "{plan}");
    });
}

/// A role, or another database, is outside of what an empty database has to lose.
#[test]
fn an_empty_database_can_drop_another() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let name = format!("victim_{}", std::process::id());
    client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let script = format!("DROP DATABASE {name}");
    let plan = runner::<Postgres>(&script).plan(&mut client, Target::Latest).unwrap();
    assert_eq!(effects(&plan), format!("drops the database `{name}` and all in it"));
    let strict =
        runner::<Postgres>(&script).policy(Policy::STRICT).plan(&mut client, Target::Latest).unwrap();
    assert!(strict.problems().iter().any(|it| it.kind == ProblemKind::Destructive), "{strict}");
    assert!(asks::<Postgres>(&script, &mut client));
    assert!(!asks::<Postgres>("DROP DATABASE IF EXISTS not_there", &mut client));
    client.batch_execute("DROP TABLE __switchy_migrations").unwrap();
    // A first start is not interrupted.
    assert!(!asks::<Postgres>("DO $$ BEGIN PERFORM 1; END $$; DROP TABLE IF EXISTS a", &mut client));
    client.batch_execute(&format!("DROP DATABASE {name}")).unwrap();

    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    let other = format!("{}_other", my::rows(&mut conn, "SELECT DATABASE()").remove(0));
    conn.query_drop(format!("CREATE DATABASE {other}")).unwrap();
    conn.query_drop(format!("CREATE TABLE {other}.t (a INT)")).unwrap();
    for script in
        ["DROP DATABASE OTHER", "drop schema if exists `OTHER`", "/*!40000 DROP DATABASE IF EXISTS `OTHER`*/"]
    {
        let script = script.replace("OTHER", &other);
        let plan = runner::<Mysql>(&script).plan(&mut conn, Target::Latest).unwrap();
        let expected = format!("drops the database `{other}` and all in it, drops the table `{other}.t`");
        assert_eq!(effects(&plan), expected, "{script}");
        assert!(asks::<Mysql>(&script, &mut conn), "{script}");
    }
    // A function may call one of its own name there.
    conn.query_drop("CREATE TABLE kept (a INT)").unwrap();
    let there = "again() RETURNS INT BEGIN DELETE FROM t; RETURN 1; END";
    conn.query_drop(format!("CREATE FUNCTION {other}.{there}")).unwrap();
    conn.query_drop(format!("CREATE FUNCTION again() RETURNS INT RETURN {other}.again()")).unwrap();
    let plan = runner::<Mysql>("SELECT again()").plan(&mut conn, Target::Latest).unwrap();
    assert_eq!(effects(&plan), "runs `SELECT again()`, and what it does cannot be read");
    assert!(!asks::<Mysql>("DROP DATABASE IF EXISTS not_there", &mut conn));
    conn.query_drop(format!("DROP DATABASE {other}")).unwrap();
}

#[test]
fn what_a_role_owns_is_listed() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let role = format!("own_{}", std::process::id());
    let before = format!(
        "CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}; CREATE TABLE theirs (a int); RESET ROLE;
        CREATE TABLE ours (a int); CREATE VIEW of_theirs AS SELECT * FROM theirs"
    );
    // A server that the tests did not start may not allow it.
    if client.batch_execute(&before).is_err() {
        return;
    }
    let script = format!("DROP OWNED BY {role} CASCADE");
    let plan = runner::<Postgres>(&script).plan(&mut client, Target::Latest).unwrap();
    let expected =
        format!("drops all that `{role}` owns, drops the view `of_theirs`, drops the table `theirs`");
    let mut found: Vec<String> = effects(&plan).split(", ").map(str::to_owned).collect();
    let mut wanted: Vec<String> = expected.split(", ").map(str::to_owned).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(asks::<Postgres>(&script, &mut client));
    let role_too = format!("DROP ROLE {role}");
    let plan = runner::<Postgres>(&role_too).plan(&mut client, Target::Latest).unwrap();
    assert_eq!(effects(&plan), format!("drops the role `{role}`"));
    assert!(asks::<Postgres>(&role_too, &mut client));
    client.batch_execute(&format!("{script}; {role_too}")).unwrap();
}

/// Scripts that take something away, and what a plan says of them.
const ASKED_ON_MYSQL: &[(&str, &str)] = &[
    ("CREATE OR REPLACE TABLE c (id INT PRIMARY KEY, n INT)", "replaces the table `c`"),
    ("CREATE /*!100000 OR REPLACE */ TABLE c (id INT)", "replaces the table `c`"),
    ("/*!40000 DROP TABLE IF EXISTS `c` */", "drops the table `c`"),
    ("/*M!100000 DELETE FROM c */", "deletes rows of `c`"),
    ("SET sql_mode = 'ANSI_QUOTES'; DROP TABLE \"c\"", "drops the table `c`"),
    ("DELETE x FROM c AS x", "deletes rows of `c`"),
    ("ANALYZE DELETE FROM c", "deletes rows of `c`"),
    ("SET STATEMENT max_statement_time = 9 FOR DELETE FROM c", "deletes rows of `c`"),
    ("DROP VIEW v", "drops the view `v`"),
    ("DROP TRIGGER tr", "drops the trigger `tr`"),
    (
        "ALTER TABLE c MODIFY email VARCHAR(1)",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "ALTER TABLE c CHANGE email mail VARCHAR(1), DROP id",
        "changes the type of the column `c.email`, which can cut its values, drops the column `c.id`",
    ),
    ("CALL p()", "runs `CALL p()`, and what it does cannot be read"),
    ("DO f()", "runs `DO f()`, and what it does cannot be read"),
    ("SELECT f()", "runs `SELECT f()`, and what it does cannot be read"),
    (
        "PREPARE s FROM 'DROP TABLE c'; EXECUTE s",
        "drops the table `c`, runs `EXECUTE s`, and what it does cannot be read",
    ),
    ("EXECUTE IMMEDIATE 'TRUNCATE c'", "deletes rows of `c`"),
    (
        "BEGIN NOT ATOMIC DELETE FROM c; END",
        "deletes rows of `c`, runs `BEGIN NOT ATOMIC DELETE FROM c; END`, and what it does cannot be read",
    ),
    ("DELETE FROM owner", "deletes rows of `owner`, deletes rows of `owned`"),
    (
        "DELETE owner, c FROM owner JOIN c ON c.id = owner.id",
        "deletes rows of `owner`, deletes rows of `owned`, deletes rows of `c`",
    ),
    ("DELETE HISTORY FROM vers", "deletes rows of `vers`"),
    ("ALTER TABLE vers DROP SYSTEM VERSIONING", "deletes rows of `vers`"),
    ("ALTER TABLE p DROP PARTITION p0", "deletes rows of `p`"),
    ("ALTER TABLE px ENGINE=BLACKHOLE", "deletes rows of `px`"),
    ("ALTER TABLE px DISCARD TABLESPACE", "deletes rows of `px`"),
    ("ALTER TABLE c ENGINE=MEMORY", "makes `c` a table that can lose all rows when the server stops"),
    (
        "ALTER TABLE c CONVERT TO CHARACTER SET ascii",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "ALTER TABLE c MODIFY email VARCHAR(255) CHARACTER SET latin1",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "SET sql_mode = ''; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "SET @old = @@sql_mode, sql_mode = REPLACE(@@sql_mode, 'STRICT_TRANS_TABLES', ''); ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "SET STATEMENT sql_mode = '' FOR ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    (
        "ALTER IGNORE TABLE c MODIFY email INT",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    ("DROP SEQUENCE sq", "drops the sequence `sq`"),
    ("CREATE OR REPLACE SEQUENCE c", "drops the table `c`"),
    ("CREATE OR REPLACE TABLE sq (a INT)", "drops the sequence `sq`"),
    (
        "ALTER TABLE c MODIFY email VARCHAR(255) AS ('') STORED",
        "changes the type of the column `c.email`, which can cut its values",
    ),
    ("INSERT INTO cleaned VALUES (1)", "runs `TRIGGER cleans ON cleaned`, and what it does cannot be read"),
    ("INSERT INTO by_others VALUES (1)", "runs `TRIGGER asks ON by_others`, and what it does cannot be read"),
    (
        "CREATE TRIGGER own BEFORE UPDATE ON owner FOR EACH ROW CALL d(); CREATE PROCEDURE d() DELETE FROM c;
         INSERT INTO owner VALUES (9); UPDATE owner SET id = 10 WHERE id = 9",
        "runs `TRIGGER own ON owner`, and what it does cannot be read",
    ),
    ("DROP TRIGGER cleans; INSERT INTO cleaned VALUES (1)", "drops the trigger `cleans`"),
    ("DROP /*!99999 TEMPORARY */ TABLE c", "drops the table `c`"),
    ("DROP /*!99999 TEMPORARY /* x */ /* y */ */ TABLE c", "drops the table `c`"),
    ("DROP /*!99999 TEMPORARY */ TABLE c /*M! , px */", "drops the table `c`, drops the table `px`"),
    ("CREATE /*!99999 TEMPORARY */ TABLE IF NOT EXISTS c (i int); DROP TABLE c", "drops the table `c`"),
    ("DROP /*M!999998 TEMPORARY */ TABLE c", "drops the table `c`"),
    ("DELETE /*!80000 b */ FROM c /*!80000 AS b */", "deletes rows of `c`"),
    (
        "REPLACE INTO kept VALUES (1)",
        "overwrites rows of `kept`, runs `TRIGGER keeps ON kept`, and what it does cannot be read",
    ),
    ("ALTER TABLE c WAIT 5 DROP email", "drops the column `c.email`"),
    ("CREATE TEMPORARY TABLE c (a INT); DROP TEMPORARY TABLE c; DROP TABLE c", "drops the table `c`"),
    ("CREATE TEMPORARY TABLE c (a INT); DROP TABLE c; DROP TABLE c", "drops the table `c`"),
    ("DROP TEMPORARY TABLE IF EXISTS c; TRUNCATE c", "deletes rows of `c`"),
    ("DELETE QUICK FROM owner", "deletes rows of `owner`, deletes rows of `owned`"),
    ("REPLACE INTO owner VALUES (1)", "overwrites rows of `owner`, deletes rows of `owned`"),
    ("ALTER EVENT ev ENABLE", "runs `ALTER EVENT ev ENABLE`, and what it does cannot be read"),
    ("RESET MASTER", "drops the binary logs of the server (as its text reads)"),
    ("CREATE EVENT soon ON SCHEDULE AT CURRENT_TIMESTAMP DO DELETE FROM c", "deletes rows of `c`"),
    ("/*M!100300 DROP */ /*M!100300 TABLE c */", "drops the table `c`"),
    (
        "EXECUTE IMMEDIATE 'DELETE FROM c WHERE id = ?' USING 1",
        "runs `EXECUTE IMMEDIATE 'DELETE FROM c WHERE id = ?' USING 1`, and what it does cannot be read",
    ),
    (
        "CREATE FUNCTION two() RETURNS INT RETURN f(); SELECT two()",
        "runs `SELECT two()`, and what it does cannot be read",
    ),
    ("INSERT INTO owner SELECT f()", "runs `INSERT INTO owner SELECT f()`, and what it does cannot be read"),
];

/// Scripts that take nothing away for good, and what a plan says of them.
const NOT_ASKED_ON_MYSQL: &[(&str, &str)] = &[
    (
        "DROP VIEW IF EXISTS nov; DROP TABLE IF EXISTS gone; DROP TRIGGER IF EXISTS gone; DROP DATABASE IF EXISTS gone",
        "",
    ),
    ("ALTER TABLE c DROP COLUMN IF EXISTS gone", ""),
    ("CREATE OR REPLACE TABLE n (a INT); DROP TABLE n", ""),
    ("DROP TEMPORARY TABLE IF EXISTS c", ""),
    ("CREATE TEMPORARY TABLE c (a INT); DELETE FROM c; TRUNCATE c; DROP TEMPORARY TABLE c", ""),
    ("REPLACE INTO c VALUES (1, 'a')", "overwrites rows of `c`"),
    ("UPDATE c SET email = 'a'", "overwrites rows of `c`"),
    ("UPDATE c SET email = 'a' WHERE id = 1", ""),
    ("ALTER TABLE c MODIFY email VARCHAR(500), MODIFY id BIGINT", ""),
    ("SELECT count(*), max(id) FROM c; DO 1", ""),
    ("INSERT INTO c (id) VALUES (1) ON DUPLICATE KEY UPDATE email = 'a'", "overwrites rows of `c`"),
    ("INSERT INTO owner SELECT one()", ""),
    ("CREATE FUNCTION two() RETURNS INT RETURN one() + ABS(1); SELECT two()", ""),
    (
        "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE px",
        "moves rows of `p` into another table, moves rows of `px` into another table",
    ),
    ("ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL; ALTER TABLE c CONVERT TO CHARACTER SET utf8mb4", ""),
    ("SET sql_mode = 'STRICT_ALL_TABLES'; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL", ""),
    ("SET sql_mode = 'TRADITIONAL'; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL", ""),
    ("SET STATEMENT sql_mode = '' FOR SELECT 1; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL", ""),
    (
        "SET @sql_mode = '', @old = @@sql_mode; SET sql_mode = CONCAT(@@sql_mode, ',ANSI'); ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL",
        "",
    ),
    (
        "SET @old = @@sql_mode, sql_mode = ''; SET sql_mode = @old; ALTER TABLE c MODIFY email VARCHAR(255) NOT NULL",
        "",
    ),
    ("HANDLER c OPEN; HANDLER c READ FIRST; HANDLER c CLOSE; FLUSH TABLES; ALTER EVENT ev DISABLE", ""),
    ("UPDATE cleaned SET a = 1 WHERE a = 2; UPDATE by_others SET a = 1 WHERE a = 2", ""),
    (
        "CREATE TRIGGER own BEFORE INSERT ON owner FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'cannot delete c'; INSERT INTO owner VALUES (9)",
        "",
    ),
    (
        "CREATE TABLE n (a INT); CREATE TRIGGER own AFTER INSERT ON owner FOR EACH ROW DELETE FROM n; INSERT INTO owner VALUES (9)",
        "",
    ),
    ("INSERT INTO kept VALUES (1) ON DUPLICATE KEY UPDATE a = 2", "overwrites rows of `kept`"),
    ("INSERT INTO kept SELECT LENGTH(REPLACE('a', 'a', 'b')); INSERT INTO noted VALUES (1)", ""),
    ("CREATE PROCEDURE q() BEGIN INSERT INTO cleaned VALUES (1); END", ""),
    ("/*!999999 DELETE FROM c */; RENAME TABLE px TO py; DROP USER IF EXISTS 'gone'@'localhost'", ""),
];

#[test]
fn mysql_says_what_goes_with_what_a_script_drops() {
    const BEFORE: [&str; 25] = [
        "CREATE TABLE c (id INT PRIMARY KEY, email VARCHAR(255)) DEFAULT CHARSET utf8mb4",
        "INSERT INTO c VALUES (1, 'x'), (2, 'y')",
        "CREATE VIEW v AS SELECT id FROM c",
        "CREATE TRIGGER tr BEFORE INSERT ON c FOR EACH ROW SET new.email = 'z'",
        "CREATE PROCEDURE p() DELETE FROM c",
        "CREATE FUNCTION f() RETURNS INT BEGIN DELETE FROM c; RETURN 1; END",
        "CREATE FUNCTION one() RETURNS INT RETURN 1",
        "CREATE TABLE owner (id INT PRIMARY KEY)",
        "CREATE TABLE owned (id INT, FOREIGN KEY (id) REFERENCES owner (id) ON DELETE CASCADE)",
        "CREATE TABLE vers (id INT) WITH SYSTEM VERSIONING",
        "CREATE TABLE p (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
        "CREATE TABLE px (a INT)",
        "CREATE TABLE cleaned (a INT)",
        "CREATE TRIGGER cleans AFTER INSERT ON cleaned FOR EACH ROW DELETE FROM owner WHERE id = new.a",
        "CREATE TABLE kept (a INT PRIMARY KEY)",
        "CREATE TRIGGER keeps AFTER DELETE ON kept FOR EACH ROW DELETE FROM owner WHERE id = old.a",
        "CREATE TABLE noted (a INT)",
        "CREATE TRIGGER notes AFTER INSERT ON noted FOR EACH ROW INSERT INTO px SELECT TRUNCATE(new.a, LENGTH('delete')) /* drop */",
        "CREATE TABLE by_others (a INT)",
        "CREATE PROCEDURE asked(a INT) BEGIN IF a > 1 THEN CALL p(); END IF; END",
        "CREATE TRIGGER asks AFTER INSERT ON by_others FOR EACH ROW CALL asked(new.a)",
        "CREATE PROCEDURE looks(a INT) READS SQL DATA SET @x = a",
        "CREATE TRIGGER one AFTER UPDATE ON by_others FOR EACH ROW BEGIN SET @x = one(); CALL looks(1); END",
        "CREATE SEQUENCE sq",
        "CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO DELETE FROM c",
    ];
    my::with(|_, conn| {
        for statement in BEFORE {
            conn.query_drop(statement).unwrap();
        }
        for (is_asked, rows) in [(true, ASKED_ON_MYSQL), (false, NOT_ASKED_ON_MYSQL)] {
            for (script, expected) in rows {
                let plan = runner::<Mysql>(script).plan(&mut *conn, Target::Latest).unwrap();
                assert_eq!(effects(&plan), *expected, "{script}");
                assert_eq!(asks::<Mysql>(script, &mut *conn), is_asked, "{script}");
            }
        }
    });
}

/// What an earlier script of the plan creates, renames or runs counts for the later ones.
#[test]
fn a_plan_is_read_as_a_whole() {
    pg::with(|_, client| {
        client.batch_execute("CREATE TABLE a (b int); CREATE TABLE keep (b int)").unwrap();
        let set = vec![
            Migration::sql("1_rename", "ALTER TABLE a RENAME TO z; CREATE TABLE fresh (b int)"),
            Migration::sql("2_drop", "DROP TABLE z; DROP TABLE fresh; DROP TABLE IF EXISTS other"),
            Migration::sql("3_do", "DO $$ BEGIN PERFORM 1; END $$"),
            // The block may have created it.
            Migration::sql("4_drop", "DROP TABLE IF EXISTS other"),
        ];
        let runner = MigrationRunner::<Postgres>::for_backend(set).unwrap();
        let plan = runner.plan(&mut *client, Target::Latest).unwrap();
        let of = |place: usize| {
            let effects = plan.steps()[place].effects.as_deref().unwrap();
            effects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(of(0), "");
        assert_eq!(of(1), "drops the table `a`");
        assert_eq!(of(3), "drops the table `other` (as its text reads)");
    });
}

/// A statement that cannot be read is a note for an author, like code, and not a loss that has to be declared.
#[test]
fn strict_reports_what_cannot_be_read_and_refuses_what_is_dropped() {
    pg::with(|_, client| {
        client.batch_execute("CREATE TABLE a (b int)").unwrap();
        let found = |script: &str, client: &mut postgres::Client| {
            let found = runner::<Postgres>(script).policy(Policy::STRICT).validate(client).unwrap();
            let kinds = [ProblemKind::Destructive, ProblemKind::Opaque];
            let found = found.into_iter().filter(|it| kinds.contains(&it.kind));
            found.map(|it| (it.kind, it.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(found("DO $$ BEGIN PERFORM 1; END $$", client), [(ProblemKind::Opaque, Verdict::Warn)]);
        assert_eq!(found("TRUNCATE a", client), [(ProblemKind::Destructive, Verdict::Deny)]);
    });
}
