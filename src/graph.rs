//! [`Graph`]: migrations and their dependencies, in the one order in which they run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::dialect::Dialect;
use crate::error::{Failure, Result, defined_twice};
use crate::history::HistoryDigest;
use crate::id::{MigrationId, likeness};
use crate::migration::Meta;
use crate::printable::is_obeyed;
use crate::problem::{Problem, ProblemKind};

/// A set of migrations in order: each after the migrations it needs, and of those that could be next, the one with the smallest id.
/// The order in which they were given has no influence.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    metas: Vec<Meta>,
    places: HashMap<MigrationId, usize>,
    /// For each place, the places it needs, in order.
    needs: Vec<Vec<usize>>,
}

impl Graph {
    /// Orders a set, and returns the accompanying items in the same order.
    ///
    /// # Errors
    /// Everything that is wrong with the set, all at once: ids that are empty, unprintable or defined twice, missing dependencies,
    /// cycles.
    pub(crate) fn build<T>(items: Vec<(Meta, T)>) -> Result<(Self, Vec<T>)> {
        // Only references are sorted: the migrations themselves are moved once, at the end. A stable sort keeps the definitions of
        // an id in the order in which they were given.
        let mut by_id: Vec<(usize, &Meta)> = items.iter().map(|(meta, _)| meta).enumerate().collect();
        by_id.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let (given, metas): (Vec<usize>, Vec<&Meta>) = by_id.into_iter().unzip();
        let mut wrong = unusable(&metas);
        let needs = resolve(&metas, &mut wrong);
        let order = order(&needs);
        if order.len() != metas.len() {
            wrong.extend(cycles(&needs, &order).iter().map(|cycle| in_words(&metas, cycle)));
        }
        if !wrong.is_empty() {
            return Err(Failure::Set(wrong).into());
        }

        let mut place_of = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &index)| place_of[index] = place);
        let mut ordered: Vec<Option<(Meta, T)>> = items.into_iter().map(Some).collect();
        let (metas, payloads): (Vec<_>, Vec<_>) =
            order.iter().filter_map(|&index| ordered[given[index]].take()).unzip();
        let needs = order
            .iter()
            .map(|&index| {
                let mut places: Vec<usize> = needs[index].iter().map(|&need| place_of[need]).collect();
                places.sort_unstable();
                places
            })
            .collect();
        Ok((Self::ordered(metas, needs), payloads))
    }

    /// Creates a set from migrations that are in order already, with the places that each needs.
    pub(crate) fn ordered(metas: Vec<Meta>, needs: Vec<Vec<usize>>) -> Self {
        let places = metas.iter().enumerate().map(|(place, meta)| (meta.id.clone(), place)).collect();
        Self { metas, places, needs }
    }

    /// The digests of the history after zero, one, two, ... of the migrations that run on a database in an environment.
    pub(crate) fn beginnings(&self, database: Dialect, environment: Option<&str>) -> Vec<HistoryDigest> {
        let mut digest = HistoryDigest::EMPTY;
        let runs = self.metas.iter().filter(|meta| meta.excluded(database, environment).is_none());
        let after = runs.map(|meta| {
            digest = digest.toggled(HistoryDigest::of_record(&meta.id, meta.checksum.as_ref(), false));
            digest
        });
        std::iter::once(HistoryDigest::EMPTY).chain(after).collect()
    }

    /// The migrations, in order.
    pub(crate) fn metas(&self) -> &[Meta] {
        &self.metas
    }

    /// The place of a migration in the order.
    #[inline(never)]
    pub(crate) fn place(&self, id: &MigrationId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The migration with this id.
    pub(crate) fn get(&self, id: &MigrationId) -> Option<&Meta> {
        self.place(id).map(|place| &self.metas[place])
    }

    /// The places of the migrations that the one at `place` needs.
    pub(crate) fn needs(&self, place: usize) -> &[usize] {
        &self.needs[place]
    }

    /// The id in the set with the most similar spelling.
    pub(crate) fn nearest(&self, id: &MigrationId) -> Option<MigrationId> {
        nearest(id, &mut self.metas.iter().map(|meta| &meta.id))
    }
}

