//! Which pending migrations a target selects.

use super::Setting;
use crate::graph::Graph;
use crate::history::History;
use crate::target::Target;

/// The places of the migrations to apply, in order.
pub(super) fn select(graph: &Graph, history: &History, target: &Target, setting: Setting<'_>) -> Vec<usize> {
    let end = match target {
        Target::Through(id) => graph.place(id).map(|place| place + 1),
        Target::Before(id) => graph.place(id),
        _ => None,
    };
    let limit = if let Target::Steps(limit) = target { *limit } else { usize::MAX };
    (0..end.unwrap_or(graph.metas().len()))
        .filter(|&place| {
            let meta = &graph.metas()[place];
            history.get(&meta.id).is_none() && setting.excludes(meta).is_none()
        })
        .take(limit)
        .collect()
}
