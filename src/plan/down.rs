//! Which applied migrations a target selects.

use std::collections::{BinaryHeap, HashSet};

use crate::graph::Graph;
use crate::history::History;
use crate::id::MigrationId;
use crate::target::Target;

/// The places *in the history* of the migrations to undo, in order: the newest first, but none before the migrations that need it.
pub(super) fn select(graph: &Graph, history: &History, target: &Target) -> Vec<usize> {
    let mut order = reversed(graph, history);
    match target {
        Target::Back(steps) => order.truncate(*steps),
        Target::Redo => order.truncate(1),
        Target::BackTo(id) => {
            let records = history.records();
            let needs = |id: &MigrationId| {
                let place = graph.place(id).into_iter();
                place.flat_map(|place| graph.needs(place)).map(|&need| &graph.metas()[need].id)
            };
            // It stays, and so does everything it needs, even if that was applied after it.
            let mut stays = HashSet::from([id]);
            for &record in &order {
                if stays.contains(&records[record].id) {
                    stays.extend(needs(&records[record].id));
                }
            }
            // If it is not applied, nothing was applied after it.
            let newer = records.iter().skip_while(|record| record.id != *id).map(|record| &record.id);
            let mut goes: HashSet<&MigrationId> = newer.filter(|id| !stays.contains(id)).collect();
            // Older migrations are undone too if they need one that is undone.
            for &record in order.iter().rev() {
                if needs(&records[record].id).any(|need| goes.contains(need)) {
                    goes.insert(&records[record].id);
                }
            }
            order.retain(|&record| goes.contains(&records[record].id));
        }
        _ => {}
    }
    order
}

fn reversed(graph: &Graph, history: &History) -> Vec<usize> {
    let records = history.records();
    let record_of_place: Vec<Option<usize>> = {
        let mut places = vec![None; graph.metas().len()];
        for (record, entry) in records.iter().enumerate() {
            if let Some(place) = graph.place(&entry.id) {
                places[place] = Some(record);
            }
        }
        places
    };
    let needs = |record: usize| {
        let place = graph.place(&records[record].id);
        place.into_iter().flat_map(|place| graph.needs(place)).filter_map(|&need| record_of_place[need])
    };
    let mut needed_by = vec![0_usize; records.len()];
    (0..records.len()).flat_map(needs).for_each(|need| needed_by[need] += 1);
    let mut next: BinaryHeap<usize> = (0..records.len()).filter(|&record| needed_by[record] == 0).collect();
    let mut order = Vec::with_capacity(records.len());
    while let Some(record) = next.pop() {
        order.push(record);
        for need in needs(record) {
            needed_by[need] -= 1;
            if needed_by[need] == 0 {
                next.push(need);
            }
        }
    }
    order
}
