//! The set in `migrations/` on the servers, where its overlays create the same schema as on SQLite.

use std::path::Path;

use mysql::prelude::Queryable;
use postgres::Client;
use rusqlite::Connection;
use switchy_schema::{DirectoryMigrations, MigrationRunner, Mysql, Postgres, Report, Target};

use crate::{ROOT, servers};

const COUNT: usize = 14;

/// A database on which the set can run.
trait Database {
    fn run(&mut self, target: Target) -> Report;
    fn rows(&mut self, sql: &str) -> Vec<String>;
    /// The columns, indexes, constraints, triggers and routines of the set.
    fn schema(&mut self) -> Vec<String>;
    /// The tables and views with their columns, except those of the search.
    fn columns(&mut self) -> Vec<String>;
    /// Runs a statement, and returns whether it succeeded.
    fn try_to(&mut self, sql: &str) -> bool;
}

fn folder() -> DirectoryMigrations {
    DirectoryMigrations::from_path(Path::new(ROOT).join("migrations"))
}

const COLUMNS: &str = "SELECT concat(table_name, '.', column_name) FROM information_schema.columns
    WHERE table_schema = '@' AND table_name NOT LIKE '$_$_switchy%' ESCAPE '$' AND column_name <> 'search' ORDER BY 1";

impl Database for Client {
    fn run(&mut self, target: Target) -> Report {
        let runner = MigrationRunner::<Postgres>::for_backend(folder()).unwrap();
        runner.run_to(self, target).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn rows(&mut self, sql: &str) -> Vec<String> {
        crate::postgres::rows(self, sql)
    }

    fn schema(&mut self) -> Vec<String> {
        let sql = "SELECT * FROM (
                SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, generation_expression)
                FROM information_schema.columns WHERE table_schema = 'public'
                UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace
            ) AS definitions (definition) WHERE definition NOT LIKE '%\\_\\_switchy%' ORDER BY 1";
        self.rows(sql)
    }

    fn columns(&mut self) -> Vec<String> {
        self.rows(&COLUMNS.replace('@', "public"))
    }

    fn try_to(&mut self, sql: &str) -> bool {
        self.batch_execute(sql).is_ok()
    }
}

impl Database for mysql::Conn {
    fn run(&mut self, target: Target) -> Report {
        let runner = MigrationRunner::<Mysql>::for_backend(folder()).unwrap();
        runner.run_to(self, target).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn rows(&mut self, sql: &str) -> Vec<String> {
        crate::mysql::rows(self, sql)
    }

    fn schema(&mut self) -> Vec<String> {
        let sql = "SELECT * FROM (
                SELECT CONCAT_WS(' ', table_name, column_name, column_type, is_nullable, column_default, extra,
                    collation_name) AS definition
                FROM information_schema.columns WHERE table_schema = DATABASE()
                UNION ALL SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name, non_unique, index_type)
                FROM information_schema.statistics WHERE table_schema = DATABASE()
                UNION ALL SELECT CONCAT_WS(' ', trigger_name, action_timing, event_manipulation, action_statement)
                FROM information_schema.triggers WHERE trigger_schema = DATABASE()
                UNION ALL SELECT CONCAT_WS(' ', routine_name, routine_definition)
                FROM information_schema.routines WHERE routine_schema = DATABASE()
                UNION ALL SELECT CONCAT_WS(' ', table_name, constraint_name, constraint_type)
                FROM information_schema.table_constraints WHERE table_schema = DATABASE()
            ) AS definitions WHERE definition NOT LIKE '%\\_\\_switchy%' ORDER BY 1";
        self.rows(sql)
    }

    fn columns(&mut self) -> Vec<String> {
        let database = self.rows("SELECT DATABASE()").concat();
        self.rows(&COLUMNS.replace('@', &database))
    }

    fn try_to(&mut self, sql: &str) -> bool {
        self.query_drop(sql).is_ok()
    }
}

/// Runs a test on each available server.
fn on_each(test: impl Fn(&mut dyn Database)) {
    if let Some(database) = servers::postgres() {
        test(&mut database.connect());
    }
    if let Some(database) = servers::mysql() {
        test(&mut database.connect());
    }
}

