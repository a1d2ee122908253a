//! Databases that the tools themselves created on servers (`compat/tools/fixtures`), before the last migration.

use std::fs;

use mysql::prelude::Queryable;
use switchy_schema::{
    Adoption, Backend, ErrorKind, Finding, MigrationRunner, Mysql, Postgres, Proof, Signature, Tool,
};

use super::tools::{MADE, Made};
use crate::servers;

impl Made {
    /// Whether the SQL of the migrations was recorded on SQLite, and differs on other databases.
    fn is_in_sql_of_sqlite(&self) -> bool {
        [Tool::Django, Tool::Rails].contains(&self.tool)
    }
}

/// Plans the adoption of a dump, and checks what must hold on every server. Returns the plan, and the number of records that it will add.
fn planned<B: Backend>(it: &Made, runner: &MigrationRunner<B>, conn: B::Conn<'_>) -> (Adoption, usize) {
    let adoption = runner.plan_adoption(conn, &(it.how)()).unwrap();
    let count = runner.list().len() - 1;
    assert_eq!((adoption.tool, adoption.proof.clone()), (it.tool, Proof::Impossible), "{adoption}");
    assert_eq!(adoption.refusals().count(), 0, "{adoption}");
    let is_highest = |place: usize| it.tool == Tool::GolangMigrate && place + 1 == count;
    for (place, entry) in adoption.to_record().enumerate() {
        let expected = if is_highest(place) { Finding::Matched } else { it.findings[place] };
        assert_eq!(entry.finding, expected, "{adoption}");
    }
    assert_eq!(adoption.to_record().count(), count, "{adoption}");
    (adoption, count)
}

const ROWS: [&str; 2] =
    ["SELECT name, email FROM users ORDER BY id", "SELECT user_id, body FROM notes ORDER BY id"];

#[test]
fn histories_that_the_tools_made_on_postgres_are_adopted() {
    let mut tried = 0;
    for it in MADE {
        let Ok(dump) = fs::read_to_string(it.folder().join("postgres.sql")) else { continue };
        let Some(database) = servers::postgres() else { return };
        database.connect().batch_execute(&dump).unwrap();
        let client = &mut database.connect();
        println!("{}", it.folder);
        let runner = it.set_for::<Postgres>(str::to_owned);
        let (adoption, count) = planned(it, &runner, &mut *client);
        let before = ROWS.map(|sql| crate::postgres::rows(client, sql));
        assert_eq!(runner.adopt(&mut *client, adoption, Signature::of("ada")).unwrap().len(), count);
        if !it.is_in_sql_of_sqlite() {
            assert_eq!(runner.run(&mut *client).unwrap().applied.len(), 1);
        }
        assert_eq!(ROWS.map(|sql| crate::postgres::rows(client, sql)), before);
        if let Ok(failed) = fs::read_to_string(it.folder().join("postgres-failed.sql")) {
            let Some(database) = servers::postgres() else { return };
            database.connect().batch_execute(&failed).unwrap();
            let adoption = runner.plan_adoption(&mut database.connect(), &(it.how)()).unwrap();
            let error = runner.adopt(&mut database.connect(), adoption, Signature::of("ada")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Adoption);
            assert!(error.to_string().contains("did not finish; look what it did"), "{error}");
        }
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} were tried");
}

/// Runs a dump, which contains many statements.
fn load(conn: &mut mysql::Conn, dump: &str) {
    let mut results = conn.query_iter(dump).unwrap();
    while let Some(rows) = results.iter() {
        rows.for_each(|row| drop(row.unwrap()));
    }
}

#[test]
fn histories_that_the_tools_made_on_mariadb_are_adopted() {
    let mut tried = 0;
    for it in MADE {
        let Ok(dump) = fs::read_to_string(it.folder().join("mysql.sql")) else { continue };
        let Some(database) = servers::mysql() else { return };
        load(&mut database.connect(), &dump);
        let conn = &mut database.connect();
        println!("{}", it.folder);
        let runner = it.set_for::<Mysql>(str::to_owned);
        let (adoption, count) = planned(it, &runner, &mut *conn);
        let before = ROWS.map(|sql| crate::mysql::rows(conn, sql));
        assert_eq!(runner.adopt(&mut *conn, adoption, Signature::of("ada")).unwrap().len(), count);
        if !it.is_in_sql_of_sqlite() {
            assert_eq!(runner.run(&mut *conn).unwrap().applied.len(), 1);
        }
        assert_eq!(ROWS.map(|sql| crate::mysql::rows(conn, sql)), before);
        if let Ok(failed) = fs::read_to_string(it.folder().join("mysql-failed.sql")) {
            let Some(database) = servers::mysql() else { return };
            load(&mut database.connect(), &failed);
            let adoption = runner.plan_adoption(&mut database.connect(), &(it.how)()).unwrap();
            let error = runner.adopt(&mut database.connect(), adoption, Signature::of("ada")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Adoption);
            let text = error.to_string();
            assert!(
                text.contains("did not finish; look what it did") || text.contains("failed in Flyway"),
                "{text}"
            );
        }
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} were tried");
}
