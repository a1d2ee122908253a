//! Each source lists what it has without a database, and a folder without its scripts.

use include_dir::{Dir, include_dir};
use switchy_schema::test_utils::TestMigrationBuilder;
use switchy_schema::{
    CodeMigrations, Dialect, DirectoryMigrations, EmbeddedMigrations, ErrorKind, Meta, Migration,
    MigrationSource, Sqlite, Unread,
};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");

fn list(source: &impl MigrationSource) -> Vec<Meta> {
    source.list().unwrap()
}

fn ids(metas: &[Meta]) -> Vec<&str> {
    metas.iter().map(|meta| meta.id.as_str()).collect()
}

#[test]
fn a_folder_is_listed_with_its_metadata_and_without_reading_its_scripts() {
    let folder = TestMigrationBuilder::new()
        .file("1_users/up.sql", b"SELECT '\xff'")
        .file("1_users/down.sql", b"")
        .file(
            "1_users/metadata.toml",
            b"description = \"Who writes.\"\nenvironments = [\"test\"]\ndepends_on = [\"2_a\"]",
        )
        .file("2_a.postgres.sql", b"")
        .file("3_b/up.sq", b"");
    let source = DirectoryMigrations::from_path(folder.path());
    assert_eq!(MigrationSource::<Sqlite>::migrations(&source).unwrap_err().kind(), ErrorKind::Source);

    let metas = list(&source);
    assert_eq!(ids(&metas), ["1_users", "2_a", "3_b"]);
    let users = &metas[0];
    assert_eq!(users.description.as_deref(), Some("Who writes."));
    assert_eq!((users.environments.clone(), users.is_reversible), (vec!["test".to_owned()], true));
    assert!(users.origin.to_string().ends_with("1_users/up.sql"), "{}", users.origin);
    assert_eq!((users.depends_on[0].as_str(), users.checksum), ("2_a", None));
    assert_eq!(metas[1].databases, [Dialect::Postgres]);
    assert_eq!(metas[2].unread, Some(Unread::Misspelled));

    let folder = folder.file("1_users/metadata.toml", b"descripton = \"\"");
    let error = MigrationSource::<Sqlite>::list(&DirectoryMigrations::from_path(folder.path())).unwrap_err();
    assert!(error.to_string().contains("descripton"), "{error}");
}

#[test]
fn what_is_listed_is_what_the_migrations_of_the_source_say() {
    let embedded = EmbeddedMigrations::new(&MIGRATIONS);
    let directory = DirectoryMigrations::from_path("migrations");
    let code = CodeMigrations::new()
        .register_migration(Migration::function("1_code", |_| Ok::<_, switchy_schema::BoxError>(())));
    let own = [Migration::sql("2_own", "SELECT 1").describe("Ours.")];

    let listed = list(&embedded.and(code.clone()).and(own.clone()));
    assert_eq!(listed.len(), 16);
    assert_eq!(ids(&listed[14..]), ["1_code", "2_own"]);
    assert_eq!(listed[15].description.as_deref(), Some("Ours."));
    assert!(listed[14].origin.to_string().contains("listing.rs:"), "{}", listed[14].origin);

    let boxed: Box<dyn MigrationSource> = Box::new(directory.clone());
    for (listed, migrations) in [
        (list(&embedded), MigrationSource::<Sqlite>::migrations(&embedded)),
        (list(&directory), MigrationSource::<Sqlite>::migrations(&directory)),
        (list(&boxed), boxed.migrations()),
        (list(&&code), code.migrations()),
    ] {
        // Only the checksum needs the script.
        let without_checksum = |meta: &Meta| {
            let mut meta = meta.clone();
            meta.checksum = None;
            format!("{meta:?}")
        };
        let metas: Vec<Meta> = migrations.unwrap().iter().map(|migration| migration.meta().clone()).collect();
        let words = |metas: &[Meta]| metas.iter().map(without_checksum).collect::<Vec<_>>();
        assert_eq!(words(&listed), words(&metas));
    }
}
