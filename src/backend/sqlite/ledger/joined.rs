//! A copy that joins other tables: it can leave out rows of a table and copy others more than once, with the same number of rows.

use rusqlite::Connection;

use super::affinity::affinity;
use super::clauses::Clauses;
use super::definition::Definition;
use super::expression::own_column;
use super::rows::Rows;
use super::successor::{self, Comparison};
use crate::account::{RowCount, StepFinding};
use crate::backend::sqlite::columns;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Tokens, same_name};

impl Rows {
    /// Finds rows of a table that were lost or repeated by a join, if its successor was filled by a single copy.
    pub(super) fn compare_joined(
        &self,
        conn: &Connection,
        [old, new]: [usize; 2],
        name: &str,
        definition: &Definition,
        found: &mut Comparison,
    ) -> rusqlite::Result<()> {
        let (old, new) = (&self.tables[old], &self.tables[new]);
        let ([(_, copy)], Some(rows), Some(current)) = (&*new.copies, old.rows, new.current.as_deref())
        else {
            return Ok(());
        };
        let Some(clauses) = Clauses::of_copy(copy, || columns::of(conn, "main", current))? else {
            return Ok(());
        };
        let Some((from, alias)) = clauses.first_table() else { return Ok(()) };
        let is_old = same_name(&from, &old.last) || same_name(&from, name);
        if !is_old || !clauses.reads_others() || rows == 0 {
            return Ok(());
        }
        let table = &old.change.table;
        if new.is_new && found.after.saturating_sub(new.written) > rows {
            let what = format!(
                "replaces `{table}`, which had {}, with a table of {} rows, since the join in the copy repeats some rows",
                RowCount(rows),
                found.after
            );
            let remedy = "join on a key of the other table, or keep its rows in a table of their own";
            found.multiplied = Some(StepFinding::new(ProblemKind::ValuesChanged, what, remedy));
        }
        if found.lost > 0 || new.change.updated + new.change.upserted > 0 {
            return Ok(());
        }
        let alias = Tokens::new(alias).next_name().unwrap_or_default();
        let [was, is] = [definition.types(), Definition::read(conn, current)?.types()];
        let mut pairs = Vec::new();
        for set in &clauses.sets {
            let Some(column) = own_column(set.value, &alias) else { continue };
            let find = |types: &[(String, String)], name: &str| {
                let found = types.iter().find(|(column, _)| same_name(column, name));
                found.map(|(_, declared)| affinity(declared, false))
            };
            let target = set.columns.first().map_or("", |name| name);
            // A value that is stored in another form is not equal to what it was.
            if find(&was, &column).is_some_and(|was| find(&is, target) == Some(was)) {
                pairs.push([quote(&column), quote(target)]);
            }
        }
        let key = definition.key();
        let is_in = |column: &String| pairs.iter().any(|[own, _]| same_name(own, column));
        if !key.is_empty() && key.iter().all(is_in) {
            pairs.retain(|[own, _]| key.iter().any(|column| same_name(column, own)));
        }
        let (own, targets): (Vec<String>, Vec<String>) =
            pairs.into_iter().map(|[own, target]| (own, target)).unzip();
        if own.is_empty() {
            return Ok(());
        }
        if let Some((lost, missing)) = successor::not_in(conn, [name, current], [&own, &targets])? {
            (found.lost, found.missing) = (lost, missing);
        }
        Ok(())
    }
}
