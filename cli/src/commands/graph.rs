//! `graph`

use std::collections::HashMap;

use serde_json::json;
use switchy_schema::{MigrationId, State};

use super::work::Work;
use crate::args::GraphFormat;
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};

mod nodes;
mod svg;

use self::nodes::Graph;

/// The migrations with their dependencies, and with their states if a database is named.
pub(super) fn graph<B: Database>(work: &Work<'_, B>, format: GraphFormat) -> Result<Outcome> {
    let mut states: HashMap<MigrationId, State> = HashMap::new();
    if work.context.settings.database.is_some() {
        let mut session = work.open(Access::Read)?;
        let found = work.runner.status(B::conn(&mut session))?;
        states.extend(found.entries.into_iter().map(|entry| (entry.id, entry.state)));
    } else {
        work.output().say("no database is named, so nothing is known of what is applied");
    }
    let graph = Graph::of(work, &states);
    let text = match format {
        GraphFormat::Mermaid => graph.mermaid(),
        GraphFormat::Dot => graph.dot(),
        GraphFormat::Svg => svg::draw(&graph),
    };
    let nodes: Vec<_> = graph
        .nodes
        .iter()
        .map(|node| {
            let needs: Vec<&str> = node.needs.iter().map(|&need| graph.nodes[need].id.as_str()).collect();
            json!({ "id": node.id, "state": node.state, "needs": needs })
        })
        .collect();
    Ok(Outcome::new(text.clone(), json!({ "nodes": nodes, "text": text })))
}