/// The set on SQLite, to compare with.
fn on_sqlite() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    MigrationRunner::new(folder()).unwrap().run(&conn).unwrap();
    conn
}

#[test]
fn it_runs_once_and_makes_the_tables_and_rows_of_sqlite() {
    let sqlite = on_sqlite();
    let of_sqlite = |sql: &str| switchy_schema::test_utils::rows(&sqlite, sql);
    let queries = [
        "SELECT id, uuid, name, color, parent_id, archived_at FROM notebooks ORDER BY id",
        "SELECT id, uuid, notebook_id, title, body, CASE WHEN is_pinned THEN 1 ELSE 0 END, trashed_at, position FROM notes",
        "SELECT id, name FROM tags ORDER BY id",
        "SELECT note_id, tag_id FROM note_tags",
        "SELECT notebook_id, sort_by, CASE WHEN show_trash THEN 1 ELSE 0 END FROM notebook_settings",
        "SELECT id, title, notebook, position, tags, attachments FROM note_overview",
        "SELECT count(*) FROM note_revisions",
    ];
    let columns = "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
        WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'notes_fts%' AND m.name NOT LIKE '$_$_switchy%' ESCAPE '$'
        ORDER BY 1";
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    on_each(|database| {
        let report = database.run(Target::Latest);
        assert_eq!(report.applied.len(), COUNT);
        assert!(report.notes.is_empty(), "{report}");
        let second = database.run(Target::Latest);
        assert!(second.is_up_to_date(), "{second}");
        assert_eq!(sorted(database.columns()), of_sqlite(columns));
        for query in queries {
            assert_eq!(database.rows(query), of_sqlite(query), "{query}");
        }
    });
}

#[test]
fn every_step_back_is_the_schema_before_the_step_and_forward_again_the_same() {
    on_each(|database| {
        let mut schemas = vec![database.schema()];
        for _ in 0..COUNT {
            assert_eq!(database.run(Target::Steps(1)).applied.len(), 1);
            schemas.push(database.schema());
        }
        let whole = schemas.last().unwrap().clone();
        assert!(whole.len() > 60, "{whole:#?}");
        while let Some(last) = schemas.pop() {
            assert_eq!(database.schema(), last, "{} steps", schemas.len());
            let undone = database.run(Target::Back(1)).applied.len();
            assert_eq!(undone, usize::from(!schemas.is_empty()));
        }
        assert_eq!(database.schema(), Vec::<String>::new());

        assert_eq!(database.run(Target::Latest).applied.len(), COUNT);
        assert_eq!(database.run(Target::Empty).applied.len(), COUNT);
        assert_eq!(database.run(Target::Latest).applied.len(), COUNT);
        assert_eq!(database.schema(), whole);
    });
}

#[test]
fn the_rows_of_the_user_survive_all_of_it() {
    let all = [
        "SELECT name FROM notebooks ORDER BY id",
        "SELECT title, body FROM notes ORDER BY id",
        "SELECT note_id, tag_id FROM note_tags ORDER BY note_id, tag_id",
        "SELECT file_name, byte_size FROM attachments",
        // A value that a migration fills in does not count as an edit.
        "SELECT count(*) FROM notebooks WHERE updated_at < '2002-01-01'",
    ];
    on_each(|database| {
        let all_of = |database: &mut dyn Database| all.map(|query| database.rows(query));
        database.run(Target::Before("2025-02-24-091500_add_note_positions".into()));
        for statement in [
            "INSERT INTO notebooks (id, name, color, updated_at) VALUES
                (10, 'Mine', '#ff0000', '2001-02-03 04:05:06'), (11, 'Grey', NULL, '2001-02-03 04:05:06')",
            "INSERT INTO notes (id, notebook_id, title, body) VALUES
                (20, 10, 'A', 'x'), (21, 10, 'B', 'y'), (22, 11, 'C', 'zebra')",
            "INSERT INTO note_tags (note_id, tag_id) SELECT 20, id FROM tags",
            "INSERT INTO attachments (note_id, file_name, content) VALUES (21, 'f', 'abc')",
            "UPDATE notes SET body = 'x!' WHERE id = 20",
        ] {
            assert!(database.try_to(statement), "{statement}");
        }
        let before = all_of(database);
        assert_eq!(before[0], ["Welcome", "Mine", "Grey"]);
        assert_eq!(before[2].len(), 4);
        database.run(Target::Latest);
        assert_eq!(all_of(database), before);
        assert_eq!(
            database.rows("SELECT color FROM notebooks WHERE id > 9 ORDER BY id"),
            ["#ff0000", "#808080"]
        );
        assert_eq!(
            database.rows("SELECT id, position FROM notes WHERE id > 9 ORDER BY id"),
            ["20|1", "21|2", "22|1"]
        );
        assert_eq!(database.rows("SELECT title, body FROM note_revisions"), ["A|x"]);
        assert_eq!(database.rows("SELECT count(*) FROM notebook_settings"), ["3"]);

        database.run(Target::BackTo("2025-02-10-154500_create_note_revisions".into()));
        assert_eq!(all_of(database), before, "and the way back");
        assert_eq!(
            database.rows("SELECT color FROM notebooks WHERE id > 9 ORDER BY id"),
            ["#ff0000", "NULL"]
        );
        database.run(Target::Latest);
        assert_eq!(all_of(database), before, "and forward again");
    });
}

