//! [`Graph`]: the migrations and their dependencies, as Mermaid and as DOT.

use std::collections::HashMap;

use switchy_schema::{MigrationId, State};

use crate::commands::status::StateLabel;
use crate::commands::work::Work;
use crate::session::Database;

/// The migrations in their order.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) id: String,
    pub(super) state: Option<&'static str>,
    pub(super) needs: Vec<usize>,
}

impl Graph {
    pub(super) fn of<B: Database>(work: &Work<'_, B>, states: &HashMap<MigrationId, State>) -> Self {
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

    pub(super) fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.nodes.iter().zip(0..).flat_map(|(node, place)| node.needs.iter().map(move |&need| (need, place)))
    }

    pub(super) fn mermaid(&self) -> String {
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

    pub(super) fn dot(&self) -> String {
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

    /// The states that it has, in the order of the legend.
    pub(super) fn states(&self) -> Vec<&'static str> {
        let mut states: Vec<&'static str> = Vec::new();
        for state in self.nodes.iter().filter_map(|node| node.state) {
            if !states.contains(&state) {
                states.push(state);
            }
        }
        states
    }
}

/// The colors of the boxes.
pub(super) const COLORS: [(&str, &str); 5] = [
    ("applied", "#c8e6c9"),
    ("pending", "#fff9c4"),
    ("changed", "#ffcdd2"),
    ("dirty", "#ef9a9a"),
    ("dirty, to go on", "#ffe0b2"),
];

fn color(state: Option<&str>) -> &'static str {
    COLORS.iter().find(|(word, _)| Some(*word) == state).map_or("#ffffff", |(_, color)| color)
}
