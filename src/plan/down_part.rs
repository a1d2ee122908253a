//! The scripts of a plan that have a part with which another tool undoes them. Here it would run too.

use super::{Plan, Setting};
use crate::direction::Direction;
use crate::error::Abridged;
use crate::graph::Graph;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::sql::Tokens;
use crate::step::Step;

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
    let script = setting.scripts.text(place, Direction::Up)?;
    let (offset, line) = mark(script)?;
    let at = setting.scripts.located(place, Direction::Up, offset).0;
    let what = "another tool runs what follows only to undo the migration, but here the whole script runs";
    let finding = format!("has `{}` at {at}: {what}", Abridged(line));
    let others = Remedy::from("move that part into a down script")
        .or("reword the comment if it does not begin such a part");
    let can_import =
        IMPORTED.iter().any(|mark| comment(line).is_some_and(|comment| comment.starts_with(mark)));
    let remedy = if can_import { Remedy::ImportFolder.or(others) } else { others };
    Some(Problem::new(ProblemKind::DownPart, &graph.metas()[place].id, finding, remedy).at(at))
}

/// The comment from which on a script undoes what it did, with its offset. Tools search for it line by line, and so does this.
fn mark(script: &str) -> Option<(usize, &str)> {
    let (mut end, mut has_up) = (0, false);
    for line in script.split_inclusive('\n') {
        let start = end;
        end += line.len();
        let line = line.trim();
        let Some(comment) = comment(line) else { continue };
        has_up |= comment == "up";
        let begins = |mark: &&str| {
            let rest = comment.strip_prefix(mark);
            rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
        };
        // The npm package sqlite has the bare words.
        let is_whole = WHOLE.contains(&&*comment) || (has_up && comment == "down");
        if (is_whole || MARKS.iter().any(begins)) && Tokens::new(script.get(end..)?).next().is_some() {
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
    use super::mark;

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
            assert_eq!(mark(&script), Some((20, down.trim())), "{script}");
        }
        assert!(mark("-- Up\nCREATE TABLE a (b);\n---- Down ----\nDROP TABLE a;").is_some());
    }

    #[test]
    fn other_comments_are_none() {
        for script in [
            "-- +goose Up\nCREATE TABLE a (b);\n-- +goose Down\n-- nothing\n",
            "-- migrate:up\nCREATE TABLE a (b);",
            "-- Down\nDROP TABLE a;",
            "-- migrate down the old rows\nDELETE FROM a;",
            "-- +goose downwards\nSELECT 1;",
            "-- down migrations are elsewhere\nSELECT 1;",
            "-- Down migration is not supported\nSELECT 1;",
            "SELECT 1; -- +goose Down\nSELECT 2;",
            "--rollback DROP TABLE a;\nSELECT 1;",
        ] {
            assert_eq!(mark(script), None, "{script}");
        }
    }
}