#[test]
fn what_the_triggers_of_sqlite_do_is_done() {
    on_each(|database| {
        database.run(Target::Latest);
        for statement in [
            "INSERT INTO notebooks (id, name, parent_id) VALUES (10, 'a', NULL), (11, 'b', 10), (12, 'c', 11)",
            "INSERT INTO notes (id, notebook_id, title, body, updated_at) VALUES
                (20, 12, 'a', 'zebra', '2001-02-03 04:05:06'), (21, 12, 'b', 'x', '2001-02-03 04:05:06')",
            "UPDATE notes SET is_pinned = true, position = 7 WHERE id = 21",
            "UPDATE notes SET title = 'A' WHERE id = 20",
        ] {
            assert!(database.try_to(statement), "{statement}");
        }
        let edited = "SELECT id FROM notes WHERE updated_at > '2002-01-01' AND id > 9";
        assert_eq!(database.rows(edited), ["20"]);
        let revisions = "SELECT title, reason FROM note_revisions WHERE note_id = 20";
        assert_eq!(database.rows(revisions), ["a|renamed; text unchanged"]);
        for number in 0..25 {
            let edit = format!("UPDATE notes SET body = 'zebra {number}' WHERE id = 20");
            assert!(database.try_to(&edit), "{edit}");
        }
        let kept = "SELECT body FROM note_revisions WHERE note_id = 20 ORDER BY id";
        let kept = database.rows(kept);
        assert_eq!((kept.len(), &*kept[0], &*kept[19]), (20, "zebra 4", "zebra 23"));

        for refused in [
            "UPDATE notebooks SET parent_id = 11 WHERE id = 11",
            "INSERT INTO notebooks (id, name, parent_id) VALUES (99, 'x', 99)",
            "INSERT INTO tags (name) VALUES ('IDEA')",
            "INSERT INTO tags (name) VALUES ('')",
            "UPDATE notebook_settings SET sort_by = 'size'",
        ] {
            assert!(!database.try_to(refused), "{refused}");
        }

        let search = ["search @@ to_tsquery('simple', 'zebra')", "MATCH (title, body) AGAINST ('zebra')"];
        let found = search.iter().filter(|search| {
            let found = format!("SELECT id FROM notes WHERE {search}");
            database.try_to(&found) && database.rows(&found) == ["20"]
        });
        assert_eq!(found.count(), 1);

        let archived = "SELECT id FROM notebooks WHERE archived_at IS NOT NULL ORDER BY id";
        let moment = "'2026-01-01 00:00:00'";
        let _ = database.try_to(&format!("UPDATE notebooks SET archived_at = {moment} WHERE id = 10"));
        let _ = database.try_to(&format!("CALL archive_notebook(10, {moment})"));
        assert_eq!(database.rows(archived), ["10", "11", "12"]);
        assert_eq!(database.rows("SELECT title FROM note_overview"), ["Welcome to Notes"]);
    });
}
