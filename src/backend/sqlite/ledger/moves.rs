//! [`Moves`]: the columns that a script computes from a column before it drops that one.

use rusqlite::Connection;

use super::act::DroppedColumn;
use super::ask::truths;
use super::clauses::Clauses;
use super::converted::had;
use super::expression::{compares_own, may_become_null, reads_other, reads_own, says_null};
use crate::account::StepFinding;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Tokens, mentions, same_name};

/// The columns that statements computed from columns that are dropped later.
#[derive(Clone, Default)]
pub(super) struct Moves(Vec<Move>);

#[derive(Clone, PartialEq, Eq)]
struct Move {
    table: String,
    from: String,
    /// The column that gets the values; `None` if `NULL` is meant for some of them.
    to: Option<String>,
}

impl Moves {
    /// Notes an `UPDATE` of a table, given the columns that the script drops later.
    pub(super) fn note(&mut self, own: &str, table: &str, dropped: &[&DroppedColumn]) {
        let mut dropped = dropped.iter().filter_map(|column| column.of(table)).peekable();
        if dropped.peek().is_none() {
            return;
        }
        let Some(clauses) = Clauses::of_update(own) else { return };
        let alias =
            clauses.first_table().and_then(|(_, alias)| Tokens::new(alias).next_name()).unwrap_or_default();
        for from in dropped {
            // The condition of `UPDATE ... FROM` joins the tables.
            let is_joined = clauses.reads_others()
                && (reads_own(clauses.joined_by(), &alias, from)
                    || compares_own(clauses.selected_by(), &alias, from));
            for set in &clauses.sets {
                let is_other = reads_other(set.value, &alias);
                if !(if is_other { is_joined } else { mentions(set.value, from) }) {
                    continue;
                }
                if says_null(set.value) || may_become_null(set.value) {
                    let to = set.columns.first().filter(|_| !says_null(set.value)).cloned();
                    let found = Move { table: table.to_owned(), from: from.to_owned(), to };
                    // A script may move the values in many steps.
                    if !self.0.contains(&found) {
                        self.0.push(found);
                    }
                }
            }
        }
    }

    /// The finding about a column that is about to be dropped, if the columns that were computed from it are `NULL` in a row where it has a
    /// value. A zero can mean that there is nothing to move.
    pub(super) fn finding(
        &self,
        conn: &Connection,
        [table, from]: [&str; 2],
    ) -> rusqlite::Result<Option<StepFinding>> {
        let is_meant = |it: &&Move| same_name(&it.table, table) && same_name(&it.from, from);
        let targets: Option<Vec<&String>> = self.0.iter().filter(is_meant).map(|it| it.to.as_ref()).collect();
        let Some(targets) = targets else { return Ok(None) };
        let Some(to) = targets.first() else { return Ok(None) };
        let column = quote(from);
        let is_null = |to: &&String| format!("{} IS NULL", quote(to));
        let all_null = |some: &[&String]| some.iter().map(is_null).collect::<Vec<_>>().join(" AND ");
        // In groups, since SQLite limits the depth of an expression.
        let nulls: Vec<String> = targets.chunks(100).map(|some| format!("({})", all_null(some))).collect();
        let nulls = nulls.join(" AND ");
        let had = had(conn, [table, from], &column)?;
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {had} AND {column} <> 0 AND {nulls})",
            quote(table)
        );
        let is_lost = truths(conn, &sql)?.is_some_and(|results| results.contains(&true));
        Ok(is_lost.then(|| {
            StepFinding::new(
                ProblemKind::ValuesChanged,
                format!(
                    "drops the column `{from}` of `{table}`, and `{to}`, which is computed from it, is NULL in rows where `{from}` has a value"
                ),
                format!(
                    "give `{to}` a value for each value of `{from}` first, or write coalesce(..., NULL) if NULL is meant"
                ),
            )
        }))
    }
}
