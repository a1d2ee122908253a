//! The graph as SVG: one row for each migration, in order; each is indented further than its dependencies.

use std::fmt::Write;

use super::{Graph, color};

const WIDTH: usize = 300;
const HEIGHT: usize = 36;
const GAP: usize = 14;
const INDENT: usize = 60;

pub(super) fn draw(graph: &Graph) -> String {
    let mut depths: Vec<usize> = Vec::new();
    for node in &graph.nodes {
        // The dependencies come before it, so their depths are known.
        let depth = node.needs.iter().filter_map(|&need| depths.get(need)).max().map_or(0, |depth| depth + 1);
        depths.push(depth);
    }
    let left = |place: usize| GAP + depths[place] * INDENT;
    let top = |place: usize| GAP + place * (HEIGHT + GAP);
    let width = depths.iter().max().unwrap_or(&0) * INDENT + WIDTH + 2 * GAP;
    let height = top(graph.nodes.len());

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    for (need, place) in graph.edges() {
        let (x, y) = (left(need) + INDENT / 2, top(need) + HEIGHT);
        let (to_x, to_y) = (left(place), top(place) + HEIGHT / 2);
        let _ = writeln!(svg, "<path d=\"M{x} {y} V{to_y} H{to_x}\" fill=\"none\" stroke=\"#607d8b\"/>");
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        let (x, y, fill) = (left(place), top(place), color(node.state));
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"{fill}\" stroke=\"#607d8b\"/>"
        );
        let (text_x, text_y) = (x + 8, y + 15);
        let _ = writeln!(svg, "<text x=\"{text_x}\" y=\"{text_y}\">{}</text>", escaped(&node.id));
        if let Some(state) = node.state {
            let _ = writeln!(svg, "<text x=\"{text_x}\" y=\"{}\" fill=\"#607d8b\">{state}</text>", y + 29);
        }
    }
    svg.push_str("</svg>");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
