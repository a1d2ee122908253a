//! Which pending migrations a target selects.

use super::Setting;
use crate::direction::Direction;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::target::Target;

/// The places of the migrations to apply, in order.
pub(super) fn select(graph: &Graph, history: &History, target: &Target, setting: Setting<'_>) -> Vec<usize> {
    let end = match target {
        Target::Through(id) => graph.place(id).map(|place| place + 1),
        Target::Before(id) => graph.place(id),
        _ => None,
    };
    let limit = if let Target::Steps(limit) = target { *limit } else { usize::MAX };
    // If the records were not read, the applied migrations are known to be the first ones here.
    let mut applied = history.first_of_set().unwrap_or_default();
    (0..end.unwrap_or(graph.metas().len()))
        .filter(|&place| {
            let meta = &graph.metas()[place];
            if applied > 0 && setting.excludes(meta).is_none() {
                applied -= 1;
                return false;
            }
            let resumes =
                |record: &Record| record.dirty.as_ref().is_some_and(|dirty| dirty.resumes(Direction::Up));
            history.get(&meta.id).is_none_or(resumes) && setting.excludes(meta).is_none()
        })
        .take(limit)
        .collect()
}
