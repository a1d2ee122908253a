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
    components
}

pub(super) fn place(tables: &[Table], name: &str) -> Option<usize> {
    tables.iter().position(|table| same_name(&table.name, name))
}

/// A table, and those that it references directly or through others.
fn reachable(parents: &[Vec<usize>], start: usize) -> Vec<usize> {
    let (mut found, mut open) = (Vec::new(), vec![start]);
    while let Some(next) = open.pop() {
        if !found.contains(&next) {
            found.push(next);
            open.extend(&parents[next]);
        }
    }
    found
}
