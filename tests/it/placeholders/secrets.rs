//! Secret values, which are in no message, no record and no file.

use std::fs;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use switchy_schema::{Event, Migration, MigrationRunner, Placeholder, Target};

use super::{declaring, findings, in_memory, runner};

const SECRET: &str = "hunter2-Tr0ub4dor";

fn secretive(script: &str) -> MigrationRunner {
    runner(script).placeholder_value("secret", SECRET)
}

/// All that an error says.
fn all_of(error: &switchy_schema::MigrationError) -> String {
    let cause = error.cause().map(|cause| format!("{cause} {cause:?} {:?}", cause.source()));
    format!("{error} {error:#} {error:?} {} {:?}", cause.unwrap_or_default(), error.report())
}

#[track_caller]
fn assert_hidden(text: &str) {
    let lower = text.to_lowercase();
    for part in [SECRET, &SECRET[..7], "r0ub4"] {
        assert!(!lower.contains(&part.to_lowercase()), "{part} is in {text}");
    }
}

#[test]
fn an_error_of_the_database_does_not_repeat_it() {
    for script in [
        "SELECT '${secret}' '${secret}' '${secret}'",
        "SELECT 1 WHERE '${secret}",
        "CREATE TABLE a (b CHECK (b <> '${secret}')); INSERT INTO a VALUES ('${secret}')",
        "CREATE TABLE '${secret}' (b); SELECT * FROM '${secret}' WHERE nothing",
        "CREATE TABLE 'x${secret}y' (b); INSERT INTO 'x${secret}y' VALUES (1, 2)",
        "CREATE TABLE a (b); INSERT INTO a VALUES (json('${secret}'))",
        "ATTACH '/nowhere/${secret}/db' AS a",
        "CREATE TABLE a AS SELECT load_extension('${secret}')",
    ] {
        let conn = in_memory();
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        let runner = secretive(script).observe(move |event: &Event<'_>| {
            sink.lock().unwrap().push(format!("{event:?}"));
        });
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        assert_hidden(&format!("{plan} {plan:?}"));
        assert_hidden(&format!("{:?}", runner.validate(&conn).unwrap()));
        let error = runner.run(&conn).expect_err(script);
        assert_hidden(&all_of(&error));
        assert_hidden(&events.lock().unwrap().join(" "));
        assert_hidden(&format!("{runner:?}"));
    }
}

/// A later script without placeholders meets the value in a row.
#[test]
fn an_error_about_a_row_of_an_earlier_step_does_not_repeat_it() {
    let set = [
        Migration::sql("1_a", "CREATE TABLE a (b); INSERT INTO a VALUES ('${secret}')"),
        Migration::sql("2_b", "CREATE TABLE c AS SELECT json(b) AS d FROM a; SELECT raise_it(b) FROM a"),
    ];
    let runner = declaring(MigrationRunner::new(set).unwrap()).placeholder_value("secret", SECRET);
    let conn = in_memory();
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
    // The reference that the function gets is mutable in newer versions of the driver.
    conn.create_scalar_function("raise_it", 1, flags, |context| -> rusqlite::Result<i64> {
        Err(rusqlite::Error::UserFunctionError(format!("no: {}", context.get::<String>(0)?).into()))
    })
    .unwrap();
    conn.create_scalar_function("json", 1, flags, |_| Ok(1)).unwrap();
    let error = runner.run(&conn).unwrap_err();
    assert!(error.to_string().contains("no: ${secret}"), "{error}");
    assert_hidden(&all_of(&error));
}

/// The statement in the error is the one of the author.
#[test]
fn a_finding_about_a_statement_does_not_repeat_it() {
    let conn = in_memory();
    conn.execute_batch(
        "CREATE TABLE a (b); CREATE TABLE c (d); INSERT INTO c VALUES (1);
        CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM c; END",
    )
    .unwrap();
    let error = secretive("INSERT INTO a VALUES ('${secret}')").run(&conn).unwrap_err();
    assert_hidden(&all_of(&error));
    assert!(error.to_string().contains(" in `INSERT INTO a VALUES ('${secret}')`: "), "{error}");
}

