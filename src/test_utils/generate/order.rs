//! In which order tables are filled.

use super::table::Table;
use crate::sql::same_name;

/// Groups of tables: referenced ones first, and those that reference each other together. They are places in the list.
pub(super) fn components(tables: &[Table]) -> Vec<Vec<usize>> {
    let parents: Vec<Vec<usize>> = tables
        .iter()
        .map(|table| table.references.iter().filter_map(|it| place(tables, &it.parent)).collect())
        .collect();
    let reached: Vec<Vec<usize>> = (0..tables.len()).map(|start| reachable(&parents, start)).collect();
    let mut components: Vec<Vec<usize>> = Vec::new();
    // A table that reaches another one, but not the other way round, reaches more tables than that one.
    let mut by_reach: Vec<usize> = (0..tables.len()).collect();
    by_reach.sort_by_key(|table| reached[*table].len());
    for table in by_reach {
        let is_mutual = |members: &Vec<usize>| {
            reached[members[0]].contains(&table) && reached[table].contains(&members[0])
        };
        match components.iter().position(is_mutual) {
            Some(at) => components[at].push(table),
            None => components.push(vec![table]),
        }
    }
    components.into_iter().map(|members| least_bound_first(tables, members)).collect()
}

pub(super) fn place(tables: &[Table], name: &str) -> Option<usize> {
    tables.iter().position(|table| same_name(&table.name, name))
}

/// The tables that a table references, directly or through others. Itself is among them only if it references itself.
fn reachable(parents: &[Vec<usize>], start: usize) -> Vec<usize> {
    let (mut found, mut open) = (Vec::new(), parents[start].clone());
    while let Some(next) = open.pop() {
        if !found.contains(&next) {
            found.push(next);
            open.extend(&parents[next]);
        }
    }
    found
}

/// Tables that reference each other, so that as few rows as possible need a parent that is not there yet.
fn least_bound_first(tables: &[Table], mut members: Vec<usize>) -> Vec<usize> {
    let mut ordered = Vec::new();
    while !members.is_empty() {
        let is_bound = |member: &usize| {
            let table = &tables[*member];
            table.references.iter().any(|reference| {
                let parent = place(tables, &reference.parent);
                let is_there = parent.is_none_or(|parent| parent == *member || !members.contains(&parent));
                !is_there && reference.nullable(table).next().is_none()
            })
        };
        let next = members.iter().position(|member| !is_bound(member)).unwrap_or(0);
        ordered.push(members.remove(next));
    }
    ordered
}
