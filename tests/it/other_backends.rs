//! The engine on a database that is not SQLite: the toy backend of the examples.

use std::panic::{AssertUnwindSafe, catch_unwind};

use switchy_schema::layout::{Entry, migrations};
use switchy_schema::{ErrorKind, Migration, MigrationRunner, ProblemKind, Target, TransactionMode};

use toy::{Settings, Toy};

#[allow(dead_code, unreachable_pub, reason = "the file is a program of its own")]
#[path = "../../examples/custom_backend.rs"]
pub(crate) mod toy;

fn runner(files: &[(&str, &str)]) -> MigrationRunner<Toy> {
    let entries = files.iter().map(|(path, text)| Entry::new(*path, text.as_bytes().to_vec()));
    MigrationRunner::for_backend(migrations::<Toy>("", entries).unwrap()).unwrap()
}

const SET: [(&str, &str); 4] = [
    ("1_a/up.sql", "theme = light"),
    ("2_b/up.toy.sql", "theme = dark\nsize = 12"),
    ("2_b/down.sql", "theme = light"),
    ("3_c/up.sqlite.sql", "CREATE TABLE c (d)"),
];

#[test]
fn a_backend_gets_its_files_and_keeps_its_records() {
    let mut settings = Settings::default();
    let plan = runner(&SET).plan(&mut settings, Target::Latest).unwrap();
    assert_eq!(plan.problems()[0].kind, ProblemKind::OtherDatabase);
    assert_eq!(runner(&SET).run(&mut settings).unwrap().applied.len(), 2);
    assert_eq!(settings.values["theme"], "dark");
    assert!(runner(&SET).run(&mut settings).unwrap().is_up_to_date());
    runner(&SET).run_to(&mut settings, Target::Back(1)).unwrap();
    assert_eq!(settings.values["theme"], "light");
    assert_eq!(runner(&SET).pending(&mut settings).unwrap(), ["2_b"]);
}

#[test]
fn what_fails_or_panics_is_undone() {
    let broken = [("1_a/up.sql", "theme = light"), ("2_b/up.sql", "theme = dark\nno setting")];
    for (mode, theme, count) in
        [(TransactionMode::PerMigration, Some("light"), 1), (TransactionMode::Batch, None, 0)]
    {
        let mut settings = Settings::default();
        let error = runner(&broken).transaction(mode).run(&mut settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Step);
        assert_eq!(error.location().unwrap().position.unwrap().line, 2);
        assert_eq!(settings.values.get("theme").map(String::as_str), theme);
        assert_eq!(runner(&broken).history(&mut settings).unwrap().records().len(), count);
    }

    let mut settings = Settings::default();
    let panics =
        Migration::<Toy>::function("1_it", |settings: &mut Settings| -> Result<(), std::fmt::Error> {
            settings.values.insert("theme".to_owned(), "dark".to_owned());
            panic!("half-way");
        });
    let runner = MigrationRunner::for_backend([panics]).unwrap();
    catch_unwind(AssertUnwindSafe(|| runner.run(&mut settings))).unwrap_err();
    assert_eq!(settings.values.get("theme").map(String::as_str), None);
}