/// Ids that cannot be used, and ids that are used twice. The metas are sorted.
fn unusable(metas: &[&Meta]) -> Vec<Problem> {
    let mut wrong = Vec::new();
    for meta in metas {
        let (finding, remedy) = match meta.id.as_str() {
            id if id.trim().is_empty() => ("is no id", "name it"),
            id if id.chars().any(char::is_control) => ("holds a control character", "rename it"),
            // Such a name looks like another one.
            id if id.chars().any(is_obeyed) => {
                ("holds a character that reorders or splits a line of text", "rename it")
            }
            _ => continue,
        };
        let finding = format!("{finding}, in {}", meta.origin);
        wrong.push(Problem::new(ProblemKind::InvalidId, &meta.id, finding, remedy));
    }
    for pair in metas.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        wrong.push(defined_twice(&pair[0].id, &pair[0].origin, &pair[1].origin));
    }
    wrong
}

/// For each migration, the indexes of the migrations it needs. The metas are sorted.
fn resolve(metas: &[&Meta], wrong: &mut Vec<Problem>) -> Vec<Vec<usize>> {
    let find = |id: &MigrationId| metas.binary_search_by(|meta| meta.id.cmp(id)).ok();
    let mut needs = Vec::with_capacity(metas.len());
    for meta in metas {
        let mut found: Vec<usize> = meta.depends_on_if_present.iter().filter_map(find).collect();
        for id in &meta.depends_on {
            if let Some(index) = find(id) {
                found.push(index);
                continue;
            }
            let mut ids = metas.iter().map(|meta| &meta.id).filter(|other| **other != meta.id);
            let hint =
                nearest(id, &mut ids).map_or_else(String::new, |id| format!(", the nearest is `{id}`"));
            wrong.push(Problem::new(
                ProblemKind::MissingDependency,
                &meta.id,
                format!("needs `{id}`, which is not in the set{hint}"),
                "add it, correct the name, or use depends_on_if_present",
            ));
        }
        found.sort_unstable();
        found.dedup();
        needs.push(found);
    }
    needs
}

/// Kahn's algorithm with a heap: of all that could be next, it takes the smallest. Migrations in a cycle or dependent on one are
/// left out.
fn order(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut waits_for: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        for &need in needs {
            needed_by[need].push(index);
        }
    }
    let mut next: BinaryHeap<Reverse<usize>> =
        (0..needs.len()).filter(|&index| waits_for[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(index)) = next.pop() {
        order.push(index);
        for &waiting in &needed_by[index] {
            waits_for[waiting] -= 1;
            if waits_for[waiting] == 0 {
                next.push(Reverse(waiting));
            }
        }
    }
    order
}

/// A shortest cycle through each migration that is in a cycle, except through those that are in one found before.
fn cycles(needs: &[Vec<usize>], ordered: &[usize]) -> Vec<Vec<usize>> {
    let mut is_settled = vec![false; needs.len()];
    for &index in ordered {
        is_settled[index] = true;
    }
    let mut cycles = Vec::new();
    for start in 0..needs.len() {
        if is_settled[start] {
            continue;
        }
        if let Some(cycle) = cycle_through(needs, start) {
            for &index in &cycle {
                is_settled[index] = true;
            }
            cycles.push(cycle);
        }
    }
    cycles
}

/// A breadth-first search from `start` back to `start`.
fn cycle_through(needs: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut came_from = vec![None; needs.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(index) = queue.pop_front() {
        for &need in &needs[index] {
            if need == start {
                let mut cycle = vec![index];
                while let Some(before) = came_from[cycle[cycle.len() - 1]] {
                    cycle.push(before);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if came_from[need].is_none() {
                came_from[need] = Some(index);
                queue.push_back(need);
            }
        }
    }
    None
}

fn in_words(metas: &[&Meta], cycle: &[usize]) -> Problem {
    let path: Vec<String> =
        cycle.iter().chain(cycle.first()).map(|&index| metas[index].id.to_string()).collect();
    let id = cycle.first().map_or_else(|| MigrationId::from(""), |&index| metas[index].id.clone());
    let finding = format!("needs itself: `{}`", path.join(" -> "));
    Problem::new(ProblemKind::Cycle, &id, finding, "remove one depends_on of these")
}

fn nearest(id: &MigrationId, ids: &mut dyn Iterator<Item = &MigrationId>) -> Option<MigrationId> {
    let likeness_to = |other: &MigrationId| {
        let whole = likeness(id.as_str(), other.as_str());
        let named = !id.name().is_empty() && id.name() == other.name();
        if named { whole.max(0.9) } else { whole }
    };
    ids.map(|other| (likeness_to(other), other))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, other)| other.clone())
}
