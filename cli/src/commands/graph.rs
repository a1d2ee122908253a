//! `graph`

use std::collections::HashMap;

use serde_json::json;
use switchy_schema::{MigrationId, State};

use super::Work;
use super::status::StateLabel;
use crate::args::GraphFormat;
use crate::failure::Result;
use crate::output::Outcome;
use crate::session::{Access, Database};

mod svg;

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

/// The migrations in their order.
struct Graph {
    nodes: Vec<Node>,
}

struct Node {
    id: String,
    state: Option<&'static str>,
    needs: Vec<usize>,
}

impl Graph {
    fn of<B: Database>(work: &Work<'_, B>, states: &HashMap<MigrationId, State>) -> Self {
        let metas = work.runner.list();
        let places: HashMap<&MigrationId, usize> = metas.iter().map(|meta| &meta.id).zip(0..).collect();
        let nodes = metas.iter().map(|meta| {
            let mut needs: Vec<usize> = meta
                .depends_on
                .iter()
                .chain(&meta.depends_on_if_present)
                .filter_map(|id| places.get(id).copied())
                .collect();
            needs.sort_unstable();
            needs.dedup();
            let state = states.get(&meta.id).map(|state| StateLabel::of(state, false).word);
            Node { id: meta.id.as_str().to_owned(), state, needs }
        });
        Self { nodes: nodes.collect() }
    }

    fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.nodes.iter().zip(0..).flat_map(|(node, place)| node.needs.iter().map(move |&need| (need, place)))
    }

    fn mermaid(&self) -> String {
        let mut lines = vec!["flowchart TD".to_owned()];
        for (node, place) in self.nodes.iter().zip(0..) {
            // A quoted label must not contain these characters, so they are written as entities.
            let id =
                node.id.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
            let state = node.state.map_or_else(String::new, |state| format!("<br/>{state}"));
            lines.push(format!("    n{place}[\"{id}{state}\"]"));
        }
        lines.extend(self.edges().map(|(need, place)| format!("    n{need} --> n{place}")));
        for (word, style) in COLORS {
            let places: Vec<String> = (0..)
                .zip(&self.nodes)
                .filter(|(_, node)| node.state == Some(word))
                .map(|(place, _): (usize, _)| format!("n{place}"))
                .collect();
            if !places.is_empty() {
                lines.push(format!("    style {} fill:{style}", places.join(",")));
            }
        }
        lines.join("\n")
    }

    fn dot(&self) -> String {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let quoted = |text: &str| format!("\"{}\"", escaped(text));
        let mut lines =
            vec!["digraph migrations {".to_owned(), "    node [shape=box, style=filled]".to_owned()];
        for node in &self.nodes {
            let state = node.state.map_or_else(String::new, |state| format!("\\n{state}"));
            let (id, label) = (quoted(&node.id), format!("\"{}{state}\"", escaped(&node.id)));
            lines.push(format!("    {id} [label={label}, fillcolor=\"{}\"]", color(node.state)));
        }
        let id = |place: usize| quoted(&self.nodes[place].id);
        lines.extend(self.edges().map(|(need, place)| format!("    {} -> {}", id(need), id(place))));
        lines.push("}".to_owned());
        lines.join("\n")
    }
}

/// The states that a graph has, in the order of the legend.
impl Graph {
    fn states(&self) -> Vec<&'static str> {
        let mut states: Vec<&'static str> = Vec::new();
        for state in self.nodes.iter().filter_map(|node| node.state) {
            if !states.contains(&state) {
                states.push(state);
            }
        }
        states
    }
}

const COLORS: [(&str, &str); 5] = [
    ("applied", "#c8e6c9"),
    ("pending", "#fff9c4"),
    ("changed", "#ffcdd2"),
    ("dirty", "#ef9a9a"),
    ("dirty, to go on", "#ffe0b2"),
];

fn color(state: Option<&str>) -> &'static str {
    COLORS.iter().find(|(word, _)| Some(*word) == state).map_or("#ffffff", |(_, color)| color)
}
