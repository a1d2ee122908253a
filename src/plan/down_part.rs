//! The scripts of a plan that have a part with which another tool undoes them. Here it would run too.

use super::{Plan, Setting};
use crate::dialect::Dialect;
use crate::direction::Direction;
use crate::error::Abridged;
use crate::graph::Graph;
use crate::placeholder::next_piece;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::sql::{has_statement, part};
use crate::step::{DownPart, Step};

/// How the comment begins behind which a tool finds what undoes a migration: goose, sql-migrate, micrate, dbmate, Play and others.
const MARKS: [&str; 6] =
    ["+goose down", "+migrate down", "+micrate down", "migrate:down", "!downs", "//@undo"];

/// The whole comment, of rambler, node-pg-migrate and tern. Longer ones are sentences.
const WHOLE: [&str; 3] = ["rambler down", "down migration", "create above / drop below"];

/// Those of goose and dbmate, whose folders the command line converts.
const IMPORTED: [&str; 2] = ["+goose", "migrate:"];

impl Plan {
    /// The plan with the findings about parts that undo their own script.
    pub(super) fn with_down_parts(mut self, graph: &Graph, setting: Setting<'_>) -> Self {
        let of_step = |step: &Step| {
            let begins = step.direction == Direction::Up && step.from.is_none_or(|from| from == 1);
            found(graph, graph.place(&step.id).filter(|_| begins)?, setting)
        };
        let found = self.steps.iter().filter_map(of_step).collect();
        let direction = self.direction();
        self.problems.extend(setting.policy.judge(found, direction));
        self
    }
}

fn found(graph: &Graph, place: usize, setting: Setting<'_>) -> Option<Problem> {
    let meta = &graph.metas()[place];
    if meta.down_part == DownPart::Allowed {
        return None;
    }
    let script = setting.scripts.text(place, Direction::Up)?;
    let (offset, line) = mark(script, setting.dialect)?;
    let at = setting.scripts.located(place, Direction::Up, offset).0;
    let what = "another tool runs what follows only to undo the migration, but here the whole script runs";
    let finding = format!("has `{}` at {at}: {what}", Abridged(line));
    let others = Remedy::from("move that part into a down script")
        .or("set allow = [\"down-part\"] in its metadata if all of the script is meant to run");
    let can_import =
        IMPORTED.iter().any(|mark| comment(line).is_some_and(|comment| comment.starts_with(mark)));
    let remedy = if can_import { Remedy::ImportFolder.or(others) } else { others };
    Some(Problem::new(ProblemKind::DownPart, &meta.id, finding, remedy).at(at))
}

/// The comment from which on a script undoes what it did, with its offset. Tools search for it line by line, also in texts and in other
/// comments. There it is none here: in them it runs nothing.
fn mark(script: &str, dialect: Dialect) -> Option<(usize, &str)> {
    let (mut end, mut piece) = (0, 0);
    for line in script.split_inclusive('\n') {
        let start = end + line.len() - line.trim_start().len();
        end += line.len();
        let line = line.trim();
        let Some(comment) = comment(line) else { continue };
        let begins = |mark: &&str| {
            let rest = comment.strip_prefix(mark);
            rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
        };
        if !WHOLE.contains(&&*comment) && !MARKS.iter().any(begins) {
            continue;
        }
        piece = next_piece(script, piece, start, dialect);
        if piece == start && has_statement(part(script, end..)) {
            return Some((start, line));
        }
    }
    None
}

/// The words of a line that is a comment, in lower case and with single spaces, without what leads to them.
fn comment(line: &str) -> Option<String> {
    let is_comment = line.starts_with("--") || line.starts_with('#');
    let text = line.trim_matches(|c: char| c == '-' || c == '#' || c.is_whitespace());
    is_comment.then(|| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::{Dialect, mark};

    const DIALECTS: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];

    #[test]
    fn a_part_that_undoes_is_found_in_the_files_of_other_tools() {
        for down in [
            "-- +goose Down",
            "--+goose   Down",
            "-- +migrate Down",
            "-- +micrate Down",
            "-- migrate:down",
            "-- migrate:down transaction:false",
            "-- rambler down",
            "-- Down Migration",
            "# --- !Downs",
            "-- !Downs",
            "-- //@UNDO",
            "--//@UNDO",
            "---- create above / drop below ----",
            "  -- +goose Down\r",
        ] {
            let script = format!("CREATE TABLE a (b);\n{down}\nDROP TABLE a;\n");
            let start = 20 + down.len() - down.trim_start().len();
            for dialect in DIALECTS {
                assert_eq!(mark(&script, dialect), Some((start, down.trim())), "{script}");
            }
        }
    }

    #[test]
    fn other_comments_are_none() {
        for script in [
            "-- +goose Up\nCREATE TABLE a (b);\n-- +goose Down\n-- nothing\n",
            "-- migrate:up\nCREATE TABLE a (b);",
            "-- Down\nDROP TABLE a;",
            "-- Up\nINSERT INTO a VALUES (1);\n-- Down\nINSERT INTO a VALUES (2);",
            "CREATE TABLE a (b);\n/* not needed\n-- +goose Down\nDROP TABLE a; */\nSELECT 1;",
            "INSERT INTO a VALUES ('how to:\n-- +goose Down\nDROP TABLE x;');",
            "INSERT INTO a VALUES ('it''s how to:\n-- migrate:down\nDROP TABLE x;'); SELECT 1;",
            "-- migrate down the old rows\nDELETE FROM a;",
            "-- +goose downwards\nSELECT 1;",
            "-- down migrations are elsewhere\nSELECT 1;",
            "-- Down migration is not supported\nSELECT 1;",
            "SELECT 1; -- +goose Down\nSELECT 2;",
            "--rollback DROP TABLE a;\nSELECT 1;",
        ] {
            for dialect in DIALECTS {
                assert_eq!(mark(script, dialect), None, "{script}");
            }
        }
    }

    #[test]
    fn texts_are_read_as_the_database_reads_them() {
        let (sqlite, postgres, mysql) = (Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql);
        for (script, dialect, is_found) in [
            ("SELECT $$ how to:\n-- +goose Down\nDROP TABLE x; $$;", postgres, false),
            ("SELECT $a$ ' $a$;\n-- +goose Down\nDROP TABLE x;", postgres, true),
            ("SELECT E'\\'\n-- +goose Down\n';", postgres, false),
            ("/* /* */\n-- +goose Down\n*/ SELECT 1;", postgres, false),
            ("/* /* */\n-- +goose Down\nSELECT 1;", sqlite, true),
            ("SELECT '\\'\n-- +goose Down\n';", mysql, false),
            ("SELECT '\\';\n-- +goose Down\nSELECT 1;", sqlite, true),
            ("SELECT 1 AS [a\n-- +goose Down\n]; SELECT 1;", sqlite, false),
            ("SELECT 'a\n-- +goose Down\n';\n-- +goose Down\nSELECT 1;", sqlite, true),
        ] {
            assert_eq!(mark(script, dialect).is_some(), is_found, "{script}");
        }
    }
}