#[test]
fn the_file_of_the_database_does_not_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let up = "CREATE TABLE a AS SELECT length('${secret}') AS b";
    let set = || {
        let down = "UPDATE a SET b = length('${secret}'); DROP TABLE a";
        let failing = Migration::sql("2_b", "CREATE TABLE c (d);\nINSERT INTO c SELECT nothing('${secret}')");
        let set = [Migration::reversible("1_a", up, down), failing.outside_transaction()];
        declaring(MigrationRunner::new(set).unwrap()).placeholder_value("secret", SECRET)
    };
    let conn = Connection::open(&path).unwrap();
    let error = set().run(&conn).unwrap_err();
    assert_hidden(&all_of(&error));
    let history = set().history(&conn).unwrap();
    assert_eq!(history.records()[0].up_sql.as_deref(), Some(up));
    assert!(history.records()[1].dirty.as_ref().unwrap().failure.is_some());
    assert_hidden(&format!("{history:?}"));
    set()
        .recover(&conn, switchy_schema::Recovery::Forget("2_b".into()), switchy_schema::Signature::of("ada"))
        .unwrap();
    set().rollback(&conn, 1).unwrap();
    drop(conn);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(7).any(|part| part.eq_ignore_ascii_case(&SECRET.as_bytes()[..7]));
        assert!(!found, "{} has it", path.display());
    }
}

#[test]
fn it_stands_only_within_a_string() {
    for script in ["CREATE TABLE ${secret} (b)", "CREATE TABLE \"${secret}\" (b)", "SELECT ${secret}"] {
        let error = secretive(script).run(&in_memory()).unwrap_err();
        assert!(findings(&error)[0].contains("it is secret, and here it is not within a string"), "{error}");
        assert_hidden(&all_of(&error));
    }
    // A migration that declares the name again cannot make it public.
    let own = Migration::sql("1_a", "SELECT ${secret}").placeholder(Placeholder::new("secret"));
    let own = declaring(MigrationRunner::new([own]).unwrap()).placeholder_value("secret", SECRET);
    let error = own.run(&in_memory()).unwrap_err();
    assert!(findings(&error)[0].contains("it is secret, and here it is not within a string"), "{error}");
    let empty = runner("SELECT '${secret}'").placeholder_value("secret", "");
    assert!(findings(&empty.run(&in_memory()).unwrap_err())[0].contains("it is secret and empty"));
    let unfit = runner("SELECT '${secret}'").placeholder_value("secret", "hunter2's");
    let error = unfit.run(&in_memory()).unwrap_err();
    assert!(!all_of(&error).contains("hunter2"), "{error}");
}

/// Masking each `a` would leave nothing that can be read.
#[test]
fn a_message_with_a_short_one_is_not_shown() {
    let run = |script: &str, secret: &str| {
        runner(script).placeholder_value("secret", secret).run(&in_memory()).unwrap_err().to_string()
    };
    let script = "SELECT '${secret}' FROM nowhere";
    assert!(run(script, "pw1").contains("no such table: nowhere"));
    let error = run(script, "no");
    assert!(error.contains("the message is not shown, because it has the value of `${secret}`"), "{error}");
}

/// Whoever can write to the file could store a script that copies it into a table.
#[test]
fn a_script_out_of_the_database_does_not_get_it() {
    let conn = in_memory();
    let set = [Migration::reversible("1_a", "CREATE TABLE a (b)", "INSERT INTO a VALUES ('${secret}')")];
    declaring(MigrationRunner::new(set).unwrap()).placeholder_value("secret", SECRET).run(&conn).unwrap();
    let older = declaring(MigrationRunner::new(Vec::<Migration>::new()).unwrap());
    let error = older.placeholder_value("secret", SECRET).downgrade(&conn).unwrap_err();
    assert!(findings(&error)[0].contains("a script out of the database gets no secret"), "{error}");
    assert_hidden(&all_of(&error));
}

#[test]
fn a_client_script_would_have_it() {
    let conn = in_memory();
    let runner = secretive("CREATE TABLE a AS SELECT '${secret}' AS b");
    let plan = runner.plan(&conn, Target::Latest).unwrap();
    let error = runner.client_script(&conn, &plan).unwrap_err();
    assert!(error.to_string().contains("it would have the value of `${secret}`, which is secret"), "{error}");
    assert_hidden(&all_of(&error));
}

#[test]
fn a_default_of_a_secret_is_not_in_what_a_program_prints() {
    let placeholder = Placeholder::new("a").default(SECRET).secret();
    assert_hidden(&format!("{placeholder:?}"));
    assert!(format!("{placeholder:?}").contains("has_default: true"));
    let it = secretive("SELECT 1").placeholder(placeholder);
    assert_hidden(&format!("{it:?}"));
}

/// The words of a script can be parts of a secret. They are what its author wrote, and are shown.
#[test]
fn the_statement_of_the_author_is_shown() {
    let script = "CREATE TABLE passwords (a);\nINSERT INTO passwords SELECT '${secret}', oops";
    let error = runner(script).placeholder_value("secret", "passwords-2026").run(&in_memory()).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("in `INSERT INTO passwords SELECT '${secret}', oops`"), "{text}");
    assert!(text.contains("2 | INSERT INTO passwords SELECT '${secret}', oops"), "{text}");
}
